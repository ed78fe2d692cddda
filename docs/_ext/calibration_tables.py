"""Tables of the calibration: how far confidence is from accuracy, and what is flagged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from _ext.markdown import shell, table
from emotionrecog.text import listing, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Results = Mapping[str, Any]

PERFECT = "perfect: mean, worst 5 %"


def calibration(results: Results) -> list[str]:
    """Return the calibration error of each corpus."""
    fitted = results["n_fitted"]
    rows = []
    for row in results["corpora"]:
        before, after = row["before_any"], row["after_any"]
        rows.append(
            [
                row["corpus"],
                row["n_clips"],
                row["n_speakers"],
                percent(after["accuracy"]),
                f"{percent(before['confidence'])} → {percent(after['confidence'])}",
                percent(before["ece"]),
                f"**{percent(after['ece'])}**",
                f"{percent(after['perfect_ece'])}, {percent(after['perfect_ece_95'])}",
                f"{percent(row['before_acted']['ece'])} → {percent(row['after_acted']['ece'])}",
            ]
        )
    head = ["corpus", "clips", "speakers", "accuracy", "confidence", "ECE before", "after"]
    return [
        f"The temperature, {results['temperature']:.3f}, is fitted to the answers of "
        f"`{results['fitted']}` to {fitted['clips']} clips of {fitted['speakers']} speakers "
        f"(`{results['calibration']['protocol']}`). The table shows the answers of "
        f"`{results['tested']}`, another network of the same recipe, to the speakers of "
        "`joint-test`, on which neither network was trained, with emotionrecog "
        f"{results['version']}. All values are in per cent. Answers are among all emotions, and "
        "in the last column among those that the corpus acts:",
        *shell(results["command"]),
        *table([*head, PERFECT, "ECE among acted"], rows),
        "",
        "The temperature can be applied to each window before averaging or to the average. The "
        "mean log-loss of a corpus differs by at most "
        f"{results['largest_difference_by_averaging']:.3f} between the two.",
    ]


def folds(results: Results) -> list[str]:
    """Return the calibration error of each protocol, whose folds are calibrated by each other."""
    head = ["protocol", "clips", "speakers", "temperatures", "ECE before", "after", PERFECT]
    rows = [
        [
            f"`{row['protocol']}`",
            row["n_clips"],
            row["n_speakers"],
            ", ".join(f"{value:.2f}" for value in row["temperatures"]),
            percent(row["before"]),
            f"**{percent(row['after'])}**",
            f"{percent(row['perfect_ece'])}, {percent(row['perfect_ece_95'])}",
        ]
        for row in results["folds"]
    ]
    return table(head, rows)


def kept(results: Results) -> list[str]:
    """Return the accuracy of the most confident answers."""
    cells = results["corpora"][0]["kept"]
    head = ["corpus", "accuracy of all answers"]
    head += [f"confidence ≥ {cell['min_confidence']:g}: kept, correct" for cell in cells]
    rows = [
        [
            row["corpus"],
            percent(row["after_any"]["accuracy"]),
            *(f"{percent(c['kept'])}, {percent(c['accuracy_kept'])}" for c in row["kept"]),
            f"{percent(row['before_any']['aurc'])} → {percent(row['after_any']['aurc'])}",
        ]
        for row in results["corpora"]
    ]
    return table([*head, "AURC"], rows)


def sets(results: Results) -> list[str]:
    """Return how often label sets contain the right emotion, and how large they are."""
    rows, short = [], []
    for row in results["corpora"]:
        cells = [row["corpus"], row["n_clips"], row["n_speakers"]]
        for cell in row["sets"]:
            is_short = cell["covered"] < cell["coverage"]
            mark = "**" if is_short else ""
            cells.append(f"{mark}{percent(cell['covered'])}{mark}, {cell['size']:.2f}")
            if is_short:
                short.append(f"{row['corpus']} at {percent(cell['coverage'])} %")
        rows.append(cells)
    heads = [f"coverage {100 * c['coverage']:g} %" for c in results["corpora"][0]["sets"]]
    missed = f"Bold values miss the target: {listing(short, n_shown=99)}. " if short else ""
    return [
        "How often the right emotion is in the set, in per cent, and the mean size of the set:",
        "",
        *table(["corpus", "clips", "speakers", *heads], rows),
        "",
        f"{missed}The guarantee is for the mean over speakers, not for each speaker. For a corpus "
        "with a single test speaker, the value is that of one voice.",
    ]


def scores(results: Results) -> list[str]:
    """Return the comparison of scores for label sets."""
    rows = [
        [row["score"], percent(row["coverage"]), percent(row["covered"]), f"{row['size']:.2f}"]
        for row in results["scores"]
    ]
    return table(["score", "target in %", "covered in %", "size of the set"], rows)


def flagged(results: Results) -> list[str]:
    """Return how many recordings of speech are flagged as unreliable."""
    rows = [
        [row["corpus"], row["n_clips"], percent(row["reliable"]), _counts(row["doubted"])]
        for row in results["corpora"]
    ]
    cost = results["cost"]
    return [
        *table(["corpus", "clips", "passed in %", "reasons"], rows),
        "",
        f"A prediction from three seconds of speech took {cost['predict_ms']:.1f} ms on one core "
        f"of the test machine, and {cost['without_checks_ms']:.1f} ms without the checks.",
    ]


def sounds(results: Results) -> list[str]:
    """Return the reasons given for sounds that are not speech."""
    rows = []
    for row in results["sounds"]:
        reasons = [reason.partition(": the spectrum")[0] for reason in row["reasons"]]
        reasons = [reason.partition(", as ")[0] for reason in reasons]
        rows.append([row["sound"], "; ".join(reasons) or "**none**"])
    return table(["sound", "reasons"], rows, n_left=2)


def degraded(results: Results) -> list[str]:
    """Return how many degraded recordings are flagged."""
    rows = [
        [
            row["condition"],
            percent(row["doubted"]),
            percent(row["unchanged"]),
            _counts(row["reasons"]),
        ]
        for row in results["spoilt"]["conditions"]
    ]
    return [
        f"{results['spoilt']['n_clips']} recordings of RAVDESS and CREMA-D:",
        "",
        *table(["condition", "flagged in %", "answers unchanged in %", "reasons"], rows),
    ]


def _counts(reasons: Mapping[str, int]) -> str:
    return "; ".join(f"{reason} {number}" for reason, number in reasons.items())


TABLES: dict[str, Callable[[Results], list[str]]] = {
    "calibration": calibration,
    "folds": folds,
    "kept": kept,
    "sets": sets,
    "scores": scores,
    "flagged": flagged,
    "sounds": sounds,
    "degraded": degraded,
}
