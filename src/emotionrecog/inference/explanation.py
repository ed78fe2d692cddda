"""Why a recogniser answers what it does: which parts of a recording count, how the voice sounds.

`explain` turns parts of a recording down, one after the other, and looks at what becomes of the
answer. Beside that stands what can be measured in the voice without any network: level, pitch, rate
and brightness, against neutral speech. `randomised` and `similarity` check that a map tells of what
the network has learnt, and `deletion` that what it names is what the answer rests on.
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
import scipy  # which loads scipy.fft when it is first used: that takes 0.3 s

from emotionrecog import audio, features
from emotionrecog.errors import AudioError
from emotionrecog.features import frames
from emotionrecog.inference.engine import Engine
from emotionrecog.inference.windows import drop_silent, pad_with_silence, split_windows, starts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from emotionrecog.audio import AudioSource

    Array = NDArray[np.float64]
    Mask = NDArray[np.bool_]  # shape (n_bands, n_cells)

__all__ = [
    "MEASURES",
    "Deletion",
    "Explanation",
    "Measure",
    "Part",
    "Similarity",
    "deletion",
    "explain",
    "measure",
    "randomised",
    "similarity",
]

# Of the map. Cells are as long as a short syllable or longer; a patch is two of them.
SHORTEST_CELL = 0.125  # s
MAX_CELLS, MIN_CELLS = 32, 4
N_BANDS = 8

# What is longer has cells longer than words, and takes long; in s.
LONGEST = 60.0

# A part of the voice is turned down to what is there in the quietest tenth of the recording, and
# by 60 dB at most, so that something is left to set the level by.
QUIET = 10.0
LEAST_GAIN = 1e-3

# Of the short-time spectra in which it is turned down, in s; the sum of the squares of Hann windows
# that are a quarter of their length apart.
FRAME = 0.032
OVERLAP = 1.5

# Probabilities nearer to 0 and 1 have no logarithm of their odds that means anything.
CERTAIN = 1e-6

# Neighbouring cells that count at least this share of the most are named with it.
STRETCH = 0.5

# Parts that speak against the emotion are named where they change the log-odds by as much.
NAMED = 0.1

_SEXES = {"female": "of women", "male": "of men", None: "of women and men"}


# --- what comes of it ---------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measure:
    """Something that was measured in a voice, beside neutral speech.

    Parameters
    ----------
    name, unit
        One of `MEASURES`, and what it is measured in.
    value
        Of this recording; None where there is none, such as the pitch of a whisper.
    neutral
        Of neutral speech, in the mean.
    difference, difference_unit
        By how much `value` lies above it; of the pitch, in semitones.
    deviations
        The same in standard deviations of neutral speech.
    """

    name: str
    unit: str
    value: float | None
    neutral: float
    difference: float | None
    difference_unit: str
    deviations: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a recording, and what the recogniser says without it.

    Parameters
    ----------
    start, end
        In s from the beginning of the recording.
    low, high
        In Hz.
    probability
        Of the emotion that is explained, with this part turned down.
    """

    start: float
    end: float
    low: float
    high: float
    probability: float


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Explanation:
    """Why a recogniser gave an emotion its probability.

    Parameters
    ----------
    recognizer
        Its name.
    emotion
        What is explained.
    probabilities
        Of all emotions.
    duration
        Of the recording, in s.
    times : ndarray, shape (n_cells + 1,)
        Where the cells of the map begin and end, in s from the beginning of the recording. Silence
        at its ends is no part of the map.
    frequencies : ndarray, shape (n_bands + 1,)
        Where its bands begin and end, in Hz.
    contribution : ndarray, shape (n_bands, n_cells)
        By how much the logarithm of the odds of the emotion falls without the cell: above zero
        where the cell speaks for the emotion. Each is the mean of the patches it lies in.
    over_time : ndarray, shape (n_cells,)
        The same without all that is heard at the time.
    over_frequency : ndarray, shape (n_bands,)
        The same without all that is heard in the band.
    parts : tuple of Part
        The stretch and the band that speak for the emotion most, then those that speak against it
        most where there are any.
    voice : tuple of Measure
        What the voice did.
    reference : str
        What it is compared with.
    """

    recognizer: str
    emotion: str
    probabilities: Mapping[str, float]
    duration: float
    times: Array
    frequencies: Array
    contribution: Array
    over_time: Array
    over_frequency: Array
    parts: tuple[Part, ...]
    voice: tuple[Measure, ...]
    reference: str

    @property
    def sentences(self) -> tuple[str, ...]:
        """What counted, and what the voice did, in plain words."""
        before = self.probabilities[self.emotion]
        lines = [f"{self.emotion} has {100 * before:.0f} %"]
        for part in self.parts:
            where = f"without {part.start:.2f} to {part.end:.2f} s"
            if (part.start, part.end) == (self.times[0], self.times[-1]):
                where = f"without {part.low:.0f} to {part.high:.0f} Hz"
            lines.append(f"{where} it would have {100 * part.probability:.0f} %")
        return (*lines, *(_sentence(one, self.reference) for one in self.voice))

    def __str__(self) -> str:
        """Put each sentence on a line."""
        return "\n".join(self.sentences)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers, to four decimals, and the sentences, ready for JSON."""
        fields: dict[str, Any] = _rounded(
            {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        )
        return {**fields, "sentences": list(self.sentences)}


def _rounded(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return np.round(value, 4).tolist()
    if dataclasses.is_dataclass(value):
        return {
            field.name: _rounded(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


# --- which parts count --------------------------------------------------------------------------


def explain(
    engine: Engine,
    source: AudioSource,
    emotion: str | None = None,
    *,
    sex: str | None = None,
    neutral: Iterable[AudioSource] = (),
) -> Explanation:
    """Tell which parts of a recording an answer rests on, and how the voice sounds.

    Patches of the recording, a quarter of a second or longer and an eighth of the mel scale high,
    are turned down one after the other to what the recording has there in its quietest tenth, as
    if the voice rested; the recogniser then hears the recording as it hears any other. How much
    the logarithm of the odds of the emotion falls is how much the patch speaks for it. Nothing is
    drawn at random. It takes some 250 answers of the recogniser.

    Parameters
    ----------
    engine
        The engine of the recogniser.
    source
        As for `EmotionRecognizer.predict`, up to 60 s.
    emotion
        One of the recogniser's labels; by default its answer.
    sex
        ``"female"`` or ``"male"``: compare the voice with neutral speech of women or of men. By
        default with that of both, among which a pitch tells little.
    neutral
        Recordings of the same speaker speaking neutrally, best with the same microphone, to compare
        the voice with instead. One is enough, some are better.

    Returns
    -------
    Explanation

    Raises
    ------
    AudioError
        As of `EmotionRecognizer.predict`, and if the recording is longer than 60 s.
    ValueError
        If the recogniser has no such emotion, `sex` is none of those, or is given beside `neutral`.

    Examples
    --------
    >>> from emotionrecog import EmotionRecognizer
    >>> explanation = EmotionRecognizer().explain("examples/clip.wav")
    >>> explanation.contribution.shape == (8, len(explanation.times) - 1)
    True
    >>> [one.name for one in explanation.voice][2:4]
    ['pitch', 'range of the pitch']
    """
    if emotion is not None and emotion not in engine.labels:
        raise ValueError(f"`emotion` must be one of {', '.join(engine.labels)}, got {emotion!r}")
    if sex not in _SEXES:
        raise ValueError(f"`sex` must be 'female', 'male' or None, got {sex!r}")
    if audio.is_one_recording(neutral):
        raise ValueError(
            f"`neutral` must be a list of recordings, got a single {type(neutral).__name__}; "
            "put it into a list"
        )
    own = [measure(clip) for clip in neutral]
    if own and sex is not None:
        raise ValueError(
            "`neutral` recordings are of the speaker's own voice, beside which `sex` says nothing; "
            "give one of the two"
        )
    listener = _Listener(engine, source)
    answer = listener.answer()
    number = int(answer.argmax()) if emotion is None else engine.labels.index(emotion)
    before = _log_odds(answer[number])

    def falls(part: Mask) -> float:
        return before - _log_odds(listener.answer(part)[number])

    n_cells, n_bands = listener.n_cells, N_BANDS
    patches = [(first, first + 2) for first in range(n_cells - 1)]
    everything = np.zeros((n_bands, n_cells), dtype=bool)
    by_patch = np.zeros((n_bands + 1, len(patches)))  # the last row: all bands at once
    for column, (first, end) in enumerate(patches):
        for row in range(n_bands + 1):
            mask = everything.copy()
            mask[row if row < n_bands else slice(None), first:end] = True
            by_patch[row, column] = falls(mask)
    covering = np.array(
        [[first <= cell < end for cell in range(n_cells)] for first, end in patches]
    )
    by_cell = by_patch @ covering / covering.sum(axis=0)
    over_frequency = np.zeros(n_bands)
    for row in range(n_bands):
        mask = everything.copy()
        mask[row] = True
        over_frequency[row] = falls(mask)
    parts = []
    for sign in (1.0, -1.0):
        for values, axis in ((by_cell[-1], 1), (over_frequency, 0)):
            if sign < 0 and -values.min() < NAMED:
                continue
            mask = everything.copy()
            where = _stretch(sign * values)
            mask[(slice(None), where) if axis else where] = True
            parts.append(listener.part(mask, float(listener.answer(mask)[number])))
    return Explanation(
        recognizer=engine.artifact.name,
        emotion=engine.labels[number],
        probabilities=dict(zip(engine.labels, answer.tolist(), strict=True)),
        duration=listener.duration,
        times=listener.times,
        frequencies=listener.frequencies,
        contribution=by_cell[:-1],
        over_time=by_cell[-1],
        over_frequency=over_frequency,
        parts=tuple(parts),
        voice=_compared(measure(listener.waveform), own, sex),
        reference=_reference(own, sex),
    )


def _log_odds(probability: float) -> float:
    p = min(max(float(probability), CERTAIN), 1 - CERTAIN)
    return math.log(p / (1 - p))


def _stretch(values: Array) -> slice:
    """Return the place of the largest value with those beside it that count as well."""
    best = int(values.argmax())
    counts = values >= STRETCH * values[best] if values[best] > 0 else values == values[best]
    first, end = best, best + 1
    while first > 0 and counts[first - 1]:
        first -= 1
    while end < len(values) and counts[end]:
        end += 1
    return slice(first, end)


class _Listener:
    """Asks a recogniser about a recording, parts of which are turned down."""

    def __init__(self, engine: Engine, source: AudioSource) -> None:
        recording = engine.load(source)
        self.waveform, part = recording.waveform, recording.part
        self._length = recording.window_length
        self.duration = self.waveform.duration
        if self.duration > LONGEST:
            raise AudioError(
                f"too long to explain: expected at most {LONGEST:g} s of audio, got "
                f"{self.duration:.1f} s; cut out what is to be explained"
            )
        self._engine, rate = engine, self.waveform.sampling_rate
        self._voice = recording.samples
        n_samples = len(self._voice)
        windows = split_windows(self._voice, self._length)
        heard = {id(window) for window in drop_silent(windows)}  # those that have a say
        self._answers = [
            (start, self._judge(window))
            for start, window in zip(starts(n_samples, self._length), windows, strict=True)
            if id(window) in heard
        ]

        self._n_fft = 1 << math.ceil(math.log2(FRAME * rate))
        self._hop = self._n_fft // 4
        padded = np.pad(self._voice, self._n_fft)
        self._spectrum = frames.stft(padded, self._n_fft, self._hop, self._n_fft, center=False)
        magnitude = np.abs(self._spectrum)
        middles = np.arange(len(magnitude)) * self._hop - self._n_fft / 2
        inside = (middles >= 0) & (middles < n_samples)
        whole = magnitude[inside] if inside.any() else magnitude
        background = np.percentile(whole, QUIET, axis=0)
        # What is taken away where the voice rests: nothing of what is quieter than the background.
        background = np.maximum(background, np.finfo(np.float32).tiny)
        self._loss = 1 - np.maximum(background / np.maximum(magnitude, background), LEAST_GAIN)

        self.n_cells = max(MIN_CELLS, min(MAX_CELLS, int(n_samples / rate / SHORTEST_CELL)))
        edges = np.linspace(0, n_samples, self.n_cells + 1)
        self.times = (part.start + edges) / rate
        top = 2595 * math.log10(1 + rate / 2 / 700)  # on the mel scale of HTK
        self.frequencies = 700 * (10 ** (np.linspace(0, top, N_BANDS + 1) / 2595) - 1)
        self._cell_of_frame = np.clip(np.digitize(middles, edges) - 1, 0, self.n_cells - 1)
        bins = np.arange(magnitude.shape[1]) * rate / self._n_fft
        self._band_of_bin = np.clip(np.digitize(bins, self.frequencies) - 1, 0, N_BANDS - 1)
        energy = np.zeros((N_BANDS, self.n_cells))
        np.add.at(
            energy, (self._band_of_bin, self._cell_of_frame[:, np.newaxis]), np.square(magnitude)
        )
        self.energy = energy

    def part(self, mask: Mask, probability: float) -> Part:
        """Describe the part that a mask of neighbouring cells takes away."""
        bands, cells = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        return Part(
            start=float(self.times[cells[0]]),
            end=float(self.times[cells[-1] + 1]),
            low=float(self.frequencies[bands[0]]),
            high=float(self.frequencies[bands[-1] + 1]),
            probability=probability,
        )

    def answer(self, mask: Mask | None = None) -> NDArray[np.float32]:
        """Return the probability of each emotion without the part that the mask covers."""
        if mask is None:
            return self._mean([answer for _, answer in self._answers])
        touched = np.flatnonzero(np.isin(self._cell_of_frame, np.flatnonzero(mask.any(axis=0))))
        if not len(touched):  # of a sound that is shorter than its cells
            return self.answer()
        chosen = mask[:, self._cell_of_frame[touched]].T[:, self._band_of_bin]
        lost = scipy.fft.irfft(
            np.where(chosen, self._spectrum[touched] * self._loss[touched], 0), self._n_fft, axis=1
        ).astype(np.float32)
        lost *= frames.hann(self._n_fft, self._n_fft) / np.float32(OVERLAP)
        first, last = int(touched[0]) * self._hop, int(touched[-1]) * self._hop + self._n_fft
        taken = np.zeros(last - first, dtype=np.float32)
        for place, frame in zip(touched * self._hop - first, lost, strict=True):
            taken[place : place + self._n_fft] += frame
        first, last = first - self._n_fft, last - self._n_fft  # in the voice, without padding
        begin, end = max(first, 0), min(last, len(self._voice))
        changed = self._voice.copy()
        changed[begin:end] -= taken[begin - first : end - first]
        return self._mean(
            [
                self._judge(pad_with_silence(changed[start : start + self._length], self._length))
                if start < end and begin < start + self._length
                else answer
                for start, answer in self._answers
            ]
        )

    def _judge(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        answer: NDArray[np.float32] = self._engine.judge(self._engine.extract([window]))[0]
        return answer

    @staticmethod
    def _mean(answers: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        mean: NDArray[np.float32] = np.mean(answers, axis=0)
        return mean


# --- what the voice did -------------------------------------------------------------------------

# At this rate, in Hz, so that recordings compare.
RATE = 16_000
STEP = 160  # samples
LEVEL_FRAME, PITCH_FRAME = 400, 1_024

# Frames within so many dB of the loudest are speech, if they are so many dB above the background.
SPEECH_RANGE, ABOVE = 30.0, 6.0

# In Hz.
PITCH_RANGE = (65.0, 600.0)
SLOPE_RANGE = (125.0, 5_000.0)

# Syllables: peaks of the level, smoothed over so many frames, with dips of so many dB between them.
SMOOTHED, DIP = 5, 1.0

# Fewer frames with a pitch than this, and it is none.
FEWEST_VOICED = 5


@dataclasses.dataclass(frozen=True)
class _Kind:
    unit: str
    decimals: int
    is_ratio: bool = False  # differences are semitones


MEASURES: Mapping[str, _Kind] = MappingProxyType(
    {
        "range of the level": _Kind("dB", 1),
        "level over the background": _Kind("dB", 1),
        "pitch": _Kind("Hz", 0, is_ratio=True),
        "range of the pitch": _Kind("semitones", 1),
        "rate": _Kind("syllables/s", 1),
        "brightness": _Kind("Hz", 0),
        "slope of the spectrum": _Kind("dB/octave", 1),
    }
)
"""What is measured in a voice, with its unit.

``range of the level``
    From the 10th to the 90th percentile of the level of the frames that are speech, which are
    those within 30 dB of the loudest and 6 dB over the quietest tenth.
``level over the background``
    Of the frames that are speech, over that of the quietest tenth of all. How loud somebody spoke
    a recording does not tell, for nobody knows its gain.
``pitch``
    The median of the fundamental frequency, where there is one.
``range of the pitch``
    From its 10th to its 90th percentile.
``rate``
    Peaks of the level that stand out by 1 dB on both sides and have a pitch, which are about the
    syllables, in the time from the first frame that is speech to the last.
``brightness``
    The median of the spectral centroid where there is a pitch.
``slope of the spectrum``
    Of the mean spectrum where there is a pitch, over third octaves from 125 Hz to 5 kHz.
"""


def measure(source: AudioSource) -> dict[str, float | None]:
    """Measure what a voice does.

    Parameters
    ----------
    source
        As for `emotionrecog.audio.load`.

    Returns
    -------
    dict of str to float
        By the names of `MEASURES`; None for what there is none of. Gain changes nothing.

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
    samples, level, is_speech, hertz = _heard(source)
    is_voiced = is_speech & (hertz > 0)
    values: dict[str, float | None] = dict.fromkeys(MEASURES)
    speech = 10 * np.log10(np.mean(10 ** (level[is_speech] / 10)))
    values["range of the level"] = _range(level[is_speech])
    values["level over the background"] = speech - float(np.percentile(level, QUIET))
    first, last = np.flatnonzero(is_speech)[[0, -1]]
    n_syllables = _syllables(level, is_voiced)
    values["rate"] = n_syllables / float((last - first + 1) * STEP / RATE)
    if is_voiced.sum() >= FEWEST_VOICED:
        median = float(np.median(hertz[is_voiced]))
        values["pitch"] = median
        semitones = 12 * np.log2(hertz[is_voiced] / median)
        # What is an octave away is a period taken for two, or for half of one.
        values["range of the pitch"] = _range(semitones[np.abs(semitones) < 11])
        power = frames.power_spectrogram(samples, 512, STEP, LEVEL_FRAME, center=True)[is_voiced]
        bins = np.arange(power.shape[1]) * RATE / 512
        magnitude = np.sqrt(power)
        centroids = frames.centroid(magnitude, frames.total(magnitude), bins)
        values["brightness"] = float(np.median(centroids))
        values["slope of the spectrum"] = _slope(power, bins)
    return values


def _heard(
    source: AudioSource,
) -> tuple[NDArray[np.float32], Array, NDArray[np.bool_], Array]:
    """Return the samples, and of each frame the level in dB, whether it is speech, the pitch."""
    waveform = audio.load(source, sampling_rate=RATE)
    samples = waveform.samples - waveform.samples.mean(dtype=np.float64).astype(np.float32)
    samples = samples / np.abs(samples).max()
    rms = features.rms(y=samples, frame_length=LEVEL_FRAME, hop_length=STEP)[0]
    level = 20 * np.log10(np.maximum(rms.astype(np.float64), 1e-6))
    background = float(np.percentile(level, QUIET))
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
    return samples, level, is_speech, hertz


def _range(values: Array) -> float:
    low, high = np.percentile(values, (10, 90))
    return float(high - low)


def _syllables(level: Array, is_voiced: NDArray[np.bool_]) -> int:
    """Count peaks between dips, after de Jong and Wempe (2009)."""
    window = np.hanning(SMOOTHED + 2)[1:-1]
    padded = np.pad(level, SMOOTHED // 2, "edge")
    smooth = np.convolve(padded, window / window.sum(), "valid")
    count, place, is_rising = 0, 0, True
    highest = lowest = smooth[0]
    for frame, value in enumerate(smooth):
        if is_rising:
            if value > highest:
                highest, place = value, frame
            elif value < highest - DIP:
                count += bool(is_voiced[place])
                is_rising, lowest = False, value
        elif value < lowest:
            lowest = value
        elif value > lowest + DIP:
            is_rising, highest, place = True, value, frame
    if is_rising:
        count += bool(is_voiced[place])
    return count


def _slope(power: NDArray[np.float32], bins: Array) -> float:
    """Fit a line to the mean spectrum over third octaves, in dB per octave."""
    mean = power.mean(axis=0, dtype=np.float64)
    n_bands = round(3 * math.log2(SLOPE_RANGE[1] / SLOPE_RANGE[0]))
    edges = SLOPE_RANGE[0] * 2 ** (np.arange(n_bands + 1) / 3)
    inside = (bins >= edges[:-1, np.newaxis]) & (bins < edges[1:, np.newaxis])
    levels = 10 * np.log10(inside @ mean / inside.sum(axis=1) + np.finfo(np.float64).tiny)
    return float(np.polyfit(np.arange(n_bands) / 3, levels, 1)[0])


@lru_cache(maxsize=1)
def _neutral_speech() -> dict[str, Any]:
    """Read what neutral speech of the corpora is like."""
    text = resources.files("emotionrecog").joinpath("data/neutral.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _compared(
    values: Mapping[str, float | None], own: Sequence[Mapping[str, float | None]], sex: str | None
) -> tuple[Measure, ...]:
    """Put what was measured beside neutral speech: the speaker's own, or that of the corpora."""
    compared = []
    for name, kind in MEASURES.items():
        of_corpora = _neutral_speech()["groups"][sex or "both"][name]
        mean, deviation = of_corpora["mean"], of_corpora["deviation"]
        found = [_scaled(kind, clip[name]) for clip in own if clip[name] is not None]
        if own:
            deviation = of_corpora["within"]  # one speaker differs less from clip to clip
        if found:
            mean = float(np.mean(found))
        value, difference = values[name], None
        if value is not None and (found or not own):
            difference = _scaled(kind, value) - mean
        compared.append(
            Measure(
                name=name,
                unit=kind.unit,
                value=value,
                neutral=2 ** (mean / 12) if kind.is_ratio else mean,
                difference=difference,
                difference_unit="semitones" if kind.is_ratio else kind.unit,
                deviations=None if difference is None else difference / deviation,
            )
        )
    return tuple(compared)


def _scaled(kind: _Kind, value: Any) -> float:
    """Return a measure on the scale that differences are taken on: semitones over 1 Hz."""
    return 12 * math.log2(value) if kind.is_ratio else float(value)


def _reference(own: Sequence[Any], sex: str | None) -> str:
    if own:
        return f"the speaker's own neutral speech ({len(own)} recording{'s' * (len(own) > 1)})"
    return f"neutral speech {_SEXES[sex]}"


def _sentence(one: Measure, reference: str) -> str:
    if one.value is None:
        return f"{one.name}: none could be measured"
    decimals = MEASURES[one.name].decimals
    value = f"{one.name} {one.value:.{decimals}f} {one.unit}"
    if one.difference is None or one.deviations is None:
        return f"{value}: nothing of it in {reference}"
    digits = 1 if one.difference_unit != one.unit else decimals
    side = "above" if one.difference >= 0 else "below"
    return (
        f"{value}: {abs(one.difference):.{digits}f} {one.difference_unit} {side} {reference}, "
        f"{abs(one.deviations):.1f} standard deviations"
    )


# --- whether a map means something --------------------------------------------------------------

# Cells on each side of the squares that structural similarity looks at, and its two constants; and
# how many times their root mean square values may be, for it sees none beyond.
SQUARE = 5
STEADIERS = (0.01, 0.03)
WIDEST = 3.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Similarity:
    """How much two maps are alike.

    Parameters
    ----------
    rank_correlation
        Spearman's, over the cells: 1 if they are in the same order, 0 if one says nothing of the
        other; nan if all cells of a map count the same.
    ssim
        Structural similarity, the mean over squares of 5 cells: 1 if the maps are the same but for
        a factor.
    """

    rank_correlation: float
    ssim: float


def similarity(one: Explanation, other: Explanation) -> Similarity:
    """Compare two maps of one recording.

    Parameters
    ----------
    one, other
        Of one recording, with cells at the same places.

    Raises
    ------
    ValueError
        If the maps have different cells.

    References
    ----------
    Z. Wang et al.: "Image quality assessment: from error visibility to structural similarity",
    IEEE Transactions on Image Processing 13 (4), 2004.

    Examples
    --------
    >>> from emotionrecog import EmotionRecognizer
    >>> recognizer = EmotionRecognizer()
    >>> explanation = recognizer.explain("examples/clip.wav")
    >>> similarity(explanation, explanation)
    Similarity(rank_correlation=1.0, ssim=1.0)
    """
    from scipy.stats import rankdata

    a, b = one.contribution, other.contribution
    if a.shape != b.shape or not np.allclose(one.times, other.times):
        raise ValueError(
            f"expected two maps of one recording, with the same cells, got shapes {a.shape} and "
            f"{b.shape}"
        )
    correlation = math.nan
    if np.ptp(a) > 0 and np.ptp(b) > 0:
        ranks = [rankdata(values) for values in (a, b)]
        correlation = float(np.corrcoef(*ranks)[0, 1])
    return Similarity(rank_correlation=round(correlation, 12), ssim=round(_ssim(a, b), 12))


def _ssim(a: Array, b: Array) -> float:
    a, b = _grey(a), _grey(b)
    size = (min(SQUARE, a.shape[0]), min(SQUARE, a.shape[1]))
    squares = [
        np.lib.stride_tricks.sliding_window_view(v, size).reshape(-1, size[0] * size[1])
        for v in (a, b)
    ]
    means = [square.mean(axis=1) for square in squares]
    variances = [square.var(axis=1) for square in squares]
    covariance = (squares[0] * squares[1]).mean(axis=1) - means[0] * means[1]
    c1, c2 = (constant**2 for constant in STEADIERS)
    alike = (2 * means[0] * means[1] + c1) * (2 * covariance + c2)
    alike /= (means[0] ** 2 + means[1] ** 2 + c1) * (variances[0] + variances[1] + c2)
    return float(alike.mean())


def _grey(values: Array) -> Array:
    """Return a map from 0 to 1, whatever its size: 0.5 where nothing counts."""
    size = max(math.sqrt(np.square(values).mean()), np.finfo(np.float64).tiny)
    return np.clip(values / (2 * WIDEST * size) + 0.5, 0, 1)


def randomised(engine: Engine, *, only_heads: bool = False, seed: int = 0) -> Engine:
    """Return a recogniser whose network has forgotten what it learnt.

    The weights of each layer are put in another order, so that they are as large as before and mean
    nothing. An explanation that comes out the same tells of the recording, and not of the
    recogniser [1]_.

    Parameters
    ----------
    engine
        Stays as it is.
    only_heads
        Leave convolutions as they are, and shuffle all other layers; in a network without any
        convolution, the last layer.
    seed
        Of the order.

    References
    ----------
    .. [1] J. Adebayo et al.: "Sanity checks for saliency maps", NeurIPS 2018.

    Examples
    --------
    >>> from emotionrecog import EmotionRecognizer
    >>> randomised(EmotionRecognizer().engine).artifact.name
    'english-8, randomised'
    """
    import onnx
    from onnx import numpy_helper

    network = onnx.load_model_from_string(engine.artifact.onnx)
    stored = {tensor.name: tensor for tensor in network.graph.initializer}
    layers = [
        (node.op_type, stored[name])
        for node in network.graph.node
        if node.op_type in _WITH_WEIGHTS
        for name in node.input
        if name in stored and sum(size > 1 for size in stored[name].dims) > 1
    ]
    if only_heads:
        others = [layer for layer in layers if layer[0] != "Conv"]
        layers = others if len(others) < len(layers) else layers[-1:]
    rng = np.random.default_rng(seed)
    for _, tensor in layers:
        values = numpy_helper.to_array(tensor)
        shuffled = rng.permutation(values.ravel()).reshape(values.shape)
        tensor.CopyFrom(numpy_helper.from_array(shuffled, tensor.name))
    artifact = engine.artifact
    rate = artifact.features.sampling_rate
    noise = rng.normal(size=(artifact.window_frames - 1) * artifact.features.hop_length)
    outputs = [
        tensor for kind, tensor in layers if kind != "Conv" and len(artifact.labels) in tensor.dims
    ]
    for _ in range(ATTEMPTS):
        forgetful = Engine(
            dataclasses.replace(
                artifact, name=f"{artifact.name}, randomised", onnx=network.SerializeToString()
            )
        )
        # Weights in disorder may make logits so large that an answer is certain whatever is heard.
        if forgetful.probabilities((noise, rate)).max() < UNSURE:
            break
        for tensor in outputs:
            values = numpy_helper.to_array(tensor) / np.float32(SMALLER)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return forgetful


# The last layer of a randomised network is made smaller by a factor until no emotion of a noise has
# this probability, so many times at most.
UNSURE, SMALLER, ATTEMPTS = 0.9, 4, 16

# Operators of ONNX whose inputs are weights. Recurrent layers are loops as well.
_WITH_WEIGHTS = {"Conv", "MatMul", "Gemm", "GRU", "LSTM", "Loop", "Scan"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Deletion:
    """What becomes of an emotion's probability as more and more of a recording is turned down.

    Parameters
    ----------
    shares
        Of the cells of the map that are turned down, from 0 to 1.
    by_map
        The probability when those go first that the map says count most.
    by_energy
        When the loudest go first.
    at_random
        When they go in a random order; the mean of several.
    """

    shares: tuple[float, ...]
    by_map: tuple[float, ...]
    by_energy: tuple[float, ...]
    at_random: tuple[float, ...]


def deletion(
    engine: Engine,
    source: AudioSource,
    explanation: Explanation,
    *,
    shares: Sequence[float] = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5),
    n_random: int = 5,
    seed: int = 0,
) -> Deletion:
    """Check that an answer rests on what its explanation names.

    Parameters
    ----------
    engine, source, explanation
        What `explain` was given, and what it returned.
    shares
        Of the cells that are turned down together, from 0 to 1.
    n_random
        Number of random orders.
    seed
        Of those.

    Raises
    ------
    ValueError
        If the explanation is of another recording, or of an emotion that the recogniser does not
        know; if a share is not from 0 to 1, or `n_random` is not 1 or more.
    """
    if not shares or not all(0 <= share <= 1 for share in shares):
        raise ValueError(f"`shares` must be one or more, each from 0 to 1, got {shares!r}")
    if n_random < 1:
        raise ValueError(f"`n_random` must be 1 or more, got {n_random!r}")
    listener = _Listener(engine, source)
    shape = explanation.contribution.shape
    if explanation.emotion not in engine.labels or not (
        shape == listener.energy.shape and np.allclose(explanation.times, listener.times)
    ):
        raise ValueError(
            "`explanation` must be of this recogniser and this recording, got one of "
            f"{explanation.emotion!r} with cells from {explanation.times[0]:.3f} to "
            f"{explanation.times[-1]:.3f} s"
        )
    number = engine.labels.index(explanation.emotion)

    def probabilities(order: NDArray[np.intp]) -> tuple[float, ...]:
        found = []
        for share in shares:
            mask = np.zeros(order.size, dtype=bool)
            mask[order[: round(share * order.size)]] = True
            answer = listener.answer(mask.reshape(shape) if mask.any() else None)
            found.append(float(answer[number]))
        return tuple(found)

    rng = np.random.default_rng(seed)
    n_cells = listener.energy.size
    by_chance = [probabilities(rng.permutation(n_cells)) for _ in range(n_random)]
    return Deletion(
        shares=tuple(shares),
        by_map=probabilities(np.argsort(-explanation.contribution, axis=None)),
        by_energy=probabilities(np.argsort(-listener.energy, axis=None)),
        at_random=tuple(np.mean(by_chance, axis=0).tolist()),
    )
