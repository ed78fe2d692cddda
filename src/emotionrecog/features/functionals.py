"""Summarise the frames of a recording in one vector of statistics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

__all__ = ["FUNCTIONALS", "functionals"]


def _percentile(share: int) -> Callable[[Array, float], Array]:
    def percentile(frames: Array, step: float) -> Array:
        return np.asarray(np.percentile(frames, share, axis=0))

    return percentile


def _slope(frames: Array, step: float) -> Array:
    times = step * (np.arange(len(frames)) - (len(frames) - 1) / 2)
    return np.asarray(times @ frames / max(float(times @ times), np.finfo(np.float64).tiny))


def _step_std(frames: Array, step: float) -> Array:
    if len(frames) < 2:
        return np.zeros_like(frames[0])
    return np.asarray(np.diff(frames, axis=0).std(axis=0))


FUNCTIONALS: Mapping[str, Callable[[Array, float], Array]] = MappingProxyType(
    {
        "mean": lambda frames, step: np.asarray(frames.mean(axis=0)),
        "std": lambda frames, step: np.asarray(frames.std(axis=0)),
        "min": lambda frames, step: np.asarray(frames.min(axis=0)),
        "max": lambda frames, step: np.asarray(frames.max(axis=0)),
        "range": lambda frames, step: np.asarray(np.ptp(frames, axis=0)),
        "percentile10": _percentile(10),
        "percentile25": _percentile(25),
        "percentile50": _percentile(50),
        "percentile75": _percentile(75),
        "percentile90": _percentile(90),
        "slope": _slope,
        "step_std": _step_std,
    }
)
"""Statistics by name; each takes frames, shape (n_frames, n_features), and the step in s.

``std`` is the standard deviation, ``range`` the largest value minus the smallest, ``slope`` the
slope of the least-squares line, per s, and ``step_std`` the standard deviation of the differences
between neighbouring frames.
"""


def functionals(frames: Array, names: Sequence[str], *, step: float) -> Array:
    """Summarise the frames of a recording by statistics over time.

    Parameters
    ----------
    frames
        Shape (n_frames, n_features), at least one frame.
    names
        Names in `FUNCTIONALS`.
    step
        Time from one frame to the next, in s.

    Returns
    -------
    ndarray of float32, shape (len(names) * n_features,)
        The first statistic of all features, then the second, and so on.

    Raises
    ------
    ValueError
        If there are no frames, or a name is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> functionals(np.array([[1.0], [3.0]], np.float32), ["mean", "range", "slope"], step=0.5)
    array([2., 2., 4.], dtype=float32)
    """
    unknown = [name for name in names if name not in FUNCTIONALS]
    if unknown or not names:
        raise ValueError(f"`names` must be some of {', '.join(FUNCTIONALS)}, got {list(names)!r}")
    if frames.ndim != 2 or len(frames) == 0:
        raise ValueError(
            f"`frames` must have the shape (n_frames, n_features), at least one frame, got "
            f"{frames.shape}"
        )
    rows = [FUNCTIONALS[name](frames, step) for name in names]
    return np.concatenate(rows).astype(np.float32)
