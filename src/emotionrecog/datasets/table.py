"""Utterances as tables, and recordings of one's own: from a table, or from a folder per emotion."""

from __future__ import annotations

import csv
import dataclasses
import io
import logging
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotionrecog.datasets.corpus import (
    _INTENSITIES,
    _SEXES,
    _STYLES,
    EMOTIONS,
    Utterance,
    _audio_files,
)
from emotionrecog.datasets.labels import read_words, unknown_words
from emotionrecog.errors import DatasetError, EmotionRecogError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pandas

__all__ = ["COLUMNS", "from_folders", "from_table", "to_frame", "write_csv"]

_VOTES = tuple(f"votes_{emotion}" for emotion in EMOTIONS)
_FIELDS = tuple(field.name for field in dataclasses.fields(Utterance) if field.name != "votes")

COLUMNS = (*_FIELDS, *_VOTES)
"""The columns of a table of utterances: one for each field of `Utterance`, and instead of
``votes`` one for the votes of each emotion, ``votes_neutral`` to ``votes_surprised``."""

_NUMBERS = ("age", *_VOTES)

# What a user's table may leave unsaid of a recording, besides its votes.
_FACTS = tuple(name for name in _FIELDS if name not in ("path", "emotion", "corpus", "speaker"))

_SEX_WORDS = {"f": "female", "m": "male", "woman": "female", "man": "male"}

_KNOWN = {"sex": _SEXES, "intensity": _INTENSITIES, "style": _STYLES}

_SEPARATORS = (",", ";", "\t", "|")

# What people and programs write where a speaker is not known. Taken for names, each would be one
# more person, and a split by speaker would claim to keep apart whom nobody has told apart.
_NO_SPEAKER = ("", "unknown", "n/a", "na", "nan", "<na>", "none", "null", "-", "?")

# So many columns are listed in an error.
_LISTED = 20

_logger = logging.getLogger("emotionrecog")


def to_frame(utterances: Iterable[Utterance]) -> pandas.DataFrame:
    """Make a table of utterances for pandas.

    `from_table` makes the same utterances of it, except that it takes space around a text away.

    Parameters
    ----------
    utterances : iterable of Utterance
        Of any corpora.

    Returns
    -------
    pandas.DataFrame
        One row for each utterance, in the given order, and the columns `COLUMNS`; just the
        columns where there are no utterances. Ages and votes are whole numbers (``Int64``), the
        rest is text, paths with forward slashes; what is not known is missing.

    Raises
    ------
    EmotionRecogError
        If pandas is not installed.
    DatasetError
        If an utterance holds an empty text, which a table cannot tell from a missing one.

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
            f"pip install 'emotionrecog[tables]'; `write_csv` does without"
        ) from error
    rows = [_cells(utterance, utterance.path.as_posix()) for utterance in utterances]
    columns = zip(*rows, strict=True) if rows else ((),) * len(COLUMNS)
    # Objects, because pandas' own type for text refuses the names of files that are not text.
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

    `from_table` reads them back: the same recordings in the same order and everything that is
    known of them, space around a text aside. The file is UTF-8, separated by commas, with a
    header. It is written beside its place and moved there, so that it is never seen half-written;
    one already there is replaced.

    Parameters
    ----------
    utterances : iterable of Utterance
        Of any corpora.
    path : str or path-like
        The file. Its parents are made.
    root : str or path-like, optional
        Recordings below this folder are written relative to it, with forward slashes, so that
        folder and table can be moved together; others in full. By default the folder of the CSV
        file; if another, `from_table` has to be told as well.

    Raises
    ------
    DatasetError
        If an utterance holds an empty text, which a table cannot tell from a missing one, or
        text that UTF-8 cannot express, such as a file name in another encoding.

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
    base = (Path(root) if root is not None else target.parent).absolute()
    text = io.StringIO(newline="")
    # Carriage returns within a cell are quoted only where the end of a line has one.
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for utterance in utterances:
        full = utterance.path.absolute()
        near = full.relative_to(base) if full.is_relative_to(base) else full
        writer.writerow(_cells(utterance, near.as_posix()))
    try:
        content = text.getvalue().encode("utf-8")
    except UnicodeEncodeError as error:
        around = error.object[max(0, error.start - 40) : error.end + 10]
        raise DatasetError(
            f"{str(target)!r} cannot be written: expected text that UTF-8 can express, found "
            f"{around!r}; rename the file, or leave the utterance out"
        ) from error
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as beside:
        new = Path(beside, "new")
        new.write_bytes(content)
        new.replace(target)


def _cells(utterance: Utterance, path: str) -> list[str | int | None]:
    """Return what stands in the columns for an utterance."""
    fields = (getattr(utterance, name) for name in _FIELDS if name != "path")
    cells = [path, *fields, *(utterance.votes or (None,) * len(_VOTES))]
    for name, cell in zip(COLUMNS, cells, strict=True):
        if isinstance(cell, str) and not cell.strip():
            raise DatasetError(
                f"`{name}` of {str(utterance.path)!r} is the empty text {cell!r}, which a table "
                f"cannot tell from a missing one; expected a text that says something, or None"
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
    """Read utterances from a table: one of `to_frame` or `write_csv`, or one of your own.

    A table needs a column of paths and one of emotions. Whatever could give a recording a wrong
    label or a wrong speaker is an error; what only makes a recording unusable leaves that
    recording out. The library's logger, ``logging.getLogger("emotionrecog")``, warns of
    everything left out, with its number, the reason and the first few, and names all of them at
    level ``DEBUG``.

    Left out and counted are rows without path or emotion, rows without speaker where others of
    their corpus have one, rows with another number of cells than the header, files that do not
    exist, styles other than speech and song, and rows that occur again. Where a cell for age, sex,
    intensity or votes holds something else, that fact counts as unknown.

    Parameters
    ----------
    source : str, path-like or pandas.DataFrame
        A text file in UTF-8 with a header, its cells separated by commas, semicolons, tabs or
        bars; or a table of pandas. Reading a file needs no pandas.
    root : str or path-like, optional
        What relative paths are relative to: by default the folder of the file, for a table of
        pandas the current folder. Where no file is found under a path as it stands, backslashes
        in it are taken for the separators of Windows.
    corpus : str, optional
        What to call the corpus. By default what the column ``corpus`` says, and ``"mine"`` where
        there is none.
    path, emotion, speaker : str
        What these columns are called; upper and lower case are the same where no column has the
        very name. Speakers get the name of their corpus in front; ``unknown``, ``NA``, ``N/A``,
        ``nan``, ``None``, ``null``, ``-`` and ``?`` are the same as an empty cell. Without a
        column `speaker`, or with None, all recordings count as one speaker, called
        ``"mine/unknown"`` in corpus ``"mine"``, so that no split can claim to keep speakers apart;
        a warning says so.
    columns : mapping of str to str or None, optional
        What other columns are called that hold a field of `Utterance`, such as
        ``{"sentence": "text id"}``; by default they are called like the field. None: not read.
        Votes are always read from ``votes_neutral`` to ``votes_surprised``.
    emotions : mapping of str to str or None, optional
        What the words in the table stand for among the library's `EMOTIONS`, such as
        ``{"wut": "angry", "bored": None}``; None leaves the rows out. The words of
        `SPELLINGS`, ``anger`` and ``joy`` among them, need not be explained.

    Returns
    -------
    list of Utterance
        In the order of the table.

    Raises
    ------
    FileNotFoundError
        If `source` does not exist.
    DatasetError
        If the table is empty, not UTF-8, malformed or lacks a column; if it has an emotion that is
        neither known nor explained; if rows of one recording contradict each other; if names of
        speakers differ in upper and lower case only; or if no recording is left.
    ValueError
        If `columns` names something that is no field.
    TypeError
        If `source` is neither a path nor a table of pandas.

    Examples
    --------
    >>> import pandas
    >>> from emotionrecog.datasets import from_table
    >>> mine = pandas.DataFrame({"file": ["clip.wav"], "emotion": ["Wut"], "speaker": ["bob"]})
    >>> from_table(mine, root="examples", path="file", emotions={"wut": "angry"})
    [Utterance(path=PosixPath('examples/clip.wav'), emotion='angry', corpus='mine', \
speaker='mine/bob', ...)]
    """
    asked = _columns_asked(path, emotion, speaker, columns or {}, corpus)
    table = _read(source, asked)
    base = table.folder if root is None else Path(root)
    left_out = _LeftOut(table.name, "rows")

    rows = left_out.keep(
        table.rows, "with another number of cells than the header", lambda row: not row.ragged
    )
    rows = left_out.keep(rows, "without a path", lambda row: "path" in row.cells)
    rows = left_out.keep(rows, "without an emotion", lambda row: "emotion" in row.cells)
    known = read_words((row.cells["emotion"] for row in rows), emotions)
    unknown = Counter(row.cells["emotion"] for row in rows if row.cells["emotion"] not in known)
    if unknown:
        raise DatasetError(
            f"{table.name} has emotions in column {emotion!r} that are not known: "
            f"{unknown_words(unknown)}"
        )
    for row in rows:
        row.emotion = known[row.cells["emotion"]]
        row.file = _locate(row.cells["path"], base)
    _require_one_emotion_each(table.name, rows)

    rows = left_out.keep(rows, _UNWANTED, lambda row: row.emotion is not None)
    rows = left_out.keep(
        rows,
        f"without a file of that name (looked for in {str(base)!r}; `root` names another folder)",
        lambda row: row.file is not None,
    )
    rows = left_out.keep(
        rows,
        "of a style that is neither speech nor song",
        lambda row: "style" not in row.cells or _fact("style", row.cells["style"]) is not None,
    )
    if any("corpus" in row.cells for row in rows):
        rows = left_out.keep(
            rows, "without a corpus, where others have one", lambda row: "corpus" in row.cells
        )
    rows = _with_speakers(rows, corpus or "mine", left_out)
    unread: dict[str, list[str]] = {}
    utterances = _once_each(rows, [_utterance(row, unread) for row in rows], left_out)
    left_out.report(utterances, "rows whose files exist")
    for field, cells in unread.items():
        _logger.warning(
            "%s: %s of %s say nothing that the library knows, and count as unknown",
            *(table.name, _such_as("cells", cells), field),
        )
    return utterances


def from_folders(
    root: str | os.PathLike[str],
    *,
    corpus: str = "mine",
    emotions: Mapping[str, str | None] | None = None,
    speaker: Callable[[Path], str | None] | None = None,
) -> list[Utterance]:
    """Read recordings that lie in a folder for each emotion.

    The folders may lie deeper, below one for each speaker for example, and have folders of their
    own: what counts is the nearest folder above a recording, and below `root`, that is called like
    an emotion. Only names are read; no recording is opened. Recordings that lie beside the folders
    of emotions are left out; the library's logger, ``logging.getLogger("emotionrecog")``, warns
    with their number and the first of them, and names all of them at level ``DEBUG``.

    Parameters
    ----------
    root : str or path-like
        The folder that holds the folders.
    corpus : str, optional
        What to call the corpus.
    emotions : mapping of str to str or None, optional
        What folder names stand for among the library's `EMOTIONS`, such as
        ``{"wut": "angry", "bored": None}``; None leaves the folder out. The words of
        `SPELLINGS`, ``anger`` and ``joy`` among them, need not be explained.
    speaker : callable, optional
        Takes the path of a recording and returns the speaker's name, to which the name of the
        corpus is prefixed, or None where it is unknown, as the words that say so in `from_table`
        do; such recordings are left out where others have a speaker. By default all recordings
        count as one speaker, called ``"mine/unknown"`` in corpus ``"mine"``, so that no split can
        claim to keep speakers apart; a warning says so.

    Returns
    -------
    list of Utterance
        Ordered by path.

    Raises
    ------
    FileNotFoundError
        If `root` does not exist.
    NotADirectoryError
        If `root` is not a folder.
    DatasetError
        If recordings lie in a folder whose name is neither known nor explained, if a link gives a
        recording two emotions, if names of speakers differ in upper and lower case only, or if
        there is no recording in a folder of an emotion.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import from_folders
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ("joy/bob_1.wav", "joy/eve_1.wav", "Anger/bob_2.wav"):
    ...         Path(root, name).parent.mkdir(exist_ok=True)
    ...         Path(root, name).touch()
    ...     utterances = from_folders(root, speaker=lambda path: path.stem.split("_")[0])
    >>> [(utterance.emotion, utterance.speaker) for utterance in utterances]
    [('angry', 'mine/bob'), ('happy', 'mine/bob'), ('happy', 'mine/eve')]
    """
    root = Path(root)
    files = sorted(_audio_files(root))
    folders = [_parts_below(root, file) for file in files]
    linked = [_parts_below(root.resolve(), file.resolve()) for file in files]
    twice = _folders_twice(root)
    entered = [folder.parts for pair in twice for folder in pair]
    known = read_words(
        (name for parts in (*folders, *linked, *entered) for name in parts), emotions
    )
    _require_one_emotion_each_folder(root, twice, known)
    rows = []
    first: dict[Path, _Row] = {}
    above: set[tuple[str, ...]] = {()}
    for file, parts, real in zip(files, folders, linked, strict=True):
        row = _Row(repr(file.relative_to(root).as_posix()), {}, file=file)
        depth = _nearest(parts, known)
        if depth is not None:
            row.cells = {"emotion": parts[depth]}
            row.emotion = known[parts[depth]]
            above.update(parts[:n] for n in range(depth + 1))
        other = _nearest(real, known)
        if other is not None and (depth is None or known[real[other]] != row.emotion):
            raise DatasetError(
                f"{row.place} is a link to {str(file.resolve())!r}, which gives one recording two "
                f"places; keep one of them, in the folder of its emotion"
            )
        if row.cells:
            same = first.setdefault(file.resolve(), row)
            if same.emotion != row.emotion:
                raise DatasetError(
                    f"{same.place} and {row.place} are both {str(file.resolve())!r}, which gives "
                    f"one recording two emotions; keep one of them, in the folder of its emotion"
                )
        rows.append(row)

    unknown: Counter[str] = Counter()
    for row, parts in zip(rows, folders, strict=True):
        if not row.cells and parts not in above:
            unknown[next(parts[n] for n in range(len(parts)) if parts[: n + 1] not in above)] += 1
    if unknown:
        raise DatasetError(
            f"expected a folder for each emotion in {str(root)!r}; recordings lie in folders "
            f"whose names are not known: {unknown_words(unknown)}"
        )
    left_out = _LeftOut(repr(str(root)), "files")
    rows = left_out.keep(rows, "outside a folder of an emotion", lambda row: bool(row.cells))
    rows = left_out.keep(rows, _UNWANTED, lambda row: row.emotion is not None)
    if speaker is not None:
        for row in rows:
            assert row.file is not None  # for the type checker
            row.cells |= _filled({"speaker": speaker(row.file)})
    rows = _with_speakers(rows, corpus, left_out)
    left_out.report(rows, "audio files in folders called like an emotion")
    return [_utterance(row, {}) for row in rows]


def _folders_twice(root: Path) -> list[tuple[Path, Path]]:
    """Return the folders below `root`, relative to it, that links make one: first and further."""
    entered = {root.resolve(): Path()}
    twice = []
    for here, folders, _ in os.walk(root, followlinks=True):
        kept = []
        for name in sorted(folders):
            if name.startswith(".") or name == "__MACOSX":  # as `audio.find` does
                continue
            folder = Path(here, name)
            first = entered.setdefault(folder.resolve(), folder.relative_to(root))
            if first == folder.relative_to(root):
                kept.append(name)
            else:
                twice.append((first, folder.relative_to(root)))
        folders[:] = kept
    return twice


def _require_one_emotion_each_folder(
    root: Path, twice: list[tuple[Path, Path]], known: Mapping[str, str | None]
) -> None:
    for first, other in twice:
        n, m = _nearest(first.parts, known), _nearest(other.parts, known)
        if n is None or m is None or known[first.parts[n]] == known[other.parts[m]]:
            continue
        raise DatasetError(
            f"{first.as_posix()!r} and {other.as_posix()!r} are both "
            f"{str((root / other).resolve())!r}, for one is a link to the other's place, which "
            f"gives one recording two emotions; keep one of them, in the folder of its emotion"
        )


def _parts_below(root: Path, file: Path) -> tuple[str, ...]:
    """Return the folders from `root` to a file; none where it lies elsewhere."""
    return file.relative_to(root).parent.parts if file.is_relative_to(root) else ()


def _nearest(folders: Sequence[str], known: Mapping[str, str | None]) -> int | None:
    """Return the position of the last folder that is called like an emotion."""
    return max((n for n, name in enumerate(folders) if name in known), default=None)


@dataclasses.dataclass(slots=True)
class _Row:
    """A row of a table, or a file: where it stands, its cells by field, and what they say."""

    place: str
    cells: dict[str, str]  # those that are empty are not there
    ragged: bool = False
    emotion: str | None = None
    file: Path | None = None
    corpus: str = ""
    speaker: str = ""


@dataclasses.dataclass(frozen=True)
class _Table:
    """A table as it was found, and the folder that its paths are relative to."""

    name: str
    folder: Path
    rows: list[_Row]


_UNWANTED = "of emotions that are to be left out"


class _LeftOut:
    """What is left out of a table or a folder, by reason."""

    def __init__(self, name: str, things: str) -> None:
        self.name, self.things = name, things
        self.rows: dict[str, list[_Row]] = {}

    def keep(self, rows: list[_Row], reason: str, test: Callable[[_Row], bool]) -> list[_Row]:
        """Return the rows that pass, and remember the others."""
        kept: list[_Row] = []
        for row in rows:
            (kept if test(row) else self.rows.setdefault(reason, [])).append(row)
        return kept

    def report(self, left: Sequence[object], expected: str) -> None:
        """Log what was left out; raise `DatasetError` where that was everything."""
        said = {
            reason: f"{_such_as(self.things, list(map(_describe, rows)))} {reason}"
            for reason, rows in self.rows.items()
        }
        if not left:
            raise DatasetError(
                f"no recording in {self.name}: expected {expected}, found "
                f"{'; '.join(said.values()) or f'no {self.things}'}"
            )
        for reason, rows in self.rows.items():
            level = logging.INFO if reason == _UNWANTED else logging.WARNING
            _logger.log(level, "%s: left out %s", self.name, said[reason])
            for row in rows:
                _logger.debug("%s: left out %s", self.name, _describe(row))


def _describe(row: _Row) -> str:
    return f"{row.place}: {row.cells['path']!r}" if "path" in row.cells else row.place


def _such_as(things: str, described: Sequence[str]) -> str:
    """Say how many, and which are the first: ``2 rows (such as line 3: 'a.wav', line 5)``."""
    named = things if len(described) != 1 else things.removesuffix("s")
    return f"{len(described)} {named} (such as {', '.join(described[:3])})"


def _columns_asked(
    path: str,
    emotion: str,
    speaker: str | None,
    columns: Mapping[str, str | None],
    corpus: str | None,
) -> dict[str, str | None]:
    """Return which column each field is read from; None for fields that are not read."""
    asked: dict[str, str | None] = {name: name for name in ("corpus", *_FACTS)}
    strange = [repr(field) for field in columns if field not in asked]
    if strange:
        raise ValueError(
            f"`columns` must name fields out of {', '.join(asked)} (for the others there are "
            f"`path`, `emotion` and `speaker`), got {', '.join(strange)}"
        )
    asked |= columns
    if corpus is not None:
        asked["corpus"] = None
    return asked | {"path": path, "emotion": emotion, "speaker": speaker}


def _read(
    source: str | os.PathLike[str] | pandas.DataFrame, asked: Mapping[str, str | None]
) -> _Table:
    if isinstance(source, str | os.PathLike):
        return _read_text(Path(source), asked)
    pandas = sys.modules.get("pandas")  # whoever has a table of pandas has loaded it
    if pandas is None or not isinstance(source, pandas.DataFrame):
        raise TypeError(
            f"`source` must be the path of a table or a pandas.DataFrame, got {type(source)!r}"
        )
    name = "the table"
    positions = _positions(name, [str(column).strip() for column in source.columns], asked)
    columns = {
        field: [None if pandas.isna(cell) is True else _as_text(cell) for cell in source.iloc[:, n]]
        for field, n in positions.items()
    }
    rows = [
        _Row(f"row {number}", _filled(dict(zip(columns, cells, strict=True))))
        for number, cells in enumerate(zip(*columns.values(), strict=True))
    ]
    return _Table(name, Path(), rows)


def _as_text(cell: object) -> str:
    # Where a value is missing, pandas turns whole numbers into 1.0.
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        return str(int(cell))
    return str(cell)


def _read_text(path: Path, asked: Mapping[str, str | None]) -> _Table:
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
    needed = {str(asked[field]).casefold() for field in ("path", "emotion")}
    separator = max(
        headers,
        key=lambda sep: (
            needed <= {column.casefold() for column in headers[sep]},
            len(headers[sep]),
        ),
    )
    header = headers[separator]
    if not header:
        raise DatasetError(f"{name} is empty or no table: expected a first line of column names")
    positions = _positions(name, header, asked)
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
            rows.append(_Row(f"line {reader.line_num}", _filled(fields), ragged=ragged))
    except csv.Error as error:
        raise DatasetError(
            f"{name} is damaged in or before line {reader.line_num}: {error}; expected quotes "
            f"around whole cells, and doubled within them"
        ) from error
    return _Table(name, path.parent, rows[1:])


def _header(text: str, separator: str) -> list[str]:
    """Return the cells of the first line that has any; none where it cannot be read so."""
    try:
        for cells in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True):
            if any(cell.strip() for cell in cells):
                return [cell.strip() for cell in cells]
    except csv.Error:
        pass
    return []


def _filled(cells: Mapping[str, str | None]) -> dict[str, str]:
    return {field: cell for field, cell in cells.items() if cell is not None and cell.strip()}


def _positions(name: str, header: list[str], asked: Mapping[str, str | None]) -> dict[str, int]:
    """Return which column, from 0, each field and each emotion's votes stand in."""
    wanted = {field: column for field, column in asked.items() if column is not None}
    wanted |= {votes: votes for votes in _VOTES}
    # In other letters a name will do that no column has as it stands; one meant otherwise will not.
    alike: dict[str, list[str]] = {}
    for written in header:
        if written not in wanted.values():
            alike.setdefault(written.casefold(), []).append(written)
    for field, column in wanted.items():
        near = alike.get(column.casefold(), []) if column not in header else []
        if len(near) > 1:
            raise DatasetError(
                f"{name} must have one column {column!r}, found {', '.join(map(repr, near))}; "
                f"rename those that are not meant"
            )
        wanted[field] = near[0] if near else column
    missing = [
        column
        for field, column in wanted.items()
        if column not in header and (field in ("path", "emotion") or column != field)
    ]
    if missing:
        raise DatasetError(
            f"{name} has no column {', '.join(map(repr, missing))}; its columns are "
            f"{', '.join(map(repr, header[:_LISTED]))}"
            f"{f' and {len(header) - _LISTED} more' if len(header) > _LISTED else ''}. Say what "
            f"they are called there, such as from_table(..., path='file', emotion='label')"
        )
    for column in wanted.values():
        if header.count(column) > 1:
            raise DatasetError(
                f"{name} must have one column {column!r}, found {header.count(column)}; rename "
                f"those that are not meant"
            )
    return {field: header.index(column) for field, column in wanted.items() if column in header}


def _locate(text: str, base: Path) -> Path | None:
    """Return the file that a path in a table means; None where there is none."""
    for written in (text, text.strip(), text.strip().replace("\\", "/")):
        path = base / written
        try:
            if path.is_file():
                return path
        except OSError:  # too long a name, a locked folder
            continue
    return None


def _identity(path: Path) -> str:
    # By name, not by what links lead to: stores that keep equal files once link from many names.
    return os.path.normcase(os.path.normpath(path.absolute()))


def _require_one_emotion_each(name: str, rows: list[_Row]) -> None:
    first: dict[str, _Row] = {}
    contradictions = []
    for row in rows:
        if row.file is not None:
            other = first.setdefault(_identity(row.file), row)
            if other.emotion != row.emotion:
                contradictions.append(f"{other.place} and {_describe(row)}")
    if contradictions:
        raise DatasetError(
            f"{name} gives one recording two emotions in "
            f"{_such_as('row pairs', contradictions)}. Keep one row for each recording; of "
            f"several listeners' judgements, make the columns {_VOTES[0]} to {_VOTES[-1]}"
        )


def _with_speakers(rows: list[_Row], corpus: str, left_out: _LeftOut) -> list[_Row]:
    """Name the corpus and the speaker of each row, and leave out what must not be guessed."""
    for row in rows:
        named, speaker = row.cells.get("corpus", corpus), row.cells.pop("speaker", "")
        row.corpus = named.strip()
        if speaker.startswith(f"{named}/"):
            speaker = speaker.removeprefix(f"{named}/").strip()
        else:
            speaker = speaker.strip().removeprefix(f"{row.corpus}/").strip()
        if speaker.casefold().removeprefix(f"{row.corpus}/".casefold()) not in _NO_SPEAKER:
            row.cells["speaker"] = speaker
    known = {row.corpus for row in rows if "speaker" in row.cells}
    rows = left_out.keep(
        rows,
        "without a speaker, where others of their corpus have one",
        lambda row: "speaker" in row.cells or row.corpus not in known,
    )
    for row in rows:
        row.speaker = f"{row.corpus}/{row.cells.get('speaker', 'unknown')}"
    _require_one_spelling_each(left_out.name, {row.speaker for row in rows})
    for named, n_rows in Counter(row.corpus for row in rows if row.corpus not in known).items():
        _logger.warning(
            "%s: the speakers of corpus %r are not known, so its %d recordings count as one "
            "speaker, %r: no split can keep its speakers apart, and no figure measured within it "
            "tells how well new voices are recognised; name the speakers with `speaker`",
            *(left_out.name, named, n_rows, f"{named}/unknown"),
        )
    return rows


def _require_one_spelling_each(name: str, speakers: set[str]) -> None:
    """Refuse `Bob` beside `bob`: of one person under two names, a split makes two."""
    spellings: dict[str, list[str]] = {}
    for speaker in sorted(speakers):
        spellings.setdefault(speaker.casefold(), []).append(speaker)
    alike = [" and ".join(map(repr, group)) for group in spellings.values() if len(group) > 1]
    if alike:
        raise DatasetError(
            f"{name} has {_such_as('speakers', alike)} whose names differ in upper and lower case "
            f"only, so that one person could count as two; write the name of a person in one way, "
            f"and give different people names that differ in more"
        )


def _utterance(row: _Row, unread: dict[str, list[str]]) -> Utterance:
    """Make an utterance; facts that cannot be read are unknown, and added to `unread`."""
    assert row.file is not None  # for the type checker: rows without are left out before
    assert row.emotion is not None
    facts: dict[str, Any] = {}
    for field in _FACTS:
        if field in row.cells:
            facts[field] = _fact(field, row.cells[field])
            if facts[field] is None:
                unread.setdefault(field, []).append(f"{row.place}: {row.cells[field]!r}")
    if any(column in row.cells for column in _VOTES):
        # A table need not have a column for emotions that nobody could choose.
        votes = [_whole(row.cells.get(column, "0")) for column in _VOTES]
        if all(number is not None and number >= 0 for number in votes):
            facts["votes"] = tuple(votes)
        else:
            unread.setdefault("votes", []).append(row.place)
    return Utterance(row.file, row.emotion, corpus=row.corpus, speaker=row.speaker, **facts)


def _fact(field: str, cell: str) -> str | int | None:
    """Return what a cell says about a recording; None where it cannot be read."""
    word = cell.strip().casefold()
    if field == "age":
        age = _whole(cell)
        return age if age is not None and 0 < age < 130 else None
    if field == "sex":
        word = _SEX_WORDS.get(word, word)
    if field in _KNOWN:
        return word if word in _KNOWN[field] else None
    return cell.strip()


def _whole(cell: str) -> int | None:
    try:
        return int(cell)
    except ValueError:
        pass
    try:
        number = float(cell)  # 27.0 is what spreadsheets and pandas make of 27
    except ValueError:
        return None
    return int(number) if number.is_integer() else None


def _once_each(
    rows: list[_Row], utterances: list[Utterance], left_out: _LeftOut
) -> list[Utterance]:
    """Leave out rows that say again what another says; refuse those that say otherwise."""
    first: dict[str, tuple[_Row, Utterance]] = {}
    repeated: list[_Row] = []
    contradictions = []
    for row, utterance in zip(rows, utterances, strict=True):
        other_row, other = first.setdefault(_identity(utterance.path), (row, utterance))
        differing = [
            name
            for name in (*_FIELDS, "votes")
            if name != "path" and getattr(utterance, name) != getattr(other, name)
        ]
        if differing:
            contradictions.append(
                f"{other_row.place} and {_describe(row)} in {' and '.join(differing)}"
            )
        elif other is not utterance:
            repeated.append(row)
    if contradictions:
        raise DatasetError(
            f"{left_out.name} describes one recording in two ways in "
            f"{_such_as('row pairs', contradictions)}. Keep one row for each recording"
        )
    left_out.keep(repeated, "that say again what another row says", lambda row: False)
    return [utterance for _, utterance in first.values()]
