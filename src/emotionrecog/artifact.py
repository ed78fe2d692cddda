"""The saved form of a recogniser: a folder that is read without TensorFlow and without pickle.

========================  ====================================================================
``recognizer.json``       what the network answers and is fed, where it comes from, how good it is,
                          and the SHA-256 of the other files
``model.onnx``            the network for prediction: features in, probabilities out
``model.weights.h5``      its Keras weights, to go on training
``MODEL_CARD.md``         the same for people: data, licences, figures, limits
========================  ====================================================================

``format_version`` is 2. It grows when readers of the version before could not make sense of a new
file; entries that they may ignore do not count. Every version of the library reads all formats up
to its own. Format 1, that of version 0.1.0, has fewer entries of ``features`` and no hash of
``recognizer.json`` itself.

Whoever reads an artefact need not trust whoever wrote it: no file runs code or names another file,
and files and numbers that would fill the memory are refused.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from emotionrecog import files
from emotionrecog.errors import ModelError, require_number, require_whole
from emotionrecog.features import FeatureSpec

if TYPE_CHECKING:
    import os

__all__ = ["FORMAT_VERSION", "MANIFEST", "Artifact", "read", "write"]

FORMAT_VERSION = 2

MANIFEST = "recognizer.json"
ONNX = "model.onnx"
WEIGHTS = "model.weights.h5"
CARD = "MODEL_CARD.md"

_HASHED = (ONNX, WEIGHTS, CARD)
_AGAIN = "Save or fetch the recogniser again"

# Entry of the manifest that holds the hash of all others.
_OWN_HASH = "manifest_sha256"

# Largest files that are read, in bytes.
_LARGEST_FILE: Mapping[str, int] = {MANIFEST: 2**24, ONNX: 2**30, WEIGHTS: 2**30, CARD: 2**24}

# Largest numbers of a feature spec, shortest and longest window in s, and most values of the frames
# of a window: bounds far from what is useful, above which a prediction would fill the memory.
_LARGEST: Mapping[str, int] = {
    "sampling_rate": 192_000,
    "n_fft": 2**15,
    "hop_length": 2**15,
    "n_mels": 2**11,
    "n_frames": 2**16,
}
_WINDOW_SECONDS = (0.05, 600.0)
_LARGEST_WINDOW = 2**27

# How a tensor of an ONNX file names another file that holds its values: a string field 1 that says
# "location", tag and length written in the shortest or in any other way.
_LOCATION = b"location"
_ONNX_ELSEWHERE = re.compile(rb"(?:\x0a|\x8a\x80{0,8}\x00)(?:\x08|\x88\x80{0,8}\x00)" + _LOCATION)
# The mark of ONNX Runtime's own format, at byte 4.
_NOT_ONNX = b"ORTM"

# What the fields of an artefact must be.
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
    calibration
        What the probabilities were fitted to, the label sets, and what recordings of training are
        like, as `emotionrecog.training.calibration` has them; empty where it was never done.
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
    calibration: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)

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
        require_whole("window_frames", frames, 2)
        for name in ("minimum_duration", "temperature"):
            require_number(name, getattr(self, name), 0, open_low=True)
        for name, kind in _TYPES.items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise ValueError(f"`{name}` must be a {kind.__name__}, got {value!r:.60}")
        _require_bounds(self.features, frames)


def _require_bounds(spec: FeatureSpec, window_frames: int) -> None:
    """Refuse numbers that are possible but would fill the memory."""
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
    _require_replaceable(Path(folder))
    with files.writing_folder(folder) as new:
        _write_files(artifact, new)
        read(new)


def _require_replaceable(target: Path) -> None:
    """Raise `FileExistsError` if there is anything but an empty folder or an artefact."""
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
        f"{str(target.resolve())!r} was not replaced: expected a new folder, an empty one or one "
        f"that contains only a saved recogniser, found {content}; choose another folder"
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
        "sha256": {name: files.sha256(content) for name, content in contents.items()},
    }
    manifest = json.loads(json.dumps(manifest, allow_nan=False))  # as it will be read
    manifest[_OWN_HASH] = _own_hash(manifest)
    (folder / MANIFEST).write_bytes(files.to_json(manifest, indent=2).encode())


def read(folder: str | os.PathLike[str]) -> Artifact:
    """Read an artefact and verify that it is whole.

    Raises
    ------
    ModelError
        If there is no such folder, or a file in it is missing, damaged, of a newer format, too
        large (16 MiB for ``recognizer.json`` and ``MODEL_CARD.md``, 1 GiB for the others) or refers
        to files elsewhere.
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
    content = _contents(path)
    if content is None:
        raise ModelError(
            f"{str(root)!r} holds no {MANIFEST}; expected the folder of a saved recogniser, "
            f"with {MANIFEST}, {ONNX}, {WEIGHTS} and {CARD}"
        )
    try:
        manifest = json.loads(content.decode())
        own_hash = _own_hash(manifest) if isinstance(manifest, dict) else None
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
    if version > 1 and _OWN_HASH not in manifest:
        raise ModelError(f"{path}: damaged: {_OWN_HASH!r} is missing. {_AGAIN}")
    if manifest.get(_OWN_HASH, own_hash) != own_hash:
        raise ModelError(
            f"{path}: damaged: expected other entries of the SHA-256 "
            f"{manifest[_OWN_HASH]!s:.80}, found {own_hash}. {_AGAIN}; if you changed an entry "
            f"on purpose, put the hash found in the place of that in `{_OWN_HASH}`"
        )
    return manifest


def _own_hash(manifest: Mapping[str, Any]) -> str:
    """Return the hash of the entries of a manifest, however they are laid out."""
    entries = {name: value for name, value in manifest.items() if name != _OWN_HASH}
    return files.sha256(json.dumps(entries, sort_keys=True, separators=(",", ":")).encode())


def _require_plain_onnx(path: Path, content: bytes) -> None:
    """Refuse a network whose weights are in other files, which might be anybody's."""
    if _LOCATION in content and _ONNX_ELSEWHERE.search(content):  # the first is much faster
        raise ModelError(
            f"{path}: expected a network that holds its weights itself, found one that refers to "
            f"another file. {_AGAIN}"
        )
    if content[4:8] == _NOT_ONNX:
        raise ModelError(
            f"{path}: expected ONNX, found the format of ONNX Runtime (.ort). {_AGAIN}"
        )


def _verified(path: Path, expected: object) -> bytes:
    """Return the contents of a file whose hash is as expected."""
    content = _contents(path)
    if content is None:
        raise ModelError(f"{path}: missing. {_AGAIN}")
    found = files.sha256(content)
    if found != expected:
        raise ModelError(
            f"{path}: damaged: expected SHA-256 {expected!s:.80}, found {found}. {_AGAIN}"
        )
    return content


def _contents(path: Path) -> bytes | None:
    """Return the contents of one of an artefact's files, None where there is no file.

    It may be a link, as caches have them: the name is fixed and the contents must have their hash.
    """
    if not path.exists() or path.is_dir():
        return None
    if not path.is_file():  # a pipe or a device, which may never end
        raise ModelError(f"{path}: expected an ordinary file. {_AGAIN}")
    size, largest = path.stat().st_size, _LARGEST_FILE[path.name]
    if size > largest:
        raise ModelError(f"{path}: expected at most {largest} bytes, found {size}. {_AGAIN}")
    with path.open("rb") as file:
        return file.read(size)
