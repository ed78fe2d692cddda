"""TESS: two women, 200 words in the phrase "Say the word …", seven emotions.

A file name is three codes joined by underscores, such as ``OAF_back_angry.wav``:

=======  ===========================================================
talker   OAF, the older woman, or YAF, the younger
word     the word that ends the phrase
emotion  one of `EMOTION_CODES`; ``ps`` stands for pleasant surprise
=======  ===========================================================

The files as published have one stray name, ``OA_bite_neutral.wav``, which is the older woman's.
"""

from pathlib import Path

from emotionrecog.datasets.corpus import Corpus, Utterance
from emotionrecog.errors import DatasetError

EMOTION_CODES = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fearful",
    "happy": "happy",
    "neutral": "neutral",
    "ps": "surprised",
    "sad": "sad",
}

TALKERS = ("OAF", "YAF")

FILE_NAMES = "talker_word_emotion, such as OAF_back_angry.wav"


def parse(path: Path) -> Utterance:
    """Read the name of a recording of TESS.

    Parameters
    ----------
    path : Path
        The recording; it is not opened.

    Returns
    -------
    Utterance
        What the name says.

    Raises
    ------
    DatasetError
        If the name is not one of TESS's.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import tess
    >>> utterance = tess.parse(Path("YAF_pleasant_surprised/YAF_youth_ps.wav"))
    >>> utterance.speaker, utterance.emotion, utterance.sentence
    ('tess/YAF', 'surprised', 'youth')
    """
    codes = path.stem.split("_")
    if len(codes) != 3:
        raise DatasetError(f"expected {FILE_NAMES}, got {path.name!r}")
    talker, word, emotion = codes[0].upper(), codes[1].lower(), codes[2].lower()
    if talker == "OA":
        talker = "OAF"
    if talker not in TALKERS:
        raise DatasetError(
            f"talker of {path.name!r} must be one of {', '.join(TALKERS)}, got {codes[0]!r}"
        )
    if not (word.isascii() and word.isalpha()):
        raise DatasetError(f"word of {path.name!r} must be an English word, got {codes[1]!r}")
    if emotion not in EMOTION_CODES:
        raise DatasetError(
            f"emotion of {path.name!r} must be one of {', '.join(EMOTION_CODES)}, got {codes[2]!r}"
        )
    return Utterance(
        path=path,
        emotion=EMOTION_CODES[emotion],
        corpus="tess",
        speaker=f"tess/{talker}",
        sex="female",
        sentence=word,
        language="en",
        recording=f"{talker}_{word}_{emotion}",
    )


CORPUS = Corpus(
    name="tess",
    title="TESS: Toronto emotional speech set",
    licence="CC BY-NC-ND 4.0",
    citation=(
        "Pichora-Fuller, M. K. and Dupuis, K. (2020). Toronto emotional speech set (TESS). "
        "Borealis. https://doi.org/10.5683/SP2/E8H2MF"
    ),
    homepage="https://doi.org/10.5683/SP2/E8H2MF",
    language="en",
    emotion_codes=EMOTION_CODES,
    n_utterances={"speech": 2800},
    file_names=FILE_NAMES,
    parse=parse,
)
