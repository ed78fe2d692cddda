"""The training loop; importing this module imports TensorFlow.

The loop does not use `keras.Model.fit`, which does not run under every strategy of
``tf.distribute`` (not under ``MultiWorkerMirroredStrategy``) and clips gradients before they are
summed over replicas.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from tqdm import tqdm

from emotionrecog import files, models
from emotionrecog.evaluation.metrics import uar
from emotionrecog.models import mobilenet
from emotionrecog.models.losses import by_name, joined
from emotionrecog.training.data import ArrayBatches, Batches, Clips, statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from emotionrecog.training.recipe import Recipe

    Array = NDArray[np.float32]

__all__: list[str] = []

_logger = logging.getLogger("emotionrecog")

# Smallest probability of an emotion, in the loss of a network that ends in a softmax.
_SMALLEST_PROBABILITY = 1e-7

# Batch size of a pretrained trunk.
_TRUNK_BATCH_SIZE = 32

# Largest norm of the gradient of a weight; longer gradients are clipped.
_LARGEST_GRADIENT_NORM = 5.0

# UAR and negative loss on validation speakers, before the first epoch. The UAR comes first, because
# the loss of a network that overfits rises long before its answers get worse.
_NO_SCORE = (-1.0, -np.inf)

# The entries of a row of the history, besides the number of its epoch.
HISTORY = (
    "loss",
    "validation_loss",
    "validation_uar",
    "learning_rate",
    "seconds",
    "waiting",
    "kept",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Start:
    """Initial weights of a network, and which of them are trained; random weights by default.

    Parameters
    ----------
    name
        Name of the initial weights, for the checkpoints and the artefact.
    weights
        The ``.npz`` of EfficientAT ``mn04``, for the trunk of a ``"mobilenet"``, which is frozen.
    network, sizes
        A trained network of the same architecture, and its sizes.
    frozen
        Train only the layers called ``logits``.
    pull
        With `frozen`: strength of the L2 penalty on the distance of the weights from their initial
        values; half the cost of the squared distance.

    Examples
    --------
    >>> Start(name="mn04", weights=Path("mn04.npz")).frozen
    False
    """

    name: str | None = None
    weights: Path | None = None
    network: keras.Model | None = None
    sizes: Mapping[str, Any] | None = None
    frozen: bool = False
    pull: float = 0.0


def fit(
    clips: Clips,
    recipe: Recipe,
    validation: Clips | None = None,
    *,
    start: Start | None = None,
    checkpoints: Path | None = None,
    strategy: tf.distribute.Strategy | None = None,
) -> tuple[keras.Model, dict[str, Any], list[dict[str, float]]]:
    """Fit a network; return it, its sizes, and the metrics of each epoch.

    Examples
    --------
    ::

        clips, _ = read_clips(utterances, Recipe.of("gru"), n_jobs=-1)
        network, sizes, history = fit(clips, Recipe.of("gru"))
    """
    start = start or Start()
    strategy = strategy or tf.distribute.get_strategy()
    state = None if checkpoints is None else _State(checkpoints, recipe, len(clips), start.name)
    batches = Batches(clips, recipe)
    n_features = clips.frames[0].shape[1]
    n_emotions = clips.present.shape[1]
    keras.utils.set_random_seed(recipe.seed)
    default_sizes = models.default_sizes(recipe.architecture)
    sizes = default_sizes | dict(recipe.sizes)
    sizes |= statistics(batches) if start.sizes is None else start.sizes
    if "n_frames" in default_sizes:
        sizes["n_frames"] = recipe.crop_frames
    watched = None
    with strategy.scope(), _precision(recipe):
        network = models.build(recipe.architecture, n_features, n_emotions, **sizes)
        model = network
        if validation is not None:
            batches_of_validation = Batches(validation, recipe)
            inputs = batches_of_validation.fixed(range(len(validation)))
            watched = inputs, batches_of_validation.targets
        if start.network is not None:
            network.set_weights(start.network.get_weights())
        if start.weights is not None:
            mobilenet.load_audioset_weights(network, start.weights)
            trunk, model = mobilenet.split(network, recipe.crop_frames)
            batches = Batches(clips, recipe, embed(trunk, clips, recipe))
            if watched is not None:
                watched = _embeddings(trunk, watched[0]), watched[1]
        if start.frozen:
            _freeze(model, start.pull)
        history = _Loop(model, batches, watched, recipe, state, strategy).run()
    if recipe.mixed_precision:
        weights = network.get_weights()
        network = models.build(recipe.architecture, n_features, n_emotions, **sizes)
        network.set_weights(weights)
    return network, sizes, history


def fit_arrays(
    model: keras.Model,
    train: tuple[Array, NDArray[np.intp]],
    validation: tuple[Array, NDArray[np.intp]],
    n_emotions: int,
    recipe: Recipe,
    *,
    answers_probabilities: bool,
) -> list[dict[str, float]]:
    """Fit any Keras model to arrays of equally long clips; return the metrics of each epoch.

    Emotions count equally, however many clips each has. A compiled model keeps its optimiser and
    its loss, which must take the index of an emotion; otherwise these are as in `recipe`.

    Examples
    --------
    ::

        history = fit_arrays(
            model, (x, y), (x_val, y_val), 8, Recipe.of("cnn1d"), answers_probabilities=False
        )
    """
    keras.utils.set_random_seed(recipe.seed)
    optimizer = loss = None
    if model.compiled:
        optimizer, compiled_loss = model.optimizer, keras.losses.get(model.loss)

        def loss(targets: Any, answers: Any) -> Any:
            emotions = ops.argmax(targets[:, :n_emotions], axis=-1)
            if isinstance(compiled_loss, keras.losses.Loss):
                return compiled_loss.call(emotions, answers)
            return compiled_loss(emotions, answers)

    elif answers_probabilities:
        on_logits = by_name(recipe.loss, gamma=recipe.focal_gamma)

        def loss(targets: Any, answers: Any) -> Any:
            return on_logits(targets, ops.log(ops.maximum(answers, _SMALLEST_PROBABILITY)))

    batches = ArrayBatches(*train, n_emotions, recipe)
    watched = validation[0], ArrayBatches(*validation, n_emotions, recipe).targets
    return _Loop(model, batches, watched, recipe, optimizer=optimizer, loss=loss).run()


@contextlib.contextmanager
def _precision(recipe: Recipe) -> Iterator[None]:
    """Build layers that compute in bfloat16 if the recipe asks for mixed precision."""
    before = keras.config.dtype_policy()
    if recipe.mixed_precision:
        keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _freeze(model: keras.Model, pull: float = 0.0) -> None:
    """Freeze all layers except those called ``logits``; penalise the distance these move."""
    for layer in model._flatten_layers(include_self=False, recursive=True):
        if not isinstance(layer, keras.Model):
            layer.trainable = layer.name.startswith("logits")
    for variable in model.trainable_variables if pull else ():
        variable.regularizer = _Pull(ops.convert_to_numpy(variable), pull)


class _Pull:
    """A penalty on the squared distance from the initial weights (L2-SP)."""

    def __init__(self, weights: Array, strength: float) -> None:
        self.weights, self.strength = weights, strength

    def __call__(self, variable: Any) -> Any:
        return self.strength / 2 * ops.sum(ops.square(variable - self.weights))


def _embeddings(trunk: keras.Model, inputs: Array) -> Array:
    batches = [
        trunk.predict_on_batch(inputs[first : first + _TRUNK_BATCH_SIZE])
        for first in range(0, len(inputs), _TRUNK_BATCH_SIZE)
    ]
    return np.concatenate(batches)


def embed(trunk: keras.Model, clips: Clips, recipe: Recipe) -> NDArray[np.float16]:
    """Compute the outputs of a pretrained trunk for each clip and its augmented copies.

    Returns
    -------
    ndarray of float16, shape (1 + recipe.copies, n_clips, n_values)

    Examples
    --------
    ::

        trunk, heads = mobilenet.split(network, recipe.crop_frames)
        batches = Batches(clips, recipe, embed(trunk, clips, recipe))
    """
    augmentation = recipe.augmentation
    shape = (1 + (recipe.copies if augmentation else 0), len(clips), trunk.output.shape[-1])
    embeddings = np.empty(shape, dtype=np.float16)
    starts = range(0, len(clips), _TRUNK_BATCH_SIZE)
    batches = Batches(clips, recipe)
    with tqdm(total=shape[0] * len(starts), desc="embedding", disable=None) as progress:
        for copy in range(shape[0]):
            for first in starts:
                numbers = range(first, min(first + _TRUNK_BATCH_SIZE, len(clips)))
                if copy == 0 or augmentation is None:
                    features = batches.fixed(numbers)
                else:
                    rng = np.random.default_rng((recipe.seed, copy, first))
                    frames = [clips.frames[i] for i in numbers]
                    power = augmentation.power(frames, recipe.crop_frames, rng)
                    features = np.log(power + np.float32(recipe.features.log_offset))
                outputs = trunk.predict_on_batch(features)
                embeddings[copy, first : first + len(numbers)] = outputs
                progress.update()
    return embeddings


class _Loop:
    """Trains epoch after epoch and keeps the best weights."""

    def __init__(
        self,
        model: keras.Model,
        batches: Batches | ArrayBatches,
        validation: tuple[Array, Array] | None,
        recipe: Recipe,
        state: _State | None = None,
        strategy: tf.distribute.Strategy | None = None,
        *,
        optimizer: keras.optimizers.Optimizer | None = None,
        loss: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        strategy = strategy or tf.distribute.get_strategy()
        self.model, self.batches, self.validation = model, batches, validation
        self.recipe, self.state, self.strategy = recipe, state, strategy
        self.optimizer = optimizer or _optimizer(recipe, len(batches))
        self.optimizer.build(model.trainable_variables)
        self.loss = loss or by_name(recipe.loss, gamma=recipe.focal_gamma)
        self.history: list[dict[str, float]] = []
        self.best: list[Any] | None = None
        self.best_score, self.best_epoch, self.waited = _NO_SCORE, 0, 0
        n_replicas = strategy.num_replicas_in_sync
        if recipe.batch_size % n_replicas:
            raise ValueError(
                f"`batch_size` must be a multiple of the {n_replicas} replicas of the strategy, "
                f"got {recipe.batch_size}"
            )

    def run(self) -> list[dict[str, float]]:
        """Train all epochs that are left, after those of an earlier run in the checkpoints."""
        recipe, n_batches = self.recipe, len(self.batches)
        if self.state:
            self.state.restore(self)
        first = len(self.history)
        with tqdm(
            total=recipe.epochs * n_batches,
            initial=first * n_batches,
            desc="training",
            unit="step",
            disable=None,
        ) as progress:
            step = self._step()
            for epoch in range(first, recipe.epochs):
                if self._has_waited():
                    break
                self._epoch(epoch, step, progress)
                if self.state:
                    self.state.save(self)
        self._restore_best()
        return self.history

    def _has_waited(self) -> bool:
        return self.recipe.patience is not None and self.waited >= self.recipe.patience

    def _epoch(self, epoch: int, step: Callable[..., Any], progress: Any) -> None:
        began = time.perf_counter()
        losses, waiting = [], 0.0
        parts = iter(self._dataset(epoch))
        for _ in range(len(self.batches)):
            asked = time.perf_counter()
            batch = next(parts)
            waiting += time.perf_counter() - asked
            losses.append(float(step(*batch)))
            progress.set_postfix(epoch=epoch + 1, loss=f"{losses[-1]:.3f}", refresh=False)
            progress.update()
        row = {
            "epoch": epoch + 1,
            "loss": float(np.mean(losses)),
            "learning_rate": float(ops.convert_to_numpy(self.optimizer.learning_rate)),
        }
        if self.validation is not None:
            row |= self._validate()
            score = row["validation_uar"], -row["validation_loss"]
            if np.isfinite(score).all() and score > self.best_score:
                self.best_score, self.best_epoch, self.waited = score, epoch, 0
                self.best = self._weights()
            else:
                self.waited += 1
        row |= {"seconds": time.perf_counter() - began, "waiting": waiting}
        self.history.append(row)
        metrics = ", ".join(
            f"{name.replace('_uar', ' UAR').replace('_', ' ')} {row[name]:.4f}"
            for name in HISTORY[:3]
            if name in row
        )
        _logger.info("epoch %d/%d: %s", epoch + 1, self.recipe.epochs, metrics)

    def _dataset(self, epoch: int) -> Any:
        """Return the batches of an epoch, prepared on all cores ahead of the steps."""
        batches, strategy = self.batches, self.strategy
        n_replicas = strategy.num_replicas_in_sync
        size = self.recipe.batch_size // n_replicas
        reference = weakref.ref(batches)  # TensorFlow never releases the functions that it calls
        batches.order(epoch)  # drawn once, not by each thread
        shapes = [array.shape for array in batches.batch(epoch, 0)]

        def part(number: NDArray[np.int64], first: int) -> tuple[Array, ...]:
            """Return the part of a batch that one replica trains on."""
            rows = slice(first * size, (first + 1) * size)
            source = reference()
            assert source is not None
            return tuple(array[rows] for array in source.batch(epoch, int(number)))

        def pipeline(context: tf.distribute.InputContext) -> tf.data.Dataset:
            n_local = n_replicas // context.num_input_pipelines
            first = context.input_pipeline_id * n_local
            replicas = range(first, first + n_local)

            def load(index: tf.Tensor) -> tuple[tf.Tensor, ...]:
                # Batch after batch, the parts of each for the replicas of this pipeline.
                tensors = tf.numpy_function(
                    lambda i: part(i // n_local, replicas[int(i) % n_local]),
                    [index],
                    [tf.float32] * 3,
                )
                return tuple(
                    tf.ensure_shape(tensor, (size, *shape[1:]))
                    for tensor, shape in zip(tensors, shapes, strict=True)
                )

            dataset = tf.data.Dataset.range(len(batches) * n_local)
            dataset = dataset.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
            return dataset.prefetch(tf.data.AUTOTUNE)

        if n_replicas == 1:
            return pipeline(tf.distribute.InputContext())
        return strategy.distribute_datasets_from_function(pipeline)

    def _step(self) -> Callable[..., Any]:
        model, optimizer, loss = self.model, self.optimizer, self.loss
        n_replicas, n_clips = self.strategy.num_replicas_in_sync, self.recipe.batch_size

        def on_replica(inputs: Any, targets: Any, weights: Any) -> Any:
            with tf.GradientTape() as tape:
                answers = ops.cast(model(inputs, training=True), "float32")
                of_clips = ops.sum(loss(targets, answers) * weights) / n_clips
                total = of_clips + sum(ops.cast(x, "float32") for x in model.losses) / n_replicas
            gradients = tape.gradient(total, model.trainable_variables)
            if n_replicas > 1:
                context = tf.distribute.get_replica_context()
                gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
            # The optimiser adds up what the replicas have, which is now the same.
            gradients = [tf.clip_by_norm(g, _LARGEST_GRADIENT_NORM) / n_replicas for g in gradients]
            optimizer.apply(gradients, model.trainable_variables)
            return total

        def step(inputs: Any, targets: Any, weights: Any) -> Any:
            if n_replicas == 1:
                return on_replica(inputs, targets, weights)
            losses = self.strategy.run(on_replica, args=(inputs, targets, weights))
            return self.strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

        compiled: Callable[..., Any] = tf.function(step, reduce_retracing=True)
        return compiled

    def _validate(self) -> dict[str, float]:
        """Evaluate the current weights, or their moving average if there is one."""
        assert self.validation is not None
        inputs, targets = self.validation
        before = self._weights(averaged=False)
        self._assign(self._weights())
        answers = np.concatenate(
            [
                ops.convert_to_numpy(
                    ops.cast(self.model(inputs[i : i + 64], training=False), "float32")
                )
                for i in range(0, len(inputs), 64)
            ]
        )
        self._assign(before)
        losses = ops.convert_to_numpy(self.loss(targets, answers))
        target, weight = np.split(targets, 2, axis=1)
        if answers.ndim == 3:  # of several heads
            answers = ops.convert_to_numpy(joined(answers))
        answered = (answers + np.log(np.maximum(weight, 1e-30))).argmax(axis=1)
        return {
            "validation_loss": float(losses.mean()),
            "validation_uar": uar(target.argmax(axis=1), answered),
        }

    def _weights(self, *, averaged: bool = True) -> list[Any]:
        """Return all weights; trainable ones as moving averages if there are averages."""
        values = [ops.convert_to_numpy(variable) for variable in self.model.variables]
        if averaged and self.optimizer.use_ema:
            index_of = {id(v): i for i, v in enumerate(self.model.variables)}
            pairs = zip(
                self.model.trainable_variables,
                self.optimizer._model_variables_moving_average,
                strict=True,
            )
            for variable, average in pairs:
                values[index_of[id(variable)]] = ops.convert_to_numpy(average)
        return values

    def _assign(self, values: list[Any]) -> None:
        for variable, value in zip(self.model.variables, values, strict=True):
            variable.assign(value)

    def _restore_best(self) -> None:
        kept = len(self.history) - 1
        if self.recipe.patience is not None and self.best is not None:
            self._assign(self.best)
            kept = self.best_epoch
        else:
            self._assign(self._weights())
        self.history = [{**row, "kept": float(i == kept)} for i, row in enumerate(self.history)]


def _optimizer(recipe: Recipe, n_batches: int) -> keras.optimizers.Optimizer:
    n_steps = n_batches * recipe.epochs
    warmup_steps = max(1, n_steps // 10)
    if recipe.schedule == "cosine":
        rate: Any = keras.optimizers.schedules.CosineDecay(
            recipe.learning_rate / 100,
            decay_steps=n_steps - n_steps // 10,
            warmup_target=recipe.learning_rate,
            warmup_steps=n_steps // 10,
        )
    else:
        rate = keras.optimizers.schedules.PolynomialDecay(
            recipe.learning_rate / 100,
            decay_steps=min(warmup_steps, 2 * n_batches),
            end_learning_rate=recipe.learning_rate,
        )
    kind = keras.optimizers.AdamW if recipe.optimizer == "adamw" else keras.optimizers.Adam
    options: dict[str, Any] = {}
    if recipe.optimizer == "adamw":
        options["weight_decay"] = recipe.weight_decay
    if recipe.averaging:
        # Over a tenth of the steps at most, so that random weights do not dominate short runs.
        momentum = min(recipe.averaging, max(0.0, 1.0 - 10.0 / n_steps))
        options |= {"use_ema": True, "ema_momentum": momentum}
    return kind(rate, **options)


class _State:
    """The state of a training, saved after each epoch, so that the training can be resumed."""

    def __init__(self, folder: Path, recipe: Recipe, n_clips: int, start: str | None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "state.npz"
        sizes = models.default_sizes(recipe.architecture) | dict(recipe.sizes)
        run = {**recipe.to_dict(), "sizes": sizes, "n_clips": n_clips, "initial_weights": start}
        path = folder / "recipe.json"
        description = files.to_json(run, indent=2)
        if not path.exists():
            files.write_text(path, description)
        elif path.read_text(encoding="utf-8") != description:
            raise ValueError(
                f"`checkpoints`: {str(folder)!r} contains the state of another recipe or of other "
                "recordings (see its recipe.json); name another folder, or delete it to start anew"
            )

    def restore(self, loop: _Loop) -> None:
        """Set a loop to the saved state."""
        if not self.path.exists():
            return
        with np.load(self.path, allow_pickle=False) as saved:
            for name, variable in _variables(loop).items():
                variable.assign(saved[name])
            progress = json.loads(str(saved["progress"]))
            n_best = progress.pop("n_best")
            loop.best = [saved[f"best-{i}"] for i in range(n_best)] or None
        loop.history = progress["history"]
        loop.best_score = tuple(progress["best_score"])
        loop.best_epoch = progress["best_epoch"]
        loop.waited = progress["waited"]
        _logger.info("resuming after epoch %d, from %s", len(loop.history), self.path)

    def save(self, loop: _Loop) -> None:
        """Replace the saved state with that of a loop."""
        if not _is_chief(loop.strategy):
            return
        best = loop.best or []
        progress = {
            "history": loop.history,
            "best_score": loop.best_score,
            "best_epoch": loop.best_epoch,
            "waited": loop.waited,
            "n_best": len(best),
        }
        values = {name: ops.convert_to_numpy(v) for name, v in _variables(loop).items()}
        values |= {f"best-{i}": value for i, value in enumerate(best)}
        with files.writing(self.path) as new:
            np.savez(new, progress=json.dumps(progress), **values)


def _is_chief(strategy: tf.distribute.Strategy) -> bool:
    resolver = strategy.cluster_resolver
    return resolver is None or resolver.task_id in (None, 0)


def _variables(loop: _Loop) -> dict[str, Any]:
    """Return weights, seeds of dropout and the state of the optimiser, in a fixed order.

    A model saved by Keras would lack the seeds.
    """
    return {
        f"{part}-{number}": variable
        for part, variables in (
            ("model", loop.model.variables),
            ("optimizer", loop.optimizer.variables),
        )
        for number, variable in enumerate(variables)
    }
