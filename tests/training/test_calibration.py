"""Temperatures, label sets and the records of calibrated recognisers."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotionrecog import EmotionRecognizer, cli, datasets, plots
from emotionrecog.artifact import Artifact, read, write
from emotionrecog.datasets import EMOTIONS, Utterance
from emotionrecog.errors import DatasetError, LeakageError
from emotionrecog.evaluation import Predictions, evaluate, report, risk_coverage
from emotionrecog.inference.reliability import Reference
from emotionrecog.training import calibration, card
from emotionrecog.training.calibration import (
    COVERAGES,
    calibrate,
    fit_label_sets,
    fit_temperature,
    sharpened,
    summary,
)
from tests.conftest import FORMAT_1

RATE = 16_000


# Made-up answers ---------------------------------------------------------------------------------


def answers(
    n_speakers: int,
    *,
    temperature: float,
    corpus: str = "mine",
    n_clips: int = 40,
    seed: int = 0,
    wrong: bool = False,
) -> Predictions:
    """Return answers that are correct as often as another temperature predicts, or never."""
    rng = np.random.default_rng(seed)
    n = n_speakers * n_clips
    logits = rng.normal(scale=1.5, size=(n, len(EMOTIONS)))
    if wrong:
        acted = logits.argmin(axis=1)
    else:
        true = np.exp(logits / temperature)
        true /= true.sum(axis=1, keepdims=True)
        acted = np.array([rng.choice(len(EMOTIONS), p=row) for row in true])
    shares = np.exp(logits)
    return Predictions(
        labels=EMOTIONS,
        utterances=tuple(
            Utterance(
                Path(f"{corpus}-{seed}-{i}.wav"), EMOTIONS[a], corpus, f"{corpus}/{i // n_clips}"
            )
            for i, a in enumerate(acted)
        ),
        probabilities=shares / shares.sum(axis=1, keepdims=True),
        durations=np.full(n, 2.0),
    )


def speakers(predictions: Predictions) -> np.ndarray:
    return np.array([utterance.speaker for utterance in predictions.utterances])


# Fitting -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("true", [0.5, 1.0, 2.0])
def test_temperature_is_found(true: float) -> None:
    scaled = answers(60, temperature=true)
    actual = fit_temperature(scaled.probabilities, scaled.acted, np.ones(len(scaled.acted)))
    assert actual == pytest.approx(true, rel=0.08)
    calibrated = dataclasses.replace(scaled, probabilities=sharpened(scaled.probabilities, actual))
    assert report(calibrated).calibration_error < 0.03
    if true != 1:
        assert report(scaled).calibration_error > 0.08


def test_weights_count() -> None:
    """Clips of weight 2 count twice, those of weight 0 not at all."""
    scaled = answers(4, temperature=2.0)
    weights = np.tile([0.0, 1.0, 2.0, 1.0], len(scaled.acted) // 4)
    index = np.repeat(np.arange(len(scaled.acted)), weights.astype(int))
    expected = fit_temperature(
        scaled.probabilities[index], scaled.acted[index], np.ones(len(index))
    )
    actual = fit_temperature(scaled.probabilities, scaled.acted, weights)
    assert actual == pytest.approx(expected, rel=1e-3)


def test_sharpening_applies_a_temperature() -> None:
    logits = np.random.default_rng(0).normal(size=(5, 8))
    shares = sharpened(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), 0.5)
    expected = np.exp(2 * logits)
    np.testing.assert_allclose(shares, expected / expected.sum(axis=1, keepdims=True))
    assert np.isfinite(sharpened(np.array([[1.0, 0.0]]), 0.1)).all()


def test_label_sets_reach_their_coverage_for_other_speakers() -> None:
    """Voices differ in how well they are recognised."""
    rng = np.random.default_rng(0)

    def draw(n_speakers: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        ease = np.repeat(rng.uniform(0.2, 2.0, n_speakers), 30)
        acted = rng.integers(8, size=len(ease))
        logits = rng.normal(size=(len(ease), 8))
        logits[np.arange(len(ease)), acted] += ease
        shares = np.exp(logits)
        return shares / shares.sum(1, keepdims=True), acted, np.arange(len(ease)) // 30

    sets = fit_label_sets(*draw(80))
    shares, acted, _ = draw(200)
    sizes = []
    for coverage in (0.6, 0.8, 0.9, 0.95):
        chosen = [sets.of(row, coverage) for row in shares]
        covered = np.mean([a in one for a, one in zip(acted, chosen, strict=True)])
        assert coverage - 0.02 < covered < coverage + 0.04
        sizes.append(np.mean([len(one) for one in chosen]))
    assert 1 <= sizes[0] < sizes[1] < sizes[2] < sizes[3] < 8


def test_speakers_count_equally_in_label_sets() -> None:
    """A speaker with many clips counts as one of ten."""
    shares = np.tile([0.9, 0.1], (1009, 1))
    acted = np.array([1] * 1000 + [0] * 9)  # the first one is always misclassified
    speakers = np.array([0] * 1000 + list(range(1, 10)))
    sets = fit_label_sets(shares, acted, speakers)
    assert sets.limit(0.8) == pytest.approx(0.1)
    assert sets.limit(0.85) == pytest.approx(0.9)


def test_few_speakers_give_large_label_sets() -> None:
    scaled = answers(5, temperature=1.0)
    sets = fit_label_sets(scaled.probabilities, scaled.acted, speakers(scaled))
    assert sets.coverages == COVERAGES
    assert sets.limit(0.8) < 1  # five of six voices are known
    assert sets.limit(0.84) == sets.limit(0.99) == 1
    assert len(sets.of(np.array([0.93] + [0.01] * 7), 0.9)) == 8


# Calibrating -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def old() -> EmotionRecognizer:
    return EmotionRecognizer.load(FORMAT_1)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    """Return synthetic clips of six speakers of one corpus and of one of another."""
    root = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    actual = []
    for number in range(7):
        for take, emotion in enumerate(("sad", "happy", "angry")):
            n = round(rng.uniform(1.2, 3.5) * RATE)
            wave = np.sin(2 * np.pi * rng.uniform(2, 5) * np.arange(n) / RATE)
            hertz = (100 + 20 * number) * (1 + 0.2 * wave)
            phase = 2 * np.pi * np.cumsum(hertz) / RATE
            buzz = sum(np.sin(k * phase) / k ** rng.uniform(0.5, 2) for k in range(1, 15))
            path = root / f"{number}-{take}.wav"
            noise = 0.003 * rng.normal(size=n)
            soundfile.write(path, 0.1 * (0.55 + 0.45 * wave) * buzz + noise, RATE)
            corpus = "many" if number < 6 else "one"
            actual.append(Utterance(path, emotion, corpus, f"{corpus}/{number}"))
    return actual


@pytest.fixture(scope="module")
def calibrated(old: EmotionRecognizer, clips: list[Utterance]) -> EmotionRecognizer:
    return EmotionRecognizer(calibrate(old, clips, protocol="mine/1", n_jobs=1))


def log_odds(recognizer: EmotionRecognizer, clip: Utterance) -> np.ndarray:
    samples, _ = soundfile.read(clip.path, dtype="float32")
    one_window = (samples[:RATE], RATE)
    return np.log(recognizer.probabilities(one_window))


@pytest.mark.tensorflow
def test_temperature_is_in_the_network(
    old: EmotionRecognizer, calibrated: EmotionRecognizer, clips: list[Utterance]
) -> None:
    assert calibrated.artifact.temperature != old.artifact.temperature == 1.3
    factor = old.artifact.temperature / calibrated.artifact.temperature
    before, after = log_odds(old, clips[0]), log_odds(calibrated, clips[0])
    np.testing.assert_allclose(np.diff(after), factor * np.diff(before), rtol=0.01, atol=1e-4)
    assert old.artifact.calibration == {}  # stays as it was


@pytest.mark.tensorflow
def test_temperature_minimises_the_loss_of_its_clips(
    old: EmotionRecognizer, calibrated: EmotionRecognizer, clips: list[Utterance]
) -> None:
    many = [clip for clip in clips if clip.corpus == "many"]
    losses = [evaluate(r, many, n_jobs=1).predictions for r in (old, calibrated)]
    before, after = (
        -np.log(scaled.probabilities[np.arange(len(many)), scaled.acted]).mean()
        for scaled in losses
    )
    assert after <= before + 1e-4


@pytest.fixture
def without_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip reading the recordings, which synthetic predictions lack."""
    reference = Reference(np.zeros(28), np.eye(28), 1.0, (1.0, 2.0))
    monkeypatch.setattr(calibration, "_reference", lambda *_: reference)


@pytest.mark.tensorflow
def test_corpora_of_one_speaker_are_excluded_from_the_temperature(
    old: EmotionRecognizer, without_recordings: None
) -> None:
    many = answers(8, temperature=2.0)
    alone = answers(1, temperature=1.0, corpus="one", wrong=True, n_clips=200, seed=1)
    first, second = (calibrate(old, scaled, n_jobs=1) for scaled in (many, [many, alone]))
    assert first.temperature == pytest.approx(second.temperature, rel=1e-4)
    rows = {row["corpus"]: row for row in second.calibration["corpora"]}
    assert (rows["mine"]["is_fitted"], rows["one"]["is_fitted"]) == (True, False)
    assert rows["mine"]["ece_after"] < 0.1 < rows["one"]["ece_after"]
    assert "one: fewer than 5 speakers" in summary(second)


@pytest.mark.tensorflow
def test_predictions_of_siblings_start_from_temperature_1(
    old: EmotionRecognizer, without_recordings: None
) -> None:
    scaled = answers(8, temperature=2.0)
    actual = calibrate(old, scaled, n_jobs=1)
    expected = fit_temperature(scaled.probabilities, scaled.acted, np.ones(len(scaled.acted)))
    assert actual.temperature == pytest.approx(expected, rel=1e-4)
    assert actual.calibration["by_siblings"] is True


@pytest.mark.tensorflow
def test_record_describes_its_origin(
    calibrated: EmotionRecognizer, clips: list[Utterance], tmp_path: Path
) -> None:
    calibrated.save(tmp_path / "saved")
    again = EmotionRecognizer.load(tmp_path / "saved")
    record = again.artifact.calibration
    assert record == json.loads(json.dumps(calibrated.artifact.calibration))
    assert record["protocol"] == "mine/1"
    assert record["by_siblings"] is False
    assert (record["n_clips"], len(record["speakers"])) == (21, 7)
    rows = {row["corpus"]: row for row in record["corpora"]}
    assert {name: row["n_speakers"] for name, row in rows.items()} == {"many": 6, "one": 1}
    text = summary(again.artifact)
    assert f"temperature {record['temperature']:.3f}" in text
    assert "many" in text
    clip = clips[0].path
    answer = again.predict(clip, coverage=0.8)
    assert answer.label_set[0] == answer.emotion
    assert answer.reasons == ()
    hiss = np.random.default_rng(0).normal(size=2 * RATE).astype(np.float32)
    assert "far from training data" in " ".join(again.predict((0.1 * hiss, RATE)).reasons)


def test_uncalibrated_artefact_has_no_new_entries(tmp_path: Path) -> None:
    artifact = read(FORMAT_1)
    write(artifact, tmp_path / "new")
    assert "calibration" not in json.loads((tmp_path / "new" / "recognizer.json").read_text())
    assert read(tmp_path / "new") == artifact


@pytest.mark.tensorflow
def test_card_describes_the_calibration_once(calibrated: EmotionRecognizer) -> None:
    artifact = dataclasses.replace(calibrated.artifact, card="# A card\n\n## Limits\n\nMany.\n")
    once = card.with_calibration(artifact)
    assert once.card.index("# A card") < once.card.index("## Calibration")
    assert once.card.index("| many | 18 | 6 |") < once.card.index("## Limits\n\nMany.")
    assert card.with_calibration(once).card == once.card
    bare = card.with_calibration(dataclasses.replace(artifact, card=""))
    assert bare.card.startswith("## Calibration")


def test_uncalibrated_has_no_summary(old: EmotionRecognizer) -> None:
    with pytest.raises(ValueError, match="'format-1' has not been calibrated"):
        summary(old.artifact)


# Errors ------------------------------------------------------------------------------------------


def trained_on(recognizer: EmotionRecognizer, speakers: list[str]) -> EmotionRecognizer:
    artifact: Artifact = recognizer.artifact
    return EmotionRecognizer(
        dataclasses.replace(artifact, training={**artifact.training, "speakers": speakers})
    )


def test_speakers_of_the_training_raise(old: EmotionRecognizer, clips: list[Utterance]) -> None:
    with pytest.raises(LeakageError, match=r"trained on 1 of the speakers, such as many/3,"):
        calibrate(trained_on(old, ["many/3", "other/1"]), clips, n_jobs=1)


def test_four_speakers_are_too_few(old: EmotionRecognizer, clips: list[Utterance]) -> None:
    with pytest.raises(DatasetError, match=r"needs 5 speakers or more of one corpus.*got 4"):
        calibrate(old, clips[:12], n_jobs=1)


def test_no_clips_raise(old: EmotionRecognizer) -> None:
    with pytest.raises(DatasetError, match="no clips to calibrate on"):
        calibrate(old, [])


def test_unknown_emotions_raise(old: EmotionRecognizer, clips: list[Utterance]) -> None:
    labels = tuple("cross" if label == "angry" else label for label in old.labels)
    other = EmotionRecognizer(dataclasses.replace(old.artifact, labels=labels))
    with pytest.raises(DatasetError, match="found angry"):
        calibrate(other, clips, n_jobs=1)


def test_predictions_of_other_emotions_raise(old: EmotionRecognizer) -> None:
    scaled = answers(6, temperature=1.0)
    other = dataclasses.replace(scaled, labels=EMOTIONS[::-1])
    with pytest.raises(ValueError, match="predictions must be of the emotions neutral, calm"):
        calibrate(old, other)
    with pytest.raises(ValueError, match=r"`clips` must be utterances.*got 'a\.wav'"):
        calibrate(old, ["a.wav"])


# Confidence in reports ---------------------------------------------------------------------------


def test_risk_of_equally_sure_answers_is_their_mean() -> None:
    """Their order does not matter."""
    sure = np.array([0.9, 0.5, 0.5, 0.5, 0.5])
    for hit in ([1, 1, 1, 0, 0], [1, 0, 0, 1, 1]):
        kept, wrong = risk_coverage(sure, np.array(hit, dtype=bool))
        np.testing.assert_allclose(kept, np.arange(1, 6) / 5)
        np.testing.assert_allclose(wrong, [0, 1 / 4, 1 / 3, 3 / 8, 2 / 5])


def test_area_is_smallest_if_mistakes_have_the_lowest_confidence() -> None:
    scaled = answers(6, temperature=1.0)
    actual = report(scaled).corpora[0]
    best = 0.5 * np.eye(8)[scaled.acted] + 0.5 / 8
    perfect = report(dataclasses.replace(scaled, probabilities=best)).corpora[0]
    assert perfect.aurc == 0 < actual.aurc < 1 - actual.wa
    assert actual.to_dict()["aurc"] == actual.aurc


def test_curves_are_drawn_unchanged() -> None:
    pytest.importorskip("matplotlib")
    figure = plots.risk_coverage({"a": ([0.5, 1.0], [0.0, 0.25]), "b": ([1.0], [0.5])})
    (panel,) = figure.axes
    assert [line.get_label() for line in panel.lines] == ["a", "b"]
    np.testing.assert_allclose(panel.lines[0].get_xydata(), [[50, 0], [100, 25]])


@pytest.mark.parametrize(
    "curves",
    [{}, {"a": ([0.5], [0.1, 0.2])}, {"a": ([], [])}, {str(i): ([1.0], [0.0]) for i in range(8)}],
    ids=["none", "two lengths", "empty", "too many"],
)
def test_no_curves(curves: dict) -> None:
    with pytest.raises(ValueError, match="curve"):
        plots.risk_coverage(curves)


# Command line ------------------------------------------------------------------------------------


@pytest.mark.tensorflow
def test_command_by_predictions(
    old: EmotionRecognizer,
    clips: list[Utterance],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = clips[0].path.parent
    monkeypatch.setattr(datasets, "read", lambda _: clips)
    for name, part in (("a", clips[:9]), ("b", clips[9:])):
        scaled = evaluate(old, part, n_jobs=1).predictions
        scaled.write_csv(tmp_path / f"{name}.csv", root=root)
    trained_on(old, [clip.speaker for clip in clips]).save(tmp_path / "model")
    output = tmp_path / "out"
    status = cli.main(
        [
            *("calibrate", str(tmp_path / "model"), "--corpora", str(root), "--jobs", "1"),
            *("--output", str(output), "--predictions"),
            *(str(tmp_path / f"{name}.csv") for name in "ab"),
        ]
    )
    out, err = capsys.readouterr()
    assert status == 0, err
    assert "to 21 clips of 7 speakers not seen in training" in out
    saved = EmotionRecognizer.load(output)
    assert saved.artifact.calibration["by_siblings"] is True
    assert "## Calibration" in saved.artifact.card
    assert saved.artifact.name == "format-1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of the arguments --protocol --predictions is required"),
        (["--protocol", "joint-test", "--predictions", "a.csv"], "not allowed with argument"),
        (["--protocol", "random"], "invalid choice: 'random'"),
    ],
)
def test_invalid_call_raises(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(["calibrate", "english-8", "--output", "x", *arguments])
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.tensorflow
@pytest.mark.corpora
def test_bundled_recogniser_has_no_unseen_speakers(
    corpora_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.main(
        [
            *("calibrate", "english-8", "--output", str(tmp_path / "out")),
            *("--corpora", str(corpora_root), "--protocol", "joint-test"),
        ]
    )
    assert status == 2
    assert "trained on 25 of the speakers" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_limits_are_finite() -> None:
    """JSON has no infinity."""
    scaled = answers(5, temperature=1.0)
    sets = fit_label_sets(scaled.probabilities, scaled.acted, speakers(scaled))
    assert all(math.isfinite(limit) for limit in sets.limits)
