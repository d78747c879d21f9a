"""One trace a parameter: E[a, i] ← Σ_b J[(a, i), (b, i)] E[b, i] + D[a, i], grad[i] = Σ_a e[a, i] E[a, i].

Keeps of the influence only what unit i's own parameters do to unit i. On a cell whose units depend on no others that
is all there is (exact RTRL); on a dense cell it is the approximation SnAp-1.
Cost: k² n q multiply-adds, k n q numbers.
"""

from __future__ import annotations

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells import Cell
from streamrnn.kernels.memory import cube, matrix
from streamrnn.learners._blocks import at, first_two, local_fields, own
from streamrnn.learners._contract import Carry
from streamrnn.state import Field


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array, Array, Array]:
    return (
        matrix(real, table, first),
        cube(real, table, first + 1),
        cube(real, table, first + 2),
        matrix(real, table, first + 3),
    )


@kernel
def propagate(structure: Array, carry: tuple[Array, ...]) -> None:
    J, D, E, E1 = carry
    k, n, q = D.shape
    for i in range(n):
        for a in range(k):
            for p in range(q):
                E1[a, p] = D[a, i, p]
            for b in range(k):
                if structure[a, b] != 0:
                    kept = at(structure, J, n, a * n + i, b * n + i)
                    for p in range(q):
                        E1[a, p] += kept * E[b, i, p]
        for a in range(k):
            for p in range(q):
                E[a, i, p] = E1[a, p]


@kernel
def credit(structure: Array, e: Array, carry: tuple[Array, ...], grad: Array) -> bool:
    own(e, carry[2], grad)
    return True


def traces(cell: Cell, n: int, m: int) -> Carry:
    """The carry for this cell."""
    k, q = cell.states(m), cell.width(n, m)
    fields = (
        *local_fields(cell, n, m),
        Field("learner.E", "real", (k, n, q)),
        Field("learner.E1", "real", (k, q)),
    )
    return Carry(fields, views, first_two, propagate, credit, float(k * k * n * q))
