"""Recordings: decode, mix down, resample, validate.

Everything that predicts or trains starts here. `load` takes a recording in whatever form it comes
and hands back a `Waveform`: mono, float32, finite, not silent. What cannot be that raises
`AudioError` with a message that says what was expected, what was found and what to do.

Files that libsndfile reads (wav, flac, ogg, opus, mp3, aiff, ...) need nothing else. Files in the
containers of telephones and browsers (m4a, mp4, mov, webm, ...) are decoded with the ffmpeg
program where it is installed.
"""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotionrecog.errors import AudioError

__all__ = ["AUDIO_EXTENSIONS", "AudioSource", "Waveform", "find", "load"]

# Lossless first: of several copies of one recording a corpus keeps the copy furthest left.
AUDIO_EXTENSIONS = (
    *(".wav", ".flac", ".aiff", ".aif", ".aifc", ".au", ".caf", ".w64"),
    *(".opus", ".ogg", ".oga", ".mp3", ".m4a", ".aac", ".wma"),
    *(".mp4", ".mov", ".mkv", ".webm", ".avi", ".flv"),
)
"""File name extensions, in lower case, that are taken for recordings; video may carry speech."""

# Sampling rates outside these bounds, in Hz, are mistakes (a swapped argument, a damaged header).
# Below 4000 Hz the band ends under 2000 Hz and the second formant of speech is lost; the narrowest
# rate in use is the telephone's 8000 Hz. 384000 Hz is the fastest rate of studio converters.
MIN_SAMPLING_RATE = 4_000
MAX_SAMPLING_RATE = 384_000

# Largest number of channels of a 2-D array. Its shorter axis is taken for the channels; where that
# axis is longer than this, neither axis looks like channels. Sixteen is third-order ambisonics.
MAX_CHANNELS = 32

# A recording whose samples all lie within this range, peak to peak and relative to full scale, is
# silent: 2e-6 is a peak of 1e-6, -120 dBFS, which 16-bit audio (one step is 3e-5) cannot express.
# Lossy codecs turn digital silence into values far below this, but not into zeros. The range
# rather than the peak is looked at, so that a constant offset counts as silence too.
SILENT_RANGE = 2e-6

# Channels cancel out where their average is this much smaller than the largest of them (-60 dB).
# Copies of opposite sign leave the rounding of 16-bit audio; one loud channel of 32 is -30 dB.
CANCELLED = 1e-3

# Frames read at once, 22 s at 48 kHz: the length in a header may be unknown or false, so no memory
# is asked for on its word.
BLOCK_LENGTH = 2**20

# Largest MP3 frame in bytes: 144 * 320000 bit/s / 32000 Hz, and a byte of padding.
MAX_MP3_FRAME = 1441

# Largest Ogg page in bytes: a header of 27, a table of 255, and 255 segments of 255.
MAX_OGG_PAGE = 65307

# A file may be this much shorter, in s, than its header declares before it is refused as
# truncated: encoder padding and careless headers account for less (an MP3 frame lasts 0.026 s).
MAX_MISSING_DURATION = 0.05

# How the files that only ffmpeg decodes begin: offset in bytes, magic bytes, ffmpeg's name of the
# demuxer, our name. Going by content instead of by file name means that a renamed file works, and
# that ffmpeg never sees what it would take for a playlist, whose entries it would open.
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

# What libsndfile's log says of a file that ends before its audio does (WAV, AIFF, AU, W64, RF64).
_SHORT_DATA = re.compile(r"(?:data|SSND|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)")


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Waveform:
    """A mono recording.

    Parameters
    ----------
    samples : ndarray of float32, shape (n_samples,)
        Sound pressure relative to full scale, nominally in [-1, 1]. At least one sample.
    sampling_rate : int
        In Hz, from 4000 to 384000.

    Raises
    ------
    AudioError
        If the samples are not a one-dimensional, non-empty float32 array, or if the sampling rate
        is not a whole number within the bounds.

    See Also
    --------
    load : Make a waveform from a file or from an array of any numeric type.

    Examples
    --------
    >>> import numpy as np
    >>> waveform = Waveform(np.full(8000, 0.25, dtype=np.float32), 16000)
    >>> waveform.duration
    0.5
    >>> waveform
    Waveform(0.500 s at 16000 Hz)
    """

    samples: NDArray[np.float32]
    sampling_rate: int

    def __post_init__(self) -> None:
        """Refuse what is no waveform; a sampling rate of NumPy's becomes an int."""
        samples = self.samples
        if not isinstance(samples, np.ndarray) or samples.dtype != np.float32 or samples.ndim != 1:
            found = (
                f"{samples.dtype} of shape {samples.shape}"
                if isinstance(samples, np.ndarray)
                else type(samples).__name__
            )
            raise AudioError(
                f"samples of a Waveform must be a one-dimensional float32 array, got {found}; "
                "emotionrecog.audio.load((samples, sampling_rate)) converts and mixes down"
            )
        if samples.size == 0:
            raise AudioError("samples of a Waveform must not be empty, got 0 samples")
        object.__setattr__(self, "sampling_rate", _whole_rate(self.sampling_rate, "a Waveform"))

    def __repr__(self) -> str:
        """Name the duration instead of listing the samples."""
        return f"Waveform({self.duration:.3f} s at {self.sampling_rate} Hz)"

    @property
    def duration(self) -> float:
        """Duration in s."""
        return len(self.samples) / self.sampling_rate


AudioSource: TypeAlias = (
    str
    | os.PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | BinaryIO
    | Waveform
    | tuple[ArrayLike, int]
)


def load(source: AudioSource, *, sampling_rate: int | None = None) -> Waveform:
    """Decode a recording, mix it down to mono and resample it.

    Channels are averaged. Integer samples are divided by the magnitude of their most negative
    value, so that 16-bit audio lies in [-1, 32767/32768]; unsigned ones are centred first.
    Floating-point samples are taken as they are. Resampling is soxr's "HQ".

    Parameters
    ----------
    source : str, path-like, bytes, binary file, Waveform or tuple
        One of:

        - the path of an audio or video file;
        - the bytes of one (`bytes`, `bytearray` or `memoryview`);
        - a file open for reading in binary mode, which is read from its current position to its
          end and not closed;
        - a `Waveform`;
        - a pair ``(samples, sampling_rate)``, the rate in Hz and the samples an array of floats or
          of integers of at most 32 bits, of shape (n_samples,), (n_samples, n_channels) or
          (n_channels, n_samples): the shorter axis is taken for the channels.
    sampling_rate : int, optional
        In Hz, the rate to resample to. By default the recording keeps its own.

    Returns
    -------
    Waveform
        Never shares memory with an array that was passed in; a `Waveform` that already has the
        wanted rate is returned as it is.

    Raises
    ------
    FileNotFoundError
        If the path does not exist.
    AudioError
        If the source cannot be decoded, is truncated, holds no samples or not-finite ones, is
        silent, or has a sampling rate out of bounds.
    ValueError
        If the wanted `sampling_rate` is not a whole number from 4000 to 384000.

    Examples
    --------
    A pair of stereo samples and their sampling rate, as other libraries hand them out:

    >>> import numpy as np
    >>> t = np.arange(48000) / 48000
    >>> tone = np.sin(2 * np.pi * 440 * t)
    >>> stereo = np.stack([tone, 0.5 * tone])
    >>> waveform = load((stereo, 48000), sampling_rate=16000)
    >>> waveform.samples.shape, waveform.samples.dtype, waveform.duration
    ((16000,), dtype('float32'), 1.0)

    What cannot be used says so:

    >>> load((np.zeros(16000), 16000))
    Traceback (most recent call last):
        ...
    emotionrecog.errors.AudioError: the given samples: silent: ...
    """
    if sampling_rate is not None:
        sampling_rate = _wanted_rate(sampling_rate)
    if isinstance(source, Waveform):
        name = "the given Waveform"
        frames, rate = source.samples, source.sampling_rate
    elif isinstance(source, tuple):
        name = "the given samples"
        frames, rate = _from_pair(source, name)
    else:
        name, frames, rate = _from_file(source)
        rate = _whole_rate(rate, name)

    samples = _mono(frames, name)
    if sampling_rate is not None and sampling_rate != rate:
        samples, rate = _resample(samples, rate, sampling_rate, name), sampling_rate
    if isinstance(source, Waveform) and samples is source.samples:
        return source
    samples.flags.writeable = False
    return Waveform(samples, rate)


def find(
    folder: str | os.PathLike[str], *, on_error: Callable[[OSError], object] | None = None
) -> Iterator[Path]:
    """Walk a folder, however deep, and yield what has an audio extension.

    Only names are looked at; no file is opened. Symbolic links are followed, each folder once.
    Hidden files and folders are passed over, and so are the ``__MACOSX`` folders of archives.

    Parameters
    ----------
    folder : str or path-like
        Where to begin. It may itself be hidden.
    on_error : callable, optional
        Is given the `OSError` of a folder that cannot be listed, which is then left out. By
        default the error is raised.

    Yields
    ------
    Path
        A file whose extension is one of `AUDIO_EXTENSIONS`, in upper or lower case. In no
        particular order.

    Raises
    ------
    OSError
        If `folder` or one below it cannot be listed, and there is no `on_error`.

    Examples
    --------
    >>> Path("examples/clip.wav") in find("examples")
    True
    """
    folder = Path(folder)
    visited = {folder.resolve()}
    for here, subfolders, names in os.walk(folder, followlinks=True, onerror=on_error or _raise):
        kept = []
        for name in sorted(subfolders):
            # A link that leads back into the tree would be walked again and again.
            target = Path(here, name).resolve()
            if not _is_hidden(name) and target not in visited:
                visited.add(target)
                kept.append(name)
        subfolders[:] = kept
        for name in names:
            path = Path(here, name)
            if not _is_hidden(name) and path.suffix.lower() in AUDIO_EXTENSIONS:
                yield path


def _is_hidden(name: str) -> bool:
    # Archives made on macOS carry a shadow "._name.wav", no recording, beside every file.
    return name.startswith(".") or name == "__MACOSX"


def _raise(error: OSError) -> None:
    raise error


def is_one_recording(sources: object) -> bool:
    """Say whether this is one recording rather than several: a path, bytes, a file, a waveform."""
    single = (str, bytes, bytearray, memoryview, os.PathLike, Waveform)
    return isinstance(sources, single) or hasattr(sources, "read")


def _whole_rate(rate: object, name: str) -> int:
    """Return `rate` as an int in Hz; raise where it is not a whole number within the bounds."""
    if (
        isinstance(rate, (int, float, np.integer, np.floating))
        and MIN_SAMPLING_RATE <= rate <= MAX_SAMPLING_RATE
        and rate == int(rate)
    ):
        return int(rate)
    raise AudioError(
        f"{name}: the sampling rate must be a whole number from {MIN_SAMPLING_RATE} to "
        f"{MAX_SAMPLING_RATE} Hz, got {rate!r}"
    )


def _wanted_rate(rate: object) -> int:
    try:
        return _whole_rate(rate, "load")
    except AudioError:
        raise ValueError(
            f"`sampling_rate` must be a whole number from {MIN_SAMPLING_RATE} to "
            f"{MAX_SAMPLING_RATE} Hz, got {rate!r}"
        ) from None


# --- samples in memory --------------------------------------------------------------------------


def _from_pair(pair: tuple[Any, ...], name: str) -> tuple[NDArray[np.float32], int]:
    """Return fresh float32 frames, shape (n_samples,) or (n_samples, n_channels), and the rate."""
    if len(pair) != 2 or np.ndim(pair[1]) != 0:
        raise AudioError(
            f"{name}: a tuple must be (samples, sampling_rate), in this order, "
            f"got {len(pair)} items: {', '.join(type(item).__name__ for item in pair)}"
        )
    rate = _whole_rate(pair[1], name)
    try:
        array = np.asarray(pair[0])
    except ValueError as error:  # rows of unequal length
        raise AudioError(f"{name}: not a rectangular array of numbers: {error}") from error
    return _as_float32(_frames_first(array, name), name), rate


def _frames_first(array: NDArray[Any], name: str) -> NDArray[Any]:
    if array.ndim == 1 or (array.ndim == 2 and array.size == 0):
        return array
    if array.ndim != 2:
        raise AudioError(
            f"{name}: expected shape (n_samples,), (n_samples, n_channels) or "
            f"(n_channels, n_samples), got {array.shape}; pass one recording at a time"
        )
    n_channels = min(array.shape)
    if n_channels > MAX_CHANNELS or array.shape[0] == array.shape[1] != 1:
        raise AudioError(
            f"{name}: cannot tell channels from samples in shape {array.shape}: the shorter axis "
            f"must be the channels, {MAX_CHANNELS} at most; pass mono samples of shape "
            "(n_samples,), such as samples.mean(axis=<the axis of the channels>)"
        )
    return array if array.shape[1] == n_channels else array.T


def _as_float32(array: NDArray[Any], name: str) -> NDArray[np.float32]:
    """Return a copy in float32, integers scaled by their full scale."""
    kind, bits = array.dtype.kind, 8 * array.dtype.itemsize
    if kind == "f":
        with np.errstate(over="ignore"):  # becomes infinite, which is reported by name later
            return np.array(array, dtype=np.float32, order="C")
    if kind not in "iu" or bits > 32:
        reason = (
            "; 64-bit integers have no customary full scale: convert to the type the samples were "
            "recorded in, such as numpy.int16"
            if kind in "iu"
            else ""
        )
        raise AudioError(
            f"{name}: samples must be floats in [-1, 1] or integers of at most 32 bits, "
            f"got {array.dtype}{reason}"
        )
    full_scale = 2.0 ** (bits - 1)
    scaled = array / full_scale - (1.0 if kind == "u" else 0.0)
    return np.ascontiguousarray(scaled, dtype=np.float32)


# --- files --------------------------------------------------------------------------------------


def _from_file(source: Any) -> tuple[str, NDArray[np.float32], int]:
    """Return a name for messages, the decoded frames and the sampling rate in Hz."""
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        name = repr(str(path))
        with _open(path, name) as file:
            # Pipes and devices cannot be sought in.
            seekable = file if file.seekable() else io.BytesIO(file.read())
            return name, *_decode(seekable, name, path)
    if isinstance(source, (bytes, bytearray, memoryview)):
        name = "the given bytes"
        return name, *_decode(io.BytesIO(source), name)
    if hasattr(source, "read"):
        name = "the given file"
        content = source.read()
        if isinstance(content, str):
            raise AudioError(f"{name}: opened in text mode; open it with open(..., 'rb')")
        if not content:
            raise AudioError(
                f"{name}: empty from its current position on; seek(0) goes back to its beginning"
            )
        return name, *_decode(io.BytesIO(content), name)
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
                f"{name}: expected an audio file, got a folder; to go through a folder pass its "
                "files, such as sorted(pathlib.Path(folder).glob('*.wav')), to predict_batch"
            ) from error
        raise


def _decode(file: BinaryIO, name: str, path: Path | None = None) -> tuple[NDArray[np.float32], int]:
    """Decode a seekable file: with libsndfile, or with ffmpeg where the content asks for it."""
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
    # FLAC that was written to a pipe has 0 for its 36-bit length; soundfile cannot read that.
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
        # libsndfile guesses the length from the first frame and stops there, which is right for a
        # constant bit rate alone.
        n_declared = len(frames)
        if file.seek(0, io.SEEK_END) - n_bytes_read > MAX_MP3_FRAME:
            return _decode_ffmpeg(file, name, path, "mp3", "MP3 of undeclared length")
    if len(frames) == 0:
        unclosed = _with_open_length(file)
        if unclosed is not None:
            return _decode_sndfile(unclosed, name, None)
    short = _SHORT_DATA.search(log)
    if short:
        declared, found = map(int, short.groups())
        # Writers that cannot seek back leave 2 GiB or more as a mark of "until the end".
        if found and declared < 0x7FFF0000:
            n_declared = len(frames) * declared // found
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
    """Whether the first frame, after an ID3v2 tag, holds one of the tables that count frames."""
    file.seek(0)
    head = file.read(10)
    if head[:3] == b"ID3":
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]  # seven bits a byte
        file.seek(10 + size)
    frame = head + file.read(MAX_MP3_FRAME)
    return any(table in frame for table in (b"Xing", b"Info", b"VBRI"))


def _ogg_breaks_off(file: BinaryIO) -> bool:
    """Whether the last page, whose header tells its length, is not all there."""
    file.seek(max(0, file.seek(0, io.SEEK_END) - MAX_OGG_PAGE))
    tail = file.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    n_segments = page[26] if len(page) > 26 else 0
    return len(page) < 27 + n_segments + sum(page[27 : 27 + n_segments])


def _with_open_length(file: BinaryIO) -> BinaryIO | None:
    """Return a WAV file that was written to a pipe with its length marked "until the end".

    Some writers leave 0 for the length they could not know in advance, which libsndfile takes
    literally. A WAV file that was closed with no samples in it is told apart by its RIFF size.
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
    else:  # ffmpeg has to seek, so a pipe will not do
        file.seek(0)
        with tempfile.TemporaryDirectory(prefix="emotionrecog-") as folder:
            copy = Path(folder, "recording")
            copy.write_bytes(file.read())
            wav = _run_ffmpeg(program, copy, name, demuxer, label)
    return _decode_sndfile(io.BytesIO(wav), name, None)


def _run_ffmpeg(program: str, path: Path, name: str, demuxer: str, label: str) -> bytes:
    # Naming the demuxer keeps ffmpeg from finding a playlist behind the magic bytes, and
    # "file:" keeps ffmpeg from reading a protocol or an option into the file's name.
    url = f"file:{path}"
    options = ["-nostdin", "-v", "error", "-xerror", "-protocol_whitelist", "file,pipe"]
    target = ["-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "wav", "pipe:1"]
    command = [program, *options, "-f", demuxer, "-i", url, *target]
    done = subprocess.run(command, capture_output=True, check=False)
    problem = done.stderr.decode(errors="replace").replace(url, name).strip()
    if "matches no streams" in problem:
        raise AudioError(f"{name}: {label} without an audio track; expected one with sound")
    # A Matroska file that breaks off is no error to ffmpeg, but it says so.
    if done.returncode != 0 or "ended prematurely" in problem:
        raise AudioError(
            f"{name}: {label}, which ffmpeg cannot decode: {problem or 'no reason given'}\n"
            "The file is damaged or truncated, or holds a codec that this ffmpeg does not know"
        )
    return done.stdout


# --- what every recording goes through ----------------------------------------------------------


def _mono(frames: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """Average the channels of (n_samples,) or (n_samples, n_channels); refuse what is no sound."""
    if frames.size == 0:
        raise AudioError(f"{name}: no samples: an empty recording, or one truncated early on")
    if frames.ndim == 2 and frames.shape[1] == 1:
        frames = frames[:, 0]
    samples = frames
    if frames.ndim == 2:
        with np.errstate(invalid="ignore", over="ignore"):  # reported by name below
            # One channel after the other is six times as fast as frames.mean(axis=1).
            samples = np.asarray(sum(frames.T) / np.float32(frames.shape[1]))
    low, high = float(samples.min()), float(samples.max())  # NaN where any sample is
    if not (np.isfinite(low) and np.isfinite(high)):
        n_bad = np.count_nonzero(~np.isfinite(samples))
        raise AudioError(
            f"{name}: {n_bad} of {len(samples)} samples are NaN or infinite; "
            "expected finite samples, so repair or export the recording again"
        )
    if frames.ndim == 2 and high - low < CANCELLED * max(map(np.ptp, frames.T)):
        raise AudioError(
            f"{name}: silent in mono: the channels cancel out when averaged (one is another "
            "inverted); pass one channel, or invert one of them"
        )
    if high - low < SILENT_RANGE:
        raise AudioError(
            f"{name}: silent: all {len(samples)} samples lie within {SILENT_RANGE:g} of full "
            "scale of each other; expected a voice, so check the microphone and the level"
        )
    return samples


def _resample(
    samples: NDArray[np.float32], rate: int, wanted: int, name: str
) -> NDArray[np.float32]:
    import soxr  # here, so that a recording of the wanted rate does not need it

    resampled: NDArray[np.float32] = soxr.resample(samples, rate, wanted, quality="HQ")
    if resampled.size == 0:
        raise AudioError(f"{name}: no samples are left of {len(samples)} at {wanted} Hz")
    return resampled
