"""Training data: recordings in memory, and the batches drawn from them."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from emotionrecog.augmentation import fit_length
from emotionrecog.errors import DatasetError, LeakageError
from emotionrecog.features import Extractor
from emotionrecog.features.extraction import read_recordings
from emotionrecog.features.mel import relative_to_voice
from emotionrecog.inference.windows import pad_with_silence

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from emotionrecog.datasets import Utterance
    from emotionrecog.training.recipe import Recipe

    Array = NDArray[np.float32]

__all__: list[str] = []

# Smallest mel power of which the logarithm is taken.
_LOWEST_POWER = 1e-12


@dataclasses.dataclass(frozen=True, eq=False)
class Clips:
    """The training data in memory.

    Parameters
    ----------
    frames
        Frames of each clip, shape (n_frames, n_features): the logarithm of mel power relative to
        the voice as float16, or features before normalisation. Short clips are padded with silence.
    emotions
        Index of each clip's emotion, shape (n_clips,).
    groups
        Index of each clip's corpus and style, shape (n_clips,).
    present
        1 where a group has an emotion, shape (n_groups, n_emotions).
    votes
        Share of each emotion in the votes of listeners, shape (n_clips, n_emotions); zeros for
        clips without votes.
    copies
        The frames of varied copies of all clips, one sequence for each copy.

    Examples
    --------
    >>> clips = Clips(
    ...     frames=[np.zeros((5, 3), dtype=np.float32)],
    ...     emotions=np.array([0]),
    ...     groups=np.array([0]),
    ...     present=np.ones((1, 1), dtype=np.float32),
    ... )
    >>> len(clips)
    1
    """

    frames: Sequence[NDArray[Any]]
    emotions: NDArray[np.intp]
    groups: NDArray[np.intp]
    present: Array
    votes: Array | None = None
    copies: Sequence[Sequence[NDArray[Any]]] = ()

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.frames)


def read_clips(
    utterances: Sequence[Utterance],
    recipe: Recipe,
    n_jobs: int,
    *,
    varied: bool = True,
    cache: str | os.PathLike[str] | None = None,
) -> tuple[Clips, list[Utterance]]:
    """Read recordings into memory; return the clips and their utterances.

    Recordings that cannot be used are left out with a warning. Copies are made only if `varied`.
    With a `cache`, the frames of the recordings themselves are stored there and read from there.

    Examples
    --------
    ::

        clips, used = read_clips(utterances, Recipe.of("gru"), n_jobs=-1)
    """
    from emotionrecog.models.losses import voted_targets

    unknown = {u.emotion for u in utterances} - set(recipe.labels)
    if unknown:
        raise DatasetError(
            f"the emotions to distinguish are {', '.join(recipe.labels)}, but some utterances are "
            f"{', '.join(sorted(unknown))}; map or leave them out with a LabelSet "
            "(emotionrecog.datasets), or add them to `labels`"
        )
    n_copies = recipe.copies if varied and recipe.waveforms is not None else 0
    measurement = TrainingFrames(recipe, n_copies)
    results = read_recordings(
        measurement,
        utterances,
        sampling_rate=recipe.features.sampling_rate,
        cache=None if n_copies else cache,  # copies depend on the order of the recordings as well
        description=measurement.description,
        n_jobs=n_jobs,
    )
    if not results:
        raise DatasetError(f"none of the {len(utterances)} recordings to train on can be used")
    used = results.items
    names = [(utterance.corpus, utterance.style) for utterance in used]
    order = list(dict.fromkeys(names))
    labels = recipe.labels
    emotions = np.array([labels.index(utterance.emotion) for utterance in used])
    groups = np.array([order.index(name) for name in names])
    present = np.zeros((len(order), len(labels)), dtype=np.float32)
    present[groups, emotions] = 1.0
    clips = Clips(
        frames=[versions[0] for versions in results.values],
        emotions=emotions,
        groups=groups,
        present=present,
        votes=voted_targets([utterance.votes for utterance in used], labels),
        copies=[[versions[copy] for versions in results.values] for copy in range(1, n_copies + 1)],
    )
    return clips, used


class TrainingFrames:
    """Computes the frames of a recording that training works on, and those of varied copies.

    With features that spectral augmentation varies, frames are the logarithms of mel power relative
    to the voice, as float16. Otherwise they are features of the recording, padded with silence if
    it is short, so that the crop can move: the middle is what the recogniser cuts, and each part of
    ``recipe.crop_frames`` contains the whole of a shorter clip.

    Examples
    --------
    ::

        frames = TrainingFrames(Recipe.of("gru"))(samples, 0)
    """

    def __init__(self, recipe: Recipe, n_copies: int = 0) -> None:
        self.recipe, self.n_copies = recipe, n_copies
        self._extract = Extractor(recipe.features)

    @property
    def description(self) -> dict[str, Any]:
        """Everything that the frames of a recording depend on, for the cache."""
        is_mel = self.recipe.varies_spectra
        return {
            "training_frames": "relative log-mel" if is_mel else "features",
            "spec": self.recipe.features.to_dict(),
            "crop_frames": None if is_mel else self.recipe.crop_frames,
        }

    def __call__(self, samples: Array, number: int) -> NDArray[Any]:
        """Return the frames, shape (1 + n_copies, n_frames, n_features)."""
        recipe = self.recipe
        if recipe.varies_spectra:
            power = self._extract.relative_mel(samples)
            return np.log(np.maximum(power, _LOWEST_POWER)).astype(np.float16)[np.newaxis]
        versions = [self._measured(samples)]
        for copy in range(1, self.n_copies + 1):
            assert recipe.waveforms is not None
            rng = np.random.default_rng((recipe.seed, copy, number))
            varied = recipe.waveforms(samples, recipe.features.sampling_rate, rng)
            versions.append(self._measured(varied))
        return np.stack(versions)

    def _measured(self, samples: Array) -> Array:
        spec = self.recipe.features
        if spec.functionals:
            return self._extract.measure(samples)[np.newaxis]
        length = (self.recipe.crop_frames - 1) * spec.hop_length
        margin = max(0, length - len(samples)) // 2 // spec.hop_length * spec.hop_length
        return self._extract.measure(np.pad(pad_with_silence(samples, length), margin))


class Batches:
    """Draws batches that depend only on seed, epoch and index, so that a run can be resumed.

    Parameters
    ----------
    clips
        The clips to draw from.
    recipe
        Batch size, balance, augmentation and seed.
    pooled
        Outputs of a pretrained trunk for copies of the clips, shape (n_copies, n_clips, n_values).
        If they are given, a batch contains a random copy of each of its clips; otherwise the
        features of its clips, augmented anew.

    Examples
    --------
    ::

        batches = Batches(clips, recipe)
        inputs, targets, weights = batches.batch(epoch=0, index=0)
    """

    def __init__(
        self, clips: Clips, recipe: Recipe, pooled: NDArray[np.float16] | None = None
    ) -> None:
        from emotionrecog.models.losses import balanced_weights

        self.clips, self.recipe, self.pooled = clips, recipe, pooled
        self.targets = _targets(clips, recipe)
        self.weights = balanced_weights(clips.groups, clips.emotions, clips.present)
        self._extract = Extractor(recipe.features)
        self.order = functools.lru_cache(maxsize=2)(self._draw)

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return len(self.clips) // self.recipe.batch_size

    def batch(self, epoch: int, index: int) -> tuple[Array, Array, Array]:
        """Return inputs, targets as the losses take them, and the weight of each clip."""
        clips, recipe = self.clips, self.recipe
        rng = np.random.default_rng((recipe.seed, epoch, index))
        chosen = self.order(epoch)[index * recipe.batch_size : (index + 1) * recipe.batch_size]
        targets, groups = self.targets[chosen], clips.groups[chosen]
        weights = np.ones(len(chosen), dtype=np.float32)
        if recipe.balance == "weights":
            weights = (self.weights[chosen] / self.weights.mean()).astype(np.float32)
        augmentation = recipe.augmentation
        if self.pooled is not None:
            copies = rng.integers(len(self.pooled), size=len(chosen))
            inputs = self.pooled[copies, chosen].astype(np.float32)
        elif recipe.varies_spectra and augmentation is not None:
            frames = [clips.frames[i] for i in chosen]
            power = augmentation.power(frames, recipe.crop_frames, rng)
            power, targets = augmentation.mix(power, targets, groups, rng)
            log_power = np.log(power + np.float32(recipe.features.log_offset))
            return augmentation.features(log_power, rng), targets, weights
        else:
            inputs = np.stack([self._crop(i, rng) for i in chosen])
            if augmentation is not None and not recipe.features.functionals:
                inputs = augmentation.features(inputs, rng)
        if augmentation is not None:
            inputs, targets = augmentation.mix(inputs, targets, groups, rng)
        return inputs, targets, weights

    def _crop(self, clip: int, rng: np.random.Generator) -> Array:
        """Return the features of a random part of a random copy of a clip."""
        versions = [self.clips.frames, *self.clips.copies]
        frames = versions[rng.integers(len(versions))][clip]
        return windowed(frames, self.recipe, self._extract, rng)

    def fixed(self, numbers: Sequence[int]) -> Array:
        """Return the features of the middle of clips, without augmentation."""
        return np.stack(
            [windowed(self.clips.frames[i], self.recipe, self._extract) for i in numbers]
        )

    def _draw(self, epoch: int) -> NDArray[np.intp]:
        """Draw as many clips as there are, each in proportion to its weight."""
        rng = np.random.default_rng((self.recipe.seed, epoch))
        shuffled = rng.permutation(len(self.clips))
        if self.recipe.balance != "sampling":
            return shuffled
        edges = np.cumsum(self.weights[shuffled])
        positions = (np.arange(len(shuffled)) + rng.random()) * (edges[-1] / len(shuffled))
        drawn = np.minimum(np.searchsorted(edges, positions), len(shuffled) - 1)
        return rng.permutation(shuffled[drawn])


class ArrayBatches:
    """Batches of equally long clips in an array, each emotion with the same total weight.

    Parameters
    ----------
    features
        float32, shape (n_clips, n_frames, n_features).
    emotions
        Index of the emotion of each clip, shape (n_clips,).
    n_emotions
        How many emotions there are.
    recipe
        Its ``batch_size`` and ``seed`` are used.

    Examples
    --------
    >>> from emotionrecog.training import Recipe
    >>> features = np.zeros((5, 4, 3), dtype=np.float32)
    >>> recipe = Recipe.of("gru", batch_size=2)
    >>> batches = ArrayBatches(features, np.array([0, 0, 0, 1, 1]), 2, recipe)
    >>> len(batches), batches.batch(0, 0)[0].shape
    (2, (2, 4, 3))
    """

    def __init__(
        self, features: Array, emotions: NDArray[np.intp], n_emotions: int, recipe: Recipe
    ) -> None:
        from emotionrecog.models.losses import class_weights, loss_targets

        self.features, self.recipe = features, recipe
        targets = np.eye(n_emotions, dtype=np.float32)[emotions]
        self.targets = loss_targets(targets, np.ones_like(targets))
        self.weights = class_weights(emotions, n_emotions)[emotions].astype(np.float32)
        self.order = functools.lru_cache(maxsize=2)(self._draw)

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return len(self.features) // self.recipe.batch_size

    def batch(self, epoch: int, index: int) -> tuple[Array, Array, Array]:
        """Return inputs, targets as the losses take them, and the weight of each clip."""
        size = self.recipe.batch_size
        rows = self.order(epoch)[index * size : (index + 1) * size]
        return self.features[rows], self.targets[rows], self.weights[rows]

    def _draw(self, epoch: int) -> NDArray[np.intp]:
        return np.random.default_rng((self.recipe.seed, epoch)).permutation(len(self.features))


def windowed(
    frames: NDArray[Any],
    recipe: Recipe,
    extract: Extractor,
    rng: np.random.Generator | None = None,
) -> Array:
    """Return the input of a network: features of the middle of a clip, or of a random part.

    Examples
    --------
    >>> from emotionrecog.training import Recipe
    >>> recipe = Recipe.of("gru", crop_frames=3)
    >>> frames = np.arange(5, dtype=np.float32)[:, np.newaxis]
    >>> windowed(frames, recipe, Extractor(recipe.features)).ravel().tolist()
    [1.0, 2.0, 3.0]
    """
    n_frames = recipe.crop_frames
    if recipe.varies_spectra:
        if rng is not None and len(frames) > n_frames:
            first = int(rng.integers(len(frames) - n_frames + 1))
            frames = frames[first : first + n_frames]
        # Relative to the voice in the window, as in prediction.
        power = relative_to_voice(np.exp(fit_length(frames, n_frames)))
        log_power: Array = np.log(power + np.float32(recipe.features.log_offset))
        return log_power
    if len(frames) > n_frames:
        spare = len(frames) - n_frames
        first = spare // 2 if rng is None else int(rng.integers(spare + 1))
        frames = frames[first : first + n_frames]
    return extract.finish(np.asarray(frames, dtype=np.float32))


def _targets(clips: Clips, recipe: Recipe) -> Array:
    """Return targets and the weight of each emotion in the softmax, side by side."""
    from emotionrecog.models.losses import loss_targets, soft_targets

    present = clips.present[clips.groups]
    targets = np.eye(present.shape[1], dtype=np.float32)[clips.emotions]
    if recipe.soft_targets and clips.votes is not None:
        targets = soft_targets(targets, clips.votes, recipe.soft_targets)
    return loss_targets(
        targets, present, smoothing=recipe.label_smoothing, absent_weight=recipe.absent_weight
    )


def statistics(batches: Batches) -> dict[str, Any]:
    """Return the mean and deviation of the inputs in the first training batches.

    Examples
    --------
    ::

        sizes = models.default_sizes("gru") | statistics(Batches(clips, Recipe.of("gru")))
    """
    recipe = batches.recipe
    inputs = np.concatenate([batches.batch(0, i)[0] for i in range(min(20, len(batches)))])
    if recipe.varies_spectra:
        return {"mean": round(float(inputs.mean()), 4), "deviation": round(float(inputs.std()), 4)}
    return statistics_of(inputs.reshape(-1, inputs.shape[-1]))


def statistics_of(rows: NDArray[np.floating[Any]]) -> dict[str, Any]:
    """Return the mean and deviation of each feature; the deviation of constant features is 1.

    Examples
    --------
    >>> statistics_of(np.array([[1.0, 5.0], [3.0, 5.0]]))
    {'mean': [2.0, 5.0], 'deviation': [1.0, 1.0]}
    """
    values = rows.astype(np.float64)
    deviation = values.std(axis=0)
    deviation[deviation < 1e-6 * (1 + np.abs(values).max(axis=0))] = 1.0
    return {
        name: [float(f"{value:.6g}") for value in row]
        for name, row in (("mean", values.mean(axis=0)), ("deviation", deviation))
    }


def require_apart(train: Sequence[Utterance], validation: Sequence[Utterance]) -> None:
    """Raise `LeakageError` if training and validation share speakers.

    Examples
    --------
    >>> from emotionrecog.datasets import Utterance
    >>> clip = Utterance("a.wav", "happy", corpus="mine", speaker="mine/1")
    >>> require_apart([clip], [])
    """
    shared = {u.speaker for u in train} & {u.speaker for u in validation}
    if shared:
        raise LeakageError(
            f"training and validation share {len(shared)} speakers ({', '.join(sorted(shared))}); "
            "early stopping would then be based on voices seen in training. Divide by speaker, or "
            "omit the validation set, and one is held out"
        )
