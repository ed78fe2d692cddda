"""How much a random split inflates a result: speakers who act differently, or all alike."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotionrecog import cli, datasets
from emotionrecog.datasets import Utterance
from emotionrecog.errors import DatasetError
from emotionrecog.evaluation.gap import Gap, GapRow, Score, gap

# In Hz: the low and the high tone of each speaker.
LOW = {"ann": 400.0, "bob": 520.0, "cem": 460.0, "dag": 430.0}
HIGH = {"ann": 1900.0, "bob": 1500.0, "cem": 1700.0, "dag": 1800.0}


@pytest.fixture(scope="module")
def speak(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Utterance]]:
    """Return what writes a corpus: who is happy in high tones, and who in low ones."""

    def make(corpus: str, high_is_happy: dict[str, bool], n_words: int = 12) -> list[Utterance]:
        folder = tmp_path_factory.mktemp(corpus)
        rng = np.random.default_rng(0)
        time = np.arange(8_000) / 16_000
        utterances = []
        for name, high in high_is_happy.items():
            for word in range(n_words):
                for emotion in ("happy", "sad"):
                    tone = (HIGH if (emotion == "happy") == high else LOW)[name]
                    samples = 0.3 * np.sin(2 * np.pi * tone * time + word)
                    samples += 0.001 * rng.normal(size=len(time))
                    path = folder / f"{name}_{word}_{emotion}.wav"
                    soundfile.write(path, samples, 16_000)
                    speaker = f"{corpus}/{name}"
                    utterances.append(
                        Utterance(path, emotion, corpus=corpus, speaker=speaker, sentence=str(word))
                    )
        return utterances

    return make


@pytest.fixture(scope="module")
def opposed(speak: Callable[..., list[Utterance]]) -> list[Utterance]:
    """Two speakers, each of whom is happy as the other is sad."""
    return speak("opposed", {"ann": True, "bob": False})


# The gap ----------------------------------------------------------------------------------------


def test_random_split_inflates_the_result(opposed: list[Utterance]) -> None:
    result = gap(opposed)
    (row,) = result.rows
    assert (row.corpus, row.n_clips, row.n_speakers) == ("opposed", 48, 2)
    assert row.sentences is not None
    assert min(row.random.mean, row.sentences.mean) > 0.9
    assert row.speakers.mean < 0.7
    assert row.difference > 0.3
    assert [len(score.uar) for score in (row.random, row.sentences, row.speakers)] == [2, 2, 2]
    labels = [(s.speaker_disjoint, s.text_disjoint) for s in (row.random, row.speakers)]
    assert labels == [(False, False), (True, False)]
    assert (row.sentences.speaker_disjoint, row.sentences.text_disjoint) == (False, True)
    assert (result.left_out, result.n_failed) == ({}, 0)


def test_gap_is_small_if_all_speakers_act_alike(
    speak: Callable[..., list[Utterance]],
) -> None:
    alike = speak("alike", dict.fromkeys(LOW, True), n_words=3)
    (row,) = gap(alike).rows
    assert row.speakers.protocol == "grouped_kfold"
    assert len(row.speakers.uar) == len(row.random.uar) == 4
    assert row.speakers.mean > 0.8
    assert row.difference < 0.2
    assert row.sentences is not None
    assert len(row.sentences.uar) == 3
    assert "alike: 3 folds with sentences apart and 4 otherwise" in str(gap(alike))


def test_each_corpus_is_divided_by_itself(
    opposed: list[Utterance], speak: Callable[..., list[Utterance]]
) -> None:
    alike = speak("alike", {"ann": True, "bob": True}, n_words=4)
    together = gap([*alike, *opposed])
    assert together.rows == gap(alike).rows + gap(opposed).rows


def test_named_protocol_keeps_speakers_apart(opposed: list[Utterance]) -> None:
    (row,) = gap(opposed, speaker_disjoint={"opposed": "loso"}).rows
    assert row.speakers.protocol == "loso"
    for leaky in ("random", "sentence-disjoint"):
        with pytest.raises(ValueError, match=f"keep speakers apart, got '{leaky}'"):
            gap(opposed, speaker_disjoint={"opposed": leaky})


def test_song_is_left_out_if_there_is_speech(opposed: list[Utterance]) -> None:
    song = [replace(u, style="song", path=Path(f"missing{i}.wav")) for i, u in enumerate(opposed)]
    assert gap(opposed + song) == gap(opposed)


def test_corpus_that_cannot_be_divided_is_left_out_with_a_reason(opposed: list[Utterance]) -> None:
    alone = [replace(u, corpus="alone", speaker="alone/me") for u in opposed]
    nobody = [replace(u, corpus="nobody", speaker="nobody/unknown") for u in opposed]
    tess = [replace(u, corpus="tess", speaker="tess/OAF") for u in opposed]
    bored = [
        replace(u, corpus="bored", speaker=u.speaker.replace("opposed", "bored"), emotion="neutral")
        for u in opposed
    ]
    result = gap([*alone, *nobody, *tess, *bored, *opposed])
    assert [row.corpus for row in result.rows] == ["opposed"]
    assert "needs at least 2 speakers" in result.left_out["alone"]
    assert "those of nobody are unknown" in result.left_out["nobody"]
    assert "missing: tess/YAF" in result.left_out["tess"]
    assert "two emotions, found neutral" in result.left_out["bored"]
    assert "tess: left out, `utterances` must hold" in str(result)


def test_column_of_unknown_sentences_is_empty(opposed: list[Utterance]) -> None:
    for sentence in (None, "always the same"):
        (row,) = gap([replace(u, sentence=sentence) for u in opposed]).rows
        assert row.sentences is None
        assert row.random.mean > 0.9


def test_unusable_clips_are_counted(
    opposed: list[Utterance], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(8_000), 16_000)
    bad = [replace(opposed[0], path=path) for path in (silent, tmp_path / "missing.wav")]
    result = gap(opposed + bad)
    assert result == replace(gap(opposed), n_failed=2)
    assert all(f"left out {u.path}" in caplog.text for u in bad)
    assert "left out: 2 clips that cannot be used" in str(result)
    assert "left out: 1 clip that cannot be used" in str(replace(result, n_failed=1))
    with pytest.raises(DatasetError, match="none of the 2 recordings can be used"):
        gap(bad)


# Text and JSON -----------------------------------------------------------------------------------


def score(protocol: str, *uar: float) -> Score:
    return Score(protocol=protocol, speaker_disjoint=True, text_disjoint=False, uar=uar)


def test_gap_prints_a_table_and_gives_json() -> None:
    row = GapRow(
        corpus="mine",
        n_clips=120,
        n_speakers=4,
        random=score("random", 0.9, 0.8),
        sentences=None,
        speakers=score("loso", 0.45, 0.6),
    )
    result = Gap(rows=(row,), left_out={}, n_failed=0)
    assert row.difference == pytest.approx(0.325)
    cells = str(result).splitlines()[-1].split("  ")
    assert [cell.strip() for cell in cells if cell] == [
        "mine",
        "120",
        "85.0 (80.0–90.0)",
        "–",
        "52.5 (45.0–60.0)",
        "32.5",
        "loso",
    ]
    values = json.loads(json.dumps(result.to_dict()))
    assert values["rows"][0]["random"]["uar"] == [0.9, 0.8]
    assert values["rows"][0]["difference"] == pytest.approx(0.325)
    assert values["rows"][0]["sentences"] is None


# The command ------------------------------------------------------------------------------------


def test_command_prints_a_table_or_json(
    opposed: list[Utterance],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = []
    monkeypatch.setattr(datasets, "read", lambda root: asked.append(root) or opposed)
    assert cli.main(["corpus", "gap", "--corpora", "somewhere"]) == 0
    assert capsys.readouterr().out == f"{gap(opposed)}\n"
    assert cli.main(["corpus", "gap", "--corpora", "somewhere", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(gap(opposed).to_dict()))
    assert asked == ["somewhere"] * 2

    opposed = opposed[:24]  # one speaker
    assert cli.main(["corpus", "gap", "--corpora", "somewhere"]) == 2
    assert "left out" in capsys.readouterr().out


# Real corpora -----------------------------------------------------------------------------------


@pytest.mark.corpora
def test_random_splits_inflate_results_on_real_corpora(corpora_root: Path) -> None:
    utterances = datasets.CORPORA["savee"].utterances(corpora_root / "savee")
    tess = datasets.CORPORA["tess"].utterances(corpora_root / "tess")
    words = sorted({utterance.sentence or "" for utterance in tess})[:20]
    result = gap(utterances + [u for u in tess if u.sentence in words])
    savee, tess_row = result.rows
    assert (savee.speakers.protocol, tess_row.speakers.protocol) == (
        "savee/emobox4",
        "tess/speaker2",
    )
    assert savee.difference > 0.15
    assert tess_row.random.mean > 0.8
    assert tess_row.difference > 0.3
    assert savee.sentences is None  # some of its numbers stand for the same sentence
    assert tess_row.sentences is not None
    assert math.isclose(tess_row.sentences.mean, tess_row.random.mean, abs_tol=0.1)
