"""The saved form of a recogniser: a folder that is read without TensorFlow and without pickle.

========================  ====================================================================
``recognizer.json``       what the network answers and is fed, where it comes from, how good it is,
                          and the SHA-256 of the other files
``model.onnx``            the network for prediction: features in, probabilities out
``model.weights.h5``      its Keras weights, to go on training
``MODEL_CARD.md``         the same for people: data, licences, figures, limits
========================  ====================================================================

``format_version`` is 1. It grows when a reader of the present version could no longer make sense of
a new file; entries that old readers may ignore do not count.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotionrecog.errors import ModelError
from emotionrecog.features import FeatureSpec

if TYPE_CHECKING:
    import os

__all__ = ["FORMAT_VERSION", "MANIFEST", "Artifact", "read", "write"]

FORMAT_VERSION = 1

MANIFEST = "recognizer.json"
ONNX = "model.onnx"
WEIGHTS = "model.weights.h5"
CARD = "MODEL_CARD.md"

_HASHED = (ONNX, WEIGHTS, CARD)
_AGAIN = "Save or fetch the recogniser again"

# What the fields of an artefact must be.
_TYPES: Mapping[str, type] = {
    "name": str,
    "features": FeatureSpec,
    "architecture": str,
    "sizes": Mapping,
    "training": Mapping,
    "metrics": Mapping,
    "versions": Mapping,
    "onnx": bytes,
    "weights": bytes,
    "card": str,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Artifact:
    """A trained network with all that is needed to use it, explain it and go on training.

    Parameters
    ----------
    name
        Of the recogniser.
    labels
        The emotions it answers, in the order of its outputs.
    features
        What it is fed.
    window_frames
        Frames that it is given at once.
    minimum_duration
        Shortest recording it judges, in s.
    architecture, sizes
        Name and arguments from which `emotionrecog.models.build` rebuilds the network.
    temperature
        What the logits are divided by before the softmax.
    training
        Corpora with their licences, speakers left out, recipe, seed.
    metrics
        Held-out figures with their protocol.
    versions
        Of the libraries that trained and exported it.
    onnx, weights
        Contents of ``model.onnx`` and ``model.weights.h5``.
    card
        Contents of ``MODEL_CARD.md``.

    Raises
    ------
    ValueError
        If a value is of the wrong type or makes no sense; the message names it.
    """

    name: str
    labels: tuple[str, ...]
    features: FeatureSpec
    window_frames: int
    minimum_duration: float
    architecture: str
    sizes: Mapping[str, float]
    temperature: float
    training: Mapping[str, Any]
    metrics: Mapping[str, Any]
    versions: Mapping[str, str]
    onnx: bytes = dataclasses.field(repr=False)
    weights: bytes = dataclasses.field(repr=False)
    card: str = dataclasses.field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what no recogniser can be made of."""
        labels = self.labels
        if (
            not isinstance(labels, tuple)
            or len(labels) < 2
            or not all(isinstance(label, str) and label for label in labels)
            or len(set(labels)) < len(labels)
        ):
            raise ValueError(f"`labels` must be a tuple of two or more names, got {labels!r}")
        frames = self.window_frames
        if isinstance(frames, bool) or not isinstance(frames, int) or frames < 2:
            raise ValueError(f"`window_frames` must be a whole number from 2 on, got {frames!r}")
        for name in ("minimum_duration", "temperature"):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 < value < math.inf:
                raise ValueError(f"`{name}` must be a positive number, got {value!r}")
        for name, kind in _TYPES.items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise ValueError(f"`{name}` must be a {kind.__name__}, got {value!r:.60}")


def write(artifact: Artifact, folder: str | os.PathLike[str]) -> None:
    """Write an artefact.

    The folder appears complete or not at all: the files are written to a folder beside it, read
    back, and moved. An artefact already there is replaced; whatever goes wrong, it is left as it
    was.

    Parameters
    ----------
    artifact
        What to write.
    folder
        Where to. Its parents are made.

    Raises
    ------
    FileExistsError
        If `folder` exists and holds anything but an artefact.
    TypeError, ValueError
        If `training` or another entry holds what JSON cannot express, NaN for example.
    """
    target = Path(folder).resolve()
    _require_ours_or_nothing(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as beside:
        new, old = Path(beside, "new"), Path(beside, "old")
        new.mkdir()
        _write_files(artifact, new)
        read(new)
        try:
            if target.exists():
                target.rename(old)
            new.rename(target)
        except BaseException:  # an interrupt too: the old artefact is deleted with `beside`
            if old.exists() and not target.exists():
                old.rename(target)
            raise


def _require_ours_or_nothing(target: Path) -> None:
    if not target.exists():
        return
    found = "a file"
    if target.is_dir():
        names = {path.name for path in target.iterdir()}
        foreign = names - {MANIFEST, *_HASHED}
        if not names or (MANIFEST in names and not foreign):
            return
        found = f"one that holds {', '.join(sorted(foreign or names)[:3])}"
    raise FileExistsError(
        f"{str(target)!r} is left as it is: expected a new folder, an empty one or one that "
        f"holds a saved recogniser and nothing else, found {found}; choose another folder"
    )


def _write_files(artifact: Artifact, folder: Path) -> None:
    contents = {ONNX: artifact.onnx, WEIGHTS: artifact.weights, CARD: artifact.card.encode()}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    manifest = {
        "format_version": FORMAT_VERSION,
        "name": artifact.name,
        "labels": artifact.labels,
        "features": artifact.features.to_dict(),
        "window_frames": artifact.window_frames,
        "minimum_duration": artifact.minimum_duration,
        "architecture": artifact.architecture,
        "sizes": dict(artifact.sizes),
        "temperature": artifact.temperature,
        "training": dict(artifact.training),
        "metrics": dict(artifact.metrics),
        "versions": dict(artifact.versions),
        "sha256": {name: _sha256(content) for name, content in contents.items()},
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read(folder: str | os.PathLike[str]) -> Artifact:
    """Read an artefact and verify that it is whole.

    Raises
    ------
    ModelError
        If there is no such folder, or a file in it is missing, damaged or of a newer format.
    """
    root = Path(folder)
    if not root.exists():
        raise ModelError(
            f"no such folder: {str(root)!r}; expected the folder of a saved recogniser"
        )
    manifest = _read_manifest(root)
    try:
        hashes = manifest["sha256"]
        if not isinstance(hashes, dict) or not isinstance(manifest["labels"], list):
            raise ValueError("`sha256` must be an object and `labels` an array")
        contents = {name: _verified(root / name, hashes[name]) for name in _HASHED}
        return Artifact(
            labels=tuple(manifest["labels"]),
            features=FeatureSpec.from_dict(manifest["features"]),
            onnx=contents[ONNX],
            weights=contents[WEIGHTS],
            card=contents[CARD].decode(),
            **{name: manifest[name] for name in _PLAIN_ENTRIES},
        )
    except ModelError:
        raise
    except (KeyError, ValueError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ModelError(f"{root / MANIFEST}: damaged: {what}. {_AGAIN}") from error


# Entries of the manifest that are fields of the artefact as they stand.
_PLAIN_ENTRIES = (
    "name",
    "window_frames",
    "minimum_duration",
    "architecture",
    "sizes",
    "temperature",
    "training",
    "metrics",
    "versions",
)


def _read_manifest(root: Path) -> dict[str, Any]:
    path = root / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise ModelError(
            f"{str(root)!r} holds no {MANIFEST}; expected the folder of a saved recogniser, "
            f"with {MANIFEST}, {ONNX}, {WEIGHTS} and {CARD}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: damaged, not JSON: {error}. {_AGAIN}") from error
    if not isinstance(manifest, dict):
        raise ModelError(
            f"{path}: damaged: expected a JSON object, found {manifest!r:.60}. {_AGAIN}"
        )
    version = manifest.get("format_version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ModelError(
            f"{path}: damaged: expected a positive whole number as `format_version`, "
            f"found {version!r}. {_AGAIN}"
        )
    if version > FORMAT_VERSION:
        raise ModelError(
            f"{path}: format {version} is newer than format {FORMAT_VERSION}, the newest that "
            "this version of emotionrecog reads. Upgrade: pip install --upgrade emotionrecog"
        )
    return manifest


def _verified(path: Path, expected: object) -> bytes:
    """Return the contents of a file whose hash is as expected."""
    try:
        content = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ModelError(f"{path}: missing. {_AGAIN}") from error
    found = _sha256(content)
    if found != expected:
        raise ModelError(f"{path}: damaged: expected SHA-256 {expected}, found {found}. {_AGAIN}")
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
