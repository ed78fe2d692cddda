"""Read and write tables of utterances: pandas frames, CSV files, and tables by other people."""

from __future__ import annotations

import csv
import dataclasses
import io
import logging
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotionrecog import files
from emotionrecog.datasets.labels import read_words, unknown_words
from emotionrecog.datasets.rows import (
    FACTS,
    FIELDS,
    UNWANTED,
    VOTES,
    LeftOut,
    Row,
    describe,
    filled,
    read_fact,
    to_utterance,
    with_speakers,
)
from emotionrecog.errors import DatasetError, EmotionRecogError
from emotionrecog.text import count_with_examples, listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas

    from emotionrecog.datasets.corpus import Utterance

__all__ = ["COLUMNS", "from_table", "to_frame", "write_csv"]

COLUMNS = (*FIELDS, *VOTES)
"""The columns of a table of utterances: one for each field of `Utterance`, and instead of
``votes`` one for the votes of each emotion, ``votes_neutral`` to ``votes_surprised``."""

_NUMBERS = ("age", *VOTES)

_SEPARATORS = (",", ";", "\t", "|")

# Columns that an error lists.
_LISTED = 20

_logger = logging.getLogger("emotionrecog")


def to_frame(utterances: Iterable[Utterance]) -> pandas.DataFrame:
    """Return utterances as a pandas table.

    `from_table` reads the same utterances from it, except that it strips space around texts.

    Parameters
    ----------
    utterances : iterable of Utterance
        Utterances of any corpora.

    Returns
    -------
    pandas.DataFrame
        One row for each utterance, in their order, with the columns `COLUMNS`; only the columns
        if there are no utterances. Ages and votes are whole numbers (``Int64``), the rest is text,
        paths with forward slashes; unknown values are missing.

    Raises
    ------
    EmotionRecogError
        If pandas is not installed.
    DatasetError
        If an utterance has an empty text, which a table cannot distinguish from a missing one.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance, to_frame
    >>> said = [Utterance(Path("bob.wav"), "happy", corpus="mine", speaker="mine/bob", age=40)]
    >>> to_frame(said)[["path", "emotion", "speaker", "age"]]
          path emotion   speaker  age
    0  bob.wav   happy  mine/bob   40
    """
    try:
        import pandas
    except ImportError as error:
        raise EmotionRecogError(
            f"`to_frame` needs pandas, which is not installed here ({error}): "
            f"pip install 'emotionrecog[tables]'; `write_csv` works without it"
        ) from error
    rows = [_cells(utterance, utterance.path.as_posix()) for utterance in utterances]
    columns = zip(*rows, strict=True) if rows else ((),) * len(COLUMNS)
    # Objects, because pandas' text type does not accept file names that are not valid text.
    return pandas.DataFrame(
        {
            name: pandas.Series(cells, dtype="Int64" if name in _NUMBERS else object)
            for name, cells in zip(COLUMNS, columns, strict=True)
        }
    )


def write_csv(
    utterances: Iterable[Utterance],
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
) -> None:
    """Write utterances to a CSV file.

    `from_table` reads back the same recordings in the same order with all their fields, except for
    space around texts. The file is UTF-8, separated by commas, with a header. It is written
    atomically; an existing file is replaced.

    Parameters
    ----------
    utterances : iterable of Utterance
        Utterances of any corpora.
    path : str or path-like
        The file. Missing parent folders are created.
    root : str or path-like, optional
        Recordings below this folder are written relative to it, with forward slashes, so that
        folder and table can be moved together; others with their absolute paths. By default the
        folder of the CSV file; pass any other folder to `from_table` as well.

    Raises
    ------
    DatasetError
        If an utterance has an empty text, which a table cannot distinguish from a missing one, or
        a text that UTF-8 cannot express, such as a file name in another encoding.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance, from_table, write_csv
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     recording = Path(folder, "wav", "bob.wav")
    ...     recording.parent.mkdir()
    ...     recording.touch()
    ...     said = [Utterance(recording, "happy", corpus="mine", speaker="mine/bob")]
    ...     write_csv(said, f"{folder}/said.csv")
    ...     print(Path(folder, "said.csv").read_text().splitlines()[1])
    ...     from_table(f"{folder}/said.csv") == said
    wav/bob.wav,happy,mine,mine/bob,,,,,speech,,,,,,,,,,
    True
    """
    target = Path(path)
    base = target.parent if root is None else Path(root)
    text = io.StringIO(newline="")
    # The csv module quotes a carriage return in a cell only if line ends have one.
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for utterance in utterances:
        writer.writerow(_cells(utterance, files.relative_name(utterance.path.absolute(), base)))
    try:
        content = text.getvalue().encode("utf-8")
    except UnicodeEncodeError as error:
        around = error.object[max(0, error.start - 40) : error.end + 10]
        raise DatasetError(
            f"{str(target)!r} cannot be written: expected text that UTF-8 can express, found "
            f"{around!r}; rename the file, or leave the utterance out"
        ) from error
    files.write_bytes(target, content)


def _cells(utterance: Utterance, path: str) -> list[str | int | None]:
    """Return the cells of an utterance, one for each column."""
    fields = (getattr(utterance, name) for name in FIELDS if name != "path")
    cells = [path, *fields, *(utterance.votes or (None,) * len(VOTES))]
    for name, cell in zip(COLUMNS, cells, strict=True):
        if isinstance(cell, str) and not cell.strip():
            raise DatasetError(
                f"`{name}` of {str(utterance.path)!r} is the empty text {cell!r}, which a table "
                f"cannot distinguish from a missing one; expected a text, or None"
            )
    return cells


def from_table(
    source: str | os.PathLike[str] | pandas.DataFrame,
    *,
    root: str | os.PathLike[str] | None = None,
    corpus: str | None = None,
    path: str = "path",
    emotion: str = "emotion",
    speaker: str | None = "speaker",
    columns: Mapping[str, str | None] | None = None,
    emotions: Mapping[str, str | None] | None = None,
) -> list[Utterance]:
    """Read utterances from a table, written by `to_frame` or `write_csv` or any other program.

    A table needs a column of paths and one of emotions. Anything that could give a recording a
    wrong label or a wrong speaker is an error; a recording that merely cannot be used is left out.
    The library's logger, ``logging.getLogger("emotionrecog")``, warns of rows left out, with
    their number, the reason and the first three, and lists all of them at level ``DEBUG``.

    It leaves out rows without path or emotion, rows without speaker if others of their corpus have
    one, rows with another number of cells than the header, files that do not exist, styles other
    than speech and song, and repeated rows. Cells for age, sex, intensity or votes that cannot be
    read count as unknown.

    Parameters
    ----------
    source : str, path-like or pandas.DataFrame
        A text file in UTF-8 with a header, with cells separated by commas, semicolons, tabs or
        bars; or a pandas table. Reading a file does not need pandas.
    root : str or path-like, optional
        Folder to which paths are relative: by default the folder of the file, for a pandas table
        the current folder. If there is no file at a path, backslashes in it are read as the
        separators of Windows.
    corpus : str, optional
        Name of the corpus. By default the one in the column ``corpus``, or ``"mine"`` without such
        a column.
    path, emotion, speaker : str
        Names of these columns; case is ignored if no column has exactly that name. The name of the
        corpus is prefixed to speakers; ``unknown``, ``NA``, ``N/A``, ``nan``, ``None``, ``null``,
        ``-`` and ``?`` mean the same as an empty cell. Without a column `speaker`, or with None,
        all recordings count as one speaker, called ``"mine/unknown"`` in corpus ``"mine"``, so that
        no split can claim to keep speakers apart; a warning says so.
    columns : mapping of str to str or None, optional
        Names of other columns that hold a field of `Utterance`, such as
        ``{"sentence": "text id"}``; by default they have the name of the field. None: not read.
        Votes are always read from ``votes_neutral`` to ``votes_surprised``.
    emotions : mapping of str to str or None, optional
        The meaning of words in the table among the library's `EMOTIONS`, such as
        ``{"wut": "angry", "bored": None}``; None leaves the rows out. The words in `SPELLINGS`,
        such as ``anger`` and ``joy``, need not be listed.

    Returns
    -------
    list of Utterance
        In the order of the table.

    Raises
    ------
    FileNotFoundError
        If `source` does not exist.
    DatasetError
        If the table is empty, not UTF-8, malformed or lacks a column; if it has an emotion of no
        known meaning; if rows of one recording contradict each other; if names of speakers differ
        in upper and lower case only; or if no recording is left.
    ValueError
        If `columns` has a key that is not a field.
    TypeError
        If `source` is neither a path nor a pandas table.

    Examples
    --------
    >>> import pandas
    >>> from emotionrecog.datasets import from_table
    >>> mine = pandas.DataFrame({"file": ["clip.wav"], "emotion": ["Wut"], "speaker": ["bob"]})
    >>> from_table(mine, root="examples", path="file", emotions={"wut": "angry"})
    [Utterance(path=PosixPath('examples/clip.wav'), emotion='angry', corpus='mine', \
speaker='mine/bob', ...)]
    """
    requested = _requested_columns(path, emotion, speaker, columns or {}, corpus)
    table = _read(source, requested)
    base = table.folder if root is None else Path(root)
    left_out = LeftOut(table.name, "row")

    rows = left_out.keep(
        table.rows, "with another number of cells than the header", lambda row: not row.ragged
    )
    rows = left_out.keep(rows, "without a path", lambda row: "path" in row.cells)
    rows = left_out.keep(rows, "without an emotion", lambda row: "emotion" in row.cells)
    emotion_of = read_words((row.cells["emotion"] for row in rows), emotions)
    words = (row.cells["emotion"] for row in rows)
    unknown = Counter(word for word in words if word not in emotion_of)
    if unknown:
        raise DatasetError(
            f"{table.name} has emotions in column {emotion!r} that are not known: "
            f"{unknown_words(unknown)}"
        )
    for row in rows:
        row.emotion = emotion_of[row.cells["emotion"]]
        row.file = _locate(row.cells["path"], base)
    _require_one_emotion_each(table.name, rows)

    rows = left_out.keep(rows, UNWANTED, lambda row: row.emotion is not None)
    rows = left_out.keep(
        rows,
        f"without a file of that name (looked for in {str(base)!r}; `root` names another folder)",
        lambda row: row.file is not None,
    )
    rows = left_out.keep(
        rows,
        "of a style that is neither speech nor song",
        lambda row: "style" not in row.cells or read_fact("style", row.cells["style"]) is not None,
    )
    if any("corpus" in row.cells for row in rows):
        rows = left_out.keep(
            rows, "without a corpus, where others have one", lambda row: "corpus" in row.cells
        )
    rows = with_speakers(rows, corpus or "mine", left_out)
    unread: dict[str, list[str]] = {}
    utterances = _once_each(rows, [to_utterance(row, unread) for row in rows], left_out)
    left_out.report(utterances, "rows whose files exist")
    for field, cells in unread.items():
        _logger.warning(
            "%s: %s of %s cannot be read: counted as unknown",
            table.name,
            count_with_examples(cells, "cell"),
            field,
        )
    return utterances


@dataclasses.dataclass(frozen=True)
class _Table:
    """The rows of a table, and the folder that its paths are relative to."""

    name: str
    folder: Path
    rows: list[Row]


def _requested_columns(
    path: str,
    emotion: str,
    speaker: str | None,
    columns: Mapping[str, str | None],
    corpus: str | None,
) -> dict[str, str | None]:
    """Return the column of each field; None for fields that are not read."""
    requested: dict[str, str | None] = {name: name for name in ("corpus", *FACTS)}
    unknown = [repr(field) for field in columns if field not in requested]
    if unknown:
        raise ValueError(
            f"`columns` must have keys among {', '.join(requested)} (the others are arguments: "
            f"`path`, `emotion` and `speaker`), got {', '.join(unknown)}"
        )
    requested |= columns
    if corpus is not None:
        requested["corpus"] = None
    return requested | {"path": path, "emotion": emotion, "speaker": speaker}


def _read(
    source: str | os.PathLike[str] | pandas.DataFrame, requested: Mapping[str, str | None]
) -> _Table:
    if isinstance(source, str | os.PathLike):
        return _read_text(Path(source), requested)
    pandas = sys.modules.get("pandas")  # loaded by callers that pass a pandas table
    if pandas is None or not isinstance(source, pandas.DataFrame):
        raise TypeError(
            f"`source` must be the path of a table or a pandas.DataFrame, got {type(source)!r}"
        )
    name = "the table"
    positions = _positions(name, [str(column).strip() for column in source.columns], requested)
    columns = {
        field: [None if pandas.isna(cell) is True else _as_text(cell) for cell in source.iloc[:, n]]
        for field, n in positions.items()
    }
    rows = [
        Row(f"row {number}", filled(dict(zip(columns, cells, strict=True))))
        for number, cells in enumerate(zip(*columns.values(), strict=True))
    ]
    return _Table(name, Path(), rows)


def _as_text(cell: object) -> str:
    # In a column with missing values, pandas turns whole numbers into floats.
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        return str(int(cell))
    return str(cell)


def _read_text(path: Path, requested: Mapping[str, str | None]) -> _Table:
    name = repr(str(path))
    if path.is_dir():
        raise IsADirectoryError(
            f"expected a table, got a folder: {name}; `from_folders` reads a folder per emotion"
        )
    if not path.exists():
        raise FileNotFoundError(f"no such table: {name}; name a text file in UTF-8, such as CSV")
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DatasetError(
            f"{name} must be text in UTF-8, found byte 0x{content[error.start]:02x} in line "
            f"{line}; save the table as UTF-8 (spreadsheets "
            f'offer that as "CSV UTF-8")'
        ) from error
    headers = {separator: _header(text, separator) for separator in _SEPARATORS}
    needed = {str(requested[field]).casefold() for field in ("path", "emotion")}
    separator = max(
        headers,
        key=lambda sep: (
            needed <= {column.casefold() for column in headers[sep]},
            len(headers[sep]),
        ),
    )
    header = headers[separator]
    if not header:
        raise DatasetError(f"{name} is empty or not a table: expected a first line of column names")
    positions = _positions(name, header, requested)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            while len(cells) > len(header) and not cells[-1].strip():
                cells.pop()
            ragged = len(cells) != len(header)
            fields = {} if ragged else {field: cells[n] for field, n in positions.items()}
            rows.append(Row(f"line {reader.line_num}", filled(fields), ragged=ragged))
    except csv.Error as error:
        raise DatasetError(
            f"{name} is damaged in or before line {reader.line_num}: {error}; expected quotes "
            f"around whole cells, doubled within them"
        ) from error
    return _Table(name, path.parent, rows[1:])


def _header(text: str, separator: str) -> list[str]:
    """Return the cells of the first line that is not empty; none if it cannot be read."""
    try:
        for cells in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True):
            if any(cell.strip() for cell in cells):
                return [cell.strip() for cell in cells]
    except csv.Error:
        pass
    return []


def _positions(name: str, header: list[str], requested: Mapping[str, str | None]) -> dict[str, int]:
    """Return the column, counted from 0, of each field and of the votes for each emotion."""
    columns = {field: column for field, column in requested.items() if column is not None}
    columns |= {votes: votes for votes in VOTES}
    # A name in another case is accepted if it is unambiguous and no column has exactly that name.
    alike: dict[str, list[str]] = {}
    for written in header:
        if written not in columns.values():
            alike.setdefault(written.casefold(), []).append(written)
    for field, column in columns.items():
        near = alike.get(column.casefold(), []) if column not in header else []
        if len(near) > 1:
            raise DatasetError(
                f"{name} must have one column {column!r}, found {', '.join(map(repr, near))}; "
                f"rename the others"
            )
        columns[field] = near[0] if near else column
    missing = [
        column
        for field, column in columns.items()
        if column not in header and (field in ("path", "emotion") or column != field)
    ]
    if missing:
        raise DatasetError(
            f"{name} has no column {', '.join(map(repr, missing))}; its columns are "
            f"{listing(header, n_shown=_LISTED, quoted=True)}. Name the columns to read, such as "
            f"from_table(..., path='file', emotion='label')"
        )
    for column in columns.values():
        if header.count(column) > 1:
            raise DatasetError(
                f"{name} must have one column {column!r}, found {header.count(column)}; rename "
                f"the others"
            )
    return {field: header.index(column) for field, column in columns.items() if column in header}


def _locate(text: str, base: Path) -> Path | None:
    """Return the file that a path in a table points to; None if there is none."""
    for written in (text, text.strip(), text.strip().replace("\\", "/")):
        path = base / written
        try:
            if path.is_file():
                return path
        except OSError:  # too long a name, a locked folder
            continue
    return None


def _identity(path: Path) -> str:
    # Links are not resolved: a store that keeps equal files once has many links to one file.
    return os.path.normcase(os.path.normpath(path.absolute()))


def _require_one_emotion_each(name: str, rows: list[Row]) -> None:
    first: dict[str, Row] = {}
    contradictions = []
    for row in rows:
        if row.file is not None:
            other = first.setdefault(_identity(row.file), row)
            if other.emotion != row.emotion:
                contradictions.append(f"{other.place} and {describe(row)}")
    if contradictions:
        raise DatasetError(
            f"{name} gives one recording two emotions in "
            f"{count_with_examples(contradictions, 'row pair')}. Keep one row for each recording; "
            f"put the judgements of several listeners into columns {VOTES[0]} to {VOTES[-1]}"
        )


def _once_each(rows: list[Row], utterances: list[Utterance], left_out: LeftOut) -> list[Utterance]:
    """Leave out rows that repeat another; raise `DatasetError` if they contradict it."""
    first: dict[str, tuple[Row, Utterance]] = {}
    repeated: list[Row] = []
    contradictions = []
    for row, utterance in zip(rows, utterances, strict=True):
        first_row, other = first.setdefault(_identity(utterance.path), (row, utterance))
        differing = [
            name
            for name in (*FIELDS, "votes")
            if name != "path" and getattr(utterance, name) != getattr(other, name)
        ]
        if differing:
            contradictions.append(
                f"{first_row.place} and {describe(row)} in {' and '.join(differing)}"
            )
        elif other is not utterance:
            repeated.append(row)
    if contradictions:
        raise DatasetError(
            f"{left_out.name} describes one recording in two ways in "
            f"{count_with_examples(contradictions, 'row pair')}. Keep one row for each recording"
        )
    left_out.keep(repeated, "repeating another row", lambda row: False)
    return [utterance for _, utterance in first.values()]
