"""Define `Utterance`, one recording of any corpus, and `Corpus`, which reads a folder of them."""

import logging
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emotionrecog import audio, files
from emotionrecog.errors import DatasetError
from emotionrecog.text import count_with_examples

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
"""The emotions of the library, always in this spelling and order."""

# Allowed values of fields of `Utterance`.
SEXES = ("female", "male", None)
INTENSITIES = ("normal", "strong", "low", "medium", "high", None)
STYLES = ("speech", "song")

_logger = logging.getLogger("emotionrecog")


@dataclass(frozen=True, slots=True)
class Utterance:
    """Describe one recording of a corpus: its path, its speaker, and the acted emotion.

    Parameters
    ----------
    path : Path
        The recording.
    emotion : str
        The acted emotion, one of `EMOTIONS`.
    corpus : str
        Name of the corpus, such as ``"ravdess"``.
    speaker : str
        The name of the corpus, a slash, and the corpus' code of the speaker, such as
        ``"ravdess/01"``: speakers of different corpora never share a name.
    sex : str, optional
        ``"female"`` or ``"male"``; None if unknown.
    intensity : str, optional
        ``"normal"`` or ``"strong"`` (RAVDESS), ``"low"``, ``"medium"`` or ``"high"`` (CREMA-D);
        None if unknown.
    sentence : str, optional
        The corpus' code of the spoken sentence, such as ``"kids"`` or ``"IEO"``; None if unknown.
    language : str, optional
        ISO 639-1 code of the language; None if unknown.
    style : str, optional
        ``"speech"`` or ``"song"``. In RAVDESS the same actors speak and sing, and most published
        results are for its speech alone.
    recording : str, optional
        The corpus' name of the recording, without folder and extension. Two files with one name
        are copies of one recording; None if names do not identify recordings.
    age : int, optional
        Age of the speaker in years; None if unknown.
    votes : tuple of int, optional
        Number of listeners who chose each of `EMOTIONS`, in that order, from the sound alone;
        None if there was no such vote.

    Raises
    ------
    DatasetError
        If a field has a value that is not allowed, or `speaker` does not begin with the name of the
        corpus.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance
    >>> utterance = Utterance(Path("mine/bob_1.wav"), "happy", corpus="mine", speaker="mine/bob")
    >>> utterance.emotion
    'happy'
    >>> Utterance(Path("mine/bob_1.wav"), "joy", corpus="mine", speaker="mine/bob")
    Traceback (most recent call last):
        ...
    emotionrecog.errors.DatasetError: `emotion` must be one of 'neutral', 'calm', 'happy', 'sad', \
'angry', 'fearful', 'disgust', 'surprised', got 'joy' (mine/bob_1.wav)
    """

    path: Path
    emotion: str
    corpus: str
    speaker: str
    sex: str | None = None
    intensity: str | None = None
    sentence: str | None = None
    language: str | None = None
    style: str = "speech"
    recording: str | None = None
    age: int | None = None
    votes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Validate the fields."""
        for name, allowed in (
            ("emotion", EMOTIONS),
            ("sex", SEXES),
            ("intensity", INTENSITIES),
            ("style", STYLES),
        ):
            value = getattr(self, name)
            if value not in allowed:
                expected = ", ".join(map(repr, allowed))
                raise DatasetError(
                    f"`{name}` must be one of {expected}, got {value!r} ({self.path})"
                )
        if not self.speaker.startswith(f"{self.corpus}/"):
            raise DatasetError(
                f"`speaker` must begin with the name of the corpus, {self.corpus + '/'!r}, so that "
                f"speakers of different corpora stay apart, got {self.speaker!r} ({self.path})"
            )
        if self.age is not None and not 0 < self.age < 130:
            raise DatasetError(f"`age` must be in years, got {self.age!r} ({self.path})")
        if self.votes is not None and (len(self.votes) != len(EMOTIONS) or min(self.votes) < 0):
            raise DatasetError(
                f"`votes` must be {len(EMOTIONS)} numbers, one for each of {', '.join(EMOTIONS)}, "
                f"got {self.votes!r} ({self.path})"
            )


@dataclass(frozen=True, kw_only=True)
class Scan:
    """The files below a folder, read as files of one corpus.

    Parameters
    ----------
    utterances : list of Utterance
        The recordings, ordered by path.
    left_out : mapping of Path to str
        Files of the corpus that are not used, with a short reason such as ``"without sound"``.
    copies : list of Path
        Further files of the recordings in `utterances`.
    unexpected_files : mapping of Path to DatasetError
        Files whose names do not fit the corpus, with the error for each.

    Examples
    --------
    >>> import tempfile
    >>> from emotionrecog.datasets import CORPORA
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("YAF_youth_sad.wav", "notes.wav"):
    ...         Path(folder, name).touch()
    ...     scan = CORPORA["tess"].scan(folder)
    >>> len(scan.utterances), [path.name for path in scan.unexpected_files]
    (1, ['notes.wav'])
    """

    utterances: list[Utterance]
    left_out: Mapping[Path, str]
    copies: list[Path]
    unexpected_files: Mapping[Path, DatasetError]


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Hold the facts about a corpus, and read a folder of it.

    For another corpus, make such an object; `name`, `parse`, `emotion_codes` and `file_names` are
    sufficient. There is nothing to subclass.

    Parameters
    ----------
    name : str
        Short name in lower case, such as ``"crema_d"``.
    parse : callable
        Function that returns the `Utterance` of a path from the names of the file and its folder,
        without opening the file. For a file of the corpus that must not be used it returns a short
        reason, such as ``"without sound"``; for a name that does not fit the corpus it raises
        `DatasetError`. Any other exception is treated as a `DatasetError`, with the path and the
        exception in its message.
    emotion_codes : mapping of str to str or None
        Meaning of each of the corpus' emotion codes among `EMOTIONS`; None for an emotion that the
        library does not have.
    file_names : str
        The pattern of the file names, for error messages, with an example.
    name_parts : mapping, optional
        Parts of a file name in their order, each with a mapping of its codes to their meanings, or
        with a description.
    complete : callable, optional
        Function that takes the folder and the utterances, and returns the utterances in the same
        order with facts from the owners' tables in the folder or beside it. Without such tables
        it returns them unchanged.
    names : callable, optional
        Function that takes a style, ``"speech"`` or ``"song"``, and returns
        `Utterance.recording` of every recording in the complete corpus.
    title, licence, citation, homepage : str, optional
        Full name of the corpus, its licence, the citation its owners ask for, its web address.
    language : str, optional
        ISO 639-1 code of the language; None if unknown or mixed.
    n_utterances : mapping of str to int, optional
        Number of utterances in the complete corpus for each of its styles, ``"speech"`` and
        ``"song"``, without emotions that the library does not have.
    n_speakers : mapping of str to int, optional
        Number of speakers of these utterances, for each style.

    Examples
    --------
    A corpus of files named like ``bob_joy_1.wav``:

    >>> from emotionrecog import DatasetError
    >>> from emotionrecog.datasets import Corpus, Utterance
    >>> codes = {"joy": "happy", "anger": "angry"}
    >>> def parse(path):
    ...     speaker, code, *_ = [*path.stem.split("_"), ""]
    ...     if code not in codes:
    ...         raise DatasetError(f"{path.name!r} is not named like bob_joy_1.wav")
    ...     return Utterance(path, codes[code], corpus="mine", speaker=f"mine/{speaker}")
    >>> mine = Corpus(name="mine", parse=parse, emotion_codes=codes, file_names="bob_joy_1.wav")
    >>> mine.emotions
    ('happy', 'angry')
    """

    name: str
    parse: Callable[[Path], Utterance | str]
    emotion_codes: Mapping[str, str | None]
    file_names: str
    name_parts: Mapping[str, Mapping[str, object] | str] = field(default_factory=dict)
    complete: Callable[[Path, list[Utterance]], list[Utterance]] | None = None
    names: Callable[[str], frozenset[str]] | None = None
    title: str = ""
    licence: str = ""
    citation: str = ""
    homepage: str = ""
    language: str | None = None
    n_utterances: Mapping[str, int] = field(default_factory=dict)
    n_speakers: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Validate the fields."""
        unknown = set(self.emotion_codes.values()) - {*EMOTIONS, None}
        if unknown:
            raise DatasetError(
                f"`emotion_codes` of corpus {self.name!r} must map to {', '.join(EMOTIONS)} or "
                f"None, got {', '.join(sorted(map(repr, unknown)))}"
            )

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions in the corpus, in the order of `EMOTIONS`."""
        return tuple(e for e in EMOTIONS if e in self.emotion_codes.values())

    def scan(self, root: str | os.PathLike[str]) -> Scan:
        """Read the names of all files below a folder, at any depth.

        Only names and the owners' tables are read; no recording is opened. Hidden files and the
        ``__MACOSX`` folders of archives are skipped. If there are several copies of a recording,
        one is kept: a lossless one if there is one, and the one nearest to `root`.

        Parameters
        ----------
        root : str or path-like
            The folder that the corpus was unpacked into, or one above it.

        Returns
        -------
        Scan

        Raises
        ------
        FileNotFoundError
            If `root` does not exist.
        NotADirectoryError
            If `root` is not a folder.
        DatasetError
            If a table of the owners is damaged.
        """
        root = Path(root)
        utterances: list[Utterance] = []
        seen: set[str] = set()
        left_out: dict[Path, str] = {}
        copies: list[Path] = []
        unexpected_files: dict[Path, DatasetError] = {}
        for path in sorted(audio_files(root), key=by_preference):
            try:
                utterance = self.parse(path)
            except DatasetError as error:
                unexpected_files[path] = error
                continue
            except Exception as error:
                # An odd name may raise KeyError or ValueError in a user's parser.
                unexpected_files[path] = _not_parsed(self.name, path, error)
                continue
            if isinstance(utterance, str):
                left_out[path] = utterance
            elif utterance.recording in seen:
                copies.append(path)
            else:
                utterances.append(utterance)
                if utterance.recording is not None:
                    seen.add(utterance.recording)
        utterances.sort(key=lambda utterance: utterance.path)
        if self.complete is not None and utterances:
            utterances = self.complete(root, utterances)
        return Scan(
            utterances=utterances,
            left_out=left_out,
            copies=copies,
            unexpected_files=unexpected_files,
        )

    def utterances(self, root: str | os.PathLike[str]) -> list[Utterance]:
        """Read the recordings below a folder, as `scan` does, and log the files left out.

        A file whose name does not fit the corpus does not stop the others: the library's logger,
        ``logging.getLogger("emotionrecog")``, warns with the number of such files and the first
        three, and of copies in the same way.

        Parameters
        ----------
        root : str or path-like
            The folder that the corpus was unpacked into, or one above it.

        Returns
        -------
        list of Utterance
            Ordered by path.

        Raises
        ------
        FileNotFoundError
            If `root` does not exist.
        NotADirectoryError
            If `root` is not a folder.
        DatasetError
            If no recording of the corpus lies below `root`, or a table of the owners is damaged.
        """
        root = Path(root)
        scan = self.scan(root)
        unexpected = scan.unexpected_files
        if not scan.utterances:
            first_error = unexpected[min(unexpected)] if unexpected else None
            raise DatasetError(self._no_recording(root, scan)) from first_error
        for reason, paths in _by_reason(scan.left_out).items():
            _logger.info("%s: skipped %s %s", self.name, count_files(paths, root), reason)
        if scan.copies:
            _logger.warning(
                "%s: left out %s: copies of other files", self.name, count_files(scan.copies, root)
            )
        if unexpected:
            _logger.warning("%s: left out %s", self.name, _describe_unexpected(unexpected, root))
        return scan.utterances

    def _no_recording(self, root: Path, scan: Scan) -> str:
        if scan.unexpected_files:
            files_found = _describe_unexpected(scan.unexpected_files, root)
        elif scan.left_out:
            reasons = _by_reason(scan.left_out).items()
            files_found = "only " + ", ".join(
                f"{count_files(paths, root)} {why}" for why, paths in reasons
            )
        else:
            files_found = f"no file with an audio extension ({', '.join(audio.AUDIO_EXTENSIONS)})"
        return (
            f"no recording of corpus {self.name!r} in {str(root)!r}: expected files named "
            f"{self.file_names}, at any depth; found {files_found}. Unpack the corpus there and "
            f"keep its original file names, or name the folder that holds it."
        )


def _not_parsed(corpus: str, path: Path, error: Exception) -> DatasetError:
    unexpected = DatasetError(
        f"`parse` of corpus {corpus!r} must return an Utterance or a reason, or raise "
        f"DatasetError, but raised {type(error).__name__}: {error} for {str(path)!r}"
    )
    unexpected.__cause__ = error
    return unexpected


def require_code(file_name: str, part: str, code: str, known: Collection[str]) -> None:
    """Raise `DatasetError` if a part of a file name is not a code of its corpus."""
    if code not in known:
        raise DatasetError(
            f"{part} of {file_name!r} must be one of {', '.join(known)}, got {code!r}"
        )


def _by_reason(left_out: Mapping[Path, str]) -> dict[str, list[Path]]:
    return {
        reason: [path for path, other in left_out.items() if other == reason]
        for reason in dict.fromkeys(left_out.values())
    }


def audio_files(root: Path) -> Iterator[Path]:
    """Yield the audio files below a folder, at any depth; warn of folders that cannot be read."""
    if not root.exists():
        raise FileNotFoundError(
            f"no such folder: {str(root)!r}; name the one that holds the corpus"
        )
    if not root.is_dir():
        raise NotADirectoryError(
            f"expected the folder that holds the corpus, got a file: {str(root)!r}; "
            f"if it is an archive, unpack it first"
        )
    return audio.find(root, on_error=_warn_unreadable)


def _warn_unreadable(error: OSError) -> None:
    _logger.warning("left out a folder that cannot be read: %s", error)


def by_preference(path: Path) -> tuple[int, int, Path]:
    """Return a sort key that puts the preferred copy of a recording first."""
    return audio.AUDIO_EXTENSIONS.index(path.suffix.lower()), len(path.parts), path


def _describe_unexpected(errors: Mapping[Path, DatasetError], root: Path) -> str:
    return f"{count_files(list(errors), root)} of other names; of the first: {errors[min(errors)]}"


def count_files(paths: Sequence[Path], root: Path) -> str:
    """Return the number of files, and the first: ``2 files (such as 'a.wav', 'b.wav')``."""
    # repr, because a name that is not valid text cannot be written directly.
    names = [repr(files.relative_name(path, root)) for path in sorted(paths)]
    return count_with_examples(names, "file")
