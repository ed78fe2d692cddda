"""The engine: decode a recording, cut it into windows, run the network, judge the answer.

Each step is a public method, so that explanations and measurements of a recogniser take the same
steps as a prediction.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, overload

import numpy as np

from emotionrecog import audio
from emotionrecog.errors import AudioError, ModelError, require_one_of, require_share
from emotionrecog.features import Extractor
from emotionrecog.inference.prediction import Prediction
from emotionrecog.inference.reliability import (
    AcousticProfile,
    LabelSets,
    Reference,
    Sound,
    warnings_for,
)
from emotionrecog.inference.session import Session
from emotionrecog.inference.windows import drop_silent, split_windows, trim_silence
from emotionrecog.parallel import read_ahead

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from emotionrecog.artifact import Artifact
    from emotionrecog.audio import AudioSource, Waveform
    from emotionrecog.errors import EmotionRecogError

__all__ = ["Engine", "Recording"]

# Windows that the network judges together: its weights are then fetched once for all of them.
_WINDOWS_TOGETHER = 4

# Sources that `predict_batch` reads ahead for each of its workers, and how many of them it sends
# together: a worker in another process starts the network anew for each lot.
_AHEAD_PER_WORKER = 16
_SENT_TOGETHER = 4


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A decoded recording and the part of it that is judged.

    Parameters
    ----------
    waveform
        The whole recording, at the sampling rate of the features.
    part
        The samples between the silence before and after.
    window_length
        Length of a window in samples.

    Examples
    --------
    >>> from emotionrecog import EmotionRecognizer
    >>> recording = EmotionRecognizer().engine.load("examples/clip.wav")
    >>> len(recording.samples) == recording.part.stop - recording.part.start
    True
    """

    waveform: Waveform
    part: slice
    window_length: int

    @property
    def samples(self) -> NDArray[np.float32]:
        """The samples that are judged, shape (n_samples,)."""
        return self.waveform.samples[self.part]


class Engine:
    """Runs the recogniser in an artefact. One engine may be used from many threads at once.

    Parameters
    ----------
    artifact
        The saved recogniser.

    Raises
    ------
    ModelError
        If ONNX Runtime cannot use the network, or the network or its calibration does not fit the
        artefact.

    Examples
    --------
    >>> from emotionrecog import artifact, pretrained
    >>> engine = Engine(artifact.read(pretrained.fetch("english-8")))
    >>> engine.predict("examples/clip.wav").emotion in engine.labels
    True

    The steps of a prediction, one by one:

    >>> recording = engine.load("examples/clip.wav")
    >>> windows, features = next(engine.windows(recording))
    >>> features.shape == (len(windows), engine.artifact.window_frames, 104)
    True
    >>> engine.judge(features).shape == (len(windows), len(engine.labels))
    True
    """

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self._extract = Extractor(artifact.features)
        self._profile = AcousticProfile(artifact.features)
        self._reference, self._label_sets = _calibration(artifact, self._profile.n_values)
        self._session = Session(artifact)

    def __reduce__(self) -> tuple[type[Self], tuple[Artifact]]:
        """Send the artefact to other processes; the ONNX session cannot travel."""
        return type(self), (self.artifact,)

    def __repr__(self) -> str:
        """Name the recogniser and its labels."""
        return f"{type(self).__name__}({self.artifact.name!r}: {', '.join(self.labels)})"

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions that are distinguished, in the order of the probabilities."""
        return self.artifact.labels

    # The steps ----------------------------------------------------------------------------------

    def load(self, source: AudioSource) -> Recording:
        """Decode a recording and find the part of it that is judged.

        Parameters
        ----------
        source
            A path, the bytes of a file, a binary file object, a `Waveform`, or samples with
            their sampling rate in Hz; see `emotionrecog.audio.load`.

        Raises
        ------
        AudioError
            If the recording cannot be decoded, is silent, damaged, or shorter than the network
            can judge.
        FileNotFoundError
            If there is no such file.

        Examples
        --------
        >>> from emotionrecog import EmotionRecognizer
        >>> recording = EmotionRecognizer().engine.load("examples/clip.wav")
        >>> recording.waveform.sampling_rate
        16000
        """
        waveform = audio.load(source, sampling_rate=self.artifact.features.sampling_rate)
        minimum = self.artifact.minimum_duration
        if waveform.duration < minimum:
            name = "the recording"
            if isinstance(source, str | os.PathLike):
                name = repr(str(Path(source)))
            raise AudioError(
                f"{name}: too short: expected at least {minimum:g} s of audio to judge, "
                f"got {waveform.duration:.3f} s"
            )
        part = trim_silence(waveform.samples, waveform.sampling_rate)
        # As many samples as make the number of frames that the network was trained on.
        length = (self.artifact.window_frames - 1) * self.artifact.features.hop_length
        # Statistics over time are those of the recording alone, without silence around it.
        if self.artifact.features.functionals:
            length = min(length, part.stop - part.start)
        return Recording(waveform, part, length)

    def windows(
        self, recording: Recording
    ) -> Iterator[tuple[list[NDArray[np.float32]], NDArray[np.float32]]]:
        """Yield the windows that are not silent with their features, a few at a time.

        All at once would take much memory.

        Parameters
        ----------
        recording
            The result of `load`.

        Yields
        ------
        list of ndarray of float32, shape (n_samples,)
            Windows.
        ndarray of float32, shape (n_windows, n_frames, n_features)
            Their features, as `extract` returns them.

        Examples
        --------
        >>> from emotionrecog import EmotionRecognizer
        >>> engine = EmotionRecognizer().engine
        >>> windows, features = next(engine.windows(engine.load("examples/clip.wav")))
        >>> len(windows) == len(features)
        True
        """
        windows = drop_silent(split_windows(recording.samples, recording.window_length))
        for first in range(0, len(windows), _WINDOWS_TOGETHER):
            together = windows[first : first + _WINDOWS_TOGETHER]
            yield together, self.extract(together)

    def extract(self, windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the features of windows, shape (n_windows, n_frames, n_features).

        Examples
        --------
        >>> import numpy as np
        >>> from emotionrecog import EmotionRecognizer
        >>> noise = np.random.default_rng(0).normal(size=16000).astype(np.float32)
        >>> EmotionRecognizer().engine.extract([noise, noise]).shape
        (2, 101, 104)
        """
        return np.stack([np.atleast_2d(self._extract(window)) for window in windows])

    def judge(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities of each window, as the network computes them.

        Parameters
        ----------
        features
            Shape (n_windows, n_frames, n_features).

        Returns
        -------
        ndarray of float32, shape (n_windows, n_labels)

        Raises
        ------
        ModelError
            If the network cannot compute them.

        Examples
        --------
        >>> import numpy as np
        >>> from emotionrecog import EmotionRecognizer
        >>> EmotionRecognizer().engine.judge(np.zeros((2, 256, 104), dtype=np.float32)).shape
        (2, 8)
        """
        return self._session.run(features)

    # The answers --------------------------------------------------------------------------------

    def predict(
        self,
        source: AudioSource,
        *,
        min_confidence: float | None = None,
        coverage: float | None = None,
    ) -> Prediction:
        """Name the emotion in a recording.

        Parameters, result and errors are those of `EmotionRecognizer.predict`.

        Examples
        --------
        >>> from emotionrecog import EmotionRecognizer
        >>> engine = EmotionRecognizer().engine
        >>> engine.predict("examples/clip.wav").emotion in engine.labels
        True
        """
        self.validate_threshold(min_confidence, coverage)
        recording = self.load(source)
        answers: list[NDArray[np.float32]] = []
        moments: list[NDArray[np.float64]] = []
        for windows, features in self.windows(recording):
            answers.append(self.judge(features))
            moments += map(self._profile.moments, windows, features)
        probabilities: NDArray[np.float32] = np.concatenate(answers).mean(axis=0)
        best = int(probabilities.argmax())
        confidence = float(probabilities[best])
        sound = self._profile.measure(recording.samples, moments)
        reasons = warnings_for(sound, self._reference)
        if min_confidence is not None and confidence < min_confidence:
            shown = math.floor(1000 * confidence) / 1000  # not rounded up to the requested one
            reasons += (f"confidence {shown:g} is below the requested {min_confidence:g}",)
        label_set = None
        if coverage is not None and self._label_sets is not None:
            label_set = tuple(self.labels[i] for i in self._label_sets.of(probabilities, coverage))
        return Prediction(
            emotion=self.labels[best],
            confidence=confidence,
            probabilities=dict(zip(self.labels, probabilities.tolist(), strict=True)),
            reasons=reasons,
            label_set=label_set,
        )

    def validate_threshold(self, min_confidence: float | None, coverage: float | None) -> None:
        """Validate these arguments of `predict`, whose errors this has.

        Examples
        --------
        >>> from emotionrecog import EmotionRecognizer
        >>> EmotionRecognizer().engine.validate_threshold(0.5, 0.3)
        Traceback (most recent call last):
        ValueError: `coverage` must be a number from 0.5 to 0.99, got 0.3
        """
        if min_confidence is not None:
            require_share("min_confidence", min_confidence)
        if coverage is None:
            return
        if self._label_sets is None:
            raise ModelError(
                f"recogniser {self.artifact.name!r} has no label sets of a stated coverage, "
                "because it has not been calibrated; emotionrecog.training.calibration.calibrate "
                "or `emotionrecog calibrate` does that"
            )
        self._label_sets.limit(coverage)

    def sound(self, source: AudioSource) -> Sound:
        """Measure the properties of a recording that decide whether an answer is reliable.

        Parameters
        ----------
        source
            As for `load`, whose errors it has.

        Examples
        --------
        >>> from emotionrecog import EmotionRecognizer
        >>> round(EmotionRecognizer().engine.sound("examples/clip.wav").duration, 1)
        3.7
        """
        recording = self.load(source)
        moments = [
            self._profile.moments(window, frames)
            for windows, features in self.windows(recording)
            for window, frames in zip(windows, features, strict=True)
        ]
        return self._profile.measure(recording.samples, moments)

    def probabilities(self, source: AudioSource) -> NDArray[np.float32]:
        """Return the probability of each emotion; parameters and errors are those of `load`.

        Returns
        -------
        ndarray of float32, shape (n_labels,)
            In the order of `labels`.

        Examples
        --------
        >>> from emotionrecog import EmotionRecognizer
        >>> EmotionRecognizer().engine.probabilities("examples/clip.wav").shape
        (8,)
        """
        windows = self.windows(self.load(source))
        answers = [self.judge(features) for _, features in windows]
        mean: NDArray[np.float32] = np.concatenate(answers).mean(axis=0)
        return mean

    @overload
    def predict_batch(
        self,
        sources: Iterable[AudioSource],
        *,
        n_jobs: int = ...,
        on_error: Literal["raise"] = ...,
        min_confidence: float | None = ...,
        coverage: float | None = ...,
    ) -> Iterator[Prediction]: ...

    @overload
    def predict_batch(
        self,
        sources: Iterable[AudioSource],
        *,
        n_jobs: int = ...,
        on_error: Literal["keep"],
        min_confidence: float | None = ...,
        coverage: float | None = ...,
    ) -> Iterator[Prediction | EmotionRecogError | OSError]: ...

    def predict_batch(
        self,
        sources: Iterable[AudioSource],
        *,
        n_jobs: int = -1,
        on_error: Literal["raise", "keep"] = "raise",
        min_confidence: float | None = None,
        coverage: float | None = None,
    ) -> Iterator[Prediction | EmotionRecogError | OSError]:
        """Name the emotion in each of many recordings, on many cores.

        Parameters, results and errors are those of `EmotionRecognizer.predict_batch`.

        Examples
        --------
        >>> from emotionrecog import EmotionRecognizer
        >>> engine = EmotionRecognizer().engine
        >>> answers = engine.predict_batch(["examples/clip.wav", "no.wav"], on_error="keep")
        >>> [type(answer).__name__ for answer in answers]
        ['Prediction', 'FileNotFoundError']
        """
        require_one_of("on_error", on_error, ("raise", "keep"))
        if audio.is_one_recording(sources):
            raise ValueError(
                f"`sources` must be several recordings, got a single {type(sources).__name__}; "
                "use `predict` for one"
            )
        self.validate_threshold(min_confidence, coverage)
        predict = functools.partial(self.predict, min_confidence=min_confidence, coverage=coverage)
        answers = read_ahead(
            predict,
            iter(sources),
            n_ahead=_AHEAD_PER_WORKER,
            n_together=_SENT_TOGETHER,
            n_jobs=n_jobs,
        )
        return answers if on_error == "keep" else _raised(answers)


def _raised(
    answers: Generator[Prediction | EmotionRecogError | OSError],
) -> Iterator[Prediction]:
    """Yield the answers, and raise the first error among them."""
    with contextlib.closing(answers):
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
            yield answer


def _calibration(artifact: Artifact, n_values: int) -> tuple[Reference | None, LabelSets | None]:
    """Return the reference and the label sets that the calibration of an artefact holds."""
    stored = artifact.calibration
    reference = label_sets = None
    try:
        if "reference" in stored:
            reference = Reference.from_dict(stored["reference"])
            if len(reference.mean) != n_values:
                raise ValueError(f"`mean` must be {n_values} numbers, got {len(reference.mean)}")
        if "label_sets" in stored:
            label_sets = LabelSets.from_dict(stored["label_sets"])
        return reference, label_sets
    except (ValueError, OverflowError) as error:
        raise ModelError(
            f"the calibration of recogniser {artifact.name!r} is damaged: {error}. "
            "Calibrate, save or fetch the recogniser again"
        ) from error
