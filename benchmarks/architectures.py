"""Train every architecture with the same small budget, and print the results as a table.

    python benchmarks/architectures.py --corpora corpora --output results

The folds are ``ravdess/subject5/1`` and ``cremad/emosuperb5/5``. Each network is trained on the
fold's training speakers with the recipe that `Recipe.of` has for it, stopped early on the fold's
validation speakers, and tested once. Each row is written as soon as it is known, and not computed
again. Training times are in seconds of one core.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from emotionrecog import audio, datasets, files, models, training
from emotionrecog.evaluation import evaluate
from emotionrecog.features import Extractor
from emotionrecog.models import export
from emotionrecog.recognizer import EmotionRecognizer
from emotionrecog.splits import protocols

# Corpus and largest number of epochs.
FOLDS = {"ravdess/subject5/1": ("ravdess", 30), "cremad/emosuperb5/5": ("crema_d", 3)}
CLIP = Path(__file__).parents[1] / "examples" / "clip.wav"


def warm(call: Any, n_runs: int = 50) -> float:
    """Return the median time of a call in ms, after three warm-up calls."""
    times = []
    for _ in range(n_runs + 3):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[3:])


def prediction_times(recognizer: EmotionRecognizer) -> dict[str, float]:
    """Measure the time for 3 s of speech in memory, for the recogniser and for Keras."""
    spec = recognizer.artifact.features
    samples = audio.load(CLIP, sampling_rate=spec.sampling_rate).samples[: 3 * spec.sampling_rate]
    source = (np.asarray(samples), spec.sampling_rate)
    extract = Extractor(spec)
    network = export.with_probabilities(export.restore(recognizer.artifact))
    length = (recognizer.artifact.window_frames - 1) * spec.hop_length

    def through_keras() -> None:
        window = samples if spec.functionals else samples[:length]
        network(np.atleast_2d(extract(window))[np.newaxis], training=False)

    return {
        "onnx_ms": warm(lambda: recognizer.predict(source)),
        "keras_ms": warm(through_keras, n_runs=10),
    }


def row(
    architecture: str, fold: protocols.Fold, epochs: int, seed: int, initial_weights: str | None
) -> dict[str, Any]:
    """Train, test and time one architecture on one fold."""
    weights = initial_weights if architecture == "mobilenet" else None
    recipe = training.Recipe.of(architecture, epochs=epochs, seed=seed)
    validation = fold.validation if recipe.patience is not None else None
    start = time.process_time()
    recognizer = training.train(
        fold.train, validation, recipe=recipe, initial_weights=weights, n_jobs=2
    )
    seconds = time.process_time() - start
    (report,) = evaluate(recognizer, fold.test).corpora
    network = export.restore(recognizer.artifact)
    return {
        "architecture": architecture,
        "fold": fold.name,
        "seed": seed,
        "initial_weights": weights and Path(weights).name,
        "epochs": len(recognizer.artifact.training["history"]),
        "uar": report.uar,
        "wa": report.wa,
        "parameters": network.count_params(),
        "training_cpu_s": seconds,
        **prediction_times(recognizer),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Lay out the rows, a line for each architecture and fold."""
    lines = [
        "| architecture | fold | UAR | WA | parameters | epochs | training | ONNX | Keras |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{r['architecture']}` | {r['fold']} | {100 * r['uar']:.1f} | {100 * r['wa']:.1f} "
        f"| {r['parameters']:,} | {r['epochs']} | {r['training_cpu_s']:.0f} s "
        f"| {r['onnx_ms']:.1f} ms | {r['keras_ms']:.0f} ms |"
        for r in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """Compute the missing rows, then print all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", default=os.environ.get("EMOTIONRECOG_CORPORA"))
    parser.add_argument("--folds", nargs="+", default=list(FOLDS), choices=FOLDS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True, help="folder of the rows")
    parser.add_argument("--initial-weights", help="of EfficientAT mn04, for mobilenet")
    parser.add_argument("--only", nargs="+", choices=models.ARCHITECTURES)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in arguments.folds:
        corpus, epochs = FOLDS[name]
        utterances = datasets.CORPORA[corpus].utterances(Path(arguments.corpora, corpus))
        protocol = protocols.get(name.rpartition("/")[0])
        fold = next(fold for fold in protocol.folds(utterances) if fold.name == name)
        for architecture in arguments.only or models.ARCHITECTURES:
            path = arguments.output / f"{architecture}-{corpus}-{arguments.seed}.json"
            if not path.exists():
                results = row(architecture, fold, epochs, arguments.seed, arguments.initial_weights)
                files.write_json(path, results, indent=2)
            rows.append(json.loads(path.read_text()))
            print(table(rows[-1:]).splitlines()[-1], flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
