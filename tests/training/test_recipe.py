"""Recipes: their defaults, their choices, errors, and files."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotionrecog import augmentation
from emotionrecog.augmentation import Chain, SpectrogramAugmentation
from emotionrecog.datasets import EMOTIONS
from emotionrecog.features import PRESETS, FeatureSpec
from emotionrecog.models import ARCHITECTURES
from emotionrecog.training import Recipe

MFCC = PRESETS["mfcc"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_has_a_recipe(architecture: str) -> None:
    recipe = Recipe.of(architecture)
    assert recipe.architecture == architecture
    assert json.loads(json.dumps(recipe.to_dict()))["architecture"] == architecture
    seconds = (recipe.crop_frames - 1) * recipe.features.hop_length / recipe.features.sampling_rate
    assert 1.5 < seconds < 12


def test_bundled_recipe_is_the_default() -> None:
    assert Recipe.of("mobilenet") == dataclasses.replace(
        Recipe(), **{k: getattr(Recipe.of("mobilenet"), k) for k in ("crop_frames",)}
    )
    assert Recipe().patience is None


def test_file_describes_a_complete_recipe(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(
        """
        architecture = "gru"
        epochs = 3
        loss = "focal"
        labels = ["neutral", "happy", "sad", "angry"]
        copies = 2

        [features]
        preset = "mfcc"
        deltas = 1

        [augmentation]
        masks = 2
        mixup = 0.0

        [[waveforms]]
        transform = "AddNoise"
        snr_db = [10, 30]
        probability = 0.5

        [[waveforms]]
        transform = "Gain"
        gain_db = 3
        """
    )
    recipe = Recipe.from_toml(path)
    assert recipe == Recipe.of(
        "gru",
        features=dataclasses.replace(MFCC, deltas=1),
        epochs=3,
        loss="focal",
        labels=("neutral", "happy", "sad", "angry"),
        copies=2,
        augmentation=SpectrogramAugmentation(masks=2, mixup=0.0),
        waveforms=Chain(
            (augmentation.AddNoise(snr_db=(10, 30)), augmentation.Gain(gain_db=3)), (0.5, 1.0)
        ),
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": 3}, "a recipe has no entry 'epoch'; expected some of architecture, sizes"),
        ({"architecture": "transformer"}, "`architecture` must be one of .*, got 'transformer'"),
        ({"features": "mel"}, "`preset` must be one of log-mel, .*; did you mean .*Got 'mel'"),
        ({"features": {"n_mel": 3}}, "`features` has no entry 'n_mel'"),
        ({"features": 3}, "`features` must be a table, got 3"),
        ({"augmentation": {"pitch": 1}}, "`augmentation` has no entry 'pitch'"),
        ({"waveforms": [{"snr_db": 3}]}, "`transform` must be one of AddNoise, .*, got None"),
        (
            {"waveforms": [{"transform": "Gain", "gain_db": 3}]},
            "`waveforms` cannot be used with the features log_mel",
        ),
        ({"loss": "hinge"}, "`loss` must be one of crossentropy, focal, got 'hinge'"),
        ({"balance": True}, "`balance` must be one of sampling, weights, none, got True"),
        ({"optimizer": "sgd"}, "`optimizer` must be one of adamw, adam, got 'sgd'"),
        ({"schedule": "step"}, "`schedule` must be one of cosine, constant, got 'step'"),
        ({"epochs": 0}, "`epochs` must be a whole number of at least 1, got 0"),
        ({"epochs": 2.0}, "`epochs` must be a whole number of at least 1, got 2.0"),
        ({"patience": 0}, "`patience` must be a whole number of at least 1, got 0"),
        (
            {"learning_rate": -1e-3},
            "`learning_rate` must be a number above 0 and of at most 10, got -0.001",
        ),
        ({"learning_rate": 0}, "must be a number above 0"),
        (
            {"label_smoothing": float("nan")},
            "_smoothing` must be a number from 0 to 1, got nan",
        ),
        ({"averaging": 1.0}, "`averaging` must be a number from 0 to"),
        ({"labels": ["happy", "neutral"]}, "in this order, got .'happy', 'neutral'"),
        ({"labels": ["happy", "bored"]}, "must be two or more of neutral, calm"),
        ({"labels": ["happy"]}, "two or more"),
        ({"features": {"normalization": "corpus"}}, "must not be normalised by corpus"),
    ],
)
def test_recipe_rejects(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe.from_dict(values)


def test_bad_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    for content in ("epochs = ", "epochs = 0", "[augmentation]\nnoise_db = 3\nmasks = 'x'\nq = 1"):
        path.write_text(content)
        with pytest.raises(ValueError, match=r"recipe\.toml'"):
            Recipe.from_toml(path)
    with pytest.raises(FileNotFoundError):
        Recipe.from_toml(tmp_path / "none.toml")


def test_varies_spectra_follows_from_the_features() -> None:
    assert Recipe().varies_spectra
    assert not Recipe.of("lstm", features=MFCC).varies_spectra
    normalised = FeatureSpec(normalization="utterance")
    assert not Recipe(features=normalised).varies_spectra


def test_all_emotions_by_default() -> None:
    assert Recipe().labels == EMOTIONS


def test_numbers_of_numpy_become_those_of_python() -> None:
    recipe = Recipe.of("gru", epochs=np.int64(3), learning_rate=np.float32(0.5))
    assert (
        json.loads(json.dumps(recipe.to_dict()))
        == Recipe.of("gru", epochs=3, learning_rate=0.5).to_dict()
    )


def test_recipes_load_no_tensorflow() -> None:
    code = "import sys; from emotionrecog.training import Recipe; Recipe.of('lstm')\n"
    code += "assert not {'tensorflow', 'keras', 'sklearn'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
