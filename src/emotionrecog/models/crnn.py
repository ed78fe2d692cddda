"""Residual convolutions, a bidirectional GRU and attention pooling over log-mel frames."""

from __future__ import annotations

import keras
from keras import layers

from emotionrecog.models.layers import convolve, normalization, recurrent_answer, residual

__all__ = ["build"]


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
        Statistics of the training features.
    filters
        Channels of the first of three residual blocks; the next have twice and four times as many.
    recurrent
        Units of the GRU in each direction.
    dropout
        Dropout rate before the GRU and before the logits.

    Examples
    --------
    >>> build(104, 8).output_shape
    (None, 8)
    """
    inputs = layers.Input((None, n_features), name="features")
    x = normalization(mean, deviation)(inputs)
    x = layers.Reshape((-1, n_features, 1))(x)
    x = layers.Activation("relu")(convolve(x, filters, stride=2))
    x = layers.AveragePooling2D((1, 2), padding="same")(x)
    for factor in (1, 2, 4):
        x = layers.AveragePooling2D(2, padding="same")(residual(x, factor * filters))
    x = layers.Reshape((-1, x.shape[2] * x.shape[3]))(x)
    answer = recurrent_answer(x, n_emotions, dropout, recurrent)
    return keras.Model(inputs, answer, name="crnn")
