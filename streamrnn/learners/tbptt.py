"""Truncated backpropagation through time: delta ← Jᵀ delta + e, grad += delta D over the last K steps.

A ring keeps the last K pairs (J, D). With stride 1 every step's loss is followed back K steps at once. With stride k'
the losses of k' steps are gathered and followed back together: grad is due at every k'-th step only, and a loss is
followed back at least K - k' + 1 steps. For a past no longer than K stride 1 is exact (with frozen weights); a window
and stride of 1 is `immediate`.
Cost: K (k² n² + k n q) multiply-adds for each gradient due, K (k² n² + k n q) numbers kept.
Source: Williams & Peng, An Efficient Gradient-Based Algorithm for On-Line Training of Recurrent Network Trajectories
(1990), §3.4, BPTT(h; h').
"""

from __future__ import annotations

from functools import cache

from streamrnn._bind import kernel
from streamrnn._options import Option
from streamrnn._types import Array
from streamrnn.cells import Cell
from streamrnn.errors import ModelError
from streamrnn.kernels.memory import cube, matrix, tesseract, vector
from streamrnn.learners._blocks import back, columns, entries, ring_place
from streamrnn.learners._contract import Carry, Learner, without_recurrence
from streamrnn.state import Field


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array, Array, Array, Array]:
    return (
        vector(ints, table, first),
        cube(real, table, first + 1),
        tesseract(real, table, first + 2),
        matrix(real, table, first + 3),
        matrix(real, table, first + 4),
    )


@kernel
def propagate(structure: Array, carry: tuple[Array, ...]) -> None:
    steps, _J, _D, owed, _delta = carry
    slot = steps[0] % owed.shape[0]
    for r in range(owed.shape[1]):
        owed[slot, r] = 0.0
    steps[0] += 1


@kernel
def credit(structure: Array, e: Array, carry: tuple[Array, ...], grad: Array) -> bool:
    steps, J, D, owed, delta = carry
    window, k, n, q = D.shape
    stride = owed.shape[0]
    now = steps[0] - 1
    for r in range(e.shape[0]):
        owed[now % stride, r] = e[r]
    for i in range(n):
        for p in range(q):
            grad[i, p] = 0.0
    if steps[0] % stride != 0:
        return False
    for r in range(k * n):
        delta[0, r] = 0.0
    for behind in range(min(steps[0], window)):
        at, this, before = (now - behind) % window, behind % 2, 1 - behind % 2
        if behind < stride:
            for r in range(e.shape[0]):
                delta[this, r] += owed[(now - behind) % stride, r]
        for a in range(k):
            for i in range(n):
                g = delta[this, a * n + i]
                for p in range(q):
                    grad[i, p] += g * D[at, a, i, p]
        back(structure, J[at], delta[this], delta[before])
    return True


OPTIONS = (
    Option("window", 32, 1, 4096, "steps that a loss is followed back"),
    Option("stride", 1, 1, 4096, "steps whose losses are followed back together; no more than the window"),
)


@cache
def tbptt(window: int = 32, stride: int = 1) -> Learner:
    """Truncated BPTT over `window` steps, every `stride` steps. Raises ModelError where the stride is larger."""
    if stride > window:
        raise ModelError("option 'stride' of learner tbptt is larger than its window: losses between would be lost",
                         got=stride, expected=f"1 to {window}")  # fmt: skip

    def carry(cell: Cell, n: int, m: int) -> Carry:
        k, q = cell.states(m), cell.width(n, m)
        fields = (
            Field("learner.steps", "ints", (1,)),
            Field("learner.J", "real", (window, k * n, columns(cell, n, m))),
            Field("learner.D", "real", (window, k, n, q)),
            Field("learner.owed", "real", (stride, cell.seen * n)),
            Field("learner.delta", "real", (2, k * n)),
        )
        work = window * (entries(cell, n, m) + k * n * q) / stride
        return Carry(fields, views, ring_place, propagate, credit, work)

    return Learner(
        "tbptt", "delta <- J' delta + e, grad += delta D over the last K steps",
        "K (n^2 + n q) a step; K (n^2 + n q) numbers kept",
        "Williams & Peng, Neural Computation 2 (1990), section 3.4",
        carry, without_recurrence, gathers=stride > 1, options=OPTIONS, make=tbptt,
        chosen=(("window", window), ("stride", stride)),
    )  # fmt: skip


TBPTT = tbptt()
