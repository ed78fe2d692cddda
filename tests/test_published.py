"""The README and the model card agree with the files in benchmarks/results."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("publish", ROOT / "benchmarks" / "publish.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "argv", ["publish.py", "--check"])
    return module


def test_readme_and_card_agree_with_the_results(publish: ModuleType) -> None:
    with pytest.raises(SystemExit) as stop:
        publish.main()
    assert stop.value.code == 0


@pytest.mark.parametrize("start", ["| RAVDESS speech", "UAR of networks"])
def test_a_changed_number_is_noticed(
    publish: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    line = next(line for line in README.splitlines() if line.startswith(start))
    (tmp_path / "README.md").write_text(README.replace(line, line.replace("%", "0 %", 1)))
    monkeypatch.setattr(publish, "README", tmp_path / "README.md")
    with pytest.raises(SystemExit, match=r"differs from benchmarks/results: README\.md"):
        publish.main()


def test_marks_are_needed(publish: ModuleType) -> None:
    begin = "<!-- a: from benchmarks/results -->"
    assert publish.with_blocks(f"x\n{begin}\nold\n<!-- end -->\ny", {"a": ["1", "2"]}) == (
        f"x\n{begin}\n1\n2\n<!-- end -->\ny"
    )
    with pytest.raises(SystemExit, match=r"must contain <!-- a: .* once, found 0"):
        publish.with_blocks("x", {"a": ["1"]})


def test_links_are_absolute() -> None:
    links = re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", README)
    assert links
    assert all("".join(link).startswith("https://") for link in links)


def test_links_lead_to_pages_and_files_that_exist() -> None:
    pages = re.findall(r"https://emotionrecog\.readthedocs\.io/en/latest/([^)\s]+)\.html", README)
    assert pages
    for page in pages:
        assert (ROOT / "docs" / f"{page}.md").exists(), page
    repository = r"https://(?:github|raw\.githubusercontent)\.com/emotionrecog/emotionrecog/"
    paths = re.findall(repository + r"(?:(?:tree|blob)/)?main/([^)\s\"]+)", README)
    assert paths
    for path in paths:
        assert (ROOT / path).exists(), path
