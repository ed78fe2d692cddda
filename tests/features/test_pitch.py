"""Test fundamental frequency, whose values equal librosa's YIN, and voicing."""

import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotionrecog.audio import load
from emotionrecog.features import f0, pyin, voicing, yin
from emotionrecog.features.pitch import pitch_of_frames
from tests.conftest import CLIP

SPEECH: dict[str, Any] = {"fmin": 65.0, "fmax": 500.0}

# Differences are taken in float64, and the result is rounded to float32.
YIN_RTOL = 1e-6
# Smallest difference between a trough and the threshold, or between two troughs, for which rounding
# does not decide the choice.
MARGIN = 1e-7


def sawtooth(frequency: float, n_samples: int, sr: int) -> np.ndarray:
    phase = frequency * np.arange(n_samples) / sr
    return (2.0 * (phase % 1.0) - 1.0).astype(np.float32)


def noise(n_samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n_samples).astype(np.float32)


# Comparison with librosa -------------------------------------------------------------------------


def assert_yin_is_librosas(librosa: ModuleType, y: np.ndarray, **options: Any) -> None:
    """Compare with librosa in float64, frame by frame, except where rounding decides."""
    wide = y.astype(np.float64)
    shaken = wide * (1.0 + MARGIN * np.random.default_rng(0).normal(size=y.shape))
    threshold = options.pop("trough_threshold", 0.1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "With fmin=.*, less than two periods")
        expected, *references = (
            librosa.yin(signal, trough_threshold=threshold + by, **options)
            for signal, by in ((wide, 0.0), (wide, -MARGIN), (wide, MARGIN), (shaken, 0.0))
        )
    actual = yin(y, trough_threshold=threshold, **options)
    assert actual.dtype == np.float32
    assert actual.shape == expected.shape
    stable = np.all([np.abs(other / expected - 1) < 1e-3 for other in references], axis=0)
    assert stable.mean() > 0.95 or (~stable).sum() <= 1  # only silent frames have ties
    np.testing.assert_allclose(actual[stable], expected[stable], rtol=YIN_RTOL)


@settings(deadline=None, max_examples=100)
@given(
    data=st.data(),
    sr=st.sampled_from([8_000, 16_000, 22_050, 44_100]),
    frequency=st.floats(60.0, 600.0),
    hiss=st.sampled_from([0.0, 0.01, 0.3, 3.0]),
    fmin=st.floats(50.0, 200.0),
    center=st.booleans(),
    threshold=st.sampled_from([0.05, 0.1, 0.4]),
    seed=st.integers(0, 999),
)
def test_yin_is_librosas(
    librosa: ModuleType,
    data: st.DataObject,
    sr: int,
    frequency: float,
    hiss: float,
    fmin: float,
    center: bool,
    threshold: float,
    seed: int,
) -> None:
    shortest = int(sr / fmin) + 2
    frame_length = data.draw(st.integers(shortest, 4 * shortest), "frame_length")
    # With fewer samples, the difference is the same at many lags.
    fewest = frame_length // 2 if center else frame_length
    n_samples = data.draw(st.integers(fewest, 6_000), "n_samples")
    y = sawtooth(frequency, n_samples, sr) + np.float32(hiss) * noise(n_samples, seed)
    assert_yin_is_librosas(
        librosa,
        y,
        sr=sr,
        fmin=fmin,
        fmax=data.draw(st.floats(fmin + 10.0, sr / 2), "fmax"),
        frame_length=frame_length,
        hop_length=data.draw(st.none() | st.integers(1, 2 * frame_length), "hop_length"),
        center=center,
        trough_threshold=threshold,
    )


def test_yin_of_a_recording_is_librosas(librosa: ModuleType) -> None:
    clip = load(CLIP)
    for center in (True, False):
        assert_yin_is_librosas(
            librosa, clip.samples, sr=clip.sampling_rate, center=center, **SPEECH
        )


@pytest.mark.corpora
@pytest.mark.parametrize(
    "recordings",
    ["ravdess/Actor_01", "ravdess_song/Actor_05", "crema_d", "savee/KL", "tess"],
)
def test_yin_of_corpora_is_librosas(
    librosa: ModuleType, corpora_root: Path, recordings: str
) -> None:
    folder = corpora_root / recordings
    paths = sorted(p for p in folder.rglob("*") if p.suffix in (".flac", ".opus", ".wav"))
    assert paths
    for path in paths[:: len(paths) // 3]:
        clip = load(path)
        assert_yin_is_librosas(librosa, clip.samples, sr=clip.sampling_rate, **SPEECH)
        assert_yin_is_librosas(
            librosa,
            clip.samples,
            sr=clip.sampling_rate,
            frame_length=1_024,
            hop_length=160,
            **SPEECH,
        )


@pytest.mark.slow
def test_pyin_is_librosas(librosa: ModuleType) -> None:
    clip = load(CLIP)
    y, options = clip.samples[:16_000], {"sr": clip.sampling_rate, **SPEECH}
    actual, expected = pyin(y, **options), librosa.pyin(y, **options)
    assert [part.dtype for part in actual] == [np.float32, np.bool_, np.float32]
    for ours, theirs in zip(actual, expected, strict=True):
        np.testing.assert_allclose(ours, theirs.astype(ours.dtype))
    assert 0 < actual[1].sum() < len(actual[1])
    filled, voiced, _ = pyin(y, fill_na=0.0, n_thresholds=50, **options)
    assert (filled[~voiced] == 0).all()
    assert (filled[voiced] > 0).all()


# Meaning -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sr", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("frequency", [70.0, 123.4, 220.0, 310.0, 450.0])
def test_frequency_of_a_voice_is_found(frequency: float, sr: int) -> None:
    y = sawtooth(frequency, sr, sr) + 0.02 * noise(sr)
    # Short periods are resolved to about one sample.
    accuracy = max(0.005, 0.3 * frequency / sr)
    options: dict[str, Any] = {"y": y, "sr": sr, "frame_length": sr // 16, "center": False}
    np.testing.assert_allclose(f0(**options), frequency, rtol=accuracy)
    assert (voicing(**options) > 0.8).all()


def test_noise_is_unvoiced() -> None:
    for seed in range(20):
        y = noise(16_000, seed)
        assert voicing(y=y, sr=16_000).max() < 0.3
        assert (f0(y=y, sr=16_000) == 0).all()


def test_f0_is_yin_where_voiced() -> None:
    clip = load(CLIP)
    y, sr = clip.samples, clip.sampling_rate
    actual, voiced = f0(y=y, sr=sr), voicing(y=y, sr=sr)
    expected = yin(y, sr=sr, **SPEECH)
    assert actual.shape == voiced.shape == (1, 1 + len(y) // 512)
    np.testing.assert_array_equal(actual[0], np.where(voiced[0] >= 0.5, expected, 0.0))
    assert 0.2 < (actual > 0).mean() < 0.9
    kernel = pitch_of_frames(y, sr, 65.0, 500.0, 2_048, 512)
    np.testing.assert_array_equal(kernel, np.concatenate([actual, voiced]))
    without = pitch_of_frames(y, sr, 65.0, 500.0, 2_048, 512, center=False)[0]
    np.testing.assert_array_equal(without, f0(y=y, sr=sr, center=False)[0])


@pytest.mark.parametrize("gain", [1e-40, 1e-20, 1e-3, -1.0, 1e20, 1e37])
def test_pitch_does_not_depend_on_the_level(gain: float) -> None:
    y = sawtooth(150.0, 8_000, 16_000) + 0.1 * noise(8_000)
    scaled = (y.astype(np.float64) * gain).astype(np.float32)
    rtol = 1e-3 if gain == 1e-40 else 1e-5  # such a small float32 has few significant digits
    np.testing.assert_allclose(f0(y=scaled, sr=16_000), f0(y=y, sr=16_000), rtol=rtol)


def test_frames_do_not_depend_on_neighbours() -> None:
    y = sawtooth(150.0, 200_000, 16_000) + 0.3 * noise(200_000)  # more than one block
    options: dict[str, Any] = {"sr": 16_000, "frame_length": 1_024, "hop_length": 512}
    all_frames = yin(y, center=False, **SPEECH, **options)
    for t in (0, 1, 63, 64, 200, len(all_frames) - 1):
        one = yin(y[512 * t : 512 * t + 1_024], center=False, **SPEECH, **options)
        np.testing.assert_allclose(one, all_frames[t : t + 1], rtol=1e-6)


# Bad input ---------------------------------------------------------------------------------------

ODD = {
    "silence": np.zeros(5_000),
    "constant": np.full(5_000, 0.25),
    "all but silent": np.full(5_000, -1e-30),
    "one sample": np.array([0.5]),
    "one silent sample": np.zeros(1),
    "click": np.eye(1, 5_000, 2_500)[0],
    "step": np.repeat([0.0, 1.0], 2_500),
}


@pytest.mark.parametrize("name", sorted(ODD))
def test_signals_without_voice_are_unvoiced(name: str) -> None:
    y = ODD[name]
    for center in (True, False) if len(y) > 2_048 else (True,):
        options: dict[str, Any] = {"y": y, "sr": 16_000, "hop_length": 100, "center": center}
        assert (f0(**options) == 0).all()
        assert (voicing(**options) < 0.5).all()
        assert np.isfinite(yin(**options, **SPEECH)).all()


@pytest.mark.parametrize("name", ["silence", "one silent sample", "one sample"])
def test_pyin_of_signals_without_voice_is_not_a_number(name: str) -> None:
    actual, voiced, probability = pyin(ODD[name], sr=16_000, **SPEECH)
    assert np.isnan(actual).all()
    assert not voiced.any()
    assert ((probability >= 0) & (probability < 0.5)).all()


def test_silence_between_words_has_no_pitch() -> None:
    voice = sawtooth(150.0, 8_000, 16_000)
    y = np.concatenate([voice, np.zeros(8_000, dtype=np.float32), 1e-4 * voice])
    actual = f0(y=y, sr=16_000, hop_length=1_000, frame_length=1_000)[0]
    np.testing.assert_allclose(actual[1:8], 150.0, rtol=0.01)
    assert (actual[9:16] == 0).all()
    np.testing.assert_allclose(actual[17:24], 150.0, rtol=0.01)


@pytest.mark.parametrize("estimate", [yin, f0, voicing, pyin])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": np.zeros(0)}, r"`y` must have one dimension and at least 1 samples"),
        ({"y": np.zeros((2, 4_000))}, r"`y` must have one dimension .*, got shape \(2, 4000\)"),
        ({"y": np.array([0.0, np.nan])}, "`y` must be finite"),
        ({"y": np.ones(4_000, dtype=np.int16)}, "`y` must be floating-point, .* got int16"),
        ({"y": np.zeros(2_047), "center": False}, "at least 2048 samples"),
        ({"sr": 0}, "`sr` must be a number above 0 Hz, got 0"),
        ({"fmin": 0.0}, "`fmin` and `fmax` must satisfy 0 < fmin .* got fmin = 0.0"),
        ({"fmin": 500.0}, "got fmin = 500.0 and fmax = 500.0"),
        ({"fmax": 8_001.0}, "= 8000 Hz, the Nyquist frequency, .* fmax = 8001.0"),
        ({"fmax": float("nan")}, "`fmin` and `fmax` must satisfy"),
        ({"fmin": 5.0}, "at least 3202 samples for 5 Hz .*, got 2048; raise it or `fmin`"),
        ({"frame_length": 247}, "at least 248 samples for 65 Hz .*, got 247"),
        ({"frame_length": 0}, "`frame_length` must be a whole number of at least 1, got 0"),
        ({"frame_length": 512.0}, "`frame_length` must be a whole number of at least 1, got 512.0"),
        ({"hop_length": 0}, "`hop_length` must be a whole number of at least 1, got 0"),
        ({"hop_length": -160}, "`hop_length` must be a whole number of at least 1, got -160"),
    ],
)
def test_arguments_out_of_bounds_are_named(
    estimate: Callable[..., Any], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        estimate(**{"y": np.ones(4_000), "sr": 16_000, **SPEECH, **arguments})


def test_frame_of_one_period_is_enough() -> None:
    assert yin(np.ones(300), sr=16_000, frame_length=248, **SPEECH).shape == (5,)


@pytest.mark.parametrize("estimate", [yin, f0, voicing])
def test_threshold_must_be_positive(estimate: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="`trough_threshold` must be a number above 0, got 0"):
        estimate(y=np.ones(4_000), sr=16_000, trough_threshold=0.0, **SPEECH)


def test_other_paddings_raise() -> None:
    with pytest.raises(ValueError, match=r"`pad_mode` must be 'constant'.* got 'reflect'"):
        yin(np.ones(4_000), pad_mode="reflect", **SPEECH)
