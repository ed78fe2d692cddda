"""Atomic writes, hashes and names of files: what an interrupt or a failure leaves behind."""

import hashlib
import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotionrecog import files


def names(folder: Path) -> list[str]:
    """Return everything in a folder, hidden entries too."""
    return sorted(entry.name for entry in folder.iterdir())


# Files -------------------------------------------------------------------------------------------


def test_new_file_appears_with_its_parents(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a" / "b" / "note.txt", "schön\r\n")
    assert (tmp_path / "a" / "b" / "note.txt").read_bytes() == "schön\r\n".encode()
    assert names(tmp_path / "a" / "b") == ["note.txt"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_interrupted_write_keeps_the_old_file(tmp_path: Path, failure: type[BaseException]) -> None:
    target = tmp_path / "note.txt"
    target.write_text("old")

    def write() -> None:
        with files.writing(target) as new:
            new.write_text("half of the n")
            raise failure

    with pytest.raises(failure):
        write()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["note.txt"]


def test_old_file_is_complete_until_the_new_one_is(tmp_path: Path) -> None:
    target = tmp_path / "note.txt"
    target.write_text("old")
    with files.writing(target) as new:
        new.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


def test_block_that_writes_nothing_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("old")
    with files.writing(tmp_path / "note.txt"):
        pass
    assert (tmp_path / "note.txt").read_text() == "old"


def test_folder_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="is a folder; expected the name of a file"):
        files.write_bytes(tmp_path, b"content")
    assert names(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "note.txt"
    target.write_text("old")

    def write() -> None:
        with files.writing(target) as new:
            new.symlink_to("/dev/full")
            new.write_text("new")

    with pytest.raises(OSError, match="No space left"):
        write()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["note.txt"]


def test_name_may_be_as_long_as_the_system_allows(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 255)
    files.write_bytes(target, b"content")
    assert target.read_bytes() == b"content"


# Folders -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_interrupted_write_keeps_the_old_folder(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "weights").write_text("old")

    def write() -> None:
        with files.writing_folder(target) as new:
            (new / "weights").write_text("half")
            raise failure

    with pytest.raises(failure):
        write()
    assert (target / "weights").read_text() == "old"
    assert names(tmp_path) == ["model"]


def test_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "left over").touch()
    with files.writing_folder(target) as new:
        (new / "weights").write_text("new")
        assert names(target) == ["left over"]
    assert names(target) == ["weights"]
    assert names(tmp_path) == ["model"]


def test_failed_move_restores_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "weights").write_text("old")
    rename = Path.rename

    def fail(path: Path, to: Path) -> Path:
        if path.name == "new":
            raise KeyboardInterrupt
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(KeyboardInterrupt), files.writing_folder(target) as new:
        (new / "weights").write_text("new")
    assert (target / "weights").read_text() == "old"


# Content -----------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: st.lists(children) | st.dictionaries(st.text("abc", max_size=3), children),
    max_leaves=10,
)


@given(values=json_values)
def test_json_is_read_as_it_was_written(tmp_path_factory, values) -> None:
    path = tmp_path_factory.mktemp("json") / "values.json"
    files.write_json(path, values)
    assert files.read_json(path) == values
    assert path.read_bytes().endswith(b"\n")


@pytest.mark.parametrize("value", [math.nan, -math.inf, {1, 2}, Path()])
def test_values_that_json_cannot_express_keep_the_old_file(tmp_path: Path, value: object) -> None:
    path = tmp_path / "values.json"
    path.write_text("{}")
    with pytest.raises((TypeError, ValueError)):
        files.write_json(path, {"value": value})
    assert path.read_text() == "{}"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_damaged_json_raises_with_the_path(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "values.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"values\.json' must be JSON in UTF-8"):
        files.read_json(path)


def test_missing_json_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.read_json(tmp_path / "values.json")


@given(content=st.binary(max_size=3000))
def test_hash_of_a_file_is_that_of_its_bytes(tmp_path_factory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("hash") / "content"
    path.write_bytes(content)
    expected = hashlib.sha256(content).hexdigest()
    assert files.sha256(path) == files.sha256(str(path)) == files.sha256(content) == expected


def test_name_relative_to_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    inside = tmp_path / "corpora" / "a b" / "clip.wav"
    assert files.relative_name(inside, "corpora") == "a b/clip.wav"
    assert files.relative_name(os.path.relpath(inside), tmp_path / "corpora") == "a b/clip.wav"
    assert files.relative_name(inside, tmp_path / "other") == inside.as_posix()
    assert files.relative_name(inside, None) == inside.as_posix()
    assert files.relative_name(tmp_path / "corpora2" / "x.wav", "corpora").endswith(
        "corpora2/x.wav"
    )


def test_text_that_is_not_unicode_can_be_kept(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.wav")
    files.write_text(tmp_path / "list.txt", name, errors="surrogateescape")
    assert (tmp_path / "list.txt").read_bytes() == b"caf\xe9.wav"
    assert json.loads(files.to_json({"ä": 1})) == {"ä": 1}


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    real, link = tmp_path / "real.txt", tmp_path / "links" / "link.csv"
    real.write_text("old")
    link.parent.mkdir()
    link.symlink_to(real)
    with files.writing(link) as new:
        assert new.name == "link.csv"
        new.write_text("new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert sorted(tmp_path.rglob("*")) == [link.parent, link, real]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_content_is_copied_to_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        files.write_text(pipe, "content")
        assert os.read(reader, 100) == b"content"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
