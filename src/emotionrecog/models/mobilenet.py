"""A small MobileNetV3 over log-mel frames, with three heads on its middle layers.

The convolutional part, the trunk, is that of EfficientAT's ``mn04`` [1]_ up to its twelfth block
(148 k parameters), so that it can start from the weights trained on AudioSet. The middle layers of
such a network contain the most information about emotions. Three heads take the outputs of middle
blocks, with the axes of channels and frequency; they make different mistakes, and their
log-probabilities are averaged:

- one hidden layer over the mean and the deviation over time of blocks 4, 6, 8, 10 and 12, which
  ignores the order of frames;
- a bidirectional GRU with attention over the time steps, of 0.16 s, of blocks 6, 10 and 12;
- two residual blocks of convolutions over the images of blocks 6, 10 and 12, then a GRU with
  attention as before.

References
----------
.. [1] F. Schmid, K. Koutini, G. Widmer: "Efficient large-scale audio tagging via
   Transformer-to-CNN knowledge distillation", ICASSP 2023. MIT licence.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zipfile import BadZipFile

import keras
import numpy as np
from keras import layers, ops

from emotionrecog.errors import ModelError
from emotionrecog.models.layers import (
    FusedBatchNormalization,
    mean_and_deviation,
    normalization,
    recurrent_answer,
    residual,
)

if TYPE_CHECKING:
    from os import PathLike

    from numpy.typing import NDArray

__all__ = ["build", "load_audioset_weights", "split"]


class _Block(NamedTuple):
    """An inverted residual block: widths, kernel and stride of its depthwise convolution."""

    kernel: int
    expanded: int
    out: int
    squeezed: int  # width of the squeeze-excitation, 0 for none
    stride: int


_STEM_CHANNELS = 8
_BLOCKS = (
    _Block(3, 8, 8, 0, 1),
    _Block(3, 24, 16, 0, 2),
    _Block(3, 32, 16, 0, 1),
    _Block(5, 32, 16, 8, 2),
    _Block(5, 48, 16, 16, 1),
    _Block(5, 48, 16, 16, 1),
    _Block(3, 96, 32, 0, 2),
    _Block(3, 80, 32, 0, 1),
    _Block(3, 72, 32, 0, 1),
    _Block(3, 72, 32, 0, 1),
    _Block(3, 192, 48, 48, 1),
    _Block(3, 272, 48, 72, 1),
)
_LAST_RELU_BLOCK = 6  # hard-swish from there on
_POOLED_TAPS = (4, 6, 8, 10, 12)
_FRAME_TAPS = (6, 10, 12)

# The output layers of the trunk, and the one that is the input of each head.
_READINGS = ("pooled", "frames")
_HEADS = {
    "pooled_head": "pooled",
    "recurrent_head": "frames",
    "convolutional_head": "frames",
}


def _convolve(
    x: Any, name: str, filters: int, kernel: int, stride: int = 1, activation: str | None = None
) -> Any:
    """Convolve, normalise and activate; depthwise if `filters` is 0.

    Strided convolutions are padded by (kernel - 1) / 2 on both sides, as in PyTorch; TensorFlow's
    "same" would pad the end only.
    """
    padding = "same"
    if stride > 1:
        x = layers.ZeroPadding2D((kernel - 1) // 2)(x)
        padding = "valid"
    options = {"strides": stride, "padding": padding, "use_bias": False, "name": f"{name}_conv"}
    if filters:
        x = layers.Conv2D(filters, kernel, **options)(x)
    else:
        x = layers.DepthwiseConv2D(kernel, **options)(x)
    x = FusedBatchNormalization(epsilon=1e-3, name=f"{name}_norm")(x)
    return layers.Activation(activation)(x) if activation else x


def _squeeze_excite(x: Any, name: str, width: int) -> Any:
    scale = layers.GlobalAveragePooling2D(keepdims=True)(x)
    scale = layers.Conv2D(width, 1, activation="relu", name=f"{name}_squeeze")(scale)
    scale = layers.Conv2D(x.shape[-1], 1, activation="sigmoid", name=f"{name}_excite")(scale)
    return layers.Multiply()([x, scale])


def backbone(x: Any) -> list[Any]:
    """Apply the convolutional part.

    Parameters
    ----------
    x
        Normalised log-mel images, shape (batch, n_frames, n_mels, 1).

    Returns
    -------
    list of tensors
        The outputs of the stem and of the blocks, in order; block i is at index i.

    Examples
    --------
    >>> outputs = backbone(keras.Input((None, 64, 1)))
    >>> len(outputs), outputs[12].shape
    (13, (None, None, 4, 48))
    """
    x = _convolve(x, "stem", _STEM_CHANNELS, 3, stride=2, activation="hard_swish")
    outputs = [x]
    for number, block in enumerate(_BLOCKS, start=1):
        activation = "relu" if number <= _LAST_RELU_BLOCK else "hard_swish"
        name = f"block{number}"
        y = x
        if number > 1:  # the first block does not expand
            y = _convolve(y, f"{name}_expand", block.expanded, 1, activation=activation)
        y = _convolve(y, f"{name}_depthwise", 0, block.kernel, block.stride, activation)
        if block.squeezed:
            y = _squeeze_excite(y, name, block.squeezed)
        y = _convolve(y, f"{name}_project", block.out, 1)
        if block.stride == 1 and y.shape[-1] == x.shape[-1]:
            y = layers.Add()([x, y])
        x = y
        outputs.append(x)
    return outputs


def build(
    n_features: int,
    n_emotions: int,
    *,
    mean: float = 0.0,
    deviation: float = 1.0,
    dropout: float = 0.5,
    hidden: int = 192,
    recurrent: int = 80,
    recurrent_dropout: float = 0.4,
    filters: int = 32,
    convolutional: int = 64,
    convolutional_dropout: float = 0.3,
) -> keras.Model:
    """Build the network; see `emotionrecog.models.build`.

    Parameters
    ----------
    n_features, n_emotions
        Mel bands per frame and number of logits.
    mean, deviation
        Statistics of the training features.
    dropout, hidden
        Dropout rate and number of hidden units of the head over pooled values.
    recurrent, recurrent_dropout
        Units of the GRU in each direction, and dropout rate, of the head over time.
    filters, convolutional, convolutional_dropout
        Channels of the first residual block of the head over images, or 0 for a network without
        this head (the second block has twice as many); units of its GRU; its dropout rate, half of
        which is applied to its input.

    Examples
    --------
    ::

        model = build(104, 8)
        load_audioset_weights(model, "mn04.npz")
    """
    inputs = layers.Input((None, n_features), name="features")
    # EfficientAT divides by about twice the standard deviation of its training data.
    x = normalization(mean, 2.0 * deviation)(inputs)
    x = layers.Reshape((-1, n_features, 1))(x)
    outputs = backbone(x)
    pooled = [
        layers.Flatten()(statistic)
        for tap in _POOLED_TAPS
        for statistic in mean_and_deviation(outputs[tap], axis=1)
    ]
    pooled = layers.Concatenate(name="pooled")(pooled)
    images = [outputs[tap] for tap in _FRAME_TAPS]
    frames = layers.Concatenate(name="frames")(_in_step(images))
    shape = frames.shape[1:]
    heads = [
        _pooled_head(pooled.shape[1:], n_emotions, dropout, hidden),
        _recurrent_head(shape, n_emotions, recurrent_dropout, recurrent),
    ]
    if filters:
        heads.append(
            _convolutional_head(
                shape, images, n_emotions, convolutional_dropout, filters, convolutional
            )
        )
    readings = {"pooled": pooled, "frames": frames}
    answers = [ops.log_softmax(head(readings[_HEADS[head.name]])) for head in heads]
    return keras.Model(inputs, layers.Average(name="logits")(answers), name="mobilenet")


def _in_step(images: list[Any]) -> list[Any]:
    """Flatten images to frames of the lowest frame rate; join pairs of frames of faster ones."""
    slowest = min(image.shape[2] for image in images)  # strides halve bands and frames alike
    frames = []
    for image in images:
        frame = layers.Reshape((-1, image.shape[2] * image.shape[3]))(image)
        if image.shape[2] > slowest:
            # The last frame of an odd number has no second one.
            second = layers.ZeroPadding1D((0, 1))(frame)[:, 1::2]
            frames.append(frame[:, ::2])
            frames.append(second)
        else:
            frames.append(frame)
    return frames


def _out_of_step(frames: Any, images: list[Any]) -> list[Any]:
    """Turn the frames of `_in_step` back into images."""
    slowest = min(image.shape[2] for image in images)
    restored, first = [], 0
    for image in images:
        n_at_once = 2 if image.shape[2] > slowest else 1
        n_values = n_at_once * image.shape[2] * image.shape[3]
        values = frames[:, :, first : first + n_values]
        restored.append(layers.Reshape((-1, *image.shape[2:]))(values))
        first += n_values
    return restored


def _pooled_head(
    shape: tuple[int, ...], n_emotions: int, dropout: float, hidden: int
) -> keras.Model:
    x = inputs = layers.Input(shape)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(dropout)(x)
    x = layers.Dense(hidden, activation="relu")(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, layers.Dense(n_emotions, name="logits")(x), name="pooled_head")


def _recurrent_head(
    shape: tuple[int, ...], n_emotions: int, dropout: float, units: int
) -> keras.Model:
    x = inputs = layers.Input(shape)
    x = layers.BatchNormalization()(x)
    # A feature is dropped in all frames of a clip or in none.
    x = layers.SpatialDropout1D(dropout)(x)
    answer = recurrent_answer(x, n_emotions, dropout, units)
    return keras.Model(inputs, answer, name="recurrent_head")


def _convolutional_head(
    shape: tuple[int, ...],
    images: list[Any],
    n_emotions: int,
    dropout: float,
    filters: int,
    units: int,
) -> keras.Model:
    x = inputs = layers.Input(shape)
    x = layers.BatchNormalization()(x)
    x = layers.SpatialDropout1D(dropout / 2)(x)
    fine, *coarse = _out_of_step(x, images)
    fine = layers.AveragePooling2D(2, padding="same")(residual(fine, filters))
    x = residual(layers.Concatenate()([fine, *coarse]), 2 * filters)
    x = layers.Reshape((-1, x.shape[2] * x.shape[3]))(x)
    answer = recurrent_answer(layers.Dropout(dropout)(x), n_emotions, dropout, units)
    return keras.Model(inputs, answer, name="convolutional_head")


def load_audioset_weights(model: keras.Model, path: str | PathLike[str]) -> None:
    """Set the weights of the convolutional part to those of EfficientAT's ``mn04``.

    Parameters
    ----------
    model
        A network returned by `build`.
    path
        A ``.npz`` with the tensors of the PyTorch state dict under their names.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ModelError
        If the file is not a ``.npz``, or a tensor is missing or has another shape.

    Examples
    --------
    ::

        load_audioset_weights(build(104, 8), "mn04.npz")
    """
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as tensors:
            pairs = _named_weights(tensors)
    except (BadZipFile, EOFError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path}: expected a .npz with the weights of EfficientAT mn04, but {error}"
        ) from error
    for name, values in pairs:
        layer = model.get_layer(name)
        shapes, expected = [v.shape for v in values], [tuple(w.shape) for w in layer.weights]
        if shapes != expected:
            raise ModelError(
                f"{path}: layer {name} needs tensors of the shapes {expected}, found {shapes}; "
                "expected the weights of EfficientAT mn04"
            )
        layer.set_weights(values)


def split(model: keras.Model, n_frames: int) -> tuple[keras.Model, keras.Model]:
    """Divide a network into its pretrained trunk and its heads, which share its layers.

    Parameters
    ----------
    model
        A network returned by `build`.
    n_frames
        Number of frames of all inputs of the trunk.

    Returns
    -------
    trunk
        From features of shape (batch, n_frames, n_features) to the inputs of the heads, flattened
        to shape (batch, n_values).
    heads
        From there to the logits of each head, shape (batch, n_heads, n_emotions).

    Examples
    --------
    ::

        trunk, heads = split(build(104, 8), 256)
        logits = heads(trunk(features))
    """
    features = keras.Input((n_frames, model.input.shape[-1]))
    readings = keras.Model(model.input, [model.get_layer(name).output for name in _READINGS])
    outputs = readings(features)
    inputs = keras.Input((sum(math.prod(x.shape[1:]) for x in outputs),))
    head_inputs, first = {}, 0
    for name, x in zip(_READINGS, outputs, strict=True):
        values = inputs[:, first : first + math.prod(x.shape[1:])]
        head_inputs[name] = layers.Reshape(x.shape[1:])(values)
        first += values.shape[1]
    heads = {layer.name: layer for layer in model.layers if layer.name in _HEADS}
    logits = [
        heads[name](head_inputs[reading]) for name, reading in _HEADS.items() if name in heads
    ]
    flat = layers.Concatenate()([layers.Flatten()(x) for x in outputs])
    return keras.Model(features, flat), keras.Model(inputs, ops.stack(logits, axis=1))


def _named_weights(tensors: Any) -> list[tuple[str, list[NDArray[np.float32]]]]:
    """Pair the names of layers with EfficientAT's tensors, transposed to the order of Keras."""

    def get(name: str) -> NDArray[np.float32]:
        return np.asarray(tensors[name], dtype=np.float32)

    pairs: list[tuple[str, list[NDArray[np.float32]]]] = []

    def convolution(layer: str, source: str, depthwise: bool = False) -> None:
        # PyTorch: (out, in, frequency, time). Keras: (time, frequency, in, out or multiplier).
        kernel = get(f"{source}.0.weight").transpose((3, 2, 0, 1) if depthwise else (3, 2, 1, 0))
        norm = ("weight", "bias", "running_mean", "running_var")
        pairs.append((f"{layer}_conv", [kernel]))
        pairs.append((f"{layer}_norm", [get(f"{source}.1.{name}") for name in norm]))

    convolution("stem", "features.0")
    for number, block in enumerate(_BLOCKS, start=1):
        source, part = f"features.{number}.block", 0
        if number > 1:
            convolution(f"block{number}_expand", f"{source}.{part}")
            part += 1
        convolution(f"block{number}_depthwise", f"{source}.{part}", depthwise=True)
        part += 1
        if block.squeezed:
            for layer, fc in (("squeeze", "fc1"), ("excite", "fc2")):
                name = f"{source}.{part}.conc_se_layers.0.{fc}"
                bias = get(f"{name}.bias")
                kernel = get(f"{name}.weight").reshape(bias.size, -1).T[np.newaxis, np.newaxis]
                pairs.append((f"block{number}_{layer}", [kernel, bias]))
            part += 1
        convolution(f"block{number}_project", f"{source}.{part}")
    return pairs
