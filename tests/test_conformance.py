"""Every cell, and every pair of cell and learner, through its public check suite; identities between learners."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from streamrnn import cells, learners
from streamrnn.learners.rtrl import dense
from streamrnn.learners.tbptt import tbptt
from streamrnn.testing import oracles
from streamrnn.testing.recurrence import (
    CELL_CHECKS,
    DTS,
    EXACT,
    LEARNER_CHECKS,
    M,
    N,
    T,
    check_cell,
    cosine,
    gradient,
    model_of,
    problem,
    relative,
    serves,
)  # fmt: skip
from streamrnn.testing.second_writings import STEPS

CELLS, LEARNERS = list(cells.OWN), list(learners.OWN)
CELL_OPTIONS = {"elman_bank": {"block": 3}}
LEARNER_OPTIONS = {"tbptt": {"window": 3}}


def cell_of(name):
    return cells.get(name, CELL_OPTIONS.get(name))


def learner_of(name):
    return learners.get(name, LEARNER_OPTIONS.get(name))


PAIRS = [(c, le) for c, le in itertools.product(CELLS, LEARNERS) if serves(learner_of(le), cell_of(c))]
EXACT_PAIRS = [(c, le) for c, le in PAIRS if learner_of(le).exact(cell_of(c), N, M)]


@pytest.mark.parametrize(
    ("cell", "check"), [pytest.param(c, k, id=f"{c}:{k}") for c, k in itertools.product(CELLS, CELL_CHECKS)]
)
def test_cell(cell, check):
    CELL_CHECKS[check](cell_of(cell))


@pytest.mark.parametrize(
    ("cell", "learner", "check"),
    [pytest.param(c, le, k, id=f"{c}×{le}:{k}") for (c, le), k in itertools.product(PAIRS, LEARNER_CHECKS)],
)
def test_pair(cell, learner, check):
    LEARNER_CHECKS[check](learner_of(learner), cell_of(cell))


@pytest.mark.parametrize("cell", CELLS)
def test_cell_matches_its_second_writing(cell):
    theta, xs, _es = problem(cell_of(cell))
    k = cell_of(cell).states(M)
    s, s1 = np.full((k, N), 0.4), np.zeros((k, N))
    for dt in (1.0, 0.6):
        cell_of(cell).advance(theta, xs[0], dt, s, s1)
        assert relative(s1, STEPS[cell](theta, xs[0], dt, s)) <= EXACT


@pytest.mark.parametrize("cell", CELLS, ids=[f"{c}×rtrl" for c in CELLS])
def test_rtrl_is_full_backpropagation(cell):
    c = cell_of(cell)
    theta, xs, es = problem(c)
    got = gradient(model_of(c, learners.get("rtrl")), theta, xs, es)
    assert relative(got, oracles.backpropagation(c, theta, xs, es, DTS)) <= EXACT


@pytest.mark.parametrize("window", [T, T + 1, 3 * T])
@pytest.mark.parametrize("cell", CELLS, ids=[f"{c}×tbptt" for c in CELLS])
def test_tbptt_with_a_window_that_holds_all_is_exact(cell, window):
    c = cell_of(cell)
    theta, xs, es = problem(c)
    got = gradient(model_of(c, tbptt(window)), theta, xs, es)
    assert relative(got, oracles.trajectory_gradient(c, theta, xs, es, DTS)) <= EXACT


@pytest.mark.parametrize("cell", CELLS, ids=[f"{c}×tbptt" for c in CELLS])
def test_tbptt_of_one_step_is_immediate(cell):
    c = cell_of(cell)
    theta, xs, es = problem(c)
    one = gradient(model_of(c, tbptt(1)), theta, xs, es)
    assert relative(one, gradient(model_of(c, learners.get("immediate")), theta, xs, es)) <= EXACT


@pytest.mark.parametrize(("window", "stride"), [(2, 1), (5, 1), (5, 2), (7, 7)])
@pytest.mark.parametrize("cell", CELLS, ids=[f"{c}×tbptt" for c in CELLS])
def test_tbptt_cuts_after_its_window(cell, window, stride):
    """Against the definition: the losses of `stride` steps as a function of the last `window` steps alone."""
    c = cell_of(cell)
    theta, xs, es = problem(c)
    k, states = c.states(M), [np.zeros((c.states(M), N))]
    for x, dt in zip(xs, DTS, strict=True):
        states.append(oracles.step(c, theta, x, states[-1], dt).real)
    expected = np.zeros_like(theta)
    for end in range(stride, T + 1, stride):
        start = max(end - window, 0)

        def tail(parameters, start=start, end=end):
            s, total = states[start], 0.0j
            for t in range(start, end):
                s = oracles.step(c, parameters, xs[t], s, DTS[t])
                if t >= end - stride:
                    total += es[t] @ s.reshape(k, N)[: c.seen].reshape(-1)
            return np.array(total)

        expected += oracles.derivative(tail, theta)
    assert relative(gradient(model_of(c, tbptt(window, stride)), theta, xs, es), expected) <= EXACT


@pytest.mark.parametrize("cell", CELLS, ids=[f"{c}×rtrl" for c in CELLS])
def test_the_smallest_influence_is_the_dense_one(cell):
    """Traces, sums and patterns are forms of one gradient."""
    c = cell_of(cell)
    theta, xs, es = problem(c)
    rtrl = learners.get("rtrl")
    whole = gradient(model_of(c, replace(rtrl, carry=dense)), theta, xs, es)
    assert relative(gradient(model_of(c, rtrl), theta, xs, es), whole) <= EXACT


def test_snap1_is_rtrl_on_a_diagonal_cell():
    c = cells.get("indrnn")
    theta, xs, es = problem(c)
    rtrl, snap = (gradient(model_of(c, learners.get(name)), theta, xs, es) for name in ("rtrl", "snap1"))
    np.testing.assert_array_equal(rtrl, snap)


BIASED = [
    (c, le) for c, le in PAIRS if (c, le) not in EXACT_PAIRS and learner_of(le).learns and not learner_of(le).unbiased
]


@pytest.mark.parametrize(("cell", "learner"), BIASED, ids=[f"{c}×{le}" for c, le in BIASED])
def test_cosine_of_approximations_is_reported(cell, learner, record_property):
    c = cell_of(cell)
    found = []
    for seed in range(5):
        theta, xs, es = problem(c, seed)
        exact = oracles.trajectory_gradient(c, theta, xs, es, DTS)
        found.append(cosine(gradient(model_of(c, learner_of(learner)), theta, xs, es), exact))
    record_property("cosine", float(np.median(found)))
    print(f"{cell} x {learner}: median cosine to the exact gradient {np.median(found):.3f}")
    assert 0.0 < np.median(found) <= 1.0


def test_the_suite_finds_a_wrong_derivative():
    """A cell whose linearize forgets a factor does not pass."""
    good = cells.get("indrnn")

    def wrong(theta, x, dt, s, s1, J, D):
        good.linearize(theta, x, dt, s, s1, J, D)
        D *= 0.999

    with pytest.raises(AssertionError):
        check_cell(replace(good, linearize=wrong))
