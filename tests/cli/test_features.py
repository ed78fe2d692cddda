"""The command features: the contents of its tables, and its errors."""

import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest
import soundfile

from emotionrecog import audio, cli
from emotionrecog.cli import features
from emotionrecog.features import PRESETS, Extractor, FeatureSpec

RATE = 16_000


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    """Two recordings of different lengths in a folder."""
    folder = tmp_path / "clips"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, n_samples in (("a.wav", 8_000), ("b, c.wav", 12_000)):
        soundfile.write(folder / name, rng.uniform(-0.3, 0.3, n_samples), RATE)
    return sorted(folder.iterdir())


def expected(clip: Path, spec: FeatureSpec) -> np.ndarray:
    return Extractor(spec)(audio.load(clip, sampling_rate=spec.sampling_rate).samples)


def run(*arguments: object) -> int:
    return cli.main(["features", *map(str, arguments)])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_table_has_a_row_for_each_frame(
    clips: list[Path], tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / f"out{suffix.upper()}"
    assert run(*clips, "-o", target) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"emotionrecog: wrote 19 features of 2 recordings to {target}\n"
    table = pandas.read_csv(target) if suffix == ".csv" else pandas.read_parquet(target)
    spec = PRESETS["descriptors"]
    assert tuple(table.columns) == ("path", "time", *spec.feature_names)
    assert list(dict.fromkeys(table["path"])) == [str(clip) for clip in clips]
    for clip in clips:
        rows = table[table["path"] == str(clip)]
        frames = expected(clip, spec)
        np.testing.assert_array_equal(rows[list(spec.feature_names)].astype(np.float32), frames)
        times = np.arange(len(frames)) * spec.hop_length / spec.sampling_rate
        np.testing.assert_allclose(rows["time"], times, atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips", target.name]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_functionals_make_a_row_for_each_recording(
    clips: list[Path], tmp_path: Path, suffix: str
) -> None:
    target = tmp_path / f"out{suffix}"
    chosen = ("--preset", "mfcc", "--features", "rms, f0", "--functionals", "mean,percentile90")
    assert run(clips[0].parent, *chosen, "-o", target) == 0
    names = ["rms_mean", "f0_mean", "rms_percentile90", "f0_percentile90"]
    if suffix == ".npz":
        with np.load(target, allow_pickle=False) as saved:
            assert sorted(saved) == ["feature_names", "features", "paths", "spec"]
            assert list(saved["feature_names"]) == names
            assert list(saved["paths"]) == [str(clip) for clip in clips]
            measured, spec = (
                saved["features"],
                FeatureSpec.from_dict(json.loads(str(saved["spec"]))),
            )
    else:
        table = pandas.read_csv(target) if suffix == ".csv" else pandas.read_parquet(target)
        assert list(table.columns) == ["path", *names]
        assert list(table["path"]) == [str(clip) for clip in clips]
        measured, spec = table[names].to_numpy(np.float32), None
    functionals = ("mean", "percentile90")
    reference = FeatureSpec.from_dict(
        {**PRESETS["mfcc"].to_dict(), "features": ["rms", "f0"], "functionals": list(functionals)}
    )
    assert spec in (None, reference)
    np.testing.assert_array_equal(measured, [expected(clip, reference) for clip in clips])


@pytest.mark.parametrize("name", ["out.npz", "OUT.NPZ"])
def test_npz_has_an_array_for_each_recording(clips: list[Path], tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    assert run(*clips, "--preset", "log-mel", "-o", target, "--jobs", 1) == 0
    with np.load(target, allow_pickle=False) as saved:
        assert list(saved["paths"]) == [str(clip) for clip in clips]
        assert tuple(saved["feature_names"]) == PRESETS["log-mel"].feature_names
        assert FeatureSpec.from_dict(json.loads(str(saved["spec"]))) == PRESETS["log-mel"]
        for i, clip in enumerate(clips):
            np.testing.assert_array_equal(
                saved[f"features_{i}"], expected(clip, PRESETS["log-mel"]), strict=True
            )


def test_csv_keeps_every_bit(clips: list[Path], tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    assert run(clips[1], "-o", target) == 0
    with target.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    numbers = np.array([[np.float32(cell) for cell in row[2:]] for row in rows[1:]])
    np.testing.assert_array_equal(numbers, expected(clips[1], PRESETS["descriptors"]))
    assert rows[1][0] == str(clips[1])


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_bad_recording_is_reported_and_the_others_are_written(
    clips: list[Path], tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, partial = tmp_path / f"whole{suffix}", tmp_path / f"partial{suffix}"
    assert run(*clips, "-o", whole) == 0
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(RATE), RATE)
    assert run(clips[0], tmp_path / "missing.wav", silent, clips[1], "-o", partial) == 1
    out, err = capsys.readouterr()
    assert out == ""
    _, missing, mute, wrote = err.splitlines()
    assert wrote.endswith(f"of 2 recordings to {partial}")
    assert missing == f"emotionrecog: {tmp_path / 'missing.wav'}: No such file or directory"
    assert mute.startswith(f"emotionrecog: {silent}: silent: all 16000 samples")
    if suffix == ".npz":
        with np.load(whole) as one, np.load(partial) as other:
            assert sorted(one) == sorted(other)
            assert all(np.array_equal(one[name], other[name]) for name in one)
    else:
        read = pandas.read_csv if suffix == ".csv" else pandas.read_parquet
        pandas.testing.assert_frame_equal(read(whole), read(partial))


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_nothing_is_written_if_no_recording_can_be_measured(
    tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / f"out{suffix}"
    target.write_text("as it was")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run(tmp_path / "missing.wav", empty, "-o", target) == 2
    assert "no recording in this folder" in capsys.readouterr().err
    assert target.read_text() == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", target.name]


def test_failure_while_writing_keeps_the_old_file(
    clips: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    target = tmp_path / "out.csv"
    target.write_text("as it was")
    monkeypatch.setattr(
        features, "_times", lambda features, spec: [0.0]
    )  # fewer than there are frames
    assert run(*clips, "-o", target) == 2
    assert "emotionrecog: " in capsys.readouterr().err
    assert target.read_text() == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips", "out.csv"]


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text elsewhere")
def test_names_that_are_not_text(clips: list[Path], tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.wav"))
    clips[0].rename(odd)
    assert run(odd, "--functionals", "mean", "-o", tmp_path / "out.csv") == 0
    assert os.fsencode(odd) in (tmp_path / "out.csv").read_bytes()
    assert run(odd, "-o", tmp_path / "out.npz") == 0
    with np.load(tmp_path / "out.npz") as saved:
        assert list(saved["paths"]) == [str(odd)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "{}/none/out.csv"], "no such folder to write to"),
        (["-o", "{}/folder.csv"], "expected a file to write, got a folder"),
        (["-o", "{}/out.csv", "--features", "rms,fo"], "expected some of rms, zero_crossing_rate"),
        (["-o", "{}/out.csv", "--functionals", ""], "expected some of mean, std"),
        (["-o", "{}/out.csv", "--preset", "mel-128x87", "--functionals", "std"], "`n_frames` must"),
    ],
)
def test_errors_are_reported_before_the_work(
    clips: list[Path],
    tmp_path: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "folder.csv").mkdir()
    monkeypatch.setattr(audio, "load", None)
    assert run(*clips, *(argument.format(tmp_path) for argument in arguments)) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["pandas", "pyarrow"])
def test_missing_pyarrow_is_reported_with_a_remedy(
    clips: list[Path],
    tmp_path: Path,
    missing: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    assert run(*clips, "-o", tmp_path / "out.parquet") == 2
    assert "pip install 'emotionrecog[tables]'" in capsys.readouterr().err
    assert run(*clips, "-o", tmp_path / "out.csv") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.wav"], "the following arguments are required: -o"),
        (["-o", "a.csv"], "required: PATH"),
        (["a.wav", "-o", "a.xlsx"], "expected a file with one of .csv, .npz, .parquet"),
        (["a.wav", "-o", "a.csv", "--preset", "mels"], "invalid choice: 'mels'"),
    ],
)
def test_wrong_call_is_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        run(*arguments)
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err
