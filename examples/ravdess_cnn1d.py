"""RAVDESS: mel spectrograms of 128 bands and 87 frames, and 1-D convolutions."""

from options import parse

from emotionrecog import EmotionRecognizer
from emotionrecog.splits import protocols

options = parse(__doc__)
utterances = options.thin(options.speech("ravdess"))

# Five actors are for the test, five for early stopping, and fourteen for training.
fold = protocols.get("ravdess/subject5").folds(utterances)[0]

recognizer = EmotionRecognizer.train(
    fold.train,
    fold.validation,
    architecture="cnn1d",
    features="mel-128x87",
    epochs=options.epochs,
    batch_size=options.batch_size,
)
print(recognizer.evaluate(fold.test, protocol=fold.name))
