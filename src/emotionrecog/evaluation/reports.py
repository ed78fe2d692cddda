"""The report: figures, where they come from, and what is wrong with them."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotionrecog.evaluation import metrics
from emotionrecog.evaluation.groups import Breakdown, breakdowns
from emotionrecog.evaluation.listeners import ListenersReport, listeners
from emotionrecog.evaluation.metrics import ALL, CorpusReport
from emotionrecog.splits import protocols

if TYPE_CHECKING:
    import os

    from emotionrecog.datasets import Utterance
    from emotionrecog.evaluation.predictions import Predictions

__all__ = ["Mistake", "Report", "report"]

# Gaps that the text names; all are in `Report.breakdowns`.
_NAMED = 12

# From so many speakers on, 95 % intervals held what they should in 95 % of made-up test sets; with
# three in 75 %.
_FEW_SPEAKERS = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mistake:
    """A clip that was taken for something else.

    Parameters
    ----------
    utterance
        Which.
    answered
        What it was taken for.
    probabilities
        Of each emotion that its corpus acts.
    """

    utterance: Utterance
    answered: str
    probabilities: dict[str, float]


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
    name
        What was measured.
    protocol
        Name of the fold whose test speakers these are; None where it is not said.
    audited
        How it was looked for whether training heard the test set.
    overall
        All corpora together; None where there is only one.
    breakdowns
        By speaker, sex, age band, intensity, sentence and duration, corpus by corpus.
    listeners
        Beside the people who heard the same clips, for each corpus with votes.
    notes
        What else to know before believing the figures.
    predictions
        What was answered to each clip, of which everything was made.
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
        """The breakdowns whose groups are further apart than chance has it, the widest first."""
        found = [row for row in self.breakdowns if row.is_beyond_chance]
        return tuple(sorted(found, key=lambda row: -(row.gap or 0.0)))

    def mistakes(self, n: int = 12) -> list[Mistake]:
        """Return the worst mistakes: what was acted had the least probability.

        Parameters
        ----------
        n
            How many at most.
        """
        if self.predictions is None:
            return []
        predictions = self.predictions
        closed, acted = predictions.among_acted(), predictions.acted
        answered = closed.argmax(axis=1)
        own = closed[np.arange(len(acted)), acted]
        wrong = np.flatnonzero(answered != acted)
        emotions = {row.corpus: row.emotions for row in self.corpora}
        worst = []
        for i in wrong[np.argsort(own[wrong], kind="stable")][:n]:
            shares = dict(zip(predictions.labels, closed[i].tolist(), strict=True))
            known = emotions[predictions.corpora[i]]
            worst.append(
                Mistake(
                    utterance=predictions.utterances[i],
                    answered=predictions.labels[answered[i]],
                    probabilities={emotion: shares[emotion] for emotion in known},
                )
            )
        return worst

    def to_dict(self) -> dict[str, Any]:
        """Return the figures ready for JSON, what is wrong with them first.

        What was answered to each clip is not in it: `predictions` writes that as a table.
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
        """Return the report as one page that needs nothing else; needs Matplotlib.

        The worst mistakes are shown with spectrograms, for which their recordings are read once
        more. These pictures are made of the recordings: before such a page is published, see what
        their licence allows.

        Parameters
        ----------
        title
            What the page is called; by default it says what was measured on what.

        Raises
        ------
        EmotionRecogError
            If Matplotlib is not installed.
        ValueError
            If the report has no predictions.
        """
        from emotionrecog.evaluation import page

        return page.html(self, title)

    def write_html(self, path: str | os.PathLike[str], *, title: str | None = None) -> None:
        """Write the page of `to_html` to a file; parameters and errors are those of it."""
        text = self.to_html(title=title)
        Path(path).write_text(text, encoding="utf-8")

    def __str__(self) -> str:
        """Lay the figures out as tables, in per cent."""
        lines = []
        if self.leakage:
            lines.append(f"LEAKY, these are no figures on new voices: {self.leakage}")
        lines += [line for line in (self.heading, self.audited) if line]
        rows = [*self.corpora, *([self.overall] if self.overall else [])]
        lines.append(
            f"{'corpus':<14}{'clips':>6}{'UAR':>7}{'95 % interval':>15}{'WA':>7}{'F1':>7}"
            f"{'top 2':>7}{'log-loss':>10}{'Brier':>7}{'ECE':>6}{'UAR, any of all emotions':>26}"
        )
        lines += [
            f"{row.corpus:<14}{row.n_clips:>6}{_percent(row.uar):>7}"
            f"{_bounds(row.intervals.get('uar')):>15}{_percent(row.wa):>7}"
            f"{_percent(row.macro_f1):>7}{_percent(row.top2):>7}{_number(row.log_loss):>10}"
            f"{_number(row.brier):>7}{_percent(row.calibration_error):>6}"
            f"{_percent(row.uar_open):>26}"
            for row in rows
        ]
        lines.append(f"expected calibration error {100 * self.calibration_error:.1f}")
        if self.n_failed:
            lines.append(f"clips that could not be judged and are not counted: {self.n_failed}")
        lines += self.notes
        for row in rows:
            if row.per_emotion:
                lines += ["", *_emotions(row)]
        for compared in self.listeners:
            lines += ["", *_listeners(compared)]
        named = [row for row in self.breakdowns if row.gap is not None and row.factor != "speaker"]
        named.sort(key=lambda row: (not row.is_beyond_chance, -(row.gap or 0.0)))
        if named:
            lines += ["", "gaps"]
            lines += [f"  {row}" for row in named[:_NAMED]]
            if len(named) > _NAMED:
                lines.append(f"  and {len(named) - _NAMED} more")
        return "\n".join(lines)

    @property
    def heading(self) -> str:
        """What was measured on what; empty where nothing is known of it."""
        if not self.name:
            return ""
        n_clips = sum(row.n_clips for row in self.corpora)
        n_speakers = len({speaker for row in self.corpora for speaker in row.speakers})
        where = f" on {self.protocol}" if self.protocol else ""
        return f"{self.name}{where}: {n_clips} clips of {n_speakers} speakers"


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
    """Make a report of predictions.

    Parameters
    ----------
    predictions
        What was answered.
    leakage, name, protocol, audited
        As in `Report`.
    notes
        What is to be said besides what the protocol and the predictions themselves tell.
    seed
        Of the draws of speakers.
    """
    found = metrics.answers(predictions)
    names = list(dict.fromkeys(found.corpora.tolist()))
    rows = tuple(metrics.corpus_report(corpus, found, seed) for corpus in names)
    overall = metrics.corpus_report(ALL, found, seed) if len(rows) > 1 else None
    return Report(
        corpora=rows,
        calibration_error=metrics.calibration_error(found.confidence, found.hit),
        n_failed=len(predictions.failed),
        leakage=leakage,
        name=name,
        protocol=protocol,
        audited=audited,
        overall=overall,
        breakdowns=breakdowns(found, predictions.utterances, predictions.durations, seed),
        listeners=listeners(found, predictions.utterances, seed),
        notes=(*_protocol_notes(protocol), *notes, *_notes(predictions, rows, overall)),
        predictions=predictions,
    )


def _protocol_notes(fold: str | None) -> tuple[str, ...]:
    """Say what the protocol of a fold keeps apart."""
    known = [
        name for name in protocols.NAMES if fold == name or (fold or "").startswith(f"{name}/")
    ]
    if not known:
        return ()
    protocol = protocols.get(max(known, key=len))
    apart = (
        "no speaker is in both training and test"
        if protocol.speaker_disjoint
        else "SPEAKERS ARE IN TRAINING AND TEST: these are no figures on new voices"
    )
    text = (
        "sentences are not in both"
        if protocol.text_disjoint
        else "sentences that are tested may have been trained on, said by others"
    )
    return (f"protocol {fold}: {protocol.title}; {apart}; {text}",)


def _notes(
    predictions: Predictions, rows: tuple[CorpusReport, ...], overall: CorpusReport | None
) -> list[str]:
    notes = []
    single = [row.corpus for row in rows if len(row.speakers) == 1]
    if single:
        all_too = ", nor one of all corpora together" if overall and not overall.intervals else ""
        notes.append(
            f"{_listed(single)}: a single speaker, of whom no interval can be made{all_too}: "
            "another speaker may do much better or worse"
        )
    unknown = [row.corpus for row in rows if any(s.endswith("/unknown") for s in row.speakers)]
    if unknown:
        notes.append(f"{_listed(unknown)}: nobody knows who speaks, and all count as one speaker")
    few = [row.corpus for row in rows if 1 < len(row.speakers) < _FEW_SPEAKERS]
    if few:
        notes.append(
            f"{_listed(few)}: fewer than {_FEW_SPEAKERS} speakers, of whom intervals are too narrow"
        )
    missing = [
        label
        for label in predictions.labels
        if all(utterance.emotion != label for utterance in predictions.utterances)
    ]
    if missing:
        notes.append(
            f"no clip acts {_listed(missing)}: nothing is said of how these are recognised"
        )
    alone = [f"{row.corpus} ({row.emotions[0]})" for row in rows if len(row.emotions) == 1]
    if alone:
        notes.append(
            f"{_listed(alone)}: one emotion alone, so that every answer among what it acts is right"
        )
    return notes


def _listed(names: list[str]) -> str:
    return ", ".join(names)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _bounds(pair: tuple[float, float] | None) -> str:
    return "none" if pair is None else f"{100 * pair[0]:.1f} – {100 * pair[1]:.1f}"


def _emotions(row: CorpusReport) -> list[str]:
    """Lay out recall, precision and F1 of each emotion, and what was answered."""
    width = max(10, *(len(emotion) + 1 for emotion in row.emotions))
    head = "".join(f"{emotion:>{width}}" for emotion in row.emotions)
    lines = [
        f"{row.corpus}: each emotion acted, and how often each was answered",
        f"{'':<14}{'clips':>6}{'recall':>8}{'prec.':>7}{'F1':>7}  {head}",
    ]
    for figures_of, counts in zip(row.per_emotion, row.confusion, strict=True):
        taken = "".join(f"{n:>{width}}" for n in counts)
        lines.append(
            f"  {figures_of.emotion:<12}{figures_of.n_clips:>6}{_percent(figures_of.recall):>8}"
            f"{_percent(figures_of.precision):>7}{_percent(figures_of.f1):>7}  {taken}"
        )
    return lines


def _listeners(compared: ListenersReport) -> list[str]:
    """Lay out people beside the recognizer."""
    lines = [
        f"{compared.corpus}: listeners beside the recogniser"
        + (
            f" ({compared.n_without_votes} clips without votes left out)"
            if compared.n_without_votes
            else ""
        ),
        f"{'':<14}{'clips':>6}   recognise what was acted        agree with a listener",
        f"{'':<14}{'':>6}{'listener':>11}{'majority':>10}{'recogniser':>12}"
        f"{'listener':>11}{'recogniser':>12}",
    ]
    for row in compared.rows:
        agreement = row.listener_with_listeners
        lines.append(
            f"  {row.value:<12}{row.n_clips:>6}{_percent(row.listener):>11}"
            f"{_percent(row.majority):>10}{_percent(row.recognizer):>12}"
            f"{'' if math.isnan(agreement) else _percent(agreement):>11}"
            f"{_percent(row.recogniser_with_listeners):>12}"
        )
    return lines


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value
