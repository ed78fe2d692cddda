"""Find speakers and recordings that training and test data share.

`audit` compares two lists of `Utterance` by names, by the bytes of their files, by their decoded
samples, and by sound: a copy that was resampled, coded, made louder or quieter, cut, padded or made
noisy is recognised by its `emotionrecog.splits.fingerprints.Fingerprint`. Training and evaluation
call `raise_if_leaky`.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emotionrecog import audio
from emotionrecog.errors import EmotionRecogError, LeakageError
from emotionrecog.files import sha256
from emotionrecog.parallel import over_recordings, reason
from emotionrecog.splits.fingerprints import (
    SAME,
    SAMPLING_RATE,
    SHORTEST_OVERLAP,
    Fingerprint,
    candidates,
    fingerprint,
)
from emotionrecog.text import count, listing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from emotionrecog.datasets import Utterance

__all__ = ["KINDS", "LeakageReport", "Pair", "audit", "raise_if_leaky"]

KINDS: Mapping[str, str] = {
    "bytes": "equal bytes",
    "samples": "equal samples in different files",
    "name": "the same name in the corpus",
    "sound": "the same sound, changed",
}
"""The ways in which two recordings are the same, the most obvious first, with descriptions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A recording in the training data and the same recording in the test data.

    Parameters
    ----------
    train, test : Path
        The two files.
    kind : str
        Criterion by which they are the same: the first of `KINDS` that applies.
    similarity : float or None
        Correlation of the two, from 0 to 1; None if it was not measured.

    Examples
    --------
    >>> from pathlib import Path
    >>> Pair(train=Path("a.wav"), test=Path("b.wav"), kind="bytes", similarity=1.0).kind
    'bytes'
    """

    train: Path
    test: Path
    kind: str
    similarity: float | None


@dataclass(frozen=True, kw_only=True)
class LeakageReport:
    """The speakers, sentences and recordings that training and test data share.

    Parameters
    ----------
    n_train, n_test : int
        Numbers of utterances compared.
    compared_audio : bool
        Whether sound was compared, not just names and bytes.
    speakers : tuple of str
        Shared speakers. All unknown speakers of a corpus count as one, such as ``"mine/unknown"``,
        and are shared if the corpus is on both sides.
    sentences : tuple of str
        Shared sentences: the name of the corpus, a slash, and its code of the sentence.
    pairs : tuple of Pair
        Shared recordings.
    unreadable : mapping of Path to str
        Files that could not be compared completely, with the reason: they cannot be read or
        decoded, or are too short to compare their sound.

    Examples
    --------
    >>> LeakageReport(n_train=2, n_test=1, compared_audio=False, speakers=("mine/bob",)).leaky
    True
    """

    n_train: int
    n_test: int
    compared_audio: bool
    speakers: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()
    pairs: tuple[Pair, ...] = ()
    unreadable: Mapping[Path, str] = field(default_factory=dict)

    @property
    def leaky(self) -> bool:
        """Whether speakers or recordings are shared, which makes results optimistic.

        Sentences do not count: in the corpora, all speakers say the same few.
        """
        return bool(self.speakers or self.pairs)

    @property
    def counts(self) -> dict[str, int]:
        """Number of pairs of each of `KINDS`."""
        kinds = [pair.kind for pair in self.pairs]
        return {kind: kinds.count(kind) for kind in KINDS}

    @property
    def summary(self) -> str:
        """The leaks in one sentence; empty if there are none."""
        parts = []
        if self.speakers:
            names = [name.partition("/") for name in self.speakers]
            unknown = [corpus for corpus, _, speaker in names if speaker == "unknown"]
            note = f"; the speakers of {listing(unknown, n_shown=3)} are unknown" if unknown else ""
            parts.append(
                f"training and test share {count(len(self.speakers), 'speaker')} "
                f"({listing(self.speakers, n_shown=3)}{note})"
            )
        if self.pairs:
            n_tested = len({pair.test for pair in self.pairs})
            kinds = ", ".join(f"{n} {KINDS[kind]}" for kind, n in self.counts.items() if n)
            first = self.pairs[0]
            parts.append(
                f"{n_tested} of {self.n_test} test recordings are in training as well "
                f"({count(len(self.pairs), 'pair')}: {kinds}; such as {str(first.test)!r}, which "
                f"is {str(first.train)!r})"
            )
        return "; ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the report ready for JSON.

        Examples
        --------
        >>> LeakageReport(n_train=2, n_test=1, compared_audio=False).to_dict()["leaky"]
        False
        """
        return {
            "n_train": self.n_train,
            "n_test": self.n_test,
            "compared_audio": self.compared_audio,
            "leaky": self.leaky,
            "speakers": list(self.speakers),
            "sentences": list(self.sentences),
            "counts": self.counts,
            "pairs": [
                {
                    "train": str(pair.train),
                    "test": str(pair.test),
                    "kind": pair.kind,
                    "similarity": pair.similarity,
                }
                for pair in self.pairs
            ],
            "unreadable": {str(path): why for path, why in self.unreadable.items()},
        }

    def __str__(self) -> str:
        """Return a readable text with at most ten pairs."""
        how = "names, bytes and sound" if self.compared_audio else "names and bytes"
        nothing = "no speaker and no recording is shared"
        if self.unreadable:
            nothing += ", as far as files could be compared"
        lines = [
            f"{count(self.n_train, 'training recording')} and "
            f"{count(self.n_test, 'test recording')}, compared by {how}",
            f"LEAKY: {self.summary}" if self.leaky else nothing,
        ]
        for pair in self.pairs[:_N_PAIRS]:
            alike = "" if pair.similarity is None else f", correlation {pair.similarity:.3f}"
            lines.append(f"  {pair.train} = {pair.test} ({KINDS[pair.kind]}{alike})")
        if len(self.pairs) > _N_PAIRS:
            lines.append(f"  and {count(len(self.pairs) - _N_PAIRS, 'more pair')}")
        if self.sentences:
            lines.append(
                f"{count(len(self.sentences), 'sentence')} in both "
                f"({listing(self.sentences, n_shown=3)}): not an error, but if emotions go with "
                "sentences, the words reveal the emotion"
            )
        if self.unreadable:
            path, problem = next(iter(self.unreadable.items()))
            lines.append(
                f"{count(len(self.unreadable), 'file')} could not be compared by "
                f"{'sound' if self.compared_audio else 'bytes'}, such as {str(path)!r}: {problem}"
            )
        return "\n".join(lines)


# Number of pairs that the text shows.
_N_PAIRS = 10


def audit(
    train: Iterable[Utterance],
    test: Iterable[Utterance],
    *,
    compare_audio: bool = True,
    n_jobs: int = -1,
) -> LeakageReport:
    """Find the speakers, sentences and recordings that training and test data share.

    Copies are found even if they were resampled to 8 kHz or more, coded as MP3, Opus or Vorbis,
    made louder or quieter, inverted, cut at either end, padded with silence or mixed with noise, or
    several of these. Copies with another tempo, pitch or room are not found, nor recordings that
    share less than 0.5 s or less than half of the shorter one.

    Parameters
    ----------
    train, test
        Utterances from any corpora.
    compare_audio
        Whether to compare sound as well. Comparing only names and bytes takes a fraction of the
        time.
    n_jobs
        Number of workers that read recordings, as joblib counts them.

    Returns
    -------
    LeakageReport
        Files that cannot be read, or are too short to compare their sound, are listed in it.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance
    >>> def clip(name, speaker):
    ...     return Utterance(Path(name), "happy", corpus="mine", speaker=f"mine/{speaker}")
    >>> report = audit(
    ...     [clip("bob_1.wav", "bob"), clip("eve_1.wav", "eve")],
    ...     [clip("bob_2.wav", "bob")],
    ...     compare_audio=False,
    ... )
    >>> report.leaky, report.speakers
    (True, ('mine/bob',))
    """
    train, test = list(train), list(test)
    paths = dict.fromkeys(utterance.path for utterance in (*train, *test))
    contents, unreadable = _read(list(paths), compare_audio, n_jobs)
    pairs: dict[tuple[int, int], tuple[str, float | None]] = {}
    keys: tuple[tuple[str, Callable[[Utterance], object], float | None], ...] = (
        ("bytes", lambda u: contents[u.path].bytes_hash or os.path.realpath(u.path), 1.0),
        ("samples", lambda u: contents[u.path].samples_hash, 1.0),
        ("name", lambda u: u.recording and (u.corpus, u.recording), None),
    )
    for kind, key, similarity in keys:
        for pair in _equal(train, test, key):
            pairs.setdefault(pair, (kind, similarity))
    for pair, correlation in _alike(train, test, contents) if compare_audio else ():
        kind, similarity = pairs.get(pair, ("sound", None))
        pairs[pair] = (kind, correlation if similarity is None else similarity)
    return LeakageReport(
        n_train=len(train),
        n_test=len(test),
        compared_audio=compare_audio,
        speakers=_shared(train, test, lambda u: u.speaker),
        sentences=_shared(train, test, lambda u: u.sentence and f"{u.corpus}/{u.sentence}"),
        pairs=tuple(
            Pair(train=train[i].path, test=test[j].path, kind=kind, similarity=similarity)
            for (i, j), (kind, similarity) in sorted(pairs.items())
        ),
        unreadable=unreadable,
    )


def raise_if_leaky(
    train: Iterable[Utterance],
    test: Iterable[Utterance],
    *,
    allow_leakage: bool = False,
    compare_audio: bool = True,
    n_jobs: int = -1,
) -> str | None:
    """Raise an error if training and test data share speakers or recordings.

    Parameters
    ----------
    train, test, compare_audio, n_jobs
        As for `audit`.
    allow_leakage
        Whether to return a description of the leaks instead of raising.

    Returns
    -------
    str or None
        Description of the leaks; None if there are none.

    Raises
    ------
    LeakageError
        If speakers or recordings are shared and `allow_leakage` is false.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance
    >>> clip = Utterance(Path("bob_1.wav"), "happy", corpus="mine", speaker="mine/bob")
    >>> raise_if_leaky([clip], [], compare_audio=False) is None
    True
    """
    report = audit(train, test, compare_audio=compare_audio, n_jobs=n_jobs)
    if report.leaky and not allow_leakage:
        raise LeakageError(
            f"{report.summary}, so results do not hold for new speakers. "
            "Divide the utterances with one of `emotionrecog.splits.protocols`, or leave these out "
            "of training; `allow_leakage=True`, or --allow-leakage on the command line, continues "
            "anyway, and the results state the leakage"
        )
    return report.summary or None


@dataclass(frozen=True, eq=False)
class _Content:
    """Hashes and fingerprint of a file; None if it cannot be read or decoded."""

    bytes_hash: bytes | None = None
    samples_hash: bytes | None = None
    fingerprint: Fingerprint | None = None
    problem: str | None = None


_TOO_SHORT = f"shorter than {SHORTEST_OVERLAP / SAMPLING_RATE} s, too short to compare its sound"


def _read(
    paths: Sequence[Path], compare_audio: bool, n_jobs: int
) -> tuple[dict[Path, _Content], dict[Path, str]]:
    def read(path: Path) -> _Content:
        bytes_hash = samples_hash = None
        try:
            bytes_hash = bytes.fromhex(sha256(path))
            if not compare_audio:
                return _Content(bytes_hash)
            waveform = audio.load(path)
            rate = waveform.sampling_rate.to_bytes(4, "little")
            samples_hash = bytes.fromhex(sha256(rate + waveform.samples.tobytes()))
            stored = fingerprint(waveform)
        except (EmotionRecogError, OSError) as error:
            return _Content(bytes_hash, samples_hash, problem=reason(error))
        too_short = len(stored.samples) < SHORTEST_OVERLAP
        return _Content(bytes_hash, samples_hash, stored, _TOO_SHORT if too_short else None)

    results = over_recordings(read, paths, activity="auditing", n_jobs=n_jobs)
    contents = dict(zip(results.items, results.values, strict=True))
    problems = {path: content.problem for path, content in contents.items() if content.problem}
    return contents, problems


def _equal(
    train: Sequence[Utterance], test: Sequence[Utterance], key: Callable[[Utterance], object]
) -> Iterator[tuple[int, int]]:
    """Yield the positions of utterances that have the same key, unless it is None."""
    numbers = defaultdict(list)
    for i, utterance in enumerate(train):
        numbers[key(utterance)].append(i)
    numbers.pop(None, None)
    for j, utterance in enumerate(test):
        for i in numbers.get(key(utterance), ()):
            yield i, j


def _alike(
    train: Sequence[Utterance], test: Sequence[Utterance], contents: Mapping[Path, _Content]
) -> Iterator[tuple[tuple[int, int], float]]:
    """Yield the positions of utterances that sound the same, with their correlation."""
    from tqdm import tqdm

    (train_numbers, train_prints), (test_numbers, test_prints) = (
        _distinct_sounds(utterances, contents) for utterances in (train, test)
    )
    bar = tqdm(test_prints, "comparing", disable=None)
    for one, two, offset in candidates(train_prints, bar):
        similarity = train_prints[one].similarity(test_prints[two], offset)
        if similarity >= SAME:
            for i in train_numbers[one]:
                for j in test_numbers[two]:
                    yield (i, j), round(similarity, 4)


def _distinct_sounds(
    utterances: Sequence[Utterance], contents: Mapping[Path, _Content]
) -> tuple[list[list[int]], list[Fingerprint]]:
    """Return the positions of utterances with equal samples, and a fingerprint for each group."""
    numbers: dict[bytes, list[int]] = defaultdict(list)
    prints: dict[bytes, Fingerprint] = {}
    for i, utterance in enumerate(utterances):
        content = contents[utterance.path]
        if content.samples_hash is not None and content.fingerprint is not None:
            numbers[content.samples_hash].append(i)
            prints.setdefault(content.samples_hash, content.fingerprint)
    return list(numbers.values()), list(prints.values())


def _shared(
    train: Sequence[Utterance], test: Sequence[Utterance], key: Callable[[Utterance], str | None]
) -> tuple[str, ...]:
    return tuple(sorted({key(u) or "" for u in train} & {key(u) or "" for u in test} - {""}))
