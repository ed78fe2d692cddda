"""Recognisers: created from a name or an artefact, saved, loaded, and described by errors."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotionrecog.artifact import read, write
from emotionrecog.audio import load
from emotionrecog.errors import ModelError
from emotionrecog.features import FeatureSpec
from emotionrecog.pretrained import DEFAULT, fetch
from emotionrecog.recognizer import EmotionRecognizer
from tests.conftest import CLIP

RATE = 16_000
LABELS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")


@pytest.fixture(scope="module")
def recognizer() -> EmotionRecognizer:
    return EmotionRecognizer()


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    return load(CLIP, sampling_rate=RATE).samples


def test_saved_recogniser_is_loaded(
    recognizer: EmotionRecognizer, voice: np.ndarray, tmp_path: Path
) -> None:
    recognizer.save(tmp_path / "mine")
    for path in (tmp_path / "mine", str(tmp_path / "mine")):
        loaded = EmotionRecognizer.load(path)
        assert loaded.artifact == recognizer.artifact
        assert loaded.predict((voice, RATE)) == recognizer.predict((voice, RATE))
    loaded.save(tmp_path / "mine")
    assert EmotionRecognizer.load(tmp_path / "mine").artifact == recognizer.artifact


def test_bundled_recogniser_is_loaded_by_name(
    recognizer: EmotionRecognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / DEFAULT).mkdir()  # a folder of the same name does not get in the way
    monkeypatch.chdir(tmp_path)
    assert EmotionRecognizer.load(DEFAULT).artifact == recognizer.artifact
    with pytest.raises(ModelError, match=r"holds no recognizer\.json"):
        EmotionRecognizer.load(Path(DEFAULT))


def test_error_for_an_unknown_recogniser_lists_the_names(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"'klingon-8'.* an existing folder, or .* {DEFAULT}"):
        EmotionRecognizer.load("klingon-8")
    with pytest.raises(ModelError, match="nowhere"):
        EmotionRecognizer.load(tmp_path / "nowhere")


def test_damaged_recogniser_is_an_error(recognizer: EmotionRecognizer, tmp_path: Path) -> None:
    recognizer.save(tmp_path)
    with (tmp_path / "model.onnx").open("r+b") as file:
        file.seek(1_000)
        (byte,) = file.read(1)
        file.seek(1_000)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(ModelError, match=r"model\.onnx: damaged"):
        EmotionRecognizer.load(tmp_path)


def test_other_files_are_not_overwritten(recognizer: EmotionRecognizer, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(FileExistsError, match=r"thesis\.tex"):
        recognizer.save(tmp_path)


@pytest.mark.parametrize("onnx", [b"", b"garbage", b"\x08\x07" * 500])
def test_unusable_network_is_an_error(
    recognizer: EmotionRecognizer, tmp_path: Path, onnx: bytes
) -> None:
    """The hash is right, so it is ONNX Runtime that notices."""
    artifact = dataclasses.replace(recognizer.artifact, onnx=onnx)
    write(artifact, tmp_path)
    message = f"ONNX Runtime cannot use the network of recogniser '{artifact.name}'"
    with pytest.raises(ModelError, match=message) as caught:
        EmotionRecognizer.load(tmp_path)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"labels": LABELS[:-1]}, id="a label too few"),
        pytest.param({"labels": (*LABELS, "bored")}, id="a label too many"),
        pytest.param({"features": FeatureSpec(n_mels=64)}, id="other bands"),
    ],
)
def test_network_that_does_not_fit_the_artefact_is_an_error(
    recognizer: EmotionRecognizer, change: dict[str, Any]
) -> None:
    with pytest.raises(ModelError, match="is not the one described beside it: expected"):
        EmotionRecognizer(dataclasses.replace(recognizer.artifact, **change))


@pytest.mark.parametrize("what", [Path(DEFAULT), b"onnx", 0])
def test_constructor_points_to_load(what: Any) -> None:
    message = r"must be a name or an Artifact, got .* EmotionRecognizer\.load"
    with pytest.raises(ValueError, match=message):
        EmotionRecognizer(what)


@pytest.mark.parametrize("name", ["klingon-8", ""])
def test_constructor_with_an_unknown_name(name: str) -> None:
    with pytest.raises(ModelError, match=rf"is called '{name}'; expected one of {DEFAULT}"):
        EmotionRecognizer(name)


def test_recogniser_says_what_it_is(recognizer: EmotionRecognizer) -> None:
    assert recognizer.labels == LABELS
    assert repr(recognizer).startswith(f"EmotionRecognizer('{recognizer.artifact.name}': neutral,")


def test_constructor_takes_an_artifact(recognizer: EmotionRecognizer, voice: np.ndarray) -> None:
    same = EmotionRecognizer(read(fetch(DEFAULT)))
    assert same.predict((voice, RATE)) == recognizer.predict((voice, RATE))


UNPICKLED = """
import pickle, sys
unpickled = []
sys.addaudithook(lambda event, args: event == "pickle.find_class" and unpickled.append(args))
{code}
print(unpickled)
"""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (f"import emotionrecog as e; e.EmotionRecognizer().predict({str(CLIP)!r})", "[]"),
        ("from pathlib import Path; pickle.loads(pickle.dumps(Path))", "[('pathlib', 'Path')]"),
    ],
    ids=["loading unpickles nothing", "this test can fail"],
)
def test_no_pickle(code: str, expected: str) -> None:
    command = [sys.executable, "-c", UNPICKLED.format(code=code)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == expected, done.stderr
