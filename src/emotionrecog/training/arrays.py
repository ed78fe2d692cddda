"""Three steps from a folder of recordings to metrics, with arrays in between.

These functions are for users who want to inspect or change the input of a network, or to train a
Keras network of their own. `emotionrecog.EmotionRecognizer.train` does more: recordings of any
length, augmentation, corpora with different emotions, and a recogniser that can be saved.

Examples
--------
::

    from emotionrecog import evaluate_model, preprocess_data, train_model
    from emotionrecog.models import ParallelModel

    train, validation, test = preprocess_data(dataset_path="corpora/ravdess")
    model = train_model(ParallelModel(num_emotions=8), train, validation)
    print(evaluate_model(model, test))
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from emotionrecog import datasets, evaluation, models
from emotionrecog.datasets import EMOTIONS, LABEL_SETS
from emotionrecog.errors import DatasetError
from emotionrecog.features import FeatureSpec, Statistics, as_spec
from emotionrecog.features.extraction import extract_corpus
from emotionrecog.splits.dividing import hold_out_speakers
from emotionrecog.text import count
from emotionrecog.training.data import require_apart, statistics_of
from emotionrecog.training.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras
    from numpy.typing import NDArray

    from emotionrecog.datasets import Utterance
    from emotionrecog.evaluation import Report

__all__ = ["Part", "Parts", "evaluate_model", "preprocess_data", "train_model"]

# Features whose bands share a mean and a deviation; some networks take no others.
_ON_ONE_SCALE = (("log_mel",), ("mel_db",))


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Part:
    """Recordings as arrays for a network.

    Parameters
    ----------
    features
        float32 of shape (n_clips, n_frames, n_features).
    labels
        Index in `emotions` of each clip's emotion, shape (n_clips,).
    emotions
        The emotions to distinguish, the same for all parts.
    utterances
        The utterance of each row, with its path and speaker.
    spec
        The measured features.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.intp]
    emotions: tuple[str, ...]
    utterances: tuple[Utterance, ...]
    spec: FeatureSpec

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.labels)

    @property
    def speakers(self) -> tuple[str, ...]:
        """The speakers, sorted, each once."""
        return tuple(sorted({utterance.speaker for utterance in self.utterances}))

    def __repr__(self) -> str:
        """Return the shape and the number of speakers, without the arrays."""
        speakers = count(len(self.speakers), "speaker")
        return f"Part(features of shape {self.features.shape}, {speakers})"


class Parts(NamedTuple):
    """The result of `preprocess_data`; no speaker is in two parts."""

    train: Part
    validation: Part
    test: Part


def preprocess_data(
    dataset_path: str | os.PathLike[str] | Sequence[Utterance],
    *,
    corpus: str | None = None,
    features: FeatureSpec | str = "mel-128x87",
    label_set: str | None = None,
    validation_share: float = 0.15,
    test_share: float = 0.2,
    seed: int = 0,
    cache: str | os.PathLike[str] | None = None,
    n_jobs: int = -1,
) -> Parts:
    """Read corpora, measure features, and divide them by speaker.

    Parameters
    ----------
    dataset_path
        The folder of a corpus, or one that holds a folder of each; or utterances, such as
        `emotionrecog.datasets.from_table` reads.
    corpus
        Which of `emotionrecog.datasets.CORPORA` it is, where the folder is not called like it.
    features
        What to measure, or a name in `emotionrecog.features.PRESETS`. All clips must come out
        equally long: a spec with `n_frames` or `functionals`. What normalises by corpus uses the
        training part alone.
    label_set
        One of `emotionrecog.datasets.LABEL_SETS`, to tell fewer emotions apart.
    validation_share, test_share
        Shares of the speakers of each corpus, at least one; of corpora of one or two speakers
        nobody, unless there are no others.
    seed
        Of who is in which part.
    cache, n_jobs
        As in `emotionrecog.features.extraction.extract_corpus`.

    Returns
    -------
    Parts
        ``train``, ``validation`` and ``test``, in this order. Recordings that cannot be used are
        left out with a warning.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    DatasetError
        If there is no corpus in it, or there are fewer than three speakers.
    ValueError
        If a name is unknown, or the spec leaves clips of different lengths.
    """
    spec = as_spec(features)
    if spec.n_frames is None and not spec.functionals:
        raise ValueError(
            "`features` must bring all clips to one length: a spec with `n_frames`, such as "
            "dataclasses.replace(spec, n_frames=87), or with `functionals`"
        )
    if isinstance(dataset_path, str | os.PathLike):
        utterances = datasets.read(dataset_path, corpus)
    else:
        utterances = list(dataset_path)
    if label_set is not None:
        if label_set not in LABEL_SETS:
            raise ValueError(
                f"`label_set` must be one of {', '.join(LABEL_SETS)}, got {label_set!r}"
            )
        utterances = list(LABEL_SETS[label_set].apply(utterances).utterances)
    acted = {utterance.emotion for utterance in utterances}
    emotions = tuple(emotion for emotion in EMOTIONS if emotion in acted)
    divided = _divided(utterances, validation_share, test_share, seed)
    parts: list[Part] = []
    statistics: Statistics | None = None
    for given in divided:
        measured = extract_corpus(given, spec, statistics=statistics, cache=cache, n_jobs=n_jobs)
        statistics = measured.statistics  # of the first, the training part
        stacked = measured.stack()
        parts.append(
            Part(
                features=stacked if stacked.ndim == 3 else stacked[:, np.newaxis],
                labels=np.array([emotions.index(u.emotion) for u in measured.utterances]),
                emotions=emotions,
                utterances=measured.utterances,
                spec=spec,
            )
        )
    return Parts(*parts)


def _divided(
    utterances: list[Utterance], validation_share: float, test_share: float, seed: int
) -> tuple[list[Utterance], list[Utterance], list[Utterance]]:
    for name, share in (("validation_share", validation_share), ("test_share", test_share)):
        if not 0 < share < 1:
            raise ValueError(f"`{name}` must be between 0 and 1, got {share!r}")
    speakers = {utterance.speaker for utterance in utterances}
    if len(speakers) < 3:
        raise DatasetError(
            "training, validation and test must not share a speaker, which takes three of them; "
            f"found {', '.join(sorted(speakers))}. Give corpora of more speakers together, or use "
            "EmotionRecognizer.train, which can do without validation"
        )
    rest, test = hold_out_speakers(utterances, test_share, seed)
    # As a share of everybody, of whom some are gone.
    train, validation = hold_out_speakers(rest, min(0.9, validation_share / (1 - test_share)), seed)
    return train, validation, test


def train_model(
    model: keras.Model | str,
    train: Part,
    validation: Part,
    *,
    epochs: int = 80,
    batch_size: int = 32,
    patience: int = 10,
    learning_rate: float = 1e-3,
    seed: int = 0,
    **sizes: Any,
) -> keras.Model:
    """Fit a network, stop when it gets no better on the validation part, keep the best weights.

    Emotions count equally, however many clips each has.

    Parameters
    ----------
    model
        A Keras network from features to logits or probabilities, or the name of an architecture
        out of `emotionrecog.models.ARCHITECTURES`. One that is compiled keeps its optimiser and
        its loss, which must take numbers of emotions.
    train, validation
        As `preprocess_data` makes them.
    epochs, batch_size
        Passes over the training part at most, clips in a step.
    patience
        Epochs without a lower loss on the validation part after which it stops.
    learning_rate
        Of Adam.
    seed
        Of new weights, of dropout and of the order of the clips.
    **sizes
        Of an architecture by name; see the ``build`` of its module.

    Returns
    -------
    keras.Model
        The network that was given, or the new one; ``model.history.history`` holds what each epoch
        came to.

    Raises
    ------
    LeakageError
        If a speaker is in both parts.
    ModelError
        If TensorFlow is missing.
    ValueError
        If the network is not for these features or for as many emotions, or `sizes` are given
        beside a network.
    """
    models.require_tensorflow()
    import keras

    from emotionrecog.training.loop import fit_arrays

    require_apart(train.utterances, validation.utterances)
    keras.utils.set_random_seed(seed)
    n_emotions = len(train.emotions)
    if isinstance(model, str):
        network = _built(model, train, sizes)
    elif sizes:
        raise ValueError(f"`model` is built already, so that {', '.join(sizes)} cannot be chosen")
    else:
        network = model
    probable = _answers_probabilities(network, train)
    recipe = Recipe.of(
        "cnn1d",
        labels=train.emotions if len(train.emotions) > 1 else EMOTIONS,
        epochs=epochs,
        batch_size=min(batch_size, len(train)),
        patience=patience,
        learning_rate=learning_rate,
        optimizer="adam",
        seed=seed,
    )
    rows = fit_arrays(
        network,
        (train.features, train.labels),
        (validation.features, validation.labels),
        n_emotions,
        recipe,
        answers_probabilities=probable,
    )
    network.history = keras.callbacks.History()
    network.history.epoch = [int(row["epoch"]) - 1 for row in rows]
    network.history.history = {name: [row[name] for row in rows] for name in rows[0]}
    return network


def _built(architecture: str, train: Part, sizes: dict[str, Any]) -> keras.Model:
    if architecture not in models.ARCHITECTURES:
        raise ValueError(
            f"`model` must be a Keras network or one of {', '.join(models.ARCHITECTURES)}, "
            f"got {architecture!r}"
        )
    n_frames, n_features = train.features.shape[1:]
    chosen: dict[str, Any] = statistics_of(train.features.reshape(-1, n_features))
    if train.spec.features in _ON_ONE_SCALE:
        values = train.features.astype(np.float64)
        chosen = {"mean": float(values.mean()), "deviation": float(values.std())}
    if "n_frames" in models.default_sizes(architecture):
        chosen["n_frames"] = n_frames
    return models.build(architecture, n_features, len(train.emotions), **(chosen | sizes))


def _answers_probabilities(model: keras.Model, part: Part) -> bool:
    """Say whether the network answers probabilities, once it is sure that it answers at all."""
    try:
        answers = np.asarray(model(part.features[:4], training=False))
    except Exception as error:  # Keras raises what its layers raise
        raise ValueError(
            f"`model` must take features of shape {part.features.shape[1:]}, as the part has them, "
            f"and failed: {error}"
        ) from error
    if answers.shape[1:] != (len(part.emotions),):
        raise ValueError(
            f"`model` must answer {len(part.emotions)} numbers for each clip, one for each of "
            f"{', '.join(part.emotions)}; it answers an array of shape {answers.shape}"
        )
    return bool((answers >= 0).all() and np.allclose(answers.sum(axis=1), 1.0, atol=1e-3))


def evaluate_model(model: keras.Model, test: Part, *, batch_size: int = 32) -> Report:
    """Measure a network on the speakers of a part.

    Parameters
    ----------
    model
        As `train_model` returns it.
    test
        As `preprocess_data` makes it.
    batch_size
        Clips that are judged at once.

    Returns
    -------
    Report
        ``print`` lays it out: figures with their intervals, precision, recall and F1 of each
        emotion, and the confusion matrix, which is also in ``report.corpora[0].confusion``.

    Raises
    ------
    ValueError
        If the network is not for these features or for as many emotions.
    """
    probable = _answers_probabilities(model, test)
    answers = np.asarray(model.predict(test.features, batch_size=batch_size, verbose=0), np.float64)
    if not probable:
        answers = np.exp(answers - answers.max(axis=1, keepdims=True))
    return evaluation.report(
        evaluation.Predictions(
            labels=test.emotions,
            utterances=test.utterances,
            probabilities=answers / answers.sum(axis=1, keepdims=True),
            durations=np.full(len(test), np.nan),
        ),
        name=model.name,
    )
