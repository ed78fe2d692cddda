"""Fixtures that several test modules share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def corpora_root() -> Path:
    """The folder of the real corpora; tests that ask for it are skipped where there is none."""
    named = os.environ.get("EMOTIONRECOG_CORPORA")
    if not named:
        pytest.skip("EMOTIONRECOG_CORPORA does not name a folder of corpora")
    root = Path(named)
    if not root.is_dir():
        pytest.skip(f"EMOTIONRECOG_CORPORA names no folder: {named!r}")
    return root
