"""Going on from a recogniser: with more recordings of all kinds, or with a user's few."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from emotionrecog import models
from emotionrecog.errors import DatasetError, LeakageError
from emotionrecog.recognizer import EmotionRecognizer
from emotionrecog.splits import leakage
from emotionrecog.splits.dividing import hold_out_recordings, hold_out_speakers
from emotionrecog.training.data import read_clips
from emotionrecog.training.recipe import Recipe
from emotionrecog.training.record import describe, versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotionrecog.datasets import Utterance
    from emotionrecog.evaluation import Report

__all__ = ["Adaptation", "adapt", "continued"]

_logger = logging.getLogger("emotionrecog")

# Share of the clips, or of their speakers, that is held out where nothing is given.
HELD_OUT = 0.3

# Clips in a step; fewer where there are fewer.
BATCH_SIZE = 16

# What fixes the network, and so cannot change when training goes on.
_FIXED = ("architecture", "features", "labels")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adaptation:
    """A recogniser that was adapted, and what it brought.

    Parameters
    ----------
    recognizer
        The new one. Its ``artifact.training["adaptations"]`` says from what it was adapted, on
        what, and how.
    before, after
        Figures of the old and of the new recogniser on the clips that were held out.
    speakers_apart
        Whether neither recogniser had heard the voices of these clips. If not, the figures tell
        how well voices that are known are recognised, and the reports say so.
    """

    recognizer: EmotionRecognizer
    before: Report
    after: Report
    speakers_apart: bool

    def __str__(self) -> str:
        """Lay the figures out beside each other, in per cent."""
        voices = "voices never heard" if self.speakers_apart else "voices that are known by now"
        lines = [
            f"on clips held out, {voices}",
            f"{'corpus':<14}{'clips':>6}{'UAR before':>12}{'after':>7}"
            f"{'WA before':>12}{'after':>7}",
        ]
        for old, new in zip(self.before.corpora, self.after.corpora, strict=True):
            lines.append(
                f"{old.corpus:<14}{old.n_clips:>6}{100 * old.uar:>12.1f}{100 * new.uar:>7.1f}"
                f"{100 * old.wa:>12.1f}{100 * new.wa:>7.1f}"
            )
        return "\n".join(lines)


def continued(recognizer: EmotionRecognizer, **changes: Any) -> Recipe:
    """Return the recipe to go on training a recogniser with, for ``train(start=recogniser)``.

    Parameters
    ----------
    recognizer
        What to go on from.
    **changes
        Fields of `Recipe` that shall differ from those it was trained with: ``epochs``,
        ``learning_rate`` and others, but not its architecture, features, emotions or crop.

    Returns
    -------
    Recipe
        All weights learn, those of a pretrained trunk too. Varied waveforms are not taken over:
        name them again in `changes`.

    Raises
    ------
    ValueError
        If a change is none of a recipe's fields, or of those that must stay.

    Examples
    --------
    >>> from emotionrecog import EmotionRecognizer
    >>> recipe = continued(EmotionRecognizer(), epochs=5, learning_rate=1e-4)
    >>> recipe.architecture, recipe.crop_frames, recipe.epochs
    ('mobilenet', 256, 5)
    """
    artifact = recognizer.artifact
    fixed = {
        **{name: getattr(artifact, name) for name in _FIXED},
        "crop_frames": artifact.window_frames,
    }
    staying = [name for name in changes if changes[name] != fixed.get(name, changes[name])]
    if staying:
        raise ValueError(
            f"{', '.join(staying)} must stay those of recogniser {artifact.name!r}, "
            f"{fixed[staying[0]]!r:.80}; to train with others, begin anew"
        )
    known = [field.name for field in dataclasses.fields(Recipe)]
    unknown = [name for name in changes if name not in known]
    if unknown:
        raise ValueError(f"a recipe has no {unknown[0]!r}; expected some of {', '.join(known)}")
    trained = dict(artifact.training.get("recipe") or {})
    if trained.pop("waveforms", None) and "waveforms" not in changes:
        _logger.warning(
            "recogniser %r was trained on varied waveforms; name `waveforms` to vary them again",
            artifact.name,
        )
    plain = {name: value for name, value in trained.items() if name in known and name not in fixed}
    recipe = Recipe.from_dict({**plain, "architecture": artifact.architecture})
    return dataclasses.replace(recipe, **(fixed | changes))


def adapt(
    recognizer: EmotionRecognizer,
    utterances: Sequence[Utterance],
    held_out: Sequence[Utterance] | None = None,
    *,
    name: str | None = None,
    epochs: int = 30,
    learning_rate: float = 3e-3,
    pull: float = 0.3,
    seed: int = 0,
    n_jobs: int = -1,
) -> Adaptation:
    """Fit the last layers of a recogniser to a user's few clips.

    Only the layers called ``logits`` learn; what is heard before them, and what batch
    normalisation knows, stay as they are. Emotions that the clips lack take part in the loss with
    the weight that they had for corpora that lack them (``Recipe.absent_weight``), which spares
    them.

    Parameters
    ----------
    recognizer
        What to start from; it stays as it is.
    utterances
        Clips of two emotions or more, of one speaker or several.
    held_out
        Clips to measure on. Without, about a third is set aside: of the speakers, where there
        are two or more, otherwise of the clips of each emotion.
    name
        What to call the new recogniser; by default the old name with ``-adapted`` after it.
    epochs, learning_rate
        Passes over the clips, largest learning rate.
    pull
        How strongly the weights are held at what they were, against forgetting other voices: half
        of what the square of their distance costs.
    seed
        Of what is set aside, and of the order of the clips and where they are cut.
    n_jobs
        Number of workers that read recordings, as joblib counts them.

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
    """
    models.require_tensorflow()
    from emotionrecog.models import export
    from emotionrecog.training.loop import Start, fit

    start = recognizer.artifact
    if held_out is None:
        learnt, held_out = _set_aside(utterances, seed)
    else:
        learnt = list(utterances)
    _require_other_recordings(learnt, held_out, n_jobs)
    recipe = continued(
        recognizer,
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
    before = recognizer.evaluate(held_out, allow_leakage=True, n_jobs=n_jobs)
    network, _, history = fit(clips, recipe, start=begin)
    heard = set(start.training.get("speakers", ()))
    own = {utterance.speaker for utterance in used}
    told: dict[str, Any] = {
        "from": start.name,
        "corpora": describe(used),
        "emotions": [start.labels[i] for i in np.unique(clips.emotions)],
        "speakers": sorted(own),
        "recipe": recipe.to_dict(),
        "pull": pull,
        "history": history,
        "held_out": {"corpora": describe(held_out), "speakers": sorted(_speakers(held_out))},
    }
    adapted = dataclasses.replace(
        start,
        name=name or f"{start.name}-adapted",
        training={
            **start.training,
            "corpora": [*start.training.get("corpora", ()), *told["corpora"]],
            "speakers": sorted(heard | own),
            "adaptations": [*start.training.get("adaptations", ()), told],
        },
        metrics={},
        versions=versions(),
        # Its probabilities are others now; what recordings of training are like is the same.
        calibration={k: v for k, v in start.calibration.items() if k == "reference"},
        onnx=export.to_onnx(network, start.temperature),
        weights=export.weights_of(network),
    )
    after = EmotionRecognizer(adapted).evaluate(held_out, allow_leakage=True, n_jobs=n_jobs)
    apart = not _speakers(held_out) & (heard | own)
    told["held_out"] |= {"speakers_apart": apart, "figures": _figures(before, after)}
    card = _card(adapted.name, told) + start.card
    return Adaptation(
        recognizer=EmotionRecognizer(dataclasses.replace(adapted, card=card)),
        before=before,
        after=after,
        speakers_apart=apart,
    )


def _speakers(utterances: Sequence[Utterance]) -> set[str]:
    return {utterance.speaker for utterance in utterances}


def _set_aside(
    utterances: Sequence[Utterance], seed: int
) -> tuple[list[Utterance], list[Utterance]]:
    """Divide by speaker where there are two or more, otherwise each emotion's clips."""
    if len(_speakers(utterances)) > 1:
        return hold_out_speakers(utterances, HELD_OUT, seed)
    return hold_out_recordings(utterances, HELD_OUT, seed)


def _require_other_recordings(
    learnt: Sequence[Utterance], held_out: Sequence[Utterance], n_jobs: int
) -> None:
    pairs = leakage.audit(learnt, held_out, compare_audio=False, n_jobs=n_jobs).pairs
    if pairs:
        raise LeakageError(
            f"{len(pairs)} recordings are learnt from and held out, such as {pairs[0].test}; what "
            "is measured must be others"
        )


def _figures(before: Report, after: Report) -> list[dict[str, Any]]:
    return [
        {"corpus": old.corpus, "n_clips": old.n_clips, "uar": [old.uar, new.uar]}
        for old, new in zip(before.corpora, after.corpora, strict=True)
    ]


def _card(name: str, told: dict[str, Any]) -> str:
    """Say what became of the recogniser that the card below is about."""
    held = told["held_out"]
    voices = "never heard before" if held["speakers_apart"] else "that it knows by now"
    learnt = ", ".join(f"{row['n_clips']} clips of {row['corpus']}" for row in told["corpora"])
    figures = "\n".join(
        f"| {row['corpus']} | {row['n_clips']} | {100 * row['uar'][0]:.1f} "
        f"| {100 * row['uar'][1]:.1f} |"
        for row in held["figures"]
    )
    return f"""\
# {name}

The recogniser `{told["from"]}`, whose card is below, with its last layers adapted to {learnt}
({", ".join(told["emotions"])}). The figures of the card below are not its own. On clips that were
held out, of voices {voices}, UAR in per cent:

| corpus | clips | before | after |
|---|---|---|---|
{figures}

"""
