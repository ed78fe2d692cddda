"""The table of predictions, clip by clip, from which all metrics are computed."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from tqdm import tqdm

from emotionrecog import audio, files, parallel
from emotionrecog.audio import Waveform
from emotionrecog.datasets import Utterance
from emotionrecog.errors import DatasetError
from emotionrecog.features import Extractor
from emotionrecog.files import relative_name
from emotionrecog.text import count

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from emotionrecog.features import FeatureSpec
    from emotionrecog.inference import Recognizer

__all__ = [
    "BATCH",
    "Judge",
    "Predictions",
    "answered_labels",
    "collect",
    "corpus_name",
    "judge_batch",
    "name_of",
    "require_labels",
    "require_names",
    "require_probabilities",
]

Judge = Callable[[list[Waveform]], Any]
"""A function that takes recordings, each at its own sampling rate, and returns probabilities of
shape (n_clips, n_labels), as an array or anything that NumPy converts to one."""

BATCH = 16
"""Largest number of clips that a function judges in one call."""

# Largest distance of a clip's sum of probabilities from 1: half precision is enough.
_ROUNDING = 1e-2

_COLUMNS = ("path", "corpus", "style", "speaker", "acted", "answered", "duration")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """A recogniser's probabilities for the clips of a test set.

    Parameters
    ----------
    labels : tuple of str
        The emotions that may be answered.
    utterances : tuple of Utterance
        The clips that were judged.
    probabilities : ndarray of float64, shape (n_clips, n_labels)
        Probability of each emotion, in the order of `labels`.
    durations : ndarray of float64, shape (n_clips,)
        Durations of the recordings in s; NaN if unknown.
    failed : mapping of Path to str
        Clips that could not be judged, with the reason.

    Raises
    ------
    DatasetError
        If a clip's emotion is not one of the labels.
    ValueError
        If probabilities have another shape, are NaN, infinite or negative, or do not sum to 1.

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
        """Validate the fields."""
        require_names(self.labels)
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
        """Position in `labels` of the emotion that each clip acts, shape (n_clips,)."""
        return np.array([self.labels.index(u.emotion) for u in self.utterances], dtype=np.intp)

    @property
    def corpora(self) -> tuple[str, ...]:
        """Name of the corpus under which each clip counts; see `corpus_name`."""
        return tuple(map(corpus_name, self.utterances))

    def among_acted(self) -> NDArray[np.float64]:
        """Return the probabilities among the emotions that each clip's corpus acts.

        Returns
        -------
        ndarray of float64, shape (n_clips, n_labels)
            Zero for the emotions that no clip of the corpus acts; each row sums to 1.
        """
        allowed = np.zeros(self.probabilities.shape, dtype=bool)
        names, acted = np.array(self.corpora), self.acted
        for name in set(names.tolist()):
            in_corpus = names == name
            allowed[np.ix_(in_corpus, np.unique(acted[in_corpus]))] = True
        closed = np.where(allowed, self.probabilities, 0.0)
        # If all probability is on other emotions, these are equally probable.
        closed = np.where(closed.sum(axis=1, keepdims=True) > 0, closed, allowed.astype(float))
        shares: NDArray[np.float64] = closed / closed.sum(axis=1, keepdims=True)
        return shares

    def write_csv(
        self, path: str | os.PathLike[str], *, root: str | os.PathLike[str] | None = None
    ) -> None:
        """Write a table with a row for each clip that was judged.

        The columns are ``path``, ``corpus``, ``style``, ``speaker``, ``acted``, ``answered`` (among
        the emotions that the clip's corpus acts), ``duration`` in s, and the probability of each
        label.

        Parameters
        ----------
        path
            The file to write, in UTF-8. Missing parent folders are created; an existing file is
            replaced.
        root
            Recordings below this folder are named relative to it, with forward slashes.

        Examples
        --------
        >>> import tempfile
        >>> fold = Path("benchmarks/results/benchmark/tess-speaker2/tess-speaker2-1.csv")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Predictions.read_csv(fold).write_csv(f"{folder}/predictions.csv")
        ...     Path(folder, "predictions.csv").read_text()[:18]
        'path,corpus,style,'
        """
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow((*_COLUMNS, *self.labels))
        answered = self.among_acted().argmax(axis=1)
        for row, utterance in enumerate(self.utterances):
            duration = self.durations[row]
            writer.writerow(
                (
                    relative_name(utterance.path, root),
                    utterance.corpus,
                    utterance.style,
                    utterance.speaker,
                    utterance.emotion,
                    self.labels[answered[row]],
                    f"{duration:.3f}" if np.isfinite(duration) else "",
                    # As many digits as float32 has, the type of a network's outputs.
                    *(f"{share:.9g}" for share in self.probabilities[row]),
                )
            )
        # File names need not be text.
        files.write_text(path, text.getvalue(), errors="surrogateescape")

    @classmethod
    def read_csv(
        cls,
        path: str | os.PathLike[str],
        utterances: Iterable[Utterance] | None = None,
        *,
        root: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Read a table in the format of `write_csv`.

        Parameters
        ----------
        path
            The file to read. It must have a column ``path`` and, last, one for each label.
        utterances
            The clips, matched by path; clips that are not in the table are left out. By default,
            clips are described by the table, which then needs the columns ``corpus``, ``style``,
            ``speaker`` and ``acted`` as well.
        root
            The folder to which the paths of the table are relative.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        DatasetError
            If the file is not such a table, or has a clip twice or one that is not among
            `utterances`.
        ValueError
            If its values are not probabilities.
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
            utterances = _described_clips(rows, path, root)
        clips = {relative_name(utterance.path, root): utterance for utterance in utterances}
        paths = [row["path"] for row in rows]
        unknown = [name for name in paths if name not in clips]
        if unknown or len(set(paths)) < len(paths):
            wrong = unknown or [name for name in paths if paths.count(name) > 1]
            raise DatasetError(
                f"{str(path)!r} must have at most one row for each of the {len(clips)} clips, "
                f"found {'another clip' if unknown else 'a clip twice'}: {wrong[0]!r}"
            )
        try:
            values = np.array([[float(row[name]) for name in labels] for row in rows])
            durations = np.array([float(row.get("duration") or "nan") for row in rows])
        except (TypeError, ValueError) as error:
            raise DatasetError(f"{str(path)!r} must hold numbers: {error}") from error
        return cls(
            labels=labels,
            utterances=tuple(clips[name] for name in paths),
            probabilities=values,
            durations=durations,
        )


def _described_clips(
    rows: Sequence[Mapping[str, str]],
    path: str | os.PathLike[str],
    root: str | os.PathLike[str] | None,
) -> list[Utterance]:
    """Return the clips that the rows of a table describe."""
    missing = {"corpus", "style", "speaker", "acted"} - rows[0].keys()
    if missing:
        raise DatasetError(
            f"{str(path)!r} does not describe its clips: expected columns corpus, style, speaker "
            f"and acted, found no {sorted(missing)[0]!r}; pass the utterances as well"
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


def corpus_name(utterance: Utterance) -> str:
    """Return the name under which a clip counts: its corpus, with the style if it is not speech.

    Examples
    --------
    >>> corpus_name(Utterance(Path("a.wav"), "sad", corpus="mine", speaker="mine/ann"))
    'mine'
    >>> clip = Utterance(Path("a.wav"), "sad", corpus="mine", speaker="mine/ann", style="song")
    >>> corpus_name(clip)
    'mine song'
    """
    if utterance.style == "speech":
        return utterance.corpus
    return f"{utterance.corpus} {utterance.style}"


def name_of(recognizer: object) -> str:
    """Return the name of a recogniser, a function or a Keras network.

    Examples
    --------
    >>> name_of(len)
    'len'
    """
    artifact = getattr(recognizer, "artifact", None)
    for name in (
        getattr(artifact, "name", None),
        getattr(recognizer, "__name__", None),
        getattr(recognizer, "name", None),
    ):
        if name:
            return str(name)
    return type(recognizer).__name__


def answered_labels(
    recognizer: object, labels: Sequence[str] | None, features: FeatureSpec | None
) -> tuple[str, ...]:
    """Return the emotions that a recogniser, function or network answers.

    Parameters
    ----------
    recognizer, labels, features
        As for `emotionrecog.evaluation.evaluate`.

    Raises
    ------
    ValueError
        If a function comes without `labels`, or a recogniser with `labels` or `features`.

    Examples
    --------
    >>> answered_labels(len, ["happy", "sad"], None)
    ('happy', 'sad')
    """
    if hasattr(recognizer, "predict_batch"):
        if labels is not None or features is not None:
            raise ValueError(
                "`labels` and `features` are for functions and networks; a recogniser has its own"
            )
        of_recognizer: tuple[str, ...] = recognizer.labels  # type: ignore[attr-defined]
        return of_recognizer
    if not callable(recognizer):
        raise ValueError(
            "`recognizer` must be an EmotionRecognizer or a function that takes recordings and "
            f"returns probabilities, got {recognizer!r:.60}"
        )
    if labels is None or isinstance(labels, str):
        raise ValueError(
            "a function needs `labels`, the emotions in the order of its probabilities, got "
            f"{labels!r}"
        )
    require_names(labels)
    return tuple(labels)


def require_names(labels: Sequence[str]) -> None:
    """Raise `ValueError` unless labels are two or more different names.

    Examples
    --------
    >>> require_names(("sad", "sad"))
    Traceback (most recent call last):
    ValueError: `labels` must be two or more different names, got ('sad', 'sad')
    """
    if len(labels) < 2 or len(set(labels)) < len(labels):
        raise ValueError(f"`labels` must be two or more different names, got {tuple(labels)!r}")


def require_labels(utterances: Iterable[Utterance], labels: Sequence[str]) -> None:
    """Raise `DatasetError` if a clip's emotion is not one of the labels.

    Examples
    --------
    >>> clip = Utterance(Path("a.wav"), "calm", corpus="mine", speaker="mine/ann")
    >>> require_labels([clip], ("happy", "sad"))
    Traceback (most recent call last):
    emotionrecog.errors.DatasetError: utterances must be labelled with one of happy, sad; found calm
    """
    unknown = {utterance.emotion for utterance in utterances} - set(labels)
    if unknown:
        raise DatasetError(
            f"utterances must be labelled with one of {', '.join(labels)}; "
            f"found {', '.join(sorted(unknown))}"
        )


def require_probabilities(values: Any, paths: Sequence[Path], n_labels: int) -> NDArray[np.float64]:
    """Return probabilities as an array, or raise `ValueError` if they are not valid.

    Parameters
    ----------
    values
        Output of a function for clips.
    paths
        Paths of the clips, for the message.
    n_labels
        Number of labels.

    Returns
    -------
    ndarray of float64, shape (n_clips, n_labels)

    Examples
    --------
    >>> require_probabilities([[0.4, 0.5]], ["clip.wav"], 2)
    Traceback (most recent call last):
    ValueError: probabilities must sum to 1, got 0.4, 0.5 for 'clip.wav' (1 such clip); a softmax \
turns scores into probabilities
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"expected probabilities of shape ({len(paths)}, {n_labels}), got "
            f"{type(values).__name__}, which NumPy cannot convert to an array: {error}"
        ) from error
    if array.shape != (len(paths), n_labels):
        raise ValueError(
            f"expected probabilities of shape ({len(paths)}, {n_labels}), a row for each clip and "
            f"a column for each label, got shape {array.shape}"
        )
    hint = "; a softmax turns scores into probabilities"
    rules: tuple[tuple[str, Any, str], ...] = (
        ("be finite", np.isfinite(array).all(axis=1), ""),
        ("be 0 or more", (array >= 0).all(axis=1), hint),
        ("sum to 1", np.abs(array.sum(axis=1) - 1) <= _ROUNDING, hint),
    )
    for rule, is_valid, hint in rules:
        if not is_valid.all():
            row = int(is_valid.argmin())
            numbers = ", ".join(f"{value:g}" for value in array[row])
            raise ValueError(
                f"probabilities must {rule}, got {numbers} for {str(paths[row])!r} "
                f"({count(int((~is_valid).sum()), 'such clip')}){hint}"
            )
    return array


def collect(
    recognizer: Recognizer | Callable[[Any], Any],
    labels: tuple[str, ...],
    test_set: Sequence[Utterance],
    features: FeatureSpec | None,
    n_jobs: int,
) -> Predictions:
    """Have a recogniser, a function or a network judge each clip once.

    Parameters
    ----------
    recognizer, test_set, features, n_jobs
        As for `emotionrecog.evaluation.evaluate`.
    labels
        The emotions that it answers, as `answered_labels` returns them.

    Returns
    -------
    Predictions
        Clips that cannot be judged are in ``failed``, and are logged.

    Raises
    ------
    DatasetError
        If no clip can be judged.

    Examples
    --------
    >>> clips = [Utterance(Path("examples/clip.wav"), "sad", corpus="mine", speaker="mine/robot")]
    >>> undecided = lambda waveforms: [[0.5, 0.5]] * len(waveforms)
    >>> collect(undecided, ("happy", "sad"), clips, None, 1).probabilities
    array([[0.5, 0.5]])
    """
    paths = [utterance.path for utterance in test_set]
    if hasattr(recognizer, "predict_batch"):
        answers = _by_recognizer(recognizer, paths, n_jobs)
    else:
        answers = _by_function(recognizer, len(labels), paths, features, n_jobs)
    bar = tqdm(answers, "testing", total=len(test_set), unit="clip", disable=None)
    results: parallel.Results[Utterance, _Answer] = parallel.collected(
        zip(test_set, bar, strict=True)
    )
    if not results.items:
        raise DatasetError(f"none of the {len(test_set)} clips of the test set can be judged")
    return Predictions(
        labels=labels,
        utterances=tuple(results.items),
        probabilities=np.array([shares for shares, _ in results.values], dtype=np.float64),
        durations=np.array([duration for _, duration in results.values], dtype=np.float64),
        failed=results.failed,
    )


# Probabilities and duration in s.
_Answer = tuple[Any, float]


def _by_recognizer(
    recognizer: Any, paths: Sequence[Path], n_jobs: int
) -> Iterator[_Answer | Exception]:
    predictions = recognizer.predict_batch(iter(paths), n_jobs=n_jobs, on_error="keep")
    for path, prediction in zip(paths, predictions, strict=True):
        if isinstance(prediction, Exception):
            yield prediction
        else:
            yield list(prediction.probabilities.values()), _duration(path)


def _duration(path: Path) -> float:
    """Return the duration in a file's header, in s; NaN if it has none."""
    import soundfile

    try:
        return float(soundfile.info(path).duration)
    except (OSError, RuntimeError, TypeError):  # a container that only FFmpeg reads
        return float("nan")


def _by_function(
    function: Callable[[Any], Any],
    n_labels: int,
    paths: Sequence[Path],
    features: FeatureSpec | None,
    n_jobs: int,
) -> Iterator[_Answer | Exception]:
    extract = None if features is None else Extractor(features)
    rate = None if features is None else features.sampling_rate

    def read(path: Path) -> tuple[Any, float]:
        clip = audio.load(path, sampling_rate=rate)
        return (clip if extract is None else extract(clip.samples)), clip.duration

    # Reading runs at most a batch ahead, since a test set need not fit into memory.
    for first in range(0, len(paths), BATCH):
        batch = paths[first : first + BATCH]
        clips = [answer for _, answer in parallel.stream(read, batch, activity=None, n_jobs=n_jobs)]
        rows = judge_batch(
            function,
            [clip if isinstance(clip, Exception) else clip[0] for clip in clips],
            batch,
            n_labels,
        )
        for clip, row in zip(clips, rows, strict=True):
            if isinstance(clip, Exception):
                yield clip
            else:
                yield row, clip[1]


def judge_batch(
    function: Callable[[Any], Any],
    inputs: Sequence[Any],
    paths: Sequence[Path],
    n_labels: int,
) -> list[Any]:
    """Call a function for recordings, or features, at most `BATCH` at a time.

    Parameters
    ----------
    function
        Takes a list of `Waveform`, or an array of features of shape (n_clips, …).
    inputs
        Recordings, or arrays of features; those of equal shape are judged together. Exceptions
        among them are passed through.
    paths
        Path of each input, for messages.
    n_labels
        Number of labels.

    Returns
    -------
    list of (ndarray of float64, shape (n_labels,)) or Exception
        One for each input.

    Raises
    ------
    ValueError
        If the function does not return probabilities.

    Examples
    --------
    >>> shares = [np.array([0.2, 0.8]), np.array([0.7, 0.3])]
    >>> rows = judge_batch(lambda features: features[:, ::-1], shares, ["a.wav", "b.wav"], 2)
    >>> [row.tolist() for row in rows]
    [[0.8, 0.2], [0.3, 0.7]]
    """
    answers = list(inputs)
    by_shape: dict[Any, list[int]] = {}
    for i, value in enumerate(inputs):
        if not isinstance(value, Exception):
            by_shape.setdefault(getattr(value, "shape", None), []).append(i)
    for places in by_shape.values():
        for first in range(0, len(places), BATCH):
            chunk = places[first : first + BATCH]
            batch: Any = [inputs[i] for i in chunk]
            batch = batch if isinstance(batch[0], Waveform) else np.stack(batch)
            rows = require_probabilities(function(batch), [paths[i] for i in chunk], n_labels)
            for i, row in zip(chunk, rows, strict=True):
                answers[i] = row
    return answers
