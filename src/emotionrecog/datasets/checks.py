"""Whether a folder holds the corpora it should: every recording is decoded and compared.

`check` finds out by itself which corpora a folder holds, and lists what differs from what their
owners published. One bad file never stops the rest.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import joblib
import numpy as np
from tqdm import tqdm

from emotionrecog import audio
from emotionrecog.datasets import CORPORA, EMOTIONS, Corpus
from emotionrecog.errors import AudioError, DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from emotionrecog.datasets import Scan, Utterance

__all__ = [
    "KINDS",
    "KNOWN_QUIRKS",
    "CorpusCheck",
    "Count",
    "Finding",
    "FolderCheck",
    "Kind",
    "StyleCounts",
    "check",
]


class Kind(NamedTuple):
    """What a kind of finding means, and whether it is a problem or merely worth knowing."""

    meaning: str
    problem: bool


KINDS: Mapping[str, Kind] = {
    "missing": Kind("recordings that are missing", True),
    "extra": Kind("recordings that the owners do not list", True),
    "number": Kind("numbers of recordings that differ from the owners'", True),
    "stranger": Kind("files whose names do not fit", True),
    "unreadable": Kind("folders that cannot be read", True),
    "tables": Kind("damaged tables of the owners", True),
    "undecodable": Kind("recordings that cannot be used", True),
    "silent": Kind("digital silence", True),
    "labels": Kind("one recording under different emotions", True),
    "identical": Kind("one recording under several names", True),
    "differs": Kind("further files of a recording that differ from it", True),
    "channels": Kind("recordings with another number of channels than most", True),
    "sampling_rate": Kind("recordings with another sampling rate than most", True),
    "one_length": Kind("recordings cut or padded to one length", True),
    "absent": Kind("parts of the corpus that are not here", False),
    "left_out": Kind("files of the corpus that are not used", False),
    "copy": Kind("further files of recordings that are here", False),
    "link": Kind("symbolic links", False),
}
"""What is looked for, in the order of the table."""

KNOWN_QUIRKS: Mapping[str, Mapping[str, frozenset[frozenset[str]]]] = {
    "ravdess": {
        "identical": frozenset({frozenset({"01-03-01-02-01-07", "01-03-01-02-02-07"})}),
        "channels": frozenset(
            frozenset({name})
            for name in (
                *("01-02-01-01-02-01", "01-08-01-02-02-01", "01-02-01-02-02-05"),
                *("01-03-01-02-01-20", "01-06-01-01-02-20", "02-01-01-01-01-24"),
            )
        ),
    },
    "crema_d": {
        "silent": frozenset({frozenset({"1076_MTI_SAD_XX"})}),
        "labels": frozenset(
            {
                frozenset({"1006_TIE_HAP_XX", "1006_TIE_NEU_XX"}),
                frozenset({"1013_WSI_DIS_XX", "1013_WSI_SAD_XX"}),
                frozenset({"1017_IWW_ANG_XX", "1017_IWW_FEA_XX"}),
            }
        ),
    },
    "tess": {"sampling_rate": frozenset({frozenset({"OAF_food_fear"})})},
}
"""What the owners' own files are known to have: the recordings, by corpus and kind of finding."""

# Recordings are cut or padded to one length where this many, and this share, are as long as the
# longest or as short as the shortest, to the millisecond. In complete copies of RAVDESS, CREMA-D,
# SAVEE and TESS no more than four are, of any one speaker, sentence or emotion.
MIN_OF_ONE_LENGTH = 10
MIN_SHARE_OF_ONE_LENGTH = 0.05

# Extensions of files that hold the samples as they were.
LOSSLESS = frozenset({".wav", ".w64", ".flac", ".aif", ".aiff"})

# How much of a long list the table shows.
N_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Count:
    """How many recordings there are.

    Parameters
    ----------
    found : int
        In the folder.
    owners : int or None
        In the complete corpus; None where that is not known.
    """

    found: int
    owners: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleCounts:
    """How many recordings there are of one style.

    Parameters
    ----------
    recordings : Count
        Of all.
    n_speakers : Count
        How many speakers are heard in them.
    emotions, speakers : mapping of str to Count
        How many recordings there are of each.
    """

    recordings: Count
    n_speakers: Count
    emotions: Mapping[str, Count]
    speakers: Mapping[str, Count]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    names : tuple of str
        The file, relative to the folder that was checked, or the files that are one recording. Of
        kind ``"missing"``: the corpus' name of the recording, without extension.
    detail : str
        What was expected and found, where `kind` does not say it.
    known : bool
        Whether it is so in the owners' own files.
    """

    kind: str
    names: tuple[str, ...]
    detail: str = ""
    known: bool = False

    @property
    def unexpected(self) -> bool:
        """Whether it is a problem that the owners' own files do not have."""
        return KINDS[self.kind].problem and not self.known


@dataclass(frozen=True, kw_only=True)
class CorpusCheck:
    """What was found of one corpus.

    Parameters
    ----------
    corpus, title, licence : str
        As in `emotionrecog.datasets.Corpus`.
    counts : mapping of str to StyleCounts
        How many recordings there are of each style, ``"speech"`` and ``"song"``.
    utterances : tuple of Utterance
        The recordings that could be used.
    durations : tuple of float
        Of each of them, in s.
    sampling_rates, channels : mapping of int to int
        How many of them have each sampling rate, in Hz, and each number of channels.
    findings : tuple of Finding
        In the order of `KINDS`.
    """

    corpus: str
    title: str
    licence: str
    counts: Mapping[str, StyleCounts]
    utterances: tuple[Utterance, ...]
    durations: tuple[float, ...]
    sampling_rates: Mapping[int, int]
    channels: Mapping[int, int]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing unexpected was found."""
        return not any(finding.unexpected for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the utterances, ready for JSON, with complete lists."""
        durations = {
            "total": sum(self.durations),
            "shortest": min(self.durations, default=None),
            "median": median(self.durations) if self.durations else None,
            "longest": max(self.durations, default=None),
        }
        return {
            "corpus": self.corpus,
            "title": self.title,
            "licence": self.licence,
            "ok": self.ok,
            "counts": {style: asdict(counts) for style, counts in self.counts.items()},
            "duration_s": durations,
            "sampling_rates": {str(rate): n for rate, n in self.sampling_rates.items()},
            "channels": {str(number): n for number, n in self.channels.items()},
            "findings": [asdict(finding) for finding in self.findings],
        }

    def __str__(self) -> str:
        """Lay it out as a table, with long lists cut short."""
        title = f"{self.title or self.corpus} ({self.licence or 'licence not stated'})"
        lines = [title, "", f"  {'':<16}{'found':>8}{'owners':>8}"]
        for style, counts in self.counts.items():
            rows = {style: counts.recordings, "  speakers": counts.n_speakers}
            rows |= {f"  {emotion}": count for emotion, count in counts.emotions.items()}
            for name, count in rows.items():
                owners = "-" if count.owners is None else count.owners
                lines.append(f"  {name:<16}{count.found:>8}{owners:>8}")
        lines += ["", *self._format_lines(), *self._speaker_lines(), *_lists(self.findings)]
        return "\n".join(lines).rstrip()

    def _format_lines(self) -> Iterator[str]:
        if self.durations:
            yield (
                f"  {sum(self.durations) / 3600:.2f} h; a recording lasts "
                f"{min(self.durations):.2f} to {max(self.durations):.2f} s, "
                f"median {median(self.durations):.2f} s"
            )
            rates = (f"{rate} Hz ({n})" for rate, n in self.sampling_rates.items())
            channels = (f"{_channels(number)} ({n})" for number, n in self.channels.items())
            yield f"  {', '.join(rates)}; {', '.join(channels)}"

    def _speaker_lines(self) -> Iterator[str]:
        for style, counts in self.counts.items():
            differing = [
                f"{speaker} ({count.found} of {count.owners})"
                for speaker, count in counts.speakers.items()
                if count.owners not in (None, count.found)
            ]
            if differing:
                yield f"  {style} is not all there of {_shortened(differing, ', ')}"


@dataclass(frozen=True, kw_only=True)
class FolderCheck:
    """What was found in a folder.

    Parameters
    ----------
    root : str
        The folder.
    corpora : tuple of CorpusCheck
        Each corpus in it.
    findings : tuple of Finding
        What belongs to no corpus, and recordings that several corpora have.

    Examples
    --------
    >>> import tempfile
    >>> import numpy, soundfile
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import checks
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     noise = numpy.random.default_rng(0).uniform(-0.1, 0.1, 16000)
    ...     soundfile.write(Path(folder, "1001_IEO_ANG_HI.wav"), noise, 16000)
    ...     soundfile.write(Path(folder, "1001_IEO_ANG_LO.wav"), 0 * noise, 16000)
    ...     checked = checks.check(folder)
    >>> [(corpus.corpus, corpus.counts["speech"].recordings.found) for corpus in checked.corpora]
    [('crema_d', 2)]
    >>> [finding.names for finding in checked.corpora[0].findings if finding.kind == "silent"]
    [('1001_IEO_ANG_LO.wav',)]
    >>> checked.ok
    False
    """

    root: str
    corpora: tuple[CorpusCheck, ...]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing unexpected was found."""
        return all(corpus.ok for corpus in self.corpora) and not any(
            finding.unexpected for finding in self.findings
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the utterances, ready for JSON, with complete lists."""
        return {
            "root": self.root,
            "ok": self.ok,
            "corpora": [corpus.to_dict() for corpus in self.corpora],
            "findings": [asdict(finding) for finding in self.findings],
        }

    def __str__(self) -> str:
        """Lay it out as tables, with long lists cut short."""
        blocks = [str(corpus) for corpus in self.corpora]
        shared = [finding for finding in self.findings if finding.kind in ("labels", "identical")]
        others = [finding for finding in self.findings if finding not in shared]
        for title, own in (("Across corpora", shared), ("Of no corpus", others)):
            if own:
                blocks.append("\n".join([title, *_lists(own)]).rstrip())
        findings = [*self.findings, *(f for corpus in self.corpora for f in corpus.findings)]
        n = sum(finding.unexpected for finding in findings)
        blocks.append(f"{n} unexpected findings" if n > 1 else f"{n or 'no'} unexpected finding")
        return "\n\n".join(blocks)


def check(
    root: str | os.PathLike[str], corpus: str | Corpus | None = None, *, n_jobs: int = -1
) -> FolderCheck:
    """Look at every recording of the corpora below a folder.

    Names and numbers are compared with the owners', and every recording is decoded: which cannot
    be, which are silent, which are one recording under several names or emotions, which differ in
    their format from the others, whether all were cut or padded to one length. Further files of a
    recording that is there (`emotionrecog.datasets.Scan.copies`) are compared with it where that
    can tell: if both have the same extension, or both are lossless.

    Parameters
    ----------
    root : str or path-like
        A folder that holds one corpus or several, at any depth.
    corpus : str or Corpus, optional
        What it holds: a name in `emotionrecog.datasets.CORPORA`, or a corpus of your own. By
        default the names of the files tell.
    n_jobs : int, optional
        Number of threads, as joblib counts them; by default one on each core.

    Returns
    -------
    FolderCheck
        A `CorpusCheck` for each corpus, in the order of `emotionrecog.datasets.CORPORA`.

    Raises
    ------
    FileNotFoundError
        If `root` does not exist.
    NotADirectoryError
        If `root` is not a folder.
    DatasetError
        If there is no recording of a known corpus, or none of `corpus`; if `corpus` is no name of
        a corpus.
    """
    root = Path(root)
    if not root.exists():
        raise FileNotFoundError(f"no such folder: {str(root)!r}; name the one to check")
    if not root.is_dir():
        raise NotADirectoryError(
            f"expected a folder to check, got a file: {str(root)!r}; if it is an archive, "
            "unpack it first"
        )
    unreadable: list[OSError] = []
    paths = sorted(audio.find(root, on_error=unreadable.append))
    scans: dict[str, tuple[Corpus, Scan, list[Finding]]] = {}
    for candidate in _corpora(root, paths, corpus, unreadable):
        scan, damaged = _scan(candidate, root)
        scans[candidate.name] = candidate, scan, damaged
    strangers = set.intersection(*(set(scan.strangers) for _, scan, _ in scans.values()))
    findings = [
        Finding("unreadable", (_name(Path(error.filename), root),), error.strerror or str(error))
        for error in unreadable
    ]
    # What is wrong with a name, only its corpus can say, so there must be no other.
    reasons = next(iter(scans.values()))[1].strangers if len(scans) == 1 else {}
    findings += [
        Finding("stranger", (_name(path, root),), str(reasons.get(path, "")))
        for path in sorted(strangers)
    ]
    utterances = [u for _, scan, _ in scans.values() for u in scan.utterances]
    copies = [path for own, scan, _ in scans.values() for path in _to_compare(own, scan)]
    seen = _look_at_all([*(u.path for u in utterances), *copies], n_jobs)
    usable = {u: seen[u.path] for u in utterances if seen[u.path].usable}
    return FolderCheck(
        root=str(root),
        corpora=tuple(_checked(*scanned, seen, root) for scanned in scans.values()),
        findings=(*findings, *_identical(usable, root, across=True)),
    )


# --- which corpora a folder holds ----------------------------------------------------------------


def _corpora(
    root: Path, paths: Sequence[Path], wanted: str | Corpus | None, unreadable: Sequence[OSError]
) -> list[Corpus]:
    """Return the corpora that the names are of, or the wanted one; raise where there is none."""
    if isinstance(wanted, str):
        if wanted not in CORPORA:
            raise DatasetError(
                f"`corpus` must be one of {', '.join(CORPORA)} or a Corpus, got {wanted!r}"
            )
        wanted = CORPORA[wanted]
    candidates = list(CORPORA.values()) if wanted is None else [wanted]
    present = [corpus for corpus in candidates if any(_fits(corpus, path) for path in paths)]
    if present:
        return present
    if paths:
        names = ", ".join(repr(_name(path, root)) for path in paths[:3])
        found = f"{len(paths)} other file{'s' if len(paths) > 1 else ''} (such as {names})"
    else:
        found = f"no file with an audio extension ({', '.join(audio.AUDIO_EXTENSIONS)})"
    if unreadable:
        found += f", and {len(unreadable)} folders that cannot be read ({unreadable[0]})"
    expected = "; ".join(f"{corpus.name}: {corpus.file_names}" for corpus in candidates)
    which = "of a known corpus" if wanted is None else f"of corpus {wanted.name!r}"
    raise DatasetError(
        f"no recording {which} in {str(root)!r}: found {found}; expected files named as in "
        f"{expected}, at any depth. Keep the names that the owners gave"
    )


def _fits(corpus: Corpus, path: Path) -> bool:
    try:
        corpus.parse(path)
    except Exception:  # as `Corpus.scan` takes it, a name that is not of the corpus
        return False
    return True


def _scan(corpus: Corpus, root: Path) -> tuple[Scan, list[Finding]]:
    """Scan a folder; without the tables of the owners where these are damaged."""
    try:
        return corpus.scan(root), []
    except DatasetError as error:
        return replace(corpus, complete=None).scan(root), [Finding("tables", (), str(error))]


# --- one recording -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Seen:
    """What decoding a file told. Where there is a problem, only the digest may be known."""

    digest: bytes = b""  # of the file
    samples_digest: bytes = b""  # of the decoded samples and their rate
    duration: float = 0.0
    sampling_rate: int = 0
    n_channels: int = 0  # 0 where only ffmpeg reads the file
    ends_in_zeros: bool = False
    silent: bool = False
    problem: str = ""

    @property
    def usable(self) -> bool:
        return not (self.problem or self.silent)


def _look_at_all(paths: Sequence[Path], n_jobs: int) -> dict[Path, _Seen]:
    # Threads, because nearly all of the time is spent where Python's lock is released.
    with joblib.Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator") as parallel:
        seen = parallel(joblib.delayed(_look_at)(path) for path in paths)
        bar = tqdm(seen, total=len(paths), unit="file", disable=None, leave=False)
        return dict(zip(paths, bar, strict=True))


def _look_at(path: Path) -> _Seen:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
            return _Seen(problem="a pipe or a device, no file")
        content = path.read_bytes()
    except OSError as error:
        lost = isinstance(error, FileNotFoundError) and path.is_symlink()
        return _Seen(problem="a link to nothing" if lost else error.strerror or str(error))
    digest = hashlib.sha256(content).digest()
    try:
        waveform = audio.load(content)
    except AudioError as error:
        if _is_silent(content):
            return _Seen(digest, silent=True)
        return _Seen(digest, problem=str(error).removeprefix("the given bytes: "))
    samples = waveform.samples
    sampling_rate = waveform.sampling_rate
    heard = hashlib.sha256(sampling_rate.to_bytes(4, "little"))
    heard.update(samples.data)
    return _Seen(
        digest=digest,
        samples_digest=heard.digest(),
        duration=waveform.duration,
        sampling_rate=sampling_rate,
        n_channels=_n_channels(content),
        ends_in_zeros=not samples[-sampling_rate // 100 :].any(),
    )


def _is_silent(content: bytes) -> bool:
    """Whether a recording that cannot be used can be decoded, and is nothing but silence."""
    import soundfile

    try:
        frames, _ = soundfile.read(io.BytesIO(content), dtype="float32")
    except soundfile.LibsndfileError:
        return False
    return frames.size > 0 and bool(np.ptp(frames) < audio.SILENT_RANGE)


def _n_channels(content: bytes) -> int:
    import soundfile

    try:
        return int(soundfile.info(io.BytesIO(content)).channels)
    except soundfile.LibsndfileError:
        return 0


# --- one corpus ----------------------------------------------------------------------------------


def _checked(
    corpus: Corpus,
    scan: Scan,
    damaged: Sequence[Finding],
    all_seen: Mapping[Path, _Seen],
    root: Path,
) -> CorpusCheck:
    seen = {utterance: all_seen[utterance.path] for utterance in scan.utterances}
    usable = {u: s for u, s in seen.items() if s.usable}
    owners = _owners(corpus, scan.utterances)
    differing = list(_differing(_to_compare(corpus, scan), all_seen, root))
    findings = [
        *_compared_with_owners(corpus, scan.utterances, root),
        *damaged,
        *_unusable(seen, root),
        *_identical(usable, root),
        *differing,
        *_of_other_format(usable, root),
        *_of_one_length(usable, root),
        *_asides(scan, root, {finding.names for finding in differing}),
    ]
    known = KNOWN_QUIRKS.get(corpus.name, {})
    recording_of = {_name(u.path, root): u.recording for u in scan.utterances}
    findings = [
        replace(finding, known=True)
        if frozenset(map(recording_of.get, finding.names)) in known.get(finding.kind, ())
        else finding
        for finding in findings
    ]
    order = list(KINDS)
    return CorpusCheck(
        corpus=corpus.name,
        title=corpus.title,
        licence=corpus.licence,
        counts={
            style: _counts(
                corpus,
                style,
                [u for u in scan.utterances if u.style == style],
                None if owners is None else [u for u in owners if u.style == style],
            )
            for style in _styles(corpus, scan.utterances)
        },
        utterances=tuple(usable),
        durations=tuple(s.duration for s in usable.values()),
        sampling_rates=dict(Counter(s.sampling_rate for s in usable.values()).most_common()),
        channels=dict(Counter(s.n_channels for s in usable.values()).most_common()),
        findings=tuple(sorted(findings, key=lambda finding: order.index(finding.kind))),
    )


def _styles(corpus: Corpus, utterances: Iterable[Utterance]) -> list[str]:
    """Return the styles that are there; where none is, all that the corpus has."""
    found = {utterance.style for utterance in utterances}
    return [style for style in ("speech", "song") if style in (found or corpus.n_utterances)]


def _owners(corpus: Corpus, utterances: Sequence[Utterance]) -> list[Utterance] | None:
    """Describe what the complete corpus has of the styles that are there, where that is known."""
    if corpus.names is None:
        return None
    # The name of a recording of RAVDESS is that of a file without what comes first, the modality.
    first = utterances[0] if utterances else None
    prefix = ""
    if first and first.recording and first.recording in first.path.stem:
        prefix = first.path.stem.partition(first.recording)[0]
    owners = []
    for style in _styles(corpus, utterances):
        for name in corpus.names(style):
            try:
                described = corpus.parse(Path(f"{prefix}{name}.wav"))
            except DatasetError:
                return None
            if isinstance(described, str) or described.recording != name:
                return None
            owners.append(described)
    return owners


def _counts(
    corpus: Corpus, style: str, found: Sequence[Utterance], owners: Sequence[Utterance] | None
) -> StyleCounts:
    def of_each(field: str) -> dict[str, Count]:
        here = Counter(getattr(utterance, field) for utterance in found)
        complete = Counter(getattr(utterance, field) for utterance in owners or ())
        return {
            value: Count(here[value], None if owners is None else complete[value])
            for value in sorted(
                {*here, *complete}, key=EMOTIONS.index if field == "emotion" else None
            )
        }

    n_speakers = len({utterance.speaker for utterance in found})
    return StyleCounts(
        recordings=Count(len(found), corpus.n_utterances.get(style)),
        n_speakers=Count(n_speakers, corpus.n_speakers.get(style)),
        emotions=of_each("emotion"),
        speakers=of_each("speaker"),
    )


def _compared_with_owners(
    corpus: Corpus, utterances: Sequence[Utterance], root: Path
) -> Iterator[Finding]:
    styles = _styles(corpus, utterances)
    for style, n_owners in corpus.n_utterances.items():
        here = {u.path: u.recording for u in utterances if u.style == style}
        if style not in styles:
            yield Finding("absent", (), f"{style}: none of {n_owners} recordings")
        elif corpus.names is not None:
            names = corpus.names(style)
            for name in sorted(names.difference(here.values())):
                yield Finding("missing", (name,))
            for path in sorted(path for path, name in here.items() if name not in names):
                yield Finding("extra", (_name(path, root),))
        elif len(here) != n_owners:
            yield Finding("number", (), f"{style}: expected {n_owners}, found {len(here)}")


def _unusable(seen: Mapping[Utterance, _Seen], root: Path) -> Iterator[Finding]:
    for utterance, what in seen.items():
        if what.problem:
            yield Finding("undecodable", (_name(utterance.path, root),), what.problem)
        elif what.silent:
            yield Finding("silent", (_name(utterance.path, root),))


def _identical(
    usable: Mapping[Utterance, _Seen], root: Path, *, across: bool = False
) -> Iterator[Finding]:
    """Yield what is one recording; with `across`, only what is of more than one corpus."""
    groups: dict[bytes, list[Utterance]] = defaultdict(list)
    for utterance, what in usable.items():  # equal bytes have equal samples
        groups[what.samples_digest].append(utterance)
    for group in groups.values():
        if len({u.path for u in group}) == 1 or (across and len({u.corpus for u in group}) == 1):
            continue
        emotions = [e for e in EMOTIONS if any(u.emotion == e for u in group)]
        equal = "bytes" if len({usable[u].digest for u in group}) == 1 else "samples"
        yield Finding(
            "identical" if len(emotions) == 1 else "labels",
            tuple(_name(utterance.path, root) for utterance in group),
            f"{', '.join(emotions)}; equal {equal}",
        )


def _to_compare(corpus: Corpus, scan: Scan) -> dict[Path, Path]:
    """Return the copies that can be compared with the file that was kept, and that file."""
    kept = {u.recording: u.path for u in scan.utterances}
    pairs = {}
    for path in scan.copies:
        copied = corpus.parse(path)
        one = kept.get(copied.recording) if not isinstance(copied, str) else None
        if one is not None:
            extensions = {one.suffix.lower(), path.suffix.lower()}
            if len(extensions) == 1 or extensions <= LOSSLESS:
                pairs[path] = one
    return pairs


def _differing(
    copies: Mapping[Path, Path], seen: Mapping[Path, _Seen], root: Path
) -> Iterator[Finding]:
    for path in sorted(copies):
        copied, kept = seen[path], seen[copies[path]]
        if copied.digest and copied.digest == kept.digest:
            continue
        if copied.problem:
            detail = copied.problem
        elif kept.problem:
            detail = f"can be used, unlike {_printable(_name(copies[path], root))}"
        elif (copied.silent, copied.samples_digest) != (kept.silent, kept.samples_digest):
            detail = f"other samples than {_printable(_name(copies[path], root))}"
        else:
            continue
        yield Finding("differs", (_name(path, root),), detail)


def _of_other_format(usable: Mapping[Utterance, _Seen], root: Path) -> Iterator[Finding]:
    rates = Counter(what.sampling_rate for what in usable.values())
    channels = Counter(what.n_channels for what in usable.values() if what.n_channels)
    for utterance, what in usable.items():
        name = (_name(utterance.path, root),)
        if what.n_channels and what.n_channels != channels.most_common(1)[0][0]:
            yield Finding("channels", name, _channels(what.n_channels))
        if what.sampling_rate != rates.most_common(1)[0][0]:
            yield Finding("sampling_rate", name, f"{what.sampling_rate} Hz")


def _of_one_length(usable: Mapping[Utterance, _Seen], root: Path) -> Iterator[Finding]:
    lengths = {utterance: round(what.duration, 3) for utterance, what in usable.items()}
    enough = max(MIN_OF_ONE_LENGTH, MIN_SHARE_OF_ONE_LENGTH * len(lengths))
    bounds = {min(lengths.values()), max(lengths.values())} if lengths else set()
    for bound in sorted(bounds):
        group = [utterance for utterance, length in lengths.items() if length == bound]
        if len(group) < enough:
            continue
        n_zeros = sum(usable[utterance].ends_in_zeros for utterance in group)
        which = "all are" if len(bounds) == 1 else f"{len(group)} of {len(lengths)} are"
        yield Finding(
            "one_length",
            tuple(_name(utterance.path, root) for utterance in group),
            f"{which} {bound:.3f} s long, {n_zeros} of them end in zeros",
        )


def _asides(scan: Scan, root: Path, no_copies: set[tuple[str, ...]]) -> Iterator[Finding]:
    for path, reason in sorted(scan.left_out.items()):
        yield Finding("left_out", (_name(path, root),), reason)
    for path in sorted(scan.copies):
        if (name := (_name(path, root),)) not in no_copies:
            yield Finding("copy", name)
    for utterance in scan.utterances:
        if utterance.path.is_symlink():
            yield Finding("link", (_name(utterance.path, root),))


# --- words ---------------------------------------------------------------------------------------


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _channels(number: int) -> str:
    return {0: "unknown channels", 1: "mono", 2: "stereo"}.get(number, f"{number} channels")


def _lists(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines that list findings: problems, then known quirks, then what is no problem."""
    problems = [finding for finding in findings if finding.unexpected]
    quirks = [finding for finding in findings if finding.known]
    asides = [finding for finding in findings if not (finding.known or finding.unexpected)]
    for mark, group in (
        ("", problems),
        (", as in the owners' own files", quirks),
        (", which is no problem", asides),
    ):
        for kind in KINDS:
            listed = [finding for finding in group if finding.kind == kind]
            if listed:
                yield ""
                yield f"  {KINDS[kind].meaning}{mark}: {len(listed)}"
                yield from (f"    {line}" for line in _cut([_line(f) for f in listed]))


def _line(finding: Finding) -> str:
    names = _shortened([_printable(name) for name in finding.names], " = ")
    return ": ".join(filter(None, (names, " ".join(finding.detail.splitlines()))))


def _printable(name: str) -> str:
    """Quote a name that would break the line or command the terminal."""
    return name if name.isprintable() else repr(name)


def _cut(lines: Sequence[str]) -> list[str]:
    n_more = len(lines) - N_SHOWN
    return [*lines[:N_SHOWN], f"and {n_more} more"] if n_more > 1 else list(lines)


def _shortened(words: Sequence[str], separator: str) -> str:
    return separator.join(_cut(words))
