"""The types every corpus is read into: `Utterance`, and `Corpus` that makes them of a folder."""

import logging
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emotionrecog import audio
from emotionrecog.errors import DatasetError

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
"""The emotions of the library, always spelled so and in this order."""

_SEXES = ("female", "male", None)
_INTENSITIES = ("normal", "strong", "low", "medium", "high", None)
_STYLES = ("speech", "song")

_logger = logging.getLogger("emotionrecog")


@dataclass(frozen=True, slots=True)
class Utterance:
    """Describe one recording of a corpus: where it lies, who speaks, and what was acted.

    Parameters
    ----------
    path : Path
        The recording.
    emotion : str
        What was acted, one of `EMOTIONS`.
    corpus : str
        Name of the corpus, such as ``"ravdess"``.
    speaker : str
        The corpus' name, a slash, and the corpus' own code of the speaker, such as
        ``"ravdess/01"``: speakers of different corpora never share a name.
    sex : str, optional
        ``"female"`` or ``"male"``; None where the corpus does not say.
    intensity : str, optional
        ``"normal"`` or ``"strong"`` (RAVDESS), ``"low"``, ``"medium"`` or ``"high"`` (CREMA-D);
        None where the corpus does not say.
    sentence : str, optional
        The corpus' own code of what was said, such as ``"kids"`` or ``"IEO"``; None where the
        corpus does not say.
    language : str, optional
        ISO 639-1 code of the language; None where unknown.
    style : str, optional
        ``"speech"`` or ``"song"``. RAVDESS has the same actors speak and sing, and most
        published figures are of its speech alone.
    recording : str, optional
        The corpus' own name of the recording, without folder and extension. Two files of one
        name are copies of one recording; None where names do not identify recordings.
    age : int, optional
        Of the speaker, in years; None where the corpus does not say.
    votes : tuple of int, optional
        How many listeners chose each of `EMOTIONS`, in that order, when they heard the recording
        without seeing the speaker; None where nobody was asked.

    Raises
    ------
    DatasetError
        If a field holds a word that the library does not know, or `speaker` does not begin with
        the name of the corpus.

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
        """Refuse words that the library does not know, and counts that are none."""
        for name, known in (
            ("emotion", EMOTIONS),
            ("sex", _SEXES),
            ("intensity", _INTENSITIES),
            ("style", _STYLES),
        ):
            value = getattr(self, name)
            if value not in known:
                expected = ", ".join(map(repr, known))
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
    """What lies below a folder, looked at as one corpus.

    Parameters
    ----------
    utterances : list of Utterance
        The recordings, ordered by path.
    left_out : mapping of Path to str
        Files of the corpus that are not used, and why in a few words: ``"without sound"``.
    copies : list of Path
        Further files of recordings that are among `utterances`.
    strangers : mapping of Path to DatasetError
        Files whose names are not of the corpus, and what is wrong with each.
    """

    utterances: list[Utterance]
    left_out: Mapping[Path, str]
    copies: list[Path]
    strangers: Mapping[Path, DatasetError]


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Hold the facts about a corpus, and read a folder of it.

    One's own corpus is one such object; `name`, `parse`, `emotion_codes` and `file_names` are all
    it needs. There is nothing to subclass.

    Parameters
    ----------
    name : str
        Short name in lower case, such as ``"crema_d"``.
    parse : callable
        Makes an `Utterance` of a path by looking at its name and its folder's name, without
        opening the file. For a file that is part of the corpus and not to be used it returns the
        reason in a few words, such as ``"without sound"``; for a name that is not of the corpus it
        raises `DatasetError`. Any other exception counts as one, with the path and the exception
        in its message.
    emotion_codes : mapping of str to str or None
        The corpus' own codes of emotions, and what they are among `EMOTIONS`; None for an emotion
        that the library does not have.
    file_names : str
        How recordings are named, for error messages, with an example.
    name_parts : mapping, optional
        The code of the file names as a table: each part of a name in its order, with a mapping of
        its codes to their meaning, or with a description in words.
    complete : callable, optional
        Adds to utterances what tables of the owners say that lie in a folder or beside it: takes
        the folder and the utterances, and returns as many in the same order. Where there is no
        such table it returns what it was given.
    names : callable, optional
        Takes a style, ``"speech"`` or ``"song"``, and returns what `Utterance.recording` is of
        every recording in the complete corpus.
    title, licence, citation, homepage : str, optional
        What to call the corpus, what its owners allow, how they ask to be cited, where it is.
    language : str, optional
        ISO 639-1 code of the language; None where unknown or mixed.
    n_utterances : mapping of str to int, optional
        How many recordings of the complete corpus become utterances, of each style it has,
        ``"speech"`` and ``"song"``. Those of an emotion that the library does not have are not
        counted.
    n_speakers : mapping of str to int, optional
        How many speakers are heard in these, of each style.

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
        """Refuse a label map that leads out of the library's emotions."""
        unknown = set(self.emotion_codes.values()) - {*EMOTIONS, None}
        if unknown:
            raise DatasetError(
                f"`emotion_codes` of corpus {self.name!r} must map to {', '.join(EMOTIONS)} or "
                f"None, got {', '.join(sorted(map(repr, unknown)))}"
            )

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions that the corpus acts, in the order of `EMOTIONS`."""
        return tuple(e for e in EMOTIONS if e in self.emotion_codes.values())

    def scan(self, root: str | os.PathLike[str]) -> Scan:
        """Look at the files below a folder, however deep they lie.

        Only names are read and the owners' tables; no recording is opened. Hidden files and the
        ``__MACOSX`` folders of archives are passed over. Of several copies of a recording one is
        kept, the lossless one rather than the other, the one nearer to `root` rather than the
        deeper.

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
        strangers: dict[Path, DatasetError] = {}
        for path in sorted(_audio_files(root), key=_by_preference):
            try:
                utterance = self.parse(path)
            except DatasetError as error:
                strangers[path] = error
                continue
            except Exception as error:
                # Of one odd name, a KeyError or ValueError in somebody's own parser.
                strangers[path] = _not_parsed(self.name, path, error)
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
        return Scan(utterances=utterances, left_out=left_out, copies=copies, strangers=strangers)

    def utterances(self, root: str | os.PathLike[str]) -> list[Utterance]:
        """Read the recordings below a folder, as `scan` does, and log what is left out.

        A file whose name is not of the corpus does not stop the others: the library's logger,
        ``logging.getLogger("emotionrecog")``, warns with the number of such files and the first of
        them, and so it does with copies.

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
        found = self.scan(root)
        if not found.utterances:
            first = found.strangers[min(found.strangers)] if found.strangers else None
            raise DatasetError(self._nothing_found(root, found)) from first
        for reason, paths in _by_reason(found.left_out).items():
            _logger.info("%s: skipped %s %s", self.name, _count(paths, root), reason)
        if found.copies:
            _logger.warning(
                "%s: left out %s: copies of other files", self.name, _count(found.copies, root)
            )
        if found.strangers:
            _logger.warning("%s: left out %s", self.name, _refused(found.strangers, root))
        return found.utterances

    def _nothing_found(self, root: Path, scan: Scan) -> str:
        if scan.strangers:
            found = _refused(scan.strangers, root)
        elif scan.left_out:
            reasons = _by_reason(scan.left_out).items()
            found = "only " + ", ".join(f"{_count(paths, root)} {why}" for why, paths in reasons)
        else:
            found = f"no file with an audio extension ({', '.join(audio.AUDIO_EXTENSIONS)})"
        return (
            f"no recording of corpus {self.name!r} in {str(root)!r}: expected files named "
            f"{self.file_names}, at any depth; found {found}. Unpack the corpus there and keep "
            f"the names its owners gave, or name the folder that holds it."
        )


def _not_parsed(corpus: str, path: Path, error: Exception) -> DatasetError:
    stranger = DatasetError(
        f"`parse` of corpus {corpus!r} must return an Utterance or a reason, or raise "
        f"DatasetError, and raised {type(error).__name__}: {error} for {str(path)!r}"
    )
    stranger.__cause__ = error
    return stranger


def require_code(file_name: str, part: str, code: str, known: Collection[str]) -> None:
    """Raise `DatasetError` where a part of a file's name is none of the codes of its corpus."""
    if code not in known:
        raise DatasetError(
            f"{part} of {file_name!r} must be one of {', '.join(known)}, got {code!r}"
        )


def _by_reason(left_out: Mapping[Path, str]) -> dict[str, list[Path]]:
    return {
        reason: [path for path, other in left_out.items() if other == reason]
        for reason in dict.fromkeys(left_out.values())
    }


def _audio_files(root: Path) -> Iterator[Path]:
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


def _by_preference(path: Path) -> tuple[int, int, Path]:
    return audio.AUDIO_EXTENSIONS.index(path.suffix.lower()), len(path.parts), path


def _refused(errors: Mapping[Path, DatasetError], root: Path) -> str:
    return f"{_count(list(errors), root)} of other names; of the first: {errors[min(errors)]}"


def _count(paths: Sequence[Path], root: Path) -> str:
    """Say how many files, and name the first: ``2 files (such as 'a.wav', 'b.wav')``."""
    # repr, because a name that is not valid text cannot be written as it is.
    first = ", ".join(repr(path.relative_to(root).as_posix()) for path in sorted(paths)[:3])
    return f"{len(paths)} file{'s' if len(paths) != 1 else ''} (such as {first})"
