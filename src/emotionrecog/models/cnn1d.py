"""Four convolutions over time, flattened into two hidden layers.

The network of many notebooks on RAVDESS and TESS, with frames as steps and mel bands as
channels. Because it flattens, it accepts only one length of clip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers

from emotionrecog.models.layers import decay, logits, normalized, pool

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["build"]


def build(
    n_features: int,
    n_emotions: int,
    *,
    mean: float | Sequence[float] = 0.0,
    deviation: float | Sequence[float] = 1.0,
    n_frames: int = 87,
    filters: Sequence[int] = (256, 256, 128, 64),
    kernel: int = 5,
    hidden: int = 64,
    dropout: float = 0.1,
    l2: float = 0.0,
) -> keras.Model:
    """Build the network; see `emotionrecog.models.build`.

    Parameters
    ----------
    n_features, n_emotions
        Values per frame and number of logits.
    mean, deviation
        Statistics of the training features: two numbers, or two for each feature.
    n_frames
        Length of all clips; shorter ones are padded with zeros.
    filters
        Channels of the convolutions. Each is followed by ReLU, max-pooling of pairs of frames and
        dropout.
    kernel
        Frames that a convolution sees at once.
    hidden
        Units of the first of two hidden layers with dropout; the second has half as many.
    dropout
        Dropout rate after each layer.
    l2
        Factor of the sum of squared weights in the loss.

    Examples
    --------
    >>> build(128, 8).output_shape
    (None, 8)
    """
    inputs = layers.Input((n_frames, n_features), name="features")
    x, mask = normalized(inputs, mean, deviation)
    for channels in filters:
        convolve = layers.Conv1D(
            channels, kernel, padding="same", activation="relu", kernel_regularizer=decay(l2)
        )
        x, mask = pool(convolve(x), mask, 2)
        x = layers.Dropout(dropout)(x)
    x = layers.Flatten()(x)
    for units in (hidden, max(1, hidden // 2)):
        x = layers.Dense(units, activation="relu", kernel_regularizer=decay(l2))(x)
        x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, logits(x, n_emotions, l2), name="cnn1d")
