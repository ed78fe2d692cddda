"""Measure the time of each architecture for one clip in ONNX Runtime, on one core.

The networks are untrained, with default sizes for eight emotions, and with as many frames as
``emotionrecog models`` lists. Then a bidirectional recurrent layer is measured, with the masking of
Keras and with that of this package.
Run with OMP_NUM_THREADS=1.
"""

import statistics
import time

import keras
import numpy as np
import onnxruntime

from emotionrecog.features import PRESETS
from emotionrecog.models import ARCHITECTURES, build
from emotionrecog.models.cost import cost
from emotionrecog.models.export import to_onnx
from emotionrecog.models.layers import average, logits, normalized, recurrent

N_CALLS = 200
N_FRAMES = 301


def milliseconds(model: keras.Model, n_frames: int) -> str:
    """Return the median and the range of N_CALLS calls."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        to_onnx(model, 1.0), options, providers=["CPUExecutionProvider"]
    )
    x = np.random.default_rng(0).normal(size=(1, n_frames, model.input.shape[-1]))
    x = x.astype(np.float32)
    took = []
    for _ in range(N_CALLS + 5):
        began = time.perf_counter()
        session.run(None, {"features": x})
        took.append(1000 * (time.perf_counter() - began))
    took = sorted(took[5:])
    low, high = took[N_CALLS // 10], took[-N_CALLS // 10]
    return f"{statistics.median(took):8.2f} ms ({low:.2f} to {high:.2f})"


for name, about in ARCHITECTURES.items():
    counted = cost(name)
    sizes = {"n_frames": counted.n_frames} if about.fixed_length else {}
    network = build(name, len(PRESETS[about.features].feature_names), 8, **sizes)
    print(f"{name:<32}{milliseconds(network, counted.n_frames)}", flush=True)

for cell in ("lstm", "gru"):
    inputs = keras.Input((None, 40), name="features")
    x, mask = normalized(inputs, 0.0, 1.0)
    ours = keras.Model(inputs, logits(average(recurrent(x, mask, 64, cell=cell), mask), 8))
    inputs = keras.Input((None, 40), name="features")
    layer = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell](64, return_sequences=True)
    x = keras.layers.Bidirectional(layer)(keras.layers.Masking()(inputs))
    keras_own = keras.Model(inputs, logits(keras.layers.GlobalAveragePooling1D()(x), 8))
    for title, network in (("masked by Keras", keras_own), ("here", ours)):
        print(f"{cell + ', 2 × 64, ' + title:<32}{milliseconds(network, N_FRAMES)}", flush=True)
