"""Apply several transforms of waveforms, of this package or others, one after the other."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from emotionrecog.augmentation.channels import BandLimit, Clip, Codec, RoomImpulse
from emotionrecog.augmentation.samples import checked_samples
from emotionrecog.augmentation.waveforms import AddNoise, Gain, PitchShift, Shift, TimeStretch
from emotionrecog.errors import AudioError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Chain", "Foreign", "Transform"]


@dataclass(frozen=True)
class Chain:
    """Apply transforms one after the other, each with a probability.

    Parameters
    ----------
    transforms
        Transforms of this package, chains included; or other callables that take samples and a
        sampling rate in this order and return samples, such as those of audiomentations and their
        ``Compose``.
    probability
        Probability of each transform, from 0 to 1: one number for all, or a tuple with one each.

    Raises
    ------
    ValueError
        If `transforms` is empty or holds anything that is not callable, or if a probability is not
        from 0 to 1.

    Notes
    -----
    Transforms of other packages do not take the generator. During their call, ``random`` and
    ``numpy.random`` are seeded from the generator, and restored afterwards, so that transforms
    that draw from these two are reproducible as well. Threads share the two: use processes with
    such transforms, as `augment_corpus` does.

    Examples
    --------
    >>> import numpy as np
    >>> from emotionrecog.augmentation import AddNoise, Chain, Gain
    >>> def backwards(samples, sampling_rate):
    ...     return samples[::-1]
    >>> chain = Chain((AddNoise(snr_db=(10, 30)), Gain(gain_db=-6), backwards), probability=0.5)
    >>> tone = np.sin(np.arange(16000) * 0.1)
    >>> once = chain(tone, 16000, np.random.default_rng(7))
    >>> again = chain(tone, 16000, np.random.default_rng(7))
    >>> once.dtype, bool((once == again).all())
    (dtype('float32'), True)
    """

    transforms: tuple[Transform | Foreign, ...]
    probability: float | tuple[float, ...] = 1.0

    def __post_init__(self) -> None:
        """Validate the fields."""
        if not isinstance(self.transforms, tuple) or not self.transforms:
            raise ValueError(
                f"`transforms` must be a tuple of at least one transform, got {self.transforms!r}"
            )
        for transform in self.transforms:
            if not callable(transform) or isinstance(transform, type):
                raise ValueError(
                    "`transforms` must be callable as transform(samples, sampling_rate), got "
                    f"{transform!r}"
                )
        shares = self._probabilities()
        if len(shares) != len(self.transforms) or not all(
            isinstance(share, int | float) and 0 <= share <= 1 for share in shares
        ):
            raise ValueError(
                "`probability` must be a number from 0 to 1, or a tuple of one for each of the "
                f"{len(self.transforms)} transforms, got {self.probability!r}"
            )

    def __call__(
        self, samples: NDArray[np.floating[Any]], sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the samples, varied by the transforms drawn.

        Parameters
        ----------
        samples
            Mono, shape (n_samples,), floats. They are not changed.
        sampling_rate
            In Hz.
        rng
            Source of all randomness.

        Returns
        -------
        ndarray of float32, shape (n_samples,)
            The length differs if a transform changes it.

        Raises
        ------
        AudioError
            If the samples, or those that a transform of another package returns, are not finite
            floats of shape (n_samples,), at least one.
        """
        y = checked_samples(samples, sampling_rate)
        for transform, share in zip(self.transforms, self._probabilities(), strict=True):
            if rng.random() < share:
                if isinstance(transform, _TRANSFORMS):
                    y = transform(y, sampling_rate, rng)
                else:
                    y = _call_foreign(transform, y, sampling_rate, rng)
        return y

    def _probabilities(self) -> tuple[float, ...]:
        if isinstance(self.probability, tuple):
            return self.probability
        return (self.probability,) * len(self.transforms)


Transform: TypeAlias = (
    AddNoise
    | BandLimit
    | Chain
    | Clip
    | Codec
    | Gain
    | PitchShift
    | RoomImpulse
    | Shift
    | TimeStretch
)
"""A transform of this package, called as ``transform(samples, sampling_rate, rng)``."""

Foreign: TypeAlias = Callable[["NDArray[np.float32]", int], "NDArray[np.floating[Any]]"]
"""A transform of another package, called as ``transform(samples, sampling_rate)``."""

_TRANSFORMS = (
    AddNoise,
    BandLimit,
    Chain,
    Clip,
    Codec,
    Gain,
    PitchShift,
    RoomImpulse,
    Shift,
    TimeStretch,
)


def _call_foreign(
    transform: Foreign, samples: NDArray[np.float32], sampling_rate: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    state, numpy_state = random.getstate(), np.random.get_state()
    seed = int(rng.integers(2**32))
    random.seed(seed)
    np.random.seed(seed)
    try:
        result = transform(samples.copy(), sampling_rate)
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)
    try:
        return checked_samples(result, sampling_rate)
    except AudioError as error:
        raise AudioError(
            f"the transform {transform!r} must return mono samples of shape (n_samples,), finite "
            f"floats: {error}"
        ) from error
