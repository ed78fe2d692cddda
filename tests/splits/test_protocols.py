"""Test protocols: parts share no speaker or sentence, cover all data, and errors are clear."""

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotionrecog import datasets
from emotionrecog.datasets import EMOTIONS, Utterance
from emotionrecog.errors import DatasetError
from emotionrecog.splits import protocols
from emotionrecog.splits.protocols import Fold, LeakyProtocolWarning
from tests.conftest import ROOT

SPEAKERS = {
    "ravdess": [f"{number:02d}" for number in range(1, 25)],
    "crema_d": [str(number) for number in range(1001, 1092)],
    "savee": ["DC", "JE", "JK", "KL"],
    "tess": ["OAF", "YAF"],
}

# Number of folds of each protocol, and the corpora that it tests over all folds.
FOLDS = {
    "ravdess/subject5": (5, ["ravdess"]),
    "ravdess/emobox6": (6, ["ravdess"]),
    "ravdess/loso": (24, ["ravdess"]),
    "savee/emobox4": (4, ["savee"]),
    "cremad/emosuperb5": (5, ["crema_d"]),
    "tess/speaker2": (2, ["tess"]),
    "joint": (5, list(SPEAKERS)),
}


def clip(speaker: str, number: int = 0, style: str = "speech", sentence: str = "s") -> Utterance:
    return Utterance(
        Path(f"{speaker}-{style}-{number}.wav"),
        EMOTIONS[number % 6],
        corpus=speaker.split("/")[0],
        speaker=speaker,
        sentence=sentence,
        style=style,
    )


def speakers_of(utterances: Iterable[Utterance]) -> set[str]:
    return {utterance.speaker for utterance in utterances}


def folds_of(name: str, utterances: Iterable[Utterance], **options: int) -> list[Fold]:
    """Make folds, ignoring the expected warning."""
    with warnings.catch_warnings():
        if name == "random":
            warnings.simplefilter("ignore", LeakyProtocolWarning)
        return protocols.get(name, **options).folds(utterances)


def all_speakers(n_clips: int = 1) -> list[Utterance]:
    """Return speech of all speakers, and song of all who sing."""
    names = [f"{corpus}/{code}" for corpus, codes in SPEAKERS.items() for code in codes]
    speech = [clip(name, number) for name in names for number in range(n_clips)]
    singers = [name for name in names if name.startswith("ravdess/") and name != "ravdess/18"]
    return speech + [clip(name, style="song") for name in singers]


def require_fold_of(clips: list[Utterance], fold: Fold, protocol: protocols.Protocol) -> None:
    """Check the guarantees of every fold."""
    parts = (fold.train, fold.validation, fold.test)
    assert fold.train
    assert fold.test
    for part in parts:  # in the order of `clips`
        positions = [clips.index(utterance) for utterance in part]
        assert positions == sorted(positions)
    for one, other in combinations(parts, 2):
        assert set(one).isdisjoint(other)
        if protocol.speaker_disjoint:
            assert speakers_of(one).isdisjoint(speakers_of(other))
        if protocol.text_disjoint:
            sentences = [{(u.corpus, u.sentence) for u in part} for part in (one, other)]
            assert sentences[0].isdisjoint(sentences[1])


# Protocols whose speakers are fixed -------------------------------------------------------------


def test_names() -> None:
    assert set(protocols.FIXED) == {*FOLDS, "joint-test", "joint-validation"}
    generic = {"loso", "grouped_kfold", "sentence-disjoint", "cross-corpus", "random"}
    assert set(protocols.NAMES) == {*protocols.FIXED, *generic}
    for name in protocols.NAMES:
        protocol = protocols.get(name)
        assert protocol.name == name
        assert protocol.title
        assert protocol.speaker_disjoint == (name not in ("sentence-disjoint", "random"))
        assert protocol.text_disjoint == (name == "sentence-disjoint")


@pytest.mark.parametrize("name", FOLDS)
def test_every_speaker_is_tested_once(name: str) -> None:
    n_folds, corpora = FOLDS[name]
    clips = all_speakers()
    folds = protocols.get(name).folds(iter(clips))
    assert [fold.name for fold in folds] == [f"{name}/{number + 1}" for number in range(n_folds)]
    tested = Counter(utterance for fold in folds for utterance in fold.test)
    speech = [u for u in clips if u.corpus in corpora and u.style == "speech"]
    assert tested == Counter(speech)
    for fold in folds:
        require_fold_of(clips, fold, protocols.get(name))
        assert {u.corpus for part in (fold.train, fold.test) for u in part} <= set(corpora)


def test_folds_equal_the_published_ones() -> None:
    """Compare with the last fold of each published table, copied independently."""
    last = {
        "ravdess/subject5/5": "ravdess/01 ravdess/04 ravdess/09 ravdess/22",
        "ravdess/emobox6/6": "ravdess/06 ravdess/13 ravdess/17 ravdess/22",
        "ravdess/loso/24": "ravdess/24",
        "savee/emobox4/4": "savee/JK",
        "tess/speaker2/2": "tess/YAF",
    }
    for name, speakers in last.items():
        assert protocols.held_out(name) == set(speakers.split())
    crema_d = [protocols.held_out(f"cremad/emosuperb5/{number}") for number in range(1, 6)]
    assert [(min(fold)[-4:], max(fold)[-4:], len(fold)) for fold in crema_d] == [
        ("1037", "1054", 18),
        ("1001", "1018", 18),
        ("1073", "1091", 19),
        ("1055", "1072", 18),
        ("1019", "1036", 18),
    ]


@pytest.mark.parametrize("name", FOLDS)
def test_validation_speakers_are_tested_in_the_next_fold(name: str) -> None:
    folds = protocols.get(name).folds(all_speakers())
    for corpus in FOLDS[name][1]:
        folds_of_corpus = [fold for fold in folds if any(u.corpus == corpus for u in fold.test)]
        for fold, after in zip(
            folds_of_corpus, [*folds_of_corpus[1:], folds_of_corpus[0]], strict=True
        ):
            validated = {u.speaker for u in fold.validation if u.corpus == corpus}
            expected = {u.speaker for u in after.test if u.corpus == corpus}
            assert validated == (set() if corpus == "tess" else expected)


def test_joint_folds_combine_those_of_the_corpora() -> None:
    alone = ("ravdess/subject5", "cremad/emosuperb5", "savee/emobox4", "tess/speaker2")
    clips = all_speakers()
    for number, fold in enumerate(protocols.get("joint").folds(clips), start=1):
        expected = [protocols.held_out(f"{name}/{number}") for name in alone]
        assert speakers_of(fold.test) == set().union(*expected) == protocols.held_out(fold.name)
        seen_speakers = speakers_of(fold.train) | speakers_of(fold.validation)
        assert seen_speakers == speakers_of(clips) - speakers_of(fold.test)
    assert expected[2:] == [set(), set()]  # the fifth tests neither SAVEE nor TESS


def test_joint_test_and_validation_have_their_speakers() -> None:
    clips = all_speakers()
    (final,) = protocols.get("joint-test").folds(clips)
    (choice,) = protocols.get("joint-validation").folds(clips)
    assert (final.name, choice.name) == ("joint-test", "joint-validation")
    assert speakers_of(final.test) == {
        *(f"ravdess/{actor}" for actor in ("02", "05", "14", "15", "16")),
        *(f"crema_d/{actor}" for actor in range(1019, 1037)),
        "savee/KL",
        "tess/YAF",
    }
    assert speakers_of(choice.test) == {
        *(f"ravdess/{actor}" for actor in ("03", "06", "07", "13", "18")),
        *(f"crema_d/{actor}" for actor in range(1055, 1073)),
        "savee/JK",
        "tess/OAF",
    }
    assert speakers_of(final.validation) == speakers_of(choice.test)
    assert choice.validation == []
    # Neither protocol trains on the test speakers of the other.
    assert final.train == choice.train
    speakers_of_parts = [speakers_of(part) for part in (final.train, final.validation, final.test)]
    assert set().union(*speakers_of_parts) == speakers_of(clips)
    for fold in (final, choice):
        require_fold_of(clips, fold, protocols.get(fold.name))
        assert protocols.held_out(fold.name) == speakers_of(fold.test)


def test_held_out_speakers_are_stated_if_fixed() -> None:
    for name in protocols.FIXED:
        folds = protocols.get(name).folds(all_speakers())
        expected = {fold.name: speakers_of(fold.test) for fold in folds}
        assert protocols.get(name).held_out == expected
    assert protocols.held_out("loso/savee/KL") == protocols.held_out("") == frozenset()
    assert protocols.get("loso").held_out == {}


def test_song_is_trained_on_but_not_tested() -> None:
    clips = all_speakers()
    for name in ("ravdess/subject5", "ravdess/loso", "joint", "joint-test", "loso", "random"):
        for fold in folds_of(name, clips):
            assert {u.style for u in fold.test} == {"speech"}
            assert "song" in {u.style for u in fold.train}


def test_song_alone_is_tested() -> None:
    song = [utterance for utterance in all_speakers() if utterance.style == "song"]
    for name, n_folds in (("ravdess/subject5", 5), ("ravdess/loso", 23), ("loso", 23)):
        folds = protocols.get(name).folds(song)
        assert len(folds) == n_folds
        assert Counter(u for fold in folds for u in fold.test) == Counter(song)
        for fold, after in zip(folds, [*folds[1:], folds[0]], strict=True):
            assert fold.validation == after.test
    folds = protocols.get("ravdess/loso").folds(song)
    assert "ravdess/loso/18" not in [fold.name for fold in folds]
    assert {fold.name: speakers_of(fold.test) for fold in folds} == {
        name: speakers
        for name, speakers in protocols.get("ravdess/loso").held_out.items()
        if speakers != {"ravdess/18"}
    }


def test_song_of_validation_speakers_is_in_validation() -> None:
    for fold in protocols.get("ravdess/emobox6").folds(all_speakers()):
        assert {u.style for u in fold.validation} == {"speech", "song"}


def test_other_corpora_are_left_out_except_in_joint_training() -> None:
    mine = [clip("mine/unknown", number) for number in range(3)]
    for fold in protocols.get("savee/emobox4").folds([*mine, *all_speakers()]):
        assert {u.corpus for u in fold.train + fold.validation + fold.test} == {"savee"}
    for fold in protocols.get("joint").folds([*mine, *all_speakers()]):
        assert fold.train[:3] == mine


def test_missing_speakers_are_named() -> None:
    incomplete = [u for u in all_speakers() if u.speaker not in ("savee/KL", "ravdess/05")]
    with pytest.raises(
        DatasetError, match=r"all speakers of protocol 'joint-test'.*ravdess/05, sa"
    ):
        protocols.get("joint-test").folds(incomplete)
    with pytest.raises(DatasetError, match=r"missing: savee/KL\. Pass the complete"):
        protocols.get("savee/emobox4").folds(incomplete)
    # Song cannot replace an actor's missing speech, because song is not tested.
    assert "ravdess/05" not in {u.speaker for u in incomplete}
    with pytest.raises(DatasetError, match="missing: ravdess/05"):
        protocols.get("ravdess/loso").folds([*incomplete, clip("ravdess/05", style="song")])
    with pytest.raises(DatasetError, match=r"missing: crema_d/1001, .* and 61 more"):
        protocols.get("cremad/emosuperb5").folds([clip("mine/me")])
    last_sixty = [u for u in all_speakers() if u.speaker > "crema_d/1031"]
    with pytest.raises(DatasetError, match=r"missing: crema_d/1001, .*, crema_d/1031\. Pass"):
        protocols.get("cremad/emosuperb5").folds(last_sixty)


# Protocols for any utterances -------------------------------------------------------------------

# The groups that each protocol keeps together.
KEYS: dict[str, Callable[[Utterance], object]] = {
    "loso": lambda u: u.speaker,
    "grouped_kfold": lambda u: u.speaker,
    "sentence-disjoint": lambda u: (u.corpus, u.sentence),
    "cross-corpus": lambda u: u.corpus,
    "random": lambda u: u.path,
}

voices = st.builds(
    "{}/{}".format, st.sampled_from(["savee", "tess", "one", "two"]), st.integers(0, 9)
)
clips = st.lists(
    st.builds(
        clip,
        voices,
        st.integers(0, 200),
        st.sampled_from(["speech", "speech", "song"]),
        st.sampled_from(["kids", "dogs", "back", "a b/c"]),
    ),
    min_size=1,
    max_size=60,
    unique_by=lambda utterance: utterance.path,
)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("loso", {}),
        ("grouped_kfold", {"k": 2}),
        ("grouped_kfold", {"k": 4}),
        ("sentence-disjoint", {}),
        ("sentence-disjoint", {"k": 3}),
        ("cross-corpus", {}),
        ("random", {"k": 3, "seed": 7}),
    ],
)
@given(clips=clips)
def test_folds_of_any_utterances(
    name: str, options: dict[str, int], clips: list[Utterance]
) -> None:
    if name == "sentence-disjoint":
        clips = [u for u in clips if u.corpus != "savee"]
    with_speech = {u.corpus for u in clips if u.style == "speech"}
    measured = [u for u in clips if u.style == "speech" or u.corpus not in with_speech]
    if len({KEYS[name](u) for u in measured}) < options.get("k", 2):
        with pytest.raises(DatasetError, match="needs"):
            folds_of(name, clips, **options)
        return
    protocol = protocols.get(name, **options)
    folds = folds_of(name, clips, **options)
    assert folds == folds_of(name, clips, **options)
    assert len({fold.name for fold in folds}) == len(folds) >= 2
    if "k" in options:
        assert len(folds) == options["k"]
    assert Counter(u for fold in folds for u in fold.test) == Counter(measured)
    for fold in folds:
        require_fold_of(clips, fold, protocol)
        assert bool(fold.validation) == (len(folds) > 2)


def test_folds_of_loso_and_cross_corpus_are_named_after_their_test_data() -> None:
    clips = [clip(name, i) for name in ("b/2", "a/1", "a/2", "c/x") for i in range(2)]
    for name, key in (("loso", "speaker"), ("cross-corpus", "corpus")):
        folds = protocols.get(name).folds(clips)
        tested = [{getattr(u, key) for u in fold.test} for fold in folds]
        assert [{fold.name.removeprefix(f"{name}/")} for fold in folds] == tested
        assert tested == [{group} for group in sorted({getattr(u, key) for u in clips})]


def test_groups_have_about_equally_many_clips() -> None:
    clips = [clip(f"mine/{s}", i) for s in range(10) for i in range(5 + s)]
    folds = protocols.get("grouped_kfold", k=5).folds(clips)
    sizes = [len(fold.test) for fold in folds]
    assert max(sizes) - min(sizes) <= 5


def test_groups_do_not_depend_on_the_order() -> None:
    clips = [clip(f"mine/{s}", i) for s in range(7) for i in range(2 + s % 3)]
    for name in ("loso", "grouped_kfold"):
        there, back = (
            [speakers_of(fold.test) for fold in protocols.get(name).folds(utterances)]
            for utterances in (clips, clips[::-1])
        )
        assert there == back


def test_two_sentences_make_two_folds() -> None:
    clips = [clip("a/1", i, sentence=s) for i, s in enumerate(["kids", "dogs"] * 3)]
    folds = protocols.get("sentence-disjoint").folds(clips)
    assert [{u.sentence for u in fold.test} for fold in folds] in (
        [{"kids"}, {"dogs"}],
        [{"dogs"}, {"kids"}],
    )


def test_case_and_spaces_of_sentences_do_not_matter() -> None:
    sentences = [
        "Kids are  talking",
        " kids ARE talking ",
        "Dogs are sitting",
        "dogs are sitting\t",
    ]
    clips = [clip("a/1", i, sentence=sentence) for i, sentence in enumerate(sentences)]
    folds = protocols.get("sentence-disjoint").folds(clips)
    assert len(folds) == 2
    tested = sorted(sorted(clips.index(u) for u in fold.test) for fold in folds)
    assert tested == [[0, 1], [2, 3]]
    blank = [*clips, clip("a/1", 9, sentence="  ")]
    with pytest.raises(DatasetError, match="those of a are unknown"):
        protocols.get("sentence-disjoint").folds(blank)


def test_random_splits_warn_and_follow_their_seed() -> None:
    clips = [clip(f"mine/{i % 3}", i) for i in range(30)]
    with pytest.warns(LeakyProtocolWarning, match="same speakers in training and test") as w:
        protocols.get("random").folds(clips)
    assert w[0].filename == __file__  # the caller's line, not the library's
    tests = [[fold.test for fold in folds_of("random", clips, seed=seed)] for seed in (0, 0, 1)]
    assert tests[0] == tests[1] != tests[2]


# Errors -----------------------------------------------------------------------------------------


def test_unknown_protocol_is_an_error_that_suggests_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"one of ravdess/subject5, .*mean 'cremad/emosuperb5'\?"):
        protocols.get("CREMA-D/emosuperb")
    with pytest.raises(ValueError, match=r"got 'xyz'$"):
        protocols.get("xyz")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("loso", {"k": 3}, "'loso' takes no options, got k"),
        ("ravdess/subject5", {"seed": 3}, "takes no options, got seed"),
        ("grouped_kfold", {"seed": 3}, "takes the options k, got seed"),
        ("grouped_kfold", {"k": 1}, "`k` must be a whole number of at least 2, got 1"),
        ("sentence-disjoint", {"k": 0}, "`k` must be a whole number of at least 2, got 0"),
        ("random", {"k": True}, "`k` must be a whole number of at least 2, got True"),
        ("random", {"seed": -1}, "`seed` must be a whole number of at least 0, got -1"),
    ],
)
def test_wrong_options_are_an_error(name: str, options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        protocols.get(name, **options)


@pytest.mark.parametrize("name", protocols.NAMES)
def test_no_utterances_are_an_error(name: str) -> None:
    with pytest.raises(DatasetError, match="needs utterances to divide, got none"):
        folds_of(name, [])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("loso", {}, r"at least 2 speakers for its folds, found 1 \(mine/me\)"),
        ("grouped_kfold", {}, "at least 5 speakers for its folds, found 1"),
        ("sentence-disjoint", {}, r"at least 2 sentences for its folds, found 1 \(mine/s\)"),
        ("sentence-disjoint", {"k": 3}, "at least 3 sentences"),
        ("cross-corpus", {}, r"at least 2 corpora for its folds, found 1 \(mine\)"),
        ("random", {}, "at least 5 utterances for its folds, found 3;"),
    ],
)
def test_too_few_groups_are_an_error(name: str, options: dict[str, int], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        folds_of(name, [clip("mine/me", number) for number in range(3)], **options)


def test_unknown_speakers_do_not_count_as_one() -> None:
    known_clips = [clip(f"known/{s}", i) for s in range(6) for i in range(2)]
    unknown = [clip("mine/unknown", i) for i in range(4)]
    for name in ("loso", "grouped_kfold"):
        assert protocols.get(name).folds(known_clips)
        with pytest.raises(DatasetError, match="those of mine are unknown"):
            protocols.get(name).folds(known_clips + unknown)
    tested = [
        speakers_of(fold.test)
        for fold in protocols.get("cross-corpus").folds(known_clips + unknown)
    ]
    assert tested == [speakers_of(known_clips), {"mine/unknown"}]


def test_unknown_sentences_do_not_count_as_one() -> None:
    known_clips = [clip(f"known/{i}", i, sentence=s) for i, s in enumerate(["a", "b", "c"])]
    for other in (replace(clip("mine/me"), sentence=None), clip("savee/KL", sentence="a01")):
        with pytest.raises(DatasetError, match=f"those of {other.corpus}"):
            protocols.get("sentence-disjoint").folds([*known_clips, other])


# The page ---------------------------------------------------------------------------------------


def test_documentation_matches_the_protocols() -> None:
    page = ROOT / "docs/reference/protocols.md"
    rows = re.findall(
        r"^\| `(.+?)` \| .+ \| (.+?) \| (.+?) \|$", page.read_text(encoding="utf-8"), re.M
    )
    assert [name for name, _, _ in rows] == list(protocols.NAMES)
    for name, speakers, text in rows:
        labels = {"yes": True, "no": False, "**no**": False}
        protocol = protocols.get(name)
        assert labels[speakers] == protocol.speaker_disjoint
        assert labels[text] == protocol.text_disjoint


# Real corpora -----------------------------------------------------------------------------------


@pytest.mark.corpora
def test_protocols_divide_the_corpora(corpora_root: Path) -> None:
    utterances = datasets.read(corpora_root)
    for name in protocols.FIXED:
        for fold in protocols.get(name).folds(utterances):
            assert speakers_of(fold.train).isdisjoint(speakers_of(fold.test))
            emotions = [{u.emotion for u in part} for part in (fold.train, fold.test)]
            assert emotions[0] == emotions[1], fold.name
            assert {u.style for u in fold.test} == {"speech"}
    (final,) = protocols.get("joint-test").folds(utterances)
    assert Counter(u.corpus for u in final.test) == {
        "ravdess": 300,
        "crema_d": 1470,
        "savee": 120,
        "tess": 1400,
    }
