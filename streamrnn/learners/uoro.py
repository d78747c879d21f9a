"""Unbiased online recurrent optimisation: the influence as one outer product, right on average and noisy.

    P ≈ u wᵀ, u (k n,), w (n q,);  with signs ν ∈ {-1, 1}^(k n), drawn anew at each step:

    u ← ρ0 J u + ρ1 ν           w ← w / ρ0 + (νᵀD) / ρ1           (νᵀD)[i] = Σ_a ν[a, i] D[a, i]
    ρ0 = √(‖w‖ / ‖J u‖)         ρ1 = √(‖νᵀD‖ / ‖ν‖)               grad = (eᵀ u) w

E[ν νᵀ] = I makes E[ν (νᵀD)ᵀ] = D, and the cross terms are odd in ν (ρ1 is even): E[u wᵀ] = P. The ρ make both factors
of a term equally long, for which the variance is least. A term that is 0 is left out, instead of a division by 0.
The noise grows with n: a research reference rather than a learner to choose.
Cost: k² n² + 2 k n q multiply-adds and k n signs a step; k n + n q numbers kept.
Source: Tallec & Ollivier, Unbiased Online Recurrent Optimization (ICLR 2018, arXiv 1702.05043), §3.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells import Cell
from streamrnn.kernels.memory import cube, matrix, vector
from streamrnn.kernels.noise import sign
from streamrnn.learners._blocks import entries, first_two, local_fields, times
from streamrnn.learners._contract import Carry, Learner
from streamrnn.state import Field, Named


@kernel
def norm(v: Array) -> float:
    total = 0.0
    for r in range(v.shape[0]):
        total += v[r] * v[r]
    return math.sqrt(total)


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array, Array, Array, Array, Array, Array]:
    return (
        matrix(real, table, first),
        cube(real, table, first + 1),
        matrix(real, table, first + 2),
        vector(real, table, first + 3),
        vector(real, table, first + 4),
        vector(ints, table, first + 5),
        vector(ints, table, first + 6),
    )


@kernel
def propagate(structure: Array, carry: tuple[Array, ...]) -> None:
    J, D, states, w, now, steps, seed = carry
    k, n, q = D.shape
    u, u1, nu = states[0], states[1], states[2]
    times(structure, J, u, u1)
    for r in range(k * n):
        nu[r] = sign(seed[0], steps[0], r)
    steps[0] += 1
    for c in range(n * q):
        now[c] = 0.0
    for a in range(k):
        for i in range(n):
            for p in range(q):
                now[i * q + p] += nu[a * n + i] * D[a, i, p]
    old, moved, new = norm(w), norm(u1), norm(now)
    keep = math.sqrt(old / moved) if old > 0.0 and moved > 0.0 else 0.0
    add = math.sqrt(new / math.sqrt(k * n)) if new > 0.0 else 0.0
    for r in range(k * n):
        u[r] = keep * u1[r] + add * nu[r]
    lost, fresh = 1.0 / keep if keep > 0.0 else 0.0, 1.0 / add if add > 0.0 else 0.0
    for c in range(n * q):
        w[c] = lost * w[c] + fresh * now[c]


@kernel
def credit(structure: Array, e: Array, carry: tuple[Array, ...], grad: Array) -> bool:
    u, w = carry[2][0], carry[3]
    n, q = grad.shape
    total = 0.0
    for r in range(e.shape[0]):
        total += e[r] * u[r]
    for i in range(n):
        for p in range(q):
            grad[i, p] = total * w[i * q + p]
    return True


def start(arena: Named, seed: int) -> None:
    arena["learner.seed"][0] = seed


def uoro(cell: Cell, n: int, m: int) -> Carry:
    """The carry for this cell."""
    k, q = cell.states(m), cell.width(n, m)
    fields = (
        *local_fields(cell, n, m),
        Field("learner.u", "real", (3, k * n)),
        Field("learner.w", "real", (n * q,)),
        Field("learner.w1", "real", (n * q,)),
        Field("learner.steps", "ints", (1,)),
        Field("learner.seed", "ints", (1,)),
    )
    work = float(entries(cell, n, m) + (k + 2) * n * q)
    return Carry(fields, views, first_two, propagate, credit, work, start)


def never(cell: Cell, n: int, m: int) -> bool:
    """Noisy even where nothing recurs."""
    return False


UORO = Learner(
    "uoro", "u <- r0 J u + r1 v, w <- w / r0 + v' D / r1, v random signs;  grad = (e' u) w",
    "n^2 + n q a step; n + n q numbers kept",
    "Tallec & Ollivier, Unbiased Online Recurrent Optimization, ICLR 2018, section 3",
    uoro, never, unbiased=True,
)  # fmt: skip
