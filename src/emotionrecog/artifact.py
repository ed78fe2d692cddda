"""The saved form of a recogniser: a folder that is read without TensorFlow and without pickle.

========================  ====================================================================
``recognizer.json``       inputs and outputs of the network, its training and metrics, and the
                          SHA-256 of the other files
``model.onnx``            the network for prediction: features in, probabilities out
``model.weights.h5``      its Keras weights, to continue training
``MODEL_CARD.md``         the same for people: data, licences, metrics, limits
========================  ====================================================================

``format_version`` is 2. It is increased when older readers could not interpret a new file, but not
for entries that they may ignore. Every version of the library reads all formats up to its own.
Format 1, that of version 0.1.0, has fewer entries of ``features`` and no hash of
``recognizer.json`` itself.

Reading an artefact from an untrusted source is safe: no file runs code or names another file, and
files and numbers that would fill the memory raise `ModelError`.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from emotionrecog.errors import ModelError, require_number, require_whole
from emotionrecog.features import FeatureSpec
from emotionrecog.files import sha256, to_json, writing_folder

if TYPE_CHECKING:
    import os

__all__ = ["FORMAT_VERSION", "MANIFEST", "Artifact", "HasArtifact", "artifact_of", "read", "write"]

FORMAT_VERSION = 2

MANIFEST = "recognizer.json"
ONNX = "model.onnx"
WEIGHTS = "model.weights.h5"
CARD = "MODEL_CARD.md"

_HASHED = (ONNX, WEIGHTS, CARD)
_ADVICE = "Save or fetch the recogniser again"

# Entry of the manifest that holds the hash of all others.
_MANIFEST_HASH = "manifest_sha256"

# Limits on the size of the files, in bytes.
_LARGEST_FILE: Mapping[str, int] = {MANIFEST: 2**24, ONNX: 2**30, WEIGHTS: 2**30, CARD: 2**24}

# Limits on the numbers of a feature spec, on the length of a window in s, and on the number of
# values in the frames of a window. Useful values are far below; larger ones would fill the memory.
_LARGEST: Mapping[str, int] = {
    "sampling_rate": 192_000,
    "n_fft": 2**15,
    "hop_length": 2**15,
    "n_mels": 2**11,
    "n_frames": 2**16,
}
_WINDOW_SECONDS = (0.05, 600.0)
_LARGEST_WINDOW = 2**27

# How a tensor of an ONNX file refers to another file for its values: a string field 1 with the text
# "location", whose tag and length may be encoded in the shortest or in a longer form.
_LOCATION = b"location"
_ONNX_ELSEWHERE = re.compile(rb"(?:\x0a|\x8a\x80{0,8}\x00)(?:\x08|\x88\x80{0,8}\x00)" + _LOCATION)
# The magic number of ONNX Runtime's own format, at byte 4.
_ORT_FORMAT = b"ORTM"

# The types of the fields of an artefact.
_TYPES: Mapping[str, type] = {
    "name": str,
    "features": FeatureSpec,
    "architecture": str,
    "sizes": Mapping,
    "training": Mapping,
    "metrics": Mapping,
    "versions": Mapping,
    "calibration": Mapping,
    "onnx": bytes,
    "weights": bytes,
    "card": str,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Artifact:
    """A trained network with all that is needed to use it, explain it and continue training.

    Parameters
    ----------
    name
        Name of the recogniser.
    labels
        The emotions it distinguishes, in the order of its outputs.
    features
        The input of the network.
    window_frames
        Number of frames in a window, the longest input of the network.
    minimum_duration
        Duration of the shortest recording it accepts, in s.
    architecture, sizes
        Name and arguments from which `emotionrecog.models.build` rebuilds the network.
    temperature
        Divisor of the logits before the softmax.
    training
        Corpora with their licences, speakers, recipe and history of the training.
    metrics
        Metrics on held-out speakers, with their protocol.
    versions
        Versions of the libraries that trained and exported it.
    calibration
        The clips that the probabilities were fitted to, the label sets, and the statistics of
        recordings of training, as `emotionrecog.training.calibration` returns them; empty for a
        recogniser that was never calibrated.
    onnx, weights
        Contents of ``model.onnx`` and ``model.weights.h5``.
    card
        Contents of ``MODEL_CARD.md``.

    Raises
    ------
    ValueError
        If a value is of the wrong type or out of bounds; the message names it.

    Examples
    --------
    >>> import dataclasses
    >>> from emotionrecog import EmotionRecognizer
    >>> artifact = dataclasses.replace(EmotionRecognizer().artifact, name="mine")
    >>> artifact.name, artifact.architecture, artifact.window_frames
    ('mine', 'mobilenet', 256)
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
    calibration: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Validate the fields."""
        labels = self.labels
        if (
            not isinstance(labels, tuple)
            or len(labels) < 2
            or not all(isinstance(label, str) and label for label in labels)
            or len(set(labels)) < len(labels)
        ):
            raise ValueError(f"`labels` must be a tuple of two or more names, got {labels!r}")
        require_whole("window_frames", self.window_frames, 2)
        for name in ("minimum_duration", "temperature"):
            require_number(name, getattr(self, name), 0, open_low=True)
        for name, kind in _TYPES.items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise ValueError(f"`{name}` must be a {kind.__name__}, got {value!r:.60}")
        _require_bounds(self.features, self.window_frames)


def _require_bounds(spec: FeatureSpec, window_frames: int) -> None:
    """Raise `ValueError` for numbers that are valid but would fill the memory."""
    for name, largest in _LARGEST.items():
        value = getattr(spec, name)
        if value is not None and value > largest:
            raise ValueError(f"`features`: `{name}` must be at most {largest}, got {value}")
    seconds = (window_frames - 1) * spec.hop_length / spec.sampling_rate
    shortest, longest = _WINDOW_SECONDS
    if not shortest <= seconds <= longest:
        raise ValueError(
            f"`window_frames` must make a window of {shortest:g} to {longest:g} s, "
            f"got {window_frames}, which make {seconds:g} s"
        )
    n_columns = len(spec.feature_names)
    n_values = max(window_frames, spec.n_frames or 0) * max(spec.n_fft, n_columns)
    if n_values > _LARGEST_WINDOW:
        raise ValueError(
            f"`window_frames`, or `n_frames` of the features, times `n_fft` = {spec.n_fft} or "
            f"{n_columns} features must be at most {_LARGEST_WINDOW}, got {n_values}"
        )


class HasArtifact(Protocol):
    """An object with an artefact, such as `emotionrecog.EmotionRecognizer`."""

    @property
    def artifact(self) -> Artifact:
        """The artefact."""
        ...


def artifact_of(source: Artifact | HasArtifact) -> Artifact:
    """Return an artefact, or the one that a recogniser predicts with.

    Examples
    --------
    >>> from emotionrecog import EmotionRecognizer
    >>> recognizer = EmotionRecognizer()
    >>> artifact_of(recognizer) is artifact_of(recognizer.artifact)
    True
    """
    return source if isinstance(source, Artifact) else source.artifact


def write(artifact: Artifact, folder: str | os.PathLike[str]) -> None:
    """Write an artefact.

    The folder appears complete or not at all: the files are written to a folder beside it, read
    back, and moved. An existing artefact is replaced; if anything fails, it stays unchanged.

    Parameters
    ----------
    artifact
        The artefact to write.
    folder
        The folder to write to. Missing parents are created.

    Raises
    ------
    FileExistsError
        If `folder` exists and holds anything but an artefact.
    TypeError, ValueError
        If `training` or another entry contains a value that JSON cannot express, such as NaN.

    Examples
    --------
    >>> import tempfile
    >>> from emotionrecog import EmotionRecognizer
    >>> artifact = EmotionRecognizer().artifact
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(artifact, f"{folder}/mine")
    ...     read(f"{folder}/mine") == artifact
    True
    """
    _require_replaceable(Path(folder).resolve())
    with writing_folder(folder) as new:
        _write_files(artifact, new)
        read(new)


def _require_replaceable(target: Path) -> None:
    """Raise `FileExistsError` unless the path is free, an empty folder or an artefact."""
    if not target.exists():
        return
    content = "a file"
    if target.is_dir():
        names = {path.name for path in target.iterdir()}
        foreign = names - {MANIFEST, *_HASHED}
        if not names or (MANIFEST in names and not foreign):
            return
        content = f"one that contains {', '.join(sorted(foreign or names)[:3])}"
    raise FileExistsError(
        f"{str(target)!r} was not replaced: expected a new folder, an empty one or one that "
        f"contains only a saved recogniser, found {content}; choose another folder"
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
        **({"calibration": dict(artifact.calibration)} if artifact.calibration else {}),
        "sha256": {name: sha256(content) for name, content in contents.items()},
    }
    manifest = json.loads(to_json(manifest))  # the values that a reader will get
    manifest[_MANIFEST_HASH] = _manifest_hash(manifest)
    (folder / MANIFEST).write_bytes(to_json(manifest, indent=2).encode())


def read(folder: str | os.PathLike[str]) -> Artifact:
    """Read an artefact and verify that it is complete and undamaged.

    Parameters
    ----------
    folder
        The folder of a saved recogniser.

    Raises
    ------
    ModelError
        If there is no such folder, or a file in it is missing, damaged, of a newer format, too
        large (16 MiB for ``recognizer.json`` and ``MODEL_CARD.md``, 1 GiB for the others) or refers
        to files elsewhere.

    Examples
    --------
    >>> from emotionrecog import pretrained
    >>> read(pretrained.fetch("english-8")).architecture
    'mobilenet'
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
        _require_plain_onnx(root / ONNX, contents[ONNX])
        return Artifact(
            labels=tuple(manifest["labels"]),
            features=FeatureSpec.from_dict(manifest["features"]),
            onnx=contents[ONNX],
            weights=contents[WEIGHTS],
            card=contents[CARD].decode(),
            calibration=manifest.get("calibration", {}),
            **{name: manifest[name] for name in _PLAIN_ENTRIES},
        )
    except ModelError:
        raise
    except (KeyError, ValueError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ModelError(f"{root / MANIFEST}: damaged: {reason}. {_ADVICE}") from error


# Entries of the manifest that are fields of the artefact without conversion.
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
    content = _contents(path)
    if content is None:
        raise ModelError(
            f"{str(root)!r} holds no {MANIFEST}; expected the folder of a saved recogniser, "
            f"with {MANIFEST}, {ONNX}, {WEIGHTS} and {CARD}"
        )
    try:
        manifest = json.loads(content.decode())
        actual_hash = _manifest_hash(manifest) if isinstance(manifest, dict) else None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: damaged, not JSON: {error}. {_ADVICE}") from error
    if not isinstance(manifest, dict):
        raise ModelError(
            f"{path}: damaged: expected a JSON object, found {manifest!r:.60}. {_ADVICE}"
        )
    version = manifest.get("format_version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ModelError(
            f"{path}: damaged: expected a positive whole number as `format_version`, "
            f"found {version!r}. {_ADVICE}"
        )
    if version > FORMAT_VERSION:
        raise ModelError(
            f"{path}: format {version} is newer than format {FORMAT_VERSION}, the newest that "
            "this version of emotionrecog reads. Upgrade: pip install --upgrade emotionrecog"
        )
    if version > 1 and _MANIFEST_HASH not in manifest:
        raise ModelError(f"{path}: damaged: {_MANIFEST_HASH!r} is missing. {_ADVICE}")
    if manifest.get(_MANIFEST_HASH, actual_hash) != actual_hash:
        raise ModelError(
            f"{path}: damaged: expected entries with the SHA-256 "
            f"{manifest[_MANIFEST_HASH]!s:.80}, found {actual_hash}. {_ADVICE}; if you changed an "
            f"entry on purpose, replace the value of `{_MANIFEST_HASH}` by the hash that was found"
        )
    return manifest


def _manifest_hash(manifest: Mapping[str, Any]) -> str:
    """Return the hash of the entries of a manifest, which does not depend on their layout."""
    entries = {name: value for name, value in manifest.items() if name != _MANIFEST_HASH}
    return sha256(json.dumps(entries, sort_keys=True, separators=(",", ":")).encode())


def _require_plain_onnx(path: Path, content: bytes) -> None:
    """Raise `ModelError` for a network whose weights are in other files, which might be private."""
    if _LOCATION in content and _ONNX_ELSEWHERE.search(content):  # the first test is much faster
        raise ModelError(
            f"{path}: expected a network that contains its weights, found one that refers to "
            f"another file. {_ADVICE}"
        )
    if content[4:8] == _ORT_FORMAT:
        raise ModelError(
            f"{path}: expected ONNX, found the format of ONNX Runtime (.ort). {_ADVICE}"
        )


def _verified(path: Path, expected: object) -> bytes:
    """Return the contents of a file after comparing their hash with the expected one."""
    content = _contents(path)
    if content is None:
        raise ModelError(f"{path}: missing. {_ADVICE}")
    actual = sha256(content)
    if actual != expected:
        raise ModelError(
            f"{path}: damaged: expected SHA-256 {expected!s:.80}, found {actual}. {_ADVICE}"
        )
    return content


def _contents(path: Path) -> bytes | None:
    """Return the contents of one of an artefact's files, or None if there is no such file.

    Links are followed, because caches use them: the name is fixed and the hash is verified.
    """
    if not path.exists() or path.is_dir():
        return None
    if not path.is_file():  # a pipe or a device, which may never end
        raise ModelError(f"{path}: expected an ordinary file. {_ADVICE}")
    size, largest = path.stat().st_size, _LARGEST_FILE[path.name]
    if size > largest:
        raise ModelError(f"{path}: expected at most {largest} bytes, found {size}. {_ADVICE}")
    with path.open("rb") as file:
        return file.read(size)
