"""Decoupled extended Kalman filter: the weights are a hidden state, each target a noisy measurement of it.

    A = R + Σ_g H_gᵀ P_g H_g        theta_g ← theta_g + P_g H_g error / A
    P_g ← P_g - P_g H_g H_gᵀ P_g / A + drift I

for groups g of weights: those of a unit, or all of them (the extended Kalman filter). R is the given noise, else each
output's mean squared error, exponentially weighted over 1000 steps from a first guess of 1, and 1e-6 at least. Learns
faster than gradients do, at P's price; no rate to choose.

Outputs follow one another. All errors are of the weights before the first of them: what the outputs before have moved
is taken off by H. With one group this is the filter of all outputs at once.

P = U diag(d) Uᵀ: what a measurement does to P_g is that of a single group with noise A - H_gᵀ P_g H_g > 0, which
`ud_gain` does without loss of definiteness. Drift reaches one weight of a group at a time, in turn, with what the
others were owed, which keeps its cost at that of a measurement. No variance is raised above p0: a weight that is never
measured does not wind up.

Cost: 2.3 w² multiply-adds and w² numbers for each group of w weights and each output.
Source: Puskorius & Feldkamp, Neurocontrol of Nonlinear Dynamical Systems with Kalman Filter Trained Recurrent Networks
(IEEE Transactions on Neural Networks 5, 1994); Agee & Turner 1972 for a dyad added to U diag(d) Uᵀ; kernels.ud.
"""

from __future__ import annotations

import math
from functools import cache

from streamrnn._bind import bind, kernel
from streamrnn._options import Option
from streamrnn._types import Array
from streamrnn.kernels.memory import cube, matrix, vector
from streamrnn.kernels.ud import dot, ud_gain
from streamrnn.state import Field, Named
from streamrnn.updates._contract import Update

P0, DRIFT, NOISE = 0.1, 1e-6, 0.0  # stand-ins for the options
SHARE = 0.001  # of a squared error in R
LEAST_NOISE = 1e-6
STEEPEST = 1e18  # leverage against noise: beyond it the influence has blown up, and says nothing


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, ...]:
    return (
        vector(ints, table, first),
        vector(real, table, first + 1),
        cube(real, table, first + 2),
        matrix(real, table, first + 3),
        matrix(real, table, first + 4),
        matrix(real, table, first + 5),
        matrix(real, table, first + 6),
    )


@kernel
def leverage(U: Array, d: Array, f: Array) -> float:
    """fᵀ P f."""
    total = 0.0
    for j in range(f.shape[0]):
        g = f[j] + dot(U[j], f, j)
        total += d[j] * g * g
    return total


@kernel
def variance(U: Array, d: Array, p: int) -> float:
    """P[p, p]."""
    total = 0.0 + d[p]
    for j in range(p + 1, d.shape[0]):
        total += d[j] * U[j, p] * U[j, p]
    return total


@kernel
def raise_variance(by: float, p: int, U: Array, d: Array, scratch: Array) -> None:
    """P[p, p] ← P[p, p] + by, by > 0: P + c a aᵀ with a = e_p, column by column from the last that it touches."""
    c = by
    for i in range(p):
        scratch[i] = 0.0
    for j in range(p, -1, -1):
        a = 1.0 if j == p else 0.0 + scratch[j]
        before = d[j]
        d[j] = before + c * a * a
        slope = c * a / d[j]
        for i in range(j):
            scratch[i] -= a * U[j, i]
            U[j, i] += slope * scratch[i]
        c *= before / d[j]


def apply(
    rate: float, output: int, first: bool, error: float, H: Array, memory: tuple[Array, ...], theta: Array
) -> None:  # fmt: skip
    steps, noise, U, d, f, work, moved = memory
    (groups, width), q = d.shape, theta.shape[1]
    own, after, K = work[0], work[1], f[groups]
    innovation = error
    for i in range(theta.shape[0]):
        for p in range(q):
            if first:
                moved[i, p] = 0.0
            innovation -= H[i, p] * moved[i, p]

    total = 0.0
    for g in range(groups - 1, -1, -1):
        for p in range(width):
            at = g * width + p
            f[g, p] = H[at // q, at % q]
        own[g] = leverage(U[g], d[g], f[g])
        after[g] = total
        total += own[g]
    estimate = noise[output] + SHARE * (error * error - noise[output])
    R = NOISE if NOISE > 0.0 else max(estimate, LEAST_NOISE)
    if not (total <= STEEPEST * R and math.isfinite(innovation)):
        return
    noise[output] = estimate

    others = R
    for g in range(groups):
        scale = 1.0 / math.sqrt(others + after[g])
        others += own[g]
        for p in range(width):
            f[g, p] *= scale
        ud_gain(0, f[g], 1.0, P0, U[g], d[g], K)
        for p in range(width):
            at = g * width + p
            step = scale * K[p] * innovation
            theta[at // q, at % q] += step
            moved[at // q, at % q] += step

    turn = steps[0] % width
    steps[0] += 1
    for g in range(groups):
        owed = min(DRIFT * width / noise.shape[0], P0 - variance(U[g], d[g], turn))
        if owed > 0.0:
            raise_variance(owed, turn, U[g], d[g], K)


OPTIONS = (
    Option("group", 0, 0, 1, "0: the weights of each unit are a group of their own; 1: all weights are one group"),
    Option("p0", 0.1, 1e-6, 1e3, "variance that each weight starts from; larger learns faster at first"),
    Option("drift", 1e-6, 0.0, 1e-2, "variance that each weight gains in a step; larger forgets sooner"),
    Option("noise", 0.0, 0.0, 1e6, "variance of a target's noise; 0: the mean of the squared errors"),
)


@cache
def dekf(group: int = 0, p0: float = 0.1, drift: float = 1e-6, noise: float = 0.0) -> Update:
    """The filter with one group a unit (0) or one in all (1), and these variances."""

    def fields(n: int, q: int, outputs: int) -> tuple[Field, ...]:
        groups, width = (1, n * q) if group else (n, q)
        return (
            Field("update.steps", "ints", (1,)),
            Field("update.noise", "real", (outputs,)),
            Field("update.U", "real", (groups, width, width)),  # U[g, j] holds column j above the diagonal
            Field("update.d", "real", (groups, width)),
            Field("update.f", "real", (groups + 1, width)),  # H in groups, then K of one
            Field("update.leverage", "real", (2, groups)),  # each group's, and that of all groups after it
            Field("update.moved", "real", (n, q)),
        )

    def start(arena: Named) -> None:
        arena["update.noise"][:] = 1.0
        arena["update.d"][:] = p0

    return Update(
        "dekf", "theta_g <- theta_g + P_g H_g error / (R + sum of H_g' P_g H_g), P_g = U diag(d) U'",
        "Puskorius & Feldkamp, IEEE Transactions on Neural Networks 5 (1994); learns fastest, at w^2 for w weights",
        fields, views, bind(apply, "dekf", P0=p0, DRIFT=drift, NOISE=noise), "innovation", rates=False, start=start,
        options=OPTIONS, make=dekf, chosen=(("group", group), ("p0", p0), ("drift", drift), ("noise", noise)),
    )  # fmt: skip


DEKF = dekf()
