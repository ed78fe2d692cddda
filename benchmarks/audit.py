"""Measure how many copies of real recordings the leakage audit finds, and how often it is wrong.

    python benchmarks/audit.py --corpora corpora                # 60 clips of each corpus
    python benchmarks/audit.py --corpora corpora --clips 20     # faster

Copies of randomly drawn clips are written to a temporary folder and compared with all recordings
of their speakers, and these recordings with each other. The threshold of
`emotionrecog.splits.fingerprints` was chosen on copies of clips of one half of the speakers
(``--development`` shows that half); by default, the other half is measured.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import os
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from emotionrecog import audio, datasets
from emotionrecog.datasets import Utterance
from emotionrecog.errors import AudioError
from emotionrecog.splits.leakage import audit

Samples = NDArray[np.float32]
Rng = np.random.Generator

# Pairs of names that are the same recording in the owners' files, or part of one another. The first
# four have equal samples. The audit found the others: their waveforms agree from beginning to end.
DUPLICATES = {
    frozenset(pair.split(" = "))
    for pair in (
        "1006_TIE_HAP_XX = 1006_TIE_NEU_XX",
        "1013_WSI_DIS_XX = 1013_WSI_SAD_XX",
        "1017_IWW_ANG_XX = 1017_IWW_FEA_XX",
        "03-01-03-01-02-01-07 = 03-01-03-01-02-02-07",
        "1017_IWL_ANG_XX = 1017_IWL_FEA_XX",
        "1020_IEO_ANG_LO = 1020_IEO_ANG_MD",
        "1028_IEO_HAP_LO = 1028_IEO_HAP_MD",
        "1045_ITH_DIS_XX = 1045_IWL_DIS_XX",
        "1056_MTI_ANG_XX = 1056_TAI_ANG_XX",
        "1067_IEO_DIS_LO = 1067_IEO_FEA_LO",
        "1072_IEO_ANG_LO = 1072_IEO_DIS_MD",
        "1072_IEO_ANG_MD = 1072_IEO_DIS_MD",
    )
}


def save(path: Path, samples: Samples, rate: int, kind: str = "wav", level: float = 0.0) -> Path:
    """Write a file, in 16 bits or by a codec with a compression level from 0 to 1."""
    path = path.with_suffix(f".{kind}")
    container, subtype, more = {
        "wav": ("WAV", "PCM_16", {}),
        "float": ("WAV", "FLOAT", {}),
        "mp3": ("MP3", "MPEG_LAYER_III", {"bitrate_mode": "CONSTANT"}),
        "opus": ("OGG", "OPUS", {}),
        "ogg": ("OGG", "VORBIS", {}),
    }[kind]
    if kind in ("mp3", "opus", "ogg"):
        more = {**more, "compression_level": level}
    if kind == "float":
        path = path.with_suffix(".wav")
    soundfile.write(path, np.clip(samples, -1, 1), rate, format=container, subtype=subtype, **more)
    return path


def resampled(path: Path, samples: Samples, rate: int, to: int) -> Path:
    """Write a file at another sampling rate."""
    return save(path, soxr.resample(samples, rate, to), to)


def cut(samples: Samples, rate: int, rng: Rng, *, start: bool, end: bool) -> Samples:
    """Cut 0.1 to 0.5 s off."""
    first, last = (int(rate * rng.uniform(0.1, 0.5)) * wanted for wanted in (start, end))
    return samples[first : len(samples) - last]


def padded(samples: Samples, rate: int, *, start: bool, end: bool) -> Samples:
    """Add 0.5 s of silence."""
    return np.pad(samples, (rate // 2 * start, rate // 2 * end))


def noisy(samples: Samples, rng: Rng, snr: float) -> Samples:
    """Add white noise at a signal-to-noise ratio in dB."""
    level = np.sqrt(np.mean(np.square(samples))) * 10 ** (-snr / 20)
    return samples + (level * rng.standard_normal(len(samples))).astype(np.float32)


def echoing(samples: Samples, rate: int, rng: Rng) -> Samples:
    """Add reverberation that decays by 60 dB in 0.3 s, as loud as the voice."""
    t = np.arange(int(0.3 * rate)) / rate
    room = rng.standard_normal(len(t)) * 10 ** (-3 * t / 0.3)
    room *= 1 / np.sqrt(np.sum(room**2))
    room[0] += 1
    echo = np.convolve(samples, room)[: len(samples)]
    return (0.5 * echo / max(np.abs(echo).max(), 1e-9)).astype(np.float32)


def changed(samples: Samples, factor: float) -> Samples:
    """Play faster, which changes tempo and pitch."""
    return soxr.resample(samples, factor, 1.0)


# Each takes a path, samples, their rate in Hz and a random generator, and returns the file.
COPIES = {
    "another container": lambda p, x, r, g: save(p, x, r, "float"),
    "resampled to 8 kHz": lambda p, x, r, g: resampled(p, x, r, 8000),
    "resampled to 22.05 kHz": lambda p, x, r, g: resampled(p, x, r, 22050),
    "resampled to 44.1 kHz": lambda p, x, r, g: resampled(p, x, r, 44100),
    "MP3, 64 kbit/s": lambda p, x, r, g: save(p, x, r, "mp3", 0.6),
    "MP3, 32 kbit/s": lambda p, x, r, g: save(p, x, r, "mp3", 0.85),
    "Opus, 24 kbit/s": lambda p, x, r, g: save(p, x, r, "opus", 0.93),
    "Opus, 16 kbit/s": lambda p, x, r, g: save(p, x, r, "opus", 0.96),
    "Vorbis, about 40 kbit/s": lambda p, x, r, g: save(p, x, r, "ogg", 0.8),
    "gain, -20 to +6 dB": lambda p, x, r, g: save(p, x * 10 ** (g.uniform(-20, 6) / 20), r),
    "start cut by 0.1 to 0.5 s": lambda p, x, r, g: save(p, cut(x, r, g, start=True, end=False), r),
    "end cut by 0.1 to 0.5 s": lambda p, x, r, g: save(p, cut(x, r, g, start=False, end=True), r),
    "both ends cut": lambda p, x, r, g: save(p, cut(x, r, g, start=True, end=True), r),
    "0.5 s of silence before": lambda p, x, r, g: save(p, padded(x, r, start=True, end=False), r),
    "0.5 s of silence behind": lambda p, x, r, g: save(p, padded(x, r, start=False, end=True), r),
    "white noise at 30 dB": lambda p, x, r, g: save(p, noisy(x, g, 30), r),
    "white noise at 20 dB": lambda p, x, r, g: save(p, noisy(x, g, 20), r),
    "white noise at 10 dB": lambda p, x, r, g: save(p, noisy(x, g, 10), r),
    "start cut, gain, noise at 25 dB, Opus 16": lambda p, x, r, g: save(
        p, noisy(cut(x, r, g, start=True, end=False), g, 25) / 4, r, "opus", 0.96
    ),
    "both ends cut, noise at 20 dB, 8 kHz, MP3 32": lambda p, x, r, g: save(
        p,
        soxr.resample(noisy(cut(x, r, g, start=True, end=True), g, 20), r, 8000),
        8000,
        "mp3",
        0.85,
    ),
    "a room's reverberation (not promised)": lambda p, x, r, g: save(p, echoing(x, r, g), r),
    "1 % faster (not promised)": lambda p, x, r, g: save(p, changed(x, 1.01), r),
}


def of_half(utterance: Utterance, development: bool) -> bool:
    """Return whether the speaker is in a half, by a hash of the name; TESS has one in each."""
    if utterance.corpus == "tess":
        return (utterance.speaker == "tess/OAF") == development
    return (hashlib.sha256(utterance.speaker.encode()).digest()[0] % 2 == 0) == development


def copies_of(number: int, utterance: Utterance, folder: Path, seed: int) -> list[Utterance]:
    """Write a copy of each kind; return them in the order of `COPIES`."""
    waveform = audio.load(utterance.path)
    made = []
    for kind, write in enumerate(COPIES.values()):
        rng = np.random.default_rng((seed, number, kind))
        path = write(folder / f"{number}-{kind}", waveform.samples, waveform.sampling_rate, rng)
        made.append(replace(utterance, path=path, recording=None))
    return made


def drawn(utterances: list[Utterance], n_each: int, seed: int) -> list[Utterance]:
    """Draw clips of each corpus, speech and song apart; not the silent one."""
    rng = np.random.default_rng(seed)
    chosen = []
    for name in sorted({(u.corpus, u.style) for u in utterances}):
        own = [u for u in utterances if (u.corpus, u.style) == name]
        for i in rng.permutation(len(own))[:n_each]:
            try:
                audio.load(own[i].path)
            except AudioError:
                continue
            chosen.append(own[i])
    return chosen


def hard(one: Utterance, two: Utterance) -> str:
    """Say how near two recordings are that are not one."""
    if one.speaker != two.speaker:
        return "different speakers"
    if one.emotion != two.emotion:
        return "one speaker"
    if one.corpus == "tess":
        return "one speaker and emotion, 'Say the word ...' (TESS)"
    if one.sentence == two.sentence and one.sentence is not None:
        return "one speaker, emotion and sentence"
    return "one speaker and emotion"


def main() -> None:
    """Write copies, audit them, and print two tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--corpora", type=Path, default=os.environ.get("EMOTIONRECOG_CORPORA"), metavar="FOLDER"
    )
    parser.add_argument("--clips", type=int, default=60, metavar="N", help="of each corpus")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--development", action="store_true", help="the half that thresholds were chosen on"
    )
    arguments = parser.parse_args()
    if not arguments.corpora:
        raise SystemExit("name the folder of the corpora with --corpora")
    originals = [u for u in datasets.read(arguments.corpora) if of_half(u, arguments.development)]
    chosen = drawn(originals, arguments.clips, arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        made = joblib.Parallel(n_jobs=-1)(
            joblib.delayed(copies_of)(i, utterance, Path(folder), arguments.seed)
            for i, utterance in enumerate(chosen)
        )
        copies = [copy for row in made for copy in row]
        start = time.perf_counter()
        report = audit(originals, [*originals, *copies])
        seconds = time.perf_counter() - start

    source = {copy.path: u for u, row in zip(chosen, made, strict=True) for copy in row}
    kind_of = {copy.path: kind for row in made for copy, kind in zip(row, COPIES, strict=True)}
    by_path = {u.path: u for u in originals}
    n_matches: Counter[str] = Counter()
    lowest = dict.fromkeys(COPIES, 1.0)
    n_wrong, duplicates = Counter(), set()
    for pair in report.pairs:
        one, two = by_path[pair.train], source.get(pair.test) or by_path[pair.test]
        names = frozenset((one.path.stem, two.path.stem))
        if one is two:
            if pair.test in kind_of:
                kind = kind_of[pair.test]
                n_matches[kind] += 1
                lowest[kind] = min(lowest[kind], pair.similarity or 0.0)
        elif names in DUPLICATES:
            duplicates.add(names)
        else:
            copied = pair.test in kind_of
            if copied or str(pair.train) < str(pair.test):  # originals are compared both ways
                n_wrong[hard(one, two), copied] += 1
                print(f"wrong: {pair.train.name} = {pair.test.name}, {pair.similarity}")

    print(
        f"{len(chosen)} clips, {len(copies)} copies, {len(originals)} recordings of "
        f"{len({u.speaker for u in originals})} speakers; compared in {seconds:.0f} s; "
        f"{len(report.unreadable)} unreadable\n"
    )
    print(f"{'copy':<46}{'found':>6}{'of':>6}{'recall':>9}{'lowest correlation':>20}")
    for kind in COPIES:
        share = f"{100 * n_matches[kind] / len(chosen):.1f} %"
        low = f"{lowest[kind]:.3f}" if n_matches[kind] else "-"
        print(f"{kind:<46}{n_matches[kind]:>6}{len(chosen):>6}{share:>9}{low:>20}")
    present = {u.path.stem for u in originals}
    expected = {pair for pair in DUPLICATES if pair <= present}
    print(f"\nduplicates in the owners' files: {len(duplicates)} of {len(expected)} found\n")

    pairs: Counter[tuple[str, bool]] = Counter()
    for utterances in group(originals):
        for one, two in itertools.combinations(utterances, 2):
            pairs[hard(one, two), False] += 1
    pairs["different speakers", False] = len(originals) * (len(originals) - 1) // 2 - pairs.total()
    copied_pairs = len(copies) * (len(originals) - 1)
    print(f"{'different recordings':<54}{'pairs':>12}{'wrong':>7}")
    for (name, _), count in sorted(pairs.items()):
        print(f"{name:<54}{count:>12}{n_wrong[name, False]:>7}")
    n_wrong_copies = sum(count for (_, copied), count in n_wrong.items() if copied)
    print(f"{'copies with other recordings':<54}{copied_pairs:>12}{n_wrong_copies:>7}")


def group(utterances: list[Utterance]) -> list[list[Utterance]]:
    """Return the recordings of each speaker."""
    speakers = {u.speaker for u in utterances}
    return [[u for u in utterances if u.speaker == speaker] for speaker in sorted(speakers)]


if __name__ == "__main__":
    main()
