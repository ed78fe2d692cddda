"""The command ``emotionrecog``: one function a sub-command, and one row each in `COMMANDS`.

Answers go to standard output and everything else to standard error. What takes time to import is
imported by the sub-command that needs it, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
import json
import logging
import os
import shlex
import shutil
import sys
import tempfile
import tomllib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from emotionrecog.errors import DatasetError, EmotionRecogError
from emotionrecog.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from tqdm import tqdm

    from emotionrecog.datasets import LabelSet, Utterance
    from emotionrecog.features import FeatureSpec
    from emotionrecog.inference import Prediction
    from emotionrecog.recognizer import EmotionRecognizer
    from emotionrecog.splits.protocols import Fold
    from emotionrecog.training import Recipe

    _Rows = Iterator[tuple[str, NDArray[np.float32]]]  # recordings and their features

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

# Those of `emotionrecog.plots.KINDS`, which takes time to import; a test compares the two.
PLOT_KINDS = (
    *("waveform", "spectrum", "spectrogram", "log_spectrogram", "melspectrogram", "mfcc"),
    *("mfcc_delta", "rms", "zero_crossing_rate", "band_energy_ratio", "spectral_centroid"),
    *("spectral_bandwidth", "spectral_rolloff", "spectral_flatness", "spectral_contrast"),
    *("chroma", "f0", "voicing"),
)

# Those of `emotionrecog.features.PRESETS`, likewise.
PRESETS = ("log-mel", "log-mel-functionals", "mel-128x87", "mfcc", "descriptors")

# What entries of `emotionrecog.training.Recipe` may be, and the names of
# `emotionrecog.datasets.LABEL_SETS`, likewise.
CHOICES = {
    "loss": ("crossentropy", "focal"),
    "balance": ("sampling", "weights", "none"),
    "optimizer": ("adamw", "adam"),
    "schedule": ("cosine", "constant"),
}
LABEL_SETS = ("ravdess8", "tess7", "six", "four")


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


def _require_targets(
    *targets: str | os.PathLike[str] | None, drawn: str | os.PathLike[str] | None = None
) -> None:
    """Raise before the work, rather than after it, where what comes of it cannot be written."""
    if drawn:
        from emotionrecog import plots

        plots.require_matplotlib()
    for target in (*targets, drawn):
        if target and not Path(target).parent.is_dir():
            raise FileNotFoundError(f"no such folder to write to: {str(Path(target).parent)!r}")


def _write_json(figures: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    text = json.dumps(figures, indent=1, ensure_ascii=False)
    Path(path).write_text(f"{text}\n", encoding="utf-8")


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
    parser.add_argument(
        "--min-confidence",
        type=_share,
        metavar="P",
        help="call answers of less confidence unsure, from 0 to 1",
    )
    parser.add_argument(
        "--coverage",
        type=_coverage,
        metavar="C",
        help="also name the emotions among which the right one is so often, from 0.5 to 0.99",
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
    recognizer.validate_threshold(arguments.min_confidence, arguments.coverage)
    _write(output.head(recognizer.labels))
    answers = _answers(
        recognizer,
        recordings,
        arguments.jobs,
        min_confidence=arguments.min_confidence,
        coverage=arguments.coverage,
    )
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
    recognizer: EmotionRecognizer,
    recordings: Sequence[str],
    n_jobs: int,
    *,
    min_confidence: float | None,
    coverage: float | None,
) -> Iterator[Prediction | EmotionRecogError | OSError]:
    """Judge recordings in their order; of several, a terminal shows how far the work is."""
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
    with _progress(len(recordings)) as bar:
        for answer in recognizer.predict_batch(
            sources,
            n_jobs=n_jobs,
            on_error="keep",
            min_confidence=min_confidence,
            coverage=coverage,
        ):
            bar.update()
            with bar.external_write_mode():  # the bar is gone while the answer is written
                yield answer


def _progress(n_recordings: int) -> tqdm:
    from tqdm import tqdm

    return tqdm(
        total=n_recordings,
        disable=None,  # where standard error is no terminal
        leave=False,
        dynamic_ncols=True,
        bar_format="{percentage:3.0f}% {bar} {n_fmt}/{total_fmt} [{elapsed}<{remaining}]",
    )


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


def _share(text: str, low: float = 0.0, high: float = 1.0) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not low <= share <= high:
        raise argparse.ArgumentTypeError(
            f"expected a number from {low:g} to {high:g}, got {text!r}"
        )
    return share


def _coverage(text: str) -> float:
    return _share(text, 0.5, 0.99)


# --- train and evaluate -------------------------------------------------------------------------


def _add_corpora_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--corpora",
        default=os.environ.get("EMOTIONRECOG_CORPORA"),
        metavar="FOLDER",
        help="folder that holds a folder of each corpus "
        "(default: the environment variable EMOTIONRECOG_CORPORA)",
    )


def _add_recipe_arguments(parser: argparse.ArgumentParser, file: str = "--config") -> None:
    from emotionrecog import models

    group = parser.add_argument_group(
        "recipe",
        f"Options come before what {file} says, and that before the defaults of the architecture. "
        "Without any it is the recipe of the bundled recognizer.",
    )
    group.add_argument(file, dest="config", type=_path, metavar="TOML", help="file with a recipe")
    for name, choices, text in (
        ("architecture", tuple(models.ARCHITECTURES), "kind of network (default: mobilenet)"),
        ("features", PRESETS, "what the network is fed"),
        ("loss", CHOICES["loss"], "what is minimised"),
        ("balance", CHOICES["balance"], "what evens out rare emotions and small corpora"),
        ("optimizer", CHOICES["optimizer"], "how steps are made"),
        ("schedule", CHOICES["schedule"], "what becomes of the learning rate"),
    ):
        group.add_argument(
            f"--{name}", choices=choices, metavar="NAME", help=f"{text}: {', '.join(choices)}"
        )
    for name, kind, what, text in (
        ("epochs", _count, "N", "passes over the clips"),
        ("batch-size", _count, "N", "clips in a step"),
        ("crop-frames", _count, "N", "frames of a training crop"),
        ("copies", _count_or_none, "N", "varied copies of each clip, or none"),
        ("patience", _count_or_none, "N", "epochs without a higher validation UAR, or none"),
        ("learning-rate", float, "RATE", "largest learning rate"),
        ("weight-decay", float, "RATE", "of adamw"),
        ("averaging", float, "SHARE", "momentum of the moving average of the weights"),
        ("focal-gamma", float, "GAMMA", "exponent of the focal loss"),
        ("soft-targets", float, "SHARE", "of the target that follows listeners' votes"),
        ("label-smoothing", float, "SHARE", "of the target that is spread evenly"),
        ("absent-weight", float, "WEIGHT", "of emotions that a clip's corpus lacks"),
        ("validation-share", float, "SHARE", "of the speakers that patience watches"),
        ("seed", int, "N", "of everything drawn (default: 0)"),
    ):
        group.add_argument(f"--{name}", type=kind, metavar=what, help=text)
    group.add_argument(
        "--mixed-precision",
        action=argparse.BooleanOptionalAction,
        help="compute in bfloat16 where that is safe; for GPUs",
    )
    _add_labels_argument(group, "to tell apart")
    group.add_argument(
        "--set",
        dest="entries",
        action="append",
        default=[],
        type=_entry,
        metavar="NAME=VALUE",
        help="any entry of the recipe, such as sizes.units=64; the value as in TOML",
    )


# Those of the options above that are called like the entry they change.
_ENTRIES = (
    *("architecture", "features", "loss", "balance", "optimizer", "schedule", "epochs"),
    *("batch_size", "crop_frames", "copies", "patience", "learning_rate", "weight_decay"),
    *("averaging", "focal_gamma", "soft_targets", "label_smoothing", "absent_weight"),
    *("validation_share", "seed", "mixed_precision"),
)


def _count_or_none(text: str) -> int:
    if text.lower() in ("0", "none"):
        return 0
    return _count(text)


def _entry(text: str) -> tuple[str, Any]:
    name, found, value = text.partition("=")
    if not found or not name.strip():
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:  # a word without quotes
        return name.strip(), value.strip()


def _recipe(arguments: argparse.Namespace) -> Recipe:
    """Return the recipe that the file and the options name together."""
    from emotionrecog.training import Recipe
    from emotionrecog.training.config import changed

    given = {name: getattr(arguments, name) for name in _ENTRIES}
    changes = {name: value for name, value in given.items() if value is not None}
    options = {name: f"--{name.replace('_', '-')}" for name in changes}
    if arguments.patience == 0:
        changes["patience"] = False
    if arguments.labels:
        changes["labels"] = list(_label_set(arguments.labels).emotions)
        options["labels"] = "--labels"
    for name, value in arguments.entries:
        changes[name] = value
        options[name] = f"--set {name}"
    values = _toml(arguments.config) if arguments.config else {}
    try:
        return Recipe.from_dict(changed(values, changes))
    except (TypeError, ValueError) as error:
        if arguments.config:
            Recipe.from_toml(arguments.config)  # says so if the file alone is wrong
        at_fault = [o for name, o in options.items() if f"`{name}`" in str(error)]
        named = ", ".join(at_fault or options.values())
        raise ValueError(f"{named}: {error}") from error


def _toml(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path!r}: {error}") from error


def _label_set(text: str) -> LabelSet:
    from emotionrecog.datasets import EMOTIONS, LABEL_SETS, LabelSet

    if text in LABEL_SETS:
        return LABEL_SETS[text]
    names = [name.strip() for name in text.split(",")]
    if not set(names) <= set(EMOTIONS):
        raise ValueError(
            f"--labels: expected one of {', '.join(LABEL_SETS)}, or some of {', '.join(EMOTIONS)} "
            f"with commas between them, got {text!r}"
        )
    return LabelSet("chosen", {e: e if e in names else None for e in EMOTIONS})


def _relabelled(utterances: list[Utterance], labels: str) -> list[Utterance]:
    """Leave out what is not told apart, or take it as what the label set says."""
    relabelled = _label_set(labels).apply(utterances)
    for line in str(relabelled).splitlines():
        logging.getLogger("emotionrecog").info("%s", line)
    return relabelled.utterances


def _fitting(
    utterances: list[Utterance], arguments: argparse.Namespace, recipe: Recipe
) -> list[Utterance]:
    """Return recordings of what a recipe tells apart."""
    if {utterance.emotion for utterance in utterances} <= set(recipe.labels):
        return utterances
    return _relabelled(utterances, arguments.labels or ",".join(recipe.labels))


def _add_train_arguments(parser: argparse.ArgumentParser) -> None:
    from emotionrecog.splits import protocols

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
    _add_recipe_arguments(parser)
    parser.epilog = (
        "The state is saved beside the output after each epoch; the same command goes on from "
        "there if it was interrupted. What each epoch came to is written beside the output as "
        "FOLDER.history.csv and, with the extra plots, drawn as FOLDER.history.png."
    )


def _train(arguments: argparse.Namespace) -> int:
    _show_log()
    from emotionrecog import models

    recipe = _recipe(arguments)
    models.require_tensorflow()
    from emotionrecog import datasets, training
    from emotionrecog.evaluation import evaluate
    from emotionrecog.recognizer import EmotionRecognizer
    from emotionrecog.splits.dividing import without_validation
    from emotionrecog.training import card
    from emotionrecog.training.config import require_sizes

    require_sizes(recipe.architecture, recipe.sizes)
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
    utterances = _fitting(datasets.read(_corpora(arguments)), arguments, recipe)
    fold, validation = None, None
    if arguments.hold_out:
        fold = _fold(utterances, arguments.hold_out, arguments.fold)
        if recipe.patience is not None and fold.validation:
            utterances, validation = fold.train, fold.validation
        else:
            utterances = without_validation(fold, utterances).train
    checkpoints = output.with_name(f"{output.name}.checkpoints")
    recognizer = training.train(
        utterances,
        validation_set=validation,
        recipe=recipe,
        name=arguments.name or output.name,
        initial_weights=arguments.initial_weights,
        checkpoints=checkpoints,
        test_set=fold.test if fold else (),
        allow_leakage=arguments.allow_leakage,
        compare_audio=False,  # to all corpora takes a minute; `corpus audit` does
    )
    if fold:
        report = evaluate(recognizer, fold.test, allow_leakage=arguments.allow_leakage)
        _write(f"{report}\n")
        figures = [card.figures(fold.name, [report])]
    artifact = card.with_figures(recognizer.artifact, card.merge(figures))
    EmotionRecognizer(artifact).save(output)
    shutil.rmtree(checkpoints, ignore_errors=True)
    history = artifact.training.get("history")
    if history:
        from emotionrecog.training.loop import HISTORY

        _write_rows(history, ("epoch", *HISTORY), output.with_name(f"{output.name}.history.csv"))
        _draw_beside(lambda plots: plots.history(history), output, "history")
    return 0


def _write_rows(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], path: Path) -> None:
    """Write a table beside its place and move it there; what a row lacks is left empty."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as beside:
        new = Path(beside, path.name)
        with new.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, columns, lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
        new.replace(path)


def _draw_beside(draw: Callable[[Any], Figure], output: Path, what: str) -> None:
    """Draw a picture beside the output, where Matplotlib is there."""
    from emotionrecog import plots

    try:
        plots.require_matplotlib()
    except EmotionRecogError as error:
        logging.getLogger("emotionrecog").info("no picture: %s", error)
        return
    _save_picture(draw(plots), output.with_name(f"{output.name}.{what}.png"))


# --- search -------------------------------------------------------------------------------------


def _add_search_arguments(parser: argparse.ArgumentParser) -> None:
    from emotionrecog.splits import protocols

    _add_corpora_argument(parser)
    parser.add_argument(
        "--space",
        required=True,
        type=_path,
        metavar="TOML",
        help="file that says what may be tried: for each entry of a recipe a list of values, or a "
        "table with low, high and, if wanted, log or step",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=_path,
        metavar="TOML",
        help="where to write the best recipe, for train --config",
    )
    parser.add_argument(
        "--trials", type=_count, default=20, metavar="N", help="recipes to try (default: 20)"
    )
    parser.add_argument(
        "--storage",
        type=_path,
        metavar="FILE",
        help="SQLite file for the trials; the same command goes on from there if it was "
        "interrupted",
    )
    parser.add_argument(
        "--folds", type=_count, default=3, metavar="N", help="groups of speakers (default: 3)"
    )
    parser.add_argument(
        "--hold-out",
        choices=protocols.FIXED,
        metavar="PROTOCOL",
        help="leave the test speakers of a protocol out of the search, to measure on them later: "
        f"{', '.join(protocols.FIXED)}",
    )
    _add_fold_argument(parser)
    parser.add_argument(
        "--initial-weights", metavar="NPZ", help="weights of EfficientAT mn04 to start from"
    )
    _add_recipe_arguments(parser)
    parser.epilog = (
        "Needs the extra search and TensorFlow. The trials are written beside the output as "
        "TOML.trials.csv and, with the extra plots, drawn as TOML.trials.png."
    )


def _search(arguments: argparse.Namespace) -> int:
    _show_log()
    from emotionrecog.training.search import require_optuna, search

    recipe = _recipe(arguments)
    require_optuna()
    from emotionrecog import datasets
    from emotionrecog.splits.dividing import without_validation

    output = Path(arguments.output)
    _require_targets(output)
    if arguments.fold and not arguments.hold_out:
        raise ValueError("--fold is for a protocol that --hold-out names")
    space = _space(arguments.space)
    utterances = _fitting(datasets.read(_corpora(arguments)), arguments, recipe)
    if arguments.hold_out:
        fold = _fold(utterances, arguments.hold_out, arguments.fold)
        utterances = without_validation(fold, utterances).train
    result = search(
        utterances,
        space,
        recipe=recipe,
        n_trials=arguments.trials,
        folds=arguments.folds,
        storage=arguments.storage,
        seed=recipe.seed,
        initial_weights=arguments.initial_weights,
    )
    _write(f"{result}\n")
    told = "\n".join(f"# {line}" for line in str(result).splitlines())
    with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as beside:
        new = Path(beside, output.name)
        new.write_text(f"{told}\n\n{result.recipe.to_toml()}", encoding="utf-8")
        new.replace(output)
    names = list(space)
    rows = [
        {**trial, **trial["changes"], "folds": " ".join(map(str, trial["folds"]))}
        for trial in result.rows()
    ]
    columns = ("number", "uar", "folds", "seconds", "error", *names)
    _write_rows(
        ({column: row.get(column) for column in columns} for row in rows),
        columns,
        output.with_name(f"{output.name}.trials.csv"),
    )
    _draw_beside(lambda plots: plots.search(result.rows(), result.importances), output, "trials")
    return 0


def _space(path: str) -> dict[str, Any]:
    """Read a space; tables of tables are entries of tables, as in ``sizes.units``."""
    space: dict[str, Any] = {}
    for name, value in _toml(path).items():
        if isinstance(value, dict) and not {"low", "high"} & value.keys():
            space |= {f"{name}.{entry}": of_entry for entry, of_entry in value.items()}
        else:
            space[name] = value
    return space


def _add_tested_arguments(parser: argparse.ArgumentParser, purpose: str) -> None:
    from emotionrecog.splits import protocols

    parser.add_argument("model", metavar="FOLDER_OR_NAME", help="the recogniser")
    parser.add_argument(
        "--protocol",
        choices=protocols.FIXED,
        default="joint-test",
        metavar="PROTOCOL",
        help=f"{purpose}: {', '.join(protocols.FIXED)} (default: %(default)s)",
    )
    _add_fold_argument(parser)


def _add_labels_argument(parser: argparse._ActionsContainer, what: str) -> None:
    parser.add_argument(
        "--labels",
        metavar="NAMES",
        help=f"a label set ({', '.join(LABEL_SETS)}), or the emotions {what} with commas between "
        "them; recordings of others are left out",
    )


def _add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    _add_corpora_argument(parser)
    _add_tested_arguments(parser, "whose test speakers to measure on")
    _add_labels_argument(parser, "to measure on")
    _add_leakage_argument(parser)
    parser.add_argument(
        "--json", type=_path, metavar="FILE", help="write the figures to this file as well"
    )
    parser.add_argument(
        "--html",
        type=_path,
        metavar="FILE",
        help="write a page with pictures and the worst mistakes; needs the extra plots",
    )
    parser.add_argument(
        "--predictions",
        type=_path,
        metavar="FILE",
        help="write what was answered to each recording, as CSV",
    )


def _evaluate(arguments: argparse.Namespace) -> int:
    _show_log()
    from emotionrecog import datasets
    from emotionrecog.evaluation import evaluate
    from emotionrecog.recognizer import EmotionRecognizer

    _require_targets(arguments.json, arguments.predictions, drawn=arguments.html)
    recognizer = EmotionRecognizer.load(arguments.model)
    utterances = datasets.read(_corpora(arguments))
    fold = _fold(utterances, arguments.protocol, arguments.fold)
    heard = set(recognizer.artifact.training.get("speakers", ()))
    tested = list(fold.test)
    report = evaluate(
        recognizer,
        _relabelled(tested, arguments.labels) if arguments.labels else tested,
        protocol=f"{fold.name}, labels {arguments.labels}" if arguments.labels else fold.name,
        train_set=[utterance for utterance in utterances if utterance.speaker in heard],
        allow_leakage=arguments.allow_leakage,
        compare_audio=False,  # to all corpora takes a minute; `corpus audit` does
    )
    _write(f"{report}\n")
    if arguments.json:
        _write_json(report.to_dict(), arguments.json)
    if arguments.predictions and report.predictions:
        report.predictions.write_csv(arguments.predictions, root=_corpora(arguments))
    if arguments.html:
        report.write_html(arguments.html)
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
    from emotionrecog.splits import protocols

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


def _corpora(arguments: argparse.Namespace) -> str:
    if not arguments.corpora:
        raise DatasetError(
            "the corpora are needed: name the folder that holds them with --corpora or in the "
            "environment variable EMOTIONRECOG_CORPORA"
        )
    return str(arguments.corpora)


def _show_log() -> None:
    logging.basicConfig(format="emotionrecog: %(message)s", handlers=[_AboveTheBar(sys.stderr)])
    logging.getLogger("emotionrecog").setLevel(logging.INFO)


class _AboveTheBar(logging.StreamHandler[TextIO]):
    """Writes above a progress bar, which is gone while a line is written."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        with tqdm.external_write_mode(file=self.stream):
            super().emit(record)


# --- stress -------------------------------------------------------------------------------------


def _add_stress_arguments(parser: argparse.ArgumentParser) -> None:
    _add_corpora_argument(parser)
    _add_tested_arguments(parser, "whose test speakers to vary the recordings of")
    parser.add_argument(
        "--corpus", metavar="NAME", help="only the recordings of this corpus, such as crema_d"
    )
    parser.add_argument(
        "--clips",
        type=_count,
        metavar="N",
        help="only so many, evenly of all speakers and emotions (default: all)",
    )
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.add_argument(
        "--jobs", type=_count, default=-1, metavar="N", help="threads (default: one on each core)"
    )
    _add_leakage_argument(parser)
    parser.add_argument(
        "--json", type=_path, metavar="FILE", help="write the figures to this file as well"
    )
    parser.add_argument(
        "--plot",
        type=_picture,
        metavar="FILE",
        help=f"draw the figures, as {', '.join(PLOT_EXTENSIONS)}; needs the extra plots",
    )
    parser.add_argument(
        "--strict", action="store_true", help="fail where a pass mark is missed or harder is better"
    )


def _stress(arguments: argparse.Namespace) -> int:
    _show_log()
    from emotionrecog import datasets, plots
    from emotionrecog.evaluation.stress import stress_test
    from emotionrecog.recognizer import EmotionRecognizer

    _require_targets(arguments.json, drawn=arguments.plot)
    recognizer = EmotionRecognizer.load(arguments.model)
    clips = _fold(datasets.read(_corpora(arguments)), arguments.protocol, arguments.fold).test
    if arguments.corpus:
        known = sorted({utterance.corpus for utterance in clips})
        clips = [utterance for utterance in clips if utterance.corpus == arguments.corpus]
        if not clips:
            raise DatasetError(
                f"--corpus must be one of those that the protocol tests, {', '.join(known)}, "
                f"got {arguments.corpus!r}"
            )
    report = stress_test(
        recognizer,
        clips,
        n_clips=arguments.clips,
        seed=arguments.seed,
        allow_leakage=arguments.allow_leakage,
        n_jobs=arguments.jobs,
    )
    _write(f"{report}\n")
    figures = {
        "command": _stress_command(arguments),
        "version": __version__,
        "protocol": arguments.protocol,
        **report.to_dict(),
    }
    if arguments.json:
        _write_json(figures, arguments.json)
    if arguments.plot:
        _save_picture(plots.stress(figures), arguments.plot)
    return FAILED if arguments.strict and (report.missed or report.rises) else 0


def _stress_command(arguments: argparse.Namespace) -> str:
    """Return what repeats the figures, wherever the corpora are."""
    words = ["emotionrecog", "stress", arguments.model]
    for name in ("protocol", "fold", "corpus", "clips", "seed", "json"):
        value = getattr(arguments, name)
        if value is not None:
            words += [f"--{name}", str(value)]
    return shlex.join([*words, *(["--allow-leakage"] if arguments.allow_leakage else [])])


# --- calibrate ----------------------------------------------------------------------------------


def _add_calibrate_arguments(parser: argparse.ArgumentParser) -> None:
    from emotionrecog.splits import protocols

    _add_corpora_argument(parser)
    parser.add_argument("model", metavar="FOLDER_OR_NAME", help="the recogniser")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=_path,
        metavar="FOLDER",
        help="where to save the calibrated one; may be the folder of the recogniser itself",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--protocol",
        choices=protocols.FIXED,
        metavar="PROTOCOL",
        help="calibrate by the test speakers of a protocol, whom the recogniser has not heard: "
        f"{', '.join(protocols.FIXED)}",
    )
    source.add_argument(
        "--predictions",
        nargs="+",
        type=_path,
        metavar="CSV",
        help="calibrate by what other networks of the same recipe, not calibrated, answered to "
        "speakers that they had not heard, as evaluate --predictions and benchmark write it",
    )
    _add_fold_argument(parser)
    parser.add_argument(
        "--jobs", type=_count, default=-1, metavar="N", help="threads (default: one on each core)"
    )
    parser.epilog = (
        "The corpora are needed in any case, for what their recordings are like is learnt as well."
    )


def _calibrate(arguments: argparse.Namespace) -> int:
    _show_log()
    from emotionrecog import models

    models.require_tensorflow()
    from emotionrecog import datasets
    from emotionrecog.evaluation import Predictions
    from emotionrecog.recognizer import EmotionRecognizer
    from emotionrecog.training import card
    from emotionrecog.training.calibration import calibrate, summary

    if arguments.fold and arguments.predictions:
        raise ValueError("--fold is for a protocol that --protocol names")
    recognizer = EmotionRecognizer.load(arguments.model)
    root = _corpora(arguments)
    utterances = datasets.read(root)
    learnt = set(recognizer.artifact.training.get("speakers", ()))
    heard: list[Utterance] | list[Predictions]
    if arguments.predictions:
        heard = [Predictions.read_csv(p, utterances, root=root) for p in arguments.predictions]
        source = None
    else:
        fold = _fold(utterances, arguments.protocol, arguments.fold)
        heard, source = fold.test, fold.name
    calibrated = calibrate(
        recognizer,
        heard,
        train_set=[utterance for utterance in utterances if utterance.speaker in learnt],
        protocol=source,
        n_jobs=arguments.jobs,
    )
    artifact = card.with_calibration(calibrated.artifact)
    EmotionRecognizer(artifact).save(arguments.output)
    _write(f"{summary(artifact)}\n")
    return 0


# --- benchmark ----------------------------------------------------------------------------------


def _add_benchmark_arguments(parser: argparse.ArgumentParser) -> None:
    from emotionrecog.splits import protocols

    _add_corpora_argument(parser)
    parser.add_argument(
        "--protocol",
        dest="protocols",
        action="append",
        required=True,
        choices=protocols.NAMES,
        metavar="PROTOCOL",
        help="whose folds to train and test; may be given more than once: "
        f"{', '.join(protocols.NAMES)}",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=_path,
        metavar="FOLDER",
        help="where to keep what was answered and the figures; folds that are there are not made "
        "again",
    )
    parser.add_argument(
        "--initial-weights", metavar="NPZ", help="weights of EfficientAT mn04 to start from"
    )
    parser.add_argument(
        "--jobs",
        type=_count,
        metavar="N",
        help="folds to make side by side (default: one on each core, as memory allows)",
    )
    parser.add_argument(
        "--plot",
        type=_picture,
        metavar="FILE",
        help=f"draw the figures, as {', '.join(PLOT_EXTENSIONS)}; needs the extra plots",
    )
    parser.add_argument(
        "--allow-leakage",
        action="store_true",
        help="make protocols that have speakers in both training and test as well; their figures "
        "are none on new voices",
    )
    _add_recipe_arguments(parser, "--recipe")
    parser.epilog = (
        "The same command goes on where it was interrupted. In FOLDER each protocol has a folder "
        "with a CSV of answers and a JSON of figures for each fold, and summary.json."
    )


def _benchmark(arguments: argparse.Namespace) -> int:
    _show_log()
    from emotionrecog import models

    recipe = _recipe(arguments)
    models.require_tensorflow()
    from emotionrecog import benchmark, datasets, plots
    from emotionrecog.training.config import require_sizes

    _require_targets(drawn=arguments.plot)
    require_sizes(recipe.architecture, recipe.sizes)
    root = _corpora(arguments)
    found = benchmark.run(
        _fitting(datasets.read(root), arguments, recipe),
        arguments.protocols,
        arguments.output,
        recipe=recipe,
        initial_weights=arguments.initial_weights,
        root=root,
        allow_leakage=arguments.allow_leakage,
        n_jobs=arguments.jobs,
        command=_benchmark_command(arguments),
    )
    _write("\n\n".join(map(str, found)) + "\n")
    if arguments.plot:
        others = [
            dataclasses.asdict(row)
            for summary in found
            for row in benchmark.published(summary.protocol)
            if summary.compares(row)
        ]
        drawn = plots.benchmark([summary.to_dict() for summary in found], others)
        _save_picture(drawn, arguments.plot)
    return 0


def _benchmark_command(arguments: argparse.Namespace) -> str:
    """Return what repeats the figures, wherever corpora, weights and recipes are."""
    words = ["emotionrecog", "benchmark"]
    for name in arguments.protocols:
        words += ["--protocol", name]
    if arguments.config:
        words += ["--recipe", _elsewhere(arguments.config)]
    for name in (*_ENTRIES, "labels"):
        value = getattr(arguments, name)
        if isinstance(value, bool):
            words.append(f"--{'' if value else 'no-'}{name.replace('_', '-')}")
        elif value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    for entry, value in arguments.entries:
        words += ["--set", f"{entry}={json.dumps(value)}"]
    if arguments.initial_weights:
        words += ["--initial-weights", _elsewhere(arguments.initial_weights)]
    if arguments.allow_leakage:
        words.append("--allow-leakage")
    return shlex.join([*words, "--output", _elsewhere(arguments.output)])


def _elsewhere(path: str) -> str:
    """Return a path as another user may call it: relative ones as they are, of others the name."""
    return Path(path).name if Path(path).is_absolute() else path


# --- explain ------------------------------------------------------------------------------------


def _add_explain_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=_path, metavar="CLIP", help="recording of 60 s at most")
    parser.add_argument(
        "--model",
        metavar="FOLDER_OR_NAME",
        help="saved recogniser (default: the one that comes with the package)",
    )
    parser.add_argument(
        "--emotion", metavar="EMOTION", help="what to explain (default: what is answered)"
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
        type=_path,
        default=[],
        metavar="CLIP",
        help="compare it with these recordings of the same speaker speaking neutrally",
    )
    parser.add_argument(
        "--json", type=_path, metavar="FILE", help="write the numbers and sentences to this file"
    )
    parser.add_argument(
        "--plot",
        type=_picture,
        metavar="FILE",
        help=f"draw them, as {', '.join(PLOT_EXTENSIONS)}; needs the extra plots",
    )
    parser.epilog = (
        "Exit status: 0 if the recording was explained, 1 if it could not be, 2 if the command was "
        "called wrongly."
    )


def _explain(arguments: argparse.Namespace) -> int:
    from emotionrecog import plots
    from emotionrecog.recognizer import EmotionRecognizer

    _require_targets(arguments.json, drawn=arguments.plot)
    model = arguments.model
    recognizer = EmotionRecognizer() if model is None else EmotionRecognizer.load(model)
    explanation = recognizer.explain(
        arguments.path, arguments.emotion, sex=arguments.sex, neutral=arguments.neutral
    )
    _write(f"{explanation}\n")
    figures = {"path": arguments.path, **explanation.to_dict()}
    if arguments.json:
        _write_json(figures, arguments.json)
    if arguments.plot:
        _save_picture(plots.explanation(figures, arguments.path), arguments.plot)
    return 0


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
    from emotionrecog import plots
    from emotionrecog.datasets import checks

    _require_targets(drawn=arguments.plot)
    checked = checks.check(arguments.root, arguments.corpus, n_jobs=arguments.jobs)
    _set_encoding(arguments.format)
    as_json = arguments.format == "json"
    _write(f"{json.dumps(checked.to_dict()) if as_json else checked}\n")
    if arguments.plot:
        utterances = [u for corpus in checked.corpora for u in corpus.utterances]
        durations = [d for corpus in checked.corpora for d in corpus.durations]
        if utterances:
            _save_picture(plots.distributions(utterances, durations), arguments.plot)
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
    _write_table(columns, ([str(row[column] or "") for column in columns] for row in rows))
    return 0


def _write_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write columns as wide as what is in them."""
    table = [columns, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        cells = (f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True))
        _write("  ".join(cells).rstrip() + "\n")


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
        dest="compare_audio",
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
    from emotionrecog.splits.leakage import audit

    train, test = (_listed(source) for source in (arguments.train, arguments.test))
    report = audit(train, test, compare_audio=arguments.compare_audio, n_jobs=arguments.jobs)
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
    from emotionrecog import datasets
    from emotionrecog.evaluation import gap

    found = gap.gap(datasets.read(_corpora(arguments)))
    _set_encoding(arguments.format)
    text = json.dumps(found.to_dict()) if arguments.format == "json" else str(found)
    _write(f"{text}\n")
    return 0 if found.rows else FAILED


# --- models -------------------------------------------------------------------------------------


def _add_models_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        choices=("table", "json"),
        default="table",
        help="table, or one JSON object a line with sizes and their defaults "
        "(default: %(default)s)",
    )
    parser.epilog = (
        "Counted with default sizes and eight emotions, for 3 s of speech or the length that the "
        "features fix. Mmult: millions of multiplications, each with its addition, that one clip "
        "takes."
    )


def _models(arguments: argparse.Namespace) -> int:
    from emotionrecog import models

    models.require_tensorflow()
    from emotionrecog.models.cost import cost

    rows = [
        {"name": name, **about.to_dict(), **dataclasses.asdict(cost(name))}
        for name, about in models.ARCHITECTURES.items()
    ]
    if arguments.format == "json":
        for row in rows:
            sizes = models.default_sizes(row["name"])
            _write(json.dumps({**row, "sizes": sizes}) + "\n")
        return 0
    _write_table(
        ("name", "features", "frames", "parameters", "Mmult", "what it is"),
        (
            (
                row["name"],
                row["features"],
                str(row["n_frames"]),
                f"{row['parameters']:,}",
                f"{row['multiply_adds'] / 1e6:.3g}",
                row["summary"],
            )
            for row in rows
        ),
    )
    return 0


# --- export -------------------------------------------------------------------------------------


def _add_export_arguments(parser: argparse.ArgumentParser) -> None:
    from emotionrecog.models.export import FORMATS as EXPORT_FORMATS

    parser.add_argument("model", metavar="FOLDER_OR_NAME", help="the recogniser")
    parser.add_argument(
        "-o", "--output", required=True, type=_path, metavar="FILE", help="what to write"
    )
    endings = ", ".join(f"{name} ({ending})" for name, ending in EXPORT_FORMATS.items())
    parser.add_argument(
        "--format",
        choices=EXPORT_FORMATS,
        default="onnx",
        help=f"{endings}; the ending of FILE must be that of the format (default: %(default)s)",
    )
    parser.epilog = (
        "What the network must be fed is told in the metadata of an ONNX file, and in FILE.json "
        "beside others."
    )


def _export(arguments: argparse.Namespace) -> int:
    from emotionrecog.models.export import export
    from emotionrecog.recognizer import EmotionRecognizer

    artifact = EmotionRecognizer.load(arguments.model).artifact
    export(artifact, arguments.output, format=arguments.format)
    return 0


# --- plot ---------------------------------------------------------------------------------------


def _add_plot_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", nargs="+", type=_path, metavar="CLIP", help="recording; several get a column each"
    )
    parser.add_argument(
        "--kind",
        action="append",
        choices=PLOT_KINDS,
        metavar="KIND",
        help=f"what to draw; several get a row each: {', '.join(PLOT_KINDS)} "
        "(default: waveform and log_spectrogram)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=_picture,
        required=True,
        metavar="FILE",
        help=f"where to draw to, as {', '.join(PLOT_EXTENSIONS)}",
    )
    parser.add_argument(
        "--by-emotion",
        action="store_true",
        help="a column for each emotion, which the names of the files tell; they must be those of "
        "a known corpus",
    )
    parser.add_argument(
        "--sampling-rate",
        type=_count,
        metavar="HZ",
        help="resample first (default: the lowest rate of the recordings)",
    )
    parser.epilog = (
        "Needs the extra plots. Exit status: 0 if the picture was drawn, 1 if it was not, 2 if the "
        "command was called wrongly."
    )


def _plot(arguments: argparse.Namespace) -> int:
    from emotionrecog import audio, plots

    _require_targets(drawn=arguments.output)
    kinds = arguments.kind or ("waveform", "log_spectrogram")
    rate = arguments.sampling_rate
    utterances = [_utterance(path) for path in arguments.paths]
    if arguments.by_emotion:
        for path, utterance in zip(arguments.paths, utterances, strict=True):
            if utterance is None:
                raise DatasetError(
                    f"{_printable(path)}: the name is of no known corpus and tells no emotion; "
                    "draw it without --by-emotion"
                )
        figure = plots.compare([u for u in utterances if u], kinds, sampling_rate=rate)
    else:
        titles = [
            f"{utterance.emotion if utterance else ''}\n{_printable(Path(path).name)}".lstrip()
            for path, utterance in zip(arguments.paths, utterances, strict=True)
        ]
        clips = [audio.load(path, sampling_rate=rate) for path in arguments.paths]
        figure = plots.plot(clips, kinds, titles=titles)
    _save_picture(figure, arguments.output)
    return 0


def _utterance(path: str) -> Utterance | None:
    """Read a file's name as that of a known corpus."""
    from emotionrecog import datasets

    for corpus in datasets.CORPORA.values():
        try:
            found = corpus.parse(Path(path))
        except DatasetError:
            continue
        if isinstance(found, datasets.Utterance):
            return found
    return None


def _save_picture(figure: Figure, path: Path) -> None:
    """Draw beside the file and move it into place, so that no half of a picture is ever there."""
    with (
        tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as beside,
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box stands for it
        new = Path(beside, path.name)
        figure.savefig(new)
        new.replace(path)


# --- weights ------------------------------------------------------------------------------------


def _add_weights_arguments(parser: argparse.ArgumentParser) -> None:
    _add_commands(parser, WEIGHTS_COMMANDS, dest="weights_command")
    parser.epilog = (
        "The environment says which others than the bundled ones there are and where: "
        "EMOTIONRECOG_REGISTRY, EMOTIONRECOG_BASE_URL, EMOTIONRECOG_CACHE, EMOTIONRECOG_OFFLINE."
    )


def _weights(arguments: argparse.Namespace) -> int:
    return WEIGHTS_COMMANDS[arguments.weights_command].run(arguments)


def _add_weights_list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        choices=("table", "json"),
        default="table",
        help="table, or one JSON object a line (default: %(default)s)",
    )


def _weights_list(arguments: argparse.Namespace) -> int:
    from emotionrecog import pretrained

    known = pretrained.catalogue()
    _set_encoding(arguments.format)
    if arguments.format == "json":
        for name, weights in known.items():
            row = {"name": name, "state": pretrained.state(name), "size": weights.size}
            _write(json.dumps({**row, **weights.to_dict()}) + "\n")
        return 0
    _write_table(
        ("name", "state", "size", "description"),
        (
            (name, pretrained.state(name), f"{weights.size / 1e6:.1f} MB", weights.description)
            for name, weights in known.items()
        ),
    )
    _write("\nLicences of the recordings that they learnt from:\n")
    for name, weights in known.items():
        licences = [f"{corpus}: {licence}" for corpus, licence in weights.licences.items()]
        _write(f"  {name}: {'; '.join(licences) or 'not stated'}\n")
    return 0


def _add_weights_names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="NAME", help="as the command list names it")


def _weights_fetch(arguments: argparse.Namespace) -> int:
    _show_log()
    from emotionrecog import pretrained

    return _each(arguments.names, pretrained.fetch)


def _add_weights_path_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="as the command list names it")


def _weights_path(arguments: argparse.Namespace) -> int:
    from emotionrecog import pretrained

    _write(f"{pretrained.fetch(arguments.name, offline=True)}\n")
    return 0


def _add_weights_verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="as the command list names it (default: all that are bundled or were fetched)",
    )


def _weights_verify(arguments: argparse.Namespace) -> int:
    from emotionrecog import pretrained

    names = arguments.names or [
        name for name in pretrained.catalogue() if pretrained.state(name) != "not fetched"
    ]
    return _each(names, pretrained.verify, done="whole")


def _weights_remove(arguments: argparse.Namespace) -> int:
    from emotionrecog import pretrained

    return _each(arguments.names, pretrained.remove, done="removed")


def _each(names: Iterable[str], work: Callable[[str], object], done: str = "") -> int:
    """Do something with each recogniser, and write what came of it; go on if it fails."""
    status = 0
    for name in names:
        try:
            outcome = work(name)
        except (EmotionRecogError, OSError) as error:
            _complain(str(error))
            status = FAILED
        else:
            _write(f"{name}: {done or outcome}\n")
    return status


# --- features -----------------------------------------------------------------------------------


def _add_features_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="+",
        type=_path,
        metavar="PATH",
        help="recording, or folder that is searched for recordings",
    )
    parser.add_argument(
        "--preset",
        choices=PRESETS,
        default="descriptors",
        help="what to measure, and how (default: %(default)s)",
    )
    parser.add_argument(
        "--features",
        type=_names,
        metavar="NAME,...",
        help="what to measure instead of the features of the preset, with its sampling rate and "
        "frames: rms,mfcc or any others that the documentation lists",
    )
    parser.add_argument(
        "--functionals",
        type=_names,
        metavar="NAME,...",
        help="statistics over time, such as mean,std: one row for each recording instead of one "
        "for each frame",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=_table,
        required=True,
        metavar="FILE",
        help=f"where to write to, as {', '.join(TABLES)}",
    )
    parser.add_argument(
        "--jobs",
        type=_count,
        default=-1,
        metavar="N",
        help="recordings to read at once (default: one on each core)",
    )
    parser.epilog = (
        "Parquet needs the extra tables. Exit status: 0 if every recording was measured, 1 if any "
        "could not be, 2 if the command was called wrongly."
    )


def _features(arguments: argparse.Namespace) -> int:
    from emotionrecog.features import PRESETS
    from emotionrecog.features.extraction import extract_files

    output = arguments.output
    if output.suffix.lower() == ".parquet":  # before the work rather than after it
        _require_pyarrow()
    _require_targets(output)
    if output.is_dir():
        raise IsADirectoryError(f"expected a file to write, got a folder: {str(output)!r}")
    chosen = {name: getattr(arguments, name) for name in ("features", "functionals")}
    spec = dataclasses.replace(
        PRESETS[arguments.preset], **{name: value for name, value in chosen.items() if value}
    )
    recordings, n_failed = _recordings(arguments.paths)
    measured = 0

    def rows() -> _Rows:
        nonlocal n_failed, measured
        with _progress(len(recordings)) as bar:
            answers = extract_files(recordings, spec, n_jobs=arguments.jobs)
            for path, answer in zip(recordings, answers, strict=True):
                bar.update()
                if isinstance(answer, str):
                    with bar.external_write_mode():
                        _complain(f"{_printable(path)}: {answer}")
                    n_failed += 1
                else:
                    measured += 1
                    yield path, answer

    # Beside the file and then moved into place, so that no half of a table is ever there.
    with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as beside:
        new = Path(beside, output.name)
        TABLES[output.suffix.lower()](new, spec, rows())
        if measured:
            new.replace(output)
    return FAILED if n_failed else 0


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _table(text: str) -> Path:
    if Path(text).suffix.lower() not in TABLES:
        expected = ", ".join(TABLES)
        raise argparse.ArgumentTypeError(f"expected a file with one of {expected}, got {text!r}")
    return Path(text)


def _require_pyarrow() -> None:
    try:
        import pandas  # noqa: F401
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise EmotionRecogError(
            f"Parquet needs pandas and pyarrow, which are not both installed here ({error}): "
            "pip install 'emotionrecog[tables]'; .csv and .npz need neither"
        ) from error


def _times(features: NDArray[np.float32], spec: FeatureSpec) -> list[float]:
    """Return the middle of each frame, in s."""
    return [round(t * spec.hop_length / spec.sampling_rate, 6) for t in range(len(features))]


def _write_csv(target: Path, spec: FeatureSpec, rows: _Rows) -> None:
    with target.open(
        "w", encoding="utf-8", errors=sys.getfilesystemencodeerrors(), newline=""
    ) as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["path", *([] if spec.functionals else ["time"]), *spec.feature_names])
        for path, features in rows:
            if spec.functionals:
                table.writerow([path, *features])
            else:
                for time, frame in zip(_times(features, spec), features, strict=True):
                    table.writerow([path, time, *frame])


def _write_npz(target: Path, spec: FeatureSpec, rows: _Rows) -> None:
    import numpy as np

    paths, features = [], []
    for path, of_one in rows:
        paths.append(path)
        features.append(of_one)
    arrays: dict[str, Any] = (
        {"features": np.array(features)}
        if spec.functionals
        else {f"features_{i}": of_one for i, of_one in enumerate(features)}
    )
    np.savez(
        target,
        paths=np.array(paths, dtype=np.str_),
        feature_names=np.array(spec.feature_names),
        spec=np.array(json.dumps(spec.to_dict())),
        **arrays,
    )


def _write_parquet(target: Path, spec: FeatureSpec, rows: _Rows) -> None:
    import numpy as np
    import pandas

    names, parts = list(spec.feature_names), []
    for path, features in rows:
        part = pandas.DataFrame(np.atleast_2d(features), columns=names)
        if not spec.functionals:
            part.insert(0, "time", _times(features, spec))
        part.insert(0, "path", path)
        parts.append(part)
    if parts:
        pandas.concat(parts).to_parquet(target, engine="pyarrow", index=False)


TABLES: Mapping[str, Callable[[Path, FeatureSpec, _Rows], None]] = {
    ".csv": _write_csv,
    ".npz": _write_npz,
    ".parquet": _write_parquet,
}


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
    # The name comes after all columns, so that its length shifts none.
    emotion = f"{prediction.emotion:<{_widest(prediction.probabilities)}}"
    said = "; ".join(_remarks(prediction, brief=True))
    remarks = f"  ({said})" if said else ""
    return f"{emotion}  {_percent(prediction.confidence):>10}  {_printable(path)}{remarks}\n"


def _remarks(prediction: Prediction, *, brief: bool = False) -> list[str]:
    """Return what is to be said beside the answer, where there is something."""
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
    lines = [
        f"{_printable(path)}: {prediction.emotion}, {_percent(prediction.confidence)}",
        *_remarks(prediction),
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
    "search": Command(
        summary="look for a better recipe to train with",
        description="Look for a better recipe: try values, each measured on speakers that its "
        "training did not hear. Needs TensorFlow and Optuna.",
        add_arguments=_add_search_arguments,
        run=_search,
    ),
    "evaluate": Command(
        summary="measure a recogniser on speakers that its training left out",
        description="Measure a recogniser on speakers that its training left out: unweighted "
        "average recall (UAR) and accuracy (WA), in per cent.",
        add_arguments=_add_evaluate_arguments,
        run=_evaluate,
    ),
    "explain": Command(
        summary="tell which parts of a recording an answer rests on",
        description="Tell which parts of a recording an answer rests on, in time and frequency, by "
        "turning them down one after the other; and what the voice does, in level, pitch, rate and "
        "brightness, beside neutral speech.",
        add_arguments=_add_explain_arguments,
        run=_explain,
    ),
    "calibrate": Command(
        summary="make a recogniser's probabilities frequencies",
        description="Fit a recogniser's confidence to how often it is right about speakers whom it "
        "has not heard, and learn what its recordings are like: what predict --coverage and its "
        "remarks rest on. Needs TensorFlow.",
        add_arguments=_add_calibrate_arguments,
        run=_calibrate,
    ),
    "stress": Command(
        summary="measure how much worse recordings change a recogniser's answers",
        description="Vary recordings of speakers that a recogniser's training left out: louder and "
        "quieter, with noise, clipped, filtered, coded, resampled, with silence around them, "
        "cropped, in rooms, at other speeds and pitches; and measure how many answers stay what "
        "they were, beside pass marks, and the unweighted average recall (UAR).",
        add_arguments=_add_stress_arguments,
        run=_stress,
    ),
    "benchmark": Command(
        summary="train and test every fold of a published protocol",
        description="Train and test every fold of protocols, and show the mean over folds beside "
        "what others published on the same folds: unweighted average recall (UAR), accuracy (WA), "
        "macro-F1 and expected calibration error (ECE), in per cent. Needs TensorFlow.",
        add_arguments=_add_benchmark_arguments,
        run=_benchmark,
    ),
    "export": Command(
        summary="write a recogniser's network to one file for other programs",
        description="Write a recogniser's network to one file that other programs use. keras and "
        "litert need TensorFlow.",
        add_arguments=_add_export_arguments,
        run=_export,
    ),
    "models": Command(
        summary="list the kinds of network that can be trained",
        description="List the kinds of network that can be trained: what each is meant for and "
        "costs. Needs TensorFlow.",
        add_arguments=_add_models_arguments,
        run=_models,
    ),
    "plot": Command(
        summary="draw recordings and their features",
        description="Draw recordings and their features, one or several side by side.",
        add_arguments=_add_plot_arguments,
        run=_plot,
    ),
    "features": Command(
        summary="measure recordings, frame by frame or summed up, into a table",
        description="Measure recordings, frame by frame or summed up over time, and write a table.",
        add_arguments=_add_features_arguments,
        run=_features,
    ),
    "corpus": Command(
        summary="check and compare corpora",
        description="Look at corpora before anything is trained on them.",
        add_arguments=_add_corpus_arguments,
        run=_corpus,
    ),
    "weights": Command(
        summary="list, fetch and verify recognisers by name",
        description="Look after the recognisers that go by name: those that come with the package, "
        "and others that are fetched.",
        add_arguments=_add_weights_arguments,
        run=_weights,
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

WEIGHTS_COMMANDS = {
    "list": Command(
        summary="name the recognisers, where they are, and their licences",
        description="Name the recognisers: where each is, its size, what it does, and the licences "
        "of the recordings it learnt from.",
        add_arguments=_add_weights_list_arguments,
        run=_weights_list,
    ),
    "fetch": Command(
        summary="fetch recognisers",
        description="Fetch recognisers into the cache, unless they are there, and name their "
        "folders. What an interrupted command had fetched is kept and gone on with.",
        add_arguments=_add_weights_names,
        run=_weights_fetch,
    ),
    "path": Command(
        summary="print the folder of a recogniser",
        description="Print the folder of a recogniser. Nothing is fetched.",
        add_arguments=_add_weights_path_arguments,
        run=_weights_path,
    ),
    "verify": Command(
        summary="compare recognisers with their hashes",
        description="Compare the files of recognisers with their hashes, and read them.",
        add_arguments=_add_weights_verify_arguments,
        run=_weights_verify,
    ),
    "remove": Command(
        summary="delete recognisers that were fetched",
        description="Delete recognisers that were fetched. Those that come with the package stay.",
        add_arguments=_add_weights_names,
        run=_weights_remove,
    ),
}
