"""Rooms, microphones, lines and codecs, on synthetic and real voices."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from emotionrecog import audio
from emotionrecog.augmentation import (
    BandLimit,
    Clip,
    Codec,
    PitchShift,
    RoomImpulse,
    Transform,
)
from emotionrecog.errors import AudioError, EmotionRecogError
from tests.augmentation.conftest import (
    CODECS,
    RATE,
    delay,
    jump,
    level_db,
    noise,
    ratio_of_pitch,
    rng,
    voice_db,
    vowel,
)


@pytest.mark.parametrize("rt60", [0.2, 0.5, 1.2])
@pytest.mark.parametrize("ratio_db", [-6.0, 0.0, 12.0])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_room_has_the_requested_reverberation(rt60: float, ratio_db: float, rate: int) -> None:
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


def test_recorded_impulse_response_keeps_the_position_of_the_direct_sound(tmp_path: Path) -> None:
    response = np.zeros(4000, dtype=np.float32)
    response[700], response[1700] = -0.5, 0.2
    soundfile.write(tmp_path / "hall.wav", response, RATE, subtype="FLOAT")
    samples = noise(5000)
    expected = samples.copy()
    expected[1000:] -= 0.4 * samples[:-1000]
    for impulse in (tmp_path / "hall.wav", audio.Waveform(response, RATE)):
        result = RoomImpulse(impulses=(impulse,))(samples, RATE, rng())
        np.testing.assert_allclose(result, expected, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(share=st.floats(0.0, 0.9), seed=st.integers(0, 99))
def test_requested_share_is_clipped(share: float, seed: int) -> None:
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
        response_db = 20 * np.log10(np.abs(np.fft.rfft(result)))  # one bin per Hz
        assert response_db[edge] == pytest.approx(-3.01, abs=0.05)
        assert response_db[octave_off] == pytest.approx(-48.2, abs=0.3)
        assert response_db[inside] == pytest.approx(0.0, abs=0.05)
        assert np.abs(result).argmax() == rate // 2


def test_band_beyond_half_the_sampling_rate() -> None:
    samples = noise(2000)
    same = BandLimit(highest=8000)(samples, RATE, rng())
    np.testing.assert_allclose(same, samples, atol=1e-6)
    with pytest.raises(
        AudioError, match="`lowest` must be below half the sampling rate of 16000 Hz, got 8000 Hz"
    ):
        BandLimit(lowest=8000)(samples, RATE, rng())


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("transform", [*CODECS, Codec(codec="mp3", bitrate=16)], ids=str)
def test_codec_keeps_position_level_and_most_of_the_sound(transform: Codec, rate: int) -> None:
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
        # LAME lowers the level slightly, which does not count as loss.
        gain = (samples @ result) / (result @ result)
        return level_db(gain * result - samples)

    for codec in ("mp3", "opus"):
        losses = [loss(codec=codec, bitrate=bitrate) for bitrate in (16, 32, 128)]
        assert losses[0] > losses[1] + 3 > losses[2] + 6
    assert loss(codec="vorbis", compression=1) > loss(codec="vorbis", compression=0.6) + 3


@pytest.mark.parametrize(("codec", "rate"), [("mp3", 8000), ("mp3", 16_000), ("opus", 16_000)])
@pytest.mark.parametrize("bitrate", [16, 48])
def test_file_has_the_requested_bit_rate(
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
def test_codecs_do_not_clip_loud_recordings(transform: Codec) -> None:
    samples = vowel(150)
    quiet = transform(samples / np.abs(samples).max(), RATE, rng())
    loud = transform(8 * samples / np.abs(samples).max(), RATE, rng())
    np.testing.assert_allclose(loud, 8 * quiet, atol=1e-4)


def test_missing_codec_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfile, "check_format", lambda *_: False)
    with pytest.raises(EmotionRecogError, match="does not have the codec 'mp3'"):
        Codec(codec="mp3")(noise(100), RATE, rng())


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
def test_real_voices_become_darker_and_brighter(voices: list[np.ndarray]) -> None:
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
