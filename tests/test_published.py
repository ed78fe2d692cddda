"""README and model card tell what the files in benchmarks/results say."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import ROOT


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("publish", ROOT / "benchmarks" / "publish.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "argv", ["publish.py", "--check"])
    return module


def test_readme_and_card_are_as_the_results_say(publish: ModuleType) -> None:
    with pytest.raises(SystemExit) as stop:
        publish.main()
    assert stop.value.code == 0


def test_another_figure_is_noticed(
    publish: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("| RAVDESS speech"))
    (tmp_path / "README.md").write_text(text.replace(row, row.replace("%", "0 %", 1)))
    monkeypatch.setattr(publish, "README", tmp_path / "README.md")
    with pytest.raises(SystemExit, match=r"not as benchmarks/results say: README\.md"):
        publish.main()


def test_marks_are_needed(publish: ModuleType) -> None:
    begin = "<!-- a: from benchmarks/results -->"
    assert publish.written(f"x\n{begin}\nold\n<!-- end -->\ny", {"a": ["1", "2"]}) == (
        f"x\n{begin}\n1\n2\n<!-- end -->\ny"
    )
    with pytest.raises(SystemExit, match="must stand in the README once, found 0"):
        publish.written("x", {"a": ["1"]})
