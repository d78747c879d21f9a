"""The compiled loop against the same model written a second time in plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from streamrnn import Detector, Recipe
from streamrnn.tasks._layout import prior
from streamrnn.testing.reference import ReferenceForecaster

ROWS = 400


def series(channels, seed):
    rng = np.random.default_rng(seed)
    t = np.arange(ROWS)[:, None]
    x = np.sin(t / (5 + np.arange(channels))) + 0.3 * rng.normal(size=(ROWS, channels)) + 0.01 * t
    x[250:, 0] += 4.0
    x[rng.random(x.shape) < 0.08] = np.nan
    x[120:123] = np.nan
    time = np.cumsum(np.where(np.arange(ROWS) == 300, 7.5, 1.0))
    return np.round(time * 1e9).astype(np.int64), x


@pytest.mark.parametrize(
    ("channels", "choices"),
    [(1, {}), (2, {"horizon": 3}), (3, {"horizon": 5, "lags": 4, "units": 5, "learning_rate": 0.02, "level": 0.8})],
)
def test_forecasts_and_bands_are_those_of_the_reference(channels, choices):
    recipe = Recipe(seed=3, **choices)
    model = Detector(channels, recipe)
    reference = ReferenceForecaster(
        channels, recipe, model.arena["net.theta"].copy(), prior(channels, recipe.units, recipe.lags)
    )
    time, x = series(channels, seed=channels)
    rows = model.run(time, x)
    for i in range(ROWS):
        forecast, half = reference.step(time[i] / 1e9, x[i])
        seen = np.isfinite(rows.forecast[i])
        np.testing.assert_allclose(rows.forecast[i][seen], forecast[seen], rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose((rows.forecast_upper - rows.forecast)[i][seen], half[seen], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(model.arena["net.theta"], reference.theta, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(model.arena["weights"], reference.weights, rtol=1e-7, atol=1e-9)


def test_the_net_learns_what_a_linear_model_cannot():
    """The Hénon map: a frozen net of the same size, with the same readout, is left at least five times farther off."""
    x = np.zeros(12_000)
    x[1] = 0.1
    for i in range(2, len(x)):
        x[i] = 1.0 - 1.4 * x[i - 1] ** 2 + 0.3 * x[i - 2]
    time = (1 + np.arange(len(x))) * 10**9
    errors = []
    for learner in ("rtrl", "frozen"):
        rows = Detector(lags=2, seed=1, learner=learner).run(time, x[:, None])
        errors.append(np.mean((rows.expected[6000:, 0] - x[6000:]) ** 2))
    assert errors[0] < 0.2 * errors[1]
