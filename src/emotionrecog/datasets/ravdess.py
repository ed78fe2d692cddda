"""RAVDESS: 24 actors speak and sing two statements in up to eight emotions.

A file name is seven two-digit codes joined by hyphens, such as ``03-01-06-01-02-01-12.wav``:

=============  ============================================================================
modality       01 audio and video, 02 video without sound, 03 audio
vocal channel  01 speech, 02 song
emotion        01 neutral, 02 calm, 03 happy, 04 sad, 05 angry, 06 fearful, 07 disgust,
               08 surprised; song has neither of the last two
intensity      01 normal, 02 strong; neutral is never strong
statement      01 "Kids are talking by the door", 02 "Dogs are sitting by the door"
repetition     01, 02
actor          01 to 24, odd numbers male, even numbers female; actor 18 does not sing
=============  ============================================================================

These rules give the 7356 names of the published corpus: 1440 of speech and 1012 of song in each of
three modalities. Names that differ in the modality alone belong to one performance: the sound of a
video is a copy of the audio file. If both exist, the audio file is read.

The files 03-01-03-01-02-01-07 and 03-01-03-01-02-02-07 hold the same recording.
"""

import contextlib
import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from emotionrecog.datasets.corpus import Corpus, Utterance, require_code
from emotionrecog.errors import DatasetError

_T = TypeVar("_T", str, int)

MODALITY_CODES = {"01": "audio-video", "02": "video-only", "03": "audio-only"}

VOCAL_CHANNEL_CODES = {"01": "speech", "02": "song"}

EMOTION_CODES = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
    "08": "surprised",
}

SONG_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful")

INTENSITY_CODES = {"01": "normal", "02": "strong"}

STATEMENT_CODES = {"01": "kids", "02": "dogs"}

REPETITION_CODES = {"01": 1, "02": 2}

ACTOR_CODES = {f"{number:02d}": number for number in range(1, 25)}

# In the order of a file name.
NAME_PARTS: dict[str, Mapping[str, str] | Mapping[str, int]] = {
    "modality": MODALITY_CODES,
    "vocal_channel": VOCAL_CHANNEL_CODES,
    "emotion": EMOTION_CODES,
    "intensity": INTENSITY_CODES,
    "statement": STATEMENT_CODES,
    "repetition": REPETITION_CODES,
    "actor": ACTOR_CODES,
}

FILE_NAMES = f"{'-'.join(NAME_PARTS)}, such as 03-01-06-01-02-01-12.wav"


@dataclass(frozen=True, slots=True)
class RavdessName:
    """Represent a file name of RAVDESS by its fields; ``str`` returns the name.

    Parameters
    ----------
    modality : str
        ``"audio-video"``, ``"video-only"`` or ``"audio-only"``.
    vocal_channel : str
        ``"speech"`` or ``"song"``.
    emotion : str
        One of the values of `EMOTION_CODES`; in song, of `SONG_EMOTIONS`.
    intensity : str
        ``"normal"`` or ``"strong"``; neutral is never strong.
    statement : str
        ``"kids"`` or ``"dogs"``.
    repetition : int
        1 or 2.
    actor : int
        1 to 24; in song, not 18.

    Raises
    ------
    DatasetError
        If a field has no such value, or the corpus no such name.

    Examples
    --------
    >>> from emotionrecog.datasets.ravdess import RavdessName
    >>> name = RavdessName.parse("03-01-06-01-02-01-12.wav")
    >>> name.emotion, name.intensity, name.statement, name.sex
    ('fearful', 'normal', 'dogs', 'female')
    >>> str(name)
    '03-01-06-01-02-01-12'
    >>> RavdessName.parse("03-01-01-02-02-01-12.wav")
    Traceback (most recent call last):
        ...
    emotionrecog.errors.DatasetError: intensity of '03-01-01-02-02-01-12' must be 'normal', \
because neutral is never strong, got 'strong'
    """

    modality: str
    vocal_channel: str
    emotion: str
    intensity: str
    statement: str
    repetition: int
    actor: int

    def __post_init__(self) -> None:
        """Validate the fields."""
        for field, codes in NAME_PARTS.items():
            value = getattr(self, field)
            if value not in codes.values():
                expected = ", ".join(map(repr, codes.values()))
                raise DatasetError(f"`{field}` must be one of {expected}, got {value!r}")
        if self.emotion == "neutral" and self.intensity == "strong":
            raise DatasetError(
                f"intensity of {str(self)!r} must be 'normal', because neutral is never strong, "
                f"got 'strong'"
            )
        if self.vocal_channel == "song" and self.emotion not in SONG_EMOTIONS:
            raise DatasetError(
                f"emotion of {str(self)!r} must be one of {', '.join(map(repr, SONG_EMOTIONS))}, "
                f"because song has no others, got {self.emotion!r}"
            )
        if self.vocal_channel == "song" and self.actor == 18:
            raise DatasetError(
                f"actor of {str(self)!r} must not be 18 in song, because actor 18 does not sing"
            )

    @classmethod
    def parse(cls, name: str | os.PathLike[str]) -> "RavdessName":
        """Read a file name, with or without extension and folder.

        Parameters
        ----------
        name : str or path-like
            Such as ``"Actor_12/03-01-06-01-02-01-12.wav"``.

        Returns
        -------
        RavdessName
            The seven fields.

        Raises
        ------
        DatasetError
            If the corpus has no such name; the message names the wrong field.
        """
        stem = Path(name).stem
        codes = stem.split("-")
        if len(codes) != len(NAME_PARTS):
            raise DatasetError(f"expected {FILE_NAMES}, got {Path(name).name!r}")
        return cls(
            modality=_decode(stem, "modality", codes[0], MODALITY_CODES),
            vocal_channel=_decode(stem, "vocal_channel", codes[1], VOCAL_CHANNEL_CODES),
            emotion=_decode(stem, "emotion", codes[2], EMOTION_CODES),
            intensity=_decode(stem, "intensity", codes[3], INTENSITY_CODES),
            statement=_decode(stem, "statement", codes[4], STATEMENT_CODES),
            repetition=_decode(stem, "repetition", codes[5], REPETITION_CODES),
            actor=_decode(stem, "actor", codes[6], ACTOR_CODES),
        )

    @property
    def sex(self) -> str:
        """``"male"`` for actors with odd numbers, ``"female"`` for even ones."""
        return "male" if self.actor % 2 else "female"

    @property
    def performance(self) -> str:
        """The name without its modality, for audio and video of a performance sound alike."""
        return str(self).partition("-")[2]

    def __str__(self) -> str:
        """Return the name, without extension."""
        return "-".join(
            next(code for code, value in codes.items() if value == getattr(self, field))
            for field, codes in NAME_PARTS.items()
        )


def _decode(stem: str, field: str, code: str, codes: Mapping[str, _T]) -> _T:
    require_code(stem, field, code, codes)
    return codes[code]


def parse(path: Path) -> Utterance | str:
    """Read the name of a recording of RAVDESS.

    Parameters
    ----------
    path : Path
        The recording; it is not opened.

    Returns
    -------
    Utterance or str
        The utterance that the name describes; ``"without sound"`` for a video without sound.

    Raises
    ------
    DatasetError
        If the name is not one of RAVDESS's.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import ravdess
    >>> utterance = ravdess.parse(Path("Actor_12/03-02-06-01-02-01-12.wav"))
    >>> utterance.speaker, utterance.emotion, utterance.style
    ('ravdess/12', 'fearful', 'song')
    """
    name = RavdessName.parse(path)
    if name.modality == "video-only":
        return "without sound"
    return Utterance(
        path=path,
        emotion=name.emotion,
        corpus="ravdess",
        speaker=f"ravdess/{name.actor:02d}",
        sex=name.sex,
        intensity=name.intensity,
        sentence=name.statement,
        language="en",
        style=name.vocal_channel,
        recording=name.performance,
    )


def names(style: str) -> frozenset[str]:
    """Return the names of all performances of ``"speech"`` or ``"song"``."""
    performances = set()
    for values in itertools.product(*(codes.values() for codes in NAME_PARTS.values())):
        fields = dict(zip(NAME_PARTS, values, strict=True))
        if fields["modality"] != "audio-only" or fields["vocal_channel"] != style:
            continue
        with contextlib.suppress(DatasetError):
            performances.add(RavdessName(**fields).performance)  # type: ignore[arg-type]
    return frozenset(performances)


CORPUS = Corpus(
    name="ravdess",
    title="RAVDESS: Ryerson Audio-Visual Database of Emotional Speech and Song",
    licence="CC BY-NC-SA 4.0",
    citation=(
        "Livingstone, S. R. and Russo, F. A. (2018). The Ryerson Audio-Visual Database of "
        "Emotional Speech and Song (RAVDESS). PLoS ONE 13(5), e0196391. "
        "https://doi.org/10.1371/journal.pone.0196391"
    ),
    homepage="https://zenodo.org/records/1188976",
    language="en",
    emotion_codes=EMOTION_CODES,
    n_utterances={"speech": 1440, "song": 1012},
    n_speakers={"speech": 24, "song": 23},
    file_names=FILE_NAMES,
    name_parts=NAME_PARTS,
    names=names,
    parse=parse,
)
