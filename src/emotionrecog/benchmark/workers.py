"""Run long tasks side by side, each in a process of its own."""

from __future__ import annotations

import contextlib
import functools
import gc
import logging
import logging.handlers
import multiprocessing
import os
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from emotionrecog.errors import EmotionRecogError, require_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["in_processes", "n_jobs_that_fit"]

Task = TypeVar("Task")

_logger = logging.getLogger("emotionrecog")

_RESUME = "Completed tasks are kept; run the same call again to continue"

# Number of last lines of a task's output that an error shows.
_TAIL = 8

# TensorFlow's numbers of threads; joblib sets those of numerical libraries.
_TENSORFLOW_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def n_jobs_that_fit(n_bytes: int) -> int:
    """Return how many processes of a size the cores and the free memory allow; at least 1.

    Parameters
    ----------
    n_bytes
        Memory that each process takes.

    Examples
    --------
    >>> n_jobs_that_fit(2**60)
    1
    """
    import joblib

    n_jobs: int = joblib.cpu_count()
    free = _free_memory()
    if free is not None:
        n_jobs = min(n_jobs, free // n_bytes)
    return max(1, n_jobs)


def _free_memory() -> int | None:
    """Return the free memory in bytes; None if the system does not report it."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return None


def in_processes(
    function: Callable[[Task], Any], tasks: Sequence[Task], n_jobs: int
) -> Iterator[Task]:
    """Call a function for each task in worker processes, and yield the tasks as they finish.

    Log messages of the processes are logged here, with the name of the task. What they print goes
    to a temporary file, whose end is shown if the task fails. If one task fails, the others are
    ended. Each process computes in as many threads as there are cores for it, unless the
    environment variable ``OMP_NUM_THREADS`` says otherwise.

    Parameters
    ----------
    function
        A function that processes can import; its result is dropped.
    tasks
        Arguments of the calls; ``str`` gives the name of a task.
    n_jobs
        Number of processes, at least 2.

    Raises
    ------
    ValueError
        If `n_jobs` is not a whole number of at least 2.
    EmotionRecogError
        If a task fails, or a process ends before its task is done.

    Examples
    --------
    >>> list(in_processes(print, ["one task"], 2))
    ['one task']
    """
    import joblib

    require_whole("n_jobs", n_jobs, 2)  # joblib would run a single job in this process
    n_threads = max(1, int(os.environ.get("OMP_NUM_THREADS") or joblib.cpu_count() // n_jobs))
    with (
        tempfile.TemporaryDirectory(prefix="emotionrecog-") as folder,
        _relayed_records() as records,
        joblib.parallel_config("loky", n_jobs=n_jobs, inner_max_num_threads=n_threads),
    ):
        parallel = joblib.Parallel(
            return_as="generator_unordered", batch_size=1, pre_dispatch="n_jobs"
        )
        calls = (
            joblib.delayed(_call)(
                function,
                task,
                number,
                output=Path(folder, str(number)),
                records=records,
                level=_logger.getEffectiveLevel(),
                n_threads=n_threads,
            )
            for number, task in enumerate(tasks)
        )
        with _fresh_workers(), contextlib.closing(parallel(calls)) as finished:
            try:
                for number in finished:
                    yield tasks[number]
            except BrokenProcessPool as error:
                begun = [str(task) for i, task in enumerate(tasks) if Path(folder, str(i)).exists()]
                raise EmotionRecogError(
                    f"a process ended before its task was done, as happens when memory runs out; "
                    f"try fewer jobs. It was one of {', '.join(begun) or 'the first'}. {_RESUME}"
                ) from error


@contextlib.contextmanager
def _fresh_workers() -> Iterator[None]:
    """End joblib's idle worker processes before and after.

    Those of earlier work have its threads and import paths; those of this work would keep their
    memory for minutes.
    """
    _end_idle_workers()
    try:
        yield
    finally:
        _end_idle_workers()


def _end_idle_workers() -> None:
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor(reuse=True).shutdown(wait=True)


@contextlib.contextmanager
def _relayed_records() -> Iterator[Any]:
    """Yield a queue that processes send log records to, and log them here."""

    class Relay(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            _logger.handle(record)

    with multiprocessing.get_context("spawn").Manager() as manager:
        records = manager.Queue()
        listener = logging.handlers.QueueListener(records, Relay())
        listener.start()
        try:
            yield records
        finally:
            listener.stop()


# --- in the processes ---------------------------------------------------------------------------


def _call(
    function: Callable[[Any], Any],
    task: Any,
    number: int,
    *,
    output: Path,
    records: Any,
    level: int,
    n_threads: int,
) -> int:
    """Call the function in this worker process; return the number of the task."""
    _end_with_parent()
    for name in _TENSORFLOW_THREADS:
        os.environ.setdefault(name, str(n_threads))
    handler = logging.handlers.QueueHandler(records)
    handler.setFormatter(logging.Formatter(f"{str(task).replace('%', '%%')}: %(message)s"))
    _logger.addHandler(handler)
    _logger.setLevel(level)
    _logger.propagate = False
    _logger.info("started")
    try:
        with _printing_to(output):
            function(task)
    except (EmotionRecogError, OSError, ValueError) as error:
        raise EmotionRecogError(f"{task}: {type(error).__name__}: {error}. {_RESUME}") from None
    except Exception as error:
        lines = output.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:]
        lines += traceback.format_exc().splitlines()
        text = "\n".join(lines)
        raise EmotionRecogError(f"{task}: failed. {_RESUME}. Its last output:\n{text}") from error
    finally:
        _logger.removeHandler(handler)
        gc.collect()  # networks hold themselves, and the recordings that they were trained on
    return number


@functools.cache
def _end_with_parent() -> None:
    """End this process when its parent is killed; it would go on unseen."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _printing_to(path: Path) -> Iterator[None]:
    """Send what this process prints, in any language, to a file."""
    kept = [os.dup(descriptor) for descriptor in (1, 2)]
    try:
        with path.open("wb", buffering=0) as file:
            for descriptor in (1, 2):
                os.dup2(file.fileno(), descriptor)
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for descriptor, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)
