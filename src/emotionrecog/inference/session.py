"""The ONNX Runtime session that runs the network of an artefact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emotionrecog.errors import ModelError
from emotionrecog.runtime import onnx_runtime

if TYPE_CHECKING:
    import numpy as np
    import onnxruntime
    from numpy.typing import NDArray

    from emotionrecog.artifact import Artifact

__all__ = ["Session"]


class Session:
    """Runs the network of an artefact on the CPU; many threads may use it at once.

    Parameters
    ----------
    artifact
        The network, and what its inputs and outputs must be.

    Raises
    ------
    ModelError
        If ONNX Runtime cannot load the network, or its inputs and outputs differ from those that
        the artefact describes.

    Examples
    --------
    >>> import numpy as np
    >>> from emotionrecog import artifact, pretrained
    >>> session = Session(artifact.read(pretrained.fetch("english-8")))
    >>> session.run(np.zeros((2, 256, 104), dtype=np.float32)).shape
    (2, 8)
    """

    def __init__(self, artifact: Artifact) -> None:
        self._name = artifact.name
        self._session = _start(artifact)

    def run(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities of each window.

        Parameters
        ----------
        features
            Shape (n_windows, n_frames, n_features).

        Returns
        -------
        ndarray of float32, shape (n_windows, n_labels)

        Raises
        ------
        ModelError
            If the network cannot compute them.

        Examples
        --------
        >>> import numpy as np
        >>> from emotionrecog import artifact, pretrained
        >>> session = Session(artifact.read(pretrained.fetch("english-8")))
        >>> session.run(np.zeros((1, 256, 104), dtype=np.float32)).shape
        (1, 8)
        """
        try:
            answer: NDArray[np.float32] = self._session.run(None, {"features": features})[0]
        except Exception as error:  # ONNX Runtime has no public base class of its errors
            raise ModelError(
                f"the network of recogniser {self._name!r} failed on {features.shape[1]} frames: "
                f"{error}. Save or fetch the recogniser again"
            ) from error
        return answer


def _start(artifact: Artifact) -> onnxruntime.InferenceSession:
    """Load the network and check its inputs and outputs."""
    runtime = onnx_runtime()
    options = runtime.SessionOptions()
    # One thread a call: batches run many calls side by side, and one call takes milliseconds.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session: onnxruntime.InferenceSession = runtime.InferenceSession(
            artifact.onnx, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception as error:  # ONNX Runtime has no public base class of its errors
        raise ModelError(
            f"ONNX Runtime cannot use the network of recogniser {artifact.name!r}: {error}. "
            "Save or fetch the recogniser again"
        ) from error
    inputs = [(node.name, node.shape[-1:]) for node in session.get_inputs()]
    outputs = [node.shape[-1:] for node in session.get_outputs()]
    n_features, n_labels = len(artifact.features.feature_names), len(artifact.labels)
    if inputs != [("features", [n_features])] or outputs != [[n_labels]]:
        raise ModelError(
            f"the network of recogniser {artifact.name!r} is not the one described beside it: "
            f"expected an input 'features' of {n_features} values a frame and {n_labels} "
            f"probabilities, found inputs {inputs} and outputs {outputs}. "
            "Save or fetch the recogniser again"
        )
    return session
