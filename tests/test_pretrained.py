"""The recognisers that come with the package."""

from pathlib import Path

import pytest

from emotionrecog import artifact, pretrained
from emotionrecog.datasets import EMOTIONS
from emotionrecog.errors import ModelError


def test_default_is_available() -> None:
    assert pretrained.DEFAULT in pretrained.available()


@pytest.mark.parametrize("name", pretrained.available())
def test_each_is_whole_small_and_explained(name: str) -> None:
    folder = pretrained.folder(name)
    bundled = artifact.read(folder)
    assert bundled.name == folder.name == name
    assert set(bundled.labels) <= set(EMOTIONS)
    assert bundled.card.startswith("# ")
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 8_000_000


def test_default_tells_all_emotions_in_order() -> None:
    assert artifact.read(pretrained.folder(pretrained.DEFAULT)).labels == EMOTIONS


@pytest.mark.parametrize("name", ["klingon-8", "", ".", "..", "../recognizers/english-8"])
def test_unknown_name_is_refused_with_the_known(name: str) -> None:
    with pytest.raises(
        ModelError, match=r"is called .*; expected one of english-8.*, or the folder"
    ):
        pretrained.folder(name)


def test_unfinished_folders_are_not_available(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b-2", "a-1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "recognizer.json").touch()
    (tmp_path / ".a-1-x8f2" / "new").mkdir(parents=True)
    (tmp_path / "README.md").touch()
    monkeypatch.setattr(pretrained, "_BUNDLED", tmp_path)
    assert pretrained.available() == ("a-1", "b-2")
