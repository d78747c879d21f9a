"""Check suites that every cell and learner passes, ours and yours.

    from streamrnn.testing.recurrence import check_cell, check_learner
    check_cell(MY_CELL)
    check_learner(MY_LEARNER, MY_CELL)

Each runs all of its checks and raises AssertionError at the first that fails, naming what was got and expected. The
dictionaries CELL_CHECKS and LEARNER_CHECKS are for parametrised tests.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from streamrnn import updates
from streamrnn._types import Array, Floats
from streamrnn.cells import DENSE, DIAGONAL, UNIFORM, Cell
from streamrnn.learners import Learner
from streamrnn.learners._blocks import at, local_fields
from streamrnn.model import Model, Network
from streamrnn.testing import oracles

N, M, T = 6, 3, 14
DTS = np.array([1.0, 0.5, 2.0, 1.0, 0.25, 3.0, 1.0, 1.0, 0.7, 1.3, 1.0, 5.0, 0.1, 1.0])
"""Lengths of the T steps: irregular, for cells that take the elapsed time."""
EXACT = 1e-12
SINGLE = 1e-4


def problem(cell: Cell, seed: int = 0, n: int = N, m: int = M, steps: int = T) -> tuple[Floats, Floats, Floats]:
    """theta (n, q), inputs (steps, m) and loss weights (steps, seen n), drawn at random."""
    generator = np.random.default_rng(seed)
    q = cell.width(n, m)
    theta = min(0.5, 1.2 / q**0.5) * generator.normal(size=(n, q))  # wide rows would make a net that is near chaos
    return theta, generator.normal(size=(steps, m)), generator.normal(size=(steps, cell.seen * n))


def relative(got: Array, expected: Array) -> float:
    """Largest difference as a share of the largest expected value."""
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def agree(what: str, got: Array, expected: Array, size: float | None = None) -> None:
    """Raises AssertionError naming the entry that is farthest off, if by more than 1e-12 of the largest."""
    assert np.shape(got) == np.shape(expected), f"{what}: shape {np.shape(got)}, expected {np.shape(expected)}"
    size = float(np.abs(expected).max()) if size is None else size
    off = np.abs(got - expected)
    if not off.max() <= EXACT * size:
        at = tuple(int(i) for i in np.unravel_index(int(np.nanargmax(off)) if np.isfinite(off).any() else 0, off.shape))
        raise AssertionError(f"{what}{list(at)} is {got[at]:.9g}, the complex step says {expected[at]:.9g}")


def cosine(a: Array, b: Array) -> float:
    """Cosine of the angle between two gradients."""
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def gradient(model: Model, theta: Floats, xs: Floats, es: Floats, dtype: str = "float64") -> Array:
    """Σ_t credit(e_t) of a net that is run over the inputs with frozen weights."""
    net = Network(model, dtype=dtype)
    net.theta[:] = theta
    total = np.zeros_like(theta)
    for x, e, dt in zip(xs, es, DTS, strict=True):
        net.advance(x, dt)
        total += net.credit(e)
    return total


def model_of(cell: Cell, learner: Learner) -> Model:
    """The pair at the sizes of `problem`."""
    return Model(cell, learner, updates.get("sgd"), N, M)


def serves(learner: Learner, cell: Cell) -> bool:
    """Whether this pair is possible."""
    return learner.refuses(cell, M) is None


# ---------------------------------------------------------------- cells


LENGTHS = (1.0, 0.37, 2.5)
"""Lengths of a step at which the derivatives are checked."""


def _one_step(cell: Cell, dt: float) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats, Floats]:
    theta, xs, _es = problem(cell)
    k = cell.states(M)
    s = np.random.default_rng(1).normal(size=(k, N)) * 0.5
    s1, B = np.zeros((k, N)), np.zeros((k * N, M))
    J, D = _places(cell)
    cell.advance(theta, xs[0], dt, s, s1)
    cell.linearize(theta, xs[0], dt, s, s1, J, D)
    cell.respond(theta, xs[0], dt, s, s1, B)
    structure = np.array(cell.structure(M))
    whole = np.array([[at(structure, J, N, r, c) for c in range(k * N)] for r in range(k * N)])
    return theta, xs[0], s, s1, whole, D, B


def _places(cell: Cell) -> tuple[Floats, Floats]:
    """J, of which nothing may be read that the cell has not written (or has no link for), and D."""
    J, D = (np.zeros(field.shape) for field in local_fields(cell, N, M))
    return J + (np.nan if cell.links(N).all() else 0.0), D


def advance_matches_twin(cell: Cell) -> None:
    """The compiled step is the plain Python one."""
    for dt in LENGTHS:
        theta, x, s, s1, _J, _D, _B = _one_step(cell, dt)
        agree(f"advance, dt = {dt}: s1", s1, oracles.step(cell, theta, x, s, dt).real)


def elapsed_time_counts_where_declared(cell: Cell) -> None:
    """A timed cell depends on dt, any other does not."""
    first, second = _one_step(cell, 1.0)[3], _one_step(cell, 2.5)[3]
    assert bool((first == second).all()) is not cell.timed, f"timed = {cell.timed} does not hold"


def jacobian_matches_complex_step(cell: Cell) -> None:
    """J = ∂s1/∂s."""
    for dt in LENGTHS:
        theta, x, s, _s1, J, _D, _B = _one_step(cell, dt)
        expected = oracles.derivative(partial(oracles.step, cell, theta, x, dt=dt), s).reshape(J.shape)
        agree(f"linearize, dt = {dt}: J", J, expected, max(float(np.abs(expected).max()), 1.0))


def response_matches_complex_step(cell: Cell) -> None:
    """B = ∂s1/∂x."""
    for dt in LENGTHS:
        theta, x, s, _s1, _J, _D, B = _one_step(cell, dt)
        expected = oracles.derivative(partial(_step_of_input, cell, theta, s, dt), x).reshape(B.shape)
        agree(f"respond, dt = {dt}: B", B, expected)


def _step_of_input(cell: Cell, theta: Array, s: Array, dt: float, x: Array) -> Array:
    return oracles.step(cell, theta, x, s, dt)


def _step_of_theta(cell: Cell, x: Array, s: Array, dt: float, theta: Array) -> Array:
    return oracles.step(cell, theta, x, s, dt)


def parameters_are_unit_local(cell: Cell) -> None:
    """∂s1[a, j]/∂theta[i] is 0 for j ≠ i, and D[a, i] for j = i."""
    own = np.eye(N, dtype=bool)
    for dt in LENGTHS:
        theta, x, s, _s1, _J, D, _B = _one_step(cell, dt)
        full = oracles.derivative(partial(_step_of_theta, cell, x, s, dt), theta)  # (k, n, n, q)
        assert np.abs(full[:, ~own]).max() == 0.0, "a parameter moves another unit's state at once"
        agree(f"linearize, dt = {dt}: D", D, full[:, own])


def structure_is_as_declared(cell: Cell) -> None:
    """The blocks of J are as declared, dense ones within the links; `shared` rows of D are alike up to a factor."""
    theta, x, s, _s1, _J, D, _B = _one_step(cell, 1.0)
    k, own, links = cell.states(M), np.eye(N, dtype=bool), cell.links(N)
    assert links.shape == (N, N)
    assert np.shape(cell.structure(M)) == (k, k)
    J = oracles.derivative(partial(oracles.step, cell, theta, x), s).reshape(k * N, k * N)
    for a, row in enumerate(cell.structure(M)):
        for b, kind in enumerate(row):
            block = J[a * N : (a + 1) * N, b * N : (b + 1) * N]
            if kind == DIAGONAL:
                assert (block[~own] == 0.0).all(), f"block ({a}, {b}) is declared diagonal"
            elif kind == DENSE:
                assert (block[~links] == 0.0).all(), f"block ({a}, {b}) has entries that `links` lacks"
            elif kind == UNIFORM:
                assert (block == block[:, :1]).all(), f"block ({a}, {b}) is declared uniform"
            else:
                assert (block == 0.0).all(), f"block ({a}, {b}) is declared zero"
    if cell.shared:
        assert np.linalg.matrix_rank(D.reshape(k * N, -1), tol=1e-9) == 1, "declared to share one row"


def leak_is_a_units_own(cell: Cell) -> None:
    """What `leak` writes lies on the diagonals of dense blocks."""
    theta, x, s, s1, _J, _D, _B = _one_step(cell, 0.7)
    k = cell.states(M)
    leak = np.zeros((k * N, k * N))
    cell.leak(theta, x, 0.7, s, s1, leak)
    for a, row in enumerate(cell.structure(M)):
        for b, kind in enumerate(row):
            block = leak[a * N : (a + 1) * N, b * N : (b + 1) * N]
            assert kind == DENSE or not block.any(), "leaks belong to dense blocks"
            assert not block[~np.eye(N, dtype=bool)].any(), "a leak is a unit's own"


def arguments_are_left_alone(cell: Cell) -> None:
    """No kernel writes to theta, x, s or (linearize) s1."""
    theta, xs, _es = problem(cell)
    k = cell.states(M)
    s, s1 = np.full((k, N), 0.3), np.zeros((k, N))
    J, D = _places(cell)
    B = np.zeros((k * N, M))
    before = [a.copy() for a in (theta, xs[0], s)]
    cell.advance(theta, xs[0], 1.0, s, s1)
    after = s1.copy()
    cell.linearize(theta, xs[0], 1.0, s, s1, J, D)
    cell.respond(theta, xs[0], 1.0, s, s1, B)
    for old, new in zip([*before, after], (theta, xs[0], s, s1), strict=True):
        np.testing.assert_array_equal(old, new)


def start_is_usable(cell: Cell) -> None:
    """init gives (n, q) finite numbers, the same for the same seed, and a state that stays bounded for 2000 steps."""
    first, again = (cell.init(N, M, np.random.default_rng(3)) for _ in range(2))
    assert first.shape == (N, cell.width(N, M)), f"init gave {first.shape}, width says {(N, cell.width(N, M))}"
    np.testing.assert_array_equal(first, again)
    s, s1 = np.zeros((cell.states(M), N)), np.zeros((cell.states(M), N))
    for x in np.random.default_rng(4).normal(size=(2000, M)):
        cell.advance(first, x, 1.0, s, s1)
        s, s1 = s1, s
    assert np.abs(s).max() < 1e3


def single_precision_follows(cell: Cell) -> None:
    """float32 arrays give the float64 result to 1e-5."""
    theta, xs, _es = problem(cell)
    s = np.full((cell.states(M), N), 0.3)
    wide, narrow = np.zeros((cell.states(M), N)), np.zeros((cell.states(M), N), np.float32)
    cell.advance(theta, xs[0], 1.0, s, wide)
    cell.advance(theta.astype(np.float32), xs[0].astype(np.float32), 1.0, s.astype(np.float32), narrow)
    assert relative(narrow, wide) <= 1e-5


CELL_CHECKS: dict[str, Callable[[Cell], None]] = {
    f.__name__: f
    for f in (
        advance_matches_twin, elapsed_time_counts_where_declared, jacobian_matches_complex_step,
        response_matches_complex_step, parameters_are_unit_local, structure_is_as_declared,
        leak_is_a_units_own, arguments_are_left_alone, start_is_usable, single_precision_follows,
    )
}  # fmt: skip


# ---------------------------------------------------------------- learners


def gradient_matches_oracle(learner: Learner, cell: Cell) -> None:
    """An exact pair gives the complex-step gradient to 1e-12; an approximation points the same way as it, roughly."""
    theta, xs, es = problem(cell)
    got = gradient(model_of(cell, learner), theta, xs, es)
    expected = oracles.trajectory_gradient(cell, theta, xs, es, DTS)
    if not learner.learns:
        assert not got.any(), "a learner that does not learn has no gradient"
    elif learner.exact(cell, N, M):
        assert relative(got, expected) <= EXACT, relative(got, expected)
    else:
        long = dict(learner.chosen).get("window", 0) >= T  # a window that holds the whole of this short past
        assert long or relative(got, expected) > EXACT, "an approximation that is exact should say so"
        if not learner.unbiased:  # those are right on average only; their tests draw many seeds
            assert cosine(got, expected) > 0.3, cosine(got, expected)


def single_precision_gradient(learner: Learner, cell: Cell) -> None:
    """float32 gives the float64 gradient to 1e-4."""
    theta, xs, es = problem(cell)
    narrow, wide = (gradient(model_of(cell, learner), theta, xs, es, d) for d in ("float32", "float64"))
    assert np.abs(narrow - wide).max() <= SINGLE * np.abs(wide).max()


def state_is_the_cells(learner: Learner, cell: Cell) -> None:
    """Carrying influence changes nothing of the state itself."""
    theta, xs, _es = problem(cell)
    net = Network(model_of(cell, learner))
    net.theta[:] = theta
    s, s1 = np.zeros((cell.states(M), N)), np.zeros((cell.states(M), N))
    for x, dt in zip(xs, DTS, strict=True):
        net.advance(x, dt)
        cell.advance(theta, x, dt, s, s1)
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
    np.testing.assert_allclose(double, 2.0 * once, rtol=EXACT, atol=EXACT * np.abs(once).max())


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
