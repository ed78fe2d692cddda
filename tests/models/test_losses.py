"""Losses compared with their formulas, their gradients and Keras; targets and weights."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.utils.class_weight import compute_class_weight

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
import keras
import tensorflow as tf

from emotionrecog.datasets import EMOTIONS
from emotionrecog.models.losses import (
    Crossentropy,
    Focal,
    balanced_weights,
    by_name,
    class_weights,
    joined,
    loss_targets,
    soft_targets,
    voted_targets,
)

pytestmark = pytest.mark.tensorflow

WEIGHTS = np.linspace(0.5, 2.0, 8)


def loss_and_gradient(
    loss: keras.losses.Loss, y_true: np.ndarray, logits: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the loss of each clip, and the gradient of their sum."""
    y_pred = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        actual = loss.call(y_true, y_pred)
    return actual.numpy(), tape.gradient(actual, y_pred).numpy()


def targets_and_logits() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    targets = rng.dirichlet(np.ones(8), 16).astype(np.float32)
    return targets, rng.normal(0.0, 3.0, (16, 8)).astype(np.float32)


def by_formula(
    y_true: np.ndarray, logits: np.ndarray, gamma: float = 0.0, weights: np.ndarray | float = 1.0
) -> np.ndarray:
    """Return the focal loss by the formula of the paper, in double precision."""
    target, weight = np.split(y_true.astype(np.float64), 2, axis=1)
    parts = weight * np.exp(logits.astype(np.float64))
    p = parts / parts.sum(axis=1, keepdims=True)
    terms = np.where(target > 0, (1 - p) ** gamma * np.log(np.where(p > 0, p, 1.0)), 0.0)
    return -(weights * target * terms).sum(axis=1)


def test_cross_entropy_equals_that_of_keras_without_absent_emotions() -> None:
    targets, logits = targets_and_logits()
    actual, _ = loss_and_gradient(
        Crossentropy(), np.hstack([targets, np.ones_like(targets)]), logits
    )
    expected = keras.losses.categorical_crossentropy(targets, logits, from_logits=True)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_smoothed_labels_equal_those_of_keras() -> None:
    _, logits = targets_and_logits()
    one_hot = np.eye(8, dtype=np.float32)[np.arange(16) % 8]
    y_true = loss_targets(one_hot, np.ones_like(one_hot), smoothing=0.1)
    expected = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    actual = float(Crossentropy()(y_true, logits))
    assert actual == pytest.approx(float(expected(one_hot, logits)), rel=1e-5)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_focal_loss_equals_its_formula(gamma: float, weights: np.ndarray | None) -> None:
    """With soft targets, with one emotion of small weight and one that is absent."""
    targets, logits = targets_and_logits()
    weight = np.ones_like(targets)
    targets[:, 7] = weight[:, 7] = 0.0
    targets /= targets.sum(axis=1, keepdims=True)
    weight[:, 2] = 0.05
    y_true = np.hstack([targets, weight])
    actual, _ = loss_and_gradient(Focal(gamma, weights), y_true, logits)
    expected = by_formula(y_true, logits, gamma, 1.0 if weights is None else weights)
    np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_gradient_of_the_focal_loss_equals_the_slope_of_its_formula(gamma: float) -> None:
    targets, logits = targets_and_logits()
    logits /= 2.0
    y_true = np.hstack([targets, np.ones_like(targets)])
    _, actual = loss_and_gradient(Focal(gamma, WEIGHTS), y_true, logits)
    step = 1e-5
    for emotion in range(8):
        moved = logits.astype(np.float64)
        moved[:, emotion] += step
        up = by_formula(y_true, moved, gamma, WEIGHTS)
        moved[:, emotion] -= 2 * step
        slope = (up - by_formula(y_true, moved, gamma, WEIGHTS)) / (2 * step)
        np.testing.assert_allclose(actual[:, emotion], slope, rtol=0, atol=1e-5)


def test_focal_loss_without_focus_is_cross_entropy() -> None:
    targets, logits = targets_and_logits()
    y_true = np.hstack([targets, np.ones_like(targets)])
    for weights in (None, WEIGHTS):
        plain = loss_and_gradient(Crossentropy(weights), y_true, logits)
        focal = loss_and_gradient(Focal(0.0, weights), y_true, logits)
        for actual, expected in zip(focal, plain, strict=True):
            np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)


def test_focal_loss_gives_easy_clips_less_weight() -> None:
    y_true = np.array([[1.0, 0.0, 1.0, 1.0]] * 2, dtype=np.float32)
    logits = np.array([[3.0, 0.0], [-1.0, 0.0]], dtype=np.float32)
    plain, focal = Crossentropy().call(y_true, logits), Focal(2.0).call(y_true, logits)
    share = np.asarray(focal) / np.asarray(plain)
    assert share[0] < 0.01 < 0.5 < share[1] < 1.0


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_gradients_stay_finite_where_an_answer_is_certain(gamma: float) -> None:
    y_true = np.array([[1.0, 0.0, 1.0, 1.0], [1.0, 0.0, 1.0, 0.0]], dtype=np.float32)
    for level in (-200.0, 200.0):
        logits = np.array([[level, 0.0], [level, 0.0]], dtype=np.float32)
        for values in loss_and_gradient(Focal(gamma), y_true, logits):
            assert np.isfinite(values).all()


@pytest.mark.parametrize("loss", [Crossentropy(), Focal(2.0)], ids=["crossentropy", "focal"])
def test_emotion_of_weight_zero_has_no_effect(loss: keras.losses.Loss) -> None:
    targets, logits = targets_and_logits()
    absent = [1, 7]
    weights = np.ones_like(targets)
    targets[:, absent] = weights[:, absent] = 0.0
    targets /= targets.sum(axis=1, keepdims=True)
    y_true = np.hstack([targets, weights])
    actual, gradient = loss_and_gradient(loss, y_true, logits)
    np.testing.assert_allclose(gradient[:, absent], 0.0, atol=1e-12)
    assert (np.abs(np.delete(gradient, absent, axis=1)).max(axis=1) > 1e-3).all()
    without = np.delete(targets, absent, axis=1)
    expected, _ = loss_and_gradient(
        loss, np.hstack([without, np.ones_like(without)]), np.delete(logits, absent, axis=1)
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-5)
    elsewhere = logits.copy()
    elsewhere[:, absent] = 40.0
    again, _ = loss_and_gradient(loss, y_true, elsewhere)
    np.testing.assert_allclose(again, actual, rtol=1e-5)


def test_emotion_of_small_weight_counts_by_its_weight() -> None:
    """The loss is that of a softmax over weight times exp(logit)."""
    logits = np.array([[0.5, -0.5, 2.0]], dtype=np.float32)
    y_true = np.array([[1.0, 0.0, 0.0, 1.0, 1.0, 0.05]], dtype=np.float32)
    loss, gradient = loss_and_gradient(Crossentropy(), y_true, logits)
    parts = np.array([1.0, 1.0, 0.05]) * np.exp(logits[0].astype(np.float64))
    assert loss[0] == pytest.approx(-np.log(parts[0] / parts.sum()), rel=1e-5)
    assert gradient[0, 2] == pytest.approx(parts[2] / parts.sum(), rel=1e-5)
    # An emotion as likely as the acted one gets a small gradient, a far likelier one a large one.
    logits[0, 2] = 0.5
    assert 0.0 < loss_and_gradient(Crossentropy(), y_true, logits)[1][0, 2] < 0.04
    logits[0, 2] = 8.0
    assert loss_and_gradient(Crossentropy(), y_true, logits)[1][0, 2] > 0.9


@pytest.mark.parametrize("loss", [Crossentropy(WEIGHTS), Focal(2.0, WEIGHTS)], ids=type)
def test_loss_of_several_heads_is_the_mean_of_theirs(loss: keras.losses.Loss) -> None:
    targets, logits = targets_and_logits()
    y_true = np.hstack([targets, np.ones_like(targets)])
    heads = np.stack([logits, logits[::-1]], axis=1)
    expected = np.mean([loss.call(y_true, heads[:, i]) for i in range(2)], axis=0)
    np.testing.assert_allclose(loss.call(y_true, heads), expected, rtol=1e-5)


def test_heads_are_joined_by_their_log_probabilities() -> None:
    heads = np.random.default_rng(0).normal(size=(3, 2, 4))
    p = np.exp(heads) / np.exp(heads).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(joined(heads), np.log(p).mean(axis=1), rtol=1e-5)


def test_half_precision_does_not_lose_the_mask() -> None:
    logits = np.array([[1.0, 2.0]], dtype=np.float16)
    y_true = np.array([[1.0, 0.0, 1.0, 0.0]], dtype=np.float16)
    for loss in (Crossentropy(), Focal()):
        assert float(loss(y_true, tf.constant(logits))) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    "loss",
    [Crossentropy(), Crossentropy([1, 2]), Focal(1.5, np.array([0.5, 2.0]))],
    ids=["crossentropy", "weighted", "focal"],
)
def test_losses_survive_json(loss: keras.losses.Loss) -> None:
    described = json.loads(json.dumps(keras.losses.serialize(loss)))
    assert described["registered_name"].startswith("emotionrecog>")
    again = keras.losses.deserialize(described)
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()


def test_losses_by_name_return_one_number_per_clip() -> None:
    targets, logits = targets_and_logits()
    y_true = np.hstack([targets, np.ones_like(targets)])
    actual = by_name("focal", gamma=1.0, class_weights=WEIGHTS)(y_true, logits)
    np.testing.assert_allclose(actual, by_formula(y_true, logits, 1.0, WEIGHTS), rtol=1e-4)
    actual = by_name("crossentropy", gamma=1.0)(y_true, logits)
    np.testing.assert_allclose(actual, by_formula(y_true, logits), rtol=1e-4)
    with pytest.raises(ValueError, match=r"`name` must be one of crossentropy, focal, got 'mse'"):
        by_name("mse")


def test_invalid_parameters_raise() -> None:
    for gamma in (-1.0, float("nan"), float("inf"), True):
        with pytest.raises(ValueError, match="`gamma` must be a number of at least 0, got"):
            Focal(gamma)
    for weights in ([1.0, -1.0], [float("nan")]):
        with pytest.raises(ValueError, match="`class_weights` must be numbers of at least 0"):
            Crossentropy(weights)


# Targets and weights -----------------------------------------------------------------------------


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_class_weights_equal_those_of_scikit_learn(emotions: list[int]) -> None:
    actual = class_weights(emotions, 7)
    occurring = np.unique(emotions)
    expected = compute_class_weight("balanced", classes=occurring, y=np.array(emotions))
    np.testing.assert_allclose(actual[occurring], expected, rtol=1e-12)
    assert (actual[np.setdiff1d(np.arange(7), occurring)] == 1.0).all()
    assert actual[emotions].sum() == pytest.approx(len(emotions))


def test_balanced_weights_share_a_corpus_equally_among_its_emotions() -> None:
    # The first corpus has 16 clips of two emotions, the second 4 of one.
    groups = np.array([0] * 16 + [1] * 4)
    emotions = np.array([0] * 12 + [1] * 4 + [2] * 4)
    weights = balanced_weights(groups, emotions, [[1, 1, 0], [0, 0, 1]])
    assert weights[groups == 0].sum() == pytest.approx(np.sqrt(16))
    assert weights[groups == 1].sum() == pytest.approx(np.sqrt(4))
    assert weights[emotions == 0].sum() == pytest.approx(weights[emotions == 1].sum())
    assert len(np.unique(weights[emotions == 0])) == 1


def test_votes_become_shares_of_the_labels() -> None:
    votes = [(2, 0, 6, 0, 0, 0, 0, 0), None, (0,) * 8, (0, 5, 0, 0, 0, 0, 0, 0)]
    np.testing.assert_array_equal(
        voted_targets(votes, EMOTIONS)[:, [0, 2]], [[0.25, 0.75], [0, 0], [0, 0], [0, 0]]
    )
    # Labels in another order, without the emotion that the last clip's votes name.
    np.testing.assert_array_equal(
        voted_targets(votes, ("happy", "neutral")), [[0.75, 0.25], [0, 0], [0, 0], [0, 0]]
    )
    assert voted_targets([], EMOTIONS).shape == (0, 8)


def test_votes_are_mixed_with_acted_emotions_where_there_are_votes() -> None:
    acted, voted = np.eye(3)[[0, 1]], [[0.2, 0.8, 0.0], [0.0, 0.0, 0.0]]
    np.testing.assert_allclose(soft_targets(acted, voted, 0.0), acted)
    np.testing.assert_allclose(soft_targets(acted, voted, 1.0), [voted[0], acted[1]])
    np.testing.assert_allclose(soft_targets(acted, voted, 0.25)[0], [0.8, 0.2, 0.0], rtol=1e-6)
    for share in (-0.1, 1.1):
        with pytest.raises(ValueError, match=r"`share` must be a number from 0 to 1, got"):
            soft_targets(acted, voted, share)


@given(
    hnp.arrays(np.float32, (4, 5), elements=st.floats(0.0625, 1.0, width=32)),
    st.floats(0.0, 1.0),
)
def test_smoothed_targets_are_distributions_over_present_emotions(
    raw: np.ndarray, smoothing: float
) -> None:
    present = np.array([1, 1, 1, 0, 1], dtype=np.float32)
    targets = raw * present / (raw * present).sum(axis=1, keepdims=True)
    actual = loss_targets(
        targets, np.tile(present, (4, 1)), smoothing=smoothing, absent_weight=0.05
    )
    np.testing.assert_allclose(actual[:, :5].sum(axis=1), 1.0, rtol=1e-5)
    assert (actual[:, 3] == 0).all()
    np.testing.assert_allclose(actual[:, 5:], np.tile([1, 1, 1, 0.05, 1], (4, 1)), rtol=1e-6)


def test_invalid_targets_raise() -> None:
    with pytest.raises(ValueError, match=r"one shape .* got \(1, 2\) and \(1, 3\)"):
        loss_targets([[1, 0]], [[1, 1, 1]])
    with pytest.raises(ValueError, match=r"corpus lacks, first in row 1, .*`absent_weight`"):
        loss_targets([[1, 0], [0.5, 0.5]], [[1, 1], [1, 0]])
    loss_targets([[0.5, 0.5]], [[1, 0]], absent_weight=0.05)
    for name in ("smoothing", "absent_weight"):
        with pytest.raises(ValueError, match=rf"`{name}` must be a number from 0 to 1, got 1\.5"):
            loss_targets([[1, 0]], [[1, 1]], **{name: 1.5})
