"""Tones as files in memory."""

import io

import numpy as np
import soundfile

from tests.conftest import tone

RATE = 16000
CONSTANT = np.full(8000, 0.25, np.float32)
NOT_A_NUMBER = np.where(np.arange(8000) == 5, np.float32(np.nan), tone())


def encoded(samples: np.ndarray, rate: int = RATE, kind: str = "WAV", subtype=None) -> bytes:
    """Return the content of an audio file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()
