"""The command predict: its output, messages and exit status."""

import contextlib
import csv
import errno
import io
import json
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotionrecog import AudioError, EmotionRecognizer, Prediction, cli
from emotionrecog.cli import predict
from tests.cli.conftest import write_recording
from tests.conftest import CLIP, Terminal


@pytest.fixture(scope="module")
def recognizer():
    return EmotionRecognizer()


@pytest.fixture
def folder(tmp_path):
    """A folder of three recordings and some other files."""
    write_recording(tmp_path / "rec" / "b.wav", seed=1)
    write_recording(tmp_path / "rec" / "a.flac", 22050, seed=2)
    write_recording(tmp_path / "rec" / "aa" / "deeper" / "c.OGG", 48000, seed=3)
    write_recording(tmp_path / "rec" / ".hidden.wav")
    write_recording(tmp_path / "rec" / ".hidden" / "d.wav")
    (tmp_path / "rec" / "notes.txt").write_text("no recording")
    return tmp_path / "rec"


def recordings_in(folder):
    return [folder / "a.flac", folder / "aa" / "deeper" / "c.OGG", folder / "b.wav"]


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
    exact = [8 * predict.BAR_WIDTH * p for p in prediction.probabilities.values()]
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
    assert predict._bar(share).rstrip() == bar
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="cp1252"))
    assert predict._bar(share) == plain


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
        head = predict.FORMATS["table"].head([label])
        prediction = Prediction(emotion=label, confidence=1.0, probabilities={label: 1.0})
        row = predict.FORMATS["table"].row("clip.wav", prediction)
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
    assert (status, out) == (2, "")
    assert re.fullmatch(f"emotionrecog: .*{message}.*\n", err)


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
def test_bad_recording_is_one_line_and_does_not_stop_the_others(kind, message, run, tmp_path):
    bad = make_bad(tmp_path, kind)
    status, out, err = run("predict", bad)
    assert (status, out) == (2, "")
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
    assert (status, out) == (2, "")
    assert err.startswith("emotionrecog: -: empty, 0 bytes")


def test_folder_without_recordings_is_an_error(run, folder):
    bare = folder / "bare"
    bare.mkdir()
    (bare / "notes.txt").touch()
    status, out, err = run("predict", bare)
    assert (status, out) == (2, "")
    assert err.startswith(f"emotionrecog: {bare}: no recording in this folder; expected any of .w")
    status, out, same = run("predict", bare, folder, "--format", "json")
    assert (status, same) == (1, err)
    assert len(out.splitlines()) == 3


def test_folder_that_cannot_be_read_is_an_error(run, folder, monkeypatch):
    # Root may read every folder, so the system's answer is feigned.
    scandir = os.scandir

    def scan(path):
        if Path(path).name == "aa":
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    status, out, err = run("predict", folder, "--format", "json")
    assert (status, err) == (1, f"emotionrecog: {folder / 'aa'}: Permission denied\n")
    assert len(out.splitlines()) == 2
    status, out, err = run("predict", folder / "aa")
    assert (status, out) == (2, "")
    assert err == f"emotionrecog: {folder / 'aa'}: Permission denied\n"


def run_on_terminal(*arguments):
    """Run the command and return its exit status and the terminal."""
    terminal = Terminal()
    with contextlib.redirect_stdout(terminal), contextlib.redirect_stderr(terminal):
        status = cli.main([str(argument) for argument in arguments])
    return status, terminal


def test_progress_bar_does_not_disturb_the_answers(folder):
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
