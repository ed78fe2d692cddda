"""Training: utterances in, a recogniser out. Importing this module loads TensorFlow."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import keras
import numpy as np
from tqdm import tqdm

from emotionrecog import __version__, audio, audit, models
from emotionrecog.artifact import Artifact
from emotionrecog.augmentation import Augmentation, fit_length
from emotionrecog.datasets import CORPORA, EMOTIONS
from emotionrecog.errors import DatasetError, EmotionRecogError
from emotionrecog.features import FeatureSpec, LogMel
from emotionrecog.features.mel import relative_to_voice
from emotionrecog.models import export, mobilenet
from emotionrecog.models.layers import masked_crossentropy
from emotionrecog.recognizer import EmotionRecognizer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from emotionrecog.datasets import Utterance

__all__ = ["Recipe", "train"]

_logger = logging.getLogger("emotionrecog")

# Shorter recordings are refused by a trained recogniser, in s: a syllable or two.
MINIMUM_DURATION = 0.4

_CLIPS_AT_ONCE = 32  # that a pretrained trunk is asked about

_LOWEST_POWER = 1e-12  # under which the logarithm of mel power is cut off


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that training depends on besides the recordings.

    Parameters
    ----------
    architecture, sizes
        Name and arguments for `emotionrecog.models.build`.
    features
        What the network is fed.
    augmentation
        How clips are varied.
    epochs, batch_size, crop_frames
        Passes over as many clips as there are, clips in a step, frames of a training crop.
    learning_rate, weight_decay
        Of AdamW; the rate rises for a tenth of the steps, then falls as a cosine to zero.
    averaging
        Momentum of the moving average of the weights, which is what is kept at the end.
    label_smoothing
        Share of the target spread over the emotions that the clip's corpus contains.
    absent_weight
        Weight in the softmax of the emotions that the clip's corpus lacks. At 0 its clips teach
        nothing about them, and the network is free to answer them to any voice of that corpus.
    copies
        Where the network starts from given weights, which its trunk keeps: on how many augmented
        copies of each clip, besides the clip itself, its heads are trained.
    temperature
        What the logits are divided by in the end. The default had the lowest cross-entropy on the
        protocol ``joint-validation``, the mean over its four corpora.
    seed
        Of everything drawn.
    """

    architecture: str = "mobilenet"
    sizes: Mapping[str, float] = dataclasses.field(default_factory=dict)
    features: FeatureSpec = dataclasses.field(default_factory=FeatureSpec)
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
    epochs: int = 40
    batch_size: int = 64
    crop_frames: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    averaging: float = 0.998
    label_smoothing: float = 0.1
    absent_weight: float = 0.05
    copies: int = 8
    temperature: float = 1.0
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the values under their names, ready for JSON."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, eq=False)
class Clips:
    """What of the recordings training works on.

    Parameters
    ----------
    log_power
        Logarithm of mel power relative to the voice, float16, (n_frames, n_mels) each.
    emotions
        Index of each clip's emotion, shape (n_clips,).
    groups
        Index of each clip's corpus and style, shape (n_clips,).
    present
        1 where a group acts an emotion, shape (n_groups, n_emotions).
    """

    log_power: Sequence[NDArray[np.float16]]
    emotions: NDArray[np.intp]
    groups: NDArray[np.intp]
    present: NDArray[np.float32]

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.log_power)


def train(
    train_set: Sequence[Utterance],
    *,
    recipe: Recipe | None = None,
    name: str = "my-recogniser",
    initial_weights: str | os.PathLike[str] | None = None,
    checkpoints: str | os.PathLike[str] | None = None,
    test_set: Sequence[Utterance] = (),
    allow_leakage: bool = False,
    listen: bool = True,
    n_jobs: int = -1,
) -> EmotionRecognizer:
    """Train a recogniser of the library's eight emotions.

    Clips of a corpus that lacks an emotion teach little about it: its logit takes part in their
    loss with ``recipe.absent_weight`` alone. What decides how often a clip is drawn is the square
    root of the size of its corpus, shared equally among that corpus' emotions; RAVDESS' song
    counts as a corpus of its own.

    Parameters
    ----------
    train_set
        Utterances of any corpora. Recordings that cannot be used are left out with a warning.
    recipe
        How to train; the default is that of the recogniser that comes with the package.
    name
        What to call the recogniser.
    initial_weights
        ``.npz`` with the weights of EfficientAT ``mn04``, for the trunk of a ``"mobilenet"``,
        which keeps them. Without, all is trained from scratch.
    checkpoints
        Folder that the state is saved to after each epoch. Where it holds the state of an earlier
        run of the same recipe, training goes on from there.
    test_set
        Utterances that the recogniser will be measured on. Nothing is learnt from them;
        `emotionrecog.audit.audit` looks for them in `train_set` before training begins.
    allow_leakage
        Train although `train_set` shares speakers or recordings with `test_set`. The recogniser
        says so, in ``artifact.training["leakage"]``, and so does every report on it.
    listen
        Compare the sound of `train_set` and `test_set`; otherwise names and bytes alone.
    n_jobs
        Number of workers that read recordings, as joblib counts them.

    Raises
    ------
    LeakageError
        If speakers or recordings of `test_set` are in `train_set` and `allow_leakage` is false.
    DatasetError
        If fewer recordings than one batch needs can be used.
    ModelError
        If `initial_weights` are not those of EfficientAT ``mn04``.
    ValueError
        If `checkpoints` holds the state of another recipe, or `initial_weights` does not fit the
        architecture.
    """
    recipe = recipe or Recipe()
    if initial_weights is not None and recipe.architecture != "mobilenet":
        raise ValueError(
            "`initial_weights` are those of the architecture 'mobilenet', "
            f"but the recipe says {recipe.architecture!r}"
        )
    leakage = None
    if test_set:
        leakage = audit.refuse(
            train_set, test_set, allow_leakage=allow_leakage, listen=listen, n_jobs=n_jobs
        )
    clips, used = read_clips(train_set, recipe.features, n_jobs)
    if len(clips) < recipe.batch_size:
        raise DatasetError(
            f"training needs at least one batch of {recipe.batch_size} clips, "
            f"got {len(clips)} that can be used"
        )
    network, sizes = fit(clips, recipe, initial_weights, checkpoints)
    artifact = Artifact(
        name=name,
        labels=EMOTIONS,
        features=recipe.features,
        window_frames=recipe.crop_frames,
        minimum_duration=MINIMUM_DURATION,
        architecture=recipe.architecture,
        sizes=sizes,
        temperature=recipe.temperature,
        training={
            "corpora": _describe(used),
            "speakers": sorted({utterance.speaker for utterance in used}),
            "recipe": recipe.to_dict(),
            "initial_weights": Path(initial_weights).name if initial_weights else None,
            "leakage": leakage,
        },
        metrics={},
        versions={
            "python": platform.python_version(),
            "emotionrecog": __version__,
            **{package: version(package) for package in _RECORDED_PACKAGES},
        },
        onnx=export.to_onnx(network, recipe.temperature),
        weights=export.weights_of(network),
        card="",
    )
    return EmotionRecognizer(artifact)


_RECORDED_PACKAGES = ("keras", "tensorflow", "tf2onnx", "onnxruntime", "numpy")


def _describe(utterances: Sequence[Utterance]) -> list[dict[str, Any]]:
    rows = []
    for corpus, style in dict.fromkeys((u.corpus, u.style) for u in utterances):
        own = [u for u in utterances if (u.corpus, u.style) == (corpus, style)]
        facts = CORPORA.get(corpus)
        rows.append(
            {
                "corpus": corpus,
                "style": style,
                "licence": facts.licence if facts else "",
                "n_clips": len(own),
                "n_speakers": len({utterance.speaker for utterance in own}),
            }
        )
    return rows


def read_clips(
    utterances: Sequence[Utterance], spec: FeatureSpec, n_jobs: int
) -> tuple[Clips, list[Utterance]]:
    """Read recordings into memory as mel power; return the clips and the utterances they are of."""
    extract = LogMel(spec)

    def read(utterance: Utterance) -> NDArray[np.float16] | Exception:
        try:
            waveform = audio.load(utterance.path, sampling_rate=spec.sampling_rate)
            power = extract.power(waveform.samples)
        except (EmotionRecogError, OSError) as error:
            return error
        return np.log(np.maximum(power, _LOWEST_POWER)).astype(np.float16)

    parallel = joblib.Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")
    results = parallel(joblib.delayed(read)(utterance) for utterance in utterances)
    used, log_power = [], []
    progress = tqdm(results, "reading", total=len(utterances), unit="clip", disable=None)
    for utterance, result in zip(utterances, progress, strict=True):
        if isinstance(result, Exception):
            _logger.warning("left out %s: %s", utterance.path, result)
        else:
            used.append(utterance)
            log_power.append(result)
    if not used:
        raise DatasetError(f"none of the {len(utterances)} recordings to train on can be used")
    names = [(utterance.corpus, utterance.style) for utterance in used]
    order = list(dict.fromkeys(names))
    emotions = np.array([EMOTIONS.index(utterance.emotion) for utterance in used])
    groups = np.array([order.index(name) for name in names])
    present = np.zeros((len(order), len(EMOTIONS)), dtype=np.float32)
    present[groups, emotions] = 1.0
    return Clips(log_power, emotions, groups, present), used


class Batches(keras.utils.PyDataset):
    """Batches that depend on seed, epoch and index alone, so that a run can be resumed.

    Parameters
    ----------
    clips
        What is drawn from.
    recipe
        How.
    first_epoch
        Number of epochs that are over.
    pooled
        What a pretrained trunk says of copies of the clips, shape (n_copies, n_clips, n_values). A
        batch then holds a random copy of each of its clips; otherwise, features of the clips
        augmented anew.
    """

    def __init__(
        self,
        clips: Clips,
        recipe: Recipe,
        first_epoch: int = 0,
        pooled: NDArray[np.float16] | None = None,
    ) -> None:
        super().__init__(workers=1, max_queue_size=8)
        self.clips, self.recipe, self.epoch, self.pooled = clips, recipe, first_epoch, pooled
        present = clips.present[clips.groups]
        one_hot = np.eye(present.shape[1], dtype=np.float32)[clips.emotions]
        spread = present / present.sum(axis=1, keepdims=True)
        smooth = one_hot + recipe.label_smoothing * (spread - one_hot)
        weight = np.where(present > 0, 1.0, recipe.absent_weight)
        self.targets = np.concatenate([smooth, weight], axis=1, dtype=np.float32)
        self._weights = _weights(clips)
        self._order = self._draw()

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return len(self.clips) // self.recipe.batch_size

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return inputs, and targets as `masked_crossentropy` takes them."""
        clips, recipe = self.clips, self.recipe
        rng = np.random.default_rng((recipe.seed, self.epoch, index))
        chosen = self._order[index * recipe.batch_size : (index + 1) * recipe.batch_size]
        targets, groups = self.targets[chosen], clips.groups[chosen]
        augmentation = recipe.augmentation
        if self.pooled is not None:
            copies = rng.integers(len(self.pooled), size=len(chosen))
            inputs = self.pooled[copies, chosen].astype(np.float32)
            return augmentation.mix(inputs, targets, groups, rng)
        power = augmentation.power([clips.log_power[i] for i in chosen], recipe.crop_frames, rng)
        power, targets = augmentation.mix(power, targets, groups, rng)
        log_power = np.log(power + np.float32(recipe.features.log_offset))
        return augmentation.features(log_power, rng), targets

    def on_epoch_end(self) -> None:
        """Draw the next epoch's clips."""
        self.epoch += 1
        self._order = self._draw()

    def _draw(self) -> NDArray[np.intp]:
        """Draw as many clips as there are, each about as often as its weight says."""
        rng = np.random.default_rng((self.recipe.seed, self.epoch))
        shuffled = rng.permutation(len(self.clips))
        edges = np.cumsum(self._weights[shuffled])
        positions = (np.arange(len(shuffled)) + rng.random()) * (edges[-1] / len(shuffled))
        drawn = np.minimum(np.searchsorted(edges, positions), len(shuffled) - 1)
        return rng.permutation(shuffled[drawn])


def _weights(clips: Clips) -> NDArray[np.float64]:
    """Weigh each clip: the root of its corpus' size, shared equally by that corpus' emotions."""
    counts = np.zeros(clips.present.shape)
    np.add.at(counts, (clips.groups, clips.emotions), 1)
    share = np.sqrt(counts.sum(axis=1, keepdims=True)) / clips.present.sum(axis=1, keepdims=True)
    weights: NDArray[np.float64] = (share / np.maximum(counts, 1))[clips.groups, clips.emotions]
    return weights


def fit(
    clips: Clips,
    recipe: Recipe,
    initial_weights: str | os.PathLike[str] | None,
    checkpoints: str | os.PathLike[str] | None,
) -> tuple[keras.Model, dict[str, float]]:
    """Fit a network; return it and the arguments that rebuild it."""
    start = Path(initial_weights).name if initial_weights is not None else None
    state = None if checkpoints is None else _State(Path(checkpoints), recipe, len(clips), start)
    keras.utils.set_random_seed(recipe.seed)
    given = models.default_sizes(recipe.architecture) | dict(recipe.sizes)
    sizes = given | _statistics(clips, recipe)
    network = models.build(recipe.architecture, recipe.features.n_mels, len(EMOTIONS), **sizes)
    model, trunk = network, None
    if initial_weights is not None:
        mobilenet.load_audioset_weights(network, initial_weights)
        trunk, model = mobilenet.split(network, recipe.crop_frames)
    n_batches = len(clips) // recipe.batch_size
    model.compile(_optimizer(recipe, n_batches), masked_crossentropy, jit_compile=False)
    first_epoch = state.restore(model) if state else 0
    if first_epoch < recipe.epochs:
        model.fit(
            Batches(clips, recipe, first_epoch, trunk and _listen(trunk, clips, recipe)),
            epochs=recipe.epochs,
            initial_epoch=first_epoch,
            shuffle=False,  # the batches draw for themselves, so that a resumed run draws the same
            verbose=0,
            callbacks=[_Progress(), state] if state else [_Progress()],
        )
    else:  # the run was over; what was saved before its end are the weights without averaging
        model.optimizer.finalize_variable_values(model.trainable_variables)
    return network, sizes


def _optimizer(recipe: Recipe, n_batches: int) -> keras.optimizers.Optimizer:
    n_steps = n_batches * recipe.epochs
    rate = keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / 100,
        decay_steps=n_steps - n_steps // 10,
        warmup_target=recipe.learning_rate,
        warmup_steps=n_steps // 10,
    )
    return keras.optimizers.AdamW(
        rate,
        weight_decay=recipe.weight_decay,
        clipnorm=5.0,
        use_ema=True,
        ema_momentum=recipe.averaging,
    )


def _listen(trunk: keras.Model, clips: Clips, recipe: Recipe) -> NDArray[np.float16]:
    """Ask a pretrained trunk about each clip and its augmented copies.

    Returns
    -------
    ndarray of float16, shape (1 + recipe.copies, n_clips, n_values)
    """
    shape = (1 + recipe.copies, len(clips), trunk.output.shape[-1])
    pooled = np.empty(shape, dtype=np.float16)
    starts = range(0, len(clips), _CLIPS_AT_ONCE)
    with tqdm(total=shape[0] * len(starts), desc="listening", disable=None) as progress:
        for copy in range(shape[0]):
            for first in starts:
                some = clips.log_power[first : first + _CLIPS_AT_ONCE]
                if copy == 0:
                    log_power = np.stack([fit_length(c, recipe.crop_frames) for c in some])
                    power = relative_to_voice(np.exp(log_power))  # of the window, as in prediction
                else:
                    rng = np.random.default_rng((recipe.seed, copy, first))
                    power = recipe.augmentation.power(some, recipe.crop_frames, rng)
                features = np.log(power + np.float32(recipe.features.log_offset))
                pooled[copy, first : first + len(some)] = trunk.predict_on_batch(features)
                progress.update()
    return pooled


def _statistics(clips: Clips, recipe: Recipe) -> dict[str, float]:
    """Mean and deviation of the features of some training batches."""
    batches = Batches(clips, recipe)
    some = np.concatenate([batches[i][0].ravel() for i in range(min(20, len(batches)))])
    return {"mean": round(float(some.mean()), 4), "deviation": round(float(some.std()), 4)}


class _Progress(keras.callbacks.Callback):
    """A bar for each epoch on a terminal, a line in the log otherwise."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        title = f"epoch {epoch + 1}/{self.params['epochs']}"
        self._bar = tqdm(desc=title, total=self.params["steps"], unit="step", disable=None)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._bar.set_postfix(loss=f"{logs['loss']:.3f}", refresh=False)
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._bar.close()
        _logger.info("epoch %d/%d: loss %.4f", epoch + 1, self.params["epochs"], logs["loss"])


class _State(keras.callbacks.Callback):
    """Saves all that changes in training after each epoch, and brings a model back to it."""

    def __init__(self, folder: Path, recipe: Recipe, n_clips: int, start: str | None) -> None:
        super().__init__()
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "state.npz"
        run = {**recipe.to_dict(), "n_clips": n_clips, "initial_weights": start}
        description = json.dumps(run, indent=2)
        path = folder / "recipe.json"
        if path.exists() and path.read_text(encoding="utf-8") != description:
            raise ValueError(
                f"`checkpoints`: {str(folder)!r} holds the state of another recipe or of other "
                "recordings (see its recipe.json); name another folder, or remove it to start anew"
            )
        path.write_text(description, encoding="utf-8")

    def restore(self, model: keras.Model) -> int:
        """Bring a compiled model to the state that was saved; return the number of epochs done."""
        if not self.path.exists():
            return 0
        with np.load(self.path, allow_pickle=False) as saved:
            for name, variable in _variables(model).items():
                variable.assign(saved[name])
            epochs_done = int(saved["epochs_done"])
        _logger.info("going on after epoch %d, from %s", epochs_done, self.path)
        return epochs_done

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        beside = self.path.with_name("unfinished.npz")
        variables = _variables(self.model).items()
        values = {name: keras.ops.convert_to_numpy(variable) for name, variable in variables}
        np.savez(beside, epochs_done=epoch + 1, **values)
        beside.replace(self.path)


def _variables(model: keras.Model) -> dict[str, Any]:
    """Return weights, seeds of dropout and state of the optimiser, in an order that is always so.

    A saved Keras model would lack the seeds.
    """
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return {
        f"{part}-{number}": variable
        for part, variables in (
            ("model", model.variables),
            ("optimizer", model.optimizer.variables),
        )
        for number, variable in enumerate(variables)
    }
