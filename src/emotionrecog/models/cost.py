"""The cost of networks: parameters and multiply-adds."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import keras

from emotionrecog.features import PRESETS
from emotionrecog.models import ARCHITECTURES, build

if TYPE_CHECKING:
    from emotionrecog.features import FeatureSpec

__all__ = ["Cost", "cost", "multiply_adds"]

# Length in s of the speech for which the cost is counted, unless the features have a fixed length;
# and the number of emotions.
_DURATION = 3.0
_N_EMOTIONS = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of an architecture with default sizes, its preset of features and eight emotions.

    Parameters
    ----------
    n_frames, n_features
        Size of the input: 3 s of speech, unless the features fix a length.
    parameters
        Number of weights.
    multiply_adds
        For one clip; see `multiply_adds`.

    Examples
    --------
    >>> cost("linear").parameters
    1928
    """

    n_frames: int
    n_features: int
    parameters: int
    multiply_adds: int


def cost(architecture: str) -> Cost:
    """Build an architecture with default sizes and count its parameters and multiply-adds.

    Examples
    --------
    >>> cost("linear")
    Cost(n_frames=1, n_features=240, parameters=1928, multiply_adds=1920)
    """
    about = ARCHITECTURES[architecture]
    spec = PRESETS[about.features]
    n_frames, n_features = _n_frames(spec), len(spec.feature_names)
    sizes = {"n_frames": n_frames} if about.fixed_length else {}
    model = build(architecture, n_features, _N_EMOTIONS, **sizes)
    return Cost(
        n_frames=n_frames,
        n_features=n_features,
        parameters=model.count_params(),
        multiply_adds=multiply_adds(model, n_frames),
    )


def _n_frames(spec: FeatureSpec) -> int:
    if spec.functionals:
        return 1
    return spec.n_frames or 1 + int(_DURATION * spec.sampling_rate) // spec.hop_length


def multiply_adds(model: keras.Model, n_frames: int) -> int:
    """Count the multiplications, each with its addition, that one clip takes.

    The count includes the kernels of dense, convolutional and recurrent layers, each as often as it
    is applied, and the products of attention between frames. It excludes biases, normalisation,
    activations and pooling.

    Parameters
    ----------
    model
        A network from features to logits.
    n_frames
        Number of frames of the clip.

    Examples
    --------
    >>> inputs = keras.Input((None, 5))
    >>> multiply_adds(keras.Model(inputs, keras.layers.Dense(7)(inputs)), 10)
    350
    """
    return _count(model, (n_frames, model.input.shape[-1]))


def _count(model: keras.Model, shape: tuple[int, ...]) -> int:
    total = 0

    def call(layer: Any, *args: Any, **options: Any) -> Any:
        nonlocal total
        outputs = layer(*args, **options)
        if isinstance(layer, keras.Model):
            total += _count(layer, tuple(args[0].shape[1:]))
        elif isinstance(layer, keras.layers.Layer):
            kernels = [w for w in layer.weights if "kernel" in w.name]
            size = sum(math.prod(kernel.shape) for kernel in kernels)
            if size:
                total += size * math.prod(outputs.shape[1:-1])
            if isinstance(layer, keras.layers.MultiHeadAttention):
                # As many for the values, which are as wide as the keys, as for the scores.
                width = 2 * layer.num_heads * layer.key_dim
                total += args[0].shape[1] * args[1].shape[1] * width
        return outputs

    inputs = keras.Input(shape, batch_size=1)
    keras.models.clone_model(model, inputs, clone_function=lambda layer: layer, call_function=call)
    return total
