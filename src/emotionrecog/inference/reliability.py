"""Whether a recording is one that a recogniser can be believed on, and how sure it may be.

`AcousticProfile` measures what distinguishes a recording of speech from anything else, at next to
no cost beside the prediction; `Reference` is what the recordings of training were like;
`warnings_for` says in words what is wrong. `LabelSets` turn probabilities into sets of emotions
that contain the right one as often as they say. None of this recognises words: acted emotions in an
unknown language pass, and so does a parrot.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from emotionrecog.features import Extractor, FeatureSpec
from emotionrecog.features.frames import dct_matrix
from emotionrecog.splits.dividing import speaker_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["AcousticProfile", "LabelSets", "Reference", "Sound", "warnings_for"]

# The bounds below were set so that they lie outside of nearly all recordings of four corpora:
# docs/background/calibration.md has how many pass, and which other sounds do not.

# Quieter voices, in dB of full scale, leave few of the steps of 16 bits.
QUIET_DB = -65.0
# Of the samples above half of the peak, the share within 5 % of it: it grows with flat tops, and is
# so large where a third of the answers change.
FLAT = 0.35
# Deviation of the level in dB, of frames of 20 ms within 30 dB of the loudest.
MODULATION_DB = 2.0
# Autocorrelation at the period of a voice, of the three frames where it is highest.
PERIODICITY = 0.33
# Deviation of the pitch, in semitones, of loud frames that are periodic throughout.
PITCH_SPREAD = 0.1
# In s of sound, where nothing is known of training.
SHORTEST = 1.0

_LEVEL_FRAME, _LEVEL_RANGE_DB = 0.02, 30.0  # s, dB
# The pitch is looked for in the loudest frames of so many s, at a lower sampling rate.
_PITCH_FRAME, _PITCH_FRAMES, _PITCH_RATE = 0.05, 16, 8000
_PITCH_HZ = (60.0, 500.0)
_TO_BE_SURE = 8  # frames

# Cepstral coefficients of the log-mel frames that are within 5 of the loudest in the mean over
# bands, natural logarithms.
_COEFFICIENTS, _VOICE_RANGE = 14, 5.0

# Part of the variance that is added to each, against directions in which nothing varies.
_SHRINKAGE = 1e-3

# Share of recordings of unheard speakers that are not called far; and of training recordings whose
# durations are told, at each end.
_NEAR = 0.99
_BEYOND = 0.001


@dataclass(frozen=True)
class Sound:
    """What a recording is like, as far as trust depends on it.

    Parameters
    ----------
    duration
        Of what is between the silence before and after, in s.
    level_db
        Of the voice, in dB relative to full scale.
    flatness
        Of the samples above half of the peak, the share within 5 % of it.
    modulation_db
        Deviation of the level over time, without pauses.
    periodicity
        Normalised autocorrelation at the period of a voice, of the changes from sample to sample in
        the three frames where it is highest; 1 is perfectly periodic.
    pitch_spread
        Deviation of the pitch in semitones over the loudest frames; NaN where these are too few or
        not all periodic.
    shape : ndarray of float64, shape (28,)
        Means, then deviations, of cepstral coefficients of the log-mel spectrum.
    """

    duration: float
    level_db: float
    flatness: float
    modulation_db: float
    periodicity: float
    pitch_spread: float
    shape: Array


class AcousticProfile:
    """Measures a recording, with the frames that the network is fed where these will do.

    Parameters
    ----------
    spec
        What the network is fed.
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
            own = _log_mel(spec.sampling_rate)
            self._extract, n_bands = Extractor(own), own.n_mels
        n_coefficients = min(_COEFFICIENTS, n_bands)
        self._cosines = dct_matrix(n_bands, n_coefficients).astype(np.float32)
        self.n_values = 2 * n_coefficients  # of `Sound.shape`

    def moments(self, samples: NDArray[np.float32], fed: NDArray[np.float32]) -> Array:
        """Sum up a window, so that many windows take no more memory than one.

        Parameters
        ----------
        samples
            Of the window, shape (n_samples,).
        fed
            What the network is fed of it.

        Returns
        -------
        ndarray of float64, shape (3, n_coefficients)
            Number of frames, sums and sums of squares of the cepstral coefficients.
        """
        frames = fed if self._extract is None else self._extract(samples)
        coefficients = frames @ self._cosines
        # The first of them is the mean over bands, but for a factor.
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
            Of each of its windows.
        """
        centred = samples - samples.mean(dtype=np.float64).astype(np.float32)
        size = np.abs(centred)
        peak = float(size.max())
        n_loud = int(np.count_nonzero(size > 0.5 * peak))
        n_flat = int(np.count_nonzero(size > 0.95 * peak))
        power = _powers(centred, max(1, round(_LEVEL_FRAME * self.sampling_rate)))
        loudest = float(power.max())
        active = power[power >= loudest * 10 ** (-_LEVEL_RANGE_DB / 10)]
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
    """Return frames to measure where the network is fed something else."""
    window = round(0.025 * sampling_rate)
    return FeatureSpec(
        sampling_rate=sampling_rate,
        n_fft=2 ** math.ceil(math.log2(2 * window)),
        win_length=window,
        hop_length=round(0.01 * sampling_rate),
        n_mels=24,
        fmax=sampling_rate / 2,
    )


def _powers(samples: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Return the mean square of each frame; of the whole, if it is shorter than one."""
    size = min(size, len(samples))
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    powers: NDArray[np.float32] = np.einsum("ij,ij->i", frames, frames) / np.float32(size)
    return powers


def _pitch(samples: NDArray[np.float32], sampling_rate: int) -> tuple[float, float]:
    """Return how periodic the loudest frames are, and the deviation of their pitch."""
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
    # The steps between samples: noise whose spectrum falls is alike over some milliseconds.
    frames = np.diff(frames, axis=1)
    size -= 1
    shortest, longest = math.floor(rate / _PITCH_HZ[1]), math.ceil(rate / _PITCH_HZ[0])
    longest = min(longest, size - 1)
    if longest <= shortest:  # a few milliseconds
        return 0.0, math.nan
    # Long enough for no lag to wrap around, and a product of small numbers.
    spectrum = np.fft.rfft(frames, 60 * math.ceil((size + longest) / 60))
    correlation = np.fft.irfft(spectrum.real**2 + spectrum.imag**2)
    lags = np.arange(shortest, longest + 1)
    # Fewer samples overlap at longer lags.
    found = correlation[:, lags] / (1 - lags / size)
    found /= correlation[:, :1] + np.finfo(np.float32).tiny
    best = found.argmax(axis=1)
    highest = found[np.arange(len(found)), best]
    periodicity = float(np.sort(highest)[-3:].mean())
    if len(frames) < _TO_BE_SURE or (highest < PERIODICITY).any():
        return periodicity, math.nan
    return periodicity, float(12 * np.log2(lags[best]).std())


@dataclass(frozen=True)
class Reference:
    """What the recordings of training were like.

    Parameters
    ----------
    mean : ndarray of float64, shape (n,)
        Of `Sound.shape`.
    whitening : ndarray of float64, shape (n, n)
        Makes the differences from the mean uncorrelated and of variance 1.
    limit
        The distance that 99 % of the recordings of unheard speakers are within.
    durations
        Of nearly all recordings, in s: the shortest and the longest.

    Raises
    ------
    ValueError
        If the arrays do not fit together, or a number is not finite or not positive.
    """

    mean: Array
    whitening: Array
    limit: float
    durations: tuple[float, float]

    def __post_init__(self) -> None:
        """Refuse what nothing can be compared with."""
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
        """Sum up recordings; corpora count equally, however large they are.

        The limit comes from speakers that had no part in what they were compared with.

        Parameters
        ----------
        sounds
            Of two or more speakers.
        corpora, speakers
            Of each.

        Raises
        ------
        ValueError
            If there are fewer than two speakers.
        """
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
            own = part == number
            mean, whitening = _summed_up(shapes[~own], weights[~own])
            distances[own] = _distances(shapes[own], mean, whitening)
        durations = np.array([sound.duration for sound in sounds])
        shortest, longest = (
            weighted_quantile(durations, weights, share) for share in (_BEYOND, 1 - _BEYOND)
        )
        mean, whitening = _summed_up(shapes, weights)
        return cls(
            mean=mean,
            whitening=whitening,
            limit=weighted_quantile(distances, weights, _NEAR),
            durations=(shortest, longest),
        )

    def distance(self, sound: Sound) -> float:
        """Return how many deviations a recording is away from the mean of training."""
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
            If an entry is missing or makes no sense.
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
    """Return numbers of six digits, which are enough and much shorter."""
    return [float(f"{value:.6g}") for value in values]


def _summed_up(shapes: Array, weights: Array) -> tuple[Array, Array]:
    weights = weights / weights.sum()
    mean = weights @ shapes
    centred = shapes - mean
    covariance = centred.T @ (centred * weights[:, np.newaxis])
    added = max(_SHRINKAGE * np.trace(covariance) / len(mean), 1e-9)
    covariance += added * np.eye(len(mean))
    return mean, np.linalg.inv(np.linalg.cholesky(covariance))


def _distances(shapes: Array, mean: Array, whitening: Array) -> Array:
    distances: Array = np.linalg.norm((shapes - mean) @ whitening.T, axis=1)
    return distances


def weighted_quantile(values: Array, weights: Array, share: float) -> float:
    """Return the least of the values that so much of the weight does not exceed.

    Examples
    --------
    >>> import numpy as np
    >>> float(weighted_quantile(np.array([3.0, 1.0, 2.0]), np.ones(3), 0.5))
    2.0
    """
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    place = min(int(np.searchsorted(reached, share - 1e-12)), len(values) - 1)
    return float(values[order][place])


def warnings_for(sound: Sound, reference: Reference | None = None) -> tuple[str, ...]:
    """Say what speaks against believing the answer to a recording.

    Parameters
    ----------
    sound
        What the recording is like.
    reference
        What training was like; where it is not known, nothing is far from it.

    Returns
    -------
    tuple of str
        Plain words; empty if there is nothing.

    Examples
    --------
    >>> import numpy as np
    >>> sound = Sound(0.6, -30.0, 0.01, 7.0, 0.9, 3.0, np.zeros(28))
    >>> warnings_for(sound)
    ('too short: 0.60 s of sound, 1 s or more are needed',)
    """
    return tuple(_doubts(sound, reference))


def _doubts(sound: Sound, reference: Reference | None) -> Iterator[str]:
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
            f"clipped: {100 * sound.flatness:.0f} % of the loud samples are at the peak, as where "
            "a recording was too loud"
        )
    if sound.modulation_db < MODULATION_DB:
        yield "no speech: the level hardly varies, as that of hum or steady noise"
    elif sound.periodicity < PERIODICITY:
        yield "no speech: nothing in it has the pitch of a voice"
    elif sound.pitch_spread < PITCH_SPREAD:  # NaN where it is not known
        yield "no speech: the pitch does not move"
    if reference is not None:
        distance = reference.distance(sound)
        if distance > reference.limit:
            yield (
                f"far from training data: the spectrum is {distance:.1f} deviations away, that of "
                f"99 % of voices within {reference.limit:.1f}"
            )


@dataclass(frozen=True)
class LabelSets:
    """How improbable an emotion may be and still belong into the answer, for each coverage.

    An emotion is in the set if one less its probability is no more than the limit.

    Parameters
    ----------
    coverages
        Rising, from 0.5 to 0.99.
    limits
        As many, from 0 to 1.

    Raises
    ------
    ValueError
        If they are not as said.
    """

    coverages: tuple[float, ...]
    limits: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse what no sets can be made by."""
        coverages, limits = np.array(self.coverages), np.array(self.limits)
        if (
            not self.coverages
            or coverages.shape != limits.shape
            or not (np.diff(coverages) > 0).all()
            or not (np.diff(limits) >= 0).all()
            or not ((coverages > 0) & (coverages < 1) & (limits >= 0) & (limits <= 1)).all()
        ):
            raise ValueError("`coverages` and `limits` must rise, be as many and from 0 to 1")

    def limit(self, coverage: float) -> float:
        """Return the limit of the least coverage known that is no lower.

        Raises
        ------
        ValueError
            If `coverage` is outside of those known.
        """
        require_share("coverage", coverage)
        if not self.coverages[0] <= coverage <= self.coverages[-1]:
            raise ValueError(
                f"`coverage` must be from {self.coverages[0]:g} to {self.coverages[-1]:g}, "
                f"got {coverage!r}"
            )
        return self.limits[int(np.searchsorted(self.coverages, coverage - 1e-9))]

    def of(self, probabilities: NDArray[np.floating[Any]], coverage: float) -> list[int]:
        """Return the numbers of the emotions in the set, the most probable first; never none.

        Parameters
        ----------
        probabilities
            Of each emotion, shape (n_labels,).
        coverage
            How often the set shall hold the right emotion.

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
            If one is missing or makes no sense.
        """
        try:
            return cls(tuple(map(float, values["coverages"])), tuple(map(float, values["limits"])))
        except (KeyError, TypeError) as error:
            raise ValueError(f"`label_sets` must have other entries: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Return the values under their names, ready for JSON."""
        return {"coverages": list(self.coverages), "limits": list(self.limits)}


def require_share(name: str, value: object) -> None:
    """Raise `ValueError` where a value is no number above 0 and below 1."""
    number = isinstance(value, int | float | np.floating) and not isinstance(value, bool)
    if not number or not 0 < value < 1:  # type: ignore[operator]
        raise ValueError(f"`{name}` must be a number above 0 and below 1, got {value!r}")
