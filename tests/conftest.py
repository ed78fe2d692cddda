"""What several test modules share: places, made-up recordings, a scripted recogniser, fixtures."""

import io
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from emotionrecog import EMOTIONS, Prediction

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
CLIP = EXAMPLES / "clip.wav"
FORMAT_1 = ROOT / "tests" / "data" / "format-1"  # an artefact, of temperature 1.3


def run_python(code: str, environment: Mapping[str, str] | None = None) -> str:
    """Run `code` in a new interpreter and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def tone(frequency: float = 440.0, seconds: float = 0.5, rate: int = 16_000) -> np.ndarray:
    """Return a pure tone of peak 0.5."""
    t = np.arange(round(rate * seconds)) / rate
    return (0.5 * np.sin(2 * np.pi * frequency * t)).astype(np.float32)


def messages(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[str]:
    """Return the messages that were logged at a level."""
    return [record.getMessage() for record in caplog.records if record.levelno == level]


class Scripted:
    """A recogniser whose probabilities, or error, a function of the source gives."""

    def __init__(
        self, answer: Callable[[Any], Any], labels: tuple[str, ...] = EMOTIONS, **artifact: Any
    ) -> None:
        self.answer = answer
        self.labels = labels
        self.artifact = SimpleNamespace(
            **{"name": "scripted", "training": {"speakers": []}, **artifact}
        )

    def probabilities(self, source: Any) -> Any:
        answer = self.answer(source)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def predict(self, source: Any) -> Prediction:
        shares = self.probabilities(source)
        best = int(shares.argmax())
        return Prediction(
            emotion=self.labels[best],
            confidence=float(shares[best]),
            probabilities=dict(zip(self.labels, shares.tolist(), strict=True)),
        )

    def predict_batch(
        self, sources: Iterable[Any], *, n_jobs: int = 1, on_error: str = "raise"
    ) -> Iterator[Prediction | Exception]:
        for source in sources:
            try:
                yield self.predict(source)
            except Exception as error:
                if on_error == "raise":
                    raise
                yield error


class Terminal(io.StringIO):
    """A terminal, written to by standard output and standard error alike."""

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        """Return the lines on the screen in the end, with every carriage return obeyed."""
        shown = []
        for line in self.getvalue().split("\n"):
            cells: list[str] = []
            for piece in line.split("\r"):
                cells[: len(piece)] = piece
            shown.append("".join(cells).rstrip())
        return shown


@pytest.fixture(scope="session")
def corpora_root() -> Path:
    """The folder of the real corpora; tests that ask for it are skipped where there is none."""
    named = os.environ.get("EMOTIONRECOG_CORPORA")
    if not named:
        pytest.skip("EMOTIONRECOG_CORPORA does not name a folder of corpora")
    root = Path(named)
    if not root.is_dir():
        pytest.skip(f"EMOTIONRECOG_CORPORA names no folder: {named!r}")
    return root


# Of EfficientAT's mn04: kernel, expanded width, width, width of squeeze-excitation of each block.
MN04 = (
    (3, 8, 8, 0),
    (3, 24, 16, 0),
    (3, 32, 16, 0),
    (5, 32, 16, 8),
    (5, 48, 16, 16),
    (5, 48, 16, 16),
    (3, 96, 32, 0),
    (3, 80, 32, 0),
    (3, 72, 32, 0),
    (3, 72, 32, 0),
    (3, 192, 48, 48),
    (3, 272, 48, 72),
)


@pytest.fixture(scope="session")
def random_mn04() -> Callable[[Path], dict[str, np.ndarray]]:
    """Write random tensors of the names and shapes of EfficientAT's mn04, and return them."""
    rng = np.random.default_rng(0)
    tensors: dict[str, np.ndarray] = {}

    def convolution(name: str, out: int, width: int, kernel: int) -> None:
        shape = (out, width, kernel, kernel)
        tensors[f"{name}.0.weight"] = 1.5 * rng.normal(size=shape) / np.sqrt(width * kernel**2)
        tensors[f"{name}.1.weight"] = rng.uniform(0.5, 1.5, out)
        tensors[f"{name}.1.bias"] = rng.normal(0.0, 0.3, out)
        tensors[f"{name}.1.running_mean"] = rng.normal(0.0, 0.3, out)
        tensors[f"{name}.1.running_var"] = rng.uniform(0.5, 1.5, out)

    convolution("features.0", 8, 1, 3)
    width = 8
    for number, (kernel, expanded, out, squeezed) in enumerate(MN04, start=1):
        names = (f"features.{number}.block.{part}" for part in range(4))
        if number > 1:
            convolution(next(names), expanded, width, 1)
        convolution(next(names), expanded, 1, kernel)
        if squeezed:
            name = f"{next(names)}.conc_se_layers.0"
            for fc, sizes in (("fc1", (squeezed, expanded)), ("fc2", (expanded, squeezed))):
                tensors[f"{name}.{fc}.weight"] = rng.normal(size=sizes) / np.sqrt(sizes[1])
                tensors[f"{name}.{fc}.bias"] = rng.normal(0.0, 0.3, sizes[0])
        convolution(next(names), out, expanded, 1)
        width = out
    tensors = {name: values.astype(np.float32) for name, values in tensors.items()}

    def write(path: Path) -> dict[str, np.ndarray]:
        np.savez(path, **tensors)  # type: ignore[arg-type]
        return tensors

    return write
