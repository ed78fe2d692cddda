"""Divide utterances into training, validation and test data under published protocols.

A result holds for new speakers only if no test speaker was seen in training. Each protocol states
whether it is speaker-disjoint (no speaker is in two parts of a fold) and whether it is
text-disjoint (no sentence is). `get` returns a protocol by name, and `Protocol.folds`
divides utterances.

All protocols follow these rules:

- Utterances keep their order, and the same utterances are always divided in the same way.
- Utterances of one `recording`, such as a clip and its augmented copies, stay together.
- If a corpus has both speech and song among the utterances, its song is never tested, since
  published results are for speech; the song of a test speaker is left out of training as well.
- The validation speakers are the test speakers of the next fold, with their song if present. With
  two folds, nothing would be left to train on, and validation is empty.

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

import itertools
import logging
import warnings
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from emotionrecog.errors import DatasetError, require_one_of, require_whole
from emotionrecog.splits.published import (
    CREMA_D_EMOSUPERB5,
    RAVDESS_EMOBOX6,
    RAVDESS_LOSO,
    RAVDESS_SUBJECT5,
    SAVEE_EMOBOX4,
    TESS_SPEAKER2,
    actors,
)
from emotionrecog.text import listing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from emotionrecog.datasets import Utterance

__all__ = [
    "FIXED",
    "NAMES",
    "NOT_SPEAKER_DISJOINT",
    "NOT_TEXT_DISJOINT",
    "Fold",
    "LeakyProtocolWarning",
    "Protocol",
    "get",
    "held_out",
    "may_be_tested",
]

_logger = logging.getLogger("emotionrecog")


class LeakyProtocolWarning(UserWarning):
    """Warn that a protocol puts the same speakers into training and test."""


@dataclass(frozen=True)
class Fold:
    """One division of utterances.

    Parameters
    ----------
    name : str
        Name of the protocol, a slash, and the number of the fold, counted from 1, or what it tests:
        ``"ravdess/subject5/1"``, ``"cross-corpus/tess"``. A protocol with a single fold and the
        fold have the same name.
    train : list of Utterance
        Utterances to train on.
    validation : list of Utterance
        Utterances for selection; may be empty. Without selection they may be used for training,
        which is why they include song.
    test : list of Utterance
        Utterances to test on, once.
    """

    name: str
    train: list[Utterance] = field(repr=False)
    validation: list[Utterance] = field(repr=False)
    test: list[Utterance] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A named way to divide utterances.

    Parameters
    ----------
    name : str
        One of `NAMES`, or the name of your own protocol.
    title : str
        Short description of the held-out data.
    speaker_disjoint : bool
        Whether no speaker is in two parts of a fold.
    text_disjoint : bool
        Whether no sentence is in two parts of a fold. A sentence is the code or text that its
        corpus gives: a sentence that two corpora share counts as two.
    split : callable
        Function that returns the folds of a list of utterances, which is not empty.
    held_out : mapping of str to frozenset of str
        Test speakers of each fold, by its name, if the protocol fixes them; empty if they depend on
        the utterances.
    warning : str, optional
        Text of the `LeakyProtocolWarning` that is issued whenever folds are made.
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
            Utterances of one or more corpora, in any order. A protocol of one corpus uses only the
            utterances of that corpus.

        Returns
        -------
        list of Fold
            The folds, each with its utterances in the order of `utterances`.

        Raises
        ------
        DatasetError
            If there are no utterances, a speaker of the protocol has none, there are fewer groups
            than folds, or the speakers or sentences to keep apart are unknown.

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
        utterances = list(utterances)
        if not utterances:
            raise DatasetError(f"protocol {self.name!r} needs utterances to divide, got none")
        if self.warning:
            warnings.warn(self.warning, LeakyProtocolWarning, stacklevel=2)
        return self.split(utterances)


# --- from keys to folds -------------------------------------------------------------------------


class _Plan(NamedTuple):
    """The keys, such as speakers, of each part of a fold; all others are for training."""

    name: str
    test: frozenset[str]
    validation: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()


def _plans(name: str, tests: Sequence[frozenset[str]], labels: Iterable[str] = ()) -> list[_Plan]:
    """Validate on the test keys of the next fold, if a third group remains for training."""
    nothing: frozenset[str] = frozenset()
    nexts = [*tests[1:], tests[0]] if len(tests) > 2 else [nothing] * len(tests)
    endings = list(labels) or [str(number + 1) for number in range(len(tests))]
    parts = zip(endings, tests, nexts, strict=True)
    return [_Plan(f"{name}/{ending}", test, validation) for ending, test, validation in parts]


def _divide(utterances: list[Utterance], keys: Sequence[str], plans: Iterable[_Plan]) -> list[Fold]:
    rows = list(zip(utterances, keys, may_be_tested(utterances), strict=True))
    folds = []
    for plan in plans:
        held_out = plan.test | plan.validation | plan.left_out
        folds.append(
            Fold(
                name=plan.name,
                train=[utterance for utterance, key, _ in rows if key not in held_out],
                validation=[utterance for utterance, key, _ in rows if key in plan.validation],
                test=[utterance for utterance, key, tested in rows if tested and key in plan.test],
            )
        )
    return folds


def _plans_with_tests(plans: Sequence[_Plan], present: Collection[str]) -> list[_Plan]:
    """Leave out plans whose test keys are absent, and skip them for validation."""
    # With song alone, the actor who does not sing is absent.
    nexts = {plan.test: plan.validation for plan in plans}
    return [
        plan._replace(validation=nexts[plan.validation])
        if plan.validation and plan.validation.isdisjoint(present)
        else plan
        for plan in plans
        if not plan.test.isdisjoint(present)
    ]


def may_be_tested(utterances: Sequence[Utterance]) -> list[bool]:
    """Return whether each utterance may be tested; song may not if its corpus has speech.

    Parameters
    ----------
    utterances
        Utterances of any corpora.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance
    >>> may_be_tested(
    ...     [
    ...         Utterance(Path(f"{i}.wav"), "sad", corpus="mine", speaker="mine/ann", style=style)
    ...         for i, style in enumerate(["speech", "song"])
    ...     ]
    ... )
    [True, False]
    """
    with_speech = {utterance.corpus for utterance in utterances if utterance.style == "speech"}
    return [u.style == "speech" or u.corpus not in with_speech for u in utterances]


def _testable(utterances: list[Utterance], keys: Sequence[str]) -> list[str]:
    return list(itertools.compress(keys, may_be_tested(utterances)))


def _groups(
    keys: Sequence[str], splits: Iterator[tuple[NDArray[Any], NDArray[Any]]]
) -> list[frozenset[str]]:
    """Return the test keys of each of scikit-learn's splits."""
    return [frozenset(keys[i] for i in test) for _, test in splits]


# --- protocols whose speakers are fixed ---------------------------------------------------------


_JOINT_TEST = RAVDESS_SUBJECT5[0] | CREMA_D_EMOSUPERB5[4] | SAVEE_EMOBOX4[1] | TESS_SPEAKER2[1]
_JOINT_VALIDATION = (
    RAVDESS_SUBJECT5[1] | CREMA_D_EMOSUPERB5[3] | SAVEE_EMOBOX4[3] | TESS_SPEAKER2[0]
)


def _joint_plans() -> list[_Plan]:
    """Hold out fold k of all corpora together; corpora without a fold k are for training."""
    corpora = [
        _plans("joint", tests)
        for tests in (
            RAVDESS_SUBJECT5,
            CREMA_D_EMOSUPERB5,
            SAVEE_EMOBOX4,
            TESS_SPEAKER2,
        )
    ]
    joined = []
    for number in range(max(map(len, corpora))):
        parts = [plans[number] for plans in corpora if number < len(plans)]
        joined.append(
            _Plan(
                parts[0].name,
                frozenset().union(*(plan.test for plan in parts)),
                frozenset().union(*(plan.validation for plan in parts)),
            )
        )
    return joined


def _fixed(name: str, title: str, plans: Sequence[_Plan], only: str | None = None) -> Protocol:
    speakers = frozenset().union(*(plan.test | plan.validation | plan.left_out for plan in plans))

    def split(utterances: list[Utterance]) -> list[Fold]:
        used = [u for u in utterances if only is None or u.corpus == only]
        if len(used) < len(utterances):
            n_others = len(utterances) - len(used)
            _logger.info("%s: left out %d utterances of other corpora", name, n_others)
        _require_speakers(name, speakers, used)
        keys = [utterance.speaker for utterance in used]
        return _divide(used, keys, _plans_with_tests(plans, set(keys)))

    return Protocol(
        name=name,
        title=title,
        speaker_disjoint=True,
        text_disjoint=False,
        split=split,
        held_out=MappingProxyType({plan.name: plan.test for plan in plans}),
    )


def _require_speakers(name: str, speakers: frozenset[str], utterances: list[Utterance]) -> None:
    styles = {utterance.style for utterance in utterances if utterance.corpus == "ravdess"}
    absent = actors(18) if styles == {"song"} else frozenset()  # actor 18 does not sing
    missing = speakers - absent - set(_testable(utterances, [u.speaker for u in utterances]))
    if missing:
        raise DatasetError(
            f"`utterances` must hold all speakers of protocol {name!r}; missing: "
            f"{listing(sorted(missing), n_shown=30)}. Pass the complete corpora, or use 'loso' or "
            "'grouped_kfold'"
        )


def _of_corpus(name: str, title: str, corpus: str, tests: Sequence[frozenset[str]]) -> Protocol:
    return _fixed(name, title, _plans(name, tests), only=corpus)


_FIXED: Mapping[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        _of_corpus("ravdess/subject5", "five groups of actors", "ravdess", RAVDESS_SUBJECT5),
        _of_corpus("ravdess/emobox6", "six groups of four actors", "ravdess", RAVDESS_EMOBOX6),
        _of_corpus("ravdess/loso", "each actor in turn", "ravdess", RAVDESS_LOSO),
        _of_corpus("savee/emobox4", "each man in turn", "savee", SAVEE_EMOBOX4),
        _of_corpus("cremad/emosuperb5", "five groups of actors", "crema_d", CREMA_D_EMOSUPERB5),
        _of_corpus("tess/speaker2", "each woman in turn", "tess", TESS_SPEAKER2),
        _fixed("joint", "fold by fold of four corpora together", _joint_plans()),
        _fixed(
            "joint-test",
            "speakers of four corpora, for final results",
            [_Plan("joint-test", test=_JOINT_TEST, validation=_JOINT_VALIDATION)],
        ),
        _fixed(
            "joint-validation",
            "other speakers of these corpora, to compare recipes on",
            [_Plan("joint-validation", test=_JOINT_VALIDATION, left_out=_JOINT_TEST)],
        ),
    )
}


# --- protocols for any utterances ---------------------------------------------------------------


def _loso() -> Protocol:
    def split(utterances: list[Utterance]) -> list[Fold]:
        _require_known_speakers("loso", utterances)
        return _leave_one_out("loso", "speakers", utterances, [u.speaker for u in utterances])

    return Protocol(
        name="loso",
        title="each speaker in turn",
        speaker_disjoint=True,
        text_disjoint=False,
        split=split,
    )


def _cross_corpus() -> Protocol:
    def split(utterances: list[Utterance]) -> list[Fold]:
        corpora = [utterance.corpus for utterance in utterances]
        return _leave_one_out("cross-corpus", "corpora", utterances, corpora)

    return Protocol(
        name="cross-corpus",
        title="each corpus in turn",
        speaker_disjoint=True,
        text_disjoint=False,  # corpora may share sentences
        split=split,
    )


def _leave_one_out(
    name: str, noun: str, utterances: list[Utterance], keys: list[str]
) -> list[Fold]:
    from sklearn.model_selection import LeaveOneGroupOut

    testable = _testable(utterances, keys)
    _require_groups(name, noun, set(testable), 2)
    tests = _groups(testable, LeaveOneGroupOut().split(testable, groups=testable))
    return _divide(utterances, keys, _plans(name, tests, ["".join(test) for test in tests]))


def _grouped_kfold(k: int = 5) -> Protocol:
    require_whole("k", k, 2)

    def split(utterances: list[Utterance]) -> list[Fold]:
        _require_known_speakers("grouped_kfold", utterances)
        speakers = [utterance.speaker for utterance in utterances]
        return _grouped("grouped_kfold", "speakers", utterances, speakers, k)

    return Protocol(
        name="grouped_kfold",
        title=f"{k} groups of speakers with about equally many clips",
        speaker_disjoint=True,
        text_disjoint=False,
        split=split,
    )


def _sentence_disjoint(k: int | None = None) -> Protocol:
    if k is not None:
        require_whole("k", k, 2)

    def split(utterances: list[Utterance]) -> list[Fold]:
        _require_known_sentences(utterances)
        keys = [f"{u.corpus}/{_normalised(u.sentence)}" for u in utterances]
        n_folds = k or max(2, min(5, len(set(_testable(utterances, keys)))))
        return _grouped("sentence-disjoint", "sentences", utterances, keys, n_folds)

    return Protocol(
        name="sentence-disjoint",
        title=f"{k or 'up to 5'} groups of sentences",
        speaker_disjoint=False,
        text_disjoint=True,
        split=split,
    )


def _normalised(sentence: str | None) -> str:
    """Return a sentence, or its code, without differences of case and spaces."""
    return " ".join((sentence or "").casefold().split())


def _grouped(
    name: str, noun: str, utterances: list[Utterance], keys: list[str], n_folds: int
) -> list[Fold]:
    from sklearn.model_selection import GroupKFold

    testable = _testable(utterances, keys)
    _require_groups(name, noun, set(testable), n_folds)
    tests = _groups(testable, GroupKFold(n_folds).split(testable, groups=testable))
    return _divide(utterances, keys, _plans(name, tests))


def _random(k: int = 5, seed: int = 0) -> Protocol:
    require_whole("k", k, 2)
    require_whole("seed", seed)

    def split(utterances: list[Utterance]) -> list[Fold]:
        from sklearn.model_selection import KFold

        # Copies of a recording stay with it.
        keys = [
            f"{u.corpus}/{u.recording}" if u.recording else str(position)
            for position, u in enumerate(utterances)
        ]
        testable = list(dict.fromkeys(_testable(utterances, keys)))
        _require_groups("random", "utterances", set(testable), k)
        splits = KFold(k, shuffle=True, random_state=seed).split(testable)
        return _divide(utterances, keys, _plans("random", _groups(testable, splits)))

    return Protocol(
        name="random",
        title=f"{k} random groups of clips",
        speaker_disjoint=False,
        text_disjoint=False,
        split=split,
        warning=(
            "a random split has the same speakers in training and test, so results do not "
            "hold for new speakers; use 'loso' or 'grouped_kfold' for those"
        ),
    )


def _require_groups(name: str, noun: str, groups: Collection[str], n_groups: int) -> None:
    if len(groups) < n_groups:
        names = f" ({listing(sorted(groups))})" if groups and noun != "utterances" else ""
        raise DatasetError(
            f"protocol {name!r} needs at least {n_groups} {noun} for its folds, found "
            f"{len(groups)}{names}; pass utterances of more, or choose fewer folds"
        )


def _require_known_speakers(name: str, utterances: list[Utterance]) -> None:
    unknown = {u.corpus for u in utterances if u.speaker == f"{u.corpus}/unknown"}
    if unknown:
        raise DatasetError(
            f"protocol {name!r} keeps speakers apart, but those of {listing(sorted(unknown))} are "
            "unknown. Name the speakers, leave these utterances out, or hold the whole corpus out "
            "with 'cross-corpus'"
        )


def _require_known_sentences(utterances: list[Utterance]) -> None:
    # SAVEE numbers its sentences within each emotion, and some numbers mean the same sentence.
    unknown = {u.corpus for u in utterances if not _normalised(u.sentence) or u.corpus == "savee"}
    if unknown:
        raise DatasetError(
            "protocol 'sentence-disjoint' keeps sentences apart, but those of "
            f"{listing(sorted(unknown))} are unknown. State the sentence of each utterance, or "
            "leave these out"
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
"""Names of the protocols that fix the test speakers of each fold."""

NAMES = (*FIXED, *_MADE)
"""Names of all protocols."""

NOT_SPEAKER_DISJOINT = "SPEAKERS ARE IN TRAINING AND TEST: these are not results on new speakers"
"""The note in reports on a protocol that is not speaker-disjoint."""

NOT_TEXT_DISJOINT = "test sentences may occur in training, spoken by others"
"""The note in reports on a protocol that is not text-disjoint."""


def get(name: str, **options: int) -> Protocol:
    """Return a protocol by its name.

    Parameters
    ----------
    name
        One of `NAMES`.
    **options
        ``k``, the number of folds: for ``"grouped_kfold"`` and ``"random"`` (default: 5) and
        ``"sentence-disjoint"`` (default: 5, or the number of sentences if smaller); ``seed``, for
        ``"random"`` (default: 0).

    Returns
    -------
    Protocol

    Raises
    ------
    ValueError
        If there is no such protocol, it has no such option, or an option is out of bounds.

    Examples
    --------
    >>> from emotionrecog.splits import protocols
    >>> protocols.get("grouped_kfold", k=3)
    Protocol(name='grouped_kfold', title='3 groups of speakers with about equally many clips', \
speaker_disjoint=True, text_disjoint=False)
    >>> protocols.get("ravdess/subject")
    Traceback (most recent call last):
        ...
    ValueError: `name` must be one of ravdess/subject5, ... random; did you mean \
'ravdess/subject5'? Got 'ravdess/subject'
    """
    require_one_of("name", name, NAMES)
    accepted = _OPTIONS.get(name, ())
    unknown = sorted(options.keys() - set(accepted))
    if unknown:
        options_text = f"the options {', '.join(accepted)}" if accepted else "no options"
        raise ValueError(f"protocol {name!r} takes {options_text}, got {', '.join(unknown)}")
    return _FIXED[name] if name in _FIXED else _MADE[name](**options)


def held_out(fold: str) -> frozenset[str]:
    """Return the test speakers of a fold by its name; none if no protocol fixes them.

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
