"""The facade: one class that gives access to everything; the modules it calls do the work."""

from __future__ import annotations

import os
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, Literal, Protocol, Self, overload

from emotionrecog import artifact as artifacts
from emotionrecog import audio, pretrained
from emotionrecog.artifact import Artifact
from emotionrecog.errors import ModelError
from emotionrecog.features import Extractor, FeatureSpec, as_spec
from emotionrecog.inference import Engine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Unpack

    from emotionrecog.audio import AudioSource
    from emotionrecog.datasets import Utterance
    from emotionrecog.errors import EmotionRecogError
    from emotionrecog.evaluation import Report
    from emotionrecog.features import PresetName
    from emotionrecog.inference import Prediction
    from emotionrecog.inference.attribution import Explanation
    from emotionrecog.inference.reliability import Sound
    from emotionrecog.training import Adaptation, Recipe
    from emotionrecog.training.options import TrainOptions

__all__ = ["EmotionRecognizer"]


class _Measure(Protocol):
    """The signature of `EmotionRecognizer.features`."""

    def __call__(
        self, source: AudioSource, spec: FeatureSpec | PresetName | None = None
    ) -> NDArray[np.float32]: ...


class _Features:
    """A method of the class and of its instances, whose default features differ."""

    def __get__(
        self, recognizer: EmotionRecognizer | None, owner: type[EmotionRecognizer]
    ) -> _Measure:
        default = FeatureSpec() if recognizer is None else recognizer.artifact.features
        return MethodType(_measure, default)


def _measure(
    default: FeatureSpec, source: AudioSource, spec: FeatureSpec | PresetName | None = None
) -> NDArray[np.float32]:
    """Measure the features of a whole recording.

    Parameters
    ----------
    source
        As for `emotionrecog.audio.load`, whose errors this has.
    spec
        The features to measure, or a name in `emotionrecog.features.PRESETS`. The default is the
        input of the recogniser; called on the class, the input of the bundled one.

    Returns
    -------
    ndarray of float32, shape (n_frames, n_features) or, with functionals, (n_features,)
        ``spec.feature_names`` names the columns.

    Raises
    ------
    ValueError
        If there is no preset of that name.

    Examples
    --------
    >>> EmotionRecognizer.features("examples/clip.wav", spec="mel-128x87").shape
    (87, 128)
    >>> EmotionRecognizer().features("examples/clip.wav").shape[1]
    104
    """
    chosen = default if spec is None else as_spec(spec)
    waveform = audio.load(source, sampling_rate=chosen.sampling_rate)
    return Extractor(chosen)(waveform.samples)


class EmotionRecognizer:
    """Names the emotion in a voice.

    Without an argument, this is the recogniser that comes with the package: no network access, no
    TensorFlow. One recogniser may be used from many threads at once.

    Parameters
    ----------
    artifact
        The name of a recogniser, as for `from_pretrained`, or an artefact. To load a recogniser
        from a folder use `load`.

    Attributes
    ----------
    engine : emotionrecog.inference.Engine
        Runs the network; its methods are the steps of a prediction.

    Raises
    ------
    ModelError, DownloadError
        As from `load`, and if the network does not run or does not fit the artefact.
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
            artifact = artifacts.read(pretrained.fetch(artifact))
        if not isinstance(artifact, Artifact):
            raise ValueError(
                f"`artifact` must be a name or an Artifact, got {artifact!r:.60}; to load a "
                "recogniser from a folder use EmotionRecognizer.load"
            )
        self.engine = Engine(artifact)

    def __reduce__(self) -> tuple[type[Self], tuple[Artifact]]:
        """Send the artefact to other processes; the ONNX session cannot travel."""
        return type(self), (self.artifact,)

    def __repr__(self) -> str:
        """Name the recogniser and its labels."""
        return f"{type(self).__name__}({self.artifact.name!r}: {', '.join(self.labels)})"

    @property
    def artifact(self) -> Artifact:
        """The saved recogniser: its labels, features, network, training and metrics."""
        return self.engine.artifact

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions that are distinguished, in the order of the probabilities."""
        return self.artifact.labels

    # Load and save ------------------------------------------------------------------------------

    @staticmethod
    def available() -> tuple[str, ...]:
        """Return the names of the recognisers, as `emotionrecog.pretrained.available` does.

        Examples
        --------
        >>> EmotionRecognizer.available()[0]
        'english-8'
        """
        return pretrained.available()

    @classmethod
    def from_pretrained(cls, name: str, *, offline: bool | None = None) -> Self:
        """Load a recogniser by its name; fetch it first if it is not on this machine.

        Parameters
        ----------
        name
            One of `available`; errors are those of `load`.
        offline
            Whether network access is forbidden; None leaves it to `EMOTIONRECOG_OFFLINE`.

        Examples
        --------
        >>> EmotionRecognizer.from_pretrained("english-8").artifact.name
        'english-8'
        """
        return cls(artifacts.read(pretrained.fetch(name, offline=offline)))

    @classmethod
    def load(cls, folder_or_name: str | os.PathLike[str]) -> Self:
        """Load a saved recogniser from its folder, or one by its name.

        Parameters
        ----------
        folder_or_name
            A name in `emotionrecog.pretrained.available`, or a folder. A str that is a name is
            taken as the name, even if there is a folder called so.

        Raises
        ------
        ModelError
            If it is neither, or the folder's files are missing, damaged or of a newer format.
        DownloadError
            If it is a name and cannot be fetched; see `emotionrecog.pretrained.fetch`.

        Examples
        --------
        >>> EmotionRecognizer.load("english-8").artifact.name
        'english-8'
        """
        if isinstance(folder_or_name, str) and folder_or_name in pretrained.available():
            return cls.from_pretrained(folder_or_name)
        if not Path(folder_or_name).exists():
            raise ModelError(
                f"no recogniser {str(folder_or_name)!r}: expected an existing folder, or one of "
                f"the names {', '.join(pretrained.available())}"
            )
        return cls(artifacts.read(folder_or_name))

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the recogniser to a folder that `load` reads.

        The write is atomic; a recogniser that the folder already holds is replaced.

        Parameters
        ----------
        folder
            The folder to write. Missing parents are created.

        Raises
        ------
        FileExistsError
            If the folder holds anything else.

        Examples
        --------
        >>> EmotionRecognizer().save("mine")  # doctest: +SKIP
        """
        artifacts.write(self.artifact, folder)

    def export(
        self,
        path: str | os.PathLike[str],
        *,
        format: Literal["onnx", "onnx-int8", "keras", "litert"] = "onnx",
    ) -> None:
        """Write the network to one file for other programs.

        Parameters
        ----------
        path, format
            As in `emotionrecog.models.export.export`, which does the work.

        Examples
        --------
        >>> EmotionRecognizer().export("model.onnx")  # doctest: +SKIP
        """
        from emotionrecog.models import export

        export.export(self.artifact, path, format=format)

    # Predict ------------------------------------------------------------------------------------

    def predict(
        self,
        source: AudioSource,
        *,
        min_confidence: float | None = None,
        coverage: float | None = None,
    ) -> Prediction:
        """Name the emotion in a recording.

        The answer does not depend on the level of the recording, nor on silence before and after
        it. The network judges overlapping windows of some seconds, as long as those it was trained
        on; the probabilities of the windows that are not silent are averaged.

        Parameters
        ----------
        source
            A path, the bytes of a file, a binary file object, a `Waveform`, or samples with
            their sampling rate in Hz; see `emotionrecog.audio.load`.
        min_confidence
            From 0 to 1. An answer with a lower confidence is not reliable, and the reasons say so.
        coverage
            From 0.5 to 0.99: how often ``label_set`` is to contain the right emotion, for voices
            that resemble those of the calibration.

        Returns
        -------
        Prediction
            ``emotion`` is the most probable one, even if it is not reliable; ``is_reliable`` and
            ``reasons`` say so.

        Raises
        ------
        AudioError
            If the recording cannot be decoded, is silent, damaged, or shorter than the network
            can judge.
        FileNotFoundError
            If there is no such file.
        ModelError
            If a coverage is requested and the recogniser has not been calibrated.
        ValueError
            If `min_confidence` or `coverage` is out of bounds.

        Examples
        --------
        >>> prediction = EmotionRecognizer().predict("examples/clip.wav", coverage=0.9)
        >>> prediction.emotion == prediction.label_set[0]
        True
        """
        return self.engine.predict(source, min_confidence=min_confidence, coverage=coverage)

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
        min_confidence, coverage
            As for `predict`.

        Yields
        ------
        Prediction, or the exception
            In the order of `sources`.

        Raises
        ------
        ValueError, ModelError
            As from `predict`; if `on_error` is neither of the two, or `sources` is one recording.

        Examples
        --------
        >>> recognizer = EmotionRecognizer()
        >>> answers = recognizer.predict_batch(["examples/clip.wav", "no.wav"], on_error="keep")
        >>> [type(answer).__name__ for answer in answers]
        ['Prediction', 'FileNotFoundError']
        """
        thresholds = {"min_confidence": min_confidence, "coverage": coverage}
        return self.engine.predict_batch(sources, n_jobs=n_jobs, on_error=on_error, **thresholds)

    def probabilities(self, source: AudioSource) -> NDArray[np.float32]:
        """Return the probabilities in the order of `labels`; see `predict` for the parameters.

        Returns
        -------
        ndarray of float32, shape (n_labels,)

        Examples
        --------
        >>> float(EmotionRecognizer().probabilities("examples/clip.wav").sum().round(3))
        1.0
        """
        return self.engine.probabilities(source)

    def sound(self, source: AudioSource) -> Sound:
        """Measure the properties of a recording that decide whether an answer is reliable.

        Parameters
        ----------
        source
            As for `predict`, whose errors it has.

        Examples
        --------
        >>> round(EmotionRecognizer().sound("examples/clip.wav").duration, 1)
        3.7
        """
        return self.engine.sound(source)

    def explain(
        self,
        source: AudioSource,
        emotion: str | None = None,
        *,
        sex: str | None = None,
        neutral: Iterable[AudioSource] = (),
    ) -> Explanation:
        """Find the parts of a recording that an answer rests on, and measure the voice.

        Parameters
        ----------
        source
            As for `predict`, up to 60 s.
        emotion
            The emotion to explain; by default the answer.
        sex, neutral
            What the voice is compared with, as in `emotionrecog.inference.attribution.explain`,
            which does the work.

        Returns
        -------
        Explanation
            ``str(explanation)`` is sentences, ``to_dict()`` numbers, and
            `emotionrecog.plots.explanation` draws it.

        Examples
        --------
        >>> explanation = EmotionRecognizer().explain("examples/clip.wav", "angry")
        >>> explanation.emotion
        'angry'
        """
        from emotionrecog.inference import attribution

        return attribution.explain(self.engine, source, emotion, sex=sex, neutral=neutral)

    features = _Features()

    # Train and measure --------------------------------------------------------------------------

    @staticmethod
    def load_corpus(root: str | os.PathLike[str], name: str | None = None) -> list[Utterance]:
        """Read a corpus, or all in a folder of corpora, from the names of its files.

        Parameters
        ----------
        root
            The folder of a corpus, or one that holds a folder of each; see
            `emotionrecog.datasets.read`, whose errors this has.
        name
            One of `emotionrecog.datasets.CORPORA`, if the folder has another name than the corpus.

        Examples
        --------
        >>> EmotionRecognizer.load_corpus("corpora/savee")  # doctest: +SKIP
        """
        from emotionrecog import datasets

        return datasets.read(root, name)

    @classmethod
    def train(
        cls,
        train_set: Sequence[Utterance],
        validation_set: Sequence[Utterance] | None = None,
        *,
        recipe: Recipe | None = None,
        start: EmotionRecognizer | None = None,
        **options: Unpack[TrainOptions],
    ) -> Self:
        """Train a recogniser; needs TensorFlow.

        The usual choices are options; everything else is in a `recipe`, which excludes the options
        of `emotionrecog.training.options.RecipeOptions`. The default of an option is that of
        `emotionrecog.training.Recipe.of` for the architecture, or that of the training of `start`.

        Parameters
        ----------
        train_set
            Utterances of any corpora; see `load_corpus` and `emotionrecog.datasets`.
        validation_set
            Utterances of other speakers, which decide when to stop. If they are needed and not
            given, speakers of `train_set` are held out.
        recipe
            How to train; the default is the recipe of the recogniser that comes with the package.
        start
            A recogniser to continue from; see `emotionrecog.training.continued`.
        **options
            ``architecture``, ``features``, ``labels``, ``loss``, ``augment``, ``epochs``,
            ``batch_size``, ``learning_rate``, ``patience`` and ``seed`` of a recipe, and ``name``,
            ``test_set``, ``checkpoints`` and others of `emotionrecog.training.train`, which does
            the work; see `emotionrecog.training.options.TrainOptions`.

        Raises
        ------
        ValueError
            If a recipe and options of a recipe are given, or a value is not one of the choices.

        Examples
        --------
        >>> clips = EmotionRecognizer.load_corpus("corpora")  # doctest: +SKIP
        >>> EmotionRecognizer.train(clips, architecture="gru", epochs=3)  # doctest: +SKIP
        """
        from emotionrecog import training
        from emotionrecog.training.options import choose_recipe

        chosen, rest = choose_recipe(options, recipe=recipe, start=start)
        return cls(training.train(train_set, validation_set, recipe=chosen, start=start, **rest))

    def adapt(
        self,
        utterances: Sequence[Utterance],
        held_out: Sequence[Utterance] | None = None,
        *,
        name: str | None = None,
        epochs: int = 30,
        learning_rate: float = 3e-3,
        pull: float = 0.3,
        seed: int = 0,
        n_jobs: int = -1,
    ) -> Adaptation[Self]:
        """Return a recogniser whose last layers are adapted to clips of a user; needs TensorFlow.

        Parameters
        ----------
        utterances
            Ten clips or more, of two emotions or more, such as `emotionrecog.datasets.from_folders`
            returns.
        held_out, name, epochs, learning_rate, pull, seed, n_jobs
            As in `emotionrecog.training.adapt`, which does the work.

        Returns
        -------
        Adaptation
            ``recognizer``, and the metrics ``before`` and ``after`` on the clips held out.

        Examples
        --------
        >>> EmotionRecognizer().adapt(clips).recognizer.save("mine")  # doctest: +SKIP
        """
        from emotionrecog import training

        return training.adapt(
            self,
            utterances,
            held_out,
            name=name,
            epochs=epochs,
            learning_rate=learning_rate,
            pull=pull,
            seed=seed,
            n_jobs=n_jobs,
            build=type(self),
        )

    def evaluate(
        self,
        test_set: Sequence[Utterance],
        *,
        protocol: str | None = None,
        train_set: Sequence[Utterance] = (),
        allow_leakage: bool = False,
        compare_audio: bool = True,
        seed: int = 0,
        n_jobs: int = -1,
    ) -> Report:
        """Measure the recogniser on speakers not seen in training.

        Parameters
        ----------
        test_set
            Utterances of speakers that were not in its training.
        protocol, train_set, allow_leakage, compare_audio, seed, n_jobs
            As in `emotionrecog.evaluation.evaluate`, which does the work.

        Examples
        --------
        >>> clips = EmotionRecognizer.load_corpus("corpora/savee")  # doctest: +SKIP
        >>> print(EmotionRecognizer().evaluate(clips))  # doctest: +SKIP
        """
        from emotionrecog import evaluation

        return evaluation.evaluate(
            self,
            test_set,
            protocol=protocol,
            train_set=train_set,
            allow_leakage=allow_leakage,
            compare_audio=compare_audio,
            seed=seed,
            n_jobs=n_jobs,
        )
