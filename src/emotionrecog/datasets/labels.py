"""Spellings of the eight emotions, and label sets with fewer of them."""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from emotionrecog.datasets.corpus import EMOTIONS
from emotionrecog.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from emotionrecog.datasets.corpus import Utterance

__all__ = [
    "LABEL_SETS",
    "SPELLINGS",
    "LabelSet",
    "Relabelled",
    "label_set",
    "read_words",
    "unknown_words",
]

SPELLINGS: Mapping[str, str] = MappingProxyType(
    {
        "neutral": "neutral",
        "calm": "calm",
        "happy": "happy",
        "happiness": "happy",
        "joy": "happy",
        "sad": "sad",
        "sadness": "sad",
        "angry": "angry",
        "anger": "angry",
        "fearful": "fearful",
        "fear": "fearful",
        "disgust": "disgust",
        "disgusted": "disgust",
        "surprised": "surprised",
        "surprise": "surprised",
    }
)
"""Emotions by their spellings, in lower case, in tables and folder names; read-only. The meaning
of any other word must be passed as `emotions`."""

# Suggestions for words whose spelling is misleading. None: no emotion fits.
_HINTS = {
    "ps": "surprised",
    "pleasant surprise": "surprised",
    "pleasant surprised": "surprised",
    "joyful": "happy",
    "unhappy": "sad",
    "mad": "angry",
    "furious": "angry",
    "scared": "fearful",
    "afraid": "fearful",
    "bored": None,
    "boredom": None,
    "contempt": None,
    "excited": None,
    "excitement": None,
    "frustrated": None,
    "frustration": None,
    "other": None,
}

_TARGETS = (*EMOTIONS, None)

# Unknown words that an error lists; a wrong column may have thousands.
_LISTED = 10


def read_words(
    words: Iterable[str], emotions: Mapping[str, str | None] | None = None
) -> dict[str, str | None]:
    """Return the emotions that words mean.

    Case and surrounding space are ignored.

    Parameters
    ----------
    words : iterable of str
        Words in a table, or names of folders.
    emotions : mapping of str to str or None, optional
        The meaning of words among `EMOTIONS`, with precedence over `SPELLINGS`; None for words
        to be left out.

    Returns
    -------
    dict of str to str or None
        Meaning of each word that has one; the words are unchanged.

    Raises
    ------
    DatasetError
        If `emotions` has a value that is neither in `EMOTIONS` nor None.

    Examples
    --------
    >>> from emotionrecog.datasets.labels import read_words
    >>> read_words(["Joy", "Wut", "bored"], {"wut": "angry"})
    {'Joy': 'happy', 'Wut': 'angry'}
    """
    explained = {str(word): emotion for word, emotion in (emotions or {}).items()}
    wrong = {word: emotion for word, emotion in explained.items() if emotion not in _TARGETS}
    if wrong:
        raise DatasetError(
            f"`emotions` must map to {', '.join(EMOTIONS)} or None, got "
            + ", ".join(f"{word!r}: {emotion!r}" for word, emotion in wrong.items())
        )
    known: dict[str, str | None] = {}
    for word in dict.fromkeys(words):
        plain = _plain(word)
        if word in explained:
            known[word] = explained[word]
            continue
        meanings = {emotion for other, emotion in explained.items() if _plain(other) == plain}
        if len(meanings) == 1:
            known[word] = meanings.pop()
        elif not meanings and plain in SPELLINGS:
            known[word] = SPELLINGS[plain]
    return known


def unknown_words(counts: Counter[str]) -> str:
    """Return a message with each unknown word, its count, a suggestion, and the remedy.

    Parameters
    ----------
    counts : Counter of str
        Number of occurrences of each word.

    Returns
    -------
    str
        End of an error message.

    Examples
    --------
    >>> from collections import Counter
    >>> from emotionrecog.datasets.labels import unknown_words
    >>> print(unknown_words(Counter(["Angery", "Angery", "bored"])))
    'Angery' (2 times; nearest is angry), 'bored' (once). State the meaning of each, \
one of neutral, calm, happy, sad, angry, fearful, disgust, surprised, or None to leave it out, \
for example emotions={'Angery': 'angry', 'bored': None}
    """
    listed = dict(counts.most_common(_LISTED))
    described = []
    for word, count in listed.items():
        nearest = _nearest(word)
        times = "once" if count == 1 else f"{count} times"
        described.append(f"{word!r} ({times}{f'; nearest is {nearest}' if nearest else ''})")
    if len(counts) > _LISTED:
        described.append(f"and {len(counts) - _LISTED} more")
    suggested = {word: _nearest(word) for word in listed}
    return (
        f"{', '.join(described)}. State the meaning of each, one of {', '.join(EMOTIONS)}, or None "
        f"to leave it out, for example emotions={suggested}"
    )


def _plain(word: str) -> str:
    return word.strip().casefold()


def _nearest(word: str) -> str | None:
    plain = " ".join(_plain(word).replace("_", " ").replace("-", " ").split())
    if plain in _HINTS:
        return _HINTS[plain]
    close = difflib.get_close_matches(plain, SPELLINGS, n=1)
    return SPELLINGS[close[0]] if close else None


@dataclass(frozen=True)
class LabelSet:
    """Define which emotions are distinguished, merged into others, or left out.

    Parameters
    ----------
    name : str
        Name of the set.
    mapping : mapping of str to str or None
        The emotion that each of `EMOTIONS` counts as, which may be itself; None if it is left out.
        It is copied, and read-only.

    Raises
    ------
    DatasetError
        If the keys of `mapping` are not exactly `EMOTIONS`, a value is neither among them nor
        None, all values are None, or an emotion counts as one that itself counts as another or is
        left out.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import LABEL_SETS, Utterance
    >>> four = LABEL_SETS["four"]
    >>> four.emotions
    ('neutral', 'happy', 'sad', 'angry')
    >>> said = [
    ...     Utterance(Path(f"bob_{emotion}.wav"), emotion, corpus="mine", speaker="mine/bob")
    ...     for emotion in ("calm", "angry", "disgust")
    ... ]
    >>> relabelled = four.apply(said)
    >>> [utterance.emotion for utterance in relabelled.utterances]
    ['neutral', 'angry']
    >>> print(relabelled)
    label set 'four': 2 of 3 recordings kept
    taken as another emotion: calm as neutral (1)
    left out: disgust (1)
    """

    name: str
    mapping: Mapping[str, str | None] = field(hash=False)

    def __post_init__(self) -> None:
        """Validate the mapping."""
        mapping = self.mapping
        label = f"`mapping` of label set {self.name!r}"
        missing = [emotion for emotion in EMOTIONS if emotion not in mapping]
        strange = [repr(word) for word in mapping if word not in EMOTIONS]
        if missing or strange:
            raise DatasetError(
                f"{label} must map each of {', '.join(EMOTIONS)}; "
                f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(strange) or 'none'}"
            )
        for emotion, target in mapping.items():
            if target not in _TARGETS:
                raise DatasetError(
                    f"{label} must map to {', '.join(EMOTIONS)} or None, got {emotion!r}: "
                    f"{target!r}"
                )
            if target is not None and mapping[target] != target:
                raise DatasetError(
                    f"{label} maps {emotion!r} to {target!r}, so {target!r} must map to itself, "
                    f"got {target!r}: {mapping[target]!r}"
                )
        if not any(mapping.values()):
            raise DatasetError(f"{label} must keep at least one emotion, got None for all")
        ordered = MappingProxyType({emotion: mapping[emotion] for emotion in EMOTIONS})
        object.__setattr__(self, "mapping", ordered)

    def __reduce__(self) -> tuple[type[LabelSet], tuple[str, dict[str, str | None]]]:
        """Pickle the mapping as a dict, because a read-only mapping cannot be pickled."""
        return type(self), (self.name, dict(self.mapping))

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions that are distinguished, in the order of `EMOTIONS`."""
        return tuple(emotion for emotion in EMOTIONS if emotion in self.mapping.values())

    def apply(self, utterances: Iterable[Utterance]) -> Relabelled:
        """Relabel utterances, and count the changed and the omitted ones.

        Listeners' votes follow the emotions: votes for an emotion that counts as another are added
        to the other's, and votes for one that is left out are dropped and counted. Only its
        emotion, not its votes, decides whether an utterance is kept.

        Parameters
        ----------
        utterances : iterable of Utterance

        Returns
        -------
        Relabelled
        """
        kept: list[Utterance] = []
        mapped: Counter[str] = Counter()
        left_out: Counter[str] = Counter()
        votes_left_out = 0
        for utterance in utterances:
            emotion = self.mapping[utterance.emotion]
            if emotion is None:
                left_out[utterance.emotion] += 1
                continue
            if emotion != utterance.emotion:
                mapped[utterance.emotion] += 1
            votes = None
            if utterance.votes is not None:
                cast = dict.fromkeys(EMOTIONS, 0)
                for vote, number in zip(EMOTIONS, utterance.votes, strict=True):
                    target = self.mapping[vote]
                    if target is None:
                        votes_left_out += number
                    else:
                        cast[target] += number
                votes = tuple(cast.values())
            kept.append(replace(utterance, emotion=emotion, votes=votes))
        return Relabelled(
            label_set=self,
            utterances=kept,
            mapped=_in_order(mapped),
            left_out=_in_order(left_out),
            votes_left_out=votes_left_out,
        )


@dataclass(frozen=True, kw_only=True)
class Relabelled:
    """The utterances that a label set keeps, with counts of its changes; ``str`` lists the counts.

    Parameters
    ----------
    label_set : LabelSet
        The label set.
    utterances : list of Utterance
        The kept utterances in their order, with the emotions and votes of the set.
    mapped : mapping of str to int
        Number of utterances of each emotion that count as another.
    left_out : mapping of str to int
        Number of utterances of each emotion that were left out.
    votes_left_out : int
        Number of listeners' votes on kept utterances for emotions that are left out.
    """

    label_set: LabelSet
    utterances: list[Utterance]
    mapped: Mapping[str, int]
    left_out: Mapping[str, int]
    votes_left_out: int

    def __str__(self) -> str:
        """Return the numbers of utterances kept, relabelled and left out, as text."""
        total = len(self.utterances) + sum(self.left_out.values())
        mapped = (
            f"{emotion} as {self.label_set.mapping[emotion]} ({count})"
            for emotion, count in self.mapped.items()
        )
        left_out = (f"{emotion} ({count})" for emotion, count in self.left_out.items())
        lines = [
            f"label set {self.label_set.name!r}: {len(self.utterances)} of {total} recordings kept",
            f"taken as another emotion: {', '.join(mapped) or 'none'}",
            f"left out: {', '.join(left_out) or 'none'}",
        ]
        if self.votes_left_out:
            lines.append(
                f"listeners' votes left out, for emotions not in the set: {self.votes_left_out}"
            )
        return "\n".join(lines)


def _in_order(counts: Counter[str]) -> dict[str, int]:
    return {emotion: counts[emotion] for emotion in EMOTIONS if counts[emotion]}


_SAME = {emotion: emotion for emotion in EMOTIONS}
_REST_OUT: dict[str, str | None] = dict.fromkeys(EMOTIONS)

LABEL_SETS: Mapping[str, LabelSet] = MappingProxyType(
    {
        label_set.name: label_set
        for label_set in (
            LabelSet("ravdess8", _SAME),
            LabelSet("tess7", {**_SAME, "calm": "neutral"}),
            LabelSet("six", {**_SAME, "calm": "neutral", "surprised": None}),
            LabelSet(
                "four",
                {
                    **_REST_OUT,
                    "neutral": "neutral",
                    "calm": "neutral",
                    "happy": "happy",
                    "sad": "sad",
                    "angry": "angry",
                },
            ),
        )
    }
)
"""Label sets by name; read-only. ``"ravdess8"``: all eight. ``"tess7"``: calm counts as neutral.
``"six"``, those of CREMA-D: the same, and surprised is left out. ``"four"``: neutral (with calm),
happy, sad and angry; the others are left out."""


def label_set(names: str) -> LabelSet:
    """Return a label set by its name, or one that keeps some emotions and leaves out the others.

    Parameters
    ----------
    names
        One of `LABEL_SETS`, or emotions separated by commas.

    Returns
    -------
    LabelSet
        Called `names`.

    Raises
    ------
    DatasetError
        If there is no such label set, and the names are not all emotions.

    Examples
    --------
    >>> from emotionrecog.datasets import label_set
    >>> label_set("four").emotions
    ('neutral', 'happy', 'sad', 'angry')
    >>> label_set("sad, angry").emotions
    ('sad', 'angry')
    """
    if names in LABEL_SETS:
        return LABEL_SETS[names]
    emotions = [name.strip() for name in names.split(",")]
    if not set(emotions) <= set(EMOTIONS):
        raise DatasetError(
            f"expected a label set ({', '.join(LABEL_SETS)}), or emotions separated by commas "
            f"({', '.join(EMOTIONS)}), got {names!r}"
        )
    return LabelSet(
        names, {emotion: emotion if emotion in emotions else None for emotion in EMOTIONS}
    )
