"""Search for a better recipe by cross-validation over speakers.

`search` tries values from a space that is declared in plain data. Optuna, which the extra
``search`` installs, chooses the values. Each choice depends only on the seed and on the previous
trials, so that an interrupted search can be resumed with the same result.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotionrecog import files, models
from emotionrecog.errors import DatasetError, EmotionRecogError, require_whole
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

# Fields that a search cannot change, because trials would no longer be comparable.
_FIXED = ("labels", "seed", "validation_share", "waveforms")

_LINEAR = (
    "the architecture 'linear' is fitted in one step, without epochs that a search could compare"
)

# Names of the attributes of a trial in Optuna's storage.
_ERROR, _FOLDS, _SECONDS = "error", "folds", "seconds"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """A recipe that was tried.

    Parameters
    ----------
    number
        Number of the trial, from 1.
    changes
        The values that were tried, by name.
    uar
        Mean over the folds of the unweighted average recall, from 0 to 1; None if the trial failed.
    folds
        The unweighted average recall of each fold.
    error
        The reason for a failure.
    seconds
        Duration of the trial.

    Examples
    --------
    >>> Trial(number=1, changes={"epochs": 5}, uar=0.6, folds=(0.5, 0.7)).uar
    0.6
    """

    number: int
    changes: Mapping[str, Any]
    uar: float | None
    folds: tuple[float, ...] = ()
    error: str | None = None
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchResult:
    """The result of a search; as text, a summary in words.

    Parameters
    ----------
    recipe
        The best recipe.
    trials
        All trials in their order.
    importances
        Share of the variance of the UAR that each name explains (functional ANOVA), the most
        important first; empty if fewer than four trials succeeded or all had the same UAR.

    Examples
    --------
    >>> trial = Trial(number=1, changes={"epochs": 5}, uar=0.6, folds=(0.5, 0.7))
    >>> print(SearchResult(recipe=Recipe(epochs=5), trials=(trial,), importances={}))
    best is trial 1 of 1: UAR 60.0 %, mean over 2 folds of speakers
      epochs = 5
    """

    recipe: Recipe
    trials: tuple[Trial, ...]
    importances: Mapping[str, float]

    @property
    def best(self) -> Trial:
        """The best trial; the first one if several are equally good."""
        return max(
            (trial for trial in self.trials if trial.uar is not None),
            key=lambda trial: (trial.uar, -trial.number),
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return the trials as plain values, for `emotionrecog.plots.search` and for JSON."""
        return [dataclasses.asdict(trial) for trial in self.trials]

    def __str__(self) -> str:
        """Describe the best values and their UAR."""
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
    """Raise `EmotionRecogError` with instructions if Optuna is missing.

    Examples
    --------
    >>> require_optuna()
    """
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
    """Search for the values of a recipe with the highest UAR on speakers not seen in training.

    Each trial trains once for each fold, on the speakers of the other folds, and is evaluated on
    the speakers of the fold, by the UAR of the epoch that is kept: the best one if the recipe has
    patience, otherwise the last. Recipes and epochs are selected by this UAR, so it is biased
    upwards and not fit for publication: evaluate the best recipe on test speakers that `train_set`
    does not contain.

    Parameters
    ----------
    train_set
        Utterances of several speakers to train on, without the speakers on whom the best recipe
        will be tested.
    space
        The values to try, by the name of an entry of a recipe: a list of values, or a table with
        ``low`` and ``high`` and optionally ``log = true`` or a ``step``; whole numbers are tried if
        both ends are whole. ``"sizes.units"`` is an entry of the table ``sizes``.
    recipe
        The recipe whose other entries stay the same.
    n_trials
        Total number of trials, including those in `storage`.
    folds
        Number of groups into which the speakers are divided, or a speaker-disjoint protocol.
    storage
        SQLite file that keeps the trials; without it, an interrupted search is lost. If it contains
        trials of the same search, the search is resumed.
    seed
        Random seed of the values to try; the seed of training is that of the recipe.
    initial_weights, strategy, n_jobs
        As in `emotionrecog.training.train`.

    Returns
    -------
    SearchResult

    Raises
    ------
    EmotionRecogError
        If Optuna is not installed, or all trials failed; the message contains the first reason.
    ModelError
        If TensorFlow is not installed.
    DatasetError
        If there are fewer speakers than folds.
    FileNotFoundError
        If the folder of `storage` or the file of `initial_weights` is missing.
    ValueError
        If the space is not valid, the protocol is not speaker-disjoint, or `storage` contains
        anything but this search.

    Examples
    --------
    >>> from emotionrecog.training import Recipe
    >>> from emotionrecog.training.search import search
    >>> space = {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}, "sizes.units": [32, 64]}
    >>> result = search(train_set, space, recipe=Recipe.of("gru"))  # doctest: +SKIP
    >>> print(result.recipe.to_toml())  # doctest: +SKIP
    """
    require_optuna()
    models.require_tensorflow()
    import optuna

    recipe = recipe or Recipe()
    if recipe.architecture == "linear":
        raise ValueError(_LINEAR)
    require_whole("n_trials", n_trials, 1)
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
            _logger.info("resuming after trial %d, from %s", len(trials), storage)
        for number in range(len(trials), n_trials):
            _try(study, number, seed, recipe, distributions, runs)
            _log(_trials(study)[-1], n_trials)
        return _result(study, recipe, seed)
    finally:
        optuna.logging.set_verbosity(before)


def _log(trial: Trial, n_trials: int) -> None:
    result = trial.error or f"UAR {100 * (trial.uar or 0):.1f} %"
    values = ", ".join(f"{name} = {_shown(value)}" for name, value in trial.changes.items())
    _logger.info("trial %d/%d: %s (%s)", trial.number, n_trials, result, values)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


# --- the space ----------------------------------------------------------------------------------

_ENDS = {"low", "high", "log", "step"}


def _distributions(
    space: Mapping[str, Any], recipe: Recipe
) -> dict[str, optuna.distributions.BaseDistribution]:
    """Return the distribution of each name; choices are JSON texts, because they may be lists."""
    import optuna

    if not isinstance(space, Mapping) or not space:
        raise ValueError(f"`space` must be a table of one name or more, got {space!r:.60}")
    _require_names(space, recipe)
    distributions: dict[str, Any] = {}
    for name, values in space.items():
        if isinstance(values, list | tuple) and values:
            texts = [json.dumps(value) for value in values]
            if len(set(texts)) < len(texts):
                raise ValueError(f"`space`: {name!r} has the same value twice: {values!r}")
            distributions[name] = optuna.distributions.CategoricalDistribution(texts)
            continue
        if not isinstance(values, Mapping) or not {"low", "high"} <= set(values) <= _ENDS:
            raise ValueError(
                f"`space`: {name!r} must be a list of values, or a table with low and high and "
                f"optionally log or step, got {values!r:.60}"
            )
        ends = (values["low"], values["high"])
        is_whole = all(isinstance(end, int) for end in ends)
        kind = (
            optuna.distributions.IntDistribution
            if is_whole
            else optuna.distributions.FloatDistribution
        )
        try:
            if any(isinstance(end, bool) for end in ends):
                raise ValueError("low and high must be numbers")
            distributions[name] = kind(**values)
        except (TypeError, ValueError) as error:
            raise ValueError(f"`space`: {name!r}: {error}") from error
    return distributions


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
            require_sizes(recipe.architecture, {entry: default})  # checks the name only


def _values(params: Mapping[str, Any], distributions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that were drawn, in the form of a recipe."""
    import optuna

    categorical = optuna.distributions.CategoricalDistribution
    return {
        name: json.loads(params[name]) if isinstance(distribution, categorical) else params[name]
        for name, distribution in distributions.items()
        if name in params
    }


def _recipe(base: Recipe, changes: Mapping[str, Any]) -> Recipe:
    # The chain stays an object: plain values cannot describe transforms of other packages.
    values = {**base.to_dict(), "waveforms": None}
    recipe = Recipe.from_dict(changed(values, changes))
    return dataclasses.replace(recipe, waveforms=base.waveforms)


# --- the trials ---------------------------------------------------------------------------------


class _Runs:
    """Trains recipes on the folds; reads recordings again only if a recipe needs other frames."""

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
        """Return the UAR of each fold."""
        from emotionrecog.training.loop import Start, fit

        if recipe.architecture == "linear":
            raise ValueError(_LINEAR)
        require_sizes(recipe.architecture, recipe.sizes)
        start = Start(weights=self.weights)
        clips, places = self._clips(recipe)
        uars = []
        for train, validation in self.parts:
            train_clips = _subset(clips, [places[i] for i in train if i in places])
            validation_clips = _subset(clips, [places[i] for i in validation if i in places])
            if len(train_clips) < recipe.batch_size or not len(validation_clips):
                raise DatasetError(
                    f"a fold has {len(train_clips)} clips to train on and {len(validation_clips)} "
                    f"to evaluate on, but a batch needs {recipe.batch_size}"
                )
            history = fit(
                train_clips, recipe, validation_clips, start=start, strategy=self.strategy
            )[2]
            uars.append(_kept_uar(history))
        return uars

    def _clips(self, recipe: Recipe) -> tuple[Clips, dict[int, int]]:
        """Return all clips, and the place among them of each utterance that can be used."""
        # Frames depend on no other entry that a search may change.
        settings = (recipe.features, recipe.copies, recipe.crop_frames)
        if self.read is None or self.read_for != settings:
            clips, used = read_clips(self.utterances, recipe, self.n_jobs)
            ids = {id(utterance): place for place, utterance in enumerate(used)}
            places = {
                i: ids[id(utterance)]
                for i, utterance in enumerate(self.utterances)
                if id(utterance) in ids
            }
            self.read, self.read_for = (clips, places), settings
        return self.read


def _subset(clips: Clips, numbers: Sequence[int]) -> Clips:
    """Return some of the clips, without any influence of the others."""
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
        raise EmotionRecogError("training diverged: the validation loss is not a number")
    return float(kept["validation_uar"])


def _try(
    study: optuna.Study,
    number: int,
    seed: int,
    recipe: Recipe,
    distributions: Mapping[str, Any],
    runs: _Runs,
) -> None:
    """Run a trial and record its result, or the reason for its failure."""
    import optuna

    # The seed depends on the number of the trial only, so that a search can be resumed.
    trial_seed = int(np.random.default_rng((seed, number)).integers(2**32))
    study.sampler = optuna.samplers.TPESampler(seed=trial_seed)
    trial = study.ask(dict(distributions))
    began = time.perf_counter()
    try:
        uars = runs.uars(_recipe(recipe, _values(trial.params, distributions)))
    except Exception as error:  # of any kind: incompatible sizes, too little memory
        trial.set_user_attr(_ERROR, f"{type(error).__name__}: {str(error)[:1000]}")
        trial.set_user_attr(_SECONDS, time.perf_counter() - began)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    else:
        trial.set_user_attr(_FOLDS, uars)
        trial.set_user_attr(_SECONDS, time.perf_counter() - began)
        study.tell(trial, float(np.mean(uars)))


def _trials(study: optuna.Study) -> list[Trial]:
    """Return the trials that ended.

    A trial whose process was killed is tried again; the second time, it counts as failed, because
    the system kills processes that use too much memory.
    """
    import optuna

    trials: list[Trial] = []
    killed = 0
    for trial in study.get_trials(deepcopy=False):
        attributes = trial.user_attrs
        error = attributes.get(_ERROR)
        if trial.value is None and error is None:
            killed += trial.state == optuna.trial.TrialState.FAIL
            if killed < 2:
                continue
            error = "the process was killed twice during this trial"
        killed = 0
        trials.append(
            Trial(
                number=len(trials) + 1,
                changes=_values(trial.params, trial.distributions),
                uar=trial.value,
                folds=tuple(attributes.get(_FOLDS, ())),
                error=error,
                seconds=attributes.get(_SECONDS, 0.0),
            )
        )
    return trials


def _result(study: optuna.Study, recipe: Recipe, seed: int) -> SearchResult:
    import optuna

    trials = _trials(study)
    uars = [trial.uar for trial in trials if trial.uar is not None]
    if not uars:
        raise EmotionRecogError(
            f"all {len(trials)} trials failed, the first with {trials[0].error}"
        )
    importances: dict[str, float] = {}
    if len(uars) > 3 and len(set(uars)) > 1:
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
        importances = optuna.importance.get_param_importances(study, evaluator=evaluator)
    result = SearchResult(recipe=recipe, trials=tuple(trials), importances=importances)
    return dataclasses.replace(result, recipe=_recipe(recipe, result.best.changes))


# --- storage ------------------------------------------------------------------------------------


def _study(storage: str | os.PathLike[str] | None) -> optuna.Study:
    """Create a study, or open the one in a file."""
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
            f"`storage`: {str(storage)!r} cannot be used to store a search: {error}"
        ) from error


def _fingerprint(
    train_set: Sequence[Utterance], parts: Sequence[tuple[list[int], list[int]]]
) -> str:
    names = [(utterance.path.name, utterance.emotion, utterance.speaker) for utterance in train_set]
    return files.sha256(json.dumps([names, parts]).encode())


def _require_same(
    study: optuna.Study, description: Mapping[str, str], storage: str | os.PathLike[str] | None
) -> None:
    saved = study.user_attrs
    differing = [name for name, text in description.items() if saved.get(name, text) != text]
    if differing:
        raise ValueError(
            f"`storage`: {str(storage)!r} contains a search with other {' and '.join(differing)}; "
            "name another file, or delete it to start anew"
        )
    for name, text in description.items():
        study.set_user_attr(name, text)
