"""Lay a report out as one self-contained HTML page without scripts."""

from __future__ import annotations

import base64
import functools
import io
import warnings
from html import escape
from importlib import resources
from typing import TYPE_CHECKING

from emotionrecog import audio, plots
from emotionrecog.errors import EmotionRecogError
from emotionrecog.evaluation import metrics
from emotionrecog.evaluation.metrics import Answers
from emotionrecog.plots.style import DYNAMIC_RANGE
from emotionrecog.text import count, interval, number, percent
from emotionrecog.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.figure import Figure

    from emotionrecog.audio import Waveform
    from emotionrecog.evaluation.groups import Breakdown
    from emotionrecog.evaluation.listeners import ListenersReport
    from emotionrecog.evaluation.reports import Mistake, Report

__all__ = ["html"]

# Resolution and sampling rate of the spectrograms of the worst mistakes.
_PICTURE_DPI, _PICTURE_RATE = 110, 16_000

# Largest number of rows of a breakdown; there may be hundreds of speakers and sentences.
_N_ROWS = 60

# Largest number of curves that can be distinguished in one picture.
_N_CURVES = 7

# Tables of more rows are collapsed.
_N_OPEN = 5

_READING = """
<dl>
<dt>UAR</dt><dd>Unweighted average recall: the mean over emotions of the share recognised. Chance
level is one divided by the number of emotions.</dd>
<dt>WA</dt><dd>Weighted accuracy: the share of all clips recognised.</dd>
<dt>F1</dt><dd>For an emotion, the harmonic mean of precision and recall; for a corpus, its mean
over emotions.</dd>
<dt>Top 2</dt><dd>The share of clips whose emotion is one of the two most probable.</dd>
<dt>Log-loss, Brier</dt><dd>Distance between the probabilities and the emotion acted: the mean
negative logarithm of its probability, and the mean squared distance, which is 2 at most. 0 is
best.</dd>
<dt>ECE</dt><dd>Expected calibration error: the distance between confidence and accuracy, in 15
bins.</dd>
<dt>Risk-coverage</dt><dd>The share of wrong answers if only the most confident ones are kept; the
area under this curve is its mean.</dd>
<dt>95 % interval</dt><dd>From 10,000 draws of speakers, with the clips of a speaker kept together.
It covers other speakers of the same corpus, not other recording conditions.</dd>
<dt>Gap</dt><dd>The difference between the lowest and the highest UAR of groups with 20 clips or
more, on the emotions that all of them act. The interval allows for the number of pairs of
groups.</dd>
</dl>
<p>Answers are chosen among the emotions that the corpus acts, except under “any emotion”.</p>
"""


@functools.cache
def _style() -> str:
    path = resources.files("emotionrecog").joinpath("data/report.css")
    return "\n" + path.read_text(encoding="utf-8")


def html(report: Report, title: str | None) -> str:
    """Return the page; see `Report.to_html`."""
    if report.predictions is None:
        raise ValueError("an HTML page needs a report with `predictions`, got one without")
    plots.require_matplotlib()
    if title is None:
        where = f" on {report.protocol}" if report.protocol else ""
        title = f"{report.name or 'A recogniser'}{where}"
    sections = [
        ("metrics", "Metrics", _metrics(report)),
        ("emotions", "Emotions", _emotions(report)),
        ("confidence", "Confidence", _confidence(report)),
        ("groups", "Groups", _groups(report)),
        ("listeners", "Comparison with listeners", "".join(map(_listeners, report.listeners))),
        ("mistakes", "Worst mistakes", _mistakes(report.mistakes())),
        ("reading", "How to read this report", _READING),
    ]
    sections = [section for section in sections if section[2]]
    links = "".join(f'<a href="#{key}">{escape(name)}</a>' for key, name, _ in sections)
    body = "".join(
        f'<section id="{key}"><h2>{escape(name)}</h2>{content}</section>'
        for key, name, content in sections
    )
    leak = ""
    if report.leakage:
        leak = (
            '<p class="leak" role="alert"><strong>Leaky, these are not results on new speakers:'
            f"</strong> {escape(report.leakage)}</p>"
        )
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_style()}</style>\n</head>\n<body>\n<header>"
        f"{leak}<h1>{escape(title)}</h1>{_head(report)}<nav>{links}</nav></header>\n"
        f"<main>{body}</main>\n</body>\n</html>\n"
    )
    return page.encode(errors="backslashreplace").decode()  # file names need not be text


def _head(report: Report) -> str:
    """State the recogniser, the clips and the limits of the results."""
    assert report.predictions is not None  # for the type checker
    speakers = {utterance.speaker for utterance in report.predictions.utterances}
    first, *others = report.notes or ("",)
    has_protocol = first.startswith("protocol ")
    notes = others if has_protocol else report.notes
    protocol = first.removeprefix("protocol ") if has_protocol else report.protocol or "not stated"
    rows = [
        ("protocol", escape(protocol)),
        ("leakage audit", escape(report.audited.removeprefix("leakage audit: ")) or "not stated"),
        (
            "test set",
            f"{count(len(report.predictions.utterances), 'clip')} of "
            f"{count(len(speakers), 'speaker')}, "
            f"{escape(', '.join(row.corpus for row in report.corpora))}",
        ),
        ("answers", escape(", ".join(report.predictions.labels))),
    ]
    if report.predictions.failed:
        items = "".join(
            f"<li>{escape(path.name)}: {escape(why)}</li>"
            for path, why in list(report.predictions.failed.items())[:_N_ROWS]
        )
        rows.append(
            (
                "not judged",
                f"<details><summary>{count(report.n_failed, 'clip')}, which do not count</summary>"
                f"<ul>{items}</ul></details>",
            )
        )
    rows += [("note" if i == 0 else "", escape(note)) for i, note in enumerate(notes)]
    rows.append(("created with", f"emotionrecog {escape(__version__)}"))
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in rows) + "</dl>"


def _metrics(report: Report) -> str:
    names = ("UAR %", "95 % interval", "WA %", "F1 %", "top 2 %", "log-loss", "Brier", "ECE %")
    head = ("corpus", "clips", "speakers", *names, "UAR %,<br>any emotion")
    whole = [report.overall] if report.overall else []
    rows = [
        (
            escape(row.corpus),
            str(row.n_clips),
            str(len(row.speakers)),
            f"<strong>{percent(row.uar)}</strong>",
            interval(row.intervals.get("uar")),
            percent(row.wa),
            percent(row.macro_f1),
            percent(row.top2),
            number(row.log_loss),
            number(row.brier),
            percent(row.calibration_error),
            percent(row.uar_open),
        )
        for row in [*whole, *report.corpora]
    ]
    table = _table(head, rows, n_whole=len(whole))
    dots = [(row.corpus, row.uar, row.intervals.get("uar")) for row in [*report.corpora, *whole]]
    picture = _svg(plots.ranges({"": dots}), "UAR of each corpus with its interval")
    return table + picture


def _emotions(report: Report) -> str:
    parts = []
    for row in report.corpora:
        cells = [
            (
                escape(emotion.emotion),
                str(emotion.n_clips),
                percent(emotion.recall),
                interval(emotion.recall_interval),
                percent(emotion.precision),
                percent(emotion.f1),
            )
            for emotion in row.per_emotion
        ]
        head = ("emotion", "clips", "recall %", "95 % interval", "precision %", "F1 %")
        picture = _svg(
            plots.confusion(row.confusion, row.emotions),
            f"Confusion matrix of {row.corpus}",
        )
        recalls = [(x.emotion, x.recall, x.recall_interval) for x in row.per_emotion]
        dots = _svg(plots.ranges({"": recalls}, x="recall in %"), f"Recall in {row.corpus}")
        parts.append(
            f'<h3>{escape(row.corpus)}</h3><div class="side"><div>{_table(head, cells)}{dots}</div>'
            f"<div>{picture}</div></div>"
        )
    note = (
        '<p class="soft">In each square: the share in per cent of the clips that act the emotion, '
        "and below it their number.</p>"
    )
    return note + "".join(parts)


def _confidence(report: Report) -> str:
    assert report.predictions is not None  # for the type checker
    answers = Answers.of(report.predictions)
    confidence, accuracy = float(answers.confidence.mean()), float(answers.is_correct.mean())
    direction = "over" if confidence > accuracy else "under"
    text = (
        f"<p>{percent(accuracy)} % of the answers are correct, and their mean confidence is "
        f"{percent(confidence)} %: the recogniser is {direction}confident. Expected calibration "
        f"error: {percent(report.calibration_error)} %. A bar below the dashed line means that "
        "answers of that confidence are correct less often than their confidence says.</p>"
    )
    picture = plots.reliability(answers.confidence, answers.is_correct)
    curves = {}
    for row in report.corpora[:_N_CURVES]:
        in_corpus = answers.corpora == row.corpus
        curves[row.corpus] = metrics.risk_coverage(
            answers.confidence[in_corpus], answers.is_correct[in_corpus]
        )
    areas = ", ".join(f"{escape(row.corpus)} {percent(row.aurc)}" for row in report.corpora)
    kept = (
        f"<p>If only the most confident answers are kept, fewer are wrong. Area under the curve, "
        f"in per cent: {areas}.</p>"
    )
    beside = _svg(plots.risk_coverage(curves), "Share of wrong answers against answers kept")
    return (
        f'{text}<div class="side"><div>'
        f"{_svg(picture, 'Share of correct answers against confidence')}</div>"
        f"<div>{kept}{beside}</div></div>"
    )


def _groups(report: Report) -> str:
    if not report.breakdowns:
        return ""
    if report.gaps:
        items = "".join(f"<li>{escape(str(row))}</li>" for row in report.gaps)
        parts = [
            f"<p>Gaps that are more than chance explains, the widest first:</p><ul>{items}</ul>"
        ]
    else:
        parts = ["<p>No gap between groups is more than chance explains.</p>"]
    for corpus in dict.fromkeys(row.corpus for row in report.breakdowns):
        rows = [row for row in report.breakdowns if row.corpus == corpus]
        panels = {
            row.factor: [
                (group.value, group.uar_compared, None)
                for group in row.groups
                if group.uar_compared is not None
            ][:_N_ROWS]
            for row in rows
        }
        panels = {factor: dots for factor, dots in panels.items() if dots}
        picture = ""
        if panels:
            x = "UAR in %, of the emotions that all groups act"
            picture = _svg(plots.ranges(panels, x=x), f"UAR of groups of {corpus}")
        tables = "".join(map(_breakdown, rows))
        parts.append(
            f'<h3>{escape(corpus)}</h3><div class="side"><div>{picture}</div>'
            f"<div>{tables}</div></div>"
        )
    return "".join(parts)


def _breakdown(row: Breakdown) -> str:
    cells = [
        (
            escape(group.value),
            str(group.n_clips),
            str(group.n_speakers),
            percent(group.uar),
            percent(group.uar_compared),
        )
        for group in row.groups[:_N_ROWS]
    ]
    head = (row.factor, "clips", "speakers", "UAR %", "UAR % of<br>shared emotions")
    n_more = len(row.groups) - _N_ROWS
    more = f"; {n_more} more are in the JSON report" if n_more > 0 else ""
    unknown = f"; unknown for {count(row.n_unknown, 'clip')}" if row.n_unknown else ""
    if row.gap is not None:
        sentence = str(row).removeprefix(f"{row.corpus}, {row.factor}: ")
        gap = f"{escape(sentence)}{unknown}{more}"
    else:
        gap = f"nothing to compare: too few clips, or no emotion in common{unknown}{more}"
    table = _table(head, cells)
    if len(row.groups) > _N_OPEN:
        table = f"<details><summary>{len(row.groups)} groups</summary>{table}</details>"
    return f'<p class="soft"><strong>{escape(row.factor)}</strong>: {gap}</p>{table}'


def _listeners(comparison: ListenersReport) -> str:
    left_out = ""
    if comparison.n_without_votes:
        left_out = f" {count(comparison.n_without_votes, 'clip')} without votes are left out."
    text = (
        f"<h3>{escape(comparison.corpus)}</h3><p>People listened to the same clips, each clip on "
        f"its own and without seeing the speaker: {comparison.overall.n_votes} votes.{left_out} "
        "“One listener” is a single vote, “majority” is the emotion that most chose. A recogniser "
        "trained on the emotions that actors were asked to show may name them more often than "
        "people do, and still agree less with what people perceive.</p>"
    )
    head = (
        "emotion or intensity",
        "clips",
        "one listener<br>right %",
        "majority<br>right %",
        "recogniser<br>right %",
        "two listeners<br>agree %",
        "recogniser and<br>a listener<br>agree %",
        "votes of halves<br>overlap %",
        "probabilities and<br>votes of a half<br>overlap %",
    )
    rows = [
        (
            escape(row.value),
            str(row.n_clips),
            *(
                percent(value)
                for value in (
                    row.listener,
                    row.majority,
                    row.recognizer,
                    row.listener_with_listeners,
                    row.recognizer_with_listeners,
                    row.half_with_half,
                    row.recognizer_with_half,
                )
            ),
        )
        for row in comparison.rows
    ]
    return text + _table(head, rows, n_whole=1)


def _mistakes(mistakes: Iterable[Mistake]) -> str:
    cards = "".join(map(_card, mistakes))
    if not cards:
        return "<p>There are none.</p>"
    return (
        "<p>The misclassified clips whose emotion had the lowest probability. "
        '<span class="soft">Blue: acted; orange: answered. The spectrograms are derived from the '
        "recordings, whose licence applies to them.</span></p>"
        f'<div class="cards">{cards}</div>'
    )


def _card(mistake: Mistake) -> str:
    utterance = mistake.utterance
    rows = ""
    for emotion, share in sorted(mistake.probabilities.items(), key=lambda pair: -pair[1]):
        kind = {utterance.emotion: " acted", mistake.answered: " answered"}.get(emotion, "")
        rows += (
            f'<tr><th scope="row">{escape(emotion)}</th><td>{percent(share)} %</td>'
            f'<td><span class="bar{kind}" style="width:{100 * share:.1f}%"></span></td></tr>'
        )
    try:
        clip = audio.load(utterance.path, sampling_rate=_PICTURE_RATE)
        picture = _png(_spectrogram(clip), f"Spectrogram of {utterance.path.name}")
    except (EmotionRecogError, OSError) as error:
        picture = f'<p class="soft">no picture: {escape(str(error))}</p>'
    facts = [utterance.speaker, utterance.sex, utterance.intensity, utterance.sentence]
    return (
        f'<article class="card"><h3>{escape(utterance.path.name)}</h3><p>acted '
        f"<strong>{escape(utterance.emotion)}</strong>, answered "
        f"<strong>{escape(mistake.answered)}</strong><br>"
        f'<span class="soft">{escape(", ".join(fact for fact in facts if fact))}</span></p>'
        f"{picture}<table><tbody>{rows}</tbody></table></article>"
    )


def _spectrogram(clip: Waveform) -> Figure:
    """Draw a mel-spectrogram in the size of a card, with the loudest part white."""
    from matplotlib.figure import Figure

    kind = plots.KINDS["melspectrogram"]
    figure = Figure(figsize=(3.4, 1.6), layout="constrained")
    panel = figure.subplots()
    image = kind.draw(panel, clip)
    loudest = float(image.get_array().max())
    image.set_clim(loudest - DYNAMIC_RANGE, loudest)
    panel.set_xlabel(kind.x, fontsize=7)
    panel.set_ylabel("kHz", fontsize=7)
    panel.tick_params(labelsize=7)
    return figure


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, n_whole: int = 0) -> str:
    """Return a table; cells are HTML, and the first `n_whole` rows are set in bold."""
    columns = "".join(f'<th scope="col">{name}</th>' for name in head)
    lines = []
    for i, (first, *others) in enumerate(rows):
        mark = ' class="whole"' if i < n_whole else ""
        cells = "".join(f"<td>{cell}</td>" for cell in others)
        lines.append(f'<tr{mark}><th scope="row">{first}</th>{cells}</tr>')
    return (
        f'<div class="wide"><table><thead><tr>{columns}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _svg(figure: Figure, description: str) -> str:
    from matplotlib import rc_context

    content = io.BytesIO()
    # Equal reports give equal pages.
    with rc_context({"svg.hashsalt": "emotionrecog"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # drawn as a box
        figure.savefig(content, format="svg", metadata={"Date": None})
    return _image(content.getvalue(), "image/svg+xml", description, figure.get_figwidth())


def _png(figure: Figure, description: str) -> str:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=_PICTURE_DPI)
    return _image(content.getvalue(), "image/png", description, figure.get_figwidth())


def _image(content: bytes, kind: str, description: str, inches: float) -> str:
    data = base64.b64encode(content).decode("ascii")
    # As large as text of the same size on the page.
    width = round(96 * inches)
    return f'<img alt="{escape(description)}" width="{width}" src="data:{kind};base64,{data}">'
