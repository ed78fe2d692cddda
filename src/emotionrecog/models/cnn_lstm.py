"""One convolution over MFCCs and four LSTM layers, flattened.

Because it flattens, it accepts only one length of clip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers

from emotionrecog.models.layers import decay, logits, normalized, recurrent, within

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["build"]


def build(
    n_features: int,
    n_emotions: int,
    *,
    mean: float | Sequence[float] = 0.0,
    deviation: float | Sequence[float] = 1.0,
    n_frames: int = 130,
    filters: int = 256,
    kernel: int = 5,
    units: int = 128,
    n_layers: int = 4,
    bidirectional: bool = False,
    hidden: int = 64,
    dropout: float = 0.3,
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
        Length of all clips; shorter ones are padded with zeros. The default is 3 s of the
        features ``mfcc``.
    filters, kernel
        Channels of the convolution, and its length in frames.
    units, n_layers
        Units of an LSTM layer in each direction; number of layers.
    bidirectional
        Whether the LSTM layers run backwards as well.
    hidden
        Units of the layer between the flattened frames and the logits.
    dropout
        Dropout rate before and after that layer.
    l2
        Factor of the sum of squared weights, except the recurrent ones, in the loss.

    Examples
    --------
    >>> build(40, 8).output_shape
    (None, 8)
    """
    inputs = layers.Input((n_frames, n_features), name="features")
    x, mask = normalized(inputs, mean, deviation)
    convolve = layers.Conv1D(
        filters, kernel, padding="same", activation="relu", kernel_regularizer=decay(l2)
    )
    x = within(convolve(x), mask)
    for _ in range(n_layers):
        x = recurrent(x, mask, units, bidirectional=bidirectional, l2=l2)
    x = layers.Dropout(dropout)(layers.Flatten()(x))
    x = layers.Dense(hidden, activation="relu", kernel_regularizer=decay(l2))(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, logits(x, n_emotions, l2), name="cnn_lstm")
