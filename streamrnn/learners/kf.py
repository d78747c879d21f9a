"""KF-RTRL: the influence as a Kronecker product, right on average, with less noise than one outer product.

For a cell with D[i, p] = c[i] z[p], z the same for every unit:  P[r, (i, p)] ≈ B[r, i] a[p], B (n, n), a (q,); with two
signs ν0, ν1 ∈ {-1, 1}, drawn anew at each step:

    a ← ν0 ρ0 a + ν1 ρ1 z          B ← (ν0 / ρ0) J B + (ν1 / ρ1) diag(c)
    ρ0 = √(‖J B‖ / ‖a‖)            ρ1 = √(‖c‖ / ‖z‖)                       grad[i, p] = (eᵀ B)[i] a[p]

The cross terms have the sign ν0 ν1, which is 0 on average: E[B ⊗ a] = P. A term that is 0 is left out. z and c are
found in D: z is its longest row, at length 1, and c[i] = D[i] · z.
Cost: n³ + 2 n q multiply-adds a step (dense cell); n² + q numbers kept.
Source: Mujika, Meier & Steger, Approximating Real-Time Recurrent Learning with Random Kronecker Factors (NeurIPS 2018),
§3.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells import Cell
from streamrnn.kernels.memory import cube, matrix, vector
from streamrnn.kernels.noise import sign
from streamrnn.learners._blocks import first_two, spread
from streamrnn.learners._contract import Carry, Learner, without_recurrence
from streamrnn.learners.uoro import norm, start
from streamrnn.state import Field


@kernel
def views(
    ints: Array, real: Array, table: Array, first: int
) -> tuple[Array, Array, Array, Array, Array, Array, Array, Array, Array]:
    return (
        matrix(real, table, first),
        cube(real, table, first + 1),
        matrix(real, table, first + 2),
        matrix(real, table, first + 3),
        vector(real, table, first + 4),
        vector(real, table, first + 5),
        vector(real, table, first + 6),
        vector(ints, table, first + 7),
        vector(ints, table, first + 8),
    )


@kernel
def factor(D: Array, c: Array, z: Array) -> float:
    """D[i] = c[i] z with ‖z‖ = 1; gives ‖c‖. Where D is 0 only c is written."""
    longest, most = 0, 0.0
    for i in range(D.shape[0]):
        c[i] = norm(D[i])
        if c[i] > most:
            longest, most = i, c[i]
    if not most > 0.0:
        return most
    for p in range(z.shape[0]):
        z[p] = D[longest, p] / most
    for i in range(D.shape[0]):
        total = 0.0
        for p in range(z.shape[0]):
            total += D[i, p] * z[p]
        c[i] = total
    return norm(c)


@kernel
def propagate(structure: Array, carry: tuple[Array, ...]) -> None:
    J, D, B, B1, a, c, z, steps, seed = carry
    n, q = D.shape[1], D.shape[2]
    spread(structure, J, B, B1)
    v0, v1 = sign(seed[0], steps[0], 0), sign(seed[0], steps[0], 1)
    steps[0] += 1
    moved, old, new = norm(B1.reshape(n * n)), norm(a), factor(D[0], c, z)
    keep = math.sqrt(moved / old) if old > 0.0 and moved > 0.0 else 0.0
    add = math.sqrt(new) if new > 0.0 else 0.0
    for p in range(q):
        a[p] = v0 * keep * a[p] + v1 * add * z[p]
    lost, fresh = v0 / keep if keep > 0.0 else 0.0, v1 / add if add > 0.0 else 0.0
    for r in range(n):
        for i in range(n):
            B[r, i] = lost * B1[r, i]
        B[r, r] += fresh * c[r]


@kernel
def credit(structure: Array, e: Array, carry: tuple[Array, ...], grad: Array) -> bool:
    B, a = carry[2], carry[4]
    n, q = grad.shape
    for i in range(n):
        total = 0.0
        for r in range(n):
            total += e[r] * B[r, i]
        for p in range(q):
            grad[i, p] = total * a[p]
    return True


def kf(cell: Cell, n: int, m: int) -> Carry:
    """The carry for this cell."""
    q = cell.width(n, m)
    fields = (
        Field("learner.J", "real", (n, n)),
        Field("learner.D", "real", (1, n, q)),
        Field("learner.B", "real", (n, n)),
        Field("learner.B1", "real", (n, n)),
        Field("learner.a", "real", (q,)),
        Field("learner.c", "real", (n,)),
        Field("learner.z", "real", (q,)),
        Field("learner.steps", "ints", (1,)),
        Field("learner.seed", "ints", (1,)),
    )
    return Carry(fields, views, first_two, propagate, credit, float(n**3 + n * n + 3 * n * q), start)


def refuses(cell: Cell, m: int) -> str | None:
    """Serves cells of one state vector whose units see the same row."""
    if not cell.shared:
        return f"units of {cell.name} do not see the same inputs in the same way: its D is no outer product"
    if cell.states(m) > 1:
        return f"{cell.name} has {cell.states(m)} state vectors; KF-RTRL factors the influence on one"
    return None


KF_RTRL = Learner(
    "kf_rtrl", "a <- v0 r0 a + v1 r1 z, B <- v0 / r0 J B + v1 / r1 diag(c), v random signs;  grad = (e' B) a'",
    "n^3 a step; n^2 + q numbers kept",
    "Mujika, Meier & Steger, Approximating RTRL with Random Kronecker Factors, NeurIPS 2018, section 3",
    kf, without_recurrence, refuses, unbiased=True,
)  # fmt: skip
