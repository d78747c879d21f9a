"""What the wide expert sees: its features against plain NumPy, the phase of the season."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from streamrnn.kernels.normalise import BOUND
from streamrnn.tasks import _layout
from streamrnn.tasks._forecasting import seasonal_say
from streamrnn.tasks._wide import (
    ago,
    follow_season,
    keep_past,
    mean_ago,
    turn_ahead,
    turn_phase,
    wide_describe,
)

SIZE = 128
RATES = np.zeros(_layout.MEAN0 + len(_layout.AVERAGES))
RATES[_layout.MEAN0 :] = 1.0 - 2.0 ** (-1.0 / np.array(_layout.AVERAGES))


class Rings:
    """The past of C channels, as the kernels keep it."""

    def __init__(self, x, size=SIZE):
        channels = x.shape[1]
        self.past, self.total = np.zeros((channels, size)), np.zeros((channels, size))
        self.means = np.zeros((channels, len(_layout.AVERAGES)))
        for t, row in enumerate(x):
            for c, value in enumerate(row):
                keep_past(t, c, value, RATES, self.past, self.total, self.means)


def walk(rows, channels, seed=0):
    return np.cumsum(np.random.default_rng(seed).normal(size=(rows, channels)), 0)


@pytest.mark.parametrize("rows", [1, 2, 50, 127, 128, 129, 400, 5000])
def test_values_and_means_of_the_past(rows):
    """0 where they are not known: in a ring of 128, those of the last 127 rows are."""
    x = 1e3 + walk(rows, 2)
    rings, last = Rings(x), rows - 1
    for lag in (0, 1, 2, 60, 126, 127, 128, 300):
        known = 0 < lag <= min(last, SIZE - 1)
        assert ago(rings.past, last, 1, lag) == (x[last - lag, 1] - x[last, 1] if known else 0.0)
    for nearest, farthest in ((1, 1), (1, 5), (17, 20), (60, 126), (3, 125), (100, 127), (5, 4)):
        known = nearest <= farthest < min(last, SIZE - 1)
        mean = x[last - farthest : last - nearest + 1, 1].mean() - x[last, 1] if known else 0.0
        assert mean_ago(rings.past, rings.total, last, 1, nearest, farthest) == pytest.approx(mean, abs=1e-9)
    means = x[0].copy()[:, None] * np.ones(len(_layout.AVERAGES))
    for row in x[1:]:
        means += RATES[_layout.MEAN0 :] * (row[:, None] - means)
    np.testing.assert_allclose(rings.means, means, rtol=1e-12)


def test_running_sums_do_not_outgrow_their_precision():
    """A channel far from 0 for a million rows: sums start anew with every turn of the ring."""
    rng = np.random.default_rng(0)
    past, total, means = np.zeros((1, SIZE)), np.zeros((1, SIZE)), np.zeros((1, 5))
    x = 1e6 + rng.normal(size=100_000)
    for t, value in enumerate(x):
        keep_past(t, 0, value, RATES, past, total, means)
    assert np.abs(total).max() < 2 * SIZE * 1.1e6
    mean = x[-41:-1].mean() - x[-1]
    assert mean_ago(past, total, len(x) - 1, 0, 1, 40) == pytest.approx(mean, abs=1e-7)


def expected_features(x, c, lags, season, longer, scale, turn, relatives, state, means, daily, local):
    """The features of tasks._wide, from all values that ever came."""
    last, s = len(x) - 1, scale[c]

    def back(d, lag):
        return x[last - lag, d] - x[last, d] if 0 < lag <= min(last, SIZE - 1) else 0.0

    def block(nearest, farthest):
        if not nearest <= farthest < min(last, SIZE - 1):
            return 0.0
        return x[last - farthest : last - nearest + 1, c].mean() - x[last, c]

    span = season if season > lags + 20 else lags + 80
    edges = [lags + i * (span - lags) // 20 for i in range(21)]
    blocks = [block(a + 1, b) / s for a, b in itertools.pairwise(edges)]
    others = []
    for d in relatives:
        if d < 0 or scale[d] == 0.0:
            others += [0.0] * 4
        else:
            slow = means[d, 1] - x[last, d]
            others += [v / scale[d] for v in (back(d, 1), back(d, 2), back(d, season - 1), slow)]
    lagged = [back(c, i + 1) / s for i in range(lags)]
    average = [(m - x[last, c]) / s for m in means[c]]
    seasonal = np.zeros(8 + 16 * 6)
    if season:
        far = longer if longer > 2 * season else 7 * season
        taps = [season - 2, season - 1, season, season + 1, 2 * season - 1, 2 * season, far - 1, far]
        taps = np.clip([back(c, lag) / s for lag in taps], -BOUND, BOUND)
        angles = 2 * np.pi * np.arange(1, 9) * turn
        phase = np.column_stack([np.sin(angles), np.cos(angles)]).ravel()
        recent = np.clip([*lagged, 0.0, 0.0], -BOUND, BOUND)[:2]
        mixed = [*recent, taps[1], taps[2], np.clip(average[2], -BOUND, BOUND)]
        seasonal = np.concatenate([taps, 0.3 * phase, np.outer(phase, mixed).ravel()])
    blocks, others, rest = (np.clip(part, -BOUND, BOUND) for part in (blocks, others, [*lagged, *average]))
    hours, week = local[:8] * (not daily), local[8:]
    return np.concatenate([seasonal, hours, blocks, week, rest, state, [0.1], others])


@pytest.mark.parametrize("rows", [1, 3, 40, 90, 1000])
@pytest.mark.parametrize(
    ("season", "longer", "clocked", "daily"),
    [(0, 0, False, False), (7, 0, True, False), (12, 90, False, False), (50, 60, True, True), (24, 49, True, True)],
)
def test_features_are_those_of_the_formulas(rows, season, longer, clocked, daily):
    lags, turn, state = 3, 0.37, np.array([0.5, -0.25])
    x = walk(rows, 4)
    x[-2:] += 100.0 * (rows == 90)  # bounds are reached
    rings, scale = Rings(x), np.array([0.5, 2.0, 0.0, 1.0])
    relatives = np.array([[1, 2, -1], [0, 3, 2], [0, 1, 3], [0, 1, 2]])
    phase = np.zeros(2 * _layout.HARMONICS)
    turn_phase(turn, season, phase)
    local = np.random.default_rng(1).normal(size=50 if clocked else 0)
    for c in (0, 1, 3):
        f = np.full(_layout.SEASONAL + len(local) + 20 + 12 + lags + 5 + 3, np.nan)
        idle = wide_describe(
            rows - 1, c, lags, season, longer, scale, phase, rings.past, rings.total, rings.means, daily, local,
            relatives, state, f,
        )  # fmt: skip
        wanted = expected_features(
            x, c, lags, season, longer, scale, turn, relatives[c], state, rings.means, daily, local
        )  # fmt: skip
        np.testing.assert_allclose(f, wanted, rtol=1e-9, atol=1e-9)
        assert idle == (0 if season else _layout.SEASONAL)
    if rows == 1000:
        assert (np.abs(f[idle:]) > 0.0).sum() > 20


def test_the_layout_has_a_place_for_every_feature():
    for channels, lags, state in ((1, 0, 0), (3, 16, 8), (40, 4, 2)):
        size = _layout.SEASONAL + 20 + 4 * min(channels - 1, 8) + lags + 5 + state + 1
        assert _layout.wide_features(channels, lags, state, False) == size
        assert _layout.wide_features(channels, lags, state, True) == size + 8 + 6 * 7


def test_the_phase_goes_once_round_in_a_season():
    pace, season = np.zeros(6), np.zeros(_layout.SEASONS + 1, np.int64)
    found, phase = np.array([12, 0, 0]), np.zeros(2 * _layout.HARMONICS)
    said = []
    for row in range(36):
        turned = follow_season(found, 1, season, pace)
        assert turned == (row == 0)
        turn_phase(pace[_layout.TURN], season[0], phase)
        said.append(phase.copy())
    said = np.array(said)
    np.testing.assert_allclose(said[:12], said[12:24], atol=1e-12)
    for k in range(_layout.HARMONICS):
        wave = said[:, 2 * k + 1] + 1j * said[:, 2 * k]
        np.testing.assert_allclose(wave[1:] / wave[:-1], np.exp(2j * np.pi * (k + 1) / 12), atol=1e-9)


def test_a_length_that_is_measured_better_leaves_the_phase_where_it_is():
    pace, season = np.zeros(6), np.zeros(_layout.SEASONS + 1, np.int64)
    follow_season(np.array([100, 0, 0]), 1, season, pace)
    for _ in range(49):
        follow_season(np.array([100, 0, 0]), 1, season, pace)
    assert pace[_layout.TURN] == pytest.approx(0.5)
    assert not follow_season(np.array([103, 700, 0]), 2, season, pace), "the same season"
    assert pace[_layout.TURN] == pytest.approx(0.5 + 1 / 103)
    assert season.tolist() == [103, 700, 0, 2]
    assert follow_season(np.array([107, 0, 0]), 3, season, pace), "another one: by more than a 32nd"
    assert follow_season(np.array([0, 0, 0]), 4, season, pace)
    assert pace[_layout.TURN] == 0.0
    assert not follow_season(np.array([0, 0, 0]), 4, season, pace)
    assert follow_season(np.array([24, 0, 0]), 5, season, pace)


def test_the_phase_ahead_is_that_which_will_be():
    phase, ahead = np.zeros(2 * _layout.HARMONICS), np.zeros((60, 4))
    turn_phase(0.3, 24, phase)
    turn_ahead(phase, 24, ahead)
    for k in range(60):
        later = np.zeros(2 * _layout.HARMONICS)
        turn_phase((0.3 + (k + 1) / 24) % 1.0, 24, later)
        np.testing.assert_allclose(ahead[k], later[:4], atol=1e-12)
    phase[:] = 0.0
    turn_ahead(phase, 0, ahead)
    assert not ahead.any()


def test_seasonal_persistence_says_what_came_a_season_before():
    """And so many seasons before that it is known, beyond the first; without a season, the last value."""
    x = walk(100, 1)
    rings, said = Rings(x), np.zeros((3, 2, 20, 1))
    seasonal_say(99, 0, 1, 8, x[-1, 0], rings.past, said)
    whole = np.r_[x[:, 0], np.zeros(20)]
    for k in range(20):
        whole[100 + k] = whole[100 + k - 8]
    np.testing.assert_allclose(said[0, 1, :, 0], whole[100:], atol=1e-12)
    seasonal_say(99, 0, 1, 0, x[-1, 0], rings.past, said)
    assert (said[0, 1, :, 0] == x[-1, 0]).all()
