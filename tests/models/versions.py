"""Whether recognisers saved under one version of Keras and TensorFlow load under another.

    python -m tests.models.versions PYTHON PYTHON...

Each PYTHON is the interpreter of an environment that holds what emotionrecog depends on, and
pytest. Under each, a small network of every architecture is saved as an artefact. Each then loads
those of all, and compares the probabilities of ONNX Runtime and of the Keras network rebuilt with
what they were where it was saved.
"""

import functools
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from tests.conftest import CLIP, ROOT

EXPECTED = "expected.json"
PACKAGES = ("keras", "tensorflow", "onnxruntime", "numpy")
ATOL = 1e-4


@functools.cache  # for the tests, which share them
def network(name: str) -> tuple[Any, bytes]:
    """Return a small random network of an architecture, and its ONNX form."""
    import keras

    from emotionrecog.models import build
    from emotionrecog.models.export import round_weights, to_onnx
    from tests.models.test_models import SIZES, enliven

    keras.utils.set_random_seed(0)
    model = build(name, 40, 5, **SIZES[name])
    enliven(model)
    round_weights(model)
    return model, to_onnx(model, 1.7)


def save(folder: Path) -> None:
    """Save an artefact of every architecture, and its answers."""
    from emotionrecog.models import ARCHITECTURES
    from emotionrecog.models.export import weights_of
    from tests.models.test_models import N_FRAMES, SIZES, features

    for name in ARCHITECTURES:
        model, onnx = network(name)
        recognizer = artefact_of(name, SIZES[name], onnx, weights_of(model))
        recognizer.save(folder / name)
        answers = {
            "clip": recognizer.probabilities(CLIP).tolist(),
            "keras": answers_of(model, features(2, N_FRAMES, 40)).tolist(),
        }
        (folder / f"{name}.{EXPECTED}").write_text(json.dumps(answers))


def artefact_of(name: str, sizes: dict[str, Any], onnx: bytes, weights: bytes) -> Any:
    """Return a recogniser with this network."""
    from emotionrecog import EmotionRecognizer
    from tests.models.test_models import N_FRAMES

    artifact = EmotionRecognizer().artifact
    return EmotionRecognizer(
        replace(
            artifact,
            name=name,
            labels=tuple("abcde"),
            features=replace(artifact.features, n_mels=40),
            window_frames=N_FRAMES,
            architecture=name,
            sizes=sizes,
            temperature=1.7,
            onnx=onnx,
            weights=weights,
        )
    )


def answers_of(model: Any, x: np.ndarray) -> np.ndarray:
    """Return the probabilities of a network from features to logits."""
    from emotionrecog.models.export import with_probabilities

    return np.asarray(with_probabilities(model, 1.7)(x, training=False))


def check(folder: Path) -> float:
    """Load the artefacts of `save`; return the largest difference from their answers."""
    from emotionrecog import EmotionRecognizer
    from emotionrecog.models.export import restore
    from tests.models.test_models import N_FRAMES, features

    worst = 0.0
    for path in sorted(folder.glob(f"*.{EXPECTED}")):
        answers = json.loads(path.read_text())
        recognizer = EmotionRecognizer.load(path.with_name(path.name.removesuffix(f".{EXPECTED}")))
        actual = {
            "clip": recognizer.probabilities(CLIP),
            "keras": answers_of(restore(recognizer.artifact), features(2, N_FRAMES, 40)),
        }
        for what, expected in answers.items():
            np.testing.assert_allclose(
                actual[what], expected, rtol=0, atol=ATOL, err_msg=f"{recognizer}, {what}"
            )
            worst = max(worst, float(np.abs(actual[what] - np.array(expected)).max()))
    return worst


def run(python: str, *arguments: object) -> str:
    """Run this file under another interpreter and return what it printed."""
    command = [python, "-W", "ignore", "-m", "tests.models.versions", *map(str, arguments)]
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    environment = os.environ | {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout.strip().splitlines()[-1]


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["save"]:
        save(Path(arguments[1]))
        print(", ".join(f"{package} {version(package)}" for package in PACKAGES))
    elif arguments[:1] == ["check"]:
        print(f"{check(Path(arguments[1])):.1e}")
    elif arguments:
        with tempfile.TemporaryDirectory() as folder:
            folders = {python: Path(folder, str(i)) for i, python in enumerate(arguments)}
            names = {python: run(python, "save", path) for python, path in folders.items()}
            for saving, loading in product(arguments, repeat=2):
                difference = run(loading, "check", folders[saving])
                print(f"saved by {names[saving]}; loaded by {names[loading]}: {difference}")
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
