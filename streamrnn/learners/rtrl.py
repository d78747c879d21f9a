"""Real-time recurrent learning: P ← J P + D, grad = Pᵀ e. Exact for frozen weights.

Cost: dense blocks of J take n³ q multiply-adds each, diagonal ones n² q; k n² q numbers kept. A cell whose blocks are
all diagonal is served by the traces of `learners.traces`, which are the same gradient at n q.
Source: Williams & Zipser, A Learning Algorithm for Continually Running Fully Recurrent Neural Networks (1989), §2.
"""

from __future__ import annotations

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells import DENSE, DIAGONAL, Cell
from streamrnn.cells._contract import advance, linearize
from streamrnn.kernels.memory import cube, matrix
from streamrnn.learners._contract import Carry, Learner
from streamrnn.learners.traces import TRACES
from streamrnn.state import Field


def fields(k: int, n: int, q: int, window: int) -> list[Field]:
    return [
        Field("learner.J", "real", (k * n, k * n)),
        Field("learner.D", "real", (k, n, q)),
        Field("learner.P", "real", (k * n, n * q)),
        Field("learner.P1", "real", (k * n, n * q)),
    ]


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array, Array, Array]:
    return (
        matrix(real, table, first),
        cube(real, table, first + 1),
        matrix(real, table, first + 2),
        matrix(real, table, first + 3),
    )


@kernel
def propagate(structure: Array, J: Array, P: Array, P1: Array) -> None:
    """P1 = J P, block by block: four rows of P at a time, so that a row of P1 is read and written n/4 times."""
    k, width = structure.shape[0], P.shape[1]
    n = P.shape[0] // k
    for r in range(k * n):
        for c in range(width):
            P1[r, c] = 0.0
        for b in range(k):
            block, o = structure[r // n, b], b * n
            if block == DIAGONAL:
                a0 = J[r, o + r % n]
                for c in range(width):
                    P1[r, c] += a0 * P[o + r % n, c]
            elif block == DENSE:
                j = 0
                while j + 4 <= n:
                    a0, a1, a2, a3 = J[r, o + j], J[r, o + j + 1], J[r, o + j + 2], J[r, o + j + 3]
                    for c in range(width):
                        P1[r, c] += (a0 * P[o + j, c] + a1 * P[o + j + 1, c]) + (
                            a2 * P[o + j + 2, c] + a3 * P[o + j + 3, c]
                        )
                    j += 4
                while j < n:
                    a0 = J[r, o + j]
                    for c in range(width):
                        P1[r, c] += a0 * P[o + j, c]
                    j += 1


def forward(theta: Array, x: Array, s: Array, s1: Array, structure: Array, carry: tuple[Array, ...]) -> None:
    J, D, P, P1 = carry
    k, n, q = D.shape
    advance(theta, x, s, s1)
    linearize(theta, x, s, s1, J, D)
    propagate(structure, J, P, P1)
    for a in range(k):
        for i in range(n):
            for p in range(q):
                P1[a * n + i, i * q + p] += D[a, i, p]
    for r in range(P.shape[0]):
        for c in range(P.shape[1]):
            P[r, c] = P1[r, c]
    for a in range(k):
        for i in range(n):
            s[a, i] = s1[a, i]


@kernel
def credit(e: Array, carry: tuple[Array, ...], grad: Array) -> None:
    P = carry[2]
    n, q = grad.shape
    for i in range(n):
        for p in range(q):
            grad[i, p] = 0.0
    for r in range(n):
        for i in range(n):
            for p in range(q):
                grad[i, p] += e[r] * P[r, i * q + p]


DENSE_RTRL = Carry(fields, views, forward, credit)


def carry_for(cell: Cell) -> Carry:
    return TRACES if cell.diagonal else DENSE_RTRL


RTRL = Learner(
    "rtrl", "P <- J P + D, grad = P' e",
    "n^3 q a step and n^2 q numbers kept (dense cell); n q and n q (diagonal cell)",
    "Williams & Zipser, Neural Computation 1 (1989), section 2",
    True, True, carry_for,
)  # fmt: skip
