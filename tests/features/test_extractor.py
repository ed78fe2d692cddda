"""Test the extractor: values equal the single functions, with names and normalisation."""

import dataclasses
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotionrecog import features
from emotionrecog.audio import load
from emotionrecog.errors import AudioError
from emotionrecog.features import FUNCTIONALS, PRESETS, Extractor, FeatureSpec, Statistics
from emotionrecog.features.spec import N_COLUMNS
from tests.conftest import CLIP

SPEC = PRESETS["descriptors"]
EVERYTHING = dataclasses.replace(SPEC, features=tuple(N_COLUMNS))

# As the function does, from the same spec; frames last, as the functions return them.
FUNCTIONS: dict[str, Callable[[np.ndarray, dict[str, Any]], np.ndarray]] = {
    "rms": lambda y, k: features.rms(y=y, frame_length=k["n_fft"], hop_length=k["hop_length"]),
    "zero_crossing_rate": lambda y, k: features.zero_crossing_rate(
        y, frame_length=k["n_fft"], hop_length=k["hop_length"]
    ),
    "band_energy_ratio": lambda y, k: features.band_energy_ratio(y=y, **k),
    "spectral_centroid": lambda y, k: features.spectral_centroid(y=y, **k),
    "spectral_bandwidth": lambda y, k: features.spectral_bandwidth(y=y, **k),
    "spectral_rolloff": lambda y, k: features.spectral_rolloff(y=y, **k),
    "spectral_flatness": lambda y, k: features.spectral_flatness(y=y, **without_rate(k)),
    "spectral_contrast": lambda y, k: features.spectral_contrast(y=y, **k),
    "chroma": lambda y, k: features.chroma(y=y, **k),
    "f0": lambda y, k: features.f0(
        y=y, sr=k["sr"], frame_length=k["n_fft"], hop_length=k["hop_length"]
    ),
    "voicing": lambda y, k: features.voicing(
        y=y, sr=k["sr"], frame_length=k["n_fft"], hop_length=k["hop_length"]
    ),
    "mfcc": lambda y, k: features.mfcc(y=y, n_mfcc=13, **k),
    "mel": lambda y, k: features.melspectrogram(y=y, **k),
    "mel_db": lambda y, k: features.power_to_db(features.melspectrogram(y=y, **k)),
    "magnitude": lambda y, k: features.magnitude_spectrum(y=y, **without_rate(k)),
}


def without_rate(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name != "sr"}


def noise(n_samples: int, seed: int = 0) -> np.ndarray:
    """Return noise whose level varies over about 60 dB, like speech."""
    rng = np.random.default_rng(seed)
    envelope = np.exp(np.cumsum(rng.normal(0.0, 0.3, n_samples // 100 + 1)))
    y = rng.normal(size=n_samples) * np.repeat(envelope, 100)[:n_samples]
    return (y / np.abs(y).max()).astype(np.float32)


def columns(spec: FeatureSpec, actual: np.ndarray, feature: str) -> np.ndarray:
    """Return the columns of one feature, frames last."""
    chosen = [
        i for i, name in enumerate(spec.feature_names) if name == feature or is_of(name, feature)
    ]
    return actual[:, chosen].T


def is_of(name: str, feature: str) -> bool:
    return name.rpartition("_")[0] == feature and name.rpartition("_")[2].isdigit()


def assert_equals_functions(y: np.ndarray, spec: FeatureSpec) -> None:
    actual = Extractor(spec)(y)
    assert actual.dtype == np.float32
    assert actual.shape == (1 + len(y) // spec.hop_length, len(spec.feature_names))
    arguments = {"sr": spec.sampling_rate, "n_fft": spec.n_fft, "hop_length": spec.hop_length}
    for feature, function in FUNCTIONS.items():
        expected = function(y, arguments)
        got = columns(spec, actual, feature)
        # Sums in another order differ by rounding.
        atol = 1e-5 * np.abs(expected).max() if feature in ("mel", "mfcc", "mel_db") else 0.0
        if feature == "spectral_contrast":  # a difference of decibels
            atol = 1e-4
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=atol, err_msg=feature)


def test_extractor_equals_the_functions_on_a_recording() -> None:
    waveform = load(CLIP, sampling_rate=22_050)
    assert_equals_functions(waveform.samples, EVERYTHING)


@pytest.mark.corpora
@pytest.mark.parametrize("recordings", ["ravdess/Actor_01", "crema_d", "savee/KL", "tess"])
def test_extractor_equals_the_functions_on_corpora(corpora_root: Path, recordings: str) -> None:
    folder = corpora_root / recordings
    path = max(path for path in folder.rglob("*") if path.suffix in (".flac", ".opus", ".wav"))
    assert_equals_functions(load(path, sampling_rate=22_050).samples, EVERYTHING)


@settings(deadline=None, max_examples=25)
@given(
    n_samples=st.integers(1, 9_000),
    hop_length=st.sampled_from([128, 200, 512, 700]),
    seed=st.integers(0, 99),
)
def test_extractor_equals_the_functions(n_samples: int, hop_length: int, seed: int) -> None:
    spec = dataclasses.replace(EVERYTHING, hop_length=hop_length)
    assert_equals_functions(noise(n_samples, seed), spec)


def test_every_feature_is_compared() -> None:
    assert {*FUNCTIONS, "log_mel"} == set(N_COLUMNS)


@pytest.mark.parametrize("feature", N_COLUMNS)
def test_features_do_not_depend_on_other_features(feature: str) -> None:
    y = noise(22_050)
    alone = Extractor(dataclasses.replace(EVERYTHING, features=(feature,)))(y)
    together = columns(EVERYTHING, Extractor(EVERYTHING)(y), feature)
    np.testing.assert_array_equal(alone.T, together)


def test_one_transform_is_computed_for_all_features(monkeypatch: pytest.MonkeyPatch) -> None:
    from emotionrecog.features import frames

    calls = []
    transform = frames.stft
    monkeypatch.setattr(frames, "stft", lambda *a, **k: calls.append(a) or transform(*a, **k))
    of_spectrum = [name for name in N_COLUMNS if name not in ("f0", "voicing", "chroma")]
    Extractor(dataclasses.replace(EVERYTHING, features=tuple(of_spectrum)))(noise(9_000))
    assert len(calls) == 1


def test_preemphasis_equals_that_of_the_signal() -> None:
    """It equals a first difference before the transform, except for frames at the ends."""
    spec = dataclasses.replace(SPEC, features=("mel",), preemphasis=0.97)
    y = noise(22_050)
    filtered = np.append(y[0], y[1:] - np.float32(0.97) * y[:-1])
    expected = Extractor(dataclasses.replace(spec, preemphasis=0.0))(filtered)
    actual = Extractor(spec)(y)
    # The factor is exact for a circular shift, and nearly exact with a window.
    ratio = actual[4:-4].sum(axis=1) / expected[4:-4].sum(axis=1)
    np.testing.assert_allclose(ratio, 1.0, rtol=0.02)


def test_offset_is_removed_if_requested() -> None:
    y = noise(9_000)
    spec = dataclasses.replace(SPEC, remove_offset=True)
    extract = Extractor(spec)
    np.testing.assert_allclose(extract(y + np.float32(0.25)), extract(y), rtol=1e-3, atol=2e-3)
    assert not np.allclose(Extractor(SPEC)(y + np.float32(0.25)), Extractor(SPEC)(y), rtol=0.1)


# Columns -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_presets_name_their_columns(name: str) -> None:
    spec = PRESETS[name]
    samples = load(CLIP, sampling_rate=spec.sampling_rate).samples
    actual = Extractor(spec)(samples)
    assert actual.shape[-1] == len(spec.feature_names) == len(set(spec.feature_names))
    assert actual.dtype == np.float32
    assert np.isfinite(actual).all()


def test_image_preset_is_128_by_87() -> None:
    spec = PRESETS["mel-128x87"]
    assert len(spec.feature_names) == 128
    # 2 s of sound have exactly that number of frames.
    assert 1 + 2 * spec.sampling_rate // spec.hop_length == 87
    for seconds in (0.3, 2.0, 5.0):
        assert Extractor(spec)(noise(int(seconds * 22_050))).shape == (87, 128)


def test_names_of_deltas_and_functionals() -> None:
    spec = FeatureSpec(features=("rms", "f0"), deltas=2, functionals=("mean", "slope"))
    assert spec.feature_names == (
        *("rms_mean", "f0_mean", "rms_delta_mean", "f0_delta_mean"),
        *("rms_delta2_mean", "f0_delta2_mean"),
        *("rms_slope", "f0_slope", "rms_delta_slope", "f0_delta_slope"),
        *("rms_delta2_slope", "f0_delta2_slope"),
    )


def test_deltas_equal_the_function() -> None:
    y = noise(22_050)
    plain = Extractor(SPEC)(y)
    actual = Extractor(dataclasses.replace(SPEC, deltas=2))(y)
    n = plain.shape[1]
    np.testing.assert_array_equal(actual[:, :n], plain)
    for order in (1, 2):
        expected = features.delta(plain, order=order, axis=0, mode="nearest")
        np.testing.assert_array_equal(actual[:, order * n : (order + 1) * n], expected)


@pytest.mark.parametrize("n_samples", [1, 100, 2_000])
def test_deltas_of_few_frames(n_samples: int) -> None:
    spec = dataclasses.replace(SPEC, deltas=1)
    assert Extractor(spec)(noise(n_samples)).shape == (1 + n_samples // 512, 38)


# Normalisation -----------------------------------------------------------------------------------


def test_utterance_normalisation() -> None:
    spec = dataclasses.replace(SPEC, normalization="utterance")
    actual = Extractor(spec)(noise(44_100))
    np.testing.assert_allclose(actual.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(actual.std(axis=0), 1.0, atol=1e-4)


def test_spectrogram_normalisation_keeps_the_shape_of_the_spectrum() -> None:
    spec = dataclasses.replace(SPEC, features=("mel_db",), normalization="spectrogram")
    y = noise(44_100)
    actual, plain = (
        Extractor(spec)(y),
        Extractor(dataclasses.replace(spec, normalization="none"))(y),
    )
    assert actual.mean() == pytest.approx(0.0, abs=1e-5)
    assert actual.std() == pytest.approx(1.0, abs=1e-4)
    np.testing.assert_allclose(actual * plain.std() + plain.mean(), plain, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(Extractor(spec)(0.1 * y), actual, atol=1e-3)  # no floor is touched


@pytest.mark.parametrize("normalization", ["utterance", "spectrogram"])
def test_constant_features_become_zero(normalization: str) -> None:
    spec = dataclasses.replace(SPEC, features=("rms", "mel"), normalization=normalization)
    np.testing.assert_array_equal(Extractor(spec)(np.zeros(9_000, np.float32)), 0.0)


def test_corpus_normalisation_uses_only_training_data() -> None:
    spec = dataclasses.replace(SPEC, normalization="corpus")
    plain = Extractor(SPEC)
    training = [plain(noise(30_000, seed)) for seed in range(3)]
    statistics = Statistics.of(training)
    joined = np.concatenate(training)
    np.testing.assert_allclose(statistics.mean, joined.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(statistics.deviation, joined.std(axis=0), rtol=1e-3)
    test = noise(20_000, 99)
    expected = (plain(test) - statistics.mean) / statistics.deviation
    np.testing.assert_allclose(Extractor(spec, statistics)(test), expected, rtol=1e-6)


@settings(deadline=None, max_examples=50)
@given(
    lengths=st.lists(st.integers(1, 7), min_size=1, max_size=6),
    offset=st.sampled_from([0.0, 1.0, -4e3, 1e5]),
    seed=st.integers(0, 99),
)
def test_statistics_cover_all_frames(lengths: list[int], offset: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    recordings = [rng.normal(offset, 1.0, (n, 3)) for n in lengths]
    actual = Statistics.of(recordings)
    joined = np.concatenate(recordings)
    np.testing.assert_allclose(actual.mean, joined.mean(axis=0), rtol=1e-6, atol=1e-6)
    deviation = joined.std(axis=0)
    np.testing.assert_allclose(
        actual.deviation, np.where(deviation > 1e-6, deviation, 1), rtol=1e-5
    )


def test_statistics_of_vectors() -> None:
    actual = Statistics.of([np.array([1.0, 5.0]), np.array([3.0, 5.0])])
    np.testing.assert_array_equal(actual.mean, [2.0, 5.0])
    np.testing.assert_array_equal(actual.deviation, [1.0, 1.0])  # 5 is constant


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Statistics.of([]), "at least one recording"),
        (lambda: Statistics(np.zeros(2), np.zeros(2)), "deviations positive"),
        (lambda: Statistics(np.zeros(2), np.ones(3)), r"got shapes \(2,\) and \(3,\)"),
        (lambda: Statistics(np.array([np.nan]), np.ones(1)), "must be finite"),
        (
            lambda: Extractor(dataclasses.replace(SPEC, normalization="corpus"))(noise(9_000)),
            "'corpus' needs the `statistics` of training data",
        ),
        (
            lambda: Extractor(SPEC, Statistics(np.zeros(19), np.ones(19))),
            "`statistics` need spec.normalization to be 'corpus', got 'none'",
        ),
        (
            lambda: Extractor(
                dataclasses.replace(SPEC, normalization="corpus"),
                Statistics(np.zeros(3), np.ones(3)),
            ),
            "must be of the 19 features of `spec`, got 3",
        ),
    ],
)
def test_bad_statistics_raise(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_frames_are_cut_in_the_middle_and_padded_at_the_end() -> None:
    y = noise(22_050)
    uncut = Extractor(SPEC)(y)
    longer = Extractor(dataclasses.replace(SPEC, n_frames=60))(y)
    np.testing.assert_array_equal(longer[: len(uncut)], uncut)
    np.testing.assert_array_equal(longer[len(uncut) :], 0.0)
    shorter = Extractor(dataclasses.replace(SPEC, n_frames=10))(y)
    first = (len(uncut) - 10) // 2
    np.testing.assert_array_equal(shorter, uncut[first : first + 10])


# Functionals -------------------------------------------------------------------------------------


def test_functionals_match_their_definitions() -> None:
    frames = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    times = 0.25 * np.arange(30)
    expected = {
        "mean": frames.mean(axis=0),
        "std": frames.std(axis=0),
        "min": frames.min(axis=0),
        "max": frames.max(axis=0),
        "range": frames.max(axis=0) - frames.min(axis=0),
        **{f"percentile{q}": np.percentile(frames, q, axis=0) for q in (10, 25, 50, 75, 90)},
        "slope": np.polyfit(times, frames.astype(np.float64), 1)[0],
        "step_std": np.diff(frames, axis=0).std(axis=0),
    }
    assert set(expected) == set(FUNCTIONALS)
    actual = features.functionals(frames, list(expected), step=0.25)
    np.testing.assert_allclose(actual.reshape(-1, 4), list(expected.values()), rtol=1e-4, atol=1e-6)


def test_functionals_of_a_single_frame() -> None:
    actual = features.functionals(np.float32([[2.0, -1.0]]), list(FUNCTIONALS), step=0.01)
    by_name = dict(zip(FUNCTIONALS, actual.reshape(-1, 2).tolist(), strict=True))
    zero = {name for name, values in by_name.items() if values == [0.0, 0.0]}
    assert zero == {"std", "range", "slope", "step_std"}
    assert all(by_name[name] == [2.0, -1.0] for name in set(by_name) - zero)


def test_functionals_make_one_vector() -> None:
    names = ("mean", "percentile90", "slope")
    spec = dataclasses.replace(SPEC, functionals=names)
    y = noise(22_050)
    step = SPEC.hop_length / SPEC.sampling_rate
    expected = features.functionals(Extractor(SPEC)(y), names, step=step)
    np.testing.assert_array_equal(Extractor(spec)(y), expected)
    assert len(expected) == len(spec.feature_names)


def test_functionals_of_f0_use_voiced_frames() -> None:
    spec = dataclasses.replace(
        SPEC, features=("rms", "f0"), functionals=("mean", "min", "slope"), sampling_rate=16_000,
        fmax=8_000.0,
    )  # fmt: skip
    tone = np.sin(2 * np.pi * 200.0 * np.arange(16_000) / 16_000).astype(np.float32)
    followed = np.concatenate([tone, np.zeros(16_000, np.float32)])
    by_name = dict(zip(spec.feature_names, Extractor(spec)(followed).tolist(), strict=True))
    assert by_name["f0_mean"] == pytest.approx(200.0, rel=0.02)
    assert by_name["f0_min"] > 150.0
    assert by_name["rms_min"] == 0.0  # other features use all frames
    silent = dict(zip(spec.feature_names, Extractor(spec)(0 * tone).tolist(), strict=True))
    assert silent["f0_mean"] == silent["f0_slope"] == 0.0


@pytest.mark.parametrize(
    ("frames", "names", "message"),
    [
        (np.zeros((3, 2)), [], r"must be some of mean, .* got \[\]"),
        (np.zeros((3, 2)), ["median"], r"must be some of mean, .* got \['median'\]"),
        (np.zeros((0, 2)), ["mean"], r"at least one frame, got \(0, 2\)"),
        (np.zeros(3), ["mean"], r"shape \(n_frames, n_features\)"),
    ],
)
def test_bad_functionals_raise(frames: np.ndarray, names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        features.functionals(frames, names, step=0.01)


# Extreme input -----------------------------------------------------------------------------------

SOUNDS = {
    "one sample": np.float32([0.5]),
    "shorter than a frame": noise(100),
    "silence": np.zeros(9_000, np.float32),
    "constant": np.full(9_000, 0.5, np.float32),
    "clipped": np.clip(20 * noise(9_000), -1, 1),
    "square": np.sign(np.sin(np.arange(9_000))).astype(np.float32),
    "very quiet": 1e-12 * noise(9_000),
    "far too loud": 1e6 * noise(9_000),
    "float64": noise(9_000).astype(np.float64),
}


@pytest.mark.parametrize("name", SOUNDS)
def test_features_of_extreme_signals_are_finite(name: str) -> None:
    y = SOUNDS[name]
    spec = dataclasses.replace(EVERYTHING, features=tuple(set(N_COLUMNS) - {"log_mel"}), deltas=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        actual = Extractor(spec)(y)
        assert np.isfinite(actual).all()
        utterance = Extractor(dataclasses.replace(spec, normalization="utterance"))(y)
        assert np.isfinite(utterance).all()


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0, np.float32), r"at least one sample, got shape \(0,\)"),
        (np.zeros((2, 900), np.float32), r"one dimension .* got shape \(2, 900\)"),
        (np.float32([0.0, np.nan]), "must be finite"),
        (np.float32([0.0, np.inf]), "must be finite"),
        (np.arange(900, dtype=np.int16), "floating-point, .* got int16; .*audio.load"),
        (np.zeros(900, np.complex64), "floating-point, .* got complex64"),
    ],
)
def test_invalid_samples_raise(samples: np.ndarray, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        Extractor(SPEC)(samples)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": ()}, r"`features` must be a tuple of names, .* got \(\)"),
        ({"features": "rms"}, "`features` must be a tuple of names, each once, got 'rms'"),
        ({"features": ("rms", "rms")}, "each once"),
        ({"features": ("loudness",)}, "got .*loudness.*; expected some of rms, zero_crossing"),
        ({"functionals": ("median",)}, "`functionals` .* expected some of mean, std"),
        ({"mel_scale": "bark"}, "`mel_scale` must be one of htk, slaney, got 'bark'"),
        ({"normalization": "speaker"}, "`normalization` must be one of none, utterance, spectr"),
        ({"remove_offset": 1}, "`remove_offset` must be True or False, got 1"),
        ({"deltas": 3}, "`deltas` must be a whole number from 0 to 2, got 3"),
        ({"deltas": True}, "`deltas` must be a whole number from 0 to 2, got True"),
        ({"n_frames": 0}, "`n_frames` must be a whole number of at least 1, got 0"),
        ({"n_mfcc": 0}, "`n_mfcc` must be a whole number of at least 1, got 0"),
        ({"features": ("mfcc",), "n_mfcc": 105}, "`n_mfcc` must be at most n_mels = 104"),
        (
            {"features": ("band_energy_ratio",), "split_frequency": 9_000.0},
            "`split_frequency` must be above 0 and at most sampling_rate / 2 = 8000 Hz, got 9000",
        ),
        ({"split_frequency": "2 kHz"}, "`split_frequency` must be a number"),
        ({"f0_range": (500.0, 65.0)}, "a lower and a higher frequency in Hz"),
        ({"f0_range": 65.0}, "`f0_range` must be two frequencies in Hz, got 65.0"),
        ({"f0_range": (65.0, "high")}, "`f0_range` must be a number, got 'high'"),
        ({"features": ("f0",), "f0_range": (65.0, 9e3)}, "must end at sampling_rate / 2 = 8000 Hz"),
        ({"features": ("f0",), "f0_range": (40.0, 500.0)}, "two periods .* 800 samples for 40 Hz"),
        ({"functionals": ("mean",), "n_frames": 9}, "`n_frames` must be None with them"),
        ({"functionals": ("mean",), "normalization": "utterance"}, "cannot be normalised by utter"),
        (
            {"functionals": ("mean",), "normalization": "spectrogram"},
            "cannot be normalised by spec",
        ),
    ],
)
def test_invalid_spec_raises(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FeatureSpec(**arguments)


def test_empty_bands_raise() -> None:
    with pytest.raises(ValueError, match="n_mels"):
        Extractor(FeatureSpec(n_mels=200))


@pytest.mark.parametrize("name", PRESETS)
def test_spec_survives_json(name: str) -> None:
    spec = PRESETS[name]
    assert FeatureSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_spec_of_the_first_version_is_read() -> None:
    saved = {
        **{"sampling_rate": 16_000, "n_fft": 512, "win_length": 400, "hop_length": 160},
        **{"n_mels": 104, "fmin": 0.0, "fmax": 8_000.0, "preemphasis": 0.97, "log_offset": 1e-5},
    }
    assert FeatureSpec.from_dict(saved) == FeatureSpec() == PRESETS["log-mel"]


def test_presets_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        PRESETS["mine"] = SPEC  # type: ignore[index]


def test_saved_spec_keeps_the_key_of_its_format() -> None:
    spec = FeatureSpec(features=("rms",), normalization="corpus")
    saved = spec.to_dict()
    assert saved["normalisation"] == "corpus"
    assert "normalization" not in saved
    assert FeatureSpec.from_dict(saved) == spec
