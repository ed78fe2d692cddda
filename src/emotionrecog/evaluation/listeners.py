"""A recogniser beside the people who listened to the same clips."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from emotionrecog.datasets import EMOTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from emotionrecog.datasets import Utterance
    from emotionrecog.evaluation.metrics import Answers

    Array = NDArray[np.float64]

__all__ = ["ListenerRow", "ListenersReport"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListenerRow:
    """Listeners' figures and the recogniser's on the same clips, all fractions from 0 to 1.

    Parameters
    ----------
    value, n_clips, n_votes
        Which clips, how many, and how often people judged them.
    listener
        The share of votes for what was acted: how often one person is right.
    majority
        The share of clips of which most listeners chose what was acted; where several emotions were
        chosen equally often, each is a part of it.
    recognizer
        The share of clips of which the recogniser answered what was acted.
    listener_with_listeners
        How often two listeners of a clip agree; NaN where no clip had two.
    recogniser_with_listeners
        How often the recogniser's answer is that of a listener.
    half_with_half
        How far the votes of one half of the listeners lie over those of the other half, 1 where
        they are the same: the sum over emotions of the smaller share. NaN as above.
    recogniser_with_half
        How far the recogniser's probabilities lie over the votes of that other half.
    """

    value: str
    n_clips: int
    n_votes: int
    listener: float
    majority: float
    recognizer: float
    listener_with_listeners: float
    recogniser_with_listeners: float
    half_with_half: float
    recogniser_with_half: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListenersReport:
    """Listeners beside the recogniser, on the clips of one corpus that people voted on.

    Parameters
    ----------
    corpus
        Whose clips.
    n_without_votes
        Its clips that nobody voted on; they are left out.
    overall, by_emotion, by_intensity
        Of all clips, of those that act each emotion, and of those of each intensity.
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
    found: Answers, utterances: Sequence[Utterance], seed: int
) -> tuple[ListenersReport, ...]:
    """Compare with the votes of each corpus that has such."""
    reports = []
    for corpus in dict.fromkeys(found.corpora.tolist()):
        own = np.flatnonzero(found.corpora == corpus).tolist()
        voted = np.array([i for i in own if sum(utterances[i].votes or ())], dtype=np.intp)
        said = [utterances[i] for i in voted.tolist()]
        if not len(voted):
            continue
        per_clip = _per_clip(found, said, voted, seed)

        def rows(
            values: Sequence[str | None], per_clip: Array = per_clip
        ) -> tuple[ListenerRow, ...]:
            names = dict.fromkeys(value for value in values if value is not None)
            return tuple(
                _row(name, per_clip[[value == name for value in values]]) for name in names
            )

        by_emotion = rows([utterance.emotion for utterance in said])
        by_intensity = rows([utterance.intensity for utterance in said])
        degrees = ("low", "normal", "medium", "high", "strong")
        reports.append(
            ListenersReport(
                corpus=corpus,
                n_without_votes=len(own) - len(voted),
                overall=_row("all", per_clip),
                by_emotion=tuple(sorted(by_emotion, key=lambda row: EMOTIONS.index(row.value))),
                by_intensity=tuple(sorted(by_intensity, key=lambda row: degrees.index(row.value))),
            )
        )
    return tuple(reports)


def _per_clip(
    found: Answers, said: Sequence[Utterance], voted: NDArray[np.intp], seed: int
) -> Array:
    """Return the number of votes and the figures of each clip, shape (n_clips, 8)."""
    rng = np.random.default_rng(seed)
    votes = np.array([utterance.votes for utterance in said], dtype=np.int64)
    totals = votes.sum(axis=1)
    shares = votes / totals[:, np.newaxis]
    clips = np.arange(len(said))
    # Emotions in the library's order; of labels that it does not have nobody could vote.
    places = {label: i for i, label in enumerate(found.labels)}
    closed = np.zeros(votes.shape)
    for i, emotion in enumerate(EMOTIONS):
        if emotion in places:
            closed[:, i] = found.closed[voted, places[emotion]]
    acted = np.array([EMOTIONS.index(utterance.emotion) for utterance in said])
    answered = closed.argmax(axis=1)
    is_most = votes == votes.max(axis=1, keepdims=True)
    several = totals >= 2
    with np.errstate(invalid="ignore", divide="ignore"):
        agreeing = (votes * (votes - 1)).sum(axis=1) / (totals * (totals - 1))
    one, other = np.full(votes.shape, np.nan), np.full(votes.shape, np.nan)
    for i in np.flatnonzero(several).tolist():
        half = rng.multivariate_hypergeometric(votes[i], int(totals[i]) // 2)
        one[i], other[i] = half / half.sum(), (votes[i] - half) / (totals[i] - half.sum())
    return np.column_stack(
        [
            totals,
            shares[clips, acted],
            is_most[clips, acted] / is_most.sum(axis=1),
            answered == acted,
            np.where(several, agreeing, np.nan),
            shares[clips, answered],
            np.minimum(one, other).sum(axis=1),
            np.minimum(closed, other).sum(axis=1),
        ]
    )


def _row(value: str, per_clip: Array) -> ListenerRow:
    figures = [
        float(np.mean(values[np.isfinite(values)])) if np.isfinite(values).any() else float("nan")
        for values in per_clip.T[1:]
    ]
    names = [field.name for field in dataclasses.fields(ListenerRow)][3:]
    return ListenerRow(
        value=value,
        n_clips=len(per_clip),
        n_votes=int(per_clip[:, 0].sum()),
        **dict(zip(names, figures, strict=True)),
    )
