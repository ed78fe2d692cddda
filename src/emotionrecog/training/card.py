"""Model cards and training records: the data, the metrics, and what a recogniser is not for."""

from __future__ import annotations

import dataclasses
import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

from emotionrecog.datasets import CORPORA
from emotionrecog.splits.protocols import held_out
from emotionrecog.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emotionrecog.artifact import Artifact
    from emotionrecog.datasets import Utterance
    from emotionrecog.evaluation import Report

__all__ = [
    "adaptation_card",
    "describe_data",
    "merge",
    "summarize",
    "versions",
    "with_calibration",
    "with_metrics",
]

_PACKAGES = ("keras", "tensorflow", "tf2onnx", "onnxruntime", "numpy")

_METRICS = ("uar", "wa", "uar_open", "wa_open")

_LIMITS = """\
## Limits

- **Acted English.** It has heard actors who played one emotion at a time, mostly North American and
  some British, in quiet rooms, saying few sentences. Spontaneous speech is subtler, and other
  languages, accents, children, old voices and noisy places are outside what was measured.
- **What was meant, not what was felt.** Labels are what the actor was asked to show. On CREMA-D,
  people who only heard the clip agreed with that label in 40 % of the cases.
- **Calm and surprised** come from few voices: calm from RAVDESS alone, surprised from RAVDESS,
  SAVEE and TESS. Of voices unlike these, calm and neutral are easily taken for each other.
- **Confidence** is no frequency on voices unlike those it was fitted to: see the calibration error
  above.
- Speech of less than {minimum:g} s is refused. Recordings of more than {window:.2g} s are judged in
  windows whose probabilities are averaged: one emotion is answered for the whole.

## Out of scope

Not for decisions about people: hiring, lending, insurance, policing, border control, exams, medical
or psychiatric judgement, proctoring, detection of lies. Not for observing people who have not
agreed to it. Inferring emotions at work or in schools is prohibited in the European Union
(Regulation 2024/1689, Article 5) but for medical and safety reasons.
"""


def with_metrics(
    artifact: Artifact, metrics: Mapping[str, Any], *, robustness: Sequence[str] = ()
) -> Artifact:
    """Return the artefact with these figures in it, and with the model card that tells them.

    Parameters
    ----------
    artifact
        A trained recogniser.
    metrics
        As `summarize` returns them, or empty where nobody was held out.
    robustness
        Lines about how answers stay where recordings are worse, of one of the same networks.
    """
    recipe = artifact.training["recipe"]
    spec = artifact.features
    parts = [
        f"# Model card: {artifact.name}",
        f"Names the emotion in a voice: {', '.join(artifact.labels)}. Architecture "
        f"`{artifact.architecture}`, {len(artifact.onnx) / 1e6:.1f} MB as ONNX, fed with log-mel "
        f"frames of {spec.sampling_rate / 1000:g} kHz audio whose level is normalised. Trained by "
        f"emotionrecog {artifact.versions['emotionrecog']} for {recipe['epochs']} epochs with seed "
        f"{recipe['seed']}.",
        "## Data",
        _data(artifact.training["corpora"]),
    ]
    if artifact.training["initial_weights"]:
        parts.append(
            "The convolutional layers started from the weights of EfficientAT `mn04` (Florian "
            "Schmid, MIT licence), which were trained on AudioSet, and kept them."
        )
    if artifact.training.get("leakage"):
        parts.append(
            "**It was trained although the data it was to be tested on are no others: "
            f"{artifact.training['leakage']}. Figures on those tell what it remembers.**"
        )
    tested = held_out(metrics.get("protocol", ""))
    is_seen = not tested.isdisjoint(artifact.training["speakers"])
    parts += ["## Figures on voices never heard in training", _metrics_section(metrics, is_seen)]
    if "temperature" in artifact.calibration:
        parts.append(_calibration(artifact))
    if robustness:
        parts += ["## Robustness", _ROBUSTNESS, "\n".join(robustness)]
    window = (artifact.window_frames - 1) * spec.hop_length / spec.sampling_rate
    parts.append(_LIMITS.format(minimum=artifact.minimum_duration, window=window))
    return dataclasses.replace(artifact, metrics=metrics, card="\n\n".join(parts))


_ROBUSTNESS = """\
The same recordings of speakers whom one of these networks had not heard, changed: how many answers
stay what they were, right or wrong, and the recall that is left."""


def with_calibration(artifact: Artifact) -> Artifact:
    """Return the artefact with a model card that tells how it was calibrated.

    The section stands before the limits, or at the end of a card without such; one that is there is
    replaced.
    """
    before, head, rest = artifact.card.partition(_CALIBRATION)
    if head:
        _, mark, after = rest.partition("\n## ")
        card = before + (mark + after).lstrip("\n")
    else:
        card = before
    place = card.find("## Limits")
    place = len(card) if place < 0 else place
    section = _calibration(artifact)
    parts = [card[:place].rstrip(), section, card[place:].strip()]
    card = "\n\n".join(part for part in parts if part) + "\n"
    return dataclasses.replace(artifact, card=card)


_CALIBRATION = "## Calibration\n"


def _calibration(artifact: Artifact) -> str:
    record = artifact.calibration
    who = "other networks of the same recipe" if record["by_siblings"] else "this network"
    which = f" (`{record['protocol']}`)" if record["protocol"] else ""
    lines = [
        f"{_CALIBRATION}\nTemperature {record['temperature']:.3f}, fitted to what {who} answered "
        f"to {record['n_clips']} clips of {len(record['speakers'])} speakers never heard{which}; "
        "corpora of fewer than five speakers had no say. Checked on each fifth of these speakers "
        "with what the others make: expected calibration error in per cent, before and after; and "
        "for label sets of a stated coverage, how often the right emotion is in them, in per cent, "
        "and of how many.",
        "",
        "| corpus | clips | speakers | before | after | "
        + " | ".join(f"{100 * c['coverage']:.0f} %" for c in record["corpora"][0]["sets"])
        + " |",
        "|---" * (5 + len(record["corpora"][0]["sets"])) + "|",
    ]
    for row in record["corpora"]:
        sets = [f"{100 * c['covered']:.1f} of {c['size']:.1f}" for c in row["sets"]]
        cells = [
            *(row["corpus"], str(row["n_clips"]), str(row["n_speakers"])),
            *(f"{100 * row[name]:.1f}" for name in ("ece_before", "ece_after")),
            *sets,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def summarize(protocol: str, reports: Sequence[Report]) -> dict[str, Any]:
    """Put the reports of several runs of one recipe together.

    Parameters
    ----------
    protocol
        Name of the fold whose test speakers were held out; see
        `emotionrecog.splits.protocols.Fold`.
    reports
        One for each run.

    Returns
    -------
    dict
        Ready for JSON: for each corpus its number of clips and each figure's values, run by run.

    Raises
    ------
    ValueError
        If the reports are not of the same corpora in the same order.
    """
    _require_same("reports", [[row.corpus for row in report.corpora] for report in reports])
    rows = []
    for runs in zip(*(report.corpora for report in reports), strict=True):
        values = {name: [getattr(run, name) for run in runs] for name in _METRICS}
        rows.append({"corpus": runs[0].corpus, "n_clips": runs[0].n_clips, **values})
    errors = [report.calibration_error for report in reports]
    return {"protocol": protocol, "corpora": rows, "calibration_error": errors}


def merge(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Put figures of several recognisers, as `summarize` returns them, behind one another.

    Raises
    ------
    ValueError
        If they are not of one protocol and of the same corpora in the same order, or one holds no
        figures.
    """
    if not runs:
        return {}
    _require_same("runs", [run.get("protocol") for run in runs])
    if "protocol" not in runs[0]:
        raise ValueError("`runs` must hold figures, got empty ones: nobody was held out")
    _require_same("runs", [[row["corpus"] for row in run["corpora"]] for run in runs])
    rows = []
    for same in zip(*(run["corpora"] for run in runs), strict=True):
        values = {name: [value for row in same for value in row[name]] for name in _METRICS}
        rows.append({**same[0], **values})
    errors = [value for run in runs for value in run["calibration_error"]]
    return {"protocol": runs[0]["protocol"], "corpora": rows, "calibration_error": errors}


def _require_same(name: str, found: Sequence[object]) -> None:
    if any(other != found[0] for other in found):
        raise ValueError(f"`{name}` must be of one protocol and of the same corpora, got {found}")


def _data(corpora: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| corpus | clips | speakers | licence of the recordings |", "|---|---|---|---|"]
    citations = []
    for row in corpora:
        facts = CORPORA.get(row["corpus"])
        title = facts.title if facts else row["corpus"]
        style = "" if row["style"] == "speech" else f" ({row['style']})"
        lines.append(
            f"| {title}{style} | {row['n_clips']} | {row['n_speakers']} | {row['licence']} |"
        )
        if facts and facts.citation not in citations:
            citations.append(facts.citation)
    note = (
        "Some of these licences bar commercial use of the recordings. Whether they bind weights "
        "learnt from them is not settled everywhere; ask before you build a product on them."
    )
    return "\n".join([*lines, "", note, "", *(f"- {citation}" for citation in citations)])


def _metrics_section(metrics: Mapping[str, Any], is_seen: bool) -> str:
    if not metrics:
        return "None were measured: no speakers were left out of training."
    if is_seen:
        who = (
            "Of other networks of the same recipe, trained with different seeds and without the "
            f"test speakers of `{metrics['protocol']}`; the network described here has heard them."
        )
    else:
        who = f"Of this network, which has not heard the test speakers of `{metrics['protocol']}`."
    lines = [
        f"{who} Mean of the runs, and in brackets the runs. The test speakers say sentences that "
        "training speakers say too.",
        "",
        "| corpus | clips | UAR % | WA % | UAR %, any of all emotions |",
        "|---|---|---|---|---|",
    ]
    for row in metrics["corpora"]:
        cells = [_mean_and_runs(row[name]) for name in ("uar", "wa", "uar_open")]
        lines.append(f"| {row['corpus']} | {row['n_clips']} | {' | '.join(cells)} |")
    lines += [
        "",
        "UAR is the unweighted average recall, WA the accuracy, both among the emotions that the "
        "corpus acts; in the last column any of the emotions may be answered. Expected calibration "
        f"error before calibration: {_mean_and_runs(metrics['calibration_error'])} %.",
    ]
    return "\n".join(lines)


def _mean_and_runs(values: Sequence[float]) -> str:
    runs = ", ".join(f"{100 * value:.1f}" for value in values)
    return f"{100 * sum(values) / len(values):.1f} ({runs})"


def adaptation_card(name: str, record: Mapping[str, Any]) -> str:
    """Say what became of the recogniser that the card below is about."""
    held = record["held_out"]
    voices = "never heard before" if held["speakers_apart"] else "that it knows by now"
    learnt = ", ".join(f"{row['n_clips']} clips of {row['corpus']}" for row in record["corpora"])
    figures = "\n".join(
        f"| {row['corpus']} | {row['n_clips']} | {100 * row['uar'][0]:.1f} "
        f"| {100 * row['uar'][1]:.1f} |"
        for row in held["figures"]
    )
    return f"""\
# {name}

The recogniser `{record["from"]}`, whose card is below, with its last layers adapted to {learnt}
({", ".join(record["emotions"])}). The figures of the card below are not its own. On clips that were
held out, of voices {voices}, UAR in per cent:

| corpus | clips | before | after |
|---|---|---|---|
{figures}

"""


def versions() -> dict[str, str]:
    """Return the versions of Python, this package and the packages that train and export."""
    return {
        "python": platform.python_version(),
        "emotionrecog": __version__,
        **{package: metadata.version(package) for package in _PACKAGES},
    }


def describe_data(utterances: Sequence[Utterance]) -> list[dict[str, Any]]:
    """Return a row for each corpus and style: licence, clips, speakers."""
    rows = []
    for corpus, style in dict.fromkeys((u.corpus, u.style) for u in utterances):
        clips = [u for u in utterances if (u.corpus, u.style) == (corpus, style)]
        facts = CORPORA.get(corpus)
        rows.append(
            {
                "corpus": corpus,
                "style": style,
                "licence": facts.licence if facts else "",
                "n_clips": len(clips),
                "n_speakers": len({utterance.speaker for utterance in clips}),
            }
        )
    return rows
