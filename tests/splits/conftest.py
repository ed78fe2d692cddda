"""Synthetic voices, as recordings of one speaker."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotionrecog.datasets import Utterance

RATE = 16_000


def voice(seed: int, duration: float = 1.6) -> np.ndarray:
    """Return a buzz of varying pitch with syllables from two moving resonances."""
    rng = np.random.default_rng(seed)
    n = int(duration * RATE)

    def wandering(low: float, high: float) -> np.ndarray:
        knots = rng.uniform(low, high, int(8 * duration) + 2)
        return np.interp(np.linspace(0, len(knots) - 1, n), np.arange(len(knots)), knots)

    phase = 2 * np.pi * np.cumsum(wandering(110, 260)) / RATE
    first, second, level = wandering(300, 800), wandering(900, 1800), wandering(0.05, 1.0)
    sound = np.zeros(n)
    for harmonic in range(1, 14):
        frequency = harmonic * np.gradient(phase) * RATE / (2 * np.pi)
        gain = sum(1 / (1 + ((frequency - f) / 120) ** 2) for f in (first, second))
        sound += gain * np.sin(harmonic * phase)
    sound = level * sound + 0.003 * rng.normal(size=n)
    return (0.3 * sound / np.abs(sound).max()).astype(np.float32)


def record(path: Path, samples: np.ndarray, rate: int = RATE, **options: object) -> Path:
    soundfile.write(path, samples, rate, **options)
    return path


def clip_at(path: Path, speaker: str, corpus: str = "mine", **facts: str | None) -> Utterance:
    return Utterance(path, "happy", corpus=corpus, speaker=f"{corpus}/{speaker}", **facts)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    """Return six different recordings of one speaker."""
    folder = tmp_path_factory.mktemp("train")
    return [clip_at(record(folder / f"{i}.wav", voice(i)), "ann") for i in range(6)]
