"""Fixtures that several test modules share."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def corpora_root() -> Path:
    """The folder of the real corpora; tests that ask for it are skipped where there is none."""
    named = os.environ.get("EMOTIONRECOG_CORPORA")
    if not named:
        pytest.skip("EMOTIONRECOG_CORPORA does not name a folder of corpora")
    root = Path(named)
    if not root.is_dir():
        pytest.skip(f"EMOTIONRECOG_CORPORA names no folder: {named!r}")
    return root


# Of EfficientAT's mn04: kernel, expanded width, width, width of squeeze-excitation of each block.
MN04 = (
    (3, 8, 8, 0),
    (3, 24, 16, 0),
    (3, 32, 16, 0),
    (5, 32, 16, 8),
    (5, 48, 16, 16),
    (5, 48, 16, 16),
    (3, 96, 32, 0),
    (3, 80, 32, 0),
    (3, 72, 32, 0),
    (3, 72, 32, 0),
    (3, 192, 48, 48),
    (3, 272, 48, 72),
)


@pytest.fixture(scope="session")
def random_mn04() -> Callable[[Path], dict[str, np.ndarray]]:
    """Write random tensors of the names and shapes of EfficientAT's mn04, and return them."""
    rng = np.random.default_rng(0)
    tensors: dict[str, np.ndarray] = {}

    def convolution(name: str, out: int, width: int, kernel: int) -> None:
        shape = (out, width, kernel, kernel)
        tensors[f"{name}.0.weight"] = 1.5 * rng.normal(size=shape) / np.sqrt(width * kernel**2)
        tensors[f"{name}.1.weight"] = rng.uniform(0.5, 1.5, out)
        tensors[f"{name}.1.bias"] = rng.normal(0.0, 0.3, out)
        tensors[f"{name}.1.running_mean"] = rng.normal(0.0, 0.3, out)
        tensors[f"{name}.1.running_var"] = rng.uniform(0.5, 1.5, out)

    convolution("features.0", 8, 1, 3)
    width = 8
    for number, (kernel, expanded, out, squeezed) in enumerate(MN04, start=1):
        names = (f"features.{number}.block.{part}" for part in range(4))
        if number > 1:
            convolution(next(names), expanded, width, 1)
        convolution(next(names), expanded, 1, kernel)
        if squeezed:
            name = f"{next(names)}.conc_se_layers.0"
            for fc, sizes in (("fc1", (squeezed, expanded)), ("fc2", (expanded, squeezed))):
                tensors[f"{name}.{fc}.weight"] = rng.normal(size=sizes) / np.sqrt(sizes[1])
                tensors[f"{name}.{fc}.bias"] = rng.normal(0.0, 0.3, sizes[0])
        convolution(next(names), out, expanded, 1)
        width = out
    tensors = {name: values.astype(np.float32) for name, values in tensors.items()}

    def write(path: Path) -> dict[str, np.ndarray]:
        np.savez(path, **tensors)  # type: ignore[arg-type]
        return tensors

    return write
