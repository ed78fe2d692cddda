"""The command ``emotionrecog``: one function a sub-command, and one row each in `COMMANDS`.

Answers go to standard output and everything else to standard error. What takes time to import is
imported by the sub-command that needs it, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import logging
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from emotionrecog import __version__
from emotionrecog.errors import DatasetError, EmotionRecogError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from emotionrecog.datasets import Utterance
    from emotionrecog.protocols import Fold
    from emotionrecog.recognizer import EmotionRecognizer, Prediction

__all__ = ["main"]

# Exit statuses besides 0. A program that a signal ended has 128 and the signal's number in a
# shell: SIGINT is 2, SIGPIPE 13.
FAILED = 1
INTERRUPTED = 130
NOBODY_READS = 141

# Characters of a bar that stands for 100 %.
BAR_WIDTH = 40

# Of pictures.
PLOT_EXTENSIONS = (".png", ".svg", ".pdf")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv
        Arguments after the program's name; by default those the program was started with.

    Returns
    -------
    int
        The exit status: 0 if all went well, 1 if something failed, 130 if the user interrupted
        it, 141 if the reader of standard output went away.

    Raises
    ------
    SystemExit
        With status 2 if the arguments are wrong, with 0 after ``--help`` and ``--version``.
    """
    arguments = _parser().parse_args(argv)
    try:
        return COMMANDS[arguments.command].run(arguments)
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # `head` has seen enough
        return NOBODY_READS
    except (EmotionRecogError, OSError, ValueError) as error:
        _complain(str(error))
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emotionrecog", description="Recognise the emotion in a voice.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    _add_commands(parser, COMMANDS, dest="command")
    return parser


def _add_commands(
    parser: argparse.ArgumentParser, commands: Mapping[str, Command], dest: str
) -> None:
    rows = parser.add_subparsers(title="commands", dest=dest, metavar="COMMAND", required=True)
    for name, command in commands.items():
        command.add_arguments(
            rows.add_parser(
                name, help=command.summary, description=command.description, allow_abbrev=False
            )
        )


def _complain(message: str) -> None:
    print("emotionrecog:", " ".join(message.splitlines()), file=sys.stderr)


def _write(text: str) -> None:
    """Write to standard output, and at once, for whoever reads along."""
    try:
        print(text, end="", flush=True)
    except OSError:
        # What is left in the buffer would fail, and be reported, once more when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


# --- predict ------------------------------------------------------------------------------------


def _add_predict_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="+",
        type=_path,
        metavar="PATH",
        help="recording, folder that is searched for recordings, or - for standard input",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="table",
        help="table, one JSON object a line, or CSV with a header (default: %(default)s)",
    )
    parser.add_argument(
        "--model",
        metavar="FOLDER_OR_NAME",
        help="saved recogniser (default: the one that comes with the package)",
    )
    parser.add_argument(
        "--jobs",
        type=_count,
        default=-1,
        metavar="N",
        help="recordings to judge at once (default: one on each core)",
    )
    parser.epilog = (
        "Exit status: 0 if every recording was judged, 1 if any could not be, 2 if the command "
        "was called wrongly."
    )


def _predict(arguments: argparse.Namespace) -> int:
    recordings, n_failed = _recordings(arguments.paths)
    if not recordings:
        return FAILED
    from emotionrecog.recognizer import EmotionRecognizer

    model = arguments.model
    recognizer = EmotionRecognizer() if model is None else EmotionRecognizer.load(model)
    single_table = arguments.format == "table" and len(recordings) == 1
    output = _SINGLE_TABLE if single_table else FORMATS[arguments.format]
    _set_encoding(arguments.format)
    _write(output.head(recognizer.labels))
    answers = _answers(recognizer, recordings, arguments.jobs)
    for path, answer in zip(recordings, answers, strict=True):
        if isinstance(answer, Exception):
            _complain(f"{_printable(path)}: {_reason(answer, path)}")
            n_failed += 1
        else:
            _write(output.row(path, answer))
    return FAILED if n_failed else 0


def _recordings(paths: Iterable[str]) -> tuple[list[str], int]:
    """Replace folders by the recordings in them; complain of those without, and count them."""
    from emotionrecog import audio

    recordings: list[str] = []
    n_failed = 0
    for path in paths:
        if not Path(path).is_dir():
            recordings.append(path)
            continue
        unreadable: list[OSError] = []
        found = sorted(audio.find(path, on_error=unreadable.append))
        recordings += map(str, found)
        for error in unreadable:
            _complain(f"{_printable(str(error.filename))}: {error.strerror}")
        if not (found or unreadable):
            known = ", ".join(audio.AUDIO_EXTENSIONS)
            _complain(f"{_printable(path)}: no recording in this folder; expected any of {known}")
        n_failed += len(unreadable) or not found
    return recordings, n_failed


def _answers(
    recognizer: EmotionRecognizer, recordings: Sequence[str], n_jobs: int
) -> Iterator[Prediction | EmotionRecogError | OSError]:
    """Judge recordings in their order; of several, a terminal shows how far the work is."""
    sources = (sys.stdin.buffer.read() if path == "-" else path for path in recordings)
    if len(recordings) == 1:  # without joblib and tqdm, which would take longer to import
        answer: Prediction | EmotionRecogError | OSError
        try:
            answer = recognizer.predict(next(sources))
        except (EmotionRecogError, OSError) as error:
            answer = error
        yield answer
        return
    from tqdm import tqdm

    with tqdm(
        total=len(recordings),
        disable=None,  # where standard error is no terminal
        leave=False,
        dynamic_ncols=True,
        bar_format="{percentage:3.0f}% {bar} {n_fmt}/{total_fmt} [{elapsed}<{remaining}]",
    ) as bar:
        for answer in recognizer.predict_batch(sources, n_jobs=n_jobs, on_error="keep"):
            bar.update()
            with bar.external_write_mode():  # the bar is gone while the answer is written
                yield answer


def _reason(error: EmotionRecogError | OSError, path: str) -> str:
    """Say what is wrong with a recording without naming it once more."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    name = "the given bytes" if path == "-" else repr(str(Path(path)))
    return str(error).removeprefix(f"{name}: ")


def _printable(path: str) -> str:
    """Quote a name that would break the line or command the terminal."""
    return path if path.isprintable() else repr(path)


def _path(text: str) -> str:
    if not text:  # would be taken for the working folder
        raise argparse.ArgumentTypeError("expected a path, got an empty word")
    return text


def _picture(text: str) -> Path:
    if Path(text).suffix.lower() not in PLOT_EXTENSIONS:
        expected = ", ".join(PLOT_EXTENSIONS)
        raise argparse.ArgumentTypeError(f"expected a file with one of {expected}, got {text!r}")
    return Path(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
    return int(text)


# --- train and evaluate -------------------------------------------------------------------------


def _add_corpora_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--corpora",
        default=os.environ.get("EMOTIONRECOG_CORPORA"),
        metavar="FOLDER",
        help="folder that holds a folder of each corpus "
        "(default: the environment variable EMOTIONRECOG_CORPORA)",
    )


def _add_train_arguments(parser: argparse.ArgumentParser) -> None:
    from emotionrecog import models, protocols

    _add_corpora_argument(parser)
    parser.add_argument(
        "--output", required=True, type=_path, metavar="FOLDER", help="where to save the recogniser"
    )
    parser.add_argument("--name", help="what to call it (default: the name of the folder)")
    parser.add_argument(
        "--hold-out",
        choices=protocols.FIXED,
        metavar="PROTOCOL",
        help="leave the test speakers of a protocol out of training and measure on them: "
        f"{', '.join(protocols.FIXED)} (default: train on all)",
    )
    _add_fold_argument(parser)
    _add_leakage_argument(parser)
    parser.add_argument(
        "--figures",
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="recognisers of the same recipe trained with --hold-out, whose figures the model card "
        "shall tell",
    )
    parser.add_argument(
        "--initial-weights", metavar="NPZ", help="weights of EfficientAT mn04 to start from"
    )
    parser.add_argument("--architecture", choices=models.ARCHITECTURES, help="kind of network")
    parser.add_argument("--epochs", type=_count, metavar="N", help="passes over the clips")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.epilog = (
        "The state is saved beside the output after each epoch; the same command goes on from "
        "there if it was interrupted."
    )


def _train(arguments: argparse.Namespace) -> int:
    _show_log()
    from emotionrecog import models

    models.require_tensorflow()
    from emotionrecog import datasets, modelcard, training
    from emotionrecog.evaluation import evaluate
    from emotionrecog.recognizer import EmotionRecognizer

    output = Path(arguments.output)
    if arguments.hold_out and arguments.figures:
        raise ValueError("--figures is for a recogniser that is trained on all speakers")
    if arguments.fold and not arguments.hold_out:
        raise ValueError("--fold is for a protocol that --hold-out names")
    if arguments.allow_leakage and not arguments.hold_out:
        raise ValueError("--allow-leakage is for a protocol that --hold-out names")
    if arguments.initial_weights and not Path(arguments.initial_weights).is_file():
        raise FileNotFoundError(f"no such file: {arguments.initial_weights!r}")
    figures = [EmotionRecognizer.load(folder).artifact.metrics for folder in arguments.figures]
    utterances = datasets.read(_corpora(arguments))
    fold = None
    if arguments.hold_out:
        fold = _fold(utterances, arguments.hold_out, arguments.fold)
        utterances = _learnt(utterances, fold)
    choices = {name: getattr(arguments, name) for name in ("architecture", "epochs", "seed")}
    recipe = training.Recipe(
        **{name: value for name, value in choices.items() if value is not None}
    )
    checkpoints = output.with_name(f"{output.name}.checkpoints")
    recognizer = training.train(
        utterances,
        recipe=recipe,
        name=arguments.name or output.name,
        initial_weights=arguments.initial_weights,
        checkpoints=checkpoints,
        test_set=fold.test if fold else (),
        allow_leakage=arguments.allow_leakage,
        listen=False,  # to all corpora takes a minute; `corpus audit` does
    )
    if fold:
        report = evaluate(recognizer, fold.test, allow_leakage=arguments.allow_leakage)
        _write(f"{report}\n")
        figures = [modelcard.figures(fold.name, [report])]
    artifact = modelcard.with_figures(recognizer.artifact, modelcard.merge(figures))
    EmotionRecognizer(artifact).save(output)
    shutil.rmtree(checkpoints)
    return 0


def _add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    from emotionrecog import protocols

    _add_corpora_argument(parser)
    parser.add_argument("model", metavar="FOLDER_OR_NAME", help="the recogniser")
    parser.add_argument(
        "--protocol",
        choices=protocols.FIXED,
        default="joint-test",
        metavar="PROTOCOL",
        help="whose test speakers to measure on: "
        f"{', '.join(protocols.FIXED)} (default: %(default)s)",
    )
    _add_fold_argument(parser)
    _add_leakage_argument(parser)


def _evaluate(arguments: argparse.Namespace) -> int:
    _show_log()
    from emotionrecog import datasets
    from emotionrecog.evaluation import evaluate
    from emotionrecog.recognizer import EmotionRecognizer

    recognizer = EmotionRecognizer.load(arguments.model)
    utterances = datasets.read(_corpora(arguments))
    fold = _fold(utterances, arguments.protocol, arguments.fold)
    report = evaluate(recognizer, fold.test, allow_leakage=arguments.allow_leakage)
    _write(f"{report}\n")
    return 0


def _add_fold_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fold", type=_count, metavar="N", help="which fold of the protocol, counted from 1"
    )


def _add_leakage_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow-leakage",
        action="store_true",
        help="go on although speakers or recordings of the test were in training; the figures "
        "are none on new voices, and the report says so",
    )


def _fold(utterances: list[Utterance], name: str, number: int | None) -> Fold:
    from emotionrecog import protocols

    protocol = protocols.get(name)
    n_folds = len(protocol.held_out)
    if number not in (range(1, n_folds + 1) if n_folds > 1 else (None, 1)):
        raise ValueError(
            f"protocol {name!r} needs --fold with a number from 1 to {n_folds}, "
            f"got {number or 'none'}"
        )
    wanted = name if n_folds == 1 else f"{name}/{number}"
    for fold in protocol.folds(utterances):
        if fold.name == wanted:
            return fold
    speakers = ", ".join(sorted(protocol.held_out[wanted]))
    raise DatasetError(
        f"fold {wanted!r} tests {speakers}, of whom there is no recording here; choose another"
    )


def _learnt(utterances: list[Utterance], fold: Fold) -> list[Utterance]:
    """Return what is trained on, in its order."""
    # Nothing is chosen on the validation speakers, so that they are learnt from as well.
    learnt = {*fold.train, *fold.validation}
    return [utterance for utterance in utterances if utterance in learnt]


def _corpora(arguments: argparse.Namespace) -> str:
    if not arguments.corpora:
        raise DatasetError(
            "the corpora are needed: name the folder that holds them with --corpora or in the "
            "environment variable EMOTIONRECOG_CORPORA"
        )
    return str(arguments.corpora)


def _show_log() -> None:
    logging.basicConfig(format="emotionrecog: %(message)s", stream=sys.stderr)
    logging.getLogger("emotionrecog").setLevel(logging.INFO)


# --- corpus -------------------------------------------------------------------------------------


def _add_corpus_arguments(parser: argparse.ArgumentParser) -> None:
    _add_commands(parser, CORPUS_COMMANDS, dest="corpus_command")


def _corpus(arguments: argparse.Namespace) -> int:
    return CORPUS_COMMANDS[arguments.corpus_command].run(arguments)


def _add_corpus_check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "root", type=_path, metavar="FOLDER", help="folder of one corpus or of several"
    )
    parser.add_argument(
        "--corpus",
        metavar="NAME",
        help="which corpus it is, as the command list names it (default: the names of the files "
        "tell)",
    )
    parser.add_argument(
        "--format",
        choices=("table", "json"),
        default="table",
        help="table with long lists cut short, or one JSON object with complete lists "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--plot",
        type=_picture,
        metavar="FILE",
        help="draw the distributions of emotion, speaker and duration, as "
        f"{', '.join(PLOT_EXTENSIONS)}; needs the extra plots",
    )
    parser.add_argument(
        "--jobs",
        type=_count,
        default=-1,
        metavar="N",
        help="recordings to decode at once (default: one on each core)",
    )
    parser.epilog = (
        "Exit status: 0 if nothing was found that the owners' own files do not have, 1 if "
        "something was or there is no corpus, 2 if the command was called wrongly."
    )


def _corpus_check(arguments: argparse.Namespace) -> int:
    from emotionrecog import checks, plots

    if arguments.plot:  # before the work rather than after it
        plots.require_matplotlib()
        if not arguments.plot.parent.is_dir():
            raise FileNotFoundError(f"no such folder to draw to: {str(arguments.plot.parent)!r}")
    checked = checks.check(arguments.root, arguments.corpus, n_jobs=arguments.jobs)
    _set_encoding(arguments.format)
    as_json = arguments.format == "json"
    _write(f"{json.dumps(checked.to_dict()) if as_json else checked}\n")
    if arguments.plot:
        utterances = [u for corpus in checked.corpora for u in corpus.utterances]
        durations = [d for corpus in checked.corpora for d in corpus.durations]
        if utterances:
            plots.distributions(utterances, durations).savefig(arguments.plot)
        else:
            _complain(f"drew nothing to {str(arguments.plot)!r}: no recording can be used")
    return 0 if checked.ok else FAILED


def _add_corpus_list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        choices=("table", "json"),
        default="table",
        help="table, or one JSON object a line (default: %(default)s)",
    )


def _corpus_list(arguments: argparse.Namespace) -> int:
    from emotionrecog import datasets

    rows = [
        {
            "name": corpus.name,
            "recordings": sum(corpus.n_utterances.values()) or None,
            "styles": dict(corpus.n_utterances),
            "emotions": list(corpus.emotions),
            "language": corpus.language,
            "licence": corpus.licence,
            "title": corpus.title,
            "homepage": corpus.homepage,
        }
        for corpus in datasets.CORPORA.values()
    ]
    if arguments.format == "json":
        _write("".join(json.dumps(row) + "\n" for row in rows))
        return 0
    columns = ("name", "recordings", "language", "licence", "title")
    table = [columns, *(tuple(str(row[column] or "") for column in columns) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        cells = (f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True))
        _write("  ".join(cells).rstrip() + "\n")
    return 0


def _add_audit_arguments(parser: argparse.ArgumentParser) -> None:
    for name in ("train", "test"):
        parser.add_argument(
            name,
            type=_path,
            metavar=name.upper(),
            help=f"what to {name} on: a table (CSV or TSV) of recordings, or a folder of corpora",
        )
    parser.add_argument(
        "--format",
        choices=("table", "json"),
        default="table",
        help="for people, or one JSON object with all pairs (default: %(default)s)",
    )
    parser.add_argument(
        "--no-listening",
        dest="listen",
        action="store_false",
        help="compare names and bytes alone, which takes seconds",
    )
    parser.add_argument(
        "--jobs",
        type=_count,
        default=-1,
        metavar="N",
        help="recordings to read at once (default: one on each core)",
    )
    parser.epilog = (
        "Exit status: 0 if no speaker and no recording is in both, 1 if any is or something "
        "failed, 2 if the command was called wrongly."
    )


def _audit(arguments: argparse.Namespace) -> int:
    _show_log()
    from emotionrecog.audit import audit

    train, test = (_listed(source) for source in (arguments.train, arguments.test))
    report = audit(train, test, listen=arguments.listen, n_jobs=arguments.jobs)
    _set_encoding(arguments.format)
    text = json.dumps(report.to_dict()) if arguments.format == "json" else str(report)
    _write(f"{text}\n")
    return FAILED if report.leaky else 0


def _listed(source: str) -> list[Utterance]:
    """Read the utterances of a table, or of the known corpora below a folder."""
    from emotionrecog import datasets

    if not Path(source).is_dir():
        return datasets.from_table(source)
    scans = [corpus.scan(source) for corpus in datasets.CORPORA.values()]
    utterances = [utterance for scan in scans for utterance in scan.utterances]
    asides: dict[str, set[Path]] = {}
    for scan in scans:
        asides.setdefault("that are copies of others", set()).update(scan.copies)
        for path, reason in scan.left_out.items():
            asides.setdefault(reason, set()).add(path)
    strangers = set.intersection(*(set(scan.strangers) for scan in scans))
    asides["that are of no known corpus"] = strangers
    for reason, paths in asides.items():
        if paths := paths.difference(utterance.path for utterance in utterances):
            _complain(
                f"left out {len(paths)} files {reason}, such as {_printable(str(min(paths)))}"
            )
    if not utterances:
        raise DatasetError(
            f"no recording of a known corpus ({', '.join(datasets.CORPORA)}) in {source!r}; "
            "recordings of one's own are listed in a table with columns path, emotion and speaker"
        )
    return utterances


def _add_gap_arguments(parser: argparse.ArgumentParser) -> None:
    _add_corpora_argument(parser)
    parser.add_argument(
        "--format",
        choices=("table", "json"),
        default="table",
        help="table, or one JSON object (default: %(default)s)",
    )


def _gap(arguments: argparse.Namespace) -> int:
    _show_log()
    from emotionrecog import baseline, datasets

    found = baseline.gap(datasets.read(_corpora(arguments)))
    _set_encoding(arguments.format)
    text = json.dumps(found.to_dict()) if arguments.format == "json" else str(found)
    _write(f"{text}\n")
    return 0 if found.rows else FAILED


# --- how predictions are written ----------------------------------------------------------------


class Format(NamedTuple):
    """Text that comes before all answers, given the labels; and the text of one answer."""

    head: Callable[[Sequence[str]], str]
    row: Callable[[str, Prediction], str]


def _set_encoding(format_name: str) -> None:
    """Make standard output take whatever a file name may hold."""
    if not isinstance(sys.stdout, io.TextIOWrapper):
        return
    if format_name == "table":  # what the terminal cannot show is spelled out
        sys.stdout.reconfigure(errors="backslashreplace")
    else:  # the same everywhere; a name that is no text stays the bytes it is
        sys.stdout.reconfigure(encoding="utf-8", errors=sys.getfilesystemencodeerrors())


def _no_head(labels: Sequence[str]) -> str:
    return ""


def _table_head(labels: Sequence[str]) -> str:
    return f"{'emotion':<{_widest(labels)}}  confidence  recording\n"


def _table_row(path: str, prediction: Prediction) -> str:
    # The name comes last, so that its length shifts no column.
    emotion = f"{prediction.emotion:<{_widest(prediction.probabilities)}}"
    return f"{emotion}  {_percent(prediction.confidence):>10}  {_printable(path)}\n"


def _single_table(path: str, prediction: Prediction) -> str:
    lines = [
        f"{_printable(path)}: {prediction.emotion}, {_percent(prediction.confidence)}",
        "",
        *(
            f"  {label:<{_widest(prediction.probabilities)}}  {_percent(p):>5}  {_bar(p)}".rstrip()
            for label, p in prediction.probabilities.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def _json_row(path: str, prediction: Prediction) -> str:
    return json.dumps({"path": path, **prediction.to_dict()}) + "\n"


def _csv_head(labels: Sequence[str]) -> str:
    return _csv_line(["path", "emotion", "confidence", *labels])


def _csv_row(path: str, prediction: Prediction) -> str:
    probabilities = prediction.probabilities.values()
    return _csv_line([path, prediction.emotion, prediction.confidence, *probabilities])


def _csv_line(cells: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _widest(labels: Iterable[str]) -> int:
    return max(map(len, ("emotion", *labels)))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


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


# --- all sub-commands ---------------------------------------------------------------------------


class Command(NamedTuple):
    """A sub-command: what help says of it, and its two functions."""

    summary: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


COMMANDS = {
    "predict": Command(
        summary="name the emotion in recordings",
        description="Name the emotion in each recording, with its probability.",
        add_arguments=_add_predict_arguments,
        run=_predict,
    ),
    "train": Command(
        summary="train a recogniser on the corpora",
        description="Train a recogniser on RAVDESS, CREMA-D, SAVEE and TESS together. "
        "Needs TensorFlow.",
        add_arguments=_add_train_arguments,
        run=_train,
    ),
    "evaluate": Command(
        summary="measure a recogniser on speakers that its training left out",
        description="Measure a recogniser on speakers that its training left out: unweighted "
        "average recall (UAR) and accuracy (WA), in per cent.",
        add_arguments=_add_evaluate_arguments,
        run=_evaluate,
    ),
    "corpus": Command(
        summary="check and compare corpora",
        description="Look at corpora before anything is trained on them.",
        add_arguments=_add_corpus_arguments,
        run=_corpus,
    ),
}

CORPUS_COMMANDS = {
    "check": Command(
        summary="compare a folder with what the owners of a corpus published",
        description="Find out which corpora a folder holds, decode every recording, and list what "
        "is missing, damaged, silent, there more than once or unlike the rest.",
        add_arguments=_add_corpus_check_arguments,
        run=_corpus_check,
    ),
    "list": Command(
        summary="name the corpora that the library knows",
        description="Name the corpora that the library knows, and what their owners allow.",
        add_arguments=_add_corpus_list_arguments,
        run=_corpus_list,
    ),
    "audit": Command(
        summary="find what training and test data share",
        description="Compare recordings to train on with recordings to test on: speakers in both, "
        "and recordings in both, even if they were resampled, coded anew, cut, padded, made "
        "louder, quieter or noisy.",
        add_arguments=_add_audit_arguments,
        run=_audit,
    ),
    "gap": Command(
        summary="show what a random split makes of a figure",
        description="Train a small classical recogniser on random splits of each corpus and on "
        "splits that keep its speakers apart, and compare. Takes a few minutes.",
        add_arguments=_add_gap_arguments,
        run=_gap,
    ),
}
