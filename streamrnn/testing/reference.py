"""The forecaster a second time: the whole way of a sample in plain NumPy, to hold the compiled loop against.

Written from the description (docs/architecture.md), not from the kernels: full influence instead of folded blocks, the
covariance as a matrix instead of its factors, the past as a list of records instead of rings. Elman cell, exact RTRL,
RMSprop, float64. What begins only after hundreds of rows or on wild values (the look over the start, the cap of the
covariance, the guards) is left out.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import numpy as np

from streamrnn._types import Array, Bools, Floats
from streamrnn.tasks.recipe import Recipe

HALF_LIFE = 1386.0
RATE = 1e-3


@dataclass
class Record:
    """What was said after one row."""

    base: Floats
    scale: Floats
    valid: Bools
    features: Floats
    gain: Floats
    net: Floats
    forecast: Floats
    half: Floats


class ReferenceForecaster:
    """The model of `recipe` for c channels, with the given initial weights (n, 3 c + … as ELMAN lays them out)."""

    def __init__(self, c: int, recipe: Recipe, theta: Floats, variance: Floats) -> None:
        n, h = recipe.units, recipe.horizon
        self.c, self.n, self.h, self.lags, self.rate = c, n, h, recipe.lags, recipe.learning_rate or RATE
        self.miss_rate = 1.0 - recipe.level
        self.theta, self.v, self.updates = theta.copy(), np.zeros_like(theta), 0
        self.s, self.influence = np.zeros(n), np.zeros((n, *theta.shape))
        self.covariance = np.diag(variance)
        self.weights = np.zeros((h, c, len(variance)))
        self.past: list[Record] = []
        self.time = self.interval = 0.0
        self.seen, self.stale = np.zeros(c, int), np.zeros(c, int)
        self.mean, self.variance, self.change = np.zeros(c), np.zeros(c), np.zeros(c)
        self.short, self.last, self.known = np.zeros(c), np.zeros(c), np.zeros(c)
        self.changes: list[Floats] = []
        self.sigma, self.mixerror, self.judged = np.zeros((h, c)), np.zeros((h, c)), np.zeros((h, c))
        self.error = np.ones((h, c))
        normal = statistics.NormalDist().inv_cdf(0.5 + 0.5 * recipe.level)
        self.quantile = np.full((h, c), normal / np.sqrt(2.0 / np.pi))
        self.regret, self.squares = np.zeros((h, c, 2)), np.zeros((h, c, 2))
        self.regret[..., 0] = self.squares[..., 0] = 1.0

    def step(self, time: float, x: Floats) -> tuple[Floats, Floats]:
        """Learn from x (c,) at `time` seconds; the forecasts and half-widths (h, c) issued after it."""
        rows, here = len(self.past), np.isfinite(x)
        elapsed, self.time = time - self.time, time
        if rows == 1:
            self.interval = elapsed
        elif rows > 1:
            self.interval += max(1 / 256, 1 / rows) * (min(elapsed, 4 * self.interval) - self.interval)
        age = min(elapsed / self.interval, 2.0) if rows else 1.0
        keep, slow, quick = 2 ** (-age / HALF_LIFE), 1 - 2 ** (-2 * age / HALF_LIFE), 1 - 2 ** (-age / 4)
        self._judge(x, here, keep, slow)
        if rows and (here & self.past[-1].valid).any():
            self._move_cell(x, here)
        self._move_heads(x, here, slow)
        self._observe(x, here, slow, quick)
        return self._issue(keep, rows)

    def _targets(self, x: Floats, here: Bools) -> list[tuple[int, int, Record, float]]:
        return [(k, c, r, float((x[c] - r.base[c]) / r.scale[c])) for k, r in enumerate(self.past[::-1][: self.h])
                for c in range(self.c) if here[c] and r.valid[c]]  # fmt: skip

    def _judge(self, x: Floats, here: Bools, keep: float, slow: float) -> None:
        for k, c, r, _target in self._targets(x, here):
            bound, w = 30 * np.sqrt(k + 1), max(slow, 1 / (self.judged[k, c] + 1))
            raw = r.forecast[k, c] - x[c]
            missed = self.quantile[k, c] < 0 or abs(raw) > r.half[k, c]
            self.quantile[k, c] += 0.05 * (missed - self.miss_rate)
            e = raw / r.scale[c]
            self.sigma[k, c] += w * (min(abs(e), bound) - self.sigma[k, c])
            if self.judged[k, c] > 20:
                e = np.clip(e, -self.mixerror[k, c], self.mixerror[k, c])
            e = np.clip(e, -bound, bound)
            self.mixerror[k, c] += w * (abs(e) - self.mixerror[k, c])
            for i, expert in enumerate((r.base[c], r.net[k, c])):
                regret = e * np.clip((r.forecast[k, c] - expert) / r.scale[c], -bound, bound)
                self.regret[k, c, i] = keep * self.regret[k, c, i] + regret
                self.squares[k, c, i] = keep * self.squares[k, c, i] + regret**2
            self.judged[k, c] += 1

    def _move_cell(self, x: Floats, here: Bools) -> None:
        r, e = self.past[-1], np.zeros(self.n)
        for k, c, _r, target in self._targets(x, here):
            if k == 0:
                miss = np.clip(target, -30, 30) - self.weights[0, c] @ r.features
                limit = 3 * self.error[0, c]
                e -= self.weights[0, c, : self.n] * np.clip(miss, -limit, limit) / self.c
        grad = np.einsum("i,ijq->jq", e, self.influence)
        self.updates += 1
        self.v = 0.999 * self.v + 0.001 * grad**2
        self.theta -= self.rate * grad / (np.sqrt(self.v / (1 - 0.999**self.updates)) + 1e-8)

    def _move_heads(self, x: Floats, here: Bools, slow: float) -> None:
        for k, c, r, target in self._targets(x, here):
            bound = 30 * np.sqrt(k + 1)
            miss = np.clip(target, -bound, bound) - self.weights[k, c] @ r.features
            miss = np.clip(miss, -3 * self.error[k, c], 3 * self.error[k, c])
            self.weights[k, c] += r.gain * miss
            self.error[k, c] += max(slow, 1 / (self.judged[k, c] + 1)) * (abs(miss) - self.error[k, c])

    def _observe(self, x: Floats, here: Bools, slow: float, quick: float) -> None:
        changes = np.zeros(self.c)
        for c in range(self.c):
            if not here[c] and not self.seen[c]:
                continue
            value = x[c] if here[c] else self.past[-1].forecast[0, c]
            if not self.seen[c]:
                self.known[c] = self.last[c] = self.short[c] = self.mean[c] = value
            changes[c] = value - self.last[c]
            if here[c]:
                young, n = self.seen[c] < 8, self.seen[c]
                if n:
                    d = abs(value - self.known[c]) / np.sqrt(1 + self.stale[c])
                    if not young and self.change[c] > 0:
                        d = min(d, 30 * np.sqrt(self.change[c]))
                    self.change[c] += max(slow, 1 / n) * (d * d - self.change[c])
                w, d = max(slow, 1 / (n + 1)), value - self.mean[c]
                if not young:
                    limit = 30 * max(np.sqrt(self.variance[c]), np.sqrt(self.change[c]))
                    d = np.clip(d, -limit, limit)
                self.mean[c] += w * d
                self.variance[c] = (1 - w) * (self.variance[c] + w * d * d)
                self.seen[c] += 1
                self.known[c] = value
            self.short[c] += quick * (value - self.short[c])
            self.last[c] = value
            self.stale[c] = 0 if here[c] else self.stale[c] + 1
        self.changes.append(changes)

    def _issue(self, keep: float, rows: int) -> tuple[Floats, Floats]:
        scale = np.where(self.change > 0, np.sqrt(self.change) + 1e-3 * np.sqrt(self.variance), 0.0)
        per_scale = np.divide(1.0, scale, out=np.zeros(self.c), where=scale > 0)
        spread = np.sqrt(self.variance)
        level = np.clip(np.divide(self.last - self.mean, spread, out=np.zeros(self.c), where=spread > 0), -5, 5)
        recent = [self.changes[rows - i] if i <= rows else np.zeros(self.c) for i in range(self.lags)]
        taps: Array = np.clip(np.array(recent) * per_scale, -5, 5)
        z = np.concatenate([self.s, level, np.clip(self.changes[-1] * per_scale, -5, 5), [1.0]])
        self.s = np.tanh(self.theta @ z)
        slope = 1 - self.s**2
        self.influence = np.einsum("i,ik,kjq->ijq", slope, self.theta[:, : self.n], self.influence)
        for i in range(self.n):
            self.influence[i, i] += slope[i] * z
        offset = np.clip((self.short - self.last) * per_scale, -5, 5)
        f = np.concatenate([self.s, taps.ravel(), level, offset, [1.0]])
        some = bool(((self.seen > 0) & (self.stale == 0)).any())
        gain = np.zeros_like(f)
        if some:
            pf = self.covariance @ f
            gain = pf / (keep + f @ pf)
            self.covariance = (self.covariance - np.outer(gain, pf)) / keep
        bound = 30 * np.sqrt(np.arange(1, self.h + 1))[:, None]
        change = np.clip(self.weights @ f, -bound, bound)
        weight = np.maximum(self.regret, 0) / (self.squares + 1e-12)
        total = weight.sum(2)
        share = np.divide(weight[..., 1], total, out=np.zeros_like(total), where=total > 0)
        if rows < 2 * self.lags:
            share[:] = 0.0
        forecast = self.last + share * change * scale
        half = np.maximum(self.quantile, 0) * self.sigma * scale
        self.past.append(
            Record(self.last.copy(), scale, (scale > 0) & some, f, gain, self.last + change * scale, forecast, half)
        )
        return forecast, half
