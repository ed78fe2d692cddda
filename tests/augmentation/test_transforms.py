"""The contract of all transforms: lengths, types, seeds and errors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotionrecog.augmentation import (
    AddNoise,
    BandLimit,
    Chain,
    Clip,
    Codec,
    Gain,
    PitchShift,
    RoomImpulse,
    Shift,
    TimeStretch,
    Transform,
)
from emotionrecog.errors import AudioError
from tests.augmentation.conftest import (
    CODECS,
    QUICK,
    RATE,
    noise,
    rng,
    vowel,
)


def check(transform: Transform, samples: np.ndarray, rate: int, seed: int) -> np.ndarray:
    original = samples.copy()
    samples.flags.writeable = False
    result = transform(samples, rate, rng(seed))
    assert result.dtype == np.float32
    assert result.ndim == 1
    assert np.isfinite(result).all()
    assert not np.shares_memory(result, samples)
    np.testing.assert_array_equal(samples, original)
    np.testing.assert_array_equal(result, transform(samples, rate, rng(seed)))
    if not isinstance(transform, TimeStretch):
        assert len(result) == len(samples)
    return result


@settings(max_examples=120, deadline=None)
@given(
    transform=st.sampled_from(QUICK),
    n_samples=st.integers(1, 4000),
    rate=st.sampled_from([8000, 11_025, 16_000, 22_050, 44_100, 48_000]),
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_any_length_and_sampling_rate(
    transform: Transform, n_samples: int, rate: int, seed: int, dtype: type
) -> None:
    check(transform, noise(n_samples, seed).astype(dtype), rate, seed)


@settings(max_examples=30, deadline=None)
@given(
    transform=st.sampled_from(CODECS),
    n_samples=st.integers(1, 3000),
    rate=st.sampled_from([6000, 8000, 16_000, 22_050, 44_100, 96_000]),
    seed=st.integers(0, 2**32 - 1),
)
def test_codecs_at_any_length_and_sampling_rate(
    transform: Transform, n_samples: int, rate: int, seed: int
) -> None:
    check(transform, noise(n_samples, seed), rate, seed)


@settings(max_examples=60, deadline=None)
@given(n_samples=st.integers(1, 5000), rate=st.floats(0.5, 2.0), seed=st.integers(0, 99))
def test_stretching_divides_the_length_by_the_rate(n_samples: int, rate: float, seed: int) -> None:
    result = TimeStretch(rate=rate)(noise(n_samples, seed), RATE, rng())
    assert len(result) == max(1, round(n_samples / rate))


@pytest.mark.parametrize("transform", [*QUICK, *CODECS], ids=str)
@pytest.mark.parametrize("value", [0.0, 0.5])
def test_silence_stays_silent_and_a_constant_finite(transform: Transform, value: float) -> None:
    result = check(transform, np.full(3000, value, dtype=np.float32), RATE, 1)
    if value == 0:
        assert np.abs(result).max() < 1e-3


@pytest.mark.parametrize("transform", [*QUICK, *CODECS], ids=str)
def test_seed_matters_only_for_random_transforms(transform: Transform) -> None:
    samples = vowel(150, 0.5)
    one, two = (transform(samples, RATE, rng(seed)) for seed in (1, 2))
    fixed = (TimeStretch(rate=1), BandLimit.telephone(), Codec(codec="mp3", bitrate=320))
    drawn = transform not in fixed and not (
        isinstance(transform, Codec) and transform.codec in ("mu-law", "a-law", "gsm")
    )
    assert np.array_equal(one, two) != drawn


@pytest.mark.parametrize("transform", [*QUICK, CODECS[0]], ids=str)
@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 100), dtype=np.float32), "shape \\(2, 100\\)"),
        (np.zeros(0, dtype=np.float32), "shape \\(0,\\)"),
        (np.zeros(100, dtype=np.int16), "int16"),
        (np.full(100, np.nan, dtype=np.float32), "NaN"),
        (np.full(100, np.inf, dtype=np.float32), "infinite"),
    ],
)
def test_invalid_samples_raise(transform: Transform, samples: np.ndarray, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        transform(samples, RATE, rng())


@pytest.mark.parametrize("rate", [0, -16_000, 16_000.0, True, "16000"])
def test_invalid_sampling_rate_raises(rate: Any) -> None:
    with pytest.raises(ValueError, match="`sampling_rate` must be"):
        Gain()(noise(10), rate, rng())


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: TimeStretch(rate=0), "rate"),
        (lambda: TimeStretch(rate=(1.1, 0.9)), "rate"),
        (lambda: TimeStretch(rate=float("nan")), "rate"),
        (lambda: TimeStretch(rate=(0.9, 1.0, 1.1)), "rate"),  # type: ignore[arg-type]
        (lambda: TimeStretch(rate="fast"), "rate"),  # type: ignore[arg-type]
        (lambda: PitchShift(semitones=13), "semitones"),
        (lambda: AddNoise(snr_db=True), "snr_db"),
        (lambda: AddNoise(noises=()), "noises"),
        (lambda: AddNoise(noises=("blue",)), "noises"),
        (lambda: AddNoise(noises="white"), "noises"),  # type: ignore[arg-type]
        (lambda: Gain(gain_db=(0.0, float("inf"))), "gain_db"),
        (lambda: Shift(seconds=None), "seconds"),  # type: ignore[arg-type]
        (lambda: RoomImpulse(rt60=0), "rt60"),
        (lambda: RoomImpulse(direct_to_reverberant_db=99), "direct_to_reverberant_db"),
        (lambda: RoomImpulse(impulses=("hall.wav",)), "impulses"),  # type: ignore[arg-type]
        (lambda: Clip(), "below_peak_db"),
        (lambda: Clip(below_peak_db=3, share=0.1), "share"),
        (lambda: Clip(below_peak_db=-3), "below_peak_db"),
        (lambda: Clip(share=1), "share"),
        (lambda: BandLimit(), "lowest"),
        (lambda: BandLimit(lowest=0), "lowest"),
        (lambda: BandLimit(highest=-1), "highest"),
        (lambda: BandLimit(lowest=(100, 900), highest=(800, 4000)), "lowest"),
        (lambda: Codec(codec="aac"), "codec"),  # type: ignore[arg-type]
        (lambda: Codec(codec="mp3", bitrate=8), "bitrate"),
        (lambda: Codec(codec="gsm", bitrate=13), "bitrate"),
        (lambda: Codec(codec="opus", compression=0.5), "compression"),
        (lambda: Codec(codec="vorbis", compression=2), "compression"),
        (lambda: Chain(()), "transforms"),
        (lambda: Chain((Gain,)), "transforms"),  # the class itself
        (lambda: Chain((3,)), "transforms"),  # type: ignore[arg-type]
        (lambda: Chain((Gain(),), probability=1.5), "probability"),
        (lambda: Chain((Gain(),), probability=(0.5, 0.5)), "probability"),
    ],
)
def test_invalid_parameter_is_named(make: Callable[[], object], name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}`"):
        make()


def test_draws_are_uniform_within_the_range() -> None:
    one = np.ones(1, dtype=np.float32)
    generator = rng()
    drawn = [20 * np.log10(Gain(gain_db=(-10, 6))(one, RATE, generator)[0]) for _ in range(2000)]
    assert -10 <= min(drawn) < -9.9
    assert 5.9 < max(drawn) <= 6.0001
    assert np.mean(drawn) == pytest.approx(-2.0, abs=0.4)
