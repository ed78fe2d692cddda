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
from emotionrecog.errors import DatasetError, require_number, require_one_of
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

# Features whose bands share a mean and a deviation, which some networks require.
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

    Examples
    --------
    >>> Part(
    ...     features=np.zeros((1, 4, 2), dtype=np.float32),
    ...     labels=np.array([0]),
    ...     emotions=("sad",),
    ...     utterances=(datasets.Utterance("a.wav", "sad", corpus="mine", speaker="mine/1"),),
    ...     spec=FeatureSpec(),
    ... )
    Part(features of shape (1, 4, 2), 1 speaker)
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
    """The result of `preprocess_data`; no speaker is in two parts.

    Examples
    --------
    ::

        train, validation, test = preprocess_data("corpora/ravdess")
    """

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
        The folder of a corpus, or one with a folder for each corpus; or utterances, such as
        `emotionrecog.datasets.from_table` returns.
    corpus
        Name in `emotionrecog.datasets.CORPORA`, if the folder has another name.
    features
        The features to compute, or a name in `emotionrecog.features.PRESETS`. All clips must get
        the same length: a spec with `n_frames` or `functionals`. Normalisation by corpus uses the
        statistics of the training part only.
    label_set
        One of `emotionrecog.datasets.LABEL_SETS`, to distinguish fewer emotions.
    validation_share, test_share
        Shares of the speakers of each corpus, at least one speaker; corpora of one or two speakers
        are used for training only, unless there are no others.
    seed
        Random seed of the division of the speakers.
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
        If a name is unknown, or the spec gives clips of different lengths.

    See Also
    --------
    train_model : Fits a network to the parts.

    Examples
    --------
    ::

        train, validation, test = preprocess_data("corpora/ravdess", label_set="four")
        train.features.shape, train.speakers
    """
    spec = as_spec(features)
    if spec.n_frames is None and not spec.functionals:
        raise ValueError(
            "`features` must give all clips the same length: a spec with `n_frames`, such as "
            "dataclasses.replace(spec, n_frames=87), or with `functionals`"
        )
    if isinstance(dataset_path, str | os.PathLike):
        utterances = datasets.read(dataset_path, corpus)
    else:
        utterances = list(dataset_path)
    if label_set is not None:
        require_one_of("label_set", label_set, LABEL_SETS)
        utterances = list(LABEL_SETS[label_set].apply(utterances).utterances)
    acted = {utterance.emotion for utterance in utterances}
    emotions = tuple(emotion for emotion in EMOTIONS if emotion in acted)
    divisions = _divided(utterances, validation_share, test_share, seed)
    parts: list[Part] = []
    statistics: Statistics | None = None
    for division in divisions:
        measured = extract_corpus(division, spec, statistics=statistics, cache=cache, n_jobs=n_jobs)
        statistics = measured.statistics  # those of the training part, which is the first
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
        require_number(name, share, 0, 1, open_low=True, open_high=True)
    speakers = {utterance.speaker for utterance in utterances}
    if len(speakers) < 3:
        raise DatasetError(
            "training, validation and test must not share speakers, which needs three speakers; "
            f"found {', '.join(sorted(speakers))}. Combine corpora with more speakers, or use "
            "EmotionRecognizer.train, which does not need a validation set"
        )
    rest, test = hold_out_speakers(utterances, test_share, seed)
    # The share of all speakers, as a share of those that are not in the test part.
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
    """Fit a network with early stopping on the validation part, and keep the best weights.

    Emotions count equally, however many clips each has.

    Parameters
    ----------
    model
        A Keras network from features to logits or probabilities, or the name of an architecture
        in `emotionrecog.models.ARCHITECTURES`. A compiled network keeps its optimiser and its
        loss, which must take indices of emotions.
    train, validation
        Parts returned by `preprocess_data`.
    epochs, batch_size
        Largest number of passes over the training part, number of clips in a batch.
    patience
        Number of epochs without a higher UAR (or, at the same UAR, a lower loss) on the validation
        part after which training stops.
    learning_rate
        Largest learning rate of Adam.
    seed
        Random seed of new weights, dropout and the order of the clips.
    **sizes
        Sizes of an architecture by name; see the ``build`` of its module.

    Returns
    -------
    keras.Model
        The network that was passed, or the new one; ``model.history.history`` contains the metrics
        of each epoch.

    Raises
    ------
    LeakageError
        If a speaker is in both parts.
    ModelError
        If TensorFlow is missing.
    ValueError
        If the network does not take these features or return as many emotions, or `sizes` are
        given in addition to a network.

    Examples
    --------
    ::

        train, validation, test = preprocess_data("corpora/ravdess")
        model = train_model("cnn1d", train, validation, epochs=20, dropout=0.2)
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
        raise ValueError(f"`model` is a network already, so {', '.join(sizes)} cannot be set")
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
    """Return whether the network returns probabilities; raise `ValueError` if it fails."""
    try:
        answers = np.asarray(model(part.features[:4], training=False))
    except Exception as error:  # Keras raises what its layers raise
        raise ValueError(
            f"`model` must take the features of the part, of shape {part.features.shape[1:]}, "
            f"but failed: {error}"
        ) from error
    if answers.shape[1:] != (len(part.emotions),):
        raise ValueError(
            f"`model` must return {len(part.emotions)} numbers for each clip, one for each of "
            f"{', '.join(part.emotions)}, got an array of shape {answers.shape}"
        )
    return bool((answers >= 0).all() and np.allclose(answers.sum(axis=1), 1.0, atol=1e-3))


def evaluate_model(model: keras.Model, test: Part, *, batch_size: int = 32) -> Report:
    """Evaluate a network on the speakers of a part.

    Parameters
    ----------
    model
        A network, such as `train_model` returns.
    test
        A part returned by `preprocess_data`.
    batch_size
        Number of clips that are predicted together.

    Returns
    -------
    Report
        Metrics with their intervals, precision, recall and F1 of each emotion, and the confusion
        matrix, which is also in ``report.corpora[0].confusion``; ``print`` lays it out.

    Raises
    ------
    ValueError
        If the network does not take these features or return as many emotions.

    Examples
    --------
    ::

        print(evaluate_model(model, test))
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
