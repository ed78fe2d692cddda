"""Directives that write tables from the files in ``benchmarks/results``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphinx.util.docutils import SphinxDirective

from _ext import benchmark_tables, calibration_tables, robustness_tables
from emotionrecog import benchmark
from emotionrecog.splits import protocols

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx


def read(directive: SphinxDirective) -> Any:
    """Return the content of the JSON file that the first argument names."""
    relative, absolute = directive.env.relfn2path(directive.arguments[0])
    directive.env.note_dependency(relative)
    return json.loads(Path(absolute).read_text(encoding="utf-8"))


class StressResults(SphinxDirective):
    """Generate the results of a stress test: ``{stress-results} FILE``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the command, the recordings and the table."""
        return self.parse_text_to_nodes("\n".join(robustness_tables.stress(read(self))))


class ExplanationResults(SphinxDirective):
    """Generate the checks of explanations: ``{explanation-results} FILE``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the command, the recordings and two tables."""
        return self.parse_text_to_nodes("\n".join(robustness_tables.explanation(read(self))))


class CalibrationResults(SphinxDirective):
    """Generate one of the calibration tables: ``{calibration-results} FILE TABLE``."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        lines = calibration_tables.TABLES[self.arguments[1]](read(self))
        return self.parse_text_to_nodes("\n".join(lines))


class BenchmarkResults(SphinxDirective):
    """Generate the results of all protocols in a folder: ``{benchmark-results} FOLDER``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a table of all protocols, and a section for each."""
        folder = Path(self.env.relfn2path(self.arguments[0])[1])
        summaries = []
        for path in sorted(folder.glob("*/summary.json")):
            self.env.note_dependency(str(path))
            values = json.loads(path.read_text(encoding="utf-8"))
            summaries.append(benchmark.Summary.from_dict(values))
        summaries.sort(key=lambda summary: protocols.NAMES.index(summary.protocol))
        lines = benchmark_tables.overview(summaries)
        for summary in summaries:
            lines += benchmark_tables.section(summary)
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("stress-results", StressResults)
    app.add_directive("calibration-results", CalibrationResults)
    app.add_directive("explanation-results", ExplanationResults)
    app.add_directive("benchmark-results", BenchmarkResults)
    return {"parallel_read_safe": True}
