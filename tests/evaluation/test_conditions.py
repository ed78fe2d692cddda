"""Degradations of recordings, and the pass marks of the default ones."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotionrecog.audio import Waveform
from emotionrecog.augmentation import Gain
from emotionrecog.evaluation.conditions import CONDITIONS, AddSilence, Condition, Crop
from tests.evaluation.test_stress import RATE, swell


def test_conditions_have_the_documented_pass_marks() -> None:
    marks = {condition.name: condition.mark for condition in CONDITIONS}
    assert len(marks) == len(CONDITIONS)
    for name in ("louder, 6 dB", "quieter, 6 dB"):
        assert marks[name] == 0.95
    for name, mark in marks.items():
        assert mark == 0.95 or not name.startswith("silence")
    for name in ("white noise, 20 dB SNR", "pink noise, 20 dB SNR", "Opus, 16 kbit/s"):
        assert marks[name] == 0.80
    rates = {condition.sampling_rate for condition in CONDITIONS} - {None}
    assert rates == {8_000, 22_050, 44_100, 48_000}


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_conditions_change_recordings_reproducibly(condition: Condition) -> None:
    clip = Waveform(swell(300, seconds=1.0), RATE)
    changed = condition.apply(clip, np.random.default_rng(0))
    again = condition.apply(clip, np.random.default_rng(0))
    assert changed.samples.tobytes() == again.samples.tobytes()
    assert np.isfinite(changed.samples).all()
    assert changed.sampling_rate == (condition.sampling_rate or RATE)
    same_length = len(changed.samples) == len(clip.samples)
    assert not (same_length and np.array_equal(changed.samples, clip.samples))
    kept = {"silence": 1.0, "cropped": 1.0, "faster": 1.25, "slower": 1.25}
    if condition.family.split()[0] not in kept:
        assert changed.duration == pytest.approx(1.0, abs=1e-3)
    assert np.array_equal(clip.samples, swell(300, seconds=1.0))


def test_silence_is_added_before_and_after() -> None:
    changed = AddSilence(before=0.25, after=0.5)(np.ones(8), 8, np.random.default_rng(0))
    assert changed.tolist() == [0, 0, *[1] * 8, 0, 0, 0, 0]
    assert changed.dtype == np.float32


@given(st.floats(0.01, 1.0), st.integers(1, 200), st.integers(0, 9))
def test_crop_is_a_part_of_the_recording(keep: float, n_samples: int, seed: int) -> None:
    ramp = np.arange(n_samples, dtype=np.float32)
    piece = Crop(keep=keep)(ramp, RATE, np.random.default_rng(seed))
    assert len(piece) == max(1, round(keep * n_samples))
    assert np.array_equal(piece, ramp[int(piece[0]) :][: len(piece)])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AddSilence(before=-1), "`before` must be a number of at least 0 s"),
        (lambda: AddSilence(after=float("nan")), "`after` must be a number of at least 0 s"),
        (lambda: Crop(keep=0), "`keep` must be a number above 0"),
        (lambda: Crop(keep=1.5), "`keep` must be a number above 0"),
        (lambda: Condition("a", "b"), "must have a `change` or a `sampling_rate`"),
        (lambda: Condition("a", "b", Gain(), mark=95), "`mark` must be a number from 0 to 1"),
    ],
)
def test_invalid_fields_are_an_error(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
