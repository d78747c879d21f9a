"""Check suites that every cell and learner passes, ours and yours.

    from streamrnn.testing.recurrence import check_cell, check_learner
    check_cell(MY_CELL)
    check_learner(MY_LEARNER, MY_CELL)

Each runs all of its checks and raises AssertionError at the first that fails, naming what was got and expected. The
dictionaries CELL_CHECKS and LEARNER_CHECKS are for parametrised tests.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streamrnn import updates
from streamrnn._types import Array, Floats
from streamrnn.cells import DENSE, DIAGONAL, Cell
from streamrnn.learners import Learner
from streamrnn.model import Model, Network
from streamrnn.testing import oracles

N, M, T = 5, 3, 14
EXACT = 1e-12
SINGLE = 1e-4


def problem(cell: Cell, seed: int = 0, n: int = N, m: int = M, steps: int = T) -> tuple[Floats, Floats, Floats]:
    """theta (n, q), inputs (steps, m) and loss weights (steps, n), drawn at random."""
    generator = np.random.default_rng(seed)
    theta = 0.5 * generator.normal(size=(n, cell.width(n, m)))
    return theta, generator.normal(size=(steps, m)), generator.normal(size=(steps, n))


def relative(got: Array, expected: Array) -> float:
    """Largest difference as a share of the largest expected value."""
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def cosine(a: Array, b: Array) -> float:
    """Cosine of the angle between two gradients."""
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def gradient(model: Model, theta: Floats, xs: Floats, es: Floats, dtype: str = "float64") -> Array:
    """Σ_t credit(e_t) of a net that is run over the inputs with frozen weights."""
    net = Network(model, dtype=dtype)
    net.theta[:] = theta
    total = np.zeros_like(theta)
    for x, e in zip(xs, es, strict=True):
        net.advance(x)
        total += net.credit(e)
    return total


def model_of(cell: Cell, learner: Learner, window: int = T) -> Model:
    """The pair at the sizes of `problem`."""
    return Model(cell, learner, updates.get("sgd"), N, M, window)


# ---------------------------------------------------------------- cells


def _one_step(cell: Cell) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    theta, xs, _es = problem(cell)
    k = cell.states
    s = np.random.default_rng(1).normal(size=(k, N)) * 0.5
    s1, J, D = np.zeros((k, N)), np.zeros((k * N, k * N)), np.zeros((k, N, cell.width(N, M)))
    cell.advance(theta, xs[0], s, s1)
    cell.linearize(theta, xs[0], s, s1, J, D)
    return theta, xs[0], s, s1, J, D


def advance_matches_twin(cell: Cell) -> None:
    """The compiled step is the plain Python one."""
    theta, x, s, s1, _J, _D = _one_step(cell)
    assert relative(s1, oracles.step(cell, theta, x, s).real) <= EXACT


def jacobian_matches_complex_step(cell: Cell) -> None:
    """J = ∂s1/∂s."""
    theta, x, s, _s1, J, _D = _one_step(cell)
    expected = oracles.derivative(lambda z: oracles.step(cell, theta, x, z), s).reshape(J.shape)
    assert relative(J, expected) <= EXACT


def parameters_are_unit_local(cell: Cell) -> None:
    """∂s1[a, j]/∂theta[i] is 0 for j ≠ i, and D[a, i] for j = i."""
    theta, x, s, _s1, _J, D = _one_step(cell)
    full = oracles.derivative(lambda z: oracles.step(cell, z, x, s), theta)  # (k, n, n, q)
    own = np.eye(N, dtype=bool)
    assert np.abs(full[:, ~own]).max() == 0.0, "a parameter moves another unit's state at once"
    assert relative(D, full[:, own]) <= EXACT


def structure_is_as_declared(cell: Cell) -> None:
    """The blocks of J that are declared zero or diagonal are so."""
    _theta, _x, _s, _s1, J, _D = _one_step(cell)
    k = cell.states
    assert np.shape(cell.structure) == (k, k)
    for a in range(k):
        for b in range(k):
            block = J[a * N : (a + 1) * N, b * N : (b + 1) * N]
            if cell.structure[a][b] == DIAGONAL:
                assert (block[~np.eye(N, dtype=bool)] == 0.0).all(), f"block ({a}, {b}) is declared diagonal"
            elif cell.structure[a][b] != DENSE:
                assert (block == 0.0).all(), f"block ({a}, {b}) is declared zero"


def arguments_are_left_alone(cell: Cell) -> None:
    """Neither kernel writes to theta, x, s or (linearize) s1."""
    theta, xs, _es = problem(cell)
    s, s1 = np.full((cell.states, N), 0.3), np.zeros((cell.states, N))
    J, D = np.zeros((cell.states * N, cell.states * N)), np.zeros((cell.states, N, cell.width(N, M)))
    before = [a.copy() for a in (theta, xs[0], s)]
    cell.advance(theta, xs[0], s, s1)
    after = s1.copy()
    cell.linearize(theta, xs[0], s, s1, J, D)
    for old, new in zip([*before, after], (theta, xs[0], s, s1), strict=True):
        np.testing.assert_array_equal(old, new)


def start_is_usable(cell: Cell) -> None:
    """init gives (n, q) finite numbers, the same for the same seed, and a state that stays bounded for 2000 steps."""
    first, again = (cell.init(N, M, np.random.default_rng(3)) for _ in range(2))
    assert first.shape == (N, cell.width(N, M))
    np.testing.assert_array_equal(first, again)
    s, s1 = np.zeros((cell.states, N)), np.zeros((cell.states, N))
    for x in np.random.default_rng(4).normal(size=(2000, M)):
        cell.advance(first, x, s, s1)
        s, s1 = s1, s
    assert np.abs(s).max() < 1e3


def single_precision_follows(cell: Cell) -> None:
    """float32 arrays give the float64 result to 1e-5."""
    theta, xs, _es = problem(cell)
    s = np.full((cell.states, N), 0.3)
    wide, narrow = np.zeros((cell.states, N)), np.zeros((cell.states, N), np.float32)
    cell.advance(theta, xs[0], s, wide)
    cell.advance(theta.astype(np.float32), xs[0].astype(np.float32), s.astype(np.float32), narrow)
    assert relative(narrow, wide) <= 1e-5


CELL_CHECKS: dict[str, Callable[[Cell], None]] = {
    f.__name__: f
    for f in (
        advance_matches_twin, jacobian_matches_complex_step, parameters_are_unit_local, structure_is_as_declared,
        arguments_are_left_alone, start_is_usable, single_precision_follows,
    )
}  # fmt: skip


# ---------------------------------------------------------------- learners


def gradient_matches_oracle(learner: Learner, cell: Cell) -> None:
    """An exact pair gives the complex-step gradient to 1e-12; any other points the same way as it, roughly."""
    theta, xs, es = problem(cell)
    got, expected = (
        gradient(model_of(cell, learner, 1), theta, xs, es),
        oracles.trajectory_gradient(cell, theta, xs, es),
    )
    if learner.is_exact(cell):
        assert relative(got, expected) <= EXACT, relative(got, expected)
    else:
        assert 0.3 < cosine(got, expected) < 1.0 - EXACT, "an approximation that is exact should say so"


def single_precision_gradient(learner: Learner, cell: Cell) -> None:
    """float32 gives the float64 gradient to 1e-4."""
    theta, xs, es = problem(cell)
    narrow, wide = (gradient(model_of(cell, learner), theta, xs, es, d) for d in ("float32", "float64"))
    assert relative(narrow, wide) <= SINGLE


def state_is_the_cells(learner: Learner, cell: Cell) -> None:
    """Carrying influence changes nothing of the state itself."""
    theta, xs, _es = problem(cell)
    net = Network(model_of(cell, learner))
    net.theta[:] = theta
    s, s1 = np.zeros((cell.states, N)), np.zeros((cell.states, N))
    for x in xs:
        net.advance(x)
        cell.advance(theta, x, s, s1)
        s, s1 = s1, s
    np.testing.assert_array_equal(net.state, s)


def credit_is_pure_and_linear(learner: Learner, cell: Cell) -> None:
    """credit changes nothing, and credit(2 a) = 2 credit(a) to rounding."""
    theta, xs, es = problem(cell)
    net = Network(model_of(cell, learner))
    net.theta[:] = theta
    for x in xs:
        net.advance(x)
    once, again, double = net.credit(es[0]), net.credit(es[0]), net.credit(2.0 * es[0])
    np.testing.assert_array_equal(once, again)
    assert relative(double, 2.0 * once) <= EXACT


def continues_from_a_snapshot(learner: Learner, cell: Cell) -> None:
    """All that is carried lies in the arena: a restored net goes on to the same bits."""
    theta, xs, es = problem(cell)
    net = Network(model_of(cell, learner))
    net.theta[:] = theta
    for x in xs[:7]:
        net.advance(x)
    kept = net.arena.snapshot()
    runs = []
    for _ in range(2):
        net.arena.restore(kept)
        for x, e in zip(xs[7:], es[7:], strict=True):
            net.advance(x)
            net.credit(e)
            net.apply(0.01)
        runs.append(net.arena.snapshot())
    np.testing.assert_array_equal(runs[0], runs[1])


LEARNER_CHECKS: dict[str, Callable[[Learner, Cell], None]] = {
    f.__name__: f
    for f in (
        gradient_matches_oracle, single_precision_gradient, state_is_the_cells, credit_is_pure_and_linear,
        continues_from_a_snapshot,
    )
}  # fmt: skip


def check_cell(cell: Cell) -> None:
    """All checks of a cell."""
    for check in CELL_CHECKS.values():
        check(cell)


def check_learner(learner: Learner, cell: Cell) -> None:
    """All checks of a learner on a cell."""
    for check in LEARNER_CHECKS.values():
        check(learner, cell)
