"""What networks shall answer, and how much each clip or emotion counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.utils.class_weight import compute_class_weight

from emotionrecog.datasets import EMOTIONS
from emotionrecog.models.targets import (
    balanced_weights,
    class_weights,
    loss_targets,
    soft_targets,
    voted_targets,
)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_class_weights_are_scikit_learn_s(emotions: list[int]) -> None:
    found = class_weights(emotions, 7)
    known = np.unique(emotions)
    expected = compute_class_weight("balanced", classes=known, y=np.array(emotions))
    np.testing.assert_allclose(found[known], expected, rtol=1e-12)
    assert (found[np.setdiff1d(np.arange(7), known)] == 1.0).all()
    assert found[emotions].sum() == pytest.approx(len(emotions))


def test_balanced_weights_share_a_corpus_equally_among_its_emotions() -> None:
    # The first corpus has 16 clips of two emotions, the second 4 of one.
    groups = np.array([0] * 16 + [1] * 4)
    emotions = np.array([0] * 12 + [1] * 4 + [2] * 4)
    weights = balanced_weights(groups, emotions, [[1, 1, 0], [0, 0, 1]])
    assert weights[groups == 0].sum() == pytest.approx(np.sqrt(16))
    assert weights[groups == 1].sum() == pytest.approx(np.sqrt(4))
    assert weights[emotions == 0].sum() == pytest.approx(weights[emotions == 1].sum())
    assert len(np.unique(weights[emotions == 0])) == 1


def test_votes_become_shares_of_the_emotions_told_apart() -> None:
    votes = [(2, 0, 6, 0, 0, 0, 0, 0), None, (0,) * 8, (0, 5, 0, 0, 0, 0, 0, 0)]
    np.testing.assert_array_equal(
        voted_targets(votes, EMOTIONS)[:, [0, 2]], [[0.25, 0.75], [0, 0], [0, 0], [0, 0]]
    )
    # Of labels in another order, and without what the last was taken for.
    np.testing.assert_array_equal(
        voted_targets(votes, ("happy", "neutral")), [[0.75, 0.25], [0, 0], [0, 0], [0, 0]]
    )
    assert voted_targets([], EMOTIONS).shape == (0, 8)


def test_voted_and_acted_are_mixed_and_acted_stands_where_nobody_voted() -> None:
    acted, voted = np.eye(3)[[0, 1]], [[0.2, 0.8, 0.0], [0.0, 0.0, 0.0]]
    np.testing.assert_allclose(soft_targets(acted, voted, 0.0), acted)
    np.testing.assert_allclose(soft_targets(acted, voted, 1.0), [voted[0], acted[1]])
    np.testing.assert_allclose(soft_targets(acted, voted, 0.25)[0], [0.8, 0.2, 0.0], rtol=1e-6)
    for share in (-0.1, 1.1):
        with pytest.raises(ValueError, match=r"`share` must be from 0 to 1, got"):
            soft_targets(acted, voted, share)


@given(
    hnp.arrays(np.float32, (4, 5), elements=st.floats(0.0625, 1.0, width=32)),
    st.floats(0.0, 1.0),
)
def test_smoothed_targets_stay_distributions_over_what_is_present(
    raw: np.ndarray, smoothing: float
) -> None:
    present = np.array([1, 1, 1, 0, 1], dtype=np.float32)
    targets = raw * present / (raw * present).sum(axis=1, keepdims=True)
    found = loss_targets(targets, np.tile(present, (4, 1)), smoothing=smoothing, absent_weight=0.05)
    np.testing.assert_allclose(found[:, :5].sum(axis=1), 1.0, rtol=1e-5)
    assert (found[:, 3] == 0).all()
    np.testing.assert_allclose(found[:, 5:], np.tile([1, 1, 1, 0.05, 1], (4, 1)), rtol=1e-6)


def test_targets_that_no_loss_can_use_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one shape .* got \(1, 2\) and \(1, 3\)"):
        loss_targets([[1, 0]], [[1, 1, 1]])
    with pytest.raises(ValueError, match=r"corpus lacks, first in row 1, .*`absent_weight`"):
        loss_targets([[1, 0], [0.5, 0.5]], [[1, 1], [1, 0]])
    loss_targets([[0.5, 0.5]], [[1, 0]], absent_weight=0.05)
    for name in ("smoothing", "absent_weight"):
        with pytest.raises(ValueError, match=rf"`{name}` must be from 0 to 1, got 1\.5"):
            loss_targets([[1, 0]], [[1, 1]], **{name: 1.5})
