"""Updates against a second writing of each in NumPy, on problems with a known answer, and over very long runs."""

from __future__ import annotations

import numpy as np
import pytest

from streamrnn import updates
from streamrnn._bind import bind
from streamrnn.errors import ModelError
from streamrnn.state import Arena, Layout
from streamrnn.testing.oracles import ridge

FOLLOWS = {follows: [name for name in updates.OWN if updates.get(name).follows == follows]
           for follows in ("gradient", "innovation")}  # fmt: skip


class Driver:
    """An update with its memory and the weights that it moves."""

    def __init__(self, name, n, q, outputs=1, dtype="float64", **options):
        self.update = updates.get(name, options)
        self.arena = Arena(Layout(self.update.fields(n, q, outputs), dtype))
        if self.update.start:
            self.update.start(self.arena)
        self.memory = self.update.open(self.arena.ints, self.arena.real, self.arena.layout.table, 0)
        self.theta, self.dtype = np.zeros((n, q), dtype), dtype

    def __call__(self, rate, *said, first=None):
        """rate, grad; or rate, output, error, H. By default a row begins with output 0."""
        if len(said) > 1:
            said = (said[0], said[0] == 0 if first is None else first, *said[1:])
        slope = np.ascontiguousarray(said[-1], self.dtype)
        self.update.apply(rate, *said[:-1], slope, self.memory, self.theta)


# ---------------------------------------------------------------- second writings


def sgd(rate, grads):
    return -rate * grads.sum(0)


def momentum(rate, grads, beta=0.9):
    T = len(grads)
    return -rate * sum(grads[t] * (1 - beta ** (T - t)) / (1 - beta) for t in range(T))


def adagrad(rate, grads):
    return -rate * (grads / (np.sqrt(np.cumsum(grads**2, 0)) + 1e-8)).sum(0)


def weighted(values, beta):
    """The exponentially weighted mean of values[: t + 1], for every t."""
    means = []
    for t in range(len(values)):
        weights = beta ** np.arange(t, -1, -1)
        means.append(np.tensordot(weights, values[: t + 1], 1) / weights.sum())
    return np.array(means)


def rmsprop(rate, grads):
    return -rate * (grads / (np.sqrt(weighted(grads**2, 0.999)) + 1e-8)).sum(0)


def adam(rate, grads):
    return -rate * (weighted(grads, 0.9) / (np.sqrt(weighted(grads**2, 0.999)) + 1e-8)).sum(0)


def obgd(rate, errors, slopes, kappa=2.0):
    theta = np.zeros_like(slopes[0, 0])
    for error, H in zip(errors.ravel(), slopes.reshape(-1, *theta.shape), strict=True):
        bound = kappa * rate * max(abs(error), 1.0) * np.abs(H).sum()
        theta += rate / max(bound, 1.0) * error * H
    return theta


def intentional(rate, errors, slopes):
    v = np.sqrt(weighted(slopes**2, 0.999)) + 1e-8
    z = (slopes**2 / v).sum((2, 3))
    bound = 20 * np.sqrt(weighted(errors**2, 0.9998))
    step = rate * np.clip(errors, -bound, bound) / np.maximum(z, np.sqrt(weighted(z, 0.999) * z))
    return (step[:, :, None, None] * slopes / v).sum((0, 1))


def kalman(errors, slopes, groups, p0=0.1, drift=1e-6, noise=0.0):
    """Full covariances, groups as index arrays into the flat weights; errors are of the weights of a row's start."""
    T, C = errors.shape
    H = slopes.reshape(T, C, -1)
    theta, P, R = np.zeros(H.shape[2]), [p0 * np.eye(len(g)) for g in groups], np.ones(C)
    for t in range(T):
        before = theta.copy()
        for c in range(C):
            R[c] = 0.999 * R[c] + 0.001 * errors[t, c] ** 2
            h = [H[t, c, g] for g in groups]
            A = (noise or R[c]) + sum(a @ p @ a for a, p in zip(h, P, strict=True))
            innovation = errors[t, c] - H[t, c] @ (theta - before)
            for k, g in enumerate(groups):
                gain = P[k] @ h[k] / A
                theta[g] += gain * innovation
                P[k] = P[k] - np.outer(gain, gain) * A
                p = (t * C + c) % len(g)
                P[k][p, p] = max(P[k][p, p], min(p0, P[k][p, p] + drift * len(g) / C))
    return theta, P


# ---------------------------------------------------------------- each update


@pytest.mark.parametrize("name", FOLLOWS["gradient"])
def test_gradients_move_the_weights_as_in_numpy(name):
    grads = np.random.default_rng(0).normal(size=(50, 3, 5))
    driver = Driver(name, 3, 5)
    for grad in grads:
        driver(0.01, grad)
    np.testing.assert_allclose(driver.theta, globals()[name](0.01, grads), rtol=1e-12, atol=1e-12)


def innovations(T=50, n=3, q=4, outputs=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(T, outputs)), rng.normal(size=(T, outputs, n, q))


@pytest.mark.parametrize("name", ["obgd", "intentional"])
@pytest.mark.parametrize("rate", [0.1, 1.0])
def test_innovations_move_the_weights_as_in_numpy(name, rate):
    errors, slopes = innovations()
    errors[30] = 300.0
    driver = Driver(name, 3, 4, 2)
    for t in range(len(errors)):
        for c in range(2):
            driver(rate, c, errors[t, c], slopes[t, c])
    np.testing.assert_allclose(driver.theta, globals()[name](rate, errors, slopes), rtol=1e-12, atol=1e-12)


RATES = {"sgd": 0.1, "momentum": 0.02, "adagrad": 1.0, "rmsprop": 0.003, "adam": 0.003}


@pytest.mark.parametrize("name", FOLLOWS["gradient"])
def test_gradients_lead_to_the_bottom_of_a_bowl(name):
    curvature = np.array([[1.0, 3.0], [0.3, 1.0]])
    driver, bottom = Driver(name, 2, 2), np.array([[1.0, -2.0], [0.5, 0.0]])
    for _ in range(3000):
        driver(RATES[name], curvature * (driver.theta - bottom))
    assert np.abs(driver.theta - bottom).max() < 1e-2


@pytest.mark.parametrize("name", FOLLOWS["innovation"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_innovations_lead_to_the_weights_behind_the_targets(name, dtype):
    rng = np.random.default_rng(1)
    driver, truth = Driver(name, 3, 4, 2, dtype), rng.normal(size=(3, 4))
    for _ in range(3000):
        slopes, rows = rng.normal(size=(2, 3, 4)), driver.theta.astype(float)
        for c in range(2):
            driver(0.3, c, float((slopes[c] * (truth - rows)).sum()), slopes[c])
    assert np.abs(driver.theta - truth).max() < 1e-2


@pytest.mark.parametrize("rate", [0.01, 1.0, 1e6])
def test_obgd_does_not_overshoot_a_linear_output(rate):
    rng = np.random.default_rng(2)
    for _ in range(100):
        H, error = rng.uniform(-2, 2, size=(3, 4)) * 10.0 ** rng.uniform(-3, 0), 10.0 ** rng.uniform(-3, 3)
        driver = Driver("obgd", 3, 4)
        driver(rate, 0, error, H)
        assert 0 < (driver.theta * H).sum() < error


def test_intentional_takes_the_intended_part_of_the_error_and_never_more():
    rng = np.random.default_rng(3)
    driver = Driver("intentional", 3, 4)
    for t in range(500):
        H, before = rng.normal(size=(3, 4)) * 10.0 ** rng.uniform(-3, 1), driver.theta.copy()
        driver(0.2, 0, 1.0, H)
        part = ((driver.theta - before) * H).sum()
        assert 0 < part <= 0.2 * (1 + 1e-12)
        if t == 0:
            assert part == pytest.approx(0.2)


def test_intentional_answers_a_vanishing_slope_with_a_bounded_step():
    driver = Driver("intentional", 1, 1)
    for _ in range(100):
        driver(0.2, 0, 1.0, np.ones((1, 1)))
    before = driver.theta.copy()
    driver(0.2, 0, 1.0, np.full((1, 1), 1e-6))
    assert abs(driver.theta - before) < 0.3


# ---------------------------------------------------------------- Kalman filters


def filtered(errors, slopes, **options):
    driver = Driver("dekf", *slopes.shape[2:], slopes.shape[1], **options)
    for t in range(len(errors)):
        for c in range(slopes.shape[1]):
            driver(0.0, c, errors[t, c], slopes[t, c])
    return driver


def covariance(driver):
    U, d = driver.arena["update.U"].astype(float), driver.arena["update.d"].astype(float)
    upper = np.triu(np.swapaxes(U, 1, 2), 1) + np.eye(d.shape[1])
    return upper * d[:, None] @ np.swapaxes(upper, 1, 2)


@pytest.mark.parametrize("group", [0, 1])
@pytest.mark.parametrize("options", [{}, {"drift": 0.001}, {"drift": 0.0, "noise": 0.3, "p0": 2.0}])
def test_dekf_is_the_filter_with_full_covariances(group, options):
    errors, slopes = innovations(T=100)
    driver = filtered(errors, slopes, group=group, **options)
    units = [np.arange(12)] if group else [np.arange(4) + 4 * i for i in range(3)]
    theta, P = kalman(errors, slopes, units, **options)
    np.testing.assert_allclose(driver.theta.ravel(), theta, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(covariance(driver), P, rtol=1e-10, atol=1e-12)


def test_without_drift_one_group_is_ridge_regression():
    rng = np.random.default_rng(4)
    features, targets = rng.normal(size=(300, 3, 5)), rng.normal(size=300)
    driver = Driver("dekf", 3, 5, group=1, drift=0.0, noise=0.7, p0=0.2)
    for f, target in zip(features, targets, strict=True):
        driver(0.0, 0, target - float((driver.theta * f).sum()), f)
    expected = ridge(features.reshape(300, 15), targets, 0.7 / 0.2)
    assert driver.theta.ravel() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_one_group_filters_all_outputs_at_once():
    errors, slopes = innovations(T=60, outputs=3, seed=5)
    driver = filtered(errors, slopes, group=1, drift=0.0, noise=0.4)
    theta, P = np.zeros(12), 0.1 * np.eye(12)
    for error, H in zip(errors, slopes.reshape(60, 3, 12), strict=True):
        gain = np.linalg.solve(0.4 * np.eye(3) + H @ P @ H.T, H @ P).T
        theta += gain @ error
        P -= gain @ H @ P
    np.testing.assert_allclose(driver.theta.ravel(), theta, rtol=1e-10, atol=1e-12)


def test_a_row_may_lack_outputs():
    errors, slopes = innovations(T=60, outputs=2, seed=6)
    driver, alone = Driver("dekf", 3, 4, 2, noise=0.4), Driver("dekf", 3, 4, 1, noise=0.4, drift=0.5e-6)
    for error, H in zip(errors[:, 1], slopes[:, 1], strict=True):
        driver(0.0, 1, error, H, first=True)
        alone(0.0, 0, error, H)
    np.testing.assert_allclose(driver.theta, alone.theta, rtol=1e-12)


def test_outputs_that_report_in_turn():
    """Rows with one output, the other, both: one filter of all that has come."""
    errors, slopes = innovations(T=50, outputs=2, seed=8)
    driver = Driver("dekf", 3, 4, 2, group=1, drift=0.0, noise=0.4)
    theta, P = np.zeros(12), 0.1 * np.eye(12)
    for t, (error, H) in enumerate(zip(errors, slopes.reshape(50, 2, 12), strict=True)):
        which = [[0], [1], [0, 1], [1], [0]][t % 5]
        for c in which:
            driver(0.0, c, error[c], slopes[t, c], first=c == which[0])
        gain = np.linalg.solve(0.4 * np.eye(len(which)) + H[which] @ P @ H[which].T, H[which] @ P).T
        theta += gain @ error[which]
        P -= gain @ H[which] @ P
    np.testing.assert_allclose(driver.theta.ravel(), theta, rtol=1e-10, atol=1e-12)


def test_dekf_of_a_curved_function_is_the_extended_kalman_filter():
    rng = np.random.default_rng(7)
    xs = rng.normal(size=(200, 4))
    targets = np.tanh(xs @ rng.normal(size=4)) + np.tanh(xs @ rng.normal(size=4)) + 0.1 * rng.normal(size=200)

    def function(theta, x):
        y = np.tanh(theta @ x)
        return y.sum(), (1 - y**2)[:, None] * x

    first = rng.normal(size=(2, 4))
    driver = Driver("dekf", 2, 4, group=1, p0=0.5, drift=0.0, noise=0.01)
    driver.theta[:] = first
    theta, P = first.copy(), 0.5 * np.eye(8)
    for x, target in zip(xs, targets, strict=True):
        y, H = function(driver.theta, x)
        driver(0.0, 0, target - y, H)
        y, H = function(theta, x)
        h = H.ravel()
        gain = P @ h / (0.01 + h @ P @ h)
        theta += (gain * (target - y)).reshape(2, 4)
        P = (np.eye(8) - np.outer(gain, h)) @ P
    np.testing.assert_allclose(driver.theta, theta, rtol=1e-10, atol=1e-10)
    assert np.mean([(function(theta, x)[0] - t) ** 2 for x, t in zip(xs, targets, strict=True)]) < 0.03


def test_a_lone_unit_is_the_global_filter():
    errors, slopes = innovations(n=1, q=6)
    alone, whole = filtered(errors, slopes), filtered(errors, slopes, group=1)
    assert alone.theta.tobytes() == whole.theta.tobytes()


def apply(rate, output, first, error, H, memory, theta):
    raise TypeError("unbound")


def again(steps, error, H, memory, theta):
    for _ in range(steps):
        apply(0.0, 0, True, error, H, memory, theta)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("group", [0, 1])
@pytest.mark.parametrize("error", [0.0, 1.0])
def test_a_million_constant_steps_leave_the_covariance_positive(dtype, group, error):
    driver = Driver("dekf", 2, 4, dtype=dtype, group=group, drift=1e-4)
    many = bind(again, "dekf_test", apply=driver.update.apply)
    H = np.array([[1.0, 1.0, 1e-6, 0.0], [300.0, 1.0, -2.0, 1e-12]], dtype)
    many(1_000_000, error, H, driver.memory, driver.theta)
    assert np.isfinite(driver.arena.real).all()
    assert (driver.arena["update.d"] > 0).all()
    P = covariance(driver)
    assert np.linalg.eigvalsh(P).min() > 0
    assert np.diagonal(P, 0, 1, 2).max() <= 0.1 * (1 + 1e-6)


@pytest.mark.parametrize("name", list(updates.OWN))
def test_single_precision_stays_near_double(name):
    errors, slopes = innovations(T=300)
    drivers = [Driver(name, 3, 4, 2, dtype) for dtype in ("float64", "float32")]
    for driver in drivers:
        for t in range(len(errors)):
            for c in range(2):
                driver(0.05, *(() if driver.update.follows == "gradient" else (c, errors[t, c])), slopes[t, c])
    np.testing.assert_allclose(drivers[1].theta, drivers[0].theta, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("error", "slope"), [(1.0, np.nan), (1.0, np.inf), (1.0, 1e30), (np.nan, 1.0), (np.inf, 1.0)])
def test_dekf_learns_nothing_from_an_influence_that_has_blown_up(dtype, error, slope):
    driver = Driver("dekf", 2, 3, dtype=dtype)
    driver(0.0, 0, 1.0, np.ones((2, 3)))
    before = driver.theta.copy()
    with np.errstate(all="ignore"):  # uncompiled kernels warn
        driver(0.0, 0, error, np.full((2, 3), slope))
    assert driver.theta.tobytes() == before.tobytes()
    driver(0.0, 0, 1.0, np.ones((2, 3)))
    assert np.isfinite(driver.theta).all()
    assert (driver.theta != before).all()


def test_options_are_checked_by_name_and_range():
    assert dict(updates.get("dekf", {"p0": 1.0}).chosen)["p0"] == 1.0
    with pytest.raises(ModelError, match="group"):
        updates.get("dekf", {"group": 2})
    with pytest.raises(ModelError, match="kappa"):
        updates.get("obgd", {"kapa": 3.0})
