"""The exceptions that emotionrecog raises on purpose.

All of them derive from `EmotionRecogError`, so that one ``except`` catches everything the library
has to report about its input, and each also derives from the builtin that fits::

    EmotionRecogError
    ├── AudioError(ValueError)      undecodable, empty, silent, non-finite, too short
    ├── DatasetError(ValueError)    a folder or a file name is not as the corpus says
    │   └── LeakageError            train and test share speakers or recordings
    ├── ModelError(ValueError)      an artefact is missing, damaged or of an unknown version
    └── DownloadError(OSError)      fetching failed, or what came has another hash

A missing path stays `FileNotFoundError`; a bad argument is a plain `ValueError`. Causes are
chained. The checks of arguments below give each kind of mistake one wording.

Examples
--------
>>> from emotionrecog import EmotionRecogError, audio
>>> try:
...     audio.load(b"no audio")
... except EmotionRecogError as error:
...     print(type(error).__name__)
AudioError
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = [
    "AudioError",
    "DatasetError",
    "DownloadError",
    "EmotionRecogError",
    "LeakageError",
    "ModelError",
    "require_number",
    "require_one_of",
    "require_share",
    "require_whole",
]


class EmotionRecogError(Exception):
    """Base class of every error that emotionrecog raises on purpose."""


class AudioError(EmotionRecogError, ValueError):
    """A recording cannot be used: undecodable, empty, silent, non-finite or too short."""


class DatasetError(EmotionRecogError, ValueError):
    """A corpus folder or a file name is not as the corpus' owners describe it."""


class LeakageError(DatasetError):
    """Training and test share speakers or recordings: results do not hold for new speakers."""


class ModelError(EmotionRecogError, ValueError):
    """A saved recogniser is missing, damaged or of a format this version does not know."""


class DownloadError(EmotionRecogError, OSError):
    """Fetching failed, or what was fetched does not have the expected hash."""


def require_whole(
    name: str, value: Any, minimum: int = 0, maximum: int | None = None, *, unit: str = ""
) -> int:
    """Return a whole number within bounds, or raise `ValueError` that names the argument.

    Examples
    --------
    >>> require_whole("copies", 2, 1)
    2
    >>> require_whole("copies", 0.5, 1)
    Traceback (most recent call last):
    ValueError: `copies` must be a whole number of at least 1, got 0.5
    """
    is_whole = hasattr(value, "__index__") and not isinstance(value, bool)
    if not is_whole or value < minimum or (maximum is not None and value > maximum):
        bounds = f"of at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
        raise ValueError(
            f"`{name}` must be a whole number {bounds}{unit and ' ' + unit}, got {value!r:.60}"
        )
    return int(value)


def require_number(
    name: str,
    value: Any,
    minimum: float = -math.inf,
    maximum: float = math.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
    unit: str = "",
) -> float:
    """Return a finite number within bounds, or raise `ValueError` that names the argument.

    Parameters
    ----------
    name, value
        The argument.
    minimum, maximum
        Its bounds, which are allowed values themselves unless `open_low` or `open_high` is set.
    unit
        Such as ``"Hz"``, for the message.

    Examples
    --------
    >>> require_number("snr_db", 20, -40, 100)
    20.0
    >>> require_number("learning_rate", 0, 0, open_low=True)
    Traceback (most recent call last):
    ValueError: `learning_rate` must be a number above 0, got 0
    """
    is_number = hasattr(value, "__float__") and not isinstance(value, bool | str)
    try:
        number = float(value) if is_number else math.nan
    except (OverflowError, TypeError, ValueError):  # too large an integer, or an array
        number = math.nan
    too_low = number <= minimum if open_low else number < minimum
    too_high = number >= maximum if open_high else number > maximum
    if not math.isfinite(number) or too_low or too_high:
        raise ValueError(
            f"`{name}` must be a number{_bounds(minimum, maximum, open_low, open_high)}"
            f"{unit and ' ' + unit}, got {value!r:.60}"
        )
    return number


def _bounds(minimum: float, maximum: float, open_low: bool, open_high: bool) -> str:
    if minimum > -math.inf and maximum < math.inf and not (open_low or open_high):
        return f" from {minimum:g} to {maximum:g}"
    low = f" {'above' if open_low else 'of at least'} {minimum:g}" if minimum > -math.inf else ""
    high = f" {'below' if open_high else 'of at most'} {maximum:g}" if maximum < math.inf else ""
    return f"{low} and{high}" if low and high else low or high


def require_share(
    name: str, value: Any, *, open_low: bool = False, open_high: bool = False
) -> float:
    """Return a number from 0 to 1, or raise `ValueError` that names the argument.

    Examples
    --------
    >>> require_share("min_confidence", 70)
    Traceback (most recent call last):
    ValueError: `min_confidence` must be a number from 0 to 1, got 70
    """
    return require_number(name, value, 0, 1, open_low=open_low, open_high=open_high)


def require_one_of(
    name: str,
    value: Any,
    choices: Collection[Any],
    *,
    error: type[Exception] = ValueError,
) -> Any:
    """Return one of the choices, or raise an error that lists them and suggests the nearest.

    Examples
    --------
    >>> require_one_of("architecture", "linaer", ("linear", "gru"))
    Traceback (most recent call last):
    ValueError: `architecture` must be one of linear, gru; did you mean 'linear'? Got 'linaer'
    """
    try:
        if value in choices:
            return value
    except TypeError:  # not hashable, or an array
        pass
    from difflib import get_close_matches

    listed = ", ".join(map(str, choices))
    by_lower_case = {str(choice).lower(): str(choice) for choice in choices}
    matches = get_close_matches(str(value).lower(), by_lower_case, n=1)
    if matches:
        nearest = by_lower_case[matches[0]]
        raise error(
            f"`{name}` must be one of {listed}; did you mean {nearest!r}? Got {value!r:.60}"
        )
    raise error(f"`{name}` must be one of {listed}, got {value!r:.60}")
