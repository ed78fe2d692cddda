"""Measure how much adaptation to some clips of a voice improves a recogniser.

::

    python benchmarks/adaptation.py runs/seed-0 runs/seed-1 runs/seed-2

The runs are recognisers whose training did not include the voices; `docs/how-to/retrain.md` says
how they are trained. Half of the sentences of each voice are for the adaptation, from which 10, 20
or 60 clips are drawn evenly over the emotions. The clips of the other half are for the test.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from pathlib import Path

import numpy as np

from emotionrecog import EmotionRecognizer
from emotionrecog.datasets import Utterance

VOICES = ("savee/KL", "tess/YAF", "crema_d/1019", "crema_d/1020", "crema_d/1021")
# Voices without adaptation: their results show how much is forgotten.
OTHERS = ("ravdess/02", "ravdess/05", "ravdess/14")
TESTED = 210  # largest number of test clips of a voice


def sentence(utterance: Utterance) -> str:
    """Return the sentence that divides the halves; SAVEE repeats hardly any sentence."""
    if utterance.corpus == "savee" or utterance.sentence is None:
        return utterance.path.stem
    return utterance.sentence


def evenly(utterances: list[Utterance], n: int, rng: np.random.Generator) -> list[Utterance]:
    """Draw clips, evenly over the emotions as far as possible."""
    waiting = defaultdict(list)
    for i in rng.permutation(len(utterances)):
        waiting[utterances[i].emotion].append(utterances[i])
    order = sorted(waiting)
    rng.shuffle(order)
    drawn: list[Utterance] = []
    while len(drawn) < min(n, len(utterances)):
        for emotion in order:
            if waiting[emotion] and len(drawn) < n:
                drawn.append(waiting[emotion].pop())
    return drawn


def main() -> None:
    """Adapt each recogniser to each voice and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("runs", nargs="+", type=Path, help="folders of recognisers")
    parser.add_argument("--corpora", type=Path, default=os.environ.get("EMOTIONRECOG_CORPORA"))
    parser.add_argument("--voices", nargs="+", default=VOICES, metavar="SPEAKER")
    parser.add_argument("--others", nargs="+", default=OTHERS, metavar="SPEAKER")
    parser.add_argument("--clips", nargs="+", type=int, default=[10, 20, 60], metavar="N")
    parser.add_argument(
        "--lacking", nargs="*", default=[], metavar="EMOTION", help="no clips of these are learnt"
    )
    parser.add_argument("--output", type=Path, help="JSON Lines file to append the results to")
    arguments = parser.parse_args()
    utterances = EmotionRecognizer.load_corpus(arguments.corpora)
    speech = [u for u in utterances if u.style == "speech"]
    others = [u for u in speech if u.speaker in arguments.others]
    for seed, run in enumerate(arguments.runs):
        recognizer = EmotionRecognizer.load(run)
        for voice in arguments.voices:
            rng = np.random.default_rng([seed, *voice.encode()])
            own = [u for u in speech if u.speaker == voice]
            sentences = sorted({sentence(u) for u in own})
            learnt = set(rng.permutation(sentences)[: len(sentences) // 2].tolist())
            pool = [u for u in own if sentence(u) in learnt]
            pool = [u for u in pool if u.emotion not in arguments.lacking]
            test = evenly([u for u in own if sentence(u) not in learnt], TESTED, rng)
            for n in arguments.clips:
                clips = evenly(pool, n, rng)
                done = recognizer.adapt(clips, [*test, *others], seed=seed)
                row = {"run": run.name, "voice": voice, "clips": len(clips), "asked": n}
                for name, report in (("before", done.before), ("after", done.after)):
                    for corpus in report.corpora:
                        what = "own" if corpus.speakers == (voice,) else "others"
                        row[f"{what}_{name}"] = round(100 * corpus.uar, 1)
                        row[f"{what}_open_{name}"] = round(100 * corpus.uar_open, 1)
                        if arguments.lacking and what == "own":
                            for i, emotion in enumerate(corpus.emotions):
                                hits, acted = corpus.confusion[i][i], sum(corpus.confusion[i])
                                row[f"{emotion}_{name}"] = round(100 * hits / acted, 1)
                print(json.dumps(row), flush=True)
                if arguments.output:
                    with arguments.output.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
