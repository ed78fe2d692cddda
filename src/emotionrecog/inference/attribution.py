"""Explain an answer: which parts of a recording it rests on, and how the voice sounds.

`explain` turns parts of a recording down, one after the other, and observes how the answer changes.
Beside that stand the measures of `emotionrecog.inference.acoustics`. Whether a map depends
on the trained weights is checked in `emotionrecog.inference.sanity`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # which loads scipy.fft when it is first used: that takes 0.3 s

from emotionrecog import audio
from emotionrecog.errors import AudioError, require_one_of
from emotionrecog.features import frames
from emotionrecog.inference import acoustics
from emotionrecog.inference.windows import drop_silent, pad_with_silence, split_windows, starts
from emotionrecog.text import percent, rounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from emotionrecog.audio import AudioSource
    from emotionrecog.inference.acoustics import Measure
    from emotionrecog.inference.engine import Engine

    Array = NDArray[np.float64]
    Mask = NDArray[np.bool_]  # shape (n_bands, n_cells)

__all__ = ["Explanation", "MaskedRecording", "Part", "explain"]

# Of the map. Cells are as long as a short syllable or longer; a patch is two of them.
SHORTEST_CELL = 0.125  # s
MAX_CELLS, MIN_CELLS = 32, 4
N_BANDS = 8

# Longer recordings would have cells longer than words, and take long; in s.
LONGEST = 60.0

# A part of the voice is turned down to the level of the quietest tenth of the recording, and by
# 60 dB at most, so that the level of the recording is still defined.
QUIETEST_PERCENTILE = acoustics.BACKGROUND_PERCENTILE
LEAST_GAIN = 1e-3

# Length of the short-time spectra in which it is turned down, in s; and the sum of the squares of
# Hann windows that are a quarter of their length apart.
FRAME = 0.032
OVERLAP = 1.5

# Log-odds of probabilities nearer to 0 and 1 than this are meaningless.
CERTAIN = 1e-6

# Neighbouring cells that contribute at least this share of the largest contribution belong to the
# same part.
STRETCH = 0.5

# Parts that speak against the emotion are named if they change the log-odds by as much.
NAMED = 0.1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a recording, and the probability of the emotion without it.

    Parameters
    ----------
    start, end
        Times in s from the beginning of the recording.
    low, high
        Frequencies in Hz.
    probability
        Probability of the explained emotion with this part turned down.

    Examples
    --------
    >>> part = Part(start=0.0, end=0.5, low=0.0, high=8000.0, probability=0.25)
    >>> part.end - part.start
    0.5
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
        The name of the recogniser.
    emotion
        The explained emotion.
    probabilities
        The probability of each emotion.
    duration
        Duration of the recording in s.
    times : ndarray, shape (n_cells + 1,)
        Edges of the cells of the map in time, in s from the beginning of the recording. Silence at
        its ends is not part of the map.
    frequencies : ndarray, shape (n_bands + 1,)
        Edges of its bands, in Hz.
    contribution : ndarray, shape (n_bands, n_cells)
        How far the log-odds of the emotion fall without the cell: above zero if the cell speaks for
        the emotion. Each value is the mean of the patches that cover the cell.
    over_time : ndarray, shape (n_cells,)
        The same without all frequencies of the cells.
    over_frequency : ndarray, shape (n_bands,)
        The same without the whole band.
    parts : tuple of Part
        The stretch and the band that speak most for the emotion, then those that speak most against
        it, if there are any.
    voice : tuple of Measure
        The measures of the voice.
    reference : str
        The neutral speech that they are compared with.

    Examples
    --------
    >>> from emotionrecog import EmotionRecognizer
    >>> explanation = EmotionRecognizer().explain("examples/clip.wav", "angry")
    >>> explanation.sentences[0]
    'angry has 67 %'
    >>> explanation.parts[0].probability < explanation.probabilities["angry"]
    True
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
        """The findings in plain words: the parts that contribute, and the voice."""
        before = self.probabilities[self.emotion]
        lines = [f"{self.emotion} has {percent(before, digits=0)} %"]
        for part in self.parts:
            where = f"without {part.start:.2f} to {part.end:.2f} s"
            if (part.start, part.end) == (self.times[0], self.times[-1]):
                where = f"without {part.low:.0f} to {part.high:.0f} Hz"
            lines.append(f"{where} it would have {percent(part.probability, digits=0)} %")
        return (*lines, *(one.sentence(self.reference) for one in self.voice))

    def __str__(self) -> str:
        """Return the sentences, one a line."""
        return "\n".join(self.sentences)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers, rounded to four decimals, and the sentences, ready for JSON.

        Examples
        --------
        >>> from emotionrecog import EmotionRecognizer
        >>> EmotionRecognizer().explain("examples/clip.wav").to_dict()["recognizer"]
        'english-8'
        """
        fields: dict[str, Any] = rounded(dataclasses.asdict(self), digits=4)
        return {**fields, "sentences": list(self.sentences)}


def explain(
    engine: Engine,
    source: AudioSource,
    emotion: str | None = None,
    *,
    sex: str | None = None,
    neutral: Iterable[AudioSource] = (),
) -> Explanation:
    """Find the parts of a recording that an answer rests on, and measure the voice.

    Patches of the recording, a quarter of a second or longer and an eighth of the mel scale high,
    are turned down one after the other to the level of its quietest tenth, as if the voice paused;
    then the network judges the recording as any other. A patch speaks for the emotion as much as
    the log-odds of the emotion fall without it. Nothing is random. It takes about 250 predictions.

    Parameters
    ----------
    engine
        The engine of the recogniser, such as ``EmotionRecognizer().engine``.
    source
        As for `EmotionRecognizer.predict`, up to 60 s.
    emotion
        One of the recogniser's labels; by default its answer.
    sex
        ``"female"`` or ``"male"``: compare the voice with neutral speech of women or of men. By
        default with that of both, beside which the pitch means little.
    neutral
        Neutral recordings of the same speaker, ideally with the same microphone, to compare the
        voice with instead. One is enough, several are better.

    Returns
    -------
    Explanation

    Raises
    ------
    AudioError
        As from `EmotionRecognizer.predict`, and if the recording is longer than 60 s.
    ValueError
        If the recogniser has no such emotion, or `sex` is none of those or is combined with
        `neutral`.

    See Also
    --------
    emotionrecog.plots.explanation : Draw the explanation.
    emotionrecog.inference.sanity : Check that a map depends on the trained weights.

    Examples
    --------
    >>> from emotionrecog import EmotionRecognizer
    >>> explanation = explain(EmotionRecognizer().engine, "examples/clip.wav")
    >>> explanation.contribution.shape == (8, len(explanation.times) - 1)
    True
    >>> [one.name for one in explanation.voice][2:4]
    ['pitch', 'range of the pitch']
    """
    if emotion is not None:
        require_one_of("emotion", emotion, engine.labels)
    require_one_of("sex", sex, ("female", "male", None))
    if audio.is_one_recording(neutral):
        raise ValueError(
            f"`neutral` must be a list of recordings, got a single {type(neutral).__name__}; "
            "put it into a list"
        )
    neutral_measures = [acoustics.measure(clip) for clip in neutral]
    if neutral_measures and sex is not None:
        raise ValueError(
            "`neutral` recordings are of the same speaker, so that `sex` adds nothing; "
            "pass one of the two"
        )
    recording = MaskedRecording(engine, source)
    probabilities = recording.probabilities()
    number = int(probabilities.argmax()) if emotion is None else engine.labels.index(emotion)
    contribution, over_time, over_frequency = _contributions(recording, number)
    voice = acoustics.measure(recording.waveform)
    return Explanation(
        recognizer=engine.artifact.name,
        emotion=engine.labels[number],
        probabilities=dict(zip(engine.labels, probabilities.tolist(), strict=True)),
        duration=recording.waveform.duration,
        times=recording.times,
        frequencies=recording.frequencies,
        contribution=contribution,
        over_time=over_time,
        over_frequency=over_frequency,
        parts=_parts(recording, number, over_time, over_frequency),
        voice=acoustics.compare(voice, neutral_measures, sex=sex),
        reference=acoustics.reference(len(neutral_measures), sex=sex),
    )


def _contributions(recording: MaskedRecording, number: int) -> tuple[Array, Array, Array]:
    """Return how far the log-odds of an emotion fall without cells, stretches and bands."""
    before = _log_odds(recording.probabilities()[number])

    def fall(bands: int | slice, cells: slice) -> float:
        mask = recording.mask(bands, cells)
        return before - _log_odds(recording.probabilities(mask)[number])

    everything = slice(None)
    patches = [slice(first, first + 2) for first in range(recording.n_cells - 1)]
    by_patch = np.array(
        [[fall(bands, patch) for patch in patches] for bands in (*range(N_BANDS), everything)]
    )
    cells = np.arange(recording.n_cells)
    covering = np.array([(cells >= patch.start) & (cells < patch.stop) for patch in patches])
    by_cell = by_patch @ covering / covering.sum(axis=0)
    over_frequency = np.array([fall(band, everything) for band in range(N_BANDS)])
    return by_cell[:-1], by_cell[-1], over_frequency


def _parts(
    recording: MaskedRecording, number: int, over_time: Array, over_frequency: Array
) -> tuple[Part, ...]:
    """Return the stretch and the band that speak for an emotion, then those against it."""
    everything = slice(None)
    parts = []
    for sign in (1.0, -1.0):
        for values, is_stretch in ((over_time, True), (over_frequency, False)):
            if sign < 0 and -values.min() < NAMED:
                continue
            place = _neighbours(sign * values)
            mask = recording.mask(*((everything, place) if is_stretch else (place, everything)))
            parts.append(recording.part(mask, float(recording.probabilities(mask)[number])))
    return tuple(parts)


def _log_odds(probability: float) -> float:
    p = min(max(float(probability), CERTAIN), 1 - CERTAIN)
    return math.log(p / (1 - p))


def _neighbours(values: Array) -> slice:
    """Return the place of the largest value with the large ones beside it."""
    best = int(values.argmax())
    is_large = values >= STRETCH * values[best] if values[best] > 0 else values == values[best]
    first, end = best, best + 1
    while first > 0 and is_large[first - 1]:
        first -= 1
    while end < len(values) and is_large[end]:
        end += 1
    return slice(first, end)


class MaskedRecording:
    """Judges a recording with parts of it turned down.

    Parameters
    ----------
    engine
        The engine of the recogniser.
    source
        As for `EmotionRecognizer.predict`, up to 60 s.

    Attributes
    ----------
    waveform
        The whole recording.
    times, frequencies
        As in `Explanation`.
    n_cells
        Number of cells in time.
    energy : ndarray, shape (n_bands, n_cells)
        Sum of the squared magnitudes in each cell.

    Raises
    ------
    AudioError
        As from `EmotionRecognizer.predict`, and if the recording is longer than 60 s.

    Examples
    --------
    >>> from emotionrecog import EmotionRecognizer
    >>> recording = MaskedRecording(EmotionRecognizer().engine, "examples/clip.wav")
    >>> mask = recording.mask(slice(None), slice(0, 4))  # all bands of the first four cells
    >>> recording.probabilities(mask).shape
    (8,)
    """

    def __init__(self, engine: Engine, source: AudioSource) -> None:
        recording = engine.load(source)
        self.waveform = recording.waveform
        if self.waveform.duration > LONGEST:
            raise AudioError(
                f"too long to explain: expected at most {LONGEST:g} s of audio, got "
                f"{self.waveform.duration:.1f} s; cut out the part to explain"
            )
        self._engine, self._samples = engine, recording.samples
        self._window_length = recording.window_length
        n_samples, rate = len(self._samples), self.waveform.sampling_rate
        windows = split_windows(self._samples, self._window_length)
        judged = {id(window) for window in drop_silent(windows)}
        self._answers = [
            (start, self._judge(window))
            for start, window in zip(starts(n_samples, self._window_length), windows, strict=True)
            if id(window) in judged
        ]

        self._n_fft = 1 << math.ceil(math.log2(FRAME * rate))
        self._hop = self._n_fft // 4
        padded = np.pad(self._samples, self._n_fft)
        self._spectrum = frames.stft(padded, self._n_fft, self._hop, self._n_fft, center=False)
        magnitude = np.abs(self._spectrum)
        middles = np.arange(len(magnitude)) * self._hop - self._n_fft / 2
        self._loss = _loss(magnitude, (middles >= 0) & (middles < n_samples))

        self.n_cells = max(MIN_CELLS, min(MAX_CELLS, int(n_samples / rate / SHORTEST_CELL)))
        edges = np.linspace(0, n_samples, self.n_cells + 1)
        self.times = (recording.part.start + edges) / rate
        top = 2595 * math.log10(1 + rate / 2 / 700)  # on the mel scale of HTK
        self.frequencies = 700 * (10 ** (np.linspace(0, top, N_BANDS + 1) / 2595) - 1)
        self._cell_of_frame = np.clip(np.digitize(middles, edges) - 1, 0, self.n_cells - 1)
        bins = np.arange(magnitude.shape[1]) * rate / self._n_fft
        self._band_of_bin = np.clip(np.digitize(bins, self.frequencies) - 1, 0, N_BANDS - 1)
        self.energy = np.zeros((N_BANDS, self.n_cells))
        cell_of_value = (self._band_of_bin, self._cell_of_frame[:, np.newaxis])
        np.add.at(self.energy, cell_of_value, np.square(magnitude))

    def mask(self, bands: int | slice, cells: int | slice) -> Mask:
        """Return a mask of the cells in some bands, shape (n_bands, n_cells).

        Examples
        --------
        >>> from emotionrecog import EmotionRecognizer
        >>> recording = MaskedRecording(EmotionRecognizer().engine, "examples/clip.wav")
        >>> int(recording.mask(0, slice(0, 4)).sum())
        4
        """
        mask = np.zeros(self.energy.shape, dtype=bool)
        mask[bands, cells] = True
        return mask

    def part(self, mask: Mask, probability: float) -> Part:
        """Describe the part that a mask of neighbouring cells covers.

        Examples
        --------
        >>> from emotionrecog import EmotionRecognizer
        >>> recording = MaskedRecording(EmotionRecognizer().engine, "examples/clip.wav")
        >>> recording.part(recording.mask(0, slice(None)), 0.25).low
        0.0
        """
        bands, cells = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        return Part(
            start=float(self.times[cells[0]]),
            end=float(self.times[cells[-1] + 1]),
            low=float(self.frequencies[bands[0]]),
            high=float(self.frequencies[bands[-1] + 1]),
            probability=probability,
        )

    def probabilities(self, mask: Mask | None = None) -> NDArray[np.float32]:
        """Return the probability of each emotion without the part that the mask covers.

        Examples
        --------
        >>> from emotionrecog import EmotionRecognizer
        >>> recording = MaskedRecording(EmotionRecognizer().engine, "examples/clip.wav")
        >>> recording.probabilities(recording.mask(0, slice(None))).shape
        (8,)
        """
        if mask is None:
            return self._mean([answer for _, answer in self._answers])
        touched = np.flatnonzero(np.isin(self._cell_of_frame, np.flatnonzero(mask.any(axis=0))))
        if not len(touched):  # of a sound that is shorter than its cells
            return self.probabilities()
        samples, begin, end = self._without(mask, touched)
        length = self._window_length
        return self._mean(
            [
                self._judge(pad_with_silence(samples[start : start + length], length))
                if start < end and begin < start + length
                else answer
                for start, answer in self._answers
            ]
        )

    def _without(
        self, mask: Mask, touched: NDArray[np.intp]
    ) -> tuple[NDArray[np.float32], int, int]:
        """Return the samples without a part, and the first and last of those that changed."""
        is_masked = mask[:, self._cell_of_frame[touched]].T[:, self._band_of_bin]
        lost = scipy.fft.irfft(
            np.where(is_masked, self._spectrum[touched] * self._loss[touched], 0),
            self._n_fft,
            axis=1,
        ).astype(np.float32)
        lost *= frames.hann(self._n_fft, self._n_fft) / np.float32(OVERLAP)
        first, last = int(touched[0]) * self._hop, int(touched[-1]) * self._hop + self._n_fft
        removed = np.zeros(last - first, dtype=np.float32)
        for place, frame in zip(touched * self._hop - first, lost, strict=True):
            removed[place : place + self._n_fft] += frame
        first, last = first - self._n_fft, last - self._n_fft  # in the samples, without padding
        begin, end = max(first, 0), min(last, len(self._samples))
        samples = self._samples.copy()
        samples[begin:end] -= removed[begin - first : end - first]
        return samples, begin, end

    def _judge(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        answer: NDArray[np.float32] = self._engine.judge(self._engine.extract([window]))[0]
        return answer

    @staticmethod
    def _mean(answers: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        mean: NDArray[np.float32] = np.mean(answers, axis=0)
        return mean


def _loss(magnitude: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the share of each value to remove, so that only the background is left.

    Nothing is removed of values quieter than the background.
    """
    whole = magnitude[inside] if inside.any() else magnitude
    background = np.percentile(whole, QUIETEST_PERCENTILE, axis=0)
    background = np.maximum(background, np.finfo(np.float32).tiny)
    loss: NDArray[np.float32] = 1 - np.maximum(
        background / np.maximum(magnitude, background), LEAST_GAIN
    )
    return loss
