"""The command plot: its picture, exit status and messages."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from matplotlib.figure import Figure

from emotionrecog import cli
from tests.conftest import CLIP


@pytest.fixture
def run(capsys):
    """Run the command and return its exit status, standard output and standard error."""

    def run(*arguments):
        status = cli.main(["plot", *map(str, arguments)])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def figures(monkeypatch):
    """Collect the figures that are written."""
    written = []
    save = Figure.savefig

    def savefig(figure, path, **options):
        written.append(figure)
        save(figure, path, **options)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return written


def write_tone(path, pitch=220, rate=16_000):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.sin(2 * np.pi * pitch * np.arange(rate // 5) / rate), rate)
    return path


def rows(figure):
    """Return the titles of the rows."""
    labels = [panel.get_ylabel() for panel in figure.axes]
    return [label.partition("\n")[0] for label in labels if "\n" in label]


def titles(figure):
    return [title for panel in figure.axes if (title := panel.get_title(loc="left"))]


@pytest.mark.parametrize(
    ("suffix", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF")]
)
def test_picture_is_written(suffix, begins, run, tmp_path):
    picture = tmp_path / f"clip{suffix}"
    assert run(CLIP, "--kind", "rms", "-o", picture) == (0, "", f"emotionrecog: wrote {picture}\n")
    assert picture.read_bytes().startswith(begins)
    assert list(tmp_path.iterdir()) == [picture]


def test_a_row_for_each_kind_and_a_column_for_each_clip(run, tmp_path, figures):
    clips = [write_tone(tmp_path / "a.wav"), write_tone(tmp_path / "$b$.wav", 330)]
    assert run(*clips, "--kind", "f0", "--kind", "rms", "-o", tmp_path / "ab.png")[0] == 0
    assert rows(figures[0]) == ["fundamental frequency", "RMS"]
    assert titles(figures[0]) == ["a.wav", "$b$.wav"]


def test_without_a_kind_there_are_two(run, tmp_path, figures):
    assert run(CLIP, "--output", tmp_path / "clip.png")[0] == 0
    assert rows(figures[0]) == ["waveform", "log-amplitude spectrogram"]
    assert titles(figures[0]) == ["clip.wav"]


def test_title_names_the_emotion_of_a_corpus_recording(run, tmp_path, figures):
    clips = [
        write_tone(tmp_path / "1001_DFA_ANG_XX.wav"),
        write_tone(tmp_path / "03-01-04-01-01-01-12.wav"),
        write_tone(tmp_path / "angry.wav"),
    ]
    assert run(*clips, "--kind", "rms", "-o", tmp_path / "x.png")[0] == 0
    assert titles(figures[0]) == [
        "angry\n1001_DFA_ANG_XX.wav",
        "sad\n03-01-04-01-01-01-12.wav",
        "angry.wav",
    ]


def test_columns_by_emotion(run, tmp_path, figures):
    names = ("1001_DFA_SAD_XX", "1002_DFA_NEU_XX", "1001_DFA_NEU_XX")
    clips = [write_tone(tmp_path / f"{name}.wav") for name in names]
    picture = tmp_path / "x.png"
    assert run(*clips, "--kind", "rms", "--by-emotion", "-o", picture)[0] == 0
    columns = [panel.get_subplotspec().colspan.start for panel in figures[0].axes]
    assert dict(zip(titles(figures[0]), columns, strict=True)) == {
        "neutral\n1002_DFA_NEU_XX": 0,
        "neutral\n1001_DFA_NEU_XX": 0,
        "sad\n1001_DFA_SAD_XX": 1,
    }


def test_by_emotion_needs_names_of_a_corpus(run, tmp_path):
    status, out, err = run(CLIP, "--by-emotion", "-o", tmp_path / "x.png")
    assert (status, out) == (2, "")
    assert f"{CLIP}: not a file name of a known corpus" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [(), ("--by-emotion",)])
def test_recordings_are_resampled_if_asked(arguments, run, tmp_path, figures):
    clip = write_tone(tmp_path / "1001_DFA_SAD_XX.wav", rate=48_000)
    options = ("--kind", "spectrum", *arguments, "-o", tmp_path / "x.png")
    assert run(clip, *options, "--sampling-rate", 8000)[0] == 0
    assert run(clip, *options)[0] == 0
    assert [figure.axes[0].get_xlim() for figure in figures] == [(0, 4), (0, 24)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "x.png"], "required: CLIP"),
        (["a.wav"], "required: -o/--output"),
        (["a.wav", "-o", "x.jpg"], "expected a file with one of .png, .svg, .pdf, got 'x.jpg'"),
        (["a.wav", "-o", "x.png", "--kind", "loudness"], "invalid choice: 'loudness'"),
        (["a.wav", "-o", "x.png", "--sampling-rate", "0"], "expected a whole number of at least 1"),
        (["", "-o", "x.png"], "expected a path, got an empty word"),
    ],
)
def test_wrong_call_is_status_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(["plot", *arguments])
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


def make_bad(folder, kind):
    path = folder / "bad.wav"
    if kind == "noise":
        path.write_bytes(b"not audio at all" * 10)
    elif kind == "silent":
        soundfile.write(path, np.zeros(8000), 16_000)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("noise", "cannot be decoded"),
        ("silent", "silent"),
        ("missing", "no such audio file"),
    ],
)
@pytest.mark.parametrize("before", [b"", b"an older picture"])
def test_recording_that_cannot_be_drawn_keeps_the_old_file(kind, message, before, run, tmp_path):
    bad = make_bad(tmp_path, kind)
    picture = tmp_path / "pictures" / "x.png"
    picture.parent.mkdir()
    if before:
        picture.write_bytes(before)
    status, out, err = run(CLIP, bad, "-o", picture)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert [path.read_bytes() for path in picture.parent.iterdir()] == ([before] if before else [])


def test_no_incomplete_picture_is_left(run, tmp_path, monkeypatch):
    def savefig(figure, path, **options):
        Path(path).write_bytes(b"half of a pic")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", savefig)
    picture = tmp_path / "x.png"
    picture.write_bytes(b"an older picture")
    status, _, err = run(CLIP, "--kind", "rms", "-o", picture)
    assert status == 2
    assert "No space left on device" in err
    assert list(tmp_path.iterdir()) == [picture]
    assert picture.read_bytes() == b"an older picture"


def test_missing_folder_is_reported_before_the_work(run, tmp_path):
    status, _, err = run(tmp_path / "missing.wav", "-o", tmp_path / "nowhere" / "x.png")
    assert status == 2
    assert "no such folder to write to" in err


def test_too_many_clips_are_an_error(run, tmp_path):
    clip = write_tone(tmp_path / "a.wav")
    status, _, err = run(*[clip] * 101, "--kind", "rms", "-o", tmp_path / "x.png")
    assert status == 2
    assert "at most 100 panels" in err


def test_without_matplotlib_it_says_what_to_install(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    status, _, err = run(tmp_path / "missing.wav", "-o", tmp_path / "x.png")
    assert status == 2
    assert "pip install 'emotionrecog[plots]'" in err


def test_letters_missing_from_the_font_raise_no_warning(run, tmp_path):
    clip = shutil.copy(CLIP, tmp_path / "声.wav")
    status, out, err = run(clip, "--kind", "rms", "-o", tmp_path / "x.png")
    assert (status, out, err.count("\n")) == (0, "", 1)


def test_no_window_opens_and_nothing_heavy_is_imported(tmp_path):
    code = f"""
import sys
from emotionrecog.cli import main
status = main(["plot", {str(CLIP)!r}, "--kind", "f0", "-o", {str(tmp_path / "x.png")!r}])
print(*sys.modules)
sys.exit(status)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "matplotlib.figure" in loaded
    heavy = {"matplotlib.pyplot", "tensorflow", "onnxruntime", "librosa", "numba", "pandas"}
    assert loaded & heavy == set()
