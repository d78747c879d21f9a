"""The gradient audit against the truth: an exact twin's gradient, the chain rule, a plain reference, and the clock."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.audit import costs, estimate
from streamrnn import Detector, cells, learners, updates
from streamrnn.errors import ModelError
from streamrnn.kernels.noise import philox, uniform
from streamrnn.learners import audit
from streamrnn.learners._blocks import at
from streamrnn.learners.audit import (
    APPROXIMATE,
    BACK,
    BOTH,
    CHANGE,
    DIRECTION,
    ENOUGH,
    EXACT,
    FULL,
    GONE,
    LEAST,
    LONGEST,
    MEMORY,
    NUMBER,
    OWN,
    REACH,
    SHORTEST,
    TANGENT,
    fields,
    forget,
)
from streamrnn.model import Model, Network
from streamrnn.state import read_bytes
from streamrnn.testing.recurrence import DTS

N, M = 5, 2
LEARNERS = [("snap1", {}), ("immediate", {}), ("tbptt", {"window": 3})]
RUNS = [(cell, *learner, seed) for cell in ("elman", "gru", "lstm") for learner in LEARNERS for seed in (0, 1)]
HARD = [
    ("leaky", "snap1", {}, 1),  # a memory of hundreds of steps
    ("leaky", "immediate", {}, 1),
    ("lru", "immediate", {}, 1),
    ("gru", "immediate", {}, 2),  # hardly any of the exact gradient is known
    ("elstm", "tbptt", {"window": 3}, 1),  # little that lasts for long
    ("lstm_peephole", "immediate", {}, 2),  # a hundredth of the steps has half of the weight
]


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


def ways(net, xs, es, rate=0.0):
    """At the end of each way back: how far it went, the exact gradient that was found, and the learner's own."""
    found, grads = [], net.arena["audit.grads"]
    for t, (x, e) in enumerate(zip(xs, es, strict=True)):
        number = int(net.arena["audit.count"][NUMBER])
        net.advance(x, DTS[t % len(DTS)])
        if net.arena["audit.count"][NUMBER] > number:
            found.append((int(net.arena["audit.count"][GONE]), grads[EXACT].copy(), grads[OWN + number % 2].copy()))
        net.credit(e)
        if rate:
            net.apply(rate)
    return found


# ---------------------------------------------------------------- what it says


@pytest.mark.parametrize(
    ("cell", "learner", "options", "seed"), RUNS + HARD, ids=lambda v: str(v) if not isinstance(v, dict) else ""
)
def test_the_estimate_is_the_true_cosine_within_a_twentieth_over_10000_steps(cell, learner, options, seed):
    true, found = estimate(cell, learner, options, seed, 10_000)
    assert true < 0.97, "hardly an approximation: the test could not fail"
    assert abs(found - true) <= 0.05, (true, found)


@pytest.mark.parametrize(
    ("cell", "learner", "layers"),
    [
        ("elman", "rtrl", 1),
        ("lstm", "rtrl", 1),
        ("lru", "snap1", 1),
        ("gru", "hybrid", 1),
        ("elstm", "eprop", 1),
        ("lstm", "rtrl", 3),
    ],
)
def test_an_exact_learner_has_cosine_one(cell, learner, layers):
    net = audited(cell, learner, layers=layers)
    follow(net, *drawn(net, 1500))
    assert net.arena["audit.count"][NUMBER] > 4
    assert net.gradient_cosine == pytest.approx(1.0, abs=1e-3)


def test_there_is_no_estimate_before_enough_has_been_seen():
    net = audited("elman", "snap1")
    assert np.isnan(net.gradient_cosine)
    xs, es = drawn(net, 4 * ENOUGH)
    follow(net, xs[:200], 0.0 * es[:200])
    assert np.isnan(net.gradient_cosine), "errors of 0 say nothing"
    follow(net, xs[: ENOUGH - 1], es[: ENOUGH - 1])
    assert np.isnan(net.gradient_cosine), "few steps say little"
    follow(net, xs, es)
    assert np.isfinite(net.gradient_cosine)


# ---------------------------------------------------------------- the way back


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("cell", [c for c in cells.OWN if c != "elman_bank"])
def test_a_way_back_to_the_beginning_finds_the_exact_gradient(cell, seed):
    """That of the exact learner to 1e-12, at irregular steps and with weights that move."""
    net = audited(cell, "rtrl", seed)
    found = ways(net, *drawn(net, 2 * SHORTEST, seed), rate=0.01)
    assert found
    for gone, exact, own in found:
        assert gone < 2 * SHORTEST, "all of the past: G is not compared before"
        np.testing.assert_allclose(exact, own, rtol=0, atol=1e-12 * np.abs(own).max())


@pytest.mark.parametrize(("cell", "layers"), [("gru", 2), ("lstm", 3), ("lru", 2), ("iir", 2)])
def test_a_way_back_through_a_stack_finds_the_exact_gradient(cell, layers):
    net = audited(cell, "rtrl", layers=layers)
    for _gone, exact, own in ways(net, *drawn(net, 2 * SHORTEST), rate=0.01):
        np.testing.assert_allclose(exact, own, rtol=0, atol=1e-12 * np.abs(own).max())


@pytest.mark.parametrize(("cell", "layers"), [("elman", 1), ("gru", 1), ("lstm", 1), ("leaky", 1), ("gru", 2)])
def test_what_a_way_leaves_out_is_small(cell, layers):
    net = audited(cell, "rtrl", layers=layers)
    found = ways(net, *drawn(net, 3000))
    far = [gone for gone, _exact, _own in found]
    assert len(found) > 15
    assert max(far) < 400, "the ways end by themselves"
    missed = [((exact - own) ** 2).sum() / (own**2).sum() for _gone, exact, own in found]
    assert np.mean(missed) < CHANGE / 2


def test_a_past_that_never_fades_ends_with_the_ring():
    """Rotations without decay: |λ| = 1, a turn of one radian a step."""
    net = audited("lru", "snap1")
    net.theta[:] = 0.0
    net.theta[:, 0], net.theta[:, 3 + M] = -40.0, 1.0
    ring = net.arena["audit.J"].shape[0]
    xs, es = drawn(net, 3 * ring)
    far = [gone for gone, _exact, _own in ways(net, xs, es)]
    assert ring // 2 < max(far) <= ring * BACK // (BACK + 1)
    assert len(far) > 5


def test_a_forgotten_past_is_not_gone_back_to():
    net = audited("gru", "rtrl")
    xs, es = drawn(net, 200)
    follow(net, xs[:150], es[:150])
    while net.arena["audit.count"][REACH] == 0:  # one is under way
        follow(net, xs[:1], es[:1])
    net.state[:] = 0.0
    net.arena["learner.P"][:] = 0.0
    forget(net.probe)
    found = ways(net, xs[150 : 150 + 2 * SHORTEST], es[150 : 150 + 2 * SHORTEST])
    assert found
    for _gone, exact, own in found:
        np.testing.assert_allclose(exact, own, rtol=0, atol=1e-12 * np.abs(own).max())


def test_the_ring_holds_as_many_steps_as_fit():
    sizes = {}
    for n in (8, 32, 128):
        by_name = {f.name: f.shape for f in fields(n, 2, 5 * n, 1, 2 * n, n)}
        sizes[n] = by_name["audit.J"][0]
        assert by_name["audit.D"][0] == sizes[n]
        assert sizes[n] & (sizes[n] - 1) == 0, "slots are found by a mask"
    assert sizes[8] > sizes[32] == sizes[128] == 64
    assert all(0 in f.shape for f in fields(0, 2, 9, 1, 9, 9) if f.name not in ("audit.count", "audit.sums"))


# ---------------------------------------------------------------- the tangent


@pytest.mark.parametrize(("cell", "layers"), [*((c, 1) for c in cells.OWN), ("gru", 3), ("lru", 2)])
def test_the_tangent_is_the_exact_directional_derivative(cell, layers):
    """e d = g v to 1e-11 of the sum of what is added up, at irregular steps, for as long as one likes."""
    net = audited(cell, "rtrl", layers=layers)
    xs, es = drawn(net, 300)
    direction = net.arena["audit.grads"][DIRECTION]
    for t, (x, e) in enumerate(zip(xs, es, strict=True)):
        net.advance(x, DTS[t % len(DTS)])
        terms = net.credit(e) * direction
        top = net.arena["audit.u"].shape[1] * (layers - 1) // layers
        d = net.arena["audit.u"][TANGENT, top : top + len(e)]
        assert abs(e @ d - terms.sum()) <= 1e-11 * max(np.abs(terms).sum(), np.abs(e * d).sum())
    np.testing.assert_array_equal(np.abs(direction), 1.0)
    assert abs(direction.mean()) < 0.6, "of both signs"


# ---------------------------------------------------------------- all of it, plainly


class Plain:
    """The audit of one layer by the book: the whole past is kept, and a way is gone at once when it is due."""

    def __init__(self, net):
        self.net, self.seed, self.ring = net, int(net.arena["audit.count"][0]), net.arena["audit.J"].shape[0]
        self.past, self.seen, self.drawn, self.heard = [], [], 0, 0
        self.sums, self.means, self.due = np.zeros(3), np.zeros(2), None
        self.ready, self.next, self.total, self.choice = 0, 0.0, 0.0, None
        self.d, self.v = None, None

    def advance(self):
        net = self.net
        k, n, _q = net.arena["learner.D"].shape
        flat = range(k * n)
        J = np.array([[at(net.arena["net.structure"], net.arena["learner.J"], n, r, c) for c in flat] for r in flat])
        D = net.arena["learner.D"].copy()
        self.past.append((J, D))
        self.d = (J @ self.d if self.d is not None else 0.0) + (D * net.arena["audit.grads"][DIRECTION]).sum(2).ravel()
        if self.due is not None and len(self.past) == self.due[0]:
            _when, gone, w, found = self.due
            self.sums += w * (found - self.sums)
            most = min(max(LEAST, gone), LONGEST, self.ring // 4)
            self.ready = len(self.past) + philox(self.seed, 1, self.drawn)[0] % most
            self.drawn, self.due = self.drawn + 1, None

    def compare(self, e, grad):
        if e.any():
            self.weigh(e, grad)
        if self.due is None and self.seen and len(self.past) >= self.ready:
            self.begin()

    def weigh(self, e, grad):
        q, size = grad.shape[1], np.linalg.norm(e)
        unit = [i % q for i in range(len(grad))]
        own = grad[range(len(grad)), unit], grad[range(len(grad)), [(p + q // 2) % q for p in unit]]
        ab = np.array([(e @ self.d[: len(e)]) ** 2, sum((o**2).sum() for o in own)]) / size**2
        p = 1.0 + sum(x / m for x, m in zip(ab, self.means, strict=True) if m > 0.0)
        self.seen.append(ab)
        self.total += p
        if len(self.seen) == 1 or self.total >= self.next:
            self.choice = (len(self.past), p, e / size, grad / size)
            self.next = self.total / uniform(self.seed, 1, self.drawn)
            self.drawn += 1

    def begin(self):
        steps, p, e, own = self.choice
        exact, before, gone, look = np.zeros_like(own), np.zeros_like(own), 0, SHORTEST
        u = np.zeros(len(self.d))
        u[: len(e)] = e
        reach = min(steps, (self.ring + 1 - (len(self.past) - steps + 1)) // (BACK + 1) * BACK)
        while gone < reach:
            J, D = self.past[steps - 1 - gone]
            exact += (u.reshape(D.shape[:2])[:, :, None] * D).sum(0)
            u, gone = J.T @ u, gone + 1
            if gone == look:
                if ((exact - before) ** 2).sum() <= CHANGE * (exact**2).sum():
                    break
                before, look = exact.copy(), 2 * look
        number = len(self.seen)
        self.heard += number
        w = min(1.0, number * max(MEMORY, 1.0 / self.heard))
        self.means += w * (np.mean(self.seen, axis=0) - self.means)
        found = self.total / (number * p) * np.array([(exact * own).sum(), (exact**2).sum(), (own**2).sum()])
        strides = -(-gone // BACK)
        self.due = (len(self.past) + strides, strides * BACK, w, found)
        self.seen, self.total = [], 0.0


@pytest.mark.parametrize(("cell", "learner"), [("gru", "snap1"), ("lstm", "immediate"), ("jordan", "snap1")])
def test_the_audit_is_what_the_plain_reference_does(cell, learner):
    """With none, one or several gradients a step, some of them 0, and weights that move."""
    net = audited(cell, learner)
    plain = Plain(net)
    generator = np.random.default_rng(0)
    for t in range(1500):
        net.advance(generator.normal(size=M), DTS[t % len(DTS)])
        plain.advance()
        for _ in range(generator.integers(0, 4)):
            e = generator.normal(size=net.model.seen) * generator.integers(0, 3) * (50.0 if t % 97 < 3 else 1.0)
            plain.compare(e, net.credit(e))
        net.apply(0.01)
    assert net.arena["audit.count"][NUMBER] > 15
    np.testing.assert_allclose(net.arena["audit.sums"][[BOTH, FULL, APPROXIMATE]], plain.sums, rtol=1e-8)


def test_a_step_stands_for_as_many_as_it_should():
    """Over many seeds the sums are those of all steps: choosing bursts more often does not count them more."""
    sums = []
    for seed in range(200):
        net = audited("indrnn", "immediate", n=1)
        net.arena["audit.count"][audit.SEED] = seed
        generator = np.random.default_rng(0)
        true = []
        for t in range(400):
            net.advance(generator.normal(size=M) * (20.0 if t % 50 == 7 else 1.0))
            true.append((net.credit(np.ones(1)) ** 2).sum())
        sums.append(net.arena["audit.sums"][APPROXIMATE])
    few = np.std(sums) / math.sqrt(len(sums))
    assert np.mean(sums) == pytest.approx(np.mean(true), abs=4.0 * few)
    assert few < 0.05 * np.mean(true)
    assert max(true) > 20.0 * np.median(true), "no burst: the test could not fail"


# ---------------------------------------------------------------- what has run away


def test_an_audit_outlives_what_is_not_finite():
    net = audited("elman", "immediate")
    xs, es = drawn(net, 600)
    follow(net, xs[:100], es[:100])
    net.arena["audit.u"][TANGENT] = np.inf
    follow(net, xs[100:200], es[100:200])
    assert np.isfinite(net.arena["audit.u"][TANGENT]).all()
    while net.arena["audit.count"][REACH] == 0:
        follow(net, xs[:1], es[:1])
    net.arena["audit.J"][:] = 1e200
    follow(net, xs[200:300], es[200:300])
    for value in (np.nan, np.inf, 1e200):
        net.credit(np.full(N, value))
        follow(net, xs[300:400], es[300:400])
    assert 0.0 < net.gradient_cosine < 1.0


# ---------------------------------------------------------------- the same again


def test_the_audit_is_a_function_of_the_seed():
    runs = []
    for seed in (3, 3, 4):
        net = audited("gru", "snap1", seed)
        net.theta[:] = audited("gru", "snap1", 0).theta
        follow(net, *drawn(net, 300), rate=0.01)
        runs.append(net.gradient_cosine)
    assert runs[0] == runs[1]
    assert runs[0] != runs[2], "other steps, another estimate"


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
    assert -1.0 - 1e-9 <= watched.gradient_cosine <= 1.0 + 1e-9


def test_nothing_is_audited_where_nothing_is_learned():
    with pytest.raises(ModelError, match="no gradient to audit with the learner frozen"):
        Detector(learner="frozen", audit=True)


@pytest.mark.parametrize("cell", ["elman", "lstm"])
def test_the_audit_costs_at_most_twice_an_inference(cell):
    """Eight units: what auditing adds to a step, by the step of the cell alone; least of all runs, taken in turns."""
    inference, added = costs(cell, 8, runs=400, pause=0.02)
    print(f"{cell}: inference {inference:.0f} ns, audit {added:.0f} ns, ratio {added / inference:.2f}")
    assert added <= 2.0 * inference
