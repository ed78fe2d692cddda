"""Figures broken down by who speaks, what is said and how, and the gaps between such groups."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from emotionrecog.evaluation import intervals
from emotionrecog.evaluation.metrics import Bounds, recalls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from emotionrecog.datasets import Utterance
    from emotionrecog.evaluation.metrics import Answers

__all__ = ["Breakdown", "Group"]

# Groups of fewer clips are listed, and compared with nothing.
LEAST_CLIPS = 20

# The first year of each age band but the lowest.
_AGES = (30, 45, 60)

# How a factor is spoken of where groups of it are compared.
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
    """Figures on the clips of one corpus that have something in common.

    Parameters
    ----------
    value
        What they have in common, such as ``"female"``.
    n_clips, n_speakers
        How many clips, and of how many speakers.
    emotions
        Those that they act.
    uar, wa
        As in `CorpusReport`; the UAR of the emotions that they act.
    uar_compared
        The UAR of the emotions that all compared groups act; None where it is not compared.
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
    """Figures on a corpus, group by group, and how far they are apart.

    Parameters
    ----------
    corpus
        Groups of different corpora are not compared: too much else differs.
    factor
        What makes the groups: speaker, sex, age band, intensity, sentence or duration.
    groups
        Those with a clip at least.
    n_unknown
        Clips of which it is not known.
    emotions
        Those on which groups are compared: of at least 20 clips each, all of them act these.
        Empty where nothing can be compared.
    lowest, highest
        The groups between which the gap is; empty where nothing can be compared.
    gap
        The difference of their UAR, a fraction; None where nothing can be compared.
    interval
        In which it lies with 95 % confidence, from draws of speakers, and widened for the number of
        pairs it was chosen from; None where a group has a single speaker.
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
        """Whether the gap is more than other speakers could make vanish."""
        return self.interval is not None and self.interval[0] > 0

    def __str__(self) -> str:
        """Name the gap."""
        if self.gap is None:
            return f"{self.corpus}, {self.factor}: nothing to compare"
        values = {group.value: group.uar_compared for group in self.groups}
        low, high = values[self.lowest], values[self.highest]
        assert low is not None  # for the type checker
        assert high is not None
        if self.interval is not None:
            bounds = " to ".join(f"{100 * bound:.1f}" for bound in self.interval)
            chance = "" if self.is_beyond_chance else ", so it may be chance"
            doubt = f"95 % interval {bounds}{chance}"
        elif self.factor == "speaker":
            doubt = "no interval: each is one speaker"
        else:
            doubt = "no interval: of one or both there is a single speaker"
        words = _WORDS[self.factor]
        return (
            f"{self.corpus}, {self.factor}: UAR of {words.format(self.lowest)} {100 * low:.1f} %, "
            f"of {words.format(self.highest)} {100 * high:.1f} %: {100 * self.gap:.1f} points "
            f"apart ({doubt})"
        )


def breakdowns(
    found: Answers, utterances: Sequence[Utterance], durations: NDArray[np.float64], seed: int
) -> tuple[Breakdown, ...]:
    """Break the clips of each corpus down by every factor that has two groups or more."""
    rows = []
    for corpus in dict.fromkeys(found.corpora.tolist()):
        own = np.flatnonzero(found.corpora == corpus)
        said = [utterances[i] for i in own.tolist()]
        for factor in FACTORS:
            if factor == "duration":
                values, order = _lengths(durations[own])
            else:
                values = [_value(utterance, factor) for utterance in said]
                order = sorted({value for value in values if value is not None}, key=_rank)
            if len(order) > 1:
                rows.append(_breakdown(corpus, factor, values, order, found, own, seed))
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
    """Put words of degree in their order, and others in that of the alphabet."""
    degrees = ("low", "normal", "medium", "high", "strong", f"under {_AGES[0]} years")
    return degrees.index(value) if value in degrees else len(degrees), value


def _lengths(durations: NDArray[np.float64]) -> tuple[list[str | None], list[str]]:
    """Divide clips into a shorter, a middle and a longer third."""
    known = durations[np.isfinite(durations)]
    if not len(known):
        return [None] * len(durations), []
    first, second = (round(float(bound), 1) for bound in np.quantile(known, [1 / 3, 2 / 3]))
    if not known.min() < first < second <= known.max():
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
    found: Answers,
    own: NDArray[np.intp],
    seed: int,
) -> Breakdown:
    acted, hit = found.acted[own], found.hit[own]
    speakers, of_speaker = np.unique(found.speakers[own], return_inverse=True)
    of_group = np.array([-1 if value is None else order.index(value) for value in values])
    is_known = of_group >= 0
    shape = (len(speakers), len(order), len(found.labels))
    totals, hits = np.zeros(shape), np.zeros(shape)
    place = of_speaker[is_known], of_group[is_known], acted[is_known]
    np.add.at(totals, place, 1)
    np.add.at(hits, place, hit[is_known])

    sizes = totals.sum(axis=(0, 2))
    compared = np.flatnonzero(sizes >= LEAST_CLIPS)
    shared = np.flatnonzero((totals.sum(axis=0)[compared] > 0).all(axis=0))
    is_compared = len(compared) > 1 and len(shared) > 0
    uars = recalls(hits.sum(axis=0)[:, shared], totals.sum(axis=0)[:, shared])
    groups = []
    for i, value in enumerate(order):
        n_clips, n_hits = totals[:, i].sum(axis=0), hits[:, i].sum(axis=0)
        groups.append(
            Group(
                value=value,
                n_clips=int(n_clips.sum()),
                n_speakers=int((totals[:, i].sum(axis=1) > 0).sum()),
                emotions=tuple(found.labels[j] for j in np.flatnonzero(n_clips)),
                uar=float(recalls(n_hits, n_clips)),
                wa=float(n_hits.sum() / n_clips.sum()),
                uar_compared=float(uars[i]) if is_compared and i in compared else None,
            )
        )
    made: dict[str, Any] = {
        "corpus": corpus,
        "factor": factor,
        "groups": tuple(groups),
        "n_unknown": int((~is_known).sum()),
    }
    if not is_compared:
        return Breakdown(**made)
    lowest, highest = (int(compared[f(uars[compared])]) for f in (np.argmin, np.argmax))
    return Breakdown(
        **made,
        emotions=tuple(found.labels[j] for j in shared),
        lowest=order[lowest],
        highest=order[highest],
        gap=float(uars[highest] - uars[lowest]),
        interval=_gap_interval(
            hits[:, [lowest, highest]][..., shared],
            totals[:, [lowest, highest]][..., shared],
            n_pairs=len(compared) * (len(compared) - 1) // 2,
            seed=seed,
        ),
    )


def _gap_interval(
    hits: NDArray[np.float64], totals: NDArray[np.float64], n_pairs: int, seed: int
) -> Bounds | None:
    """Draw speakers anew: those of each group apart where nobody is in both, else together.

    Parameters
    ----------
    hits, totals
        Shape (n_speakers, 2, n_emotions).
    n_pairs
        From how many pairs of groups the two were chosen; Bonferroni's correction.
    """
    is_in = totals.sum(axis=2) > 0
    spoke = is_in.any(axis=1)
    hits, totals, is_in = hits[spoke], totals[spoke], is_in[spoke]
    # Speakers who are in one group only, in the other only, in both.
    strata = [tuple(row) for row in is_in.tolist()]
    if is_in.sum(axis=0).min() < 2:
        return None
    if len(set(strata)) > 1 and (True, True) in strata:
        strata = [(True, True)] * len(strata)
    draws = intervals.draw(strata, seed)
    low, high = (recalls(draws @ hits[:, group], draws @ totals[:, group]) for group in range(2))
    return intervals.interval(
        high - low,
        smallest=min(strata.count(stratum) for stratum in strata),
        freedom=len(strata) - len(set(strata)),
        level=1 - (1 - intervals.LEVEL) / n_pairs,
    )
