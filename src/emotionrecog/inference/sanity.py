"""Check that an explanation depends on the trained weights and names the parts that count.

`randomised` shuffles the weights of a network and `similarity` compares two maps: a map that stays
the same says nothing about the recogniser. `deletion` turns down the parts that contribute most and
observes whether the probability falls.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from emotionrecog.errors import require_share, require_whole
from emotionrecog.inference.attribution import MaskedRecording
from emotionrecog.inference.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from emotionrecog.audio import AudioSource
    from emotionrecog.inference.attribution import Explanation

    Array = NDArray[np.float64]

__all__ = ["Deletion", "Similarity", "deletion", "randomised", "similarity"]

# Structural similarity: cells on each side of its squares, its two constants, and the largest
# multiple of the root mean square that it distinguishes.
SQUARE = 5
STEADIERS = (0.01, 0.03)
WIDEST = 3.0

# The last layer of a randomised network is made smaller by a factor until no emotion of a noise has
# this probability, so many times at most.
UNSURE, SMALLER, ATTEMPTS = 0.9, 4, 16

# Operators of ONNX whose inputs are weights. Recurrent layers are loops as well.
_WITH_WEIGHTS = {"Conv", "MatMul", "Gemm", "GRU", "LSTM", "Loop", "Scan"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Similarity:
    """How similar two maps are.

    Parameters
    ----------
    rank_correlation
        Spearman's rank correlation over the cells: 1 if they are in the same order, 0 if the orders
        are unrelated; NaN if all cells of a map are equal.
    ssim
        Structural similarity, the mean over squares of 5 cells: 1 if the maps are equal except for
        a factor.

    Examples
    --------
    >>> Similarity(rank_correlation=0.5, ssim=0.25).ssim
    0.25
    """

    rank_correlation: float
    ssim: float


def similarity(one: Explanation, other: Explanation) -> Similarity:
    """Compare two maps of one recording.

    Parameters
    ----------
    one, other
        Explanations of one recording, with the same cells.

    Raises
    ------
    ValueError
        If the maps have different cells.

    References
    ----------
    Z. Wang et al.: "Image quality assessment: from error visibility to structural similarity",
    IEEE Transactions on Image Processing 13 (4), 2004.

    Examples
    --------
    >>> from emotionrecog import EmotionRecognizer
    >>> recognizer = EmotionRecognizer()
    >>> explanation = recognizer.explain("examples/clip.wav")
    >>> similarity(explanation, explanation)
    Similarity(rank_correlation=1.0, ssim=1.0)
    """
    from scipy.stats import rankdata

    a, b = one.contribution, other.contribution
    if a.shape != b.shape or not np.allclose(one.times, other.times):
        raise ValueError(
            f"expected two maps of one recording, with the same cells, got shapes {a.shape} and "
            f"{b.shape}"
        )
    correlation = math.nan
    if np.ptp(a) > 0 and np.ptp(b) > 0:
        ranks = [rankdata(values) for values in (a, b)]
        correlation = float(np.corrcoef(*ranks)[0, 1])
    return Similarity(rank_correlation=round(correlation, 12), ssim=round(_ssim(a, b), 12))


def _ssim(a: Array, b: Array) -> float:
    a, b = _grey(a), _grey(b)
    size = (min(SQUARE, a.shape[0]), min(SQUARE, a.shape[1]))
    squares = [
        np.lib.stride_tricks.sliding_window_view(v, size).reshape(-1, size[0] * size[1])
        for v in (a, b)
    ]
    means = [square.mean(axis=1) for square in squares]
    variances = [square.var(axis=1) for square in squares]
    covariance = (squares[0] * squares[1]).mean(axis=1) - means[0] * means[1]
    c1, c2 = (constant**2 for constant in STEADIERS)
    ssim = (2 * means[0] * means[1] + c1) * (2 * covariance + c2)
    ssim /= (means[0] ** 2 + means[1] ** 2 + c1) * (variances[0] + variances[1] + c2)
    return float(ssim.mean())


def _grey(values: Array) -> Array:
    """Scale a map to the range from 0 to 1, with 0.5 for cells that contribute nothing."""
    size = max(math.sqrt(np.square(values).mean()), np.finfo(np.float64).tiny)
    return np.clip(values / (2 * WIDEST * size) + 0.5, 0, 1)


def randomised(engine: Engine, *, only_heads: bool = False, seed: int = 0) -> Engine:
    """Return an engine whose network has its weights shuffled within each layer.

    The weights are as large as before and mean nothing. An explanation that comes out the same
    describes the recording, not the recogniser [1]_.

    Parameters
    ----------
    engine
        The engine of the recogniser, which is not changed.
    only_heads
        Whether to keep convolutions and shuffle all other layers; in a network without other
        layers or without convolutions, only the last layer is shuffled.
    seed
        Random seed.

    References
    ----------
    .. [1] J. Adebayo et al.: "Sanity checks for saliency maps", NeurIPS 2018.

    Examples
    --------
    >>> from emotionrecog import EmotionRecognizer
    >>> randomised(EmotionRecognizer().engine).artifact.name
    'english-8, randomised'
    """
    import onnx
    from onnx import numpy_helper

    network = onnx.load_model_from_string(engine.artifact.onnx)
    stored = {tensor.name: tensor for tensor in network.graph.initializer}
    layers = [
        (node.op_type, stored[name])
        for node in network.graph.node
        if node.op_type in _WITH_WEIGHTS
        for name in node.input
        if name in stored and sum(size > 1 for size in stored[name].dims) > 1
    ]
    if only_heads:
        heads = [layer for layer in layers if layer[0] != "Conv"]
        layers = heads if len(heads) < len(layers) else layers[-1:]
    rng = np.random.default_rng(seed)
    for _, tensor in layers:
        values = numpy_helper.to_array(tensor)
        shuffled = rng.permutation(values.ravel()).reshape(values.shape)
        tensor.CopyFrom(numpy_helper.from_array(shuffled, tensor.name))
    artifact = engine.artifact
    rate = artifact.features.sampling_rate
    noise = rng.normal(size=(artifact.window_frames - 1) * artifact.features.hop_length)
    outputs = [
        tensor for kind, tensor in layers if kind != "Conv" and len(artifact.labels) in tensor.dims
    ]
    for _ in range(ATTEMPTS):
        shuffled_engine = Engine(
            dataclasses.replace(
                artifact, name=f"{artifact.name}, randomised", onnx=network.SerializeToString()
            )
        )
        # Shuffled weights may make logits so large that an answer is certain for any input.
        if shuffled_engine.probabilities((noise, rate)).max() < UNSURE:
            break
        for tensor in outputs:
            values = numpy_helper.to_array(tensor) / np.float32(SMALLER)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return shuffled_engine


@dataclasses.dataclass(frozen=True, kw_only=True)
class Deletion:
    """An emotion's probability as more and more of a recording is turned down.

    Parameters
    ----------
    shares
        Shares of the cells that are turned down, from 0 to 1.
    by_map
        The probability if the cells with the largest contribution are turned down first.
    by_energy
        The probability if the loudest cells are turned down first.
    at_random
        The probability for a random order; the mean of several.

    Examples
    --------
    >>> curve = Deletion(
    ...     shares=(0.0, 0.5), by_map=(0.9, 0.1), by_energy=(0.9, 0.4), at_random=(0.9, 0.6)
    ... )
    >>> curve.by_map[1] < curve.at_random[1]
    True
    """

    shares: tuple[float, ...]
    by_map: tuple[float, ...]
    by_energy: tuple[float, ...]
    at_random: tuple[float, ...]


def deletion(
    engine: Engine,
    source: AudioSource,
    explanation: Explanation,
    *,
    shares: Sequence[float] = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5),
    n_random: int = 5,
    seed: int = 0,
) -> Deletion:
    """Check that an answer rests on the parts that its explanation names.

    Parameters
    ----------
    engine, source
        The engine and the recording that `explain` was called with.
    explanation
        Its result.
    shares
        Shares of the cells that are turned down together, from 0 to 1.
    n_random
        Number of random orders.
    seed
        Random seed of the orders.

    Raises
    ------
    ValueError
        If the explanation is of another recording, or of an emotion that the recogniser does not
        have; if a share is not from 0 to 1, or `n_random` is below 1.

    Examples
    --------
    >>> from emotionrecog import EmotionRecognizer
    >>> recognizer = EmotionRecognizer()
    >>> explanation = recognizer.explain("examples/clip.wav")
    >>> curve = deletion(recognizer.engine, "examples/clip.wav", explanation, shares=(0.0, 0.1))
    >>> curve.by_map[1] < curve.by_map[0]
    True
    """
    if not len(shares):
        raise ValueError("`shares` must be one or more, got none")
    for share in shares:
        require_share("shares", share)
    require_whole("n_random", n_random, 1)
    recording = MaskedRecording(engine, source)
    shape = explanation.contribution.shape
    if explanation.emotion not in engine.labels or not (
        shape == recording.energy.shape and np.allclose(explanation.times, recording.times)
    ):
        raise ValueError(
            "`explanation` must be of this recogniser and this recording, got one of "
            f"{explanation.emotion!r} with cells from {explanation.times[0]:.3f} to "
            f"{explanation.times[-1]:.3f} s"
        )
    number = engine.labels.index(explanation.emotion)

    def curve(order: NDArray[np.intp]) -> tuple[float, ...]:
        probabilities = []
        for share in shares:
            mask = np.zeros(order.size, dtype=bool)
            mask[order[: round(share * order.size)]] = True
            answer = recording.probabilities(mask.reshape(shape) if mask.any() else None)
            probabilities.append(float(answer[number]))
        return tuple(probabilities)

    rng = np.random.default_rng(seed)
    n_cells = recording.energy.size
    random_curves = [curve(rng.permutation(n_cells)) for _ in range(n_random)]
    return Deletion(
        shares=tuple(shares),
        by_map=curve(np.argsort(-explanation.contribution, axis=None)),
        by_energy=curve(np.argsort(-recording.energy, axis=None)),
        at_random=tuple(np.mean(random_curves, axis=0).tolist()),
    )
