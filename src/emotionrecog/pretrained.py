"""Recognisers by name."""

from __future__ import annotations

from pathlib import Path

from emotionrecog.artifact import MANIFEST
from emotionrecog.errors import ModelError

__all__ = ["DEFAULT", "available", "folder"]

DEFAULT = "english-8"
"""The recogniser that `emotionrecog.EmotionRecognizer` loads when none is named."""

_BUNDLED = Path(__file__).parent / "data" / "recognizers"


def available() -> tuple[str, ...]:
    """Return the names of the recognisers that come with the package.

    Examples
    --------
    >>> available()
    ('english-8',)
    """
    return tuple(sorted(path.parent.name for path in _BUNDLED.glob(f"*/{MANIFEST}")))


def folder(name: str) -> Path:
    """Return the folder of a recogniser that comes with the package.

    Raises
    ------
    ModelError
        If there is none of that name.
    """
    if name not in available():
        raise ModelError(
            f"no recogniser is called {name!r}; expected one of {', '.join(available())}, "
            "or the folder of a saved one"
        )
    return _BUNDLED / name
