"""What networks shall answer, and how much each clip or emotion counts: plain NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["balanced_weights", "class_weights", "loss_targets", "soft_targets", "voted_targets"]


def class_weights(emotions: ArrayLike, n_emotions: int) -> NDArray[np.float64]:
    """Weigh each emotion inversely to its number of clips.

    Parameters
    ----------
    emotions
        Index of each clip's emotion, shape (n_clips,).
    n_emotions
        How many there are.

    Returns
    -------
    ndarray of float64, shape (n_emotions,)
        ``n_clips / (n_occurring * n_clips_of_it)``, where n_occurring is the number of emotions
        that occur: what scikit-learn calls ``"balanced"``. All clips together weigh as much as
        without. An emotion that no clip has weighs 1.

    Examples
    --------
    >>> class_weights([0, 0, 0, 1], 2)
    array([0.66666667, 2.        ])
    """
    counts = np.bincount(np.asarray(emotions, dtype=np.intp), minlength=n_emotions)
    occurring = counts > 0
    weights = np.ones(n_emotions)
    weights[occurring] = counts.sum() / (occurring.sum() * counts[occurring])
    return weights


def balanced_weights(
    groups: ArrayLike, emotions: ArrayLike, present: ArrayLike
) -> NDArray[np.float64]:
    """Weigh each clip: the root of its corpus' size, shared equally by that corpus' emotions.

    Parameters
    ----------
    groups, emotions
        Index of each clip's corpus and of its emotion, shape (n_clips,).
    present
        1 where a corpus has an emotion, shape (n_groups, n_emotions).

    Returns
    -------
    ndarray of float64, shape (n_clips,)
        How often to draw each clip, or how much to count it, relative to the others.

    Examples
    --------
    Of four clips of one corpus, three are of one emotion:

    >>> balanced_weights([0, 0, 0, 0], [0, 0, 0, 1], [[1, 1]]).round(3)
    array([0.333, 0.333, 0.333, 1.   ])
    """
    groups, emotions = np.asarray(groups), np.asarray(emotions)
    present = np.asarray(present)
    counts = np.zeros(present.shape)
    np.add.at(counts, (groups, emotions), 1)
    share = np.sqrt(counts.sum(axis=1, keepdims=True)) / present.sum(axis=1, keepdims=True)
    weights: NDArray[np.float64] = (share / np.maximum(counts, 1))[groups, emotions]
    return weights


def voted_targets(
    votes: Sequence[Sequence[int] | None], labels: Sequence[str]
) -> NDArray[np.float32]:
    """Turn listeners' votes into distributions.

    Parameters
    ----------
    votes
        Of each clip, `emotionrecog.datasets.Utterance.votes`: how many listeners chose each of
        `emotionrecog.datasets.EMOTIONS`, or None where nobody was asked.
    labels
        The emotions that are told apart, some of these; votes for others do not count.

    Returns
    -------
    ndarray of float32, shape (n_clips, n_labels)
        The share of each emotion in the votes; zeros where there are none.

    Examples
    --------
    >>> voted_targets([(3, 0, 1, 0, 0, 0, 0, 0), None], ("neutral", "happy"))
    array([[0.75, 0.25],
           [0.  , 0.  ]], dtype=float32)
    """
    from emotionrecog.datasets import EMOTIONS

    columns = [EMOTIONS.index(label) for label in labels]
    nobody = (0,) * len(EMOTIONS)
    rows = [nobody if given is None else tuple(given) for given in votes]
    counts = np.array(rows, dtype=np.float64).reshape(-1, len(EMOTIONS))[:, columns]
    shares: NDArray[np.float64] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    return shares.astype(np.float32)


def soft_targets(acted: ArrayLike, voted: ArrayLike, share: float) -> NDArray[np.float32]:
    """Mix what was acted with what listeners heard.

    Parameters
    ----------
    acted, voted
        Distributions, shape (n_clips, n_emotions): ones for what was acted, and `voted_targets`.
    share
        Of `voted`, from 0 to 1. Clips that nobody voted on keep what was acted.

    Returns
    -------
    ndarray of float32, shape (n_clips, n_emotions)

    Raises
    ------
    ValueError
        If `share` is out of its bounds.

    Examples
    --------
    >>> soft_targets([[1, 0], [1, 0]], [[0.5, 0.5], [0, 0]], share=0.5)
    array([[0.75, 0.25],
           [1.  , 0.  ]], dtype=float32)
    """
    if not 0 <= share <= 1:
        raise ValueError(f"`share` must be from 0 to 1, got {share!r}")
    acted, voted = np.asarray(acted, dtype=np.float64), np.asarray(voted, dtype=np.float64)
    heard = voted.sum(axis=1, keepdims=True) > 0
    mixed: NDArray[np.float64] = np.where(heard, (1 - share) * acted + share * voted, acted)
    return mixed.astype(np.float32)


def loss_targets(
    targets: ArrayLike,
    present: ArrayLike,
    *,
    smoothing: float = 0.0,
    absent_weight: float = 0.0,
) -> NDArray[np.float32]:
    """Put distributions beside the weights of emotions, as the losses of this package take them.

    Parameters
    ----------
    targets
        What each clip shall be answered with, shape (n_clips, n_emotions).
    present
        1 where a clip's corpus has an emotion, otherwise 0; of the same shape.
    smoothing
        Share of each distribution that is spread over the emotions of the clip's corpus.
    absent_weight
        Weight in the softmax of the emotions that it lacks.

    Returns
    -------
    ndarray of float32, shape (n_clips, 2 * n_emotions)

    Raises
    ------
    ValueError
        If the shapes differ, a number is not from 0 to 1, or `absent_weight` is 0 and a target
        asks for an emotion that the clip's corpus lacks.

    Examples
    --------
    >>> loss_targets([[1, 0, 0]], [[1, 1, 0]], smoothing=0.1)
    array([[0.95, 0.05, 0.  , 1.  , 1.  , 0.  ]], dtype=float32)
    """
    targets = np.asarray(targets, dtype=np.float32)
    present = np.asarray(present, dtype=np.float32)
    if targets.ndim != 2 or targets.shape != present.shape:
        raise ValueError(
            "`targets` and `present` must be of one shape (n_clips, n_emotions), got "
            f"{targets.shape} and {present.shape}"
        )
    for name, value in (("smoothing", smoothing), ("absent_weight", absent_weight)):
        if not 0 <= value <= 1:
            raise ValueError(f"`{name}` must be from 0 to 1, got {value!r}")
    stray = np.flatnonzero((targets * (present == 0)).any(axis=1))
    if absent_weight == 0 and len(stray):
        raise ValueError(
            f"`targets` ask for emotions that a clip's corpus lacks, first in row {stray[0]}, and "
            "a weight of 0 forbids that; raise `absent_weight` or leave them out of `targets`"
        )
    spread = present / present.sum(axis=1, keepdims=True)
    smooth = targets + smoothing * (spread - targets)
    weight = np.where(present > 0, 1.0, absent_weight)
    return np.concatenate([smooth, weight], axis=1, dtype=np.float32)
