"""The commands that answer for recordings: predict and explain."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from emotionrecog.cli import options, output
from emotionrecog.errors import EmotionRecogError
from emotionrecog.text import percent, printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from emotionrecog.inference import Prediction
    from emotionrecog.recognizer import EmotionRecognizer

# Characters of the bar for a probability of 1.
BAR_WIDTH = 40


# --- predict ------------------------------------------------------------------------------------


def _add_predict_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_recordings(parser, stdin=True)
    options.add_format(parser, "table, one JSON object a line, or CSV with a header", FORMATS)
    options.add_model(parser)
    options.add_jobs(parser, "recordings to judge at once")
    parser.add_argument(
        "--min-confidence",
        type=options.share(),
        metavar="P",
        help="mark answers below this confidence as unsure, from 0 to 1",
    )
    parser.add_argument(
        "--coverage",
        type=options.share(0.5, 0.99),
        metavar="C",
        help="also return a set of emotions that contains the right one with this probability, "
        "from 0.5 to 0.99",
    )


def _predict(arguments: argparse.Namespace) -> int:
    recordings, n_failed = options.find_recordings(arguments.paths)
    if not recordings:
        return output.status_of(0, n_failed)
    recognizer = options.load_recognizer(arguments.model)
    single_table = arguments.format == "table" and len(recordings) == 1
    layout = _SINGLE_TABLE if single_table else FORMATS[arguments.format]
    output.set_encoding(arguments.format)
    recognizer.engine.validate_threshold(arguments.min_confidence, arguments.coverage)
    output.write(layout.head(recognizer.labels))
    answers = _answers(
        recognizer,
        recordings,
        arguments.jobs,
        min_confidence=arguments.min_confidence,
        coverage=arguments.coverage,
    )
    n_done = 0
    for path, answer in zip(recordings, answers, strict=True):
        if isinstance(answer, Exception):
            output.note(f"{printable(path)}: {_reason(answer, path)}")
            n_failed += 1
        else:
            output.write(layout.row(path, answer))
            n_done += 1
    return output.status_of(n_done, n_failed)


def _answers(
    recognizer: EmotionRecognizer,
    recordings: Sequence[str],
    n_jobs: int,
    *,
    min_confidence: float | None,
    coverage: float | None,
) -> Iterator[Prediction | EmotionRecogError | OSError]:
    """Judge recordings in their order, with a progress bar for several on a terminal."""
    sources = (sys.stdin.buffer.read() if path == "-" else path for path in recordings)
    if len(recordings) == 1:  # without joblib and tqdm, which would take longer to import
        answer: Prediction | EmotionRecogError | OSError
        try:
            answer = recognizer.predict(
                next(sources), min_confidence=min_confidence, coverage=coverage
            )
        except (EmotionRecogError, OSError) as error:
            answer = error
        yield answer
        return
    with output.progress(len(recordings)) as bar:
        for answer in recognizer.predict_batch(
            sources,
            n_jobs=n_jobs,
            on_error="keep",
            min_confidence=min_confidence,
            coverage=coverage,
        ):
            bar.update()
            with bar.external_write_mode():  # the bar disappears while the answer is written
                yield answer


def _reason(error: EmotionRecogError | OSError, path: str) -> str:
    """Return the problem of a recording, without its name at the beginning."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    name = "the given bytes" if path == "-" else repr(str(Path(path)))
    return str(error).removeprefix(f"{name}: ")


# --- formats of predictions ---------------------------------------------------------------------


class Format(NamedTuple):
    """The text before all answers, given the labels; and the text of one answer."""

    head: Callable[[Sequence[str]], str]
    row: Callable[[str, Prediction], str]


def _no_head(labels: Sequence[str]) -> str:
    return ""


def _table_head(labels: Sequence[str]) -> str:
    return f"{'emotion':<{_width(labels)}}  confidence  recording\n"


def _table_row(path: str, prediction: Prediction) -> str:
    # The name comes last, so that its length does not move the other columns.
    emotion = f"{prediction.emotion:<{_width(prediction.probabilities)}}"
    remarks = "; ".join(_remarks(prediction, brief=True))
    confidence = f"{percent(prediction.confidence, digits=0)} %"
    return f"{emotion}  {confidence:>10}  {printable(path)}{remarks and f'  ({remarks})'}\n"


def _remarks(prediction: Prediction, *, brief: bool = False) -> list[str]:
    """Return the label set and the reasons to doubt an answer, in words."""
    reasons = list(prediction.reasons)
    if brief:
        reasons = list(dict.fromkeys(reason.partition(":")[0] for reason in reasons))
    remarks = []
    if prediction.label_set is not None:
        *others, last = prediction.label_set
        remarks.append(f"{', '.join(others)} or {last}" if others else f"only {last}")
    if not prediction.is_reliable:
        remarks.append(f"unsure: {', '.join(reasons) if brief else '; '.join(reasons)}")
    return remarks


def _single_table(path: str, prediction: Prediction) -> str:
    width = _width(prediction.probabilities)
    lines = [
        f"{printable(path)}: {prediction.emotion}, {percent(prediction.confidence, digits=0)} %",
        *_remarks(prediction),
        "",
        *(
            f"  {label:<{width}}  {percent(p, digits=0):>3} %  {_bar(p)}".rstrip()
            for label, p in prediction.probabilities.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def _json_row(path: str, prediction: Prediction) -> str:
    return json.dumps({"path": path, **prediction.to_dict()}) + "\n"


def _csv_head(labels: Sequence[str]) -> str:
    names = ["path", "emotion", "confidence", *labels, "is_reliable", "reasons", "label_set"]
    return _csv_line(names)


def _csv_row(path: str, prediction: Prediction) -> str:
    cells = [path, prediction.emotion, prediction.confidence, *prediction.probabilities.values()]
    is_reliable = "yes" if prediction.is_reliable else "no"
    lists = ("; ".join(words) for words in (prediction.reasons, prediction.label_set or ()))
    return _csv_line([*cells, is_reliable, *lists])


def _csv_line(cells: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _width(labels: Iterable[str]) -> int:
    return max(map(len, ("emotion", *labels)))


def _bar(share: float) -> str:
    try:
        "█▏".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return "#" * round(BAR_WIDTH * share)
    whole, eighths = divmod(round(8 * BAR_WIDTH * share), 8)
    return "█" * whole + " ▏▎▍▌▋▊▉"[eighths]


_SINGLE_TABLE = Format(_no_head, _single_table)
FORMATS = {
    "table": Format(_table_head, _table_row),
    "json": Format(_no_head, _json_row),
    "csv": Format(_csv_head, _csv_row),
}


# --- explain ------------------------------------------------------------------------------------


def _add_explain_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=options.path, metavar="CLIP", help="recording of at most 60 s")
    options.add_model(parser)
    parser.add_argument(
        "--emotion", metavar="EMOTION", help="emotion to explain (default: the answer)"
    )
    compared = parser.add_mutually_exclusive_group()
    compared.add_argument(
        "--sex",
        choices=("female", "male"),
        help="compare the voice with neutral speech of women or of men (default: of both)",
    )
    compared.add_argument(
        "--neutral",
        nargs="+",
        type=options.path,
        default=[],
        metavar="CLIP",
        help="compare the voice with these neutral recordings of the same speaker",
    )
    options.add_json(parser, "numbers and sentences")
    options.add_plot(parser, "explanation")


def _explain(arguments: argparse.Namespace) -> int:
    from emotionrecog import plots

    output.require_targets(arguments.json, picture=arguments.plot)
    recognizer = options.load_recognizer(arguments.model)
    explanation = recognizer.explain(
        arguments.path, arguments.emotion, sex=arguments.sex, neutral=arguments.neutral
    )
    output.write(f"{explanation}\n")
    values = {"path": arguments.path, **explanation.to_dict()}
    output.save_json(values, arguments.json)
    if arguments.plot:
        output.save_picture(plots.explanation(values, arguments.path), arguments.plot)
    return output.FINE


PREDICT = options.Command(
    name="predict",
    summary="recognise the emotion in recordings",
    description="Recognise the emotion in each recording, with its probability.",
    add_arguments=_add_predict_arguments,
    run=_predict,
    examples=(
        "emotionrecog predict clip.wav",
        "emotionrecog predict recordings/ --format csv",
        "curl -s https://example.org/clip.mp3 | emotionrecog predict -",
    ),
    epilog="Exit status: 0 if every recording was judged, 1 if some could not be, 2 if none could "
    "be or the command could not run.",
)

EXPLAIN = options.Command(
    name="explain",
    summary="show which parts of a recording led to an answer",
    description="Show which parts of a recording led to an answer, in time and frequency, by "
    "attenuating one after the other; and compare the level, pitch, rate and brightness of the "
    "voice with neutral speech.",
    add_arguments=_add_explain_arguments,
    run=_explain,
    examples=(
        "emotionrecog explain clip.wav --plot clip.png",
        "emotionrecog explain clip.wav --emotion sad --neutral same-voice-1.wav same-voice-2.wav",
    ),
)
