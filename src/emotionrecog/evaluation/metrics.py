"""Figures of a table of predictions: recall, precision, probabilities, and their intervals."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from emotionrecog.evaluation import intervals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emotionrecog.evaluation.predictions import Predictions

    Array = NDArray[np.float64]

__all__ = ["CorpusReport", "EmotionReport", "calibration_error", "risk_coverage"]

Bounds = tuple[float, float]

# Of all corpora together, where there are several.
ALL = "all"

# The least probability that the log-loss reckons with, as scikit-learn does.
_LEAST = float(np.finfo(np.float64).eps)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EmotionReport:
    """Figures on one emotion, all fractions from 0 to 1.

    Parameters
    ----------
    emotion, n_clips
        What was acted, and in how many clips.
    precision
        The share of right answers among the clips for which it was answered; 0 where it never was.
    recall
        The share of the clips that act it for which it was answered.
    f1
        The harmonic mean of the two.
    recall_interval
        In which the recall lies with 95 % confidence; None of a single speaker.
    """

    emotion: str
    n_clips: int
    precision: float
    recall: float
    f1: float
    recall_interval: Bounds | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorpusReport:
    """Figures on one corpus, or on all together.

    The figures are those of answers among the emotions that the corpus acts, and fractions from 0
    to 1, except for `log_loss` and `brier`.

    Parameters
    ----------
    corpus, speakers, n_clips
        What was judged.
    emotions
        Those that the clips act, and among which the answers are chosen.
    uar
        Unweighted average recall: the mean over emotions of the share recognised.
    wa
        Weighted accuracy: the share of all clips recognised.
    uar_open, wa_open
        The same where any of the recogniser's emotions may be answered, those that the corpus
        lacks included.
    confusion
        Rows: emotion acted. Columns: emotion answered. Numbers of clips.
    macro_f1
        The mean over emotions of F1.
    top2
        The share of clips whose emotion is one of the two most probable.
    log_loss
        Mean negative logarithm of the probability of what was acted; 0 is best.
    brier
        Mean over clips of the squared distance of the probabilities from what was acted; from 0,
        which is best, to 2.
    calibration_error
        Expected calibration error in 15 bins: how far confidence is from accuracy.
    aurc
        Area under the risk-coverage curve: the share of wrong answers, in the mean over how many of
        the surest answers are kept.
    per_emotion
        Figures of each emotion.
    intervals
        Of the figures, by their names: in which each lies with 95 % confidence, from draws of
        speakers. Empty where a corpus has a single speaker, about whom draws tell nothing. There is
        none of the calibration error, which draws make larger than it is.
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
        """The confusions as shares of each row: of the clips that act an emotion."""
        return tuple(tuple(n / sum(row) for n in row) for row in self.confusion)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures ready for JSON."""
        fields = dataclasses.asdict(self)
        fields["confusion_shares"] = self.confusion_shares
        return fields


@dataclasses.dataclass(frozen=True)
class Answers:
    """What of predictions the figures need, computed once.

    Parameters
    ----------
    labels
        The emotions that may be answered.
    acted, answered, answered_open
        Numbers of labels, shape (n_clips,); `answered` among the emotions of the clip's corpus.
    closed
        Probabilities among those, shape (n_clips, n_labels).
    corpora, speakers
        Of each clip, shape (n_clips,) of str.
    """

    labels: tuple[str, ...]
    acted: NDArray[np.intp]
    answered: NDArray[np.intp]
    answered_open: NDArray[np.intp]
    closed: Array
    corpora: NDArray[Any]
    speakers: NDArray[Any]

    @property
    def confidence(self) -> Array:
        """Of the answer among the emotions of the clip's corpus, shape (n_clips,)."""
        confidence: Array = self.closed.max(axis=1)
        return confidence

    @property
    def hit(self) -> NDArray[np.bool_]:
        """Whether that answer is right, shape (n_clips,)."""
        hit: NDArray[np.bool_] = self.answered == self.acted
        return hit


def answers(predictions: Predictions) -> Answers:
    """Make answers of probabilities."""
    closed = predictions.among_acted()
    return Answers(
        labels=predictions.labels,
        acted=predictions.acted,
        answered=closed.argmax(axis=1),
        answered_open=predictions.probabilities.argmax(axis=1),
        closed=closed,
        corpora=np.array(predictions.corpora),
        speakers=np.array([utterance.speaker for utterance in predictions.utterances]),
    )


def recalls(hits: Array, totals: Array) -> Array:
    """Return the mean over emotions, the last axis, of the share of hits; without those of none."""
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # of a draw without a clip
        means: Array = np.nanmean(hits / totals, axis=-1)
    return means


def corpus_report(name: str, found: Answers, seed: int) -> CorpusReport:
    """Measure the clips of one corpus, or with `ALL` those of all of them."""
    own = np.ones(len(found.acted), dtype=bool) if name == ALL else found.corpora == name
    acted, answered = found.acted[own], found.answered[own]
    emotions = np.unique(acted)
    n_emotions = len(emotions)
    speakers, of_speaker = np.unique(found.speakers[own], return_inverse=True)
    rows, columns = np.searchsorted(emotions, acted), np.searchsorted(emotions, answered)
    shares = found.closed[own]
    of_acted = shares[np.arange(len(acted)), acted]
    truth = np.eye(shares.shape[1])[acted]
    is_open = found.answered_open[own] == acted

    # Everything is a sum over speakers, so that draws of speakers are weights of the sums.
    sums = np.zeros((len(speakers), n_emotions * n_emotions + n_emotions + 3))
    confusions = sums[:, : n_emotions * n_emotions].reshape(-1, n_emotions, n_emotions)
    np.add.at(confusions, (of_speaker, rows, columns), 1)
    np.add.at(sums, (of_speaker[is_open], n_emotions**2 + rows[is_open]), 1)
    n_before = _n_before(shares, acted)
    per_clip = (n_before < 2, -np.log(np.clip(of_acted, _LEAST, 1)), ((shares - truth) ** 2).sum(1))
    for place, values in enumerate(per_clip, start=-3):
        np.add.at(sums[:, place], of_speaker, values)

    figures, by_emotion = _figures(sums.sum(axis=0), n_emotions)
    corpora = [name.partition("/")[0] for name in speakers.tolist()]
    draws = intervals.draw(corpora, seed) @ sums
    drawn, recall_drawn = _figures(draws, n_emotions)
    sizes = [corpora.count(corpus) for corpus in set(corpora)]
    freedom = {"smallest": min(sizes), "freedom": len(corpora) - len(sizes)}
    bounds = {figure: intervals.interval(values, **freedom) for figure, values in drawn.items()}
    of_recall = [intervals.interval(values, **freedom) for values in recall_drawn["recall"].T]
    confusion = confusions.sum(axis=0).astype(int)
    return CorpusReport(
        corpus=name,
        speakers=tuple(speakers.tolist()),
        n_clips=len(acted),
        emotions=tuple(found.labels[i] for i in emotions),
        confusion=tuple(map(tuple, confusion.tolist())),
        **{figure: float(value) for figure, value in figures.items()},
        calibration_error=calibration_error(found.confidence[own], found.hit[own]),
        aurc=float(risk_coverage(found.confidence[own], found.hit[own])[1].mean()),
        per_emotion=tuple(
            EmotionReport(
                emotion=found.labels[emotion],
                n_clips=int(confusion[i].sum()),
                **{figure: float(values[i]) for figure, values in by_emotion.items()},
                recall_interval=of_recall[i],
            )
            for i, emotion in enumerate(emotions)
        ),
        intervals={figure: pair for figure, pair in bounds.items() if pair is not None},
    )


def _n_before(shares: Array, acted: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return how many emotions are before the acted one; of equal ones the first counts more."""
    own = shares[np.arange(len(acted)), acted][:, np.newaxis]
    is_first = np.arange(shares.shape[1]) < acted[:, np.newaxis]
    n_before: NDArray[np.intp] = ((shares > own) | ((shares == own) & is_first)).sum(axis=1)
    return n_before


def _figures(sums: Array, n_emotions: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """Make figures of sums over clips, shape (..., n_sums), and those of each emotion."""
    confusion = sums[..., : n_emotions**2].reshape(*sums.shape[:-1], n_emotions, n_emotions)
    open_hits = sums[..., n_emotions**2 : -3]
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    acted, answered = confusion.sum(axis=-1), confusion.sum(axis=-2)
    n_clips = acted.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        by_emotion = {
            "precision": np.where(answered > 0, hits / np.maximum(answered, 1), 0.0),
            "recall": hits / acted,
            "f1": 2 * hits / (acted + answered),
        }
    figures = {
        "uar": recalls(hits, acted),
        "wa": hits.sum(axis=-1) / n_clips,
        "uar_open": recalls(open_hits, acted),
        "wa_open": open_hits.sum(axis=-1) / n_clips,
        "macro_f1": recalls(2 * hits, acted + answered),
        "top2": sums[..., -3] / n_clips,
        "log_loss": sums[..., -2] / n_clips,
        "brier": sums[..., -1] / n_clips,
    }
    return figures, by_emotion


def calibration_error(confidence: Array, hit: NDArray[np.bool_], n_bins: int = 15) -> float:
    """Return the expected calibration error: how far confidence is from accuracy, bin by bin.

    Parameters
    ----------
    confidence
        Of each answer, from 0 to 1, shape (n_clips,).
    hit
        Whether it was right, shape (n_clips,).
    n_bins
        Number of bins of equal width.

    Returns
    -------
    float
        The mean over answers of the distance of accuracy from mean confidence in their bins.

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
    gaps = np.bincount(bins, weights=hit - confidence, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(confidence))


def risk_coverage(confidence: Array, hit: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return how many answers are wrong where only the surest are kept.

    Parameters
    ----------
    confidence
        Of each answer, shape (n_clips,).
    hit
        Whether it was right, shape (n_clips,).

    Returns
    -------
    tuple of ndarray of float64, shape (n_clips,)
        The share of answers that are kept, from the surest one to all, and the share of these that
        are wrong. Of equally sure ones, as many are wrong as in their mean.

    References
    ----------
    Y. Geifman, R. El-Yaniv: "Selective classification for deep neural networks", NeurIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> kept, wrong = risk_coverage(np.array([0.9, 0.6, 0.8, 0.7]), np.array([1, 0, 1, 1], bool))
    >>> kept.tolist(), wrong.tolist()
    ([0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 0.0, 0.25])
    """
    _, of_level, n_equal = np.unique(-confidence, return_inverse=True, return_counts=True)
    wrong = np.bincount(of_level, weights=~hit) / n_equal
    n_kept = np.arange(1, len(confidence) + 1)
    risk: Array = np.cumsum(wrong[np.sort(of_level)]) / n_kept
    return n_kept / len(confidence), risk
