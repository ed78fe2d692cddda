"""Divide utterances by speaker or recording, and draw balanced samples of them.

Published divisions with names are in `emotionrecog.splits.protocols`; every other division that
training, calibration, search and evaluation make is here. Equal arguments give equal divisions on
every machine.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from emotionrecog.errors import DatasetError, require_share, require_whole
from emotionrecog.splits import protocols
from emotionrecog.splits.protocols import Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from emotionrecog.datasets import Utterance
    from emotionrecog.splits.protocols import Fold

__all__ = [
    "fold_by_number",
    "fold_indices",
    "hold_out_recordings",
    "hold_out_speakers",
    "sample_clips",
    "sample_each_speaker",
    "speaker_parts",
    "without_validation",
]


def hold_out_speakers(
    utterances: Sequence[Utterance], share: float, seed: int
) -> tuple[list[Utterance], list[Utterance]]:
    """Divide utterances in two so that no speaker is on both sides.

    About `share` of the speakers of each corpus are held out, but none of corpora with one or two
    speakers. If all corpora are that small, one speaker is held out in total.

    Parameters
    ----------
    utterances
        Utterances of two speakers or more.
    share
        Share of the speakers to hold out, above 0 and below 1.
    seed
        Random seed.

    Returns
    -------
    train, held_out : list of Utterance
        Both in the order of `utterances`.

    Raises
    ------
    DatasetError
        If all utterances are of one speaker.
    ValueError
        If `share` is out of bounds.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance
    >>> clips = [
    ...     Utterance(Path(f"{name}.wav"), "sad", corpus="mine", speaker=f"mine/{name}")
    ...     for name in ("ann", "bob", "cem", "dov")
    ... ]
    >>> train, validation = hold_out_speakers(clips, 0.25, seed=0)
    >>> len(train), len(validation)
    (3, 1)
    """
    require_share("share", share, open_low=True, open_high=True)
    speakers: dict[str, list[str]] = {}
    for utterance in utterances:
        names = speakers.setdefault(utterance.corpus, [])
        if utterance.speaker not in names:
            names.append(utterance.speaker)
    rng = np.random.default_rng((seed, len(utterances)))
    held_out: set[str] = set()
    for names in speakers.values():
        if len(names) > 2:
            n_held_out = max(1, round(share * len(names)))
            held_out |= {names[i] for i in rng.permutation(len(names))[:n_held_out]}
    all_names = [name for names in speakers.values() for name in names]
    if len(all_names) < 2:
        raise DatasetError(
            f"all utterances are of one speaker ({all_names[0] if all_names else 'none'}), so "
            "no speaker is left for validation; pass a `validation_set` of other speakers, or a "
            "recipe with patience None"
        )
    if not held_out:
        held_out = {all_names[rng.integers(len(all_names))]}
    train = [utterance for utterance in utterances if utterance.speaker not in held_out]
    return train, [utterance for utterance in utterances if utterance.speaker in held_out]


def hold_out_recordings(
    utterances: Sequence[Utterance], share: float, seed: int
) -> tuple[list[Utterance], list[Utterance]]:
    """Divide utterances in two so that no recording is on both sides; speakers may be.

    In each emotion, `share` of the recordings are held out, rounded. Utterances with the same
    ``recording``, such as a clip and its augmented copies, stay together.

    Parameters
    ----------
    utterances
        Utterances to divide, of one speaker for example.
    share
        Share of the recordings to hold out, above 0 and below 1.
    seed
        Random seed.

    Returns
    -------
    train, held_out : list of Utterance
        Both in the order of `utterances`.

    Raises
    ------
    DatasetError
        If no emotion has enough recordings to hold one out.
    ValueError
        If `share` is out of bounds.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance
    >>> clips = [
    ...     Utterance(Path(f"{i}.wav"), emotion, corpus="mine", speaker="mine/ann")
    ...     for i, emotion in enumerate(["sad", "happy"] * 4)
    ... ]
    >>> train, test = hold_out_recordings(clips, 0.25, seed=0)
    >>> len(train), sorted(clip.emotion for clip in test)
    (6, ['happy', 'sad'])
    """
    require_share("share", share, open_low=True, open_high=True)
    rng = np.random.default_rng((seed, len(utterances)))
    held_out: set[str] = set()
    for emotion in dict.fromkeys(utterance.emotion for utterance in utterances):
        names = list(dict.fromkeys(_recording(u) for u in utterances if u.emotion == emotion))
        n_held_out = round(share * len(names))
        held_out |= {names[i] for i in rng.permutation(len(names))[:n_held_out]}
    if not held_out:
        raise DatasetError(
            f"{len(utterances)} clips are too few to divide into training and test; "
            "pass two or more of each emotion, or `held_out`"
        )
    return (
        [utterance for utterance in utterances if _recording(utterance) not in held_out],
        [utterance for utterance in utterances if _recording(utterance) in held_out],
    )


def _recording(utterance: Utterance) -> str:
    return utterance.recording or str(utterance.path)


def sample_clips(
    utterances: Sequence[Utterance], n_clips: int, *, seed: int = 0
) -> list[Utterance]:
    """Draw about the same number of clips for every speaker and emotion.

    One clip of each speaker is drawn in turn, of the speaker's least drawn emotion, until there are
    enough; the clips of a speaker and an emotion are drawn at random.

    Parameters
    ----------
    utterances
        Utterances to draw from.
    n_clips
        Number of clips, at least 1; all utterances are returned if there are no more.
    seed
        Random seed.

    Returns
    -------
    list of Utterance
        The clips drawn, in the order of `utterances`.

    Raises
    ------
    ValueError
        If `n_clips` is not a positive whole number.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance
    >>> clips = [
    ...     Utterance(Path(f"{i}.wav"), emotion, corpus="mine", speaker=f"mine/{speaker}")
    ...     for i, (speaker, emotion) in enumerate(
    ...         [("ann", "sad"), ("ann", "sad"), ("ann", "angry"), ("bob", "sad"), ("bob", "sad")]
    ...     )
    ... ]
    >>> [(clip.speaker, clip.emotion) for clip in sample_clips(clips, 3)]
    [('mine/ann', 'sad'), ('mine/ann', 'angry'), ('mine/bob', 'sad')]
    """
    require_whole("n_clips", n_clips, 1)
    rng = np.random.default_rng(seed)
    clips_of: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index in rng.permutation(len(utterances)).tolist():
        clips_of[utterances[index].speaker][utterances[index].emotion].append(index)
    emotions = sorted({utterance.emotion for utterance in utterances})
    turns = []
    for number, speaker in enumerate(sorted(clips_of)):
        # Each speaker starts with another emotion, so that an incomplete round is balanced too.
        order = [*emotions[number % len(emotions) :], *emotions[: number % len(emotions)]]
        rounds = itertools.zip_longest(*(clips_of[speaker][emotion] for emotion in order))
        turns.append([index for row in rounds for index in row if index is not None])
    by_turn = itertools.chain.from_iterable(itertools.zip_longest(*turns))
    drawn = itertools.islice((index for index in by_turn if index is not None), n_clips)
    return [utterances[index] for index in sorted(drawn)]


def sample_each_speaker(utterances: Sequence[Utterance], n_each: int) -> list[Utterance]:
    """Take clips of each speaker, evenly spaced among all clips of the speaker.

    Parameters
    ----------
    utterances
        Utterances to take from.
    n_each
        Number of clips of each speaker, at least 1; speakers with fewer clips give all of them.

    Returns
    -------
    list of Utterance
        Speaker by speaker, in order of first occurrence; clips in the order of `utterances`.

    Raises
    ------
    ValueError
        If `n_each` is not a positive whole number.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance
    >>> clips = [
    ...     Utterance(Path(f"{name}{i}.wav"), "sad", corpus="mine", speaker=f"mine/{name}")
    ...     for i in range(5)
    ...     for name in ("ann", "bob")
    ... ]
    >>> [clip.path.stem for clip in sample_each_speaker(clips, 3)]
    ['ann0', 'ann2', 'ann4', 'bob0', 'bob2', 'bob4']
    """
    require_whole("n_each", n_each, 1)
    by_speaker: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        by_speaker.setdefault(utterance.speaker, []).append(utterance)
    return [
        clips[i]
        for clips in by_speaker.values()
        for i in np.unique(np.linspace(0, len(clips) - 1, n_each).round().astype(int))
    ]


def speaker_parts(
    corpora: Sequence[str], speakers: Sequence[str], n_parts: int = 5
) -> NDArray[np.intp]:
    """Assign recordings to numbered parts so that no speaker is in two parts.

    Corpora are spread over the parts evenly.

    Parameters
    ----------
    corpora, speakers
        Corpus and speaker of each recording.
    n_parts
        Number of parts, at least 1; fewer parts are used if there are fewer speakers.

    Returns
    -------
    ndarray of int, shape (n_recordings,)
        The number of each recording's part, counted from 0.

    Raises
    ------
    ValueError
        If `n_parts` is not a positive whole number.

    Examples
    --------
    >>> speaker_parts(["a", "a", "a", "b"], ["a/1", "a/2", "a/1", "b/1"]).tolist()
    [0, 1, 0, 2]
    """
    require_whole("n_parts", n_parts, 1)
    names = dict.fromkeys(name for _, name in sorted(set(zip(corpora, speakers, strict=True))))
    part_of = dict(zip(names, itertools.cycle(range(n_parts))))
    return np.array([part_of[speaker] for speaker in speakers], dtype=np.intp)


def fold_indices(
    utterances: Sequence[Utterance], folds: int | Protocol
) -> list[tuple[list[int], list[int]]]:
    """Return the positions of the training and test utterances of each fold.

    Validation utterances are used for training, because nothing is selected on them.

    Parameters
    ----------
    utterances
        Utterances to divide.
    folds
        Number of groups of speakers, or a protocol that keeps speakers apart.

    Returns
    -------
    list of (list of int, list of int)
        Training and test positions of each fold, in ascending order.

    Raises
    ------
    DatasetError
        If there are fewer speakers than folds.
    ValueError
        If the protocol does not keep speakers apart.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance
    >>> clips = [
    ...     Utterance(Path(f"{name}.wav"), "sad", corpus="mine", speaker=f"mine/{name}")
    ...     for name in ("ann", "bob", "cem")
    ... ]
    >>> fold_indices(clips, 3)
    [([0, 1], [2]), ([0, 2], [1]), ([1, 2], [0])]
    """
    protocol = folds if isinstance(folds, Protocol) else protocols.get("grouped_kfold", k=folds)
    if not protocol.speaker_disjoint:
        raise ValueError(
            f"`folds` must keep speakers apart, which protocol {protocol.name!r} does not; "
            "otherwise values are selected that suit known speakers"
        )
    indices = []
    for fold in protocol.folds(utterances):
        train, test = {*fold.train, *fold.validation}, set(fold.test)
        indices.append(
            (
                [i for i, utterance in enumerate(utterances) if utterance in train],
                [i for i, utterance in enumerate(utterances) if utterance in test],
            )
        )
    return indices


def fold_by_number(
    utterances: Sequence[Utterance], protocol: str, number: int | None = None
) -> Fold:
    """Return one fold of a protocol that fixes its test speakers.

    Parameters
    ----------
    utterances
        Utterances of the corpora that the protocol divides.
    protocol
        One of `emotionrecog.splits.protocols.FIXED`.
    number
        Number of the fold in its name, counted from 1; None for the only fold.

    Returns
    -------
    Fold

    Raises
    ------
    ValueError
        If the protocol has several folds and `number` is not among them, or it does not fix its
        test speakers.
    DatasetError
        If there is no utterance of the test speakers.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance
    >>> clips = [
    ...     Utterance(Path(f"{name}.wav"), "sad", corpus="savee", speaker=f"savee/{name}")
    ...     for name in ("DC", "JE", "JK", "KL")
    ... ]
    >>> fold = fold_by_number(clips, "savee/emobox4", 2)
    >>> fold.name, [clip.speaker for clip in fold.test]
    ('savee/emobox4/2', ['savee/KL'])
    """
    test_speakers = protocols.get(protocol).held_out
    if not test_speakers:
        raise ValueError(f"protocol {protocol!r} does not fix its test speakers")
    numbers = range(1, len(test_speakers) + 1) if len(test_speakers) > 1 else (None, 1)
    if number not in numbers:
        raise ValueError(
            f"protocol {protocol!r} needs the number of a fold (--fold on the command line) "
            f"from 1 to {len(test_speakers)}, got {number or 'none'}"
        )
    name = protocol if len(test_speakers) == 1 else f"{protocol}/{number}"
    for fold in protocols.get(protocol).folds(utterances):
        if fold.name == name:
            return fold
    speakers = ", ".join(sorted(test_speakers[name]))
    raise DatasetError(
        f"fold {name!r} tests {speakers}, who have no recordings here; choose another fold"
    )


def without_validation(fold: Fold, utterances: Sequence[Utterance]) -> Fold:
    """Return a fold that trains on its validation utterances as well.

    This suits training without selection, such as with a fixed number of epochs.

    Parameters
    ----------
    fold
        A fold of `utterances`.
    utterances
        All utterances, in the order in which to train on them.

    Returns
    -------
    Fold
        The fold with an empty validation set.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance
    >>> from emotionrecog.splits import protocols
    >>> clips = [
    ...     Utterance(Path(f"{name}.wav"), "sad", corpus="mine", speaker=f"mine/{name}")
    ...     for name in ("ann", "bob", "cem")
    ... ]
    >>> fold = protocols.get("loso").folds(clips)[2]
    >>> [clip.path.stem for clip in fold.train], [clip.path.stem for clip in fold.validation]
    (['bob'], ['ann'])
    >>> [clip.path.stem for clip in without_validation(fold, clips).train]
    ['ann', 'bob']
    """
    chosen = {*fold.train, *fold.validation}
    train = [utterance for utterance in utterances if utterance in chosen]
    return dataclasses.replace(fold, train=train, validation=[])
