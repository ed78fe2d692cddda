"""The package as a whole: what is public, what is light, who imports whom, what is shipped."""

import ast
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

import emotionrecog
from tests.conftest import CLIP, ROOT, run_python

SOURCE = ROOT / "src" / "emotionrecog"


# What is public ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", emotionrecog.__all__)
def test_public_name_resolves(name: str) -> None:
    assert getattr(emotionrecog, name) is not None
    assert name in dir(emotionrecog)


def test_nothing_else_is_public() -> None:
    public = {
        name
        for name, value in vars(emotionrecog).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public - {"TYPE_CHECKING"} <= set(emotionrecog.__all__)


def test_unknown_name_is_an_attribute_error() -> None:
    name = "Recogniser"
    with pytest.raises(AttributeError, match="module 'emotionrecog' has no attribute 'Recogniser'"):
        getattr(emotionrecog, name)


def test_version_is_the_installed_one() -> None:
    assert emotionrecog.__version__ == metadata.version("emotionrecog")


def test_version_heads_the_changelog() -> None:
    headings = re.findall(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert headings[0] == emotionrecog.__version__


def test_citation_names_the_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {emotionrecog.__version__}\n" in citation


# What is light -----------------------------------------------------------------------------------

HEAVY = {
    "keras",
    "librosa",
    "matplotlib",
    "numba",
    "onnx",
    "pandas",
    "scipy.signal",
    "sklearn",
    "tensorflow",
    "tf2onnx",
}
PREDICT = f"""
from emotionrecog import EmotionRecognizer
EmotionRecognizer().predict({str(CLIP)!r})
"""
PREDICT_BATCH = f"""
from emotionrecog import EmotionRecognizer
list(EmotionRecognizer().predict_batch([{str(CLIP)!r}] * 2))
"""


def modules_after(code: str) -> set[str]:
    """Return the names of the modules that a new interpreter holds once it has run `code`."""
    report = "import json, sys; print(json.dumps(sorted(sys.modules)))"
    return set(json.loads(run_python(f"{code}\n{report}").splitlines()[-1]))


def test_import_loads_only_the_errors() -> None:
    ours = {name for name in modules_after("import emotionrecog") if "emotionrecog" in name}
    assert ours == {"emotionrecog", "emotionrecog.errors"}


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import emotionrecog.audio, emotionrecog.features", id="audio and features"),
        pytest.param("import emotionrecog.datasets", id="datasets"),
        pytest.param("import emotionrecog.splits.protocols", id="protocols"),
        pytest.param("import emotionrecog.features.extraction", id="extraction"),
        pytest.param("import emotionrecog.cli", id="cli"),
        pytest.param(PREDICT, id="predict"),
        pytest.param(PREDICT_BATCH, id="predict_batch"),
    ],
)
def test_light_path_loads_nothing_heavy(code: str) -> None:
    assert modules_after(code) & HEAVY == set()


@pytest.mark.parametrize("heavy", ["scipy.signal", "sklearn"])
def test_light_path_test_can_fail(heavy: str) -> None:
    """The same check, on code that does import something heavy, reports it."""
    assert heavy in modules_after(f"{PREDICT}\nimport {heavy}") & HEAVY


# Who imports whom --------------------------------------------------------------------------------

# A room imports from the tiers above its own only; rooms of one tier do not know each other.
TIERS = (
    {"errors"},
    {"audio"},
    {"features"},
    {"datasets", "artifact", "windows"},
    {"augmentation", "models"},
    {"pretrained", "protocols", "audit", "extraction", "plots", "reliability"},
    {"recognizer"},
    {"evaluation", "explanation", "baseline", "checks"},
    {"training", "modelcard", "stress", "calibration"},
    {"classic", "benchmark"},
    {"cli"},
)
TIER_OF = {room: tier for tier, rooms in enumerate(TIERS) for room in rooms}

# The facade's train(), evaluate() and explain(): allowed inside a function or for type checkers, so
# that importing the one never imports the other.
DEFERRED = {
    ("recognizer", "training"),
    ("recognizer", "evaluation"),
    ("recognizer", "explanation"),
}


def import_statements(
    node: ast.AST, deferred: bool = False
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Yield the imports under `node`, each with whether importing the module leaves it out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, deferred
        else:
            in_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            for_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            yield from import_statements(child, deferred or in_function or for_types)


def imported_rooms(statement: ast.Import | ast.ImportFrom, package: tuple[str, ...]) -> set[str]:
    """Return the rooms that a statement in a module of `package` imports from."""
    if isinstance(statement, ast.Import):
        paths = [tuple(alias.name.split(".")) for alias in statement.names]
    else:
        base = package[: len(package) - statement.level + 1] if statement.level else ()
        base += tuple(statement.module.split(".")) if statement.module else ()
        paths = [(*base, alias.name) for alias in statement.names]
    ours = [path[1:] for path in paths if path[0] == "emotionrecog"]
    return {path[0] if path else "emotionrecog" for path in ours} - {"__version__"}


def wrong_imports(source: str, module: str) -> list[str]:
    """Return what a module, named by its path under the package, imports against the tiers."""
    folders = Path(module).parent.parts
    room = folders[0] if folders else Path(module).stem
    wrong = []
    for statement, deferred in import_statements(ast.parse(source)):
        for other in imported_rooms(statement, ("emotionrecog", *folders)) - {room}:
            downwards = TIER_OF.get(other, len(TIERS)) < TIER_OF[room]
            if not downwards and not (deferred and (room, other) in DEFERRED):
                wrong.append(f"{module}, line {statement.lineno}: {room} imports {other}")
    return wrong


def modules() -> list[str]:
    """Return the path of every module under the package, without its own ``__init__.py``."""
    paths = (path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))
    return sorted(path for path in paths if path != "__init__.py")


@pytest.mark.parametrize("module", modules())
def test_imports_run_one_way(module: str) -> None:
    assert wrong_imports((SOURCE / module).read_text(encoding="utf-8"), module) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("audio.py", "from .cli import main"),
        ("audio.py", "def load():\n    from . import recognizer"),
        ("audio.py", "import emotionrecog.features"),
        ("audio.py", "import emotionrecog"),
        ("audio.py", "from emotionrecog import Waveform"),
        ("features/mel.py", "from ..datasets.ravdess import parse"),
        ("datasets/ravdess.py", "from emotionrecog.models import build"),
        ("datasets/__init__.py", "from .. import artifact"),
        ("recognizer.py", "from .training import fit"),
        ("recognizer.py", "def f():\n    from .cli import main"),
    ],
)
def test_wrong_import_is_reported(module: str, source: str) -> None:
    assert len(wrong_imports(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("audio.py", "import numpy as np\nfrom .errors import AudioError"),
        ("datasets/ravdess.py", "from . import Utterance\nfrom ..errors import DatasetError"),
        ("artifact.py", "from . import __version__, features"),
        ("recognizer.py", "def train():\n    from .training import fit"),
        ("recognizer.py", "if TYPE_CHECKING:\n    from .evaluation import Report"),
    ],
)
def test_right_import_is_not_reported(module: str, source: str) -> None:
    assert wrong_imports(source, module) == []


# What is shipped ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_wheel_and_sdist_hold_the_whole_package(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    shipped = {
        path.relative_to(SOURCE.parent).as_posix()
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "emotionrecog/py.typed" in shipped
    assert any(re.fullmatch(r"emotionrecog/data/recognizers/.+\.onnx", name) for name in shipped)

    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        assert shipped <= set(wheel.namelist())
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as sdist:
        inner = {name.partition("/")[2] for name in sdist.getnames()}
    assert {f"src/{name}" for name in shipped} <= inner


def test_example_runs() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "predict.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"clip\.wav: \w+ \(\d+%\)$", done.stdout)
