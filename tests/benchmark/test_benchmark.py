"""The benchmark: folds made, kept and gone on with, and figures against scikit-learn's."""

import argparse
import dataclasses
import importlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from emotionrecog import benchmark, cli, plots
from emotionrecog.augmentation import SpectrogramAugmentation
from emotionrecog.benchmark import FOUR, Published, Summary
from emotionrecog.cli import measure, recipes
from emotionrecog.datasets import EMOTIONS, Utterance
from emotionrecog.errors import DatasetError, EmotionRecogError, LeakageError
from emotionrecog.evaluation import Predictions, calibration_error, intervals
from emotionrecog.splits import protocols
from emotionrecog.training import Recipe
from tests.conftest import ROOT, Scripted

RATE = 16_000
SAVEE = ("DC", "JE", "JK", "KL")
KEPT = sorted((ROOT / "benchmarks" / "results" / "benchmark").glob("*/run.json"))


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
    return Scripted(answer, name=name, training=training, versions={"made": "up"})


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """Have networks made up rather than trained; return what each was to be trained on."""
    made: list[SimpleNamespace] = []

    def train(learnt: list[Utterance], validation: Any = None, **options: Any) -> SimpleNamespace:
        made.append(SimpleNamespace(learnt=learnt, validation=validation, **options))
        options["checkpoints"].mkdir(parents=True, exist_ok=True)
        network = scripted(options["name"], sorted({u.speaker for u in learnt}))
        network.artifact.network = network
        return network.artifact

    monkeypatch.setattr(benchmark, "Engine", lambda artifact: artifact.network)
    monkeypatch.setattr(benchmark.training, "train", train)
    monkeypatch.setattr(intervals, "N_DRAWS", 200)  # which takes less time
    return made


@pytest.fixture
def run(utterances: list[Utterance], corpora: Path, tmp_path: Path) -> Callable[..., Any]:
    def made(*names: str, **options: Any) -> list[Summary]:
        options = {"root": corpora, "n_jobs": 1, **options}
        given = options.pop("utterances", utterances)
        return benchmark.run(given, names, options.pop("output", tmp_path / "out"), **options)

    return made


# Folds ------------------------------------------------------------------------------------------


def test_folds_never_learn_from_who_is_tested(
    run: Any, calls: list[SimpleNamespace], utterances: list[Utterance]
) -> None:
    run("savee/emobox4", "tess/speaker2")
    assert len(calls) == 6
    for call in calls:
        tested = {u.speaker for u in call.test_set}
        learnt = {u.speaker for u in call.learnt}
        assert tested
        assert not tested & learnt
        assert len({u.corpus for u in [*call.learnt, *call.test_set]}) == 1
        # Nobody chooses on the validation speakers, and they are learnt from.
        assert call.validation is None
        assert len(tested | learnt) == (4 if "savee" in call.name else 2)
        # In the order that they were given in, as for the command train.
        assert call.learnt == [u for u in utterances if u in call.learnt]


def test_patience_watches_the_validation_speakers(run: Any, calls: list[SimpleNamespace]) -> None:
    run("savee/emobox4", recipe=Recipe(patience=3))
    for call in calls:
        parts = [{u.speaker for u in part} for part in (call.learnt, call.validation)]
        assert [len(part) for part in parts] == [2, 1]
        assert not set.union(*parts) & {u.speaker for u in call.test_set}


def test_what_is_kept(run: Any, calls: Any, tmp_path: Path, utterances: Any) -> None:
    run("savee/emobox4", command="emotionrecog benchmark …")
    folder = tmp_path / "out" / "savee-emobox4"
    parts = [f"savee-emobox4-{n}.{kind}" for n in range(1, 5) for kind in ("csv", "json")]
    assert sorted(path.name for path in folder.iterdir()) == [
        "run.json",
        *sorted(parts),
        "summary.json",
    ]
    table = (folder / "savee-emobox4-2.csv").read_text(encoding="utf-8")
    lines = table.splitlines()
    assert len(lines) == 1 + 8
    assert lines[1].startswith("savee/KL/")
    shares = lines[1].split(",")[-len(EMOTIONS) :]
    assert [f"{float(share):.4g}" for share in shares] == shares
    row = json.loads((folder / "savee-emobox4-2.json").read_text(encoding="utf-8"))
    assert row["speakers"] == ["savee/KL"]
    assert (row["n_clips"], row["failed"], row["n_epochs"]) == (8, {}, 2)
    assert row["versions"] == {"made": "up"}
    about = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert about["recipe"] == json.loads(json.dumps(Recipe().to_dict()))
    assert about["command"] == "emotionrecog benchmark …"
    # The places of recordings and of what was run are nobody's business.
    for path in folder.iterdir():
        assert str(tmp_path) not in path.read_text(encoding="utf-8")


def test_a_run_that_was_stopped_goes_on(
    run: Any, calls: list[SimpleNamespace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = benchmark.training.train

    def stopped(*given: Any, **options: Any) -> Any:
        if len(calls) == 2:
            (options["checkpoints"] / "state.npz").parent.mkdir(parents=True)
            (options["checkpoints"] / "state.npz").write_bytes(b"half")
            raise KeyboardInterrupt
        return train(*given, **options)

    with monkeypatch.context() as patch:
        patch.setattr(benchmark.training, "train", stopped)
        with pytest.raises(KeyboardInterrupt):
            run("savee/emobox4")
    folder = tmp_path / "out" / "savee-emobox4"
    assert benchmark.summary(folder).missing == ("savee/emobox4/3", "savee/emobox4/4")
    assert "2 of 4 folds" in str(benchmark.summary(folder))
    half = folder / "unfinished" / "savee-emobox4-3" / "checkpoints"
    assert (half / "state.npz").read_bytes() == b"half"
    (summary,) = run("savee/emobox4")
    assert [call.name for call in calls] == [f"savee-emobox4-{n}" for n in (1, 2, 3, 4)]
    assert calls[2].checkpoints == half
    assert not (folder / "unfinished").exists()
    assert summary.missing == ()
    # How long it took nobody knows where it was stopped.
    assert [row["seconds"] is None for row in summary.folds] == [False, False, True, False]
    run("savee/emobox4")
    assert len(calls) == 4
    (folder / "savee-emobox4-4.json").unlink()
    run("savee/emobox4")
    assert [call.name for call in calls[4:]] == ["savee-emobox4-4"]


def test_other_recipes_and_recordings_are_refused(
    run: Any, calls: list[SimpleNamespace], corpora: Path, tmp_path: Path, utterances: Any
) -> None:
    weights = tmp_path / "weights.npz"
    weights.write_bytes(b"1")
    run("savee/emobox4", initial_weights=weights)
    n_calls = len(calls)
    with pytest.raises(ValueError, match=r"another recipe \(epochs, seed\)"):
        run("savee/emobox4", initial_weights=weights, recipe=Recipe(epochs=3, seed=1))
    with pytest.raises(ValueError, match=r"savee-emobox4, made with another recipe \(augmentation"):
        run("tess/speaker2", recipe=Recipe(augmentation=SpectrogramAugmentation(masks=0)))
    with pytest.raises(ValueError, match="other initial weights"):
        run("savee/emobox4")
    weights.write_bytes(b"2")
    with pytest.raises(ValueError, match="other initial weights"):
        run("savee/emobox4", initial_weights=weights)
    weights.write_bytes(b"1")
    less = [u for u in utterances if u.path.name != "n02.wav" or "DC" not in u.speaker]
    with pytest.raises(ValueError, match="made with other recordings"):
        run("savee/emobox4", initial_weights=weights, utterances=less)
    with (corpora / "savee/DC/a01.wav").open("ab") as file:
        file.write(b"more")
    with pytest.raises(ValueError, match="made with other recordings"):
        run("savee/emobox4", initial_weights=weights)
    assert len(calls) == n_calls
    run("tess/speaker2", initial_weights=weights)  # other protocols join


@pytest.mark.parametrize(
    ("names", "options", "error", "told"),
    [
        ((), {}, ValueError, "one protocol or more"),
        (("savee/emobox",), {}, ValueError, "did you mean"),
        (("savee/emobox4",), {"n_jobs": 0}, ValueError, "whole number from 1 on"),
        (("savee/emobox4",), {"initial_weights": "none.npz"}, FileNotFoundError, "none.npz"),
        (("ravdess/subject5",), {}, DatasetError, "must hold all speakers"),
        (("random",), {}, LeakageError, "both training and test"),
    ],
)
def test_bad_calls(
    run: Any, calls: Any, tmp_path: Path, names: Any, options: Any, error: Any, told: str
) -> None:
    with pytest.raises(error, match=told):
        run(*names, **options)
    assert calls == []
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore::emotionrecog.splits.protocols.LeakyProtocolWarning")
def test_leaks_are_told(run: Any, calls: list[SimpleNamespace]) -> None:
    (found,) = run("random", allow_leakage=True)
    assert not found.speaker_disjoint
    assert "NOT speaker-disjoint" in str(found)
    assert "SPEAKERS ARE IN TRAINING AND TEST" in str(found)
    assert all(row["leakage"] for row in found.folds)
    assert all(call.allow_leakage for call in calls)


def test_damaged_files(run: Any, calls: Any, tmp_path: Path) -> None:
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


# Figures ----------------------------------------------------------------------------------------


def tables(folder: Path) -> list[Predictions]:
    pairs = [benchmark._fold_of(folder, f"savee/emobox4/{n}") for n in (1, 2, 3, 4)]
    return [pair[1] for pair in pairs if pair]


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


def test_figures_are_those_of_scikit_learn(run: Any, calls: Any, tmp_path: Path) -> None:
    (found,) = run("savee/emobox4")
    folds = tables(tmp_path / "out" / "savee-emobox4")
    expected = [by_sklearn(table) for table in folds]
    assert [row["corpora"][0]["uar"] for row in found.folds] == pytest.approx(
        [row["uar"] for row in expected]
    )
    (row,) = found.corpora
    assert (row.corpus, row.n_folds, row.n_clips, row.n_speakers) == ("savee", 4, 32, 4)
    pooled = by_sklearn(
        Predictions(
            labels=EMOTIONS,
            utterances=tuple(u for table in folds for u in table.utterances),
            probabilities=np.concatenate([table.probabilities for table in folds]),
            durations=np.concatenate([table.durations for table in folds]),
        )
    )
    assert len({round(figures["uar"], 6) for figures in expected}) > 1
    for name in benchmark.FIGURES:
        values = [figures[name] for figures in expected]
        assert row.mean[name] == found.mean[name] == pytest.approx(np.mean(values))
        assert row.deviation[name] == pytest.approx(np.std(values, ddof=1))
        assert row.pooled[name] == pytest.approx(pooled[name])
    low, high = row.intervals["uar"]
    assert low <= row.pooled["uar"] <= high
    assert any("too few speakers" in note for note in found.notes)


def test_unheard_corpora_have_figures_of_four_emotions(run: Any, calls: Any) -> None:
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
    among = benchmark._among(given, FOUR)
    assert among is not None
    assert [u.emotion for u in among.utterances] == ["angry", "sad"]
    assert among.probabilities[0] == pytest.approx(np.array([4, 1, 1, 1]) / 7)
    fewer = dataclasses.replace(
        given,
        labels=EMOTIONS[1:],
        probabilities=given.probabilities[:, 1:] / given.probabilities[:, 1:].sum(1)[:, None],
    )
    assert benchmark._among(fewer, FOUR) is None  # neutral cannot be answered


def test_summaries_can_be_read_again(run: Any, calls: Any, tmp_path: Path) -> None:
    for found in run("savee/emobox4", "cross-corpus"):
        folder = tmp_path / "out" / found.protocol.replace("/", "-")
        values = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        assert str(Summary.from_dict(values)) == str(found)
        assert str(benchmark.summary(folder)) == str(found)


# Beside others ----------------------------------------------------------------------------------


def test_published_figures() -> None:
    rows = benchmark.published()
    assert {row.protocol for row in rows} <= set(protocols.NAMES)
    for row in rows:
        assert row.source
        figures = [value for value in (row.uar, row.uar_to, row.wa) if value is not None]
        assert figures
        assert all(0.3 < value < 0.95 for value in figures)
        assert row.speaker_disjoint is not False
        if row.same_protocol:
            protocol = protocols.get(row.protocol)
            assert protocol.speaker_disjoint
            assert all(s.startswith(row.corpus) for s in protocols.held_out(f"{row.protocol}/1"))
    emobox = benchmark.published("ravdess/emobox6")
    assert [row.uar for row in emobox] == [0.753, 0.72, 0.712, 0.7, 0.654, 0.616, 0.543]
    # Those that do not compare come last, however high.
    assert benchmark.published("cross-corpus")[-1].same_protocol is False
    with pytest.raises(ValueError, match="ravdess/subject9"):
        benchmark.published("ravdess/subject9")


def test_best_of_others(run: Any, calls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = run("savee/emobox4")
    assert found.best("savee") == []  # those of seven emotions do not compare
    rows = [dataclasses.replace(row, n_emotions=4) for row in benchmark.published("savee/emobox4")]
    rows += [dataclasses.replace(rows[0], uar=None, wa=0.9, system="accurate")]
    monkeypatch.setattr(benchmark, "_all_published", lambda: tuple(rows))
    told = [(name, value, row.system) for name, value, row in found.best("savee")]
    assert told == [("UAR", 0.758, rows[0].system), ("WA", 0.9, "accurate")]
    assert found.best("tess") == []


def test_other_emotions_do_not_compare(run: Any, calls: Any) -> None:
    (found,) = run("savee/emobox4")  # which here acts four emotions
    row = benchmark.published("savee/emobox4")[0]
    assert row.n_emotions == 7
    assert not found.compares(row)
    assert found.compares(dataclasses.replace(row, n_emotions=4))
    assert not found.compares(dataclasses.replace(row, n_emotions=4, same_protocol=False))
    text = str(found)
    assert "published on these folds: nothing" in text
    assert text.index("none compares") < text.index("data2vec 2.0 large")
    assert "UAR 75.8, WA 78.6; 7 emotions; speaker-disjoint" in text


def test_picture_shows_the_figures(run: Any, calls: Any) -> None:
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


# Side by side -----------------------------------------------------------------------------------


# What processes do that import nothing else; for each, they read this file.
WORKERS = """
import logging, os, signal, time
from pathlib import Path
from emotionrecog.errors import DatasetError

def work(task):
    what, _, rest = task.partition(" ")
    if what == "write":
        logging.getLogger("emotionrecog").warning("wrote")
        Path(rest).write_text(os.environ["OMP_NUM_THREADS"], encoding="utf-8")
    elif what == "fail":
        raise DatasetError("there is nothing\\nto learn from")
    elif what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    else:
        time.sleep(60)
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    (tmp_path / "benchmark_workers.py").write_text(WORKERS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "benchmark_workers", raising=False)
    function: Callable[[str], None] = importlib.import_module("benchmark_workers").work
    return function


@pytest.mark.slow
def test_side_by_side(
    work: Any, tmp_path: Path, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    tasks = [f"write {tmp_path / str(number)}" for number in range(3)]
    done: list[str] = []
    with caplog.at_level(logging.WARNING, logger="emotionrecog"):
        benchmark._side_by_side(work, tasks, 2, done.append)
    assert sorted(done) == tasks
    n_threads = str(max(1, benchmark._n_cores() // 2))
    assert [(tmp_path / str(n)).read_text() for n in range(3)] == [n_threads] * 3
    assert sorted(caplog.messages) == [f"{task}: wrote" for task in tasks]
    assert "OMP_NUM_THREADS" not in os.environ


@pytest.mark.parametrize(
    ("task", "told"),
    [
        ("fail", "fail: DatasetError: there is nothing\nto learn from. What is done is kept"),
        ("die", "signal 9 ended its process.*fewer jobs"),
    ],
)
def test_a_process_that_ends_ends_all(work: Any, task: str, told: str) -> None:
    began = time.perf_counter()
    with pytest.raises(EmotionRecogError, match=told):
        benchmark._side_by_side(work, ["sleep", task], 2, lambda done: None)
    assert time.perf_counter() - began < 40  # and not the minute that the other sleeps


def test_as_many_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "_n_cores", lambda: 8)
    monkeypatch.setattr(benchmark, "_free_memory", lambda: None)
    assert benchmark._room(10_000) == 8
    monkeypatch.setattr(benchmark, "_free_memory", lambda: 1 << 34)
    assert benchmark._room(0) == 8
    assert 1 < benchmark._room(10_000) < 8
    assert benchmark._room(1_000_000) == 1


# The command ------------------------------------------------------------------------------------


@pytest.mark.tensorflow
def test_command_trains_and_tests(
    corpora: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = tmp_path / "small.toml"
    recipe.write_text(
        'architecture = "linear"\nfeatures = "log-mel-functionals"\n', encoding="utf-8"
    )
    command = ["benchmark", "--protocol", "tess/speaker2", "--corpora", str(corpora)]
    command += ["--config", str(recipe), "--output", "results", "--jobs", "1"]
    command += ["--labels", "neutral,happy,sad,angry", "--seed", "4"]
    assert cli.main([*command, "--plot", "picture.png"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("tess/speaker2: each woman in turn; speaker-disjoint; 2 of 2 folds")
    assert Path("picture.png").stat().st_size > 1000
    folder = Path("results", "tess-speaker2")
    found = benchmark.summary(folder)
    assert found.command == (
        "emotionrecog benchmark --protocol tess/speaker2 --config small.toml "
        "--labels neutral,happy,sad,angry --seed 4 --output results"
    )
    assert found.recipe["seed"] == 4
    assert found.recipe["labels"] == ["neutral", "happy", "sad", "angry"]
    for row in found.folds:
        assert row["n_clips"] == 8
        assert row["n_speakers_learnt_from"] == 1
        assert row["learnt_from"][0]["n_clips"] == 8
        assert row["versions"]["tensorflow"]
    # The same again trains nothing, and says the same.
    before = {path: path.stat().st_mtime_ns for path in folder.glob("tess*")}
    assert cli.main(command) == 0
    assert capsys.readouterr().out == text
    assert {path: path.stat().st_mtime_ns for path in folder.glob("tess*")} == before
    assert cli.main([*command, "--epochs", "3"]) == 2
    assert "another recipe (epochs)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--architecture", "gru", "--epochs", "3", "--no-mixed-precision"),
        ("--mixed-precision", "--patience", "0", "--set", "sizes.heads=2"),
        ("--set", "augmentation.masks=0", "--labels", "tess7", "--seed", "3"),
    ],
)
def test_the_command_that_is_kept_repeats(options: tuple[str, ...]) -> None:
    def parsed(words: list[str]) -> argparse.Namespace:
        return cli.parsers()["benchmark"].parse_args(words)

    given = ["--protocol", "tess/speaker2", "--protocol", "cross-corpus", *options]
    first = parsed([*given, "--output", "/somewhere/results", "--initial-weights", "/else/w.npz"])
    text = measure._benchmark_command(first)
    assert "/somewhere" not in text
    assert "/else" not in text
    words = text.split()[2:]
    second = parsed(words)
    assert measure._benchmark_command(second) == text
    assert second.protocols == first.protocols
    assert recipes.chosen(second) == recipes.chosen(first)


@pytest.mark.tensorflow
def test_pictures_need_a_folder(
    corpora: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["benchmark", "--protocol", "tess/speaker2", "--corpora", str(corpora)]
    command += ["--output", str(tmp_path / "out"), "--plot", str(tmp_path / "none" / "a.png")]
    assert cli.main(command) == 2
    assert "no such folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# What the repository keeps ----------------------------------------------------------------------


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.parent.name)
def test_results_are_what_is_kept(path: Path) -> None:
    """Make them anew where they are of another recipe: docs/how-to/benchmark.md has the command."""
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


def test_rows_of_others_need_all_entries() -> None:
    for row in json.loads((ROOT / "src/emotionrecog/data/published.json").read_text("utf-8")):
        assert isinstance(Published(**row), Published)
