"""Hold and print the findings of a check of corpora."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from emotionrecog.text import count, listing, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from emotionrecog.datasets import Utterance

__all__ = [
    "KINDS",
    "KNOWN_QUIRKS",
    "CorpusCheck",
    "Count",
    "Finding",
    "FolderCheck",
    "Kind",
    "StyleCounts",
    "channels_name",
]


class Kind(NamedTuple):
    """The meaning of a kind of finding, and whether it is a problem or only worth knowing.

    Examples
    --------
    >>> KINDS["silent"].problem
    True
    """

    meaning: str
    problem: bool


KINDS: Mapping[str, Kind] = {
    "missing": Kind("recordings that are missing", True),
    "extra": Kind("recordings that the owners do not list", True),
    "number": Kind("numbers of recordings that differ from the owners'", True),
    "unexpected_file": Kind("files whose names do not fit", True),
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
"""The kinds of findings, in the order of the table."""


KNOWN_QUIRKS: Mapping[str, Mapping[str, frozenset[frozenset[str]]]] = {
    "ravdess": {
        "identical": frozenset({frozenset({"01-03-01-02-01-07", "01-03-01-02-02-07"})}),
        "channels": frozenset(
            frozenset({name})
            for name in (
                "01-02-01-01-02-01",
                "01-08-01-02-02-01",
                "01-02-01-02-02-05",
                "01-03-01-02-01-20",
                "01-06-01-01-02-20",
                "02-01-01-01-01-24",
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
"""Recordings with known findings in the owners' files, by corpus and kind of finding."""


# Number of lines of a long list that the table shows.
N_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Count:
    """The number of recordings in a folder and in the complete corpus.

    Parameters
    ----------
    found : int
        Number in the folder.
    owners : int or None
        Number in the complete corpus; None if unknown.

    Examples
    --------
    >>> Count(found=479, owners=480).found
    479
    """

    found: int
    owners: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleCounts:
    """The numbers of recordings of one style.

    Parameters
    ----------
    recordings : Count
        Number of all recordings.
    n_speakers : Count
        Number of their speakers.
    emotions, speakers : mapping of str to Count
        Number of recordings of each emotion and of each speaker.
    """

    recordings: Count
    n_speakers: Count
    emotions: Mapping[str, Count]
    speakers: Mapping[str, Count]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of a check.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    names : tuple of str
        The file, or all files of one recording, relative to the checked folder. For kind
        ``"missing"``, the corpus' name of the recording, without extension.
    detail : str
        The expected and the actual value, if `kind` does not imply them.
    known : bool
        Whether the owners' files have it too.

    Examples
    --------
    >>> Finding("silent", ("clip.wav",)).unexpected
    True
    """

    kind: str
    names: tuple[str, ...]
    detail: str = ""
    known: bool = False

    @property
    def unexpected(self) -> bool:
        """Whether the finding is a problem that the owners' files do not have."""
        return KINDS[self.kind].problem and not self.known


@dataclass(frozen=True, kw_only=True)
class CorpusCheck:
    """The result of a check for one corpus.

    Parameters
    ----------
    corpus, title, licence : str
        As in `emotionrecog.datasets.Corpus`.
    counts : mapping of str to StyleCounts
        Numbers of recordings of each style, ``"speech"`` and ``"song"``.
    utterances : tuple of Utterance
        The recordings that can be used.
    durations : tuple of float
        Duration of each of them in s.
    sampling_rates, channels : mapping of int to int
        Number of them for each sampling rate, in Hz, and for each number of channels.
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
        """Return the result without the utterances, ready for JSON, with complete lists."""
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
        """Return the result as a table, with long lists shortened."""
        title = f"{self.title or self.corpus} ({self.licence or 'licence not stated'})"
        lines = [title, "", f"  {'':<16}{'found':>8}{'owners':>8}"]
        for style, counts in self.counts.items():
            rows = {style: counts.recordings, "  speakers": counts.n_speakers}
            rows |= {f"  {emotion}": number for emotion, number in counts.emotions.items()}
            for name, number in rows.items():
                owners = "-" if number.owners is None else number.owners
                lines.append(f"  {name:<16}{number.found:>8}{owners:>8}")
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
            channels = (f"{channels_name(number)} ({n})" for number, n in self.channels.items())
            yield f"  {', '.join(rates)}; {', '.join(channels)}"

    def _speaker_lines(self) -> Iterator[str]:
        for style, counts in self.counts.items():
            differing = [
                f"{speaker} ({number.found} of {number.owners})"
                for speaker, number in counts.speakers.items()
                if number.owners not in (None, number.found)
            ]
            if differing:
                yield f"  {style} is incomplete for {listing(differing)}"


@dataclass(frozen=True, kw_only=True)
class FolderCheck:
    """The result of a check of a folder.

    Parameters
    ----------
    root : str
        The folder.
    corpora : tuple of CorpusCheck
        The result for each corpus in it.
    findings : tuple of Finding
        Findings that belong to no corpus, and recordings in several corpora.

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
        """Return the result without the utterances, ready for JSON, with complete lists.

        Examples
        --------
        >>> sorted(FolderCheck(root="corpora", corpora=(), findings=()).to_dict())
        ['corpora', 'findings', 'ok', 'root']
        """
        return {
            "root": self.root,
            "ok": self.ok,
            "corpora": [corpus.to_dict() for corpus in self.corpora],
            "findings": [asdict(finding) for finding in self.findings],
        }

    def __str__(self) -> str:
        """Return the result as tables, with long lists shortened."""
        blocks = [str(corpus) for corpus in self.corpora]
        shared = [finding for finding in self.findings if finding.kind in ("labels", "identical")]
        others = [finding for finding in self.findings if finding not in shared]
        for title, group in (("Across corpora", shared), ("Of no corpus", others)):
            if group:
                blocks.append("\n".join([title, *_lists(group)]).rstrip())
        findings = [*self.findings, *(f for corpus in self.corpora for f in corpus.findings)]
        n = sum(finding.unexpected for finding in findings)
        blocks.append(count(n, "unexpected finding") if n else "no unexpected finding")
        return "\n\n".join(blocks)


def channels_name(number: int) -> str:
    """Return a number of channels in words.

    Examples
    --------
    >>> channels_name(2), channels_name(6)
    ('stereo', '6 channels')
    """
    return {0: "unknown channels", 1: "mono", 2: "stereo"}.get(number, f"{number} channels")


def _lists(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines that list findings: problems, known quirks, and harmless ones."""
    problems = [finding for finding in findings if finding.unexpected]
    quirks = [finding for finding in findings if finding.known]
    asides = [finding for finding in findings if not (finding.known or finding.unexpected)]
    for mark, group in (
        ("", problems),
        (", as in the owners' files", quirks),
        (", which is no problem", asides),
    ):
        for kind in KINDS:
            listed = [finding for finding in group if finding.kind == kind]
            if listed:
                yield ""
                yield f"  {KINDS[kind].meaning}{mark}: {len(listed)}"
                yield from (f"    {line}" for line in _cut([_line(f) for f in listed]))


def _line(finding: Finding) -> str:
    names = " = ".join(_cut([printable(name) for name in finding.names]))
    return ": ".join(filter(None, (names, " ".join(finding.detail.splitlines()))))


def _cut(lines: Sequence[str]) -> list[str]:
    n_more = len(lines) - N_SHOWN
    return [*lines[:N_SHOWN], f"and {n_more} more"] if n_more > 1 else list(lines)
