"""Layers that several architectures share.

Networks that ignore padding pass a mask of shape (batch, n_frames, 1) along with the frames, 1 for
the frames of a clip and 0 after its end, and set frames after the end to zero after each layer that
mixes frames. Masks of Keras are not used: recurrent layers would then run step by step in ONNX
Runtime, and not on cuDNN; see `recurrent`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from typing_extensions import override

from emotionrecog.errors import require_one_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "FusedBatchNormalization",
    "FusedGRU",
    "PaddingMask",
    "ReverseFrames",
    "attend",
    "average",
    "convolve",
    "decay",
    "logits",
    "mean_and_deviation",
    "normalization",
    "normalized",
    "pool",
    "recurrent",
    "recurrent_answer",
    "residual",
    "within",
]


@keras.saving.register_keras_serializable("emotionrecog")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation of images that trains with TensorFlow's fused kernel.

    The results are those of `keras.layers.BatchNormalization`, except for the moving variance: the
    kernel returns the unbiased variance, larger by n / (n - 1) over n values. On a CPU, a step of a
    small convolutional network takes about two thirds of the time.

    Examples
    --------
    >>> FusedBatchNormalization()(keras.Input((8, 8, 3))).shape
    (None, 8, 8, 3)
    """

    @override
    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise ``(batch, height, width, channels)``."""
        if not (training and self.trainable):
            return super().call(inputs, training=False)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
        )
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))
        return outputs


@keras.saving.register_keras_serializable("emotionrecog")
class FusedGRU(keras.layers.GRU):
    """A GRU that the converter to ONNX recognises as one.

    Results and weights are those of `keras.layers.GRU` with its default options. The converter
    turns the steps of Keras' GRU into a loop, which takes ONNX Runtime more than ten times as long
    as its own GRU.

    Examples
    --------
    >>> FusedGRU(4, return_sequences=True)(keras.Input((None, 3))).shape
    (None, None, 4)
    """

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(units, **options)
        self.cell: Any = _GRUCell.from_config(self.cell.get_config())

    @override
    def inner_loop(self, *args: Any, **options: Any) -> Any:
        """Run over the frames."""
        # Taken apart here rather than in each step, so that a step finds constants.
        self.cell.biases = tf.unstack(tf.convert_to_tensor(self.cell.bias))
        return super().inner_loop(*args, **options)


@keras.saving.register_keras_serializable("emotionrecog")
class _GRUCell(keras.layers.GRUCell):
    @override
    def call(self, inputs: Any, states: Any, training: bool | None = None) -> Any:
        (state,) = states
        of_inputs = tf.nn.bias_add(tf.matmul(inputs, self.kernel), self.biases[0])
        of_state = tf.nn.bias_add(tf.matmul(state, self.recurrent_kernel), self.biases[1])
        input_update, input_reset, input_new = tf.split(of_inputs, 3, axis=-1)
        state_update, state_reset, state_new = tf.split(of_state, 3, axis=-1)
        update = tf.sigmoid(input_update + state_update)
        reset = tf.sigmoid(input_reset + state_reset)
        new = update * state + (1 - update) * tf.tanh(input_new + reset * state_new)
        return new, [new]


@keras.saving.register_keras_serializable("emotionrecog")
class PaddingMask(keras.layers.Layer):
    """Compute the mask of frames that belong to a clip, rather than to the zeros after its end.

    The mask is 1 up to the last frame that is not all zeros, and 0 after it, of shape
    (batch, n_frames, 1). In a clip of zeros, the first frame counts.

    Examples
    --------
    >>> features = np.array([[[1.0], [0.0], [2.0], [0.0]]], dtype=np.float32)
    >>> np.asarray(PaddingMask()(features))[0, :, 0].tolist()
    [1.0, 1.0, 1.0, 0.0]
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"autocast": False, "dtype": "float32", **options})

    @override
    def call(self, features: Any) -> Any:
        """Return the mask."""
        is_frame = ops.any(ops.not_equal(features, 0.0), axis=-1)
        numbers = ops.arange(ops.shape(features)[1])
        last = ops.max(ops.where(is_frame, numbers, 0), axis=1, keepdims=True)
        return ops.expand_dims(ops.cast(numbers <= last, "float32"), -1)


@keras.saving.register_keras_serializable("emotionrecog")
class ReverseFrames(keras.layers.Layer):
    """Reverse the frames of each clip within its own length; padding stays at the end.

    Examples
    --------
    >>> frames = np.array([[[1.0], [2.0], [3.0], [0.0]]], dtype=np.float32)
    >>> mask = PaddingMask()(frames)
    >>> np.asarray(ReverseFrames()(frames, mask))[0, :, 0].tolist()
    [3.0, 2.0, 1.0, 0.0]
    """

    @override
    def call(self, frames: Any, mask: Any) -> Any:
        """Return frames of shape (batch, n_frames, n) in reverse order."""
        # Not tf.reverse_sequence: the converter to ONNX takes a recurrent layer between two of them
        # for one that runs backwards, and forgets the lengths.
        lengths = tf.reduce_sum(tf.cast(mask[:, :, 0], tf.int32), axis=1, keepdims=True)
        numbers = tf.range(tf.shape(frames)[1])[tf.newaxis]
        order = tf.where(numbers < lengths, lengths - 1 - numbers, numbers)
        return tf.gather(frames, order, batch_dims=1)


def normalization(
    mean: float | Sequence[float], deviation: float | Sequence[float]
) -> keras.layers.Layer:
    """Return the layer that scales features to mean 0 and deviation 1 on the training data.

    The statistics, two numbers or two for each feature, are arguments of the network rather than
    weights, so that they are readable in the artefact's description.

    Examples
    --------
    >>> layer = normalization(10.0, 2.0)
    >>> np.asarray(layer(np.array([[12.0]], dtype=np.float32))).tolist()
    [[1.0]]
    """
    if isinstance(mean, int | float) and isinstance(deviation, int | float):
        scale, offset = 1.0 / deviation, -mean / deviation
    else:
        means, deviations = np.broadcast_arrays(
            np.asarray(mean, np.float64), np.asarray(deviation, np.float64)
        )
        scale, offset = (1.0 / deviations).tolist(), (-means / deviations).tolist()
    return keras.layers.Rescaling(scale, offset, dtype="float32", name="normalization")


def normalized(
    inputs: Any, mean: float | Sequence[float], deviation: float | Sequence[float]
) -> tuple[Any, Any]:
    """Normalise features, leave padding zero, and return them with their mask.

    Examples
    --------
    >>> features, mask = normalized(keras.Input((None, 3)), mean=10.0, deviation=2.0)
    >>> features.shape, mask.shape
    ((None, None, 3), (None, None, 1))
    """
    mask = PaddingMask(name="mask")(inputs)
    return within(normalization(mean, deviation)(inputs), mask), mask


def within(x: Any, mask: Any) -> Any:
    """Set the frames after the end of each clip to zero.

    Parameters
    ----------
    x
        Frames of shape (batch, n_frames, n), or images of shape (batch, n_frames, n_bands, n).
    mask
        Shape (batch, n_frames, 1).

    Examples
    --------
    >>> frames = np.ones((1, 3, 1), dtype=np.float32)
    >>> mask = np.array([[[1.0], [1.0], [0.0]]], dtype=np.float32)
    >>> np.asarray(within(frames, mask))[0, :, 0].tolist()
    [1.0, 1.0, 0.0]
    """
    if len(x.shape) == 4:
        mask = keras.layers.Reshape((-1, 1, 1))(mask)
    return keras.layers.Multiply()([x, mask])


def pool(x: Any, mask: Any, n_frames: int, n_bands: int = 1) -> tuple[Any, Any]:
    """Keep the largest of every `n_frames` frames, and of every `n_bands` bands of images.

    An incomplete group at the end counts as a whole one, so that padding does not shift frames.
    Values must not be negative.

    Returns
    -------
    tuple of tensors
        The pooled `x`, and its mask.

    Examples
    --------
    >>> frames = np.array([[[1.0], [3.0], [2.0]]], dtype=np.float32)
    >>> pooled, _ = pool(frames, np.ones((1, 3, 1), dtype=np.float32), 2)
    >>> np.asarray(pooled)[0, :, 0].tolist()
    [3.0, 2.0]
    """
    if len(x.shape) == 4:
        x = keras.layers.MaxPooling2D((n_frames, n_bands), padding="same")(x)
    else:
        x = keras.layers.MaxPooling1D(n_frames, padding="same")(x)
    mask = mask[:, ::n_frames]
    return within(x, mask), mask


def recurrent(
    x: Any,
    mask: Any,
    units: int,
    *,
    cell: str = "lstm",
    bidirectional: bool = True,
    l2: float = 0.0,
) -> Any:
    """Run LSTM or GRU units over frames, in both directions by default.

    For the backward direction, each clip is reversed within its own length. Padding then comes last
    in both directions and changes no frame before it, and the layers need no mask. This takes less
    than a tenth of the time of masked layers in ONNX Runtime (``benchmarks/networks.py``).

    Returns
    -------
    tensor of shape (batch, n_frames, units), or (batch, n_frames, 2 * units)
        Zeros after the end of each clip.

    Raises
    ------
    ValueError
        If the cell is unknown.

    Examples
    --------
    >>> x, mask = normalized(keras.Input((None, 3)), 0.0, 1.0)
    >>> recurrent(x, mask, 4).shape
    (None, None, 8)
    """
    layers = {"lstm": keras.layers.LSTM, "gru": FusedGRU}
    require_one_of("cell", cell, layers)

    def run(frames: Any) -> Any:
        options = {"return_sequences": True, "kernel_regularizer": decay(l2)}
        return layers[cell](units, **options)(frames)

    if not bidirectional:
        return within(run(x), mask)
    backwards = ReverseFrames()(run(ReverseFrames()(x, mask)), mask)
    return within(keras.layers.Concatenate()([run(x), backwards]), mask)


def attend(frames: Any, units: int, mask: Any = None) -> Any:
    """Average frames of shape (batch, n_frames, n) over time, weighted by attention.

    Examples
    --------
    >>> attend(keras.Input((None, 3)), units=4).shape
    (None, 3)
    """
    hidden = keras.layers.Dense(units, activation="tanh")(frames)
    scores = keras.layers.Dense(1)(hidden)
    if mask is not None:  # far below any score, so that the softmax is 0 there
        scores = scores + (mask - 1.0) * 1e4
    weights = keras.layers.Softmax(axis=1)(scores)
    return ops.sum(frames * weights, axis=1)


def convolve(x: Any, filters: int, stride: int = 1) -> Any:
    """Convolve images by 3×3 and normalise.

    Examples
    --------
    >>> convolve(keras.Input((8, 8, 1)), filters=4, stride=2).shape
    (None, 4, 4, 4)
    """
    x = keras.layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)(x)
    return FusedBatchNormalization()(x)


def residual(x: Any, filters: int) -> Any:
    """Apply two 3×3 convolutions beside a 1×1 shortcut.

    Examples
    --------
    >>> residual(keras.Input((8, 8, 1)), filters=4).shape
    (None, 8, 8, 4)
    """
    shortcut = keras.layers.Conv2D(filters, 1, use_bias=False)(x)
    y = keras.layers.Activation("relu")(convolve(x, filters))
    y = keras.layers.Add()([shortcut, convolve(y, filters)])
    return keras.layers.Activation("relu")(y)


def recurrent_answer(frames: Any, n_emotions: int, dropout: float, units: int) -> Any:
    """Compute logits from frames of shape (batch, n_frames, n) with a recurrent layer.

    A hidden layer, a bidirectional GRU, and the attended average and the maximum of its frames.

    Examples
    --------
    >>> recurrent_answer(keras.Input((None, 3)), n_emotions=8, dropout=0.3, units=4).shape
    (None, 8)
    """
    x = keras.layers.Dense(2 * units, activation="relu")(frames)
    x = keras.layers.Dropout(dropout)(x)
    x = keras.layers.Bidirectional(FusedGRU(units, return_sequences=True))(x)
    x = keras.layers.Concatenate()([attend(x, units), ops.max(x, axis=1)])
    return keras.layers.Dense(n_emotions, name="logits")(keras.layers.Dropout(dropout)(x))


def average(frames: Any, mask: Any) -> Any:
    """Average frames of shape (batch, n_frames, n), zeros in padding, over each clip's length.

    Examples
    --------
    >>> frames = np.array([[[1.0], [3.0], [0.0]]], dtype=np.float32)
    >>> mask = np.array([[[1.0], [1.0], [0.0]]], dtype=np.float32)
    >>> np.asarray(average(frames, mask)).tolist()
    [[2.0]]
    """
    frames = ops.cast(frames, "float32")  # half precision would lose digits in long sums
    return ops.sum(frames, axis=1) / ops.sum(mask, axis=1)


def logits(x: Any, n_emotions: int, l2: float = 0.0) -> Any:
    """Return the logits, in single precision even if the other layers use half precision.

    Examples
    --------
    >>> logits(keras.Input((16,)), n_emotions=8).shape
    (None, 8)
    """
    dense = keras.layers.Dense(
        n_emotions, kernel_regularizer=decay(l2), dtype="float32", name="logits"
    )
    return dense(x)


def decay(l2: float) -> keras.regularizers.Regularizer | None:
    """Return the regulariser that adds ``l2`` times the sum of squared weights to the loss.

    Examples
    --------
    >>> decay(0.0) is None, float(decay(0.5)(np.array([2.0])))
    (True, 2.0)
    """
    return keras.regularizers.L2(l2) if l2 else None


def mean_and_deviation(x: Any, axis: int) -> list[Any]:
    """Return the mean and the standard deviation along an axis.

    Examples
    --------
    >>> mean, deviation = mean_and_deviation(np.array([[1.0, 3.0]], dtype=np.float32), axis=1)
    >>> round(float(mean[0]), 3), round(float(deviation[0]), 3)
    (2.0, 1.0)
    """
    mean = ops.mean(x, axis=axis, keepdims=True)
    variance = ops.mean(ops.square(x - mean), axis=axis)
    return [ops.squeeze(mean, axis=axis), ops.sqrt(variance + 1e-5)]
