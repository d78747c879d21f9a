"""Of the events that a fleet tells only the promised share is false: levels, bounds from theory, and power."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streamrnn.kernels.discovery import WEALTH, discovery_age, discovery_begin, discovery_found


class Sums:
    """The same with whole histories instead of running sums."""

    def __init__(self, alpha, floor, tests):
        self.alpha, self.floor, self.tests = alpha, floor, tests
        self.now, self.levels, self.found = 0.0, [], []

    def remembered(self, what):
        return sum(size * math.exp(then - self.now) for then, size in what)

    def bound(self):
        return max(self.floor, self.alpha * max(self.remembered(self.found), 1.0))

    def begin(self):
        left = self.bound() - self.remembered(self.levels)
        level = min(1.0, left, 3.0 * left / self.tests)
        self.levels.append((self.now, level))
        return level


@pytest.mark.parametrize(("alpha", "floor", "tests"), [(0.1, 0.0, 500.0), (0.1, 7.0, 500.0), (0.3, 2.0, 1.0)])
def test_levels_are_what_the_definition_says_and_the_bound_holds_at_any_time(alpha, floor, tests):
    rng = np.random.default_rng(0)
    wealth, sums = np.zeros(WEALTH), Sums(alpha, floor, tests)
    for _ in range(600):
        gone = rng.exponential(1.0 / tests)
        discovery_age(gone, wealth)
        sums.now += gone
        bar = discovery_begin(alpha, floor, tests, wealth)
        level = sums.begin()
        assert math.exp(-bar) == pytest.approx(level, rel=1e-6)
        if rng.random() < 0.2:
            discovery_found(wealth)
            sums.found.append((sums.now, 1.0))
        assert wealth[0] == pytest.approx(sums.remembered(sums.levels), rel=1e-6)
        assert wealth[0] <= sums.bound() * (1.0 + 1e-9)


def test_where_nothing_is_ever_told_the_level_lives():
    wealth = np.zeros(WEALTH)
    for _ in range(20_000):
        discovery_age(1.0 / 500.0, wealth)
        bar = discovery_begin(0.1, 0.0, 500.0, wealth)
    assert math.exp(-bar) == pytest.approx(0.1 * 0.75 / 500.0, rel=0.01)


def fleet(seed, streams, faults, weeks, alpha, floor, wait=0.02):
    """(N, 2) time in weeks of each event that is told, and whether it is a true one; and how many true ones there were.
    Noise begins one a week and stream, p uniform; the p of true ones is e^-12. All are told `wait` after."""
    rng = np.random.default_rng(seed)
    noise, true = rng.poisson(streams * weeks), rng.poisson(faults * weeks)
    start = np.r_[rng.uniform(0, weeks, noise), rng.uniform(0, weeks, true)]
    excess = np.r_[rng.exponential(1.0, noise), np.full(true, 12.0)]
    wealth, now, waiting, told = np.zeros(WEALTH), 0.0, [], []
    for i in np.argsort(start):
        while waiting and waiting[0][0] <= start[i]:
            then, which = waiting.pop(0)
            discovery_age(then - now, wealth)
            discovery_found(wealth)
            now = then
            told.append((then, which >= noise))
        discovery_age(start[i] - now, wealth)
        now = start[i]
        if excess[i] >= discovery_begin(alpha, floor, float(streams), wealth):
            waiting.append((start[i] + wait, i))
    return np.array(told).reshape(-1, 2), true


def test_a_fleet_of_noise_stays_at_its_floor():
    """Of 500 events a week at most 7 are told, and on average 3/4 of it, as D settles there. 40 weeks, 20 fleets."""
    counts = np.array([len(fleet(seed, 500, 0.0, 40.0, 0.1, 7.0)[0]) / 40.0 for seed in range(20)])
    error = counts.std() / math.sqrt(20)
    assert counts.mean() <= 7.0 + 3.0 * error
    assert counts.mean() == pytest.approx(0.75 * 7.0, abs=0.3)


@pytest.mark.parametrize(("streams", "faults"), [(500, 20.0), (500, 200.0), (50, 5.0)])
def test_the_remembered_share_of_false_events_is_at_most_alpha(streams, faults):
    """At each of 36 days the share of false ones among those remembered; the mean over 60 fleets, by its own error.
    wait / 1 week is what is forgotten of a level before its event is told: 2 %."""
    shares, power = [], []
    for seed in range(60):
        told, true = fleet(seed, streams, faults, 9.0, 0.1, 0.0)
        share = []
        for day in range(27, 63):
            weight = np.exp(told[:, 0] - day / 7.0) * (told[:, 0] <= day / 7.0)
            share.append((weight * (told[:, 1] == 0.0)).sum() / max(weight.sum(), 1.0))
        shares.append(np.mean(share))
        power.append(told[:, 1].sum() / max(true, 1))
    assert np.mean(shares) <= 0.1 * 1.02 + 3.0 * np.std(shares) / math.sqrt(60)
    assert np.mean(shares) > 0.03, "what is allowed is used"
    assert np.mean(power) > 0.9


def test_few_streams_are_told_everything():
    """One false event a week and stream of seven that are borne: two streams have all of theirs told but one in 50."""
    told = sum(len(fleet(seed, 2, 0.0, 100.0, 0.1, 7.0)[0]) for seed in range(10))
    rng_total = sum(np.random.default_rng(seed).poisson(200) for seed in range(10))
    assert told >= 0.98 * rng_total
