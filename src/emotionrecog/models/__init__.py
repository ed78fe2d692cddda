"""Networks by name: each builder turns a number of features into a Keras model of logits.

Importing this package is light; building loads Keras.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from emotionrecog.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "ArchitectureName",
    "ParallelModel",
    "build",
    "default_sizes",
    "load",
    "require_tensorflow",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Architecture:
    """What there is to know of an architecture before it is built.

    Parameters
    ----------
    module
        Whose ``build`` makes it; its sizes are described there.
    summary
        What it is, in one line.
    features
        What it is meant for: a name in `emotionrecog.features.PRESETS`.
    masked
        Whether frames after the end of a clip, zeros throughout, leave its answer as it is.
    fixed_length
        Whether all clips must have as many frames as its size `n_frames` says.
    """

    module: str
    summary: str
    features: str
    masked: bool = True
    fixed_length: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the values under their names, ready for JSON."""
        return dataclasses.asdict(self)


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "mobilenet": Architecture(
            module="emotionrecog.models.mobilenet",
            summary="MobileNetV3 read out three times in its middle; the bundled recogniser's",
            features="log-mel",
            masked=False,
        ),
        "crnn": Architecture(
            module="emotionrecog.models.crnn",
            summary="residual 2-D convolutions, bidirectional GRU, attention",
            features="log-mel",
            masked=False,
        ),
        "cnn1d": Architecture(
            module="emotionrecog.models.cnn1d",
            summary="four 1-D convolutions over time, flattened",
            features="mel-128x87",
            fixed_length=True,
        ),
        "cnn2d": Architecture(
            module="emotionrecog.models.cnn2d",
            summary="four 2-D convolutions, averaged over time",
            features="log-mel",
        ),
        "lstm": Architecture(
            module="emotionrecog.models.lstm",
            summary="stacked LSTM layers, averaged over time",
            features="descriptors",
        ),
        "gru": Architecture(
            module="emotionrecog.models.gru",
            summary="stacked GRU layers, averaged over time",
            features="descriptors",
        ),
        "cnn_lstm": Architecture(
            module="emotionrecog.models.cnn_lstm",
            summary="a 1-D convolution and four LSTM layers, flattened",
            features="mfcc",
            fixed_length=True,
        ),
        "resnet_bilstm_attention": Architecture(
            module="emotionrecog.models.resnet_bilstm_attention",
            summary="residual 1-D convolutions, bidirectional LSTM, multi-head attention",
            features="log-mel",
        ),
        "parallel_cnn_lstm": Architecture(
            module="emotionrecog.models.parallel_cnn_lstm",
            summary="2-D convolutions beside a bidirectional LSTM with attention",
            features="mel-128x87",
        ),
        "linear": Architecture(
            module="emotionrecog.models.linear",
            summary="logistic regression on the mean over time; no hidden layer",
            features="log-mel-functionals",
        ),
    }
)
"""The architectures, by name; read-only."""

ArchitectureName = Literal[
    "mobilenet",
    "crnn",
    "cnn1d",
    "cnn2d",
    "lstm",
    "gru",
    "cnn_lstm",
    "resnet_bilstm_attention",
    "parallel_cnn_lstm",
    "linear",
]
"""The names in `ARCHITECTURES`, for type checkers and editors."""


def build(architecture: str, n_features: int, n_emotions: int, **sizes: Any) -> keras.Model:
    """Build an untrained network.

    Parameters
    ----------
    architecture
        One of `ARCHITECTURES`.
    n_features
        Values per frame.
    n_emotions
        Number of logits.
    **sizes
        What the architecture lets one choose; see the ``build`` of its module.

    Returns
    -------
    keras.Model
        From features, float32 of shape (batch, n_frames, n_features), to logits of shape
        (batch, n_emotions). Any number of frames will do, unless the architecture has a size
        `n_frames`.

    Raises
    ------
    ValueError
        If the architecture is unknown.
    ModelError
        If TensorFlow is not installed.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(
            f"`architecture` must be one of {sorted(ARCHITECTURES)}, got {architecture!r}"
        )
    require_tensorflow()
    module = importlib.import_module(ARCHITECTURES[architecture].module)
    model: keras.Model = module.build(n_features, n_emotions, **sizes)
    return model


def ParallelModel(  # called like the class that people know it as
    num_emotions: int = 8, *, n_features: int = 128, **sizes: Any
) -> keras.Model:
    """Build the architecture ``parallel_cnn_lstm``, for the features ``mel-128x87`` by default.

    Parameters
    ----------
    num_emotions
        Number of logits; `emotionrecog.models.export.with_probabilities` adds the softmax.
    n_features
        Mel bands per frame.
    **sizes
        As in `emotionrecog.models.parallel_cnn_lstm.build`.

    Returns
    -------
    keras.Model
        As in `build`.
    """
    return build("parallel_cnn_lstm", n_features, num_emotions, **sizes)


def default_sizes(architecture: str) -> dict[str, Any]:
    """Return what an architecture lets one choose, with the values it has unless told otherwise.

    All are numbers, texts or lists, ready for JSON.
    """
    module = importlib.import_module(ARCHITECTURES[architecture].module)
    parameters = inspect.signature(module.build).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in defaults.items()}


def load(path: str | os.PathLike[str]) -> keras.Model:
    """Load a network that Keras saved: ``model.save("network.keras")``.

    The library's own layers and losses are made known to Keras first; nothing else that the file
    may name is run.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ModelError
        If it is none of Keras', or TensorFlow is not installed.
    """
    require_tensorflow()
    import keras

    for module in ("layers", "losses"):
        importlib.import_module(f"{__name__}.{module}")
    if not os.path.isfile(path):  # noqa: PTH113
        raise FileNotFoundError(f"no such file: {os.fspath(path)!r}")
    try:
        model: keras.Model = keras.saving.load_model(path)
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise ModelError(
            f"{os.fspath(path)!r}: expected a network that Keras saved as .keras, found: {error}"
        ) from error
    return model


def require_tensorflow() -> None:
    """Raise `ModelError` with what to do where TensorFlow, which training needs, is missing."""
    try:
        import keras  # noqa: F401
        import tensorflow  # noqa: F401
    except ImportError as error:
        raise ModelError(
            "building and training networks needs TensorFlow, which is not installed here "
            f"({error}); predicting does not. Use a Python that TensorFlow has wheels for "
            "(`pip install emotionrecog` brings it there)"
        ) from error
