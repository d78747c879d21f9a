"""The score of oddity against plain NumPy, and what it must say of series whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streamrnn.kernels import oddity as odd

WEIGHTS = np.array([*odd.MEMORIES, *(1 - 0.5 ** (1 / h) for h in odd.SHORT)])
WAYS = {"residual": slice(0, 1), "level": slice(1, 6), "season": slice(6, 11), "calm": slice(11, 16)}
DAY = 96


def fresh():
    """Arrays of a channel that has seen nothing, in the order of the kernel's arguments."""
    state = [
        np.zeros(odd.MEMORY),
        np.zeros((odd.SLOTS, odd.PROFILE)),
        np.zeros((odd.WAYS, odd.SPANS, 2)),
        np.zeros((odd.WAYS, odd.SPANS, 2)),
        np.zeros((odd.STATISTICS, odd.RANKS)),
        np.zeros(odd.TOTAL),
        np.zeros(odd.STATISTICS),
    ]
    odd.start(state[5])
    return state


def run(x, forecast=None, day=0, state=None, weights=WEIGHTS, begin=0):
    """Nats (T,) and shares (T, 16). Forecast: the last value; day: rows of a season, 0 for none."""
    state = fresh() if state is None else state
    nats, shares = np.zeros(len(x)), np.zeros((len(x), odd.STATISTICS))
    last = math.nan
    for t, v in enumerate(x):
        guess = last if forecast is None else forecast[t]
        phase = (begin + t) % day / day if day else -1.0
        nats[t] = odd.oddity(v, guess, 1.0, phase, 1.0, weights, *state)
        shares[t] = state[6]
        last = last if math.isnan(v) else v
    return nats, shares


def way_of(shares):
    """The way of looking that has most of a row's evidence."""
    return max(WAYS, key=lambda name: shares[WAYS[name]].sum())


def plateau(rng, days, noise=1.0):
    t = np.arange(days * DAY)
    return 20 + 60 * ((t % DAY > 36) & (t % DAY < 72)) + noise * rng.normal(size=t.size)


# ---------------------------------------------------------------- plain references


def plain_ranks(z, weight):
    """`rank` again, all its past at hand: the state is worked out anew for each row from lists."""
    probabilities, out = np.array([0.5, 0.2, 0.05, 0.01]), []
    quantiles, distance, excess, count = np.full(4, z[0]), 0.0, 0.0, 0
    for t, v in enumerate(z):
        over = v - quantiles[3]
        nats = 0.0
        if t >= 100 and over > 0 and excess > 0:
            c = min(count, 20)
            nats = -np.log(0.01) + c * np.log(1 + over / (c * excess))
        elif t >= 100 and over <= 0:
            nats = np.interp(v, np.append(0.0, quantiles), np.append(0.0, -np.log(probabilities))) if v > 0 else 0.0
        out.append(nats)
        w = max(weight, 1 / (t + 1))
        distance += w * ((min(abs(over), 30 * distance) if t >= 100 else abs(over)) - distance)
        quantiles = quantiles + 3 * w * distance * ((v > quantiles) - probabilities)
        quantiles = np.maximum.accumulate(np.maximum(quantiles, 0.0))
        if over > 0:
            count += 1
            excess += max(0.03, 1 / count) * ((min(over, 3 * excess) if count > 5 else over) - excess)
    return np.array(out)


def plain_levels(v, weight, long_weight):
    """`level` again: convolutions with the weights written out, and moments by their definition."""
    a, b, mean, variance, out = 0.0, 0.0, 0.0, 0.0, []
    for t, x in enumerate(v):
        w, wl = max(weight, 1 / (t + 1)), max(long_weight, 1 / (t + 1))
        a = (1 - w) * a + w * x
        b = (1 - w) * b + w * a
        d = b - mean
        out.append(d / np.sqrt(variance) if variance > 0 else 0.0)
        d = np.clip(d, -30 * np.sqrt(variance), 30 * np.sqrt(variance)) if variance > 0 and t >= 8 else d
        mean, variance = mean + wl * d, (1 - wl) * (variance + wl * d**2)
    return np.array(out)


def plain_evidence(s):
    return np.sqrt(s**2 + 3.5**2) - 3.5


def plain_nats(found):
    """`calibrate` again, a row each typical interval."""
    bar, beyond, learned, passed, quiet, out = 9.0, 3.3, 0, 0, 1e9, []
    for s in found:
        over = s - bar
        out.append(
            np.log(100) * (s / bar) ** 0.75 if over <= 0 else np.log(100) + 20 * np.log(1 + over / (20 * beyond))
        )
        quiet += 1
        if quiet <= 100:
            continue
        quiet = 0 if out[-1] > 8.5 else quiet
        learned += 1
        w = max(3e-5, 1 / (learned + 30_000))
        bar = max(bar + w * beyond * 100 / 3 * ((over > 0) - 0.008), 0.9)
        if over > 0:
            passed += 1
            beyond += max(3e-3, 1 / (passed + 300)) * (min(over, 4 * beyond) - beyond)
    return np.array(out)


def mixed(seed=0, rows=3000):
    """Noise with steps, blips, a wild value, a still stretch."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows) + np.where(rng.random(rows) < 0.01, rng.exponential(8, rows), 0.0)
    x[rows // 2 :] += 4.0
    x[rows // 3] = 1e6
    x[rows - 800 : rows - 700] = x[rows - 800]
    return x


def test_ranks_are_those_of_plain_numpy():
    z = np.abs(mixed())
    state = np.zeros(odd.RANKS)
    np.testing.assert_allclose([odd.rank(v, 0.005, state) for v in z], plain_ranks(z, 0.005), rtol=1e-9, atol=1e-12)


def test_levels_are_those_of_plain_numpy():
    x = mixed()
    stages, long = np.zeros(2), np.zeros(2)
    found = [odd.level(v, 0.1, 3e-4, float(t), stages, long) for t, v in enumerate(x)]
    np.testing.assert_allclose(found, plain_levels(x, 0.1, 3e-4), rtol=1e-9, atol=1e-12)


def test_calibration_is_that_of_plain_numpy():
    found = np.random.default_rng(0).exponential(2.0, 20_000)
    found[::4000] = 60.0
    total = np.zeros(odd.TOTAL)
    odd.start(total)
    nats = [odd.calibrate(s, 1.0, 3e-5, total) for s in found]
    np.testing.assert_allclose(nats, plain_nats(found), rtol=1e-10)


def test_the_whole_is_that_of_plain_numpy():
    """Without a season: residual, levels and calm, each by its definition, put together."""
    x = mixed()
    nats, shares = run(x)
    miss, found = 0.0, np.zeros((x.size, 16))
    z = []
    for t, step in enumerate(np.abs(np.diff(x))):
        if t >= 20:
            z.append(step / miss)
        miss += max(1e-3, 1 / (t + 1)) * ((min(step, 30 * miss) if t >= 20 else step) - miss)
    z = np.array(z)
    found[21:, 0] = z**2 / (z**2 + 0.25) * plain_evidence(plain_ranks(z, 0.005))
    moves = moved = 0.0
    calm = np.zeros(x.size)
    for t, step in enumerate(np.append(0.0, np.abs(np.diff(x)))):
        step = min(step, 30 * moves) if t >= 8 and moves > 0 else step
        moves += max(3e-4, 1 / (t + 1)) * (step - moves)
        moved += max(0.13, 1 / (t + 1)) * (step - moved)
        calm[t] = np.log(moved / moves + 1e-3) if moves > 0 else 0.0
    for j, w in enumerate(WEIGHTS[odd.SPAN0 :]):
        z = np.abs(plain_levels(x - x[0], w, 3e-4))
        found[:, 1 + j] = z**2 / (z**2 + 0.25) * plain_evidence(plain_ranks(z, 0.005))
        still = np.maximum(-plain_levels(calm, w, 3e-4), 0.0)
        found[:, 11 + j] = 0.3 * plain_evidence(plain_ranks(still, 0.005))
    np.testing.assert_allclose(shares, found, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(nats[100:], plain_nats(found.sum(axis=1)[100:]), rtol=1e-6, atol=1e-8)
    assert not nats[:100].any()


def test_a_season_is_the_mean_of_its_days():
    """Two days of plain means, then what is left of the third, in spreads of the second."""
    rng = np.random.default_rng(0)
    memory, profile = np.zeros(odd.MEMORY), np.zeros((odd.SLOTS, odd.PROFILE))
    x = rng.normal(size=(3, odd.SLOTS)) + 10.0 * np.sin(np.arange(odd.SLOTS))
    left = [odd.season_left(v, (i % odd.SLOTS + 0.5) / odd.SLOTS, 1e-3, memory, profile) for i, v in enumerate(x.flat)]
    assert np.isnan(left[: 2 * odd.SLOTS]).all()
    away = np.abs(x[1] - x[0])
    rows = np.arange(odd.SLOTS)
    half = np.array([(x[2, i] - x[:2, i].mean()) for i in rows])
    mean_away = np.array([np.append(away, np.abs(half[: i + 1])).mean() for i in rows])
    # at a slot's middle the neighbour has no part in the usual value, but lends its spread: the next slot's
    spread = np.maximum(np.maximum(away, np.roll(away, -1)), 0.3 * mean_away)
    spread[-1] = max(away[-1], profile[0, odd.SPREAD], 0.3 * mean_away[-1])
    np.testing.assert_allclose(left[2 * odd.SLOTS :], half / spread, rtol=1e-9)


def test_one_odd_day_does_not_become_usual():
    rng = np.random.default_rng(0)
    memory, profile = np.zeros(odd.MEMORY), np.zeros((odd.SLOTS, odd.PROFILE))
    for day in range(8):
        for i in range(DAY):
            odd.season_left(rng.normal() + (1000.0 if day == 7 else 0.0), i / DAY, 1e-3, memory, profile)
    assert np.abs(profile[:-1, odd.USUAL]).max() < 2.5  # 150 if it were taken as it comes


# ---------------------------------------------------------------- what must hold


@pytest.mark.parametrize(("a", "b"), [(1000.0, 50_000.0), (1e-6, 0.0), (3.7, -1e4)])
def test_units_change_nothing(a, b):
    x = mixed() + 3 * np.sin(2 * np.pi * np.arange(3000) / DAY)
    guess = np.append(math.nan, x[:-1])
    nats, shares = run(x, guess, DAY)
    other, other_shares = run(a * x + b, a * guess + b, DAY)
    np.testing.assert_allclose(other, nats, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(other_shares, shares, rtol=1e-6, atol=1e-6)


def test_doubling_changes_no_bit():
    x = mixed()
    assert np.array_equal(run(x, day=DAY)[0], run(4.0 * x, day=DAY)[0])


def test_a_missing_value_leaves_all_as_it_was():
    x = mixed(rows=900)
    state = fresh()
    run(x, day=DAY, state=state)
    before = [a.copy() for a in state[:6]]
    assert odd.oddity(math.nan, 0.0, 1.0, 0.3, 1.0, WEIGHTS, *state) == 0.0
    assert all(np.array_equal(a, b) for a, b in zip(state[:6], before, strict=True))
    assert not state[6].any()


def test_a_prefix_scores_as_in_the_whole():
    x = mixed()
    nats, _ = run(x, day=DAY)
    state = fresh()
    first, _ = run(x[:1700], day=DAY, state=state)
    guess = np.append(x[1699], x[1700:-1])
    second, _ = run(x[1700:], guess, DAY, state=state, begin=1700)
    assert np.array_equal(np.append(first, second), nats)


def test_neither_saturates_nor_ties():
    state = fresh()
    run(np.random.default_rng(0).normal(size=2000), state=state)
    nats = []
    for v in np.geomspace(0.5, 1e12, 60):
        again = [a.copy() for a in state]
        nats.append(odd.oddity(v, 0.0, 1.0, -1.0, 1.0, WEIGHTS, *again))
    assert (np.diff(nats) > 0.0).all()


def test_no_wild_value_makes_anything_but_numbers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=800)
    x[::37] = 1e150
    x[400:] *= 1e-150
    nats, shares = run(x, day=DAY)
    assert np.isfinite(nats).all()
    assert np.isfinite(shares).all()
    assert (nats >= 0.0).all()


@pytest.mark.parametrize("level", [0.0, -7.5])
def test_leaving_a_line_that_was_always_flat_is_odd(level):
    x = np.full(400, level)
    x[300:] += 1.0
    nats, shares = run(x)
    assert not nats[:300].any()
    np.testing.assert_allclose(shares[300, :6], math.log(302.0))
    assert nats[300] > 9.0


def noises(rng, rows):
    normal = rng.normal(size=rows)
    smooth = np.zeros(rows)
    for t in range(1, rows):
        smooth[t] = 0.9 * smooth[t - 1] + normal[t]
    return {
        "Gauss": normal,
        "Student 3": rng.standard_t(3, rows),
        "autoregressive": smooth,
        "uniform": rng.random(rows),
        "Poisson": rng.poisson(2, rows).astype(float),
        "sine": 3 * np.sin(2 * np.pi * np.arange(rows) / 288) + normal,
    }


@pytest.mark.parametrize("kind", ["Gauss", "Student 3", "autoregressive", "uniform", "Poisson", "sine"])
def test_rows_of_noise_are_odd_as_often_as_the_score_says(kind):
    x = noises(np.random.default_rng(3), 20_000)[kind]
    guess = np.zeros(x.size)  # what a good model says
    if kind == "autoregressive":
        guess[1:] = 0.9 * x[:-1]
    if kind == "sine":
        guess = 3 * np.sin(2 * np.pi * np.arange(x.size) / 288)
    nats, _ = run(x, guess, day=288)
    for bar, factor in ((3.0, 2.0), (4.6, 2.0), (6.0, 3.0)):
        share = np.mean(nats[2000:] > bar) / math.exp(-bar)
        assert 1 / factor < share < factor, (bar, share)


def test_a_gauge_that_stands_still_is_too_calm():
    rng = np.random.default_rng(0)
    x = np.zeros(2200)
    for t in range(1, 2000):
        x[t] = 0.8 * x[t - 1] + rng.normal()
    x[2000:] = x[1990] = 0.0
    nats, shares = run(x)
    peak = 2000 + int(np.argmax(nats[2000:]))
    assert nats[peak] > 5.0
    assert way_of(shares[peak]) == "calm"


def test_a_plateau_that_does_not_come_is_out_of_season():
    rng = np.random.default_rng(0)
    x = plateau(rng, 12)
    due = 10 * DAY + 38
    x[10 * DAY + 36 : 10 * DAY + 73] = 20 + rng.normal(size=37)
    nats, shares = run(x, day=DAY)
    rows = slice(due, due + 30)
    peak = due + int(np.argmax(nats[rows]))
    assert nats[peak] > 6.0
    assert way_of(shares[peak]) == "season"
    assert run(x)[0][rows].max() < 5.0  # which is all that tells it


def test_a_ripple_around_near_exact_forecasts_is_not_odd():
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.normal(size=3000))
    guess = x + 1e-9 * rng.normal(size=x.size)
    guess[2500] += 1e-5  # ten thousand times the usual miss, a hundred-thousandth of a usual change
    _, shares = run(x, guess)
    assert shares[2500, 0] < 0.1
    guess[2500] += 5.0
    _, shares = run(x, guess)
    assert shares[2500, 0] > 5.0


def test_what_is_near_the_long_mean_is_not_odd():
    rng = np.random.default_rng(0)
    x = 1e-3 * rng.normal(size=2000)
    x[:50] *= 1e5  # a busy start, then idle
    x[1500:1510] += 0.1
    _, shares = run(x, x)
    assert shares[1500:1520, WAYS["level"]].max() < 0.1


def test_after_a_gap_a_value_may_be_farther_away():
    state = fresh()
    run(np.random.default_rng(0).normal(size=1000), np.zeros(1000), state=state)
    found = []
    for reach in (1.0, 2.0):
        again = [a.copy() for a in state]
        odd.oddity(6.0, 0.0, reach, -1.0, 1.0, WEIGHTS, *again)
        found.append(again[6][0])
    assert found[0] > found[1] + 2.0


def test_a_season_that_explains_nothing_is_not_heard():
    x = np.random.default_rng(0).normal(size=8 * DAY)
    x[0] = 100.0  # which the long mean must get over
    assert not run(x, day=DAY)[1][:, WAYS["season"]].any()


def test_a_jump_is_one_of_the_residual_and_a_creep_one_of_the_level():
    rng = np.random.default_rng(1)
    x = rng.normal(size=2100)
    jump = x.copy()
    jump[2000] += 15.0
    nats, shares = run(jump, np.zeros(x.size))
    assert nats[2000] > 8.0
    assert way_of(shares[2000]) == "residual"
    creep = x.copy()
    creep[2000:] += 1.5
    nats, shares = run(creep, np.zeros(x.size))
    peak = 2000 + int(np.argmax(nats[2000:]))
    assert nats[peak] > 6.0
    assert way_of(shares[peak]) == "level"


def test_peaks_that_recur_are_no_longer_odd():
    rng = np.random.default_rng(0)
    x = rng.normal(size=6000)
    x[300::60] += 20.0
    nats, _ = run(x, np.zeros(x.size))
    assert nats[300] > 8.0
    assert np.median(nats[3000::60]) < math.log(60) + 1.0  # one row in sixty


def test_a_memory_is_a_time_whatever_the_rate_of_rows():
    """A row each interval, and four of the same value in its place with memories of a quarter."""
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=150), 10)
    short, stages, long = 1 - 0.5 ** (1 / 20), np.zeros(2), np.zeros(2)
    slow = np.array([odd.level(v, short, 1e-3, float(t), stages, long) for t, v in enumerate(x)])
    short, stages, long = 1 - 0.5 ** (1 / 80), np.zeros(2), np.zeros(2)
    fast = np.array([odd.level(v, short, 2.5e-4, float(t), stages, long) for t, v in enumerate(np.repeat(x, 4))])
    assert np.abs(fast[3::4] - slow)[1000:].max() < 0.15 * np.abs(slow).max()


# ---------------------------------------------------------------- one spike an event


def rested():
    rest = np.zeros(odd.REST)
    rest[odd.SINCE] = 1e9
    return rest


def spikes(nats, threshold=5.0, length=100.0, elapsed=1.0):
    rest = rested()
    return np.array([odd.spike(v, elapsed, threshold, length, rest) for v in nats])


def plain_spikes(nats, threshold=5.0):
    """`spike` again, a row each interval and rests of 100: the count of spikes is summed over all that were."""
    rows, heights, quiet_from, out = [], [], -1, []
    for t, v in enumerate(nats):
        count = sum(0.5 ** ((t - row) / 8000) for row in rows)
        bar = threshold + 0.2 * max(count - 2, 0)
        begins = v > bar and (t >= quiet_from or v > heights[-1] + 5)
        out.append(v - (bar - threshold) if begins else 0.0)
        if begins:
            rows.append(t)
            heights.append(v)
            quiet_from = t + 101
        elif t < quiet_from and v > 0.7 * bar:
            quiet_from = max(quiet_from, t + 71)
    return np.array(out)


def test_spikes_are_those_of_plain_numpy():
    nats = np.random.default_rng(0).exponential(1.3, 30_000)
    expected = plain_spikes(nats)
    assert np.count_nonzero(expected) > 40
    assert nats[expected > 0][20:].min() > 5.5  # the bar went up
    np.testing.assert_allclose(spikes(nats), expected, rtol=1e-9)


def test_an_event_is_one_spike():
    nats = np.ones(400)
    nats[100:110] = 8.0
    nats[[150, 221]] = 9.0  # until 220 it rests: 70 after the last loud one
    expected = np.zeros(400)
    expected[[100, 221]] = 8.0, 9.0
    np.testing.assert_allclose(spikes(nats), expected)


def test_what_is_much_worse_is_an_event_of_its_own():
    nats = np.ones(200)
    nats[[50, 60, 70]] = 8.0, 12.9, 13.1
    assert np.flatnonzero(spikes(nats)).tolist() == [50, 70]


def test_a_rest_goes_on_while_it_is_loud():
    nats = np.ones(500)
    nats[50:300] = 3.6
    nats[[50, 369, 371]] = 8.0
    assert np.flatnonzero(spikes(nats)).tolist() == [50]
    nats[369:372] = 1.0, 8.0, 1.0
    assert np.flatnonzero(spikes(nats)).tolist() == [50, 370]


def test_a_rest_is_a_time():
    nats = np.ones(60)
    nats[10:] = 8.0
    nats[11:50] = 1.0
    assert np.flatnonzero(spikes(nats, elapsed=3.0)).tolist() == [10, 50]
    assert np.flatnonzero(spikes(nats)).tolist() == [10]


def test_of_many_events_each_says_less_and_a_large_one_is_still_told():
    nats = np.zeros(20_000)
    nats[::200] = 6.0
    found = spikes(nats)
    told = np.flatnonzero(found)
    assert told[:3].tolist() == [0, 200, 400]
    assert np.all(found[told] > 5.0)
    assert np.diff(found[told[2:6]]).max() < -0.1
    assert np.diff(told[told > 10_000]).min() > 1000  # one in many
    nats[-1] = 12.0
    assert spikes(nats)[-1] > 10.0


def test_after_long_quiet_an_event_says_all_again():
    nats = np.zeros(60_000)
    nats[:2000:200] = 9.0
    nats[-1] = 6.0
    found = spikes(nats)
    assert found[1800] < 8.0
    assert found[-1] == 6.0


def test_what_is_shown_is_above_the_threshold_only_where_an_event_begins():
    """The closed form, with the smoothed surprise summed by its weights."""
    nats = np.random.default_rng(0).exponential(1.5, 3000)
    nats[1000:1100] += 4.0
    rest = rested()
    found = np.array([odd.apparent(v, 1.0, 5.0, 100.0, rest) for v in nats])
    keep = 0.5 ** (1 / 12.5)
    smooth = np.array([np.sum((1 - keep) * keep ** np.arange(t + 1)[::-1] * nats[: t + 1]) for t in range(3000)])
    spike = spikes(nats)
    u = np.maximum(nats, smooth)
    np.testing.assert_allclose(found, np.where(spike > 0, spike, 5 * u / (u + 5)), rtol=1e-9)
    assert np.array_equal(found > 5.0, spike > 0.0)
    assert found[1100:1105].min() > np.median(found[:1000]) + 0.5  # it dies away, and is not gone at once
