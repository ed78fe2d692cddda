"""The commands that measure recognisers: evaluate, stress and benchmark."""

from __future__ import annotations

import dataclasses
import shlex
from typing import TYPE_CHECKING

from emotionrecog.cli import options, output, recipes
from emotionrecog.errors import DatasetError, require_one_of
from emotionrecog.version import __version__

if TYPE_CHECKING:
    import argparse


# --- evaluate -----------------------------------------------------------------------------------


def _add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_corpora(parser)
    options.add_recognizer(parser)
    options.add_protocol(parser, "evaluate on the test speakers of this protocol")
    options.add_labels(parser, "evaluate on")
    options.add_leakage(parser)
    options.add_json(parser)
    parser.add_argument(
        "--html",
        type=options.path,
        metavar="FILE",
        help="also write a page with pictures and the worst mistakes; needs emotionrecog[plots]",
    )
    parser.add_argument(
        "--predictions",
        type=options.path,
        metavar="FILE",
        help="also write the prediction for each recording to this CSV file",
    )


def _evaluate(arguments: argparse.Namespace) -> int:
    from emotionrecog.evaluation import evaluate
    from emotionrecog.recognizer import EmotionRecognizer
    from emotionrecog.splits.dividing import fold_by_number

    output.require_targets(arguments.json, arguments.predictions, picture=arguments.html)
    recognizer = EmotionRecognizer.load(arguments.model)
    utterances = options.read_corpora(arguments.corpora)
    fold = fold_by_number(utterances, arguments.protocol, arguments.fold)
    test_set, name = fold.test, fold.name
    if arguments.labels:
        test_set = options.relabel(test_set, arguments.labels)
        name = f"{name}, labels {arguments.labels.name}"
    report = evaluate(
        recognizer,
        test_set,
        protocol=name,
        train_set=options.speakers_of(recognizer, utterances),
        allow_leakage=arguments.allow_leakage,
        compare_audio=False,  # takes a minute for all corpora; `corpus audit` does it
    )
    output.write(f"{report}\n")
    output.save_json(report.to_dict(), arguments.json)
    if arguments.predictions and report.predictions:
        report.predictions.write_csv(arguments.predictions, root=arguments.corpora)
        output.note(f"wrote {arguments.predictions}")
    if arguments.html:
        report.write_html(arguments.html)
        output.note(f"wrote {arguments.html}")
    return output.FINE


# --- stress -------------------------------------------------------------------------------------


def _add_stress_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_corpora(parser)
    options.add_recognizer(parser)
    options.add_protocol(parser, "vary recordings of the test speakers of this protocol")
    parser.add_argument(
        "--corpus", metavar="NAME", help="only the recordings of this corpus, such as crema_d"
    )
    parser.add_argument(
        "--clips",
        type=options.count,
        metavar="N",
        help="only this many recordings, evenly spread over speakers and emotions (default: all)",
    )
    options.add_seed(parser)
    options.add_jobs(parser, "threads")
    options.add_leakage(parser)
    options.add_json(parser)
    options.add_plot(parser)
    parser.add_argument(
        "--strict",
        action="store_true",
        help="exit with status 1 if a pass mark is missed or a harsher condition scores better "
        "than a milder one",
    )


def _stress(arguments: argparse.Namespace) -> int:
    from emotionrecog import plots
    from emotionrecog.evaluation.stress import stress_test
    from emotionrecog.recognizer import EmotionRecognizer
    from emotionrecog.splits.dividing import fold_by_number

    output.require_targets(arguments.json, picture=arguments.plot)
    recognizer = EmotionRecognizer.load(arguments.model)
    utterances = options.read_corpora(arguments.corpora)
    clips = fold_by_number(utterances, arguments.protocol, arguments.fold).test
    if arguments.corpus:
        corpora = sorted({utterance.corpus for utterance in clips})
        require_one_of("--corpus", arguments.corpus, corpora, error=DatasetError)
        clips = [utterance for utterance in clips if utterance.corpus == arguments.corpus]
    report = stress_test(
        recognizer,
        clips,
        n_clips=arguments.clips,
        seed=arguments.seed,
        allow_leakage=arguments.allow_leakage,
        n_jobs=arguments.jobs,
    )
    output.write(f"{report}\n")
    results = {
        "command": _stress_command(arguments),
        "version": __version__,
        "protocol": arguments.protocol,
        **report.to_dict(),
    }
    output.save_json(results, arguments.json)
    if arguments.plot:
        output.save_picture(plots.stress(results), arguments.plot)
    is_problem = arguments.strict and (report.missed or report.rises)
    return output.PROBLEM if is_problem else output.FINE


def _stress_command(arguments: argparse.Namespace) -> str:
    """Return the command that repeats the results, without the folder of the corpora."""
    words = ["emotionrecog", "stress", arguments.model]
    for name in ("protocol", "fold", "corpus", "clips", "seed", "json"):
        value = getattr(arguments, name)
        if value is not None:
            words += [f"--{name}", str(value)]
    return shlex.join([*words, *(["--allow-leakage"] if arguments.allow_leakage else [])])


# --- benchmark ----------------------------------------------------------------------------------


def _add_benchmark_arguments(parser: argparse.ArgumentParser) -> None:
    from emotionrecog.splits import protocols

    options.add_corpora(parser)
    parser.add_argument(
        "--protocol",
        dest="protocols",
        action="append",
        required=True,
        choices=protocols.NAMES,
        metavar="PROTOCOL",
        help="train and test every fold of this protocol; may be repeated: "
        f"{', '.join(protocols.NAMES)}",
    )
    options.add_output(
        parser, "FOLDER", "folder for predictions and results; existing folds are reused"
    )
    options.add_initial_weights(parser)
    parser.add_argument(
        "--jobs",
        type=options.count,
        metavar="N",
        help="folds to train at once (default: one on each core, if memory allows)",
    )
    options.add_plot(parser)
    options.add_leakage(parser)
    recipes.add_arguments(parser)


def _benchmark(arguments: argparse.Namespace) -> int:
    from emotionrecog import models

    recipe = recipes.chosen(arguments)
    models.require_tensorflow()
    from emotionrecog import benchmark, plots
    from emotionrecog.training.recipe import require_sizes

    output.require_targets(picture=arguments.plot)
    require_sizes(recipe.architecture, recipe.sizes)
    root = options.require_corpora(arguments.corpora)
    summaries = benchmark.run(
        recipes.fitting(options.read_corpora(root), recipe, arguments.labels),
        arguments.protocols,
        arguments.output,
        recipe=recipe,
        initial_weights=arguments.initial_weights,
        root=root,
        allow_leakage=arguments.allow_leakage,
        n_jobs=arguments.jobs,
        command=_benchmark_command(arguments),
    )
    output.write("\n\n".join(map(str, summaries)) + "\n")
    output.note(f"wrote predictions and results to {arguments.output}")
    if arguments.plot:
        others = [
            dataclasses.asdict(row)
            for summary in summaries
            for row in benchmark.published(summary.protocol)
            if summary.compares(row)
        ]
        figure = plots.benchmark([summary.to_dict() for summary in summaries], others)
        output.save_picture(figure, arguments.plot)
    return output.FINE


def _benchmark_command(arguments: argparse.Namespace) -> str:
    """Return the command that repeats the results, without the folders of this machine."""
    words = ["emotionrecog", "benchmark"]
    for name in arguments.protocols:
        words += ["--protocol", name]
    words += recipes.words(arguments)
    if arguments.initial_weights:
        words += ["--initial-weights", recipes.portable(arguments.initial_weights)]
    if arguments.allow_leakage:
        words.append("--allow-leakage")
    return shlex.join([*words, "--output", recipes.portable(arguments.output)])


EVALUATE = options.Command(
    name="evaluate",
    summary="evaluate a recogniser on speakers not seen in training",
    description="Evaluate a recogniser on speakers not seen in training: unweighted average recall "
    "(UAR) and accuracy (WA), in per cent.",
    add_arguments=_add_evaluate_arguments,
    run=_evaluate,
    examples=(
        "emotionrecog evaluate my-recogniser --protocol joint-test --html report.html",
        "emotionrecog evaluate my-recogniser --protocol savee/emobox4 --fold 2 --json report.json",
    ),
    logs=True,
)

STRESS = options.Command(
    name="stress",
    summary="measure how a recogniser copes with worse recordings",
    description="Vary recordings of speakers not seen in training: louder and quieter, with noise, "
    "clipped, filtered, coded, resampled, with silence around them, cropped, in rooms, at other "
    "speeds and pitches. Report how many answers stay the same, with pass marks, and the "
    "unweighted average recall (UAR).",
    add_arguments=_add_stress_arguments,
    run=_stress,
    examples=("emotionrecog stress my-recogniser --corpus crema_d --clips 324 --plot stress.png",),
    logs=True,
)

BENCHMARK = options.Command(
    name="benchmark",
    summary="train and test every fold of a published protocol",
    description="Train and test every fold of protocols, and show the mean over folds beside "
    "published results on the same folds: unweighted average recall (UAR), accuracy (WA), macro-F1 "
    "and expected calibration error (ECE), in per cent. Needs TensorFlow.",
    add_arguments=_add_benchmark_arguments,
    run=_benchmark,
    examples=("emotionrecog benchmark --protocol savee/emobox4 --labels tess7 -o results",),
    logs=True,
    epilog="The same command resumes an interrupted benchmark. FOLDER holds a folder for each "
    "protocol, with predictions (CSV) and metrics (JSON) of each fold, and summary.json.",
)
