"""Evaluation and model cards: figures against scikit-learn's on scripted answers."""

import csv
import dataclasses
import json
import re
import shutil
import subprocess
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    classification_report,
    confusion_matrix,
    log_loss,
    recall_score,
    top_k_accuracy_score,
)

from emotionrecog import artifact, audio, cli, datasets, evaluation, plots, pretrained
from emotionrecog.artifact import Artifact
from emotionrecog.audio import Waveform
from emotionrecog.datasets import CORPORA, EMOTIONS, Utterance
from emotionrecog.errors import AudioError, DatasetError, EmotionRecogError, LeakageError
from emotionrecog.evaluation import (
    CorpusReport,
    Predictions,
    Report,
    calibration_error,
    evaluate,
    intervals,
)
from emotionrecog.features import Extractor, FeatureSpec
from emotionrecog.recognizer import EmotionRecognizer
from emotionrecog.training import card as cards
from tests.conftest import CLIP, Scripted

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


# Figures ----------------------------------------------------------------------------------------


def test_figures_are_those_of_scikit_learn(clips: list[Utterance], script: dict[Path, Any]) -> None:
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


def test_closed_figures_choose_among_what_is_acted() -> None:
    """The best answer, calm, is none of the corpus; the next is right."""
    clips = [utterance("second", 0, "neutral"), utterance("second", 1, "angry")]
    answer = {
        clips[0].path: np.array([0.4, 0.5, 0, 0, 0.1, 0, 0, 0]),
        clips[1].path: np.array([0.2, 0, 0, 0, 0.8, 0, 0, 0]),
    }
    (row,) = measure(answer, clips).corpora
    assert (row.uar, row.wa, row.uar_open, row.wa_open) == (1.0, 1.0, 0.5, 0.5)
    assert row.confusion == ((1, 0), (0, 1))


def test_calibration_is_of_confidence_among_what_is_acted() -> None:
    clips = [utterance("second", 0, "neutral"), utterance("second", 1, "angry")]
    answer = {clip.path: np.array([0.3, 0.5, 0, 0, 0.1, 0, 0.1, 0]) for clip in clips}
    # Neutral, with 0.3 of 0.4, both times; right once.
    assert measure(answer, clips).calibration_error == pytest.approx(0.25)


def test_song_is_reported_apart() -> None:
    clips = [utterance("first", 0, "happy"), utterance("first", 1, "sad", "song")]
    answer = {clip.path: np.full(8, 0.01) + 0.92 * np.eye(8)[2] for clip in clips}
    report = measure(answer, clips)
    assert [(row.corpus, row.wa_open) for row in report.corpora] == [
        ("first", 1.0),
        ("first song", 0.0),
    ]


def test_clips_that_fail_are_counted_and_left_out(
    clips: list[Utterance], script: dict[Path, Any], caplog: pytest.LogCaptureFixture
) -> None:
    failing = [clips[5].path, clips[17].path]
    broken = script | dict.fromkeys(failing, AudioError("silent"))
    report = measure(broken, clips)
    rest = [clip for clip in clips if clip.path not in failing]
    assert report == dataclasses.replace(measure(script, rest), n_failed=2)
    assert [f"left out {path}: silent" in caplog.text for path in failing] == [True, True]
    assert "could not be judged and are not counted: 2" in str(report)
    assert "could not be judged" not in str(measure(script, rest))


def test_nothing_to_judge_is_refused(clips: list[Utterance]) -> None:
    broken = {clip.path: FileNotFoundError(str(clip.path)) for clip in clips[:3]}
    with pytest.raises(DatasetError, match="none of the 3 clips"):
        measure(broken, clips[:3])


def test_speakers_of_training_are_refused(clips: list[Utterance], script: dict[Path, Any]) -> None:
    speakers = ["first/2", "other/9"]
    with pytest.raises(LeakageError, match=r"trained on 1 speakers of the test set.*first/2"):
        measure(script, clips, speakers=speakers)
    allowed = measure(script, clips, speakers=speakers, allow_leakage=True)
    told = "the recogniser was trained on 1 speakers of the test set, such as first/2"
    others = measure(script, clips, speakers=["other/9", "other/8"])
    assert others.audited.endswith(
        "with the 2 that the recogniser says it was trained on; "
        "recordings were not compared; nothing is in both"
    )
    assert allowed.audited.endswith("; what was found stands above")
    assert allowed == dataclasses.replace(others, leakage=told, audited=allowed.audited)


def test_recordings_of_training_are_refused(
    clips: list[Utterance], script: dict[Path, Any]
) -> None:
    """What the recogniser cannot tell, the utterances that it was trained on do."""
    heard = [
        dataclasses.replace(clip, speaker=f"{clip.corpus}/twin-of-{i}")
        for i, clip in enumerate(clips[:3])
    ]
    others = [utterance("third", i, "sad") for i in range(3)]
    assert measure(script, clips, train_set=others).leakage is None
    with pytest.raises(LeakageError, match=r"3 of \d+ test recordings are in training as well"):
        measure(script, clips, train_set=heard)
    with pytest.raises(LeakageError, match=r"share 1 speaker \(first/2\)"):
        measure(
            script,
            clips,
            train_set=[dataclasses.replace(others[0], corpus="first", speaker="first/2")],
        )
    report = measure(script, clips, train_set=heard, allow_leakage=True, speakers=["first/2"])
    assert report.leakage is not None
    assert "trained on 1 speakers of the test set, such as first/2; 3 of " in report.leakage


def test_unknown_speakers_of_training_are_refused(script: dict[Path, Any]) -> None:
    unknown = Utterance(next(iter(script)), "sad", corpus="mine", speaker="mine/unknown")
    with pytest.raises(LeakageError, match="mine/unknown"):
        measure(script, [unknown], speakers=["mine/unknown"])


def test_leak_heads_the_report(clips: list[Utterance], script: dict[Path, Any]) -> None:
    """So does one that training was told of, and went on."""
    allowed = measure(script, clips, speakers=["first/2"], allow_leakage=True)
    first, rest = str(allowed).split("\n", 1)
    assert first.startswith("LEAKY, these are no figures on new voices: the recogniser was trained")
    assert rest.partition("corpus ")[2] == str(measure(script, clips)).partition("corpus ")[2]
    assert next(iter(allowed.to_dict().items())) == ("leakage", allowed.leakage)
    assert measure(script, clips, allow_leakage=True).leakage is None

    recognizer = Scripted(script.__getitem__)
    recognizer.artifact.training["leakage"] = "3 of 9 test recordings are in training as well"
    report = evaluate(cast(EmotionRecognizer, recognizer), clips)
    assert report.leakage == (
        "the recogniser was trained although its test set was known to leak: "
        "3 of 9 test recordings are in training as well"
    )


def test_emotion_that_is_never_answered_is_refused(
    clips: list[Utterance], script: dict[Path, Any]
) -> None:
    recognizer = Scripted(script.__getitem__)
    recognizer.labels = tuple(e for e in EMOTIONS if e != "calm")
    with pytest.raises(DatasetError, match=r"must act emotions among neutral, happy.*found calm"):
        evaluate(cast(EmotionRecognizer, recognizer), clips)


def test_report_is_a_table_and_json(clips: list[Utterance], script: dict[Path, Any]) -> None:
    report = measure(script, clips)
    lines = str(report).splitlines()
    assert lines[:2] == [f"scripted: {len(clips)} clips of 8 speakers", report.audited]
    assert lines[2].split()[:3] == ["corpus", "clips", "UAR"]
    assert report.overall is not None
    for line, row in zip(lines[3:6], [*report.corpora, report.overall], strict=True):
        low, high = row.intervals["uar"]
        names = ("wa", "macro_f1", "top2", "log_loss", "brier", "calibration_error", "uar_open")
        scales = (100, 100, 100, 1, 1, 100, 100)
        formats = (".1f", ".1f", ".1f", ".2f", ".2f", ".1f", ".1f")
        assert line.split() == [
            *(row.corpus, str(row.n_clips), f"{100 * row.uar:.1f}"),
            *(f"{100 * low:.1f}", "–", f"{100 * high:.1f}"),
            *(
                format(scale * getattr(row, name), form)
                for name, scale, form in zip(names, scales, formats, strict=True)
            ),
        ]
    assert lines[6] == f"expected calibration error {100 * report.calibration_error:.1f}"
    values = json.loads(json.dumps(report.to_dict()))
    assert values["corpora"][0]["confusion"] == [list(r) for r in report.corpora[0].confusion]


@given(
    st.data(),
    hnp.arrays(float, st.integers(1, 60), elements=st.floats(0, 1)),
    st.integers(1, 30),
)
def test_calibration_error_is_that_of_its_definition(
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


def test_certain_answers_are_as_wrong_as_they_are() -> None:
    certain = np.ones(8)
    assert calibration_error(certain, np.ones(8, dtype=bool)) == 0
    assert calibration_error(certain, np.zeros(8, dtype=bool)) == 1
    assert calibration_error(certain, np.arange(8) < 6) == pytest.approx(0.25)


# Figures of each emotion and of probabilities ---------------------------------------------------


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


@pytest.mark.parametrize("corpus", ACTED)
def test_report_is_scikit_learns(
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


def test_overall_figures_are_those_of_all_clips(
    clips: list[Utterance], script: dict[Path, Any]
) -> None:
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


def test_no_probability_for_what_a_corpus_acts_is_no_answer() -> None:
    clips = [utterance("second", 0, "neutral"), utterance("second", 1, "angry")]
    other = np.eye(8)[1]  # calm, for sure
    (row,) = measure({clip.path: other for clip in clips}, clips).corpora
    assert (row.uar, row.uar_open, row.brier) == (0.5, 0, 0.5)
    assert row.log_loss == pytest.approx(np.log(2))


# Intervals --------------------------------------------------------------------------------------


def test_intervals_are_of_speakers_drawn_anew(
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


def test_intervals_hold_what_they_should() -> None:
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


def test_intervals_are_seeded(clips: list[Utterance], script: dict[Path, Any]) -> None:
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
    note = "first: a single speaker, of whom no interval can be made, nor one of all corpora"
    assert any(text.startswith(note) for text in report.notes)
    assert note in str(report)
    assert "second: fewer than 5 speakers" in str(report)


# Groups -----------------------------------------------------------------------------------------


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


def test_a_gap_is_named_where_it_is_one() -> None:
    clips, rows = grouped(
        160,
        {"female": 0.9, "male": 0.5},
        speaker=lambda sex, i: f"mine/{sex}{i % 8}",
        sex=lambda sex, i: sex,
        intensity=lambda sex, i: ("normal", "strong")[i // 8 % 2],
    )
    report = evaluation.report(table(clips, rows))
    found = {row.factor: row for row in report.breakdowns}
    assert list(found) == ["speaker", "sex", "intensity"]
    sex = found["sex"]
    assert (sex.lowest, sex.highest) == ("male", "female")
    assert sex.gap == pytest.approx(0.4)
    assert sex.interval is not None
    assert sex.interval[0] <= 0.4 <= sex.interval[1]
    assert report.gaps == (sex,)
    assert "mine, sex: UAR of male voices 50.0 %, of female voices 90.0 %: 40.0 points" in str(
        report
    )
    assert found["intensity"].gap == pytest.approx(0)
    assert "so it may be chance" in str(found["intensity"])
    assert found["speaker"].interval is None
    assert len(found["speaker"].groups) == 16


def test_groups_are_compared_on_what_all_of_them_act() -> None:
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


def test_small_groups_are_listed_and_not_compared() -> None:
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


def test_durations_and_ages_are_put_in_bands() -> None:
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


# Listeners --------------------------------------------------------------------------------------


def test_listeners_stand_beside_the_recogniser() -> None:
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
    assert whole.recogniser_with_listeners == pytest.approx((3 / 4 + 1 / 4 + 2 / 4 + 2 / 4) / 4)
    by_emotion = {row.value: row for row in compared.by_emotion}
    assert by_emotion["happy"].recognizer == 0.5
    # Two listeners against two: happy, happy against happy, sad in either order.
    assert by_emotion["happy"].half_with_half == pytest.approx(0.5)
    assert [(row.value, row.n_clips) for row in compared.by_intensity] == [("low", 2), ("high", 2)]
    text = str(evaluation.report(table(clips, rows)))
    assert "mine: listeners beside the recogniser (1 clips without votes left out)" in text
    assert evaluation.report(table(clips[4:], rows[4:])).listeners == ()


# Anybody's recogniser ---------------------------------------------------------------------------


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


def test_any_function_is_measured(recordings: list[Utterance]) -> None:
    seen = []

    def judge(clips: list[Waveform]) -> Any:
        seen.append([clip.sampling_rate for clip in clips])
        return by_pitch(clips).tolist()

    report = evaluate(judge, recordings, labels=("happy", "sad"))
    assert report.corpora[0].uar == 1.0
    assert [len(rates) for rates in seen] == [16, 4]
    assert {rate for rates in seen for rate in rates} == {16_000, 8_000}
    assert report.name == "judge"
    assert "nothing is known of its training" in report.audited
    assert report.predictions is not None
    lengths = [(4 + i % 3) / 8 for i in range(20)]
    np.testing.assert_allclose(report.predictions.durations, lengths)


def test_a_network_is_fed_features(recordings: list[Utterance]) -> None:
    """Of clips of one length together; with functionals, one row of features for each."""
    spec = FeatureSpec(features=("zero_crossing_rate", "rms"), n_frames=None)
    shapes = []

    def network(frames: np.ndarray) -> np.ndarray:
        assert frames.dtype == np.float32
        shapes.append(frames.shape)
        rate = frames[:, 2:-2, 0].mean(axis=1)
        return np.column_stack([rate > 0.05, rate <= 0.05])

    report = evaluate(network, recordings, labels=("happy", "sad"), features=spec)
    assert report.corpora[0].uar == 1.0
    assert {shape[2] for shape in shapes} == {2}
    assert len({shape[1] for shape in shapes}) == 3
    assert sum(shape[0] for shape in shapes) == 20
    shapes.clear()
    summed = dataclasses.replace(spec, functionals=("mean",))
    evaluate(lambda x: shapes.append(x.shape) or np.full((len(x), 2), 0.5), recordings,
             labels=("happy", "sad"), features=summed)  # fmt: skip
    assert shapes == [(16, 2), (4, 2)]


@pytest.mark.tensorflow
def test_a_keras_network_is_measured(recordings: list[Utterance]) -> None:
    import keras

    spec = FeatureSpec(n_frames=20)
    network = keras.Sequential(
        [
            keras.Input((20, len(spec.feature_names))),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(2, activation="softmax"),
        ],
        name="mine",
    )
    report = evaluate(network, recordings, labels=("happy", "sad"), features=spec, n_jobs=1)
    extract = Extractor(spec)
    first = extract(audio.load(recordings[0].path, sampling_rate=spec.sampling_rate).samples)
    assert report.predictions is not None
    np.testing.assert_allclose(
        report.predictions.probabilities[0], np.asarray(network(first[np.newaxis]))[0], rtol=1e-5
    )
    assert report.name == "mine"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda n: np.full((n, 3), 1 / 3), r"shape \(16, 2\).*got shape \(16, 3\)"),
        (lambda n: np.full((n + 1, 2), 1 / 2), r"got shape \(17, 2\)"),
        (lambda n: np.full(n, 1 / 2), r"got shape \(16,\)"),
        (lambda n: None, "expected probabilities of shape"),
        (lambda n: [[0.5, 0.5]] * (n - 1) + [[1.0]], "of which NumPy makes no array"),
        (lambda n: "happy", "of which NumPy makes no array"),
        (lambda n: np.full((n, 2), np.nan), r"must be finite, got nan, nan for '.*0.wav'"),
        (lambda n: np.array([[np.inf, 0]] * n), "must be finite"),
        (lambda n: np.array([[1.5, -0.5]] * n), r"must be 0 or more, got 1.5, -0.5 .*a softmax"),
        (lambda n: np.array([[3.0, 1.0]] * n), "must be 1 in sum, got 3, 1 .*16 such clips"),
    ],
)
def test_what_are_no_probabilities_is_refused(
    answer: Any, message: str, recordings: list[Utterance]
) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(lambda clips: answer(len(clips)), recordings, labels=("happy", "sad"))


def test_wrong_calls_are_refused(recordings: list[Utterance]) -> None:
    with pytest.raises(DatasetError, match="the test set is empty"):
        evaluate(by_pitch, [], labels=("happy", "sad"))
    with pytest.raises(ValueError, match="a function needs `labels`"):
        evaluate(by_pitch, recordings)
    with pytest.raises(ValueError, match="two or more different names"):
        evaluate(by_pitch, recordings, labels=("sad", "sad"))
    with pytest.raises(ValueError, match="must be an EmotionRecognizer or a function"):
        evaluate(cast(Any, "english-8"), recordings, labels=("happy", "sad"))
    with pytest.raises(ValueError, match="a recogniser has its own"):
        evaluate(cast(Any, Scripted({}.__getitem__)), recordings, labels=("happy", "sad"))
    with pytest.raises(DatasetError, match="must act emotions among happy, angry; found sad"):
        evaluate(by_pitch, recordings, labels=("happy", "angry"))


def test_recordings_that_a_function_cannot_be_given_are_counted(
    recordings: list[Utterance],
) -> None:
    recordings[3].path.write_bytes(b"no sound")
    recordings[7].path.unlink()
    report = evaluate(by_pitch, recordings, labels=("happy", "sad"))
    assert report.n_failed == 2
    assert report.predictions is not None
    assert list(report.predictions.failed) == [recordings[3].path, recordings[7].path]
    assert report.corpora[0].n_clips == 18


def test_report_says_what_is_not_tested(recordings: list[Utterance]) -> None:
    def judge(clips: list[Waveform]) -> np.ndarray:
        return np.column_stack([by_pitch(clips), np.zeros(len(clips))])

    report = evaluate(judge, recordings, labels=("happy", "sad", "angry"))
    assert "no clip acts angry: nothing is said of how these are recognised" in report.notes
    sad = [clip for clip in recordings if clip.emotion == "sad"]
    report = evaluate(judge, sad, labels=("happy", "sad", "angry"))
    assert report.corpora[0].uar == 1.0
    assert any("one emotion alone, so that every answer" in note for note in report.notes)


def test_report_names_its_protocol(clips: list[Utterance], script: dict[Path, Any]) -> None:
    report = measure(script, clips, protocol="savee/emobox4/2", name="mine")
    assert str(report).startswith("mine on savee/emobox4/2: ")
    (note, *_) = report.notes
    assert note.startswith("protocol savee/emobox4/2: each man in turn; no speaker is in both")
    random = measure(script, clips, protocol="random/1").notes[0]
    assert "SPEAKERS ARE IN TRAINING AND TEST" in random
    assert not any(n.startswith("protocol") for n in measure(script, clips, protocol="mine").notes)


# Tables, JSON and the page ----------------------------------------------------------------------


def predictions_of(clips: list[Utterance], script: dict[Path, Any]) -> Predictions:
    return Predictions(
        labels=EMOTIONS,
        utterances=tuple(clips),
        probabilities=np.array([script[clip.path] for clip in clips]),
        durations=np.linspace(0.5, 4, len(clips)),
    )


def test_predictions_are_kept_as_a_table(
    clips: list[Utterance], script: dict[Path, Any], tmp_path: Path
) -> None:
    rooted = [dataclasses.replace(clip, path=tmp_path / "wav" / clip.path) for clip in clips]
    script = {tmp_path / "wav" / path: row for path, row in script.items()}
    predictions = predictions_of(rooted, script)
    file = tmp_path / "kept" / "predictions.csv"
    predictions.write_csv(file, root=tmp_path)
    with file.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert rows[0]["path"] == f"wav/{clips[0].path}"
    assert rows[0]["acted"] == clips[0].emotion
    row = next(r for r in measure(script, rooted).corpora if r.corpus == "second")
    right = [r["acted"] == r["answered"] for r in rows if r["corpus"] == "second"]
    assert np.mean(right) == pytest.approx(row.wa)

    again = Predictions.read_csv(file, reversed(rooted), root=tmp_path)
    assert again.utterances == predictions.utterances
    np.testing.assert_allclose(again.probabilities, predictions.probabilities, rtol=1e-8)
    first, second = evaluation.report(predictions), evaluation.report(again)
    assert second.corpora[0].confusion == first.corpora[0].confusion

    told = Predictions.read_csv(file, root=tmp_path)
    assert [u.path for u in told.utterances] == [u.path for u in predictions.utterances]
    assert evaluation.report(told).corpora[0].confusion == first.corpora[0].confusion

    with pytest.raises(DatasetError, match="found another: 'wav/"):
        Predictions.read_csv(file, rooted[1:], root=tmp_path)
    file.write_text("path,sad\n")
    with pytest.raises(DatasetError, match="must be a table"):
        Predictions.read_csv(file, rooted)
    file.write_text("path,happy,sad\nwav/a.wav,much,little\n")
    clip = Utterance(Path("wav/a.wav"), "sad", "mine", "mine/x")
    with pytest.raises(DatasetError, match="must hold numbers"):
        Predictions.read_csv(file, [clip])
    with pytest.raises(DatasetError, match="found no 'acted'; give the utterances"):
        Predictions.read_csv(file)
    file.write_text("path,happy,sad\n" + 2 * "wav/a.wav,0.5,0.5\n")
    with pytest.raises(DatasetError, match="found one twice"):
        Predictions.read_csv(file, [clip])


def test_confidence_fitted_to_those_tested_is_told() -> None:
    bundled = EmotionRecognizer().artifact
    said = [Utterance(CLIP, "angry", "mine", "mine/robot")]
    for speakers, told in ((["mine/robot"], True), (["mine/other"], False)):
        artifact_of = dataclasses.replace(bundled, calibration={"speakers": speakers})
        notes = evaluation.evaluate(EmotionRecognizer(artifact_of), said).notes
        assert any("confidence was fitted to what was answered to 1" in n for n in notes) == told


def test_json_holds_everything(clips: list[Utterance], script: dict[Path, Any]) -> None:
    voted = [dataclasses.replace(clips[0], votes=(0, 0, 1, 0, 0, 0, 0, 0)), *clips[1:]]
    report = evaluation.report(predictions_of(voted, script), name="mine")
    text = json.dumps(report.to_dict(), allow_nan=False)
    values = json.loads(text)
    assert report.overall is not None
    assert values["overall"]["uar"] == report.overall.uar
    assert len(values["breakdowns"]) == len(report.breakdowns) > 0
    assert values["corpora"][0]["per_emotion"][0]["recall"] == pytest.approx(
        report.corpora[0].per_emotion[0].recall
    )
    assert values["corpora"][0]["intervals"]["uar"] == list(report.corpora[0].intervals["uar"])
    # A single vote agrees with no other.
    assert values["listeners"][0]["overall"]["listener_with_listeners"] is None


def test_worst_mistakes_come_first(clips: list[Utterance], script: dict[Path, Any]) -> None:
    predictions = predictions_of(clips, script)
    mistakes = evaluation.report(predictions).mistakes(5)
    shares = [mistake.probabilities[mistake.utterance.emotion] for mistake in mistakes]
    assert shares == sorted(shares)
    closed, acted = predictions.among_acted(), predictions.acted
    wrong = closed.argmax(axis=1) != acted
    assert shares[0] == pytest.approx(closed[wrong, acted[wrong]].min())
    for mistake in mistakes:
        assert mistake.answered == max(mistake.probabilities, key=mistake.probabilities.__getitem__)
        assert mistake.answered != mistake.utterance.emotion


def a_page(recordings: list[Utterance]) -> str:
    def judge(clips: list[Waveform]) -> np.ndarray:
        return by_pitch(clips) * 0.5 + [0.5, 0.0]  # half as sure, and too often happy

    votes = (0, 0, 3, 4, 0, 0, 0, 0)
    voted = [dataclasses.replace(clip, votes=votes) for clip in recordings]
    labels, name = ("happy", "sad"), "<b>mine</b>"
    return evaluate(judge, voted, labels=labels, name=name, protocol="loso/x").to_html()


def test_page_is_one_file_and_tells_everything(recordings: list[Utterance]) -> None:
    strange = recordings[0].path.with_name("a & <i>.wav")
    recordings[0].path.rename(strange)
    recordings[0] = dataclasses.replace(recordings[0], path=strange)
    page = a_page(recordings)
    assert "&lt;b&gt;mine&lt;/b&gt; on loso/x</h1>" in page
    assert "<b>mine" not in page
    assert "a &amp; &lt;i&gt;.wav" in page
    head = page.partition("<main>")[0]
    assert "each speaker in turn" in head
    assert "nothing is known of its training" in head
    assert "Leaky" not in page
    for heading in ("Figures", "Emotions", "Confidence", "Beside listeners", "worst mistakes"):
        assert heading in page
    # Nothing is fetched, and nothing runs.
    assert re.findall(r'(?:src|href)="(?!data:image/|#)[^"]*"', page) == []
    assert "<script" not in page
    assert "@import" not in page
    assert page.count("data:image/png;base64,") == 10  # spectrograms of all mistakes
    assert len(re.findall(r'<img alt="[^"]+"', page)) == page.count("<img")
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []


class Balanced(HTMLParser):
    """Complains of tags that are not closed in the order in which they were opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_of_recordings_that_are_gone(recordings: list[Utterance], tmp_path: Path) -> None:
    found = evaluate(
        lambda clips: by_pitch(clips)[:, ::-1], recordings, labels=("happy", "sad"), protocol=None
    )
    for clip in recordings:
        clip.path.unlink()
    found = dataclasses.replace(found, leakage="heard <all>")
    found.write_html(tmp_path / "page.html", title="mine")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<h1>mine</h1>" in page
    assert page.index('role="alert"><strong>Leaky') < page.index("heard &lt;all&gt;")
    assert page.index("heard &lt;all&gt;") < page.index("<h1>")
    assert page.count("no picture: ") == 12
    with pytest.raises(ValueError, match="needs the report's `predictions`"):
        dataclasses.replace(found, predictions=None).to_html()


def test_text_needs_neither_pandas_nor_matplotlib(
    clips: list[Utterance], script: dict[Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pandas", "matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    found = measure(script, clips)
    assert "corpus" in str(found)
    assert found.to_dict()["corpora"]
    with pytest.raises(EmotionRecogError, match=r"emotionrecog\[plots\]"):
        found.to_html()


def test_page_opens_in_a_browser(recordings: list[Utterance], tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("neither chromium nor google-chrome is installed")
    page = tmp_path / "page.html"
    # The browser says in the title what it made of every picture.
    probe = (
        "<script>window.onload = () => { document.title = [...document.images].map(image => "
        "image.complete && image.naturalWidth > 50 && image.clientWidth > 50).join() + ' ' + "
        "(document.documentElement.scrollWidth <= window.innerWidth) }</script></body>"
    )
    content = a_page(recordings)
    page.write_text(content.replace("</body>", probe), encoding="utf-8")
    done = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--window-size=500,900", "--dump-dom"),
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    title = re.search("<title>(.*)</title>", done.stdout)
    assert title is not None, done.stderr
    pictures, fits = title[1].split(" ")
    assert set(pictures.split(",")) == {"true"}
    assert len(pictures.split(",")) == content.count("<img")
    assert fits == "true"


def test_command_writes_all_of_them(
    recordings: list[Utterance],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    speakers = ("DC", "JE", "JK", "KL")
    said = [
        dataclasses.replace(clip, corpus="savee", speaker=f"savee/{speakers[i % 4]}")
        for i, clip in enumerate(recordings)
    ]
    monkeypatch.setattr(datasets, "read", lambda _: said)
    arguments = ["--protocol", "savee/emobox4", "--fold", "2", "--allow-leakage"]
    command = ["evaluate", "english-8", "--corpora", str(tmp_path), *arguments]
    files = [tmp_path / name for name in ("figures.json", "page.html", "answers.csv")]
    options = ["--json", str(files[0]), "--html", str(files[1]), "--predictions", str(files[2])]
    assert cli.main([*command, *options]) == 0
    text = capsys.readouterr().out
    assert text.startswith("LEAKY")
    assert "english-8 on savee/emobox4/2: 5 clips of 1 speakers" in text
    assert "5 recordings tested were compared by names and bytes with 20 of training" in text
    figures = json.loads(files[0].read_text(encoding="utf-8"))
    assert figures["protocol"] == "savee/emobox4/2"
    assert "Leaky" in files[1].read_text(encoding="utf-8")
    answers = files[2].read_text(encoding="utf-8").splitlines()
    assert [line.partition(",")[0] for line in answers] == [
        "path",
        *(clip.path.name for clip in said if clip.speaker == "savee/KL"),
    ]
    assert cli.main([*command, "--json", str(tmp_path / "none" / "figures.json")]) == 2
    assert "no such folder to write to" in capsys.readouterr().err


@pytest.mark.corpora
def test_listeners_of_crema_d(corpora_root: Path) -> None:
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
    assert compared.overall.recogniser_with_listeners > compared.overall.listener_with_listeners
    assert compared.overall.recognizer == pytest.approx(compared.overall.majority, abs=0.02)
    by_intensity = [row.listener for row in compared.by_intensity]
    assert by_intensity == sorted(by_intensity)


# Pictures ---------------------------------------------------------------------------------------


def test_confusions_are_written_in_their_squares() -> None:
    figure = plots.confusion([[2, 0], [3, 1]], ["happy", "sad"], title="mine")
    (panel,) = figure.axes
    written = {text.get_position(): text.get_text() for text in panel.texts}
    assert written == {(0, 0): "100\n2", (0, 1): "75\n3", (1, 1): "25\n1"}
    np.testing.assert_allclose(panel.images[0].get_array(), [[1, 0], [0.75, 0.25]])
    with pytest.raises(ValueError, match=r"each of 2 emotions, got shape \(1, 2\)"):
        plots.confusion([[2, 0]], ["happy", "sad"])


def test_ranges_are_points_with_lines() -> None:
    figure = plots.ranges(
        {"sex": [("female", 0.7, (0.6, 0.8)), ("$a$", 0.5, None)], "x": [("y", 1, None)]}
    )
    first, second = figure.axes
    assert list(first.lines[0].get_xdata()) == [60, 80]
    assert [float(line.get_xdata()[0]) for line in first.lines[1:]] == [70, 50]
    assert second.get_xlabel() == "UAR in %"
    for nothing in ({}, {"sex": []}):
        with pytest.raises(ValueError, match="something to draw"):
            plots.ranges(nothing)


def test_reliability_is_the_share_of_right_answers() -> None:
    sure = np.repeat([0.95, 0.55], [20, 5])
    figure = plots.reliability(sure, np.arange(25) % 4 > 0, n_bins=10)
    panel, below = figure.axes
    assert [bar.get_height() for bar in panel.patches] == [60, 75]
    assert [bar.get_height() for bar in below.patches] == [5, 20]
    assert len({bar.get_facecolor() for bar in panel.patches}) == 2  # of five answers it is pale
    for wrong in ([], [True]):
        with pytest.raises(ValueError, match="a confidence for each answer"):
            plots.reliability([0.5] * 2 * len(wrong), wrong)


# Model cards ------------------------------------------------------------------------------------


def report(uar: float, corpora: tuple[str, ...] = ("ravdess", "tess")) -> Report:
    rows = [
        CorpusReport(
            corpus=name,
            speakers=(f"{name}/x",),
            n_clips=10 * (i + 1),
            emotions=("sad", "happy"),
            uar=uar + i / 10,
            wa=uar + 0.01,
            uar_open=uar - 0.02,
            wa_open=uar - 0.03,
            confusion=((1, 2), (3, 4)),
        )
        for i, name in enumerate(corpora)
    ]
    return Report(corpora=tuple(rows), calibration_error=uar / 10, n_failed=0)


def trained_on(speakers: list[str], initial_weights: str | None = None) -> Artifact:
    """Return an artefact that says it was trained on all corpora of the library."""
    rows = [
        {
            "corpus": corpus.name,
            "style": style,
            "licence": corpus.licence,
            "n_clips": 1000 + i,
            "n_speakers": 20 + i,
        }
        for i, corpus in enumerate(CORPORA.values())
        for style in corpus.n_utterances
    ]
    rows.append(
        {"corpus": "mine", "style": "speech", "licence": "my own", "n_clips": 7, "n_speakers": 3}
    )
    bundled = artifact.read(pretrained.fetch(pretrained.DEFAULT))
    return dataclasses.replace(
        bundled,
        name="card-test",
        minimum_duration=0.4,
        window_frames=256,
        training={
            "corpora": rows,
            "speakers": speakers,
            "recipe": {"epochs": 17, "seed": 5},
            "initial_weights": initial_weights,
        },
    )


def test_figures_hold_every_run() -> None:
    metrics = cards.summarize("joint-test", [report(0.6), report(0.7)])
    assert metrics["protocol"] == "joint-test"
    first, second = metrics["corpora"]
    assert (first["corpus"], first["n_clips"], second["corpus"]) == ("ravdess", 10, "tess")
    assert first["uar"] == [0.6, 0.7]
    assert second["uar"] == pytest.approx([0.7, 0.8])
    assert first["uar_open"] == pytest.approx([0.58, 0.68])
    assert metrics["calibration_error"] == pytest.approx([0.06, 0.07])
    assert json.loads(json.dumps(metrics)) == metrics


def test_merging_runs_is_as_measuring_them_together() -> None:
    alone = [cards.summarize("joint-test", [report(uar)]) for uar in (0.6, 0.7, 0.5)]
    together = cards.summarize("joint-test", [report(uar) for uar in (0.6, 0.7, 0.5)])
    assert cards.merge(alone) == together
    assert cards.merge([]) == {}


def test_figures_of_different_things_are_not_merged() -> None:
    one = cards.summarize("joint-test", [report(0.6)])
    for other, found in (
        (cards.summarize("joint-validation", [report(0.6)]), "'joint-test', 'joint-validation'"),
        (cards.summarize("joint-test", [report(0.6, ("tess", "ravdess"))]), "'tess'"),
        ({}, "None"),
    ):
        with pytest.raises(ValueError, match=f"`runs` must be of one protocol.*{found}"):
            cards.merge([one, other])
    with pytest.raises(ValueError, match="got empty ones"):
        cards.merge([{}])
    with pytest.raises(ValueError, match="`reports` must be of"):
        cards.summarize("joint-test", [report(0.6), report(0.6, ("savee", "tess"))])


def test_card_tells_data_and_licences() -> None:
    card = cards.with_metrics(trained_on(["tess/YAF"]), {}).card
    assert card.startswith("# Model card: card-test\n")
    assert "for 17 epochs with seed 5" in card
    for i, corpus in enumerate(CORPORA.values()):
        for style in corpus.n_utterances:
            name = corpus.title + ("" if style == "speech" else f" ({style})")
            assert f"| {name} | {1000 + i} | {20 + i} | {corpus.licence} |" in card
        assert card.count(corpus.citation) == 1
    assert "| mine | 7 | 3 | my own |" in card
    assert "EfficientAT" not in card
    pretrained_card = cards.with_metrics(trained_on([], "mn04.npz"), {}).card
    assert "EfficientAT `mn04`" in pretrained_card


def test_card_tells_limits_and_what_it_is_not_for() -> None:
    card = " ".join(cards.with_metrics(trained_on(["tess/YAF"]), {}).card.split())
    assert "None were measured" in card
    assert "less than 0.4 s is refused" in card
    assert "more than 2.5 s are judged in windows" in card  # 255 steps of 10 ms
    limits, out_of_scope = card.split("## Limits")[1].split("## Out of scope")
    assert "Acted English" in limits
    for use in ("hiring", "policing", "medical", "lies", "2024/1689"):
        assert use in out_of_scope


def test_card_tells_mean_and_runs_and_what_they_are_of() -> None:
    metrics = cards.summarize("joint-test", [report(0.6), report(0.7)])
    given_artifact = trained_on(["tess/YAF", "ravdess/01"])
    described = cards.with_metrics(given_artifact, metrics)
    assert described.metrics == metrics
    assert given_artifact.metrics != metrics
    row = "| ravdess | 10 | 65.0 (60.0, 70.0) | 66.0 (61.0, 71.0) | 63.0 (58.0, 68.0) |"
    assert row in described.card
    assert "error before calibration: 6.5 (6.0, 7.0) %" in described.card
    assert "the network described here has heard them" in described.card
    unheard = cards.with_metrics(trained_on(["ravdess/01"]), metrics).card
    assert "Of this network, which has not heard the test speakers of `joint-test`" in unheard
