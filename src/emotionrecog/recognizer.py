"""The facade: a recording goes in, the emotion in the voice comes out."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, overload

import numpy as np
import onnxruntime

from emotionrecog import artifact as artifacts
from emotionrecog import audio, models, pretrained
from emotionrecog.artifact import Artifact
from emotionrecog.audio import Waveform
from emotionrecog.errors import AudioError, EmotionRecogError, ModelError
from emotionrecog.features import Extractor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from emotionrecog.audio import AudioSource
    from emotionrecog.datasets import Utterance
    from emotionrecog.evaluation import Report
    from emotionrecog.training import Recipe

__all__ = ["EmotionRecognizer", "Prediction"]

# Windows more than this far below the loudest one hold no voice and have no say.
SILENT_WINDOW_DB = 40.0

# Sources that `predict_batch` reads ahead for each of its workers, and how many of them it sends
# together: a worker in another process starts the network anew for each lot.
_AHEAD_PER_WORKER = 16
_SENT_TOGETHER = 4

# What could be iterated over or look so, and is one recording; so is a file.
_SINGLE_SOURCES = (str, bytes, bytearray, memoryview, os.PathLike, Waveform)


class _ReadOnlyDict(dict[str, float]):
    """A dictionary that cannot be changed; JSON, copy and pickle take it for what it is."""

    def _refuse(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError("the probabilities of a prediction are read-only; dict(...) makes a copy")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[Self], tuple[dict[str, float]]]:
        return type(self), (dict(self),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a recogniser heard.

    Parameters
    ----------
    emotion
        The most probable emotion.
    confidence
        Its probability, from 0 to 1.
    probabilities
        The probability of each emotion, in the order of the recogniser's labels. Read-only.

    Examples
    --------
    >>> import json
    >>> prediction = Prediction(
    ...     emotion="sad", confidence=0.75, probabilities={"neutral": 0.25, "sad": 0.75}
    ... )
    >>> json.dumps(prediction.to_dict())
    '{"emotion": "sad", "confidence": 0.75, "probabilities": {"neutral": 0.25, "sad": 0.75}}'
    """

    emotion: str
    confidence: float
    probabilities: Mapping[str, float]

    def __post_init__(self) -> None:
        """Freeze the probabilities."""
        object.__setattr__(self, "probabilities", _ReadOnlyDict(self.probabilities))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields under their names, ready for JSON."""
        return {
            "emotion": self.emotion,
            "confidence": self.confidence,
            "probabilities": dict(self.probabilities),
        }


class EmotionRecognizer:
    """Names the emotion in a voice.

    Without an argument, the recogniser that comes with the package: no network access, no
    TensorFlow. One recogniser may be used from many threads at once.

    Parameters
    ----------
    artifact
        What to recognise with: a name out of `available`, as for `from_pretrained`, or an
        artefact. For the folder of a saved recogniser use `load`.

    Raises
    ------
    ModelError
        If there is none of that name, ONNX Runtime cannot use the network, or the network is not
        what the artefact says.
    DownloadError
        If a recogniser of that name must be fetched and cannot be.
    ValueError
        If `artifact` is something else.

    Examples
    --------
    >>> import numpy as np
    >>> recognizer = EmotionRecognizer()
    >>> recognizer.labels
    ('neutral', 'calm', 'happy', 'sad', 'angry', 'fearful', 'disgust', 'surprised')
    >>> hum = np.sin(2 * np.pi * 150 * np.arange(16000) / 16000)
    >>> prediction = recognizer.predict((hum, 16000))
    >>> prediction.emotion in recognizer.labels
    True
    """

    def __init__(self, artifact: str | Artifact | None = None) -> None:
        if artifact is None:
            artifact = pretrained.DEFAULT
        if isinstance(artifact, str):
            artifact = artifacts.read(pretrained.folder(artifact))
        if not isinstance(artifact, Artifact):
            raise ValueError(
                f"`artifact` must be a name or an Artifact, got {artifact!r:.60}; to load a "
                "recogniser from a folder use EmotionRecognizer.load"
            )
        self.artifact = artifact
        self._extract = Extractor(self.artifact.features)
        self._session = _start(self.artifact)

    def __reduce__(self) -> tuple[type[Self], tuple[Artifact]]:
        """Send the artefact to other processes; the ONNX session cannot travel."""
        return type(self), (self.artifact,)

    def __repr__(self) -> str:
        """Name the recogniser and what it answers."""
        return f"EmotionRecognizer({self.artifact.name!r}: {', '.join(self.labels)})"

    @staticmethod
    def available() -> tuple[str, ...]:
        """Return the names of the recognisers, as `emotionrecog.pretrained.available` does."""
        return pretrained.available()

    @classmethod
    def from_pretrained(cls, name: str, *, offline: bool | None = None) -> Self:
        """Load a recogniser by its name; one that is not here is fetched first, once.

        Parameters
        ----------
        name
            One of `available`.
        offline
            Whether the network may not be asked; None leaves it to `EMOTIONRECOG_OFFLINE`.

        Raises
        ------
        ModelError
            If there is none of that name, or it is damaged or of a newer format.
        DownloadError
            If it is not here and cannot be fetched; see `emotionrecog.pretrained.folder`.

        Examples
        --------
        >>> EmotionRecognizer.from_pretrained("english-8").artifact.name
        'english-8'
        """
        return cls(artifacts.read(pretrained.folder(name, offline=offline)))

    @classmethod
    def load(cls, folder_or_name: str | os.PathLike[str]) -> Self:
        """Load a recogniser that was saved, or one by its name.

        Parameters
        ----------
        folder_or_name
            A name out of `emotionrecog.pretrained.available`, or a folder. A str that is a name
            is taken for one, even where there is a folder called so.

        Raises
        ------
        ModelError
            If it is neither, or the folder's files are missing, damaged or of a newer format.
        DownloadError
            If it is a name, is not here and cannot be fetched.
        """
        if isinstance(folder_or_name, str) and folder_or_name in pretrained.available():
            return cls.from_pretrained(folder_or_name)
        if not Path(folder_or_name).exists():
            raise ModelError(
                f"no recogniser {str(folder_or_name)!r}: expected an existing folder, or one of "
                f"the names {', '.join(pretrained.available())}"
            )
        return cls(artifacts.read(folder_or_name))

    @classmethod
    def train(
        cls, train_set: Sequence[Utterance], *, recipe: Recipe | None = None, **options: Any
    ) -> EmotionRecognizer:
        """Train a recogniser; needs TensorFlow.

        Parameters
        ----------
        train_set
            Utterances of any corpora; see `emotionrecog.datasets`.
        recipe
            How to train; the default is that of the recogniser that comes with the package.
        **options
            As in `emotionrecog.training.train`, which does the work.
        """
        models.require_tensorflow()
        from emotionrecog import training

        return training.train(train_set, recipe=recipe, **options)

    def evaluate(self, test_set: Sequence[Utterance], **options: Any) -> Report:
        """Measure the recogniser on speakers it never heard.

        Parameters
        ----------
        test_set
            Utterances of speakers that were not in its training.
        **options
            As in `emotionrecog.evaluation.evaluate`, which does the work.
        """
        from emotionrecog import evaluation

        return evaluation.evaluate(self, test_set, **options)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the recogniser to a folder that `load` reads.

        The folder appears complete or not at all; a recogniser already there is replaced.

        Parameters
        ----------
        folder
            Where to. Its parents are made.

        Raises
        ------
        FileExistsError
            If the folder holds anything else.
        """
        artifacts.write(self.artifact, folder)

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions that are told apart, in the order of the probabilities."""
        return self.artifact.labels

    def predict(self, source: AudioSource) -> Prediction:
        """Name the emotion in a recording.

        The answer does not depend on the level of the recording. It is judged in
        overlapping windows of some seconds, as long as those that the network was trained on, and
        the probabilities of the windows that are not silent are averaged.

        Parameters
        ----------
        source
            A path, the bytes of a file, a binary file object, a `Waveform`, or samples with
            their sampling rate in Hz; see `emotionrecog.audio.load`.

        Returns
        -------
        Prediction

        Raises
        ------
        AudioError
            If the recording cannot be decoded, is silent, damaged, or shorter than the network
            can judge.
        FileNotFoundError
            If there is no such file.
        """
        probabilities = self.probabilities(source)
        best = int(probabilities.argmax())
        return Prediction(
            emotion=self.labels[best],
            confidence=float(probabilities[best]),
            probabilities=dict(zip(self.labels, probabilities.tolist(), strict=True)),
        )

    @overload
    def predict_batch(
        self,
        sources: Iterable[AudioSource],
        *,
        n_jobs: int = ...,
        on_error: Literal["raise"] = ...,
    ) -> Iterator[Prediction]: ...

    @overload
    def predict_batch(
        self,
        sources: Iterable[AudioSource],
        *,
        n_jobs: int = ...,
        on_error: Literal["keep"],
    ) -> Iterator[Prediction | EmotionRecogError | OSError]: ...

    def predict_batch(
        self,
        sources: Iterable[AudioSource],
        *,
        n_jobs: int = -1,
        on_error: Literal["raise", "keep"] = "raise",
    ) -> Iterator[Prediction | EmotionRecogError | OSError]:
        """Name the emotion in many recordings, one after the other, on many cores.

        Parameters
        ----------
        sources
            Anything `predict` takes. Read lazily, at most 16 ahead for each worker.
        n_jobs
            Number of workers, as joblib counts them: -1 for one on each core. They are threads,
            unless ``joblib.parallel_config`` says otherwise.
        on_error
            ``"raise"`` stops at the first recording that cannot be judged; ``"keep"`` yields the
            exception in its place and goes on.

        Yields
        ------
        Prediction, or the exception
            In the order of `sources`.

        Raises
        ------
        ValueError
            If `on_error` is neither of the two, or `sources` is a single recording.

        Examples
        --------
        >>> recognizer = EmotionRecognizer()
        >>> answers = recognizer.predict_batch(["examples/clip.wav", "no.wav"], on_error="keep")
        >>> [type(answer).__name__ for answer in answers]
        ['Prediction', 'FileNotFoundError']
        """
        if on_error not in ("raise", "keep"):
            raise ValueError(f"`on_error` must be 'raise' or 'keep', got {on_error!r}")
        if isinstance(sources, _SINGLE_SOURCES) or hasattr(sources, "read"):
            raise ValueError(
                f"`sources` must be several recordings, got a single {type(sources).__name__}; "
                "use `predict` for one"
            )
        return self._predict_in_order(iter(sources), n_jobs, on_error == "keep")

    def _predict_in_order(
        self, sources: Iterator[AudioSource], n_jobs: int, keep: bool
    ) -> Iterator[Prediction | EmotionRecogError | OSError]:
        import joblib

        # Lists rather than joblib's generators: those warn whoever stops early, and Ray has none.
        with joblib.Parallel(
            n_jobs=n_jobs, prefer="threads", batch_size=_SENT_TOGETHER, pre_dispatch="all"
        ) as parallel:
            ahead = _AHEAD_PER_WORKER * joblib.effective_n_jobs(n_jobs)
            while chunk := list(itertools.islice(sources, ahead)):
                for answer in parallel(joblib.delayed(self._attempt)(s) for s in chunk):
                    if isinstance(answer, Exception) and not keep:
                        raise answer
                    yield answer

    def _attempt(self, source: AudioSource) -> Prediction | EmotionRecogError | OSError:
        try:
            return self.predict(source)
        except (EmotionRecogError, OSError) as error:
            # The frames of the traceback would keep the samples in memory as long as the error.
            return error.with_traceback(None)

    def probabilities(self, source: AudioSource) -> NDArray[np.float32]:
        """Return the probability of each emotion; parameters and errors are those of `predict`.

        Returns
        -------
        ndarray of float32, shape (n_labels,)
            In the order of `labels`.
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
        # As many samples as make the number of frames that the network was trained on.
        length = (self.artifact.window_frames - 1) * self.artifact.features.hop_length
        # Statistics over time are those of the recording alone, without silence around it.
        if self.artifact.features.functionals:
            length = min(length, len(waveform.samples))
        windows = _audible(_cut(waveform.samples, length))
        # One at a time: together they would take longer, and an hour of them much memory.
        answers = [
            self._session.run(None, {"features": np.atleast_2d(self._extract(window))[np.newaxis]})
            for window in windows
        ]
        mean: NDArray[np.float32] = np.concatenate([answer[0] for answer in answers]).mean(axis=0)
        return mean


def _start(artifact: Artifact) -> onnxruntime.InferenceSession:
    """Start the network of an artefact, once it is sure that it answers what the artefact says."""
    options = onnxruntime.SessionOptions()
    # One thread a call: batches run many calls side by side, and one call takes milliseconds.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            artifact.onnx, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime has no public base class of its errors
        raise ModelError(
            f"ONNX Runtime cannot use the network of recogniser {artifact.name!r}: {error}. "
            "Save or fetch the recogniser again"
        ) from error
    inputs = [(node.name, node.shape[-1:]) for node in session.get_inputs()]
    outputs = [node.shape[-1:] for node in session.get_outputs()]
    n_features, n_labels = len(artifact.features.feature_names), len(artifact.labels)
    if inputs != [("features", [n_features])] or outputs != [[n_labels]]:
        raise ModelError(
            f"the network of recogniser {artifact.name!r} is not the one described beside it: "
            f"expected an input 'features' of {n_features} values a frame and {n_labels} "
            f"probabilities, found inputs {inputs} and outputs {outputs}. "
            "Save or fetch the recogniser again"
        )
    return session


def surround(samples: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Put as much silence around samples as makes `length` of them; none if there are as many."""
    spare = length - len(samples)
    if spare <= 0:
        return samples
    # Without its mean, for a constant offset would end in a step that can be heard.
    return np.pad(samples - samples.mean(), (spare // 2, spare - spare // 2))


def _cut(samples: NDArray[np.float32], length: int) -> list[NDArray[np.float32]]:
    """Cut a recording into windows that half overlap, or surround a short one with silence."""
    spare = length - len(samples)
    if spare >= 0:
        return [surround(samples, length)]
    count = 1 + math.ceil(-spare / (length / 2))
    starts = np.linspace(0, -spare, count).round().astype(int)
    return [samples[start : start + length] for start in starts]


def _audible(windows: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Leave out the windows that are silent beside the loudest."""
    power = np.array([window.var() for window in windows])
    return list(itertools.compress(windows, power >= power.max() * 10 ** (-SILENT_WINDOW_DB / 10)))
