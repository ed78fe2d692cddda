"""Losses that account for the emotions a clip's corpus contains, and the targets they take.

All losses take y_true of shape (batch, 2 * n_emotions), as `loss_targets` returns it: the target
distribution (one-hot, smoothed or from listeners' votes), then the weight of each emotion in the
softmax: 1 if the clip's corpus contains it, 0 to leave it out. A clip does not train an emotion of
weight 0; with a small weight, it only trains that emotion not to be far more likely than the acted
one.

y_pred are logits of shape (batch, n_emotions), or those of several heads that learn the same
targets, of shape (batch, n_heads, n_emotions), whose losses are averaged.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops
from typing_extensions import override

from emotionrecog.datasets import EMOTIONS
from emotionrecog.errors import require_number, require_one_of, require_share
from emotionrecog.models import LOSSES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Crossentropy",
    "Focal",
    "balanced_weights",
    "by_name",
    "class_weights",
    "joined",
    "loss_targets",
    "soft_targets",
    "voted_targets",
]

# Smallest probability of all other emotions, below which its power would have no slope.
_SMALLEST = 1e-7


# Targets -----------------------------------------------------------------------------------------


def class_weights(emotions: ArrayLike, n_emotions: int) -> NDArray[np.float64]:
    """Weight each emotion inversely to its number of clips.

    Parameters
    ----------
    emotions
        Index of each clip's emotion, shape (n_clips,).
    n_emotions
        How many there are.

    Returns
    -------
    ndarray of float64, shape (n_emotions,)
        ``n_clips / (n_occurring * n_clips_of_it)``, where n_occurring is the number of emotions
        that occur, as scikit-learn's ``"balanced"``. The total weight of all clips stays the same.
        An emotion without clips has weight 1.

    Examples
    --------
    >>> class_weights([0, 0, 0, 1], 2)
    array([0.66666667, 2.        ])
    """
    counts = np.bincount(np.asarray(emotions, dtype=np.intp), minlength=n_emotions)
    occurring = counts > 0
    weights = np.ones(n_emotions)
    weights[occurring] = counts.sum() / (occurring.sum() * counts[occurring])
    return weights


def balanced_weights(
    groups: ArrayLike, emotions: ArrayLike, present: ArrayLike
) -> NDArray[np.float64]:
    """Weight each clip by the square root of its corpus' size, shared equally among its emotions.

    Parameters
    ----------
    groups, emotions
        Index of each clip's corpus and of its emotion, shape (n_clips,).
    present
        1 where a corpus has an emotion, shape (n_groups, n_emotions).

    Returns
    -------
    ndarray of float64, shape (n_clips,)
        Relative sampling frequency, or loss weight, of each clip.

    Examples
    --------
    A corpus of four clips, three of which have the same emotion:

    >>> balanced_weights([0, 0, 0, 0], [0, 0, 0, 1], [[1, 1]]).round(3)
    array([0.333, 0.333, 0.333, 1.   ])
    """
    groups, emotions = np.asarray(groups), np.asarray(emotions)
    present = np.asarray(present)
    counts = np.zeros(present.shape)
    np.add.at(counts, (groups, emotions), 1)
    share = np.sqrt(counts.sum(axis=1, keepdims=True)) / present.sum(axis=1, keepdims=True)
    weights: NDArray[np.float64] = (share / np.maximum(counts, 1))[groups, emotions]
    return weights


def voted_targets(
    votes: Sequence[Sequence[int] | None], labels: Sequence[str]
) -> NDArray[np.float32]:
    """Convert listeners' votes to distributions.

    Parameters
    ----------
    votes
        `emotionrecog.datasets.Utterance.votes` of each clip: how many listeners chose each of
        `emotionrecog.datasets.EMOTIONS`, or None without votes.
    labels
        The emotions to distinguish, a subset of these; votes for others are ignored.

    Returns
    -------
    ndarray of float32, shape (n_clips, n_labels)
        The share of each emotion in the votes; zeros without votes.

    Examples
    --------
    >>> voted_targets([(3, 0, 1, 0, 0, 0, 0, 0), None], ("neutral", "happy"))
    array([[0.75, 0.25],
           [0.  , 0.  ]], dtype=float32)
    """
    columns = [EMOTIONS.index(label) for label in labels]
    no_votes = (0,) * len(EMOTIONS)
    rows = [no_votes if row is None else tuple(row) for row in votes]
    counts = np.array(rows, dtype=np.float64).reshape(-1, len(EMOTIONS))[:, columns]
    shares: NDArray[np.float64] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    return shares.astype(np.float32)


def soft_targets(acted: ArrayLike, voted: ArrayLike, share: float) -> NDArray[np.float32]:
    """Mix the acted emotions with the votes of listeners.

    Parameters
    ----------
    acted, voted
        Distributions, shape (n_clips, n_emotions): one-hot acted emotions, and `voted_targets`.
    share
        Weight of `voted`, from 0 to 1. Clips without votes keep the acted emotion.

    Returns
    -------
    ndarray of float32, shape (n_clips, n_emotions)

    Raises
    ------
    ValueError
        If `share` is out of bounds.

    Examples
    --------
    >>> soft_targets([[1, 0], [1, 0]], [[0.5, 0.5], [0, 0]], share=0.5)
    array([[0.75, 0.25],
           [1.  , 0.  ]], dtype=float32)
    """
    require_share("share", share)
    acted, voted = np.asarray(acted, dtype=np.float64), np.asarray(voted, dtype=np.float64)
    has_votes = voted.sum(axis=1, keepdims=True) > 0
    mixed: NDArray[np.float64] = np.where(has_votes, (1 - share) * acted + share * voted, acted)
    return mixed.astype(np.float32)


def loss_targets(
    targets: ArrayLike,
    present: ArrayLike,
    *,
    smoothing: float = 0.0,
    absent_weight: float = 0.0,
) -> NDArray[np.float32]:
    """Combine target distributions with emotion weights, in the form that the losses take.

    Parameters
    ----------
    targets
        Target distribution of each clip, shape (n_clips, n_emotions).
    present
        1 where a clip's corpus contains an emotion, otherwise 0; same shape.
    smoothing
        Share of each distribution that is spread over the emotions of the clip's corpus.
    absent_weight
        Weight in the softmax of the emotions that the corpus lacks.

    Returns
    -------
    ndarray of float32, shape (n_clips, 2 * n_emotions)

    Raises
    ------
    ValueError
        If the shapes differ, a number is not from 0 to 1, or `absent_weight` is 0 and a target
        asks for an emotion that the clip's corpus lacks.

    Examples
    --------
    >>> loss_targets([[1, 0, 0]], [[1, 1, 0]], smoothing=0.1)
    array([[0.95, 0.05, 0.  , 1.  , 1.  , 0.  ]], dtype=float32)
    """
    targets = np.asarray(targets, dtype=np.float32)
    present = np.asarray(present, dtype=np.float32)
    if targets.ndim != 2 or targets.shape != present.shape:
        raise ValueError(
            "`targets` and `present` must be of one shape (n_clips, n_emotions), got "
            f"{targets.shape} and {present.shape}"
        )
    for name, value in (("smoothing", smoothing), ("absent_weight", absent_weight)):
        require_share(name, value)
    stray = np.flatnonzero((targets * (present == 0)).any(axis=1))
    if absent_weight == 0 and len(stray):
        raise ValueError(
            f"`targets` ask for emotions that a clip's corpus lacks, first in row {stray[0]}, and "
            "a weight of 0 forbids that; raise `absent_weight` or leave them out of `targets`"
        )
    spread = present / present.sum(axis=1, keepdims=True)
    smooth = targets + smoothing * (spread - targets)
    weight = np.where(present > 0, 1.0, absent_weight)
    return np.concatenate([smooth, weight], axis=1, dtype=np.float32)


# Losses ------------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("emotionrecog")
class Crossentropy(keras.losses.Loss):
    """Categorical cross-entropy: ``-Σ wₑ tₑ log pₑ`` over emotions e.

    Parameters
    ----------
    class_weights
        wₑ, one number for each emotion, such as `class_weights` returns; 1 by default.
    name, reduction
        As of `keras.losses.Loss`.

    Raises
    ------
    ValueError
        If a weight is negative or not finite.

    Examples
    --------
    >>> y_true = loss_targets([[1, 0]], [[1, 1]])
    >>> round(float(Crossentropy()(y_true, np.zeros((1, 2), dtype="float32"))), 4)
    0.6931
    """

    def __init__(
        self,
        class_weights: Sequence[float] | None = None,
        name: str = "crossentropy",
        reduction: str | None = "sum_over_batch_size",
        **options: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, **options)
        self.class_weights = _checked(class_weights)

    @override
    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each clip, shape (batch,)."""
        target, log_probability = _aligned(y_true, y_pred, self.class_weights)
        return _averaged(-ops.sum(target * log_probability, axis=-1))

    @override
    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "class_weights": self.class_weights}


@keras.saving.register_keras_serializable("emotionrecog")
class Focal(keras.losses.Loss):
    """Focal loss [1]_: ``-Σ wₑ tₑ (1 - pₑ)^gamma log pₑ`` over emotions e.

    Clips that are already classified well count less than in cross-entropy, which is the case
    gamma = 0.

    Parameters
    ----------
    gamma
        The exponent, at least 0.
    class_weights
        As of `Crossentropy`; alpha in [1]_.
    name, reduction
        As of `keras.losses.Loss`.

    Raises
    ------
    ValueError
        If `gamma` or a weight is negative or not finite.

    References
    ----------
    .. [1] T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollár: "Focal loss for dense object
       detection", ICCV 2017.

    Examples
    --------
    >>> y_true = loss_targets([[1, 0]], [[1, 1]])
    >>> round(float(Focal(gamma=2)(y_true, np.zeros((1, 2), dtype="float32"))), 4)
    0.1733
    """

    def __init__(
        self,
        gamma: float = 2.0,
        class_weights: Sequence[float] | None = None,
        name: str = "focal",
        reduction: str | None = "sum_over_batch_size",
        **options: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, **options)
        self.gamma = require_number("gamma", gamma, 0)
        self.class_weights = _checked(class_weights)

    @override
    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each clip, shape (batch,)."""
        target, log_probability = _aligned(y_true, y_pred, self.class_weights)
        missing = ops.maximum(-ops.expm1(log_probability), _SMALLEST)
        return _averaged(-ops.sum(target * missing**self.gamma * log_probability, axis=-1))

    @override
    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        options = {"gamma": self.gamma, "class_weights": self.class_weights}
        return {**super().get_config(), **options}


def by_name(
    name: str, *, gamma: float = 2.0, class_weights: Sequence[float] | None = None
) -> keras.losses.Loss:
    """Build a loss that returns one number for each clip, shape (batch,).

    Parameters
    ----------
    name
        One of `emotionrecog.models.LOSSES`.
    gamma
        Exponent of `Focal`.
    class_weights
        As of `Crossentropy`.

    Raises
    ------
    ValueError
        If the name is unknown, or a value is out of bounds.

    Examples
    --------
    >>> by_name("focal", gamma=1.5).gamma
    1.5
    """
    require_one_of("name", name, LOSSES)
    if name == "focal":
        return Focal(gamma, class_weights, reduction=None)
    return Crossentropy(class_weights, reduction=None)


def joined(y_pred: Any) -> Any:
    """Combine the logits of several heads into the mean of their log-probabilities.

    Parameters
    ----------
    y_pred
        Shape (batch, n_heads, n_emotions).

    Returns
    -------
    tensor of shape (batch, n_emotions)

    Examples
    --------
    >>> joined(np.zeros((1, 3, 2), dtype="float32")).shape
    TensorShape([1, 2])
    """
    return ops.mean(ops.log_softmax(ops.cast(y_pred, "float32"), axis=-1), axis=1)


def _checked(class_weights: Sequence[float] | None) -> list[float] | None:
    if class_weights is None:
        return None
    weights = [float(weight) for weight in class_weights]
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights):
        raise ValueError(
            f"`class_weights` must be numbers of at least 0, one for each emotion, got {weights}"
        )
    return weights


def _aligned(y_true: Any, y_pred: Any, class_weights: list[float] | None) -> tuple[Any, Any]:
    """Return weighted targets and log-probabilities, with an axis for heads where there is one."""
    y_pred = ops.cast(y_pred, "float32")  # the smallest weight is zero in half precision
    target, weight = ops.split(ops.cast(y_true, y_pred.dtype), 2, axis=-1)
    if class_weights is not None:
        target = target * ops.convert_to_tensor(class_weights, y_pred.dtype)
    if len(y_pred.shape) == 3:
        target, weight = ops.expand_dims(target, 1), ops.expand_dims(weight, 1)
    logits = y_pred + ops.log(ops.maximum(weight, 1e-30))
    return target, ops.log_softmax(logits, axis=-1)


def _averaged(loss: Any) -> Any:
    return ops.mean(loss, axis=1) if len(loss.shape) == 2 else loss
