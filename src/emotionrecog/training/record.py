"""What an artefact says of the training it came out of."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

from emotionrecog.datasets import CORPORA
from emotionrecog.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotionrecog.datasets import Utterance

__all__: list[str] = []

_PACKAGES = ("keras", "tensorflow", "tf2onnx", "onnxruntime", "numpy")


def versions() -> dict[str, str]:
    """Return the versions of Python, of this package and of those that train and export."""
    return {
        "python": platform.python_version(),
        "emotionrecog": __version__,
        **{package: metadata.version(package) for package in _PACKAGES},
    }


def describe(utterances: Sequence[Utterance]) -> list[dict[str, Any]]:
    """Return a row for each corpus and style: licence, clips, speakers."""
    rows = []
    for corpus, style in dict.fromkeys((u.corpus, u.style) for u in utterances):
        own = [u for u in utterances if (u.corpus, u.style) == (corpus, style)]
        facts = CORPORA.get(corpus)
        rows.append(
            {
                "corpus": corpus,
                "style": style,
                "licence": facts.licence if facts else "",
                "n_clips": len(own),
                "n_speakers": len({utterance.speaker for utterance in own}),
            }
        )
    return rows
