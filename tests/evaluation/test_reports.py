"""The report as text, as JSON, and on the command line."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotionrecog import cli, datasets, evaluation
from emotionrecog.audio import Waveform
from emotionrecog.datasets import Utterance
from emotionrecog.errors import EmotionRecogError
from emotionrecog.evaluation import (
    evaluate,
)

# What two made-up corpora act.
from tests.evaluation.conftest import by_pitch, measure, predictions_of


def test_report_prints_a_table_and_gives_json(
    clips: list[Utterance], script: dict[Path, Any]
) -> None:
    report = measure(script, clips)
    lines = str(report).splitlines()
    assert lines[:2] == [f"scripted: {len(clips)} clips of 8 speakers", report.audited]
    assert lines[2].split()[:3] == ["corpus", "clips", "UAR"]
    assert report.overall is not None
    for line, row in zip(lines[3:6], [*report.corpora, report.overall], strict=True):
        low, high = row.intervals["uar"]
        names = ("wa", "macro_f1", "top2", "log_loss", "brier", "calibration_error", "uar_open")
        scales = (100, 100, 100, 1, 1, 100, 100)
        formats = (".1f", ".1f", ".1f", ".2f", ".2f", ".1f", ".1f")
        assert line.split() == [
            row.corpus,
            str(row.n_clips),
            f"{100 * row.uar:.1f}",
            f"{100 * low:.1f}–{100 * high:.1f}",
            *(
                format(scale * getattr(row, name), form)
                for name, scale, form in zip(names, scales, formats, strict=True)
            ),
        ]
    assert lines[6] == f"expected calibration error {100 * report.calibration_error:.1f}"
    values = json.loads(json.dumps(report.to_dict()))
    assert values["corpora"][0]["confusion"] == [list(r) for r in report.corpora[0].confusion]


def test_report_notes_what_is_not_measured(recordings: list[Utterance]) -> None:
    def judge(clips: list[Waveform]) -> np.ndarray:
        return np.column_stack([by_pitch(clips), np.zeros(len(clips))])

    report = evaluate(judge, recordings, labels=("happy", "sad", "angry"))
    assert "not measured, because no clip has them: angry" in report.notes
    sad = [clip for clip in recordings if clip.emotion == "sad"]
    report = evaluate(judge, sad, labels=("happy", "sad", "angry"))
    assert report.corpora[0].uar == 1.0
    assert any("a single emotion, so that every answer" in note for note in report.notes)


def test_report_names_its_protocol(clips: list[Utterance], script: dict[Path, Any]) -> None:
    report = measure(script, clips, protocol="savee/emobox4/2", name="mine")
    assert str(report).startswith("mine on savee/emobox4/2: ")
    (note, *_) = report.notes
    assert note.startswith("protocol savee/emobox4/2: each man in turn; no speaker is in both")
    random = measure(script, clips, protocol="random/1").notes[0]
    assert "SPEAKERS ARE IN TRAINING AND TEST" in random
    assert not any(n.startswith("protocol") for n in measure(script, clips, protocol="mine").notes)


def test_json_has_all_results(clips: list[Utterance], script: dict[Path, Any]) -> None:
    voted = [dataclasses.replace(clips[0], votes=(0, 0, 1, 0, 0, 0, 0, 0)), *clips[1:]]
    report = evaluation.report(predictions_of(voted, script), name="mine")
    text = json.dumps(report.to_dict(), allow_nan=False)
    values = json.loads(text)
    assert report.overall is not None
    assert values["overall"]["uar"] == report.overall.uar
    assert len(values["breakdowns"]) == len(report.breakdowns) > 0
    assert values["corpora"][0]["per_emotion"][0]["recall"] == pytest.approx(
        report.corpora[0].per_emotion[0].recall
    )
    assert values["corpora"][0]["intervals"]["uar"] == list(report.corpora[0].intervals["uar"])
    # A single vote agrees with no other.
    assert values["listeners"][0]["overall"]["listener_with_listeners"] is None


def test_worst_mistakes_come_first(clips: list[Utterance], script: dict[Path, Any]) -> None:
    predictions = predictions_of(clips, script)
    mistakes = evaluation.report(predictions).mistakes(5)
    shares = [mistake.probabilities[mistake.utterance.emotion] for mistake in mistakes]
    assert shares == sorted(shares)
    closed, acted = predictions.among_acted(), predictions.acted
    wrong = closed.argmax(axis=1) != acted
    assert shares[0] == pytest.approx(closed[wrong, acted[wrong]].min())
    for mistake in mistakes:
        assert mistake.answered == max(mistake.probabilities, key=mistake.probabilities.__getitem__)
        assert mistake.answered != mistake.utterance.emotion


def test_text_needs_neither_pandas_nor_matplotlib(
    clips: list[Utterance], script: dict[Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pandas", "matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    found = measure(script, clips)
    assert "corpus" in str(found)
    assert found.to_dict()["corpora"]
    with pytest.raises(EmotionRecogError, match=r"emotionrecog\[plots\]"):
        found.to_html()


def test_command_writes_json_page_and_predictions(
    recordings: list[Utterance],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    speakers = ("DC", "JE", "JK", "KL")
    said = [
        dataclasses.replace(clip, corpus="savee", speaker=f"savee/{speakers[i % 4]}")
        for i, clip in enumerate(recordings)
    ]
    monkeypatch.setattr(datasets, "read", lambda _: said)
    arguments = ["--protocol", "savee/emobox4", "--fold", "2", "--allow-leakage"]
    command = ["evaluate", "english-8", "--corpora", str(tmp_path), *arguments]
    files = [tmp_path / name for name in ("figures.json", "page.html", "answers.csv")]
    options = ["--json", str(files[0]), "--html", str(files[1]), "--predictions", str(files[2])]
    assert cli.main([*command, *options]) == 0
    text = capsys.readouterr().out
    assert text.startswith("LEAKY")
    assert "english-8 on savee/emobox4/2: 5 clips of 1 speaker" in text
    assert (
        "the 5 test recordings were compared by names and bytes with 20 training recordings" in text
    )
    figures = json.loads(files[0].read_text(encoding="utf-8"))
    assert figures["protocol"] == "savee/emobox4/2"
    assert "Leaky" in files[1].read_text(encoding="utf-8")
    answers = files[2].read_text(encoding="utf-8").splitlines()
    assert [line.partition(",")[0] for line in answers] == [
        "path",
        *(clip.path.name for clip in said if clip.speaker == "savee/KL"),
    ]
    assert cli.main([*command, "--json", str(tmp_path / "none" / "figures.json")]) == 2
    assert "no such folder to write to" in capsys.readouterr().err
