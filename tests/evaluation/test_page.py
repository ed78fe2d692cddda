"""The report as an HTML page."""

import dataclasses
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from emotionrecog.audio import Waveform
from emotionrecog.datasets import Utterance
from emotionrecog.evaluation import (
    evaluate,
)

# What two made-up corpora act.
from tests.evaluation.conftest import by_pitch


def a_page(recordings: list[Utterance]) -> str:
    def judge(clips: list[Waveform]) -> np.ndarray:
        return by_pitch(clips) * 0.5 + [0.5, 0.0]  # half as sure, and too often happy

    votes = (0, 0, 3, 4, 0, 0, 0, 0)
    voted = [dataclasses.replace(clip, votes=votes) for clip in recordings]
    labels, name = ("happy", "sad"), "<b>mine</b>"
    return evaluate(judge, voted, labels=labels, name=name, protocol="loso/x").to_html()


def test_page_is_self_contained_and_complete(recordings: list[Utterance]) -> None:
    strange = recordings[0].path.with_name("a & <i>.wav")
    recordings[0].path.rename(strange)
    recordings[0] = dataclasses.replace(recordings[0], path=strange)
    page = a_page(recordings)
    assert "&lt;b&gt;mine&lt;/b&gt; on loso/x</h1>" in page
    assert "<b>mine" not in page
    assert "a &amp; &lt;i&gt;.wav" in page
    head = page.partition("<main>")[0]
    assert "each speaker in turn" in head
    assert "nothing is known about the training data" in head
    assert "Leaky" not in page
    for heading in (
        "Metrics",
        "Emotions",
        "Confidence",
        "Comparison with listeners",
        "Worst mistakes",
    ):
        assert heading in page
    # Nothing is fetched, and nothing runs.
    assert re.findall(r'(?:src|href)="(?!data:image/|#)[^"]*"', page) == []
    assert "<script" not in page
    assert "@import" not in page
    assert page.count("data:image/png;base64,") == 10  # spectrograms of all mistakes
    assert len(re.findall(r'<img alt="[^"]+"', page)) == page.count("<img")
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []


class Balanced(HTMLParser):
    """Complains of tags that are not closed in the order in which they were opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_without_recordings_has_no_pictures_of_them(
    recordings: list[Utterance], tmp_path: Path
) -> None:
    found = evaluate(
        lambda clips: by_pitch(clips)[:, ::-1], recordings, labels=("happy", "sad"), protocol=None
    )
    for clip in recordings:
        clip.path.unlink()
    found = dataclasses.replace(found, leakage="heard <all>")
    found.write_html(tmp_path / "page.html", title="mine")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<h1>mine</h1>" in page
    assert page.index('role="alert"><strong>Leaky') < page.index("heard &lt;all&gt;")
    assert page.index("heard &lt;all&gt;") < page.index("<h1>")
    assert page.count("no picture: ") == 12
    with pytest.raises(ValueError, match="needs a report with `predictions`"):
        dataclasses.replace(found, predictions=None).to_html()


def test_page_opens_in_a_browser(recordings: list[Utterance], tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("neither chromium nor google-chrome is installed")
    page = tmp_path / "page.html"
    # The browser says in the title what it made of every picture.
    probe = (
        "<script>window.onload = () => { document.title = [...document.images].map(image => "
        "image.complete && image.naturalWidth > 50 && image.clientWidth > 50).join() + ' ' + "
        "(document.documentElement.scrollWidth <= window.innerWidth) }</script></body>"
    )
    content = a_page(recordings)
    page.write_text(content.replace("</body>", probe), encoding="utf-8")
    done = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            *(f"--user-data-dir={tmp_path / 'profile'}", "--window-size=500,900", "--dump-dom"),
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    title = re.search("<title>(.*)</title>", done.stdout)
    assert title is not None, done.stderr
    pictures, fits = title[1].split(" ")
    assert set(pictures.split(",")) == {"true"}
    assert len(pictures.split(",")) == content.count("<img")
    assert fits == "true"
