"""How Sphinx builds the documentation."""

import inspect
import json
from importlib import import_module
from pathlib import Path

from sphinx.util.docutils import SphinxDirective

import emotionrecog
from emotionrecog.datasets import CORPORA

project = "emotionrecog"
author = "emotionrecog developers"
copyright = f"2026, {author}"
release = version = emotionrecog.__version__

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"emotionrecog {release}"

# Single backticks in docstrings are names of Python objects where one is known, and code elsewhere.
default_role = "py:obj"

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings state types, shapes and units
numpydoc_show_class_members = False  # autodoc lists them

myst_heading_anchors = 3

# What pages say of the corpora is written here from the corpora themselves, so that it stays true.

LANGUAGES = {"de": "German", "en": "English", "it": "Italian", "pl": "Polish", "ur": "Urdu"}


class CorporaTable(SphinxDirective):
    """Write a table of all corpora."""

    def run(self):
        """Return the table."""
        lines = ["| corpus | folder | language | recordings | speakers | emotions | licence |"]
        lines.append("|---" * 7 + "|")
        for name, corpus in CORPORA.items():
            depend(self, name)
            row = (
                f"[{corpus.title.partition(':')[0]}](corpora/{name}.md)",
                f"`{name}`",
                LANGUAGES[corpus.language],
                of_each_style(corpus.n_utterances),
                of_each_style(corpus.n_speakers),
                str(len(corpus.emotions)),
                corpus.licence,
            )
            lines.append("| " + " | ".join(row) + " |")
        return self.parse_text_to_nodes("\n".join(lines))


class CorpusFacts(SphinxDirective):
    """Write the facts of the corpus that the argument names."""

    required_arguments = 1

    def run(self):
        """Return a table."""
        corpus = CORPORA[self.arguments[0]]
        depend(self, corpus.name)
        facts = {
            "recordings": of_each_style(corpus.n_utterances),
            "speakers": of_each_style(corpus.n_speakers),
            "emotions": ", ".join(corpus.emotions),
            "language": LANGUAGES[corpus.language],
            "licence of the owners": corpus.licence,
            "where to get it": f"<{corpus.homepage}>",
            "how to cite it": corpus.citation,
            "in the library": f"`datasets.CORPORA[{corpus.name!r}]`",
        }
        lines = ["| | |", "|---|---|", *(f"| {what} | {fact} |" for what, fact in facts.items())]
        return self.parse_text_to_nodes("\n".join(lines))


class CorpusNames(SphinxDirective):
    """Write the file-name code of the corpus that the argument names."""

    required_arguments = 1

    def run(self):
        """Return a table."""
        corpus = CORPORA[self.arguments[0]]
        depend(self, corpus.name)
        lines = ["| part | codes |", "|---|---|"]
        lines += [f"| {part} | {codes_of(codes)} |" for part, codes in corpus.name_parts.items()]
        return self.parse_text_to_nodes("\n".join(lines))


class StressResults(SphinxDirective):
    """Write what a stress test found, from the file that the argument names."""

    required_arguments = 1

    def run(self):
        """Return the command, what was judged, and a table."""
        relative, absolute = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(relative)
        found = json.loads(Path(absolute).read_text(encoding="utf-8"))
        return self.parse_text_to_nodes("\n".join(stress_lines(found)))


def stress_lines(found):
    """Write the figures of a stress test as Markdown."""
    judged = [row for row in found["conditions"] if row["passed"] is not None]
    n_met = sum(row["passed"] for row in judged)
    lines = [
        f"{found['n_clips']} recordings of {found['n_speakers']} speakers of "
        f"{', '.join(found['corpora'])}, judged by `{found['recognizer']}`, whose training had "
        f"heard none of these speakers, with emotionrecog {found['version']}. "
        f"**{n_met} of {len(judged)} pass marks are met.**",
        *("", "```sh", found["command"], "```", ""),
        "| condition | unchanged | 95 % | pass mark | UAR | confidence | what flips most |",
        "|---|---:|---:|---:|---:|---:|---|",
        f"| clean | | | | {percent(found['clean_uar'])} | {percent(found['clean_confidence'])} | |",
    ]
    marks = {True: "met", False: "**missed**"}
    for row in found["conditions"]:
        interval, mark = row["interval"], row["mark"]
        cells = [
            f"{row['family']}, {row['level']}",
            percent(row["unchanged"]),
            f"{percent(interval[0])} to {percent(interval[1])}" if interval else "",
            "" if mark is None else f"{100 * mark:.0f}, {marks.get(row['passed'], 'not judged')}",
            percent(row["uar"]),
            percent(row["confidence_change"], "+"),
            "; ".join(f"{was} → {now} {count}" for was, now, count in row["flips"][:2]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines.append("")
    for rise in found["rises"]:
        lines.append(
            f"- *{rise['harder']}* is better than *{rise['milder']}*: {rise['figure']} is higher "
            f"by {percent(rise['rise'])}, and chance allows {percent(rise['allowed'])}."
        )
    if not found["rises"]:
        lines.append("No harder condition came out better than a milder one by more than chance.")
    return lines


def percent(share, sign=""):
    """Write a share in per cent; nothing where there is none."""
    return "" if share is None else f"{round(100 * share, 1) + 0.0:{sign}.1f}"


def depend(directive, name):
    """Have the page written again where the module of the corpus changed."""
    module = import_module(f"emotionrecog.datasets.{name}")
    directive.env.note_dependency(inspect.getsourcefile(module))


def of_each_style(numbers):
    """Write ``1440 speech, 1012 song``, or the number alone where there is speech only."""
    if list(numbers) == ["speech"]:
        return str(numbers["speech"])
    return ", ".join(f"{number} {style}" for style, number in numbers.items())


def codes_of(codes):
    """Write what the codes of one part of a name mean."""
    if isinstance(codes, str):
        return codes
    if all(isinstance(meaning, int) for meaning in codes.values()):
        first, *_, last = codes
        return f"`{first}` to `{last}`"
    unused = "an emotion that the library does not have"
    meant = {code: unused if meaning is None else meaning for code, meaning in codes.items()}
    return "<br>".join(f"`{code}` {meaning}" for code, meaning in meant.items())


def setup(app):
    """Tell Sphinx of the directives."""
    app.add_directive("corpora-table", CorporaTable)
    app.add_directive("corpus-facts", CorpusFacts)
    app.add_directive("corpus-names", CorpusNames)
    app.add_directive("stress-results", StressResults)
