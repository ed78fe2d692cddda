"""Test mel spectra: values equal librosa's, and features do not depend on the level."""

import json
import re
import warnings
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emotionrecog.audio import load
from emotionrecog.errors import AudioError
from emotionrecog.features import Extractor, FeatureSpec, mel_filterbank, melspectrogram
from emotionrecog.features.frames import hann
from emotionrecog.features.mel import relative_to_voice
from tests.conftest import CLIP

SPEC = FeatureSpec()

# Both compute triangles in float64 and round them once; near the ends of a triangle, float64 loses
# a few bits to cancellation.
FILTERBANK_RTOL = 1e-6
# librosa transforms in float64, this project in float32. Relative to the largest value of a frame,
# or what its largest bin would give where the bands leave that bin out.
MEL_RTOL = 4e-6
# Of natural logarithms, 0.01 being 0.04 dB. The largest differences are in bands 50 dB below the
# loudest of their frame.
LOG_ATOL = 1e-3


def noise(n_samples: int, seed: int = 0) -> np.ndarray:
    """Return noise whose level varies over about 60 dB, like speech."""
    rng = np.random.default_rng(seed)
    envelope = np.exp(np.cumsum(rng.normal(0.0, 0.3, n_samples // 100 + 1)))
    return (rng.normal(size=n_samples) * np.repeat(envelope, 100)[:n_samples]).astype(np.float32)


# Comparison with librosa -------------------------------------------------------------------------

SAMPLING_RATES = st.sampled_from([8_000, 16_000, 22_050, 44_100, 96_000])


@st.composite
def filterbanks(draw: st.DrawFn) -> dict[str, Any]:
    sr = draw(SAMPLING_RATES)
    n_fft = draw(st.sampled_from([256, 400, 512, 1024, 2048]) | st.integers(16, 2048))
    fmin = draw(st.just(0.0) | st.floats(0.0, sr / 4))
    parameters = {
        "sr": sr,
        "n_fft": n_fft,
        "n_mels": draw(st.integers(1, 160)),
        "fmin": fmin,
        "fmax": draw(st.none() | st.floats(fmin + 2 * sr / n_fft, sr / 2)),
        "htk": draw(st.booleans()),
        "norm": draw(st.sampled_from(["slaney", None])),
    }
    try:
        mel_filterbank(**parameters)
    except ValueError as error:  # some bands would be empty
        parameters["n_mels"] = recommended_bands(error)
    return parameters


def recommended_bands(error: ValueError) -> int:
    """Return the number of bands that the error for too many recommends."""
    named = re.search(r"the largest `n_mels` that leaves none empty is (\d+);", str(error))
    assert named, str(error)
    return int(named[1])


def assert_filterbank_is_librosas(librosa: ModuleType, parameters: dict[str, Any]) -> None:
    expected = librosa.filters.mel(**parameters)  # would warn of empty bands
    actual = mel_filterbank(**parameters)
    assert actual.dtype == expected.dtype == np.float32
    np.testing.assert_allclose(actual, expected, rtol=FILTERBANK_RTOL, atol=1e-7 * expected.max())


@pytest.mark.parametrize("htk", [True, False])
@pytest.mark.parametrize("norm", ["slaney", None])
@pytest.mark.parametrize("fmax", [None, 6_000.0, 8_000.0])
def test_filterbank_is_librosas(
    librosa: ModuleType, htk: bool, norm: str | None, fmax: float | None
) -> None:
    sizes = {"sr": 16_000, "n_fft": 512, "n_mels": 64, "fmin": 50.0}
    assert_filterbank_is_librosas(librosa, {**sizes, "fmax": fmax, "htk": htk, "norm": norm})


@settings(deadline=None, max_examples=100)
@given(parameters=filterbanks())
def test_filterbank_is_librosas_for_any_parameters(
    librosa: ModuleType, parameters: dict[str, Any]
) -> None:
    assert_filterbank_is_librosas(librosa, parameters)


def test_filterbank_defaults_are_librosas(librosa: ModuleType) -> None:
    assert_filterbank_is_librosas(librosa, {"sr": 22_050, "n_fft": 2_048})


def assert_mel_is_librosas(librosa: ModuleType, y: np.ndarray, parameters: dict[str, Any]) -> None:
    of_stft = ("n_fft", "hop_length", "win_length", "center")
    of_filterbank = ("sr", "n_fft", "n_mels", "fmin", "fmax", "htk", "norm")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "n_fft=.* is too large")
        expected = librosa.feature.melspectrogram(y=y, **parameters)
        spectrum = librosa.stft(y, **{k: v for k, v in parameters.items() if k in of_stft})
        bands = librosa.filters.mel(**{k: v for k, v in parameters.items() if k in of_filterbank})
    actual = melspectrogram(y=y, **parameters)
    assert actual.shape == expected.shape
    assert actual.dtype == np.float32
    scale = np.maximum(expected.max(axis=0), bands.max() * (np.abs(spectrum) ** 2).max(axis=0))
    assert (np.abs(actual - expected).max(axis=0) <= MEL_RTOL * scale).all()


@settings(deadline=None, max_examples=100)
@given(data=st.data(), parameters=filterbanks(), center=st.booleans(), seed=st.integers(0, 999))
def test_mel_is_librosas_for_any_parameters(
    librosa: ModuleType, data: st.DataObject, parameters: dict[str, Any], center: bool, seed: int
) -> None:
    n_fft = parameters["n_fft"]
    parameters["hop_length"] = data.draw(st.integers(1, 2 * n_fft), "hop_length")
    parameters["win_length"] = data.draw(st.none() | st.integers(1, n_fft), "win_length")
    n_samples = data.draw(st.integers(1 if center else n_fft, 3 * n_fft), "n_samples")
    assert_mel_is_librosas(librosa, noise(n_samples, seed), {**parameters, "center": center})


def test_mel_of_a_recording_is_librosas(librosa: ModuleType) -> None:
    waveform = load(CLIP)
    parameters = {"sr": waveform.sampling_rate, "n_fft": 2_048, "hop_length": 512}
    assert_mel_is_librosas(librosa, waveform.samples, parameters)


def test_mel_defaults_are_librosas(librosa: ModuleType) -> None:
    y = noise(30_000)
    expected = librosa.feature.melspectrogram(y=y)
    np.testing.assert_allclose(melspectrogram(y=y), expected, rtol=1e-4)


def test_mel_accepts_array_likes_of_floats() -> None:
    y = np.arange(-1.0, 1.0, 0.125, dtype=np.float32)
    for same in (y.astype(np.float64), y.astype(np.float16), y.tolist()):
        np.testing.assert_array_equal(melspectrogram(y=same), melspectrogram(y=y))


def log_mel_of_librosa(librosa: ModuleType, samples: np.ndarray, spec: FeatureSpec) -> np.ndarray:
    """Compute `log_mel` in float64 from librosa's parts."""
    y = samples.astype(np.float64)
    spectrum = librosa.stft(
        y - y.mean(), n_fft=spec.n_fft, hop_length=spec.hop_length, win_length=spec.win_length
    )
    bands = librosa.filters.mel(
        sr=spec.sampling_rate,
        n_fft=spec.n_fft,
        n_mels=spec.n_mels,
        fmin=spec.fmin,
        fmax=spec.fmax,
        htk=True,
        norm=None,
        dtype=np.float64,
    )
    frequencies = 2.0 * np.pi * np.arange(1 + spec.n_fft // 2) / spec.n_fft
    emphasis = np.abs(1.0 - spec.preemphasis * np.exp(-1j * frequencies)) ** 2
    power = (bands * emphasis) @ np.abs(spectrum) ** 2
    energy = power.sum(axis=0)
    level = energy[energy >= energy.max() / 1000.0].mean()
    return np.log(power.T / level + spec.log_offset)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(SPEC, id="defaults"),
        pytest.param(replace(SPEC, preemphasis=0.0), id="no preemphasis"),
        pytest.param(replace(SPEC, fmin=60.0, fmax=7_000.0, n_mels=61), id="other bands"),
        pytest.param(replace(SPEC, n_fft=1_000, win_length=800, hop_length=77), id="other frames"),
        pytest.param(replace(SPEC, log_offset=1e-3), id="other floor"),
    ],
)
def test_log_mel_is_librosas(librosa: ModuleType, spec: FeatureSpec) -> None:
    samples = load(CLIP, sampling_rate=spec.sampling_rate).samples
    features = Extractor(spec)(samples)
    assert features.dtype == np.float32
    assert features.shape == (1 + len(samples) // spec.hop_length, spec.n_mels)
    expected = log_mel_of_librosa(librosa, samples, spec)
    np.testing.assert_allclose(features, expected, rtol=0, atol=LOG_ATOL)


@pytest.mark.corpora
@pytest.mark.parametrize(
    "recordings",
    ["ravdess/Actor_01", "ravdess_song/Actor_05", "crema_d", "savee/KL", "tess"],
)
def test_log_mel_of_corpora_is_librosas(
    librosa: ModuleType, corpora_root: Path, recordings: str
) -> None:
    paths = sorted(path for path in (corpora_root / recordings).rglob("*") if path.is_file())[::40]
    assert paths
    for path in paths[:3]:
        waveform = load(path, sampling_rate=SPEC.sampling_rate)
        parameters = {"sr": waveform.sampling_rate, "n_fft": 1_024, "hop_length": 256}
        assert_mel_is_librosas(librosa, waveform.samples, parameters)
        expected = log_mel_of_librosa(librosa, waveform.samples, SPEC)
        np.testing.assert_allclose(
            Extractor(SPEC)(waveform.samples), expected, rtol=0, atol=LOG_ATOL
        )


# Invariances -------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(
    gain=st.floats(1e-4, 1e2),
    n_samples=st.integers(200, 20_000),
    seed=st.integers(0, 999),
)
@example(gain=1e-4, n_samples=20_000, seed=0)
@example(gain=-1.0, n_samples=20_000, seed=0)
def test_features_do_not_depend_on_the_level(gain: float, n_samples: int, seed: int) -> None:
    y = noise(n_samples, seed)
    extract = Extractor(SPEC)
    np.testing.assert_allclose(extract(np.float32(gain) * y), extract(y), rtol=0, atol=1e-3)


@settings(deadline=None, max_examples=50)
@given(offset=st.floats(-1.0, 1.0), seed=st.integers(0, 999))
@example(offset=1.0, seed=0)
def test_features_do_not_depend_on_a_constant_offset(offset: float, seed: int) -> None:
    y = noise(8_000, seed)
    y /= np.abs(y).max()
    extract = Extractor(SPEC)
    # A float32 near 1 is rounded to 6e-8, which affects the quietest frames.
    np.testing.assert_allclose(extract(y + np.float32(offset)), extract(y), rtol=0, atol=5e-3)


@pytest.mark.parametrize("gain", [1e-20, 1e-6, 1e6, 1e20])
def test_real_speech_may_be_extremely_quiet_or_loud(gain: float) -> None:
    y = load(CLIP, sampling_rate=16_000).samples
    extract = Extractor(SPEC)
    np.testing.assert_allclose(extract(y * np.float32(gain)), extract(y), rtol=0, atol=1e-3)


def test_level_ignores_pauses() -> None:
    y = noise(16_000)
    y /= np.abs(y).max()
    pause = 1e-5 * np.random.default_rng(1).normal(size=64_000)
    extract = Extractor(SPEC)
    alone, followed = (
        extract.relative_mel(samples).sum(axis=1)[:95]
        for samples in (y, np.concatenate([y, pause]))
    )
    np.testing.assert_allclose(followed, alone, rtol=0.01)


def test_voice_has_mean_power_one() -> None:
    power = Extractor(SPEC).relative_mel(noise(16_000))
    energy = power.sum(axis=1)
    assert energy[energy >= energy.max() / 1000].mean() == pytest.approx(1.0, rel=1e-5)


def test_features_are_the_logarithm_of_power() -> None:
    y = noise(16_000)
    extract = Extractor(SPEC)
    np.testing.assert_allclose(
        np.exp(extract(y)), extract.relative_mel(y) + SPEC.log_offset, rtol=1e-5
    )


def test_samples_are_not_changed() -> None:
    y = noise(4_000)
    before = y.copy()
    y.flags.writeable = False
    Extractor(SPEC)(y)
    np.testing.assert_array_equal(y, before)


def test_two_samples_are_enough() -> None:
    for n_samples in (2, 100, 160, 400, 513):
        assert Extractor(SPEC)(noise(n_samples)).shape == (1 + n_samples // 160, 104)


def test_level_is_measured_for_each_clip_of_a_batch() -> None:
    power = np.stack([Extractor(SPEC).relative_mel(noise(4_000, seed)) for seed in range(3)])
    scaled = relative_to_voice(power * np.float32([[[1e-5]], [[1.0]], [[1e5]]]))
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, power, rtol=1e-5)


def test_a_silent_clip_of_a_batch_raises() -> None:
    power = np.stack([np.ones((5, 3)), np.zeros((5, 3))]).astype(np.float32)
    with pytest.raises(ValueError, match="`power` must not be zero everywhere"):
        relative_to_voice(power)


# Invalid input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        pytest.param(np.zeros(0), r"at least one sample, got shape \(0,\)", id="none"),
        pytest.param(np.zeros((2, 900)), r"one dimension .* got shape \(2, 900\)", id="two axes"),
        pytest.param(np.zeros(900), "silent: all samples are equal", id="zeros"),
        pytest.param(np.full(900, 0.1), "silent: all samples are equal", id="constant"),
        pytest.param(np.array([0.0, np.nan, 1.0]), "must be finite", id="NaN"),
        pytest.param(np.array([np.inf, -np.inf, 1.0]), "must be finite", id="infinite"),
    ],
)
def test_samples_without_sound_raise(samples: np.ndarray, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        Extractor(SPEC)(samples)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_fft": 0}, "`n_fft` must be a whole number of at least 1, got 0"),
        ({"n_fft": 512.0}, "`n_fft` must be a whole number of at least 1, got 512.0"),
        ({"n_mels": 0}, "`n_mels` must be a whole number of at least 1, got 0"),
        ({"n_mels": True}, "`n_mels` must be a whole number of at least 1, got True"),
        ({"hop_length": 0}, "`hop_length` must be a whole number of at least 1, got 0"),
        ({"hop_length": -1}, "`hop_length` must be a whole number of at least 1, got -1"),
        ({"win_length": 0}, "`win_length` must be a whole number of at least 1, got 0"),
        ({"win_length": 3_000}, "`win_length` must be at most n_fft = 2048, got 3000"),
        ({"sr": 0}, "`sr` must be a number above 0 Hz, got 0"),
        ({"sr": float("nan")}, "`sr` must be a number above 0 Hz, got nan"),
        ({"fmin": -1.0}, "`fmin` and `fmax` must .* got fmin = -1.0 and fmax = 11025.0"),
        ({"fmin": 100.0, "fmax": 100.0}, "`fmin` and `fmax` must .* fmax = 100.0"),
        ({"fmin": 12_000.0}, "`fmin` and `fmax` must"),
        ({"fmin": float("nan")}, "`fmin` and `fmax` must"),
        ({"fmax": float("nan")}, "`fmin` and `fmax` must"),
        ({"fmax": 11_026.0}, "`fmax` must be at most sr / 2 = 11025 Hz, the Nyquist .* got 11026"),
        ({"fmax": float("inf")}, "`fmax` must be at most sr / 2 = 11025 Hz, .* got inf"),
        ({"n_mels": 700}, "`n_mels` = 700 leaves 26 empty: .* n_fft = 2048, which are 10.7666 Hz"),
        (
            {"n_mels": 700},
            "the largest `n_mels` that leaves none empty is 617; use it, or a larger",
        ),
        ({"fmin": 50.0, "fmax": 53.0}, "leaves 128 empty: .*; no `n_mels` leaves none empty; use"),
        ({"norm": "htk"}, "`norm` must be 'slaney' or None, got 'htk'"),
        ({"y": np.zeros((2, 4_000))}, r"`y` must have one dimension .* got shape \(2, 4000\)"),
        ({"y": np.zeros(0)}, r"`y` must have .* at least 1 samples, got shape \(0,\)"),
        ({"y": np.zeros(2_047), "center": False}, "at least 2048 samples, got shape"),
        ({"y": np.array([np.nan] * 4_000)}, "`y` must be finite"),
        (
            {"y": np.ones(4_000, dtype=np.int16)},
            "`y` must be floating-point, .*, got int16; .*load",
        ),
    ],
)
def test_invalid_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        melspectrogram(**{"y": np.ones(4_000), **arguments})


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(
    sr=SAMPLING_RATES,
    n_fft=st.sampled_from([16, 100, 256, 400]) | st.integers(1, 512),
    fmin=st.sampled_from([0.0, 50.0, 200.0]) | st.floats(0.0, 3_000.0),
    width=st.floats(1.0, 4_000.0) | st.none(),
    htk=st.booleans(),
)
@example(sr=8_000, n_fft=320, fmin=50.0, width=None, htk=True)  # a bin on the lowest edge
def test_error_names_the_largest_number_of_bands(
    sr: int, n_fft: int, fmin: float, width: float | None, htk: bool
) -> None:
    fmax = sr / 2 if width is None else min(fmin + width, sr / 2)
    options: dict[str, Any] = {"sr": sr, "n_fft": n_fft, "fmin": fmin, "fmax": fmax, "htk": htk}

    def leaves_none_empty(n_mels: int) -> bool:
        try:
            weights = mel_filterbank(**options, n_mels=n_mels, norm=None)
        except ValueError:
            return False
        assert (weights.max(axis=1) > 0).all()
        return True

    # No bin is in more than two bands, so more than twice their number need not be tried.
    works = [n for n in range(1, n_fft + 3) if leaves_none_empty(n)]
    with pytest.raises(ValueError, match="none empty") as error:
        mel_filterbank(**options, n_mels=n_fft + 3)
    if works:
        assert recommended_bands(error.value) == max(works)
    else:
        assert "no `n_mels` leaves none empty" in str(error.value)


def test_filterbanks_that_raise_have_an_empty_band(librosa: ModuleType) -> None:
    largest = 0
    for n_mels in range(1, 80):
        options: dict[str, Any] = {"sr": 16_000, "n_fft": 256, "n_mels": n_mels, "htk": True}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Empty filters")
            empty = librosa.filters.mel(**options).max(axis=1) == 0
        if empty.any():
            with pytest.raises(ValueError, match=f"n_mels` = {n_mels} leaves {empty.sum()} empty"):
                mel_filterbank(**options)
        else:
            largest = n_mels
            mel_filterbank(**options)
    assert 1 < largest < n_mels


def test_shared_arrays_are_read_only() -> None:
    bands = mel_filterbank(sr=16_000, n_fft=512)
    assert bands is mel_filterbank(sr=16_000, n_fft=512, n_mels=128, fmin=0.0)
    for shared in (bands, hann(400, 512)):
        with pytest.raises(ValueError, match="read-only"):
            shared[:] = 0.0


# The spec ----------------------------------------------------------------------------------------


@st.composite
def specs(draw: st.DrawFn) -> FeatureSpec:
    sampling_rate = draw(SAMPLING_RATES)
    n_fft = draw(st.integers(1, 4_096))
    fmax = draw(st.floats(1.0, sampling_rate / 2))
    return FeatureSpec(
        sampling_rate=sampling_rate,
        n_fft=n_fft,
        win_length=draw(st.integers(1, n_fft)),
        hop_length=draw(st.integers(1, 2_000)),
        n_mels=draw(st.integers(1, 200)),
        fmin=draw(st.floats(0.0, fmax, exclude_max=True)),
        fmax=fmax,
        preemphasis=draw(st.floats(0.0, 1.0, exclude_max=True)),
        log_offset=draw(st.floats(1e-12, 0.1)),
    )


@settings(deadline=None)
@given(spec=specs())
def test_spec_survives_json(spec: FeatureSpec) -> None:
    assert FeatureSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("sampling_rate", 0, "must be a whole number of at least 1, got 0"),
        ("sampling_rate", 16_000.0, "must be a whole number of at least 1, got 16000.0"),
        ("n_fft", "512", "must be a whole number of at least 1, got '512'"),
        ("n_fft", True, "must be a whole number of at least 1, got True"),
        ("n_fft", None, "must be a whole number of at least 1, got None"),
        ("win_length", 513, "must be at most n_fft = 512, got 513"),
        ("hop_length", -160, "must be a whole number of at least 1, got -160"),
        ("n_mels", [64], r"must be a whole number of at least 1, got \[64\]"),
        ("fmin", "0", "must be a number, got '0'"),
        ("fmin", -1.0, "must satisfy .* got fmin = -1.0"),
        ("fmin", 8_000.0, "must satisfy 0 <= fmin < fmax"),
        ("fmax", None, "must be a number, got None"),
        ("fmax", 8_001.0, "must satisfy .* = 8000 Hz, .* fmax = 8001.0"),
        ("fmax", float("nan"), "must be a number, got nan"),
        ("preemphasis", 1.0, r"must be a number of at least 0 and below 1, got 1.0"),
        ("preemphasis", -0.1, r"must be a number of at least 0 and below 1, got -0.1"),
        ("preemphasis", True, "must be a number of at least 0 and below 1, got True"),
        ("log_offset", 0.0, r"must be a number above 0 and below 1, got 0.0"),
        ("log_offset", float("nan"), r"must be a number above 0 and below 1, got nan"),
        ("log_offset", "1e-6", "must be a number above 0 and below 1, got '1e-6'"),
    ],
)
def test_invalid_spec_raises(name: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}`.* {message}"):
        FeatureSpec.from_dict({**SPEC.to_dict(), name: value})


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({}, id="nothing"),
        pytest.param({**SPEC.to_dict(), "colour": 1}, id="unknown entry"),
        pytest.param({k: v for k, v in SPEC.to_dict().items() if k != "fmin"}, id="missing entry"),
        pytest.param(list(SPEC.to_dict()), id="list"),
        pytest.param(None, id="none"),
    ],
)
def test_spec_needs_exactly_its_entries(values: Any) -> None:
    with pytest.raises(ValueError, match=r"must have the entries .*'fmin'.* got"):
        FeatureSpec.from_dict(values)
