"""What a learner declares of its cost, `Carry.work`, against the clock: the growth of a step's time with n.

A step is propagate and credit, compiled and called from a compiled loop. J and D hold random numbers; the cell itself
is not run. Sizes are measured in turns, and the least time of all counts: other work on the machine only adds to it.
They are such that the declared terms dominate, and that what a step touches stays within one level of the cache, or
moves from one to the next where that does not bend the line.
"""

from __future__ import annotations

import time

import numpy as np
import pytest

from streamrnn import cells, learners
from streamrnn._bind import bind
from streamrnn.learners.stacked import sizes
from streamrnn.state import Field

M = 2
CLOSE = 0.3  # between the two exponents
ROUNDS, ROUND = 40, 0.25  # at the most so many rounds of so many seconds a case; one or two are enough as a rule
SAMPLE = 1e-3  # seconds of one measurement

CASES = [
    ("elman", {}, "rtrl", {}, 1, (16, 24, 32, 48)),
    ("lstm", {}, "rtrl", {}, 1, (20, 24, 32, 40)),
    ("elman_bank", {}, "rtrl", {}, 1, (32, 64, 128, 256)),
    ("elman_ring", {}, "rtrl", {}, 1, (32, 48, 64, 96)),
    ("indrnn", {}, "rtrl", {}, 1, (64, 128, 256, 512)),
    ("rtu", {}, "rtrl", {}, 1, (64, 128, 256, 512)),
    ("jordan", {}, "rtrl", {}, 1, (64, 128, 256, 512)),
    ("elman", {}, "snap1", {}, 1, (96, 128, 192, 256)),
    ("elman_ring", {}, "snap", {"order": 3}, 1, (32, 64, 128, 256)),
    ("elman", {}, "snap", {"order": 2}, 1, (16, 24, 32, 48)),
    ("elman", {}, "immediate", {}, 1, (64, 96, 128, 192)),
    ("elman", {}, "tbptt", {"window": 2}, 1, (64, 96, 128, 192)),
    ("elstm", {}, "tbptt", {"window": 4}, 1, (32, 64, 128, 192)),
    ("elman", {}, "hybrid", {}, 1, (28, 40, 56, 72)),
    ("elman", {}, "uoro", {}, 1, (128, 192, 256, 384)),
    ("indrnn", {}, "uoro", {}, 1, (64, 128, 256, 512)),
    ("elman", {}, "kf_rtrl", {}, 1, (64, 96, 128, 192)),
    ("gru", {}, "eprop", {}, 1, (32, 48, 64, 96)),
    ("elstm", {}, "crbp", {}, 1, (64, 128, 256, 512)),
    ("elman", {}, "rtrl", {}, 2, (8, 12, 16, 24)),
    ("elman", {}, "crbp", {"window": 2}, 2, (32, 48, 64, 96)),
    ("indrnn", {}, "crbp", {"window": 1}, 2, (48, 64, 96, 128)),
]


def propagate(structure, carry):
    raise TypeError("unbound")


def credit(structure, e, carry, grad):
    raise TypeError("unbound")


def many(steps, e, structure, carry, grad):
    for _ in range(steps):
        propagate(structure, carry)
        credit(structure, e, carry, grad)


def aligned(field):
    """Zeros for a field, from the start of a cache line on: chance would decide a third of a short loop's time."""
    room = np.zeros(int(np.prod(field.shape)) + 8, np.int64 if field.section == "ints" else np.float64)
    first = -room.ctypes.data % 64 // 8
    return room[first : first + len(room) - 8].reshape(field.shape)


class Step:
    """Steps of one size, and the least time of one so far."""

    def __init__(self, cell, learner, layers, n):
        k, q, outputs = cell.states(M), cell.width(n, M), cell.seen * n
        if layers > 1:
            k, q, outputs = sizes(cell, n, M)
            carry = learner.stack(cell, n, M, layers)
        else:
            carry = learner.carry(cell, n, M)
        self.work, self.best = carry.work, np.inf
        generator = np.random.default_rng(0)
        parts = {field.name: aligned(field) for field in carry.fields}
        for name, size in (("J", 0.4 / (k * n) ** 0.5), ("B", 0.4 / (k * n) ** 0.5), ("D", 1.0)):
            if layers > 1 or name != "B":
                part = parts[f"learner.{name}"]
                part[:] = size * generator.normal(size=part.shape)
        if carry.start is not None:
            carry.start(parts, 0)
        structure = np.zeros((layers * k, k), np.int64)
        for layer in range(layers):
            own = cell.structure(M if layer == 0 else outputs)
            structure[layer * k : layer * k + len(own), : len(own)] = own
        views, grad = tuple(parts.values()), aligned(Field("grad", "real", (layers * n, q)))
        self.args = (generator.normal(size=outputs), structure, views, grad)
        self.loop = bind(many, learner.name, propagate=carry.propagate, credit=carry.credit)
        self.steps = period = n if learner.name == "hybrid" else 1  # whose steps differ within a block of n
        self.loop(3 * period, *self.args)  # past the first blocks and windows
        while self.measure() < SAMPLE:
            self.steps *= 2

    def measure(self):
        """Seconds of one sample."""
        began = time.perf_counter()
        self.loop(self.steps, *self.args)
        taken = time.perf_counter() - began
        self.best = min(self.best, taken / self.steps)
        return taken


def exponent(ns, values):
    return float(np.polyfit(np.log(ns), np.log(values), 1)[0])


def measured(steps, ns, declared, rounds=ROUNDS):
    """The exponent of the time, by the least of all measurements; done as soon as they are conclusive."""
    for attempt in range(rounds):
        time.sleep(0.1 * (attempt > 4))  # other work takes turns too
        end = time.perf_counter() + ROUND
        while time.perf_counter() < end:
            for step in steps:
                step.measure()
        found = exponent(ns, [step.best for step in steps])
        if abs(found - declared) <= 0.8 * CLOSE:
            break
    return found


@pytest.mark.parametrize(
    ("cell", "cell_options", "learner", "learner_options", "layers", "ns"),
    [pytest.param(*case, id=f"{case[2]}-{case[0]}" + f"-{case[4]}_layers" * (case[4] > 1)) for case in CASES],
)
def test_time_grows_as_declared(cell, cell_options, learner, learner_options, layers, ns, record_property):
    parts = cells.get(cell, cell_options), learners.get(learner, learner_options)
    steps = [Step(*parts, layers, n) for n in ns]
    declared = exponent(ns, [step.work for step in steps])
    found = measured(steps, ns, declared)
    record_property("exponents", (declared, found))
    times = ", ".join(f"{1e6 * step.best:.1f}" for step in steps)
    print(f"{learner} of {cell}: declared {declared:.2f}, measured {found:.2f}; n {ns}: {times} µs")
    assert abs(found - declared) <= CLOSE, (declared, found, times)


def test_every_learner_that_learns_is_measured():
    assert {case[2] for case in CASES} | {"frozen", "rflo"} == set(learners.OWN)
    assert learners.get("rflo").carry is learners.get("eprop").carry


def test_a_wrong_exponent_is_found():
    """The traces of an Elman net declared as n^3."""
    ns = (64, 96, 128, 192)
    steps = [Step(cells.get("elman"), learners.get("snap1"), 1, n) for n in ns]
    declared = exponent(ns, [step.work * n for step, n in zip(steps, ns, strict=True)])
    assert abs(measured(steps, ns, declared, rounds=4) - declared) > CLOSE
