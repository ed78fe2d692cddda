"""Draw the results of a recogniser: confusions, intervals, reliability, risk and coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emotionrecog.plots.style import (
    BLUE,
    COLUMN_WIDTHS,
    FONT_SIZE,
    GREY,
    ORANGE,
    VERMILION,
    finish,
    new_figure,
    write_title,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

__all__ = ["confusion", "ranges", "reliability", "risk_coverage"]

# Shares of a row of confusions, from none to all.
SHARES = "Blues"

FEW_ANSWERS, PALE = 10, "#b3d4e6"


def confusion(
    counts: Sequence[Sequence[int]], emotions: Sequence[str], *, title: str = ""
) -> Figure:
    r"""Draw what emotions were taken for: shares of those that act each, in per cent, and counts.

    Squares of what was never answered are empty.

    Parameters
    ----------
    counts : sequence of sequence of int
        Rows: emotion acted. Columns: emotion answered. Numbers of clips.
    emotions : sequence of str
        Of the rows and of the columns.
    title : str, optional
        What stands above.

    Returns
    -------
    matplotlib.figure.Figure
        Its ``savefig`` writes a file.

    Raises
    ------
    EmotionRecogError
        If Matplotlib is not installed.
    ValueError
        If there are not as many rows and columns as emotions.

    Examples
    --------
    >>> from emotionrecog import plots
    >>> figure = plots.confusion([[3, 1], [0, 4]], ["happy", "sad"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['75\n3', '25\n1', '100\n4']
    """
    numbers = np.array(counts, dtype=float)
    if numbers.shape != (len(emotions), len(emotions)) or not len(emotions):
        raise ValueError(
            f"expected a row and a column of counts for each of {len(emotions)} emotions, got "
            f"shape {numbers.shape}"
        )
    shares = numbers / np.maximum(numbers.sum(axis=1, keepdims=True), 1)
    size = 1.5 + 0.48 * len(emotions)
    figure = new_figure(size, size)
    panel = figure.subplots()
    panel.imshow(shares, cmap=SHARES, vmin=0, vmax=1)
    for row, column in np.argwhere(numbers > 0).tolist():
        share = shares[row, column]
        panel.text(
            column,
            row,
            f"{100 * share:.0f}\n{numbers[row, column]:.0f}",
            ha="center",
            va="center",
            fontsize=FONT_SIZE - 1,
            color="white" if share > 0.5 else "black",
        )
    places = range(len(emotions))
    panel.set_xticks(places, emotions, rotation=45, ha="right", rotation_mode="anchor")
    panel.set_yticks(places, emotions)
    panel.tick_params(labelsize=FONT_SIZE, length=0)
    panel.spines[:].set_visible(False)
    panel.set_xlabel("answered", fontsize=FONT_SIZE)
    panel.set_ylabel("acted", fontsize=FONT_SIZE)
    if title:
        write_title(panel, title, size)
    return figure


def ranges(
    panels: Mapping[str, Sequence[tuple[str, float, tuple[float, float] | None]]],
    *,
    x: str = "UAR in %",
) -> Figure:
    """Draw shares as points, and the intervals in which they lie as lines, below each other.

    Parameters
    ----------
    panels : mapping of str to sequence of tuple
        By title: what is measured, the share from 0 to 1, and the bounds of its interval or None.
    x : str
        What is measured, in per cent.

    Returns
    -------
    matplotlib.figure.Figure
        Its ``savefig`` writes a file.

    Raises
    ------
    EmotionRecogError
        If Matplotlib is not installed.
    ValueError
        If there is nothing to draw.

    Examples
    --------
    >>> from emotionrecog import plots
    >>> figure = plots.ranges({"sex": [("female", 0.7, (0.6, 0.8)), ("male", 0.65, None)]})
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['female', 'male']
    """
    if not panels or not all(panels.values()):
        raise ValueError("expected one panel or more, each with something to draw")
    heights = [0.55 + 0.22 * len(rows) for rows in panels.values()]
    figure = new_figure(COLUMN_WIDTHS[1] + 1.0, sum(heights) + 0.5)
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for panel, (title, rows) in zip(axes, panels.items(), strict=True):
        for place, (_, share, bounds) in enumerate(rows):
            if bounds is not None:
                ends = [100 * bound for bound in bounds]
                panel.plot(ends, [place, place], color=GREY, linewidth=2.5)
            panel.plot(100 * share, place, color=BLUE, linestyle="", marker="o", markersize=5)
        panel.set_yticks(range(len(rows)), [name for name, _, _ in rows])
        for label in panel.get_yticklabels():
            label.set_parse_math(False)
        panel.set_ylim(len(rows) - 0.4, -0.6)
        panel.set_xlim(-1, 101)
        panel.grid(axis="x", color="#dddddd", linewidth=0.6)
        panel.set_axisbelow(True)
        panel.tick_params(labelsize=FONT_SIZE)
        panel.spines[["top", "right"]].set_visible(False)
        if title:
            write_title(panel, title, COLUMN_WIDTHS[1])
    axes[-1].set_xlabel(x, fontsize=FONT_SIZE)
    return figure


def reliability(confidence: Any, hit: Any, *, n_bins: int = 15) -> Figure:
    """Draw how often answers are right, against how sure of them the recogniser is.

    Parameters
    ----------
    confidence : array_like of float, shape (n_clips,)
        Of each answer, from 0 to 1.
    hit : array_like of bool, shape (n_clips,)
        Whether it was right.
    n_bins : int
        Number of bins of equal width.

    Returns
    -------
    matplotlib.figure.Figure
        Its ``savefig`` writes a file. A bar below the diagonal means that answers of that
        confidence are right less often than they claim; it is pale where there are fewer than ten.
        Below stands how many each bin has.

    Raises
    ------
    EmotionRecogError
        If Matplotlib is not installed.
    ValueError
        If there is no answer, or not as many of both.

    Examples
    --------
    >>> from emotionrecog import plots
    >>> figure = plots.reliability([0.9, 0.8, 0.6], [True, True, False])
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['right answers in %', 'answers']
    """
    sure, right = np.asarray(confidence, dtype=float), np.asarray(hit, dtype=bool)
    if sure.ndim != 1 or sure.shape != right.shape or not len(sure):
        raise ValueError(
            "expected a confidence for each answer and whether it was right, got shapes "
            f"{sure.shape} and {right.shape}"
        )
    bins = np.minimum((sure * n_bins).astype(int), n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    is_used = counts > 0
    middles = 100 * (np.arange(n_bins)[is_used] + 0.5) / n_bins
    accuracy = 100 * np.bincount(bins, right, minlength=n_bins)[is_used] / counts[is_used]
    figure = new_figure(COLUMN_WIDTHS[1], COLUMN_WIDTHS[1])
    panel, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    width = 92 / n_bins
    # Of a few answers, the share of right ones is chance.
    is_rough = counts[is_used] < FEW_ANSWERS
    panel.bar(middles, accuracy, width=width, color=np.where(is_rough, PALE, BLUE))
    panel.plot([0, 100], [0, 100], color=VERMILION, linewidth=1.2, linestyle="dashed")
    panel.set_ylim(0, 100)
    panel.set_xlim(0, 100)
    finish(panel, "right answers in %")
    below.bar(middles, counts[is_used], width=width, color=GREY)
    below.yaxis.get_major_locator().set_params(integer=True, nbins=3)
    finish(below, "answers")
    below.set_xlabel("confidence in %", fontsize=FONT_SIZE)
    figure.align_ylabels()
    return figure


def risk_coverage(curves: Mapping[str, tuple[Any, Any]]) -> Figure:
    """Draw how many answers are wrong where only the surest are kept.

    Parameters
    ----------
    curves : mapping of str to tuple of array_like
        By a name: shares of answers that are kept, and the shares of these that are wrong, as
        `emotionrecog.evaluation.risk_coverage` returns them; at most seven.

    Returns
    -------
    matplotlib.figure.Figure
        Its ``savefig`` writes a file. The lower a curve, the better does confidence tell right
        answers from wrong ones; what it comes to at the right end is the share of all answers that
        are wrong.

    Raises
    ------
    EmotionRecogError
        If Matplotlib is not installed.
    ValueError
        If there is no curve, or too many, or one has not as many of both shares.

    Examples
    --------
    >>> from emotionrecog import plots
    >>> figure = plots.risk_coverage({"mine": ([0.5, 1.0], [0.0, 0.25])})
    >>> figure.axes[0].get_xlabel()
    'answers kept, the surest first, in %'
    """
    if not 0 < len(curves) <= len(_CURVES):
        raise ValueError(f"expected one to {len(_CURVES)} curves, got {len(curves)}")
    drawn = {name: tuple(np.asarray(v, dtype=float) for v in pair) for name, pair in curves.items()}
    for name, (kept, wrong) in drawn.items():
        if kept.ndim != 1 or kept.shape != wrong.shape or not len(kept):
            raise ValueError(
                f"curve {name!r} must have as many shares kept as shares wrong, got shapes "
                f"{kept.shape} and {wrong.shape}"
            )
    figure = new_figure(COLUMN_WIDTHS[1], 0.75 * COLUMN_WIDTHS[1])
    panel = figure.subplots()
    for (name, (kept, wrong)), (colour, line) in zip(drawn.items(), _CURVES, strict=False):
        panel.plot(100 * kept, 100 * wrong, color=colour, linestyle=line, linewidth=1.4, label=name)
    panel.set_xlim(0, 100)
    panel.set_ylim(0, None)
    finish(panel, "wrong answers in %")
    panel.set_xlabel("answers kept, the surest first, in %", fontsize=FONT_SIZE)
    panel.legend(fontsize=FONT_SIZE - 1, frameon=False)
    return figure


# Distinguishable without colours as well.
_CURVES = (
    (BLUE, "solid"),
    (VERMILION, "dashed"),
    ("#009E73", "dashdot"),
    (ORANGE, "dotted"),
    ("#56B4E9", "solid"),
    ("#CC79A7", "dashed"),
    ("#000000", "dashdot"),
)
