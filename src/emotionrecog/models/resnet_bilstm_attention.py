"""Residual convolutions over time, a bidirectional LSTM and multi-head attention.

Features are channels of the convolutions rather than rows of an image, so that the outputs of a
pretrained speech encoder can be used as well as log-mel frames. Designed to be trained with
`emotionrecog.models.losses.Focal`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
from keras import layers, ops

from emotionrecog.models.layers import average, logits, normalized, pool, recurrent, within

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["build"]


def _convolve(x: Any, mask: Any, filters: int) -> Any:
    x = layers.Conv1D(filters, 3, padding="same", use_bias=False)(x)
    # In training, padding is excluded from the statistics.
    return layers.BatchNormalization()(x, mask=mask[:, :, 0])


def _residual(x: Any, mask: Any, filters: int) -> Any:
    """Apply two convolutions beside a shortcut."""
    y = within(layers.Activation("relu")(_convolve(x, mask, filters)), mask)
    y = layers.Add()([x, _convolve(y, mask, filters)])
    return within(layers.Activation("relu")(y), mask)


def build(
    n_features: int,
    n_emotions: int,
    *,
    mean: float | Sequence[float] = 0.0,
    deviation: float | Sequence[float] = 1.0,
    filters: int = 128,
    n_blocks: int = 3,
    recurrent_units: int = 64,
    heads: int = 4,
    hidden: int = 64,
    dropout: float = 0.3,
) -> keras.Model:
    """Build the network; see `emotionrecog.models.build`.

    Parameters
    ----------
    n_features, n_emotions
        Values per frame and number of logits.
    mean, deviation
        Statistics of the training features: two numbers, or two for each feature.
    filters, n_blocks
        Channels of the convolutions; number of residual blocks. Each of the first two blocks is
        followed by max-pooling of pairs of frames.
    recurrent_units
        Units of the LSTM in each direction.
    heads
        Number of heads of the attention between frames, which share the LSTM's outputs equally.
    hidden
        Units of the layer between the average over time and the logits.
    dropout
        Dropout rate before the LSTM, and before and after the hidden layer.

    Examples
    --------
    >>> build(104, 8).output_shape
    (None, 8)
    """
    inputs = layers.Input((None, n_features), name="features")
    x, mask = normalized(inputs, mean, deviation)
    x = within(layers.Activation("relu")(_convolve(x, mask, filters)), mask)
    for number in range(n_blocks):
        x = _residual(x, mask, filters)
        if number < 2:
            x, mask = pool(x, mask, 2)
    x = recurrent(layers.Dropout(dropout)(x), mask, recurrent_units)
    attention = layers.MultiHeadAttention(heads, max(1, 2 * recurrent_units // heads))
    attended = ops.swapaxes(mask, 1, 2) > 0  # every frame attends to the frames of the clip
    x = layers.LayerNormalization()(layers.Add()([x, attention(x, x, attention_mask=attended)]))
    x = layers.Dropout(dropout)(average(within(x, mask), mask))
    x = layers.Dropout(dropout)(layers.Dense(hidden, activation="relu")(x))
    return keras.Model(inputs, logits(x, n_emotions), name="resnet_bilstm_attention")
