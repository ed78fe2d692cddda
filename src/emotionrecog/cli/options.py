"""The options that several commands share, each with one name and one meaning.

The names that an option accepts come from the library when the parser of a command is built.
"""

from __future__ import annotations

import argparse
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotionrecog.cli import output
from emotionrecog.errors import DatasetError
from emotionrecog.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from emotionrecog.datasets import LabelSet, Utterance
    from emotionrecog.recognizer import EmotionRecognizer

# File name extensions of pictures.
PICTURES = (".png", ".svg", ".pdf")


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command: its texts for ``--help`` and its two functions.

    Parameters
    ----------
    name
        The last word of the command, such as ``"check"``.
    summary
        One line for the list of commands.
    description
        What the command does, for its own help.
    add_arguments
        Adds the arguments to a parser; called only for the command that is used.
    run
        Does the work and returns the exit status.
    epilog
        Text below the options in the command's help.
    examples
        Complete command lines, listed at the end of the help.
    logs
        Whether the library's log is shown on standard error.
    """

    name: str
    summary: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    epilog: str | None = None
    examples: tuple[str, ...] = ()
    logs: bool = False


@dataclass(frozen=True, kw_only=True)
class Group:
    """A command that consists of others, such as ``corpus``.

    Parameters
    ----------
    name, summary, description, epilog
        As of a `Command`.
    commands
        Its commands.
    """

    name: str
    summary: str
    description: str
    commands: tuple[Command | Group, ...]
    epilog: str | None = None


# --- types --------------------------------------------------------------------------------------


def path(word: str) -> str:
    """Return a path; an empty word would be taken for the working folder."""
    if not word:
        raise argparse.ArgumentTypeError("expected a path, got an empty word")
    return word


def file_with(*suffixes: str) -> Callable[[str], Path]:
    """Return a type that accepts file names with one of these extensions."""

    def named(word: str) -> Path:
        if Path(word).suffix.lower() not in suffixes:
            raise argparse.ArgumentTypeError(
                f"expected a file with one of {', '.join(suffixes)}, got {word!r}"
            )
        return Path(word)

    return named


def count(word: str) -> int:
    """Return a whole number of at least 1."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {word!r}")
    return int(word)


def share(low: float = 0.0, high: float = 1.0) -> Callable[[str], float]:
    """Return a type that accepts numbers within bounds."""

    def bounded(word: str) -> float:
        try:
            number = float(word)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(
                f"expected a number from {low:g} to {high:g}, got {word!r}"
            )
        return number

    return bounded


def names(word: str) -> tuple[str, ...]:
    """Return names that are separated by commas."""
    return tuple(name.strip() for name in word.split(","))


def label_set(word: str) -> LabelSet:
    """Return a label set by its name, or made of emotions that are separated by commas."""
    from emotionrecog import datasets

    try:
        return datasets.label_set(word)
    except DatasetError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


# --- arguments ----------------------------------------------------------------------------------


def add_recordings(parser: argparse.ArgumentParser, *, stdin: bool = False) -> None:
    """Add ``PATH ...``: recordings, and folders to search for them."""
    last = ", or - for standard input" if stdin else ""
    parser.add_argument(
        "paths",
        nargs="+",
        type=path,
        metavar="PATH",
        help=f"recording, or folder to search for recordings{last}",
    )


def add_recognizer(parser: argparse.ArgumentParser) -> None:
    """Add the recogniser as an argument."""
    parser.add_argument("model", metavar="FOLDER_OR_NAME", help="the recogniser")


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add ``--model``, for commands that use the bundled recogniser by default."""
    parser.add_argument(
        "--model",
        metavar="FOLDER_OR_NAME",
        help="recogniser to use (default: the bundled one)",
    )


def add_output(parser: argparse.ArgumentParser, metavar: str, what: str, **options: Any) -> None:
    """Add ``-o/--output``, which is required."""
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar=metavar,
        help=what,
        **{"type": path, **options},
    )


def add_format(
    parser: argparse.ArgumentParser, what: str, formats: Iterable[str] = ("table", "json")
) -> None:
    """Add ``--format``, of which the first is the default."""
    formats = tuple(formats)
    parser.add_argument(
        "--format", choices=formats, default=formats[0], help=f"{what} (default: %(default)s)"
    )


def add_jobs(parser: argparse.ArgumentParser, what: str = "recordings to read at once") -> None:
    """Add ``--jobs``."""
    parser.add_argument(
        "--jobs", type=count, default=-1, metavar="N", help=f"{what} (default: one on each core)"
    )


def add_json(parser: argparse.ArgumentParser, what: str = "results") -> None:
    """Add ``--json``: a file to write beside the answer on standard output."""
    parser.add_argument(
        "--json", type=path, metavar="FILE", help=f"also write the {what} to this JSON file"
    )


def add_plot(parser: argparse.ArgumentParser, what: str = "results") -> None:
    """Add ``--plot``: a picture to draw beside the answer on standard output."""
    parser.add_argument(
        "--plot",
        type=file_with(*PICTURES),
        metavar="FILE",
        help=f"also draw the {what} to this file ({', '.join(PICTURES)}); "
        "needs emotionrecog[plots]",
    )


def add_corpora(parser: argparse.ArgumentParser) -> None:
    """Add ``--corpora``."""
    parser.add_argument(
        "--corpora",
        default=os.environ.get("EMOTIONRECOG_CORPORA"),
        metavar="FOLDER",
        help="folder with a folder for each corpus "
        "(default: the environment variable EMOTIONRECOG_CORPORA)",
    )


def add_protocol(parser: argparse.ArgumentParser, purpose: str) -> None:
    """Add ``--protocol`` and ``--fold``: the test speakers of one fold."""
    from emotionrecog.splits import protocols

    parser.add_argument(
        "--protocol",
        choices=protocols.FIXED,
        default="joint-test",
        metavar="PROTOCOL",
        help=f"{purpose}: {', '.join(protocols.FIXED)} (default: %(default)s)",
    )
    add_fold(parser)


def add_hold_out(parser: argparse.ArgumentParser, purpose: str) -> None:
    """Add ``--hold-out`` and ``--fold``: speakers to keep out of training."""
    from emotionrecog.splits import protocols

    parser.add_argument(
        "--hold-out",
        choices=protocols.FIXED,
        metavar="PROTOCOL",
        help=f"{purpose}: {', '.join(protocols.FIXED)} (default: use all speakers)",
    )
    add_fold(parser)


def add_fold(parser: argparse.ArgumentParser) -> None:
    """Add ``--fold``."""
    parser.add_argument(
        "--fold", type=count, metavar="N", help="number of the fold, for protocols with several"
    )


def add_leakage(parser: argparse.ArgumentParser) -> None:
    """Add ``--allow-leakage``."""
    parser.add_argument(
        "--allow-leakage",
        action="store_true",
        help="continue even if training and test share speakers or recordings; the report says so, "
        "because these are not results on new speakers",
    )


def add_labels(parser: argparse._ActionsContainer, purpose: str) -> None:
    """Add ``--labels``."""
    from emotionrecog.datasets import LABEL_SETS

    parser.add_argument(
        "--labels",
        type=label_set,
        metavar="NAMES",
        help=f"emotions to {purpose}, separated by commas, or a label set "
        f"({', '.join(LABEL_SETS)}); recordings of other emotions are left out",
    )


def add_initial_weights(parser: argparse.ArgumentParser) -> None:
    """Add ``--initial-weights``."""
    parser.add_argument(
        "--initial-weights", metavar="NPZ", help="pretrained weights of EfficientAT mn04"
    )


def add_seed(parser: argparse._ActionsContainer, *, default: int | None = 0) -> None:
    """Add ``--seed``; None as its default leaves the seed to the recipe."""
    parser.add_argument(
        "--seed", type=int, default=default, metavar="N", help="random seed (default: 0)"
    )


# --- values of arguments ------------------------------------------------------------------------


def find_recordings(paths: Iterable[str]) -> tuple[list[str], int]:
    """Replace folders by the recordings in them.

    Returns
    -------
    tuple of list of str and int
        The recordings; and the number of folders that hold none or cannot be read, each of which
        has been reported on standard error.
    """
    from emotionrecog import audio

    recordings: list[str] = []
    n_failed = 0
    for name in paths:
        if not Path(name).is_dir():
            recordings.append(name)
            continue
        unreadable: list[OSError] = []
        matches = sorted(audio.find(name, on_error=unreadable.append))
        recordings += map(str, matches)
        for error in unreadable:
            output.note(f"{printable(str(error.filename))}: {error.strerror}")
        if not (matches or unreadable):
            expected = ", ".join(audio.AUDIO_EXTENSIONS)
            output.note(
                f"{printable(name)}: no recording in this folder; expected any of {expected}"
            )
        n_failed += len(unreadable) or not matches
    return recordings, n_failed


def load_recognizer(model: str | None) -> EmotionRecognizer:
    """Load a recogniser; None stands for the bundled one."""
    from emotionrecog.recognizer import EmotionRecognizer

    return EmotionRecognizer() if model is None else EmotionRecognizer.load(model)


def require_corpora(folder: str | None) -> str:
    """Return the folder of the corpora, or raise if neither option nor environment name one."""
    if not folder:
        raise DatasetError(
            "this command needs corpora: name the folder that holds them with --corpora or in the "
            "environment variable EMOTIONRECOG_CORPORA"
        )
    return folder


def read_corpora(folder: str | None) -> list[Utterance]:
    """Read every corpus below the folder of the corpora."""
    from emotionrecog import datasets

    return datasets.read(require_corpora(folder))


def speakers_of(recognizer: EmotionRecognizer, utterances: Sequence[Utterance]) -> list[Utterance]:
    """Return the utterances of speakers that the recogniser was trained on."""
    speakers = set(recognizer.artifact.training.get("speakers", ()))
    return [utterance for utterance in utterances if utterance.speaker in speakers]


def relabel(utterances: Sequence[Utterance], labels: LabelSet) -> list[Utterance]:
    """Apply a label set, and log how many recordings were renamed or left out."""
    relabelled = labels.apply(utterances)
    for line in str(relabelled).splitlines():
        logging.getLogger("emotionrecog").info("%s", line)
    return relabelled.utterances
