"""Transforms of waveforms: lengths, pitch, levels and spectra, on made-up and on real voices."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

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
from emotionrecog.errors import AudioError, EmotionRecogError
from emotionrecog.features.mel import voice_level
from tests.conftest import tone

RATE = 16_000

# Quick ones, and codecs, which are slow and have rates of their own.
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
    return np.random.default_rng(seed)


def noise(n_samples: int, seed: int = 0) -> np.ndarray:
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
    return float(10 * np.log10(np.square(samples, dtype=np.float64).mean()))


def power(samples: np.ndarray, low: float, high: float, rate: int = RATE) -> float:
    """Return the mean power of the bins of a band of frequencies in Hz."""
    spectrum = np.abs(np.fft.rfft(samples.astype(np.float64))) ** 2
    frequencies = np.fft.rfftfreq(len(samples), 1 / rate)
    return float(spectrum[(frequencies >= low) & (frequencies < high)].mean())


def delay(before: np.ndarray, after: np.ndarray) -> int:
    """Return by how many samples the one follows the other."""
    n_fft = 2 * len(before)
    spectrum = np.fft.rfft(after, n_fft) * np.fft.rfft(before, n_fft).conj()
    best = int(np.fft.irfft(spectrum, n_fft).argmax())
    return best if best < len(before) else best - n_fft


# What all of them keep to ------------------------------------------------------------------------


def check(transform: Transform, samples: np.ndarray, rate: int, seed: int) -> np.ndarray:
    kept = samples.copy()
    samples.flags.writeable = False
    result = transform(samples, rate, rng(seed))
    assert result.dtype == np.float32
    assert result.ndim == 1
    assert np.isfinite(result).all()
    assert not np.shares_memory(result, samples)
    np.testing.assert_array_equal(samples, kept)
    np.testing.assert_array_equal(result, transform(samples, rate, rng(seed)))
    if not isinstance(transform, TimeStretch):
        assert len(result) == len(samples)
    return result


@settings(max_examples=120, deadline=None)
@given(
    transform=st.sampled_from(QUICK),
    n_samples=st.integers(1, 4000),
    rate=st.sampled_from([8000, 11_025, 16_000, 22_050, 44_100, 48_000]),
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_any_length_and_rate(
    transform: Transform, n_samples: int, rate: int, seed: int, dtype: type
) -> None:
    check(transform, noise(n_samples, seed).astype(dtype), rate, seed)


@settings(max_examples=30, deadline=None)
@given(
    transform=st.sampled_from(CODECS),
    n_samples=st.integers(1, 3000),
    rate=st.sampled_from([6000, 8000, 16_000, 22_050, 44_100, 96_000]),
    seed=st.integers(0, 2**32 - 1),
)
def test_codecs_of_any_length_and_rate(
    transform: Transform, n_samples: int, rate: int, seed: int
) -> None:
    check(transform, noise(n_samples, seed), rate, seed)


@settings(max_examples=60, deadline=None)
@given(n_samples=st.integers(1, 5000), rate=st.floats(0.5, 2.0), seed=st.integers(0, 99))
def test_stretched_length(n_samples: int, rate: float, seed: int) -> None:
    result = TimeStretch(rate=rate)(noise(n_samples, seed), RATE, rng())
    assert len(result) == max(1, round(n_samples / rate))


@pytest.mark.parametrize("transform", [*QUICK, *CODECS], ids=str)
@pytest.mark.parametrize("value", [0.0, 0.5])
def test_silence_and_constant(transform: Transform, value: float) -> None:
    result = check(transform, np.full(3000, value, dtype=np.float32), RATE, 1)
    if value == 0:
        assert np.abs(result).max() < 1e-3


@pytest.mark.parametrize("transform", [*QUICK, *CODECS], ids=str)
def test_other_seeds_give_other_results_only_where_something_is_drawn(transform: Transform) -> None:
    samples = vowel(150, 0.5)
    one, two = (transform(samples, RATE, rng(seed)) for seed in (1, 2))
    fixed = (TimeStretch(rate=1), BandLimit.telephone(), Codec(codec="mp3", bitrate=320))
    drawn = transform not in fixed and not (
        isinstance(transform, Codec) and transform.codec in ("mu-law", "a-law", "gsm")
    )
    assert np.array_equal(one, two) != drawn


@pytest.mark.parametrize("transform", [*QUICK, CODECS[0]], ids=str)
@pytest.mark.parametrize(
    ("samples", "found"),
    [
        (np.zeros((2, 100), dtype=np.float32), "shape \\(2, 100\\)"),
        (np.zeros(0, dtype=np.float32), "shape \\(0,\\)"),
        (np.zeros(100, dtype=np.int16), "int16"),
        (np.full(100, np.nan, dtype=np.float32), "NaN"),
        (np.full(100, np.inf, dtype=np.float32), "infinite"),
    ],
)
def test_what_is_no_signal(transform: Transform, samples: np.ndarray, found: str) -> None:
    with pytest.raises(AudioError, match=found):
        transform(samples, RATE, rng())


@pytest.mark.parametrize("rate", [0, -16_000, 16_000.0, True, "16000"])
def test_what_is_no_sampling_rate(rate: Any) -> None:
    with pytest.raises(ValueError, match="`sampling_rate` must be"):
        Gain()(noise(10), rate, rng())


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: TimeStretch(rate=0), "rate"),
        (lambda: TimeStretch(rate=(1.1, 0.9)), "rate"),
        (lambda: TimeStretch(rate=float("nan")), "rate"),
        (lambda: TimeStretch(rate=(0.9, 1.0, 1.1)), "rate"),  # type: ignore[arg-type]
        (lambda: TimeStretch(rate="fast"), "rate"),  # type: ignore[arg-type]
        (lambda: PitchShift(semitones=13), "semitones"),
        (lambda: AddNoise(snr_db=True), "snr_db"),
        (lambda: AddNoise(noises=()), "noises"),
        (lambda: AddNoise(noises=("blue",)), "noises"),
        (lambda: AddNoise(noises="white"), "noises"),  # type: ignore[arg-type]
        (lambda: Gain(gain_db=(0.0, float("inf"))), "gain_db"),
        (lambda: Shift(seconds=None), "seconds"),  # type: ignore[arg-type]
        (lambda: RoomImpulse(rt60=0), "rt60"),
        (lambda: RoomImpulse(direct_to_reverberant_db=99), "direct_to_reverberant_db"),
        (lambda: RoomImpulse(impulses=("hall.wav",)), "impulses"),  # type: ignore[arg-type]
        (lambda: Clip(), "below_peak_db"),
        (lambda: Clip(below_peak_db=3, share=0.1), "share"),
        (lambda: Clip(below_peak_db=-3), "below_peak_db"),
        (lambda: Clip(share=1), "share"),
        (lambda: BandLimit(), "lowest"),
        (lambda: BandLimit(lowest=0), "lowest"),
        (lambda: BandLimit(highest=-1), "highest"),
        (lambda: BandLimit(lowest=(100, 900), highest=(800, 4000)), "lowest"),
        (lambda: Codec(codec="aac"), "codec"),  # type: ignore[arg-type]
        (lambda: Codec(codec="mp3", bitrate=8), "bitrate"),
        (lambda: Codec(codec="gsm", bitrate=13), "bitrate"),
        (lambda: Codec(codec="opus", compression=0.5), "compression"),
        (lambda: Codec(codec="vorbis", compression=2), "compression"),
        (lambda: Chain(()), "transforms"),
        (lambda: Chain((Gain,)), "transforms"),  # the class itself
        (lambda: Chain((3,)), "transforms"),  # type: ignore[arg-type]
        (lambda: Chain((Gain(),), probability=1.5), "probability"),
        (lambda: Chain((Gain(),), probability=(0.5, 0.5)), "probability"),
    ],
)
def test_bad_parameter_is_named(make: Callable[[], object], name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}`"):
        make()


def test_draws_are_even_between_the_ends() -> None:
    one = np.ones(1, dtype=np.float32)
    generator = rng()
    drawn = [20 * np.log10(Gain(gain_db=(-10, 6))(one, RATE, generator)[0]) for _ in range(2000)]
    assert -10 <= min(drawn) < -9.9
    assert 5.9 < max(drawn) <= 6.0001
    assert np.mean(drawn) == pytest.approx(-2.0, abs=0.4)


# Time and pitch ----------------------------------------------------------------------------------


@pytest.mark.parametrize("f0", [75.0, 120.0, 210.0, 400.0])
@pytest.mark.parametrize("rate", [0.5, 0.8, 1.25, 2.0])
def test_stretching_keeps_pitch_and_level(f0: float, rate: float) -> None:
    samples = vowel(f0)
    result = TimeStretch(rate=rate)(samples, RATE, rng())
    found = pitch(result)
    voiced = found > 0
    assert voiced.sum() > 0.7 * (pitch(samples) > 0).sum() / rate
    assert np.median(found[voiced]) == pytest.approx(f0, rel=0.005)
    assert (np.abs(found[voiced] / f0 - 1) < 0.03).mean() > 0.9
    assert level_db(result) == pytest.approx(level_db(samples), abs=0.3)
    # No clicks: nowhere does it jump further than the voice itself.
    assert np.abs(np.diff(result)).max() < 1.1 * np.abs(np.diff(samples)).max()


def test_stretching_moves_what_happens_to_its_new_time() -> None:
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
    found = pitch(result)
    expected = 200 * 2 ** (semitones / 12)
    assert np.median(found[found > 0]) == pytest.approx(expected, rel=0.005)
    assert level_db(result) == pytest.approx(level_db(samples), abs=0.5)
    envelopes = [np.convolve(np.abs(y), np.ones(800) / 800, "same") for y in (samples, result)]
    assert np.corrcoef(*envelopes)[0, 1] > 0.99


# Noise and level ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["white", "pink", "brown"])
@pytest.mark.parametrize("snr_db", [-5.0, 10.0, 30.0])
def test_noise_lies_as_far_below_the_voice_as_asked(kind: str, snr_db: float) -> None:
    voice = vowel(120, 1.0)
    samples = np.concatenate([np.zeros(RATE, dtype=np.float32), voice, np.zeros(RATE, np.float32)])
    added = AddNoise(snr_db=snr_db, noises=(kind,))(samples, RATE, rng()) - samples
    # The pauses do not count as voice.
    steady = 20 * np.log10(voice_level(samples, RATE))
    assert steady == pytest.approx(level_db(voice[4800:-4800]), abs=1.0)
    assert steady - level_db(added) == pytest.approx(snr_db, abs=0.01)


@pytest.mark.parametrize(("kind", "slope"), [("white", 0.0), ("pink", -3.0), ("brown", -6.0)])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_colour_of_noise(kind: str, slope: float, rate: int) -> None:
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


def test_each_noise_has_its_turn() -> None:
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


# Rooms, microphones, lines -----------------------------------------------------------------------


@pytest.mark.parametrize("rt60", [0.2, 0.5, 1.2])
@pytest.mark.parametrize("ratio_db", [-6.0, 0.0, 12.0])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_room_decays_as_asked(rt60: float, ratio_db: float, rate: int) -> None:
    click = np.zeros(2 * rate, dtype=np.float32)
    click[0] = 1.0
    room = RoomImpulse(rt60=rt60, direct_to_reverberant_db=ratio_db)
    response = room(click, rate, rng()).astype(np.float64)
    assert response[0] == pytest.approx(1.0, abs=1e-5)
    assert np.abs(response[1 : int(0.002 * rate)]).max() < 1e-5
    tail = response[1:] ** 2
    assert 10 * np.log10(1.0 / tail.sum()) == pytest.approx(ratio_db, abs=0.01)
    # Schroeder's backward integral, between -5 and -35 dB.
    decay = 10 * np.log10(np.cumsum(tail[::-1])[::-1] / tail.sum() + 1e-30)
    t = np.flatnonzero((decay < -5) & (decay > -35))
    assert -60 / np.polyfit(t / rate, decay[t], 1)[0] == pytest.approx(rt60, rel=0.12)


def test_given_impulse_response_keeps_the_place_of_the_direct_sound(tmp_path: Path) -> None:
    response = np.zeros(4000, dtype=np.float32)
    response[700], response[1700] = -0.5, 0.2
    soundfile.write(tmp_path / "hall.wav", response, RATE, subtype="FLOAT")
    samples = noise(5000)
    expected = samples.copy()
    expected[1000:] -= 0.4 * samples[:-1000]
    for impulse in (tmp_path / "hall.wav", audio.Waveform(response, RATE)):
        heard = RoomImpulse(impulses=(impulse,))(samples, RATE, rng())
        np.testing.assert_allclose(heard, expected, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(share=st.floats(0.0, 0.9), seed=st.integers(0, 99))
def test_clipped_share(share: float, seed: int) -> None:
    samples = noise(5000, seed)
    result = Clip(share=share)(samples, RATE, rng())
    changed = result != samples
    assert changed.mean() == pytest.approx(share, abs=1e-3)
    assert (np.abs(result[changed]) == np.abs(result).max()).all()
    np.testing.assert_array_equal(np.sign(result), np.sign(samples))


def test_clipping_below_the_peak() -> None:
    samples = noise(5000)
    result = Clip(below_peak_db=20)(samples, RATE, rng())
    assert np.abs(result).max() == pytest.approx(np.abs(samples).max() / 10, rel=1e-6)
    np.testing.assert_array_equal(Clip(below_peak_db=0)(samples, RATE, rng()), samples)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_band_limits(rate: int) -> None:
    click = np.zeros(rate, dtype=np.float32)
    click[rate // 2] = 1.0
    for transform, edge, octave_off, inside in (
        (BandLimit(highest=2000), 2000, 4000, 1000),
        (BandLimit(lowest=500), 500, 250, 1000),
        (BandLimit.telephone(), 3400, 6800, 1000),
        (BandLimit.telephone(), 300, 150, 1000),
    ):
        result = transform(click, rate, rng())
        response_db = 20 * np.log10(np.abs(np.fft.rfft(result)))  # one bin for each Hz
        assert response_db[edge] == pytest.approx(-3.01, abs=0.05)
        assert response_db[octave_off] == pytest.approx(-48.2, abs=0.3)
        assert response_db[inside] == pytest.approx(0.0, abs=0.05)
        assert np.abs(result).argmax() == rate // 2


def test_band_beyond_half_the_sampling_rate() -> None:
    samples = noise(2000)
    same = BandLimit(highest=8000)(samples, RATE, rng())
    np.testing.assert_allclose(same, samples, atol=1e-6)
    with pytest.raises(AudioError, match="nothing is left above `lowest`, 8000 Hz"):
        BandLimit(lowest=8000)(samples, RATE, rng())


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("transform", [*CODECS, Codec(codec="mp3", bitrate=16)], ids=str)
def test_codec_keeps_time_and_most_of_the_sound(transform: Codec, rate: int) -> None:
    t = np.arange(rate) / rate
    # Up from 200 to 1800 Hz, so that a delay cannot hide in a period.
    samples = (0.3 * np.sin(2 * np.pi * (200 * t + 800 * t**2))).astype(np.float32)
    samples *= np.hanning(rate).astype(np.float32)
    result = transform(samples, rate, rng())
    assert abs(delay(samples, result)) <= 0.001 * rate
    assert level_db(result) == pytest.approx(level_db(samples), abs=1.5)
    assert np.corrcoef(samples, result)[0, 1] > 0.9
    assert not np.array_equal(samples, result)


def test_lower_bit_rates_lose_more() -> None:
    samples = vowel(150) + noise(24_000) * 0.02

    def loss(**options: Any) -> float:
        result = Codec(**options)(samples, RATE, rng())
        # LAME makes it a little quieter; that is no loss.
        gain = (samples @ result) / (result @ result)
        return level_db(gain * result - samples)

    for codec in ("mp3", "opus"):
        losses = [loss(codec=codec, bitrate=bitrate) for bitrate in (16, 32, 128)]
        assert losses[0] > losses[1] + 3 > losses[2] + 6
    assert loss(codec="vorbis", compression=1) > loss(codec="vorbis", compression=0.6) + 3


@pytest.mark.parametrize(("codec", "rate"), [("mp3", 8000), ("mp3", 16_000), ("opus", 16_000)])
@pytest.mark.parametrize("bitrate", [16, 48])
def test_bit_rate_is_what_is_asked_for(
    codec: Any, rate: int, bitrate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    read = soundfile.read

    def reading(file: Any, **options: Any) -> Any:
        sizes.append(len(file.getvalue()))
        return read(file, **options)

    monkeypatch.setattr(soundfile, "read", reading)
    Codec(codec=codec, bitrate=bitrate)(noise(10 * rate), rate, rng())
    assert sizes[0] * 8 / 10_000 == pytest.approx(bitrate, rel=0.05 if codec == "mp3" else 0.2)


@pytest.mark.parametrize("transform", CODECS, ids=str)
def test_codecs_do_not_clip_what_is_too_loud(transform: Codec) -> None:
    samples = vowel(150)
    quiet = transform(samples / np.abs(samples).max(), RATE, rng())
    loud = transform(8 * samples / np.abs(samples).max(), RATE, rng())
    np.testing.assert_allclose(loud, 8 * quiet, atol=1e-4)


def test_codec_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfile, "check_format", lambda *_: False)
    with pytest.raises(EmotionRecogError, match="does not have the codec 'mp3'"):
        Codec(codec="mp3")(noise(100), RATE, rng())


# Chains ------------------------------------------------------------------------------------------


def test_chain_applies_in_order_and_as_often_as_asked() -> None:
    one = np.ones(1, dtype=np.float32)
    chain = Chain((Gain(gain_db=20), lambda y, rate: y + 1, Clip(below_peak_db=6)))
    assert chain(one, RATE, rng())[0] == pytest.approx(11 * 10**-0.3, rel=1e-6)
    rare = Chain((Gain(gain_db=20), lambda y, rate: y + 1), probability=(0.25, 0.75))
    generator = rng()
    results = np.array([rare(one, RATE, generator)[0] for _ in range(2000)])
    expected = {1: 0.75 * 0.25, 2: 0.75 * 0.75, 10: 0.25 * 0.25, 11: 0.25 * 0.75}
    for value, share in expected.items():
        assert np.isclose(results, value).mean() == pytest.approx(share, abs=0.03)
    assert Chain((Gain(gain_db=20),), probability=0)(one, RATE, rng())[0] == 1.0
    assert Chain((Chain((chain, chain)), Gain(gain_db=-20)))(one, RATE, rng())[0] == pytest.approx(
        (10 * 11 * 10**-0.3 + 1) * 10**-0.3 / 10, rel=1e-6
    )


class Elsewhere:
    """What audiomentations does: keywords of its own, randomness of the two global generators."""

    def __call__(self, samples: np.ndarray, sample_rate: int) -> np.ndarray:
        assert sample_rate == RATE
        samples *= np.random.uniform(0.5, 1.0)  # in place
        return samples + random.gauss(0.0, 0.1)


def test_transforms_from_elsewhere_are_seeded_and_leave_no_trace() -> None:
    samples = noise(100)
    kept = samples.copy()
    chain = Chain((Elsewhere(), Gain()))
    random.seed(1)
    np.random.seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
    results = [chain(samples, RATE, rng(seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(results[0], results[1])
    assert not np.allclose(results[0], results[2])
    np.testing.assert_array_equal(samples, kept)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # type: ignore[index]


@pytest.mark.parametrize(
    ("returned", "found"),
    [
        (np.zeros((1, 5)), "shape \\(1, 5\\)"),
        (np.zeros(0), "shape \\(0,\\)"),
        (np.zeros(5, dtype=np.int16), "int16"),
        (np.full(5, np.nan), "NaN"),
        (None, "object"),
    ],
)
def test_what_a_transform_from_elsewhere_must_return(returned: Any, found: str) -> None:
    def odd(samples: np.ndarray, sampling_rate: int) -> Any:
        return returned

    with pytest.raises(AudioError, match=f"the transform <function .*odd.*{found}"):
        Chain((odd,))(noise(5), RATE, rng())


# Real voices -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def voices(corpora_root: Path) -> list[np.ndarray]:
    """A woman and a man of RAVDESS and of SAVEE's men, angry, sad and neutral."""
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
    was, became = pitch(before), pitch(after)
    there = np.minimum(np.round(np.arange(len(became)) * speed).astype(int), len(was) - 1)
    both = (became > 0) & (was[there] > 0)
    assert both.sum() > 20
    return float(np.median(became[both] / was[there][both]))


def voice_db(samples: np.ndarray) -> float:
    """Return the level above 60 Hz: telephones and Opus let nothing through that lies far below."""
    return level_db(BandLimit(lowest=60)(samples, RATE, rng()))


def jump(samples: np.ndarray) -> float:
    return float(np.abs(np.diff(samples, prepend=0.0, append=0.0)).max())


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


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("transform", "level"),
    [
        (Codec(codec="mp3", bitrate=16), 1.0),
        (Codec(codec="mp3", bitrate=64), 1.0),
        (Codec(codec="opus", bitrate=16), 1.0),
        (Codec(codec="vorbis", compression=0.6), 0.5),
        (Codec(codec="mu-law"), 1.5),
        (Codec(codec="gsm"), 3.0),
        (RoomImpulse(rt60=0.4, direct_to_reverberant_db=6), 3.0),
        (BandLimit(highest=4000), 1.5),
    ],
    ids=str,
)
def test_real_voices_through_lines_and_rooms(
    voices: list[np.ndarray], transform: Transform, level: float
) -> None:
    for samples in voices:
        result = transform(samples, RATE, rng())
        assert len(result) == len(samples)
        assert np.isfinite(result).all()
        assert abs(delay(samples, result)) <= 0.001 * RATE
        assert voice_db(result) == pytest.approx(voice_db(samples), abs=level)
        assert ratio_of_pitch(samples, result) == pytest.approx(1.0, abs=0.005)
        assert jump(result) < 1.6 * jump(samples)


@pytest.mark.corpora
def test_real_voices_get_darker_and_brighter(voices: list[np.ndarray]) -> None:
    def centroid(y: np.ndarray) -> float:
        spectrum = np.abs(np.fft.rfft(y))
        return float(spectrum @ np.fft.rfftfreq(len(y), 1 / RATE) / spectrum.sum())

    for samples in voices:
        before = centroid(samples)
        assert centroid(BandLimit(highest=1500)(samples, RATE, rng())) < before
        assert centroid(BandLimit(lowest=1000)(samples, RATE, rng())) > before
        assert centroid(Codec(codec="mu-law")(samples, RATE, rng())) < before
        assert centroid(PitchShift(semitones=4)(samples, RATE, rng())) > before
        assert centroid(PitchShift(semitones=-4)(samples, RATE, rng())) < before
