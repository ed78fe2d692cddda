"""A recogniser compared with the people who listened to the same clips."""

from pathlib import Path

import numpy as np
import pytest

from emotionrecog import datasets, evaluation
from emotionrecog.datasets import EMOTIONS, Utterance
from emotionrecog.evaluation import (
    Predictions,
)

# What two made-up corpora act.
from tests.evaluation.conftest import table


def test_listeners_are_compared_with_the_recogniser() -> None:
    votes = {"happy": (0, 0, 3, 1, 0, 0, 0, 0), "sad": (2, 0, 0, 2, 0, 0, 0, 0)}
    clips = [
        Utterance(
            Path(f"{emotion}{i}.wav"),
            emotion,
            "mine",
            f"mine/{i}",
            votes=votes[emotion],
            intensity="low" if i else "high",
        )
        for emotion in votes
        for i in range(2)
    ]
    clips.append(Utterance(Path("unheard.wav"), "sad", "mine", "mine/0"))
    rows = np.array([[0.7, 0.3], [0.4, 0.6], [0.2, 0.8], [0.2, 0.8], [0.5, 0.5]])
    (compared,) = evaluation.report(table(clips, rows)).listeners
    assert compared.n_without_votes == 1
    whole = compared.overall
    assert (whole.n_clips, whole.n_votes) == (4, 16)
    assert whole.listener == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert whole.majority == pytest.approx((1 + 1 / 2) / 2)  # of sad, half of the two most chosen
    assert whole.recognizer == pytest.approx(3 / 4)
    # Pairs of listeners: 3 of 6 agree on happy, 2 of 6 on sad.
    assert whole.listener_with_listeners == pytest.approx((3 / 6 + 2 / 6) / 2)
    assert whole.recognizer_with_listeners == pytest.approx((3 / 4 + 1 / 4 + 2 / 4 + 2 / 4) / 4)
    by_emotion = {row.value: row for row in compared.by_emotion}
    assert by_emotion["happy"].recognizer == 0.5
    # Two listeners against two: happy, happy against happy, sad in either order.
    assert by_emotion["happy"].half_with_half == pytest.approx(0.5)
    assert [(row.value, row.n_clips) for row in compared.by_intensity] == [("low", 2), ("high", 2)]
    text = str(evaluation.report(table(clips, rows)))
    assert "mine: listeners beside the recogniser (1 clip without votes left out)" in text
    assert evaluation.report(table(clips[4:], rows[4:])).listeners == ()


@pytest.mark.corpora
def test_majority_of_listeners_agrees_more_than_single_listeners(corpora_root: Path) -> None:
    """Whoever answers what most listeners chose agrees with them more than they with another."""
    said = [u for u in datasets.CORPORA["crema_d"].utterances(corpora_root / "crema_d") if u.votes]
    votes = np.array([utterance.votes for utterance in said])
    found = Predictions(
        labels=EMOTIONS,
        utterances=tuple(said),
        probabilities=votes / votes.sum(axis=1, keepdims=True),
        durations=np.full(len(said), np.nan),
    )
    (compared,) = evaluation.report(found).listeners
    assert compared.overall.n_clips == len(said) > 7000
    assert compared.overall.listener == pytest.approx(0.4, abs=0.01)
    assert compared.overall.recognizer_with_listeners > compared.overall.listener_with_listeners
    assert compared.overall.recognizer == pytest.approx(compared.overall.majority, abs=0.02)
    by_intensity = [row.listener for row in compared.by_intensity]
    assert by_intensity == sorted(by_intensity)
