"""How Sphinx builds the documentation."""

import inspect
import json
from importlib import import_module
from pathlib import Path

from sphinx.util.docutils import SphinxDirective

import emotionrecog
from emotionrecog import benchmark
from emotionrecog.datasets import CORPORA
from emotionrecog.splits import protocols

project = "emotionrecog"
author = "emotionrecog developers"
copyright = f"2026, {author}"
release = version = emotionrecog.__version__

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"emotionrecog {release}"

# Single backticks in docstrings are names of Python objects where one is known, and code elsewhere.
default_role = "py:obj"

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings state types, shapes and units
numpydoc_show_class_members = False  # autodoc lists them

myst_heading_anchors = 3

# What pages say of the corpora is written here from the corpora themselves, so that it stays true.

LANGUAGES = {"de": "German", "en": "English", "it": "Italian", "pl": "Polish", "ur": "Urdu"}


class CorporaTable(SphinxDirective):
    """Write a table of all corpora."""

    def run(self):
        """Return the table."""
        lines = ["| corpus | folder | language | recordings | speakers | emotions | licence |"]
        lines.append("|---" * 7 + "|")
        for name, corpus in CORPORA.items():
            depend(self, name)
            row = (
                f"[{corpus.title.partition(':')[0]}](corpora/{name}.md)",
                f"`{name}`",
                LANGUAGES[corpus.language],
                of_each_style(corpus.n_utterances),
                of_each_style(corpus.n_speakers),
                str(len(corpus.emotions)),
                corpus.licence,
            )
            lines.append("| " + " | ".join(row) + " |")
        return self.parse_text_to_nodes("\n".join(lines))


class CorpusFacts(SphinxDirective):
    """Write the facts of the corpus that the argument names."""

    required_arguments = 1

    def run(self):
        """Return a table."""
        corpus = CORPORA[self.arguments[0]]
        depend(self, corpus.name)
        facts = {
            "recordings": of_each_style(corpus.n_utterances),
            "speakers": of_each_style(corpus.n_speakers),
            "emotions": ", ".join(corpus.emotions),
            "language": LANGUAGES[corpus.language],
            "licence of the owners": corpus.licence,
            "where to get it": f"<{corpus.homepage}>",
            "how to cite it": corpus.citation,
            "in the library": f"`datasets.CORPORA[{corpus.name!r}]`",
        }
        lines = ["| | |", "|---|---|", *(f"| {what} | {fact} |" for what, fact in facts.items())]
        return self.parse_text_to_nodes("\n".join(lines))


class CorpusNames(SphinxDirective):
    """Write the file-name code of the corpus that the argument names."""

    required_arguments = 1

    def run(self):
        """Return a table."""
        corpus = CORPORA[self.arguments[0]]
        depend(self, corpus.name)
        lines = ["| part | codes |", "|---|---|"]
        lines += [f"| {part} | {codes_of(codes)} |" for part, codes in corpus.name_parts.items()]
        return self.parse_text_to_nodes("\n".join(lines))


class StressResults(SphinxDirective):
    """Write what a stress test found, from the file that the argument names."""

    required_arguments = 1

    def run(self):
        """Return the command, what was judged, and a table."""
        relative, absolute = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(relative)
        found = json.loads(Path(absolute).read_text(encoding="utf-8"))
        return self.parse_text_to_nodes("\n".join(stress_lines(found)))


def stress_lines(found):
    """Write the figures of a stress test as Markdown."""
    judged = [row for row in found["conditions"] if row["passed"] is not None]
    n_met = sum(row["passed"] for row in judged)
    lines = [
        f"{found['n_clips']} recordings of {found['n_speakers']} speakers of "
        f"{', '.join(found['corpora'])}, judged by `{found['recognizer']}`, whose training had "
        f"heard none of these speakers, with emotionrecog {found['version']}. "
        f"**{n_met} of {len(judged)} pass marks are met.**",
        *("", "```sh", found["command"], "```", ""),
        "| condition | unchanged | 95 % | pass mark | UAR | confidence | what flips most |",
        "|---|---:|---:|---:|---:|---:|---|",
        f"| clean | | | | {percent(found['clean_uar'])} | {percent(found['clean_confidence'])} | |",
    ]
    marks = {True: "met", False: "**missed**"}
    for row in found["conditions"]:
        interval, mark = row["interval"], row["mark"]
        cells = [
            f"{row['family']}, {row['level']}",
            percent(row["unchanged"]),
            f"{percent(interval[0])} to {percent(interval[1])}" if interval else "",
            "" if mark is None else f"{100 * mark:.0f}, {marks.get(row['passed'], 'not judged')}",
            percent(row["uar"]),
            percent(row["confidence_change"], "+"),
            "; ".join(f"{was} → {now} {count}" for was, now, count in row["flips"][:2]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines.append("")
    for rise in found["rises"]:
        lines.append(
            f"- *{rise['harder']}* is better than *{rise['milder']}*: {rise['metric']} is higher "
            f"by {percent(rise['rise'])}, and chance allows {percent(rise['allowed'])}."
        )
    if not found["rises"]:
        lines.append("No harder condition came out better than a milder one by more than chance.")
    return lines


class BenchmarkResults(SphinxDirective):
    """Write what benchmarks came to, from the folder that the argument names."""

    required_arguments = 1

    def run(self):
        """Return a table of all protocols, and what there is to say of each."""
        folder = Path(self.env.relfn2path(self.arguments[0])[1])
        found = []
        for path in sorted(folder.glob("*/summary.json")):
            self.env.note_dependency(str(path))
            values = json.loads(path.read_text(encoding="utf-8"))
            found.append(benchmark.Summary.from_dict(values))
        found.sort(key=lambda summary: protocols.NAMES.index(summary.protocol))
        lines = benchmark_lines(found)
        for summary in found:
            lines += protocol_lines(summary)
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def benchmark_lines(found):
    """Write the table of all protocols as Markdown."""
    if not found:
        return ["No results are kept here yet; the command above makes them."]
    lines = ["Made with", "", "```sh", *dict.fromkeys(summary.command for summary in found)]
    lines += [
        *("```", ""),
        "| protocol | tested | UAR | WA | ECE | pooled UAR, 95 % | best published |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for summary in found:
        for part, rows in (("", summary.corpora), (", 4 emotions", summary.four)):
            for row in rows:
                best = [
                    f"{name} {percent(value)}"
                    for name, value, _ in summary.best(row.corpus)
                    if not part
                ]
                cells = [
                    f"[`{summary.protocol}`](#{anchor(summary.protocol)})",
                    f"{row.corpus}{part}",
                    *(
                        spread(row.mean[name], row.deviation[name])
                        for name in ("uar", "wa", "calibration_error")
                    ),
                    bounded(row.pooled["uar"], row.intervals.get("uar")),
                    "; ".join(best) or "none known",
                ]
                lines.append("| " + " | ".join(cells) + " |")
    return lines


def protocol_lines(summary):
    """Write what there is to say of one protocol as Markdown."""
    n_folds = len(summary.folds) + len(summary.missing)
    apart = {True: "speaker-disjoint", False: "NOT speaker-disjoint", None: "no training"}
    texts = "text-disjoint" if summary.text_disjoint else "not text-disjoint"
    lines = [
        *("", f"## {summary.protocol}", ""),
        f"{summary.title.capitalize()}: **{apart[summary.speaker_disjoint]}**, {texts}; "
        f"{len(summary.folds)} of {n_folds} folds.",
        "",
        *(f"- {note[:1].upper()}{note[1:]}." for note in summary.notes),
        "",
        "| fold | speakers tested | clips | UAR | WA | macro-F1 | ECE | minutes |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for fold in summary.folds:
        for row in fold["corpora"]:
            names = [speaker.partition("/")[2] for speaker in fold["speakers"]]
            some = ", ".join(names) if len(names) < 7 else f"{names[0]} to {names[-1]}"
            minutes = "" if fold["seconds"] is None else f"{fold['seconds'] / 60:.1f}"
            figures = [percent(row[name]) for name in benchmark.FIGURES]
            name = fold["fold"].removeprefix(f"{summary.protocol}/")
            cells = [name, some, str(row["n_clips"]), *figures, minutes]
            lines.append("| " + " | ".join(cells) + " |")
    means = [spread(summary.mean[name], summary.deviation[name]) for name in benchmark.FIGURES]
    lines.append("| " + " | ".join(["**mean**", "", "", *means, ""]) + " |")
    rows = benchmark.published(summary.protocol)
    for compares, title in (
        (True, "Published on these folds:"),
        (False, "Published, but of other folds, tasks or training, so that none compares:"),
    ):
        own = [row for row in rows if summary.compares(row) == compares]
        if not own:
            continue
        lines += [
            *("", title, ""),
            "| figure | what | emotions | speakers | source |",
            "|---|---|---:|---|---|",
        ]
        for row in own:
            known = (("UAR", row.uar, row.uar_to), ("WA", row.wa, None))
            told = ", ".join(
                f"{name} {percent(value)}{f' to {percent(end)}' if end else ''}"
                for name, value, end in known
                if value is not None
            )
            noted = f". *{row.note[:1].upper()}{row.note[1:]}*" if row.note else ""
            cells = [
                told,
                f"{row.system}, on {row.corpus}",
                str(row.n_emotions),
                apart[row.speaker_disjoint],
                f"{row.source}{noted}",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    if not any(summary.compares(row) for row in rows):
        lines += ["", "Nothing that was published on these folds is known here."]
    return lines


def anchor(title):
    """Return what links to a heading are called."""
    return title.replace("/", "")


def spread(mean, deviation):
    """Write a mean and its standard deviation in per cent."""
    if deviation is None:
        return percent(mean)
    return f"{percent(mean)}\u00a0±\u00a0{percent(deviation)}"  # no line is broken there


def bounded(value, bounds):
    """Write a figure and its interval in per cent."""
    if bounds is None:
        return f"{percent(value)} (none)"
    return f"{percent(value)} ({percent(bounds[0])}\u00a0to\u00a0{percent(bounds[1])})"


class ExplanationResults(SphinxDirective):
    """Write how explanations were checked, from the file that the argument names."""

    required_arguments = 1

    def run(self):
        """Return the command, what was explained, and two tables."""
        relative, absolute = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(relative)
        found = json.loads(Path(absolute).read_text(encoding="utf-8"))
        return self.parse_text_to_nodes("\n".join(explanation_lines(found)))


def explanation_lines(found):
    """Write how explanations were checked as Markdown."""
    spoken = found["syllables"]
    lines = [
        f"{found['n_clips']} recordings of {found['n_speakers']} speakers of "
        f"{', '.join(found['corpora'])}, explained for `{found['recognizer']}`, whose training had "
        f"heard none of these speakers, with emotionrecog {found['version']}. One explanation "
        f"took {found['seconds']:.1f} s of one core, in the median.",
        *("", "```sh", found["command"], "```", ""),
        "| a network that is | rank correlation | 90 % below | SSIM | 90 % below |",
        "|---|---:|---:|---:|---:|",
    ]
    for what, row in found["similarity"].items():
        cells = (row[name] for name in ("rank_correlation", "rank_correlation_90"))
        others = (row[name] for name in ("ssim", "ssim_90"))
        numbers = " | ".join(f"{number:.2f}" for number in (*cells, *others))
        lines.append(f"| {what} | {numbers} |")
    shares = " | ".join(f"{100 * share:.0f} %" for share in found["shares"])
    lines += [
        "",
        "The mean probability of the answer, in per cent, when so many of the cells are down:",
        *("", f"| which first | {shares} |", "|---|" + "---:|" * len(found["shares"])),
    ]
    names = {
        "by_map": "what the map names",
        "by_energy": "the loudest",
        "at_random": "any, in a random order",
    }
    for what, name in names.items():
        values = " | ".join(percent(value) for value in found["probability"][what])
        lines.append(f"| {name} | {values} |")
    lines += [
        "",
        f"It fell faster by the map than at random in {percent(found['faster_than_random'])} % "
        f"of the recordings, and faster than by loudness in "
        f"{percent(found['faster_than_loudest'])} %.",
        "",
        f"In {spoken['n_clips']} clips of CREMA-D, whose sentences have "
        f"{spoken['in_the_text']:.1f} syllables in the mean, {spoken['counted']:.1f} peaks were "
        f"counted; a count is off by {spoken['error']:.1f} in the mean, and the two correlate by "
        f"{spoken['correlation']:.2f}.",
    ]
    return lines


class CalibrationResults(SphinxDirective):
    """Write one table of what calibration came to: the file, and which table."""

    required_arguments = 2

    def run(self):
        """Return the table."""
        relative, absolute = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(relative)
        found = json.loads(Path(absolute).read_text(encoding="utf-8"))
        return self.parse_text_to_nodes("\n".join(CALIBRATION_TABLES[self.arguments[1]](found)))


def table(heads, rows, n_texts=1):
    """Write a table whose first columns are text, the others figures."""
    return [
        "| " + " | ".join(heads) + " |",
        "|---" * n_texts + "|---:" * (len(heads) - n_texts) + "|",
        *("| " + " | ".join(map(str, row)) + " |" for row in rows),
    ]


def calibration_lines(found):
    """Write how far confidence is from accuracy."""
    speakers, clips = found["n_fitted"]["speakers"], found["n_fitted"]["clips"]
    rows = []
    for row in found["corpora"]:
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
    heads = ["corpus", "clips", "speakers", "accuracy", "confidence", "ECE before", "after"]
    return [
        f"The temperature, {found['temperature']:.3f}, comes from the answers of "
        f"`{found['fitted']}` to {clips} clips of {speakers} speakers "
        f"(`{found['calibration']['protocol']}`). These are the answers of `{found['tested']}`, "
        "another network of the recipe, to the speakers of `joint-test`, whom neither network had "
        f"heard, with emotionrecog {found['version']}. In per cent, of answers among all emotions, "
        "and in the last column among those that the corpus acts:",
        *("", "```sh", found["command"], "```", ""),
        *table([*heads, "perfect: mean, worst 5 %", "ECE among acted"], rows),
        "",
        "The mean log-loss of a corpus differs by at most "
        f"{found['largest_difference_by_averaging']:.3f} between probabilities of windows with "
        "this temperature, averaged, and averages to which it is applied.",
    ]


def folds_lines(found):
    """Write how calibrated the folds of protocols are by one another."""
    heads = ["protocol", "clips", "speakers", "temperatures", "ECE before", "after"]
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
        for row in found["folds"]
    ]
    return table([*heads, "perfect: mean, worst 5 %"], rows)


def kept_lines(found):
    """Write how good the surest answers are."""
    heads = ["corpus", "all answers: right"]
    for cell in found["corpora"][0]["kept"]:
        heads.append(f"confidence {cell['min_confidence']:g} and more: kept, right")
    rows = [
        [
            row["corpus"],
            percent(row["after_any"]["accuracy"]),
            *(f"{percent(c['kept'])}, {percent(c['accuracy_kept'])}" for c in row["kept"]),
            f"{percent(row['before_any']['aurc'])} → {percent(row['after_any']['aurc'])}",
        ]
        for row in found["corpora"]
    ]
    return table([*heads, "AURC"], rows)


def sets_lines(found):
    """Write what label sets hold, and where they fall short."""
    rows, short = [], []
    for row in found["corpora"]:
        cells = [row["corpus"], row["n_clips"], row["n_speakers"]]
        for cell in row["sets"]:
            falls = cell["covered"] < cell["coverage"]
            mark = "**" if falls else ""
            cells.append(f"{mark}{percent(cell['covered'])}{mark} of {cell['size']:.2f}")
            if falls:
                short.append(f"{row['corpus']} at {percent(cell['coverage'])} %")
        rows.append(cells)
    heads = [f"coverage {100 * c['coverage']:g} %" for c in found["corpora"][0]["sets"]]
    text = "How often the right emotion is in the set, in per cent, and of how many emotions it is:"
    fall = f"Bold is what falls short: {', '.join(short)}. " if short else ""
    return [
        *(text, ""),
        *table(["corpus", "clips", "speakers", *heads], rows),
        "",
        f"{fall}The promise is one for the mean over speakers, not for each: of a corpus with a "
        "single test speaker, the figure is that of one voice.",
    ]


def scores_lines(found):
    """Write the comparison of scores."""
    rows = [
        [r["score"], percent(r["coverage"]), percent(r["covered"]), f"{r['size']:.2f}"]
        for r in found["scores"]
    ]
    return table(["score", "coverage in %", "held in %", "emotions in the set"], rows)


def doubted_lines(found):
    """Write how many recordings of speech are called unreliable."""
    rows = []
    for row in found["corpora"]:
        why = "; ".join(f"{what} {number}" for what, number in row["doubted"].items())
        rows.append([row["corpus"], row["n_clips"], percent(row["reliable"]), why])
    cost = found["cost"]
    return [
        *table(["corpus", "clips", "passed in %", "reasons"], rows),
        "",
        f"A prediction from three seconds of speech took {cost['predict_ms']:.1f} ms of one core "
        f"of the machine where this was measured, and {cost['without_checks_ms']:.1f} ms without "
        "the checks.",
    ]


def sounds_lines(found):
    """Write what is said of sounds that are no speech."""
    rows = []
    for row in found["sounds"]:
        brief = [reason.partition(": the spectrum")[0] for reason in row["reasons"]]
        brief = [reason.partition(", as ")[0] for reason in brief]
        rows.append([row["sound"], "; ".join(brief) or "**nothing**"])
    return table(["sound", "reasons"], rows, n_texts=2)


def spoilt_lines(found):
    """Write how many spoilt recordings are doubted."""
    rows = []
    for row in found["spoilt"]["conditions"]:
        why = "; ".join(f"{what} {number}" for what, number in row["reasons"].items())
        rows.append([row["condition"], percent(row["doubted"]), percent(row["unchanged"]), why])
    n_clips = found["spoilt"]["n_clips"]
    return [
        f"{n_clips} recordings of RAVDESS and CREMA-D:",
        "",
        *table(["condition", "doubted in %", "answers unchanged in %", "reasons"], rows),
    ]


CALIBRATION_TABLES = {
    "calibration": calibration_lines,
    "folds": folds_lines,
    "kept": kept_lines,
    "sets": sets_lines,
    "scores": scores_lines,
    "doubted": doubted_lines,
    "sounds": sounds_lines,
    "spoilt": spoilt_lines,
}


def percent(share, sign=""):
    """Write a share in per cent; nothing where there is none."""
    return "" if share is None else f"{round(100 * share, 1) + 0.0:{sign}.1f}"


def depend(directive, name):
    """Have the page written again where the module of the corpus changed."""
    module = import_module(f"emotionrecog.datasets.{name}")
    directive.env.note_dependency(inspect.getsourcefile(module))


def of_each_style(numbers):
    """Write ``1440 speech, 1012 song``, or the number alone where there is speech only."""
    if list(numbers) == ["speech"]:
        return str(numbers["speech"])
    return ", ".join(f"{number} {style}" for style, number in numbers.items())


def codes_of(codes):
    """Write what the codes of one part of a name mean."""
    if isinstance(codes, str):
        return codes
    if all(isinstance(meaning, int) for meaning in codes.values()):
        first, *_, last = codes
        return f"`{first}` to `{last}`"
    unused = "an emotion that the library does not have"
    meant = {code: unused if meaning is None else meaning for code, meaning in codes.items()}
    return "<br>".join(f"`{code}` {meaning}" for code, meaning in meant.items())


def setup(app):
    """Tell Sphinx of the directives."""
    app.add_directive("corpora-table", CorporaTable)
    app.add_directive("corpus-facts", CorpusFacts)
    app.add_directive("corpus-names", CorpusNames)
    app.add_directive("stress-results", StressResults)
    app.add_directive("calibration-results", CalibrationResults)
    app.add_directive("explanation-results", ExplanationResults)
    app.add_directive("benchmark-results", BenchmarkResults)
