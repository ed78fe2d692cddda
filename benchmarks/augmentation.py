"""Measure how the transforms of waveforms change pitch, level and spectra of real recordings.

    python benchmarks/augmentation.py --corpora corpora                # 12 clips of each corpus
    python benchmarks/augmentation.py --corpora corpora --clips 4      # faster

The clips are a seeded random choice from RAVDESS, CREMA-D, SAVEE and TESS. For each transform, with
fixed parameters, the columns are:

- F0: ratio of F0 after and before, over frames that are both voiced: the median of each clip, of
  these the median and the value furthest from it;
- level: change of the root mean square, in dB: lowest and highest;
- distance: root mean square difference of the log-mel spectra of loud frames, in dB, without level
  and time scale: the mean over clips. Codecs and noise change spectra on purpose;
- delay: delay at the highest correlation with the original, in ms: the value furthest from 0;
- jump: largest step between samples, relative to the largest of the original: the highest. A click
  would exceed the value of `Gain` by far;
- cost: ms for each s of sound, on one core.

The last rows are librosa's phase vocoder, for comparison with `TimeStretch`.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotionrecog import audio, datasets, features
from emotionrecog.augmentation import (
    AddNoise,
    BandLimit,
    Clip,
    Codec,
    Gain,
    PitchShift,
    RoomImpulse,
    Shift,
    TimeStretch,
)
from emotionrecog.features.mel import voice_level

Samples = NDArray[np.float32]
Transform = Callable[[Samples, int, np.random.Generator], Samples]

RATE = 16_000
HOP = 160
SILENT = "1076_MTI_SAD_XX"  # of CREMA-D


def vocoder(rate: float, n_fft: int) -> Transform:
    """Return librosa's time stretching."""

    def stretch(y: Samples, sampling_rate: int, rng: np.random.Generator) -> Samples:
        import librosa

        stretched: Samples = librosa.effects.time_stretch(y, rate=rate, n_fft=n_fft)
        return stretched

    return stretch


# Speed and transform by name.
TRANSFORMS: dict[str, tuple[float, Transform]] = {
    "Gain, -6 dB": (1.0, Gain(gain_db=-6)),
    "TimeStretch, 0.8": (0.8, TimeStretch(rate=0.8)),
    "TimeStretch, 0.9": (0.9, TimeStretch(rate=0.9)),
    "TimeStretch, 1.1": (1.1, TimeStretch(rate=1.1)),
    "TimeStretch, 1.25": (1.25, TimeStretch(rate=1.25)),
    "PitchShift, -4": (1.0, PitchShift(semitones=-4)),
    "PitchShift, -2": (1.0, PitchShift(semitones=-2)),
    "PitchShift, 2": (1.0, PitchShift(semitones=2)),
    "PitchShift, 4": (1.0, PitchShift(semitones=4)),
    "AddNoise, white, 20 dB": (1.0, AddNoise(snr_db=20, noises=("white",))),
    "AddNoise, pink, 20 dB": (1.0, AddNoise(snr_db=20, noises=("pink",))),
    "AddNoise, brown, 20 dB": (1.0, AddNoise(snr_db=20, noises=("brown",))),
    "Shift, 0.1 s": (1.0, Shift(seconds=0.1)),
    "Shift, 0.1 s, circular": (1.0, Shift(seconds=0.1, circular=True)),
    "RoomImpulse, 0.4 s, 6 dB": (1.0, RoomImpulse(rt60=0.4, direct_to_reverberant_db=6)),
    "Clip, 12 dB below the peak": (1.0, Clip(below_peak_db=12)),
    "Clip, 5 % of the samples": (1.0, Clip(share=0.05)),
    "BandLimit, telephone": (1.0, BandLimit.telephone()),
    "Codec, MP3, 16 kbit/s": (1.0, Codec(codec="mp3", bitrate=16)),
    "Codec, MP3, 64 kbit/s": (1.0, Codec(codec="mp3", bitrate=64)),
    "Codec, Opus, 16 kbit/s": (1.0, Codec(codec="opus", bitrate=16)),
    "Codec, Vorbis, compression 0.6": (1.0, Codec(codec="vorbis", compression=0.6)),
    "Codec, mu-law": (1.0, Codec(codec="mu-law")),
    "Codec, A-law": (1.0, Codec(codec="a-law")),
    "Codec, GSM": (1.0, Codec(codec="gsm")),
    "phase vocoder, 0.8, n_fft 512": (0.8, vocoder(0.8, 512)),
    "phase vocoder, 0.8, n_fft 2048": (0.8, vocoder(0.8, 2048)),
    "phase vocoder, 1.25, n_fft 512": (1.25, vocoder(1.25, 512)),
    "phase vocoder, 1.25, n_fft 2048": (1.25, vocoder(1.25, 2048)),
}


def ratio_of_f0(before: Samples, after: Samples, speed: float) -> float:
    """Return the median ratio of F0 after and before, over frames that are both voiced."""
    f0_before, f0_after = (
        features.f0(y=y, sr=RATE, fmin=60, fmax=600, frame_length=1024, hop_length=HOP)[0]
        for y in (before, after)
    )
    places = np.round(np.arange(len(f0_after)) * speed).astype(int)
    f0_before = f0_before[np.minimum(places, len(f0_before) - 1)]
    is_voiced = (f0_after > 0) & (f0_before > 0)
    if not is_voiced.any():
        return float("nan")
    return float(np.median(f0_after[is_voiced] / f0_before[is_voiced]))


def distance(before: Samples, after: Samples, speed: float) -> float:
    """Return the difference of the log-mel spectra without their levels, in dB."""
    spectra = []
    for y in (before, after):
        power = features.melspectrogram(
            y=y / voice_level(y, RATE), sr=RATE, n_fft=512, hop_length=HOP, n_mels=64
        ).T
        spectra.append(np.log(power + 1e-4 * power.max()))
    one, two = spectra
    places = np.arange(len(two)) * speed
    lower = np.minimum(places.astype(int), len(one) - 1)
    upper = np.minimum(lower + 1, len(one) - 1)
    share = (places - lower)[:, np.newaxis]
    expected = one[lower] * (1 - share) + one[upper] * share
    energy = np.exp(expected).sum(axis=1)
    loud = energy > energy.max() / 100
    return float(10 / np.log(10) * np.sqrt(np.square(two - expected)[loud].mean()))


def delay(before: Samples, after: Samples) -> float:
    """Return the delay at the highest correlation, in ms."""
    n_fft = 1 << (len(before) + len(after)).bit_length()
    spectrum = np.fft.rfft(after, n_fft) * np.fft.rfft(before, n_fft).conj()
    best = int(np.abs(np.fft.irfft(spectrum, n_fft)).argmax())
    return 1000 * (best if best < n_fft // 2 else best - n_fft) / RATE


def clips(root: Path, n_clips: int) -> list[Samples]:
    """Return random clips of each corpus."""
    rng = np.random.default_rng(0)
    chosen: list[Samples] = []
    utterances = datasets.read(root)
    for name in ("ravdess", "crema_d", "savee", "tess"):
        audible = [u for u in utterances if u.corpus == name and u.recording != SILENT]
        places = rng.choice(len(audible), n_clips, replace=False)
        chosen += [audio.load(audible[i].path, sampling_rate=RATE).samples for i in places]
    return chosen


def main() -> None:
    """Print a table of the measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=12, help="number of clips of each corpus")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    originals = clips(options.corpora, options.clips)
    seconds = sum(map(len, originals)) / RATE
    print(f"{len(originals)} clips, {seconds:.0f} s")
    print(f"{'':<32}{'F0':>16}{'level':>16}{'distance':>10}{'delay':>8}{'jump':>7}{'cost':>7}")
    for name, (speed, transform) in TRANSFORMS.items():
        transform(originals[0], RATE, np.random.default_rng(0))
        began = time.perf_counter()
        results = [transform(y, RATE, np.random.default_rng(i)) for i, y in enumerate(originals)]
        cost = 1000 * (time.perf_counter() - began) / seconds
        pitched, moved = isinstance(transform, PitchShift), isinstance(transform, Shift)
        ratios: list[float] = []
        distances: list[float] = []
        delays: list[float] = []
        levels, jumps = [], []
        for y, result in zip(originals, results, strict=True):
            assert len(result) == round(len(y) / speed), (name, len(y), len(result))
            assert result.dtype == np.float32
            assert np.isfinite(result).all()
            levels.append(20 * np.log10(result.std() / y.std()))
            jumps.append(np.abs(np.diff(result)).max() / np.abs(np.diff(y)).max())
            if not moved:
                ratios.append(ratio_of_f0(y, result, speed))
            if not moved and not pitched:
                distances.append(distance(y, result, speed))
            if speed == 1 and not pitched:
                delays.append(delay(y, result))
        cells = [
            f"{'–':>8}{'–':>7}",
            f"{min(levels):>9.2f}{max(levels):>7.2f}",
            f"{'–':>10}",
            f"{'–':>8}",
        ]
        if ratios:
            middle = float(np.nanmedian(ratios))
            cells[0] = f"{middle:>8.4f}{furthest(ratios, middle):>7.3f}"
        if distances:
            cells[2] = f"{np.mean(distances):>10.2f}"
        if delays:
            cells[3] = f"{furthest(delays, 0.0):>8.2f}"
        print(f"{name:<32}{''.join(cells)}{max(jumps):>7.2f}{cost:>7.2f}", flush=True)


def furthest(values: list[float], middle: float) -> float:
    """Return the value furthest from another, NaN excluded."""
    return max((v for v in values if v == v), key=lambda value: abs(value - middle))


if __name__ == "__main__":
    main()
