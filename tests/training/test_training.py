"""Training: short real runs on made-up corpora, whose emotions are tones of different pitch."""

import dataclasses
import io
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
import h5py
import keras
import tensorflow as tf

from emotionrecog.augmentation import SpectrogramAugmentation
from emotionrecog.datasets import EMOTIONS, Utterance
from emotionrecog.errors import DatasetError, LeakageError, ModelError
from emotionrecog.features import Extractor, FeatureSpec
from emotionrecog.models import export
from emotionrecog.models.layers import FusedBatchNormalization
from emotionrecog.recognizer import EmotionRecognizer
from emotionrecog.training import Recipe, data, loop
from emotionrecog.training import card as cards
from emotionrecog.training.data import Batches, Clips

train = EmotionRecognizer.train

pytestmark = pytest.mark.tensorflow

RATE = 16_000
PITCHES = {"neutral": 150.0, "happy": 600.0, "angry": 2400.0}
# Of the second corpus, which is smaller and lacks an emotion.
OTHER = ("neutral", "angry")

CRNN = Recipe(
    architecture="crnn",
    sizes={"filters": 4, "recurrent": 8, "dropout": 0.2},
    features=FeatureSpec(n_mels=32),
    augmentation=SpectrogramAugmentation(mixup=0.0, masks=0),
    epochs=2,
    batch_size=8,
    crop_frames=48,
    averaging=0.9,
)
MOBILENET = dataclasses.replace(
    CRNN,
    architecture="mobilenet",
    sizes={"hidden": 16, "recurrent": 8, "filters": 4, "convolutional": 4},
    copies=1,
)


def harmonics(pitch: float, seed: int, duration: float = 0.6) -> np.ndarray:
    """Return a harmonic tone in faint noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(duration * RATE)) / RATE
    f0 = pitch * rng.uniform(0.94, 1.06)
    voice = sum(np.sin(2 * np.pi * f0 * k * t + rng.uniform(0, 6)) / k for k in (1, 2, 3))
    return 0.2 * voice + 0.001 * rng.normal(size=t.size)


def record(folder: Path, corpus: str, emotion: str, number: int) -> Utterance:
    path = folder / f"{corpus}_{emotion}_{number}.wav"
    soundfile.write(path, harmonics(PITCHES[emotion], hash_of(corpus, emotion, number)), RATE)
    return Utterance(path, emotion, corpus=corpus, speaker=f"{corpus}/{number % 3}")


def hash_of(corpus: str, emotion: str, number: int) -> int:
    return 1000 * len(corpus) + 100 * EMOTIONS.index(emotion) + number


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    """Return 30 clips of a corpus with all three emotions and 10 of one that lacks an emotion."""
    folder = tmp_path_factory.mktemp("recordings")
    first = [record(folder, "first", emotion, i) for emotion in PITCHES for i in range(10)]
    return first + [record(folder, "second", emotion, i) for emotion in OTHER for i in range(5)]


@pytest.fixture(scope="module")
def trained(recordings: list[Utterance]) -> EmotionRecognizer:
    return train(recordings, recipe=CRNN, name="tones", n_jobs=1)


def test_trained_weights_are_in_half_precision(trained: EmotionRecognizer) -> None:
    network = export.restore(trained.artifact)
    for values in network.get_weights():
        if values.ndim > 1:
            np.testing.assert_array_equal(values, values.astype(np.float16))
            assert len(np.unique(values)) > 1
    kinds: set[np.dtype] = set()
    with h5py.File(io.BytesIO(trained.artifact.weights), "r") as file:
        file.visititems(
            lambda _, item: kinds.add(item.dtype) if getattr(item, "ndim", 0) > 1 else None
        )
    assert kinds == {np.dtype(np.float16)}
    # The network that answers has the same numbers.
    rng = np.random.default_rng(0)
    x = rng.normal(-6, 3, (2, 61, 32)).astype(np.float32)
    expected = export.with_probabilities(network).predict_on_batch(x)
    actual = trained.engine.judge(x)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def clips(recordings: list[Utterance]) -> Clips:
    return data.read_clips(recordings, CRNN, 1)[0]


def small_network(n_features: int, n_emotions: int, dropout: float = 0.5) -> keras.Model:
    """Return a fast network that has every kind of state."""
    inputs = keras.Input((None, n_features))
    x = keras.layers.Reshape((-1, n_features, 1))(keras.layers.Rescaling(0.2, 1.0)(inputs))
    x = FusedBatchNormalization()(keras.layers.Conv2D(4, 3, strides=3, activation="relu")(x))
    x = keras.layers.Flatten()(keras.ops.mean(x, axis=1))
    x = keras.layers.Dense(16, activation="relu")(keras.layers.Dropout(dropout)(x))
    return keras.Model(inputs, keras.layers.Dense(n_emotions)(x))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train the small network with every recipe."""

    def build(architecture: str, n_features: int, n_emotions: int, **_: float) -> keras.Model:
        return small_network(n_features, n_emotions)

    monkeypatch.setattr(loop.models, "build", build)


def fit(clips: Clips, recipe: Recipe, checkpoints: Path | None = None) -> list[np.ndarray]:
    """Train the network alone; return its weights."""
    network, _, _ = loop.fit(clips, recipe, checkpoints=checkpoints)
    values: list[np.ndarray] = network.get_weights()
    return values


def assert_same(these: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> None:
    """Compare weights; threads may sum gradients in another order."""
    for one, other in zip(these, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def differ(these: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> bool:
    return any(np.abs(a - b).max() > 1e-3 for a, b in zip(these, others, strict=True))


# What comes out ----------------------------------------------------------------------------------


def test_result_can_be_saved_and_loaded(
    trained: EmotionRecognizer, recordings: list[Utterance], tmp_path: Path
) -> None:
    trained.save(tmp_path / "tones")
    loaded = EmotionRecognizer.load(tmp_path / "tones")
    before, after = (r.predict(recordings[0].path) for r in (trained, loaded))
    assert tuple(before.probabilities) == EMOTIONS
    assert before == after


def test_result_records_its_training_data(trained: EmotionRecognizer) -> None:
    artifact = trained.artifact
    assert artifact.name == "tones"
    assert artifact.labels == EMOTIONS
    assert artifact.window_frames == 48
    assert artifact.architecture == "crnn"
    assert artifact.sizes.items() >= {"filters": 4, "recurrent": 8}.items()
    facts = {"style": "speech", "licence": "", "n_speakers": 3}
    assert artifact.training["corpora"] == [
        {"corpus": "first", "n_clips": 30, **facts},
        {"corpus": "second", "n_clips": 10, **facts},
    ]
    assert artifact.training["speakers"] == [
        f"{c}/{i}" for c in ("first", "second") for i in range(3)
    ]
    assert artifact.training["recipe"]["seed"] == 0
    assert artifact.training["initial_weights"] is None
    assert set(artifact.versions) >= {"python", "emotionrecog", "keras", "tensorflow", "numpy"}


def test_normalisation_is_that_of_the_training_features(
    trained: EmotionRecognizer, recordings: list[Utterance]
) -> None:
    clips, _ = data.read_clips(recordings, CRNN, 1)
    batches = Batches(clips, CRNN)
    values = np.concatenate([batches.batch(0, i)[0].ravel() for i in range(len(batches))])
    assert trained.artifact.sizes["mean"] == pytest.approx(values.mean(), abs=1e-3)
    assert trained.artifact.sizes["deviation"] == pytest.approx(values.std(), abs=1e-3)


@pytest.mark.usefixtures("small")
def test_training_learns_easy_emotions(clips: Clips) -> None:
    recipe = dataclasses.replace(CRNN, epochs=20, learning_rate=1e-2)
    network, _, _ = loop.fit(clips, recipe)
    extract = Extractor(CRNN.features)
    x = np.stack([extract(harmonics(PITCHES[e], 7777 + i)) for e in PITCHES for i in range(4)])
    answers = [EMOTIONS[i] for i in network.predict_on_batch(x[:, 6:54]).argmax(axis=1)]
    hits = sum(answer == e for answer, e in zip(answers, np.repeat(list(PITCHES), 4), strict=True))
    assert hits >= 10, answers  # of 12


# Reproducible and resumable ----------------------------------------------------------------------


@pytest.mark.usefixtures("small")
def test_seed_decides_the_network(clips: Clips) -> None:
    first = fit(clips, CRNN)
    assert_same(fit(clips, CRNN), first)
    assert differ(fit(clips, dataclasses.replace(CRNN, seed=1)), first)


def interrupt_in_second_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Batches.batch

    def interrupted(self: Batches, epoch: int, index: int) -> Any:
        if (epoch, index) == (1, 2):
            raise KeyboardInterrupt
        return original(self, epoch, index)

    monkeypatch.setattr(Batches, "batch", interrupted)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("patience", [None, 5])
def test_interrupted_run_is_resumed_with_the_same_result(
    clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: int | None
) -> None:
    recipe = dataclasses.replace(CRNN, epochs=3, patience=patience)
    validation = None if patience is None else clips

    def run(folder: Path | None) -> tuple[list[np.ndarray], list[dict[str, float]]]:
        network, _, history = loop.fit(clips, recipe, validation, checkpoints=folder)
        timed = ("seconds", "waiting")
        rows = [{k: v for k, v in row.items() if k not in timed} for row in history]
        return network.get_weights(), rows

    expected, history = run(None)
    with monkeypatch.context() as patch:
        interrupt_in_second_epoch(patch)
        with pytest.raises((KeyboardInterrupt, tf.errors.OpError)):
            run(tmp_path)
    epochs: list[int] = []
    original = loop._Loop._epoch

    def noted(self: Any, epoch: int, *rest: Any) -> None:
        epochs.append(epoch)
        original(self, epoch, *rest)

    monkeypatch.setattr(loop._Loop, "_epoch", noted)
    actual, rows = run(tmp_path)
    assert_same(actual, expected)
    for row, other in zip(rows, history, strict=True):
        assert row == pytest.approx(other, rel=1e-3)
    assert epochs == [1, 2]
    # The run is complete: its result is returned without another step.
    assert_same(run(tmp_path)[0], expected)
    assert epochs == [1, 2]


@pytest.mark.usefixtures("small")
def test_state_of_another_run_raises(
    clips: Clips, tmp_path: Path, random_mn04: Callable[[Path], dict[str, np.ndarray]]
) -> None:
    folder, weights = tmp_path / "checkpoints", tmp_path / "mn04.npz"
    random_mn04(weights)
    once = dataclasses.replace(MOBILENET, epochs=1)
    fit(clips, once, folder)
    for recipe in (dataclasses.replace(once, learning_rate=1e-4), CRNN):
        with pytest.raises(ValueError, match="contains the state of another recipe"):
            fit(clips, recipe, folder)
    fewer = dataclasses.replace(
        clips, frames=clips.frames[1:], emotions=clips.emotions[1:], groups=clips.groups[1:]
    )
    with pytest.raises(ValueError, match="or of other recordings"):
        fit(fewer, once, folder)
    with pytest.raises(ValueError, match="contains the state of another recipe"):
        loop.fit(clips, once, start=loop.Start(name="mn04", weights=weights), checkpoints=folder)


# Recordings --------------------------------------------------------------------------------------


def test_bad_recording_is_left_out_with_a_warning(
    recordings: list[Utterance], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damaged, gone = tmp_path / "damaged.wav", tmp_path / "gone.wav"
    damaged.write_text("no sound")
    bad = [dataclasses.replace(recordings[0], path=path) for path in (damaged, gone)]
    with caplog.at_level(logging.WARNING, "emotionrecog"):
        clips, used = data.read_clips([*bad, *recordings[:3]], CRNN, 2)
    assert used == recordings[:3]
    assert len(clips) == 3
    assert [
        str(path) in message for path, message in zip((damaged, gone), caplog.messages, strict=True)
    ] == [
        True,
        True,
    ]


def test_clips_are_read_in_order_and_grouped(recordings: list[Utterance]) -> None:
    song = dataclasses.replace(recordings[0], style="song")
    clips, used = data.read_clips([*recordings, song], CRNN, 2)
    assert used == [*recordings, song]
    assert [EMOTIONS[i] for i in clips.emotions] == [u.emotion for u in used]
    assert clips.groups.tolist() == [0] * 30 + [1] * 10 + [2]
    present = [[e for e, p in zip(EMOTIONS, row, strict=True) if p] for row in clips.present]
    assert present == [list(PITCHES), list(OTHER), ["neutral"]]
    assert {power.shape for power in clips.frames} == {(61, 32)}
    # The loudest band of each emotion's clips rises with its pitch.
    loudest = [int(power.mean(axis=0).argmax()) for power in clips.frames[:30:10]]
    assert loudest == sorted(set(loudest))


def test_leaky_test_set_raises_before_training(recordings: list[Utterance], tmp_path: Path) -> None:
    copied = dataclasses.replace(recordings[0], speaker="first/new", path=tmp_path / "quiet.wav")
    samples, rate = soundfile.read(recordings[0].path)
    soundfile.write(copied.path, samples / 2, rate)
    with pytest.raises(LeakageError, match=r"1 of 1 test recordings are in training as well"):
        train(recordings, test_set=[copied], n_jobs=1)
    with pytest.raises(LeakageError, match=r"share 3 speakers \(first/0, first/1, first/2\)"):
        train(recordings[:20], test_set=recordings[20:], compare_audio=False, n_jobs=1)


def test_allowed_leak_is_recorded(
    recordings: list[Utterance], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the artefact and its card; nothing is recorded without a leak."""
    network = small_network(32, 8)
    monkeypatch.setattr(loop, "fit", lambda *_, **__: (network, {}, []))
    options = {"recipe": CRNN, "compare_audio": False, "n_jobs": 1, "allow_leakage": True}
    leaky = train(recordings[:8], test_set=recordings[8:20], **options).artifact
    assert leaky.training["leakage"].startswith("training and test share 3 speakers (first/0")
    card = cards.with_metrics(leaky, {}).card
    assert f"test data are not independent: {leaky.training['leakage']}. Metrics" in card
    for test_set in (recordings[30:], []):
        fair = train(recordings[:8], test_set=test_set, **options).artifact
        assert fair.training["leakage"] is None
        assert "It was trained although" not in cards.with_metrics(fair, {}).card


def test_no_usable_recording_raises(recordings: list[Utterance], tmp_path: Path) -> None:
    gone = [dataclasses.replace(recordings[0], path=tmp_path / f"{i}.wav") for i in range(9)]
    with pytest.raises(DatasetError, match="none of the 9 recordings"):
        train(gone, recipe=CRNN, n_jobs=1)


def test_less_than_a_batch_raises(recordings: list[Utterance]) -> None:
    with pytest.raises(DatasetError, match="at least one batch of 8 clips, got 7"):
        train(recordings[:7], recipe=CRNN, n_jobs=1)


# Drawing and targets -----------------------------------------------------------------------------


def made_up_clips() -> Clips:
    """Return 900 clips of a corpus of two emotions, one nine times as frequent; 100 of another."""
    groups = np.repeat([0, 1], [900, 100])
    emotions = np.concatenate([np.repeat([0, 2], [810, 90]), np.repeat([0, 2, 4, 5], 25)])
    present = np.zeros((2, 8), dtype=np.float32)
    present[groups, emotions] = 1
    frames = [np.zeros((48, 8), dtype=np.float16)] * 1000
    return Clips(frames, emotions, groups, present)


def test_corpora_are_sampled_by_the_root_of_their_size_and_their_emotions_equally() -> None:
    clips, share = made_up_clips(), np.zeros((2, 8))
    batches = Batches(clips, CRNN)
    for epoch in range(40):
        drawn = batches.order(epoch)
        assert drawn.shape == (1000,)
        np.add.at(share, (clips.groups[drawn], clips.emotions[drawn]), 1 / 40_000)
    expected = np.zeros((2, 8))
    expected[0, [0, 2]] = 0.75 / 2  # the root of 900, against the root of 100
    expected[1, [0, 2, 4, 5]] = 0.25 / 4
    np.testing.assert_allclose(share, expected, atol=0.002)


def test_batches_depend_only_on_seed_epoch_and_index() -> None:
    clips = made_up_clips()
    these, others = Batches(clips, CRNN), Batches(clips, CRNN)
    first = these.batch(0, 3)
    for actual, expected in zip(these.batch(1, 3), others.batch(1, 3), strict=True):
        np.testing.assert_array_equal(actual, expected)
    assert not np.array_equal(these.order(1), these.order(0))
    for actual, expected in zip(others.batch(0, 3), first, strict=True):
        np.testing.assert_array_equal(actual, expected)
    other_seed = Batches(clips, dataclasses.replace(CRNN, seed=1))
    assert not np.array_equal(other_seed.order(0), these.order(0))


def test_targets_are_smoothed_over_the_emotions_of_the_corpus() -> None:
    recipe = dataclasses.replace(CRNN, label_smoothing=0.1, absent_weight=0.05)
    batches = Batches(made_up_clips(), recipe)
    first, last = batches.targets[0], batches.targets[-1]
    np.testing.assert_allclose(first[:8], [0.95, 0, 0.05, 0, 0, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(first[8:], [1, 0.05, 1, *[0.05] * 5], atol=1e-6)
    np.testing.assert_allclose(last[:8], [0.025, 0, 0.025, 0, 0.025, 0.925, 0, 0], atol=1e-6)
    np.testing.assert_allclose(last[8:], [1, 0.05, 1, 0.05, 1, 1, 0.05, 0.05], atol=1e-6)


def test_batch_contains_the_embeddings_of_its_clips() -> None:
    """Every value encodes its copy and its clip."""
    clips = made_up_clips()
    pooled = (
        np.arange(3)[:, np.newaxis, np.newaxis] * 0.25 + np.arange(1000)[:, np.newaxis]
    ).astype(np.float16)
    batches = Batches(clips, CRNN, pooled=pooled)
    inputs, targets, _ = batches.batch(0, 2)
    chosen = batches.order(0)[16:24]
    np.testing.assert_array_equal(np.floor(inputs[:, 0]), chosen)
    np.testing.assert_array_equal(targets, batches.targets[chosen])
    copies = {float(v) % 1 for i in range(len(batches)) for v in batches.batch(0, i)[0].ravel()}
    assert copies == {0.0, 0.25, 0.5}


# Pretrained weights ------------------------------------------------------------------------------


def test_weights_of_another_architecture_raise(recordings: list[Utterance]) -> None:
    with pytest.raises(ValueError, match="'mobilenet', but the recipe says 'crnn'"):
        train(recordings, recipe=CRNN, initial_weights="mn04.npz", n_jobs=1)


def test_other_weights_raise(recordings: list[Utterance], tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", weight=np.zeros(3))
    with pytest.raises(ModelError, match=r"other\.npz: expected .* EfficientAT mn04"):
        train(recordings, recipe=MOBILENET, initial_weights=tmp_path / "other.npz", n_jobs=1)


def test_pretrained_trunk_is_frozen_and_its_heads_are_trained(
    clips: Clips, tmp_path: Path, random_mn04: Callable[[Path], dict[str, np.ndarray]]
) -> None:
    path = tmp_path / "mn04.npz"
    tensors = random_mn04(path)
    start = loop.Start(name="mn04", weights=path)
    folder = tmp_path / "checkpoints"
    network, sizes, _ = loop.fit(clips, MOBILENET, start=start, checkpoints=folder)
    untrained = loop.models.build("mobilenet", 32, 8, **sizes)
    loop.mobilenet.load_audioset_weights(untrained, path)
    for learnt, initial in zip(network.layers, untrained.layers, strict=True):
        if learnt.name.endswith("_head"):
            bias = learnt.get_layer("logits").bias.numpy()
            assert np.abs(bias).max() > 0  # it began at zero
        else:
            assert_same(learnt.get_weights(), initial.get_weights())
    stem = network.get_layer("stem_conv").get_weights()[0]
    np.testing.assert_array_equal(stem, tensors["features.0.0.weight"].transpose(3, 2, 1, 0))
    # What is over is there without another step.
    again, _, _ = loop.fit(clips, MOBILENET, start=start, checkpoints=folder)
    assert_same(again.get_weights(), network.get_weights())


def test_embeddings_are_of_clips_and_their_augmented_copies(clips: Clips) -> None:
    """A trunk that returns the mean of each band shows its inputs."""
    inputs = keras.Input((None, 32))
    trunk = keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(inputs))
    embeddings = loop.embed(trunk, clips, dataclasses.replace(MOBILENET, copies=2))
    assert embeddings.shape == (3, len(clips), 32)
    for i in (0, len(clips) - 1):
        power = np.exp(clips.frames[i][6:54].astype(np.float32))  # the middle 48 of 61 frames
        expected = np.log(power + CRNN.features.log_offset).mean(axis=0)
        np.testing.assert_allclose(embeddings[0, i], expected, atol=0.02)
    gaps = [
        np.abs(embeddings[a] - embeddings[b]).max(axis=1).min() for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    assert min(gaps) > 0.05
