"""Answer as `emotionrecog predict` does, but through Keras, for `benchmarks/speed.py`."""

import sys

import numpy as np

from emotionrecog import artifact, audio, pretrained
from emotionrecog.features import LogMel
from emotionrecog.models import export

recognizer = artifact.read(pretrained.folder(pretrained.DEFAULT))
network = export.with_probabilities(export.restore(recognizer), recognizer.temperature)
samples = audio.load(sys.argv[1], sampling_rate=recognizer.features.sampling_rate).samples
length = (recognizer.window_frames - 1) * recognizer.features.hop_length
features = LogMel(recognizer.features)(samples[:length])
probabilities = network.predict(features[np.newaxis], verbose=0)[0]
print(recognizer.labels[int(probabilities.argmax())])
