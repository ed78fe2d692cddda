"""Predict emotions with a trained network: NumPy and ONNX Runtime, without TensorFlow.

`Engine` runs a saved recogniser. The modules beside it say how far to trust an answer
(`reliability`) and explain it (`attribution`, `acoustics`, `sanity`). Importing this package
does not import ONNX Runtime; the first engine does.
"""

from emotionrecog.inference.engine import Engine, Recording
from emotionrecog.inference.prediction import Prediction, Recognizer

__all__ = ["Engine", "Prediction", "Recognizer", "Recording"]
