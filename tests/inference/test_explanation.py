"""Explanations: maps of listeners who hear what is known, and voices that are made to measure."""

import io
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.stats import spearmanr

from emotionrecog import cli, plots
from emotionrecog.artifact import read
from emotionrecog.audio import Waveform, load
from emotionrecog.datasets import CORPORA, Utterance
from emotionrecog.errors import AudioError
from emotionrecog.inference import Engine
from emotionrecog.inference.explanation import (
    MEASURES,
    Explanation,
    deletion,
    explain,
    measure,
    randomised,
    similarity,
)
from emotionrecog.recognizer import EmotionRecognizer
from tests.conftest import CLIP, FORMAT_1

RATE = 16_000


@pytest.fixture(scope="module")
def recognizer() -> EmotionRecognizer:
    return EmotionRecognizer()


@pytest.fixture(scope="module")
def clip() -> Waveform:
    """A second and a half of the example."""
    waveform = load(CLIP, sampling_rate=RATE)
    return Waveform(waveform.samples[RATE : 5 * RATE // 2], RATE)


@pytest.fixture(scope="module")
def explanation(recognizer: EmotionRecognizer, clip: Waveform) -> Explanation:
    return recognizer.explain(clip)


class BandEngine(Engine):
    """An engine without a network: the more power some mel bands have, the surer it is of anger."""

    def __init__(self, bands: slice) -> None:
        super().__init__(EmotionRecognizer().artifact)
        self.bands = bands

    def judge(self, features: np.ndarray) -> np.ndarray:
        power = np.exp(features[:, :, self.bands]).sum(axis=2)
        logits = np.zeros((len(power), 8))
        logits[:, 4] = 7 + np.log(power.mean(axis=1))
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


def beep(hertz: float, at: float, seconds: float, duration: float = 0.2) -> np.ndarray:
    """Return a tone of some duration beside a hum that comes and goes, in a faint noise."""
    t = np.arange(round(seconds * RATE)) / RATE
    inside = np.clip(np.minimum(t - at, at + duration - t) / 0.02, 0, 1)
    tone = 0.05 * inside * np.sin(2 * np.pi * hertz * t)
    hum = 0.3 * (np.sin(10 * np.pi * t) > 0) * np.sin(2 * np.pi * 150 * t)
    noise = 1e-3 * np.random.default_rng(0).normal(size=len(t))
    return np.asarray(tone + hum + noise, np.float32)


# Which parts count --------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [1.5, 6.0])
@pytest.mark.parametrize("silence", [0.0, 1.0])
def test_map_names_what_the_network_hears(seconds: float, silence: float) -> None:
    """A listener to 3 kHz explains a beep there, not the one below; at the right time."""
    heard, unheard = 0.7 * seconds, 0.3 * seconds
    samples = beep(3000, heard, seconds) + beep(1500, unheard, seconds)
    samples = np.concatenate([np.zeros(round(silence * RATE), np.float32), samples])
    found = explain(BandEngine(slice(60, 70)), (samples, RATE), "angry")  # 2.3 to 3.2 kHz
    row, column = np.unravel_index(found.contribution.argmax(), found.contribution.shape)
    assert found.frequencies[row] < 3000 < found.frequencies[row + 1]
    middle = silence + heard + 0.1
    cell = found.times[1] - found.times[0]
    assert found.times[column] - cell < middle < found.times[column + 1] + cell
    assert found.contribution.max() > 0.5
    # What is left of the level without the hum moves everything a little.
    assert np.abs(np.delete(found.contribution, row, axis=0)).max() < 0.3
    is_away = np.abs(found.times[:-1] + cell / 2 - middle) > 0.1 + 2 * cell
    assert np.abs(found.contribution[row, is_away]).max() < 0.1
    best = found.parts[0]
    assert best.start - 0.01 < middle < best.end + 0.01
    assert found.parts[1].low < 3000 < found.parts[1].high
    assert all(part.probability < found.probabilities["angry"] - 0.1 for part in found.parts[:2])
    assert found.times[0] == pytest.approx(silence, abs=0.02)
    assert found.times[-1] == pytest.approx(silence + seconds, abs=0.02)


def test_what_speaks_against_is_named() -> None:
    samples = beep(3000, 0.9, 1.5)
    found = explain(BandEngine(slice(60, 70)), (samples, RATE), "sad")
    against = [part for part in found.parts if part.probability > found.probabilities["sad"]]
    assert any(part.start - 0.01 < 1.0 < part.end + 0.01 for part in against)
    assert found.over_time.min() < -0.1


def test_answer_is_that_of_the_recogniser(
    recognizer: EmotionRecognizer, clip: Waveform, explanation: Explanation
) -> None:
    expected = recognizer.predict(clip)
    assert explanation.emotion == expected.emotion
    assert explanation.probabilities == dict(expected.probabilities)
    assert explanation.duration == clip.duration
    other = recognizer.explain(clip, "sad")
    assert other.emotion == "sad"
    assert not np.allclose(other.contribution, explanation.contribution)


def test_same_recording_gives_the_same_map(
    recognizer: EmotionRecognizer, clip: Waveform, explanation: Explanation
) -> None:
    file = io.BytesIO()
    soundfile.write(file, clip.samples, RATE, format="WAV", subtype="FLOAT")
    file.seek(0)
    np.testing.assert_array_equal(recognizer.explain(file).contribution, explanation.contribution)


def test_level_does_not_matter(
    recognizer: EmotionRecognizer, clip: Waveform, explanation: Explanation
) -> None:
    quiet = recognizer.explain(Waveform(0.01 * clip.samples, RATE))
    np.testing.assert_allclose(quiet.contribution, explanation.contribution, atol=0.02)


def test_recogniser_with_other_features_is_explained() -> None:
    old = EmotionRecognizer(read(FORMAT_1))
    found = old.explain(CLIP)
    assert found.recognizer == "format-1"
    assert np.isfinite(found.contribution).all()


@pytest.mark.parametrize("seconds", [0.4, 0.45])
def test_shortest_recording_is_explained(recognizer: EmotionRecognizer, seconds: float) -> None:
    found = recognizer.explain((beep(300, 0.1, seconds), RATE))
    assert found.contribution.shape == (8, 4)


def test_click_is_explained(recognizer: EmotionRecognizer) -> None:
    samples = np.zeros(RATE, np.float32)
    samples[8000:8003] = (0.5, -0.5, 0.2)
    found = recognizer.explain((samples, RATE))
    assert np.isfinite(found.contribution).all()
    assert next(one for one in found.voice if one.name == "pitch").value is None
    assert "pitch: none could be measured" in str(found)


# What the voice did ------------------------------------------------------------------------------


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
    found = measure(voice(hertz))
    assert found["pitch"] == pytest.approx(hertz, rel=0.01)
    assert found["range of the pitch"] == pytest.approx(0, abs=0.2)


def test_range_of_the_pitch_is_in_semitones() -> None:
    found = measure(voice(lambda t: 150 * 2 ** (0.5 * np.sin(2 * np.pi * 0.4 * t)), depth=0.5))
    # A sine spends a tenth of the time above 0.951 of its height.
    assert found["range of the pitch"] == pytest.approx(2 * 6 * 0.951, abs=0.7)


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
    found = measure((np.concatenate([pause, loud, quiet]), RATE))
    assert found["range of the level"] == pytest.approx(12, abs=0.5)


def test_level_over_the_background_is_that_of_the_noise() -> None:
    samples, _ = voice(depth=0)
    noise = np.random.default_rng(1).normal(size=RATE)
    noise *= samples.std() / noise.std() * 10 ** (-20 / 20)
    found = measure((np.concatenate([noise, samples]), RATE))
    assert found["level over the background"] == pytest.approx(20, abs=1)


def test_gain_and_offset_change_nothing() -> None:
    samples, rate = voice()
    for changed in (0.003 * samples, 3 * samples + 0.2):
        found = measure((changed.astype(np.float32), rate))
        for name, value in measure((samples, rate)).items():
            assert found[name] == pytest.approx(value, rel=0.02, abs=0.05), name


def test_voice_is_compared_with_neutral_speech_of_its_sex() -> None:
    said, engine = voice(150, seconds=1.0), BandEngine(slice(0, 104))
    of = {sex: explain(engine, said, sex=sex) for sex in ("female", "male", None)}
    pitch = {sex: found.voice[2] for sex, found in of.items()}
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
    found = explain(engine, voice(300, seconds=1.0), neutral=[voice(140), voice(160)])
    pitch = found.voice[2]
    assert pitch.neutral == pytest.approx(math.sqrt(140 * 160), rel=0.01)
    assert pitch.difference == pytest.approx(12, abs=0.2)
    assert found.reference == "the speaker's own neutral speech (2 recordings)"
    same = explain(engine, voice(150, seconds=1.0), neutral=[voice(150, seconds=1.0)])
    assert all(one.deviations == pytest.approx(0, abs=1e-6) for one in same.voice)


@pytest.mark.corpora
def test_neutral_clips_are_neutral(corpora_root: Path) -> None:
    """Neutral clips stand where the file says that they do, and angry ones do not."""
    said = [u for u in CORPORA["crema_d"].utterances(corpora_root / "crema_d") if u.sex]

    def deviations(chosen: list[Utterance]) -> np.ndarray:
        engine = BandEngine(slice(0, 104))
        rows = [explain(engine, u.path, sex=u.sex).voice for u in chosen]
        return np.array([[one.deviations or 0.0 for one in row] for row in rows])

    neutral = deviations([u for u in said if u.emotion == "neutral"][::250])
    angry = deviations([u for u in said if u.emotion == "angry" and u.intensity == "high"][::30])
    assert np.abs(neutral.mean(axis=0)).max() < 1.2
    assert angry[:, 2].mean() > neutral[:, 2].mean() + 1  # the pitch
    assert angry[:, 5].mean() > neutral[:, 5].mean() + 1  # the brightness


# Whether a map means something -------------------------------------------------------------------


@pytest.mark.parametrize("only_heads", [False, True])
def test_randomised_network_gives_another_map(
    recognizer: EmotionRecognizer, clip: Waveform, explanation: Explanation, only_heads: bool
) -> None:
    forgetful = randomised(recognizer.engine, only_heads=only_heads)
    found = similarity(explanation, explain(forgetful, clip, explanation.emotion))
    assert abs(found.rank_correlation) < 0.5
    assert found.ssim < 0.5


@pytest.mark.parametrize("only_heads", [False, True])
def test_randomised_network_forgets_all_heads(
    recognizer: EmotionRecognizer, only_heads: bool
) -> None:
    onnx = pytest.importorskip("onnx")
    from onnx import numpy_helper

    def kernels(of: Engine) -> dict[str, tuple[str, np.ndarray]]:
        network = onnx.load_model_from_string(of.artifact.onnx)
        stored = {t.name: numpy_helper.to_array(t) for t in network.graph.initializer}
        return {
            name: (node.op_type, stored[name])
            for node in network.graph.node
            if node.op_type in ("Conv", "Gemm", "MatMul", "GRU")
            for name in node.input
            if name in stored and sum(size > 1 for size in stored[name].shape) > 1
        }

    engine = recognizer.engine
    before, after = kernels(engine), kernels(randomised(engine, only_heads=only_heads))
    assert {kind for kind, _ in before.values()} >= {"Conv", "MatMul", "GRU"}
    for name, (kind, values) in before.items():
        stayed = np.array_equal(values, after[name][1])
        assert stayed == (only_heads and kind == "Conv"), (name, kind)


def test_sanity_check_can_fail(explanation: Explanation) -> None:
    """A map of the same network with a little noise is recognised as the same."""
    found = similarity(explanation, perturbed(explanation, 0.05))
    assert found.rank_correlation > 0.8
    assert found.ssim > 0.8
    assert similarity(explanation, explanation).ssim == 1.0
    opposite = similarity(explanation, perturbed(explanation, 0.0, -1.0))
    assert opposite.rank_correlation == -1.0
    assert opposite.ssim < 0


def perturbed(explanation: Explanation, share: float, factor: float = 1.0) -> Explanation:
    values = explanation.contribution
    noise = np.random.default_rng(0).normal(size=values.shape) * values.std()
    fields = {name: getattr(explanation, name) for name in explanation.__dataclass_fields__}
    return Explanation(**{**fields, "contribution": factor * values + share * noise})


def test_rank_correlation_is_spearmans(explanation: Explanation) -> None:
    other = perturbed(explanation, 1.0)
    expected = spearmanr(explanation.contribution.ravel(), other.contribution.ravel()).statistic
    assert similarity(explanation, other).rank_correlation == pytest.approx(expected)


def test_constant_map_has_no_order(explanation: Explanation) -> None:
    assert math.isnan(similarity(explanation, perturbed(explanation, 0.0, 0.0)).rank_correlation)


def test_randomised_recogniser_is_another_one(recognizer: EmotionRecognizer) -> None:
    before = recognizer.probabilities(CLIP)
    one, same, other = (randomised(recognizer.engine, seed=seed) for seed in (0, 0, 1))
    assert not np.allclose(one.probabilities(CLIP), before, atol=0.01)
    np.testing.assert_array_equal(one.probabilities(CLIP), same.probabilities(CLIP))
    assert not np.allclose(one.probabilities(CLIP), other.probabilities(CLIP), atol=0.001)
    np.testing.assert_array_equal(recognizer.probabilities(CLIP), before)


def test_answer_rests_on_what_the_map_names(
    recognizer: EmotionRecognizer, clip: Waveform, explanation: Explanation
) -> None:
    gone = deletion(recognizer.engine, clip, explanation, n_random=3)
    before = explanation.probabilities[explanation.emotion]
    assert gone.by_map[0] == gone.by_energy[0] == pytest.approx(before)
    assert np.mean(gone.by_map) < np.mean(gone.at_random) - 0.05
    backwards = deletion(recognizer.engine, clip, perturbed(explanation, 0.0, -1.0), n_random=1)
    assert np.mean(backwards.by_map) > np.mean(gone.by_map) + 0.05


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"emotion": "joy"}, "`emotion` must be one of neutral, calm, .*, got 'joy'"),
        ({"sex": "f"}, "`sex` must be 'female', 'male' or None, got 'f'"),
        ({"sex": "male", "neutral": [str(CLIP)]}, "give one of the two"),
        ({"neutral": str(CLIP)}, "`neutral` must be a list of recordings, got a single str"),
    ],
)
def test_wrong_arguments_are_refused(
    recognizer: EmotionRecognizer, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        recognizer.explain(CLIP, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "message"),
    [(0.2, "too short: expected at least 0.4 s"), (61.0, "expected at most 60 s .* got 61.0 s")],
)
def test_durations_out_of_bounds_are_refused(
    recognizer: EmotionRecognizer, seconds: float, message: str
) -> None:
    with pytest.raises(AudioError, match=message):
        recognizer.explain((beep(300, 0.05, seconds), RATE))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shares": ()}, "`shares` must be one or more"),
        ({"shares": (0.5, 1.5)}, "each from 0 to 1, got"),
        ({"n_random": 0}, "`n_random` must be 1 or more, got 0"),
    ],
)
def test_wrong_shares_are_refused(
    recognizer: EmotionRecognizer,
    clip: Waveform,
    explanation: Explanation,
    arguments: dict[str, object],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        deletion(recognizer.engine, clip, explanation, **arguments)  # type: ignore[arg-type]


def test_silent_recordings_are_refused(recognizer: EmotionRecognizer) -> None:
    silence = Waveform(np.zeros(RATE, np.float32), RATE)
    for refused in (recognizer.explain, measure):
        with pytest.raises(AudioError, match="silent"):
            refused(silence)


def test_missing_neutral_recording_is_named(recognizer: EmotionRecognizer) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.wav"):
        recognizer.explain(CLIP, neutral=["no.wav"])


def test_maps_of_different_recordings_are_not_compared(
    recognizer: EmotionRecognizer, clip: Waveform, explanation: Explanation
) -> None:
    other = Waveform(clip.samples[:RATE], RATE)
    with pytest.raises(ValueError, match="two maps of one recording"):
        similarity(explanation, recognizer.explain(other))
    with pytest.raises(ValueError, match="must be of this recogniser and this recording"):
        deletion(recognizer.engine, other, explanation)
    with pytest.raises(ValueError, match=r"of 1\.500 s, got one of 1\.000 s"):
        plots.explanation(explanation.to_dict(), other)


# Numbers, picture, command -----------------------------------------------------------------------


def test_numbers_are_ready_for_json(explanation: Explanation) -> None:
    found = json.loads(json.dumps(explanation.to_dict()))
    assert found["emotion"] == explanation.emotion
    np.testing.assert_allclose(found["contribution"], explanation.contribution, atol=1e-4)
    assert len(found["times"]) == len(found["contribution"][0]) + 1
    assert len(found["frequencies"]) == len(found["contribution"]) + 1
    assert [one["name"] for one in found["voice"]] == list(MEASURES)
    assert found["sentences"] == str(explanation).splitlines()
    assert found["parts"][0]["probability"] == pytest.approx(
        explanation.parts[0].probability, abs=1e-4
    )


def test_sentences_tell_the_numbers(explanation: Explanation) -> None:
    first, stretch, band, *_ = explanation.sentences
    share = 100 * explanation.probabilities[explanation.emotion]
    assert first == f"{explanation.emotion} has {share:.0f} %"
    part = explanation.parts[0]
    assert stretch.startswith(f"without {part.start:.2f} to {part.end:.2f} s it would have ")
    assert f" to {explanation.parts[1].high:.0f} Hz it would have " in band


def test_picture_shows_the_numbers(clip: Waveform, explanation: Explanation) -> None:
    figure = plots.explanation(explanation.to_dict(), clip)
    wave, stretches, panel, bands, bar, voice_panel = figure.axes
    assert wave.get_xlim() == stretches.get_xlim() == panel.get_xlim() == (0.0, clip.duration)
    heights = [bar.get_height() for bar in stretches.patches]
    np.testing.assert_allclose(heights, explanation.over_time, atol=1e-4)
    widths = [bar.get_width() for bar in bands.patches]
    np.testing.assert_allclose(widths, explanation.over_frequency, atol=1e-4)
    (mesh,) = panel.collections
    np.testing.assert_allclose(mesh.get_array(), explanation.contribution, atol=1e-4)
    low, high = mesh.get_clim()
    assert low == -high
    assert bar.get_ylabel() == "fall of log-odds without it"
    names = [label.get_text() for label in voice_panel.get_yticklabels()]
    assert [name.startswith(known) for name, known in zip(names, MEASURES, strict=True)]
    assert voice_panel.get_xlabel().endswith(explanation.reference)


def test_command_writes_numbers_and_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], clip: Waveform
) -> None:
    sound, numbers, picture = (tmp_path / name for name in ("a.wav", "a.json", "a.png"))
    soundfile.write(sound, clip.samples, RATE)
    command = ["explain", str(sound), "--emotion", "sad", "--neutral", str(sound)]
    assert cli.main([*command, "--json", str(numbers), "--plot", str(picture)]) == 0
    out = capsys.readouterr().out
    found = json.loads(numbers.read_text(encoding="utf-8"))
    assert found["path"] == str(sound)
    assert found["emotion"] == "sad"
    assert out.splitlines() == found["sentences"]
    assert "the speaker's own neutral speech (1 recording)" in out
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.wav"], "no.wav"),
        ([str(CLIP), "--emotion", "joy"], "`emotion` must be one of"),
        ([str(CLIP), "--json", "no/folder.json"], "no such folder to write to: 'no'"),
    ],
)
def test_command_says_what_is_wrong(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert cli.main(["explain", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


def test_explaining_loads_nothing_heavy() -> None:
    code = (
        "import sys; import numpy as np; from emotionrecog import EmotionRecognizer; "
        "EmotionRecognizer().explain((np.sin(np.arange(8000.0)), 16000)); "
        "print({'tensorflow', 'keras', 'librosa', 'numba', 'matplotlib', 'pandas', 'sklearn', "
        "'scipy.signal', 'onnx'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
