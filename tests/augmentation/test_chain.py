"""Test chains of transforms of this package and of others."""

import random
from typing import Any

import numpy as np
import pytest

from emotionrecog.augmentation import (
    Chain,
    Clip,
    Gain,
)
from emotionrecog.errors import AudioError
from tests.augmentation.conftest import (
    RATE,
    noise,
    rng,
)


def test_chain_applies_transforms_in_order_with_their_probabilities() -> None:
    sample = np.ones(1, dtype=np.float32)
    chain = Chain((Gain(gain_db=20), lambda y, rate: y + 1, Clip(below_peak_db=6)))
    assert chain(sample, RATE, rng())[0] == pytest.approx(11 * 10**-0.3, rel=1e-6)
    rare = Chain((Gain(gain_db=20), lambda y, rate: y + 1), probability=(0.25, 0.75))
    generator = rng()
    results = np.array([rare(sample, RATE, generator)[0] for _ in range(2000)])
    expected = {1: 0.75 * 0.25, 2: 0.75 * 0.75, 10: 0.25 * 0.25, 11: 0.25 * 0.75}
    for value, share in expected.items():
        assert np.isclose(results, value).mean() == pytest.approx(share, abs=0.03)
    assert Chain((Gain(gain_db=20),), probability=0)(sample, RATE, rng())[0] == 1.0
    assert Chain((Chain((chain, chain)), Gain(gain_db=-20)))(sample, RATE, rng())[
        0
    ] == pytest.approx((10 * 11 * 10**-0.3 + 1) * 10**-0.3 / 10, rel=1e-6)


class Foreign:
    """A transform like those of audiomentations, which draws from both global generators."""

    def __call__(self, samples: np.ndarray, sample_rate: int) -> np.ndarray:
        assert sample_rate == RATE
        samples *= np.random.uniform(0.5, 1.0)  # in place
        return samples + random.gauss(0.0, 0.1)


def test_foreign_transforms_are_seeded_and_global_state_is_restored() -> None:
    samples = noise(100)
    original = samples.copy()
    chain = Chain((Foreign(), Gain()))
    random.seed(1)
    np.random.seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
    results = [chain(samples, RATE, rng(seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(results[0], results[1])
    assert not np.allclose(results[0], results[2])
    np.testing.assert_array_equal(samples, original)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # type: ignore[index]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (np.zeros((1, 5)), "shape \\(1, 5\\)"),
        (np.zeros(0), "shape \\(0,\\)"),
        (np.zeros(5, dtype=np.int16), "int16"),
        (np.full(5, np.nan), "NaN"),
        (None, "object"),
    ],
)
def test_invalid_result_of_a_foreign_transform_raises(returned: Any, message: str) -> None:
    def odd(samples: np.ndarray, sampling_rate: int) -> Any:
        return returned

    with pytest.raises(AudioError, match=f"the transform <function .*odd.*{message}"):
        Chain((odd,))(noise(5), RATE, rng())
