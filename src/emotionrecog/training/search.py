"""Search for a better recipe: trial after trial, each measured on speakers it did not hear.

`search` tries values out of a space that is declared in plain data. Optuna chooses them, which the
extra ``search`` brings; what is tried next depends on the seed and on the trials before alone, so
that a search that was killed goes on as if it had not been.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotionrecog import models
from emotionrecog.errors import DatasetError, EmotionRecogError
from emotionrecog.splits.dividing import fold_indices
from emotionrecog.training.data import Clips, read_clips
from emotionrecog.training.recipe import TABLES, Recipe, changed, require_sizes

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import optuna
    import tensorflow as tf

    from emotionrecog.datasets import Utterance
    from emotionrecog.splits.protocols import Protocol

__all__ = ["SearchResult", "Trial", "require_optuna", "search"]

_logger = logging.getLogger("emotionrecog")

_STUDY = "emotionrecog"

# What the figures of trials would not compare without.
_FIXED = ("labels", "seed", "validation_share", "waveforms")

_LINEAR = "the architecture 'linear' is fitted at once, without steps or validation to search by"

# Of a trial, in Optuna's storage.
_ERROR, _FOLDS, _SECONDS = "error", "folds", "seconds"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """One recipe that was tried.

    Parameters
    ----------
    number
        Counted from 1.
    changes
        What was tried, by name.
    uar
        Mean over the folds of the unweighted average recall, a fraction; None where it failed.
    folds
        The same, fold by fold.
    error
        Why it failed.
    seconds
        How long it took.
    """

    number: int
    changes: Mapping[str, Any]
    uar: float | None
    folds: tuple[float, ...] = ()
    error: str | None = None
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What a search came to; as text, it tells so in words.

    Parameters
    ----------
    recipe
        The best.
    trials
        All of them, in their order.
    importances
        Share of the differences that each name accounts for (functional ANOVA), the most important
        first; empty where fewer than four trials succeeded or all were alike.
    """

    recipe: Recipe
    trials: tuple[Trial, ...]
    importances: Mapping[str, float]

    @property
    def best(self) -> Trial:
        """The best trial; the first of those that are."""
        return max(
            (trial for trial in self.trials if trial.uar is not None),
            key=lambda trial: (trial.uar, -trial.number),
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return the trials as plain values, for `emotionrecog.plots.search` and for JSON."""
        return [dataclasses.asdict(trial) for trial in self.trials]

    def __str__(self) -> str:
        """Tell the best values and how good they were."""
        best, n_failed = self.best, sum(trial.uar is None for trial in self.trials)
        lines = [
            f"best is trial {best.number} of {len(self.trials)}"
            f"{f', of which {n_failed} failed' if n_failed else ''}: "
            f"UAR {100 * (best.uar or 0):.1f} %, mean over {len(best.folds)} folds of speakers",
            *(f"  {name} = {_shown(value)}" for name, value in best.changes.items()),
        ]
        if self.importances:
            shares = (f"{n} {100 * share:.0f} %" for n, share in self.importances.items())
            lines.append(f"importance: {', '.join(shares)}")
        return "\n".join(lines)


def require_optuna() -> None:
    """Raise `EmotionRecogError` with what to do where Optuna is missing."""
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise EmotionRecogError(
            f"a search needs Optuna, which is not installed here ({error}): "
            "pip install 'emotionrecog[search]'"
        ) from error


def search(
    train_set: Sequence[Utterance],
    space: Mapping[str, Any],
    *,
    recipe: Recipe | None = None,
    n_trials: int = 20,
    folds: int | Protocol = 3,
    storage: str | os.PathLike[str] | None = None,
    seed: int = 0,
    initial_weights: str | os.PathLike[str] | None = None,
    strategy: tf.distribute.Strategy | None = None,
    n_jobs: int = -1,
) -> SearchResult:
    """Look for the values of a recipe that do best on speakers whom training did not hear.

    Each trial trains once for each fold, on the speakers of the others, and is measured on those of
    the fold: by the UAR of the epoch that is kept, which is the best one where the recipe has
    patience, and otherwise the last. Recipes and epochs are chosen by that
    figure, which is too good to be published for that: measure the best recipe on test speakers
    that `train_set` lacks.

    Parameters
    ----------
    train_set
        Utterances to train on, of several speakers; nobody on whom the best recipe will be
        tested.
    space
        For each name of an entry of a recipe, what may be tried: a list of values, or a table with
        ``low`` and ``high`` and, if wanted, ``log = true`` or a ``step``; whole numbers are tried
        if both ends are such. ``"sizes.units"`` is an entry of the table ``sizes``.
    recipe
        What everything else is taken from.
    n_trials
        How many there shall be in all, those in `storage` among them.
    folds
        How many groups the speakers are divided into, or a protocol that is speaker-disjoint.
    storage
        SQLite file that trials are written to as they end; without, a search that is interrupted
        is lost. Where it holds trials of the same search, this one goes on from there.
    seed
        Of what is tried; that of training is the recipe's.
    initial_weights, strategy, n_jobs
        As of `emotionrecog.training.train`.

    Returns
    -------
    SearchResult

    Raises
    ------
    EmotionRecogError
        If Optuna is not installed, or all trials failed; the message has the first reason.
    ModelError
        If TensorFlow is not installed.
    DatasetError
        If there are fewer speakers than folds.
    FileNotFoundError
        If the folder of `storage` or the file of `initial_weights` is missing.
    ValueError
        If the space is none, the protocol is not speaker-disjoint, or `storage` holds something
        else or another search.

    Examples
    --------
    >>> from emotionrecog.training import Recipe
    >>> from emotionrecog.training.search import search
    >>> space = {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}, "sizes.units": [32, 64]}
    >>> found = search(train_set, space, recipe=Recipe.of("gru"))  # doctest: +SKIP
    >>> print(found.recipe.to_toml())  # doctest: +SKIP
    """
    require_optuna()
    models.require_tensorflow()
    import optuna

    recipe = recipe or Recipe()
    if recipe.architecture == "linear":
        raise ValueError(_LINEAR)
    if isinstance(n_trials, bool) or not isinstance(n_trials, int) or n_trials < 1:
        raise ValueError(f"`n_trials` must be a whole number from 1 on, got {n_trials!r}")
    weights = None if initial_weights is None else Path(initial_weights)
    if weights and not weights.is_file():
        raise FileNotFoundError(f"no such file: {str(weights)!r}")
    distributions = _distributions(space, recipe)
    parts = fold_indices(train_set, folds)
    runs = _Runs(train_set, parts, weights, strategy, n_jobs)
    description = {
        "recipe": json.dumps(recipe.to_dict(), sort_keys=True),
        "space": json.dumps({name: space[name] for name in sorted(space)}),
        "seed": str(seed),
        "initial weights": weights.name if weights else "none",
        "recordings or folds": _fingerprint(train_set, parts),
    }
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = _study(storage)
        _require_same(study, description, storage)
        for trial in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # it was killed
        trials = _trials(study)
        if trials:
            _logger.info("going on after trial %d, from %s", len(trials), storage)
        for number in range(len(trials), n_trials):
            _try(study, number, seed, recipe, distributions, runs)
            _tell(_trials(study)[-1], n_trials)
        return _result(study, recipe, seed)
    finally:
        optuna.logging.set_verbosity(before)


def _tell(trial: Trial, n_trials: int) -> None:
    found = trial.error or f"UAR {100 * (trial.uar or 0):.1f} %"
    values = ", ".join(f"{name} = {_shown(value)}" for name, value in trial.changes.items())
    _logger.info("trial %d/%d: %s (%s)", trial.number, n_trials, found, values)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


# --- the space ----------------------------------------------------------------------------------

_ENDS = {"low", "high", "log", "step"}


def _distributions(
    space: Mapping[str, Any], recipe: Recipe
) -> dict[str, optuna.distributions.BaseDistribution]:
    """Return what Optuna draws each name from; choices as JSON, for they may be lists."""
    import optuna

    if not isinstance(space, Mapping) or not space:
        raise ValueError(f"`space` must be a table of one name or more, got {space!r:.60}")
    _require_names(space, recipe)
    drawn: dict[str, Any] = {}
    for name, given in space.items():
        if isinstance(given, list | tuple) and given:
            texts = [json.dumps(value) for value in given]
            if len(set(texts)) < len(texts):
                raise ValueError(f"`space`: {name!r} has the same value twice: {given!r}")
            drawn[name] = optuna.distributions.CategoricalDistribution(texts)
            continue
        if not isinstance(given, Mapping) or not {"low", "high"} <= set(given) <= _ENDS:
            raise ValueError(
                f"`space`: {name!r} must be a list of values, or a table with low and high and, "
                f"if wanted, log or step, got {given!r:.60}"
            )
        ends = (given["low"], given["high"])
        is_whole = all(isinstance(end, int) for end in ends)
        kind = (
            optuna.distributions.IntDistribution
            if is_whole
            else optuna.distributions.FloatDistribution
        )
        try:
            if any(isinstance(end, bool) for end in ends):
                raise ValueError("low and high must be numbers")
            drawn[name] = kind(**given)
        except (TypeError, ValueError) as error:
            raise ValueError(f"`space`: {name!r}: {error}") from error
    return drawn


def _require_names(space: Mapping[str, Any], recipe: Recipe) -> None:
    fields = [field.name for field in dataclasses.fields(Recipe) if field.name not in _FIXED]
    for name in space:
        table, dot, entry = name.partition(".")
        if table not in fields or (dot and table not in TABLES):
            raise ValueError(
                f"`space`: a recipe has no {name!r} to search; expected some of "
                f"{', '.join(fields)}, or an entry of {', '.join(TABLES)}, such as 'sizes.units'"
            )
        if table in ("sizes", "augmentation") and not dot:
            raise ValueError(f"`space`: {name!r} is a table; name its entries, as '{name}.units'")
        if table == "sizes" and "architecture" not in space:
            default = models.default_sizes(recipe.architecture).get(entry)
            require_sizes(recipe.architecture, {entry: default})  # its name alone


def _values(params: Mapping[str, Any], distributions: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was drawn as the recipe takes it."""
    import optuna

    categorical = optuna.distributions.CategoricalDistribution
    return {
        name: json.loads(params[name]) if isinstance(distribution, categorical) else params[name]
        for name, distribution in distributions.items()
        if name in params
    }


def _recipe(base: Recipe, changes: Mapping[str, Any]) -> Recipe:
    # The chain stays an object: what is not of this package cannot be said in plain values.
    values = {**base.to_dict(), "waveforms": None}
    recipe = Recipe.from_dict(changed(values, changes))
    return dataclasses.replace(recipe, waveforms=base.waveforms)


# --- the trials ---------------------------------------------------------------------------------


class _Runs:
    """Trains recipes on the folds; recordings are read anew only where recipes need it."""

    def __init__(
        self,
        utterances: Sequence[Utterance],
        parts: Sequence[tuple[list[int], list[int]]],
        weights: Path | None,
        strategy: tf.distribute.Strategy | None,
        n_jobs: int,
    ) -> None:
        self.utterances, self.parts, self.weights = utterances, parts, weights
        self.strategy, self.n_jobs = strategy, n_jobs
        self.read_for: tuple[Any, ...] | None = None
        self.read: tuple[Clips, dict[int, int]] | None = None

    def uars(self, recipe: Recipe) -> list[float]:
        """Return the figure of each fold."""
        from emotionrecog.training.loop import Start, fit

        if recipe.architecture == "linear":
            raise ValueError(_LINEAR)
        require_sizes(recipe.architecture, recipe.sizes)
        start = Start(weights=self.weights)
        clips, places = self._clips(recipe)
        found = []
        for learnt, watched in self.parts:
            own = _some(clips, [places[i] for i in learnt if i in places])
            others = _some(clips, [places[i] for i in watched if i in places])
            if len(own) < recipe.batch_size or not len(others):
                raise DatasetError(
                    f"a fold has {len(own)} clips to learn from and {len(others)} to be measured "
                    f"on, but a batch needs {recipe.batch_size}"
                )
            history = fit(own, recipe, others, start=start, strategy=self.strategy)[2]
            found.append(_kept_uar(history))
        return found

    def _clips(self, recipe: Recipe) -> tuple[Clips, dict[int, int]]:
        """Return all clips, and the place of each utterance that can be used among them."""
        of = (recipe.features, recipe.copies, recipe.crop_frames)  # all else is never searched
        if self.read is None or self.read_for != of:
            clips, used = read_clips(self.utterances, recipe, self.n_jobs)
            ids = {id(utterance): place for place, utterance in enumerate(used)}
            places = {
                i: ids[id(utterance)]
                for i, utterance in enumerate(self.utterances)
                if id(utterance) in ids
            }
            self.read, self.read_for = (clips, places), of
        return self.read


def _some(clips: Clips, numbers: Sequence[int]) -> Clips:
    """Return some of the clips, which know nothing of the others."""
    emotions, groups = clips.emotions[numbers], clips.groups[numbers]
    present = np.zeros_like(clips.present)
    present[groups, emotions] = 1.0
    return Clips(
        frames=[clips.frames[i] for i in numbers],
        emotions=emotions,
        groups=groups,
        present=present,
        votes=None if clips.votes is None else clips.votes[numbers],
        copies=[[copy[i] for i in numbers] for copy in clips.copies],
    )


def _kept_uar(history: Sequence[Mapping[str, float]]) -> float:
    kept = next(row for row in history if row["kept"])
    if not np.isfinite(kept["validation_loss"]):
        raise EmotionRecogError("training diverged: the validation loss is no number")
    return float(kept["validation_uar"])


def _try(
    study: optuna.Study,
    number: int,
    seed: int,
    recipe: Recipe,
    distributions: Mapping[str, Any],
    runs: _Runs,
) -> None:
    """Make a trial, and write down what came of it, whatever went wrong."""
    import optuna

    # Drawn by number, not by what a generator has given before, so that a search can go on.
    own_seed = int(np.random.default_rng((seed, number)).integers(2**32))
    study.sampler = optuna.samplers.TPESampler(seed=own_seed)
    trial = study.ask(dict(distributions))
    began = time.perf_counter()
    try:
        uars = runs.uars(_recipe(recipe, _values(trial.params, distributions)))
    except Exception as error:  # of any kind: sizes that do not go together, too little memory
        trial.set_user_attr(_ERROR, f"{type(error).__name__}: {str(error)[:1000]}")
        trial.set_user_attr(_SECONDS, time.perf_counter() - began)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    else:
        trial.set_user_attr(_FOLDS, uars)
        trial.set_user_attr(_SECONDS, time.perf_counter() - began)
        study.tell(trial, float(np.mean(uars)))


def _trials(study: optuna.Study) -> list[Trial]:
    """Return the trials that came to an end.

    What was killed is tried again; where that was killed as well, it failed: too little memory ends
    the process.
    """
    import optuna

    trials: list[Trial] = []
    killed = 0
    for trial in study.get_trials(deepcopy=False):
        told = trial.user_attrs
        error = told.get(_ERROR)
        if trial.value is None and error is None:
            killed += trial.state == optuna.trial.TrialState.FAIL
            if killed < 2:
                continue
            error = "the process was killed twice while this was tried"
        killed = 0
        trials.append(
            Trial(
                number=len(trials) + 1,
                changes=_values(trial.params, trial.distributions),
                uar=trial.value,
                folds=tuple(told.get(_FOLDS, ())),
                error=error,
                seconds=told.get(_SECONDS, 0.0),
            )
        )
    return trials


def _result(study: optuna.Study, recipe: Recipe, seed: int) -> SearchResult:
    import optuna

    trials = _trials(study)
    figures = [trial.uar for trial in trials if trial.uar is not None]
    if not figures:
        raise EmotionRecogError(
            f"all {len(trials)} trials failed, the first with {trials[0].error}"
        )
    importances: dict[str, float] = {}
    if len(figures) > 3 and len(set(figures)) > 1:
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
        importances = optuna.importance.get_param_importances(study, evaluator=evaluator)
    result = SearchResult(recipe=recipe, trials=tuple(trials), importances=importances)
    return dataclasses.replace(result, recipe=_recipe(recipe, result.best.changes))


# --- going on -----------------------------------------------------------------------------------


def _study(storage: str | os.PathLike[str] | None) -> optuna.Study:
    """Begin a study, or open the one that a file holds."""
    import optuna
    import sqlalchemy

    if storage is not None and not Path(storage).resolve().parent.is_dir():
        raise FileNotFoundError(f"no such folder to write to: {str(Path(storage).parent)!r}")
    try:
        return optuna.create_study(
            storage=None if storage is None else f"sqlite:///{Path(storage).resolve()}",
            study_name=_STUDY,
            direction="maximize",
            load_if_exists=True,
        )
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise ValueError(
            f"`storage`: {str(storage)!r} is no file that a search can be written to: {error}"
        ) from error


def _fingerprint(
    train_set: Sequence[Utterance], parts: Sequence[tuple[list[int], list[int]]]
) -> str:
    said = [(utterance.path.name, utterance.emotion, utterance.speaker) for utterance in train_set]
    return hashlib.sha256(json.dumps([said, parts]).encode()).hexdigest()


def _require_same(
    study: optuna.Study, description: Mapping[str, str], storage: str | os.PathLike[str] | None
) -> None:
    known = study.user_attrs
    differing = [name for name, text in description.items() if known.get(name, text) != text]
    if differing:
        raise ValueError(
            f"`storage`: {str(storage)!r} holds a search with other {' and '.join(differing)}; "
            "name another file, or remove it to start anew"
        )
    for name, text in description.items():
        study.set_user_attr(name, text)
