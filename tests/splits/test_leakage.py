"""Test the audit: changed copies are found, other recordings are not, and leaks raise."""

import io
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from emotionrecog import audio, datasets
from emotionrecog.audio import Waveform
from emotionrecog.datasets import Utterance, write_csv
from emotionrecog.errors import LeakageError
from emotionrecog.splits import fingerprints, leakage
from tests.splits.conftest import RATE, clip_at, record, voice


def kinds(report: leakage.LeakageReport) -> list[tuple[str, str, str]]:
    return [(pair.train.name, pair.test.name, pair.kind) for pair in report.pairs]


# Copies are found --------------------------------------------------------------------------------

# Changes to samples at 16 kHz before writing, and the format.
COPIES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], int, dict[str, object]]] = {
    "8 kHz": (lambda x: soxr.resample(x, RATE, 8000), 8000, {}),
    "44.1 kHz": (lambda x: soxr.resample(x, RATE, 44100), 44100, {}),
    "MP3": (lambda x: x, RATE, {"format": "MP3", "compression_level": 0.85}),
    "Opus": (lambda x: x, RATE, {"format": "OGG", "subtype": "OPUS", "compression_level": 0.96}),
    "Vorbis": (lambda x: x, RATE, {"format": "OGG", "subtype": "VORBIS"}),
    "quieter": (lambda x: x / 10, RATE, {}),
    "other sign": (lambda x: -x, RATE, {}),
    "stereo": (lambda x: np.stack([x, x / 2], axis=1), RATE, {}),
    "cut at both ends": (lambda x: x[4001:-5003], RATE, {}),
    "padded": (lambda x: np.pad(x, (8000, 8000)), RATE, {}),
    "noisy": (
        lambda x: x + 0.1 * x.std() * np.random.default_rng(9).standard_normal(len(x)),
        RATE,
        {},
    ),
    "cut, quieter, noisy, 8 kHz, MP3": (
        lambda x: soxr.resample(
            x[3001:] / 4 + 0.02 * x.std() * np.random.default_rng(9).standard_normal(len(x) - 3001),
            RATE,
            8000,
        ),
        8000,
        {"format": "MP3", "compression_level": 0.85},
    ),
}


@pytest.mark.parametrize("name", COPIES)
def test_only_the_copy_is_found(name: str, recordings: list[Utterance], tmp_path: Path) -> None:
    change, rate, options = COPIES[name]
    copied = record(tmp_path / "copy", change(voice(3)), rate, **{"format": "WAV", **options})
    report = leakage.audit(recordings, [clip_at(copied, "bob")], n_jobs=1)
    assert kinds(report) == [("3.wav", "copy", "sound")]
    (pair,) = report.pairs
    assert pair.similarity is not None
    assert fingerprints.SAME <= pair.similarity <= 1.0
    assert report.leaky
    assert report.speakers == ()


def test_other_recordings_are_not_found(recordings: list[Utterance], tmp_path: Path) -> None:
    """Recordings of the same voice, or with the same tune and syllables, are not copies."""
    other = [clip_at(record(tmp_path / f"{i}.wav", voice(50 + i)), "ann") for i in range(6)]
    report = leakage.audit(recordings, other, n_jobs=1)
    assert report.pairs == ()
    again = voice(3) + 0.0
    slower = soxr.resample(again, 100, 105).astype(np.float32)
    assert (
        kinds(leakage.audit(recordings, [clip_at(record(tmp_path / "s.wav", slower), "bob")])) == []
    )


def test_hum_is_ignored(tmp_path: Path) -> None:
    """All recordings of a room may share sound below 150 Hz."""
    hum = 0.5 * np.sin(2 * np.pi * 50 * np.arange(2 * RATE) / RATE).astype(np.float32)
    one, two = (fingerprints.fingerprint(Waveform(voice(i, 2.0) / 20 + hum, RATE)) for i in (1, 2))
    assert one.similarity(two) < 0.5
    alone = fingerprints.fingerprint(Waveform(hum, RATE))
    assert 0.0 <= alone.similarity(alone) <= 1.0


# Other pairs ------------------------------------------------------------------------------------


def test_kinds_of_pairs(tmp_path: Path) -> None:
    """Each pair has the most obvious kind that applies."""
    wav, flac = tmp_path / "a.wav", tmp_path / "a.flac"
    samples = np.round(32767 * voice(1)).astype(np.int16)
    record(wav, samples), record(flac, samples)
    again, named, other = (tmp_path / name for name in ("again.wav", "named.wav", "other.wav"))
    again.write_bytes(wav.read_bytes())
    record(named, voice(2)), record(other, voice(3))
    train = [clip_at(wav, "x", recording="r1")]
    test = [
        clip_at(path, "y", recording=name)
        for path, name in ((again, "r1"), (flac, None), (named, "r1"), (other, "r2"))
    ]
    report = leakage.audit(train, test, n_jobs=1)
    found = [("a.wav", "again.wav", "bytes"), ("a.wav", "a.flac", "samples")]
    assert kinds(report) == [*found, ("a.wav", "named.wav", "name")]
    assert [pair.similarity for pair in report.pairs] == [1.0, 1.0, None]
    assert report.counts == {"bytes": 1, "samples": 1, "name": 1, "sound": 0}
    without_audio = leakage.audit(train, test, compare_audio=False)
    assert kinds(without_audio) == [found[0], ("a.wav", "named.wav", "name")]
    assert not without_audio.compared_audio


def test_names_are_compared_within_a_corpus(tmp_path: Path) -> None:
    """Audio and video of RAVDESS share a name; names of other corpora are unrelated."""
    names = ("03-01-05-01-01-01-07.wav", "01-01-05-01-01-01-07.mp4")
    sound, video = (datasets.ravdess.parse(tmp_path / "Actor_07" / name) for name in names)
    assert isinstance(sound, Utterance)
    assert isinstance(video, Utterance)
    (pair,) = leakage.audit([sound], [video]).pairs
    assert (pair.kind, pair.similarity) == ("name", None)
    one = clip_at(tmp_path / "1.wav", "x", recording="r1")
    two = clip_at(tmp_path / "2.wav", "x", corpus="other", recording="r1")
    assert not leakage.audit([one], [two]).leaky


def test_speakers_and_sentences(tmp_path: Path) -> None:
    train = [
        clip_at(tmp_path / "1", "ann", sentence="s1"),
        clip_at(tmp_path / "2", "bob", sentence="s2"),
    ]
    test = [clip_at(tmp_path / "3", "bob", sentence="s1"), clip_at(tmp_path / "4", "cem")]
    report = leakage.audit(train, test, compare_audio=False)
    assert (report.speakers, report.sentences) == (("mine/bob",), ("mine/s1",))
    assert report.leaky
    other = clip_at(tmp_path / "5", "bob", corpus="other", sentence="s1")
    assert leakage.audit(train, [other], compare_audio=False).speakers == ()
    sentences_only = leakage.audit(train[:1], test[:1], compare_audio=False)
    assert sentences_only.sentences == ("mine/s1",)
    assert not sentences_only.leaky  # shared sentences alone are no leak
    assert "1 sentence in both (mine/s1)" in str(sentences_only)
    assert "no speaker and no recording is shared" in str(sentences_only)


def test_unknown_speakers_count_as_shared(tmp_path: Path) -> None:
    train, test = clip_at(tmp_path / "1", "unknown"), clip_at(tmp_path / "2", "unknown")
    report = leakage.audit([train], [test], compare_audio=False)
    assert report.leaky
    assert "the speakers of mine are unknown" in report.summary


def test_an_unreadable_shared_file_is_found(tmp_path: Path) -> None:
    missing = clip_at(tmp_path / "no.wav", "x")
    beside = replace(missing, path=tmp_path / "sub" / ".." / "no.wav", speaker="mine/y")
    report = leakage.audit([missing], [beside])
    assert [pair.kind for pair in report.pairs] == ["bytes"]
    assert set(report.unreadable) == {missing.path, beside.path}


def test_unreadable_files_are_listed(recordings: list[Utterance], tmp_path: Path) -> None:
    silent = clip_at(record(tmp_path / "silent.wav", np.zeros(RATE)), "bob")
    noise = tmp_path / "noise.wav"
    noise.write_bytes(b"RIFF but nothing else of it" * 9)
    gone = clip_at(tmp_path / "gone.wav", "bob")
    copied = clip_at(record(tmp_path / "copy.wav", voice(3) / 3), "bob")
    test = [silent, clip_at(noise, "bob"), gone, copied]
    report = leakage.audit(recordings, test, n_jobs=1)
    assert kinds(report) == [("3.wav", "copy.wav", "sound")]
    assert list(report.unreadable) == [silent.path, noise, gone.path]
    assert "silent" in report.unreadable[silent.path]
    assert "3 files could not be compared by sound" in str(report)
    # Bytes are compared even if a file cannot be decoded.
    again = tmp_path / "again.wav"
    again.write_bytes(noise.read_bytes())
    assert kinds(leakage.audit([clip_at(noise, "a")], [clip_at(again, "b")])) == [
        ("noise.wav", "again.wav", "bytes")
    ]


def test_files_too_short_to_compare_are_listed(tmp_path: Path) -> None:
    short = clip_at(record(tmp_path / "short.wav", voice(1, 0.4)), "ann")
    louder = clip_at(record(tmp_path / "louder.wav", 2 * voice(1, 0.4)), "bob")
    enough = clip_at(record(tmp_path / "enough.wav", voice(1, 0.5)), "cem")
    report = leakage.audit([short], [louder, enough], n_jobs=1)
    assert not report.leaky
    assert list(report.unreadable) == [short.path, louder.path]
    assert "shorter than 0.5 s" in report.unreadable[short.path]
    assert "no speaker and no recording is shared, as far as files could be" in str(report)
    # Equal samples in another container are still compared.
    flac = clip_at(record(tmp_path / "short.flac", soundfile.read(short.path)[0]), "bob")
    assert kinds(leakage.audit([short], [flac])) == [("short.wav", "short.flac", "samples")]
    assert str(leakage.audit([enough], [], n_jobs=1)).endswith("no recording is shared")


def test_each_file_of_a_group_of_copies_is_reported(tmp_path: Path) -> None:
    """Equal recordings are compared once, and all of their pairs are found."""
    paths = [tmp_path / f"{i}.wav" for i in range(4)]
    for path in paths[:2]:
        record(path, voice(1))
    for path in paths[2:]:
        record(path, voice(1)[1001:])
    report = leakage.audit(
        [clip_at(p, "a") for p in paths[:2]], [clip_at(p, "b") for p in paths[2:]]
    )
    expected = [(a, b, "sound") for a in ("0.wav", "1.wav") for b in ("2.wav", "3.wav")]
    assert kinds(report) == expected


@pytest.mark.parametrize("compare_audio", [True, False])
def test_empty_lists_share_nothing(compare_audio: bool, recordings: list[Utterance]) -> None:
    for train, test in (([], []), (recordings[:2], []), ([], recordings[:2])):
        report = leakage.audit(train, test, compare_audio=compare_audio)
        assert not report.leaky
        assert report.summary == ""
        assert (report.n_train, report.n_test) == (len(train), len(test))


def test_order_does_not_matter(recordings: list[Utterance], tmp_path: Path) -> None:
    copies = [clip_at(record(tmp_path / f"c{i}.wav", voice(i)[900:] / 2), "bob") for i in range(6)]
    expected = {(f"{i}.wav", f"c{i}.wav", "sound") for i in range(6)}
    random.Random(0).shuffle(copies)
    for n_jobs in (1, 2):
        assert set(kinds(leakage.audit(recordings, copies, n_jobs=n_jobs))) == expected
    backwards = {(b, a, kind) for a, b, kind in kinds(leakage.audit(copies, recordings))}
    assert backwards == expected


# Text and JSON ----------------------------------------------------------------------------------


def test_report_as_text_and_json(recordings: list[Utterance], tmp_path: Path) -> None:
    test = [clip_at(record(tmp_path / "copy.wav", voice(3) / 2), "ann")]
    report = leakage.audit(recordings, test)
    text = str(report)
    assert text.startswith(
        "6 training recordings and 1 test recording, compared by names, bytes and"
    )
    assert "LEAKY: training and test share 1 speaker (mine/ann)" in text
    assert "1 of 1 test recordings are in training as well (1 pair: 1 the same sound" in text
    assert f"  {recordings[3].path} = {test[0].path} (the same sound, changed, correlation" in text
    values = json.loads(json.dumps(report.to_dict()))
    assert values["leaky"] is True
    assert values["speakers"] == ["mine/ann"]
    assert values["counts"] == {"bytes": 0, "samples": 0, "name": 0, "sound": 1}
    (pair,) = values["pairs"]
    assert (pair["train"], pair["test"]) == (str(recordings[3].path), str(test[0].path))
    assert pair["similarity"] == report.pairs[0].similarity


def test_only_the_text_shortens_long_lists(tmp_path: Path) -> None:
    utterances = [clip_at(tmp_path / f"{i}.wav", str(i)) for i in range(14)]
    report = leakage.audit(utterances, utterances, compare_audio=False)
    assert "share 14 speakers (mine/0, mine/1, mine/10 and 11 more)" in report.summary
    four = leakage.audit(utterances[:4], utterances[:4], compare_audio=False).summary
    assert "(mine/0, mine/1, mine/2, mine/3)" in four
    assert "could not be compared by bytes" in str(report)
    assert str(report).count(" = ") == 10
    assert "and 4 more pairs" in str(report)
    assert len(report.to_dict()["pairs"]) == 14


def test_leaks_raise_unless_allowed(recordings: list[Utterance]) -> None:
    with pytest.raises(LeakageError, match=r"share 1 speaker \(mine/ann\).*6 of 6 test recordings"):
        leakage.raise_if_leaky(recordings, recordings, compare_audio=False)
    message = leakage.raise_if_leaky(
        recordings, recordings, compare_audio=False, allow_leakage=True
    )
    assert message is not None
    assert message.startswith("training and test share 1 speaker (mine/ann)")
    apart = [replace(u, speaker="mine/bob") for u in recordings[3:]]
    assert leakage.raise_if_leaky(recordings[:3], apart, allow_leakage=True) is None


def test_command(
    recordings: list[Utterance], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from emotionrecog import cli

    copied = clip_at(record(tmp_path / "copy.wav", voice(3) / 2), "bob")
    train, test = str(tmp_path / "train.csv"), str(tmp_path / "test.csv")
    write_csv(recordings, train)
    write_csv([copied], test)
    assert cli.main(["corpus", "audit", train, test, "--format", "json", "--jobs", "1"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["counts"]["sound"] == 1
    assert cli.main(["corpus", "audit", train, test, "--no-audio"]) == 0
    assert "compared by names and bytes\nno speaker and no recording" in capsys.readouterr().out
    assert cli.main(["corpus", "audit", train, str(tmp_path / "no.csv")]) == 2
    assert "no.csv" in capsys.readouterr().err


def test_command_takes_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from emotionrecog import cli

    for folder, name in (("a", "1001_IEO_ANG_HI"), ("b", "1001_TIE_SAD_XX"), ("c", "dc_a99")):
        (tmp_path / folder).mkdir()
        record(tmp_path / folder / f"{name}.wav", voice(len(folder)))
    record(tmp_path / "b" / "holiday.wav", voice(5))
    a, b, c = (str(tmp_path / folder) for folder in "abc")
    assert cli.main(["corpus", "audit", a, b, "--no-audio"]) == 1
    answer = capsys.readouterr()
    assert "share 1 speaker (crema_d/1001)" in answer.out
    assert "left out 1 file (not of a known corpus)" in answer.err
    assert "copies" not in answer.err
    record(tmp_path / "b" / "1001_TIE_SAD_XX.flac", voice(1))
    record(tmp_path / "b" / "02-01-05-01-01-01-07.mp4", voice(1), format="WAV")
    cli.main(["corpus", "audit", a, b, "--no-audio"])
    answer = capsys.readouterr()
    assert "left out 1 file (copies of others), such as" in answer.err
    assert "left out 1 file (without sound), such as" in answer.err
    assert cli.main(["corpus", "audit", a, c]) == 2
    assert "no recording of a known corpus" in capsys.readouterr().err


# On real recordings ------------------------------------------------------------------------------


def coded(samples: np.ndarray, rate: int = RATE, **options: object) -> fingerprints.Fingerprint:
    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), rate, **options)
    return fingerprints.fingerprint(audio.load(file.getvalue()))


@pytest.fixture(scope="module")
def real(corpora_root: Path) -> list[Utterance]:
    """Return recordings of one speaker of each corpus, which are the most similar ones."""
    speakers = ("ravdess/05", "crema_d/1005", "savee/JE", "tess/YAF")
    utterances = [u for u in datasets.read(corpora_root) if u.speaker in speakers]
    rng = random.Random(0)
    return [
        utterance
        for speaker in speakers
        for utterance in rng.sample([u for u in utterances if u.speaker == speaker], 50)
    ]


@pytest.mark.corpora
def test_copies_of_real_recordings_are_found(real: list[Utterance]) -> None:
    waveforms = [audio.load(u.path, sampling_rate=RATE) for u in real]
    train = [fingerprints.fingerprint(waveform) for waveform in waveforms]
    rng = np.random.default_rng(0)
    changes: dict[str, Callable[[np.ndarray], fingerprints.Fingerprint]] = {
        "8 kHz": lambda x: coded(soxr.resample(x, RATE, 8000), 8000, format="WAV"),
        "MP3": lambda x: coded(x, format="MP3", compression_level=0.85),
        "Opus": lambda x: coded(x, format="OGG", subtype="OPUS", compression_level=0.96),
        "cut": lambda x: coded(
            x[rng.integers(1600, 8000) : -rng.integers(1600, 8000)], format="WAV"
        ),
        "noise": lambda x: coded(x + 0.1 * x.std() * rng.standard_normal(len(x)), format="WAV"),
    }
    positions = range(0, len(real), 5)
    for name, change in changes.items():
        test = [change(waveforms[i].samples) for i in positions]
        found = {
            (one, positions[two])
            for one, two, offset in fingerprints.candidates(train, test)
            if train[one].similarity(test[two], offset) >= fingerprints.SAME
        }
        assert {pair for pair in found if pair[0] != pair[1]} == set(), name
        assert len(found) >= 0.97 * len(positions), name


@pytest.mark.corpora
def test_different_real_recordings_are_not_pairs(real: list[Utterance]) -> None:
    report = leakage.audit(real[::2], real[1::2])
    assert report.pairs == ()
    assert report.unreadable == {}


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("1006_TIE_HAP_XX", "1006_TIE_NEU_XX"),
        ("1013_WSI_DIS_XX", "1013_WSI_SAD_XX"),
        ("1017_IWW_ANG_XX", "1017_IWW_FEA_XX"),
        ("03-01-03-01-02-01-07", "03-01-03-01-02-02-07"),
    ],
)
def test_duplicates_of_the_owners_are_found(first: str, second: str, corpora_root: Path) -> None:
    (one,), (two,) = (sorted(corpora_root.rglob(f"{name}.*")) for name in (first, second))
    report = leakage.audit([clip_at(one, "x")], [clip_at(two, "y")])
    assert [pair.kind in ("bytes", "samples") for pair in report.pairs] == [True]
