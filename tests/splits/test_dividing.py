"""Test divisions of utterances: fixed results, and properties for any utterances."""

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotionrecog import datasets
from emotionrecog.datasets import Utterance
from emotionrecog.errors import DatasetError
from emotionrecog.splits import protocols
from emotionrecog.splits.dividing import (
    fold_by_number,
    fold_indices,
    hold_out_recordings,
    hold_out_speakers,
    sample_clips,
    sample_each_speaker,
    speaker_parts,
    without_validation,
)

EMOTIONS = ("sad", "angry", "happy")

speakers_and_emotions = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=60
)


def clip(corpus: str, speaker: int, emotion: str, take: int = 0) -> Utterance:
    return Utterance(
        Path(f"{corpus}_{speaker}_{emotion}_{take}.wav"),
        emotion,
        corpus=corpus,
        speaker=f"{corpus}/{speaker}",
    )


CLIPS = [
    clip(corpus, speaker, emotion, take)
    for corpus, n_speakers in (("big", 8), ("three", 3), ("two", 2))
    for speaker in range(n_speakers)
    for emotion in EMOTIONS[: 2 + speaker % 2]
    for take in range(2)
]


def numbered(speakers: list[tuple[int, int]]) -> list[Utterance]:
    """Make a clip of each pair of a speaker and an emotion."""
    return [
        clip("one", speaker, EMOTIONS[emotion], take)
        for take, (speaker, emotion) in enumerate(speakers)
    ]


# hold_out_speakers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seed", "held_out"),
    [(0, {"big/1", "big/6", "three/0"}), (7, {"big/1", "big/2", "three/2"})],
)
def test_same_seed_holds_out_same_speakers(seed: int, held_out: set[str]) -> None:
    train, test = hold_out_speakers(CLIPS, 0.2, seed)
    assert {utterance.speaker for utterance in test} == held_out
    assert train == [utterance for utterance in CLIPS if utterance.speaker not in held_out]
    assert test == [utterance for utterance in CLIPS if utterance.speaker in held_out]


def test_the_share_of_speakers_holds_for_each_corpus() -> None:
    sizes = {"big": 20, "three": 3, "two": 2}
    clips = [clip(corpus, number, "sad") for corpus, n in sizes.items() for number in range(n)]
    train, validation = hold_out_speakers(clips, 0.15, seed=0)
    assert sorted([*train, *validation], key=str) == sorted(clips, key=str)
    assert not {u.speaker for u in train} & {u.speaker for u in validation}
    assert [sum(u.corpus == c for u in validation) for c in sizes] == [3, 1, 0]
    assert any(hold_out_speakers(clips, 0.15, seed)[1] != validation for seed in range(1, 5))


def test_one_speaker_is_held_out_of_small_corpora() -> None:
    train, validation = hold_out_speakers([clip("two", 0, "sad"), clip("two", 1, "sad")], 0.15, 0)
    assert len(train) == len(validation) == 1


def test_single_speaker_cannot_be_divided_by_speaker() -> None:
    with pytest.raises(DatasetError, match=r"all utterances are of one speaker \(two/1\)"):
        hold_out_speakers([clip("two", 1, "sad")], 0.15, seed=0)


@pytest.mark.parametrize("divide", [hold_out_speakers, hold_out_recordings])
@pytest.mark.parametrize("share", [0, 1, -0.1, "half"])
def test_share_must_be_between_0_and_1(divide, share) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="`share` must be a number above 0 and below 1"):
        divide(CLIPS, share, 0)


# hold_out_recordings ------------------------------------------------------------------------------


ANN = [clip("mine", 0, emotion, take) for emotion in EMOTIONS for take in range(4)]


@pytest.mark.parametrize(("seed", "held_out"), [(0, [1, 6, 10]), (7, [0, 6, 9])])
def test_same_seed_holds_out_same_recordings(seed: int, held_out: list[int]) -> None:
    train, test = hold_out_recordings(ANN, 0.3, seed)
    assert test == [ANN[i] for i in held_out]
    assert train == [utterance for utterance in ANN if utterance not in test]


def test_copies_of_a_recording_stay_together() -> None:
    copies = [
        dataclasses.replace(utterance, path=Path(f"copy_{number}_{utterance.path}"), recording=name)
        for utterance in ANN
        for name in [utterance.path.stem]
        for number in range(3)
    ]
    train, test = hold_out_recordings(copies, 0.3, seed=0)
    assert len(test) == 9
    assert not {u.recording for u in train} & {u.recording for u in test}


def test_too_few_recordings_cannot_be_divided() -> None:
    with pytest.raises(DatasetError, match="2 clips are too few"):
        hold_out_recordings([ANN[0], ANN[4]], 0.3, seed=0)


# sample_clips -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seed", "drawn"), [(0, [2, 8, 10, 16, 20, 24]), (7, [3, 9, 10, 16, 20, 24])]
)
def test_same_seed_draws_same_clips(seed: int, drawn: list[int]) -> None:
    assert sample_clips(CLIPS, 6, seed=seed) == [CLIPS[i] for i in drawn]


@given(speakers_and_emotions, st.integers(1, 70), st.integers(0, 3))
def test_clips_are_drawn_evenly(speakers: list[tuple[int, int]], n_clips: int, seed: int) -> None:
    clips = numbered(speakers)
    drawn = sample_clips(clips, n_clips, seed=seed)
    assert len(drawn) == min(n_clips, len(clips))
    places = [clips.index(utterance) for utterance in drawn]
    assert places == sorted(set(places))
    available = Counter(utterance.speaker for utterance in clips)
    taken = Counter(utterance.speaker for utterance in drawn)
    # Speakers with clips left give at most one fewer than any other.
    most = max(taken.values())
    assert all(taken[s] == available[s] or taken[s] >= most - 1 for s in available)
    for speaker in available:
        has = Counter(u.emotion for u in clips if u.speaker == speaker)
        gave = Counter(u.emotion for u in drawn if u.speaker == speaker)
        most = max(gave.values(), default=0)
        assert all(gave[e] == has[e] or gave[e] >= most - 1 for e in has)


@pytest.mark.parametrize("n_clips", [0, 1.5, True])
def test_number_of_clips_must_be_whole_and_positive(n_clips: int) -> None:
    with pytest.raises(ValueError, match="`n_clips` must be a whole number of at least 1"):
        sample_clips(CLIPS, n_clips)


# sample_each_speaker ------------------------------------------------------------------------------


@given(speakers_and_emotions, st.integers(1, 10))
def test_each_speaker_gives_the_requested_number_of_clips(
    speakers: list[tuple[int, int]], n_each: int
) -> None:
    clips = numbered(speakers)
    taken = sample_each_speaker(clips, n_each)
    available = Counter(utterance.speaker for utterance in clips)
    assert Counter(u.speaker for u in taken) == {s: min(n, n_each) for s, n in available.items()}
    assert len(set(taken)) == len(taken)


def test_clips_of_a_speaker_are_evenly_spaced() -> None:
    clips = [clip("mine", 0, "sad", take) for take in range(101)]
    assert sample_each_speaker(clips, 5) == [clips[i] for i in (0, 25, 50, 75, 100)]


# speaker_parts ------------------------------------------------------------------------------------


def test_parts_are_the_same_every_time() -> None:
    speakers = sorted({utterance.speaker for utterance in CLIPS})
    corpora = [name.partition("/")[0] for name in speakers]
    assert speaker_parts(corpora, speakers).tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2]
    assert speaker_parts(corpora[:3], speakers[:3], 2).tolist() == [0, 1, 0]


@given(st.lists(st.sampled_from(["a/1", "a/2", "a/3", "b/1", "b/2"]), min_size=1, max_size=40))
def test_no_speaker_is_in_two_parts(speakers: list[str]) -> None:
    parts = speaker_parts([speaker[0] for speaker in speakers], speakers, 4)
    assert len(set(zip(speakers, parts.tolist(), strict=True))) == len(set(speakers))
    assert len(set(parts.tolist())) == min(4, len(set(speakers)))


# fold_indices and without_validation --------------------------------------------------------------


def test_folds_are_the_same_every_time() -> None:
    tested = [{CLIPS[i].speaker for i in test} for _, test in fold_indices(CLIPS, 3)]
    assert tested == [
        {"big/0", "big/5", "big/6", "two/0", "two/1"},
        {"big/3", "big/4", "three/1", "three/2"},
        {"big/1", "big/2", "big/7", "three/0"},
    ]
    for train, test in fold_indices(CLIPS, 3):
        assert sorted([*train, *test]) == list(range(len(CLIPS)))
        assert train == sorted(train)


def test_folds_of_a_protocol_train_on_its_validation_speakers() -> None:
    folds = fold_indices(CLIPS, protocols.get("loso"))
    assert len(folds) == 13
    assert all(len(train) + len(test) == len(CLIPS) for train, test in folds)


def test_folds_must_keep_speakers_apart() -> None:
    with pytest.raises(ValueError, match="`folds` must keep speakers apart, which protocol 'rand"):
        fold_indices(CLIPS, protocols.get("random"))


def test_fold_without_validation_trains_on_all_but_test_speakers() -> None:
    for fold in protocols.get("loso").folds(CLIPS):
        merged = without_validation(fold, CLIPS)
        assert merged.validation == []
        assert (merged.name, merged.test) == (fold.name, fold.test)
        assert merged.train == [u for u in CLIPS if u not in fold.test]


def test_parts_are_numpy_integers() -> None:
    assert speaker_parts([], []).dtype == np.intp


def test_fold_is_chosen_by_its_name() -> None:
    """With song alone, fold 18 is absent, and fold 19 keeps its number."""
    actors = [f"{number:02d}" for number in range(1, 25) if number != 18]
    song = [
        Utterance(Path(f"{actor}.wav"), "sad", "ravdess", f"ravdess/{actor}", style="song")
        for actor in actors
    ]
    fold = fold_by_number(song, "ravdess/loso", 19)
    assert (fold.name, [u.speaker for u in fold.test]) == ("ravdess/loso/19", ["ravdess/19"])
    assert fold_by_number(song, "ravdess/loso", 24).name == "ravdess/loso/24"
    with pytest.raises(
        DatasetError, match=r"'ravdess/loso/18' tests ravdess/18, who have no recordings"
    ):
        fold_by_number(song, "ravdess/loso", 18)


def test_fold_needs_a_protocol_that_fixes_its_speakers() -> None:
    with pytest.raises(ValueError, match="'random' does not fix its test speakers"):
        fold_by_number([], "random", 1)


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("protocol", "n_learnt"), [("joint-test", 9664), ("joint-validation", 6192)]
)
def test_all_but_the_test_speakers_are_for_training(
    protocol: str, n_learnt: int, corpora_root: Path
) -> None:
    four = {"ravdess", "crema_d", "savee", "tess"}
    utterances = [u for u in datasets.read(corpora_root) if u.corpus in four]
    fold = fold_by_number(utterances, protocol, None)
    unheard = protocols.held_out("joint-test") | protocols.held_out(protocol)
    learnt = without_validation(fold, utterances).train
    assert learnt == [u for u in utterances if u.speaker not in unheard]
    assert len(learnt) == n_learnt
