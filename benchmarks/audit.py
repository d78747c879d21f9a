"""The gradient audit: what the probe costs beside inference, and how close its estimate comes to the true cosine.

    python -m benchmarks.audit            # the table of docs/learners.md

Cost: medians of the time of one step in a compiled loop: the cell alone (inference), and what the probe adds to a step
with learning. Accuracy: a net learns a noisy wave online for 10,000 steps; a twin with the same weights carries the
exact gradient. The true cosine is Σ ĝ g / √(Σ ĝ² Σ g²), each step counted by 1/‖e‖², as the audit counts.
"""

from __future__ import annotations

import itertools
import statistics
import time

import numpy as np

from streamrnn import cells, learners, updates
from streamrnn._bind import bind
from streamrnn._types import Array
from streamrnn.model import Model, Network

TIMED = ("elman", "gru", "lstm", "second_order", "leaky")
LEARNERS: tuple[tuple[str, dict[str, float]], ...] = (("snap1", {}), ("immediate", {}), ("tbptt", {"window": 3}))
STEPS, RUNS = 10_000, 15


def forward(
    theta: Array, x: Array, dt: float, s: Array, s1: Array, structure: Array, carry: tuple[Array, ...],
    probe: tuple[Array, ...],
) -> None:  # fmt: skip
    """Stand-in for the net's step."""
    raise TypeError("unbound")


def many(
    xs: Array, theta: Array, s: Array, s1: Array, structure: Array, carry: tuple[Array, ...], probe: tuple[Array, ...]
) -> None:  # fmt: skip
    """A step for each row of xs."""
    for i in range(xs.shape[0]):
        forward(theta, xs[i], 1.0, s, s1, structure, carry, probe)


def nanoseconds(cell: str, n: int, learner: str, audited: bool) -> float:
    """Median time of a step."""
    model = Model(cells.get(cell), learners.get(learner), updates.get("sgd"), n, 2, audited=audited)
    net = Network(model, seed=1)
    loop = bind(many, f"{cell}_{learner}", forward=model.forward)
    xs = np.random.default_rng(0).normal(size=(2000, 2))
    a = net.arena
    parts = (a["net.theta"], a["net.s"], a["net.s1"], a["net.structure"], net.carry, net.probe)
    loop(xs, *parts)
    taken = []
    for _ in range(RUNS):
        began = time.perf_counter_ns()
        loop(xs, *parts)
        taken.append((time.perf_counter_ns() - began) / len(xs))
    return statistics.median(taken)


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


def main() -> None:
    print("cost of a step, ns: inference, probe, ratio")
    for cell in TIMED:
        for n in (8, 16, 32):
            inference = nanoseconds(cell, n, "frozen", False)
            probe = nanoseconds(cell, n, "immediate", True) - nanoseconds(cell, n, "immediate", False)
            print(f"  {cell:14}{n:4}{inference:10.0f}{probe:10.0f}{probe / inference:8.2f}", flush=True)
    print("cosine to the exact gradient over 10,000 steps: true, audit, difference")
    found = []
    for cell, (learner, options) in itertools.product(cells.OWN, LEARNERS):
        if learners.get(learner).exact(cells.get(cell), 8, 2):
            continue
        for seed in range(3):
            true, audit = estimate(cell, learner, options, seed)
            found.append(audit - true)
            print(f"  {cell:14}{learner:12}{seed}{true:8.3f}{audit:8.3f}{audit - true:+8.3f}", flush=True)
    off = np.abs(found)
    print(f"within .05: {(off <= 0.05).sum()} of {len(off)}; worst {off.max():.3f}, mean {np.mean(found):+.3f}")


if __name__ == "__main__":
    main()
