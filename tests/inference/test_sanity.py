"""Sanity checks: shuffled networks have other maps, and answers rest on what maps name."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from emotionrecog.audio import Waveform
from emotionrecog.inference import Engine
from emotionrecog.inference.attribution import Explanation, explain
from emotionrecog.inference.sanity import deletion, randomised, similarity
from emotionrecog.recognizer import EmotionRecognizer
from tests.conftest import CLIP
from tests.inference.conftest import RATE


@pytest.mark.parametrize("only_heads", [False, True])
def test_randomised_network_gives_another_map(
    recognizer: EmotionRecognizer, clip: Waveform, explanation: Explanation, only_heads: bool
) -> None:
    shuffled = randomised(recognizer.engine, only_heads=only_heads)
    score = similarity(explanation, explain(shuffled, clip, explanation.emotion))
    assert abs(score.rank_correlation) < 0.5
    assert score.ssim < 0.5


@pytest.mark.parametrize("only_heads", [False, True])
def test_randomised_network_forgets_all_heads(
    recognizer: EmotionRecognizer, only_heads: bool
) -> None:
    onnx = pytest.importorskip("onnx")
    from onnx import numpy_helper

    def kernels(of: Engine) -> dict[str, tuple[str, np.ndarray]]:
        network = onnx.load_model_from_string(of.artifact.onnx)
        stored = {t.name: numpy_helper.to_array(t) for t in network.graph.initializer}
        return {
            name: (node.op_type, stored[name])
            for node in network.graph.node
            if node.op_type in ("Conv", "Gemm", "MatMul", "GRU")
            for name in node.input
            if name in stored and sum(size > 1 for size in stored[name].shape) > 1
        }

    engine = recognizer.engine
    before, after = kernels(engine), kernels(randomised(engine, only_heads=only_heads))
    assert {kind for kind, _ in before.values()} >= {"Conv", "MatMul", "GRU"}
    for name, (kind, values) in before.items():
        stayed = np.array_equal(values, after[name][1])
        assert stayed == (only_heads and kind == "Conv"), (name, kind)


def test_sanity_check_can_fail(explanation: Explanation) -> None:
    """A map of the same network with a little noise is recognised as the same."""
    score = similarity(explanation, perturbed(explanation, 0.05))
    assert score.rank_correlation > 0.8
    assert score.ssim > 0.8
    assert similarity(explanation, explanation).ssim == 1.0
    opposite = similarity(explanation, perturbed(explanation, 0.0, -1.0))
    assert opposite.rank_correlation == -1.0
    assert opposite.ssim < 0


def perturbed(explanation: Explanation, share: float, factor: float = 1.0) -> Explanation:
    values = explanation.contribution
    noise = np.random.default_rng(0).normal(size=values.shape) * values.std()
    fields = {name: getattr(explanation, name) for name in explanation.__dataclass_fields__}
    return Explanation(**{**fields, "contribution": factor * values + share * noise})


def test_rank_correlation_is_spearmans(explanation: Explanation) -> None:
    other = perturbed(explanation, 1.0)
    expected = spearmanr(explanation.contribution.ravel(), other.contribution.ravel()).statistic
    assert similarity(explanation, other).rank_correlation == pytest.approx(expected)


def test_constant_map_has_no_order(explanation: Explanation) -> None:
    assert math.isnan(similarity(explanation, perturbed(explanation, 0.0, 0.0)).rank_correlation)


def test_randomised_recogniser_is_another_one(recognizer: EmotionRecognizer) -> None:
    before = recognizer.probabilities(CLIP)
    one, same, other = (randomised(recognizer.engine, seed=seed) for seed in (0, 0, 1))
    assert not np.allclose(one.probabilities(CLIP), before, atol=0.01)
    np.testing.assert_array_equal(one.probabilities(CLIP), same.probabilities(CLIP))
    assert not np.allclose(one.probabilities(CLIP), other.probabilities(CLIP), atol=0.001)
    np.testing.assert_array_equal(recognizer.probabilities(CLIP), before)


def test_answer_rests_on_what_the_map_names(
    recognizer: EmotionRecognizer, clip: Waveform, explanation: Explanation
) -> None:
    gone = deletion(recognizer.engine, clip, explanation, n_random=3)
    before = explanation.probabilities[explanation.emotion]
    assert gone.by_map[0] == gone.by_energy[0] == pytest.approx(before)
    assert np.mean(gone.by_map) < np.mean(gone.at_random) - 0.05
    backwards = deletion(recognizer.engine, clip, perturbed(explanation, 0.0, -1.0), n_random=1)
    assert np.mean(backwards.by_map) > np.mean(gone.by_map) + 0.05


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shares": ()}, "`shares` must be one or more"),
        ({"shares": (0.5, 1.5)}, "`shares` must be a number from 0 to 1, got 1.5"),
        ({"n_random": 0}, "`n_random` must be a whole number of at least 1, got 0"),
    ],
)
def test_wrong_shares_are_errors(
    recognizer: EmotionRecognizer,
    clip: Waveform,
    explanation: Explanation,
    arguments: dict[str, object],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        deletion(recognizer.engine, clip, explanation, **arguments)  # type: ignore[arg-type]


def test_maps_of_different_recordings_are_not_compared(
    recognizer: EmotionRecognizer, clip: Waveform, explanation: Explanation
) -> None:
    other = Waveform(clip.samples[:RATE], RATE)
    with pytest.raises(ValueError, match="two maps of one recording"):
        similarity(explanation, recognizer.explain(other))
    with pytest.raises(ValueError, match="must be of this recogniser and this recording"):
        deletion(recognizer.engine, other, explanation)
