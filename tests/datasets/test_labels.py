"""Test label sets: the mapping of each emotion, and the counts of all changes."""

import copy
import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotionrecog.datasets import CORPORA, EMOTIONS, LABEL_SETS, SPELLINGS, LabelSet, Utterance
from emotionrecog.datasets.labels import read_words, unknown_words
from emotionrecog.errors import DatasetError

SAME = {emotion: emotion for emotion in EMOTIONS}


def labelled(emotion, number=0, votes=None):
    return Utterance(Path(f"{number}.wav"), emotion, corpus="mine", speaker="mine/bob", votes=votes)


each_set = pytest.mark.parametrize("label_set", LABEL_SETS.values(), ids=LABEL_SETS)


# The sets by name.

# The label of each emotion, written by hand in the order of EMOTIONS.
BECOMES = {
    "ravdess8": "neutral calm happy sad angry fearful disgust surprised",
    "tess7": "neutral neutral happy sad angry fearful disgust surprised",
    "six": "neutral neutral happy sad angry fearful disgust -",
    "four": "neutral neutral happy sad angry - - -",
}


def test_the_label_sets():
    assert {
        name: " ".join(label_set.mapping[emotion] or "-" for emotion in EMOTIONS)
        for name, label_set in LABEL_SETS.items()
    } == BECOMES
    assert [label_set.name for label_set in LABEL_SETS.values()] == list(LABEL_SETS)


@pytest.mark.parametrize(
    ("name", "corpus"), [("ravdess8", "ravdess"), ("tess7", "tess"), ("six", "crema_d")]
)
def test_a_set_named_after_a_corpus_has_its_emotions(name, corpus):
    assert LABEL_SETS[name].emotions == CORPORA[corpus].emotions


def test_sets_are_read_only():
    with pytest.raises(TypeError):
        LABEL_SETS["mine"] = LABEL_SETS["six"]
    with pytest.raises(TypeError):
        LABEL_SETS["six"].mapping["calm"] = None
    with pytest.raises(AttributeError):
        LABEL_SETS["six"].mapping = SAME


@each_set
def test_a_set_can_be_pickled_and_hashed(label_set):
    for other in (pickle.loads(pickle.dumps(label_set)), copy.deepcopy(label_set)):
        assert other == label_set
        assert {label_set: 1}[other] == 1
    assert label_set != LabelSet("mine", label_set.mapping)


# Custom sets.


def test_a_custom_set_is_copied_and_ordered():
    mapping = {emotion: "sad" if emotion == "sad" else None for emotion in reversed(EMOTIONS)}
    mine = LabelSet("mine", mapping)
    mapping["sad"] = None
    assert list(mine.mapping) == list(EMOTIONS)
    assert mine.emotions == ("sad",)


@pytest.mark.parametrize(
    ("mapping", "complaint"),
    [
        ({}, "missing: neutral, calm, happy, sad, angry, fearful, disgust, surprised; unk.*: none"),
        ({e: e for e in EMOTIONS if e != "calm"}, "missing: calm; unknown: none"),
        ({**SAME, "bored": None}, "missing: none; unknown: 'bored'"),
        ({**SAME, "calm": "relaxed"}, "must map to neutral, .* got 'calm': 'relaxed'"),
        ({**SAME, "calm": ["neutral"]}, "must map to neutral, .* got 'calm'"),
        ({**SAME, "calm": "neutral", "neutral": None}, "'neutral' must map to itself.*None"),
        ({**SAME, "calm": "happy", "happy": "calm"}, "must map to itself"),
        (dict.fromkeys(EMOTIONS), "must keep at least one emotion"),
    ],
)
def test_an_incomplete_or_ambiguous_mapping_raises(mapping, complaint):
    with pytest.raises(DatasetError, match=f"`mapping` of label set 'mine' .*{complaint}"):
        LabelSet("mine", mapping)


# Applying a set.


def test_six_of_all_eight():
    utterances = [labelled(emotion, number) for number, emotion in enumerate(EMOTIONS * 3)]
    utterances.append(labelled("calm", 24))
    relabelled = LABEL_SETS["six"].apply(iter(utterances))
    assert [utterance.emotion for utterance in relabelled.utterances] == [
        *("neutral", "neutral", "happy", "sad", "angry", "fearful", "disgust") * 3,
        "neutral",
    ]
    assert [utterance.path for utterance in relabelled.utterances] == [
        utterance.path for utterance in utterances if utterance.emotion != "surprised"
    ]
    assert relabelled.mapped == {"calm": 4}
    assert relabelled.left_out == {"surprised": 3}
    assert relabelled.votes_left_out == 0
    assert str(relabelled) == (
        "label set 'six': 22 of 25 recordings kept\n"
        "taken as another emotion: calm as neutral (4)\n"
        "left out: surprised (3)"
    )


def test_a_set_of_all_emotions_changes_nothing():
    utterances = [labelled(emotion, votes=tuple(range(8))) for emotion in EMOTIONS]
    relabelled = LABEL_SETS["ravdess8"].apply(utterances)
    assert relabelled.utterances == utterances
    assert (relabelled.mapped, relabelled.left_out, relabelled.votes_left_out) == ({}, {}, 0)
    assert str(relabelled).splitlines()[1:] == ["taken as another emotion: none", "left out: none"]


def test_votes_follow_the_emotions():
    #                         neutral calm happy sad angry fearful disgust surprised
    votes_before, votes_after = (1, 2, 3, 4, 5, 6, 7, 8), (3, 0, 3, 4, 5, 0, 0, 0)
    utterances = [labelled("calm", votes=votes_before), labelled("disgust", votes=votes_before)]
    relabelled = LABEL_SETS["four"].apply(utterances)
    assert relabelled.utterances == [labelled("neutral", votes=votes_after)]
    # Votes on the kept utterance: 6 fearful, 7 disgust, 8 surprised.
    assert relabelled.votes_left_out == 21
    assert str(relabelled).endswith("votes left out, for emotions not in the set: 21")


def test_only_emotion_and_votes_change():
    utterance = Utterance(
        Path("a.wav"),
        "calm",
        corpus="ravdess",
        speaker="ravdess/01",
        sex="male",
        intensity="strong",
        sentence="kids",
        language="en",
        style="song",
        recording="a",
        age=33,
    )
    (relabelled,) = LABEL_SETS["tess7"].apply([utterance]).utterances
    assert relabelled == replace(utterance, emotion="neutral")


def test_an_empty_list_stays_empty():
    assert LABEL_SETS["four"].apply([]).utterances == []


emotions = st.sampled_from(EMOTIONS)
votes = st.none() | st.tuples(*[st.integers(0, 50)] * len(EMOTIONS))
utterance_lists = st.lists(st.builds(labelled, emotions, st.integers(0, 9), votes), max_size=12)


@st.composite
def label_sets(draw):
    kept = draw(st.sets(emotions, min_size=1))
    others = {e: draw(st.sampled_from([*sorted(kept), None])) for e in EMOTIONS if e not in kept}
    return LabelSet("drawn", {**{e: e for e in kept}, **others})


@given(label_set=label_sets(), utterances=utterance_lists)
def test_all_changes_are_counted(label_set, utterances):
    relabelled = label_set.apply(utterances)
    before = Counter(utterance.emotion for utterance in utterances)
    after = Counter(utterance.emotion for utterance in relabelled.utterances)
    assert len(relabelled.utterances) + sum(relabelled.left_out.values()) == len(utterances)
    assert set(after) <= set(label_set.emotions)
    for emotion in EMOTIONS:
        target = label_set.mapping[emotion]
        assert relabelled.left_out.get(emotion, 0) == (before[emotion] if target is None else 0)
        moved = target not in (emotion, None)
        assert relabelled.mapped.get(emotion, 0) == (before[emotion] if moved else 0)
    cast = sum(sum(u.votes or ()) for u in utterances if label_set.mapping[u.emotion] is not None)
    kept = sum(sum(u.votes or ()) for u in relabelled.utterances)
    assert kept + relabelled.votes_left_out == cast


@given(label_set=label_sets(), utterances=utterance_lists)
def test_applying_twice_changes_nothing_more(label_set, utterances):
    applied_once = label_set.apply(utterances)
    applied_twice = label_set.apply(applied_once.utterances)
    assert applied_twice.utterances == applied_once.utterances
    assert (applied_twice.mapped, applied_twice.left_out, applied_twice.votes_left_out) == (
        {},
        {},
        0,
    )


# Words.


def test_the_spellings():
    assert set(SPELLINGS.values()) == set(EMOTIONS)
    assert all(SPELLINGS[emotion] == emotion for emotion in EMOTIONS)
    assert {word: e for word, e in SPELLINGS.items() if word != e} == {
        "happiness": "happy",
        "joy": "happy",
        "sadness": "sad",
        "anger": "angry",
        "fear": "fearful",
        "disgusted": "disgust",
        "surprise": "surprised",
    }


def test_words_are_read_in_any_case_and_as_mapped():
    explained = {"ps": "surprised", "Calm": "neutral", "N": "neutral", "n": None}
    words = ["PS", " Joy ", "ANGER", "calm", "N", "n", "bored", "", "happyish"]
    assert read_words(words, explained) == {
        "PS": "surprised",
        " Joy ": "happy",
        "ANGER": "angry",
        "calm": "neutral",
        "N": "neutral",
        "n": None,
    }


def test_words_mapped_in_two_ways_are_not_guessed():
    assert read_words(["joy"], {"Joy": "happy", "JOY": "surprised"}) == {}


def test_a_mapping_to_an_unknown_emotion_raises():
    with pytest.raises(DatasetError, match=r"`emotions` must map to neutral.*got 'wut': 'wrath'"):
        read_words([], {"wut": "wrath", "bored": None})


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("ps", "surprised"),
        ("Pleasant_Surprise", "surprised"),
        ("ANG", "angry"),
        ("hapy", "happy"),
        ("fearfull", "fearful"),
        ("unhappy", "sad"),
        ("mad", "angry"),
        ("bored", None),
        ("excited", None),
        ("xyz", None),
        ("", None),
    ],
)
def test_the_nearest_emotion_is_suggested(word, nearest):
    message = unknown_words(Counter([word]))
    assert message.startswith(
        f"{word!r} (once; nearest is {nearest}). " if nearest else f"{word!r} (once). "
    )
    assert message.endswith(f"emotions={ {word: nearest} }")


def test_unknown_words_are_not_listed_in_full():
    message = unknown_words(Counter({f"x{number}": 2 for number in range(500)}))
    assert "and 490 more" in message
    assert len(message) < 1000
