"""Read recordings that lie in one folder for each emotion."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from emotionrecog.audio.folders import is_hidden
from emotionrecog.datasets.corpus import audio_files
from emotionrecog.datasets.labels import read_words, unknown_words
from emotionrecog.datasets.rows import UNWANTED, LeftOut, Row, filled, to_utterance, with_speakers
from emotionrecog.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from emotionrecog.datasets.corpus import Utterance

__all__ = ["from_folders"]


def from_folders(
    root: str | os.PathLike[str],
    *,
    corpus: str = "mine",
    emotions: Mapping[str, str | None] | None = None,
    speaker: Callable[[Path], str | None] | None = None,
) -> list[Utterance]:
    """Read recordings that lie in one folder for each emotion.

    The folders may lie deeper, for example below one for each speaker, and have subfolders: the
    nearest folder above a recording, and below `root`, that is named after an emotion gives its
    emotion. Only names are read; no recording is opened. Recordings outside the folders
    of emotions are left out; the library's logger, ``logging.getLogger("emotionrecog")``, warns
    with their number and the first three, and lists all of them at level ``DEBUG``.

    Parameters
    ----------
    root : str or path-like
        Folder that holds the folders.
    corpus : str, optional
        Name of the corpus.
    emotions : mapping of str to str or None, optional
        The meaning of folder names among the library's `EMOTIONS`, such as
        ``{"wut": "angry", "bored": None}``; None leaves the folder out. The words in `SPELLINGS`,
        such as ``anger`` and ``joy``, need not be listed.
    speaker : callable, optional
        Function that takes the path of a recording and returns the speaker's name, to which the
        name of the corpus is prefixed, or None if it is unknown (words such as ``unknown`` mean the
        same, as in `from_table`); such recordings are left out if others have a speaker. By default
        all recordings count as one speaker, called ``"mine/unknown"`` in corpus ``"mine"``, so that
        no split can claim to keep speakers apart; a warning says so.

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
        If recordings lie in a folder whose name has no known meaning, if a link gives a recording
        two emotions, if names of speakers differ in upper and lower case only, or if there is no
        recording in a folder of an emotion.

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
    files = sorted(audio_files(root))
    folders = [_parts_below(root, file) for file in files]
    linked = [_parts_below(root.resolve(), file.resolve()) for file in files]
    linked_pairs = _linked_folders(root)
    entered = [folder.parts for pair in linked_pairs for folder in pair]
    emotion_of = read_words(
        (name for parts in (*folders, *linked, *entered) for name in parts), emotions
    )
    _require_one_emotion_each_folder(root, linked_pairs, emotion_of)
    rows = []
    row_of: dict[Path, Row] = {}
    above: set[tuple[str, ...]] = {()}
    for file, parts, real in zip(files, folders, linked, strict=True):
        row = Row(repr(file.relative_to(root).as_posix()), {}, file=file)
        depth = _nearest(parts, emotion_of)
        if depth is not None:
            row.cells = {"emotion": parts[depth]}
            row.emotion = emotion_of[parts[depth]]
            above.update(parts[:n] for n in range(depth + 1))
        real_depth = _nearest(real, emotion_of)
        if real_depth is not None and (
            depth is None or emotion_of[real[real_depth]] != row.emotion
        ):
            raise DatasetError(
                f"{row.place} is a link to {str(file.resolve())!r}, which gives one recording two "
                f"places; keep one of them, in the folder of its emotion"
            )
        if row.cells:
            same = row_of.setdefault(file.resolve(), row)
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
    left_out = LeftOut(repr(str(root)), "file")
    rows = left_out.keep(rows, "outside a folder of an emotion", lambda row: bool(row.cells))
    rows = left_out.keep(rows, UNWANTED, lambda row: row.emotion is not None)
    if speaker is not None:
        for row in rows:
            assert row.file is not None  # for the type checker
            row.cells |= filled({"speaker": speaker(row.file)})
    rows = with_speakers(rows, corpus, left_out)
    left_out.report(rows, "audio files in folders named after an emotion")
    return [to_utterance(row, {}) for row in rows]


def _linked_folders(root: Path) -> list[tuple[Path, Path]]:
    """Return pairs of folders below `root`, relative to it, that links make one folder."""
    entered = {root.resolve(): Path()}
    pairs = []
    for here, folders, _ in os.walk(root, followlinks=True):
        kept = []
        for name in sorted(folders):
            if is_hidden(name):
                continue
            folder = Path(here, name)
            first = entered.setdefault(folder.resolve(), folder.relative_to(root))
            if first == folder.relative_to(root):
                kept.append(name)
            else:
                pairs.append((first, folder.relative_to(root)))
        folders[:] = kept
    return pairs


def _require_one_emotion_each_folder(
    root: Path, pairs: list[tuple[Path, Path]], emotion_of: Mapping[str, str | None]
) -> None:
    for first, other in pairs:
        n, m = _nearest(first.parts, emotion_of), _nearest(other.parts, emotion_of)
        if n is None or m is None or emotion_of[first.parts[n]] == emotion_of[other.parts[m]]:
            continue
        raise DatasetError(
            f"{first.as_posix()!r} and {other.as_posix()!r} are both "
            f"{str((root / other).resolve())!r}, because one is a link to the other, which "
            f"gives one recording two emotions; keep one of them, in the folder of its emotion"
        )


def _parts_below(root: Path, file: Path) -> tuple[str, ...]:
    """Return the folders between `root` and a file; none if the file is not below `root`."""
    return file.relative_to(root).parent.parts if file.is_relative_to(root) else ()


def _nearest(folders: Sequence[str], emotion_of: Mapping[str, str | None]) -> int | None:
    """Return the position of the last folder that is named after an emotion."""
    return max((n for n, name in enumerate(folders) if name in emotion_of), default=None)
