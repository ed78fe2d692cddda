"""Simulate rooms, microphones, lines and codecs, with one transform for each.

The transforms are called, and draw their parameters, like those of
`emotionrecog.augmentation.waveforms`. All of them keep the length.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

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
from emotionrecog.errors import AudioError, EmotionRecogError, require_one_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from emotionrecog.augmentation.samples import Samples

__all__ = ["BandLimit", "Clip", "Codec", "RoomImpulse"]

# Order of the Butterworth response of `BandLimit`: 48 dB an octave.
_ORDER = 8

# Silence for the ringing of filters, which would otherwise wrap round to the other end, in s.
_RING = 0.5

# Reverberation begins this long after the direct sound, in s.
_FIRST_REFLECTION = 0.0025


@dataclass(frozen=True, kw_only=True)
class RoomImpulse:
    """Add the reverberation of a room.

    Without `impulses`, the room is synthetic: the direct sound and, from 2.5 ms on, noise that
    decays exponentially, equally at all frequencies. The direct sound keeps its position and its
    level, so the result is louder. Reverberation after the end is cut.

    Parameters
    ----------
    rt60
        Reverberation time, in which the level falls by 60 dB, in s, from 0.05 to 10.
    direct_to_reverberant_db
        Energy ratio of the direct sound to the reverberation, in dB, from -30 to 60.
    impulses
        Impulse responses to use instead; each call draws one. The largest peak counts as the
        direct sound. Each call reads a file again.

    Raises
    ------
    ValueError
        If a number is out of bounds, or `impulses` holds anything else.

    Examples
    --------
    >>> import numpy as np
    >>> from emotionrecog.augmentation import RoomImpulse
    >>> click = np.zeros(16000)
    >>> click[0] = 1.0
    >>> room = RoomImpulse(rt60=0.5, direct_to_reverberant_db=6)
    >>> reverberant = room(click, 16000, np.random.default_rng(0))
    >>> round(float(10 * np.log10(reverberant[0] ** 2 / (reverberant[1:] ** 2).sum())), 1)
    6.0
    """

    rt60: Range = (0.2, 0.8)
    direct_to_reverberant_db: Range = (0.0, 15.0)
    impulses: tuple[Path | Waveform, ...] = ()

    def __post_init__(self) -> None:
        """Validate the fields."""
        require_range("rt60", self.rt60, 0.05, 10.0)
        require_range("direct_to_reverberant_db", self.direct_to_reverberant_db, -30.0, 60.0)
        if not isinstance(self.impulses, tuple) or not all(
            isinstance(impulse, Path | Waveform) for impulse in self.impulses
        ):
            raise ValueError(
                f"`impulses` must be a tuple of Waveforms or Paths, got {self.impulses!r}"
            )

    def __call__(
        self, samples: Samples, sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the samples with reverberation."""
        y = checked_samples(samples, sampling_rate)
        if self.impulses:
            impulse = self.impulses[rng.integers(len(self.impulses))]
            response = audio.load(impulse, sampling_rate=sampling_rate).samples
            direct = int(np.abs(response).argmax())
        else:
            response, direct = self._synthetic(sampling_rate, rng), 0
        n_fft = scipy.fft.next_fast_len(len(y) + len(response) - 1, real=True)
        spectrum = scipy.fft.rfft(y, n_fft) * scipy.fft.rfft(response / response[direct], n_fft)
        result = scipy.fft.irfft(spectrum, n_fft)[direct : direct + len(y)]
        return np.asarray(result, dtype=np.float32)

    def _synthetic(self, sampling_rate: int, rng: np.random.Generator) -> NDArray[np.float32]:
        rt60 = draw(self.rt60, rng)
        ratio_db = draw(self.direct_to_reverberant_db, rng)
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
    """Clip the peaks, like an overdriven microphone.

    Exactly one of the parameters must be given.

    Parameters
    ----------
    below_peak_db
        Distance of the limit below the largest absolute sample, in dB, from 0 to 60.
    share
        Share of the samples beyond the limit, from 0 to 0.9.

    Raises
    ------
    ValueError
        If none or both are given, or one is out of bounds.

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
        """Validate the fields."""
        if (self.below_peak_db is None) == (self.share is None):
            raise ValueError(
                "exactly one of `below_peak_db` and `share` must be given, got "
                f"{self.below_peak_db!r} and {self.share!r}"
            )
        if self.below_peak_db is not None:
            require_range("below_peak_db", self.below_peak_db, 0.0, 60.0)
        if self.share is not None:
            require_range("share", self.share, 0.0, 0.9)

    def __call__(
        self, samples: Samples, sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the samples, limited."""
        y = checked_samples(samples, sampling_rate)
        if self.share is not None:
            limit = float(np.quantile(np.abs(y), 1.0 - draw(self.share, rng)))
        else:
            assert self.below_peak_db is not None
            limit = float(np.abs(y).max()) * 10.0 ** (-draw(self.below_peak_db, rng) / 20.0)
        np.clip(y, -np.float32(limit), np.float32(limit), out=y)
        return y


@dataclass(frozen=True, kw_only=True)
class BandLimit:
    """Keep only a band of frequencies.

    The response is that of a Butterworth filter of order 8, 3 dB down at an edge and 48 dB an
    octave beyond it, without delay (zero phase). At least one of the parameters must be given;
    ``BandLimit.telephone()`` has both.

    Parameters
    ----------
    lowest, highest
        Edges of the band in Hz, from 1 to 192000. A `highest` of half the sampling rate or more
        keeps all high frequencies.

    Raises
    ------
    ValueError
        If none is given, one is out of bounds, or `lowest` can be drawn above `highest`.
    AudioError
        In a call, if `lowest` is not below half the sampling rate.

    Examples
    --------
    >>> import numpy as np
    >>> from emotionrecog.augmentation import BandLimit
    >>> t = np.arange(16000) / 16000
    >>> low, high = np.sin(2 * np.pi * 500 * t), np.sin(2 * np.pi * 6000 * t)
    >>> limited = BandLimit.telephone()(low + high, 16000, np.random.default_rng(0))
    >>> bool(np.abs(limited - low)[800:-800].max() < 0.02)
    True
    """

    lowest: Range | None = None
    highest: Range | None = None

    def __post_init__(self) -> None:
        """Validate the fields."""
        if self.lowest is None and self.highest is None:
            raise ValueError("at least one of `lowest` and `highest` must be given, got neither")
        for name in ("lowest", "highest"):
            if getattr(self, name) is not None:
                require_range(name, getattr(self, name), 1.0, audio.MAX_SAMPLING_RATE / 2)
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
        """Return a transform with the band of the telephone, 300 to 3400 Hz.

        Examples
        --------
        >>> BandLimit.telephone()
        BandLimit(lowest=300.0, highest=3400.0)
        """
        return cls(lowest=300.0, highest=3400.0)

    def __call__(
        self, samples: Samples, sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the samples, limited to the band."""
        y = checked_samples(samples, sampling_rate)
        nyquist = sampling_rate / 2
        n_fft = scipy.fft.next_fast_len(len(y) + round(_RING * sampling_rate), real=True)
        frequencies = np.arange(n_fft // 2 + 1) * (sampling_rate / n_fft)
        attenuation = np.ones(len(frequencies))  # of power
        if self.lowest is not None:
            lowest = draw(self.lowest, rng)
            if lowest >= nyquist:
                raise AudioError(
                    f"`lowest` must be below half the sampling rate of {sampling_rate} Hz, got "
                    f"{lowest:g} Hz"
                )
            # Frequency 0 would divide by zero; it is removed anyway.
            attenuation += (lowest / np.maximum(frequencies, 1e-6)) ** (2 * _ORDER)
        if self.highest is not None:
            highest = draw(self.highest, rng)
            if highest < nyquist:
                attenuation += (frequencies / highest) ** (2 * _ORDER)
        spectrum = scipy.fft.rfft(y, n_fft) / np.sqrt(attenuation)
        return np.asarray(scipy.fft.irfft(spectrum, n_fft)[: len(y)], dtype=np.float32)


# Container, coding and sampling rates in Hz of the codecs.
_CODECS: dict[str, tuple[str, str, tuple[int, ...]]] = {
    "mp3": (
        "MP3",
        "MPEG_LAYER_III",
        (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    ),
    "opus": ("OGG", "OPUS", (8000, 12000, 16000, 24000, 48000)),
    "vorbis": ("OGG", "VORBIS", (8000, 11025, 16000, 22050, 32000, 44100, 48000)),
    "mu-law": ("WAV", "ULAW", (8000,)),
    "a-law": ("WAV", "ALAW", (8000,)),
    "gsm": ("WAV", "GSM610", (8000,)),
}

# Bit rates in kbit/s: the bounds, which libsndfile maps to compression levels 1 and 0, and the
# lowest available one. LAME does not encode at the lower bounds.
_OPUS_BITRATES = (6.0, 256.0)
_LOWEST_MP3 = 16.0

# Delay of encoder (576) and decoder (529) in samples. MP3 frames of a low bit rate have no room to
# declare it, so the decoder does not remove it.
_MP3_DELAY = 1105

# Number of samples passed to an encoder at once.
_BLOCK = 2**16


@dataclass(frozen=True, kw_only=True)
class Codec:
    """Encode and decode a recording with a lossy codec, in memory.

    If a codec does not support the sampling rate, the recording is resampled to one that it
    supports, and back. Telephone codecs work at 8000 Hz, so nothing remains above 4000 Hz.
    The voice keeps its position to within 1 ms, and samples beyond full scale are not clipped.

    Parameters
    ----------
    codec
        ``"mp3"``, ``"opus"`` or ``"vorbis"``, or a telephone codec: ``"mu-law"``, ``"a-law"``
        (G.711) or ``"gsm"`` (06.10, full rate).
    bitrate
        Bit rate in kbit/s of MP3 (constant, 16 to 320) and Opus (average, 6 to 256); by default 16
        to 64. MP3 uses the nearest supported bit rate at a sampling rate; below 40 kbit/s its
        sampling rate is 24000 Hz at most.
    compression
        Compression of Vorbis, from 0 (largest file) to 1 (smallest); by default 0.3 to 1.

    Raises
    ------
    ValueError
        If the codec is unknown, does not have the parameter, or the parameter is out of bounds.
    EmotionRecogError
        In a call, if the installed libsndfile does not have the codec.

    Examples
    --------
    >>> import numpy as np
    >>> from emotionrecog.augmentation import Codec
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000).astype(np.float32)
    >>> decoded = Codec(codec="opus", bitrate=16)(tone, 16000, np.random.default_rng(0))
    >>> len(decoded), bool(np.corrcoef(tone, decoded)[0, 1] > 0.98)
    (16000, True)
    """

    codec: Literal["mp3", "opus", "vorbis", "mu-law", "a-law", "gsm"]
    bitrate: Range | None = None
    compression: Range | None = None

    def __post_init__(self) -> None:
        """Validate the fields."""
        require_one_of("codec", self.codec, _CODECS)
        if self.bitrate is not None:
            bounds = {"mp3": (_LOWEST_MP3, 320.0), "opus": _OPUS_BITRATES}
            if self.codec not in bounds:
                raise ValueError(
                    f"`bitrate` is for 'mp3' and 'opus' only, got it for {self.codec!r}"
                )
            require_range("bitrate", self.bitrate, *bounds[self.codec])
        if self.compression is not None:
            if self.codec != "vorbis":
                raise ValueError(f"`compression` is for 'vorbis' only, got it for {self.codec!r}")
            require_range("compression", self.compression, 0.0, 1.0)

    def __call__(
        self, samples: Samples, sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the samples, encoded and decoded."""
        y = checked_samples(samples, sampling_rate)
        _, _, rates = _CODECS[self.codec]
        options: dict[str, Any] = {}
        if self.codec == "vorbis":
            options["compression_level"] = draw(self.compression or (0.3, 1.0), rng)
        elif self.codec in ("mp3", "opus"):
            bitrate = draw(self.bitrate or (16.0, 64.0), rng)
            if self.codec == "mp3":
                rates = tuple(rate for rate in rates if _mp3_supports(bitrate, rate))
                options["bitrate_mode"] = "CONSTANT"
            rate = _rate_for(sampling_rate, rates)
            low, high = _OPUS_BITRATES if self.codec == "opus" else _mp3_bitrates(rate)
            options["compression_level"] = (high - bitrate) / (high - low)
        rate = _rate_for(sampling_rate, rates)
        resampled = resample(y, sampling_rate, rate)
        # Resampling can raise a full-scale signal above full scale.
        scale = np.float32(max(1.0, float(np.abs(resampled).max(initial=0.0))))
        decoded = self._transcode(resampled / scale, rate, options)
        return fit_samples(resample(decoded, rate, sampling_rate), len(y)) * scale

    def _transcode(
        self, samples: NDArray[np.float32], rate: int, options: dict[str, Any]
    ) -> NDArray[np.float32]:
        """Encode and decode samples at one of the codec's rates, preserving their length."""
        import soundfile

        container, coding, _ = _CODECS[self.codec]
        if not soundfile.check_format(container, coding):
            raise EmotionRecogError(
                f"libsndfile {soundfile.__libsndfile_version__} does not have the codec "
                f"{self.codec!r}; install soundfile from a wheel, which includes its own, or "
                "libsndfile 1.1 or later"
            )
        file = io.BytesIO()
        with soundfile.SoundFile(
            file, "w", samplerate=rate, channels=1, format=container, subtype=coding, **options
        ) as sound:
            for start in range(0, len(samples), _BLOCK):
                sound.write(samples[start : start + _BLOCK])
        file.seek(0)
        decoded, _ = soundfile.read(file, dtype="float32")
        if self.codec == "mp3" and len(decoded) > len(samples):
            decoded = decoded[_MP3_DELAY:]
        return fit_samples(decoded, len(samples))


def _rate_for(sampling_rate: int, rates: Sequence[int]) -> int:
    """Return the lowest rate that loses nothing, or else the highest rate."""
    return min((rate for rate in rates if rate >= sampling_rate), default=max(rates))


def _mp3_bitrates(rate: int) -> tuple[float, float]:
    if rate < 16_000:
        return 8.0, 64.0
    return (8.0, 160.0) if rate < 32_000 else (32.0, 320.0)


def _mp3_supports(bitrate: float, rate: int) -> bool:
    low, high = _mp3_bitrates(rate)
    return low + 8.0 <= bitrate <= high
