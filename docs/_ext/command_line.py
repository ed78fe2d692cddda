"""A directive that describes every command from its parser."""

from __future__ import annotations

import argparse
import inspect
from typing import TYPE_CHECKING

from sphinx.util.docutils import SphinxDirective

from _ext.markdown import escape
from emotionrecog import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docutils import nodes
    from sphinx.application import Sphinx

# Width of the terminal that usages are laid out for.
WIDTH = 88


class CommandLine(SphinxDirective):
    """Generate a section for each command: its purpose, usage and options."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        self.env.note_dependency(inspect.getsourcefile(cli) or "")
        lines: list[str] = []
        for name, parser in cli.parsers().items():
            lines += command_lines(name, parser)
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def command_lines(name: str, parser: argparse.ArgumentParser) -> list[str]:
    """Return the section of one command as Markdown."""
    lines = [f"## {name}", "", *paragraphs(parser.description)]
    lines += ["```text", usage(parser), "```", ""]
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if action.help != argparse.SUPPRESS]
        actions = [action for action in actions if "--help" not in action.option_strings]
        if not actions:
            continue
        if group.title not in ("positional arguments", "options"):
            lines += [f"**{escape(str(group.title)).capitalize()}**", ""]
            lines += paragraphs(group.description)
        for action in actions:
            lines += [", ".join(spellings(action)), f": {explanation(action, parser)}", ""]
    lines += paragraphs(parser.epilog)
    examples = getattr(parser, "examples", ())
    return [*lines, "```sh", *examples, "```", ""] if examples else lines


def usage(parser: argparse.ArgumentParser) -> str:
    """Return the usage of a command, laid out independently of the terminal."""
    formatter = argparse.HelpFormatter(parser.prog, width=WIDTH)
    formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups, prefix="")
    return formatter.format_help().strip()


def spellings(action: argparse.Action) -> Iterator[str]:
    """Yield the ways to write an argument, as Markdown."""
    value = metavar(action)
    if not action.option_strings:
        yield f"`{value}`"
    for option in action.option_strings:
        yield f"`{option} {value}`" if value else f"`{option}`"


def metavar(action: argparse.Action) -> str:
    """Return the placeholder of the value of an argument; it is empty if there is none."""
    if action.nargs == 0:
        return ""
    name = action.metavar or (None if action.choices else action.dest.upper())
    if name is None:
        name = f"{{{','.join(map(str, action.choices or ()))}}}"
    return f"{name} ..." if action.nargs in ("+", "*") else str(name)


def explanation(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    """Return the help of an argument with its default filled in, as Markdown."""
    return escape((action.help or "") % {**vars(action), "prog": parser.prog})


def paragraphs(text: str | None) -> list[str]:
    """Return the paragraphs of a text as Markdown, each followed by an empty line."""
    lines = []
    for paragraph in (text or "").split("\n\n"):
        if paragraph.strip():
            lines += [escape(" ".join(paragraph.split())), ""]
    return lines


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True}
