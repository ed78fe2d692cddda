"""Draw stress tests and benchmarks: a row for each condition or protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emotionrecog.plots.style import (
    BLUE,
    COLUMN_WIDTHS,
    FONT_SIZE,
    GREY,
    ORANGE,
    ROW_HEIGHT,
    VERMILION,
    new_figure,
    shade_families,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

__all__ = ["benchmark", "stress"]


def stress(figures: Mapping[str, Any]) -> Figure:
    """Draw what a stress test found: a row for each condition.

    Parameters
    ----------
    figures : mapping
        As ``to_dict`` of an `emotionrecog.evaluation.stress.StressReport` returns them, or as read
        from the file that ``emotionrecog stress --json`` wrote.

    Returns
    -------
    matplotlib.figure.Figure
        Left, the share of answers that stay what they were, with its interval and the pass mark;
        right, the unweighted average recall, with that of the untouched clips as a line. Its
        ``savefig`` writes a file.

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
    rows = figures["conditions"]
    if not rows:
        raise ValueError("expected the figures of one condition or more, got none")
    height = 1.1 + ROW_HEIGHT * len(rows)
    figure = new_figure(COLUMN_WIDTHS[0], height)
    shares, recalls = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    shade_families(figure.axes, [row["family"] for row in rows])
    kinds = {True: ("pass mark met", BLUE), False: ("pass mark missed", VERMILION)}
    drawn = set()
    for place, row in enumerate(rows):
        if row["unchanged"] is None:
            continue
        label, colour = kinds.get(row["passed"], ("no pass mark", "black"))
        if row["interval"]:
            ends = [100 * bound for bound in row["interval"]]
            shares.plot(ends, [place, place], color=colour, linewidth=1.2)
        point = {"color": colour, "linestyle": "", "marker": "o", "markersize": 4}
        first = label not in drawn
        shares.plot(100 * row["unchanged"], place, label=label if first else None, **point)
        drawn.add(label)
        if row["mark"] is not None:
            shares.plot(100 * row["mark"], place, color="black", marker="|", markersize=9)
        recalls.plot(100 * row["uar"], place, **{**point, "color": "black"})
    clean = 100 * figures["clean_uar"]
    recalls.axvline(
        clean, color=GREY, linewidth=1.0, linestyle="dashed", label=f"untouched, {clean:.1f} %"
    )
    shares.plot([], [], color="black", linestyle="", marker="|", markersize=9, label="pass mark")
    for panel, title in ((shares, "answers unchanged in %"), (recalls, "UAR in %")):
        panel.set_xlabel(title, fontsize=FONT_SIZE)
        panel.tick_params(labelsize=FONT_SIZE, left=False)
        panel.grid(axis="x", color="0.85", linewidth=0.6)
        panel.set_axisbelow(True)
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.legend(
            frameon=False,
            fontsize=FONT_SIZE,
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=2,
        )
    shares.set_xlim(0, 101)
    recalls.set_xlim(left=0)
    names = [f"{row['family']}, {row['level']}" for row in rows]
    shares.set_yticks(range(len(rows)), names)
    shares.set_ylim(len(rows) - 0.5, -0.5)
    return figure


def benchmark(
    summaries: Sequence[Mapping[str, Any]], published: Sequence[Mapping[str, Any]] = ()
) -> Figure:
    """Draw what benchmarks came to, beside the figures of others: a row for each corpus tested.

    Parameters
    ----------
    summaries : sequence of mapping
        As ``to_dict`` of an `emotionrecog.benchmark.Summary` returns them, or as they were read
        from the files ``summary.json`` that ``emotionrecog benchmark`` writes.
    published : sequence of mapping
        Rows of `emotionrecog.benchmark.published` as mappings: those that compare with them.

    Returns
    -------
    matplotlib.figure.Figure
        Unweighted average recall: of each fold, and the mean over folds with one standard
        deviation to either side. Of others also the accuracy, where they do not tell the recall.

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
    >>> found = {"protocol": "tess/speaker2", "folds": folds, "corpora": [row], "four": []}
    >>> [text.get_text() for text in plots.benchmark([found]).axes[0].get_yticklabels()]
    ['tess/speaker2']
    """
    rows = _benchmark_rows(summaries)
    if not rows:
        raise ValueError("expected one summary or more, got none")
    figure = new_figure(COLUMN_WIDTHS[0], 1.2 + 2 * ROW_HEIGHT * len(rows))
    panel = figure.subplots()
    shade_families([panel], [protocol for _, protocol, *_ in rows])
    others: dict[str, tuple[list[float], list[float]]] = {"UAR": ([], []), "accuracy": ([], [])}
    for place, (_, protocol, corpus, mean, deviation, folds) in enumerate(rows):
        panel.plot(
            [100 * value for value in folds],
            [place] * len(folds),
            "o",
            color=BLUE,
            markerfacecolor="white",
            markersize=4,
            label=None if place else "a fold",
        )
        panel.errorbar(
            100 * mean,
            place,
            xerr=None if deviation is None else 100 * deviation,
            fmt="o",
            color=BLUE,
            markersize=5,
            capsize=3,
            label=None if place else "mean over folds ± standard deviation",
        )
        for row in published:
            if (row["protocol"], row["corpus"]) == (protocol, corpus):
                kind = "accuracy" if row["uar"] is None else "UAR"
                others[kind][0].append(100 * (row["wa"] if row["uar"] is None else row["uar"]))
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
    panel.set_xlabel("UAR in %", fontsize=FONT_SIZE)
    panel.set_xlim(0, 100)
    panel.set_yticks(range(len(rows)), [name for name, *_ in rows])
    panel.set_ylim(len(rows) - 0.5, -0.5)
    panel.tick_params(labelsize=FONT_SIZE, left=False)
    panel.grid(axis="x", color="0.85", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.legend(
        frameon=False, fontsize=FONT_SIZE, loc="lower right", bbox_to_anchor=(1, 1), ncols=2
    )
    return figure


def _benchmark_rows(summaries: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """Return of each row its name, protocol, corpus, mean, deviation and the figures of folds."""
    rows: list[tuple[Any, ...]] = []
    for found in summaries:
        for part, entry in (("corpora", None), ("four", "four")):
            for row in found[part]:
                corpus = row["corpus"]
                own = [
                    of_corpus if entry is None else of_corpus[entry]
                    for fold in found["folds"]
                    for of_corpus in fold["corpora"]
                    if of_corpus["corpus"] == corpus
                ]
                several = f", {corpus}" if len(found["corpora"]) > 1 else ""
                name = f"{found['protocol']}{several}{', 4 emotions' if entry else ''}"
                values = [of_fold["uar"] for of_fold in own if of_fold]
                # Figures of others are of all emotions.
                known = None if entry else corpus
                spread = row["mean"]["uar"], row["deviation"]["uar"]
                rows.append((name, found["protocol"], known, *spread, values))
    return rows
