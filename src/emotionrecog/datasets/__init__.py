"""Corpora of acted emotional speech: what they are, and how their file names are read.

Each corpus is one module with the same names in it: ``EMOTION_CODES`` and the other tables of its
file-name code, ``parse`` for one path, and ``CORPUS``, the `Corpus` that holds its facts and
reads a whole folder into a list of `Utterance`.

Examples
--------
>>> from emotionrecog import datasets
>>> list(datasets.CORPORA)
['ravdess', 'crema_d', 'savee', 'tess']
>>> datasets.CORPORA["tess"].licence
'CC BY-NC-ND 4.0'
"""

from collections.abc import Mapping
from types import MappingProxyType

from emotionrecog.datasets import crema_d, ravdess, savee, tess
from emotionrecog.datasets.corpus import EMOTIONS, Corpus, Utterance

__all__ = ["CORPORA", "EMOTIONS", "Corpus", "Utterance"]

CORPORA: Mapping[str, Corpus] = MappingProxyType(
    {module.CORPUS.name: module.CORPUS for module in (ravdess, crema_d, savee, tess)}
)
"""The corpora the library knows, by name; read-only."""
