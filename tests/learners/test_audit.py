"""The gradient audit against the truth: an exact twin's gradient, the chain rule, and the clock."""

from __future__ import annotations

import time

import numpy as np
import pytest

from benchmarks.audit import estimate, many
from streamrnn import Detector, cells, learners, updates
from streamrnn._bind import bind
from streamrnn.errors import ModelError
from streamrnn.learners.audit import ENOUGH, LONGEST, NUMBER, SETTLED, SHORTEST, cosine
from streamrnn.model import Model, Network
from streamrnn.state import read_bytes
from streamrnn.testing.recurrence import DTS

N, M = 5, 2
APPROXIMATE = [("snap1", {}), ("immediate", {}), ("tbptt", {"window": 3})]


def audited(cell, learner, seed=0, n=N, layers=1):
    parts = (cells.get(cell), learners.get(learner), updates.get("sgd"))
    return Network(Model(*parts, n, M, layers, audited=True), seed=seed)


def drawn(net, steps, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(steps, M)), generator.normal(size=(steps, net.model.seen))


def follow(net, xs, es, rate=0.0):
    """Gradients of a run, whose weights move where a rate is given."""
    grads = []
    for t, (x, e) in enumerate(zip(xs, es, strict=True)):
        net.advance(x, DTS[t % len(DTS)])
        grads.append(net.credit(e))
        if rate:
            net.apply(rate)
    return np.array(grads)


# ---------------------------------------------------------------- what it says


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("learner", "options"), APPROXIMATE, ids=[name for name, _ in APPROXIMATE])
@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_the_estimate_is_the_true_cosine_within_a_twentieth_over_10000_steps(cell, learner, options, seed):
    true, audit = estimate(cell, learner, options, seed, 10_000)
    assert true < 0.97, "hardly an approximation: the test could not fail"
    assert abs(audit - true) <= 0.05, (true, audit)


@pytest.mark.parametrize(
    ("cell", "learner", "layers"),
    [("elman", "rtrl", 1), ("lstm", "rtrl", 1), ("lru", "snap1", 1), ("gru", "hybrid", 1), ("lstm", "rtrl", 3)],
)
def test_an_exact_learner_has_cosine_one(cell, learner, layers):
    """To 1e-9 with frozen weights, over the steps of the first direction: it knows all of the past."""
    net = audited(cell, learner, layers=layers)
    xs, es = drawn(net, SHORTEST)
    follow(net, xs, es)
    assert net.arena["audit.count"][NUMBER] == 1
    assert cosine([0, ENOUGH], net.arena["audit.sums"]) == pytest.approx(1.0, abs=1e-9)


def test_what_a_later_direction_does_not_know_is_small():
    """A new direction is heard once what it misses of the past is a tenth of what it knows: cosine 0.99 and more."""
    net = audited("gru", "rtrl")
    follow(net, *drawn(net, 2000))
    assert net.arena["audit.count"][NUMBER] > 20
    assert net.gradient_cosine == pytest.approx(1.0, abs=0.01)


def test_there_is_no_estimate_before_the_first_error():
    net = audited("elman", "snap1")
    assert np.isnan(net.gradient_cosine)
    net.advance(np.ones(M))
    assert np.isnan(net.gradient_cosine)
    net.credit(np.zeros(N))
    assert np.isnan(net.gradient_cosine), "an error of 0 says nothing"
    for _ in range(ENOUGH):
        assert np.isnan(net.gradient_cosine), "one step says little"
        net.credit(np.ones(N))
    assert np.isfinite(net.gradient_cosine)


# ---------------------------------------------------------------- the probe


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("cell", list(cells.OWN))
def test_the_first_probe_is_the_exact_directional_derivative(cell, seed):
    """e d = g v to 1e-12 of the sum of what is added up, at irregular steps."""
    net = audited(cell, "rtrl", seed)
    xs, es = drawn(net, SHORTEST, seed)
    compared = 0
    for x, e, dt in zip(xs, es, DTS, strict=False):
        net.advance(x, dt)
        if net.arena["audit.count"][NUMBER] > 1:
            break
        terms = net.credit(e) * net.arena["audit.v"].reshape(net.theta.shape)
        d = net.arena["audit.d"][0, : len(e)]
        assert abs(e @ d - terms.sum()) <= 1e-12 * max(np.abs(terms).sum(), np.abs(e * d).sum())
        compared += 1
    assert compared == SHORTEST


def test_directions_of_one_round_are_orthogonal_signs():
    """All the 2^k directions of a round: ±1, and no two of them alike in any part."""
    net = audited("indrnn", "snap1", n=4)  # 4 (M + 2) = 16 parameters: a round of 16
    count, seen = net.arena["audit.count"], {}
    generator = np.random.default_rng(0)
    while count[NUMBER] <= 16:
        net.advance(generator.normal(size=M))
        seen.setdefault(int(count[NUMBER]), net.arena["audit.v"].ravel().copy())
    directions = np.array([seen[i + 1] for i in range(16)])
    np.testing.assert_array_equal(np.abs(directions), 1.0)
    np.testing.assert_array_equal(directions @ directions.T, 16.0 * np.eye(16))


def test_a_probe_that_never_settles_is_given_up():
    """Rotations without decay, in balance with a held input: no past fades, and directions change nevertheless."""
    net = audited("lru", "snap1")
    net.theta[:] = 0.0
    net.theta[:, 0], net.theta[:, 3 + M] = -40.0, 1.0  # |λ| = 1, a turn of one radian a step, b = 1
    balance = 1.0 / (1.0 - np.exp(1j))
    net.state[:] = np.array([[balance.real], [balance.imag]])
    for _ in range(2 * LONGEST + 100):
        net.advance(np.zeros(M))
    assert net.arena["audit.count"][NUMBER] == 4
    assert net.arena["audit.count"][SETTLED] == 0
    assert np.abs(net.arena["audit.d"]).max() < 1e3


# ---------------------------------------------------------------- the same again


def test_the_audit_is_a_function_of_the_seed():
    runs = []
    for seed in (3, 3, 4):
        net = audited("gru", "snap1", seed)
        net.theta[:] = audited("gru", "snap1", 0).theta
        follow(net, *drawn(net, 300), rate=0.01)
        runs.append(net.gradient_cosine)
    assert runs[0] == runs[1]
    assert runs[0] != runs[2], "other directions, another estimate"


@pytest.mark.parametrize("learner", ["snap1", "tbptt", "uoro"])
def test_the_audit_continues_from_a_snapshot_to_the_same_bits(learner):
    net = audited("gru", learner)
    xs, es = drawn(net, 400)
    follow(net, xs[:200], es[:200], rate=0.01)
    kept, stored = net.arena.snapshot(), net.arena.to_bytes({})
    ends = []
    for restore in (lambda: None, lambda: net.arena.restore(kept)):
        restore()
        follow(net, xs[200:], es[200:], rate=0.01)
        ends.append(net.arena.snapshot())
    other = audited("gru", learner, seed=9)
    other.arena.load(read_bytes(stored))
    follow(other, xs[200:], es[200:], rate=0.01)
    ends.append(other.arena.snapshot())
    for end in ends[1:]:
        np.testing.assert_array_equal(ends[0], end)


# ---------------------------------------------------------------- the switch and the price


@pytest.mark.parametrize(
    "choices",
    [
        {"learner": "rtrl"},
        {"cell": "lstm", "learner": "tbptt", "update": "dekf"},
        {"cell": "elstm", "learner": "crbp", "layers": 2, "units": 4},
    ],
    ids=lambda c: "-".join(str(v) for v in c.values()),
)
def test_the_switch_changes_nothing_but_what_it_shows(choices):
    generator = np.random.default_rng(0)
    x = (np.sin(np.arange(500) / 5.0) + 0.1 * generator.normal(size=500))[:, None]
    t = np.cumsum(generator.integers(1, 4, 500)) * 10**9
    plain, watched = Detector(**choices), Detector(audit=True, **choices)
    first, second = plain.run(t, x), watched.run(t, x)
    np.testing.assert_array_equal(first.forecast, second.forecast)
    np.testing.assert_array_equal(first.score, second.score)
    np.testing.assert_array_equal(plain.arena["net.theta"], watched.arena["net.theta"])
    assert np.isnan(plain.gradient_cosine)
    assert -1.0 <= watched.gradient_cosine <= 1.0


def test_nothing_is_audited_where_nothing_is_learned():
    with pytest.raises(ModelError, match="no gradient to audit with the learner frozen"):
        Detector(learner="frozen", audit=True)


class Timed:
    """A compiled loop of 5000 steps, which a branch predictor cannot learn, and the fastest that it has been."""

    def __init__(self, cell, learner, audit):
        parts = (cells.get(cell), learners.get(learner), updates.get("sgd"), 8, 2)
        net = Network(Model(*parts, audited=audit), seed=1)
        a = net.arena
        self.loop = bind(many, f"{cell}_{learner}", forward=net.model.forward)
        self.parts = (a["net.theta"], a["net.s"], a["net.s1"], a["net.structure"], net.carry, net.probe)
        self.xs = np.random.default_rng(0).normal(size=(5000, 2))
        self.run()
        self.best = np.inf

    def run(self):
        self.loop(self.xs, *self.parts)

    def measure(self):
        began = time.perf_counter_ns()
        self.run()
        self.best = min(self.best, (time.perf_counter_ns() - began) / len(self.xs))


@pytest.mark.parametrize("cell", ["elman", "lstm"])
def test_the_probe_costs_at_most_twice_an_inference(cell):
    """Eight units: what auditing adds to a step, by the step of the cell alone; least of all runs, taken in turns."""
    inference, bare, watched = loops = [
        Timed(cell, learner, audit) for learner, audit in (("frozen", False), ("immediate", False), ("immediate", True))
    ]
    for _ in range(60):
        for loop in loops:
            loop.measure()
    ratio = (watched.best - bare.best) / inference.best
    print(f"{cell}: inference {inference.best:.0f} ns, probe {watched.best - bare.best:.0f} ns, ratio {ratio:.2f}")
    assert ratio <= 2.0
