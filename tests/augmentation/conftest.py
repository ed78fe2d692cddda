"""Synthetic and real voices, and measures of them."""

from pathlib import Path

import numpy as np
import pytest

from emotionrecog import audio, features
from emotionrecog.augmentation import (
    AddNoise,
    BandLimit,
    Chain,
    Clip,
    Codec,
    Gain,
    PitchShift,
    RoomImpulse,
    Shift,
    TimeStretch,
    Transform,
)

RATE = 16_000

# Fast transforms, and codecs, which are slow and support only some sampling rates.
QUICK: tuple[Transform, ...] = (
    TimeStretch(rate=(0.5, 2.0)),
    TimeStretch(rate=1),
    PitchShift(semitones=(-12.0, 12.0)),
    AddNoise(snr_db=(-10.0, 60.0)),
    Gain(),
    Shift(seconds=(-1.0, 1.0)),
    Shift(seconds=(-1.0, 1.0), circular=True),
    RoomImpulse(),
    Clip(below_peak_db=(0.0, 40.0)),
    Clip(share=(0.0, 0.9)),
    BandLimit(lowest=(50.0, 500.0), highest=(1000.0, 20_000.0)),
    BandLimit.telephone(),
    Chain((Gain(), AddNoise(), Shift()), probability=(0.5, 1, 0.0)),
)
CODECS = (
    Codec(codec="mp3"),
    Codec(codec="mp3", bitrate=320),
    Codec(codec="opus"),
    Codec(codec="vorbis"),
    Codec(codec="mu-law"),
    Codec(codec="a-law"),
    Codec(codec="gsm"),
)


def rng(seed: int = 0) -> np.random.Generator:
    """Return a random generator."""
    return np.random.default_rng(seed)


def noise(n_samples: int, seed: int = 0) -> np.ndarray:
    """Return white noise."""
    return rng(seed).normal(0.0, 0.1, n_samples).astype(np.float32)


def vowel(f0: float, seconds: float = 1.5) -> np.ndarray:
    """Return harmonics up to 4 kHz under two formants, with breaths of silence around them."""
    t = np.arange(round(seconds * RATE)) / RATE
    numbers = np.arange(1, int(4000 / f0) + 1)[:, np.newaxis]
    weights = sum(1 / (1 + ((numbers * f0 - peak) / 120) ** 2) for peak in (600, 1500))
    voice = (weights * np.sin(2 * np.pi * numbers * f0 * t + numbers**2)).sum(axis=0)
    swell = np.clip(10 * np.sin(np.pi * t / seconds) - 2, 0.0, 1.0)
    return (0.2 * swell * voice / np.abs(voice).max()).astype(np.float32)


def pitch(samples: np.ndarray, rate: int = RATE) -> np.ndarray:
    """Return F0 of each frame in Hz, 0 where there is none."""
    return features.f0(y=samples, sr=rate, fmin=60, fmax=900, frame_length=1024, hop_length=160)[0]


def level_db(samples: np.ndarray) -> float:
    """Return the root mean square in dB."""
    return float(10 * np.log10(np.square(samples, dtype=np.float64).mean()))


def power(samples: np.ndarray, low: float, high: float, rate: int = RATE) -> float:
    """Return the mean power of the bins of a band of frequencies in Hz."""
    spectrum = np.abs(np.fft.rfft(samples.astype(np.float64))) ** 2
    frequencies = np.fft.rfftfreq(len(samples), 1 / rate)
    return float(spectrum[(frequencies >= low) & (frequencies < high)].mean())


def delay(before: np.ndarray, after: np.ndarray) -> int:
    """Return the delay of one recording after the other, in samples."""
    n_fft = 2 * len(before)
    spectrum = np.fft.rfft(after, n_fft) * np.fft.rfft(before, n_fft).conj()
    best = int(np.fft.irfft(spectrum, n_fft).argmax())
    return best if best < len(before) else best - n_fft


@pytest.fixture(scope="module")
def voices(corpora_root: Path) -> list[np.ndarray]:
    """Return clips of women and men of RAVDESS and SAVEE, angry, sad and neutral."""
    names = (
        "ravdess/Actor_02/03-01-05-02-01-01-02.flac",
        "ravdess/Actor_11/03-01-04-01-02-02-11.flac",
        "ravdess/Actor_20/03-01-06-02-02-01-20.flac",
        "savee/DC/n05.flac",
        "savee/JE/a03.flac",
        "savee/KL/sa07.flac",
    )
    return [audio.load(corpora_root / name, sampling_rate=RATE).samples for name in names]


def ratio_of_pitch(before: np.ndarray, after: np.ndarray, speed: float = 1.0) -> float:
    """Return the median ratio of F0 after and before, over frames that are both voiced."""
    f0_before, f0_after = pitch(before), pitch(after)
    places = np.round(np.arange(len(f0_after)) * speed).astype(int)
    f0_before = f0_before[np.minimum(places, len(f0_before) - 1)]
    is_voiced = (f0_after > 0) & (f0_before > 0)
    assert is_voiced.sum() > 20
    return float(np.median(f0_after[is_voiced] / f0_before[is_voiced]))


def voice_db(samples: np.ndarray) -> float:
    """Return the level above 60 Hz, below which telephones and Opus transmit nothing."""
    return level_db(BandLimit(lowest=60)(samples, RATE, rng()))


def jump(samples: np.ndarray) -> float:
    """Return the largest step between neighbouring samples."""
    return float(np.abs(np.diff(samples, prepend=0.0, append=0.0)).max())
