"""Conditions of the data: the kernel agrees with a plain second writing, raises in time, and does not cry wolf."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from streamrnn.kernels import conditions as kernel

SECOND = 10**9
RATE = 0


def new(channels):
    c = channels
    return {
        "clock": np.zeros(kernel.CLOCK, np.int64),
        "pace": np.zeros(kernel.PACE),
        "first": np.zeros(kernel.FIRST),
        "jumps": np.zeros((2 + c, kernel.JUMP)),
        "waits": np.zeros((2 * c, kernel.WAIT)),
        "last": np.zeros(c),
        "begun": np.zeros(1 + 2 * c, np.int64),
        "holds": np.zeros(1 + 2 * c, np.int64),
        "since": np.zeros(1 + 2 * c, np.int64),
        "told": np.zeros(1 + 2 * c, np.int64),
    }


def run(time, values, state=None, *, learn=True, muted=False, room=64):
    """Changes as (row, condition, holds, since), figures, and the state."""
    time = np.asarray(time, np.int64)
    values = np.asarray(values, float).reshape(len(time), -1)
    state = state or new(values.shape[1])
    changes, figures = np.zeros((room, kernel.CHANGE), np.int64), np.zeros((room, 2))
    found, at, told, said = np.zeros(1, np.int64), 0, [], []
    while at < len(time):
        at = kernel.conditions_run(at, time, values, learn, muted, *state.values(), changes, figures, found)
        told += [tuple(map(int, change)) for change in changes[: found[0]]]
        said += [tuple(map(float, pair)) for pair in figures[: found[0]]]
    return told, said, state


def seconds(gaps):
    """Times in nanoseconds of rows that are so many seconds apart; the first is 1000 s after 1970."""
    return np.rint((1000.0 + np.cumsum(np.r_[0.0, gaps])) * 1e9).astype(np.int64)


def noise(n, seed=0):
    return np.random.default_rng(seed).standard_normal(n)


# ---------------------------------------------------------------- a second writing


class Share:
    """How often something happens: Page's sum, from the share before it began to grow to half way to 1."""

    def __init__(self, bar):
        self.bar, self.seen, self.share, self.before, self.sum = bar, 0, 0.0, 0.0, 0.0

    def take(self, happened, learn):
        if self.sum == 0.0 or self.sum >= self.bar:
            self.before = self.share
        q = max(self.before, 1e-3)
        bar = 20.0 if q > 0.01 else self.bar
        more = (1 + q) / 2
        ratio = more / q if happened else 0.5  # (1 - more) / (1 - q)
        self.sum = min(max(self.sum + math.log(ratio), 0.0), bar)
        if learn:
            self.seen += 1
            self.share += max(1 / self.seen, 1 / 4096) * (happened - self.share)
        if self.seen < 30:
            self.sum = 0.0
        return self.sum >= bar


class Wait:
    def __init__(self):
        self.count, self.mean, self.deviation, self.now, self.longest = 0, 0.0, 0.0, 0.0, [(0.0, 0.0)] * 3

    @property
    def limit(self):
        return 2.75 * self.mean + 15 * self.deviation

    @staticmethod
    def left(length, then, now, interval):
        return length * 0.5 ** (max(now - then, 0.0) / max(7 * 86400, 2000 * interval))

    def third(self, now, interval):
        return min(self.left(length, then, now, interval) for length, then in self.longest)

    def end(self, now, interval, learn):
        length, self.now = self.now, 0.0
        if not learn:
            return
        if length > 2.75:
            faded = [(self.left(old, then, now, interval), now) for old, then in self.longest]
            self.longest = sorted([*faded, (length, now)], reverse=True)[:3]
        if self.count >= 30:
            length = min(length, self.limit)
        self.count += 1
        w = max(1 / self.count, 1 / 256)
        self.mean += w * (length - self.mean)
        self.deviation += w * (abs(length - self.mean) - self.deviation)


class Plain:
    """One stream; `holds` maps a condition to the time since which it holds."""

    def __init__(self, channels):
        self.rows, self.time, self.gaps, self.interval = 0, 0, [], 0.0
        self.late, self.early, self.owed = Share(12.0), Share(13.8), 0.0
        self.rate_since, self.run = 0, 0
        self.absent = [Share(13.8) for _ in range(channels)]
        self.value, self.move = [Wait() for _ in range(channels)], [Wait() for _ in range(channels)]
        self.last, self.missing_since, self.flat_since = [None] * channels, [0] * channels, [0] * channels
        self.holds = {}

    def rate(self, now, gap, learn):
        if not self.interval:
            self.gaps.append(gap)
            if len(self.gaps) == 8:
                self.interval = statistics.median(self.gaps)
            return
        late, early = gap > 1.5 * self.interval, gap * 1.5 < self.interval
        behind = self.owed > 0
        self.owed = max(self.owed + gap / self.interval - 1, 0.0) if late or early else 0.0
        on = RATE in self.holds
        calm = self.late.sum == 0 and self.early.sum == 0
        more = self.late.take(late, learn and not on) | self.early.take(early and not behind, learn and not on)
        if calm and not on:
            self.rate_since, self.run = self.time, 0
        self.run += 1
        if not late and not early and learn:
            self.interval += (gap - self.interval) / 64
        if more:
            self.holds.setdefault(RATE, self.rate_since)
        if self.late.sum == 0 and self.early.sum == 0:
            self.holds.pop(RATE, None)
            self.run = 0
        elif RATE in self.holds and (self.run >= 50 or now - self.rate_since >= 3600 * SECOND):
            self.interval, self.owed = (now - self.rate_since) / 1e9 / self.run, 0.0
            self.late, self.early, self.run = Share(12.0), Share(13.8), 0
            del self.holds[RATE]

    def take(self, now, x, learn=True):
        age = 0.0
        if self.rows:
            gap = (now - self.time) / 1e9
            self.rate(now, gap, learn)
            if self.interval:
                age = 1.0 if gap * 1.5 > self.interval else gap / self.interval
        self.rows, self.time = self.rows + 1, now
        for c, v in enumerate(x):
            self.channel(c, v if abs(v) <= 1e150 else None, age, now, learn, 1 + c, 1 + len(x) + c)

    def channel(self, c, v, age, now, learn, missing, flat):
        value, move, absent = self.value[c], self.move[c], self.absent[c]
        if self.last[c] is None:
            if v is not None:
                value.count, value.mean, self.last[c], self.flat_since[c] = 1, 1.0, v, now
            return
        if age == 0:
            self.last[c] = self.last[c] if v is None else v
            return
        if v is None and absent.sum == 0 and value.now == 0:
            self.missing_since[c] = now
        value.now += age
        more = absent.take(v is None, learn)
        if value.count >= 30 and (more or (v is None and value.now >= value.limit)):
            self.holds.setdefault(missing, self.missing_since[c])
        if v is None:
            return
        value.end(now / 1e9, self.interval, learn)
        if absent.sum == 0:
            self.holds.pop(missing, None)
        move.now += age
        if v != self.last[c]:
            move.end(now / 1e9, self.interval, learn)
            self.flat_since[c] = now
            self.holds.pop(flat, None)
        elif move.count >= 30 and move.now >= move.limit and move.now >= 1.5 * move.third(now / 1e9, self.interval):
            self.holds.setdefault(flat, self.flat_since[c])
        self.last[c] = v


def troubled(seed, n=3000, channels=3):
    """A stream in which everything happens: gaps, other rates, stalls, missing values, quantised and stuck ones."""
    r = np.random.default_rng(seed)
    gaps = np.exp(0.05 * r.standard_normal(n - 1))
    for _ in range(8):
        start = r.integers(n - 200)
        gaps[start : start + r.integers(1, 150)] *= r.choice([0.2, 0.5, 2.0, 7.0])
    gaps[r.random(n - 1) < 0.01] *= 30.0
    x = np.round(np.cumsum(r.standard_normal((n, channels)), axis=0), 1)
    x[:, 0] = np.where(r.random(n) < 0.3, np.nan, x[:, 0])
    for _ in range(8):
        start, c = r.integers(n - 200), r.integers(channels)
        x[start : start + r.integers(2, 150), c] = r.choice([np.nan, x[start, c], np.inf])
    return seconds(gaps), x


@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_plain_second_writing(seed):
    time, x = troubled(seed)
    learn = [True] * 1500 + [False] * 200 + [True] * 1300
    plain, state = Plain(3), None
    for row in range(len(time)):
        *_, state = run(time[row : row + 1], x[row], state, learn=learn[row])
        plain.take(int(time[row]), x[row], learn[row])
        holds = {int(k): int(state["since"][k]) for k in np.flatnonzero(state["holds"])}
        assert holds == plain.holds, row
    assert state["pace"][kernel.EXPECTED] == pytest.approx(plain.interval, rel=1e-9)
    assert plain.late.share == pytest.approx(state["jumps"][kernel.LATE, kernel.SHARE], rel=1e-9)


def test_the_troubles_of_that_test_show_every_condition():
    kinds = {which for seed in range(6) for _, which, *_ in run(*troubled(seed))[0]}
    assert kinds == set(range(7))


@pytest.mark.parametrize("room", [7, 64])
def test_little_room_for_changes_loses_none(room):
    time, x = troubled(1)
    assert run(time, x, room=room)[:2] == run(time, x, room=1000)[:2]


# ---------------------------------------------------------------- in time


def test_missing_values_are_told_with_the_third_row_without():
    time, x = seconds(np.ones(999)), noise(1000)
    x[500:600] = np.nan
    (start, end), figures, _ = run(time, x)
    assert start == (502, 1, 1, time[500])
    assert end[1:] == (1, 0, time[500])
    assert 600 <= end[0] < 640  # the share of rows without a value has to fall first
    assert figures[0] == (x[499], 3.0)


def test_a_share_of_missing_values_that_jumps_is_told():
    time, x = seconds(np.ones(1999)), noise(2000)
    x[1000:][np.random.default_rng(1).random(1000) < 0.4] = np.nan
    changes, *_ = run(time, x)
    assert changes[0][1:3] == (1, 1)
    assert 1001 <= changes[0][0] < 1010


def test_a_value_that_does_not_move_is_told_with_the_third_row_of_it():
    time, x = seconds(np.ones(999)), noise(1000)
    x[501:600] = x[500]
    changes, figures, _ = run(time, x)
    assert changes == [(503, 2, 1, time[500]), (600, 2, 0, time[500])]
    assert figures[0] == (x[500], 3.0)


@pytest.mark.parametrize(("interval", "told"), [(1.6, 2), (2.0, 2), (30.0, 2), (0.6, 3), (0.1, 3)])
def test_another_rate_is_told_after_two_late_or_three_early_rows_and_then_expected(interval, told):
    time = seconds(np.r_[np.ones(499), np.full(200, interval)])
    changes, figures, state = run(time, noise(700))
    assert [c[:3] for c in changes] == [(499 + told, 0, 1), (499 + 50, 0, 0)]
    assert {c[3] for c in changes} == {int(time[499])}
    assert figures[0] == pytest.approx((interval, 1.0), rel=1e-6)
    assert state["pace"][kernel.EXPECTED] == pytest.approx(interval, rel=1e-6)
    back = seconds(np.r_[np.ones(499), np.full(20, interval), np.ones(200)])
    changes, _, state = run(back, noise(720))
    assert [c[1:3] for c in changes] == [(0, 1), (0, 0)]
    assert state["pace"][kernel.EXPECTED] == pytest.approx(1.0, rel=0.02)


def test_an_hour_makes_a_slow_rate_the_expected_one():
    changes, *_ = run(seconds(np.r_[np.full(499, 300.0), np.full(20, 1000.0)]), noise(520))
    assert [c[:3] for c in changes] == [(501, 0, 1), (503, 0, 0)]  # 4000 s after the last row that was on time


# ---------------------------------------------------------------- by nature


def test_rows_that_were_held_up_together_are_no_other_rate():
    arrived = np.arange(1.0, 20_001.0)
    for i in range(500, 19_000, 500):
        arrived[i : i + 9] = arrived[i + 8] - 0.05 + 0.005 * np.arange(9)
    assert run(seconds(np.diff(arrived)), noise(20_000))[0] == []


def test_one_gap_is_no_condition():
    gaps = np.ones(999)
    gaps[500] = 86400.0
    assert run(seconds(gaps), noise(1000))[0] == []


def test_a_constant_channel_is_not_flat():
    assert run(seconds(np.ones(49_999)), np.ones(50_000))[0] == []


def test_what_recurs_is_told_three_times_and_no_more():
    """Nothing moves at night."""
    minutes = np.arange(20 * 1440)
    x = np.maximum(0.0, np.sin(2 * np.pi * minutes / 1440)) * (1 + 0.1 * noise(len(minutes)))
    changes, *_ = run(seconds(np.full(len(minutes) - 1, 60.0)), x)
    assert [c[1:3] for c in changes] == [(2, 1), (2, 0)] * 3
    assert changes[-1][0] < 4 * 1440


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_false_alarms_are_rare(share):
    """200,000 rows of each kind: at most one condition by chance."""
    n, r = 200_000, np.random.default_rng(5)
    missing = np.where(r.random(n) < share, np.nan, r.standard_normal(n))
    moves = np.cumsum(r.random(n) > share).astype(float)
    x = np.stack([missing, moves], axis=1)
    starts = [c for c in run(seconds(np.ones(n - 1)), x)[0] if c[2]]
    assert len(starts) <= 1, starts
    lost = r.random(n) > 0.9 * share
    times = seconds(np.ones(n - 1))[lost]
    starts = [c for c in run(times, np.arange(lost.sum()))[0] if c[2]]
    assert len(starts) <= 1, starts


def test_poisson_arrivals_are_no_condition():
    """By chance 6 times in 4 million rows, measured on ten seeds."""
    gaps = np.random.default_rng(6).exponential(1.0, 200_000)
    assert sum(c[2] for c in run(seconds(gaps), noise(200_001))[0]) <= 1


def test_a_channel_with_a_value_each_tenth_row_is_missing_after_three_of_those():
    x = np.where(np.arange(4000) % 10 == 0, noise(4000), np.nan)
    x[2001:] = np.nan
    changes, *_ = run(seconds(np.ones(3999)), x)
    ((row, which, holds, since),) = changes
    assert (which, holds, since) == (1, 1, seconds(np.ones(3999))[2001])
    assert 2028 <= row < 2040  # 2.75 waits, and 15 deviations of which the first rows are the cause


# ---------------------------------------------------------------- mute and learn


def test_what_is_muted_is_told_where_it_outlasts_the_mute():
    time, x = seconds(np.ones(999)), noise(1000)
    x[501:600] = x[500]
    *_, state = run(time[:400], x[:400])
    assert run(time[400:550], x[400:550], state, muted=True)[0] == []
    assert run(time[550:], x[550:], state)[0] == [(0, 2, 1, time[500]), (50, 2, 0, time[500])]


def test_what_began_before_the_mute_is_told_to_its_end():
    time, x = seconds(np.ones(999)), noise(1000)
    x[501:600] = x[500]
    *_, state = run(time[:550], x[:550])
    assert run(time[550:], x[550:], state, muted=True)[0] == [(50, 2, 0, time[500])]


def test_in_maintenance_nothing_is_taken_for_usual():
    time, x = seconds(np.ones(999)), noise(1000)
    *_, state = run(time[:500], x[:500])
    before = {name: state[name].copy() for name in ("pace", "jumps", "waits")}
    y = x[500:].copy()
    y[::3] = np.nan
    run(time[500:], y, state, learn=False, muted=True)
    np.testing.assert_array_equal(state["pace"], before["pace"])
    shares = [kernel.SEEN, kernel.SHARE]
    np.testing.assert_array_equal(state["jumps"][:, shares], before["jumps"][:, shares])
    means = [kernel.COUNT, kernel.MEAN, kernel.DEVIATION]
    np.testing.assert_array_equal(state["waits"][:, means], before["waits"][:, means])
