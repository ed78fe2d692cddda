"""Pictures, drawn with Matplotlib, which the extra ``plots`` brings.

`plot` draws recordings and their features, one or several side by side; `compare` gives each
emotion a column; `distributions` shows what corpora hold; `history` and `search` show how training
and a search for a better recipe went; `stress` shows how a recogniser stands worse recordings, and
`benchmark` what it comes to beside others. Each returns a Matplotlib figure that belongs to nobody
else: nothing of ``pyplot`` is used.

Lines have the colours of Okabe and Ito, which people with any kind of colour vision tell apart;
colour maps are perceptually uniform. All panels of one kind have the same axes and colours, so that
what looks different is different.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy  # which loads scipy.fft when it is first used: that takes 0.3 s

from emotionrecog import audio, features
from emotionrecog.audio import Waveform
from emotionrecog.datasets import CORPORA, EMOTIONS
from emotionrecog.errors import AudioError, EmotionRecogError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from emotionrecog.audio import AudioSource
    from emotionrecog.datasets import Utterance

    Array = NDArray[np.float32]

__all__ = [
    "KINDS",
    "Kind",
    "benchmark",
    "compare",
    "confusion",
    "distributions",
    "explanation",
    "history",
    "plot",
    "ranges",
    "reliability",
    "require_matplotlib",
    "risk_coverage",
    "search",
    "stress",
]

# Of Okabe and Ito.
BLUE, ORANGE, VERMILION, GREY = "#0072B2", "#E69F00", "#D55E00", "#999999"
STYLE_COLOURS = {"speech": BLUE, "song": ORANGE}

# Perceptually uniform, in this order: from little to much, from below zero to above it, and behind
# lines.
SEQUENTIAL, DIVERGING, BACKGROUND = "magma", "RdBu_r", "Greys"

# Of the frames that are drawn, in s. Two periods of a low voice fit into the longer one.
FRAME_DURATION = 0.032
PITCH_FRAME_DURATION = 0.064
FRAME_STEP = 0.008

# What is this much below the loudest, in dB, is drawn like silence.
DYNAMIC_RANGE = 80.0

# Frames this much below the loudest, in dB, are pauses, over which no line is drawn.
VOICE_RANGE = 50.0

# Level of digital silence in dB, far below all that is heard.
SILENCE = -200.0

N_MELS = 64
N_MFCC = 20
SPLIT_FREQUENCY = 2_000.0

# Above the highest pitch that is looked for, 500 Hz, a harmonic is worth seeing.
HIGHEST_PITCH_SHOWN = 800.0

# Frequencies, in Hz, that the axis of mel bands names.
MEL_TICKS = (250, 500, 1_000, 2_000, 4_000, 8_000, 16_000)

# More points than this are no longer told apart; of a block of them the least and the most are
# drawn.
MAX_POINTS = 6_000

# More frames than this are narrower than a pixel, and are averaged.
MAX_FRAMES = 800

# Larger pictures would be illegible, and Matplotlib ends at 65,536 pixels.
MAX_PANELS = 100

# In inches: a column where there is one, where there are two, and where there are more; a row of
# lines and one of images; the bar that explains colours.
COLUMN_WIDTHS = (7.6, 4.6, 3.4)
LINE_HEIGHT, IMAGE_HEIGHT = 1.7, 2.5
BAR_WIDTH = 0.15
FONT_SIZE = 9

# As many speakers are named below their bars; of more, there is only room for the number.
MAX_NAMED_SPEAKERS = 12

# Width of a bar of durations, in s.
DURATION_STEP = 0.1


@dataclass(frozen=True)
class Kind:
    """One kind of picture: what its axes say, and who draws it.

    Parameters
    ----------
    title
        What is shown, in words.
    x, y
        Quantity and unit of the axes.
    draw
        Draws a `Waveform` into Matplotlib's axes, and returns the image if there is one.
    bar
        Quantity and unit of the colours; empty where there is no image.
    limits
        Takes all values that the panels of one kind show, and returns those of the first and the
        last colour; None where there is no image.
    is_relative
        Whether colours stand for levels below the loudest that the panels show.
    """

    title: str
    x: str
    y: str
    draw: Callable[[Any, Waveform], Any]
    bar: str = ""
    limits: Callable[[Array], tuple[float, float]] | None = None
    is_relative: bool = False


def require_matplotlib() -> None:
    """Raise `EmotionRecogError` with what to do where Matplotlib is missing."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise EmotionRecogError(
            f"pictures need Matplotlib, which is not installed here ({error}): "
            "pip install 'emotionrecog[plots]'"
        ) from error


# --- recordings and their features --------------------------------------------------------------


def plot(
    clips: Waveform | Sequence[Waveform],
    kinds: str | Sequence[str] = ("waveform", "log_spectrogram"),
    *,
    titles: Sequence[str] | None = None,
) -> Figure:
    """Draw a recording, or several side by side: a row for each kind of picture.

    Frames last 32 ms, those of the pitch 64 ms, one begins every 8 ms, and the numbers are those of
    the functions of `emotionrecog.features`. Panels of one kind have the same axes and colours; so
    that their numbers compare, all clips are resampled to the lowest sampling rate among them.
    Lines over a spectrogram stop where a frame is more than 50 dB below the loudest.

    Parameters
    ----------
    clips : Waveform or sequence of Waveform
        Each has a column.
    kinds : str or sequence of str
        Out of `KINDS`.
    titles : sequence of str, optional
        One for each clip.

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
        If there is no clip or no kind, a kind is unknown, there are not as many titles as clips,
        or there would be more than a hundred panels.

    See Also
    --------
    compare : Utterances of a corpus, a column for each emotion.

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

    Columns are in the order of `EMOTIONS`; utterances of one emotion stand below each other in the
    order in which they come. Their recordings are read; everything else is as in `plot`.

    Parameters
    ----------
    utterances : sequence of Utterance
        Of one corpus or of several.
    kinds : str or sequence of str
        Out of `KINDS`.
    sampling_rate : int, optional
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
        If there is no utterance or no kind, a kind is unknown, or there would be more than a
        hundred panels.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog import plots
    >>> from emotionrecog.datasets import Utterance
    >>> said = [
    ...     Utterance(Path("examples/clip.wav"), emotion, corpus="mine", speaker="mine/robot")
    ...     for emotion in ("angry", "neutral")
    ... ]
    >>> [axes.get_title(loc="left") for axes in plots.compare(said, "mfcc").axes[:2]]
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
    """Draw rows of clips with their titles, all of them once for each kind."""
    n_columns = len(blocks[0])
    names = _checked_kinds(kinds, n_columns * len(blocks))
    require_matplotlib()
    from matplotlib.figure import Figure

    clips = [cell[0] for block in blocks for cell in block if cell]
    for clip in clips:
        if not np.isfinite(clip.samples).all():
            raise AudioError(f"samples of {clip!r} must be finite, got NaN or infinite ones")
    rate = min(clip.sampling_rate for clip in clips)
    rows = [(name, block) for name in names for block in blocks]
    heights = [IMAGE_HEIGHT if KINDS[name].bar else LINE_HEIGHT for name, _ in rows]
    width = COLUMN_WIDTHS[min(n_columns, len(COLUMN_WIDTHS)) - 1]
    figure = Figure(figsize=(n_columns * width + 1.4, sum(heights) + 0.8), layout="constrained")
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
                _label(panel, kind, is_first=column == 0)
                if row == 0 or len(blocks) > 1:
                    _write_title(panel, title, width)
                below = row + 1 < len(rows) and rows[row + 1][1][column]
                if below and KINDS[rows[row + 1][0]].x == kind.x:
                    panel.set_xlabel("")
                    panel.tick_params(labelbottom=False)
        _share_axes(panels, longest if kind.x == TIME else None)
        if kind.bar:
            _share_colours(figure, panels, images, kind, len(blocks) * IMAGE_HEIGHT)
    return figure


def _label(panel: Any, kind: Kind, *, is_first: bool) -> None:
    panel.set_xlabel(kind.x, fontsize=FONT_SIZE)
    if is_first:
        panel.set_ylabel(f"{kind.title}\n{kind.y}", fontsize=FONT_SIZE)
    panel.tick_params(labelsize=FONT_SIZE, labelleft=is_first)
    panel.spines[["top", "right"]].set_visible(False)


def _write_title(panel: Any, title: str, width: float) -> None:
    """Write a title, each line shortened to the width of the panel, in inches."""
    longest = int(width * 72 / (0.75 * FONT_SIZE))
    title = title.encode(errors="backslashreplace").decode()  # names of files need not be text
    lines = [
        line if len(line) <= longest else f"{line[: longest // 2]}…{line[1 - longest // 2 :]}"
        for line in title.split("\n")
    ]
    text = panel.set_title("\n".join(lines), loc="left", fontsize=FONT_SIZE, fontweight="bold")
    text.set_parse_math(False)  # a file may be called $a$.wav


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
    """Give all images the same colours, and a bar that explains them, as high as they are."""
    if kind.is_relative:
        loudest = max(_loudest(image.get_array()) for image in images)
        for image in images:
            image.set_data(image.get_array() - loudest)
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
        fraction=1.5 * BAR_WIDTH / figure.get_figwidth(),  # more than it takes
        pad=BAR_WIDTH / figure.get_figwidth(),
    )
    bar.set_label(kind.bar, fontsize=FONT_SIZE)
    bar.ax.tick_params(labelsize=FONT_SIZE)


# --- what is drawn ------------------------------------------------------------------------------

TIME, FREQUENCY = "time in s", "frequency in kHz"
LEVEL, FULL_SCALE = "dB re full-scale sine", "full scale = 1"


class _Frames(NamedTuple):
    """Arguments of the feature functions, in samples."""

    n_fft: int
    win_length: int
    hop_length: int


def _frames(clip: Waveform, duration: float = FRAME_DURATION) -> _Frames:
    win_length = round(duration * clip.sampling_rate)
    hop_length = round(FRAME_STEP * clip.sampling_rate)
    return _Frames(1 << (win_length - 1).bit_length(), win_length, hop_length)


def _times(clip: Waveform, n_frames: int) -> NDArray[np.float64]:
    """Return the middles of the frames in s."""
    return np.arange(n_frames) * _frames(clip).hop_length / clip.sampling_rate


def _magnitudes(clip: Waveform, duration: float = FRAME_DURATION) -> Array:
    """Return the amplitudes of sines that would give the short-time spectrum."""
    frames = _frames(clip, duration)
    # The window sums to half its length, and half of a sine lies at negative frequencies.
    return features.magnitude_spectrum(y=clip.samples, **frames._asdict()) * np.float32(
        4 / frames.win_length
    )


def _decibels(powers: Array) -> Array:
    return features.power_to_db(powers, amin=10 ** (SILENCE / 10), top_db=DYNAMIC_RANGE)


def _outline(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return which values to draw, and them: all of a few, the least and the most of blocks."""
    size = -(-len(values) // (MAX_POINTS // 2))
    if len(values) <= MAX_POINTS:
        return np.arange(len(values)), values
    starts = np.arange(0, len(values), size)
    extremes = np.empty(2 * len(starts), dtype=np.intp)
    for number, start in enumerate(starts):
        block = values[start : start + size]
        extremes[2 * number : 2 * number + 2] = start + np.sort([block.argmin(), block.argmax()])
    return extremes, values[extremes]


def _draw_waveform(panel: Any, clip: Waveform) -> None:
    where, values = _outline(clip.samples)
    for full_scale in (-1.0, 1.0):
        panel.axhline(full_scale, color=GREY, linewidth=0.8, linestyle="dashed")
    panel.axhline(0.0, color=GREY, linewidth=0.5)
    panel.plot(where / clip.sampling_rate, values, color=BLUE, linewidth=0.6)
    peak = 1.05 * (float(np.abs(clip.samples).max()) or 1.0)
    panel.set_ylim(-peak, peak)


def _draw_spectrum(panel: Any, clip: Waveform) -> None:
    n = len(clip.samples)
    amplitudes = np.abs(scipy.fft.rfft(clip.samples)) * np.float32(2 / n)
    amplitudes[0] = 0.0  # a constant offset is no sound
    if n % 2 == 0:
        amplitudes[-1] /= 2  # half the sampling rate is its own negative
    where, values = _outline(amplitudes)
    panel.plot(where * clip.sampling_rate / n / 1000, values, color=BLUE, linewidth=0.6)
    panel.set_xlim(0.0, clip.sampling_rate / 2000)
    panel.set_ylim(0.0, 1.05 * (float(amplitudes.max()) or 1.0))


def _image(
    panel: Any, clip: Waveform, values: NDArray[Any], low: float, high: float, colours: str
) -> Any:
    """Draw rows from `low` to `high` on the vertical axis, frames over time."""
    step = _frames(clip).hop_length / clip.sampling_rate
    return panel.imshow(
        values,
        origin="lower",
        aspect="auto",
        cmap=colours,
        # Frames keep their edges as long as there is room for them.
        interpolation="nearest" if values.shape[1] <= MAX_FRAMES else "auto",
        extent=(-step / 2, (values.shape[1] - 0.5) * step, low, high),
    )


def _image_over_frequency(
    panel: Any, clip: Waveform, values: NDArray[Any], colours: str = SEQUENTIAL
) -> Any:
    half_bin = clip.sampling_rate / (2 * (len(values) - 1)) / 2000
    nyquist = clip.sampling_rate / 2000
    image = _image(panel, clip, values, -half_bin, nyquist + half_bin, colours)
    panel.set_ylim(0.0, nyquist)
    return image


def _draw_spectrogram(panel: Any, clip: Waveform) -> Any:
    return _image_over_frequency(panel, clip, _magnitudes(clip))


def _draw_log_spectrogram(panel: Any, clip: Waveform) -> Any:
    return _image_over_frequency(panel, clip, _decibels(np.square(_magnitudes(clip))))


def _draw_background(panel: Any, clip: Waveform, duration: float = FRAME_DURATION) -> Any:
    levels = _decibels(np.square(_magnitudes(clip, duration)))
    return _image_over_frequency(panel, clip, levels, BACKGROUND)


def _draw_melspectrogram(panel: Any, clip: Waveform) -> Any:
    rate, frames = clip.sampling_rate, _frames(clip)
    powers = features.melspectrogram(y=clip.samples, sr=rate, n_mels=N_MELS, **frames._asdict())
    image = _image(panel, clip, _decibels(powers), -0.5, N_MELS - 0.5, SEQUENTIAL)
    bands = features.mel_filterbank(sr=rate, n_fft=frames.n_fft, n_mels=N_MELS)
    bins = np.arange(bands.shape[1]) * rate / frames.n_fft
    middles = (bands @ bins) / bands.sum(axis=1)
    ticks = [tick for tick in MEL_TICKS if tick <= middles[-1]]
    panel.set_yticks(
        np.interp(ticks, middles, np.arange(N_MELS)), [f"{tick / 1000:g}" for tick in ticks]
    )
    return image


def _mfcc(clip: Waveform) -> Array:
    return features.mfcc(
        y=clip.samples,
        sr=clip.sampling_rate,
        n_mfcc=N_MFCC,
        n_mels=N_MELS,
        **_frames(clip)._asdict(),
    )


def _draw_mfcc(panel: Any, clip: Waveform) -> Any:
    # The level, coefficient 0, is so large that nothing else would be seen beside it.
    image = _image(panel, clip, _mfcc(clip)[1:], 0.5, N_MFCC - 0.5, DIVERGING)
    panel.set_yticks([1, 5, 10, 15])
    return image


def _draw_mfcc_delta(panel: Any, clip: Waveform) -> Any:
    change = features.delta(_mfcc(clip), mode="nearest")  # which takes few frames as well
    image = _image(panel, clip, change, -0.5, N_MFCC - 0.5, DIVERGING)
    panel.set_yticks([0, 5, 10, 15])
    return image


def _draw_contrast(panel: Any, clip: Waveform) -> Any:
    # Octaves from 200 Hz on, as many as lie below half the sampling rate, six at most.
    n_bands = max(1, min(6, int(np.ceil(np.log2(clip.sampling_rate / 2 / 200)))))
    frames = _frames(clip)
    values = features.spectral_contrast(
        y=clip.samples, sr=clip.sampling_rate, n_bands=n_bands, **frames._asdict()
    )
    image = _image(panel, clip, values, -0.5, n_bands + 0.5, SEQUENTIAL)
    edges = [0.0, *(0.2 * 2**octave for octave in range(n_bands)), clip.sampling_rate / 2000]
    names = [f"{low:g}–{high:.3g}" for low, high in pairwise(edges)]
    panel.set_yticks(range(n_bands + 1), names)
    return image


def _draw_chroma(panel: Any, clip: Waveform) -> Any:
    frames = _frames(clip, PITCH_FRAME_DURATION)  # the notes of a low voice lie close together
    values = features.chroma(y=clip.samples, sr=clip.sampling_rate, **frames._asdict())
    image = _image(panel, clip, values, -0.5, 11.5, SEQUENTIAL)
    panel.set_yticks(range(0, 12, 2), ["C", "D", "E", "F♯", "G♯", "A♯"])
    return image


def _line(panel: Any, clip: Waveform, values: NDArray[Any]) -> None:
    panel.plot(_times(clip, len(values)), values, color=BLUE, **_style(len(values)))


def _style(n_frames: int) -> dict[str, Any]:
    """Return a thin line for very many frames, and a point for one."""
    return {
        "linewidth": 1.2 if n_frames <= MAX_FRAMES else 0.5,
        "marker": "." if n_frames == 1 else "",
    }


def _draw_rms(panel: Any, clip: Waveform) -> None:
    frames = _frames(clip)
    values = features.rms(
        y=clip.samples, frame_length=frames.win_length, hop_length=frames.hop_length
    )[0]
    _line(panel, clip, values)
    panel.set_ylim(0.0, 1.05 * (float(values.max()) or 1.0))


def _draw_zero_crossing_rate(panel: Any, clip: Waveform) -> None:
    frames = _frames(clip)
    values = features.zero_crossing_rate(
        clip.samples, frame_length=frames.win_length, hop_length=frames.hop_length
    )[0]
    _line(panel, clip, values)
    panel.set_ylim(0.0, 1.05 * (float(values.max()) or 1.0))


def _draw_band_energy_ratio(panel: Any, clip: Waveform) -> None:
    values = features.band_energy_ratio(
        y=clip.samples,
        sr=clip.sampling_rate,
        split_frequency=SPLIT_FREQUENCY,
        **_frames(clip)._asdict(),
    )[0]
    panel.axhline(1.0, color=GREY, linewidth=0.8, linestyle="dashed")
    _line(panel, clip, np.where(values > 0, values, np.nan))
    panel.set_yscale("log")


def _draw_flatness(panel: Any, clip: Waveform) -> None:
    _line(panel, clip, features.spectral_flatness(y=clip.samples, **_frames(clip)._asdict())[0])
    panel.set_yscale("log")
    panel.set_ylim(top=1.0)


def _draw_voicing(panel: Any, clip: Waveform) -> None:
    frames = _frames(clip, PITCH_FRAME_DURATION)
    values = features.voicing(
        y=clip.samples,
        sr=clip.sampling_rate,
        frame_length=frames.win_length,
        hop_length=frames.hop_length,
    )[0]
    _line(panel, clip, values)
    panel.set_ylim(0.0, 1.05)


def _over(panel: Any, clip: Waveform, hertz: NDArray[Any], *, points: bool = False) -> None:
    """Draw a line or points over a spectrogram, with a white edge that sets them off."""
    style = _style(len(hertz))
    thick = style["linewidth"]
    for colour, edge in (("white", 1.5), (VERMILION, 0.0)):
        if points:
            style = {"linestyle": "", "marker": "o", "markersize": 1 + thick + edge, "mew": 0}
        else:
            style["linewidth"] = thick + edge
        panel.plot(_times(clip, len(hertz)), hertz / 1000, color=colour, **style)


def _of_voice(clip: Waveform, function: Callable[..., Array]) -> NDArray[np.float64]:
    """Return a descriptor in Hz, and NaN in pauses, where it is that of the noise."""
    spectrum = features.magnitude_spectrum(y=clip.samples, **_frames(clip)._asdict())
    values = function(S=spectrum, sr=clip.sampling_rate)[0]
    level = spectrum.max(axis=0)
    is_heard = level > level.max() * 10 ** (-VOICE_RANGE / 20)
    return np.where(is_heard, values, np.nan)


def _draw_centroid(panel: Any, clip: Waveform) -> Any:
    _over(panel, clip, _of_voice(clip, features.spectral_centroid))
    return _draw_background(panel, clip)


def _draw_bandwidth(panel: Any, clip: Waveform) -> Any:
    middle = _of_voice(clip, features.spectral_centroid)
    spread = _of_voice(clip, features.spectral_bandwidth)
    low, high = np.maximum(middle - spread, 0) / 1000, (middle + spread) / 1000
    panel.fill_between(_times(clip, len(middle)), low, high, color=BLUE, alpha=0.3, linewidth=0)
    _over(panel, clip, middle)
    return _draw_background(panel, clip)


def _draw_rolloff(panel: Any, clip: Waveform) -> Any:
    _over(panel, clip, _of_voice(clip, features.spectral_rolloff))
    return _draw_background(panel, clip)


def _draw_f0(panel: Any, clip: Waveform) -> Any:
    frames = _frames(clip, PITCH_FRAME_DURATION)
    hertz = features.f0(
        y=clip.samples,
        sr=clip.sampling_rate,
        frame_length=frames.win_length,
        hop_length=frames.hop_length,
    )[0]
    # Points, for a line would join what is far apart where the period is taken for two.
    _over(panel, clip, np.where(hertz > 0, hertz, np.nan), points=True)
    image = _draw_background(panel, clip, PITCH_FRAME_DURATION)
    panel.set_ylim(0.0, HIGHEST_PITCH_SHOWN / 1000)
    return image


def _to_the_loudest(values: Array) -> tuple[float, float]:
    loudest = _loudest(values)
    return loudest - DYNAMIC_RANGE, loudest


def _loudest(values: Array) -> float:
    """Return the highest level; of digital silence, one so high that it stays dark."""
    loudest = float(values.max())
    return 0.0 if loudest <= SILENCE else loudest


def _from_zero(values: Array) -> tuple[float, float]:
    return 0.0, float(values.max()) or 1.0


def _to_nearly_all(values: Array) -> tuple[float, float]:
    """Cut the loudest off, beside which nothing else would be seen."""
    return 0.0, float(np.quantile(values, 0.995)) or float(values.max()) or 1.0


def _around_zero(values: Array) -> tuple[float, float]:
    """Cut outliers off, which would pale everything else."""
    most = float(np.quantile(np.abs(values), 0.98)) or 1.0
    return -most, most


def _over_levels(title: str, draw: Callable[[Any, Waveform], Any]) -> Kind:
    return Kind(title, TIME, FREQUENCY, draw, LEVEL, _to_the_loudest)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "waveform": Kind("waveform", TIME, FULL_SCALE, _draw_waveform),
        "spectrum": Kind("magnitude spectrum", FREQUENCY, FULL_SCALE, _draw_spectrum),
        "spectrogram": Kind(
            "spectrogram",
            TIME,
            FREQUENCY,
            _draw_spectrogram,
            f"amplitude, {FULL_SCALE}",
            _to_nearly_all,
        ),
        "log_spectrogram": _over_levels("log-amplitude spectrogram", _draw_log_spectrogram),
        "melspectrogram": Kind(
            "mel-spectrogram",
            TIME,
            f"{FREQUENCY}, mel scale",
            _draw_melspectrogram,
            "dB re loudest band",
            _to_the_loudest,
            is_relative=True,
        ),
        "mfcc": Kind(
            "MFCC", TIME, "coefficient (0 left out)", _draw_mfcc, f"dB × √{N_MELS}", _around_zero
        ),
        "mfcc_delta": Kind(
            "change of MFCC",
            TIME,
            "coefficient",
            _draw_mfcc_delta,
            f"dB × √{N_MELS} per frame",
            _around_zero,
        ),
        "rms": Kind("RMS", TIME, FULL_SCALE, _draw_rms),
        "zero_crossing_rate": Kind(
            "zero-crossing rate", TIME, "per sample", _draw_zero_crossing_rate
        ),
        "band_energy_ratio": Kind(
            "band energy ratio",
            TIME,
            f"below/above {SPLIT_FREQUENCY / 1000:g} kHz",
            _draw_band_energy_ratio,
        ),
        "spectral_centroid": _over_levels("spectral centroid", _draw_centroid),
        "spectral_bandwidth": _over_levels("centroid ± bandwidth", _draw_bandwidth),
        "spectral_rolloff": _over_levels("spectral roll-off (85 %)", _draw_rolloff),
        "spectral_flatness": Kind("spectral flatness", TIME, "noise = 1", _draw_flatness),
        "spectral_contrast": Kind(
            "spectral contrast", TIME, "band in kHz", _draw_contrast, "dB", _from_zero
        ),
        "chroma": Kind("chroma", TIME, "note", _draw_chroma, "share of the strongest", _from_zero),
        "f0": _over_levels("fundamental frequency", _draw_f0),
        "voicing": Kind("voicing", TIME, "periodic = 1", _draw_voicing),
    }
)
"""The kinds of pictures of a recording, by name; read-only.

:meta hide-value:
"""


# --- corpora ------------------------------------------------------------------------------------


def distributions(utterances: Sequence[Utterance], durations: Sequence[float]) -> Figure:
    """Draw how recordings spread over emotions, speakers and durations.

    Parameters
    ----------
    utterances : sequence of Utterance
        Of one corpus or of several, which are drawn one below the other.
    durations : sequence of float
        Of each of them, in s.

    Returns
    -------
    matplotlib.figure.Figure
        Its ``savefig`` writes a file. Speech and song have colours of their own.

    Raises
    ------
    EmotionRecogError
        If Matplotlib is not installed.
    ValueError
        If there are no utterances, or not as many durations.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog import plots
    >>> from emotionrecog.datasets import Utterance
    >>> said = [Utterance(Path("bob.wav"), "happy", corpus="mine", speaker="mine/bob")]
    >>> [axes.get_xlabel() for axes in plots.distributions(said, [1.5]).axes]
    ['emotion', 'speaker', 'duration in s']
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    if not utterances or len(utterances) != len(durations):
        raise ValueError(
            "expected one utterance or more and as many durations, "
            f"got {len(utterances)} and {len(durations)}"
        )
    corpora = list(dict.fromkeys(utterance.corpus for utterance in utterances))
    figure = Figure(figsize=(12, 0.6 + 2.9 * len(corpora)), layout="constrained")
    rows = figure.subplots(len(corpora), 3, squeeze=False)
    pairs = list(zip(utterances, durations, strict=True))
    for corpus, axes in zip(corpora, rows, strict=True):
        of_corpus = [(u, duration) for u, duration in pairs if u.corpus == corpus]
        _draw(axes, corpus, [u for u, _ in of_corpus], np.array([d for _, d in of_corpus]))
        axes[2].set_xlim(0, DURATION_STEP * np.ceil(max(durations) / DURATION_STEP + 1))
    return figure


def _draw(axes: Any, corpus: str, utterances: Sequence[Utterance], durations: Any) -> None:
    by_emotion, by_speaker, by_duration = axes
    styles = [style for style in STYLE_COLOURS if any(u.style == style for u in utterances)]
    emotions = [e for e in EMOTIONS if any(u.emotion == e for u in utterances)]
    speakers = sorted({u.speaker for u in utterances})
    _bars(
        by_emotion, emotions, {s: [u.emotion for u in utterances if u.style == s] for s in styles}
    )
    _bars(
        by_speaker, speakers, {s: [u.speaker for u in utterances if u.style == s] for s in styles}
    )
    for label in by_emotion.get_xticklabels():
        label.set(rotation=30, horizontalalignment="right", rotation_mode="anchor")
    by_emotion.set_xlabel("emotion")
    if len(speakers) <= MAX_NAMED_SPEAKERS:
        names = [speaker.removeprefix(f"{corpus}/") for speaker in speakers]
        by_speaker.set_xticks(range(len(speakers)), names)
        by_speaker.set_xlabel("speaker")
    else:
        by_speaker.set_xticks([])
        by_speaker.set_xlabel(f"speaker ({len(speakers)}, in the order of their codes)")
    first = np.floor(durations.min() / DURATION_STEP)
    n_bins = max(1, int(np.ceil(durations.max() / DURATION_STEP - first)))
    edges = DURATION_STEP * (first + np.arange(n_bins + 1))
    of_style = np.array([u.style for u in utterances])
    by_duration.hist(
        [durations[of_style == style] for style in styles],
        bins=edges,
        stacked=True,
        color=[STYLE_COLOURS[style] for style in styles],
        label=styles,
    )
    by_duration.set_xlabel("duration in s")
    for panel in axes:
        panel.set_ylabel("recordings")
        panel.yaxis.get_major_locator().set_params(integer=True)
        panel.margins(y=0.08)
        panel.spines[["top", "right"]].set_visible(False)
    known = CORPORA.get(corpus)
    name = known.title.partition(":")[0] if known else corpus
    by_emotion.set_title(f"{name}: {len(utterances)} recordings", loc="left", fontweight="bold")
    if len(styles) > 1:
        by_duration.legend(frameon=False)


def _bars(panel: Any, values: Sequence[str], of_style: dict[str, list[str]]) -> None:
    """Draw a bar for each value, the styles on top of each other."""
    bottom = np.zeros(len(values))
    for style, found in of_style.items():
        heights = np.array([found.count(value) for value in values])
        panel.bar(
            range(len(values)),
            heights,
            width=0.8 if len(values) <= MAX_NAMED_SPEAKERS else 1.0,  # narrow gaps would flicker
            bottom=bottom,
            color=STYLE_COLOURS[style],
        )
        bottom += heights
    panel.set_xticks(range(len(values)), values)


# --- training -----------------------------------------------------------------------------------


def history(rows: Sequence[Mapping[str, float]], kept: int | None = None) -> Figure:
    """Draw how training went, epoch by epoch.

    Parameters
    ----------
    rows : sequence of mapping
        One for each epoch, as ``artifact.training["history"]`` of a recogniser has them, or as they
        were read from its table: ``epoch`` and ``loss``, and where there are such
        ``validation_loss``, ``validation_uar`` (a fraction) and ``learning_rate``.
    kept : int, optional
        The epoch whose weights were kept, which a line marks. By default the one that the rows call
        ``kept``, or the last.

    Returns
    -------
    matplotlib.figure.Figure
        Its ``savefig`` writes a file.

    Raises
    ------
    EmotionRecogError
        If Matplotlib is not installed.
    ValueError
        If there are no rows, or one lacks its epoch or its loss.

    Examples
    --------
    >>> from emotionrecog import plots
    >>> rows = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.6}]
    >>> [axes.get_ylabel() for axes in plots.history(rows).axes]
    ['loss']
    """
    if not rows or not all({"epoch", "loss"} <= row.keys() for row in rows):
        raise ValueError("expected one row or more with `epoch` and `loss`, got too few of them")
    require_matplotlib()
    from matplotlib.figure import Figure

    columns = {
        name: np.array([float(row.get(name, np.nan)) for row in rows])
        for name in ("epoch", "loss", "validation_loss", "validation_uar", "learning_rate")
    }
    known = {name for name, values in columns.items() if np.isfinite(values).any()}
    lines = [
        ("loss", {"loss": BLUE, "validation_loss": VERMILION}, 1.0),
        ("validation UAR in %", {"validation_uar": VERMILION}, 100.0),
        ("learning rate", {"learning_rate": BLUE}, 1.0),
    ]
    lines = [line for line in lines if known & line[1].keys()]
    figure = Figure(figsize=(COLUMN_WIDTHS[0], 0.9 + 2.0 * len(lines)), layout="constrained")
    panels = figure.subplots(len(lines), 1, sharex=True, squeeze=False)[:, 0]
    if kept is None:
        kept = next((int(row["epoch"]) for row in rows if row.get("kept")), int(rows[-1]["epoch"]))
    names = {"loss": "training", "validation_loss": "validation"}
    for panel, (title, drawn, factor) in zip(panels, lines, strict=True):
        panel.axvline(kept, color=GREY, linewidth=0.8, linestyle="dashed")
        present = [name for name in drawn if name in known]
        for name in present:
            panel.plot(
                columns["epoch"],
                factor * columns[name],
                color=drawn[name],
                label=names.get(name, ""),
                **_style(len(rows)),
            )
        if len(present) > 1:
            panel.legend(frameon=False, fontsize=FONT_SIZE)
        if "learning_rate" in present:
            panel.set_ylim(bottom=0.0)
        _finish(panel, title)
    panels[0].set_title(f"epoch {kept} is kept", loc="left", fontsize=FONT_SIZE)
    panels[-1].set_xlabel("epoch", fontsize=FONT_SIZE)
    panels[-1].xaxis.get_major_locator().set_params(integer=True)
    return figure


def search(
    trials: Sequence[Mapping[str, Any]], importances: Mapping[str, float] | None = None
) -> Figure:
    """Draw what a search for a better recipe came to: over time, and over each value tried.

    Parameters
    ----------
    trials : sequence of mapping
        One for each trial, as `emotionrecog.training.search.SearchResult.rows` has them:
        ``number``, ``uar`` (a fraction, None where the trial failed), and ``changes``, the values
        tried by their names.
    importances : mapping of str to float, optional
        How much of the differences each name accounts for; such are drawn first, the most important
        before the others.

    Returns
    -------
    matplotlib.figure.Figure
        Its ``savefig`` writes a file.

    Raises
    ------
    EmotionRecogError
        If Matplotlib is not installed.
    ValueError
        If no trial succeeded.

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
    require_matplotlib()
    from matplotlib.figure import Figure

    shares = importances or {}
    names = list(dict.fromkeys(name for trial in done for name in trial["changes"]))
    names.sort(key=lambda name: -shares.get(name, 0.0))
    n_rows = 1 + -(-len(names) // SEARCH_COLUMNS)
    width = COLUMN_WIDTHS[2] * min(SEARCH_COLUMNS, max(2, len(names)))
    figure = Figure(figsize=(width, 0.6 + IMAGE_HEIGHT * n_rows), layout="constrained")
    grid = figure.add_gridspec(n_rows, SEARCH_COLUMNS)
    best = max(done, key=lambda trial: float(trial["uar"]))
    panel = figure.add_subplot(grid[0, :])
    _draw_trials(panel, trials, best)
    for place, name in enumerate(names):
        row, column = divmod(place, SEARCH_COLUMNS)
        of_name = figure.add_subplot(grid[1 + row, column], sharey=panel)
        _draw_tried(of_name, name, [trial for trial in done if name in trial["changes"]], best)
        title = UAR if column == 0 else ""
        _finish(of_name, title, is_first=column == 0)
        of_name.set_xlabel(name, fontsize=FONT_SIZE)
        if name in shares:
            text = f"importance {100 * shares[name]:.0f} %"
            of_name.set_title(text, loc="left", fontsize=FONT_SIZE)
    return figure


# Of the pictures of a search.
SEARCH_COLUMNS = 3
UAR = "validation UAR in %"


def _draw_trials(panel: Any, trials: Sequence[Mapping[str, Any]], best: Mapping[str, Any]) -> None:
    """Draw the trials in their order, and the best until then."""
    numbers = np.array([trial["number"] for trial in trials])
    values = np.array(
        [np.nan if trial["uar"] is None else 100 * float(trial["uar"]) for trial in trials]
    )
    has_failed = np.isnan(values)
    reached = np.maximum.accumulate(np.where(has_failed, -np.inf, values))
    reached = np.where(np.isfinite(reached), reached, np.nan)
    panel.step(numbers, reached, where="post", color=GREY, linewidth=1.2, label="best until then")
    panel.plot(numbers, values, color=BLUE, linestyle="", marker="o", markersize=4, label="trial")
    panel.plot(best["number"], 100 * best["uar"], **_BEST, label="best")
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
    panel.set_xlabel("trial", fontsize=FONT_SIZE)
    _finish(panel, UAR)


def _draw_tried(
    panel: Any, name: str, trials: Sequence[Mapping[str, Any]], best: Mapping[str, Any]
) -> None:
    """Draw the trials over the values of one name."""
    values = [trial["changes"][name] for trial in trials]
    percents = [100 * trial["uar"] for trial in trials]
    is_number = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    if is_number:
        where = values
        if min(values) > 0 and max(values) > 10 * min(values):
            panel.set_xscale("log")
    else:
        texts = list(dict.fromkeys(sorted(map(str, values))))
        where = [texts.index(str(value)) for value in values]
        panel.set_xticks(range(len(texts)), texts)
        panel.set_xlim(-0.5, len(texts) - 0.5)
    panel.plot(where, percents, color=BLUE, linestyle="", marker="o", markersize=4)
    for trial, place, percent in zip(trials, where, percents, strict=True):
        if trial is best:
            panel.plot(place, percent, **_BEST)


_BEST: Mapping[str, Any] = MappingProxyType(
    {"color": VERMILION, "linestyle": "", "marker": "D", "markersize": 6}
)


# --- stress tests -------------------------------------------------------------------------------

# Height of a row of a stress test, in inches.
ROW_HEIGHT = 0.19


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
    require_matplotlib()
    from matplotlib.figure import Figure

    height = 1.1 + ROW_HEIGHT * len(rows)
    figure = Figure(figsize=(COLUMN_WIDTHS[0], height), layout="constrained")
    shares, recalls = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    _shade_families(figure.axes, [row["family"] for row in rows])
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
    require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(COLUMN_WIDTHS[0], 1.2 + 2 * ROW_HEIGHT * len(rows)), layout="constrained"
    )
    panel = figure.subplots()
    _shade_families([panel], [protocol for _, protocol, *_ in rows])
    others: dict[str, tuple[list[float], list[float]]] = {"UAR": ([], []), "accuracy": ([], [])}
    for place, (_, protocol, corpus, mean, deviation, folds) in enumerate(rows):
        panel.plot(
            [100 * value for value in folds],
            [place] * len(folds),
            *("o",),
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
                *(values, places, "|"),
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


def _shade_families(panels: Sequence[Any], families: Sequence[str]) -> None:
    """Put every other family of conditions on grey."""
    firsts = [i for i, name in enumerate(families) if i == 0 or name != families[i - 1]]
    for first, end in zip(firsts[1::2], [*firsts[2::2], len(families)], strict=False):
        for panel in panels:
            panel.axhspan(first - 0.5, end - 0.5, color="0.95", linewidth=0)


def _finish(panel: Any, title: str, *, is_first: bool = True) -> None:
    panel.set_ylabel(title, fontsize=FONT_SIZE)
    panel.tick_params(labelsize=FONT_SIZE, labelleft=is_first)
    panel.spines[["top", "right"]].set_visible(False)


# --- explanations -------------------------------------------------------------------------------

# More standard deviations than this are drawn as so many.
MOST_DEVIATIONS = 5.0

# Heights of the panels of an explanation, in inches.
EXPLANATION_HEIGHTS = (1.1, 1.0, 2.4, 1.9)


def explanation(figures: Mapping[str, Any], source: AudioSource) -> Figure:
    """Draw why an emotion was answered: which parts of the recording count, and what the voice did.

    Parameters
    ----------
    figures : mapping
        As ``to_dict`` of an `emotionrecog.inference.explanation.Explanation` returns them, or as
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
    require_matplotlib()
    from matplotlib.figure import Figure

    heights = (sum(EXPLANATION_HEIGHTS[:3]) + 0.7, EXPLANATION_HEIGHTS[3] + 0.5)
    figure = Figure(figsize=(COLUMN_WIDTHS[0], sum(heights)), layout="constrained")
    halves: Any = figure.subfigures(2, 1, height_ratios=heights)
    above, below = halves
    grid = above.add_gridspec(3, 2, height_ratios=EXPLANATION_HEIGHTS[:3], width_ratios=(5, 1))
    times, edges = np.array(figures["times"]), np.array(figures["frequencies"]) / 1000
    contribution = np.array(figures["contribution"])
    over_time = np.array(figures["over_time"])
    over_frequency = np.array(figures["over_frequency"])

    wave = above.add_subplot(grid[0, 0])
    _draw_waveform(wave, clip)
    emotion = figures["emotion"]
    _write_title(
        wave, f"{emotion}, {100 * figures['probabilities'][emotion]:.0f} %", COLUMN_WIDTHS[0]
    )
    _finish(wave, FULL_SCALE)
    stretches = above.add_subplot(grid[1, 0], sharex=wave)
    stretches.bar(
        times[:-1], over_time, np.diff(times), align="edge", color=_for_or_against(over_time)
    )
    stretches.axhline(0.0, color=GREY, linewidth=0.8)
    _finish(stretches, "any frequency")
    panel = above.add_subplot(grid[2, 0], sharex=wave)
    most = float(np.abs(contribution).max()) or 1.0
    rows = np.arange(len(edges))
    image = panel.pcolormesh(times, rows, contribution, cmap=DIVERGING, vmin=-most, vmax=most)
    panel.set_yticks(rows, [f"{edge:.2g}" for edge in edges])
    _finish(panel, FREQUENCY)
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
    _finish(voice, "")
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


# --- figures of a recogniser --------------------------------------------------------------------

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
    require_matplotlib()
    from matplotlib.figure import Figure

    shares = numbers / np.maximum(numbers.sum(axis=1, keepdims=True), 1)
    size = 1.5 + 0.48 * len(emotions)
    figure = Figure(figsize=(size, size), layout="constrained")
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
        _write_title(panel, title, size)
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
    require_matplotlib()
    from matplotlib.figure import Figure

    heights = [0.55 + 0.22 * len(rows) for rows in panels.values()]
    figure = Figure(figsize=(COLUMN_WIDTHS[1] + 1.0, sum(heights) + 0.5), layout="constrained")
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
            _write_title(panel, title, COLUMN_WIDTHS[1])
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
    require_matplotlib()
    from matplotlib.figure import Figure

    bins = np.minimum((sure * n_bins).astype(int), n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    is_used = counts > 0
    middles = 100 * (np.arange(n_bins)[is_used] + 0.5) / n_bins
    accuracy = 100 * np.bincount(bins, right, minlength=n_bins)[is_used] / counts[is_used]
    figure = Figure(figsize=(COLUMN_WIDTHS[1], COLUMN_WIDTHS[1]), layout="constrained")
    panel, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    width = 92 / n_bins
    # Of a few answers, the share of right ones is chance.
    is_rough = counts[is_used] < FEW_ANSWERS
    panel.bar(middles, accuracy, width=width, color=np.where(is_rough, PALE, BLUE))
    panel.plot([0, 100], [0, 100], color=VERMILION, linewidth=1.2, linestyle="dashed")
    panel.set_ylim(0, 100)
    panel.set_xlim(0, 100)
    _finish(panel, "right answers in %")
    below.bar(middles, counts[is_used], width=width, color=GREY)
    below.yaxis.get_major_locator().set_params(integer=True, nbins=3)
    _finish(below, "answers")
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
    require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(COLUMN_WIDTHS[1], 0.75 * COLUMN_WIDTHS[1]), layout="constrained")
    panel = figure.subplots()
    for (name, (kept, wrong)), (colour, line) in zip(drawn.items(), _CURVES, strict=False):
        panel.plot(100 * kept, 100 * wrong, color=colour, linestyle=line, linewidth=1.4, label=name)
    panel.set_xlim(0, 100)
    panel.set_ylim(0, None)
    _finish(panel, "wrong answers in %")
    panel.set_xlabel("answers kept, the surest first, in %", fontsize=FONT_SIZE)
    panel.legend(fontsize=FONT_SIZE - 1, frameon=False)
    return figure


# Told apart without colours as well.
_CURVES = (
    *((BLUE, "solid"), (VERMILION, "dashed"), ("#009E73", "dashdot"), (ORANGE, "dotted")),
    *(("#56B4E9", "solid"), ("#CC79A7", "dashed"), ("#000000", "dashdot")),
)
