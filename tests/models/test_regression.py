"""The logistic regression that the model ``linear`` and the measure of splits share."""

import numpy as np

from emotionrecog.models.regression import fit_regression


def test_regression_separates_two_clusters() -> None:
    rng = np.random.default_rng(0)
    emotions = np.repeat(["happy", "sad"], 50)
    features = rng.normal(size=(100, 3)) + np.where(emotions == "sad", 3.0, -3.0)[:, np.newaxis]
    model = fit_regression(features, emotions)
    assert (model.predict(features) == emotions).all()
    assert np.array_equal(fit_regression(features, emotions).coef_, model.coef_)


def test_weights_count_clips_several_times() -> None:
    features = np.array([[-1.0], [1.0], [1.0]])
    doubled = fit_regression(features, np.array([0, 1, 1]))
    weighted = fit_regression(features[:2], np.array([0, 1]), np.array([1.0, 2.0]))
    assert np.allclose(doubled.coef_, weighted.coef_, atol=1e-5)
