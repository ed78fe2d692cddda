"""Stacked recurrent layers over frames of any features, averaged over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers

from emotionrecog.models.layers import average, decay, logits, normalized, recurrent

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["build"]


def build(
    n_features: int,
    n_emotions: int,
    *,
    mean: float | Sequence[float] = 0.0,
    deviation: float | Sequence[float] = 1.0,
    cell: str = "lstm",
    units: int = 64,
    n_layers: int = 2,
    bidirectional: bool = True,
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
    cell
        ``"lstm"`` or ``"gru"``.
    units, n_layers
        Units of a recurrent layer in each direction; number of layers, each followed by dropout.
    bidirectional
        Whether frames are run through backwards as well.
    hidden
        Units of the layer between the average over time and the logits.
    dropout
        Dropout rate after each layer.
    l2
        Factor of the sum of squared weights, except the recurrent ones, in the loss.

    Examples
    --------
    >>> build(60, 8).output_shape
    (None, 8)
    """
    inputs = layers.Input((None, n_features), name="features")
    x, mask = normalized(inputs, mean, deviation)
    for _ in range(n_layers):
        x = recurrent(x, mask, units, cell=cell, bidirectional=bidirectional, l2=l2)
        x = layers.Dropout(dropout)(x)
    x = average(x, mask)
    x = layers.Dense(hidden, activation="relu", kernel_regularizer=decay(l2))(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, logits(x, n_emotions, l2), name=cell)
