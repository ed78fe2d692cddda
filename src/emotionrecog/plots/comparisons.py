"""Draw stress tests and benchmarks, with a row for each condition or protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from emotionrecog.plots.style import (
    BLUE,
    COLUMN_WIDTHS,
    GREY,
    ORANGE,
    ROW_HEIGHT,
    VERMILION,
    finish_rows,
    legend_above,
    name_rows,
    new_figure,
    shade_families,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

__all__ = ["benchmark", "stress"]


def stress(results: Mapping[str, Any]) -> Figure:
    """Draw the results of a stress test, with a row for each condition.

    Parameters
    ----------
    results
        Results as ``to_dict`` of an `emotionrecog.evaluation.stress.StressReport` returns them, or
        as read from the file that ``emotionrecog stress --json`` writes.

    Returns
    -------
    matplotlib.figure.Figure
        Left, the share of answers that do not change, with its interval and the pass mark; right,
        the unweighted average recall, with that of the unchanged clips as a line. Its ``savefig``
        writes a file.

    Raises
    ------
    EmotionRecogError
        If Matplotlib is not installed.
    ValueError
        If there are no conditions.

    Examples
    --------
    >>> from emotionrecog import plots
    >>> row = {"family": "quieter", "level": "6 dB", "mark": 0.95, "passed": True}
    >>> row |= {"unchanged": 1.0, "interval": [0.99, 1.0], "uar": 0.5}
    >>> figure = plots.stress({"clean_uar": 0.5, "conditions": [row]})
    >>> [axes.get_xlabel() for axes in figure.axes]
    ['answers unchanged in %', 'UAR in %']
    """
    rows = results["conditions"]
    if not rows:
        raise ValueError("expected the results of one condition or more, got none")
    height = 1.1 + ROW_HEIGHT * len(rows)
    figure = new_figure(COLUMN_WIDTHS[0], height)
    shares, recalls = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    shade_families(figure.axes, [row["family"] for row in rows])
    kinds = {True: ("pass mark met", BLUE), False: ("pass mark missed", VERMILION)}
    labelled = set()
    for place, row in enumerate(rows):
        if row["unchanged"] is None:
            continue
        label, colour = kinds.get(row["passed"], ("no pass mark", "black"))
        if row["interval"]:
            ends = [100 * bound for bound in row["interval"]]
            shares.plot(ends, [place, place], color=colour, linewidth=1.2)
        point = {"color": colour, "linestyle": "", "marker": "o", "markersize": 4}
        is_first = label not in labelled
        shares.plot(100 * row["unchanged"], place, label=label if is_first else None, **point)
        labelled.add(label)
        if row["mark"] is not None:
            shares.plot(100 * row["mark"], place, color="black", marker="|", markersize=9)
        recalls.plot(100 * row["uar"], place, **{**point, "color": "black"})
    clean = 100 * results["clean_uar"]
    recalls.axvline(
        clean, color=GREY, linewidth=1.0, linestyle="dashed", label=f"untouched, {clean:.1f} %"
    )
    shares.plot([], [], color="black", linestyle="", marker="|", markersize=9, label="pass mark")
    for panel, title in ((shares, "answers unchanged in %"), (recalls, "UAR in %")):
        finish_rows(panel, title)
        legend_above(panel, "left")
    shares.set_xlim(0, 101)
    recalls.set_xlim(left=0)
    name_rows(shares, [f"{row['family']}, {row['level']}" for row in rows])
    return figure


def benchmark(
    summaries: Sequence[Mapping[str, Any]], published: Sequence[Mapping[str, Any]] = ()
) -> Figure:
    """Draw benchmark results beside published ones, with a row for each test corpus.

    Parameters
    ----------
    summaries
        Summaries as ``to_dict`` of an `emotionrecog.benchmark.Summary` returns them, or as read
        from the files ``summary.json`` that ``emotionrecog benchmark`` writes.
    published
        Comparable rows of `emotionrecog.benchmark.published`, as mappings.

    Returns
    -------
    matplotlib.figure.Figure
        The unweighted average recall (UAR) of each fold, and the mean over folds with one standard
        deviation to either side. Published results without a UAR are drawn by their accuracy.

    Raises
    ------
    EmotionRecogError
        If Matplotlib is not installed.
    ValueError
        If there are no summaries.

    Examples
    --------
    >>> from emotionrecog import plots
    >>> row = {"corpus": "tess", "mean": {"uar": 0.6}, "deviation": {"uar": 0.1}}
    >>> folds = [{"corpora": [{"corpus": "tess", "uar": uar}]} for uar in (0.53, 0.67)]
    >>> summary = {"protocol": "tess/speaker2", "folds": folds, "corpora": [row], "four": []}
    >>> [text.get_text() for text in plots.benchmark([summary]).axes[0].get_yticklabels()]
    ['tess/speaker2']
    """
    rows = _benchmark_rows(summaries)
    if not rows:
        raise ValueError("expected one summary or more, got none")
    figure = new_figure(COLUMN_WIDTHS[0], 1.2 + 2 * ROW_HEIGHT * len(rows))
    panel = figure.subplots()
    shade_families([panel], [row.protocol for row in rows])
    others: dict[str, tuple[list[float], list[float]]] = {"UAR": ([], []), "accuracy": ([], [])}
    for place, row in enumerate(rows):
        panel.plot(
            [100 * value for value in row.folds],
            [place] * len(row.folds),
            "o",
            color=BLUE,
            markerfacecolor="white",
            markersize=4,
            label=None if place else "a fold",
        )
        panel.errorbar(
            100 * row.mean,
            place,
            xerr=None if row.deviation is None else 100 * row.deviation,
            fmt="o",
            color=BLUE,
            markersize=5,
            capsize=3,
            label=None if place else "mean over folds ± standard deviation",
        )
        for other in published:
            if (other["protocol"], other["corpus"]) == (row.protocol, row.corpus):
                kind, share = ("accuracy", "wa") if other["uar"] is None else ("UAR", "uar")
                others[kind][0].append(100 * other[share])
                others[kind][1].append(place)
    for (kind, (values, places)), colour in zip(others.items(), (VERMILION, ORANGE), strict=True):
        if values:
            panel.plot(
                values,
                places,
                "|",
                color=colour,
                markersize=12,
                markeredgewidth=1.6,
                label=f"published on these folds, {kind}",
            )
    panel.set_xlim(0, 100)
    name_rows(panel, [row.name for row in rows])
    finish_rows(panel, "UAR in %")
    legend_above(panel, "right")
    return figure


class _Row(NamedTuple):
    """The UAR of one test corpus of a benchmark, over all emotions or the four basic ones.

    `corpus` is None for four emotions, because published results are for all of them.
    """

    name: str
    protocol: str
    corpus: str | None
    mean: float
    deviation: float | None
    folds: list[float]


def _benchmark_rows(summaries: Sequence[Mapping[str, Any]]) -> list[_Row]:
    rows = []
    for summary in summaries:
        for part in ("corpora", "four"):
            for entry in summary[part]:
                corpus = entry["corpus"]
                folds = [
                    tested if part == "corpora" else tested[part]
                    for fold in summary["folds"]
                    for tested in fold["corpora"]
                    if tested["corpus"] == corpus
                ]
                name = summary["protocol"]
                if len(summary["corpora"]) > 1:
                    name += f", {corpus}"
                if part == "four":
                    name += ", 4 emotions"
                rows.append(
                    _Row(
                        name=name,
                        protocol=summary["protocol"],
                        corpus=corpus if part == "corpora" else None,
                        mean=entry["mean"]["uar"],
                        deviation=entry["deviation"]["uar"],
                        folds=[fold["uar"] for fold in folds if fold],
                    )
                )
    return rows
