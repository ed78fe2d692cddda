"""Compare 8-bit and 32-bit networks: results on held-out speakers, size, time for a window.

    python benchmarks/int8.py FOLDER... --corpora /path/to/corpora

Each FOLDER is a recogniser trained with ``--hold-out joint-test``.
"""

import argparse
import dataclasses
import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from emotionrecog import EmotionRecognizer, datasets
from emotionrecog.evaluation import evaluate
from emotionrecog.models.export import export
from emotionrecog.splits import protocols

N_CALLS = 200


def in_8_bits(recognizer: EmotionRecognizer) -> EmotionRecognizer:
    """Return the recogniser with the network that `export` writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        export(recognizer.artifact, path, format="onnx-int8")
        return EmotionRecognizer(dataclasses.replace(recognizer.artifact, onnx=path.read_bytes()))


def milliseconds(recognizers: Iterable[EmotionRecognizer]) -> list[float]:
    """Return the shortest time of each network for one window on one core, called in turn."""
    times: list[list[float]] = []
    for _ in range(N_CALLS):
        times.append([])
        for recognizer in recognizers:
            spec = recognizer.artifact.features
            shape = (1, recognizer.artifact.window_frames, len(spec.feature_names))
            window = np.random.default_rng(0).normal(-6.0, 3.0, shape).astype(np.float32)
            start = time.perf_counter()
            recognizer.engine.judge(window)
            times[-1].append(time.perf_counter() - start)
    shortest: list[float] = (1e3 * np.min(times, axis=0)).tolist()
    return shortest


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("folders", nargs="+")
parser.add_argument("--corpora", default=os.environ.get("EMOTIONRECOG_CORPORA"))
parser.add_argument("--protocol", default="joint-test")
arguments = parser.parse_args()

(fold,) = protocols.get(arguments.protocol).folds(datasets.read(arguments.corpora))
for folder in arguments.folders:
    single = EmotionRecognizer.load(folder)
    pair = {"float32": single, "int8": in_8_bits(single)}
    durations = milliseconds(pair.values())
    for (name, recognizer), duration in zip(pair.items(), durations, strict=True):
        report = evaluate(recognizer, fold.test)
        uar = ", ".join(f"{row.corpus} {100 * row.uar:.2f}" for row in report.corpora)
        size = len(recognizer.artifact.onnx) / 1e6
        print(f"{folder} {name}: {size:.2f} MB, {duration:.2f} ms, UAR {uar}", flush=True)
