"""How good a recogniser is on voices it never heard.

`evaluate` asks a recogniser, a network or any function for each clip of a test set, once, and makes
a `Report` of the answers; `report` makes one of `Predictions` that were kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emotionrecog.errors import DatasetError, LeakageError
from emotionrecog.evaluation.groups import Breakdown, Group
from emotionrecog.evaluation.listeners import ListenerRow, ListenersReport
from emotionrecog.evaluation.metrics import (
    CorpusReport,
    EmotionReport,
    calibration_error,
    risk_coverage,
)
from emotionrecog.evaluation.predictions import Judge, Predictions, collect, require_labels
from emotionrecog.evaluation.reports import Mistake, Report, report
from emotionrecog.splits.leakage import raise_if_leaky

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotionrecog.datasets import Utterance
    from emotionrecog.features import FeatureSpec
    from emotionrecog.recognizer import EmotionRecognizer

__all__ = [
    "Breakdown",
    "CorpusReport",
    "EmotionReport",
    "Group",
    "Judge",
    "ListenerRow",
    "ListenersReport",
    "Mistake",
    "Predictions",
    "Report",
    "calibration_error",
    "evaluate",
    "report",
    "risk_coverage",
]


def evaluate(
    recognizer: EmotionRecognizer | Judge | Callable[[Any], Any],
    test_set: Sequence[Utterance],
    *,
    labels: Sequence[str] | None = None,
    features: FeatureSpec | None = None,
    name: str | None = None,
    protocol: str | None = None,
    train_set: Sequence[Utterance] = (),
    allow_leakage: bool = False,
    compare_audio: bool = True,
    seed: int = 0,
    n_jobs: int = -1,
) -> Report:
    """Measure a recogniser on utterances.

    Parameters
    ----------
    recognizer
        What to measure: an `EmotionRecognizer`; or a function that takes a list of `Waveform`, at
        most 16 at a time and each at its own sampling rate, and returns probabilities of shape
        (n_clips, n_labels); or, with `features`, a network of Keras or any other function that
        takes features.
    test_set
        Utterances of speakers that were not in its training.
    labels
        The emotions that a function or network answers, in the order of its probabilities.
    features
        What a network is fed: float32 of shape (n_clips, n_frames, n_features), as
        `emotionrecog.features.Extractor` makes them, or (n_clips, n_features) where the spec has
        functionals. Only clips of equally many frames go together.
    name
        What to call it in the report; by default a recogniser's own name, or that of the function.
    protocol
        Name of the fold whose test set this is, which the report tells; see
        `emotionrecog.splits.protocols.Fold`.
    train_set
        Utterances that the recogniser was trained on. Where they are given,
        `emotionrecog.splits.leakage.audit` looks for those of `test_set` among them, by content
        as well.
    allow_leakage
        Measure although speakers or recordings of `test_set` were in training. Such figures say
        how well the recogniser remembers, not how well it hears, and the report says so.
    compare_audio
        Whether the audit of `train_set` compares sound, and not just names and bytes.
    seed
        Of the draws of speakers that intervals are made of.
    n_jobs
        Number of workers, as joblib counts them.

    Returns
    -------
    Report

    Raises
    ------
    LeakageError
        If the recogniser was trained on speakers of `test_set`, or `train_set` shares speakers or
        recordings with it, and `allow_leakage` is false.
    DatasetError
        If there is no clip, none can be judged, or a clip's emotion is none that the recogniser
        answers.
    ValueError
        If a function comes without `labels`, or returns what are no probabilities of that shape.

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance
    >>> said = [Utterance(Path("examples/clip.wav"), "sad", corpus="mine", speaker="mine/robot")]
    >>> def undecided(clips):
    ...     return np.full((len(clips), 2), 0.5)
    >>> report = evaluate(undecided, said, labels=("happy", "sad"))
    >>> report.corpora[0].uar_open, report.corpora[0].intervals
    (0.0, {})
    """
    test_set = list(test_set)
    if not test_set:
        raise DatasetError("the test set is empty: expected one utterance or more")
    answered = known_labels(recognizer, labels, features)
    artifact = getattr(recognizer, "artifact", None)
    training = {} if artifact is None else artifact.training
    leakage = known_leakage(training, test_set, allow_leakage)
    if train_set:
        found = raise_if_leaky(
            train_set,
            test_set,
            allow_leakage=allow_leakage,
            compare_audio=compare_audio,
            n_jobs=n_jobs,
        )
        leakage = "; ".join(filter(None, (leakage, found))) or None
    require_labels(test_set, answered)
    predictions = collect(recognizer, answered, test_set, features, n_jobs)
    if name is None:  # of functions __name__, of networks of Keras name
        named = (getattr(recognizer, attribute, None) for attribute in ("__name__", "name"))
        name = getattr(artifact, "name", None) or next(filter(None, named), None)
    return report(
        predictions,
        leakage=leakage,
        name=str(name or type(recognizer).__name__),
        protocol=protocol,
        audited=_audited(
            training,
            test_set,
            len(train_set),
            compare_audio=compare_audio,
            is_leaky=leakage is not None,
        ),
        notes=_calibrated_on(getattr(artifact, "calibration", {}), test_set),
        seed=seed,
    )


def known_labels(
    recognizer: object, labels: Sequence[str] | None, features: FeatureSpec | None
) -> tuple[str, ...]:
    """Return what is answered; raise where it is not known, or said twice."""
    if hasattr(recognizer, "predict_batch"):
        if labels is not None or features is not None:
            raise ValueError(
                "`labels` and `features` are for functions and networks; a recogniser has its own"
            )
        own: tuple[str, ...] = recognizer.labels  # type: ignore[attr-defined]
        return own
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
    if len(labels) < 2 or len(set(labels)) < len(labels):
        raise ValueError(f"`labels` must be two or more different names, got {tuple(labels)!r}")
    return tuple(labels)


def known_leakage(training: Any, test_set: Sequence[Utterance], allowed: bool) -> str | None:
    """Say what the recogniser itself tells of the test set; raise where it heard its speakers."""
    shared = sorted(set(training.get("speakers", ())) & {u.speaker for u in test_set})
    parts = []
    if shared:
        parts.append(
            f"the recogniser was trained on {len(shared)} speakers of the test set, such as "
            f"{', '.join(shared[:3])}"
        )
        if not allowed:
            raise LeakageError(
                f"{parts[0]}: figures would not tell how it does on new voices. Test on "
                "other speakers, or train one that leaves these out; `allow_leakage=True`, or "
                "--allow-leakage on the command line, measures all the same, and the report says so"
            )
    if training.get("leakage"):
        parts.append(
            "the recogniser was trained although its test set was known to leak: "
            f"{training['leakage']}"
        )
    return "; ".join(parts) or None


def _calibrated_on(calibration: Any, test_set: Sequence[Utterance]) -> tuple[str, ...]:
    """Say where confidence was fitted to the very speakers who are tested."""
    shared = set(calibration.get("speakers", ())) & {u.speaker for u in test_set}
    if not shared:
        return ()
    return (
        f"confidence was fitted to what was answered to {len(shared)} of the speakers tested: "
        "calibration error, log-loss and Brier are lower here than on other voices",
    )


def _audited(
    training: Any,
    test_set: Sequence[Utterance],
    n_train: int,
    *,
    compare_audio: bool,
    is_leaky: bool,
) -> str:
    """Say how it was looked for whether training heard the test set."""
    parts = []
    speakers = training.get("speakers", ())
    n_tested = len({utterance.speaker for utterance in test_set})
    if speakers:
        parts.append(
            f"{n_tested} speakers tested were compared by name with the {len(speakers)} that the "
            "recogniser says it was trained on"
        )
    if n_train:
        how = "names, bytes and sound" if compare_audio else "names and bytes"
        parts.append(
            f"{len(test_set)} recordings tested were compared by {how} with {n_train} of training"
        )
    elif speakers:
        parts.append("recordings were not compared")
    if not parts:
        return (
            "leakage audit: none, for nothing is known of its training; whether it has heard these "
            "speakers or recordings nobody checked"
        )
    outcome = "what was found stands above" if is_leaky else "nothing is in both"
    return f"leakage audit: {'; '.join([*parts, outcome])}"
