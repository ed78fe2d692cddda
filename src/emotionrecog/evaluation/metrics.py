"""Metrics of a table of predictions: recall, precision, calibration, and their intervals.

The unweighted average recall (UAR) is computed here and nowhere else: by `uar` from labels, by
`recall_weights` clip by clip, and by `mean_recall` from counts.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from emotionrecog.evaluation import intervals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emotionrecog.evaluation.predictions import Predictions

    Array = NDArray[np.float64]

__all__ = [
    "ALL",
    "Answers",
    "Bounds",
    "CorpusReport",
    "EmotionReport",
    "calibration_error",
    "corpus_report",
    "mean_recall",
    "recall_weights",
    "risk_coverage",
    "uar",
]

Bounds = tuple[float, float]

# The name of all corpora together.
ALL = "all"

# Probabilities are clipped to this for the log-loss, as in scikit-learn.
_SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EmotionReport:
    """Metrics of one emotion, all shares from 0 to 1.

    Parameters
    ----------
    emotion, n_clips
        The emotion acted, and the number of clips that act it.
    precision
        Share of correct answers among the clips answered with this emotion; 0 if there are none.
    recall
        Share of the clips that act this emotion which are answered with it.
    f1
        Harmonic mean of precision and recall.
    recall_interval
        95 % confidence interval of the recall; None for a single speaker.
    """

    emotion: str
    n_clips: int
    precision: float
    recall: float
    f1: float
    recall_interval: Bounds | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorpusReport:
    """Metrics of one corpus, or of all together.

    Answers are chosen among the emotions that the corpus acts. Metrics are shares from 0 to 1,
    except for `log_loss` and `brier`.

    Parameters
    ----------
    corpus, speakers, n_clips
        The clips judged.
    emotions
        The emotions that the clips act, and among which answers are chosen.
    uar
        Unweighted average recall: the mean over emotions of the share recognised.
    wa
        Weighted accuracy: the share of all clips recognised.
    uar_open, wa_open
        The same if any of the recogniser's emotions may be answered, including those that the
        corpus lacks.
    confusion
        Numbers of clips. Rows: emotion acted. Columns: emotion answered.
    macro_f1
        Mean over emotions of F1.
    top2
        Share of clips whose emotion is one of the two most probable.
    log_loss
        Mean negative logarithm of the probability of the emotion acted; 0 is best.
    brier
        Mean over clips of the squared distance between the probabilities and the emotion acted;
        from 0, which is best, to 2.
    calibration_error
        Expected calibration error in 15 bins: the distance between confidence and accuracy.
    aurc
        Area under the risk-coverage curve: the share of wrong answers, averaged over the number of
        most confident answers kept.
    per_emotion
        Metrics of each emotion.
    intervals
        95 % confidence intervals of the metrics, by name, from draws of speakers. Empty if a corpus
        has a single speaker, since draws then say nothing. The calibration error has no interval,
        because draws bias it upwards.
    """

    corpus: str
    speakers: tuple[str, ...]
    n_clips: int
    emotions: tuple[str, ...]
    uar: float
    wa: float
    uar_open: float
    wa_open: float
    confusion: tuple[tuple[int, ...], ...]
    macro_f1: float | None = None
    top2: float | None = None
    log_loss: float | None = None
    brier: float | None = None
    calibration_error: float | None = None
    aurc: float | None = None
    per_emotion: tuple[EmotionReport, ...] = ()
    intervals: Mapping[str, Bounds] = dataclasses.field(default_factory=dict)

    @property
    def confusion_shares(self) -> tuple[tuple[float, ...], ...]:
        """The confusions as shares of each row, the clips that act one emotion."""
        return tuple(tuple(n / sum(row) for n in row) for row in self.confusion)

    def to_dict(self) -> dict[str, Any]:
        """Return the metrics ready for JSON.

        Examples
        --------
        >>> from pathlib import Path
        >>> from emotionrecog import evaluation
        >>> folder = Path("benchmarks/results/benchmark/tess-speaker2")
        >>> fold = evaluation.Predictions.read_csv(folder / "tess-speaker2-1.csv")
        >>> evaluation.report(fold).corpora[0].to_dict()["corpus"]
        'tess'
        """
        fields = dataclasses.asdict(self)
        fields["confusion_shares"] = self.confusion_shares
        return fields


@dataclasses.dataclass(frozen=True)
class Answers:
    """The arrays that metrics are computed from.

    Parameters
    ----------
    labels
        The emotions that may be answered.
    acted, answered, answered_open
        Positions in `labels`, shape (n_clips,); `answered` is chosen among the emotions of the
        clip's corpus, `answered_open` among all.
    closed
        Probabilities among the emotions of the clip's corpus, shape (n_clips, n_labels).
    corpora, speakers
        Names for each clip, shape (n_clips,) of str.
    """

    labels: tuple[str, ...]
    acted: NDArray[np.intp]
    answered: NDArray[np.intp]
    answered_open: NDArray[np.intp]
    closed: Array
    corpora: NDArray[Any]
    speakers: NDArray[Any]

    @classmethod
    def of(cls, predictions: Predictions) -> Self:
        """Choose the answers of predictions.

        Examples
        --------
        >>> from pathlib import Path
        >>> from emotionrecog.evaluation.predictions import Predictions
        >>> folder = Path("benchmarks/results/benchmark/tess-speaker2")
        >>> answers = Answers.of(Predictions.read_csv(folder / "tess-speaker2-1.csv"))
        >>> len(answers.acted) == len(answers.answered)
        True
        """
        closed = predictions.among_acted()
        return cls(
            labels=predictions.labels,
            acted=predictions.acted,
            answered=closed.argmax(axis=1),
            answered_open=predictions.probabilities.argmax(axis=1),
            closed=closed,
            corpora=np.array(predictions.corpora),
            speakers=np.array([utterance.speaker for utterance in predictions.utterances]),
        )

    @property
    def confidence(self) -> Array:
        """Probability of each answer among the emotions of its corpus, shape (n_clips,)."""
        confidence: Array = self.closed.max(axis=1)
        return confidence

    @property
    def is_correct(self) -> NDArray[np.bool_]:
        """Whether each answer is correct, shape (n_clips,)."""
        is_correct: NDArray[np.bool_] = self.answered == self.acted
        return is_correct


def uar(acted: NDArray[Any], answered: NDArray[Any]) -> float:
    """Return the unweighted average recall: the mean over emotions of the share recognised.

    Parameters
    ----------
    acted, answered
        Names or numbers of the emotions of each clip, shape (n_clips,). Only emotions that are
        acted count.

    Examples
    --------
    >>> import numpy as np
    >>> acted = np.array(["sad", "sad", "sad", "angry"])
    >>> uar(acted, np.array(["sad", "sad", "happy", "happy"]))
    0.3333333333333333
    """
    emotion_of_clip = np.unique(acted, return_inverse=True)[1]
    n_correct = np.bincount(emotion_of_clip, weights=acted == answered)
    return float(mean_recall(n_correct, np.bincount(emotion_of_clip)))


def recall_weights(acted: NDArray[Any]) -> Array:
    """Return the contribution of a correct answer for each clip to the unweighted average recall.

    Parameters
    ----------
    acted
        Names or numbers of the emotions of each clip, shape (n_clips,).

    Returns
    -------
    ndarray of float64, shape (n_clips,)
        Weights of sum 1; their sum over correct answers is the UAR.

    Examples
    --------
    >>> import numpy as np
    >>> recall_weights(np.array(["sad", "sad", "angry"])).tolist()
    [0.25, 0.25, 0.5]
    """
    emotion_of_clip = np.unique(acted, return_inverse=True)[1]
    n_clips = np.bincount(emotion_of_clip)
    weights: Array = 1.0 / (len(n_clips) * n_clips[emotion_of_clip])
    return weights


def mean_recall(n_correct: NDArray[Any], n_clips: NDArray[Any]) -> Array:
    """Return the mean over emotions of the share recognised, from counts.

    Parameters
    ----------
    n_correct, n_clips
        Numbers of clips recognised and of all clips, shape (…, n_emotions). Emotions without clips
        do not count.

    Returns
    -------
    ndarray of float64, shape (…)
        NaN if there is no clip at all.

    Examples
    --------
    >>> import numpy as np
    >>> float(mean_recall(np.array([1, 3, 0]), np.array([2, 3, 0])))
    0.75
    """
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # a draw without a clip
        means: Array = np.nanmean(n_correct / n_clips, axis=-1)
    return means


def corpus_report(name: str, answers: Answers, seed: int) -> CorpusReport:
    """Measure the clips of one corpus, or of all of them if the name is `ALL`.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.evaluation.predictions import Predictions
    >>> folder = Path("benchmarks/results/benchmark/tess-speaker2")
    >>> answers = Answers.of(Predictions.read_csv(folder / "tess-speaker2-1.csv"))
    >>> corpus_report("tess", answers, seed=0).corpus
    'tess'
    """
    in_corpus = np.ones(len(answers.acted), dtype=bool) if name == ALL else answers.corpora == name
    acted, answered = answers.acted[in_corpus], answers.answered[in_corpus]
    confidence, is_correct = answers.confidence[in_corpus], answers.is_correct[in_corpus]
    is_correct_open = answers.answered_open[in_corpus] == acted
    emotions = np.unique(acted)
    n_emotions = len(emotions)
    speakers, speaker_of_clip = np.unique(answers.speakers[in_corpus], return_inverse=True)
    rows, columns = np.searchsorted(emotions, acted), np.searchsorted(emotions, answered)
    shares = answers.closed[in_corpus]
    share_of_acted = shares[np.arange(len(acted)), acted]
    truth = np.eye(shares.shape[1])[acted]

    # All metrics are computed from sums over speakers, so that drawing speakers weights the sums.
    sums = np.zeros((len(speakers), n_emotions * n_emotions + n_emotions + 3))
    confusions = sums[:, : n_emotions * n_emotions].reshape(-1, n_emotions, n_emotions)
    np.add.at(confusions, (speaker_of_clip, rows, columns), 1)
    open_columns = n_emotions**2 + rows[is_correct_open]
    np.add.at(sums, (speaker_of_clip[is_correct_open], open_columns), 1)
    per_clip = (
        _rank_of_acted(shares, acted) < 2,
        -np.log(np.clip(share_of_acted, _SMALLEST_PROBABILITY, 1)),
        ((shares - truth) ** 2).sum(axis=1),
    )
    for column, values in enumerate(per_clip, start=-3):
        np.add.at(sums[:, column], speaker_of_clip, values)

    metrics, by_emotion = _metrics(sums.sum(axis=0), n_emotions)
    corpora = [name.partition("/")[0] for name in speakers.tolist()]
    drawn, drawn_by_emotion = _metrics(intervals.draw(corpora, seed) @ sums, n_emotions)
    sizes = [corpora.count(corpus) for corpus in set(corpora)]
    freedom = {"smallest": min(sizes), "freedom": len(corpora) - len(sizes)}
    bounds = {metric: intervals.interval(values, **freedom) for metric, values in drawn.items()}
    recall_bounds = [intervals.interval(x, **freedom) for x in drawn_by_emotion["recall"].T]
    confusion = confusions.sum(axis=0).astype(int)
    return CorpusReport(
        corpus=name,
        speakers=tuple(speakers.tolist()),
        n_clips=len(acted),
        emotions=tuple(answers.labels[i] for i in emotions),
        confusion=tuple(map(tuple, confusion.tolist())),
        **{metric: float(value) for metric, value in metrics.items()},
        calibration_error=calibration_error(confidence, is_correct),
        aurc=float(risk_coverage(confidence, is_correct)[1].mean()),
        per_emotion=tuple(
            EmotionReport(
                emotion=answers.labels[emotion],
                n_clips=int(confusion[i].sum()),
                **{metric: float(values[i]) for metric, values in by_emotion.items()},
                recall_interval=recall_bounds[i],
            )
            for i, emotion in enumerate(emotions)
        ),
        intervals={metric: pair for metric, pair in bounds.items() if pair is not None},
    )


def _rank_of_acted(shares: Array, acted: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the rank of the emotion acted, counted from 0; of equal shares, the first leads."""
    share_of_acted = shares[np.arange(len(acted)), acted][:, np.newaxis]
    is_first = np.arange(shares.shape[1]) < acted[:, np.newaxis]
    is_ahead = (shares > share_of_acted) | ((shares == share_of_acted) & is_first)
    rank: NDArray[np.intp] = is_ahead.sum(axis=1)
    return rank


def _metrics(sums: Array, n_emotions: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """Compute metrics, and those of each emotion, from sums over clips, shape (..., n_sums)."""
    confusion = sums[..., : n_emotions**2].reshape(*sums.shape[:-1], n_emotions, n_emotions)
    n_correct_open = sums[..., n_emotions**2 : -3]
    n_correct = np.diagonal(confusion, axis1=-2, axis2=-1)
    n_acted, n_answered = confusion.sum(axis=-1), confusion.sum(axis=-2)
    n_clips = n_acted.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        by_emotion = {
            "precision": np.where(n_answered > 0, n_correct / np.maximum(n_answered, 1), 0.0),
            "recall": n_correct / n_acted,
            "f1": 2 * n_correct / (n_acted + n_answered),
        }
    metrics = {
        "uar": mean_recall(n_correct, n_acted),
        "wa": n_correct.sum(axis=-1) / n_clips,
        "uar_open": mean_recall(n_correct_open, n_acted),
        "wa_open": n_correct_open.sum(axis=-1) / n_clips,
        "macro_f1": mean_recall(2 * n_correct, n_acted + n_answered),
        "top2": sums[..., -3] / n_clips,
        "log_loss": sums[..., -2] / n_clips,
        "brier": sums[..., -1] / n_clips,
    }
    return metrics, by_emotion


def calibration_error(confidence: Array, is_correct: NDArray[np.bool_], n_bins: int = 15) -> float:
    """Return the expected calibration error, the distance between confidence and accuracy.

    Parameters
    ----------
    confidence
        Probability of each answer, from 0 to 1, shape (n_clips,).
    is_correct
        Whether each answer is correct, shape (n_clips,).
    n_bins
        Number of bins of equal width.

    Returns
    -------
    float
        The distance between accuracy and mean confidence in each bin, averaged over answers.

    References
    ----------
    C. Guo et al.: "On calibration of modern neural networks", ICML 2017.

    Examples
    --------
    >>> import numpy as np
    >>> calibration_error(np.array([0.75, 0.75, 0.75, 0.75]), np.array([True, True, True, False]))
    0.0
    """
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    distances = np.bincount(bins, weights=is_correct - confidence, minlength=n_bins)
    return float(np.abs(distances).sum() / len(confidence))


def risk_coverage(confidence: Array, is_correct: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return the share of wrong answers if only the most confident ones are kept.

    Parameters
    ----------
    confidence
        Probability of each answer, shape (n_clips,).
    is_correct
        Whether each answer is correct, shape (n_clips,).

    Returns
    -------
    coverage, risk : ndarray of float64, shape (n_clips,)
        The share of answers kept, from the most confident one to all, and the share of these that
        are wrong. Answers of equal confidence count with their mean risk.

    References
    ----------
    Y. Geifman, R. El-Yaniv: "Selective classification for deep neural networks", NeurIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> is_correct = np.array([True, False, True, True])
    >>> coverage, risk = risk_coverage(np.array([0.9, 0.6, 0.8, 0.7]), is_correct)
    >>> coverage.tolist(), risk.tolist()
    ([0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 0.0, 0.25])
    """
    _, level, n_equal = np.unique(-confidence, return_inverse=True, return_counts=True)
    wrong_share = np.bincount(level, weights=~is_correct) / n_equal
    n_kept = np.arange(1, len(confidence) + 1)
    risk: Array = np.cumsum(wrong_share[np.sort(level)]) / n_kept
    return n_kept / len(confidence), risk
