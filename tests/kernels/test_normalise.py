"""Level and scale against batch formulas."""

from __future__ import annotations

import numpy as np
import pytest

from streamrnn.kernels.normalise import change_observe, change_scale, level_observe


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
