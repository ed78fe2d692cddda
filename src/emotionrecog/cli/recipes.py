"""The options of a recipe, which train, search and benchmark share, and the recipe they make."""

from __future__ import annotations

import argparse
import dataclasses
import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotionrecog.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emotionrecog.datasets import LabelSet, Utterance
    from emotionrecog.training import Recipe


def count_or_none(word: str) -> int:
    """Return a whole number of at least 1, or 0 for ``none``."""
    return 0 if word.lower() in ("0", "none") else options.count(word)


# Entries of a recipe that are numbers: type, metavar and help of the option with the same name.
_NUMBERS: dict[str, tuple[Callable[[str], float], str, str]] = {
    "epochs": (options.count, "N", "passes over the training clips"),
    "batch_size": (options.count, "N", "clips in a batch"),
    "crop_frames": (options.count, "N", "frames of a training crop"),
    "copies": (count_or_none, "N", "augmented copies of each clip, or none"),
    "patience": (
        count_or_none,
        "N",
        "early stopping: epochs without a higher validation UAR, or none",
    ),
    "learning_rate": (float, "RATE", "highest learning rate"),
    "weight_decay": (float, "RATE", "weight decay of adamw"),
    "averaging": (float, "SHARE", "momentum of the moving average of the weights"),
    "focal_gamma": (float, "GAMMA", "exponent of the focal loss"),
    "soft_targets": (float, "SHARE", "share of the target that follows the votes of listeners"),
    "label_smoothing": (float, "SHARE", "share of the target that is spread over all emotions"),
    "absent_weight": (
        float,
        "WEIGHT",
        "weight in the softmax of emotions that are absent from a clip's corpus",
    ),
    "validation_share": (float, "SHARE", "share of the speakers to validate on, for --patience"),
    "seed": (int, "N", "random seed (default: 0)"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--config``, an option for each entry of a recipe, and ``--set``."""
    from emotionrecog import models
    from emotionrecog.features import PRESETS
    from emotionrecog.training.recipe import BALANCES, OPTIMIZERS, SCHEDULES

    group = parser.add_argument_group(
        "recipe",
        "Options override --config, which overrides the defaults of the architecture. Without any "
        "of them, the recipe is that of the bundled recogniser.",
    )
    group.add_argument(
        "--config", type=options.path, metavar="TOML", help="file that holds a recipe"
    )
    for name, choices, purpose in (
        ("architecture", models.ARCHITECTURES, "network architecture (default: mobilenet)"),
        ("features", PRESETS, "input features"),
        ("loss", models.LOSSES, "loss function"),
        ("balance", BALANCES, "balancing of emotions and corpora"),
        ("optimizer", OPTIMIZERS, "optimiser"),
        ("schedule", SCHEDULES, "learning-rate schedule"),
    ):
        group.add_argument(
            option(name),
            choices=tuple(choices),
            metavar="NAME",
            help=f"{purpose}: {', '.join(choices)}",
        )
    for name, (kind, metavar, purpose) in _NUMBERS.items():
        group.add_argument(option(name), type=kind, metavar=metavar, help=purpose)
    group.add_argument(
        "--mixed-precision",
        action=argparse.BooleanOptionalAction,
        help="compute in bfloat16 where that is safe; for GPUs",
    )
    options.add_labels(group, "recognise")
    group.add_argument(
        "--set",
        dest="entries",
        action="append",
        default=[],
        type=_entry,
        metavar="NAME=VALUE",
        help="any entry of the recipe, such as sizes.units=64, with its value as in TOML; may be "
        "repeated",
    )


def option(name: str) -> str:
    """Return the option of an entry, such as ``--batch-size`` of ``batch_size``."""
    return f"--{name.replace('_', '-')}"


def _entry(word: str) -> tuple[str, Any]:
    name, equals, value = word.partition("=")
    if not equals or not name.strip():
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {word!r}")
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:  # a word without quotes
        return name.strip(), value.strip()


def _options_used(arguments: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """Yield the entries that have an option of their own, with the value of the option."""
    from emotionrecog.training import Recipe

    for field in dataclasses.fields(Recipe):
        value = getattr(arguments, field.name, None)
        if value is not None:
            yield field.name, value


def chosen(arguments: argparse.Namespace) -> Recipe:
    """Return the recipe that the file and the options make together."""
    from emotionrecog.training import Recipe
    from emotionrecog.training.recipe import changed

    changes: dict[str, Any] = {}
    sources = {}
    for name, value in _options_used(arguments):
        changes[name] = list(value.emotions) if name == "labels" else value
        sources[name] = option(name)
    if arguments.patience == 0:
        changes["patience"] = False
    for name, value in arguments.entries:
        changes[name] = value
        sources[name] = f"--set {name}"
    values = read_toml(arguments.config) if arguments.config else {}
    try:
        return Recipe.from_dict(changed(values, changes))
    except (TypeError, ValueError) as error:
        if arguments.config:
            Recipe.from_toml(arguments.config)  # raises if the file alone is wrong
        at_fault = [source for name, source in sources.items() if f"`{name}`" in str(error)]
        raise ValueError(f"{', '.join(at_fault or sources.values())}: {error}") from error


def words(arguments: argparse.Namespace) -> list[str]:
    """Return the options of a recipe as words of a command that anybody can repeat."""
    result = ["--config", portable(arguments.config)] if arguments.config else []
    for name, value in _options_used(arguments):
        if isinstance(value, bool):
            result.append(option(name) if value else f"--no-{name.replace('_', '-')}")
        else:
            result += [option(name), value.name if name == "labels" else str(value)]
    for entry, value in arguments.entries:
        result += ["--set", f"{entry}={json.dumps(value)}"]
    return result


def portable(path: str) -> str:
    """Return a relative path as it is, and the name alone of an absolute one."""
    return Path(path).name if Path(path).is_absolute() else path


def fitting(
    utterances: list[Utterance], recipe: Recipe, labels: LabelSet | None
) -> list[Utterance]:
    """Return the utterances of the emotions that a recipe recognises."""
    from emotionrecog import datasets

    if {utterance.emotion for utterance in utterances} <= set(recipe.labels):
        return utterances
    return options.relabel(utterances, labels or datasets.label_set(",".join(recipe.labels)))


def read_toml(path: str) -> dict[str, Any]:
    """Read a TOML file; an error names it."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path!r}: {error}") from error


def read_space(path: str) -> dict[str, Any]:
    """Read a search space; a table of tables holds entries of a table, such as ``sizes.units``."""
    space: dict[str, Any] = {}
    for name, value in read_toml(path).items():
        if isinstance(value, dict) and not {"low", "high"} & value.keys():
            space |= {f"{name}.{entry}": choices for entry, choices in value.items()}
        else:
            space[name] = value
    return space
