"""Acoustics: voices that are synthesised to be measured, and neutral speech beside them."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emotionrecog.audio import Waveform
from emotionrecog.datasets import CORPORA, Utterance
from emotionrecog.errors import AudioError
from emotionrecog.inference.acoustics import MEASURES, measure
from emotionrecog.inference.attribution import explain
from tests.inference.conftest import RATE, BandEngine


def voice(
    hertz: Callable[[np.ndarray], np.ndarray] | float = 150.0,
    *,
    tilt: float = 1.0,
    syllables: float = 3.0,
    depth: float = 1.0,
    seconds: float = 3.0,
) -> tuple[np.ndarray, int]:
    """Return a buzz: overtone k weaker by ``k ** -tilt``, swelling so many times a second."""
    t = np.arange(round(seconds * RATE)) / RATE
    pitch = hertz(t) if callable(hertz) else np.full(len(t), float(hertz))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    overtones = range(1, int(5500 / pitch.max()))
    buzz = np.sum([k**-tilt * np.sin(k * phase + k * k) for k in overtones], axis=0)
    swell = 1 - depth * np.cos(np.pi * syllables * t) ** 2
    noise = np.random.default_rng(0).normal(size=len(t))
    return 0.1 * swell * buzz + 1e-4 * noise, RATE


@pytest.mark.parametrize("hertz", [90.0, 150.0, 330.0])
def test_pitch_is_that_of_the_voice(hertz: float) -> None:
    measures = measure(voice(hertz))
    assert measures["pitch"] == pytest.approx(hertz, rel=0.01)
    assert measures["range of the pitch"] == pytest.approx(0, abs=0.2)


def test_range_of_the_pitch_is_in_semitones() -> None:
    measures = measure(voice(lambda t: 150 * 2 ** (0.5 * np.sin(2 * np.pi * 0.4 * t)), depth=0.5))
    # A sine spends a tenth of the time above 0.951 of its height.
    assert measures["range of the pitch"] == pytest.approx(2 * 6 * 0.951, abs=0.7)


@pytest.mark.parametrize("syllables", [2.0, 3.0, 5.0])
def test_rate_counts_swells(syllables: float) -> None:
    assert measure(voice(syllables=syllables))["rate"] == pytest.approx(syllables, abs=0.35)


def test_brightness_and_slope_follow_the_overtones() -> None:
    dull, between, bright = (measure(voice(tilt=tilt)) for tilt in (2.0, 1.0, 0.0))
    for name in ("brightness", "slope of the spectrum"):
        assert dull[name] < between[name] < bright[name]  # type: ignore[operator]
    # Overtones that fall with k ** -1 fall by 6 dB an octave.
    assert between["slope of the spectrum"] == pytest.approx(-6, abs=1)
    steps = np.subtract(bright["slope of the spectrum"], dull["slope of the spectrum"])
    assert steps == pytest.approx(12, abs=1.5)


def test_range_of_the_level_is_in_decibels() -> None:
    loud, quiet = voice(depth=0)[0], 10 ** (-12 / 20) * voice(depth=0)[0]
    pause = 1e-4 * np.random.default_rng(1).normal(size=RATE)
    measures = measure((np.concatenate([pause, loud, quiet]), RATE))
    assert measures["range of the level"] == pytest.approx(12, abs=0.5)


def test_level_over_the_background_is_that_of_the_noise() -> None:
    samples, _ = voice(depth=0)
    noise = np.random.default_rng(1).normal(size=RATE)
    noise *= samples.std() / noise.std() * 10 ** (-20 / 20)
    measures = measure((np.concatenate([noise, samples]), RATE))
    assert measures["level over the background"] == pytest.approx(20, abs=1)


def test_gain_and_offset_change_nothing() -> None:
    samples, rate = voice()
    for changed in (0.003 * samples, 3 * samples + 0.2):
        measures = measure((changed.astype(np.float32), rate))
        for name, value in measure((samples, rate)).items():
            assert measures[name] == pytest.approx(value, rel=0.02, abs=0.05), name


def test_voice_is_compared_with_neutral_speech_of_its_sex() -> None:
    buzz, engine = voice(150, seconds=1.0), BandEngine(slice(0, 104))
    of = {sex: explain(engine, buzz, sex=sex) for sex in ("female", "male", None)}
    pitch = {sex: one.voice[2] for sex, one in of.items()}
    assert [one.name for one in of[None].voice] == list(MEASURES)
    assert pitch["female"].difference is not None
    assert pitch["female"].difference < 0 < pitch["male"].difference
    for one in pitch.values():
        assert one.difference == pytest.approx(12 * math.log2(150 / one.neutral), abs=0.2)
    assert 190 < pitch["female"].neutral < 215
    assert 110 < pitch["male"].neutral < 130
    assert pitch["male"].neutral < pitch[None].neutral < pitch["female"].neutral
    assert "semitones below neutral speech of women, " in str(of["female"])
    assert "semitones above neutral speech of men, " in str(of["male"])


def test_voice_is_compared_with_its_own_neutral_speech() -> None:
    engine = BandEngine(slice(0, 104))
    explanation = explain(engine, voice(300, seconds=1.0), neutral=[voice(140), voice(160)])
    pitch = explanation.voice[2]
    assert pitch.neutral == pytest.approx(math.sqrt(140 * 160), rel=0.01)
    assert pitch.difference == pytest.approx(12, abs=0.2)
    assert explanation.reference == "the speaker's own neutral speech (2 recordings)"
    same = explain(engine, voice(150, seconds=1.0), neutral=[voice(150, seconds=1.0)])
    assert all(one.deviations == pytest.approx(0, abs=1e-6) for one in same.voice)


@pytest.mark.corpora
def test_neutral_clips_are_neutral(corpora_root: Path) -> None:
    """Neutral clips stand where the file says that they do, and angry ones do not."""
    utterances = [u for u in CORPORA["crema_d"].utterances(corpora_root / "crema_d") if u.sex]

    def deviations(chosen: list[Utterance]) -> np.ndarray:
        engine = BandEngine(slice(0, 104))
        rows = [explain(engine, u.path, sex=u.sex).voice for u in chosen]
        return np.array([[one.deviations or 0.0 for one in row] for row in rows])

    neutral = deviations([u for u in utterances if u.emotion == "neutral"][::250])
    angry = deviations(
        [u for u in utterances if u.emotion == "angry" and u.intensity == "high"][::30]
    )
    assert np.abs(neutral.mean(axis=0)).max() < 1.2
    assert angry[:, 2].mean() > neutral[:, 2].mean() + 1  # the pitch
    assert angry[:, 5].mean() > neutral[:, 5].mean() + 1  # the brightness


def test_silent_recordings_are_not_measured() -> None:
    with pytest.raises(AudioError, match="silent"):
        measure(Waveform(np.zeros(RATE, np.float32), RATE))
