"""Confidence intervals of metrics, by drawing speakers with replacement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy  # which loads scipy.special when it is first used: that takes 0.2 s

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["LEVEL", "draw", "interval"]

LEVEL = 0.95
"""Confidence level of the intervals."""

# Number of draws. With few speakers or many comparisons, the bounds of an interval are only a few
# draws from the ends.
N_DRAWS = 10_000


def draw(strata: Sequence[Hashable], seed: int) -> Array:
    """Draw speakers with replacement, as many as there are.

    Clips of one speaker are alike, so that drawing clips would give intervals that are too narrow.

    Parameters
    ----------
    strata
        Stratum of each speaker, such as the corpus; each draw has as many speakers of each stratum
        as there are.
    seed
        Random seed.

    Returns
    -------
    ndarray of float64, shape (10,000, n_speakers)
        How often each speaker was drawn.

    Examples
    --------
    >>> counts = draw(["one", "one", "other"], seed=0)
    >>> float(counts[:, :2].sum(axis=1).min()), float(counts[:, 2].min())
    (2.0, 1.0)
    """
    rng = np.random.default_rng(seed)
    counts = np.zeros((N_DRAWS, len(strata)))
    for stratum in dict.fromkeys(strata):
        members = [i for i, other in enumerate(strata) if other == stratum]
        shares = np.full(len(members), 1 / len(members))
        counts[:, members] = rng.multinomial(len(members), shares, size=N_DRAWS)
    return counts


def interval(
    values: Array, *, smallest: int, freedom: int, level: float = LEVEL
) -> tuple[float, float] | None:
    """Return the confidence interval of a metric, from its values over the draws.

    Its bounds are percentiles that are expanded as Student's t is wider than the normal
    distribution, because draws of few speakers vary less than the speakers do.

    Parameters
    ----------
    values : ndarray of float64, shape (n_draws,)
        The metric of each draw; NaN if a draw has none.
    smallest
        Number of speakers of the smallest stratum.
    freedom
        Number of speakers minus number of strata.
    level
        Confidence level, above 0 and below 1.

    Returns
    -------
    tuple of float, or None
        Lower and upper bound; None if a stratum has a single speaker, since draws then say nothing.

    References
    ----------
    T. Hesterberg: "What teachers should know about the bootstrap", The American Statistician 69(4),
    2015: the expanded percentile interval.

    Examples
    --------
    >>> import numpy as np
    >>> scores = np.array([0.5, 0.6, 0.7, 0.9])  # of four speakers
    >>> means = draw([0, 0, 0, 0], seed=0) @ scores / 4
    >>> [round(bound, 2) for bound in interval(means, smallest=4, freedom=3)]
    [0.5, 0.9]
    """
    values = values[np.isfinite(values)]
    if smallest < 2 or freedom < 1 or not len(values):
        return None
    further = np.sqrt(smallest / (smallest - 1))
    tail = scipy.special.ndtr(further * scipy.special.stdtrit(freedom, (1 - level) / 2))
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
