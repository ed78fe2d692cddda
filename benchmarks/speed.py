"""Measure the speed of the bundled recogniser, and print a table.

    python benchmarks/speed.py                              # cold start and warm latency
    python benchmarks/speed.py --folder corpora/crema_d   # throughput as well

Cold start is the wall time of a whole process. The command and the same prediction through Keras
run in turn, so that the ratio does not depend on the load of the machine. Peak memory is as the
operating system reports it for the finished process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from emotionrecog import EmotionRecognizer, audio

ROOT = Path(__file__).parents[1]
CLIP = ROOT / "examples" / "clip.wav"
COMMAND = [str(Path(sys.executable).with_name("emotionrecog")), "predict", str(CLIP)]
THROUGH_KERAS = [sys.executable, str(ROOT / "benchmarks" / "predict_with_keras.py"), str(CLIP)]


def run(command: list[str]) -> tuple[float, float]:
    """Run a process; return its wall time in s and its peak memory in MB."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with status {process.returncode}")
    return wall, usage.ru_maxrss / 1024


def cold(n_runs: int) -> None:
    """Measure the time of whole processes in turn, after one warm-up run of each."""
    run(COMMAND), run(THROUGH_KERAS)
    pairs = [(run(COMMAND), run(THROUGH_KERAS)) for _ in range(n_runs)]
    for name, column in (("emotionrecog predict", 0), ("the same through Keras", 1)):
        walls, peaks = zip(*(pair[column] for pair in pairs), strict=True)
        print(
            f"{name:<24} {statistics.median(walls):6.2f} s  ({min(walls):.2f} to {max(walls):.2f})"
            f"  {max(peaks):6.0f} MB at most"
        )
    ratio = statistics.median(keras[0] / command[0] for command, keras in pairs)
    print(f"{'ratio, pair by pair':<24} {ratio:6.1f} times faster")


def warm(n_runs: int) -> None:
    """Measure the time of predictions of 3 s of speech in memory, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    recognizer = EmotionRecognizer()
    clip = audio.load(CLIP, sampling_rate=16_000)
    source = (np.resize(clip.samples, 3 * clip.sampling_rate), clip.sampling_rate)
    walls = []
    for _ in range(n_runs + 10):
        start = time.perf_counter()
        recognizer.predict(source)
        walls.append(1000 * (time.perf_counter() - start))
    os.sched_setaffinity(0, before)
    print(
        f"{'warm, 3 s, one core':<24} {statistics.median(walls[10:]):6.2f} ms "
        f"({min(walls[10:]):.2f} to {max(walls[10:]):.2f})"
    )


def throughput(folder: Path) -> None:
    """Measure the time of all recordings of a folder, from file to answer, on all cores."""
    recognizer = EmotionRecognizer()
    paths = sorted(audio.find(folder))
    start = time.perf_counter()
    answers = list(recognizer.predict_batch(paths, on_error="keep"))
    wall = time.perf_counter() - start
    failed = sum(isinstance(answer, Exception) for answer in answers)
    print(
        f"{'folder':<24} {len(paths) / wall:6.0f} clips/s on {len(os.sched_getaffinity(0))} cores "
        f"({len(paths)} clips, {failed} failed, {wall:.1f} s)"
    )


def main() -> None:
    """Run the measurements that the options select."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, help="recordings to measure throughput on")
    parser.add_argument("--runs", type=int, default=7, help="pairs of processes (default: 7)")
    arguments = parser.parse_args()
    cold(arguments.runs)
    warm(200)
    if arguments.folder:
        throughput(arguments.folder)


if __name__ == "__main__":
    main()
