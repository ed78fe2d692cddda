"""A small classical recogniser, to show what a split does to a figure.

Statistics over time of each log-mel band, scaled, and a logistic regression: nothing is tuned, and
it takes seconds. It is no rival to the networks; it is the same on every split, so that what
differs between two figures is the split.
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
from emotionrecog.features import PRESETS
from emotionrecog.features.extraction import extract_corpus
from emotionrecog.splits import protocols

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from emotionrecog.datasets import Utterance

    Features = dict[Utterance, NDArray[np.float32]]

__all__ = ["Gap", "GapRow", "Score", "gap"]

# Which protocol keeps the speakers of a corpus apart; others are divided into five groups, or into
# as many as they have speakers.
SPEAKER_DISJOINT = {
    "ravdess": "ravdess/subject5",
    "crema_d": "cremad/emosuperb5",
    "savee": "savee/emobox4",
    "tess": "tess/speaker2",
}

_SPEC = PRESETS["log-mel-functionals"]

# Inverse strength of the regression's penalty: for some hundred scaled features that depend on
# each other, and not tuned.
_REGULARISATION = 0.01


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """How the baseline does on a corpus under one protocol.

    Parameters
    ----------
    protocol
        Its name.
    speaker_disjoint, text_disjoint
        Its labels.
    uar
        Unweighted average recall of each fold, from 0 to 1.
    """

    protocol: str
    speaker_disjoint: bool
    text_disjoint: bool
    uar: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over folds."""
        return sum(self.uar) / len(self.uar)

    def __str__(self) -> str:
        """Say the mean, and the lowest and highest fold, in per cent."""
        return f"{100 * self.mean:.1f} ({100 * min(self.uar):.1f}–{100 * max(self.uar):.1f})"


@dataclasses.dataclass(frozen=True, kw_only=True)
class GapRow:
    """What a random split makes of a corpus, and what is left on new speakers.

    Parameters
    ----------
    corpus, n_clips, n_speakers
        What was divided.
    random
        Speakers and sentences on both sides.
    sentences
        Sentences apart, speakers on both sides; None where sentences are unknown or all alike.
    speakers
        Speakers apart.
    """

    corpus: str
    n_clips: int
    n_speakers: int
    random: Score
    sentences: Score | None
    speakers: Score

    @property
    def difference(self) -> float:
        """By how much the random split is ahead of the one that keeps speakers apart."""
        return self.random.mean - self.speakers.mean


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gap:
    """Figures of the same baseline on the same clips, divided in different ways.

    Parameters
    ----------
    rows
        One for each corpus.
    left_out
        Corpora that cannot be divided by speaker, and why.
    n_failed
        Clips that cannot be used. They are left out of the figures.
    """

    rows: tuple[GapRow, ...]
    left_out: dict[str, str]
    n_failed: int

    def to_dict(self) -> dict[str, Any]:
        """Return the figures ready for JSON."""
        rows = [{**dataclasses.asdict(row), "difference": row.difference} for row in self.rows]
        return {"rows": rows, "left_out": self.left_out, "n_failed": self.n_failed}

    def __str__(self) -> str:
        """Lay the figures out as a table, in per cent."""
        lines = [
            "UAR in per cent: mean of the folds (lowest–highest)",
            f"{'corpus':<10}{'clips':>6}{'random':>20}{'sentences apart':>20}"
            f"{'speakers apart':>20}{'gap':>7}  protocol",
        ]
        lines += [
            f"{row.corpus:<10}{row.n_clips:>6}{row.random!s:>20}{row.sentences or '–'!s:>20}"
            f"{row.speakers!s:>20}{100 * row.difference:>7.1f}  {row.speakers.protocol}"
            for row in self.rows
        ]
        lines += [
            f"{row.corpus}: sentences in {len(row.sentences.uar)} folds and the others in "
            f"{len(row.speakers.uar)}, so that less is trained on"
            for row in self.rows
            if row.sentences and len(row.sentences.uar) < len(row.speakers.uar)
        ]
        lines += [f"{corpus}: left out, {reason}" for corpus, reason in self.left_out.items()]
        if self.n_failed:
            lines.append(f"{self.n_failed} clips cannot be used and are not counted")
        return "\n".join(lines)


def gap(
    utterances: Sequence[Utterance],
    *,
    speaker_disjoint: Mapping[str, str] = SPEAKER_DISJOINT,
    n_jobs: int = -1,
) -> Gap:
    """Train the baseline on random splits of each corpus, and on splits that keep speakers apart.

    Each corpus is taken for itself, its speech alone where it has song as well. Random and
    sentence-disjoint splits have as many folds as the protocol that keeps its speakers apart, so
    that as much is trained on (fewer where there are not as many sentences). As nothing is chosen,
    validation data are trained on too.

    Parameters
    ----------
    utterances
        Of any corpora. Recordings that cannot be used are left out with a warning.
    speaker_disjoint
        The name in `emotionrecog.splits.protocols.NAMES` of the protocol that keeps the speakers
        of each corpus apart, by corpus. Others are divided into five groups of speakers, or as
        many as they have.
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
        If a name in `speaker_disjoint` is not that of a protocol which keeps speakers apart.
    """
    for name in speaker_disjoint.values():
        if not protocols.get(name).speaker_disjoint:
            raise ValueError(
                f"`speaker_disjoint` must name protocols that keep speakers apart, got {name!r}"
            )
    testable = protocols.may_be_tested(utterances)
    chosen = list(itertools.compress(utterances, testable))
    found = extract_corpus(chosen, _SPEC, n_jobs=n_jobs)
    features = dict(zip(found.utterances, found.arrays, strict=True))
    rows, left_out = [], {}
    for corpus in dict.fromkeys(utterance.corpus for utterance in found.utterances):
        own = [utterance for utterance in found.utterances if utterance.corpus == corpus]
        try:
            rows.append(_row(corpus, own, features, speaker_disjoint.get(corpus)))
        except DatasetError as error:
            left_out[corpus] = str(error)
    return Gap(rows=tuple(rows), left_out=left_out, n_failed=len(found.failed))


def _row(corpus: str, own: list[Utterance], features: Features, name: str | None) -> GapRow:
    n_speakers = len({utterance.speaker for utterance in own})
    n_sentences = len({utterance.sentence for utterance in own})
    if name is None:
        apart = protocols.get("grouped_kfold", k=max(2, min(5, n_speakers)))
    else:
        apart = protocols.get(name)
    speakers = _score(apart, own, features)
    n_folds = len(speakers.uar)
    random = _score(protocols.get("random", k=n_folds), own, features)
    by_sentence = protocols.get("sentence-disjoint", k=max(2, min(n_folds, n_sentences)))
    sentences = None
    with contextlib.suppress(DatasetError):  # what is said is unknown, or always the same
        sentences = _score(by_sentence, own, features)
    return GapRow(
        corpus=corpus,
        n_clips=len(own),
        n_speakers=n_speakers,
        random=random,
        sentences=sentences,
        speakers=speakers,
    )


def _score(protocol: protocols.Protocol, own: list[Utterance], features: Features) -> Score:
    with warnings.catch_warnings():  # that a random split leaks is what is shown
        warnings.simplefilter("ignore", protocols.LeakyProtocolWarning)
        folds = protocol.folds(own)
    title = f"training on {own[0].corpus}, {protocol.name}"
    uar = [
        _uar(fold.train + fold.validation, fold.test, features)
        for fold in tqdm(folds, title, unit="fold", disable=None)
    ]
    return Score(
        protocol=protocol.name,
        speaker_disjoint=protocol.speaker_disjoint,
        text_disjoint=protocol.text_disjoint,
        uar=tuple(uar),
    )


def _uar(train: list[Utterance], test: list[Utterance], features: Features) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    learnt = [utterance.emotion for utterance in train]
    if len(set(learnt)) < 2:
        found = learnt[0] if learnt else "none"
        raise DatasetError(f"training needs clips of at least two emotions, found {found}")
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=_REGULARISATION, tol=1e-6, max_iter=1000)
    )
    # In double precision and one thread, so that every machine finds the same optimum; for products
    # of this size, threads would cost more than they gain.
    x_train, x_test = (np.array([features[u] for u in part], np.float64) for part in (train, test))
    with threadpool_limits(1):
        answered = model.fit(x_train, learnt).predict(x_test)
    acted = np.array([utterance.emotion for utterance in test])
    return float(np.mean([(answered[acted == e] == e).mean() for e in np.unique(acted)]))
