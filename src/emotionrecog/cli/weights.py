"""The commands that manage recognisers by name: weights list, fetch, path, verify and remove."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emotionrecog.cli import options, output
from emotionrecog.errors import EmotionRecogError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence


def _add_list_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_format(parser, "table, or one JSON object a line")


def _list(arguments: argparse.Namespace) -> int:
    from emotionrecog import pretrained

    catalogue = pretrained.catalogue()
    output.set_encoding(arguments.format)
    if arguments.format == "json":
        output.write_rows(
            {
                "name": name,
                "state": pretrained.state(name),
                "size": weights.size,
                **weights.to_dict(),
            }
            for name, weights in catalogue.items()
        )
        return output.FINE
    output.write_table(
        ("name", "state", "size", "description"),
        (
            (name, pretrained.state(name), f"{weights.size / 1e6:.1f} MB", weights.description)
            for name, weights in catalogue.items()
        ),
    )
    output.write("\nLicences of their training data:\n")
    for name, weights in catalogue.items():
        licences = [f"{corpus}: {licence}" for corpus, licence in weights.licences.items()]
        output.write(f"  {name}: {'; '.join(licences) or 'not stated'}\n")
    return output.FINE


def _add_names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="NAME", help="name, as weights list shows it")


def _fetch(arguments: argparse.Namespace) -> int:
    from emotionrecog import pretrained

    n_done = _each(arguments.names, pretrained.fetch)
    if n_done:
        output.note("to use one: emotionrecog predict RECORDING --model NAME")
    return output.status_of(n_done, len(arguments.names) - n_done)


def _add_path_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="name, as weights list shows it")


def _path(arguments: argparse.Namespace) -> int:
    from emotionrecog import pretrained

    output.write(f"{pretrained.fetch(arguments.name, offline=True)}\n")
    return output.FINE


def _add_verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="name, as weights list shows it (default: all that are bundled or were fetched)",
    )


def _verify(arguments: argparse.Namespace) -> int:
    from emotionrecog import pretrained

    names = arguments.names or [
        name for name in pretrained.catalogue() if pretrained.state(name) != "not fetched"
    ]
    n_whole = _each(names, pretrained.verify, outcome="complete and undamaged")
    return output.FINE if n_whole == len(names) else output.PROBLEM


def _remove(arguments: argparse.Namespace) -> int:
    from emotionrecog import pretrained

    n_done = _each(arguments.names, pretrained.remove, outcome="removed")
    return output.status_of(n_done, len(arguments.names) - n_done)


def _each(names: Sequence[str], work: Callable[[str], object], outcome: str = "") -> int:
    """Do something with each recogniser and write its result; return for how many it worked."""
    n_done = 0
    for name in names:
        try:
            result = work(name)
        except (EmotionRecogError, OSError) as error:
            output.note(str(error))
        else:
            output.write(f"{name}: {outcome or result}\n")
            n_done += 1
    return n_done


WEIGHTS = options.Group(
    name="weights",
    summary="list, fetch and verify recognisers by name",
    description="Manage the recognisers that have a name: those that come with the package, and "
    "those that are downloaded.",
    epilog="These environment variables name further recognisers and where they are stored: "
    "EMOTIONRECOG_REGISTRY, EMOTIONRECOG_BASE_URL, EMOTIONRECOG_CACHE, EMOTIONRECOG_OFFLINE.",
    commands=(
        options.Command(
            name="list",
            summary="list the recognisers, where they are stored, and their licences",
            description="List the recognisers: where each is stored, its size, what it does, and "
            "the licences of its training data.",
            add_arguments=_add_list_arguments,
            run=_list,
            examples=("emotionrecog weights list",),
        ),
        options.Command(
            name="fetch",
            summary="download recognisers",
            description="Download recognisers into the cache, unless they are there, and print "
            "their folders. An interrupted download is resumed.",
            add_arguments=_add_names,
            run=_fetch,
            examples=("emotionrecog weights fetch my-recogniser",),
            logs=True,
        ),
        options.Command(
            name="path",
            summary="print the folder of a recogniser",
            description="Print the folder of a recogniser. Nothing is downloaded.",
            add_arguments=_add_path_arguments,
            run=_path,
            examples=("emotionrecog weights path english-8",),
        ),
        options.Command(
            name="verify",
            summary="compare recognisers with their hashes",
            description="Compare the files of recognisers with their hashes, and load them.",
            add_arguments=_add_verify_arguments,
            run=_verify,
            examples=("emotionrecog weights verify",),
            epilog="Exit status: 0 if all are undamaged, 1 if any is not.",
        ),
        options.Command(
            name="remove",
            summary="delete downloaded recognisers",
            description="Delete downloaded recognisers. Those that come with the package stay.",
            add_arguments=_add_names,
            run=_remove,
            examples=("emotionrecog weights remove my-recogniser",),
        ),
    ),
)
