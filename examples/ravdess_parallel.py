"""RAVDESS: convolutions beside an LSTM with attention, in three steps with arrays."""

from options import parse

from emotionrecog import evaluate_model, preprocess_data, train_model
from emotionrecog.models import ParallelModel

options = parse(__doc__)

# A path works too, `preprocess_data(dataset_path="corpora/ravdess")`; utterances can be selected.
utterances = options.thin(options.speech("ravdess"))
train, validation, test = preprocess_data(dataset_path=utterances)
print("train", train, "validation", validation, "test", test, sep="\n", end="\n\n")

model = train_model(
    ParallelModel(num_emotions=8),
    train,
    validation,
    epochs=options.epochs or 80,
    batch_size=options.batch_size or 32,
)
print(evaluate_model(model, test))
