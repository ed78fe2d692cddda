"""Directives that describe the corpora as their modules do."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sphinx.util.docutils import SphinxDirective

from _ext.markdown import table
from emotionrecog.datasets import CORPORA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docutils import nodes
    from sphinx.application import Sphinx

LANGUAGES = {"de": "German", "en": "English", "it": "Italian", "pl": "Polish", "ur": "Urdu"}


class CorporaTable(SphinxDirective):
    """Generate a table of all corpora."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        rows = []
        for name, corpus in CORPORA.items():
            _depend(self, name)
            rows.append(
                (
                    f"[{corpus.title.partition(':')[0]}](corpora/{name}.md)",
                    f"`{name}`",
                    LANGUAGES[str(corpus.language)],
                    _by_style(corpus.n_utterances),
                    _by_style(corpus.n_speakers),
                    len(corpus.emotions),
                    corpus.licence,
                )
            )
        head = ["corpus", "folder", "language", "recordings", "speakers", "emotions", "licence"]
        return self.parse_text_to_nodes("\n".join(table(head, rows, n_left=len(head))))


class CorpusFacts(SphinxDirective):
    """Generate a table of the facts about the corpus that the argument names."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        corpus = CORPORA[self.arguments[0]]
        _depend(self, corpus.name)
        facts = {
            "recordings": _by_style(corpus.n_utterances),
            "speakers": _by_style(corpus.n_speakers),
            "emotions": ", ".join(corpus.emotions),
            "language": LANGUAGES[str(corpus.language)],
            "owners' licence": corpus.licence,
            "source": f"<{corpus.homepage}>",
            "citation": corpus.citation,
            "in the library": f"`datasets.CORPORA[{corpus.name!r}]`",
        }
        return self.parse_text_to_nodes("\n".join(table(["", ""], facts.items(), n_left=2)))


class CorpusNames(SphinxDirective):
    """Generate a table of the file-name code of the corpus that the argument names."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        corpus = CORPORA[self.arguments[0]]
        _depend(self, corpus.name)
        rows = [(part, _codes(codes)) for part, codes in corpus.name_parts.items()]
        return self.parse_text_to_nodes("\n".join(table(["part", "codes"], rows, n_left=2)))


def _depend(directive: SphinxDirective, name: str) -> None:
    """Rebuild the page when the module of the corpus changes."""
    source = inspect.getsourcefile(import_module(f"emotionrecog.datasets.{name}"))
    if source:
        directive.env.note_dependency(source)


def _by_style(numbers: Mapping[str, int]) -> str:
    """Return ``1440 speech, 1012 song``, or the number alone if there is only speech."""
    if list(numbers) == ["speech"]:
        return str(numbers["speech"])
    return ", ".join(f"{number} {style}" for style, number in numbers.items())


def _codes(codes: Any) -> str:
    """Return the meanings of the codes of one part of a file name."""
    if isinstance(codes, str):
        return codes
    if all(isinstance(meaning, int) for meaning in codes.values()):
        first, *_, last = codes
        return f"`{first}` to `{last}`"
    unused = "an emotion that the library does not have"
    meanings = {code: unused if meaning is None else meaning for code, meaning in codes.items()}
    return "<br>".join(f"`{code}` {meaning}" for code, meaning in meanings.items())


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("corpora-table", CorporaTable)
    app.add_directive("corpus-facts", CorpusFacts)
    app.add_directive("corpus-names", CorpusNames)
    return {"parallel_read_safe": True}
