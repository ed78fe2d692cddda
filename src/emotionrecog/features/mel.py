"""The mel front end: the same numbers as librosa's, without the cost of importing librosa.

`melspectrogram` and `mel_filterbank` are drop-in for ``librosa.feature.melspectrogram`` and
``librosa.filters.mel`` (same keyword arguments, same orientation ``(n_mels, n_frames)``, same
numbers within float32 rounding). `LogMel` builds on them what a network is fed: frames first,
logarithmic, and independent of the level at which the voice was recorded.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.fft

from emotionrecog.errors import AudioError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["FeatureSpec", "LogMel", "mel_filterbank", "melspectrogram"]

# Frames more than this far below the loudest one do not count as voice when the level is measured.
ACTIVE_RANGE_DB = 30.0

# Neighbouring bands that `LogMel` sums in one product.
_BANDS_TOGETHER = 8

# Slaney's mel scale is linear up to 1 kHz (200/3 Hz a mel) and logarithmic above.
_SLANEY_HZ_PER_MEL = 200.0 / 3
_SLANEY_BREAK_HZ = 1000.0
_SLANEY_LOG_STEP = math.log(6.4) / 27.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """Everything that fixes the numbers a network is fed.

    The defaults keep the time and frequency resolution of the AudioSet networks of Schmid et al.
    [1]_ (frames of 25 ms every 10 ms; mel bands 27 mel apart), cut at the 8 kHz that 16 kHz
    recordings hold.

    Parameters
    ----------
    sampling_rate
        In Hz; recordings are resampled to it.
    n_fft, win_length, hop_length
        Transform size, Hann window and step, in samples.
    n_mels
        Number of mel bands.
    fmin, fmax
        Lower edge of the first and upper edge of the last band, in Hz.
    preemphasis
        Coefficient c of the first difference ``y[n] - c y[n-1]``, applied to the power spectrum.
    log_offset
        Added to the level-normalised mel power before the logarithm: the floor below which
        nothing is heard, as a ratio to the mean power of the voice.

    Raises
    ------
    ValueError
        If a value is of the wrong type or out of its bounds; the message names it.

    References
    ----------
    .. [1] F. Schmid, K. Koutini, G. Widmer: "Efficient large-scale audio tagging via
       Transformer-to-CNN knowledge distillation", ICASSP 2023.

    Examples
    --------
    >>> spec = FeatureSpec()
    >>> spec.sampling_rate, spec.n_mels
    (16000, 104)
    >>> FeatureSpec.from_dict(spec.to_dict()) == spec
    True
    """

    sampling_rate: int = 16_000
    n_fft: int = 512
    win_length: int = 400
    hop_length: int = 160
    n_mels: int = 104
    fmin: float = 0.0
    fmax: float = 8_000.0
    preemphasis: float = 0.97
    log_offset: float = 1e-5

    def __post_init__(self) -> None:
        """Refuse values that no spectrum can be computed with."""
        for name in ("sampling_rate", "n_fft", "win_length", "hop_length", "n_mels"):
            _require_positive_int(name, getattr(self, name))
        for name in ("fmin", "fmax", "preemphasis", "log_offset"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"`{name}` must be a number, got {value!r}")
        _require_fitting_window(self.win_length, self.n_fft)
        if not 0 <= self.fmin < self.fmax <= self.sampling_rate / 2:
            raise ValueError(
                "`fmin` and `fmax` must satisfy 0 <= fmin < fmax <= sampling_rate / 2 = "
                f"{self.sampling_rate / 2:g} Hz, got fmin = {self.fmin!r} and fmax = {self.fmax!r}"
            )
        if not 0 <= self.preemphasis < 1:
            raise ValueError(f"`preemphasis` must be in [0, 1), got {self.preemphasis!r}")
        if not 0 < self.log_offset < 1:
            raise ValueError(f"`log_offset` must be in (0, 1), got {self.log_offset!r}")

    def to_dict(self) -> dict[str, int | float]:
        """Return the values under their names, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild a spec from `to_dict`.

        Raises
        ------
        ValueError
            If an entry is missing, unknown, of the wrong type or out of bounds.
        """
        expected = [field.name for field in dataclasses.fields(cls)]
        if not isinstance(values, Mapping) or set(values) != set(expected):
            raise ValueError(f"a feature spec must have the entries {expected}, got {values!r}")
        return cls(**values)


def _require_positive_int(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"`{name}` must be a positive int, got {value!r}")


def _require_fitting_window(win_length: int, n_fft: int) -> None:
    if win_length > n_fft:
        raise ValueError(f"`win_length` must be at most n_fft = {n_fft}, got {win_length}")


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
    HTK's. A low band narrower than the distance of two bins can be empty; that is no error.

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
        Read-only, for it is shared between calls.

    Raises
    ------
    ValueError
        If a size is not a positive int, `norm` is neither of the two, or the frequencies do not
        satisfy ``0 <= fmin < fmax``.

    Examples
    --------
    >>> mel_filterbank(sr=16000, n_fft=512, n_mels=40).shape
    (40, 257)
    """
    _require_positive_int("n_fft", n_fft)
    _require_positive_int("n_mels", n_mels)
    if norm not in ("slaney", None):
        raise ValueError(f"`norm` must be 'slaney' or None, got {norm!r}")
    if not 0 < sr < math.inf:
        raise ValueError(f"`sr` must be a positive number of Hz, got {sr!r}")
    top = sr / 2 if fmax is None else fmax
    if not 0 <= fmin < top < math.inf:
        raise ValueError(
            f"`fmin` and `fmax` must satisfy 0 <= fmin < fmax, got fmin = {fmin!r} and "
            f"fmax = {top!r}"
        )
    return _mel_bands(sr, n_fft, n_mels, fmin, top, htk, norm)


@lru_cache(maxsize=16)
def _mel_bands(
    sr: float, n_fft: int, n_mels: int, fmin: float, fmax: float, htk: bool, norm: str | None
) -> NDArray[np.float32]:
    edges = _mel_to_hz(np.linspace(_hz_to_mel(fmin, htk), _hz_to_mel(fmax, htk), n_mels + 2), htk)
    bins = np.fft.rfftfreq(n_fft, 1.0 / sr)
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


@lru_cache(maxsize=16)
def _hann(win_length: int, n_fft: int) -> NDArray[np.float32]:
    """Return a periodic Hann window, padded on both sides to the size of the transform."""
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(win_length) / win_length)
    if win_length == 1:
        window[:] = 1.0  # as in librosa; the formula has nothing but its zero left
    before = (n_fft - win_length) // 2
    result = np.pad(window, (before, n_fft - win_length - before)).astype(np.float32)
    result.setflags(write=False)
    return result


def _signal(y: ArrayLike, shortest: int) -> NDArray[np.float32]:
    """Return `y` as float32, or say why it is no signal."""
    samples = np.asarray(y, dtype=np.float32)
    if samples.ndim != 1 or len(samples) < shortest:
        raise ValueError(
            f"`y` must have one dimension and at least {shortest} samples, "
            f"got shape {samples.shape}"
        )
    if not np.isfinite(samples).all():
        raise ValueError("`y` must be finite, got NaN or infinite samples")
    return samples


def _stft(
    y: NDArray[np.float32], n_fft: int, hop_length: int, win_length: int, center: bool
) -> NDArray[np.complex64]:
    """Return the short-time Fourier transform, shape (n_frames, 1 + n_fft // 2)."""
    if center:
        y = np.pad(y, n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(y, n_fft)[::hop_length]
    spectrum: NDArray[np.complex64] = scipy.fft.rfft(frames * _hann(win_length, n_fft), axis=1)
    return spectrum


def _power_spectrogram(
    y: NDArray[np.float32], n_fft: int, hop_length: int, win_length: int, center: bool
) -> NDArray[np.float32]:
    """Return |STFT|², shape (n_frames, 1 + n_fft // 2)."""
    spectrum = _stft(y, n_fft, hop_length, win_length, center)
    power: NDArray[np.float32] = np.square(spectrum.real)
    power += np.square(spectrum.imag)
    return power


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
        where `center` is false; if another argument is out of its bounds.

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
    _require_positive_int("hop_length", hop_length)
    _require_positive_int("win_length", win_length)
    _require_fitting_window(win_length, n_fft)
    samples = _signal(y, shortest=1 if center else n_fft)
    return bands @ _power_spectrogram(samples, n_fft, hop_length, win_length, center).T


def _group_bands(
    weights: NDArray[np.float32],
) -> list[tuple[slice, slice, NDArray[np.float32]]]:
    """Split a filterbank, shape (n_bins, n_mels), into blocks without most of its zeros.

    Each block is its bins, its bands and its weights. Triangles next to each other share a narrow
    range of bins, so that a tenth of the products is left; and blocks are so small that BLAS does
    not wake its threads for them, which would cost more than the products where many recordings
    are judged side by side.
    """
    blocks = []
    for first in range(0, weights.shape[1], _BANDS_TOGETHER):
        bands = slice(first, first + _BANDS_TOGETHER)
        used = np.flatnonzero(weights[:, bands].any(axis=1))
        bins = slice(used[0], used[-1] + 1) if used.size else slice(0)
        blocks.append((bins, bands, np.ascontiguousarray(weights[bins, bands])))
    return blocks


class LogMel:
    """The front end of the networks: log-mel frames whose numbers do not depend on the level.

    The mean of the samples is removed, for some recordings carry a constant offset larger than
    their silence. Mel power (HTK scale, triangles of equal height) is divided by its mean over the
    frames within 30 dB of the loudest, so that the same voice gives the same features at any
    microphone gain. Then the logarithm is taken of the ratio plus ``spec.log_offset``.

    Parameters
    ----------
    spec
        What to compute.

    Examples
    --------
    >>> import numpy as np
    >>> tone = np.sin(np.arange(16000, dtype=np.float32) * 0.1)
    >>> extract = LogMel(FeatureSpec())
    >>> loud, quiet = extract(tone), extract(tone * 0.001)
    >>> loud.shape, bool(np.allclose(loud, quiet, atol=1e-3))
    ((101, 104), True)
    """

    def __init__(self, spec: FeatureSpec) -> None:
        self.spec = spec
        # A first difference scales each bin's power, so it is a factor of the filterbank's columns.
        phase = 2.0 * np.pi * np.arange(1 + spec.n_fft // 2) / spec.n_fft
        emphasis = 1.0 + spec.preemphasis**2 - 2.0 * spec.preemphasis * np.cos(phase)
        bands = mel_filterbank(
            sr=spec.sampling_rate,
            n_fft=spec.n_fft,
            n_mels=spec.n_mels,
            fmin=spec.fmin,
            fmax=spec.fmax,
            htk=True,
            norm=None,
        )
        self._groups = _group_bands((bands * emphasis).T.astype(np.float32))

    def power(self, samples: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return mel power relative to the level of the voice, before the logarithm.

        Parameters and errors are those of a call; so is the shape of what is returned.
        """
        y = np.asarray(samples, dtype=np.float32)
        if y.ndim != 1 or len(y) == 0:
            raise AudioError(
                f"samples must have one dimension and at least one sample, got shape {y.shape}"
            )
        if not np.isfinite(y).all():
            raise AudioError("samples must be finite, got NaN or infinite ones")
        y = y - y.mean(dtype=np.float64).astype(np.float32)
        peak = np.abs(y).max()
        if peak == 0:
            raise AudioError("silent: all samples are equal; expected a voice")
        # Brought to full scale first, so that no power overflows or underflows.
        spec = self.spec
        spectrum = _power_spectrogram(
            y / peak, spec.n_fft, spec.hop_length, spec.win_length, center=True
        )
        power = np.empty((len(spectrum), spec.n_mels), dtype=np.float32)
        for bins, bands, weights in self._groups:
            np.matmul(spectrum[:, bins], weights, out=power[:, bands])
        return relative_to_voice(power)

    def __call__(self, samples: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return the features of a mono signal at ``spec.sampling_rate``.

        Parameters
        ----------
        samples
            Shape (n_samples,), taken as float32.

        Returns
        -------
        ndarray of float32, shape (n_frames, n_mels)
            ``n_frames`` is ``1 + n_samples // spec.hop_length``.

        Raises
        ------
        AudioError
            If the samples are not one-dimensional and finite, all equal, or none at all.
        """
        features: NDArray[np.float32] = np.log(
            self.power(samples) + np.float32(self.spec.log_offset)
        )
        return features


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
    """
    energy = power.sum(axis=-1, keepdims=True, dtype=np.float64)
    loudest = energy.max(axis=-2, keepdims=True)
    if not (loudest > 0).all():
        raise ValueError("`power` must not be zero everywhere: there is no sound to measure")
    active = energy >= loudest * 10.0 ** (-ACTIVE_RANGE_DB / 10.0)
    level = np.where(active, energy, 0.0).sum(axis=-2, keepdims=True)
    level /= active.sum(axis=-2, keepdims=True)
    return np.asarray(power / level, dtype=np.float32)
