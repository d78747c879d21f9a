"""The alarm budget is met: whatever the tail of the surprises, dependent or not, when it changes, and after faults. The
ladder agrees with a second writing of it; the level of a fleet keeps the share of false discoveries."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streamrnn._bind import kernel
from streamrnn.kernels.budget import (
    CORRECTION,
    DAY,
    LADDER,
    RUNGS,
    WEALTH,
    WEEK,
    budget_bar,
    budget_learn,
    budget_quiet,
    discovery_bar,
    discovery_learn,
)

# ---------------------------------------------------------------- a second writing


class Ladder:
    """The same ladder with lists and no shortcuts."""

    def __init__(self, alarms, interval, hold):
        self.interval, self.hold = interval, hold
        self.f = (0.02 / (alarms * interval / WEEK)) ** 0.25
        self.base, self.slope, self.purse = -math.log(0.02), 1.0, 20.0
        self.rows = self.over = self.lasted = 0.0
        self.c, self.due, self.open = [0.0] * 4, [0.0] * 4, [0.0] * 4

    def bars(self):
        return [self.base + sum(self.slope * math.log(self.f) + c for c in self.c[: j + 1]) for j in range(4)]

    def learn(self, nats, gap):
        if math.isnan(nats):
            return
        dt, bars, s = min(gap, 2.0 * self.interval), self.bars(), self.slope
        rates = [0.02 * dt / self.interval / self.f ** (j + 1) for j in range(4)]
        alarm = max(bars[3], 1.0)
        g = max(1.0 / (self.due[3] + 3.0), 0.3) * s
        self.due[3] += rates[3]
        self.c[3] -= g * rates[3] if bars[3] > 1.0 else 0.0
        begins = self.open[3] == 0.0 and nats >= alarm
        if self.open[3] > 0.0:
            self.lasted += dt
            quiet = self.base + s * max(math.log(3.0 * self.hold / self.interval / 50.0), 0.0)
            self.open[3] = self.hold if nats >= quiet else max(self.open[3] - dt, 0.0)
            if self.lasted < max(10.0 * self.hold, DAY):
                return
        elif begins:
            self.open[3], self.lasted = self.hold, 0.0
            self.c[3] += g
        base = self.base
        for j in range(3):
            bar = bars[j]
            if self.open[j] > 0.0:
                self.open[j] = self.hold if nats >= bar else max(self.open[j] - dt, 0.0)
            else:
                g = max(1.0 / (self.due[j] + 3.0), 0.15) * s
                self.due[j] += rates[j]
                self.c[j] += g * ((nats >= bar) - rates[j])
                self.open[j] = self.hold if nats >= bar else 0.0
        if begins:
            self.open[:3] = [0.0] * 3
        self.rows += 1
        g = s * max(1.0 / (0.02 * self.rows + 5.0), min(0.06, self.interval * 50.0 / DAY))
        self.purse = min(self.purse + 0.06, 20.0)
        self.base -= 0.02 * g
        if nats > base and self.purse >= 1.0:
            self.purse -= 1.0
            self.base += g
            if begins or self.open[3] == 0.0:
                self.over += 1
                w = max(1.0 / (self.over + 20.0), min(0.005, self.interval * 50.0 / WEEK))
                self.slope = max(s + w * (min(nats - base, 8.0 * s) - s), 0.2)


@pytest.mark.parametrize(("alarms", "interval"), [(1.0, 300.0), (10.0, 3600.0), (0.1, 1.0), (1e3, 60.0)])
def test_the_ladder_is_that_of_the_second_writing(alarms, interval):
    rng = np.random.default_rng(0)
    nats = rng.exponential(1.0, 6000)
    nats[2000:2600] += 20.0  # an event that outlasts the patience of hourly rows
    nats[rng.random(6000) < 0.03] = math.nan
    nats[4000:] *= 2.0
    gaps = interval * rng.choice([0.5, 1.0, 1.0, 7.0], 6000)
    hold = 20.0 * interval
    ladder, other = np.zeros(LADDER), Ladder(alarms, interval, hold)
    for x, gap in zip(nats, gaps, strict=True):
        assert budget_bar(alarms, interval, ladder) == pytest.approx(max(other.bars()[3], 1.0), rel=1e-9)
        budget_learn(x, gap, hold, ladder)
        other.learn(x, gap)
    np.testing.assert_allclose(ladder[CORRECTION : CORRECTION + RUNGS], other.c, rtol=1e-8, atol=1e-9)


# ---------------------------------------------------------------- the realised rate


@kernel
def alarms_of(nats, alarms, interval, hold, ladder, begun, bars):
    """Alarms as the event machine raises them: from the bar until `hold` seconds below quiet."""
    calm = -1.0
    for i in range(nats.shape[0]):
        bars[i] = budget_bar(alarms, interval, ladder)
        if calm < 0.0:
            if nats[i] >= bars[i]:
                begun[i], calm = 1.0, 0.0
        elif nats[i] >= budget_quiet(hold, ladder):
            calm = 0.0
        else:
            calm += interval
            if calm >= hold:
                calm = -1.0
        budget_learn(nats[i], interval, hold, ladder)


@kernel
def surprise_of_ar(noise, a, out):
    """-ln p of a stationary AR(1) against its own distribution."""
    z = noise[0]
    for i in range(noise.shape[0]):
        z = a * z + math.sqrt(1.0 - a * a) * noise[i]
        out[i] = -math.log(math.erfc(abs(z) / math.sqrt(2.0)))


def run(nats, alarms=1.0, interval=300.0, ladder=None):
    begun, bars = np.zeros(len(nats)), np.zeros(len(nats))
    ladder = np.zeros(LADDER) if ladder is None else ladder
    alarms_of(nats, alarms, interval, 20.0 * interval, ladder, begun, bars)
    return begun, bars


def ar(a, n, rng):
    out = np.zeros(n)
    surprise_of_ar(rng.normal(size=n), a, out)
    return out


KINDS = {
    "calibrated": lambda n, rng: rng.exponential(1.0, n),
    "p three times too small": lambda n, rng: rng.exponential(1.0, n) + math.log(3.0),
    "p three times too large": lambda n, rng: np.maximum(rng.exponential(1.0, n) - math.log(3.0), 0.0),
    "p to the power of 2": lambda n, rng: rng.exponential(2.0, n),
    "p to the power of .6": lambda n, rng: rng.exponential(0.6, n),
    "heavy tail of the surprise": lambda n, rng: (rng.random(n) ** -0.3 - 1.0) / 0.3,
    "sum of three, mostly 0": lambda n, rng: np.maximum(rng.exponential(1.0, (n, 3)) - 1.5, 0.0).sum(1),
    "AR(.9)": lambda n, rng: ar(0.9, n, rng),
    "AR(.99)": lambda n, rng: ar(0.99, n, rng),
}


@pytest.mark.parametrize("kind", KINDS)
def test_one_alarm_a_week_of_five_minute_rows(kind):
    """8 streams of 120 weeks: 960 alarms are due, so that chance alone is 3 %."""
    counts = np.zeros(3)
    for seed in range(8):
        begun, _ = run(KINDS[kind](120 * 2016, np.random.default_rng(seed)))
        counts += [begun[: 10 * 2016].sum(), begun[10 * 2016 : 50 * 2016].sum(), begun[50 * 2016 :].sum()]
    first, middle, last = counts / 8 / [10, 40, 70]
    assert 0.75 < first < (2.0 if kind == "heavy tail of the surprise" else 1.4)
    assert 0.8 < middle < 1.2
    assert 0.9 < last < 1.1


@pytest.mark.parametrize(
    ("alarms", "interval", "weeks"),
    [(10.0, 300.0, 20), (0.1, 300.0, 400), (1.0, 3600.0, 200), (3.0, 3600.0, 100), (1.0, 60.0, 50), (10.0, 1.0, 4)],
)
@pytest.mark.parametrize("kind", ["p three times too small", "AR(.9)"])
def test_other_budgets_and_intervals(kind, alarms, interval, weeks):
    n = int(weeks * WEEK / interval)
    seeds = 4
    total = sum(run(KINDS[kind](n, np.random.default_rng(s)), alarms, interval)[0].sum() for s in range(seeds))
    assert total == pytest.approx(seeds * weeks * alarms, rel=0.25)


@pytest.mark.parametrize(("alarms", "interval"), [(1.0, 300.0), (0.1, 1.0), (10.0, 3600.0), (5.0, 60.0)])
def test_the_first_bar_is_that_of_exact_p_values(alarms, interval):
    assert budget_bar(alarms, interval, np.zeros(LADDER)) == pytest.approx(-math.log(alarms * interval / WEEK))


def test_more_alarms_than_holds_cannot_be_had_and_nothing_runs_away():
    n = 100 * 168
    begun, bars = run(KINDS["calibrated"](n, np.random.default_rng(0)), 10.0, 3600.0)
    assert 4.0 < begun.sum() / 100 < 168 / 20
    assert bars.min() >= 1.0


CHANGES = {
    "level": lambda x, late: np.where(late < 60, 40.0, x),
    "variance": lambda x, late: x * (1.0 + 2.0 * np.exp(-late / 1500.0)),
    "season": lambda x, late: 1.3 * x + 1.5 * (np.sin(late / 288 * 2 * math.pi) > 0.5) * np.exp(-late / 6000.0),
    "calmer for good": lambda x, late: 0.6 * x,
    "wilder for good": lambda x, late: 1.5 * x + 0.5,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", ["calibrated", "AR(.9)"])
def test_the_rate_after_the_surprise_has_changed(kind, change):
    """What a scorer says after a shift of the stream: an event, then surprises that are off until it has adapted."""
    weeks, at, seeds = 40, 20 * 2016, 12
    after = np.zeros(2)
    for seed in range(seeds):
        x = KINDS[kind](weeks * 2016, np.random.default_rng(seed))
        late = np.arange(weeks * 2016) - at
        begun, _ = run(np.where(late >= 0, CHANGES[change](x, np.maximum(late, 0)), x))
        after += [begun[at:].sum(), begun[at + 4 * 2016 :].sum()]
    assert 0.75 < after[0] / seeds / 20 < 1.25
    assert 0.75 < after[1] / seeds / 16 < 1.25


@pytest.mark.parametrize("interval", [300.0, 10.0])
@pytest.mark.parametrize("lasting", [0.25, 2.0])
def test_a_true_anomaly_does_not_raise_the_bar_for_long(interval, lasting):
    """One of six hours or of two days, 30 nats above the noise; the bar is some 8 nats, or 11 at 10 s."""
    day = int(DAY / interval)
    n, at = (20 if interval > 100 else 4) * 7 * day, (10 if interval > 100 else 2) * 7 * day
    rises = []
    for seed in range(8):
        x = np.random.default_rng(seed).exponential(1.0, n)
        odd = x.copy()
        odd[at : at + int(lasting * day)] += 30.0
        _, usual = run(x, 1.0, interval)
        begun, bars = run(odd, 1.0, interval)
        assert begun[at - 40 : at + 1].sum() >= 1  # by chance one may be on already
        assert begun[at + 1 : at + int(lasting * day)].sum() == 0
        rises.append((bars - usual)[[at + day // 3, at + 7 * day]])
    soon, week = np.mean(rises, axis=0)
    assert 0.0 < soon < 1.5
    assert week < 0.8


def test_a_surprise_that_grows_for_hours_still_raises_an_alarm():
    """From 4 to 16 nats in three hours of 10-second rows: the bar must not run ahead of it."""
    for seed in range(8):
        x = np.random.default_rng(seed).exponential(1.0, 3 * 60480)
        x[2 * 60480 : 2 * 60480 + 1080] = np.linspace(4.0, 16.0, 1080)
        begun, _ = run(x, 1.0, 10.0)
        assert begun[2 * 60480 : 2 * 60480 + 1080].sum() >= 1


def test_a_copied_ladder_goes_on_to_the_bit():
    x = np.random.default_rng(0).exponential(1.0, 20_000)
    ladder = np.zeros(LADDER)
    for nats in x[:10_000]:
        budget_bar(1.0, 300.0, ladder)
        budget_learn(nats, 300.0, 6000.0, ladder)
    other = ladder.copy()
    for a in (ladder, other):
        for nats in x[10_000:]:
            budget_bar(1.0, 300.0, a)
            budget_learn(nats, 300.0, 6000.0, a)
    assert ladder.tobytes() == other.tobytes()


# ---------------------------------------------------------------- false discoveries across streams


def test_the_level_is_what_the_sums_say():
    """Level from the definition, with whole histories instead of running sums."""
    rng = np.random.default_rng(0)
    alpha, keep = 0.1, 0.98
    nats = rng.exponential(1.0, 800) + 12.0 * (rng.random(800) < 0.03)
    wealth = np.zeros(WEALTH)
    spent, found = [], []
    for x in nats:
        ages = keep ** np.arange(len(spent), 0, -1.0)
        left = alpha * max(np.dot(ages, found), 1.0) - np.dot(ages, spent)
        level = 0.5 * 3.0 * (1.0 - keep) * left
        assert discovery_bar(alpha, keep, wealth) == pytest.approx(-math.log(level), rel=1e-9)
        hit = discovery_learn(x, alpha, keep, wealth)
        assert hit == (math.exp(-x) <= level)
        if math.exp(-x) <= 0.5:
            spent.append(2.0 * level)
            found.append(float(hit))
        assert wealth[0] <= alpha * max(wealth[1], 1.0) * (1.0 + 1e-12)
    assert sum(found) > 15
    before = wealth.copy()
    assert not discovery_learn(math.nan, alpha, keep, wealth)
    np.testing.assert_array_equal(wealth, before)


@kernel
def trial(z, other, idle, alpha, keep, wealth, out):
    """A fleet's one-sided tests of z; `other`: not a null, `idle`: p is 1. Out: false discoveries, all of them,
    alternatives, and the mean over time of the remembered share of false ones."""
    false = found = 0.0
    for t in range(z.shape[0]):
        nats = 0.0 if idle[t] else -math.log(max(0.5 * math.erfc(z[t] / math.sqrt(2.0)), 1e-300))
        found *= keep
        false *= keep
        if discovery_learn(nats, alpha, keep, wealth):
            found += 1.0
            out[1] += 1.0
            if not other[t]:
                false += 1.0
                out[0] += 1.0
        out[2] += other[t]
        out[3] += false / max(found, 1.0) / z.shape[0]


def trials(seeds, n, shift, share, alpha=0.1, keep=0.999, idle=0.0):
    """Alternatives are N(shift, 1)."""
    out = np.zeros((seeds, 4))
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        other = rng.random(n) < share
        quiet = (rng.random(n) < idle) & ~other
        trial(rng.normal(size=n) + shift * other, other, quiet, alpha, keep, np.zeros(WEALTH), out[seed])
    return out


@pytest.mark.parametrize(("alpha", "shift", "power"), [(0.1, 4.0, 0.7), (0.1, 3.0, 0.2), (0.05, 4.0, 0.55)])
def test_share_of_false_discoveries_and_power(alpha, shift, power):
    out = trials(200, 100_000, shift, 0.01, alpha)
    share = out[:, 0] / np.maximum(out[:, 1], 1.0)
    assert share.mean() <= alpha + 3.0 * share.std() / math.sqrt(200)
    assert share.mean() > 0.3 * alpha  # what is allowed is used
    assert ((out[:, 1] - out[:, 0]) / out[:, 2]).mean() > power


def test_rows_without_surprise_cost_nothing():
    busy, idle = trials(30, 100_000, 3.0, 0.01), trials(30, 100_000, 3.0, 0.01, idle=0.5)
    share = idle[:, 0] / np.maximum(idle[:, 1], 1.0)
    assert share.mean() <= 0.1
    assert (idle[:, 1] - idle[:, 0]).sum() > 1.2 * (busy[:, 1] - busy[:, 0]).sum()


def test_where_nothing_is_to_be_found_little_is_and_the_level_lives():
    out = trials(60, 100_000, 4.0, 0.0)
    assert out[:, 3].mean() <= 0.1 + 3.0 * out[:, 3].std() / math.sqrt(60)
    wealth = np.zeros(WEALTH)
    for _ in range(20_000):
        discovery_learn(1.0, 0.1, 0.999, wealth)
    assert math.exp(-discovery_bar(0.1, 0.999, wealth)) == pytest.approx(0.5 * 0.1 * 0.001 * 3.0 / 4.0, rel=0.01)
