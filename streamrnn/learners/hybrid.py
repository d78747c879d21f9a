"""BPTT and RTRL in turns: exact at every step, a dense cell's work O(n³) a step where RTRL's is O(n⁴).

Time falls into blocks of H steps, and the pairs (J, D) of this block and the one before it are kept. At a step of block
b the influence M at the start of block b - 1 is known. The present error goes back through all the steps since, at most
2 H, and what is left of it meets M:

    delta = e;  for t = now … (b - 1) H:  grad += delta D_t, delta ← J_tᵀ delta;       then grad += deltaᵀ M

Meanwhile the influence at the start of block b is made, a row (one state's) after the other: the row's unit vector goes
back through the H steps of block b - 1 and meets M in the same way. These H + 1 pieces of each of k n rows are dealt
out over the H steps of block b, so that there is no slow step among them: with blocks of n (the default) each goes back
through 2 n to 3 n steps, a third of them for the row. docs/performance.md compares it with `rtrl`.
Cost: (k n / H + 2) H (k² n² + k n q) + (k n / H + 1) k n² q multiply-adds; 2 H (k² n² + k n q) + 2 k n² q numbers kept.
Source: Schmidhuber, A Fixed Size Storage O(n³) Time Complexity Learning Algorithm for Fully Recurrent Continually
Running Networks (Neural Computation 4, 1992), §2; there the gradient comes once a block, and the work at its end.
"""

from __future__ import annotations

from functools import cache

from streamrnn._bind import kernel
from streamrnn._options import Option
from streamrnn._types import Array
from streamrnn.cells import Cell
from streamrnn.kernels.memory import cube, matrix, tesseract, vector
from streamrnn.learners._blocks import back, columns, entries, ring_place
from streamrnn.learners._contract import Carry, Learner, always
from streamrnn.state import Field


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array, Array, Array, Array]:
    return (
        vector(ints, table, first),
        cube(real, table, first + 1),
        tesseract(real, table, first + 2),
        tesseract(real, table, first + 3),
        matrix(real, table, first + 4),
    )


@kernel
def gather(delta: Array, D: Array, grad: Array) -> None:
    """grad += delta D."""
    k, n, q = D.shape
    for a in range(k):
        for i in range(n):
            g = delta[a * n + i]
            for p in range(q):
                grad[i, p] += g * D[a, i, p]


@kernel
def meet(delta: Array, M: Array, grad: Array) -> None:
    """grad += deltaᵀ M; four rows of M at a time."""
    size, n, q = M.shape
    r = 0
    while r + 4 <= size:
        g0, g1, g2, g3 = delta[r], delta[r + 1], delta[r + 2], delta[r + 3]
        for i in range(n):
            for p in range(q):
                grad[i, p] += (g0 * M[r, i, p] + g1 * M[r + 1, i, p]) + (g2 * M[r + 2, i, p] + g3 * M[r + 3, i, p])
        r += 4
    while r < size:
        for i in range(n):
            for p in range(q):
                grad[i, p] += delta[r] * M[r, i, p]
        r += 1


@kernel
def propagate(structure: Array, carry: tuple[Array, ...]) -> None:
    steps, J, D, M, delta = carry
    H, size = D.shape[0] // 2, M.shape[1]
    block, step = steps[0] // H, steps[0] % H
    steps[0] += 1
    if block == 0:
        return
    known, made = M[block % 2], M[1 - block % 2]
    pieces = size * (H + 1)
    for piece in range(step * pieces // H, (step + 1) * pieces // H):
        r, behind = piece // (H + 1), piece % (H + 1)
        this, before = 2 + behind % 2, 3 - behind % 2
        if behind == 0:
            for c in range(size):
                delta[this, c] = 0.0
            delta[this, r] = 1.0
            for i in range(M.shape[2]):
                for p in range(M.shape[3]):
                    made[r, i, p] = 0.0
        if behind < H:
            at = (block * H - 1 - behind) % (2 * H)
            gather(delta[this], D[at], made[r])
            back(structure, J[at], delta[this], delta[before])
        else:
            meet(delta[this], known, made[r])


@kernel
def credit(structure: Array, e: Array, carry: tuple[Array, ...], grad: Array) -> bool:
    steps, J, D, M, delta = carry
    H, size = D.shape[0] // 2, M.shape[1]
    n, q = grad.shape
    now = steps[0] - 1
    block = now // H
    first = max(0, (block - 1) * H)
    for i in range(n):
        for p in range(q):
            grad[i, p] = 0.0
    for r in range(size):
        delta[0, r] = e[r] if r < e.shape[0] else 0.0
    this = 0
    for behind in range(now - first + 1):
        at, this = (now - behind) % (2 * H), behind % 2
        gather(delta[this], D[at], grad)
        back(structure, J[at], delta[this], delta[1 - this])
    if block > 0:
        meet(delta[1 - this], M[block % 2], grad)
    return True


OPTIONS = (Option("block", 0, 0, 4096, "steps of a block; 0: as many as there are units"),)


@cache
def hybrid(block: int = 0) -> Learner:
    """The hybrid with blocks of `block` steps."""

    def carry(cell: Cell, n: int, m: int) -> Carry:
        k, q, H = cell.states(m), cell.width(n, m), block or n
        fields = (
            Field("learner.steps", "ints", (1,)),
            Field("learner.J", "real", (2 * H, k * n, columns(cell, n, m))),
            Field("learner.D", "real", (2 * H, k, n, q)),
            Field("learner.M", "real", (2, k * n, n, q)),
            Field("learner.delta", "real", (4, k * n)),
        )
        once = entries(cell, n, m) + k * n * q
        work = (k * n / H + 2) * H * once + (k * n / H + 1) * k * n * n * q
        return Carry(fields, views, ring_place, propagate, credit, work)

    return Learner(
        "hybrid", "delta <- J' delta, grad += delta D back to the start of the block before; then grad += delta' M",
        "3 n^3 + 5 n^2 q a step and 2 n^3 + 4 n^2 q numbers kept (dense cell, blocks of n)",
        "Schmidhuber, Neural Computation 4 (1992), section 2",
        carry, always, options=OPTIONS, make=hybrid, chosen=(("block", block),),
    )  # fmt: skip


HYBRID = hybrid()
