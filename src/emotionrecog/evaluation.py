"""How good a recogniser is on voices it never heard."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from emotionrecog import audit
from emotionrecog.errors import DatasetError, LeakageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from emotionrecog.datasets import Utterance
    from emotionrecog.recognizer import EmotionRecognizer

__all__ = ["CorpusReport", "Report", "evaluate"]

_logger = logging.getLogger("emotionrecog")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorpusReport:
    """Figures on one corpus, all fractions from 0 to 1.

    Parameters
    ----------
    corpus, speakers, n_clips
        What was judged.
    emotions
        Those that the clips act, and among which `uar`, `wa` and `confusion` choose.
    uar
        Unweighted average recall: the mean over emotions of the share recognised.
    wa
        Weighted accuracy: the share of all clips recognised.
    uar_open, wa_open
        The same where any of the recogniser's emotions may be answered, those that the corpus
        lacks included.
    confusion
        Rows: emotion acted. Columns: emotion answered. Numbers of clips.
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Figures of a recogniser, corpus by corpus.

    Parameters
    ----------
    corpora
        A report for each corpus; RAVDESS' song apart from its speech.
    calibration_error
        Expected calibration error over all clips, in 15 bins: how far confidence is from accuracy,
        among the emotions of each clip's corpus.
    n_failed
        Clips that could not be judged. They are left out of the figures.
    leakage
        What of the test set was in training, where figures were wanted all the same; None where
        nothing is known to be.
    """

    corpora: tuple[CorpusReport, ...]
    calibration_error: float
    n_failed: int
    leakage: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures ready for JSON, what is wrong with them first."""
        fields = dataclasses.asdict(self)
        return {"leakage": fields.pop("leakage"), **fields}

    def __str__(self) -> str:
        """Lay the figures out as a table, in per cent."""
        lines = []
        if self.leakage:
            lines.append(f"LEAKY, these are no figures on new voices: {self.leakage}")
        lines += [f"{'corpus':<14}{'clips':>6}{'UAR':>7}{'WA':>7}{'UAR, any of all emotions':>27}"]
        lines += [
            f"{row.corpus:<14}{row.n_clips:>6}{100 * row.uar:>7.1f}{100 * row.wa:>7.1f}"
            f"{100 * row.uar_open:>27.1f}"
            for row in self.corpora
        ]
        lines.append(f"expected calibration error {100 * self.calibration_error:.1f}")
        if self.n_failed:
            lines.append(f"{self.n_failed} clips could not be judged and are not counted")
        return "\n".join(lines)


def evaluate(
    recognizer: EmotionRecognizer,
    test_set: Sequence[Utterance],
    *,
    train_set: Sequence[Utterance] = (),
    allow_leakage: bool = False,
    n_jobs: int = -1,
) -> Report:
    """Measure a recogniser on utterances.

    Parameters
    ----------
    recognizer
        What to measure.
    test_set
        Utterances of speakers that were not in its training.
    train_set
        Utterances that the recogniser was trained on. Where they are given,
        `emotionrecog.audit.audit` looks for those of `test_set` among them, by ear as well.
    allow_leakage
        Measure although speakers or recordings of `test_set` were in training. Such figures say
        how well the recogniser remembers, not how well it hears, and the report says so.
    n_jobs
        Number of workers, as joblib counts them.

    Raises
    ------
    LeakageError
        If the recogniser was trained on speakers of `test_set`, or `train_set` shares speakers or
        recordings with it, and `allow_leakage` is false.
    DatasetError
        If no clip can be judged, or a clip's emotion is none that the recogniser answers.
    """
    leakage = _leakage(recognizer, test_set, allow_leakage)
    if train_set:
        found = audit.refuse(train_set, test_set, allow_leakage=allow_leakage, n_jobs=n_jobs)
        leakage = "; ".join(filter(None, (leakage, found))) or None
    unknown = {utterance.emotion for utterance in test_set} - set(recognizer.labels)
    if unknown:
        raise DatasetError(
            f"the test set must act emotions among {', '.join(recognizer.labels)}; "
            f"found {', '.join(sorted(unknown))}"
        )
    judged, answers, failed = [], [], 0
    paths = (utterance.path for utterance in test_set)
    predictions = recognizer.predict_batch(paths, n_jobs=n_jobs, on_error="keep")
    progress = tqdm(predictions, "testing", total=len(test_set), unit="clip", disable=None)
    for utterance, prediction in zip(test_set, progress, strict=True):
        if isinstance(prediction, Exception):
            _logger.warning("left out %s: %s", utterance.path, prediction)
            failed += 1
        else:
            judged.append(utterance)
            answers.append(list(prediction.probabilities.values()))
    if not judged:
        raise DatasetError(f"none of the {len(test_set)} clips of the test set can be judged")
    probabilities = np.array(answers)
    labels = recognizer.labels
    rows, confidences, hits = [], [], []
    for name, clips in _by_corpus(judged):
        utterances = [judged[i] for i in clips]
        row, confidence, hit = _report(name, utterances, probabilities[clips], labels)
        rows.append(row)
        confidences.append(confidence)
        hits.append(hit)
    error = calibration_error(np.concatenate(confidences), np.concatenate(hits))
    return Report(corpora=tuple(rows), calibration_error=error, n_failed=failed, leakage=leakage)


def _leakage(
    recognizer: EmotionRecognizer, test_set: Sequence[Utterance], allowed: bool
) -> str | None:
    """Say what the recogniser itself tells of the test set; raise where it heard its speakers."""
    training = recognizer.artifact.training
    shared = sorted(set(training.get("speakers", ())) & {u.speaker for u in test_set})
    parts = []
    if shared:
        parts.append(
            f"the recogniser was trained on {len(shared)} speakers of the test set, such as "
            f"{', '.join(shared[:3])}"
        )
        if not allowed:
            raise LeakageError(
                f"{parts[0]}: figures would not tell how it does on new voices. Test on "
                "other speakers, or train one that leaves these out; `allow_leakage=True`, or "
                "--allow-leakage on the command line, measures all the same, and the report says so"
            )
    if training.get("leakage"):
        parts.append(
            "the recogniser was trained although its test set was known to leak: "
            f"{training['leakage']}"
        )
    return "; ".join(parts) or None


def _by_corpus(utterances: Sequence[Utterance]) -> Iterator[tuple[str, list[int]]]:
    names = [u.corpus if u.style == "speech" else f"{u.corpus} {u.style}" for u in utterances]
    for name in dict.fromkeys(names):
        yield name, [i for i, other in enumerate(names) if other == name]


def _report(
    name: str,
    utterances: Sequence[Utterance],
    probabilities: NDArray[np.float64],
    labels: tuple[str, ...],
) -> tuple[CorpusReport, NDArray[np.float64], NDArray[np.bool_]]:
    acted = np.array([labels.index(utterance.emotion) for utterance in utterances])
    present = np.unique(acted)
    closed = probabilities[:, present]
    answered = present[closed.argmax(axis=1)]
    answered_open = probabilities.argmax(axis=1)

    def uar(answer: NDArray[np.intp]) -> float:
        return float(np.mean([(answer[acted == emotion] == emotion).mean() for emotion in present]))

    confusion = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(confusion, (acted, answered), 1)

    report = CorpusReport(
        corpus=name,
        speakers=tuple(sorted({utterance.speaker for utterance in utterances})),
        n_clips=len(utterances),
        emotions=tuple(labels[i] for i in present),
        uar=uar(answered),
        wa=float((answered == acted).mean()),
        uar_open=uar(answered_open),
        wa_open=float((answered_open == acted).mean()),
        confusion=tuple(map(tuple, confusion[np.ix_(present, present)].tolist())),
    )
    return report, closed.max(axis=1) / closed.sum(axis=1), answered == acted


def calibration_error(
    confidence: NDArray[np.float64], hit: NDArray[np.bool_], n_bins: int = 15
) -> float:
    """Return the expected calibration error: mean |accuracy - confidence| over equal bins.

    Parameters
    ----------
    confidence
        Of each answer, from 0 to 1, shape (n_clips,).
    hit
        Whether it was right, shape (n_clips,).
    n_bins
        Number of bins of equal width.

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
