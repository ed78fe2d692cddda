"""Measure how often 95 % intervals hold the UAR of all speakers, on simulated test sets.

    python benchmarks/intervals.py

Speakers differ in how easy they are; each has 24 clips of four emotions. The intervals of reports,
from draws of speakers, are compared with intervals that take clips for independent.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from emotionrecog.datasets import Utterance
from emotionrecog.evaluation import Predictions, report

LABELS = ("neutral", "happy", "sad", "angry")
MEANS = np.array([0.8, 0.6, 0.5, 0.7])  # recall of each label over all speakers
CONCENTRATION = 6.0  # the smaller, the more speakers differ
N_CLIPS = 24


def simulated(n_speakers: int, rng: np.random.Generator) -> Predictions:
    """Return predictions for a simulated test set."""
    recall = rng.beta(
        MEANS * CONCENTRATION, (1 - MEANS) * CONCENTRATION, size=(n_speakers, len(LABELS))
    )
    acted = np.tile(np.arange(len(LABELS)), n_speakers * N_CLIPS // len(LABELS))
    speaker = np.repeat(np.arange(n_speakers), N_CLIPS)
    is_correct = rng.random(len(acted)) < recall[speaker, acted]
    answered = (acted + np.where(is_correct, 0, rng.integers(1, len(LABELS), len(acted)))) % 4
    return Predictions(
        labels=LABELS,
        utterances=tuple(
            Utterance(Path(f"{i}.wav"), LABELS[emotion], "mine", f"mine/{number}")
            for i, (emotion, number) in enumerate(zip(acted, speaker, strict=True))
        ),
        probabilities=0.1 + 0.6 * np.eye(len(LABELS))[answered],
        durations=np.full(len(acted), np.nan),
    )


def main() -> None:
    """Print a row for each number of speakers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", type=int, default=500, help="test sets (default: %(default)s)")
    n_sets = parser.parse_args().sets
    rng = np.random.default_rng(0)
    print("| speakers | by speakers | by clips, normal approximation |\n|---|---|---|")
    for n_speakers in (2, 3, 5, 8, 10, 20, 40):
        n_held = np.zeros(2)
        for seed in range(n_sets):
            (row,) = report(simulated(n_speakers, rng), seed=seed).corpora
            low, high = row.intervals["uar"]
            shares = np.array([emotion.recall for emotion in row.per_emotion])
            counts = np.array([emotion.n_clips for emotion in row.per_emotion])
            error = np.sqrt((shares * (1 - shares) / counts).sum()) / len(LABELS)
            true = MEANS.mean()
            n_held += low <= true <= high, abs(row.uar - true) <= 1.96 * error
        print(f"| {n_speakers} | {' | '.join(f'{100 * n / n_sets:.0f} %' for n in n_held)} |")


if __name__ == "__main__":
    main()
