"""Compute frames, their spectra and one value per frame, from which spectral features are built.

Arrays have frames first, shape (n_frames, ...), and are float32. Except for `as_signal`, the
functions do not check their arguments; their callers do. `emotionrecog.features.descriptors` gives
these numbers librosa's names and orientation; `emotionrecog.features.extractor` computes many of
them from one spectrum.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # loads scipy.fft when it is first used, which takes 0.3 s

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float32]

__all__: list[str] = []

# Lower bound of the energy above the split in `band_energy_ratio`, as a share of that below it.
SMALLEST_SHARE = 1e-10

# Number of neighbouring bands that one matrix product sums.
_BANDS_PER_BLOCK = 8


def as_signal(y: ArrayLike, shortest: int) -> NDArray[np.float32]:
    """Return samples as float32, or raise `ValueError` if they are not a finite mono signal."""
    array = np.asarray(y)
    if array.size and not np.issubdtype(array.dtype, np.floating):
        raise ValueError(
            f"`y` must be floating-point, relative to full scale, got {array.dtype}; "
            "emotionrecog.audio.load((samples, sampling_rate)) converts integers, or divide them "
            "by their full scale, which is 32768 for 16 bits"
        )
    with np.errstate(over="ignore"):  # values beyond float32 become infinite, and raise below
        samples = array.astype(np.float32, copy=False)
    if samples.ndim != 1 or len(samples) < shortest:
        raise ValueError(
            f"`y` must have one dimension and at least {shortest} samples, "
            f"got shape {samples.shape}"
        )
    if not np.isfinite(samples).all():
        raise ValueError("`y` must be finite, got NaN or infinite samples")
    return samples


@lru_cache(maxsize=16)
def hann(win_length: int, n_fft: int) -> Array:
    """Return a periodic Hann window, padded on both sides to the size of the transform."""
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(win_length) / win_length)
    if win_length == 1:
        window[:] = 1.0  # as in librosa; the formula gives 0
    before = (n_fft - win_length) // 2
    result = np.pad(window, (before, n_fft - win_length - before)).astype(np.float32)
    result.setflags(write=False)
    return result


def stft(
    y: Array, n_fft: int, hop_length: int, win_length: int, center: bool
) -> NDArray[np.complex64]:
    """Return the short-time Fourier transform, shape (n_frames, 1 + n_fft // 2)."""
    if center:
        y = np.pad(y, n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(y, n_fft)[::hop_length]
    windowed = frames * hann(win_length, n_fft)
    spectrum: NDArray[np.complex64] = scipy.fft.rfft(windowed, axis=1, overwrite_x=True)
    return spectrum


def power_spectrogram(
    y: Array, n_fft: int, hop_length: int, win_length: int, center: bool
) -> Array:
    """Return |STFT|², shape (n_frames, 1 + n_fft // 2)."""
    spectrum = stft(y, n_fft, hop_length, win_length, center)
    power: Array = np.square(spectrum.real)
    power += np.square(spectrum.imag)
    return power


class Bands:
    """A filterbank stored as blocks, without most of its zeros.

    Neighbouring triangles share a narrow range of bins, so blocks need a tenth of the products of
    the whole matrix. They are too small for BLAS to start its threads, which would cost more than
    the products when many recordings are processed in parallel.

    Parameters
    ----------
    weights
        Shape (n_bands, n_bins).
    """

    def __init__(self, weights: Array) -> None:
        self.n_bands = len(weights)
        self._blocks = []
        for start in range(0, self.n_bands, _BANDS_PER_BLOCK):
            bands = slice(start, start + _BANDS_PER_BLOCK)
            used = np.flatnonzero(weights[bands].any(axis=0))
            bins = slice(used[0], used[-1] + 1) if used.size else slice(0)
            self._blocks.append((bins, bands, np.ascontiguousarray(weights[bands, bins].T)))

    def sum(self, power: Array) -> Array:
        """Sum the bins of each frame into bands, shape (n_frames, n_bands)."""
        result = np.empty((len(power), self.n_bands), dtype=np.float32)
        for bins, bands, weights in self._blocks:
            np.matmul(power[:, bins], weights, out=result[:, bands])
        return result


def _n_frames(y: NDArray[Any], frame_length: int, hop_length: int) -> int:
    return 1 + (len(y) - frame_length) // hop_length


def rms(y: Array, frame_length: int, hop_length: int) -> Array:
    """Return the root mean square of each frame of a padded signal."""
    squares = np.square(y)
    if frame_length % hop_length:
        frames = np.lib.stride_tricks.sliding_window_view(squares, frame_length)[::hop_length]
        return np.asarray(np.sqrt(frames.mean(axis=1)))
    # A frame consists of whole steps, and each step is summed once.
    n_frames, per_frame = _n_frames(y, frame_length, hop_length), frame_length // hop_length
    steps = squares[: (n_frames - 1 + per_frame) * hop_length].reshape(-1, hop_length).sum(axis=1)
    energy = np.lib.stride_tricks.sliding_window_view(steps, per_frame).sum(axis=1)
    return np.asarray(np.sqrt(energy / np.float32(frame_length)))


def zero_crossings(
    y: Array, frame_length: int, hop_length: int, *, threshold: float, zero_pos: bool
) -> NDArray[np.intp]:
    """Count the changes of sign in each frame of a padded signal."""
    negative = y < -threshold
    crossing = negative[1:] != negative[:-1]
    if not zero_pos:
        positive = y > threshold
        crossing |= positive[1:] != positive[:-1]
    # Crossings before each sample. A frame's first sample is not compared with the one before it.
    before = np.zeros(len(y) + 1, dtype=np.int32)
    np.cumsum(crossing, out=before[2:])
    starts = np.arange(_n_frames(y, frame_length, hop_length)) * hop_length
    counts: NDArray[np.intp] = before[starts + frame_length] - before[starts + 1]
    return counts


def total(spectrum: Array) -> Array:
    """Return the sum of each frame; 1 for silent frames."""
    result: Array = spectrum.sum(axis=1)
    result[result < np.finfo(np.float32).tiny] = 1.0
    return result


def centroid(spectrum: Array, total: Array, frequencies: NDArray[np.float64]) -> Array:
    """Return the mean frequency of each frame."""
    return np.asarray(spectrum @ frequencies.astype(np.float32) / total)


def bandwidth(
    spectrum: Array,
    total: Array,
    frequencies: NDArray[np.float64],
    centroid: Array,
    p: float = 2,
) -> Array:
    """Return the spread of each frame around its centroid."""
    deviation = frequencies.astype(np.float32) - centroid[:, np.newaxis]
    if p == 2:
        np.square(deviation, out=deviation)
    else:
        deviation = np.abs(deviation) ** p
    spread = np.einsum("tf,tf->t", spectrum, deviation) / total
    return np.asarray(np.sqrt(spread) if p == 2 else spread ** (1.0 / p))


def rolloff(spectrum: Array, frequencies: NDArray[np.float64], share: float) -> Array:
    """Return the frequency below which a share of the magnitude of each frame lies."""
    summed = np.cumsum(spectrum, axis=1)
    reached = np.count_nonzero(summed < share * summed[:, -1:], axis=1)
    result: Array = frequencies[reached].astype(np.float32)
    return result


def flatness(power: Array, amin: float) -> Array:
    """Divide the geometric mean of each frame by its arithmetic mean."""
    power = np.maximum(power, np.float32(amin))
    return np.asarray(np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1))


def band_energy_ratio(power: Array, split: int) -> Array:
    """Divide the energy of each frame in the bins before `split` by that in the other bins."""
    below = power[:, :split].sum(axis=1).astype(np.float64)
    above = power[:, split:].sum(axis=1).astype(np.float64)
    floor = np.maximum(SMALLEST_SHARE * below, np.finfo(np.float64).tiny)
    ratio: Array = (below / np.maximum(above, floor)).astype(np.float32)
    return ratio


def decibels(power: Array, *, zero_db: float, amin: float, top_db: float | None) -> Array:
    """Convert powers to decibels, at least `top_db` below the largest."""
    result: Array = np.log10(np.maximum(power, np.float32(amin)))
    result *= np.float32(10.0)
    if zero_db:
        result -= np.float32(zero_db)
    if top_db is not None:
        np.maximum(result, result.max() - np.float32(top_db), out=result)
    return result


@lru_cache(maxsize=16)
def dct_matrix(n_bands: int, n_coefficients: int) -> Array:
    """Return the orthonormal discrete cosine transform, shape (n_bands, n_coefficients)."""
    full = scipy.fft.dct(np.eye(n_bands), axis=1, norm="ortho")
    result = np.ascontiguousarray(full[:, :n_coefficients], dtype=np.float32)
    result.setflags(write=False)
    return result
