"""Every fold of a protocol trained and tested, beside what others published.

`run` makes the folds, which may take hours, and keeps what was answered to every clip; `summary`
makes the figures of what is kept, and `published` has those of others.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import hashlib
import itertools
import json
import logging
import logging.handlers
import multiprocessing
import multiprocessing.connection
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from tqdm import tqdm

from emotionrecog import evaluation, training
from emotionrecog.datasets import Utterance
from emotionrecog.errors import DatasetError, EmotionRecogError, LeakageError
from emotionrecog.evaluation import Predictions
from emotionrecog.inference import Engine
from emotionrecog.splits import protocols
from emotionrecog.splits.dividing import without_validation
from emotionrecog.training import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from emotionrecog.evaluation import CorpusReport
    from emotionrecog.splits.protocols import Fold

__all__ = [
    "FIGURES",
    "FOUR",
    "CorpusSummary",
    "Published",
    "Summary",
    "published",
    "run",
    "summary",
]

_logger = logging.getLogger("emotionrecog")

FIGURES = ("uar", "wa", "macro_f1", "calibration_error")
"""Figures that are summed up over folds; see `emotionrecog.evaluation.CorpusReport`."""

FOUR = ("angry", "happy", "neutral", "sad")
"""The emotions that figures on unheard corpora are usually published of."""

# The figures on these four alone are made where whole corpora are held out.
_ACROSS = "cross-corpus"

# Of a probability so many digits are kept, and the figures are made of what is kept.
_DIGITS = 4

# What a process that trains takes, in bytes: TensorFlow itself, and for each clip what is kept of
# it and of its copies. With the default recipe 360 clips took 1.5 GB, and 9,700 took 5 GB.
_MEMORY, _MEMORY_OF_CLIP = 1_350_000_000, 380_000

# With fewer speakers, intervals are too narrow; see `emotionrecog.evaluation`.
_FEW_SPEAKERS = 5

# Lines of what a process wrote that are told where it failed.
_TAIL = 8


# --- what others published ----------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
    """A figure of others.

    Parameters
    ----------
    protocol
        Name of the protocol that it is of, or that it comes nearest to.
    corpus
        What was tested.
    system
        What was measured.
    uar, wa
        Unweighted average recall and accuracy, from 0 to 1; None where it is not told.
    uar_to
        Where `uar` is the lowest of several, the highest.
    n_emotions
        How many emotions were told apart.
    same_protocol
        Whether folds and task are those of the protocol, so that figures can be compared.
    speaker_disjoint
        Whether no speaker was in both training and test; None where there was no training.
    source
        Where it was published.
    note
        What else to know.
    """

    protocol: str
    corpus: str
    system: str
    uar: float | None = None
    wa: float | None = None
    uar_to: float | None = None
    n_emotions: int
    same_protocol: bool
    speaker_disjoint: bool | None
    source: str
    note: str = ""


@functools.cache
def _all_published() -> tuple[Published, ...]:
    text = resources.files("emotionrecog").joinpath("data/published.json").read_text("utf-8")
    return tuple(Published(**row) for row in json.loads(text))


def published(protocol: str | None = None) -> tuple[Published, ...]:
    """Return the figures of others, those that can be compared first and of these the best first.

    Parameters
    ----------
    protocol
        Only those that are shown beside this protocol.

    Raises
    ------
    ValueError
        If there is no protocol of that name.

    Examples
    --------
    >>> from emotionrecog import benchmark
    >>> best = benchmark.published("ravdess/emobox6")[0]
    >>> best.system, best.uar, best.speaker_disjoint
    ('Whisper large v3, frozen, and a head', 0.753, True)
    """
    if protocol is not None:
        protocols.get(protocol)
    rows = [row for row in _all_published() if protocol in (None, row.protocol)]
    return tuple(sorted(rows, key=lambda row: (not row.same_protocol, -_either(row))))


def _either(row: Published) -> float:
    return row.uar if row.uar is not None else row.wa or 0.0


# --- figures of what is kept --------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorpusSummary:
    """Figures on a corpus over the folds that test it, all fractions from 0 to 1.

    Parameters
    ----------
    corpus, n_folds, n_clips, n_speakers, emotions
        What was tested. Every clip counts once where the folds test each once.
    mean, deviation
        Of each of `FIGURES`, the mean over folds and the sample standard deviation; None of a
        single fold.
    pooled
        The figures of the answers of all folds together.
    intervals
        Of the pooled figures, by draws of speakers: in which each lies with 95 % confidence.
    """

    corpus: str
    n_folds: int
    n_clips: int
    n_speakers: int
    emotions: tuple[str, ...]
    mean: Mapping[str, float]
    deviation: Mapping[str, float | None]
    pooled: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """What a benchmark of one protocol came to.

    Parameters
    ----------
    protocol, title, speaker_disjoint, text_disjoint
        Those of the `emotionrecog.splits.protocols.Protocol`.
    folds
        A row for each fold that is done, as its file has it.
    missing
        Names of the folds that are not done.
    corpora
        A summary for each corpus that is tested.
    four
        The same of the clips that act one of `FOUR`, with answers among these; where whole corpora
        are held out.
    mean, deviation
        Of each of `FIGURES`, over folds, each of which counts as the mean of its corpora.
    command
        What was called.
    recipe, initial_weights
        What the networks were trained with.
    notes
        What to know before believing the figures.
    """

    protocol: str
    title: str
    speaker_disjoint: bool
    text_disjoint: bool
    folds: tuple[Mapping[str, Any], ...]
    missing: tuple[str, ...]
    corpora: tuple[CorpusSummary, ...]
    four: tuple[CorpusSummary, ...]
    mean: Mapping[str, float]
    deviation: Mapping[str, float | None]
    command: str
    recipe: Mapping[str, Any]
    initial_weights: str | None
    notes: tuple[str, ...] = ()

    def compares(self, other: Published) -> bool:
        """Whether a figure of others is of the same folds and the same emotions."""
        return other.same_protocol and any(
            (row.corpus, len(row.emotions)) == (other.corpus, other.n_emotions)
            for row in self.corpora
        )

    def best(self, corpus: str) -> list[tuple[str, float, Published]]:
        """Return the highest recall and the highest accuracy of others that compare.

        Returns
        -------
        list of (str, float, Published)
            ``"UAR"`` or ``"WA"``, the figure, and whose it is; one, both or neither.
        """
        own = [row for row in published(self.protocol) if self.compares(row)]
        found = []
        for name in ("uar", "wa"):
            rows = [row for row in own if row.corpus == corpus and getattr(row, name) is not None]
            if rows:
                best = max(rows, key=lambda row: float(getattr(row, name)))
                found.append((name.upper(), float(getattr(best, name)), best))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the figures ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return what `to_dict` made these values of."""
        rows = {
            name: tuple(_corpus_summary(row) for row in values[name])
            for name in ("corpora", "four")
        }
        lists = {name: tuple(values[name]) for name in ("folds", "missing", "notes")}
        return cls(**{**values, **rows, **lists})

    def __str__(self) -> str:
        """Lay the figures out beside those of others, in per cent."""
        return "\n".join(_lines(self))


def _corpus_summary(values: Mapping[str, Any]) -> CorpusSummary:
    bounds = {name: tuple(pair) for name, pair in values["intervals"].items()}
    return CorpusSummary(**{**values, "emotions": tuple(values["emotions"]), "intervals": bounds})


def summary(folder: str | os.PathLike[str]) -> Summary:
    """Make the figures of the folds that are done.

    Parameters
    ----------
    folder
        That of one protocol, in the output of `run`. The recordings are not needed.

    Raises
    ------
    FileNotFoundError
        If no benchmark was begun there.
    DatasetError
        If no fold is done, or a file does not hold what it should.
    """
    folder = Path(folder)
    begun = folder / "run.json"
    if not begun.is_file():
        raise FileNotFoundError(
            f"no benchmark in {str(folder)!r}: expected a file run.json; emotionrecog benchmark "
            "makes one folder for each protocol"
        )
    about = _read_json(begun)
    done = {fold: _fold_of(folder, fold) for fold in about["folds"]}
    rows = [pair[0] for pair in done.values() if pair]
    tables = [pair[1] for pair in done.values() if pair]
    if not rows:
        raise DatasetError(f"no fold of {about['protocol']} is done yet in {str(folder)!r}")
    protocol = protocols.get(about["protocol"])
    of_folds = [row["corpora"] for row in rows]
    whole = [
        {name: float(np.mean([row[name] for row in own])) for name in FIGURES} for own in of_folds
    ]
    mean, deviation = _spread(whole)
    corpora = tuple(_corpus_summaries(tables, of_folds))
    four = tuple(_corpus_summaries([_among(table, FOUR) for table in tables], of_folds, "four"))
    return Summary(
        protocol=protocol.name,
        title=protocol.title,
        speaker_disjoint=protocol.speaker_disjoint,
        text_disjoint=protocol.text_disjoint,
        folds=tuple(rows),
        missing=tuple(name for name, pair in done.items() if not pair),
        corpora=corpora,
        four=four if about["protocol"] == _ACROSS else (),
        mean=mean,
        deviation=deviation,
        command=about["command"],
        recipe=about["recipe"],
        initial_weights=about["initial_weights"] and about["initial_weights"]["name"],
        notes=tuple(_notes(protocol, rows, corpora)),
    )


def _fold_of(folder: Path, name: str) -> tuple[dict[str, Any], Predictions] | None:
    """Return the row of a fold and what was answered; nothing where it is not done."""
    path = folder / f"{_file_name(name)}.json"
    if not path.is_file():
        return None
    return _read_json(path), Predictions.read_csv(path.with_suffix(".csv"))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DatasetError(
            f"{str(path)!r} must be JSON: {error}; remove it to begin anew"
        ) from error
    return found


def _corpus_summaries(
    tables: Sequence[Predictions | None],
    of_folds: Sequence[Sequence[Mapping[str, Any]]],
    entry: str | None = None,
) -> Iterator[CorpusSummary]:
    given = [table for table in tables if table is not None]
    if not given:
        return
    pooled = evaluation.report(_together(given))
    for report in pooled.corpora:
        own = [
            row if entry is None else row[entry]
            for rows in of_folds
            for row in rows
            if row["corpus"] == report.corpus
        ]
        own = [row for row in own if row]
        mean, deviation = _spread(own)
        yield CorpusSummary(
            corpus=report.corpus,
            n_folds=len(own),
            n_clips=report.n_clips,
            n_speakers=len(report.speakers),
            emotions=report.emotions,
            mean=mean,
            deviation=deviation,
            pooled=_figures(report),
            intervals={k: v for k, v in report.intervals.items() if k in FIGURES},
        )


def _spread(
    rows: Sequence[Mapping[str, float]],
) -> tuple[dict[str, float], dict[str, float | None]]:
    values = {name: np.array([row[name] for row in rows]) for name in FIGURES}
    mean = {name: float(value.mean()) for name, value in values.items()}
    if len(rows) < 2:
        return mean, dict.fromkeys(FIGURES)
    return mean, {name: float(value.std(ddof=1)) for name, value in values.items()}


def _figures(report: CorpusReport) -> dict[str, float]:
    return {name: float(getattr(report, name)) for name in FIGURES}


def _together(tables: Sequence[Predictions]) -> Predictions:
    return Predictions(
        labels=tables[0].labels,
        utterances=tuple(u for table in tables for u in table.utterances),
        probabilities=np.concatenate([table.probabilities for table in tables]),
        durations=np.concatenate([table.durations for table in tables]),
    )


def _among(predictions: Predictions, emotions: Sequence[str]) -> Predictions | None:
    """Return the clips that act some emotions, with answers among these alone."""
    if not set(emotions) <= set(predictions.labels):
        return None
    own = [i for i, u in enumerate(predictions.utterances) if u.emotion in emotions]
    if not own:
        return None
    columns = [predictions.labels.index(emotion) for emotion in emotions]
    shares = predictions.probabilities[np.ix_(own, columns)]
    shares = np.where(shares.sum(axis=1, keepdims=True) > 0, shares, 1.0)
    return Predictions(
        labels=tuple(emotions),
        utterances=tuple(predictions.utterances[i] for i in own),
        probabilities=shares / shares.sum(axis=1, keepdims=True),
        durations=predictions.durations[own],
    )


def _notes(
    protocol: protocols.Protocol,
    rows: Sequence[Mapping[str, Any]],
    corpora: Sequence[CorpusSummary],
) -> Iterator[str]:
    if not protocol.speaker_disjoint:
        yield "SPEAKERS ARE IN TRAINING AND TEST: these are no figures on new voices"
    for row in rows:
        if row["leakage"]:
            yield f"{row['fold']} leaks: {row['leakage']}"
    if not protocol.text_disjoint:
        yield "sentences that are tested may have been trained on, said by others"
    if any(row.corpus == "ravdess" for row in corpora):
        yield "RAVDESS has two sentences, which all its speakers say"
    few = [row.corpus for row in corpora if 1 < row.n_speakers < _FEW_SPEAKERS]
    if few:
        yield f"{', '.join(few)}: too few speakers for an interval that can be relied on"
    failed = sum(len(row["failed"]) for row in rows)
    if failed:
        yield f"clips that could not be judged and are not counted: {failed}"
    several = {json.dumps(row["versions"], sort_keys=True) for row in rows}
    if len(several) > 1:
        yield "the folds were trained with different versions of the libraries; see their files"


# --- making the folds ---------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Task:
    """One fold to make, and where to keep it."""

    fold: Fold
    folder: Path
    recipe: Recipe
    initial_weights: str | None
    root: str | None
    allow_leakage: bool
    n_threads: int = -1

    @property
    def path(self) -> Path:
        return self.folder / f"{_file_name(self.fold.name)}.json"

    @property
    def unfinished(self) -> Path:
        """Return the folder of what is only needed until the fold is done."""
        return self.folder / "unfinished" / _file_name(self.fold.name)


def run(
    utterances: Iterable[Utterance],
    names: Sequence[str],
    output: str | os.PathLike[str],
    *,
    recipe: Recipe | None = None,
    initial_weights: str | os.PathLike[str] | None = None,
    root: str | os.PathLike[str] | None = None,
    allow_leakage: bool = False,
    n_jobs: int | None = None,
    command: str = "",
) -> list[Summary]:
    """Train and test every fold of protocols.

    In `output` each protocol has a folder, such as ``ravdess-subject5``, and in it each fold has
    what was answered to every clip (CSV) and its figures (JSON). A fold that is there is not made
    again, so that a run which was stopped goes on, within a fold after the last epoch.

    Where nothing is chosen on validation speakers, for the recipe has no patience, they are learnt
    from.

    Parameters
    ----------
    utterances
        Of whatever corpora the protocols need, or more.
    names
        Names of protocols, some of `emotionrecog.splits.protocols.NAMES`.
    output
        The folder to keep everything in; it is made.
    recipe
        How to train; the default is that of the recogniser that comes with the package.
    initial_weights
        As for `emotionrecog.training.train`.
    root
        The paths in the tables are relative to this folder.
    allow_leakage
        Make protocols that are not speaker-disjoint as well. Their figures are none on new voices.
    n_jobs
        How many folds to make side by side, each in a process of its own; with one, in this one.
        By default as many as there are cores, and room in memory. Scripts that call this with more
        than one must do so under ``if __name__ == "__main__":``.
    command
        What the user called, to be told with the figures.

    Returns
    -------
    list of Summary
        One for each protocol.

    Raises
    ------
    ValueError
        If there is no such protocol, or `output` holds folds of another recipe, of other weights
        or of other recordings.
    LeakageError
        If a protocol is not speaker-disjoint and `allow_leakage` is false.
    DatasetError
        If the utterances are not what a protocol needs, or recordings cannot be used.
    EmotionRecogError
        If a process ends before its fold is done.
    """
    output, recipe = Path(output), recipe or Recipe()
    weights = None if initial_weights is None else os.fspath(initial_weights)
    if weights is not None and not Path(weights).is_file():
        raise FileNotFoundError(f"no such file: {weights!r}")
    if n_jobs is not None and n_jobs < 1:
        raise ValueError(f"`n_jobs` must be a whole number from 1 on, got {n_jobs!r}")
    given = list(utterances)
    tasks: list[_Task] = []
    folders = []
    begun = []
    for name in dict.fromkeys(names):
        protocol = protocols.get(name)
        if not (protocol.speaker_disjoint or allow_leakage):
            raise LeakageError(
                f"protocol {name!r} has speakers in both training and test: figures would not "
                "tell how a recogniser does on new voices. `allow_leakage=True`, or "
                "--allow-leakage on the command line, makes it all the same"
            )
        folds = protocol.folds(given)
        folder = output / _file_name(name)
        about = {
            "protocol": name,
            "command": command,
            "folds": [fold.name for fold in folds],
            "initial_weights": weights and {"name": Path(weights).name, "sha256": _hash(weights)},
            "recordings": _fingerprint(folds, root),
            "recipe": recipe.to_dict(),
        }
        _require_same(folder, about)
        folders.append(folder)
        begun.append(about)
        tasks += [
            _Task(
                fold=fold if recipe.patience is not None else without_validation(fold, given),
                folder=folder,
                recipe=recipe,
                initial_weights=weights,
                root=None if root is None else os.fspath(root),
                allow_leakage=allow_leakage,
            )
            for fold in folds
        ]
    _require_same_elsewhere(output, recipe, begun)
    for folder, about in zip(folders, begun, strict=True):
        folder.mkdir(parents=True, exist_ok=True)
        _write_json(about, folder / "run.json")
    waiting = [task for task in tasks if not task.path.exists()]
    if len(waiting) < len(tasks):
        _logger.info("%d of %d folds are there already", len(tasks) - len(waiting), len(tasks))
    # The longest first, so that none is left running alone.
    waiting.sort(key=lambda task: -_n_learnt(task))
    n_jobs = n_jobs or _room(max(map(_n_learnt, waiting), default=0))
    n_jobs = max(1, min(n_jobs, len(waiting)))
    started = time.perf_counter()
    with tqdm(total=len(waiting), desc="folds", unit="fold", disable=None) as progress:
        n_done = itertools.count(1)

        def finish(task: _Task) -> None:
            progress.update()
            _write_json(summary(task.folder).to_dict(), task.folder / "summary.json")
            row = _read_json(task.path)
            told = ", ".join(f"{c['corpus']} UAR {100 * c['uar']:.1f}" for c in row["corpora"])
            spent = time.perf_counter() - started
            _logger.info(
                "%s: %s (%d of %d, %.0f min)",
                *(task.fold.name, told, next(n_done), len(waiting), spent / 60),
            )

        if n_jobs == 1:
            for task in waiting:
                _logger.info("%s: training", task.fold.name)
                _make(task)
                gc.collect()  # networks hold themselves, and the recordings that they learnt from
                finish(task)
        else:
            n_threads = max(1, _n_cores() // n_jobs)
            shared = [dataclasses.replace(task, n_threads=n_threads) for task in waiting]
            _side_by_side(_make, shared, n_jobs, finish)
    found = []
    for folder in folders:
        shutil.rmtree(folder / "unfinished", ignore_errors=True)
        found.append(summary(folder))
        _write_json(found[-1].to_dict(), folder / "summary.json")
    return found


def _file_name(name: str) -> str:
    """Return the name of a protocol or a fold as a file may be called."""
    return name.replace("/", "-")


def _n_learnt(task: _Task) -> int:
    return len(task.fold.train) + len(task.fold.validation)


def _make(task: _Task) -> None:
    """Train and test a fold, and keep what came of it; the figures last: they say it is done."""
    fold, recipe = task.fold, task.recipe
    began = time.perf_counter()
    checkpoints = task.unfinished / "checkpoints"
    is_resumed = (checkpoints / "state.npz").exists()
    artifact = training.train(
        fold.train,
        fold.validation or None,
        recipe=recipe,
        name=_file_name(fold.name),
        initial_weights=task.initial_weights,
        checkpoints=checkpoints,
        test_set=fold.test,
        allow_leakage=task.allow_leakage,
        compare_audio=False,  # to all corpora takes a minute; `corpus audit` does
        n_jobs=task.n_threads,
    )
    report = evaluation.evaluate(
        Engine(artifact),
        fold.test,
        protocol=fold.name,
        allow_leakage=task.allow_leakage,
        n_jobs=task.n_threads,
    )
    assert report.predictions is not None
    kept = dataclasses.replace(
        report.predictions, probabilities=_rounded(report.predictions.probabilities)
    )
    about = artifact.training
    row = {
        "fold": fold.name,
        "speakers": sorted({utterance.speaker for utterance in fold.test}),
        "n_clips": len(kept.utterances),
        "failed": {
            _relative(path, task.root): why.removeprefix(f"{str(path)!r}: ")
            for path, why in kept.failed.items()
        },
        "leakage": report.leakage,
        "learnt_from": about["corpora"],
        "n_speakers_learnt_from": len(about["speakers"]),
        "n_epochs": len(about["history"]),
        "corpora": _rows(kept),
        # What an interrupted run took before nobody counted.
        "seconds": None if is_resumed else round(time.perf_counter() - began, 1),
        "versions": artifact.versions,
    }
    kept.write_csv(task.path.with_suffix(".csv"), root=task.root)
    _write_json(row, task.path)
    shutil.rmtree(task.unfinished, ignore_errors=True)


def _rows(kept: Predictions) -> list[dict[str, Any]]:
    """Return the figures of each corpus."""
    among_four = _among(kept, FOUR)
    of_four = {}
    if among_four is not None:
        of_four = {
            row.corpus: {"n_clips": row.n_clips, **_figures(row)}
            for row in evaluation.report(among_four).corpora
        }
    return [
        {
            "corpus": row.corpus,
            "n_clips": row.n_clips,
            "emotions": row.emotions,
            **_figures(row),
            "four": of_four.get(row.corpus),
        }
        for row in evaluation.report(kept).corpora
    ]


def _rounded(values: Any) -> Any:
    """Return numbers with few significant digits."""
    return np.array([float(f"{value:.{_DIGITS}g}") for value in values.flat]).reshape(values.shape)


def _relative(path: Path, root: str | None) -> str:
    if root is not None and path.absolute().is_relative_to(Path(root).absolute()):
        path = path.absolute().relative_to(Path(root).absolute())
    return path.as_posix()


def _hash(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _fingerprint(folds: Sequence[Fold], root: str | os.PathLike[str] | None) -> str:
    """Return what changes with the recordings, their sizes and what is said of them."""
    base = None if root is None else os.fspath(root)
    known: dict[Path, list[Any]] = {}

    def said(utterance: Utterance) -> list[Any]:
        found = known.get(utterance.path)
        if found is None:
            size = utterance.path.stat().st_size
            found = [_relative(utterance.path, base), size, utterance.emotion, utterance.speaker]
            known[utterance.path] = found
        return found

    parts = [
        [fold.name, *([said(u) for u in part] for part in (fold.train, fold.validation, fold.test))]
        for fold in folds
    ]
    return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogateescape")).hexdigest()


def _require_same(folder: Path, about: Mapping[str, Any]) -> None:
    """Raise `ValueError` where folds of something else were begun."""
    path = folder / "run.json"
    if not path.is_file():
        return
    before = _read_json(path)
    differing = _differing_recipe(before, about)
    before_weights, weights = (
        (row.get("initial_weights") or {}).get("sha256") for row in (before, about)
    )
    if before_weights != weights:
        differing.append("other initial weights")
    if before.get("recordings") != about["recordings"]:
        differing.append("other recordings")
    if differing:
        raise ValueError(
            f"`output`: {str(folder)!r} holds folds made with {', '.join(differing)}; name another "
            "folder, or remove it to begin anew"
        )


def _require_same_elsewhere(
    output: Path, recipe: Recipe, begun: Sequence[Mapping[str, Any]]
) -> None:
    """Raise `ValueError` where other protocols in the folder were made with another recipe."""
    if not begun:
        raise ValueError("`names` must be one protocol or more, got none")
    for path in sorted(output.glob("*/run.json")):
        differing = _differing_recipe(_read_json(path), begun[0])
        if differing:
            raise ValueError(
                f"`output`: {str(output)!r} holds {path.parent.name}, made with "
                f"{', '.join(differing)}; one folder is for one recipe: name another"
            )


def _differing_recipe(before: Mapping[str, Any], about: Mapping[str, Any]) -> list[str]:
    one, other = (json.loads(json.dumps(row.get("recipe", {}))) for row in (before, about))
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    return [f"another recipe ({', '.join(names)})"] if names else []


def _write_json(values: Mapping[str, Any], path: Path) -> None:
    """Write beside the place and move there."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as beside:
        new = Path(beside, "new")
        new.write_text(f"{json.dumps(values, indent=1, ensure_ascii=False)}\n", encoding="utf-8")
        new.replace(path)


# --- several folds at once ----------------------------------------------------------------------


def _n_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _room(n_clips: int) -> int:
    """Return how many folds of so many clips can be made at once."""
    free = _free_memory()
    n_jobs = _n_cores()
    if free is not None:
        n_jobs = min(n_jobs, free // (_MEMORY + n_clips * _MEMORY_OF_CLIP))
    return max(1, n_jobs)


def _free_memory() -> int | None:
    """Return the bytes of memory that are free; None where the system does not say so."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return None


@dataclasses.dataclass(frozen=True)
class _Running:
    """A process that works on a task, what it writes, and where its log arrives."""

    process: Any
    task: Any
    note: Path
    records: Any

    def relay(self) -> None:
        """Log here what was logged there."""
        with contextlib.suppress(EOFError, OSError):
            while self.records.poll():
                _logger.handle(self.records.recv())


def _side_by_side(
    make: Callable[[Any], None],
    tasks: Sequence[Any],
    n_jobs: int,
    finish: Callable[[Any], None],
) -> None:
    """Call a function for each task in a process of its own, some at a time."""
    left = list(tasks)
    running: list[_Running] = []
    try:
        with (
            tempfile.TemporaryDirectory(prefix="emotionrecog-") as notes,
            _threads(max(1, _n_cores() // n_jobs)),
        ):
            while left or running:
                while left and len(running) < n_jobs:
                    running.append(_begin(make, left.pop(0), Path(notes, str(len(left)))))
                awaited = [waited for r in running for waited in (r.process.sentinel, r.records)]
                ready = multiprocessing.connection.wait(awaited)
                for one in list(running):
                    one.relay()
                    if one.process.sentinel not in ready:
                        continue
                    one.process.join()
                    one.relay()
                    running.remove(one)
                    if one.process.exitcode:
                        raise EmotionRecogError(_why(one))
                    finish(one.task)
    finally:
        for one in running:
            one.process.terminate()
        for one in running:
            one.process.join()


def _begin(make: Callable[[Any], None], task: Any, note: Path) -> _Running:
    context = multiprocessing.get_context("spawn")
    records, sender = context.Pipe(duplex=False)
    level = _logger.getEffectiveLevel()
    process = context.Process(target=_in_process, args=(make, task, str(note), sender, level))
    process.start()
    sender.close()  # the one here, so that the end of the process is the end of the log
    return _Running(process, task, note, records)


@contextlib.contextmanager
def _threads(n_threads: int) -> Iterator[None]:
    """Have processes that are begun compute in so many threads each."""
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    before = {name: os.environ.get(name) for name in names}
    for name in names:
        os.environ.setdefault(name, str(n_threads))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _in_process(make: Callable[[Any], None], task: Any, note: str, sender: Any, level: int) -> None:
    """Work on a task; what is written goes to a file, and what is logged to the one who asked."""
    with Path(note).open("wb", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _logger.addHandler(_Sender(sender, _name_of(task)))
    _logger.setLevel(level)
    _logger.propagate = False
    try:
        make(task)
    except (EmotionRecogError, OSError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


def _end_with_parent() -> None:
    """End this process where the one that began it was killed: it would go on unseen."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class _Sender(logging.handlers.QueueHandler):
    """Sends records through a pipe, with the name of the task."""

    def __init__(self, sender: Any, name: str) -> None:
        super().__init__(sender)
        self.sender, self.task = sender, name

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        prepared: logging.LogRecord = super().prepare(record)
        prepared.msg = f"{self.task}: {prepared.msg}"
        return prepared

    def enqueue(self, record: logging.LogRecord) -> None:
        self.sender.send(record)


def _name_of(task: Any) -> str:
    return task.fold.name if isinstance(task, _Task) else str(task)


def _why(ended: _Running) -> str:
    """Say why a process ended before its task was done."""
    status = ended.process.exitcode
    if status < 0:
        reason = (
            f"signal {-status} ended its process, as a system does that runs out of memory; "
            "try fewer jobs"
        )
    else:
        lines = ended.note.read_text(encoding="utf-8", errors="replace").splitlines()
        reason = "\n".join(lines[-_TAIL:]) or f"its process ended with status {status}"
    return f"{_name_of(ended.task)}: {reason}. What is done is kept, and the same call goes on"


# --- as text ------------------------------------------------------------------------------------


def _lines(found: Summary) -> Iterator[str]:
    n_all = len(found.folds) + len(found.missing)
    apart = "speaker-disjoint" if found.speaker_disjoint else "NOT speaker-disjoint"
    yield f"{found.protocol}: {found.title}; {apart}; {len(found.folds)} of {n_all} folds"
    yield from found.notes
    width = max(20, *(len(row["fold"]) + 2 for row in found.folds))
    heads = "".join(f"{head:>{_WIDTH}}" for head in ("UAR", "WA", "F1", "ECE"))
    yield f"{'':<{width}}{'clips':>7}{heads}{'pooled UAR, 95 % interval':>29}"
    for fold in found.folds:
        for corpus in fold["corpora"]:
            figures = "".join(f"{100 * corpus[name]:>{_WIDTH}.1f}" for name in FIGURES)
            several = len(fold["corpora"]) > 1
            named = f"{fold['fold']} {corpus['corpus']}" if several else fold["fold"]
            yield f"{named:<{width}}{corpus['n_clips']:>7}{figures}"
    for part, rows in (("", found.corpora), (", 4 emotions", found.four)):
        for row in rows:
            bounds = _with_bounds(row.pooled["uar"], row.intervals.get("uar"))
            figures = _spreads(row.mean, row.deviation)
            yield f"{row.corpus + part:<{width}}{row.n_clips:>7}{figures}{bounds:>29}"
    if len(found.corpora) > 1:
        yield f"{'mean over folds':<{width}}{'':>7}{_spreads(found.mean, found.deviation)}"
    others = published(found.protocol)
    for compares, title in (
        (True, "published on these folds"),
        (False, "published, but of other folds, tasks or training, so that none compares"),
    ):
        own = [row for row in others if found.compares(row) == compares]
        if own:
            yield f"{title}:"
        elif compares:
            yield f"{title}: nothing that is known here"
        for other in own:
            yield f"  {_published_line(other)}"


_WIDTH = 13


def _spreads(mean: Mapping[str, float], deviation: Mapping[str, float | None]) -> str:
    return "".join(f"{_plus_minus(mean[name], deviation[name]):>{_WIDTH}}" for name in FIGURES)


def _published_line(row: Published) -> str:
    figures = [
        f"{name} {100 * value:.1f}{'' if end is None else f' to {100 * end:.1f}'}"
        for name, value, end in (("UAR", row.uar, row.uar_to), ("WA", row.wa, None))
        if value is not None
    ]
    apart = {True: "speaker-disjoint", False: "NOT speaker-disjoint", None: "no training"}
    parts = [", ".join(figures), f"{row.n_emotions} emotions", apart[row.speaker_disjoint]]
    parts += [part for part in (row.note, row.source) if part]
    return f"{row.corpus}, {row.system}: {'; '.join(parts)}"


def _plus_minus(mean: float, deviation: float | None) -> str:
    return f"{100 * mean:.1f}" + ("" if deviation is None else f" ± {100 * deviation:.1f}")


def _with_bounds(value: float, bounds: tuple[float, float] | None) -> str:
    told = "none" if bounds is None else f"{100 * bounds[0]:.1f} – {100 * bounds[1]:.1f}"
    return f"{100 * value:.1f}, {told}"
