"""Recognise the emotion in a voice.

`EmotionRecognizer` covers everyday use; other public names are in ``__all__`` and in the modules of
this package. Importing the package is fast: each name is loaded from its module on first use, and
TensorFlow only when a network is built or trained.

Examples
--------
>>> from emotionrecog import EmotionRecognizer
>>> recognizer = EmotionRecognizer()
>>> prediction = recognizer.predict("examples/clip.wav")
>>> prediction.emotion in recognizer.labels
True
"""

from typing import TYPE_CHECKING

from emotionrecog.errors import (
    AudioError,
    DatasetError,
    DownloadError,
    EmotionRecogError,
    LeakageError,
    ModelError,
)
from emotionrecog.version import __version__

if TYPE_CHECKING:
    from emotionrecog.audio import Waveform
    from emotionrecog.datasets import EMOTIONS
    from emotionrecog.inference import Prediction
    from emotionrecog.recognizer import EmotionRecognizer
    from emotionrecog.training.arrays import evaluate_model, preprocess_data, train_model

__all__ = [
    "EMOTIONS",
    "AudioError",
    "DatasetError",
    "DownloadError",
    "EmotionRecogError",
    "EmotionRecognizer",
    "LeakageError",
    "ModelError",
    "Prediction",
    "Waveform",
    "__version__",
    "evaluate_model",
    "preprocess_data",
    "train_model",
]

if not TYPE_CHECKING:  # hidden from type checkers, which would let any attribute pass otherwise
    _MODULE_OF = {
        "EMOTIONS": "emotionrecog.datasets",
        "EmotionRecognizer": "emotionrecog.recognizer",
        "Prediction": "emotionrecog.inference",
        "Waveform": "emotionrecog.audio",
        "evaluate_model": "emotionrecog.training.arrays",
        "preprocess_data": "emotionrecog.training.arrays",
        "train_model": "emotionrecog.training.arrays",
    }

    def __getattr__(name):
        """Load a public name from its module on first use (PEP 562)."""
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(_MODULE_OF[name]), name)
        globals()[name] = value  # the next access does not come here
        return value

    def __dir__():
        """List the public names, including those not loaded yet."""
        return sorted({*globals(), *__all__})
