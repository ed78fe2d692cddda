"""The package as a whole: what is public, what is light, who imports whom, what is shipped."""

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

import emotionrecog
from benchmarks import structure
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


def test_import_loads_only_errors_and_version() -> None:
    ours = {name for name in modules_after("import emotionrecog") if "emotionrecog" in name}
    assert ours == {"emotionrecog", "emotionrecog.errors", "emotionrecog.version"}


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import emotionrecog.audio, emotionrecog.features", id="audio and features"),
        pytest.param("import emotionrecog.datasets", id="datasets"),
        pytest.param("import emotionrecog.splits.protocols", id="protocols"),
        pytest.param("import emotionrecog.inference.engine", id="engine"),
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


PRIVATE = f"""
import json, os, sys, time
from pathlib import Path

connections = []
sys.addaudithook(lambda event, _: connections.append(event) if event.startswith("socket.") else 0)
{PREDICT_BATCH}
home = sorted(str(path) for path in Path.home().rglob("*"))
end = time.monotonic() + 10
while (n_threads := len(os.listdir("/proc/self/task"))) > 1 and time.monotonic() < end:
    time.sleep(0.05)  # threads of the batch take a moment to end
child = os.fork()
if child == 0:
    sys.exit(0)
_, status = os.waitpid(child, 0)
print(json.dumps([home, connections, status, n_threads]))
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
def test_prediction_leaves_no_trace_and_sends_nothing(tmp_path: Path) -> None:
    """No file in the home folder, no connection, no thread left, no child that never ends."""
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment.pop("XDG_CACHE_HOME", None)
    done = subprocess.run(
        [sys.executable, "-c", PRIVATE],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    home, connections, status, n_threads = json.loads(done.stdout)
    assert (home, connections, status) == ([], [], 0)
    assert n_threads == 1


# How it is put together -------------------------------------------------------------------------

FILES = structure.files(ROOT)
IMPORTS = structure.all_imports(ROOT)

# For type checkers alone.
UPWARDS = {("features.extraction", "datasets")}
LONG = {"features.descriptors"}  # one function for each descriptor, as librosa documents them
MAX_LINES = 600


def imported(module: str, source: str) -> list[structure.Import]:
    """Return what a source would import, were it that of a module or a package."""
    module, _, package = module.partition("/")
    return structure.imports(module, source, bool(package), {*FILES, module})


def test_every_part_has_a_layer() -> None:
    assert {name.partition(".")[0] for name in FILES} - {""} == set(structure.LAYER_OF)


def test_imports_run_downwards() -> None:
    upwards = [each for each in IMPORTS if each.goes_up]
    wrong = [
        str(each)
        for each in upwards
        if not each.for_types or (each.module, each.imported.partition(".")[0]) not in UPWARDS
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("audio", "from .cli import main"),
        ("audio", "def load():\n    from . import recognizer"),
        ("audio", "import emotionrecog.features"),
        ("audio", "import emotionrecog"),
        ("audio", "from emotionrecog import Waveform"),
        ("files", "from emotionrecog.text import table"),
        ("features.mel", "from ..datasets.ravdess import parse"),
        ("datasets.ravdess", "from emotionrecog.models import build"),
        ("datasets/package", "from .. import artifact"),
        ("recognizer", "def f():\n    from .cli import main"),
        ("training.loop", "if TYPE_CHECKING:\n    from ..recognizer import EmotionRecognizer"),
    ],
)
def test_wrong_import_is_reported(module: str, source: str) -> None:
    assert [each.goes_up for each in imported(module, source)] == [True]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("audio", "import numpy as np\nfrom .errors import AudioError"),
        ("datasets.ravdess", "from . import corpus\nfrom ..errors import DatasetError"),
        ("datasets/package", "from .corpus import Corpus\nfrom .. import audio"),
        ("artifact", "from . import version, features"),
        ("recognizer", "def train():\n    from .training import fit"),
    ],
)
def test_right_import_is_not_reported(module: str, source: str) -> None:
    found = imported(module, source)
    assert [each.goes_up for each in found] == [False] * len(found)
    assert found


def test_at_most_one_circle_of_two_files() -> None:
    found = structure.circles(IMPORTS)
    assert [group for group in found if len(group) > 2] == []
    assert len(found) <= 1
    for group in found:
        inside = [e for e in IMPORTS if e.module in group and e.imported in group]
        assert any(e.deferred or e.for_types for e in inside)


def test_circle_is_reported() -> None:
    first = imported("audio", "from emotionrecog.text import table")
    assert structure.circles(first) == []
    for source in ("from . import files", "def f():\n    from .audio import load"):
        second = imported("text", source)
        third = imported("files", "if TYPE_CHECKING:\n    import emotionrecog.audio as sound")
        group = ("audio", "files", "text") if "files" in source else ("audio", "text")
        assert structure.circles([*first, *second, *third]) == [group]


@pytest.mark.parametrize("module", FILES)
def test_private_names_stay_in_their_module(module: str) -> None:
    source = FILES[module].read_text(encoding="utf-8")
    found = [each for each in IMPORTS if each.module == module]
    assert structure.private_uses(source, found) == []


@pytest.mark.parametrize(
    "source",
    [
        "from emotionrecog.text import _pad",
        "from emotionrecog import text\ntext._pad()",
        "def f():\n    import emotionrecog.text as t\n    t._pad()",
        "import emotionrecog.text\nemotionrecog.text._pad()",
    ],
)
def test_use_of_a_private_name_is_reported(source: str) -> None:
    assert len(structure.private_uses(source, imported("audio", source))) == 1


def test_own_private_names_are_not_reported() -> None:
    source = "from emotionrecog import text\nself._pad(_pad, text.__name__)"
    assert structure.private_uses(source, imported("audio", source)) == []


def test_no_file_is_too_long() -> None:
    lines = {module: structure.n_lines(path) for module, path in FILES.items()}
    assert {module: n for module, n in lines.items() if n > MAX_LINES and module not in LONG} == {}


def test_repetitions_are_found(tmp_path: Path) -> None:
    body = "".join(f"    x = {n}\n" for n in range(7))
    for name in "ab":
        text = f'def {name}(x):\n    """Do."""\n{body}    return {name}\n'
        (tmp_path / f"{name}.py").write_text(text)
    paths = sorted(tmp_path.iterdir())
    assert structure.repetitions(paths) == [(7, paths[0], 3, paths[1], 3)]
    assert structure.repetitions(paths, contract=True) == [(8, paths[0], 2, paths[1], 2)]
    assert structure.repetitions(paths[:1]) == []


# What is declared --------------------------------------------------------------------------------


def test_light_requirements_are_those_of_the_package() -> None:
    """All that ``make check`` installs is declared in pyproject.toml; TensorFlow is left out."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = declared["optional-dependencies"]
    needed = {line.partition(";")[0] for line in declared["dependencies"]}
    known = needed.union(*(extras[name] for name in ("plots", "tables", "test", "dev")))
    lines = (ROOT / "requirements-check.txt").read_text(encoding="utf-8").splitlines()
    light = {line for line in lines if line and not line.startswith("#")}
    assert light - known == set()
    left_out = {re.match(r"[\w-]+", line)[0] for line in needed - light}
    assert left_out == {"h5py", "keras", "tensorflow", "tf2onnx"}


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
