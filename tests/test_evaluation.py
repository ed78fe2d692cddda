"""Evaluation and model cards: figures against scikit-learn's on scripted answers."""

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import accuracy_score, confusion_matrix, recall_score

from emotionrecog import artifact, modelcard, pretrained
from emotionrecog.artifact import Artifact
from emotionrecog.datasets import CORPORA, EMOTIONS, Utterance
from emotionrecog.errors import AudioError, DatasetError, LeakageError
from emotionrecog.evaluation import CorpusReport, Report, calibration_error, evaluate
from emotionrecog.recognizer import EmotionRecognizer, Prediction

# What two made-up corpora act.
ACTED = {"first": EMOTIONS, "second": ("neutral", "happy", "angry", "disgust")}


class Scripted:
    """Stands in for a recogniser: answers what was written down for each path."""

    labels = EMOTIONS

    def __init__(self, script: dict[Path, Any], speakers: Iterable[str] = ()) -> None:
        self.script = script
        self.artifact = SimpleNamespace(training={"speakers": list(speakers)})

    def predict_batch(
        self, sources: Iterable[Path], *, n_jobs: int, on_error: str
    ) -> Iterator[Prediction | Exception]:
        assert on_error == "keep"
        for path in sources:
            answer = self.script[path]
            if isinstance(answer, Exception):
                yield answer
                continue
            best = int(answer.argmax())
            yield Prediction(
                emotion=EMOTIONS[best],
                confidence=float(answer[best]),
                probabilities=dict(zip(EMOTIONS, answer.tolist(), strict=True)),
            )


def measure(script: dict[Path, Any], clips: list[Utterance], **options: Any) -> Report:
    speakers = options.pop("speakers", ())
    recognizer = cast(EmotionRecognizer, Scripted(script, speakers))
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
    assert "2 clips could not be judged" in str(report)
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
    assert allowed == dataclasses.replace(
        measure(script, clips, speakers=["other/9"]), leakage=told
    )


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
    assert rest == str(measure(script, clips))
    assert next(iter(allowed.to_dict().items())) == ("leakage", allowed.leakage)
    assert measure(script, clips, allow_leakage=True).leakage is None

    recognizer = Scripted(script)
    recognizer.artifact.training["leakage"] = "3 of 9 test recordings are in training as well"
    report = evaluate(cast(EmotionRecognizer, recognizer), clips)
    assert report.leakage == (
        "the recogniser was trained although its test set was known to leak: "
        "3 of 9 test recordings are in training as well"
    )


def test_emotion_that_is_never_answered_is_refused(
    clips: list[Utterance], script: dict[Path, Any]
) -> None:
    recognizer = Scripted(script)
    recognizer.labels = tuple(e for e in EMOTIONS if e != "calm")
    with pytest.raises(DatasetError, match=r"must act emotions among neutral, happy.*found calm"):
        evaluate(cast(EmotionRecognizer, recognizer), clips)


def test_report_is_a_table_and_json(clips: list[Utterance], script: dict[Path, Any]) -> None:
    report = measure(script, clips)
    lines = str(report).splitlines()
    assert lines[0].split()[:4] == ["corpus", "clips", "UAR", "WA"]
    for line, row in zip(lines[1:3], report.corpora, strict=True):
        figures = [f"{100 * value:.1f}" for value in (row.uar, row.wa, row.uar_open)]
        assert line.split() == [row.corpus, str(row.n_clips), *figures]
    assert lines[3] == f"expected calibration error {100 * report.calibration_error:.1f}"
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
    bundled = artifact.read(pretrained.folder(pretrained.DEFAULT))
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
    metrics = modelcard.figures("joint-test", [report(0.6), report(0.7)])
    assert metrics["protocol"] == "joint-test"
    first, second = metrics["corpora"]
    assert (first["corpus"], first["n_clips"], second["corpus"]) == ("ravdess", 10, "tess")
    assert first["uar"] == [0.6, 0.7]
    assert second["uar"] == pytest.approx([0.7, 0.8])
    assert first["uar_open"] == pytest.approx([0.58, 0.68])
    assert metrics["calibration_error"] == pytest.approx([0.06, 0.07])
    assert json.loads(json.dumps(metrics)) == metrics


def test_merging_runs_is_as_measuring_them_together() -> None:
    alone = [modelcard.figures("joint-test", [report(uar)]) for uar in (0.6, 0.7, 0.5)]
    together = modelcard.figures("joint-test", [report(uar) for uar in (0.6, 0.7, 0.5)])
    assert modelcard.merge(alone) == together
    assert modelcard.merge([]) == {}


def test_figures_of_different_things_are_not_merged() -> None:
    one = modelcard.figures("joint-test", [report(0.6)])
    for other, found in (
        (modelcard.figures("joint-validation", [report(0.6)]), "'joint-test', 'joint-validation'"),
        (modelcard.figures("joint-test", [report(0.6, ("tess", "ravdess"))]), "'tess'"),
        ({}, "None"),
    ):
        with pytest.raises(ValueError, match=f"`runs` must be of one protocol.*{found}"):
            modelcard.merge([one, other])
    with pytest.raises(ValueError, match="got empty ones"):
        modelcard.merge([{}])
    with pytest.raises(ValueError, match="`reports` must be of"):
        modelcard.figures("joint-test", [report(0.6), report(0.6, ("savee", "tess"))])


def test_card_tells_data_and_licences() -> None:
    card = modelcard.with_figures(trained_on(["tess/YAF"]), {}).card
    assert card.startswith("# Model card: card-test\n")
    assert "for 17 epochs with seed 5" in card
    for i, corpus in enumerate(CORPORA.values()):
        for style in corpus.n_utterances:
            name = corpus.title + ("" if style == "speech" else f" ({style})")
            assert f"| {name} | {1000 + i} | {20 + i} | {corpus.licence} |" in card
        assert card.count(corpus.citation) == 1
    assert "| mine | 7 | 3 | my own |" in card
    assert "EfficientAT" not in card
    pretrained_card = modelcard.with_figures(trained_on([], "mn04.npz"), {}).card
    assert "EfficientAT `mn04`" in pretrained_card


def test_card_tells_limits_and_what_it_is_not_for() -> None:
    card = " ".join(modelcard.with_figures(trained_on(["tess/YAF"]), {}).card.split())
    assert "None were measured" in card
    assert "less than 0.4 s is refused" in card
    assert "more than 2.5 s are judged in windows" in card  # 255 steps of 10 ms
    limits, out_of_scope = card.split("## Limits")[1].split("## Out of scope")
    assert "Acted English" in limits
    for use in ("hiring", "policing", "medical", "lies", "2024/1689"):
        assert use in out_of_scope


def test_card_tells_mean_and_runs_and_what_they_are_of() -> None:
    metrics = modelcard.figures("joint-test", [report(0.6), report(0.7)])
    given_artifact = trained_on(["tess/YAF", "ravdess/01"])
    described = modelcard.with_figures(given_artifact, metrics)
    assert described.metrics == metrics
    assert given_artifact.metrics != metrics
    row = "| ravdess | 10 | 65.0 (60.0, 70.0) | 66.0 (61.0, 71.0) | 63.0 (58.0, 68.0) |"
    assert row in described.card
    assert "error: 6.5 (6.0, 7.0) %" in described.card
    assert "the network described here has heard them" in described.card
    unheard = modelcard.with_figures(trained_on(["ravdess/01"]), metrics).card
    assert "Of this network, which has not heard the test speakers of `joint-test`" in unheard
