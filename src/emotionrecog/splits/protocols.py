"""Named ways to divide utterances into training, validation and test data.

A figure says how a recogniser does on new voices only if no voice of the test was heard before.
Each protocol carries two labels: whether it is speaker-disjoint, so that no speaker is in two parts
of a fold, and whether it is text-disjoint, so that no sentence is. `get` makes a protocol of its
name, and `Protocol.folds` divides utterances.

Rules of all protocols:

- Utterances stay in the given order, and the same utterances are always divided alike.
- Utterances of one `recording`, such as a clip and copies that were made of it, stay together.
- Where a corpus has both speech and song among the utterances, its song is never tested on, since
  published figures are of speech; the song of a test speaker is out of training as well.
- The speakers that are validated on are those that the next fold tests, with their song where it is
  given. With two folds, nothing would be left to train on, and validation is empty.

Examples
--------
>>> from emotionrecog.splits import protocols
>>> protocol = protocols.get("ravdess/subject5")
>>> protocol.speaker_disjoint, protocol.text_disjoint
(True, False)
>>> sorted(protocol.held_out["ravdess/subject5/1"])
['ravdess/02', 'ravdess/05', 'ravdess/14', 'ravdess/15', 'ravdess/16']
"""

from __future__ import annotations

import difflib
import logging
import warnings
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from emotionrecog.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from emotionrecog.datasets import Utterance

__all__ = [
    "FIXED",
    "NAMES",
    "Fold",
    "LeakyProtocolWarning",
    "Protocol",
    "get",
    "held_out",
    "may_be_tested",
]

_logger = logging.getLogger("emotionrecog")


class LeakyProtocolWarning(UserWarning):
    """Utterances are divided so that a speaker's voice is in training and in the test."""


@dataclass(frozen=True)
class Fold:
    """Hold one division of utterances.

    Parameters
    ----------
    name : str
        The protocol's name, a slash, and the fold's number, counted from 1, or what it tests on:
        ``"ravdess/subject5/1"``, ``"cross-corpus/tess"``. The one fold of a protocol that has no
        other is called like the protocol.
    train : list of Utterance
        To learn from.
    validation : list of Utterance
        To choose on; may be empty. Where nothing is chosen, it may be learnt from, which is why
        song is among it.
    test : list of Utterance
        To measure on, once.
    """

    name: str
    train: list[Utterance] = field(repr=False)
    validation: list[Utterance] = field(repr=False)
    test: list[Utterance] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Divide utterances in a way that has a name.

    Parameters
    ----------
    name : str
        One of `NAMES`, or that of one's own protocol.
    title : str
        What is held out, in words.
    speaker_disjoint : bool
        Whether no speaker is in two parts of a fold.
    text_disjoint : bool
        Whether no sentence is in two parts of a fold. A sentence is a corpus' own code or text of
        it: what two corpora both say counts as two sentences.
    split : callable
        Makes the folds of a list of utterances that is not empty.
    held_out : mapping of str to frozenset of str
        The test speakers of each fold, by the fold's name, where the protocol fixes them; empty
        where they depend on the utterances.
    warning : str, optional
        What is said with a `LeakyProtocolWarning` whenever folds are made.
    """

    name: str
    title: str
    speaker_disjoint: bool
    text_disjoint: bool
    split: Callable[[list[Utterance]], list[Fold]] = field(repr=False)
    held_out: Mapping[str, frozenset[str]] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )
    warning: str | None = field(default=None, repr=False)

    def folds(self, utterances: Iterable[Utterance]) -> list[Fold]:
        """Divide utterances.

        Parameters
        ----------
        utterances
            Of one corpus or of several together, in any order. A protocol of one corpus uses that
            corpus' utterances alone, whatever else is given.

        Returns
        -------
        list of Fold
            Each with its utterances in the given order.

        Raises
        ------
        DatasetError
            If there is no utterance; if a speaker whom the protocol fixes has none; if speakers
            or sentences are unknown that must be kept apart; if there are fewer of them than folds.

        Warns
        -----
        LeakyProtocolWarning
            If the protocol is ``"random"``.

        Examples
        --------
        >>> from pathlib import Path
        >>> from emotionrecog.splits import protocols
        >>> from emotionrecog.datasets import Utterance
        >>> utterances = [
        ...     Utterance(Path(f"{name}_{i}.wav"), "sad", corpus="mine", speaker=f"mine/{name}")
        ...     for name in ("ann", "bob", "cem")
        ...     for i in (1, 2)
        ... ]
        >>> for fold in protocols.get("loso").folds(utterances):
        ...     print(fold.name, [str(utterance.path) for utterance in fold.test])
        loso/mine/ann ['ann_1.wav', 'ann_2.wav']
        loso/mine/bob ['bob_1.wav', 'bob_2.wav']
        loso/mine/cem ['cem_1.wav', 'cem_2.wav']
        """
        given = list(utterances)
        if not given:
            raise DatasetError(f"protocol {self.name!r} needs utterances to divide, got none")
        if self.warning:
            warnings.warn(self.warning, LeakyProtocolWarning, stacklevel=2)
        return self.split(given)


# --- from keys to folds -------------------------------------------------------------------------


class _Plan(NamedTuple):
    """Say which keys, such as speakers, go where in a fold; all others are trained on."""

    name: str
    test: frozenset[str]
    validation: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()


def _plans(name: str, tests: Sequence[frozenset[str]], labels: Iterable[str] = ()) -> list[_Plan]:
    """Validate on the keys that the next fold tests, where a third group is left to train on."""
    nothing: frozenset[str] = frozenset()
    nexts = [*tests[1:], tests[0]] if len(tests) > 2 else [nothing] * len(tests)
    endings = list(labels) or [str(number + 1) for number in range(len(tests))]
    parts = zip(endings, tests, nexts, strict=True)
    return [_Plan(f"{name}/{ending}", test, validation) for ending, test, validation in parts]


def _divide(given: list[Utterance], keys: Sequence[str], plans: Iterable[_Plan]) -> list[Fold]:
    rows = list(zip(given, keys, may_be_tested(given), strict=True))
    folds = []
    for plan in plans:
        unheard = plan.test | plan.validation | plan.left_out
        folds.append(
            Fold(
                name=plan.name,
                train=[utterance for utterance, key, _ in rows if key not in unheard],
                validation=[utterance for utterance, key, _ in rows if key in plan.validation],
                test=[utterance for utterance, key, tested in rows if tested and key in plan.test],
            )
        )
    return folds


def _with_a_test(plans: Sequence[_Plan], present: Collection[str]) -> list[_Plan]:
    """Pass over plans that test nobody who is there, as the others' validation does."""
    # Where song alone is given, there is nothing of the actor who does not sing.
    nexts = {plan.test: plan.validation for plan in plans}
    return [
        plan._replace(validation=nexts[plan.validation])
        if plan.validation and plan.validation.isdisjoint(present)
        else plan
        for plan in plans
        if not plan.test.isdisjoint(present)
    ]


def may_be_tested(given: Sequence[Utterance]) -> list[bool]:
    """Say of each utterance whether it is tested on: song is not where its corpus has speech."""
    with_speech = {utterance.corpus for utterance in given if utterance.style == "speech"}
    return [u.style == "speech" or u.corpus not in with_speech for u in given]


def _testable(given: list[Utterance], keys: Sequence[str]) -> list[str]:
    return [key for key, tested in zip(keys, may_be_tested(given), strict=True) if tested]


def _groups(
    keys: Sequence[str], splits: Iterator[tuple[NDArray[Any], NDArray[Any]]]
) -> list[frozenset[str]]:
    """Return the keys that each of scikit-learn's splits tests."""
    return [frozenset(keys[i] for i in test) for _, test in splits]


# --- protocols whose speakers are fixed ---------------------------------------------------------


def _speakers(corpus: str, codes: Iterable[object]) -> frozenset[str]:
    return frozenset(f"{corpus}/{code}" for code in codes)


def _actors(*numbers: int) -> frozenset[str]:
    return _speakers("ravdess", (f"{number:02d}" for number in numbers))


# Luna-Jiménez et al., "Multimodal emotion recognition on RAVDESS dataset using transfer learning",
# Sensors 21(22), 2021.
_RAVDESS_SUBJECT5 = (
    _actors(2, 5, 14, 15, 16),
    _actors(3, 6, 7, 13, 18),
    _actors(10, 11, 12, 19, 20),
    _actors(8, 17, 21, 23, 24),
    _actors(1, 4, 9, 22),
)

# Ma et al., "EmoBox: multilingual multi-corpus speech emotion recognition toolkit and benchmark",
# Interspeech 2024.
_RAVDESS_EMOBOX6 = (
    _actors(1, 11, 20, 21),
    _actors(4, 10, 12, 14),
    _actors(8, 9, 19, 23),
    _actors(3, 5, 7, 24),
    _actors(2, 15, 16, 18),
    _actors(6, 13, 17, 22),
)
_SAVEE_EMOBOX4 = tuple(_speakers("savee", [code]) for code in ("JE", "KL", "DC", "JK"))

_RAVDESS_LOSO = tuple(_actors(number) for number in range(1, 25))

# Wu et al., "EMO-SUPERB: an in-depth look at speech emotion recognition", 2024.
_CREMA_D_EMOSUPERB5 = (
    _speakers("crema_d", range(1037, 1055)),
    _speakers("crema_d", range(1001, 1019)),
    _speakers("crema_d", range(1073, 1092)),
    _speakers("crema_d", range(1055, 1073)),
    _speakers("crema_d", range(1019, 1037)),
)

_TESS_SPEAKER2 = (_speakers("tess", ["OAF"]), _speakers("tess", ["YAF"]))

_JOINT_TEST = _RAVDESS_SUBJECT5[0] | _CREMA_D_EMOSUPERB5[4] | _SAVEE_EMOBOX4[1] | _TESS_SPEAKER2[1]
_JOINT_VALIDATION = (
    _RAVDESS_SUBJECT5[1] | _CREMA_D_EMOSUPERB5[3] | _SAVEE_EMOBOX4[3] | _TESS_SPEAKER2[0]
)


def _joint_plans() -> list[_Plan]:
    """Hold out fold k of each corpus together; a corpus that has no fold k is trained on."""
    corpora = [
        _plans("joint", tests)
        for tests in (_RAVDESS_SUBJECT5, _CREMA_D_EMOSUPERB5, _SAVEE_EMOBOX4, _TESS_SPEAKER2)
    ]
    joined = []
    for number in range(max(map(len, corpora))):
        own = [plans[number] for plans in corpora if number < len(plans)]
        joined.append(
            _Plan(
                own[0].name,
                frozenset().union(*(plan.test for plan in own)),
                frozenset().union(*(plan.validation for plan in own)),
            )
        )
    return joined


def _fixed(name: str, title: str, plans: Sequence[_Plan], only: str | None = None) -> Protocol:
    speakers = frozenset().union(*(plan.test | plan.validation | plan.left_out for plan in plans))

    def split(given: list[Utterance]) -> list[Fold]:
        own = [u for u in given if only is None or u.corpus == only]
        if len(own) < len(given):
            n_others = len(given) - len(own)
            _logger.info("%s: left out %d utterances of other corpora", name, n_others)
        _require_speakers(name, speakers, own)
        keys = [utterance.speaker for utterance in own]
        return _divide(own, keys, _with_a_test(plans, set(keys)))

    return Protocol(
        name=name,
        title=title,
        speaker_disjoint=True,
        text_disjoint=False,
        split=split,
        held_out=MappingProxyType({plan.name: plan.test for plan in plans}),
    )


def _require_speakers(name: str, speakers: frozenset[str], given: list[Utterance]) -> None:
    styles = {utterance.style for utterance in given if utterance.corpus == "ravdess"}
    silent = _actors(18) if styles == {"song"} else frozenset()  # the one who does not sing
    missing = speakers - silent - set(_testable(given, [u.speaker for u in given]))
    if missing:
        raise DatasetError(
            f"`utterances` must hold all speakers of protocol {name!r}; missing are "
            f"{_some(missing)}. Give the complete corpora, or use 'loso' or 'grouped_kfold'"
        )


def _some(names: Collection[str]) -> str:
    first = sorted(names)[:30]
    n_more = len(names) - len(first)
    more = f" and {n_more} other{'s' if n_more > 1 else ''}" if n_more else ""
    return ", ".join(first) + more


def _of_corpus(name: str, title: str, corpus: str, tests: Sequence[frozenset[str]]) -> Protocol:
    return _fixed(name, title, _plans(name, tests), only=corpus)


_FIXED: Mapping[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        _of_corpus("ravdess/subject5", "five groups of actors", "ravdess", _RAVDESS_SUBJECT5),
        _of_corpus("ravdess/emobox6", "six groups of four actors", "ravdess", _RAVDESS_EMOBOX6),
        _of_corpus("ravdess/loso", "each actor in turn", "ravdess", _RAVDESS_LOSO),
        _of_corpus("savee/emobox4", "each man in turn", "savee", _SAVEE_EMOBOX4),
        _of_corpus("cremad/emosuperb5", "five groups of actors", "crema_d", _CREMA_D_EMOSUPERB5),
        _of_corpus("tess/speaker2", "each woman in turn", "tess", _TESS_SPEAKER2),
        _fixed("joint", "fold by fold of four corpora together", _joint_plans()),
        _fixed(
            "joint-test",
            "speakers of four corpora, for final figures",
            [_Plan("joint-test", test=_JOINT_TEST, validation=_JOINT_VALIDATION)],
        ),
        _fixed(
            "joint-validation",
            "other speakers of them, to compare recipes on",
            [_Plan("joint-validation", test=_JOINT_VALIDATION, left_out=_JOINT_TEST)],
        ),
    )
}


# --- protocols for any utterances ---------------------------------------------------------------


def _loso() -> Protocol:
    def split(given: list[Utterance]) -> list[Fold]:
        _require_known_speakers("loso", given)
        return _leave_one_out("loso", "speakers", given, [u.speaker for u in given])

    return Protocol(
        name="loso",
        title="each speaker in turn",
        speaker_disjoint=True,
        text_disjoint=False,
        split=split,
    )


def _cross_corpus() -> Protocol:
    def split(given: list[Utterance]) -> list[Fold]:
        return _leave_one_out("cross-corpus", "corpora", given, [u.corpus for u in given])

    return Protocol(
        name="cross-corpus",
        title="each corpus in turn",
        speaker_disjoint=True,
        text_disjoint=False,  # nobody knows what one's own speakers say
        split=split,
    )


def _leave_one_out(name: str, what: str, given: list[Utterance], keys: list[str]) -> list[Fold]:
    from sklearn.model_selection import LeaveOneGroupOut

    own = _testable(given, keys)
    _require_groups(name, what, set(own), 2)
    tests = _groups(own, LeaveOneGroupOut().split(own, groups=own))
    return _divide(given, keys, _plans(name, tests, ["".join(test) for test in tests]))


def _grouped_kfold(k: int = 5) -> Protocol:
    _require_number("k", k, 2)

    def split(given: list[Utterance]) -> list[Fold]:
        _require_known_speakers("grouped_kfold", given)
        return _grouped("grouped_kfold", "speakers", given, [u.speaker for u in given], k)

    return Protocol(
        name="grouped_kfold",
        title=f"{k} groups of speakers, of about as many clips each",
        speaker_disjoint=True,
        text_disjoint=False,
        split=split,
    )


def _sentence_disjoint(k: int | None = None) -> Protocol:
    if k is not None:
        _require_number("k", k, 2)

    def split(given: list[Utterance]) -> list[Fold]:
        _require_known_sentences(given)
        keys = [f"{u.corpus}/{_plain(u.sentence)}" for u in given]
        n_folds = k or max(2, min(5, len(set(_testable(given, keys)))))
        return _grouped("sentence-disjoint", "sentences", given, keys, n_folds)

    return Protocol(
        name="sentence-disjoint",
        title=f"{k or 'up to 5'} groups of sentences",
        speaker_disjoint=False,
        text_disjoint=True,
        split=split,
    )


def _plain(sentence: str | None) -> str:
    """Return a sentence or its code as it is compared, whatever its case and spaces."""
    return " ".join((sentence or "").casefold().split())


def _grouped(
    name: str, what: str, given: list[Utterance], keys: list[str], n_folds: int
) -> list[Fold]:
    from sklearn.model_selection import GroupKFold

    own = _testable(given, keys)
    _require_groups(name, what, set(own), n_folds)
    return _divide(
        given, keys, _plans(name, _groups(own, GroupKFold(n_folds).split(own, groups=own)))
    )


def _random(k: int = 5, seed: int = 0) -> Protocol:
    _require_number("k", k, 2)
    _require_number("seed", seed, 0)

    def split(given: list[Utterance]) -> list[Fold]:
        from sklearn.model_selection import KFold

        # Copies of a recording go where it goes.
        keys = [
            f"{u.corpus}/{u.recording}" if u.recording else str(position)
            for position, u in enumerate(given)
        ]
        own = list(dict.fromkeys(_testable(given, keys)))
        _require_groups("random", "utterances", set(own), k)
        splits = KFold(k, shuffle=True, random_state=seed).split(own)
        return _divide(given, keys, _plans("random", _groups(own, splits)))

    return Protocol(
        name="random",
        title=f"{k} random groups of clips",
        speaker_disjoint=False,
        text_disjoint=False,
        split=split,
        warning=(
            "a random split has the same speakers in training and in the test: figures will not "
            "tell how a recogniser does on new voices. Use 'loso' or 'grouped_kfold' for those"
        ),
    )


def _require_number(name: str, value: object, lowest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        raise ValueError(f"`{name}` must be a whole number from {lowest} on, got {value!r}")


def _require_groups(name: str, what: str, found: Collection[str], n_groups: int) -> None:
    if len(found) < n_groups:
        those = f" ({_some(found)})" if what != "utterances" else ""
        raise DatasetError(
            f"protocol {name!r} needs at least {n_groups} {what} to make folds of, found "
            f"{len(found)}{those}; give utterances of more, or ask for fewer folds"
        )


def _require_known_speakers(name: str, given: list[Utterance]) -> None:
    unknown = {u.corpus for u in given if u.speaker == f"{u.corpus}/unknown"}
    if unknown:
        raise DatasetError(
            f"protocol {name!r} keeps speakers apart, but who speaks is unknown in "
            f"{_some(unknown)}. Name the speakers, leave these utterances out, or hold the whole "
            "corpus out with 'cross-corpus'"
        )


def _require_known_sentences(given: list[Utterance]) -> None:
    # SAVEE numbers its sentences within each emotion, and some numbers stand for one sentence.
    unknown = {u.corpus for u in given if not _plain(u.sentence) or u.corpus == "savee"}
    if unknown:
        raise DatasetError(
            f"protocol 'sentence-disjoint' keeps sentences apart, but what is said is unknown in "
            f"{_some(unknown)}. Say the sentence of each utterance, or leave these out"
        )


# --- all of them --------------------------------------------------------------------------------

_MADE: Mapping[str, Callable[..., Protocol]] = {
    "loso": _loso,
    "grouped_kfold": _grouped_kfold,
    "sentence-disjoint": _sentence_disjoint,
    "cross-corpus": _cross_corpus,
    "random": _random,
}

_OPTIONS = {"grouped_kfold": ("k",), "sentence-disjoint": ("k",), "random": ("k", "seed")}

FIXED = tuple(_FIXED)
"""Names of the protocols that say themselves which speakers each fold tests on."""

NAMES = (*FIXED, *_MADE)
"""Names of all protocols."""

NOT_SPEAKER_DISJOINT = "SPEAKERS ARE IN TRAINING AND TEST: these are not results on new speakers"
"""What reports say about a protocol that is not speaker-disjoint."""

NOT_TEXT_DISJOINT = "test sentences may occur in training, spoken by others"
"""What reports say about a protocol that is not text-disjoint."""


def get(name: str, **options: int) -> Protocol:
    """Return a protocol by its name.

    Parameters
    ----------
    name
        One of `NAMES`.
    **options
        ``k``, the number of folds, of ``"grouped_kfold"`` (default: 5), ``"sentence-disjoint"``
        (default: 5, or as many as there are sentences) and ``"random"`` (default: 5); ``seed`` of
        ``"random"`` (default: 0).

    Returns
    -------
    Protocol

    Raises
    ------
    ValueError
        If there is no such protocol, it has no such option, or an option is out of its bounds.

    Examples
    --------
    >>> from emotionrecog.splits import protocols
    >>> protocols.get("grouped_kfold", k=3)
    Protocol(name='grouped_kfold', title='3 groups of speakers, of about as many clips each', \
speaker_disjoint=True, text_disjoint=False)
    >>> protocols.get("ravdess/subject")
    Traceback (most recent call last):
        ...
    ValueError: `name` must be one of ravdess/subject5, ... random, got 'ravdess/subject'; \
did you mean 'ravdess/subject5'?
    """
    if name not in NAMES:
        near = difflib.get_close_matches(str(name).lower(), NAMES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"`name` must be one of {', '.join(NAMES)}, got {name!r}{hint}")
    known = _OPTIONS.get(name, ())
    unknown = sorted(options.keys() - set(known))
    if unknown:
        raise ValueError(
            f"options of protocol {name!r} must be among {', '.join(known) or 'none'}, "
            f"got {', '.join(unknown)}"
        )
    return _FIXED[name] if name in _FIXED else _MADE[name](**options)


def held_out(fold: str) -> frozenset[str]:
    """Return the test speakers of a fold, by its name; none where no protocol fixes them.

    Examples
    --------
    >>> from emotionrecog.splits import protocols
    >>> sorted(protocols.held_out("tess/speaker2/2"))
    ['tess/YAF']
    """
    for protocol in _FIXED.values():
        if fold in protocol.held_out:
            return protocol.held_out[fold]
    return frozenset()
