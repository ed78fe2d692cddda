"""Estimate the fundamental frequency of a voice, and detect voiced frames, by YIN.

`yin` is drop-in for ``librosa.yin`` and needs neither librosa nor numba; `f0` and `voicing` show in
which frames its result is meaningful. `pyin` calls librosa's, which is slower and smoother in time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # loads scipy.fft when it is first used, which takes 0.3 s

from emotionrecog.errors import require_number, require_whole
from emotionrecog.features.frames import as_signal

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["f0", "pitch_of_frames", "pyin", "voicing", "yin"]

# Frames with less voicing than this have no fundamental frequency.
VOICED = 0.5

# Number of samples that are transformed together; this many fit into a processor's cache.
_SAMPLES_PER_BLOCK = 1 << 16


def _require_pitch_range(sr: float, fmin: float, fmax: float, frame_length: int) -> None:
    require_number("sr", sr, 0, open_low=True, unit="Hz")
    if not 0 < fmin < fmax <= sr / 2:
        raise ValueError(
            f"`fmin` and `fmax` must satisfy 0 < fmin < fmax <= sr / 2 = {sr / 2:g} Hz, the "
            f"Nyquist frequency, got fmin = {fmin!r} and fmax = {fmax!r}"
        )
    require_whole("frame_length", frame_length, 1)
    if sr / fmin >= frame_length - 1:
        raise ValueError(
            f"`frame_length` must hold a period of `fmin`, at least {math.floor(sr / fmin) + 2} "
            f"samples for {fmin:g} Hz (better two periods), got {frame_length}; raise it or `fmin`"
        )


def _yin(
    samples: NDArray[np.float32],
    sr: float,
    fmin: float,
    fmax: float,
    frame_length: int,
    hop_length: int,
    center: bool,
    trough_threshold: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return frequency and voicing of each frame, voiced or not; shape (n_frames,) each."""
    if center:
        samples = np.pad(samples, frame_length // 2)
    # Scaling by a power of two is exact, and brings extremely quiet or loud signals to full scale.
    samples = np.ldexp(samples, -np.frexp(np.abs(samples).max())[1])
    frames = np.lib.stride_tricks.sliding_window_view(samples, frame_length)[::hop_length]
    shortest, longest = math.floor(sr / fmax), min(math.ceil(sr / fmin), frame_length - 1)
    # Padded with zeros so that no lag wraps around.
    n_fft = scipy.fft.next_fast_len(frame_length + longest, real=True)
    periods = np.empty(len(frames))
    voiced = np.empty(len(frames), dtype=np.float32)
    block_size = max(1, _SAMPLES_PER_BLOCK // n_fft)
    for start in range(0, len(frames), block_size):
        block = slice(start, start + block_size)
        difference, energy = _difference(frames[block], longest, n_fft)
        lag, shift, dip = _first_trough(difference[:, shortest - 1 :], trough_threshold)
        periods[block] = shortest + lag + shift
        voiced[block] = np.where(energy > 0, np.clip(1.0 - dip, 0.0, 1.0), 0.0)
    return (sr / periods).astype(np.float32), voiced


def _difference(
    frames: NDArray[np.float32], longest: int, n_fft: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the cumulative mean normalised difference at lags from 1, and the energies."""
    # With a hum or an offset, differences are small and lose precision in float32.
    frames = frames.astype(np.float64)
    spectrum = scipy.fft.rfft(frames, n_fft, axis=1)
    power = np.square(spectrum.real)
    power += np.square(spectrum.imag)
    correlation = scipy.fft.irfft(power, n_fft, axis=1)[:, : longest + 1]
    energy = correlation[:, 0]
    # Squared differences between the frame and its delayed copy, padded with zeros. As in librosa,
    # the first sample counts twice at a lag of 1.
    difference = 2.0 * (energy[:, np.newaxis] - correlation[:, 1:])
    difference[:, 1:] -= np.cumsum(np.square(frames[:, :longest]), axis=1)[:, 1:]
    mean = np.cumsum(difference, axis=1)
    mean /= np.arange(1, longest + 1)
    normalised: NDArray[np.float64] = difference / np.maximum(mean, np.finfo(np.float64).tiny)
    return normalised, energy


def _first_trough(
    curve: NDArray[np.float64], threshold: float
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Return lag, fractional shift and depth of the first trough below the threshold.

    If no trough is that deep, the lowest point of the curve is used.
    """
    falls = curve[:, 1:] < curve[:, :-1]
    trough = np.empty(curve.shape, dtype=bool)
    trough[:, 0] = curve[:, 0] < curve[:, 1]
    trough[:, 1:] = falls
    trough[:, 1:-1] &= curve[:, 1:-1] <= curve[:, 2:]
    trough &= curve < threshold
    lag = np.where(trough.any(axis=1), trough.argmax(axis=1), curve.argmin(axis=1))
    # The minimum of the parabola through the point and its neighbours, if it lies between them.
    row, last = np.arange(len(curve)), curve.shape[1] - 1
    dip = curve[row, lag]
    before, after = curve[row, np.maximum(lag - 1, 0)], curve[row, np.minimum(lag + 1, last)]
    bend, slope = after + before - 2.0 * dip, (after - before) / 2.0
    inside = (lag > 0) & (lag < last) & (np.abs(slope) < np.abs(bend))
    shift = np.where(inside, -slope / np.where(inside, bend, 1.0), 0.0)
    return lag, shift, dip


def pitch_of_frames(
    samples: NDArray[np.float32],
    sr: float,
    fmin: float,
    fmax: float,
    frame_length: int,
    hop_length: int,
    center: bool = True,
    trough_threshold: float = 0.1,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the fundamental frequency in Hz, 0 where unvoiced, and the voicing of each frame.

    Shape (n_frames,) each. The arguments are not checked.

    Examples
    --------
    >>> import numpy as np
    >>> tone = np.sin(2 * np.pi * 200 * np.arange(16000) / 16000).astype(np.float32)
    >>> frequency, voicing = pitch_of_frames(tone, 16000, 65.0, 500.0, 1024, 256)
    >>> round(float(np.median(frequency)))
    200
    """
    frequency, voiced = _yin(
        samples, sr, fmin, fmax, frame_length, hop_length, center, trough_threshold
    )
    frequency[voiced < VOICED] = 0.0
    return frequency, voiced


def yin(
    y: ArrayLike,
    *,
    fmin: float,
    fmax: float,
    sr: float = 22_050,
    frame_length: int = 2048,
    hop_length: int | None = None,
    trough_threshold: float = 0.1,
    center: bool = True,
    pad_mode: str = "constant",
) -> NDArray[np.float32]:
    """Estimate the fundamental frequency of each frame: the pitch of a voice.

    Drop-in for ``librosa.yin``: the method of de Cheveigné and Kawahara [1]_. Every frame gets a
    value, even without a voice; `f0` is 0 for unvoiced frames.

    Parameters
    ----------
    y
        Samples, shape (n_samples,), taken as float32.
    fmin, fmax
        Lowest and highest frequency to detect, in Hz; 65 to 500 covers most speech.
    sr
        Sampling rate in Hz.
    frame_length
        Length of a frame in samples: more than a period of `fmin`, better two periods or more.
    hop_length
        Step in samples; ``frame_length // 4`` if not given.
    trough_threshold
        Threshold of the normalised difference. The shortest period with a trough below it is
        chosen; if there is none, the period with the smallest difference.
    center
        Pad both ends with ``frame_length // 2`` zeros.
    pad_mode
        ``"constant"``; no other is supported.

    Returns
    -------
    ndarray of float32, shape (n_frames,)
        In Hz; about `fmax` in silent frames.

    Raises
    ------
    ValueError
        If `y` is not one-dimensional, floating-point and finite, holds no sample, or is shorter
        than one frame where `center` is false; if ``0 < fmin < fmax <= sr / 2`` does not hold, or
        a frame holds no period of `fmin`; if another argument is out of bounds.

    References
    ----------
    .. [1] A. de Cheveigné, H. Kawahara: "YIN, a fundamental frequency estimator for speech and
       music", Journal of the Acoustical Society of America 111 (4), 2002.

    Examples
    --------
    >>> import numpy as np
    >>> tone = np.sin(2 * np.pi * 220.0 * np.arange(4096) / 16000)
    >>> yin(tone, fmin=65, fmax=500, sr=16000, center=False).round(-1)
    array([220., 220., 220., 220., 220.], dtype=float32)
    """
    if pad_mode != "constant":
        raise ValueError(f"`pad_mode` must be 'constant', the only one supported, got {pad_mode!r}")
    hop_length = max(1, frame_length // 4) if hop_length is None else hop_length
    samples = _validated(y, sr, fmin, fmax, frame_length, hop_length, center, trough_threshold)
    return _yin(samples, sr, fmin, fmax, frame_length, hop_length, center, trough_threshold)[0]


def _validated(
    y: ArrayLike,
    sr: float,
    fmin: float,
    fmax: float,
    frame_length: int,
    hop_length: int,
    center: bool,
    trough_threshold: float,
) -> NDArray[np.float32]:
    """Return `y` as float32; raise `ValueError` that names an invalid argument."""
    _require_pitch_range(sr, fmin, fmax, frame_length)
    require_whole("hop_length", hop_length, 1)
    require_number("trough_threshold", trough_threshold, 0, open_low=True)
    return as_signal(y, shortest=1 if center else frame_length)


def f0(
    *,
    y: ArrayLike,
    sr: float = 22_050,
    fmin: float = 65.0,
    fmax: float = 500.0,
    frame_length: int = 2048,
    hop_length: int = 512,
    trough_threshold: float = 0.1,
    center: bool = True,
) -> NDArray[np.float32]:
    """Estimate the fundamental frequency of each voiced frame.

    The result of `yin`, with 0 in frames that are silent or have `voicing` below 0.5. librosa has
    no such function.

    Parameters
    ----------
    y, sr, fmin, fmax, frame_length, hop_length, trough_threshold, center
        As in `yin`.

    Returns
    -------
    ndarray of float32, shape (1, n_frames)
        In Hz; 0 where a frame is unvoiced.

    Raises
    ------
    ValueError
        As in `yin`.

    Examples
    --------
    >>> import numpy as np
    >>> tone = np.sin(2 * np.pi * 220.0 * np.arange(4096) / 16000)
    >>> sound = np.concatenate([tone, np.zeros(4096)])
    >>> f0(y=sound, sr=16000, hop_length=2048, center=False).round(-1)
    array([[220., 220.,   0.,   0.]], dtype=float32)
    """
    samples = _validated(y, sr, fmin, fmax, frame_length, hop_length, center, trough_threshold)
    frequency, _ = pitch_of_frames(
        samples, sr, fmin, fmax, frame_length, hop_length, center, trough_threshold
    )
    return frequency[np.newaxis]


def voicing(
    *,
    y: ArrayLike,
    sr: float = 22_050,
    fmin: float = 65.0,
    fmax: float = 500.0,
    frame_length: int = 2048,
    hop_length: int = 512,
    trough_threshold: float = 0.1,
    center: bool = True,
) -> NDArray[np.float32]:
    """Measure how periodic each frame is: near 1 for a vowel, low for a hiss.

    One minus the normalised difference of YIN [1]_ at the period that `yin` chooses. That
    difference is the share of the power that is not periodic: 0 for an exactly periodic sound,
    and about 1 for noise. librosa has no such function.

    Parameters
    ----------
    y, sr, fmin, fmax, frame_length, hop_length, trough_threshold, center
        As in `yin`.

    Returns
    -------
    ndarray of float32, shape (1, n_frames)
        Between 0 and 1, without unit; 0 where a frame is silent.

    Raises
    ------
    ValueError
        As in `yin`.

    References
    ----------
    .. [1] A. de Cheveigné, H. Kawahara: "YIN, a fundamental frequency estimator for speech and
       music", Journal of the Acoustical Society of America 111 (4), 2002.

    Examples
    --------
    >>> import numpy as np
    >>> tone = np.sin(2 * np.pi * 220.0 * np.arange(4096) / 16000)
    >>> hiss = np.random.default_rng(0).normal(size=4096)
    >>> sound = np.concatenate([tone, hiss])
    >>> voicing(y=sound, sr=16000, hop_length=4096, frame_length=4096, center=False).round(1)
    array([[1. , 0.1]], dtype=float32)
    """
    samples = _validated(y, sr, fmin, fmax, frame_length, hop_length, center, trough_threshold)
    _, voiced = _yin(samples, sr, fmin, fmax, frame_length, hop_length, center, trough_threshold)
    return voiced[np.newaxis]


def pyin(
    y: ArrayLike,
    *,
    fmin: float,
    fmax: float,
    sr: float = 22_050,
    frame_length: int = 2048,
    hop_length: int | None = None,
    center: bool = True,
    fill_na: float | None = math.nan,
    **kwargs: Any,
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
    """Track the fundamental frequency through a recording, by librosa's probabilistic YIN.

    Calls ``librosa.pyin`` [1]_, imported at the first call. It weighs several candidates for each
    frame and chooses the likeliest path through them. It jumps between octaves less often than
    `yin`, and takes sixty times as long.

    Parameters
    ----------
    y, fmin, fmax, sr, frame_length, hop_length, center
        As in `yin`.
    fill_na
        Frequency of unvoiced frames; `None` keeps the best guess.
    **kwargs
        Further arguments of ``librosa.pyin``.

    Returns
    -------
    f0 : ndarray of float32, shape (n_frames,)
        In Hz.
    voiced_flag : ndarray of bool, shape (n_frames,)
        Whether a frame is voiced.
    voiced_prob : ndarray of float32, shape (n_frames,)
        Probability that a frame is voiced.

    Raises
    ------
    ValueError
        As in `yin`.

    References
    ----------
    .. [1] M. Mauch, S. Dixon: "pYIN: a fundamental frequency estimator using probabilistic
       threshold distributions", ICASSP 2014.

    Examples
    --------
    >>> import numpy as np
    >>> tone = np.sin(2 * np.pi * 220.0 * np.arange(4096) / 16000)
    >>> frequency, voiced, _ = pyin(tone, fmin=65, fmax=500, sr=16000)
    >>> frequency[voiced].round(-1)
    array([220., 220., 220., 220., 220., 220., 220., 220., 220.], dtype=float32)
    """
    hop_length = max(1, frame_length // 4) if hop_length is None else hop_length
    samples = _validated(y, sr, fmin, fmax, frame_length, hop_length, center, 0.1)
    import librosa

    frequency, voiced_flag, voiced_prob = librosa.pyin(
        samples,
        fmin=fmin,
        fmax=fmax,
        sr=sr,
        frame_length=frame_length,
        hop_length=hop_length,
        center=center,
        fill_na=fill_na,
        **kwargs,
    )
    return frequency.astype(np.float32), voiced_flag, voiced_prob.astype(np.float32)
