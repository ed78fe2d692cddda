"""Pictures of results: confusion, ranges and reliability."""

import numpy as np
import pytest

from emotionrecog import plots


def test_confusion_matrix_shows_shares_and_counts() -> None:
    figure = plots.confusion([[2, 0], [3, 1]], ["happy", "sad"], title="mine")
    (panel,) = figure.axes
    written = {text.get_position(): text.get_text() for text in panel.texts}
    assert written == {(0, 0): "100\n2", (0, 1): "75\n3", (1, 1): "25\n1"}
    np.testing.assert_allclose(panel.images[0].get_array(), [[1, 0], [0.75, 0.25]])
    with pytest.raises(ValueError, match=r"each of 2 emotions, got shape \(1, 2\)"):
        plots.confusion([[2, 0]], ["happy", "sad"])


def test_ranges_are_points_with_lines() -> None:
    figure = plots.ranges(
        {"sex": [("female", 0.7, (0.6, 0.8)), ("$a$", 0.5, None)], "x": [("y", 1, None)]}
    )
    first, second = figure.axes
    assert list(first.lines[0].get_xdata()) == [60, 80]
    assert [float(line.get_xdata()[0]) for line in first.lines[1:]] == [70, 50]
    assert second.get_xlabel() == "UAR in %"
    for nothing in ({}, {"sex": []}):
        with pytest.raises(ValueError, match="something to draw"):
            plots.ranges(nothing)


def test_reliability_bars_are_shares_of_correct_answers() -> None:
    sure = np.repeat([0.95, 0.55], [20, 5])
    figure = plots.reliability(sure, np.arange(25) % 4 > 0, n_bins=10)
    panel, below = figure.axes
    assert [bar.get_height() for bar in panel.patches] == [60, 75]
    assert [bar.get_height() for bar in below.patches] == [5, 20]
    assert (
        len({bar.get_facecolor() for bar in panel.patches}) == 2
    )  # the bar of five answers is pale
    for wrong in ([], [True]):
        with pytest.raises(ValueError, match="a confidence for each answer"):
            plots.reliability([0.5] * 2 * len(wrong), wrong)
