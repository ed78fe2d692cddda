"""Test the corpora: one contract for all, then the specifics of each."""

import contextlib
import csv
import itertools
import logging
import os
import pickle
import re
from collections import Counter
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from emotionrecog import datasets
from emotionrecog.datasets import CORPORA, EMOTIONS, Corpus, Utterance
from emotionrecog.datasets.ravdess import RavdessName
from emotionrecog.errors import DatasetError
from tests.conftest import messages

# Facts that a path states, written by hand; others are None.
EXAMPLES = {
    "ravdess": {
        "Actor_12/03-01-06-01-02-01-12.wav": {
            **{"emotion": "fearful", "speaker": "ravdess/12", "sex": "female"},
            **{"intensity": "normal", "sentence": "dogs", "recording": "01-06-01-02-01-12"},
        },
        "Actor_01/03-02-02-02-01-02-01.WAV": {
            **{"emotion": "calm", "speaker": "ravdess/01", "sex": "male", "style": "song"},
            **{"intensity": "strong", "sentence": "kids", "recording": "02-02-02-01-02-01"},
        },
        "01-01-08-01-01-01-24.mp4": {
            **{"emotion": "surprised", "speaker": "ravdess/24", "sex": "female"},
            **{"intensity": "normal", "sentence": "kids", "recording": "01-08-01-01-01-24"},
        },
    },
    "crema_d": {
        "AudioWAV/1001_IEO_ANG_HI.wav": {
            **{"emotion": "angry", "speaker": "crema_d/1001", "intensity": "high"},
            **{"sentence": "IEO", "recording": "1001_IEO_ANG_HI"},
        },
        "AudioWAV/1001_IEO_FEA_LO.wav": {
            **{"emotion": "fearful", "speaker": "crema_d/1001", "intensity": "low"},
            **{"sentence": "IEO", "recording": "1001_IEO_FEA_LO"},
        },
        "AudioWAV/1001_IEO_DIS_MD.wav": {
            **{"emotion": "disgust", "speaker": "crema_d/1001", "intensity": "medium"},
            **{"sentence": "IEO", "recording": "1001_IEO_DIS_MD"},
        },
        "1091_WSI_NEU_XX.opus": {
            **{"emotion": "neutral", "speaker": "crema_d/1091"},
            **{"sentence": "WSI", "recording": "1091_WSI_NEU_XX"},
        },
        "AudioWAV/1040_ITH_SAD_X.wav": {
            **{"emotion": "sad", "speaker": "crema_d/1040"},
            **{"sentence": "ITH", "recording": "1040_ITH_SAD_XX"},
        },
    },
    "savee": {
        "AudioData/DC/a01.wav": {
            **{"emotion": "angry", "speaker": "savee/DC", "sex": "male"},
            **{"sentence": "a01", "recording": "DC_a01"},
        },
        "ALL/KL_n30.wav": {
            **{"emotion": "neutral", "speaker": "savee/KL", "sex": "male"},
            **{"sentence": "n30", "recording": "KL_n30"},
        },
        "JE/sa15.flac": {
            **{"emotion": "sad", "speaker": "savee/JE", "sex": "male"},
            **{"sentence": "sa15", "recording": "JE_sa15"},
        },
        "JK_su09.wav": {
            **{"emotion": "surprised", "speaker": "savee/JK", "sex": "male"},
            **{"sentence": "su09", "recording": "JK_su09"},
        },
    },
    "tess": {
        "OAF_Fear/OAF_food_fear.wav": {
            **{"emotion": "fearful", "speaker": "tess/OAF", "sex": "female", "age": 64},
            **{"sentence": "food", "recording": "OAF_food_fear"},
        },
        "YAF_pleasant_surprised/YAF_youth_ps.wav": {
            **{"emotion": "surprised", "speaker": "tess/YAF", "sex": "female", "age": 26},
            **{"sentence": "youth", "recording": "YAF_youth_ps"},
        },
        "OAF_neutral/OA_bite_neutral.wav": {
            **{"emotion": "neutral", "speaker": "tess/OAF", "sex": "female", "age": 64},
            **{"sentence": "bite", "recording": "OAF_bite_neutral"},
        },
    },
    "emodb": {
        "wav/03a01Fa.wav": {
            **{"emotion": "happy", "speaker": "emodb/03", "sex": "male", "age": 31},
            **{"sentence": "a01", "recording": "03a01Fa"},
        },
        "wav/09b10Wd.wav": {
            **{"emotion": "angry", "speaker": "emodb/09", "sex": "female", "age": 21},
            **{"sentence": "b10", "recording": "09b10Wd"},
        },
        "16a07Ac.flac": {
            **{"emotion": "fearful", "speaker": "emodb/16", "sex": "female", "age": 31},
            **{"sentence": "a07", "recording": "16a07Ac"},
        },
    },
    "emovo": {
        "EMOVO/f1/dis-f1-b1.wav": {
            **{"emotion": "disgust", "speaker": "emovo/f1", "sex": "female"},
            **{"sentence": "b1", "recording": "dis-f1-b1"},
        },
        "m3/rab-m3-n5.wav": {
            **{"emotion": "angry", "speaker": "emovo/m3", "sex": "male"},
            **{"sentence": "n5", "recording": "rab-m3-n5"},
        },
        "pau-m2-d2.wav": {
            **{"emotion": "fearful", "speaker": "emovo/m2", "sex": "male"},
            **{"sentence": "d2", "recording": "pau-m2-d2"},
        },
    },
    "nemo": {
        "samples/WR0_surprised_64.wav": {
            **{"emotion": "surprised", "speaker": "nemo/WR0", "sex": "male", "age": 23},
            **{"sentence": "64", "recording": "WR0_surprised_64"},
        },
        "samples/EB0_happiness_1.wav": {
            **{"emotion": "happy", "speaker": "nemo/EB0", "sex": "female", "age": 27},
            **{"sentence": "1", "recording": "EB0_happiness_1"},
        },
    },
    "urdu": {
        "Angry/SM1_F1_A01.wav": {
            **{"emotion": "angry", "speaker": "urdu/SM1", "sex": "male"},
            **{"recording": "SM1_F1_A01"},
        },
        "Happy/SF1_F10_H010.wav": {
            **{"emotion": "happy", "speaker": "urdu/SF1", "sex": "female"},
            **{"recording": "SF1_F10_H010"},
        },
        "Sad/SM6_F04_S0100.wav": {
            **{"emotion": "sad", "speaker": "urdu/SM6", "sex": "male"},
            **{"recording": "SM6_F4_S0100"},
        },
    },
}

LANGUAGES = dict.fromkeys(EXAMPLES, "en") | {
    "emodb": "de",
    "emovo": "it",
    "nemo": "pl",
    "urdu": "ur",
}

# Invalid names, and the word for the wrong part.
UNEXPECTED = {
    "ravdess": {
        "readme.wav": "expected",
        "03-01-06-01-02-01.wav": "expected",
        "03-01-06-01-02-01-12-01.wav": "expected",
        "04-01-06-01-02-01-12.wav": "modality",
        "03-03-06-01-02-01-12.wav": "vocal_channel",
        "03-01-09-01-02-01-12.wav": "emotion",
        "03-01-06-03-02-01-12.wav": "intensity",
        "03-01-06-01-00-01-12.wav": "statement",
        "03-01-06-01-02-03-12.wav": "repetition",
        "03-01-06-01-02-01-25.wav": "actor",
        "03-01-06-01-02-01-00.wav": "actor",
        "03-01-06-01-02-01-1.wav": "actor",
        "03-01-06-01-02-01-12.copy.wav": "actor",
        "03-01-6-01-02-01-12.wav": "emotion",
        "03-01-01-02-02-01-12.wav": "intensity",
        "03-02-07-01-02-01-12.wav": "emotion",
        "03-02-08-01-02-01-12.wav": "emotion",
        "03-02-06-01-02-01-18.wav": "actor",
    },
    "crema_d": {
        "readme.wav": "expected",
        "1001_IEO_ANG.wav": "expected",
        "1001_IEO_ANG_HI_2.wav": "expected",
        "1000_IEO_ANG_HI.wav": "actor",
        "1092_IEO_ANG_HI.wav": "actor",
        "1001_XYZ_ANG_HI.wav": "sentence",
        "1001_IEO_SUR_HI.wav": "emotion",
        "1001_IEO_ANG_YY.wav": "intensity",
        "1001_IEO_ANG_XX.wav": "intensity",
        "1001_IEO_NEU_LO.wav": "intensity",
        "1001_TIE_ANG_HI.wav": "intensity",
    },
    "savee": {
        "readme.wav": "expected",
        "DC/a1.wav": "expected",
        "DC/a001.wav": "expected",
        "a01.wav": "speaker",
        "XX/a01.wav": "speaker",
        "DC/XX_a01.wav": "speaker",
        "DC/b01.wav": "emotion",
        "DC/a00.wav": "sentence",
        "DC/a16.wav": "sentence",
        "DC/n31.wav": "sentence",
    },
    "tess": {
        "readme.wav": "expected",
        "OAF_back.wav": "expected",
        "OAF_back_angry_2.wav": "expected",
        "XAF_back_angry.wav": "talker",
        "YA_bite_neutral.wav": "talker",
        "OAF__angry.wav": "word",
        "OAF_b4ck_angry.wav": "word",
        "OAF_backs_angry.wav": "word",
        "OAF_back_calm.wav": "emotion",
    },
    "emodb": {
        "readme.wav": "expected",
        "3a01Fa.wav": "expected",
        "03a01F1.wav": "expected",
        "03a01Fab.wav": "expected",
        "04a01Fa.wav": "speaker",
        "03a03Fa.wav": "sentence",
        "03a01Sa.wav": "emotion",
    },
    "emovo": {
        "readme.wav": "expected",
        "dis-f1.wav": "expected",
        "dis-f1-b1-2.wav": "expected",
        "cal-f1-b1.wav": "emotion",
        "dis-f4-b1.wav": "actor",
        "dis-m1-b4.wav": "sentence",
    },
    "nemo": {
        "readme.wav": "expected",
        "WR0_surprised.wav": "expected",
        "WR1_surprised_64.wav": "speaker",
        "WR0_disgust_64.wav": "emotion",
        "WR0_surprised_0.wav": "sentence",
        "WR0_surprised_91.wav": "sentence",
        "WR0_surprised_064.wav": "sentence",
        "WR0_surprised_x.wav": "sentence",
    },
    "urdu": {
        "readme.wav": "expected",
        "SM1_A01.wav": "expected",
        "SM1_F1_A.wav": "expected",
        "SM28_F1_A01.wav": "speaker",
        "SF12_F1_A01.wav": "speaker",
        "SM01_F1_A01.wav": "speaker",
        "SM1_F1_F01.wav": "emotion",
        "SM1_F0_A01.wav": "file",
        "SM1_F101_A01.wav": "file",
        "SM1_F1_A0101.wav": "number",
        f"SM1_F1_A{'9' * 100}.wav": "number",
    },
}

each_corpus = pytest.mark.parametrize("corpus", CORPORA.values(), ids=CORPORA)


def pairs(table):
    return [
        pytest.param(CORPORA[name], path, expected, id=f"{name}-{path}")
        for name, paths in table.items()
        for path, expected in paths.items()
    ]


def lay_out(root, *names):
    """Make empty files: a corpus is read from its names alone."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def names_below(root, utterances):
    return [utterance.path.relative_to(root).as_posix() for utterance in utterances]


# The contract.


def test_emotions_are_the_eight_in_their_order():
    assert " ".join(EMOTIONS) == "neutral calm happy sad angry fearful disgust surprised"


def test_the_table_of_corpora_is_read_only():
    with pytest.raises(TypeError):
        CORPORA["mine"] = CORPORA["tess"]


@each_corpus
def test_a_corpus_is_one_module_of_its_name(corpus):
    module = import_module(f"emotionrecog.datasets.{corpus.name}")
    assert module.CORPUS is corpus is CORPORA[corpus.name]
    assert module.parse is corpus.parse
    assert module.EMOTION_CODES is corpus.emotion_codes
    assert module.FILE_NAMES is corpus.file_names
    assert module.NAME_PARTS is corpus.name_parts
    assert getattr(module, "names", None) is corpus.names
    assert getattr(module, "complete", None) is corpus.complete
    assert module.__doc__


@each_corpus
def test_facts_are_stated(corpus):
    for fact in (corpus.title, corpus.licence, corpus.citation, corpus.file_names):
        assert fact.strip()
        assert fact == fact.strip()
    assert re.fullmatch(r"https?://\S+", corpus.homepage)
    assert corpus.language == LANGUAGES[corpus.name]
    assert corpus.n_utterances.keys() == corpus.n_speakers.keys()
    assert {"speech"} <= corpus.n_utterances.keys() <= {"speech", "song"}


@each_corpus
def test_the_file_name_code_is_tabulated(corpus):
    assert corpus.name_parts["emotion"] is corpus.emotion_codes
    assert all(corpus.name_parts.values())
    # Every part that can be wrong is in the table.
    assert set(UNEXPECTED[corpus.name].values()) - {"expected"} <= corpus.name_parts.keys()


# Name of the file of a recording.
LAYOUTS = {"ravdess": "03-{}.wav"}

each_list = pytest.mark.parametrize(
    ("corpus", "style"),
    [
        pytest.param(corpus, style, id=f"{corpus.name}-{style}")
        for corpus in CORPORA.values()
        if corpus.names is not None
        for style in corpus.n_utterances
    ],
)


@each_list
def test_the_complete_list_has_the_stated_length_and_round_trips(corpus, style):
    names = corpus.names(style)
    assert len(names) == corpus.n_utterances[style]
    layout = LAYOUTS.get(corpus.name, "{}.wav")
    utterances = [corpus.parse(Path(layout.format(name))) for name in names]
    assert {utterance.recording for utterance in utterances} == names
    assert {utterance.style for utterance in utterances} == {style}
    assert len({utterance.speaker for utterance in utterances}) == corpus.n_speakers[style]
    acted = {utterance.emotion for utterance in utterances}
    assert acted == set(corpus.emotions) - ({"disgust", "surprised"} if style == "song" else set())


@each_corpus
def test_absent_styles_have_no_names(corpus):
    if corpus.names is not None and "song" not in corpus.n_utterances:
        assert corpus.names("song") == frozenset()


@each_corpus
def test_codes_map_to_different_known_emotions(corpus):
    assert len(set(corpus.emotion_codes.values())) == len(corpus.emotion_codes)
    assert corpus.emotions == tuple(
        emotion for emotion in EMOTIONS if emotion in set(corpus.emotion_codes.values())
    )


@each_corpus
def test_the_stated_example_is_valid(corpus):
    example = re.search(r"\S+\.wav", corpus.file_names)
    assert corpus.parse(Path(example[0])).corpus == corpus.name


@pytest.mark.parametrize(("corpus", "path", "expected"), pairs(EXAMPLES))
def test_a_name_is_read(corpus, path, expected):
    assert corpus.parse(Path(path)) == Utterance(
        path=Path(path), corpus=corpus.name, language=LANGUAGES[corpus.name], **expected
    )


@pytest.mark.parametrize(("corpus", "path", "wrong"), pairs(UNEXPECTED))
def test_an_invalid_name_raises_and_the_wrong_part_is_named(corpus, path, wrong):
    with pytest.raises(DatasetError, match=rf"^{wrong} "):
        corpus.parse(Path(path))


@each_corpus
def test_no_corpus_accepts_the_names_of_another(corpus):
    for other, paths in EXAMPLES.items():
        for path in paths:
            if other != corpus.name:
                with pytest.raises(DatasetError):
                    corpus.parse(Path(path))


@each_list
def test_no_corpus_accepts_recordings_of_another(corpus, style):
    layout = LAYOUTS.get(corpus.name, "{}.wav")
    for name in sorted(corpus.names(style))[::7]:
        for other in CORPORA.values():
            if other is not corpus:
                with pytest.raises(DatasetError):
                    other.parse(Path(layout.format(name)))


@each_corpus
@given(st.text(st.characters(exclude_characters="/")))
def test_any_text_is_read_or_raises(corpus, text):
    with contextlib.suppress(DatasetError):
        corpus.parse(Path(f"{text}.wav"))


@each_corpus
@given(st.data())
def test_a_name_with_a_changed_character_is_read_exactly_or_raises(corpus, data):
    path = Path(data.draw(st.sampled_from(sorted(EXAMPLES[corpus.name]))))
    place = data.draw(st.integers(0, len(path.stem) - 1))
    letter = data.draw(st.characters(codec="utf-8", exclude_characters="/"))
    changed = path.with_name(path.stem[:place] + letter + path.stem[place + 1 :] + ".wav")
    try:
        utterance = corpus.parse(changed)
    except DatasetError:
        return
    if isinstance(utterance, Utterance):
        rebuilt = Path(LAYOUTS.get(corpus.name, "{}.wav").format(utterance.recording))
        assert replace(utterance, path=rebuilt) == corpus.parse(rebuilt)


@each_corpus
def test_a_corpus_can_be_pickled(corpus):
    copy = pickle.loads(pickle.dumps(corpus))
    path = Path(next(iter(EXAMPLES[corpus.name])))
    assert copy.parse(path) == corpus.parse(path)


@each_corpus
def test_a_missing_folder_is_reported(corpus, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such folder.*nowhere"):
        corpus.utterances(tmp_path / "nowhere")


@each_corpus
def test_an_archive_is_not_a_folder(corpus, tmp_path):
    lay_out(tmp_path, "corpus.zip")
    with pytest.raises(NotADirectoryError, match=r"corpus\.zip.*unpack"):
        corpus.utterances(tmp_path / "corpus.zip")


@each_corpus
def test_a_folder_without_recordings_raises(corpus, tmp_path):
    lay_out(tmp_path, "readme.txt")
    with pytest.raises(DatasetError) as caught:
        corpus.utterances(tmp_path)
    message = str(caught.value)
    assert str(tmp_path) in message
    assert corpus.file_names in message
    assert "no file with an audio extension" in message
    assert ".wav" in message


@each_corpus
def test_a_folder_of_other_recordings_raises(corpus, tmp_path):
    lay_out(tmp_path, *(f"song {number}.mp3" for number in range(5)))
    expected = r"5 files \(such as 'song 0.mp3', 'song 1.mp3', 'song 2.mp3'\) of other names"
    with pytest.raises(DatasetError, match=expected) as caught:
        corpus.utterances(tmp_path)
    assert corpus.file_names in str(caught.value)


@each_corpus
def test_a_folder_is_read_at_any_depth_in_order_of_path(corpus, tmp_path, caplog):
    paths = sorted(EXAMPLES[corpus.name])
    lay_out(tmp_path, *(f"some/where/{path}" for path in reversed(paths)))
    utterances = corpus.utterances(str(tmp_path))
    assert names_below(tmp_path, utterances) == [f"some/where/{path}" for path in paths]
    assert utterances == [corpus.parse(utterance.path) for utterance in utterances]
    assert not caplog.records


@each_corpus
def test_invalid_names_are_counted_and_do_not_stop_the_others(corpus, tmp_path, caplog):
    unexpected = UNEXPECTED[corpus.name]
    lay_out(tmp_path, *EXAMPLES[corpus.name], *unexpected)
    utterances = corpus.utterances(tmp_path)
    assert names_below(tmp_path, utterances) == sorted(EXAMPLES[corpus.name])
    (warning,) = messages(caplog, logging.WARNING)
    assert warning.startswith(f"{corpus.name}: left out {len(unexpected)} files (such as ")
    assert repr(min(unexpected)) in warning


@each_corpus
@pytest.mark.parametrize("extension", [".flac", ".Ogg", ".MP3", ".opus", ".aiff", ".m4a", ".mp4"])
def test_any_audio_extension_is_read(corpus, extension, tmp_path):
    paths = [Path(path).with_suffix(extension) for path in EXAMPLES[corpus.name]]
    lay_out(tmp_path, *paths)
    assert len(corpus.utterances(tmp_path)) == len(paths)


@each_corpus
def test_files_of_macos_are_ignored(corpus, tmp_path, caplog):
    path = Path(next(iter(EXAMPLES[corpus.name])))
    lay_out(tmp_path, path, path.with_name(f"._{path.name}"), "__MACOSX" / path, ".cache" / path)
    assert names_below(tmp_path, corpus.utterances(tmp_path)) == [path.as_posix()]
    assert not caplog.records


@each_corpus
def test_a_nested_copy_of_a_tree_is_read_once(corpus, tmp_path, caplog):
    paths = EXAMPLES[corpus.name]
    lay_out(tmp_path, *paths, *(f"again/{path}" for path in paths))
    utterances = corpus.utterances(tmp_path)
    assert names_below(tmp_path, utterances) == sorted(paths)
    (warning,) = messages(caplog, logging.WARNING)
    assert warning.startswith(f"{corpus.name}: left out {len(paths)} files (such as 'again/")
    assert warning.endswith("copies of other files")


@each_corpus
def test_the_lossless_copy_is_kept(corpus, tmp_path):
    path = Path(next(iter(EXAMPLES[corpus.name])))
    lay_out(tmp_path, path.with_suffix(".mp3"), "deeper" / path.with_suffix(".wav"))
    (utterance,) = corpus.utterances(tmp_path)
    assert utterance.path == tmp_path / "deeper" / path.with_suffix(".wav")


# Reading folders of any corpus.


def test_the_shallower_of_equal_copies_is_kept(tmp_path):
    lay_out(tmp_path, "a/b/OAF_back_angry.wav", "z/OAF_back_angry.wav")
    utterances = CORPORA["tess"].utterances(tmp_path)
    assert names_below(tmp_path, utterances) == ["z/OAF_back_angry.wav"]


def test_links_are_followed_without_loops(tmp_path, caplog):
    lay_out(tmp_path, "disk/OAF_back_angry.wav", "corpus/OAF_back_sad.wav")
    try:
        (tmp_path / "corpus" / "linked").symlink_to(tmp_path / "disk")
        (tmp_path / "disk" / "loop").symlink_to(tmp_path / "corpus")
    except OSError:
        pytest.skip("this system makes no symbolic links")
    utterances = CORPORA["tess"].utterances(tmp_path / "corpus")
    assert names_below(tmp_path / "corpus", utterances) == [
        "OAF_back_sad.wav",
        "linked/OAF_back_angry.wav",
    ]
    assert not caplog.records


def test_a_name_of_invalid_text_is_left_out_and_can_be_logged(tmp_path, caplog):
    lay_out(tmp_path, "OAF_back_angry.wav")
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/OAF_caf\xe9_sad.wav")).touch()
    except OSError:
        pytest.skip("this system has no such names")
    assert len(CORPORA["tess"].utterances(tmp_path)) == 1
    (warning,) = messages(caplog, logging.WARNING)
    assert "caf" in warning.encode("utf-8").decode()


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a user who can be locked out"
)
def test_a_folder_that_cannot_be_read_is_reported(tmp_path, caplog):
    lay_out(tmp_path, "OAF_back_angry.wav", "locked/OAF_back_sad.wav")
    (tmp_path / "locked").chmod(0)
    try:
        assert len(CORPORA["tess"].utterances(tmp_path)) == 1
    finally:
        (tmp_path / "locked").chmod(0o700)
    (warning,) = messages(caplog, logging.WARNING)
    assert "locked" in warning


def test_a_relative_root_may_be_the_speakers_folder(tmp_path, monkeypatch):
    lay_out(tmp_path, "DC/a01.wav")
    monkeypatch.chdir(tmp_path / "DC")
    (utterance,) = CORPORA["savee"].utterances(".")
    assert utterance.speaker == "savee/DC"


# Custom corpora, and the utterance.


def parse_mine(path):
    speaker, code, _ = path.stem.split("_")
    return Utterance(path, {"joy": "happy"}[code], corpus="mine", speaker=f"mine/{speaker}")


def test_a_custom_corpus_is_one_object(tmp_path):
    lay_out(tmp_path, "bob_joy_1.wav", "eve_joy_1.wav", "copy/bob_joy_1.wav")
    mine = Corpus(
        name="mine", parse=parse_mine, emotion_codes={"joy": "happy"}, file_names="bob_joy_1.wav"
    )
    utterances = mine.utterances(tmp_path)
    # Its parser names no recordings, so no file counts as a copy.
    assert names_below(tmp_path, utterances) == [
        *("bob_joy_1.wav", "copy/bob_joy_1.wav", "eve_joy_1.wav"),
    ]
    assert mine.emotions == ("happy",)


def test_a_parser_that_fails_for_one_name_does_not_stop_the_others(tmp_path, caplog):
    lay_out(tmp_path, "bob_joy_1.wav", "notes.wav", "odd/eve_jo_1.wav")
    mine = Corpus(
        name="mine", parse=parse_mine, emotion_codes={"joy": "happy"}, file_names="bob_joy_1.wav"
    )
    assert names_below(tmp_path, mine.utterances(tmp_path)) == ["bob_joy_1.wav"]
    (warning,) = messages(caplog, logging.WARNING)
    assert "left out 2 files (such as 'notes.wav', 'odd/eve_jo_1.wav') of other names" in warning
    unexpected = mine.scan(tmp_path).unexpected_files
    for name, kind in (("notes.wav", ValueError), ("odd/eve_jo_1.wav", KeyError)):
        error = unexpected[tmp_path / name]
        assert isinstance(error, DatasetError)
        assert isinstance(error.__cause__, kind)
        assert f"raised {kind.__name__}: {error.__cause__} for " in str(error)
        assert repr(str(tmp_path / name)) in str(error)
    with pytest.raises(
        DatasetError, match=r"no recording of corpus 'mine'.*KeyError: 'jo'"
    ) as caught:
        mine.utterances(tmp_path / "odd")
    assert isinstance(caught.value.__cause__.__cause__, KeyError)


def test_a_label_map_to_unknown_emotions_raises():
    with pytest.raises(DatasetError, match=r"'mine' must map to neutral, .*, got 'bored', 'joy'"):
        Corpus(
            name="mine", parse=parse_mine, emotion_codes={"j": "joy", "b": "bored"}, file_names="-"
        )


UTTERANCE = Utterance(Path("bob.wav"), "happy", corpus="mine", speaker="mine/bob")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("emotion", "Happy"),
        ("emotion", "ps"),
        ("emotion", ""),
        ("sex", "f"),
        ("intensity", "HI"),
        ("style", "sung"),
        ("speaker", "bob"),
        ("speaker", "mine"),
        ("corpus", "yours"),
    ],
)
def test_an_utterance_with_invalid_fields_raises(field, value):
    named = "speaker" if field == "corpus" else field
    with pytest.raises(DatasetError, match=rf"`{named}` must .*bob\.wav"):
        replace(UTTERANCE, **{field: value})


def test_utterances_are_hashable_and_frozen():
    assert len({UTTERANCE, replace(UTTERANCE), replace(UTTERANCE, sex="male")}) == 2
    with pytest.raises(AttributeError):
        UTTERANCE.emotion = "sad"


# RAVDESS: its complete file-name code.


def codes(n):
    return [f"{number:02d}" for number in range(1, n + 1)]


RAVDESS_NAMES = {
    "-".join(parts)
    for parts in itertools.product(*map(codes, (3, 2, 8, 2, 2, 2, 24)))
    if not (parts[2] == "01" and parts[3] == "02")
    and not (parts[1] == "02" and (parts[2] in {"07", "08"} or parts[6] == "18"))
}


def test_every_ravdess_name_round_trips():
    assert len(RAVDESS_NAMES) == 7356
    names = {code: RavdessName.parse(f"{code}.wav") for code in RAVDESS_NAMES}
    assert {code: str(name) for code, name in names.items()} == {c: c for c in RAVDESS_NAMES}
    assert len(set(names.values())) == 7356


def test_ravdess_has_the_stated_number_of_names():
    counts = Counter(
        utterance.style
        for utterance in map(CORPORA["ravdess"].parse, map(Path, RAVDESS_NAMES))
        if isinstance(utterance, Utterance) and utterance.path.name.startswith("03")
    )
    assert counts == CORPORA["ravdess"].n_utterances


@given(
    st.tuples(
        *(st.integers(0, n + 1).map("{:02d}".format) for n in (3, 2, 8, 2, 2, 2, 24)),
    )
)
def test_ravdess_reads_only_existing_names(parts):
    name = "-".join(parts)
    if name in RAVDESS_NAMES:
        assert str(RavdessName.parse(name)) == name
    else:
        with pytest.raises(DatasetError, match=name):
            RavdessName.parse(name)


@given(st.text())
def test_ravdess_raises_for_any_other_text(text):
    with pytest.raises(DatasetError, match=r"^expected modality-vocal_channel-emotion-"):
        RavdessName.parse(text.replace("-", ""))


RAVDESS_NAME = RavdessName("audio-only", "speech", "fearful", "normal", "dogs", 1, 12)


@pytest.mark.parametrize(
    "given_name",
    [
        "03-01-06-01-02-01-12",
        "03-01-06-01-02-01-12.wav",
        "Actor_12/03-01-06-01-02-01-12.MP4",
        Path("Actor_12/03-01-06-01-02-01-12.flac"),
    ],
)
def test_a_ravdess_name_may_have_folder_and_extension(given_name):
    assert RavdessName.parse(given_name) == RAVDESS_NAME


@given(
    field=st.sampled_from(tuple(RavdessName.__dataclass_fields__)),
    value=st.text() | st.integers(max_value=0) | st.integers(min_value=25) | st.none(),
)
def test_ravdess_raises_for_any_other_value_and_names_the_field(field, value):
    known_words = {"audio-video", "video-only", "audio-only", "speech", "song", *EMOTIONS}
    assume(value not in known_words | {"normal", "strong", "kids", "dogs"})
    with pytest.raises(DatasetError, match=f"^`{field}` must be one of .*, got"):
        replace(RAVDESS_NAME, **{field: value})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"emotion": "neutral", "intensity": "strong"}, "^intensity .* neutral is never strong"),
        (
            {"vocal_channel": "song", "emotion": "disgust"},
            "^emotion .* song has no others, got 'disgust'",
        ),
        ({"vocal_channel": "song", "emotion": "surprised"}, "^emotion .* song has no others"),
        ({"vocal_channel": "song", "actor": 18}, "^actor .* actor 18 does not sing"),
    ],
)
def test_ravdess_raises_for_names_that_were_not_recorded(changes, reason):
    with pytest.raises(DatasetError, match=reason):
        replace(RAVDESS_NAME, **changes)


def test_video_without_sound_is_skipped_and_counted(tmp_path, caplog):
    caplog.set_level(logging.INFO, "emotionrecog")
    lay_out(
        tmp_path,
        *("01-01-06-01-02-01-12.mp4", "02-01-06-01-02-01-12.mp4", "02-01-06-01-02-02-12.mp4"),
    )
    (utterance,) = CORPORA["ravdess"].utterances(tmp_path)
    assert utterance.path.name == "01-01-06-01-02-01-12.mp4"
    assert messages(caplog, logging.INFO) == [
        "ravdess: skipped 2 files (such as '02-01-06-01-02-01-12.mp4', "
        "'02-01-06-01-02-02-12.mp4') without sound"
    ]
    assert not messages(caplog, logging.WARNING)


def test_audio_is_preferred_to_video_of_a_performance(tmp_path, caplog):
    lay_out(tmp_path, "01-01-06-01-02-01-12.mp4", "03-01-06-01-02-01-12.wav")
    (utterance,) = CORPORA["ravdess"].utterances(tmp_path)
    assert utterance.path.name == "03-01-06-01-02-01-12.wav"
    (warning,) = messages(caplog, logging.WARNING)
    assert "01-01-06-01-02-01-12.mp4" in warning


def test_a_folder_of_video_without_sound_raises(tmp_path):
    lay_out(tmp_path, "02-01-06-01-02-01-12.mp4")
    with pytest.raises(DatasetError, match=r"only 1 file \(such as '02-.*'\) without sound"):
        CORPORA["ravdess"].utterances(tmp_path)


def test_savee_may_be_flat_or_nested(tmp_path):
    numbers = {code: 30 if code == "n" else 15 for code in CORPORA["savee"].emotion_codes}
    stems = [f"{code}{k:02d}" for code, n in numbers.items() for k in range(1, n + 1)]
    layouts = {}
    for layout in ("{}/{}.wav", "{}_{}.wav"):
        root = tmp_path / str(len(layouts))
        lay_out(root, *(layout.format(s, stem) for s in ("DC", "JE", "JK", "KL") for stem in stems))
        layouts[layout] = {
            replace(utterance, path=Path()) for utterance in CORPORA["savee"].utterances(root)
        }
    nested, flat = layouts.values()
    assert nested == flat
    assert {"speech": len(flat)} == CORPORA["savee"].n_utterances


# TESS, EMO-DB.


def test_boredom_and_laryngograms_of_emodb_are_left_out_and_counted(tmp_path, caplog):
    caplog.set_level(logging.INFO, "emotionrecog")
    lay_out(tmp_path, "wav/03a01Fa.wav", "wav/03a04Lc.wav", "laryngo/03a01Fa.wav")
    (utterance,) = CORPORA["emodb"].utterances(tmp_path)
    assert names_below(tmp_path, [utterance]) == ["wav/03a01Fa.wav"]
    assert messages(caplog, logging.INFO) == [
        "emodb: skipped 1 file (such as 'laryngo/03a01Fa.wav') that are laryngograms",
        "emodb: skipped 1 file (such as 'wav/03a04Lc.wav') of boredom, which the library does not "
        "have",
    ]
    assert not messages(caplog, logging.WARNING)


def test_the_letters_of_emodb_begin_german_words():
    words = {"Wut": "angry", "Ekel": "disgust", "Angst": "fearful", "Freude": "happy"}
    words |= {"Trauer": "sad", "Neutral": "neutral"}
    for word, emotion in words.items():
        assert CORPORA["emodb"].parse(Path(f"03a01{word[0]}a.wav")).emotion == emotion


# CREMA-D: the owners' tables.

DEMOGRAPHICS = (
    '"ActorID","Age","Sex","Race","Ethnicity"\n1001,51,"Male","",""\n1002,21,"Female","",""\n'
)
VOTES = """"","A","D","F","H","N","S","fileName","numResponses","emoVote"
"100001",5,0,1,0,3,1,"1001_IEO_ANG_HI",10,"A"
"200001",9,0,0,0,0,0,"1001_IEO_ANG_HI",9,"A"
"300001",8,1,0,0,0,0,"1001_IEO_ANG_HI",9,"A"
"100002",0,2,0,7,0,0,"1003_IEO_HAP_LO",9,"H"
"""
VOTES_BY_CLIP = {  # neutral, calm, happy, sad, angry, fearful, disgust, surprised
    "1001_IEO_ANG_HI": (3, 0, 0, 1, 5, 1, 0, 0),
    "1003_IEO_HAP_LO": (0, 0, 7, 0, 0, 0, 2, 0),
}
CLIPS = ("1001_IEO_ANG_HI", "1002_IEO_NEU_XX", "1003_IEO_HAP_LO")


def lay_out_crema_d(root, demographics="VideoDemographics.csv", votes="tabulatedVotes.csv"):
    lay_out(root, *(f"CREMA-D/AudioWAV/{clip}.wav" for clip in CLIPS), demographics, votes)
    (root / demographics).write_text(DEMOGRAPHICS)
    (root / votes).write_text(VOTES)
    return root / "CREMA-D"


@pytest.mark.parametrize(
    ("folder", "demographics", "votes"),
    [
        pytest.param(".", "CREMA-D/VideoDemographics.csv", "CREMA-D/tabulatedVotes.csv", id="in"),
        pytest.param(".", "VideoDemographics.csv", "tabulatedVotes.csv", id="parent"),
        pytest.param(
            *(".", "crema_d_meta/VideoDemographics.csv", "crema_d_meta/tabulatedVotes.csv"),
            id="sibling",
        ),
        pytest.param(
            *(".", "CREMA-D/VideoDemographics.csv", "CREMA-D/processedResults/tabulatedVotes.csv"),
            id="repository",
        ),
        pytest.param(
            *("AudioWAV", "CREMA-D/VideoDemographics.csv"),
            "CREMA-D/processedResults/tabulatedVotes.csv",
            id="folder-of-the-repository",
        ),
        pytest.param(
            *("..", "Crema-D tables/VideoDemographics.csv", "Crema-D tables/tabulatedVotes.csv"),
            id="above",
        ),
    ],
)
def test_sex_age_and_votes_of_crema_d_are_joined(folder, demographics, votes, tmp_path):
    root = lay_out_crema_d(tmp_path, demographics, votes)
    utterances = CORPORA["crema_d"].utterances(root / folder)
    assert [utterance.recording for utterance in utterances] == list(CLIPS)
    assert [(utterance.sex, utterance.age) for utterance in utterances] == [
        *[("male", 51), ("female", 21), (None, None)],
    ]
    assert [utterance.votes for utterance in utterances] == [
        VOTES_BY_CLIP.get(clip) for clip in CLIPS
    ]


def test_crema_d_is_read_without_its_tables(tmp_path):
    lay_out(tmp_path, "1001_IEO_ANG_HI.wav", "other/VideoDemographics.csv")
    (utterance,) = CORPORA["crema_d"].utterances(tmp_path)
    assert (utterance.sex, utterance.age, utterance.votes) == (None, None, None)


def test_tables_beside_a_link_to_crema_d_are_found(tmp_path):
    root = lay_out_crema_d(tmp_path, "here/VideoDemographics.csv", "tabulatedVotes.csv")
    try:
        (tmp_path / "here" / "crema_d").symlink_to(root)
    except OSError:
        pytest.skip("this system makes no symbolic links")
    utterance = CORPORA["crema_d"].utterances(tmp_path / "here" / "crema_d")[0]
    assert (utterance.sex, utterance.votes) == ("male", VOTES_BY_CLIP["1001_IEO_ANG_HI"])


@pytest.mark.parametrize(
    ("table", "before", "after", "message"),
    [
        ("VideoDemographics", DEMOGRAPHICS, "", r"line 1: expected the columns 'ActorID'.* \[\]"),
        ("VideoDemographics", '"Sex"', '"Gender"', r"line 1: .* missing 'Sex'"),
        ("VideoDemographics", '"Female"', '"F"', r"line 3: expected Sex .*, got 'F'"),
        ("VideoDemographics", "21", "young", r"line 3: expected Age .*, got 'young'"),
        ("VideoDemographics", "51", "0", r"line 2: expected Age .*, got '0'"),
        ("VideoDemographics", "1002", "1001", r"line 3: .* once each, got '1001'"),
        ("VideoDemographics", "1002", "2002", r"line 3: expected ActorID .*, got '2002'"),
        ("VideoDemographics", ',"",""\n1002', "\n1002", r"line 2: expected 5 values .*, got 3"),
        ("VideoDemographics", "Female", "F\xe9male", r"after line \d+: not a CSV of UTF-8 text"),
        ("tabulatedVotes", '9,"H"', "9", r"line 5: expected 10 values as in line 1, got 9"),
        ("tabulatedVotes", '"H"\n', '"H', r"after line \d+: not a CSV"),
        ("tabulatedVotes", '"100002"', '"2"', r"line 5: expected the first column .*, got '2'"),
        ("tabulatedVotes", '"100002"', '"400002"', r"line 5: expected the first column"),
        (
            "tabulatedVotes",
            "1003_IEO_HAP_LO",
            "1001_IEO_ANG_HI",
            r"line 5: '1001.* has a second line",
        ),
        ("tabulatedVotes", "2,0,7,", "2,0,-7,", r"line 5: expected whole numbers .*, got 9, .*-7"),
        ("tabulatedVotes", "2,0,7,", "2,0,6,", r"line 5: expected as many .*, 9, got 8"),
    ],
)
def test_a_damaged_table_of_crema_d_raises_with_the_line(table, before, after, message, tmp_path):
    root = lay_out_crema_d(tmp_path)
    path = tmp_path / f"{table}.csv"
    text = path.read_text()
    assert before in text
    path.write_bytes(text.replace(before, after).encode("latin-1"))
    with pytest.raises(DatasetError, match=rf"{table}\.csv, {message}"):
        CORPORA["crema_d"].utterances(root)


def test_a_table_of_crema_d_may_have_a_byte_order_mark_and_blank_lines(tmp_path):
    root = lay_out_crema_d(tmp_path)
    path = tmp_path / "VideoDemographics.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    assert CORPORA["crema_d"].utterances(root)[0].age == 51


# A folder of corpora.


def test_corpora_are_found_by_the_names_of_their_folders(tmp_path):
    for folder, name in (
        ("crema_d", "crema_d"),
        ("EMO-DB", "emodb"),
        ("emovo", "emovo"),
        ("nEMO", "nemo"),
        ("URDU-Dataset-master", "urdu"),
        ("RAVDESS_speech", "ravdess"),
        ("Savee", "savee"),
        ("TESS", "tess"),
        ("other", "tess"),
        ("testing", "tess"),
    ):
        lay_out(tmp_path / folder, next(iter(EXAMPLES[name])))
    utterances = datasets.read(tmp_path)
    assert [utterance.corpus for utterance in utterances] == list(CORPORA)
    assert utterances[3].path.parts[-3:] == ("TESS", "OAF_Fear", "OAF_food_fear.wav")


@pytest.mark.parametrize("folder", ["emodb", "emo_db", "emo-db", "EmoDB", "emodb_2.0"])
def test_the_folder_of_emodb_may_have_several_names(folder, tmp_path):
    lay_out(tmp_path, f"{folder}/wav/03a01Fa.wav")
    assert [utterance.speaker for utterance in datasets.read(tmp_path)] == ["emodb/03"]


def test_a_corpus_folder_without_recordings_is_skipped(tmp_path):
    lay_out(tmp_path, "nemo/data.tsv", "crema_d_meta/tabulatedVotes.csv", "savee/DC/a01.wav")
    assert [utterance.corpus for utterance in datasets.read(tmp_path)] == ["savee"]


def test_a_recording_in_two_folders_of_a_corpus_is_read_once(tmp_path, caplog):
    first, second = "Actor_01/03-01-01-01-01-01-01.wav", "Actor_02/03-01-01-01-01-01-02.wav"
    lay_out(tmp_path / "ravdess", first, second, "deep/Actor_01/03-01-01-01-01-02-01.wav")
    lay_out(tmp_path / "ravdess_a", str(Path(first).with_suffix(".mp3")), second)
    lay_out(tmp_path / "ravdess_video", "Actor_01/01-01-01-01-01-01-01.mp4")
    lay_out(tmp_path / "ravdess_video", "Actor_01/03-01-01-01-01-02-01.wav")
    assert names_below(tmp_path, datasets.read(tmp_path)) == [
        f"ravdess/{first}",
        f"ravdess/{second}",
        "ravdess_video/Actor_01/03-01-01-01-01-02-01.wav",
    ]
    (warning,) = messages(caplog, logging.WARNING)
    assert warning.startswith("ravdess: left out 4 files (such as 'ravdess/deep/Actor_01/03-")
    assert warning.endswith("copies of other files")


def test_a_folder_without_corpora_raises(tmp_path):
    lay_out(tmp_path, "nemo/data.tsv", "music/a.wav")
    with pytest.raises(
        DatasetError, match=r"expected folders called ravdess, .* found music, nemo"
    ):
        datasets.read(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        datasets.read(tmp_path / "nowhere")


# The real recordings.

REAL = {
    "ravdess": ("ravdess", 24, dict.fromkeys(EMOTIONS, 192) | {"neutral": 96}),
    "ravdess_song": ("ravdess", 23, dict.fromkeys(EMOTIONS[:6], 184) | {"neutral": 92}),
    "crema_d": (
        "crema_d",
        91,
        dict.fromkeys(("happy", "sad", "angry", "fearful", "disgust"), 1271) | {"neutral": 1087},
    ),
    "savee": (
        "savee",
        4,
        dict.fromkeys(("happy", "sad", "angry", "fearful", "disgust", "surprised"), 60)
        | {"neutral": 120},
    ),
    "tess": (
        "tess",
        2,
        dict.fromkeys(set(EMOTIONS) - {"calm"}, 400),
    ),
}


@pytest.mark.corpora
@pytest.mark.parametrize("folder", REAL)
def test_real_corpora_are_complete(folder, corpora_root, caplog):
    caplog.set_level(logging.INFO, "emotionrecog")
    name, n_speakers, n_each = REAL[folder]
    utterances = CORPORA[name].utterances(corpora_root / folder)
    style = "song" if folder == "ravdess_song" else "speech"
    assert {style} == {utterance.style for utterance in utterances}
    assert len(utterances) == CORPORA[name].n_utterances[style]
    assert Counter(utterance.emotion for utterance in utterances) == n_each
    assert len({utterance.speaker for utterance in utterances}) == n_speakers
    assert len({utterance.recording for utterance in utterances}) == len(utterances)
    assert {utterance.recording for utterance in utterances} == CORPORA[name].names(style)
    assert not caplog.records


@pytest.mark.corpora
def test_speech_and_song_of_ravdess_are_read_from_the_folder_of_both(corpora_root):
    utterances = CORPORA["ravdess"].utterances(corpora_root)
    counts = Counter(utterance.style for utterance in utterances)
    assert counts == CORPORA["ravdess"].n_utterances
    assert Counter(utterance.sex for utterance in utterances if utterance.style == "speech") == {
        "female": 720,
        "male": 720,
    }


@pytest.mark.corpora
@pytest.mark.parametrize("above", [False, True], ids=["folder", "folder-above"])
def test_real_crema_d_has_sex_age_and_the_votes_of_listeners(above, corpora_root):
    root = corpora_root if above else corpora_root / "crema_d"
    utterances = CORPORA["crema_d"].scan(root).utterances
    assert len(utterances) == 7442
    speakers = {(utterance.speaker, utterance.sex, utterance.age) for utterance in utterances}
    assert Counter(sex for _, sex, _ in speakers) == {"male": 48, "female": 43}
    assert {min(age for *_, age in speakers), max(age for *_, age in speakers)} == {20, 74}
    n_votes = sum(sum(utterance.votes) for utterance in utterances)
    n_as_acted = sum(utterance.votes[EMOTIONS.index(utterance.emotion)] for utterance in utterances)
    assert n_votes == 68568
    assert round(n_as_acted / n_votes, 3) == 0.4
    # The most frequent votes equal those on the voice in the owners' other table.
    with (corpora_root / "crema_d_meta" / "summaryTable.csv").open(newline="") as file:
        summary = {
            row["FileName"]: set(row["VoiceVote"].split(":")) for row in csv.DictReader(file)
        }
    initials = ("N", "-", "H", "S", "A", "F", "D", "-")
    for utterance in utterances:
        most = max(utterance.votes)
        most_chosen = {i for i, n in zip(initials, utterance.votes, strict=True) if n == most}
        assert most_chosen == summary[utterance.recording]


@pytest.mark.corpora
def test_the_names_of_nemo_match_its_table(corpora_root, tmp_path, caplog):
    with (corpora_root / "nemo" / "data.tsv").open(encoding="utf-8", newline="") as file:
        rows = {row["file_id"]: row for row in csv.DictReader(file, delimiter="\t")}
    lay_out(tmp_path, *(f"samples/{name}" for name in rows))
    utterances = CORPORA["nemo"].utterances(tmp_path)
    assert not caplog.records
    assert {utterance.recording for utterance in utterances} == CORPORA["nemo"].names("speech")
    words = CORPORA["nemo"].emotion_codes
    texts = {}
    for utterance in utterances:
        row = rows[utterance.path.name]
        assert utterance.emotion == words[row["emotion"]]
        assert utterance.speaker == f"nemo/{row['speaker_id'].strip()}"
        assert (utterance.sex, utterance.age) == (row["gender"], int(row["age"]))
        assert texts.setdefault(utterance.sentence, row["raw_text"]) == row["raw_text"]
    assert len(set(texts.values())) == len(texts) == 90
