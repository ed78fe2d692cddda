"""Compute descriptors of a voice frame by frame, with librosa's values but without importing it.

The functions are drop-in for those of ``librosa.feature`` of the same names: same keyword
arguments and defaults, same orientation ``(n, n_frames)``, same values within float32 rounding.
The window is Hann's, and ends are padded with zeros; other windows and paddings raise `ValueError`.
Results are float32 throughout, where librosa's are sometimes float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # loads scipy.fft when it is first used, which takes 0.3 s

from emotionrecog.errors import require_number, require_one_of, require_share, require_whole
from emotionrecog.features import frames
from emotionrecog.features.frames import as_signal
from emotionrecog.features.mel import melspectrogram
from emotionrecog.features.spec import require_fitting_window

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "band_energy_ratio",
    "chroma",
    "chroma_of_frames",
    "contrast_of_frames",
    "delta",
    "magnitude_spectrum",
    "mfcc",
    "power_to_db",
    "rms",
    "spectral_bandwidth",
    "spectral_centroid",
    "spectral_contrast",
    "spectral_flatness",
    "spectral_rolloff",
    "zero_crossing_rate",
]


def _require_one_of(y: ArrayLike | None, S: ArrayLike | None) -> None:
    if (y is None) == (S is None):
        raise ValueError("exactly one of `y` and `S` must be given")


def _require_supported(window: str, pad_mode: str) -> None:
    if window != "hann":
        raise ValueError(f"`window` must be 'hann', the only one supported, got {window!r}")
    if pad_mode != "constant":
        raise ValueError(f"`pad_mode` must be 'constant', the only one supported, got {pad_mode!r}")


def _require_rate(sr: float) -> None:
    require_number("sr", sr, 0, open_low=True, unit="Hz")


def _frames_of(S: ArrayLike) -> NDArray[np.float32]:
    """Return a spectrogram with frames first, or raise `ValueError`."""
    spectrum = np.asarray(S)
    if spectrum.ndim != 2 or 0 in spectrum.shape:
        raise ValueError(f"`S` must have the shape (n_bins, n_frames), got {spectrum.shape}")
    if np.iscomplexobj(spectrum):
        raise ValueError("`S` must be real, got complex numbers; pass their absolute values")
    spectrum = spectrum.astype(np.float32, copy=False)
    if not np.isfinite(spectrum).all():
        raise ValueError("`S` must be finite, got NaN or infinite values")
    if (spectrum < 0).any():
        raise ValueError("`S` must not be negative: it holds magnitudes or powers")
    return spectrum.T


def _spectrum(
    *,
    y: ArrayLike | None,
    S: ArrayLike | None,
    n_fft: int,
    hop_length: int,
    win_length: int | None,
    window: str,
    center: bool,
    pad_mode: str,
    power: float = 1.0,
) -> tuple[NDArray[np.float32], int]:
    """Return |STFT|**power of `y`, or ``S**power``, frames first, and the transform's size."""
    _require_one_of(y, S)
    _require_supported(window, pad_mode)
    require_whole("n_fft", n_fft, 1)
    if S is not None:
        magnitude = _frames_of(S)
        bins = magnitude.shape[1]
        if bins != 1 + n_fft // 2:
            n_fft = 2 * (bins - 1)
    else:
        assert y is not None
        win_length = n_fft if win_length is None else win_length
        require_whole("hop_length", hop_length, 1)
        require_whole("win_length", win_length, 1)
        require_fitting_window(win_length, n_fft)
        samples = as_signal(y, shortest=1 if center else n_fft)
        if power == 2:
            return frames.power_spectrogram(samples, n_fft, hop_length, win_length, center), n_fft
        magnitude = np.abs(frames.stft(samples, n_fft, hop_length, win_length, center))
    return (magnitude if power == 1 else magnitude**power), n_fft


def _frequencies(freq: ArrayLike | None, sr: float, n_fft: int, n_bins: int) -> NDArray[np.float64]:
    """Return the frequency of each bin in Hz."""
    _require_rate(sr)
    if freq is None:
        # Multiplied before dividing, so that whole-numbered frequencies are exact.
        return np.arange(n_bins) * np.float64(sr) / max(n_fft, 1)
    frequencies = np.asarray(freq, dtype=np.float64)
    if frequencies.shape != (n_bins,) or not (np.diff(frequencies) > 0).all():
        raise ValueError(
            f"`freq` must be {n_bins} increasing frequencies, one for each bin, got "
            f"shape {frequencies.shape}"
        )
    return frequencies


def _per_frame(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return one value for each frame in librosa's orientation, shape (1, n_frames)."""
    return values.astype(np.float32, copy=False)[np.newaxis]


def magnitude_spectrum(
    *,
    y: ArrayLike,
    n_fft: int = 2048,
    hop_length: int = 512,
    win_length: int | None = None,
    window: str = "hann",
    center: bool = True,
    pad_mode: str = "constant",
) -> NDArray[np.float32]:
    """Compute the magnitude of the short-time Fourier transform of a signal.

    Equal to ``np.abs(librosa.stft(y))``; the other functions take it as `S`.

    Parameters
    ----------
    y
        Samples, shape (n_samples,), taken as float32.
    n_fft, hop_length, win_length
        Transform size, step and window in samples; `win_length` is `n_fft` if not given.
    window
        ``"hann"``, the periodic Hann window; no other is supported.
    center
        Pad both ends with ``n_fft // 2`` zeros, so that frame t is centred on ``t * hop_length``.
    pad_mode
        ``"constant"``; no other is supported.

    Returns
    -------
    ndarray of float32, shape (1 + n_fft // 2, n_frames)
        In the unit of the samples times the sum of the window.

    Raises
    ------
    ValueError
        If `y` is not one-dimensional and finite, holds no sample, or is shorter than one frame
        where `center` is false; if another argument is out of bounds or not supported.

    Examples
    --------
    >>> import numpy as np
    >>> magnitude_spectrum(y=np.ones(16000), n_fft=512, hop_length=160).shape
    (257, 101)
    """
    spectrum, _ = _spectrum(
        y=y,
        S=None,
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=win_length,
        window=window,
        center=center,
        pad_mode=pad_mode,
    )
    return spectrum.T


def rms(
    *,
    y: ArrayLike | None = None,
    S: ArrayLike | None = None,
    frame_length: int = 2048,
    hop_length: int = 512,
    center: bool = True,
    pad_mode: str = "constant",
) -> NDArray[np.float32]:
    """Compute the root mean square of each frame, a measure of loudness.

    Drop-in for ``librosa.feature.rms``.

    Parameters
    ----------
    y
        Samples, shape (n_samples,), taken as float32.
    S
        Magnitudes instead of `y`, shape (1 + frame_length // 2, n_frames); without a window, the
        result equals that of `y`.
    frame_length, hop_length
        Length of a frame and step in samples.
    center
        Pad both ends with ``frame_length // 2`` zeros.
    pad_mode
        ``"constant"``; no other is supported.

    Returns
    -------
    ndarray of float32, shape (1, n_frames)
        In the unit of the samples: 1 is full scale.

    Raises
    ------
    ValueError
        If not exactly one of `y` and `S` is given; if `y` or `S` is not as described above, or not
        finite; if `S` does not fit `frame_length`, or another argument is out of bounds.

    Examples
    --------
    >>> import numpy as np
    >>> rms(y=np.full(4, 0.5), frame_length=2, hop_length=2, center=False)
    array([[0.5, 0.5]], dtype=float32)
    """
    _require_one_of(y, S)
    _require_supported("hann", pad_mode)
    require_whole("frame_length", frame_length, 1)
    require_whole("hop_length", hop_length, 1)
    if S is not None:
        power = np.square(_frames_of(S))
        if power.shape[1] != 1 + frame_length // 2:
            raise ValueError(
                f"`S` must have 1 + frame_length // 2 = {1 + frame_length // 2} bins, got "
                f"{power.shape[1]}; pass the `frame_length` it was computed with"
            )
        power[:, 0] *= 0.5
        if frame_length % 2 == 0:
            power[:, -1] *= 0.5
        return _per_frame(np.sqrt(2.0 * power.sum(axis=1) / frame_length**2))
    assert y is not None
    samples = as_signal(y, shortest=1 if center else frame_length)
    if center:
        samples = np.pad(samples, frame_length // 2)
    return _per_frame(frames.rms(samples, frame_length, hop_length))


def zero_crossing_rate(
    y: ArrayLike,
    *,
    frame_length: int = 2048,
    hop_length: int = 512,
    center: bool = True,
    threshold: float = 1e-10,
    pad: bool = False,
    zero_pos: bool = True,
) -> NDArray[np.float32]:
    """Compute the share of samples in each frame at which the signal changes its sign.

    Drop-in for ``librosa.feature.zero_crossing_rate``.

    Parameters
    ----------
    y
        Samples, shape (n_samples,), taken as float32.
    frame_length, hop_length
        Length of a frame and step in samples.
    center
        Pad both ends with ``frame_length // 2`` repetitions of the first and the last sample.
    threshold
        Largest absolute value that counts as zero.
    pad
        Count the first sample of each frame as a change of sign.
    zero_pos
        Count zero as positive; otherwise zero is a third sign.

    Returns
    -------
    ndarray of float32, shape (1, n_frames)
        Between 0 and 1: crossings per sample.

    Raises
    ------
    ValueError
        If `y` is not one-dimensional and finite, holds no sample, or is shorter than one frame
        where `center` is false; if another argument is out of bounds.

    Examples
    --------
    >>> zero_crossing_rate([1.0, -1.0, 1.0, 1.0], frame_length=4, hop_length=4, center=False)
    array([[0.5]], dtype=float32)
    """
    require_whole("frame_length", frame_length, 1)
    require_whole("hop_length", hop_length, 1)
    require_number("threshold", threshold, 0)
    samples = as_signal(y, shortest=1 if center else frame_length)
    if center:
        samples = np.pad(samples, frame_length // 2, mode="edge")
    crossings = frames.zero_crossings(
        samples, frame_length, hop_length, threshold=threshold, zero_pos=zero_pos
    )
    return _per_frame((crossings + bool(pad)) / frame_length)


def spectral_centroid(
    *,
    y: ArrayLike | None = None,
    sr: float = 22_050,
    S: ArrayLike | None = None,
    n_fft: int = 2048,
    hop_length: int = 512,
    freq: ArrayLike | None = None,
    win_length: int | None = None,
    window: str = "hann",
    center: bool = True,
    pad_mode: str = "constant",
) -> NDArray[np.float32]:
    """Compute the mean frequency of each frame weighted by magnitude, a measure of brightness.

    Drop-in for ``librosa.feature.spectral_centroid``.

    Parameters
    ----------
    y
        Samples, shape (n_samples,), taken as float32.
    sr
        Sampling rate in Hz.
    S
        Magnitudes instead of `y`, shape (n_bins, n_frames). An `n_fft` that does not fit is
        replaced by that of `S`.
    n_fft, hop_length, win_length, window, center, pad_mode
        As in `magnitude_spectrum`.
    freq
        Frequency of each bin in Hz, increasing, shape (n_bins,); by default the frequencies of
        the transform.

    Returns
    -------
    ndarray of float32, shape (1, n_frames)
        In Hz; 0 where a frame is silent.

    Raises
    ------
    ValueError
        If not exactly one of `y` and `S` is given; if `y` is not one-dimensional and finite, holds
        no sample, or is shorter than one frame where `center` is false; if `S` is not
        two-dimensional, finite and without negative values; if another argument is out of its
        bounds or not supported.

    Examples
    --------
    >>> spectral_centroid(S=[[1.0], [0.0], [3.0]], sr=16000)
    array([[6000.]], dtype=float32)
    """
    spectrum, n_fft = _spectrum(
        y=y,
        S=S,
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=win_length,
        window=window,
        center=center,
        pad_mode=pad_mode,
    )
    frequencies = _frequencies(freq, sr, n_fft, spectrum.shape[1])
    return _per_frame(frames.centroid(spectrum, frames.total(spectrum), frequencies))


def spectral_bandwidth(
    *,
    y: ArrayLike | None = None,
    sr: float = 22_050,
    S: ArrayLike | None = None,
    n_fft: int = 2048,
    hop_length: int = 512,
    win_length: int | None = None,
    window: str = "hann",
    center: bool = True,
    pad_mode: str = "constant",
    freq: ArrayLike | None = None,
    centroid: ArrayLike | None = None,
    norm: bool = True,
    p: float = 2,
) -> NDArray[np.float32]:
    """Compute the spread of the spectrum of each frame around its centroid.

    Drop-in for ``librosa.feature.spectral_bandwidth``.

    Parameters
    ----------
    y, sr, S, n_fft, hop_length, win_length, window, center, pad_mode, freq
        As in `spectral_centroid`.
    centroid
        In Hz, shape (1, n_frames); computed if not given.
    norm
        Divide the magnitudes of each frame by their sum.
    p
        Power to which deviations from the centroid are raised.

    Returns
    -------
    ndarray of float32, shape (1, n_frames)
        In Hz where `norm` is true; 0 where a frame is silent.

    Raises
    ------
    ValueError
        As in `spectral_centroid`; if `centroid` has another shape or `p` is not positive.

    Examples
    --------
    >>> spectral_bandwidth(S=[[1.0], [0.0], [1.0]], sr=16000)
    array([[4000.]], dtype=float32)
    """
    require_number("p", p, 0, open_low=True)
    spectrum, n_fft = _spectrum(
        y=y,
        S=S,
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=win_length,
        window=window,
        center=center,
        pad_mode=pad_mode,
    )
    frequencies = _frequencies(freq, sr, n_fft, spectrum.shape[1])
    total = frames.total(spectrum)
    if centroid is None:
        centres = frames.centroid(spectrum, total, frequencies)
    else:
        centroids = np.asarray(centroid, dtype=np.float32)
        if centroids.shape != (1, len(spectrum)) or not np.isfinite(centroids).all():
            raise ValueError(
                f"`centroid` must be finite and of the shape (1, {len(spectrum)}), "
                f"got {centroids.shape}"
            )
        centres = centroids[0]
    divisor = total if norm else np.ones_like(total)
    return _per_frame(frames.bandwidth(spectrum, divisor, frequencies, centres, p))


def spectral_rolloff(
    *,
    y: ArrayLike | None = None,
    sr: float = 22_050,
    S: ArrayLike | None = None,
    n_fft: int = 2048,
    hop_length: int = 512,
    win_length: int | None = None,
    window: str = "hann",
    center: bool = True,
    pad_mode: str = "constant",
    freq: ArrayLike | None = None,
    roll_percent: float = 0.85,
) -> NDArray[np.float32]:
    """Compute the frequency below which most of the magnitude of each frame lies.

    Drop-in for ``librosa.feature.spectral_rolloff``.

    Parameters
    ----------
    y, sr, S, n_fft, hop_length, win_length, window, center, pad_mode, freq
        As in `spectral_centroid`.
    roll_percent
        The share of the magnitude, between 0 and 1.

    Returns
    -------
    ndarray of float32, shape (1, n_frames)
        In Hz: the frequency of the first bin at which the cumulative sum reaches the share; in
        silent frames, the frequency of the first bin.

    Raises
    ------
    ValueError
        As in `spectral_centroid`; if `roll_percent` is not between 0 and 1.

    Examples
    --------
    >>> spectral_rolloff(S=[[1.0], [8.0], [1.0]], sr=16000)
    array([[4000.]], dtype=float32)
    """
    require_share("roll_percent", roll_percent, open_low=True, open_high=True)
    spectrum, n_fft = _spectrum(
        y=y,
        S=S,
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=win_length,
        window=window,
        center=center,
        pad_mode=pad_mode,
    )
    frequencies = _frequencies(freq, sr, n_fft, spectrum.shape[1])
    return _per_frame(frames.rolloff(spectrum, frequencies, roll_percent))


def spectral_flatness(
    *,
    y: ArrayLike | None = None,
    S: ArrayLike | None = None,
    n_fft: int = 2048,
    hop_length: int = 512,
    win_length: int | None = None,
    window: str = "hann",
    center: bool = True,
    pad_mode: str = "constant",
    amin: float = 1e-10,
    power: float = 2.0,
) -> NDArray[np.float32]:
    """Compute how noise-like (near 1) or tonal (near 0) each frame is.

    Drop-in for ``librosa.feature.spectral_flatness``.

    Parameters
    ----------
    y, S, n_fft, hop_length, win_length, window, center, pad_mode
        As in `spectral_centroid`.
    amin
        Floor of the powers.
    power
        Exponent of the magnitudes.

    Returns
    -------
    ndarray of float32, shape (1, n_frames)
        Between 0 and 1, without unit; 1 where a frame is silent.

    Raises
    ------
    ValueError
        As in `spectral_centroid`; if `amin` or `power` is not positive.

    Examples
    --------
    >>> spectral_flatness(S=[[2.0], [2.0], [2.0]])
    array([[1.]], dtype=float32)
    """
    for name, value in (("amin", amin), ("power", power)):
        require_number(name, value, 0, open_low=True)
    spectrum, _ = _spectrum(
        y=y,
        S=S,
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=win_length,
        window=window,
        center=center,
        pad_mode=pad_mode,
        power=power,
    )
    return _per_frame(frames.flatness(spectrum, amin))


def band_energy_ratio(
    *,
    y: ArrayLike | None = None,
    sr: float = 22_050,
    S: ArrayLike | None = None,
    split_frequency: float = 2_000.0,
    n_fft: int = 2048,
    hop_length: int = 512,
    win_length: int | None = None,
    window: str = "hann",
    center: bool = True,
    pad_mode: str = "constant",
) -> NDArray[np.float32]:
    """Compute the energy of each frame below a frequency, divided by the energy above it.

    The definition of Velardo [1]_, who splits at 2 kHz. A bin belongs to the upper band if its own
    frequency is at least `split_frequency`; his code takes bins to be ``sr / (2 * n_bins)`` apart,
    which puts the split up to one bin lower. librosa has no such function.

    Parameters
    ----------
    y, sr, S, n_fft, hop_length, win_length, window, center, pad_mode
        As in `spectral_centroid`.
    split_frequency
        In Hz, above 0 and at most ``sr / 2``.

    Returns
    -------
    ndarray of float32, shape (1, n_frames)
        Without unit; 0 where a frame is silent, and 1e10 at most, for a frame without energy
        above the split.

    Raises
    ------
    ValueError
        As in `spectral_centroid`; if `split_frequency` is out of bounds.

    References
    ----------
    .. [1] V. Velardo: "Audio Signal Processing for Machine Learning", lessons 21 and 22,
       https://github.com/musikalkemist/AudioSignalProcessingForML

    Examples
    --------
    >>> band_energy_ratio(S=[[3.0], [1.0], [1.0]], sr=16000, split_frequency=4000)
    array([[4.5]], dtype=float32)
    """
    _require_rate(sr)
    if not 0 < split_frequency <= sr / 2:
        raise ValueError(
            f"`split_frequency` must be above 0 and at most sr / 2 = {sr / 2:g} Hz, got "
            f"{split_frequency!r}"
        )
    power, n_fft = _spectrum(
        y=y,
        S=S,
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=win_length,
        window=window,
        center=center,
        pad_mode=pad_mode,
        power=2.0,
    )
    split = int(np.searchsorted(_frequencies(None, sr, n_fft, power.shape[1]), split_frequency))
    return _per_frame(frames.band_energy_ratio(power, split))


def spectral_contrast(
    *,
    y: ArrayLike | None = None,
    sr: float = 22_050,
    S: ArrayLike | None = None,
    n_fft: int = 2048,
    hop_length: int = 512,
    win_length: int | None = None,
    window: str = "hann",
    center: bool = True,
    pad_mode: str = "constant",
    freq: ArrayLike | None = None,
    fmin: float = 200.0,
    n_bands: int = 6,
    quantile: float = 0.02,
    linear: bool = False,
) -> NDArray[np.float32]:
    """Compute the difference between peaks and valleys of the spectrum in each octave.

    Drop-in for ``librosa.feature.spectral_contrast``: the measure of Jiang et al. [1]_. A clear
    voice with distinct harmonics has a high contrast; a breathy or noisy one has a low contrast.

    Parameters
    ----------
    y, sr, S, n_fft, hop_length, win_length, window, center, pad_mode, freq
        As in `spectral_centroid`.
    fmin
        Upper edge of the first band in Hz; each further band is an octave, and the last reaches
        to the end of the spectrum.
    n_bands
        Number of bands above the first.
    quantile
        Share of the bins of a band that form its peak, and its valley; at least one bin.
    linear
        Return the difference of the magnitudes instead of decibels.

    Returns
    -------
    ndarray of float32, shape (n_bands + 1, n_frames)
        In dB; 0 where a frame is silent. As in librosa, magnitudes are treated as powers, so the
        values are half of a level meter's. If `linear` is true, in the unit of the spectrum.

    Raises
    ------
    ValueError
        As in `spectral_centroid`; if a band begins above ``sr / 2`` or holds too few bins, or
        another argument is out of bounds.

    References
    ----------
    .. [1] D.-N. Jiang, L. Lu, H.-J. Zhang, J.-H. Tao, L.-H. Cai: "Music type classification by
       spectral contrast feature", ICME 2002.

    Examples
    --------
    >>> import numpy as np
    >>> spectral_contrast(y=np.ones(16000), sr=16000, n_fft=512, hop_length=160).shape
    (7, 101)
    """
    spectrum, n_fft = _spectrum(
        y=y,
        S=S,
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=win_length,
        window=window,
        center=center,
        pad_mode=pad_mode,
    )
    return contrast_of_frames(
        spectrum,
        sr,
        n_fft,
        freq=freq,
        fmin=fmin,
        n_bands=n_bands,
        quantile=quantile,
        linear=linear,
    ).T


def contrast_of_frames(
    magnitude: NDArray[np.float32],
    sr: float,
    n_fft: int,
    *,
    freq: ArrayLike | None = None,
    fmin: float = 200.0,
    n_bands: int = 6,
    quantile: float = 0.02,
    linear: bool = False,
) -> NDArray[np.float32]:
    """Compute `spectral_contrast` of magnitudes, frames first, shape (n_frames, n_bands + 1).

    Examples
    --------
    >>> import numpy as np
    >>> contrast_of_frames(np.ones((3, 257), dtype=np.float32), 16000, 512).shape
    (3, 7)
    """
    _require_rate(sr)
    require_whole("n_bands", n_bands, 1)
    require_number("fmin", fmin, 0, open_low=True, unit="Hz")
    require_share("quantile", quantile, open_low=True, open_high=True)
    if fmin * 2.0 ** (n_bands - 1) >= sr / 2:
        raise ValueError(
            f"the last band of {n_bands} above {fmin:g} Hz begins at "
            f"{fmin * 2.0 ** (n_bands - 1):g} Hz, not below sr / 2 = {sr / 2:g} Hz; make `n_bands` "
            "or `fmin` smaller"
        )
    if freq is None:
        # Rounded as in librosa, because a bin exactly on an edge belongs to both bands.
        freq = np.fft.rfftfreq(max(n_fft, 1), 1.0 / sr)
    bins = _frequencies(freq, sr, n_fft, magnitude.shape[1])
    edges = [0.0, *(fmin * 2.0**octave for octave in range(n_bands + 1))]
    valleys = np.empty((len(magnitude), n_bands + 1), dtype=np.float32)
    peaks = np.empty_like(valleys)
    for band in range(n_bands + 1):
        first = int(np.searchsorted(bins, edges[band], side="left"))
        end = int(np.searchsorted(bins, edges[band + 1], side="right"))
        inside = end - first
        # A band includes the bin below it, and leaves its last bin to the band above.
        if band > 0:
            first = max(first - 1, 0)
        if band == n_bands:
            end = len(bins)
        n_bins = end - first
        if band < n_bands:
            end -= 1
        if inside < 1 or end <= first:
            raise ValueError(
                f"the band from {edges[band]:g} to {edges[band + 1]:g} Hz holds too few bins to "
                "have a peak and a valley; make `n_fft` or `fmin` larger"
            )
        ordered = np.sort(magnitude[:, first:end], axis=1)
        extreme = max(1, round(quantile * n_bins))
        valleys[:, band] = ordered[:, :extreme].mean(axis=1)
        peaks[:, band] = ordered[:, -extreme:].mean(axis=1)
    if linear:
        return peaks - valleys
    options: dict[str, Any] = {"zero_db": 0.0, "amin": 1e-10, "top_db": 80.0}
    return frames.decibels(peaks, **options) - frames.decibels(valleys, **options)


def chroma(
    *,
    y: ArrayLike | None = None,
    sr: float = 22_050,
    S: ArrayLike | None = None,
    norm: float | None = np.inf,
    n_fft: int = 2048,
    hop_length: int = 512,
    win_length: int | None = None,
    window: str = "hann",
    center: bool = True,
    pad_mode: str = "constant",
    tuning: float | None = None,
    n_chroma: int = 12,
    ctroct: float = 5.0,
    octwidth: float | None = 2.0,
    base_c: bool = True,
) -> NDArray[np.float32]:
    """Compute the power of each note of the scale, summed over octaves.

    Drop-in for ``librosa.feature.chroma_stft``, after Ellis [1]_.

    Parameters
    ----------
    y
        Samples, shape (n_samples,), taken as float32.
    sr
        Sampling rate in Hz.
    S
        Powers instead of `y`, shape (n_bins, n_frames). An `n_fft` that does not fit is replaced
        by that of `S`.
    norm
        Order of the norm that divides each frame; infinity is the largest value. `None` for no
        normalisation.
    n_fft, hop_length, win_length, window, center, pad_mode
        As in `magnitude_spectrum`.
    tuning
        Deviation of the notes from A = 440 Hz, in steps of the scale; by default estimated from
        the strongest peaks of the spectrum.
    n_chroma
        Number of notes in an octave.
    ctroct, octwidth
        Centre, in octaves above 27.5 Hz, and standard deviation, in octaves, of the Gaussian
        weights of the notes; all weights are equal if `octwidth` is `None`.
    base_c
        Begin with C; otherwise with A.

    Returns
    -------
    ndarray of float32, shape (n_chroma, n_frames)
        Between 0 and 1, without unit, unless `norm` is `None`; 0 where a frame is silent.

    Raises
    ------
    ValueError
        As in `spectral_centroid`; if another argument is out of bounds.

    References
    ----------
    .. [1] D. P. W. Ellis: "Chroma feature analysis and synthesis", 2007,
       https://www.ee.columbia.edu/~dpwe/resources/matlab/chroma-ansyn/

    Examples
    --------
    >>> import numpy as np
    >>> a = np.sin(2 * np.pi * 440.0 * np.arange(8192) / 16000)
    >>> int(chroma(y=a, sr=16000).mean(axis=1).argmax())  # C, C sharp, ... A
    9
    """
    power, n_fft = _spectrum(
        y=y,
        S=S,
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=win_length,
        window=window,
        center=center,
        pad_mode=pad_mode,
        power=2.0 if S is None else 1.0,
    )
    return chroma_of_frames(
        power,
        sr,
        n_fft,
        norm=norm,
        tuning=tuning,
        n_chroma=n_chroma,
        ctroct=ctroct,
        octwidth=octwidth,
        base_c=base_c,
    ).T


def chroma_of_frames(
    power: NDArray[np.float32],
    sr: float,
    n_fft: int,
    *,
    norm: float | None = np.inf,
    tuning: float | None = None,
    n_chroma: int = 12,
    ctroct: float = 5.0,
    octwidth: float | None = 2.0,
    base_c: bool = True,
) -> NDArray[np.float32]:
    """Compute `chroma` of powers, frames first, shape (n_frames, n_chroma).

    Examples
    --------
    >>> import numpy as np
    >>> chroma_of_frames(np.ones((3, 257), dtype=np.float32), 16000, 512).shape
    (3, 12)
    """
    _require_rate(sr)
    require_whole("n_chroma", n_chroma, 1)
    if n_fft < 2:
        raise ValueError("a spectrum of one bin holds no note; make `n_fft` larger")
    if norm is not None and not norm > 0:
        raise ValueError(f"`norm` must be None or above 0 (infinity is the largest), got {norm!r}")
    if octwidth is not None:
        require_number("octwidth", octwidth, 0, open_low=True)
    if tuning is not None:
        require_number("tuning", tuning)
    require_number("ctroct", ctroct)
    if tuning is None:
        tuning = _tuning(power, sr, n_chroma)
    bands = _chroma_bands(sr, n_fft, n_chroma, float(tuning), ctroct, octwidth, base_c)
    notes: NDArray[np.float32] = power @ bands.T
    if norm is None:
        return notes
    if norm == math.inf:
        length = notes.max(axis=1, keepdims=True)
    else:
        length = (notes.astype(np.float64) ** norm).sum(axis=1, keepdims=True) ** (1.0 / norm)
    length[length < np.finfo(np.float32).tiny] = 1.0
    return np.asarray(notes / length, dtype=np.float32)


@lru_cache(maxsize=16)
def _chroma_bands(
    sr: float,
    n_fft: int,
    n_chroma: int,
    tuning: float,
    ctroct: float,
    octwidth: float | None,
    base_c: bool,
) -> NDArray[np.float32]:
    """Return the matrix that sums powers into notes, shape (n_chroma, 1 + n_fft // 2)."""
    lowest = 27.5 * 2.0 ** (tuning / n_chroma)
    steps = n_chroma * np.log2(np.arange(1, n_fft) * sr / n_fft / lowest)
    # Bin 0 belongs to no particular note: it is put an octave and a half below bin 1.
    steps = np.concatenate([[steps[0] - 1.5 * n_chroma], steps])
    width = np.append(np.maximum(np.diff(steps), 1.0), 1.0)
    half = round(n_chroma / 2)
    distance = (steps - np.arange(n_chroma)[:, np.newaxis] + half) % n_chroma - half
    weights = np.exp(-0.5 * (2.0 * distance / width) ** 2)
    weights /= np.sqrt(np.square(weights).sum(axis=0))
    if octwidth is not None:
        weights *= np.exp(-0.5 * ((steps / n_chroma - ctroct) / octwidth) ** 2)
    if base_c:
        weights = np.roll(weights, -3 * (n_chroma // 12), axis=0)
    result = np.ascontiguousarray(weights[:, : 1 + n_fft // 2], dtype=np.float32)
    result.setflags(write=False)
    return result


def _tuning(power: NDArray[np.float32], sr: float, n_chroma: int) -> float:
    """Return the deviation of the strongest peaks from the notes, in steps, rounded to hundredths.

    As ``librosa.estimate_tuning`` does, it uses peaks from 150 Hz to 4 kHz that reach a tenth of
    the loudest bin of their frame and the median of such peaks. Returns 0 if there are none.
    """
    n_fft = 2 * (power.shape[1] - 1)
    frequencies = np.fft.rfftfreq(n_fft, 1.0 / sr)
    loud = np.where(power > 0.1 * power.max(axis=1, keepdims=True), power, 0.0)
    peak = np.zeros(power.shape, dtype=bool)
    peak[:, 1:-1] = (loud[:, 1:-1] > loud[:, :-2]) & (loud[:, 1:-1] >= loud[:, 2:])
    peak &= (frequencies >= 150.0) & (frequencies < min(4_000.0, sr / 2))
    row, bin_ = np.nonzero(peak)
    if not len(row):
        return 0.0
    # The maximum of the parabola through the peak and its neighbours, if it lies between them.
    middle, before, after = (power[row, bin_ + i].astype(np.float64) for i in (0, -1, 1))
    bend, slope = after + before - 2.0 * middle, (after - before) / 2.0
    inside = np.abs(slope) < np.abs(bend)
    shift = np.where(inside, -slope / np.where(inside, bend, 1.0), 0.0).astype(np.float32)
    height = (middle + 0.5 * slope * shift).astype(np.float32)
    frequency = ((bin_ + shift) * float(sr) / n_fft).astype(np.float32)
    steps = n_chroma * np.log2(frequency[height >= np.median(height)] / 27.5) % 1.0
    steps[steps >= 0.5] -= 1.0
    counts, edges = np.histogram(steps, np.linspace(-0.5, 0.5, 101))
    return float(edges[counts.argmax()])


def power_to_db(
    S: ArrayLike,
    *,
    ref: float | Callable[[NDArray[np.float32]], Any] = 1.0,
    amin: float = 1e-10,
    top_db: float | None = 80.0,
) -> NDArray[np.float32]:
    """Convert powers to decibels.

    Drop-in for ``librosa.power_to_db``.

    Parameters
    ----------
    S
        Powers, of any shape.
    ref
        Reference power for 0 dB, or a function that computes it from `S`, such as `numpy.max`.
    amin
        Floor of the powers and of `ref`.
    top_db
        Dynamic range in dB: lower values are raised to the largest value minus `top_db`; `None`
        for no limit.

    Returns
    -------
    ndarray of float32, of the same shape
        In dB.

    Raises
    ------
    ValueError
        If `S` is empty, complex, negative or not finite, `amin` is not positive, or `top_db` is
        negative.

    Examples
    --------
    >>> power_to_db([1.0, 0.1, 0.0])
    array([  0., -10., -80.], dtype=float32)
    """
    require_number("amin", amin, 0, open_low=True)
    if top_db is not None and not top_db >= 0:
        raise ValueError(f"`top_db` must be a number of at least 0, got {top_db!r}")
    powers = np.asarray(S)
    if powers.size == 0 or np.iscomplexobj(powers):
        raise ValueError(
            f"`S` must hold real powers, got shape {powers.shape} of dtype {powers.dtype}"
        )
    powers = powers.astype(np.float32, copy=False)
    if not np.isfinite(powers).all() or (powers < 0).any():
        raise ValueError("`S` must be finite and not negative: it holds powers")
    zero_db = 10.0 * math.log10(max(amin, abs(float(ref(powers) if callable(ref) else ref))))
    return frames.decibels(powers, zero_db=zero_db, amin=amin, top_db=top_db)


def mfcc(
    *,
    y: ArrayLike | None = None,
    sr: float = 22_050,
    S: ArrayLike | None = None,
    n_mfcc: int = 20,
    dct_type: int = 2,
    norm: str | None = "ortho",
    lifter: float = 0,
    mel_norm: str | None = "slaney",
    **kwargs: Any,
) -> NDArray[np.float32]:
    """Compute mel-frequency cepstral coefficients, the coarse shape of the spectrum.

    Drop-in for ``librosa.feature.mfcc``.

    Parameters
    ----------
    y
        Samples, shape (n_samples,), taken as float32.
    sr
        Sampling rate in Hz.
    S
        Mel-spectrogram in dB instead of `y`, shape (n_mels, n_frames).
    n_mfcc
        Number of coefficients, at most the number of mel bands.
    dct_type, norm
        Type (1, 2 or 3) and norm (``"ortho"`` or `None`) of the discrete cosine transform.
    lifter
        Liftering parameter: coefficient n, counted from 0, is multiplied by
        ``1 + lifter / 2 * sin(pi * (n + 1) / lifter)``; 0 for no liftering.
    mel_norm
        `norm` of the mel bands, as in `mel_filterbank`.
    **kwargs
        Further arguments of `melspectrogram`.

    Returns
    -------
    ndarray of float32, shape (n_mfcc, n_frames)
        In dB times the square root of the number of bands, if `norm` is ``"ortho"``.

    Raises
    ------
    ValueError
        If not exactly one of `y` and `S` is given; if `S` is not two-dimensional and finite; if
        another argument is out of bounds; as in `melspectrogram`.

    Examples
    --------
    >>> import numpy as np
    >>> mfcc(y=np.ones(16000), sr=16000, n_mfcc=13, n_fft=512, hop_length=160, n_mels=40).shape
    (13, 101)
    """
    _require_one_of(y, S)
    require_whole("n_mfcc", n_mfcc, 1)
    require_one_of("dct_type", dct_type, (1, 2, 3))
    if norm not in ("ortho", None):
        raise ValueError(f"`norm` must be 'ortho' or None, got {norm!r}")
    require_number("lifter", lifter, 0)
    if S is not None:
        if kwargs:
            raise ValueError(f"`{next(iter(kwargs))}` has no meaning together with `S`")
        decibels = np.asarray(S, dtype=np.float32)
        if decibels.ndim != 2 or 0 in decibels.shape or not np.isfinite(decibels).all():
            raise ValueError(
                f"`S` must be finite and of the shape (n_mels, n_frames), got {decibels.shape}"
            )
    else:
        assert y is not None
        decibels = power_to_db(melspectrogram(y=y, sr=sr, norm=mel_norm, **kwargs))
    coefficients: NDArray[np.float32] = scipy.fft.dct(decibels, axis=0, type=dct_type, norm=norm)
    coefficients = coefficients[:n_mfcc]
    if lifter > 0:
        wave = np.sin(np.pi * np.arange(1, 1 + len(coefficients)) / lifter)
        coefficients = coefficients * (1 + lifter / 2 * wave).astype(np.float32)[:, np.newaxis]
    return coefficients


def delta(
    data: ArrayLike,
    *,
    width: int = 9,
    order: int = 1,
    axis: int = -1,
    mode: str = "interp",
) -> NDArray[np.float32]:
    """Estimate the change of features over time with a Savitzky-Golay filter.

    Drop-in for ``librosa.feature.delta``. A polynomial of degree `order` is fitted to `width`
    frames; the result is its derivative of that order, which is constant.

    Parameters
    ----------
    data
        Features, frames along `axis`.
    width
        Number of frames, odd and at least 3.
    order
        Order of the derivative, below `width`.
    axis
        Axis of the frames.
    mode
        Handling of the ends: ``"interp"`` fits the first and the last `width` frames,
        ``"nearest"`` repeats the first and the last frame; no other is supported.

    Returns
    -------
    ndarray of float32, of the same shape
        In the unit of the features per frame, to the power of `order`.

    Raises
    ------
    ValueError
        If there are fewer than `width` frames in mode ``"interp"``, or none; if `data` is not
        finite; if another argument is out of bounds or not supported.

    Examples
    --------
    >>> delta([[0.0, 2.0, 4.0, 6.0]], width=3)
    array([[2., 2., 2., 2.]], dtype=float32)
    """
    require_whole("width", width, 1)
    require_whole("order", order, 1)
    if width < 3 or width % 2 == 0:
        raise ValueError(f"`width` must be odd and at least 3, got {width}")
    if order >= width:
        raise ValueError(f"`order` must be below width = {width}, got {order}")
    if mode not in ("interp", "nearest"):
        raise ValueError(f"`mode` must be 'interp' or 'nearest', got {mode!r}")
    values = np.atleast_1d(np.asarray(data, dtype=np.float32))
    if not -values.ndim <= axis < values.ndim:
        raise ValueError(f"`axis` must be one of {values.ndim} axes, got {axis}")
    values = np.moveaxis(values, axis, -1)
    shortest = width if mode == "interp" else 1
    if values.shape[-1] < shortest:
        raise ValueError(
            f"`data` must have at least {shortest} frames, got {values.shape[-1]}; "
            "make `width` smaller"
        )
    if not np.isfinite(values).all():
        raise ValueError("`data` must be finite, got NaN or infinite values")
    # The derivative is the polynomial's highest coefficient times order!.
    half = width // 2
    powers = np.vander(np.arange(-half, half + 1), order + 1, increasing=True)
    weights = np.linalg.pinv(powers)[order] * math.factorial(order)
    ends = [(0, 0)] * (values.ndim - 1) + [(half, half)]
    if mode == "nearest":
        values = np.pad(values, ends, mode="edge")
    slopes = np.lib.stride_tricks.sliding_window_view(values, width, axis=-1) @ weights
    if mode == "interp":
        slopes = np.pad(slopes, ends, mode="edge")
    result: NDArray[np.float32] = np.moveaxis(slopes, -1, axis).astype(np.float32)
    return result
