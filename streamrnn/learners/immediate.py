"""Immediate derivatives: grad[i] = e[i] D[0, i]; no credit through time at all. The ablation for every other learner.

Equal to truncated BPTT with a window of 1. Cost: that of the forward pass.
"""

from __future__ import annotations

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells import Cell
from streamrnn.cells._contract import advance, linearize
from streamrnn.kernels.memory import cube, matrix
from streamrnn.learners._contract import Carry, Learner
from streamrnn.state import Field


def fields(k: int, n: int, q: int, window: int) -> list[Field]:
    return [Field("learner.J", "real", (k * n, k * n)), Field("learner.D", "real", (k, n, q))]


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array]:
    return matrix(real, table, first), cube(real, table, first + 1)


def forward(theta: Array, x: Array, s: Array, s1: Array, structure: Array, carry: tuple[Array, ...]) -> None:
    J, D = carry
    k, n, _q = D.shape
    advance(theta, x, s, s1)
    linearize(theta, x, s, s1, J, D)
    for a in range(k):
        for i in range(n):
            s[a, i] = s1[a, i]


@kernel
def credit(e: Array, carry: tuple[Array, ...], grad: Array) -> None:
    D = carry[1]
    n, q = grad.shape
    for i in range(n):
        for p in range(q):
            grad[i, p] = e[i] * D[0, i, p]


STEP = Carry(fields, views, forward, credit)


def carry_for(cell: Cell) -> Carry:
    return STEP


IMMEDIATE = Learner(
    "immediate", "grad[i] = e[i] D[i]", "that of the forward pass; nothing kept",
    "the zeroth-order term of Williams & Zipser, Neural Computation 1 (1989)",
    False, False, carry_for,
)  # fmt: skip
