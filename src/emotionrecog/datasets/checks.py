"""Check whether a folder holds complete and intact corpora, by decoding every recording.

`check` detects which corpora a folder holds, and lists all differences from the files that their
owners published. A bad file does not stop the check.
"""

from __future__ import annotations

import io
import os
import stat
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotionrecog import audio, files
from emotionrecog.datasets import CORPORA, EMOTIONS, Corpus
from emotionrecog.datasets.corpus import STYLES
from emotionrecog.datasets.findings import (
    KINDS,
    KNOWN_QUIRKS,
    CorpusCheck,
    Count,
    Finding,
    FolderCheck,
    Kind,
    StyleCounts,
    channels_name,
)
from emotionrecog.errors import AudioError, DatasetError, require_one_of
from emotionrecog.parallel import reason, stream
from emotionrecog.text import count, count_with_examples, printable

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

# Recordings count as cut or padded to one length if this many, and this share, have the largest or
# the smallest duration, to the millisecond. In complete copies of RAVDESS, CREMA-D, SAVEE and TESS
# at most four do, for any speaker, sentence or emotion.
MIN_OF_ONE_LENGTH = 10

MIN_SHARE_OF_ONE_LENGTH = 0.05

# Extensions of lossless files.
LOSSLESS = frozenset({".wav", ".w64", ".flac", ".aif", ".aiff"})


def check(
    root: str | os.PathLike[str], corpus: str | Corpus | None = None, *, n_jobs: int = -1
) -> FolderCheck:
    """Check every recording of the corpora below a folder.

    Names and numbers are compared with the owners', and every recording is decoded. The check
    reports recordings that cannot be decoded or are silent, recordings under several names or
    emotions, recordings whose format differs from the others, and recordings cut or padded to one
    length. Copies of a recording (`emotionrecog.datasets.Scan.copies`) are compared with it if both
    have the same extension, or both are lossless.

    Parameters
    ----------
    root : str or path-like
        A folder that holds one corpus or several, at any depth.
    corpus : str or Corpus, optional
        The corpus in the folder: a name in `emotionrecog.datasets.CORPORA`, or another `Corpus`. By
        default it is inferred from the file names.
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
        If there is no recording of a known corpus, or none of `corpus`.
    ValueError
        If `corpus` is not the name of a corpus.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     noise = np.random.default_rng(0).uniform(-0.1, 0.1, 16000)
    ...     soundfile.write(f"{folder}/1001_IEO_ANG_HI.wav", noise, 16000)
    ...     [row.corpus for row in check(folder, "crema_d", n_jobs=1).corpora]
    ['crema_d']
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
    unexpected = set.intersection(*(set(scan.unexpected_files) for _, scan, _ in scans.values()))
    findings = [
        Finding("unreadable", (_name(Path(error.filename), root),), reason(error))
        for error in unreadable
    ]
    # The reason depends on the corpus, so it is clear only if there is one corpus.
    reasons = next(iter(scans.values()))[1].unexpected_files if len(scans) == 1 else {}
    findings += [
        Finding("unexpected_file", (_name(path, root),), str(reasons.get(path, "")))
        for path in sorted(unexpected)
    ]
    utterances = [u for _, scan, _ in scans.values() for u in scan.utterances]
    copies = [path for each, scan, _ in scans.values() for path in _to_compare(each, scan)]
    inspected = _inspect_all([*(u.path for u in utterances), *copies], n_jobs)
    usable = {u: inspected[u.path] for u in utterances if inspected[u.path].usable}
    return FolderCheck(
        root=str(root),
        corpora=tuple(_checked(*scanned, inspected, root) for scanned in scans.values()),
        findings=(*findings, *_identical(usable, root, across=True)),
    )


# --- the corpora in a folder -----------------------------------------------------------------


def _corpora(
    root: Path, paths: Sequence[Path], corpus: str | Corpus | None, unreadable: Sequence[OSError]
) -> list[Corpus]:
    """Return the corpora whose names occur, or the requested one; raise if there is none."""
    if isinstance(corpus, str):
        corpus = CORPORA[require_one_of("corpus", corpus, CORPORA)]
    candidates = list(CORPORA.values()) if corpus is None else [corpus]
    present = [each for each in candidates if any(_fits(each, path) for path in paths)]
    if present:
        return present
    if paths:
        names = [repr(_name(path, root)) for path in paths]
        files_found = count_with_examples(names, "other file")
    else:
        files_found = f"no file with an audio extension ({', '.join(audio.AUDIO_EXTENSIONS)})"
    if unreadable:
        files_found += f", and {count(len(unreadable), 'unreadable folder')} ({unreadable[0]})"
    expected = "; ".join(f"{each.name}: {each.file_names}" for each in candidates)
    which = "of a known corpus" if corpus is None else f"of corpus {corpus.name!r}"
    raise DatasetError(
        f"no recording {which} in {str(root)!r}: found {files_found}; expected files named as in "
        f"{expected}, at any depth. Keep the owners' file names"
    )


def _fits(corpus: Corpus, path: Path) -> bool:
    try:
        corpus.parse(path)
    except Exception:  # as in `Corpus.scan`: the name does not fit the corpus
        return False
    return True


def _scan(corpus: Corpus, root: Path) -> tuple[Scan, list[Finding]]:
    """Scan a folder; without the owners' tables if these are damaged."""
    try:
        return corpus.scan(root), []
    except DatasetError as error:
        return replace(corpus, complete=None).scan(root), [Finding("tables", (), str(error))]


# --- one recording --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Inspected:
    """Facts about a decoded file. If there is a problem, only the digest may be known."""

    digest: str = ""  # of the file
    samples_digest: str = ""  # of the decoded samples and their rate
    duration: float = 0.0
    sampling_rate: int = 0
    n_channels: int = 0  # 0 if only ffmpeg reads the file
    ends_in_zeros: bool = False
    silent: bool = False
    problem: str = ""

    @property
    def usable(self) -> bool:
        return not (self.problem or self.silent)


def _inspect_all(paths: Sequence[Path], n_jobs: int) -> dict[Path, _Inspected]:
    inspected = {}
    for path, answer in stream(_inspect, paths, activity="checking", n_jobs=n_jobs, unit="file"):
        if isinstance(answer, Exception):  # an error of the machine, such as a full disk
            raise answer
        inspected[path] = answer
    return inspected


def _inspect(path: Path) -> _Inspected:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would block
            return _Inspected(problem="a pipe or a device, not a file")
        content = path.read_bytes()
    except OSError as error:
        is_broken = isinstance(error, FileNotFoundError) and path.is_symlink()
        return _Inspected(problem="a broken link" if is_broken else reason(error))
    digest = files.sha256(content)
    try:
        waveform = audio.load(content)
    except AudioError as error:
        if _is_silent(content):
            return _Inspected(digest, silent=True)
        return _Inspected(digest, problem=str(error).removeprefix("the given bytes: "))
    samples = waveform.samples
    sampling_rate = waveform.sampling_rate
    return _Inspected(
        digest=digest,
        samples_digest=files.sha256(sampling_rate.to_bytes(4, "little") + samples.tobytes()),
        duration=waveform.duration,
        sampling_rate=sampling_rate,
        n_channels=_n_channels(content),
        ends_in_zeros=not samples[-sampling_rate // 100 :].any(),
    )


def _is_silent(content: bytes) -> bool:
    """Return whether a recording that cannot be used is digital silence."""
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


# --- one corpus -----------------------------------------------------------------------------------


def _checked(
    corpus: Corpus,
    scan: Scan,
    damaged: Sequence[Finding],
    all_inspected: Mapping[Path, _Inspected],
    root: Path,
) -> CorpusCheck:
    inspected = {utterance: all_inspected[utterance.path] for utterance in scan.utterances}
    usable = {u: facts for u, facts in inspected.items() if facts.usable}
    owners = _owners(corpus, scan.utterances)
    differing = list(_differing(_to_compare(corpus, scan), all_inspected, root))
    findings = [
        *_compared_with_owners(corpus, scan.utterances, root),
        *damaged,
        *_unusable(inspected, root),
        *_identical(usable, root),
        *differing,
        *_of_other_format(usable, root),
        *_of_one_length(usable, root),
        *_harmless(scan, root, {finding.names for finding in differing}),
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
        durations=tuple(facts.duration for facts in usable.values()),
        sampling_rates=dict(
            Counter(facts.sampling_rate for facts in usable.values()).most_common()
        ),
        channels=dict(Counter(facts.n_channels for facts in usable.values()).most_common()),
        findings=tuple(sorted(findings, key=lambda finding: order.index(finding.kind))),
    )


def _styles(corpus: Corpus, utterances: Iterable[Utterance]) -> list[str]:
    """Return the styles of utterances; without utterances, all styles of the corpus."""
    present = {utterance.style for utterance in utterances}
    return [style for style in STYLES if style in (present or corpus.n_utterances)]


def _owners(corpus: Corpus, utterances: Sequence[Utterance]) -> list[Utterance] | None:
    """Return the utterances of the complete corpus in the styles of the folder, if known."""
    if corpus.names is None:
        return None
    # In RAVDESS, the name of a recording is that of its file without the modality at the start.
    prefix = ""
    example = utterances[0] if utterances else None
    if example and example.recording and example.recording in example.path.stem:
        prefix = example.path.stem.partition(example.recording)[0]
    owners = []
    for style in _styles(corpus, utterances):
        for name in corpus.names(style):
            try:
                parsed = corpus.parse(Path(f"{prefix}{name}.wav"))
            except DatasetError:
                return None
            if isinstance(parsed, str) or parsed.recording != name:
                return None
            owners.append(parsed)
    return owners


def _counts(
    corpus: Corpus, style: str, present: Sequence[Utterance], owners: Sequence[Utterance] | None
) -> StyleCounts:
    def of_each(field: str) -> dict[str, Count]:
        here = Counter(getattr(utterance, field) for utterance in present)
        complete = Counter(getattr(utterance, field) for utterance in owners or ())
        return {
            value: Count(here[value], None if owners is None else complete[value])
            for value in sorted(
                {*here, *complete}, key=EMOTIONS.index if field == "emotion" else None
            )
        }

    n_speakers = len({utterance.speaker for utterance in present})
    return StyleCounts(
        recordings=Count(len(present), corpus.n_utterances.get(style)),
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


def _unusable(inspected: Mapping[Utterance, _Inspected], root: Path) -> Iterator[Finding]:
    for utterance, facts in inspected.items():
        if facts.problem:
            yield Finding("undecodable", (_name(utterance.path, root),), facts.problem)
        elif facts.silent:
            yield Finding("silent", (_name(utterance.path, root),))


def _identical(
    usable: Mapping[Utterance, _Inspected], root: Path, *, across: bool = False
) -> Iterator[Finding]:
    """Yield groups of files of one recording; with `across`, only groups in several corpora."""
    groups: dict[str, list[Utterance]] = defaultdict(list)
    for utterance, facts in usable.items():  # equal bytes have equal samples
        groups[facts.samples_digest].append(utterance)
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
    """Return the copies that can be compared with the kept file, each with that file."""
    kept = {u.recording: u.path for u in scan.utterances}
    pairs = {}
    for path in scan.copies:
        parsed = corpus.parse(path)
        original = kept.get(parsed.recording) if not isinstance(parsed, str) else None
        if original is not None:
            extensions = {original.suffix.lower(), path.suffix.lower()}
            if len(extensions) == 1 or extensions <= LOSSLESS:
                pairs[path] = original
    return pairs


def _differing(
    copies: Mapping[Path, Path], inspected: Mapping[Path, _Inspected], root: Path
) -> Iterator[Finding]:
    for path in sorted(copies):
        copy, kept = inspected[path], inspected[copies[path]]
        if copy.digest and copy.digest == kept.digest:
            continue
        if copy.problem:
            detail = copy.problem
        elif kept.problem:
            detail = f"can be used, unlike {printable(_name(copies[path], root))}"
        elif (copy.silent, copy.samples_digest) != (kept.silent, kept.samples_digest):
            detail = f"samples differ from {printable(_name(copies[path], root))}"
        else:
            continue
        yield Finding("differs", (_name(path, root),), detail)


def _of_other_format(usable: Mapping[Utterance, _Inspected], root: Path) -> Iterator[Finding]:
    rates = Counter(facts.sampling_rate for facts in usable.values())
    channels = Counter(facts.n_channels for facts in usable.values() if facts.n_channels)
    for utterance, facts in usable.items():
        name = (_name(utterance.path, root),)
        if facts.n_channels and facts.n_channels != channels.most_common(1)[0][0]:
            yield Finding("channels", name, channels_name(facts.n_channels))
        if facts.sampling_rate != rates.most_common(1)[0][0]:
            yield Finding("sampling_rate", name, f"{facts.sampling_rate} Hz")


def _of_one_length(usable: Mapping[Utterance, _Inspected], root: Path) -> Iterator[Finding]:
    lengths = {utterance: round(facts.duration, 3) for utterance, facts in usable.items()}
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
            f"{which} {bound:.3f} s long, {n_zeros} of them with zeros at the end",
        )


def _harmless(scan: Scan, root: Path, differing: set[tuple[str, ...]]) -> Iterator[Finding]:
    for path, why in sorted(scan.left_out.items()):
        yield Finding("left_out", (_name(path, root),), why)
    for path in sorted(scan.copies):
        if (name := (_name(path, root),)) not in differing:
            yield Finding("copy", name)
    for utterance in scan.utterances:
        if utterance.path.is_symlink():
            yield Finding("link", (_name(utterance.path, root),))


def _name(path: Path, root: Path) -> str:
    return files.relative_name(path, root)
