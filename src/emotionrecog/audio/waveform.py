"""Make a mono waveform of a recording in any form, and validate it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotionrecog.audio.decoding import decode
from emotionrecog.errors import AudioError

__all__ = [
    "MAX_SAMPLING_RATE",
    "MIN_SAMPLING_RATE",
    "SILENT_RANGE",
    "AudioSource",
    "Waveform",
    "is_one_recording",
    "load",
]

# Sampling rates outside these bounds, in Hz, are mistakes (a swapped argument, a damaged header).
# Below 4000 Hz the band ends under 2000 Hz and the second formant of speech is lost; the narrowest
# rate in use is the telephone's 8000 Hz. 384000 Hz is the fastest rate of studio converters.
MIN_SAMPLING_RATE = 4_000
MAX_SAMPLING_RATE = 384_000

# Largest number of channels of a 2-D array. Its shorter axis holds the channels; if that axis is
# longer than this, neither axis can be channels. Sixteen is third-order ambisonics.
MAX_CHANNELS = 32

# A recording whose samples all lie within this range, peak to peak and relative to full scale, is
# silent: 2e-6 is a peak of 1e-6, -120 dBFS, which 16-bit audio (one step is 3e-5) cannot express.
# Lossy codecs turn digital silence into values far below this, but not into zeros. The range is
# used rather than the peak, so that a constant offset counts as silence too.
SILENT_RANGE = 2e-6

# Channels cancel out if their average is smaller than the largest of them by this factor (-60 dB).
# Copies of opposite sign leave the rounding of 16-bit audio; one loud channel of 32 is -30 dB.
CANCELLED = 1e-3


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Waveform:
    """A mono recording.

    Parameters
    ----------
    samples : ndarray of float32, shape (n_samples,)
        Sound pressure relative to full scale, nominally in [-1, 1]. At least one sample.
    sampling_rate : int
        In Hz, from 4000 to 384000.

    Raises
    ------
    AudioError
        If the samples are not a one-dimensional, non-empty float32 array, or if the sampling rate
        is not a whole number within the bounds.

    See Also
    --------
    load : Make a waveform from a file or from an array of any numeric type.

    Examples
    --------
    >>> import numpy as np
    >>> waveform = Waveform(np.full(8000, 0.25, dtype=np.float32), 16000)
    >>> waveform.duration
    0.5
    >>> waveform
    Waveform(0.500 s at 16000 Hz)
    """

    samples: NDArray[np.float32]
    sampling_rate: int

    def __post_init__(self) -> None:
        """Validate the fields, and make a sampling rate of a NumPy type an int."""
        samples = self.samples
        if not isinstance(samples, np.ndarray) or samples.dtype != np.float32 or samples.ndim != 1:
            actual = (
                f"{samples.dtype} of shape {samples.shape}"
                if isinstance(samples, np.ndarray)
                else type(samples).__name__
            )
            raise AudioError(
                f"samples of a Waveform must be a one-dimensional float32 array, got {actual}; "
                "emotionrecog.audio.load((samples, sampling_rate)) converts and mixes down"
            )
        if samples.size == 0:
            raise AudioError("samples of a Waveform must not be empty, got 0 samples")
        object.__setattr__(self, "sampling_rate", _whole_rate(self.sampling_rate, "a Waveform"))

    def __repr__(self) -> str:
        """Return the duration and the sampling rate, without the samples."""
        return f"Waveform({self.duration:.3f} s at {self.sampling_rate} Hz)"

    @property
    def duration(self) -> float:
        """Duration in s."""
        return len(self.samples) / self.sampling_rate


AudioSource: TypeAlias = (
    str
    | os.PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | BinaryIO
    | Waveform
    | tuple[ArrayLike, int]
)


def load(source: AudioSource, *, sampling_rate: int | None = None) -> Waveform:
    """Decode a recording, mix it down to mono and resample it.

    Channels are averaged. Integer samples are divided by the magnitude of their most negative
    value, so that 16-bit audio lies in [-1, 32767/32768]; unsigned ones are centred first.
    Floating-point samples are not scaled. Resampling is soxr's "HQ".

    Parameters
    ----------
    source
        One of:

        - the path of an audio or video file;
        - the bytes of one (`bytes`, `bytearray` or `memoryview`);
        - a file open for reading in binary mode, which is read from its current position to its
          end and not closed;
        - a `Waveform`;
        - a pair ``(samples, sampling_rate)``, the rate in Hz and the samples an array of floats or
          of integers of at most 32 bits, of shape (n_samples,), (n_samples, n_channels) or
          (n_channels, n_samples): the shorter axis holds the channels.
    sampling_rate
        In Hz, the rate to resample to. By default the recording keeps its rate.

    Returns
    -------
    Waveform
        Never shares memory with an array that was passed in; a `Waveform` that already has the rate
        is returned unchanged.

    Raises
    ------
    FileNotFoundError
        If the path does not exist.
    AudioError
        If the source cannot be decoded, is truncated, has no samples or non-finite ones, is silent,
        or has a sampling rate out of bounds.
    ValueError
        If `sampling_rate` is not a whole number from 4000 to 384000.

    Examples
    --------
    A pair of stereo samples and their sampling rate, as other libraries return them:

    >>> import numpy as np
    >>> t = np.arange(48000) / 48000
    >>> tone = np.sin(2 * np.pi * 440 * t)
    >>> stereo = np.stack([tone, 0.5 * tone])
    >>> waveform = load((stereo, 48000), sampling_rate=16000)
    >>> waveform.samples.shape, waveform.samples.dtype, waveform.duration
    ((16000,), dtype('float32'), 1.0)

    A recording that cannot be used raises an error:

    >>> load((np.zeros(16000), 16000))
    Traceback (most recent call last):
        ...
    emotionrecog.errors.AudioError: the given samples: silent: ...
    """
    if sampling_rate is not None:
        sampling_rate = _target_rate(sampling_rate)
    if isinstance(source, Waveform):
        name = "the given Waveform"
        frames, rate = source.samples, source.sampling_rate
    elif isinstance(source, tuple):
        name = "the given samples"
        frames, rate = _from_pair(source, name)
    else:
        name, frames, rate = decode(source)
        rate = _whole_rate(rate, name)

    samples = _mono(frames, name)
    if sampling_rate is not None and sampling_rate != rate:
        samples, rate = _resample(samples, rate, sampling_rate, name), sampling_rate
    if isinstance(source, Waveform) and samples is source.samples:
        return source
    samples.flags.writeable = False
    return Waveform(samples, rate)


def is_one_recording(sources: object) -> bool:
    """Return whether this is one recording (a path, bytes, file or waveform) rather than several.

    Examples
    --------
    >>> is_one_recording("clip.wav"), is_one_recording(["clip.wav"])
    (True, False)
    """
    single = (str, bytes, bytearray, memoryview, os.PathLike, Waveform)
    return isinstance(sources, single) or hasattr(sources, "read")


def _whole_rate(rate: object, name: str) -> int:
    """Return `rate` as an int in Hz; raise if it is not a whole number within the bounds."""
    if (
        isinstance(rate, (int, float, np.integer, np.floating))
        and MIN_SAMPLING_RATE <= rate <= MAX_SAMPLING_RATE
        and rate == int(rate)
    ):
        return int(rate)
    raise AudioError(
        f"{name}: the sampling rate must be a whole number from {MIN_SAMPLING_RATE} to "
        f"{MAX_SAMPLING_RATE} Hz, got {rate!r}"
    )


def _target_rate(rate: object) -> int:
    try:
        return _whole_rate(rate, "load")
    except AudioError:
        raise ValueError(
            f"`sampling_rate` must be a whole number from {MIN_SAMPLING_RATE} to "
            f"{MAX_SAMPLING_RATE} Hz, got {rate!r}"
        ) from None


def _from_pair(pair: tuple[Any, ...], name: str) -> tuple[NDArray[np.float32], int]:
    """Return fresh float32 frames, shape (n_samples,) or (n_samples, n_channels), and the rate."""
    if len(pair) != 2 or np.ndim(pair[1]) != 0:
        raise AudioError(
            f"{name}: a tuple must be (samples, sampling_rate), in this order, "
            f"got {len(pair)} items: {', '.join(type(item).__name__ for item in pair)}"
        )
    rate = _whole_rate(pair[1], name)
    try:
        array = np.asarray(pair[0])
    except ValueError as error:  # rows of unequal length
        raise AudioError(f"{name}: not a rectangular array of numbers: {error}") from error
    return _as_float32(_frames_first(array, name), name), rate


def _frames_first(array: NDArray[Any], name: str) -> NDArray[Any]:
    if array.ndim == 1 or (array.ndim == 2 and array.size == 0):
        return array
    if array.ndim != 2:
        raise AudioError(
            f"{name}: expected shape (n_samples,), (n_samples, n_channels) or "
            f"(n_channels, n_samples), got {array.shape}; pass one recording at a time"
        )
    n_channels = min(array.shape)
    if n_channels > MAX_CHANNELS or array.shape[0] == array.shape[1] != 1:
        raise AudioError(
            f"{name}: cannot tell channels from samples in shape {array.shape}: the shorter axis "
            f"must be the channels, {MAX_CHANNELS} at most; pass mono samples of shape "
            "(n_samples,), such as samples.mean(axis=<the axis of the channels>)"
        )
    return array if array.shape[1] == n_channels else array.T


def _as_float32(array: NDArray[Any], name: str) -> NDArray[np.float32]:
    """Return a float32 copy; integers are divided by their full scale."""
    kind, bits = array.dtype.kind, 8 * array.dtype.itemsize
    if kind == "f":
        with np.errstate(over="ignore"):  # becomes infinite, which is reported by name later
            return np.array(array, dtype=np.float32, order="C")
    if kind not in "iu" or bits > 32:
        reason = (
            "; 64-bit integers have no customary full scale: convert to the type the samples were "
            "recorded in, such as numpy.int16"
            if kind in "iu"
            else ""
        )
        raise AudioError(
            f"{name}: samples must be floats in [-1, 1] or integers of at most 32 bits, "
            f"got {array.dtype}{reason}"
        )
    full_scale = 2.0 ** (bits - 1)
    scaled = array / full_scale - (1.0 if kind == "u" else 0.0)
    return np.ascontiguousarray(scaled, dtype=np.float32)


def _mono(frames: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """Average channels, shape (n_samples,) or (n_samples, n_channels), and validate the result."""
    if frames.size == 0:
        raise AudioError(f"{name}: no samples: an empty recording, or one truncated early on")
    if frames.ndim == 2 and frames.shape[1] == 1:
        frames = frames[:, 0]
    samples = frames
    if frames.ndim == 2:
        with np.errstate(invalid="ignore", over="ignore"):  # reported by name below
            # Adding one channel after the other is six times as fast as frames.mean(axis=1).
            samples = np.asarray(sum(frames.T) / np.float32(frames.shape[1]))
    low, high = float(samples.min()), float(samples.max())  # NaN where any sample is
    if not (np.isfinite(low) and np.isfinite(high)):
        n_bad = np.count_nonzero(~np.isfinite(samples))
        raise AudioError(
            f"{name}: {n_bad} of {len(samples)} samples are NaN or infinite; "
            "expected finite samples, so repair or export the recording again"
        )
    if frames.ndim == 2 and high - low < CANCELLED * max(map(np.ptp, frames.T)):
        raise AudioError(
            f"{name}: silent in mono: the channels cancel out when averaged (one is another "
            "inverted); pass one channel, or invert one of them"
        )
    if high - low < SILENT_RANGE:
        raise AudioError(
            f"{name}: silent: all {len(samples)} samples lie within {SILENT_RANGE:g} of full "
            "scale of each other; expected a voice, so check the microphone and the level"
        )
    return samples


def _resample(
    samples: NDArray[np.float32], rate: int, target: int, name: str
) -> NDArray[np.float32]:
    import soxr  # here, so that recordings that need no resampling do not load it

    resampled: NDArray[np.float32] = soxr.resample(samples, rate, target, quality="HQ")
    if resampled.size == 0:
        raise AudioError(f"{name}: no samples are left of {len(samples)} at {target} Hz")
    return resampled
