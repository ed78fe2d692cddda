"""The corpora: one contract for all, then what is particular to each."""

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

from emotionrecog.datasets import CORPORA, EMOTIONS, Corpus, Utterance
from emotionrecog.datasets.ravdess import RavdessName
from emotionrecog.errors import DatasetError

# What a path says, written by hand: emotion, speaker, sex, intensity, sentence, style, recording.
EXAMPLES = {
    "ravdess": {
        "Actor_12/03-01-06-01-02-01-12.wav": (
            *("fearful", "ravdess/12", "female", "normal", "dogs", "speech"),
            "01-06-01-02-01-12",
        ),
        "Actor_01/03-02-02-02-01-02-01.WAV": (
            *("calm", "ravdess/01", "male", "strong", "kids", "song"),
            "02-02-02-01-02-01",
        ),
        "01-01-08-01-01-01-24.mp4": (
            *("surprised", "ravdess/24", "female", "normal", "kids", "speech"),
            "01-08-01-01-01-24",
        ),
    },
    "crema_d": {
        "AudioWAV/1001_IEO_ANG_HI.wav": (
            *("angry", "crema_d/1001", None, "high", "IEO", "speech"),
            "1001_IEO_ANG_HI",
        ),
        "AudioWAV/1001_IEO_FEA_LO.wav": (
            *("fearful", "crema_d/1001", None, "low", "IEO", "speech"),
            "1001_IEO_FEA_LO",
        ),
        "AudioWAV/1001_IEO_DIS_MD.wav": (
            *("disgust", "crema_d/1001", None, "medium", "IEO", "speech"),
            "1001_IEO_DIS_MD",
        ),
        "1091_WSI_NEU_XX.opus": (
            *("neutral", "crema_d/1091", None, None, "WSI", "speech"),
            "1091_WSI_NEU_XX",
        ),
        "AudioWAV/1040_ITH_SAD_X.wav": (
            *("sad", "crema_d/1040", None, None, "ITH", "speech"),
            "1040_ITH_SAD_XX",
        ),
    },
    "savee": {
        "AudioData/DC/a01.wav": (
            *("angry", "savee/DC", "male", None, "a01", "speech"),
            "DC_a01",
        ),
        "ALL/KL_n30.wav": (*("neutral", "savee/KL", "male", None, "n30", "speech"), "KL_n30"),
        "JE/sa15.flac": (*("sad", "savee/JE", "male", None, "sa15", "speech"), "JE_sa15"),
        "JK_su09.wav": (*("surprised", "savee/JK", "male", None, "su09", "speech"), "JK_su09"),
    },
    "tess": {
        "OAF_Fear/OAF_back_fear.wav": (
            *("fearful", "tess/OAF", "female", None, "back", "speech"),
            "OAF_back_fear",
        ),
        "YAF_pleasant_surprised/YAF_youth_ps.wav": (
            *("surprised", "tess/YAF", "female", None, "youth", "speech"),
            "YAF_youth_ps",
        ),
        "OAF_neutral/OA_bite_neutral.wav": (
            *("neutral", "tess/OAF", "female", None, "bite", "speech"),
            "OAF_bite_neutral",
        ),
    },
}

# Names beside the corpus' own, and the word for the part that is wrong.
STRANGERS = {
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
        "OAF_back_calm.wav": "emotion",
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
    """Make empty files: a corpus is read by its names alone."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def names_below(root, utterances):
    return [utterance.path.relative_to(root).as_posix() for utterance in utterances]


def messages(caplog, level):
    return [record.getMessage() for record in caplog.records if record.levelno == level]


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


@each_corpus
def test_facts_are_stated(corpus):
    for fact in (corpus.title, corpus.licence, corpus.citation, corpus.file_names):
        assert fact.strip()
        assert fact == fact.strip()
    assert re.fullmatch(r"https?://\S+", corpus.homepage)
    assert corpus.language == "en"
    assert corpus.n_utterances


@each_corpus
def test_no_two_codes_are_one_emotion_and_all_are_known(corpus):
    assert len(set(corpus.emotion_codes.values())) == len(corpus.emotion_codes)
    assert corpus.emotions == tuple(
        emotion for emotion in EMOTIONS if emotion in set(corpus.emotion_codes.values())
    )


@each_corpus
def test_the_stated_example_is_of_the_corpus(corpus):
    example = re.search(r"\S+\.wav", corpus.file_names)
    assert corpus.parse(Path(example[0])).corpus == corpus.name


@pytest.mark.parametrize(("corpus", "path", "expected"), pairs(EXAMPLES))
def test_a_name_is_read(corpus, path, expected):
    emotion, speaker, sex, intensity, sentence, style, recording = expected
    assert corpus.parse(Path(path)) == Utterance(
        path=Path(path),
        emotion=emotion,
        corpus=corpus.name,
        speaker=speaker,
        sex=sex,
        intensity=intensity,
        sentence=sentence,
        language="en",
        style=style,
        recording=recording,
    )


@pytest.mark.parametrize(("corpus", "path", "wrong"), pairs(STRANGERS))
def test_a_strange_name_is_refused_and_the_wrong_part_named(corpus, path, wrong):
    with pytest.raises(DatasetError, match=rf"^{wrong} "):
        corpus.parse(Path(path))


@pytest.mark.parametrize(
    ("corpus", "path"),
    [
        pytest.param(corpus, path, id=f"{corpus.name}-{path}")
        for corpus in CORPORA.values()
        for other, paths in EXAMPLES.items()
        for path in paths
        if other != corpus.name
    ],
)
def test_no_corpus_takes_a_name_of_another(corpus, path):
    with pytest.raises(DatasetError):
        corpus.parse(Path(path))


@each_corpus
def test_a_corpus_travels_to_other_processes(corpus):
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
def test_a_folder_without_recordings_is_refused(corpus, tmp_path):
    lay_out(tmp_path, "readme.txt")
    with pytest.raises(DatasetError) as caught:
        corpus.utterances(tmp_path)
    message = str(caught.value)
    assert str(tmp_path) in message
    assert corpus.file_names in message
    assert "no file with an audio extension" in message
    assert ".wav" in message


@each_corpus
def test_a_folder_of_other_recordings_is_refused(corpus, tmp_path):
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
def test_bad_names_do_not_stop_the_others_and_are_counted(corpus, tmp_path, caplog):
    strangers = STRANGERS[corpus.name]
    lay_out(tmp_path, *EXAMPLES[corpus.name], *strangers)
    utterances = corpus.utterances(tmp_path)
    assert names_below(tmp_path, utterances) == sorted(EXAMPLES[corpus.name])
    (warning,) = messages(caplog, logging.WARNING)
    assert warning.startswith(f"{corpus.name}: left out {len(strangers)} files (such as ")
    assert repr(min(strangers)) in warning


@each_corpus
@pytest.mark.parametrize("extension", [".flac", ".Ogg", ".MP3", ".opus", ".aiff", ".m4a", ".mp4"])
def test_any_audio_extension_is_read(corpus, extension, tmp_path):
    paths = [Path(path).with_suffix(extension) for path in EXAMPLES[corpus.name]]
    lay_out(tmp_path, *paths)
    assert len(corpus.utterances(tmp_path)) == len(paths)


@each_corpus
def test_what_macos_leaves_behind_is_no_recording(corpus, tmp_path, caplog):
    path = Path(next(iter(EXAMPLES[corpus.name])))
    lay_out(tmp_path, path, path.with_name(f"._{path.name}"), "__MACOSX" / path, ".cache" / path)
    assert names_below(tmp_path, corpus.utterances(tmp_path)) == [path.as_posix()]
    assert not caplog.records


@each_corpus
def test_a_tree_that_lies_in_itself_once_more_is_read_once(corpus, tmp_path, caplog):
    paths = EXAMPLES[corpus.name]
    lay_out(tmp_path, *paths, *(f"again/{path}" for path in paths))
    utterances = corpus.utterances(tmp_path)
    assert names_below(tmp_path, utterances) == sorted(paths)
    (warning,) = messages(caplog, logging.WARNING)
    assert warning.startswith(f"{corpus.name}: left out {len(paths)} files (such as 'again/")
    assert warning.endswith("copies of other files")


@each_corpus
def test_of_two_copies_the_lossless_one_is_kept(corpus, tmp_path):
    path = Path(next(iter(EXAMPLES[corpus.name])))
    lay_out(tmp_path, path.with_suffix(".mp3"), "deeper" / path.with_suffix(".wav"))
    (utterance,) = corpus.utterances(tmp_path)
    assert utterance.path == tmp_path / "deeper" / path.with_suffix(".wav")


# Reading folders, whatever the corpus.


def test_of_two_copies_alike_the_shallower_is_kept(tmp_path):
    lay_out(tmp_path, "a/b/OAF_back_angry.wav", "z/OAF_back_angry.wav")
    utterances = CORPORA["tess"].utterances(tmp_path)
    assert names_below(tmp_path, utterances) == ["z/OAF_back_angry.wav"]


def test_links_are_followed_and_loops_end(tmp_path, caplog):
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


def test_a_name_that_is_no_text_is_left_out_and_can_be_logged(tmp_path, caplog):
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


def test_a_relative_root_knows_the_speakers_folder(tmp_path, monkeypatch):
    lay_out(tmp_path, "DC/a01.wav")
    monkeypatch.chdir(tmp_path / "DC")
    (utterance,) = CORPORA["savee"].utterances(".")
    assert utterance.speaker == "savee/DC"


# One's own corpus, and the utterance.


def parse_mine(path):
    speaker, code, _ = path.stem.split("_")
    return Utterance(path, {"joy": "happy"}[code], corpus="mine", speaker=f"mine/{speaker}")


def test_ones_own_corpus_is_one_object(tmp_path):
    lay_out(tmp_path, "bob_joy_1.wav", "eve_joy_1.wav", "copy/bob_joy_1.wav")
    mine = Corpus(
        name="mine", parse=parse_mine, emotion_codes={"joy": "happy"}, file_names="bob_joy_1.wav"
    )
    utterances = mine.utterances(tmp_path)
    # Its parser names no recordings, so nothing is taken for a copy.
    assert names_below(tmp_path, utterances) == [
        *("bob_joy_1.wav", "copy/bob_joy_1.wav", "eve_joy_1.wav"),
    ]
    assert mine.emotions == ("happy",)


def test_a_label_map_to_unknown_emotions_is_refused():
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
def test_an_utterance_of_unknown_words_is_refused(field, value):
    named = "speaker" if field == "corpus" else field
    with pytest.raises(DatasetError, match=rf"`{named}` must .*bob\.wav"):
        replace(UTTERANCE, **{field: value})


def test_utterances_serve_as_keys_and_cannot_change():
    assert len({UTTERANCE, replace(UTTERANCE), replace(UTTERANCE, sex="male")}) == 2
    with pytest.raises(AttributeError):
        UTTERANCE.emotion = "sad"


# RAVDESS: the whole of its file-name code.


def codes(n):
    return [f"{number:02d}" for number in range(1, n + 1)]


RAVDESS_NAMES = {
    "-".join(parts)
    for parts in itertools.product(*map(codes, (3, 2, 8, 2, 2, 2, 24)))
    if not (parts[2] == "01" and parts[3] == "02")
    and not (parts[1] == "02" and (parts[2] in {"07", "08"} or parts[6] == "18"))
}


def test_every_ravdess_name_comes_back_as_it_was():
    assert len(RAVDESS_NAMES) == 7356
    names = {code: RavdessName.parse(f"{code}.wav") for code in RAVDESS_NAMES}
    assert {code: str(name) for code, name in names.items()} == {c: c for c in RAVDESS_NAMES}
    assert len(set(names.values())) == 7356


def test_the_names_of_ravdess_are_as_many_as_stated():
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
def test_ravdess_reads_the_names_there_are_and_no_others(parts):
    name = "-".join(parts)
    if name in RAVDESS_NAMES:
        assert str(RavdessName.parse(name)) == name
    else:
        with pytest.raises(DatasetError, match=name):
            RavdessName.parse(name)


@given(st.text())
def test_ravdess_refuses_any_other_text(text):
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
def test_ravdess_refuses_any_other_value_and_names_the_field(field, value):
    known = {"audio-video", "video-only", "audio-only", "speech", "song", *EMOTIONS}
    assume(value not in known | {"normal", "strong", "kids", "dogs"})
    with pytest.raises(DatasetError, match=f"^`{field}` must be one of .*, got"):
        replace(RAVDESS_NAME, **{field: value})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"emotion": "neutral", "intensity": "strong"}, "^intensity .* neutral is never strong"),
        ({"vocal_channel": "song", "emotion": "disgust"}, "^emotion .* not sung, got 'disgust'"),
        ({"vocal_channel": "song", "emotion": "surprised"}, "^emotion .* not sung"),
        ({"vocal_channel": "song", "actor": 18}, "^actor .* actor 18 does not sing"),
    ],
)
def test_ravdess_refuses_what_was_never_recorded(changes, reason):
    with pytest.raises(DatasetError, match=reason):
        replace(RAVDESS_NAME, **changes)


def test_video_without_sound_is_passed_over_and_counted(tmp_path, caplog):
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


def test_of_audio_and_video_of_one_performance_the_audio_is_kept(tmp_path, caplog):
    lay_out(tmp_path, "01-01-06-01-02-01-12.mp4", "03-01-06-01-02-01-12.wav")
    (utterance,) = CORPORA["ravdess"].utterances(tmp_path)
    assert utterance.path.name == "03-01-06-01-02-01-12.wav"
    (warning,) = messages(caplog, logging.WARNING)
    assert "01-01-06-01-02-01-12.mp4" in warning


def test_a_folder_of_video_without_sound_is_refused(tmp_path):
    lay_out(tmp_path, "02-01-06-01-02-01-12.mp4")
    with pytest.raises(DatasetError, match=r"only 1 file \(such as '02-.*'\) without sound"):
        CORPORA["ravdess"].utterances(tmp_path)


def test_savee_flat_and_nested_are_one_corpus(tmp_path):
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
