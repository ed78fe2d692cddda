"""Tables of the benchmark: all protocols, and each by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from _ext.markdown import shell, spread, table, with_interval
from emotionrecog import benchmark
from emotionrecog.text import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotionrecog.benchmark import Summary

SPEAKERS = {True: "speaker-disjoint", False: "NOT speaker-disjoint", None: "no training"}


def overview(summaries: Sequence[Summary]) -> list[str]:
    """Return the table of all protocols as Markdown."""
    if not summaries:
        return ["No results are stored yet; the command above produces them."]
    head = ["protocol", "tested", "UAR", "WA", "ECE", "pooled UAR, 95 %", "best published"]
    rows = []
    for summary in summaries:
        anchor = summary.protocol.replace("/", "")
        for subset, results in (("", summary.corpora), (", 4 emotions", summary.four)):
            for result in results:
                best = [] if subset else summary.best(result.corpus)
                metrics = ("uar", "wa", "calibration_error")
                rows.append(
                    [
                        f"[`{summary.protocol}`](#{anchor})",
                        f"{result.corpus}{subset}",
                        *(spread(result.mean[name], result.deviation[name]) for name in metrics),
                        with_interval(result.pooled["uar"], result.intervals.get("uar")),
                        "; ".join(f"{name} {percent(value)}" for name, value, _ in best)
                        or "none known",
                    ]
                )
    commands = dict.fromkeys(summary.command for summary in summaries)
    return ["Made with", *shell(*commands), *table(head, rows, n_left=2)]


def section(summary: Summary) -> list[str]:
    """Return the section of one protocol as Markdown."""
    n_folds = len(summary.folds) + len(summary.missing)
    texts = "text-disjoint" if summary.text_disjoint else "not text-disjoint"
    lines = [
        *("", f"## {summary.protocol}", ""),
        f"{summary.title.capitalize()}: **{SPEAKERS[summary.speaker_disjoint]}**, {texts}; "
        f"{len(summary.folds)} of {n_folds} folds.",
        "",
        *(f"- {_sentence(note)}" for note in summary.notes),
        "",
        *_folds(summary),
    ]
    published = benchmark.published(summary.protocol)
    for compares, title in (
        (True, "Published on these folds:"),
        (False, "Published on other folds, tasks or training data, and therefore not comparable:"),
    ):
        rows = [row for row in published if summary.compares(row) == compares]
        if rows:
            head = ["result", "system", "emotions", "speakers", "source"]
            lines += ["", title, "", *table(head, map(_published, rows), n_left=2)]
    if not any(summary.compares(row) for row in published):
        lines += ["", "No published results on these folds are known."]
    return lines


def _folds(summary: Summary) -> list[str]:
    head = ["fold", "speakers tested", "clips", "UAR", "WA", "macro-F1", "ECE", "minutes"]
    rows: list[list[Any]] = []
    for fold in summary.folds:
        names = [speaker.partition("/")[2] for speaker in fold["speakers"]]
        for result in fold["corpora"]:
            rows.append(
                [
                    fold["fold"].removeprefix(f"{summary.protocol}/"),
                    ", ".join(names) if len(names) < 7 else f"{names[0]} to {names[-1]}",
                    result["n_clips"],
                    *(percent(result[name]) for name in benchmark.METRICS),
                    "" if fold["seconds"] is None else f"{fold['seconds'] / 60:.1f}",
                ]
            )
    means = [spread(summary.mean[name], summary.deviation[name]) for name in benchmark.METRICS]
    rows.append(["**mean**", "", "", *means, ""])
    return table(head, rows, n_left=2)


def _published(row: Any) -> list[Any]:
    """Return the cells of one published result."""
    metrics = (("UAR", row.uar, row.uar_to), ("WA", row.wa, None))
    values = (
        f"{name} {percent(value)}{f' to {percent(end)}' if end else ''}"
        for name, value, end in metrics
        if value is not None
    )
    note = f". *{_sentence(row.note)}*" if row.note else ""
    return [
        ", ".join(values),
        f"{row.system}, on {row.corpus}",
        row.n_emotions,
        SPEAKERS[row.speaker_disjoint],
        f"{row.source}{note}",
    ]


def _sentence(text: str) -> str:
    """Return a note as a sentence."""
    return f"{text[:1].upper()}{text[1:]}."
