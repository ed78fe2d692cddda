"""The commands that measure and draw recordings: features and plot."""

from __future__ import annotations

import csv
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotionrecog import files
from emotionrecog.cli import options, output
from emotionrecog.errors import DatasetError, EmotionRecogError
from emotionrecog.text import count, printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from emotionrecog.features import FeatureSpec

    Rows = Iterator[tuple[str, NDArray[np.float32]]]  # recordings and their features


# --- features -----------------------------------------------------------------------------------


def _add_features_arguments(parser: argparse.ArgumentParser) -> None:
    from emotionrecog.features import PRESETS

    options.add_recordings(parser)
    parser.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        default="descriptors",
        help="features and their settings (default: %(default)s)",
    )
    parser.add_argument(
        "--features",
        type=options.names,
        metavar="NAME,...",
        help="features to measure instead of those of the preset, such as rms,mfcc; the preset's "
        "sampling rate and frames are kept",
    )
    parser.add_argument(
        "--functionals",
        type=options.names,
        metavar="NAME,...",
        help="statistics over time, such as mean,std: one row for each recording instead of one "
        "for each frame",
    )
    options.add_output(
        parser,
        "FILE",
        f"table to write ({', '.join(TABLES)})",
        type=options.file_with(*TABLES),
    )
    options.add_jobs(parser)


def _features(arguments: argparse.Namespace) -> int:
    from emotionrecog.features import PRESETS
    from emotionrecog.features.extraction import extract_files

    target: Path = arguments.output
    write_table = TABLES[target.suffix.lower()]
    if write_table is _write_parquet:  # before the work rather than after it
        _require_pyarrow()
    output.require_targets(target)
    if target.is_dir():
        raise IsADirectoryError(f"expected a file to write, got a folder: {str(target)!r}")
    changes = {"features": arguments.features, "functionals": arguments.functionals}
    spec = dataclasses.replace(
        PRESETS[arguments.preset], **{name: value for name, value in changes.items() if value}
    )
    recordings, n_failed = options.find_recordings(arguments.paths)
    n_done = 0

    def rows() -> Rows:
        nonlocal n_failed, n_done
        with output.progress(len(recordings)) as bar:
            answers = extract_files(recordings, spec, n_jobs=arguments.jobs)
            for path, answer in zip(recordings, answers, strict=True):
                bar.update()
                if isinstance(answer, str):
                    with bar.external_write_mode():
                        output.note(f"{printable(path)}: {answer}")
                    n_failed += 1
                else:
                    n_done += 1
                    yield path, answer

    with files.writing(target) as new:
        write_table(new, spec, rows())
        if not n_done:  # leaves the file as it was
            new.unlink(missing_ok=True)
    if n_done:
        n_features = count(len(spec.feature_names), "feature")
        output.note(f"wrote {n_features} of {count(n_done, 'recording')} to {target}")
    return output.status_of(n_done, n_failed)


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


def _write_csv(target: Path, spec: FeatureSpec, rows: Rows) -> None:
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


def _write_npz(target: Path, spec: FeatureSpec, rows: Rows) -> None:
    import numpy as np

    paths, arrays = [], []
    for path, features in rows:
        paths.append(path)
        arrays.append(features)
    named: dict[str, Any] = (
        {"features": np.array(arrays)}
        if spec.functionals
        else {f"features_{i}": features for i, features in enumerate(arrays)}
    )
    with target.open("wb") as file:  # NumPy adds .npz to a name that ends in .NPZ
        np.savez(
            file,
            paths=np.array(paths, dtype=np.str_),
            feature_names=np.array(spec.feature_names),
            spec=np.array(json.dumps(spec.to_dict())),
            **named,
        )


def _write_parquet(target: Path, spec: FeatureSpec, rows: Rows) -> None:
    import numpy as np
    import pandas

    names, frames = list(spec.feature_names), []
    for path, features in rows:
        frame = pandas.DataFrame(np.atleast_2d(features), columns=names)
        if not spec.functionals:
            frame.insert(0, "time", _times(features, spec))
        frame.insert(0, "path", path)
        frames.append(frame)
    if frames:
        pandas.concat(frames).to_parquet(target, engine="pyarrow", index=False)


TABLES: Mapping[str, Callable[[Path, FeatureSpec, Rows], None]] = {
    ".csv": _write_csv,
    ".npz": _write_npz,
    ".parquet": _write_parquet,
}


# --- plot ---------------------------------------------------------------------------------------


def _add_plot_arguments(parser: argparse.ArgumentParser) -> None:
    from emotionrecog import plots

    parser.add_argument(
        "paths",
        nargs="+",
        type=options.path,
        metavar="CLIP",
        help="recording; each has a column of its own",
    )
    parser.add_argument(
        "--kind",
        action="append",
        choices=tuple(plots.KINDS),
        metavar="KIND",
        help="what to draw; may be repeated, and each kind has a row of its own: "
        f"{', '.join(plots.KINDS)} (default: waveform and log_spectrogram)",
    )
    options.add_output(
        parser,
        "FILE",
        f"picture to draw ({', '.join(options.PICTURES)})",
        type=options.file_with(*options.PICTURES),
    )
    parser.add_argument(
        "--by-emotion",
        action="store_true",
        help="draw a column for each emotion, which is inferred from file names; these must be "
        "names of a known corpus",
    )
    parser.add_argument(
        "--sampling-rate",
        type=options.count,
        metavar="HZ",
        help="resample to this rate first (default: the lowest rate of the recordings)",
    )


def _plot(arguments: argparse.Namespace) -> int:
    from emotionrecog import audio, datasets, plots

    output.require_targets(picture=arguments.output)
    kinds = arguments.kind or ("waveform", "log_spectrogram")
    rate = arguments.sampling_rate
    utterances = [datasets.from_name(path) for path in arguments.paths]
    if arguments.by_emotion:
        for path, utterance in zip(arguments.paths, utterances, strict=True):
            if utterance is None:
                raise DatasetError(
                    f"{printable(path)}: not a file name of a known corpus, so its emotion is "
                    "unknown; draw it without --by-emotion"
                )
        figure = plots.compare([u for u in utterances if u], kinds, sampling_rate=rate)
    else:
        titles = [
            f"{utterance.emotion if utterance else ''}\n{printable(Path(path).name)}".lstrip()
            for path, utterance in zip(arguments.paths, utterances, strict=True)
        ]
        clips = [audio.load(path, sampling_rate=rate) for path in arguments.paths]
        figure = plots.plot(clips, kinds, titles=titles)
    output.save_picture(figure, arguments.output)
    return output.FINE


FEATURES = options.Command(
    name="features",
    summary="measure acoustic features of recordings and write a table",
    description="Measure acoustic features of recordings, frame by frame or as statistics over "
    "time, and write a table.",
    add_arguments=_add_features_arguments,
    run=_features,
    examples=(
        "emotionrecog features clip.wav -o clip.csv",
        "emotionrecog features recordings/ --preset mfcc --functionals mean,std -o recordings.csv",
        "emotionrecog features clip.wav --features rms,f0,mfcc -o clip.npz",
    ),
    epilog="Parquet needs emotionrecog[tables]. Exit status: 0 if every recording was measured, 1 "
    "if some could not be, 2 if none could be or the command could not run.",
)

PLOT = options.Command(
    name="plot",
    summary="draw recordings and their features",
    description="Draw recordings and their features, one or several side by side.",
    add_arguments=_add_plot_arguments,
    run=_plot,
    examples=(
        "emotionrecog plot clip.wav -o clip.png",
        "emotionrecog plot a.wav b.wav --kind f0 --kind rms -o ab.svg",
        "emotionrecog plot corpora/savee/JE/*.wav --by-emotion --kind f0 -o je.png",
    ),
    epilog="Needs emotionrecog[plots].",
)
