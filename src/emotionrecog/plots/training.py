"""Draw the progress of a training and of a search for a better recipe."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from emotionrecog.plots.style import (
    BLUE,
    COLUMN_WIDTHS,
    FONT_SIZE,
    GREY,
    IMAGE_HEIGHT,
    VERMILION,
    finish,
    line_style,
    new_figure,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

__all__ = ["history", "search"]

SEARCH_COLUMNS = 3
UAR = "validation UAR in %"

# The marker of the best trial.
BEST: Mapping[str, Any] = MappingProxyType(
    {"color": VERMILION, "linestyle": "", "marker": "D", "markersize": 6}
)


def history(rows: Sequence[Mapping[str, float]], kept: int | None = None) -> Figure:
    """Draw the metrics of each epoch of a training.

    Parameters
    ----------
    rows
        A row for each epoch, as in ``artifact.training["history"]`` of a recogniser or in its
        table: ``epoch``, ``loss`` and, if available, ``validation_loss``, ``validation_uar`` (a
        fraction) and ``learning_rate``.
    kept
        The epoch whose weights were kept, which a line marks. By default the one marked ``kept`` in
        the rows, or the last.

    Returns
    -------
    matplotlib.figure.Figure
        Its ``savefig`` writes a file.

    Raises
    ------
    EmotionRecogError
        If Matplotlib is not installed.
    ValueError
        If there are no rows, or a row lacks its epoch or its loss.

    Examples
    --------
    >>> from emotionrecog import plots
    >>> rows = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.6}]
    >>> [axes.get_ylabel() for axes in plots.history(rows).axes]
    ['loss']
    """
    if not rows or not all({"epoch", "loss"} <= row.keys() for row in rows):
        raise ValueError("expected one row or more with `epoch` and `loss`, got too few of them")
    columns = {
        name: np.array([float(row.get(name, np.nan)) for row in rows])
        for name in ("epoch", "loss", "validation_loss", "validation_uar", "learning_rate")
    }
    available = {name for name, values in columns.items() if np.isfinite(values).any()}
    lines = [
        ("loss", {"loss": BLUE, "validation_loss": VERMILION}, 1.0),
        ("validation UAR in %", {"validation_uar": VERMILION}, 100.0),
        ("learning rate", {"learning_rate": BLUE}, 1.0),
    ]
    lines = [line for line in lines if available & line[1].keys()]
    figure = new_figure(COLUMN_WIDTHS[0], 0.9 + 2.0 * len(lines))
    panels = figure.subplots(len(lines), 1, sharex=True, squeeze=False)[:, 0]
    if kept is None:
        kept = next((int(row["epoch"]) for row in rows if row.get("kept")), int(rows[-1]["epoch"]))
    names = {"loss": "training", "validation_loss": "validation"}
    for panel, (title, drawn, factor) in zip(panels, lines, strict=True):
        panel.axvline(kept, color=GREY, linewidth=0.8, linestyle="dashed")
        present = [name for name in drawn if name in available]
        for name in present:
            panel.plot(
                columns["epoch"],
                factor * columns[name],
                color=drawn[name],
                label=names.get(name, ""),
                **line_style(len(rows)),
            )
        if len(present) > 1:
            panel.legend(frameon=False, fontsize=FONT_SIZE)
        if "learning_rate" in present:
            panel.set_ylim(bottom=0.0)
        finish(panel, title)
    panels[0].set_title(f"epoch {kept} is kept", loc="left", fontsize=FONT_SIZE)
    panels[-1].set_xlabel("epoch", fontsize=FONT_SIZE)
    panels[-1].xaxis.get_major_locator().set_params(integer=True)
    return figure


def search(
    trials: Sequence[Mapping[str, Any]], importances: Mapping[str, float] | None = None
) -> Figure:
    """Draw the results of a search for a better recipe: over time, and over the values tried.

    Parameters
    ----------
    trials
        A row for each trial, as `emotionrecog.training.search.SearchResult.rows` returns them:
        ``number``, ``uar`` (a fraction, None if the trial failed), and ``changes``, the values
        tried by name.
    importances
        Share of the differences in UAR that each name explains. These names are drawn first, in
        descending order.

    Returns
    -------
    matplotlib.figure.Figure
        Its ``savefig`` writes a file.

    Raises
    ------
    EmotionRecogError
        If Matplotlib is not installed.
    ValueError
        If all trials failed.

    Examples
    --------
    >>> from emotionrecog import plots
    >>> trials = [
    ...     {"number": 1, "uar": 0.41, "changes": {"learning_rate": 0.01, "loss": "focal"}},
    ...     {"number": 2, "uar": 0.47, "changes": {"learning_rate": 0.001, "loss": "focal"}},
    ... ]
    >>> [axes.get_xlabel() for axes in plots.search(trials).axes]
    ['trial', 'learning_rate', 'loss']
    """
    done = [trial for trial in trials if trial["uar"] is not None]
    if not done:
        raise ValueError("expected one trial or more that did not fail, got none")
    shares = importances or {}
    names = list(dict.fromkeys(name for trial in done for name in trial["changes"]))
    names.sort(key=lambda name: -shares.get(name, 0.0))
    n_rows = 1 + -(-len(names) // SEARCH_COLUMNS)
    width = COLUMN_WIDTHS[2] * min(SEARCH_COLUMNS, max(2, len(names)))
    figure = new_figure(width, 0.6 + IMAGE_HEIGHT * n_rows)
    grid = figure.add_gridspec(n_rows, SEARCH_COLUMNS)
    best = max(done, key=lambda trial: float(trial["uar"]))
    panel = figure.add_subplot(grid[0, :])
    _draw_trials(panel, trials, best)
    for number, name in enumerate(names):
        row, column = divmod(number, SEARCH_COLUMNS)
        of_name = figure.add_subplot(grid[1 + row, column], sharey=panel)
        _draw_tried(of_name, name, [trial for trial in done if name in trial["changes"]], best)
        finish(of_name, UAR if column == 0 else "", x=name, is_first=column == 0)
        if name in shares:
            text = f"importance {100 * shares[name]:.0f} %"
            of_name.set_title(text, loc="left", fontsize=FONT_SIZE)
    return figure


def _draw_trials(panel: Any, trials: Sequence[Mapping[str, Any]], best: Mapping[str, Any]) -> None:
    """Draw the trials in their order, and the best up to each."""
    numbers = np.array([trial["number"] for trial in trials])
    values = np.array(
        [np.nan if trial["uar"] is None else 100 * float(trial["uar"]) for trial in trials]
    )
    has_failed = np.isnan(values)
    reached = np.maximum.accumulate(np.where(has_failed, -np.inf, values))
    reached = np.where(np.isfinite(reached), reached, np.nan)
    panel.step(numbers, reached, where="post", color=GREY, linewidth=1.2, label="best until then")
    panel.plot(numbers, values, color=BLUE, linestyle="", marker="o", markersize=4, label="trial")
    panel.plot(best["number"], 100 * best["uar"], **BEST, label="best")
    if has_failed.any():
        panel.plot(
            numbers[has_failed],
            np.full(has_failed.sum(), 0.02),
            transform=panel.get_xaxis_transform(),
            color=GREY,
            linestyle="",
            marker="x",
            label="failed",
        )
    panel.legend(frameon=False, fontsize=FONT_SIZE, loc="center left", bbox_to_anchor=(1.0, 0.5))
    panel.xaxis.get_major_locator().set_params(integer=True)
    finish(panel, UAR, x="trial")


def _draw_tried(
    panel: Any, name: str, trials: Sequence[Mapping[str, Any]], best: Mapping[str, Any]
) -> None:
    """Draw the UAR of the trials over the values of one name."""
    values = [trial["changes"][name] for trial in trials]
    percents = [100 * trial["uar"] for trial in trials]
    is_number = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    if is_number:
        positions = values
        if min(values) > 0 and max(values) > 10 * min(values):
            panel.set_xscale("log")
    else:
        texts = list(dict.fromkeys(sorted(map(str, values))))
        positions = [texts.index(str(value)) for value in values]
        panel.set_xticks(range(len(texts)), texts)
        panel.set_xlim(-0.5, len(texts) - 0.5)
    panel.plot(positions, percents, color=BLUE, linestyle="", marker="o", markersize=4)
    for trial, position, percent in zip(trials, positions, percents, strict=True):
        if trial is best:
            panel.plot(position, percent, **BEST)
