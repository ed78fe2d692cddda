"""The picture of a training history."""

import numpy as np
import pytest

from emotionrecog import plots

ROWS = [
    {
        "epoch": e,
        "loss": 2 / e,
        "validation_loss": v,
        "validation_uar": 0.1 * e,
        "learning_rate": r,
        "kept": float(e == 2),
    }
    for e, v, r in ((1, 1.9, 0.1), (2, 1.2, 0.2), (3, 1.4, 0.2))
]


def test_history_is_drawn() -> None:
    pytest.importorskip("matplotlib")
    losses, uar, rate = plots.history(ROWS).axes
    labels = [panel.get_ylabel() for panel in (losses, uar, rate)]
    assert labels == ["loss", "validation UAR in %", "learning rate"]
    kept, training, validation = losses.lines
    assert list(kept.get_xdata()) == [2, 2]
    assert losses.get_title(loc="left") == "epoch 2 is kept"
    np.testing.assert_allclose(training.get_ydata(), [2, 1, 2 / 3])
    np.testing.assert_allclose(validation.get_ydata(), [1.9, 1.2, 1.4])
    legend = [text.get_text() for text in losses.get_legend().get_texts()]
    assert legend == ["training", "validation"]
    np.testing.assert_allclose(uar.lines[1].get_ydata(), [10, 20, 30])
    np.testing.assert_allclose(rate.lines[1].get_ydata(), [0.1, 0.2, 0.2])
    assert rate.get_xlabel() == "epoch"
    assert plots.history(ROWS, kept=3).axes[0].get_title(loc="left") == "epoch 3 is kept"


def test_history_without_validation_is_drawn() -> None:
    pytest.importorskip("matplotlib")
    (losses,) = plots.history([{"epoch": e, "loss": 1 / e} for e in (1, 2)]).axes
    assert losses.get_title(loc="left") == "epoch 2 is kept"
    assert losses.get_legend() is None
    for wrong in ([], [{"epoch": 1}]):
        with pytest.raises(ValueError, match="one row or more with `epoch` and `loss`"):
            plots.history(wrong)
