"""The commands that look at corpora before training: corpus check, list, audit and gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emotionrecog.cli import options, output

if TYPE_CHECKING:
    import argparse


# --- check --------------------------------------------------------------------------------------


def _add_check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "root", type=options.path, metavar="FOLDER", help="folder of one corpus or of several"
    )
    parser.add_argument(
        "--corpus",
        metavar="NAME",
        help="name of the corpus, as corpus list shows it (default: inferred from file names)",
    )
    options.add_format(
        parser, "table with long lists shortened, or one JSON object with complete lists"
    )
    options.add_plot(parser, "distributions of emotion, speaker and duration")
    options.add_jobs(parser, "recordings to decode at once")


def _check(arguments: argparse.Namespace) -> int:
    from emotionrecog import plots
    from emotionrecog.datasets import checks

    output.require_targets(picture=arguments.plot)
    checked = checks.check(arguments.root, arguments.corpus, n_jobs=arguments.jobs)
    output.write_report(checked, arguments.format)
    if arguments.plot:
        utterances = [u for corpus in checked.corpora for u in corpus.utterances]
        durations = [d for corpus in checked.corpora for d in corpus.durations]
        if utterances:
            output.save_picture(plots.distributions(utterances, durations), arguments.plot)
        else:
            output.note(f"drew nothing to {str(arguments.plot)!r}: no recording can be used")
    return output.FINE if checked.ok else output.PROBLEM


# --- list ---------------------------------------------------------------------------------------


def _add_list_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_format(parser, "table, or one JSON object a line")


def _list(arguments: argparse.Namespace) -> int:
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
        output.write_rows(rows)
        return output.FINE
    columns = ("name", "recordings", "language", "licence", "title")
    output.write_table(columns, ([str(row[column] or "") for column in columns] for row in rows))
    return output.FINE


# --- audit --------------------------------------------------------------------------------------


def _add_audit_arguments(parser: argparse.ArgumentParser) -> None:
    for name in ("train", "test"):
        parser.add_argument(
            name,
            type=options.path,
            metavar=name.upper(),
            help=f"{name} set: a table (CSV or TSV) of recordings, or a folder of corpora",
        )
    options.add_format(parser, "text for people, or one JSON object with all pairs")
    parser.add_argument(
        "--no-audio",
        dest="compare_audio",
        action="store_false",
        help="compare only file names and bytes, which takes seconds, and not the sound",
    )
    options.add_jobs(parser)


def _audit(arguments: argparse.Namespace) -> int:
    from emotionrecog import datasets
    from emotionrecog.splits.leakage import audit

    report = audit(
        datasets.from_source(arguments.train),
        datasets.from_source(arguments.test),
        compare_audio=arguments.compare_audio,
        n_jobs=arguments.jobs,
    )
    output.write_report(report, arguments.format)
    return output.PROBLEM if report.leaky else output.FINE


# --- gap ----------------------------------------------------------------------------------------


def _add_gap_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_corpora(parser)
    options.add_format(parser, "table, or one JSON object")
    options.add_jobs(parser)


def _gap(arguments: argparse.Namespace) -> int:
    from emotionrecog.evaluation import gap

    result = gap.gap(options.read_corpora(arguments.corpora), n_jobs=arguments.jobs)
    output.write_report(result, arguments.format)
    return output.FINE if result.rows else output.CANNOT_RUN


CORPUS = options.Group(
    name="corpus",
    summary="check and compare corpora",
    description="Check and compare corpora before training.",
    commands=(
        options.Command(
            name="check",
            summary="compare a folder with what the owners of a corpus published",
            description="Find out which corpora a folder holds, decode every recording, and list "
            "missing, damaged, silent, duplicate and unusual recordings.",
            add_arguments=_add_check_arguments,
            run=_check,
            examples=(
                "emotionrecog corpus check corpora/",
                "emotionrecog corpus check corpora/ravdess --format json",
            ),
            epilog="Exit status: 0 if there is no problem beyond those known in the owners' own "
            "files, 1 if there is, 2 if there is no corpus or the command could not run.",
        ),
        options.Command(
            name="list",
            summary="list the corpora that the library can read",
            description="List the corpora that the library can read, with their licences.",
            add_arguments=_add_list_arguments,
            run=_list,
            examples=("emotionrecog corpus list",),
        ),
        options.Command(
            name="audit",
            summary="find speakers and recordings that training and test data share",
            description="Compare a training set with a test set: find speakers in both, and "
            "recordings in both, even if they were resampled, re-encoded, cut, padded, or made "
            "louder, quieter or noisy.",
            add_arguments=_add_audit_arguments,
            run=_audit,
            examples=(
                "emotionrecog corpus audit train.csv test.csv",
                "emotionrecog corpus audit corpora/crema_d my-recordings.csv --no-audio",
            ),
            logs=True,
            epilog="Exit status: 0 if the sets share no speaker and no recording, 1 if they do, 2 "
            "if the command could not run.",
        ),
        options.Command(
            name="gap",
            summary="measure how much a random split inflates the result",
            description="Train a small classical recogniser on random splits of each corpus and on "
            "splits that keep its speakers apart, and compare the results. Takes a few minutes.",
            add_arguments=_add_gap_arguments,
            run=_gap,
            examples=("emotionrecog corpus gap --corpora corpora/",),
            logs=True,
            epilog="Exit status: 0 if a corpus could be measured, 2 if none could be.",
        ),
    ),
)
