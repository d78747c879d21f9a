"""The whole influence P (k n, n q), whatever the cell's structure: P ← J P + D, grad = Pᵀ e.

P lies in blocks of columns, (slots, k n, columns): parameter (i, p) is column i q + p of the matrix, that is column
(i q + p) % columns of block (i q + p) // columns; what the last block has beyond them stays 0. A block is read row
after row, and a tile of the product stays in registers (`kernels/simd.py`).

Where all rows of a block fit in registers the product is made in place. Else there is one slot more than there are
blocks: block b lies in slot (turn + b) mod slots, and the next block b is written one slot before, into that of block
b - 1, of which nothing is needed any more and which is still in the nearest cache. So nothing is copied, and there is
no second P. `influence` gives the matrix.

Cost: dense blocks of J take n³ q multiply-adds each; k n² q numbers.
"""

from __future__ import annotations

import numpy as np

from streamrnn._bind import bind, kernel
from streamrnn._types import Array
from streamrnn.cells import DENSE, DIAGONAL, UNIFORM, Cell
from streamrnn.kernels import simd
from streamrnn.kernels.memory import cube, matrix, vector
from streamrnn.kernels.tiles import SUM
from streamrnn.learners._blocks import add_row, entries, first_two, local_fields
from streamrnn.learners._contract import Carry
from streamrnn.state import Field, Named

IN_PLACE = 16  # rows of a block that fit in registers, at the most
NARROW, WIDE, ROWS = 16, 32, 8  # columns of a block in place, and with two; rows of a tile with two

four, eight, twelve, sixteen = (simd.tile(rows, NARROW) for rows in (4, 8, 12, 16))
first, more, onto = simd.tile(ROWS, WIDE), simd.tile(ROWS, WIDE, SUM), simd.tile_onto(ROWS, WIDE)


EACH, COLUMNS = 1, 1  # stand-ins for how many blocks `each` takes at a time, and for the columns of a block


def each(
    a: Array, ai: int, B: Array, bi: int, apart: int, valid: int, K: int, C: Array, ci: int
) -> None:  # fmt: skip
    """Stand-in for `simd.tile_each`."""
    raise TypeError("unbound")


def added(X: Array, xi: int, run: int, C: Array, ci: int) -> None:
    """Stand-in for `simd.added`."""
    raise TypeError("unbound")


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array, Array, Array, Array]:
    return (
        matrix(real, table, first),
        cube(real, table, first + 1),
        cube(real, table, first + 2),
        vector(real, table, first + 3),
        vector(ints, table, first + 4),
    )


def add_own(D: Array, turn: Array, P: Array) -> None:
    """P += D, each unit's parameters in its own rows."""
    k, n, q = D.shape
    for a in range(k):
        slot, column = turn[0], 0
        for i in range(n):
            p, r = 0, a * n + i
            while p < q:
                run = min(COLUMNS - column, q - p)
                added(D, r * q + p, run, P, (slot * k * n + r) * COLUMNS + column)
                p, column = p + run, column + run
                if column == COLUMNS:
                    column, slot = 0, slot + 1 if slot + 1 < P.shape[0] else 0


add_own_in_place = bind(add_own, "in_place", added=simd.added(NARROW), COLUMNS=NARROW)
add_own_around = bind(add_own, "around", added=simd.added(WIDE), COLUMNS=WIDE)


@kernel
def propagate_in_place(structure: Array, carry: tuple[Array, ...]) -> None:
    """For one dense block of J, of IN_PLACE rows at the most."""
    J, D, P, _tail, turn = carry
    n, size = J.shape[0], J.shape[0] * NARROW
    if n <= 4:
        for o in range(0, P.size, size):
            four(J, 0, n, n, P, o, n, P, o)
    elif n <= 8:
        for o in range(0, P.size, size):
            eight(J, 0, n, n, P, o, n, P, o)
    elif n <= 12:
        for o in range(0, P.size, size):
            twelve(J, 0, n, n, P, o, n, P, o)
    else:
        for o in range(0, P.size, size):
            sixteen(J, 0, n, n, P, o, n, P, o)
    add_own_in_place(D, turn, P)


@kernel
def count(kinds: Array, kind: int) -> int:
    """How many of a row's blocks are of this kind."""
    found = 0
    for b in range(kinds.shape[0]):
        if kinds[b] == kind:
            found += 1
    return found


@kernel
def together(kinds: Array) -> int:
    """The diagonal block that goes with the first dense one into a tile, or -1."""
    if count(kinds, DENSE) > 0:
        for b in range(kinds.shape[0]):
            if kinds[b] == DIAGONAL:
                return b
    return -1


@kernel
def multiply(structure: Array, J: Array, P: Array, old: int, new: int) -> None:
    """The block at P.flat[new] = J times the one at P.flat[old], but for what `multiply_rest` adds."""
    k, wide = structure.shape[0], J.shape[1]
    n = P.shape[1] // k
    for a in range(k):
        begun, diagonal = False, together(structure[a])
        for b in range(k):
            if structure[a, b] != DENSE:
                continue
            from_b = old + b * n * WIDE
            for i in range(0, n, ROWS):
                at, to = (a * n + i) * wide + b * n, new + (a * n + i) * WIDE
                if begun:
                    more(J, at, wide, n - i, P, from_b, n, P, to)
                elif diagonal >= 0:
                    d, x = (a * n + i) * wide + diagonal * n + i, old + (diagonal * n + i) * WIDE
                    onto(J, d, wide + 1, P, x, J, at, wide, n - i, P, from_b, n, P, to)
                else:
                    first(J, at, wide, n - i, P, from_b, n, P, to)
            begun = True


@kernel
def multiply_rest(structure: Array, J: Array, P: Array, P1: Array) -> None:
    """P1 += the other blocks of J times P, or = where there is no dense one; P and P1 (k n, columns)."""
    k = structure.shape[0]
    n, w = P.shape[0] // k, J.shape[1] // k
    for a in range(k):
        fused = together(structure[a])
        for r in range(a * n, (a + 1) * n):
            if count(structure[a], DENSE) == 0:
                for c in range(P1.shape[1]):
                    P1[r, c] = 0.0
            for b in range(k):
                if structure[a, b] == DIAGONAL and b != fused:
                    add_row(J[r, b * w + r % n % w], P[b * n + r % n], P1[r])
                elif structure[a, b] == UNIFORM:
                    for j in range(b * n, (b + 1) * n):
                        add_row(J[r, b * w], P[j], P1[r])


@kernel
def propagate_around(structure: Array, carry: tuple[Array, ...]) -> None:
    J, D, P, _tail, turn = carry
    k, slots, size = structure.shape[0], P.shape[0], P.shape[1] * WIDE
    rest = False
    for a in range(k):
        others = count(structure[a], DIAGONAL) + count(structure[a], UNIFORM) - (together(structure[a]) >= 0)
        rest = rest or count(structure[a], DENSE) == 0 or others > 0
    new = turn[0] - 1 if turn[0] > 0 else slots - 1
    begin = new
    for _ in range(slots - 1):
        old = new + 1 if new + 1 < slots else 0
        multiply(structure, J, P, old * size, new * size)
        if rest:
            multiply_rest(structure, J, P[old], P[new])
        new = old
    turn[0] = begin
    add_own_around(D, turn, P)


def credit(structure: Array, e: Array, carry: tuple[Array, ...], grad: Array) -> bool:
    _J, _D, P, tail, turn = carry
    size, slot, block = P.shape[1] * COLUMNS, turn[0], 0
    q, whole = grad.shape[1], grad.size // COLUMNS
    while block < whole:
        many = min(EACH, whole - block, P.shape[0] - slot)
        each(e, 0, P, slot * size, size, many, e.shape[0], grad, block * COLUMNS)
        block, slot = block + many, slot + many if slot + many < P.shape[0] else 0
    first = whole * COLUMNS
    if first < grad.size:
        each(e, 0, P, slot * size, size, 1, e.shape[0], tail, 0)
        i, p = first // q, first % q
        for c in range(grad.size - first):
            grad[i, p] = tail[c]
            i, p = (i, p + 1) if p + 1 < q else (i + 1, 0)
    return True


credit_in_place = bind(credit, "in_place", each=simd.tile_each(4, NARROW), EACH=4, COLUMNS=NARROW)
credit_around = bind(credit, "around", each=simd.tile_each(1, WIDE), EACH=1, COLUMNS=WIDE)


def dense(cell: Cell, n: int, m: int) -> Carry:
    """The whole influence, whatever the cell's structure."""
    k, q = cell.states(m), cell.width(n, m)
    in_place = cell.structure(m) == ((DENSE,),) and n <= IN_PLACE
    columns = NARROW if in_place else WIDE
    slots = -(-n * q // columns) + (0 if in_place else 1)
    fields = (
        *local_fields(cell, n, m),
        Field("learner.P", "real", (slots, k * n, columns)),
        Field("learner.tail", "real", (columns,)),
        Field("learner.turn", "ints", (1,)),
    )
    work = float((entries(cell, n, m) + cell.seen * n) * n * q)
    if in_place:
        return Carry(fields, views, first_two, propagate_in_place, credit_in_place, work)
    return Carry(fields, views, first_two, propagate_around, credit_around, work)


def influence(arena: Named) -> Array:
    """A copy of P of `dense` as a matrix (k n, n q)."""
    (_k, n, q), P = arena["learner.D"].shape, arena["learner.P"]
    blocks: Array = np.roll(P, -int(arena["learner.turn"][0]), axis=0)
    return blocks.transpose(1, 0, 2).reshape(P.shape[1], -1)[:, : n * q]
