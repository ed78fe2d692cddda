"""Measure a voice without any network: level, pitch, rate and brightness, beside neutral speech.

`measure` takes the measures of one recording, and `compare` puts them beside neutral speech: the
speaker's own, or that of women, men or both in the corpora.
"""

from __future__ import annotations

import dataclasses
import json
import math
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from emotionrecog import audio, features
from emotionrecog.errors import require_one_of
from emotionrecog.features import frames
from emotionrecog.text import count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from emotionrecog.audio import AudioSource

    Array = NDArray[np.float64]

__all__ = [
    "BACKGROUND_PERCENTILE",
    "MEASURES",
    "Measure",
    "MeasureKind",
    "VoiceTrack",
    "compare",
    "count_syllables",
    "measure",
    "reference",
    "track",
]

# All recordings are measured at this rate, in Hz, so that they can be compared.
RATE = 16_000
STEP = 160  # samples
LEVEL_FRAME, PITCH_FRAME = 400, 1_024

# The background is as loud as this percentile of the frames.
BACKGROUND_PERCENTILE = 10.0

# Frames of speech, in dB: how far below the loudest they may be, and how far above the background
# they must be.
SPEECH_RANGE, ABOVE = 30.0, 6.0

# In Hz.
PITCH_RANGE = (65.0, 600.0)
SLOPE_RANGE = (125.0, 5_000.0)

# Syllables are peaks of the smoothed level: frames of the smoothing, and depth in dB of the dips
# between the peaks.
SMOOTHED, DIP = 5, 1.0

# A recording with fewer voiced frames than this has no pitch.
FEWEST_VOICED = 5

# How each group of neutral speech in the corpora is described, by the sex of its speakers.
_SPEAKERS = {"female": "of women", "male": "of men", None: "of women and men"}


@dataclasses.dataclass(frozen=True)
class MeasureKind:
    """How a measure is written and compared.

    Parameters
    ----------
    unit
        Its unit.
    decimals
        Digits after the point.
    is_ratio
        Whether differences are ratios, given in semitones.
    """

    unit: str
    decimals: int
    is_ratio: bool = False


MEASURES: Mapping[str, MeasureKind] = MappingProxyType(
    {
        "range of the level": MeasureKind("dB", 1),
        "level over the background": MeasureKind("dB", 1),
        "pitch": MeasureKind("Hz", 0, is_ratio=True),
        "range of the pitch": MeasureKind("semitones", 1),
        "rate": MeasureKind("syllables/s", 1),
        "brightness": MeasureKind("Hz", 0),
        "slope of the spectrum": MeasureKind("dB/octave", 1),
    }
)
"""The measures of a voice, with their units.

``range of the level``
    From the 10th to the 90th percentile of the level of the frames of speech, which are those
    within 30 dB of the loudest and 6 dB above the quietest tenth.
``level over the background``
    Level of the frames of speech above that of the quietest tenth of all frames. A recording does
    not reveal how loudly somebody spoke, because its gain is unknown.
``pitch``
    Median of the fundamental frequency of voiced frames.
``range of the pitch``
    From its 10th to its 90th percentile.
``rate``
    Number of level peaks that stand out by 1 dB on both sides and are voiced, which are about the
    syllables, per second from the first frame of speech to the last.
``brightness``
    Median of the spectral centroid of voiced frames.
``slope of the spectrum``
    Slope of the mean spectrum of voiced frames, over third octaves from 125 Hz to 5 kHz.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure of a voice beside neutral speech.

    Parameters
    ----------
    name, unit
        One of `MEASURES`, and its unit.
    value
        The measure of this recording; None if it has none, such as the pitch of a whisper.
    neutral
        The mean of neutral speech.
    difference, difference_unit
        How far `value` lies above it; in semitones for the pitch.
    deviations
        The same difference in standard deviations of neutral speech.
    """

    name: str
    unit: str
    value: float | None
    neutral: float
    difference: float | None
    difference_unit: str
    deviations: float | None

    def sentence(self, reference: str) -> str:
        """Describe the measure in plain words.

        Parameters
        ----------
        reference
            The neutral speech it is compared with, as the function of that name returns it.

        Examples
        --------
        >>> (pitch,) = compare({"pitch": 240.0}, sex="female")
        >>> pitch.sentence("neutral speech of women")
        'pitch 240 Hz: 3.4 semitones above neutral speech of women, 1.5 standard deviations'
        """
        if self.value is None:
            return f"{self.name}: could not be measured"
        decimals = MEASURES[self.name].decimals
        value = f"{self.name} {self.value:.{decimals}f} {self.unit}"
        if self.difference is None or self.deviations is None:
            return f"{value}: could not be measured in {reference}"
        digits = 1 if self.difference_unit != self.unit else decimals
        side = "above" if self.difference >= 0 else "below"
        return (
            f"{value}: {abs(self.difference):.{digits}f} {self.difference_unit} {side} "
            f"{reference}, {abs(self.deviations):.1f} standard deviations"
        )


@dataclasses.dataclass(frozen=True, eq=False)
class VoiceTrack:
    """A recording at 16 kHz with its level and pitch in frames of 10 ms.

    Parameters
    ----------
    samples
        Without a constant offset and with a peak of 1, shape (n_samples,).
    level
        In dB, shape (n_frames,).
    is_speech
        Whether each frame is speech.
    hertz
        The pitch of each frame in Hz; 0 if it has none.
    """

    samples: NDArray[np.float32]
    level: Array
    is_speech: NDArray[np.bool_]
    hertz: Array

    @property
    def is_voiced(self) -> NDArray[np.bool_]:
        """Whether each frame is speech with a pitch."""
        return self.is_speech & (self.hertz > 0)


def track(source: AudioSource) -> VoiceTrack:
    """Follow the level and the pitch of a recording.

    Parameters
    ----------
    source
        As for `emotionrecog.audio.load`, whose errors it has.

    Examples
    --------
    >>> voice = track("examples/clip.wav")
    >>> voice.level.shape == voice.hertz.shape
    True
    """
    waveform = audio.load(source, sampling_rate=RATE)
    samples = waveform.samples - waveform.samples.mean(dtype=np.float64).astype(np.float32)
    samples = samples / np.abs(samples).max()
    rms = features.rms(y=samples, frame_length=LEVEL_FRAME, hop_length=STEP)[0]
    level = 20 * np.log10(np.maximum(rms.astype(np.float64), 1e-6))
    background = float(np.percentile(level, BACKGROUND_PERCENTILE))
    loudest = float(level.max())
    is_speech = level >= max(loudest - SPEECH_RANGE, min(background + ABOVE, loudest - ABOVE))
    hertz = features.f0(
        y=samples,
        sr=RATE,
        fmin=PITCH_RANGE[0],
        fmax=PITCH_RANGE[1],
        frame_length=PITCH_FRAME,
        hop_length=STEP,
    )[0].astype(np.float64)
    return VoiceTrack(samples, level, is_speech, hertz)


def measure(source: AudioSource) -> dict[str, float | None]:
    """Measure a voice. The gain of the recording does not matter.

    Parameters
    ----------
    source
        As for `emotionrecog.audio.load`.

    Returns
    -------
    dict of str to float
        Values by the names of `MEASURES`; None for measures that cannot be taken.

    Raises
    ------
    AudioError
        If the recording cannot be decoded, is silent or damaged.

    Examples
    --------
    >>> import numpy as np
    >>> tone = np.sin(2 * np.pi * 220 * np.arange(16000) / 16000)
    >>> round(measure((tone, 16000))["pitch"])
    220
    """
    voice = track(source)
    level, is_speech, is_voiced = voice.level, voice.is_speech, voice.is_voiced
    values: dict[str, float | None] = dict.fromkeys(MEASURES)
    speech = 10 * np.log10(np.mean(10 ** (level[is_speech] / 10)))
    values["range of the level"] = _range(level[is_speech])
    values["level over the background"] = speech - float(
        np.percentile(level, BACKGROUND_PERCENTILE)
    )
    first, last = np.flatnonzero(is_speech)[[0, -1]]
    n_syllables = count_syllables(level, is_voiced)
    values["rate"] = n_syllables / float((last - first + 1) * STEP / RATE)
    if is_voiced.sum() >= FEWEST_VOICED:
        hertz = voice.hertz[is_voiced]
        median = float(np.median(hertz))
        values["pitch"] = median
        semitones = 12 * np.log2(hertz / median)
        # A pitch an octave away is a mistake: two periods taken for one, or half of one.
        values["range of the pitch"] = _range(semitones[np.abs(semitones) < 11])
        power = frames.power_spectrogram(voice.samples, 512, STEP, LEVEL_FRAME, center=True)
        power = power[is_voiced]
        bins = np.arange(power.shape[1]) * RATE / 512
        magnitude = np.sqrt(power)
        centroids = frames.centroid(magnitude, frames.total(magnitude), bins)
        values["brightness"] = float(np.median(centroids))
        values["slope of the spectrum"] = _slope(power, bins)
    return values


def _range(values: Array) -> float:
    low, high = np.percentile(values, (10, 90))
    return float(high - low)


def count_syllables(level: Array, is_voiced: NDArray[np.bool_]) -> int:
    """Count voiced peaks of the level between dips, after de Jong and Wempe (2009).

    Parameters
    ----------
    level
        Level of each frame of 10 ms in dB.
    is_voiced
        Whether each frame is speech with a pitch.

    Examples
    --------
    >>> import numpy as np
    >>> level = -10 - 6 * np.cos(2 * np.pi * 3 * np.arange(100) / 100)
    >>> count_syllables(level, np.ones(100, dtype=bool))
    3
    """
    window = np.hanning(SMOOTHED + 2)[1:-1]
    padded = np.pad(level, SMOOTHED // 2, "edge")
    smooth = np.convolve(padded, window / window.sum(), "valid")
    n_peaks, place, is_rising = 0, 0, True
    highest = lowest = smooth[0]
    for frame, value in enumerate(smooth):
        if is_rising:
            if value > highest:
                highest, place = value, frame
            elif value < highest - DIP:
                n_peaks += bool(is_voiced[place])
                is_rising, lowest = False, value
        elif value < lowest:
            lowest = value
        elif value > lowest + DIP:
            is_rising, highest, place = True, value, frame
    if is_rising:
        n_peaks += bool(is_voiced[place])
    return n_peaks


def _slope(power: NDArray[np.float32], bins: Array) -> float:
    """Fit a line to the mean spectrum over third octaves, in dB per octave."""
    mean = power.mean(axis=0, dtype=np.float64)
    n_bands = round(3 * math.log2(SLOPE_RANGE[1] / SLOPE_RANGE[0]))
    edges = SLOPE_RANGE[0] * 2 ** (np.arange(n_bands + 1) / 3)
    inside = (bins >= edges[:-1, np.newaxis]) & (bins < edges[1:, np.newaxis])
    levels = 10 * np.log10(inside @ mean / inside.sum(axis=1) + np.finfo(np.float64).tiny)
    return float(np.polyfit(np.arange(n_bands) / 3, levels, 1)[0])


def compare(
    values: Mapping[str, float | None],
    neutral: Sequence[Mapping[str, float | None]] = (),
    *,
    sex: str | None = None,
) -> tuple[Measure, ...]:
    """Put measures beside those of neutral speech.

    Parameters
    ----------
    values
        Measures of the recording, as `measure` returns them.
    neutral
        Measures of neutral recordings of the same speaker; if empty, neutral speech of the corpora.
    sex
        ``"female"`` or ``"male"`` for neutral speech of women or men; None for both.

    Returns
    -------
    tuple of Measure
        In the order of `MEASURES`.

    Raises
    ------
    ValueError
        If `sex` is none of those.

    Examples
    --------
    >>> comparison = compare(measure("examples/clip.wav"), sex="female")
    >>> comparison[2].name, comparison[2].difference_unit
    ('pitch', 'semitones')
    """
    require_one_of("sex", sex, tuple(_SPEAKERS))
    group = _neutral_speech()["groups"][sex or "both"]
    return tuple(
        _beside(name, values[name], [clip[name] for clip in neutral], group[name])
        for name in MEASURES
        if name in values
    )


def _beside(
    name: str,
    value: float | None,
    neutral: Sequence[float | None],
    group: Mapping[str, float],
) -> Measure:
    """Compare one measure with the speaker's neutral recordings or with a group of the corpora."""
    kind = MEASURES[name]
    mean, deviation = group["mean"], group["deviation"]
    measured = [_scaled(kind, one) for one in neutral if one is not None]
    if neutral:
        deviation = group["within"]  # one speaker differs less from clip to clip
    if measured:
        mean = float(np.mean(measured))
    difference = None
    if value is not None and (measured or not neutral):
        difference = _scaled(kind, value) - mean
    return Measure(
        name=name,
        unit=kind.unit,
        value=value,
        neutral=2 ** (mean / 12) if kind.is_ratio else mean,
        difference=difference,
        difference_unit="semitones" if kind.is_ratio else kind.unit,
        deviations=None if difference is None else difference / deviation,
    )


def _scaled(kind: MeasureKind, value: float) -> float:
    """Return a measure on the scale that differences are taken on: semitones above 1 Hz."""
    return 12 * math.log2(value) if kind.is_ratio else float(value)


@lru_cache(maxsize=1)
def _neutral_speech() -> dict[str, Any]:
    """Read the means and deviations of neutral speech in the corpora."""
    text = resources.files("emotionrecog").joinpath("data/neutral.json").read_text("utf-8")
    statistics: dict[str, Any] = json.loads(text)
    return statistics


def reference(n_neutral: int = 0, *, sex: str | None = None) -> str:
    """Name the neutral speech that a voice is compared with.

    Parameters
    ----------
    n_neutral
        Number of neutral recordings of the same speaker; 0 for neutral speech of the corpora.
    sex
        As for `compare`.

    Examples
    --------
    >>> reference(2), reference(sex="male")
    ("the speaker's own neutral speech (2 recordings)", 'neutral speech of men')
    """
    if n_neutral:
        return f"the speaker's own neutral speech ({count(n_neutral, 'recording')})"
    return f"neutral speech {_SPEAKERS[sex]}"
