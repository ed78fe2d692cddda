"""Published results of other systems, and whether they can be compared."""

from __future__ import annotations

import dataclasses
import functools
import json
from importlib import resources

from emotionrecog.splits import protocols

__all__ = ["Published", "published"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
    """A published result of another system.

    Parameters
    ----------
    protocol
        Name of the protocol of the result, or of the one closest to it.
    corpus
        Name of the corpus tested.
    system
        Name of the system.
    uar, wa
        Unweighted average recall and accuracy, from 0 to 1; None if not reported.
    uar_to
        If `uar` is the lowest of several results, the highest.
    n_emotions
        Number of emotions.
    same_protocol
        Whether folds and task are those of the protocol, so that results can be compared.
    speaker_disjoint
        Whether no speaker was in both training and test; None if there was no training.
    source
        Publication.
    note
        Further remarks.

    Examples
    --------
    >>> published("ravdess/emobox6")[0].same_protocol
    True
    """

    protocol: str
    corpus: str
    system: str
    uar: float | None = None
    wa: float | None = None
    uar_to: float | None = None
    n_emotions: int
    same_protocol: bool
    speaker_disjoint: bool | None
    source: str
    note: str = ""


@functools.cache
def _all_published() -> tuple[Published, ...]:
    text = resources.files("emotionrecog").joinpath("data/published.json").read_text("utf-8")
    return tuple(Published(**row) for row in json.loads(text))


def published(protocol: str | None = None) -> tuple[Published, ...]:
    """Return published results: comparable ones first, and of these the best first.

    Parameters
    ----------
    protocol
        Only results that are shown beside this protocol.

    Raises
    ------
    ValueError
        If there is no protocol of that name.

    Examples
    --------
    >>> from emotionrecog import benchmark
    >>> best = benchmark.published("ravdess/emobox6")[0]
    >>> best.system, best.uar, best.speaker_disjoint
    ('Whisper large v3, frozen, and a head', 0.753, True)
    """
    if protocol is not None:
        protocols.get(protocol)
    rows = [row for row in _all_published() if protocol in (None, row.protocol)]
    return tuple(sorted(rows, key=lambda row: (not row.same_protocol, -_uar_or_wa(row))))


def _uar_or_wa(row: Published) -> float:
    return row.uar if row.uar is not None else row.wa or 0.0
