"""Files that libsndfile and ffmpeg decode: every way to pass them, and every error."""

import io
import os
import shutil
import struct
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from emotionrecog.audio import Waveform, load
from emotionrecog.audio.decoding import FFMPEG_FORMATS
from emotionrecog.errors import AudioError
from tests.audio.conftest import CONSTANT, NOT_A_NUMBER, RATE, encoded
from tests.conftest import tone

needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="the ffmpeg program is not on the PATH"
)
TONE = tone()


def wav(samples: np.ndarray = TONE, riff_size: int | None = None, data_size: int | None = None):
    """Return a 16-bit WAV file whose declared sizes can be falsified."""
    content = bytearray(encoded(samples, subtype="PCM_16"))
    if riff_size is not None:
        struct.pack_into("<I", content, 4, riff_size)
    if data_size is not None:
        struct.pack_into("<I", content, content.index(b"data") + 4, data_size)
    return bytes(content)


def frequency(waveform: Waveform) -> float:
    """Return the strongest frequency, in Hz."""
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


def test_path_bytes_and_file_give_equal_samples(tmp_path):
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


def test_binary_file_is_read_from_its_current_position():
    file = io.BytesIO(b"a header of someone else's" + wav())
    file.seek(len(b"a header of someone else's"))
    assert load(file).duration == 0.5
    with pytest.raises(AudioError, match=r"the given file: empty from its current position.*seek"):
        load(file)


def test_relative_path_and_renamed_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("-clip.flac").write_bytes(wav())
    assert load("-clip.flac").duration == 0.5


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_named_pipe(tmp_path):
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(wav(),))
    writer.start()
    assert load(pipe).duration == 0.5
    writer.join()


def test_several_blocks_are_read_completely(monkeypatch):
    monkeypatch.setattr("emotionrecog.audio.decoding.BLOCK_LENGTH", 1000)
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
def test_unusable_file_is_named_with_the_reason(tmp_path, case):
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
def test_truncated_file_raises(kind):
    content = encoded(tone(seconds=2), kind=kind)
    assert load(content).duration == pytest.approx(2, abs=0.06)
    with pytest.raises(AudioError, match="truncated"):
        load(content[: len(content) * 2 // 3])


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_truncated_ogg_of_many_pages_raises(subtype):
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


def test_file_that_lacks_a_few_samples_is_not_truncated():
    assert len(load(wav()[:-100]).samples) == 8000 - 50


def test_chunks_after_the_samples_are_ignored():
    content = wav() + b"LIST" + struct.pack("<I", 400) + bytes(400)
    assert load(content).duration == 0.5


@pytest.mark.parametrize(
    ("riff_size", "data_size"),
    [(0xFFFFFFFF, 0xFFFFFFFF), (0x7FFFF024, 0x7FFFF000), (0, 0), (8, 0), (36, 0), (0xFFFFFFFF, 0)],
)
def test_wav_from_a_pipe(riff_size, data_size):
    # Writers that cannot seek back leave a mark in place of the sizes.
    waveform = load(wav(riff_size=riff_size, data_size=data_size))
    np.testing.assert_allclose(waveform.samples, tone(), atol=1e-4)


def test_chunks_of_an_empty_file_are_not_samples():
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


def test_file_opened_as_text_raises(tmp_path):
    path = tmp_path / "clip.txt"
    path.write_text("la la la", encoding="utf-8")
    with (
        path.open(encoding="utf-8") as file,
        pytest.raises(AudioError, match=r"open it with open\(\.\.\., 'rb'\)"),
    ):
        load(file)


@pytest.mark.parametrize("source", [None, 3, tone(), [tone(), RATE]])
def test_other_types_raise(source):
    with pytest.raises(AudioError, match=rf"got {type(source).__name__}"):
        load(source)


@settings(derandomize=True, deadline=None)  # some of it starts ffmpeg
@given(st.binary(max_size=300), st.sampled_from([b"", wav()[:60], FLAC[:60], OPUS[:200]]))
def test_damaged_content_raises_nothing_but_audio_errors(garbage, beginning):
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
def test_file_name_is_never_an_option_or_an_address(containers, tmp_path, monkeypatch, name):
    if os.name == "nt" and ":" in name:
        pytest.skip("Windows has no file names with a colon")
    monkeypatch.chdir(tmp_path)
    shutil.copy(containers / "clip.m4a", Path(name))
    assert load(name, sampling_rate=RATE).duration == pytest.approx(0.5, abs=0.08)


@needs_ffmpeg
@pytest.mark.parametrize("suffix", ["m4a", "mkv", "aac"])
def test_truncated_container_raises(containers, suffix):
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
def test_video_without_sound_raises(containers):
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
    # An estimate from the first frame alone would be several times too long or short.
    noise = 0.3 * np.random.default_rng(0).standard_normal(48000).astype(np.float32)
    noise[: len(noise) // 2] *= 1 if loud_first else 1e-4
    noise[len(noise) // 2 :] *= 1e-4 if loud_first else 1
    path = tmp_path / "clip.wav"
    soundfile.write(path, noise, 24000)
    untagged = ["-write_xing", "0", "-id3v2_version", "0"]
    content = ffmpeg("-i", path, "-q:a", "4", *untagged, "-f", "mp3", "-")
    assert load(content).duration == pytest.approx(2, abs=0.15)


def test_error_without_ffmpeg_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "note.m4a"
    path.write_bytes(b"\0\0\0\x1cftypM4A \0\0\2\0")
    with pytest.raises(AudioError, match=r"note\.m4a.*m4a.*needs the ffmpeg program.*install"):
        load(path)


def test_magic_bytes_lie_within_the_bytes_checked():
    assert all(offset + len(magic) <= 26 for offset, magic, _, _ in FFMPEG_FORMATS)


@needs_ffmpeg
@pytest.mark.parametrize("disguise", ["", "AVI "])
def test_playlist_is_not_opened(containers, tmp_path, disguise):
    # Left to itself, ffmpeg opens the files and addresses that a playlist names.
    shutil.copy(containers / "clip.aac", tmp_path / "secret.aac")
    playlist = tmp_path / "clip.m4a"
    text = f"#EXTM3U\n{disguise}\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.aac\n#EXT-X-ENDLIST\n"
    playlist.write_bytes(text.encode())
    with pytest.raises(AudioError, match=r"cannot be decoded as audio|ffmpeg cannot decode"):
        load(playlist)
