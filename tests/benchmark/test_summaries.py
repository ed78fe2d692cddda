"""Summaries of folds: equal to scikit-learn, and compared with published results."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from emotionrecog import benchmark, plots
from emotionrecog.benchmark import FOUR, Summary, literature, summaries
from emotionrecog.datasets import EMOTIONS, Utterance
from emotionrecog.errors import DatasetError
from emotionrecog.evaluation import Predictions, calibration_error
from tests.conftest import ROOT

KEPT = sorted((ROOT / "benchmarks" / "results" / "benchmark").glob("*/run.json"))


def test_damaged_files_are_an_error(run: Any, calls: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no benchmark in"):
        benchmark.summary(tmp_path)
    run("tess/speaker2")
    folder = tmp_path / "out" / "tess-speaker2"
    table = folder / "tess-speaker2-1.csv"
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace("acted", "was"), encoding="utf-8")
    with pytest.raises(DatasetError, match="found no 'acted'"):
        benchmark.summary(folder)
    table.write_text(text, encoding="utf-8")
    row = folder / "tess-speaker2-1.json"
    row.write_text("{", encoding="utf-8")
    with pytest.raises(DatasetError, match="must be JSON"):
        benchmark.summary(folder)
    for path in folder.glob("tess-*.json"):
        path.unlink()
    with pytest.raises(DatasetError, match="no fold of tess/speaker2 is done"):
        benchmark.summary(folder)


def tables(folder: Path) -> list[Predictions]:
    return [Predictions.read_csv(folder / f"savee-emobox4-{n}.csv") for n in (1, 2, 3, 4)]


def by_sklearn(table: Predictions) -> dict[str, float]:
    closed = table.among_acted()
    acted, answered = table.acted, closed.argmax(axis=1)
    known = np.unique(acted)
    return {
        "uar": balanced_accuracy_score(acted, answered),
        "wa": accuracy_score(acted, answered),
        "macro_f1": f1_score(acted, answered, labels=known, average="macro"),
        "calibration_error": calibration_error(closed.max(axis=1), answered == acted),
    }


def test_metrics_equal_those_of_scikit_learn(run: Any, calls: Any, tmp_path: Path) -> None:
    (found,) = run("savee/emobox4")
    kept = tables(tmp_path / "out" / "savee-emobox4")
    expected = [by_sklearn(table) for table in kept]
    assert [row["corpora"][0]["uar"] for row in found.folds] == pytest.approx(
        [row["uar"] for row in expected]
    )
    (row,) = found.corpora
    assert (row.corpus, row.n_folds, row.n_clips, row.n_speakers) == ("savee", 4, 32, 4)
    pooled = by_sklearn(
        Predictions(
            labels=EMOTIONS,
            utterances=tuple(u for table in kept for u in table.utterances),
            probabilities=np.concatenate([table.probabilities for table in kept]),
            durations=np.concatenate([table.durations for table in kept]),
        )
    )
    assert len({round(figures["uar"], 6) for figures in expected}) > 1
    for name in benchmark.METRICS:
        values = [figures[name] for figures in expected]
        assert row.mean[name] == found.mean[name] == pytest.approx(np.mean(values))
        assert row.deviation[name] == pytest.approx(np.std(values, ddof=1))
        assert row.pooled[name] == pytest.approx(pooled[name])
    low, high = row.intervals["uar"]
    assert low <= row.pooled["uar"] <= high
    assert any("too few speakers" in note for note in found.notes)


def test_held_out_corpora_have_metrics_of_four_emotions(run: Any, calls: Any) -> None:
    (found,) = run("cross-corpus")
    assert [row.corpus for row in found.corpora] == ["savee", "tess"]
    assert [row.n_clips for row in found.four] == [32, 16]  # of TESS, fear is left out
    assert all(set(row.emotions) == set(FOUR) for row in found.four)
    # All that SAVEE acts here are the four.
    assert found.four[0].pooled == found.corpora[0].pooled
    assert found.four[1].pooled != found.corpora[1].pooled
    assert all(row.deviation["uar"] is None for row in found.corpora)  # of one fold each
    both = [row.mean["uar"] for row in found.corpora]
    assert found.mean["uar"] == pytest.approx(np.mean(both))
    assert found.deviation["uar"] == pytest.approx(np.std(both, ddof=1))
    assert "tess, 4 emotions" in str(found)


def test_four_emotions_by_hand() -> None:
    clips = [
        Utterance(Path(f"{i}.wav"), emotion, corpus="one", speaker="one/a")
        for i, emotion in enumerate(("angry", "fearful", "sad"))
    ]
    shares = np.full((3, len(EMOTIONS)), 0.01)
    places = [EMOTIONS.index(emotion) for emotion in ("fearful", "angry", "happy")]
    shares[[0, 1, 2], places] = 0.9
    shares[0, EMOTIONS.index("angry")] = 0.04
    given = Predictions(
        labels=EMOTIONS,
        utterances=tuple(clips),
        probabilities=shares / shares.sum(axis=1, keepdims=True),
        durations=np.ones(3),
    )
    of_four = summaries.among(given, FOUR)
    assert of_four is not None
    assert [u.emotion for u in of_four.utterances] == ["angry", "sad"]
    assert of_four.probabilities[0] == pytest.approx(np.array([4, 1, 1, 1]) / 7)
    fewer = dataclasses.replace(
        given,
        labels=EMOTIONS[1:],
        probabilities=given.probabilities[:, 1:] / given.probabilities[:, 1:].sum(1)[:, None],
    )
    assert summaries.among(fewer, FOUR) is None  # neutral cannot be answered


def test_summaries_are_written_and_read(run: Any, calls: Any, tmp_path: Path) -> None:
    for found in run("savee/emobox4", "cross-corpus"):
        folder = tmp_path / "out" / found.protocol.replace("/", "-")
        values = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        assert str(Summary.from_dict(values)) == str(found)
        assert str(benchmark.summary(folder)) == str(found)


def test_best_published_result_must_be_comparable(
    run: Any, calls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (found,) = run("savee/emobox4")
    assert found.best("savee") == []  # those of seven emotions do not compare
    rows = [dataclasses.replace(row, n_emotions=4) for row in benchmark.published("savee/emobox4")]
    rows += [dataclasses.replace(rows[0], uar=None, wa=0.9, system="accurate")]
    monkeypatch.setattr(literature, "_all_published", lambda: tuple(rows))
    told = [(name, value, row.system) for name, value, row in found.best("savee")]
    assert told == [("UAR", 0.758, rows[0].system), ("WA", 0.9, "accurate")]
    assert found.best("tess") == []


def test_results_on_other_emotions_do_not_compare(run: Any, calls: Any) -> None:
    (found,) = run("savee/emobox4")  # which here acts four emotions
    row = benchmark.published("savee/emobox4")[0]
    assert row.n_emotions == 7
    assert not found.compares(row)
    assert found.compares(dataclasses.replace(row, n_emotions=4))
    assert not found.compares(dataclasses.replace(row, n_emotions=4, same_protocol=False))
    text = str(found)
    assert "published on these folds: nothing known" in text
    assert text.index("not comparable") < text.index("data2vec 2.0 large")
    assert "UAR 75.8, WA 78.6; 7 emotions; speaker-disjoint" in text


def test_picture_shows_the_results(run: Any, calls: Any) -> None:
    found = run("savee/emobox4", "cross-corpus")
    other = dataclasses.asdict(benchmark.published("savee/emobox4")[0])
    figure = plots.benchmark([summary.to_dict() for summary in found], [other])
    (panel,) = figure.axes
    assert [text.get_text() for text in panel.get_yticklabels()] == [
        "savee/emobox4",
        "cross-corpus, savee",
        "cross-corpus, tess",
        "cross-corpus, savee, 4 emotions",
        "cross-corpus, tess, 4 emotions",
    ]
    folds = next(line for line in panel.lines if line.get_label() == "a fold")
    assert folds.get_xdata() == pytest.approx(
        [100 * row["corpora"][0]["uar"] for row in found[0].folds]
    )
    (line,) = [x for x in panel.lines if x.get_label() == "published on these folds, UAR"]
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([75.8], [0])
    with pytest.raises(ValueError, match="one summary or more"):
        plots.benchmark([])


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.parent.name)
def test_stored_summaries_match_stored_folds(path: Path) -> None:
    """If it fails after a change of the recipe, run docs/how-to/benchmark.md's command again."""
    found = benchmark.summary(path.parent)
    values = json.loads((path.parent / "summary.json").read_text(encoding="utf-8"))
    assert str(Summary.from_dict(values)) == str(found)
    assert found.missing == ()
    assert found.speaker_disjoint
    assert found.command
    for row in found.folds:
        assert row["leakage"] is None
        assert set(row["failed"]) <= {"crema_d/1076_MTI_SAD_XX.opus"}  # digital silence
        assert all(why.startswith("silent: ") for why in row["failed"].values())
    for file in path.parent.iterdir():
        assert not file.read_text(encoding="utf-8").startswith("/")
