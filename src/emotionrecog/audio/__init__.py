"""Decode recordings, mix them down, resample and validate them.

Prediction and training start here. `load` takes a recording in any form and returns a `Waveform`:
mono, float32, finite, not silent. Everything else raises `AudioError` with a message that says what
was expected, what was found and what to do.

Files that libsndfile reads (wav, flac, ogg, opus, mp3, aiff, ...) need nothing else. Files in the
containers of telephones and browsers (m4a, mp4, mov, webm, ...) are decoded with the ffmpeg
program if it is installed.
"""

from emotionrecog.audio.folders import AUDIO_EXTENSIONS, find
from emotionrecog.audio.waveform import (
    MAX_SAMPLING_RATE,
    MIN_SAMPLING_RATE,
    SILENT_RANGE,
    AudioSource,
    Waveform,
    is_one_recording,
    load,
)

__all__ = [
    "AUDIO_EXTENSIONS",
    "MAX_SAMPLING_RATE",
    "MIN_SAMPLING_RATE",
    "SILENT_RANGE",
    "AudioSource",
    "Waveform",
    "find",
    "is_one_recording",
    "load",
]
