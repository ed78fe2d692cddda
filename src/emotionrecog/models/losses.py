"""Losses that know which emotions the corpus of a clip contains.

All take y_true of shape (batch, 2 * n_emotions), as `emotionrecog.models.targets.loss_targets`
makes it: the target distribution, one-hot, smoothed or voted by listeners; then the weight of each
emotion in the softmax, 1 where the clip's corpus contains it, 0 where it takes no part. Clips teach
nothing about an emotion of weight 0, and of a small weight only that it is not far more likely
than what was acted.

y_pred are logits, shape (batch, n_emotions); or those of several heads that each learn the same,
shape (batch, n_heads, n_emotions), whose losses are averaged.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["NAMES", "Crossentropy", "Focal", "by_name", "joined"]

NAMES = ("crossentropy", "focal")
"""What `by_name` knows."""

# Below this the probability of everything else counts as none, where its power has no slope.
_SMALLEST = 1e-7


@keras.saving.register_keras_serializable("emotionrecog")
class Crossentropy(keras.losses.Loss):
    """Categorical cross-entropy: ``-Σ wₑ tₑ log pₑ`` over emotions e.

    Parameters
    ----------
    class_weights
        wₑ, one number for each emotion, such as `emotionrecog.models.targets.class_weights`;
        by default, all are 1.
    name, reduction
        As of `keras.losses.Loss`.

    Raises
    ------
    ValueError
        If a weight is negative or no finite number.
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

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each clip, shape (batch,)."""
        target, log_probability = _aligned(y_true, y_pred, self.class_weights)
        return _averaged(-ops.sum(target * log_probability, axis=-1))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "class_weights": self.class_weights}


@keras.saving.register_keras_serializable("emotionrecog")
class Focal(keras.losses.Loss):
    """Focal loss [1]_: ``-Σ wₑ tₑ (1 - pₑ)^gamma log pₑ`` over emotions e.

    What is answered well already counts less than in cross-entropy, which is the case
    gamma = 0.

    Parameters
    ----------
    gamma
        The exponent, from 0 on.
    class_weights
        As of `Crossentropy`; alpha in [1]_.
    name, reduction
        As of `keras.losses.Loss`.

    Raises
    ------
    ValueError
        If `gamma` or a weight is negative or no finite number.

    References
    ----------
    .. [1] T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollár: "Focal loss for dense object
       detection", ICCV 2017.
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
        if isinstance(gamma, bool) or not (math.isfinite(gamma) and gamma >= 0):
            raise ValueError(f"`gamma` must be a number from 0 on, got {gamma!r}")
        self.gamma, self.class_weights = float(gamma), _checked(class_weights)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each clip, shape (batch,)."""
        target, log_probability = _aligned(y_true, y_pred, self.class_weights)
        missing = ops.maximum(-ops.expm1(log_probability), _SMALLEST)
        return _averaged(-ops.sum(target * missing**self.gamma * log_probability, axis=-1))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        own = {"gamma": self.gamma, "class_weights": self.class_weights}
        return {**super().get_config(), **own}


def by_name(
    name: str, *, gamma: float = 2.0, class_weights: Sequence[float] | None = None
) -> keras.losses.Loss:
    """Return a loss that gives one number for each clip, shape (batch,).

    Parameters
    ----------
    name
        One of `NAMES`.
    gamma
        Of `Focal`.
    class_weights
        As of `Crossentropy`.

    Raises
    ------
    ValueError
        If the name is unknown, or a value is out of its bounds.
    """
    if name not in NAMES:
        raise ValueError(f"`name` must be one of {', '.join(NAMES)}, got {name!r}")
    if name == "focal":
        return Focal(gamma, class_weights, reduction=None)
    return Crossentropy(class_weights, reduction=None)


def joined(y_pred: Any) -> Any:
    """Return the logits that several heads give together: the mean of their log-probabilities.

    Parameters
    ----------
    y_pred
        Shape (batch, n_heads, n_emotions).

    Returns
    -------
    tensor of shape (batch, n_emotions)
    """
    return ops.mean(ops.log_softmax(ops.cast(y_pred, "float32"), axis=-1), axis=1)


def _checked(class_weights: Sequence[float] | None) -> list[float] | None:
    if class_weights is None:
        return None
    weights = [float(weight) for weight in class_weights]
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights):
        raise ValueError(
            f"`class_weights` must be numbers from 0 on, one for each emotion, got {weights}"
        )
    return weights


def _aligned(y_true: Any, y_pred: Any, class_weights: list[float] | None) -> tuple[Any, Any]:
    """Return weighted targets and log-probabilities, with an axis for heads where there is one."""
    y_pred = ops.cast(y_pred, "float32")  # the smallest weight is none in half precision
    target, weight = ops.split(ops.cast(y_true, y_pred.dtype), 2, axis=-1)
    if class_weights is not None:
        target = target * ops.convert_to_tensor(class_weights, y_pred.dtype)
    if len(y_pred.shape) == 3:
        target, weight = ops.expand_dims(target, 1), ops.expand_dims(weight, 1)
    logits = y_pred + ops.log(ops.maximum(weight, 1e-30))
    return target, ops.log_softmax(logits, axis=-1)


def _averaged(loss: Any) -> Any:
    return ops.mean(loss, axis=1) if len(loss.shape) == 2 else loss
