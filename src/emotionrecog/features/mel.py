"""Compute mel spectra with the same values as librosa, without the cost of importing it.

`melspectrogram` and `mel_filterbank` are drop-in for ``librosa.feature.melspectrogram`` and
``librosa.filters.mel`` (same keyword arguments, same orientation ``(n_mels, n_frames)``, same
values within float32 rounding).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from emotionrecog.errors import require_number, require_whole
from emotionrecog.features.frames import as_signal, power_spectrogram
from emotionrecog.features.spec import require_fitting_window

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["active_power", "mel_filterbank", "melspectrogram", "relative_to_voice", "voice_level"]

# Frames more than this far below the loudest one do not count as voice when the level is measured.
ACTIVE_RANGE_DB = 30.0
_LEVEL_FRAME = 0.025  # s

# Slaney's mel scale is linear up to 1 kHz (200/3 Hz a mel) and logarithmic above.
_SLANEY_HZ_PER_MEL = 200.0 / 3
_SLANEY_BREAK_HZ = 1000.0
_SLANEY_LOG_STEP = math.log(6.4) / 27.0

# In Hz: a frequency this close to the edge of a band is on it.
_ON_EDGE = 1e-6


def _hz_to_mel(frequencies: float, htk: bool) -> float:
    if htk:
        return 2595.0 * math.log10(1.0 + frequencies / 700.0)
    if frequencies < _SLANEY_BREAK_HZ:
        return frequencies / _SLANEY_HZ_PER_MEL
    return (
        _SLANEY_BREAK_HZ / _SLANEY_HZ_PER_MEL
        + math.log(frequencies / _SLANEY_BREAK_HZ) / _SLANEY_LOG_STEP
    )


def _mel_to_hz(mels: NDArray[np.float64], htk: bool) -> NDArray[np.float64]:
    if htk:
        return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    break_mel = _SLANEY_BREAK_HZ / _SLANEY_HZ_PER_MEL
    return np.where(
        mels < break_mel,
        mels * _SLANEY_HZ_PER_MEL,
        _SLANEY_BREAK_HZ * np.exp(_SLANEY_LOG_STEP * (mels - break_mel)),
    )


def _band_edges(n_mels: int, fmin: float, fmax: float, htk: bool) -> NDArray[np.float64]:
    """Return the edges of the bands, shape (n_mels + 2,): band i is from edge i to edge i + 2."""
    return _mel_to_hz(np.linspace(_hz_to_mel(fmin, htk), _hz_to_mel(fmax, htk), n_mels + 2), htk)


def _count_empty(edges: NDArray[np.float64], bins: NDArray[np.float64]) -> int:
    """Count the bands without a bin inside; a bin on an edge has no weight except for rounding."""
    first = np.searchsorted(bins, edges[:-2] + _ON_EDGE, side="right")
    end = np.searchsorted(bins, edges[2:] - _ON_EDGE, side="left")
    return int(np.count_nonzero(end <= first))


def _largest_n_mels(bins: NDArray[np.float64], fmin: float, fmax: float, htk: bool) -> int:
    """Return the largest number of bands without an empty one; 0 if there is no such number.

    A bin lies inside two bands at most, so the first k bins, and the range up to the next one,
    cannot fill more than 2 k bands. That upper bound is close enough to try all numbers below it.
    The count of empty bands is not monotonic, so bisection is not possible.
    """
    inside = bins[(bins > fmin + _ON_EDGE) & (bins < fmax - _ON_EDGE)]
    bottom, top = _hz_to_mel(fmin, htk), _hz_to_mel(fmax, htk)
    largest = 2 * len(inside)
    for k, frequency in enumerate(inside):
        # 2 k + 1 bands end at edge 2 k + 2, which must be beyond bin k + 1.
        height = _hz_to_mel(float(frequency), htk) - bottom
        largest = min(largest, math.ceil((2 * k + 2) * (top - bottom) / height))
    while largest and _count_empty(_band_edges(largest, fmin, fmax, htk), bins):
        largest -= 1
    return largest


def mel_filterbank(
    *,
    sr: float,
    n_fft: int,
    n_mels: int = 128,
    fmin: float = 0.0,
    fmax: float | None = None,
    htk: bool = False,
    norm: str | None = "slaney",
) -> NDArray[np.float32]:
    """Build the matrix that sums the bins of a spectrum into mel bands.

    Drop-in for ``librosa.filters.mel``: triangles, linear in Hz, on Slaney's mel scale or on
    HTK's. Where librosa warns of empty bands or ignores frequencies above ``sr / 2``, this raises.

    Parameters
    ----------
    sr
        Sampling rate in Hz.
    n_fft
        Size of the transform, in samples.
    n_mels
        Number of bands.
    fmin, fmax
        Lower edge of the first and upper edge of the last band in Hz; `fmax` is ``sr / 2`` if
        not given.
    htk
        Use HTK's formula instead of Slaney's.
    norm
        ``"slaney"`` gives each triangle the same area, `None` the same height.

    Returns
    -------
    ndarray of float32, shape (n_mels, 1 + n_fft // 2)
        Read-only, because it is shared between calls.

    Raises
    ------
    ValueError
        If a size is not a positive int, `norm` is neither of the two, or the frequencies do not
        satisfy ``0 <= fmin < fmax <= sr / 2``; if there are so many bands that some lie between
        two bins and are empty. The message names the largest `n_mels` without empty bands.

    Examples
    --------
    >>> mel_filterbank(sr=16000, n_fft=512, n_mels=40).shape
    (40, 257)
    """
    require_whole("n_fft", n_fft, 1)
    require_whole("n_mels", n_mels, 1)
    if norm not in ("slaney", None):
        raise ValueError(f"`norm` must be 'slaney' or None, got {norm!r}")
    require_number("sr", sr, 0, open_low=True, unit="Hz")
    top = sr / 2 if fmax is None else fmax
    if top > sr / 2:
        raise ValueError(
            f"`fmax` must be at most sr / 2 = {sr / 2:g} Hz, the Nyquist frequency, above which "
            f"the samples hold nothing, got {top!r}; lower it, or leave it out for sr / 2"
        )
    if not 0 <= fmin < top:
        raise ValueError(
            f"`fmin` and `fmax` must satisfy 0 <= fmin < fmax <= sr / 2 = {sr / 2:g} Hz, got "
            f"fmin = {fmin!r} and fmax = {top!r}"
        )
    return _mel_bands(sr, n_fft, n_mels, fmin, top, htk, norm)


@lru_cache(maxsize=16)
def _mel_bands(
    sr: float, n_fft: int, n_mels: int, fmin: float, fmax: float, htk: bool, norm: str | None
) -> NDArray[np.float32]:
    bins = np.asarray(np.fft.rfftfreq(n_fft, 1.0 / sr), dtype=np.float64)
    edges = _band_edges(n_mels, fmin, fmax, htk)
    n_empty = _count_empty(edges, bins)
    if n_empty:
        largest = _largest_n_mels(bins, fmin, fmax, htk)
        raise ValueError(
            f"`n_mels` = {n_mels} leaves {n_empty} empty: so many bands lie between two of the "
            f"frequencies of a transform of n_fft = {n_fft}, which are {sr / n_fft:g} Hz apart; "
            + (
                f"the largest `n_mels` that leaves none empty is {largest}; use it, or "
                if largest
                else "no `n_mels` leaves none empty; use "
            )
            + "a larger `n_fft` or a wider range of `fmin` and `fmax`"
        )
    width = np.diff(edges)[:, np.newaxis]
    distance = edges[:, np.newaxis] - bins
    rising = -distance[:-2] / width[:-1]
    falling = distance[2:] / width[1:]
    weights = np.maximum(0.0, np.minimum(rising, falling))
    if norm == "slaney":
        weights *= (2.0 / (edges[2:] - edges[:-2]))[:, np.newaxis]
    result = weights.astype(np.float32)
    result.setflags(write=False)
    return result


def melspectrogram(
    *,
    y: ArrayLike,
    sr: float = 22_050,
    n_fft: int = 2048,
    hop_length: int = 512,
    win_length: int | None = None,
    center: bool = True,
    n_mels: int = 128,
    fmin: float = 0.0,
    fmax: float | None = None,
    htk: bool = False,
    norm: str | None = "slaney",
) -> NDArray[np.float32]:
    """Compute the mel-scaled power spectrogram of a signal.

    Drop-in for ``librosa.feature.melspectrogram`` with its periodic Hann window, power 2 and zero
    padding.

    Parameters
    ----------
    y
        Samples, shape (n_samples,), taken as float32.
    sr
        Sampling rate in Hz.
    n_fft, hop_length, win_length
        Transform size, step and window in samples; `win_length` is `n_fft` if not given.
    center
        Pad both ends with ``n_fft // 2`` zeros, so that frame t is centred on ``t * hop_length``.
    n_mels, fmin, fmax, htk, norm
        As in `mel_filterbank`.

    Returns
    -------
    ndarray of float32, shape (n_mels, n_frames)

    Raises
    ------
    ValueError
        If `y` is not one-dimensional and finite, holds no sample, or is shorter than one frame
        where `center` is false; if another argument is out of bounds.

    Examples
    --------
    >>> import numpy as np
    >>> melspectrogram(y=np.ones(16000), sr=16000, n_fft=512, hop_length=160, n_mels=64).shape
    (64, 101)
    """
    bands = mel_filterbank(
        sr=sr, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax, htk=htk, norm=norm
    )
    win_length = n_fft if win_length is None else win_length
    require_whole("hop_length", hop_length, 1)
    require_whole("win_length", win_length, 1)
    require_fitting_window(win_length, n_fft)
    samples = as_signal(y, shortest=1 if center else n_fft)
    return bands @ power_spectrogram(samples, n_fft, hop_length, win_length, center).T


def relative_to_voice(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Divide mel power by its mean over the frames within 30 dB of the loudest.

    Parameters
    ----------
    power
        Shape (..., n_frames, n_mels).

    Returns
    -------
    ndarray of float32, of the same shape

    Raises
    ------
    ValueError
        If all power is zero.

    Examples
    --------
    >>> import numpy as np
    >>> relative_to_voice(np.full((2, 4), 3.0)).tolist()
    [[0.25, 0.25, 0.25, 0.25], [0.25, 0.25, 0.25, 0.25]]
    """
    energy = power.sum(axis=-1, keepdims=True, dtype=np.float64)
    loudest = energy.max(axis=-2, keepdims=True)
    if not (loudest > 0).all():
        raise ValueError("`power` must not be zero everywhere: there is no sound to measure")
    active = energy >= loudest * 10.0 ** (-ACTIVE_RANGE_DB / 10.0)
    level = np.where(active, energy, 0.0).sum(axis=-2, keepdims=True)
    level /= active.sum(axis=-2, keepdims=True)
    return np.asarray(power / level, dtype=np.float32)


def voice_level(samples: NDArray[np.float32], sampling_rate: int) -> float:
    """Return the root mean square of the frames within 30 dB of the loudest.

    Pauses do not count, nor does a constant offset.

    Parameters
    ----------
    samples
        At least one, shape (n_samples,).
    sampling_rate
        In Hz.

    Examples
    --------
    >>> import numpy as np
    >>> voice_level(np.tile([0.5, -0.5], 8000).astype(np.float32), 16000)
    0.5
    """
    centred = samples - np.float32(samples.mean(dtype=np.float64))
    return math.sqrt(active_power(centred, sampling_rate).mean())


def active_power(
    samples: NDArray[np.float32], sampling_rate: int, frame_duration: float = _LEVEL_FRAME
) -> NDArray[np.float32]:
    """Return the mean square of each frame within 30 dB of the loudest.

    Parameters
    ----------
    samples
        At least one, without a constant offset, shape (n_samples,).
    sampling_rate
        In Hz.
    frame_duration
        In s. A shorter recording is one frame.

    Examples
    --------
    >>> active_power(np.array([0.5, -0.5, 0.0, 0.0], dtype=np.float32), 2, 1.0)
    array([0.25], dtype=float32)
    """
    size = min(len(samples), max(1, round(frame_duration * sampling_rate)))
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    power = np.einsum("ij,ij->i", frames, frames) / np.float32(size)
    active: NDArray[np.float32] = power[power >= power.max() * 10.0 ** (-ACTIVE_RANGE_DB / 10.0)]
    return active
