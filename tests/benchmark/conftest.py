"""Few recordings named like those of SAVEE and TESS, and recognisers that need no training."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from emotionrecog import benchmark
from emotionrecog.benchmark import Summary, folds
from emotionrecog.datasets import EMOTIONS, Utterance
from emotionrecog.evaluation import intervals
from tests.conftest import Scripted

RATE = 16_000


SAVEE = ("DC", "JE", "JK", "KL")


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    """Return a folder with few recordings called like those of SAVEE and of TESS."""
    rng = np.random.default_rng(0)
    names = [
        f"savee/{speaker}/{code}{number:02d}.wav"
        for speaker in SAVEE
        for code in ("a", "h", "n", "sa")
        for number in (1, 2)
    ]
    names += [
        f"tess/{speaker}_{word}_{emotion}.wav"
        for speaker in ("OAF", "YAF")
        for word in ("back", "bar")
        for emotion in ("angry", "happy", "neutral", "sad", "fear")
    ]
    for name in names:
        path = tmp_path / "corpora" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * rng.normal(size=RATE // 2), RATE)
    return tmp_path / "corpora"


@pytest.fixture
def utterances(corpora: Path) -> list[Utterance]:
    from emotionrecog import datasets

    return datasets.read(corpora)


def scripted(name: str, speakers: list[str]) -> Scripted:
    """Return a recogniser that answers by the name of a recording, rightly in three of four."""

    def answer(path: Path) -> np.ndarray:
        rng = np.random.default_rng(sum(map(ord, path.as_posix()[-20:])))
        return rng.dirichlet(np.full(len(EMOTIONS), 0.3))

    history = [{"epoch": 1}, {"epoch": 2}]
    training = {"corpora": [], "speakers": speakers, "history": history}
    recognizer = Scripted(answer, name=name, training=training, versions={"made": "up"})
    recognizer.artifact.recognizer = recognizer
    return recognizer


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """Have networks made up rather than trained; return what each was to be trained on."""
    made: list[SimpleNamespace] = []

    def train(learnt: list[Utterance], validation: Any = None, **options: Any) -> SimpleNamespace:
        made.append(SimpleNamespace(learnt=learnt, validation=validation, **options))
        options["checkpoints"].mkdir(parents=True, exist_ok=True)
        return scripted(options["name"], sorted({u.speaker for u in learnt})).artifact

    monkeypatch.setattr(folds.training, "train", train)
    monkeypatch.setattr(folds, "Engine", lambda artifact: artifact.recognizer)
    monkeypatch.setattr(intervals, "N_DRAWS", 200)  # which takes less time
    return made


@pytest.fixture
def run(utterances: list[Utterance], corpora: Path, tmp_path: Path) -> Callable[..., Any]:
    def made(*names: str, **options: Any) -> list[Summary]:
        options = {"root": corpora, "n_jobs": 1, **options}
        given = options.pop("utterances", utterances)
        return benchmark.run(given, names, options.pop("output", tmp_path / "out"), **options)

    return made
