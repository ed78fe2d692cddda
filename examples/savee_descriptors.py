"""SAVEE: hand-crafted descriptors and MFCCs; a GRU and, as a baseline, a logistic regression."""

import dataclasses

from options import parse

from emotionrecog import EmotionRecognizer
from emotionrecog.features import PRESETS
from emotionrecog.splits import protocols

options = parse(__doc__)
utterances = options.thin(options.speech("savee"))
fold = protocols.get("savee/emobox4").folds(utterances)[2]  # tests on DC

# RMS, zero-crossing rate, band energy ratio, spectral centroid, bandwidth, rolloff, 13 MFCCs
descriptors = PRESETS["descriptors"]
gru = EmotionRecognizer.train(
    fold.train,
    fold.validation,
    architecture="gru",
    features=descriptors,
    epochs=options.epochs,
    batch_size=options.batch_size,
    name="gru",
)

# A network that is worth its training time should be better than this.
linear = EmotionRecognizer.train(
    fold.train + fold.validation,
    architecture="linear",
    features=dataclasses.replace(descriptors, functionals=("mean", "std")),
    name="linear",
)

for recognizer in (gru, linear):
    print(recognizer.evaluate(fold.test, protocol=fold.name), end="\n\n")
