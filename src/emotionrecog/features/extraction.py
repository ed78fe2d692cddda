"""Extract the features of many recordings: on all cores or a cluster, with a cache on disk.

`extract_corpus` and `extract_files` measure a `FeatureSpec`; `read_recordings` calls any function
for the samples of each recording. All of them go through joblib, so that
``joblib.parallel_config(backend="dask")`` around a call moves the work to a cluster.

Layout of the cache
-------------------
One folder for each kind of measurement, named by the SHA-256 of its ``spec.json``, which describes
the measurement; in it one file for each recording, named by the SHA-256 of the recording's bytes.
A renamed recording is therefore found again, and a changed recording or spec is measured again. An
entry is an array in NumPy's format ``.npy``, followed by its CRC-32 in four bytes. Entries are
written in a hidden folder and moved into place, so that no program ever reads half of one, even if
several programs write the same entry or one of them is killed. Nothing waits for the disk: an entry
damaged by a power failure has another checksum and is measured again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import io
import itertools
import json
import logging
import os
import shutil
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar, overload

import numpy as np

from emotionrecog import audio, files, text
from emotionrecog.errors import AudioError, DatasetError
from emotionrecog.features.extractor import Extractor, Statistics
from emotionrecog.parallel import Results, over_recordings, reason, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from emotionrecog.datasets import Utterance
    from emotionrecog.features.spec import FeatureSpec

__all__ = ["CorpusFeatures", "extract_corpus", "extract_files", "read_recordings"]

# Part of the key of an entry: raised whenever the same recording and spec give other values.
VERSION = 1

# Recordings that `extract_files` measures ahead of its caller, for each worker.
_AHEAD_PER_WORKER = 256

# In s: older unfinished entries were left by a program that was killed.
_STALE = 24 * 3600.0

_CHECKSUM_SIZE = 4

_logger = logging.getLogger("emotionrecog")

_StrPath: TypeAlias = "str | os.PathLike[str]"

Value = TypeVar("Value")


class _Item(NamedTuple):
    """A recording and its number among all of them."""

    path: Path
    absolute: Path  # for workers with another working folder
    number: int

    @classmethod
    def of(cls, path: _StrPath, number: int) -> _Item:
        return cls(Path(path), Path(path).absolute(), number)


class _Outcome(NamedTuple):
    """The value of a recording, or its entry in the cache, and what went wrong with the cache."""

    value: Any
    trouble: str | None = None


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class CorpusFeatures:
    """Features of many recordings.

    Parameters
    ----------
    utterances
        The utterances that could be measured, in their original order.
    arrays
        Their features in the same order, read-only, each float32 of shape (n_frames, n_features),
        or (n_features,) with ``spec.functionals``. Features in a cache are memory-mapped when they
        are accessed.
    spec
        The measured features.
    failed
        The utterances that were left out, each with the reason.
    statistics
        The statistics that normalised the features if ``spec.normalization == "corpus"``;
        otherwise None.

    Examples
    --------
    >>> from emotionrecog.datasets import Utterance
    >>> from emotionrecog.features import FeatureSpec
    >>> clip = Utterance(Path("examples/clip.wav"), "angry", corpus="mine", speaker="mine/ann")
    >>> features = extract_corpus([clip], FeatureSpec(features=("rms", "f0"), n_fft=1024))
    >>> len(features.arrays), features.feature_names, features.failed
    (1, ('rms', 'f0'), ())
    """

    utterances: tuple[Utterance, ...]
    arrays: Sequence[NDArray[np.float32]]
    spec: FeatureSpec
    failed: tuple[tuple[Utterance, str], ...]
    statistics: Statistics | None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Name of each column."""
        return self.spec.feature_names

    def stack(self) -> NDArray[np.float32]:
        """Join the features of all recordings.

        Returns
        -------
        ndarray of float32, shape (n_clips, n_frames, n_features) or (n_clips, n_features)

        Raises
        ------
        ValueError
            If recordings differ in their number of frames.

        Examples
        --------
        >>> from emotionrecog.datasets import Utterance
        >>> from emotionrecog.features import FeatureSpec
        >>> clip = Utterance(Path("examples/clip.wav"), "angry", corpus="mine", speaker="mine/ann")
        >>> spec = FeatureSpec(features=("rms",), functionals=("mean", "std"))
        >>> extract_corpus([clip, clip], spec).stack().shape
        (2, 2)
        """
        stacked: NDArray[np.float32] | None = None
        for i, array in enumerate(self.arrays):
            if stacked is None:
                stacked = np.empty((len(self.arrays), *array.shape), dtype=np.float32)
            elif array.shape != stacked.shape[1:]:
                raise ValueError(
                    "recordings of different lengths cannot be stacked: "
                    f"{self.utterances[0].path} has {stacked.shape[1]} frames and "
                    f"{self.utterances[i].path} has {len(array)}; set `n_frames` or `functionals` "
                    "in the spec"
                )
            stacked[i] = array
        assert stacked is not None  # at least one recording could be measured
        return stacked


def extract_corpus(
    utterances: Iterable[Utterance],
    spec: FeatureSpec,
    *,
    statistics: Statistics | None = None,
    cache: _StrPath | None = None,
    n_jobs: int = -1,
) -> CorpusFeatures:
    """Extract the features of many recordings.

    A recording that cannot be used does not stop the others: it is returned with the reason, and
    logged as a warning.

    Parameters
    ----------
    utterances
        The recordings.
    spec
        The features to measure.
    statistics
        Mean and deviation of each feature in the training data, for ``spec.normalization ==
        "corpus"``. By default they are computed from `utterances`, which is right for training
        data only: normalisation must not use the speakers of a test set.
    cache
        Folder in which features are stored under the hash of each recording's content; it is
        created if missing. By default nothing is stored. Several programs may use one folder at the
        same time. The cache only grows; delete the folder to clear it. If it cannot be written to,
        a warning is logged, and the features stay in memory.
    n_jobs
        Number of workers, as joblib counts them: -1 for one on each core. They are threads, unless
        ``joblib.parallel_config`` says otherwise.

    Returns
    -------
    CorpusFeatures

    Raises
    ------
    DatasetError
        If none of the recordings can be used.
    NotADirectoryError
        If `cache` is a file.
    ValueError
        If `statistics` do not fit the spec.

    See Also
    --------
    extract_files : Extract from files without emotion and speaker, one after the other.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance
    >>> from emotionrecog.features import FeatureSpec
    >>> clip = Path("examples/clip.wav")
    >>> train = [Utterance(clip, "angry", corpus="mine", speaker="mine/ann")]
    >>> test = [Utterance(clip, "angry", corpus="mine", speaker="mine/bob")]
    >>> spec = FeatureSpec(features=("rms", "mfcc"), normalization="corpus")
    >>> train_features = extract_corpus(train, spec)
    >>> test_features = extract_corpus(test, spec, statistics=train_features.statistics)
    >>> test_features.arrays[0].shape[1] == len(test_features.feature_names) == 14
    True
    """
    extractor = Extractor(spec, statistics)  # raises early if something does not fit
    recordings = list(utterances)
    if not recordings:
        raise DatasetError("no recordings to extract from: the list of utterances is empty")
    measure, description = _measurement(spec)
    measured = _over(
        functools.partial(_from_samples, measure),
        recordings,
        description,
        sampling_rate=spec.sampling_rate,
        activity="features",
        cache=cache,
        n_jobs=n_jobs,
    )
    failed = [(u, measured.failed[u.path]) for u in recordings if u.path in measured.failed]
    if not measured:
        raise DatasetError(
            f"none of the {len(recordings)} recordings can be used; the first, "
            f"{recordings[0].path}: {failed[0][1]}"
        )
    if spec.normalization == "corpus" and statistics is None:
        statistics = Statistics.of(map(_read, measured.values))
        extractor = Extractor(spec, statistics)
    return CorpusFeatures(
        utterances=tuple(measured.items),
        arrays=_Arrays(measured.values, extractor),
        spec=spec,
        failed=tuple(failed),
        statistics=statistics,
    )


def extract_files(
    paths: Iterable[_StrPath],
    spec: FeatureSpec,
    *,
    cache: _StrPath | None = None,
    n_jobs: int = -1,
) -> Iterator[NDArray[np.float32] | str]:
    """Extract the features of recordings one after the other, for more data than fits in memory.

    Parameters
    ----------
    paths
        The recordings, read lazily.
    spec
        The features to measure. ``normalization`` cannot be ``"corpus"``, which needs all
        recordings first.
    cache, n_jobs
        As in `extract_corpus`.

    Yields
    ------
    ndarray of float32, or str
        In the order of `paths`: the features, read-only, of shape (n_frames, n_features) or
        (n_features,); or the reason why there are none.

    Raises
    ------
    NotADirectoryError
        If `cache` is a file.
    ValueError
        If ``spec.normalization`` is ``"corpus"``.

    Examples
    --------
    >>> from emotionrecog.features import FeatureSpec
    >>> spec = FeatureSpec(features=("rms",), functionals=("mean", "max"))
    >>> for features in extract_files(["examples/clip.wav", "missing.wav"], spec):
    ...     print(features if isinstance(features, str) else features.shape)
    (2,)
    No such file or directory
    """
    if spec.normalization == "corpus":
        raise ValueError(
            "normalization 'corpus' needs all recordings before the first is normalised; use "
            "`extract_corpus`, or 'utterance' or 'none'"
        )
    return _one_after_the_other(paths, spec, cache, n_jobs)


def _one_after_the_other(
    paths: Iterable[_StrPath], spec: FeatureSpec, cache: _StrPath | None, n_jobs: int
) -> Iterator[NDArray[np.float32] | str]:
    import joblib
    from threadpoolctl import threadpool_limits

    extractor = Extractor(spec)
    measure, description = _measurement(spec)
    folder = None if cache is None else _prepare(Path(cache).absolute(), description)
    function = functools.partial(
        _look_up_or_measure,
        functools.partial(_from_samples, measure),
        spec.sampling_rate,
        folder,
    )
    troubles: Counter[str] = Counter()
    items = (_Item.of(path, number) for number, path in enumerate(paths))
    n_ahead = _AHEAD_PER_WORKER * joblib.effective_n_jobs(n_jobs)
    while ahead := list(itertools.islice(items, n_ahead)):
        with threadpool_limits(1):  # products this small cost more on many cores than on one
            outcomes = list(stream(function, ahead, activity=None, n_jobs=n_jobs))
        for _, outcome in outcomes:
            if isinstance(outcome, Exception):
                yield reason(outcome)
            else:
                troubles.update([outcome.trouble] if outcome.trouble else [])
                yield _finish(outcome.value, extractor)
    _report(troubles, cache)


def read_recordings(
    function: Callable[[NDArray[np.float32], int], Value],
    utterances: Sequence[Utterance],
    *,
    sampling_rate: int,
    activity: str = "reading",
    cache: _StrPath | None = None,
    description: Mapping[str, Any] | None = None,
    n_jobs: int = -1,
) -> Results[Utterance, Value]:
    """Decode many recordings and call a function for the samples of each.

    A recording that cannot be used does not stop the others: it is returned with the reason, and
    logged as a warning.

    Parameters
    ----------
    function
        Called with the samples, float32 of shape (n_samples,), and the number of the recording in
        `utterances`. With a `cache` it must return an array that depends on the samples and the
        `description` alone.
    utterances
        The recordings.
    sampling_rate
        In Hz; recordings are resampled to it.
    activity
        Label of the progress bar, which is shown on a terminal only.
    cache
        Folder in which results are stored, as in `extract_corpus`.
    description
        JSON values that determine the result of `function`: results are reused only under an equal
        description. Needed with a `cache`.
    n_jobs
        Number of workers, as joblib counts them: -1 for one on each core.

    Returns
    -------
    Results
        The utterances and the value of each, and the paths that were left out with the reason.

    Raises
    ------
    NotADirectoryError
        If `cache` is a file.
    ValueError
        If there is a `cache` and no `description`.

    Examples
    --------
    >>> from emotionrecog.datasets import Utterance
    >>> clip = Utterance(Path("examples/clip.wav"), "angry", corpus="mine", speaker="mine/ann")
    >>> results = read_recordings(
    ...     lambda samples, number: len(samples) / 16_000, [clip], sampling_rate=16_000
    ... )
    >>> results.values
    [4.3139375]
    """
    if cache is not None and description is None:
        raise ValueError(
            "`description` must describe the result of `function` if there is a `cache`, got None"
        )
    results = _over(
        function,
        utterances,
        description or {},
        sampling_rate=sampling_rate,
        activity=activity,
        cache=cache,
        n_jobs=n_jobs,
    )
    return dataclasses.replace(results, values=[_read(value) for value in results.values])


def _over(
    function: Callable[[NDArray[np.float32], int], Any],
    utterances: Sequence[Utterance],
    description: Mapping[str, Any],
    *,
    sampling_rate: int,
    activity: str,
    cache: _StrPath | None,
    n_jobs: int,
) -> Results[Utterance, Any]:
    """Look up or measure recordings; the values are results, or paths of entries in the cache."""
    from threadpoolctl import threadpool_limits

    folder = None if cache is None else _prepare(Path(cache).absolute(), description)
    items = [_Item.of(utterance.path, number) for number, utterance in enumerate(utterances)]
    with threadpool_limits(1):  # products this small cost more on many cores than on one
        results = over_recordings(
            functools.partial(_look_up_or_measure, function, sampling_rate, folder),
            items,
            activity=activity,
            n_jobs=n_jobs,
        )
    _report(Counter(o.trouble for o in results.values if o.trouble), cache)
    return Results(
        [utterances[item.number] for item in results.items],
        [outcome.value for outcome in results.values],
        results.failed,
    )


def _measurement(spec: FeatureSpec) -> tuple[Extractor, dict[str, Any]]:
    """Return the extractor and the description of a spec without normalisation and length."""
    measured = dataclasses.replace(spec, normalization="none", n_frames=None)
    return Extractor(measured), {"spec": measured.to_dict()}


def _from_samples(
    extractor: Extractor, samples: NDArray[np.float32], number: int
) -> NDArray[np.float32]:
    return np.ascontiguousarray(extractor.measure(samples))


def _report(troubles: Counter[str], cache: _StrPath | None) -> None:
    for trouble, n in troubles.items():
        _logger.warning("cache %s, %s: %s", cache, text.count(n, "recording"), trouble)


class _Arrays(Sequence["NDArray[np.float32]"]):
    """Features that are read from the cache, normalised and padded when they are accessed."""

    def __init__(self, stored: list[NDArray[np.float32] | Path], extractor: Extractor) -> None:
        self._stored, self._extractor = stored, extractor

    def __len__(self) -> int:
        return len(self._stored)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.float32]: ...
    @overload
    def __getitem__(self, index: slice) -> list[NDArray[np.float32]]: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.float32] | list[NDArray[np.float32]]:
        if isinstance(index, slice):
            return [_finish(features, self._extractor) for features in self._stored[index]]
        return _finish(self._stored[index], self._extractor)


def _finish(features: NDArray[np.float32] | Path, extractor: Extractor) -> NDArray[np.float32]:
    finished = extractor.finish(_read(features))
    finished.setflags(write=False)
    return finished


def _read(value: Any) -> Any:
    """Return a value, memory-mapped if it is an entry of the cache."""
    if not isinstance(value, Path):
        return value
    try:
        return np.asarray(np.load(value, mmap_mode="r", allow_pickle=False))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            errno.ENOENT, "features were removed from the cache; extract them again", str(value)
        ) from error


# --- one recording ------------------------------------------------------------------------------


def _look_up_or_measure(
    function: Callable[[NDArray[np.float32], int], Any],
    sampling_rate: int,
    folder: Path | None,
    item: _Item,
) -> _Outcome:
    """Process one recording, on any machine where it and the cache have these paths."""
    content = item.absolute.read_bytes()  # read once: the entry is named after the measured bytes
    if folder is None:
        return _Outcome(function(_samples(content, sampling_rate), item.number))
    entry = folder / f"{files.sha256(content)}.npy"
    is_intact, trouble = _look_up(entry)
    if is_intact:
        return _Outcome(entry)
    value = function(_samples(content, sampling_rate), item.number)
    try:
        files.write_bytes(entry, _encode(value))
    except OSError as error:
        return _Outcome(value, f"kept in memory, not written: {error.strerror}")
    return _Outcome(entry, trouble)


def _samples(content: bytes, sampling_rate: int) -> NDArray[np.float32]:
    try:
        return audio.load(content, sampling_rate=sampling_rate).samples
    except AudioError as error:
        problem = str(error).removeprefix("the given bytes: ")
    raise AudioError(problem)  # outside of the block, or the error would keep `content` in memory


# --- entries of the cache -----------------------------------------------------------------------


def _prepare(cache: Path, description: Mapping[str, Any]) -> Path:
    """Return the folder of a measurement, which holds its description."""
    if cache.exists() and not cache.is_dir():
        raise NotADirectoryError(
            errno.ENOTDIR, "`cache` must be a folder, existing or new, got a file", str(cache)
        )
    for unfinished in cache.glob("*/.*"):
        with contextlib.suppress(OSError):  # removed by another program, or owned by another user
            if time.time() - unfinished.stat().st_mtime > _STALE:
                shutil.rmtree(unfinished)
    content = _describe(description)
    folder = cache / files.sha256(content)
    with contextlib.suppress(OSError):  # entries will meet the same problem, and report it
        if not (folder / "spec.json").exists():
            files.write_bytes(folder / "spec.json", content)
    return folder


def _describe(description: Mapping[str, Any]) -> bytes:
    """Return the part of the key besides the recording, equal for equal descriptions."""
    return json.dumps({"version": VERSION, **_canonical(description)}, sort_keys=True).encode()


def _canonical(value: Any) -> Any:
    """Return nested JSON values in which equal numbers have one type."""
    if isinstance(value, dict):
        return {name: _canonical(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(entry) for entry in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _encode(value: NDArray[Any]) -> bytes:
    content = io.BytesIO()
    np.lib.format.write_array(content, np.asarray(value), allow_pickle=False)
    return content.getvalue() + _checksum(content.getbuffer())


def _checksum(content: memoryview) -> bytes:
    return zlib.crc32(content).to_bytes(_CHECKSUM_SIZE, "little")


def _look_up(entry: Path) -> tuple[bool, str | None]:
    """Return whether there is an intact entry, and the problem of one that cannot be used."""
    try:
        content = memoryview(entry.read_bytes())
    except FileNotFoundError:
        return False, None
    except OSError as error:
        return False, f"measured again, entries cannot be read: {error.strerror}"
    if content[-_CHECKSUM_SIZE:] != _checksum(content[:-_CHECKSUM_SIZE]):
        return False, "measured again, entries were damaged"
    return True, None
