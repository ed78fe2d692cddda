"""Fixtures and helpers for the tests of the command line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotionrecog import cli
from emotionrecog.datasets import Utterance


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command and return its exit status, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        status = cli.main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


def write_recording(path, sampling_rate=16000, seed=0):
    """Write a buzz whose pitch and level vary like those of a voice."""
    rng = np.random.default_rng(seed)
    wave = np.sin(2 * np.pi * 4 * np.arange(1.25 * sampling_rate) / sampling_rate)
    phase = 2 * np.pi * np.cumsum(150 + 40 * wave) / sampling_rate
    buzz = (0.6 + 0.4 * wave) * sum(np.sin(k * phase) / k for k in range(1, 15))
    noise = 0.01 * rng.standard_normal(len(buzz))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * buzz + noise, sampling_rate)
    return path


def savee(*emotions: str) -> list[Utterance]:
    """Return an utterance of each emotion by each speaker of SAVEE, without files."""
    names = [
        (speaker, emotion)
        for emotion in emotions or ("sad", "happy")
        for speaker in ("DC", "JE", "JK", "KL")
    ]
    return [
        Utterance(Path(f"{speaker}-{emotion}.wav"), emotion, "savee", f"savee/{speaker}")
        for speaker, emotion in names
    ]
