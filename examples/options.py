"""The options of the example scripts: the folder of the corpora, and how much of them to use."""

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
    """The parsed options; `epochs` and `batch_size` are None for the defaults."""

    corpora: Path
    slice: int | None

    @property
    def epochs(self) -> int | None:
        """Return 1 for a slice."""
        return 1 if self.slice else None

    @property
    def batch_size(self) -> int | None:
        """Return a small number for a slice, which may have no more clips."""
        return 4 if self.slice else None

    def speech(self, *names: str) -> list[Utterance]:
        """Return the speech of some corpora."""
        utterances = EmotionRecognizer.load_corpus(self.corpora)
        return [u for u in utterances if u.corpus in names and u.style == "speech"]

    def thin(self, utterances: list[Utterance]) -> list[Utterance]:
        """Return `slice` random clips of each speaker, or all clips if it is None."""
        if self.slice is None:
            return utterances
        rng = np.random.default_rng(0)
        of_speaker = defaultdict(list)
        for i in rng.permutation(len(utterances)):
            of_speaker[utterances[i].speaker].append(int(i))
        kept = {i for numbers in of_speaker.values() for i in numbers[: self.slice]}
        return [utterance for i, utterance in enumerate(utterances) if i in kept]


def parse(description: str | None) -> Options:
    """Parse the command line of a script."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--corpora",
        type=Path,
        default=os.environ.get("EMOTIONRECOG_CORPORA"),
        help="folder with a folder for each corpus (default: EMOTIONRECOG_CORPORA)",
    )
    parser.add_argument(
        "--slice",
        type=int,
        metavar="N",
        help="use N clips of each speaker and one epoch, as a test",
    )
    arguments = parser.parse_args()
    if arguments.corpora is None:
        parser.error("name the folder of the corpora with --corpora or in EMOTIONRECOG_CORPORA")
    return Options(arguments.corpora, arguments.slice)
