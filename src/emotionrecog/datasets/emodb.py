"""EMO-DB, the Berlin database of emotional speech: ten actors, ten German sentences.

A file name is four codes without anything between them, such as ``03a01Fa.wav``:

========  ====================================================================================
speaker   one of `SPEAKERS`
sentence  one of `SENTENCE_CODES`
emotion   one of `EMOTION_CODES`, the initial of the German word
version   a, b, c, ... if an actor said a sentence more than once
========  ====================================================================================

The letters are the initials of Wut, Langeweile, Ekel, Angst, Freude, Trauer and neutral: A is not
anger, and F is not fear. The library does not have boredom, so 81 of the 535 recordings are left
out, and 454 remain.

Version 2.0, published by audEERING, has 281 more recordings with the same naming, which fewer than
four in five listeners recognised. Its folder ``laryngo`` has a laryngogram of every recording under
the same name; these are left out, because they do not contain the voice.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from emotionrecog.datasets.corpus import Corpus, Utterance, require_code
from emotionrecog.errors import DatasetError

EMOTION_CODES = {
    "W": "angry",
    "L": None,
    "E": "disgust",
    "A": "fearful",
    "F": "happy",
    "T": "sad",
    "N": "neutral",
}

# Sex and age in years, from the owners' table.
SPEAKERS = {
    "03": ("male", 31),
    "08": ("female", 34),
    "09": ("female", 21),
    "10": ("male", 32),
    "11": ("male", 26),
    "12": ("male", 30),
    "13": ("female", 32),
    "14": ("female", 35),
    "15": ("male", 25),
    "16": ("female", 31),
}

SENTENCE_CODES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}

NAME_PARTS: Mapping[str, Mapping[str, object] | str] = {
    "speaker": {code: f"{sex}, {age} years" for code, (sex, age) in SPEAKERS.items()},
    "sentence": SENTENCE_CODES,
    "emotion": EMOTION_CODES,
    "version": "a letter, where an actor said a sentence more than once",
}

FILE_NAMES = "speaker, sentence, emotion and version, such as 03a01Fa.wav"

_NAME = re.compile(r"([0-9]{2})([a-z][0-9]{2})([a-z])([a-z]?)", re.IGNORECASE | re.ASCII)


def parse(path: Path) -> Utterance | str:
    """Read the name of a recording of EMO-DB.

    Parameters
    ----------
    path : Path
        The recording; it is not opened.

    Returns
    -------
    Utterance or str
        The utterance that the name describes, with the speaker's sex and age; for boredom and
        laryngograms, the reason to leave it out.

    Raises
    ------
    DatasetError
        If the name is not one of EMO-DB's.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import emodb
    >>> utterance = emodb.parse(Path("wav/03a01Fa.wav"))
    >>> utterance.speaker, utterance.emotion, utterance.sentence, utterance.sex, utterance.age
    ('emodb/03', 'happy', 'a01', 'male', 31)
    >>> emodb.parse(Path("wav/03a04Lc.wav"))
    'of boredom, which the library does not have'
    """
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise DatasetError(f"expected {FILE_NAMES}, got {path.name!r}")
    speaker, sentence, code, version = match[1], match[2].lower(), match[3].upper(), match[4]
    for part, value, codes in (
        ("speaker", speaker, SPEAKERS),
        ("sentence", sentence, SENTENCE_CODES),
        ("emotion", code, EMOTION_CODES),
    ):
        require_code(path.name, part, value, codes)
    if "laryng" in path.absolute().parent.name.lower():
        return "that are laryngograms"
    emotion = EMOTION_CODES[code]
    if emotion is None:
        return "of boredom, which the library does not have"
    sex, age = SPEAKERS[speaker]
    return Utterance(
        path=path,
        emotion=emotion,
        corpus="emodb",
        speaker=f"emodb/{speaker}",
        sex=sex,
        age=age,
        sentence=sentence,
        language="de",
        recording=f"{speaker}{sentence}{code}{version.lower()}",
    )


CORPUS = Corpus(
    name="emodb",
    title="EMO-DB: Berlin Database of Emotional Speech",
    licence="CC0 1.0",
    citation=(
        "Burkhardt, F., Paeschke, A., Rolfes, M., Sendlmeier, W. F. and Weiss, B. (2005). "
        "A Database of German Emotional Speech. Proceedings of Interspeech, Lisbon, 1517-1520."
    ),
    homepage="http://emodb.bilderbar.info/",
    language="de",
    emotion_codes=EMOTION_CODES,
    n_utterances={"speech": 454},
    n_speakers={"speech": 10},
    file_names=FILE_NAMES,
    name_parts=NAME_PARTS,
    parse=parse,
)
