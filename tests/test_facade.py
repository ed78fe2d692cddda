"""The facade: what it passes on to other modules, and which arguments it rejects."""

import dataclasses
import inspect
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest

from emotionrecog import audio, evaluation, training
from emotionrecog.artifact import Artifact
from emotionrecog.augmentation import Chain, Gain, SpectrogramAugmentation
from emotionrecog.datasets import CORPORA, EMOTIONS, Utterance
from emotionrecog.errors import DatasetError
from emotionrecog.features import PRESETS, Extractor, FeatureSpec, PresetName
from emotionrecog.models import ARCHITECTURES, LOSSES, ArchitectureName, LossName, export
from emotionrecog.recognizer import EmotionRecognizer
from emotionrecog.training import Recipe
from emotionrecog.training.recipe import (
    BALANCES,
    OPTIMIZERS,
    SCHEDULES,
    BalanceName,
    OptimizerName,
    ScheduleName,
)
from tests.conftest import CLIP

SAID = [Utterance(CLIP, "happy", corpus="mine", speaker="mine/robot")]


@pytest.fixture(scope="module")
def recognizer() -> EmotionRecognizer:
    return EmotionRecognizer()


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Keep what training is asked for, and train nothing."""
    asked: dict[str, Any] = {}
    bundled = EmotionRecognizer().artifact

    def train(*args: Any, **options: Any) -> Artifact:
        asked.update(options, args=args)
        return bundled

    monkeypatch.setattr(training, "train", train)
    return asked


# Features ----------------------------------------------------------------------------------------


def test_features_are_those_of_the_extractor(recognizer: EmotionRecognizer) -> None:
    samples = audio.load(CLIP, sampling_rate=16_000).samples
    expected = Extractor(recognizer.artifact.features)(samples)
    np.testing.assert_array_equal(recognizer.features(CLIP), expected)
    np.testing.assert_array_equal(EmotionRecognizer.features(CLIP), expected)
    spec = FeatureSpec(features=("rms",), functionals=("mean",))
    assert EmotionRecognizer.features(CLIP, spec).shape == (1,)


def test_a_recogniser_measures_its_own_features(recognizer: EmotionRecognizer) -> None:
    spec = dataclasses.replace(FeatureSpec(), n_mels=40)
    artifact = dataclasses.replace(recognizer.artifact, features=spec)
    other = object.__new__(EmotionRecognizer)
    other.engine = SimpleNamespace(artifact=artifact)  # type: ignore[assignment]
    assert other.features(CLIP).shape[1] == 40
    assert EmotionRecognizer.features(CLIP).shape[1] == 104


@pytest.mark.parametrize("name", PRESETS)
def test_features_by_the_name_of_a_preset(name: str) -> None:
    features = EmotionRecognizer.features(CLIP, spec=name)
    assert features.shape[-1] == len(PRESETS[name].feature_names)


def test_unknown_preset() -> None:
    with pytest.raises(ValueError, match=r"one of log-mel, .*; did you mean 'log-mel'\? Got 'mel'"):
        EmotionRecognizer.features(CLIP, spec="mel")


# Corpora -----------------------------------------------------------------------------------------


@pytest.fixture
def tess(tmp_path: Path) -> Path:
    folder = tmp_path / "tess"
    folder.mkdir()
    (folder / "OAF_back_angry.wav").write_bytes(CLIP.read_bytes())
    return folder


def test_corpus_by_its_folder(tess: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (utterance,) = EmotionRecognizer.load_corpus(tess)
    assert (utterance.emotion, utterance.speaker) == ("angry", "tess/OAF")
    assert EmotionRecognizer.load_corpus(tess.parent) == [utterance]
    assert EmotionRecognizer.load_corpus(tess, "tess") == [utterance]
    monkeypatch.chdir(tess.parent)
    (relative,) = EmotionRecognizer.load_corpus("tess")
    assert relative.path == Path("tess/OAF_back_angry.wav")


def test_corpus_in_a_folder_called_otherwise(tess: Path) -> None:
    sounds = tess.rename(tess.parent / "sounds")
    assert EmotionRecognizer.load_corpus(sounds, "tess") == CORPORA["tess"].utterances(sounds)
    with pytest.raises(DatasetError, match=r"of another name is read by its corpus"):
        EmotionRecognizer.load_corpus(sounds)
    with pytest.raises(ValueError, match=r"must be one of ravdess, .* mean 'tess'\? Got 'TESS'"):
        EmotionRecognizer.load_corpus(sounds, "TESS")


# Training ----------------------------------------------------------------------------------------


def test_without_a_choice_the_recipe_is_the_bundled_one(trained: dict[str, Any]) -> None:
    assert EmotionRecognizer.train(SAID).labels == EMOTIONS
    assert trained["recipe"] == Recipe()
    assert trained["args"] == (SAID, None)


def test_choices_become_a_recipe(trained: dict[str, Any]) -> None:
    EmotionRecognizer.train(
        SAID,
        SAID,
        architecture="gru",
        features="mfcc",
        labels=["happy", "sad"],
        loss="focal",
        epochs=3,
        seed=0,
        name="mine",
        n_jobs=1,
    )
    assert trained["recipe"] == Recipe.of(
        "gru", features=PRESETS["mfcc"], labels=("happy", "sad"), loss="focal", epochs=3
    )
    assert trained["args"] == (SAID, SAID)
    assert (trained["name"], trained["n_jobs"]) == ("mine", 1)


def test_augmentation(trained: dict[str, Any]) -> None:
    EmotionRecognizer.train(SAID, augment=SpectrogramAugmentation(mixup=0.5))
    assert trained["recipe"].augmentation == SpectrogramAugmentation(mixup=0.5)
    EmotionRecognizer.train(SAID, augment=False)
    assert trained["recipe"].augmentation is None
    chain = Chain((Gain(),))
    EmotionRecognizer.train(SAID, architecture="gru", augment=chain)
    assert (trained["recipe"].waveforms, trained["recipe"].copies) == (chain, 4)
    EmotionRecognizer.train(SAID, architecture="gru", augment=False)
    assert trained["recipe"] == Recipe.of("gru")


def test_training_continues_from_a_recogniser(
    trained: dict[str, Any], recognizer: EmotionRecognizer
) -> None:
    EmotionRecognizer.train(SAID, start=recognizer, epochs=2)
    assert trained["recipe"] == training.continued(recognizer, epochs=2)
    assert trained["start"] is recognizer
    with pytest.raises(ValueError, match="architecture must stay"):
        EmotionRecognizer.train(SAID, start=recognizer, architecture="gru")


def test_a_recipe_stands_alone(trained: dict[str, Any]) -> None:
    recipe = Recipe.of("gru")
    EmotionRecognizer.train(SAID, recipe=recipe)
    assert trained["recipe"] is recipe
    wrong: Any = {"recipe": recipe, "epochs": 3, "augment": False}
    with pytest.raises(ValueError, match=r"got epochs, augment beside it"):
        EmotionRecognizer.train(SAID, **wrong)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"architecture": "gru2"}, "`architecture` must be one of mobilenet"),
        ({"features": "mel"}, "`features` must be one of log-mel"),
        ({"loss": "mse"}, "`loss` must be one of crossentropy, focal"),
        ({"labels": ["joy", "sad"]}, "`labels` must be two or more of neutral"),
        (
            {"augment": "noise"},
            "`augment` must be a SpectrogramAugmentation, a Chain, True or False",
        ),
    ],
)
def test_wrong_choice(trained: dict[str, Any], choice: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EmotionRecognizer.train(SAID, **choice)
    assert not trained


def test_misspelt_option() -> None:
    wrong: Any = {"epohcs": 3}
    with pytest.raises(TypeError, match="epohcs"):
        EmotionRecognizer.train(SAID, **wrong)


def test_none_is_the_default(trained: dict[str, Any]) -> None:
    EmotionRecognizer.train(SAID, epochs=None, architecture=None, loss=None)
    assert trained["recipe"] == Recipe()


@pytest.mark.parametrize(
    ("literal", "names"),
    [
        (ArchitectureName, ARCHITECTURES),
        (PresetName, PRESETS),
        (LossName, LOSSES),
        (BalanceName, BALANCES),
        (OptimizerName, OPTIMIZERS),
        (ScheduleName, SCHEDULES),
    ],
)
def test_literal_names_are_those_of_the_tables(literal: Any, names: Iterable[str]) -> None:
    assert get_args(literal) == tuple(names)


# The others --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "module", "name", "arguments"),
    [
        ("evaluate", evaluation, "evaluate", (SAID,)),
        ("adapt", training, "adapt", (SAID,)),
        ("export", export, "export", ("x.onnx",)),
    ],
)
def test_calls_are_handed_on_with_the_same_defaults(
    recognizer: EmotionRecognizer,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    module: Any,
    name: str,
    arguments: tuple[Any, ...],
) -> None:
    parameters = inspect.signature(getattr(module, name)).parameters
    asked: dict[str, Any] = {}
    monkeypatch.setattr(module, name, lambda *args, **options: asked.update(options, args=args))
    getattr(recognizer, call)(*arguments)
    assert asked.pop("args")[1] is arguments[0]
    assert asked.pop("build", EmotionRecognizer) is EmotionRecognizer
    assert asked == {option: parameters[option].default for option in asked}


def test_names_of_recognisers() -> None:
    name = EmotionRecognizer.available()[0]
    assert EmotionRecognizer.from_pretrained(name).artifact.name == name
