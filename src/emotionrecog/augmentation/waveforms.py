"""Vary speed, pitch, noise, level and position in time of waveforms, with one transform for each.

Every transform is a frozen dataclass that is called as ``transform(samples, sampling_rate, rng)``.
It takes mono floating-point samples and returns a new float32 array. Its parameters are fixed
numbers, or pairs ``(low, high)`` from which each call draws a number uniformly. Equal samples and
seeds give the same result, bit for bit. All transforms except `TimeStretch` keep the length.
`emotionrecog.augmentation.channels` simulates rooms, microphones and lines.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy  # loads scipy.fft when it is first used, which takes 0.3 s

from emotionrecog import audio
from emotionrecog.audio import Waveform
from emotionrecog.augmentation.samples import (
    Range,
    checked_samples,
    draw,
    fit_samples,
    require_range,
    resample,
)
from emotionrecog.features.mel import voice_level

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emotionrecog.augmentation.samples import Samples

__all__ = ["AddNoise", "Gain", "PitchShift", "Shift", "TimeStretch"]

# Half the length of the windows of the time-scale modification, and the search range for the best
# fit on either side of their nominal position, in s. A larger range distorts time more; 7.5 ms on
# either side hold a period of 67 Hz.
_HALF_WINDOW = 0.0125
_REACH = 0.0075

# Exponents by which the power of noise falls with frequency, and the frequency in Hz below which it
# is constant: lower frequencies are inaudible and would dominate the noise.
_COLOURS = {"white": 0.0, "pink": 1.0, "brown": 2.0}
_LOWEST_NOISE = 20.0

# --- time and pitch -----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TimeStretch:
    """Make speech faster or slower at the same pitch.

    Segments of the waveform are overlapped where they fit best (WSOLA [1]_), which preserves each
    period of a voice. A phase vocoder smears a voice: on real clips it lowered the level by 2 to
    5 dB, and its spectrum deviated from the original 1.5 to 2 times as much.

    Parameters
    ----------
    rate
        Speed relative to the original, from 0.5 to 2: 1.25 is a quarter faster. The result has
        ``round(n_samples / rate)`` samples, and at least one.

    Raises
    ------
    ValueError
        If `rate` is out of bounds.

    References
    ----------
    .. [1] W. Verhelst, M. Roelands: "An overlap-add technique based on waveform similarity (WSOLA)
       for high quality time-scale modification of speech", ICASSP 1993.

    Examples
    --------
    >>> import numpy as np
    >>> from emotionrecog.augmentation import TimeStretch
    >>> tone = np.sin(np.arange(16000) * 0.1)
    >>> TimeStretch(rate=1.25)(tone, 16000, np.random.default_rng(0)).shape
    (12800,)
    """

    rate: Range = (0.9, 1.1)

    def __post_init__(self) -> None:
        """Validate the fields."""
        require_range("rate", self.rate, 0.5, 2.0)

    def __call__(
        self, samples: Samples, sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the samples at another speed."""
        y = checked_samples(samples, sampling_rate)
        return _stretch(y, sampling_rate, draw(self.rate, rng))


@dataclass(frozen=True, kw_only=True)
class PitchShift:
    """Make speech higher or lower at the same speed.

    The voice is stretched as by `TimeStretch` and resampled. Its formants move with the pitch, as
    for a smaller or larger speaker. Frequencies moved beyond half the sampling
    rate are lost; moving down leaves the highest frequencies empty.

    Parameters
    ----------
    semitones
        Change of pitch, from -12 to 12; F0 is multiplied by ``2 ** (semitones / 12)``.

    Raises
    ------
    ValueError
        If `semitones` is out of bounds.

    Examples
    --------
    >>> import numpy as np
    >>> from emotionrecog.augmentation import PitchShift
    >>> tone = np.sin(2 * np.pi * 200 * np.arange(16000) / 16000)
    >>> octave = PitchShift(semitones=12)(tone, 16000, np.random.default_rng(0))
    >>> len(octave), int(np.abs(np.fft.rfft(octave)).argmax())  # one bin for each Hz
    (16000, 400)
    """

    semitones: Range = (-2.0, 2.0)

    def __post_init__(self) -> None:
        """Validate the fields."""
        require_range("semitones", self.semitones, -12.0, 12.0)

    def __call__(
        self, samples: Samples, sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the samples at another pitch."""
        y = checked_samples(samples, sampling_rate)
        factor = 2.0 ** (draw(self.semitones, rng) / 12.0)
        longer = _stretch(y, sampling_rate, 1.0 / factor)
        return fit_samples(resample(longer, factor, 1.0), len(y))


def _stretch(y: NDArray[np.float32], sampling_rate: int, rate: float) -> NDArray[np.float32]:
    if rate == 1.0:
        return y
    n_samples = max(1, round(len(y) / rate))
    half = max(1, round(_HALF_WINDOW * sampling_rate))
    reach = round(_REACH * sampling_rate)
    size = 2 * half
    window = (0.5 - 0.5 * np.cos(np.pi * np.arange(size) / half)).astype(np.float32)
    # Window k is centred on sample k * half of the result. It is taken from near sample
    # k * half * rate of the voice, at the position that best continues the previous window.
    centres = np.round(np.arange(n_samples // half + 2) * half * rate).astype(int)
    # A window may begin in `padded` from the index of its centre to 2 * reach later.
    padded = np.pad(y, (half + reach, max(0, centres[-1] + 3 * half + reach - len(y))))
    n_fft = scipy.fft.next_fast_len(size + 2 * reach, real=True)
    energy = np.concatenate([[0.0], np.cumsum(np.square(padded, dtype=np.float64))])
    energy = np.sqrt(np.maximum(energy[size:] - energy[:-size], 1e-20))
    result = np.zeros((len(centres) + 1) * half, dtype=np.float32)
    begin = reach
    for k, centre in enumerate(centres):
        if k > 0:
            previous = padded[begin + half : begin + half + size]
            begin = centre + reach
            if previous.any():
                spectra = scipy.fft.rfft(padded[centre : centre + size + 2 * reach], n_fft)
                spectra *= scipy.fft.rfft(previous, n_fft).conj()
                similarity = scipy.fft.irfft(spectra, n_fft)[: 2 * reach + 1]
                similarity /= energy[centre : centre + 2 * reach + 1]
                begin = centre + int(similarity.argmax())
        result[k * half : k * half + size] += window * padded[begin : begin + size]
    return result[half : half + n_samples].copy()


# --- noise and level ----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class AddNoise:
    """Add noise at a signal-to-noise ratio.

    The level of the voice is the root mean square over frames of 25 ms within 30 dB of the
    loudest, so pauses do not count; that of the noise is its root mean square over the clip. A
    silent clip is returned unchanged.

    Parameters
    ----------
    snr_db
        Level of the voice relative to the noise, in dB, from -30 to 120.
    noises
        Kinds of noise; each call draws one. ``"white"`` has the same power at all frequencies;
        above 20 Hz, the power of ``"pink"`` falls by 3 dB per octave and that of ``"brown"`` by
        6 dB. A `Waveform` or a `Path` is a recording, such as babble: a random section of it is
        added, repeated if it is shorter than the clip. Each call reads a file again.

    Raises
    ------
    ValueError
        If `snr_db` is out of bounds, or `noises` is empty or holds anything else.

    Examples
    --------
    >>> import numpy as np
    >>> from emotionrecog.augmentation import AddNoise
    >>> tone = np.sin(np.arange(16000) * 0.1).astype(np.float32)
    >>> noisy = AddNoise(snr_db=20, noises=("pink",))(tone, 16000, np.random.default_rng(0))
    >>> round(float(20 * np.log10(tone.std() / (noisy - tone).std())), 1)
    20.0
    """

    snr_db: Range = (10.0, 30.0)
    noises: tuple[str | Path | Waveform, ...] = ("white", "pink", "brown")

    def __post_init__(self) -> None:
        """Validate the fields."""
        require_range("snr_db", self.snr_db, -30.0, 120.0)
        for noise in self.noises if isinstance(self.noises, tuple) and self.noises else (None,):
            is_colour = isinstance(noise, str) and noise in _COLOURS
            if not is_colour and not isinstance(noise, Path | Waveform):
                raise ValueError(
                    f"`noises` must be a tuple of {', '.join(map(repr, _COLOURS))}, Waveforms or "
                    f"Paths, at least one, got {self.noises!r}"
                )

    def __call__(
        self, samples: Samples, sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the samples with noise."""
        y = checked_samples(samples, sampling_rate)
        kind = self.noises[rng.integers(len(self.noises))]
        if isinstance(kind, str):
            noise = _coloured(len(y), sampling_rate, _COLOURS[kind], rng)
        else:
            recording = audio.load(kind, sampling_rate=sampling_rate).samples
            start = rng.integers(len(recording))
            noise = recording.take(np.arange(start, start + len(y)), mode="wrap")
        level = math.sqrt(np.square(noise, dtype=np.float64).mean())
        target = voice_level(y, sampling_rate) * 10.0 ** (-draw(self.snr_db, rng) / 20.0)
        if level > 0:
            y += np.float32(target / level) * noise
        return y


def _coloured(
    n_samples: int, sampling_rate: int, exponent: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    # At least two samples, so that there is a frequency other than 0.
    n_fft = scipy.fft.next_fast_len(max(2, n_samples), real=True)
    white: NDArray[np.float32] = rng.standard_normal(n_fft, dtype=np.float32)
    if exponent == 0:
        return white[:n_samples]
    frequencies = np.maximum(np.arange(n_fft // 2 + 1) * (sampling_rate / n_fft), _LOWEST_NOISE)
    spectrum = scipy.fft.rfft(white) * (frequencies / _LOWEST_NOISE) ** (-exponent / 2.0)
    spectrum[0] = 0.0
    return np.asarray(scipy.fft.irfft(spectrum, n_fft)[:n_samples], dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Gain:
    """Make a recording louder or quieter; samples may exceed full scale.

    Parameters
    ----------
    gain_db
        Change of level in dB, from -120 to 60.

    Raises
    ------
    ValueError
        If `gain_db` is out of bounds.

    See Also
    --------
    Clip : Limit samples.

    Examples
    --------
    >>> import numpy as np
    >>> from emotionrecog.augmentation import Gain
    >>> Gain(gain_db=-20)(np.ones(2), 16000, np.random.default_rng(0))
    array([0.1, 0.1], dtype=float32)
    """

    gain_db: Range = (-12.0, 12.0)

    def __post_init__(self) -> None:
        """Validate the fields."""
        require_range("gain_db", self.gain_db, -120.0, 60.0)

    def __call__(
        self, samples: Samples, sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the samples at another level."""
        y = checked_samples(samples, sampling_rate)
        y *= np.float32(10.0 ** (draw(self.gain_db, rng) / 20.0))
        return y


@dataclass(frozen=True, kw_only=True)
class Shift:
    """Move a recording in time.

    Parameters
    ----------
    seconds
        Delay in s, from -60 to 60; a negative delay moves the recording to an earlier time.
    circular
        Whether samples shifted out at one end enter at the other; by default silence enters.

    Raises
    ------
    ValueError
        If `seconds` is out of bounds.

    Examples
    --------
    >>> import numpy as np
    >>> from emotionrecog.augmentation import Shift
    >>> clip = np.array([1.0, 2.0, 3.0, 4.0])
    >>> Shift(seconds=1 / 16000)(clip, 16000, np.random.default_rng(0))
    array([0., 1., 2., 3.], dtype=float32)
    >>> Shift(seconds=1 / 16000, circular=True)(clip, 16000, np.random.default_rng(0))
    array([4., 1., 2., 3.], dtype=float32)
    """

    seconds: Range = (-0.2, 0.2)
    circular: bool = False

    def __post_init__(self) -> None:
        """Validate the fields."""
        require_range("seconds", self.seconds, -60.0, 60.0)

    def __call__(
        self, samples: Samples, sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the samples earlier or later."""
        y = checked_samples(samples, sampling_rate)
        delay = round(draw(self.seconds, rng) * sampling_rate)
        if self.circular:
            return np.roll(y, delay)
        delay = max(-len(y), min(delay, len(y)))
        return np.pad(y, (max(delay, 0), max(-delay, 0)))[max(-delay, 0) :][: len(y)]
