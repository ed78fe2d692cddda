"""The report of an evaluation: metrics, their origin and their limits."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from emotionrecog import files
from emotionrecog.evaluation import metrics
from emotionrecog.evaluation.groups import Breakdown, breakdowns
from emotionrecog.evaluation.listeners import ListenersReport, listeners
from emotionrecog.evaluation.metrics import ALL, Answers, CorpusReport
from emotionrecog.splits import protocols
from emotionrecog.text import count, interval, number, percent, table

if TYPE_CHECKING:
    import os

    from emotionrecog.datasets import Utterance
    from emotionrecog.evaluation.predictions import Predictions

__all__ = ["FEW_SPEAKERS", "Mistake", "Report", "report"]

# Number of gaps that the text names; all are in `Report.breakdowns`.
_N_GAPS = 12

FEW_SPEAKERS = 5
"""With fewer speakers, intervals are too narrow.

In simulated test sets, 95 % intervals held the true value in 95 % of cases from five speakers on,
and in 75 % with three.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mistake:
    """A misclassified clip.

    Parameters
    ----------
    utterance
        The clip.
    answered
        The emotion answered.
    probabilities
        Probability of each emotion that its corpus acts.
    """

    utterance: Utterance
    answered: str
    probabilities: dict[str, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Metrics of a recogniser, corpus by corpus.

    Parameters
    ----------
    corpora
        A report for each corpus; song counts apart from speech.
    calibration_error
        Expected calibration error over all clips, in 15 bins: the distance between confidence and
        accuracy, among the emotions of each clip's corpus.
    n_failed
        Number of clips that could not be judged. They are left out of the metrics.
    leakage
        The speakers and recordings of the test set that were seen in training, in words, if leakage
        was allowed; None if none are known.
    name
        Name of the recogniser, function or network.
    protocol
        Name of the fold whose test set this is; None if unknown.
    audited
        How the test set was compared with the training data.
    overall
        Metrics of all corpora together; None if there is only one.
    breakdowns
        Metrics by speaker, sex, age band, intensity, sentence and duration, corpus by corpus.
    listeners
        Comparison with the people who listened to the same clips, for each corpus with votes.
    notes
        Limits of the results.
    predictions
        The probabilities of each clip, from which everything was computed.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.evaluation import Predictions
    >>> folder = Path("benchmarks/results/benchmark/tess-speaker2")
    >>> results = report(Predictions.read_csv(folder / "tess-speaker2-1.csv"))
    >>> [row.corpus for row in results.corpora]
    ['tess']
    """

    corpora: tuple[CorpusReport, ...]
    calibration_error: float
    n_failed: int
    leakage: str | None = None
    name: str = ""
    protocol: str | None = None
    audited: str = ""
    overall: CorpusReport | None = None
    breakdowns: tuple[Breakdown, ...] = ()
    listeners: tuple[ListenersReport, ...] = ()
    notes: tuple[str, ...] = ()
    predictions: Predictions | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def gaps(self) -> tuple[Breakdown, ...]:
        """The breakdowns whose gap is more than chance explains, the widest first."""
        beyond_chance = [row for row in self.breakdowns if row.is_beyond_chance]
        return tuple(sorted(beyond_chance, key=lambda row: -(row.gap or 0.0)))

    def mistakes(self, n: int = 12) -> list[Mistake]:
        """Return the misclassified clips whose emotion had the lowest probability.

        Parameters
        ----------
        n
            Largest number of clips.

        Examples
        --------
        >>> from pathlib import Path
        >>> from emotionrecog.evaluation import Predictions
        >>> folder = Path("benchmarks/results/benchmark/tess-speaker2")
        >>> results = report(Predictions.read_csv(folder / "tess-speaker2-1.csv"))
        >>> len(results.mistakes(3))
        3
        """
        if self.predictions is None:
            return []
        predictions = self.predictions
        closed, acted = predictions.among_acted(), predictions.acted
        answered = closed.argmax(axis=1)
        share_of_acted = closed[np.arange(len(acted)), acted]
        wrong = np.flatnonzero(answered != acted)
        emotions = {row.corpus: row.emotions for row in self.corpora}
        worst = []
        for i in wrong[np.argsort(share_of_acted[wrong], kind="stable")][:n]:
            shares = dict(zip(predictions.labels, closed[i].tolist(), strict=True))
            worst.append(
                Mistake(
                    utterance=predictions.utterances[i],
                    answered=predictions.labels[answered[i]],
                    probabilities={
                        emotion: shares[emotion] for emotion in emotions[predictions.corpora[i]]
                    },
                )
            )
        return worst

    def to_dict(self) -> dict[str, Any]:
        """Return the metrics ready for JSON, leakage and other limits first.

        The probabilities of each clip are left out; `predictions` writes them as a table.

        Examples
        --------
        >>> from pathlib import Path
        >>> from emotionrecog.evaluation import Predictions
        >>> folder = Path("benchmarks/results/benchmark/tess-speaker2")
        >>> results = report(Predictions.read_csv(folder / "tess-speaker2-1.csv"))
        >>> results.to_dict()["corpora"][0]["corpus"]
        'tess'
        """
        return {
            "leakage": self.leakage,
            "name": self.name,
            "protocol": self.protocol,
            "audited": self.audited,
            "notes": list(self.notes),
            "n_failed": self.n_failed,
            "calibration_error": self.calibration_error,
            "corpora": [row.to_dict() for row in self.corpora],
            "overall": self.overall and self.overall.to_dict(),
            "breakdowns": [
                {**dataclasses.asdict(row), "is_beyond_chance": row.is_beyond_chance}
                for row in self.breakdowns
            ],
            "listeners": [_without_nan(dataclasses.asdict(row)) for row in self.listeners],
        }

    def to_html(self, *, title: str | None = None) -> str:
        """Return the report as one self-contained HTML page; needs Matplotlib.

        The worst mistakes are shown with spectrograms, for which their recordings are read again.
        Check the licence of the recordings before you publish such a page.

        Parameters
        ----------
        title
            Title of the page; by default the names of the recogniser and the protocol.

        Raises
        ------
        EmotionRecogError
            If Matplotlib is not installed.
        ValueError
            If the report has no predictions.

        Examples
        --------
        >>> page = results.to_html(title="On my recordings")  # doctest: +SKIP
        """
        from emotionrecog.evaluation import page

        return page.html(self, title)

    def write_html(self, path: str | os.PathLike[str], *, title: str | None = None) -> None:
        """Write the page of `to_html` to a file; other parameters and errors are the same.

        Examples
        --------
        >>> results.write_html("report.html")  # doctest: +SKIP
        """
        files.write_text(path, self.to_html(title=title))

    def __str__(self) -> str:
        """Lay the metrics out as tables, in per cent."""
        lines = []
        if self.leakage:
            lines.append(f"LEAKY, these are not results on new speakers: {self.leakage}")
        lines += [line for line in (self.heading, self.audited) if line]
        rows = [*self.corpora, *([self.overall] if self.overall else [])]
        lines.append(_corpus_table(rows))
        lines.append(f"expected calibration error {percent(self.calibration_error)}")
        if self.n_failed:
            lines.append(f"left out: {count(self.n_failed, 'clip')} that could not be judged")
        lines += self.notes
        for row in rows:
            if row.per_emotion:
                lines += ["", _emotion_table(row)]
        for comparison in self.listeners:
            lines += ["", _listener_table(comparison)]
        gaps = [row for row in self.breakdowns if row.gap is not None and row.factor != "speaker"]
        gaps.sort(key=lambda row: (not row.is_beyond_chance, -(row.gap or 0.0)))
        if gaps:
            lines += ["", "gaps"]
            lines += [f"  {row}" for row in gaps[:_N_GAPS]]
            if len(gaps) > _N_GAPS:
                lines.append(f"  and {len(gaps) - _N_GAPS} more")
        return "\n".join(lines)

    @property
    def heading(self) -> str:
        """The recogniser, the protocol and the clips; empty without a name."""
        if not self.name:
            return ""
        n_clips = sum(row.n_clips for row in self.corpora)
        n_speakers = len({speaker for row in self.corpora for speaker in row.speakers})
        where = f" on {self.protocol}" if self.protocol else ""
        return f"{self.name}{where}: {count(n_clips, 'clip')} of {count(n_speakers, 'speaker')}"


def report(
    predictions: Predictions,
    *,
    leakage: str | None = None,
    name: str = "",
    protocol: str | None = None,
    audited: str = "",
    notes: tuple[str, ...] = (),
    seed: int = 0,
) -> Report:
    """Compute a report from predictions.

    Parameters
    ----------
    predictions
        Probabilities of each clip.
    leakage, name, protocol, audited
        As in `Report`.
    notes
        Notes besides those that follow from the protocol and the predictions.
    seed
        Random seed of the draws of speakers from which intervals are computed.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance
    >>> from emotionrecog.evaluation import Predictions
    >>> clips = tuple(
    ...     Utterance(Path(f"{name}_{emotion}.wav"), emotion, corpus="mine", speaker=f"mine/{name}")
    ...     for name in ("ann", "bob")
    ...     for emotion in ("happy", "sad")
    ... )
    >>> predictions = Predictions(
    ...     labels=("happy", "sad"),
    ...     utterances=clips,
    ...     probabilities=np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]]),
    ...     durations=np.full(4, 2.5),
    ... )
    >>> report(predictions).corpora[0].uar
    0.75
    """
    answers = Answers.of(predictions)
    names = list(dict.fromkeys(answers.corpora.tolist()))
    rows = tuple(metrics.corpus_report(corpus, answers, seed) for corpus in names)
    overall = metrics.corpus_report(ALL, answers, seed) if len(rows) > 1 else None
    return Report(
        corpora=rows,
        calibration_error=metrics.calibration_error(answers.confidence, answers.is_correct),
        n_failed=len(predictions.failed),
        leakage=leakage,
        name=name,
        protocol=protocol,
        audited=audited,
        overall=overall,
        breakdowns=breakdowns(answers, predictions.utterances, predictions.durations, seed),
        listeners=listeners(answers, predictions.utterances, seed),
        notes=(*_protocol_notes(protocol), *notes, *_notes(predictions, rows, overall)),
        predictions=predictions,
    )


def _protocol_notes(fold: str | None) -> tuple[str, ...]:
    """Return a note on the speakers and sentences that the protocol of a fold keeps apart."""
    names = [
        name for name in protocols.NAMES if fold == name or (fold or "").startswith(f"{name}/")
    ]
    if not names:
        return ()
    protocol = protocols.get(max(names, key=len))
    speakers = (
        "no speaker is in both training and test"
        if protocol.speaker_disjoint
        else protocols.NOT_SPEAKER_DISJOINT
    )
    sentences = (
        "no sentence is in both training and test"
        if protocol.text_disjoint
        else protocols.NOT_TEXT_DISJOINT
    )
    return (f"protocol {fold}: {protocol.title}; {speakers}; {sentences}",)


def _notes(
    predictions: Predictions, rows: tuple[CorpusReport, ...], overall: CorpusReport | None
) -> list[str]:
    notes = []
    single = [row.corpus for row in rows if len(row.speakers) == 1]
    if single:
        all_too = ", nor for all corpora together" if overall and not overall.intervals else ""
        notes.append(
            f"{', '.join(single)}: a single speaker, for whom there is no interval{all_too}: "
            "results on another speaker may differ widely"
        )
    unknown = [row.corpus for row in rows if any(s.endswith("/unknown") for s in row.speakers)]
    if unknown:
        notes.append(
            f"{', '.join(unknown)}: the speakers are unknown, and all count as one speaker"
        )
    few = [row.corpus for row in rows if 1 < len(row.speakers) < FEW_SPEAKERS]
    if few:
        notes.append(
            f"{', '.join(few)}: fewer than {FEW_SPEAKERS} speakers, so that intervals are too "
            "narrow"
        )
    acted = {utterance.emotion for utterance in predictions.utterances}
    missing = [label for label in predictions.labels if label not in acted]
    if missing:
        notes.append(f"not measured, because no clip has them: {', '.join(missing)}")
    alone = [f"{row.corpus} ({row.emotions[0]})" for row in rows if len(row.emotions) == 1]
    if alone:
        notes.append(
            f"{', '.join(alone)}: a single emotion, so that every answer among the emotions of "
            "the corpus is correct"
        )
    return notes


def _corpus_table(rows: list[CorpusReport]) -> str:
    return table(
        (
            "corpus",
            "clips",
            "UAR",
            "95 % interval",
            "WA",
            "F1",
            "top 2",
            "log-loss",
            "Brier",
            "ECE",
            "UAR, any emotion",
        ),
        [
            (
                row.corpus,
                row.n_clips,
                percent(row.uar),
                interval(row.intervals.get("uar")),
                percent(row.wa),
                percent(row.macro_f1),
                percent(row.top2),
                number(row.log_loss),
                number(row.brier),
                percent(row.calibration_error),
                percent(row.uar_open),
            )
            for row in rows
        ],
    )


def _emotion_table(row: CorpusReport) -> str:
    """Lay out recall, precision and F1 of each emotion, and the confusion matrix."""
    cells = [
        (
            emotion.emotion,
            emotion.n_clips,
            percent(emotion.recall),
            percent(emotion.precision),
            percent(emotion.f1),
            *counts,
        )
        for emotion, counts in zip(row.per_emotion, row.confusion, strict=True)
    ]
    title = f"{row.corpus}: acted emotion (rows), and clips per emotion answered (columns)"
    head = ("", "clips", "recall", "precision", "F1", *row.emotions)
    return f"{title}\n{table(head, cells, indent='  ')}"


def _listener_table(comparison: ListenersReport) -> str:
    """Lay out the metrics of listeners beside the recogniser's."""
    title = f"{comparison.corpus}: listeners beside the recogniser"
    if comparison.n_without_votes:
        title += f" ({count(comparison.n_without_votes, 'clip')} without votes left out)"
    head = (
        "",
        "clips",
        "listener right",
        "majority right",
        "recogniser right",
        "listeners agree",
        "recogniser agrees",
    )
    cells = [
        (
            row.value,
            row.n_clips,
            *map(
                percent,
                (
                    row.listener,
                    row.majority,
                    row.recognizer,
                    row.listener_with_listeners,
                    row.recognizer_with_listeners,
                ),
            ),
        )
        for row in comparison.rows
    ]
    return f"{title}\n{table(head, cells, indent='  ')}"


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value
