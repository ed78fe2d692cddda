"""Test tables of utterances and folders of recordings: reading, errors and counts."""

import csv
import logging
import os
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from unicodedata import normalize

import pandas
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from emotionrecog import datasets
from emotionrecog.datasets import (
    EMOTIONS,
    Utterance,
    from_folders,
    from_table,
    to_frame,
    write_csv,
)
from emotionrecog.datasets.table import COLUMNS
from emotionrecog.errors import DatasetError, EmotionRecogError
from tests.conftest import messages

FULL = Utterance(
    Path("wav/a.wav"),
    "happy",
    corpus="ravdess",
    speaker="ravdess/01",
    sex="male",
    intensity="strong",
    sentence="kids",
    language="en",
    style="song",
    recording="01-02",
    age=33,
    votes=(1, 0, 8, 0, 0, 0, 0, 2),
)
BARE = Utterance(Path("b.wav"), "sad", corpus="mine", speaker="mine/bob")


def touch(root, *names):
    """Make empty files: a table is read without opening recordings."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def write(path, *lines, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Return a folder with recordings a.wav to d.wav, as the current folder."""
    touch(tmp_path, "a.wav", "b.wav", "c.wav", "d.wav")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# Pandas tables.


def test_a_column_for_each_field_and_the_votes_of_each_emotion():
    names = [field.name for field in fields(Utterance) if field.name != "votes"]
    assert list(COLUMNS) == [*names, *(f"votes_{emotion}" for emotion in EMOTIONS)]
    assert list(to_frame([FULL])) == list(to_frame([])) == list(COLUMNS)


def test_cells_are_plain_and_unknown_values_are_missing():
    frame = to_frame(iter([FULL, BARE]))
    full, bare = frame.to_dict("records")
    assert full == {
        "path": "wav/a.wav",
        "emotion": "happy",
        "corpus": "ravdess",
        "speaker": "ravdess/01",
        "sex": "male",
        "intensity": "strong",
        "sentence": "kids",
        "language": "en",
        "style": "song",
        "recording": "01-02",
        "age": 33,
        **dict.fromkeys((f"votes_{emotion}" for emotion in EMOTIONS), 0),
        "votes_neutral": 1,
        "votes_happy": 8,
        "votes_surprised": 2,
    }
    assert {name for name, cell in bare.items() if not pandas.isna(cell)} == {
        *("path", "emotion", "corpus", "speaker", "style"),
    }
    assert frame["age"].mean() == 33


def test_columns_have_fixed_types_for_any_number_of_rows():
    types = to_frame([FULL, BARE]).dtypes
    numbers = {name for name, kind in types.items() if kind == "Int64"}
    assert numbers == {"age", *(f"votes_{emotion}" for emotion in EMOTIONS)}
    assert to_frame([]).dtypes.equals(types)
    assert to_frame([BARE]).dtypes.equals(types)
    assert len(to_frame([])) == 0


def test_error_without_pandas_names_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(EmotionRecogError, match=r"pip install 'emotionrecog\[tables\]'") as caught:
        to_frame([BARE])
    assert isinstance(caught.value.__cause__, ImportError)


def test_csv_needs_no_pandas(here):
    code = (
        "import sys\n"
        "from emotionrecog.datasets import from_table, write_csv\n"
        "write_csv(from_table('t.csv'), 'u.csv')\n"
        "assert len(from_table('u.csv')) == 2\n"
        "sys.exit('pandas' in sys.modules)"
    )
    write(here / "t.csv", "path,emotion,speaker", "a.wav,joy,1", "b.wav,fear,2")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Round trips.

# Characters that file names may have on all supported systems.
name_characters = st.characters(
    codec="utf-8", exclude_categories=["C", "Z"], exclude_characters='/\\:*?"<>|.'
)
texts = st.text(st.characters(codec="utf-8"), min_size=1).map(str.strip).filter(bool)
odd = st.sampled_from(["a,b", '"', "'", "x\ny", "x\ry", "\r\n", "\t;|", "=1+1", "\ufeff", "NA"])
odd_texts = (
    texts | odd.map(lambda text: f"{text}.".strip()) | st.sampled_from(["nan", "None", "1.0", "-"])
)
counts = st.integers(0, 2**63 - 1)
NO_SPEAKER = ["unknown", "na", "n/a", "nan", "<na>", "none", "null", "-", "?"]


@st.composite
def utterances_in(draw, names):
    corpus = draw(odd_texts)
    # Names that mean a missing speaker; see the tests of speakers.
    speaker = draw(odd_texts.filter(lambda text: text.casefold() not in NO_SPEAKER))
    return Utterance(
        Path("odd") / f"{draw(names)}.wav",
        draw(st.sampled_from(EMOTIONS)),
        corpus=corpus,
        speaker=f"{corpus}/{speaker}",
        sex=draw(st.sampled_from(["female", "male", None])),
        intensity=draw(st.sampled_from(["normal", "strong", "low", "medium", "high", None])),
        sentence=draw(st.none() | odd_texts),
        language=draw(st.none() | odd_texts),
        style=draw(st.sampled_from(["speech", "song"])),
        recording=draw(st.none() | odd_texts),
        age=draw(st.none() | st.integers(1, 129)),
        votes=draw(st.none() | st.tuples(*[counts] * len(EMOTIONS))),
    )


lists = st.lists(
    utterances_in(st.text(name_characters, min_size=1, max_size=20)),
    min_size=1,
    max_size=5,
    # Names differ even on systems that ignore case or accents.
    unique_by=lambda utterance: normalize("NFKD", utterance.path.stem.casefold()),
)
each_example_anew = settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.slow
@given(utterances=lists)
@each_example_anew
def test_utterances_round_trip(utterances, here, caplog):
    names = {utterance.speaker for utterance in utterances}
    assume(len({name.casefold() for name in names}) == len(names))
    touch(here, *(utterance.path for utterance in utterances))
    assert from_table(to_frame(utterances)) == utterances
    write_csv(utterances, "table.csv")
    assert from_table("table.csv") == utterances
    # A round trip through pandas' CSV, which distinguishes less, is not guaranteed.
    absolute = [replace(utterance, path=here / utterance.path) for utterance in utterances]
    write_csv(absolute, here / "deep" / "table.csv")
    assert from_table(here / "deep" / "table.csv") == absolute
    assert not caplog.records


@pytest.mark.corpora
def test_real_corpora_round_trip(corpora_root, tmp_path, caplog):
    utterances = datasets.read(corpora_root)
    caplog.clear()
    write_csv(utterances, tmp_path / "all.csv", root=corpora_root)
    assert from_table(tmp_path / "all.csv", root=corpora_root) == utterances
    assert from_table(to_frame(utterances)) == utterances
    assert not caplog.records


def test_utterances_round_trip_through_the_csv_of_pandas(here):
    """With missing values, pandas writes whole numbers as 33.0 and texts as NaN."""
    touch(here, "wav/a.wav")
    to_frame([FULL, BARE]).to_csv("t.csv", index=False)
    assert from_table(pandas.read_csv("t.csv")) == [FULL, BARE]
    assert from_table("t.csv") == [FULL, BARE]


# Writing.


def test_paths_below_the_table_are_relative_and_others_absolute(tmp_path):
    inside, outside = tmp_path / "set" / "wav" / "a.wav", tmp_path / "b.wav"
    touch(tmp_path, "set/wav/a.wav", "b.wav")
    utterances = [replace(BARE, path=inside), replace(BARE, path=outside)]
    write_csv(utterances, tmp_path / "set" / "t.csv")
    with (tmp_path / "set" / "t.csv").open(newline="", encoding="utf-8") as table:
        assert [row["path"] for row in csv.DictReader(table)] == ["wav/a.wav", outside.as_posix()]
    # Folder and table move together.
    (tmp_path / "set").rename(tmp_path / "moved")
    assert [utterance.path for utterance in from_table(tmp_path / "moved" / "t.csv")] == [
        tmp_path / "moved" / "wav" / "a.wav",
        outside,
    ]


def test_relative_paths_are_resolved_from_another_folder(here):
    touch(here, "wav/a.wav")
    write_csv([replace(BARE, path=Path("wav/a.wav"))], "tables/t.csv")
    assert [utterance.path for utterance in from_table("tables/t.csv")] == [here / "wav" / "a.wav"]


def test_paths_are_relative_to_the_named_root(here):
    touch(here, "wav/a.wav")
    write_csv([replace(BARE, path=Path("wav/a.wav"))], "tables/t.csv", root="wav")
    assert Path("tables/t.csv").read_text("utf-8").splitlines()[1].startswith("a.wav,sad,")
    (utterance,) = from_table("tables/t.csv", root="wav")
    assert utterance.path == Path("wav/a.wav")


def test_a_table_is_written_atomically(here):
    write(here / "t.csv", "the one before")
    with pytest.raises(DatasetError, match="`sentence`"):
        write_csv([BARE, replace(BARE, sentence=" ")], "t.csv")
    assert Path("t.csv").read_text("utf-8") == "the one before"
    write_csv([BARE], "t.csv")
    assert from_table("t.csv") == [BARE]
    assert sorted(path.name for path in here.iterdir() if path.suffix != ".wav") == ["t.csv"]


@pytest.mark.parametrize("field", ["sentence", "language", "recording"])
@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_an_empty_text_is_not_mistaken_for_a_missing_one(field, text, tmp_path):
    utterance = replace(BARE, **{field: text})
    with pytest.raises(DatasetError, match=rf"`{field}` of 'b.wav' .* or None"):
        write_csv([utterance], tmp_path / "t.csv")
    with pytest.raises(DatasetError, match=rf"`{field}` of 'b.wav' .* or None"):
        to_frame([utterance])


def test_a_file_name_of_invalid_text(here):
    name = os.fsdecode(b"caf\xe9.wav")
    utterance = replace(BARE, path=Path(name))
    with pytest.raises(DatasetError, match=r"UTF-8 can express, found '.*caf\\udce9.*rename"):
        write_csv([utterance], "t.csv")
    assert not Path("t.csv").exists()
    try:
        touch(here, name)
    except OSError:
        pytest.skip("this system has no such names")
    assert from_table(to_frame([utterance])) == [utterance]


def test_an_empty_list_makes_a_table_of_columns_only(here):
    write_csv([], "t.csv")
    assert Path("t.csv").read_text("utf-8").strip() == ",".join(COLUMNS)
    for empty in ("t.csv", to_frame([])):
        with pytest.raises(DatasetError, match=r"no recording in .*found no rows"):
            from_table(empty)


# Tables by other people.

TABLE = ("path;emotion;speaker", "a.wav;Anger;bob", "b.wav; JOY ;eve")
EXPECTED = [
    Utterance(Path("a.wav"), "angry", corpus="mine", speaker="mine/bob"),
    Utterance(Path("b.wav"), "happy", corpus="mine", speaker="mine/eve"),
]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.txt"])
def test_separators_are_detected(separator, encoding, name, here, caplog):
    write(here / name, *(line.replace(";", separator) for line in TABLE), encoding=encoding)
    assert from_table(name) == EXPECTED
    assert from_table(Path(name), corpus="yours")[0].speaker == "yours/bob"
    assert not caplog.records


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_is_accepted(end, here):
    write(here / "t.csv", end.join(TABLE))
    assert from_table("t.csv") == EXPECTED


def test_empty_lines_and_empty_cells_at_the_end_are_ignored(here, caplog):
    head, *rows = TABLE
    write(here / "t.csv", "", head, ";;", *(f"{row};;" for row in rows), "")
    assert from_table("t.csv") == EXPECTED
    assert not caplog.records


def test_a_table_of_pandas_with_other_words_and_columns(here):
    frame = pandas.DataFrame(
        {
            "File": [Path("a.wav"), Path("b.wav"), Path("c.wav")],
            "Label": pandas.Categorical(["wut", "HAP", "bored"]),
            "Actor": [1.0, 2.0, 3.0],
            "text id": [7, 8, 9],
            "Age": [27.0, None, 30.0],
            "sex": ["F", " m ", None],
        }
    )
    assert from_table(
        frame,
        corpus="film",
        path="File",
        emotion="Label",
        speaker="Actor",
        columns={"sentence": "text id", "age": "Age"},
        emotions={"wut": "angry", "hap": "happy", "bored": None},
    ) == [
        Utterance(
            Path("a.wav"),
            "angry",
            corpus="film",
            speaker="film/1",
            sex="female",
            sentence="7",
            age=27,
        ),
        Utterance(
            Path("b.wav"), "happy", corpus="film", speaker="film/2", sex="male", sentence="8"
        ),
    ]


def test_numbers_may_be_labels(here):
    frame = pandas.DataFrame({"path": ["a.wav", "b.wav"], "emotion": [0, 1], "speaker": ["x", "y"]})
    assert [u.emotion for u in from_table(frame, emotions={"0": "calm", "1": "sad"})] == [
        "calm",
        "sad",
    ]
    with pytest.raises(DatasetError, match=r"'0' \(once\), '1' \(once\)"):
        from_table(frame)


def test_passed_meanings_take_precedence(here):
    write(here / "t.csv", "path,emotion,speaker", "a.wav,calm,x", "b.wav,Calm,x")
    utterances = from_table("t.csv", emotions={"calm": "neutral"})
    assert {utterance.emotion for utterance in utterances} == {"neutral"}


@pytest.mark.parametrize("given", ["sub\\a.wav", "sub/a.wav", " sub\\a.wav ", ".\\sub\\a.wav"])
def test_windows_separators_are_accepted(given, here, caplog):
    touch(here, "sub/a.wav")
    write(here / "t.csv", "path,emotion,speaker", f"{given},joy,x")
    (utterance,) = from_table("t.csv")
    assert utterance.path == Path("sub/a.wav")
    assert not caplog.records


@pytest.mark.skipif(os.name == "nt", reason="there a backslash is always a separator")
def test_a_backslash_in_the_name_of_an_existing_file_is_kept(here):
    touch(here, "sub/a.wav", "sub\\a.wav")
    write(here / "t.csv", "path,emotion,speaker", "sub\\a.wav,joy,x")
    (utterance,) = from_table("t.csv")
    assert utterance.path == Path("sub\\a.wav")


def test_an_absolute_path_needs_no_root(tmp_path, here):
    touch(tmp_path, "far/a.wav")
    write(tmp_path / "t" / "t.csv", "path,emotion,speaker", f"{tmp_path}/far/a.wav,joy,x")
    (utterance,) = from_table(tmp_path / "t" / "t.csv", root="nowhere")
    assert utterance.path == tmp_path / "far" / "a.wav"


def test_votes_of_some_emotions_only(here):
    head = "path,emotion,speaker,votes_happy,votes_sad"
    write(here / "t.csv", head, "a.wav,joy,x,3,1", "b.wav,joy,x,,")
    first, second = from_table("t.csv")
    assert first.votes == (0, 0, 3, 1, 0, 0, 0, 0)
    assert second.votes is None


# Speakers.


@pytest.mark.parametrize("kind", ["column", "none", "empty", "word", "not read"])
def test_unknown_speakers_count_as_one_with_a_warning(kind, here, caplog):
    cells = {"empty": ("", ""), "word": ("unknown", "Unknown ")}.get(kind, ("1", "2"))
    head = {"column": "path,emotion,person"}.get(kind, "path,emotion,speaker")
    rows = (f"{name}.wav,joy,{cell}" for name, cell in zip("ab", cells, strict=True))
    write(here / "t.csv", head, *rows)
    options = {"speaker": None} if kind in ("none", "not read") else {}
    utterances = from_table("t.csv", corpus="film", **options)
    assert [utterance.speaker for utterance in utterances] == ["film/unknown"] * 2
    (warning,) = messages(caplog)
    assert "corpus 'film' are not known, so its 2 recordings count as one" in warning
    assert "no split can keep its speakers apart" in warning


def test_a_missing_speaker_is_not_guessed(here, caplog):
    write(
        *(here / "t.csv", "path,emotion,speaker"),
        *("a.wav,joy,bob", "b.wav,joy,", "c.wav,joy,unknown", "d.wav,joy,mine/unknown"),
    )
    (utterance,) = from_table("t.csv")
    assert utterance.speaker == "mine/bob"
    (warning,) = messages(caplog)
    assert "left out 3 rows (such as line 3: 'b.wav', line 4: 'c.wav', line 5: 'd.wav') " in warning
    assert "without a speaker, although others of their corpus have one" in warning


def test_speakers_are_known_by_corpus(here, caplog):
    write(
        *(here / "t.csv", "path,emotion,speaker,corpus"),
        *("a.wav,joy,bob,x", "b.wav,joy,,y", "c.wav,joy,y/eve, x ", "d.wav,joy,,"),
    )
    assert [(u.corpus, u.speaker) for u in from_table("t.csv")] == [
        ("x", "x/bob"),
        ("y", "y/unknown"),
        ("x", "x/y/eve"),
    ]
    warnings = messages(caplog)
    assert len(warnings) == 2
    assert "1 recordings count as one speaker, 'y/unknown'" in warnings[0]
    assert "line 5: 'd.wav') without a corpus, where others have one" in warnings[1]


def test_space_around_a_speaker_is_ignored(here):
    write(
        *(here / "t.csv", "path,emotion,speaker", "a.wav,joy,bob", "b.wav,joy, bob "),
        *("c.wav,joy,mine/ bob", "d.wav,joy, mine/bob"),
    )
    assert {utterance.speaker for utterance in from_table("t.csv")} == {"mine/bob"}


@pytest.mark.parametrize("word", [*NO_SPEAKER, "NA", "N/A", "NaN", "None", "NULL", "mine/NA", " ?"])
def test_words_for_a_missing_value_are_not_speakers(word, here, caplog):
    write(here / "t.csv", "path,emotion,speaker", f"a.wav,joy,{word}", f"b.wav,joy,{word}")
    assert {utterance.speaker for utterance in from_table("t.csv")} == {"mine/unknown"}
    (warning,) = messages(caplog)
    assert "no split can keep its speakers apart" in warning
    write(here / "t.csv", "path,emotion,speaker", f"a.wav,joy,{word}", "b.wav,joy,Nana")
    assert [utterance.speaker for utterance in from_table("t.csv")] == ["mine/Nana"]
    touch(here, "folders/joy/1.wav")
    (utterance,) = from_folders(here / "folders", speaker=lambda path: word)
    assert utterance.speaker == "mine/unknown"


def test_speakers_that_differ_only_in_case_raise(here):
    speakers = ("Bob", "bob ", "BOB", "eve")
    rows = (f"{name}.wav,joy,{speaker}" for name, speaker in zip("abcd", speakers, strict=True))
    write(here / "t.csv", "path,emotion,speaker", *rows)
    expected = (
        r"'t\.csv' has 1 speaker \(such as 'mine/BOB' and 'mine/Bob' and 'mine/bob'\) whose names "
        r"differ in upper and lower case only"
    )
    with pytest.raises(DatasetError, match=expected):
        from_table("t.csv")
    touch(here, "folders/joy/Bob.wav", "folders/sad/bob.wav")
    with pytest.raises(DatasetError, match="'mine/Bob' and 'mine/bob'"):
        from_folders(here / "folders", speaker=lambda path: path.stem)
    # Speakers of two corpora are always different people.
    write(here / "t.csv", "path,emotion,speaker,corpus", "a.wav,joy,Bob,x", "b.wav,joy,bob,y")
    assert [utterance.speaker for utterance in from_table("t.csv")] == ["x/Bob", "y/bob"]


def test_space_around_a_text_is_ignored(here):
    write(
        *(here / "t.csv", "path,emotion,speaker,sentence,language,recording"),
        *("a.wav,joy,bob,s1,en,r", "b.wav,joy,bob, s1 ,en , r"),
    )
    first, second = from_table("t.csv")
    assert second == replace(first, path=second.path)
    assert (first.sentence, first.language, first.recording) == ("s1", "en", "r")


def test_the_named_corpus_applies_to_all_rows(here):
    write_csv([FULL, BARE], "t.csv")
    touch(here, "wav/a.wav")
    assert [(u.corpus, u.speaker) for u in from_table("t.csv", corpus="all")] == [
        ("all", "all/ravdess/01"),
        ("all", "all/mine/bob"),
    ]


# Errors.


def test_missing_and_existing_columns_are_named(here):
    write(here / "t.csv", "File,Emotions,who", "a.wav,joy,bob")
    expected = (
        r"'t\.csv' has no column 'path', 'emotion'; its .* are 'File', 'Emotions', 'who'\. Name"
    )
    with pytest.raises(DatasetError, match=expected):
        from_table("t.csv")
    with pytest.raises(DatasetError, match="the table has no column 'emotion'; its columns are"):
        from_table(pandas.read_csv("t.csv"), path="File")


@pytest.mark.parametrize(
    "options", [{"speaker": "actor"}, {"columns": {"age": "actor"}}, {"path": "actor"}]
)
def test_a_requested_column_must_exist(options, here):
    write(here / "t.csv", *TABLE)
    with pytest.raises(DatasetError, match=r"no column 'actor'; its columns are 'path', 'emotion'"):
        from_table("t.csv", **options)


@pytest.mark.parametrize("field", ["path", "emotion", "speaker", "votes", "colour"])
def test_a_column_of_an_unknown_field_cannot_be_requested(field, here):
    write(here / "t.csv", *TABLE)
    with pytest.raises(ValueError, match=rf"`columns` must have keys among.*got '{field}'"):
        from_table("t.csv", columns={field: "x"})


def test_a_repeated_column_raises(here):
    write(here / "t.csv", "path,emotion,emotion", "a.wav,joy,sad")
    with pytest.raises(DatasetError, match="one column 'emotion', found 2"):
        from_table("t.csv")
    frame = pandas.DataFrame([["a.wav", "joy", "sad"]], columns=["path", "emotion", "emotion"])
    with pytest.raises(DatasetError, match="one column 'emotion', found 2"):
        from_table(frame)


@pytest.mark.parametrize("speaker", ["Speaker", "SPEAKER"])
@pytest.mark.parametrize("separator", [",", ";"])
def test_column_names_may_be_in_capitals(speaker, separator, here, caplog):
    rows = f"Path,EMOTION,{speaker},Age,Votes_Happy", "a.wav,joy,bob,40,3", "b.wav,sad,eve,,"
    write(here / "t.csv", *(row.replace(",", separator) for row in rows))
    for source in ("t.csv", pandas.read_csv("t.csv", sep=separator)):
        first, second = from_table(source)
        assert (first.speaker, first.age, first.votes[2]) == ("mine/bob", 40, 3)
        assert (second.speaker, second.age, second.votes) == ("mine/eve", None, None)
    assert not caplog.records


def test_the_column_of_the_exact_name_takes_precedence(here):
    write(here / "t.csv", "Path,path,emotion,Speaker,SPEAKER", "x.wav,a.wav,joy,bob,eve")
    with pytest.raises(DatasetError, match="one column 'speaker', found 'Speaker', 'SPEAKER'"):
        from_table("t.csv")
    (utterance,) = from_table("t.csv", speaker="Speaker")
    assert (utterance.path.name, utterance.speaker) == ("a.wav", "mine/bob")


def test_a_requested_column_is_not_read_as_another_field(here):
    write(here / "t.csv", "Recording,emotion,speaker", "a.wav,joy,bob")
    (utterance,) = from_table("t.csv", path="Recording")
    assert utterance.recording is None


def test_other_columns_may_hold_anything(here, caplog):
    write(here / "t.csv", "path,emotion,speaker,x,x,style", "a.wav,joy,bob,1,2,prosody")
    (utterance,) = from_table("t.csv", columns={"style": None})
    assert utterance.style == "speech"
    assert not caplog.records


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"path,emotion\n", "found no rows"),
        (b"path,emotion\n\xe9.wav,joy\n", "must be text in UTF-8, found byte 0xe9 in line 2; save"),
        ("path,emotion\na.wav,joy".encode("utf-16"), "must be text in UTF-8, found byte 0xff"),
        (b'path,emotion\na.wav,joy\n"b.wav,joy\nc.wav,sad\n', "damaged in or before line 4"),
        (b'path,emotion\n"a.wav"x,joy\n', "damaged in or before line 2"),
        (b"path,emotion\n" + b"x" * 200_000 + b",joy\n", "damaged in or before line 2"),
        (b"a.wav,joy\nb.wav,sad\n", "its columns are 'a.wav', 'joy'"),
        (b"RIFF\x24\x08\x00\x00WAVEfmt \x10\x00", "its columns are"),
    ],
)
def test_invalid_tables_raise(content, complaint, here):
    (here / "t.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=complaint) as caught:
        from_table("t.csv")
    assert "t.csv" in str(caught.value)


def test_a_source_that_is_not_a_file_raises(here):
    with pytest.raises(FileNotFoundError, match=r"no such table: 'u\.csv'"):
        from_table("u.csv")
    with pytest.raises(IsADirectoryError, match=r"got a folder.*from_folders"):
        from_table(here)
    with pytest.raises(TypeError, match=r"path of a table or a pandas.DataFrame, got .*list"):
        from_table([{"path": "a.wav"}])


def test_unknown_emotions_are_counted_and_the_nearest_suggested(here):
    write(
        *(here / "t.csv", "path,emotion,speaker"),
        *("a.wav,hapy,x", "b.wav,ps,x", "c.wav,hapy,x", "d.wav,joy,x", "e.wav,bored,x"),
    )
    with pytest.raises(DatasetError) as caught:
        from_table("t.csv")
    message = str(caught.value)
    assert message.startswith("'t.csv' has emotions in column 'emotion' that are not known: ")
    assert "'hapy' (2 times; nearest is happy), 'ps' (once; nearest is surprised), " in message
    suggestion = re.search(r"emotions=(\{.*\})$", message)[1]
    assert suggestion == "{'hapy': 'happy', 'ps': 'surprised', 'bored': None}"
    # The suggestion works.
    explained = {"hapy": "happy", "ps": "surprised", "bored": None}
    assert len(from_table("t.csv", emotions=explained)) == 4


@pytest.mark.parametrize("word", ["", " ", "nan", "NA", "None", "0", "neutral, calm", "happy/sad"])
def test_words_are_not_read_as_other_emotions(word, here, caplog):
    frame = pandas.DataFrame(
        {"path": ["a.wav", "b.wav"], "emotion": ["joy", word], "speaker": ["x", "x"]}
    )
    if word.strip():
        with pytest.raises(DatasetError, match=re.escape(f"{word!r} (once")):
            from_table(frame)
    else:
        assert len(from_table(frame)) == 1
        assert messages(caplog) == [
            "the table: left out 1 row (such as row 1: 'b.wav') without an emotion"
        ]


@pytest.mark.parametrize(
    ("first", "second", "emotions"),
    [
        ("a.wav,joy,x", "a.wav,sad,x", {}),
        ("a.wav,joy,x", "./a.wav,sad,x", {}),
        ("a.wav,joy,x", "sub/../a.wav,sad,x", {}),
        ("sub/a.wav,joy,x", "sub\\a.wav,sad,x", {}),
        ("a.wav,joy,x", "a.wav,bored,x", {"bored": None}),
        ("a.wav,bored,x", "a.wav,joy,x", {"bored": None}),
        ("a.wav,joy,x", "a.wav,sad,", {}),
    ],
)
def test_two_emotions_of_one_recording_raise(first, second, emotions, here):
    touch(here, "sub/a.wav")
    write(here / "t.csv", "path,emotion,speaker", "b.wav,joy,x", first, second)
    with pytest.raises(DatasetError) as caught:
        from_table("t.csv", emotions=emotions)
    message = str(caught.value)
    assert "two emotions in 1 row pair (such as line 3 and line 4: " in message


@pytest.mark.parametrize(
    ("column", "cells"), [("speaker", "xy"), ("age", "34"), ("sex", ("f", ""))]
)
def test_two_descriptions_of_one_recording_raise(column, cells, here):
    head = "path,emotion" if column == "speaker" else "path,emotion,speaker"
    same = "a.wav,joy" if column == "speaker" else "a.wav,joy,x"
    write(here / "t.csv", f"{head},{column}", *(f"{same},{cell}" for cell in cells))
    expected = rf"in two ways in 1 row pair \(such as line 2 and line 3: 'a.wav' in {column}\)"
    with pytest.raises(DatasetError, match=expected):
        from_table("t.csv")


# Omitted rows are counted and listed.


def test_unusable_rows_do_not_stop_the_others(here, caplog):
    caplog.set_level(logging.DEBUG, "emotionrecog")
    touch(here, "x.wav/in_a_folder_of_that_name")
    write(
        here / "t.csv",
        "path,emotion,speaker,style",
        "a.wav,joy,bob,speech",
        "gone.wav,joy,bob,speech",
        ",joy,bob,speech",
        "b.wav,,bob,speech",
        "c.wav,joy",
        "c.wav,joy,bob,speech,more",
        "x.wav,joy,bob,speech",
        f"{'long' * 100}.wav,joy,bob,speech",
        "./a.wav,HAPPY, bob,",
        "d.wav,joy,bob,opera",
        "c.wav,bored,bob,speech",
        "b.wav,fear,eve,song",
    )
    utterances = from_table("t.csv", emotions={"bored": None})
    assert [(u.path.name, u.emotion, u.speaker) for u in utterances] == [
        ("a.wav", "happy", "mine/bob"),
        ("b.wav", "fearful", "mine/eve"),
    ]
    assert messages(caplog) == [
        "'t.csv': left out 2 rows (such as line 6, line 7) "
        "with another number of cells than the header",
        "'t.csv': left out 1 row (such as line 4) without a path",
        "'t.csv': left out 1 row (such as line 5: 'b.wav') without an emotion",
        "'t.csv': left out 3 rows (such as line 3: 'gone.wav', line 8: 'x.wav', "
        f"line 9: {'long' * 100 + '.wav'!r}) without a file of that name "
        "(looked for in '.'; `root` names another folder)",
        "'t.csv': left out 1 row (such as line 11: 'd.wav') "
        "of a style that is neither speech nor song",
        "'t.csv': left out 1 row (such as line 10: './a.wav') repeating another row",
    ]
    assert messages(caplog, logging.INFO) == [
        "'t.csv': left out 1 row (such as line 12: 'c.wav') of emotions to leave out"
    ]
    # All of them are named at level DEBUG, not only the first three.
    assert len(messages(caplog, logging.DEBUG)) == 10


def test_error_without_remaining_rows_lists_the_reasons(here):
    write(here / "t.csv", "path,emotion", "wav/a.wav,joy", "wav/b.wav,sad", ",sad")
    with pytest.raises(DatasetError) as caught:
        from_table("t.csv", root="records")
    assert str(caught.value) == (
        "no recording in 't.csv': expected rows whose files exist, found 1 row (such as line 4) "
        "without a path; 2 rows (such as line 2: 'wav/a.wav', line 3: 'wav/b.wav') without a file "
        "of that name (looked for in 'records'; `root` names another folder)"
    )


@pytest.mark.parametrize(
    ("field", "cell"),
    [
        *(("age", cell) for cell in ("adult", "0", "-3", "27.5", "1e999", "nan")),
        *(("sex", cell) for cell in ("diverse", "1")),
        ("intensity", "0.7"),
        *(("votes_happy", cell) for cell in ("-1", "0.5", "many")),
    ],
)
def test_a_fact_that_cannot_be_read_is_unknown_and_counted(field, cell, here, caplog):
    write(here / "t.csv", f"path,emotion,speaker,{field}", f"a.wav,joy,x,{cell}", "b.wav,joy,x,")
    first, second = from_table("t.csv")
    assert first == replace(second, path=first.path)
    (warning,) = messages(caplog)
    assert warning.startswith("'t.csv': 1 cell (such as line 2")
    assert f"of {field.partition('_')[0]} cannot be read" in warning


# A folder for each emotion.


def test_one_folder_per_emotion_is_read(tmp_path, caplog):
    touch(tmp_path, "Anger/1.wav", "joy/1.wav", "joy/deeper/2.flac", "joy/notes.txt")
    utterances = from_folders(str(tmp_path), corpus="film")
    assert [(u.path.relative_to(tmp_path).as_posix(), u.emotion) for u in utterances] == [
        ("Anger/1.wav", "angry"),
        ("joy/1.wav", "happy"),
        ("joy/deeper/2.flac", "happy"),
    ]
    assert {(u.corpus, u.speaker) for u in utterances} == {("film", "film/unknown")}
    (warning,) = messages(caplog)
    assert "its 3 recordings count as one speaker, 'film/unknown'" in warning


def test_the_nearest_folder_of_an_emotion_counts(tmp_path):
    touch(tmp_path, "train/bob/sad/1.wav", "sad/scene 2/happy/1.wav", "happy/bob/1.wav")
    assert [u.emotion for u in from_folders(tmp_path / "sad")] == ["happy"]
    assert [u.emotion for u in from_folders(tmp_path)] == ["happy", "happy", "sad"]


def test_speakers_are_named_by_a_function(tmp_path, caplog):
    touch(tmp_path, "bob/sad/1.wav", "eve/joy/1.wav", "joy/1.wav")

    def speaker(path):
        name = path.parents[1].name
        return name if name in ("bob", "eve") else None

    assert [(u.emotion, u.speaker) for u in from_folders(tmp_path, speaker=speaker)] == [
        ("sad", "mine/bob"),
        ("happy", "mine/eve"),
    ]
    (warning,) = messages(caplog)
    assert "1 file (such as 'joy/1.wav') without a speaker, although others" in warning


def test_recordings_beside_the_folders_are_counted(tmp_path, caplog):
    touch(tmp_path, "intro.wav", "bob/test.wav", "bob/sad/1.wav", "sad/1.wav")
    assert len(from_folders(tmp_path, speaker=lambda path: "x")) == 2
    (warning,) = messages(caplog)
    assert "left out 2 files (such as 'bob/test.wav', 'intro.wav') outside a folder" in warning


def test_unknown_folders_raise_and_the_nearest_is_suggested(tmp_path, caplog):
    caplog.set_level(logging.INFO, "emotionrecog")
    touch(tmp_path, "bob/sad/1.wav", "bob/Angery/1.wav", "bob/Angery/deep/2.wav", "bored/1.wav")
    with pytest.raises(DatasetError) as caught:
        from_folders(tmp_path)
    message = str(caught.value)
    assert "'Angery' (2 times; nearest is angry), 'bored' (once). " in message
    assert message.endswith("emotions={'Angery': 'angry', 'bored': None}")
    utterances = from_folders(
        tmp_path, emotions={"angery": "angry", "bored": None}, speaker=lambda path: "x"
    )
    assert [utterance.emotion for utterance in utterances] == ["angry", "angry", "sad"]
    (note,) = messages(caplog, logging.INFO)
    assert "left out 1 file (such as 'bored/1.wav') of emotions to leave out" in note
    assert not messages(caplog)


def test_an_omitted_folder_takes_precedence_over_those_above(tmp_path):
    touch(tmp_path, "happy/bored/1.wav", "happy/2.wav")
    utterances = from_folders(tmp_path, emotions={"bored": None})
    assert [utterance.path.name for utterance in utterances] == ["2.wav"]


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ([], "found no files"),
        (["a.txt", "sad/b.txt"], "found no files"),
        (["a.wav", "b.wav"], r"found 2 files \(such as 'a.wav', 'b.wav'\) outside a folder"),
    ],
)
def test_a_folder_without_folders_of_emotions_raises(names, complaint, tmp_path):
    touch(tmp_path, *names)
    with pytest.raises(DatasetError, match=complaint) as caught:
        from_folders(tmp_path)
    assert "expected audio files in folders named after an emotion" in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_root_that_is_not_a_folder_raises(here):
    with pytest.raises(FileNotFoundError, match=r"no such folder: 'nowhere'"):
        from_folders("nowhere")
    with pytest.raises(NotADirectoryError, match=r"a\.wav"):
        from_folders("a.wav")


@pytest.mark.parametrize(
    ("link", "target"), [("joy", "sad"), ("joy/1.wav", "sad/1.wav"), ("sad/2.wav", "joy/3.wav")]
)
def test_a_link_to_a_second_emotion_raises(link, target, tmp_path):
    root = tmp_path / "root"
    touch(root, "sad/1.wav")
    if target != "sad":
        touch(root, "joy/3.wav")
    try:
        (root / link).symlink_to(root / target)
        (tmp_path / "linked").symlink_to(root)
    except OSError:
        pytest.skip("this system makes no symbolic links")
    for named in (root, tmp_path / "linked"):
        with pytest.raises(DatasetError, match=rf"'{link}.* is a link to .*one recording two"):
            from_folders(named)


@pytest.mark.parametrize(
    ("links", "complaint"),
    [
        (
            {"joy/1.wav": "store/x.wav", "anger/1.wav": "store/x.wav"},
            r"'anger/1\.wav' and 'joy/1\.wav' are both .*two emotions",
        ),
        (
            {"joy/1.wav": "store/x.wav", "bored/1.wav": "store/x.wav"},
            r"'bored/1\.wav' and 'joy/1\.wav' are both .*two emotions",
        ),
        ({"joy": "store", "anger": "store"}, "'anger' and 'joy' are both .*two emotions"),
        (
            {"joy/take": "store", "anger/take": "store"},
            "'anger/take' and 'joy/take' are both .*two emotions",
        ),
        ({"joy": ".hidden", "anger": ".hidden"}, "'anger' and 'joy' are both .*two emotions"),
    ],
)
def test_links_of_two_emotions_to_one_folder_raise(links, complaint, tmp_path):
    root = tmp_path / "root"
    touch(tmp_path, "store/x.wav", "root/.hidden/x.wav", "root/sad/1.wav")
    try:
        for name, target in links.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).symlink_to((root if target == ".hidden" else tmp_path) / target)
    except OSError:
        pytest.skip("this system makes no symbolic links")
    with pytest.raises(DatasetError, match=complaint):
        from_folders(root, emotions={"bored": None})


def test_links_of_one_emotion_to_one_folder_are_allowed(tmp_path):
    root = tmp_path / "root"
    touch(tmp_path, "store/x.wav", "takes/y.wav", "root/joy/1.wav")
    try:
        (root / "joy" / "2.wav").symlink_to(tmp_path / "store" / "x.wav")
        (root / "joy" / "3.wav").symlink_to(tmp_path / "store" / "x.wav")
        (root / "joy" / "takes").symlink_to(tmp_path / "takes")
        (root / "happy").symlink_to(tmp_path / "takes")
        (root / "joy" / "loop").symlink_to(root)
    except OSError:
        pytest.skip("this system makes no symbolic links")
    utterances = from_folders(root)
    assert [utterance.path.name for utterance in utterances] == ["y.wav", "1.wav", "2.wav", "3.wav"]
    assert {utterance.emotion for utterance in utterances} == {"happy"}


def test_links_to_an_external_store_are_followed(tmp_path):
    touch(tmp_path, "store/0a1b.wav", "store/calm/0a1c.wav")
    (tmp_path / "root" / "joy").mkdir(parents=True)
    try:
        for number, name in enumerate(("0a1b.wav", "calm/0a1c.wav")):
            (tmp_path / "root" / "joy" / f"{number}.wav").symlink_to(tmp_path / "store" / name)
    except OSError:
        pytest.skip("this system makes no symbolic links")
    assert [u.emotion for u in from_folders(tmp_path / "root")] == ["happy", "happy"]


def test_folder_names_of_invalid_text_are_reported(tmp_path):
    try:
        touch(tmp_path, os.fsdecode(b"caf\xe9/1.wav"))
    except OSError:
        pytest.skip("this system has no such names")
    with pytest.raises(DatasetError) as caught:
        from_folders(tmp_path)
    assert "caf" in str(caught.value).encode("utf-8").decode()


def test_folders_round_trip_through_a_table(tmp_path, caplog):
    touch(tmp_path, "joy/1.wav", "sad/2.wav")
    utterances = from_folders(tmp_path)
    write_csv(utterances, tmp_path / "t.csv")
    caplog.clear()
    assert from_table(tmp_path / "t.csv") == utterances
    (warning,) = messages(caplog)
    assert "'mine/unknown'" in warning
