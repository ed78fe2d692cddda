"""Four convolutions over time and frequency, averaged over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers

from emotionrecog.models.layers import (
    FusedBatchNormalization,
    average,
    decay,
    logits,
    normalized,
    pool,
    within,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["build"]


def build(
    n_features: int,
    n_emotions: int,
    *,
    mean: float | Sequence[float] = 0.0,
    deviation: float | Sequence[float] = 1.0,
    filters: int = 16,
    hidden: int = 128,
    dropout: float = 0.3,
    l2: float = 0.0,
) -> keras.Model:
    """Build the network; see `emotionrecog.models.build`.

    Parameters
    ----------
    n_features, n_emotions
        Bands per frame and number of logits. Neighbouring features should be neighbours in
        frequency.
    mean, deviation
        Statistics of the training features: two numbers, or two for each feature.
    filters
        Channels of the first of four 3×3 convolutions; each next one has twice as many. Each is
        followed by batch normalisation, ReLU, 2×2 max-pooling and dropout.
    hidden
        Units of the layer between the average over time and the logits.
    dropout
        Dropout rate after each layer; half of it after convolutions.
    l2
        Factor of the sum of squared weights in the loss.

    Examples
    --------
    >>> build(104, 8).output_shape
    (None, 8)
    """
    inputs = layers.Input((None, n_features), name="features")
    x, mask = normalized(inputs, mean, deviation)
    x = layers.Reshape((-1, n_features, 1))(x)
    for factor in (1, 2, 4, 8):
        convolve = layers.Conv2D(
            factor * filters, 3, padding="same", use_bias=False, kernel_regularizer=decay(l2)
        )
        x = layers.Activation("relu")(FusedBatchNormalization()(convolve(x)))
        x, mask = pool(within(x, mask), mask, 2, 2)
        x = layers.Dropout(dropout / 2)(x)
    x = average(layers.Reshape((-1, x.shape[2] * x.shape[3]))(x), mask)
    x = layers.Dense(hidden, activation="relu", kernel_regularizer=decay(l2))(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, logits(x, n_emotions, l2), name="cnn2d")
