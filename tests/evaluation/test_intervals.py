"""Confidence intervals: drawn by speaker, seeded, and wide enough."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
)

from emotionrecog import evaluation
from emotionrecog.datasets import Utterance
from emotionrecog.evaluation import (
    intervals,
)

# What two made-up corpora act.
from tests.evaluation.conftest import closed_answers, measure, predictions_of


def test_intervals_draw_speakers(
    clips: list[Utterance], script: dict[Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sums over speakers give what scikit-learn makes of the clips that were drawn."""
    monkeypatch.setattr(intervals, "N_DRAWS", 5)
    drawn: list[np.ndarray] = []
    monkeypatch.setattr(intervals, "interval", lambda values, **_: drawn.append(values))
    own = [clip for clip in clips if clip.corpus == "first"]
    evaluation.report(predictions_of(own, script), seed=3)
    counts = intervals.draw(["first"] * 4, seed=3)
    acted, answered, _ = closed_answers(own, script, "first")
    for draw in range(5):
        times = [int(counts[draw, int(clip.speaker[-1])]) for clip in own]
        here = np.repeat(acted, times), np.repeat(answered, times)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            assert drawn[0][draw] == pytest.approx(balanced_accuracy_score(*here))
        assert drawn[1][draw] == pytest.approx(accuracy_score(*here))


def test_intervals_cover_the_true_value() -> None:
    """Of made-up voices, some easier than others; clips drawn one by one would claim too much."""
    rng = np.random.default_rng(0)
    n_speakers, n_clips, n_sets = 12, 20, 400
    by_speaker = intervals.draw(["mine"] * n_speakers, seed=1) / n_speakers
    n_all = n_speakers * n_clips
    by_clip = rng.multinomial(n_all, np.full(n_all, 1 / n_all), size=2000) / n_all
    held = np.zeros(2)
    for _ in range(n_sets):
        ease = rng.beta(4, 2, n_speakers)  # 2/3 on average
        hits = rng.random((n_speakers, n_clips)) < ease[:, np.newaxis]
        freedom = {"smallest": n_speakers, "freedom": n_speakers - 1}
        bounds = intervals.interval(by_speaker @ hits.mean(axis=1), **freedom)
        naive = np.quantile(by_clip @ hits.ravel(), [0.025, 0.975])
        assert bounds is not None
        held += [low <= 2 / 3 <= high for low, high in (bounds, naive)]
    assert 0.92 <= held[0] / n_sets <= 0.975
    assert held[1] / n_sets < 0.8


def test_intervals_depend_on_the_seed(clips: list[Utterance], script: dict[Path, Any]) -> None:
    predictions = predictions_of(clips, script)
    first = evaluation.report(predictions, seed=1)
    assert first == evaluation.report(predictions, seed=1)
    draws = [intervals.draw(["one"] * 9, seed) for seed in (1, 1, 2)]
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
    for row in (*first.corpora, first.overall):
        assert row is not None
        for name, (low, high) in row.intervals.items():
            assert low <= getattr(row, name) <= high


def test_one_speaker_has_no_interval(script: dict[Path, Any], clips: list[Utterance]) -> None:
    one = [clip for clip in clips if clip.speaker != "first/1" or clip.corpus == "second"]
    one = [clip for clip in one if clip.corpus == "second" or clip.speaker == "first/0"]
    report = measure(script, one)
    rows = {row.corpus: row for row in report.corpora}
    assert rows["first"].intervals == {}
    assert {of.recall_interval for of in rows["first"].per_emotion} == {None}
    assert set(rows["second"].intervals) >= {"uar", "wa", "macro_f1", "log_loss", "brier", "top2"}
    assert report.overall is not None
    assert report.overall.intervals == {}
    note = "first: a single speaker, for whom there is no interval, nor for all corpora"
    assert any(text.startswith(note) for text in report.notes)
    assert note in str(report)
    assert "second: fewer than 5 speakers" in str(report)
