"""Linear experts: recursive least squares is ridge regression, also in part, and after a part was forgotten."""

from __future__ import annotations

import numpy as np
import pytest

from streamrnn.kernels.normalise import BOUND
from streamrnn.state import Arena, Layout
from streamrnn.tasks import _layout
from streamrnn.tasks._linear import (
    linear_admit,
    linear_drop,
    linear_gain,
    linear_gained,
    linear_learn,
    linear_reset,
    linear_say,
    linear_unsaid,
)

F, H, RING = 7, 3, 4


class Expert:
    """One linear expert of F features and H heads, for one channel."""

    def __init__(self, variance=0.5):
        self.arena = Arena(Layout(_layout._linear("own", RING, H, F), "float64"))
        self.arena["own.variance"][:] = variance
        self.valid = np.ones((RING, 1), np.int64)
        self.base, self.scale, self.error = np.zeros((RING, 1)), np.ones((RING, 1)), np.ones((H, 1))
        self.rows = 0

    @property
    def where(self):
        return self.arena.real, self.arena.layout.table

    @property
    def covariance(self):
        """P = U diag(d) Uᵀ."""
        U = np.triu(self.arena["own.covariance"].T, 1) + np.eye(F)
        return U @ np.diag(self.arena["own.variance"]) @ U.T

    @property
    def weights(self):
        return self.arena["own.weights"]

    def step(self, x, f, share=1.0, start=0, keep=1.0):
        """Learn from x, then ask from the row with features f."""
        linear_learn(x, share, self.rows, 0, 0, 0.0, self.error, self.valid, self.base, self.scale, *self.where)
        slot = self.rows % RING
        self.arena["own.features"][slot] = f
        linear_gain(slot, start, keep, 1e9, 0, *self.where)
        self.rows += 1


def data(rows, seed=0):
    rng = np.random.default_rng(seed)
    f = rng.normal(size=(rows, F)) @ rng.normal(size=(F, F))
    return f, rng.normal(size=rows)


@pytest.mark.parametrize("start", [0, 3])
def test_each_head_is_the_ridge_regression_on_rows_whose_targets_have_come(start):
    """Penalty 1 / 0.5; of features from `start` on alone."""
    f, x = data(60)
    f[:, :start] = 0.0
    expert = Expert()
    for i in range(60):
        expert.step(x[i], f[i], start=start)
    for k in range(H):
        A, y = f[: 59 - k, start:], x[k + 1 :]
        ridge = np.linalg.solve(A.T @ A + 2.0 * np.eye(F - start), A.T @ y)
        np.testing.assert_allclose(expert.weights[k, start:], ridge, rtol=1e-9, atol=1e-12)
    assert not expert.weights[:, :start].any()
    np.testing.assert_allclose(
        expert.covariance[start:, start:], np.linalg.inv(f[:, start:].T @ f[:, start:] + 2 * np.eye(F - start))
    )


def test_it_forgets_at_the_rate_it_is_told():
    f, x = data(200)
    expert, keep = Expert(), 0.97
    for i in range(200):
        expert.step(x[i], f[i], keep=keep)
    A, y, w = f[:199], x[1:], keep ** np.arange(198, -1, -1)
    ridge = np.linalg.solve(A.T @ (w[:, None] * A) + keep**199 * 2.0 * np.eye(F), A.T @ (w * y))
    np.testing.assert_allclose(expert.weights[0], ridge, rtol=1e-8)


def test_what_is_forgotten_is_forgotten_exactly():
    """Of the first features nothing is known; of the others all that their own covariance says: the marginal one."""
    f, x = data(50)
    expert, count = Expert(), 3
    for i in range(50):
        expert.step(x[i], f[i])
    before, weights = expert.covariance, expert.weights.copy()
    assert np.abs(before[:count, count:]).max() > 1e-3, "the parts hang together: the test could fail"
    linear_reset(count, 0.25, 0, *expert.where)
    expected = before.copy()
    expected[:count], expected[:, :count] = 0.0, 0.0
    expected[:count, :count] = 0.25 * np.eye(count)
    np.testing.assert_allclose(expert.covariance, expected, rtol=1e-10, atol=1e-14)
    np.testing.assert_array_equal(expert.weights, np.where(np.arange(F) < count, 0.0, weights))
    # what was asked before, and comes true now, moves nothing of the forgotten part
    linear_learn(5.0, 1.0, expert.rows, 0, 0, 0.0, expert.error, expert.valid, expert.base, expert.scale, *expert.where)
    assert not expert.weights[:, :count].any()
    assert (expert.weights[:, count:] != weights[:, count:]).all()
    # and it goes on as the filter that starts from there
    w, P = expert.weights[0].copy(), expert.covariance
    f1, x1 = data(20, seed=1)
    expert.valid[:] = 0
    for i in range(20):
        if i:
            gain = P @ f1[i - 1] / (1.0 + f1[i - 1] @ P @ f1[i - 1])
            w += gain * (x1[i] - w @ f1[i - 1])
            P = P - np.outer(gain, f1[i - 1] @ P)
        expert.step(x1[i], f1[i])
        expert.valid[(expert.rows - 1) % RING] = 1
    np.testing.assert_allclose(expert.weights[0], w, rtol=1e-8)


def test_a_share_of_a_correction_is_made_and_nothing_of_rows_that_are_not_valid():
    f, _ = data(4)
    full, half, none = Expert(), Expert(), Expert()
    none.valid[1] = 0
    for expert, share in ((full, 1.0), (half, 0.5), (none, 1.0)):
        expert.step(0.0, f[0])
        expert.step(0.0, f[1])
        linear_learn(3.0, share, 2, 0, 0, 0.0, expert.error, expert.valid, expert.base, expert.scale, *expert.where)
    np.testing.assert_allclose(half.weights, 0.5 * full.weights, rtol=1e-12)
    assert full.weights[0].any()
    assert not none.weights[0].any()
    np.testing.assert_array_equal(none.weights[1], full.weights[1])


def test_an_error_counts_as_so_many_mean_ones_at_the_most():
    f, _ = data(2)
    bounded, free = Expert(), Expert()
    for expert in (bounded, free):
        expert.error[:] = [[0.5], [1e6], [1.0]]
        expert.step(0.0, f[0])
        expert.step(0.0, f[1])
    linear_learn(7.0, 1.0, 2, 0, 0, 8.0, bounded.error, bounded.valid, bounded.base, bounded.scale, *bounded.where)
    linear_learn(7.0, 1.0, 2, 0, 0, 0.0, free.error, free.valid, free.base, free.scale, *free.where)
    np.testing.assert_allclose(bounded.weights[0], free.weights[0] * 4.0 / 7.0, rtol=1e-12)
    np.testing.assert_array_equal(bounded.weights[1:], free.weights[1:])


def test_targets_and_forecasts_are_in_units_of_the_row_and_bounded():
    """A target of 1e9 units counts as 30 √h; a forecast is base + change x unit, and no farther off than that."""
    f, _ = data(2)
    expert = Expert()
    expert.base[:], expert.scale[:] = 100.0, 2.0
    expert.step(0.0, f[0])
    expert.step(0.0, f[1])
    gain = expert.arena["own.gain"]
    expert.weights[:] = 0.0
    linear_learn(2e9, 1.0, 2, 0, 0, 0.0, expert.error, expert.valid, expert.base, expert.scale, *expert.where)
    np.testing.assert_allclose(expert.weights[0], BOUND * gain[1], rtol=1e-12)
    np.testing.assert_allclose(expert.weights[1], np.sqrt(2.0) * BOUND * gain[0], rtol=1e-12)
    said = np.zeros((RING, 2, H, 1))
    expert.weights[:] = np.array([[1.0], [1e9], [-1e9]]) * f[1] / (f[1] @ f[1])
    linear_say(1, 1, 0, 100.0, 2.0, 0, *expert.where, said)
    np.testing.assert_allclose(said[1, 1, :, 0], 100.0 + 2.0 * np.array([1.0, BOUND * 2**0.5, -BOUND * 3**0.5]))
    assert not said[0].any()
    assert not said[1, 0].any()


def test_features_out_of_use_leave_what_is_known_as_if_they_had_never_been_there():
    """And the weights move with it; until they are taken into use again, with nothing but the variance that is said."""
    f, x = data(50)
    expert, without, (begin, end) = Expert(), Expert(), (2, 4)
    g = f.copy()
    g[:, begin:end] = 0.0
    without.arena["own.variance"][begin:end] = 0.0
    for i in range(50):
        expert.step(x[i], f[i])
        without.step(x[i], g[i])
    P, w = expert.covariance, expert.weights.copy()
    moved = P[:, begin:end] @ np.linalg.solve(P[begin:end, begin:end], w[:, begin:end].T)
    linear_drop(begin, end, expert.rows % RING, 0, *expert.where)
    assert not expert.weights[:, begin:end].any()
    assert not expert.arena["own.features"][:, begin:end].any()
    assert not expert.arena["own.gain"][:, begin:end].any()
    np.testing.assert_allclose(expert.weights, w - moved.T, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(expert.covariance, without.covariance, rtol=1e-9, atol=1e-14)
    linear_admit(begin, end, 0.03, 0, *expert.where)
    expected = without.covariance
    expected[range(begin, end), range(begin, end)] = 0.03
    np.testing.assert_allclose(expert.covariance, expected, rtol=1e-9, atol=1e-14)


def test_what_the_first_features_leave_unsaid():
    f, x = data(5)
    expert = Expert()
    expert.base[:], expert.scale[:] = 3.0, 2.0
    for i in range(4):
        expert.step(x[i], f[i])
    own = expert.weights[0, :5] @ f[3, :5]
    said = linear_unsaid(4.0, 3, 0, 5, expert.base, expert.scale, 0, *expert.where)
    assert said == pytest.approx((4.0 - 3.0) / 2.0 - own)
    for x1, bound in ((1e9, BOUND), (-1e9, -BOUND)):
        said = linear_unsaid(x1, 3, 0, 5, expert.base, expert.scale, 0, *expert.where)
        assert said == pytest.approx(np.clip(bound - own, -BOUND, BOUND))


def test_what_groups_of_features_bring_is_the_error_that_would_be_without_them():
    """Two groups of two, discounted; targets that have not come, and rows that are not valid, are not counted."""
    f, x = data(40)
    expert, keep, gained = Expert(), 0.9, np.zeros((3, 6))
    expected = np.zeros((3, 6))
    for i in range(12):
        if i:
            linear_gained(x[i], i, 0, 3, 2, keep, expert.valid, expert.base, expert.scale, 0, *expert.where, gained)
        for j, k in enumerate((0, 1, 2)):
            if i < k + 1 or not expert.valid[(i - 1 - k) % RING, 0]:
                continue
            row, w = f[i - 1 - k], expert.weights[k].copy()
            e = np.clip(x[i], -BOUND, BOUND) - w @ row
            if i > 10:
                e = np.clip(e, -3.0 * np.sqrt(0.1 * expected[2, j]), 3.0 * np.sqrt(0.1 * expected[2, j]))
            parts = np.array([(w * row)[3:5].sum(), (w * row)[5:7].sum()])
            brought = (e + parts) ** 2 - e**2
            expected[:2, j] = keep * expected[:2, j] + brought
            expected[:2, 3 + j] = keep * expected[:2, 3 + j] + brought**2
            expected[2, j] = keep * expected[2, j] + e**2
        expert.step(x[i], f[i])
        expert.valid[:] = 1
        expert.valid[5 % RING] = 0
    np.testing.assert_allclose(gained, expected, rtol=1e-9)
    assert (np.abs(gained) > 0.0).sum() == 15
