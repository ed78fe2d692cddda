"""CREMA-D: log-mel frames, residual convolutions with LSTM and attention, focal loss."""

from options import parse

from emotionrecog import EmotionRecognizer
from emotionrecog.splits import protocols

options = parse(__doc__)
utterances = options.thin(options.speech("crema_d"))
fold = protocols.get("cremad/emosuperb5").folds(utterances)[4]

recognizer = EmotionRecognizer.train(
    fold.train,
    fold.validation,
    architecture="resnet_bilstm_attention",
    features="log-mel",
    loss="focal",
    epochs=options.epochs,
    batch_size=options.batch_size,
)
print(recognizer.evaluate(fold.test, protocol=fold.name))
