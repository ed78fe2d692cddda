"""Colours, sizes and the parts that all pictures share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emotionrecog.errors import EmotionRecogError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

__all__ = ["require_matplotlib"]

# The colours of Okabe and Ito, which people with any kind of colour vision can distinguish.
BLUE, ORANGE, VERMILION, GREY = "#0072B2", "#E69F00", "#D55E00", "#999999"
STYLE_COLOURS = {"speech": BLUE, "song": ORANGE}

# Perceptually uniform colour maps: for amounts, for signed values, and for a background.
SEQUENTIAL, DIVERGING, BACKGROUND = "magma", "RdBu_r", "Greys"

# Levels this far below the loudest, in dB, are drawn as silence.
DYNAMIC_RANGE = 80.0

# More frames than this are narrower than a pixel and are averaged.
MAX_FRAMES = 800

# In inches: widths of a column where there are one, two and more of them; heights of a row of lines
# and of a row of images; width of a colour bar.
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
    """Raise `EmotionRecogError` with what to do where Matplotlib is missing."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise EmotionRecogError(
            f"pictures need Matplotlib, which is not installed here ({error}): "
            "pip install 'emotionrecog[plots]'"
        ) from error


def new_figure(width: float, height: float) -> Figure:
    """Return an empty Matplotlib figure of a size in inches, which does not belong to pyplot.

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
    title = title.encode(errors="backslashreplace").decode()  # names of files need not be text
    lines = [
        line if len(line) <= longest else f"{line[: longest // 2]}…{line[1 - longest // 2 :]}"
        for line in title.split("\n")
    ]
    text = panel.set_title("\n".join(lines), loc="left", fontsize=FONT_SIZE, fontweight="bold")
    text.set_parse_math(False)  # a file may be called $a$.wav


def finish(panel: Any, title: str, *, is_first: bool = True) -> None:
    panel.set_ylabel(title, fontsize=FONT_SIZE)
    panel.tick_params(labelsize=FONT_SIZE, labelleft=is_first)
    panel.spines[["top", "right"]].set_visible(False)


def line_style(n_frames: int) -> dict[str, Any]:
    """Return a thin line for very many frames, and a point for one."""
    return {
        "linewidth": 1.2 if n_frames <= MAX_FRAMES else 0.5,
        "marker": "." if n_frames == 1 else "",
    }


def shade_families(panels: Sequence[Any], families: Sequence[str]) -> None:
    """Put every other family of conditions on grey."""
    firsts = [i for i, name in enumerate(families) if i == 0 or name != families[i - 1]]
    for first, end in zip(firsts[1::2], [*firsts[2::2], len(families)], strict=False):
        for panel in panels:
            panel.axhspan(first - 0.5, end - 0.5, color="0.95", linewidth=0)
