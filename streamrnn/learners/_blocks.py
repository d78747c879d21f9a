"""Products with J that use its structure: a block of zeros costs nothing, a diagonal one n, a uniform or dense one
n². What linearize leaves unwritten is never read.

J is (k n, k w), structure (k, k). Block b has its w columns from b w on: n of them where the cell has a dense block
somewhere (of a diagonal block the diagonal is used, of a uniform one the first column), else one, which holds the
diagonal, or the value of the uniform row. So what a cell without dense blocks needs of J is k² n numbers.
"""

from __future__ import annotations

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells import DENSE, DIAGONAL, UNIFORM, ZERO, Cell
from streamrnn.kernels.memory import cube, matrix
from streamrnn.state import Field


def columns(cell: Cell, n: int, m: int) -> int:
    """k w, the columns of J."""
    return cell.states(m) * (1 if cell.only(m, DIAGONAL, UNIFORM) else n)


def entries(cell: Cell, n: int, m: int) -> int:
    """Multiply-adds of a product of J with a vector."""
    used = {ZERO: 0, DIAGONAL: n, UNIFORM: n * n, DENSE: n * n}
    return sum(used[block] for row in cell.structure(m) for block in row)


def local_fields(cell: Cell, n: int, m: int) -> tuple[Field, Field]:
    """J (k n, k w) and D (k, n, q)."""
    k = cell.states(m)
    return (
        Field("learner.J", "real", (k * n, columns(cell, n, m))),
        Field("learner.D", "real", (k, n, cell.width(n, m))),
    )


@kernel
def at(structure: Array, J: Array, n: int, r: int, c: int) -> float:
    """∂s1[r]/∂s[c], of the flat state (k n,)."""
    w = J.shape[1] // structure.shape[0]
    b = c // n
    block = structure[r // n, b]
    if block == DENSE:
        return J[r, c]
    if block == DIAGONAL and r % n == c % n:
        return J[r, b * w + r % n % w]
    if block == UNIFORM:
        return J[r, b * w]
    return 0.0


@kernel(reassociate=True)
def times(structure: Array, J: Array, v: Array, out: Array) -> None:
    """out = J v; v and out (k n,)."""
    k = structure.shape[0]
    n, w = v.shape[0] // k, J.shape[1] // k
    for r in range(k * n):
        total = 0.0
        for b in range(k):
            block, o = structure[r // n, b], b * n
            if block == DIAGONAL:
                total += J[r, b * w + r % n % w] * v[o + r % n]
            elif block == DENSE:
                for j in range(n):
                    total += J[r, o + j] * v[o + j]
            elif block == UNIFORM:
                part = 0.0
                for j in range(n):
                    part += v[o + j]
                total += J[r, b * w] * part
        out[r] = total


@kernel
def back(structure: Array, J: Array, v: Array, out: Array) -> None:
    """out = Jᵀ v; v and out (k n,)."""
    k = structure.shape[0]
    n, w = v.shape[0] // k, J.shape[1] // k
    for c in range(k * n):
        out[c] = 0.0
    for r in range(k * n):
        g = v[r]
        for b in range(k):
            block, o = structure[r // n, b], b * n
            if block == DIAGONAL:
                out[o + r % n] += J[r, b * w + r % n % w] * g
            elif block == DENSE:
                for j in range(n):
                    out[o + j] += J[r, o + j] * g
            elif block == UNIFORM:
                for j in range(n):
                    out[o + j] += J[r, b * w] * g


@kernel
def add_row(a: float, row: Array, out: Array) -> None:
    """out += a row."""
    for c in range(out.shape[0]):
        out[c] += a * row[c]


@kernel
def add_rows(a: Array, rows: Array, out: Array) -> None:
    """out += aᵀ rows, four rows at a time, so that out is read and written n/4 times."""
    n, j = rows.shape[0], 0
    while j + 4 <= n:
        a0, a1, a2, a3 = a[j], a[j + 1], a[j + 2], a[j + 3]
        for c in range(out.shape[0]):
            out[c] += (a0 * rows[j, c] + a1 * rows[j + 1, c]) + (a2 * rows[j + 2, c] + a3 * rows[j + 3, c])
        j += 4
    while j < n:
        add_row(a[j], rows[j], out)
        j += 1


@kernel
def spread(structure: Array, J: Array, P: Array, P1: Array) -> None:
    """P1 = J P, block by block; P and P1 (k n, anything)."""
    k = structure.shape[0]
    n, w = P.shape[0] // k, J.shape[1] // k
    for r in range(k * n):
        out = P1[r]
        for c in range(out.shape[0]):
            out[c] = 0.0
        for b in range(k):
            block, o = structure[r // n, b], b * n
            if block == DIAGONAL:
                add_row(J[r, b * w + r % n % w], P[o + r % n], out)
            elif block == DENSE:
                add_rows(J[r, o : o + n], P[o : o + n], out)
            elif block == UNIFORM:
                for j in range(n):
                    add_row(J[r, b * w], P[o + j], out)


@kernel
def own(e: Array, E: Array, grad: Array) -> None:
    """grad[i] = Σ_a e[a, i] E[a, i]: what a unit's own parameters do to it, E (k, n, q)."""
    n, q = grad.shape
    for i in range(n):
        for p in range(q):
            grad[i, p] = e[i] * E[0, i, p]
    for a in range(1, e.shape[0] // n):
        for i in range(n):
            for p in range(q):
                grad[i, p] += e[a * n + i] * E[a, i, p]


@kernel
def first_two(carry: tuple[Array, ...]) -> tuple[Array, Array]:
    """J and D of a carry that begins with them."""
    return carry[0], carry[1]


@kernel
def ring_place(carry: tuple[Array, ...]) -> tuple[Array, Array]:
    """Where the coming step lies in the rings of J and D; of a carry that begins with its steps, J and D."""
    J, D = carry[1], carry[2]
    at = carry[0][0] % D.shape[0]
    return J[at], D[at]


@kernel
def open_two(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array]:
    """Views of J and D."""
    return matrix(real, table, first), cube(real, table, first + 1)
