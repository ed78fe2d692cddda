"""Cut a recording into the windows that a network judges."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from emotionrecog.features.mel import voice_level

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["drop_silent", "pad_with_silence", "split_windows", "starts", "trim_silence"]

# Windows more than this far below the loudest one hold no voice and are not judged.
SILENT_WINDOW_DB = 40.0

# Samples this far below the voice at the beginning and at the end are added silence. The background
# of recordings in a good studio is about as low.
SILENT_END_DB = 50.0


def trim_silence(samples: NDArray[np.float32], sampling_rate: int) -> slice:
    """Return the part between the silence before and after, which must not shift the windows.

    Parameters
    ----------
    samples
        Shape (n_samples,).
    sampling_rate
        In Hz.

    Examples
    --------
    >>> samples = np.concatenate([np.zeros(4000), np.ones(8000) * (-1) ** np.arange(8000)])
    >>> trim_silence(samples.astype(np.float32), 16000)
    slice(3999, 12000, None)
    """
    limit = voice_level(samples, sampling_rate) * 10 ** (-SILENT_END_DB / 20)
    # Relative to the first and the last sample, which an offset may keep away from zero.
    after = np.abs(samples - samples[0]) > limit
    before = np.abs(samples - samples[-1]) > limit
    if not (after.any() and before.any()):
        return slice(0, len(samples))
    return slice(int(after.argmax()) - 1, len(samples) - int(before[::-1].argmax()) + 1)


def pad_with_silence(samples: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Add silence on both sides up to a length in samples; longer samples are returned as they are.

    Examples
    --------
    >>> pad_with_silence(np.array([1, -1], dtype=np.float32), 5)
    array([ 0.,  1., -1.,  0.,  0.], dtype=float32)
    """
    missing = length - len(samples)
    if missing <= 0:
        return samples
    # Without the mean, because a constant offset would end in an audible step.
    return np.pad(samples - samples.mean(), (missing // 2, missing - missing // 2))


def split_windows(samples: NDArray[np.float32], length: int) -> list[NDArray[np.float32]]:
    """Cut a recording into windows that overlap by half; a short one is padded with silence.

    Examples
    --------
    >>> [window.tolist() for window in split_windows(np.arange(6.0, dtype=np.float32), 4)]
    [[0.0, 1.0, 2.0, 3.0], [2.0, 3.0, 4.0, 5.0]]
    """
    if len(samples) <= length:
        return [pad_with_silence(samples, length)]
    return [samples[start : start + length] for start in starts(len(samples), length)]


def starts(n_samples: int, length: int) -> list[int]:
    """Return the first sample of each window.

    Examples
    --------
    >>> starts(6, 4), starts(3, 4)
    ([0, 2], [0])
    """
    rest = max(0, n_samples - length)
    n_windows = 1 + math.ceil(rest / (length / 2))
    return [round(start) for start in np.linspace(0, rest, n_windows).tolist()]


def drop_silent(windows: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Return the windows that are at most 40 dB quieter than the loudest.

    Examples
    --------
    >>> loud, quiet = np.array([1.0, -1.0]), np.array([1e-3, -1e-3])
    >>> len(drop_silent([loud, quiet]))
    1
    """
    power = np.array([window.var() for window in windows])
    return list(itertools.compress(windows, power >= power.max() * 10 ** (-SILENT_WINDOW_DB / 10)))
