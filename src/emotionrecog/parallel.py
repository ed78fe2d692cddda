"""Call a function for each of many recordings: in parallel, with progress, and without stopping.

Work goes through joblib, so that ``joblib.parallel_config(backend=…)`` moves it to processes or to
a cluster. One recording that fails does not stop the others: it is counted, logged and returned.
"""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from emotionrecog.errors import EmotionRecogError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

__all__ = [
    "Results",
    "attempt",
    "collected",
    "over_recordings",
    "read_ahead",
    "reason",
    "stream",
]

Item = TypeVar("Item")
Result = TypeVar("Result")

_logger = logging.getLogger("emotionrecog")


@dataclass(frozen=True, slots=True)
class Results(Generic[Item, Result]):
    """Items with the result of each, in their order, and the items left out.

    Parameters
    ----------
    items
        The items that have a result.
    values
        The results, in the order of `items`.
    failed
        The path of each item that was left out, with the reason.
    """

    items: list[Item] = field(default_factory=list)
    values: list[Result] = field(default_factory=list)
    failed: dict[Path, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return how many items have a result."""
        return len(self.items)


def stream(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    activity: str | None,
    n_jobs: int = -1,
    unit: str = "clip",
    prefer: Literal["threads", "processes"] | None = "threads",
    require: Literal["sharedmem"] | None = None,
) -> Iterator[tuple[Item, Result | Exception]]:
    """Yield each item with its result, or the `EmotionRecogError` or `OSError` that it raised.

    Parameters
    ----------
    function
        Function to call for each item.
    items
        Its arguments.
    activity
        Label of the progress bar, which is shown on a terminal only; None for no bar.
    n_jobs
        Number of workers, as joblib counts them: -1 for one on each core.
    unit
        Name of one item, for the progress bar.
    prefer, require
        As for ``joblib.Parallel``.
    """
    import joblib
    from tqdm import tqdm

    options: dict[str, Any] = {"require": require} if require else {"prefer": prefer}
    try:
        parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator", **options)
    except ValueError:  # the backends of Dask and Ray return all results at once
        parallel = joblib.Parallel(n_jobs=n_jobs, **options)
    results = parallel(joblib.delayed(attempt)(function, item) for item in items)
    is_disabled = None if activity else True  # None: wherever there is no terminal
    bar = tqdm(results, activity, total=len(items), unit=unit, disable=is_disabled)
    yield from zip(items, bar, strict=True)


def read_ahead(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    n_ahead: int,
    n_together: int,
    n_jobs: int = -1,
) -> Generator[Result | EmotionRecogError | OSError]:
    """Yield the result or the error of each item, and read the items only as they are needed.

    Parameters
    ----------
    function, n_jobs
        As for `stream`.
    items
        Any number of items.
    n_ahead
        Number of items to read ahead for each worker.
    n_together
        Number of items to send to a worker together.

    Examples
    --------
    >>> import itertools
    >>> lengths = read_ahead(len, itertools.repeat("clip.wav"), n_ahead=2, n_together=1)
    >>> next(lengths)
    8
    """
    import joblib

    items = iter(items)
    # Lists rather than joblib's generators: those warn whoever stops early, and Ray has none.
    with joblib.Parallel(
        n_jobs=n_jobs, prefer="threads", batch_size=n_together, pre_dispatch="all"
    ) as parallel:
        n_items = n_ahead * joblib.effective_n_jobs(n_jobs)
        while chunk := list(itertools.islice(items, n_items)):
            yield from parallel(joblib.delayed(attempt)(function, item) for item in chunk)


def over_recordings(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    activity: str,
    n_jobs: int = -1,
    unit: str = "clip",
    prefer: Literal["threads", "processes"] | None = "threads",
    require: Literal["sharedmem"] | None = None,
) -> Results[Item, Result]:
    """Call a function for each recording; collect the results, and log failed recordings.

    Parameters
    ----------
    function
        Function to call for each item. If it raises `EmotionRecogError` or `OSError`, the item is
        left out with a warning; anything else stops the work.
    items
        Paths, or objects with a ``path`` such as `emotionrecog.datasets.Utterance`.
    activity, n_jobs, unit, prefer, require
        As for `stream`.

    Examples
    --------
    >>> from emotionrecog import audio
    >>> results = over_recordings(
    ...     lambda path: audio.load(path).duration,
    ...     [Path("examples/clip.wav"), Path("missing.wav")],
    ...     activity="reading",
    ... )
    >>> len(results), list(results.failed.values())
    (1, ['no such audio file'])
    """
    return collected(
        stream(
            function,
            items,
            activity=activity,
            n_jobs=n_jobs,
            unit=unit,
            prefer=prefer,
            require=require,
        )
    )


def collected(
    answers: Iterable[tuple[Item, Result | Exception]],
) -> Results[Item, Result]:
    """Collect the results of items, and log those that have to be left out.

    Parameters
    ----------
    answers
        Each item with its result, or with the exception that says why it has none, as `stream`
        yields them.

    Examples
    --------
    >>> results = collected([(Path("a.wav"), 1.5), (Path("b.wav"), OSError("it is locked"))])
    >>> results.values, results.failed[Path("b.wav")]
    ([1.5], 'it is locked')
    """
    results: Results[Item, Result] = Results()
    for item, answer in answers:
        if isinstance(answer, Exception):
            path = Path(getattr(item, "path", item))  # type: ignore[arg-type]
            results.failed[path] = reason(answer)
            _logger.warning("left out %s: %s", path, results.failed[path])
        else:
            results.items.append(item)
            results.values.append(answer)
    return results


def reason(error: Exception) -> str:
    """Return why something failed, without the path that the system's own errors repeat."""
    return getattr(error, "strerror", None) or str(error)


def attempt(function: Callable[[Item], Result], item: Item) -> Result | EmotionRecogError | OSError:
    """Call a function and return its result, or the `EmotionRecogError` or `OSError` it raised.

    Examples
    --------
    >>> from emotionrecog import audio
    >>> attempt(audio.load, "missing.wav")
    FileNotFoundError(2, 'no such audio file')
    """
    try:
        return function(item)
    except (EmotionRecogError, OSError) as error:
        # The frames of the traceback would keep the samples in memory as long as the error.
        return error.with_traceback(None)
