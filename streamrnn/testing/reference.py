"""The forecaster a second time: the whole way of a sample in plain NumPy, to hold the compiled loop against.

Written from the descriptions, not from the kernels: full influence instead of folded blocks, covariances as matrices
instead of their factors, the past as lists instead of rings and running sums. Elman cell, exact RTRL, RMSprop or the
decoupled extended Kalman filter, both tiers, with and without a clock, float64. Which seasons are in force, and how
much of a row is learned (the gate of a Detector), is given.

Left out are the bands, and what begins only after thousands of rows or on wild values: the look over the start, the
caps of the covariances, the ends of the rings, the guards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from streamrnn._types import Floats
from streamrnn.tasks.recipe import Recipe

HALF_LIFE = 1386.0
RATE = 1e-3
BOUND = 30.0
MEANS = (4.0, 16.0, 64.0, 256.0, 1024.0)
BLOCKS, RELATIVES, HEARD, HARMONICS, RECENT = 20, 8, 3, 8, 2
HOURS, WEEK = 8, 42
SEASONAL = 8 + 2 * HARMONICS * (1 + RECENT + 3)


def clip(a: Floats | float, bound: Floats | float) -> Floats:
    """a, brought into ±bound."""
    return np.clip(np.asarray(a, np.float64), -np.asarray(bound), bound)


@dataclass
class Linear:
    """Direct heads by recursive least squares; P as a matrix."""

    heads: Floats
    """(H, F)"""
    P: Floats
    """(F, F)"""

    @classmethod
    def new(cls, horizon: int, variance: Floats) -> Linear:
        """All heads 0, features as uncertain as `variance` says."""
        return cls(np.zeros((horizon, len(variance))), np.diag(variance))

    def gain(self, f: Floats, keep: float) -> Floats:
        """Gain of features f; P takes them in."""
        pf = self.P @ f
        gain: Floats = pf / (keep + f @ pf)
        self.P = (self.P - np.outer(gain, pf)) / keep
        return gain

    def drop(self, i: int) -> None:
        """The weight of feature i is known to be 0, and was all along."""
        if self.P[i, i] > 0:
            K = self.P[:, i] / self.P[i, i]
            self.heads -= np.outer(self.heads[:, i], K)
            self.P -= np.outer(K, self.P[i])
        self.forget(slice(i, i + 1), 0.0)

    def forget(self, which: slice, variance: float) -> None:
        """Of some features nothing is known any more; of the others all that was known without them."""
        self.heads[:, which] = 0.0
        self.P[which] = self.P[:, which] = 0.0
        np.fill_diagonal(self.P[which, which], variance)


@dataclass
class Asked:
    """What one row asked of one channel: features and gains of each expert, and what each expert said."""

    base: float
    scale: float
    valid: bool
    features: dict[str, Floats]
    gains: dict[str, Floats]
    said: dict[str, Floats]
    mix: Floats = field(default_factory=lambda: np.zeros(0))


class Filter:
    """The decoupled extended Kalman filter, a group a unit: P_g as matrices (n, q, q)."""

    P0, DRIFT, SHARE, LEAST = 0.1, 1e-6, 0.001, 1e-6

    def __init__(self, theta: Floats) -> None:
        n, q = theta.shape
        self.P, self.noise, self.steps = np.tile(self.P0 * np.eye(q), (n, 1, 1)), 1.0, 0

    def move(self, theta: Floats, slope: Floats, error: float) -> None:
        """theta (n, q) by the error of an output whose slope is H (n, q)."""
        self.noise += self.SHARE * (error**2 - self.noise)
        ph = np.einsum("gpq,gq->gp", self.P, slope)
        A = max(self.noise, self.LEAST) + np.sum(ph * slope)
        theta += ph * error / A
        self.P -= np.einsum("gp,gq->gpq", ph, ph) / A
        q = theta.shape[1]
        turn = self.steps % q
        self.P[:, turn, turn] += np.maximum(np.minimum(self.DRIFT * q, self.P0 - self.P[:, turn, turn]), 0.0)
        self.steps += 1


class RmsProp:
    """Steps along the gradient, in units of its root mean square."""

    def __init__(self, theta: Floats, rate: float) -> None:
        self.v, self.steps, self.rate = np.zeros_like(theta), 0, rate

    def move(self, theta: Floats, slope: Floats, error: float) -> None:
        """theta (n, q) by the error of an output whose slope is (n, q)."""
        grad = -error * slope
        self.steps += 1
        self.v = 0.999 * self.v + 0.001 * grad**2
        theta -= self.rate * grad / (np.sqrt(self.v / (1 - 0.999**self.steps)) + 1e-8)


class Channel:
    """One channel: its level, its net, its experts, and their records."""

    def __init__(self, recipe: Recipe, channels: int, theta: Floats) -> None:
        n, lags, h, full = recipe.units, recipe.lags, recipe.horizon, recipe.tier == "full"
        heard = min(channels - 1, HEARD) if full else 0
        self.gates = 1 + (heard if channels <= HEARD + 1 else 0)
        self.theta, self.s, self.influence = theta.copy(), np.zeros(n), np.zeros((n, *theta.shape))
        assert recipe.update in ("rmsprop", "dekf")
        self.update: Filter | RmsProp = (
            Filter(theta) if recipe.update == "dekf" else RmsProp(theta, recipe.learning_rate or RATE)
        )
        older = 0.1 / np.arange(1, lags + 1)
        net = np.r_[np.full(n, 0.1), older, [0.1] * 3, 0.01, [1e-3] * (2 * heard), [0.01] * (n * self.gates)]
        ar = np.r_[older, 0.1]
        self.experts = {"ar": Linear.new(h, ar), "net": Linear.new(h, net)}
        if full:
            self.own = SEASONAL + (HOURS + WEEK if recipe.clock else 0) + BLOCKS + lags + len(MEANS) + n + 1
            few = channels - 1 <= RELATIVES
            others = np.full(4 * min(channels - 1, RELATIVES), 1.0 if few else 0.0)
            self.experts["wide"] = Linear.new(h, np.r_[np.ones(self.own), others])
        self.error, self.mixerror, self.judged, self.reach = np.ones(h), np.zeros(h), np.zeros(h), np.zeros(h)
        self.median = recipe.aim == "median"
        names = [*self.experts, "seasonal"] if full else list(self.experts)
        self.regret = {"stay": np.ones((2, h))} | {name: np.zeros((2, h)) for name in names}
        self.asked: list[Asked] = []
        self.kept: list[float] = []
        self.means = np.zeros(len(MEANS))
        self.seen = self.stale = 0
        self.first = self.mean = self.variance = self.change = self.short = self.last = self.known = self.missed = 0.0
        self.relatives: list[int | None] = []
        self.heard: list[int | None] = []
        self.unsaid: list[float] = []
        self.gained = np.zeros((min(channels - 1, RELATIVES) + 1, 6))

    @property
    def scale(self) -> float:
        """The unit of change."""
        return float(np.sqrt(self.change) + 1e-3 * np.sqrt(self.variance)) if self.change > 0 else 0.0

    @property
    def farthest(self) -> Floats:
        """(H,) how far from its base a forecast may be, scaled."""
        k = np.arange(1, len(self.reach) + 1)
        return np.where(self.judged > 20, (3 + 8 / k) * np.sqrt(self.reach), BOUND * np.sqrt(k))

    @property
    def level(self) -> float:
        """The last value, standardised."""
        spread = np.sqrt(self.variance)
        return float(clip((self.last - self.mean) / spread, 5)) if spread > 0 else 0.0

    @property
    def moved(self) -> float:
        """The last change, in its unit."""
        return float(clip(-self.ago(1) / self.scale, 5)) if self.scale > 0 else 0.0

    def ago(self, lag: int) -> float:
        """The value `lag` rows ago less the last; 0 where it is not known."""
        return self.kept[-1 - lag] - self.kept[-1] if 0 < lag < len(self.kept) else 0.0

    def mean_ago(self, nearest: int, farthest: int) -> float:
        """Mean of the values so many rows ago less the last; 0 where one is not known, or there are none."""
        if farthest < nearest or farthest + 1 >= len(self.kept):
            return 0.0
        return float(np.mean(self.kept[len(self.kept) - 1 - farthest : len(self.kept) - nearest])) - self.kept[-1]


class ReferenceForecaster:
    """The model of `recipe` for as many channels as there are initial weights (n, q), q as ELMAN lays them out."""

    def __init__(self, recipe: Recipe, thetas: list[Floats]) -> None:
        self.recipe, self.full = recipe, recipe.tier == "full"
        self.season, self.longer, self.turn = 0, 0, 0.0
        self.c = len(thetas)
        self.channels = [Channel(recipe, self.c, theta) for theta in thetas]
        self.time = self.interval = 0.0
        self.rows = 0
        self.gate = np.ones(self.c)
        heard = min(self.c - 1, HEARD) if self.full else 0
        for c, a in enumerate(self.channels):
            others = [d for d in range(self.c) if d != c]
            a.relatives = list(others) if len(others) <= RELATIVES else [None] * RELATIVES
            a.heard = a.relatives[:heard]
        self.hour, self.weekday, self.daily = 0.0, 0, False
        k = np.arange(1, recipe.horizon + 1)
        self.bounds = BOUND * np.sqrt(k)

    def step(
        self, time: float, x: Floats, seasons: tuple[int, int] = (0, 0), gate: Floats | None = None, boost: float = 0.0
    ) -> Floats:
        """Learn from x (C,) at `time` seconds; the forecasts (H, C) issued after it, NaN for a channel not seen yet.

        seasons  rows of the shortest and the longest season in force now, 0: none
        gate     (C,) share of the row that is learned: all of it, if None
        boost    least weight of level and scale
        """
        if self.recipe.clock:
            local = datetime.fromtimestamp(time, ZoneInfo(self.recipe.clock))
            self.hour = (local.hour + (local.minute + local.second / 60) / 60) / 24
            self.weekday = local.weekday()
        rows, here = self.rows, np.abs(np.nan_to_num(x, nan=np.inf)) <= 1e150
        present = [c for c in range(self.c) if here[c]]
        elapsed, self.time = time - self.time, time
        if rows == 1:
            self.interval = elapsed
        elif rows > 1:
            w = max(1 / 256, 1 / rows, 1 / 16 if elapsed * 16 < self.interval else 0)
            self.interval += w * (min(elapsed, 4 * self.interval) - self.interval)
        self.age = min(elapsed / self.interval, 2.0) if rows else 1.0
        self.keep, self.slow = 2 ** (-self.age / HALF_LIFE), 1 - 2 ** (-2 * self.age / HALF_LIFE)
        self.gate = np.ones(self.c) if gate is None else gate.copy()
        for c in present:
            self._judge(self.channels[c], x[c], self.gate[c])
        for c, a in enumerate(self.channels):
            self._look_back(a, x[c] if here[c] and self.gate[c] > 0 else None)
        for c in present:
            self._learn(self.channels[c], x[c], self.gate[c])
        for c in range(self.c):
            self._observe(self.channels[c], x[c] if here[c] else None, self.gate[c], boost)
        self._turn(*seasons)
        for c in range(self.c):
            self._say(c)
        self.rows += 1
        return np.array([a.asked[-1].mix if a.seen else np.full(self.recipe.horizon, np.nan) for a in self.channels]).T

    def _turn(self, season: int, longer: int) -> None:
        """Another season, if it is not the same one measured better by less than a 32nd, and the phase of this row."""
        if self.full and season != self.season:
            if not season or 32 * abs(season - self.season) > self.season:
                hours = HOURS if self.recipe.clock else 0
                self.daily = bool(hours) and 32 * abs(season * self.interval - 86400) < 86400
                for a in self.channels:
                    a.experts["wide"].forget(slice(0, SEASONAL + hours + BLOCKS), 1.0)
                    if self.daily:
                        a.experts["wide"].forget(slice(SEASONAL, SEASONAL + hours), 0.0)
                    for asked in a.asked[-self.recipe.horizon :]:
                        if asked.valid:
                            asked.gains["wide"][: SEASONAL + hours + BLOCKS] = 0.0
            self.season = season
        self.longer = longer
        self.turn = (self.turn + 1 / season) % 1 if season else 0.0
        if self.daily:
            self.turn = self.hour
        angle = 2 * np.pi * np.arange(1, HARMONICS + 1) * self.turn
        self.phase = np.column_stack([np.sin(angle), np.cos(angle)]).ravel() if season else np.zeros(2 * HARMONICS)

    def _look_back(self, a: Channel, x: float | None) -> None:
        """What a channel's own past has left unsaid of x, and what its relatives have brought, at three horizons."""
        if not self.full or self.c == 1:
            return
        heads, h, keep = a.experts["wide"].heads, self.recipe.horizon, 1 - 1 / 4096
        usable = x is not None and bool(a.asked) and a.asked[-1].valid
        unsaid = 0.0
        if usable:
            assert x is not None
            asked = a.asked[-1]
            target = float(clip((x - asked.base) / asked.scale, BOUND))
            unsaid = float(clip(target - heads[0, : a.own] @ asked.features["wide"][: a.own], BOUND))
            targets = {k: (r, target) for k, r, target in self._targets(a, x)}
            for j, k in enumerate((0, (h - 1) // 2, h - 1)):
                if k not in targets:
                    continue
                r, target = targets[k]
                f = r.features["wide"]
                e = target - float(heads[k] @ f)
                if self.rows > 4096:
                    e = float(clip(e, 3 * np.sqrt(a.gained[-1, j] / 4096)))
                parts = (heads[k] * f)[a.own :].reshape(-1, 4).sum(1)
                brought = np.r_[(e + parts) ** 2 - e**2, e**2]
                a.gained[:, j] = keep * a.gained[:, j] + brought
                a.gained[:-1, 3 + j] = keep * a.gained[:-1, 3 + j] + brought[:-1] ** 2
        a.unsaid.append(unsaid)

    def _targets(self, a: Channel, x: float) -> list[tuple[int, Asked, float]]:
        """(horizon, row that asked, what it should have said in its units) for all that are due."""
        due = enumerate(a.asked[::-1][: self.recipe.horizon])
        return [(k, r, float(clip((x - r.base) / r.scale, self.bounds[k]))) for k, r in due if r.valid]

    def _judge(self, a: Channel, x: float, gate: float) -> None:
        keep = 2 ** (-4 * self.age / HALF_LIFE)
        for k, r, _target in self._targets(a, x):
            if gate == 0.0:
                continue
            bound, w, known = self.bounds[k], max(self.slow, 1 / (a.judged[k] + 1)), a.judged[k] > 20
            e = float(clip((r.mix[k] - x) / r.scale, bound))
            far = float(clip((x - r.base) / r.scale, min(bound, a.farthest[k])))
            usual = a.mixerror[k]
            if a.median:
                a.mixerror[k] += w * (min(abs(e), 3 * usual if known else np.inf) - usual)
                e = float(clip(e, usual)) if known else e
            else:
                e = float(clip(e, 3 * np.sqrt(usual))) if known else e
                a.mixerror[k] += w * (e * e - usual)
            a.reach[k] += w * (far * far - a.reach[k])
            for name, record in a.regret.items():
                other = r.base if name == "stay" else r.said[name][k]
                apart = float(clip((r.mix[k] - other) / r.scale, bound))
                regret = e * apart - 0.01 * apart**2
                record[:, k] = keep * record[:, k] + (regret, regret**2)
            a.judged[k] += 1

    def _learn(self, a: Channel, x: float, share: float) -> None:
        targets, net = self._targets(a, x), a.experts["net"]
        n = len(a.s)
        if share > 0 and targets and targets[0][0] == 0:
            _, r, target = targets[0]
            miss = float(clip(target, BOUND)) - net.heads[0] @ r.features["net"]
            f, w = r.features["net"], net.heads[0]
            first = len(f) - n * a.gates
            levels = [f[n + self.recipe.lags], *f[n + self.recipe.lags + 4 : first : 2]][: a.gates]
            back = w[:n] + sum(level * w[first + g * n :][:n] for g, level in enumerate(levels))
            slope = np.einsum("i,ijq->jq", back, a.influence)
            a.update.move(a.theta, slope, share * float(clip(miss, 3 * a.error[0])))
        for k, r, target in targets:
            miss = target - float(net.heads[k] @ r.features["net"])
            if k == 0:
                a.missed = miss
            miss = float(clip(miss, 3 * a.error[k]))
            net.heads[k] += share * miss * r.gains["net"]
            a.error[k] += share * max(self.slow, 1 / (a.judged[k] + 1)) * (abs(miss) - a.error[k])
            for name in ("ar", "wide") if self.full else ("ar",):
                heads = a.experts[name].heads
                miss = target - float(heads[k] @ r.features[name])
                most = 8 * a.error[k] if name == "wide" else np.inf
                heads[k] += share * float(clip(miss, most)) * r.gains[name]

    def _observe(self, a: Channel, x: float | None, gate: float, boost: float) -> None:
        if x is None and not a.seen:
            a.kept.append(0.0)
            return
        v = a.asked[-1].mix[0] if x is None else x
        if not a.seen:
            a.first = a.known = a.last = a.short = a.mean = v
        if x is not None:
            young, t = a.seen < 8, a.seen
            if t:
                d = abs(v - a.known) / np.sqrt(1 + a.stale)
                if not young and a.change > 0:
                    d = min(d, BOUND * np.sqrt(a.change))
                a.change += gate * max(self.slow, boost, 1 / t) * (d * d - a.change)
            w, d = gate * max(self.slow, boost, 1 / (t + 1)), v - a.mean
            if not young:
                d = float(clip(d, BOUND * max(np.sqrt(a.variance), np.sqrt(a.change))))
            a.mean += w * d
            a.variance = (1 - w) * (a.variance + w * d * d)
            a.seen += 1
            a.known = v
        a.short += (1 - 2 ** (-self.age / 4)) * (v - a.short)
        a.last = v
        a.stale = 0 if x is not None else a.stale + 1
        kept, level = v - a.first, a.mean - a.first
        if a.seen > 8:
            kept = level + float(clip(kept - level, BOUND * max(np.sqrt(a.variance), np.sqrt(a.change))))
        a.means = a.means + (1 - 2 ** (-self.age / np.array(MEANS))) * (kept - a.means) if a.kept else a.means + kept
        a.kept.append(kept)

    def _say(self, c: int) -> None:
        a, h, lags, n = self.channels[c], self.recipe.horizon, self.recipe.lags, self.recipe.units
        scale = a.scale
        unit = 1 / scale if scale > 0 else 0.0
        if self.full and self.c > 1:
            self._choose(c)
        others = np.zeros((len(a.heard), 2))
        for i, d in enumerate(a.heard):
            if d is not None and self.channels[d].scale > 0:
                others[i] = self.channels[d].level, self.channels[d].moved
        before = np.array([a.ago(i + 1) for i in range(lags)])  # values less the last
        changes = -np.diff(before, prepend=0.0) * (np.arange(lags) < self.rows) * unit
        if n:
            own = (a.level, a.moved, abs(a.moved), float(clip(a.missed, 5)))
            z = np.r_[a.s, own, others.ravel(), self.phase[:2] if self.full else [], 1.0]
            a.s = np.tanh(a.theta @ z)
            slope = 1 - a.s**2
            a.influence = np.einsum("i,ik,kjq->ijq", slope, a.theta[:, :n], a.influence)
            for i in range(n):
                a.influence[i, i] += slope[i] * z
        features = {
            "net": np.r_[
                a.s,
                clip(changes, 5),
                a.level,
                clip((a.short - a.last) * unit, 5),
                1.0,
                abs(a.moved),
                others.ravel(),
                np.outer([a.level, *others[:, 0]][: a.gates], a.s).ravel(),
            ],
            "ar": np.r_[clip(changes, BOUND), 1.0],
        }
        if self.full:
            features["wide"] = self._wide(c, before)
        some = any(b.seen > 0 and b.stale == 0 for b in self.channels)
        valid = some and scale > 0 and a.seen > 0 and bool(self.gate[c] > 0)
        gains, said = {}, {}
        for name, f in features.items():
            if valid:
                keep = self.keep if name == "ar" else 2 ** (-self.age / (5 * HALF_LIFE))
                gains[name] = a.experts[name].gain(f, keep)
            said[name] = a.last + clip(a.experts[name].heads @ f, self.bounds) * scale
        if self.full:
            s = self.season
            said["seasonal"] = np.array([a.last + (a.ago(s * (k // s + 1) - 1 - k) if s else 0.0) for k in range(h)])
        said = {name: a.last + clip(values - a.last, a.farthest * scale) for name, values in said.items()}
        asked = Asked(a.last, scale, valid, features, gains, said)
        weights = {
            name: np.maximum(record[0] - (4 if name in ("ar", "seasonal") else 0) * np.sqrt(record[1]), 0)
            / (record[1] + 1e-12)
            for name, record in a.regret.items()
        }
        total = np.sum(list(weights.values()), axis=0)
        away: Floats = np.sum([weights[name] * (said[name] - a.last) for name in said], 0)
        names = list(a.regret)
        best = [names[i] for i in np.argmax([a.regret[name][0] for name in names], 0)]
        least = np.array([0.0 if name == "stay" else said[name][k] - a.last for k, name in enumerate(best)])
        mixed: Floats = np.where(total > 0, away / np.where(total > 0, total, 1.0), least)
        asked.mix = a.last + mixed * (self.rows >= 2 * lags)
        a.asked.append(asked)

    def _wide(self, c: int, before: Floats) -> Floats:
        """Features of the wide expert, in the order of tasks._wide; 0 for those of a season where there is none."""
        a, lags, season = self.channels[c], self.recipe.lags, self.season
        unit = 1 / a.scale if a.scale > 0 else 0.0
        span = season if season > lags + BLOCKS else lags + 4 * BLOCKS
        edges = [lags + i * (span - lags) // BLOCKS for i in range(BLOCKS + 1)]
        blocks = clip(np.array([a.mean_ago(edges[i] + 1, edges[i + 1]) for i in range(BLOCKS)]) * unit, BOUND)
        others = np.zeros((min(self.c - 1, RELATIVES), 4))
        for i, d in enumerate(a.relatives):
            if d is not None and self.channels[d].scale > 0:
                b = self.channels[d]
                others[i] = np.array([b.ago(1), b.ago(2), b.ago(season - 1), b.means[1] - b.kept[-1]]) / b.scale
        lagged, means = clip(before * unit, BOUND), clip((a.means - a.kept[-1]) * unit, BOUND)
        recent = np.zeros(RECENT + 3)
        recent[: min(lags, RECENT)] = lagged[:RECENT]
        if season:
            back = [season - 2, season - 1, season, season + 1]
            far = self.longer if self.longer > 2 * season else 7 * season
            back += [2 * season - 1, 2 * season, far - 1, far]
            taps = clip(np.array([a.ago(lag) for lag in back]) * unit, BOUND)
            recent[RECENT:] = taps[1], taps[2], means[2]
            seasonal = np.r_[taps, 0.3 * self.phase, np.outer(self.phase, recent).ravel()]
        else:
            seasonal = np.zeros(SEASONAL)
        hours, week = self._clock() if self.recipe.clock else (np.zeros(0), np.zeros(0))
        found: Floats = np.r_[
            seasonal, hours, blocks, week, lagged, means, a.s, 0.1, clip(others, BOUND).ravel()
        ]  # fmt: skip
        return found

    def _clock(self) -> tuple[Floats, Floats]:
        """Harmonics of the local hour, unless the season is the day; the weekday, alone and times three of them."""
        angle = 2 * np.pi * np.arange(1, 5) * self.hour
        hours = 0.3 * np.column_stack([np.sin(angle), np.cos(angle)]).ravel()
        angle = 2 * np.pi * np.arange(1, 4) * self.weekday / 7
        days = np.column_stack([np.sin(angle), np.cos(angle)]).ravel()
        return (np.zeros(8) if self.daily else hours), np.outer(days, np.r_[0.3, hours[:6]]).ravel()

    def _choose(self, c: int) -> None:
        """Let channels go that have brought nothing, and in that say something of what was left unsaid."""
        a, since, many = self.channels[c], self.rows - c, self.c - 1 > RELATIVES
        if not ((since >= 1024 and since % 1024 == 0) or (many and since == 512)):
            return
        worth = {d: self._worth(a, self.channels[d]) for d in range(self.c) if d != c and self.channels[d].scale > 0}
        h = self.recipe.horizon
        wide, before, heard = a.experts["wide"], list(a.relatives), list(a.heard)
        if self.rows >= 4096:
            for i, d in enumerate(a.relatives):
                ahead = np.array([0, (h - 1) // 2, h - 1]) + 1
                if d is not None and (a.gained[i, :3] <= -0.3 * np.sqrt(ahead * a.gained[i, 3:])).all():
                    a.relatives[i] = None
                    worth.pop(d, None)
        for d in sorted(worth, key=lambda d: -worth[d]):
            if worth[d] <= 20 or d in a.relatives:
                continue
            there = [worth.get(e, 0.0) if e is not None else -1.0 for e in a.relatives]
            if worth[d] < 2 * min(there):
                break
            a.relatives[there.index(min(there))] = d
        for i, d in enumerate(a.relatives):
            if d != before[i]:
                place = slice(a.own + 4 * i, a.own + 4 * i + 4)
                for feature in range(a.own + 4 * i, a.own + 4 * i + 4):
                    wide.drop(feature)
                wide.forget(place, 0.03 if d is not None else 0.0)
                for row in a.asked[-self.recipe.horizon :]:
                    row.features["wide"][place] = 0.0
                    if row.valid:
                        row.gains["wide"][place] = 0.0
                a.gained[i] = 0.0
        if many:
            for i, d in enumerate(a.heard):
                new = [e for e in a.relatives if e is not None and e not in a.heard]
                if (d is None or d not in a.relatives) and new:
                    a.heard[i] = max(new, key=lambda e: worth[e])
            first = len(a.s) + self.recipe.lags + 4
            for i, d in enumerate(a.heard):
                if d != heard[i]:
                    a.experts["net"].heads[:, first + 2 * i : first + 2 * i + 2] = 0.0

    def _worth(self, a: Channel, b: Channel) -> float:
        """Largest of the squared t-statistics of what b's features say of what was left unsaid of a, a row later."""
        past, n, season = np.array(b.kept), self.rows, self.season
        t = np.arange(max(n - 2047, 18, season + 1), n + 1)
        t = t[np.array(a.unsaid)[t] != 0]
        means = np.array([past[i - 16 : i].mean() for i in t])
        features = [past[t - 1] - past[t - 2], past[t - 2] - past[t - 3], means - past[t - 1]]
        if season:
            features.append(past[t - season] - past[t - 1])
        found = [0.0]
        for z in features:
            each = clip(z / b.scale, BOUND) * np.array(a.unsaid)[t]
            found.append(each.sum() ** 2 / (each @ each) if each.any() else 0.0)
        return float(max(found))
