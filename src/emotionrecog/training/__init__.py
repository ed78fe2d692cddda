"""Training: utterances in, a recogniser out.

Importing this package is light; `train` loads TensorFlow.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from emotionrecog import models
from emotionrecog.artifact import Artifact
from emotionrecog.errors import DatasetError
from emotionrecog.recognizer import EmotionRecognizer
from emotionrecog.splits.dividing import hold_out_speakers
from emotionrecog.splits.leakage import raise_if_leaky
from emotionrecog.training.adaptation import Adaptation, adapt, continued
from emotionrecog.training.data import read_clips, require_apart
from emotionrecog.training.recipe import Recipe
from emotionrecog.training.record import describe, versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    import tensorflow as tf

    from emotionrecog.datasets import Utterance

__all__ = ["Adaptation", "Recipe", "adapt", "continued", "train"]

_logger = logging.getLogger("emotionrecog")

# Shorter recordings are refused by a trained recogniser, in s: a syllable or two.
MINIMUM_DURATION = 0.4


def train(
    train_set: Sequence[Utterance],
    validation_set: Sequence[Utterance] | None = None,
    *,
    recipe: Recipe | None = None,
    name: str = "my-recogniser",
    start: EmotionRecognizer | None = None,
    initial_weights: str | os.PathLike[str] | None = None,
    checkpoints: str | os.PathLike[str] | None = None,
    test_set: Sequence[Utterance] = (),
    allow_leakage: bool = False,
    compare_audio: bool = True,
    strategy: tf.distribute.Strategy | None = None,
    n_jobs: int = -1,
) -> EmotionRecognizer:
    """Train a recogniser.

    Clips of a corpus that lacks an emotion teach little about it: its logit takes part in their
    loss with ``recipe.absent_weight`` alone. What decides how often a clip is drawn is the square
    root of the size of its corpus, shared equally among that corpus' emotions; RAVDESS' song
    counts as a corpus of its own.

    Parameters
    ----------
    train_set
        Utterances of any corpora. Recordings that cannot be used are left out with a warning.
    validation_set
        Utterances of other speakers, on whom ``recipe.patience`` decides when to stop and which
        weights to keep. Where it is needed and not given, some speakers of `train_set` are held
        out.
    recipe
        How to train; the default is that of the recogniser that comes with the package.
    name
        What to call the recogniser.
    start
        A recogniser to go on from, of the same architecture, sizes, features and labels.
    initial_weights
        ``.npz`` with the weights of EfficientAT ``mn04``, for the trunk of a ``"mobilenet"``,
        which keeps them. Without, all is trained from scratch.
    checkpoints
        Folder that the state is saved to after each epoch. Where it holds the state of an earlier
        run of the same recipe, training goes on from there.
    test_set
        Utterances that the recogniser will be measured on. Nothing is learnt from them and nothing
        chosen by them; `emotionrecog.splits.leakage.audit` looks for them in the others before
        training begins.
    allow_leakage
        Train although `test_set` shares speakers or recordings with the others. The recogniser
        says so, in ``artifact.training["leakage"]``, and so does every report on it.
    compare_audio
        Compare the sound of the recordings, not only names and bytes.
    strategy
        How to spread the work over GPUs or machines; see ``tf.distribute``. Seeds of dropout differ
        between replicas, everything else comes out as on one.
    n_jobs
        Number of workers that read recordings, as joblib counts them.

    Returns
    -------
    EmotionRecognizer
        What each epoch came to stands in ``artifact.training["history"]``.

    Raises
    ------
    LeakageError
        If speakers or recordings of `test_set` are in training or validation and `allow_leakage`
        is false; if training and validation share speakers.
    DatasetError
        If fewer recordings than one batch needs can be used, or their emotions are not all among
        ``recipe.labels``.
    ModelError
        If TensorFlow is missing, or `initial_weights` are not those of EfficientAT ``mn04``.
    ValueError
        If `checkpoints` holds the state of another recipe, or what to start from does not fit the
        recipe.
    """
    models.require_tensorflow()
    from emotionrecog.models import export
    from emotionrecog.training import linear
    from emotionrecog.training.loop import Start, fit

    recipe = recipe or Recipe()
    _require_fitting_start(recipe, start, initial_weights)
    given = [*train_set, *(validation_set or ())]
    leakage = None
    if test_set:
        leakage = raise_if_leaky(
            given, test_set, allow_leakage=allow_leakage, compare_audio=compare_audio, n_jobs=n_jobs
        )
    if validation_set is None and recipe.patience is not None:
        train_set, validation_set = hold_out_speakers(
            train_set, recipe.validation_share, recipe.seed
        )
    require_apart(train_set, validation_set or ())
    clips, used = read_clips(train_set, recipe, n_jobs)
    if recipe.architecture != "linear" and len(clips) < recipe.batch_size:
        raise DatasetError(
            f"training needs at least one batch of {recipe.batch_size} clips, "
            f"got {len(clips)} that can be used"
        )
    validation = None
    watched: list[Utterance] = []
    if validation_set:
        validation, watched = read_clips(validation_set, recipe, n_jobs, varied=False)
    begin = Start(
        name=Path(initial_weights).name
        if initial_weights
        else start.artifact.name
        if start
        else None,
        weights=Path(initial_weights) if initial_weights else None,
        network=export.restore(start.artifact) if start else None,
        sizes=start.artifact.sizes if start else None,
    )
    if recipe.architecture == "linear":
        network, sizes, history = linear.fit(clips, recipe)
    else:
        network, sizes, history = fit(
            clips,
            recipe,
            validation,
            start=begin,
            checkpoints=Path(checkpoints) if checkpoints is not None else None,
            strategy=strategy,
        )
    export.round_weights(network)
    artifact = Artifact(
        name=name,
        labels=recipe.labels,
        features=recipe.features,
        window_frames=recipe.crop_frames,
        minimum_duration=MINIMUM_DURATION,
        architecture=recipe.architecture,
        sizes=sizes,
        temperature=1.0,
        training={
            "corpora": describe([*used, *watched]),
            "speakers": sorted({utterance.speaker for utterance in [*used, *watched]}),
            "validation_speakers": sorted({utterance.speaker for utterance in watched}),
            "recipe": recipe.to_dict(),
            "initial_weights": begin.name,
            "leakage": leakage,
            "history": history,
        },
        metrics={},
        versions=versions(),
        onnx=export.to_onnx(network, 1.0),
        weights=export.weights_of(network),
        card="",
    )
    return EmotionRecognizer(artifact)


def _require_fitting_start(
    recipe: Recipe,
    start: EmotionRecognizer | None,
    initial_weights: str | os.PathLike[str] | None,
) -> None:
    if initial_weights is not None and recipe.architecture != "mobilenet":
        raise ValueError(
            "`initial_weights` are those of the architecture 'mobilenet', "
            f"but the recipe says {recipe.architecture!r}"
        )
    if start is None:
        return
    if initial_weights is not None:
        raise ValueError("`start` and `initial_weights` cannot both be given")
    if recipe.architecture == "linear":
        raise ValueError(
            "`start` is of no use to the architecture 'linear', which is fitted at once; train on "
            "the old and the new recordings together"
        )
    own, of_start = (
        (recipe.architecture, recipe.features, recipe.labels, recipe.crop_frames),
        (
            start.artifact.architecture,
            start.artifact.features,
            start.artifact.labels,
            start.artifact.window_frames,
        ),
    )
    if own != of_start:
        differing = next(
            name
            for name, a, b in zip(
                ("architecture", "features", "labels", "crop_frames"), own, of_start, strict=True
            )
            if a != b
        )
        raise ValueError(
            f"`start` must fit the recipe, but their {differing} differ; use "
            "emotionrecog.training.continued(recognizer)"
        )
