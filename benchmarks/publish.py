"""Write the figures that the README and the model card tell, from ``benchmarks/results``.

    python benchmarks/publish.py
    python benchmarks/publish.py --check

The second writes nothing and ends with status 1 where something is not as the files say. In the
README, what stands between two marks is written; of the bundled recogniser, metrics and card.
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
from emotionrecog import benchmark, evaluation, pretrained
from emotionrecog.evaluation import Predictions
from emotionrecog.pretrained import registry
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
    *(("quieter", "6 dB"), ("silence after", "1 s"), ("Opus", "16 kbit/s")),
    *(("room", "0.3 s, 10 dB direct"), ("telephone band", "300 to 3400 Hz")),
    *(("pink noise", "20 dB SNR"), ("white noise", "20 dB SNR")),
)


def metrics() -> dict[str, Any]:
    """Sum up the networks that had not heard the speakers of ``joint-test``, one for each seed."""
    tables = sorted(RESULTS.glob("joint-test/seed-*.csv"))
    reports = [evaluation.report(Predictions.read_csv(table)) for table in tables]
    return card.summarize("joint-test", reports)


def held_out(found: dict[str, Any]) -> list[str]:
    """Write the table of the speakers of ``joint-test``."""
    rows = {row["corpus"]: row for row in found["corpora"]}
    lines = ["| test speakers | emotions | UAR, mean (runs) |", "|---|---|---|"]
    for corpus, title in TESTED.items():
        values = rows[corpus]["uar"]
        runs = ", ".join(f"{100 * value:.1f}" for value in values)
        emotions = {"ravdess": 8, "crema_d": 6}.get(corpus, 7)
        lines.append(f"| {title} | {emotions} | {100 * np.mean(values):.1f} % ({runs}) |")
    return lines


def protocols() -> list[str]:
    """Write the table of the published protocols."""
    lines = [
        "| protocol | tested | UAR | WA | best published on these folds |",
        "|---|---|---|---|---|",
    ]
    notes: list[str] = []
    for path in sorted(RESULTS.glob("benchmark/*/summary.json")):
        found = benchmark.Summary.from_dict(json.loads(path.read_text(encoding="utf-8")))
        for row in found.corpora:
            own = []
            for name in ("uar", "wa"):
                spread = row.deviation[name]
                told = "" if spread is None else f" ± {100 * spread:.1f}"
                own.append(f"{100 * row.mean[name]:.1f}{told}")
            best: dict[str, list[str]] = {}
            for name, value, other in found.best(row.corpus):
                if other.note and other.note not in notes:
                    notes.append(other.note)
                mark = f"; note {notes.index(other.note) + 1}" if other.note else ""
                best.setdefault(other.system + mark, []).append(f"{name} {100 * value:.1f}")
            others = "; ".join(f"{', '.join(values)} ({name})" for name, values in best.items())
            cells = [
                f"`{found.protocol}`",
                f"{NAMES[row.corpus]}, {len(row.emotions)} emotions",
                *own,
                others or "none known",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    told = [f"Note {number}: {note}." for number, note in enumerate(notes, 1)]
    return [*lines, "", "Per cent, mean ± standard deviation over folds.", *told]


def calibration() -> list[str]:
    """Tell how far probabilities are from frequencies."""
    found = json.loads((RESULTS / "calibration.json").read_text(encoding="utf-8"))
    parts = []
    for row in found["corpora"]:
        before, after = (100 * row[name]["ece"] for name in ("before_any", "after_any"))
        parts.append(f"{NAMES[row['corpus']]} {after:.1f} (before: {before:.1f})")
    folds = [
        f"`{row['protocol']}` {100 * row['after']:.1f} ({100 * row['before']:.1f})"
        for row in found["folds"]
    ]
    return [
        "Expected calibration error on the speakers of the first table, in points, of a network "
        f"calibrated on others: {', '.join(parts)}. All speakers of a protocol, each fold of the "
        f"benchmark calibrated by the others: {', '.join(folds)}."
    ]


def stress() -> list[str]:
    """Write how many answers stay."""
    found = json.loads((RESULTS / "stress.json").read_text(encoding="utf-8"))
    rows = {(row["family"], row["level"]): row for row in found["conditions"]}
    lines = [
        f"UAR {100 * found['clean_uar']:.1f} % on {found['n_clips']} clips as they are.",
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
            f"| {family}, {level} | {100 * row['unchanged']:.1f} % | {100 * row['uar']:.1f} % | "
            f"{mark} |"
        )
    return lines


def written(text: str, blocks: dict[str, list[str]]) -> str:
    """Return a text with the blocks between their marks."""
    for name, lines in blocks.items():
        begin, end = f"<!-- {name}: from benchmarks/results -->", "<!-- end -->"
        pattern = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL)
        block = "\n".join([begin, *lines, end])
        text, n_places = pattern.subn(lambda _, block=block: block, text)
        if n_places != 1:
            raise SystemExit(f"{begin} must stand in the README once, found {n_places}")
    return text


def main() -> None:
    """Write, or look whether all is written."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    found = metrics()
    before = README.read_text(encoding="utf-8")
    after = written(
        before,
        {
            "held-out": held_out(found),
            "protocols": protocols(),
            "calibration": calibration(),
            "stress": stress(),
        },
    )
    folder = pretrained.fetch(pretrained.DEFAULT)
    bundled = artifacts.read(folder)
    told = card.with_metrics(bundled, found, robustness=stress())
    differing = [
        name
        for name, differs in (("README.md", before != after), (bundled.name, told != bundled))
        if differs
    ]
    if check:
        sys.exit(f"not as benchmarks/results say: {', '.join(differing)}" if differing else 0)
    README.write_text(after, encoding="utf-8")
    if told != bundled:
        artifacts.write(told, folder)
        registry.write_registry(folder.parent / "registry.json", [folder])
    print(f"written: {', '.join(differing) or 'nothing, all is as the files say'}")


if __name__ == "__main__":
    main()
