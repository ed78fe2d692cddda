"""Matplotlib is optional, and loaded without pyplot; the documentation has all pictures."""

import re
import subprocess
import sys

import pytest

from emotionrecog import plots
from emotionrecog.errors import EmotionRecogError
from tests.conftest import ROOT


def test_error_without_matplotlib_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(EmotionRecogError, match=r"pip install 'emotionrecog\[plots\]'") as error:
        plots.confusion([[1]], ["sad"])
    assert isinstance(error.value.__cause__, ImportError)


def test_pyplot_and_its_global_state_are_not_used():
    code = """
import sys
from pathlib import Path
import numpy as np
from emotionrecog import plots
from emotionrecog.audio import Waveform
from emotionrecog.datasets import Utterance
assert "matplotlib" not in sys.modules
plots.distributions([Utterance(Path("b.wav"), "sad", corpus="mine", speaker="mine/b")], [1.0])
plots.plot(Waveform(np.ones(999, np.float32), 8000), list(plots.KINDS))
print("matplotlib" in sys.modules, "matplotlib.pyplot" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


@pytest.mark.parametrize("kind", plots.KINDS)
def test_gallery_shows_every_kind(kind):
    page = (ROOT / "docs/reference/gallery.md").read_text(encoding="utf-8")
    assert f"\n### `{kind}`\n" in page
    assert f"](../images/{kind}.png)" in page


def test_documentation_has_all_pictures_and_they_are_small():
    pages = (path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*/**/*.md"))
    shown = {name for page in pages for name in re.findall(r"\]\(\.\./images/(.+?)\)", page)}
    drawn_ones = {path.name for path in (ROOT / "docs" / "images").glob("*.png")}
    assert shown == drawn_ones
    assert max(path.stat().st_size for path in (ROOT / "docs" / "images").glob("*.png")) < 150_000
