"""Convolutions beside a bidirectional LSTM with attention, both over the mel spectrogram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
from keras import layers

from emotionrecog.models.layers import (
    FusedBatchNormalization,
    attend,
    average,
    logits,
    normalized,
    pool,
    recurrent,
    within,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["build"]

# Frames and bands that become one after each convolution.
_POOLS = ((2, 2), (2, 4), (2, 4), (2, 4))


def _convolutions(x: Any, mask: Any, filters: Sequence[int], dropout: float) -> Any:
    x = layers.Reshape((-1, x.shape[2], 1))(x)
    for channels, size in zip(filters, _POOLS, strict=True):
        x = layers.Conv2D(channels, 3, padding="same", use_bias=False)(x)
        x = layers.Activation("relu")(FusedBatchNormalization()(x))
        x, mask = pool(within(x, mask), mask, *size)
        x = layers.Dropout(dropout)(x)
    return average(layers.Reshape((-1, x.shape[2] * x.shape[3]))(x), mask)


def build(
    n_features: int,
    n_emotions: int,
    *,
    mean: float | Sequence[float] = 0.0,
    deviation: float | Sequence[float] = 1.0,
    filters: Sequence[int] = (16, 32, 64, 64),
    recurrent_units: int = 64,
    dropout: float = 0.3,
) -> keras.Model:
    """Build the network; see `emotionrecog.models.build`.

    Parameters
    ----------
    n_features, n_emotions
        Mel bands per frame and number of logits.
    mean, deviation
        Statistics of the training features: two numbers, or two for each feature.
    filters
        Channels of the four 3×3 convolutions. Each is followed by batch normalisation, ReLU,
        max-pooling, of two frames and two bands after the first and of two frames and four bands
        after the others, and dropout; in the end there is the average over time.
    recurrent_units
        Units of the LSTM in each direction, whose outputs are averaged by attention.
    dropout
        Dropout rate after each convolution and before the logits.

    Examples
    --------
    >>> build(128, 8).output_shape
    (None, 8)
    """
    inputs = layers.Input((None, n_features), name="features")
    x, mask = normalized(inputs, mean, deviation)
    images = _convolutions(x, mask, filters, dropout)
    sequence = attend(recurrent(x, mask, recurrent_units), recurrent_units, mask)
    x = layers.Dropout(dropout)(layers.Concatenate()([images, sequence]))
    return keras.Model(inputs, logits(x, n_emotions), name="parallel_cnn_lstm")
