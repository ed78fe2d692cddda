"""What commands write: answers on standard output; notes, progress and the log on standard error.

Files are written through `emotionrecog.files`, so that an interrupted command leaves whole files.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotionrecog import files, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from matplotlib.figure import Figure
    from tqdm import tqdm

# Exit statuses. A program that a signal ended has 128 and the signal's number in a shell: SIGINT is
# 2, SIGPIPE 13.
FINE = 0
PROBLEM = 1
CANNOT_RUN = 2
INTERRUPTED = 130
READER_GONE = 141

_logger = logging.getLogger("emotionrecog")


def status_of(n_done: int, n_failed: int) -> int:
    """Return the exit status of a command that takes several inputs.

    Parameters
    ----------
    n_done, n_failed
        Number of inputs that worked, and that did not.

    Examples
    --------
    >>> status_of(3, 0), status_of(2, 1), status_of(0, 3)
    (0, 1, 2)
    """
    if not n_failed:
        return FINE
    return PROBLEM if n_done else CANNOT_RUN


def note(message: str) -> None:
    """Write one line to standard error."""
    print("emotionrecog:", " ".join(message.splitlines()), file=sys.stderr)


def write(answer: str) -> None:
    """Write to standard output without delay, for a program that reads along."""
    try:
        print(answer, end="", flush=True)
    except OSError:
        # What is left in the buffer would fail, and be reported, once more when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def write_report(report: Any, format_name: str) -> None:
    """Write a report as text, or as the JSON of its ``to_dict()`` on one line."""
    set_encoding(format_name)
    write(f"{json.dumps(report.to_dict()) if format_name == 'json' else report}\n")


def write_rows(rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line."""
    for row in rows:
        write(json.dumps(row) + "\n")


def write_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table whose cells are aligned left."""
    write(text.table(head, rows, n_left=len(head)) + "\n")


def set_encoding(format_name: str) -> None:
    """Make standard output accept every file name, also one that is not text."""
    if not isinstance(sys.stdout, io.TextIOWrapper):
        return
    if format_name == "table":  # escape the characters that the terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    else:  # the same on every system; a name that is not text keeps its bytes
        sys.stdout.reconfigure(encoding="utf-8", errors=sys.getfilesystemencodeerrors())


def require_targets(
    *targets: str | os.PathLike[str] | None, picture: str | os.PathLike[str] | None = None
) -> None:
    """Raise before the work rather than after it if the results cannot be written.

    Parameters
    ----------
    *targets
        Files or folders to write; None for none.
    picture
        A file to draw, which needs Matplotlib.

    Raises
    ------
    FileNotFoundError
        If the folder of a target does not exist.
    EmotionRecogError
        If there is a picture to draw, but no Matplotlib.
    """
    if picture:
        from emotionrecog import plots

        plots.require_matplotlib()
    for target in (*targets, picture):
        if target and not Path(target).parent.is_dir():
            raise FileNotFoundError(f"no such folder to write to: {str(Path(target).parent)!r}")


def save_json(values: Mapping[str, Any], path: str | None) -> None:
    """Write values to a JSON file, if there is one to write."""
    if path:
        files.write_json(path, values)
        note(f"wrote {path}")


def save_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], path: Path) -> None:
    """Write a table; cells that a row lacks are left empty."""
    with files.writing(path) as new, new.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns, lineterminator="\n", extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)


def save_picture(figure: Figure, path: Path) -> None:
    """Draw a figure to a file."""
    with files.writing(path) as new, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box replaces it
        figure.savefig(new)
    note(f"wrote {path}")


def draw_beside(draw: Callable[[Any], Figure], output: Path, suffix: str) -> None:
    """Draw a picture beside the output, if Matplotlib is installed.

    Parameters
    ----------
    draw
        Takes the module `emotionrecog.plots` and returns the figure.
    output
        What the command writes.
    suffix
        Such as ``"history"``, which is put between the name of the output and ``.png``.
    """
    from emotionrecog import plots
    from emotionrecog.errors import EmotionRecogError

    try:
        plots.require_matplotlib()
    except EmotionRecogError as error:
        _logger.info("no picture: %s", error)
        return
    save_picture(draw(plots), output.with_name(f"{output.name}.{suffix}.png"))


def progress(n_recordings: int) -> tqdm:
    """Return a progress bar, which is silent if standard error is not a terminal."""
    from tqdm import tqdm

    return tqdm(
        total=n_recordings,
        disable=None,
        leave=False,
        dynamic_ncols=True,
        bar_format="{percentage:3.0f}% {bar} {n_fmt}/{total_fmt} [{elapsed}<{remaining}]",
    )


@contextlib.contextmanager
def logging_to_stderr() -> Iterator[None]:
    """Write the library's log to standard error, above any progress bar."""
    from tqdm.contrib.logging import logging_redirect_tqdm

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("emotionrecog: %(message)s"))
    level = _logger.level
    _logger.addHandler(handler)
    _logger.setLevel(logging.INFO)
    try:
        with logging_redirect_tqdm([_logger]):
            yield
    finally:
        _logger.removeHandler(handler)
        _logger.setLevel(level)
