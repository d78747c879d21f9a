"""The whole influence P (k n, n q), whatever the cell's structure: P ← J P + D, grad = Pᵀ e.

Cost: dense blocks of J take n³ q multiply-adds each; 2 k n² q numbers.
"""

from __future__ import annotations

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells import Cell
from streamrnn.kernels.memory import cube, matrix
from streamrnn.learners._blocks import entries, first_two, local_fields, spread
from streamrnn.learners._contract import Carry
from streamrnn.state import Field


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array, Array, Array]:
    return (
        matrix(real, table, first),
        cube(real, table, first + 1),
        matrix(real, table, first + 2),
        matrix(real, table, first + 3),
    )


@kernel
def propagate(structure: Array, carry: tuple[Array, ...]) -> None:
    J, D, P, P1 = carry
    k, n, q = D.shape
    spread(structure, J, P, P1)
    for a in range(k):
        for i in range(n):
            for p in range(q):
                P1[a * n + i, i * q + p] += D[a, i, p]
    for r in range(P.shape[0]):
        for c in range(P.shape[1]):
            P[r, c] = P1[r, c]


@kernel
def credit(structure: Array, e: Array, carry: tuple[Array, ...], grad: Array) -> bool:
    P = carry[2]
    n, q = grad.shape
    for i in range(n):
        for p in range(q):
            grad[i, p] = 0.0
    for r in range(e.shape[0]):
        for i in range(n):
            for p in range(q):
                grad[i, p] += e[r] * P[r, i * q + p]
    return True


def dense(cell: Cell, n: int, m: int) -> Carry:
    """The whole influence, whatever the cell's structure."""
    k, q = cell.states(m), cell.width(n, m)
    fields = (
        *local_fields(cell, n, m),
        Field("learner.P", "real", (k * n, n * q)),
        Field("learner.P1", "real", (k * n, n * q)),
    )
    work = float((entries(cell, n, m) + cell.seen * n) * n * q)
    return Carry(fields, views, first_two, propagate, credit, work)
