"""SnAp-n: RTRL that keeps the influence of a unit's parameters on the units that hear it within n - 1 steps.

    P[(a, r), i] ← Σ_b Σ_l J[(a, r), (b, l)] P[(b, l), i] + [r = i] D[a, i]        for the pairs (r, i) kept

With A[r, l] = 1 where unit r hears unit l at once, and r = l among them, (r, i) is kept where A^(order - 1)[r, i] ≠ 0.
Order 1 is SnAp-1. Where A^(order - 1) grows no more, all that is left out is 0: exact RTRL. For a cell whose units all
hear each other that is order 2; the orders between are of use where units hear few others.

Kept pairs lie row by row, those of row r in the order of i: P is (k, pairs q). Where r hears l, the columns that both
rows keep fall into runs that are contiguous in both: a table of runs is all that a step needs to know of the pattern.
`linked` is exact RTRL at the order that is enough.
Cost: q multiply-adds for each kept pair (r, i) and each l that r hears and for which (l, i) is kept; k q pairs numbers.
Source: Menick et al., A Practical Sparse Approximation for Real Time Recurrent Learning (ICLR 2021), §3.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from streamrnn._bind import kernel
from streamrnn._options import Option
from streamrnn._types import Array, Bools
from streamrnn.cells import DENSE, DIAGONAL, UNIFORM, ZERO, Cell
from streamrnn.kernels.memory import cube, matrix, place, vector
from streamrnn.learners._blocks import first_two, local_fields
from streamrnn.learners._contract import Carry, Learner
from streamrnn.learners.dense import dense
from streamrnn.state import Field, Named


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array, Array, Array, Array, Array, Array]:
    return (
        matrix(real, table, first),
        cube(real, table, first + 1),
        matrix(real, table, first + 2),
        matrix(real, table, first + 3),
        matrix(ints, table, first + 4),
        vector(ints, table, first + 5),
        matrix(ints, table, first + 6),
    )


@kernel
def along(row: Array, each: int, runs: Array, q: int, P: Array, P1: Array) -> None:
    """P1 (pairs q,) += row P for the row (n,) of one block of J and its runs, four into the same place at a time.

    each: 1, or 0 where the block is uniform.
    """
    u, count = 0, runs.shape[0]
    while u < count:
        to, w = runs[u, 1] * q, runs[u, 2] * q
        o0, g0 = runs[u, 4] * q, row[each * runs[u, 3]]
        if u + 3 < count and runs[u + 3, 1] == runs[u, 1] and runs[u + 3, 2] == runs[u, 2]:
            o1, g1 = runs[u + 1, 4] * q, row[each * runs[u + 1, 3]]
            o2, g2 = runs[u + 2, 4] * q, row[each * runs[u + 2, 3]]
            o3, g3 = runs[u + 3, 4] * q, row[each * runs[u + 3, 3]]
            for c in range(w):
                P1[place(to + c)] += (g0 * P[place(o0 + c)] + g1 * P[place(o1 + c)]) + (
                    g2 * P[place(o2 + c)] + g3 * P[place(o3 + c)]
                )
            u += 4
        else:
            for c in range(w):
                P1[place(to + c)] += g0 * P[place(o0 + c)]
            u += 1


@kernel
def propagate(structure: Array, carry: tuple[Array, ...]) -> None:
    J, D, P, P1, rows, _unit, runs = carry
    k, n, q = D.shape
    w = J.shape[1] // k
    for a in range(k):
        for c in range(P1.shape[1]):
            P1[a, c] = 0.0
        for b in range(k):
            if structure[a, b] == DIAGONAL:
                for r in range(n):
                    own = J[a * n + r, b * w + r % w]
                    for c in range(rows[r, 0] * q, rows[r, 1] * q):
                        P1[a, place(c)] += own * P[b, place(c)]
            elif structure[a, b] != ZERO:
                each = 0 if structure[a, b] == UNIFORM else 1
                for r in range(n):
                    row = J[a * n + r, b * w : b * w + w]
                    along(row, each, runs[rows[r, 3] : rows[r, 4]], q, P[b], P1[a])
        for r in range(n):
            for p in range(q):
                P1[a, place(rows[r, 2] * q + p)] += D[a, r, p]
    for a in range(k):
        for c in range(P.shape[1]):
            P[a, c] = P1[a, c]


@kernel
def credit(structure: Array, e: Array, carry: tuple[Array, ...], grad: Array) -> bool:
    _J, _D, P, _P1, rows, unit, _runs = carry
    n, q = grad.shape
    for i in range(n):
        for p in range(q):
            grad[i, p] = 0.0
    for a in range(e.shape[0] // n):
        for r in range(n):
            for pair in range(rows[r, 0], rows[r, 1]):
                i = unit[pair]
                for p in range(q):
                    grad[place(i), p] += e[a * n + r] * P[a, place(pair * q + p)]
    return True


def hears(cell: Cell, n: int, m: int) -> Bools:
    """(n, n): whether unit r hears unit l at once, itself always."""
    kinds = {block for row in cell.structure(m) for block in row}
    if UNIFORM in kinds:
        return np.ones((n, n), bool)
    return cell.links(n) | np.eye(n, dtype=bool) if DENSE in kinds else np.eye(n, dtype=bool)


def pattern(cell: Cell, n: int, m: int, order: int) -> Bools:
    """(n, n): whether SnAp of this order keeps what the parameters of unit i do to unit r, at [r, i]."""
    A, kept = hears(cell, n, m).astype(np.float32), np.eye(n, dtype=bool)
    for _ in range(order - 1):
        more = A @ kept.astype(np.float32) > 0.0
        if (more == kept).all():
            break
        kept = more
    return kept


def closed(cell: Cell, n: int, m: int) -> Bools:
    """The pattern to which more orders add nothing: all that the parameters of unit i ever do to unit r."""
    kept = hears(cell, n, m)
    while True:
        more = kept.astype(np.float32) @ kept.astype(np.float32) > 0.0
        if (more == kept).all():
            return kept
        kept = more


def runs_of(kept: Bools, heard: Bools) -> list[tuple[int, int, int, int, int]]:
    """(r, first pair in r's row, length, l, first pair in l's row) of each run; those into the same place together."""
    place = np.cumsum(kept).reshape(kept.shape) - 1
    runs = []
    for r, unit in np.argwhere(heard):
        both = np.flatnonzero(kept[r] & kept[unit])
        to, out_of = place[r, both], place[unit, both]
        breaks = np.flatnonzero((np.diff(to) != 1) | (np.diff(out_of) != 1)) + 1
        for part in np.split(np.arange(len(both)), breaks):
            if len(part):
                runs.append((int(r), int(to[part[0]]), len(part), int(unit), int(out_of[part[0]])))
    return sorted(runs)


def sparse(cell: Cell, n: int, m: int, kept: Bools) -> Carry:
    """The influence of the pairs that are kept."""
    if hears(cell, n, m).all() and kept.all():
        return dense(cell, n, m)
    k, q, pairs = cell.states(m), cell.width(n, m), int(kept.sum())
    runs = runs_of(kept, hears(cell, n, m))
    ends = np.cumsum(kept.sum(1))
    own = (np.cumsum(kept).reshape(n, n) - 1).diagonal()
    first = np.searchsorted([run[0] for run in runs], np.arange(n + 1))
    rows = np.column_stack([ends - kept.sum(1), ends, own, first[:-1], first[1:]])

    def start(arena: Named, seed: int) -> None:
        arena["learner.rows"][:] = rows
        arena["learner.unit"][:] = np.nonzero(kept)[1]
        arena["learner.runs"][:] = runs

    fields = (
        *local_fields(cell, n, m),
        Field("learner.P", "real", (k, pairs * q)),
        Field("learner.P1", "real", (k, pairs * q)),
        Field("learner.rows", "ints", (n, 5)),
        Field("learner.unit", "ints", (pairs,)),
        Field("learner.runs", "ints", (len(runs), 5)),
    )
    kinds = [block for row in cell.structure(m) for block in row if block != ZERO]
    moved = sum(pairs if block == DIAGONAL else sum(length for _, _, length, _, _ in runs) for block in kinds)
    return Carry(fields, views, first_two, propagate, credit, float(q * (moved + cell.seen * pairs)), start)


def linked(cell: Cell, n: int, m: int) -> Carry:
    """Exact RTRL without the pairs whose influence is always 0."""
    return sparse(cell, n, m, closed(cell, n, m))


@cache
def snap(order: int = 2) -> Learner:
    """SnAp of this order."""

    def carry(cell: Cell, n: int, m: int) -> Carry:
        return sparse(cell, n, m, pattern(cell, n, m, order))

    def exact(cell: Cell, n: int, m: int) -> bool:
        return bool((pattern(cell, n, m, order) == closed(cell, n, m)).all())

    return Learner(
        "snap", "P <- (J P) where A^(order - 1) is not 0, + D;  grad = P' e",
        "q for each kept pair and unit heard a step; k q pairs numbers kept (order 2, dense cell: that of rtrl)",
        "Menick et al., A Practical Sparse Approximation for Real Time Recurrent Learning, ICLR 2021, section 3",
        carry, exact,
        options=(Option("order", 2, 1, 64, "1 keeps a unit's own influence, 2 that on the units that hear it, ..."),),
        make=snap, chosen=(("order", order),),
    )  # fmt: skip


SNAP = snap()
