"""Import ONNX Runtime without its telemetry."""

from __future__ import annotations

import os
from types import ModuleType

__all__ = ["onnx_runtime"]


def onnx_runtime() -> ModuleType:
    """Import ONNX Runtime with its telemetry switched off, and return the module.

    From version 1.29 on, importing it on Linux starts a thread that writes a device identifier to
    the home folder and looks up a host, unless ``ORT_DISABLE_TELEMETRY`` is set before the import.
    A value that is already set is kept.

    Examples
    --------
    >>> onnx_runtime().__name__
    'onnxruntime'
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    module: ModuleType = onnxruntime
    return module
