"""The logistic regression that serves as the non-neural baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

__all__ = ["logistic_regression"]

# Inverse strength of the penalty, for some hundred correlated and standardised features; not tuned.
_INVERSE_PENALTY = 0.01


def logistic_regression() -> LogisticRegression:
    """Return an untrained logistic regression for standardised features.

    Fit it in double precision and in one thread (``threadpoolctl.threadpool_limits(1)``), so that
    every machine finds the same optimum. scikit-learn is imported by this call.

    Examples
    --------
    >>> model = logistic_regression()
    >>> model.fit([[-1.0], [1.0]], ["calm", "angry"]).predict([[2.0]]).tolist()
    ['angry']
    """
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=_INVERSE_PENALTY, tol=1e-6, max_iter=1000)
