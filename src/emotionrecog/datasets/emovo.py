"""EMOVO: six actors, 14 Italian sentences, seven emotions.

A file name is three codes joined by hyphens, such as ``dis-f1-b1.wav``:

========  ===========================================================================
emotion   one of `EMOTION_CODES`
actor     f1, f2, f3, women, or m1, m2, m3, men
sentence  one of `SENTENCE_CODES`: b short, l long, n nonsense, d question
========  ===========================================================================

Every actor says every sentence once in every emotion: 588 recordings.
"""

import itertools
from pathlib import Path

from emotionrecog.datasets.corpus import Corpus, Utterance, require_code
from emotionrecog.errors import DatasetError

EMOTION_CODES = {
    "neu": "neutral",
    "dis": "disgust",
    "gio": "happy",
    "pau": "fearful",
    "rab": "angry",
    "sor": "surprised",
    "tri": "sad",
}

ACTOR_CODES = {
    "f1": "female",
    "f2": "female",
    "f3": "female",
    "m1": "male",
    "m2": "male",
    "m3": "male",
}

SENTENCE_CODES = {
    "b1": "Gli operai si alzano presto.",
    "b2": "I vigili sono muniti di pistola.",
    "b3": "La cascata fa molto rumore.",
    "l1": "L'autunno prossimo Tony partirà per la Spagna nella prima metà di ottobre.",
    "l2": "Ora prendo la felpa di là ed esco per fare una passeggiata.",
    "l3": "Un attimo dopo s'è incamminato ... ed è inciampato.",
    "l4": "Vorrei il numero telefonico del Signor Piatti.",
    "n1": "La casa forte vuole col pane.",
    "n2": "La forza trova il passo e l'aglio rosso.",
    "n3": "Il gatto sta scorrendo nella pera.",
    "n4": "Insalata pastasciutta coscia d'agnello limoncello.",
    "n5": "Uno quarantatré dieci mille cinquantasette venti.",
    "d1": "Sabato sera cosa farà?",
    "d2": "Porti con te quella cosa?",
}

NAME_PARTS = {"emotion": EMOTION_CODES, "actor": ACTOR_CODES, "sentence": SENTENCE_CODES}

FILE_NAMES = "emotion-actor-sentence, such as dis-f1-b1.wav"


def parse(path: Path) -> Utterance:
    """Read the name of a recording of EMOVO.

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
        If the name is not one of EMOVO's.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import emovo
    >>> utterance = emovo.parse(Path("EMOVO/f1/gio-f1-b1.wav"))
    >>> utterance.speaker, utterance.emotion, utterance.sentence, utterance.sex
    ('emovo/f1', 'happy', 'b1', 'female')
    """
    codes = path.stem.lower().split("-")
    if len(codes) != len(NAME_PARTS):
        raise DatasetError(f"expected {FILE_NAMES}, got {path.name!r}")
    for (part, known), code in zip(NAME_PARTS.items(), codes, strict=True):
        require_code(path.name, part, code, known)
    emotion, actor, sentence = codes
    return Utterance(
        path=path,
        emotion=EMOTION_CODES[emotion],
        corpus="emovo",
        speaker=f"emovo/{actor}",
        sex=ACTOR_CODES[actor],
        sentence=sentence,
        language="it",
        recording="-".join(codes),
    )


def names(style: str) -> frozenset[str]:
    """Return the names of all recordings of ``"speech"``; there is no song."""
    if style != "speech":
        return frozenset()
    return frozenset(map("-".join, itertools.product(*NAME_PARTS.values())))


CORPUS = Corpus(
    name="emovo",
    title="EMOVO: Italian emotional speech database",
    licence="research, as others report",
    citation=(
        "Costantini, G., Iaderola, I., Paoloni, A. and Todisco, M. (2014). EMOVO Corpus: an "
        "Italian Emotional Speech Database. Proceedings of the Ninth International Conference on "
        "Language Resources and Evaluation (LREC), Reykjavik. https://aclanthology.org/L14-1478/"
    ),
    homepage="http://voice.fub.it/activities/corpora/emovo/index.html",
    language="it",
    emotion_codes=EMOTION_CODES,
    n_utterances={"speech": 588},
    n_speakers={"speech": 6},
    file_names=FILE_NAMES,
    name_parts=NAME_PARTS,
    names=names,
    parse=parse,
)
