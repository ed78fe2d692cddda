"""The documentation covers the code: variables, commands, modules and the words people look for."""

import argparse
import re
import sys

import pytest

from emotionrecog import cli
from tests.conftest import ROOT

DOCS = ROOT / "docs"
SHELVES = ("tutorials", "how-to", "reference", "background", "lab")


def pages() -> dict[str, str]:
    """Return the text of each page by its name as tables of contents write it."""
    return {
        path.relative_to(DOCS).with_suffix("").as_posix(): path.read_text(encoding="utf-8")
        for shelf in SHELVES
        for path in sorted((DOCS / shelf).rglob("*"))
        if path.suffix in (".md", ".rst")
    }


def test_every_page_is_on_one_shelf() -> None:
    on_top = {path.name for path in DOCS.iterdir() if path.suffix in (".md", ".rst")}
    assert on_top == {"index.md"}
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    listed = re.findall(rf"^((?:{'|'.join(SHELVES)})/\S+)$", index, re.M)
    assert len(listed) == len(set(listed))
    nested = ("reference/api/", "reference/corpora/")
    expected = {name for name in pages() if not name.startswith(nested)}
    assert set(listed) == expected | {"reference/api/index"}


def test_every_environment_variable_is_described() -> None:
    page = (DOCS / "reference" / "environment.md").read_text(encoding="utf-8")
    sources = (ROOT / "src" / "emotionrecog").rglob("*.py")
    read = {
        name
        for path in sources
        for name in re.findall(r"EMOTIONRECOG_[A-Z_]+", path.read_text(encoding="utf-8"))
    }
    assert set(re.findall(r"^\| `(EMOTIONRECOG_[A-Z_]+)`", page, re.M)) == read


def test_every_module_has_an_api_page() -> None:
    described = set()
    for name, page in pages().items():
        if name.startswith("reference/api/"):
            described |= set(re.findall(r"automodule:: emotionrecog\.(\w+)", page))
    package = ROOT / "src" / "emotionrecog"
    modules = {path.stem for path in package.glob("*.py")}
    modules |= {path.parent.name for path in package.glob("*/__init__.py")}
    assert modules - described == {"__init__", "__main__", "cli", "version"}


@pytest.mark.parametrize("word", ["timeline", "confusion matrix", "StandardScaler", "one-hot"])
def test_search_finds(word: str) -> None:
    assert any(word.lower() in page.lower() for page in pages().values())


def test_configuration_only_configures() -> None:
    lines = (DOCS / "conf.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 80
    assert not [line for line in lines if line.startswith(("class ", "def "))]


class TestCommandLine:
    @pytest.fixture(autouse=True)
    def _extensions(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("sphinx")
        monkeypatch.syspath_prepend(str(DOCS))
        yield
        for name in [name for name in sys.modules if name.partition(".")[0] == "_ext"]:
            del sys.modules[name]

    def test_every_option_of_every_command_is_described(self) -> None:
        from _ext.command_line import command_lines

        for name, parser in cli.parsers().items():
            text = "\n".join(command_lines(name, parser))
            assert text.startswith(f"## {name}\n")
            for action in parser._actions:
                for option in action.option_strings:
                    assert f"`{option}" in text or option in ("-h", "--help")

    def test_help_is_laid_out_with_its_defaults(self) -> None:
        from _ext.command_line import command_lines

        parser = argparse.ArgumentParser(prog="x do", description="Do.\n\nAnd [stop].")
        parser.add_argument("paths", nargs="+", metavar="PATH", help="100 %% of <them>")
        group = parser.add_argument_group("recipe", "Of a cake.")
        group.add_argument(
            "-n", "--number", type=int, default=3, help="eggs (default: %(default)s)"
        )
        group.add_argument("--kind", choices=["a", "b"], help=argparse.SUPPRESS)
        group.add_argument("--hot", action="store_true", help="bake")
        text = "\n".join(command_lines("do", parser))
        assert "Do.\n\nAnd \\[stop\\].\n" in text
        assert "`PATH ...`\n: 100 % of \\<them\\>\n" in text
        assert "**Recipe**\n\nOf a cake.\n" in text
        assert "`-n NUMBER`, `--number NUMBER`\n: eggs (default: 3)\n" in text
        assert "`--hot`\n: bake\n" in text
        assert "`--kind" not in text
