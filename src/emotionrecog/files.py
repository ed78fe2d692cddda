"""Write files and folders atomically, hash them and name them relative to a folder.

Everything the package writes goes through `writing` or `writing_folder`: the new content is written
beside its place and moved there when it is complete, so that an interrupted or failed write leaves
what was there before.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "read_json",
    "relative_name",
    "sha256",
    "to_json",
    "write_bytes",
    "write_json",
    "write_text",
    "writing",
    "writing_folder",
]


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[Path]:
    r"""Yield a temporary path of the same name, and move the file into place afterwards.

    Nothing is moved if the block raises, or writes no file. Missing parent folders are created.

    Parameters
    ----------
    path
        The file to write; an existing one is replaced. A link stays a link, and its file is
        replaced; the content is copied to a pipe or a device, which stays as well.

    Yields
    ------
    Path
        Where to write, in a hidden folder beside `path`, so that the move stays on one file system.

    Raises
    ------
    IsADirectoryError
        If `path` is a folder.
    OSError
        If the folder cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with writing(f"{folder}/figures/table.csv") as new:
    ...         _ = new.write_text("path,emotion\n")
    ...     sorted(path.name for path in Path(folder, "figures").iterdir())
    ['table.csv']
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder; expected the name of a file")
    if target.exists() and not target.is_file():  # a pipe or a device, such as /dev/stdout
        with tempfile.TemporaryDirectory(prefix="emotionrecog-") as folder:
            new = Path(folder, target.name)
            yield new
            if new.exists():
                with new.open("rb") as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
        return
    place = target.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name[:40]}-", dir=place.parent) as beside:
        new = Path(beside, target.name)
        yield new
        if new.exists():
            new.replace(place)


@contextlib.contextmanager
def writing_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a new empty folder, and move it into place of an existing one afterwards.

    If the block raises, or is interrupted, what was there before stays.

    Parameters
    ----------
    path
        The folder to write; an existing one is replaced as a whole. Missing parents are created.

    Yields
    ------
    Path
        An empty folder on the same file system.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with writing_folder(f"{folder}/mine") as new:
    ...         _ = (new / "card.md").write_text("A card.")
    ...     [path.name for path in Path(folder, "mine").iterdir()]
    ['card.md']
    """
    target = Path(path).resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name[:40]}-", dir=target.parent) as beside:
        new, old = Path(beside, "new"), Path(beside, "old")
        new.mkdir()
        yield new
        try:
            if target.exists():
                target.rename(old)
            new.rename(target)
        except BaseException:  # an interrupt too: the old folder is deleted with `beside`
            if old.exists() and not target.exists():
                old.rename(target)
            raise


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file atomically; an existing one is replaced.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_bytes(f"{folder}/new/model.onnx", b"12")
    ...     Path(folder, "new/model.onnx").read_bytes()
    b'12'
    """
    with writing(path) as new:
        new.write_bytes(content)


def write_text(path: str | os.PathLike[str], text: str, *, errors: str = "strict") -> None:
    """Write text atomically, in UTF-8 and with the line endings that it has.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_text(f"{folder}/labels.txt", "wütend")
    ...     Path(folder, "labels.txt").read_text(encoding="utf-8")
    'wütend'
    """
    write_bytes(path, text.encode("utf-8", errors))


def to_json(values: Any, *, indent: int | None = 1) -> str:
    r"""Return values as JSON text that ends with a newline.

    Raises
    ------
    TypeError, ValueError
        If there is anything in them that JSON cannot express, such as NaN.

    Examples
    --------
    >>> to_json({"uar": 0.75}, indent=None)
    '{"uar": 0.75}\n'
    """
    return json.dumps(values, indent=indent, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: str | os.PathLike[str], values: Any, *, indent: int | None = 1) -> None:
    """Write values as JSON, atomically; parameters and errors are those of `to_json`.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_json(f"{folder}/results.json", {"uar": 0.75})
    ...     read_json(f"{folder}/results.json")
    {'uar': 0.75}
    """
    write_text(path, to_json(values, indent=indent))


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not JSON in UTF-8.

    Examples
    --------
    >>> read_json("benchmarks/results/benchmark/tess-speaker2/run.json")["protocol"]
    'tess/speaker2'
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} must be JSON in UTF-8: {error}") from error


def sha256(source: bytes | str | os.PathLike[str]) -> str:
    """Return the SHA-256 of bytes, or of a file's content, as 64 hexadecimal digits.

    Examples
    --------
    >>> sha256(b"")[:8]
    'e3b0c442'
    """
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with Path(source).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def relative_name(path: str | os.PathLike[str], root: str | os.PathLike[str] | None) -> str:
    """Return a path with forward slashes, relative to `root` if it lies inside that folder.

    Examples
    --------
    >>> relative_name("corpora/savee/DC_a01.wav", "corpora")
    'savee/DC_a01.wav'
    >>> relative_name("elsewhere/clip.wav", "corpora")
    'elsewhere/clip.wav'
    """
    path = Path(path)
    if root is None:
        return path.as_posix()
    full, base = path.absolute(), Path(root).absolute()
    return (full.relative_to(base) if full.is_relative_to(base) else path).as_posix()
