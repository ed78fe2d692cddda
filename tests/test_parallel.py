"""Work over many recordings: one that fails does not stop the others, and order is kept."""

import gc
import logging
import time
import weakref
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotionrecog.errors import AudioError
from emotionrecog.parallel import Results, over_recordings, read_ahead, reason, stream


def square_even(number: int) -> int:
    if number % 2:
        raise AudioError(f"{number} is odd")
    return number**2


@dataclass(frozen=True)
class Clip:
    path: Path


@settings(deadline=None, max_examples=20)
@given(numbers=st.lists(st.integers(0, 100), max_size=20), n_jobs=st.sampled_from([1, 3]))
def test_results_are_in_the_order_of_the_items(numbers: list[int], n_jobs: int) -> None:
    answers = list(stream(square_even, numbers, activity="squaring", n_jobs=n_jobs))
    assert [item for item, _ in answers] == numbers
    for item, answer in answers:
        if item % 2:
            assert isinstance(answer, AudioError)
            assert str(answer) == f"{item} is odd"
        else:
            assert answer == item**2


def test_items_are_read_as_they_are_needed() -> None:
    items = iter(range(20))
    results = read_ahead(square_even, items, n_ahead=3, n_together=2, n_jobs=2)
    assert next(results) == 0
    assert next(items) == 6
    answers = list(results)
    assert [answers[1], answers[3]] == [4, 16]
    assert isinstance(answers[0], AudioError)
    assert len(answers) == 18


def test_slow_items_keep_their_place() -> None:
    def wait(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    items = [0.05, 0.0, 0.02]
    assert [answer for _, answer in stream(wait, items, activity="waiting", n_jobs=3)] == items


def test_failed_recordings_are_left_out_with_the_reason(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    clips = [Clip(tmp_path / name) for name in ("a.wav", "b.wav", "c.wav")]
    clips[1].path.write_bytes(b"content")
    (clips[2].path).mkdir()
    results = over_recordings(
        lambda clip: len(clip.path.read_bytes()), clips, activity="reading", n_jobs=1
    )
    assert (results.items, results.values, len(results)) == ([clips[1]], [7], 1)
    assert results.failed == {
        clips[0].path: "No such file or directory",
        clips[2].path: "Is a directory",
    }
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings == [f"left out {path}: {why}" for path, why in results.failed.items()]


def test_other_errors_stop_the_work() -> None:
    with pytest.raises(ZeroDivisionError):
        over_recordings(lambda path: 1 / 0, [Path("a.wav")], activity="dividing", n_jobs=1)


def test_no_items_give_no_results() -> None:
    assert over_recordings(square_even, [], activity="squaring") == Results()


@pytest.mark.parametrize("backend", ["loky", "sequential"])
def test_backend_is_that_of_joblib(backend: str) -> None:
    with joblib.parallel_config(backend=backend, n_jobs=2):
        results = over_recordings(abs, [-1, 2], activity="counting", n_jobs=2)
    assert results.values == [1, 2]


def test_backend_without_generators_gives_the_same() -> None:
    """The backends of Dask and Ray are such."""
    with joblib.parallel_config(backend="multiprocessing", n_jobs=2):
        assert list(stream(abs, [-1, 2, -3], activity=None)) == [(-1, 1), (2, 2), (-3, 3)]


def test_errors_do_not_keep_samples_in_memory() -> None:
    references = []

    def fail(item: int) -> None:
        samples = np.zeros(1000)
        references.append(weakref.ref(samples))
        raise AudioError("silent")

    answers = list(stream(fail, [1, 2], activity=None, n_jobs=1))
    gc.collect()
    assert len(answers) == 2
    assert [reference() for reference in references] == [None, None]


def test_nothing_is_printed_without_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    over_recordings(square_even, [2, 4], activity="squaring")
    assert capfd.readouterr() == ("", "")


def test_reason_leaves_out_the_path() -> None:
    assert reason(FileNotFoundError(2, "No such file or directory", "clip.wav")) == (
        "No such file or directory"
    )
    assert reason(AudioError("silent")) == "silent"
