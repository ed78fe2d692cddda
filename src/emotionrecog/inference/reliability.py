"""Decide whether an answer is reliable, and which emotions are possible.

`AcousticProfile` measures what distinguishes a recording of speech from other sounds, at little
cost beside the prediction; `Reference` summarises the recordings of training; `warnings_for` says
in words why an answer may be wrong. `LabelSets` turn probabilities into sets of emotions that
contain the right one at a stated rate. None of this recognises words: acted emotions in an unknown
language pass, and so does a parrot.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from emotionrecog.errors import require_number
from emotionrecog.features import Extractor, FeatureSpec
from emotionrecog.features.frames import dct_matrix
from emotionrecog.features.mel import active_power
from emotionrecog.text import percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["AcousticProfile", "LabelSets", "Reference", "Sound", "warnings_for"]

# Nearly all recordings of four corpora are within the bounds below. docs/background/calibration.md
# says how many are, and which other sounds are not.

# Quieter voices, in dB of full scale, use few of the steps of 16 bits.
QUIET_DB = -65.0
# Share of the samples above half of the peak that are within 5 % of it. It grows with clipping, and
# a third of the answers change if it is as large as this.
FLAT = 0.35
# Standard deviation of the level in dB, over frames of 20 ms within 30 dB of the loudest.
MODULATION_DB = 2.0
# Autocorrelation at the period of a voice, in the three frames with the highest.
PERIODICITY = 0.33
# Standard deviation of the pitch in semitones, if all of the loud frames are periodic.
PITCH_SPREAD = 0.1
# In s of sound, if the durations of the training data are unknown.
SHORTEST = 1.0

_LEVEL_FRAME = 0.02  # s
# The pitch is estimated in the loudest frames, at a lower sampling rate: length of a frame in s,
# number of frames, and sampling rate in Hz.
_PITCH_FRAME, _PITCH_FRAMES, _PITCH_RATE = 0.05, 16, 8000
_PITCH_HZ = (60.0, 500.0)
_FEWEST_PITCHES = 8  # frames

# Cepstral coefficients are taken of the log-mel frames whose mean over bands is within 5 (natural
# logarithm) of the loudest.
_COEFFICIENTS, _VOICE_RANGE = 14, 5.0

# Share of the mean variance that is added to every direction, because some do not vary at all.
_SHRINKAGE = 1e-3

# Share of the recordings of unseen speakers within the limit of the distance.
_NEAR = 0.99
# Share of training recordings, at each end, whose durations are disregarded.
_BEYOND = 0.001


@dataclass(frozen=True)
class Sound:
    """The properties of a recording that decide whether an answer is reliable.

    Parameters
    ----------
    duration
        Duration in s, without silence before and after.
    level_db
        Level of the voice, in dB relative to full scale.
    flatness
        Share of the samples above half of the peak that are within 5 % of it.
    modulation_db
        Standard deviation of the level over time, without pauses.
    periodicity
        Normalised autocorrelation at the period of a voice, of the differences between samples in
        the three frames with the highest; 1 is perfectly periodic.
    pitch_spread
        Standard deviation of the pitch in semitones over the loudest frames; NaN if there are too
        few or not all are periodic.
    shape : ndarray of float64, shape (28,)
        Means, then standard deviations, of cepstral coefficients of the log-mel spectrum.

    Examples
    --------
    >>> from emotionrecog import EmotionRecognizer
    >>> sound = EmotionRecognizer().sound("examples/clip.wav")
    >>> sound.level_db > QUIET_DB, sound.flatness < FLAT
    (True, True)
    """

    duration: float
    level_db: float
    flatness: float
    modulation_db: float
    periodicity: float
    pitch_spread: float
    shape: Array


class AcousticProfile:
    """Measures a recording, from the input of the network if that is a log-mel spectrum.

    Parameters
    ----------
    spec
        The features that are the input of the network.

    Examples
    --------
    >>> import numpy as np
    >>> spec = FeatureSpec()
    >>> profile = AcousticProfile(spec)
    >>> samples = np.random.default_rng(0).normal(size=32000).astype(np.float32)
    >>> moments = profile.moments(samples, Extractor(spec)(samples))
    >>> round(profile.measure(samples, [moments]).duration, 1)
    2.0
    """

    def __init__(self, spec: FeatureSpec) -> None:
        self.sampling_rate = spec.sampling_rate
        self._extract = None
        n_bands = spec.n_mels
        if (
            spec.features != ("log_mel",)
            or spec.deltas
            or spec.functionals
            or spec.n_frames
            or (spec.normalization != "none")
        ):
            log_mel = _log_mel(spec.sampling_rate)
            self._extract, n_bands = Extractor(log_mel), log_mel.n_mels
        n_coefficients = min(_COEFFICIENTS, n_bands)
        self._cosines = dct_matrix(n_bands, n_coefficients).astype(np.float32)
        self.n_values = 2 * n_coefficients  # of `Sound.shape`

    def moments(self, samples: NDArray[np.float32], features: NDArray[np.float32]) -> Array:
        """Sum over the frames of a window, so that many windows take no more memory than one.

        Parameters
        ----------
        samples
            The window, shape (n_samples,).
        features
            Its features, shape (n_frames, n_features).

        Returns
        -------
        ndarray of float64, shape (3, n_coefficients)
            Number of frames, sums and sums of squares of the cepstral coefficients.
        """
        frames = features if self._extract is None else self._extract(samples)
        coefficients = frames @ self._cosines
        # The first of them is the mean over bands, except for a factor.
        level = coefficients[:, 0] / (len(self._cosines) * self._cosines[0, 0])
        coefficients = coefficients[level > level.max() - _VOICE_RANGE]
        return np.stack(
            [
                np.full(coefficients.shape[1], len(coefficients), dtype=np.float64),
                coefficients.sum(axis=0, dtype=np.float64),
                np.einsum("ij,ij->j", coefficients, coefficients).astype(np.float64),
            ]
        )

    def measure(self, samples: NDArray[np.float32], moments: Sequence[Array]) -> Sound:
        """Measure a recording.

        Parameters
        ----------
        samples
            Without silence before and after, shape (n_samples,), at the sampling rate of the spec.
        moments
            The moments of each of its windows.
        """
        centred = samples - samples.mean(dtype=np.float64).astype(np.float32)
        size = np.abs(centred)
        peak = float(size.max())
        n_loud = int(np.count_nonzero(size > 0.5 * peak))
        n_flat = int(np.count_nonzero(size > 0.95 * peak))
        active = active_power(centred, self.sampling_rate, _LEVEL_FRAME)
        level = 10 * math.log10(max(float(active.mean()), 1e-30))
        periodicity, spread = _pitch(centred, self.sampling_rate)
        n_frames, sums, squares = np.sum(moments, axis=0)
        means = sums / n_frames
        deviations = np.sqrt(np.maximum(squares / n_frames - means**2, 0.0))
        return Sound(
            duration=len(samples) / self.sampling_rate,
            level_db=level,
            flatness=n_flat / max(n_loud, 1),
            modulation_db=float((10 * np.log10(np.maximum(active, 1e-30))).std()),
            periodicity=periodicity,
            pitch_spread=spread,
            shape=np.concatenate([means, deviations]),
        )


def _log_mel(sampling_rate: int) -> FeatureSpec:
    """Return log-mel features to measure if the input of the network is something else."""
    window = round(0.025 * sampling_rate)
    return FeatureSpec(
        sampling_rate=sampling_rate,
        n_fft=2 ** math.ceil(math.log2(2 * window)),
        win_length=window,
        hop_length=round(0.01 * sampling_rate),
        n_mels=24,
        fmax=sampling_rate / 2,
    )


def _pitch(samples: NDArray[np.float32], sampling_rate: int) -> tuple[float, float]:
    """Return the periodicity of the loudest frames, and the standard deviation of their pitch."""
    step = max(1, sampling_rate // _PITCH_RATE)
    if len(samples) < step:
        return 0.0, math.nan
    if step > 1:
        taps = np.full(step, 1 / step, dtype=np.float32)
        samples = samples[: len(samples) // step * step].reshape(-1, step) @ taps
    rate = sampling_rate / step
    size = min(round(_PITCH_FRAME * rate), len(samples))
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    if len(frames) > _PITCH_FRAMES:
        power = np.einsum("ij,ij->i", frames, frames)
        frames = frames[np.argpartition(power, -_PITCH_FRAMES)[-_PITCH_FRAMES:]]
    # Differences, because noise whose spectrum falls correlates over some milliseconds.
    frames = np.diff(frames, axis=1)
    size -= 1
    shortest, longest = math.floor(rate / _PITCH_HZ[1]), math.ceil(rate / _PITCH_HZ[0])
    longest = min(longest, size - 1)
    if longest <= shortest:  # a few milliseconds
        return 0.0, math.nan
    # Long enough that no lag wraps around, and a product of small numbers.
    spectrum = np.fft.rfft(frames, 60 * math.ceil((size + longest) / 60))
    correlation = np.fft.irfft(spectrum.real**2 + spectrum.imag**2)
    lags = np.arange(shortest, longest + 1)
    # Fewer samples overlap at longer lags.
    normalised = correlation[:, lags] / (1 - lags / size)
    normalised /= correlation[:, :1] + np.finfo(np.float32).tiny
    best = normalised.argmax(axis=1)
    highest = normalised[np.arange(len(normalised)), best]
    periodicity = float(np.sort(highest)[-3:].mean())
    if len(frames) < _FEWEST_PITCHES or (highest < PERIODICITY).any():
        return periodicity, math.nan
    return periodicity, float(12 * np.log2(lags[best]).std())


@dataclass(frozen=True)
class Reference:
    """A summary of the recordings of training.

    Parameters
    ----------
    mean : ndarray of float64, shape (n,)
        Mean of `Sound.shape`.
    whitening : ndarray of float64, shape (n, n)
        Makes the differences from the mean uncorrelated and of variance 1.
    limit
        The distance within which 99 % of the recordings of unseen speakers are.
    durations
        The shortest and the longest duration of nearly all recordings, in s.

    Raises
    ------
    ValueError
        If the arrays do not fit together, or a number is not finite or not positive.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> sounds = [Sound(2.0, -30.0, 0.01, 7.0, 0.9, 3.0, rng.normal(size=28)) for _ in range(100)]
    >>> reference = Reference.of(sounds, ["mine"] * 100, ["mine/1", "mine/2"] * 50)
    >>> reference.durations, reference.distance(sounds[0]) < reference.limit
    ((2.0, 2.0), True)
    """

    mean: Array
    whitening: Array
    limit: float
    durations: tuple[float, float]

    def __post_init__(self) -> None:
        """Validate the fields."""
        n = len(self.mean)
        if self.mean.ndim != 1 or n % 2 or self.whitening.shape != (n, n):
            raise ValueError(
                "`mean` and `whitening` must be of shapes (n,) and (n, n), n even, got "
                f"{self.mean.shape} and {self.whitening.shape}"
            )
        shortest, longest = self.durations
        positive = np.array([self.limit, shortest, longest])
        if not (np.isfinite(self.mean).all() and np.isfinite(self.whitening).all()):
            raise ValueError("`mean` and `whitening` must be finite")
        if not (np.isfinite(positive).all() and (positive > 0).all() and shortest <= longest):
            raise ValueError(
                f"`limit` and `durations` must be positive, got {self.limit}, {self.durations}"
            )

    @classmethod
    def of(cls, sounds: Sequence[Sound], corpora: Sequence[str], speakers: Sequence[str]) -> Self:
        """Summarise recordings; corpora weigh the same, however large they are.

        The limit is determined on speakers that are not part of the summary they are compared with.

        Parameters
        ----------
        sounds
            Recordings of two or more speakers.
        corpora, speakers
            The corpus and the speaker of each recording.

        Raises
        ------
        ValueError
            If there are fewer than two speakers.

        Examples
        --------
        >>> from dataclasses import replace
        >>> from emotionrecog import EmotionRecognizer
        >>> sound = EmotionRecognizer().sound("examples/clip.wav")
        >>> sounds = [sound, replace(sound, shape=sound.shape + 1.0)]
        >>> reference = Reference.of(sounds, ["mine", "mine"], ["mine/ann", "mine/bob"])
        >>> reference.mean.shape
        (28,)
        """
        from emotionrecog.splits.dividing import speaker_parts  # not needed for prediction

        if len(set(speakers)) < 2:
            raise ValueError(
                f"a reference needs recordings of two speakers or more, got {len(set(speakers))}"
            )
        shapes = np.array([sound.shape for sound in sounds])
        names, of_corpus = np.unique(np.asarray(corpora), return_inverse=True)
        weights = 1 / (len(names) * np.bincount(of_corpus))[of_corpus]
        part = speaker_parts(corpora, speakers)
        distances = np.empty(len(shapes))
        for number in np.unique(part):
            is_inside = part == number
            mean, whitening = _mean_and_whitening(shapes[~is_inside], weights[~is_inside])
            distances[is_inside] = _distances(shapes[is_inside], mean, whitening)
        durations = np.array([sound.duration for sound in sounds])
        shortest, longest = _quantiles(durations, weights, (_BEYOND, 1 - _BEYOND))
        (limit,) = _quantiles(distances, weights, (_NEAR,))
        mean, whitening = _mean_and_whitening(shapes, weights)
        return cls(
            mean=mean,
            whitening=whitening,
            limit=limit,
            durations=(shortest, longest),
        )

    def distance(self, sound: Sound) -> float:
        """Return the distance of a recording from the mean of training, in standard deviations.

        Examples
        --------
        >>> import numpy as np
        >>> sound = Sound(2.5, -30.0, 0.01, 7.0, 0.9, 3.0, np.array([3.0, 4.0]))
        >>> reference = Reference(np.zeros(2), np.eye(2), limit=4.0, durations=(1.0, 5.0))
        >>> reference.distance(sound)
        5.0
        """
        return float(_distances(sound.shape[np.newaxis], self.mean, self.whitening)[0])

    def to_dict(self) -> dict[str, Any]:
        """Return the values under their names, ready for JSON."""
        return {
            "mean": _short(self.mean),
            "whitening": _short(self.whitening.ravel()),
            "limit": round(self.limit, 4),
            "durations": [round(duration, 3) for duration in self.durations],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_dict` returned.

        Raises
        ------
        ValueError
            If an entry is missing or invalid.

        Examples
        --------
        >>> import numpy as np
        >>> reference = Reference(np.zeros(2), np.eye(2), limit=4.0, durations=(1.0, 5.0))
        >>> Reference.from_dict(reference.to_dict()).limit
        4.0
        """
        try:
            mean = np.array(values["mean"], dtype=np.float64)
            whitening = np.array(values["whitening"], dtype=np.float64)
            shortest, longest = map(float, values["durations"])
            return cls(
                mean=mean,
                whitening=whitening.reshape(mean.size, mean.size),
                limit=float(values["limit"]),
                durations=(shortest, longest),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"`reference` must have other entries: {error}") from error


def _short(values: Array) -> list[float]:
    """Return numbers of six digits, which are precise enough and much shorter."""
    return [float(f"{value:.6g}") for value in values]


def _mean_and_whitening(shapes: Array, weights: Array) -> tuple[Array, Array]:
    weights = weights / weights.sum()
    mean = weights @ shapes
    centred = shapes - mean
    covariance = centred.T @ (centred * weights[:, np.newaxis])
    added = max(_SHRINKAGE * np.trace(covariance) / len(mean), 1e-9)
    covariance += added * np.eye(len(mean))
    return mean, np.linalg.inv(np.linalg.cholesky(covariance))


def _quantiles(values: Array, weights: Array, shares: Sequence[float]) -> list[float]:
    """Return the smallest values that the values of such shares of the weight do not exceed."""
    quantiles = np.quantile(values, shares, weights=weights, method="inverted_cdf")
    return [float(quantile) for quantile in quantiles]


def _distances(shapes: Array, mean: Array, whitening: Array) -> Array:
    distances: Array = np.linalg.norm((shapes - mean) @ whitening.T, axis=1)
    return distances


def warnings_for(sound: Sound, reference: Reference | None = None) -> tuple[str, ...]:
    """Say why the answer to a recording may be wrong.

    Parameters
    ----------
    sound
        The properties of the recording.
    reference
        The summary of training; without one, no recording is far from it.

    Returns
    -------
    tuple of str
        Reasons in plain words; empty if there are none.

    Examples
    --------
    >>> import numpy as np
    >>> sound = Sound(0.6, -30.0, 0.01, 7.0, 0.9, 3.0, np.zeros(28))
    >>> warnings_for(sound)
    ('too short: 0.60 s of sound, 1 s or more are needed',)
    """
    return tuple(_warnings(sound, reference))


def _warnings(sound: Sound, reference: Reference | None) -> Iterator[str]:
    if reference is not None and sound.duration < reference.durations[0]:
        shortest, longest = reference.durations
        yield (
            f"too short: {sound.duration:.2f} s of sound, trained on {shortest:.1f} to "
            f"{longest:.1f} s"
        )
    elif reference is None and sound.duration < SHORTEST:
        yield f"too short: {sound.duration:.2f} s of sound, {SHORTEST:g} s or more are needed"
    if sound.level_db < QUIET_DB:
        yield (
            f"too quiet: {sound.level_db:.0f} dB of full scale, {QUIET_DB:g} dB or more are needed"
        )
    if sound.flatness > FLAT:
        yield (
            f"clipped: {percent(sound.flatness, digits=0)} % of the loud samples are at the peak, "
            "as if the recording was too loud"
        )
    if sound.modulation_db < MODULATION_DB:
        yield "no speech: the level hardly varies, like that of hum or steady noise"
    elif sound.periodicity < PERIODICITY:
        yield "no speech: nothing in it has the pitch of a voice"
    elif sound.pitch_spread < PITCH_SPREAD:  # NaN if it is unknown
        yield "no speech: the pitch does not move"
    if reference is not None:
        distance = reference.distance(sound)
        if distance > reference.limit:
            yield (
                f"far from training data: the spectrum is {distance:.1f} deviations away, 99 % of "
                f"voices are within {reference.limit:.1f}"
            )


@dataclass(frozen=True)
class LabelSets:
    """Sets of emotions that contain the right one at a stated rate, the coverage.

    An emotion is in the set if one minus its probability is at most the limit of the coverage.

    Parameters
    ----------
    coverages
        Increasing, from 0.5 to 0.99.
    limits
        The limit of each, increasing, from 0 to 1.

    Raises
    ------
    ValueError
        If they are anything else.

    Examples
    --------
    >>> LabelSets((0.8, 0.9), (0.6, 0.85)).limit(0.9)
    0.85
    """

    coverages: tuple[float, ...]
    limits: tuple[float, ...]

    def __post_init__(self) -> None:
        """Validate the fields."""
        coverages, limits = np.array(self.coverages), np.array(self.limits)
        if (
            not self.coverages
            or coverages.shape != limits.shape
            or not (np.diff(coverages) > 0).all()
            or not (np.diff(limits) >= 0).all()
            or not ((coverages > 0) & (coverages < 1) & (limits >= 0) & (limits <= 1)).all()
        ):
            raise ValueError(
                "`coverages` and `limits` must be of one length, increase, and lie from 0 to 1"
            )

    def limit(self, coverage: float) -> float:
        """Return the limit of a coverage, or of the next higher one that was calibrated.

        Raises
        ------
        ValueError
            If `coverage` is not between the lowest and the highest one that were calibrated.
        """
        require_number("coverage", coverage, self.coverages[0], self.coverages[-1])
        return self.limits[int(np.searchsorted(self.coverages, coverage - 1e-9))]

    def of(self, probabilities: NDArray[np.floating[Any]], coverage: float) -> list[int]:
        """Return the numbers of the emotions in the set, the most probable first; at least one.

        Parameters
        ----------
        probabilities
            The probability of each emotion, shape (n_labels,).
        coverage
            How often the set is to contain the right emotion.

        Examples
        --------
        >>> import numpy as np
        >>> sets = LabelSets((0.8, 0.9), (0.6, 0.85))
        >>> sets.of(np.array([0.2, 0.55, 0.25]), 0.8), sets.of(np.array([0.2, 0.55, 0.25]), 0.9)
        ([1], [1, 2, 0])
        """
        limit = self.limit(coverage)
        order = np.argsort(-probabilities, kind="stable").tolist()
        inside = [i for i in order if 1 - float(probabilities[i]) <= limit + 1e-6]
        return inside or order[:1]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read ``coverages`` and ``limits``.

        Raises
        ------
        ValueError
            If one is missing or invalid.
        """
        try:
            return cls(tuple(map(float, values["coverages"])), tuple(map(float, values["limits"])))
        except (KeyError, TypeError) as error:
            raise ValueError(f"`label_sets` must have other entries: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Return the values under their names, ready for JSON."""
        return {"coverages": list(self.coverages), "limits": list(self.limits)}
