"""Recordings in, waveforms out: every form a recording comes in, and every way it can be wrong."""

import io
import os
import pickle
import re
import shutil
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from emotionrecog.audio import (
    FFMPEG_FORMATS,
    MAX_CHANNELS,
    MAX_SAMPLING_RATE,
    MIN_SAMPLING_RATE,
    Waveform,
    load,
)
from emotionrecog.errors import AudioError
from tests.conftest import tone

RATE = 16000
needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="the ffmpeg program is not on the PATH"
)


TONE = tone()


def encoded(samples: np.ndarray, rate: int = RATE, kind: str = "WAV", subtype=None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def wav(samples: np.ndarray = TONE, riff_size: int | None = None, data_size: int | None = None):
    """A 16-bit WAV file whose declared sizes can be falsified."""
    content = bytearray(encoded(samples, subtype="PCM_16"))
    if riff_size is not None:
        struct.pack_into("<I", content, 4, riff_size)
    if data_size is not None:
        struct.pack_into("<I", content, content.index(b"data") + 4, data_size)
    return bytes(content)


def frequency(waveform: Waveform) -> float:
    """The strongest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(waveform.samples * np.hanning(len(waveform.samples))))
    return float(np.argmax(spectrum) * waveform.sampling_rate / len(waveform.samples))


def ffmpeg(*arguments: object) -> bytes:
    program = shutil.which("ffmpeg")
    assert program is not None
    return subprocess.run(
        [program, "-nostdin", "-v", "error", "-y", *map(str, arguments)],
        check=True,
        capture_output=True,
    ).stdout


# --- Waveform -----------------------------------------------------------------------------------


def test_waveform_knows_its_duration():
    waveform = Waveform(tone(seconds=0.25), RATE)
    assert waveform.duration == 0.25
    assert repr(waveform) == "Waveform(0.250 s at 16000 Hz)"


def test_waveform_is_frozen_and_survives_pickling():
    waveform = load((tone(), RATE))
    with pytest.raises(AttributeError):
        waveform.sampling_rate = 8000
    copy = pickle.loads(pickle.dumps(waveform))
    np.testing.assert_array_equal(copy.samples, waveform.samples)
    assert copy.sampling_rate == RATE


@pytest.mark.parametrize(
    ("samples", "found"),
    [
        (tone().astype(np.float64), "got float64 of shape"),
        (tone().reshape(2, -1), "got float32 of shape (2, 4000)"),
        ([0.0, 0.1], "got list"),
        (np.empty(0, np.float32), "got 0 samples"),
    ],
)
def test_waveform_refuses_what_is_no_waveform(samples, found):
    with pytest.raises(AudioError, match=re.escape(found)):
        Waveform(samples, RATE)


def test_waveform_makes_the_rate_an_int():
    rate = Waveform(tone(), np.int64(RATE)).sampling_rate
    assert type(rate) is int
    assert rate == RATE


# --- files that libsndfile reads ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "subtype", "tolerance"),
    [
        ("WAV", "PCM_U8", 0.01),
        ("WAV", "PCM_16", 1e-4),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "PCM_32", 1e-6),
        ("WAV", "FLOAT", 0),
        ("WAV", "DOUBLE", 0),
        ("WAV", "ULAW", 0.02),
        ("FLAC", "PCM_16", 1e-4),
        ("AIFF", "PCM_16", 1e-4),
        ("AU", "PCM_16", 1e-4),
        ("W64", "PCM_16", 1e-4),
        ("RF64", "PCM_16", 1e-4),
        ("CAF", "PCM_16", 1e-4),
        ("OGG", "VORBIS", 0.1),
        ("OGG", "OPUS", 0.1),
    ],
)
def test_formats_of_libsndfile(tmp_path, kind, subtype, tolerance):
    path = tmp_path / f"clip.{kind.lower()}"
    path.write_bytes(encoded(tone(), kind=kind, subtype=subtype))
    waveform = load(path)
    assert waveform.sampling_rate == RATE
    assert waveform.samples.dtype == np.float32
    assert waveform.samples.shape == (8000,)
    # Lossy codecs ring where the tone begins and ends.
    inner = slice(None) if tolerance < 0.1 else slice(500, -500)
    np.testing.assert_allclose(waveform.samples[inner], tone()[inner], atol=tolerance, rtol=0)


def test_mp3(tmp_path):
    # The encoder delays the tone and pads its end, so only its pitch and rough length remain.
    path = tmp_path / "clip.mp3"
    path.write_bytes(encoded(tone(), kind="MP3", subtype="MPEG_LAYER_III"))
    waveform = load(path)
    assert waveform.duration == pytest.approx(0.5, abs=0.06)
    assert frequency(waveform) == pytest.approx(440, abs=4)


def test_every_way_to_hand_over_a_file_gives_the_same(tmp_path):
    content = wav()
    path = tmp_path / "a clip – with spaces.wav"
    path.write_bytes(content)
    expected = load(path)
    with path.open("rb") as file:
        np.testing.assert_array_equal(load(file).samples, expected.samples)
        assert not file.closed
    for source in (
        str(path),
        content,
        bytearray(content),
        memoryview(content),
        io.BytesIO(content),
    ):
        waveform = load(source)
        np.testing.assert_array_equal(waveform.samples, expected.samples)
        assert waveform.sampling_rate == expected.sampling_rate


def test_a_binary_file_is_read_from_its_current_position():
    file = io.BytesIO(b"a header of someone else's" + wav())
    file.seek(len(b"a header of someone else's"))
    assert load(file).duration == 0.5
    with pytest.raises(AudioError, match=r"the given file: empty from its current position.*seek"):
        load(file)


def test_a_relative_path_and_a_renamed_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("-clip.flac").write_bytes(wav())
    assert load("-clip.flac").duration == 0.5


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe(tmp_path):
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(wav(),))
    writer.start()
    assert load(pipe).duration == 0.5
    writer.join()


def test_more_than_one_block_is_read_whole(monkeypatch):
    monkeypatch.setattr("emotionrecog.audio.BLOCK_LENGTH", 1000)
    samples = tone(seconds=0.5)
    assert len(samples) % 1000 == 0
    np.testing.assert_array_equal(load(encoded(samples, subtype="FLOAT")).samples, samples)
    np.testing.assert_array_equal(
        load(encoded(samples[:7900], subtype="FLOAT")).samples, samples[:7900]
    )


# --- files that are wrong -----------------------------------------------------------------------


def test_missing_path(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such audio file.*absent\.wav") as caught:
        load(tmp_path / "absent.wav")
    assert caught.value.filename == str(tmp_path / "absent.wav")


def test_folder(tmp_path):
    with pytest.raises(AudioError, match=r"got a folder.*predict_batch") as caught:
        load(tmp_path)
    assert repr(str(tmp_path)) in str(caught.value)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read every file")
def test_unreadable_file(tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(wav())
    path.chmod(0)
    with pytest.raises(PermissionError, match="clip"):
        load(path)


CONSTANT = np.full(8000, 0.25, np.float32)
NOT_A_NUMBER = np.where(np.arange(8000) == 5, np.float32(np.nan), tone())
FLAC = encoded(tone(), kind="FLAC")
OPUS = encoded(tone(), kind="OGG", subtype="OPUS")

WRONG_FILES = {
    "0 bytes": (b"", "empty, 0 bytes"),
    "text": (b"to be or not to be, that is the question\n" * 50, "cannot be decoded as audio"),
    "noise": (bytes(range(256)) * 20, "cannot be decoded as audio"),
    "the beginning of a FLAC": (FLAC[:20], "cannot be decoded as audio"),
    "one byte": (b"R", "cannot be decoded as audio"),
    "header without samples": (wav(tone()[:0]), "no samples"),
    "header alone": (wav()[:44], "no samples"),
    "zeros": (wav(tone() * 0), "silent: all 8000 samples"),
    "constant": (wav(CONSTANT), "silent: all 8000 samples"),
    "NaN": (encoded(NOT_A_NUMBER, subtype="FLOAT"), "1 of 8000 samples are NaN or infinite"),
    "inverted": (wav(np.stack([tone(), -tone()], axis=1)), "channels cancel out"),
    "half a WAV": (wav()[: len(wav()) // 2], r"truncated: .* 0\.50 s .* 0\.25 s are there"),
    "half a FLAC": (FLAC[: len(FLAC) // 2], "damaged or truncated"),
    "half an Opus": (OPUS[: len(OPUS) // 2], "damaged or truncated"),
    "1000 Hz": (encoded(tone(), rate=1000), "sampling rate must be .* got 1000"),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_wrong_files_say_so_and_are_named(tmp_path, case):
    content, message = WRONG_FILES[case]
    path = tmp_path / "clip.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=message) as caught:
        load(path)
    assert str(caught.value).startswith(f"{str(path)!r}: ")
    with pytest.raises(AudioError, match=message) as caught:
        load(content)
    assert str(caught.value).startswith("the given bytes: ")


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "AU", "W64", "RF64", "CAF", "FLAC", "OGG", "MP3"])
def test_a_file_that_breaks_off_is_refused(kind):
    content = encoded(tone(seconds=2), kind=kind)
    assert load(content).duration == pytest.approx(2, abs=0.06)
    with pytest.raises(AudioError, match="truncated"):
        load(content[: len(content) * 2 // 3])


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_of_many_pages_that_breaks_off_is_refused(subtype):
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", RATE, 1, format="OGG", subtype=subtype) as sound:
        for _ in range(8):
            sound.write(np.random.default_rng(0).uniform(-0.1, 0.1, RATE))
    content = file.getvalue()
    assert load(content).duration == pytest.approx(8, abs=0.01)
    last_page = content.rindex(b"OggS")
    for end in (len(content) // 2, last_page + 5, last_page + 26, len(content) - 1):
        with pytest.raises(AudioError, match="truncated: it ends within an Ogg page"):
            load(content[:end])
    # A stream that was stopped between two pages is whole as far as it goes.
    assert 4 < load(content[:last_page]).duration < 8


def test_a_file_short_of_a_few_samples_is_no_truncated_one():
    assert len(load(wav()[:-100]).samples) == 8000 - 50


def test_what_follows_the_samples_is_not_heard():
    content = wav() + b"LIST" + struct.pack("<I", 400) + bytes(400)
    assert load(content).duration == 0.5


@pytest.mark.parametrize(
    ("riff_size", "data_size"),
    [(0xFFFFFFFF, 0xFFFFFFFF), (0x7FFFF024, 0x7FFFF000), (0, 0), (8, 0), (36, 0), (0xFFFFFFFF, 0)],
)
def test_wav_from_a_pipe(riff_size, data_size):
    # What cannot seek back leaves a mark for the sizes that it could not know.
    waveform = load(wav(riff_size=riff_size, data_size=data_size))
    np.testing.assert_allclose(waveform.samples, tone(), atol=1e-4)


def test_chunks_after_no_samples_are_not_taken_for_samples():
    chunk = b"LIST" + struct.pack("<I", 400) + bytes(range(200)) * 2
    content = bytearray(wav(tone()[:0]) + chunk)
    struct.pack_into("<I", content, 4, len(content) - 8)
    with pytest.raises(AudioError, match="no samples"):
        load(bytes(content))


def test_raw_samples_need_a_rate(tmp_path):
    path = tmp_path / "clip.raw"
    path.write_bytes(wav()[44:])
    with pytest.raises(AudioError, match=r"without a header.*numpy\.fromfile"):
        load(path)


def test_a_file_opened_as_text(tmp_path):
    path = tmp_path / "clip.txt"
    path.write_text("la la la", encoding="utf-8")
    with (
        path.open(encoding="utf-8") as file,
        pytest.raises(AudioError, match=r"open it with open\(\.\.\., 'rb'\)"),
    ):
        load(file)


@pytest.mark.parametrize("source", [None, 3, tone(), [tone(), RATE]])
def test_what_is_no_recording(source):
    with pytest.raises(AudioError, match=rf"got {type(source).__name__}"):
        load(source)


@settings(derandomize=True, deadline=None)  # some of it starts ffmpeg
@given(st.binary(max_size=300), st.sampled_from([b"", wav()[:60], FLAC[:60], OPUS[:200]]))
def test_damaged_content_never_fails_otherwise(garbage, beginning):
    try:
        waveform = load(beginning + garbage)
    except AudioError:
        return
    assert np.isfinite(waveform.samples).all()


# --- files that ffmpeg reads --------------------------------------------------------------------


@pytest.fixture(scope="module")
def containers(tmp_path_factory) -> Path:
    """Half a second of 440 Hz at 44100 Hz, in stereo, as phones and browsers save it."""
    folder = tmp_path_factory.mktemp("containers")
    source = folder / "tone.wav"
    stereo = np.stack([tone(rate=44100), tone(rate=44100) / 2], axis=1)
    soundfile.write(source, stereo, 44100)
    outputs: list[object] = []
    for suffix in ("m4a", "mov", "mkv", "aac", "wma"):
        outputs += ["-map", "0:a", folder / f"clip.{suffix}"]
    picture = ["-f", "lavfi", "-i", "color=size=32x32:rate=5:duration=0.5"]
    outputs += ["-map", "0:a", "-map", "1:v", "-c:v", "mpeg4", folder / "clip.mp4"]
    outputs += ["-map", "1:v", "-c:v", "mpeg4", folder / "mute.mp4"]
    ffmpeg("-i", source, *picture, *outputs)
    return folder


@needs_ffmpeg
@pytest.mark.parametrize("suffix", ["m4a", "mov", "mp4", "mkv", "aac", "wma"])
def test_formats_of_ffmpeg(containers, suffix):
    path = containers / f"clip.{suffix}"
    waveform = load(path)
    assert waveform.sampling_rate == 44100
    assert waveform.duration == pytest.approx(0.5, abs=0.08)
    assert frequency(waveform) == pytest.approx(440, abs=4)
    inner = waveform.samples[6000:-6000]  # the codecs ring at the edges
    assert np.sqrt(2 * np.mean(inner**2)) == pytest.approx(0.375, rel=0.05)  # of 0.5 and 0.25
    np.testing.assert_array_equal(load(path.read_bytes()).samples, waveform.samples)


@needs_ffmpeg
@pytest.mark.parametrize("name", ["-i.m4a", "http:clip.m4a", "a b'c$(d).m4a", "plain.wav"])
def test_no_file_name_is_taken_for_an_option_or_an_address(containers, tmp_path, monkeypatch, name):
    if os.name == "nt" and ":" in name:
        pytest.skip("Windows has no file names with a colon")
    monkeypatch.chdir(tmp_path)
    shutil.copy(containers / "clip.m4a", Path(name))
    assert load(name, sampling_rate=RATE).duration == pytest.approx(0.5, abs=0.08)


@needs_ffmpeg
@pytest.mark.parametrize("suffix", ["m4a", "mkv", "aac"])
def test_a_container_that_breaks_off_is_refused(containers, suffix):
    content = (containers / f"clip.{suffix}").read_bytes()
    for part in (0.5, 0.9):
        with pytest.raises(AudioError, match=r"the given bytes: .* ffmpeg cannot decode") as caught:
            load(content[: round(len(content) * part)])
        assert "truncated" in str(caught.value)


@needs_ffmpeg
def test_matroska_from_a_pipe(containers):
    # As browsers record: the length of the file is not in its header.
    content = ffmpeg("-i", containers / "tone.wav", "-c:a", "pcm_s16le", "-f", "matroska", "-")
    np.testing.assert_allclose(load(content).samples, 0.75 * tone(rate=44100), atol=1e-4)


@needs_ffmpeg
def test_a_mute_video_is_refused(containers):
    with pytest.raises(AudioError, match=r"mute\.mp4.*without an audio track"):
        load(containers / "mute.mp4")


@needs_ffmpeg
def test_flac_from_a_pipe(tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(wav())
    content = ffmpeg("-i", path, "-f", "flac", "-")
    np.testing.assert_allclose(load(content).samples, tone(), atol=1e-4)


@needs_ffmpeg
@pytest.mark.parametrize("loud_first", [True, False])
def test_mp3_of_variable_bit_rate_without_a_length(tmp_path, loud_first):
    # Taken from its first frame alone, the length would be guessed several times too long or short.
    noise = 0.3 * np.random.default_rng(0).standard_normal(48000).astype(np.float32)
    noise[: len(noise) // 2] *= 1 if loud_first else 1e-4
    noise[len(noise) // 2 :] *= 1e-4 if loud_first else 1
    path = tmp_path / "clip.wav"
    soundfile.write(path, noise, 24000)
    untagged = ["-write_xing", "0", "-id3v2_version", "0"]
    content = ffmpeg("-i", path, "-q:a", "4", *untagged, "-f", "mp3", "-")
    assert load(content).duration == pytest.approx(2, abs=0.15)


def test_without_ffmpeg_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "note.m4a"
    path.write_bytes(b"\0\0\0\x1cftypM4A \0\0\2\0")
    with pytest.raises(AudioError, match=r"note\.m4a.*m4a.*needs the ffmpeg program.*install"):
        load(path)


def test_every_magic_is_within_what_is_looked_at():
    assert all(offset + len(magic) <= 26 for offset, magic, _, _ in FFMPEG_FORMATS)


@needs_ffmpeg
@pytest.mark.parametrize("disguise", ["", "AVI "])
def test_a_playlist_is_not_opened(containers, tmp_path, disguise):
    # Left to itself, ffmpeg opens the files and addresses that a playlist names.
    shutil.copy(containers / "clip.aac", tmp_path / "secret.aac")
    playlist = tmp_path / "clip.m4a"
    text = f"#EXTM3U\n{disguise}\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.aac\n#EXT-X-ENDLIST\n"
    playlist.write_bytes(text.encode())
    with pytest.raises(AudioError, match=r"cannot be decoded as audio|ffmpeg cannot decode"):
        load(playlist)


# --- samples in memory --------------------------------------------------------------------------


def test_floats_are_taken_as_they_are():
    loud = 3 * tone()
    np.testing.assert_array_equal(load((loud, RATE)).samples, loud)
    np.testing.assert_array_equal(load((loud.astype(np.float64), RATE)).samples, loud)
    half = tone().astype(np.float16)
    np.testing.assert_array_equal(load((half, RATE)).samples, half.astype(np.float32))


@pytest.mark.parametrize(
    ("dtype", "lowest", "middle", "highest"),
    [
        (np.int8, -128, 0, 127),
        (np.uint8, 0, 128, 255),
        (np.int16, -32768, 0, 32767),
        (np.uint16, 0, 32768, 65535),
        (np.int32, -(2**31), 0, 2**31 - 1),
        (np.uint32, 0, 2**31, 2**32 - 1),
    ],
)
def test_integers_are_scaled_by_their_full_scale(dtype, lowest, middle, highest):
    samples = np.array([lowest, middle, highest], dtype=dtype)
    scaled = load((samples, RATE)).samples
    full_scale = 2.0 ** (8 * samples.itemsize - 1)
    np.testing.assert_allclose(scaled, [-1, 0, 1 - 1 / full_scale], rtol=1e-7, atol=0)


@settings(deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32]),
        st.integers(2, 50),
    ).filter(lambda samples: int(samples.max()) - int(samples.min()) > 1e-5 * 2**31)
    | hnp.arrays(np.int16, st.integers(2, 50)).filter(lambda samples: np.ptp(samples) > 0)
)
def test_scaling_keeps_order_and_bounds(samples):
    scaled = load((samples, RATE)).samples
    assert np.all(np.abs(scaled) <= 1)
    order = np.argsort(samples, kind="stable")
    assert np.all(np.diff(scaled[order]) >= 0)


def test_integers_agree_with_libsndfile():
    for dtype, subtype in ((np.int16, "PCM_16"), (np.int32, "PCM_32")):
        samples = (tone() * np.iinfo(dtype).max).astype(dtype)
        content = encoded(samples, subtype=subtype)
        np.testing.assert_array_equal(load((samples, RATE)).samples, load(content).samples)


@pytest.mark.parametrize("change", ["byte order", "strides", "read-only", "list"])
def test_unusual_arrays_load_alike(change):
    samples = tone().astype(np.float64)
    unusual = {
        "byte order": samples.astype(samples.dtype.newbyteorder()),
        "strides": np.repeat(samples, 3)[::3],
        "read-only": samples.copy(),
        "list": samples.tolist(),
    }[change]
    if change == "read-only":
        unusual.flags.writeable = False
    np.testing.assert_array_equal(load((unusual, RATE)).samples, tone())


def test_the_array_of_the_caller_is_left_alone():
    samples = tone()
    waveform = load((samples, RATE))
    assert not np.shares_memory(waveform.samples, samples)
    assert samples.flags.writeable
    np.testing.assert_array_equal(samples, tone())
    assert not waveform.samples.flags.writeable


def test_a_waveform_of_the_wanted_rate_is_itself():
    waveform = Waveform(tone(), RATE)
    assert load(waveform) is waveform
    assert load(waveform, sampling_rate=RATE) is waveform
    assert waveform.samples.flags.writeable
    assert load(waveform, sampling_rate=8000).samples.shape == (4000,)
    with pytest.raises(AudioError, match="the given Waveform: silent"):
        load(Waveform(CONSTANT, RATE))


@settings(deadline=None)
@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(20, 60), st.integers(1, 8)),
        elements=st.floats(-1, 1, width=32),
    ).filter(lambda frames: np.ptp(frames.mean(axis=1)) > 1e-3)
)
def test_the_order_of_the_axes_does_not_matter(frames):
    waveform = load((frames, RATE))
    assert waveform.samples.shape == (len(frames),)
    np.testing.assert_allclose(waveform.samples, frames.mean(axis=1), atol=1e-6)
    np.testing.assert_array_equal(load((frames.T, RATE)).samples, waveform.samples)


def test_channels_of_a_file_are_averaged():
    frames = np.stack([tone(), 0.5 * tone(), np.zeros(8000, np.float32)], axis=1)
    waveform = load(encoded(frames, subtype="FLOAT"))
    np.testing.assert_allclose(waveform.samples, 0.5 * tone(), atol=1e-6)
    # Two frames of three channels: a file says which axis is which.
    assert load(encoded(frames[5:7], subtype="FLOAT")).samples.shape == (2,)


WRONG_SAMPLES = {
    "square": (np.ones((16, 16)), "cannot tell channels from samples in shape (16, 16)"),
    "two long axes": (np.ones((MAX_CHANNELS + 1, 500)), "cannot tell channels from samples"),
    "three axes": (np.ones((1, 2, 500)), "got (1, 2, 500); pass one recording at a time"),
    "no axis": (np.float32(0.5), "got ()"),
    "empty": (np.empty(0), "no samples"),
    "empty stereo": (np.empty((2, 0)), "no samples"),
    "booleans": (tone() > 0, "got bool"),
    "complex": (tone().astype(np.complex64), "got complex64"),
    "objects": (np.array([None, 1.0]), "got object"),
    "text": (np.array(["a", "b"]), "got <U1"),
    "64-bit integers": (np.arange(50), "got int64; 64-bit integers have no customary full scale"),
    "ragged": ([[0.1, 0.2], [0.3]], "not a rectangular array"),
    "NaN": (NOT_A_NUMBER, "1 of 8000 samples are NaN or infinite"),
    "infinite": (np.array([0.0, np.inf, -np.inf]), "2 of 3 samples are NaN or infinite"),
    "infinite in stereo": (np.array([[0.0, np.inf, 1], [0, -np.inf, 1]]), "1 of 3 samples"),
    "too large for float32": (np.array([0.0, 1e300]), "1 of 2 samples are NaN or infinite"),
    "zeros": (np.zeros(100), "silent"),
    "zeros after a lossy codec": (tone() * np.float32(1e-34), "silent"),
    "just silent": (tone() * 1e-6, "silent"),
    "constant": (CONSTANT, "silent"),
    "one sample": (np.array([0.5]), "silent"),
    "inverted channels": (np.stack([tone(), -tone()]), "channels cancel out"),
}


@pytest.mark.parametrize("case", WRONG_SAMPLES)
def test_wrong_samples(case):
    samples, message = WRONG_SAMPLES[case]
    with pytest.raises(AudioError, match="the given samples: .*" + re.escape(message)):
        load((samples, RATE))


def test_what_is_faint_is_not_silent():
    assert load((tone() * 1e-5, RATE)).duration == 0.5


@pytest.mark.parametrize(
    "rate",
    [0, -RATE, MIN_SAMPLING_RATE - 1, MAX_SAMPLING_RATE + 1, 16000.5, np.nan, np.inf, "16000",
     None, True],
)  # fmt: skip
def test_wrong_rates(rate):
    with pytest.raises(AudioError, match=f"sampling rate must be .* got {re.escape(repr(rate))}"):
        load((tone(), rate))
    if rate is not None:
        with pytest.raises(ValueError, match="`sampling_rate` must be") as caught:
            load((tone(), RATE), sampling_rate=rate)
        assert not isinstance(caught.value, AudioError)


@pytest.mark.parametrize("rate", [MIN_SAMPLING_RATE, MAX_SAMPLING_RATE, 16000.0, np.int32(16000)])
def test_right_rates(rate):
    found = load((tone(), rate)).sampling_rate
    assert type(found) is int
    assert found == rate


@pytest.mark.parametrize("pair", [(RATE, tone()), (tone(),), (tone(), RATE, "left"), ()])
def test_a_tuple_is_samples_and_rate(pair):
    with pytest.raises(AudioError, match=r"must be \(samples, sampling_rate\), in this order"):
        load(pair)


# --- resampling ---------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.sampled_from([8000, 11025, 16000, 22050, 24414, 44100, 48000, 96000]),
    st.sampled_from([8000, 16000, 22050, 48000]),
    st.floats(0.2, 0.5),
    st.floats(200, 3000),
)
def test_resampling_keeps_duration_pitch_and_level(rate, wanted, duration, pitch):
    samples = tone(pitch, duration, rate)
    waveform = load((samples, rate), sampling_rate=wanted)
    assert waveform.sampling_rate == wanted
    assert len(waveform.samples) == pytest.approx(len(samples) * wanted / rate, abs=1)
    expected = tone(pitch, duration, wanted)
    n_edge = wanted // 20  # the filter rings where the tone begins and ends
    middle = slice(n_edge, min(len(expected), len(waveform.samples)) - n_edge)
    np.testing.assert_allclose(waveform.samples[middle], expected[middle], atol=2e-3)


def test_resampling_removes_what_the_new_rate_cannot_hold():
    mixed = tone(440, rate=48000) + tone(15000, rate=48000)
    waveform = load((mixed, 48000), sampling_rate=RATE)
    np.testing.assert_allclose(waveform.samples[500:-500], tone()[500:-500], atol=2e-3)


def test_a_sample_that_does_not_survive_resampling():
    with pytest.raises(AudioError, match="no samples are left of 2"):
        load((np.array([0.5, -0.5]), 384000), sampling_rate=8000)


# --- weight -------------------------------------------------------------------------------------


def test_importing_is_light():
    code = (
        "import sys; from emotionrecog.audio import load; import numpy;"
        "load((numpy.sin(numpy.arange(9000)), 16000));"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "numpy" in shown
    assert not {"librosa", "numba", "scipy", "soundfile", "soxr", "tensorflow"} & set(shown)


@pytest.mark.corpora
def test_a_silent_clip_of_a_corpus_is_refused(corpora_root):
    with pytest.raises(AudioError, match=r"1076_MTI_SAD_XX.*silent"):
        load(next((corpora_root / "crema_d").glob("1076_MTI_SAD_XX.*")))
