"""The stress test: results by hand and by scikit-learn, on scripted answers."""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from sklearn.metrics import recall_score

from emotionrecog import cli, plots
from emotionrecog.audio import Waveform
from emotionrecog.augmentation import BandLimit, Gain
from emotionrecog.datasets import Utterance
from emotionrecog.errors import AudioError, DatasetError, LeakageError
from emotionrecog.evaluation.conditions import CONDITIONS, AddSilence, Condition
from emotionrecog.evaluation.stress import StressReport, stress_test
from emotionrecog.features import Extractor, FeatureSpec
from emotionrecog.plots import style
from emotionrecog.recognizer import EmotionRecognizer
from tests.conftest import ROOT, Scripted

RATE = 16_000
LABELS = ("neutral", "happy", "sad")
N_CLIPS = 24


def swell(pitch: float, seconds: float = 0.5, level: float = 0.2) -> np.ndarray:
    """Return a tone that swells, with a little noise in it."""
    t = np.arange(round(seconds * RATE)) / RATE
    envelope = 0.2 + np.sin(np.pi * t / t[-1])
    noise = np.random.default_rng(round(pitch)).normal(size=len(t))
    return np.asarray(level * envelope * np.sin(2 * np.pi * pitch * t) + 1e-3 * noise, np.float32)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    """Return recordings of four speakers of two corpora, each of another pitch."""
    folder = tmp_path_factory.mktemp("clips")
    made = []
    for number in range(N_CLIPS):
        path = folder / f"{number}.wav"
        soundfile.write(path, swell(200 + 20 * number), RATE)
        corpus = "one" if number % 4 < 2 else "two"
        # Happy is twice as frequent in the first; the second lacks sad.
        emotion = (
            LABELS[(0, 1, 1, 2)[number // 4 % 4]] if corpus == "one" else LABELS[number // 6 % 2]
        )
        made.append(
            Utterance(path, emotion, corpus, f"{corpus}/{number % 4}", recording=f"r{number}")
        )
    return made


def numbered(clip: Waveform) -> int:
    """Tell which of `clips` it is, by its pitch."""
    spectrum = np.abs(np.fft.rfft(clip.samples, 4 * RATE))
    return round((int(spectrum[600:3000].argmax() + 600) / 4 - 200) / 20)


def level(clip: Waveform) -> float:
    return float(20 * np.log10(np.abs(clip.samples).max() / 0.24))


def scripted(script: Callable[[int, float], Any], speakers: Sequence[str] = ()) -> Scripted:
    """Return a recogniser that answers by a clip's number and its level in dB."""
    return Scripted(
        lambda clip: script(numbered(clip), level(clip)),
        LABELS,
        training={"speakers": list(speakers)},
    )


def sure(emotion: int, confidence: float = 0.8) -> np.ndarray:
    row = np.full(3, (1 - confidence) / 2)
    row[emotion] = confidence
    return row


def run(recognizer: Any, clips: Sequence[Utterance], **options: Any) -> StressReport:
    options.setdefault("conditions", QUIETER)
    return stress_test(recognizer, clips, n_jobs=1, **options)


QUIETER = (
    Condition("quieter", "6 dB", Gain(gain_db=-6), mark=0.95),
    Condition("quieter", "12 dB", Gain(gain_db=-12), mark=0.5),
    Condition("quieter", "18 dB", Gain(gain_db=-18)),
)


# Results ----------------------------------------------------------------------------------------


def test_results_equal_those_by_hand_and_by_scikit_learn(clips: list[Utterance]) -> None:
    """At 12 dB less the first 12 clips become sad; at 18 dB less, none is judged."""
    rng = np.random.default_rng(0)
    first = rng.integers(3, size=N_CLIPS)

    def script(number: int, decibels: float) -> Any:
        if decibels < -15:
            return AudioError("too quiet")
        if decibels < -9 and number < 12:
            return sure(2, 0.5)
        return sure(first[number])

    report = run(scripted(script), clips)
    assert (report.recognizer, report.corpora) == ("scripted", ("one", "two"))
    assert (report.n_clips, report.n_speakers, report.failed) == (N_CLIPS, 4, {})
    six, twelve, eighteen = report.conditions
    assert (six.unchanged, six.passed, six.flips) == (1.0, True, ())
    assert six.confidence_change == pytest.approx(0.0)
    flipped = [int(was) for was in first[:12] if was != 2]
    assert twelve.unchanged == pytest.approx(1 - len(flipped) / N_CLIPS)
    assert twelve.passed is True
    assert twelve.confidence_change == pytest.approx(-0.3 * 12 / N_CLIPS)
    counts = Counter((LABELS[was], "sad") for was in flipped)
    assert {(was, now): count for was, now, count in twelve.flips} == counts
    assert twelve.flips[0][2] == max(counts.values())
    assert (eighteen.n_refused, eighteen.n_clips) == (N_CLIPS, N_CLIPS)
    assert (eighteen.unchanged, eighteen.uar, eighteen.passed) == (0.0, 0.0, None)
    assert eighteen.confidence_change is None

    answered = np.array([script(number, -12.0) for number in range(N_CLIPS)])
    acted = np.array([LABELS.index(clip.emotion) for clip in clips])
    for uar, rows in (
        (report.clean_uar, np.array([script(number, 0.0) for number in range(N_CLIPS)])),
        (twelve.uar, answered),
    ):
        recalls = []
        for corpus, present in (("one", [0, 1, 2]), ("two", [0, 1])):
            own = np.array([clip.corpus == corpus for clip in clips])
            best = np.array(present)[rows[own][:, present].argmax(axis=1)]
            recalls.append(recall_score(acted[own], best, labels=present, average="macro"))
        assert uar == pytest.approx(np.mean(recalls))
    text = str(report)
    assert "2 of 2 pass marks met" in text
    assert f"{N_CLIPS} degraded clips had no answer and count as changed and wrong" in text


def test_interval_draws_speakers(clips: list[Utterance]) -> None:
    """Speaker 0 alone changes: far wider than if its six clips were anybody's."""
    one = [
        dataclasses.replace(clip, corpus="one", speaker=f"one/{i % 6}")
        for i, clip in enumerate(clips)
    ]

    def script(number: int, decibels: float) -> np.ndarray:
        return sure(2 if decibels < -3 and number % 6 == 0 else 0)

    row = run(scripted(script), one).conditions[0]
    assert row.unchanged == pytest.approx(5 / 6)
    assert row.passed is False
    assert row.interval is not None
    assert row.interval[0] < 0.55
    assert row.interval[1] == 1.0
    alone = [clip for clip in one if clip.speaker == "one/1"]
    assert run(scripted(script), alone).conditions[0].interval is None


def test_song_counts_apart_from_speech(clips: list[Utterance]) -> None:
    song = [dataclasses.replace(clip, style="song") for clip in clips[:4]]
    report = run(scripted(lambda *_: sure(0)), [*clips, *song])
    assert report.corpora == ("one", "one song", "two", "two song")


def test_better_result_under_a_harder_condition_is_reported(clips: list[Utterance]) -> None:
    """Quieter by 6 dB changes all answers to wrong ones; by 12 and 18 dB, none."""

    def script(number: int, decibels: float) -> np.ndarray:
        right = LABELS.index(clips[number].emotion)
        return sure((right + 1) % 3 if -9 < decibels < -3 else right)

    rises = run(scripted(script), clips).rises
    assert {(rise.metric, rise.milder, rise.harder) for rise in rises} == {
        (figure, "quieter, 6 dB", f"quieter, {decibels} dB")
        for figure in ("unchanged", "uar")
        for decibels in (12, 18)
    }
    assert all(rise.rise > rise.allowed >= 0.02 for rise in rises)
    assert rises[0].rise == pytest.approx(1.0)
    assert "quieter, 12 dB is better than quieter, 6 dB" in str(run(scripted(script), clips))


def test_better_result_than_on_originals_is_reported(clips: list[Utterance]) -> None:
    def script(number: int, decibels: float) -> np.ndarray:
        right = LABELS.index(clips[number].emotion)
        return sure(right if decibels < -15 else (right + 1) % 3)

    rises = run(scripted(script), clips).rises
    assert ("uar", "clean", "quieter, 18 dB") in {(r.metric, r.milder, r.harder) for r in rises}


def test_rise_that_chance_explains_is_not_reported(clips: list[Utterance]) -> None:
    """Of 24 clips, one or two answers more are unchanged: less than three standard errors."""

    def script(number: int, decibels: float) -> np.ndarray:
        flips = {0: 0, -6: 4, -12: 3, -18: 2}[6 * round(decibels / 6)]
        return sure(1 if number < flips else 0)

    report = run(scripted(script), clips)
    shares = [row.unchanged for row in report.conditions]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1]
    assert report.rises == ()
    assert "no harder condition is better" in str(report)


# What may be tested -----------------------------------------------------------------------------


def of_all_samples(recordings: list[Waveform]) -> np.ndarray:
    """Answer something that every sample has a say in."""
    sums = [float(np.abs(np.diff(clip.samples)).sum()) * clip.sampling_rate for clip in recordings]
    shares = np.array([[total % 1.0, total * 7 % 1.0, 1e-3] for total in sums])
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


SOME = tuple(
    next(condition for condition in CONDITIONS if condition.family == family)
    for family in ("white noise", "pink noise", "room", "cropped", "Opus", "resampled")
)


@pytest.mark.slow
def test_results_do_not_depend_on_threads_or_other_clips(clips: list[Utterance]) -> None:
    options: dict[str, Any] = {"labels": LABELS, "conditions": SOME}
    one = run(of_all_samples, clips, **options)
    many = stress_test(of_all_samples, clips, n_jobs=4, **options)
    assert json.dumps(one.to_dict()) == json.dumps(many.to_dict())
    assert run(of_all_samples, clips[::-1], **options).to_dict() == one.to_dict()
    alone = run(of_all_samples, clips, labels=LABELS, conditions=SOME[2:3])
    assert alone.conditions == one.conditions[2:3]
    other = run(of_all_samples, clips, seed=1, **options)
    assert other.conditions[0] != one.conditions[0]
    assert one.recognizer == "of_all_samples"


def test_file_names_do_not_matter_if_recordings_are_named(
    clips: list[Utterance], tmp_path: Path
) -> None:
    moved = []
    for clip in clips[:4]:
        path = tmp_path / f"moved-{clip.path.name}"
        path.write_bytes(clip.path.read_bytes())
        moved.append(dataclasses.replace(clip, path=path))
    one, other = (
        run(of_all_samples, some, labels=LABELS, conditions=SOME) for some in (clips[:4], moved)
    )
    assert one == other


def test_functions_get_at_most_sixteen_recordings(clips: list[Utterance]) -> None:
    sizes = []

    def function(recordings: list[Waveform]) -> np.ndarray:
        sizes.append(len(recordings))
        assert all(isinstance(clip, Waveform) for clip in recordings)
        return of_all_samples(recordings)

    many = tuple(
        Condition("quieter", f"{decibels} dB", Gain(gain_db=-decibels)) for decibels in range(20)
    )
    run(function, clips[:2], labels=LABELS, conditions=many)
    assert sizes == [16, 5, 16, 5]


def test_networks_take_features(clips: list[Utterance]) -> None:
    spec = FeatureSpec(n_mels=8, fmax=4000.0)
    shapes = set()

    def network(batch: np.ndarray) -> np.ndarray:
        shapes.add(batch.shape[1:])
        assert batch.dtype == np.float32
        means = np.exp(batch.mean(axis=1)[:, :3])
        return np.asarray(means / means.sum(axis=1, keepdims=True))

    conditions = (*QUIETER[:1], Condition("silence", "0.5 s", AddSilence(after=0.5)), SOME[5])
    report = run(network, clips[:3], labels=LABELS, features=spec, conditions=conditions)
    frames = {len(Extractor(spec)(swell(200, seconds))) for seconds in (0.5, 1.0)}
    assert shapes == {(n_frames, 8) for n_frames in frames}
    assert [row.unchanged for row in report.conditions][::2] == [1.0, 1.0]
    assert report.recognizer == "network"
    assert run(network, clips[:1], labels=LABELS, features=spec, name="mine").recognizer == "mine"


@pytest.mark.parametrize(
    ("recognizer", "options", "message"),
    [
        (of_all_samples, {}, "a function needs `labels`"),
        (scripted(lambda *_: sure(0)), {"labels": LABELS}, "a recogniser has its own"),
        ("english-8", {}, "`recognizer` must be an EmotionRecognizer or a function"),
        (lambda x: np.ones((len(x), 2)) / 2, {"labels": LABELS}, "probabilities of shape"),
        (lambda x: np.ones((len(x), 3)), {"labels": LABELS}, "must sum to 1"),
        (lambda x: np.full((len(x), 3), np.nan), {"labels": LABELS}, "must be finite"),
        (
            of_all_samples,
            {"labels": LABELS, "conditions": ()},
            "one or more, each with a different name",
        ),
        (
            of_all_samples,
            {"labels": LABELS, "conditions": QUIETER * 2},
            "each with a different name",
        ),
        (of_all_samples, {"labels": LABELS, "seed": -1}, "`seed` must be a whole number"),
        (of_all_samples, {"labels": LABELS, "n_clips": 0}, "`n_clips` must be a whole number"),
    ],
)
def test_invalid_arguments_are_an_error(
    recognizer: Any, options: dict[str, Any], message: str, clips: list[Utterance]
) -> None:
    with pytest.raises(ValueError, match=message):
        run(recognizer, clips[:2], **options)


def test_no_clips_and_unknown_emotions_are_an_error(clips: list[Utterance]) -> None:
    with pytest.raises(DatasetError, match="there are no clips to test with"):
        run(of_all_samples, [], labels=LABELS)
    with pytest.raises(DatasetError, match="found sad"):
        run(lambda x: np.full((len(x), 2), 0.5), clips, labels=LABELS[:2])


def test_speakers_seen_in_training_are_an_error(clips: list[Utterance]) -> None:
    recognizer = scripted(lambda *_: sure(0), speakers=["one/1"])
    with pytest.raises(LeakageError, match=r"1 speaker of the test set \(one/1\)"):
        run(recognizer, clips)
    report = run(recognizer, clips, allow_leakage=True)
    assert "trained on 1 speaker of" in str(report.leakage)
    assert str(report).startswith("LEAKY")
    assert next(iter(report.to_dict())) == "leakage"
    assert run(recognizer, [c for c in clips if c.speaker != "one/1"]).leakage is None


# What goes wrong --------------------------------------------------------------------------------


def test_unreadable_files_are_left_out(
    clips: list[Utterance], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken, missing = tmp_path / "broken.wav", tmp_path / "missing.wav"
    broken.write_bytes(b"RIFF of nothing")
    bad = [dataclasses.replace(clips[0], path=path) for path in (broken, missing)]
    report = run(of_all_samples, [bad[0], *clips[:3], bad[1]], labels=LABELS)
    assert (report.n_clips, set(report.failed)) == (3, {str(broken), str(missing)})
    assert "cannot be decoded" in report.failed[str(broken)]
    assert str(broken) in caplog.text
    assert "left out: 2 clips that could not be judged" in str(report)
    assert report.conditions == run(of_all_samples, clips[:3], labels=LABELS).conditions
    with pytest.raises(DatasetError, match=r"none of the 2 clips can be judged.*broken"):
        run(of_all_samples, bad, labels=LABELS)


def test_clips_without_an_answer_as_they_are_are_left_out(clips: list[Utterance]) -> None:
    def script(number: int, decibels: float) -> Any:
        return AudioError("too short") if number == 1 else sure(0)

    report = run(scripted(script), clips)
    assert (report.n_clips, report.failed) == (N_CLIPS - 1, {str(clips[1].path): "too short"})
    assert [row.n_clips for row in report.conditions] == [N_CLIPS - 1] * 3


def test_change_that_cannot_be_applied_is_left_out(
    clips: list[Utterance], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    above = Condition("high-pass", "9 kHz", BandLimit(lowest=9000.0), mark=0.5)
    report = run(of_all_samples, clips[:3], labels=LABELS, conditions=(above, QUIETER[0]))
    row = report.conditions[0]
    assert (row.n_clips, row.n_refused, row.unchanged, row.uar) == (0, 0, None, None)
    assert (row.passed, row.interval, row.flips) == (None, None, ())
    message = "high-pass, 9 kHz cannot be applied to any clip: `lowest` must be below half"
    assert message in caplog.text
    assert re.search(r"high-pass, 9 kHz +0 +– ", str(report))
    assert report.conditions[1].n_clips == 3
    plots.stress(report.to_dict()).savefig(tmp_path / "stress.png")


def test_clip_that_becomes_silent_has_no_answer(clips: list[Utterance]) -> None:
    nothing = Condition("nothing", "at all", lambda samples, rate, rng: 0 * samples)
    report = run(EmotionRecognizer(), clips[:2], conditions=[nothing])
    assert report.conditions[0].n_refused == 2


# On the command line, in pictures, in the documentation -----------------------------------------


KL = ["--protocol", "savee/emobox4", "--fold", "2"]  # tests this speaker


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    """Return a folder of corpora with few recordings, which are named like those of SAVEE."""
    names = ("DC/a01", "JE/a01", "JK/a01", "KL/a01", "KL/sa01", "KL/a02")
    for number, name in enumerate(names):
        path = tmp_path / "corpora" / "savee" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, swell(200 + 50 * number), RATE)
    return tmp_path / "corpora"


def test_command(
    corpora: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["stress", "english-8", "--corpora", str(corpora), *KL, "--clips", "2"]
    assert cli.main(command) == 2
    assert "trained on 1 speaker of the test set" in capsys.readouterr().err
    command += ["--allow-leakage", "--json", "stress.json", "--plot", "stress.png"]
    assert cli.main([*command, "--corpus", "savee"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("LEAKY")
    figures = json.loads(Path("stress.json").read_text(encoding="utf-8"))
    assert figures["command"] == (
        "emotionrecog stress english-8 --protocol savee/emobox4 --fold 2 --corpus savee --clips 2 "
        "--seed 0 --json stress.json --allow-leakage"
    )
    assert (figures["protocol"], figures["n_clips"], figures["seed"]) == ("savee/emobox4", 2, 0)
    names = [f"{row['family']}, {row['level']}" for row in figures["conditions"]]
    assert names == [condition.name for condition in CONDITIONS]
    assert all(name in text for name in names)
    assert Path("stress.png").read_bytes().startswith(b"\x89PNG")
    assert cli.main([*command, "--corpus", "tess"]) == 2
    assert "`--corpus` must be one of savee, got 'tess'" in capsys.readouterr().err
    assert cli.main([*command[:-3], "nowhere/stress.json"]) == 2
    assert "no such folder to write to: 'nowhere'" in capsys.readouterr().err


def test_strict_fails_if_a_mark_is_missed(
    corpora: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from emotionrecog.evaluation import stress

    for mark, status in ((0.0, 0), (1.0, 1)):
        row = Condition("white noise", "-20 dB SNR", CONDITIONS[7].change, mark=mark)

        def test(*given: Any, row: Condition = row, **options: Any) -> StressReport:
            return stress_test(*given, conditions=[row], **options)

        monkeypatch.setattr(stress, "stress_test", test)
        command = ["stress", "english-8", "--corpora", str(corpora), *KL, "--allow-leakage"]
        assert cli.main([*command, "--strict"]) == status
        assert cli.main(command) == 0
    assert "0 of 1 pass marks met" in capsys.readouterr().out


def test_picture_shows_the_results(clips: list[Utterance]) -> None:
    def script(number: int, decibels: float) -> np.ndarray:
        return sure(1 if decibels < -3 and number % 2 else 0)

    figure = plots.stress(run(scripted(script), clips).to_dict())
    shares, recalls = figure.axes
    assert [text.get_text() for text in shares.get_yticklabels()] == [
        condition.name for condition in QUIETER
    ]
    points = [line for line in shares.lines if line.get_marker() == "o"]
    assert [float(line.get_xdata()[0]) for line in points] == [50.0] * 3
    assert [line.get_color() for line in points] == [style.VERMILION, style.BLUE, "black"]
    marks = [line for line in shares.lines if line.get_marker() == "|" and len(line.get_xdata())]
    assert [float(line.get_xdata()[0]) for line in marks] == [95.0, 50.0]
    assert shares.get_ylim()[0] > shares.get_ylim()[1]  # the first on top
    assert "untouched" in recalls.get_legend().get_texts()[0].get_text()
    with pytest.raises(ValueError, match="one condition or more"):
        plots.stress({"clean_uar": 0.5, "conditions": []})


def test_stored_results_are_of_the_current_conditions() -> None:
    """Measure again when conditions or marks change, as docs/how-to/stress_test.md says."""
    path = ROOT / "benchmarks" / "results" / "stress.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    rows = [(row["family"], row["level"], row["mark"]) for row in found["conditions"]]
    assert rows == [(c.family, c.level, c.mark) for c in CONDITIONS]
    assert found["leakage"] is None
    assert found["n_speakers"] == 18
    assert found["failed"] == {}
    for row in found["conditions"]:
        assert row["n_clips"] == found["n_clips"] >= 300
        assert row["passed"] == (None if row["mark"] is None else row["unchanged"] >= row["mark"])
        flipped = sum(count for _, _, count in row["flips"])
        assert row["unchanged"] == pytest.approx(
            1 - (flipped + row["n_refused"]) / row["n_clips"], abs=1e-6
        )
