"""Predictions: from recognisers, functions and networks, and as a table in a file."""

import csv
import dataclasses
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from emotionrecog import audio, evaluation
from emotionrecog.audio import Waveform
from emotionrecog.datasets import EMOTIONS, Utterance
from emotionrecog.errors import AudioError, DatasetError
from emotionrecog.evaluation import (
    Predictions,
    evaluate,
)
from emotionrecog.features import Extractor, FeatureSpec
from emotionrecog.recognizer import EmotionRecognizer
from tests.conftest import Scripted

# What two made-up corpora act.
from tests.evaluation.conftest import (
    by_pitch,
    measure,
    predictions_of,
    utterance,
)


def test_song_is_reported_apart_from_speech() -> None:
    clips = [utterance("first", 0, "happy"), utterance("first", 1, "sad", "song")]
    answer = {clip.path: np.full(8, 0.01) + 0.92 * np.eye(8)[2] for clip in clips}
    report = measure(answer, clips)
    assert [(row.corpus, row.wa_open) for row in report.corpora] == [
        ("first", 1.0),
        ("first song", 0.0),
    ]


def test_clips_that_fail_are_counted_and_left_out(
    clips: list[Utterance], script: dict[Path, Any], caplog: pytest.LogCaptureFixture
) -> None:
    failing = [clips[5].path, clips[17].path]
    broken = script | dict.fromkeys(failing, AudioError("silent"))
    report = measure(broken, clips)
    rest = [clip for clip in clips if clip.path not in failing]
    assert report == dataclasses.replace(measure(script, rest), n_failed=2)
    assert [f"left out {path}: silent" in caplog.text for path in failing] == [True, True]
    assert "left out: 2 clips that could not be judged" in str(report)
    assert "could not be judged" not in str(measure(script, rest))


def test_test_set_without_usable_clips_is_an_error(clips: list[Utterance]) -> None:
    broken = {clip.path: FileNotFoundError(str(clip.path)) for clip in clips[:3]}
    with pytest.raises(DatasetError, match="none of the 3 clips"):
        measure(broken, clips[:3])


def test_emotion_without_label_is_an_error(clips: list[Utterance], script: dict[Path, Any]) -> None:
    recognizer = Scripted(script.__getitem__)
    recognizer.labels = tuple(e for e in EMOTIONS if e != "calm")
    with pytest.raises(
        DatasetError, match=r"must be labelled with one of neutral, happy.*found calm"
    ):
        evaluate(cast(EmotionRecognizer, recognizer), clips)


def test_any_function_is_measured(recordings: list[Utterance]) -> None:
    seen = []

    def judge(clips: list[Waveform]) -> Any:
        seen.append([clip.sampling_rate for clip in clips])
        return by_pitch(clips).tolist()

    report = evaluate(judge, recordings, labels=("happy", "sad"))
    assert report.corpora[0].uar == 1.0
    assert [len(rates) for rates in seen] == [16, 4]
    assert {rate for rates in seen for rate in rates} == {16_000, 8_000}
    assert report.name == "judge"
    assert "nothing is known about the training data" in report.audited
    assert report.predictions is not None
    lengths = [(4 + i % 3) / 8 for i in range(20)]
    np.testing.assert_allclose(report.predictions.durations, lengths)


def test_network_takes_features(recordings: list[Utterance]) -> None:
    """Of clips of one length together; with functionals, one row of features for each."""
    spec = FeatureSpec(features=("zero_crossing_rate", "rms"), n_frames=None)
    shapes = []

    def network(frames: np.ndarray) -> np.ndarray:
        assert frames.dtype == np.float32
        shapes.append(frames.shape)
        rate = frames[:, 2:-2, 0].mean(axis=1)
        return np.column_stack([rate > 0.05, rate <= 0.05])

    report = evaluate(network, recordings, labels=("happy", "sad"), features=spec)
    assert report.corpora[0].uar == 1.0
    assert {shape[2] for shape in shapes} == {2}
    assert len({shape[1] for shape in shapes}) == 3
    assert sum(shape[0] for shape in shapes) == 20
    shapes.clear()
    summed = dataclasses.replace(spec, functionals=("mean",))
    evaluate(lambda x: shapes.append(x.shape) or np.full((len(x), 2), 0.5), recordings,
             labels=("happy", "sad"), features=summed)  # fmt: skip
    assert shapes == [(16, 2), (4, 2)]


@pytest.mark.tensorflow
def test_keras_network_is_measured(recordings: list[Utterance]) -> None:
    import keras

    spec = FeatureSpec(n_frames=20)
    network = keras.Sequential(
        [
            keras.Input((20, len(spec.feature_names))),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(2, activation="softmax"),
        ],
        name="mine",
    )
    report = evaluate(network, recordings, labels=("happy", "sad"), features=spec, n_jobs=1)
    extract = Extractor(spec)
    first = extract(audio.load(recordings[0].path, sampling_rate=spec.sampling_rate).samples)
    assert report.predictions is not None
    np.testing.assert_allclose(
        report.predictions.probabilities[0], np.asarray(network(first[np.newaxis]))[0], rtol=1e-5
    )
    assert report.name == "mine"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda n: np.full((n, 3), 1 / 3), r"shape \(16, 2\).*got shape \(16, 3\)"),
        (lambda n: np.full((n + 1, 2), 1 / 2), r"got shape \(17, 2\)"),
        (lambda n: np.full(n, 1 / 2), r"got shape \(16,\)"),
        (lambda n: None, "expected probabilities of shape"),
        (lambda n: [[0.5, 0.5]] * (n - 1) + [[1.0]], "which NumPy cannot convert to an array"),
        (lambda n: "happy", "which NumPy cannot convert to an array"),
        (lambda n: np.full((n, 2), np.nan), r"must be finite, got nan, nan for '.*0.wav'"),
        (lambda n: np.array([[np.inf, 0]] * n), "must be finite"),
        (lambda n: np.array([[1.5, -0.5]] * n), r"must be 0 or more, got 1.5, -0.5 .*a softmax"),
        (lambda n: np.array([[3.0, 1.0]] * n), "must sum to 1, got 3, 1 .*16 such clips"),
    ],
)
def test_invalid_probabilities_are_an_error(
    answer: Any, message: str, recordings: list[Utterance]
) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(lambda clips: answer(len(clips)), recordings, labels=("happy", "sad"))


def test_invalid_arguments_are_an_error(recordings: list[Utterance]) -> None:
    with pytest.raises(DatasetError, match="the test set is empty"):
        evaluate(by_pitch, [], labels=("happy", "sad"))
    with pytest.raises(ValueError, match="a function needs `labels`"):
        evaluate(by_pitch, recordings)
    with pytest.raises(ValueError, match="two or more different names"):
        evaluate(by_pitch, recordings, labels=("sad", "sad"))
    with pytest.raises(ValueError, match="must be an EmotionRecognizer or a function"):
        evaluate(cast(Any, "english-8"), recordings, labels=("happy", "sad"))
    with pytest.raises(ValueError, match="a recogniser has its own"):
        evaluate(cast(Any, Scripted({}.__getitem__)), recordings, labels=("happy", "sad"))
    with pytest.raises(DatasetError, match="must be labelled with one of happy, angry; found sad"):
        evaluate(by_pitch, recordings, labels=("happy", "angry"))


def test_unreadable_recordings_are_counted(
    recordings: list[Utterance],
) -> None:
    recordings[3].path.write_bytes(b"no sound")
    recordings[7].path.unlink()
    report = evaluate(by_pitch, recordings, labels=("happy", "sad"))
    assert report.n_failed == 2
    assert report.predictions is not None
    assert list(report.predictions.failed) == [recordings[3].path, recordings[7].path]
    assert report.corpora[0].n_clips == 18


def test_predictions_are_written_and_read_as_a_table(
    clips: list[Utterance], script: dict[Path, Any], tmp_path: Path
) -> None:
    rooted = [dataclasses.replace(clip, path=tmp_path / "wav" / clip.path) for clip in clips]
    script = {tmp_path / "wav" / path: row for path, row in script.items()}
    predictions = predictions_of(rooted, script)
    file = tmp_path / "kept" / "predictions.csv"
    predictions.write_csv(file, root=tmp_path)
    with file.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert rows[0]["path"] == f"wav/{clips[0].path}"
    assert rows[0]["acted"] == clips[0].emotion
    row = next(r for r in measure(script, rooted).corpora if r.corpus == "second")
    right = [r["acted"] == r["answered"] for r in rows if r["corpus"] == "second"]
    assert np.mean(right) == pytest.approx(row.wa)

    again = Predictions.read_csv(file, reversed(rooted), root=tmp_path)
    assert again.utterances == predictions.utterances
    np.testing.assert_allclose(again.probabilities, predictions.probabilities, rtol=1e-8)
    first, second = evaluation.report(predictions), evaluation.report(again)
    assert second.corpora[0].confusion == first.corpora[0].confusion

    described = Predictions.read_csv(file, root=tmp_path)
    assert [u.path for u in described.utterances] == [u.path for u in predictions.utterances]
    assert evaluation.report(described).corpora[0].confusion == first.corpora[0].confusion

    with pytest.raises(DatasetError, match="found another clip: 'wav/"):
        Predictions.read_csv(file, rooted[1:], root=tmp_path)
    file.write_text("path,sad\n")
    with pytest.raises(DatasetError, match="must be a table"):
        Predictions.read_csv(file, rooted)
    file.write_text("path,happy,sad\nwav/a.wav,much,little\n")
    clip = Utterance(Path("wav/a.wav"), "sad", "mine", "mine/x")
    with pytest.raises(DatasetError, match="must hold numbers"):
        Predictions.read_csv(file, [clip])
    with pytest.raises(DatasetError, match="found no 'acted'; pass the utterances"):
        Predictions.read_csv(file)
    file.write_text("path,happy,sad\n" + 2 * "wav/a.wav,0.5,0.5\n")
    with pytest.raises(DatasetError, match="found a clip twice"):
        Predictions.read_csv(file, [clip])
