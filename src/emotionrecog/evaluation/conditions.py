"""Degrade recordings: noise, bands, codecs, silence, cuts, rooms, speed and pitch.

`CONDITIONS` are the degradations that `emotionrecog.evaluation.stress.stress_test` applies by
default, with their pass marks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from emotionrecog import audio
from emotionrecog.audio import Waveform
from emotionrecog.augmentation import (
    AddNoise,
    BandLimit,
    Clip,
    Codec,
    Gain,
    PitchShift,
    RoomImpulse,
    TimeStretch,
)
from emotionrecog.errors import require_number, require_share

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CONDITIONS", "HARMLESS", "INAUDIBLE", "AddSilence", "Condition", "Crop"]

INAUDIBLE = 0.95
"""Pass mark of changes that nobody hears as a change of the voice."""

HARMLESS = 0.80
"""Pass mark of audible changes that leave no doubt about the voice."""


@dataclass(frozen=True, kw_only=True)
class AddSilence:
    """Add digital silence before and after the recording.

    Parameters
    ----------
    before, after
        Durations in s, 0 or more.

    Raises
    ------
    ValueError
        If a duration is negative or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from emotionrecog.evaluation.conditions import AddSilence
    >>> AddSilence(after=0.5)(np.ones(4), 4, np.random.default_rng(0))
    array([1., 1., 1., 1., 0., 0.], dtype=float32)
    """

    before: float = 0.0
    after: float = 0.0

    def __post_init__(self) -> None:
        """Validate the fields."""
        for name in ("before", "after"):
            require_number(name, getattr(self, name), 0, unit="s")

    def __call__(
        self, samples: NDArray[np.floating[Any]], sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the samples with silence around them."""
        pad = (round(self.before * sampling_rate), round(self.after * sampling_rate))
        return np.pad(samples.astype(np.float32), pad)


@dataclass(frozen=True, kw_only=True)
class Crop:
    """Keep a part of the recording, from a random place.

    Parameters
    ----------
    keep
        Share of the recording to keep, above 0 and up to 1; at least one sample is kept.

    Raises
    ------
    ValueError
        If `keep` is out of bounds.

    Examples
    --------
    >>> import numpy as np
    >>> from emotionrecog.evaluation.conditions import Crop
    >>> len(Crop(keep=0.75)(np.ones(16000), 16000, np.random.default_rng(0)))
    12000
    """

    keep: float

    def __post_init__(self) -> None:
        """Validate the fields."""
        require_share("keep", self.keep, open_low=True)

    def __call__(
        self, samples: NDArray[np.floating[Any]], sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the part of the samples."""
        n_samples = max(1, round(self.keep * len(samples)))
        start = int(rng.integers(len(samples) - n_samples + 1))
        return samples[start : start + n_samples].astype(np.float32)


Change: TypeAlias = Callable[[Any, int, np.random.Generator], Any]
"""A function called as ``change(samples, sampling_rate, rng)``, such as the transforms of
`emotionrecog.augmentation`."""


@dataclass(frozen=True)
class Condition:
    """One way of degrading recordings, at one level.

    Parameters
    ----------
    family : str
        Kind of change, such as ``"white noise"``. A test lists the conditions of a family from the
        mildest to the hardest, and expects the harder ones to score no better.
    level : str
        Strength of the change, such as ``"20 dB SNR"``.
    change : callable, optional
        Called as ``change(samples, sampling_rate, rng)``: a transform of
        `emotionrecog.augmentation`, `AddSilence`, `Crop`, or your own. Samples are mono, float32.
    sampling_rate : int, optional
        Sampling rate in Hz to which the recording is resampled after the change.
    mark : float, optional
        Pass mark: the smallest share of unchanged answers that passes, from 0 to 1. Without one,
        the condition is measured but not judged.

    Raises
    ------
    ValueError
        If `mark` is out of bounds, or there is neither a change nor a sampling rate.

    Examples
    --------
    >>> import numpy as np
    >>> from emotionrecog.audio import Waveform
    >>> condition = Condition("cropped", "to 50 %", Crop(keep=0.5), mark=0.8)
    >>> waveform = Waveform(np.ones(16000, dtype=np.float32), 16000)
    >>> condition.name, condition.apply(waveform, np.random.default_rng(0)).duration
    ('cropped, to 50 %', 0.5)
    """

    family: str
    level: str
    change: Change | None = None
    sampling_rate: int | None = None
    mark: float | None = None

    def __post_init__(self) -> None:
        """Validate the fields."""
        if self.change is None and self.sampling_rate is None:
            raise ValueError(
                f"condition {self.name!r} must have a `change` or a `sampling_rate`, got neither"
            )
        if self.mark is not None:
            require_share("mark", self.mark)

    @property
    def name(self) -> str:
        """Family and level."""
        return f"{self.family}, {self.level}"

    def apply(self, waveform: Waveform, rng: np.random.Generator) -> Waveform:
        """Return the degraded recording.

        Examples
        --------
        >>> import numpy as np
        >>> waveform = audio.load("examples/clip.wav")
        >>> condition = Condition("resampled", "8 kHz", sampling_rate=8000)
        >>> condition.apply(waveform, np.random.default_rng(0)).sampling_rate
        8000
        """
        if self.change is not None:
            samples = self.change(waveform.samples, waveform.sampling_rate, rng)
            waveform = Waveform(np.asarray(samples, dtype=np.float32), waveform.sampling_rate)
        if self.sampling_rate is not None:
            waveform = audio.load(waveform, sampling_rate=self.sampling_rate)
        return waveform


def _noise(colour: str, snr_db: float) -> AddNoise:
    return AddNoise(snr_db=snr_db, noises=(colour,))


def _room(rt60: float, ratio_db: float) -> RoomImpulse:
    return RoomImpulse(rt60=rt60, direct_to_reverberant_db=ratio_db)


CONDITIONS: tuple[Condition, ...] = (
    Condition("louder", "6 dB", Gain(gain_db=6), mark=INAUDIBLE),
    Condition("louder", "20 dB", Gain(gain_db=20), mark=INAUDIBLE),
    Condition("quieter", "6 dB", Gain(gain_db=-6), mark=INAUDIBLE),
    Condition("quieter", "20 dB", Gain(gain_db=-20), mark=INAUDIBLE),
    Condition("white noise", "30 dB SNR", _noise("white", 30), mark=HARMLESS),
    Condition("white noise", "20 dB SNR", _noise("white", 20), mark=HARMLESS),
    Condition("white noise", "10 dB SNR", _noise("white", 10)),
    Condition("white noise", "0 dB SNR", _noise("white", 0)),
    Condition("pink noise", "30 dB SNR", _noise("pink", 30), mark=HARMLESS),
    Condition("pink noise", "20 dB SNR", _noise("pink", 20), mark=HARMLESS),
    Condition("pink noise", "10 dB SNR", _noise("pink", 10)),
    Condition("pink noise", "0 dB SNR", _noise("pink", 0)),
    Condition("clipped", "6 dB below the peak", Clip(below_peak_db=6), mark=HARMLESS),
    Condition("clipped", "12 dB below the peak", Clip(below_peak_db=12)),
    Condition("clipped", "18 dB below the peak", Clip(below_peak_db=18)),
    Condition("low-pass", "6 kHz", BandLimit(highest=6000.0), mark=HARMLESS),
    Condition("low-pass", "4 kHz", BandLimit(highest=4000.0)),
    Condition("low-pass", "2 kHz", BandLimit(highest=2000.0)),
    Condition("high-pass", "80 Hz", BandLimit(lowest=80.0), mark=HARMLESS),
    Condition("high-pass", "150 Hz", BandLimit(lowest=150.0), mark=HARMLESS),
    Condition("high-pass", "300 Hz", BandLimit(lowest=300.0)),
    Condition("telephone band", "300 to 3400 Hz", BandLimit.telephone()),
    Condition("telephone line", "mu-law", Codec(codec="mu-law")),
    Condition("telephone line", "GSM", Codec(codec="gsm")),
    Condition("MP3", "64 kbit/s", Codec(codec="mp3", bitrate=64), mark=INAUDIBLE),
    Condition("MP3", "32 kbit/s", Codec(codec="mp3", bitrate=32), mark=HARMLESS),
    Condition("MP3", "16 kbit/s", Codec(codec="mp3", bitrate=16)),
    Condition("Opus", "32 kbit/s", Codec(codec="opus", bitrate=32), mark=HARMLESS),
    Condition("Opus", "16 kbit/s", Codec(codec="opus", bitrate=16), mark=HARMLESS),
    Condition("Opus", "8 kbit/s", Codec(codec="opus", bitrate=8)),
    Condition("resampled", "48 kHz", sampling_rate=48_000, mark=INAUDIBLE),
    Condition("resampled", "44.1 kHz", sampling_rate=44_100, mark=INAUDIBLE),
    Condition("resampled", "22.05 kHz", sampling_rate=22_050, mark=INAUDIBLE),
    Condition("resampled", "8 kHz", sampling_rate=8_000),
    Condition("silence after", "0.5 s", AddSilence(after=0.5), mark=INAUDIBLE),
    Condition("silence after", "1 s", AddSilence(after=1.0), mark=INAUDIBLE),
    Condition("silence after", "3 s", AddSilence(after=3.0), mark=INAUDIBLE),
    Condition("silence before", "0.5 s", AddSilence(before=0.5), mark=INAUDIBLE),
    Condition("silence before", "1 s", AddSilence(before=1.0), mark=INAUDIBLE),
    Condition("silence before", "3 s", AddSilence(before=3.0), mark=INAUDIBLE),
    Condition("cropped", "to 90 %", Crop(keep=0.9), mark=HARMLESS),
    Condition("cropped", "to 75 %", Crop(keep=0.75)),
    Condition("cropped", "to 50 %", Crop(keep=0.5)),
    Condition("room", "0.3 s, 10 dB direct", _room(0.3, 10), mark=HARMLESS),
    Condition("room", "0.6 s, 5 dB direct", _room(0.6, 5)),
    Condition("room", "1 s, 0 dB direct", _room(1.0, 0)),
    Condition("faster", "5 %", TimeStretch(rate=1.05), mark=HARMLESS),
    Condition("faster", "10 %", TimeStretch(rate=1.1)),
    Condition("faster", "25 %", TimeStretch(rate=1.25)),
    Condition("slower", "5 %", TimeStretch(rate=1 / 1.05), mark=HARMLESS),
    Condition("slower", "10 %", TimeStretch(rate=1 / 1.1)),
    Condition("slower", "25 %", TimeStretch(rate=1 / 1.25)),
    Condition("higher", "half a semitone", PitchShift(semitones=0.5), mark=HARMLESS),
    Condition("higher", "2 semitones", PitchShift(semitones=2)),
    Condition("higher", "4 semitones", PitchShift(semitones=4)),
    Condition("lower", "half a semitone", PitchShift(semitones=-0.5), mark=HARMLESS),
    Condition("lower", "2 semitones", PitchShift(semitones=-2)),
    Condition("lower", "4 semitones", PitchShift(semitones=-4)),
)
"""The default conditions of a stress test with their pass marks, each family from the mildest on.

Speed and pitch carry emotion, so that changed answers need not be mistakes if they change much;
such conditions have no mark, nor have those that leave little of the voice.
"""
