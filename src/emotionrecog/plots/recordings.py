"""Draw recordings and their features, one or several side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emotionrecog import audio
from emotionrecog.audio import Waveform
from emotionrecog.datasets import EMOTIONS
from emotionrecog.errors import AudioError
from emotionrecog.plots.kinds import KINDS, Kind, loudest
from emotionrecog.plots.style import (
    BAR_WIDTH,
    COLUMN_WIDTHS,
    FONT_SIZE,
    IMAGE_HEIGHT,
    LINE_HEIGHT,
    TIME,
    finish,
    new_figure,
    write_title,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from emotionrecog.datasets import Utterance

__all__ = ["compare", "plot"]

# More panels would be illegible, and Matplotlib is limited to 65,536 pixels.
MAX_PANELS = 100


def plot(
    clips: Waveform | Sequence[Waveform],
    kinds: str | Sequence[str] = ("waveform", "log_spectrogram"),
    *,
    titles: Sequence[str] | None = None,
) -> Figure:
    """Draw a recording, or several side by side, with a row for each kind of picture.

    Frames last 32 ms, those of the pitch 64 ms, and one begins every 8 ms. The values are those of
    the functions in `emotionrecog.features`. Panels of one kind have the same axes and colours; all
    clips are resampled to the lowest sampling rate among them, so that their values are comparable.
    Lines over a spectrogram are interrupted where a frame is over 50 dB below the loudest.

    Parameters
    ----------
    clips
        One recording or several, a column for each.
    kinds
        One name or several out of `KINDS`, a row for each.
    titles
        Title of each clip.

    Returns
    -------
    matplotlib.figure.Figure
        Its ``savefig`` writes a file.

    Raises
    ------
    EmotionRecogError
        If Matplotlib is not installed.
    AudioError
        If samples are NaN or infinite.
    ValueError
        If there is no clip or no kind, a kind is unknown, the numbers of titles and clips differ,
        or the picture would have more than a hundred panels.

    See Also
    --------
    compare : Draw utterances of a corpus, a column for each emotion.

    Examples
    --------
    >>> from emotionrecog import plots
    >>> from emotionrecog.audio import load
    >>> figure = plots.plot(load("examples/clip.wav"), ["waveform", "mfcc"])
    >>> [axes.get_xlabel() for axes in figure.axes[:2]]
    ['', 'time in s']
    """
    if isinstance(clips, Waveform):
        clips = [clips]
    if titles is None:
        titles = [""] * len(clips)
    if not clips or len(titles) != len(clips):
        raise ValueError(
            f"expected one clip or more and as many titles, got {len(clips)} and {len(titles)}"
        )
    return _grid([list(zip(clips, titles, strict=True))], kinds)


def compare(
    utterances: Sequence[Utterance],
    kinds: str | Sequence[str] = "log_spectrogram",
    *,
    sampling_rate: int | None = None,
) -> Figure:
    r"""Draw utterances side by side, a column for each emotion.

    Columns are in the order of `EMOTIONS`; utterances of one emotion are below each other in the
    order of the input. Their recordings are read from disk; everything else is as in `plot`.

    Parameters
    ----------
    utterances
        Utterances of one corpus or of several.
    kinds
        One name or several out of `KINDS`.
    sampling_rate
        In Hz, the rate to resample to. By default the lowest of the recordings.

    Returns
    -------
    matplotlib.figure.Figure
        Its ``savefig`` writes a file.

    Raises
    ------
    EmotionRecogError
        If Matplotlib is not installed.
    FileNotFoundError, AudioError
        If a recording is missing, or cannot be used.
    ValueError
        If there is no utterance or no kind, a kind is unknown, or the picture would have more than
        a hundred panels.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog import plots
    >>> from emotionrecog.datasets import Utterance
    >>> utterances = [
    ...     Utterance(Path("examples/clip.wav"), emotion, corpus="mine", speaker="mine/robot")
    ...     for emotion in ("angry", "neutral")
    ... ]
    >>> [axes.get_title(loc="left") for axes in plots.compare(utterances, "mfcc").axes[:2]]
    ['neutral\nclip', 'angry\nclip']
    """
    if not utterances:
        raise ValueError("expected one utterance or more, got none")
    columns = [[u for u in utterances if u.emotion == emotion] for emotion in EMOTIONS]
    columns = [column for column in columns if column]
    deepest = max(map(len, columns))
    _checked_kinds(kinds, deepest * len(columns))  # before the recordings are read
    blocks = [
        [
            (
                audio.load(column[row].path, sampling_rate=sampling_rate),
                f"{column[row].emotion}\n{column[row].recording or column[row].path.stem}",
            )
            if row < len(column)
            else None
            for column in columns
        ]
        for row in range(deepest)
    ]
    return _grid(blocks, kinds)


def _checked_kinds(kinds: str | Sequence[str], n_clips: int) -> list[str]:
    names = [kinds] if isinstance(kinds, str) else list(kinds)
    if not names or not all(isinstance(name, str) and name in KINDS for name in names):
        raise ValueError(f"expected kinds out of {', '.join(KINDS)}, got {kinds!r}")
    if n_clips * len(names) > MAX_PANELS:
        raise ValueError(
            f"expected at most {MAX_PANELS} panels in one picture, got {n_clips} places for clips "
            f"times {len(names)} kinds; draw several pictures"
        )
    return names


def _grid(
    blocks: Sequence[Sequence[tuple[Waveform, str] | None]], kinds: str | Sequence[str]
) -> Figure:
    """Draw rows of clips with their titles, once for each kind."""
    n_columns = len(blocks[0])
    names = _checked_kinds(kinds, n_columns * len(blocks))
    clips = [cell[0] for block in blocks for cell in block if cell]
    for clip in clips:
        if not np.isfinite(clip.samples).all():
            raise AudioError(f"samples of {clip!r} must be finite, got NaN or infinite ones")
    rate = min(clip.sampling_rate for clip in clips)
    rows = [(name, block) for name in names for block in blocks]
    heights = [IMAGE_HEIGHT if KINDS[name].bar else LINE_HEIGHT for name, _ in rows]
    width = COLUMN_WIDTHS[min(n_columns, len(COLUMN_WIDTHS)) - 1]
    figure = new_figure(n_columns * width + 1.4, sum(heights) + 0.8)
    axes = figure.subplots(len(rows), n_columns, squeeze=False, height_ratios=heights)
    longest = max(clip.duration for clip in clips)
    for first in range(0, len(rows), len(blocks)):
        kind = KINDS[rows[first][0]]
        panels, images = [], []
        for row in range(first, first + len(blocks)):
            for column, cell in enumerate(rows[row][1]):
                panel = axes[row, column]
                if cell is None:
                    panel.remove()
                    continue
                clip, title = cell
                if clip.sampling_rate != rate:
                    clip = audio.load(clip, sampling_rate=rate)
                images.append(kind.draw(panel, clip))
                panels.append(panel)
                y = f"{kind.title}\n{kind.y}" if column == 0 else ""
                finish(panel, y, x=kind.x, is_first=column == 0)
                if row == 0 or len(blocks) > 1:
                    write_title(panel, title, width)
                below = row + 1 < len(rows) and rows[row + 1][1][column]
                if below and KINDS[rows[row + 1][0]].x == kind.x:
                    panel.set_xlabel("")
                    panel.tick_params(labelbottom=False)
        _share_axes(panels, longest if kind.x == TIME else None)
        if kind.bar:
            _share_colours(figure, panels, images, kind, len(blocks) * IMAGE_HEIGHT)
    return figure


def _share_axes(panels: Sequence[Any], longest: float | None) -> None:
    for axis in ("x", "y"):
        ends = np.array([getattr(panel, f"get_{axis}lim")() for panel in panels])
        low, high = ends[:, 0].min(), ends[:, 1].max()
        if axis == "x" and longest is not None:
            low, high = 0.0, longest
        for panel in panels:
            getattr(panel, f"set_{axis}lim")(low, high)


def _share_colours(
    figure: Figure, panels: Sequence[Any], images: Sequence[Any], kind: Kind, height: float
) -> None:
    """Give all images the same colours, and a colour bar of their height."""
    if kind.is_relative:
        highest = max(loudest(image.get_array()) for image in images)
        for image in images:
            image.set_data(image.get_array() - highest)
    values = np.concatenate([np.asarray(image.get_array()).ravel() for image in images])
    assert kind.limits is not None
    low, high = kind.limits(values)
    for image in images:
        image.set_clim(low, high)
    rounding = 1e-3 * (high - low)
    cut_below, cut_above = values.min() < low - rounding, values.max() > high + rounding
    extend = {(1, 1): "both", (1, 0): "min", (0, 1): "max"}.get((cut_below, cut_above), "neither")
    bar = figure.colorbar(
        images[0],
        ax=panels,
        extend=extend,
        extendfrac=BAR_WIDTH / height,
        aspect=height / BAR_WIDTH,
        fraction=1.5 * BAR_WIDTH / figure.get_figwidth(),  # more than it needs
        pad=BAR_WIDTH / figure.get_figwidth(),
    )
    bar.set_label(kind.bar, fontsize=FONT_SIZE)
    bar.ax.tick_params(labelsize=FONT_SIZE)
