"""Compare a recogniser with the people who listened to the same clips."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from emotionrecog.datasets import EMOTIONS
from emotionrecog.evaluation.groups import DEGREES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from emotionrecog.datasets import Utterance
    from emotionrecog.evaluation.metrics import Answers

    Array = NDArray[np.float64]

__all__ = ["ListenerRow", "ListenersReport", "listeners"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListenerRow:
    """Metrics of listeners and of the recogniser on the same clips, all shares from 0 to 1.

    Parameters
    ----------
    value, n_clips, n_votes
        The group of clips, their number, and the number of votes on them.
    listener
        Share of votes for the emotion acted: how often a single listener is right.
    majority
        Share of clips for which most listeners chose the emotion acted; if several emotions are
        tied, each counts as a part of the clip.
    recognizer
        Share of clips for which the recogniser answered the emotion acted.
    listener_with_listeners
        How often two listeners of a clip agree; NaN if no clip has two votes.
    recognizer_with_listeners
        How often the recogniser's answer is that of a listener.
    half_with_half
        Overlap of the votes of one half of the listeners with those of the other half: the sum over
        emotions of the smaller share, 1 if they are equal. NaN as above.
    recognizer_with_half
        Overlap of the recogniser's probabilities with the votes of that other half.
    """

    value: str
    n_clips: int
    n_votes: int
    listener: float
    majority: float
    recognizer: float
    listener_with_listeners: float
    recognizer_with_listeners: float
    half_with_half: float
    recognizer_with_half: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListenersReport:
    """Metrics of listeners and of the recogniser on the clips of one corpus that have votes.

    Parameters
    ----------
    corpus
        The corpus.
    n_without_votes
        Number of its clips without votes, which are left out.
    overall, by_emotion, by_intensity
        Metrics of all clips, of those that act each emotion, and of those of each intensity.
    """

    corpus: str
    n_without_votes: int
    overall: ListenerRow
    by_emotion: tuple[ListenerRow, ...]
    by_intensity: tuple[ListenerRow, ...]

    @property
    def rows(self) -> tuple[ListenerRow, ...]:
        """All rows, the overall one first."""
        return (self.overall, *self.by_emotion, *self.by_intensity)


def listeners(
    answers: Answers, utterances: Sequence[Utterance], seed: int
) -> tuple[ListenersReport, ...]:
    """Compare answers with the votes of each corpus that has votes.

    Parameters
    ----------
    answers
        Answers to the clips.
    utterances
        The clips.
    seed
        Random seed of the halves into which listeners are divided.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from emotionrecog.datasets import Utterance
    >>> from emotionrecog.evaluation.metrics import Answers
    >>> from emotionrecog.evaluation.predictions import Predictions
    >>> clip = Utterance(Path("a.wav"), "sad", corpus="mine", speaker="mine/ann")
    >>> fold = Predictions(
    ...     labels=("happy", "sad"),
    ...     utterances=(clip,),
    ...     probabilities=np.array([[0.25, 0.75]]),
    ...     durations=np.array([2.5]),
    ... )
    >>> listeners(Answers.of(fold), fold.utterances, 0)  # no clip has votes
    ()
    """
    reports = []
    for corpus in dict.fromkeys(answers.corpora.tolist()):
        in_corpus = np.flatnonzero(answers.corpora == corpus).tolist()
        places = [i for i in in_corpus if sum(utterances[i].votes or ())]
        if not places:
            continue
        clips = [utterances[i] for i in places]
        per_clip = _per_clip(answers.closed[places], answers.labels, clips, seed)
        by_emotion = _rows([utterance.emotion for utterance in clips], per_clip)
        by_intensity = _rows([utterance.intensity for utterance in clips], per_clip)
        reports.append(
            ListenersReport(
                corpus=corpus,
                n_without_votes=len(in_corpus) - len(places),
                overall=_row("all", per_clip),
                by_emotion=tuple(sorted(by_emotion, key=lambda row: EMOTIONS.index(row.value))),
                by_intensity=tuple(sorted(by_intensity, key=lambda row: DEGREES.index(row.value))),
            )
        )
    return tuple(reports)


def _per_clip(closed: Array, labels: Sequence[str], clips: Sequence[Utterance], seed: int) -> Array:
    """Return the number of votes and the metrics of each clip, shape (n_clips, 8)."""
    rng = np.random.default_rng(seed)
    votes = np.array([utterance.votes for utterance in clips], dtype=np.int64)
    n_votes = votes.sum(axis=1)
    vote_shares = votes / n_votes[:, np.newaxis]
    rows = np.arange(len(clips))
    # In the library's order of emotions; other labels cannot be voted for.
    places = {label: i for i, label in enumerate(labels)}
    shares = np.zeros(votes.shape)
    for i, emotion in enumerate(EMOTIONS):
        if emotion in places:
            shares[:, i] = closed[:, places[emotion]]
    acted = np.array([EMOTIONS.index(utterance.emotion) for utterance in clips])
    answered = shares.argmax(axis=1)
    is_most = votes == votes.max(axis=1, keepdims=True)
    has_two = n_votes >= 2
    with np.errstate(invalid="ignore", divide="ignore"):
        agreement = (votes * (votes - 1)).sum(axis=1) / (n_votes * (n_votes - 1))
    one, other = np.full(votes.shape, np.nan), np.full(votes.shape, np.nan)
    for i in np.flatnonzero(has_two).tolist():
        half = rng.multivariate_hypergeometric(votes[i], int(n_votes[i]) // 2)
        one[i], other[i] = half / half.sum(), (votes[i] - half) / (n_votes[i] - half.sum())
    return np.column_stack(
        [
            n_votes,
            vote_shares[rows, acted],
            is_most[rows, acted] / is_most.sum(axis=1),
            answered == acted,
            np.where(has_two, agreement, np.nan),
            vote_shares[rows, answered],
            np.minimum(one, other).sum(axis=1),
            np.minimum(shares, other).sum(axis=1),
        ]
    )


def _rows(values: Sequence[str | None], per_clip: Array) -> list[ListenerRow]:
    """Average the clips of each value."""
    names = dict.fromkeys(value for value in values if value is not None)
    return [_row(name, per_clip[[value == name for value in values]]) for name in names]


def _row(value: str, per_clip: Array) -> ListenerRow:
    means = [
        float(np.mean(column[np.isfinite(column)])) if np.isfinite(column).any() else float("nan")
        for column in per_clip.T[1:]
    ]
    names = [field.name for field in dataclasses.fields(ListenerRow)][3:]
    return ListenerRow(
        value=value,
        n_clips=len(per_clip),
        n_votes=int(per_clip[:, 0].sum()),
        **dict(zip(names, means, strict=True)),
    )
