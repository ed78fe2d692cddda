"""The windows of a recording that a network is asked about."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from emotionrecog.features.mel import voice_level

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__: list[str] = []

# Windows more than this far below the loudest one hold no voice and have no say.
SILENT_WINDOW_DB = 40.0

# What stays this far below the voice at the beginning and at the end is silence that somebody put
# there. The background of recordings in a good studio is about as low.
SILENT_END_DB = 50.0


def trim_silence(samples: NDArray[np.float32], sampling_rate: int) -> slice:
    """Return what lies between the silence before and after, which is not to move the windows."""
    limit = voice_level(samples, sampling_rate) * 10 ** (-SILENT_END_DB / 20)
    # From the first and the last sample, which an offset may keep away from zero.
    after = np.abs(samples - samples[0]) > limit
    before = np.abs(samples - samples[-1]) > limit
    if not (after.any() and before.any()):
        return slice(0, len(samples))
    return slice(int(after.argmax()) - 1, len(samples) - int(before[::-1].argmax()) + 1)


def pad_with_silence(samples: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Put as much silence around samples as makes `length` of them; none if there are as many."""
    spare = length - len(samples)
    if spare <= 0:
        return samples
    # Without its mean, for a constant offset would end in a step that can be heard.
    return np.pad(samples - samples.mean(), (spare // 2, spare - spare // 2))


def split_windows(samples: NDArray[np.float32], length: int) -> list[NDArray[np.float32]]:
    """Cut a recording into windows that half overlap, or surround a short one with silence."""
    if len(samples) <= length:
        return [pad_with_silence(samples, length)]
    return [samples[start : start + length] for start in starts(len(samples), length)]


def starts(n_samples: int, length: int) -> list[int]:
    """Return the first sample of each window."""
    spare = max(0, n_samples - length)
    count = 1 + math.ceil(spare / (length / 2))
    return [round(start) for start in np.linspace(0, spare, count).tolist()]


def drop_silent(windows: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Leave out the windows that are silent beside the loudest."""
    power = np.array([window.var() for window in windows])
    return list(itertools.compress(windows, power >= power.max() * 10 ** (-SILENT_WINDOW_DB / 10)))
