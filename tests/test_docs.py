"""The documentation covers the code: variables, commands, modules and the words people look for."""

import argparse
import ast
import importlib
import re
import shlex
import sys
from collections.abc import Iterator

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


def blocks(language: str) -> Iterator[str]:
    """Yield the code blocks of all pages and of the texts beside the source."""
    texts = [*pages().values(), (DOCS / "index.md").read_text(encoding="utf-8")]
    for name in ("README.md", "CONTRIBUTING.md", "examples/README.md"):
        texts.append((ROOT / name).read_text(encoding="utf-8"))
    for text in texts:
        yield from re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def test_commands_have_the_options_that_pages_name() -> None:
    parsers = cli.parsers()
    n_commands = 0
    for block in blocks("sh"):
        for line in re.findall(r"^ *emotionrecog (.+)", block.replace("\\\n", " "), re.M):
            words = shlex.split(line.partition(" | ")[0], comments=True)
            name = " ".join(words[:2]) if " ".join(words[:2]) in parsers else words[0]
            if name.startswith("-"):
                continue
            known = parsers[name]._option_string_actions
            options = [word for word in words if re.match("--?[a-z]", word)]
            assert [option for option in options if option not in known] == [], line
            n_commands += 1
    assert n_commands > 30


def test_names_that_pages_import_exist() -> None:
    n_names = 0
    for block in blocks("python"):
        if ">>>" in block:
            continue  # runs as a doctest
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("emotionrecog"):
                module = importlib.import_module(node.module)
                for alias in node.names:
                    if not hasattr(module, alias.name):
                        importlib.import_module(f"{node.module}.{alias.name}")
                    n_names += 1
    assert n_names > 20


def test_light_installation_has_what_prediction_needs() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (section,) = re.findall(r"# what predicting needs\n(.*?)#", project, re.S)
    page = (DOCS / "tutorials" / "installation.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"--no-deps emotionrecog\npip install (.*?)```", page, re.S)
    needed = re.findall(r"\"([\w-]+)", section)
    assert sorted(command.replace("\\", " ").split()) == sorted(needed)


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
