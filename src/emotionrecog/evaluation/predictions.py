"""What was answered, clip by clip: the one table that all figures are made of."""

from __future__ import annotations

import csv
import dataclasses
import io
import logging
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from tqdm import tqdm

from emotionrecog import audio
from emotionrecog.audio import Waveform
from emotionrecog.datasets import Utterance
from emotionrecog.errors import DatasetError, EmotionRecogError
from emotionrecog.features import Extractor

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from emotionrecog.features import FeatureSpec
    from emotionrecog.recognizer import EmotionRecognizer

__all__ = ["Judge", "Predictions"]

Judge = Callable[[list[Waveform]], Any]
"""Anybody's recogniser: takes recordings, each at its own sampling rate, and returns probabilities
of shape (n_clips, n_labels), as an array or whatever NumPy makes one of."""

# Clips that a function judges in one call.
_BATCH = 16

# How far from 1 the probabilities of a clip may sum up: half precision is enough.
_ROUNDING = 1e-2

_COLUMNS = ("path", "corpus", "style", "speaker", "acted", "answered", "duration")

_logger = logging.getLogger("emotionrecog")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """The probabilities that a recogniser gave the clips of a test set.

    Parameters
    ----------
    labels : tuple of str
        The emotions that may be answered.
    utterances : tuple of Utterance
        The clips that were judged.
    probabilities : ndarray of float64, shape (n_clips, n_labels)
        Of each emotion, in the order of `labels`.
    durations : ndarray of float64, shape (n_clips,)
        Of the recordings in s; NaN where unknown.
    failed : mapping of Path to str
        Clips that could not be judged, and why.

    Raises
    ------
    DatasetError
        If a clip acts none of the labels.
    ValueError
        If probabilities are of another shape, NaN, infinite, negative, or do not sum up to 1.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from emotionrecog.datasets import Utterance
    >>> predictions = Predictions(
    ...     labels=("calm", "sad", "angry"),
    ...     utterances=(Utterance(Path("a.wav"), "sad", corpus="mine", speaker="mine/bob"),),
    ...     probabilities=np.array([[0.5, 0.4, 0.1]]),
    ...     durations=np.array([2.5]),
    ... )
    >>> predictions.among_acted()  # sad is the only emotion that this corpus acts
    array([[0., 1., 0.]])
    """

    labels: tuple[str, ...]
    utterances: tuple[Utterance, ...]
    probabilities: NDArray[np.float64] = dataclasses.field(repr=False)
    durations: NDArray[np.float64] = dataclasses.field(repr=False)
    failed: Mapping[Path, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no figures can be made of."""
        if len(self.labels) < 2 or len(set(self.labels)) < len(self.labels):
            raise ValueError(f"`labels` must be two or more different names, got {self.labels!r}")
        require_labels(self.utterances, self.labels)
        paths = [utterance.path for utterance in self.utterances]
        require_probabilities(self.probabilities, paths, len(self.labels))
        if self.durations.shape != (len(self.utterances),):
            raise ValueError(
                f"`durations` must be {len(self.utterances)} numbers, one for each clip, got an "
                f"array of shape {self.durations.shape}"
            )

    @property
    def acted(self) -> NDArray[np.intp]:
        """The number of the label that each clip acts, shape (n_clips,)."""
        return np.array([self.labels.index(u.emotion) for u in self.utterances], dtype=np.intp)

    @property
    def corpora(self) -> tuple[str, ...]:
        """What each clip is counted under: its corpus, with the style where that is not speech."""
        return tuple(
            u.corpus if u.style == "speech" else f"{u.corpus} {u.style}" for u in self.utterances
        )

    def among_acted(self) -> NDArray[np.float64]:
        """Return the probabilities among the emotions that each clip's corpus acts.

        Returns
        -------
        ndarray of float64, shape (n_clips, n_labels)
            Zero for the emotions that no clip of the corpus acts; each row sums up to 1.
        """
        allowed = np.zeros(self.probabilities.shape, dtype=bool)
        names, acted = np.array(self.corpora), self.acted
        for name in set(names.tolist()):
            own = names == name
            allowed[np.ix_(own, np.unique(acted[own]))] = True
        closed = np.where(allowed, self.probabilities, 0.0)
        # Where all went to other emotions, nothing is known of these.
        closed = np.where(closed.sum(axis=1, keepdims=True) > 0, closed, allowed.astype(float))
        shares: NDArray[np.float64] = closed / closed.sum(axis=1, keepdims=True)
        return shares

    def write_csv(
        self, path: str | os.PathLike[str], *, root: str | os.PathLike[str] | None = None
    ) -> None:
        """Write a table: a row for each clip, with its probabilities.

        The columns are ``path``, ``corpus``, ``style``, ``speaker``, ``acted``, ``answered`` (among
        the emotions that the clip's corpus acts), ``duration`` in s, and one for each label. Clips
        that could not be judged are not in it.

        Parameters
        ----------
        path
            The file, in UTF-8. Its parents are made; one already there is replaced.
        root
            Recordings below this folder are written relative to it, with forward slashes.
        """
        target = Path(path)
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow((*_COLUMNS, *self.labels))
        answered = self.among_acted().argmax(axis=1)
        for row, utterance in enumerate(self.utterances):
            duration = self.durations[row]
            writer.writerow(
                (
                    _named(utterance.path, root),
                    *(utterance.corpus, utterance.style, utterance.speaker, utterance.emotion),
                    self.labels[answered[row]],
                    f"{duration:.3f}" if np.isfinite(duration) else "",
                    # As many digits as float32 holds, in which networks answer.
                    *(f"{share:.9g}" for share in self.probabilities[row]),
                )
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as beside:
            new = Path(beside, "new")
            # Names of files need not be text.
            new.write_bytes(text.getvalue().encode("utf-8", "surrogateescape"))
            new.replace(target)

    @classmethod
    def read_csv(
        cls,
        path: str | os.PathLike[str],
        utterances: Iterable[Utterance] | None = None,
        *,
        root: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Read a table that `write_csv` wrote, or another program in the same way.

        Parameters
        ----------
        path
            The file. Columns ``path`` and one for each label are needed, the labels last.
        utterances
            The clips, found by their paths; those that are not in the table are left out. By
            default all that is known of them is what the table tells, for which it needs the other
            columns of `write_csv` but ``answered`` and ``duration``.
        root
            What the paths of the table are relative to, as for `write_csv`.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        DatasetError
            If it is not such a table, or has a clip twice or one that is not among `utterances`.
        ValueError
            If its probabilities are none.
        """
        with Path(path).open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file)
            header = reader.fieldnames or []
            rows = list(reader)
        labels = tuple(name for name in header if name not in _COLUMNS)
        if "path" not in header or not labels or not rows:
            raise DatasetError(
                f"{str(path)!r} must be a table with a column 'path' and one for each emotion, "
                f"found columns {', '.join(map(repr, header)) or 'none'} and {len(rows)} rows"
            )
        if utterances is None:
            utterances = _told(rows, path, root)
        known = {_named(utterance.path, root): utterance for utterance in utterances}
        paths = [row["path"] for row in rows]
        strange = [name for name in paths if name not in known]
        if strange or len(set(paths)) < len(paths):
            wrong = strange or [name for name in paths if paths.count(name) > 1]
            raise DatasetError(
                f"{str(path)!r} must have one row for each of some of the {len(known)} clips, "
                f"found {'another' if strange else 'one twice'}: {wrong[0]!r}"
            )
        try:
            values = np.array([[float(row[name]) for name in labels] for row in rows])
            durations = np.array([float(row.get("duration") or "nan") for row in rows])
        except (TypeError, ValueError) as error:
            raise DatasetError(f"{str(path)!r} must hold numbers: {error}") from error
        return cls(
            labels=labels,
            utterances=tuple(known[name] for name in paths),
            probabilities=values,
            durations=durations,
        )


def _told(
    rows: Sequence[Mapping[str, str]],
    path: str | os.PathLike[str],
    root: str | os.PathLike[str] | None,
) -> list[Utterance]:
    """Return the clips as a table describes them."""
    missing = {"corpus", "style", "speaker", "acted"} - rows[0].keys()
    if missing:
        raise DatasetError(
            f"{str(path)!r} does not tell what its clips are: expected columns corpus, style, "
            f"speaker and acted, found no {sorted(missing)[0]!r}; give the utterances as well"
        )
    return [
        Utterance(
            Path(root or "", row["path"]),
            row["acted"],
            corpus=row["corpus"],
            speaker=row["speaker"],
            style=row["style"],
        )
        for row in rows
    ]


def _named(path: Path, root: str | os.PathLike[str] | None) -> str:
    if root is not None and path.absolute().is_relative_to(Path(root).absolute()):
        path = path.absolute().relative_to(Path(root).absolute())
    return path.as_posix()


def require_labels(utterances: Iterable[Utterance], labels: Sequence[str]) -> None:
    """Raise `DatasetError` where a clip acts an emotion that is never answered."""
    unknown = {utterance.emotion for utterance in utterances} - set(labels)
    if unknown:
        raise DatasetError(
            f"the test set must act emotions among {', '.join(labels)}; "
            f"found {', '.join(sorted(unknown))}"
        )


def require_probabilities(given: Any, paths: Sequence[Path], n_labels: int) -> NDArray[np.float64]:
    """Return probabilities as an array; raise `ValueError` where they are none."""
    try:
        values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"expected probabilities of shape ({len(paths)}, {n_labels}), got "
            f"{type(given).__name__}, of which NumPy makes no array: {error}"
        ) from error
    if values.shape != (len(paths), n_labels):
        raise ValueError(
            f"expected probabilities of shape ({len(paths)}, {n_labels}), a row for each clip and "
            f"a column for each label, got shape {values.shape}"
        )
    rules: tuple[tuple[str, Any, str], ...] = (
        ("finite", np.isfinite(values).all(axis=1), ""),
        ("0 or more", (values >= 0).all(axis=1), "; a softmax makes probabilities of scores"),
        (
            "1 in sum",
            np.abs(values.sum(axis=1) - 1) <= _ROUNDING,
            "; a softmax makes probabilities of scores",
        ),
    )
    for wanted, is_right, hint in rules:
        if not is_right.all():
            row = int(is_right.argmin())
            found = ", ".join(f"{value:g}" for value in values[row])
            raise ValueError(
                f"probabilities must be {wanted}, got {found} for {str(paths[row])!r}, one of "
                f"{int((~is_right).sum())} such clips{hint}"
            )
    return values


def collect(
    recognizer: EmotionRecognizer | Callable[[Any], Any],
    labels: tuple[str, ...],
    test_set: Sequence[Utterance],
    features: FeatureSpec | None,
    n_jobs: int,
) -> Predictions:
    """Ask a recogniser, or somebody's function, for each clip, once."""
    if hasattr(recognizer, "predict_batch"):
        answers = _asked(recognizer, test_set, n_jobs)
    else:
        answers = _judged(recognizer, len(labels), test_set, features, n_jobs)
    judged, rows, durations, failed = [], [], [], {}
    progress = tqdm(answers, "testing", total=len(test_set), unit="clip", disable=None)
    for utterance, answer in zip(test_set, progress, strict=True):
        if isinstance(answer, Exception):
            _logger.warning("left out %s: %s", utterance.path, answer)
            failed[utterance.path] = str(answer)
        else:
            judged.append(utterance)
            rows.append(answer[0])
            durations.append(answer[1])
    if not judged:
        raise DatasetError(f"none of the {len(test_set)} clips of the test set can be judged")
    return Predictions(
        labels=labels,
        utterances=tuple(judged),
        probabilities=np.array(rows, dtype=np.float64),
        durations=np.array(durations, dtype=np.float64),
        failed=failed,
    )


_Answer = tuple[Any, float] | Exception


def _asked(recognizer: Any, test_set: Sequence[Utterance], n_jobs: int) -> Iterator[_Answer]:
    paths = [utterance.path for utterance in test_set]
    answers = recognizer.predict_batch(iter(paths), n_jobs=n_jobs, on_error="keep")
    for path, answer in zip(paths, answers, strict=True):
        if isinstance(answer, Exception):
            yield answer
        else:
            yield list(answer.probabilities.values()), _duration(path)


def _duration(path: Path) -> float:
    """Return what the head of a file says, in s; NaN where it says nothing."""
    import soundfile

    try:
        return float(soundfile.info(path).duration)
    except (OSError, RuntimeError, TypeError):  # a container that only FFmpeg reads
        return float("nan")


def _judged(
    function: Callable[[Any], Any],
    n_labels: int,
    test_set: Sequence[Utterance],
    features: FeatureSpec | None,
    n_jobs: int,
) -> Iterator[_Answer]:
    import joblib

    extract = None if features is None else Extractor(features)
    rate = None if features is None else features.sampling_rate

    def read(path: Path) -> tuple[Any, float] | EmotionRecogError | OSError:
        try:
            clip = audio.load(path, sampling_rate=rate)
            return (clip if extract is None else extract(clip.samples)), clip.duration
        except (EmotionRecogError, OSError) as error:
            return error.with_traceback(None)

    with joblib.Parallel(n_jobs=n_jobs, prefer="threads") as parallel:
        for first in range(0, len(test_set), _BATCH):
            paths = [utterance.path for utterance in test_set[first : first + _BATCH]]
            heard = parallel(joblib.delayed(read)(path) for path in paths)
            usable = [i for i, clip in enumerate(heard) if not isinstance(clip, Exception)]
            answers: list[_Answer] = list(heard)
            for together in _lots([heard[i][0] for i in usable], is_array=extract is not None):
                lot = [usable[i] for i in together]
                clips = [heard[i][0] for i in lot]
                given = function(clips if extract is None else np.stack(clips))
                rows = require_probabilities(given, [paths[i] for i in lot], n_labels)
                for i, row in zip(lot, rows, strict=True):
                    answers[i] = row, heard[i][1]
            yield from answers


def _lots(clips: Sequence[Any], *, is_array: bool) -> list[list[int]]:
    """Say which clips go together: all, or where they are arrays those of one shape."""
    if not is_array:
        return [list(range(len(clips)))] if clips else []
    lots: dict[tuple[int, ...], list[int]] = {}
    for i, clip in enumerate(clips):
        lots.setdefault(clip.shape, []).append(i)
    return list(lots.values())
