"""What runs where: tests and doctests that need TensorFlow carry the marker ``tensorflow``."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
HAS_TENSORFLOW = find_spec("tensorflow") is not None

# numba, which librosa compiles with, crashes on code that two processes cached at the same time.
if "PYTEST_XDIST_WORKER" in os.environ:
    CACHE = ROOT / ".pytest_cache" / f"numba-{os.environ['PYTEST_XDIST_WORKER']}"
    os.environ.setdefault("NUMBA_CACHE_DIR", str(CACHE))

# Modules that import TensorFlow, and files whose examples need what training installs.
MODULES = ("src/emotionrecog/models/*.py", "src/emotionrecog/training/loop.py")
PAGES = ("docs/reference/networks.md", "src/emotionrecog/training/*.py")


def needs_tensorflow(path: Path, patterns: tuple[str, ...] = MODULES + PAGES) -> bool:
    """Tell whether the doctests of a file need TensorFlow."""
    return any(path.match(f"{ROOT}/{pattern}") for pattern in patterns)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the modules that cannot be imported without TensorFlow."""
    return True if not HAS_TENSORFLOW and needs_tensorflow(collection_path, MODULES) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the doctests that need TensorFlow."""
    for item in items:
        if isinstance(item, pytest.DoctestItem) and needs_tensorflow(item.path):
            item.add_marker("tensorflow")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that needs TensorFlow where it is not installed."""
    if not HAS_TENSORFLOW and item.get_closest_marker("tensorflow"):
        pytest.skip("TensorFlow is not installed")
