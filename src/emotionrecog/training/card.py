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

- **Acted English.** It was trained on actors who played one emotion at a time, mostly North
  American and some British, in quiet rooms, with few sentences. Spontaneous speech is subtler;
  other languages and accents, children, old voices and noisy places were not evaluated.
- **Intended, not felt emotions.** Labels are the emotions that the actors were asked to show. On
  CREMA-D, people who listened to the clips agreed with the label in 40 % of the cases.
- **Calm and surprised** come from few voices: calm from RAVDESS alone, surprised from RAVDESS,
  SAVEE and TESS. On other voices, calm and neutral are easily confused.
- **Confidence** is not a frequency on voices unlike those it was fitted to: see the calibration
  error above.
- Speech of less than {minimum:g} s is rejected. Recordings of more than {window:.2g} s are judged
  in windows whose probabilities are averaged, with one emotion as the answer for the whole.

## Out of scope

Not for decisions about people: hiring, lending, insurance, policing, border control, exams, medical
or psychiatric judgement, proctoring, detection of lies. Not for observing people who have not
agreed to it. Inferring emotions at work or in schools is prohibited in the European Union
(Regulation 2024/1689, Article 5), except for medical and safety reasons.
"""


def with_metrics(
    artifact: Artifact, metrics: Mapping[str, Any], *, robustness: Sequence[str] = ()
) -> Artifact:
    """Return the artefact with metrics, and with a model card that reports them.

    Parameters
    ----------
    artifact
        A trained recogniser.
    metrics
        As `summarize` returns them, or empty if no speakers were held out.
    robustness
        Lines of Markdown about the answers of one of the same networks on degraded recordings.

    Examples
    --------
    >>> from emotionrecog import EmotionRecognizer
    >>> artifact = EmotionRecognizer().artifact
    >>> with_metrics(artifact, artifact.metrics).card.splitlines()[0]
    '# Model card: english-8'
    """
    recipe = artifact.training["recipe"]
    spec = artifact.features
    parts = [
        f"# Model card: {artifact.name}",
        f"Recognises the emotion in a voice: {', '.join(artifact.labels)}. Architecture "
        f"`{artifact.architecture}`, {len(artifact.onnx) / 1e6:.1f} MB as ONNX, fed with log-mel "
        f"frames of {spec.sampling_rate / 1000:g} kHz audio whose level is normalised. Trained by "
        f"emotionrecog {artifact.versions['emotionrecog']} for {recipe['epochs']} epochs with seed "
        f"{recipe['seed']}.",
        "## Data",
        _data(artifact.training["corpora"]),
    ]
    if artifact.training["initial_weights"]:
        parts.append(
            "The convolutional layers have the weights of EfficientAT `mn04` (Florian Schmid, MIT "
            "licence), which were trained on AudioSet; they were frozen in training."
        )
    if artifact.training.get("leakage"):
        parts.append(
            "**It was trained although its test data are not independent: "
            f"{artifact.training['leakage']}. Metrics on these data show what it memorised.**"
        )
    tested = held_out(metrics.get("protocol", ""))
    is_seen = not tested.isdisjoint(artifact.training["speakers"])
    parts += ["## Metrics on voices not seen in training", _metrics_section(metrics, is_seen)]
    if "temperature" in artifact.calibration:
        parts.append(_calibration(artifact))
    if robustness:
        parts += ["## Robustness", _ROBUSTNESS, "\n".join(robustness)]
    window = (artifact.window_frames - 1) * spec.hop_length / spec.sampling_rate
    parts.append(_LIMITS.format(minimum=artifact.minimum_duration, window=window))
    return dataclasses.replace(artifact, metrics=metrics, card="\n\n".join(parts))


_ROBUSTNESS = """\
Recordings of speakers that one of these networks had not seen in training, degraded: the share of
answers that stay the same, right or wrong, and the remaining recall."""


def with_calibration(artifact: Artifact) -> Artifact:
    """Return the artefact with a model card that describes its calibration.

    The section is placed before the limits, or at the end of a card without limits; an existing
    section is replaced.

    Examples
    --------
    >>> from emotionrecog import EmotionRecognizer
    >>> "## Calibration" in with_calibration(EmotionRecognizer().artifact).card
    True
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
        f"{_CALIBRATION}\nTemperature {record['temperature']:.3f}, fitted to the answers of {who} "
        f"to {record['n_clips']} clips of {len(record['speakers'])} speakers not seen in "
        f"training{which}; corpora of fewer than five speakers were excluded. Evaluated by "
        "cross-validation over fifths of these speakers: expected calibration error in per cent, "
        "before and after; and for label sets of each coverage, how often they contain the right "
        "emotion, in per cent, and their mean size.",
        "",
        "| corpus | clips | speakers | before | after | "
        + " | ".join(f"{100 * c['coverage']:.0f} %" for c in record["corpora"][0]["sets"])
        + " |",
        "|---" * (5 + len(record["corpora"][0]["sets"])) + "|",
    ]
    for row in record["corpora"]:
        sets = [f"{100 * c['covered']:.1f} of {c['size']:.1f}" for c in row["sets"]]
        cells = [
            row["corpus"],
            str(row["n_clips"]),
            str(row["n_speakers"]),
            f"{100 * row['ece_before']:.1f}",
            f"{100 * row['ece_after']:.1f}",
            *sets,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def summarize(protocol: str, reports: Sequence[Report]) -> dict[str, Any]:
    """Combine the reports of several runs of one recipe.

    Parameters
    ----------
    protocol
        Name of the fold whose test speakers were held out; see
        `emotionrecog.splits.protocols.Fold`.
    reports
        One report for each run.

    Returns
    -------
    dict
        Ready for JSON: the number of clips of each corpus, and the values of each metric, run by
        run.

    Raises
    ------
    ValueError
        If the reports are not of the same corpora in the same order.

    Examples
    --------
    ::

        reports = [evaluate(recognizer, test_set) for recognizer in recognizers]
        metrics = summarize("joint-test", reports)
    """
    _require_same("reports", [[row.corpus for row in report.corpora] for report in reports])
    rows = []
    for runs in zip(*(report.corpora for report in reports), strict=True):
        values = {name: [getattr(run, name) for run in runs] for name in _METRICS}
        rows.append({"corpus": runs[0].corpus, "n_clips": runs[0].n_clips, **values})
    errors = [report.calibration_error for report in reports]
    return {"protocol": protocol, "corpora": rows, "calibration_error": errors}


def merge(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Concatenate the runs of several summaries, each as returned by `summarize`.

    Raises
    ------
    ValueError
        If they are not of one protocol and of the same corpora in the same order, or one is empty.

    Examples
    --------
    >>> row = {"corpus": "savee", "n_clips": 9, "uar": [0.6], "wa": [0.6]}
    >>> row |= {"uar_open": [0.5], "wa_open": [0.5]}
    >>> run = {"protocol": "joint-test", "corpora": [row], "calibration_error": [0.1]}
    >>> merge([run, run])["corpora"][0]["uar"]
    [0.6, 0.6]
    """
    if not runs:
        return {}
    _require_same("runs", [run.get("protocol") for run in runs])
    if "protocol" not in runs[0]:
        raise ValueError("`runs` must contain metrics, got an empty run: no speakers were held out")
    _require_same("runs", [[row["corpus"] for row in run["corpora"]] for run in runs])
    rows = []
    for same in zip(*(run["corpora"] for run in runs), strict=True):
        values = {name: [value for row in same for value in row[name]] for name in _METRICS}
        rows.append({**same[0], **values})
    errors = [value for run in runs for value in run["calibration_error"]]
    return {"protocol": runs[0]["protocol"], "corpora": rows, "calibration_error": errors}


def _require_same(name: str, values: Sequence[object]) -> None:
    if any(value != values[0] for value in values):
        raise ValueError(f"`{name}` must be of one protocol and of the same corpora, got {values}")


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
        "Some of these licences prohibit commercial use of the recordings. Whether they extend to "
        "weights trained on them is not settled everywhere; ask before you build a product."
    )
    return "\n".join([*lines, "", note, "", *(f"- {citation}" for citation in citations)])


def _metrics_section(metrics: Mapping[str, Any], is_seen: bool) -> str:
    if not metrics:
        return "None were measured: no speakers were left out of training."
    if is_seen:
        who = (
            "Of other networks of the same recipe, trained with different seeds and without the "
            f"test speakers of `{metrics['protocol']}`; this network was trained on them as well."
        )
    else:
        who = (
            f"Of this network, which was not trained on the test speakers of "
            f"`{metrics['protocol']}`."
        )
    lines = [
        f"{who} Mean of the runs, with the runs in brackets. The test speakers say sentences that "
        "are also in the training data.",
        "",
        "| corpus | clips | UAR % | WA % | UAR %, all emotions allowed |",
        "|---|---|---|---|---|",
    ]
    for row in metrics["corpora"]:
        cells = [_mean_and_runs(row[name]) for name in ("uar", "wa", "uar_open")]
        lines.append(f"| {row['corpus']} | {row['n_clips']} | {' | '.join(cells)} |")
    lines += [
        "",
        "UAR is the unweighted average recall, WA the accuracy, both among the emotions that the "
        "corpus contains; in the last column all emotions may be answered. Expected calibration "
        f"error before calibration: {_mean_and_runs(metrics['calibration_error'])} %.",
    ]
    return "\n".join(lines)


def _mean_and_runs(values: Sequence[float]) -> str:
    runs = ", ".join(f"{100 * value:.1f}" for value in values)
    return f"{100 * sum(values) / len(values):.1f} ({runs})"


def adaptation_card(name: str, record: Mapping[str, Any]) -> str:
    """Return the section that an adaptation puts above the card of the original recogniser.

    Examples
    --------
    >>> row = {"corpus": "mine", "n_clips": 9, "uar": [0.5, 0.75]}
    >>> record = {
    ...     "from": "english-8",
    ...     "corpora": [row],
    ...     "emotions": ["happy", "sad"],
    ...     "held_out": {"speakers_apart": True, "figures": [row]},
    ... }
    >>> print(adaptation_card("mine", record).splitlines()[8])
    | mine | 9 | 50.0 | 75.0 |
    """
    held_out = record["held_out"]
    voices = "not seen in training" if held_out["speakers_apart"] else "seen in training"
    clips = ", ".join(f"{row['n_clips']} clips of {row['corpus']}" for row in record["corpora"])
    rows = "\n".join(
        f"| {row['corpus']} | {row['n_clips']} | {100 * row['uar'][0]:.1f} "
        f"| {100 * row['uar'][1]:.1f} |"
        for row in held_out["figures"]
    )
    return f"""\
# {name}

The recogniser `{record["from"]}`, whose card is below, with its last layers adapted to {clips}
({", ".join(record["emotions"])}). The metrics of the card below do not apply to it. UAR in per cent
on held-out clips of voices {voices}:

| corpus | clips | before | after |
|---|---|---|---|
{rows}

"""


def versions() -> dict[str, str]:
    """Return the versions of Python, this package and the packages that train and export.

    Examples
    --------
    >>> "tensorflow" in versions()
    True
    """
    return {
        "python": platform.python_version(),
        "emotionrecog": __version__,
        **{package: metadata.version(package) for package in _PACKAGES},
    }


def describe_data(utterances: Sequence[Utterance]) -> list[dict[str, Any]]:
    """Return a row for each corpus and style: licence, clips, speakers.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance
    >>> describe_data([Utterance(Path("a.wav"), "sad", corpus="savee", speaker="savee/DC")])
    ... # doctest: +ELLIPSIS
    [{'corpus': 'savee', 'style': 'speech', 'licence': ..., 'n_clips': 1, 'n_speakers': 1}]
    """
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
