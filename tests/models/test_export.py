"""Artefacts rebuilt in Keras, in new processes and in other formats; hostile ones raise."""

import dataclasses
import hashlib
import json
import pickle
import shutil
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
import h5py
import keras
import onnx
from onnx import TensorProto, helper

from emotionrecog import EmotionRecognizer, audio, cli, models
from emotionrecog.artifact import Artifact, read, write
from emotionrecog.errors import ModelError
from emotionrecog.features import Extractor
from emotionrecog.inference.windows import split_windows
from emotionrecog.models import ARCHITECTURES
from emotionrecog.models.export import FORMATS, export, restore, with_probabilities
from tests.conftest import CLIP, FORMAT_1
from tests.models import versions
from tests.models.test_models import N_FRAMES, features

pytestmark = pytest.mark.tensorflow

# What the artefact of format 1 answered on the clip when it was saved, by version 0.1.0 on Keras
# 3.12.1, TensorFlow 2.19.1 and ONNX Runtime 1.20.1.
ANSWERS_OF_FORMAT_1 = {
    "neutral": 0.098071,
    "calm": 0.200271,
    "happy": 0.294128,
    "sad": 0.100748,
    "angry": 0.060101,
    "fearful": 0.061162,
    "disgust": 0.085954,
    "surprised": 0.099566,
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an artefact of every architecture and its answers."""
    folder = tmp_path_factory.mktemp("artefacts")
    versions.save(folder)
    return folder


@pytest.fixture(scope="module")
def old() -> Artifact:
    return read(FORMAT_1)


def answers_in_keras(artifact: Artifact, x: np.ndarray) -> np.ndarray:
    model = with_probabilities(restore(artifact), artifact.temperature)
    return np.asarray(model(x, training=False))


# Loading -----------------------------------------------------------------------------------------


def test_every_architecture_answers_the_same_in_a_new_process(saved: Path) -> None:
    """Nothing of the process that saved them is available but the library."""
    names = {path.name.split(".")[0] for path in saved.glob("*.expected.json")}
    assert names == set(ARCHITECTURES)
    assert float(versions.run(sys.executable, "check", saved)) <= versions.ATOL


def test_check_of_another_process_can_fail(saved: Path, tmp_path: Path) -> None:
    (name, other) = ("linear", "gru")
    shutil.copytree(saved / other, tmp_path / name)
    shutil.copy(saved / f"{name}.expected.json", tmp_path)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        versions.check(tmp_path)


def test_format_1_answers_are_unchanged() -> None:
    """Windows cover the whole clip: later versions trim silence at its ends."""
    recognizer = EmotionRecognizer.load(FORMAT_1)
    spec = recognizer.artifact.features
    samples = audio.load(CLIP, sampling_rate=spec.sampling_rate).samples
    windows = split_windows(samples, (recognizer.artifact.window_frames - 1) * spec.hop_length)
    shares = recognizer.engine.judge(np.stack([Extractor(spec)(w) for w in windows])).mean(axis=0)
    actual = dict(zip(recognizer.labels, shares.tolist(), strict=True))
    assert actual == pytest.approx(ANSWERS_OF_FORMAT_1, abs=versions.ATOL)


def test_format_1_is_rebuilt_in_keras(old: Artifact) -> None:
    """Saved on Keras 3.12.1 and TensorFlow 2.19.1."""
    x = features(3, 101, 40)
    (expected,) = onnxruntime.InferenceSession(old.onnx).run(None, {"features": x})
    assert np.ptp(expected, axis=0).max() > 0.01
    np.testing.assert_allclose(answers_in_keras(old, x), expected, rtol=0, atol=versions.ATOL)


# Hostile networks in Keras -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "actual"),
    [
        pytest.param({"filters": 10**7}, "more than the .* weights", id="a petabyte"),
        pytest.param({"recurrent": 10**9}, "more than the .* weights", id="more than a petabyte"),
        pytest.param({"filters": 2.5}, "", id="no whole number"),
        pytest.param({"filters": -1}, "", id="negative"),
        pytest.param({"filters": "2"}, "", id="text"),
        pytest.param({"filters": None}, "", id="nothing"),
        pytest.param({"filters": {"a": [1]}}, "", id="an object"),
        pytest.param({"deviation": 0}, "", id="a division by zero"),
        pytest.param({"colour": 1}, "colour", id="of another network"),
        pytest.param({"n_features": 1}, "n_features", id="given twice"),
    ],
)
def test_invalid_sizes_raise_a_model_error(
    old: Artifact, sizes: dict[str, Any], actual: str
) -> None:
    hostile = dataclasses.replace(old, sizes={**old.sizes, **sizes})
    add_weight = keras.Layer.add_weight
    with pytest.raises(ModelError, match=f"cannot be rebuilt: .*{actual}"):
        restore(hostile)
    assert keras.Layer.add_weight is add_weight


def test_unknown_architecture_raises_a_model_error(old: Artifact) -> None:
    with pytest.raises(ModelError, match=r"cannot be rebuilt: expected an 'os\.system'"):
        restore(dataclasses.replace(old, architecture="os.system"))


def weights(change: Callable[[h5py.File], None], content: bytes, folder: Path) -> bytes:
    """Return weights with a change applied."""
    path = folder / "weights.h5"
    path.write_bytes(content)
    with h5py.File(path, "r+") as file:
        change(file)
    return path.read_bytes()


def first_array(file: h5py.File) -> str:
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
    return names[0]


def put(file: h5py.File, **options: Any) -> None:
    name = first_array(file)
    del file[name]
    file.create_dataset(name, **options)


def put_object(file: h5py.File) -> None:
    put(file, shape=(1,), dtype=h5py.vlen_dtype("u1"))
    array = file[first_array(file)]
    array[0] = np.frombuffer(pickle.dumps(print), "u1")


def put_view_of_another_file(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "data", (4,))
    name = first_array(file)
    del file[name]
    file.create_virtual_dataset(name, layout)


def put_link(file: h5py.File, link: Any) -> None:
    name = first_array(file)
    del file[name]
    file[name] = link


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda f: put(f, shape=(2**40,), dtype="f4"), id="4 TiB that are not there"),
        pytest.param(
            lambda f: put(f, data=np.zeros(2**24, "f4"), compression="gzip"), id="compressed"
        ),
        pytest.param(lambda f: put(f, shape=(4,), dtype="f4", chunks=(2,)), id="in pieces"),
        pytest.param(
            lambda f: put(f, shape=(4,), dtype="f4", external=[("/etc/passwd", 0, 16)]),
            id="values in another file",
        ),
        pytest.param(lambda f: put(f, dtype="f4"), id="no array at all"),
        pytest.param(put_object, id="a pickled object"),
        pytest.param(put_view_of_another_file, id="view of another file"),
        pytest.param(
            lambda f: put_link(f, h5py.ExternalLink("../../secret.h5", "/a")), id="link outside"
        ),
        pytest.param(lambda f: put_link(f, h5py.SoftLink("/")), id="link inside"),
        pytest.param(lambda f: f.__setitem__("layers/again", f["/"]), id="in a circle"),
        pytest.param(lambda f: f.__setitem__("type", np.dtype("f4")), id="a type"),
    ],
)
def test_weights_that_are_not_plain_arrays_raise(
    old: Artifact, tmp_path: Path, change: Callable[[h5py.File], None]
) -> None:
    hostile = dataclasses.replace(old, weights=weights(change, old.weights, tmp_path))
    with pytest.raises(ModelError, match=r"found: the (weights|groups) .*Save or fetch"):
        restore(hostile)


@pytest.mark.parametrize("dtype", ["i1", "?", "u8"])
def test_other_arrays_do_not_allow_a_larger_network(
    old: Artifact, tmp_path: Path, dtype: str
) -> None:
    """A network needs four bytes for a number that may take one in the file."""
    room = np.zeros(2**20, dtype)
    content = weights(lambda file: file.create_dataset("room", data=room), old.weights, tmp_path)
    larger = dataclasses.replace(old, weights=content, sizes={**old.sizes, "recurrent": 64})
    with pytest.raises(ModelError, match=r"cannot be rebuilt: .* more than the .* weights"):
        restore(larger)


def keras_archive(folder: Path) -> bytes:
    """Return a Keras archive that contains code."""
    path = folder / "model.keras"
    layer = keras.layers.Lambda(lambda x: x + 1)
    keras.Sequential([keras.Input((4,)), layer]).save(path)
    return path.read_bytes()


class Harmful:
    def __reduce__(self) -> tuple[Any, tuple[str, ...]]:
        return print, ("this code was run",)


@pytest.mark.parametrize(
    "make", [keras_archive, lambda folder: pickle.dumps(Harmful()), lambda folder: b""]
)
def test_weights_of_another_kind_run_no_code(
    old: Artifact,
    tmp_path: Path,
    make: Callable[[Path], bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ModelError, match="cannot be rebuilt"):
        restore(dataclasses.replace(old, weights=make(tmp_path)))
    assert "this code was run" not in capsys.readouterr().out


# Every bit may be flipped, with the hash made right again, by whoever wants to. Only a process of
# its own can tell of a crash.
FLIP_BITS = """
import dataclasses, random, resource, sys, warnings
from emotionrecog import EmotionRecognizer, artifact
from emotionrecog.errors import ModelError

what, folder, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
old = artifact.read(folder)
if what == "weights":
    from emotionrecog.models.export import restore
resource.setrlimit(resource.RLIMIT_AS, (2**34, 2**34))
refused = 0
for seed in range(n):
    rng = random.Random(seed)
    content = bytearray(getattr(old, what))
    for _ in range(rng.choice((1, 1, 2, 8))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    if not seed % 10:
        del content[rng.randrange(len(content)):]
    hostile = dataclasses.replace(old, **{what: bytes(content)})
    try:
        restore(hostile) if what == "weights" else EmotionRecognizer(hostile)
    except ModelError:
        refused += 1
print("refused", refused, "of", n)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory as Linux does")
@pytest.mark.parametrize(
    ("what", "architecture", "n"), [("onnx", "", 200), ("weights", "linear", 30)]
)
def test_no_flipped_bit_crashes_the_process(
    saved: Path, what: str, architecture: str, n: int
) -> None:
    folder = saved / architecture if architecture else FORMAT_1
    command = [sys.executable, "-W", "ignore", "-c", FLIP_BITS, what, str(folder), str(n)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    refused = int(done.stdout.split()[-3])
    assert n // 10 <= refused < n


def test_network_that_refers_to_another_file_raises(old: Artifact, tmp_path: Path) -> None:
    """The weights are declared to be in another file, which exists."""
    (tmp_path / "secret").write_bytes(np.arange(8, dtype=np.float32).tobytes())
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [40, 8], np.zeros(320))
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", str(tmp_path / "secret")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["features", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["b", "t", 40])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", "t", 8])],
        [tensor],
    )
    hostile = dataclasses.replace(old, onnx=helper.make_model(graph).SerializeToString())
    folder = tmp_path / "artefact"
    shutil.copytree(FORMAT_1, folder)
    (folder / "model.onnx").write_bytes(hostile.onnx)
    manifest = json.loads((folder / "recognizer.json").read_text())
    manifest["sha256"]["model.onnx"] = hashlib.sha256(hostile.onnx).hexdigest()
    (folder / "recognizer.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match=r"model\.onnx: .* refers to another file"):
        EmotionRecognizer.load(folder)


# Other formats -----------------------------------------------------------------------------------


def answers_of(path: Path, x: np.ndarray) -> np.ndarray:
    """Return the answers of an exported network, used without this library."""
    if path.suffix == ".onnx":
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return np.asarray(session.run(None, {"features": x})[0])
    if path.suffix == ".keras":
        return np.asarray(models.load(path)(x, training=False))
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\s*Warning: tf.lite.Interpreter is deprecated")
        interpreter = tf.lite.Interpreter(model_path=str(path))
    run = interpreter.get_signature_runner()
    (answer,) = run(features=x).values()
    return np.asarray(answer)


@pytest.mark.parametrize(
    ("format", "atol"), [("onnx", 1e-6), ("onnx-int8", 0.02), ("keras", 1e-5), ("litert", 1e-5)]
)
def test_exported_network_gives_the_recogniser_s_answers(
    old: Artifact, tmp_path: Path, format: str, atol: float
) -> None:
    x = features(1, old.window_frames, 40)
    (expected,) = onnxruntime.InferenceSession(old.onnx).run(None, {"features": x})
    path = tmp_path / "made" / f"model{FORMATS[format]}"
    export(old, path, format=format)
    np.testing.assert_allclose(answers_of(path, x), expected, rtol=0, atol=atol)
    if path.suffix == ".onnx":
        (text,) = (p.value for p in onnx.load(path).metadata_props if p.key == "emotionrecog")
        assert list(path.parent.iterdir()) == [path]
    else:
        described = path.with_name(f"{path.name}.json")
        text = described.read_text(encoding="utf-8")
        assert set(path.parent.iterdir()) == {path, described}
    description = json.loads(text)
    assert description["labels"] == list(old.labels)
    assert description["features"] == old.features.to_dict()
    assert len(description["feature_names"]) == 40
    assert description["card"] == old.card


def test_8_bits_make_matrices_smaller(tmp_path: Path) -> None:
    artifact = EmotionRecognizer().artifact
    export(artifact, tmp_path / "model.onnx", format="onnx-int8")
    assert (tmp_path / "model.onnx").stat().st_size < 0.6 * len(artifact.onnx)
    small = dataclasses.replace(artifact, onnx=(tmp_path / "model.onnx").read_bytes())
    actual = EmotionRecognizer(small).probabilities(CLIP)
    expected = EmotionRecognizer(artifact).probabilities(CLIP)
    assert 0 < np.abs(actual - expected).max() < 0.02


def test_exported_keras_network_holds_no_code(old: Artifact, tmp_path: Path) -> None:
    export(old, tmp_path / "model.keras", format="keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        assert b"lambda" not in archive.read("config.json").lower()


@pytest.mark.parametrize("architecture", ["gru", "parallel_cnn_lstm"])
def test_litert_converts_or_raises(saved: Path, tmp_path: Path, architecture: str) -> None:
    artifact = read(saved / architecture)
    path = tmp_path / "model.tflite"
    if architecture == "parallel_cnn_lstm":
        with pytest.raises(ModelError, match=r"'parallel_cnn_lstm', cannot be converted to LiteRT"):
            export(artifact, path, format="litert")
        assert list(tmp_path.iterdir()) == []
        return
    export(artifact, path, format="litert")
    x = features(1, N_FRAMES, 40)
    np.testing.assert_allclose(answers_of(path, x), answers_in_keras(artifact, x), atol=1e-5)


def test_failed_export_leaves_the_old_file(
    old: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"older")
    write_bytes = Path.write_bytes

    def failing(path: Path, content: bytes) -> int:
        write_bytes(path, content[:100])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", failing)
        with pytest.raises(OSError, match="No space left"):
            export(old, path)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]
    export(old, path)
    assert len(path.read_bytes()) > len(old.onnx)


def test_invalid_arguments_of_export_raise(old: Artifact, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`format` must be one of onnx, onnx-int8, keras, litert"):
        export(old, tmp_path / "model.pt", format="pt")
    with pytest.raises(ValueError, match=r"`path` must end in \.tflite for the format 'litert'"):
        export(old, tmp_path / "model.onnx", format="litert")
    (tmp_path / "a.onnx").mkdir()
    with pytest.raises(IsADirectoryError, match="expected the name of a file"):
        export(old, tmp_path / "a.onnx")


@pytest.mark.parametrize("format", ["onnx", "onnx-int8"])
def test_invalid_onnx_raises_a_model_error(old: Artifact, tmp_path: Path, format: str) -> None:
    broken = dataclasses.replace(old, onnx=b"no network")
    with pytest.raises(ModelError, match="cannot be converted to ONNX"):
        export(broken, tmp_path / "model.onnx", format=format)


def test_missing_onnx_raises_with_advice(
    old: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModelError, match=r"needs the package onnx.*pip install onnx"):
        export(old, tmp_path / "model.onnx")


def test_command_exports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.onnx"
    assert cli.main(["export", str(FORMAT_1), "--output", str(path)]) == 0
    assert capsys.readouterr() == ("", f"emotionrecog: wrote the network to {path} (0.1 MB)\n")
    assert onnxruntime.InferenceSession(path).get_inputs()[0].name == "features"
    assert cli.main(["export", str(FORMAT_1), "-o", str(path), "--format", "keras"]) == 2
    assert "must end in .keras" in capsys.readouterr().err


def test_export_as_onnx_loads_no_tensorflow(tmp_path: Path) -> None:
    code = (
        "import sys; from emotionrecog import cli;"
        f"cli.main(['export', {str(FORMAT_1)!r}, '-o', {str(tmp_path / 'a.onnx')!r}]);"
        "print({'tensorflow', 'keras'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_written_artefact_is_exported_identically(old: Artifact, tmp_path: Path) -> None:
    write(old, tmp_path / "again")
    for name, artifact in {"a": old, "b": read(tmp_path / "again")}.items():
        export(artifact, tmp_path / f"{name}.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
