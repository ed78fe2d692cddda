"""Predict as `emotionrecog predict` does, but with Keras, for `benchmarks/speed.py`."""

import sys

import numpy as np

from emotionrecog import artifact, audio, pretrained
from emotionrecog.features import Extractor
from emotionrecog.inference.windows import drop_silent, split_windows, trim_silence
from emotionrecog.models import export

recognizer = artifact.read(pretrained.fetch(pretrained.DEFAULT))
network = export.with_probabilities(export.restore(recognizer), recognizer.temperature)
samples = audio.load(sys.argv[1], sampling_rate=recognizer.features.sampling_rate).samples
length = (recognizer.window_frames - 1) * recognizer.features.hop_length
extract = Extractor(recognizer.features)
voice = samples[trim_silence(samples, recognizer.features.sampling_rate)]
windows = np.stack([extract(window) for window in drop_silent(split_windows(voice, length))])
probabilities = network.predict(windows, verbose=0).mean(axis=0)
print(dict(zip(recognizer.labels, probabilities.tolist(), strict=True)))
