"""Compute fingerprints of recordings, which identify copies even after changes.

A `Fingerprint` holds a recording at 4 kHz, and a word of 32 bits for each 12 ms of it: the signs of
the energy changes over frequency and time, after Haitsma and Kalker (ISMIR 2002). The words of a
test recording, also with their least certain bits flipped, are looked up among those of all
training recordings, which gives candidates and their offsets. If enough bits of a candidate agree,
the correlation of the two waveforms decides: if a speaker says a sentence twice in the same way,
the words are similar, but the waveforms agree only briefly, while those of copies agree from
beginning to end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emotionrecog import audio
from emotionrecog.audio import Waveform

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

__all__ = [
    "HOP",
    "SAME",
    "SAMPLING_RATE",
    "SHORTEST_OVERLAP",
    "Fingerprint",
    "candidates",
    "fingerprint",
]

SAMPLING_RATE = 4000
"""In Hz. Up to 2 kHz, every codec and sampling rate in use keeps a waveform intact, and most of a
voice's energy is there."""

# In Hz. Below this are mains hum and rumble, which different recordings share.
LOWEST_FREQUENCY = 150.0

WINDOW, HOP = 256, 48
"""In samples: 64 ms and 12 ms."""

# Band energies are averaged over this many steps, 0.37 s, so that a copy that begins between two
# steps has nearly the same energies.
SMOOTHING = 31

# Edges of the bands in Hz, equally wide on a logarithmic scale. Each pair of bands gives a bit.
BANDS = np.geomspace(200.0, 1800.0, 34)

# Frames this far below the loudest, in dB, are not compared: room and codec mask the voice.
QUIET_DB = 30.0

# Number of bits of each word for which both values are tried.
N_UNCERTAIN = 4

# Words that occur more often, such as those of a steady hum, are not looked up.
MOST_OCCURRENCES = 1000

# Candidates with a larger share of different bits are dropped. Unrelated recordings have 0.5.
MOST_BIT_ERRORS = 0.35

SAME = 0.7
"""Correlation from which two recordings are the same. docs/background/leakage.md explains the
choice."""

SHORTEST_OVERLAP, SMALLEST_SHARE = 2000, 0.5
"""The part that two recordings share must have this many samples (0.5 s), this share of the length
of the shorter one, and this share of the energy of one of them."""


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """Data of a recording by which copies of it are found.

    Parameters
    ----------
    samples : ndarray of int8, shape (n_samples,)
        The recording from 150 to 2000 Hz, at 4000 Hz, with a peak of 127.
    words : ndarray of uint32, shape (n_words,)
        Signs of the energy changes along time and frequency, for each 12 ms.
    is_loud : ndarray of bool, shape (n_words,)
        Whether the 12 ms are loud enough to compare.
    uncertain : ndarray of uint32, shape (n_words, 4)
        The bits of each word that change most easily, as masks.
    """

    samples: NDArray[np.int8]
    words: NDArray[np.uint32]
    is_loud: NDArray[np.bool_]
    uncertain: NDArray[np.uint32]

    def similarity(self, other: Fingerprint, offset: int | None = None) -> float:
        """Return the correlation of two recordings at the lag where they agree best.

        Parameters
        ----------
        other
            Fingerprint of the recording to compare with.
        offset
            Position at which that recording begins in this one, in steps of 12 ms, if known.

        Returns
        -------
        float
            From 0 to 1, and at least `SAME` for copies; 0 if the recordings share less than 0.5 s
            or less than half of the shorter one.
        """
        from scipy import fft

        one, two = (x.samples.astype(np.float32) for x in (self, other))
        n = fft.next_fast_len(len(one) + len(two), real=True)
        spectrum = fft.rfft(one, n) * fft.rfft(two, n).conj()
        if offset is None:
            lags, margin = np.arange(-(n // 2), n - n // 2), 0
        else:  # near the offset only
            lags, margin = np.arange(HOP * (offset - 3), HOP * (offset + 3)), HOP
        products = fft.irfft(spectrum, n)[lags % n]
        # At quarter-sample lags, because the samples of a copy may lie between those of the other.
        # The margin holds the artefacts of this interpolation at the ends of the range.
        finer = np.abs(fft.irfft(fft.rfft(products), 4 * len(lags)) * 4)
        best = 4 * margin + int(finer[4 * margin : 4 * (len(lags) - margin)].argmax())
        peak, lag = float(finer[best]), int(lags[0]) + round(best / 4)
        begin, end = max(0, lag), min(len(one), len(two) + lag)
        if end - begin < max(SHORTEST_OVERLAP, SMALLEST_SHARE * min(len(one), len(two))):
            return 0.0
        energies = [float(np.square(samples).sum()) for samples in (one, two)]
        if min(energies) == 0:
            return 0.0
        shared = [
            float(np.square(samples[begin - shift : end - shift]).sum())
            for samples, shift in ((one, 0), (two, lag))
        ]
        if max(part / whole for part, whole in zip(shared, energies, strict=True)) < SMALLEST_SHARE:
            return 0.0
        norm = float(np.sqrt(shared[0] * shared[1]))
        return min(1.0, peak / norm) if norm else 0.0


def fingerprint(waveform: Waveform) -> Fingerprint:
    """Compute the fingerprint of a recording.

    Parameters
    ----------
    waveform
        A recording at any sampling rate.

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
    words, is_loud, uncertain = _words(filtered)
    peak = max(float(np.abs(filtered).max()), 1e-20)
    scaled = np.round(filtered * (127 / peak)).astype(np.int8)
    return Fingerprint(scaled, words, is_loud, uncertain)


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
    is_loud = level > level.max() * 10 ** (-QUIET_DB / 10)
    return words, is_loud, np.uint32(1) << uncertain.astype(np.uint32)


def _band_energies(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the energy of a power spectrum, (n_frames, n_bins), in each band."""
    # From cumulative sums at the edges. A matrix product would start threads within threads.
    below = np.cumsum(power, axis=1, dtype=np.float64)
    floors, fractions = np.divmod(BANDS * WINDOW / SAMPLING_RATE - 0.5, 1.0)
    bins = floors.astype(np.intp)
    edges = below[:, bins] + fractions * (below[:, bins + 1] - below[:, bins])
    return np.diff(edges, axis=1).astype(np.float32)


def candidates(
    train: Sequence[Fingerprint], test: Iterable[Fingerprint]
) -> Iterator[tuple[int, int, int]]:
    """Yield pairs of recordings that may be the same.

    Parameters
    ----------
    train, test
        Fingerprints to compare.

    Yields
    ------
    (int, int, int)
        Positions in `train` and in `test`, and where the second recording begins in the first, in
        steps of 12 ms.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(size=32000).astype(np.float32) / 8
    >>> whole, cut = (fingerprint(Waveform(x, 16000)) for x in (noise, noise[4800:]))
    >>> list(candidates([whole], [cut]))
    [(0, 0, 25)]
    """
    if not train:
        return
    words = np.concatenate([x.words[x.is_loud] for x in train])
    clips = np.repeat(np.arange(len(train)), [int(x.is_loud.sum()) for x in train])
    places = np.concatenate([np.flatnonzero(x.is_loud) for x in train])
    order = np.argsort(words)
    words, clips, places = words[order], clips[order], places[order]
    for number, tested in enumerate(test):
        variants = tested.words[np.newaxis]
        for bit in tested.uncertain.T:
            variants = np.concatenate([variants, variants ^ bit])
        variants = variants[:, tested.is_loud]
        first = np.searchsorted(words, variants, "left").ravel()
        counts = np.searchsorted(words, variants, "right").ravel() - first
        counts[counts > MOST_OCCURRENCES] = 0
        ends = np.cumsum(counts)
        matches = np.repeat(first - ends + counts, counts) + np.arange(ends[-1] if len(ends) else 0)
        test_places = np.tile(np.flatnonzero(tested.is_loud), len(variants))
        offsets = places[matches] - np.repeat(test_places, counts)
        # The most frequent offset of each training clip.
        pairs, votes = np.unique(np.stack([clips[matches], offsets]), axis=1, return_counts=True)
        best = np.lexsort((votes, pairs[0]))
        last = np.flatnonzero(np.diff(pairs[0][best], append=-1))
        for clip, offset in pairs[:, best[last]].T.tolist():
            if _bit_errors(train[clip], tested, offset) < MOST_BIT_ERRORS:
                yield clip, number, offset


def _bit_errors(one: Fingerprint, two: Fingerprint, offset: int) -> float:
    begin, end = max(0, offset), min(len(one.words), len(two.words) + offset)
    in_one, in_two = slice(begin, end), slice(begin - offset, end - offset)
    is_loud = one.is_loud[in_one] & two.is_loud[in_two]
    n_words = int(np.count_nonzero(is_loud))
    if n_words == 0:
        return 1.0
    n_wrong = np.bitwise_count(one.words[in_one] ^ two.words[in_two])
    return float(n_wrong[is_loud].sum()) / (32 * n_words)
