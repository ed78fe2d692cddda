"""Features of many recordings: on all cores or a cluster, and kept on disk.

`extract_corpus` goes through joblib, so that ``joblib.parallel_config(backend="dask")`` around a
call moves it to a cluster.

How the cache is laid out
-------------------------
A folder for each way of measuring, named by the SHA-256 of its ``spec.json``, which says what was
measured; in it a file for each recording, named by the SHA-256 of the recording's bytes. So a
renamed copy is known, and a changed recording or spec is not. An entry is an array in NumPy's
format ``.npy`` and, after it, the CRC-32 of all that, in four bytes. It is written under a name
of its own in ``tmp`` and moved into place, so that nobody ever sees half of one, whoever else
writes the same and whenever the program ends. Nothing waits for the disk: what a power failure
leaves of an entry has another checksum, is taken for missing and measured again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import io
import itertools
import json
import logging
import os
import time
import uuid
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, overload

import numpy as np

from emotionrecog import audio
from emotionrecog.errors import DatasetError, EmotionRecogError
from emotionrecog.features import Extractor, Statistics

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from emotionrecog.datasets import Utterance
    from emotionrecog.features import FeatureSpec

__all__ = ["CorpusFeatures", "Measurement", "extract_corpus", "extract_files", "measure_files"]

# Part of what the cache goes by: raised whenever the same recording and spec give other numbers.
VERSION = 1

# Recordings of one task, so that sending it costs little beside its work and what a killed worker
# had begun is soon done again; and tasks that each worker is given at once.
_TASK_SIZE = 16
_TASKS_PER_WORKER = 16

# In s: what is older in the folder for unfinished entries was left by a program that was killed.
_STALE = 24 * 3600.0

_CHECKSUM_SIZE = 4

_logger = logging.getLogger("emotionrecog")

_StrPath: TypeAlias = "str | os.PathLike[str]"


class Measurement(Protocol):
    """A computation on the samples of a recording, whose results can be cached."""

    @property
    def sampling_rate(self) -> int:
        """Sampling rate that recordings are resampled to, in Hz."""

    def key(self) -> dict[str, Any]:
        """Return everything that the result depends on besides the recording, ready for JSON."""

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[Any]:
        """Return the result for a recording."""


class _Features:
    """The features of a spec, before normalisation and before frames are cut or padded."""

    def __init__(self, spec: FeatureSpec) -> None:
        self.spec = dataclasses.replace(spec, normalisation="none", n_frames=None)
        self.sampling_rate = spec.sampling_rate
        self._extractor = Extractor(self.spec)

    def key(self) -> dict[str, Any]:
        return {"version": VERSION, "spec": self.spec.to_dict()}

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._extractor.measure(samples)


class _Outcome(NamedTuple):
    """The result for a recording: its features, their place in the cache, or an error message."""

    features: NDArray[Any] | Path | str
    trouble: str | None = None  # with the cache


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class CorpusFeatures:
    """Features of many recordings.

    Parameters
    ----------
    utterances
        Those whose features could be measured, in the order they were given in.
    arrays
        Their features in the same order, read-only, each float32 of shape (n_frames, n_features),
        or (n_features,) with ``spec.functionals``. Of a cache they are opened when they are asked
        for, as memory maps.
    spec
        What was measured.
    failed
        The others, each with the reason.
    statistics
        What ``spec.normalisation == "corpus"`` was done with; otherwise None.
    """

    utterances: tuple[Utterance, ...]
    arrays: Sequence[NDArray[np.float32]]
    spec: FeatureSpec
    failed: tuple[tuple[Utterance, str], ...]
    statistics: Statistics | None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """A name for each column."""
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

    A recording that cannot be used does not stop the others: it is listed, and logged as a warning.

    Parameters
    ----------
    utterances
        Whose features to extract.
    spec
        What to measure.
    statistics
        Where ``spec.normalisation`` is ``"corpus"``: the mean and deviation of each feature, those
        of the extraction from the training data. Without them they are taken from `utterances`,
        which is right for training data and for nothing else: normalisation must not see the
        speakers of a test.
    cache
        Folder to keep features in and to find them again by the contents of the recordings; made
        if it is not there. By default nothing is kept. Several programs may use one folder at the
        same time. It only grows; to be rid of it, delete it. If it cannot be written to, a warning
        says so, and the features are kept in memory.
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
    extract_files : For recordings without emotion and speaker, one after the other.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance
    >>> from emotionrecog.features import FeatureSpec
    >>> clip = Path("examples/clip.wav")
    >>> train = [Utterance(clip, "angry", corpus="mine", speaker="mine/ann")]
    >>> test = [Utterance(clip, "angry", corpus="mine", speaker="mine/bob")]
    >>> spec = FeatureSpec(features=("rms", "mfcc"), normalisation="corpus")
    >>> learnt = extract_corpus(train, spec)
    >>> tested = extract_corpus(test, spec, statistics=learnt.statistics)
    >>> tested.arrays[0].shape[1] == len(tested.feature_names) == 14
    True
    """
    from tqdm import tqdm

    extractor = Extractor(spec, statistics)  # before the work: it refuses what does not fit
    listed = list(utterances)
    if not listed:
        raise DatasetError("no recordings to extract features of: the list of utterances is empty")
    outcomes = _outcomes((utterance.path for utterance in listed), _Features(spec), cache, n_jobs)
    progress = tqdm(outcomes, "features", total=len(listed), unit="clip", disable=None)
    used: list[Utterance] = []
    stored: list[NDArray[np.float32] | Path] = []
    failed: list[tuple[Utterance, str]] = []
    troubles: Counter[str] = Counter()
    for utterance, (features, trouble) in zip(listed, progress, strict=True):
        if isinstance(features, str):
            _logger.warning("left out %s: %s", utterance.path, features)
            failed.append((utterance, features))
        else:
            used.append(utterance)
            stored.append(features)
        if trouble:
            troubles[trouble] += 1
    _report(troubles, cache)
    if not used:
        raise DatasetError(
            f"none of the {len(listed)} recordings can be used; the first, {listed[0].path}: "
            f"{failed[0][1]}"
        )
    if spec.normalisation == "corpus" and statistics is None:
        statistics = Statistics.of(map(_read, stored))
        extractor = Extractor(spec, statistics)
    return CorpusFeatures(
        utterances=tuple(used),
        arrays=_Arrays(stored, extractor),
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
    """Extract the features of recordings one after the other, for more than memory holds.

    Parameters
    ----------
    paths
        The recordings. Read lazily.
    spec
        What to measure. ``normalisation`` cannot be ``"corpus"``, which needs all recordings first.
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
        If ``spec.normalisation`` is ``"corpus"``.

    Examples
    --------
    >>> from emotionrecog.features import FeatureSpec
    >>> spec = FeatureSpec(features=("rms",), functionals=("mean", "max"))
    >>> for features in extract_files(["examples/clip.wav", "missing.wav"], spec):
    ...     print(features if isinstance(features, str) else features.shape)
    (2,)
    No such file or directory
    """
    if spec.normalisation == "corpus":
        raise ValueError(
            "normalisation 'corpus' needs all recordings before the first is normalised; use "
            "`extract_corpus`, or 'utterance' or 'none'"
        )
    return _finished(paths, spec, cache, n_jobs)


def _finished(
    paths: Iterable[_StrPath], spec: FeatureSpec, cache: _StrPath | None, n_jobs: int
) -> Iterator[NDArray[np.float32] | str]:
    extractor = Extractor(spec)
    troubles: Counter[str] = Counter()
    for features, trouble in _outcomes(paths, _Features(spec), cache, n_jobs):
        if trouble:
            troubles[trouble] += 1
        yield features if isinstance(features, str) else _finish(features, extractor)
    _report(troubles, cache)


def measure_files(
    paths: Iterable[_StrPath],
    measurement: Measurement,
    *,
    cache: _StrPath | None = None,
    n_jobs: int = -1,
) -> Iterator[NDArray[Any] | str]:
    """Apply a measurement to recordings one after the other.

    Parameters
    ----------
    paths
        The recordings. Read lazily.
    measurement
        What to compute. It must be picklable where joblib uses processes or a cluster.
    cache, n_jobs
        As in `extract_corpus`.

    Yields
    ------
    ndarray or str
        In the order of `paths`: the result, or the reason why there is none.

    Raises
    ------
    NotADirectoryError
        If `cache` is a file.

    Examples
    --------
    >>> class Peak:
    ...     sampling_rate = 16000
    ...
    ...     def key(self):
    ...         return {"measurement": "peak"}
    ...
    ...     def __call__(self, samples):
    ...         return np.abs(samples).max(keepdims=True)
    >>> [result.shape for result in measure_files(["examples/clip.wav"], Peak())]
    [(1,)]
    """
    troubles: Counter[str] = Counter()
    for features, trouble in _outcomes(paths, measurement, cache, n_jobs):
        if trouble:
            troubles[trouble] += 1
        yield _read(features) if isinstance(features, Path) else features
    _report(troubles, cache)


def _report(troubles: Counter[str], cache: _StrPath | None) -> None:
    for trouble, n in troubles.items():
        _logger.warning("cache %s, %d recordings: %s", cache, n, trouble)


class _Arrays(Sequence["NDArray[np.float32]"]):
    """Features that are read, if they lie in a cache, and finished when they are asked for."""

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


def _read(features: NDArray[np.float32] | Path) -> NDArray[np.float32]:
    if isinstance(features, np.ndarray):
        return features
    try:
        return np.asarray(np.load(features, mmap_mode="r", allow_pickle=False))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            errno.ENOENT, "features are gone from the cache; extract them again", str(features)
        ) from error


# --- tasks --------------------------------------------------------------------------------------


def _outcomes(
    paths: Iterable[_StrPath], measurement: Measurement, cache: _StrPath | None, n_jobs: int
) -> Iterator[_Outcome]:
    """Measure recordings, one outcome each in their order."""
    import joblib
    from threadpoolctl import threadpool_limits

    # Workers may have another working folder.
    folder = None if cache is None else _prepare(Path(cache).absolute(), measurement.key())
    remaining = (Path(path).absolute() for path in paths)
    # Lists rather than joblib's generators: those warn whoever stops early, and Ray has none.
    with joblib.Parallel(
        n_jobs=n_jobs, prefer="threads", batch_size=1, pre_dispatch="all"
    ) as parallel:
        n_ahead = _TASK_SIZE * _TASKS_PER_WORKER * joblib.effective_n_jobs(n_jobs)
        while ahead := list(itertools.islice(remaining, n_ahead)):
            # No larger than they must be for every worker to have one.
            size = min(_TASK_SIZE, -(-len(ahead) // joblib.effective_n_jobs(n_jobs)))
            tasks = [ahead[start : start + size] for start in range(0, len(ahead), size)]
            with threadpool_limits(1):  # products this small cost more on many cores than on one
                answers = parallel(
                    joblib.delayed(_measure_all)(task, measurement, folder) for task in tasks
                )
            yield from itertools.chain.from_iterable(answers)


def _measure_all(
    paths: list[Path], measurement: Measurement, folder: Path | None
) -> list[_Outcome]:
    """Do one task, on any machine that sees the recordings and the cache under these paths."""
    return [_measure(path, measurement, folder) for path in paths]


def _measure(path: Path, measurement: Measurement, folder: Path | None) -> _Outcome:
    # Read once, so that what is measured is what the entry is named after.
    try:
        content = path.read_bytes()
    except OSError as error:
        return _Outcome(error.strerror or str(error))
    trouble = None
    if folder is not None:
        entry = folder / f"{hashlib.sha256(content).hexdigest()}.npy"
        found, trouble = _look_up(entry)
        if found:
            return _Outcome(entry)
    try:
        waveform = audio.load(content, sampling_rate=measurement.sampling_rate)
        features = np.ascontiguousarray(measurement(waveform.samples))
    except (EmotionRecogError, OSError) as error:  # the latter where ffmpeg finds the disk full
        return _Outcome(str(error).removeprefix("the given bytes: "))
    if folder is not None:
        try:
            _write(entry, _encode(features))
        except OSError as error:
            return _Outcome(features, f"kept in memory, not written: {error.strerror}")
        return _Outcome(entry, trouble)
    return _Outcome(features)


# --- entries of the cache -----------------------------------------------------------------------


def _prepare(cache: Path, key: dict[str, Any]) -> Path:
    """Describe what is measured in its folder, and return that."""
    if cache.exists() and not cache.is_dir():
        raise NotADirectoryError(
            errno.ENOTDIR, "`cache` must be a folder, existing or new, got a file", str(cache)
        )
    for left in (cache / "tmp").glob("*"):
        with contextlib.suppress(OSError):  # another program is quicker, or it is not ours
            if time.time() - left.stat().st_mtime > _STALE:
                left.unlink()
    description = json.dumps(_canonical(key), sort_keys=True).encode()
    folder = cache / hashlib.sha256(description).hexdigest()
    with contextlib.suppress(OSError):  # entries will meet the same trouble, and tell
        if not (folder / "spec.json").exists():
            _write(folder / "spec.json", description)
    return folder


def _canonical(value: object) -> object:
    """Write numbers that are equal alike."""
    if isinstance(value, dict):
        return {name: _canonical(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_canonical(entry) for entry in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _encode(features: NDArray[Any]) -> bytes:
    content = io.BytesIO()
    np.lib.format.write_array(content, features, allow_pickle=False)
    return content.getvalue() + _checksum(content.getbuffer())


def _checksum(content: memoryview) -> bytes:
    return zlib.crc32(content).to_bytes(_CHECKSUM_SIZE, "little")


def _look_up(entry: Path) -> tuple[bool, str | None]:
    """Whether there is a sound entry, and what is wrong with the one that is no use."""
    try:
        content = memoryview(entry.read_bytes())
    except FileNotFoundError:
        return False, None
    except OSError as error:
        return False, f"measured again, entries cannot be read: {error.strerror}"
    if content[-_CHECKSUM_SIZE:] != _checksum(content[:-_CHECKSUM_SIZE]):
        return False, "measured again, entries were damaged"
    return True, None


def _write(target: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees half of it."""
    unfinished = target.parent.parent / "tmp" / f"{target.name}.{uuid.uuid4().hex}"
    for folder in (unfinished.parent, target.parent):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        unfinished.write_bytes(content)
        unfinished.replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise
