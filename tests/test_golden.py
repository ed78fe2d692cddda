"""The answers of the bundled recogniser on fixed clips, which no change of the code may alter.

``data/golden.json`` holds the probabilities of each clip, in the order of the labels. A new bundled
recogniser has other answers: write the file again with ``python -m tests.test_golden``.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from emotionrecog import EmotionRecognizer
from emotionrecog.audio import AudioSource
from emotionrecog.files import write_text
from tests.conftest import EXAMPLES, ROOT

GOLDEN = ROOT / "tests" / "data" / "golden.json"
RATE = 16_000
ATOL = 1e-6

KINDS, SECONDS = ("hum", "noise", "buzz"), (0.5, 3.0, 9.7)
SYNTHETIC = [f"{kind}-{seconds}" for kind in KINDS for seconds in SECONDS]

with GOLDEN.open(encoding="utf-8") as file:
    ANSWERS: dict[str, list[float]] = json.load(file)
CORPUS_CLIPS = [
    name for name in ANSWERS if name not in SYNTHETIC and not name.startswith("examples/")
]


def synthetic(kind: str, seconds: float) -> np.ndarray:
    """Return a hum, a noise, or a buzz whose pitch and level move as those of a voice."""
    rng = np.random.default_rng(1)
    t = np.arange(int(seconds * RATE)) / RATE
    if kind == "hum":
        samples = np.sin(2 * np.pi * 150 * t)
    elif kind == "noise":
        samples = 0.1 * rng.standard_normal(len(t))
    else:
        phase = 2 * np.pi * np.cumsum(120 + 40 * np.sin(2 * np.pi * 0.7 * t)) / RATE
        buzz = np.sum([np.sin(k * phase) / k for k in range(1, 12)], axis=0)
        swell = 0.5 + 0.5 * np.sin(2 * np.pi * 3 * t) ** 2
        samples = 0.2 * swell * buzz + 0.003 * rng.standard_normal(len(t))
    return samples.astype(np.float32)


def source(name: str, corpora: Path) -> AudioSource:
    """Return the clip of a name in the file."""
    if name in SYNTHETIC:
        kind, _, seconds = name.partition("-")
        return synthetic(kind, float(seconds)), RATE
    if name.startswith("examples/"):
        return EXAMPLES / name.removeprefix("examples/")
    return corpora / name


@pytest.fixture(scope="module")
def recognizer() -> EmotionRecognizer:
    return EmotionRecognizer()


def assert_unchanged(recognizer: EmotionRecognizer, name: str, corpora: Path) -> None:
    answer = recognizer.probabilities(source(name, corpora))
    np.testing.assert_allclose(answer, ANSWERS[name], rtol=0, atol=ATOL)


@pytest.mark.parametrize("name", [*SYNTHETIC, "examples/clip.wav"])
def test_answers_are_unchanged(recognizer: EmotionRecognizer, name: str) -> None:
    assert_unchanged(recognizer, name, Path())


@pytest.mark.corpora
@pytest.mark.parametrize("name", CORPUS_CLIPS)
def test_answers_on_corpora_are_unchanged(
    recognizer: EmotionRecognizer, name: str, corpora_root: Path
) -> None:
    if not (corpora_root / name).exists():
        pytest.skip(f"no such clip in the folder of corpora: {name}")
    assert_unchanged(recognizer, name, corpora_root)


def test_golden_test_can_fail(recognizer: EmotionRecognizer) -> None:
    """Noise 60 dB below a clip, which is inaudible, changes its answer by more."""
    samples = synthetic("buzz", 3.0)
    samples += 1e-4 * np.random.default_rng(0).standard_normal(len(samples)).astype(np.float32)
    answer = recognizer.probabilities((samples, RATE))
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(answer, ANSWERS["buzz-3.0"], rtol=0, atol=ATOL)


def write_golden(corpora: Path) -> None:
    """Write the answers of the current recogniser for the clips that the file names."""
    recognizer = EmotionRecognizer()
    lines = []
    for name in ANSWERS:
        shares = [round(float(p), 8) for p in recognizer.probabilities(source(name, corpora))]
        lines.append(f" {json.dumps(name)}: {json.dumps(shares)}")
    write_text(GOLDEN, "{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    write_golden(Path(os.environ["EMOTIONRECOG_CORPORA"]))
