"""Set the colours, sizes, axes and legends that all pictures share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emotionrecog.errors import EmotionRecogError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

__all__ = [
    "BACKGROUND",
    "BAR_WIDTH",
    "BLUE",
    "COLUMN_WIDTHS",
    "DIVERGING",
    "DYNAMIC_RANGE",
    "FONT_SIZE",
    "FREQUENCY",
    "FULL_SCALE",
    "GREY",
    "IMAGE_HEIGHT",
    "LEVEL",
    "LINE_HEIGHT",
    "MAX_FRAMES",
    "ORANGE",
    "ROW_HEIGHT",
    "SEQUENTIAL",
    "STYLE_COLOURS",
    "TIME",
    "VERMILION",
    "finish",
    "finish_rows",
    "legend_above",
    "line_style",
    "name_rows",
    "new_figure",
    "require_matplotlib",
    "shade_families",
    "write_title",
]

# The colours of Okabe and Ito, which people with any kind of colour vision can distinguish.
BLUE, ORANGE, VERMILION, GREY = "#0072B2", "#E69F00", "#D55E00", "#999999"
STYLE_COLOURS = {"speech": BLUE, "song": ORANGE}

# Perceptually uniform colour maps: for amounts, for signed values, and for a background.
SEQUENTIAL, DIVERGING, BACKGROUND = "magma", "RdBu_r", "Greys"

# Levels this far below the loudest, in dB, are drawn as silence.
DYNAMIC_RANGE = 80.0

# More frames than this are narrower than a pixel and are averaged.
MAX_FRAMES = 800

# In inches: width of a column if there are one, two and more of them; height of a row of lines and
# of a row of images; width of a colour bar.
COLUMN_WIDTHS = (7.6, 4.6, 3.4)
LINE_HEIGHT, IMAGE_HEIGHT = 1.7, 2.5
BAR_WIDTH = 0.15
FONT_SIZE = 9

# Height of a row of results, in inches.
ROW_HEIGHT = 0.19

# Labels of axes.
TIME, FREQUENCY = "time in s", "frequency in kHz"
LEVEL, FULL_SCALE = "dB re full-scale sine", "full scale = 1"


def require_matplotlib() -> None:
    """Raise `EmotionRecogError` if Matplotlib is not installed.

    Examples
    --------
    >>> from emotionrecog import plots
    >>> plots.require_matplotlib()
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise EmotionRecogError(
            f"pictures need Matplotlib, which is not installed here ({error}): "
            "pip install 'emotionrecog[plots]'"
        ) from error


def new_figure(width: float, height: float) -> Figure:
    """Return an empty Matplotlib figure that is independent of pyplot.

    Parameters
    ----------
    width, height
        In inches.

    Raises
    ------
    EmotionRecogError
        If Matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def write_title(panel: Any, title: str, width: float) -> None:
    """Write a title, each line shortened to the width of the panel, in inches."""
    longest = int(width * 72 / (0.75 * FONT_SIZE))
    title = title.encode(errors="backslashreplace").decode()  # file names need not be valid text
    lines = [
        line if len(line) <= longest else f"{line[: longest // 2]}…{line[1 - longest // 2 :]}"
        for line in title.split("\n")
    ]
    text = panel.set_title("\n".join(lines), loc="left", fontsize=FONT_SIZE, fontweight="bold")
    text.set_parse_math(False)  # a file may be named $a$.wav


def finish(panel: Any, y: str, *, x: str = "", is_first: bool = True) -> None:
    """Label the axes of a panel, and remove its frame at the top and on the right.

    Parameters
    ----------
    panel
        Matplotlib's axes.
    y, x
        Quantity and unit of the vertical and the horizontal axis.
    is_first
        Whether the panel is the first of its row; only then are the ticks of `y` labelled.
    """
    panel.set_ylabel(y, fontsize=FONT_SIZE)
    if x:
        panel.set_xlabel(x, fontsize=FONT_SIZE)
    panel.tick_params(labelsize=FONT_SIZE, labelleft=is_first)
    panel.spines[["top", "right"]].set_visible(False)


def finish_rows(panel: Any, x: str) -> None:
    """Label a panel of horizontal rows, with a grid and without a frame."""
    panel.set_xlabel(x, fontsize=FONT_SIZE)
    panel.tick_params(labelsize=FONT_SIZE, left=False)
    panel.grid(axis="x", color="0.85", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right", "left"]].set_visible(False)


def name_rows(panel: Any, names: Sequence[str]) -> None:
    """Name the rows of a panel, from top to bottom."""
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(len(names) - 0.5, -0.5)


def legend_above(panel: Any, side: Literal["left", "right"]) -> None:
    """Put a legend of two columns above a panel."""
    panel.legend(
        frameon=False,
        fontsize=FONT_SIZE,
        loc=f"lower {side}",
        bbox_to_anchor=(float(side == "right"), 1.0),
        ncols=2,
    )


def line_style(n_frames: int) -> dict[str, Any]:
    """Return the style of a line: thin for very many frames, a point for a single one."""
    return {
        "linewidth": 1.2 if n_frames <= MAX_FRAMES else 0.5,
        "marker": "." if n_frames == 1 else "",
    }


def shade_families(panels: Sequence[Any], families: Sequence[str]) -> None:
    """Shade the rows of every other family."""
    firsts = [i for i, name in enumerate(families) if i == 0 or name != families[i - 1]]
    for first, end in zip(firsts[1::2], [*firsts[2::2], len(families)], strict=False):
        for panel in panels:
            panel.axhspan(first - 0.5, end - 0.5, color="0.95", linewidth=0)
