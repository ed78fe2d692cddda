"""Networks by name: each builder turns a feature spec into a Keras model that answers logits.

Importing this package is light; building loads Keras.
"""

from __future__ import annotations

import importlib
import inspect
from types import MappingProxyType
from typing import TYPE_CHECKING

from emotionrecog.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras

__all__ = ["ARCHITECTURES", "build", "default_sizes", "require_tensorflow"]

# Name of an architecture -> the module whose ``build`` makes it.
ARCHITECTURES: Mapping[str, str] = MappingProxyType(
    {
        "mobilenet": "emotionrecog.models.mobilenet",
        "crnn": "emotionrecog.models.crnn",
    }
)


def build(architecture: str, n_features: int, n_emotions: int, **sizes: float) -> keras.Model:
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
        (batch, n_emotions). `n_frames` is free.

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
    module = importlib.import_module(ARCHITECTURES[architecture])
    model: keras.Model = module.build(n_features, n_emotions, **sizes)
    return model


def default_sizes(architecture: str) -> dict[str, float]:
    """Return what an architecture lets one choose, with the values it has unless told otherwise."""
    module = importlib.import_module(ARCHITECTURES[architecture])
    parameters = inspect.signature(module.build).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


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
