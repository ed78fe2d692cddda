"""The non-neural baseline: a logistic regression of scikit-learn, as a network of one layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emotionrecog import models
from emotionrecog.errors import DatasetError
from emotionrecog.models.regression import fit_regression
from emotionrecog.training.data import Batches, statistics_of

if TYPE_CHECKING:
    import keras

    from emotionrecog.training.data import Clips
    from emotionrecog.training.recipe import Recipe

__all__: list[str] = []

# Logit of an emotion without clips in training.
_ABSENT_LOGIT = -30.0


def fit(clips: Clips, recipe: Recipe) -> tuple[keras.Model, dict[str, Any], list[dict[str, float]]]:
    """Fit a logistic regression; return it as a network, its sizes, and an empty history.

    Examples
    --------
    ::

        clips, _ = read_clips(utterances, Recipe.of("linear"), n_jobs=-1)
        network, sizes, history = fit(clips, Recipe.of("linear"))
    """
    emotions = np.unique(clips.emotions)
    if len(emotions) < 2:
        raise DatasetError(
            f"training needs clips of at least two emotions, found {recipe.labels[emotions[0]]}"
        )
    rows = np.stack([frames.mean(axis=0) for frames in clips.frames]).astype(np.float64)
    sizes = {**models.default_sizes("linear"), **recipe.sizes, **statistics_of(rows)}
    scaled = (rows - sizes["mean"]) / sizes["deviation"]
    weights = None if recipe.balance == "none" else Batches(clips, recipe).weights
    if weights is not None:
        weights = weights / weights.mean()
    model = fit_regression(scaled, clips.emotions, weights)
    coefficients = np.zeros((len(recipe.labels), rows.shape[1]))
    intercepts = np.full(len(recipe.labels), _ABSENT_LOGIT)
    if len(emotions) == 2:  # scikit-learn keeps the difference of two logits
        coefficients[emotions[1]] = model.coef_[0]
        intercepts[emotions] = 0.0, model.intercept_[0]
    else:
        coefficients[emotions], intercepts[emotions] = model.coef_, model.intercept_
    network = models.build("linear", rows.shape[1], len(recipe.labels), **sizes)
    network.get_layer("logits").set_weights([coefficients.T, intercepts])
    return network, sizes, []
