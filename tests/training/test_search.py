"""The search for a better recipe: its trials, their metrics, and resuming after an interrupt."""

import dataclasses
import gc
import itertools
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
pytest.importorskip("optuna", reason="Optuna is not installed")

from emotionrecog import plots
from emotionrecog.augmentation import Chain, Gain
from emotionrecog.datasets import Utterance
from emotionrecog.errors import DatasetError, EmotionRecogError
from emotionrecog.features import FeatureSpec
from emotionrecog.splits import protocols
from emotionrecog.splits.dividing import fold_indices
from emotionrecog.training import Recipe, data, loop
from emotionrecog.training.search import SearchResult, Trial, search

pytestmark = pytest.mark.tensorflow

RATE = 16_000
RECIPE = Recipe.of(
    "gru",
    sizes={"units": 4, "n_layers": 1, "hidden": 4, "dropout": 0.0},
    features=FeatureSpec(features=("rms", "zero_crossing_rate"), hop_length=512),
    epochs=2,
    batch_size=4,
    crop_frames=8,
    patience=2,
    learning_rate=1e-2,
)
SPACE: dict[str, Any] = {
    "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "loss": ["crossentropy", "focal"],
    "sizes.units": {"low": 2, "high": 9},
}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    """Return tones of six speakers; angry ones are louder."""
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    utterances = []
    for emotion, level in (("sad", 0.05), ("angry", 0.5)):
        for number in range(12):
            path = folder / f"{emotion}_{number}.wav"
            t = np.arange(RATE // 3) / RATE
            tone = level * np.sin(2 * np.pi * rng.uniform(200, 400) * t)
            soundfile.write(path, tone + 1e-3 * rng.normal(size=t.size), RATE)
            utterances.append(Utterance(path, emotion, "mine", f"mine/{number % 6}"))
    return utterances


Fits = list[tuple[data.Clips, Recipe, data.Clips]]


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Fits:
    """Replace training: the nearer the learning rate is to 0.01, the better."""
    done: Fits = []

    def fit(clips: data.Clips, recipe: Recipe, validation: data.Clips, **_: Any) -> Any:
        done.append((clips, recipe, validation))
        far = abs(np.log10(recipe.learning_rate) + 2) + 0.1 * (recipe.loss == "focal")
        patient = recipe.patience is not None
        rows = [
            {"validation_loss": 1.0, "validation_uar": 1 / (1 + far), "kept": patient},
            {"validation_loss": 2.0, "validation_uar": 0.5, "kept": not patient},
        ]
        return None, {}, rows

    monkeypatch.setattr(loop, "fit", fit)
    return done


def values_of(result: SearchResult) -> list[tuple[Any, ...]]:
    return [(t.number, dict(t.changes), t.uar, t.folds, t.error) for t in result.trials]


# What is tried, and judged -----------------------------------------------------------------------


def test_metrics_are_those_of_held_out_speakers(recordings: list[Utterance]) -> None:
    """Two folds by hand, with recordings read for each, give the results of the search."""
    utterances = recordings[::3]
    actual = search(
        utterances, {"learning_rate": [0.02]}, recipe=RECIPE, n_trials=1, folds=2, n_jobs=1
    )
    recipe = dataclasses.replace(RECIPE, learning_rate=0.02)
    expected = []
    for fold in protocols.get("grouped_kfold", k=2).folds(utterances):
        learnt = [u for u in utterances if u in {*fold.train, *fold.validation}]
        assert not {u.speaker for u in learnt} & {u.speaker for u in fold.test}
        clips, watched = (data.read_clips(part, recipe, 1)[0] for part in (learnt, fold.test))
        rows = loop.fit(clips, recipe, watched)[2]
        expected.append(max(row["validation_uar"] for row in rows))
    assert actual.trials[0].folds == pytest.approx(expected, abs=1e-6)
    assert actual.trials[0].uar == pytest.approx(np.mean(expected))
    assert actual.recipe == recipe


def test_training_releases_its_clips(recordings: list[Utterance]) -> None:
    """Otherwise each trial would occupy more memory."""
    clips, _ = data.read_clips(recordings[::3], RECIPE, 1)
    kept = weakref.ref(clips)
    loop.fit(clips, dataclasses.replace(RECIPE, epochs=1, patience=None))
    del clips
    gc.collect()
    assert kept() is None


def test_folds_keep_speakers_apart(recordings: list[Utterance]) -> None:
    watched_once: list[int] = []
    for learnt, watched in fold_indices(recordings, 3):
        speakers = [{recordings[i].speaker for i in part} for part in (learnt, watched)]
        assert not speakers[0] & speakers[1]
        assert len(learnt) + len(watched) == len(recordings)
        watched_once += watched
    assert sorted(watched_once) == list(range(len(recordings)))
    with pytest.raises(ValueError, match="must keep speakers apart, which protocol 'random'"):
        fold_indices(recordings, protocols.get("random"))
    with pytest.raises(DatasetError, match="needs at least 7 speakers"):
        fold_indices(recordings, 7)


def test_best_trial_is_found(recordings: list[Utterance], fits: Fits) -> None:
    result = search(recordings, SPACE, recipe=RECIPE, n_trials=25, n_jobs=1)
    rates = [trial.changes["learning_rate"] for trial in result.trials]
    assert all(1e-4 <= rate <= 1e-1 for rate in rates)
    assert {trial.changes["loss"] for trial in result.trials} == {"crossentropy", "focal"}
    assert all(trial.changes["sizes.units"] in range(2, 10) for trial in result.trials)
    assert 0.005 < result.recipe.learning_rate < 0.02
    assert result.best.uar == max(trial.uar or 0 for trial in result.trials)
    assert result.recipe == fits[3 * (result.best.number - 1)][1]
    assert result.recipe.sizes == {**RECIPE.sizes, "units": result.best.changes["sizes.units"]}
    assert result.recipe.features == RECIPE.features
    assert len(fits) == 75
    assert next(iter(result.importances)) == "learning_rate"
    assert sum(result.importances.values()) == pytest.approx(1)
    assert f"best is trial {result.best.number} of 25: UAR" in str(result)


def test_kept_epoch_is_evaluated(recordings: list[Utterance], fits: Fits) -> None:
    """Without patience, the last epoch is kept."""
    del fits
    endless = dataclasses.replace(RECIPE, patience=None)
    actual = search(recordings, {"loss": ["focal"]}, recipe=endless, n_trials=1, n_jobs=1)
    assert actual.best.uar == 0.5


def test_recordings_are_read_again_only_for_other_features(
    recordings: list[Utterance], fits: Fits, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emotionrecog.training import search as module

    read: list[Recipe] = []

    def read_clips(utterances: Any, recipe: Recipe, n_jobs: int) -> Any:
        read.append(recipe)
        return data.read_clips(utterances, recipe, n_jobs)

    monkeypatch.setattr(module, "read_clips", read_clips)
    search(recordings, SPACE, recipe=RECIPE, n_trials=4, n_jobs=1)
    assert len(read) == 1
    space = {"features.hop_length": [256, 512], "features.features": [["rms"]]}
    louder = dataclasses.replace(RECIPE, waveforms=Chain((Gain(gain_db=3),)), copies=1)
    actual = search(recordings, space, recipe=louder, n_trials=5, n_jobs=1)
    lengths = [trial.changes["features.hop_length"] for trial in actual.trials]
    assert len(read) == 2 + sum(a != b for a, b in itertools.pairwise(lengths))
    assert actual.recipe.features.features == ("rms",)
    assert actual.recipe.waveforms == louder.waveforms
    assert fits[-1][0].frames[0].shape[1] == 1
    assert len(fits[-1][0].copies) == 1


# Failing and going on ----------------------------------------------------------------------------


def test_failing_trials_do_not_stop_the_search(recordings: list[Utterance], fits: Fits) -> None:
    space = {**SPACE, "batch_size": [4, 5_000], "architecture": ["gru", "linear"]}
    result = search(recordings, space, recipe=RECIPE, n_trials=12, n_jobs=1)
    failed = [trial for trial in result.trials if trial.uar is None]
    assert 0 < len(failed) < 12
    for trial in failed:
        linear = trial.changes["architecture"] == "linear"
        assert trial.error is not None
        assert ("'linear' is fitted in one step" if linear else "a batch needs 5000") in trial.error
    assert f"of which {len(failed)} failed" in str(result)
    only = {"batch_size": [5_000]}
    with pytest.raises(EmotionRecogError, match="all 2 trials failed, the first with DatasetError"):
        search(recordings, only, recipe=RECIPE, n_trials=2, n_jobs=1)


def test_diverged_training_fails(
    recordings: list[Utterance], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"validation_loss": float("nan"), "validation_uar": 0.5, "kept": 1.0}]
    monkeypatch.setattr(loop, "fit", lambda *_, **__: (None, {}, rows))
    with pytest.raises(EmotionRecogError, match="training diverged"):
        search(recordings, SPACE, recipe=RECIPE, n_trials=1, n_jobs=1)


class Killed(BaseException):
    """Interrupts a search within a trial, as a signal does."""


def interrupted(fit: Callable[..., Any], after: int) -> Callable[..., Any]:
    calls = iter(range(10**6))

    def stop(*arguments: Any, **options: Any) -> Any:
        if next(calls) == after:
            raise Killed
        return fit(*arguments, **options)

    return stop


def test_interrupted_search_is_resumed_with_the_same_result(
    recordings: list[Utterance], fits: Fits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(**options: Any) -> SearchResult:
        return search(recordings, SPACE, recipe=RECIPE, n_jobs=1, **options)

    whole = run(n_trials=12)  # the last two follow from those before
    assert values_of(run(n_trials=12)) == values_of(whole)
    assert values_of(run(n_trials=3, seed=1)) != values_of(run(n_trials=3))
    storage = tmp_path / "trials.db"
    with monkeypatch.context() as patch:
        patch.setattr(loop, "fit", interrupted(loop.fit, after=3 * 11 + 1))
        with pytest.raises(Killed):
            run(n_trials=12, storage=storage)
    fits.clear()
    assert values_of(run(n_trials=12, storage=storage)) == values_of(whole)
    assert len(fits) == 3  # of eleven trials only figures are needed
    assert values_of(run(n_trials=12, storage=storage)) == values_of(whole)
    assert len(fits) == 3


def test_trial_that_ends_the_process_twice_has_failed(
    recordings: list[Utterance], fits: Fits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> SearchResult:
        return search(
            recordings, SPACE, recipe=RECIPE, n_trials=3, storage=tmp_path / "s.db", n_jobs=1
        )

    for after in (3, 0):
        with monkeypatch.context() as patch:
            patch.setattr(loop, "fit", interrupted(loop.fit, after))
            with pytest.raises(Killed):
                run()
    errors = [trial.error for trial in run().trials]
    assert errors == [None, "the process was killed twice during this trial", None]
    assert len(fits) == 6


def test_storage_of_another_search_raises(
    recordings: list[Utterance], fits: Fits, tmp_path: Path
) -> None:
    del fits
    storage = tmp_path / "trials.db"
    options: dict[str, Any] = {"recipe": RECIPE, "n_trials": 1, "storage": storage, "n_jobs": 1}
    search(recordings, SPACE, **options)
    for utterances, changes, what in (
        (recordings, {"recipe": dataclasses.replace(RECIPE, epochs=9)}, "recipe"),
        (recordings, {"seed": 3}, "seed"),
        (recordings[1:], {}, "recordings or folds"),
        (recordings, {"folds": 2}, "recordings or folds"),
    ):
        with pytest.raises(ValueError, match=rf"trials\.db' contains a search with other {what};"):
            search(utterances, SPACE, **(options | changes))
    with pytest.raises(ValueError, match="with other space"):
        search(recordings, {"loss": ["focal"]}, **options)
    storage.write_text("no database " * 100)
    with pytest.raises(ValueError, match=r"trials\.db' cannot be used to store a search"):
        search(recordings, SPACE, **options)
    with pytest.raises(FileNotFoundError, match="no such folder to write to"):
        search(recordings, SPACE, **(options | {"storage": tmp_path / "none" / "trials.db"}))


# Errors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "`space` must be a table of one name or more"),
        ({"rate": [1]}, "a recipe has no 'rate' to search; expected some of architecture, sizes"),
        ({"labels": [["sad", "angry"]]}, "no 'labels' to search"),
        ({"seed": [1, 2]}, "no 'seed' to search"),
        ({"loss.gamma": [1]}, "no 'loss.gamma' to search"),
        ({"sizes": [{}]}, "'sizes' is a table; name its entries"),
        ({"sizes.unitz": [1]}, "`size of 'gru'` must be one of .* mean 'units'. Got 'unitz'"),
        ({"loss": []}, "'loss' must be a list of values, or a table with low and high"),
        ({"loss": "focal"}, "'loss' must be a list of values"),
        ({"epochs": [3, 3]}, "'epochs' has the same value twice"),
        ({"epochs": {"low": 1}}, "'epochs' must be a list of values, or a table with low and high"),
        ({"epochs": {"low": 1, "high": 2, "by": 1}}, "or a table with low and high"),
        ({"epochs": {"low": 3, "high": 1}}, "'epochs': "),
        ({"epochs": {"low": "a", "high": "b"}}, "'epochs': "),
        ({"epochs": {"low": True, "high": False}}, "'epochs': low and high must be numbers"),
        ({"learning_rate": {"low": 0.0, "high": 1.0, "log": True}}, "'learning_rate': "),
    ],
)
def test_invalid_space_raises_before_training(
    space: dict[str, Any], message: str, recordings: list[Utterance], fits: Fits
) -> None:
    with pytest.raises(ValueError, match=message):
        search(recordings, space, recipe=RECIPE, n_jobs=1)
    assert not fits


def test_other_invalid_arguments_raise(recordings: list[Utterance], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`n_trials` must be a whole number of at least 1, got 0"):
        search(recordings, SPACE, recipe=RECIPE, n_trials=0)
    with pytest.raises(ValueError, match="'linear' is fitted in one step"):
        search(recordings, SPACE, recipe=Recipe.of("linear"))
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        search(recordings, SPACE, recipe=RECIPE, initial_weights=tmp_path / "none.npz")


# The picture -------------------------------------------------------------------------------------

TRIALS = (
    Trial(number=1, changes={"learning_rate": 1e-4, "loss": "focal"}, uar=0.5),
    Trial(number=2, changes={"learning_rate": 1e-1, "loss": "focal"}, uar=None, error="x"),
    Trial(number=3, changes={"learning_rate": 1e-2, "loss": "crossentropy"}, uar=0.4),
    Trial(number=4, changes={"learning_rate": 1e-3, "loss": "crossentropy"}, uar=0.7),
)


def test_trials_are_drawn() -> None:
    pytest.importorskip("matplotlib")
    result = SearchResult(recipe=RECIPE, trials=TRIALS, importances={"loss": 0.8})
    over_time, by_loss, by_rate = plots.search(result.rows(), result.importances).axes
    assert [axes.get_xlabel() for axes in (over_time, by_loss, by_rate)] == [
        *("trial", "loss", "learning_rate")
    ]
    reached, tried, best, failed = over_time.lines
    np.testing.assert_allclose(reached.get_ydata(), [50, 50, 50, 70])
    np.testing.assert_allclose(tried.get_ydata(), [50, np.nan, 40, 70])
    assert (list(best.get_xdata()), list(failed.get_xdata())) == ([4], [2])
    assert by_loss.get_title(loc="left") == "importance 80 %"
    assert [text.get_text() for text in by_loss.get_xticklabels()] == ["crossentropy", "focal"]
    np.testing.assert_allclose(by_loss.lines[0].get_xdata(), [1, 0, 0])
    assert by_rate.get_xscale() == "log"
    assert list(by_rate.lines[1].get_xdata()) == [1e-3]
    with pytest.raises(ValueError, match="one trial or more that did not fail"):
        plots.search(result.rows()[1:2])
