"""Attribution: maps of networks that use known bands, and their numbers and pictures."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotionrecog import cli, plots
from emotionrecog.artifact import read
from emotionrecog.audio import Waveform
from emotionrecog.errors import AudioError
from emotionrecog.inference.acoustics import MEASURES
from emotionrecog.inference.attribution import Explanation, explain
from emotionrecog.recognizer import EmotionRecognizer
from tests.conftest import CLIP, FORMAT_1, run_python
from tests.inference.conftest import RATE, BandEngine


def beep(hertz: float, at: float, seconds: float, duration: float = 0.2) -> np.ndarray:
    """Return a tone of some duration beside a hum that comes and goes, in a faint noise."""
    t = np.arange(round(seconds * RATE)) / RATE
    inside = np.clip(np.minimum(t - at, at + duration - t) / 0.02, 0, 1)
    tone = 0.05 * inside * np.sin(2 * np.pi * hertz * t)
    hum = 0.3 * (np.sin(10 * np.pi * t) > 0) * np.sin(2 * np.pi * 150 * t)
    noise = 1e-3 * np.random.default_rng(0).normal(size=len(t))
    return np.asarray(tone + hum + noise, np.float32)


# The map ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [1.5, 6.0])
@pytest.mark.parametrize("silence", [0.0, 1.0])
def test_map_names_the_bands_that_the_network_uses(seconds: float, silence: float) -> None:
    """A network that uses 3 kHz explains a beep there, not the one below, at the right time."""
    inside, outside = 0.7 * seconds, 0.3 * seconds  # of the band
    samples = beep(3000, inside, seconds) + beep(1500, outside, seconds)
    samples = np.concatenate([np.zeros(round(silence * RATE), np.float32), samples])
    explanation = explain(BandEngine(slice(60, 70)), (samples, RATE), "angry")  # 2.3 to 3.2 kHz
    row, column = np.unravel_index(
        explanation.contribution.argmax(), explanation.contribution.shape
    )
    assert explanation.frequencies[row] < 3000 < explanation.frequencies[row + 1]
    middle = silence + inside + 0.1
    cell = explanation.times[1] - explanation.times[0]
    assert explanation.times[column] - cell < middle < explanation.times[column + 1] + cell
    assert explanation.contribution.max() > 0.5
    # What is left of the level without the hum moves everything a little.
    assert np.abs(np.delete(explanation.contribution, row, axis=0)).max() < 0.3
    is_away = np.abs(explanation.times[:-1] + cell / 2 - middle) > 0.1 + 2 * cell
    assert np.abs(explanation.contribution[row, is_away]).max() < 0.1
    best = explanation.parts[0]
    assert best.start - 0.01 < middle < best.end + 0.01
    assert explanation.parts[1].low < 3000 < explanation.parts[1].high
    assert all(
        part.probability < explanation.probabilities["angry"] - 0.1
        for part in explanation.parts[:2]
    )
    assert explanation.times[0] == pytest.approx(silence, abs=0.02)
    assert explanation.times[-1] == pytest.approx(silence + seconds, abs=0.02)


def test_parts_against_the_emotion_are_named() -> None:
    samples = beep(3000, 0.9, 1.5)
    explanation = explain(BandEngine(slice(60, 70)), (samples, RATE), "sad")
    against = [
        part for part in explanation.parts if part.probability > explanation.probabilities["sad"]
    ]
    assert any(part.start - 0.01 < 1.0 < part.end + 0.01 for part in against)
    assert explanation.over_time.min() < -0.1


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
    explanation = old.explain(CLIP)
    assert explanation.recognizer == "format-1"
    assert np.isfinite(explanation.contribution).all()


@pytest.mark.parametrize("seconds", [0.4, 0.45])
def test_shortest_recording_is_explained(recognizer: EmotionRecognizer, seconds: float) -> None:
    explanation = recognizer.explain((beep(300, 0.1, seconds), RATE))
    assert explanation.contribution.shape == (8, 4)


def test_click_is_explained(recognizer: EmotionRecognizer) -> None:
    samples = np.zeros(RATE, np.float32)
    samples[8000:8003] = (0.5, -0.5, 0.2)
    explanation = recognizer.explain((samples, RATE))
    assert np.isfinite(explanation.contribution).all()
    assert next(one for one in explanation.voice if one.name == "pitch").value is None
    assert "pitch: could not be measured" in str(explanation)


# Wrong arguments -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"emotion": "joy"}, "`emotion` must be one of neutral, calm, .*, got 'joy'"),
        ({"sex": "f"}, "`sex` must be one of female, male, None, got 'f'"),
        ({"sex": "male", "neutral": [str(CLIP)]}, "pass one of the two"),
        ({"neutral": str(CLIP)}, "`neutral` must be a list of recordings, got a single str"),
    ],
)
def test_wrong_arguments_are_errors(
    recognizer: EmotionRecognizer, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        recognizer.explain(CLIP, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "message"),
    [(0.2, "too short: expected at least 0.4 s"), (61.0, "expected at most 60 s .* got 61.0 s")],
)
def test_durations_out_of_bounds_are_errors(
    recognizer: EmotionRecognizer, seconds: float, message: str
) -> None:
    with pytest.raises(AudioError, match=message):
        recognizer.explain((beep(300, 0.05, seconds), RATE))


def test_missing_neutral_recording_is_named(recognizer: EmotionRecognizer) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.wav"):
        recognizer.explain(CLIP, neutral=["no.wav"])


def test_silent_recordings_are_not_explained(recognizer: EmotionRecognizer) -> None:
    with pytest.raises(AudioError, match="silent"):
        recognizer.explain(Waveform(np.zeros(RATE, np.float32), RATE))


def test_picture_of_another_recording(clip: Waveform, explanation: Explanation) -> None:
    other = Waveform(clip.samples[:RATE], RATE)
    with pytest.raises(ValueError, match=r"of 1\.500 s, got one of 1\.000 s"):
        plots.explanation(explanation.to_dict(), other)


# Numbers, picture, command ---------------------------------------------------------------------


def test_numbers_are_ready_for_json(explanation: Explanation) -> None:
    values = json.loads(json.dumps(explanation.to_dict()))
    assert values["emotion"] == explanation.emotion
    np.testing.assert_allclose(values["contribution"], explanation.contribution, atol=1e-4)
    assert len(values["times"]) == len(values["contribution"][0]) + 1
    assert len(values["frequencies"]) == len(values["contribution"]) + 1
    assert [one["name"] for one in values["voice"]] == list(MEASURES)
    assert values["sentences"] == str(explanation).splitlines()
    assert values["parts"][0]["probability"] == pytest.approx(
        explanation.parts[0].probability, abs=1e-4
    )


def test_sentences_contain_the_numbers(explanation: Explanation) -> None:
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
    assert [name.startswith(measure) for name, measure in zip(names, MEASURES, strict=True)]
    assert voice_panel.get_xlabel().endswith(explanation.reference)


def test_command_writes_numbers_and_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], clip: Waveform
) -> None:
    sound, numbers, picture = (tmp_path / name for name in ("a.wav", "a.json", "a.png"))
    soundfile.write(sound, clip.samples, RATE)
    command = ["explain", str(sound), "--emotion", "sad", "--neutral", str(sound)]
    assert cli.main([*command, "--json", str(numbers), "--plot", str(picture)]) == 0
    out = capsys.readouterr().out
    values = json.loads(numbers.read_text(encoding="utf-8"))
    assert values["path"] == str(sound)
    assert values["emotion"] == "sad"
    assert out.splitlines() == values["sentences"]
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
    assert run_python(code).strip() == "set()"
