"""Compare the speed of feature extraction with librosa, openSMILE and Kaldi, and print a table.

    pip install opensmile kaldi-native-fbank             # each is optional
    python benchmarks/features.py --folder corpora/crema_d
    python benchmarks/features.py --folder corpora/crema_d --whole    # all of it, and the cache

The benchmark uses one core. All extractors process the same recordings in turn, so that other load
on the machine does not change their ratios. The seed set is RMS, zero-crossing rate, band energy
ratio, spectral centroid and bandwidth, 40 MFCCs and 128 mel bands, with librosa's frames of 2048
samples every 512.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from emotionrecog import audio, datasets
from emotionrecog.features import PRESETS, Extractor, FeatureSpec, frames
from emotionrecog.features.extraction import extract_corpus

N_CLIPS = 60
SAMPLING_RATE = 16_000  # of the recordings, so that resampling is not measured

SEED_SET = (
    "rms",
    "zero_crossing_rate",
    "band_energy_ratio",
    "spectral_centroid",
    "spectral_bandwidth",
    "mfcc",
    "mel",
)
SPEC = dataclasses.replace(
    PRESETS["descriptors"],
    features=SEED_SET,
    sampling_rate=SAMPLING_RATE,
    fmax=SAMPLING_RATE / 2,
    n_mfcc=40,
)

Extract = Callable[[np.ndarray], Any]


def with_librosa() -> dict[str, Extract]:
    """Return the same features as separate calls of librosa, the usual way."""
    import librosa

    of = librosa.feature
    rate = {"sr": SAMPLING_RATE}

    def band_energy_ratio(y: np.ndarray) -> np.ndarray:
        power = np.abs(librosa.stft(y)) ** 2
        split = np.searchsorted(librosa.fft_frequencies(**rate), 2_000.0)
        return power[:split].sum(axis=0) / np.maximum(power[split:].sum(axis=0), 1e-10)

    def seed_set(y: np.ndarray) -> list[np.ndarray]:
        return [
            of.rms(y=y),
            of.zero_crossing_rate(y),
            band_energy_ratio(y),
            of.spectral_centroid(y=y, **rate),
            of.spectral_bandwidth(y=y, **rate),
            of.mfcc(y=y, n_mfcc=40, **rate),
            of.melspectrogram(y=y, **rate),
        ]

    return {
        "seed set": seed_set,
        "mel": lambda y: of.melspectrogram(y=y, **rate),
        "mfcc": lambda y: of.mfcc(y=y, n_mfcc=40, **rate),
    }


def with_opensmile() -> dict[str, Extract]:
    """Return openSMILE's eGeMAPSv02 functionals: other numbers for the same purpose."""
    import opensmile

    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
    )
    return {"seed set": lambda y: smile.process_signal(y, SAMPLING_RATE)}


def with_kaldi() -> dict[str, Extract]:
    """Return Kaldi's mel bands and MFCCs with the same sizes (2048, 512, 128, 40)."""
    import kaldi_native_fbank as kaldi

    def options(kind: Any) -> Any:
        chosen = kind()
        chosen.frame_opts.samp_freq = SAMPLING_RATE
        chosen.frame_opts.frame_length_ms = 1000 * SPEC.n_fft / SAMPLING_RATE
        chosen.frame_opts.frame_shift_ms = 1000 * SPEC.hop_length / SAMPLING_RATE
        chosen.frame_opts.dither = 0.0
        chosen.mel_opts.num_bins = SPEC.n_mels
        return chosen

    of_mel, of_mfcc = options(kaldi.FbankOptions), options(kaldi.MfccOptions)
    of_mfcc.num_ceps = SPEC.n_mfcc

    def run(online: Any, y: np.ndarray) -> list[np.ndarray]:
        online.accept_waveform(SAMPLING_RATE, y)
        online.input_finished()
        return [online.get_frame(i) for i in range(online.num_frames_ready)]

    return {
        "mel": lambda y: run(kaldi.OnlineFbank(of_mel), y),
        "mfcc": lambda y: run(kaldi.OnlineMfcc(of_mfcc), y),
    }


def of_this(spec: FeatureSpec = SPEC) -> dict[str, Extract]:
    """Return this library's extractors."""
    return {
        "seed set": Extractor(spec),
        "mel": Extractor(dataclasses.replace(spec, features=("mel",))),
        "mfcc": Extractor(dataclasses.replace(spec, features=("mfcc",))),
        "FFT alone": lambda y: frames.stft(y, spec.n_fft, spec.hop_length, spec.n_fft, True),
    }


def ms_per_clip(extract: Extract, clips: list[np.ndarray]) -> float:
    """Return the mean time of a recording in ms."""
    start = time.perf_counter()
    for clip in clips:
        extract(clip)
    return 1000 * (time.perf_counter() - start) / len(clips)


def compare(clips: list[np.ndarray], n_runs: int) -> None:
    """Time all extractors in turn, `n_runs` times; print medians, and ratios run by run."""
    rows: dict[tuple[str, str], Extract] = {("this", k): f for k, f in of_this().items()}
    for name, load in (
        *(("librosa", with_librosa), ("openSMILE", with_opensmile)),
        ("Kaldi", with_kaldi),
    ):
        try:
            rows |= {(name, what): extract for what, extract in load().items()}
        except ImportError as error:
            print(f"{name}: left out, {error}")
    for extract in rows.values():
        ms_per_clip(extract, clips[:3])  # what is compiled or built at the first call
    runs = [{key: ms_per_clip(f, clips) for key, f in rows.items()} for _ in range(n_runs)]
    print(f"{'library':<10} {'what':<10} {'ms a clip':>10}   (lowest to highest)   times as long")
    for key in rows:
        own = ("this", key[1])
        times = [run[key] for run in runs]
        ratios = [run[key] / run[own] for run in runs]
        print(
            f"{key[0]:<10} {key[1]:<10} {statistics.median(times):>10.3f}   "
            f"({min(times):.3f} to {max(times):.3f})"
            + ("" if key == own else f"   {statistics.median(ratios):18.1f}")
        )


def shares(clips: list[np.ndarray], n_runs: int) -> None:
    """Show where the time of the seed set goes: each part's own, what it builds on being there."""
    from emotionrecog.features.extractor import _MEASURES, _Clip, _mel_weights

    bands = frames.Bands(_mel_weights(SPEC))
    parts: dict[str, Callable[[_Clip], Any]] = {
        "padding": lambda clip: clip.padded,
        "frames, window, FFT, power": lambda clip: clip.power,
        "magnitude": lambda clip: clip.magnitude,
        "mel bands": lambda clip: clip.mel,
        "decibels": lambda clip: clip.mel_db,
        **{name: _MEASURES[name] for name in SEED_SET if name not in ("mel",)},
    }
    spent = {name: [] for name in parts}
    for _ in range(n_runs):
        run = dict.fromkeys(parts, 0.0)
        for samples in clips:
            clip = _Clip(samples, SPEC, bands)
            for name, measure in parts.items():
                start = time.perf_counter()
                measure(clip)
                run[name] += time.perf_counter() - start
        for name, seconds in run.items():
            spent[name].append(1000 * seconds / len(clips))
    medians = {name: statistics.median(times) for name, times in spent.items()}
    total = sum(medians.values())
    for name, value in medians.items():
        print(f"{name:<28} {value:6.3f} ms  {100 * value / total:4.0f} %")


def whole(folder: Path, n_jobs: int) -> None:
    """Decode and extract all recordings, then again from the cache."""
    utterances = datasets.CORPORA[folder.name].utterances(folder)
    with tempfile.TemporaryDirectory() as cache:
        for what, options in (
            ("without a cache", {}),
            ("filling the cache", {"cache": cache}),
            ("from the cache", {"cache": cache}),
        ):
            wall, cpu = time.perf_counter(), os.times()
            found = extract_corpus(utterances, SPEC, n_jobs=n_jobs, **options)
            wall, after = time.perf_counter() - wall, os.times()
            n_frames = sum(len(array) for array in found.arrays)  # opens all of them
            spent = sum(after[:4]) - sum(cpu[:4])
            print(
                f"{what:<18} {wall:6.1f} s, {spent:.1f} s of processor time; "
                f"{len(found.utterances)} recordings, {n_frames} frames, {len(found.failed)} failed"
            )


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="of a corpus, such as crema_d")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--whole", action="store_true", help="extract all of the folder")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.whole:
        whole(arguments.folder, arguments.jobs)
        return
    paths = sorted(audio.find(arguments.folder))
    step = max(1, len(paths) // N_CLIPS)
    clips = [audio.load(p, sampling_rate=SAMPLING_RATE).samples for p in paths[::step][:N_CLIPS]]
    seconds = sum(map(len, clips)) / SAMPLING_RATE / len(clips)
    print(f"{len(clips)} recordings of {seconds:.1f} s on average, one core\n")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with threadpool_limits(1):
        compare(clips, arguments.runs)
        print("\nwhere the time of the seed set goes")
        shares(clips, arguments.runs)


if __name__ == "__main__":
    main()
