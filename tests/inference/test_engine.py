"""The engine: every kind of recording in, one kind of answer out, alone and in batches."""

import copy
import dataclasses
import io
import itertools
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from emotionrecog.artifact import Artifact
from emotionrecog.audio import Waveform, load
from emotionrecog.errors import AudioError, EmotionRecogError, ModelError
from emotionrecog.features import Extractor, FeatureSpec
from emotionrecog.inference import Engine, Prediction, Recognizer
from emotionrecog.inference.windows import split_windows
from emotionrecog.recognizer import EmotionRecognizer
from tests.conftest import CLIP, run_python
from tests.inference.conftest import RATE

WINDOW = 6 * RATE  # of the engine `sharp`
LABELS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")

# How far the probabilities of one voice at two levels may lie apart.
LEVEL_ATOL = 1e-3


@pytest.fixture(scope="module")
def engine() -> Engine:
    """The engine of the bundled recogniser, whose answers these tests do not judge."""
    return EmotionRecognizer().engine


class Network:
    """Stands in for the ONNX session: answers at once, strongly, and remembers its input."""

    def __init__(self) -> None:
        self.batches: list[np.ndarray] = []
        weights = np.random.default_rng(0).normal(size=(FeatureSpec().n_mels, len(LABELS)))
        self.weights = 0.1 * (
            weights - weights.mean(axis=0)
        )  # depends on the shape of the spectrum

    def run(self, features: np.ndarray) -> np.ndarray:
        assert features.dtype == np.float32
        self.batches.append(features)
        logits = features.mean(axis=1) @ self.weights
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    network = Network()
    monkeypatch.setattr("emotionrecog.inference.engine.Session", lambda artifact: network)
    return network


@pytest.fixture
def sharp(network: Network) -> Engine:
    """An engine whose answers differ between any two recordings."""
    spec = FeatureSpec()
    return Engine(
        Artifact(
            name="sharp",
            labels=LABELS,
            features=spec,
            window_frames=1 + WINDOW // spec.hop_length,
            minimum_duration=0.4,
            architecture="",
            sizes={},
            temperature=1.0,
            training={},
            metrics={},
            versions={},
            onnx=b"",
            weights=b"",
            card="",
        )
    )


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    """The clip and a faint tone: nothing of it is silent, so that windows lie where one expects."""
    samples = load(CLIP, sampling_rate=RATE).samples.copy()
    samples[::2] += 0.02 * samples.std()
    return samples


@pytest.fixture(scope="module")
def voices(voice: np.ndarray) -> list[Waveform]:
    """Twenty recordings, each another stretch of the clip."""
    return [Waveform(voice[i * 3_000 : i * 3_000 + 8_000], RATE) for i in range(20)]


def different(predictions: list[Prediction]) -> int:
    return len({tuple(p.probabilities.values()) for p in predictions})


# One recording ------------------------------------------------------------------------------------


def check(prediction: Prediction) -> None:
    values = list(prediction.probabilities.values())
    assert tuple(prediction.probabilities) == LABELS
    assert all(type(value) is float and 0 <= value <= 1 for value in values)
    assert sum(values) == pytest.approx(1.0, abs=1e-5)
    assert prediction.confidence == max(values)
    assert prediction.probabilities[prediction.emotion] == prediction.confidence


def test_prediction_of_the_bundled_recogniser(engine: Engine) -> None:
    check(engine.predict(CLIP))


def test_prediction_follows_the_network(sharp: Engine, voices: list[Waveform]) -> None:
    predictions = [sharp.predict(voice) for voice in voices]
    for prediction in predictions:
        check(prediction)
    assert different(predictions) == len(voices)


@pytest.mark.parametrize("best", range(len(LABELS)))
def test_emotion_is_the_most_probable_label(
    sharp: Engine, network: Network, monkeypatch: pytest.MonkeyPatch, best: int
) -> None:
    answer = np.full((1, len(LABELS)), 0.1, dtype=np.float32)
    answer[0, best] = 0.3
    monkeypatch.setattr(network, "run", lambda features: answer)
    prediction = sharp.predict(CLIP)
    check(prediction)
    assert prediction.emotion == LABELS[best]
    assert prediction.confidence == pytest.approx(0.3)


def test_every_kind_of_source_gives_the_same_answer(sharp: Engine) -> None:
    samples, rate = soundfile.read(CLIP, dtype="float32")
    integers, _ = soundfile.read(CLIP, dtype="int16")
    expected = sharp.predict(CLIP)
    with CLIP.open("rb") as file:
        assert sharp.predict(file) == expected
    for source in (
        str(CLIP),
        CLIP.read_bytes(),
        io.BytesIO(CLIP.read_bytes()),
        Waveform(samples, rate),
        (samples, rate),
        (samples.astype(np.float64), rate),
        (integers, rate),
        (np.stack([samples, samples]), rate),
        (list(samples), rate),
    ):
        assert sharp.predict(source) == expected


def test_probabilities_are_those_of_the_prediction(engine: Engine, voice: np.ndarray) -> None:
    probabilities = engine.probabilities((voice, RATE))
    assert probabilities.shape == (len(LABELS),)
    assert probabilities.dtype == np.float32
    prediction = engine.predict((voice, RATE))
    assert list(prediction.probabilities.values()) == probabilities.tolist()


def test_silent_and_missing_recordings_are_errors(engine: Engine) -> None:
    with pytest.raises(AudioError, match="silent"):
        engine.predict((np.zeros(RATE), RATE))
    with pytest.raises(FileNotFoundError):
        engine.predict("no such file.wav")


def test_too_short_recording_is_named_with_its_duration(
    engine: Engine, voice: np.ndarray, tmp_path: Path
) -> None:
    minimum = engine.artifact.minimum_duration
    n_samples = round(minimum * RATE) - 1
    expected = rf"too short: expected at least {minimum:g} s .*, got {n_samples / RATE:.3f} s"
    with pytest.raises(AudioError, match=f"^the recording: {expected}$"):
        engine.predict((voice[:n_samples], RATE))
    path = tmp_path / "short.wav"
    soundfile.write(path, voice[:n_samples], RATE)
    for source in (path, str(path)):
        with pytest.raises(AudioError, match=rf"^'.*short\.wav': {expected}$"):
            engine.predict(source)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 24_414, 44_100, 48_000])
def test_shortest_recording_is_judged(engine: Engine, rate: int) -> None:
    n_samples = int(np.ceil(engine.artifact.minimum_duration * rate))
    noise = np.random.default_rng(0).normal(size=n_samples)
    check(engine.predict((noise, rate)))


# What the answer does not depend on ---------------------------------------------------------------


@pytest.mark.parametrize("gain", [1e-3, 10 ** (-60 / 20), 0.3, 30.0])
def test_level_does_not_matter(
    engine: Engine, sharp: Engine, voice: np.ndarray, gain: float
) -> None:
    for each in (engine, sharp):
        expected = each.probabilities((voice, RATE))
        answer = each.probabilities((np.float32(gain) * voice, RATE))
        np.testing.assert_allclose(answer, expected, rtol=0, atol=LEVEL_ATOL)


def test_level_does_not_matter_in_a_16_bit_file(engine: Engine, voice: np.ndarray) -> None:
    """At -30 dB the rounding of 16 bits is faint noise, about 50 dB below the voice."""
    quiet = np.round(voice / np.abs(voice).max() * 32_767 * 10 ** (-30 / 20)).astype(np.int16)
    expected = engine.probabilities((voice, RATE))
    np.testing.assert_allclose(engine.probabilities((quiet, RATE)), expected, atol=0.1)


def test_level_does_not_matter_to_windows(sharp: Engine, voice: np.ndarray) -> None:
    long = np.tile(voice, 4)
    expected = sharp.probabilities((long, RATE))
    answer = sharp.probabilities((np.float32(1e-3) * long, RATE))
    np.testing.assert_allclose(answer, expected, rtol=0, atol=LEVEL_ATOL)


def test_integers_are_scaled_to_floats(sharp: Engine, voice: np.ndarray) -> None:
    integers = np.round(voice * 20_000).astype(np.int16)
    expected = sharp.predict((integers.astype(np.float32) / 32_768, RATE))
    assert sharp.predict((integers, RATE)) == expected
    assert sharp.predict((integers.astype(np.int32) << 16, RATE)) == expected


# Long recordings ----------------------------------------------------------------------------------


@settings(deadline=None)
@given(n_samples=st.integers(1, 1_000_000))
def test_windows_are_as_many_as_overlap_by_half(n_samples: int) -> None:
    windows = split_windows(np.zeros(n_samples, dtype=np.float32), WINDOW)
    assert {len(window) for window in windows} == {WINDOW}
    count = len(windows)
    if n_samples <= WINDOW:
        assert count == 1
    else:  # the fewest that overlap by half
        assert (count - 1) * WINDOW / 2 >= n_samples - WINDOW
        assert (count - 2) * WINDOW / 2 < n_samples - WINDOW


@pytest.mark.parametrize("n_samples", [WINDOW + 1, WINDOW * 3 // 2 + 1, 60 * RATE + 7])
def test_windows_cover_everything(n_samples: int) -> None:
    windows = split_windows(np.arange(n_samples, dtype=np.float32), WINDOW)
    starts = np.array([window[0] for window in windows])
    assert starts[0] == 0
    assert windows[-1][-1] == n_samples - 1
    assert (np.diff(starts) >= 1).all()
    assert (np.diff(starts) <= WINDOW / 2 + 1).all()  # rounded to whole samples
    for window in windows:
        np.testing.assert_array_equal(np.diff(window), 1)


def test_recording_of_one_window_is_judged_as_it_is(
    sharp: Engine, network: Network, voice: np.ndarray
) -> None:
    samples = np.tile(voice, 2)[:WINDOW]
    sharp.predict((samples, RATE))
    (batch,) = network.batches
    np.testing.assert_allclose(batch, [Extractor(FeatureSpec())(samples)], rtol=0, atol=1e-3)


@pytest.mark.parametrize("offset", [0.0, 0.5])
@pytest.mark.parametrize("n_samples", [8_000, 50_001, WINDOW - 1])
def test_short_recording_is_surrounded_with_silence(
    sharp: Engine, network: Network, voice: np.ndarray, n_samples: int, offset: float
) -> None:
    speech = np.tile(voice, 2)[:n_samples]
    before = (WINDOW - n_samples) // 2
    samples = np.zeros(WINDOW, dtype=np.float32)
    samples[before : before + n_samples] = speech - speech.mean()
    sharp.predict((speech + np.float32(offset), RATE))
    (batch,) = network.batches
    np.testing.assert_allclose(batch, [Extractor(FeatureSpec())(samples)], rtol=0, atol=5e-3)


def test_long_recording_is_the_mean_of_its_windows(
    sharp: Engine, network: Network, voice: np.ndarray
) -> None:
    long = np.tile(voice, 14)[: 60 * RATE]
    answer = sharp.probabilities((long, RATE))
    batches, network.batches = network.batches, []
    assert sum(map(len, batches)) == 19  # every 3 s
    assert max(map(len, batches)) <= 8
    each = [
        sharp.probabilities((long[start : start + WINDOW], RATE))
        for start in range(0, 57 * RATE - WINDOW // 2 + 1, WINDOW // 2)
    ]
    assert len(each) == 19
    np.testing.assert_allclose(answer, np.mean(each, axis=0), atol=1e-4)
    assert np.ptp(each, axis=0).max() > 0.01  # they do differ


def test_bundled_recogniser_judges_a_minute(engine: Engine, voice: np.ndarray) -> None:
    long = np.tile(voice, 14)[: 60 * RATE]
    check(engine.predict((long, RATE)))


@pytest.mark.parametrize("seconds", [0.013, 0.5, 3.0])
@pytest.mark.parametrize("silence", [0.0, 0.5, 10 ** (-90 / 20)])
def test_silence_at_the_ends_changes_nothing(
    engine: Engine, voice: np.ndarray, silence: float, seconds: float
) -> None:
    """Digital silence, a constant offset, or what a codec leaves of silence."""
    pause = np.full(round(seconds * RATE), silence, dtype=np.float32)
    speech = voice.copy()
    if silence < 0.1:
        pause *= np.random.default_rng(0).normal(size=len(pause)).astype(np.float32)
    else:
        speech += np.float32(silence)
    expected = engine.probabilities((speech, RATE))
    for before, after in ((pause, pause[:0]), (pause[:0], pause), (pause, pause)):
        answer = engine.probabilities((np.concatenate([before, speech, after]), RATE))
        np.testing.assert_allclose(answer, expected, atol=0.02)


@pytest.mark.parametrize("background", [0.0, 0.5, 10 ** (-60 / 20)])
def test_silent_windows_are_not_judged(
    sharp: Engine, network: Network, voice: np.ndarray, background: float
) -> None:
    """A pause may be digital silence, a constant offset or faint noise."""
    speech = np.tile(voice, 2)[:WINDOW]
    pause = np.full(10 * WINDOW, background, dtype=np.float32)
    if background < 0.1:
        pause *= np.random.default_rng(0).normal(size=len(pause)).astype(np.float32)
    sharp.predict((np.concatenate([speech, pause, speech]), RATE))
    assert sum(map(len, network.batches)) == 4  # speech, and halves of it with pause


def test_quiet_windows_are_judged(sharp: Engine, network: Network, voice: np.ndarray) -> None:
    speech = np.tile(voice, 2)[:WINDOW]
    quiet = speech[::-1] * np.float32(10 ** (-30 / 20))
    sharp.predict((np.concatenate([speech, quiet, speech]), RATE))
    assert sum(map(len, network.batches)) == 5


# Many recordings ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 2, -1])
def test_batch_is_the_single_answers_in_order(
    sharp: Engine, voices: list[Waveform], n_jobs: int
) -> None:
    expected = [sharp.predict(voice) for voice in voices]
    assert different(expected) == len(voices)
    many = voices * 10  # more than are read ahead
    assert list(sharp.predict_batch(many, n_jobs=n_jobs)) == expected * 10


def test_batch_of_the_bundled_recogniser(engine: Engine, voices: list[Waveform]) -> None:
    expected = [engine.predict(voice) for voice in voices]
    assert list(engine.predict_batch(voices, n_jobs=2)) == expected


def test_batch_of_nothing(sharp: Engine) -> None:
    assert list(sharp.predict_batch([])) == []


def test_batch_of_mixed_kinds(sharp: Engine) -> None:
    expected = sharp.predict(CLIP)
    sources = (str(CLIP), CLIP, CLIP.read_bytes(), load(CLIP))  # a tuple of sources is no source
    assert list(sharp.predict_batch(sources)) == [expected] * 4


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_batch_reads_its_sources_lazily(sharp: Engine, voices: list[Waveform], n_jobs: int) -> None:
    n_read = 0

    def endless() -> Iterator[Waveform]:
        nonlocal n_read
        for voice in itertools.cycle(voices):
            n_read += 1
            yield voice

    answers = sharp.predict_batch(endless(), n_jobs=n_jobs)
    assert n_read == 0
    for n_taken in range(1, 150):
        next(answers)
        assert n_taken <= n_read <= n_taken + 16 * n_jobs
    answers.close()  # type: ignore[attr-defined]


def test_batch_raises_at_the_bad_recording(
    sharp: Engine, voices: list[Waveform], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_text("this is text")
    answers = sharp.predict_batch([*voices[:3], bad, *voices[3:]])
    assert [next(answers) for _ in range(3)] == [sharp.predict(voice) for voice in voices[:3]]
    with pytest.raises(AudioError, match=r"bad\.wav"):
        next(answers)
    assert list(answers) == []


def test_batch_keeps_errors_in_their_places(
    sharp: Engine, voices: list[Waveform], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_text("this is text")
    missing = tmp_path / "missing.wav"
    silent = (np.zeros(RATE), RATE)
    sources = [missing, *voices[:3], bad, *voices[3:], silent]
    answers = list(sharp.predict_batch(sources, on_error="keep"))
    assert [type(answer) for answer in (answers[0], answers[4], answers[-1])] == [
        FileNotFoundError,
        AudioError,
        AudioError,
    ]
    assert "missing.wav" in str(answers[0])
    assert "bad.wav" in str(answers[4])
    expected = [sharp.predict(voice) for voice in voices]
    assert [a for a in answers if not isinstance(a, EmotionRecogError | OSError)] == expected


def test_kept_errors_do_not_keep_the_samples(sharp: Engine) -> None:
    (error,) = sharp.predict_batch([(np.zeros(RATE), RATE)], on_error="keep")
    assert isinstance(error, AudioError)
    assert error.__traceback__ is None


class BrokenFile(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        raise ZeroDivisionError


def test_batch_raises_errors_that_are_not_of_a_recording(sharp: Engine) -> None:
    with pytest.raises(ZeroDivisionError):
        list(sharp.predict_batch([BrokenFile()], on_error="keep"))


def test_batch_with_an_unknown_treatment_of_errors(sharp: Engine) -> None:
    with pytest.raises(ValueError, match="`on_error` must be one of raise, keep, got 'ignore'"):
        sharp.predict_batch([CLIP], on_error="ignore")  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(str(CLIP), id="str"),
        pytest.param(CLIP, id="Path"),
        pytest.param(CLIP.read_bytes(), id="bytes"),
        pytest.param(bytearray(CLIP.read_bytes()), id="bytearray"),
        pytest.param(io.BytesIO(CLIP.read_bytes()), id="BytesIO"),
        pytest.param(load(CLIP), id="Waveform"),
    ],
)
def test_batch_of_a_single_recording_is_an_error(sharp: Engine, source: Any) -> None:
    with pytest.raises(ValueError, match=rf"got a single {type(source).__name__}; use `predict`"):
        sharp.predict_batch(source)


# Threads and processes ----------------------------------------------------------------------------


def test_one_engine_serves_many_threads(
    engine: Engine, voices: list[Waveform], voice: np.ndarray
) -> None:
    sources = [*voices, Waveform(np.tile(voice, 4), RATE)]
    expected = [engine.predict(source) for source in sources]
    together = threading.Barrier(8)

    def work(seed: int) -> bool:
        order = np.random.default_rng(seed).permutation(len(sources))
        together.wait()
        return all(engine.predict(sources[i]) == expected[i] for i in order)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))])
def test_engine_is_copied_whole(engine: Engine, voice: np.ndarray, duplicate: Any) -> None:
    mine = Engine(dataclasses.replace(engine.artifact, name="mine"))
    again = duplicate(mine)
    assert again.artifact == mine.artifact
    assert again.predict((voice, RATE)) == engine.predict((voice, RATE))


def test_batch_runs_in_processes_too(engine: Engine, tmp_path: Path) -> None:
    sources = [CLIP, tmp_path / "missing.wav", CLIP]
    with joblib.parallel_config(backend="loky"):
        answers = list(engine.predict_batch(sources, n_jobs=2, on_error="keep"))
    expected = engine.predict(CLIP)
    assert answers[0] == answers[2] == expected
    assert isinstance(answers[1], FileNotFoundError)


# The steps ---------------------------------------------------------------------------------------


def test_steps_make_the_answer(engine: Engine, voice: np.ndarray) -> None:
    recording = engine.load((np.tile(voice, 3), RATE))
    steps = list(engine.windows(recording))
    assert [len(windows) for windows, _ in steps] == [len(features) for _, features in steps]
    for windows, features in steps:
        np.testing.assert_array_equal(engine.extract(windows), features)
        assert {len(window) for window in windows} == {recording.window_length}
    answers = np.concatenate([engine.judge(features) for _, features in steps])
    np.testing.assert_array_equal(
        answers.mean(axis=0), engine.probabilities((np.tile(voice, 3), RATE))
    )


def test_load_finds_the_part_between_silence(engine: Engine, voice: np.ndarray) -> None:
    pause = np.zeros(RATE, dtype=np.float32)
    recording = engine.load((np.concatenate([pause, voice, pause]), RATE))
    assert recording.part.start == pytest.approx(RATE, abs=2)
    assert recording.part.stop == pytest.approx(RATE + len(voice), abs=2)
    assert len(recording.samples) == recording.part.stop - recording.part.start


def test_network_that_fails_is_a_model_error(engine: Engine) -> None:
    with pytest.raises(ModelError, match="failed on 7 frames"):
        engine.judge(np.zeros((1, 7, 3), dtype=np.float32))


def test_engine_is_a_recogniser(engine: Engine) -> None:
    """Type checkers accept both wherever a recogniser is asked for."""
    both: list[Recognizer] = [engine, EmotionRecognizer()]
    assert both[0].labels == both[1].labels == LABELS


def test_importing_the_package_does_not_import_onnx_runtime() -> None:
    code = "import sys, emotionrecog.inference; print('onnxruntime' in sys.modules)"
    assert run_python(code).strip() == "False"
