"""Continued training of a recogniser, and adaptation to a few recordings."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

from emotionrecog import models
from emotionrecog.augmentation import Chain, Gain
from emotionrecog.datasets import EMOTIONS, Utterance
from emotionrecog.errors import DatasetError, LeakageError
from emotionrecog.features import FeatureSpec
from emotionrecog.models import export
from emotionrecog.recognizer import EmotionRecognizer
from emotionrecog.training import Recipe, adapt, continued, data, loop

train = EmotionRecognizer.train

pytestmark = pytest.mark.tensorflow

RATE = 16_000
PITCHES = {"neutral": 150.0, "happy": 500.0, "angry": 1_700.0}
MFCC = FeatureSpec(
    features=("rms", "spectral_centroid", "mfcc"), n_mels=20, n_mfcc=4, n_fft=512, hop_length=512
)
# All of this network is its last layer, which makes it quick.
LINEAR = Recipe.of(
    "linear", features=dataclasses.replace(MFCC, functionals=("mean",)), patience=None
)
CNN = Recipe.of(
    "cnn1d",
    sizes={"filters": [4, 4, 4, 4], "hidden": 6},
    features=MFCC,
    epochs=1,
    batch_size=8,
    crop_frames=16,
    patience=None,
)


def record(folder: Path, speaker: str, emotion: str, number: int, shift: float = 1.0) -> Utterance:
    """Write a harmonic tone in faint noise; all pitches of a voice are shifted alike."""
    path = folder / f"{speaker}_{emotion}_{number}.wav"
    rng = np.random.default_rng([*map(ord, speaker), EMOTIONS.index(emotion), number])
    t = np.arange(int(0.5 * RATE)) / RATE
    f0 = shift * PITCHES[emotion] * rng.uniform(0.95, 1.05)
    y = sum(0.2 * np.sin(2 * np.pi * f0 * k * t) / k for k in (1, 2, 3))
    soundfile.write(path, y + 0.001 * rng.normal(size=t.size), RATE)
    corpus = "mine" if shift != 1.0 else "first"
    return Utterance(path, emotion, corpus=corpus, speaker=f"{corpus}/{speaker}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="module")
def recordings(folder: Path) -> list[Utterance]:
    return [record(folder, s, e, i) for s in "ab" for e in PITCHES for i in range(4)]


@pytest.fixture(scope="module")
def recognizer(recordings: list[Utterance]) -> EmotionRecognizer:
    return train(recordings, recipe=LINEAR, name="tones", n_jobs=1)


@pytest.fixture(scope="module")
def convolving(recordings: list[Utterance]) -> EmotionRecognizer:
    return train(recordings, recipe=CNN, name="cnn", n_jobs=1)


@pytest.fixture(scope="module")
def deep(folder: Path) -> list[Utterance]:
    """Return clips of two speakers who are an octave and a half below all others."""
    return [record(folder, s, e, i, shift=0.35) for s in "xy" for e in PITCHES for i in range(5)]


def voices(utterances: Sequence[Utterance], speaker: str) -> list[Utterance]:
    return [utterance for utterance in utterances if utterance.speaker.endswith(f"/{speaker}")]


def weights(recognizer: EmotionRecognizer) -> list[tuple[str, np.ndarray]]:
    """Return the weights with the names of their layers."""
    network = export.restore(recognizer.artifact)
    return [(variable.path, np.asarray(variable)) for variable in network.weights]


def same(one: EmotionRecognizer, other: EmotionRecognizer, atol: float = 1e-6) -> bool:
    pairs = zip(weights(one), weights(other), strict=True)
    return all(np.allclose(a, b, rtol=1e-5, atol=atol) for (_, a), (_, b) in pairs)


# Trained layers ----------------------------------------------------------------------------------


def test_only_the_last_layer_is_trained(
    convolving: EmotionRecognizer, deep: list[Utterance]
) -> None:
    adapted = adapt(convolving, deep, epochs=2, n_jobs=1).recognizer
    pairs = zip(weights(convolving), weights(adapted), strict=True)
    changed = [path for (path, old), (_, new) in pairs if not np.array_equal(old, new)]
    assert [path.split("/")[-2:] for path in changed] == [["logits", "kernel"], ["logits", "bias"]]


def test_only_the_last_layers_of_the_heads_are_trained() -> None:
    """The heads of the bundled architecture are networks with batch normalisation."""
    small = {"hidden": 8, "recurrent": 4, "filters": 4, "convolutional": 4}
    network = models.build("mobilenet", 32, 3, **small)
    loop._freeze(network)
    names = ("pooled_head", "recurrent_head", "convolutional_head")
    heads = [network.get_layer(name) for name in names]
    learning = {id(weight) for head in heads for weight in head.get_layer("logits").weights}
    assert {id(variable) for variable in network.trainable_variables} == learning
    before = network.get_weights()
    network(np.random.default_rng(0).normal(size=(4, 32, 32)).astype(np.float32), training=True)
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_weights_are_pulled_towards_their_initial_values(recordings: list[Utterance]) -> None:
    recipe = dataclasses.replace(LINEAR, epochs=20, batch_size=8, learning_rate=0.1, averaging=0.0)
    clips, _ = data.read_clips(recordings, recipe, 1)
    sizes = models.default_sizes("linear")
    network = models.build("linear", clips.frames[0].shape[1], len(EMOTIONS), **sizes)
    way = []
    for pull in (0.0, 3.0):
        start = loop.Start(network=network, sizes=sizes, frozen=True, pull=pull)
        fitted, _, _ = loop.fit(clips, recipe, start=start)
        pairs = zip(fitted.get_weights(), network.get_weights(), strict=True)
        way.append(sum(float(np.square(new - old).sum()) for new, old in pairs))
    assert 0 < way[1] < way[0] / 4


def test_adaptation_improves_an_unusual_voice(
    recognizer: EmotionRecognizer, deep: list[Utterance]
) -> None:
    adaptation = adapt(recognizer, deep, epochs=20, learning_rate=0.1, n_jobs=1)
    (before,), (after,) = adaptation.before.corpora, adaptation.after.corpora
    assert after.uar > before.uar + 0.2
    assert adaptation.speakers_apart
    assert len(after.speakers) == 1
    assert adaptation.before.leakage is adaptation.after.leakage is None


@pytest.mark.parametrize("n", [3, 17])
def test_any_number_of_clips(
    recognizer: EmotionRecognizer, deep: list[Utterance], recordings: list[Utterance], n: int
) -> None:
    few = [*deep[::5], *deep[1::2]][:n]
    history = adapt(recognizer, few, recordings, epochs=2, n_jobs=1).recognizer.artifact.training[
        "adaptations"
    ][0]["history"]
    assert len(history) == 2


def test_emotions_that_the_clips_lack_are_not_forgotten(
    recognizer: EmotionRecognizer, deep: list[Utterance], recordings: list[Utterance]
) -> None:
    happy_and_neutral = [u for u in deep if u.emotion != "angry"]
    angry = [u for u in recordings if u.emotion == "angry"]
    options = {"epochs": 20, "learning_rate": 0.03, "n_jobs": 1}
    kept = adapt(recognizer, happy_and_neutral, angry, **options)  # type: ignore[arg-type]
    assert kept.before.corpora[0].wa_open > 0.9
    assert kept.after.corpora[0].wa_open > 0.9


def test_same_seed_same_recogniser(
    recognizer: EmotionRecognizer, deep: list[Utterance], recordings: list[Utterance]
) -> None:
    one, again, other = (
        adapt(recognizer, deep, recordings, epochs=2, seed=seed, n_jobs=1).recognizer
        for seed in (0, 0, 1)
    )
    assert same(one, again)
    assert not same(one, other)


# Held-out clips ----------------------------------------------------------------------------------


def test_clips_of_the_same_voice_are_held_out_where_there_is_one(
    recognizer: EmotionRecognizer, deep: list[Utterance]
) -> None:
    adaptation = adapt(recognizer, voices(deep, "x"), epochs=1, n_jobs=1)
    assert not adaptation.speakers_apart
    assert adaptation.before.leakage is None
    assert "mine/x" in str(adaptation.after.leakage)
    assert adaptation.after.corpora[0].n_clips == 6  # of five of each emotion, two
    assert "speakers seen in training" in str(adaptation)


def test_speakers_of_the_first_training_are_reported(
    recognizer: EmotionRecognizer, recordings: list[Utterance], deep: list[Utterance]
) -> None:
    adaptation = adapt(recognizer, deep, recordings, epochs=1, n_jobs=1)
    assert not adaptation.speakers_apart
    assert "first/a" in str(adaptation.before.leakage)


def test_copies_of_a_recording_stay_together() -> None:
    from emotionrecog.training.adaptation import _set_aside

    clips = [
        Utterance(Path(f"{i}_{copy}.wav"), "sad", corpus="m", speaker="m/x", recording=str(i))
        for i in range(10)
        for copy in range(3)
    ]
    learnt, held = _set_aside(clips, 0)
    assert (len(learnt), len(held)) == (21, 9)
    assert not {u.recording for u in learnt} & {u.recording for u in held}


def test_shared_recordings_raise(recognizer: EmotionRecognizer, deep: list[Utterance]) -> None:
    with pytest.raises(LeakageError, match=r"1 recordings are both adapted to and held out"):
        adapt(recognizer, deep[:9], deep[8:], n_jobs=1)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [(slice(0, 4), "two emotions or more"), (slice(0, 1), "too few")],
)
def test_too_few_clips_raise(
    recognizer: EmotionRecognizer, deep: list[Utterance], chosen: slice, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        adapt(recognizer, deep[chosen], n_jobs=1)


# Records of the artefact -------------------------------------------------------------------------


def test_artefact_records_its_origin(
    recognizer: EmotionRecognizer, deep: list[Utterance], tmp_path: Path
) -> None:
    adaptation = recognizer.adapt(deep, epochs=1, name="mine", n_jobs=1)
    adaptation.recognizer.save(tmp_path / "mine")
    again = EmotionRecognizer.load(tmp_path / "mine")
    assert again.artifact.name == "mine"
    training = again.artifact.training
    assert training["recipe"] == recognizer.artifact.training["recipe"]
    assert {"first/a", "first/b"} < set(training["speakers"])
    (adaptation_record,) = training["adaptations"]
    assert adaptation_record["from"] == "tones"
    assert adaptation_record["corpora"][0]["n_clips"] == 15
    assert adaptation_record["emotions"] == list(PITCHES)
    assert adaptation_record["held_out"]["figures"][0]["uar"] == [
        adaptation.before.corpora[0].uar,
        adaptation.after.corpora[0].uar,
    ]
    assert again.artifact.card.startswith("# mine\n\nThe recogniser `tones`")
    assert recognizer.artifact.name == "tones"
    twice = again.adapt(deep, epochs=1, n_jobs=1).recognizer.artifact
    assert [adaptation_record["from"] for adaptation_record in twice.training["adaptations"]] == [
        "tones",
        "mine",
    ]
    assert twice.name == "mine-adapted"


# Continued training ------------------------------------------------------------------------------


def test_training_continues_from_a_recogniser(
    convolving: EmotionRecognizer, recordings: list[Utterance]
) -> None:
    further = EmotionRecognizer.train(
        recordings, start=convolving, epochs=1, learning_rate=1e-6, n_jobs=1
    )
    assert further.artifact.training["initial_weights"] == "cnn"
    assert further.artifact.sizes == convolving.artifact.sizes
    assert same(convolving, further, atol=1e-4)
    assert not same(convolving, further, atol=1e-9)


def test_continued_inherits_the_recipe(recognizer: EmotionRecognizer) -> None:
    assert continued(recognizer) == LINEAR
    assert continued(recognizer, epochs=2, labels=EMOTIONS).epochs == 2


def test_continued_of_an_artefact_without_a_recipe(recognizer: EmotionRecognizer) -> None:
    bare = EmotionRecognizer(dataclasses.replace(recognizer.artifact, training={}))
    assert continued(bare) == LINEAR


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": FeatureSpec()}, "features must stay those of recogniser 'tones'"),
        ({"crop_frames": 20}, "crop_frames must stay"),
        ({"epoch": 1}, "a recipe has no 'epoch'; expected some of architecture"),
    ],
)
def test_fixed_fields_of_continued_raise(
    recognizer: EmotionRecognizer, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        continued(recognizer, **changes)


def test_regression_cannot_be_continued(
    recognizer: EmotionRecognizer, recordings: list[Utterance]
) -> None:
    with pytest.raises(ValueError, match="fitted in one step; train on the old and the new"):
        EmotionRecognizer.train(recordings, start=recognizer, n_jobs=1)


def test_waveforms_must_be_passed_again(
    recognizer: EmotionRecognizer, caplog: pytest.LogCaptureFixture
) -> None:
    chain = Chain((Gain(),))
    recipe = dataclasses.replace(LINEAR, waveforms=chain, copies=1).to_dict()
    trained = dataclasses.replace(recognizer.artifact, training={"recipe": recipe})
    assert continued(EmotionRecognizer(trained)).waveforms is None
    assert "varied waveforms" in caplog.text
    caplog.clear()
    assert continued(EmotionRecognizer(trained), waveforms=chain).waveforms == chain
    assert not caplog.text
