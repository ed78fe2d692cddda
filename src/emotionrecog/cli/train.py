"""The commands that make recognisers: train, search, calibrate, export and models."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotionrecog import files
from emotionrecog.cli import options, output, recipes

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from emotionrecog.datasets import Utterance


# --- train --------------------------------------------------------------------------------------


def _add_train_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_corpora(parser)
    options.add_output(parser, "FOLDER", "folder to save the recogniser to")
    parser.add_argument("--name", help="name of the recogniser (default: that of the folder)")
    options.add_hold_out(
        parser, "keep the test speakers of a protocol out of training, and evaluate on them"
    )
    options.add_leakage(parser)
    parser.add_argument(
        "--metrics-from",
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="recognisers of the same recipe, trained with --hold-out, whose metrics go into the "
        "model card",
    )
    options.add_initial_weights(parser)
    recipes.add_arguments(parser)


def _train(arguments: argparse.Namespace) -> int:
    from emotionrecog import models

    recipe = recipes.chosen(arguments)
    models.require_tensorflow()
    from emotionrecog.evaluation import evaluate
    from emotionrecog.recognizer import EmotionRecognizer
    from emotionrecog.splits.dividing import fold_by_number, without_validation
    from emotionrecog.training import card
    from emotionrecog.training.recipe import require_sizes

    require_sizes(recipe.architecture, recipe.sizes)
    if arguments.hold_out and arguments.metrics_from:
        raise ValueError("--metrics-from is for a recogniser that is trained on all speakers")
    _require_hold_out(
        arguments.hold_out, fold=arguments.fold, allow_leakage=arguments.allow_leakage
    )
    if arguments.initial_weights and not Path(arguments.initial_weights).is_file():
        raise FileNotFoundError(f"no such file: {arguments.initial_weights!r}")
    metrics = [EmotionRecognizer.load(name).artifact.metrics for name in arguments.metrics_from]
    utterances = recipes.fitting(options.read_corpora(arguments.corpora), recipe, arguments.labels)
    fold, validation = None, None
    if arguments.hold_out:
        fold = fold_by_number(utterances, arguments.hold_out, arguments.fold)
        if recipe.patience is not None and fold.validation:
            utterances, validation = fold.train, fold.validation
        else:
            utterances = without_validation(fold, utterances).train
    target = Path(arguments.output)
    checkpoints = target.with_name(f"{target.name}.checkpoints")
    recognizer = EmotionRecognizer.train(
        utterances,
        validation,
        recipe=recipe,
        name=arguments.name or target.name,
        initial_weights=arguments.initial_weights,
        checkpoints=checkpoints,
        test_set=fold.test if fold else (),
        allow_leakage=arguments.allow_leakage,
        compare_audio=False,  # takes a minute for all corpora; `corpus audit` does it
    )
    if fold:
        report = evaluate(recognizer, fold.test, allow_leakage=arguments.allow_leakage)
        output.write(f"{report}\n")
        metrics = [card.summarize(fold.name, [report])]
    artifact = card.with_metrics(recognizer.artifact, card.merge(metrics))
    EmotionRecognizer(artifact).save(target)
    shutil.rmtree(checkpoints, ignore_errors=True)
    _write_history(artifact.training.get("history") or [], target)
    output.note(
        f"saved the recogniser to {target}; to use it: "
        f"emotionrecog predict RECORDING --model {target}"
    )
    return output.FINE


def _write_history(history: Sequence[Mapping[str, Any]], target: Path) -> None:
    """Write the metrics of each epoch beside the recogniser, and draw them."""
    if not history:
        return
    from emotionrecog.training.loop import HISTORY

    output.save_csv(history, ("epoch", *HISTORY), target.with_name(f"{target.name}.history.csv"))
    output.draw_beside(lambda plots: plots.history(history), target, "history")


def _require_hold_out(hold_out: str | None, **others: Any) -> None:
    """Raise if an option that belongs to ``--hold-out`` is used without it."""
    for name, value in others.items():
        if value and not hold_out:
            raise ValueError(f"{recipes.option(name)} needs a protocol: use it with --hold-out")


# --- search -------------------------------------------------------------------------------------


def _add_search_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_corpora(parser)
    parser.add_argument(
        "--space",
        required=True,
        type=options.path,
        metavar="TOML",
        help="file with the search space: for each entry of a recipe a list of values, or a table "
        "with low, high and optionally log or step",
    )
    options.add_output(parser, "TOML", "file to write the best recipe to, for train --config")
    parser.add_argument(
        "--trials",
        type=options.count,
        default=20,
        metavar="N",
        help="number of recipes to try (default: %(default)s)",
    )
    parser.add_argument(
        "--storage",
        type=options.path,
        metavar="FILE",
        help="SQLite file to store the trials in; the same command resumes an interrupted search",
    )
    parser.add_argument(
        "--folds",
        type=options.count,
        default=3,
        metavar="N",
        help="groups of speakers for cross-validation (default: %(default)s)",
    )
    options.add_hold_out(parser, "keep the test speakers of a protocol out of the search")
    options.add_initial_weights(parser)
    recipes.add_arguments(parser)


def _search(arguments: argparse.Namespace) -> int:
    from emotionrecog.splits.dividing import fold_by_number, without_validation
    from emotionrecog.training.search import require_optuna, search

    recipe = recipes.chosen(arguments)
    require_optuna()
    target = Path(arguments.output)
    output.require_targets(target)
    _require_hold_out(arguments.hold_out, fold=arguments.fold)
    space = recipes.read_space(arguments.space)
    utterances = recipes.fitting(options.read_corpora(arguments.corpora), recipe, arguments.labels)
    if arguments.hold_out:
        fold = fold_by_number(utterances, arguments.hold_out, arguments.fold)
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
    output.write(f"{result}\n")
    comment = "\n".join(f"# {line}" for line in str(result).splitlines())
    files.write_text(target, f"{comment}\n\n{result.recipe.to_toml()}")
    output.save_csv(
        (
            {**trial, **trial["changes"], "folds": " ".join(map(str, trial["folds"]))}
            for trial in result.rows()
        ),
        ("number", "uar", "folds", "seconds", "error", *space),
        target.with_name(f"{target.name}.trials.csv"),
    )
    output.draw_beside(
        lambda plots: plots.search(result.rows(), result.importances), target, "trials"
    )
    output.note(
        f"wrote the best recipe to {target}; to train with it: "
        f"emotionrecog train --config {target} --output FOLDER"
    )
    return output.FINE


# --- calibrate ----------------------------------------------------------------------------------


def _add_calibrate_arguments(parser: argparse.ArgumentParser) -> None:
    from emotionrecog.splits import protocols

    options.add_corpora(parser)
    options.add_recognizer(parser)
    options.add_output(
        parser,
        "FOLDER",
        "folder to save the calibrated recogniser to; may be that of the recogniser itself",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--protocol",
        choices=protocols.FIXED,
        metavar="PROTOCOL",
        help="calibrate on the test speakers of a protocol, who must not have been seen in "
        f"training: {', '.join(protocols.FIXED)}",
    )
    source.add_argument(
        "--predictions",
        nargs="+",
        type=options.path,
        metavar="CSV",
        help="calibrate on the predictions of other networks of the same recipe, not calibrated, "
        "for speakers not seen in their training, as evaluate --predictions and benchmark write "
        "them",
    )
    options.add_fold(parser)
    options.add_jobs(parser, "threads")


def _calibrate(arguments: argparse.Namespace) -> int:
    from emotionrecog import models

    models.require_tensorflow()
    from emotionrecog.evaluation import Predictions
    from emotionrecog.recognizer import EmotionRecognizer
    from emotionrecog.splits.dividing import fold_by_number
    from emotionrecog.training import card
    from emotionrecog.training.calibration import calibrate, summary

    if arguments.fold and arguments.predictions:
        raise ValueError("--fold needs a protocol: use it with --protocol")
    recognizer = EmotionRecognizer.load(arguments.model)
    root = options.require_corpora(arguments.corpora)
    utterances = options.read_corpora(root)
    clips: list[Utterance] | list[Predictions]
    if arguments.predictions:
        clips = [Predictions.read_csv(p, utterances, root=root) for p in arguments.predictions]
        source = None
    else:
        fold = fold_by_number(utterances, arguments.protocol, arguments.fold)
        clips, source = fold.test, fold.name
    calibrated = calibrate(
        recognizer,
        clips,
        train_set=options.speakers_of(recognizer, utterances),
        protocol=source,
        n_jobs=arguments.jobs,
    )
    artifact = card.with_calibration(calibrated)
    EmotionRecognizer(artifact).save(arguments.output)
    output.write(f"{summary(artifact)}\n")
    output.note(
        f"saved the calibrated recogniser to {arguments.output}; to use it: "
        f"emotionrecog predict RECORDING --coverage 0.9 --model {arguments.output}"
    )
    return output.FINE


# --- export -------------------------------------------------------------------------------------


def _add_export_arguments(parser: argparse.ArgumentParser) -> None:
    from emotionrecog.models.export import FORMATS

    options.add_recognizer(parser)
    options.add_output(parser, "FILE", "file to write, with the extension of the format")
    extensions = ", ".join(f"{name} ({extension})" for name, extension in FORMATS.items())
    options.add_format(parser, extensions, FORMATS)


def _export(arguments: argparse.Namespace) -> int:
    from emotionrecog.models.export import export
    from emotionrecog.recognizer import EmotionRecognizer

    artifact = EmotionRecognizer.load(arguments.model).artifact
    export(artifact, arguments.output, format=arguments.format)
    size = Path(arguments.output).stat().st_size
    output.note(f"wrote the network to {arguments.output} ({size / 1e6:.1f} MB)")
    return output.FINE


# --- models -------------------------------------------------------------------------------------


def _add_models_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_format(parser, "table, or one JSON object a line with sizes and their defaults")


def _models(arguments: argparse.Namespace) -> int:
    from emotionrecog import models

    models.require_tensorflow()
    from emotionrecog.models.cost import cost

    rows = [
        {"name": name, **architecture.to_dict(), **dataclasses.asdict(cost(name))}
        for name, architecture in models.ARCHITECTURES.items()
    ]
    if arguments.format == "json":
        output.write_rows({**row, "sizes": models.default_sizes(row["name"])} for row in rows)
        return output.FINE
    output.write_table(
        ("name", "features", "frames", "parameters", "Mmult", "description"),
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
    return output.FINE


TRAIN = options.Command(
    name="train",
    summary="train a recogniser on corpora",
    description="Train a recogniser on every corpus below a folder. Needs TensorFlow.",
    add_arguments=_add_train_arguments,
    run=_train,
    examples=(
        "emotionrecog train --hold-out joint-test -o my-recogniser",
        "emotionrecog train --config recipe.toml --set sizes.dropout=0.4 -o my-recogniser",
    ),
    logs=True,
    epilog="The state is saved beside the output after each epoch; the same command resumes an "
    "interrupted training. Per-epoch metrics are written to FOLDER.history.csv and, with "
    "emotionrecog[plots], drawn to FOLDER.history.png.",
)

SEARCH = options.Command(
    name="search",
    summary="search for a better training recipe",
    description="Search for a better recipe: try values, and measure each of them on speakers not "
    "seen in training. Needs emotionrecog[search] and TensorFlow.",
    add_arguments=_add_search_arguments,
    run=_search,
    examples=("emotionrecog search --space space.toml --storage trials.db -o best.toml",),
    logs=True,
    epilog="The trials are written to TOML.trials.csv and, with emotionrecog[plots], drawn to "
    "TOML.trials.png.",
)

CALIBRATE = options.Command(
    name="calibrate",
    summary="calibrate a recogniser's confidence",
    description="Fit a recogniser's confidence to how often it is right about speakers not seen in "
    "training, and record what its training recordings sound like; predict --coverage and its "
    "warnings need both. Needs TensorFlow.",
    add_arguments=_add_calibrate_arguments,
    run=_calibrate,
    examples=(
        "emotionrecog calibrate my-recogniser --protocol joint-validation -o calibrated",
        "emotionrecog calibrate trained-on-all --predictions fold-1.csv fold-2.csv -o calibrated",
    ),
    logs=True,
    epilog="The corpora are needed in any case, to describe the training recordings.",
)

EXPORT = options.Command(
    name="export",
    summary="write a recogniser's network to a file for other programs",
    description="Write a recogniser's network to a file that other programs can use. The formats "
    "keras and litert need TensorFlow.",
    add_arguments=_add_export_arguments,
    run=_export,
    examples=(
        "emotionrecog export my-recogniser -o my-recogniser.onnx",
        "emotionrecog export my-recogniser --format litert -o my-recogniser.tflite",
    ),
    epilog="The metadata of an ONNX file describe its input; other formats have them in FILE.json.",
)

MODELS = options.Command(
    name="models",
    summary="list the network architectures that can be trained",
    description="List the network architectures that can be trained, what each is meant for, and "
    "its cost. Needs TensorFlow.",
    add_arguments=_add_models_arguments,
    run=_models,
    examples=("emotionrecog models",),
    epilog="Measured with default sizes and eight emotions, for 3 s of speech or the length that "
    "the features prescribe. Mmult: millions of multiply-adds for one clip.",
)
