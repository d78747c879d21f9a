"""One pass over a stream, learned online: net and readout by the same update, compiled for each cell and learner."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from benchmarks.memory import patterning
from streamrnn import cells, learners, updates
from streamrnn._bind import bind
from streamrnn._types import Array, Floats
from streamrnn.model import Model, Network
from streamrnn.state import Arena, Layout

UPDATE = "rmsprop"
UNITS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
PROBE, RUNS = 2000, 9  # steps and repetitions of a time measurement
LAST, PARTS = 5, 25  # what is judged is the last fifth


class Pair(NamedTuple):
    cell: str
    learner: str
    window: int = 0  # of tbptt

    @property
    def name(self) -> str:
        return f"{self.cell} {self.learner}{f' {self.window}' if self.window else ''}"

    def model(self, n: int, inputs: int, outputs: int) -> Model:
        learner = learners.get(self.learner, {"window": self.window} if self.window else None)
        return Model(cells.get(self.cell), learner, updates.get(UPDATE), n, inputs, outputs=outputs)


def forward(
    theta: Array, x: Array, dt: float, s: Array, s1: Array, structure: Array, carry: tuple[Array, ...],
    probe: tuple[Array, ...],
) -> None:  # fmt: skip
    """Stand-in for the net's step."""
    raise TypeError("unbound")


def credit(structure: Array, e: Array, carry: tuple[Array, ...], grad: Array) -> bool:
    """Stand-in for the learner's `credit`."""
    raise TypeError("unbound")


def apply(rate: float, grad: Array, memory: tuple[Array, ...], theta: Array) -> None:
    """Stand-in for the update's `apply`."""
    raise TypeError("unbound")


def judge(y: Array, target: float, slope: Array) -> float:
    """Stand-in for the task's `judge`."""
    raise TypeError("unbound")


def learn(
    rate: float, xs: Array, targets: Array, losses: Array, readout: tuple[Array, ...], kept: tuple[Array, ...],
    net: tuple[Array, ...], carry: tuple[Array, ...], memory: tuple[Array, ...], probe: tuple[Array, ...],
) -> None:  # fmt: skip
    """A step for each row of xs: advance, say y = W [h 1], judge, credit, move net and readout. NaN: nothing is due.

    readout = (W, its gradient, feedback, y, slope); kept: the update's memory for W; net = (theta, s, s1, structure, e,
    grad). Errors come back through `feedback` (outputs, seen or more), which is W unless the learner takes random ones.
    """
    W, slopes, feedback, y, slope = readout
    theta, s, s1, structure, e, grad = net
    outputs, seen, n = W.shape[0], e.shape[0], s.shape[1]
    for t in range(xs.shape[0]):
        forward(theta, xs[t], 1.0, s, s1, structure, carry, probe)
        if math.isnan(targets[t]):
            continue
        for o in range(outputs):
            y[o] = W[o, seen]
            for c in range(seen):
                y[o] += W[o, c] * s[c // n, c % n]
        losses[t] = judge(y, targets[t], slope)
        for c in range(seen):
            e[c] = 0.0
            for o in range(outputs):
                e[c] += slope[o] * feedback[o, c]
                slopes[o, c] = slope[o] * s[c // n, c % n]
        for o in range(outputs):
            slopes[o, seen] = slope[o]
        if credit(structure, e, carry, grad):
            apply(rate, grad, memory, theta)
        apply(rate, slopes, kept, W)


@cache
def compiled(pair: Pair, n: int, task: ModuleType) -> Callable[..., None]:
    """The loop for this cell, learner and task; few learners have another one for another n."""
    model = pair.model(n, task.INPUTS, task.OUTPUTS)
    parts = {"credit": model.parts["credit"], "apply": model.parts["apply"], "judge": task.judge}
    owner = f"{pair.cell}_{pair.learner}_{task.__name__.rpartition('.')[2]}"
    return bind(learn, owner, forward=model.forward, **parts)


def begin(pair: Pair, n: int, task: ModuleType, seed: int) -> Callable[[float, Floats, Floats], Floats]:
    """A net and a readout at their start: (rate, xs, targets) → losses, learning on."""
    model = pair.model(n, task.INPUTS, task.OUTPUTS)
    net = Network(model, seed=seed)
    a, seen = net.arena, model.seen
    shape = (task.OUTPUTS, seen + 1)
    fields = model.update.fields(*shape, 1)
    arena = Arena(Layout(fields, "float64"))
    kept = model.parts["open_memory"](arena.ints, arena.real, arena.layout.table, 0)
    W = np.zeros(shape)
    feedback = a["net.feedback"] if model.learner.feedback == "random" else W
    readout: tuple[Any, ...] = (W, np.zeros(shape), feedback, np.zeros(task.OUTPUTS), np.zeros(task.OUTPUTS))
    views = tuple(a[f"net.{name}"] for name in ("theta", "s", "s1", "structure", "e", "grad"))
    loop = compiled(pair, n, task)

    def go(rate: float, xs: Floats, targets: Floats) -> Floats:
        losses = np.zeros(len(xs))
        loop(rate, xs, targets, losses, readout, kept, views, net.carry, net.memory, net.probe)
        return losses

    return go


def microseconds(pair: Pair, n: int) -> float:
    """Median processor time of a step with error, gradient and update: one of trace patterning, whatever the task."""
    xs, targets = patterning.stream(8, PROBE, 0)
    go = begin(pair, n, patterning, 0)
    go(1e-4, xs, targets)
    taken = []
    for _ in range(RUNS):
        began = time.thread_time_ns()
        go(1e-4, xs, targets)
        taken.append((time.thread_time_ns() - began) / len(xs) / 1000.0)
    return statistics.median(taken)


def largest(pair: Pair, budget: float) -> tuple[int, float]:
    """The most units whose step takes no more than `budget` µs, and what it takes; the fewest where none does."""
    block = cells.get(pair.cell).multiple
    best = (0, math.inf)
    for n in UNITS:
        if n > block and n % block:
            continue
        taken = microseconds(pair, n)
        if best[0] and taken > budget:
            break
        best = (n, taken)
        if taken > budget:
            break
    return best


def run(pair: Pair, n: int, task: ModuleType, delay: int, steps: int, seed: int, rate: float) -> tuple[float, Floats]:
    """The error in the last fifth of a pass, and its course in PARTS parts of equal length."""
    xs, targets = task.stream(delay, steps, seed)
    with np.errstate(over="ignore", invalid="ignore"):
        losses = begin(pair, n, task, seed)(rate, xs, targets)
        parts = zip(np.array_split(losses, PARTS), np.array_split(targets, PARTS), strict=True)
        course = [task.error(*part) for part in parts]
        return task.error(losses[-steps // LAST :], targets[-steps // LAST :]), np.array(course)
