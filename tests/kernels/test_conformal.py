"""Bands: bounds that hold for every sequence are tested on hostile ones, the rest against a second writing in NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrnn.kernels import conformal
from streamrnn.kernels.conformal import (
    DEBT,
    EXPECTED,
    LOG_QUANTILE,
    SLOPES,
    SPREAD,
    band_basis,
    band_expected,
    band_learn,
    band_unrest,
    bands_issue,
    beyond,
    near,
    quantile_track,
)
from streamrnn.kernels.mixture import mixture_learn, mixture_weight

B = 8.0


def misses(scores, step, rate, q=2.0):
    count = 0
    for s in scores:
        missed = bool(s > q)
        count += missed
        q = quantile_track(q, missed, rate, step)
    return count / len(scores)


def hostile(step, rate, n=5000, q=2.0):
    """Always on the wrong side: misses while q is low, then hits while it is high."""
    out = []
    for i in range(n):
        s = B if (i // 500) % 2 == 0 else 0.0
        out.append(s)
    return out


SEQUENCES = {
    "always the largest": [B] * 3000,
    "always zero": [0.0] * 3000,
    "alternating blocks": hostile(0.05, 0.1),
    "noise": np.abs(np.random.default_rng(0).normal(size=5000)).clip(0, B).tolist(),
    "growing": np.linspace(0, B, 4000).tolist(),
    "shift of scale": [0.1] * 2000 + [B] * 2000,
}


@pytest.mark.parametrize("rate", [0.1, 0.01, 0.5])
@pytest.mark.parametrize("step", [0.05, 0.5])
@pytest.mark.parametrize("name", SEQUENCES)
def test_misses_are_within_the_bound(name, step, rate):
    scores = SEQUENCES[name]
    assert abs(misses(scores, step, rate) - rate) <= (B + step) / (step * len(scores))


@given(st.lists(st.floats(0, B), min_size=1, max_size=200), st.floats(0.01, 1.0), st.floats(0.01, 0.5))
def test_the_bound_holds_for_any_sequence(scores, step, rate):
    assert abs(misses(scores, step, rate) - rate) <= (B + step) / (step * len(scores)) + 1e-12


def test_a_useless_expert_is_left_and_a_good_one_is_found():
    """Persistence errs by ±1, the model not at all: the mixture goes over to the model; and back when it turns bad."""
    rng = np.random.default_rng(0)
    records = np.zeros((2, 2))
    records[0] = 1.0
    share = 0.0
    for t in range(2000):
        change = rng.choice([-1.0, 1.0])
        says = change if t < 1000 else -change
        mixed = share * says
        for expert, forecast in enumerate((0.0, says)):
            mixture_learn(mixed - change, mixed - forecast, 0.9995, records[expert])
        a, b = (mixture_weight(0.0, r) for r in records)
        share = b / (a + b) if a + b else 0.0
        if t == 999:
            assert share > 0.99
    assert share < 0.35


# ---------------------------------------------------------------- bands of many horizons

RATE = 0.1
NOTHING = np.zeros(0)


def new_band(features=0):
    band = np.zeros(SLOPES + features)
    band[LOG_QUANTILE], band[SPREAD] = math.log(2.0), 1.0
    return band


class Bands:
    """One channel and its rings, as in a model: `row` judges with x what was issued, then issues around f (H,)."""

    def __init__(self, horizon, features=0, rate=RATE, memory=0.001, brisk=0.025):
        self.h, self.size, self.rate, self.memory, self.brisk_rate = horizon, horizon + 1, rate, memory, brisk
        self.band = np.zeros((horizon, 1, SLOPES + features))
        self.band[:, :, LOG_QUANTILE] = math.log(2.0)
        self.valid = np.zeros((self.size, 1), np.int64)
        self.forecast, self.width = np.zeros((2, self.size, horizon, 1))
        self.judged = np.zeros(horizon)
        self.scale = np.zeros(self.size)
        self.rows, self.brisk = 0, 0.0

    def learn(self, k, size, missed, w, phase):
        band_learn(k + 1, size, missed, self.rate, w, phase, self.band[k, 0])

    def issue(self, scale, unrest, phases):
        bands_issue(self.rows, 0, self.rate, scale, unrest, phases, self.valid, self.forecast, self.band, self.width)

    def row(self, x, f, scale=1.0, valid=True, phase=NOTHING, phases=None):
        for k in range(min(self.h, self.rows)):
            o = (self.rows - 1 - k) % self.size
            if not self.valid[o, 0] or math.isnan(x):
                continue
            miss = abs(self.forecast[o, k, 0] - x)
            size = min(miss / self.scale[o], 30.0 * math.sqrt(k + 1.0))
            missed = bool(miss > self.width[o, k, 0])
            w = max(self.memory, 1.0 / (self.judged[k] + 1.0))
            if k == 0:
                self.brisk += max(self.brisk_rate, 1.0 / (self.judged[k] + 1.0)) * (size - self.brisk)
            self.learn(k, size, missed, w, phase)
            self.judged[k] += 1.0
        r = self.rows % self.size
        self.forecast[r, :, 0], self.scale[r], self.valid[r, 0] = f, scale, valid
        phases = np.zeros((self.h, 0)) if phases is None else phases
        self.issue(scale, band_unrest(self.brisk, self.band[0, 0, SPREAD]), phases)
        self.rows += 1
        return self.width[r, :, 0].copy()


class PlainBands(Bands):
    """The same from the equations: whole histories instead of rings, exponentials instead of running products."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.history = []  # (forecast, half-width, valid) a row

    def learn(self, k, size, missed, w, phase):
        g = 1.0 / (1.0 + (k + 1) / 24.0)
        d = float(missed) - self.rate
        b = self.band[k, 0]
        level = np.clip(b[LOG_QUANTILE] + 0.006 * g * d, np.log(0.3), np.log(1e6))
        debt = np.clip(0.998 * b[DEBT] + d, -20.0, 20.0)
        slopes = np.clip(b[SLOPES:] + 0.005 * d * phase, -0.7, 0.7)
        b[:] = [level, debt, (1.0 - w) * b[SPREAD] + w * size, b[EXPECTED], *slopes]

    def issue(self, scale, unrest, phases):
        r, t = self.rows % self.size, self.rows
        forecast = self.forecast[r, :, 0].copy()
        h = np.arange(1, self.h + 1)
        g = 1.0 / (1.0 + h / 24.0)
        b = self.band[:, 0]
        slopes = (phases * b[:, SLOPES:]).sum(1)
        basis = scale * b[:, SPREAD] * np.exp(b[:, LOG_QUANTILE]) * np.exp(0.5 * g * unrest) * np.exp(slopes)
        half = np.zeros(self.h)
        for k in range(self.h):
            expected = self.on_their_way(k, t, forecast, basis)
            owed = np.clip(b[k, DEBT] + expected - b[k, EXPECTED], -20.0, 20.0)
            b[k, EXPECTED] = 0.998 * b[k, EXPECTED] + 0.002 * expected
            half[k] = basis[k] * np.exp(0.14 * g[k] * owed)
        self.width[r, :, 0] = half
        self.history.append((forecast, half, bool(self.valid[r, 0])))

    def on_their_way(self, k, t, forecast, basis):
        stride = max(-(-k // 4), 1)
        looks = []
        for ahead in range(stride // 2 + 1, k + 1, stride):
            issued = t + ahead - (k + 1)
            if issued < 0:
                continue
            before, half, valid = self.history[issued]
            if not valid or not basis[ahead - 1] > 0.0:
                looks.append(0.0)
                continue
            low, high = before[k] - half[k], before[k] + half[k]
            b = basis[ahead - 1] / -np.log(self.rate)
            out = laplace_tail((high - forecast[ahead - 1]) / b) + laplace_tail((forecast[ahead - 1] - low) / b)
            looks.append(out - self.rate)
        return k * float(np.mean(looks)) if looks else 0.0


def laplace_tail(u):
    p = 0.5 / np.polyval([1 / 6, 1 / 2, 1, 1], min(abs(u), 1e6))
    return p if u >= 0 else 1 - p


@pytest.mark.parametrize("horizon", [1, 2, 5, 13, 30])
def test_kernels_say_what_the_equations_say(horizon):
    rng = np.random.default_rng(horizon)
    fast, plain = Bands(horizon, 2), PlainBands(horizon, 2)
    x = 0.0
    for t in range(400):
        x += rng.normal() * (3.0 if t > 200 else 1.0)
        f = x + rng.normal(size=horizon)
        seen = math.nan if rng.random() < 0.1 else x
        angle = 2.0 * np.pi * (t + np.arange(horizon + 1)) / 24.0
        phases = np.stack([np.sin(angle), np.cos(angle)], 1)
        arguments = (seen, f, 1.0 + 0.5 * rng.random(), rng.random() > 0.1, phases[0], phases[1:])
        np.testing.assert_allclose(fast.row(*arguments), plain.row(*arguments), rtol=1e-10, atol=1e-300)
        np.testing.assert_allclose(fast.band, plain.band, rtol=1e-9, atol=1e-12)


def test_the_tail_is_near_laplace_s_and_both_sides_make_one():
    for u in (0.0, 0.1, 1.0, 2.3):
        assert beyond(u) == pytest.approx(0.5 * math.exp(-u), abs=0.02)
    for u in (0.0, 0.5, 3.0, 50.0, 1e300, math.inf):
        assert beyond(u) + beyond(-u) == pytest.approx(1.0)
        assert 0.0 <= beyond(u) <= 0.5
    assert beyond(4.0) > 0.5 * math.exp(-4.0)


def test_unrest_is_bounded_and_unknown_before_the_first_error():
    assert band_unrest(2.0, 1.0) == pytest.approx(math.log(2.0))
    assert band_unrest(0.0, 1.0) == -math.log(20.0)
    assert band_unrest(1e9, 1.0) == math.log(20.0)
    assert band_unrest(0.0, 0.0) == 0.0


# ---------------------------------------------------------------- the bound


def misses_of_a_band(h, scores, rate=RATE):
    """Misses when scores (an array, or a function of the half-width at issue) come h rows after their bands."""
    band = new_band()
    waiting, missed = [], []
    for t in range(len(scores) if hasattr(scores, "__len__") else 6000):
        half = band_basis(h, 0.0, NOTHING, band) * math.exp(conformal.GAIN * near(h) * band[DEBT])
        waiting.append((half, scores(t, half) if callable(scores) else scores[t]))
        if len(waiting) == h:
            half, score = waiting.pop(0)
            missed.append(score > half)
            band_learn(h, score, missed[-1], rate, 0.0, NOTHING, band)
    return np.array(missed)


def most_excess(h, b):
    reach = math.log(b) + conformal.GAIN * near(h) * conformal.MOST_DEBT
    step = conformal.STEP * near(h)
    return (max(reach - math.log(2.0), 0.0) + step * h) / step


B0, A0 = 6.0, 3.0
HOSTILE = {
    "always the largest": lambda t, half: B0,
    "just outside, where it may be": lambda t, half: min(half * 1.0001, B0),
    "just outside, in blocks": lambda t, half: min(half * 1.0001, B0) if (t // 200) % 2 else A0,
    "largest in blocks": lambda t, half: B0 if (t // 300) % 2 else A0,
    "always the smallest": lambda t, half: A0,
}


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.02])
@pytest.mark.parametrize("h", [1, 24, 100])
@pytest.mark.parametrize("name", HOSTILE)
def test_misses_of_a_band_are_bounded_whatever_the_errors(name, h, rate):
    excess = np.cumsum(misses_of_a_band(h, HOSTILE[name], rate) - rate)
    assert excess.max() <= most_excess(h, B0)
    reach = math.log(A0) - conformal.GAIN * near(h) * conformal.MOST_DEBT
    step = conformal.STEP * near(h)
    if reach - step * h > conformal.LEAST_QUANTILE:
        assert excess.min() >= -(max(math.log(2.0) - reach, 0.0) + step * h) / step


def test_debt_is_forgiven_beyond_its_bound_and_kept_below():
    band = new_band()
    for _ in range(100):
        band_learn(1, 9.0, True, RATE, 0.0, NOTHING, band)
    assert band[DEBT] == conformal.MOST_DEBT
    for _ in range(50):
        band_learn(1, 0.0, False, RATE, 0.0, NOTHING, band)
    assert band[DEBT] == pytest.approx(20.0 * 0.998**50 - 0.1 * (1 - 0.998**50) / 0.002)
    for _ in range(5000):
        band_learn(1, 0.0, False, RATE, 0.0, NOTHING, band)
    assert band[DEBT] == -conformal.MOST_DEBT
    assert band[LOG_QUANTILE] == conformal.LEAST_QUANTILE


# ---------------------------------------------------------------- forecasts on their way


def outstanding(horizon, moved, half):
    """E of the farthest forecast, when every older one said 0 ± half and the newest row says `moved` for all."""
    size = horizon + 1
    forecast, width = np.zeros((size, horizon, 1)), np.full((size, horizon, 1), half)
    r = 3 * size + 2
    forecast[r % size] = moved
    width[r % size] = 1.0
    return band_expected(horizon, 0, r, RATE, -math.log(RATE), np.ones((size, 1), np.int64), forecast, width)


@pytest.mark.parametrize("horizon", [2, 3, 8, 49])
def test_what_is_on_its_way_is_foreseen(horizon):
    assert outstanding(horizon, 0.0, 1.0) == pytest.approx(0.0, abs=0.03 * horizon)
    assert outstanding(horizon, 100.0, 1.0) == pytest.approx((1.0 - RATE) * (horizon - 1), rel=1e-3)
    assert outstanding(horizon, 0.0, 1e4) == pytest.approx(-RATE * (horizon - 1), rel=1e-3)
    assert outstanding(horizon, 2.0, 1.0) == outstanding(horizon, -2.0, 1.0)
    assert outstanding(horizon, 3.0, 1.0) > outstanding(horizon, 1.0, 1.0) > outstanding(horizon, 1.0, 2.0)


def test_one_row_ahead_nothing_is_on_its_way():
    assert outstanding(1, 100.0, 1.0) == 0.0


def test_a_jump_widens_far_bands_before_its_misses_have_been_counted():
    bands, rng = Bands(24), np.random.default_rng(0)
    for _ in range(600):
        x = rng.normal()
        before = bands.row(x, np.zeros(24))
    debt = bands.band[23, 0, DEBT]
    after = bands.row(30.0, np.full(24, 30.0))
    assert bands.band[23, 0, DEBT] - debt == pytest.approx(1.0 - RATE, abs=0.1)
    assert after[23] > 1.5 * before[23]


# ---------------------------------------------------------------- properties

FINITE = st.floats(-1e12, 1e12)
SCALES = st.just(0.0) | st.floats(1e-12, 1e12)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(FINITE | st.just(math.nan), FINITE, st.just(0.0) | st.floats(1e-12, 1e12), st.booleans()), max_size=40
    ),
    st.sampled_from([0.5, 0.1, 0.001]),
)
def test_widths_are_finite_and_never_negative(rows, rate):
    bands = Bands(6, rate=rate)
    for x, centre, scale, valid in rows:
        width = bands.row(x, np.full(6, centre), scale, valid and scale > 0.0)
        assert np.isfinite(width).all()
        assert (width >= 0.0).all()
        assert np.isfinite(bands.band).all()


@pytest.mark.parametrize("factor", [2.0**-40, 2.0**40, -1.0])
def test_bands_scale_with_the_stream(factor):
    rng = np.random.default_rng(3)
    one, other = Bands(12), Bands(12)
    for _ in range(500):
        x, f, s = rng.normal(), rng.normal(size=12), 1.0 + rng.random()
        width = one.row(x, f, s)
        np.testing.assert_array_equal(other.row(factor * x, factor * f, abs(factor) * s), abs(factor) * width)


def test_a_missing_truth_teaches_nothing():
    bands, rng = Bands(8), np.random.default_rng(4)
    for _ in range(100):
        bands.row(rng.normal(), np.zeros(8))
    learned = bands.band.copy()
    bands.row(math.nan, np.zeros(8))
    learned[:, :, EXPECTED] = bands.band[:, :, EXPECTED]
    np.testing.assert_array_equal(bands.band, learned)


def test_a_stream_that_never_errs_keeps_bands_of_no_width_and_wakes():
    bands = Bands(3)
    for _ in range(3000):
        width = bands.row(5.0, np.full(3, 5.0))
    assert (width == 0.0).all()
    rng = np.random.default_rng(5)
    inside = []
    for _ in range(400):
        x = 5.0 + rng.normal()
        inside.append(abs(x - 5.0) <= width[0])
        width = bands.row(x, np.full(3, 5.0))
    assert np.mean(inside[100:]) > 0.85


def test_slopes_learn_when_in_the_season_errors_are_large():
    bands, rng = Bands(1, 2, memory=1e-3), np.random.default_rng(6)
    angle = 2.0 * np.pi * np.arange(19_202) / 24.0
    phases = np.stack([np.sin(angle), np.cos(angle)], 1)
    widths = np.zeros(19_200)
    for t in range(19_200):
        x = rng.normal() * math.exp(0.6 * phases[t, 0])
        widths[t] = bands.row(x, np.zeros(1), phase=phases[t], phases=phases[t + 1 : t + 2])[0]
    late = np.log(widths[-4800:].reshape(-1, 24).mean(0))  # row t holds the width for row t + 1
    truth = 0.6 * phases[1:25, 0]
    assert np.corrcoef(late, truth)[0, 1] > 0.97
    assert np.polyfit(truth, late, 1)[0] == pytest.approx(1.0, abs=0.25)


# ---------------------------------------------------------------- the promise


def coverage_of_windows(bands, x, f, h, first=500):
    """(windows,) coverage of every window of 500 rows, h rows ahead, and mean width over the true quantile's."""
    widths = np.array([bands.row(x[t], f[t])[h - 1] for t in range(len(x))])
    error = abs(x[first + h :] - f[first:-h, h - 1])
    total = np.concatenate([[0], np.cumsum(error <= widths[first:-h])])
    return (total[500:] - total[:-500]) / 500, widths[first:-h].mean() / np.quantile(error, 1 - RATE)


@pytest.mark.parametrize("seed", range(3))
def test_every_window_is_covered_through_a_fourfold_variance(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=6000) * np.where(np.arange(6000) < 3000, 1.0, 2.0)
    coverage, width = coverage_of_windows(Bands(1), x, np.zeros((6000, 1)), 1)
    assert coverage.min() >= 0.87
    assert coverage.max() <= 0.93
    assert width < 1.05


class BandsWithoutDebt(Bands):
    """Quantile, spread and unrest alone."""

    def issue(self, scale, unrest, phases):
        for k in range(self.h):
            self.width[self.rows % self.size, k, 0] = scale * band_basis(k + 1, unrest, phases[k], self.band[k, 0])


def test_debt_keeps_more_windows_covered_many_rows_ahead():
    """A random walk, 24 rows ahead: misses come in runs of about 24, so that not every window can be kept."""
    within, width = np.zeros((2, 3)), np.zeros((2, 3))
    for seed in range(3):
        x = np.cumsum(np.random.default_rng(seed).normal(size=4000))
        f = np.repeat(x[:, None], 24, 1)
        for i, kind in enumerate((BandsWithoutDebt, Bands)):
            coverage, width[i, seed] = coverage_of_windows(kind(24), x, f, 24)
            within[i, seed] = np.mean((coverage >= 0.87) & (coverage <= 0.93))
    assert within[1].mean() > within[0].mean() + 0.3
    assert width[1].mean() < 1.3 * width[0].mean()


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.01])
def test_far_ahead_the_share_of_misses_is_the_one_asked_for(rate):
    """Of 120 rows on their way, a small bias in what is expected of each would add up."""
    rng = np.random.default_rng(7)
    bands = Bands(120, rate=rate)
    bands.band[:, :, LOG_QUANTILE] = math.log({0.5: 0.845, 0.1: 2.06, 0.01: 3.23}[rate])
    x = rng.normal(size=5000)
    widths = np.array([bands.row(x[t], np.zeros(120))[119] for t in range(5000)])
    missed = abs(x[1120:]) > widths[1000:-120]
    assert missed.mean() == pytest.approx(rate, rel=0.1, abs=0.004)
