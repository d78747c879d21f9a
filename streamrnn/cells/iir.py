"""Locally recurrent cell: every synapse is a filter of second order, and units hear neither each other nor themselves.

    y_j1 = b0 x_j + b1 x_j⁻ + a1 y_j + a2 y_j⁻      s1[0] = tanh(Σ_j y_j1 + b)

for each unit and each input j; x_j⁻ is the input before, y_j⁻ the filter's output before y_j. States of synapse j:
s[1 + 3j] = y_j, s[2 + 3j] = y_j⁻, s[3 + 3j] = x_j⁻ (the same for all units): k = 1 + 3 m.

    a2 = ρ² t      a1 = ρ (1 - t) tanh p1      t = tanh p2      ρ = 2^(-1/memory)

z² = a1 z + a2 has its roots, the poles, within the unit circle where |a2| < 1 and |a1| < 1 - a2; for every p1 and p2
they lie within radius ρ here. Free coefficients would sooner or later be pushed across that border by one large error,
and a filter beyond it grows for ever, behind a tanh that hides it. ρ < 1 is there because tanh rounds to 1.

The cell counts steps: elapsed time does not matter to it. Its J has (1 + 3 m) n rows: for few inputs.

theta[i] = [b0 b1 p1 p2 of each j (4 m) | b], q = 4 m + 1.
Source: Back & Tsoi, FIR and IIR Synapses (Neural Computation 1991); exact gradient of one layer: Campolucci et al.,
On-Line Learning Algorithms for Locally Recurrent Neural Networks (IEEE Trans. Neural Networks 1999). The bound is ours.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from streamrnn._bind import bind, kernel
from streamrnn._options import Option
from streamrnn._types import Array
from streamrnn.cells._contract import DIAGONAL, ZERO, Cell, Structure
from streamrnn.kernels.scalar import tanh, tanh_slope

RADIUS = 1.0  # stand-in for ρ


def structure(m: int) -> Structure:
    rows = [[ZERO] * (1 + 3 * m) for _ in range(1 + 3 * m)]
    for y in range(1, 1 + 3 * m, 3):
        rows[0][y : y + 3] = rows[y][y : y + 3] = [DIAGONAL] * 3
        rows[y + 1][y] = DIAGONAL
    return tuple(tuple(row) for row in rows)


def width(n: int, m: int) -> int:
    return 4 * m + 1


@kernel
def feedback(p1: float, p2: float, radius: float) -> tuple[float, float]:
    """a1 and a2."""
    t = tanh(p2)
    return radius * (1.0 - t) * tanh(p1), radius * radius * t


def advance(theta: Array, x: Array, dt: float, s: Array, s1: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        a = theta[i, 4 * m]
        for j in range(m):
            p, y = 4 * j, 1 + 3 * j
            a1, a2 = feedback(theta[i, p + 2], theta[i, p + 3], RADIUS)
            out = theta[i, p] * x[j] + theta[i, p + 1] * s[y + 2, i] + a1 * s[y, i] + a2 * s[y + 1, i]
            s1[y, i] = out
            s1[y + 1, i] = s[y, i]
            s1[y + 2, i] = x[j]
            a += out
        s1[0, i] = tanh(a)


def linearize(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array, D: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for a in range(1 + 3 * m):
        for i in range(n):
            for p in range(4 * m + 1):
                D[a, i, p] = 0.0
    for i in range(n):
        g = tanh_slope(s1[0, i])
        D[0, i, 4 * m] = g
        for j in range(m):
            p, y = 4 * j, 1 + 3 * j
            a1, a2 = feedback(theta[i, p + 2], theta[i, p + 3], RADIUS)
            b1 = theta[i, p + 1]
            r = y * n + i
            J[r, y], J[r, y + 1], J[r, y + 2] = a1, a2, b1
            J[i, y], J[i, y + 1], J[i, y + 2] = g * a1, g * a2, g * b1
            J[r + n, y] = 1.0
            t, u = tanh(theta[i, p + 3]), tanh(theta[i, p + 2])
            D[y, i, p] = x[j]
            D[y, i, p + 1] = s[y + 2, i]
            D[y, i, p + 2] = RADIUS * (1.0 - t) * tanh_slope(u) * s[y, i]
            D[y, i, p + 3] = RADIUS * tanh_slope(t) * (RADIUS * s[y + 1, i] - u * s[y, i])
            for o in range(p, p + 4):
                D[0, i, o] = g * D[y, i, o]


@kernel
def respond(theta: Array, x: Array, dt: float, s: Array, s1: Array, B: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for r in range((1 + 3 * m) * n):
        for j in range(m):
            B[r, j] = 0.0
    for i in range(n):
        g = tanh_slope(s1[0, i])
        for j in range(m):
            b0 = theta[i, 4 * j]
            B[i, j] = g * b0
            B[(1 + 3 * j) * n + i, j] = b0
            B[(3 + 3 * j) * n + i, j] = 1.0


@cache
def iir(memory: float = 1000) -> Cell:
    """Filters whose poles shrink by half in `memory` steps, or faster."""
    radius = float(2.0 ** (-1.0 / memory))

    def start(n: int, m: int, generator: np.random.Generator) -> Array:
        theta = np.empty((n, width(n, m)))
        theta[:, -1] = generator.normal(size=n) / np.sqrt(m + 1)
        r = min(0.9, radius) * generator.uniform(size=(n, m)) ** 0.5  # pairs of poles r e^(± i angle), slow more often
        angle = np.pi * generator.uniform(size=(n, m)) ** 2
        t = -((r / radius) ** 2)
        size = (1.0 - r) / np.sqrt(m + 1)
        theta[:, 0:-1:4] = size * generator.normal(size=(n, m))
        theta[:, 1:-1:4] = size * generator.normal(size=(n, m))
        theta[:, 2:-1:4] = np.arctanh(2.0 * r * np.cos(angle) / (radius * (1.0 - t)))
        theta[:, 3:-1:4] = np.arctanh(t)
        return theta

    owner = f"iir_{memory:.0f}"
    return Cell(
        "iir", "y1 = b0 x + b1 x_before + a1 y + a2 y_before for each synapse,  s1 = tanh(sum of y1 + b)",
        "Back & Tsoi, FIR and IIR Synapses, Neural Computation 3 (1991); "
        "Campolucci et al., IEEE Transactions on Neural Networks 10 (1999)",
        structure, width, bind(advance, owner, RADIUS=radius), bind(linearize, owner, RADIUS=radius), respond, start,
        options=(Option("memory", 1000, 1, 1e9, "steps in which the slowest pole a filter can have shrinks by half"),),
        make=iir, chosen=(("memory", memory),),
    )  # fmt: skip


IIR = iir()
