"""Logistic regression in the form of a network: a baseline for all others.

Meant for one vector of statistics a recording, the features ``log-mel-functionals``, and for
weights fitted by scikit-learn; frames are averaged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers

from emotionrecog.models.layers import average, logits, normalized

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["build"]


def build(
    n_features: int,
    n_emotions: int,
    *,
    mean: float | Sequence[float] = 0.0,
    deviation: float | Sequence[float] = 1.0,
    l2: float = 0.0,
) -> keras.Model:
    """Build the network; see `emotionrecog.models.build`.

    Parameters
    ----------
    n_features, n_emotions
        Values per frame, or per recording, and number of logits.
    mean, deviation
        Statistics of the training features: two numbers, or two for each feature.
    l2
        Factor of the sum of squared weights in the loss, where Keras trains it.

    Examples
    --------
    >>> build(240, 8).output_shape
    (None, 8)
    """
    inputs = layers.Input((None, n_features), name="features")
    x, mask = normalized(inputs, mean, deviation)
    return keras.Model(inputs, logits(average(x, mask), n_emotions, l2), name="linear")
