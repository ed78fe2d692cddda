"""Check samples and parameters, and draw random numbers, for all transforms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from emotionrecog import files
from emotionrecog.errors import AudioError, require_number, require_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples: TypeAlias = NDArray[np.floating[Any]]

__all__ = [
    "Range",
    "Samples",
    "checked_samples",
    "draw",
    "fit_samples",
    "generator_for",
    "require_range",
    "resample",
]

Range: TypeAlias = float | tuple[float, float]
"""A fixed number, or the lowest and the highest number to draw."""


def generator_for(*names: str, seed: int | tuple[int, ...]) -> np.random.Generator:
    """Return a random generator that depends only on names and a seed.

    The draws for a recording then do not depend on other recordings, their order, or the process
    that handles it.

    Parameters
    ----------
    names
        Names that identify the use of the generator, such as a corpus and a recording.
    seed
        One whole number of at least 0, or several.

    Examples
    --------
    >>> one, two = (generator_for("savee", "DC_a01", seed=(0, copy)) for copy in (1, 2))
    >>> one.random() == two.random()
    False
    >>> again = generator_for("savee", "DC_a01", seed=(0, 1))
    >>> again.random() == generator_for("savee", "DC_a01", seed=(0, 1)).random()
    True
    """
    digest = files.sha256("/".join(names).encode())
    seeds = seed if isinstance(seed, tuple) else (seed,)
    return np.random.default_rng((*seeds, int(digest[:32], 16)))


def draw(value: Range, rng: np.random.Generator) -> float:
    """Return a fixed number, or a number drawn uniformly from a range.

    Examples
    --------
    >>> draw(20, np.random.default_rng(0)), round(draw((10, 30), np.random.default_rng(0)), 1)
    (20.0, 22.7)
    """
    return float(rng.uniform(*value) if isinstance(value, tuple) else value)


def require_range(name: str, value: object, minimum: float, maximum: float) -> None:
    """Raise `ValueError` unless a parameter is a number, or a rising pair, within bounds.

    Examples
    --------
    >>> require_range("rate", (0.9, 1.1), 0.5, 2)
    >>> require_range("rate", 3, 0.5, 2)
    Traceback (most recent call last):
    ValueError: `rate` must be a number from 0.5 to 2, or a pair (low, high) of them, got 3
    """
    ends = value if isinstance(value, tuple) else (value, value)
    try:
        low, high = (require_number(name, end, minimum, maximum) for end in ends)
        is_valid = low <= high
    except ValueError:
        is_valid = False
    if not is_valid:
        raise ValueError(
            f"`{name}` must be a number from {minimum:g} to {maximum:g}, or a pair (low, high) of "
            f"them, got {value!r}"
        )


def checked_samples(samples: Samples, sampling_rate: int) -> NDArray[np.float32]:
    """Validate samples and return a float32 copy of them.

    Parameters
    ----------
    samples
        Floats of shape (n_samples,).
    sampling_rate
        In Hz.

    Returns
    -------
    ndarray of float32, shape (n_samples,)

    Raises
    ------
    AudioError
        If the samples are not one-dimensional and finite floats, at least one.
    ValueError
        If the sampling rate is not a positive whole number.

    Examples
    --------
    >>> checked_samples(np.array([0.5, -0.5]), 16000)
    array([ 0.5, -0.5], dtype=float32)
    """
    array = np.asarray(samples)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind != "f":
        raise AudioError(
            "samples to augment must be a one-dimensional array of floats with at least one "
            f"sample, got {array.dtype} of shape {array.shape}; emotionrecog.audio.load mixes "
            "down and converts"
        )
    result = array.astype(np.float32)
    if not np.isfinite(result).all():
        raise AudioError("samples to augment must be finite, got NaN or infinite samples")
    require_whole("sampling_rate", sampling_rate, 1, unit="Hz")
    return result


def fit_samples(samples: NDArray[np.float32], n_samples: int) -> NDArray[np.float32]:
    """Cut samples at their end, or append silence, to a length.

    Examples
    --------
    >>> fit_samples(np.ones(2, dtype=np.float32), 3)
    array([1., 1., 0.], dtype=float32)
    """
    if len(samples) >= n_samples:
        return samples[:n_samples]
    return np.pad(samples, (0, n_samples - len(samples)))


def resample(samples: NDArray[np.float32], rate: float, target: float) -> NDArray[np.float32]:
    """Resample from one rate to another, in Hz or in any common unit.

    Examples
    --------
    >>> resample(np.ones(16000, dtype=np.float32), 16000, 8000).shape
    (8000,)
    """
    import soxr

    if rate == target:
        return samples
    result: NDArray[np.float32] = soxr.resample(samples, rate, target, quality="HQ")
    return result
