"""Several transforms of waveforms one after the other, one's own and others'."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from emotionrecog.augmentation.waveforms import (
    AddNoise,
    BandLimit,
    Clip,
    Codec,
    Gain,
    PitchShift,
    RoomImpulse,
    Shift,
    TimeStretch,
    _checked,
)
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
        Of this package, chains among them; or anything else that takes samples and a sampling rate
        in this order and returns samples, such as those of audiomentations and their ``Compose``.
    probability
        How often each is applied, from 0 to 1: one number for all, or a tuple of one for each.

    Raises
    ------
    ValueError
        If `transforms` is empty or holds what cannot be called, or a probability is none.

    Notes
    -----
    What is not of this package knows nothing of the generator. While it is called, ``random`` and
    ``numpy.random`` are seeded from the generator, and are then put back, so that whatever draws
    from these two can be repeated as well. Threads share the two: with such transforms use
    processes, as `augment_corpus` does.

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
        """Refuse what cannot be called, and probabilities that are none."""
        if not isinstance(self.transforms, tuple) or not self.transforms:
            raise ValueError(
                f"`transforms` must be a tuple of at least one transform, got {self.transforms!r}"
            )
        for transform in self.transforms:
            if not callable(transform) or isinstance(transform, type):
                raise ValueError(
                    "`transforms` must be called as transform(samples, sampling_rate), which "
                    f"{transform!r} cannot be"
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
        """Return the samples after those transforms whose turn it was.

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
            Of another length where a transform changes it.

        Raises
        ------
        AudioError
            If the samples are not one-dimensional and finite floats, at least one, or those that a
            transform from elsewhere returns are not.
        """
        y = _checked(samples, sampling_rate)
        for transform, share in zip(self.transforms, self._probabilities(), strict=True):
            if rng.random() < share:
                if isinstance(transform, _OWN):
                    y = transform(y, sampling_rate, rng)
                else:
                    y = _foreign(transform, y, sampling_rate, rng)
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
"""A transform from elsewhere, called as ``transform(samples, sampling_rate)``."""

_OWN = (
    *(AddNoise, BandLimit, Chain, Clip, Codec),
    *(Gain, PitchShift, RoomImpulse, Shift, TimeStretch),
)


def _foreign(
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
        return _checked(result, sampling_rate)
    except AudioError as error:
        raise AudioError(
            f"the transform {transform!r} must return what it is given, mono samples of shape "
            f"(n_samples,), finite floats, and returned something else: {error}"
        ) from error
