"""The alarm budget is met: whatever the tail of the surprises, dependent or not, when it changes, and after faults. The
ladder agrees with a second writing of it."""

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
    WEEK,
    budget_bar,
    budget_learn,
    budget_quiet,
    budget_tail,
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


# ---------------------------------------------------------------- how fast the tail falls


@pytest.mark.parametrize(("kind", "least", "most"), [("calibrated", 0.9, 1.3), ("p to the power of 2", 1.8, 2.6)])
def test_the_tail_beyond_the_bar(kind, least, most):
    """Surprises fall e-fold in 1 nat, and in 2; of eight streams of 60 weeks."""
    tails = []
    for seed in range(8):
        ladder = np.zeros(LADDER)
        run(KINDS[kind](60 * 2016, np.random.default_rng(seed)), ladder=ladder)
        tails.append(budget_tail(ladder))
    assert least < np.mean(tails) < most


def test_the_tail_where_the_bar_is_below_the_base():
    """More alarms are borne than rows exceed the base."""
    ladder = np.zeros(LADDER)
    budget_bar(1e4, 300.0, ladder)
    assert budget_tail(ladder) == 1.0
