"""Residual convolutions, a bidirectional GRU and attention pooling over log-mel frames."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from emotionrecog.models.layers import FusedBatchNormalization, FusedGRU, attend, normalization

__all__ = ["build"]


def _convolve(x: Any, filters: int, stride: int = 1) -> Any:
    x = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)(x)
    return FusedBatchNormalization()(x)


def _residual(x: Any, filters: int) -> Any:
    """Two 3×3 convolutions beside a 1×1 shortcut, then half the bands and half the frames."""
    shortcut = layers.Conv2D(filters, 1, use_bias=False)(x)
    y = layers.Activation("relu")(_convolve(x, filters))
    y = layers.Add()([shortcut, _convolve(y, filters)])
    return layers.AveragePooling2D(2, padding="same")(layers.Activation("relu")(y))


def build(
    n_features: int,
    n_emotions: int,
    *,
    mean: float = 0.0,
    deviation: float = 1.0,
    filters: int = 24,
    recurrent: int = 96,
    dropout: float = 0.4,
) -> keras.Model:
    """Build the network; see `emotionrecog.models.build`.

    Parameters
    ----------
    n_features, n_emotions
        Mel bands per frame and number of logits.
    mean, deviation
        Of the features of the training data.
    filters
        Channels of the first of three residual blocks; the next have twice and four times as many.
    recurrent
        Units of the GRU in each direction.
    dropout
        Fraction hidden before the GRU and before the logits.
    """
    inputs = layers.Input((None, n_features), name="features")
    x = normalization(mean, deviation)(inputs)
    x = layers.Reshape((-1, n_features, 1))(x)
    x = layers.Activation("relu")(_convolve(x, filters, stride=2))
    x = layers.AveragePooling2D((1, 2), padding="same")(x)
    for factor in (1, 2, 4):
        x = _residual(x, factor * filters)
    x = layers.Reshape((-1, x.shape[2] * x.shape[3]))(x)
    x = layers.Dropout(dropout)(layers.Dense(2 * recurrent, activation="relu")(x))
    x = layers.Bidirectional(FusedGRU(recurrent, return_sequences=True))(x)
    x = layers.Concatenate()([attend(x, recurrent), ops.max(x, axis=1)])
    logits = layers.Dense(n_emotions, name="logits")(layers.Dropout(dropout)(x))
    return keras.Model(inputs, logits, name="crnn")
