"""Approximations that leave part of the influence out, against their definition in NumPy, for every cell."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from streamrnn import cells, learners
from streamrnn.cells import DENSE, DIAGONAL
from streamrnn.learners.snap import pattern
from streamrnn.testing import oracles
from streamrnn.testing.recurrence import DTS, EXACT, M, N, gradient, model_of, problem, relative

CELLS = {name: cells.get(name, {"block": 3} if name == "elman_bank" else None) for name in cells.OWN}


def masked(cell, local, kept):
    """Σ_t e_t M_t with M ← (J M) kept + D: `local` (step) → J and D, `kept` (k n, n): what is not left out."""
    theta, xs, es = problem(cell)
    k, q = cell.states(M), theta.shape[1]
    s, influence, total = np.zeros((k, N)), np.zeros((k * N, N, q)), np.zeros_like(theta)
    for x, e, dt in zip(xs, es, DTS, strict=True):
        J, D = local(cell, theta, x, s, dt)
        s = oracles.step(cell, theta, x, s, dt).real
        influence = np.einsum("rl,liq->riq", J, influence) * kept[:, :, None] + D
        total += np.einsum("r,riq->iq", e, influence[: len(e)])
    return total


def derivatives(cell, theta, x, s, dt):
    """J (k n, k n) and D (k n, n, q) by the complex step."""
    size = s.size
    J = oracles.derivative(partial(oracles.step, cell, theta, x, dt=dt), s).reshape(size, size)
    D = oracles.derivative(lambda z: oracles.step(cell, z, x, s, dt), theta).reshape(size, *theta.shape)
    return J, D


def leaks(cell, theta, x, s, dt):
    """The same, with the leak alone in place of dense blocks and nothing in place of uniform ones."""
    J, D = derivatives(cell, theta, x, s, dt)
    k = cell.states(M)
    s1, leak = oracles.step(cell, theta, x, s, dt).real, np.zeros((k * N, k * N))
    cell.leak(theta, x, dt, s, s1, leak)
    for a, row in enumerate(cell.structure(M)):
        for b, kind in enumerate(row):
            at = np.ix_(np.arange(a * N, (a + 1) * N), np.arange(b * N, (b + 1) * N))
            J[at] = J[at] if kind == DIAGONAL else leak[at] if kind == DENSE else 0.0
    return J, D


@pytest.mark.parametrize("cell", CELLS.values(), ids=[f"{name}×snap1" for name in CELLS])
def test_snap1_keeps_what_a_unit_does_to_itself(cell):
    theta, xs, es = problem(cell)
    expected = masked(cell, derivatives, np.tile(np.eye(N), (cell.states(M), 1)))
    assert relative(gradient(model_of(cell, learners.get("snap1")), theta, xs, es), expected) <= EXACT


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("cell", CELLS.values(), ids=[f"{name}×snap" for name in CELLS])
def test_snap_keeps_its_pattern(cell, order):
    theta, xs, es = problem(cell)
    expected = masked(cell, derivatives, np.tile(pattern(cell, N, M, order), (cell.states(M), 1)))
    got = gradient(model_of(cell, learners.get("snap", {"order": order})), theta, xs, es)
    assert relative(got, expected) <= EXACT


@pytest.mark.parametrize("cell", CELLS.values(), ids=[f"{name}×eprop" for name in CELLS])
def test_eprop_passes_through_leaks_alone(cell):
    theta, xs, es = problem(cell)
    expected = masked(cell, leaks, np.tile(np.eye(N), (cell.states(M), 1)))
    assert relative(gradient(model_of(cell, learners.get("eprop")), theta, xs, es), expected) <= EXACT


@pytest.mark.parametrize("cell", CELLS.values(), ids=[f"{name}×immediate" for name in CELLS])
def test_immediate_keeps_nothing(cell):
    theta, xs, es = problem(cell)
    expected = masked(cell, derivatives, np.zeros((cell.states(M) * N, N)))
    assert relative(gradient(model_of(cell, learners.get("immediate")), theta, xs, es), expected) <= EXACT


@pytest.mark.parametrize("cell", ["indrnn", "elstm", "mingru", "lru", "rtu", "iir", "jordan"])
def test_what_an_exact_learner_keeps_grows_as_the_parameters(cell):
    """Numbers in the arena, J among them: those of 8 times the units are 8 times as many, not 64 times."""
    sizes = []
    for n in (64, 512):
        carry = learners.get("rtrl").carry(cells.get(cell), n, 2)
        sizes.append(sum(int(np.prod(field.shape)) for field in carry.fields))
    assert sizes[1] <= 8.1 * sizes[0]
