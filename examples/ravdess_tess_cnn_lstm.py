"""RAVDESS and TESS: MFCCs, a convolution and four LSTM layers, six emotions."""

from options import parse

from emotionrecog import EmotionRecognizer
from emotionrecog.datasets import LABEL_SETS
from emotionrecog.splits import protocols

options = parse(__doc__)
six = LABEL_SETS["six"].apply(options.speech("ravdess", "tess"))
print(six, end="\n\n")
utterances = options.thin(list(six.utterances))

# The test has five actors of RAVDESS and the younger woman of TESS. TESS has only two speakers: if
# one is in training, the other is the test.
ravdess = protocols.get("ravdess/subject5").folds(utterances)[0]
tess = protocols.get("tess/speaker2").folds(utterances)[1]

recognizer = EmotionRecognizer.train(
    ravdess.train + tess.train,
    ravdess.validation,
    architecture="cnn_lstm",
    features="mfcc",
    labels=LABEL_SETS["six"].emotions,
    epochs=options.epochs,
    batch_size=options.batch_size,
)
print(recognizer.evaluate(ravdess.test + tess.test))
