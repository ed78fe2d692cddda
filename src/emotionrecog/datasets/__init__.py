"""Corpora of emotional speech: facts about them, and readers of their file names.

Each corpus has a module with the same names: ``NAME_PARTS``, ``EMOTION_CODES`` and the other tables
of its file-name code; ``parse`` for one path; ``names``, if the complete list of recordings is
known; and ``CORPUS``, the `Corpus` that holds its facts and reads a folder into a list of
`Utterance`.

Examples
--------
>>> from emotionrecog import datasets
>>> list(datasets.CORPORA)
['ravdess', 'crema_d', 'savee', 'tess', 'emodb', 'emovo', 'nemo', 'urdu']
>>> datasets.CORPORA["tess"].licence
'CC BY-NC-ND 4.0'
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from emotionrecog import audio
from emotionrecog.datasets import crema_d, emodb, emovo, nemo, ravdess, savee, tess, urdu
from emotionrecog.datasets.corpus import (
    EMOTIONS,
    Corpus,
    Scan,
    Utterance,
    by_preference,
    count_files,
)
from emotionrecog.datasets.folders import from_folders
from emotionrecog.datasets.labels import LABEL_SETS, SPELLINGS, LabelSet, Relabelled, label_set
from emotionrecog.datasets.table import from_table, to_frame, write_csv
from emotionrecog.errors import DatasetError, require_one_of
from emotionrecog.text import count, printable

__all__ = [
    "CORPORA",
    "EMOTIONS",
    "LABEL_SETS",
    "SPELLINGS",
    "Corpus",
    "LabelSet",
    "Relabelled",
    "Scan",
    "Utterance",
    "from_folders",
    "from_name",
    "from_source",
    "from_table",
    "label_set",
    "read",
    "to_frame",
    "write_csv",
]

CORPORA: Mapping[str, Corpus] = MappingProxyType(
    {
        module.CORPUS.name: module.CORPUS
        for module in (ravdess, crema_d, savee, tess, emodb, emovo, nemo, urdu)
    }
)
"""The known corpora by name; read-only."""

_logger = logging.getLogger("emotionrecog")


def read(root: str | os.PathLike[str], name: str | None = None) -> list[Utterance]:
    """Read every known corpus that lies in a folder of corpora.

    Every folder named after a corpus is read, with or without a suffix after an underscore:
    ``ravdess`` and ``ravdess_song``, ``crema_d``, ``emodb``. Hyphens count as underscores, and case
    is ignored: ``CREMA-D``, ``EMO-DB``, ``URDU-Dataset``. Folders without recordings are skipped.
    If a recording lies in several folders of its corpus, one copy is kept, by the rule of
    `Corpus.scan`, and a warning counts the others. Without such a folder, `root` itself may
    be the folder of a corpus.

    Parameters
    ----------
    root : str or path-like
        The folder that holds a folder for each corpus (on the command line, the environment
        variable ``EMOTIONRECOG_CORPORA``), or the folder of one corpus.
    name : str, optional
        One of `CORPORA`, if `root` is the folder of that corpus and has another name.

    Returns
    -------
    list of Utterance

    Raises
    ------
    FileNotFoundError
        If `root` does not exist.
    DatasetError
        If there is no corpus in it.
    ValueError
        If `name` is not a known corpus.
    """
    if name is not None:
        require_one_of("name", name, CORPORA)
        return CORPORA[name].utterances(root)
    if not Path(root).is_dir():
        raise FileNotFoundError(
            f"no such folder: {os.fspath(root)!r}; expected one that holds a folder of each "
            f"corpus, called {', '.join(CORPORA)}"
        )
    folders = sorted(path for path in Path(root).iterdir() if path.is_dir())
    # The folder itself is read if it holds no folder that is named after a corpus.
    is_single = not any(_called(folder, name) for folder in folders for name in CORPORA)
    utterances: list[Utterance] = []
    for corpus_name, corpus in CORPORA.items():
        of_corpus: list[Utterance] = []
        for folder in [Path(root)] if is_single else folders:
            if _called(folder, corpus_name) and next(audio.find(folder), None):
                of_corpus += corpus.utterances(folder)
        utterances += _once_each(of_corpus, corpus_name, Path(root))
    if not utterances:
        raise DatasetError(
            f"no corpus in {os.fspath(root)!r}: expected folders called {', '.join(CORPORA)}; "
            f"found {', '.join(folder.name for folder in folders) or 'none'}. A folder of "
            "another name is read by its corpus, such as CORPORA['ravdess'].utterances"
        )
    return utterances


def from_name(path: str | os.PathLike[str]) -> Utterance | None:
    """Return the utterance that a file name of a known corpus describes; otherwise None.

    The file is not opened and need not exist.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    Utterance or None

    Examples
    --------
    >>> from emotionrecog import datasets
    >>> datasets.from_name("somewhere/1001_DFA_ANG_XX.wav").emotion
    'angry'
    >>> datasets.from_name("clip.wav")
    """
    for corpus in CORPORA.values():
        try:
            parsed = corpus.parse(Path(path))
        except DatasetError:
            continue
        if isinstance(parsed, Utterance):
            return parsed
    return None


def from_source(source: str | os.PathLike[str]) -> list[Utterance]:
    """Read the utterances of a table, or all recordings of known corpora below a folder.

    Unlike `read`, it does not depend on the names of the folders. Files that are not used are
    counted in warnings, by reason.

    Parameters
    ----------
    source : str or path-like
        A table for `from_table`, or a folder.

    Returns
    -------
    list of Utterance

    Raises
    ------
    FileNotFoundError
        If `source` does not exist.
    DatasetError
        If the folder holds no recording of a known corpus, or the table cannot be used.
    """
    if not Path(source).exists():
        raise FileNotFoundError(f"no such table or folder: {os.fspath(source)!r}")
    if not Path(source).is_dir():
        return from_table(source)
    scans = [corpus.scan(source) for corpus in CORPORA.values()]
    utterances = [utterance for scan in scans for utterance in scan.utterances]
    unused: dict[str, set[Path]] = {"copies of others": set()}
    for scan in scans:
        unused["copies of others"].update(scan.copies)
        for path, reason in scan.left_out.items():
            unused.setdefault(reason, set()).add(path)
    unexpected = set.intersection(*(set(scan.unexpected_files) for scan in scans))
    unused["not of a known corpus"] = unexpected
    for reason, paths in unused.items():
        if remaining := paths.difference(utterance.path for utterance in utterances):
            name = printable(str(min(remaining)))
            _logger.warning(
                "left out %s (%s), such as %s", count(len(remaining), "file"), reason, name
            )
    if not utterances:
        raise DatasetError(
            f"no recording of a known corpus ({', '.join(CORPORA)}) in {os.fspath(source)!r}; list "
            "other recordings in a table with columns path, emotion and speaker"
        )
    return utterances


def _once_each(utterances: list[Utterance], corpus: str, root: Path) -> list[Utterance]:
    """Leave out copies of recordings that lie in other folders of the same corpus."""
    preferred: dict[str, Path] = {}
    for path, recording in sorted(
        ((utterance.path, utterance.recording) for utterance in utterances),
        key=lambda pair: by_preference(pair[0]),
    ):
        if recording is not None:
            preferred.setdefault(recording, path)
    kept = [u for u in utterances if u.recording is None or preferred[u.recording] == u.path]
    copies = sorted({u.path for u in utterances} - {u.path for u in kept})
    if copies:
        _logger.warning("%s: left out %s: copies of other files", corpus, count_files(copies, root))
    return kept


def _called(folder: Path, corpus: str) -> bool:
    name = folder.name.lower().replace("-", "_")
    return name.startswith(f"{corpus}_") or name.replace("_", "") == corpus.replace("_", "")
