"""Level and scale against batch formulas."""

from __future__ import annotations

import numpy as np
import pytest

from streamrnn.kernels.normalise import change_observe, change_scale, level_observe
from streamrnn.kernels.tail import tail_surprise


def test_young_moments_are_the_plain_mean_and_variance():
    x = np.random.default_rng(0).normal(size=200) * 3 + 1e6
    moments = np.array([x[0], 0.0])
    for t, v in enumerate(x, 1):
        level_observe(v, 1.0 / t, True, 0.0, moments)
    assert moments[0] == pytest.approx(x.mean(), rel=1e-12)
    assert moments[1] == pytest.approx(x.var(), rel=1e-9)


def test_one_outlier_counts_for_thirty_scales_at_the_most():
    moments = np.array([0.0, 1.0])
    level_observe(1e9, 0.01, False, 1.0, moments)
    assert moments[0] == pytest.approx(0.3)
    assert change_observe(1e9, 0.01, False, 1.0) == pytest.approx(1.0 + 0.01 * (900 - 1))


def test_nothing_changed_means_no_scale():
    assert change_scale(0.0, 4.0) == 0.0
    assert change_scale(4.0, 0.0) == 2.0


def test_surprise_grows_without_end_and_only_beyond_the_quantile():
    rng = np.random.default_rng(0)
    tail = np.zeros(4)
    for t, z in enumerate(np.abs(rng.normal(size=5000))):
        tail_surprise(z, float(t), 100.0, 0.0, tail)
    assert tail[0] == pytest.approx(2.576, abs=0.25)  # the 0.99 quantile of |N(0, 1)|
    levels = [tail_surprise(z, 5000.0, 100.0, 0.0, tail.copy()) for z in (1.0, 3.0, 5.0, 1e2, 1e4, 1e6)]
    assert levels[0] == 0.0
    assert np.all(np.diff(levels) > 0)


@pytest.mark.parametrize("draw", ["normal", "exponential"])
def test_surprise_is_calibrated(draw):
    """P(surprise > s) is about e^-s: an exponential tail by construction, a Gaussian's within a factor of 3."""
    rng = np.random.default_rng(1)
    tail, found = np.zeros(4), []
    for t, z in enumerate(np.abs(getattr(rng, draw)(size=60_000))):
        found.append(tail_surprise(z, float(t), 100.0, 0.0, tail))
    share = np.mean(np.array(found) > 6.0)
    assert np.exp(-6.0) / 3 < share < np.exp(-6.0) * 3
