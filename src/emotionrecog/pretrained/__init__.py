"""Recognisers by name: those that come with the package, and others that are fetched once.

The bundled recognisers lie in the package. Others stand in a registry, a JSON file that the
environment names, and are fetched into a cache folder when they are first asked for:

==========================  ====================================================================
``EMOTIONRECOG_REGISTRY``   path of the registry; without it there are the bundled recognisers
``EMOTIONRECOG_BASE_URL``   where to fetch from, instead of where the registry says: a mirror
``EMOTIONRECOG_CACHE``      folder to keep them in, instead of the operating system's cache folder
``EMOTIONRECOG_OFFLINE``    1 to never ask the network
==========================  ====================================================================
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from emotionrecog import artifact
from emotionrecog.artifact import MANIFEST
from emotionrecog.errors import DownloadError, ModelError
from emotionrecog.pretrained.registry import (
    File,
    Weights,
    describe,
    is_name,
    read_registry,
    sha256,
    write_registry,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

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
"""The recogniser that `emotionrecog.EmotionRecognizer` loads when none is named."""

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
    """Return what the registries say: that of the package, and that of `EMOTIONRECOG_REGISTRY`.

    A name of the package's own stays what it is there.

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
    known = read_registry(_BUNDLED / "registry.json")
    if named := os.environ.get("EMOTIONRECOG_REGISTRY"):
        known = {**read_registry(named), **known}
    return dict(sorted(known.items()))


def cache() -> Path:
    """Return the folder that recognisers are fetched into.

    It is ``recognizers`` in the folder that `EMOTIONRECOG_CACHE` names, or else in the one that
    the operating system has for caches of emotionrecog. It need not exist.
    """
    if named := os.environ.get("EMOTIONRECOG_CACHE"):
        root = Path(named).expanduser()
    else:
        import pooch

        root = Path(pooch.os_cache("emotionrecog"))
    return root.absolute() / "recognizers"


def state(name: str) -> Literal["bundled", "cached", "damaged", "not fetched"]:
    """Tell where a recogniser is.

    A cached one that is not as the registry says is damaged; it is fetched anew when it is asked
    for.

    Raises
    ------
    ModelError
        If there is none of that name.
    """
    if name in _bundled():
        return "bundled"
    place = cache() / name
    flaws = any(_flaws(_known(name), place))
    if not flaws:
        return "cached"
    return "damaged" if place.exists() else "not fetched"


def fetch(name: str, *, offline: bool | None = None) -> Path:
    """Return the folder of a recogniser, which is fetched if it is not here.

    The files are compared with the hashes of the registry before the folder appears in the cache,
    and again whenever it is asked for; what is damaged is fetched anew. Several processes may ask
    at once, and one of them fetches. What arrived before an interrupt is kept, and gone on with.

    Parameters
    ----------
    name
        One of `available`.
    offline
        Whether the network may not be asked; None leaves it to `EMOTIONRECOG_OFFLINE`.

    Raises
    ------
    ModelError
        If there is none of that name.
    DownloadError
        If it is not here and cannot be fetched.

    Examples
    --------
    >>> sorted(path.name for path in fetch("english-8").iterdir())
    ['MODEL_CARD.md', 'model.onnx', 'model.weights.h5', 'recognizer.json']
    """
    if name in _bundled():
        return _BUNDLED / name
    weights = _known(name)
    place = cache() / name
    flaws = list(_flaws(weights, place))
    if not flaws:
        return place
    if offline or (offline is None and _offline()):
        raise DownloadError(
            f"recogniser {name!r} is not complete in {str(place)!r} ({', '.join(flaws)}), and "
            "nothing may be fetched: offline. Run `emotionrecog weights fetch "
            f"{name}` without EMOTIONRECOG_OFFLINE, or copy the folder from where it was fetched"
        )
    _fetch(weights, place)
    return place


def verify(name: str) -> None:
    """Compare the files of a recogniser with their hashes, and read them.

    Parameters
    ----------
    name
        One of `available`; it must be bundled or have been fetched.

    Raises
    ------
    ModelError
        If any file is missing or damaged, with all of them, or there is none of that name.

    Examples
    --------
    >>> verify("english-8")
    """
    weights = _known(name)
    bundled = name in _bundled()
    place = (_BUNDLED if bundled else cache()) / name
    if not place.exists():
        raise ModelError(
            f"recogniser {name!r} was not fetched; `emotionrecog weights fetch {name}` does"
        )
    if flaws := list(_flaws(weights, place)):
        again = "install emotionrecog" if bundled else f"run `emotionrecog weights fetch {name}`"
        raise ModelError(f"{place}: damaged: {', '.join(flaws)}; {again} again")
    artifact.read(place)


def remove(name: str) -> None:
    """Delete a recogniser that was fetched, and what is left of fetching it.

    Parameters
    ----------
    name
        Of the recogniser; it need not be in the registry any more.

    Raises
    ------
    ModelError
        If it comes with the package, or is not in the cache.
    """
    if name in _bundled():
        raise ModelError(
            f"recogniser {name!r} comes with the package and stays with it; expected one that "
            "was fetched"
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


def _known(name: str) -> Weights:
    known = catalogue()
    if name not in known:
        raise ModelError(
            f"no recogniser is called {name!r}; expected one of {', '.join(known)}. A registry "
            "that EMOTIONRECOG_REGISTRY names adds others, and EmotionRecognizer.load takes the "
            "folder of a saved one"
        )
    return known[name]


def _offline() -> bool:
    return os.environ.get("EMOTIONRECOG_OFFLINE", "").lower() not in ("", "0", "false", "no")


def _flaws(weights: Weights, place: Path) -> Iterator[str]:
    """Say in what the files of a folder are not what a registry says."""
    for name, file in weights.files.items():
        path = place / name
        if not path.is_file():
            yield f"{name} of {file.size} bytes is missing"
        elif (size := path.stat().st_size) != file.size:
            yield f"{name} has {size} bytes, expected {file.size}"
        elif (found := sha256(path)) != file.sha256:
            yield f"{name} has SHA-256 {found}, expected {file.sha256}"


def _fetch(weights: Weights, place: Path) -> None:
    """Fetch a recogniser to a folder that appears complete or not at all."""
    base_url = os.environ.get("EMOTIONRECOG_BASE_URL") or weights.base_url
    if not base_url:
        raise DownloadError(
            f"nothing says where to fetch recogniser {weights.name!r} from: its registry has no "
            "`base_url`; name the server in EMOTIONRECOG_BASE_URL"
        )
    # Takes time to import, which bundled recognisers do without.
    from emotionrecog.pretrained.download import download, shown

    beside = _beside(place)
    try:
        with _lock(place):
            if not any(_flaws(weights, place)):  # another process was at it
                return
            _logger.info(
                "fetching %s, %.1f MB, from %s; licences of the recordings it learnt from: %s",
                weights.name,
                weights.size / 1e6,
                shown(base_url),
                "; ".join(f"{corpus}: {what}" for corpus, what in weights.licences.items()),
            )
            new = beside / "new"
            new.mkdir(parents=True, exist_ok=True)
            for path in new.iterdir():  # of a process that was killed, or of another registry
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
                f"{error.strerror}. What had arrived was deleted; make room, or name another "
                "folder in EMOTIONRECOG_CACHE"
            ) from error
        raise DownloadError(
            f"recogniser {weights.name!r} cannot be written to {str(place.parent)!r}: "
            f"{error.strerror or error}; name a folder that can be written in EMOTIONRECOG_CACHE"
        ) from error


def _beside(place: Path) -> Path:
    """Return the folder that holds what is not complete yet, and what is on its way out."""
    return place.parent / ".partial" / place.name


def _lock(place: Path) -> AbstractContextManager[None]:
    """Let one process or thread at a time change what is in a place."""
    from emotionrecog.pretrained.download import locked

    locks = place.parent / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    return locked(locks / place.name)


def _set_aside(place: Path) -> None:
    """Take a folder out of its place at one stroke."""
    old = _beside(place) / "old"
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        old.parent.mkdir(parents=True, exist_ok=True)
        place.rename(old)
