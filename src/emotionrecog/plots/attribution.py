"""Draw the explanation of an answer."""

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
    name_rows,
    new_figure,
    write_title,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import NDArray

    from emotionrecog.audio import AudioSource, Waveform

__all__ = ["explanation"]

# Deviations beyond this many standard deviations are drawn as this many.
MOST_DEVIATIONS = 5.0

# Heights of the panels of an explanation, in inches.
EXPLANATION_HEIGHTS = (1.1, 1.0, 2.4, 1.9)

# Colours of what supports and what opposes an emotion: the ends of the colour map.
FOR, AGAINST = "#b2182b", "#2166ac"


def explanation(results: Mapping[str, Any], source: AudioSource) -> Figure:
    """Draw why an emotion was answered: the parts of the recording that count, and the voice.

    Parameters
    ----------
    results
        Results as ``to_dict`` of an `emotionrecog.inference.attribution.Explanation` returns them,
        or as read from the file that ``emotionrecog explain --json`` writes.
    source
        The recording: a path, bytes, a file, a `Waveform`, or samples with their sampling rate; see
        `emotionrecog.audio.load`.

    Returns
    -------
    matplotlib.figure.Figure
        From top to bottom: the waveform; the contribution of each stretch of time; that of each
        part in time and frequency, with that of each band beside it; and the measures of the voice,
        in standard deviations from neutral speech. Red supports the emotion, blue opposes it. Its
        ``savefig`` writes a file.

    Raises
    ------
    AudioError
        If the recording cannot be read.
    EmotionRecogError
        If Matplotlib is not installed.
    ValueError
        If the durations of the recording and of the one explained differ.

    Examples
    --------
    >>> from emotionrecog import EmotionRecognizer, plots
    >>> results = EmotionRecognizer().explain("examples/clip.wav").to_dict()
    >>> figure = plots.explanation(results, "examples/clip.wav")
    >>> [axes.get_ylabel() for axes in figure.axes][:3]
    ['full scale = 1', 'any frequency', 'frequency in kHz']
    """
    clip = audio.load(source)
    if abs(clip.duration - results["duration"]) > 0.01:
        raise ValueError(
            f"expected the recording that was explained, of {results['duration']:.3f} s, got one "
            f"of {clip.duration:.3f} s"
        )
    heights = (sum(EXPLANATION_HEIGHTS[:3]) + 0.7, EXPLANATION_HEIGHTS[3] + 0.5)
    figure = new_figure(COLUMN_WIDTHS[0], sum(heights))
    halves: Any = figure.subfigures(2, 1, height_ratios=heights)
    _draw_contributions(halves[0], results, clip)
    _draw_voice(halves[1].subplots(), results["voice"], results["reference"])
    return figure


def _draw_contributions(half: SubFigure, results: Mapping[str, Any], clip: Waveform) -> None:
    """Draw the waveform and the contributions over time and frequency."""
    grid = half.add_gridspec(3, 2, height_ratios=EXPLANATION_HEIGHTS[:3], width_ratios=(5, 1))
    times, edges = np.array(results["times"]), np.array(results["frequencies"]) / 1000
    contribution = np.array(results["contribution"])
    over_time = np.array(results["over_time"])
    over_frequency = np.array(results["over_frequency"])

    wave = half.add_subplot(grid[0, 0])
    draw_waveform(wave, clip)
    emotion = results["emotion"]
    title = f"{emotion}, {100 * results['probabilities'][emotion]:.0f} %"
    write_title(wave, title, COLUMN_WIDTHS[0])
    finish(wave, FULL_SCALE)
    stretches = half.add_subplot(grid[1, 0], sharex=wave)
    stretches.bar(
        times[:-1], over_time, np.diff(times), align="edge", color=_for_or_against(over_time)
    )
    stretches.axhline(0.0, color=GREY, linewidth=0.8)
    finish(stretches, "any frequency")
    panel = half.add_subplot(grid[2, 0], sharex=wave)
    most = float(np.abs(contribution).max()) or 1.0
    rows = np.arange(len(edges))
    image = panel.pcolormesh(times, rows, contribution, cmap=DIVERGING, vmin=-most, vmax=most)
    panel.set_yticks(rows, [f"{edge:.2g}" for edge in edges])
    finish(panel, FREQUENCY, x=TIME)
    wave.set_xlim(0.0, clip.duration)
    for upper in (wave, stretches):
        upper.tick_params(labelbottom=False)
    bands = half.add_subplot(grid[2, 1], sharey=panel)
    bands.barh(rows[:-1] + 0.5, over_frequency, 1.0, color=_for_or_against(over_frequency))
    bands.axvline(0.0, color=GREY, linewidth=0.8)
    finish(bands, "", x="at any time", is_first=False)
    bar = half.colorbar(image, ax=bands, location="right", aspect=25)
    bar.set_label("fall of log-odds without it", fontsize=FONT_SIZE)
    bar.ax.tick_params(labelsize=FONT_SIZE)
    half.align_ylabels([wave, stretches, panel])


def _draw_voice(panel: Any, measures: Sequence[Mapping[str, Any]], reference: str) -> None:
    """Draw the measures of the voice as deviations from a reference."""
    for row, measure in enumerate(measures):
        if measure["deviations"] is None:
            continue
        length = float(np.clip(measure["deviations"], -MOST_DEVIATIONS, MOST_DEVIATIONS))
        panel.barh(row, length, 0.7, color=BLUE)
        panel.text(
            length + (0.1 if length >= 0 else -0.1),
            row,
            f"{_short(measure['difference'], '+')} {measure['difference_unit']}",
            va="center",
            ha="left" if length >= 0 else "right",
            fontsize=FONT_SIZE - 1,
        )
    panel.axvspan(-1, 1, color="0.93", linewidth=0, zorder=0)
    panel.axvline(0.0, color=GREY, linewidth=0.8)
    names = [
        f"{measure['name']}: none"
        if measure["value"] is None
        else f"{measure['name']} {_short(measure['value'])} {measure['unit']}"
        for measure in measures
    ]
    name_rows(panel, names)
    panel.set_xlim(-MOST_DEVIATIONS - 1.7, MOST_DEVIATIONS + 1.7)
    finish(panel, "")
    panel.tick_params(left=False)
    panel.set_xlabel(f"standard deviations from {reference}", fontsize=FONT_SIZE, parse_math=False)


def _short(value: float, sign: str = "") -> str:
    return f"{value:{sign}.{0 if abs(value) >= 100 else 1}f}"


def _for_or_against(values: NDArray[Any]) -> list[str]:
    """Return a colour for each bar."""
    return [FOR if value >= 0 else AGAINST for value in values]
