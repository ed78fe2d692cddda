"""Break metrics down by speaker, sentence and manner, and find gaps between groups."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from emotionrecog.evaluation import intervals
from emotionrecog.evaluation.metrics import Bounds, mean_recall
from emotionrecog.text import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from emotionrecog.datasets import Utterance
    from emotionrecog.evaluation.metrics import Answers

__all__ = ["DEGREES", "Breakdown", "Group", "breakdowns"]

# Groups of fewer clips are listed but not compared.
LEAST_CLIPS = 20

DEGREES = ("low", "normal", "medium", "high", "strong")
"""The intensities of all corpora, from the weakest to the strongest."""

# The first year of each age band but the lowest.
_AGES = (30, 45, 60)

# The words for a group in a comparison, by factor.
_WORDS = {
    "speaker": "speaker {}",
    "sex": "{} voices",
    "age band": "speakers of {}",
    "intensity": "{} intensity",
    "sentence": "sentence {}",
    "duration": "clips of {}",
}
FACTORS = tuple(_WORDS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
    """Metrics of a group of clips of one corpus.

    Parameters
    ----------
    value
        The value that the clips share, such as ``"female"``.
    n_clips, n_speakers
        Numbers of clips and of speakers.
    emotions
        The emotions that the clips act.
    uar, wa
        As in `CorpusReport`; the UAR of `emotions`.
    uar_compared
        UAR of the emotions that all compared groups act; None if the group is not compared.
    """

    value: str
    n_clips: int
    n_speakers: int
    emotions: tuple[str, ...]
    uar: float
    wa: float
    uar_compared: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Breakdown:
    """Metrics of a corpus group by group, and the gap between the lowest and the highest.

    Parameters
    ----------
    corpus
        The corpus. Groups of different corpora are not compared, since too much else differs.
    factor
        The property that makes the groups: speaker, sex, age band, intensity, sentence or duration.
    groups
        The groups that have clips.
    n_unknown
        Number of clips for which the property is unknown.
    emotions
        The emotions on which groups are compared: those that all groups of at least 20 clips act.
        Empty if nothing can be compared.
    lowest, highest
        The groups with the lowest and the highest UAR; empty if nothing can be compared.
    gap
        The difference of their UAR, a share; None if nothing can be compared.
    interval
        95 % confidence interval of the gap, from draws of speakers, widened for the number of pairs
        from which the gap was chosen; None if a group has a single speaker.
    """

    corpus: str
    factor: str
    groups: tuple[Group, ...]
    n_unknown: int
    emotions: tuple[str, ...] = ()
    lowest: str = ""
    highest: str = ""
    gap: float | None = None
    interval: Bounds | None = None

    @property
    def is_beyond_chance(self) -> bool:
        """Whether the interval of the gap excludes zero."""
        return self.interval is not None and self.interval[0] > 0

    def __str__(self) -> str:
        """Name the gap."""
        if self.gap is None:
            return f"{self.corpus}, {self.factor}: nothing to compare"
        values = {group.value: group.uar_compared for group in self.groups}
        if self.interval is not None:
            bounds = " to ".join(map(percent, self.interval))
            chance = "" if self.is_beyond_chance else ", so it may be chance"
            doubt = f"95 % interval {bounds}{chance}"
        elif self.factor == "speaker":
            doubt = "no interval: each group is one speaker"
        else:
            doubt = "no interval: one or both groups have a single speaker"
        words = _WORDS[self.factor]
        return (
            f"{self.corpus}, {self.factor}: UAR {percent(values[self.lowest])} % for "
            f"{words.format(self.lowest)}, {percent(values[self.highest])} % for "
            f"{words.format(self.highest)}: {percent(self.gap)} points apart ({doubt})"
        )


def breakdowns(
    answers: Answers, utterances: Sequence[Utterance], durations: NDArray[np.float64], seed: int
) -> tuple[Breakdown, ...]:
    """Break the clips of each corpus down by every factor that has two groups or more.

    Parameters
    ----------
    answers
        Answers to the clips.
    utterances, durations
        The clips, and their durations in s.
    seed
        Random seed of the draws of speakers.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.evaluation.metrics import Answers
    >>> from emotionrecog.evaluation.predictions import Predictions
    >>> folder = Path("benchmarks/results/benchmark/tess-speaker2")
    >>> fold = Predictions.read_csv(folder / "tess-speaker2-1.csv")
    >>> [row.factor for row in breakdowns(Answers.of(fold), fold.utterances, fold.durations, 0)]
    ['duration']
    """
    rows = []
    for corpus in dict.fromkeys(answers.corpora.tolist()):
        places = np.flatnonzero(answers.corpora == corpus)
        clips = [utterances[i] for i in places.tolist()]
        for factor in FACTORS:
            if factor == "duration":
                values, order = _duration_groups(durations[places])
            else:
                values = [_value(utterance, factor) for utterance in clips]
                order = sorted({value for value in values if value is not None}, key=_rank)
            if len(order) > 1:
                rows.append(_breakdown(corpus, factor, values, order, answers, places, seed))
    return tuple(rows)


def _value(utterance: Utterance, factor: str) -> str | None:
    if factor == "age band":
        if utterance.age is None:
            return None
        band = sum(utterance.age >= first for first in _AGES)
        first = (None, *_AGES)[band]
        last = (*_AGES, None)[band]
        if first is None:
            return f"under {last} years"
        return f"{first} years or more" if last is None else f"{first} to {last - 1} years"
    value: str | None = getattr(utterance, factor)
    return value if value is None or factor != "speaker" else value.partition("/")[2]


def _rank(value: str) -> tuple[int, str]:
    """Return a sorting key: words of degree in their order, then others by the alphabet."""
    degrees = (*DEGREES, f"under {_AGES[0]} years")
    return degrees.index(value) if value in degrees else len(degrees), value


def _duration_groups(durations: NDArray[np.float64]) -> tuple[list[str | None], list[str]]:
    """Divide clips into a shorter, a middle and a longer third; return groups and their order."""
    finite = durations[np.isfinite(durations)]
    if not len(finite):
        return [None] * len(durations), []
    first, second = (round(float(bound), 1) for bound in np.quantile(finite, [1 / 3, 2 / 3]))
    if not finite.min() < first < second <= finite.max():
        return ["any length"] * len(durations), ["any length"]
    names = [f"less than {first:g} s", f"{first:g} to {second:g} s", f"{second:g} s or more"]
    places = np.searchsorted([first, second], durations, side="right")
    values = [
        names[place] if np.isfinite(duration) else None
        for place, duration in zip(places, durations, strict=True)
    ]
    return values, [name for name in names if name in values]


def _breakdown(
    corpus: str,
    factor: str,
    values: Sequence[str | None],
    order: Sequence[str],
    answers: Answers,
    places: NDArray[np.intp],
    seed: int,
) -> Breakdown:
    acted, is_correct = answers.acted[places], answers.is_correct[places]
    speakers, speaker_of_clip = np.unique(answers.speakers[places], return_inverse=True)
    group_of_clip = np.array([-1 if value is None else order.index(value) for value in values])
    is_known = group_of_clip >= 0
    shape = (len(speakers), len(order), len(answers.labels))
    n_clips, n_correct = np.zeros(shape), np.zeros(shape)
    cells = speaker_of_clip[is_known], group_of_clip[is_known], acted[is_known]
    np.add.at(n_clips, cells, 1)
    np.add.at(n_correct, cells, is_correct[is_known])

    sizes = n_clips.sum(axis=(0, 2))
    compared = np.flatnonzero(sizes >= LEAST_CLIPS)
    shared = np.flatnonzero((n_clips.sum(axis=0)[compared] > 0).all(axis=0))
    is_compared = len(compared) > 1 and len(shared) > 0
    uars = mean_recall(n_correct.sum(axis=0)[:, shared], n_clips.sum(axis=0)[:, shared])
    groups = []
    for i, value in enumerate(order):
        n_clips_acting, n_correct_acting = n_clips[:, i].sum(axis=0), n_correct[:, i].sum(axis=0)
        groups.append(
            Group(
                value=value,
                n_clips=int(n_clips_acting.sum()),
                n_speakers=int((n_clips[:, i].sum(axis=1) > 0).sum()),
                emotions=tuple(answers.labels[j] for j in np.flatnonzero(n_clips_acting)),
                uar=float(mean_recall(n_correct_acting, n_clips_acting)),
                wa=float(n_correct_acting.sum() / n_clips_acting.sum()),
                uar_compared=float(uars[i]) if is_compared and i in compared else None,
            )
        )
    fields: dict[str, Any] = {
        "corpus": corpus,
        "factor": factor,
        "groups": tuple(groups),
        "n_unknown": int((~is_known).sum()),
    }
    if not is_compared:
        return Breakdown(**fields)
    lowest, highest = (int(compared[f(uars[compared])]) for f in (np.argmin, np.argmax))
    return Breakdown(
        **fields,
        emotions=tuple(answers.labels[j] for j in shared),
        lowest=order[lowest],
        highest=order[highest],
        gap=float(uars[highest] - uars[lowest]),
        interval=_gap_interval(
            n_correct[:, [lowest, highest]][..., shared],
            n_clips[:, [lowest, highest]][..., shared],
            n_pairs=len(compared) * (len(compared) - 1) // 2,
            seed=seed,
        ),
    )


def _gap_interval(
    n_correct: NDArray[np.float64], n_clips: NDArray[np.float64], n_pairs: int, seed: int
) -> Bounds | None:
    """Return the interval of a gap by drawing speakers with replacement.

    The speakers of each group are drawn separately if nobody is in both, otherwise together.

    Parameters
    ----------
    n_correct, n_clips
        Shape (n_speakers, 2, n_emotions).
    n_pairs
        Number of pairs of groups from which the two were chosen, for Bonferroni's correction.
    """
    is_in = n_clips.sum(axis=2) > 0
    has_clips = is_in.any(axis=1)
    n_correct, n_clips, is_in = n_correct[has_clips], n_clips[has_clips], is_in[has_clips]
    # Speakers who are in one group only, in the other only, in both.
    strata = [tuple(row) for row in is_in.tolist()]
    if is_in.sum(axis=0).min() < 2:
        return None
    if len(set(strata)) > 1 and (True, True) in strata:
        strata = [(True, True)] * len(strata)
    draws = intervals.draw(strata, seed)
    low, high = (
        mean_recall(draws @ n_correct[:, group], draws @ n_clips[:, group]) for group in range(2)
    )
    return intervals.interval(
        high - low,
        smallest=min(strata.count(stratum) for stratum in strata),
        freedom=len(strata) - len(set(strata)),
        level=1 - (1 - intervals.LEVEL) / n_pairs,
    )
