"""Convert rows of a table, or files of folders, to utterances, and report the rows left out."""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from emotionrecog.datasets.corpus import EMOTIONS, INTENSITIES, SEXES, STYLES, Utterance
from emotionrecog.errors import DatasetError
from emotionrecog.text import count_with_examples

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = [
    "FACTS",
    "FIELDS",
    "UNWANTED",
    "VOTES",
    "LeftOut",
    "Row",
    "describe",
    "filled",
    "read_fact",
    "to_utterance",
    "with_speakers",
]

FIELDS = tuple(field.name for field in dataclasses.fields(Utterance) if field.name != "votes")

VOTES = tuple(f"votes_{emotion}" for emotion in EMOTIONS)

# Fields that a table need not have, besides the votes.
FACTS = tuple(name for name in FIELDS if name not in ("path", "emotion", "corpus", "speaker"))

_SEX_WORDS = {"f": "female", "m": "male", "woman": "female", "man": "male"}

_WORDS = {"sex": SEXES, "intensity": INTENSITIES, "style": STYLES}

# Common spellings of an unknown speaker. Read as names, they would be further speakers, and a split
# by speaker would separate recordings that may be of one person.
_NO_SPEAKER = ("", "unknown", "n/a", "na", "nan", "<na>", "none", "null", "-", "?")

UNWANTED = "of emotions to leave out"

_logger = logging.getLogger("emotionrecog")


@dataclasses.dataclass(slots=True)
class Row:
    """A row of a table, or a file: its position, its cells by field, and their meaning."""

    place: str
    cells: dict[str, str]  # without the empty ones
    ragged: bool = False
    emotion: str | None = None
    file: Path | None = None
    corpus: str = ""
    speaker: str = ""


class LeftOut:
    """Rows that are left out of a table or a folder, by reason."""

    def __init__(self, name: str, noun: str) -> None:
        self.name, self.noun = name, noun
        self.rows: dict[str, list[Row]] = {}

    def keep(self, rows: list[Row], reason: str, test: Callable[[Row], bool]) -> list[Row]:
        """Return the rows that pass the test, and store the others."""
        kept: list[Row] = []
        for row in rows:
            (kept if test(row) else self.rows.setdefault(reason, [])).append(row)
        return kept

    def report(self, remaining: Sequence[object], expected: str) -> None:
        """Log the rows left out; raise `DatasetError` if none remain."""
        messages = {
            reason: f"{count_with_examples(list(map(describe, rows)), self.noun)} {reason}"
            for reason, rows in self.rows.items()
        }
        if not remaining:
            raise DatasetError(
                f"no recording in {self.name}: expected {expected}, found "
                f"{'; '.join(messages.values()) or f'no {self.noun}s'}"
            )
        for reason, rows in self.rows.items():
            level = logging.INFO if reason == UNWANTED else logging.WARNING
            _logger.log(level, "%s: left out %s", self.name, messages[reason])
            for row in rows:
                _logger.debug("%s: left out %s", self.name, describe(row))


def describe(row: Row) -> str:
    """Return the place of a row, and its path if it has one."""
    return f"{row.place}: {row.cells['path']!r}" if "path" in row.cells else row.place


def filled(cells: Mapping[str, str | None]) -> dict[str, str]:
    """Return the cells that are not empty."""
    return {field: cell for field, cell in cells.items() if cell is not None and cell.strip()}


def with_speakers(rows: list[Row], corpus: str, left_out: LeftOut) -> list[Row]:
    """Set the corpus and the speaker of each row, and leave out rows without a speaker."""
    for row in rows:
        name, speaker = row.cells.get("corpus", corpus), row.cells.pop("speaker", "")
        row.corpus = name.strip()
        if speaker.startswith(f"{name}/"):
            speaker = speaker.removeprefix(f"{name}/").strip()
        else:
            speaker = speaker.strip().removeprefix(f"{row.corpus}/").strip()
        if speaker.casefold().removeprefix(f"{row.corpus}/".casefold()) not in _NO_SPEAKER:
            row.cells["speaker"] = speaker
    with_names = {row.corpus for row in rows if "speaker" in row.cells}
    rows = left_out.keep(
        rows,
        "without a speaker, although others of their corpus have one",
        lambda row: "speaker" in row.cells or row.corpus not in with_names,
    )
    for row in rows:
        row.speaker = f"{row.corpus}/{row.cells.get('speaker', 'unknown')}"
    _require_one_spelling_each(left_out.name, {row.speaker for row in rows})
    for corpus_name, n_rows in Counter(
        row.corpus for row in rows if row.corpus not in with_names
    ).items():
        _logger.warning(
            "%s: the speakers of corpus %r are not known, so its %d recordings count as one "
            "speaker, %r: no split can keep its speakers apart, and results measured within it do "
            "not hold for new speakers; name the speakers with `speaker`",
            left_out.name,
            corpus_name,
            n_rows,
            f"{corpus_name}/unknown",
        )
    return rows


def _require_one_spelling_each(name: str, speakers: set[str]) -> None:
    """Raise `DatasetError` for both `Bob` and `bob`: a split would treat one person as two."""
    spellings: dict[str, list[str]] = {}
    for speaker in sorted(speakers):
        spellings.setdefault(speaker.casefold(), []).append(speaker)
    similar = [" and ".join(map(repr, group)) for group in spellings.values() if len(group) > 1]
    if similar:
        raise DatasetError(
            f"{name} has {count_with_examples(similar, 'speaker')} whose names differ in upper and "
            "lower case only, so one person could count as two; use one spelling for each person, "
            "and clearly different names for different people"
        )


def to_utterance(row: Row, unread: dict[str, list[str]]) -> Utterance:
    """Return a row as an utterance; facts that cannot be read are None, and added to `unread`."""
    assert row.file is not None  # for the type checker: such rows were left out before
    assert row.emotion is not None
    facts: dict[str, Any] = {}
    for field in FACTS:
        if field in row.cells:
            facts[field] = read_fact(field, row.cells[field])
            if facts[field] is None:
                unread.setdefault(field, []).append(f"{row.place}: {row.cells[field]!r}")
    if any(column in row.cells for column in VOTES):
        # A table need not have columns for emotions that listeners could not choose.
        votes = [_whole_number(row.cells.get(column, "0")) for column in VOTES]
        if all(number is not None and number >= 0 for number in votes):
            facts["votes"] = tuple(votes)
        else:
            unread.setdefault("votes", []).append(row.place)
    return Utterance(row.file, row.emotion, corpus=row.corpus, speaker=row.speaker, **facts)


def read_fact(field: str, cell: str) -> str | int | None:
    """Return the value of a cell; None if it cannot be read."""
    word = cell.strip().casefold()
    if field == "age":
        age = _whole_number(cell)
        return age if age is not None and 0 < age < 130 else None
    if field == "sex":
        word = _SEX_WORDS.get(word, word)
    if field in _WORDS:
        return word if word in _WORDS[field] else None
    return cell.strip()


def _whole_number(cell: str) -> int | None:
    try:
        return int(cell)
    except ValueError:
        pass
    try:
        number = float(cell)  # spreadsheets and pandas turn 27 into 27.0
    except ValueError:
        return None
    return int(number) if number.is_integer() else None
