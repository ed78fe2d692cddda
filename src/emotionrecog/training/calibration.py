"""Calibrated confidence, fitted to speakers that were not seen in training.

`calibrate` fits a temperature to answers for speakers that the network was not trained on. It also
stores the thresholds of label sets and a description of the recordings, both of which
`emotionrecog.inference.reliability` uses in predictions.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from emotionrecog import evaluation
from emotionrecog.artifact import Artifact, artifact_of
from emotionrecog.datasets import Utterance
from emotionrecog.errors import DatasetError, LeakageError
from emotionrecog.evaluation import Predictions, calibration_error
from emotionrecog.evaluation.predictions import collect
from emotionrecog.inference import Engine
from emotionrecog.inference.reliability import LabelSets, Reference
from emotionrecog.parallel import over_recordings
from emotionrecog.splits.dividing import sample_each_speaker, speaker_parts
from emotionrecog.text import percent, table
from emotionrecog.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from emotionrecog.artifact import HasArtifact

    Array = NDArray[np.float64]

__all__ = [
    "COVERAGES",
    "MINIMUM_SPEAKERS",
    "calibrate",
    "fit_label_sets",
    "fit_temperature",
    "sharpened",
    "summary",
]

_logger = logging.getLogger("emotionrecog")

MINIMUM_SPEAKERS = 5
"""Smallest number of speakers of a corpus that contributes to the temperature: with fewer, a single
voice that is misclassified with high confidence would lower the confidence of all others."""

COVERAGES = tuple(round(0.01 * percent, 2) for percent in range(50, 100))
"""The coverages for which label sets are fitted."""

# Bounds of the temperature.
_TEMPERATURES = (0.05, 20.0)

# Coverages for which the result of the cross-validation is stored.
_CHECKED = (0.8, 0.9, 0.95)

# Recordings of each speaker that describe the training data; more of them change nothing.
_OF_A_SPEAKER = 40

_LEAST = float(np.finfo(np.float64).tiny)


def calibrate(
    recognizer: Artifact | HasArtifact,
    clips: Sequence[Utterance] | Predictions | Sequence[Predictions],
    *,
    train_set: Sequence[Utterance] = (),
    protocol: str | None = None,
    n_jobs: int = -1,
) -> Artifact:
    """Calibrate the confidence of a recogniser on speakers it was not trained on.

    The logits are divided by the temperature that minimises the mean log-loss; corpora of at least
    `MINIMUM_SPEAKERS` speakers have equal weight, smaller ones are excluded. The most probable
    emotion of a window does not change. Needs TensorFlow, since the network is exported again.

    Parameters
    ----------
    recognizer
        The recogniser, or its artefact; it is not modified.
    clips
        Utterances of speakers not seen in training. If the recogniser was trained on all speakers:
        the predictions of other networks of the same recipe, with temperature 1, for speakers that
        those were not trained on.
    train_set
        Utterances that the recogniser was trained on, which describe the recordings of its
        training as well. Those of `clips` are always used; at most 40 of each speaker are read.
    protocol
        Name of the fold, or folds, whose test speakers the utterances are; recorded only.
    n_jobs
        Number of workers, as joblib counts them.

    Returns
    -------
    Artifact
        The calibrated recogniser. ``calibration`` records where its temperature comes from; see
        `summary`.

    Raises
    ------
    LeakageError
        If the recogniser was trained on speakers of the utterances.
    DatasetError
        If no corpus has five speakers, or no clip can be judged.
    ModelError
        If TensorFlow is missing, or the Keras network of the recogniser cannot be rebuilt.
    ValueError
        If the predictions have other emotions than the recogniser.

    Examples
    --------
    ::

        from emotionrecog import EmotionRecognizer, datasets
        from emotionrecog.training.calibration import calibrate, summary

        artifact = calibrate(EmotionRecognizer.load("mine"), datasets.read("corpora/savee"))
        print(summary(artifact))
    """
    from emotionrecog.models import export

    artifact = artifact_of(recognizer)
    engine = Engine(artifact)
    items = [clips] if isinstance(clips, Predictions) else list(clips)
    if not items:
        raise DatasetError("no clips to calibrate on: expected utterances, found none")
    utterances = [item for item in items if isinstance(item, Utterance)]
    is_own = len(utterances) == len(items)
    predictions: list[Any] = [_predictions_for(engine, utterances, n_jobs)] if is_own else items
    table = _Table.of(predictions, artifact.labels)
    relative = fit_temperature(table.probabilities, table.acted, table.weights())
    temperature = relative * artifact.temperature if is_own else relative
    sets = fit_label_sets(sharpened(table.probabilities, relative), table.acted, table.speakers)
    judged = list({u.path: u for one in predictions for u in one.utterances}.values())
    reference = _reference(engine, [*judged, *train_set], n_jobs)
    record: dict[str, Any] = {
        "version": __version__,
        "protocol": protocol,
        "by_siblings": not is_own,
        "temperature": round(temperature, 6),
        "n_clips": len(table.acted),
        "speakers": sorted(set(table.speakers.tolist())),
        "corpora": _checked(table),
        "label_sets": sets.to_dict(),
        "reference": reference.to_dict(),
    }
    return dataclasses.replace(
        artifact,
        temperature=record["temperature"],
        onnx=export.to_onnx(export.restore(artifact), record["temperature"]),
        calibration=record,
    )


def summary(artifact: Artifact) -> str:
    """Describe the calibration of a recogniser in a table.

    Raises
    ------
    ValueError
        If it has not been calibrated.

    Examples
    --------
    >>> from emotionrecog import EmotionRecognizer
    >>> summary(EmotionRecognizer().artifact).splitlines()[-1]  # doctest: +ELLIPSIS
    'recordings of ... s'
    """
    record = artifact.calibration
    if "temperature" not in record:
        raise ValueError(f"recogniser {artifact.name!r} has not been calibrated")
    who = "networks of the same recipe" if record["by_siblings"] else "the network itself"
    lines = [
        f"{artifact.name}: temperature {record['temperature']:.3f}, fitted to the answers of {who} "
        f"to {record['n_clips']} clips of {len(record['speakers'])} speakers not seen in training"
        + (f" ({record['protocol']})" if record["protocol"] else ""),
        "cross-validated over fifths of the speakers, in per cent:",
    ]
    head = ["corpus", "clips", "speakers", "ECE before", "after"]
    for share in _CHECKED:
        head += [f"{percent(share, digits=0)} % sets", "of"]
    rows = []
    for row in record["corpora"]:
        cells = [row["corpus"], row["n_clips"], row["n_speakers"]]
        cells += [percent(row["ece_before"]), percent(row["ece_after"])]
        for check in row["sets"]:
            cells += [percent(check["covered"]), f"{check['size']:.2f}"]
        rows.append(cells)
    lines.append(table(head, rows))
    absent = [row["corpus"] for row in record["corpora"] if not row["is_fitted"]]
    if absent:
        lines.append(
            f"{', '.join(absent)}: fewer than {MINIMUM_SPEAKERS} speakers, excluded from the "
            "temperature"
        )
    shortest, longest = record["reference"]["durations"]
    lines.append(f"recordings of {shortest:.1f} to {longest:.1f} s")
    return "\n".join(lines)


# --- fitting ------------------------------------------------------------------------------------


def sharpened(probabilities: Array, temperature: float) -> Array:
    """Return the probabilities that logits divided by a temperature would have.

    Probabilities of several windows have been averaged already; for them, the result is close to
    the answer of the network, but not equal.

    Examples
    --------
    >>> sharpened(np.array([[0.8, 0.2]]), 0.5).round(3)
    array([[0.941, 0.059]])
    """
    logits = np.log(np.maximum(probabilities, _LEAST)) / temperature
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Array = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def fit_temperature(probabilities: Array, acted: NDArray[np.intp], weights: Array) -> float:
    """Return the temperature that minimises the mean log-loss.

    Parameters
    ----------
    probabilities
        Shape (n_clips, n_labels).
    acted
        Number of the right label, shape (n_clips,).
    weights
        Weight of each clip, shape (n_clips,).

    References
    ----------
    C. Guo et al.: "On calibration of modern neural networks", ICML 2017.

    Examples
    --------
    Of ten answers of 60 %, nine are right:

    >>> shares = np.tile([0.6, 0.4], (10, 1))
    >>> temperature = fit_temperature(shares, np.array([0] * 9 + [1]), np.ones(10))
    >>> sharpened(shares[:1], temperature).round(2)
    array([[0.9, 0.1]])
    """
    from scipy.optimize import minimize_scalar

    used = weights > 0
    logits, right = np.log(np.maximum(probabilities[used], _LEAST)), acted[used]
    share = weights[used] / weights.sum()

    def loss(log_temperature: float) -> float:
        scaled = logits / math.exp(log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        of_right = scaled[np.arange(len(right)), right] - np.log(np.exp(scaled).sum(axis=1))
        return float(-(share @ of_right))

    low, high = map(math.log, _TEMPERATURES)
    result = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-5})
    return math.exp(float(result.x))


def fit_label_sets(
    probabilities: Array, acted: NDArray[np.intp], speakers: NDArray[Any]
) -> LabelSets:
    """Fit the lowest probability with which an emotion belongs to a label set, for each coverage.

    A new voice is assumed to be drawn from the same distribution as these speakers. All speakers
    have equal weight, including the new one, for which the worst case is assumed; sets of a high
    coverage therefore contain all emotions if there are few speakers.

    Parameters
    ----------
    probabilities
        Calibrated, shape (n_clips, n_labels).
    acted
        Number of the right label, shape (n_clips,).
    speakers
        The speaker of each clip, shape (n_clips,).

    References
    ----------
    Y. Lee, R. F. Barber, R. Willett: "Distribution-free inference with hierarchical data", 2023.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> sure = rng.uniform(0.5, 1.0, 1000)
    >>> right = (rng.uniform(size=1000) > sure).astype(int)
    >>> pairs, speakers = np.stack([sure, 1 - sure], axis=1), np.repeat(np.arange(100), 10)
    >>> sets = fit_label_sets(pairs, right, speakers)
    >>> len(sets.of(np.array([0.95, 0.05]), 0.9)), len(sets.of(np.array([0.6, 0.4]), 0.9))
    (1, 2)
    """
    scores = 1 - probabilities[np.arange(len(acted)), acted]
    of_speaker = np.unique(speakers, return_inverse=True)[1]
    weights = 1 / np.bincount(of_speaker)[of_speaker]
    scores, weights = np.append(scores, 1.0), np.append(weights, 1.0)
    limits = np.quantile(scores, COVERAGES, weights=weights, method="inverted_cdf").tolist()
    # Rounded up, so that scores equal to the limit stay within it.
    return LabelSets(COVERAGES, tuple(min(1.0, math.ceil(1e6 * x) / 1e6) for x in limits))


# --- data ---------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Table:
    """Answers to clips with their corpora and speakers; all arrays have n_clips rows."""

    probabilities: Array
    acted: NDArray[np.intp]
    corpora: NDArray[Any]
    speakers: NDArray[Any]

    def fitting(self) -> list[str]:
        """Return the corpora that contribute to the temperature."""
        speakers = {
            name: set(self.speakers[self.corpora == name].tolist())
            for name in dict.fromkeys(self.corpora.tolist())
        }
        corpora = [name for name, names in speakers.items() if len(names) >= MINIMUM_SPEAKERS]
        if not corpora:
            raise DatasetError(
                f"a temperature needs {MINIMUM_SPEAKERS} speakers or more of one corpus that were "
                f"not seen in training, got {max(map(len, speakers.values()))}"
            )
        return corpora

    def weights(self) -> Array:
        """Return the weight of each clip, shape (n_clips,); corpora have equal weight."""
        weights = np.zeros(len(self.acted))
        for corpus in self.fitting():
            is_in_corpus = self.corpora == corpus
            weights[is_in_corpus] = 1 / is_in_corpus.sum()
        return weights

    @classmethod
    def of(cls, predictions: Sequence[Any], labels: tuple[str, ...]) -> _Table:
        for one in predictions:
            if not isinstance(one, Predictions):
                raise ValueError(
                    f"`clips` must be utterances, or predictions, got {one!r:.60} among them"
                )
            if one.labels != labels:
                raise ValueError(
                    f"predictions must be of the emotions {', '.join(labels)}, in this order, got "
                    f"{', '.join(one.labels)}"
                )
        return cls(
            probabilities=np.concatenate([one.probabilities for one in predictions]),
            acted=np.concatenate([one.acted for one in predictions]),
            corpora=np.array([corpus for one in predictions for corpus in one.corpora]),
            speakers=np.array([u.speaker for one in predictions for u in one.utterances]),
        )


def _predictions_for(
    recognizer: Engine, utterances: Sequence[Utterance], n_jobs: int
) -> Predictions:
    shared = sorted(
        set(recognizer.artifact.training.get("speakers", ())) & {u.speaker for u in utterances}
    )
    if shared:
        raise LeakageError(
            f"the recogniser was trained on {len(shared)} of the speakers, such as "
            f"{', '.join(shared[:3])}, for whom its confidence is too high. Calibrate on speakers "
            "not seen in training; if it was trained on all speakers, use predictions of networks "
            "of the same recipe that were not trained on these"
        )
    evaluation.predictions.require_labels(utterances, recognizer.labels)
    return collect(recognizer, recognizer.labels, utterances, None, n_jobs)


def _checked(table: _Table) -> list[dict[str, Any]]:
    """Cross-validate over the parts of the speakers, and summarise by corpus."""
    fitting, weights = table.fitting(), table.weights()
    after = table.probabilities.copy()
    inside = np.zeros((len(_CHECKED), *after.shape), dtype=bool)
    part = speaker_parts(table.corpora.tolist(), table.speakers.tolist())
    for number in np.unique(part):
        in_part, others = part == number, part != number
        temperature = fit_temperature(
            table.probabilities[others], table.acted[others], weights[others]
        )
        after = np.where(in_part[:, np.newaxis], sharpened(table.probabilities, temperature), after)
        sets = fit_label_sets(
            sharpened(table.probabilities[others], temperature),
            table.acted[others],
            table.speakers[others],
        )
        for level, share in enumerate(_CHECKED):
            for clip in np.flatnonzero(in_part):
                inside[level, clip, sets.of(after[clip], share)] = True
    rows = []
    for corpus in dict.fromkeys(table.corpora.tolist()):
        in_corpus = table.corpora == corpus
        n_clips, acted = int(in_corpus.sum()), table.acted[in_corpus]
        before_after = [
            calibration_error(
                shares[in_corpus].max(axis=1), shares[in_corpus].argmax(axis=1) == acted
            )
            for shares in (table.probabilities, after)
        ]
        rows.append(
            {
                "corpus": corpus,
                "n_clips": n_clips,
                "n_speakers": len(set(table.speakers[in_corpus].tolist())),
                "is_fitted": corpus in fitting,
                "ece_before": round(before_after[0], 5),
                "ece_after": round(before_after[1], 5),
                "sets": [
                    {
                        "coverage": share,
                        "covered": round(
                            float(chosen[in_corpus][np.arange(n_clips), acted].mean()), 5
                        ),
                        "size": round(float(chosen[in_corpus].sum(axis=1).mean()), 4),
                    }
                    for share, chosen in zip(_CHECKED, inside, strict=True)
                ],
            }
        )
    return rows


def _reference(recognizer: Engine, utterances: Sequence[Utterance], n_jobs: int) -> Reference:
    """Measure recordings of each speaker, spread evenly over all recordings of the speaker."""
    recordings = {u.path: u for u in utterances if u.style == "speech"}
    chosen = sample_each_speaker(list(recordings.values()), _OF_A_SPEAKER)
    results = over_recordings(
        lambda utterance: recognizer.sound(utterance.path),
        chosen,
        activity="measuring",
        n_jobs=n_jobs,
    )
    sounds, measured = results.values, results.items
    if len({u.speaker for u in measured}) < 2:
        raise DatasetError(
            f"describing the training data needs speech of two speakers or more; of {len(chosen)} "
            f"recordings, {len(measured)} could be read"
        )
    return Reference.of(sounds, [u.corpus for u in measured], [u.speaker for u in measured])
