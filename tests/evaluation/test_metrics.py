"""Metrics: equal to those of scikit-learn, and to their definitions."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import (
    accuracy_score,
    classification_report,
    confusion_matrix,
    log_loss,
    recall_score,
    top_k_accuracy_score,
)

from emotionrecog.datasets import EMOTIONS, Utterance
from emotionrecog.evaluation import (
    calibration_error,
)

# What two made-up corpora act.
from emotionrecog.evaluation.metrics import mean_recall, recall_weights, uar
from tests.evaluation.conftest import ACTED, closed_answers, measure, utterance


def test_recalls_equal_those_of_scikit_learn(
    clips: list[Utterance], script: dict[Path, Any]
) -> None:
    report = measure(script, clips)
    assert report.n_failed == 0
    assert {row.corpus for row in report.corpora} == set(ACTED)
    for row in report.corpora:
        own = [clip for clip in clips if clip.corpus == row.corpus]
        allowed = ACTED[row.corpus]
        acted = [clip.emotion for clip in own]
        closed = [max(allowed, key=lambda e: script[clip.path][EMOTIONS.index(e)]) for clip in own]
        free = [EMOTIONS[script[clip.path].argmax()] for clip in own]
        assert row.emotions == allowed
        assert row.n_clips == len(own)
        assert row.speakers == tuple(f"{row.corpus}/{i}" for i in range(4))
        assert row.wa == pytest.approx(accuracy_score(acted, closed))
        assert row.uar == pytest.approx(
            recall_score(acted, closed, labels=allowed, average="macro")
        )
        assert row.wa_open == pytest.approx(accuracy_score(acted, free))
        assert row.uar_open == pytest.approx(
            recall_score(acted, free, labels=allowed, average="macro")
        )
        np.testing.assert_array_equal(
            row.confusion, confusion_matrix(acted, closed, labels=list(allowed))
        )
        if row.corpus == "second":
            assert row.uar_open < row.uar - 0.02  # what it lacks is answered as well


def test_answers_are_chosen_among_emotions_of_the_corpus() -> None:
    """The best answer, calm, is none of the corpus; the next is right."""
    clips = [utterance("second", 0, "neutral"), utterance("second", 1, "angry")]
    answer = {
        clips[0].path: np.array([0.4, 0.5, 0, 0, 0.1, 0, 0, 0]),
        clips[1].path: np.array([0.2, 0, 0, 0, 0.8, 0, 0, 0]),
    }
    (row,) = measure(answer, clips).corpora
    assert (row.uar, row.wa, row.uar_open, row.wa_open) == (1.0, 1.0, 0.5, 0.5)
    assert row.confusion == ((1, 0), (0, 1))


def test_confidence_is_renormalised_among_emotions_of_the_corpus() -> None:
    clips = [utterance("second", 0, "neutral"), utterance("second", 1, "angry")]
    answer = {clip.path: np.array([0.3, 0.5, 0, 0, 0.1, 0, 0.1, 0]) for clip in clips}
    # Neutral, with 0.3 of 0.4, both times; right once.
    assert measure(answer, clips).calibration_error == pytest.approx(0.25)


@given(
    st.data(),
    hnp.arrays(float, st.integers(1, 60), elements=st.floats(0, 1)),
    st.integers(1, 30),
)
def test_calibration_error_follows_its_definition(
    data: st.DataObject, confidence: np.ndarray, n_bins: int
) -> None:
    hit = data.draw(hnp.arrays(bool, confidence.shape))
    bins = np.minimum(np.floor(confidence * n_bins), n_bins - 1)
    expected = sum(
        (bins == b).mean() * abs(hit[bins == b].mean() - confidence[bins == b].mean())
        for b in np.unique(bins)
    )
    error = calibration_error(confidence, hit, n_bins)
    assert error == pytest.approx(expected, abs=1e-12)
    assert 0 <= error <= 1
    order = data.draw(st.permutations(range(len(hit))))
    assert calibration_error(confidence[order], hit[order], n_bins) == pytest.approx(error)
    # One bin sees the overall gap alone, and more bins never see less.
    assert calibration_error(confidence, hit, 1) <= error + 1e-12


def test_calibration_error_of_certain_answers_is_their_error_rate() -> None:
    certain = np.ones(8)
    assert calibration_error(certain, np.ones(8, dtype=bool)) == 0
    assert calibration_error(certain, np.zeros(8, dtype=bool)) == 1
    assert calibration_error(certain, np.arange(8) < 6) == pytest.approx(0.25)


@pytest.mark.parametrize("corpus", ACTED)
def test_all_metrics_equal_those_of_scikit_learn(
    corpus: str, clips: list[Utterance], script: dict[Path, Any]
) -> None:
    row = next(row for row in measure(script, clips).corpora if row.corpus == corpus)
    acted, answered, shares = closed_answers(clips, script, corpus)
    theirs = classification_report(acted, answered, output_dict=True, zero_division=0)
    assert row.macro_f1 == pytest.approx(theirs["macro avg"]["f1-score"])
    assert row.uar == pytest.approx(theirs["macro avg"]["recall"])
    assert row.wa == pytest.approx(theirs["accuracy"])
    assert [figures.emotion for figures in row.per_emotion] == list(ACTED[corpus])
    for figures in row.per_emotion:
        expected = theirs[figures.emotion]
        assert figures.precision == pytest.approx(expected["precision"])
        assert figures.recall == pytest.approx(expected["recall"])
        assert figures.f1 == pytest.approx(expected["f1-score"])
        assert figures.n_clips == expected["support"]
    numbers = [ACTED[corpus].index(emotion) for emotion in acted]
    every = range(len(ACTED[corpus]))
    assert row.top2 == pytest.approx(top_k_accuracy_score(numbers, shares, k=2, labels=every))
    assert row.log_loss == pytest.approx(log_loss(numbers, shares, labels=every))
    distance = ((shares - np.eye(len(every))[numbers]) ** 2).sum(axis=1).mean()
    assert row.brier == pytest.approx(distance)
    theirs_shares = confusion_matrix(acted, answered, labels=list(ACTED[corpus]), normalize="true")
    np.testing.assert_allclose(row.confusion_shares, theirs_shares)
    is_right = np.equal(acted, answered)
    assert row.calibration_error == pytest.approx(calibration_error(shares.max(axis=1), is_right))


def test_overall_metrics_cover_all_clips(clips: list[Utterance], script: dict[Path, Any]) -> None:
    report = measure(script, clips)
    assert report.overall is not None
    parts = [closed_answers(clips, script, row.corpus)[:2] for row in report.corpora]
    acted, answered = ([e for part in parts for e in part[i]] for i in range(2))
    theirs = classification_report(acted, answered, output_dict=True, zero_division=0)
    assert report.overall.uar == pytest.approx(theirs["macro avg"]["recall"])
    assert report.overall.macro_f1 == pytest.approx(theirs["macro avg"]["f1-score"])
    assert report.overall.wa == pytest.approx(theirs["accuracy"])
    assert report.overall.calibration_error == pytest.approx(report.calibration_error)
    for name in ("log_loss", "brier", "top2"):
        mean = np.average(
            [getattr(row, name) for row in report.corpora],
            weights=[row.n_clips for row in report.corpora],
        )
        assert getattr(report.overall, name) == pytest.approx(mean)
    assert measure(script, [clip for clip in clips if clip.corpus == "first"]).overall is None


def test_emotion_never_answered_has_no_precision() -> None:
    """And of equal probabilities, the first counts as the answer, and as one of the first two."""
    clips = [utterance("first", i, emotion) for i, emotion in enumerate(("sad", "angry", "happy"))]
    same = np.full(8, 1 / 8)
    (row,) = measure({clip.path: same for clip in clips}, clips).corpora
    assert [(of.emotion, of.precision, of.recall, of.f1) for of in row.per_emotion] == [
        ("happy", pytest.approx(1 / 3), 1, pytest.approx(1 / 2)),
        ("sad", 0, 0, 0),
        ("angry", 0, 0, 0),
    ]
    assert row.top2 == pytest.approx(2 / 3)


def test_clip_without_probability_for_its_corpus_is_undecided() -> None:
    clips = [utterance("second", 0, "neutral"), utterance("second", 1, "angry")]
    other = np.eye(8)[1]  # calm, for sure
    (row,) = measure({clip.path: other for clip in clips}, clips).corpora
    assert (row.uar, row.uar_open, row.brier) == (0.5, 0, 0.5)
    assert row.log_loss == pytest.approx(np.log(2))


# The unweighted average recall --------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=50))
def test_uar_equals_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    acted, answered = np.array(pairs).T
    expected = recall_score(acted, answered, labels=np.unique(acted), average="macro")
    assert uar(acted, answered) == pytest.approx(expected)
    assert uar(acted.astype(str), answered.astype(str)) == uar(acted, answered)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=50))
def test_recall_weights_add_up_to_the_uar(pairs: list[tuple[int, int]]) -> None:
    acted, answered = np.array(pairs).T
    weights = recall_weights(acted)
    assert weights.sum() == pytest.approx(1)
    assert weights @ (acted == answered) == pytest.approx(uar(acted, answered))


def test_mean_recall_leaves_out_emotions_without_clips() -> None:
    n_correct, n_clips = np.array([[1, 0, 2], [0, 0, 0]]), np.array([[2, 0, 2], [0, 0, 0]])
    means = mean_recall(n_correct, n_clips)
    assert means[0] == 0.75
    assert np.isnan(means[1])
