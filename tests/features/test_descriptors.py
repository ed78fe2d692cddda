"""Test descriptors: values equal librosa's, and invalid arguments raise clear errors."""

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotionrecog import features
from emotionrecog.audio import load
from emotionrecog.features.descriptors import _tuning
from tests.conftest import CLIP

# librosa transforms in float64, this project in float32, whose rounding is 6e-8 of the loudest bin
# of a frame. Relative differences, for broad-band signals:
RMS_RTOL = 1e-5  # librosa adds squares one by one, which is less precise
MAGNITUDE_RTOL = 1e-6  # of the largest of its frame
FREQUENCY_RTOL = 1e-5  # centroid and bandwidth
FLATNESS_RTOL = 1e-4  # logarithms of the faintest bins weigh as much as those of the loudest
RATIO_RTOL = 1e-5  # of energies
# Of coefficients in dB times the square root of the number of bands.
MFCC_ATOL = 5e-3
DELTA_RTOL = 1e-5  # of the largest
CONTRAST_RTOL = 2e-6  # of the largest magnitude in a frame; twice that of one magnitude
CONTRAST_ATOL = 1e-4  # dB, of the same spectrum
CHROMA_ATOL = 2e-6  # of a note that is at most 1

SPECTRAL = (
    "spectral_centroid",
    "spectral_bandwidth",
    "spectral_rolloff",
    "spectral_flatness",
    "spectral_contrast",
    "band_energy_ratio",
    "chroma",
)
OF_MEL = ("melspectrogram", "mfcc")
OF_PITCH = ("f0", "voicing")
OF_A_SIGNAL: dict[str, Callable[..., np.ndarray]] = {
    name: getattr(features, name)
    for name in ("magnitude_spectrum", "rms", "zero_crossing_rate", *OF_MEL, *OF_PITCH, *SPECTRAL)
}
# Name of the same argument in functions that do not transform.
FRAME = dict.fromkeys(OF_A_SIGNAL, "n_fft") | dict.fromkeys(
    ("rms", "zero_crossing_rate", *OF_PITCH), "frame_length"
)
# Further arguments for short frames.
SHORT: dict[str, dict[str, Any]] = {
    **{name: {"n_mels": 4} for name in OF_MEL},
    **{name: {"fmin": 500.0, "fmax": 2_000.0} for name in OF_PITCH},
    "spectral_contrast": {"fmin": 2_000.0, "n_bands": 1},
}


def noise(n_samples: int, seed: int = 0) -> np.ndarray:
    """Return noise whose level varies over about 60 dB, like speech."""
    rng = np.random.default_rng(seed)
    envelope = np.exp(np.cumsum(rng.normal(0.0, 0.3, n_samples // 100 + 1)))
    return (rng.normal(size=n_samples) * np.repeat(envelope, 100)[:n_samples]).astype(np.float32)


def ratio_from_librosa(
    librosa: ModuleType, y: np.ndarray, sr: float, split: float, **frames: Any
) -> np.ndarray:
    """Compute the ratio by its definition, from librosa's spectrum."""
    power = np.abs(librosa.stft(y.astype(np.float64), **frames)) ** 2
    low = librosa.fft_frequencies(sr=sr, n_fft=frames["n_fft"]) < split
    above = power[~low].sum(axis=0, keepdims=True)
    return power[low].sum(axis=0, keepdims=True) / np.where(above > 0, above, 1.0)


def assert_same(actual: np.ndarray, expected: np.ndarray, rtol: float, atol: float = 0.0) -> None:
    assert actual.shape == expected.shape
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)


def assert_all_are_librosas(
    librosa: ModuleType,
    y: np.ndarray,
    sr: int,
    *,
    n_fft: int,
    hop_length: int,
    center: bool,
    win_length: int | None = None,
) -> None:
    framed = {"frame_length": n_fft, "hop_length": hop_length, "center": center}
    transformed = {
        "n_fft": n_fft,
        "hop_length": hop_length,
        "center": center,
        "win_length": win_length,
    }
    theirs = librosa.feature
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "n_fft=.* is too large")
        magnitude = np.abs(librosa.stft(y, **transformed))
        actual = features.magnitude_spectrum(y=y, **transformed)
        assert actual.shape == magnitude.shape
        assert (np.abs(actual - magnitude) <= MAGNITUDE_RTOL * magnitude.max(axis=0)).all()

        assert_same(features.rms(y=y, **framed), theirs.rms(y=y, **framed), RMS_RTOL)
        assert_same(
            features.zero_crossing_rate(y, **framed), theirs.zero_crossing_rate(y, **framed), 1e-7
        )
        for name in ("spectral_centroid", "spectral_bandwidth"):
            assert_same(
                getattr(features, name)(y=y, sr=sr, **transformed),
                getattr(theirs, name)(y=y, sr=sr, **transformed),
                FREQUENCY_RTOL,
                atol=FREQUENCY_RTOL * sr / n_fft,
            )
        # If the sum barely reaches the share, rounding decides between two bins.
        assert_same(
            features.spectral_rolloff(y=y, sr=sr, **transformed),
            theirs.spectral_rolloff(y=y, sr=sr, **transformed),
            rtol=1e-6,
            atol=sr / n_fft,
        )
        assert_same(
            features.spectral_flatness(y=y, **transformed),
            theirs.spectral_flatness(y=y, **transformed),
            FLATNESS_RTOL,
        )
        split = (n_fft // 6 + 0.5) * sr / n_fft
        assert_same(
            features.band_energy_ratio(y=y, sr=sr, split_frequency=split, **transformed),
            ratio_from_librosa(librosa, y, sr, split, **transformed),
            RATIO_RTOL,
        )
        bands = {"fmin": 2.4 * sr / n_fft, "n_bands": 3, "linear": True}
        contrast = theirs.spectral_contrast(y=y, sr=sr, **transformed, **bands)
        actual = features.spectral_contrast(y=y, sr=sr, **transformed, **bands)
        assert actual.shape == contrast.shape
        assert (np.abs(actual - contrast) <= CONTRAST_RTOL * magnitude.max(axis=0)).all()
        assert_same(
            features.chroma(y=y, sr=sr, tuning=0.1, **transformed),
            theirs.chroma_stft(y=y, sr=sr, tuning=0.1, **transformed),
            rtol=0,
            atol=CHROMA_ATOL,
        )
        mel = {**transformed, "n_mels": max(1, n_fft // 50)}
        coefficients = theirs.mfcc(y=y, sr=sr, **mel)
        assert_same(features.mfcc(y=y, sr=sr, **mel), coefficients, rtol=0, atol=MFCC_ATOL)


# Comparison with librosa -------------------------------------------------------------------------


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(
    data=st.data(),
    sr=st.sampled_from([8_000, 16_000, 22_050, 44_100, 96_000]),
    n_fft=st.sampled_from([256, 400, 512, 1024, 2048]) | st.integers(64, 2048),
    center=st.booleans(),
    seed=st.integers(0, 999),
)
def test_descriptors_are_librosas(
    librosa: ModuleType, data: st.DataObject, sr: int, n_fft: int, center: bool, seed: int
) -> None:
    n_samples = data.draw(st.integers(1 if center else n_fft, 3 * n_fft), "n_samples")
    assert_all_are_librosas(
        librosa,
        noise(n_samples, seed),
        sr,
        n_fft=n_fft,
        hop_length=data.draw(st.integers(1, 2 * n_fft), "hop_length"),
        win_length=data.draw(st.none() | st.integers(n_fft // 2, n_fft), "win_length"),
        center=center,
    )


def test_descriptors_of_a_recording_are_librosas(librosa: ModuleType) -> None:
    waveform = load(CLIP)
    for center in (True, False):
        assert_all_are_librosas(
            librosa,
            waveform.samples,
            waveform.sampling_rate,
            n_fft=2_048,
            hop_length=512,
            center=center,
        )


@pytest.mark.corpora
@pytest.mark.parametrize(
    "recordings",
    ["ravdess/Actor_01", "ravdess_song/Actor_05", "crema_d", "savee/KL", "tess"],
)
def test_descriptors_of_corpora_are_librosas(
    librosa: ModuleType, corpora_root: Path, recordings: str
) -> None:
    folder = corpora_root / recordings
    path = min(path for path in folder.rglob("*") if path.suffix in (".flac", ".opus", ".wav"))
    waveform = load(path)
    assert_all_are_librosas(
        librosa,
        waveform.samples,
        waveform.sampling_rate,
        n_fft=1_024,
        hop_length=256,
        center=True,
    )
    assert_contrast_and_chroma_are_librosas(librosa, waveform.samples, waveform.sampling_rate)


def assert_contrast_and_chroma_are_librosas(librosa: ModuleType, y: np.ndarray, sr: int) -> None:
    """Compare the defaults on the same spectrum, from which librosa also estimates the tuning."""
    S = features.magnitude_spectrum(y=y)
    expected = librosa.feature.spectral_contrast(S=S, sr=sr)
    assert expected.max() > 10
    assert_same(features.spectral_contrast(S=S, sr=sr), expected, rtol=0, atol=CONTRAST_ATOL)
    expected = librosa.feature.chroma_stft(S=S**2, sr=sr)
    assert_same(features.chroma(S=S**2, sr=sr), expected, rtol=0, atol=CHROMA_ATOL)


@pytest.mark.parametrize("name", sorted(set(OF_A_SIGNAL) - {"magnitude_spectrum", *OF_PITCH}))
def test_defaults_are_librosas(librosa: ModuleType, name: str) -> None:
    y = noise(30_000)
    if name == "band_energy_ratio":
        expected = ratio_from_librosa(librosa, y, 22_050, 2_000.0, n_fft=2_048)
    else:
        expected = getattr(librosa.feature, {"chroma": "chroma_stft"}.get(name, name))(y=y)
    atol = {"mfcc": MFCC_ATOL, "spectral_contrast": 1e-3}.get(name, 0.0)
    assert_same(OF_A_SIGNAL[name](y=y), expected, rtol=FLATNESS_RTOL, atol=atol)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("rms", {"frame_length": 400}),
        ("rms", {"frame_length": 401}),
        ("spectral_centroid", {}),
        ("spectral_centroid", {"freq": np.arange(201.0) ** 2}),
        ("spectral_bandwidth", {"p": 3}),
        ("spectral_bandwidth", {"norm": False}),
        ("spectral_bandwidth", {"freq": np.arange(201.0) ** 2}),
        ("spectral_bandwidth", {"centroid": np.full((1, 7), 900.0)}),
        ("spectral_rolloff", {"roll_percent": 0.5}),
        ("spectral_rolloff", {"freq": np.arange(201.0) ** 2}),
        ("spectral_flatness", {"power": 1.0, "amin": 0.3}),
        ("spectral_contrast", {}),
        ("spectral_contrast", {"linear": True, "quantile": 0.9}),
        ("spectral_contrast", {"fmin": 300.0, "n_bands": 4, "quantile": 0.2}),
        ("spectral_contrast", {"freq": np.arange(201.0) * 40, "sr": 16_000}),  # bins on edges
    ],
)
def test_options_on_a_spectrogram_are_librosas(
    librosa: ModuleType, name: str, options: dict[str, Any]
) -> None:
    S = np.abs(np.random.default_rng(0).normal(size=(201, 7))).astype(np.float32)
    expected = getattr(librosa.feature, name)(S=S, **options)
    assert_same(getattr(features, name)(S=S, **options), expected, FREQUENCY_RTOL)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_chroma": 24},
        {"n_chroma": 5, "base_c": False},
        {"norm": None, "tuning": -0.3},
        {"norm": 2, "tuning": 0.0},
        {"norm": 1.5, "octwidth": None},
        {"ctroct": 4.0, "octwidth": 1.0, "sr": 8_000},
        {"n_fft": 401},
    ],
)
def test_options_of_chroma_are_librosas(librosa: ModuleType, options: dict[str, Any]) -> None:
    S = noise(201 * 7).reshape(201, 7) ** 2
    S[:, 3] = 0.0
    expected = librosa.feature.chroma_stft(S=S, **options)
    assert_same(features.chroma(S=S, **options), expected, rtol=1e-5, atol=1e-7 * expected.max())


@settings(deadline=None, max_examples=100)
@given(
    n_bins=st.integers(2, 300),
    n_frames=st.integers(1, 20),
    sr=st.sampled_from([11_025, 16_000, 44_100]),
    n_chroma=st.sampled_from([12, 24, 5]),
    seed=st.integers(0, 999),
)
def test_tuning_is_librosas(
    librosa: ModuleType, n_bins: int, n_frames: int, sr: int, n_chroma: int, seed: int
) -> None:
    S = noise(n_bins * n_frames, seed).reshape(n_bins, n_frames) ** 2
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Trying to estimate tuning from empty")
        expected = librosa.estimate_tuning(S=S, sr=sr, bins_per_octave=n_chroma)
    assert _tuning(np.ascontiguousarray(S.T), sr, n_chroma) == expected


@pytest.mark.parametrize("cents", [-30, 0, 45])
def test_chroma_of_a_note_out_of_tune_is_that_note(cents: int) -> None:
    sr = 22_050
    y = np.sin(2 * np.pi * 440.0 * 2 ** (cents / 1_200) * np.arange(2 * sr) / sr)
    S = features.magnitude_spectrum(y=y, n_fft=4_096, center=False) ** 2
    assert (features.chroma(S=S, sr=sr).argmax(axis=0) == 9).all()  # C, C sharp, ... A
    assert _tuning(S.T, sr, 12) == pytest.approx(cents / 100, abs=0.04)


def test_contrast_distinguishes_harmonics_from_noise() -> None:
    sr = 16_000
    pulses = (np.arange(sr) % 80 == 0).astype(float)  # 200 Hz and all its multiples
    hiss = 0.1 * np.random.default_rng(0).normal(size=sr)
    voiced, unvoiced = (
        features.spectral_contrast(y=y, sr=sr, center=False).mean(axis=1) for y in (pulses, hiss)
    )
    assert (voiced[1:] > unvoiced[1:] + 10).all()


@pytest.mark.parametrize("zero_pos", [True, False])
@pytest.mark.parametrize("pad", [True, False])
@pytest.mark.parametrize("threshold", [0.0, 1e-10, 0.5])
def test_zero_crossings_are_librosas(
    librosa: ModuleType, zero_pos: bool, pad: bool, threshold: float
) -> None:
    y = np.random.default_rng(0).integers(-1, 2, 999).astype(np.float32)
    y[::3] *= 0.4
    options = {"zero_pos": zero_pos, "pad": pad, "threshold": threshold, "frame_length": 37}
    expected = librosa.feature.zero_crossing_rate(y, hop_length=11, **options)
    assert 0.1 < expected.mean() < 0.9
    assert_same(features.zero_crossing_rate(y, hop_length=11, **options), expected, rtol=1e-7)


@pytest.mark.parametrize("ref", [1.0, 0.01, np.max])
@pytest.mark.parametrize("top_db", [80.0, 20.0, None])
@pytest.mark.parametrize("amin", [1e-10, 1e-3])
def test_decibels_are_librosas(librosa: ModuleType, ref: Any, top_db: Any, amin: float) -> None:
    S = noise(4_000).reshape(40, 100) ** 2
    S[3] = 0.0
    options = {"ref": ref, "top_db": top_db, "amin": amin}
    expected = librosa.power_to_db(S, **options)
    assert_same(features.power_to_db(S, **options), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"n_mfcc": 13},
        {"n_mfcc": 60},  # more than the number of bands
        {"dct_type": 1, "norm": None},
        {"dct_type": 3},
        {"norm": None},
        {"lifter": 22},
        {"lifter": 22, "dct_type": 2, "norm": "ortho", "n_mfcc": 40},
    ],
)
def test_cepstra_of_a_mel_spectrogram_are_librosas(
    librosa: ModuleType, options: dict[str, Any]
) -> None:
    S = np.random.default_rng(0).normal(-30.0, 20.0, (40, 9)).astype(np.float32)
    expected = librosa.feature.mfcc(S=S, **options)
    actual = features.mfcc(S=S, **options)
    assert_same(actual, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(
    "options",
    [
        {"mel_norm": None},
        {"htk": True, "fmin": 50.0, "fmax": 7_000.0},
        {"fmax": 8_000.0},  # half of the sampling rate
        {"win_length": 700, "n_mels": 64},
    ],
)
def test_mel_arguments_are_passed_on(librosa: ModuleType, options: dict[str, Any]) -> None:
    y = noise(16_000)
    expected = librosa.feature.mfcc(y=y, sr=16_000, **options)
    actual = features.mfcc(y=y, sr=16_000, **options)
    assert_same(actual, expected, rtol=0, atol=MFCC_ATOL)


@settings(deadline=None, max_examples=60)
@given(
    data=st.data(),
    width=st.integers(1, 8).map(lambda half: 2 * half + 1),
    mode=st.sampled_from(["interp", "nearest"]),
    axis=st.sampled_from([0, -1]),
    seed=st.integers(0, 999),
)
def test_deltas_are_librosas(
    librosa: ModuleType, data: st.DataObject, width: int, mode: str, axis: int, seed: int
) -> None:
    order = data.draw(st.integers(1, min(3, width - 1)), "order")
    n_frames = data.draw(st.integers(width if mode == "interp" else 1, 40), "n_frames")
    shape = (3, n_frames) if axis else (n_frames, 3)
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    options = {"width": width, "order": order, "axis": axis, "mode": mode}
    expected = librosa.feature.delta(values, **options)
    atol = DELTA_RTOL * np.abs(expected).max() + 1e-6 * np.abs(values).max()
    assert_same(features.delta(values, **options), expected, rtol=0, atol=atol)


# Meaning -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(OF_A_SIGNAL))
def test_array_likes_of_floats_are_accepted(name: str) -> None:
    y = np.linspace(-1.0, 1.0, 1_201)[::7].astype(np.float16).astype(np.float32)
    expected = OF_A_SIGNAL[name](y=y)
    for same in (y.astype(np.float64), y.astype(np.float16), y.tolist()):
        np.testing.assert_array_equal(OF_A_SIGNAL[name](y=same), expected)


@pytest.mark.parametrize("name", SPECTRAL)
def test_spectrogram_gives_the_result_of_its_signal(name: str) -> None:
    y = noise(5_000)
    describe = getattr(features, name)
    S = features.magnitude_spectrum(y=y, n_fft=512) ** (2 if name == "chroma" else 1)
    np.testing.assert_allclose(describe(S=S), describe(y=y, n_fft=512), rtol=1e-5)


def test_descriptors_of_a_tone_have_its_frequency() -> None:
    sr, frequency = 16_000, 1_000.0  # of a bin
    y = 0.5 * np.sin(2 * np.pi * frequency / sr * np.arange(sr))
    options: dict[str, Any] = {"y": y, "n_fft": 512, "hop_length": 160, "center": False}
    np.testing.assert_allclose(features.spectral_centroid(sr=sr, **options), 1_000.0, atol=0.1)
    np.testing.assert_allclose(features.spectral_rolloff(sr=sr, **options), 1_000.0 + sr / 512)
    assert (features.spectral_bandwidth(sr=sr, **options) < sr / 512).all()
    assert (features.spectral_flatness(**options) < 1e-6).all()
    low = features.band_energy_ratio(sr=sr, split_frequency=2_000.0, **options)
    high = features.band_energy_ratio(sr=sr, split_frequency=500.0, **options)
    assert (low > 1e6).all()
    assert (high < 1e-6).all()
    level = features.rms(y=y, frame_length=512, center=False)
    np.testing.assert_allclose(level, 0.5 / np.sqrt(2.0), rtol=1e-5)
    crossings = features.zero_crossing_rate(y + 1e-6, frame_length=1_600, center=False)
    np.testing.assert_allclose(crossings, 2 * frequency / sr, atol=1 / 1_600)


def test_bin_at_the_split_counts_as_above() -> None:
    S = np.ones((5, 1))  # bins at 0, 2, 4, 6, 8 kHz
    for split, expected in ((4_000.0, 2 / 3), (4_000.1, 3 / 2), (8_000.0, 4.0), (0.1, 1 / 4)):
        actual = features.band_energy_ratio(S=S, sr=16_000, split_frequency=split)
        np.testing.assert_allclose(actual, [[expected]], rtol=1e-6)


@pytest.mark.parametrize("sr", [16_000, 22_050, 44_100])
@pytest.mark.parametrize("n_fft", [400, 600, 990, 2_048])
def test_rounding_does_not_move_bins_over_the_split(sr: int, n_fft: int) -> None:
    S = np.ones((1 + n_fft // 2, 1))
    for split in range(1, 1 + n_fft // 2):
        actual = features.band_energy_ratio(
            S=S, sr=sr, n_fft=n_fft, split_frequency=split * sr / n_fft
        )
        np.testing.assert_allclose(actual, [[split / (len(S) - split)]], rtol=1e-6)


def test_ratio_is_finite_without_energy_above() -> None:
    S = np.array([[1.0, 1e-20, 1e15], [1.0, 1e-20, 1e15], [0.0, 0.0, 0.0]])
    actual = features.band_energy_ratio(S=S, sr=16_000, split_frequency=8_000)
    np.testing.assert_allclose(actual[0, [0, 2]], 1e10, rtol=1e-6)
    assert np.isfinite(actual).all()


# Invalid input -----------------------------------------------------------------------------------

SILENCE = {
    "rms": 0.0,
    "zero_crossing_rate": 0.0,
    "magnitude_spectrum": 0.0,
    "spectral_centroid": 0.0,
    "spectral_bandwidth": 0.0,
    "spectral_rolloff": 0.0,
    "spectral_flatness": 1.0,
    "spectral_contrast": 0.0,
    "band_energy_ratio": 0.0,
    "chroma": 0.0,
    "melspectrogram": 0.0,
    "f0": 0.0,
    "voicing": 0.0,
}


@pytest.mark.parametrize("name", sorted(SILENCE))
def test_descriptors_of_silence_are_librosas(librosa: ModuleType, name: str) -> None:
    y = np.zeros(5_000, dtype=np.float32)
    actual = OF_A_SIGNAL[name](y=y)
    np.testing.assert_allclose(actual, SILENCE[name], rtol=1e-6)
    if hasattr(librosa.feature, name):
        np.testing.assert_allclose(actual, getattr(librosa.feature, name)(y=y), rtol=1e-6)


def test_cepstra_of_silence_are_librosas(librosa: ModuleType) -> None:
    y = np.zeros(5_000, dtype=np.float32)
    np.testing.assert_allclose(features.mfcc(y=y), librosa.feature.mfcc(y=y), atol=1e-3)


@pytest.mark.parametrize("name", sorted(OF_A_SIGNAL))
@pytest.mark.parametrize(
    "y",
    [
        pytest.param(np.ones(5_000), id="constant"),
        pytest.param(np.full(5_000, -1e-30), id="all but silent"),
        pytest.param([0.5], id="one sample"),
        pytest.param(np.eye(1, 5_000)[0], id="click"),
        pytest.param(np.sign(np.sin(np.arange(5_000) * 0.1)), id="clipped"),
        pytest.param(np.concatenate([noise(5_000), np.zeros(5_000)]), id="silence at the end"),
        pytest.param(np.zeros(5_000), id="silence"),
        pytest.param(np.full(5_000, 1e-3) + 1e-6 * noise(5_000), id="offset"),
        pytest.param(np.arange(-32_768.0, 32_768.0, 8.0), id="scaled as integers are"),
        pytest.param(noise(100), id="shorter than a frame"),
    ],
)
def test_extreme_signals_give_finite_values(name: str, y: Any) -> None:
    actual = OF_A_SIGNAL[name](y=y)
    assert actual.dtype == np.float32
    assert actual.shape[1] == 1 + len(y) // 512
    assert np.isfinite(actual).all()


@pytest.mark.parametrize("name", sorted(OF_A_SIGNAL))
@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([], r"`y` must have one dimension and at least 1 samples, got shape \(0,\)"),
        (0.5, r"`y` must have one dimension .*, got shape \(\)"),
        (np.ones((2, 4_000)), r"`y` must have one dimension .*, got shape \(2, 4000\)"),
        ([0.0, float("nan")], "`y` must be finite"),
        ([0.0, float("inf")], "`y` must be finite"),
        (np.full(4_000, 1e300), "`y` must be finite"),
        (np.arange(4_000, dtype=np.int16), "`y` must be floating-point, .* int16; .*audio.load"),
        ([0, 1, 0], "`y` must be floating-point, relative to full scale, got int64"),
        (np.ones(4_000, dtype=bool), "`y` must be floating-point, .* got bool"),
        (np.ones(4_000, dtype=complex), "`y` must be floating-point, .* got complex128"),
        ("clip.wav", "`y` must be floating-point, .* got <U8"),
    ],
)
def test_invalid_signals_raise(name: str, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OF_A_SIGNAL[name](y=y)


@pytest.mark.parametrize("name", sorted(OF_A_SIGNAL))
def test_frame_arguments_are_validated(name: str) -> None:
    describe, frame, y = (
        partial(OF_A_SIGNAL[name], **SHORT.get(name, {})),
        FRAME[name],
        np.ones(100),
    )
    with pytest.raises(ValueError, match="at least 101 samples, got shape"):
        describe(y=y, center=False, **{frame: 101})
    assert describe(y=y, center=False, **{frame: 100}).shape[1] == 1
    for wrong in (0, -512, 512.0, None, True):
        with pytest.raises(ValueError, match="`hop_length` must be a whole number of at least 1"):
            describe(y=y, hop_length=wrong)
        with pytest.raises(ValueError, match=f"`{frame}` must be a whole number of at least 1"):
            describe(y=y, **{frame: wrong})


@pytest.mark.parametrize("name", ["magnitude_spectrum", *OF_MEL, *SPECTRAL])
def test_window_must_fit(name: str) -> None:
    with pytest.raises(ValueError, match="`win_length` must be at most n_fft = 512, got 513"):
        OF_A_SIGNAL[name](y=np.ones(600), n_fft=512, win_length=513)


@pytest.mark.parametrize("name", ["rms", "mfcc", *SPECTRAL])
def test_exactly_one_of_signal_and_spectrogram_is_required(name: str) -> None:
    with pytest.raises(ValueError, match="exactly one of `y` and `S`"):
        OF_A_SIGNAL[name]()
    with pytest.raises(ValueError, match="exactly one of `y` and `S`"):
        OF_A_SIGNAL[name](y=np.ones(2_048), S=np.ones((1_025, 2)))


@pytest.mark.parametrize("name", ["rms", *SPECTRAL])
@pytest.mark.parametrize(
    ("S", "message"),
    [
        (np.ones(1_025), r"`S` must have the shape \(n_bins, n_frames\), got \(1025,\)"),
        (np.ones((2, 1_025, 3)), r"`S` must have the shape"),
        (np.ones((1_025, 0)), r"`S` must have the shape"),
        (np.full((1_025, 2), 1j), "`S` must be real"),
        (np.full((1_025, 2), np.nan), "`S` must be finite"),
        (np.full((1_025, 2), -1.0), "`S` must not be negative"),
    ],
)
def test_invalid_spectrograms_raise(name: str, S: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OF_A_SIGNAL[name](S=S)


S = np.ones((5, 3))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("rms", {"S": S}, "`S` must have 1 \\+ frame_length // 2 = 1025 bins, got 5"),
        ("rms", {"y": [1.0], "pad_mode": "edge"}, "`pad_mode` must be 'constant'.* got 'edge'"),
        (
            "zero_crossing_rate",
            {"y": [1.0], "threshold": -1.0},
            "`threshold` must be a number of at least 0",
        ),
        ("magnitude_spectrum", {"y": [1.0], "window": "hamming"}, "`window` must be 'hann'"),
        ("spectral_centroid", {"S": S, "window": "boxcar"}, "`window` must be 'hann'"),
        ("spectral_centroid", {"S": S, "pad_mode": "reflect"}, "`pad_mode` must be 'constant'"),
        ("spectral_centroid", {"S": S, "sr": 0}, "`sr` must be a number above 0 Hz, got 0"),
        ("spectral_centroid", {"S": S, "freq": [1.0, 2.0]}, r"`freq` .*, got shape \(2,\)"),
        ("spectral_centroid", {"S": S, "freq": [1, 2, 2, 3, 4]}, "`freq` must be 5 increasing"),
        ("spectral_bandwidth", {"S": S, "p": 0}, "`p` must be a number above 0, got 0"),
        ("spectral_bandwidth", {"S": S, "centroid": [1, 2]}, r"`centroid` .* \(1, 3\), got \(2,\)"),
        (
            "spectral_rolloff",
            {"S": S, "roll_percent": 1.0},
            "`roll_percent` must be a number above 0 and below 1",
        ),
        ("spectral_flatness", {"S": S, "amin": 0.0}, "`amin` must be a number above 0, got 0.0"),
        ("spectral_flatness", {"S": S, "power": -1}, "`power` must be a number above 0, got -1"),
        ("band_energy_ratio", {"S": S, "split_frequency": 0}, "`split_frequency` must be above 0"),
        (
            "band_energy_ratio",
            {"S": S, "sr": 8_000, "split_frequency": 4_001},
            "at most sr / 2 = 4000 Hz, got 4001",
        ),
        ("spectral_contrast", {"S": S, "sr": 0}, "`sr` must be a number above 0 Hz, got 0"),
        (
            "spectral_contrast",
            {"S": S, "n_bands": 0},
            "`n_bands` must be a whole number of at least 1, got 0",
        ),
        ("spectral_contrast", {"S": S, "fmin": 0.0}, "`fmin` must be a number above 0 Hz"),
        (
            "spectral_contrast",
            {"S": S, "quantile": 1},
            "`quantile` must be a number above 0 and below 1",
        ),
        ("spectral_contrast", {"S": S, "freq": [1.0]}, r"`freq` must be 5 .*, got shape \(1,\)"),
        (
            "spectral_contrast",
            {"y": [1.0], "sr": 8_000},
            "the last band of 6 above 200 Hz begins at 6400 Hz, not below sr / 2 = 4000 Hz",
        ),
        ("spectral_contrast", {"S": S}, "the band from 0 to 200 Hz holds too few bins .* larger"),
        (
            "spectral_contrast",
            {"S": S, "fmin": 6_000, "n_bands": 1, "freq": [1, 2, 3, 4, 12_001]},
            "the band from 6000 to 12000 Hz holds too few bins",
        ),
        ("chroma", {"S": S, "sr": -1}, "`sr` must be a number above 0 Hz, got -1"),
        (
            "chroma",
            {"S": S, "n_chroma": 12.0},
            "`n_chroma` must be a whole number of at least 1, got 12.0",
        ),
        ("chroma", {"S": S[:1]}, "a spectrum of one bin holds no note; make `n_fft` larger"),
        ("chroma", {"S": S, "norm": 0}, "`norm` must be None or above 0 .*, got 0"),
        ("chroma", {"S": S, "octwidth": 0}, "`octwidth` must be a number above 0, got 0"),
        ("chroma", {"S": S, "tuning": np.nan}, "`tuning` must be a number, got nan"),
        ("chroma", {"S": S, "ctroct": np.inf}, "`ctroct` must be a number, got inf"),
        ("mfcc", {"S": S, "n_mfcc": 0}, "`n_mfcc` must be a whole number of at least 1, got 0"),
        ("mfcc", {"S": S, "dct_type": 4}, "`dct_type` must be one of 1, 2, 3, got 4"),
        ("mfcc", {"S": S, "norm": "slaney"}, "`norm` must be 'ortho' or None, got 'slaney'"),
        ("mfcc", {"S": S, "lifter": -1}, "`lifter` must be a number of at least 0, got -1"),
        ("mfcc", {"S": S, "n_fft": 512}, "`n_fft` has no meaning together with `S`"),
        ("mfcc", {"S": S[0]}, r"`S` must be finite and of the shape \(n_mels, n_frames\)"),
        ("mfcc", {"S": S * np.nan}, "`S` must be finite"),
        ("mfcc", {"y": [1.0], "mel_norm": 2.0}, "`norm` must be 'slaney' or None, got 2.0"),
        ("power_to_db", {"S": []}, "`S` must hold real powers"),
        ("power_to_db", {"S": 1j * S}, "`S` must hold real powers"),
        ("power_to_db", {"S": -S}, "`S` must be finite and not negative"),
        ("power_to_db", {"S": S * np.inf}, "`S` must be finite and not negative"),
        ("power_to_db", {"S": S, "amin": 0.0}, "`amin` must be a number above 0, got 0.0"),
        (
            "power_to_db",
            {"S": S, "top_db": -1.0},
            "`top_db` must be a number of at least 0, got -1.0",
        ),
        ("delta", {"data": S}, "`data` must have at least 9 frames, got 3"),
        ("delta", {"data": [], "mode": "nearest"}, "`data` must have at least 1 frames, got 0"),
        ("delta", {"data": S, "width": 4}, "`width` must be odd and at least 3, got 4"),
        ("delta", {"data": S, "width": 1}, "`width` must be odd and at least 3, got 1"),
        ("delta", {"data": S, "order": 0}, "`order` must be a whole number of at least 1, got 0"),
        ("delta", {"data": S, "width": 3, "order": 3}, "`order` must be below width = 3, got 3"),
        ("delta", {"data": S, "mode": "wrap"}, "`mode` must be 'interp' or 'nearest', got 'wrap'"),
        ("delta", {"data": S, "axis": 2}, "`axis` must be one of 2 axes, got 2"),
        ("delta", {"data": S * np.nan, "width": 3}, "`data` must be finite"),
    ],
)
def test_arguments_out_of_bounds_are_named(
    name: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(features, name)(**arguments)
