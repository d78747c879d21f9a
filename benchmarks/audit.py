"""The gradient audit: what the probe costs beside inference, and how close its estimate comes to the true cosine.

    python -m benchmarks.audit            # the table of docs/learners.md
    python -m benchmarks.audit 20 21 22   # with other nets and data: these seeds instead of 0, 1, 2

Cost: the time of one step in a compiled loop: the cell alone (inference), and what the audit adds to a step with
learning, its look at the gradient included. Accuracy: a net learns a noisy wave online for 10,000 steps; a twin with
the same weights carries the exact gradient. The true cosine is Σ ĝ g / √(Σ ĝ² Σ g²), each step counted by 1/‖e‖², as
the audit counts.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Sequence

import numpy as np

from streamrnn import cells, learners, updates
from streamrnn._bind import bind
from streamrnn._types import Array
from streamrnn.learners.audit import compare
from streamrnn.model import Model, Network

TIMED = ("elman", "gru", "lstm", "second_order", "leaky", "iir", "mingru")
LEARNERS: tuple[tuple[str, dict[str, float]], ...] = (("snap1", {}), ("immediate", {}), ("tbptt", {"window": 3}))
STEPS, RUNS = 10_000, 60


def forward(
    theta: Array, x: Array, dt: float, s: Array, s1: Array, structure: Array, carry: tuple[Array, ...],
    probe: tuple[Array, ...],
) -> None:  # fmt: skip
    """Stand-in for the net's step."""
    raise TypeError("unbound")


def credit(structure: Array, e: Array, carry: tuple[Array, ...], grad: Array) -> bool:
    """Stand-in for the learner's gradient."""
    raise TypeError("unbound")


def infer(
    xs: Array, e: Array, grad: Array, theta: Array, s: Array, s1: Array, structure: Array, carry: tuple[Array, ...],
    probe: tuple[Array, ...],
) -> None:  # fmt: skip
    """A step for each row of xs."""
    for i in range(xs.shape[0]):
        forward(theta, xs[i], 1.0, s, s1, structure, carry, probe)


def learn(
    xs: Array, e: Array, grad: Array, theta: Array, s: Array, s1: Array, structure: Array, carry: tuple[Array, ...],
    probe: tuple[Array, ...],
) -> None:  # fmt: skip
    """A step and its gradient for each row of xs; the weights stay."""
    for i in range(xs.shape[0]):
        forward(theta, xs[i], 1.0, s, s1, structure, carry, probe)
        credit(structure, e, carry, grad)


def watch(
    xs: Array, e: Array, grad: Array, theta: Array, s: Array, s1: Array, structure: Array, carry: tuple[Array, ...],
    probe: tuple[Array, ...],
) -> None:  # fmt: skip
    """The same, and the audit looks at each gradient."""
    for i in range(xs.shape[0]):
        forward(theta, xs[i], 1.0, s, s1, structure, carry, probe)
        credit(structure, e, carry, grad)
        compare(e, grad, probe)


class Timed:
    """One of the loops over so many steps, which a branch predictor cannot learn, and the fastest that it has been."""

    def __init__(self, cell: str, learner: str, audited: bool, n: int = 8) -> None:
        model = Model(cells.get(cell), learners.get(learner), updates.get("sgd"), n, 2, audited=audited)
        net = Network(model, seed=1)
        a, called = net.arena, {"forward": model.forward, "credit": model.parts["credit"]}
        a["net.e"][:] = 1.0
        if not model.learner.learns:
            self.loop = bind(infer, f"{cell}_{learner}", forward=model.forward)
        else:
            self.loop = bind(watch if audited else learn, f"{cell}_{learner}", **called)
        self.xs = np.random.default_rng(0).normal(size=(2000, 2))
        self.parts = (
            a["net.e"], a["net.grad"], a["net.theta"], a["net.s"], a["net.s1"], a["net.structure"], net.carry,
            net.probe,
        )  # fmt: skip
        self.loop(self.xs, *self.parts)
        self.best = float("inf")

    def measure(self) -> None:
        """Nanoseconds of a step, by the processor's own time of this thread."""
        began = time.thread_time_ns()
        self.loop(self.xs, *self.parts)
        self.best = min(self.best, (time.thread_time_ns() - began) / len(self.xs))


def costs(cell: str, n: int, runs: int = RUNS, pause: float = 0.0) -> tuple[float, float]:
    """Nanoseconds of inference, and of what the audit adds to a step with learning; each the least of runs in turns.

    pause: seconds between turns. The audit's ring is larger than the caches that processors share: what another process
    does costs it more than inference, so on a busy machine turns must be spread until some are quiet.
    """
    loops = [
        Timed(cell, learner, audited, n)
        for learner, audited in (("frozen", False), ("immediate", False), ("immediate", True))
    ]
    for _ in range(runs):
        for loop in loops:
            loop.measure()
        time.sleep(pause)
    inference, bare, watched = (loop.best for loop in loops)
    return inference, watched - bare


def estimate(cell: str, learner: str, options: dict[str, float], seed: int, steps: int = STEPS) -> tuple[float, float]:
    """The true cosine over all steps, and the audit's estimate at the end."""
    c, update = cells.get(cell), updates.get("rmsprop")
    learning = Network(Model(c, learners.get(learner, options), update, 8, 2, audited=True), seed=seed)
    exact = Network(Model(c, learners.get("rtrl"), update, 8, 2), seed=seed)
    rng = np.random.default_rng(seed)
    w = rng.normal(size=learning.model.seen) / np.sqrt(8)
    t = np.arange(steps + 1)
    signal = np.sin(t / 5) + 0.5 * np.sin(t / 13) + 0.1 * rng.normal(size=steps + 1)
    both = own = true = 0.0
    for i in range(steps):
        x = np.array([signal[i], signal[i] - signal[i - 1]])
        learning.advance(x)
        exact.advance(x)
        output = learning.output.copy()
        error = signal[i + 1] - w @ output
        e = -error * w
        got, wanted, size = learning.credit(e), exact.credit(e), e @ e
        both += (got * wanted).sum() / size
        own += (got * got).sum() / size
        true += (wanted * wanted).sum() / size
        w += 0.02 * error * output
        learning.apply(1e-3)
        exact.theta[:] = learning.theta
    return both / np.sqrt(own * true), learning.gradient_cosine


def main(seeds: Sequence[int]) -> None:
    print("cost of a step, ns: inference, audit, ratio")
    for cell in TIMED:
        for n in (8, 16, 32):
            inference, audit = costs(cell, n)
            print(f"  {cell:14}{n:4}{inference:10.0f}{audit:10.0f}{audit / inference:8.2f}", flush=True)
    print("cosine to the exact gradient over 10,000 steps: true, audit, difference")
    found = []
    for cell, (learner, options) in itertools.product(cells.OWN, LEARNERS):
        if learners.get(learner).exact(cells.get(cell), 8, 2):
            continue
        for seed in seeds:
            true, audit = estimate(cell, learner, options, seed)
            found.append(audit - true)
            print(f"  {cell:14}{learner:12}{seed}{true:8.3f}{audit:8.3f}{audit - true:+8.3f}", flush=True)
    off = np.abs(found)
    print(f"within .05: {(off <= 0.05).sum()} of {len(off)}; worst {off.max():.3f}, mean {np.mean(found):+.3f}")


if __name__ == "__main__":
    main([int(v) for v in sys.argv[1:]] or range(3))
