"""From a trained Keras network to what an artefact holds, and back."""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import keras
from keras import layers

from emotionrecog.errors import ModelError
from emotionrecog.models import build

if TYPE_CHECKING:
    from emotionrecog.artifact import Artifact

__all__ = ["restore", "to_onnx", "weights_of", "with_probabilities"]


def with_probabilities(model: keras.Model, temperature: float = 1.0) -> keras.Model:
    """Return a model that answers probabilities instead of logits.

    Parameters
    ----------
    model
        From features to logits.
    temperature
        What the logits are divided by; above 1 the answers become less confident.
    """
    scaled = layers.Rescaling(1.0 / temperature)(model.output)
    return keras.Model(model.input, layers.Softmax(name="probabilities")(scaled))


def to_onnx(model: keras.Model, temperature: float) -> bytes:
    """Convert a network from features to logits into an ONNX network to probabilities.

    Its input ``features`` is float32 of shape (batch, n_frames, n_features), batch and n_frames
    free.
    """
    signature = [keras.InputSpec(shape=model.input.shape, dtype="float32", name="features")]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        # The converter prints its progress whatever one asks of it.
        with contextlib.redirect_stdout(io.StringIO()):
            with_probabilities(model, temperature).export(
                path, format="onnx", verbose=False, input_signature=signature
            )
        return path.read_bytes()


def weights_of(model: keras.Model) -> bytes:
    """Return the weights as the contents of a ``.weights.h5`` file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.weights.h5")
        model.save_weights(path)
        return path.read_bytes()


def restore(artifact: Artifact) -> keras.Model:
    """Rebuild the Keras network of an artefact, from features to logits, with its weights.

    Raises
    ------
    ModelError
        If the network cannot be rebuilt, or the weights are not its own.
    """
    try:
        model = build(
            artifact.architecture, artifact.features.n_mels, len(artifact.labels), **artifact.sizes
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.weights.h5")
            path.write_bytes(artifact.weights)
            with warnings.catch_warnings():
                # Keras merely warns of layers that it finds no weights for.
                warnings.filterwarnings("error", "Skipping", UserWarning)
                model.load_weights(path)
    except (KeyError, OSError, TypeError, UserWarning, ValueError) as error:
        raise ModelError(
            f"the Keras network of recogniser {artifact.name!r} cannot be rebuilt: expected an "
            f"{artifact.architecture!r} of the sizes {dict(artifact.sizes)} and its weights, "
            f"found: {error}. Save or fetch the recogniser again"
        ) from error
    return model
