"""The exceptions that emotionrecog raises on purpose.

All of them derive from `EmotionRecogError`, so that one ``except`` catches everything the library
has to say about its input, and each also derives from the builtin that fits::

    EmotionRecogError
    ├── AudioError(ValueError)      undecodable, empty, silent, non-finite, too short
    ├── DatasetError(ValueError)    a folder or a file name is not as the corpus says
    │   └── LeakageError            train and test share speakers or recordings
    ├── ModelError(ValueError)      an artefact is missing, damaged or of an unknown version
    └── DownloadError(OSError)      fetching failed, or what came has another hash

A missing path stays `FileNotFoundError`; a bad argument is a plain `ValueError`. Causes are
chained.
"""

__all__ = [
    "AudioError",
    "DatasetError",
    "DownloadError",
    "EmotionRecogError",
    "LeakageError",
    "ModelError",
]


class EmotionRecogError(Exception):
    """Base class of every error that emotionrecog raises on purpose."""


class AudioError(EmotionRecogError, ValueError):
    """A recording cannot be used: undecodable, empty, silent, non-finite or too short."""


class DatasetError(EmotionRecogError, ValueError):
    """A corpus folder or a file name is not as the corpus' owners describe it."""


class LeakageError(DatasetError):
    """Training and test data share speakers or recordings, so that figures mean little."""


class ModelError(EmotionRecogError, ValueError):
    """A saved recogniser is missing, damaged or of a format this version does not know."""


class DownloadError(EmotionRecogError, OSError):
    """Fetching failed, or what was fetched does not have the expected hash."""
