"""Train on your own recordings, in a folder for each emotion; evaluate on a new voice, save, use.

::

    python examples/own_data.py recordings    # recordings/happy/bob_1.wav, recordings/sad/eve_2.wav

Without a folder, the script creates recordings: hums, higher for happy than for sad.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from emotionrecog import EmotionRecognizer
from emotionrecog.datasets import from_folders
from emotionrecog.splits import protocols


def make_recordings(folder: Path) -> Path:
    """Write four hums of each of three voices for each of two emotions."""
    rng = np.random.default_rng(0)
    for emotion, pitch in (("happy", 320.0), ("sad", 140.0)):
        (folder / emotion).mkdir()
        for speaker in ("ann", "bob", "cem"):
            for number in range(4):
                cycles = np.arange(16_000) / 16_000 * pitch * rng.uniform(0.9, 1.1)
                hum = sum(np.sin(2 * np.pi * k * cycles) / k for k in range(1, 9))
                noisy = 0.1 * hum + 0.001 * rng.normal(size=16_000)
                soundfile.write(folder / emotion / f"{speaker}_{number}.wav", noisy, 16_000)
    return folder


with tempfile.TemporaryDirectory() as temporary:
    recordings = Path(sys.argv[1]) if len(sys.argv) > 1 else make_recordings(Path(temporary))

    # In file names, the speaker stands before the underscore.
    utterances = from_folders(recordings, speaker=lambda path: path.stem.split("_")[0])
    fold = protocols.get("loso").folds(utterances)[0]
    # A logistic regression on statistics of the spectrum; networks need more recordings.
    recognizer = EmotionRecognizer.train(fold.train + fold.validation, architecture="linear")
    print(recognizer.evaluate(fold.test))
    recognizer.save(Path(temporary, "my-recogniser"))
    loaded = EmotionRecognizer.load(Path(temporary, "my-recogniser"))
    print(fold.test[0].path.name, "sounds", loaded.predict(fold.test[0].path).emotion)
