"""Speed, pitch, noise, level and position of synthetic and real voices."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotionrecog import audio
from emotionrecog.augmentation import (
    AddNoise,
    Gain,
    PitchShift,
    Shift,
    TimeStretch,
)
from emotionrecog.features.mel import voice_level
from tests.augmentation.conftest import (
    RATE,
    jump,
    level_db,
    noise,
    pitch,
    power,
    ratio_of_pitch,
    rng,
    vowel,
)
from tests.conftest import tone


@pytest.mark.parametrize("f0", [75.0, 120.0, 210.0, 400.0])
@pytest.mark.parametrize("rate", [0.5, 0.8, 1.25, 2.0])
def test_stretching_keeps_pitch_and_level(f0: float, rate: float) -> None:
    samples = vowel(f0)
    result = TimeStretch(rate=rate)(samples, RATE, rng())
    f0_after = pitch(result)
    voiced = f0_after > 0
    assert voiced.sum() > 0.7 * (pitch(samples) > 0).sum() / rate
    assert np.median(f0_after[voiced]) == pytest.approx(f0, rel=0.005)
    assert (np.abs(f0_after[voiced] / f0 - 1) < 0.03).mean() > 0.9
    assert level_db(result) == pytest.approx(level_db(samples), abs=0.3)
    # No clicks: no step is larger than those of the voice.
    assert np.abs(np.diff(result)).max() < 1.1 * np.abs(np.diff(samples)).max()


def test_stretching_moves_events_to_their_new_time() -> None:
    samples = np.concatenate([noise(8000) * 0.01, noise(800, 1), noise(15_200, 2) * 0.01])
    for rate in (0.7, 1.4):
        result = TimeStretch(rate=rate)(samples, RATE, rng())
        loud = np.flatnonzero(np.abs(result) > 0.05)
        assert loud[0] == pytest.approx(8000 / rate, abs=0.015 * RATE)
        assert loud[-1] == pytest.approx(8800 / rate, abs=0.015 * RATE)


@pytest.mark.parametrize("semitones", [-12, -4, -1, 1, 4, 12])
def test_pitch_shift_moves_pitch_and_keeps_level(semitones: int) -> None:
    samples = vowel(200)
    result = PitchShift(semitones=semitones)(samples, RATE, rng())
    f0_after = pitch(result)
    expected = 200 * 2 ** (semitones / 12)
    assert np.median(f0_after[f0_after > 0]) == pytest.approx(expected, rel=0.005)
    assert level_db(result) == pytest.approx(level_db(samples), abs=0.5)
    envelopes = [np.convolve(np.abs(y), np.ones(800) / 800, "same") for y in (samples, result)]
    assert np.corrcoef(*envelopes)[0, 1] > 0.99


@pytest.mark.parametrize("kind", ["white", "pink", "brown"])
@pytest.mark.parametrize("snr_db", [-5.0, 10.0, 30.0])
def test_noise_has_the_requested_ratio_to_the_voice(kind: str, snr_db: float) -> None:
    voice = vowel(120, 1.0)
    samples = np.concatenate([np.zeros(RATE, dtype=np.float32), voice, np.zeros(RATE, np.float32)])
    added = AddNoise(snr_db=snr_db, noises=(kind,))(samples, RATE, rng()) - samples
    # The pauses do not count as voice.
    steady = 20 * np.log10(voice_level(samples, RATE))
    assert steady == pytest.approx(level_db(voice[4800:-4800]), abs=1.0)
    assert steady - level_db(added) == pytest.approx(snr_db, abs=0.01)


@pytest.mark.parametrize(("kind", "slope"), [("white", 0.0), ("pink", -3.0), ("brown", -6.0)])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_spectrum_of_noise_has_the_slope_of_its_colour(kind: str, slope: float, rate: int) -> None:
    samples = tone(440, 8.0, rate)
    added = AddNoise(snr_db=0, noises=(kind,))(samples, rate, rng()) - samples
    octaves = np.arange(6)
    levels = [10 * np.log10(power(added, 50 * 2.0**i, 100 * 2.0**i, rate)) for i in octaves]
    assert np.polyfit(octaves, levels, 1)[0] == pytest.approx(slope, abs=0.3)


def test_recorded_noise_is_cut_or_repeated(tmp_path: Path) -> None:
    short = tone(1000, 0.25)
    soundfile.write(tmp_path / "hum.wav", short, RATE, subtype="FLOAT")
    samples = vowel(120)
    for recording in (tmp_path / "hum.wav", audio.Waveform(short, RATE)):
        transform = AddNoise(snr_db=10, noises=(recording,))
        added = transform(samples, RATE, rng()) - samples
        assert np.abs(np.fft.rfft(added)).argmax() == pytest.approx(1000 * 1.5, abs=1)
        expected = 20 * np.log10(voice_level(samples, RATE)) - 10
        assert level_db(added) == pytest.approx(expected, abs=0.01)
        assert not np.array_equal(transform(samples, RATE, rng(5)) - samples, added)
    elsewhere = audio.Waveform(tone(1000, 3.0, 48_000), 48_000)
    added = AddNoise(snr_db=10, noises=(elsewhere,))(samples, RATE, rng()) - samples
    assert np.abs(np.fft.rfft(added)).argmax() == pytest.approx(1000 * 1.5, abs=1)


def test_noises_are_drawn_equally_often() -> None:
    samples = vowel(120, 0.5)
    noises = (audio.Waveform(tone(1000, 1.0), RATE), audio.Waveform(tone(3000, 1.0), RATE))
    transform = AddNoise(snr_db=10, noises=noises)
    tops = [
        np.abs(np.fft.rfft(transform(samples, RATE, rng(seed)) - samples)).argmax() * 2
        for seed in range(40)
    ]
    assert 10 <= sum(top > 2000 for top in tops) <= 30


def test_gain_is_exact_and_does_not_clip() -> None:
    samples = noise(1000)
    np.testing.assert_allclose(Gain(gain_db=40)(samples, RATE, rng()), 100 * samples, rtol=1e-6)


@pytest.mark.parametrize("by", [-2000, -100, 0, 1, 100, 2000])
def test_shift(by: int) -> None:
    samples = noise(1000)
    moved = Shift(seconds=by / RATE)(samples, RATE, rng())
    expected = np.zeros(1000, dtype=np.float32)
    if 0 <= by < 1000:
        expected[by:] = samples[: 1000 - by]
    elif -1000 < by < 0:
        expected[:by] = samples[-by:]
    np.testing.assert_array_equal(moved, expected)
    around = Shift(seconds=by / RATE, circular=True)(samples, RATE, rng())
    np.testing.assert_array_equal(around, np.roll(samples, by))


@pytest.mark.corpora
@pytest.mark.parametrize("rate", [0.8, 1.1, 1.25])
def test_real_voices_stretched(voices: list[np.ndarray], rate: float) -> None:
    for samples in voices:
        result = TimeStretch(rate=rate)(samples, RATE, rng())
        assert len(result) == round(len(samples) / rate)
        assert ratio_of_pitch(samples, result, rate) == pytest.approx(1.0, abs=0.01)
        assert level_db(result) == pytest.approx(level_db(samples), abs=0.5)
        assert jump(result) < 1.1 * jump(samples)


@pytest.mark.corpora
@pytest.mark.parametrize("semitones", [-4, -1, 2, 4])
def test_real_voices_shifted_in_pitch(voices: list[np.ndarray], semitones: int) -> None:
    for samples in voices:
        result = PitchShift(semitones=semitones)(samples, RATE, rng())
        ratio = ratio_of_pitch(samples, result)
        assert ratio == pytest.approx(2 ** (semitones / 12), rel=0.015)
        assert level_db(result) == pytest.approx(level_db(samples), abs=0.7)
        assert jump(result) < 1.5 * jump(samples)  # higher is steeper


@pytest.mark.corpora
@pytest.mark.parametrize("kind", ["white", "pink", "brown"])
def test_real_voices_in_noise(voices: list[np.ndarray], kind: str) -> None:
    for samples in voices:
        noisy = AddNoise(snr_db=20, noises=(kind,))(samples, RATE, rng())
        measured = 20 * np.log10(voice_level(samples, RATE)) - level_db(noisy - samples)
        assert measured == pytest.approx(20.0, abs=0.01)
        assert ratio_of_pitch(samples, noisy) == pytest.approx(1.0, abs=0.005)
