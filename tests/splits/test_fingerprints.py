"""Test fingerprints: copies agree wherever they are cut, other recordings do not."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotionrecog.audio import Waveform
from emotionrecog.splits import fingerprints
from tests.splits.conftest import RATE, voice


@pytest.mark.slow
@settings(deadline=None)  # the first example imports SciPy
@given(
    seed=st.integers(100, 10_000),
    start=st.integers(0, RATE // 2),
    end=st.integers(0, RATE // 2),
    gain=st.floats(-20.0, 6.0),
)
def test_cut_copy_is_found(seed: int, start: int, end: int, gain: float) -> None:
    original = voice(seed, 2.0)
    part = (original[start : len(original) - end] * 10 ** (gain / 20)).astype(np.float32)
    one, two = (fingerprints.fingerprint(Waveform(x, RATE)) for x in (original, part))
    ((_, _, offset),) = fingerprints.candidates([one], [two])
    assert abs(offset - start / RATE * fingerprints.SAMPLING_RATE / fingerprints.HOP) <= 1
    assert one.similarity(two, offset) > 0.9
    assert one.similarity(two) == pytest.approx(two.similarity(one), abs=0.02)


def test_short_overlap_does_not_count() -> None:
    """Recordings of 2 s are copies if they share 1.5 s, but not if they share 0.6 s."""
    both = voice(1, 4.0)
    first = fingerprints.fingerprint(Waveform(both[: 2 * RATE], RATE))
    for begin, same in ((1.4, False), (0.5, True)):
        samples = both[int(begin * RATE) : int((begin + 2) * RATE)]
        similarity = first.similarity(fingerprints.fingerprint(Waveform(samples, RATE)))
        assert (similarity >= fingerprints.SAME) is same


@pytest.mark.parametrize("n_samples", [2, 100, 4000, 12000])
def test_short_recordings_can_be_compared(n_samples: int) -> None:
    short = fingerprints.fingerprint(Waveform(voice(2)[4000 : 4000 + n_samples].copy(), RATE))
    assert len(short.words) == len(short.is_loud) == len(short.uncertain)
    assert short.similarity(short) == pytest.approx(1.0 if n_samples == 12000 else 0.0)


def test_frequent_words_are_not_looked_up() -> None:
    """Ten thousand recordings of a steady tone must not be compared pairwise."""
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32)
    steady = fingerprints.fingerprint(Waveform(tone, RATE))
    tracemalloc.start()
    list(fingerprints.candidates([steady] * 10_000, [steady]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6
