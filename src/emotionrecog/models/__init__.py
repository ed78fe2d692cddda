"""Network architectures by name: each builds a Keras model from features to logits.

Importing this package does not import Keras; building a network does.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import os
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

from emotionrecog.errors import ModelError, require_one_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras

__all__ = [
    "ARCHITECTURES",
    "LOSSES",
    "Architecture",
    "ArchitectureName",
    "LossName",
    "ParallelModel",
    "build",
    "default_sizes",
    "load",
    "require_tensorflow",
]


LossName = Literal["crossentropy", "focal"]
"""The names in `LOSSES`, for type checkers and editors."""

LOSSES: tuple[LossName, ...] = get_args(LossName)
"""The losses that `emotionrecog.models.losses.by_name` builds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Architecture:
    """The properties of an architecture that are known before it is built.

    Parameters
    ----------
    module
        Module whose ``build`` builds the network and documents its sizes.
    summary
        Description in one line.
    features
        Features that it is designed for: a name in `emotionrecog.features.PRESETS`.
    masked
        Whether its answer is independent of zeros after the end of a clip.
    fixed_length
        Whether all clips must have the number of frames given by its size `n_frames`.

    Examples
    --------
    >>> ARCHITECTURES["gru"].features
    'descriptors'
    """

    module: str
    summary: str
    features: str
    masked: bool = True
    fixed_length: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, ready for JSON.

        Examples
        --------
        >>> ARCHITECTURES["cnn1d"].to_dict()["fixed_length"]
        True
        """
        return dataclasses.asdict(self)


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "mobilenet": Architecture(
            module="emotionrecog.models.mobilenet",
            summary="MobileNetV3 with three heads on its middle layers; the bundled recogniser",
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
        Sizes of the architecture; see the ``build`` of its module.

    Returns
    -------
    keras.Model
        From features, float32 of shape (batch, n_frames, n_features), to logits of shape
        (batch, n_emotions). The number of frames is free, unless the architecture has a size
        `n_frames`.

    Raises
    ------
    ValueError
        If the architecture is unknown.
    ModelError
        If TensorFlow is not installed.

    Examples
    --------
    >>> build("gru", n_features=40, n_emotions=8, units=16).output_shape
    (None, 8)
    """
    require_one_of("architecture", architecture, ARCHITECTURES)
    require_tensorflow()
    module = importlib.import_module(ARCHITECTURES[architecture].module)
    model: keras.Model = module.build(n_features, n_emotions, **sizes)
    return model


def ParallelModel(  # the name of the class under which the network is widely known
    num_emotions: int = 8, *, n_features: int = 128, **sizes: Any
) -> keras.Model:
    """Build the architecture ``parallel_cnn_lstm``, by default for the features ``mel-128x87``.

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

    Examples
    --------
    >>> ParallelModel(num_emotions=7).output_shape
    (None, 7)
    """
    return build("parallel_cnn_lstm", n_features, num_emotions, **sizes)


def default_sizes(architecture: str) -> dict[str, Any]:
    """Return the sizes of an architecture with their default values.

    All values are numbers, strings or lists, ready for JSON. Keras is imported by this call.

    Examples
    --------
    >>> default_sizes("linear")
    {'mean': 0.0, 'deviation': 1.0, 'l2': 0.0}
    """
    module = importlib.import_module(ARCHITECTURES[architecture].module)
    parameters = inspect.signature(module.build).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in defaults.items()}


def load(path: str | os.PathLike[str]) -> keras.Model:
    """Load a network that was saved with ``model.save("network.keras")``.

    The layers and losses of this library are registered with Keras first. No other code that the
    file names is run.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ModelError
        If the file was not saved by Keras, or TensorFlow is not installed.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     build("linear", n_features=4, n_emotions=2).save(f"{folder}/network.keras")
    ...     load(f"{folder}/network.keras").name
    'linear'
    """
    require_tensorflow()
    import keras

    for module in ("layers", "losses"):
        importlib.import_module(f"{__name__}.{module}")
    if not Path(path).is_file():
        raise FileNotFoundError(f"no such file: {os.fspath(path)!r}")
    try:
        model: keras.Model = keras.saving.load_model(path)
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise ModelError(
            f"{os.fspath(path)!r}: expected a network saved by Keras as .keras, found: {error}"
        ) from error
    return model


def require_tensorflow() -> None:
    """Raise `ModelError` with instructions if TensorFlow, which training needs, is missing.

    Examples
    --------
    >>> require_tensorflow()
    """
    try:
        import keras  # noqa: F401
        import tensorflow  # noqa: F401
    except ImportError as error:
        raise ModelError(
            "building and training networks needs TensorFlow, which is not installed here "
            f"({error}); predicting does not need it. Use a Python version for which TensorFlow is "
            "published, where `pip install emotionrecog` installs it as well"
        ) from error
