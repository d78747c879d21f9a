"""Real-time recurrent learning: P ← J P + D, grad = Pᵀ e. Exact for frozen weights.

Cost: dense blocks of J take n³ q multiply-adds each; k n² q numbers kept. Where the cell's structure allows, the same
gradient is kept smaller: traces (diagonal blocks), sums (uniform blocks), a pattern (units that hear few others).
Source: Williams & Zipser, A Learning Algorithm for Continually Running Fully Recurrent Neural Networks (1989), §2.
"""

from __future__ import annotations

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells import DIAGONAL, UNIFORM, ZERO, Cell
from streamrnn.kernels.memory import cube, matrix
from streamrnn.learners._blocks import first_two, spread
from streamrnn.learners._contract import Carry, Learner, always
from streamrnn.learners.snap import hears, linked
from streamrnn.learners.stacked import joint
from streamrnn.learners.sums import sums
from streamrnn.learners.traces import traces
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
def credit(e: Array, carry: tuple[Array, ...], grad: Array) -> bool:
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
        Field("learner.J", "real", (k * n, k * n)),
        Field("learner.D", "real", (k, n, q)),
        Field("learner.P", "real", (k * n, n * q)),
        Field("learner.P1", "real", (k * n, n * q)),
    )
    kinds = [kind for row in cell.structure(m) for kind in row if kind != ZERO]
    work = float((sum(n if kind == DIAGONAL else n * n for kind in kinds) + cell.seen * n) * n * q)
    return Carry(fields, views, first_two, propagate, credit, work)


def smallest(cell: Cell, n: int, m: int) -> Carry:
    """The influence in the smallest form that is still all of it."""
    if cell.only(m, DIAGONAL):
        return traces(cell, n, m)
    if cell.only(m, UNIFORM):
        return sums(cell, n, m)
    if not hears(cell, n, m).all():
        return linked(cell, n, m)
    return dense(cell, n, m)


RTRL = Learner(
    "rtrl", "P <- J P + D, grad = P' e",
    "n^3 q a step and n^2 q numbers kept (dense cell); n q and n q (diagonal cell, or one output fed back)",
    "Williams & Zipser, Neural Computation 1 (1989), section 2",
    smallest, always, stack=joint,
)  # fmt: skip
