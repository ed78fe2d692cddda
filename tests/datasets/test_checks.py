"""Test checks of corpora: the findings in a folder, and that no file stops the check."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from emotionrecog import cli
from emotionrecog.datasets import CORPORA, Corpus, Utterance, checks
from emotionrecog.datasets.checks import KINDS, KNOWN_QUIRKS, check
from emotionrecog.errors import DatasetError

RATE = 8000
CODES = {"joy": "happy", "anger": "angry"}
NAMES = frozenset(map("_".join, itertools.product(("bob", "eve"), CODES, "123456789")))


def parse(path):
    codes = path.stem.split("_")
    if len(codes) != 3 or codes[1] not in {*CODES, "boredom"} or not codes[2].isdecimal():
        raise DatasetError(f"expected speaker_emotion_number, got {path.name!r}")
    if codes[1] == "boredom":
        return "of boredom, which the library does not have"
    speaker = f"mine/{codes[0]}"
    emotion = CODES[codes[1]]
    return Utterance(path, emotion, corpus="mine", speaker=speaker, recording="_".join(codes))


MINE = Corpus(
    name="mine",
    parse=parse,
    emotion_codes=CODES,
    file_names="bob_joy_1.wav",
    names=lambda style: NAMES if style == "speech" else frozenset(),
    n_utterances={"speech": len(NAMES)},
    n_speakers={"speech": 2},
)


def voice(seed, n_samples=None):
    """Return noise, whose number of samples depends on the seed."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.1, 0.1, n_samples or RATE // 4 + 16 * seed)


def write(path, samples=None, rate=RATE, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, voice(seed) if samples is None else samples, rate)
    return path


@pytest.fixture
def mine(tmp_path):
    """Return the folder of a complete corpus."""
    for seed, name in enumerate(sorted(NAMES)):
        write(tmp_path / "mine" / name.partition("_")[0] / f"{name}.wav", seed=seed)
    return tmp_path / "mine"


def findings(checked):
    """Return each unexpected finding of a folder: its kind, and the names of the files."""
    every = [*checked.findings, *(f for corpus in checked.corpora for f in corpus.findings)]
    return sorted((f.kind, *(Path(name).name for name in f.names)) for f in every if f.unexpected)


# A complete corpus -------------------------------------------------------------------------------


def test_a_complete_corpus_has_nothing_unexpected(mine, capsys):
    checked = check(mine, MINE)
    assert checked.ok
    assert findings(checked) == []
    (corpus,) = checked.corpora
    assert corpus.findings == ()
    counts = corpus.counts["speech"]
    assert counts.recordings == checks.Count(36, 36)
    assert counts.n_speakers == checks.Count(2, 2)
    assert counts.emotions == {"happy": checks.Count(18, 18), "angry": checks.Count(18, 18)}
    assert counts.speakers == {f"mine/{name}": checks.Count(18, 18) for name in ("bob", "eve")}
    assert corpus.sampling_rates == {RATE: 36}
    assert corpus.channels == {1: 36}
    assert len(corpus.utterances) == 36
    for utterance, duration in zip(corpus.utterances, corpus.durations, strict=True):
        assert duration == pytest.approx(soundfile.info(utterance.path).duration)
    assert capsys.readouterr() == ("", "")  # a bar on a terminal only


def test_the_table_of_a_complete_corpus(mine):
    assert str(check(mine, MINE)) == (
        """\
mine (licence not stated)

                     found  owners
  speech                36      36
    speakers             2       2
    happy               18      18
    angry               18      18

  0.00 h; a recording lasts 0.25 to 0.32 s, median 0.28 s
  8000 Hz (36); mono (36)

no unexpected finding"""
    )


def test_the_number_of_threads_changes_nothing(mine):
    (mine / "bob" / "bob_joy_1.wav").write_bytes(b"")
    assert check(mine, MINE, n_jobs=1) == check(mine, MINE, n_jobs=2)


def test_a_corpus_without_facts_is_checked(mine):
    own = Corpus(name="mine", parse=parse, emotion_codes=CODES, file_names="bob_joy_1.wav")
    shutil.copy(mine / "bob" / "bob_joy_1.wav", mine / "bob" / "bob_joy_10.wav")
    checked = check(mine, own)
    assert findings(checked) == [("identical", "bob_joy_1.wav", "bob_joy_10.wav")]
    assert checked.corpora[0].counts["speech"].recordings == checks.Count(37, None)
    assert "    happy               19       -\n" in str(checked)


# Problems ----------------------------------------------------------------------------------------


def a(mine):
    return mine / "bob" / "bob_joy_1.wav"


def rewrite(path, change):
    samples, rate = soundfile.read(path)
    write(path, change(samples), rate)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-2000])


def link(path, target):
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def make_pipe(path):
    path.unlink()
    os.mkfifo(path)


def encode_again(path, target):
    """Write the same samples in another container."""
    samples, rate = soundfile.read(path, dtype="int16")
    soundfile.write(target, samples, rate)


JOY_1 = "bob_joy_1.wav"
UNUSABLE = [("undecodable", JOY_1)]
DAMAGES = {
    "missing": (lambda mine: a(mine).unlink(), [("missing", "bob_joy_1")]),
    "extra": (
        lambda mine: write(mine / "bob" / "bob_joy_10.wav", seed=40),
        [("extra", "bob_joy_10.wav")],
    ),
    "unexpected_file": (
        lambda mine: write(mine / "holiday.wav"),
        [("unexpected_file", "holiday.wav")],
    ),
    "misspelt": (
        lambda mine: write(mine / "bob" / "bob_yoy_1.wav"),
        [("unexpected_file", "bob_yoy_1.wav")],
    ),
    "no text": (
        lambda mine: (mine / os.fsdecode(b"caf\xe9_1.wav")).write_bytes(b"garbage"),
        [("unexpected_file", os.fsdecode(b"caf\xe9_1.wav"))],
    ),
    "garbage": (lambda mine: a(mine).write_bytes(b"garbage" * 99), UNUSABLE),
    "empty": (lambda mine: a(mine).write_bytes(b""), UNUSABLE),
    "truncated": (lambda mine: truncate(a(mine)), UNUSABLE),
    "not finite": (
        lambda mine: soundfile.write(a(mine), np.full(999, np.nan), RATE, subtype="FLOAT"),
        UNUSABLE,
    ),
    "lost link": (lambda mine: link(a(mine), "nowhere.wav"), UNUSABLE),
    "link to itself": (lambda mine: link(a(mine), a(mine)), UNUSABLE),
    "pipe": (lambda mine: make_pipe(a(mine)), UNUSABLE),
    "silent": (lambda mine: rewrite(a(mine), np.zeros_like), [("silent", JOY_1)]),
    "silent stereo": (
        lambda mine: write(a(mine), np.zeros((RATE, 2))),
        [("silent", JOY_1)],
    ),
    "equal bytes": (
        lambda mine: shutil.copy(a(mine), mine / "bob" / "bob_joy_2.wav"),
        [("identical", JOY_1, "bob_joy_2.wav")],
    ),
    "equal samples": (
        lambda mine: [
            (mine / "bob" / "bob_joy_2.wav").unlink(),
            encode_again(a(mine), mine / "bob" / "bob_joy_2.flac"),
        ],
        [("identical", JOY_1, "bob_joy_2.flac")],
    ),
    "equal garbage": (
        lambda mine: [
            (mine / "bob" / f"bob_{emotion}_1.wav").write_bytes(b"garbage" * 99)
            for emotion in CODES
        ],
        [("undecodable", "bob_anger_1.wav"), ("undecodable", JOY_1)],
    ),
    "two emotions": (
        lambda mine: shutil.copy(a(mine), mine / "eve" / "eve_anger_2.wav"),
        [("labels", JOY_1, "eve_anger_2.wav")],
    ),
    "stereo": (
        lambda mine: rewrite(a(mine), lambda x: np.stack([x, 0.5 * x], axis=1)),
        [("channels", JOY_1)],
    ),
    "another rate": (
        lambda mine: write(a(mine), voice(50, 11000), 44100),
        [("sampling_rate", JOY_1)],
    ),
}


@pytest.mark.parametrize(("damage", "expected"), DAMAGES.values(), ids=DAMAGES)
def test_only_the_actual_problem_is_found(mine, damage, expected):
    damage(mine)
    checked = check(mine, MINE)
    assert findings(checked) == expected
    assert not checked.ok
    n_unusable = sum(kind in ("undecodable", "silent") for kind, *_ in expected)
    (corpus,) = checked.corpora
    assert len(corpus.utterances) == corpus.counts["speech"].recordings.found - n_unusable


def test_one_bad_file_does_not_stop_the_check(mine):
    (mine / "bob" / "bob_joy_1.wav").write_bytes(b"")
    truncate(mine / "bob" / "bob_joy_2.wav")
    link(mine / "bob" / "bob_joy_3.wav", mine / "bob" / "bob_joy_3.wav")
    make_pipe(mine / "bob" / "bob_joy_4.wav")
    (mine / os.fsdecode(b"\xff.wav")).write_bytes(b"garbage")
    link(mine / "eve" / "again", mine)  # a link back into the tree
    checked = check(mine, MINE)
    assert findings(checked) == [
        *(("undecodable", f"bob_joy_{number}.wav") for number in range(1, 5)),
        ("unexpected_file", os.fsdecode(b"\xff.wav")),
    ]
    assert len(checked.corpora[0].utterances) == 32


def test_an_unreadable_file_is_listed_with_the_reason(mine, monkeypatch):
    read_bytes = Path.read_bytes

    def deny(path):
        if path == a(mine):
            raise PermissionError(13, "Permission denied", str(path))
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", deny)
    (finding,) = check(mine, MINE).corpora[0].findings
    assert (finding.kind, finding.names, finding.detail) == (
        "undecodable",
        ("bob/bob_joy_1.wav",),
        "Permission denied",
    )


def test_an_unreadable_folder_is_listed(mine, monkeypatch):
    scandir = os.scandir

    def deny(path):
        if os.fspath(path) == str(mine / "eve"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)
    checked = check(mine, MINE)
    assert findings(checked)[-1] == ("unreadable", "eve")
    assert {kind for kind, *_ in findings(checked)} == {"missing", "unreadable"}
    assert "  folders that cannot be read: 1\n    eve: Permission denied\n" in str(checked)


def test_reasons_do_not_name_invented_files(mine):
    a(mine).write_bytes(b"")
    (finding,) = check(mine, MINE).corpora[0].findings
    assert finding.detail == "empty, 0 bytes; record or copy it again"


def test_equal_bytes_differ_from_equal_samples(mine):
    shutil.copy(a(mine), mine / "bob" / "bob_joy_2.wav")
    (finding,) = check(mine, MINE).corpora[0].findings
    assert finding.detail == "happy; equal bytes"
    (mine / "bob" / "bob_joy_2.wav").unlink()
    encode_again(a(mine), mine / "bob" / "bob_joy_2.flac")
    (finding,) = check(mine, MINE).corpora[0].findings
    assert finding.detail == "happy; equal samples"


@pytest.mark.parametrize(
    ("cut", "n_equal"),
    [
        pytest.param(lambda x: x[:2000], 36, id="all cut"),
        pytest.param(lambda x: x[:2200], 23, id="the longer cut"),
        pytest.param(lambda x: np.pad(x, (0, max(0, 2320 - len(x)))), 21, id="the shorter padded"),
        pytest.param(lambda x: np.pad(x, (0, 4000 - len(x))), 36, id="all padded"),
        pytest.param(lambda x: x[16:], None, id="the beginning of all left out"),
        pytest.param(lambda x: np.pad(x, (0, 99)), None, id="as much added to all"),
    ],
)
def test_cut_or_padded_to_one_length(mine, cut, n_equal):
    for path in mine.rglob("*.wav"):
        rewrite(path, cut)
    listed = check(mine, MINE).corpora[0].findings
    assert [(f.kind, len(f.names)) for f in listed] == (
        [("one_length", n_equal)] if n_equal else []
    )


def test_padding_differs_from_cutting(mine):
    for path in mine.rglob("*.wav"):
        rewrite(path, lambda x: np.pad(x[:2400], (0, max(0, 2400 - len(x)))))
    (finding,) = check(mine, MINE).corpora[0].findings
    assert finding.detail == "all are 0.300 s long, 21 of them with zeros at the end"


@pytest.mark.parametrize(("n", "ok"), [(9, True), (10, False)])
def test_few_recordings_of_one_length_are_no_finding(mine, n, ok):
    for seed, path in enumerate(sorted(mine.rglob("*.wav"))[:n]):
        write(path, voice(100 + seed, 4000))
    assert check(mine, MINE).ok is ok


# Further files of a recording --------------------------------------------------------------------


def of_kinds(checked, *kinds):
    every = [*checked.findings, *(f for corpus in checked.corpora for f in corpus.findings)]
    return [(f.kind, *f.names) for f in every if f.kind in kinds]


@pytest.mark.parametrize(
    ("make", "differs"),
    [
        pytest.param(lambda one, two: shutil.copy(one, two / one.name), False, id="bytes"),
        pytest.param(
            lambda one, two: soundfile.write(
                two / one.name, *soundfile.read(one), subtype="PCM_24"
            ),
            False,
            id="equal samples",
        ),
        pytest.param(
            lambda one, two: encode_again(one, two / "bob_joy_1.flac"), False, id="lossless"
        ),
        pytest.param(
            lambda one, two: write(two / "bob_joy_1.ogg", seed=60), False, id="lossy, not compared"
        ),
        pytest.param(lambda one, two: write(two / one.name, seed=60), True, id="others"),
        pytest.param(
            lambda one, two: write(two / "bob_joy_1.flac", seed=60), True, id="others, lossless"
        ),
        pytest.param(lambda one, two: (two / one.name).write_bytes(b"garbage"), True, id="damaged"),
        pytest.param(lambda one, two: write(two / one.name, np.zeros(RATE)), True, id="silent"),
    ],
)
def test_copies_that_differ_are_a_problem(mine, make, differs):
    other = mine / "other"
    other.mkdir()
    make(a(mine), other)
    (path,) = other.iterdir()
    checked = check(mine, MINE)
    kind = "differs" if differs else "copy"
    assert of_kinds(checked, "differs", "copy") == [(kind, f"other/{path.name}")]
    assert checked.ok is not differs
    if path.suffix == ".flac" and differs:
        assert "other/bob_joy_1.flac: samples differ from bob/bob_joy_1.wav" in str(checked)


def test_a_better_copy_than_the_kept_one_is_named(mine):
    (mine / "other").mkdir()
    a(mine).rename(mine / "other" / JOY_1)
    a(mine).write_bytes(b"garbage")
    checked = check(mine, MINE)
    assert of_kinds(checked, "undecodable", "differs") == [
        ("undecodable", "bob/bob_joy_1.wav"),
        ("differs", "other/bob_joy_1.wav"),
    ]
    assert "other/bob_joy_1.wav: can be used, unlike bob/bob_joy_1.wav" in str(checked)


def test_copies_of_silent_or_damaged_recordings_are_no_further_problem(mine):
    write(a(mine), np.zeros(RATE))
    (mine / "bob" / "bob_joy_2.wav").write_bytes(b"garbage")
    (mine / "again").mkdir()
    for name in ("bob_joy_1.wav", "bob_joy_2.wav"):
        shutil.copy(mine / "bob" / name, mine / "again" / name)
    kinds = [kind for kind, *_ in of_kinds(check(mine, MINE), *KINDS)]
    assert kinds == ["undecodable", "silent", "copy", "copy"]


# Harmless findings -------------------------------------------------------------------------------


def test_harmless_findings_are_listed_as_harmless(mine):
    shutil.copytree(mine / "bob", mine / "again" / "bob")
    write(mine / "bob" / "bob_boredom_1.wav")
    outside = mine.parent / "outside.wav"
    a(mine).rename(outside)
    link(a(mine), outside)
    checked = check(mine, MINE)
    assert checked.ok
    listed = checked.corpora[0].findings
    kinds = [finding.kind for finding in listed]
    assert kinds == ["left_out"] + ["copy"] * 18 + ["link"]
    assert (listed[0].names, listed[0].detail) == (
        ("bob/bob_boredom_1.wav",),
        "of boredom, which the library does not have",
    )
    assert listed[-1].names == ("bob/bob_joy_1.wav",)
    assert "further files of recordings that are here, which is no problem: 18\n" in str(checked)
    assert "    and 13 more\n" in str(checked)


def test_an_absent_style_is_not_missing(tmp_path):
    for name in CORPORA["ravdess"].names("speech"):
        (tmp_path / f"03-{name}.wav").write_bytes(b"")
    (corpus,) = check(tmp_path).corpora
    assert list(corpus.counts) == ["speech"]
    assert corpus.counts["speech"].emotions["neutral"] == checks.Count(96, 96)
    assert corpus.counts["speech"].emotions["calm"] == checks.Count(192, 192)
    (absent,) = (finding for finding in corpus.findings if finding.kind == "absent")
    assert absent.detail == "song: none of 1012 recordings"
    assert not absent.unexpected
    assert {f.kind for f in corpus.findings} == {"absent", "undecodable"}


@pytest.mark.parametrize("name", [name for name in CORPORA if CORPORA[name].names])
def test_the_owners_numbers_of_every_corpus_are_known(tmp_path, name):
    corpus = CORPORA[name]
    names = corpus.names("speech")
    (expected_quirks, *_) = sorted(names)
    layout = {"ravdess": "03-{}.wav"}.get(name, "{}.wav")
    write(tmp_path / layout.format(expected_quirks))
    (checked,) = check(tmp_path).corpora
    assert checked.corpus == name
    counts = checked.counts["speech"]
    assert sum(count.owners for count in counts.emotions.values()) == len(names)
    assert sum(count.owners for count in counts.speakers.values()) == len(names)
    assert len(counts.speakers) == counts.n_speakers.owners
    assert findings(checks.FolderCheck(root="", corpora=(checked,), findings=())) == [
        ("missing", missing) for missing in sorted(names - {expected_quirks})
    ]


def test_a_corpus_without_a_list_of_names_is_counted(tmp_path):
    write(tmp_path / "wav" / "03a01Fa.wav")
    (checked,) = check(tmp_path).corpora
    (finding,) = checked.findings
    assert (finding.kind, finding.detail) == ("number", "speech: expected 454, found 1")


def test_incomplete_speakers_are_named(mine):
    for path in (mine / "eve").iterdir():
        path.unlink()
    assert "\n  speech is incomplete for mine/eve (0 of 18)\n" in str(check(mine, MINE))


# Known quirks of the owners' files ---------------------------------------------------------------


def test_known_quirks_name_recordings_of_the_corpora():
    for corpus, quirks in KNOWN_QUIRKS.items():
        names = {n for style in CORPORA[corpus].n_utterances for n in CORPORA[corpus].names(style)}
        assert set(quirks) <= set(KINDS)
        for group in itertools.chain.from_iterable(quirks.values()):
            assert group <= names


def test_known_quirks_are_not_unexpected(tmp_path):
    write(tmp_path / "1076_MTI_SAD_XX.wav", np.zeros(RATE))
    write(tmp_path / "1076_MTI_ANG_XX.wav", np.zeros(RATE))
    for name in ("1006_TIE_HAP_XX", "1006_TIE_NEU_XX"):
        write(tmp_path / f"{name}.wav", seed=1)
    for name in ("1007_TIE_HAP_XX", "1007_TIE_NEU_XX"):
        write(tmp_path / f"{name}.wav", seed=2)
    (corpus,) = check(tmp_path).corpora
    listed = [f for f in corpus.findings if f.kind != "missing"]
    assert [(f.kind, f.names, f.known) for f in listed] == [
        ("silent", ("1076_MTI_ANG_XX.wav",), False),
        ("silent", ("1076_MTI_SAD_XX.wav",), True),
        ("labels", ("1006_TIE_HAP_XX.wav", "1006_TIE_NEU_XX.wav"), True),
        ("labels", ("1007_TIE_HAP_XX.wav", "1007_TIE_NEU_XX.wav"), False),
    ]
    text = str(corpus)
    assert "  digital silence: 1\n    1076_MTI_ANG_XX.wav\n" in text
    assert "  digital silence, as in the owners' files: 1\n    1076_MTI_SAD_XX.wav\n" in text


def test_a_third_copy_of_a_known_pair_is_unexpected(tmp_path):
    for name in ("1006_TIE_HAP_XX", "1006_TIE_NEU_XX", "1006_TIE_SAD_XX"):
        write(tmp_path / f"{name}.wav", seed=1)
    (finding,) = (f for f in check(tmp_path).corpora[0].findings if f.kind == "labels")
    assert finding.unexpected


# The corpora in a folder -------------------------------------------------------------------------


def test_mixed_corpora_are_separated(tmp_path):
    write(tmp_path / "1001_IEO_ANG_HI.wav", seed=1)
    write(tmp_path / "OAF_back_angry.wav", seed=2)
    write(tmp_path / "OAF_back_sad.wav", seed=3)
    write(tmp_path / "deeper" / "DC" / "a01.wav", seed=4)
    write(tmp_path / "mine.wav")
    checked = check(tmp_path)
    counts = {corpus.corpus: corpus.counts["speech"].recordings for corpus in checked.corpora}
    assert counts == {
        "crema_d": checks.Count(1, 7442),
        "savee": checks.Count(1, 480),
        "tess": checks.Count(2, 2800),
    }
    assert [(f.kind, f.names) for f in checked.findings] == [("unexpected_file", ("mine.wav",))]
    assert "Of no corpus\n\n  files whose names do not fit: 1\n    mine.wav\n" in str(checked)


def test_one_recording_in_two_corpora_is_found(tmp_path):
    write(tmp_path / "1001_IEO_ANG_HI.wav", seed=1)
    write(tmp_path / "OAF_back_angry.wav", seed=1)
    write(tmp_path / "OAF_back_sad.wav", seed=2)
    write(tmp_path / "1001_IEO_DIS_HI.wav", seed=2)
    write(tmp_path / "1001_IEO_HAP_HI.wav", seed=3)
    write(tmp_path / "1001_IEO_HAP_LO.wav", seed=3)  # of one corpus, which lists it
    checked = check(tmp_path)
    assert [(f.kind, f.names) for f in checked.findings] == [
        ("identical", ("1001_IEO_ANG_HI.wav", "OAF_back_angry.wav")),
        ("labels", ("1001_IEO_DIS_HI.wav", "OAF_back_sad.wav")),
    ]
    assert all(f.unexpected for f in checked.findings)
    assert "Across corpora\n\n  one recording under different emotions: 1\n" in str(checked)
    own = [f.names for f in checked.corpora[0].findings if f.kind == "identical"]
    assert own == [("1001_IEO_HAP_HI.wav", "1001_IEO_HAP_LO.wav")]


def test_several_folders_may_hold_one_corpus(tmp_path):
    write(tmp_path / "ravdess" / "Actor_01" / "03-01-01-01-01-01-01.wav", seed=1)
    write(tmp_path / "ravdess_song" / "Actor_01" / "03-02-01-01-01-01-01.wav", seed=2)
    (corpus,) = check(tmp_path).corpora
    assert {style: c.recordings.found for style, c in corpus.counts.items()} == {
        "speech": 1,
        "song": 1,
    }


def test_a_named_corpus_lists_files_of_others_as_unexpected(tmp_path):
    write(tmp_path / "1001_IEO_ANG_HI.wav", seed=1)
    write(tmp_path / "OAF_back_angry.wav", seed=2)
    checked = check(tmp_path, "tess")
    assert [corpus.corpus for corpus in checked.corpora] == ["tess"]
    (finding,) = checked.findings
    assert finding.names == ("1001_IEO_ANG_HI.wav",)
    assert finding.detail.startswith("expected talker_word_emotion")


def test_only_videos_without_sound(tmp_path):
    (tmp_path / "02-01-01-01-01-01-01.mp4").write_bytes(b"")
    (corpus,) = check(tmp_path).corpora
    assert {finding.kind for finding in corpus.findings} == {"missing", "left_out"}
    assert corpus.counts["speech"].recordings == checks.Count(0, 1440)
    assert corpus.to_dict()["duration_s"]["median"] is None
    assert "video" not in str(corpus)


def test_a_damaged_table_of_the_owners_is_listed(tmp_path):
    write(tmp_path / "1001_IEO_ANG_HI.wav")
    (tmp_path / "VideoDemographics.csv").write_text("ActorID,Age,Sex\n1001,old,Male\n")
    (finding,) = (f for f in check(tmp_path).corpora[0].findings if f.kind == "tables")
    assert "line 2: expected Age to be in years, got 'old'" in finding.detail


def test_error_for_unknown_names_lists_the_expected_ones(tmp_path):
    write(tmp_path / "deeper" / "a.wav")
    write(tmp_path / "b.wav")
    with pytest.raises(DatasetError) as error:
        check(tmp_path)
    message = str(error.value)
    assert "found 2 other files (such as 'b.wav', 'deeper/a.wav')" in message
    for name, corpus in CORPORA.items():
        assert f"{name}: {corpus.file_names}" in message


@pytest.mark.parametrize("corpus", [None, "tess", MINE], ids=["any", "named", "own"])
def test_an_empty_folder_is_an_error(tmp_path, corpus):
    (tmp_path / "notes.txt").write_text("no recording")
    with pytest.raises(DatasetError, match="no file with an audio extension"):
        check(tmp_path, corpus)


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        check(tmp_path / "nowhere")
    with pytest.raises(NotADirectoryError, match="expected a folder to check, got a file"):
        check(write(tmp_path / "a.wav"))


def test_unknown_corpus_raises_with_a_suggestion(mine):
    with pytest.raises(ValueError, match=r"`corpus` must be one of ravdess, .*, got 'mine'"):
        check(mine, "mine")
    with pytest.raises(ValueError, match=r"did you mean 'ravdess'\? Got 'ravdes'"):
        check(mine, "ravdes")


# Properties --------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(contents=st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_identical_recordings_are_grouped(tmp_path_factory, contents):
    folder = tmp_path_factory.mktemp("mine")
    for number, content in enumerate(contents, start=1):
        suffix = ("wav", "flac")[number % 2]  # equal samples in either container
        samples = (10000 * voice(content, 400)).astype(
            np.int16
        )  # both containers store these exactly
        write(folder / f"bob_joy_{number}.{suffix}", samples)
    expected = {
        tuple(n for n, other in enumerate(contents, start=1) if other == content)
        for content in contents
    }
    listed = check(folder, MINE, n_jobs=1).corpora[0].findings
    groups = [f.names for f in listed if f.kind == "identical"]
    assert sorted(tuple(int(Path(n).stem.split("_")[2]) for n in g) for g in groups) == sorted(
        group for group in expected if len(group) > 1
    )


# The command -------------------------------------------------------------------------------------


@pytest.fixture
def run(capsys):
    """Run the command and return its exit status, standard output and standard error."""

    def run(*arguments):
        status = cli.main(["corpus", *map(str, arguments)])
        return status, *capsys.readouterr()

    return run


def test_the_command_writes_the_table(tmp_path, run):
    write(tmp_path / "1001_IEO_ANG_HI.wav")
    status, out, err = run("check", tmp_path)
    assert status == 1
    assert out == f"{check(tmp_path)}\n"
    assert out.endswith("\n7441 unexpected findings\n")
    assert err == ""


def test_the_command_succeeds_for_a_complete_corpus(mine, run, monkeypatch):
    monkeypatch.setattr(checks, "CORPORA", {"mine": MINE})
    assert run("check", mine)[0] == 0
    a(mine).unlink()
    assert run("check", mine)[0] == 1


def test_the_command_writes_json_with_complete_lists(mine, run, monkeypatch):
    monkeypatch.setattr(checks, "CORPORA", {"mine": MINE})
    for path in (mine / "bob").iterdir():
        path.unlink()
    (mine / os.fsdecode(b"caf\xe9.wav")).write_bytes(b"garbage")
    status, out, _ = run("check", mine, "--format", "json")
    assert status == 1
    assert out.isascii()
    answer = json.loads(out)
    assert (answer["root"], answer["ok"]) == (str(mine), False)
    (stranger,) = answer["findings"]
    assert list(map(os.fsencode, stranger["names"])) == [b"caf\xe9.wav"]
    (corpus,) = answer["corpora"]
    assert corpus["counts"]["speech"]["recordings"] == {"found": 18, "owners": 36}
    assert corpus["counts"]["speech"]["speakers"]["mine/bob"] == {"found": 0, "owners": 18}
    assert [f["names"] for f in corpus["findings"]] == [
        [name] for name in sorted(NAMES) if name.startswith("bob")
    ]
    assert corpus["duration_s"]["shortest"] <= corpus["duration_s"]["median"]


def test_the_command_saves_figures(mine, run, monkeypatch, tmp_path):
    monkeypatch.setattr(checks, "CORPORA", {"mine": MINE})
    assert run("check", mine, "--plot", tmp_path / "mine.png")[0] == 0
    assert (tmp_path / "mine.png").read_bytes().startswith(b"\x89PNG")


def test_an_invalid_figure_path_fails_early(mine, run, monkeypatch, capsys):
    monkeypatch.setattr(checks, "check", lambda *_, **__: pytest.fail("the work was begun"))
    status, out, err = run("check", mine, "--plot", mine / "nowhere" / "mine.png")
    assert (status, out) == (2, "")
    assert "no such folder to write to" in err
    with pytest.raises(SystemExit, match="2"):
        run("check", mine, "--plot", mine / "mine.xyz")
    assert "expected a file with one of .png, .svg, .pdf, got" in capsys.readouterr().err


def test_no_figure_is_drawn_without_a_usable_recording(tmp_path, run):
    (tmp_path / "1001_IEO_ANG_HI.wav").write_bytes(b"garbage")
    status, out, err = run("check", tmp_path, "--plot", tmp_path / "mine.png")
    assert status == 1
    assert "recordings that cannot be used: 1" in out
    assert err.endswith("no recording can be used\n")
    assert not (tmp_path / "mine.png").exists()


def test_missing_matplotlib_fails_early(mine, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(checks, "check", lambda *_, **__: pytest.fail("the work was begun"))
    status, out, err = run("check", mine, "--plot", "mine.png")
    assert (status, out) == (2, "")
    assert "pip install 'emotionrecog[plots]'" in err


def test_the_command_lists_the_corpora(run):
    status, out, _ = run("list")
    assert status == 0
    head, *rows = out.splitlines()
    assert head.split() == ["name", "recordings", "language", "licence", "title"]
    assert [row.split()[0] for row in rows] == list(CORPORA)
    assert any(row.split()[:2] == ["ravdess", "2452"] for row in rows)
    status, out, _ = run("list", "--format", "json")
    assert [json.loads(line)["styles"] for line in out.splitlines()] == [
        dict(corpus.n_utterances) for corpus in CORPORA.values()
    ]


@pytest.mark.parametrize(
    "arguments", [["check"], ["check", ""], ["check", ".", "--jobs", "0"], ["chk", "."]]
)
def test_invalid_calls_fail(run, arguments):
    with pytest.raises(SystemExit) as exit_:
        run(*arguments)
    assert exit_.value.code == 2


def test_only_the_named_corpus_is_checked(run, tmp_path):
    write(tmp_path / "1001_IEO_ANG_HI.wav")
    assert "CREMA-D" in run("check", tmp_path, "--corpus", "crema_d")[1]
    status, out, err = run("check", tmp_path, "--corpus", "mine")
    assert (status, out) == (2, "")
    assert err.startswith("emotionrecog: `corpus` must be one of ravdess, crema_d")


def test_unknown_folder_fails_with_one_line(run, tmp_path):
    for folder in (tmp_path / "nowhere", tmp_path):
        status, out, err = run("check", folder)
        assert (status, out) == (2, "")
        assert err.startswith("emotionrecog: no ")
        assert len(err.splitlines()) == 1


def test_heavy_modules_are_not_imported(mine):
    heavy = {"tensorflow", "keras", "librosa", "pandas", "sklearn", "matplotlib", "scipy.signal"}
    write(mine / "1001_IEO_ANG_HI.wav")
    code = f"""
import sys
from emotionrecog import plots
from emotionrecog.datasets import checks
checks.check({str(mine)!r})
print(*({heavy!r} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# Real recordings ---------------------------------------------------------------------------------


@pytest.mark.corpora
def test_a_real_corpus_is_complete(corpora_root):
    checked = check(corpora_root / "savee")
    assert [corpus.corpus for corpus in checked.corpora] == ["savee"]
    assert findings(checked) == []


@pytest.mark.corpora
def test_the_quirks_of_real_corpora_are_found_and_known(corpora_root, tmp_path):
    expected_quirks = {
        corpus: {name for group in itertools.chain(*quirks.values()) for name in group}
        for corpus, quirks in KNOWN_QUIRKS.items()
    }
    for corpus in ("ravdess", "crema_d"):
        for utterance in CORPORA[corpus].utterances(corpora_root / corpus):
            if utterance.recording in expected_quirks[corpus]:
                (tmp_path / utterance.path.name).symlink_to(utterance.path)
    checked = check(tmp_path)
    known_findings = [f for corpus in checked.corpora for f in corpus.findings if f.known]
    # All recordings in the folder are mono, so the stereo ones are not among its quirks.
    assert sorted(f.kind for f in known_findings) == ["identical", *["labels"] * 3, "silent"]
    assert {kind for kind, *_ in findings(checked)} == {"missing"}
