"""Varied copies of recordings, and how splits and the leakage audit treat originals and copies."""

import logging
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from emotionrecog import audio
from emotionrecog.augmentation import (
    AddNoise,
    Chain,
    Clip,
    Gain,
    PitchShift,
    Shift,
    TimeStretch,
    augment_corpus,
)
from emotionrecog.datasets import Utterance, from_table, write_csv
from emotionrecog.errors import AudioError
from emotionrecog.splits import protocols
from emotionrecog.splits.leakage import audit

RATE = 16_000
CHAIN = Chain((TimeStretch(), PitchShift(), AddNoise(snr_db=(10, 30))), probability=0.8)


def speech(seed: int, seconds: float = 0.7) -> np.ndarray:
    rng = np.random.default_rng(seed)
    n_samples = round(seconds * RATE)
    envelope = np.interp(
        np.arange(n_samples),
        np.arange(0, n_samples + 800, 800),
        rng.random(16)[: len(np.arange(0, n_samples + 800, 800))],
    )
    return (0.3 * envelope * rng.standard_normal(n_samples)).astype(np.float32)


def write(path: Path, seed: int, **facts: Any) -> Utterance:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, speech(seed), RATE)
    speaker = facts.pop("speaker", f"s{seed % 4}")
    return Utterance(path, "happy", corpus="mine", speaker=f"mine/{speaker}", **facts)


@pytest.fixture
def recordings(tmp_path: Path) -> list[Utterance]:
    """Write eight recordings in folders by speaker; some share a file name, half have no name."""
    return [
        write(
            tmp_path / "corpus" / f"s{i % 4}" / f"{i // 4}.wav",
            i,
            recording=f"r{i}" if i < 4 else None,
            sentence=f"t{i}",
            age=20 + i,
        )
        for i in range(8)
    ]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_copies_follow_their_originals(recordings: list[Utterance], tmp_path: Path) -> None:
    before = files(tmp_path / "corpus")
    made = augment_corpus(recordings, tmp_path / "deep" / "out", CHAIN, copies=2, n_jobs=1)
    assert made.failed == {}
    assert len(made.utterances) == 24
    assert files(tmp_path / "corpus") == before
    for i, original in enumerate(recordings):
        kept, *copies = made.utterances[3 * i : 3 * i + 3]
        assert kept.recording
        assert kept.recording == (original.recording or kept.recording)
        assert replace(kept, recording=original.recording) == original
        for copy in copies:
            assert replace(copy, path=kept.path) == kept  # including its `recording`
            assert copy.path.parent == tmp_path / "deep" / "out"
            varied, first = audio.load(copy.path), audio.load(kept.path)
            assert varied.sampling_rate == RATE
            assert 0.85 < varied.duration / first.duration < 1.15
            assert soundfile.info(copy.path).subtype == "PCM_24"
    sources = Counter(utterance.recording for utterance in made.utterances)
    assert len(sources) == 8
    assert set(sources.values()) == {3}
    contents = files(tmp_path / "deep" / "out")
    assert set(contents) == {u.path.name for u in made.utterances if "deep" in u.path.parts}
    assert len(set(contents.values())) == len(contents) == 16


def test_file_holds_the_result_of_the_transform(
    recordings: list[Utterance], tmp_path: Path
) -> None:
    made = augment_corpus(recordings[:1], tmp_path / "out", Gain(gain_db=-20), n_jobs=1)
    original, copy = (audio.load(utterance.path).samples for utterance in made.utterances)
    np.testing.assert_allclose(copy, original / 10, atol=2**-23)


def test_copies_do_not_depend_on_workers_order_or_other_recordings(
    recordings: list[Utterance], tmp_path: Path
) -> None:
    backwards = lambda samples, rate: samples[::-1] * np.random.uniform(0.5, 1.0)  # noqa: E731
    chain = Chain((CHAIN, backwards))  # lambdas reach other processes, too
    first = augment_corpus(recordings, tmp_path / "one", chain, copies=2, n_jobs=1)
    second = augment_corpus(recordings[::-1], tmp_path / "two", chain, copies=2, n_jobs=2)
    alone = augment_corpus(recordings[3:4], tmp_path / "alone", chain, copies=1, n_jobs=1)
    expected = files(tmp_path / "one")
    assert len(expected) == 16
    assert files(tmp_path / "two") == expected
    assert files(tmp_path / "alone").items() <= expected.items()
    assert [u.recording for u in second.utterances[::-1]] == [u.recording for u in first.utterances]
    assert alone.utterances[0] == first.utterances[9]
    other_seed = augment_corpus(recordings[3:4], tmp_path / "other", chain, seed=1, n_jobs=1)
    assert files(tmp_path / "other").keys() <= expected.keys()
    assert (
        expected[other_seed.utterances[1].path.name] != other_seed.utterances[1].path.read_bytes()
    )


def test_copies_do_not_depend_on_the_folder(recordings: list[Utterance], tmp_path: Path) -> None:
    (tmp_path / "corpus").rename(tmp_path / "moved")
    moved = [
        replace(u, path=tmp_path / "moved" / u.path.relative_to(tmp_path / "corpus"))
        for u in recordings
    ]
    augment_corpus(moved, tmp_path / "one", CHAIN, n_jobs=1)
    (tmp_path / "moved").rename(tmp_path / "corpus")
    augment_corpus(recordings, tmp_path / "two", CHAIN, n_jobs=1)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_unusable_recordings_are_listed_and_do_not_stop_the_others(
    recordings: list[Utterance], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recordings[1].path.write_bytes(b"no sound at all")
    recordings[2].path.unlink()
    soundfile.write(recordings[5].path, np.zeros(RATE), RATE)
    with caplog.at_level(logging.WARNING, logger="emotionrecog"):
        made = augment_corpus(recordings, tmp_path / "out", CHAIN, n_jobs=1)
    assert list(made.failed) == [recordings[i].path for i in (1, 2, 5)]
    for path, reason in zip(made.failed, ("cannot be decoded", "no such", "silent"), strict=True):
        assert reason in made.failed[path].lower()
    assert [u.path for u in made.utterances[::2]] == [recordings[i].path for i in (0, 3, 4, 6, 7)]
    assert len(files(tmp_path / "out")) == 5
    warned = [record.getMessage() for record in caplog.records]
    assert warned == [f"left out {path}: {reason}" for path, reason in made.failed.items()]


def test_silent_copies_are_listed(recordings: list[Utterance], tmp_path: Path) -> None:
    made = augment_corpus(recordings[:1], tmp_path / "out", Shift(seconds=10), n_jobs=1)
    assert made.utterances == []
    assert "copy 1 is silent" in made.failed[recordings[0].path]
    assert files(tmp_path / "out") == {}


def test_foreign_transform_that_fails_for_one_recording(
    recordings: list[Utterance], tmp_path: Path
) -> None:
    loud = audio.load(recordings[0].path).samples[0]

    def odd(samples: np.ndarray, sampling_rate: int) -> np.ndarray:
        return samples * np.nan if samples[0] == loud else samples

    made = augment_corpus(recordings[:2], tmp_path / "out", Chain((odd,)), n_jobs=1)
    assert len(made.utterances) == 2
    assert "odd" in made.failed[recordings[0].path]


def test_loud_copy_is_scaled_to_full_scale(recordings: list[Utterance], tmp_path: Path) -> None:
    made = augment_corpus(recordings[:1], tmp_path / "out", Gain(gain_db=40), n_jobs=1)
    original, copy = (audio.load(utterance.path).samples for utterance in made.utterances)
    np.testing.assert_allclose(copy, original / np.abs(original).max(), atol=1e-5)


def test_failed_write_stops_and_leaves_no_file(
    recordings: list[Utterance], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: Path, *_: Any, **__: Any) -> None:
        Path(file).write_bytes(b"fLaC")
        raise OSError("no space left")

    monkeypatch.setattr(soundfile, "write", full)
    with pytest.raises(OSError, match="no space left"):
        augment_corpus(recordings, tmp_path / "out", CHAIN, n_jobs=1)
    assert files(tmp_path / "out") == {}
    assert list((tmp_path / "out").iterdir()) == []


def test_error_of_writing_crosses_processes(recordings: list[Utterance], tmp_path: Path) -> None:
    (written, *_) = augment_corpus(recordings[:1], tmp_path / "out", CHAIN, n_jobs=1).utterances[1:]
    written.path.unlink()
    written.path.mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        augment_corpus(recordings[:1], tmp_path / "out", CHAIN, n_jobs=2)


@pytest.mark.parametrize(("name", "value"), [("copies", 0), ("copies", 1.0), ("seed", -1)])
def test_invalid_numbers_raise(
    recordings: list[Utterance], tmp_path: Path, name: str, value: Any
) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be a whole number"):
        augment_corpus(recordings, tmp_path / "out", CHAIN, **{name: value})


def test_no_recordings(tmp_path: Path) -> None:
    assert augment_corpus([], tmp_path / "out", CHAIN, n_jobs=1).utterances == []


def test_error_of_a_transform_stops_at_once(recordings: list[Utterance], tmp_path: Path) -> None:
    def broken(samples: np.ndarray, sampling_rate: int) -> np.ndarray:
        raise KeyError("nothing to do with the recording")

    with pytest.raises(KeyError):
        augment_corpus(recordings, tmp_path / "out", Chain((broken,)), n_jobs=1)


# Originals and copies ---------------------------------------------------------------------------


@pytest.fixture
def siblings(recordings: list[Utterance], tmp_path: Path) -> list[Utterance]:
    """Write three copies of each original, and return all in random order."""
    made = augment_corpus(recordings, tmp_path / "out", CHAIN, copies=3, n_jobs=1).utterances
    return [made[i] for i in np.random.default_rng(0).permutation(len(made))]


def test_splits_keep_originals_and_copies_together(siblings: list[Utterance]) -> None:
    tested: set[Path] = set()
    # Sentences and speakers differ here, so that all these protocols can split.
    for name, options in (
        ("random", {"k": 2}),
        ("random", {"k": 4, "seed": 3}),
        ("random", {"k": 8}),
        ("sentence-disjoint", {"k": 3}),
        ("grouped_kfold", {"k": 4}),
        ("loso", {}),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", protocols.LeakyProtocolWarning)
            folds = protocols.get(name, **options).folds(siblings)
        tested = {u.path for fold in folds for u in fold.test}
        assert tested == {u.path for u in siblings}
        for fold in folds:
            parts = [
                {u.recording for u in part} for part in (fold.train, fold.validation, fold.test)
            ]
            assert sum(map(len, parts)) == 8
            assert len(set.union(*parts)) == 8


def test_random_split_without_copies_is_that_of_scikit_learn() -> None:
    recordings = [
        Utterance(Path(f"{i}.wav"), "sad", corpus="mine", speaker="mine/ann", recording=name)
        for i, name in enumerate([None, "a", "b", None, "c", None, "d", None, None, None])
    ]
    with pytest.warns(protocols.LeakyProtocolWarning):
        folds = protocols.get("random", k=3).folds(recordings)
    # As scikit-learn's KFold(3, shuffle=True, random_state=0) divides ten.
    assert [[int(u.path.stem) for u in fold.test] for fold in folds] == [
        [2, 4, 8, 9],
        [1, 6, 7],
        [0, 3, 5],
    ]


def test_equal_names_of_two_corpora_are_not_grouped() -> None:
    recordings = [
        Utterance(Path(f"{c}{i}.wav"), "sad", corpus=c, speaker=f"{c}/x", recording=str(i))
        for c in ("one", "two")
        for i in range(2)
    ]
    with pytest.warns(protocols.LeakyProtocolWarning):
        folds = protocols.get("random", k=4).folds(recordings)
    assert [len(fold.test) for fold in folds] == [1, 1, 1, 1]


@pytest.mark.parametrize("compare_audio", [False, True])
def test_audit_reports_originals_and_copies(siblings: list[Utterance], compare_audio: bool) -> None:
    copies = [u for u in siblings if "out" in u.path.parts]
    originals = [replace(u, speaker="mine/somebody") for u in siblings if u not in copies]
    report = audit(originals, copies, compare_audio=compare_audio, n_jobs=1)
    assert report.leaky
    assert report.speakers == ()
    named = {(pair.train, pair.test) for pair in report.pairs if pair.kind == "name"}
    assert len(named) == 24
    assert report.counts["name"] == len(report.pairs)
    assert not audit(
        originals[:4],
        [
            u
            for u in copies
            if u.recording not in {original.recording for original in originals[:4]}
        ],
        compare_audio=False,
    ).pairs


def test_table_keeps_originals_and_copies(siblings: list[Utterance], tmp_path: Path) -> None:
    write_csv(siblings, tmp_path / "all.csv")
    assert from_table(tmp_path / "all.csv") == siblings


@pytest.mark.corpora
def test_real_recordings(corpora_root: Path, tmp_path: Path) -> None:
    from emotionrecog.datasets import CORPORA

    actor = CORPORA["ravdess"].utterances(corpora_root / "ravdess" / "Actor_01")[:6]
    made = augment_corpus(actor, tmp_path, CHAIN, n_jobs=1)
    assert len(made.utterances) == 12
    assert [u.recording for u in made.utterances[::2]] == [u.recording for u in actor]
    for original, copy in zip(made.utterances[::2], made.utterances[1::2], strict=True):
        assert not np.array_equal(audio.load(original.path).samples, audio.load(copy.path).samples)
        assert copy.path.name.startswith(original.path.stem)
    with pytest.raises(AudioError):
        Clip(share=0.1)(np.zeros(0, dtype=np.float32), RATE, np.random.default_rng())
