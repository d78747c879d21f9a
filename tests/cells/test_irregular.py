"""Cells that take the elapsed time: what is said of a smooth signal does not depend on how often it was sampled.

Let h be the sampling interval, and let an input be held until the next one comes. A held input is off by h max|x'| at
the most, and a gate or target that hears the state is off by h max|s'|. Where elapsed time is taken as it should be
these are the only errors: the states of a run at h and one at h/2 differ by O(h), which halves when h does. Where it is
not, the two are runs of different nets, and the difference stays.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from streamrnn import Forecaster, cells
from streamrnn._bind import python_function
from streamrnn.cells.leaky import LEAKY
from streamrnn.cells.lru import LRU
from streamrnn.cells.rtu import RTU
from streamrnn.tasks import _layout
from streamrnn.testing.oracles import ridge
from streamrnn.testing.recurrence import elapsed_time_counts_where_declared

N, EXACT = 6, 1e-12
TIMED = [name for name in cells.OWN if cells.get(name).timed]
PERIODS = np.array([20.0, 7.5])


def smooth(t):
    """A sum of two sines."""
    return np.sin(2 * np.pi * t / PERIODS[0]) + 0.5 * np.sin(2 * np.pi * t / PERIODS[1] + 1.0)


def quiet(scale):
    """An rtu that starts with input weights `scale` of the usual, so that its state is small and tanh leaves it be."""

    def init(n, m, generator):
        theta = RTU.init(n, m, generator)
        theta[:, 2:] *= scale
        return theta

    return replace(RTU, name="quiet rtu", init=init)


EVEN = [*(cells.get(name) for name in TIMED if name != "rtu"), quiet(1e-3)]  # the time counts in all that they do
STEEPEST = 2 * np.pi / PERIODS[0] + 0.5 * 2 * np.pi / PERIODS[1]  # max|x'|
BENT = (2 * np.pi / PERIODS[0]) ** 2 + 0.5 * (2 * np.pi / PERIODS[1]) ** 2  # max|x''|


def grid(irregular):
    """Lengths of steps that fill 64 units of time: 1/2 each, or jittered by 30 % with 30 % of the rows dropped."""
    if not irregular:
        return np.full(128, 0.5)
    generator = np.random.default_rng(0)
    t = np.arange(1, 129) + generator.uniform(-0.3, 0.3, 128)
    return np.diff(0.5 * t[generator.uniform(size=128) > 0.3], prepend=0.0)


def states(cell, theta, gaps, parts, ignore=False):
    """States at the end of each gap; gaps in `parts` equal steps, the input held for the length of a step."""
    s, out, t = np.zeros((cell.states(1), N)), [], 0.0
    for gap in gaps:
        for _ in range(parts):
            s1 = np.zeros_like(s)
            cell.advance(theta, np.array([smooth(t)]), 1.0 if ignore else gap / parts, s, s1)
            s, t = s1, t + gap / parts
        out.append(s[: cell.seen].copy())
    return np.array(out)


def halvings(cell, gaps, ignore=False):
    """Largest difference between a run and one of half its steps' length, three times over."""
    theta = cell.init(N, 1, np.random.default_rng(1))
    runs = [states(cell, theta, gaps, parts, ignore) for parts in (2, 4, 8, 16)]
    return np.array([np.abs(a - b).max() for a, b in itertools.pairwise(runs)])


@pytest.mark.parametrize("irregular", [False, True], ids=["regular", "irregular"])
@pytest.mark.parametrize("cell", EVEN, ids=lambda c: c.name)
def test_the_difference_to_half_the_rate_vanishes_with_the_interval(cell, irregular):
    timed, ignored = (halvings(cell, grid(irregular), ignore) for ignore in (False, True))
    print(f"{cell.name}: {timed}, time ignored {ignored}")
    np.testing.assert_allclose(timed[1:] / timed[:-1], 0.5, atol=0.1)
    assert timed[-1] < grid(irregular).max() / 8 * STEEPEST, "less than what a held input of the coarser run is off by"
    assert ignored[-1] > 4.0 * timed[-1], "the check could not fail"


def test_an_rtu_that_is_not_quiet_is_no_such_cell():
    """It squashes its state once a step, however short: tanh of a state is not the state, even in no time."""
    differences = halvings(RTU, grid(False))
    assert (differences[1:] / differences[:-1] > 0.8).all()


def test_the_difference_of_an_lru_is_within_what_its_held_inputs_allow():
    """|y_h - y_2h| ≤ ∫|g| max|x_h - x_2h| for a linear cell, y = w s, g its impulse response, x_h the input as held.

    s(t) = ∫ e^(μ (t - τ)) κ (V x(τ) + b) dτ, κ = γ μ / (λ - 1)
    """
    generator = np.random.default_rng(2)
    theta, w, h = LRU.init(N, 1, generator), generator.normal(size=2 * N), 0.5
    mu = -np.exp(theta[:, 0]) + 1j * np.exp(theta[:, 1])
    into = np.exp(theta[:, 2]) * mu / np.expm1(mu) * (theta[:, 3] + 1j * theta[:, 5])
    t = np.arange(0.0, 1500.0, 0.02)
    response = np.exp(np.outer(t, mu)) * into
    g = response.real @ w[:N] + response.imag @ w[N:]
    integral = np.abs(g).sum() * 0.02
    gaps = np.full(64, 2 * h)
    times = np.arange(h, 64.0, 2 * h)  # where the coarser run has not heard of the newer input
    held = np.abs(smooth(times) - smooth(times - h)).max()

    def difference(ignore):
        a, b = (states(LRU, theta, gaps, parts, ignore).reshape(64, -1) @ w for parts in (1, 2))
        return np.abs(a - b).max()

    print(f"difference {difference(False):.3f}, bound {integral * held:.3f}, time ignored {difference(True):.3f}")
    assert 0.05 * integral * held < difference(False) <= integral * held < difference(True)


# ---------------------------------------------------------------- a readout at another rate


def deaf(n, m, generator):
    """A leaky cell's start, in which no unit hears another."""
    theta = LEAKY.init(n, m, generator)
    theta[:, :n] = 0.0
    return theta


def features(cell, theta, xs, dt):
    """Outputs at each step and a 1, (steps, seen n + 1); outputs in units of the last one's largest."""
    s, out = np.zeros((cell.states(1), N)), []
    for x in xs:
        s1 = np.zeros_like(s)
        cell.advance(theta, np.array([x]), dt, s, s1)
        s = s1
        out.append(s[: cell.seen].ravel())
    return np.column_stack([np.array(out) / (1e-3 if cell.name == "quiet rtu" else 1.0), np.ones(len(xs))])


@pytest.mark.parametrize(
    "cell",
    [LRU, cells.get("mingru"), cells.get("elstm"), quiet(1e-3), replace(LEAKY, name="deaf leaky", init=deaf)],
    ids=lambda c: c.name,
)
def test_a_readout_serves_at_half_the_rate_within_the_interpolation_error(cell):
    """One linear readout, fitted to the states of a net with frozen weights, forecasts two intervals ahead. At half the
    rate the net hears x(t) where it heard x(t - 1); to first order its forecasts change by no more than

        max_t |x(t) - x(t - 1)| · max_t Σ_k |∂forecast(t)/∂x(k)|, over those k.

    Only for cells in which units hear no other: where they do, states are held from step to step too. A cell that takes
    every step for one interval is off by more.
    """
    theta, steps = cell.init(N, 1, np.random.default_rng(1)), 1000
    x = smooth(np.arange(1, steps + 3) / 4.0)
    F = features(cell, theta, x[:steps], 1.0)
    w = ridge(F[200:], x[202:], 0.1)
    forecast = F @ w
    gain = np.zeros(steps)
    for k in range(400, steps, 2):
        moved = x[:steps].copy()
        moved[k] += 1e-6
        gain += np.abs(features(cell, theta, moved, 1.0) @ w - forecast) / 1e-6
    heard = x[1:steps:2]
    bound = gain[801::2].max() * np.abs(heard - x[0:steps:2]).max()
    timed, ignored = (np.abs(features(cell, theta, heard, dt) @ w - forecast[1::2])[100:].max() for dt in (2.0, 1.0))
    print(f"{cell.name}: difference {timed:.4f}, bound {bound:.4f}, time ignored {ignored:.4f}")
    assert 0.05 * bound < timed <= bound < ignored


# ---------------------------------------------------------------- closed forms


def sigmoid(a):
    return 1.0 / (1.0 + np.exp(-a))


def with_biases(name):
    """Random biases and time constants, no other weights; what a unit keeps in a unit of time, and what it goes to."""
    generator = np.random.default_rng(3)
    b, a = generator.normal(size=(2, N))
    cell = cells.get(name)
    theta = np.zeros((N, cell.width(N, 1)))
    w = N + 2  # of one gate's weights, in cells whose units hear each other
    if name in ("leaky", "reservoir"):
        theta[:, w - 1], theta[:, w] = b, a
        return theta, np.exp(-np.exp(-a)), np.tanh(b)
    if name == "gru":
        r, d = generator.normal(size=(2, N))
        theta[:, w - 1], theta[:, 2 * w - 1], theta[:, 3 * w - 1], theta[:, 3 * w] = r, a, b, d
        return theta, sigmoid(a), np.tanh(sigmoid(r) * d + b)
    if name == "mgu":
        d = generator.normal(size=N)
        theta[:, w - 1], theta[:, 2 * w - 1], theta[:, 2 * w] = a, b, d
        return theta, sigmoid(-a), np.tanh(sigmoid(a) * d + b)
    if name == "elstm":
        theta[:, 2], theta[:, 5] = a, b
        return theta, sigmoid(a), np.tanh(b)
    if name in ("lstm", "lstm_peephole"):
        i = generator.normal(size=N)
        theta[:, w - 1], theta[:, 2 * w - 1], theta[:, 3 * w - 1] = i, a, b
        return theta, sigmoid(a), sigmoid(i) * np.tanh(b) / sigmoid(-a)
    assert name == "mingru"
    theta[:, 1], theta[:, 3] = a, b
    return theta, sigmoid(-a), b


@pytest.mark.parametrize("name", [name for name in TIMED if name not in ("lru", "rtu")])
def test_constant_gates_at_irregular_steps(name):
    """s(t) = c + k^t (s(0) - c), whatever the steps; of an LSTM its memory."""
    theta, keep, to = with_biases(name)
    generator = np.random.default_rng(4)
    s = first = generator.normal(size=(cells.get(name).states(1), N))
    t = 0.0
    for dt in generator.exponential(size=40):
        s1 = np.zeros_like(s)
        cells.get(name).advance(theta, generator.normal(size=1), dt, s, s1)
        s, t = s1, t + dt
        np.testing.assert_allclose(s[-1], to + keep**t * (first[-1] - to), rtol=0.0, atol=EXACT)


def test_lru_without_input_turns_and_decays_at_irregular_steps():
    """s(t) = λ^t s(0)."""
    generator = np.random.default_rng(5)
    theta = LRU.init(N, 1, generator)
    theta[:, 3:] = 0.0
    lam = np.exp(-np.exp(theta[:, 0]) + 1j * np.exp(theta[:, 1]))
    s = first = generator.normal(size=(2, N))
    t = 0.0
    for dt in generator.exponential(size=40):
        s1 = np.zeros_like(s)
        LRU.advance(theta, generator.normal(size=1), dt, s, s1)
        s, t = s1, t + dt
        np.testing.assert_allclose(s[0] + 1j * s[1], lam**t * (first[0] + 1j * first[1]), rtol=0.0, atol=EXACT)


@pytest.mark.parametrize("name", TIMED)
def test_a_cell_that_ignores_the_time_does_not_pass(name):
    """The check of `timed` in the public suite, on the same cell with its time taken away."""
    cell = cells.get(name)
    advance = python_function(cell.advance)
    with pytest.raises(AssertionError, match="timed"):
        elapsed_time_counts_where_declared(replace(cell, advance=lambda th, x, dt, s, s1: advance(th, x, 1.0, s, s1)))


# ---------------------------------------------------------------- through the forecaster


@pytest.mark.parametrize("options", [{}, {"shortest": 2.0, "longest": 90.0}], ids=["intervals", "seconds"])
def test_a_forecaster_gives_its_cell_the_elapsed_time(options):
    """The state at each row is one step of the cell from the one before: seconds, or typical intervals, later."""
    model = Forecaster(cell="leaky", cell_options=options, learner="frozen", seed=1)
    cell, a = model.model.cell, model.arena
    generator = np.random.default_rng(6)
    t = 0.0
    for row in range(60):
        gap = float(generator.integers(1, 40)) / 4.0  # binary fractions: nanoseconds and seconds are the same number
        t, before, expected = t + gap, a["net.s"].copy(), np.zeros_like(a["net.s"])
        model.learn_one(smooth(t), t)
        dt = 1.0 if row == 0 else gap if options else gap / model.interval
        assert a["pace"][_layout.DT] == pytest.approx(dt, rel=1e-12)
        cell.advance(a["net.theta"], a["net.x"], dt, before, expected)
        np.testing.assert_allclose(a["net.s"], expected, rtol=0.0, atol=EXACT)
    assert model.interval > 2.0
    assert np.abs(a["net.s"]).max() > 0.1
