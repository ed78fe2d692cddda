"""Decode files: with libsndfile, or with the ffmpeg program for containers that it cannot read."""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from emotionrecog.errors import AudioError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["decode"]

# Number of frames read at once, 22 s at 48 kHz: the length in a header may be unknown or wrong, so
# it does not decide how much memory is allocated.
BLOCK_LENGTH = 2**20

# Largest MP3 frame in bytes: 144 * 320000 bit/s / 32000 Hz, and a byte of padding.
MAX_MP3_FRAME = 1441

# Largest Ogg page in bytes: a header of 27, a table of 255, and 255 segments of 255.
MAX_OGG_PAGE = 65307

# A file that is shorter than its header declares by more than this, in s, is truncated: encoder
# padding and imprecise headers account for less (an MP3 frame lasts 0.026 s).
MAX_MISSING_DURATION = 0.05

# First bytes of the files that only ffmpeg decodes: offset in bytes, magic bytes, ffmpeg's name of
# the demuxer, name for messages. Detection by content instead of by file name means that a renamed
# file works, and that ffmpeg never gets a playlist, whose entries it would open.
FFMPEG_FORMATS = (
    (4, b"ftyp", "mov", "MP4 or QuickTime (m4a, mp4, mov, 3gp)"),
    (4, b"moov", "mov", "QuickTime (mov)"),
    (4, b"mdat", "mov", "QuickTime (mov)"),
    (4, b"wide", "mov", "QuickTime (mov)"),
    (0, b"\x1a\x45\xdf\xa3", "matroska", "Matroska or WebM (mkv, webm)"),
    (0, b"\xff\xf1", "aac", "AAC in ADTS frames (aac)"),
    (0, b"\xff\xf9", "aac", "AAC in ADTS frames (aac)"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf", "Windows Media (wma, wmv)"),
    (8, b"AVI ", "avi", "AVI"),
    (0, b"\x00\x00\x01\xba", "mpeg", "MPEG video (mpg, vob)"),
    (0, b"FLV\x01", "flv", "Flash Video (flv)"),
    (0, b"#!AMR", "amr", "AMR"),
)

# The lines of libsndfile's log about a file that ends too early (WAV, AIFF, AU, W64, RF64).
_SHORT_DATA = re.compile(r"(?:data|SSND|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)")


def decode(source: Any) -> tuple[str, NDArray[np.float32], int]:
    """Decode a path, bytes or a binary file.

    Returns
    -------
    name : str
        Name of the source in error messages.
    frames : ndarray of float32, shape (n_samples, n_channels)
    sampling_rate : int
        In Hz.

    Raises
    ------
    FileNotFoundError
        If the path does not exist.
    AudioError
        If the source cannot be decoded or is truncated.

    Examples
    --------
    >>> name, frames, sampling_rate = decode("examples/clip.wav")
    >>> name, frames.ndim, sampling_rate
    ("'examples/clip.wav'", 2, 22050)
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        name = repr(str(path))
        with _open(path, name) as file:
            # Pipes and devices are not seekable.
            seekable = file if file.seekable() else io.BytesIO(file.read())
            return name, *_decode_file(seekable, name, path)
    if isinstance(source, (bytes, bytearray, memoryview)):
        name = "the given bytes"
        return name, *_decode_file(io.BytesIO(source), name)
    if hasattr(source, "read"):
        name = "the given file"
        content = source.read()
        if isinstance(content, str):
            raise AudioError(f"{name}: opened in text mode; open it with open(..., 'rb')")
        if not content:
            raise AudioError(
                f"{name}: empty from its current position on; seek(0) goes back to its beginning"
            )
        return name, *_decode_file(io.BytesIO(content), name)
    raise AudioError(
        "a recording must be a path, bytes, a binary file, a Waveform or a tuple "
        f"(samples, sampling_rate), got {type(source).__name__}"
    )


def _open(path: Path, name: str) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, "no such audio file", str(path)) from None
    except OSError as error:
        if path.is_dir():
            raise AudioError(
                f"{name}: expected an audio file, got a folder; name the files in it, such as "
                "sorted(pathlib.Path(folder).glob('*.wav')) for predict_batch"
            ) from error
        raise


def _decode_file(
    file: BinaryIO, name: str, path: Path | None = None
) -> tuple[NDArray[np.float32], int]:
    """Decode a seekable file with libsndfile or, if its content needs it, with ffmpeg."""
    head = file.read(26)
    file.seek(0)
    if not head:
        raise AudioError(f"{name}: empty, 0 bytes; record or copy it again")
    if path is not None and path.suffix.lower() == ".raw":
        raise AudioError(
            f"{name}: raw samples without a header, so neither their type nor their rate is known; "
            "read them with numpy.fromfile and pass (samples, sampling_rate)"
        )
    for offset, magic, demuxer, label in FFMPEG_FORMATS:
        if head.startswith(magic, offset):
            return _decode_ffmpeg(file, name, path, demuxer, label)
    # FLAC written to a pipe declares 0 as its 36-bit length, which soundfile cannot read.
    if head[:4] == b"fLaC" and len(head) == 26 and head[21] & 15 == 0 and not any(head[22:]):
        return _decode_ffmpeg(file, name, path, "flac", "FLAC of undeclared length")
    return _decode_sndfile(file, name, path)


def _decode_sndfile(
    file: BinaryIO, name: str, path: Path | None
) -> tuple[NDArray[np.float32], int]:
    import soundfile  # here, so that samples in memory need no libsndfile

    try:
        with soundfile.SoundFile(file) as sound:
            kind, rate = sound.format, sound.samplerate
            n_declared, log = sound.frames, sound.extra_info
            frames = _read_all(sound)
            n_bytes_read = file.tell()
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{name}: cannot be decoded as audio: {error.error_string} The file is damaged or "
            "truncated, or of a format that is not known here; convert it to WAV or FLAC"
        ) from error
    if kind == "MP3" and not _mp3_declares_length(file):
        # libsndfile estimates the length from the first frame and stops there, which is right only
        # for a constant bit rate.
        n_declared = len(frames)
        if file.seek(0, io.SEEK_END) - n_bytes_read > MAX_MP3_FRAME:
            return _decode_ffmpeg(file, name, path, "mp3", "MP3 of undeclared length")
    if len(frames) == 0:
        unclosed = _with_open_length(file)
        if unclosed is not None:
            return _decode_sndfile(unclosed, name, None)
    short = _SHORT_DATA.search(log)
    if short:
        n_declared_bytes, n_bytes = map(int, short.groups())
        # Writers that cannot seek back declare 2 GiB or more for "until the end".
        if n_bytes and n_declared_bytes < 0x7FFF0000:
            n_declared = len(frames) * n_declared_bytes // n_bytes
    missing = (n_declared - len(frames)) / rate
    if missing > MAX_MISSING_DURATION or (kind == "OGG" and _ogg_breaks_off(file)):
        reason = (
            f"its header declares {n_declared / rate:.2f} s of audio"
            if missing > MAX_MISSING_DURATION
            else "it ends within an Ogg page"
        )
        raise AudioError(
            f"{name}: truncated: {reason}, and only {len(frames) / rate:.2f} s are there; "
            "copy or record it again"
        )
    return frames, rate


def _read_all(sound: Any) -> NDArray[np.float32]:
    """Return the frames of an open `soundfile.SoundFile`, shape (n_samples, n_channels)."""
    blocks: list[NDArray[np.float32]] = []
    while not blocks or len(blocks[-1]) == BLOCK_LENGTH:
        blocks.append(sound.read(BLOCK_LENGTH, dtype="float32", always_2d=True))
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def _mp3_declares_length(file: BinaryIO) -> bool:
    """Return whether the first frame, after an ID3v2 tag, has a table that counts frames."""
    file.seek(0)
    head = file.read(10)
    if head[:3] == b"ID3":
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]  # seven bits a byte
        file.seek(10 + size)
    frame = head + file.read(MAX_MP3_FRAME)
    return any(table in frame for table in (b"Xing", b"Info", b"VBRI"))


def _ogg_breaks_off(file: BinaryIO) -> bool:
    """Return whether the last page is shorter than its header declares."""
    file.seek(max(0, file.seek(0, io.SEEK_END) - MAX_OGG_PAGE))
    tail = file.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    n_segments = page[26] if len(page) > 26 else 0
    return len(page) < 27 + n_segments + sum(page[27 : 27 + n_segments])


def _with_open_length(file: BinaryIO) -> BinaryIO | None:
    """Return a WAV file written to a pipe with its length marked "until the end".

    Some writers declare a length of 0 if they do not know it in advance, which libsndfile takes
    literally. The RIFF size identifies a WAV file that was closed without samples; None for such.
    """
    file.seek(0)
    content = bytearray(file.read())
    data = content.find(b"data\0\0\0\0", 12, 1024)
    (riff_size,) = struct.unpack_from("<I", content, 4) if len(content) >= 8 else (0,)
    if content[:4] != b"RIFF" or data < 0 or riff_size == len(content) - 8:
        return None
    content[4:8] = content[data + 4 : data + 8] = b"\xff\xff\xff\xff"
    return io.BytesIO(content)


def _decode_ffmpeg(
    file: BinaryIO, name: str, path: Path | None, demuxer: str, label: str
) -> tuple[NDArray[np.float32], int]:
    """Decode the first audio track at its own sampling rate with the ffmpeg program."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise AudioError(
            f"{name}: {label}, which needs the ffmpeg program, and none is on the PATH; install it "
            "from https://ffmpeg.org or with the system's package manager, or convert the file to "
            "WAV or FLAC"
        )
    if path is not None and path.is_file():
        wav = _run_ffmpeg(program, path, name, demuxer, label)
    else:  # ffmpeg has to seek, which a pipe does not allow
        file.seek(0)
        with tempfile.TemporaryDirectory(prefix="emotionrecog-") as folder:
            copy = Path(folder, "recording")
            copy.write_bytes(file.read())
            wav = _run_ffmpeg(program, copy, name, demuxer, label)
    return _decode_sndfile(io.BytesIO(wav), name, None)


def _run_ffmpeg(program: str, path: Path, name: str, demuxer: str, label: str) -> bytes:
    # Naming the demuxer keeps ffmpeg from reading a playlist after the magic bytes, and "file:"
    # keeps it from reading a protocol or an option into the file's name.
    url = f"file:{path}"
    options = ["-nostdin", "-v", "error", "-xerror", "-protocol_whitelist", "file,pipe"]
    target = ["-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "wav", "pipe:1"]
    command = [program, *options, "-f", demuxer, "-i", url, *target]
    done = subprocess.run(command, capture_output=True, check=False)
    problem = done.stderr.decode(errors="replace").replace(url, name).strip()
    if "matches no streams" in problem:
        raise AudioError(f"{name}: {label} without an audio track; expected one with sound")
    # For ffmpeg, a truncated Matroska file is no error, but a message.
    if done.returncode != 0 or "ended prematurely" in problem:
        raise AudioError(
            f"{name}: {label}, which ffmpeg cannot decode: {problem or 'no reason given'}\n"
            "The file is damaged or truncated, or holds a codec that this ffmpeg does not know"
        )
    return done.stdout
