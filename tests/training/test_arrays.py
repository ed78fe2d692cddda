"""Three steps with arrays in between: preprocess_data, train_model, evaluate_model."""

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from emotionrecog import datasets, preprocess_data
from emotionrecog.datasets import EMOTIONS, Utterance
from emotionrecog.errors import DatasetError, LeakageError
from emotionrecog.features import PRESETS, FeatureSpec
from emotionrecog.training import Recipe, arrays
from emotionrecog.training.arrays import Part, Parts

RATE = 16_000
PITCHES = {"neutral": 150.0, "happy": 500.0, "angry": 1_700.0}
SPEC = FeatureSpec(
    features=("rms", "spectral_centroid", "mfcc"),
    n_mels=20,
    n_mfcc=4,
    n_fft=512,
    hop_length=512,
    n_frames=16,
)


def record(folder: Path, speaker: str, emotion: str, number: int) -> Utterance:
    path = folder / f"{speaker}_{emotion}_{number}.wav"
    rng = np.random.default_rng([*map(ord, speaker), EMOTIONS.index(emotion), number])
    t = np.arange(int(0.5 * RATE)) / RATE
    f0 = PITCHES[emotion] * rng.uniform(0.95, 1.05)
    y = sum(0.2 * np.sin(2 * np.pi * f0 * k * t) / k for k in (1, 2, 3))
    soundfile.write(path, y + 0.001 * rng.normal(size=t.size), RATE)
    return Utterance(path, emotion, corpus="mine", speaker=f"mine/{speaker}")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    folder = tmp_path_factory.mktemp("recordings")
    return [record(folder, s, e, i) for s in "abcdef" for e in PITCHES for i in range(3)]


@pytest.fixture(scope="module")
def parts(recordings: list[Utterance]) -> Parts:
    return preprocess_data(recordings, features=SPEC, n_jobs=1)


# Preparing ---------------------------------------------------------------------------------------


def test_no_speaker_is_in_two_parts(parts: Parts, recordings: list[Utterance]) -> None:
    assert [len(part.speakers) for part in parts] == [4, 1, 1]
    assert len({speaker for part in parts for speaker in part.speakers}) == 6
    assert sum(map(len, parts)) == len(recordings)


def test_arrays_have_matching_shapes(parts: Parts) -> None:
    for part in parts:
        assert part.features.shape == (len(part), 16, 6)
        assert part.features.dtype == np.float32
        assert part.emotions == tuple(PITCHES)
        acted = [part.emotions[label] for label in part.labels]
        assert acted == [utterance.emotion for utterance in part.utterances]
    assert repr(parts.test) == "Part(features of shape (9, 16, 6), 1 speaker)"


def test_seed_determines_the_test_speakers(recordings: list[Utterance], parts: Parts) -> None:
    tested = {
        preprocess_data(recordings, features=SPEC, seed=seed, n_jobs=1).test.speakers
        for seed in range(4)
    }
    assert len(tested) > 1
    assert parts.test.speakers in tested


def test_normalisation_uses_only_the_training_part(recordings: list[Utterance]) -> None:
    spec = dataclasses.replace(SPEC, normalization="corpus")
    train, _, test = preprocess_data(recordings, features=spec, n_jobs=1)
    unpadded = train.features[(train.features != 0).any(axis=2)]  # no padding
    np.testing.assert_allclose(unpadded.mean(axis=0), 0.0, atol=1e-4)
    unheard = test.features[(test.features != 0).any(axis=2)]
    assert np.abs(unheard.mean(axis=0)).max() > 1e-3


def test_functionals_are_one_frame(recordings: list[Utterance]) -> None:
    spec = dataclasses.replace(SPEC, n_frames=None, functionals=("mean", "std"))
    assert preprocess_data(recordings, features=spec, n_jobs=1).test.features.shape == (9, 1, 12)


def test_label_set(recordings: list[Utterance]) -> None:
    renamed = [dataclasses.replace(u, emotion="surprised") for u in recordings[:3]]
    parts = preprocess_data([*renamed, *recordings[3:]], features=SPEC, label_set="six", n_jobs=1)
    assert sum(map(len, parts)) == len(recordings) - 3
    assert parts.train.emotions == tuple(PITCHES)


def test_folder_of_one_corpus(
    recordings: list[Utterance], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "TESS"
    folder.mkdir()
    (folder / "OAF_back_angry.wav").write_bytes(recordings[0].path.read_bytes())
    assert [u.speaker for u in datasets.read(folder)] == ["tess/OAF"]
    other = folder.rename(tmp_path / "sounds")
    with pytest.raises(DatasetError, match=r"of another name is read by its corpus"):
        preprocess_data(other)
    with pytest.raises(DatasetError, match=r"needs three speakers; found tess/OAF"):
        preprocess_data(dataset_path=other, corpus="tess")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": "mfcc"}, "must give all clips the same length"),
        ({"features": "mel"}, "`features` must be one of log-mel"),
        ({"label_set": "five"}, "`label_set` must be one of ravdess8"),
        ({"test_share": 1.0}, r"`test_share` must be a number above 0 and below 1, got 1\.0"),
    ],
)
def test_invalid_choice_raises(
    recordings: list[Utterance], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        preprocess_data(recordings, n_jobs=1, **options)


# Training and measuring --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keras() -> Any:
    import keras

    return keras


@pytest.fixture
def dense(keras: Any) -> Callable[..., Any]:
    """Build a small network on the mean over time."""

    def build(n_emotions: int = 3, n_features: int = 6, activation: str | None = None) -> Any:
        keras.utils.set_random_seed(0)
        inputs = keras.Input((None, n_features))
        x = keras.layers.GlobalAveragePooling1D()(inputs)
        x = keras.layers.BatchNormalization(momentum=0.8)(x)
        return keras.Model(inputs, keras.layers.Dense(n_emotions, activation=activation)(x))

    return build


@pytest.mark.tensorflow
@pytest.mark.parametrize("activation", [None, "softmax"])
def test_any_keras_network_learns(
    dense: Callable[..., Any], parts: Parts, activation: str | None
) -> None:
    untrained = dense(activation=activation)
    model = arrays.train_model(
        untrained, parts.train, parts.validation, epochs=12, batch_size=8, learning_rate=0.1
    )
    assert model is untrained
    report = arrays.evaluate_model(model, parts.test)
    (row,) = report.corpora
    assert row.uar > 0.9
    assert np.sum(row.confusion) == 9
    assert row.speakers == parts.test.speakers
    assert [figures.emotion for figures in row.per_emotion] == list(PITCHES)


@pytest.mark.tensorflow
def test_best_weights_are_kept(dense: Callable[..., Any], parts: Parts) -> None:
    # The better the network classifies, the worse it does on these labels.
    wrong = dataclasses.replace(parts.validation, labels=(parts.validation.labels + 1) % 3)
    model = arrays.train_model(
        dense(), parts.train, wrong, epochs=40, patience=2, learning_rate=0.05
    )
    history = model.history.history
    assert len(history["loss"]) < 40
    best = np.argmax(history["kept"])
    losses = np.negative(history["validation_loss"])
    scores = list(zip(history["validation_uar"], losses, strict=True))
    assert scores[best] == max(scores)
    assert scores[-1] < max(scores)
    answers = np.asarray(model(wrong.features)).argmax(axis=1)
    recalls = [np.mean(answers[wrong.labels == e] == e) for e in range(3)]
    assert np.mean(recalls) == pytest.approx(history["validation_uar"][best])


@pytest.mark.tensorflow
def test_emotions_count_equally(parts: Parts) -> None:
    from emotionrecog.training.data import ArrayBatches

    neutral = np.flatnonzero(parts.train.labels == 0)
    rare = np.concatenate([neutral[:2], np.flatnonzero(parts.train.labels > 0)])
    train = part_of(parts.train, rare)
    batches = ArrayBatches(train.features, train.labels, 3, Recipe.of("cnn1d", batch_size=4))
    totals = [batches.weights[train.labels == emotion].sum() for emotion in range(3)]
    np.testing.assert_allclose(totals, totals[0], rtol=1e-5)
    rows = [batches.batch(1, i) for i in range(len(batches))]
    assert all(inputs.shape[0] == 4 for inputs, _, _ in rows)
    weights = np.concatenate([weights for _, _, weights in rows])
    assert weights.max() == pytest.approx(6 * weights.min(), rel=1e-5)


@pytest.mark.tensorflow
def test_compiled_loss_is_minimised(keras: Any, dense: Callable[..., Any], parts: Parts) -> None:
    model = dense()
    before = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss=lambda y, answers: 0.0 * answers[:, 0])
    arrays.train_model(model, parts.train, parts.validation, epochs=1)
    for one, other in zip(before, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(one, keras.ops.convert_to_numpy(other))


def part_of(part: Part, rows: np.ndarray) -> Part:
    return dataclasses.replace(
        part,
        features=part.features[rows],
        labels=part.labels[rows],
        utterances=tuple(part.utterances[i] for i in rows),
    )


@pytest.mark.tensorflow
def test_architectures_by_name(keras: Any, parts: Parts, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "emotionrecog"):
        model = arrays.train_model(
            "cnn1d", parts.train, parts.validation, epochs=1, filters=[4, 4, 4, 4], hidden=6
        )
    assert model.name == "cnn1d"
    assert model.input_shape == (None, 16, 6)
    assert "epoch 1/1" in caplog.text
    assert arrays.evaluate_model(model, parts.test).corpora[0].n_clips == 9


@pytest.mark.tensorflow
def test_same_seed_gives_the_same_network(keras: Any, parts: Parts) -> None:
    one, two = (
        arrays.train_model("linear", parts.train, parts.validation, epochs=1, seed=3)
        for _ in range(2)
    )
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


@pytest.mark.tensorflow
def test_compiled_networks_keep_their_loss(
    keras: Any, dense: Callable[..., Any], parts: Parts
) -> None:
    model = dense(activation="softmax")
    model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy")
    arrays.train_model(model, parts.train, parts.validation, epochs=1)
    assert isinstance(model.optimizer, keras.optimizers.SGD)


@pytest.mark.tensorflow
def test_parts_with_shared_speakers_raise(dense: Callable[..., Any], parts: Parts) -> None:
    with pytest.raises(LeakageError, match="share 4 speakers"):
        arrays.train_model(dense(), parts.train, parts.train)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"n_emotions": 8}, r"must return 3 numbers for each clip, .* shape \(4, 8\)"),
        ({"n_features": 5}, r"must take the features of the part, of shape \(16, 6\)"),
    ],
)
def test_invalid_network_raises(
    dense: Callable[..., Any], parts: Parts, sizes: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        arrays.train_model(dense(**sizes), parts.train, parts.validation)


@pytest.mark.tensorflow
def test_invalid_name_raises(keras: Any, dense: Callable[..., Any], parts: Parts) -> None:
    with pytest.raises(ValueError, match="must be a Keras network or one of mobilenet"):
        arrays.train_model("cnn", parts.train, parts.validation)
    with pytest.raises(ValueError, match="is a network already, so hidden cannot be set"):
        arrays.train_model(dense(), parts.train, parts.validation, hidden=3)


@pytest.mark.corpora
def test_ravdess_and_the_parallel_network(corpora_root: Path, keras: Any) -> None:
    """Mel spectrograms of 128 × 87, eight emotions and probabilities fit together."""
    from emotionrecog.models import ParallelModel

    utterances = datasets.CORPORA["ravdess"].utterances(corpora_root / "ravdess")[::23]
    train, validation, test = preprocess_data(utterances)
    assert train.features.shape[1:] == (87, PRESETS["mel-128x87"].n_mels)
    assert train.emotions == EMOTIONS
    model = ParallelModel(num_emotions=8, filters=[4, 4, 4, 4], recurrent_units=4)
    arrays.train_model(model, train, validation, epochs=1)
    (row,) = arrays.evaluate_model(model, test).corpora
    assert row.n_clips == len(test)
