"""Logistic regression by scikit-learn, for the model ``linear`` and for measuring splits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["fit_regression"]

# Inverse strength of the penalty, for some hundred correlated and standardised features. Not tuned.
_INVERSE_PENALTY = 0.01


def fit_regression(
    features: NDArray[np.float64],
    emotions: NDArray[Any],
    weights: NDArray[np.floating[Any]] | None = None,
) -> Any:
    """Fit a logistic regression that is the same on every machine.

    Parameters
    ----------
    features
        Standardised features in double precision, shape (n_clips, n_features).
    emotions
        Names or numbers of the emotions, shape (n_clips,); two or more.
    weights
        Weight of each clip, shape (n_clips,).

    Returns
    -------
    sklearn.linear_model.LogisticRegression

    Examples
    --------
    >>> import numpy as np
    >>> model = fit_regression(np.array([[-1.0], [1.0]]), np.array(["sad", "happy"]))
    >>> str(model.predict([[0.5]])[0])
    'happy'
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    model = LogisticRegression(C=_INVERSE_PENALTY, tol=1e-6, max_iter=1000)
    # In double precision and one thread, so that every machine finds the same optimum; for products
    # of this size, threads would cost more than they gain.
    with threadpool_limits(1):
        return model.fit(features, emotions, sample_weight=weights)
