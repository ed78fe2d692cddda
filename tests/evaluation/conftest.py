"""Clips of made-up corpora with scripted answers, and tones with a function that judges them."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import soundfile

from emotionrecog.audio import Waveform
from emotionrecog.datasets import EMOTIONS, Utterance
from emotionrecog.evaluation import (
    Predictions,
    Report,
    evaluate,
)
from emotionrecog.recognizer import EmotionRecognizer
from tests.conftest import Scripted

# What two made-up corpora act.


ACTED = {"first": EMOTIONS, "second": ("neutral", "happy", "angry", "disgust")}


def measure(script: dict[Path, Any], clips: list[Utterance], **options: Any) -> Report:
    speakers = options.pop("speakers", ())
    recognizer = cast(
        EmotionRecognizer, Scripted(script.__getitem__, training={"speakers": list(speakers)})
    )
    return evaluate(recognizer, clips, **options)


def utterance(corpus: str, number: int, emotion: str, style: str = "speech") -> Utterance:
    path = Path(f"{corpus}-{style}-{number}.wav")
    return Utterance(path, emotion, corpus=corpus, speaker=f"{corpus}/{number % 4}", style=style)


@pytest.fixture
def clips() -> list[Utterance]:
    """Return clips of both corpora, mixed, with emotions of unequal frequency."""
    rng = np.random.default_rng(0)
    made = []
    for corpus, emotions in ACTED.items():
        frequencies = rng.dirichlet(np.full(len(emotions), 3.0))
        drawn = [*emotions, *rng.choice(emotions, 120, p=frequencies)]
        made += [utterance(corpus, i, str(emotion)) for i, emotion in enumerate(drawn)]
    return [made[i] for i in rng.permutation(len(made))]


@pytest.fixture
def script(clips: list[Utterance]) -> dict[Path, Any]:
    """Return answers that are often right and sometimes outside what the corpus acts."""
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.full(8, 0.4), len(clips))
    for row, clip in zip(probabilities, clips, strict=True):
        row[EMOTIONS.index(clip.emotion)] += 0.4
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return {clip.path: row for clip, row in zip(clips, probabilities, strict=True)}


def grouped(n: int, right: dict[str, float], **facts: Any) -> tuple[list[Utterance], np.ndarray]:
    """Return clips of 8 speakers that act two emotions, and answers right as often as said."""
    clips, rows = [], []
    for value, share in right.items():
        for i in range(n):
            fields = {name: make(value, i) for name, make in facts.items()}
            clip = Utterance(Path(f"{value}-{i}.wav"), ("happy", "sad")[i % 2], "mine", **fields)
            is_right = i // 16 < share * n / 16
            rows.append([0.9, 0.1] if (clip.emotion == "happy") == is_right else [0.1, 0.9])
            clips.append(clip)
    return clips, np.array(rows)


def table(clips: list[Utterance], rows: np.ndarray, durations: Any = None) -> Predictions:
    lengths = np.full(len(clips), np.nan) if durations is None else np.asarray(durations)
    return Predictions(
        labels=("happy", "sad"), utterances=tuple(clips), probabilities=rows, durations=lengths
    )


@pytest.fixture
def recordings(tmp_path: Path) -> list[Utterance]:
    """Write tones, of which the higher are happy, at two sampling rates and of three lengths."""
    made = []
    for i in range(20):
        emotion, rate = ("sad", "happy")[i % 2], (16_000, 8_000)[i // 10]
        times = np.arange(rate * (4 + i % 3) // 8) / rate
        path = tmp_path / f"{i}.wav"
        soundfile.write(path, 0.3 * np.sin(2 * np.pi * (200 + 600 * (i % 2)) * times), rate)
        made.append(Utterance(path, emotion, "mine", f"mine/{i % 4}", sex="female"))
    return made


def by_pitch(clips: list[Waveform]) -> np.ndarray:
    rates = [np.abs(np.diff(np.sign(clip.samples))).sum() / 4 / clip.duration for clip in clips]
    high = 1 / (1 + np.exp(-(np.array(rates) - 500) / 100))
    return np.column_stack([high, 1 - high])


def predictions_of(clips: list[Utterance], script: dict[Path, Any]) -> Predictions:
    return Predictions(
        labels=EMOTIONS,
        utterances=tuple(clips),
        probabilities=np.array([script[clip.path] for clip in clips]),
        durations=np.linspace(0.5, 4, len(clips)),
    )


def closed_answers(
    clips: list[Utterance], script: dict[Path, Any], corpus: str
) -> tuple[list[str], list[str], np.ndarray]:
    """Return what was acted and answered among the emotions of a corpus, and probabilities."""
    own = [clip for clip in clips if clip.corpus == corpus]
    places = [EMOTIONS.index(emotion) for emotion in ACTED[corpus]]
    shares = np.array([script[clip.path][places] for clip in own])
    shares /= shares.sum(axis=1, keepdims=True)
    answered = [ACTED[corpus][i] for i in shares.argmax(axis=1)]
    return [clip.emotion for clip in own], answered, shares
