"""SAVEE: four men, seven emotions, 15 sentences an emotion and 30 in neutral.

A recording lies in its speaker's folder, ``DC/a01.wav``, or has the speaker in its name,
``DC_a01.wav``; both forms are in circulation. The emotion and the number of the sentence *within
that emotion* follow:

========  ===============================
speaker   DC, JE, JK or KL
emotion   one of `EMOTION_CODES`
sentence  01 to 15, in neutral 01 to 30
========  ===============================

The same number in two emotions is not the same sentence, so the sentence of an `Utterance` is the
letters with the number, ``a01``. The owners recorded the same three sentences in every emotion, and
two sentences specific to each emotion in neutral as well, so sentences with different codes can be
equal.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from emotionrecog.datasets.corpus import Corpus, Utterance, require_code
from emotionrecog.errors import DatasetError

EMOTION_CODES = {
    "a": "angry",
    "d": "disgust",
    "f": "fearful",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprised",
}

SPEAKERS = ("DC", "JE", "JK", "KL")

NAME_PARTS: Mapping[str, Mapping[str, object] | str] = {
    "speaker": "DC, JE, JK or KL: the folder's name, or before an underscore",
    "emotion": EMOTION_CODES,
    "sentence": "01 to 15, in neutral 01 to 30",
}

FILE_NAMES = "speaker/emotion and sentence, such as DC/a01.wav, or DC_a01.wav"

_NAME = re.compile(r"(?:([A-Z]+)_)?([A-Z]+)([0-9]{2})", re.IGNORECASE | re.ASCII)


def parse(path: Path) -> Utterance:
    """Read the name of a recording of SAVEE, and of the folder it lies in.

    Parameters
    ----------
    path : Path
        The recording; it is not opened.

    Returns
    -------
    Utterance
        The utterance that the names describe.

    Raises
    ------
    DatasetError
        If the names are not SAVEE's.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import savee
    >>> utterance = savee.parse(Path("AudioData/DC/sa01.wav"))
    >>> utterance.speaker, utterance.emotion, utterance.sentence
    ('savee/DC', 'sad', 'sa01')
    >>> savee.parse(Path("ALL/KL_n30.wav")).speaker
    'savee/KL'
    """
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise DatasetError(f"expected {FILE_NAMES}, got {path.name!r}")
    speaker = (match[1] or path.absolute().parent.name).upper()
    emotion = match[2].lower()
    if speaker not in SPEAKERS:
        raise DatasetError(
            f"speaker of {path.name!r}, the folder's name or before an underscore, must be one of "
            f"{', '.join(SPEAKERS)}, got {speaker!r}"
        )
    require_code(path.name, "emotion", emotion, EMOTION_CODES)
    if not 1 <= int(match[3]) <= _n_sentences(emotion):
        raise DatasetError(
            f"sentence of {path.name!r} must be 01 to {_n_sentences(emotion)}, got {match[3]!r}"
        )
    sentence = emotion + match[3]
    return Utterance(
        path=path,
        emotion=EMOTION_CODES[emotion],
        corpus="savee",
        speaker=f"savee/{speaker}",
        sex="male",
        sentence=sentence,
        language="en",
        recording=f"{speaker}_{sentence}",
    )


def _n_sentences(emotion: str) -> int:
    return 30 if emotion == "n" else 15


def names(style: str) -> frozenset[str]:
    """Return all names of ``"speech"``, prefixed with the speaker; there is no song."""
    if style != "speech":
        return frozenset()
    return frozenset(
        f"{speaker}_{emotion}{number:02d}"
        for speaker in SPEAKERS
        for emotion in EMOTION_CODES
        for number in range(1, _n_sentences(emotion) + 1)
    )


CORPUS = Corpus(
    name="savee",
    title="SAVEE: Surrey Audio-Visual Expressed Emotion Database",
    licence="free for research only",
    citation=(
        "Haq, S. and Jackson, P. J. B. (2009). Speaker-dependent audio-visual emotion "
        "recognition. Proceedings of the International Conference on Auditory-Visual Speech "
        "Processing (AVSP), Norwich, 53-58."
    ),
    homepage="http://kahlan.eps.surrey.ac.uk/savee/",
    language="en",
    emotion_codes=EMOTION_CODES,
    n_utterances={"speech": 480},
    n_speakers={"speech": 4},
    file_names=FILE_NAMES,
    name_parts=NAME_PARTS,
    names=names,
    parse=parse,
)
