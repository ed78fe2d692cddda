"""Networks: their parts against what they stand for, and ONNX Runtime's answers against Keras'."""

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

from emotionrecog.errors import ModelError
from emotionrecog.models import ARCHITECTURES, build, mobilenet, require_tensorflow
from emotionrecog.models.export import restore, to_onnx, weights_of, with_probabilities
from emotionrecog.models.layers import (
    FusedBatchNormalization,
    attend,
    masked_crossentropy,
    mean_and_deviation,
)
from emotionrecog.recognizer import EmotionRecognizer

ATOL = 1e-4
BATCH_SIZES = (1, 3)
# Small networks of every architecture.
SIZES: dict[str, dict[str, float]] = {
    "mobilenet": {"hidden": 8, "mean": -5.0, "deviation": 3.0},
    "crnn": {"filters": 4, "recurrent": 8, "mean": -5.0, "deviation": 3.0},
}


def features(n_clips: int, n_frames: int, n_features: int) -> np.ndarray:
    """Numbers as the front end hands them out: neighbours alike, from -13.8 upwards."""
    rng = np.random.default_rng(n_frames)
    steps = rng.normal(size=(n_clips, n_frames, n_features)).cumsum(axis=1).cumsum(axis=2)
    steps /= np.abs(steps).max(axis=(1, 2), keepdims=True)
    return (6.0 * steps - 6.0).astype(np.float32)


def answers_of_keras(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(x, training=False))


def enliven(model: keras.Model) -> None:
    """Give an untrained network normalisation that does something, and answers that differ."""
    rng = np.random.default_rng(0)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0  # one batch sets the statistics
            layer.gamma.assign(rng.uniform(0.5, 1.5, layer.gamma.shape))
            layer.beta.assign(rng.normal(0.0, 0.3, layer.beta.shape))
    model(features(8, 101, 40), training=True)


@pytest.mark.parametrize("duration", ["shortest", "6 s"])
@pytest.mark.parametrize("n_clips", BATCH_SIZES)
def test_bundled_network_answers_in_onnx_as_in_keras(n_clips: int, duration: str) -> None:
    recognizer = EmotionRecognizer()
    artifact = recognizer.artifact
    spec = artifact.features
    seconds = artifact.minimum_duration if duration == "shortest" else 6.0
    x = features(n_clips, 1 + int(seconds * spec.sampling_rate) // spec.hop_length, spec.n_mels)
    model = with_probabilities(restore(artifact), artifact.temperature)
    (found,) = recognizer._session.run(None, {"features": x})
    np.testing.assert_allclose(found, answers_of_keras(model, x), rtol=0, atol=ATOL)


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def exported(request: pytest.FixtureRequest) -> tuple[str, keras.Model, bytes]:
    """Each architecture with random weights: its name, its Keras model and its ONNX network."""
    keras.utils.set_random_seed(0)
    model = build(request.param, 40, 5, **SIZES[request.param])
    enliven(model)
    return request.param, model, to_onnx(model, 1.7)


@pytest.mark.parametrize("n_frames", [41, 601])
def test_every_architecture_answers_in_onnx_as_in_keras(
    exported: tuple[str, keras.Model, bytes], n_frames: int
) -> None:
    _, model, onnx = exported
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    for n_clips in BATCH_SIZES:
        x = features(n_clips, n_frames, 40)
        logits = answers_of_keras(model, x).astype(np.float64) / 1.7
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        (found,) = session.run(None, {"features": x})
        assert found.shape == (n_clips, 5)
        np.testing.assert_allclose(found, expected, rtol=0, atol=ATOL)
    assert np.ptp(expected, axis=0).max() > 0.01  # the clips are told apart


def test_every_architecture_fits_what_the_recogniser_asks_of_it(
    exported: tuple[str, keras.Model, bytes],
) -> None:
    _, _, onnx = exported
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    (node,), (output,) = session.get_inputs(), session.get_outputs()
    assert (node.name, node.type, node.shape[2]) == ("features", "tensor(float)", 40)
    assert [type(size) for size in node.shape[:2]] == [str, str]  # free
    assert output.shape[1] == 5


def test_clips_of_a_batch_do_not_hear_each_other(
    exported: tuple[str, keras.Model, bytes],
) -> None:
    _, _, onnx = exported
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    x = features(3, 101, 40)
    (together,) = session.run(None, {"features": x})
    for i in range(3):
        (alone,) = session.run(None, {"features": x[i : i + 1]})
        np.testing.assert_allclose(together[i : i + 1], alone, rtol=0, atol=1e-5)


def test_weights_travel_through_an_artifact(exported: tuple[str, keras.Model, bytes]) -> None:
    name, model, onnx = exported
    artifact = EmotionRecognizer().artifact
    described: dict[str, Any] = {
        "labels": ("a", "b", "c", "d", "e"),
        "features": replace(artifact.features, n_mels=40),
        "architecture": name,
        "sizes": SIZES[name],
    }
    artifact = replace(artifact, **described, onnx=onnx, weights=weights_of(model))
    x = features(3, 101, 40)
    np.testing.assert_array_equal(
        answers_of_keras(restore(artifact), x), answers_of_keras(model, x)
    )
    (found,) = EmotionRecognizer(artifact)._session.run(None, {"features": x})
    expected = answers_of_keras(with_probabilities(model, 1.7), x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=ATOL)


def test_weights_of_a_network_without_some_layers_are_refused() -> None:
    """Such as those of an earlier network of the same name, which Keras loads with a warning."""
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
    x = features(3, 101, 40)
    sharp = answers_of_keras(with_probabilities(model, 1.0), x)
    flat = answers_of_keras(with_probabilities(model, 3.0), x)
    assert (flat.max(axis=1) < sharp.max(axis=1)).all()
    np.testing.assert_array_equal(flat.argmax(axis=1), sharp.argmax(axis=1))


def test_unknown_architecture_is_refused_with_the_known() -> None:
    with pytest.raises(ValueError, match=r"`architecture` must be one of .*'mobilenet'.*, got 'x'"):
        build("x", 40, 5)


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
@pytest.mark.parametrize("n_frames", [26, 27, 48, 250])
def test_every_architecture_takes_any_batch_of_any_length(architecture: str, n_frames: int) -> None:
    model = build(architecture, 33, 3, **SIZES[architecture])
    answers = answers_of_keras(model, features(2, n_frames, 33))
    assert answers.shape == (2, 3)
    assert np.isfinite(answers).all()


@pytest.mark.parametrize("missing", ["tensorflow", "keras"])
def test_missing_tensorflow_is_said_with_what_to_do(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ModelError, match=r"needs TensorFlow.*predicting does not"):
        require_tensorflow()
    with pytest.raises(ModelError, match="needs TensorFlow"):
        build("crnn", 40, 5)


# Layers and the loss ----------------------------------------------------------------------------


def loss_and_gradient(y_true: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import tensorflow as tf

    y_pred = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        loss = masked_crossentropy(y_true, y_pred)
    return loss.numpy(), tape.gradient(loss, y_pred).numpy()


def targets_and_logits() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    targets = rng.dirichlet(np.ones(8), 16).astype(np.float32)
    return targets, rng.normal(0.0, 3.0, (16, 8)).astype(np.float32)


def test_loss_is_the_plain_one_where_every_emotion_counts() -> None:
    targets, logits = targets_and_logits()
    found, _ = loss_and_gradient(np.hstack([targets, np.ones_like(targets)]), logits)
    expected = keras.losses.categorical_crossentropy(targets, logits, from_logits=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_emotion_of_weight_zero_takes_no_part() -> None:
    targets, logits = targets_and_logits()
    absent = [1, 7]
    weights = np.ones_like(targets)
    targets[:, absent] = weights[:, absent] = 0.0
    targets /= targets.sum(axis=1, keepdims=True)
    loss, gradient = loss_and_gradient(np.hstack([targets, weights]), logits)
    np.testing.assert_allclose(gradient[:, absent], 0.0, atol=1e-12)
    assert (np.abs(np.delete(gradient, absent, axis=1)).max(axis=1) > 1e-3).all()
    others = np.delete(logits, absent, axis=1)
    expected = keras.losses.categorical_crossentropy(
        np.delete(targets, absent, axis=1), others, from_logits=True
    )
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    elsewhere = logits.copy()
    elsewhere[:, absent] = 40.0
    again, _ = loss_and_gradient(np.hstack([targets, weights]), elsewhere)
    np.testing.assert_allclose(again, loss, rtol=1e-5)


def test_emotion_of_small_weight_counts_by_its_weight() -> None:
    """The loss is that of a softmax over weight times exp(logit)."""
    logits = np.array([[0.5, -0.5, 2.0]], dtype=np.float32)
    y_true = np.array([[1.0, 0.0, 0.0, 1.0, 1.0, 0.05]], dtype=np.float32)
    loss, gradient = loss_and_gradient(y_true, logits)
    parts = np.array([1.0, 1.0, 0.05]) * np.exp(logits[0].astype(np.float64))
    assert loss[0] == pytest.approx(-np.log(parts[0] / parts.sum()), rel=1e-5)
    assert gradient[0, 2] == pytest.approx(parts[2] / parts.sum(), rel=1e-5)
    # Where it is as likely as what was acted, it is hardly pushed; where far likelier, it is.
    logits[0, 2] = 0.5
    assert 0.0 < loss_and_gradient(y_true, logits)[1][0, 2] < 0.04
    logits[0, 2] = 8.0
    assert loss_and_gradient(y_true, logits)[1][0, 2] > 0.9


def two_normalisations() -> tuple[keras.layers.Layer, keras.layers.Layer]:
    rng = np.random.default_rng(0)
    values = [rng.uniform(0.5, 1.5, 6).astype(np.float32) for _ in range(4)]
    pair = FusedBatchNormalization(epsilon=1e-3), keras.layers.BatchNormalization(epsilon=1e-3)
    for layer in pair:
        layer.build((None, None, None, 6))
        layer.set_weights(values)
    return pair


def test_fused_normalisation_is_that_of_keras() -> None:
    fused, plain = two_normalisations()
    rng = np.random.default_rng(1)
    x = rng.normal(2.0, 3.0, (4, 5, 7, 6)).astype(np.float32)
    assert_equal = np.testing.assert_allclose
    assert_equal(fused(x, training=False), plain(x, training=False), rtol=1e-6)
    # Rounding apart; the kernel adds up in another order.
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
    """What is constant in time stays; otherwise the result lies within what there is."""
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, attend(inputs, 5))
    constant = np.tile(np.array([1.0, -2.0, 3.0], dtype=np.float32), (2, 9, 1))
    np.testing.assert_allclose(answers_of_keras(model, constant), constant[:, 0], rtol=1e-5)
    x = np.random.default_rng(0).normal(size=(2, 9, 3)).astype(np.float32)
    pooled = answers_of_keras(model, x)
    assert (pooled > x.min(axis=1)).all()
    assert (pooled < x.max(axis=1)).all()


# The pretrained trunk ---------------------------------------------------------------------------

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
        for block, (found, wanted) in enumerate(zip(model(x[..., None]), expected, strict=True)):
            image = np.asarray(found)[i].transpose(2, 1, 0)
            assert image.shape == wanted.shape, block
            np.testing.assert_allclose(image, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())


def test_trunk_reads_mn04_out_twice_and_heads_go_on_from_there(
    tmp_path: Path, random_mn04: Callable[[Path], dict[str, np.ndarray]]
) -> None:
    tensors = random_mn04(tmp_path / "mn04.npz")
    model = build("mobilenet", 40, 5, mean=-6.0, deviation=2.0, hidden=8, recurrent=4)
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
    assert logits.shape == (2, 2, 5)
    assert np.abs(logits[:, 0] - logits[:, 1]).max() > 0.01  # they do not agree
    np.testing.assert_allclose(averaged(logits), answers, rtol=1e-5, atol=1e-5)
    assert np.ptp(answers, axis=0).max() > 0.01
    # They share their layers: what the heads learn, the network knows.
    for number, name in enumerate(("pooled_head", "recurrent_head")):
        bias = model.get_layer(name).get_layer("logits").bias
        bias.assign_add(np.arange(5, dtype=np.float32))
        logits[:, number] += np.arange(5)
        np.testing.assert_allclose(answers_of_keras(heads, said), logits, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(answers_of_keras(model, x), averaged(logits), rtol=1e-5, atol=1e-5)


def test_file_that_holds_other_weights_is_refused(
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
