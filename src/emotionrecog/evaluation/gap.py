"""Measure how much a random split inflates the result of a corpus.

`gap` trains the same simple classifier, a logistic regression on statistics of log-mel bands, on a
random split and on a split that keeps speakers apart. Nothing is tuned, so that the difference
between the two results is due to the split.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from emotionrecog.errors import DatasetError
from emotionrecog.evaluation.metrics import uar
from emotionrecog.features import PRESETS
from emotionrecog.features.extraction import extract_corpus
from emotionrecog.models.regression import fit_regression
from emotionrecog.splits import protocols
from emotionrecog.text import count, percent, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from emotionrecog.datasets import Utterance

    Features = dict[Utterance, NDArray[np.float32]]

__all__ = ["Gap", "GapRow", "Score", "gap"]

SPEAKER_DISJOINT = {
    "ravdess": "ravdess/subject5",
    "crema_d": "cremad/emosuperb5",
    "savee": "savee/emobox4",
    "tess": "tess/speaker2",
}
"""Protocols that keep the speakers of each corpus apart. The speakers of other corpora are divided
into five groups, or as many as there are speakers."""

_SPEC = PRESETS["log-mel-functionals"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """Results of the classifier on a corpus under one protocol.

    Parameters
    ----------
    protocol
        Name of the protocol.
    speaker_disjoint, text_disjoint
        Whether the protocol keeps speakers, and sentences, apart.
    uar
        Unweighted average recall of each fold, from 0 to 1.
    """

    protocol: str
    speaker_disjoint: bool
    text_disjoint: bool
    uar: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over folds."""
        return sum(self.uar) / len(self.uar)

    def __str__(self) -> str:
        """Return the mean, and the lowest and the highest fold, in per cent."""
        return f"{percent(self.mean)} ({percent(min(self.uar))}–{percent(max(self.uar))})"


@dataclasses.dataclass(frozen=True, kw_only=True)
class GapRow:
    """Results on one corpus with a random split and with speakers apart.

    Parameters
    ----------
    corpus, n_clips, n_speakers
        The clips divided.
    random
        Result with speakers and sentences in both training and test.
    sentences
        Result with sentences apart and speakers in both; None if sentences are unknown or all the
        same.
    speakers
        Result with speakers apart.
    """

    corpus: str
    n_clips: int
    n_speakers: int
    random: Score
    sentences: Score | None
    speakers: Score

    @property
    def difference(self) -> float:
        """How much the random split inflates the result."""
        return self.random.mean - self.speakers.mean


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gap:
    """Results of the same classifier on the same clips under different splits.

    Parameters
    ----------
    rows
        Results on each corpus.
    left_out
        Corpora that cannot be divided by speaker, with the reason.
    n_failed
        Number of clips that cannot be used. They are left out.
    """

    rows: tuple[GapRow, ...]
    left_out: dict[str, str]
    n_failed: int

    def to_dict(self) -> dict[str, Any]:
        """Return the results ready for JSON."""
        rows = [{**dataclasses.asdict(row), "difference": row.difference} for row in self.rows]
        return {"rows": rows, "left_out": self.left_out, "n_failed": self.n_failed}

    def __str__(self) -> str:
        """Lay the results out as a table, in per cent."""
        head = ("corpus", "clips", "random", "sentences apart", "speakers apart", "gap", "protocol")
        cells = [
            (
                row.corpus,
                row.n_clips,
                row.random,
                row.sentences or "–",
                row.speakers,
                percent(row.difference),
                row.speakers.protocol,
            )
            for row in self.rows
        ]
        lines = ["UAR in per cent: mean of the folds (lowest–highest)", table(head, cells)]
        lines += [
            f"{row.corpus}: {len(row.sentences.uar)} folds with sentences apart and "
            f"{len(row.speakers.uar)} otherwise, so that the former train on less"
            for row in self.rows
            if row.sentences and len(row.sentences.uar) < len(row.speakers.uar)
        ]
        lines += [f"{corpus}: left out, {reason}" for corpus, reason in self.left_out.items()]
        if self.n_failed:
            lines.append(f"left out: {count(self.n_failed, 'clip')} that cannot be used")
        return "\n".join(lines)


def gap(
    utterances: Sequence[Utterance],
    *,
    speaker_disjoint: Mapping[str, str] = SPEAKER_DISJOINT,
    n_jobs: int = -1,
) -> Gap:
    """Train a simple classifier on random splits and on splits that keep speakers apart.

    Each corpus is divided by itself; song is left out if the corpus has speech. Random and
    sentence-disjoint splits have as many folds as the protocol that keeps speakers apart, so that
    they train on as much (fewer if there are fewer sentences). As nothing is chosen on validation
    data, they are trained on as well.

    Parameters
    ----------
    utterances
        Utterances of any corpora. Recordings that cannot be used are left out with a warning.
    speaker_disjoint
        Name of the protocol that keeps the speakers of each corpus apart, by corpus; one of
        `emotionrecog.splits.protocols.NAMES`. The speakers of other corpora are divided into five
        groups, or as many as there are speakers.
    n_jobs
        Number of workers that read recordings, as joblib counts them.

    Returns
    -------
    Gap

    Raises
    ------
    DatasetError
        If none of the recordings can be used.
    ValueError
        If `speaker_disjoint` names a protocol that does not keep speakers apart.

    Examples
    --------
    >>> from emotionrecog import datasets
    >>> from emotionrecog.evaluation.gap import gap
    >>> print(gap(datasets.read("corpora")))  # doctest: +SKIP
    """
    for name in speaker_disjoint.values():
        if not protocols.get(name).speaker_disjoint:
            raise ValueError(
                f"`speaker_disjoint` must name protocols that keep speakers apart, got {name!r}"
            )
    testable = list(itertools.compress(utterances, protocols.may_be_tested(utterances)))
    extracted = extract_corpus(testable, _SPEC, n_jobs=n_jobs)
    features = dict(zip(extracted.utterances, extracted.arrays, strict=True))
    rows, left_out = [], {}
    for corpus in dict.fromkeys(utterance.corpus for utterance in features):
        clips = [utterance for utterance in extracted.utterances if utterance.corpus == corpus]
        try:
            rows.append(_row(corpus, clips, features, speaker_disjoint.get(corpus)))
        except DatasetError as error:
            left_out[corpus] = str(error)
    return Gap(rows=tuple(rows), left_out=left_out, n_failed=len(extracted.failed))


def _row(corpus: str, clips: list[Utterance], features: Features, name: str | None) -> GapRow:
    n_speakers = len({utterance.speaker for utterance in clips})
    n_sentences = len({utterance.sentence for utterance in clips})
    if name is None:
        by_speaker = protocols.get("grouped_kfold", k=max(2, min(5, n_speakers)))
    else:
        by_speaker = protocols.get(name)
    speakers = _score(by_speaker, clips, features)
    n_folds = len(speakers.uar)
    random = _score(protocols.get("random", k=n_folds), clips, features)
    by_sentence = protocols.get("sentence-disjoint", k=max(2, min(n_folds, n_sentences)))
    sentences = None
    with contextlib.suppress(DatasetError):  # sentences are unknown or all the same
        sentences = _score(by_sentence, clips, features)
    return GapRow(
        corpus=corpus,
        n_clips=len(clips),
        n_speakers=n_speakers,
        random=random,
        sentences=sentences,
        speakers=speakers,
    )


def _score(protocol: protocols.Protocol, clips: list[Utterance], features: Features) -> Score:
    with warnings.catch_warnings():  # this measures the leakage of a random split
        warnings.simplefilter("ignore", protocols.LeakyProtocolWarning)
        folds = protocol.folds(clips)
    title = f"training on {clips[0].corpus}, {protocol.name}"
    return Score(
        protocol=protocol.name,
        speaker_disjoint=protocol.speaker_disjoint,
        text_disjoint=protocol.text_disjoint,
        uar=tuple(
            _train_and_test(fold.train + fold.validation, fold.test, features)
            for fold in tqdm(folds, title, unit="fold", disable=None)
        ),
    )


def _train_and_test(train: list[Utterance], test: list[Utterance], features: Features) -> float:
    from sklearn.preprocessing import StandardScaler

    emotions = [utterance.emotion for utterance in train]
    if len(set(emotions)) < 2:
        raise DatasetError(
            "training needs clips of at least two emotions, found "
            f"{emotions[0] if emotions else 'none'}"
        )
    x_train, x_test = (np.array([features[u] for u in part], np.float64) for part in (train, test))
    scaler = StandardScaler().fit(x_train)
    model = fit_regression(scaler.transform(x_train), np.array(emotions))
    answered = model.predict(scaler.transform(x_test))
    return uar(np.array([utterance.emotion for utterance in test]), answered)
