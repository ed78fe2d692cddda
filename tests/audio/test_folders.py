"""Recordings in a folder and its subfolders."""

from pathlib import Path

import pytest

from emotionrecog.audio import AUDIO_EXTENSIONS, find


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names_found(folder: Path, **options) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in find(folder, **options))


def test_files_with_an_audio_extension_at_any_depth(tmp_path):
    touch(tmp_path, "a.wav", "deep/er/b.FLAC", "notes.txt", "c.wav.txt", "wav")
    assert names_found(tmp_path) == ["a.wav", "deep/er/b.FLAC"]


def test_hidden_files_and_folders_are_skipped(tmp_path):
    hidden = tmp_path / ".hidden"
    touch(hidden, "a.wav", "._a.wav", ".cache/b.wav", "__MACOSX/c.wav")
    assert names_found(tmp_path) == []
    assert names_found(hidden) == ["a.wav"]


def test_links_are_followed_once(tmp_path):
    touch(tmp_path, "real/a.wav")
    try:
        (tmp_path / "real" / "loop").symlink_to(tmp_path, target_is_directory=True)
    except OSError:
        pytest.skip("this system allows no symbolic links")
    assert names_found(tmp_path) == ["real/a.wav"]


def test_folder_that_cannot_be_listed(tmp_path):
    absent = tmp_path / "absent"
    with pytest.raises(FileNotFoundError):
        list(find(absent))
    errors = []
    assert list(find(absent, on_error=errors.append)) == []
    assert [Path(error.filename) for error in errors] == [absent]


def test_lossless_formats_come_first():
    order = {extension: place for place, extension in enumerate(AUDIO_EXTENSIONS)}
    assert max(order[".wav"], order[".flac"], order[".aiff"]) < min(order[".mp3"], order[".ogg"])
