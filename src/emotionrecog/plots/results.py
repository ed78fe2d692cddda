"""Draw the results of a recogniser: confusion, intervals, reliability, risk and coverage."""

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

# Colour map of the shares of a row of a confusion matrix, from 0 to 1.
SHARES = "Blues"

# Bins with fewer answers than this are drawn pale.
FEW_ANSWERS, PALE = 10, "#b3d4e6"

# Colours and lines of curves, which are distinguishable without colours as well.
_CURVES = (
    (BLUE, "solid"),
    (VERMILION, "dashed"),
    ("#009E73", "dashdot"),
    (ORANGE, "dotted"),
    ("#56B4E9", "solid"),
    ("#CC79A7", "dashed"),
    ("#000000", "dashdot"),
)


def confusion(
    counts: Sequence[Sequence[int]], emotions: Sequence[str], *, title: str = ""
) -> Figure:
    r"""Draw a confusion matrix: shares of each acted emotion, in per cent, and counts.

    Cells without clips are empty.

    Parameters
    ----------
    counts
        Numbers of clips; rows are acted emotions, columns are answered ones.
    emotions
        Names of the rows and the columns.
    title
        Title above the matrix.

    Returns
    -------
    matplotlib.figure.Figure
        Its ``savefig`` writes a file.

    Raises
    ------
    EmotionRecogError
        If Matplotlib is not installed.
    ValueError
        If the numbers of rows, columns and emotions differ.

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
    """Draw shares as points and their intervals as lines, below each other.

    Parameters
    ----------
    panels
        Rows of each panel by its title: a name, a share from 0 to 1, and the bounds of its interval
        or None.
    x
        Label of the horizontal axis, which is in per cent.

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
    """Draw the share of right answers against the confidence of the recogniser.

    Parameters
    ----------
    confidence : array_like of float, shape (n_clips,)
        Confidence of each answer, from 0 to 1.
    hit : array_like of bool, shape (n_clips,)
        Whether each answer is right.
    n_bins
        Number of bins of equal width.

    Returns
    -------
    matplotlib.figure.Figure
        Its ``savefig`` writes a file. A bar below the diagonal means that the recogniser is
        overconfident; it is pale if there are fewer than ten answers. The panel below shows the
        number of answers in each bin.

    Raises
    ------
    EmotionRecogError
        If Matplotlib is not installed.
    ValueError
        If there is no answer, or the shapes differ.

    Examples
    --------
    >>> from emotionrecog import plots
    >>> figure = plots.reliability([0.9, 0.8, 0.6], [True, True, False])
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['right answers in %', 'answers']
    """
    shares, is_right = np.asarray(confidence, dtype=float), np.asarray(hit, dtype=bool)
    if shares.ndim != 1 or shares.shape != is_right.shape or not len(shares):
        raise ValueError(
            "expected a confidence for each answer and whether it was right, got shapes "
            f"{shares.shape} and {is_right.shape}"
        )
    bins = np.minimum((shares * n_bins).astype(int), n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    is_used = counts > 0
    middles = 100 * (np.arange(n_bins)[is_used] + 0.5) / n_bins
    accuracy = 100 * np.bincount(bins, is_right, minlength=n_bins)[is_used] / counts[is_used]
    figure = new_figure(COLUMN_WIDTHS[1], COLUMN_WIDTHS[1])
    panel, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    width = 92 / n_bins
    # The share of right answers among a few is largely chance.
    is_rough = counts[is_used] < FEW_ANSWERS
    panel.bar(middles, accuracy, width=width, color=np.where(is_rough, PALE, BLUE))
    panel.plot([0, 100], [0, 100], color=VERMILION, linewidth=1.2, linestyle="dashed")
    panel.set_ylim(0, 100)
    panel.set_xlim(0, 100)
    finish(panel, "right answers in %")
    below.bar(middles, counts[is_used], width=width, color=GREY)
    below.yaxis.get_major_locator().set_params(integer=True, nbins=3)
    finish(below, "answers", x="confidence in %")
    figure.align_ylabels()
    return figure


def risk_coverage(curves: Mapping[str, tuple[Any, Any]]) -> Figure:
    """Draw the share of wrong answers against the share of answers kept, the most confident first.

    Parameters
    ----------
    curves
        Curves by name, at most seven: the shares of answers that are kept, and the shares of these
        that are wrong, as `emotionrecog.evaluation.risk_coverage` returns them.

    Returns
    -------
    matplotlib.figure.Figure
        Its ``savefig`` writes a file. The lower a curve, the better confidence separates right
        answers from wrong ones; its right end is the share of wrong answers among all.

    Raises
    ------
    EmotionRecogError
        If Matplotlib is not installed.
    ValueError
        If there are no curves or more than seven, or if the two shapes of a curve differ.

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
    finish(panel, "wrong answers in %", x="answers kept, the surest first, in %")
    panel.legend(fontsize=FONT_SIZE - 1, frameon=False)
    return figure
