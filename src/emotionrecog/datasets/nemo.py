"""nEMO: nine actors, 90 Polish sentences, six emotions.

A file name is three codes joined by underscores, such as ``WR0_surprised_64.wav``:

========  ==============================================
speaker   one of `SPEAKERS`
emotion   one of `EMOTION_CODES`
sentence  1 to 90; the same for all speakers
========  ==============================================

The owners keep the recordings in ``samples`` and describe them in ``data.tsv`` beside it. That
table is not needed: the sexes and ages of its speakers are in `SPEAKERS`, and its sentences in the
names. Not all speakers recorded all sentences (`RECORDED`); there are 4481 recordings.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from emotionrecog.datasets.corpus import Corpus, Utterance, require_code
from emotionrecog.errors import DatasetError

EMOTION_CODES = {
    "anger": "angry",
    "fear": "fearful",
    "happiness": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "surprised": "surprised",
}

# Sex and age in years, from the owners' table.
SPEAKERS = {
    "EB0": ("female", 27),
    "IC0": ("female", 28),
    "KD0": ("female", 28),
    "KS0": ("male", 23),
    "MK0": ("female", 23),
    "MP0": ("male", 24),
    "SM0": ("male", 24),
    "TP0": ("male", 26),
    "WR0": ("male", 23),
}

SENTENCES = tuple(map(str, range(1, 91)))

NAME_PARTS: Mapping[str, Mapping[str, object] | str] = {
    "speaker": {code: f"{sex}, {age} years" for code, (sex, age) in SPEAKERS.items()},
    "emotion": EMOTION_CODES,
    "sentence": "1 to 90",
}

FILE_NAMES = "speaker_emotion_sentence, such as WR0_surprised_64.wav"

# The recorded sentences of speakers and emotions for which some are missing.
RECORDED = {
    ("EB0", "surprised"): "1-39 41-90",
    ("MK0", "surprised"): "",
    ("MP0", "anger"): (
        "2 4-6 8-10 14 17-18 24 27 32 36 40-42 44 46 54-56 65 68-71 73 85"  #
    ),
    ("MP0", "fear"): "1-5 8 12 14 21 23 28 30 33 35 41 47 61",
    ("MP0", "happiness"): "1-21 37 40 47 52 55 58 61 67 77",
    ("MP0", "sadness"): (
        "1-2 5-12 14-16 19-20 22-23 42-43 45-46 48-53 56-57 60 62-64 66 68-72 75 77-79 83-84 86-89"
    ),
    ("MP0", "surprised"): (
        "8 12 14 16-18 21 23-25 27-30 32-35 37 39-41 44 48 52-54 64 66-70 72-74 80 84-85 87 90"
    ),
    ("SM0", "fear"): "1-17 19-90",
    ("SM0", "happiness"): "1-30 32-90",
    ("TP0", "surprised"): "1-74 76-90",
    ("WR0", "neutral"): "1-10 12-90",
}


def parse(path: Path) -> Utterance:
    """Read the name of a recording of nEMO.

    Parameters
    ----------
    path : Path
        The recording; it is not opened.

    Returns
    -------
    Utterance
        The utterance that the name describes, with the speaker's sex and age.

    Raises
    ------
    DatasetError
        If the name is not one of nEMO's.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import nemo
    >>> utterance = nemo.parse(Path("samples/WR0_surprised_64.wav"))
    >>> utterance.speaker, utterance.emotion, utterance.sentence, utterance.sex, utterance.age
    ('nemo/WR0', 'surprised', '64', 'male', 23)
    """
    codes = path.stem.split("_")
    if len(codes) != 3:
        raise DatasetError(f"expected {FILE_NAMES}, got {path.name!r}")
    speaker, emotion, sentence = codes[0].upper(), codes[1].lower(), codes[2]
    require_code(path.name, "speaker", speaker, SPEAKERS)
    require_code(path.name, "emotion", emotion, EMOTION_CODES)
    if sentence not in SENTENCES:
        raise DatasetError(f"sentence of {path.name!r} must be 1 to 90, got {sentence!r}")
    sex, age = SPEAKERS[speaker]
    return Utterance(
        path=path,
        emotion=EMOTION_CODES[emotion],
        corpus="nemo",
        speaker=f"nemo/{speaker}",
        sex=sex,
        age=age,
        sentence=sentence,
        language="pl",
        recording=f"{speaker}_{emotion}_{sentence}",
    )


def names(style: str) -> frozenset[str]:
    """Return the names of all recordings of ``"speech"``; there is no song."""
    if style != "speech":
        return frozenset()
    return frozenset(
        f"{speaker}_{emotion}_{number}"
        for speaker in SPEAKERS
        for emotion in EMOTION_CODES
        for number in _numbers(RECORDED.get((speaker, emotion), "1-90"))
    )


def _numbers(ranges: str) -> Iterator[int]:
    for bounds in ranges.split():
        first, _, last = bounds.partition("-")
        yield from range(int(first), int(last or first) + 1)


CORPUS = Corpus(
    name="nemo",
    title="nEMO: Dataset of Emotional Speech in Polish",
    licence="CC BY-NC-SA 4.0",
    citation=(
        "Christop, I. (2024). nEMO: Dataset of Emotional Speech in Polish. Proceedings of the 2024 "
        "Joint International Conference on Computational Linguistics, Language Resources and "
        "Evaluation (LREC-COLING), Torino, 12111-12116. "
        "https://aclanthology.org/2024.lrec-main.1059/"
    ),
    homepage="https://github.com/amu-cai/nEMO",
    language="pl",
    emotion_codes=EMOTION_CODES,
    n_utterances={"speech": 4481},
    n_speakers={"speech": 9},
    file_names=FILE_NAMES,
    name_parts=NAME_PARTS,
    names=names,
    parse=parse,
)
