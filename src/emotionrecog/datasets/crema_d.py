"""CREMA-D: 91 actors, 12 sentences, six emotions.

A file name is four codes joined by underscores, such as ``1001_IEO_ANG_HI.wav``:

=========  ==============================================================================
actor      1001 to 1091
sentence   one of `SENTENCE_CODES`
emotion    ANG, DIS, FEA, HAP, NEU or SAD
intensity  LO, MD or HI in the sentence IEO; XX, unspecified, elsewhere and in neutral
=========  ==============================================================================

The wav files as published have one stray name, ``1040_ITH_SAD_X.wav``, which is read as ``XX``.
The recording 1076_MTI_SAD_XX is digital silence. Three pairs are one recording under two labels:
1006_TIE_HAP_XX and 1006_TIE_NEU_XX, 1013_WSI_DIS_XX and 1013_WSI_SAD_XX, 1017_IWW_ANG_XX and
1017_IWW_FEA_XX.
"""

from pathlib import Path

from emotionrecog.datasets.corpus import Corpus, Utterance
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
        What the name says. The sex is not in it.

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
        ("intensity", intensity, INTENSITY_CODES),
    ):
        if code not in known:
            raise DatasetError(
                f"{field} of {path.name!r} must be one of {', '.join(known)}, got {code!r}"
            )
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
    file_names=FILE_NAMES,
    parse=parse,
)
