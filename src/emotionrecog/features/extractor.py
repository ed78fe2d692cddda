"""Compute many features of a recording in one pass, with one framing and one transform."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from emotionrecog.errors import AudioError
from emotionrecog.features import descriptors, frames
from emotionrecog.features.descriptors import delta
from emotionrecog.features.functionals import functionals
from emotionrecog.features.mel import mel_filterbank, relative_to_voice
from emotionrecog.features.pitch import pitch_of_frames

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from emotionrecog.features.spec import FeatureSpec

    Array = NDArray[np.float32]

__all__ = ["Extractor", "Statistics"]

# librosa's defaults, also used by the functions of `emotionrecog.features`.
ROLL_PERCENT = 0.85
FLOOR = 1e-10
TOP_DB = 80.0
CROSSING_THRESHOLD = 1e-10
DELTA_WIDTH = 9

# Squares of peaks in this range neither overflow nor underflow.
SAFE_PEAKS = (1e-9, 1e9)


@dataclasses.dataclass(frozen=True, eq=False)
class Statistics:
    """Mean and standard deviation of each feature over training data.

    Parameters
    ----------
    mean, deviation
        Shape (n_features,). Constant features have deviation 1.

    Raises
    ------
    ValueError
        If the two are not finite and of one shape, or a deviation is not positive.
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Validate the fields."""
        mean, deviation = np.asarray(self.mean), np.asarray(self.deviation)
        if (
            mean.ndim != 1
            or mean.shape != deviation.shape
            or not np.isfinite(mean).all()
            or not np.isfinite(deviation).all()
            or not (deviation > 0).all()
        ):
            raise ValueError(
                "`mean` and `deviation` must be finite, of one shape (n_features,), and deviations "
                f"positive; got shapes {mean.shape} and {deviation.shape}"
            )

    @classmethod
    def of(cls, recordings: Iterable[NDArray[np.float32]]) -> Self:
        """Compute the statistics of recordings, shape (n_frames, n_features) or (n_features,).

        Raises
        ------
        ValueError
            If there are none.

        Examples
        --------
        >>> import numpy as np
        >>> Statistics.of([np.zeros((2, 1)), np.full((2, 1), 4.0)])
        Statistics(mean=array([2.], dtype=float32), deviation=array([2.], dtype=float32))
        """
        # Means and squared deviations are merged recording by recording (Chan et al. 1979), for
        # numerical stability.
        n, mean, spread = 0, np.zeros(0), np.zeros(0)
        for recording in recordings:
            rows = np.atleast_2d(recording).astype(np.float64)
            if n == 0:
                mean, spread = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
            difference = rows.mean(axis=0) - mean
            spread += ((rows - rows.mean(axis=0)) ** 2).sum(axis=0)
            spread += difference**2 * n * len(rows) / (n + len(rows))
            mean += difference * len(rows) / (n + len(rows))
            n += len(rows)
        if n == 0:
            raise ValueError("`recordings` must hold at least one recording")
        return cls(mean.astype(np.float32), _positive(np.sqrt(spread / n)))


def _positive(deviation: NDArray[Any]) -> Array:
    """Return deviations as divisors: 1 for features that do not vary beyond rounding."""
    result = deviation.astype(np.float32)
    result[result < np.finfo(np.float32).eps] = 1.0
    return result


class _Clip:
    """One recording with intermediate results, each computed when first needed."""

    def __init__(self, samples: Array, spec: FeatureSpec, bands: frames.Bands | None) -> None:
        self.samples, self.spec, self._bands = samples, spec, bands

    @property
    def frequencies(self) -> NDArray[np.float64]:
        return np.arange(self.spec.n_bins) * np.float64(self.spec.sampling_rate) / self.spec.n_fft

    @cached_property
    def padded(self) -> Array:
        return np.pad(self.samples, self.spec.n_fft // 2)

    @cached_property
    def power(self) -> Array:
        spec = self.spec
        return frames.power_spectrogram(
            self.padded, spec.n_fft, spec.hop_length, spec.win_length, center=False
        )

    @cached_property
    def magnitude(self) -> Array:
        return np.sqrt(self.power)

    @cached_property
    def total(self) -> Array:
        return frames.total(self.magnitude)

    @cached_property
    def centroid(self) -> Array:
        return frames.centroid(self.magnitude, self.total, self.frequencies)

    @cached_property
    def mel(self) -> Array:
        assert self._bands is not None
        return self._bands.sum(self.power)

    @cached_property
    def mel_db(self) -> Array:
        return frames.decibels(self.mel, zero_db=0.0, amin=FLOOR, top_db=TOP_DB)

    @cached_property
    def pitch(self) -> tuple[Array, Array]:
        spec = self.spec
        return pitch_of_frames(
            self.samples, spec.sampling_rate, *spec.f0_range, spec.n_fft, spec.hop_length
        )

    def zero_crossing_rate(self) -> Array:
        spec = self.spec
        padded = np.pad(self.samples, spec.n_fft // 2, mode="edge")
        counts = frames.zero_crossings(
            padded, spec.n_fft, spec.hop_length, threshold=CROSSING_THRESHOLD, zero_pos=True
        )
        return (counts / spec.n_fft).astype(np.float32)

    def band_energy_ratio(self) -> Array:
        split = int(np.searchsorted(self.frequencies, self.spec.split_frequency))
        return frames.band_energy_ratio(self.power, split)

    def mfcc(self) -> Array:
        return self.mel_db @ frames.dct_matrix(self.spec.n_mels, self.spec.n_mfcc)

    def log_mel(self) -> Array:
        features: Array = np.log(self.relative_mel() + np.float32(self.spec.log_offset))
        return features

    def relative_mel(self) -> Array:
        peak = float(np.abs(self.samples).max())
        if peak == 0:
            raise AudioError("silent: all samples are equal; expected a voice")
        if SAFE_PEAKS[0] < peak < SAFE_PEAKS[1]:
            return relative_to_voice(self.mel)
        scaled = _Clip(self.samples / np.float32(peak), self.spec, self._bands)
        return relative_to_voice(scaled.mel)


# The function of each feature; its result has shape (n_frames,) or (n_frames, n_columns).
_MEASURES: Mapping[str, Callable[[_Clip], Array]] = {
    "rms": lambda clip: frames.rms(clip.padded, clip.spec.n_fft, clip.spec.hop_length),
    "zero_crossing_rate": _Clip.zero_crossing_rate,
    "band_energy_ratio": _Clip.band_energy_ratio,
    "spectral_centroid": lambda clip: clip.centroid,
    "spectral_bandwidth": lambda clip: frames.bandwidth(
        clip.magnitude, clip.total, clip.frequencies, clip.centroid
    ),
    "spectral_rolloff": lambda clip: frames.rolloff(clip.magnitude, clip.frequencies, ROLL_PERCENT),
    "spectral_flatness": lambda clip: frames.flatness(clip.power, FLOOR),
    "spectral_contrast": lambda clip: descriptors.contrast_of_frames(
        clip.magnitude, clip.spec.sampling_rate, clip.spec.n_fft
    ),
    "chroma": lambda clip: descriptors.chroma_of_frames(
        clip.power, clip.spec.sampling_rate, clip.spec.n_fft
    ),
    "f0": lambda clip: clip.pitch[0],
    "voicing": lambda clip: clip.pitch[1],
    "mfcc": _Clip.mfcc,
    "mel": lambda clip: clip.mel,
    "mel_db": lambda clip: clip.mel_db,
    "log_mel": _Clip.log_mel,
    "magnitude": lambda clip: clip.magnitude,
}


class Extractor:
    """Compute the features of a `FeatureSpec` from the samples of a recording.

    The signal is framed and transformed once, and all features are derived from that spectrum; the
    values equal those of the functions of `emotionrecog.features`.

    Parameters
    ----------
    spec
        The features to compute.
    statistics
        Statistics of training data, needed if ``spec.normalization == "corpus"``.

    Raises
    ------
    ValueError
        If some mel bands of `spec` lie between two frequencies of the transform and are empty; if
        `statistics` do not fit the spec.

    Examples
    --------
    >>> from emotionrecog import audio
    >>> from emotionrecog.features import FeatureSpec
    >>> extract = Extractor(FeatureSpec(features=("rms", "spectral_centroid", "mfcc")))
    >>> clip = audio.load("examples/clip.wav", sampling_rate=extract.spec.sampling_rate)
    >>> extract(clip.samples).shape[1] == len(extract.spec.feature_names)
    True

    The level of the voice does not change the features of the networks:

    >>> import numpy as np
    >>> extract = Extractor(FeatureSpec())
    >>> bool(np.allclose(extract(clip.samples), extract(0.001 * clip.samples), atol=1e-3))
    True
    """

    def __init__(self, spec: FeatureSpec, statistics: Statistics | None = None) -> None:
        self.spec, self.statistics = spec, statistics
        n_features = len(spec.feature_names)
        if statistics is not None and spec.normalization != "corpus":
            raise ValueError(
                f"`statistics` need spec.normalization to be 'corpus', got {spec.normalization!r}"
            )
        if statistics is not None and statistics.mean.shape != (n_features,):
            raise ValueError(
                f"`statistics` must be of the {n_features} features of `spec`, got "
                f"{len(statistics.mean)}"
            )
        self._bands = None
        if {"mfcc", "mel", "mel_db", "log_mel"} & set(spec.features):
            self._bands = frames.Bands(_mel_weights(spec))

    def __call__(self, samples: ArrayLike) -> Array:
        """Return the features of a mono signal at ``spec.sampling_rate``.

        Parameters
        ----------
        samples
            Floating-point, shape (n_samples,), relative to full scale.

        Returns
        -------
        ndarray of float32, shape (n_frames, n_features)
            Columns in the order of ``spec.feature_names``. ``n_frames`` is ``spec.n_frames`` or, by
            default, ``1 + n_samples // spec.hop_length``, because frames are centred and both ends
            are padded with zeros. With ``spec.functionals``, shape (n_features,).

        Raises
        ------
        AudioError
            If the samples are not one-dimensional, floating-point and finite, or empty; for
            ``log_mel``, if all are equal.
        ValueError
            If ``spec.normalization`` is ``"corpus"`` and there are no statistics.
        """
        return self.finish(self.measure(samples))

    def measure(self, samples: ArrayLike) -> Array:
        """Return the features as a call does, but neither normalised nor cut or padded."""
        spec = self.spec
        clip = self._clip(samples)
        parts = [_MEASURES[name](clip) for name in spec.features]
        features = np.column_stack(parts)
        if spec.deltas:
            orders = range(1, spec.deltas + 1)
            changes = [
                delta(features, width=DELTA_WIDTH, order=order, axis=0, mode="nearest")
                for order in orders
            ]
            features = np.concatenate([features, *changes], axis=1)
        if spec.functionals:
            return self._sum_up(features)
        return features.astype(np.float32, copy=False)

    def finish(self, features: Array) -> Array:
        """Normalise, cut and pad features from `measure`."""
        spec = self.spec
        if spec.normalization in ("utterance", "spectrogram"):
            axis = 0 if spec.normalization == "utterance" else None
            deviation = _positive(np.atleast_1d(features.std(axis=axis, dtype=np.float64)))
            features = (features - features.mean(axis=axis, dtype=np.float64)) / deviation
        elif spec.normalization == "corpus":
            if self.statistics is None:
                raise ValueError(
                    "normalization 'corpus' needs the `statistics` of training data: "
                    "Extractor(spec, Statistics.of(...)), or those of `extract_corpus`"
                )
            features = (features - self.statistics.mean) / self.statistics.deviation
        if spec.n_frames is not None:
            excess = max(0, len(features) - spec.n_frames)
            features = features[excess // 2 : excess // 2 + spec.n_frames]
            features = np.pad(features, ((0, spec.n_frames - len(features)), (0, 0)))
        return features.astype(np.float32, copy=False)

    def relative_mel(self, samples: ArrayLike) -> Array:
        """Return mel power relative to the level of the voice: ``log_mel`` before its logarithm.

        Spectrograms are augmented in this domain, because powers of sources add up.

        Returns
        -------
        ndarray of float32, shape (n_frames, n_mels)

        Raises
        ------
        AudioError
            As in a call.
        """
        return self._clip(samples).relative_mel()

    def _clip(self, samples: ArrayLike) -> _Clip:
        y = np.asarray(samples)
        if not np.issubdtype(y.dtype, np.floating):
            raise AudioError(
                f"samples must be floating-point, relative to full scale, got {y.dtype}; "
                "emotionrecog.audio.load((samples, sampling_rate)) converts integers"
            )
        y = y.astype(np.float32, copy=False)
        if y.ndim != 1 or len(y) == 0:
            raise AudioError(
                f"samples must have one dimension and at least one sample, got shape {y.shape}"
            )
        if not np.isfinite(y).all():
            raise AudioError("samples must be finite, got NaN or infinite samples")
        if self.spec.remove_offset:
            y = y - y.mean(dtype=np.float64).astype(np.float32)
        return _Clip(y, self.spec, self._bands)

    def _sum_up(self, features: Array) -> Array:
        spec = self.spec
        step = spec.hop_length / spec.sampling_rate
        result = functionals(features, spec.functionals, step=step)
        if "f0" in spec.features:
            column = spec.feature_names.index(f"f0_{spec.functionals[0]}")
            voiced = features[features[:, column] > 0, column, np.newaxis]
            of_voiced = (
                functionals(voiced, spec.functionals, step=step) if len(voiced) else np.float32(0)
            )
            result[column :: features.shape[1]] = of_voiced
        return result


def _mel_weights(spec: FeatureSpec) -> Array:
    """Return the filterbank, pre-emphasis included, shape (n_mels, n_bins)."""
    slaney = spec.mel_scale == "slaney"
    weights = mel_filterbank(
        sr=spec.sampling_rate,
        n_fft=spec.n_fft,
        n_mels=spec.n_mels,
        fmin=spec.fmin,
        fmax=spec.fmax,
        htk=not slaney,
        norm="slaney" if slaney else None,
    )
    if spec.preemphasis == 0:
        return weights
    # A first difference scales each bin's power, so it is a factor of the filterbank's columns.
    phase = 2.0 * math.pi * np.arange(spec.n_bins) / spec.n_fft
    emphasis = 1.0 + spec.preemphasis**2 - 2.0 * spec.preemphasis * np.cos(phase)
    return (weights * emphasis).astype(np.float32)
