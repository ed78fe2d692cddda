"""The command line ``emotionrecog``: one module for each family of commands.

Answers go to standard output and everything else to standard error. The parser of a command is
built, and its modules are imported, only when the command is called, so that ``--help`` answers at
once.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import sys
from typing import TYPE_CHECKING, Any

from emotionrecog.cli import corpus, features, measure, output, predict, train, weights
from emotionrecog.cli.options import Command, Group
from emotionrecog.errors import EmotionRecogError
from emotionrecog.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["ROOT", "main", "parsers"]

_EPILOG = """\
Run 'emotionrecog COMMAND --help' for the options of a command.

exit status:
  0    everything worked
  1    a problem was found, such as a damaged corpus, shared recordings or a missed
       pass mark; or some of the inputs failed
  2    the command could not run: wrong options, input that cannot be used, a missing
       extra, or any other error
  130  interrupted with Ctrl-C
  141  the reader of standard output went away, as head does
"""

ROOT = Group(
    name="emotionrecog",
    summary="recognise the emotion in a voice",
    description="Recognise the emotion in a voice.",
    epilog=_EPILOG,
    commands=(
        predict.PREDICT,
        predict.EXPLAIN,
        features.PLOT,
        features.FEATURES,
        corpus.CORPUS,
        train.TRAIN,
        train.SEARCH,
        train.CALIBRATE,
        measure.EVALUATE,
        measure.STRESS,
        measure.BENCHMARK,
        train.EXPORT,
        train.MODELS,
        weights.WEIGHTS,
    ),
)
"""All commands, in the order in which ``emotionrecog --help`` lists them."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv
        Arguments after the program's name; by default those of the process.

    Returns
    -------
    int
        The exit status: 0 if everything worked, 1 if a problem was found or some inputs failed, 2
        if the command could not run, 130 if the user interrupted it, 141 if the reader of standard
        output went away.

    Raises
    ------
    SystemExit
        With status 2 if the arguments are wrong, with 0 after ``--help`` and ``--version``.

    Examples
    --------
    >>> from emotionrecog.cli import main
    >>> main(["corpus", "list"])
    name     recordings  language  licence  ...
    0
    """
    parser = _Parser(
        prog=ROOT.name, entry=ROOT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-V", "--version", action="version", version=f"%(prog)s {__version__}")
    arguments = parser.parse_args(argv)
    command: Command = arguments.command
    try:
        with output.logging_to_stderr() if command.logs else contextlib.nullcontext():
            return command.run(arguments)
    except KeyboardInterrupt:
        output.note("interrupted")
        return output.INTERRUPTED
    except BrokenPipeError:
        return output.READER_GONE
    except (EmotionRecogError, OSError, ValueError) as error:
        output.note(str(error))
        return output.CANNOT_RUN


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the complete parser of every command, for the documentation.

    Returns
    -------
    dict of str to argparse.ArgumentParser
        By full name, in the order of the help: ``"predict"``, ``"corpus check"``. Each parser has
        ``examples``, a tuple of command lines, besides the attributes of argparse.

    Examples
    --------
    >>> from emotionrecog.cli import parsers
    >>> list(parsers())[:2]
    ['predict', 'explain']
    >>> parsers()["corpus check"].prog
    'emotionrecog corpus check'
    """
    complete = {}
    for name, command in _commands(ROOT):
        complete[name] = _Parser(prog=f"{ROOT.name} {name}", entry=command)
        complete[name].fill()
    return dict(complete)


def _commands(group: Group, prefix: str = "") -> Iterator[tuple[str, Command]]:
    for entry in group.commands:
        if isinstance(entry, Group):
            yield from _commands(entry, f"{prefix}{entry.name} ")
        else:
            yield f"{prefix}{entry.name}", entry


class _Parser(argparse.ArgumentParser):
    """A parser of a command or a group, which gets its arguments when it first parses."""

    def __init__(self, *, entry: Command | Group, **options: Any) -> None:
        super().__init__(
            description=entry.description, epilog=entry.epilog, allow_abbrev=False, **options
        )
        self.examples = entry.examples if isinstance(entry, Command) else ()
        self._entry = entry
        self._is_filled = False

    def fill(self) -> None:
        """Add the arguments of the command, or the list of the group's commands."""
        if self._is_filled:
            return
        self._is_filled = True
        if isinstance(self._entry, Command):
            self._entry.add_arguments(self)
            self.set_defaults(command=self._entry)
            return
        rows = self.add_subparsers(title="commands", metavar="COMMAND", required=True)
        for entry in self._entry.commands:
            rows.add_parser(entry.name, help=entry.summary, entry=entry)

    def format_help(self) -> str:
        """Return the help, with examples at its end."""
        lines = ["", "examples:", *(f"  {example}" for example in self.examples), ""]
        return super().format_help() + ("\n".join(lines) if self.examples else "")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; a group prints its help if no command is named."""
        self.fill()
        words = sys.argv[1:] if args is None else list(args)
        if isinstance(self._entry, Group):
            if not words:
                self.print_help()
                self.exit(output.FINE)
            self._require_command(words, self._entry)
        parsed, unknown = super().parse_known_args(words, namespace)
        if unknown:  # here, so that the usage shown is that of the command
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown

    def _require_command(self, words: Sequence[str], group: Group) -> None:
        """Exit if the first word is not a command of the group, and suggest the nearest."""
        names = [entry.name for entry in group.commands]
        name = next((word for word in words if not word.startswith("-")), None)
        if name is None or name in names:
            return
        matches = [full for full, command in _commands(group) if command.name == name]
        matches = matches or difflib.get_close_matches(name, names, n=1)
        if matches:
            hint = f"did you mean {' or '.join(map(repr, matches))}?"
        else:
            hint = f"expected {', '.join(names)}"
        self.error(f"no command {name!r}; {hint}")
