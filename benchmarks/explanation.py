"""Measure neutral speech, and check that explanations depend on the network.

::

    python benchmarks/explanation.py neutral
    python benchmarks/explanation.py check runs/validation-0 --sibling runs/validation-1

The first command measures the neutral clips of the corpora and writes
`src/emotionrecog/data/neutral.json`, with which `recognizer.explain` compares voices. The second
explains clips of speakers not seen in training and writes `benchmarks/results/explanation.json`:
the similarity of the maps to those of another run of the recipe and of networks with shuffled
weights, and how much faster an answer changes when the cells that its map names are turned down
than when others are.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from emotionrecog import EmotionRecognizer, __version__
from emotionrecog.datasets import Utterance
from emotionrecog.files import write_json
from emotionrecog.inference.acoustics import MEASURES, count_syllables, measure, track
from emotionrecog.inference.attribution import explain
from emotionrecog.inference.sanity import deletion, randomised, similarity
from emotionrecog.splits import protocols
from emotionrecog.splits.dividing import sample_clips

ROOT = Path(__file__).parents[1]
NEUTRAL = ROOT / "src" / "emotionrecog" / "data" / "neutral.json"
RESULTS = ROOT / "benchmarks" / "results" / "explanation.json"

# Syllables of CREMA-D's sentences, counted from their text.
SYLLABLES = {
    **{"IEO": 6, "TIE": 8, "IOM": 8, "IWW": 7, "TAI": 7, "MTI": 8},
    **{"IWL": 8, "ITH": 10, "DFA": 6, "ITS": 7, "TSI": 5, "WSI": 8},
}


def neutral(utterances: list[Utterance]) -> None:
    """Measure neutral clips, with equal weights for all speakers and for women and men."""
    chosen = [u for u in utterances if u.emotion == "neutral" and u.style == "speech"]
    chosen = [u for u in chosen if u.sex is not None]
    by_speaker: dict[str, list[dict[str, float | None]]] = defaultdict(list)
    sex_of: dict[str, str] = {}
    for utterance in chosen:
        by_speaker[utterance.speaker].append(measure(utterance.path))
        sex_of[utterance.speaker] = str(utterance.sex)
    groups = {}
    for group in ("female", "male", "both"):
        speakers = sorted(s for s in by_speaker if group in (sex_of[s], "both"))
        share = {sex: sum(sex_of[s] == sex for s in speakers) for sex in ("female", "male")}
        weights = np.array([1 / share[sex_of[s]] for s in speakers])
        weights /= weights.sum()
        rows = {}
        for name, kind in MEASURES.items():
            means, variances = [], []
            for speaker in speakers:
                clips = [clip[name] for clip in by_speaker[speaker]]
                values = np.array([value for value in clips if value is not None])
                values = 12 * np.log2(values) if kind.is_ratio else values
                means.append(values.mean())
                variances.append(values.var())
            mean, within = weights @ means, weights @ variances
            total = within + weights @ np.square(np.array(means) - mean)
            rows[name] = {
                "mean": round(float(mean), 4),
                "deviation": round(float(np.sqrt(total)), 4),
                "within": round(float(np.sqrt(within)), 4),
            }
        groups[group] = rows
    statistics = {
        "command": "python benchmarks/explanation.py neutral",
        "corpora": sorted({u.corpus for u in chosen}),
        "n_clips": {sex: sum(u.sex == sex for u in chosen) for sex in ("female", "male")},
        "n_speakers": {s: sum(x == s for x in sex_of.values()) for s in ("female", "male")},
        "groups": groups,
    }
    write(NEUTRAL, statistics)


def check(
    run: Path, sibling: Path | None, name: str, n_clips: int, utterances: list[Utterance]
) -> None:
    """Explain clips of speakers not seen in training, and compare the maps."""
    (fold,) = protocols.get(name).folds(utterances)
    tested = [u for u in fold.test if u.style == "speech"]
    recognizer, *siblings = (EmotionRecognizer.load(folder) for folder in (run, sibling) if folder)
    for trained in (recognizer, *siblings):
        if set(trained.artifact.training["speakers"]) & {u.speaker for u in tested}:
            sys.exit(f"{trained.artifact.name} was trained on speakers of {name}")
    clips = [
        clip
        for corpus in sorted({u.corpus for u in tested})
        for clip in sample_clips([u for u in tested if u.corpus == corpus], n_clips)
    ]
    others = {
        "trained alike, with another seed": [sibling.engine for sibling in siblings],
        "all layers shuffled": [randomised(recognizer.engine, seed=seed) for seed in (0, 1)],
        "all layers but convolutions shuffled": [
            randomised(recognizer.engine, only_heads=True, seed=seed) for seed in (0, 1)
        ],
    }
    alike: dict[str, list[tuple[float, float]]] = defaultdict(list)
    curves: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    took = []
    for clip in clips:
        start = time.process_time()
        explanation = recognizer.explain(clip.path)
        took.append(time.process_time() - start)
        for what, engines in others.items():
            for engine in engines:
                other = explain(engine, clip.path, explanation.emotion)
                score = similarity(explanation, other)
                alike[what].append((score.rank_correlation, score.ssim))
        gone = deletion(recognizer.engine, clip.path, explanation)
        for what in ("by_map", "by_energy", "at_random"):
            curves[what].append(getattr(gone, what))
    command = ["python", "benchmarks/explanation.py", "check", f"runs/{run.name}"]
    if sibling:
        command += ["--sibling", f"runs/{sibling.name}"]
    command += ["--protocol", name, "--clips", str(n_clips)]
    rows = {}
    for what, pairs in alike.items():
        correlations, ssims = np.array(pairs).T
        rows[what] = {
            "rank_correlation": round(float(np.nanmean(correlations)), 3),
            "rank_correlation_90": round(float(np.nanpercentile(correlations, 90)), 3),
            "ssim": round(float(ssims.mean()), 3),
            "ssim_90": round(float(np.percentile(ssims, 90)), 3),
        }
    by_map, at_random, by_energy = (
        np.array(curves[what]) for what in ("by_map", "at_random", "by_energy")
    )
    write(
        RESULTS,
        {
            "command": shlex.join(command),
            "version": __version__,
            "recognizer": recognizer.artifact.name,
            "protocol": name,
            "corpora": sorted({u.corpus for u in clips}),
            "n_clips": len(clips),
            "n_speakers": len({u.speaker for u in clips}),
            "seconds": round(float(np.median(took)), 2),
            "similarity": rows,
            "shares": list(gone.shares),
            "probability": {
                what: [round(float(p), 4) for p in np.mean(curve, axis=0)]
                for what, curve in curves.items()
            },
            "faster_than_random": share(by_map, at_random),
            "faster_than_loudest": share(by_map, by_energy),
            "syllables": syllables(utterances),
        },
    )


def share(curve: np.ndarray, other: np.ndarray) -> float:
    """Return the share of clips whose probability falls faster, averaged over the shares."""
    return round(float((curve.mean(axis=1) < other.mean(axis=1)).mean()), 3)


def syllables(utterances: list[Utterance]) -> dict[str, float]:
    """Compare the peaks counted in clips of CREMA-D with the syllables of the sentences."""
    said = [u for u in utterances if u.corpus == "crema_d"][::20]
    counted = []
    for utterance in said:
        voice = track(utterance.path)
        counted.append(count_syllables(voice.level, voice.is_voiced))
    true = [SYLLABLES[str(u.sentence)] for u in said]
    return {
        "n_clips": len(said),
        "in_the_text": round(float(np.mean(true)), 2),
        "counted": round(float(np.mean(counted)), 2),
        "error": round(float(np.mean(np.abs(np.subtract(counted, true)))), 2),
        "correlation": round(float(np.corrcoef(counted, true)[0, 1]), 2),
    }


def write(path: Path, results: dict[str, object]) -> None:
    """Write results, and print where they are."""
    write_json(path, results)
    print(path)


def main() -> None:
    """Run the command that the first argument names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("neutral", "check"))
    parser.add_argument("run", nargs="?", type=Path, help="folder of a recogniser")
    parser.add_argument("--sibling", type=Path, help="folder of one trained alike")
    parser.add_argument("--protocol", default="joint-validation")
    parser.add_argument("--clips", type=int, default=16, help="of each corpus")
    parser.add_argument("--corpora", type=Path, default=os.environ.get("EMOTIONRECOG_CORPORA"))
    arguments = parser.parse_args()
    if not arguments.corpora:
        parser.error("--corpora or EMOTIONRECOG_CORPORA must name the folder of the corpora")
    utterances = EmotionRecognizer.load_corpus(arguments.corpora)
    if arguments.what == "neutral":
        neutral(utterances)
    elif arguments.run is None:
        parser.error("which recogniser to check is missing")
    else:
        run, sibling = arguments.run, arguments.sibling
        check(run, sibling, arguments.protocol, arguments.clips, utterances)


if __name__ == "__main__":
    main()
