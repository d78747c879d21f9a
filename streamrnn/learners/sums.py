"""One trace a parameter for a cell that hears only sums over its units: exact RTRL of a Jordan net at the price of P.

Where every block of J is uniform, s1 depends on the past through z[b] = Σ_j s[b, j] alone. With u[(a, i), b] the value
of block (a, b) in unit i's row, and Z[b] = ∂z[b]/∂theta (n, q):

    ∂s1[a, i]/∂theta = Σ_b u[(a, i), b] Z[b] + D[a, i]        Z1[a] = Σ_i ∂s1[a, i]/∂theta

so that Z (k, n, q) is all that need be carried; the rows of the outputs are built when credit asks for them.
Cost: k² n + k² n q multiply-adds, 2 k n q numbers. Source: the chain rule; algorithm of Williams & Zipser (1989), §2,
for a state that passes through one number.
"""

from __future__ import annotations

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells import UNIFORM, Cell
from streamrnn.kernels.memory import cube, matrix
from streamrnn.learners._blocks import first_two, local_fields
from streamrnn.learners._contract import Carry
from streamrnn.state import Field


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array, Array, Array, Array]:
    return (
        matrix(real, table, first),
        cube(real, table, first + 1),
        cube(real, table, first + 2),
        cube(real, table, first + 3),
        matrix(real, table, first + 4),
    )


@kernel
def propagate(structure: Array, carry: tuple[Array, ...]) -> None:
    J, D, Z, Z0, u = carry
    k, n, q = D.shape
    for a in range(k):
        for i in range(n):
            for p in range(q):
                Z0[a, i, p] = Z[a, i, p]
    for r in range(k * n):
        for b in range(k):
            u[r, b] = J[r, b] if structure[r // n, b] == UNIFORM else 0.0
    for a in range(k):
        for i in range(n):
            for p in range(q):
                Z[a, i, p] = D[a, i, p]
        for b in range(k):
            total = 0.0
            for i in range(n):
                total += u[a * n + i, b]
            for i in range(n):
                for p in range(q):
                    Z[a, i, p] += total * Z0[b, i, p]


@kernel
def credit(structure: Array, e: Array, carry: tuple[Array, ...], grad: Array) -> bool:
    _J, D, _Z, Z0, u = carry
    k, n, q = D.shape
    for i in range(n):
        for p in range(q):
            grad[i, p] = 0.0
    for a in range(e.shape[0] // n):
        for i in range(n):
            for p in range(q):
                grad[i, p] += e[a * n + i] * D[a, i, p]
        for b in range(k):
            total = 0.0
            for i in range(n):
                total += e[a * n + i] * u[a * n + i, b]
            for i in range(n):
                for p in range(q):
                    grad[i, p] += total * Z0[b, i, p]
    return True


def sums(cell: Cell, n: int, m: int) -> Carry:
    """The carry for this cell."""
    k, q = cell.states(m), cell.width(n, m)
    fields = (
        *local_fields(cell, n, m),
        Field("learner.Z", "real", (k, n, q)),
        Field("learner.Z0", "real", (k, n, q)),
        Field("learner.u", "real", (k * n, k)),
    )
    return Carry(fields, views, first_two, propagate, credit, float(k * k * n * q))
