"""Read and write registries: JSON files that list recognisers and the hashes of their files.

======================  ======================================================================
``format_version``      1; it is raised when older readers could no longer read a new file
``base_url``            optional; the address below which the files are, each at ``NAME/FILE``
``recognizers``         for each name its ``description``, the ``licences`` of the recordings it
                        was trained on, and its ``files``, each with ``sha256``, ``size`` in bytes
                        and, if it is not ``NAME/FILE``, its ``url`` below ``base_url``
======================  ======================================================================
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from emotionrecog import artifact, files
from emotionrecog.errors import DownloadError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

__all__ = [
    "FORMAT_VERSION",
    "File",
    "Weights",
    "describe",
    "is_name",
    "read_registry",
    "write_registry",
]

FORMAT_VERSION = 1

# Names of recognisers and files: valid on every system, and never a path.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of a recogniser.

    Parameters
    ----------
    sha256
        Hash of its content, 64 hexadecimal digits.
    size
        In bytes.
    url
        Address relative to `Weights.base_url`.

    Examples
    --------
    >>> File(sha256=64 * "0", size=12, url="mine/model.onnx").size
    12
    """

    sha256: str
    size: int
    url: str


@dataclass(frozen=True, kw_only=True)
class Weights:
    """The entry of a recogniser in a registry.

    Parameters
    ----------
    name
        Name of the recogniser.
    description
        One line about the recogniser.
    licences
        The licence of each corpus that it was trained on.
    files
        Its files by name.
    base_url
        Address of the files, or None if they are on no server.

    Examples
    --------
    >>> from emotionrecog import pretrained
    >>> weights = pretrained.catalogue()["english-8"]
    >>> sorted(weights.files), weights.size < 10_000_000
    (['MODEL_CARD.md', 'model.onnx', 'model.weights.h5', 'recognizer.json'], True)
    """

    name: str
    description: str
    licences: Mapping[str, str]
    files: Mapping[str, File]
    base_url: str | None = field(default=None)

    @property
    def size(self) -> int:
        """Total size of the files, in bytes."""
        return sum(file.size for file in self.files.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as it is written to a registry, ready for JSON.

        Examples
        --------
        >>> from emotionrecog import pretrained
        >>> sorted(pretrained.catalogue()["english-8"].to_dict())
        ['description', 'files', 'licences']
        """
        entries: dict[str, dict[str, Any]] = {}
        for name, file in self.files.items():
            entries[name] = {"sha256": file.sha256, "size": file.size}
            if file.url != _default_url(self.name, name):
                entries[name]["url"] = file.url
        return {
            "description": self.description,
            "licences": dict(self.licences),
            "files": entries,
        }


def is_name(text: str) -> bool:
    """Return whether a text is a valid name of a recogniser or of one of its files.

    Examples
    --------
    >>> is_name("english-8"), is_name("../english-8")
    (True, False)
    """
    return _NAME.fullmatch(text) is not None


def describe(folder: str | os.PathLike[str]) -> Weights:
    """Return the registry entry of a saved recogniser.

    The description is the first sentence of its model card, and the licences are taken from its
    manifest.

    Parameters
    ----------
    folder
        Folder of the recogniser.

    Raises
    ------
    ModelError
        If the folder holds no recogniser, or a damaged one.
    ValueError
        If the recogniser's name is not a valid folder name on every system.

    Examples
    --------
    >>> from emotionrecog import pretrained
    >>> describe(pretrained.fetch("english-8")).name
    'english-8'
    """
    root = Path(folder)
    saved = artifact.read(root)
    if not is_name(saved.name):
        raise ValueError(f"{str(root)!r}: {_no_name(saved.name)}; save it under another name")
    manifest = files.read_json(root / artifact.MANIFEST)
    entries = {
        name: File(
            sha256=files.sha256(root / name),
            size=(root / name).stat().st_size,
            url=_default_url(saved.name, name),
        )
        for name in sorted([artifact.MANIFEST, *manifest["sha256"]])
    }
    paragraphs = (line.strip() for line in saved.card.splitlines())
    first = next((line for line in paragraphs if line and not line.startswith("#")), "")
    return Weights(
        name=saved.name,
        description=first.partition(". ")[0].rstrip("."),
        licences={
            row["corpus"]: row.get("licence") or "not stated"
            for row in saved.training.get("corpora", ())
        },
        files=entries,
    )


def write_registry(
    path: str | os.PathLike[str],
    folders: Iterable[str | os.PathLike[str]],
    *,
    base_url: str | None = None,
) -> None:
    """Write a registry of saved recognisers, whose path `EMOTIONRECOG_REGISTRY` can hold.

    The file is replaced atomically.

    Parameters
    ----------
    path
        The file to write.
    folders
        Folders of the recognisers, which are listed under the names they were saved with.
    base_url
        The address below which the files can be downloaded, with a folder for each recogniser; None
        if `EMOTIONRECOG_BASE_URL` is to give it.

    Raises
    ------
    ModelError
        If a folder holds no recogniser, or a damaged one.
    ValueError
        If a name is not a valid folder name, or occurs twice.

    Examples
    --------
    >>> import tempfile
    >>> from emotionrecog import pretrained
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "registry.json")
    ...     write_registry(path, [pretrained.fetch("english-8")])
    ...     list(read_registry(path)["english-8"].files)
    ['MODEL_CARD.md', 'model.onnx', 'model.weights.h5', 'recognizer.json']
    """
    recognizers: dict[str, Any] = {}
    for weights in map(describe, folders):
        if weights.name in recognizers:
            raise ValueError(
                f"two recognisers are called {weights.name!r}; save one of them under another name"
            )
        recognizers[weights.name] = weights.to_dict()
    content: dict[str, Any] = {"format_version": FORMAT_VERSION}
    if base_url is not None:
        content["base_url"] = base_url
    content["recognizers"] = recognizers
    _parsed(content)  # raises now, if `read_registry` could not read it
    files.write_json(path, content, indent=2)


def read_registry(path: str | os.PathLike[str]) -> dict[str, Weights]:
    """Read a registry.

    Parameters
    ----------
    path
        The JSON file.

    Returns
    -------
    dict
        The recognisers by name.

    Raises
    ------
    DownloadError
        If the file is missing, damaged or of a newer format, or lists a file that would lie outside
        the folder of its recogniser.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_registry(f"{folder}/registry.json", [])
    ...     read_registry(f"{folder}/registry.json")
    {}
    """
    try:
        return _parsed(files.read_json(path))
    except _Newer as error:
        raise DownloadError(f"{str(path)!r}: {error}") from error
    except OSError as error:
        raise DownloadError(
            f"cannot read the registry of recognisers {str(path)!r}: {error.strerror}; name an "
            "existing JSON file in EMOTIONRECOG_REGISTRY, or unset it"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DownloadError(
            f"{str(path)!r} is not a registry of recognisers: {error}; get it again from whoever "
            "gave it to you"
        ) from error


class _Newer(ValueError):
    """A registry has a newer format than this version of the package reads."""


def _parsed(content: object) -> dict[str, Weights]:
    root = _mapping(content, "the file")
    version = root.get("format_version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ValueError(f"expected a positive whole number as `format_version`, found {version!r}")
    if version > FORMAT_VERSION:
        raise _Newer(
            f"format {version} is newer than format {FORMAT_VERSION}, the newest of registries "
            "that this version of emotionrecog reads. Upgrade: pip install --upgrade emotionrecog"
        )
    base_url = root.get("base_url")
    if base_url is not None:
        base_url = _text(base_url, "`base_url`")
    return {
        name: _weights(name, entry, base_url)
        for name, entry in _mapping(root.get("recognizers"), "`recognizers`").items()
    }


def _weights(name: str, content: object, base_url: str | None) -> Weights:
    if not is_name(name):
        raise ValueError(_no_name(name))
    entry = _mapping(content, name)
    licences = _mapping(entry.get("licences"), f"`licences` of {name}")
    listed = {
        file: _file(name, file, description)
        for file, description in _mapping(entry.get("files"), f"`files` of {name}").items()
    }
    if artifact.MANIFEST not in listed:
        raise ValueError(f"`files` of {name} must contain {artifact.MANIFEST}, found {[*listed]}")
    return Weights(
        name=name,
        description=_text(entry.get("description"), f"`description` of {name}"),
        licences={
            corpus: _text(licence, f"the licence of {corpus!r}")
            for corpus, licence in licences.items()
        },
        files=listed,
        base_url=base_url,
    )


def _file(recognizer: str, name: str, content: object) -> File:
    if not is_name(name):
        raise ValueError(f"a file of {recognizer} would lie outside its folder: {_no_name(name)}")
    what = f"file {name} of {recognizer}"
    entry = _mapping(content, what)
    sha256 = _text(entry.get("sha256"), f"`sha256` of {what}")
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"`sha256` of {what} must be 64 hexadecimal digits, found {sha256!r:.80}")
    size = entry.get("size")
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ValueError(f"`size` of {what} must be a number of bytes, found {size!r:.60}")
    url = _text(entry.get("url", _default_url(recognizer, name)), f"`url` of {what}")
    parts = urlsplit(url)
    if parts.scheme or parts.netloc or url.startswith("/") or ".." in parts.path.split("/"):
        raise ValueError(f"`url` of {what} must be a path below `base_url`, found {url!r:.80}")
    return File(sha256=sha256, size=size, url=url)


def _default_url(recognizer: str, name: str) -> str:
    return f"{recognizer}/{name}"


def _mapping(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{what} must be a JSON object, found {value!r:.60}")
    return value


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"{what} must be one line of text, found {value!r:.60}")
    return value


def _no_name(text: str) -> str:
    return (
        f"{text!r:.110} is not a valid name: expected up to 100 of a-z, A-Z, 0-9, '.', '_' and "
        "'-', the first a letter or a digit"
    )
