"""Measure recognisers on test sets, corpus by corpus, with intervals.

`evaluate` has a recogniser, a network or any function judge each clip of a test set once and
returns a `Report`; `report` makes one from stored `Predictions`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emotionrecog.errors import DatasetError
from emotionrecog.evaluation.groups import Breakdown, Group
from emotionrecog.evaluation.listeners import ListenerRow, ListenersReport
from emotionrecog.evaluation.metrics import (
    CorpusReport,
    EmotionReport,
    calibration_error,
    risk_coverage,
    uar,
)
from emotionrecog.evaluation.predictions import (
    Judge,
    Predictions,
    answered_labels,
    collect,
    name_of,
    require_labels,
)
from emotionrecog.evaluation.provenance import describe_audit, describe_calibration, known_leakage
from emotionrecog.evaluation.reports import Mistake, Report, report
from emotionrecog.splits.leakage import raise_if_leaky

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotionrecog.datasets import Utterance
    from emotionrecog.features import FeatureSpec
    from emotionrecog.inference import Recognizer

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
    "uar",
]


def evaluate(
    recognizer: Recognizer | Judge | Callable[[Any], Any],
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
    """Measure a recogniser on a test set.

    Parameters
    ----------
    recognizer
        What to measure: an `EmotionRecognizer` or anything else with the same methods; or a
        function that takes a list of `Waveform`, at most 16 at a time and each at its own sampling
        rate, and returns probabilities of shape (n_clips, n_labels); or, with `features`, a Keras
        network or any other function of features.
    test_set
        Utterances of speakers that were not seen in training.
    labels
        The emotions that a function or network answers, in the order of its probabilities.
    features
        The inputs of a network: float32 of shape (n_clips, n_frames, n_features), as
        `emotionrecog.features.Extractor` computes them, or (n_clips, n_features) if the spec has
        functionals. Only clips with equally many frames are batched together.
    name
        Name for the report; by default the recogniser's or the function's.
    protocol
        Name of the fold whose test set this is, for the report; see
        `emotionrecog.splits.protocols.Fold`.
    train_set
        Utterances that the recogniser was trained on, if available.
        `emotionrecog.splits.leakage.audit` then compares them with `test_set`, by content as well.
    allow_leakage
        Whether to measure although speakers or recordings of `test_set` were seen in training.
        Such results show what the recogniser remembers, not how it performs on new speakers, and
        the report says so.
    compare_audio
        Whether the audit of `train_set` compares sound, not just names and bytes.
    seed
        Random seed of the draws of speakers from which intervals are computed.
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
        If there are no clips, none can be judged, or a clip's emotion is not one of the labels.
    ValueError
        If a function comes without `labels`, or does not return probabilities of that shape.

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance
    >>> clips = [Utterance(Path("examples/clip.wav"), "sad", corpus="mine", speaker="mine/robot")]
    >>> def undecided(waveforms):
    ...     return np.full((len(waveforms), 2), 0.5)
    >>> report = evaluate(undecided, clips, labels=("happy", "sad"))
    >>> report.corpora[0].uar_open, report.corpora[0].intervals
    (0.0, {})
    """
    test_set = list(test_set)
    if not test_set:
        raise DatasetError("the test set is empty: expected one utterance or more")
    labels = answered_labels(recognizer, labels, features)
    artifact = getattr(recognizer, "artifact", None)
    training = {} if artifact is None else artifact.training
    leakage = known_leakage(training, test_set, allow_leakage)
    if train_set:
        shared = raise_if_leaky(
            train_set,
            test_set,
            allow_leakage=allow_leakage,
            compare_audio=compare_audio,
            n_jobs=n_jobs,
        )
        leakage = "; ".join(filter(None, (leakage, shared))) or None
    require_labels(test_set, labels)
    predictions = collect(recognizer, labels, test_set, features, n_jobs)
    return report(
        predictions,
        leakage=leakage,
        name=name or name_of(recognizer),
        protocol=protocol,
        audited=describe_audit(
            training,
            test_set,
            len(train_set),
            compare_audio=compare_audio,
            is_leaky=leakage is not None,
        ),
        notes=describe_calibration(getattr(artifact, "calibration", {}), test_set),
        seed=seed,
    )
