"""CREMA-D: 91 actors, 12 sentences, six emotions.

A file name is four codes joined by underscores, such as ``1001_IEO_ANG_HI.wav``:

=========  ==============================================================================
actor      1001 to 1091
sentence   one of `SENTENCE_CODES`
emotion    one of `EMOTION_CODES`
intensity  LO, MD or HI in the sentence IEO; XX, unspecified, elsewhere and in neutral
=========  ==============================================================================

These rules give 7462 names, of which 20 were not recorded (`NOT_RECORDED`); 7442 remain. The
published wav files have one irregular name, ``1040_ITH_SAD_X.wav``, which is read as ``XX``.
The recording 1076_MTI_SAD_XX is digital silence. Three pairs are one recording under two labels:
1006_TIE_HAP_XX and 1006_TIE_NEU_XX, 1013_WSI_DIS_XX and 1013_WSI_SAD_XX, 1017_IWW_ANG_XX and
1017_IWW_FEA_XX.

Sex and age of the actors are joined from the owners' ``VideoDemographics.csv``, and the number of
listeners who chose each emotion from the voice alone from ``tabulatedVotes.csv``, if these files
lie in the folder of the recordings or beside it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from emotionrecog.datasets.corpus import EMOTIONS, Corpus, Utterance, require_code
from emotionrecog.errors import DatasetError

EMOTION_CODES = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fearful",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}

INTENSITY_CODES = {"LO": "low", "MD": "medium", "HI": "high", "XX": None}

SENTENCE_CODES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}

ACTORS = tuple(map(str, range(1001, 1092)))

NOT_RECORDED = frozenset({"1002_TIE_NEU_XX", "1076_ITS_NEU_XX"}) | {
    f"{performance}_{emotion}_XX"
    for performance in ("1008_WSI", "1009_MTI", "1019_ITH")
    for emotion in EMOTION_CODES
}

NAME_PARTS: Mapping[str, Mapping[str, object] | str] = {
    "actor": "1001 to 1091",
    "sentence": SENTENCE_CODES,
    "emotion": EMOTION_CODES,
    "intensity": INTENSITY_CODES,
}

FILE_NAMES = "actor_sentence_emotion_intensity, such as 1001_IEO_ANG_HI.wav"


def parse(path: Path) -> Utterance:
    """Read the name of a recording of CREMA-D.

    Parameters
    ----------
    path : Path
        The recording; it is not opened.

    Returns
    -------
    Utterance
        The utterance that the name describes, without sex, age and votes; `complete` adds them.

    Raises
    ------
    DatasetError
        If the name is not one of CREMA-D's.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import crema_d
    >>> utterance = crema_d.parse(Path("AudioWAV/1001_IEO_ANG_HI.wav"))
    >>> utterance.speaker, utterance.emotion, utterance.intensity, utterance.sentence
    ('crema_d/1001', 'angry', 'high', 'IEO')
    """
    codes = path.stem.upper().split("_")
    if len(codes) != 4:
        raise DatasetError(f"expected {FILE_NAMES}, got {path.name!r}")
    actor, sentence, emotion, intensity = codes
    if intensity == "X":
        intensity = "XX"
    if actor not in ACTORS:
        raise DatasetError(f"actor of {path.name!r} must be 1001 to 1091, got {actor!r}")
    for field, code, known in (
        ("sentence", sentence, SENTENCE_CODES),
        ("emotion", emotion, EMOTION_CODES),
        ("intensity", intensity, _intensities(sentence, emotion)),
    ):
        require_code(path.name, field, code, known)
    return Utterance(
        path=path,
        emotion=EMOTION_CODES[emotion],
        corpus="crema_d",
        speaker=f"crema_d/{actor}",
        intensity=INTENSITY_CODES[intensity],
        sentence=sentence,
        language="en",
        recording=f"{actor}_{sentence}_{emotion}_{intensity}",
    )


def _intensities(sentence: str, emotion: str) -> tuple[str, ...]:
    return ("LO", "MD", "HI") if sentence == "IEO" and emotion != "NEU" else ("XX",)


def names(style: str) -> frozenset[str]:
    """Return the names of all recordings of ``"speech"``; there is no song."""
    if style != "speech":
        return frozenset()
    possible = (
        f"{actor}_{sentence}_{emotion}_{intensity}"
        for actor in ACTORS
        for sentence in SENTENCE_CODES
        for emotion in EMOTION_CODES
        for intensity in _intensities(sentence, emotion)
    )
    return frozenset(possible) - NOT_RECORDED


def complete(root: Path, utterances: list[Utterance]) -> list[Utterance]:
    r"""Add the facts about actors and listeners in the owners' tables.

    The tables are searched for in the folder and its parent; in folders within these two that are
    named after the corpus, such as ``crema_d_meta``; and in ``processedResults``, where the owners'
    repository has one of them.

    Parameters
    ----------
    root : Path
        The folder of the recordings.
    utterances : list of Utterance
        Utterances from `parse`.

    Returns
    -------
    list of Utterance
        The utterances in the same order, with `sex` and `age` if ``VideoDemographics.csv`` was
        found, and with `votes` on the voice alone if ``tabulatedVotes.csv`` was found.

    Raises
    ------
    DatasetError
        If a table is damaged; the message names the file and the line.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import crema_d
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = Path(folder, "VideoDemographics.csv")
    ...     _ = table.write_text("ActorID,Age,Sex\n1001,51,Male\n")
    ...     utterances = [crema_d.parse(Path(folder, "1001_IEO_ANG_HI.wav"))]
    ...     (utterance,) = crema_d.complete(Path(folder), utterances)
    >>> utterance.sex, utterance.age
    ('male', 51)
    """
    folders = _folders_of_tables(root)
    actors = _actors(folders)
    votes = _votes(folders)
    unknown = (None, None)
    completed = []
    for utterance in utterances:
        sex, age = actors.get(utterance.speaker, unknown)
        chosen = votes.get(utterance.recording or "")
        completed.append(replace(utterance, sex=sex, age=age, votes=chosen))
    return completed


def _folders_of_tables(root: Path) -> list[Path]:
    """Return the folders where the tables may lie, the most likely first."""
    folders = []
    # The parent of a link, and the parent of its target.
    for folder in dict.fromkeys((root, root.absolute().parent, root.resolve().parent)):
        folders.append(folder)
        try:
            children = sorted(folder.iterdir())
        except OSError:  # a folder may be accessible although its parent cannot be listed
            continue
        for child in children:
            name = child.name.lower().replace("-", "").replace("_", "")
            if name.startswith(("cremad", "processedresults")) and child.is_dir():
                folders.append(child)
    return folders


def _actors(folders: Iterable[Path]) -> dict[str, tuple[str | None, int | None]]:
    """Return sex and age of each speaker."""
    actors: dict[str, tuple[str | None, int | None]] = {}
    for where, row in _rows(folders, "VideoDemographics.csv", ("ActorID", "Age", "Sex")):
        actor, age, sex = row
        if actor not in ACTORS or f"crema_d/{actor}" in actors:
            raise DatasetError(
                f"{where}: expected ActorID to be one of 1001 to 1091, once each, got {actor!r}"
            )
        if sex not in ("Female", "Male"):
            raise DatasetError(f"{where}: expected Sex to be Female or Male, got {sex!r}")
        if not (age.isdecimal() and 0 < int(age) < 130):
            raise DatasetError(f"{where}: expected Age to be in years, got {age!r}")
        actors[f"crema_d/{actor}"] = (sex.lower(), int(age))
    return actors


# The columns of the votes: an emotion's initial, as in `EMOTION_CODES`.
_INITIALS = {emotion: code[0] for code, emotion in EMOTION_CODES.items()}


def _votes(folders: Iterable[Path]) -> dict[str, tuple[int, ...]]:
    """Return the number of listeners to the voice alone for each of `EMOTIONS`, by recording."""
    votes: dict[str, tuple[int, ...]] = {}
    columns = ("", "fileName", "numResponses", *_INITIALS.values())
    for where, row in _rows(folders, "tabulatedVotes.csv", columns):
        number, name, *counts = row
        # A recording has three rows: 1..... is for the voice alone, 2..... for the face alone and
        # 3..... for both, as in the owners' query types. The most frequent choices of the first
        # are VoiceVote in their summaryTable.csv.
        if not (len(number) == 6 and number[0] in "123" and number.isdecimal()):
            raise DatasetError(
                f"{where}: expected the first column to be 100001 or more, below 400000, "
                f"got {number!r}"
            )
        if number[0] != "1":
            continue
        if name in votes:
            raise DatasetError(f"{where}: {name!r} has a second line of votes for the voice")
        if not all(count.isdecimal() for count in counts):
            raise DatasetError(
                f"{where}: expected whole numbers in {', '.join(columns[2:])}, "
                f"got {', '.join(counts)}"
            )
        n_listeners, *chosen = map(int, counts)
        if sum(chosen) != n_listeners:
            raise DatasetError(
                f"{where}: expected as many votes as numResponses, {n_listeners}, got {sum(chosen)}"
            )
        by_emotion = dict(zip(_INITIALS, chosen, strict=True))
        votes[name] = tuple(by_emotion.get(emotion, 0) for emotion in EMOTIONS)
    return votes


def _rows(
    folders: Iterable[Path], name: str, columns: tuple[str, ...]
) -> Iterator[tuple[str, list[str]]]:
    """Yield the position of each line of the first such table, and its named columns."""
    path = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if path is None:
        return
    where = f"{path}, line 1"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            missing = [column for column in columns if column not in header]
            if missing:
                raise DatasetError(
                    f"{where}: expected the columns {', '.join(map(repr, columns))} of the owners' "
                    f"{name}, missing {', '.join(map(repr, missing))}; got {header!r}"
                )
            positions = [header.index(column) for column in columns]
            for row in filter(None, reader):  # skips blank lines
                where = f"{path}, line {reader.line_num}"
                if len(row) != len(header):
                    raise DatasetError(
                        f"{where}: expected {len(header)} values as in line 1, got {len(row)}; "
                        f"get {name} from its owners again"
                    )
                yield where, [row[index].strip() for index in positions]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(
            f"{path}, after line {reader.line_num}: not a CSV of UTF-8 text; "
            f"get {name} from its owners again"
        ) from error


CORPUS = Corpus(
    name="crema_d",
    title="CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset",
    licence="ODbL 1.0",
    citation=(
        "Cao, H., Cooper, D. G., Keutmann, M. K., Gur, R. C., Nenkova, A. and Verma, R. (2014). "
        "CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset. IEEE Transactions on "
        "Affective Computing 5(4), 377-390. https://doi.org/10.1109/TAFFC.2014.2336244"
    ),
    homepage="https://github.com/CheyneyComputerScience/CREMA-D",
    language="en",
    emotion_codes=EMOTION_CODES,
    n_utterances={"speech": 7442},
    n_speakers={"speech": 91},
    file_names=FILE_NAMES,
    name_parts=NAME_PARTS,
    complete=complete,
    names=names,
    parse=parse,
)
