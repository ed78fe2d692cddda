"""Variations of waveforms: voices, rooms, microphones and lines, one transform for each.

Every transform is a frozen dataclass that is called as ``transform(samples, sampling_rate, rng)``:
mono samples of floating point in, a new float32 array out. Its parameters are fixed numbers, or
pairs ``(low, high)`` that a number is drawn from evenly at each call. The same samples and a
generator of the same seed give the same result, bit for bit. All but `TimeStretch` keep the
length.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np
import scipy  # which loads scipy.fft when it is first used: that takes 0.3 s

from emotionrecog import audio
from emotionrecog.audio import Waveform
from emotionrecog.errors import AudioError, EmotionRecogError
from emotionrecog.features.mel import voice_level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Samples: TypeAlias = NDArray[np.floating[Any]]

__all__ = [
    "AddNoise",
    "BandLimit",
    "Clip",
    "Codec",
    "Gain",
    "PitchShift",
    "Range",
    "RoomImpulse",
    "Shift",
    "TimeStretch",
]

Range: TypeAlias = float | tuple[float, float]
"""A fixed number, or the lowest and the highest of those that may be drawn."""

# Half the length of the windows of the time-scale modification, and how far to either side of
# where they belong it looks for the place where they fit best, in s. The farther it looks, the more
# time is bent; 7.5 ms to either side hold a period of 67 Hz.
_HALF_WINDOW = 0.0125
_REACH = 0.0075

# How the power of noise falls with frequency, as an exponent, and the frequency in Hz below which
# it falls no more: what lies below is not heard, and would be most of what is added.
_COLOURS = {"white": 0.0, "pink": 1.0, "brown": 2.0}
_LOWEST_NOISE = 20.0

# Order of the Butterworth response of `BandLimit`: 48 dB an octave.
_ORDER = 8

# Silence that filters ring out in before they would reach round to the other end, in s.
_RING = 0.5

# Reverberation begins this long after the direct sound, in s.
_FIRST_REFLECTION = 0.0025

# --- numbers, samples and levels ----------------------------------------------------------------


def _require_range(name: str, value: object, low: float, high: float) -> None:
    """Raise `ValueError` where a parameter is neither a number nor a pair within the bounds."""
    ends = value if isinstance(value, tuple) else (value, value)
    good = len(ends) == 2 and all(
        isinstance(end, int | float | np.integer | np.floating)
        and not isinstance(end, bool)
        and low <= end <= high
        for end in ends
    )
    if not good or ends[0] > ends[1]:
        raise ValueError(
            f"`{name}` must be a number from {low:g} to {high:g}, or a pair (low, high) of them, "
            f"got {value!r}"
        )


def _draw(value: Range, rng: np.random.Generator) -> float:
    return float(rng.uniform(*value) if isinstance(value, tuple) else value)


def _checked(samples: Samples, sampling_rate: int) -> NDArray[np.float32]:
    """Return samples as a new float32 array, or say why they cannot be varied."""
    array = np.asarray(samples)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind != "f":
        raise AudioError(
            "samples to augment must be a one-dimensional array of floats with at least one "
            f"sample, got {array.dtype} of shape {array.shape}; emotionrecog.audio.load mixes "
            "down and converts"
        )
    result = array.astype(np.float32)
    if not np.isfinite(result).all():
        raise AudioError("samples to augment must be finite, got NaN or infinite ones")
    if isinstance(sampling_rate, bool) or not isinstance(sampling_rate, int | np.integer):
        raise ValueError(f"`sampling_rate` must be a whole number of Hz, got {sampling_rate!r}")
    if sampling_rate < 1:
        raise ValueError(f"`sampling_rate` must be positive, got {sampling_rate!r}")
    return result


def _fitted(samples: NDArray[np.float32], n_samples: int) -> NDArray[np.float32]:
    """Cut the end off, or add silence to it."""
    if len(samples) >= n_samples:
        return samples[:n_samples]
    return np.pad(samples, (0, n_samples - len(samples)))


def _resampled(samples: NDArray[np.float32], rate: float, wanted: float) -> NDArray[np.float32]:
    import soxr

    if rate == wanted:
        return samples
    result: NDArray[np.float32] = soxr.resample(samples, rate, wanted, quality="HQ")
    return result


# --- time and pitch -----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TimeStretch:
    """Speak faster or slower at the same pitch.

    Pieces of the waveform are laid over each other where they fit best (WSOLA [1]_), which leaves
    each period of a voice as it is. A phase vocoder smears a voice: on real clips its level fell by
    2 to 5 dB, and the spectrum strayed from that of the original half as far again or twice as far.

    Parameters
    ----------
    rate
        Speed relative to the original, from 0.5 to 2: 1.25 is a quarter faster. The result has
        ``round(n_samples / rate)`` samples, and at least one.

    Raises
    ------
    ValueError
        If `rate` is out of its bounds.

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
        """Refuse rates that cannot be had."""
        _require_range("rate", self.rate, 0.5, 2.0)

    def __call__(
        self, samples: Samples, sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the samples at another speed."""
        y = _checked(samples, sampling_rate)
        return _stretch(y, sampling_rate, _draw(self.rate, rng))


@dataclass(frozen=True, kw_only=True)
class PitchShift:
    """Speak higher or lower at the same speed.

    The voice is stretched as by `TimeStretch` and resampled, so that its formants move with the
    pitch: another, smaller or larger speaker. What is moved beyond half the sampling rate is gone,
    and moving down leaves the top empty.

    Parameters
    ----------
    semitones
        From -12 to 12; F0 becomes ``2 ** (semitones / 12)`` times what it was.

    Raises
    ------
    ValueError
        If `semitones` is out of its bounds.

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
        """Refuse shifts that cannot be had."""
        _require_range("semitones", self.semitones, -12.0, 12.0)

    def __call__(
        self, samples: Samples, sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the samples at another pitch."""
        y = _checked(samples, sampling_rate)
        factor = 2.0 ** (_draw(self.semitones, rng) / 12.0)
        longer = _stretch(y, sampling_rate, 1.0 / factor)
        return _fitted(_resampled(longer, factor, 1.0), len(y))


def _stretch(y: NDArray[np.float32], sampling_rate: int, rate: float) -> NDArray[np.float32]:
    if rate == 1.0:
        return y
    n_samples = max(1, round(len(y) / rate))
    half = max(1, round(_HALF_WINDOW * sampling_rate))
    reach = round(_REACH * sampling_rate)
    size = 2 * half
    window = (0.5 - 0.5 * np.cos(np.pi * np.arange(size) / half)).astype(np.float32)
    # Window k is centred on sample k * half of the result. It is taken from about where the voice
    # is at that moment, k * half * rate, and from just where it goes on as the one before it did.
    centres = np.round(np.arange(n_samples // half + 2) * half * rate).astype(int)
    # Both indices of `padded` at which a window may begin run from its centre to 2 * reach later.
    padded = np.pad(y, (half + reach, max(0, centres[-1] + 3 * half + reach - len(y))))
    n_fft = scipy.fft.next_fast_len(size + 2 * reach, real=True)
    energy = np.concatenate([[0.0], np.cumsum(np.square(padded, dtype=np.float64))])
    energy = np.sqrt(np.maximum(energy[size:] - energy[:-size], 1e-20))
    result = np.zeros((len(centres) + 1) * half, dtype=np.float32)
    begin = reach
    for k, centre in enumerate(centres):
        if k > 0:
            wanted = padded[begin + half : begin + half + size]
            begin = centre + reach
            if wanted.any():
                spectra = scipy.fft.rfft(padded[centre : centre + size + 2 * reach], n_fft)
                spectra *= scipy.fft.rfft(wanted, n_fft).conj()
                likeness = scipy.fft.irfft(spectra, n_fft)[: 2 * reach + 1]
                likeness /= energy[centre : centre + 2 * reach + 1]
                begin = centre + int(likeness.argmax())
        result[k * half : k * half + size] += window * padded[begin : begin + size]
    return result[half : half + n_samples].copy()


# --- noise and level ----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class AddNoise:
    """Add noise at a distance from the level of the voice.

    The level of the voice is the root mean square over frames of 25 ms within 30 dB of the
    loudest, so that pauses do not count; that of the noise is its root mean square over the clip.
    A silent clip stays as it is.

    Parameters
    ----------
    snr_db
        Level of the voice over that of the noise, in dB, from -30 to 120.
    noises
        What is added, one of them drawn at each call: ``"white"`` has the same power at all
        frequencies, that of ``"pink"`` falls by 3 and that of ``"brown"`` by 6 dB an octave above
        20 Hz. A `Waveform` or a `Path` is a recording, such as babble, of which a random piece is
        taken and, where it is shorter than the clip, repeated. A file is read anew at each call.

    Raises
    ------
    ValueError
        If `snr_db` is out of its bounds, or `noises` is empty or holds something else.

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
        """Refuse what is no level or no noise."""
        _require_range("snr_db", self.snr_db, -30.0, 120.0)
        for noise in self.noises if isinstance(self.noises, tuple) and self.noises else (None,):
            known = isinstance(noise, str) and noise in _COLOURS
            if not known and not isinstance(noise, Path | Waveform):
                raise ValueError(
                    f"`noises` must be a tuple of {', '.join(map(repr, _COLOURS))}, Waveforms or "
                    f"Paths, at least one, got {self.noises!r}"
                )

    def __call__(
        self, samples: Samples, sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the samples with noise."""
        y = _checked(samples, sampling_rate)
        kind = self.noises[rng.integers(len(self.noises))]
        if isinstance(kind, str):
            noise = _coloured(len(y), sampling_rate, _COLOURS[kind], rng)
        else:
            recording = audio.load(kind, sampling_rate=sampling_rate).samples
            start = rng.integers(len(recording))
            noise = recording.take(np.arange(start, start + len(y)), mode="wrap")
        level = math.sqrt(np.square(noise, dtype=np.float64).mean())
        wanted = voice_level(y, sampling_rate) * 10.0 ** (-_draw(self.snr_db, rng) / 20.0)
        if level > 0:
            y += np.float32(wanted / level) * noise
        return y


def _coloured(
    n_samples: int, sampling_rate: int, exponent: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    # Two samples at least, so that there is a frequency besides 0.
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
    """Make it louder or quieter. Samples may get beyond full scale; `Clip` cuts them.

    Parameters
    ----------
    gain_db
        In dB, from -120 to 60.

    Raises
    ------
    ValueError
        If `gain_db` is out of its bounds.

    Examples
    --------
    >>> import numpy as np
    >>> from emotionrecog.augmentation import Gain
    >>> Gain(gain_db=-20)(np.ones(2), 16000, np.random.default_rng(0))
    array([0.1, 0.1], dtype=float32)
    """

    gain_db: Range = (-12.0, 12.0)

    def __post_init__(self) -> None:
        """Refuse gains that leave nothing, or nothing finite."""
        _require_range("gain_db", self.gain_db, -120.0, 60.0)

    def __call__(
        self, samples: Samples, sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the samples at another level."""
        y = _checked(samples, sampling_rate)
        y *= np.float32(10.0 ** (_draw(self.gain_db, rng) / 20.0))
        return y


@dataclass(frozen=True, kw_only=True)
class Shift:
    """Move the voice in time.

    Parameters
    ----------
    seconds
        By how much it comes later, or, if negative, earlier; from -60 to 60 s.
    circular
        What leaves at one end comes in at the other; otherwise it is lost, and silence comes in.

    Raises
    ------
    ValueError
        If `seconds` is out of its bounds.

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
        """Refuse what is no duration."""
        _require_range("seconds", self.seconds, -60.0, 60.0)

    def __call__(
        self, samples: Samples, sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the samples earlier or later."""
        y = _checked(samples, sampling_rate)
        by = round(_draw(self.seconds, rng) * sampling_rate)
        if self.circular:
            return np.roll(y, by)
        by = max(-len(y), min(by, len(y)))
        return np.pad(y, (max(by, 0), max(-by, 0)))[max(-by, 0) :][: len(y)]


# --- rooms, microphones, lines ------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RoomImpulse:
    """Let it be heard in a room.

    Without `impulses`, a room is made up: the direct sound, and from 2.5 ms on noise that decays
    exponentially, alike at all frequencies. The direct sound keeps its place and its level, so
    that the whole gets louder. What rings on after the end is cut.

    Parameters
    ----------
    rt60
        Reverberation time: what the room takes to fall by 60 dB, in s, from 0.05 to 10.
    direct_to_reverberant_db
        Energy of the direct sound over that of the reverberation, in dB, from -30 to 60.
    impulses
        Impulse responses to use instead, one of them drawn at each call. The largest peak is taken
        for the direct sound; a file is read anew at each call.

    Raises
    ------
    ValueError
        If a number is out of its bounds, or `impulses` holds something else.

    Examples
    --------
    >>> import numpy as np
    >>> from emotionrecog.augmentation import RoomImpulse
    >>> click = np.zeros(16000)
    >>> click[0] = 1.0
    >>> room = RoomImpulse(rt60=0.5, direct_to_reverberant_db=6)
    >>> heard = room(click, 16000, np.random.default_rng(0))
    >>> round(float(10 * np.log10(heard[0] ** 2 / (heard[1:] ** 2).sum())), 1)
    6.0
    """

    rt60: Range = (0.2, 0.8)
    direct_to_reverberant_db: Range = (0.0, 15.0)
    impulses: tuple[Path | Waveform, ...] = ()

    def __post_init__(self) -> None:
        """Refuse rooms that are none."""
        _require_range("rt60", self.rt60, 0.05, 10.0)
        _require_range("direct_to_reverberant_db", self.direct_to_reverberant_db, -30.0, 60.0)
        if not isinstance(self.impulses, tuple) or not all(
            isinstance(impulse, Path | Waveform) for impulse in self.impulses
        ):
            raise ValueError(
                f"`impulses` must be a tuple of Waveforms or Paths, got {self.impulses!r}"
            )

    def __call__(
        self, samples: Samples, sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the samples as heard in a room."""
        y = _checked(samples, sampling_rate)
        if self.impulses:
            kind = self.impulses[rng.integers(len(self.impulses))]
            response = audio.load(kind, sampling_rate=sampling_rate).samples
            direct = int(np.abs(response).argmax())
        else:
            response, direct = self._made_up(sampling_rate, rng), 0
        n_fft = scipy.fft.next_fast_len(len(y) + len(response) - 1, real=True)
        spectrum = scipy.fft.rfft(y, n_fft) * scipy.fft.rfft(response / response[direct], n_fft)
        heard = scipy.fft.irfft(spectrum, n_fft)[direct : direct + len(y)]
        return np.asarray(heard, dtype=np.float32)

    def _made_up(self, sampling_rate: int, rng: np.random.Generator) -> NDArray[np.float32]:
        rt60 = _draw(self.rt60, rng)
        ratio_db = _draw(self.direct_to_reverberant_db, rng)
        t = np.arange(max(2, round(rt60 * sampling_rate))) / sampling_rate
        tail = rng.standard_normal(len(t)) * 10.0 ** (-3.0 * t / rt60)
        tail[: max(1, round(_FIRST_REFLECTION * sampling_rate))] = 0.0
        energy = np.square(tail).sum()
        if energy > 0:
            tail *= math.sqrt(10.0 ** (-ratio_db / 10.0) / energy)
        tail[0] = 1.0
        return tail.astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Cut the peaks off, as an overdriven microphone does.

    Exactly one of the parameters must be given.

    Parameters
    ----------
    below_peak_db
        How far under the largest absolute sample the limit lies, in dB, from 0 to 60.
    share
        What share of the samples lies beyond the limit, from 0 to 0.9.

    Raises
    ------
    ValueError
        If none or both are given, or out of bounds.

    Examples
    --------
    >>> import numpy as np
    >>> from emotionrecog.augmentation import Clip
    >>> clip = np.array([0.1, -0.4, 1.0, -0.8])
    >>> Clip(below_peak_db=6)(clip, 16000, np.random.default_rng(0)).round(2)
    array([ 0.1, -0.4,  0.5, -0.5], dtype=float32)
    """

    below_peak_db: Range | None = None
    share: Range | None = None

    def __post_init__(self) -> None:
        """Refuse limits that are none."""
        if (self.below_peak_db is None) == (self.share is None):
            raise ValueError(
                "exactly one of `below_peak_db` and `share` must be given, got "
                f"{self.below_peak_db!r} and {self.share!r}"
            )
        if self.below_peak_db is not None:
            _require_range("below_peak_db", self.below_peak_db, 0.0, 60.0)
        if self.share is not None:
            _require_range("share", self.share, 0.0, 0.9)

    def __call__(
        self, samples: Samples, sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the samples, none of them beyond the limit."""
        y = _checked(samples, sampling_rate)
        if self.share is not None:
            limit = float(np.quantile(np.abs(y), 1.0 - _draw(self.share, rng)))
        else:
            assert self.below_peak_db is not None
            limit = float(np.abs(y).max()) * 10.0 ** (-_draw(self.below_peak_db, rng) / 20.0)
        np.clip(y, -np.float32(limit), np.float32(limit), out=y)
        return y


@dataclass(frozen=True, kw_only=True)
class BandLimit:
    """Leave a band of frequencies.

    Response of a Butterworth filter of order 8, 3 dB down at an edge and 48 dB an octave beyond
    it, without delay (zero phase). At least one of the parameters must be given;
    ``BandLimit.telephone()`` has both.

    Parameters
    ----------
    lowest, highest
        Edges of the band in Hz, from 1 to 192000. A `highest` of half the sampling rate or more
        leaves the top as it is.

    Raises
    ------
    ValueError
        If none is given, or out of bounds, or `lowest` can be drawn above `highest`.
    AudioError
        In a call, if `lowest` is not below half the sampling rate.

    Examples
    --------
    >>> import numpy as np
    >>> from emotionrecog.augmentation import BandLimit
    >>> t = np.arange(16000) / 16000
    >>> low, high = np.sin(2 * np.pi * 500 * t), np.sin(2 * np.pi * 6000 * t)
    >>> heard = BandLimit.telephone()(low + high, 16000, np.random.default_rng(0))
    >>> bool(np.abs(heard - low)[800:-800].max() < 0.02)
    True
    """

    lowest: Range | None = None
    highest: Range | None = None

    def __post_init__(self) -> None:
        """Refuse bands that are none."""
        if self.lowest is None and self.highest is None:
            raise ValueError("at least one of `lowest` and `highest` must be given, got neither")
        for name in ("lowest", "highest"):
            if getattr(self, name) is not None:
                _require_range(name, getattr(self, name), 1.0, audio.MAX_SAMPLING_RATE / 2)
        if (
            self.lowest is not None
            and self.highest is not None
            and np.max(self.lowest) >= np.min(self.highest)
        ):
            raise ValueError(
                f"`lowest` must be below `highest`, got {self.lowest!r} and {self.highest!r}"
            )

    @classmethod
    def telephone(cls) -> Self:
        """Return the band of the telephone, 300 to 3400 Hz."""
        return cls(lowest=300.0, highest=3400.0)

    def __call__(
        self, samples: Samples, sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return what the samples hold within the band."""
        y = _checked(samples, sampling_rate)
        nyquist = sampling_rate / 2
        n_fft = scipy.fft.next_fast_len(len(y) + round(_RING * sampling_rate), real=True)
        frequencies = np.arange(n_fft // 2 + 1) * (sampling_rate / n_fft)
        attenuation = np.ones(len(frequencies))  # of power
        if self.lowest is not None:
            lowest = _draw(self.lowest, rng)
            if lowest >= nyquist:
                raise AudioError(
                    f"nothing is left above `lowest`, {lowest:g} Hz, of a recording at "
                    f"{sampling_rate} Hz; expected less than half the sampling rate"
                )
            # A frequency of 0, where nothing is left, would divide by zero.
            attenuation += (lowest / np.maximum(frequencies, 1e-6)) ** (2 * _ORDER)
        if self.highest is not None:
            highest = _draw(self.highest, rng)
            if highest < nyquist:
                attenuation += (frequencies / highest) ** (2 * _ORDER)
        spectrum = scipy.fft.rfft(y, n_fft) / np.sqrt(attenuation)
        return np.asarray(scipy.fft.irfft(spectrum, n_fft)[: len(y)], dtype=np.float32)


# Container, coding and sampling rates in Hz of the codecs.
_CODECS: dict[str, tuple[str, str, tuple[int, ...]]] = {
    "mp3": (
        *("MP3", "MPEG_LAYER_III"),
        (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    ),
    "opus": ("OGG", "OPUS", (8000, 12000, 16000, 24000, 48000)),
    "vorbis": ("OGG", "VORBIS", (8000, 11025, 16000, 22050, 32000, 44100, 48000)),
    "mu-law": ("WAV", "ULAW", (8000,)),
    "a-law": ("WAV", "ALAW", (8000,)),
    "gsm": ("WAV", "GSM610", (8000,)),
}

# Bit rates in kbit/s: the bounds, which libsndfile maps to a compression level of 1 and 0, and the
# lowest that can be had. LAME refuses to code at the lower bounds.
_OPUS_BITRATES = (6.0, 256.0)
_LOWEST_MP3 = 16.0

# What a decoder puts before the sound where a file does not say how much to leave out, for which
# MP3 frames of a low bit rate have no room, in samples: 576 of the encoder, 529 of the decoder.
_MP3_DELAY = 1105

# Samples given to an encoder at once.
_BLOCK = 2**16


@dataclass(frozen=True, kw_only=True)
class Codec:
    """Code the voice and decode it again, in memory, as files and lines with losses do.

    Where a codec does not have the sampling rate, the voice is resampled to one that it has, and
    back. Those of telephones code at 8000 Hz, so that nothing is left above 4000 Hz. The voice
    keeps its place to within 1 ms, and what is louder than full scale is not clipped.

    Parameters
    ----------
    codec
        ``"mp3"``, ``"opus"`` or ``"vorbis"``, or of telephones ``"mu-law"``, ``"a-law"`` (G.711)
        or ``"gsm"`` (06.10, full rate).
    bitrate
        Of MP3 (constant, 16 to 320) and Opus (on average, 6 to 256), in kbit/s; by default 16 to
        64. Of those that MP3 has at a sampling rate the nearest is taken; below 40 it codes at
        24000 Hz at most.
    compression
        Of Vorbis, from 0, the largest file, to 1, the smallest; by default 0.3 to 1.

    Raises
    ------
    ValueError
        If there is no such codec, it has no such parameter, or one is out of its bounds.
    EmotionRecogError
        In a call, if the libsndfile that is installed does not have the codec.

    Examples
    --------
    >>> import numpy as np
    >>> from emotionrecog.augmentation import Codec
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000).astype(np.float32)
    >>> heard = Codec(codec="opus", bitrate=16)(tone, 16000, np.random.default_rng(0))
    >>> len(heard), bool(np.corrcoef(tone, heard)[0, 1] > 0.98)
    (16000, True)
    """

    codec: Literal["mp3", "opus", "vorbis", "mu-law", "a-law", "gsm"]
    bitrate: Range | None = None
    compression: Range | None = None

    def __post_init__(self) -> None:
        """Refuse codecs that are unknown, and parameters that they do not have."""
        if self.codec not in _CODECS:
            known = ", ".join(map(repr, _CODECS))
            raise ValueError(f"`codec` must be one of {known}, got {self.codec!r}")
        if self.bitrate is not None:
            bounds = {"mp3": (_LOWEST_MP3, 320.0), "opus": _OPUS_BITRATES}
            if self.codec not in bounds:
                raise ValueError(f"`bitrate` is of 'mp3' and 'opus', not of {self.codec!r}")
            _require_range("bitrate", self.bitrate, *bounds[self.codec])
        if self.compression is not None:
            if self.codec != "vorbis":
                raise ValueError(f"`compression` is of 'vorbis', not of {self.codec!r}")
            _require_range("compression", self.compression, 0.0, 1.0)

    def __call__(
        self, samples: Samples, sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return what is left of the samples."""
        y = _checked(samples, sampling_rate)
        _, _, rates = _CODECS[self.codec]
        options: dict[str, Any] = {}
        if self.codec == "vorbis":
            options["compression_level"] = _draw(self.compression or (0.3, 1.0), rng)
        elif self.codec in ("mp3", "opus"):
            bitrate = _draw(self.bitrate or (16.0, 64.0), rng)
            if self.codec == "mp3":
                rates = tuple(rate for rate in rates if _mp3_has(bitrate, rate))
                options["bitrate_mode"] = "CONSTANT"
            rate = _rate_for(sampling_rate, rates)
            low, high = _OPUS_BITRATES if self.codec == "opus" else _mp3_bitrates(rate)
            options["compression_level"] = (high - bitrate) / (high - low)
        rate = _rate_for(sampling_rate, rates)
        given = _resampled(y, sampling_rate, rate)
        # What resampling makes of a full-scale voice can be louder than full scale.
        scale = np.float32(max(1.0, float(np.abs(given).max(initial=0.0))))
        heard = self._decoded(given / scale, rate, options)
        return _fitted(_resampled(heard, rate, sampling_rate), len(y)) * scale

    def _decoded(
        self, samples: NDArray[np.float32], rate: int, options: dict[str, Any]
    ) -> NDArray[np.float32]:
        """Return what comes back of samples at one of the rates of the codec, of equal length."""
        import soundfile

        container, coding, _ = _CODECS[self.codec]
        if not soundfile.check_format(container, coding):
            raise EmotionRecogError(
                f"libsndfile {soundfile.__libsndfile_version__} does not have the codec "
                f"{self.codec!r}; install soundfile from a wheel, which brings its own, or "
                "libsndfile 1.1 or later"
            )
        file = io.BytesIO()
        with soundfile.SoundFile(
            file, "w", samplerate=rate, channels=1, format=container, subtype=coding, **options
        ) as sound:
            for start in range(0, len(samples), _BLOCK):
                sound.write(samples[start : start + _BLOCK])
        file.seek(0)
        heard, _ = soundfile.read(file, dtype="float32")
        if self.codec == "mp3" and len(heard) > len(samples):
            heard = heard[_MP3_DELAY:]
        return _fitted(heard, len(samples))


def _rate_for(sampling_rate: int, rates: Sequence[int]) -> int:
    """Return the lowest rate that loses nothing, or the highest of all."""
    return min((rate for rate in rates if rate >= sampling_rate), default=max(rates))


def _mp3_bitrates(rate: int) -> tuple[float, float]:
    if rate < 16_000:
        return 8.0, 64.0
    return (8.0, 160.0) if rate < 32_000 else (32.0, 320.0)


def _mp3_has(bitrate: float, rate: int) -> bool:
    low, high = _mp3_bitrates(rate)
    return low + 8.0 <= bitrate <= high
