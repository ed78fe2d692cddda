"""How much of a recogniser's answers is left when recordings get worse.

`stress_test` varies recordings in the ways of `CONDITIONS`: the level, noise, distortion, bands of
frequency, coding, sampling rates, silence around the voice, cuts, rooms, speed and pitch. It counts
how often the answer stays what it was, and compares that with pass marks.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import logging
import math
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from emotionrecog import audio
from emotionrecog.audio import Waveform
from emotionrecog.augmentation import (
    AddNoise,
    BandLimit,
    Clip,
    Codec,
    Gain,
    PitchShift,
    RoomImpulse,
    TimeStretch,
)
from emotionrecog.errors import DatasetError, EmotionRecogError
from emotionrecog.evaluation import Judge, known_labels, known_leakage
from emotionrecog.evaluation.intervals import draw, interval
from emotionrecog.evaluation.predictions import require_labels, require_probabilities
from emotionrecog.features import Extractor
from emotionrecog.splits.dividing import sample_clips

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from emotionrecog.datasets import Utterance
    from emotionrecog.features import FeatureSpec
    from emotionrecog.recognizer import EmotionRecognizer

__all__ = [
    "CONDITIONS",
    "AddSilence",
    "Condition",
    "ConditionReport",
    "Crop",
    "Rise",
    "StressReport",
    "stress_test",
]

_logger = logging.getLogger("emotionrecog")

# Smallest shares of unchanged answers: of changes that nobody hears as a change of the voice, and
# of those that are heard and leave everybody in no doubt about the voice.
UNHEARD = 0.95
HARMLESS = 0.80

# Chance makes a harder condition come out better than a milder one. By so many standard errors of
# the difference over the same clips, and by so much in any case, it may.
RISE_ERRORS = 3.0
RISE_ALLOWED = 0.02

# Recordings that a function judges in one call.
_BATCH = 16


# --- what is done to recordings -----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class AddSilence:
    """Put digital silence before and after the voice.

    Parameters
    ----------
    before, after
        How much, in s; not negative.

    Raises
    ------
    ValueError
        If a duration is negative or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from emotionrecog.evaluation.stress import AddSilence
    >>> AddSilence(after=0.5)(np.ones(4), 4, np.random.default_rng(0))
    array([1., 1., 1., 1., 0., 0.], dtype=float32)
    """

    before: float = 0.0
    after: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no duration."""
        for name in ("before", "after"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(
                    f"`{name}` must be a duration in s, not negative, got {getattr(self, name)!r}"
                )

    def __call__(
        self, samples: NDArray[np.floating[Any]], sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the samples with silence around them."""
        pad = (round(self.before * sampling_rate), round(self.after * sampling_rate))
        return np.pad(samples.astype(np.float32), pad)


@dataclass(frozen=True, kw_only=True)
class Crop:
    """Leave a piece of the recording, from a random place.

    Parameters
    ----------
    keep
        The share that is left, above 0 and up to 1; at least one sample.

    Raises
    ------
    ValueError
        If `keep` is out of its bounds.

    Examples
    --------
    >>> import numpy as np
    >>> from emotionrecog.evaluation.stress import Crop
    >>> len(Crop(keep=0.75)(np.ones(16000), 16000, np.random.default_rng(0)))
    12000
    """

    keep: float

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        if not 0 < self.keep <= 1:
            raise ValueError(f"`keep` must be above 0 and up to 1, got {self.keep!r}")

    def __call__(
        self, samples: NDArray[np.floating[Any]], sampling_rate: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the piece."""
        n_samples = max(1, round(self.keep * len(samples)))
        start = int(rng.integers(len(samples) - n_samples + 1))
        return samples[start : start + n_samples].astype(np.float32)


Change: TypeAlias = Callable[[Any, int, np.random.Generator], Any]
"""Called as ``change(samples, sampling_rate, rng)``, as the transforms of the augmentation are."""


@dataclass(frozen=True)
class Condition:
    """One way in which recordings get worse.

    Parameters
    ----------
    family : str
        What is done, such as ``"white noise"``. Conditions of one family stand in a test from the
        mildest to the hardest, and the harder ones are expected to be no better.
    level : str
        How much of it, such as ``"20 dB SNR"``.
    change : callable, optional
        Called as ``change(samples, sampling_rate, rng)``: a transform of
        `emotionrecog.augmentation`, `AddSilence`, `Crop`, or one's own. Samples are mono, float32.
    sampling_rate : int, optional
        In Hz, what the recording is resampled to after that.
    mark : float, optional
        The smallest share of unchanged answers that passes, from 0 to 1. Without one, the
        condition is measured and not judged.

    Raises
    ------
    ValueError
        If `mark` is no share, or nothing is done.
    """

    family: str
    level: str
    change: Change | None = None
    sampling_rate: int | None = None
    mark: float | None = None

    def __post_init__(self) -> None:
        """Refuse conditions that are none."""
        if self.change is None and self.sampling_rate is None:
            raise ValueError(
                f"condition {self.name!r} must have a `change` or a `sampling_rate`, got neither"
            )
        if self.mark is not None and not 0 <= self.mark <= 1:
            raise ValueError(f"`mark` must be from 0 to 1, got {self.mark!r}")

    @property
    def name(self) -> str:
        """Family and level."""
        return f"{self.family}, {self.level}"

    def apply(self, waveform: Waveform, rng: np.random.Generator) -> Waveform:
        """Return the recording as it becomes under the condition."""
        if self.change is not None:
            samples = self.change(waveform.samples, waveform.sampling_rate, rng)
            waveform = Waveform(np.asarray(samples, dtype=np.float32), waveform.sampling_rate)
        if self.sampling_rate is not None:
            waveform = audio.load(waveform, sampling_rate=self.sampling_rate)
        return waveform


def _noise(colour: str, snr_db: float) -> AddNoise:
    return AddNoise(snr_db=snr_db, noises=(colour,))


def _room(rt60: float, ratio_db: float) -> RoomImpulse:
    return RoomImpulse(rt60=rt60, direct_to_reverberant_db=ratio_db)


CONDITIONS: tuple[Condition, ...] = (
    Condition("louder", "6 dB", Gain(gain_db=6), mark=UNHEARD),
    Condition("louder", "20 dB", Gain(gain_db=20), mark=UNHEARD),
    Condition("quieter", "6 dB", Gain(gain_db=-6), mark=UNHEARD),
    Condition("quieter", "20 dB", Gain(gain_db=-20), mark=UNHEARD),
    Condition("white noise", "30 dB SNR", _noise("white", 30), mark=HARMLESS),
    Condition("white noise", "20 dB SNR", _noise("white", 20), mark=HARMLESS),
    Condition("white noise", "10 dB SNR", _noise("white", 10)),
    Condition("white noise", "0 dB SNR", _noise("white", 0)),
    Condition("pink noise", "30 dB SNR", _noise("pink", 30), mark=HARMLESS),
    Condition("pink noise", "20 dB SNR", _noise("pink", 20), mark=HARMLESS),
    Condition("pink noise", "10 dB SNR", _noise("pink", 10)),
    Condition("pink noise", "0 dB SNR", _noise("pink", 0)),
    Condition("clipped", "6 dB below the peak", Clip(below_peak_db=6), mark=HARMLESS),
    Condition("clipped", "12 dB below the peak", Clip(below_peak_db=12)),
    Condition("clipped", "18 dB below the peak", Clip(below_peak_db=18)),
    Condition("low-pass", "6 kHz", BandLimit(highest=6000.0), mark=HARMLESS),
    Condition("low-pass", "4 kHz", BandLimit(highest=4000.0)),
    Condition("low-pass", "2 kHz", BandLimit(highest=2000.0)),
    Condition("high-pass", "80 Hz", BandLimit(lowest=80.0), mark=HARMLESS),
    Condition("high-pass", "150 Hz", BandLimit(lowest=150.0), mark=HARMLESS),
    Condition("high-pass", "300 Hz", BandLimit(lowest=300.0)),
    Condition("telephone band", "300 to 3400 Hz", BandLimit.telephone()),
    Condition("telephone line", "mu-law", Codec(codec="mu-law")),
    Condition("telephone line", "GSM", Codec(codec="gsm")),
    Condition("MP3", "64 kbit/s", Codec(codec="mp3", bitrate=64), mark=UNHEARD),
    Condition("MP3", "32 kbit/s", Codec(codec="mp3", bitrate=32), mark=HARMLESS),
    Condition("MP3", "16 kbit/s", Codec(codec="mp3", bitrate=16)),
    Condition("Opus", "32 kbit/s", Codec(codec="opus", bitrate=32), mark=HARMLESS),
    Condition("Opus", "16 kbit/s", Codec(codec="opus", bitrate=16), mark=HARMLESS),
    Condition("Opus", "8 kbit/s", Codec(codec="opus", bitrate=8)),
    Condition("resampled", "48 kHz", sampling_rate=48_000, mark=UNHEARD),
    Condition("resampled", "44.1 kHz", sampling_rate=44_100, mark=UNHEARD),
    Condition("resampled", "22.05 kHz", sampling_rate=22_050, mark=UNHEARD),
    Condition("resampled", "8 kHz", sampling_rate=8_000),
    Condition("silence after", "0.5 s", AddSilence(after=0.5), mark=UNHEARD),
    Condition("silence after", "1 s", AddSilence(after=1.0), mark=UNHEARD),
    Condition("silence after", "3 s", AddSilence(after=3.0), mark=UNHEARD),
    Condition("silence before", "0.5 s", AddSilence(before=0.5), mark=UNHEARD),
    Condition("silence before", "1 s", AddSilence(before=1.0), mark=UNHEARD),
    Condition("silence before", "3 s", AddSilence(before=3.0), mark=UNHEARD),
    Condition("cropped", "to 90 %", Crop(keep=0.9), mark=HARMLESS),
    Condition("cropped", "to 75 %", Crop(keep=0.75)),
    Condition("cropped", "to 50 %", Crop(keep=0.5)),
    Condition("room", "0.3 s, 10 dB direct", _room(0.3, 10), mark=HARMLESS),
    Condition("room", "0.6 s, 5 dB direct", _room(0.6, 5)),
    Condition("room", "1 s, 0 dB direct", _room(1.0, 0)),
    Condition("faster", "5 %", TimeStretch(rate=1.05), mark=HARMLESS),
    Condition("faster", "10 %", TimeStretch(rate=1.1)),
    Condition("faster", "25 %", TimeStretch(rate=1.25)),
    Condition("slower", "5 %", TimeStretch(rate=1 / 1.05), mark=HARMLESS),
    Condition("slower", "10 %", TimeStretch(rate=1 / 1.1)),
    Condition("slower", "25 %", TimeStretch(rate=1 / 1.25)),
    Condition("higher", "half a semitone", PitchShift(semitones=0.5), mark=HARMLESS),
    Condition("higher", "2 semitones", PitchShift(semitones=2)),
    Condition("higher", "4 semitones", PitchShift(semitones=4)),
    Condition("lower", "half a semitone", PitchShift(semitones=-0.5), mark=HARMLESS),
    Condition("lower", "2 semitones", PitchShift(semitones=-2)),
    Condition("lower", "4 semitones", PitchShift(semitones=-4)),
)
"""What `stress_test` does by default, with the pass marks; the mildest of each family first.

Speed and pitch carry emotion, so that other answers are no mistakes where they change much; such
conditions have no mark, nor have those that leave little of the voice.
"""


# --- what comes of it ---------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ConditionReport:
    """What became of the answers under one condition. Shares are from 0 to 1.

    Parameters
    ----------
    family, level, mark
        Those of the `Condition`.
    n_clips
        How many were made; those that the change itself cannot be had of are left out.
    n_refused
        Those of them that the recogniser gave no answer for. They count as changed and wrong.
    unchanged
        The share whose most probable emotion is that of the untouched clip; None without clips,
        as are the following.
    interval
        Bounds that hold 95 % of such shares, by drawing the speakers anew; None where a corpus has
        a single one.
    uar
        Unweighted average recall, of each corpus among the emotions that its clips act, averaged
        over corpora.
    confidence_change
        By how much the highest probability changed, in the mean over answered clips.
    flips
        Answers that changed: emotion before, emotion under the condition, number of clips; the
        most frequent first.
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
        """Whether the pass mark is met; None where there is none to meet."""
        if self.mark is None or self.unchanged is None:
            return None
        return self.unchanged >= self.mark


@dataclass(frozen=True, kw_only=True)
class Rise:
    """A harder condition that came out better than a milder one by more than chance allows.

    Parameters
    ----------
    figure
        ``"unchanged"`` or ``"uar"``.
    milder, harder
        Names of the conditions, or ``"clean"``.
    rise, allowed
        By how much the figure rises over the same clips, and by how much it might.
    """

    figure: str
    milder: str
    harder: str
    rise: float
    allowed: float


@dataclass(frozen=True, kw_only=True)
class StressReport:
    """What a stress test found.

    Parameters
    ----------
    recognizer
        Its name.
    corpora, n_clips, n_speakers
        What was judged.
    seed
        What the draws depended on.
    clean_uar
        Unweighted average recall on the untouched clips, as under the conditions.
    clean_confidence
        Mean of the highest probability on them.
    conditions
        What became of each.
    rises
        Where harder was better; see `Rise`.
    failed
        Clips that cannot be read or judged as they are, and why. They are left out.
    leakage
        What of the clips was in training, where figures were wanted all the same; None where
        nothing is known to be.
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
        """The conditions whose pass mark is not met."""
        return tuple(row for row in self.conditions if row.passed is False)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures ready for JSON, to six decimals, what is wrong with them first."""
        fields = dataclasses.asdict(self)
        for row, condition in zip(fields["conditions"], self.conditions, strict=True):
            row["passed"] = condition.passed
        fields["failed"] = dict(self.failed)
        rounded: dict[str, Any] = _rounded({"leakage": fields.pop("leakage"), **fields})
        return rounded

    def __str__(self) -> str:
        """Lay the figures out as a table, in per cent."""
        lines = []
        if self.leakage:
            lines.append(f"LEAKY, these are no figures on new voices: {self.leakage}")
        widest = max(len(row.name) for row in self.conditions)
        lines.append(
            f"{'condition':<{widest}}{'clips':>7}{'unchanged':>11}{'95 %':>14}{'mark':>12}"
            f"{'UAR':>8}{'confidence':>12}"
        )
        lines.append(
            f"{'clean':<{widest}}{self.n_clips:>7}{'':>37}{100 * self.clean_uar:>8.1f}"
            f"{100 * self.clean_confidence:>12.1f}"
        )
        for row in self.conditions:
            mark = {True: "met", False: "missed", None: ""}[row.passed]
            bounds = ""
            if row.interval:
                bounds = f"{100 * row.interval[0]:.1f}-{100 * row.interval[1]:.1f}"
            if row.mark is not None:
                mark = f"{100 * row.mark:.0f} {mark}"
            lines.append(
                f"{row.name:<{widest}}{row.n_clips:>7}{_percent(row.unchanged):>11}{bounds:>14}"
                f"{mark:>12}{_percent(row.uar):>8}{_percent(row.confidence_change, '+'):>12}"
            )
        judged = [row for row in self.conditions if row.passed is not None]
        lines.append(f"{len(judged) - len(self.missed)} of {len(judged)} pass marks met")
        lines += [
            f"{rise.harder} is better than {rise.milder}: {rise.figure} rises by "
            f"{100 * rise.rise:.1f}, more than the {100 * rise.allowed:.1f} that chance explains"
            for rise in self.rises
        ]
        if not self.rises:
            lines.append("no harder condition is better than a milder one by more than chance")
        refused = sum(row.n_refused for row in self.conditions)
        if refused:
            lines.append(f"{refused} answers were refused, and count as changed and wrong")
        if self.failed:
            lines.append(f"clips that could not be judged and are not counted: {len(self.failed)}")
        return "\n".join(lines)


def _percent(share: float | None, sign: str = "") -> str:
    return "-" if share is None else f"{round(100 * share, 1) + 0.0:{sign}.1f}"  # no -0.0


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value


# --- the test -----------------------------------------------------------------------------------


def stress_test(
    recognizer: EmotionRecognizer | Judge | Callable[[Any], Any],
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
    """Measure how much of a recogniser's answers is left when recordings get worse.

    Each recording is read once, at its own sampling rate, and changed in each way. What is drawn
    depends on the recording's corpus and name, the condition and `seed`, and not on the other
    recordings, the other conditions or `n_jobs`.

    Parameters
    ----------
    recognizer, labels, features, name
        What to test, as for `emotionrecog.evaluation.evaluate`: an `EmotionRecognizer`, or a
        function or network with its `labels`. A function is called from one thread at a time.
    utterances
        Recordings of speakers that were not in its training.
    conditions
        What to do to them; those of one family from the mildest to the hardest.
    n_clips
        Judge only so many, as `emotionrecog.splits.dividing.sample_clips` draws them; by default
        all.
    seed
        Another number draws other noises, rooms, places and clips.
    allow_leakage
        Measure although speakers were in training; the report says so.
    n_jobs
        Number of threads, as joblib counts them.

    Returns
    -------
    StressReport
        A clip that cannot be read or judged is listed in it, and the rest goes on; the library's
        logger warns of it.

    Raises
    ------
    LeakageError
        If the recogniser was trained on speakers of `utterances` and `allow_leakage` is false.
    DatasetError
        If no clip can be judged, or an emotion is none that the recogniser answers.
    ValueError
        If there are no conditions or two of one name, a function comes without `labels`, or what
        is returned are no probabilities of that shape.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from emotionrecog.datasets import Utterance
    >>> from emotionrecog.evaluation.stress import CONDITIONS, stress_test
    >>> def loud_is_angry(recordings):
    ...     loudness = [min(1.0, 1.5 * float(x.samples.std())) for x in recordings]
    ...     return [[1 - share, share] for share in loudness]
    >>> clip = Utterance(Path("examples/clip.wav"), "angry", corpus="mine", speaker="mine/ann")
    >>> louder = [condition for condition in CONDITIONS if condition.family == "louder"]
    >>> report = stress_test(loud_is_angry, [clip], labels=["sad", "angry"], conditions=louder)
    >>> [(row.name, row.unchanged) for row in report.conditions]
    [('louder, 6 dB', 1.0), ('louder, 20 dB', 0.0)]
    """
    import joblib
    from tqdm import tqdm

    names = [condition.name for condition in conditions]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"`conditions` must be at least one, each of another name, got {names!r}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"`seed` must be a whole number from 0 on, got {seed!r}")
    known = known_labels(recognizer, labels, features)
    given = list(utterances) if n_clips is None else sample_clips(utterances, n_clips, seed=seed)
    if not given:
        raise DatasetError("there is no clip to test with: expected one utterance or more")
    require_labels(given, known)
    artifact = getattr(recognizer, "artifact", None)
    leakage = known_leakage({} if artifact is None else artifact.training, given, allow_leakage)
    ask = _asking(recognizer, len(known), features)
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator", require="sharedmem")
    answers = parallel(
        joblib.delayed(_answers)(ask, utterance, conditions, seed) for utterance in given
    )
    progress = tqdm(answers, "stressing", total=len(given), unit="clip", disable=None)
    judged, kept, failed = [], [], {}
    for utterance, answer in zip(given, progress, strict=True):
        if isinstance(answer, str):
            _logger.warning("left out %s: %s", utterance.path, answer)
            failed[str(utterance.path)] = answer
        else:
            judged.append(utterance)
            kept.append(answer)
    if not judged:
        raise DatasetError(
            f"none of the {len(given)} clips can be judged, the first because of: "
            f"{next(iter(failed.values()))}"
        )
    for number, condition in enumerate(conditions):
        reason = _lost(kept, number)
        if reason is not None:
            _logger.warning("%s cannot be had of any clip: %s", condition.name, reason)
    table = _Table(
        probabilities=np.stack([answer.probabilities for answer in kept]),
        made=np.stack([[True, *(lost is None for lost in answer.lost)] for answer in kept]),
        acted=np.array([known.index(utterance.emotion) for utterance in judged]),
        corpora=np.array([_corpus(utterance) for utterance in judged]),
        speakers=np.array([utterance.speaker for utterance in judged]),
    )
    rows = tuple(
        _report(table, number, condition, known, seed)
        for number, condition in enumerate(conditions, start=1)
    )
    if name is None:
        name = getattr(artifact, "name", None) or getattr(recognizer, "__name__", None)
    clean = table.probabilities[:, 0]
    return StressReport(
        recognizer=name or type(recognizer).__name__,
        corpora=tuple(sorted(set(table.corpora.tolist()))),
        n_clips=len(judged),
        n_speakers=len(set(table.speakers.tolist())),
        seed=seed,
        clean_uar=float(table.weights() @ table.hits(0)),
        clean_confidence=float(clean.max(axis=1).mean()),
        conditions=rows,
        rises=tuple(_rises(table, conditions)),
        failed=failed,
        leakage=leakage,
    )


_Rows: TypeAlias = "NDArray[np.float64]"


@dataclass(frozen=True)
class _Answers:
    """Of one clip: rows of probabilities, the first untouched; NaN where there is no answer."""

    probabilities: _Rows
    lost: list[str | None]  # of each condition: why the clip cannot be had so


def _asking(
    recognizer: Any, n_labels: int, features: FeatureSpec | None
) -> Callable[[list[Waveform], Path], list[_Rows | Exception]]:
    """Return what answers versions of one clip, with probabilities or why there are none."""

    def ask_recognizer(versions: list[Waveform], path: Path) -> list[_Rows | Exception]:
        answers: list[_Rows | Exception] = []
        for version in versions:
            try:
                row = recognizer.probabilities(version)
            except (EmotionRecogError, OSError) as error:
                answers.append(error.with_traceback(None))
            else:
                answers.append(require_probabilities([row], [path], n_labels)[0])
        return answers

    lock = threading.Lock()
    extract = None if features is None else Extractor(features)

    def ask_function(versions: list[Waveform], path: Path) -> list[_Rows | Exception]:
        given: list[Any] = [_featured(version, extract) for version in versions]
        answers: list[_Rows | Exception] = list(given)
        lots: dict[Any, list[int]] = defaultdict(list)
        for i, clip in enumerate(given):
            if not isinstance(clip, Exception):
                lots[None if extract is None else clip.shape].append(i)
        for lot in lots.values():
            for first in range(0, len(lot), _BATCH):
                some = lot[first : first + _BATCH]
                clips = [given[i] for i in some]
                with lock:
                    found = recognizer(clips if extract is None else np.stack(clips))
                rows = require_probabilities(found, [path] * len(some), n_labels)
                for i, row in zip(some, rows, strict=True):
                    answers[i] = row
        return answers

    return ask_recognizer if hasattr(recognizer, "predict_batch") else ask_function


def _featured(version: Waveform, extract: Extractor | None) -> Any:
    if extract is None:
        return version
    try:
        return extract(audio.load(version, sampling_rate=extract.spec.sampling_rate).samples)
    except EmotionRecogError as error:
        return error.with_traceback(None)


def _answers(
    ask: Callable[[list[Waveform], Path], list[_Rows | Exception]],
    utterance: Utterance,
    conditions: Sequence[Condition],
    seed: int,
) -> _Answers | str:
    """Return the answers, or why the clip cannot be judged as it is."""
    try:
        clean = audio.load(utterance.path)
        source = utterance.recording
        if source is None:
            source = hashlib.sha256(utterance.path.read_bytes()).hexdigest()
    except (EmotionRecogError, OSError) as error:
        return str(error)
    versions, lost = [clean], []
    for condition in conditions:
        rng = _generator(seed, condition.name, utterance.corpus, source)
        reason = None
        try:
            versions.append(condition.apply(clean, rng))
        except EmotionRecogError as error:
            reason = str(error)
        lost.append(reason)
    answers = iter(ask(versions, utterance.path))
    first = next(answers)
    if isinstance(first, Exception):
        return str(first)
    rows = [first]
    for condition, reason in zip(conditions, lost, strict=True):
        answer: _Rows | Exception = np.full(len(first), np.nan)
        if reason is None:
            answer = next(answers)
        if isinstance(answer, Exception):
            _logger.info("%s, %s: no answer: %s", utterance.path, condition.name, answer)
            answer = np.full(len(first), np.nan)
        rows.append(answer)
    return _Answers(np.stack(rows), lost)


def _corpus(utterance: Utterance) -> str:
    """Return what a clip is counted under, as in evaluation."""
    if utterance.style == "speech":
        return utterance.corpus
    return f"{utterance.corpus} {utterance.style}"


def _generator(seed: int, *names: str) -> np.random.Generator:
    digest = hashlib.sha256("/".join(names).encode()).digest()
    return np.random.default_rng((seed, int.from_bytes(digest[:16], "big")))


def _lost(answers: Sequence[_Answers], number: int) -> str | None:
    """Say why a condition cannot be had of any clip."""
    reasons = [answer.lost[number] for answer in answers]
    return reasons[0] if all(reason is not None for reason in reasons) else None


# --- figures ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Table:
    """All answers: probabilities are (n_clips, 1 + n_conditions, n_labels), the first untouched."""

    probabilities: _Rows
    made: NDArray[np.bool_]
    acted: NDArray[np.intp]
    corpora: NDArray[np.str_]
    speakers: NDArray[np.str_]

    def same(self, number: int) -> NDArray[np.float64]:
        """Return 1 where the answer is that of the untouched clip, 0 elsewhere."""
        rows = self.probabilities[:, number]
        answered = np.isfinite(rows[:, 0])
        best = np.where(answered[:, np.newaxis], rows, -1.0).argmax(axis=1)
        is_same: NDArray[np.bool_] = answered & (best == self.probabilities[:, 0].argmax(axis=1))
        return is_same.astype(np.float64)

    def hits(self, number: int) -> NDArray[np.float64]:
        """Return 1 where the emotion acted is found among those of the corpus, 0 elsewhere."""
        rows = self.probabilities[:, number]
        result = np.zeros(len(rows))
        for corpus in np.unique(self.corpora):
            clips = np.flatnonzero(self.corpora == corpus)
            present = np.unique(self.acted[clips])
            closed = rows[np.ix_(clips, present)]
            found = present[np.where(np.isfinite(closed), closed, -1.0).argmax(axis=1)]
            result[clips] = np.isfinite(closed[:, 0]) & (found == self.acted[clips])
        return result

    def weights(self, among: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Return what each hit adds to the UAR: as much for each emotion of each corpus."""
        among = np.ones(len(self.acted), dtype=bool) if among is None else among
        result = np.zeros(len(self.acted))
        corpora = np.unique(self.corpora[among])
        for corpus in corpora:
            of_corpus = among & (self.corpora == corpus)
            present = np.unique(self.acted[of_corpus])
            for emotion in present:
                clips = of_corpus & (self.acted == emotion)
                result[clips] = 1.0 / (len(corpora) * len(present) * clips.sum())
        return result


def _report(
    table: _Table, number: int, condition: Condition, labels: Sequence[str], seed: int
) -> ConditionReport:
    made = table.made[:, number]
    rows = table.probabilities[made, number]
    answered = np.isfinite(rows[:, 0])
    fields: dict[str, Any] = dict.fromkeys(("unchanged", "interval", "uar", "confidence_change"))
    if made.any():
        same = table.same(number)[made]
        fields["unchanged"] = float(same.mean())
        fields["interval"] = _interval(same, table.speakers[made], seed)
        fields["uar"] = float(table.weights(made) @ table.hits(number))
    flips: Counter[tuple[str, str]] = Counter()
    if answered.any():
        after, before = rows[answered], table.probabilities[made, 0][answered]
        fields["confidence_change"] = float((after.max(axis=1) - before.max(axis=1)).mean())
        pairs = zip(before.argmax(axis=1).tolist(), after.argmax(axis=1).tolist(), strict=True)
        flips.update((labels[was], labels[became]) for was, became in pairs if was != became)
    return ConditionReport(
        family=condition.family,
        level=condition.level,
        mark=condition.mark,
        n_clips=int(made.sum()),
        n_refused=int((~answered).sum()),
        flips=tuple((*pair, flips[pair]) for pair in sorted(flips, key=lambda p: (-flips[p], p))),
        **fields,
    )


def _interval(
    same: NDArray[np.float64], speakers: NDArray[np.str_], seed: int
) -> tuple[float, float] | None:
    """Return the interval of a mean by drawing the speakers of each corpus anew."""
    names, of_clip = np.unique(speakers, return_inverse=True)
    strata = [name.partition("/")[0] for name in names.tolist()]
    drawn = draw(strata, seed)
    shares = drawn @ np.bincount(of_clip, weights=same) / (drawn @ np.bincount(of_clip))
    sizes = Counter(strata)
    return interval(shares, smallest=min(sizes.values()), freedom=len(names) - len(sizes))


def _rises(table: _Table, conditions: Sequence[Condition]) -> list[Rise]:
    """Find where a harder condition is better than a milder one of its family, or than none."""
    families: dict[str, list[int]] = {}
    for number, condition in enumerate(conditions, start=1):
        families.setdefault(condition.family, [0]).append(number)
    names = ["clean", *(condition.name for condition in conditions)]
    found = []
    for numbers in families.values():
        for milder, harder in itertools.combinations(numbers, 2):
            both = table.made[:, milder] & table.made[:, harder]
            if not both.any():
                continue
            even = both / both.sum()
            for figure, of, weights in (
                ("unchanged", table.same, even),
                ("uar", table.hits, table.weights(both)),
            ):
                gain = of(harder) - of(milder)
                rise = float(weights @ gain)
                spread = gain[both] - gain[both].mean()
                error = math.sqrt(float(np.square(weights[both] * spread).sum()))
                allowed = max(RISE_ALLOWED, RISE_ERRORS * error)
                if rise > allowed:
                    found.append(
                        Rise(
                            figure=figure,
                            milder=names[milder],
                            harder=names[harder],
                            rise=rise,
                            allowed=allowed,
                        )
                    )
    return found
