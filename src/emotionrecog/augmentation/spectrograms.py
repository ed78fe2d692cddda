"""Vary spectrograms and features: `SpectrogramAugmentation`, SpecAugment and mixup.

`SpectrogramAugmentation` makes a network robust to other voices, rooms and microphones. It works on
batches of *linear* mel power, in which sources add and rooms and microphones multiply, and is used
in training only. The level needs no augmentation, because the features do not depend on it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import scipy  # loads scipy.fft when it is first used, which takes 0.3 s

from emotionrecog.errors import require_number, require_share, require_whole
from emotionrecog.features.mel import relative_to_voice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["SpectrogramAugmentation", "fit_length", "mixup", "spec_augment"]

_SILENCE = np.float32(1e-12)  # mel power of an empty frame, relative to the voice


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpectrogramAugmentation:
    """Vary training clips at random; each draw is uniform in its range.

    Parameters
    ----------
    time_scale
        Largest relative change of duration, e.g. 0.15 for 0.85 to 1.15 times.
    mel_shift
        Largest shift along the mel axis, in bands, to simulate other vocal tracts.
    colouration_db
        Standard deviation of a smooth random frequency response, in dB, to simulate other
        microphones.
    noise_db
        Range of the level of added stationary noise relative to the voice, in dB, both measured in
        mel power, where white noise is 14 dB louder relative to a voice than in the samples.
    noise_tilt_db
        Range of the level difference of the noise between the highest and the lowest band, in dB,
        apart from smooth random peaks and valleys. 40 is about white noise, 25 pink, 0 brown.
    noise_probability, reverberation_probability
        Probability of adding noise and a room.
    narrow_probability
        Probability of keeping only some of the bands, like telephones and codecs.
    narrow_low, narrow_high
        Largest shares of the bands to silence then at the two ends.
    masks, mask_bands, mask_frames
        Number of stripes that SpecAugment masks along each axis, and their largest widths.
    mixup
        Parameter of the Beta distribution from which the shares of two mixed clips of one corpus
        are drawn; 0 for no mixing.

    Examples
    --------
    >>> import numpy as np
    >>> clip = np.random.default_rng(0).normal(size=(120, 64)).astype(np.float32)
    >>> varied = SpectrogramAugmentation().power([clip], 100, np.random.default_rng(1))
    >>> varied.shape, varied.dtype
    ((1, 100, 64), dtype('float32'))
    """

    time_scale: float = 0.12
    mel_shift: float = 3.0
    colouration_db: float = 2.5
    noise_db: tuple[float, float] = (-50.0, -10.0)
    noise_tilt_db: tuple[float, float] = (-5.0, 40.0)
    noise_probability: float = 0.4
    reverberation_probability: float = 0.15
    narrow_probability: float = 0.15
    narrow_low: float = 0.15
    narrow_high: float = 0.3
    masks: int = 1
    mask_bands: int = 12
    mask_frames: int = 24
    mixup: float = 0.2

    def __post_init__(self) -> None:
        """Validate the fields.

        Raises
        ------
        ValueError
            If a probability or a share is not from 0 to 1, a range is decreasing, or narrow
            channels could be empty.
        """
        shares = (
            "noise_probability",
            "reverberation_probability",
            "narrow_probability",
            "narrow_low",
            "narrow_high",
        )
        for name in shares:
            require_share(name, getattr(self, name))
        if self.narrow_low + self.narrow_high >= 1:
            raise ValueError(
                "`narrow_low` and `narrow_high` must leave bands between them, got "
                f"{self.narrow_low!r} and {self.narrow_high!r}"
            )
        for name in ("noise_db", "noise_tilt_db"):
            low, high = getattr(self, name)
            if not low <= high:
                raise ValueError(f"`{name}` must be increasing, got {getattr(self, name)!r}")

    def power(
        self, clips: Sequence[NDArray[np.floating]], n_frames: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Crop, stretch, shift, colour and degrade each clip.

        Parameters
        ----------
        clips
            Logarithms of mel power, each of shape (n_frames of the clip, n_mels).
        n_frames
            Number of frames to return.
        rng
            Source of all randomness.

        Returns
        -------
        ndarray of float32, shape (n_clips, n_frames, n_mels)
            Mel power relative to the level of the voice.

        Examples
        --------
        >>> import numpy as np
        >>> clips = [np.zeros((n_frames, 64), dtype=np.float32) for n_frames in (90, 120)]
        >>> SpectrogramAugmentation().power(clips, 100, np.random.default_rng(0)).shape
        (2, 100, 64)
        """
        return self._degrade(self._change_voice(clips, n_frames, rng), rng)

    def _change_voice(
        self, clips: Sequence[NDArray[np.floating]], n_frames: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Crop, stretch, shift and colour each clip, to simulate other voices and microphones."""
        batch = np.stack([self._crop(clip, n_frames, rng) for clip in clips])
        n_clips, _, n_mels = batch.shape
        if self.colouration_db:
            batch *= _decibels(self.colouration_db * _smooth_curves(n_clips, n_mels, rng))
        return relative_to_voice(batch)

    def _degrade(self, power: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Add reverberation and noise to some clips, and limit some to narrow channels."""
        batch = power.copy()
        n_clips, _, n_mels = batch.shape
        reverberant = rng.random(n_clips) < self.reverberation_probability
        batch[reverberant] += _late_reverberation(batch[reverberant], rng)
        noisy = rng.random(n_clips) < self.noise_probability
        batch[noisy] = relative_to_voice(batch[noisy])
        batch[noisy] += self._noise(batch[noisy].shape, rng)
        for clip in np.flatnonzero(rng.random(n_clips) < self.narrow_probability):
            lowest = round(n_mels * rng.uniform(0, self.narrow_low))
            highest = n_mels - round(n_mels * rng.uniform(0, self.narrow_high))
            batch[clip, :, :lowest] = _SILENCE
            batch[clip, :, highest:] = _SILENCE
        return relative_to_voice(batch)

    def _crop(
        self, clip: NDArray[np.floating], n_frames: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Crop or pad one clip, stretched in time and shifted along the mel axis."""
        speed = 1.0 + rng.uniform(-self.time_scale, self.time_scale)
        spare = len(clip) / speed - n_frames
        start = rng.uniform(min(0.0, spare), max(0.0, spare))
        times = (start + np.arange(n_frames)) * speed
        bands = np.arange(clip.shape[1]) + rng.uniform(-self.mel_shift, self.mel_shift)
        stretched = _interpolate(clip.astype(np.float32), times)
        shifted = _interpolate(stretched.T, bands).T
        result = np.exp(shifted)
        result[(times < 0) | (times > len(clip) - 1)] = _SILENCE
        return result

    def _noise(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw the mel power of stationary noise of random level and colour."""
        n_clips, _, n_mels = shape
        level = rng.uniform(*self.noise_db, (n_clips, 1, 1))
        tilt = rng.uniform(*self.noise_tilt_db, (n_clips, 1, 1)) * np.linspace(0, 1, n_mels)
        colour = _decibels(tilt + 6.0 * _smooth_curves(n_clips, n_mels, rng))
        flutter = _decibels(rng.random(shape, dtype=np.float32) * np.float32(8.0))
        noise = colour * flutter
        strength = _decibels(level) / noise.sum(axis=2, keepdims=True).mean(axis=1, keepdims=True)
        return np.asarray(noise * strength, dtype=np.float32)

    def mix(
        self,
        inputs: NDArray[np.float32],
        targets: NDArray[np.float32],
        groups: NDArray[np.intp],
        rng: np.random.Generator,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mix pairs of clips of the same group, and their targets in the same proportion.

        Parameters
        ----------
        inputs
            Mel power, or embeddings of it, shape (n_clips, ...).
        targets
            Probabilities of the emotions, shape (n_clips, n_targets).
        groups
            Number of the group of each clip, shape (n_clips,).
        rng
            Source of all randomness.

        Returns
        -------
        inputs, targets
            Arrays of the same shapes. Every clip keeps a share of at least half.

        See Also
        --------
        mixup : Mix any features.

        Examples
        --------
        >>> import numpy as np
        >>> inputs, targets = np.ones((2, 3), np.float32), np.eye(2, dtype=np.float32)
        >>> groups = np.array([0, 1])  # of two corpora, so that nothing is mixed
        >>> _, mixed = SpectrogramAugmentation().mix(
        ...     inputs, targets, groups, np.random.default_rng(0)
        ... )
        >>> mixed.tolist()
        [[1.0, 0.0], [0.0, 1.0]]
        """
        if not self.mixup:
            return inputs, targets
        return mixup(inputs, targets, rng, alpha=self.mixup, groups=groups)

    def features(
        self, log_power: NDArray[np.float32], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Mask stripes of features with `spec_augment` and the parameters of this object.

        Parameters
        ----------
        log_power
            Features of shape (n_clips, n_frames, n_mels).
        rng
            Source of all randomness.

        Returns
        -------
        ndarray of float32, of the same shape

        Examples
        --------
        >>> import numpy as np
        >>> clips = np.random.default_rng(0).normal(size=(2, 100, 64)).astype(np.float32)
        >>> masked = SpectrogramAugmentation(masks=2).features(clips, np.random.default_rng(1))
        >>> masked.shape, bool((masked == clips).all())
        ((2, 100, 64), False)
        """
        return spec_augment(
            log_power,
            rng,
            masks=self.masks,
            mask_bands=self.mask_bands,
            mask_frames=self.mask_frames,
        )


def spec_augment(
    features: NDArray[np.floating],
    rng: np.random.Generator,
    *,
    masks: int = 1,
    mask_bands: int = 12,
    mask_frames: int = 24,
) -> NDArray[np.float32]:
    """Mask random stripes of features along both axes (SpecAugment [1]_, without its warping).

    The width of each stripe is drawn from 0 to its largest width. It is filled with the smallest
    value of its clip, as if it were silent.

    Parameters
    ----------
    features
        Log-mel spectra or other features, shape (n_frames, n_features) or, for several clips,
        (n_clips, n_frames, n_features). They are not changed.
    rng
        Source of all randomness.
    masks
        Number of stripes along each axis.
    mask_bands, mask_frames
        Largest widths of the stripes, in features and in frames, limited to the size of the clip.

    Returns
    -------
    ndarray of float32, of the same shape

    Raises
    ------
    ValueError
        If the features have another number of axes or no values, or if a parameter is not a whole
        number of at least 0.

    References
    ----------
    .. [1] D. S. Park et al.: "SpecAugment: a simple data augmentation method for automatic speech
       recognition", Interspeech 2019.

    Examples
    --------
    >>> import numpy as np
    >>> features = np.random.default_rng(0).normal(size=(100, 40))
    >>> masked = spec_augment(features, np.random.default_rng(1), mask_bands=8, mask_frames=20)
    >>> stripes = masked == features.min().astype(np.float32)
    >>> int(stripes.all(axis=0).sum()), int(stripes.all(axis=1).sum())  # features, frames
    (4, 15)
    """
    for name, number in (
        ("masks", masks),
        ("mask_bands", mask_bands),
        ("mask_frames", mask_frames),
    ):
        require_whole(name, number)
    result = np.array(features, dtype=np.float32)
    if result.ndim not in (2, 3) or result.size == 0:
        raise ValueError(
            "`features` must have the shape (n_frames, n_features) or (n_clips, n_frames, "
            f"n_features), got {result.shape}"
        )
    clips = result if result.ndim == 3 else result[np.newaxis]
    _, n_frames, n_bands = clips.shape
    for clip, lowest in zip(clips, clips.min(axis=(1, 2)), strict=True):
        for _ in range(masks):
            width = rng.integers(min(mask_bands, n_bands) + 1)
            low = rng.integers(n_bands - width + 1)
            clip[:, low : low + width] = lowest
            width = rng.integers(min(mask_frames, n_frames) + 1)
            low = rng.integers(n_frames - width + 1)
            clip[low : low + width] = lowest
    return result


def mixup(
    inputs: NDArray[np.float32],
    targets: NDArray[np.float32],
    rng: np.random.Generator,
    *,
    alpha: float = 0.2,
    groups: NDArray[np.intp] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mix pairs of clips, and their targets in the same proportion (mixup [1]_).

    Parameters
    ----------
    inputs
        Features, shape (n_clips, ...). Powers add like sounds; their logarithms do not.
    targets
        Probabilities of the emotions, shape (n_clips, n_targets).
    rng
        Source of all randomness.
    alpha
        Both parameters of the Beta distribution from which shares are drawn: 1 for a uniform
        distribution, less for shares nearer to 0 and 1.
    groups
        Number of the group of each clip, such as its corpus, shape (n_clips,). Only clips of one
        group are mixed. By default all clips are one group.

    Returns
    -------
    inputs, targets
        Arrays of the same shapes. Every clip keeps a share of at least half.

    Raises
    ------
    ValueError
        If `alpha` is not positive, or the arrays have different numbers of clips.

    References
    ----------
    .. [1] H. Zhang et al.: "mixup: beyond empirical risk minimization", ICLR 2018.

    Examples
    --------
    >>> import numpy as np
    >>> one_hot = np.eye(2, dtype=np.float32)
    >>> inputs, targets = mixup(one_hot, one_hot, np.random.default_rng(3), alpha=1.0)
    >>> targets.round(2)
    array([[0.86, 0.14],
           [0.47, 0.53]], dtype=float32)
    """
    require_number("alpha", alpha, 0, open_low=True)
    if groups is None:
        groups = np.zeros(len(inputs), dtype=np.intp)
    if not len(inputs) == len(targets) == len(groups):
        raise ValueError(
            "`inputs`, `targets` and `groups` must have the same number of clips, got "
            f"{len(inputs)}, {len(targets)} and {len(groups)}"
        )
    partner = _shuffle_within(groups, rng)
    share = rng.beta(alpha, alpha, len(inputs)).astype(np.float32)
    share = np.maximum(share, 1 - share)

    def mixed(values: NDArray[np.float32]) -> NDArray[np.float32]:
        weight = share.reshape(-1, *[1] * (values.ndim - 1))
        return weight * values + (1 - weight) * values[partner]

    return mixed(inputs), mixed(targets)


def fit_length(clip: NDArray[np.floating], n_frames: int) -> NDArray[np.float32]:
    """Crop the log power of a clip to its middle, or pad it with silence at both ends.

    Parameters
    ----------
    clip
        Shape (n_frames of the clip, n_mels).
    n_frames
        Number of frames to return.

    Returns
    -------
    ndarray of float32, shape (n_frames, n_mels)

    Examples
    --------
    >>> import numpy as np
    >>> fit_length(np.array([[0.0], [1.0], [2.0]]), 1)
    array([[1.]], dtype=float32)
    """
    spare = len(clip) - n_frames
    if spare >= 0:
        return clip[spare // 2 : spare // 2 + n_frames].astype(np.float32)
    before = -spare // 2
    padding = ((before, -spare - before), (0, 0))
    return np.pad(clip.astype(np.float32), padding, constant_values=np.log(_SILENCE))


def _late_reverberation(
    power: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the decaying tail of a room: 60 dB in 0.15 to 0.7 s, in frames of 10 ms."""
    n_clips, n_frames, _ = power.shape
    decay = (10.0 ** (-6.0 / rng.uniform(15.0, 70.0, (n_clips, 1)))).astype(np.float32)
    strength = (10.0 ** rng.uniform(-2.5, -0.7, (n_clips, 1, 1))).astype(np.float32)
    tail = np.zeros_like(power)
    for t in range(1, n_frames):
        tail[:, t] = decay * (tail[:, t - 1] + power[:, t - 1])
    return strength * tail


def _interpolate(rows: NDArray[np.float32], positions: NDArray[np.floating]) -> NDArray[np.float32]:
    """Interpolate rows at fractional positions; the outermost rows are repeated beyond the ends."""
    positions = np.clip(positions, 0, len(rows) - 1)
    lower = np.minimum(positions.astype(np.intp), max(len(rows) - 2, 0))
    upper = np.minimum(lower + 1, len(rows) - 1)
    share = (positions - lower).astype(np.float32)[:, np.newaxis]
    result: NDArray[np.float32] = rows[lower] * (1 - share) + rows[upper] * share
    return result


def _smooth_curves(n_curves: int, n_mels: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw smooth random curves over the bands, shape (n_curves, 1, n_mels), of unit variance."""
    coefficients = np.zeros((n_curves, n_mels), dtype=np.float32)
    order = np.arange(1, 7)
    coefficients[:, 1:7] = rng.normal(size=(n_curves, 6)) / order
    scale = np.sqrt(n_mels / np.sum(1.0 / order**2)).astype(np.float32)
    curves = scipy.fft.idct(coefficients, axis=1, norm="ortho") * scale
    return np.asarray(curves[:, np.newaxis], dtype=np.float32)


def _decibels(values: NDArray[np.floating]) -> NDArray[np.float32]:
    power: NDArray[np.float32] = np.exp(
        np.asarray(values, dtype=np.float32) * np.float32(np.log(10.0) / 10.0)
    )
    return power


def _shuffle_within(groups: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """Return a permutation that keeps every index within its group."""
    partner = np.arange(len(groups))
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        partner[members] = rng.permutation(members)
    return partner
