"""TESS: two women, 200 words in the phrase "Say the word …", seven emotions.

A file name is three codes joined by underscores, such as ``OAF_back_angry.wav``:

=======  ===========================================================
talker   OAF, the older woman, of 64 years, or YAF, the younger, of 26
word     the word that ends the phrase, one of `WORDS`
emotion  one of `EMOTION_CODES`; ``ps`` is pleasant surprise
=======  ===========================================================

The published files have one irregular name, ``OA_bite_neutral.wav``; it belongs to the older woman.
"""

import itertools
from collections.abc import Mapping
from pathlib import Path

from emotionrecog.datasets.corpus import Corpus, Utterance, require_code
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

# Age in years.
TALKERS = {"OAF": 64, "YAF": 26}

_WORDS = """
back bar base bath bean beg bite boat bone book bought burn cab calm came cause chain chair chalk
chat check cheek chief choice cool dab date dead death deep dime dip ditch dodge dog doll door
fail fall far fat fit five food gap gas gaze germ get gin goal good goose gun half hall hash hate
have haze hire hit hole home hurl hush jail jar join judge jug juice keen keep keg kick kill king
kite knock late laud lean learn lease lid life limb live loaf long lore lose lot love luck make
match merge mess met mill mob mode mood moon mop mouse nag name near neat nice note numb pad page
pain pass pearl peg perch phone pick pike pole pool puff rag raid rain raise rat reach read red
ring ripe road room rose rot rough rush said sail search seize sell shack shall shawl sheep shirt
should shout size soap soup sour south sub such sure take talk tape team tell thin third thought
thumb time tip tire ton tool tough turn vine voice void vote wag walk wash week wheat when which
whip white wife wire witch yearn yes young youth
"""

WORDS = tuple(_WORDS.split())

NAME_PARTS: Mapping[str, Mapping[str, object] | str] = {
    "talker": {talker: f"female, {age} years" for talker, age in TALKERS.items()},
    "word": "one of 200, in lower case",
    "emotion": EMOTION_CODES,
}

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
        The utterance that the name describes.

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
    require_code(path.name, "talker", talker, TALKERS)
    if word not in WORDS:
        raise DatasetError(
            f"word of {path.name!r} must be one of the 200 of TESS, got {codes[1]!r}"
        )
    require_code(path.name, "emotion", emotion, EMOTION_CODES)
    return Utterance(
        path=path,
        emotion=EMOTION_CODES[emotion],
        corpus="tess",
        speaker=f"tess/{talker}",
        sex="female",
        age=TALKERS[talker],
        sentence=word,
        language="en",
        recording=f"{talker}_{word}_{emotion}",
    )


def names(style: str) -> frozenset[str]:
    """Return the names of all recordings of ``"speech"``; there is no song."""
    if style != "speech":
        return frozenset()
    return frozenset(map("_".join, itertools.product(TALKERS, WORDS, EMOTION_CODES)))


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
    n_speakers={"speech": 2},
    file_names=FILE_NAMES,
    name_parts=NAME_PARTS,
    names=names,
    parse=parse,
)
