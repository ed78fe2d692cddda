"""Continue the training of a recogniser, or adapt it to a few clips of a user."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import numpy as np

from emotionrecog import models
from emotionrecog.artifact import artifact_of
from emotionrecog.errors import DatasetError, LeakageError
from emotionrecog.evaluation import evaluate
from emotionrecog.inference import Engine, Recognizer
from emotionrecog.splits import leakage
from emotionrecog.splits.dividing import hold_out_recordings, hold_out_speakers
from emotionrecog.text import percent, table
from emotionrecog.training.card import adaptation_card, describe_data, versions
from emotionrecog.training.data import read_clips
from emotionrecog.training.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emotionrecog.artifact import Artifact, HasArtifact
    from emotionrecog.datasets import Utterance
    from emotionrecog.evaluation import Report

__all__ = ["Adaptation", "adapt", "continued"]

_logger = logging.getLogger("emotionrecog")

# Share of the clips, or of their speakers, that is held out by default.
HELD_OUT = 0.3

# Largest batch size.
BATCH_SIZE = 16

# Fields that determine the network, which cannot change when training continues.
_FIXED = ("architecture", "features", "labels")


R = TypeVar("R", bound=Recognizer)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adaptation(Generic[R]):
    """An adapted recogniser, and its metrics before and after.

    Parameters
    ----------
    recognizer
        The adapted recogniser. Its ``artifact.training["adaptations"]`` records what it was adapted
        from, on which clips, and how.
    before, after
        Reports of the original and of the adapted recogniser on the held-out clips.
    speakers_apart
        Whether the speakers of these clips were seen in neither training. If not, the metrics apply
        to known speakers only, and the reports say so.

    Examples
    --------
    ::

        adaptation = adapt(EmotionRecognizer(), datasets.from_source("my_recordings"))
        adaptation.after.corpora[0].uar - adaptation.before.corpora[0].uar
    """

    recognizer: R
    before: Report
    after: Report
    speakers_apart: bool

    @property
    def artifact(self) -> Artifact:
        """The artefact of the adapted recogniser."""
        return self.recognizer.artifact

    def __str__(self) -> str:
        """Lay out the metrics side by side, in per cent."""
        voices = "not seen in training" if self.speakers_apart else "seen in training"
        rows = [
            [
                old.corpus,
                old.n_clips,
                *(percent(value) for value in (old.uar, new.uar, old.wa, new.wa)),
            ]
            for old, new in zip(self.before.corpora, self.after.corpora, strict=True)
        ]
        head = ["corpus", "clips", "UAR before", "after", "WA before", "after"]
        return f"on held-out clips of speakers {voices}\n{table(head, rows)}"


def continued(recognizer: Artifact | HasArtifact, **changes: Any) -> Recipe:
    """Return the recipe to continue the training of a recogniser, for ``train(start=recogniser)``.

    Parameters
    ----------
    recognizer
        The recogniser to continue from, or its artefact.
    **changes
        Fields of `Recipe` that differ from those it was trained with: ``epochs``,
        ``learning_rate`` and others, but not its architecture, features, emotions or crop.

    Returns
    -------
    Recipe
        All weights are trained, including those of a pretrained trunk. Variations of waveforms are
        not inherited: pass them again in `changes`.

    Raises
    ------
    ValueError
        If a change is not a field of a recipe, or is one of those that must stay.

    Examples
    --------
    >>> from emotionrecog import EmotionRecognizer
    >>> recipe = continued(EmotionRecognizer(), epochs=5, learning_rate=1e-4)
    >>> recipe.architecture, recipe.crop_frames, recipe.epochs
    ('mobilenet', 256, 5)
    """
    artifact = artifact_of(recognizer)
    fixed = {
        **{name: getattr(artifact, name) for name in _FIXED},
        "crop_frames": artifact.window_frames,
    }
    staying = [name for name in changes if changes[name] != fixed.get(name, changes[name])]
    if staying:
        raise ValueError(
            f"{', '.join(staying)} must stay those of recogniser {artifact.name!r}, "
            f"{fixed[staying[0]]!r:.80}; to change them, train a new recogniser"
        )
    names = [field.name for field in dataclasses.fields(Recipe)]
    unknown = [name for name in changes if name not in names]
    if unknown:
        raise ValueError(f"a recipe has no {unknown[0]!r}; expected some of {', '.join(names)}")
    trained = dict(artifact.training.get("recipe") or {})
    if trained.pop("waveforms", None) and "waveforms" not in changes:
        _logger.warning(
            "recogniser %r was trained on varied waveforms; name `waveforms` to vary them again",
            artifact.name,
        )
    plain = {name: value for name, value in trained.items() if name in names and name not in fixed}
    recipe = Recipe.from_dict({**plain, "architecture": artifact.architecture})
    return dataclasses.replace(recipe, **(fixed | changes))


@overload
def adapt(
    recognizer: Artifact | HasArtifact,
    utterances: Sequence[Utterance],
    held_out: Sequence[Utterance] | None = ...,
    *,
    name: str | None = ...,
    epochs: int = ...,
    learning_rate: float = ...,
    pull: float = ...,
    seed: int = ...,
    n_jobs: int = ...,
) -> Adaptation[Engine]: ...
@overload
def adapt(
    recognizer: Artifact | HasArtifact,
    utterances: Sequence[Utterance],
    held_out: Sequence[Utterance] | None = ...,
    *,
    name: str | None = ...,
    epochs: int = ...,
    learning_rate: float = ...,
    pull: float = ...,
    seed: int = ...,
    n_jobs: int = ...,
    build: Callable[[Artifact], R],
) -> Adaptation[R]: ...
def adapt(
    recognizer: Artifact | HasArtifact,
    utterances: Sequence[Utterance],
    held_out: Sequence[Utterance] | None = None,
    *,
    name: str | None = None,
    epochs: int = 30,
    learning_rate: float = 3e-3,
    pull: float = 0.3,
    seed: int = 0,
    n_jobs: int = -1,
    build: Callable[[Artifact], Any] = Engine,
) -> Adaptation[Any]:
    """Fit the last layers of a recogniser to a few clips of the user's own.

    Only the layers called ``logits`` are trained; the layers before them and the statistics of
    batch normalisation are frozen. Emotions that the clips lack take part in the loss with the
    weight they had for corpora that lack them (``Recipe.absent_weight``), which preserves them.

    Parameters
    ----------
    recognizer
        The recogniser to adapt, or its artefact; it is not modified.
    utterances
        Clips of two emotions or more, of one speaker or several.
    held_out
        Clips to evaluate on. By default about a third is held out: of the speakers if there are
        two or more, otherwise of the clips of each emotion.
    name
        Name of the new recogniser; by default the old name with the suffix ``-adapted``.
    epochs, learning_rate
        Passes over the clips, and the largest learning rate.
    pull
        Strength of the L2 penalty on the distance of the weights from their original values, which
        limits forgetting of other voices: half the cost of the squared distance.
    seed
        Random seed of the held-out clips, the order of the clips and the position of crops.
    n_jobs
        Number of workers that read recordings, as joblib counts them.
    build
        Builds ``recognizer`` of the result from the adapted artefact.

    Returns
    -------
    Adaptation

    Raises
    ------
    LeakageError
        If `held_out` and `utterances` share recordings.
    DatasetError
        If there are not two emotions to learn, or none of the clips to learn from or to measure
        on can be used.
    ModelError
        If TensorFlow is missing, or the Keras network of the recogniser cannot be rebuilt.

    Examples
    --------
    ::

        from emotionrecog import EmotionRecognizer, datasets
        from emotionrecog.training import adapt

        adaptation = adapt(EmotionRecognizer(), datasets.from_source("my_recordings"))
        print(adaptation)
        EmotionRecognizer(adaptation.artifact).save("adapted")
    """
    models.require_tensorflow()
    from emotionrecog.models import export
    from emotionrecog.training.loop import Start, fit

    start = artifact_of(recognizer)
    if held_out is None:
        learnt, held_out = _set_aside(utterances, seed)
    else:
        learnt = list(utterances)
    _require_other_recordings(learnt, held_out, n_jobs)
    recipe = continued(
        start,
        epochs=epochs,
        learning_rate=learning_rate,
        seed=seed,
        augmentation=None,
        averaging=0.0,
        balance="none",
        copies=0,
        mixed_precision=False,
        optimizer="adam",
        patience=None,
        schedule="cosine",
    )
    clips, used = read_clips(learnt, recipe, n_jobs, varied=False)
    if len(np.unique(clips.emotions)) < 2:
        raise DatasetError(
            "adapting needs clips of two emotions or more, to tell them apart; found only "
            f"{used[0].emotion}"
        )
    recipe = dataclasses.replace(recipe, batch_size=min(BATCH_SIZE, len(clips)))
    begin = Start(
        name=start.name, network=export.restore(start), sizes=start.sizes, frozen=True, pull=pull
    )
    before = evaluate(build(start), held_out, allow_leakage=True, n_jobs=n_jobs)
    network, _, history = fit(clips, recipe, start=begin)
    seen = set(start.training.get("speakers", ()))
    speakers = {utterance.speaker for utterance in used}
    record: dict[str, Any] = {
        "from": start.name,
        "corpora": describe_data(used),
        "emotions": [start.labels[i] for i in np.unique(clips.emotions)],
        "speakers": sorted(speakers),
        "recipe": recipe.to_dict(),
        "pull": pull,
        "history": history,
        "held_out": {"corpora": describe_data(held_out), "speakers": sorted(_speakers(held_out))},
    }
    adapted = dataclasses.replace(
        start,
        name=name or f"{start.name}-adapted",
        training={
            **start.training,
            "corpora": [*start.training.get("corpora", ()), *record["corpora"]],
            "speakers": sorted(seen | speakers),
            "adaptations": [*start.training.get("adaptations", ()), record],
        },
        metrics={},
        versions=versions(),
        # The probabilities change, and so their calibration no longer applies; the description of
        # the training data still does.
        calibration={k: v for k, v in start.calibration.items() if k == "reference"},
        onnx=export.to_onnx(network, start.temperature),
        weights=export.weights_of(network),
    )
    after = evaluate(build(adapted), held_out, allow_leakage=True, n_jobs=n_jobs)
    apart = not _speakers(held_out) & (seen | speakers)
    record["held_out"] |= {"speakers_apart": apart, "figures": _figures(before, after)}
    card = adaptation_card(adapted.name, record) + start.card
    return Adaptation(
        recognizer=build(dataclasses.replace(adapted, card=card)),
        before=before,
        after=after,
        speakers_apart=apart,
    )


def _speakers(utterances: Sequence[Utterance]) -> set[str]:
    return {utterance.speaker for utterance in utterances}


def _set_aside(
    utterances: Sequence[Utterance], seed: int
) -> tuple[list[Utterance], list[Utterance]]:
    """Divide by speaker if there are two or more, otherwise the clips of each emotion."""
    if len(_speakers(utterances)) > 1:
        return hold_out_speakers(utterances, HELD_OUT, seed)
    return hold_out_recordings(utterances, HELD_OUT, seed)


def _require_other_recordings(
    learnt: Sequence[Utterance], held_out: Sequence[Utterance], n_jobs: int
) -> None:
    pairs = leakage.audit(learnt, held_out, compare_audio=False, n_jobs=n_jobs).pairs
    if pairs:
        raise LeakageError(
            f"{len(pairs)} recordings are both adapted to and held out, such as {pairs[0].test}; "
            "hold out other recordings"
        )


def _figures(before: Report, after: Report) -> list[dict[str, Any]]:
    return [
        {"corpus": old.corpus, "n_clips": old.n_clips, "uar": [old.uar, new.uar]}
        for old, new in zip(before.corpora, after.corpora, strict=True)
    ]
