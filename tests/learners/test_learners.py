"""SnAp-n, hybrid, UORO, KF-RTRL, e-prop and frozen: what each promises beyond the suite of all learners."""

from __future__ import annotations

import itertools
import types
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from streamrnn import updates
from streamrnn._bind import python_function
from streamrnn.cells.elman import ELMAN, bank, ring
from streamrnn.cells.gru import GRU
from streamrnn.cells.indrnn import INDRNN
from streamrnn.cells.lstm import LSTM
from streamrnn.learners.eprop import EPROP, RFLO
from streamrnn.learners.frozen import FROZEN
from streamrnn.learners.hybrid import hybrid
from streamrnn.learners.immediate import IMMEDIATE
from streamrnn.learners.kf import KF_RTRL
from streamrnn.learners.rtrl import RTRL, dense
from streamrnn.learners.snap import linked, pattern, snap
from streamrnn.learners.snap1 import SNAP1
from streamrnn.learners.uoro import UORO
from streamrnn.model import Model, Network
from streamrnn.testing import oracles

N, M, T = 5, 3, 25
DENSE_RTRL = replace(RTRL, carry=dense)


def drawn(cell, n=N, m=M, steps=T):
    generator = np.random.default_rng(0)
    theta = 0.5 * generator.normal(size=(n, cell.width(n, m)))
    return theta, generator.normal(size=(steps, m)), generator.normal(size=(steps, n))


def network(cell, learner, theta, xs):
    net = Network(Model(cell, learner, updates.get("sgd"), len(theta), xs.shape[1]))
    net.theta[:] = theta
    return net


def gradients(cell, learner, theta, xs, es, dt=1.0, net=None):
    """The gradient of every step, (steps, n, q)."""
    net = net or network(cell, learner, theta, xs)
    grads = []
    for x, e in zip(xs, es, strict=True):
        net.advance(x, dt)
        grads.append(net.credit(e))
    return np.array(grads)


def exact(cell, theta, xs, es):
    return oracles.trajectory_gradient(cell, theta, xs, es, np.ones(len(xs)))


def relative(got, expected):
    return np.abs(got - expected).max() / np.abs(expected).max()


def reference_problem():
    """Elman net, inputs, targets and readout as oracles of these learners were first measured on."""
    generator = np.random.default_rng(0)
    xs, targets = generator.normal(size=(T, M)), generator.normal(size=(T, 2))
    readout = generator.normal(size=(2, N)) / np.sqrt(N)
    return generator.normal(size=(N, N + M + 1)) / np.sqrt(N), xs, targets, readout


def slopes(cell, theta, xs, targets, readout):
    """∂loss/∂output of each step, for half the squared error of a linear readout."""
    s, s1, es = np.zeros((1, N)), np.zeros((1, N)), []
    for x, target in zip(xs, targets, strict=True):
        cell.advance(theta, x, 1.0, s, s1)
        s, s1 = s1, s
        es.append(readout.T @ (readout @ s[0] - target))
    return np.array(es)


# ---------------------------------------------------------------- SnAp-n


def test_snap_on_a_ring_tends_to_the_exact_gradient_and_reaches_it():
    full, xs, targets, readout = reference_problem()
    cell, unit = ring(2), np.arange(N)
    theta = np.column_stack([full[unit, unit], full[unit, (unit - 1) % N], full[:, N:]])
    es = slopes(cell, theta, xs, targets, readout)
    expected = exact(cell, theta, xs, es)
    errors = [relative(gradients(cell, snap(order), theta, xs, es).sum(0), expected) for order in range(1, 7)]
    np.testing.assert_allclose(errors[:4], [0.231237324, 0.055767695, 0.022389955, 0.001064874], rtol=1e-6)
    assert max(errors[4:]) < 1e-15
    assert [snap(order).exact(cell, N, M) for order in range(1, 7)] == [False] * 4 + [True] * 2
    works = [snap(order).carry(cell, N, M).work for order in range(1, 7)]
    assert works == sorted(works)
    assert works[4] == works[5] < dense(cell, N, M).work


def test_pattern_of_a_ring_grows_by_one_unit_an_order():
    for order in range(1, 8):
        kept = pattern(ring(2), 6, M, order)
        assert (kept.sum(1) == min(order, 6)).all()
        assert all(kept[r, (r - j) % 6] for r in range(6) for j in range(min(order, 6)))


@pytest.mark.parametrize("cell", [ELMAN, GRU, LSTM, INDRNN], ids=lambda c: c.name)
def test_snap_of_order_1_is_snap1_and_of_order_2_exact_where_all_units_hear_each_other(cell):
    problem = drawn(cell)
    assert relative(gradients(cell, snap(1), *problem), gradients(cell, SNAP1, *problem)) < 1e-14
    assert relative(gradients(cell, snap(2), *problem).sum(0), exact(cell, *problem)) < 1e-12


@pytest.mark.parametrize("cell", [bank(2), bank(3), ring(2), ring(4)], ids=lambda c: f"{c.name}-{c.chosen[0][1]}")
def test_rtrl_of_a_sparse_cell_leaves_out_only_zeros(cell):
    problem = drawn(cell, n=6)
    assert RTRL.carry(cell, 6, M).fields == linked(cell, 6, M).fields
    assert linked(cell, 6, M).work < dense(cell, 6, M).work
    assert relative(gradients(cell, RTRL, *problem), gradients(cell, DENSE_RTRL, *problem)) < 1e-14


# ---------------------------------------------------------------- hybrid


@pytest.mark.parametrize("block", [1, 5, 7, 0, 25, 40])
@pytest.mark.parametrize("cell", [ELMAN, GRU, LSTM, ring(2)], ids=lambda c: c.name)
def test_hybrid_is_exact_at_every_step(cell, block):
    problem = drawn(cell)
    got, expected = gradients(cell, hybrid(block), *problem), gradients(cell, DENSE_RTRL, *problem)
    for one, other in zip(got, expected, strict=True):
        assert relative(one, other) < 1e-12
    assert relative(got.sum(0), exact(cell, *problem)) < 1e-12


@pytest.mark.parametrize("zeroed", range(1, 16))
def test_hybrid_forgets_the_past_and_no_more_when_its_memory_is_zeroed(zeroed):
    theta, xs, es = drawn(LSTM)
    late = []
    for learner in (hybrid(4), DENSE_RTRL):
        net = network(LSTM, learner, theta, xs)
        gradients(LSTM, learner, theta, xs[:zeroed], es[:zeroed], net=net)
        for field in net.model.fields["learner"]:
            if field.section == "real":
                net.arena[field.name][:] = 0.0
        late.append(gradients(LSTM, learner, theta, xs[zeroed:], es[zeroed:], net=net))
    assert relative(*late) < 1e-12


def test_hybrid_deals_its_work_out_evenly_and_needs_n_cubed():
    def counted(n, steps):
        """Multiply-adds of each step: the kernels run, but for the products, which are only counted."""
        count = Counter()
        carry = hybrid().carry(ELMAN, n, 1)
        q = n + 2

        def product(much):
            def instead(*arguments):
                count["step"] += much

            return instead

        stand_ins = {"gather": product(n * q), "back": product(n * n), "meet": product(n * n * q)}
        kernels = [
            types.FunctionType(f.__code__, {**f.__globals__, **stand_ins})
            for f in (python_function(carry.propagate), python_function(carry.credit))
        ]
        views = tuple(np.zeros(f.shape, np.int64 if f.section == "ints" else float) for f in carry.fields)
        works = []
        for _ in range(steps):
            count.clear()
            kernels[0](np.ones((1, 1), np.int64), views)
            kernels[1](np.ones((1, 1), np.int64), np.ones(n), views, np.zeros((n, q)))
            works.append(count["step"])
        return np.array(works[2 * n :])

    works = {n: counted(n, 6 * n) for n in (16, 32, 64)}
    for n, work in works.items():
        assert work.max() < 1.25 * np.median(work)
        assert work.max() <= hybrid().carry(ELMAN, n, 1).work
    assert works[64].mean() / works[32].mean() < 2.0**3 < dense(ELMAN, 64, 1).work / dense(ELMAN, 32, 1).work


# ---------------------------------------------------------------- unbiased learners


@pytest.mark.parametrize(
    ("learner", "cell", "n", "steps", "signs"),
    [(UORO, ELMAN, 2, 4, 2), (UORO, LSTM, 2, 2, 4), (KF_RTRL, ELMAN, 4, 4, 2)],
    ids=["uoro-elman", "uoro-lstm", "kf_rtrl-elman"],
)
def test_the_mean_over_all_signs_is_the_exact_gradient(learner, cell, n, steps, signs):
    theta, xs, es = drawn(cell, n, 2, steps)
    structure, drawn_signs = np.array(cell.structure(2)), []
    carry = learner.carry(cell, n, 2)
    function = python_function(carry.propagate)
    scope = {**function.__globals__, "sign": lambda seed, step, index: drawn_signs[0][step * signs + index]}
    propagate = types.FunctionType(function.__code__, scope)
    totals = []
    for choice in itertools.product((-1.0, 1.0), repeat=signs * steps):
        drawn_signs[:] = [choice]
        views = tuple(np.zeros(f.shape, np.int64 if f.section == "ints" else float) for f in carry.fields)
        s, grad, total = np.zeros((len(structure), n)), np.zeros_like(theta), np.zeros_like(theta)
        for x, e in zip(xs, es, strict=True):
            s1 = np.zeros_like(s)
            cell.advance(theta, x, 1.0, s, s1)
            cell.linearize(theta, x, 1.0, s, s1, *carry.local(views))
            propagate(structure, views)
            carry.credit(structure, e, views, grad)
            s, total = s1, total + grad
        totals.append(total)
    assert np.std(totals, 0).max() > 0.01
    assert relative(np.mean(totals, 0), exact(cell, theta, xs, es)) < 1e-12


@pytest.mark.parametrize("learner", [UORO, KF_RTRL], ids=lambda le: le.name)
def test_the_mean_over_2000_seeds_is_the_exact_gradient_within_its_error(learner):
    theta, xs, targets, readout = reference_problem()
    es = slopes(ELMAN, theta, xs, targets, readout)
    net = network(ELMAN, learner, theta, xs)
    blank, totals = net.arena.snapshot(), []
    for seed in range(2000):
        net.arena.restore(blank)
        net.arena["learner.seed"][0] = seed
        totals.append(gradients(ELMAN, learner, theta, xs, es, net=net).sum(0))
    off = np.mean(totals, 0) - exact(ELMAN, theta, xs, es)
    error = np.std(totals, 0, ddof=1) / np.sqrt(len(totals))
    assert np.abs(off / error).max() < 5.0
    assert ((off / error) ** 2).mean() < 1.6
    assert np.linalg.norm(off) < 3.0 * np.linalg.norm(error)


def test_noise_is_of_the_model_seed_and_restarts_with_the_snapshot():
    theta, xs, es = drawn(ELMAN)
    first, again, other = (
        Network(Model(ELMAN, UORO, updates.get("sgd"), N, M), seed=seed) for seed in (3, 3, 4)
    )  # fmt: skip
    for net in (first, again, other):
        net.theta[:] = theta
    runs = [gradients(ELMAN, UORO, theta, xs, es, net=net) for net in (first, again, other)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert relative(runs[2], runs[0]) > 0.1


def test_kf_rtrl_says_which_cells_it_cannot_serve():
    assert KF_RTRL.refuses(ELMAN, M) is None
    assert "outer product" in KF_RTRL.refuses(GRU, M)
    assert "outer product" in KF_RTRL.refuses(bank(2), M)
    assert "2 state vectors" in KF_RTRL.refuses(replace(LSTM, shared=True), M)


def test_unbiased_learners_survive_units_that_are_silent():
    for learner in (UORO, KF_RTRL):
        theta, xs, es = drawn(ELMAN)
        theta[:], xs[:] = 0.0, 0.0  # state, J and all of D but its last column are 0
        assert np.isfinite(gradients(ELMAN, learner, theta, xs, es)).all()
        theta[:, -1] = 1e4  # saturated: D is 0 throughout
        assert not gradients(ELMAN, learner, theta, xs, es).any()


# ---------------------------------------------------------------- e-prop, RFLO, frozen


def lstm_eprop(theta, xs, es):
    """ε ← f ε + ∂c1/∂theta with h held fixed, grad = e ∂h1/∂c1 ε + e ∂h1/∂a_o ∂a_o/∂theta."""
    n, w = len(theta), theta.shape[1] // 4
    h, c, trace, grad = np.zeros(n), np.zeros(n), np.zeros((n, 3, w)), np.zeros((n, 4, w))
    for x, e in zip(xs, es, strict=True):
        z = np.concatenate([h, x, [1.0]])
        i, f, g, o = (theta.reshape(n, 4, w) @ z).T
        i, f, g, o = 1 / (1 + np.exp(-i)), 1 / (1 + np.exp(-f)), np.tanh(g), 1 / (1 + np.exp(-o))
        moves = np.array([g * i * (1 - i), c * f * (1 - f), i * (1 - g**2)]).T
        trace = f[:, None, None] * trace + moves[:, :, None] * z
        c = f * c + i * g
        h = o * np.tanh(c)
        grad[:, :3] += (e * o * (1 - np.tanh(c) ** 2))[:, None, None] * trace
        grad[:, 3] += (e * np.tanh(c) * o * (1 - o))[:, None] * z
    return grad.reshape(n, -1)


def test_eprop_of_an_lstm_is_the_published_recursion():
    problem = drawn(LSTM)
    assert relative(gradients(LSTM, EPROP, *problem).sum(0), lstm_eprop(*problem)) < 1e-12


@pytest.mark.parametrize("dt", [1.0, 1.7])
def test_eprop_of_a_gru_passes_through_its_carry_alone(dt):
    theta, xs, es = drawn(GRU)
    w = N + M + 1
    s, J, D = np.zeros((1, N)), np.zeros((N, N)), np.zeros((1, N, theta.shape[1]))
    trace, total = np.zeros_like(theta), np.zeros_like(theta)
    for x, e in zip(xs, es, strict=True):
        z = 1 / (1 + np.exp(-theta[:, w : 2 * w] @ np.concatenate([s[0], x, [1.0]])))
        s1 = np.zeros_like(s)
        GRU.advance(theta, x, dt, s, s1)
        GRU.linearize(theta, x, dt, s, s1, J, D)
        s, trace = s1, (z**dt)[:, None] * trace + D[0]
        total += e[:, None] * trace
    assert relative(gradients(GRU, EPROP, theta, xs, es, dt).sum(0), total) < 1e-12


def test_eprop_without_a_leak_is_immediate_and_on_a_diagonal_cell_exact():
    problem = drawn(ELMAN)
    np.testing.assert_array_equal(gradients(ELMAN, EPROP, *problem), gradients(ELMAN, IMMEDIATE, *problem))
    problem = drawn(INDRNN)
    assert relative(gradients(INDRNN, EPROP, *problem).sum(0), exact(INDRNN, *problem)) < 1e-12
    assert [EPROP.exact(cell, N, M) for cell in (INDRNN, ELMAN, GRU, LSTM)] == [True, False, False, False]


def test_rflo_is_eprop_with_other_errors():
    net = Network(Model(GRU, RFLO, updates.get("sgd"), N, M, outputs=2))
    assert net.arena["net.feedback"].shape == (2, N)
    problem = drawn(GRU)
    np.testing.assert_array_equal(gradients(GRU, RFLO, *problem), gradients(GRU, EPROP, *problem))


def test_frozen_keeps_nothing_and_moves_nothing():
    problem = drawn(LSTM)
    assert not gradients(LSTM, FROZEN, *problem).any()
    assert FROZEN.carry(LSTM, N, M).work == 0.0
    assert not FROZEN.exact(LSTM, N, M)
