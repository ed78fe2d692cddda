"""Write the results in the README and the model card from the files in ``benchmarks/results``.

    python benchmarks/publish.py
    python benchmarks/publish.py --check

The second command writes nothing and exits with status 1 if something differs from the files. In
the README, the text between two marks is replaced; in the bundled recogniser, metrics and card.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from emotionrecog import artifact as artifacts
from emotionrecog import benchmark, evaluation, files, pretrained
from emotionrecog.evaluation import Predictions
from emotionrecog.pretrained import registry
from emotionrecog.text import percent
from emotionrecog.training import card

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
README = ROOT / "README.md"

TESTED = {
    "ravdess": "RAVDESS speech, actors 2, 5, 14, 15, 16",
    "crema_d": "CREMA-D, 1019–1036",
    "tess": "TESS, YAF",
    "savee": "SAVEE, KL",
}
NAMES = {"ravdess": "RAVDESS", "crema_d": "CREMA-D", "tess": "TESS", "savee": "SAVEE"}
STRESS = (
    ("quieter", "6 dB"),
    ("silence after", "1 s"),
    ("Opus", "16 kbit/s"),
    ("room", "0.3 s, 10 dB direct"),
    ("telephone band", "300 to 3400 Hz"),
    ("pink noise", "20 dB SNR"),
    ("white noise", "20 dB SNR"),
)


def read(name: str) -> Any:
    """Return the content of a JSON file of results."""
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def joint_test() -> dict[str, Any]:
    """Return the metrics on ``joint-test`` of the networks trained without it, one a seed."""
    tables = sorted(RESULTS.glob("joint-test/seed-*.csv"))
    reports = [evaluation.report(Predictions.read_csv(table)) for table in tables]
    return card.summarize("joint-test", reports)


def held_out(metrics: dict[str, Any]) -> list[str]:
    """Return the table of the speakers of ``joint-test``."""
    rows = {row["corpus"]: row for row in metrics["corpora"]}
    lines = ["| test speakers | emotions | UAR, mean (runs) |", "|---|---|---|"]
    for corpus, title in TESTED.items():
        values = rows[corpus]["uar"]
        runs = ", ".join(map(percent, values))
        emotions = {"ravdess": 8, "crema_d": 6}.get(corpus, 7)
        lines.append(f"| {title} | {emotions} | {percent(float(np.mean(values)))} % ({runs}) |")
    return lines


def cross_corpus() -> list[str]:
    """Return a sentence with the results on each corpus by networks trained on all others."""
    summary = benchmark.Summary.from_dict(read("benchmark/cross-corpus/summary.json"))
    uars = {row.corpus: percent(row.mean["uar"]) for row in summary.corpora}
    results = ", ".join(f"{NAMES[corpus]} {uars[corpus]} %" for corpus in TESTED)
    return [f"UAR of networks trained on all corpora but the one tested: {results}."]


def stress() -> list[str]:
    """Return the table of answers that stay the same on degraded recordings."""
    results = read("stress.json")
    rows = {(row["family"], row["level"]): row for row in results["conditions"]}
    lines = [
        f"UAR {percent(results['clean_uar'])} % on {results['n_clips']} clips as they are.",
        "",
        "| changed | answers that stay | UAR | mark |",
        "|---|---|---|---|",
    ]
    for family, level in STRESS:
        row = rows[family, level]
        mark = "none" if row["mark"] is None else f"{100 * row['mark']:.0f} %"
        if row["passed"] is not None:
            mark += ", met" if row["passed"] else ", missed"
        lines.append(
            f"| {family}, {level} | {percent(row['unchanged'])} % | {percent(row['uar'])} % | "
            f"{mark} |"
        )
    return lines


def with_blocks(text: str, blocks: dict[str, list[str]]) -> str:
    """Return a text with the lines between each pair of marks replaced."""
    for name, lines in blocks.items():
        begin, end = f"<!-- {name}: from benchmarks/results -->", "<!-- end -->"
        pattern = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL)
        block = "\n".join([begin, *lines, end])
        text, n_places = pattern.subn(lambda _, block=block: block, text)
        if n_places != 1:
            raise SystemExit(f"the README must contain {begin} once, found {n_places}")
    return text


def main() -> None:
    """Write everything, or check that it is written."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if it differs")
    is_check = parser.parse_args().check
    metrics = joint_test()
    before = README.read_text(encoding="utf-8")
    after = with_blocks(before, {"held-out": held_out(metrics), "cross-corpus": cross_corpus()})
    folder = pretrained.fetch(pretrained.DEFAULT)
    bundled = artifacts.read(folder)
    updated = card.with_metrics(bundled, metrics, robustness=stress())
    differing = [
        name
        for name, differs in (("README.md", before != after), (bundled.name, updated != bundled))
        if differs
    ]
    if is_check:
        sys.exit(f"differs from benchmarks/results: {', '.join(differing)}" if differing else 0)
    files.write_text(README, after)
    if updated != bundled:
        artifacts.write(updated, folder)
        registry.write_registry(folder.parent / "registry.json", [folder])
    print(f"updated: {', '.join(differing) or 'nothing'}")


if __name__ == "__main__":
    main()
