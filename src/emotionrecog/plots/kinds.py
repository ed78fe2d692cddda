"""Draw each kind of picture of a recording, by name."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy  # loads scipy.fft when it is first used, which takes 0.3 s

from emotionrecog import features
from emotionrecog.audio import Waveform
from emotionrecog.plots.style import (
    BACKGROUND,
    BLUE,
    DIVERGING,
    DYNAMIC_RANGE,
    FREQUENCY,
    FULL_SCALE,
    GREY,
    LEVEL,
    MAX_FRAMES,
    SEQUENTIAL,
    TIME,
    VERMILION,
    line_style,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float32]

__all__ = ["KINDS", "Kind", "draw_waveform", "loudest"]

# Durations of the frames, in s. The longer one spans two periods of a low voice.
FRAME_DURATION = 0.032
PITCH_FRAME_DURATION = 0.064
FRAME_STEP = 0.008

# Frames this far below the loudest, in dB, are pauses, in which no line is drawn.
VOICE_RANGE = 50.0

# Level of digital silence in dB, far below all audible sound.
SILENCE = -200.0

N_MELS = 64
N_MFCC = 20
SPLIT_FREQUENCY = 2_000.0

# In Hz: above the highest pitch that is searched for, 500 Hz, to show one harmonic.
HIGHEST_PITCH_SHOWN = 800.0

# Frequencies, in Hz, that label the axis of mel bands.
MEL_TICKS = (250, 500, 1_000, 2_000, 4_000, 8_000, 16_000)

# More points than this cannot be distinguished: only the smallest and the largest value of each
# block are drawn.
MAX_POINTS = 6_000


@dataclass(frozen=True)
class Kind:
    """Describe one kind of picture: its axes, and the function that draws it.

    Parameters
    ----------
    title
        Name of the quantity in the picture.
    x, y
        Quantity and unit of the axes.
    draw
        Function that draws a `Waveform` into Matplotlib's axes, and returns the image if there is
        one.
    bar
        Quantity and unit of the colours; empty if there is no image.
    limits
        Function that takes all values in the panels of one kind, and returns those of the first and
        the last colour; None if there is no image.
    is_relative
        Whether colours are levels relative to the loudest in the panels.

    Examples
    --------
    >>> from emotionrecog import plots
    >>> kind = plots.KINDS["rms"]
    >>> kind.title, kind.x, kind.y
    ('RMS', 'time in s', 'full scale = 1')
    """

    title: str
    x: str
    y: str
    draw: Callable[[Any, Waveform], Any]
    bar: str = ""
    limits: Callable[[Array], tuple[float, float]] | None = None
    is_relative: bool = False


class _Frames(NamedTuple):
    """Hold the arguments of the feature functions, in samples."""

    n_fft: int
    win_length: int
    hop_length: int


def _frames(clip: Waveform, duration: float = FRAME_DURATION) -> _Frames:
    win_length = round(duration * clip.sampling_rate)
    hop_length = round(FRAME_STEP * clip.sampling_rate)
    return _Frames(1 << (win_length - 1).bit_length(), win_length, hop_length)


def _times(clip: Waveform, n_frames: int) -> NDArray[np.float64]:
    """Return the centres of the frames in s."""
    return np.arange(n_frames) * _frames(clip).hop_length / clip.sampling_rate


def _magnitudes(clip: Waveform, duration: float = FRAME_DURATION) -> Array:
    """Return the short-time spectrum as amplitudes of sines."""
    frames = _frames(clip, duration)
    # The window sums to half its length, and half of a sine is at negative frequencies.
    return features.magnitude_spectrum(y=clip.samples, **frames._asdict()) * np.float32(
        4 / frames.win_length
    )


def _decibels(powers: Array) -> Array:
    return features.power_to_db(powers, amin=10 ** (SILENCE / 10), top_db=DYNAMIC_RANGE)


def _outline(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the indices and values to draw: all of a few, else the extremes of blocks."""
    size = -(-len(values) // (MAX_POINTS // 2))
    if len(values) <= MAX_POINTS:
        return np.arange(len(values)), values
    starts = np.arange(0, len(values), size)
    extremes = np.empty(2 * len(starts), dtype=np.intp)
    for number, start in enumerate(starts):
        block = values[start : start + size]
        extremes[2 * number : 2 * number + 2] = start + np.sort([block.argmin(), block.argmax()])
    return extremes, values[extremes]


def draw_waveform(panel: Any, clip: Waveform) -> None:
    """Draw the samples of a recording over time, with lines at full scale."""
    indices, values = _outline(clip.samples)
    for full_scale in (-1.0, 1.0):
        panel.axhline(full_scale, color=GREY, linewidth=0.8, linestyle="dashed")
    panel.axhline(0.0, color=GREY, linewidth=0.5)
    panel.plot(indices / clip.sampling_rate, values, color=BLUE, linewidth=0.6)
    peak = 1.05 * (float(np.abs(clip.samples).max()) or 1.0)
    panel.set_ylim(-peak, peak)


def _draw_spectrum(panel: Any, clip: Waveform) -> None:
    n = len(clip.samples)
    amplitudes = np.abs(scipy.fft.rfft(clip.samples)) * np.float32(2 / n)
    amplitudes[0] = 0.0  # a constant offset is inaudible
    if n % 2 == 0:
        amplitudes[-1] /= 2  # half the sampling rate has no negative counterpart
    indices, values = _outline(amplitudes)
    panel.plot(indices * clip.sampling_rate / n / 1000, values, color=BLUE, linewidth=0.6)
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
        # Frames have sharp edges if each is wide enough.
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
    # The level, coefficient 0, is so large that it would hide all others.
    image = _image(panel, clip, _mfcc(clip)[1:], 0.5, N_MFCC - 0.5, DIVERGING)
    panel.set_yticks([1, 5, 10, 15])
    return image


def _draw_mfcc_delta(panel: Any, clip: Waveform) -> Any:
    change = features.delta(_mfcc(clip), mode="nearest")  # works on few frames as well
    image = _image(panel, clip, change, -0.5, N_MFCC - 0.5, DIVERGING)
    panel.set_yticks([0, 5, 10, 15])
    return image


def _draw_contrast(panel: Any, clip: Waveform) -> Any:
    # Octaves from 200 Hz up to half the sampling rate, six at most.
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
    panel.plot(_times(clip, len(values)), values, color=BLUE, **line_style(len(values)))


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


def _draw_over(panel: Any, clip: Waveform, hertz: NDArray[Any], *, points: bool = False) -> None:
    """Draw a line or points over a spectrogram, with a white edge for contrast."""
    style = line_style(len(hertz))
    thick = style["linewidth"]
    for colour, edge in (("white", 1.5), (VERMILION, 0.0)):
        if points:
            style = {"linestyle": "", "marker": "o", "markersize": 1 + thick + edge, "mew": 0}
        else:
            style["linewidth"] = thick + edge
        panel.plot(_times(clip, len(hertz)), hertz / 1000, color=colour, **style)


def _of_voice(clip: Waveform, function: Callable[..., Array]) -> NDArray[np.float64]:
    """Return a descriptor in Hz, and NaN in pauses, where only noise determines it."""
    spectrum = features.magnitude_spectrum(y=clip.samples, **_frames(clip)._asdict())
    values = function(S=spectrum, sr=clip.sampling_rate)[0]
    level = spectrum.max(axis=0)
    is_voiced = level > level.max() * 10 ** (-VOICE_RANGE / 20)
    return np.where(is_voiced, values, np.nan)


def _draw_centroid(panel: Any, clip: Waveform) -> Any:
    _draw_over(panel, clip, _of_voice(clip, features.spectral_centroid))
    return _draw_background(panel, clip)


def _draw_bandwidth(panel: Any, clip: Waveform) -> Any:
    middle = _of_voice(clip, features.spectral_centroid)
    spread = _of_voice(clip, features.spectral_bandwidth)
    low, high = np.maximum(middle - spread, 0) / 1000, (middle + spread) / 1000
    panel.fill_between(_times(clip, len(middle)), low, high, color=BLUE, alpha=0.3, linewidth=0)
    _draw_over(panel, clip, middle)
    return _draw_background(panel, clip)


def _draw_rolloff(panel: Any, clip: Waveform) -> Any:
    _draw_over(panel, clip, _of_voice(clip, features.spectral_rolloff))
    return _draw_background(panel, clip)


def _draw_f0(panel: Any, clip: Waveform) -> Any:
    frames = _frames(clip, PITCH_FRAME_DURATION)
    hertz = features.f0(
        y=clip.samples,
        sr=clip.sampling_rate,
        frame_length=frames.win_length,
        hop_length=frames.hop_length,
    )[0]
    # Points, because a line would connect octave errors.
    _draw_over(panel, clip, np.where(hertz > 0, hertz, np.nan), points=True)
    image = _draw_background(panel, clip, PITCH_FRAME_DURATION)
    panel.set_ylim(0.0, HIGHEST_PITCH_SHOWN / 1000)
    return image


def _below_loudest(values: Array) -> tuple[float, float]:
    highest = loudest(values)
    return highest - DYNAMIC_RANGE, highest


def loudest(values: Array) -> float:
    """Return the highest level in dB, or 0 for digital silence, so that it is drawn dark."""
    highest = float(values.max())
    return 0.0 if highest <= SILENCE else highest


def _from_zero(values: Array) -> tuple[float, float]:
    return 0.0, float(values.max()) or 1.0


def _below_outliers(values: Array) -> tuple[float, float]:
    """Exclude the loudest values, beside which all others would be dark."""
    return 0.0, float(np.quantile(values, 0.995)) or float(values.max()) or 1.0


def _around_zero(values: Array) -> tuple[float, float]:
    """Exclude outliers, beside which all other values would be pale."""
    most = float(np.quantile(np.abs(values), 0.98)) or 1.0
    return -most, most


def _spectrogram_kind(title: str, draw: Callable[[Any, Waveform], Any]) -> Kind:
    return Kind(title, TIME, FREQUENCY, draw, LEVEL, _below_loudest)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "waveform": Kind("waveform", TIME, FULL_SCALE, draw_waveform),
        "spectrum": Kind("magnitude spectrum", FREQUENCY, FULL_SCALE, _draw_spectrum),
        "spectrogram": Kind(
            "spectrogram",
            TIME,
            FREQUENCY,
            _draw_spectrogram,
            f"amplitude, {FULL_SCALE}",
            _below_outliers,
        ),
        "log_spectrogram": _spectrogram_kind("log-amplitude spectrogram", _draw_log_spectrogram),
        "melspectrogram": Kind(
            "mel-spectrogram",
            TIME,
            f"{FREQUENCY}, mel scale",
            _draw_melspectrogram,
            "dB re loudest band",
            _below_loudest,
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
        "spectral_centroid": _spectrogram_kind("spectral centroid", _draw_centroid),
        "spectral_bandwidth": _spectrogram_kind("centroid ± bandwidth", _draw_bandwidth),
        "spectral_rolloff": _spectrogram_kind("spectral roll-off (85 %)", _draw_rolloff),
        "spectral_flatness": Kind("spectral flatness", TIME, "noise = 1", _draw_flatness),
        "spectral_contrast": Kind(
            "spectral contrast", TIME, "band in kHz", _draw_contrast, "dB", _from_zero
        ),
        "chroma": Kind("chroma", TIME, "note", _draw_chroma, "share of the strongest", _from_zero),
        "f0": _spectrogram_kind("fundamental frequency", _draw_f0),
        "voicing": Kind("voicing", TIME, "periodic = 1", _draw_voicing),
    }
)
"""The kinds of pictures of a recording, by name; read-only.

:meta hide-value:
"""
