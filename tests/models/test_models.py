"""Networks: their layers compared with references, and ONNX Runtime compared with Keras."""

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
import keras

from emotionrecog.cli import main
from emotionrecog.errors import ModelError
from emotionrecog.features import PRESETS
from emotionrecog.models import (
    ARCHITECTURES,
    ParallelModel,
    build,
    default_sizes,
    load,
    losses,
    mobilenet,
    require_tensorflow,
)
from emotionrecog.models.cost import cost, multiply_adds
from emotionrecog.models.export import (
    restore,
    round_weights,
    to_onnx,
    weights_of,
    with_probabilities,
)
from emotionrecog.models.layers import (
    FusedBatchNormalization,
    FusedGRU,
    PaddingMask,
    ReverseFrames,
    attend,
    average,
    mean_and_deviation,
    normalization,
    pool,
    recurrent,
)
from emotionrecog.recognizer import EmotionRecognizer

pytestmark = pytest.mark.tensorflow

ATOL = 1e-4
BATCH_SIZES = (1, 3)
N_FRAMES = 32  # of what cannot be of any length
# Small networks of every architecture; one number for all features, or one for each.
OF_EACH = {"mean": [-5.0 - 0.01 * i for i in range(40)], "deviation": [3.0] * 40}
SIZES: dict[str, dict[str, Any]] = {
    "mobilenet": {
        **{"hidden": 8, "recurrent": 4, "filters": 4, "convolutional": 4},
        **{"mean": -5.0, "deviation": 3.0},
    },
    "crnn": {"filters": 4, "recurrent": 8, "mean": -5.0, "deviation": 3.0},
    "cnn1d": {"filters": [4, 6, 4, 3], "hidden": 8, "n_frames": N_FRAMES, **OF_EACH},
    "cnn2d": {"filters": 2, "hidden": 8, "mean": -5.0, "deviation": 3.0},
    "lstm": {"units": 5, "hidden": 8, **OF_EACH},
    "gru": {"units": 5, "hidden": 8, **OF_EACH},
    "cnn_lstm": {"filters": 8, "units": 5, "hidden": 8, "n_frames": N_FRAMES, **OF_EACH},
    "resnet_bilstm_attention": {"filters": 8, "recurrent_units": 4, "heads": 2, "hidden": 8}
    | OF_EACH,
    "parallel_cnn_lstm": {"filters": [2, 2, 4, 4], "recurrent_units": 4}
    | {"mean": -5.0, "deviation": 3.0},
    "linear": OF_EACH,
}
FREE = sorted(name for name, about in ARCHITECTURES.items() if not about.fixed_length)
MASKED = sorted(name for name, about in ARCHITECTURES.items() if about.masked)


def features(n_clips: int, n_frames: int, n_features: int) -> np.ndarray:
    """Return numbers like those of the front end: similar neighbours, at least -13.8."""
    rng = np.random.default_rng(n_frames)
    steps = rng.normal(size=(n_clips, n_frames, n_features)).cumsum(axis=1).cumsum(axis=2)
    steps /= np.abs(steps).max(axis=(1, 2), keepdims=True)
    return (6.0 * steps - 6.0).astype(np.float32)


def answers_of_keras(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(x, training=False))


def enliven(model: keras.Model) -> None:
    """Give an untrained network random statistics, and answers that differ between clips."""
    rng = np.random.default_rng(0)
    normalised = False
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            normalised = True
            layer.momentum = 0.0  # one batch sets the statistics
            layer.gamma.assign(rng.uniform(0.5, 1.5, layer.gamma.shape))
            layer.beta.assign(rng.normal(0.0, 0.3, layer.beta.shape))
    if not normalised:
        for variable in model.trainable_variables:
            variable.assign(1.5 * variable + rng.normal(0.0, 0.1, variable.shape))
    model(features(8, N_FRAMES, 40), training=True)


def test_bundled_network_answers_in_onnx_as_in_keras() -> None:
    recognizer = EmotionRecognizer()
    artifact = recognizer.artifact
    spec = artifact.features
    model = with_probabilities(restore(artifact), artifact.temperature)
    for n_clips, seconds in itertools.product(BATCH_SIZES, (artifact.minimum_duration, 6.0)):
        x = features(n_clips, 1 + int(seconds * spec.sampling_rate) // spec.hop_length, spec.n_mels)
        actual = recognizer.engine.judge(x)
        np.testing.assert_allclose(actual, answers_of_keras(model, x), rtol=0, atol=ATOL)


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def exported(request: pytest.FixtureRequest) -> tuple[str, keras.Model, bytes]:
    """Return each architecture with random weights: name, Keras model and ONNX network."""
    keras.utils.set_random_seed(0)
    model = build(request.param, 40, 5, **SIZES[request.param])
    enliven(model)
    return request.param, model, to_onnx(model, 1.7)


def test_every_architecture_answers_in_onnx_as_in_keras(
    exported: tuple[str, keras.Model, bytes],
) -> None:
    name, model, onnx = exported
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    lengths = (N_FRAMES, N_FRAMES) if ARCHITECTURES[name].fixed_length else (301, 41)
    for n_frames, n_clips in zip(lengths, BATCH_SIZES, strict=True):
        x = features(n_clips, n_frames, 40)
        logits = answers_of_keras(model, x).astype(np.float64) / 1.7
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        (actual,) = session.run(None, {"features": x})
        assert actual.shape == (n_clips, 5)
        np.testing.assert_allclose(actual, expected, rtol=0, atol=ATOL)
    assert np.ptp(expected, axis=0).max() > 0.01  # the clips are told apart


def test_every_architecture_has_the_interface_of_the_recogniser(
    exported: tuple[str, keras.Model, bytes],
) -> None:
    name, _, onnx = exported
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    (node,), (output,) = session.get_inputs(), session.get_outputs()
    assert (node.name, node.type, node.shape[2]) == ("features", "tensor(float)", 40)
    fixed = ARCHITECTURES[name].fixed_length
    assert [type(size) for size in node.shape[:2]] == [str, int if fixed else str]  # str: free
    assert not fixed or node.shape[1] == N_FRAMES
    assert output.shape[1] == 5


def test_clips_of_a_batch_do_not_affect_each_other(
    exported: tuple[str, keras.Model, bytes],
) -> None:
    _, _, onnx = exported
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    x = features(3, N_FRAMES, 40)
    (together,) = session.run(None, {"features": x})
    for i in range(3):
        (alone,) = session.run(None, {"features": x[i : i + 1]})
        np.testing.assert_allclose(together[i : i + 1], alone, rtol=0, atol=1e-5)


def test_weights_survive_an_artifact(exported: tuple[str, keras.Model, bytes]) -> None:
    name, model, onnx = exported
    artifact = EmotionRecognizer().artifact
    described: dict[str, Any] = {
        "labels": ("a", "b", "c", "d", "e"),
        "features": replace(artifact.features, n_mels=40),
        "architecture": name,
        "sizes": SIZES[name],
    }
    artifact = replace(artifact, **described, onnx=onnx, weights=weights_of(model))
    x = features(3, N_FRAMES, 40)
    np.testing.assert_array_equal(
        answers_of_keras(restore(artifact), x), answers_of_keras(model, x)
    )
    actual = EmotionRecognizer(artifact).engine.judge(x)
    expected = answers_of_keras(with_probabilities(model, 1.7), x)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=ATOL)


def test_rounded_weights_take_half_the_space_and_change_answers_little() -> None:
    sizes = {"filters": 16, "recurrent": 48, "mean": -5.0, "deviation": 3.0}
    model = build("crnn", 40, 5, **sizes)
    enliven(model)
    x = features(3, N_FRAMES, 40)
    before, whole, given = answers_of_keras(model, x), weights_of(model), model.get_weights()
    round_weights(model)
    for old, new in zip(given, model.get_weights(), strict=True):
        assert new.dtype == np.float32
        np.testing.assert_array_equal(new, old.astype(np.float16) if old.ndim > 1 else old)
    after = answers_of_keras(model, x)
    assert 0 < np.abs(after - before).max() < 2e-3 * np.ptp(before)
    rounded = weights_of(model)
    assert len(rounded) < 0.7 * len(whole)
    # They are read back unchanged, and rounding again changes nothing.
    described: dict[str, Any] = {
        "labels": ("a", "b", "c", "d", "e"),
        "features": replace(EmotionRecognizer().artifact.features, n_mels=40),
        "architecture": "crnn",
        "sizes": sizes,
    }
    again = restore(replace(EmotionRecognizer().artifact, **described, weights=rounded))
    np.testing.assert_array_equal(answers_of_keras(again, x), after)
    round_weights(again)
    np.testing.assert_array_equal(answers_of_keras(again, x), after)


def test_weights_beyond_half_precision_are_kept() -> None:
    model = build("crnn", 40, 5, **SIZES["crnn"])
    values = [np.full_like(values, 70_000.0) for values in model.get_weights()]
    values[0].flat[0] = 1 / 3
    model.set_weights(values)
    round_weights(model)
    for kept, expected in zip(model.get_weights(), values, strict=True):
        np.testing.assert_array_equal(kept, expected)


def test_weights_of_a_network_without_some_layers_raise() -> None:
    """Keras loads such weights, of an earlier network of the same name, with a warning."""
    inputs = keras.Input((None, 40))
    x = keras.layers.Reshape((-1, 40, 1))(inputs)
    headless = keras.Model(inputs, mobilenet.backbone(x)[-1])
    artifact = EmotionRecognizer().artifact
    described: dict[str, Any] = {
        "features": replace(artifact.features, n_mels=40),
        "architecture": "mobilenet",
        "sizes": SIZES["mobilenet"],
        "weights": weights_of(headless),
    }
    with pytest.raises(ModelError, match=r"cannot be rebuilt: expected an 'mobilenet'"):
        restore(replace(artifact, **described))


def test_temperature_flattens(exported: tuple[str, keras.Model, bytes]) -> None:
    _, model, _ = exported
    x = features(3, N_FRAMES, 40)
    sharp = answers_of_keras(with_probabilities(model, 1.0), x)
    flat = answers_of_keras(with_probabilities(model, 3.0), x)
    assert (flat.max(axis=1) < sharp.max(axis=1)).all()
    np.testing.assert_array_equal(flat.argmax(axis=1), sharp.argmax(axis=1))


def test_unknown_architecture_raises_with_the_choices() -> None:
    with pytest.raises(ValueError, match=r"`architecture` must be one of mobilenet, .*, got 'x'"):
        build("x", 40, 5)


@pytest.mark.parametrize("architecture", FREE)
def test_most_architectures_take_any_batch_of_any_length(architecture: str) -> None:
    model = build(architecture, 33, 3, **SIZES[architecture] | {"mean": -5.0, "deviation": 3.0})
    for n_frames in (26, 27, 48):
        answers = answers_of_keras(model, features(2, n_frames, 33))
        assert answers.shape == (2, 3)
        assert np.isfinite(answers).all()


@pytest.mark.parametrize("missing", ["tensorflow", "keras"])
def test_missing_tensorflow_raises_with_advice(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ModelError, match=r"needs TensorFlow.*predicting does not"):
        require_tensorflow()
    with pytest.raises(ModelError, match="needs TensorFlow"):
        build("crnn", 40, 5)


# Padding -----------------------------------------------------------------------------------------


def padded(clips: list[np.ndarray], n_frames: int) -> np.ndarray:
    return np.stack([np.pad(clip, ((0, n_frames - len(clip)), (0, 0))) for clip in clips])


@pytest.mark.parametrize("exported", sorted(set(MASKED) & set(FREE)), indirect=True)
def test_padding_changes_no_answer(exported: tuple[str, keras.Model, bytes]) -> None:
    """Neither in Keras nor in ONNX, where the converter must keep the lengths of clips."""
    _, model, onnx = exported
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    lengths = (31, 20, 9, 2)
    clips = [clip[:length] for clip, length in zip(features(4, 31, 40), lengths, strict=True)]
    batch = padded(clips, 40)
    logits = answers_of_keras(model, batch)
    (probabilities,) = session.run(None, {"features": batch})
    for i, clip in enumerate(clips):
        alone = answers_of_keras(model, clip[np.newaxis])
        np.testing.assert_allclose(logits[i : i + 1], alone, rtol=0, atol=ATOL)
        (actual,) = session.run(None, {"features": clip[np.newaxis]})
        np.testing.assert_allclose(probabilities[i : i + 1], actual, rtol=0, atol=ATOL)
    # Frames that are not zero do change the answer, so that this test can fail.
    batch[:, -1] = 1e-3
    assert np.abs(answers_of_keras(model, batch) - logits).max() > 100 * ATOL


@pytest.mark.parametrize("name", sorted(set(MASKED) - set(FREE)))
def test_normalised_padding_reaches_no_weight(name: str) -> None:
    """In networks of a fixed length, normalisation would turn the zeros into other values."""
    keras.utils.set_random_seed(0)
    sizes = SIZES[name] | {"mean": 0.0, "deviation": 1.0}
    plain, shifted = build(name, 40, 5, **sizes), build(name, 40, 5, **sizes | {"mean": 5.0})
    enliven(plain)
    shifted.set_weights(plain.get_weights())
    clip = features(1, 20, 40)[0]
    np.testing.assert_allclose(
        answers_of_keras(shifted, padded([clip + 5.0], N_FRAMES)),
        answers_of_keras(plain, padded([clip], N_FRAMES)),
        rtol=0,
        atol=ATOL,
    )


def test_clip_ends_with_its_last_nonzero_frame() -> None:
    x = np.zeros((4, 5, 2), dtype=np.float32)
    x[0, 3, 1] = 1e-30
    x[1, 0] = x[1, 4] = -2.0  # silence in between is no padding
    x[2] = 1.0
    mask = np.asarray(PaddingMask()(x))
    expected = [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]]
    np.testing.assert_array_equal(mask, np.array(expected)[..., np.newaxis])


def test_clips_are_reversed_within_their_length() -> None:
    x = np.arange(8, dtype=np.float32).reshape(2, 4, 1)
    mask = np.array([[1, 1, 1, 0], [1, 1, 1, 1]], dtype=np.float32)[..., np.newaxis]
    actual = np.asarray(ReverseFrames()(x, mask))[..., 0]
    np.testing.assert_array_equal(actual, [[2, 1, 0, 3], [7, 6, 5, 4]])


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_recurrent_layers_equal_masked_ones_of_keras(cell: str) -> None:
    inputs, lengths = keras.Input((None, 3)), (9, 4)
    mask = PaddingMask()(inputs)
    model = keras.Model(inputs, recurrent(inputs, mask, 5, cell=cell))
    plain = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell](5, return_sequences=True)
    masked = keras.Sequential([keras.layers.Masking(), keras.layers.Bidirectional(plain)])
    x = padded([features(1, length, 3)[0] for length in lengths], 9)
    masked(x)
    rng = np.random.default_rng(0)
    weights = [rng.normal(0.0, 0.5, w.shape) for w in masked.weights]
    masked.set_weights(weights)
    order = {tuple(w.shape): [] for w in masked.weights}
    for variable, values in zip(masked.weights, weights, strict=True):
        order["backward" in variable.path, variable.name] = values
    layers_ = [layer for layer in model.layers if hasattr(layer, "cell")]
    actual = []
    for swapped in (False, True):  # which of the two runs backwards is not told by their names
        for layer, backward in zip(layers_, (swapped, not swapped), strict=True):
            names = ("kernel", "recurrent_kernel", "bias")
            layer.set_weights([order[backward, name] for name in names])
        actual.append(answers_of_keras(model, x))
    expected = np.asarray(masked(x))
    for i, length in enumerate(lengths):
        errors = [np.abs(f[i, :length] - expected[i, :length]).max() for f in actual]
        assert min(errors) < 1e-6 < max(errors)
        assert not actual[0][i, length:].any()


def test_unknown_cell_raises() -> None:
    with pytest.raises(ValueError, match=r"`cell` must be one of lstm, gru, got 'rnn'"):
        build("lstm", 3, 2, cell="rnn")


def test_fused_gru_equals_that_of_keras() -> None:
    import tensorflow as tf

    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(2, 7, 3)).astype(np.float32))
    weights = [rng.normal(0.0, 0.5, shape) for shape in ((3, 15), (5, 15), (2, 15))]
    answers, gradients = [], []
    for layer in (FusedGRU(5, return_sequences=True), keras.layers.GRU(5, return_sequences=True)):
        layer.build(x.shape)
        layer.set_weights(weights)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            loss = tf.reduce_sum(y**2)
        answers.append(y)
        gradients.append(tape.gradient(loss, [x, *layer.trainable_variables]))
    np.testing.assert_allclose(*answers, rtol=0, atol=1e-6)
    for fused, plain in zip(*gradients, strict=True):
        np.testing.assert_allclose(fused, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("exported", ["lstm", "gru", "cnn_lstm"], indirect=True)
def test_recurrent_layers_are_no_loops_in_onnx(exported: tuple[str, keras.Model, bytes]) -> None:
    """A loop of single steps would take ONNX Runtime about ten times as long."""
    import onnx

    name, _, network = exported
    kinds = [node.op_type for node in onnx.load_from_string(network).graph.node]
    assert kinds.count("GRU" if name == "gru" else "LSTM") == 4
    assert not {"Loop", "Scan"} & set(kinds)


def test_pooling_keeps_the_remainder() -> None:
    x = np.array([[[1.0], [2.0], [3.0], [0.0]], [[4.0], [0.0], [0.0], [0.0]]], dtype=np.float32)
    mask = np.array([[1, 1, 1, 0], [1, 0, 0, 0]], dtype=np.float32)[..., np.newaxis]
    pooled, left = pool(x, mask, 2)
    np.testing.assert_array_equal(np.asarray(pooled)[..., 0], [[2, 3], [4, 0]])
    np.testing.assert_array_equal(np.asarray(left)[..., 0], [[1, 1], [1, 0]])
    odd, _ = pool(x[:, :3], mask[:, :3], 2)
    np.testing.assert_array_equal(odd, pooled)
    np.testing.assert_array_equal(average(x, mask), [[2.0], [4.0]])


def test_attention_and_normalisation_ignore_padding() -> None:
    inputs, mask = keras.Input((None, 3)), keras.Input((None, 1))
    model = keras.Model([inputs, mask], attend(inputs, 5, mask))
    x, ones = features(1, 9, 3), np.ones((1, 9, 1), dtype=np.float32)
    alone = answers_of_keras(model, [x, ones])
    longer = [
        np.pad(a, ((0, 0), (0, 4), (0, 0)), constant_values=v) for a, v in ((x, 7), (ones, 0))
    ]
    np.testing.assert_allclose(answers_of_keras(model, longer), alone, atol=1e-5)


def test_features_are_normalised_one_by_one() -> None:
    x = features(2, 9, 3)
    mean, deviation = [1.0, 2.0, -3.0], [0.5, 2.0, 10.0]
    actual = np.asarray(normalization(mean, deviation)(x))
    np.testing.assert_allclose(actual, (x - mean) / deviation, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        normalization(2.0, deviation)(x), (x - 2.0) / np.array(deviation), rtol=1e-5, atol=1e-5
    )


# All architectures -------------------------------------------------------------------------------


def test_table_describes_each_architecture_correctly() -> None:
    for name, about in ARCHITECTURES.items():
        assert about.features in PRESETS
        assert about.summary
        sizes = default_sizes(name)
        assert json.loads(json.dumps(sizes)) == sizes
        assert {"mean", "deviation"} <= set(sizes)
        assert about.fixed_length == ("n_frames" in sizes)
        assert json.loads(json.dumps(about.to_dict())) == about.to_dict()
    assert default_sizes("gru") == default_sizes("lstm") | {"cell": "gru"}


@pytest.mark.parametrize("architecture", MASKED)  # the others are trained in test_training.py
def test_every_architecture_learns(architecture: str) -> None:
    """The emotions differ in the level of some features."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    overrides = {"mean": 0.0, "deviation": 1.0, "dropout": 0.0, "n_frames": 8}
    wide = {"cnn1d": {"filters": [16] * 4}, "cnn_lstm": {"units": 16}}.get(architecture, {})
    sizes = SIZES[architecture] | {
        k: v for k, v in overrides.items() if k in default_sizes(architecture)
    }
    model = build(architecture, 12, 2, **sizes | wide)
    emotions = np.arange(16) % 2
    x = rng.normal(size=(16, 8, 12)).astype(np.float32)
    x[:, :, 3:6] += 3.0 * (2 * emotions - 1)[:, np.newaxis, np.newaxis]
    y = np.hstack([np.eye(2)[emotions], np.ones((16, 2))]).astype(np.float32)
    model.compile(keras.optimizers.Adam(0.03), losses.Focal(1.0), run_eagerly=True)
    history = model.fit(x, y, batch_size=16, epochs=6, verbose=0).history["loss"]
    assert history[-1] < 0.8 * history[0]


def test_networks_load_in_a_new_process(tmp_path: Path) -> None:
    """Without user code, compiled with a loss of the library."""
    answers = {}
    for name in ARCHITECTURES:
        keras.utils.set_random_seed(0)
        model = build(name, 40, 5, **SIZES[name])
        loss = losses.Focal(1.5, [1.0] * 5) if name == "gru" else losses.Crossentropy()
        model.compile("adam", loss)
        model.save(tmp_path / f"{name}.keras")
        answers[name] = answers_of_keras(model, features(2, N_FRAMES, 40))
    np.savez(tmp_path / "answers.npz", x=features(2, N_FRAMES, 40), **answers)
    code = f"""
import numpy as np
from pathlib import Path
from emotionrecog import models
folder = Path({str(tmp_path)!r})
with np.load(folder / "answers.npz") as saved:
    for name in models.ARCHITECTURES:
        model = models.load(folder / f"{{name}}.keras")
        np.testing.assert_allclose(np.asarray(model(saved["x"])), saved[name], atol=1e-5)
        loss = model.loss.get_config()
        assert loss["class_weights"] == ([1.0] * 5 if name == "gru" else None), loss
        assert loss.get("gamma") == (1.5 if name == "gru" else None), loss
    print("all", len(models.ARCHITECTURES))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == f"all {len(ARCHITECTURES)}", done.stderr


def test_file_that_is_not_a_network_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such file: .*none\.keras"):
        load(tmp_path / "none.keras")
    path = tmp_path / "x.keras"
    path.write_bytes(b"no network")
    with pytest.raises(ModelError, match=r"x\.keras': expected a network saved by Keras"):
        load(path)


def test_parallel_model_answers_eight_emotions() -> None:
    model = ParallelModel()
    assert model.input.shape == (None, None, 128)
    assert model.output.shape == (None, 8)
    assert ParallelModel(num_emotions=6, recurrent_units=4).output.shape == (None, 6)


def test_options_of_cnn_lstm() -> None:
    sizes = {"filters": 4, "units": 3, "hidden": 4, "n_frames": 20}
    plain = build("cnn_lstm", 6, 2, **sizes)
    both = build("cnn_lstm", 6, 2, **sizes, bidirectional=True, l2=0.01)
    names = [type(layer).__name__ for layer in plain.layers]
    assert names.count("LSTM") == 4
    assert [type(layer).__name__ for layer in both.layers].count("LSTM") == 8
    assert plain.losses == []
    kernels = [w for w in both.trainable_variables if w.name == "kernel"]
    expected = 0.01 * sum(float((np.asarray(w) ** 2).sum()) for w in kernels)
    assert float(sum(both.losses)) == pytest.approx(expected, rel=1e-5)


def test_networks_train_in_half_precision() -> None:
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        names = ("gru", "resnet_bilstm_attention", "parallel_cnn_lstm")
        sizes = {name: SIZES[name] | {"mean": 0.0, "deviation": 1.0} for name in names}
        models = [build(name, 12, 2, **sizes[name]) for name in names]
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    for model in models:
        x = features(2, 8, 12)
        answers = model(padded([x[0], x[1, :5]], 8), training=True)
        assert answers.dtype == "float32"
        assert np.isfinite(np.asarray(answers)).all()


# Cost --------------------------------------------------------------------------------------------


def test_multiply_adds_equal_those_counted_by_hand() -> None:
    inputs = keras.Input((None, 6))
    x = keras.layers.Conv1D(4, 3, padding="same")(inputs)  # 10 × 3 × 6 × 4
    x = keras.layers.MaxPooling1D(2)(x)
    x = keras.layers.LSTM(5, return_sequences=True)(x)  # 5 × 4 × 5 × (4 + 5)
    x = keras.layers.Bidirectional(FusedGRU(2, return_sequences=True))(x)  # 2 × 5 × 3 × 2 × (5 + 2)
    x = keras.layers.MultiHeadAttention(2, 3)(x, x)  # 5 × 4 × (4 × 6) + 2 × 5 × 5 × 6
    x = keras.layers.Reshape((-1, 2, 2))(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)  # 5 × 2 × 9 × 2
    x = keras.layers.GlobalAveragePooling2D()(x)
    two = keras.Input((2,))
    head = keras.Model(two, keras.layers.Dense(7)(two))  # 2 × 7
    model = keras.Model(inputs, head(x))
    expected = 720 + 900 + 420 + 480 + 300 + 180 + 14
    assert multiply_adds(model, 10) == expected


def test_cost_of_the_bundled_recogniser_s_network() -> None:
    actual = cost("mobilenet")
    assert actual.parameters == 1_182_018
    assert actual.n_frames == 301
    longer = multiply_adds(build("mobilenet", 104, 8), 602)
    assert 1.9 < longer / actual.multiply_adds < 2.1


def test_models_command_lists_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--format", "json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["name"] for row in rows] == list(ARCHITECTURES)
    for row in rows:
        assert row["parameters"] > 0
        assert row["multiply_adds"] > 0
        assert row["sizes"] == default_sizes(row["name"])


# Layers ------------------------------------------------------------------------------------------


def two_normalisations() -> tuple[keras.layers.Layer, keras.layers.Layer]:
    rng = np.random.default_rng(0)
    values = [rng.uniform(0.5, 1.5, 6).astype(np.float32) for _ in range(4)]
    pair = FusedBatchNormalization(epsilon=1e-3), keras.layers.BatchNormalization(epsilon=1e-3)
    for layer in pair:
        layer.build((None, None, None, 6))
        layer.set_weights(values)
    return pair


def test_fused_normalisation_equals_that_of_keras() -> None:
    fused, plain = two_normalisations()
    rng = np.random.default_rng(1)
    x = rng.normal(2.0, 3.0, (4, 5, 7, 6)).astype(np.float32)
    assert_equal = np.testing.assert_allclose
    assert_equal(fused(x, training=False), plain(x, training=False), rtol=1e-6)
    # Up to rounding, because the kernel sums in another order.
    assert_equal(fused(x, training=True), plain(x, training=True), rtol=0, atol=1e-4)
    for name in ("gamma", "beta", "moving_mean"):
        assert_equal(getattr(fused, name), getattr(plain, name), rtol=1e-5)
    n = 4 * 5 * 7
    batch = x.var(axis=(0, 1, 2))
    before = (np.asarray(plain.moving_variance) - 0.01 * batch) / 0.99
    expected = 0.99 * before + 0.01 * batch * n / (n - 1)  # unbiased
    assert_equal(fused.moving_variance, expected, rtol=1e-5)
    assert_equal(fused.moving_variance, plain.moving_variance, rtol=1e-3)


def test_fused_normalisation_has_the_gradients_of_keras() -> None:
    import tensorflow as tf

    rng = np.random.default_rng(1)
    x = tf.constant(rng.normal(2.0, 3.0, (4, 5, 7, 6)).astype(np.float32))
    toward = rng.normal(size=(4, 5, 7, 6)).astype(np.float32)
    gradients = []
    for layer in two_normalisations():
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, training=True) * toward)
        gradients.append(tape.gradient(loss, [x, *layer.trainable_variables]))
    for fused, plain in zip(*gradients, strict=True):
        np.testing.assert_allclose(fused, plain, rtol=1e-3, atol=1e-3)


def test_frozen_normalisation_keeps_its_statistics() -> None:
    fused, plain = two_normalisations()
    fused.trainable = False
    before = fused.get_weights()
    x = np.random.default_rng(1).normal(2.0, 3.0, (4, 5, 7, 6)).astype(np.float32)
    np.testing.assert_allclose(fused(x, training=True), plain(x, training=False), rtol=1e-6)
    for value, expected in zip(fused.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, expected)


def test_pooling_is_mean_and_deviation_over_time() -> None:
    x = np.random.default_rng(0).normal(1.0, 2.0, (3, 50, 4, 2)).astype(np.float32)
    mean, deviation = mean_and_deviation(x, axis=1)
    np.testing.assert_allclose(mean, x.mean(axis=1), atol=1e-5)
    np.testing.assert_allclose(deviation, x.std(axis=1), atol=1e-4)


def test_attention_averages_over_time() -> None:
    """Constant values stay; otherwise the average lies within the range of the values."""
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, attend(inputs, 5))
    constant = np.tile(np.array([1.0, -2.0, 3.0], dtype=np.float32), (2, 9, 1))
    np.testing.assert_allclose(answers_of_keras(model, constant), constant[:, 0], rtol=1e-5)
    x = np.random.default_rng(0).normal(size=(2, 9, 3)).astype(np.float32)
    pooled = answers_of_keras(model, x)
    assert (pooled > x.min(axis=1)).all()
    assert (pooled < x.max(axis=1)).all()


# The pretrained trunk ----------------------------------------------------------------------------

STRIDES = (1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1)  # of blocks 1 to 12


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0.0)


def hard_swish(x: np.ndarray) -> np.ndarray:
    return x * np.clip(x + 3.0, 0.0, 6.0) / 6.0


def convolved(
    tensors: dict[str, np.ndarray], name: str, x: np.ndarray, stride: int = 1
) -> np.ndarray:
    """Convolve (channels, frequency, time) as PyTorch does, and normalise."""
    weight = tensors[f"{name}.0.weight"]
    kernel = weight.shape[-1]
    margin = (kernel - 1) // 2
    padded = np.pad(x, ((0, 0), (margin, margin), (margin, margin)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(1, 2))
    patches = patches[:, ::stride, ::stride]
    if weight.shape[1] == 1 and len(x) > 1:  # depthwise
        y = np.einsum("cftij,cij->cft", patches, weight[:, 0])
    else:
        y = np.einsum("cftij,ocij->oft", patches, weight)
    scale, shift, mean, variance = (
        tensors[f"{name}.1.{part}"][:, np.newaxis, np.newaxis]
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    return scale * (y - mean) / np.sqrt(variance + 1e-3) + shift


def reference_backbone(tensors: dict[str, np.ndarray], image: np.ndarray) -> list[np.ndarray]:
    """Return the outputs of stem and blocks of mn04 on one image, (frequency, time)."""
    tensors = {name: values.astype(np.float64) for name, values in tensors.items()}
    x = hard_swish(convolved(tensors, "features.0", image[np.newaxis], 2))
    outputs = [x]
    for number, stride in enumerate(STRIDES, start=1):
        activate = relu if number <= 6 else hard_swish
        names = (f"features.{number}.block.{part}" for part in range(4))
        y = x
        if number > 1:
            y = activate(convolved(tensors, next(names), y))
        y = activate(convolved(tensors, next(names), y, stride))
        name = next(names)
        squeeze = f"{name}.conc_se_layers.0"
        if f"{squeeze}.fc1.weight" in tensors:
            mean = y.mean(axis=(1, 2))
            hidden = relu(tensors[f"{squeeze}.fc1.weight"] @ mean + tensors[f"{squeeze}.fc1.bias"])
            scale = tensors[f"{squeeze}.fc2.weight"] @ hidden + tensors[f"{squeeze}.fc2.bias"]
            y = y / (1.0 + np.exp(-scale))[:, np.newaxis, np.newaxis]
            name = next(names)
        y = convolved(tensors, name, y)
        x = x + y if stride == 1 and len(x) == len(y) else y
        outputs.append(x)
    return outputs


@pytest.mark.parametrize(("n_frames", "n_mels"), [(37, 25), (48, 32), (31, 40)])
def test_backbone_is_that_of_mn04(
    n_frames: int,
    n_mels: int,
    tmp_path: Path,
    random_mn04: Callable[[Path], dict[str, np.ndarray]],
) -> None:
    tensors = random_mn04(tmp_path / "mn04.npz")
    inputs = keras.Input((None, n_mels, 1))
    model = keras.Model(inputs, mobilenet.backbone(inputs))
    mobilenet.load_audioset_weights(model, tmp_path / "mn04.npz")
    x = features(2, n_frames, n_mels) / 6.0
    for i in range(2):
        expected = reference_backbone(tensors, x[i].T)
        for block, (actual, wanted) in enumerate(zip(model(x[..., None]), expected, strict=True)):
            image = np.asarray(actual)[i].transpose(2, 1, 0)
            assert image.shape == wanted.shape, block
            np.testing.assert_allclose(image, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())


def test_trunk_and_heads_together_equal_the_network(
    tmp_path: Path, random_mn04: Callable[[Path], dict[str, np.ndarray]]
) -> None:
    tensors = random_mn04(tmp_path / "mn04.npz")
    small = {"hidden": 8, "recurrent": 4, "filters": 4, "convolutional": 4}
    model = build("mobilenet", 40, 5, mean=-6.0, deviation=2.0, **small)
    enliven(model)
    mobilenet.load_audioset_weights(model, tmp_path / "mn04.npz")
    # 51 frames are 7 in block 6 and 4 in the last blocks: the eighth is missing, and 0.
    x = features(2, 51, 40)
    answers = answers_of_keras(model, x)
    trunk, heads = mobilenet.split(model, 51)
    said = answers_of_keras(trunk, x)
    for i in range(2):
        outputs = reference_backbone(tensors, (x[i].T + 6.0) / 4.0)
        pooled = np.concatenate(
            [
                statistic.T.ravel()  # (frequency, channels)
                for tap in (4, 6, 8, 10, 12)
                for statistic in (
                    outputs[tap].mean(axis=2),
                    np.sqrt(outputs[tap].var(axis=2) + 1e-5),
                )
            ]
        )
        # (channels, frequency, time) -> (time, frequency × channels)
        fast, *slow = (
            outputs[tap].transpose(2, 1, 0).reshape(outputs[tap].shape[2], -1)
            for tap in (6, 10, 12)
        )
        assert (len(fast), len(slow[0])) == (7, 4)
        pairs = np.vstack([fast, np.zeros_like(fast[:1])]).reshape(4, -1)
        frames = np.concatenate([pairs, *slow], axis=1)
        expected = np.concatenate([pooled, frames.ravel()])
        np.testing.assert_allclose(said[i], expected, rtol=0, atol=2e-4 * expected.max())

    def averaged(logits: np.ndarray) -> np.ndarray:
        logits = logits.astype(np.float64)
        return (logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))).mean(axis=1)

    logits = answers_of_keras(heads, said)
    assert logits.shape == (2, 3, 5)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(logits[:, one] - logits[:, other]).max() > 0.01  # they do not agree
    np.testing.assert_allclose(averaged(logits), answers, rtol=1e-5, atol=1e-5)
    assert np.ptp(answers, axis=0).max() > 0.01
    # They share their layers: training the heads changes the network.
    for number, name in enumerate(("pooled_head", "recurrent_head", "convolutional_head")):
        bias = model.get_layer(name).get_layer("logits").bias
        bias.assign_add(np.arange(5, dtype=np.float32))
        logits[:, number] += np.arange(5)
        np.testing.assert_allclose(answers_of_keras(heads, said), logits, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(answers_of_keras(model, x), averaged(logits), rtol=1e-5, atol=1e-5)


def test_convolutional_head_can_be_left_out(
    tmp_path: Path, random_mn04: Callable[[Path], dict[str, np.ndarray]]
) -> None:
    random_mn04(tmp_path / "mn04.npz")
    model = build("mobilenet", 40, 5, hidden=8, recurrent=4, filters=0)
    enliven(model)
    mobilenet.load_audioset_weights(model, tmp_path / "mn04.npz")
    trunk, heads = mobilenet.split(model, 51)
    x = features(2, 51, 40)
    logits = answers_of_keras(heads, answers_of_keras(trunk, x))
    assert logits.shape == (2, 2, 5)
    np.testing.assert_allclose(
        losses.joined(logits), answers_of_keras(model, x), rtol=1e-5, atol=1e-5
    )


def test_convolutional_head_gets_the_images_of_the_trunk() -> None:
    rng = np.random.default_rng(0)
    shapes = [(7, 5, 2), (4, 3, 3), (4, 3, 4)]
    inputs = [keras.Input(shape) for shape in shapes]
    frames = keras.layers.Concatenate()(mobilenet._in_step(inputs))
    model = keras.Model(inputs, mobilenet._out_of_step(frames, inputs))
    images = [rng.standard_normal((2, *shape)).astype(np.float32) for shape in shapes]
    fine, *coarse = model(images)
    np.testing.assert_array_equal(fine[:, :7], images[0])
    np.testing.assert_array_equal(fine[:, 7:], 0.0)  # the eighth is missing
    for actual, given in zip(coarse, images[1:], strict=True):
        np.testing.assert_array_equal(actual, given)


def test_convolutional_head_uses_every_frame_of_every_block() -> None:
    small = {"hidden": 8, "recurrent": 4, "filters": 4, "convolutional": 4}
    model = build("mobilenet", 40, 5, **small)
    enliven(model)
    head = model.get_layer("convolutional_head")
    n_fine, n_ten, n_twelve = 5 * 16, 3 * 32, 3 * 48  # of 40 bands, 5 and 3 are left
    assert head.input.shape[1:] == (None, 2 * n_fine + n_ten + n_twelve)
    frames = np.random.default_rng(0).normal(size=(1, 6, head.input.shape[-1])).astype(np.float32)
    before = answers_of_keras(head, frames)
    edges = np.cumsum([0, n_fine, n_fine, n_ten, n_twelve])
    actual = [before]
    for step in (0, 5):
        for first, last in itertools.pairwise(edges):
            changed = frames.copy()
            changed[:, step, first:last] += 3.0
            actual.append(answers_of_keras(head, changed))
    for one, other in itertools.combinations(actual, 2):
        assert np.abs(one - other).max() > 1e-5
    # The order of the frames matters to it.
    assert np.abs(answers_of_keras(head, frames[:, ::-1]) - before).max() > 1e-4


def test_file_with_other_weights_raises(
    tmp_path: Path, random_mn04: Callable[[Path], dict[str, np.ndarray]]
) -> None:
    tensors = random_mn04(tmp_path / "mn04.npz")
    model = build("mobilenet", 40, 5)
    path = tmp_path / "other.npz"

    def refused(message: str) -> None:
        with pytest.raises(ModelError, match=rf"other\.npz: .*{message}"):
            mobilenet.load_audioset_weights(model, path)

    squeeze = "features.11.block.2.conc_se_layers.0.fc1.weight"
    for missing in ("features.12.block.1.0.weight", squeeze):
        np.savez(path, **{k: v for k, v in tensors.items() if k != missing})
        refused(missing.replace(".", r"\."))
    wrong = {
        "features.5.block.1.0.weight": np.zeros((48, 1, 3, 3)),
        "features.3.block.0.1.bias": np.zeros(7),
        squeeze: np.zeros((48, 191)),
    }
    for name, values in wrong.items():
        np.savez(path, **(tensors | {name: values}))
        refused(r"needs tensors of the shapes .*, found ")
    for name, values in {squeeze: np.zeros(7), "features.0.0.weight": np.zeros((8, 9))}.items():
        np.savez(path, **(tensors | {name: values}))
        refused("expected a .npz with the weights of EfficientAT mn04")
    for content in (b"", b"PK\x03\x04 damaged", b"no archive"):
        path.write_bytes(content)
        refused("expected a .npz with the weights of EfficientAT mn04")
    np.save(tmp_path / "one.npy", np.zeros(3))
    (tmp_path / "one.npy").replace(path)
    refused("expected a .npz with the weights of EfficientAT mn04")
    with pytest.raises(FileNotFoundError):
        mobilenet.load_audioset_weights(model, tmp_path / "none.npz")
