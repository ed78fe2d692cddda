"""Measure how many of a recogniser's answers stay the same when recordings are degraded.

`stress_test` degrades recordings under each of `emotionrecog.evaluation.conditions.CONDITIONS`,
counts how often the answer stays the same, and compares that share with pass marks.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import math
import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emotionrecog import audio, parallel
from emotionrecog.augmentation import generator_for
from emotionrecog.errors import DatasetError, EmotionRecogError, require_whole
from emotionrecog.evaluation.conditions import CONDITIONS, Condition
from emotionrecog.evaluation.intervals import draw, interval
from emotionrecog.evaluation.metrics import recall_weights
from emotionrecog.evaluation.predictions import (
    answered_labels,
    corpus_name,
    judge_batch,
    name_of,
    require_labels,
    require_probabilities,
)
from emotionrecog.evaluation.provenance import known_leakage
from emotionrecog.features import Extractor
from emotionrecog.files import sha256
from emotionrecog.splits.dividing import sample_clips
from emotionrecog.text import count, percent, rounded, table
from emotionrecog.text import interval as interval_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from emotionrecog.audio import Waveform
    from emotionrecog.datasets import Utterance
    from emotionrecog.evaluation import Judge
    from emotionrecog.features import FeatureSpec
    from emotionrecog.inference import Recognizer

    Array = NDArray[np.float64]

__all__ = ["ConditionReport", "Rise", "StressReport", "stress_test"]

_logger = logging.getLogger("emotionrecog")

# By chance, a harder condition may score better than a milder one: by this many standard errors of
# the difference over the same clips, and by this much in any case.
RISE_ERRORS = 3.0
RISE_ALLOWED = 0.02


@dataclass(frozen=True, kw_only=True)
class ConditionReport:
    """Results under one condition. Shares are from 0 to 1.

    Parameters
    ----------
    family, level, mark
        Those of the `Condition`.
    n_clips
        Number of degraded clips; clips to which the change cannot be applied are left out.
    n_refused
        Number of them for which the recogniser gave no answer. They count as changed and wrong.
    unchanged
        Share of clips whose most probable emotion is that of the original; None without clips, as
        are the following.
    interval
        95 % confidence interval of `unchanged`, from draws of speakers; None if a corpus has a
        single one.
    uar
        Unweighted average recall of each corpus among the emotions that its clips act, averaged
        over corpora.
    confidence_change
        Mean change of the highest probability, over the clips with an answer.
    flips
        Changed answers: emotion before, emotion under the condition, number of clips; the most
        frequent first.
    """

    family: str
    level: str
    mark: float | None
    n_clips: int
    n_refused: int
    unchanged: float | None
    interval: tuple[float, float] | None
    uar: float | None
    confidence_change: float | None
    flips: tuple[tuple[str, str, int], ...]

    @property
    def name(self) -> str:
        """Family and level."""
        return f"{self.family}, {self.level}"

    @property
    def passed(self) -> bool | None:
        """Whether the pass mark is met; None if there is no mark or no clip."""
        if self.mark is None or self.unchanged is None:
            return None
        return self.unchanged >= self.mark


@dataclass(frozen=True, kw_only=True)
class Rise:
    """A harder condition that scores better than a milder one by more than chance explains.

    Parameters
    ----------
    metric
        ``"unchanged"`` or ``"uar"``.
    milder, harder
        Names of the conditions, or ``"clean"``.
    rise, allowed
        Difference of the metric over the same clips, and the largest one that chance explains.
    """

    metric: str
    milder: str
    harder: str
    rise: float
    allowed: float


@dataclass(frozen=True, kw_only=True)
class StressReport:
    """Results of a stress test.

    Parameters
    ----------
    recognizer
        Name of the recogniser.
    corpora, n_clips, n_speakers
        The clips judged.
    seed
        Random seed of the test.
    clean_uar
        Unweighted average recall on the original clips, computed as under the conditions.
    clean_confidence
        Mean of the highest probability on them.
    conditions
        Results under each condition.
    rises
        Harder conditions that score better; see `Rise`.
    failed
        Clips that cannot be read or judged as they are, with the reason. They are left out.
    leakage
        The speakers of the clips that were seen in training, in words, if leakage was allowed; None
        if none are known.
    """

    recognizer: str
    corpora: tuple[str, ...]
    n_clips: int
    n_speakers: int
    seed: int
    clean_uar: float
    clean_confidence: float
    conditions: tuple[ConditionReport, ...]
    rises: tuple[Rise, ...]
    failed: Mapping[str, str]
    leakage: str | None = None

    @property
    def missed(self) -> tuple[ConditionReport, ...]:
        """The conditions whose pass mark is missed."""
        return tuple(row for row in self.conditions if row.passed is False)

    def to_dict(self) -> dict[str, Any]:
        """Return the results ready for JSON, to six decimals, leakage first.

        Examples
        --------
        >>> report.to_dict()["conditions"][0]["unchanged"]  # doctest: +SKIP
        1.0
        """
        fields = dataclasses.asdict(self)
        for row, condition in zip(fields["conditions"], self.conditions, strict=True):
            row["passed"] = condition.passed
        fields["failed"] = dict(self.failed)
        values: dict[str, Any] = rounded({"leakage": fields.pop("leakage"), **fields})
        return values

    def __str__(self) -> str:
        """Lay the results out as a table, in per cent."""
        lines = []
        if self.leakage:
            lines.append(f"LEAKY, these are not results on new speakers: {self.leakage}")
        head = ("condition", "clips", "unchanged", "95 % interval", "mark", "UAR", "confidence")
        clean = (
            "clean",
            self.n_clips,
            "",
            "",
            "",
            percent(self.clean_uar),
            percent(self.clean_confidence),
        )
        rows = [
            (
                row.name,
                row.n_clips,
                percent(row.unchanged),
                interval_text(row.interval),
                _mark(row),
                percent(row.uar),
                percent(row.confidence_change, sign="+"),
            )
            for row in self.conditions
        ]
        lines.append(table(head, [clean, *rows]))
        judged = [row for row in self.conditions if row.passed is not None]
        lines.append(f"{len(judged) - len(self.missed)} of {len(judged)} pass marks met")
        lines += [
            f"{rise.harder} is better than {rise.milder}: {rise.metric} rises by "
            f"{percent(rise.rise)}, more than the {percent(rise.allowed)} that chance explains"
            for rise in self.rises
        ]
        if not self.rises:
            lines.append("no harder condition is better than a milder one by more than chance")
        n_refused = sum(row.n_refused for row in self.conditions)
        if n_refused:
            lines.append(
                f"{count(n_refused, 'degraded clip')} had no answer and count as changed and wrong"
            )
        if self.failed:
            lines.append(f"left out: {count(len(self.failed), 'clip')} that could not be judged")
        return "\n".join(lines)


def _mark(row: ConditionReport) -> str:
    if row.mark is None:
        return ""
    outcome = {True: " met", False: " missed", None: ""}[row.passed]
    return f"{percent(row.mark, digits=0)}{outcome}"


# --- the test -----------------------------------------------------------------------------------


def stress_test(
    recognizer: Recognizer | Judge | Callable[[Any], Any],
    utterances: Sequence[Utterance],
    *,
    labels: Sequence[str] | None = None,
    features: FeatureSpec | None = None,
    name: str | None = None,
    conditions: Sequence[Condition] = CONDITIONS,
    n_clips: int | None = None,
    seed: int = 0,
    allow_leakage: bool = False,
    n_jobs: int = -1,
) -> StressReport:
    """Measure how many of a recogniser's answers stay the same when recordings are degraded.

    Each recording is read once, at its own sampling rate, and degraded under each condition. Random
    changes depend on the recording's corpus and name, the condition and `seed`, not on the other
    recordings, the other conditions or `n_jobs`.

    Parameters
    ----------
    recognizer, labels, features, name
        What to test, as for `emotionrecog.evaluation.evaluate`. A function or network is called
        from one thread at a time.
    utterances
        Recordings of speakers that were not seen in training.
    conditions
        How to degrade recordings; those of one family from the mildest to the hardest.
    n_clips
        Number of clips to draw with `emotionrecog.splits.dividing.sample_clips`; by default all
        are judged.
    seed
        Random seed of noises, rooms, places and the clips drawn.
    allow_leakage
        Whether to measure although speakers were seen in training; the report says so.
    n_jobs
        Number of threads, as joblib counts them.

    Returns
    -------
    StressReport
        Clips that cannot be read or judged are listed in it, and logged.

    Raises
    ------
    LeakageError
        If the recogniser was trained on speakers of `utterances` and `allow_leakage` is false.
    DatasetError
        If no clip can be judged, or a clip's emotion is not one of the labels.
    ValueError
        If there are no conditions or two of one name, a function comes without `labels`, or does
        not return probabilities of that shape.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance
    >>> from emotionrecog.evaluation.conditions import CONDITIONS
    >>> from emotionrecog.evaluation.stress import stress_test
    >>> def loud_is_angry(waveforms):
    ...     loudness = [min(1.0, 1.5 * float(waveform.samples.std())) for waveform in waveforms]
    ...     return [[1 - share, share] for share in loudness]
    >>> clip = Utterance(Path("examples/clip.wav"), "angry", corpus="mine", speaker="mine/ann")
    >>> louder = [condition for condition in CONDITIONS if condition.family == "louder"]
    >>> report = stress_test(loud_is_angry, [clip], labels=["sad", "angry"], conditions=louder)
    >>> [(row.name, row.unchanged) for row in report.conditions]
    [('louder, 6 dB', 1.0), ('louder, 20 dB', 0.0)]
    """
    names = [condition.name for condition in conditions]
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"`conditions` must be one or more, each with a different name, got {names!r}"
        )
    require_whole("seed", seed)
    labels = answered_labels(recognizer, labels, features)
    clips = list(utterances) if n_clips is None else sample_clips(utterances, n_clips, seed=seed)
    if not clips:
        raise DatasetError("there are no clips to test with: expected one utterance or more")
    require_labels(clips, labels)
    artifact = getattr(recognizer, "artifact", None)
    leakage = known_leakage({} if artifact is None else artifact.training, clips, allow_leakage)
    judge = _judge(recognizer, len(labels), features)
    results = parallel.over_recordings(
        lambda utterance: _judge_degraded(judge, utterance, conditions, seed),
        clips,
        activity="stress-testing",
        n_jobs=n_jobs,
        require="sharedmem",
    )
    if not results.items:
        raise DatasetError(
            f"none of the {count(len(clips), 'clip')} can be judged; the first failed with: "
            f"{next(iter(results.failed.values()))}"
        )
    for number, condition in enumerate(conditions):
        reasons = [answers.not_applied[number] for answers in results.values]
        if all(reason is not None for reason in reasons):
            _logger.warning("%s cannot be applied to any clip: %s", condition.name, reasons[0])
    answers = _AllAnswers(
        probabilities=np.stack([answers.probabilities for answers in results.values]),
        is_applied=np.array(
            [[True, *(x is None for x in answers.not_applied)] for answers in results.values]
        ),
        acted=np.array([labels.index(utterance.emotion) for utterance in results.items]),
        corpora=np.array([corpus_name(utterance) for utterance in results.items]),
        speakers=np.array([utterance.speaker for utterance in results.items]),
    )
    clean = answers.probabilities[:, 0]
    return StressReport(
        recognizer=name or name_of(recognizer),
        corpora=tuple(sorted(set(answers.corpora.tolist()))),
        n_clips=len(results.items),
        n_speakers=len(set(answers.speakers.tolist())),
        seed=seed,
        clean_uar=float(answers.uar_weights() @ answers.is_correct(0)),
        clean_confidence=float(clean.max(axis=1).mean()),
        conditions=tuple(
            _condition_report(answers, number, condition, labels, seed)
            for number, condition in enumerate(conditions, start=1)
        ),
        rises=tuple(_rises(answers, conditions)),
        failed={str(path): reason for path, reason in results.failed.items()},
        leakage=leakage,
    )


@dataclass(frozen=True)
class _Answers:
    """Probabilities of one clip: the original, then each condition; NaN if there is no answer."""

    probabilities: Array
    not_applied: list[str | None]  # for each condition: why it cannot be applied to the clip


def _judge(
    recognizer: Any, n_labels: int, features: FeatureSpec | None
) -> Callable[[list[Waveform], Path], list[Any]]:
    """Return what judges versions of one clip, and returns probabilities or the error of each."""

    def by_recognizer(versions: list[Waveform], path: Path) -> list[Any]:
        answers: list[Any] = []
        for version in versions:
            try:
                shares = recognizer.probabilities(version)
            except (EmotionRecogError, OSError) as error:
                answers.append(error.with_traceback(None))
            else:
                answers.append(require_probabilities([shares], [path], n_labels)[0])
        return answers

    lock = threading.Lock()
    extract = None if features is None else Extractor(features)

    def by_function(versions: list[Waveform], path: Path) -> list[Any]:
        inputs = versions if extract is None else [_features(v, extract) for v in versions]
        with lock:
            return judge_batch(recognizer, inputs, [path] * len(inputs), n_labels)

    return by_recognizer if hasattr(recognizer, "predict_batch") else by_function


def _features(waveform: Waveform, extract: Extractor) -> Any:
    try:
        return extract(audio.load(waveform, sampling_rate=extract.spec.sampling_rate).samples)
    except EmotionRecogError as error:
        return error.with_traceback(None)


def _judge_degraded(
    judge: Callable[[list[Waveform], Path], list[Any]],
    utterance: Utterance,
    conditions: Sequence[Condition],
    seed: int,
) -> _Answers:
    """Judge a clip as it is and under each condition; raise if it cannot be judged as it is."""
    original = audio.load(utterance.path)
    source = utterance.recording or sha256(utterance.path)
    versions, not_applied = [original], []
    for condition in conditions:
        rng = generator_for(condition.name, utterance.corpus, source, seed=seed)
        reason = None
        try:
            versions.append(condition.apply(original, rng))
        except EmotionRecogError as error:
            reason = str(error)
        not_applied.append(reason)
    answers = iter(judge(versions, utterance.path))
    shares = next(answers)
    if isinstance(shares, Exception):
        raise shares
    rows = [shares]
    for condition, reason in zip(conditions, not_applied, strict=True):
        row: Any = np.full(len(shares), np.nan)
        if reason is None:
            answer = next(answers)
            if isinstance(answer, Exception):
                _logger.info("%s, %s: no answer: %s", utterance.path, condition.name, answer)
            else:
                row = answer
        rows.append(row)
    return _Answers(np.stack(rows), not_applied)


# --- metrics ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _AllAnswers:
    """Answers to all clips, probabilities of shape (n_clips, 1 + n_conditions, n_labels).

    Number 0 is the original, number i the i-th condition.
    """

    probabilities: Array
    is_applied: NDArray[np.bool_]
    acted: NDArray[np.intp]
    corpora: NDArray[np.str_]
    speakers: NDArray[np.str_]

    def is_unchanged(self, number: int) -> Array:
        """Return 1 for each clip whose answer is that of the original, 0 for others."""
        rows = self.probabilities[:, number]
        has_answer = np.isfinite(rows[:, 0])
        best = np.where(has_answer[:, np.newaxis], rows, -1.0).argmax(axis=1)
        original = self.probabilities[:, 0].argmax(axis=1)
        is_unchanged: NDArray[np.bool_] = has_answer & (best == original)
        return is_unchanged.astype(np.float64)

    def is_correct(self, number: int) -> Array:
        """Return 1 for each clip whose answer among its corpus' emotions is correct, or 0."""
        rows = self.probabilities[:, number]
        is_correct = np.zeros(len(rows))
        for corpus in np.unique(self.corpora):
            clips = np.flatnonzero(self.corpora == corpus)
            emotions = np.unique(self.acted[clips])
            closed = rows[np.ix_(clips, emotions)]
            has_answer = np.isfinite(closed[:, 0])
            answered = emotions[np.where(np.isfinite(closed), closed, -1.0).argmax(axis=1)]
            is_correct[clips] = has_answer & (answered == self.acted[clips])
        return is_correct

    def uar_weights(self, chosen: NDArray[np.bool_] | None = None) -> Array:
        """Return the contribution of each chosen clip to the UAR, averaged over corpora."""
        chosen = np.ones(len(self.acted), dtype=bool) if chosen is None else chosen
        weights = np.zeros(len(self.acted))
        corpora = np.unique(self.corpora[chosen])
        for corpus in corpora:
            clips = chosen & (self.corpora == corpus)
            weights[clips] = recall_weights(self.acted[clips]) / len(corpora)
        return weights


def _condition_report(
    answers: _AllAnswers, number: int, condition: Condition, labels: Sequence[str], seed: int
) -> ConditionReport:
    is_applied = answers.is_applied[:, number]
    rows = answers.probabilities[is_applied, number]
    has_answer = np.isfinite(rows[:, 0])
    fields: dict[str, Any] = dict.fromkeys(("unchanged", "interval", "uar", "confidence_change"))
    if is_applied.any():
        is_unchanged = answers.is_unchanged(number)[is_applied]
        fields["unchanged"] = float(is_unchanged.mean())
        fields["interval"] = _interval(is_unchanged, answers.speakers[is_applied], seed)
        fields["uar"] = float(answers.uar_weights(is_applied) @ answers.is_correct(number))
    flips: Counter[tuple[str, str]] = Counter()
    if has_answer.any():
        before = answers.probabilities[is_applied, 0][has_answer]
        after = rows[has_answer]
        fields["confidence_change"] = float((after.max(axis=1) - before.max(axis=1)).mean())
        pairs = zip(before.argmax(axis=1).tolist(), after.argmax(axis=1).tolist(), strict=True)
        flips.update((labels[old], labels[new]) for old, new in pairs if old != new)
    return ConditionReport(
        family=condition.family,
        level=condition.level,
        mark=condition.mark,
        n_clips=int(is_applied.sum()),
        n_refused=int((~has_answer).sum()),
        flips=tuple((*pair, flips[pair]) for pair in sorted(flips, key=lambda p: (-flips[p], p))),
        **fields,
    )


def _interval(
    is_unchanged: Array, speakers: NDArray[np.str_], seed: int
) -> tuple[float, float] | None:
    """Return the interval of a share by drawing the speakers of each corpus with replacement."""
    names, speaker_of_clip = np.unique(speakers, return_inverse=True)
    strata = [name.partition("/")[0] for name in names.tolist()]
    draws = draw(strata, seed)
    n_unchanged = draws @ np.bincount(speaker_of_clip, weights=is_unchanged)
    shares = n_unchanged / (draws @ np.bincount(speaker_of_clip))
    sizes = Counter(strata)
    return interval(shares, smallest=min(sizes.values()), freedom=len(names) - len(sizes))


def _rises(answers: _AllAnswers, conditions: Sequence[Condition]) -> list[Rise]:
    """Return the harder conditions that score better than a milder one, or than the original."""
    families: dict[str, list[int]] = {}
    for number, condition in enumerate(conditions, start=1):
        families.setdefault(condition.family, [0]).append(number)
    names = ["clean", *(condition.name for condition in conditions)]
    rises = []
    for numbers in families.values():
        for milder, harder in itertools.combinations(numbers, 2):
            both = answers.is_applied[:, milder] & answers.is_applied[:, harder]
            if not both.any():
                continue
            for metric, score, weights in (
                ("unchanged", answers.is_unchanged, both / both.sum()),
                ("uar", answers.is_correct, answers.uar_weights(both)),
            ):
                change = score(harder) - score(milder)
                rise = float(weights @ change)
                spread = change[both] - change[both].mean()
                error = math.sqrt(float(np.square(weights[both] * spread).sum()))
                allowed = max(RISE_ALLOWED, RISE_ERRORS * error)
                if rise > allowed:
                    rises.append(
                        Rise(
                            metric=metric,
                            milder=names[milder],
                            harder=names[harder],
                            rise=rise,
                            allowed=allowed,
                        )
                    )
    return rises
