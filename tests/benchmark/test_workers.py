"""Tasks in worker processes: their threads, messages and failures."""

import importlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest

from emotionrecog.benchmark import workers
from emotionrecog.errors import EmotionRecogError

# What processes do that import nothing else; for each, they read this file.
WORKERS = """
import json, logging, os, signal, time
from pathlib import Path
from emotionrecog.errors import DatasetError

NAMES = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")

def work(task):
    what, _, rest = task.partition(" ")
    if what == "write":
        logging.getLogger("emotionrecog").warning("wrote")
        limits = {name: os.environ[name] for name in NAMES}
        Path(rest).write_text(json.dumps(limits), encoding="utf-8")
    elif what == "fail":
        raise DatasetError("there is nothing\\nto learn from")
    elif what == "crash":
        os.system("echo printed before")
        1 / 0
    elif what == "die":
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGKILL)
    else:
        time.sleep(60)
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    (tmp_path / "benchmark_workers.py").write_text(WORKERS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "benchmark_workers", raising=False)
    function: Callable[[str], None] = importlib.import_module("benchmark_workers").work
    return function


@pytest.mark.slow
def test_tasks_run_in_processes_with_limited_threads(
    work: Any, tmp_path: Path, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    tasks = [f"write {tmp_path / str(number)}" for number in range(3)]
    with caplog.at_level(logging.WARNING, logger="emotionrecog"):
        assert sorted(workers.in_processes(work, tasks, 2)) == tasks
    n_threads = str(max(1, joblib.cpu_count() // 2))
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    for number in range(3):
        limits = json.loads((tmp_path / str(number)).read_text(encoding="utf-8"))
        assert limits == dict.fromkeys(names, n_threads)
    assert sorted(caplog.messages) == [f"{task}: wrote" for task in tasks]
    assert "OMP_NUM_THREADS" not in os.environ


@pytest.mark.slow
def test_idle_processes_of_earlier_work_are_not_reused(tmp_path: Path) -> None:
    """They have the import paths and threads of that work."""
    with joblib.parallel_config("loky", n_jobs=2, inner_max_num_threads=1):
        before = set(joblib.Parallel()(joblib.delayed(os.getpid)() for _ in range(8)))
    tasks = [f"{tmp_path / str(number)}" for number in range(4)]
    assert sorted(workers.in_processes(_write_process, tasks, 2)) == tasks
    processes = {int(Path(task).read_text(encoding="utf-8")) for task in tasks}
    assert not processes & before


def _write_process(path: str) -> None:
    Path(path).write_text(str(os.getpid()), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("fail", "fail: DatasetError: there is nothing\nto learn from. Completed tasks are kept"),
        ("crash", "(?s)crash: failed.*printed before.*ZeroDivisionError"),
        ("die", "a process ended.*fewer jobs. It was one of .*die"),
    ],
)
def test_failing_task_ends_the_others(work: Any, task: str, message: str) -> None:
    began = time.perf_counter()
    with pytest.raises(EmotionRecogError, match=message):
        list(workers.in_processes(work, ["sleep", task], 2))
    assert time.perf_counter() - began < 40  # less than the minute that the other sleeps


def test_number_of_jobs_depends_on_cores_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    monkeypatch.setattr(workers, "_free_memory", lambda: None)
    assert workers.n_jobs_that_fit(1 << 30) == 8
    monkeypatch.setattr(workers, "_free_memory", lambda: 1 << 34)
    assert workers.n_jobs_that_fit(1 << 30) == 8
    assert workers.n_jobs_that_fit(1 << 32) == 4
    assert workers.n_jobs_that_fit(1 << 40) == 1
