"""What training and test data share that they must not: speakers, and recordings in disguise.

`audit` compares two lists of `Utterance` by what their names say, by the bytes of their files, by
their decoded samples, and by ear: a copy that was resampled, coded anew, made louder or quieter,
cut, padded or made noisy is found by a fingerprint of its sound. `refuse` is what training and
evaluation call.

How a copy is found by ear
--------------------------
A `Fingerprint` keeps a recording at 4 kHz, and a word of 32 bits for each 12 ms of it: the signs of
how the energy changes from band to band and from moment to moment, after Haitsma and Kalker
(ISMIR 2002). A test recording's words, and the same with their least certain bits turned round, are
looked up among those of all training recordings, which gives candidates and how they lie over
each other. Where enough bits of a candidate agree, the two waveforms are correlated. That decides:
two recordings of one speaker who says the same sentence in the same way have similar
words, but their waveforms do not follow each other for more than a moment, while those of copies do
from beginning to end.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from emotionrecog import audio
from emotionrecog.audio import Waveform
from emotionrecog.errors import EmotionRecogError, LeakageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from emotionrecog.datasets import Utterance

__all__ = [
    "KINDS",
    "Fingerprint",
    "LeakageReport",
    "Pair",
    "audit",
    "fingerprint",
    "raise_if_leaky",
]

KINDS: Mapping[str, str] = {
    "bytes": "equal bytes",
    "samples": "equal samples in files that differ",
    "name": "the same name in the corpus",
    "sound": "the same sound, changed",
}
"""The ways in which two recordings are one, from the plainest on, with what each means."""

# --- how a recording is heard -------------------------------------------------------------------

# In Hz. Up to 2 kHz every codec and every sampling rate in use keeps a waveform as it is, and most
# of a voice's energy is there.
SAMPLING_RATE = 4000

# In Hz. Below lie mains hum and rumble, which different recordings share.
LOWEST_FREQUENCY = 150.0

# In samples: 64 ms and 12 ms.
WINDOW, HOP = 256, 48

# Band energies are averaged over this many steps, 0.37 s, so that half a step more or less, where a
# copy begins between two steps, does not matter.
SMOOTHING = 31

# Edges of the bands, in Hz, equally wide on a logarithmic scale. One bit each pair of neighbours.
BANDS = np.geomspace(200.0, 1800.0, 34)

# Moments this far below the loudest are not compared, in dB: they hold more of the room and the
# codec than of the voice.
QUIET = 30.0

# Bits of each word that are tried both ways.
N_UNCERTAIN = 4

# Words of more occurrences than this tell nothing, as those of a steady hum.
MOST_OCCURRENCES = 1000

# Candidates with a larger share of bits that differ are not looked at further. Chance is 0.5.
MOST_BIT_ERRORS = 0.35

# Recordings that correlate this much are one; docs/background/leakage.md says how this was chosen.
SAME = 0.7

# The part that two recordings have in common lasts this long, in samples (0.5 s), and holds this
# share of the length of the shorter one and of the energy of one of them.
SHORTEST_OVERLAP, SMALLEST_SHARE = 2000, 0.5


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """What is kept of a recording to find copies of it.

    Parameters
    ----------
    samples : ndarray of int8, shape (n_samples,)
        The recording between 150 and 2000 Hz, at 4000 Hz; its peak is 127.
    words : ndarray of uint32, shape (n_words,)
        For each 12 ms, the signs of the changes of energy along time and frequency.
    heard : ndarray of bool, shape (n_words,)
        Whether the moment is loud enough to be compared.
    uncertain : ndarray of uint32, shape (n_words, 4)
        The bits of each word that come out otherwise most easily, as masks.
    """

    samples: NDArray[np.int8]
    words: NDArray[np.uint32]
    heard: NDArray[np.bool_]
    uncertain: NDArray[np.uint32]

    def similarity(self, other: Fingerprint, offset: int | None = None) -> float:
        """Correlate two recordings at the lag where they agree best.

        Parameters
        ----------
        other
            Of the recording to compare with.
        offset
            Of its beginning in this recording, in steps of 12 ms, where it is known.

        Returns
        -------
        float
            From 0 to 1, of copies at least `SAME`; 0 where less than 0.5 s, or less than half
            of the shorter one, lies over each other.
        """
        from scipy import fft

        one, two = (own.samples.astype(np.float32) for own in (self, other))
        n = fft.next_fast_len(len(one) + len(two), real=True)
        spectrum = fft.rfft(one, n) * fft.rfft(two, n).conj()
        if offset is None:
            lags, margin = np.arange(-(n // 2), n - n // 2), 0
        else:  # look nowhere else
            lags, margin = np.arange(HOP * (offset - 3), HOP * (offset + 3)), HOP
        products = fft.irfft(spectrum, n)[lags % n]
        # At quarters of samples, for the samples of a copy lie between those of the other. What
        # this does to the ends of the range lies within the margin.
        finer = np.abs(fft.irfft(fft.rfft(products), 4 * len(lags)) * 4)
        best = 4 * margin + int(finer[4 * margin : 4 * (len(lags) - margin)].argmax())
        peak, lag = float(finer[best]), int(lags[0]) + round(best / 4)
        begin, end = max(0, lag), min(len(one), len(two) + lag)
        if end - begin < max(SHORTEST_OVERLAP, SMALLEST_SHARE * min(len(one), len(two))):
            return 0.0
        energies = [float(np.square(own).sum()) for own in (one, two)]
        if min(energies) == 0:
            return 0.0
        common = [
            float(np.square(own[begin - shift : end - shift]).sum())
            for own, shift in ((one, 0), (two, lag))
        ]
        if max(part / all_ for part, all_ in zip(common, energies, strict=True)) < SMALLEST_SHARE:
            return 0.0
        norm = float(np.sqrt(common[0] * common[1]))
        return min(1.0, peak / norm) if norm else 0.0


def fingerprint(waveform: Waveform) -> Fingerprint:
    """Reduce a recording to what is needed to find copies of it.

    Parameters
    ----------
    waveform
        Of any sampling rate.

    Returns
    -------
    Fingerprint

    Raises
    ------
    AudioError
        If the recording is silent, or the samples are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(size=32000).astype(np.float32) / 8
    >>> other = rng.normal(size=32000).astype(np.float32) / 8
    >>> first = fingerprint(Waveform(noise, 16000))
    >>> cut = fingerprint(Waveform(noise[5001:] / 4, 16000))
    >>> round(first.similarity(cut), 2)
    1.0
    >>> first.similarity(fingerprint(Waveform(other, 16000))) < 0.2
    True
    """
    from scipy import fft

    samples = audio.load(waveform, sampling_rate=SAMPLING_RATE).samples
    n = fft.next_fast_len(len(samples), real=True)
    spectrum = fft.rfft(samples, n)
    spectrum[: int(LOWEST_FREQUENCY * n / SAMPLING_RATE) + 1] = 0
    filtered = fft.irfft(spectrum, n)[: len(samples)]
    words, heard, uncertain = _words(filtered)
    peak = max(float(np.abs(filtered).max()), 1e-20)
    scaled = np.round(filtered * (127 / peak)).astype(np.int8)
    return Fingerprint(scaled, words, heard, uncertain)


def _words(
    samples: NDArray[np.float32],
) -> tuple[NDArray[np.uint32], NDArray[np.bool_], NDArray[np.uint32]]:
    from scipy import fft

    shortest = WINDOW + HOP * SMOOTHING
    if len(samples) < shortest:
        samples = np.pad(samples, (0, shortest - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    window = np.hanning(WINDOW + 2)[1:-1].astype(np.float32)
    energy = _band_energies(np.square(np.abs(fft.rfft(frames * window))))
    weights = np.hanning(SMOOTHING + 2)[1:-1].astype(np.float32)
    smooth = np.lib.stride_tricks.sliding_window_view(energy, SMOOTHING, axis=0) @ weights
    change = np.diff(np.diff(smooth, axis=1), axis=0)
    bits = np.packbits(change > 0, axis=1, bitorder="little")
    words = np.ascontiguousarray(bits).view("<u4")[:, 0].astype(np.uint32)
    uncertain = np.argpartition(np.abs(change), N_UNCERTAIN, axis=1)[:, :N_UNCERTAIN]
    level = smooth.sum(axis=1)
    level = np.minimum(level[1:], level[:-1])
    heard = level > level.max() * 10 ** (-QUIET / 10)
    return words, heard, np.uint32(1) << uncertain.astype(np.uint32)


def _band_energies(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how much of a power spectrum, (n_frames, n_bins), lies in each band."""
    # Through the sum up to each edge. A product of matrices would start threads within threads.
    below = np.cumsum(power, axis=1, dtype=np.float64)
    bins, fractions = np.divmod(BANDS * WINDOW / SAMPLING_RATE - 0.5, 1.0)
    whole = bins.astype(np.intp)
    edges = below[:, whole] + fractions * (below[:, whole + 1] - below[:, whole])
    return np.diff(edges, axis=1).astype(np.float32)


def _candidates(
    train: Sequence[Fingerprint], test: Iterable[Fingerprint]
) -> Iterator[tuple[int, int, int]]:
    """Yield the numbers of pairs that may be one, and the offset of the second in the first."""
    if not train:
        return
    words = np.concatenate([own.words[own.heard] for own in train])
    clips = np.repeat(np.arange(len(train)), [int(own.heard.sum()) for own in train])
    places = np.concatenate([np.flatnonzero(own.heard) for own in train])
    order = np.argsort(words)
    words, clips, places = words[order], clips[order], places[order]
    for number, own in enumerate(test):
        looked_up = own.words[np.newaxis]
        for bit in own.uncertain.T:
            looked_up = np.concatenate([looked_up, looked_up ^ bit])
        looked_up = looked_up[:, own.heard]
        first = np.searchsorted(words, looked_up, "left").ravel()
        counts = np.searchsorted(words, looked_up, "right").ravel() - first
        counts[counts > MOST_OCCURRENCES] = 0
        ends = np.cumsum(counts)
        found = np.repeat(first - ends + counts, counts) + np.arange(ends[-1] if len(ends) else 0)
        here = np.tile(np.flatnonzero(own.heard), len(looked_up))
        offsets = places[found] - np.repeat(here, counts)
        # The most frequent offset of each training clip.
        both, votes = np.unique(np.stack([clips[found], offsets]), axis=1, return_counts=True)
        best = np.lexsort((votes, both[0]))
        last = np.flatnonzero(np.diff(both[0][best], append=-1))
        for clip, offset in both[:, best[last]].T.tolist():
            if _bit_errors(train[clip], own, offset) < MOST_BIT_ERRORS:
                yield clip, number, offset


def _bit_errors(one: Fingerprint, two: Fingerprint, offset: int) -> float:
    begin, end = max(0, offset), min(len(one.words), len(two.words) + offset)
    here, there = slice(begin, end), slice(begin - offset, end - offset)
    heard = one.heard[here] & two.heard[there]
    n = int(np.count_nonzero(heard))
    if n == 0:
        return 1.0
    wrong = np.bitwise_count(one.words[here] ^ two.words[there])
    return float(wrong[heard].sum()) / (32 * n)


# --- what is found ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A recording of the training data and one of the test data that are the same.

    Parameters
    ----------
    train, test : Path
        The two files.
    kind : str
        How that shows, the first that holds of `KINDS`.
    similarity : float or None
        Correlation of the two, from 0 to 1; None where it was not measured.
    """

    train: Path
    test: Path
    kind: str
    similarity: float | None


@dataclass(frozen=True, kw_only=True)
class LeakageReport:
    """What training and test data share.

    Parameters
    ----------
    n_train, n_test : int
        How many utterances were compared.
    listened : bool
        Whether their sound was compared, and not just names and bytes.
    speakers : tuple of str
        Those in both. All speakers of a corpus whose speakers are not known are one, such as
        ``"mine/unknown"``, and so are in both if any of them are.
    sentences : tuple of str
        Those in both: the corpus' name, a slash, and its code of the sentence.
    pairs : tuple of Pair
        The recordings in both.
    unreadable : mapping of Path to str
        Files that could not be compared in every way, and why: those that cannot be read or
        decoded, and those too short to be compared by ear.
    """

    n_train: int
    n_test: int
    listened: bool
    speakers: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()
    pairs: tuple[Pair, ...] = ()
    unreadable: Mapping[Path, str] = field(default_factory=dict)

    @property
    def leaky(self) -> bool:
        """Whether speakers or recordings are shared, so that figures would tell too much.

        Sentences are not looked at: the corpora have all their speakers say the same few.
        """
        return bool(self.speakers or self.pairs)

    @property
    def counts(self) -> dict[str, int]:
        """The number of pairs of each of `KINDS`."""
        kinds = [pair.kind for pair in self.pairs]
        return {kind: kinds.count(kind) for kind in KINDS}

    @property
    def summary(self) -> str:
        """What leaks, in a sentence; empty where nothing does."""
        parts = []
        if self.speakers:
            unknown = [name for name in self.speakers if name.endswith("/unknown")]
            note = f"; nobody knows who speaks in {_some(unknown)}" if unknown else ""
            parts.append(
                f"training and test share {_number(self.speakers, 'speaker')} "
                f"({_some(self.speakers)}{note})"
            )
        if self.pairs:
            n_heard = len({pair.test for pair in self.pairs})
            kinds = ", ".join(f"{n} {KINDS[kind]}" for kind, n in self.counts.items() if n)
            first = self.pairs[0]
            parts.append(
                f"{n_heard} of {self.n_test} test recordings are in training as well "
                f"({_number(self.pairs, 'pair')}: {kinds}; such as {str(first.test)!r}, which is "
                f"{str(first.train)!r})"
            )
        return "; ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return everything ready for JSON."""
        return {
            "n_train": self.n_train,
            "n_test": self.n_test,
            "listened": self.listened,
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
        """Tell people, ten pairs at most."""
        how = "names, bytes and sound" if self.listened else "names and bytes"
        nothing = "no speaker and no recording is in both"
        if self.unreadable:
            nothing += ", as far as they could be compared"
        lines = [
            f"{self.n_train} recordings to train on, {self.n_test} to test on, compared by {how}",
            f"LEAKY: {self.summary}" if self.leaky else nothing,
        ]
        for pair in self.pairs[:_LISTED]:
            alike = "" if pair.similarity is None else f", correlation {pair.similarity:.3f}"
            lines.append(f"  {pair.train} = {pair.test} ({KINDS[pair.kind]}{alike})")
        if len(self.pairs) > _LISTED:
            lines.append(f"  and {len(self.pairs) - _LISTED} pairs more")
        if self.sentences:
            lines.append(
                f"{_number(self.sentences, 'sentence')} in both ({_some(self.sentences)}): not "
                "refused, but what is said helps to tell the emotion where it goes with it"
            )
        if self.unreadable:
            path, why = next(iter(self.unreadable.items()))
            lines.append(
                f"{_number(self.unreadable, 'file')} could not be compared by "
                f"{'sound' if self.listened else 'bytes'}, such as "
                f"{str(path)!r}: {why}"
            )
        return "\n".join(lines)


# So many pairs are shown to people.
_LISTED = 10


def audit(
    train: Iterable[Utterance],
    test: Iterable[Utterance],
    *,
    compare_audio: bool = True,
    n_jobs: int = -1,
) -> LeakageReport:
    """Find what training and test data share.

    Copies are found that were resampled to 8 kHz or more, coded as MP3, Opus or Vorbis, made louder
    or quieter, turned round in sign, cut at either end, padded with silence, mixed with noise, and
    several of these at once. Not found are copies of another tempo or pitch, copies with
    reverberation, and what two recordings have in common in less than 0.5 s or in less than half of
    the shorter one.

    Parameters
    ----------
    train, test
        Utterances of any corpora.
    compare_audio
        Compare the sound as well; otherwise names and the bytes of the files alone, which takes
        a fraction of the time.
    n_jobs
        Number of workers that read recordings, as joblib counts them.

    Returns
    -------
    LeakageReport
        Files that cannot be read, or are too short to be compared by ear, are listed in it, and
        the rest goes on.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance
    >>> def said(name, speaker):
    ...     return Utterance(Path(name), "happy", corpus="mine", speaker=f"mine/{speaker}")
    >>> report = audit(
    ...     [said("bob_1.wav", "bob"), said("eve_1.wav", "eve")],
    ...     [said("bob_2.wav", "bob")],
    ...     compare_audio=False,
    ... )
    >>> report.leaky, report.speakers
    (True, ('mine/bob',))
    """
    train, test = list(train), list(test)
    paths = dict.fromkeys(utterance.path for utterance in (*train, *test))
    heard, unreadable = _read(list(paths), compare_audio, n_jobs)
    pairs: dict[tuple[int, int], tuple[str, float | None]] = {}
    keys: tuple[tuple[str, Callable[[Utterance], object], float | None], ...] = (
        ("bytes", lambda u: heard[u.path].content or os.path.realpath(u.path), 1.0),
        ("samples", lambda u: heard[u.path].samples, 1.0),
        ("name", lambda u: u.recording and (u.corpus, u.recording), None),
    )
    for kind, key, similarity in keys:
        for pair in _equal(train, test, key):
            pairs.setdefault(pair, (kind, similarity))
    for pair, similarity in _alike(train, test, heard) if compare_audio else ():
        kind, known = pairs.get(pair, ("sound", None))
        pairs[pair] = (kind, similarity if known is None else known)
    return LeakageReport(
        n_train=len(train),
        n_test=len(test),
        listened=compare_audio,
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
    """Audit, and raise if training and test data share speakers or recordings.

    Parameters
    ----------
    train, test, listen, n_jobs
        As for `audit`.
    allow_leakage
        Return what leaks instead of raising.

    Returns
    -------
    str or None
        What leaks, in words; None where nothing does.

    Raises
    ------
    LeakageError
        If speakers or recordings are in both and `allow_leakage` is false.
    """
    found = audit(train, test, compare_audio=compare_audio, n_jobs=n_jobs)
    if found.leaky and not allow_leakage:
        raise LeakageError(
            f"{found.summary}: figures would not tell how a recogniser does on new voices. Divide "
            "the utterances with one of `emotionrecog.splits.protocols`, or leave these out of "
            "training; "
            "`allow_leakage=True`, or --allow-leakage on the command line, goes on all the same, "
            "and says so wherever figures are"
        )
    return found.summary or None


@dataclass(frozen=True, eq=False)
class _Heard:
    """What is known of a file: hashes, None where it cannot be read, and the fingerprint."""

    content: bytes | None = None
    samples: bytes | None = None
    fingerprint: Fingerprint | None = None


_TOO_SHORT = f"shorter than {SHORTEST_OVERLAP / SAMPLING_RATE} s, too short to be compared by ear"


def _read(
    paths: Sequence[Path], compare_audio: bool, n_jobs: int
) -> tuple[dict[Path, _Heard], dict[Path, str]]:
    import joblib
    from tqdm import tqdm

    def read(path: Path) -> tuple[_Heard, str | None]:
        content = samples = None
        try:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
            if not compare_audio:
                return _Heard(content), None
            waveform = audio.load(path)
            rate = waveform.sampling_rate.to_bytes(4, "little")
            samples = hashlib.sha256(rate + waveform.samples.tobytes()).digest()
            own = fingerprint(waveform)
            too_short = len(own.samples) < SHORTEST_OVERLAP
            return _Heard(content, samples, own), _TOO_SHORT if too_short else None
        except (EmotionRecogError, OSError) as error:
            return _Heard(content, samples), str(error)

    parallel = joblib.Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")
    results = parallel(joblib.delayed(read)(path) for path in paths)
    progress = tqdm(results, "auditing", total=len(paths), unit="clip", disable=None)
    heard, unreadable = {}, {}
    for path, (known, problem) in zip(paths, progress, strict=True):
        heard[path] = known
        if problem is not None:
            unreadable[path] = problem
    return heard, unreadable


def _equal(
    train: Sequence[Utterance], test: Sequence[Utterance], key: Callable[[Utterance], object]
) -> Iterator[tuple[int, int]]:
    """Yield the numbers of the utterances that a key, if there is one, has in common."""
    numbers = defaultdict(list)
    for i, utterance in enumerate(train):
        numbers[key(utterance)].append(i)
    numbers.pop(None, None)
    for j, utterance in enumerate(test):
        for i in numbers.get(key(utterance), ()):
            yield i, j


def _alike(
    train: Sequence[Utterance], test: Sequence[Utterance], heard: Mapping[Path, _Heard]
) -> Iterator[tuple[tuple[int, int], float]]:
    """Yield the numbers of the utterances that sound the same, and their similarity."""
    from tqdm import tqdm

    sides = []
    for utterances in (train, test):  # equal samples are compared once
        numbers: dict[bytes, list[int]] = defaultdict(list)
        for i, utterance in enumerate(utterances):
            known = heard[utterance.path]
            if known.samples is not None and known.fingerprint is not None:
                numbers[known.samples].append(i)
        prints = [heard[utterances[same[0]].path].fingerprint for same in numbers.values()]
        sides.append((list(numbers.values()), [own for own in prints if own is not None]))
    (train_numbers, train_prints), (test_numbers, test_prints) = sides
    candidates = _candidates(train_prints, tqdm(test_prints, "comparing", disable=None))
    for one, two, offset in candidates:
        similarity = train_prints[one].similarity(test_prints[two], offset)
        if similarity >= SAME:
            for i in train_numbers[one]:
                for j in test_numbers[two]:
                    yield (i, j), round(similarity, 4)


def _shared(
    train: Sequence[Utterance], test: Sequence[Utterance], key: Callable[[Utterance], str | None]
) -> tuple[str, ...]:
    return tuple(sorted({key(u) or "" for u in train} & {key(u) or "" for u in test} - {""}))


def _number(things: Sequence[Any] | Mapping[Any, Any], word: str) -> str:
    return f"{len(things)} {word}{'s' if len(things) != 1 else ''}"


def _some(names: Sequence[str]) -> str:
    """Name the first: ``a, b, c and 5 others``."""
    n_more = len(names) - 3
    more = f" and {n_more} other{'s' if n_more > 1 else ''}" if n_more > 0 else ""
    return ", ".join(names[:3]) + more
