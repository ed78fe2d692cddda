"""Tables of the stress test and of the checks of explanations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from _ext.markdown import shell, table
from emotionrecog.text import percent

if TYPE_CHECKING:
    from collections.abc import Mapping

PASSED = {True: "met", False: "**missed**"}
ORDERS = {
    "by_map": "those that the map names first",
    "by_energy": "the loudest first",
    "at_random": "in a random order",
}


def stress(results: Mapping[str, Any]) -> list[str]:
    """Return the results of a stress test as Markdown."""
    judged = [row for row in results["conditions"] if row["passed"] is not None]
    n_met = sum(row["passed"] for row in judged)
    head = ["condition", "unchanged", "95 %", "pass mark", "UAR", "confidence", "frequent changes"]
    clean = [percent(results["clean_uar"]), percent(results["clean_confidence"])]
    rows = [["clean", "", "", "", *clean, ""]]
    for row in results["conditions"]:
        bounds, mark = row["interval"], row["mark"]
        rows.append(
            [
                f"{row['family']}, {row['level']}",
                percent(row["unchanged"]),
                f"{percent(bounds[0])} to {percent(bounds[1])}" if bounds else "",
                "" if mark is None else f"{100 * mark:.0f}, {PASSED.get(row['passed'], 'none')}",
                percent(row["uar"]),
                percent(row["confidence_change"], sign="+"),
                "; ".join(f"{was} → {now} {count}" for was, now, count in row["flips"][:2]),
            ]
        )
    lines = [
        f"{results['n_clips']} recordings of {results['n_speakers']} speakers of "
        f"{', '.join(results['corpora'])}, judged by `{results['recognizer']}`, which was not "
        f"trained on these speakers, with emotionrecog {results['version']}. "
        f"**{n_met} of {len(judged)} pass marks are met.**",
        *shell(results["command"]),
        *table(head, rows),
        "",
    ]
    for rise in results["rises"]:
        lines.append(
            f"- *{rise['harder']}* is better than *{rise['milder']}*: {rise['metric']} is higher "
            f"by {percent(rise['rise'])} points, and {percent(rise['allowed'])} are within chance."
        )
    if not results["rises"]:
        lines.append("No harsher condition scored better than a milder one by more than chance.")
    return lines


def explanation(results: Mapping[str, Any]) -> list[str]:
    """Return the checks of explanations as Markdown."""
    syllables = results["syllables"]
    names = ("rank_correlation", "rank_correlation_90", "ssim", "ssim_90")
    similarities = [
        [network, *(f"{row[name]:.2f}" for name in names)]
        for network, row in results["similarity"].items()
    ]
    probabilities = [
        [title, *map(percent, results["probability"][order])] for order, title in ORDERS.items()
    ]
    shares = [f"{100 * share:.0f} %" for share in results["shares"]]
    return [
        f"{results['n_clips']} recordings of {results['n_speakers']} speakers of "
        f"{', '.join(results['corpora'])}, explained for `{results['recognizer']}`, which was not "
        f"trained on these speakers, with emotionrecog {results['version']}. The median time of "
        f"an explanation was {results['seconds']:.1f} s on one core.",
        *shell(results["command"]),
        *table(
            ["compared network", "rank correlation", "90 % below", "SSIM", "90 % below"],
            similarities,
        ),
        "",
        "The mean probability of the answer, in per cent, when this share of the cells is turned "
        "down:",
        "",
        *table(["order", *shares], probabilities),
        "",
        f"It fell faster by the map than in a random order in "
        f"{percent(results['faster_than_random'])} % of the recordings, and faster than by "
        f"loudness in {percent(results['faster_than_loudest'])} %.",
        "",
        f"The sentences of {syllables['n_clips']} clips of CREMA-D have "
        f"{syllables['in_the_text']:.1f} syllables on average, and {syllables['counted']:.1f} "
        f"peaks were counted. The mean error of a count is {syllables['error']:.1f}, and the "
        f"correlation of the two is {syllables['correlation']:.2f}.",
    ]
