"""Closed forms of leaky, reservoir, lstm_peephole, mgu, second_order and jordan; what they are special cases of."""

from __future__ import annotations

import numpy as np
import pytest

from streamrnn._bind import python_function
from streamrnn._registry import find
from streamrnn.cells.elman import ELMAN
from streamrnn.cells.gru import GRU
from streamrnn.cells.jordan import JORDAN, JORDAN_FORCED
from streamrnn.cells.leaky import LEAKY, leaky
from streamrnn.cells.lstm import LSTM, LSTM_PEEPHOLE
from streamrnn.cells.mgu import MGU
from streamrnn.cells.reservoir import RESERVOIR, reservoir
from streamrnn.cells.second_order import SECOND_ORDER
from streamrnn.errors import ModelError

N, M = 6, 3
OWN = {"leaky": "streamrnn.cells.leaky:LEAKY", "reservoir": "streamrnn.cells.reservoir:RESERVOIR"}


def run(cell, theta, xs, dts=None, s=None):
    """The states that follow one another, (steps, k, n)."""
    s = np.zeros((cell.states(xs.shape[1]), len(theta))) if s is None else s
    states = []
    for x, dt in zip(xs, np.ones(len(xs)) if dts is None else dts, strict=True):
        s1 = np.zeros_like(s)
        cell.advance(theta, x, dt, s, s1)
        states.append(s1)
        s = s1
    return np.array(states)


def drawn(cell, seed=0, n=N, m=M):
    return 0.7 * np.random.default_rng(seed).normal(size=(n, cell.width(n, m)))


def test_leaky_unit_alone_decays_as_its_time_constant_says():
    generator = np.random.default_rng(1)
    theta = LEAKY.init(N, M, generator)
    theta[:, : N + M + 1] = 0.0  # W = V = b = 0: nothing but the leak
    dts = generator.uniform(0.01, 7.0, 30)
    s = run(LEAKY, theta, generator.normal(size=(30, M)), dts, np.ones((1, N)))[:, 0]
    times = np.geomspace(1.0, 64.0, N)
    np.testing.assert_allclose(s, np.exp(-np.cumsum(dts)[:, None] / times), rtol=1e-13)


@pytest.mark.parametrize("w", [-800.0, 800.0])
def test_leaky_with_an_extreme_time_constant_is_finite_and_as_its_plain_python(w):
    theta, x, s = drawn(LEAKY), np.ones(M), np.full((1, N), 0.8)
    theta[:, -1] = w
    results = []
    for function in (lambda kernel: kernel, python_function):
        s1, J, D = np.zeros((1, N)), np.zeros((N, N)), np.zeros((1, N, LEAKY.width(N, M)))
        function(LEAKY.advance)(theta, x, 1e6, s, s1)
        function(LEAKY.linearize)(theta, x, 1e6, s, s1, J, D)
        results.append(np.concatenate([s1.ravel(), J.ravel(), D.ravel()]))
    assert np.isfinite(results[0]).all()
    np.testing.assert_allclose(results[0], results[1], rtol=0.0, atol=1e-15)


def test_leaky_without_time_is_elman():
    theta = drawn(LEAKY)
    theta[:, -1] = -30.0  # a time constant of 1e-13
    xs = np.random.default_rng(2).normal(size=(20, M))
    np.testing.assert_allclose(run(LEAKY, theta, xs), run(ELMAN, theta[:, :-1], xs), atol=1e-14)


@pytest.mark.parametrize("cell", [LEAKY, MGU], ids=lambda c: c.name)
def test_two_steps_are_one_of_twice_the_time_while_the_input_holds_still(cell):
    theta, x = drawn(cell), np.random.default_rng(3).normal(size=M)
    theta[:, :N] = 0.0  # no unit hears another, so that gates and targets hold still too
    if cell is MGU:
        theta[:, N + M + 1 : 2 * N + M + 1] = 0.0
    s = np.full((1, N), 0.8)
    for dt in (0.3, 1.0, 2.7):
        once, twice = run(cell, theta, x[None], [2.0 * dt], s), run(cell, theta, np.array([x, x]), [dt, dt], s)
        np.testing.assert_allclose(twice[-1], once[-1], rtol=1e-13)


def test_no_time_leaves_a_timed_cell_as_it_is():
    x, s = np.ones((1, M)), np.random.default_rng(4).normal(size=(1, N))
    for cell in (LEAKY, RESERVOIR, MGU):
        np.testing.assert_array_equal(run(cell, drawn(cell), x, [0.0], s)[0], s)


def test_time_constants_start_spread_between_those_given():
    cell = leaky(0.5, 30.0)
    assert cell.seconds
    assert not LEAKY.seconds
    times = np.exp(cell.init(N, M, np.random.default_rng(5))[:, -1])
    np.testing.assert_allclose(times, np.geomspace(0.5, 30.0, N))
    np.testing.assert_allclose(RESERVOIR.init(N, M, np.random.default_rng(5))[:, -1], 0.0, atol=1e-15)


@pytest.mark.parametrize(
    ("options", "key", "value", "range_"),
    [
        ({"shortest": -1.0}, "shortest", "-1", "0 to 1e+09"),
        ({"longest": 2e9}, "longest", "2000000000", "0 to 1e+09"),
        ({"shortest": 3.0}, "longest", "0", "1e+09"),
        ({"longest": 3.0}, "shortest", "0", "1e+09"),
        ({"shortest": 5.0, "longest": 4.0}, "longest", "4", "5 to 1e+09"),
        ({"longset": 4.0}, "longset", "longset", "shortest, longest"),
    ],
)
@pytest.mark.parametrize("name", OWN)
def test_time_constants_that_are_no_range_are_refused(name, options, key, value, range_):
    with pytest.raises(ModelError) as refused:
        find("cell", name, OWN, options)
    for part in (key, value, range_, name):
        assert part in str(refused.value)


@pytest.mark.parametrize("options", [{"radius": -0.1}, {"radius": 11}, {"density": 1.5}, {"density": float("nan")}])
def test_reservoir_options_out_of_range_are_refused(options):
    ((key, value),) = options.items()
    with pytest.raises(ModelError, match=rf"{key}.*reservoir.*got {value}.*expected 0 to 1"):
        find("cell", "reservoir", OWN, options)


@pytest.mark.parametrize(("radius", "density", "n"), [(0.9, 0.2, 50), (1.3, 0.0, 20), (0.5, 1.0, 8), (0.9, 0.2, 1)])
def test_reservoir_has_the_radius_and_density_asked_for(radius, density, n):
    W = reservoir(radius, density).init(n, M, np.random.default_rng(6))[:, :n]
    assert np.abs(np.linalg.eigvals(W)).max() == pytest.approx(radius, rel=1e-10)
    assert (np.count_nonzero(W, axis=1) == max(1, round(density * n))).all()


def test_reservoir_forgets_how_it_started():
    theta = RESERVOIR.init(40, M, np.random.default_rng(7))
    xs, s = np.random.default_rng(8).normal(size=(300, M)), np.random.default_rng(9).normal(size=(2, 1, 40))
    a, b = (run(RESERVOIR, theta, xs, None, start)[-1] for start in s)
    np.testing.assert_allclose(a, b, atol=1e-9)


def test_lstm_with_closed_peepholes_is_lstm():
    theta, xs = drawn(LSTM_PEEPHOLE), np.random.default_rng(10).normal(size=(20, M))
    theta[:, -3:] = 0.0
    np.testing.assert_allclose(run(LSTM_PEEPHOLE, theta, xs), run(LSTM, theta[:, :-3], xs), atol=1e-14)


def test_mgu_is_a_gru_with_tied_gates():
    theta, w = drawn(MGU), N + M + 1
    tied = np.hstack([theta[:, :w], -theta])  # reset = f, update = 1 - f
    tied[:, 2 * w :] *= -1.0
    generator = np.random.default_rng(11)
    xs, dts = generator.normal(size=(20, M)), generator.uniform(0.2, 3.0, 20)
    np.testing.assert_allclose(run(MGU, theta, xs, dts), run(GRU, tied, xs, dts), atol=1e-13)


def test_second_order_without_products_is_elman():
    theta, xs = drawn(ELMAN), np.random.default_rng(12).normal(size=(20, M))
    cube = np.zeros((N, N + 1, M + 1))
    cube[:, :N, M], cube[:, N, :] = theta[:, :N], theta[:, N:]
    np.testing.assert_allclose(run(SECOND_ORDER, cube.reshape(N, -1), xs), run(ELMAN, theta, xs), atol=1e-14)


def test_second_order_counts_exactly_what_no_sum_can():
    """Parity of a stream of ±1: one unit, s1 = tanh(large · s x), flips its sign with each -1."""
    theta = np.array([[20.0, 0.0, 0.0, 0.0]])
    xs = np.random.default_rng(13).choice([-1.0, 1.0], size=(500, 1))
    s = run(SECOND_ORDER, theta, xs, None, np.ones((1, 1)))[:, 0, 0]
    np.testing.assert_array_equal(np.sign(s), np.cumprod(xs[:, 0]))


def test_jordan_taught_its_own_output_goes_the_same_way():
    theta, xs = drawn(JORDAN), np.random.default_rng(14).normal(size=(20, M))
    free = run(JORDAN, theta, xs)
    y = np.tanh(np.concatenate([[0.0], free[:-1, 1].sum(1)]))
    forced = run(JORDAN_FORCED, theta[:, :-1], np.column_stack([xs, y]))
    np.testing.assert_allclose(forced[:, 0], free[:, 0], atol=1e-14)


def test_jordan_forced_remembers_nothing():
    theta, x = drawn(JORDAN_FORCED), np.ones((1, M))
    fresh, late = (run(JORDAN_FORCED, theta, x, None, np.full((1, N), c)) for c in (0.0, 5.0))
    np.testing.assert_array_equal(fresh, late)
