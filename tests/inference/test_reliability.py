"""What a recording must be like for the answer to be believed, and sets of emotions."""

import collections
import dataclasses
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotionrecog import EmotionRecognizer, audio, cli, datasets
from emotionrecog.audio import Waveform
from emotionrecog.augmentation import Clip
from emotionrecog.cli import predict
from emotionrecog.errors import ModelError
from emotionrecog.features import PRESETS, Extractor, FeatureSpec
from emotionrecog.inference import Prediction
from emotionrecog.inference.reliability import (
    AcousticProfile,
    LabelSets,
    Reference,
    Sound,
    warnings_for,
)
from tests.conftest import CLIP

RATE = 16_000
SETS = LabelSets((0.5, 0.8, 0.9, 0.99), (0.4, 0.7, 0.9, 1.0))


@pytest.fixture(scope="module")
def bundled() -> EmotionRecognizer:
    """The bundled recogniser, as if it had never been calibrated."""
    return uncalibrated(EmotionRecognizer())


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    return audio.load(CLIP, sampling_rate=RATE).samples


def uncalibrated(recognizer: EmotionRecognizer) -> EmotionRecognizer:
    return with_calibration(recognizer, {})


def with_calibration(recognizer: EmotionRecognizer, calibration: dict) -> EmotionRecognizer:
    return EmotionRecognizer(dataclasses.replace(recognizer.artifact, calibration=calibration))


def reference(mean: float = 0.0, durations: tuple[float, float] = (1.0, 9.0)) -> Reference:
    """A reference whose distances are those from `mean` in each of 28 numbers."""
    return Reference(np.full(28, mean), np.eye(28), 40.0, durations)


def sound_of(samples: np.ndarray, spec: FeatureSpec | None = None) -> Sound:
    spec = spec or FeatureSpec()
    profile = AcousticProfile(spec)
    fed = np.atleast_2d(Extractor(spec)(samples))
    return profile.measure(samples, [profile.moments(samples, fed)])


# Single checks -----------------------------------------------------------------------------------


def times(seconds: float = 2.0) -> np.ndarray:
    return np.arange(round(seconds * RATE)) / RATE


def overtones(hertz: float, t: np.ndarray) -> np.ndarray:
    return sum(np.sin(2 * np.pi * k * hertz * t) / k for k in range(1, 6))


def noise(power: float = 0.0) -> np.ndarray:
    """White noise, or noise whose spectrum falls."""
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(size=2 * RATE))
    return np.fft.irfft(spectrum / np.arange(1, len(spectrum) + 1) ** power)


def test_the_example_passes(bundled: EmotionRecognizer) -> None:
    answer = bundled.predict(CLIP)
    assert (answer.reasons, answer.is_reliable) == ((), True)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        pytest.param(overtones(50, times()), "no speech: the level hardly", id="hum"),
        pytest.param(overtones(1000, times()), "no speech: the level hardly", id="tone"),
        pytest.param(noise(), "no speech: the level hardly", id="white noise"),
        pytest.param(noise(0.5), "no speech: the level hardly", id="pink noise"),
        pytest.param(
            np.sin(2 * np.pi * (200 * times() + 300 * times() ** 2)),
            "no speech: the level hardly",
            id="chirp",
        ),
        pytest.param(
            (np.arange(2 * RATE) % 4000 == 0) * 1.0, "no speech: the level hardly", id="clicks"
        ),
        pytest.param(
            noise() * (1 + np.sin(8 * np.pi * times())),
            "no speech: nothing in it has the pitch",
            id="noise that swells",
        ),
        pytest.param(
            noise(0.5) * (times() % 0.5 < 0.3),
            "no speech: nothing in it has the pitch",
            id="bursts of noise",
        ),
        pytest.param(
            overtones(262, times()) * np.exp(-6 * (times() % 0.5)),
            "no speech: the pitch does not move",
            id="struck note",
        ),
    ],
)
def test_sounds_other_than_speech_are_reported(
    bundled: EmotionRecognizer, samples: np.ndarray, reason: str
) -> None:
    quiet = 0.1 * samples / np.abs(samples).max()
    answer = bundled.predict((quiet, RATE))
    assert not answer.is_reliable
    assert any(one.startswith(reason) for one in answer.reasons), answer.reasons


def test_too_short(bundled: EmotionRecognizer, voice: np.ndarray) -> None:
    answer = bundled.predict((voice[: round(0.6 * RATE)], RATE))
    assert re.fullmatch(r"too short: 0\.5\d s of sound, 1 s or more are needed", answer.reasons[0])
    sound = sound_of(voice[: round(0.6 * RATE)])
    training = dataclasses.replace(reference(), limit=1e9, durations=(1.3, 5.3))
    assert warnings_for(sound, training)[0] == "too short: 0.60 s of sound, trained on 1.3 to 5.3 s"


def test_silence_around_it_makes_no_recording_longer(
    bundled: EmotionRecognizer, voice: np.ndarray
) -> None:
    padded = np.pad(voice[: round(0.6 * RATE)], RATE)
    assert re.match(r"too short: 0\.(5|6)\d s", bundled.predict((padded, RATE)).reasons[0])


def test_too_quiet(bundled: EmotionRecognizer, voice: np.ndarray) -> None:
    loud = voice / np.sqrt(np.mean(voice**2))
    assert bundled.predict((loud * 10 ** (-55 / 20), RATE)).is_reliable
    (reason,) = bundled.predict((loud * 10 ** (-72 / 20), RATE)).reasons
    assert reason.startswith("too quiet: -7")


def test_clipped(bundled: EmotionRecognizer, voice: np.ndarray) -> None:
    for below, expected in ((0.0, False), (18.0, True)):
        spoilt = Clip(below_peak_db=below)(voice, RATE, np.random.default_rng(0))
        reasons = bundled.predict((spoilt, RATE)).reasons
        assert any(r.startswith("clipped: ") for r in reasons) is expected


@pytest.mark.parametrize("gain", [1e-2, 1.0, 30.0])
def test_level_changes_nothing_but_the_level(voice: np.ndarray, gain: float) -> None:
    plain, louder = sound_of(voice), sound_of((gain * voice).astype(np.float32))
    assert louder.level_db - plain.level_db == pytest.approx(20 * math.log10(gain), abs=1e-3)
    np.testing.assert_allclose(louder.shape, plain.shape, atol=1e-3)
    for name in ("duration", "flatness", "modulation_db", "periodicity", "pitch_spread"):
        expected = pytest.approx(getattr(plain, name), abs=1e-3, nan_ok=True)
        assert getattr(louder, name) == expected


def test_windows_sum_up_to_the_whole() -> None:
    spec = FeatureSpec()
    profile = AcousticProfile(spec)
    fed = np.random.default_rng(0).normal(size=(40, spec.n_mels)).astype(np.float32)
    samples = np.ones(4000, dtype=np.float32)
    together = profile.moments(samples, fed)
    apart = profile.moments(samples, fed[:15]) + profile.moments(samples, fed[15:])
    np.testing.assert_allclose(apart, together, rtol=1e-4)


@pytest.mark.parametrize(
    "spec",
    [
        PRESETS["mfcc"],
        PRESETS["log-mel-functionals"],
        FeatureSpec(sampling_rate=8000, n_fft=256, win_length=200, hop_length=80, fmax=4000,
                    n_mels=40),
        FeatureSpec(features=("rms",), sampling_rate=4000, n_fft=128, win_length=100,
                    hop_length=40, fmax=2000, n_mels=20),
    ],
    ids=["mfcc", "functionals", "8 kHz", "4 kHz"],
)  # fmt: skip
def test_any_features_can_be_checked(spec: FeatureSpec) -> None:
    """Speech passes, noise does not, whatever the network is fed."""
    clip = audio.load(CLIP, sampling_rate=spec.sampling_rate).samples
    assert warnings_for(sound_of(clip, spec)) == ()
    hiss = np.random.default_rng(0).normal(size=2 * spec.sampling_rate).astype(np.float32)
    assert "no speech" in warnings_for(sound_of(0.1 * hiss, spec))[0]


@pytest.mark.parametrize("rate", [16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("n_samples", [2, 3, 50, 400])
def test_milliseconds_can_be_measured(n_samples: int, rate: int) -> None:
    samples = np.random.default_rng(0).normal(size=n_samples).astype(np.float32)
    sound = sound_of(samples, FeatureSpec(sampling_rate=rate, n_fft=2048, win_length=2048))
    assert np.isfinite(dataclasses.astuple(sound)[:5]).all()
    assert np.isfinite(sound.shape).all()
    assert "too short" in warnings_for(sound)[0]


@pytest.mark.corpora
@pytest.mark.parametrize("corpus", ["ravdess", "crema_d", "savee", "tess"])
def test_nearly_all_recordings_pass(
    corpora_root: Path, bundled: EmotionRecognizer, corpus: str
) -> None:
    clips = datasets.CORPORA[corpus].utterances(corpora_root / corpus)
    some = [clips[i] for i in np.random.default_rng(0).permutation(len(clips))[:100]]
    reasons = [warnings_for(bundled.sound(clip.path)) for clip in some]
    assert sum(not one for one in reasons) >= 97, collections.Counter(reasons)


# What training was like --------------------------------------------------------------------------


def sounds(n_speakers: int, seed: int, shift: float = 0.0) -> tuple[list[Sound], list[str]]:
    """Recordings of speakers that differ, 20 of each."""
    rng = np.random.default_rng(seed)
    spread = np.linspace(0.5, 3.0, 28)
    made, speakers = [], []
    for number in range(n_speakers):
        voice = rng.normal(size=28)
        for _ in range(20):
            shape = shift + spread * (0.5 * voice + rng.normal(size=28))
            made.append(Sound(rng.uniform(2, 4), -30.0, 0.0, 7.0, 0.9, 3.0, shape))
            speakers.append(f"mine/{seed}-{number}")
    return made, speakers


def test_few_of_other_speakers_are_far() -> None:
    seen, speakers = sounds(40, seed=0)
    reference = Reference.of(seen, ["mine"] * len(seen), speakers)
    others, _ = sounds(100, seed=1)
    share = np.mean([reference.distance(sound) > reference.limit for sound in others])
    assert 0.002 < share < 0.03
    strangers, _ = sounds(3, seed=2, shift=8.0)
    assert all(
        "far from training data" in warnings_for(sound, reference)[-1] for sound in strangers
    )


def test_limit_is_that_of_speakers_who_had_no_part() -> None:
    """Those who had are nearer."""
    seen, speakers = sounds(6, seed=0)
    reference = Reference.of(seen, ["mine"] * len(seen), speakers)
    assert np.quantile([reference.distance(sound) for sound in seen], 0.99) < reference.limit


def test_corpora_count_equally() -> None:
    (few, who), (many, others) = sounds(2, seed=0, shift=4.0), sounds(20, seed=1)
    corpora = ["few"] * len(few) + ["many"] * len(many)
    reference = Reference.of([*few, *many], corpora, [*who, *others])
    halfway = np.mean([sound.shape for sound in few], axis=0) / 2
    halfway += np.mean([sound.shape for sound in many], axis=0) / 2
    np.testing.assert_allclose(reference.mean, halfway)


def test_reference_is_kept_as_plain_numbers() -> None:
    seen, speakers = sounds(5, seed=0)
    reference = Reference.of(seen, ["mine"] * len(seen), speakers)
    again = Reference.from_dict(json.loads(json.dumps(reference.to_dict())))
    for sound in seen[:5]:
        assert again.distance(sound) == pytest.approx(reference.distance(sound), rel=1e-3)
    assert 2 < again.durations[0] < again.durations[1] < 4


def test_a_single_speaker_makes_no_reference() -> None:
    seen, speakers = sounds(1, seed=0)
    with pytest.raises(ValueError, match="two speakers or more, got 1"):
        Reference.of(seen, ["mine"] * len(seen), speakers)


@pytest.mark.parametrize(
    "change",
    [
        {"mean": [0.0] * 27},
        {"mean": [0.0, 0.0], "whitening": [1.0, 0.0, 0.0, 1.0]},
        {"mean": [[0.0]] * 28},
        {"mean": [math.nan] * 28},
        {"mean": "near"},
        {"whitening": [1.0] * 5},
        {"limit": -1.0},
        {"limit": math.inf},
        {"limit": None},
        {"durations": [3.0, 1.0]},
        {"durations": [3.0]},
        {"durations": 3.0},
    ],
    ids=str,
)
def test_damaged_calibration_is_an_error(bundled: EmotionRecognizer, change: dict) -> None:
    values = {**reference().to_dict(), **change}
    with pytest.raises(ModelError, match=r"calibration of recogniser .* is damaged"):
        with_calibration(bundled, {"reference": values})


@pytest.mark.parametrize(
    "values",
    [
        {},
        [],
        "much",
        None,
        {"coverages": [], "limits": []},
        {"coverages": [0.8], "limits": [0.5, 0.6]},
        {"coverages": [0.8, 0.7], "limits": [0.5, 0.6]},
        {"coverages": [0.8, 0.9], "limits": [0.6, 0.5]},
        {"coverages": [0.8], "limits": [1.5]},
        {"coverages": [0.8], "limits": [math.nan]},
        {"coverages": ["much"], "limits": [0.5]},
    ],
    ids=str,
)
def test_damaged_label_sets_are_an_error(bundled: EmotionRecognizer, values: dict) -> None:
    with pytest.raises(ModelError, match=r"calibration of recogniser .* is damaged"):
        with_calibration(bundled, {"label_sets": values})


# Sets of emotions --------------------------------------------------------------------------------


@given(st.lists(st.floats(0.001, 1.0), min_size=2, max_size=9), st.floats(0.5, 0.99))
def test_sets_hold_the_most_probable_and_grow(given_shares: list[float], coverage: float) -> None:
    shares = np.array(given_shares) / sum(given_shares)
    chosen = SETS.of(shares, coverage)
    assert chosen[0] == shares.argmax()
    assert list(shares[chosen]) == sorted(shares[chosen], reverse=True)
    assert set(chosen) <= set(SETS.of(shares, 0.99)) == set(range(len(shares)))


def test_a_coverage_between_takes_the_next_higher() -> None:
    assert [SETS.limit(share) for share in (0.5, 0.6, 0.8, 0.81, 0.9)] == [0.4, 0.7, 0.7, 0.9, 0.9]


@pytest.mark.parametrize("coverage", [0.0, 0.4, 0.995, 1.0, 2.0, math.nan, True, "much"])
def test_coverage_out_of_bounds(bundled: EmotionRecognizer, coverage: object) -> None:
    recognizer = with_calibration(bundled, {"label_sets": SETS.to_dict()})
    with pytest.raises(ValueError, match="`coverage` must be"):
        recognizer.predict(CLIP, coverage=coverage)
    with pytest.raises(ValueError, match="`coverage` must be"):
        recognizer.predict_batch([CLIP], coverage=coverage)


@pytest.mark.parametrize("least", [-0.1, 1.1, math.nan, True, "much"])
def test_confidence_out_of_bounds(bundled: EmotionRecognizer, least: object) -> None:
    for ask in (bundled.predict, bundled.predict_batch):
        with pytest.raises(ValueError, match="`min_confidence` must be a number from 0 to 1"):
            ask(CLIP if ask == bundled.predict else [CLIP], min_confidence=least)


def test_label_sets_need_calibration(bundled: EmotionRecognizer) -> None:
    with pytest.raises(ModelError, match=r"has not been calibrated.*emotionrecog calibrate"):
        bundled.predict(CLIP, coverage=0.9)


def test_prediction_says_what_was_asked_for(bundled: EmotionRecognizer) -> None:
    recognizer = with_calibration(bundled, {"label_sets": SETS.to_dict()})
    plain = recognizer.predict(CLIP)
    assert plain.label_set is None
    assert "label_set" not in plain.to_dict()
    least = plain.confidence + 0.01
    asked = recognizer.predict(CLIP, min_confidence=least, coverage=0.99)
    assert asked.emotion == plain.emotion
    shown = math.floor(1000 * plain.confidence) / 1000  # never the requested one
    assert asked.reasons == (f"confidence {shown:g} is below the requested {least:g}",)
    ordered = sorted(plain.probabilities, key=lambda label: -plain.probabilities[label])
    assert asked.label_set == tuple(ordered)
    assert recognizer.predict(CLIP, min_confidence=plain.confidence).is_reliable
    (batch,) = recognizer.predict_batch([CLIP], min_confidence=least, coverage=0.99, n_jobs=1)
    assert batch == asked
    fields = json.loads(json.dumps(asked.to_dict()))
    assert fields["label_set"] == ordered
    assert (fields["is_reliable"], len(fields["reasons"])) == (False, 1)


def test_far_from_training(bundled: EmotionRecognizer) -> None:
    for mean, expected in ((1e3, 1), (0.0, 0)):
        values = dataclasses.replace(reference(mean), limit=500.0).to_dict()
        reasons = with_calibration(bundled, {"reference": values}).predict(CLIP).reasons
        assert len(reasons) == expected
        assert all(reason.startswith("far from training data: ") for reason in reasons)


# Command line ------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path: Path, bundled: EmotionRecognizer) -> str:
    folder = tmp_path / "model"
    with_calibration(bundled, {"label_sets": SETS.to_dict()}).save(folder)
    return str(folder)


def test_table_names_remarks(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--model", model, "--coverage", "0.99", "--min-confidence", "0.999"]
    assert cli.main(["predict", str(CLIP), *asked]) == 0
    head, among, unsure, blank, *_ = capsys.readouterr().out.splitlines()
    assert head.startswith(f"{CLIP}: ")
    assert len(among.replace(" or ", ", ").split(", ")) == 8
    assert unsure.startswith("unsure: confidence 0.")
    assert unsure.endswith("the requested 0.999")
    assert blank == ""
    assert cli.main(["predict", str(CLIP), str(CLIP), *asked]) == 0
    _, row, _ = capsys.readouterr().out.splitlines()
    assert f"{CLIP}  ({among}; {unsure})" in row


def test_table_of_a_sure_answer_has_no_remarks() -> None:
    prediction = Prediction(emotion="sad", confidence=1.0, probabilities={"sad": 1.0, "happy": 0.0})
    assert predict.FORMATS["table"].row("a.wav", prediction).endswith("  a.wav\n")
    only = dataclasses.replace(prediction, label_set=("sad",))
    assert predict.FORMATS["table"].row("a.wav", only).endswith("  a.wav  (only sad)\n")


def test_csv_has_columns_for_them(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    import csv
    import io

    asked = ["--model", model, "--format", "csv", "--coverage", "0.9", "--min-confidence", "1"]
    assert cli.main(["predict", str(CLIP), *asked]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert list(row)[-3:] == ["is_reliable", "reasons", "label_set"]
    assert row["is_reliable"] == "no"
    assert row["reasons"].startswith("confidence ")
    assert row["emotion"] == row["label_set"].split("; ")[0]


@pytest.mark.parametrize("option", ["--min-confidence", "--coverage"])
@pytest.mark.parametrize("value", ["-1", "2", "much", "nan"])
def test_wrong_share_is_status_2(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(["predict", str(CLIP), f"{option}={value}"])
    assert exit_.value.code == 2
    bounds = {"--min-confidence": "0 to 1", "--coverage": "0.5 to 0.99"}
    assert f"expected a number from {bounds[option]}" in capsys.readouterr().err


def test_command_without_calibration(
    bundled: EmotionRecognizer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundled.save(tmp_path / "model")
    arguments = ["predict", str(CLIP), "--model", str(tmp_path / "model"), "--coverage", "0.9"]
    assert cli.main(arguments) == 2
    assert "has not been calibrated" in capsys.readouterr().err


def test_recordings_at_other_rates_are_measured_alike(
    bundled: EmotionRecognizer, voice: np.ndarray
) -> None:
    faster = audio.load(Waveform(voice, RATE), sampling_rate=44_100)
    a, b = bundled.sound((voice, RATE)), bundled.sound(faster)
    assert a.modulation_db == pytest.approx(b.modulation_db, abs=0.2)
    assert a.level_db == pytest.approx(b.level_db, abs=0.2)
