"""Folds: trained, tested, kept and continued, and the command."""

import argparse
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from emotionrecog import benchmark, cli
from emotionrecog.augmentation import SpectrogramAugmentation
from emotionrecog.benchmark import folds
from emotionrecog.cli import measure, recipes
from emotionrecog.datasets import EMOTIONS, Utterance
from emotionrecog.errors import DatasetError, LeakageError
from emotionrecog.training import Recipe


def test_folds_never_train_on_test_speakers(
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


def test_patience_uses_the_validation_speakers(run: Any, calls: list[SimpleNamespace]) -> None:
    run("savee/emobox4", recipe=Recipe(patience=3))
    for call in calls:
        parts = [{u.speaker for u in part} for part in (call.learnt, call.validation)]
        assert [len(part) for part in parts] == [2, 1]
        assert not set.union(*parts) & {u.speaker for u in call.test_set}


def test_predictions_and_metrics_are_kept(
    run: Any, calls: Any, tmp_path: Path, utterances: Any
) -> None:
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


def test_interrupted_run_continues(
    run: Any, calls: list[SimpleNamespace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = folds.training.train

    def stopped(*given: Any, **options: Any) -> Any:
        if len(calls) == 2:
            (options["checkpoints"] / "state.npz").parent.mkdir(parents=True)
            (options["checkpoints"] / "state.npz").write_bytes(b"half")
            raise KeyboardInterrupt
        return train(*given, **options)

    with monkeypatch.context() as patch:
        patch.setattr(folds.training, "train", stopped)
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


def test_other_recipes_and_recordings_are_an_error(
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
        (("savee/emobox4",), {"n_jobs": 0}, ValueError, "whole number of at least 1"),
        (("savee/emobox4",), {"initial_weights": "none.npz"}, FileNotFoundError, "none.npz"),
        (("ravdess/subject5",), {}, DatasetError, "must hold all speakers"),
        (("random",), {}, LeakageError, "both training and test"),
    ],
)
def test_invalid_arguments_are_an_error(
    run: Any, calls: Any, tmp_path: Path, names: Any, options: Any, error: Any, told: str
) -> None:
    with pytest.raises(error, match=told):
        run(*names, **options)
    assert calls == []
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore::emotionrecog.splits.protocols.LeakyProtocolWarning")
def test_leaks_are_reported(run: Any, calls: list[SimpleNamespace]) -> None:
    (found,) = run("random", allow_leakage=True)
    assert not found.speaker_disjoint
    assert "NOT speaker-disjoint" in str(found)
    assert "SPEAKERS ARE IN TRAINING AND TEST" in str(found)
    assert all(row["leakage"] for row in found.folds)
    assert all(call.allow_leakage for call in calls)


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
def test_recorded_command_repeats_the_run(options: tuple[str, ...]) -> None:
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
