"""Cells whose units remember only themselves: against closed forms, at irregular times, at the edge of stability."""

from __future__ import annotations

import numpy as np
import pytest

from streamrnn._bind import python_function
from streamrnn._options import choose
from streamrnn.cells import DIAGONAL
from streamrnn.cells.elstm import ELSTM
from streamrnn.cells.iir import IIR, iir
from streamrnn.cells.indrnn import INDRNN, indrnn
from streamrnn.cells.lru import LRU, lru
from streamrnn.cells.mingru import MINGRU
from streamrnn.cells.rtu import RTU, rtu
from streamrnn.errors import ModelError
from streamrnn.testing import second_writings
from streamrnn.testing.oracles import complex_twin, derivative

N, M = 4, 3
EXACT = 1e-12
CELLS = [ELSTM, INDRNN, LRU, RTU, MINGRU, IIR]


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def run(cell, theta, xs, dts, s=None):
    """States (steps, k, n) from s, or from 0."""
    s = np.zeros((cell.states(xs.shape[1]), len(theta))) if s is None else s
    states = []
    for x, dt in zip(xs, dts, strict=True):
        s1 = np.empty_like(s)
        cell.advance(theta, x, float(dt), s, s1)
        states.append(s1)
        s = s1
    return np.array(states)


def relative(got, expected):
    return np.abs(got - expected).max() / np.abs(expected).max()


def whole(cell, J):
    """∂s1/∂s (k N, k N), of J (k N, k) as diagonal blocks are written."""
    k = cell.states(M)
    out = np.zeros((k, N, k, N))
    for a, row in enumerate(cell.structure(M)):
        for b, kind in enumerate(row):
            if kind == DIAGONAL:
                out[a, range(N), b, range(N)] = J[a * N : (a + 1) * N, b]
    return out.reshape(k * N, k * N)


@pytest.mark.parametrize("h", [1.0, 0.37, 2.5])
@pytest.mark.parametrize("cell", [*CELLS, lru(30.0, 3600.0), rtu(30.0, 3600.0)], ids=lambda c: f"{c.name} {c.chosen}")
def test_step_and_derivatives(cell, h):
    """Against the second writing and the complex step, in arrays with more rows than needed."""
    dt = 30.0 * h if cell.seconds else h
    k, q = cell.states(M), cell.width(N, M)
    theta, x, s = np.full((N, q + 2), np.nan), random(M, seed=1), np.full((k + 1, N), np.nan)
    theta[:, :q], s[:k] = 0.5 * random(N, q), 0.5 * random(k, N, seed=2)
    s1, B = np.empty_like(s), np.empty((k * N, M))
    J, D = np.full(((k + 1) * N, k), np.nan), np.empty((k + 1, N, q + 2))
    cell.advance(theta, x, dt, s, s1)
    cell.linearize(theta, x, dt, s, s1, J, D)
    cell.respond(theta, x, dt, s, s1, B)

    def step(theta, x, s):
        out = np.zeros((k, N), complex)
        complex_twin(cell.advance)(theta.astype(complex), x.astype(complex), dt, s.astype(complex), out)
        return out

    theta, s, s1, own = theta[:, :q], s[:k], s1[:k], np.eye(N, dtype=bool)
    assert relative(s1, getattr(second_writings, cell.name)(theta, x, h, s)) <= EXACT
    assert relative(whole(cell, J), derivative(lambda z: step(theta, x, z), s).reshape(k * N, -1)) <= EXACT
    assert relative(B, derivative(lambda z: step(theta, z, s), x).reshape(k * N, M)) <= EXACT
    expected = derivative(lambda z: step(z, x, s), theta)
    assert not expected[:, ~own].any()
    for p in range(q):  # each parameter by itself: a small column must not hide behind a large one
        assert relative(D[:k, :, p], expected[:, own][..., p]) <= EXACT


@pytest.mark.parametrize("cell", [*CELLS, lru(30.0, 3600.0), rtu(30.0, 3600.0)], ids=lambda c: f"{c.name} {c.chosen}")
def test_starts_bounded(cell):
    theta = cell.init(16, M, np.random.default_rng(3))
    states = run(cell, theta, random(2000, M), np.full(2000, 30.0 if cell.seconds else 1.0))[:, : cell.seen]
    assert np.abs(states).max() < 10.0
    assert states.std(0).min() > 0.02


@pytest.mark.parametrize("cell", [LRU, MINGRU], ids=lambda c: c.name)
def test_two_steps_of_dt_are_one_of_twice_that_at_constant_input(cell):
    theta, s = 0.5 * random(N, cell.width(N, M)), random(cell.states(M), N, seed=1)
    x = random(M, seed=2)
    for dt in (0.2, 1.0, 3.7):
        two = run(cell, theta, np.array([x, x]), [dt, dt], s)[-1]
        assert relative(two, run(cell, theta, x[None], [2.0 * dt], s)[-1]) <= EXACT


def test_lru_at_irregular_times():
    """Held input: s(t) = λ^t s(0) + γ (λ^t - 1)/(λ - 1) u, whatever the steps; and one step of 1 is the papers'."""
    theta, x, s = 0.5 * random(N, LRU.width(N, M)), random(M, seed=1), random(2, N, seed=2)
    dts = np.random.default_rng(4).exponential(size=25)
    lam, z, x1 = np.exp(-np.exp(theta[:, 0]) + 1j * np.exp(theta[:, 1])), s[0] + 1j * s[1], np.append(x, 1.0)
    u = np.exp(theta[:, 2]) * (theta[:, 3:7] @ x1 + 1j * theta[:, 7:] @ x1)
    for state, t in zip(run(LRU, theta, np.tile(x, (25, 1)), dts, s), np.cumsum(dts), strict=True):
        assert relative(state[0] + 1j * state[1], lam**t * z + (lam**t - 1.0) / (lam - 1.0) * u) <= EXACT
    one = run(LRU, theta, x[None], [1.0], s)[0]
    assert relative(one[0] + 1j * one[1], lam * z + u) <= EXACT


def test_lru_with_very_long_time_constants_loses_no_digits():
    """The complex step of the plain formula would: the input's gain is built from differences of numbers near 1."""
    theta = 0.1 * random(1, LRU.width(1, 1))
    theta[0, :2] = -20.0
    mu, h, x, s = np.exp(-20.0) * (-1.0 + 1.0j), 2.5, np.array([0.7]), np.zeros((2, 1))
    s1, J, D = np.empty((2, 1)), np.empty((2, 2)), np.empty((2, 1, LRU.width(1, 1)))
    LRU.advance(theta, x, h, s, s1)
    LRU.linearize(theta, x, h, s, s1, J, D)
    u = np.exp(theta[0, 2]) * complex(theta[0, 3] * 0.7 + theta[0, 4], theta[0, 5] * 0.7 + theta[0, 6])
    gain = h + mu * h * (h - 1.0) / 2.0  # series in μ: what is left out is of size μ² = 1e-17
    assert abs(complex(*s1[:, 0]) / (gain * u) - 1.0) <= 1e-15
    slope = -np.exp(-20.0) * h * (h - 1.0) / 2.0 * u  # ∂s1/∂ν
    assert abs(complex(*D[:, 0, 0]) / slope - 1.0) <= 1e-6


@pytest.mark.parametrize(("make", "plain"), [(lru, LRU), (rtu, RTU)])
def test_time_constants_in_seconds(make, plain):
    """The cell with constants from 30 s steps over 30 h seconds as the plain one does over h intervals."""
    cell = make(30.0, 3600.0)
    assert (cell.seconds, plain.seconds) == (True, False)
    theta, xs, hs = 0.5 * random(N, cell.width(N, M)), random(9, M), np.random.default_rng(4).exponential(size=9)
    assert relative(run(cell, theta, xs, 30.0 * hs), run(plain, theta, xs, hs)) <= EXACT
    for c, shortest, longest in ((cell, 30.0, 3600.0), (plain, 1.0, 64.0)):
        tau = (30.0 if c.seconds else 1.0) / np.exp(c.init(8, M, np.random.default_rng(0))[:, 0])
        np.testing.assert_allclose(tau, np.geomspace(shortest, longest, 8))


def test_rtu_turns_and_fades_at_its_rates():
    """A state so small that tanh is the identity, without input: s(t) = e^((-e^ν + i e^ω) t) s(0)."""
    theta = 0.5 * random(N, RTU.width(N, M))
    theta[:, 2:] = 0.0
    s, dts = 1e-9 * random(2, N, seed=1), np.random.default_rng(4).exponential(size=9)
    expected = (s[0] + 1j * s[1]) * np.exp((-np.exp(theta[:, 0]) + 1j * np.exp(theta[:, 1])) * dts.sum())
    got = run(RTU, theta, np.zeros((9, M)), dts, s)[-1]
    assert relative(got[0] + 1j * got[1], expected) <= EXACT


def test_rtu_at_irregular_times():
    """A small state and held input: s(t) = λ^t s(0) + γ (λ^t - 1)/(λ - 1) u, whatever the steps."""
    theta, x, s = 0.5 * random(N, RTU.width(N, M)), random(M, seed=1), 1e-9 * random(2, N, seed=2)
    theta[:, 2:] *= 1e-9
    dts = np.random.default_rng(4).exponential(size=25)
    lam, z, x1 = np.exp(-np.exp(theta[:, 0]) + 1j * np.exp(theta[:, 1])), s[0] + 1j * s[1], np.append(x, 1.0)
    u = np.sqrt(1.0 - np.abs(lam) ** 2) * (theta[:, 2:6] @ x1 + 1j * theta[:, 6:] @ x1)
    for state, t in zip(run(RTU, theta, np.tile(x, (25, 1)), dts, s), np.cumsum(dts), strict=True):
        assert relative(state[0] + 1j * state[1], lam**t * z + (lam**t - 1.0) / (lam - 1.0) * u) <= EXACT


def test_a_step_of_1_is_the_rtu_of_the_paper():
    theta, x, s = 0.5 * random(N, RTU.width(N, M)), random(M, seed=1), random(2, N, seed=2)
    r, phi, x1 = np.exp(-np.exp(theta[:, 0])), np.exp(theta[:, 1]), np.append(x, 1.0)
    c, d, gain = r * np.cos(phi), r * np.sin(phi), np.sqrt(1.0 - r * r)
    expected = np.tanh(
        [c * s[0] - d * s[1] + gain * (theta[:, 2:6] @ x1), c * s[1] + d * s[0] + gain * (theta[:, 6:] @ x1)]
    )
    assert relative(run(RTU, theta, x[None], [1.0], s)[0], expected) <= EXACT


@pytest.mark.parametrize("h", [1.0, 0.37, 1e6])
@pytest.mark.parametrize("omega", [-800.0, 0.3, 800.0])
@pytest.mark.parametrize("nu", [-800.0, -0.5, 800.0])
@pytest.mark.parametrize("cell", [LRU, RTU], ids=lambda c: c.name)
def test_extreme_rates_are_finite_and_as_their_plain_python(cell, nu, omega, h):
    """Compiled and not, where e^ν or e^ω would overflow or vanish."""
    theta, x, s = 0.5 * random(N, cell.width(N, M)), random(M, seed=1), random(2, N, seed=2)
    theta[:, 0], theta[:, 1] = nu, omega
    results = []
    for function in (lambda kernel: kernel, python_function):
        s1, J, D, B = np.empty((2, N)), np.empty((2 * N, 2)), np.empty((2, N, len(theta[0]))), np.empty((2 * N, M))
        function(cell.advance)(theta, x, h, s, s1)
        function(cell.linearize)(theta, x, h, s, s1, J, D)
        function(cell.respond)(theta, x, h, s, s1, B)
        results.append([s1, J, D, B])
    for compiled, plain in zip(*results, strict=True):
        assert np.isfinite(compiled).all()
        np.testing.assert_allclose(compiled, plain, rtol=1e-9, atol=1e-12 * np.abs(plain).max())


def test_mingru_at_irregular_times():
    """Held input: s(t) = h + (1 - z)^t (s(0) - h)."""
    theta, x, s = 0.5 * random(N, MINGRU.width(N, M)), random(M, seed=1), random(1, N, seed=2)
    dts = np.random.default_rng(4).exponential(size=25)
    old, h = 1.0 / (1.0 + np.exp(theta[:, :M] @ x + theta[:, M])), theta[:, M + 1 : -1] @ x + theta[:, -1]
    for state, t in zip(run(MINGRU, theta, np.tile(x, (25, 1)), dts, s), np.cumsum(dts), strict=True):
        assert relative(state[0], h + old**t * (s[0] - h)) <= EXACT


def test_elstm_decays_by_its_gate():
    """Nothing but the gate's bias: s(t) = f^t s(0)."""
    theta, s = np.zeros((N, ELSTM.width(N, M))), random(1, N)
    theta[:, M + 1] = random(N, seed=1)
    dts = np.random.default_rng(4).exponential(size=25)
    got = run(ELSTM, theta, random(25, M, seed=2), dts, s)[-1]
    assert relative(got[0], s[0] * (1.0 / (1.0 + np.exp(-theta[:, M + 1]))) ** dts.sum()) <= EXACT


def poles(theta, m, radius):
    """Of each synapse (n, m), as the roots of z² - a1 z - a2."""
    p1, p2 = (theta[:, o : 4 * m : 4] for o in (2, 3))
    a2 = radius**2 * np.tanh(p2)
    a1 = radius * (1.0 - np.tanh(p2)) * np.tanh(p1)
    return np.array([[np.roots([1.0, -a, -b]) for a, b in zip(*row, strict=True)] for row in zip(a1, a2, strict=True)])


def test_iir_impulse_response():
    """Two synapses, an impulse into each at its own time, against the difference equation summed by hand."""
    theta, radius = 0.5 * random(N, IIR.width(N, 2)), 2.0 ** (-1.0 / 1000)
    xs = np.zeros((40, 2))
    xs[2, 0], xs[7, 1] = 1.0, -1.5
    y = np.zeros((40, N, 2))
    for i in range(N):
        for j in range(2):
            b0, b1, p1, p2 = theta[i, 4 * j : 4 * j + 4]
            a1, a2 = radius * (1.0 - np.tanh(p2)) * np.tanh(p1), radius**2 * np.tanh(p2)
            for t in range(2, 40):
                y[t, i, j] = b0 * xs[t, j] + b1 * xs[t - 1, j] + a1 * y[t - 1, i, j] + a2 * y[t - 2, i, j]
    states = run(IIR, theta, xs, np.ones(40))
    assert relative(states[:, [1, 4]], y.transpose(0, 2, 1)) <= EXACT
    assert relative(states[:, 0], np.tanh(y.sum(2) + theta[:, -1])) <= EXACT


def test_iir_starts_with_spread_poles():
    size = np.abs(poles(IIR.init(64, M, np.random.default_rng(0)), M, 2.0 ** (-1.0 / 1000)))
    assert size.max() <= 0.9
    assert size.min() < 0.2
    assert np.median(size) > 0.5


@pytest.mark.parametrize("p2", [-50.0, -2.0, 0.0, 2.0, 50.0])
@pytest.mark.parametrize("p1", [-50.0, -2.0, 0.0, 2.0, 50.0])
def test_iir_is_stable_for_any_parameters(p1, p2):
    """Poles within the radius; after 200 half-lives of silence nothing is left of loud noise."""
    cell, radius = iir(memory=10), 2.0 ** (-1.0 / 10)
    theta = np.ones((2, cell.width(2, 1)))
    theta[:, 2], theta[:, 3] = p1, p2
    assert np.abs(poles(theta, 1, radius)).max() <= radius * (1.0 + 1e-7)  # a double root is found to half the digits
    xs = np.concatenate([1e3 * random(3000, 1), np.zeros((2000, 1))])
    states = run(cell, theta, xs, np.ones(5000))
    assert np.isfinite(states).all()
    assert np.abs(states[-1, 1:]).max() < 1e-40


def test_iir_without_the_bound_would_not_be():
    """The check above can fail: with ρ = 1 the same parameters hold what they heard for ever."""
    cell = iir(memory=1e9)
    theta = np.ones((1, 5))
    theta[:, 2:4] = 50.0, -50.0
    states = run(cell, theta, np.concatenate([random(100, 1), np.zeros((2000, 1))]), np.ones(2100))
    assert np.abs(states[-1, 1]) > 1.0


@pytest.mark.parametrize("w", [-1e6, -2.0, 2.0, 1e6])
def test_indrnn_at_most_doubles_over_its_memory(w):
    cell = indrnn(memory=10)
    theta, x, s, s1 = np.zeros((1, 3)), np.zeros(1), np.full((1, 1), 1e-9), np.empty((1, 1))
    theta[0, 0] = w
    J, D = np.empty((1, 1)), np.empty((1, 1, 3))
    cell.advance(theta, x, 1.0, s, s1)
    cell.linearize(theta, x, 1.0, s, s1, J, D)
    assert abs(J[0, 0]) ** 10 <= 2.0 * (1.0 + EXACT)
    if abs(w) < 10.0:
        assert D[0, 0, 0] > 0.0, "beyond the source's clip the slope must still lead back"
    else:
        assert abs(J[0, 0]) ** 10 == pytest.approx(2.0)


def test_indrnn_starts_with_memories_from_2_to_64_steps():
    theta = INDRNN.init(6, M, np.random.default_rng(0))
    bound = 2.0 ** (1.0 / 1000)
    np.testing.assert_allclose(bound * np.tanh(theta[:, 0] / bound), 1.0 - 2.0 ** -np.arange(1.0, 7.0))


@pytest.mark.parametrize("make", [lru, rtu])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"shortest": 2.0}, ["'longest'", "got 0", "more than 0 to 1e+09 seconds"]),
        ({"longest": 2.0}, ["'shortest'", "got 0", "more than 0 to 1e+09 seconds"]),
        ({"shortest": 3.0, "longest": 2.0}, ["'longest'", "got 2", "3 to 1e+09 seconds"]),
    ],
)
def test_time_constants_that_cannot_be(make, given, words):
    with pytest.raises(ModelError) as error:
        make(**given)
    for word in (make.__name__, *words):
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("cell", "name", "value"), [(INDRNN, "memory", 0), (IIR, "memory", 1.5), (LRU, "shortest", -1.0)]
)
def test_options_out_of_range(cell, name, value):
    with pytest.raises(ModelError) as error:
        choose(f"cell {cell.name}", cell.options, {name: value})
    for word in (repr(name), cell.name, f"{value:g}", "1e+09"):
        assert word in str(error.value)
