"""Truncated backpropagation through time, at every step over the last K: delta ← Jᵀ delta, grad += delta D.

A ring keeps the last K pairs (J, D). The gradient is that of the present loss, as far as it reaches back K steps; for a
past no longer than K it is the exact one (with frozen weights). Window 1 is `immediate`.
Cost: K (k² n² + k n q) multiply-adds a step with an error, K (k² n² + k n q) numbers kept.
Source: Williams & Peng, An Efficient Gradient-Based Algorithm for On-Line Training of Recurrent Network Trajectories
(1990), §3.4, BPTT(h) with h' = 1.
"""

from __future__ import annotations

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells import Cell
from streamrnn.cells._contract import advance, linearize
from streamrnn.kernels.memory import cube, matrix, tesseract, vector
from streamrnn.learners._contract import Carry, Learner
from streamrnn.state import Field


def fields(k: int, n: int, q: int, window: int) -> list[Field]:
    return [
        Field("learner.steps", "ints", (1,)),
        Field("learner.J", "real", (window, k * n, k * n)),
        Field("learner.D", "real", (window, k, n, q)),
        Field("learner.delta", "real", (2, k * n)),
    ]


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array, Array, Array]:
    return (
        vector(ints, table, first),
        cube(real, table, first + 1),
        tesseract(real, table, first + 2),
        matrix(real, table, first + 3),
    )


def forward(theta: Array, x: Array, s: Array, s1: Array, structure: Array, carry: tuple[Array, ...]) -> None:
    steps, J, D, _delta = carry
    window, k, n, _q = D.shape
    at = steps[0] % window
    advance(theta, x, s, s1)
    linearize(theta, x, s, s1, J[at], D[at])
    steps[0] += 1
    for a in range(k):
        for i in range(n):
            s[a, i] = s1[a, i]


@kernel
def credit(e: Array, carry: tuple[Array, ...], grad: Array) -> None:
    steps, J, D, delta = carry
    window, k, n, q = D.shape
    for i in range(n):
        for p in range(q):
            grad[i, p] = 0.0
    for r in range(k * n):
        delta[0, r] = e[r] if r < n else 0.0
    for back in range(min(steps[0], window)):
        at = (steps[0] - 1 - back) % window
        now, before = back % 2, 1 - back % 2
        for a in range(k):
            for i in range(n):
                g = delta[now, a * n + i]
                for p in range(q):
                    grad[i, p] += g * D[at, a, i, p]
        for c in range(k * n):
            delta[before, c] = 0.0
        for r in range(k * n):
            g = delta[now, r]
            for c in range(k * n):
                delta[before, c] += J[at, r, c] * g


RING = Carry(fields, views, forward, credit)


def carry_for(cell: Cell) -> Carry:
    return RING


TBPTT = Learner(
    "tbptt", "delta <- J' delta, grad += delta D over the last K steps",
    "K (n^2 + n q) a step; K (n^2 + n q) numbers kept",
    "Williams & Peng, Neural Computation 2 (1990), section 3.4",
    False, False, carry_for,
)  # fmt: skip
