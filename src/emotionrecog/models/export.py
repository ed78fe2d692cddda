"""From a trained Keras network to what an artefact holds, back, and on to other formats."""

from __future__ import annotations

import contextlib
import io
import json
import math
import tempfile
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from emotionrecog import files
from emotionrecog.errors import ModelError, require_one_of
from emotionrecog.models import build, require_tensorflow
from emotionrecog.runtime import onnx_runtime

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    import keras
    from numpy.typing import NDArray

    from emotionrecog.artifact import Artifact

__all__ = [
    "FORMATS",
    "describe",
    "export",
    "restore",
    "round_weights",
    "to_onnx",
    "weights_of",
    "with_probabilities",
]

FORMATS: Mapping[str, str] = MappingProxyType(
    {"onnx": ".onnx", "onnx-int8": ".onnx", "keras": ".keras", "litert": ".tflite"}
)
"""The formats of `export` and the suffixes of their files; read-only."""

# Key in the metadata of an ONNX file under which the inputs and outputs of the network are stored.
METADATA_KEY = "emotionrecog"

# Operators that are quantised. Convolutions are not: in 8 bits they took several times as long as
# in 32; see docs/reference/artefact.md.
_QUANTISED = ("MatMul", "LSTM")


def with_probabilities(model: keras.Model, temperature: float = 1.0) -> keras.Model:
    """Return a model that returns probabilities instead of logits.

    Parameters
    ----------
    model
        A network from features to logits.
    temperature
        Divisor of the logits; above 1 the probabilities become less confident.

    Examples
    --------
    >>> from emotionrecog.models import build
    >>> with_probabilities(build("linear", n_features=4, n_emotions=2)).layers[-1].name
    'probabilities'
    """
    import keras

    scaled = keras.layers.Rescaling(1.0 / temperature)(model.output)
    return keras.Model(model.input, keras.layers.Softmax(name="probabilities")(scaled))


def to_onnx(model: keras.Model, temperature: float) -> bytes:
    """Convert a network from features to logits into an ONNX network to probabilities.

    Its input ``features`` is float32 of shape (batch, n_frames, n_features). The batch size is
    free, and n_frames is free if it is in `model`.

    Examples
    --------
    ::

        onnxruntime.InferenceSession(to_onnx(model, temperature=1.0))
    """
    import keras

    signature = [keras.InputSpec(shape=model.input.shape, dtype="float32", name="features")]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        # The converter prints its progress in any case, and asks NumPy for an alias it dropped.
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"In the future .np\.\w+. will be", FutureWarning)
            with_probabilities(model, temperature).export(
                path, format="onnx", verbose=False, input_signature=signature
            )
        return path.read_bytes()


def weights_of(model: keras.Model) -> bytes:
    """Return the weights as the contents of a ``.weights.h5`` file.

    Matrices and kernels that half precision represents without loss, such as those rounded by
    `round_weights`, are stored in half precision.

    Examples
    --------
    >>> from emotionrecog.models import build
    >>> len(weights_of(build("linear", n_features=4, n_emotions=2))) > 0
    True
    """
    import h5py
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        path, small = Path(folder, "model.weights.h5"), Path(folder, "small.weights.h5")
        model.save_weights(path)
        with h5py.File(path, "r") as file, h5py.File(small, "w") as copy:

            def keep(name: str, item: Any) -> None:
                if isinstance(item, h5py.Dataset):
                    values = item[()]
                    halved = _halved(values)
                    same = np.array_equal(halved, values)
                    kept = copy.create_dataset(name, data=halved if same else values)
                else:
                    kept = copy.require_group(name)
                kept.attrs.update(item.attrs)

            file.visititems(keep)
            copy.attrs.update(file.attrs)
        return small.read_bytes()


def round_weights(model: keras.Model) -> None:
    """Round the matrices and kernels of a network to half precision, for `weights_of`.

    Vectors are not rounded: they take little space, and small values of variances matter.

    Examples
    --------
    >>> from emotionrecog.models import build
    >>> model = build("linear", n_features=4, n_emotions=2)
    >>> round_weights(model)
    >>> kernel = model.get_weights()[0]
    >>> bool((kernel == kernel.astype("float16")).all())
    True
    """
    model.set_weights([_halved(values).astype(values.dtype) for values in model.get_weights()])


def _halved(values: NDArray[Any]) -> NDArray[Any]:
    """Return a matrix or kernel in half precision, or unchanged if its values do not fit."""
    import numpy as np

    if values.dtype != np.float32 or values.ndim < 2:
        return values
    with np.errstate(over="ignore"):
        halved = values.astype(np.float16)
    return halved if np.isfinite(halved).all() else values


# An artefact back in Keras -----------------------------------------------------------------------


def restore(artifact: Artifact) -> keras.Model:
    """Rebuild the Keras network of an artefact, from features to logits, with its weights.

    Raises
    ------
    ModelError
        If the network cannot be rebuilt, or the weights are those of another network.

    Examples
    --------
    ::

        model = restore(EmotionRecognizer().artifact)
        model.summary()
    """
    require_tensorflow()
    n_features, n_emotions = len(artifact.features.feature_names), len(artifact.labels)
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.weights.h5")
            path.write_bytes(artifact.weights)
            with _at_most(_n_weights(path)):
                model = build(artifact.architecture, n_features, n_emotions, **artifact.sizes)
            with warnings.catch_warnings():
                # Keras merely warns of layers that it finds no weights for.
                warnings.filterwarnings("error", "Skipping", UserWarning)
                model.load_weights(path)
    except Exception as error:  # untrusted sizes and weights can cause any error
        raise ModelError(
            f"the Keras network of recogniser {artifact.name!r} cannot be rebuilt: expected an "
            f"{artifact.architecture!r} of the sizes {dict(artifact.sizes)} and its weights, "
            f"found: {error}. Save or fetch the recogniser again"
        ) from error
    return model


def _n_weights(path: Path) -> int:
    """Return the number of weights in an HDF5 file; raise `ValueError` if it contains other things.

    A weight takes four bytes in a network, and at least two in the file.

    HDF5 has features that Keras does not need: references to other files, arrays that are smaller
    in the file than declared (compressed or missing), Python objects.
    """
    import h5py

    size = path.stat().st_size
    n_bytes, n_items, n_weights = 0, 0, 0
    with h5py.File(path, "r") as file:
        groups = [file]
        while groups:
            group = groups.pop()
            for name in group:
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise ValueError(f"the weights {name!r} are in another place")
                item = group[name]
                n_items += 1
                if isinstance(item, h5py.Group):
                    groups.append(item)
                    continue
                if (
                    not isinstance(item, h5py.Dataset)
                    or item.dtype.kind not in "biuf"
                    or item.chunks
                    or item.external
                    or item.is_virtual
                    or item.shape is None
                ):
                    raise ValueError(f"the weights {item.name!r} are no plain array of numbers")
                n_bytes += item.nbytes
                if item.dtype.kind == "f":
                    n_weights += item.size
                if max(n_bytes, n_items) > size:  # nothing is there, or the same more than once
                    raise ValueError(f"the weights {item.name!r} are more than the file holds")
            if n_items > size:
                raise ValueError("the groups of weights contain each other")
    return n_weights


_one_at_a_time = threading.Lock()


@contextlib.contextmanager
def _at_most(n_weights: int) -> Iterator[None]:
    """Let this thread build networks of up to `n_weights` weights, and raise `ValueError` beyond.

    Sizes may come from an untrusted source, and the number of weights that they imply is not known
    before the weights are in memory.
    """
    import keras

    add_weight, thread, left = keras.Layer.add_weight, threading.get_ident(), n_weights

    def count(layer: keras.Layer, shape: Any = None, *args: Any, **options: Any) -> Any:
        nonlocal left
        if threading.get_ident() == thread:
            left -= math.prod(shape or ())
            if left < 0:
                raise ValueError(f"a network of more than the {n_weights} weights in the file")
        return add_weight(layer, shape, *args, **options)

    with _one_at_a_time:
        keras.Layer.add_weight = count
        try:
            yield
        finally:
            keras.Layer.add_weight = add_weight


# Other formats -----------------------------------------------------------------------------------


def export(artifact: Artifact, path: str | os.PathLike[str], *, format: str = "onnx") -> None:
    """Write the network of an artefact to one file that other programs use.

    The file appears complete or not at all; an existing one is replaced. The inputs and outputs of
    the network, the licences of its data and its limits (see `describe`) are written to the
    metadata of an ONNX file, and for other formats to a file of the same name with ``.json``.

    Parameters
    ----------
    artifact
        The artefact to export, for example ``recognizer.artifact``.
    path
        The file to write, with the suffix of the format. Missing folders are created.
    format
        One of `FORMATS`:

        ``"onnx"``
            Single precision; the network that the library itself uses.
        ``"onnx-int8"``
            Matrices in 8 bits, with dynamic quantisation of the activations.
        ``"keras"``
            For `emotionrecog.models.load`, or for `keras.saving.load_model` after importing
            `emotionrecog.models.layers`.
        ``"litert"``
            For LiteRT (TensorFlow Lite), with its built-in operators only: one window of
            ``artifact.window_frames`` frames at a time.

    Raises
    ------
    ModelError
        If a package that the format needs is not installed, or the network cannot be converted.
    ValueError
        If the format is unknown, or `path` has another suffix.

    Examples
    --------
    >>> import tempfile
    >>> from emotionrecog import EmotionRecognizer
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export(EmotionRecognizer().artifact, f"{folder}/emotions.onnx")
    ...     Path(folder, "emotions.onnx").stat().st_size > 1e6
    True
    """
    require_one_of("format", format, FORMATS)
    target = Path(path)
    if target.suffix != FORMATS[format]:
        raise ValueError(
            f"`path` must end in {FORMATS[format]} for the format {format!r}, got {str(path)!r}"
        )
    if target.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder; expected the name of a file")
    convert = {"onnx": _onnx, "onnx-int8": _int8, "keras": _keras, "litert": _litert}[format]
    content = convert(artifact)
    with files.writing(target) as new:
        new.write_bytes(content)
        if target.suffix != ".onnx":
            description = target.with_name(f"{target.name}.json")
            files.write_json(description, describe(artifact), indent=2)


def describe(artifact: Artifact) -> dict[str, Any]:
    """Return a description for using the network elsewhere, ready for JSON.

    Returns
    -------
    dict
        ``name``, ``labels`` in the order of the probabilities, ``features`` (the entries of
        `emotionrecog.features.FeatureSpec`), ``feature_names`` (columns of the input),
        ``window_frames``, ``minimum_duration`` in s, ``card`` (the model card).

    Examples
    --------
    >>> from emotionrecog import EmotionRecognizer
    >>> described = describe(EmotionRecognizer().artifact)
    >>> described["labels"][:3], described["window_frames"], len(described["feature_names"])
    (['neutral', 'calm', 'happy'], 256, 104)
    """
    spec = artifact.features
    return {
        "name": artifact.name,
        "labels": list(artifact.labels),
        "features": spec.to_dict(),
        "feature_names": list(spec.feature_names),
        "window_frames": artifact.window_frames,
        "minimum_duration": artifact.minimum_duration,
        "card": artifact.card,
    }


def _onnx(artifact: Artifact) -> bytes:
    return _described(artifact.onnx, artifact)


def _int8(artifact: Artifact) -> bytes:
    _require_onnx()
    onnx_runtime()  # before its submodule, which imports it
    from onnxruntime.quantization import QuantType, quant_pre_process, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        original, prepared, quantised = (Path(folder, f"{name}.onnx") for name in "abc")
        original.write_bytes(artifact.onnx)
        try:
            quant_pre_process(original, prepared, skip_optimization=True, skip_symbolic_shape=True)
            quantize_dynamic(
                prepared,
                quantised,
                op_types_to_quantize=list(_QUANTISED),
                weight_type=QuantType.QInt8,
            )
        except Exception as error:  # they have no common base class
            raise _not_converted(artifact, "ONNX with 8-bit weights", error) from error
        return _described(quantised.read_bytes(), artifact)


def _described(content: bytes, artifact: Artifact) -> bytes:
    """Return an ONNX file with the artefact's description in its metadata."""
    _require_onnx()
    import onnx

    try:
        model = onnx.load_from_string(content)
    except Exception as error:  # protobuf's, which is no package of ours
        raise _not_converted(artifact, "ONNX", error) from error
    kept = {p.key: p.value for p in model.metadata_props if p.key != METADATA_KEY}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {**kept, METADATA_KEY: json.dumps(describe(artifact))})
    result: bytes = model.SerializeToString()
    return result


def _require_onnx() -> None:
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise ModelError(
            f"exporting needs the package onnx, which is not installed here ({error}): "
            "pip install onnx"
        ) from error


def _keras(artifact: Artifact) -> bytes:
    model = with_probabilities(restore(artifact), artifact.temperature)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        return path.read_bytes()


def _litert(artifact: Artifact) -> bytes:
    model = with_probabilities(restore(artifact), artifact.temperature)
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frames = 1 if artifact.features.functionals else artifact.window_frames
    shape = (1, frames, model.input.shape[-1])
    try:
        function = tf.function(lambda features: model(features, training=False))
        concrete = function.get_concrete_function(tf.TensorSpec(shape, name="features"))
        # The converter fails on weights that are variables within a loop, as recurrent layers have.
        frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=False)
        result: bytes = tf.lite.TFLiteConverter.from_concrete_functions([frozen], model).convert()
    except Exception as error:  # the converter has no base class of its errors
        raise _not_converted(artifact, "LiteRT", error) from error
    return result


def _not_converted(artifact: Artifact, to: str, error: Exception) -> ModelError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return ModelError(
        f"recogniser {artifact.name!r}, a network of the architecture {artifact.architecture!r}, "
        f"cannot be converted to {to}: {reason}. Export it as another of {', '.join(FORMATS)}"
    )
