"""Fixtures for the tests of features."""

import warnings
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture(scope="session")
def librosa() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("librosa")


@pytest.fixture(autouse=True)
def _no_floating_point_errors() -> Iterator[None]:
    """NaN, infinities and divisions by zero would be warnings, and warnings are errors."""
    with np.errstate(divide="warn", over="warn", invalid="warn"):
        yield
