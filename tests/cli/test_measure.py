"""The command evaluate: the speakers and emotions that it measures on."""

import dataclasses
from pathlib import Path

import pytest

from emotionrecog import cli
from emotionrecog.datasets import Utterance
from tests.cli.conftest import savee, write_recording


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "needs the number of a fold (--fold on the command line) from 1 to 4, got none"),
        (
            ["--fold", "5"],
            "needs the number of a fold (--fold on the command line) from 1 to 4, got 5",
        ),
        (["--fold", "2"], "was trained on 1 speaker of the test set (savee/KL)"),
        (["--fold", "4"], "was trained on 1 speaker of the test set (savee/JK)"),
    ],
)
def test_evaluate_takes_one_fold(
    options: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from emotionrecog import datasets

    monkeypatch.setattr(datasets, "read", lambda _: savee())
    arguments = ["english-8", "--corpora", "somewhere", "--protocol", "savee/emobox4"]
    assert cli.main(["evaluate", *arguments, *options]) == 2
    assert message in capsys.readouterr().err


def test_evaluate_measures_on_fewer_emotions(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The label set renames or leaves out other emotions, and the report names it."""
    from emotionrecog import datasets, evaluation

    clips = [
        Utterance(Path(f"{emotion}.wav"), emotion, "savee", "savee/KL")
        for emotion in ("neutral", "sad", "fearful", "angry")
    ]
    others = [Utterance(Path("x.wav"), "sad", "savee", f"savee/{s}") for s in ("DC", "JE", "JK")]
    asked: dict[str, object] = {}

    def evaluate(_: object, test_set: object, **options: object) -> evaluation.Report:
        asked.update(options, test=test_set)
        return evaluation.Report(corpora=(), calibration_error=0.1, n_failed=0)

    monkeypatch.setattr(datasets, "read", lambda _: [*clips, *others])
    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    arguments = ["english-8", "--corpora", "x", "--protocol", "savee/emobox4", "--fold", "2"]
    assert cli.main(["evaluate", *arguments, "--labels", "four"]) == 0
    assert asked["test"] == [clips[0], clips[1], clips[3]]
    assert asked["protocol"] == "savee/emobox4/2, labels four"
    assert cli.main(["evaluate", *arguments]) == 0
    assert (asked["test"], asked["protocol"]) == (clips, "savee/emobox4/2")
    with pytest.raises(SystemExit) as exit_:
        cli.main(["evaluate", *arguments, "--labels", "bored"])
    assert exit_.value.code == 2
    assert "--labels: expected a label set (ravdess8, tess7" in capsys.readouterr().err


def test_evaluate_measures_despite_leakage_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from emotionrecog import datasets

    recorded = [
        dataclasses.replace(u, path=write_recording(tmp_path / u.path.name)) for u in savee()
    ]
    monkeypatch.setattr(datasets, "read", lambda _: recorded)
    arguments = ["english-8", "--corpora", "x", "--protocol", "savee/emobox4", "--fold", "2"]
    assert cli.main(["evaluate", *arguments]) == 2
    assert "--allow-leakage on the command line" in capsys.readouterr().err
    assert cli.main(["evaluate", *arguments, "--allow-leakage"]) == 0
    assert capsys.readouterr().out.startswith("LEAKY, these are not results on new speakers")


@pytest.mark.corpora
def test_evaluate_rejects_speakers_seen_in_training(
    corpora_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["evaluate", "english-8", "--corpora", str(corpora_root)]) == 2
    assert "was trained on" in capsys.readouterr().err
