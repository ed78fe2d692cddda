"""Find recognisers by name: those in the package, and others that are downloaded once.

The bundled recognisers are part of the package. Others are listed in a registry, a JSON file named
by an environment variable, and are downloaded to a cache folder when they are first used:

==========================  ====================================================================
``EMOTIONRECOG_REGISTRY``   path of the registry; without it only the bundled recognisers exist
``EMOTIONRECOG_BASE_URL``   address of a mirror, used instead of the address in the registry
``EMOTIONRECOG_CACHE``      cache folder, instead of the one of the operating system
``EMOTIONRECOG_OFFLINE``    1 to never use the network
==========================  ====================================================================
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from emotionrecog import artifact, files
from emotionrecog.artifact import MANIFEST
from emotionrecog.errors import DownloadError, ModelError
from emotionrecog.pretrained.registry import (
    File,
    Weights,
    describe,
    is_name,
    read_registry,
    write_registry,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "DEFAULT",
    "File",
    "Weights",
    "available",
    "cache",
    "catalogue",
    "describe",
    "fetch",
    "read_registry",
    "remove",
    "state",
    "verify",
    "write_registry",
]

DEFAULT = "english-8"
"""The recogniser that `emotionrecog.EmotionRecognizer` loads by default."""

_BUNDLED = Path(__file__).parents[1] / "data" / "recognizers"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_logger = logging.getLogger("emotionrecog")


def available() -> tuple[str, ...]:
    """Return the names of the recognisers: the bundled ones, and those of the registry.

    Raises
    ------
    DownloadError
        If the registry that `EMOTIONRECOG_REGISTRY` names is missing or damaged.

    Examples
    --------
    >>> available()
    ('english-8',)
    """
    return tuple(sorted({*_bundled(), *catalogue()}))


def catalogue() -> dict[str, Weights]:
    """Return the entries of the package's registry and of the one in `EMOTIONRECOG_REGISTRY`.

    Names of bundled recognisers always mean the bundled ones.

    Returns
    -------
    dict
        The recognisers by name, in alphabetical order.

    Raises
    ------
    DownloadError
        If the registry that `EMOTIONRECOG_REGISTRY` names is missing or damaged.

    Examples
    --------
    >>> weights = catalogue()["english-8"]
    >>> weights.licences["ravdess"], weights.size < 10_000_000
    ('CC BY-NC-SA 4.0', True)
    """
    entries = read_registry(_BUNDLED / "registry.json")
    if path := os.environ.get("EMOTIONRECOG_REGISTRY"):
        entries = {**read_registry(path), **entries}
    return dict(sorted(entries.items()))


def cache() -> Path:
    """Return the folder that recognisers are downloaded to, which need not exist.

    It is ``recognizers`` in the folder given by `EMOTIONRECOG_CACHE`, or in the operating system's
    cache folder for emotionrecog.

    Examples
    --------
    >>> cache().name
    'recognizers'
    """
    if folder := os.environ.get("EMOTIONRECOG_CACHE"):
        root = Path(folder).expanduser()
    else:
        import pooch

        root = Path(pooch.os_cache("emotionrecog"))
    return root.absolute() / "recognizers"


def state(name: str) -> Literal["bundled", "cached", "damaged", "not fetched"]:
    """Return whether a recogniser is bundled, cached, damaged in the cache, or not fetched yet.

    A damaged one is downloaded again when it is used.

    Raises
    ------
    ModelError
        If there is no recogniser of that name.

    Examples
    --------
    >>> state("english-8")
    'bundled'
    """
    if name in _bundled():
        return "bundled"
    place = cache() / name
    if not any(_flaws(_entry(name), place)):
        return "cached"
    return "damaged" if place.exists() else "not fetched"


def fetch(name: str, *, offline: bool | None = None) -> Path:
    """Return the folder of a recogniser, and download it first if it is not in the cache.

    The files are compared with the hashes in the registry before the folder appears in the cache,
    and again at every call; damaged files are downloaded again. If several processes ask at the
    same time, one of them downloads. An interrupted download is resumed.

    Parameters
    ----------
    name
        One of `available`.
    offline
        True to forbid the use of the network; None for the value of `EMOTIONRECOG_OFFLINE`.

    Raises
    ------
    ModelError
        If there is no recogniser of that name.
    DownloadError
        If it is not in the cache and cannot be downloaded.

    Examples
    --------
    >>> sorted(path.name for path in fetch("english-8").iterdir())
    ['MODEL_CARD.md', 'model.onnx', 'model.weights.h5', 'recognizer.json']
    """
    if name in _bundled():
        return _BUNDLED / name
    weights = _entry(name)
    place = cache() / name
    flaws = list(_flaws(weights, place))
    if not flaws:
        return place
    if offline or (offline is None and _offline()):
        raise DownloadError(
            f"recogniser {name!r} is not complete in {str(place)!r} ({', '.join(flaws)}), and "
            "cannot be downloaded: offline. Run `emotionrecog weights fetch "
            f"{name}` without EMOTIONRECOG_OFFLINE, or copy the folder from another machine"
        )
    _fetch(weights, place)
    return place


def verify(name: str) -> None:
    """Compare the files of a recogniser with their hashes, and read them.

    Parameters
    ----------
    name
        One of `available`; it must be bundled or in the cache.

    Raises
    ------
    ModelError
        If files are missing or damaged (the message lists all of them), or if there is no
        recogniser of that name.

    Examples
    --------
    >>> verify("english-8")
    """
    weights = _entry(name)
    bundled = name in _bundled()
    place = (_BUNDLED if bundled else cache()) / name
    if not place.exists():
        raise ModelError(
            f"recogniser {name!r} is not in the cache; run `emotionrecog weights fetch {name}`"
        )
    if flaws := list(_flaws(weights, place)):
        again = "install emotionrecog" if bundled else f"run `emotionrecog weights fetch {name}`"
        raise ModelError(f"{place}: damaged: {', '.join(flaws)}; {again} again")
    artifact.read(place)


def remove(name: str) -> None:
    """Delete a recogniser from the cache, with unfinished downloads of it.

    Parameters
    ----------
    name
        Name of the recogniser; it need not be in the registry any more.

    Raises
    ------
    ModelError
        If it is bundled, or not in the cache.

    Examples
    --------
    >>> remove("english-8")
    Traceback (most recent call last):
    emotionrecog.errors.ModelError: recogniser 'english-8' is part of the package and cannot be \
removed; expected one in the cache
    """
    if name in _bundled():
        raise ModelError(
            f"recogniser {name!r} is part of the package and cannot be removed; expected one in "
            "the cache"
        )
    place = cache() / name
    beside = _beside(place)
    if not is_name(name) or not (place.exists() or beside.exists()):
        raise ModelError(f"recogniser {name!r} is not in the cache {str(cache())!r}")
    with _lock(place):
        _set_aside(place)
        shutil.rmtree(beside)


def _bundled() -> list[str]:
    return [path.parent.name for path in _BUNDLED.glob(f"*/{MANIFEST}")]


def _entry(name: str) -> Weights:
    entries = catalogue()
    if name not in entries:
        raise ModelError(
            f"no recogniser is called {name!r}; expected one of {', '.join(entries)}. A registry "
            "in EMOTIONRECOG_REGISTRY adds others, and EmotionRecognizer.load takes the folder of "
            "a saved one"
        )
    return entries[name]


def _offline() -> bool:
    return os.environ.get("EMOTIONRECOG_OFFLINE", "").lower() not in ("", "0", "false", "no")


def _flaws(weights: Weights, place: Path) -> Iterator[str]:
    """Yield how the files in a folder differ from those in the registry."""
    for name, file in weights.files.items():
        path = place / name
        if not path.is_file():
            yield f"{name} of {file.size} bytes is missing"
        elif (size := path.stat().st_size) != file.size:
            yield f"{name} has {size} bytes, expected {file.size}"
        elif (digest := files.sha256(path)) != file.sha256:
            yield f"{name} has SHA-256 {digest}, expected {file.sha256}"


def _fetch(weights: Weights, place: Path) -> None:
    """Download a recogniser to a folder that appears complete or not at all."""
    base_url = os.environ.get("EMOTIONRECOG_BASE_URL") or weights.base_url
    if not base_url:
        raise DownloadError(
            f"recogniser {weights.name!r} has no address to download it from: its registry has no "
            "`base_url`; name the server in EMOTIONRECOG_BASE_URL"
        )
    # Imported here because bundled recognisers do not need it.
    from emotionrecog.pretrained.download import download, shown

    beside = _beside(place)
    try:
        with _lock(place):
            if not any(_flaws(weights, place)):  # another process downloaded it
                return
            _logger.info(
                "downloading %s, %.1f MB, from %s; licences of its training recordings: %s",
                weights.name,
                weights.size / 1e6,
                shown(base_url),
                "; ".join(f"{corpus}: {licence}" for corpus, licence in weights.licences.items()),
            )
            new = beside / "new"
            new.mkdir(parents=True, exist_ok=True)
            for path in new.iterdir():  # left by a killed process, or of another registry
                if path.name not in weights.files:
                    path.unlink()
            download(weights.files, base_url, new, weights.name)
            artifact.read(new)
            _set_aside(place)
            new.rename(place)
            shutil.rmtree(beside)
    except (DownloadError, ModelError):
        raise
    except OSError as error:
        if error.errno in _FULL:
            shutil.rmtree(beside, ignore_errors=True)
            raise DownloadError(
                f"recogniser {weights.name!r} needs {weights.size} bytes in {str(place.parent)!r}: "
                f"{error.strerror}. The unfinished download was deleted; make room, or name "
                "another folder in EMOTIONRECOG_CACHE"
            ) from error
        raise DownloadError(
            f"recogniser {weights.name!r} cannot be written to {str(place.parent)!r}: "
            f"{error.strerror or error}; name a writable folder in EMOTIONRECOG_CACHE"
        ) from error


def _beside(place: Path) -> Path:
    """Return the folder for unfinished downloads, and for folders that are being deleted."""
    return place.parent / ".partial" / place.name


@contextlib.contextmanager
def _lock(place: Path) -> Iterator[None]:
    """Let one process or thread at a time change a folder of the cache.

    The operating system releases the lock of a process that ends, however it ends.
    """
    import filelock

    locks = place.parent / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(locks / place.name)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        _logger.info("%s: waiting for another process that is downloading it", place.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _set_aside(place: Path) -> None:
    """Move a folder out of its place in one step, to delete it afterwards."""
    old = _beside(place) / "old"
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        old.parent.mkdir(parents=True, exist_ok=True)
        place.rename(old)
