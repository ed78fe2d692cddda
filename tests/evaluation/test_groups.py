"""Groups of clips, and the gaps between them."""

from pathlib import Path

import numpy as np
import pytest

from emotionrecog import evaluation
from emotionrecog.datasets import Utterance
from emotionrecog.evaluation import (
    Predictions,
)

# What two made-up corpora act.
from tests.evaluation.conftest import grouped, table


def test_gap_beyond_chance_is_reported() -> None:
    clips, rows = grouped(
        160,
        {"female": 0.9, "male": 0.5},
        speaker=lambda sex, i: f"mine/{sex}{i % 8}",
        sex=lambda sex, i: sex,
        intensity=lambda sex, i: ("normal", "strong")[i // 8 % 2],
    )
    report = evaluation.report(table(clips, rows))
    breakdowns = {row.factor: row for row in report.breakdowns}
    assert list(breakdowns) == ["speaker", "sex", "intensity"]
    sex = breakdowns["sex"]
    assert (sex.lowest, sex.highest) == ("male", "female")
    assert sex.gap == pytest.approx(0.4)
    assert sex.interval is not None
    assert sex.interval[0] <= 0.4 <= sex.interval[1]
    assert report.gaps == (sex,)
    sentence = "mine, sex: UAR 50.0 % for male voices, 90.0 % for female voices: 40.0 points apart"
    assert sentence in str(report)
    assert breakdowns["intensity"].gap == pytest.approx(0)
    assert "so it may be chance" in str(breakdowns["intensity"])
    assert breakdowns["speaker"].interval is None
    assert len(breakdowns["speaker"].groups) == 16


def test_groups_are_compared_on_shared_emotions() -> None:
    """Neutral is never acted strongly: it is in the UAR of its group, and not in the gap."""
    labels = ("neutral", "happy", "sad")
    clips, rows = [], []
    for intensity, emotions in (("normal", labels), ("strong", labels[1:])):
        for i, emotion in enumerate(emotions * 12):
            path = Path(f"{intensity}{i}.wav")
            speaker = f"mine/{i % 3}"
            clips.append(Utterance(path, emotion, "mine", speaker, intensity=intensity))
            rows.append(np.eye(3)[1 if emotion == "neutral" else labels.index(emotion)])
    predictions = Predictions(
        labels=labels,
        utterances=tuple(clips),
        probabilities=np.array(rows),
        durations=np.full(len(clips), np.nan),
    )
    (row,) = [r for r in evaluation.report(predictions).breakdowns if r.factor == "intensity"]
    assert [(group.value, group.uar) for group in row.groups] == [
        ("normal", pytest.approx(2 / 3)),
        ("strong", 1.0),
    ]
    assert row.emotions == ("happy", "sad")
    assert row.gap == 0
    assert [group.uar_compared for group in row.groups] == [1.0, 1.0]


def test_small_groups_are_listed_but_not_compared() -> None:
    clips, rows = grouped(
        19,
        {"IEO": 1.0, "TIE": 0.0},
        sentence=lambda name, i: name,
        speaker=lambda name, i: f"mine/{i % 8}",
    )
    (row,) = [r for r in evaluation.report(table(clips, rows)).breakdowns if r.factor == "sentence"]
    assert [group.n_clips for group in row.groups] == [19, 19]
    assert (row.gap, row.interval, row.lowest) == (None, None, "")
    assert "nothing to compare" in str(row)


def test_durations_and_ages_are_grouped_in_bands() -> None:
    clips, rows = grouped(
        96,
        {"any": 0.5},
        speaker=lambda _, i: f"mine/{i % 4}",
        age=lambda _, i: (20, 29, 30, 71)[i % 4],
    )
    lengths = np.where(np.arange(96) < 3, np.nan, 0.5 + np.arange(96) / 32)
    found = {row.factor: row for row in evaluation.report(table(clips, rows, lengths)).breakdowns}
    assert [(g.value, g.n_clips, g.n_speakers) for g in found["age band"].groups] == [
        ("under 30 years", 48, 2),
        ("30 to 44 years", 24, 1),
        ("60 years or more", 24, 1),
    ]
    assert found["age band"].interval is None  # of the older ones there is one speaker each
    assert [(g.value, g.n_clips) for g in found["duration"].groups] == [
        ("less than 1.6 s", 33),
        ("1.6 to 2.5 s", 28),
        ("2.5 s or more", 32),
    ]
    assert found["duration"].n_unknown == 3
