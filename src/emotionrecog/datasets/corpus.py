"""The types every corpus is read into: `Utterance`, and `Corpus` that makes them of a folder."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
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

    def __post_init__(self) -> None:
        """Refuse words that the library does not know."""
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
        opening the file. Returns None for a file that is part of the corpus and holds no sound,
        and raises `DatasetError` for a name that is not of the corpus.
    emotion_codes : mapping of str to str
        The corpus' own codes of emotions, and what they are among `EMOTIONS`.
    file_names : str
        How recordings are named, for error messages, with an example.
    title, licence, citation, homepage : str, optional
        What to call the corpus, what its owners allow, how they ask to be cited, where it is.
    language : str, optional
        ISO 639-1 code of the language; None where unknown or mixed.
    n_utterances : mapping of str to int, optional
        How many audio recordings the complete corpus has of each style, ``"speech"`` and
        ``"song"``.

    Examples
    --------
    A corpus of files named like ``bob_joy_1.wav``:

    >>> from emotionrecog.datasets import Corpus, Utterance
    >>> codes = {"joy": "happy", "anger": "angry"}
    >>> def parse(path):
    ...     speaker, code, _ = path.stem.split("_")
    ...     return Utterance(path, codes[code], corpus="mine", speaker=f"mine/{speaker}")
    >>> mine = Corpus(name="mine", parse=parse, emotion_codes=codes, file_names="bob_joy_1.wav")
    >>> mine.emotions
    ('happy', 'angry')
    """

    name: str
    parse: Callable[[Path], Utterance | None]
    emotion_codes: Mapping[str, str]
    file_names: str
    title: str = ""
    licence: str = ""
    citation: str = ""
    homepage: str = ""
    language: str | None = None
    n_utterances: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a label map that leads out of the library's emotions."""
        unknown = sorted(set(self.emotion_codes.values()) - set(EMOTIONS))
        if unknown:
            raise DatasetError(
                f"`emotion_codes` of corpus {self.name!r} must map to {', '.join(EMOTIONS)}, "
                f"got {', '.join(map(repr, unknown))}"
            )

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions that the corpus acts, in the order of `EMOTIONS`."""
        return tuple(e for e in EMOTIONS if e in self.emotion_codes.values())

    def utterances(self, root: str | os.PathLike[str]) -> list[Utterance]:
        """Read the recordings below a folder, however deep they lie.

        Only names are read; no file is opened. Hidden files and the ``__MACOSX`` folders of
        archives are passed over. A file whose name is not of the corpus does not stop the others:
        the library's logger, ``logging.getLogger("emotionrecog")``, warns with the number of such
        files and the first of them. Of several copies of a recording one is kept, the lossless
        one rather than the other, the one nearer to `root` rather than the deeper, and that is
        logged as well.

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
            If no recording of the corpus lies below `root`.
        """
        root = Path(root)
        files = sorted(_audio_files(root), key=_by_preference)
        utterances: list[Utterance] = []
        seen: set[str] = set()
        silent: list[Path] = []
        copies: list[Path] = []
        strangers: dict[Path, DatasetError] = {}
        for path in files:
            try:
                utterance = self.parse(path)
            except DatasetError as error:
                strangers[path] = error
                continue
            if utterance is None:
                silent.append(path)
            elif utterance.recording in seen:
                copies.append(path)
            else:
                utterances.append(utterance)
                if utterance.recording is not None:
                    seen.add(utterance.recording)
        if not utterances:
            raise DatasetError(self._nothing_found(root, silent, strangers))
        if silent:
            _logger.info("%s: skipped %s without sound", self.name, _count(silent, root))
        if copies:
            _logger.warning(
                "%s: left out %s: copies of other files", self.name, _count(copies, root)
            )
        if strangers:
            _logger.warning("%s: left out %s", self.name, _refused(strangers, root))
        return sorted(utterances, key=lambda utterance: utterance.path)

    def _nothing_found(
        self, root: Path, silent: Sequence[Path], strangers: Mapping[Path, DatasetError]
    ) -> str:
        if strangers:
            found = _refused(strangers, root)
        elif silent:
            found = f"only {_count(silent, root)} without sound"
        else:
            found = f"no file with an audio extension ({', '.join(audio.AUDIO_EXTENSIONS)})"
        return (
            f"no recording of corpus {self.name!r} in {str(root)!r}: expected files named "
            f"{self.file_names}, at any depth; found {found}. Unpack the corpus there and keep "
            f"the names its owners gave, or name the folder that holds it."
        )


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
