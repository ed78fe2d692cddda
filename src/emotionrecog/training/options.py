"""The options that training takes by name, and the recipe that they make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from emotionrecog.features import as_spec

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import tensorflow as tf

    from emotionrecog.artifact import Artifact, HasArtifact
    from emotionrecog.augmentation import Chain, SpectrogramAugmentation
    from emotionrecog.datasets import Utterance
    from emotionrecog.features import FeatureSpec, PresetName
    from emotionrecog.models import ArchitectureName, LossName
    from emotionrecog.training.recipe import Recipe

__all__ = ["RecipeOptions", "TrainOptions", "choose_recipe"]

# Varied copies of each clip if waveforms are varied.
_COPIES = 4


class RecipeOptions(TypedDict, total=False):
    """The fields of a recipe that are chosen most often; None means the default.

    Parameters
    ----------
    architecture
        One of `emotionrecog.models.ARCHITECTURES`.
    features
        The input of the network, or a name in `emotionrecog.features.PRESETS`.
    labels
        The emotions to distinguish.
    loss
        ``"crossentropy"`` or ``"focal"``.
    augment
        How spectra are varied, or how waveforms are (four varied copies of each clip); True for the
        default of the architecture, False for no augmentation.
    epochs, batch_size, learning_rate, patience, seed
        As in `emotionrecog.training.Recipe`.

    Examples
    --------
    >>> options = RecipeOptions(architecture="gru", epochs=5)
    >>> choose_recipe(options)[0].epochs
    5
    """

    architecture: ArchitectureName | None
    features: FeatureSpec | PresetName | None
    labels: Sequence[str] | None
    loss: LossName | None
    augment: SpectrogramAugmentation | Chain | bool
    epochs: int | None
    batch_size: int | None
    learning_rate: float | None
    patience: int | None
    seed: int | None


class TrainOptions(RecipeOptions, total=False):
    """The options of `EmotionRecognizer.train`: those of a recipe and those of the run.

    Parameters
    ----------
    name, initial_weights, checkpoints, test_set, allow_leakage, compare_audio
        As in `emotionrecog.training.train`.
    strategy, cache, n_jobs
        As in `emotionrecog.training.train`.

    Examples
    --------
    >>> options = TrainOptions(architecture="gru", name="mine")
    >>> choose_recipe(options)[1]
    {'name': 'mine'}
    """

    name: str
    initial_weights: str | os.PathLike[str] | None
    checkpoints: str | os.PathLike[str] | None
    test_set: Sequence[Utterance]
    allow_leakage: bool
    compare_audio: bool
    strategy: tf.distribute.Strategy | None
    cache: str | os.PathLike[str] | None
    n_jobs: int


def choose_recipe(
    options: TrainOptions,
    *,
    recipe: Recipe | None = None,
    start: Artifact | HasArtifact | None = None,
) -> tuple[Recipe, dict[str, Any]]:
    """Return the recipe that options describe, and the options that are not part of a recipe.

    Parameters
    ----------
    options
        The options by name.
    recipe
        A complete recipe, which excludes the options of `RecipeOptions`.
    start
        A recogniser to continue from; options that are not given are as in its training.

    Raises
    ------
    ValueError
        If a recipe and options of a recipe are given, or a value is not one of the choices.

    Examples
    --------
    >>> recipe, rest = choose_recipe({"architecture": "gru", "epochs": 3, "name": "mine"})
    >>> recipe.architecture, recipe.epochs, rest
    ('gru', 3, {'name': 'mine'})
    """
    from emotionrecog.training.adaptation import continued
    from emotionrecog.training.recipe import Recipe

    rest: dict[str, Any] = dict(options)
    augmentation = _augmentation(rest.pop("augment", True))
    fields = {
        name: rest.pop(name, None) for name in RecipeOptions.__annotations__ if name != "augment"
    }
    changes = {name: value for name, value in fields.items() if value is not None}
    if recipe is not None:
        names = [*changes, *(["augment"] if augmentation else [])]
        if names:
            raise ValueError(
                f"a `recipe` excludes the options of a recipe, got {', '.join(names)} beside it: "
                "dataclasses.replace(recipe, ...) changes one"
            )
        return recipe, rest
    if "features" in changes:
        changes["features"] = as_spec(changes["features"])
    if "labels" in changes:
        changes["labels"] = tuple(changes["labels"])
    changes |= augmentation
    if start is not None:
        return continued(start, **changes), rest
    return Recipe.of(changes.pop("architecture", Recipe.architecture), **changes), rest


def _augmentation(augment: SpectrogramAugmentation | Chain | bool) -> dict[str, Any]:
    """Return the fields of a recipe that the option `augment` sets."""
    from emotionrecog.augmentation import Chain, SpectrogramAugmentation

    if augment is True:
        return {}
    if augment is False:
        return {"augmentation": None, "waveforms": None, "copies": 0}
    if isinstance(augment, SpectrogramAugmentation):
        return {"augmentation": augment}
    if isinstance(augment, Chain):
        return {"waveforms": augment, "copies": _COPIES}
    raise ValueError(
        f"`augment` must be a SpectrogramAugmentation, a Chain, True or False, got {augment!r}"
    )
