"""Draw why a recogniser gave an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emotionrecog import audio
from emotionrecog.plots.kinds import draw_waveform
from emotionrecog.plots.style import (
    BLUE,
    COLUMN_WIDTHS,
    DIVERGING,
    FONT_SIZE,
    FREQUENCY,
    FULL_SCALE,
    GREY,
    TIME,
    finish,
    new_figure,
    write_title,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from emotionrecog.audio import AudioSource

__all__ = ["explanation"]

# More standard deviations than this are drawn as so many.
MOST_DEVIATIONS = 5.0

# Heights of the panels of an explanation, in inches.
EXPLANATION_HEIGHTS = (1.1, 1.0, 2.4, 1.9)


def explanation(figures: Mapping[str, Any], source: AudioSource) -> Figure:
    """Draw why an emotion was answered: which parts of the recording count, and what the voice did.

    Parameters
    ----------
    figures : mapping
        As ``to_dict`` of an `emotionrecog.inference.attribution.Explanation` returns them, or as
        read from the file that ``emotionrecog explain --json`` wrote.
    source : path, bytes, file, Waveform or samples with their sampling rate
        The recording; see `emotionrecog.audio.load`.

    Returns
    -------
    matplotlib.figure.Figure
        Below each other the waveform, how much each stretch of time counts, how much each place
        in time and frequency does, beside it how much each band does, and what was measured in the
        voice, in standard deviations of neutral speech. Red speaks for the emotion, blue against
        it. Its ``savefig`` writes a file.

    Raises
    ------
    AudioError
        If the recording cannot be read.
    EmotionRecogError
        If Matplotlib is not installed.
    ValueError
        If the recording is not as long as the one that was explained.

    Examples
    --------
    >>> from emotionrecog import EmotionRecognizer, plots
    >>> found = EmotionRecognizer().explain("examples/clip.wav")
    >>> figure = plots.explanation(found.to_dict(), "examples/clip.wav")
    >>> [axes.get_ylabel() for axes in figure.axes][:3]
    ['full scale = 1', 'any frequency', 'frequency in kHz']
    """
    clip = audio.load(source)
    if abs(clip.duration - figures["duration"]) > 0.01:
        raise ValueError(
            f"expected the recording that was explained, of {figures['duration']:.3f} s, got one "
            f"of {clip.duration:.3f} s"
        )
    heights = (sum(EXPLANATION_HEIGHTS[:3]) + 0.7, EXPLANATION_HEIGHTS[3] + 0.5)
    figure = new_figure(COLUMN_WIDTHS[0], sum(heights))
    halves: Any = figure.subfigures(2, 1, height_ratios=heights)
    above, below = halves
    grid = above.add_gridspec(3, 2, height_ratios=EXPLANATION_HEIGHTS[:3], width_ratios=(5, 1))
    times, edges = np.array(figures["times"]), np.array(figures["frequencies"]) / 1000
    contribution = np.array(figures["contribution"])
    over_time = np.array(figures["over_time"])
    over_frequency = np.array(figures["over_frequency"])

    wave = above.add_subplot(grid[0, 0])
    draw_waveform(wave, clip)
    emotion = figures["emotion"]
    write_title(
        wave, f"{emotion}, {100 * figures['probabilities'][emotion]:.0f} %", COLUMN_WIDTHS[0]
    )
    finish(wave, FULL_SCALE)
    stretches = above.add_subplot(grid[1, 0], sharex=wave)
    stretches.bar(
        times[:-1], over_time, np.diff(times), align="edge", color=_for_or_against(over_time)
    )
    stretches.axhline(0.0, color=GREY, linewidth=0.8)
    finish(stretches, "any frequency")
    panel = above.add_subplot(grid[2, 0], sharex=wave)
    most = float(np.abs(contribution).max()) or 1.0
    rows = np.arange(len(edges))
    image = panel.pcolormesh(times, rows, contribution, cmap=DIVERGING, vmin=-most, vmax=most)
    panel.set_yticks(rows, [f"{edge:.2g}" for edge in edges])
    finish(panel, FREQUENCY)
    panel.set_xlabel(TIME, fontsize=FONT_SIZE)
    wave.set_xlim(0.0, clip.duration)
    for upper in (wave, stretches):
        upper.tick_params(labelbottom=False)
    bands = above.add_subplot(grid[2, 1], sharey=panel)
    bands.barh(rows[:-1] + 0.5, over_frequency, 1.0, color=_for_or_against(over_frequency))
    bands.axvline(0.0, color=GREY, linewidth=0.8)
    bands.set_xlabel("at any time", fontsize=FONT_SIZE)
    bands.tick_params(labelsize=FONT_SIZE, labelleft=False)
    bands.spines[["top", "right"]].set_visible(False)
    bar = above.colorbar(image, ax=bands, location="right", aspect=25)
    bar.set_label("fall of log-odds without it", fontsize=FONT_SIZE)
    bar.ax.tick_params(labelsize=FONT_SIZE)

    voice = below.subplots()
    measured = figures["voice"]
    for row, one in enumerate(measured):
        deviations = one["deviations"]
        if deviations is None:
            continue
        drawn = float(np.clip(deviations, -MOST_DEVIATIONS, MOST_DEVIATIONS))
        voice.barh(row, drawn, 0.7, color=BLUE)
        voice.text(
            drawn + (0.1 if drawn >= 0 else -0.1),
            row,
            f"{_short(one['difference'], '+')} {one['difference_unit']}",
            va="center",
            ha="left" if drawn >= 0 else "right",
            fontsize=FONT_SIZE - 1,
        )
    voice.axvspan(-1, 1, color="0.93", linewidth=0, zorder=0)
    voice.axvline(0.0, color=GREY, linewidth=0.8)
    names = [
        f"{one['name']}: none"
        if one["value"] is None
        else f"{one['name']} {_short(one['value'])} {one['unit']}"
        for one in measured
    ]
    voice.set_yticks(range(len(measured)), names)
    voice.set_ylim(len(measured) - 0.5, -0.5)
    voice.set_xlim(-MOST_DEVIATIONS - 1.7, MOST_DEVIATIONS + 1.7)
    finish(voice, "")
    voice.tick_params(left=False)
    voice.set_xlabel(
        f"standard deviations from {figures['reference']}", fontsize=FONT_SIZE, parse_math=False
    )
    above.align_ylabels([wave, stretches, panel])
    return figure


def _short(value: float, sign: str = "") -> str:
    return f"{value:{sign}.{0 if abs(value) >= 100 else 1}f}"


def _for_or_against(values: NDArray[Any]) -> list[str]:
    """Return a colour for each bar: those of the ends of a map."""
    return ["#b2182b" if value >= 0 else "#2166ac" for value in values]
