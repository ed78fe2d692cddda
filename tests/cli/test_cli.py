"""The command line: what it writes where, and its exit status."""

import contextlib
import csv
import dataclasses
import errno
import io
import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import soundfile

import emotionrecog
from emotionrecog import AudioError, EmotionRecognizer, Prediction, cli
from emotionrecog.datasets import Utterance
from emotionrecog.errors import DatasetError
from tests.conftest import CLIP, Terminal


@pytest.fixture(scope="module")
def recognizer():
    return EmotionRecognizer()


@pytest.fixture
def run(capsys):
    """Run the command and return its exit status, standard output and standard error."""

    def run(*arguments):
        status = cli.main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


def write_recording(path, sampling_rate=16000, seed=0):
    """Write a buzz whose pitch and level waver, as those of a voice do."""
    rng = np.random.default_rng(seed)
    wave = np.sin(2 * np.pi * 4 * np.arange(1.25 * sampling_rate) / sampling_rate)
    phase = 2 * np.pi * np.cumsum(150 + 40 * wave) / sampling_rate
    buzz = (0.6 + 0.4 * wave) * sum(np.sin(k * phase) / k for k in range(1, 15))
    noise = 0.01 * rng.standard_normal(len(buzz))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * buzz + noise, sampling_rate)
    return path


@pytest.fixture
def folder(tmp_path):
    """A folder of three recordings and of what is none."""
    write_recording(tmp_path / "rec" / "b.wav", seed=1)
    write_recording(tmp_path / "rec" / "a.flac", 22050, seed=2)
    write_recording(tmp_path / "rec" / "aa" / "deeper" / "c.OGG", 48000, seed=3)
    write_recording(tmp_path / "rec" / ".hidden.wav")
    write_recording(tmp_path / "rec" / ".hidden" / "d.wav")
    (tmp_path / "rec" / "notes.txt").write_text("no recording")
    return tmp_path / "rec"


def recordings_in(folder):
    return [folder / "a.flac", folder / "aa" / "deeper" / "c.OGG", folder / "b.wav"]


# The command ------------------------------------------------------------------------------------


def test_it_is_installed_as_a_program():
    (script,) = metadata.entry_points(group="console_scripts", name="emotionrecog")
    assert script.load() is cli.main


def test_version(capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"emotionrecog {emotionrecog.__version__}\n"


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_lists_every_command_and_each_has_its_own(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(["--help"])
    assert exit_.value.code == 0
    assert cli.COMMANDS[command].summary in capsys.readouterr().out
    with pytest.raises(SystemExit) as exit_:
        cli.main([command, "--help"])
    assert exit_.value.code == 0
    assert f"usage: emotionrecog {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["guess"], "invalid choice: 'guess'"),
        (["predict"], "required: PATH"),
        (["predict", ""], "expected a path, got an empty word"),
        (["predict", "a.wav", "--format", "xml"], "invalid choice: 'xml'"),
        (["predict", "a.wav", "--form", "csv"], "unrecognized arguments: --form"),
        (["predict", "a.wav", "--coverage", "0.3"], "expected a number from 0.5 to 0.99"),
        (["predict", "a.wav", "--min-confidence", "2"], "expected a number from 0 to 1"),
        (["predict", "a.wav", "--jobs", "0"], "expected a whole number from 1 on, got '0'"),
        (["predict", "a.wav", "--jobs", "two"], "expected a whole number from 1 on, got 'two'"),
    ],
)
def test_wrong_call_is_status_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


# What it writes ---------------------------------------------------------------------------------


def test_table_of_one_recording_shows_every_probability(run, recognizer):
    prediction = recognizer.predict(CLIP)
    status, out, err = run("predict", CLIP)
    assert (status, err) == (0, "")
    head, blank, *rows = out.splitlines()
    assert head == f"{CLIP}: {prediction.emotion}, {100 * prediction.confidence:.0f} %"
    assert blank == ""
    cells = [re.fullmatch(r"  (\w+) +(\d+) %(?:  (█*[▏▎▍▌▋▊▉]?))?", row).groups() for row in rows]
    assert [(label, int(percent)) for label, percent, _ in cells] == [
        (label, round(100 * p)) for label, p in prediction.probabilities.items()
    ]
    lengths = [8 * len(bar or "") for _, _, bar in cells]
    exact = [8 * cli.BAR_WIDTH * p for p in prediction.probabilities.values()]
    np.testing.assert_allclose(lengths, exact, atol=8)
    assert len({row.index("%") for row in rows}) == 1


@pytest.mark.parametrize(
    ("share", "bar", "plain"),
    [
        (0.0, "", ""),
        (0.001, "", ""),
        (1 / 320, "▏", ""),
        (0.5, "█" * 20, "#" * 20),
        (0.51, "█" * 20 + "▍", "#" * 20),
        (0.999, "█" * 40, "#" * 40),
        (1.0, "█" * 40, "#" * 40),
    ],
)
def test_bars_are_drawn_to_an_eighth_where_the_terminal_can(share, bar, plain, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert cli._bar(share).rstrip() == bar
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="cp1252"))
    assert cli._bar(share) == plain


def test_table_is_written_to_any_terminal(tmp_path, monkeypatch):
    recording = write_recording(tmp_path / "élan 日本.wav")
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert cli.main(["predict", str(recording)]) == 0
    out = terminal.buffer.getvalue().decode("latin-1")
    assert "élan \\u65e5\\u672c.wav: " in out
    assert "  #" in out


def test_table_of_several_recordings_has_a_line_for_each(run, folder, recognizer):
    status, out, err = run("predict", folder, CLIP)
    assert (status, err) == (0, "")
    head, *rows = out.splitlines()
    assert head.split() == ["emotion", "confidence", "recording"]
    paths = [*recordings_in(folder), CLIP]
    answers = [recognizer.predict(path) for path in paths]
    assert [row.partition("  (")[0].split(maxsplit=3) for row in rows] == [
        [answer.emotion, f"{100 * answer.confidence:.0f}", "%", str(path)]
        for answer, path in zip(answers, paths, strict=True)
    ]
    assert ["(unsure: " in row for row in rows] == [not answer.is_reliable for answer in answers]
    assert {row.index(str(path)) for row, path in zip(rows, paths, strict=True)} == {
        head.index("recording")
    }


def test_table_is_as_wide_as_the_labels_and_the_header():
    for label in ("sad", "overwhelmingly joyful"):
        head = cli.FORMATS["table"].head([label])
        prediction = Prediction(emotion=label, confidence=1.0, probabilities={label: 1.0})
        row = cli.FORMATS["table"].row("clip.wav", prediction)
        assert head.index("recording") == row.index("clip.wav")
        assert row.split("  ")[0].rstrip() == label


def test_json_has_a_line_for_each_recording(run, folder, recognizer):
    status, out, err = run("predict", folder, CLIP, "--format", "json")
    assert (status, err) == (0, "")
    assert [json.loads(line) for line in out.splitlines()] == [
        {"path": str(path), **recognizer.predict(path).to_dict()}
        for path in [*recordings_in(folder), CLIP]
    ]


@pytest.mark.parametrize("several", [False, True], ids=["one", "several"])
def test_csv_has_a_header_and_a_row_for_each_recording(several, run, tmp_path, recognizer):
    odd = write_recording(tmp_path / 'a, "b"\nc.wav')
    paths = [odd, CLIP] if several else [odd]
    status, out, err = run("predict", *paths, "--format", "csv")
    assert (status, err) == (0, "")
    assert out.startswith("path,emotion,confidence,neutral,calm,")
    assert "\r" not in out
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    for path, row in zip(paths, rows, strict=True):
        answer = recognizer.predict(path)
        assert row.pop("path") == str(path)
        assert row.pop("emotion") == answer.emotion
        assert float(row.pop("confidence")) == answer.confidence
        assert row.pop("is_reliable") == ("yes" if answer.is_reliable else "no")
        assert row.pop("reasons") == "; ".join(answer.reasons)
        assert row.pop("label_set") == ""
        assert {label: float(p) for label, p in row.items()} == answer.probabilities


def test_standard_input_is_a_recording(run, monkeypatch, recognizer):
    for paths in (["-"], [CLIP, "-", CLIP]):
        stdin = io.TextIOWrapper(io.BytesIO(CLIP.read_bytes()))
        monkeypatch.setattr(sys, "stdin", stdin)
        status, out, err = run("predict", *paths, "--format", "json")
        assert (status, err) == (0, "")
        answers = [json.loads(line) for line in out.splitlines()]
        assert [answer["path"] for answer in answers] == [str(path) for path in paths]
        assert {answer["emotion"] for answer in answers} == {recognizer.predict(CLIP).emotion}


def test_name_that_would_break_the_line_is_quoted(run, tmp_path):
    good = write_recording(tmp_path / "a\n\x1b[31m.wav")
    bad = tmp_path / "b\n.wav"
    bad.touch()
    _, out, _ = run("predict", good)
    assert out.splitlines()[0].startswith(f"{str(good)!r}: ")
    _, out, err = run("predict", good, bad)
    assert f"%  {str(good)!r}" in out.splitlines()[1]
    assert err.startswith(f"emotionrecog: {str(bad)!r}: empty")
    assert err.count("\n") == 1


def test_name_that_is_not_text(tmp_path, capfdbinary):
    name = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    path = os.fsdecode(name)
    try:
        shutil.copy(CLIP, path)
    except OSError:
        pytest.skip("the file system takes no such name")
    assert cli.main(["predict", path, path]) == 0
    assert capfdbinary.readouterr().out.splitlines()[1].endswith(ascii(path).encode())
    assert cli.main(["predict", path, "--format", "csv"]) == 0
    assert capfdbinary.readouterr().out.splitlines()[1].startswith(name + b",")
    assert cli.main(["predict", path, "--format", "json"]) == 0
    assert os.fsencode(json.loads(capfdbinary.readouterr().out)["path"]) == name


# Which recogniser -------------------------------------------------------------------------------


def test_model_is_a_name_or_a_folder(run, tmp_path, recognizer):
    recognizer.save(tmp_path / "saved")
    expected = run("predict", CLIP, "--format", "csv")
    assert run("predict", CLIP, "--format", "csv", "--model", "english-8") == expected
    assert run("predict", CLIP, "--format", "csv", "--model", tmp_path / "saved") == expected


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "no recogniser '.*saved'"),
        (lambda saved: (saved / "recognizer.json").unlink(), "holds no recognizer.json"),
        (lambda saved: (saved / "model.onnx").write_bytes(b"?"), "model.onnx: damaged"),
        (
            lambda saved: [(saved / "model.onnx").unlink(), (saved / "model.onnx").mkdir()],
            "model.onnx",
        ),
    ],
    ids=["no folder", "no description", "damaged network", "unreadable network"],
)
def test_model_that_cannot_be_loaded_is_one_line(damage, message, run, tmp_path, recognizer):
    recognizer.save(tmp_path / "saved")
    damage(tmp_path / "saved")
    status, out, err = run("predict", CLIP, "--model", tmp_path / "saved")
    assert (status, out) == (1, "")
    assert re.fullmatch(f"emotionrecog: .*{message}.*\n", err)


# What goes wrong --------------------------------------------------------------------------------


def make_bad(folder, kind):
    """Make a recording that cannot be judged."""
    path = folder / f"{kind}.wav"
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("this is no recording, whatever its name says")
    elif kind == "silent":
        soundfile.write(path, np.zeros(16000), 16000)
    elif kind == "short":
        soundfile.write(path, np.tile([0.5, -0.5], 8), 16000)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "no such audio file"),
        ("empty", "empty, 0 bytes"),
        ("text", "cannot be decoded as audio"),
        ("silent", "silent: all"),
        ("short", "too short: expected at least"),
    ],
)
def test_bad_recording_is_one_line_and_stops_nothing(kind, message, run, tmp_path):
    bad = make_bad(tmp_path, kind)
    status, out, err = run("predict", bad)
    assert (status, out) == (1, "")
    assert err.startswith(f"emotionrecog: {bad}: ")
    assert message in err
    assert err.count(str(bad)) == 1
    assert err.count("\n") == 1

    status, out, same = run("predict", CLIP, bad, CLIP, "--format", "json")
    assert status == 1
    assert [json.loads(line)["path"] for line in out.splitlines()] == [str(CLIP)] * 2
    assert same == err


def test_message_of_several_lines_becomes_one(run, monkeypatch):
    def predict(self, source, **_):
        raise AudioError("what ffmpeg said\nand what to do")

    monkeypatch.setattr(EmotionRecognizer, "predict", predict)
    _, _, err = run("predict", CLIP)
    assert err == f"emotionrecog: {CLIP}: what ffmpeg said and what to do\n"


def test_bad_standard_input_is_one_line(run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    status, out, err = run("predict", "-")
    assert (status, out) == (1, "")
    assert err.startswith("emotionrecog: -: empty, 0 bytes")


def test_folder_without_recordings_is_an_error(run, folder):
    bare = folder / "bare"
    bare.mkdir()
    (bare / "notes.txt").touch()
    status, out, err = run("predict", bare)
    assert (status, out) == (1, "")
    assert err.startswith(f"emotionrecog: {bare}: no recording in this folder; expected any of .w")
    status, out, same = run("predict", bare, folder, "--format", "json")
    assert (status, same) == (1, err)
    assert len(out.splitlines()) == 3


def test_folder_that_cannot_be_read_is_an_error(run, folder, monkeypatch):
    # Root may read every folder, so the system's answer is feigned.
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "aa":
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    status, out, err = run("predict", folder, "--format", "json")
    assert (status, err) == (1, f"emotionrecog: {folder / 'aa'}: Permission denied\n")
    assert len(out.splitlines()) == 2
    status, out, err = run("predict", folder / "aa")
    assert (status, out) == (1, "")
    assert err == f"emotionrecog: {folder / 'aa'}: Permission denied\n"


def test_ctrl_c_leaves_what_is_known_and_no_traceback(run, monkeypatch, recognizer):
    prediction = recognizer.predict(CLIP)

    def interrupted(self, sources, **options):
        yield prediction
        raise KeyboardInterrupt

    monkeypatch.setattr(EmotionRecognizer, "predict_batch", interrupted)
    status, out, err = run("predict", CLIP, CLIP, "--format", "json")
    assert (status, err) == (130, "emotionrecog: interrupted\n")
    assert len(out.splitlines()) == 1


def run_writing_to(stdout):
    """Run the command in a process of its own and return its exit status and standard error."""
    code = "import sys; from emotionrecog.cli import main; sys.exit(main())"
    # Unbuffered, Python has nothing left to write, and to fail at, when it exits.
    environment = {name: v for name, v in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, "-c", code, "predict", CLIP],
        env=environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_reader_that_leaves_is_no_error():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        assert run_writing_to(pipe) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_full_disk_is_one_line():
    with Path("/dev/full").open("wb") as full:
        status, err = run_writing_to(full)
    assert status == 1
    assert re.fullmatch(r"emotionrecog: .*No space left on device.*\n", err)


# How it works -----------------------------------------------------------------------------------


def run_on_terminal(*arguments):
    """Run the command and return its exit status and the terminal."""
    terminal = Terminal()
    with contextlib.redirect_stdout(terminal), contextlib.redirect_stderr(terminal):
        status = cli.main([str(argument) for argument in arguments])
    return status, terminal


def test_progress_bar_leaves_the_answers_alone(folder):
    (folder / "aa" / "bad.wav").touch()
    status, terminal = run_on_terminal("predict", folder)
    assert status == 1
    assert "100%" in terminal.getvalue()
    assert "4/4" in terminal.getvalue()
    first, *rows, last = terminal.lines()
    assert first == "emotion    confidence  recording"
    named = [row.partition(f"{folder}{os.sep}")[2].partition("  (")[0] for row in rows]
    assert named == [
        "a.flac",
        "aa/bad.wav: empty, 0 bytes; record or copy it again",
        "aa/deeper/c.OGG",
        "b.wav",
    ]
    assert all(re.match(r"\w+ +\d+ %  /|emotionrecog: /", row) for row in rows)
    assert last == ""


def test_one_recording_has_no_progress_bar():
    status, terminal = run_on_terminal("predict", CLIP)
    assert status == 0
    assert terminal.lines()[0].startswith(f"{CLIP}: ")
    assert "\r" not in terminal.getvalue()


@pytest.mark.parametrize(("options", "n_jobs"), [([], -1), (["--jobs", "3"], 3)])
def test_jobs_is_the_number_of_workers(options, n_jobs, run, monkeypatch):
    asked = []

    def predict_batch(self, sources, **options):
        asked.append(options["n_jobs"])
        return map(self.predict, sources)

    monkeypatch.setattr(EmotionRecognizer, "predict_batch", predict_batch)
    assert run("predict", CLIP, CLIP, *options)[0] == 0
    assert asked == [n_jobs]


@pytest.mark.parametrize(
    ("arguments", "left_out"),
    [
        (["--help"], {"numpy", "onnxruntime"}),
        (["predict", "--help"], {"numpy", "onnxruntime"}),
        (["predict", str(CLIP)], {"joblib", "keras", "tensorflow", "tqdm"}),
    ],
)
def test_only_what_is_needed_is_imported(arguments, left_out):
    code = f"""
import sys
from emotionrecog.cli import main
try:
    status = main({arguments})
except SystemExit as exit_:
    status = exit_.code
print(*sys.modules, file=sys.stderr)
sys.exit(status)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    loaded = set(done.stderr.split())
    assert "emotionrecog.cli" in loaded
    assert loaded & left_out == set()


# train and evaluate -----------------------------------------------------------------------------


@pytest.mark.tensorflow
def test_train_evaluate_predict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpora, output = tmp_path / "corpora", tmp_path / "mine"
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
    assert cli.main(["train", *arguments, "--output", str(output), "--epochs", "1"]) == 0
    beside = {path.name for path in tmp_path.iterdir()} - {"mine.history.png"}
    assert beside == {"corpora", "mine", "mine.history.csv"}
    card = (output / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "# Model card: mine" in card
    assert "| 64 | 2 | CC BY-NC-SA 4.0 |" in card
    assert "no speakers were left out" in card

    capsys.readouterr()
    clip = str(folder / names[0])
    assert cli.main(["predict", clip, "--model", str(output), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["emotion"] in emotionrecog.EMOTIONS

    assert cli.main(["evaluate", str(output), *arguments]) == 1
    assert "must hold all speakers of protocol 'joint-test'" in capsys.readouterr().err


@pytest.mark.tensorflow
def test_train_says_that_it_needs_the_corpora(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("EMOTIONRECOG_CORPORA", raising=False)
    assert cli.main(["train", "--output", str(tmp_path / "mine")]) == 1
    assert "EMOTIONRECOG_CORPORA" in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()


def savee() -> list[Utterance]:
    names = [
        (speaker, emotion) for emotion in ("sad", "happy") for speaker in ("DC", "JE", "JK", "KL")
    ]
    return [
        Utterance(Path(f"{speaker}-{emotion}.wav"), emotion, "savee", f"savee/{speaker}")
        for speaker, emotion in names
    ]


@pytest.mark.tensorflow
def test_train_holds_one_fold_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the test speakers are learnt from, in the given order; the card names the fold."""
    from emotionrecog import datasets, evaluation, training

    asked: dict[str, list[object]] = {}

    def train(
        train_set: list[Utterance],
        *,
        checkpoints: Path,
        test_set: list[Utterance],
        allow_leakage: bool,
        **_: object,
    ) -> EmotionRecognizer:
        checkpoints.mkdir()
        asked["train"], asked["audited"] = train_set, test_set
        asked["allowed"] = [allow_leakage]
        bundled = EmotionRecognizer().artifact
        speakers = sorted({utterance.speaker for utterance in train_set})
        return EmotionRecognizer(
            dataclasses.replace(bundled, training={**bundled.training, "speakers": speakers})
        )

    def evaluate(
        _: EmotionRecognizer, test_set: list[Utterance], *, allow_leakage: bool
    ) -> evaluation.Report:
        asked["test"] = test_set
        asked["allowed"].append(allow_leakage)
        return evaluation.Report(corpora=(), calibration_error=0.1, n_failed=0)

    monkeypatch.setattr(datasets, "read", lambda _: savee())
    monkeypatch.setattr(training, "train", train)
    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    output = tmp_path / "mine"
    arguments = ["--corpora", "somewhere", "--output", str(output)]
    chosen = ["--hold-out", "savee/emobox4", "--fold", "2"]
    assert cli.main(["train", *arguments, *chosen, "--allow-leakage"]) == 0
    assert asked["allowed"] == [True, True]
    assert cli.main(["train", *arguments, *chosen]) == 0
    assert asked["allowed"] == [False, False]
    assert asked["test"] == [u for u in savee() if u.speaker == "savee/KL"]
    assert asked["audited"] == asked["test"]
    assert asked["train"] == [u for u in savee() if u.speaker != "savee/KL"]
    card = (output / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "has not heard the test speakers of `savee/emobox4/2`" in card


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "needs --fold with a number from 1 to 4, got none"),
        (["--fold", "5"], "needs --fold with a number from 1 to 4, got 5"),
        (["--fold", "2"], "was trained on 1 speakers of the test set, such as savee/KL"),
        (["--fold", "4"], "was trained on 1 speakers of the test set, such as savee/JK"),
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
    assert cli.main(["evaluate", *arguments, *options]) == 1
    assert message in capsys.readouterr().err


def test_evaluate_measures_on_fewer_emotions(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Others are left out, or taken as the label set says; the report tells which set it was."""
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
    assert cli.main(["evaluate", *arguments, "--labels", "bored"]) == 1
    assert "--labels: expected one of" in capsys.readouterr().err


@pytest.mark.tensorflow
def test_fold_needs_a_protocol(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--output", str(tmp_path / "mine"), "--fold", "1"]) == 1
    assert "--fold is for a protocol that --hold-out names" in capsys.readouterr().err
    assert cli.main(["train", "--output", str(tmp_path / "mine"), "--allow-leakage"]) == 1
    assert "--allow-leakage is for a protocol that --hold-out" in capsys.readouterr().err


def test_fold_is_chosen_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Of song alone there is no fold of actor 18, and fold 19 stays fold 19."""
    actors = [f"{number:02d}" for number in range(1, 25) if number != 18]
    song = [
        Utterance(Path(f"{actor}.wav"), "sad", "ravdess", f"ravdess/{actor}", style="song")
        for actor in actors
    ]
    fold = cli._fold(song, "ravdess/loso", 19)
    assert (fold.name, [u.speaker for u in fold.test]) == ("ravdess/loso/19", ["ravdess/19"])
    assert cli._fold(song, "ravdess/loso", 24).name == "ravdess/loso/24"
    with pytest.raises(DatasetError, match=r"'ravdess/loso/18' tests ravdess/18, of whom there is"):
        cli._fold(song, "ravdess/loso", 18)


def test_evaluate_measures_what_leaks_if_it_is_told_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from emotionrecog import datasets

    recorded = [
        dataclasses.replace(u, path=write_recording(tmp_path / u.path.name)) for u in savee()
    ]
    monkeypatch.setattr(datasets, "read", lambda _: recorded)
    arguments = ["english-8", "--corpora", "x", "--protocol", "savee/emobox4", "--fold", "2"]
    assert cli.main(["evaluate", *arguments]) == 1
    assert "--allow-leakage on the command line" in capsys.readouterr().err
    assert cli.main(["evaluate", *arguments, "--allow-leakage"]) == 0
    assert capsys.readouterr().out.startswith("LEAKY, these are no figures on new voices")


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("protocol", "n_learnt"), [("joint-test", 9664), ("joint-validation", 6192)]
)
def test_all_but_the_test_speakers_are_learnt_from(
    protocol: str, n_learnt: int, corpora_root: Path
) -> None:
    from emotionrecog import datasets
    from emotionrecog.splits import protocols

    four = {"ravdess", "crema_d", "savee", "tess"}
    utterances = [u for u in datasets.read(corpora_root) if u.corpus in four]
    fold = cli._fold(utterances, protocol, None)
    unheard = protocols.held_out("joint-test") | protocols.held_out(protocol)
    learnt = cli._learnt(utterances, fold)
    assert learnt == [u for u in utterances if u.speaker not in unheard]
    assert len(learnt) == n_learnt


@pytest.mark.corpora
def test_evaluate_refuses_speakers_of_the_training(
    corpora_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["evaluate", "english-8", "--corpora", str(corpora_root)]) == 1
    assert "was trained on" in capsys.readouterr().err
