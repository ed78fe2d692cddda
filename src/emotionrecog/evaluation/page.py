"""The report as one HTML page: no script, no font, no picture that is not in it."""

from __future__ import annotations

import base64
import io
import math
import warnings
from html import escape
from typing import TYPE_CHECKING

from emotionrecog import audio, plots
from emotionrecog.errors import EmotionRecogError
from emotionrecog.evaluation import metrics
from emotionrecog.plots.style import DYNAMIC_RANGE
from emotionrecog.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.figure import Figure

    from emotionrecog.audio import Waveform
    from emotionrecog.evaluation.groups import Breakdown
    from emotionrecog.evaluation.listeners import ListenersReport
    from emotionrecog.evaluation.reports import Mistake, Report

# Of the pictures of the worst mistakes.
_PICTURE_DPI, _PICTURE_RATE = 110, 16_000

# Rows of a breakdown that are shown; speakers and sentences may be hundreds.
_LISTED = 60

# Corpora whose curves are told apart in one picture.
_CURVES = 7

# Tables of more rows are folded up.
_OPEN = 5

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 72rem; background: #fff;
  color: #1a1a1a; font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .75rem; padding-top: .75rem; border-top: 1px solid #ddd; }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .5rem; }
p, li { max-width: 48rem; }
nav { margin: 1rem 0 0; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }
a { color: #005a8c; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.25rem; margin: 0; }
dt { color: #555; }
dd { margin: 0; max-width: 44rem; overflow-wrap: anywhere; }
.leak { background: #fdecea; border-left: .4rem solid #c0392b; padding: .75rem 1rem;
  margin: 0 0 1rem; }
.side { display: grid; gap: 1rem 2rem; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(30rem, 100%), 1fr)); }
.side > div { min-width: 0; }
.side th, .side td { padding-left: .45rem; padding-right: .45rem; }
.wide { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
caption { text-align: left; color: #555; padding-bottom: .3rem; }
th, td { padding: .22rem .65rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child, .side th:first-child { text-align: left; padding-left: 0; }
td.left, th.left { text-align: left; }
thead th { border-bottom: 1px solid #999; font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 400; }
tbody tr + tr > * { border-top: 1px solid #eee; }
tr.whole > * { border-bottom: 1px solid #bbb; font-weight: 600; }
small, .soft { color: #555; }
img { max-width: 100%; height: auto; display: block; }
.wide + img { margin-top: 1rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1rem; }
.card { border: 1px solid #ddd; border-radius: .4rem; padding: .75rem 1rem; min-width: 0; }
.card h3 { margin: 0 0 .2rem; font-size: 1rem; overflow-wrap: anywhere; }
.card p { margin: 0 0 .5rem; font-size: .9rem; }
.card table { width: 100%; font-size: .85rem; margin-top: .4rem; }
.card td, .card th { padding: .1rem .4rem; }
.card td:last-child { width: 55%; }
.bar { display: block; height: .7rem; background: #999; min-width: 1px; }
.bar.acted { background: #0072B2; }
.bar.answered { background: #D55E00; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .5rem; } }
@media print { .card, img, table { break-inside: avoid; } nav { display: none; } }
"""

_READING = """
<dl>
<dt>UAR</dt><dd>Unweighted average recall: the mean over emotions of the share recognised. Chance is
one part in as many as there are emotions.</dd>
<dt>WA</dt><dd>Weighted accuracy: the share of all clips recognised.</dd>
<dt>F1</dt><dd>Of an emotion, the harmonic mean of precision and recall; of a corpus, its mean over
emotions.</dd>
<dt>Top 2</dt><dd>The share of clips whose emotion is one of the two most probable.</dd>
<dt>Log-loss, Brier</dt><dd>How far the probabilities are from what was acted: the mean negative
logarithm of the probability of what was acted, and the mean squared distance, which is 2 at most.
0 is best.</dd>
<dt>ECE</dt><dd>Expected calibration error: how far confidence is from accuracy, in 15 bins.</dd>
<dt>Risk-coverage</dt><dd>The share of wrong answers where only the surest are kept; the area under
this curve is its mean.</dd>
<dt>95 % interval</dt><dd>From 10,000 draws of speakers, clips of one voice always together. It
tells what other speakers of the same corpus may bring, and nothing about other recordings.</dd>
<dt>Gap</dt><dd>Between the lowest and the highest UAR of groups with 20 clips or more, on the
emotions that all of them act. The interval allows for the number of pairs of groups.</dd>
</dl>
<p>Answers are chosen among the emotions that the corpus acts, except where “any emotion” is
written.</p>
"""


def html(report: Report, title: str | None) -> str:
    """Write the page; see `Report.to_html`."""
    if report.predictions is None:
        raise ValueError("the page needs the report's `predictions`, and there are none")
    plots.require_matplotlib()
    if title is None:
        where = f" on {report.protocol}" if report.protocol else ""
        title = f"{report.name or 'A recogniser'}{where}"
    sections = [
        ("figures", "Figures", _figures(report)),
        ("emotions", "Emotions", _emotions(report)),
        ("confidence", "Confidence", _confidence(report)),
        ("groups", "Who speaks, what and how", _groups(report)),
        ("listeners", "Beside listeners", "".join(map(_listeners, report.listeners))),
        ("mistakes", "The worst mistakes", _mistakes(report.mistakes())),
        ("reading", "How to read this", _READING),
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
            '<p class="leak" role="alert"><strong>Leaky, these are no figures on new voices:'
            f"</strong> {escape(report.leakage)}</p>"
        )
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<header>"
        f"{leak}<h1>{escape(title)}</h1>{_head(report)}<nav>{links}</nav></header>\n"
        f"<main>{body}</main>\n</body>\n</html>\n"
    )
    return page.encode(errors="backslashreplace").decode()  # names of files need not be text


def _head(report: Report) -> str:
    """Tell what was measured on what, and how far it is to be believed."""
    assert report.predictions is not None  # for the type checker
    speakers = {utterance.speaker for utterance in report.predictions.utterances}
    first, *others = report.notes or ("",)
    has_protocol = first.startswith("protocol ")
    notes = others if has_protocol else report.notes
    protocol = first.removeprefix("protocol ") if has_protocol else report.protocol or "not said"
    rows = [
        ("protocol", escape(protocol)),
        ("leakage audit", escape(report.audited.removeprefix("leakage audit: ")) or "not said"),
        (
            "test set",
            f"{len(report.predictions.utterances)} clips of {_count(len(speakers), 'speaker')}, "
            f"{escape(', '.join(row.corpus for row in report.corpora))}",
        ),
        ("answers", escape(", ".join(report.predictions.labels))),
    ]
    if report.predictions.failed:
        listed = "".join(
            f"<li>{escape(path.name)}: {escape(why)}</li>"
            for path, why in list(report.predictions.failed.items())[:_LISTED]
        )
        rows.append(
            (
                "not judged",
                f"<details><summary>{_count(report.n_failed, 'clip')}, which do not count</summary>"
                f"<ul>{listed}</ul></details>",
            )
        )
    rows += [("bear in mind" if i == 0 else "", escape(note)) for i, note in enumerate(notes)]
    rows.append(("made by", f"emotionrecog {escape(__version__)}"))
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in rows) + "</dl>"


def _figures(report: Report) -> str:
    names = ("UAR %", "95 % interval", "WA %", "F1 %", "top 2 %", "log-loss", "Brier", "ECE %")
    head = ("corpus", "clips", "speakers", *names, "UAR %,<br>any emotion")
    whole = [report.overall] if report.overall else []
    rows = [
        (
            escape(row.corpus),
            str(row.n_clips),
            str(len(row.speakers)),
            f"<strong>{_percent(row.uar)}</strong>",
            _bounds(row.intervals.get("uar")),
            _percent(row.wa),
            _percent(row.macro_f1),
            _percent(row.top2),
            _number(row.log_loss),
            _number(row.brier),
            _percent(row.calibration_error),
            _percent(row.uar_open),
        )
        for row in [*whole, *report.corpora]
    ]
    table = _table(head, rows, n_whole=len(whole))
    several = [*report.corpora, *whole]
    drawn = [(row.corpus, row.uar, row.intervals.get("uar")) for row in several]
    picture = _svg(plots.ranges({"": drawn}), "UAR of each corpus with its interval")
    return table + picture


def _emotions(report: Report) -> str:
    parts = []
    for row in report.corpora:
        cells = [
            (
                escape(of.emotion),
                str(of.n_clips),
                _percent(of.recall),
                _bounds(of.recall_interval),
                _percent(of.precision),
                _percent(of.f1),
            )
            for of in row.per_emotion
        ]
        head = ("emotion", "clips", "recall %", "95 % interval", "precision %", "F1 %")
        picture = _svg(
            plots.confusion(row.confusion, row.emotions),
            f"What each emotion of {row.corpus} was taken for",
        )
        recalls = [(of.emotion, of.recall, of.recall_interval) for of in row.per_emotion]
        dots = _svg(plots.ranges({"": recalls}, x="recall in %"), f"Recall in {row.corpus}")
        parts.append(
            f'<h3>{escape(row.corpus)}</h3><div class="side"><div>{_table(head, cells)}{dots}</div>'
            f"<div>{picture}</div></div>"
        )
    note = (
        '<p class="soft">In the squares: per cent of the clips that act the emotion, and below '
        "it their number.</p>"
    )
    return note + "".join(parts)


def _confidence(report: Report) -> str:
    assert report.predictions is not None  # for the type checker
    found = metrics.answers(report.predictions)
    sure, right = float(found.confidence.mean()), float(found.hit.mean())
    more = "more" if sure > right else "less"
    text = (
        f"<p>The answers are right in {_percent(right)} % of the clips, and their mean confidence "
        f"is {_percent(sure)} %: the recogniser is {more} sure than it is right. Expected "
        f"calibration error: {_percent(report.calibration_error)} %. A bar below the dashed line "
        "means that answers of that confidence are right less often than they claim.</p>"
    )
    picture = plots.reliability(found.confidence, found.hit)
    curves = {}
    for row in report.corpora[:_CURVES]:
        own = found.corpora == row.corpus
        curves[row.corpus] = metrics.risk_coverage(found.confidence[own], found.hit[own])
    areas = ", ".join(f"{escape(row.corpus)} {_percent(row.aurc)}" for row in report.corpora)
    kept = (
        f"<p>Where only the surest answers are kept, fewer are wrong. Area under the curve, in per "
        f"cent: {areas}.</p>"
    )
    beside = _svg(plots.risk_coverage(curves), "Share of wrong answers against answers kept")
    return (
        f'{text}<div class="side"><div>'
        f"{_svg(picture, 'Share of right answers against confidence')}</div>"
        f"<div>{kept}{beside}</div></div>"
    )


def _groups(report: Report) -> str:
    if not report.breakdowns:
        return ""
    if report.gaps:
        items = "".join(f"<li>{escape(str(row))}</li>" for row in report.gaps)
        parts = [f"<p>Gaps that are more than chance, the widest first:</p><ul>{items}</ul>"]
    else:
        parts = ["<p>No gap between groups is surely more than chance.</p>"]
    for corpus in dict.fromkeys(row.corpus for row in report.breakdowns):
        own = [row for row in report.breakdowns if row.corpus == corpus]
        panels = {
            row.factor: [
                (group.value, group.uar_compared, None)
                for group in row.groups
                if group.uar_compared is not None
            ][:_LISTED]
            for row in own
        }
        panels = {factor: drawn for factor, drawn in panels.items() if drawn}
        picture = ""
        if panels:
            x = "UAR in %, of the emotions that all groups act"
            picture = _svg(plots.ranges(panels, x=x), f"UAR of groups of {corpus}")
        tables = "".join(map(_breakdown, own))
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
            _percent(group.uar),
            _percent(group.uar_compared),
        )
        for group in row.groups[:_LISTED]
    ]
    head = (row.factor, "clips", "speakers", "UAR %", "UAR %, of<br>shared emotions")
    left = len(row.groups) - _LISTED
    more = f"; {left} more are in the JSON report" if left > 0 else ""
    unknown = f"; of {_count(row.n_unknown, 'clip')} it is not known" if row.n_unknown else ""
    gap = ""
    if row.gap is not None:
        sentence = str(row).removeprefix(f"{row.corpus}, {row.factor}: ")
        gap = f"{escape(sentence)}{unknown}{more}"
    else:
        gap = f"nothing to compare: too few clips, or no emotion that all act{unknown}{more}"
    table = _table(head, cells)
    if len(row.groups) > _OPEN:
        table = f"<details><summary>{len(row.groups)} groups</summary>{table}</details>"
    return f'<p class="soft"><strong>{escape(row.factor)}</strong>: {gap}</p>{table}'


def _listeners(compared: ListenersReport) -> str:
    left_out = ""
    if compared.n_without_votes:
        left_out = f" {_count(compared.n_without_votes, 'clip')} nobody voted on."
    text = (
        f"<h3>{escape(compared.corpus)}</h3><p>People heard the same clips, each on its own and "
        f"without seeing the speaker: {compared.overall.n_votes} votes.{left_out} “One listener” "
        "is a single vote, “majority” what most chose. A recogniser that learnt what actors were "
        "told to show may name the intention more often than people do, and still hear less in the "
        "voice than they agree upon.</p>"
    )
    head = (
        "clips acting",
        "clips",
        "one listener<br>names what<br>was acted %",
        "majority<br>does %",
        "recogniser<br>does %",
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
                _percent(value)
                for value in (
                    row.listener,
                    row.majority,
                    row.recognizer,
                    row.listener_with_listeners,
                    row.recogniser_with_listeners,
                    row.half_with_half,
                    row.recogniser_with_half,
                )
            ),
        )
        for row in compared.rows
    ]
    return text + _table(head, rows, n_whole=1)


def _mistakes(mistakes: Iterable[Mistake]) -> str:
    cards = "".join(map(_card, mistakes))
    if not cards:
        return "<p>There are none.</p>"
    return (
        "<p>What was acted had the least probability in these. "
        '<span class="soft">Blue: acted; orange: answered. The spectrograms are made of the '
        "recordings, whose licence decides who may see them.</span></p>"
        f'<div class="cards">{cards}</div>'
    )


def _card(mistake: Mistake) -> str:
    utterance = mistake.utterance
    rows = ""
    for emotion, share in sorted(mistake.probabilities.items(), key=lambda pair: -pair[1]):
        kind = {utterance.emotion: " acted", mistake.answered: " answered"}.get(emotion, "")
        rows += (
            f'<tr><th scope="row">{escape(emotion)}</th><td>{_percent(share)} %</td>'
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
    """Draw a mel-spectrogram as small as a card, the loudest white."""
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
    """Write a table; cells are HTML, and the first rows may be of the whole."""
    columns = "".join(f'<th scope="col">{name}</th>' for name in head)
    lines = []
    for number, (first, *others) in enumerate(rows):
        mark = ' class="whole"' if number < n_whole else ""
        cells = "".join(f"<td>{cell}</td>" for cell in others)
        lines.append(f'<tr{mark}><th scope="row">{first}</th>{cells}</tr>')
    return (
        f'<div class="wide"><table><thead><tr>{columns}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _svg(figure: Figure, description: str) -> str:
    from matplotlib import rc_context

    content = io.BytesIO()
    # The same figures make the same page.
    with rc_context({"svg.hashsalt": "emotionrecog"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box stands for it
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


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _percent(share: float | None) -> str:
    return "–" if share is None or math.isnan(share) else f"{100 * share:.1f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _bounds(pair: tuple[float, float] | None) -> str:
    return "none" if pair is None else f"{100 * pair[0]:.1f} – {100 * pair[1]:.1f}"
