"""URDU-Dataset: 400 utterances cut from Urdu talk shows, four emotions.

A file name is three codes joined by underscores, such as ``SM1_F1_A01.wav``:

=======  ===================================================================================
speaker  SM and a number for a man, SF and a number for a woman
file     F and the number of the file among those of the speaker in the emotion
emotion  one of `EMOTION_CODES`, a zero, and the number of the file among those of the emotion
=======  ===================================================================================

The zero precedes every number: ``A01``, ``A010``, ``A0100``. A speaker's code is the same in
all emotions. The owners state 38 speakers, 27 men and 11 women, and number them SM1 to SM27 and
SF1 to SF11; the published files have 29 of them, without SM8 to SM16 (`FILES`). Only SM3,
SM5 and SM6 occur in more than one emotion, so the speaker almost determines the emotion: an
experiment with shared speakers measures that.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from emotionrecog.datasets.corpus import Corpus, Utterance, require_code
from emotionrecog.errors import DatasetError

EMOTION_CODES = {"A": "angry", "H": "happy", "N": "neutral", "S": "sad"}

SPEAKERS = {f"SM{number}": "male" for number in range(1, 28)} | {
    f"SF{number}": "female" for number in range(1, 12)
}

# Number of files of each speaker in each emotion, in the order of the file numbers.
FILES = {
    "A": {"SM1": 22, "SM2": 28, "SM3": 2, "SM4": 48},
    "H": {
        **{"SF1": 12, "SF2": 2, "SF3": 2, "SF4": 4, "SF5": 4, "SF6": 14, "SF7": 6, "SF8": 2},
        **{"SM17": 2, "SM18": 2, "SM19": 2, "SM3": 2, "SM5": 8, "SM6": 10, "SM7": 28},
    },
    "N": {"SF9": 4, "SM20": 10, "SM21": 4, "SM22": 2, "SM3": 8, "SM5": 72},
    "S": {
        **{"SF10": 2, "SF11": 4, "SM23": 6, "SM24": 38, "SM25": 40, "SM26": 2, "SM27": 4},
        **{"SM6": 4},
    },
}

NAME_PARTS: Mapping[str, Mapping[str, object] | str] = {
    "speaker": "SM1 to SM27, men, and SF1 to SF11, women",
    "file": "F and a number, counted for each speaker in each emotion",
    "emotion": EMOTION_CODES,
    "number": "01 to 0100, counted in each emotion",
}

FILE_NAMES = "speaker_file_emotion and number, such as SM1_F1_A01.wav"

_NAME = re.compile(r"(S[MF][0-9]+)_F([0-9]+)_([A-Z])([0-9]+)", re.IGNORECASE | re.ASCII)


def parse(path: Path) -> Utterance:
    """Read the name of a recording of URDU.

    Parameters
    ----------
    path : Path
        The recording; it is not opened.

    Returns
    -------
    Utterance
        The utterance that the name describes, without the sentence.

    Raises
    ------
    DatasetError
        If the name is not one of URDU's.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import urdu
    >>> utterance = urdu.parse(Path("Happy/SF1_F10_H010.wav"))
    >>> utterance.speaker, utterance.emotion, utterance.sex
    ('urdu/SF1', 'happy', 'female')
    """
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise DatasetError(f"expected {FILE_NAMES}, got {path.name!r}")
    speaker, emotion = match[1].upper(), match[3].upper()
    if speaker not in SPEAKERS:
        raise DatasetError(
            f"speaker of {path.name!r} must be SM1 to SM27 or SF1 to SF11, got {match[1]!r}"
        )
    require_code(path.name, "emotion", emotion, EMOTION_CODES)
    numbers = {"file": match[2].lstrip("0"), "number": match[4].lstrip("0")}
    for part, number in numbers.items():
        if not (number and len(number) <= 3 and int(number) <= 100):
            raise DatasetError(f"{part} of {path.name!r} must be 1 to 100, got {number or '0'!r}")
    return Utterance(
        path=path,
        emotion=EMOTION_CODES[emotion],
        corpus="urdu",
        speaker=f"urdu/{speaker}",
        sex=SPEAKERS[speaker],
        language="ur",
        recording=f"{speaker}_F{numbers['file']}_{emotion}0{numbers['number']}",
    )


def names(style: str) -> frozenset[str]:
    """Return the names of all recordings of ``"speech"``; there is no song."""
    recordings = set()
    if style == "speech":
        for emotion, n_files in FILES.items():
            number = 0
            for speaker, n in n_files.items():
                for file in range(1, n + 1):
                    number += 1
                    recordings.add(f"{speaker}_F{file}_{emotion}0{number}")
    return frozenset(recordings)


CORPUS = Corpus(
    name="urdu",
    title="URDU-Dataset",
    licence="for research only",
    citation=(
        "Latif, S., Qayyum, A., Usman, M. and Qadir, J. (2018). Cross Lingual Speech Emotion "
        "Recognition: Urdu vs. Western Languages. https://arxiv.org/abs/1812.10411"
    ),
    homepage="https://github.com/siddiquelatif/URDU-Dataset",
    language="ur",
    emotion_codes=EMOTION_CODES,
    n_utterances={"speech": 400},
    n_speakers={"speech": 29},
    file_names=FILE_NAMES,
    name_parts=NAME_PARTS,
    names=names,
    parse=parse,
)
