"""Random generators by name, and the checks that all transforms share."""

from typing import Any

import numpy as np
import pytest

from emotionrecog.augmentation import generator_for
from emotionrecog.augmentation.samples import draw, fit_samples, require_range, resample


def test_generator_depends_on_names_and_seeds_alone() -> None:
    # Another result here would change the copies that earlier versions wrote.
    assert generator_for("mine", "r1", seed=(3, 1)).integers(10**6, size=3).tolist() == [
        650645,
        876875,
        63947,
    ]
    assert generator_for("mine", "r1", seed=0).random() == generator_for("mine/r1", seed=0).random()
    draws = {
        generator_for(*names, seed=seed).random()
        for names in (("mine", "r1"), ("mine", "r2"), ("yours", "r1"))
        for seed in (0, 1, (0, 1), (1, 0))
    }
    assert len(draws) == 12


def test_fixed_number_uses_no_randomness() -> None:
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    assert draw(2, rng) == 2.0
    assert rng.bit_generator.state == before
    assert 1.0 <= draw((1.0, 3.0), rng) < 3.0
    assert rng.bit_generator.state != before


@pytest.mark.parametrize("value", [0.5, 2, np.float32(1), (0.5, 2), (1, 1)])
def test_range_within_bounds(value: Any) -> None:
    require_range("rate", value, 0.5, 2)


@pytest.mark.parametrize("value", [0.4, (0.4, 1), (1, 2.1), (2, 1), (1,), (), True, "1", None])
def test_range_out_of_bounds_is_reported_completely(value: Any) -> None:
    with pytest.raises(ValueError, match=r"`rate` must be a number from 0\.5 to 2, or a pair") as e:
        require_range("rate", value, 0.5, 2)
    assert str(e.value).endswith(f"got {value!r}")


def test_length_is_cut_or_padded() -> None:
    samples = np.array([1.0, 2.0], dtype=np.float32)
    assert fit_samples(samples, 1).tolist() == [1.0]
    assert fit_samples(samples, 3).tolist() == [1.0, 2.0, 0.0]


def test_equal_rates_do_not_change_samples() -> None:
    samples = np.ones(10, dtype=np.float32)
    assert resample(samples, 8000, 8000) is samples
