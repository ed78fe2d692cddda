"""Train a network on utterances: check the split, read the recordings, fit, export."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from emotionrecog import models
from emotionrecog.artifact import Artifact, artifact_of
from emotionrecog.errors import DatasetError
from emotionrecog.splits.dividing import hold_out_speakers
from emotionrecog.splits.leakage import raise_if_leaky
from emotionrecog.training.card import describe_data, versions
from emotionrecog.training.data import read_clips, require_apart
from emotionrecog.training.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    import tensorflow as tf

    from emotionrecog.artifact import HasArtifact
    from emotionrecog.datasets import Utterance

__all__ = ["train"]

# Shortest recording that a trained recogniser accepts, in s: a syllable or two.
MINIMUM_DURATION = 0.4


def train(
    train_set: Sequence[Utterance],
    validation_set: Sequence[Utterance] | None = None,
    *,
    recipe: Recipe | None = None,
    name: str = "my-recogniser",
    start: Artifact | HasArtifact | None = None,
    initial_weights: str | os.PathLike[str] | None = None,
    checkpoints: str | os.PathLike[str] | None = None,
    test_set: Sequence[Utterance] = (),
    allow_leakage: bool = False,
    compare_audio: bool = True,
    strategy: tf.distribute.Strategy | None = None,
    cache: str | os.PathLike[str] | None = None,
    n_jobs: int = -1,
) -> Artifact:
    """Train a network and return it as an artefact.

    Clips of a corpus that lacks an emotion contribute little to learning it: its logit takes part
    in their loss with the weight ``recipe.absent_weight``. Clips are sampled in proportion to the
    square root of the size of their corpus, shared equally among its emotions; the song part of
    RAVDESS counts as a corpus of its own.

    Parameters
    ----------
    train_set
        Utterances of any corpora. Recordings that cannot be used are left out with a warning.
    validation_set
        Utterances of other speakers, used for early stopping (``recipe.patience``) and to choose
        the weights to keep. If it is needed and not given, some speakers of `train_set` are held
        out.
    recipe
        How to train; by default as the bundled recogniser was trained.
    name
        Name of the recogniser.
    start
        A recogniser, or its artefact, to continue training from, with the same architecture,
        sizes, features and labels.
    initial_weights
        ``.npz`` with the weights of EfficientAT ``mn04``, for the trunk of a ``"mobilenet"``,
        which stays frozen. Without it, all weights are trained from scratch.
    checkpoints
        Folder where the state is saved after each epoch. If it contains the state of an earlier
        run of the same recipe, training resumes from there.
    test_set
        Utterances that the recogniser will be evaluated on. They are used neither for training nor
        for any choice; `emotionrecog.splits.leakage.audit` looks for them in the other sets before
        training begins.
    allow_leakage
        Train even if `test_set` shares speakers or recordings with the others. This is recorded in
        ``artifact.training["leakage"]`` and stated in every report.
    compare_audio
        Compare the recordings by sound too, not only by name and content.
    strategy
        How to distribute the work over GPUs or machines; see ``tf.distribute``. Seeds of dropout
        differ between replicas; everything else is as on one.
    cache
        Folder where the frames of recordings are kept, to be found again by their content; see
        `emotionrecog.features.extraction.extract_corpus`. By default nothing is kept.
    n_jobs
        Number of workers that read recordings, as joblib counts them.

    Returns
    -------
    Artifact
        The trained network. ``artifact.training["history"]`` holds the metrics of each epoch;
        ``EmotionRecognizer(artifact)`` predicts with it, `emotionrecog.artifact.write` saves it.

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
        If `checkpoints` contains the state of another recipe, or `start` does not fit the recipe.

    See Also
    --------
    emotionrecog.EmotionRecognizer.train : The same, with the most common options by name.

    Examples
    --------
    ::

        from emotionrecog import EmotionRecognizer, datasets
        from emotionrecog.training import Recipe, train

        artifact = train(datasets.read("corpora"), recipe=Recipe.of("gru"), name="mine")
        EmotionRecognizer(artifact).predict("clip.wav")
    """
    models.require_tensorflow()
    from emotionrecog.models import export
    from emotionrecog.training import linear
    from emotionrecog.training.loop import Start, fit

    recipe = recipe or Recipe()
    before = None if start is None else artifact_of(start)
    _require_fitting_start(recipe, before, initial_weights)
    utterances = [*train_set, *(validation_set or ())]
    leakage = None
    if test_set:
        leakage = raise_if_leaky(
            utterances,
            test_set,
            allow_leakage=allow_leakage,
            compare_audio=compare_audio,
            n_jobs=n_jobs,
        )
    if validation_set is None and recipe.patience is not None:
        train_set, validation_set = hold_out_speakers(
            train_set, recipe.validation_share, recipe.seed
        )
    require_apart(train_set, validation_set or ())
    clips, used = read_clips(train_set, recipe, n_jobs, cache=cache)
    if recipe.architecture != "linear" and len(clips) < recipe.batch_size:
        raise DatasetError(
            f"training needs at least one batch of {recipe.batch_size} clips, "
            f"got {len(clips)} that can be used"
        )
    validation = None
    watched: list[Utterance] = []
    if validation_set:
        validation, watched = read_clips(validation_set, recipe, n_jobs, varied=False, cache=cache)
    if initial_weights is not None:
        path = Path(initial_weights)
        begin = Start(name=path.name, weights=path)
    elif before is not None:
        network = export.restore(before)
        begin = Start(name=before.name, network=network, sizes=before.sizes)
    else:
        begin = Start()
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
    return Artifact(
        name=name,
        labels=recipe.labels,
        features=recipe.features,
        window_frames=recipe.crop_frames,
        minimum_duration=MINIMUM_DURATION,
        architecture=recipe.architecture,
        sizes=sizes,
        temperature=1.0,
        training={
            "corpora": describe_data([*used, *watched]),
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


def _require_fitting_start(
    recipe: Recipe,
    start: Artifact | None,
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
            "`start` cannot be used with the architecture 'linear', which is fitted in one step; "
            "train on the old and the new recordings together"
        )
    of_recipe, of_start = (
        (recipe.architecture, recipe.features, recipe.labels, recipe.crop_frames),
        (
            start.architecture,
            start.features,
            start.labels,
            start.window_frames,
        ),
    )
    if of_recipe != of_start:
        differing = next(
            name
            for name, a, b in zip(
                ("architecture", "features", "labels", "crop_frames"),
                of_recipe,
                of_start,
                strict=True,
            )
            if a != b
        )
        raise ValueError(
            f"`start` must fit the recipe, but their {differing} differ; use "
            "emotionrecog.training.continued(recognizer)"
        )
