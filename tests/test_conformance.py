"""Every cell, and every pair of cell and learner, through its public check suite; identities between learners."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from streamrnn import cells, learners, updates
from streamrnn.learners.rtrl import DENSE_RTRL
from streamrnn.model import Model
from streamrnn.testing import oracles
from streamrnn.testing.recurrence import (
    CELL_CHECKS,
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
)  # fmt: skip

CELLS, LEARNERS = list(cells.OWN), list(learners.OWN)
PAIRS = list(itertools.product(CELLS, LEARNERS))


@pytest.mark.parametrize(
    ("cell", "check"), [pytest.param(c, k, id=f"{c}:{k}") for c, k in itertools.product(CELLS, CELL_CHECKS)]
)
def test_cell(cell, check):
    CELL_CHECKS[check](cells.get(cell))


@pytest.mark.parametrize(
    ("cell", "learner", "check"),
    [pytest.param(c, le, k, id=f"{c}×{le}:{k}") for (c, le), k in itertools.product(PAIRS, LEARNER_CHECKS)],
)
def test_pair(cell, learner, check):
    LEARNER_CHECKS[check](learners.get(learner), cells.get(cell))


@pytest.mark.parametrize("cell", CELLS)
def test_cell_matches_its_second_writing(cell):
    theta, xs, _es = problem(cells.get(cell))
    k = cells.get(cell).states
    s, s1 = np.full((k, N), 0.4), np.zeros((k, N))
    cells.get(cell).advance(theta, xs[0], s, s1)
    assert relative(s1, oracles.STEPS[cell](theta, xs[0], s)) <= EXACT


@pytest.mark.parametrize("cell", CELLS)
def test_rtrl_is_full_backpropagation(cell):
    c = cells.get(cell)
    theta, xs, es = problem(c)
    assert (
        relative(gradient(model_of(c, learners.get("rtrl")), theta, xs, es), oracles.backpropagation(c, theta, xs, es))
        <= EXACT
    )


@pytest.mark.parametrize("window", [T, T + 1, 3 * T])
@pytest.mark.parametrize("cell", CELLS)
def test_tbptt_with_a_window_that_holds_all_is_exact(cell, window):
    c = cells.get(cell)
    theta, xs, es = problem(c)
    got = gradient(model_of(c, learners.get("tbptt"), window), theta, xs, es)
    assert relative(got, oracles.trajectory_gradient(c, theta, xs, es)) <= EXACT


@pytest.mark.parametrize("cell", CELLS)
def test_tbptt_of_one_step_is_immediate(cell):
    c = cells.get(cell)
    theta, xs, es = problem(c)
    one = gradient(model_of(c, learners.get("tbptt"), 1), theta, xs, es)
    assert relative(one, gradient(model_of(c, learners.get("immediate")), theta, xs, es)) <= EXACT


@pytest.mark.parametrize("window", [2, 5])
@pytest.mark.parametrize("cell", CELLS)
def test_tbptt_cuts_after_its_window(cell, window):
    """Against the definition: the loss of step t as a function of the last `window` steps alone."""
    c = cells.get(cell)
    theta, xs, es = problem(c)
    k, states = c.states, [np.zeros((c.states, N))]
    for x in xs:
        states.append(oracles.step(c, theta, x, states[-1]).real)
    expected = np.zeros_like(theta)
    for t in range(T):
        start = max(t + 1 - window, 0)

        def tail(parameters, start=start, t=t):
            s = states[start]
            for x in xs[start : t + 1]:
                s = oracles.step(c, parameters, x, s)
            return es[t] @ s.reshape(k, N)[0]

        expected += oracles.derivative(tail, theta)
    assert relative(gradient(model_of(c, learners.get("tbptt"), window), theta, xs, es), expected) <= EXACT


def test_diagonal_rtrl_is_dense_rtrl_on_a_diagonal_cell():
    c = cells.get("indrnn")
    theta, xs, es = problem(c)
    rtrl = learners.get("rtrl")
    dense = Model(c, rtrl, updates.get("sgd"), N, M, carry=DENSE_RTRL)
    assert relative(gradient(model_of(c, rtrl), theta, xs, es), gradient(dense, theta, xs, es)) <= EXACT


def test_snap1_is_rtrl_on_a_diagonal_cell():
    c = cells.get("indrnn")
    theta, xs, es = problem(c)
    rtrl, snap = (gradient(model_of(c, learners.get(name)), theta, xs, es) for name in ("rtrl", "snap1"))
    np.testing.assert_array_equal(rtrl, snap)


@pytest.mark.parametrize(
    ("cell", "learner"), [(c, le) for c, le in PAIRS if not learners.get(le).is_exact(cells.get(c))]
)
def test_cosine_of_approximations_is_reported(cell, learner, record_property):
    c = cells.get(cell)
    found = []
    for seed in range(5):
        theta, xs, es = problem(c, seed)
        exact = oracles.trajectory_gradient(c, theta, xs, es)
        found.append(cosine(gradient(model_of(c, learners.get(learner), 4), theta, xs, es), exact))
    record_property("cosine", float(np.median(found)))
    print(f"{cell} x {learner}: median cosine to the exact gradient {np.median(found):.3f}")
    assert 0.3 < np.median(found) <= 1.0


def test_the_suite_finds_a_wrong_derivative():
    """A cell whose linearize forgets a factor does not pass."""
    from dataclasses import replace

    good = cells.get("indrnn")

    def wrong(theta, x, s, s1, J, D):
        good.linearize(theta, x, s, s1, J, D)
        D *= 0.999

    with pytest.raises(AssertionError):
        check_cell(replace(good, linearize=wrong))
