"""Summarise the folds of a benchmark: means over folds, pooled metrics, and others' results."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from emotionrecog import evaluation, files
from emotionrecog.benchmark.literature import Published, published
from emotionrecog.errors import DatasetError
from emotionrecog.evaluation import Predictions
from emotionrecog.evaluation.reports import FEW_SPEAKERS
from emotionrecog.splits import protocols
from emotionrecog.text import count, interval, percent, table

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from emotionrecog.evaluation import CorpusReport

__all__ = [
    "FOUR",
    "METRICS",
    "CorpusSummary",
    "Summary",
    "among",
    "corpus_rows",
    "file_name",
    "read_fold",
    "summary",
]

METRICS = ("uar", "wa", "macro_f1", "calibration_error")
"""Metrics that are averaged over folds; see `emotionrecog.evaluation.CorpusReport`."""

FOUR = ("angry", "happy", "neutral", "sad")
"""The emotions of most published results on corpora that were not seen in training."""

# Metrics of these four are computed for the protocol that holds whole corpora out.
_ACROSS = "cross-corpus"


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorpusSummary:
    """Metrics of a corpus over the folds that test it, all shares from 0 to 1.

    Parameters
    ----------
    corpus, n_folds, n_clips, n_speakers, emotions
        The clips tested. Every clip counts once if the folds test each once.
    mean, deviation
        Mean over folds and sample standard deviation of each of `METRICS`; the deviation of a
        single fold is None.
    pooled
        Metrics of the answers of all folds together.
    intervals
        95 % confidence intervals of the pooled metrics, from draws of speakers.
    """

    corpus: str
    n_folds: int
    n_clips: int
    n_speakers: int
    emotions: tuple[str, ...]
    mean: Mapping[str, float]
    deviation: Mapping[str, float | None]
    pooled: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """Results of a benchmark of one protocol.

    Parameters
    ----------
    protocol, title, speaker_disjoint, text_disjoint
        Those of the `emotionrecog.splits.protocols.Protocol`.
    folds
        A row for each fold that is done, as in its file.
    missing
        Names of the folds that are not done.
    corpora
        A summary for each corpus tested.
    four
        The same for clips that act one of `FOUR`, with answers among these; only if whole corpora
        are held out.
    mean, deviation
        Mean over folds and standard deviation of each of `METRICS`, where each fold counts as the
        mean of its corpora.
    command
        Command that made the folds.
    recipe, initial_weights
        How the networks were trained.
    notes
        Limits of the results.

    Examples
    --------
    >>> results = summary("benchmarks/results/benchmark/tess-speaker2")
    >>> results.speaker_disjoint, results.missing
    (True, ())
    """

    protocol: str
    title: str
    speaker_disjoint: bool
    text_disjoint: bool
    folds: tuple[Mapping[str, Any], ...]
    missing: tuple[str, ...]
    corpora: tuple[CorpusSummary, ...]
    four: tuple[CorpusSummary, ...]
    mean: Mapping[str, float]
    deviation: Mapping[str, float | None]
    command: str
    recipe: Mapping[str, Any]
    initial_weights: str | None
    notes: tuple[str, ...] = ()

    def compares(self, other: Published) -> bool:
        """Return whether a published result is of the same folds and emotions.

        Examples
        --------
        >>> results = summary("benchmarks/results/benchmark/tess-speaker2")
        >>> all(results.compares(row) for _, _, row in results.best("tess"))
        True
        """
        return other.same_protocol and any(
            (row.corpus, len(row.emotions)) == (other.corpus, other.n_emotions)
            for row in self.corpora
        )

    def best(self, corpus: str) -> list[tuple[str, float, Published]]:
        """Return the highest UAR and the highest accuracy of published results that compare.

        Returns
        -------
        list of (str, float, Published)
            ``"UAR"`` or ``"WA"``, the value, and the result it belongs to; both, one or neither.

        Examples
        --------
        >>> results = summary("benchmarks/results/benchmark/tess-speaker2")
        >>> {name for name, _, _ in results.best("tess")} <= {"UAR", "WA"}
        True
        """
        comparable = [row for row in published(self.protocol) if self.compares(row)]
        best_rows = []
        for name in ("uar", "wa"):
            rows = [
                row for row in comparable if row.corpus == corpus and getattr(row, name) is not None
            ]
            if rows:
                best = max(rows, key=lambda row: float(getattr(row, name)))
                best_rows.append((name.upper(), float(getattr(best, name)), best))
        return best_rows

    def to_dict(self) -> dict[str, Any]:
        """Return the results ready for JSON.

        Examples
        --------
        >>> results = summary("benchmarks/results/benchmark/tess-speaker2")
        >>> results.to_dict()["protocol"]
        'tess/speaker2'
        """
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the summary that `to_dict` converted to these values.

        Examples
        --------
        >>> results = summary("benchmarks/results/benchmark/tess-speaker2")
        >>> Summary.from_dict(results.to_dict()) == results
        True
        """
        rows = {
            name: tuple(_corpus_summary(row) for row in values[name])
            for name in ("corpora", "four")
        }
        lists = {name: tuple(values[name]) for name in ("folds", "missing", "notes")}
        return cls(**{**values, **rows, **lists})

    def __str__(self) -> str:
        """Lay the results out beside published ones, in per cent."""
        return "\n".join(_lines(self))


def _corpus_summary(values: Mapping[str, Any]) -> CorpusSummary:
    bounds = {name: tuple(pair) for name, pair in values["intervals"].items()}
    return CorpusSummary(**{**values, "emotions": tuple(values["emotions"]), "intervals": bounds})


def summary(folder: str | os.PathLike[str]) -> Summary:
    """Compute the summary of the folds that are done.

    Parameters
    ----------
    folder
        Folder of one protocol, in the output of `run`. The recordings are not needed.

    Returns
    -------
    Summary

    Raises
    ------
    FileNotFoundError
        If there is no benchmark in the folder.
    DatasetError
        If no fold is done, or a file is damaged.

    Examples
    --------
    >>> from emotionrecog import benchmark
    >>> results = benchmark.summary("benchmarks/results/benchmark/tess-speaker2")
    >>> len(results.folds), [row.corpus for row in results.corpora]
    (2, ['tess'])
    """
    folder = Path(folder)
    if not (folder / "run.json").is_file():
        raise FileNotFoundError(
            f"no benchmark in {str(folder)!r}: expected a file run.json; emotionrecog benchmark "
            "makes one folder for each protocol"
        )
    record = read_fold(folder / "run.json")
    done = {name: _fold(folder, name) for name in record["folds"]}
    rows = [pair[0] for pair in done.values() if pair]
    tables = [pair[1] for pair in done.values() if pair]
    if not rows:
        raise DatasetError(f"no fold of {record['protocol']} is done yet in {str(folder)!r}")
    protocol = protocols.get(record["protocol"])
    corpora_of_folds = [row["corpora"] for row in rows]
    means = [
        {name: float(np.mean([row[name] for row in corpora])) for name in METRICS}
        for corpora in corpora_of_folds
    ]
    mean, deviation = _spread(means)
    corpora = tuple(_corpus_summaries(tables, corpora_of_folds))
    among_four = [among(predictions, FOUR) for predictions in tables]
    four = tuple(_corpus_summaries(among_four, corpora_of_folds, "four"))
    return Summary(
        protocol=protocol.name,
        title=protocol.title,
        speaker_disjoint=protocol.speaker_disjoint,
        text_disjoint=protocol.text_disjoint,
        folds=tuple(rows),
        missing=tuple(name for name, pair in done.items() if not pair),
        corpora=corpora,
        four=four if record["protocol"] == _ACROSS else (),
        mean=mean,
        deviation=deviation,
        command=record["command"],
        recipe=record["recipe"],
        initial_weights=record["initial_weights"] and record["initial_weights"]["name"],
        notes=tuple(_notes(protocol, rows, corpora)),
    )


def file_name(name: str) -> str:
    """Return the name of a protocol or a fold as a file name.

    Examples
    --------
    >>> file_name("savee/emobox4/1")
    'savee-emobox4-1'
    """
    return name.replace("/", "-")


def _fold(folder: Path, name: str) -> tuple[dict[str, Any], Predictions] | None:
    """Return the row and the predictions of a fold; None if it is not done."""
    path = folder / f"{file_name(name)}.json"
    if not path.is_file():
        return None
    return read_fold(path), Predictions.read_csv(path.with_suffix(".csv"))


def read_fold(path: Path) -> dict[str, Any]:
    """Read the JSON file of a fold or of a run.

    Raises
    ------
    DatasetError
        If it is not JSON.

    Examples
    --------
    >>> read_fold(Path("benchmarks/results/benchmark/tess-speaker2/run.json"))["protocol"]
    'tess/speaker2'
    """
    try:
        values: dict[str, Any] = files.read_json(path)
    except ValueError as error:
        raise DatasetError(f"{error}; remove it to start again") from error
    return values


def corpus_rows(predictions: Predictions) -> list[dict[str, Any]]:
    """Return the metrics of each corpus of a fold, and of `FOUR` under ``four``.

    Parameters
    ----------
    predictions
        Predictions of the fold's test set.

    Examples
    --------
    >>> fold = Path("benchmarks/results/benchmark/tess-speaker2/tess-speaker2-1.csv")
    >>> [row["corpus"] for row in corpus_rows(Predictions.read_csv(fold))]
    ['tess']
    """
    among_four = among(predictions, FOUR)
    four = {}
    if among_four is not None:
        four = {
            row.corpus: {"n_clips": row.n_clips, **_metrics(row)}
            for row in evaluation.report(among_four).corpora
        }
    return [
        {
            "corpus": row.corpus,
            "n_clips": row.n_clips,
            "emotions": row.emotions,
            **_metrics(row),
            "four": four.get(row.corpus),
        }
        for row in evaluation.report(predictions).corpora
    ]


def _corpus_summaries(
    tables: Sequence[Predictions | None],
    corpora_of_folds: Sequence[Sequence[Mapping[str, Any]]],
    entry: str | None = None,
) -> Iterator[CorpusSummary]:
    present = [predictions for predictions in tables if predictions is not None]
    if not present:
        return
    for report in evaluation.report(_pooled(present)).corpora:
        rows = [
            row if entry is None else row[entry]
            for corpora in corpora_of_folds
            for row in corpora
            if row["corpus"] == report.corpus
        ]
        rows = [row for row in rows if row]
        mean, deviation = _spread(rows)
        yield CorpusSummary(
            corpus=report.corpus,
            n_folds=len(rows),
            n_clips=report.n_clips,
            n_speakers=len(report.speakers),
            emotions=report.emotions,
            mean=mean,
            deviation=deviation,
            pooled=_metrics(report),
            intervals={name: x for name, x in report.intervals.items() if name in METRICS},
        )


def _spread(
    rows: Sequence[Mapping[str, float]],
) -> tuple[dict[str, float], dict[str, float | None]]:
    """Return the mean and the standard deviation of each metric."""
    values = {name: np.array([row[name] for row in rows]) for name in METRICS}
    mean = {name: float(value.mean()) for name, value in values.items()}
    if len(rows) < 2:
        return mean, dict.fromkeys(METRICS)
    return mean, {name: float(value.std(ddof=1)) for name, value in values.items()}


def _metrics(report: CorpusReport) -> dict[str, float]:
    return {name: float(getattr(report, name)) for name in METRICS}


def _pooled(tables: Sequence[Predictions]) -> Predictions:
    return Predictions(
        labels=tables[0].labels,
        utterances=tuple(u for predictions in tables for u in predictions.utterances),
        probabilities=np.concatenate([predictions.probabilities for predictions in tables]),
        durations=np.concatenate([predictions.durations for predictions in tables]),
    )


def among(predictions: Predictions, emotions: Sequence[str]) -> Predictions | None:
    """Return the clips that act some emotions, with answers among these alone.

    Parameters
    ----------
    predictions
        Predictions of any clips.
    emotions
        Some of their labels.

    Returns
    -------
    Predictions or None
        None if there are no such clips, or an emotion is not one of the labels.

    Examples
    --------
    >>> fold = Path("benchmarks/results/benchmark/tess-speaker2/tess-speaker2-1.csv")
    >>> among(Predictions.read_csv(fold), ("happy", "sad")).labels
    ('happy', 'sad')
    """
    if not set(emotions) <= set(predictions.labels):
        return None
    rows = [i for i, u in enumerate(predictions.utterances) if u.emotion in emotions]
    if not rows:
        return None
    columns = [predictions.labels.index(emotion) for emotion in emotions]
    shares = predictions.probabilities[np.ix_(rows, columns)]
    shares = np.where(shares.sum(axis=1, keepdims=True) > 0, shares, 1.0)
    return Predictions(
        labels=tuple(emotions),
        utterances=tuple(predictions.utterances[i] for i in rows),
        probabilities=shares / shares.sum(axis=1, keepdims=True),
        durations=predictions.durations[rows],
    )


def _notes(
    protocol: protocols.Protocol,
    rows: Sequence[Mapping[str, Any]],
    corpora: Sequence[CorpusSummary],
) -> Iterator[str]:
    if not protocol.speaker_disjoint:
        yield protocols.NOT_SPEAKER_DISJOINT
    for row in rows:
        if row["leakage"]:
            yield f"{row['fold']} leaks: {row['leakage']}"
    if not protocol.text_disjoint:
        yield protocols.NOT_TEXT_DISJOINT
    if any(row.corpus == "ravdess" for row in corpora):
        yield "RAVDESS has two sentences, which all its speakers say"
    few = [row.corpus for row in corpora if 1 < row.n_speakers < FEW_SPEAKERS]
    if few:
        yield f"{', '.join(few)}: too few speakers for a reliable interval"
    n_failed = sum(len(row["failed"]) for row in rows)
    if n_failed:
        yield f"left out: {count(n_failed, 'clip')} that could not be judged"
    versions = {json.dumps(row["versions"], sort_keys=True) for row in rows}
    if len(versions) > 1:
        yield "the folds were trained with different versions of the libraries; see their files"


# --- as text ------------------------------------------------------------------------------------


def _lines(results: Summary) -> Iterator[str]:
    n_folds = len(results.folds) + len(results.missing)
    disjoint = "speaker-disjoint" if results.speaker_disjoint else "NOT speaker-disjoint"
    yield (
        f"{results.protocol}: {results.title}; {disjoint}; {len(results.folds)} of "
        f"{count(n_folds, 'fold')}"
    )
    yield from results.notes
    head = ("", "clips", "UAR", "WA", "F1", "ECE", "pooled UAR", "95 % interval")
    yield table(head, _cells(results))
    rows = published(results.protocol)
    comparable = [row for row in rows if results.compares(row)]
    others = [row for row in rows if not results.compares(row)]
    yield f"published on these folds:{'' if comparable else ' nothing known'}"
    yield from (f"  {_published_line(row)}" for row in comparable)
    if others:
        yield "published, but not comparable, since folds, tasks or training differ:"
        yield from (f"  {_published_line(row)}" for row in others)


def _cells(results: Summary) -> Iterator[tuple[object, ...]]:
    for fold in results.folds:
        for corpus in fold["corpora"]:
            is_one_of_several = len(fold["corpora"]) > 1
            name = f"{fold['fold']} {corpus['corpus']}" if is_one_of_several else fold["fold"]
            values = (percent(corpus[metric]) for metric in METRICS)
            yield (name, corpus["n_clips"], *values, "", "")
    for suffix, rows in (("", results.corpora), (", 4 emotions", results.four)):
        for row in rows:
            yield (
                row.corpus + suffix,
                row.n_clips,
                *_spreads(row.mean, row.deviation),
                percent(row.pooled["uar"]),
                interval(row.intervals.get("uar")),
            )
    if len(results.corpora) > 1:
        yield ("mean over folds", "", *_spreads(results.mean, results.deviation), "", "")


def _spreads(mean: Mapping[str, float], deviation: Mapping[str, float | None]) -> Iterator[str]:
    """Return each metric's mean with its standard deviation."""
    for name in METRICS:
        spread = deviation[name]
        yield percent(mean[name]) + ("" if spread is None else f" ± {percent(spread)}")


def _published_line(row: Published) -> str:
    values = [
        f"{name} {percent(value)}{'' if end is None else f' to {percent(end)}'}"
        for name, value, end in (("UAR", row.uar, row.uar_to), ("WA", row.wa, None))
        if value is not None
    ]
    disjoint = {True: "speaker-disjoint", False: "NOT speaker-disjoint", None: "no training"}
    parts = [", ".join(values), f"{row.n_emotions} emotions", disjoint[row.speaker_disjoint]]
    parts += [part for part in (row.note, row.source) if part]
    return f"{row.corpus}, {row.system}: {'; '.join(parts)}"
