"""Train and test the folds of protocols, and keep their predictions and metrics."""

from __future__ import annotations

import dataclasses
import gc
import itertools
import json
import logging
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from emotionrecog import evaluation, files, training
from emotionrecog.benchmark.summaries import Summary, corpus_rows, file_name, read_fold, summary
from emotionrecog.benchmark.workers import in_processes, n_jobs_that_fit
from emotionrecog.errors import LeakageError, require_whole
from emotionrecog.inference import Engine
from emotionrecog.splits import protocols
from emotionrecog.splits.dividing import without_validation
from emotionrecog.text import percent
from emotionrecog.training import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from emotionrecog.datasets import Utterance
    from emotionrecog.splits.protocols import Fold

__all__ = ["run"]

_logger = logging.getLogger("emotionrecog")

# Significant digits of the probabilities that are kept, from which metrics are computed.
_DIGITS = 4

# Memory that a training process takes, in bytes: for TensorFlow itself, and for each clip with its
# copies. With the default recipe, 360 clips took 1.5 GB, and 9,700 took 5 GB.
_MEMORY, _MEMORY_OF_CLIP = 1_350_000_000, 380_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Task:
    """A fold to train and test, and the folder that keeps it."""

    fold: Fold
    folder: Path
    recipe: Recipe
    initial_weights: str | None
    root: str | None
    allow_leakage: bool
    n_threads: int = -1

    @property
    def path(self) -> Path:
        return self.folder / f"{file_name(self.fold.name)}.json"

    @property
    def unfinished(self) -> Path:
        """Folder of files that are needed only until the fold is done."""
        return self.folder / "unfinished" / file_name(self.fold.name)

    @property
    def n_train(self) -> int:
        return len(self.fold.train) + len(self.fold.validation)

    def __str__(self) -> str:
        return self.fold.name


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

    In `output`, each protocol has a folder, such as ``ravdess-subject5``, which holds the
    predictions (CSV) and the metrics (JSON) of each fold. Existing folds are reused, and an
    interrupted fold continues after its last epoch.

    If the recipe has no patience, nothing is chosen on validation speakers, and they are trained on
    as well.

    Parameters
    ----------
    utterances
        Utterances of all corpora that the protocols need.
    names
        Names of protocols, one or more of `emotionrecog.splits.protocols.NAMES`.
    output
        Folder to write to; it is created if missing.
    recipe
        How to train; by default, as the bundled recogniser.
    initial_weights
        As for `emotionrecog.training.train`.
    root
        Folder to which the paths in the tables are relative.
    allow_leakage
        Whether to run protocols that are not speaker-disjoint as well. Their results do not hold
        for new speakers.
    n_jobs
        Number of folds to train side by side, each in a process of its own; with 1, in this
        process. By default, as many as cores and memory allow. Scripts with more than one must
        call this under ``if __name__ == "__main__":``.
    command
        Command to record with the results.

    Returns
    -------
    list of Summary
        One for each protocol.

    Raises
    ------
    ValueError
        If there is no such protocol, or `output` holds folds of another recipe, of other initial
        weights or of other recordings.
    LeakageError
        If a protocol is not speaker-disjoint and `allow_leakage` is false.
    DatasetError
        If the utterances are not what a protocol needs, or recordings cannot be used.
    EmotionRecogError
        If a fold fails in its process, or the process ends before the fold is done.

    Examples
    --------
    >>> from emotionrecog import benchmark, datasets
    >>> utterances = datasets.read("corpora")  # doctest: +SKIP
    >>> (results,) = benchmark.run(utterances, ["savee/emobox4"], "results")  # doctest: +SKIP
    """
    output, recipe = Path(output), recipe or Recipe()
    weights = None if initial_weights is None else os.fspath(initial_weights)
    if weights is not None and not Path(weights).is_file():
        raise FileNotFoundError(f"no such file: {weights!r}")
    if n_jobs is not None:
        require_whole("n_jobs", n_jobs, 1)
    if not names:
        raise ValueError("`names` must be one protocol or more, got none")
    utterances = list(utterances)
    records = {}
    tasks: list[_Task] = []
    for name in dict.fromkeys(names):
        folder = output / file_name(name)
        folds = _folds(name, utterances, allow_leakage)
        records[folder] = {
            "protocol": name,
            "command": command,
            "folds": [fold.name for fold in folds],
            "initial_weights": weights
            and {"name": Path(weights).name, "sha256": files.sha256(weights)},
            "recordings": _fingerprint(folds, root),
            "recipe": recipe.to_dict(),
        }
        _require_same_run(folder, records[folder])
        tasks += [
            _Task(
                fold=fold if recipe.patience is not None else without_validation(fold, utterances),
                folder=folder,
                recipe=recipe,
                initial_weights=weights,
                root=None if root is None else os.fspath(root),
                allow_leakage=allow_leakage,
            )
            for fold in folds
        ]
    _require_same_recipe(output, next(iter(records.values())))
    for folder, record in records.items():
        files.write_json(folder / "run.json", record)
    waiting = [task for task in tasks if not task.path.exists()]
    if len(waiting) < len(tasks):
        _logger.info("%d of %d folds are there already", len(tasks) - len(waiting), len(tasks))
    _run_tasks(waiting, n_jobs)
    summaries = []
    for folder in records:
        shutil.rmtree(folder / "unfinished", ignore_errors=True)
        summaries.append(_write_summary(folder))
    return summaries


def _folds(name: str, utterances: Sequence[Utterance], allow_leakage: bool) -> list[Fold]:
    protocol = protocols.get(name)
    if not (protocol.speaker_disjoint or allow_leakage):
        raise LeakageError(
            f"protocol {name!r} has speakers in both training and test, so that results do not "
            "hold for new speakers. `allow_leakage=True`, or --allow-leakage on the command line, "
            "runs it anyway"
        )
    return protocol.folds(utterances)


def _write_summary(folder: Path) -> Summary:
    results = summary(folder)
    files.write_json(folder / "summary.json", results.to_dict())
    return results


# --- training and testing -----------------------------------------------------------------------


def _run_tasks(tasks: list[_Task], n_jobs: int | None) -> None:
    # The longest first, so that none is left running alone.
    tasks = sorted(tasks, key=lambda task: -task.n_train)
    n_clips = max((task.n_train for task in tasks), default=0)
    n_jobs = n_jobs or n_jobs_that_fit(_MEMORY + n_clips * _MEMORY_OF_CLIP)
    n_jobs = max(1, min(n_jobs, len(tasks)))
    started = time.perf_counter()
    finished: Iterable[_Task]
    if n_jobs == 1:
        finished = map(_run_alone, tasks)
    else:
        import joblib

        n_threads = max(1, joblib.cpu_count() // n_jobs)
        shared = [dataclasses.replace(task, n_threads=n_threads) for task in tasks]
        finished = in_processes(_run_task, shared, n_jobs)
    bar = tqdm(finished, "folds", total=len(tasks), unit="fold", disable=None)
    for n_done, task in zip(itertools.count(1), bar, strict=False):
        _write_summary(task.folder)
        corpora = read_fold(task.path)["corpora"]
        _logger.info(
            "%s: %s (%d of %d, %.0f min)",
            task,
            ", ".join(f"{corpus['corpus']} UAR {percent(corpus['uar'])}" for corpus in corpora),
            n_done,
            len(tasks),
            (time.perf_counter() - started) / 60,
        )


def _run_alone(task: _Task) -> _Task:
    """Train and test a fold in this process, and log its name, as workers do."""
    _logger.info("%s: started", task)
    return _run_task(task)


def _run_task(task: _Task) -> _Task:
    """Train and test a fold; write its metrics last, since they mark it as done."""
    fold, recipe = task.fold, task.recipe
    began = time.perf_counter()
    checkpoints = task.unfinished / "checkpoints"
    is_resumed = (checkpoints / "state.npz").exists()
    artifact = training.train(
        fold.train,
        fold.validation or None,
        recipe=recipe,
        name=file_name(fold.name),
        initial_weights=task.initial_weights,
        checkpoints=checkpoints,
        test_set=fold.test,
        allow_leakage=task.allow_leakage,
        compare_audio=False,  # takes a minute with all corpora; `corpus audit` does it
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
    predictions = dataclasses.replace(
        report.predictions, probabilities=_shortened(report.predictions.probabilities)
    )
    row = {
        "fold": fold.name,
        "speakers": sorted({utterance.speaker for utterance in fold.test}),
        "n_clips": len(predictions.utterances),
        "failed": {
            files.relative_name(path, task.root): reason.removeprefix(f"{str(path)!r}: ")
            for path, reason in predictions.failed.items()
        },
        "leakage": report.leakage,
        "learnt_from": artifact.training["corpora"],
        "n_speakers_learnt_from": len(artifact.training["speakers"]),
        "n_epochs": len(artifact.training["history"]),
        "corpora": corpus_rows(predictions),
        # The time before an interruption is unknown.
        "seconds": None if is_resumed else round(time.perf_counter() - began, 1),
        "versions": artifact.versions,
    }
    predictions.write_csv(task.path.with_suffix(".csv"), root=task.root)
    files.write_json(task.path, row)
    shutil.rmtree(task.unfinished, ignore_errors=True)
    gc.collect()  # networks hold themselves, and the recordings that they were trained on
    return task


def _shortened(values: Any) -> Any:
    """Return numbers with few significant digits."""
    return np.array([float(f"{value:.{_DIGITS}g}") for value in values.flat]).reshape(values.shape)


# --- one folder, one run ------------------------------------------------------------------------


def _fingerprint(folds: Sequence[Fold], root: str | os.PathLike[str] | None) -> str:
    """Return a hash of the folds' recordings: their names, sizes, emotions and speakers."""
    descriptions: dict[Path, list[Any]] = {}

    def describe(utterance: Utterance) -> list[Any]:
        path = utterance.path
        if path not in descriptions:
            name, size = files.relative_name(path, root), path.stat().st_size
            descriptions[path] = [name, size, utterance.emotion, utterance.speaker]
        return descriptions[path]

    parts = [
        [fold.name, *(list(map(describe, p)) for p in (fold.train, fold.validation, fold.test))]
        for fold in folds
    ]
    return files.sha256(json.dumps(parts).encode("utf-8", "surrogateescape"))


def _require_same_run(folder: Path, record: Mapping[str, Any]) -> None:
    """Raise `ValueError` if a folder holds folds of another run."""
    path = folder / "run.json"
    if not path.is_file():
        return
    before = read_fold(path)
    differences = _other_recipe(before, record)
    before_weights, weights = (
        (row.get("initial_weights") or {}).get("sha256") for row in (before, record)
    )
    if before_weights != weights:
        differences.append("other initial weights")
    if before.get("recordings") != record["recordings"]:
        differences.append("other recordings")
    if differences:
        raise ValueError(
            f"`output`: {str(folder)!r} holds folds made with {', '.join(differences)}; choose "
            "another folder, or remove it to start again"
        )


def _require_same_recipe(output: Path, record: Mapping[str, Any]) -> None:
    """Raise `ValueError` if other protocols in the folder were run with another recipe."""
    for path in sorted(output.glob("*/run.json")):
        differences = _other_recipe(read_fold(path), record)
        if differences:
            raise ValueError(
                f"`output`: {str(output)!r} holds {path.parent.name}, made with "
                f"{', '.join(differences)}; a folder holds one recipe: choose another folder"
            )


def _other_recipe(before: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    one, other = (json.loads(json.dumps(row.get("recipe", {}))) for row in (before, record))
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    return [f"another recipe ({', '.join(names)})"] if names else []
