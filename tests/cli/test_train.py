"""The commands train and search: recipes made of files and options, and the files they write."""

import argparse
import csv
import dataclasses
import io
import json
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tqdm import tqdm

import emotionrecog
from emotionrecog import cli, datasets
from emotionrecog.artifact import Artifact
from emotionrecog.augmentation import SpectrogramAugmentation
from emotionrecog.cli import output, recipes
from emotionrecog.datasets import LABEL_SETS, Utterance
from emotionrecog.features import PRESETS, FeatureSpec
from emotionrecog.recognizer import EmotionRecognizer
from emotionrecog.training import Recipe
from tests.cli.conftest import savee
from tests.conftest import ROOT, Terminal

FILE = """
architecture = "gru"
epochs = 7
patience = 4
features = "mfcc"
labels = ["neutral", "happy", "sad"]

[sizes]
units = 12
hidden = 6

[augmentation]
masks = 2
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(FILE)
    return path


def parsed(*options: object) -> argparse.Namespace:
    return cli.parsers()["train"].parse_args(["--output", "mine", *map(str, options)])


def chosen(*options: object) -> Recipe:
    return recipes.chosen(parsed(*options))


# Options and files -------------------------------------------------------------------------------


def test_without_options_it_is_the_bundled_recipe() -> None:
    assert chosen() == Recipe()


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("--loss focal --focal-gamma 1.5", {"loss": "focal", "focal_gamma": 1.5}),
        ("--balance weights --soft-targets 0.4", {"balance": "weights", "soft_targets": 0.4}),
        (
            "--optimizer adam --schedule constant --learning-rate 3e-4 --weight-decay 0",
            {
                "optimizer": "adam",
                "schedule": "constant",
                "learning_rate": 3e-4,
                "weight_decay": 0.0,
            },
        ),
        ("--averaging 0.9 --patience 5", {"averaging": 0.9, "patience": 5}),
        ("--validation-share 0.3", {"validation_share": 0.3}),
        ("--label-smoothing 0 --absent-weight 0", {"label_smoothing": 0.0, "absent_weight": 0.0}),
        ("--copies 3 --epochs 2 --batch-size 4", {"copies": 3, "epochs": 2, "batch_size": 4}),
        ("--copies none --crop-frames 99", {"copies": 0, "crop_frames": 99}),
        ("--mixed-precision", {"mixed_precision": True}),
        ("--seed 4 --no-mixed-precision", {"seed": 4}),
        ("--labels four", {"labels": ("neutral", "happy", "sad", "angry")}),
        ("--labels sad,neutral", {"labels": ("neutral", "sad")}),
        ("--features mfcc", {"features": PRESETS["mfcc"]}),
        ("--set sizes.dropout=0.5", {"sizes": {"dropout": 0.5}}),
        ("--set augmentation=false --set loss=focal", {"augmentation": None, "loss": "focal"}),
        (
            "--set augmentation.noise_db=[-50,-30]",
            {"augmentation": SpectrogramAugmentation(noise_db=(-50, -30))},
        ),
        ("--set features.n_mels=64", {"features": FeatureSpec(n_mels=64)}),
    ],
)
def test_each_option_changes_its_entry(words: str, changes: dict[str, Any]) -> None:
    if "features" in changes and changes["features"].features != ("log_mel",):
        changes = changes | {"augmentation": None}
        changes["crop_frames"] = chosen(*words.split()).crop_frames
    assert chosen(*words.split()) == dataclasses.replace(Recipe(), **changes)


def test_every_entry_has_an_option() -> None:
    entries = {field.name for field in dataclasses.fields(Recipe)}
    assert entries - vars(parsed()).keys() == {"sizes", "augmentation", "waveforms"}


def test_options_override_the_file_and_the_file_overrides_defaults(file: Path) -> None:
    of_file = chosen("--config", file)
    assert of_file == Recipe.from_toml(file)
    assert (of_file.epochs, of_file.batch_size) == (7, Recipe.of("gru").batch_size)
    changed = chosen("--config", file, "--epochs", 2, "--patience", "none", "--labels", "four")
    assert changed == dataclasses.replace(
        of_file, epochs=2, patience=None, labels=LABEL_SETS["four"].emotions
    )
    assert chosen("--config", file, "--patience", 0).patience is None
    changed = chosen("--config", file, "--set", "sizes.units=3", "--set", "features.deltas=1")
    assert changed.sizes == {"units": 3, "hidden": 6}
    assert changed.features == dataclasses.replace(PRESETS["mfcc"], deltas=1)
    assert changed.augmentation == SpectrogramAugmentation(masks=2)
    assert chosen("--config", file, "--architecture", "lstm").architecture == "lstm"


def test_other_architectures_have_their_own_defaults() -> None:
    assert chosen("--architecture", "lstm") == Recipe.of("lstm")
    with_deltas = chosen("--architecture", "lstm", "--set", "features.deltas=1")
    assert with_deltas.features == dataclasses.replace(PRESETS["descriptors"], deltas=1)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--learning-rate", "20"], "--learning-rate: `learning_rate` must be a number above 0"),
        (["--seed", "1", "--averaging", "2"], "--averaging: `averaging` must be a number from 0"),
        (["--labels", "sad"], "--labels: `labels` must be two or more"),
        (["--set", "epoch=3"], "--set epoch: a recipe has no entry 'epoch'"),
        (["--set", "epochs=many"], "--set epochs: `epochs` must be a whole number"),
        (["--set", "loss.gamma=3"], "'loss.gamma': a recipe has no table 'loss'; expected one of"),
        (["--set", "features.n_mel=3"], "--set features.n_mel: `features` has no entry 'n_mel'"),
        (["--set", "sizes.unitz=3"], "`size of 'mobilenet'` must be one of"),
        (["--set", "sizes=3"], "`sizes` must be a table, got 3"),
        (["--set", "sizes.dropout=much"], "'dropout' of 'mobilenet' must be a value like 0.5, got"),
        (["--config", "none.toml"], "none.toml"),
        (["--fold", "2"], "--fold needs a protocol"),
    ],
)
def test_wrong_options_are_named(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "--corpora", "x", "--output", str(tmp_path / "mine"), *options]
    assert cli.main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        *(["--loss", "hinge"], ["--patience", "-1"], ["--epochs", "0"], ["--set", "epochs"]),
        *(
            ["--labels", "six,sad"],
            ["--learning-rate", "fast"],
            ["--features", "mel"],
            ["--architecture", "transformer"],
        ),
    ],
)
def test_wrong_words_are_usage_errors(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        parsed(*options)
    assert exit_.value.code == 2
    assert f"argument {options[0]}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", ["epochs = ", "epochs = 0", "epoch = 3", "patience = true", "[sizes]\n[sizes]"]
)
def test_wrong_file_is_named(content: str, file: Path) -> None:
    file.write_text(content)
    with pytest.raises(ValueError, match=r"recipe\.toml'"):
        chosen("--config", file, "--seed", 3)


def test_option_corrects_a_file(file: Path) -> None:
    file.write_text("epochs = 0")
    assert chosen("--config", file, "--epochs", 3).epochs == 3


# The examples ----------------------------------------------------------------------------------


@pytest.mark.tensorflow
def test_example_recipe_can_be_trained() -> None:
    from emotionrecog.training.recipe import require_sizes

    example = chosen("--config", ROOT / "examples" / "train_crnn.toml")
    assert (example.architecture, example.loss, example.patience) == ("crnn", "focal", 10)
    require_sizes(example.architecture, example.sizes)


@pytest.mark.tensorflow
def test_example_space_can_be_searched() -> None:
    pytest.importorskip("optuna")
    from emotionrecog.training.search import _distributions

    base = Recipe.from_toml(ROOT / "examples" / "train_crnn.toml")
    space = recipes.read_space(str(ROOT / "examples" / "search_space.toml"))
    assert {"learning_rate", "sizes.dropout", "augmentation.mixup"} <= set(space)
    assert set(_distributions(space, base)) == set(space)


# Training ----------------------------------------------------------------------------------------


THREE = ("sad", "happy", "surprised")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replace corpora, training and evaluation, and record their arguments."""
    from emotionrecog import evaluation, training

    noted: dict[str, Any] = {}

    def train(
        train_set: list[Utterance], validation_set: list[Utterance] | None, **options: Any
    ) -> Artifact:
        noted.update(options, train_set=train_set, validation_set=validation_set)
        return EmotionRecognizer().artifact

    def evaluate(_: Any, test_set: list[Utterance], **__: Any) -> evaluation.Report:
        noted["tested"] = test_set
        return evaluation.Report(corpora=(), calibration_error=0.1, n_failed=0)

    monkeypatch.setattr(datasets, "read", lambda _: savee(*THREE))
    monkeypatch.setattr(training, "train", train)
    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    return noted


def speakers(utterances: list[Utterance] | None) -> set[str]:
    return {utterance.speaker.partition("/")[2] for utterance in utterances or ()}


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("options", "watched"),
    [
        (["--patience", "5"], {"JK"}),
        ([], set()),
        (["--architecture", "gru", "--patience", "none"], set()),
    ],
)
def test_validation_speakers_are_used_if_there_is_patience(
    options: list[str], watched: set[str], asked: dict[str, Any], tmp_path: Path
) -> None:
    fold = ["--hold-out", "savee/emobox4", "--fold", "3"]
    arguments = ["--corpora", "x", "--output", str(tmp_path / "mine"), *fold, *options]
    assert cli.main(["train", *arguments]) == 0
    assert speakers(asked["tested"]) == speakers(asked["test_set"]) == {"DC"}
    assert speakers(asked["validation_set"]) == watched
    assert speakers(asked["train_set"]) == {"JE", "KL", "JK"} - watched


@pytest.mark.tensorflow
def test_labels_leave_out_and_rename(
    asked: dict[str, Any], tmp_path: Path, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = ["train", "--corpora", "x", "--output", str(tmp_path / "mine")]
    with caplog.at_level(logging.INFO, "emotionrecog"):
        assert cli.main([*arguments, "--labels", "six"]) == 0
    assert {u.emotion for u in asked["train_set"]} == {"sad", "happy"}
    assert "left out: surprised (4)" in caplog.messages
    assert asked["recipe"].labels == LABEL_SETS["six"].emotions
    assert cli.main([*arguments, "--config", str(file), "--labels", "sad,surprised"]) == 0
    assert {u.emotion for u in asked["train_set"]} == {"sad", "surprised"}
    assert cli.main([*arguments, "--config", str(file), "--set", "features.n_mfcc=5"]) == 0
    assert {u.emotion for u in asked["train_set"]} == {"sad", "happy"}
    assert cli.main(arguments) == 0
    assert asked["train_set"] == savee(*THREE)


TINY = """
architecture = "gru"
batch_size = 4
epochs = 3
crop_frames = 8
patience = 2
labels = ["sad", "angry"]

[sizes]
units = 4
n_layers = 1
hidden = 4

[features]
features = ["rms"]
hop_length = 512
"""


def write_corpus(folder: Path) -> None:
    (folder / "ravdess").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for emotion, level in ((4, 0.05), (5, 0.5)):
        for take in (1, 2):
            for actor in (1, 2, 3, 4):
                name = f"03-01-{emotion:02d}-01-01-{take:02d}-{actor:02d}.wav"
                samples = level * rng.normal(size=6_000)
                soundfile.write(folder / "ravdess" / name, samples / 3, 16_000)


@pytest.mark.tensorflow
def test_training_writes_its_history(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Train a tiny network, without a terminal."""
    write_corpus(tmp_path / "corpora")
    file.write_text(TINY)
    options = ["--corpora", str(tmp_path / "corpora"), "--config", str(file)]
    assert cli.main(["train", *options, "--output", str(tmp_path / "mine")]) == 0
    history = EmotionRecognizer.load(tmp_path / "mine").artifact.training["history"]
    with (tmp_path / "mine.history.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert list(rows[0]) == [
        *("epoch", "loss", "validation_loss", "validation_uar", "learning_rate", "seconds"),
        *("waiting", "kept"),
    ]
    assert [{k: float(v) for k, v in row.items()} for row in rows] == history
    drawn = {path.name for path in tmp_path.glob("mine*")}
    assert (
        {"mine", "mine.history.csv"} <= drawn <= {"mine", *("mine.history.csv", "mine.history.png")}
    )
    if "mine.history.png" in drawn:
        assert (tmp_path / "mine.history.png").read_bytes().startswith(b"\x89PNG")
    assert "step/s" not in capsys.readouterr().err


def test_no_picture_without_matplotlib(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with caplog.at_level(logging.INFO, "emotionrecog"):
        output.draw_beside(lambda plots: plots.history([]), tmp_path / "mine", "history")
    assert list(tmp_path.iterdir()) == []
    assert "no picture: pictures need Matplotlib" in caplog.text


def test_missing_cells_are_left_empty(tmp_path: Path) -> None:
    output.save_csv([{"a": 1, "b": 2.5}, {"b": "x"}], ("a", "b"), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "a,b\n1,2.5\n,x\n"
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize("kind", [Terminal, io.StringIO])
def test_log_is_written_above_the_bar(
    kind: type[io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = kind()
    monkeypatch.setattr(sys, "stderr", stream)
    logger = logging.getLogger("emotionrecog")
    before = logger.level, list(logger.handlers)
    with (
        output.logging_to_stderr(),
        tqdm(total=9, desc="training", unit="step", disable=None, ncols=70) as bar,
    ):
        bar.update(3)
        logger.info("epoch 1")
        bar.refresh()
        text = stream.getvalue()
    assert (logger.level, logger.handlers) == before
    lines = [line.rpartition("\r")[2].rstrip() for line in text.split("\n")]
    if kind is Terminal:
        assert lines[0] == "emotionrecog: epoch 1"  # the bar that was there is erased
        assert lines[1].startswith("training:  33%|")
        assert "3/9 [00:00<" in lines[1]  # the time that is left
    else:
        assert text == "emotionrecog: epoch 1\n"


@pytest.mark.tensorflow
def test_train_evaluate_predict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpora, target = tmp_path / "corpora", tmp_path / "mine"
    folder = corpora / "ravdess"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    names = [
        f"03-01-{emotion:02d}-01-{statement:02d}-{repetition:02d}-{actor:02d}.wav"
        for emotion in range(1, 9)
        for statement in (1, 2)
        for repetition in (1, 2)
        for actor in (1, 4)
    ]
    for name in names:
        soundfile.write(folder / name, 0.1 * rng.normal(size=8_000), 16_000)
    arguments = ["--corpora", str(corpora)]
    assert cli.main(["train", *arguments, "--output", str(target), "--epochs", "1"]) == 0
    beside = {path.name for path in tmp_path.iterdir()} - {"mine.history.png"}
    assert beside == {"corpora", "mine", "mine.history.csv"}
    card = (target / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "# Model card: mine" in card
    assert "| 64 | 2 | CC BY-NC-SA 4.0 |" in card
    assert "no speakers were left out" in card

    capsys.readouterr()
    clip = str(folder / names[0])
    assert cli.main(["predict", clip, "--model", str(target), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["emotion"] in emotionrecog.EMOTIONS

    assert cli.main(["evaluate", str(target), *arguments]) == 2
    assert "must hold all speakers of protocol 'joint-test'" in capsys.readouterr().err


@pytest.mark.tensorflow
def test_train_needs_the_corpora(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("EMOTIONRECOG_CORPORA", raising=False)
    assert cli.main(["train", "--output", str(tmp_path / "mine")]) == 2
    assert "EMOTIONRECOG_CORPORA" in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()


@pytest.mark.tensorflow
def test_train_holds_one_fold_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training uses all but the test speakers, in the given order; the card names the fold."""
    from emotionrecog import evaluation, training

    asked: dict[str, list[object]] = {}

    def train(
        train_set: list[Utterance],
        validation_set: None,
        *,
        checkpoints: Path,
        test_set: list[Utterance],
        allow_leakage: bool,
        **_: object,
    ) -> Artifact:
        checkpoints.mkdir()
        asked["train"], asked["audited"] = train_set, test_set
        asked["allowed"] = [allow_leakage]
        bundled = EmotionRecognizer().artifact
        speakers = sorted({utterance.speaker for utterance in train_set})
        return dataclasses.replace(bundled, training={**bundled.training, "speakers": speakers})

    def evaluate(
        _: EmotionRecognizer, test_set: list[Utterance], *, allow_leakage: bool
    ) -> evaluation.Report:
        asked["test"] = test_set
        asked["allowed"].append(allow_leakage)
        return evaluation.Report(corpora=(), calibration_error=0.1, n_failed=0)

    monkeypatch.setattr(datasets, "read", lambda _: savee())
    monkeypatch.setattr(training, "train", train)
    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    target = tmp_path / "mine"
    arguments = ["--corpora", "somewhere", "--output", str(target)]
    chosen = ["--hold-out", "savee/emobox4", "--fold", "2"]
    assert cli.main(["train", *arguments, *chosen, "--allow-leakage"]) == 0
    assert asked["allowed"] == [True, True]
    assert cli.main(["train", *arguments, *chosen]) == 0
    assert asked["allowed"] == [False, False]
    assert asked["test"] == [u for u in savee() if u.speaker == "savee/KL"]
    assert asked["audited"] == asked["test"]
    assert asked["train"] == [u for u in savee() if u.speaker != "savee/KL"]
    card = (target / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "was not trained on the test speakers of `savee/emobox4/2`" in card


@pytest.mark.tensorflow
def test_fold_needs_a_protocol(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--output", str(tmp_path / "mine"), "--fold", "1"]) == 2
    assert "--fold needs a protocol: use it with --hold-out" in capsys.readouterr().err
    assert cli.main(["train", "--output", str(tmp_path / "mine"), "--allow-leakage"]) == 2
    assert "--allow-leakage needs a protocol: use it with --hold-out" in capsys.readouterr().err


# Search ------------------------------------------------------------------------------------------


@pytest.mark.tensorflow
def test_search_writes_a_recipe_for_train(
    asked: dict[str, Any],
    tmp_path: Path,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("optuna")
    from emotionrecog.training import search as module

    space = tmp_path / "space.toml"
    space.write_text("learning_rate = [1e-3, 1e-2]\nsizes.units = {low = 2, high = 4}\n")
    best = dataclasses.replace(Recipe.from_toml(file), learning_rate=1e-2)

    def search(train_set: list[Utterance], values: Any, **options: Any) -> module.SearchResult:
        asked.update(options, train_set=train_set, space=values)
        changes = {"learning_rate": 1e-2, "sizes.units": 3}
        good = module.Trial(number=1, changes=changes, uar=0.5, folds=(0.4, 0.6), seconds=9.0)
        bad = module.Trial(number=2, changes=changes, uar=None, error="no, not so")
        return module.SearchResult(recipe=best, trials=(good, bad), importances={})

    monkeypatch.setattr(module, "search", search)
    output = tmp_path / "best.toml"
    options = ["--corpora", "x", "--config", str(file), "--space", str(space), "-o", str(output)]
    more = ["--trials", "4", "--folds", "2", "--storage", "s.db", "--seed", "3"]
    held = ["--hold-out", "savee/emobox4", "--fold", "3"]
    assert cli.main(["search", *options, *more, *held]) == 0
    assert asked["space"] == {"learning_rate": [1e-3, 1e-2], "sizes.units": {"low": 2, "high": 4}}
    assert speakers(asked["train_set"]) == {"JE", "JK", "KL"}  # nobody who will be tested
    assert {u.emotion for u in asked["train_set"]} == {"sad", "happy"}
    assert asked["recipe"] == dataclasses.replace(Recipe.from_toml(file), seed=3)
    wanted = {"n_trials": 4, "folds": 2, "storage": "s.db", "seed": 3, "initial_weights": None}
    assert {name: asked[name] for name in wanted} == wanted
    assert Recipe.from_toml(output) == chosen("--config", output) == best
    assert "best is trial 1 of 2, of which 1 failed: UAR 50.0 %" in capsys.readouterr().out
    assert output.read_text().startswith("# best is trial 1 of 2")
    with (tmp_path / "best.toml.trials.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert (rows[0]["folds"], rows[0]["sizes.units"], rows[0]["error"]) == ("0.4 0.6", "3", "")
    assert (rows[1]["uar"], rows[1]["error"]) == ("", "no, not so")


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("options", "content", "message"),
    [
        ([], "loss = ", "space.toml"),
        ([], "loss = 'focal'", "'loss' must be a list of values"),
        (["--fold", "1"], "loss = ['focal']", "--fold needs a protocol"),
        (["-o", "none/best.toml"], "loss = ['focal']", "no such folder to write to"),
    ],
)
def test_search_reports_wrong_input(
    options: list[str],
    content: str,
    message: str,
    asked: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    del asked
    pytest.importorskip("optuna")
    space = tmp_path / "space.toml"
    space.write_text(content)
    arguments = ["--corpora", "x", "--space", str(space), "-o", str(tmp_path / "best.toml")]
    assert cli.main(["search", *arguments, *options]) == 2
    assert message in capsys.readouterr().err
