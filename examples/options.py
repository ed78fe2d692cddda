"""What the example scripts have in common: where the corpora lie, and how much of them to use."""

import argparse
import dataclasses
import os
from collections import defaultdict
from pathlib import Path

import numpy as np

from emotionrecog import EmotionRecognizer
from emotionrecog.datasets import Utterance


@dataclasses.dataclass(frozen=True)
class Options:
    """What the command line says; `epochs` and `batch_size` are None for the usual ones."""

    corpora: Path
    slice: int | None

    @property
    def epochs(self) -> int | None:
        """Return one where a slice is asked for."""
        return 1 if self.slice else None

    @property
    def batch_size(self) -> int | None:
        """Return few where a slice is asked for, which may hold no more."""
        return 8 if self.slice else None

    def speech(self, *names: str) -> list[Utterance]:
        """Read the speech of some corpora."""
        utterances = EmotionRecognizer.load_corpus(self.corpora)
        return [u for u in utterances if u.corpus in names and u.style == "speech"]

    def thin(self, utterances: list[Utterance]) -> list[Utterance]:
        """Keep `slice` clips of each speaker, drawn at random; all where it is None."""
        if self.slice is None:
            return utterances
        rng = np.random.default_rng(0)
        of_speaker = defaultdict(list)
        for i in rng.permutation(len(utterances)):
            of_speaker[utterances[i].speaker].append(int(i))
        kept = {i for numbers in of_speaker.values() for i in numbers[: self.slice]}
        return [utterance for i, utterance in enumerate(utterances) if i in kept]


def parse(description: str | None) -> Options:
    """Read the command line of a script."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--corpora",
        type=Path,
        default=os.environ.get("EMOTIONRECOG_CORPORA"),
        help="folder that holds a folder of each corpus (default: EMOTIONRECOG_CORPORA)",
    )
    parser.add_argument(
        "--slice",
        type=int,
        metavar="N",
        help="try it out: N clips of each speaker, one epoch",
    )
    given = parser.parse_args()
    if given.corpora is None:
        parser.error("say with --corpora, or in EMOTIONRECOG_CORPORA, where the corpora lie")
    return Options(given.corpora, given.slice)
