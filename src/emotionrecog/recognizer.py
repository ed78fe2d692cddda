"""The facade: one class through which everything is reached; the work is done elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, overload

import numpy as np

from emotionrecog import artifact as artifacts
from emotionrecog import audio, pretrained
from emotionrecog.artifact import Artifact
from emotionrecog.errors import EmotionRecogError, ModelError
from emotionrecog.features import Extractor, FeatureSpec, as_spec
from emotionrecog.inference import Engine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import tensorflow as tf
    from numpy.typing import NDArray

    from emotionrecog.audio import AudioSource
    from emotionrecog.augmentation import Chain, SpectrogramAugmentation
    from emotionrecog.datasets import Utterance
    from emotionrecog.evaluation import Report
    from emotionrecog.inference import Prediction
    from emotionrecog.inference.explanation import Explanation
    from emotionrecog.inference.reliability import Sound
    from emotionrecog.training import Adaptation, Recipe

__all__ = ["EmotionRecognizer"]


class _Measure(Protocol):
    """What `EmotionRecognizer.features` is called like."""

    def __call__(
        self, source: AudioSource, spec: FeatureSpec | str | None = None
    ) -> NDArray[np.float32]: ...


class _Features:
    """A method of the class as well as of a recogniser, whose own features it then measures."""

    def __get__(
        self, recognizer: EmotionRecognizer | None, owner: type[EmotionRecognizer]
    ) -> _Measure:
        own = FeatureSpec() if recognizer is None else recognizer.artifact.features
        return MethodType(_measure, own)


def _measure(
    own: FeatureSpec, source: AudioSource, spec: FeatureSpec | str | None = None
) -> NDArray[np.float32]:
    """Measure the features of a recording, as a whole.

    Parameters
    ----------
    source
        As for `EmotionRecognizer.predict`.
    spec
        What to measure, or a name in `emotionrecog.features.PRESETS`; by default what the
        recogniser is fed, and where the class is asked, what the bundled one is fed.

    Returns
    -------
    ndarray of float32, shape (n_frames, n_features) or, with functionals, (n_features,)
        ``spec.feature_names`` names the columns.

    Raises
    ------
    AudioError
        If the recording cannot be decoded, is silent or damaged.
    ValueError
        If there is no preset of that name.

    Examples
    --------
    >>> EmotionRecognizer.features("examples/clip.wav", spec="mel-128x87").shape
    (87, 128)
    >>> EmotionRecognizer().features("examples/clip.wav").shape[1]
    104
    """
    chosen = own if spec is None else as_spec(spec)
    waveform = audio.load(source, sampling_rate=chosen.sampling_rate)
    return Extractor(chosen)(waveform.samples)


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
        """The saved recogniser."""
        return self.engine.artifact

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions that are distinguished, in the order of the probabilities."""
        return self.artifact.labels

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
            If it is not here and cannot be fetched; see `emotionrecog.pretrained.fetch`.

        Examples
        --------
        >>> EmotionRecognizer.from_pretrained("english-8").artifact.name
        'english-8'
        """
        return cls(artifacts.read(pretrained.fetch(name, offline=offline)))

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

    @staticmethod
    def load_corpus(root: str | os.PathLike[str], name: str | None = None) -> list[Utterance]:
        """Read a corpus, or all in a folder of corpora; parameters as in `datasets.read`."""
        from emotionrecog import datasets

        return datasets.read(root, name)

    features = _Features()

    @overload
    @classmethod
    def train(
        cls,
        train_set: Sequence[Utterance],
        validation_set: Sequence[Utterance] | None = ...,
        *,
        recipe: Recipe,
        name: str = ...,
        start: EmotionRecognizer | None = ...,
        initial_weights: str | os.PathLike[str] | None = ...,
        checkpoints: str | os.PathLike[str] | None = ...,
        test_set: Sequence[Utterance] = ...,
        allow_leakage: bool = ...,
        compare_audio: bool = ...,
        strategy: tf.distribute.Strategy | None = ...,
        n_jobs: int = ...,
    ) -> EmotionRecognizer: ...

    @overload
    @classmethod
    def train(
        cls,
        train_set: Sequence[Utterance],
        validation_set: Sequence[Utterance] | None = ...,
        *,
        architecture: str | None = ...,
        features: FeatureSpec | str | None = ...,
        labels: Sequence[str] | None = ...,
        loss: str | None = ...,
        augment: SpectrogramAugmentation | Chain | bool = ...,
        epochs: int | None = ...,
        batch_size: int | None = ...,
        learning_rate: float | None = ...,
        patience: int | None = ...,
        seed: int | None = ...,
        name: str = ...,
        start: EmotionRecognizer | None = ...,
        initial_weights: str | os.PathLike[str] | None = ...,
        checkpoints: str | os.PathLike[str] | None = ...,
        test_set: Sequence[Utterance] = ...,
        allow_leakage: bool = ...,
        compare_audio: bool = ...,
        strategy: tf.distribute.Strategy | None = ...,
        n_jobs: int = ...,
    ) -> EmotionRecognizer: ...

    @classmethod
    def train(
        cls,
        train_set: Sequence[Utterance],
        validation_set: Sequence[Utterance] | None = None,
        *,
        recipe: Recipe | None = None,
        architecture: str | None = None,
        features: FeatureSpec | str | None = None,
        labels: Sequence[str] | None = None,
        loss: str | None = None,
        augment: SpectrogramAugmentation | Chain | bool = True,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        patience: int | None = None,
        seed: int | None = None,
        start: EmotionRecognizer | None = None,
        **options: Any,
    ) -> EmotionRecognizer:
        """Train a recogniser; needs TensorFlow.

        What is chosen most often can be named here; everything else is in a `recipe`, beside
        which nothing of the recipe's may be named. What is not named is as
        `emotionrecog.training.Recipe.of` has it for the architecture, or as in the training of
        `start`.

        Parameters
        ----------
        train_set
            Utterances of any corpora; see `load_corpus` and `emotionrecog.datasets`.
        validation_set
            Utterances of other speakers, on whom it is decided when to stop. Where none is given
            and some are needed, speakers of `train_set` are held out.
        recipe
            How to train; the default is that of the recogniser that comes with the package.
        architecture
            One of `emotionrecog.models.ARCHITECTURES`.
        features
            What the network is fed, or a name in `emotionrecog.features.PRESETS`.
        labels
            The emotions to tell apart.
        loss
            ``"crossentropy"`` or ``"focal"``.
        augment
            How spectra are varied, or how waveforms are (four varied copies of each clip); True
            for what the architecture is trained with unless told otherwise, False for not at all.
        epochs, batch_size, learning_rate, patience, seed
            As in `emotionrecog.training.Recipe`.
        start
            A recogniser to go on from; see `emotionrecog.training.continued`.
        **options
            ``name``, ``test_set``, ``checkpoints`` and others, as in
            `emotionrecog.training.train`, which does the work.

        Raises
        ------
        ValueError
            If a recipe and something of it are given, or a value is none of those named.
        """
        from emotionrecog import training

        chosen = {
            "architecture": architecture,
            "features": None if features is None else as_spec(features),
            "labels": None if labels is None else tuple(labels),
            "loss": loss,
            "epochs": epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "patience": patience,
            "seed": seed,
        }
        changes = {field: value for field, value in chosen.items() if value is not None}
        varied = _augmented(augment)
        if recipe is None:
            changes |= varied
            recipe = training.continued(start, **changes) if start else _recipe(changes)
        elif changes or varied:
            given = ", ".join([*changes, *(["augment"] if varied else [])])
            raise ValueError(
                f"a `recipe` was given, and {given} beside it, which belong into it: "
                "dataclasses.replace(recipe, ...) changes one"
            )
        return cls(training.train(train_set, validation_set, recipe=recipe, start=start, **options))

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
        """Fit the last layers to some clips of a user's, and measure what it brought.

        Needs TensorFlow. This recogniser stays as it is.

        Parameters
        ----------
        utterances
            Ten clips or more, of two emotions or more; see `emotionrecog.datasets.from_table` and
            `from_folders`.
        held_out, name, epochs, learning_rate, pull, seed, n_jobs
            As in `emotionrecog.training.adapt`, which does the work.

        Returns
        -------
        Adaptation
            ``recognizer``, and the figures ``before`` and ``after`` on what was held out.
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
        """Measure the recogniser on speakers it never heard.

        Parameters
        ----------
        test_set
            Utterances of speakers that were not in its training.
        protocol, train_set, allow_leakage, compare_audio, seed, n_jobs
            As in `emotionrecog.evaluation.evaluate`, which does the work.
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

    def explain(
        self,
        source: AudioSource,
        emotion: str | None = None,
        *,
        sex: str | None = None,
        neutral: Iterable[AudioSource] = (),
    ) -> Explanation:
        """Tell which parts of a recording an answer rests on, and what the voice did.

        Parameters
        ----------
        source
            As for `predict`, up to 60 s.
        emotion
            What to explain; by default the answer.
        sex, neutral
            What the voice is compared with, as in `emotionrecog.inference.explanation.explain`,
            which does the work.

        Returns
        -------
        Explanation
            ``str(explanation)`` is sentences, ``to_dict()`` numbers, and
            `emotionrecog.plots.explanation` draws it.
        """
        from emotionrecog.inference import explanation

        return explanation.explain(self.engine, source, emotion, sex=sex, neutral=neutral)

    def export(
        self,
        path: str | os.PathLike[str],
        *,
        format: Literal["onnx", "onnx-int8", "keras", "litert"] = "onnx",
    ) -> None:
        """Write the network to one file that other programs use.

        Parameters
        ----------
        path
            Where to.
        format
            As in `emotionrecog.models.export.export`, which does the work.
        """
        from emotionrecog.models import export

        export.export(self.artifact, path, format=format)

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

    def predict(
        self,
        source: AudioSource,
        *,
        min_confidence: float | None = None,
        coverage: float | None = None,
    ) -> Prediction:
        """Name the emotion in a recording.

        The answer does not depend on the level of the recording, nor on silence before and after
        it. It is judged in overlapping windows of some seconds, as long as those that the network
        was trained on, and the probabilities of the windows that are not silent are averaged.

        Parameters
        ----------
        source
            A path, the bytes of a file, a binary file object, a `Waveform`, or samples with
            their sampling rate in Hz; see `emotionrecog.audio.load`.
        min_confidence
            From 0 to 1. An answer of less confidence is not reliable, and the reasons say so.
        coverage
            From 0.5 to 0.99: how often ``label_set`` shall hold the right emotion, of voices that
            are to training as those are that the recogniser was calibrated on.

        Returns
        -------
        Prediction
            ``emotion`` is the most probable one, whatever speaks against it; ``is_reliable`` says
            whether anything does.

        Raises
        ------
        AudioError
            If the recording cannot be decoded, is silent, damaged, or shorter than the network
            can judge.
        FileNotFoundError
            If there is no such file.
        ModelError
            If a coverage is asked for and the recogniser has never been calibrated.
        ValueError
            If `min_confidence` or `coverage` is out of its bounds.
        """
        return self.engine.predict(source, min_confidence=min_confidence, coverage=coverage)

    def validate_threshold(self, min_confidence: float | None, coverage: float | None) -> None:
        """Check the arguments of `predict` of these names, and raise what it raises."""
        self.engine.validate_threshold(min_confidence, coverage)

    def sound(self, source: AudioSource) -> Sound:
        """Return what a recording is like, as far as trust in the answer depends on it.

        Parameters
        ----------
        source
            As for `predict`, whose errors it has.
        """
        return self.engine.sound(source)

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
        min_confidence, coverage
            As for `predict`.

        Yields
        ------
        Prediction, or the exception
            In the order of `sources`.

        Raises
        ------
        ValueError
            If `on_error` is neither of the two, or `sources` is a single recording; if
            `min_confidence` or `coverage` is out of its bounds.
        ModelError
            If a coverage is asked for and the recogniser has never been calibrated.

        Examples
        --------
        >>> recognizer = EmotionRecognizer()
        >>> answers = recognizer.predict_batch(["examples/clip.wav", "no.wav"], on_error="keep")
        >>> [type(answer).__name__ for answer in answers]
        ['Prediction', 'FileNotFoundError']
        """
        options = {"min_confidence": min_confidence, "coverage": coverage}
        return self.engine.predict_batch(sources, n_jobs=n_jobs, on_error=on_error, **options)

    def probabilities(self, source: AudioSource) -> NDArray[np.float32]:
        """Return the probability of each emotion; parameters and errors are those of `predict`.

        Returns
        -------
        ndarray of float32, shape (n_labels,)
            In the order of `labels`.
        """
        return self.engine.probabilities(source)


def _recipe(changes: dict[str, Any]) -> Recipe:
    from emotionrecog.training import Recipe

    return Recipe.of(changes.pop("architecture", Recipe.architecture), **changes)


# Varied copies of each clip, where waveforms are varied and nobody says how many.
_COPIES = 4


def _augmented(augment: SpectrogramAugmentation | Chain | bool) -> dict[str, Any]:
    """Return what `augment` means in a recipe."""
    from emotionrecog.augmentation import Chain, SpectrogramAugmentation

    if augment is True:
        return {}
    if augment is False:
        return {"augmentation": None, "waveforms": None, "copies": 0}
    if isinstance(augment, SpectrogramAugmentation):
        return {"augmentation": augment}
    if isinstance(augment, Chain):
        return {"waveforms": augment, "copies": _COPIES}
    raise ValueError(
        f"`augment` must be a SpectrogramAugmentation, a Chain, True or False, got {augment!r}"
    )
