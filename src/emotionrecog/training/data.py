"""What networks are trained on: recordings in memory, and batches of them."""

from __future__ import annotations

import dataclasses
import functools
import logging
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
from tqdm import tqdm

from emotionrecog import audio
from emotionrecog.augmentation import fit_length
from emotionrecog.errors import DatasetError, EmotionRecogError, LeakageError
from emotionrecog.features import Extractor
from emotionrecog.features.mel import relative_to_voice
from emotionrecog.inference.windows import pad_with_silence
from emotionrecog.models.targets import (
    balanced_weights,
    loss_targets,
    soft_targets,
    voted_targets,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from emotionrecog.datasets import Utterance
    from emotionrecog.training.recipe import Recipe

    Array = NDArray[np.float32]

__all__: list[str] = []

_logger = logging.getLogger("emotionrecog")

_LOWEST_POWER = 1e-12  # under which the logarithm of mel power is cut off


@dataclasses.dataclass(frozen=True, eq=False)
class Clips:
    """What of the recordings training works on.

    Parameters
    ----------
    frames
        Of each clip, shape (n_frames, n_features): the logarithm of mel power relative to the voice
        as float16, or features that are not normalised yet. Short clips are surrounded with
        silence.
    emotions
        Index of each clip's emotion, shape (n_clips,).
    groups
        Index of each clip's corpus and style, shape (n_clips,).
    present
        1 where a group acts an emotion, shape (n_groups, n_emotions).
    votes
        Share of each emotion in the votes of listeners, shape (n_clips, n_emotions); zeros where
        nobody voted.
    copies
        Further frames of all clips, varied.
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
    utterances: Sequence[Utterance], recipe: Recipe, n_jobs: int, *, varied: bool = True
) -> tuple[Clips, list[Utterance]]:
    """Read recordings into memory; return the clips and the utterances they are of.

    Without `varied`, there are no copies.
    """
    strangers = {u.emotion for u in utterances} - set(recipe.labels)
    if strangers:
        raise DatasetError(
            f"the emotions to tell apart are {', '.join(recipe.labels)}, but there are utterances "
            f"that are {', '.join(sorted(strangers))}; take them as others or leave them out with "
            "a LabelSet (emotionrecog.datasets), or name more `labels`"
        )
    n_copies = recipe.copies if varied and recipe.waveforms is not None else 0
    extract = Extractor(recipe.features)
    parallel = joblib.Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")
    results = parallel(
        joblib.delayed(_read)(extract, utterance, number, recipe, n_copies)
        for number, utterance in enumerate(utterances)
    )
    used, read = [], []
    progress = tqdm(results, "reading", total=len(utterances), unit="clip", disable=None)
    for utterance, result in zip(utterances, progress, strict=True):
        if isinstance(result, Exception):
            _logger.warning("left out %s: %s", utterance.path, result)
        else:
            used.append(utterance)
            read.append(result)
    if not used:
        raise DatasetError(f"none of the {len(utterances)} recordings to train on can be used")
    names = [(utterance.corpus, utterance.style) for utterance in used]
    order = list(dict.fromkeys(names))
    labels = recipe.labels
    emotions = np.array([labels.index(utterance.emotion) for utterance in used])
    groups = np.array([order.index(name) for name in names])
    present = np.zeros((len(order), len(labels)), dtype=np.float32)
    present[groups, emotions] = 1.0
    clips = Clips(
        frames=[versions[0] for versions in read],
        emotions=emotions,
        groups=groups,
        present=present,
        votes=voted_targets([utterance.votes for utterance in used], labels),
        copies=[[versions[1 + copy] for versions in read] for copy in range(n_copies)],
    )
    return clips, used


def _read(
    extract: Extractor, utterance: Utterance, number: int, recipe: Recipe, n_copies: int
) -> list[NDArray[Any]] | Exception:
    """Return the frames of a recording and of its copies, or why there are none."""
    rate = recipe.features.sampling_rate
    try:
        samples = audio.load(utterance.path, sampling_rate=rate).samples
        if recipe.varies_spectra:
            power = extract.relative_mel(samples)
            return [np.log(np.maximum(power, _LOWEST_POWER)).astype(np.float16)]
        versions = [samples]
        for copy in range(1, n_copies + 1):
            assert recipe.waveforms is not None
            rng = np.random.default_rng((recipe.seed, copy, number))
            versions.append(recipe.waveforms(samples, rate, rng))
        return [_measure(extract, version, recipe) for version in versions]
    except (EmotionRecogError, OSError) as error:
        return error


def _measure(extract: Extractor, samples: Array, recipe: Recipe) -> Array:
    """Return features of a clip, with as much silence around a short one as lets it move.

    The middle is what the recogniser cuts; and each part of ``recipe.crop_frames`` holds all of a
    clip that is shorter.
    """
    spec = recipe.features
    if spec.functionals:
        return extract.measure(samples)[np.newaxis]
    length = (recipe.crop_frames - 1) * spec.hop_length
    around = max(0, length - len(samples)) // 2 // spec.hop_length * spec.hop_length
    return extract.measure(np.pad(pad_with_silence(samples, length), around))


class Batches:
    """Batches that depend on seed, epoch and index alone, so that a run can be resumed.

    Parameters
    ----------
    clips
        What is drawn from.
    recipe
        How.
    pooled
        What a pretrained trunk says of copies of the clips, shape (n_copies, n_clips, n_values). A
        batch then holds a random copy of each of its clips; otherwise, features of the clips
        augmented anew.
    """

    def __init__(
        self, clips: Clips, recipe: Recipe, pooled: NDArray[np.float16] | None = None
    ) -> None:
        self.clips, self.recipe, self.pooled = clips, recipe, pooled
        self.targets = _targets(clips, recipe)
        self.weights = balanced_weights(clips.groups, clips.emotions, clips.present)
        self._extract = Extractor(recipe.features)
        self.order = functools.lru_cache(maxsize=2)(self._draw)

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return len(self.clips) // self.recipe.batch_size

    def batch(self, epoch: int, index: int) -> tuple[Array, Array, Array]:
        """Return inputs, targets as the losses take them, and what each clip weighs."""
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
            some = [clips.frames[i] for i in chosen]
            power = augmentation.power(some, recipe.crop_frames, rng)
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
        """Cut a random part out of a random copy of a clip."""
        versions = [self.clips.frames, *self.clips.copies]
        frames = versions[rng.integers(len(versions))][clip]
        return windowed(frames, self.recipe, self._extract, rng)

    def fixed(self, numbers: Sequence[int]) -> Array:
        """Return the features of the middle of clips, nothing varied."""
        return np.stack(
            [windowed(self.clips.frames[i], self.recipe, self._extract) for i in numbers]
        )

    def _draw(self, epoch: int) -> NDArray[np.intp]:
        """Draw as many clips as there are, each about as often as its weight says."""
        rng = np.random.default_rng((self.recipe.seed, epoch))
        shuffled = rng.permutation(len(self.clips))
        if self.recipe.balance != "sampling":
            return shuffled
        edges = np.cumsum(self.weights[shuffled])
        positions = (np.arange(len(shuffled)) + rng.random()) * (edges[-1] / len(shuffled))
        drawn = np.minimum(np.searchsorted(edges, positions), len(shuffled) - 1)
        return rng.permutation(shuffled[drawn])


def windowed(
    frames: NDArray[Any],
    recipe: Recipe,
    extract: Extractor,
    rng: np.random.Generator | None = None,
) -> Array:
    """Return what a network is fed of a clip: a random part of it, or the middle."""
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
    present = clips.present[clips.groups]
    targets = np.eye(present.shape[1], dtype=np.float32)[clips.emotions]
    if recipe.soft_targets and clips.votes is not None:
        targets = soft_targets(targets, clips.votes, recipe.soft_targets)
    return loss_targets(
        targets, present, smoothing=recipe.label_smoothing, absent_weight=recipe.absent_weight
    )


def statistics(batches: Batches) -> dict[str, Any]:
    """Mean and deviation of what some training batches feed the network."""
    recipe = batches.recipe
    some = np.concatenate([batches.batch(0, i)[0] for i in range(min(20, len(batches)))])
    if recipe.varies_spectra:
        return {"mean": round(float(some.mean()), 4), "deviation": round(float(some.std()), 4)}
    return statistics_of(some.reshape(-1, some.shape[-1]))


def statistics_of(rows: NDArray[np.floating[Any]]) -> dict[str, Any]:
    """Mean and deviation of each feature, for the sizes of a network; 1 for what never varies."""
    values = rows.astype(np.float64)
    deviation = values.std(axis=0)
    deviation[deviation < 1e-6 * (1 + np.abs(values).max(axis=0))] = 1.0
    return {
        name: [float(f"{value:.6g}") for value in row]
        for name, row in (("mean", values.mean(axis=0)), ("deviation", deviation))
    }


def require_apart(train: Sequence[Utterance], validation: Sequence[Utterance]) -> None:
    """Raise `LeakageError` where training and validation share speakers."""
    shared = {u.speaker for u in train} & {u.speaker for u in validation}
    if shared:
        raise LeakageError(
            f"training and validation share {len(shared)} speakers ({', '.join(sorted(shared))}); "
            "epochs would be chosen for voices that are known. Divide by speaker, or give no "
            "validation set, and one is held out"
        )
