"""The readout's recursive least squares against ridge regression, and over very long runs."""

from __future__ import annotations

import numpy as np
import pytest

from streamrnn._bind import kernel
from streamrnn.kernels.ud import ud_drop, ud_gain
from streamrnn.readouts import rls
from streamrnn.testing.oracles import ridge


@kernel
def many_gains(f, steps, keep, cap, U, d, K):
    for _ in range(steps):
        ud_gain(0, f, keep, cap, U, d, K)


def covariance(U, d):
    upper = np.triu(U.T, 1) + np.eye(len(d))
    return upper @ np.diag(d) @ upper.T


def fit(features, targets, variance, keep=1.0, delay=0):
    n = features.shape[1]
    U, d, w = np.zeros((n, n)), np.full(n, variance), np.zeros(n)
    gains = []
    for row in features:
        K = np.zeros(n)
        ud_gain(0, row, keep, 1e12, U, d, K)
        gains.append(K)
        at = len(gains) - 1 - delay
        if at >= 0:
            error = targets[at] - w @ features[at]
            rls.correct(0, 0, 0, error, features[at], (gains[at][None], U, d), w)
    return w, U, d


@pytest.mark.parametrize("delay", [0, 3])
def test_without_forgetting_it_is_ridge_regression(delay):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 12)) @ rng.normal(size=(12, 12))
    targets = features @ rng.normal(size=12) + rng.normal(size=400)
    w, _U, _d = fit(features, targets, 0.5, delay=delay)
    known = len(features) - delay
    assert w == pytest.approx(ridge(features[:known], targets[:known], 2.0), rel=1e-9, abs=1e-9)


def test_covariance_is_the_inverse_of_the_information():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(60, 7))
    _w, U, d = fit(features, np.zeros(60), 0.5, keep=0.97)
    weights = 0.97 ** np.arange(59, -1, -1)
    information = (features * weights[:, None]).T @ features + 0.97**60 * 2.0 * np.eye(7)
    # P here is scaled so that K = P f / (keep + f'P f): keep enters once a step
    np.testing.assert_allclose(covariance(U, d), np.linalg.inv(information), rtol=1e-9)


@pytest.mark.parametrize("j", [0, 4, 11])
def test_a_feature_that_is_dropped_was_never_there(j):
    """Weights and covariance become those of the regression without it, and stay so; a second time nothing happens."""
    rng = np.random.default_rng(2)
    features = rng.normal(size=(200, 12)) @ rng.normal(size=(12, 12))
    targets = features @ rng.normal(size=12) + rng.normal(size=200)
    w, U, d = fit(features[:120], targets, 0.5, keep=0.99)
    K = np.full(12, np.nan)
    ud_drop(j, U, d, K)
    w = w - K * w[j]
    others = np.arange(12) != j
    for row, target in zip(features[120:], targets[120:], strict=True):
        gain = np.zeros(12)
        ud_gain(0, row, 0.99, 1e12, U, d, gain)
        assert gain[j] == 0.0
        w += (target - w @ row) * gain
    expected, U1, d1 = fit(features[:, others], targets, 0.5, keep=0.99)
    np.testing.assert_allclose(w[others], expected, rtol=1e-8, atol=1e-10)
    assert w[j] == pytest.approx(0.0, abs=1e-12)
    P = covariance(U, d)
    np.testing.assert_allclose(P[np.ix_(others, others)], covariance(U1, d1), rtol=1e-8, atol=1e-14)
    assert not P[j].any()
    before = U.copy(), d.copy()
    ud_drop(j, U, d, K)
    assert not K.any()
    np.testing.assert_array_equal(U, before[0])
    np.testing.assert_array_equal(d, before[1])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("f", [[1.0, 1.0, 1.0, 1.0], [1.0, 0.0, -3.0, 1e-8], [0.0, 0.0, 0.0, 0.0]])
def test_ten_million_steps_on_constant_input_stay_definite(f, dtype):
    f = np.array(f, dtype)
    U, d, K = np.zeros((4, 4), dtype), np.full(4, 0.1, dtype), np.zeros(4, dtype)
    many_gains(f, 10_000_000, 0.9995, 1.0, U, d, K)
    assert np.isfinite(U).all()
    assert np.isfinite(K).all()
    assert (d > 0).all()
    assert (d <= 1.0).all()
    assert np.linalg.eigvalsh(covariance(U.astype(float), d.astype(float))).min() > 0
