"""Mixing by bounded regret: the bound on sequences made to break it, and what useless experts cost."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.mixture import mixture_learn, mixture_weight


@kernel
def mix(said: Array, truth: Array, doubts: Array, keep: float, records: Array, out: Array) -> None:
    """Each row's convex mix of what the experts said, made before its truth is booked; expert 0 where none has weight.

    said (T, K)  truth (T,)  doubts (K,)  records (K, 2)  out (T,)
    """
    count = records.shape[0]
    for t in range(truth.shape[0]):
        total = away = 0.0
        for i in range(count):
            w = mixture_weight(doubts[i], records[i])
            total += w
            away += w * (said[t, i] - said[t, 0])
        out[t] = said[t, 0] + (away / total if total > 0.0 else 0.0)
        for i in range(count):
            mixture_learn(out[t] - truth[t], out[t] - said[t, i], keep, records[i])


def run(said, truth, doubts=None, keep=1.0):
    records = np.zeros((said.shape[1], 2))
    records[0] = 1.0
    out = np.zeros(len(truth))
    mix(said, truth, np.zeros(said.shape[1]) if doubts is None else np.array(doubts), keep, records, out)
    return out, records


def plain(said, truth, doubts, keep):
    """The same in NumPy."""
    regret, squares, out = np.zeros(said.shape[1]), np.zeros(said.shape[1]), []
    regret[0] = squares[0] = 1.0
    for row, y in zip(said, truth, strict=True):
        w = np.maximum(regret - doubts * np.sqrt(squares), 0) / (squares + 1e-12)
        out.append(w @ row / w.sum() if w.sum() > 0 else row[0])
        r = (out[-1] - y) * (out[-1] - row) - 0.01 * (out[-1] - row) ** 2
        regret, squares = keep * regret + r, keep * squares + r**2
    return np.array(out)


@pytest.mark.parametrize("keep", [1.0, 0.99])
@pytest.mark.parametrize("doubts", [[0.0] * 4, [0.0, 4.0, 0.0, 1.0]])
def test_it_is_the_mixture_of_the_formulas(doubts, keep):
    rng = np.random.default_rng(0)
    truth = rng.normal(size=1500)
    said = truth[:, None] + rng.normal(size=(1500, 4)) * [1.0, 0.5, 0.7, 0.6]
    out, records = run(said, truth, doubts, keep)
    np.testing.assert_allclose(out, plain(said, truth, doubts, keep), rtol=1e-9, atol=1e-12)
    assert (out >= said.min(1) - 1e-12).all(), "convex"
    assert (out <= said.max(1) + 1e-12).all()
    assert (records[:, 1] >= 0.0).all()


def adversary(kind, rows=4000):
    """Experts and truths in [0, 1] that are chosen to hurt."""
    rng = np.random.default_rng(0)
    said = np.tile([0.5, 0.0, 1.0], (rows, 1))
    if kind == "switching":  # the leader is changed as soon as there is one
        return said, (np.arange(rows) // 37 % 2).astype(float)
    if kind == "noise":
        return said, rng.integers(0, 2, rows).astype(float)
    if kind == "sleepers":  # they hardly differ for long; then by more and more, and are wrong
        away = 1e-6 * 1.5 ** (np.arange(rows) % 37)
        said = 0.5 + np.minimum(away, 0.5)[:, None] * [0.0, 1.0, -1.0]
    truth, records, out = np.zeros(rows), np.zeros((3, 2)), np.zeros(1)
    records[0] = 1.0
    for t in range(rows):  # always the farther end from what will be said
        before = records.copy()
        mix(said[t : t + 1], truth[t : t + 1], np.zeros(3), 1.0, records, out)
        truth[t] = 1.0 if out[0] <= 0.5 else 0.0
        records[:] = before
        mix(said[t : t + 1], truth[t : t + 1], np.zeros(3), 1.0, records, out)
    return said, truth


@pytest.mark.parametrize("kind", ["switching", "noise", "opposite", "sleepers"])
def test_the_regret_is_bounded_whatever_comes(kind):
    """R_i ≤ √(K (1 + ln(1 + T)) (1 + S_i)): R_i the sum of slopes against one of K experts, S_i that of their squares.

    Gaillard, Stoltz & van Erven 2014, §3, for weights R_i / (1 + S_i) and slopes within ±1. From Σ_i w_i r_i ≤ 0 comes
    Σ_i (R_i)₊² / (1 + S_i) ≤ Σ_i Σ_t r_it² / (1 + S_i,t-1) ≤ K (1 + ln(1 + T)). Here the sums of squares of all experts
    but the first start from 1e-12 instead of 1; none of these sequences makes anything of that.
    """
    said, truth = adversary(kind)
    out, records = run(said, truth)
    apart = out[:, None] - said
    slopes = (out - truth)[:, None] * apart - 0.01 * apart**2
    regret, squares = slopes.sum(0), (slopes**2).sum(0)
    bound = np.sqrt(3 * (1.0 + math.log(1.0 + len(truth))) * (1.0 + squares))
    print(f"{kind}: regrets {regret.round(2)}, bounds {bound.round(2)}")
    assert (regret <= bound).all()
    above = ((out - truth) ** 2).sum() - ((said - truth[:, None]) ** 2).sum(0)
    assert (above <= 2.0 * regret + 1e-9).all(), "squared errors: ℓ(mix) - ℓ(expert) ≤ twice that"
    np.testing.assert_allclose(records[:, 0], regret + np.array([1.0, 0.0, 0.0]), atol=1e-9)


def test_a_doubted_expert_that_is_the_best_is_followed_all_the_same():
    """Its regret may grow to so many standard errors more, no further."""
    rng = np.random.default_rng(1)
    truth = rng.normal(size=20_000)
    said = np.stack([np.zeros(20_000), truth + 0.3 * rng.normal(size=20_000)], 1)
    costs = {}
    for doubt in (0.0, 4.0):
        out, _ = run(said, truth, [0.0, doubt])
        costs[doubt] = ((out - truth) ** 2).sum() - ((said[:, 1] - truth) ** 2).sum()
        assert np.mean((out[5000:] - truth[5000:]) ** 2) < 0.1
    print("squared errors above the best expert's:", costs)
    slopes = truth**2  # of the mixture that stays at 0
    assert costs[4.0] - costs[0.0] < 2 * (4.0 + 1.0) * math.sqrt((slopes[:200] ** 2).sum())


@pytest.mark.parametrize("doubt", [0.0, 4.0])
def test_many_bad_experts_cost_next_to_nothing(doubt):
    """Eight guesses of the right size beside one good forecast and 0: the noise of their weights is paid for."""
    rng = np.random.default_rng(2)
    truth = rng.normal(size=20_000)
    good = truth + 0.3 * rng.normal(size=20_000)
    said = np.column_stack([np.zeros(20_000), good, rng.normal(size=(20_000, 8))])
    errors = []
    for count in (2, 10):
        out, _ = run(said[:, :count], truth, [0.0, 0.0, *[doubt] * (count - 2)], keep=2 ** (-4 / 1386))
        errors.append(np.mean((out[2000:] - truth[2000:]) ** 2) / np.mean((good[2000:] - truth[2000:]) ** 2) - 1.0)
    print("squared error above the good forecast's, without and with them:", errors)
    assert errors[1] < errors[0] + 0.003


def test_an_expert_that_is_all_but_exact_is_not_left_for_persistence():
    """Its tiny errors are all of one sign: a small step towards persistence would always have gained, all of the way
    would have lost much. By slopes alone persistence's regret would grow without end."""
    t = np.arange(20_000)
    truth = np.sin(t / 50.0)
    said = np.stack([np.full(len(t), 3.0), truth - 1e-4], 1)
    out, records = run(said, truth)
    assert np.abs(out[5000:] - truth[5000:]).max() < 1e-3
    assert records[1, 0] > records[0, 0]
