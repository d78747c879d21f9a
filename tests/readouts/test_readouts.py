"""Readouts against a second writing of each in NumPy, and on Sutton's tracking problem against least mean squares."""

from __future__ import annotations

import numpy as np
import pytest

from streamrnn import readouts
from streamrnn._bind import bind
from streamrnn.state import Arena, Layout
from streamrnn.testing.oracles import ridge


class Driver:
    """A readout with its memory; H horizons of C channels over F features."""

    def __init__(self, name, F, H=1, C=1, dtype="float64", prior=None, **options):
        self.readout, self.slots = readouts.get(name, options), H + 1
        self.arena = Arena(Layout(self.readout.fields(F, H, C, self.slots), dtype))
        self.readout.start(self.arena, np.full(F, 0.1) if prior is None else prior)
        self.memory = self.readout.open(self.arena.ints, self.arena.real, self.arena.layout.table, 0)
        self.W = np.zeros((H, C, F), dtype)

    def follow(self, features, targets, keep=1.0):
        """Rows in order; head (h, c) learns targets[t + h + 1, c] from features[t] when it has come."""
        many = bind(rows, self.readout.name, prepare=self.readout.prepare, correct=self.readout.correct)
        dtype, errors = self.W.dtype, np.zeros((len(features), *self.W.shape[:2]))
        many(features.astype(dtype), targets, keep, self.slots, self.memory, self.W, errors)
        return errors


def prepare(slot, f, keep, memory):
    raise TypeError("unbound")


def correct(slot, h, c, error, f, memory, w):
    raise TypeError("unbound")


def rows(features, targets, keep, slots, memory, W, errors):
    for t in range(features.shape[0]):
        for h in range(W.shape[0]):
            at = t - h - 1
            if at >= 0:
                f = features[at]
                for c in range(W.shape[1]):
                    error = targets[t, c]
                    for i in range(f.shape[0]):
                        error -= W[h, c, i] * f[i]
                    errors[t, h, c] = error
                    correct(at % slots, h, c, error, f, memory, W[h, c])
        prepare(t % slots, features[t], keep, memory)


def idbd(features, targets, prior, meta=0.01, initial=0.1):
    w, trace, alpha = np.zeros(len(prior)), np.zeros(len(prior)), initial * prior / prior.sum()
    for f, target in zip(features, targets, strict=True):
        error = target - w @ f
        alpha = np.clip(alpha * np.exp(np.clip(meta * error * f * trace, -2, 2)), 1e-6, 1.0)
        step = alpha / max(1.0, alpha @ f**2)
        w = w + step * error * f
        trace = trace * np.maximum(0, 1 - step * f**2) + step * error * f
    return w, alpha


def autostep(features, targets, prior, meta=0.01, tau=1e4, initial=0.1):
    w, trace, v, alpha = np.zeros((4, len(prior)))
    alpha += initial * prior / prior.sum()
    for f, target in zip(features, targets, strict=True):
        error = target - w @ f
        g = error * f * trace
        v = np.maximum(abs(g), v + alpha * f**2 * (abs(g) - v) / tau)
        alpha = np.maximum(alpha * np.exp(meta * np.divide(g, v, out=np.zeros_like(g), where=v > 0)), 1e-6)
        alpha = alpha / max(1.0, alpha @ f**2)
        w = w + alpha * error * f
        trace = trace * (1 - alpha * f**2) + alpha * error * f
    return w, alpha


def rls(features, targets, prior):
    scale = np.sqrt(prior)
    return scale * ridge(features * scale, targets, 1.0), None


@pytest.mark.parametrize("name", list(readouts.OWN))
def test_heads_learn_as_in_numpy_each_from_its_own_row(name):
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(50, 6)), rng.normal(size=(50, 2))
    features[20] *= 30.0
    driver = Driver(name, 6, 3, 2, prior=np.linspace(0.02, 0.2, 6))
    driver.follow(features, targets)
    for h in range(3):
        for c in range(2):
            w, alpha = globals()[name](features[: -h - 1], targets[h + 1 :, c], np.linspace(0.02, 0.2, 6))
            np.testing.assert_allclose(driver.W[h, c], w, rtol=1e-10, atol=1e-10)
            if alpha is not None:
                np.testing.assert_allclose(driver.arena["readout.alpha"][h, c], alpha, rtol=1e-12)


def switching(rows=30_000, seed=0):
    """Sutton 1992, §4: twenty inputs, five of them relevant; the sign of one weight of these is turned every 20 rows.
    The target of a row is that of the features before, as readouts see it."""
    rng = np.random.default_rng(seed)
    features, targets = rng.normal(size=(rows, 20)), np.zeros((rows, 1))
    w = np.concatenate([np.ones(5), np.zeros(15)])
    for t in range(1, rows):
        if t % 20 == 0:
            w[rng.integers(5)] *= -1.0
        targets[t, 0] = w @ features[t - 1]
    return features, targets


def least_mean_squares(features, targets, rate):
    w, total = np.zeros(features.shape[1]), 0.0
    for t in range(1, len(features)):
        f = features[t - 1]
        error = targets[t, 0] - w @ f
        w += rate * error * f
        total += error**2 if t >= len(features) * 2 // 3 else 0.0
    return total / (len(features) // 3)


@pytest.mark.parametrize("name", ["idbd", "autostep"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_step_sizes_find_out_which_features_matter(name, dtype):
    features, targets = switching()
    driver = Driver(name, 20, dtype=dtype)
    errors = driver.follow(features, targets)[20_000:, 0, 0]
    alpha = driver.arena["readout.alpha"][0, 0]
    assert alpha[5:].max() < 0.2 * alpha[:5].min()
    best = min(least_mean_squares(features, targets, rate) for rate in (0.01, 0.02, 0.03, 0.04, 0.05, 0.07))
    assert np.mean(errors**2) < 0.7 * best


@pytest.mark.parametrize("name", ["idbd", "autostep"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_long_runs_stay_finite_whatever_the_size_of_the_features(name, dtype, scale):
    rng = np.random.default_rng(1)
    features, targets = scale * rng.normal(size=(300_000, 4)), rng.normal(size=(300_000, 1))
    features[:, 1], features[:, 2] = scale, features[:, 0]
    driver = Driver(name, 4, dtype=dtype)
    driver.follow(features, targets)
    assert np.isfinite(driver.W).all()
    assert np.isfinite(driver.arena.real).all()
    assert (driver.arena["readout.alpha"] > 0).all()


@pytest.mark.parametrize("name", ["idbd", "autostep"])
def test_no_step_goes_past_its_target(name):
    rng = np.random.default_rng(2)
    driver = Driver(name, 8, initial=1.0)
    for _ in range(2000):
        f, w = rng.normal(size=8) * 10.0 ** rng.uniform(-1, 2), driver.W[0, 0]
        error = rng.normal() - w @ f
        before = w.copy()
        driver.readout.correct(0, 0, 0, error, f, driver.memory, w)
        assert -1e-12 <= (w - before) @ f / error <= 1 + 1e-9
