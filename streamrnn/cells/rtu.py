"""Recurrent trace unit: a damped rotation of (s[0], s[1]) through tanh.

    r = exp(-e^ν h)      φ = e^ω h      γ = √(1 - r²)      h = dt in units of the shortest time constant
    s1[0] = tanh(r cos φ ∘ s[0] - r sin φ ∘ s[1] + γ ∘ (V_0 x + b_0))
    s1[1] = tanh(r cos φ ∘ s[1] + r sin φ ∘ s[0] + γ ∘ (V_1 x + b_1))

γ follows r, so that white input gives a state of about the same size however long a unit remembers. r < 1 for any ν:
no learning step makes a unit unstable. As ω is a logarithm, ∂φ/∂ω = φ: the factor that public code leaves out.

theta[i] = [ν ω | V_0 (m) b_0 | V_1 (m) b_1], q = 2 + 2 (m + 1).
Source: Elelimy et al., Real-Time Recurrent Learning using Trace Units in Reinforcement Learning (NeurIPS 2024, arXiv
2409.01449), the non-linear unit; biases and elapsed time are ours.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from streamrnn._bind import bind, kernel
from streamrnn._types import Array
from streamrnn.cells._contract import DIAGONAL, Cell, blocks
from streamrnn.cells._times import TIMES, modes, spread
from streamrnn.kernels.scalar import expm1, tanh, tanh_slope

UNIT = 1.0  # stand-in for the shortest time constant at the start


def width(n: int, m: int) -> int:
    return 2 + 2 * (m + 1)


@kernel
def rotation(row: Array, h: float) -> tuple[float, float, float]:
    """r cos φ, r sin φ and γ of the unit with parameters `row`."""
    decay, angle = math.exp(row[0]) * h, math.exp(row[1]) * h
    r = math.exp(-decay)
    return r * math.cos(angle), r * math.sin(angle), math.sqrt(-expm1(-2.0 * decay))


@kernel
def drive(row: Array, x: Array) -> tuple[float, float]:
    """V_0 x + b_0 and V_1 x + b_1 of the unit with parameters `row`."""
    m = x.shape[0]
    u0, u1 = row[2 + m], row[3 + 2 * m]
    for j in range(m):
        u0 += row[2 + j] * x[j]
        u1 += row[3 + m + j] * x[j]
    return u0, u1


def advance(theta: Array, x: Array, dt: float, s: Array, s1: Array) -> None:
    for i in range(s.shape[1]):
        c, d, gain = rotation(theta[i], dt / UNIT)
        u0, u1 = drive(theta[i], x)
        s1[0, i] = tanh(c * s[0, i] - d * s[1, i] + gain * u0)
        s1[1, i] = tanh(c * s[1, i] + d * s[0, i] + gain * u1)


def linearize(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array, D: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    h = dt / UNIT
    for i in range(n):
        decay, angle = math.exp(theta[i, 0]) * h, math.exp(theta[i, 1]) * h
        c, d, gain = rotation(theta[i], h)
        u0, u1 = drive(theta[i], x)
        g0, g1 = tanh_slope(s1[0, i]), tanh_slope(s1[1, i])
        J[i, i], J[i, n + i] = g0 * c, -g0 * d
        J[n + i, i], J[n + i, n + i] = g1 * d, g1 * c
        t0, t1 = c * s[0, i] - d * s[1, i], c * s[1, i] + d * s[0, i]
        fade = (c * c + d * d) / gain if gain > 0.0 else 0.0  # ∂γ/∂ν = decay r² / γ
        D[0, i, 0], D[1, i, 0] = g0 * decay * (fade * u0 - t0), g1 * decay * (fade * u1 - t1)
        D[0, i, 1], D[1, i, 1] = -g0 * angle * t1, g1 * angle * t0
        for j in range(m + 1):
            z = x[j] if j < m else 1.0
            D[0, i, 2 + j], D[1, i, 2 + j] = g0 * gain * z, 0.0
            D[0, i, 3 + m + j], D[1, i, 3 + m + j] = 0.0, g1 * gain * z


def respond(theta: Array, x: Array, dt: float, s: Array, s1: Array, B: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        _c, _d, gain = rotation(theta[i], dt / UNIT)
        for j in range(m):
            B[i, j] = tanh_slope(s1[0, i]) * gain * theta[i, 2 + j]
            B[n + i, j] = tanh_slope(s1[1, i]) * gain * theta[i, 3 + m + j]


@cache
def rtu(shortest: float = 0.0, longest: float = 0.0) -> Cell:
    """Units that start with time constants from `shortest` to `longest` seconds, or 1 to 64 typical intervals."""
    unit, most, seconds = spread("cell rtu", shortest, longest)

    def start(n: int, m: int, generator: np.random.Generator) -> Array:
        theta = generator.normal(size=(n, width(n, m))) / np.sqrt(m + 1)
        theta[:, :2] = modes(most / unit, n, generator)
        return theta

    return Cell(
        "rtu", "s1 = tanh(R s + g * (V x + b)),  R a rotation by e^omega h that shrinks by r = exp(-e^nu h), "
        "g = sqrt(1 - r^2)",
        "Elelimy et al., Real-Time Recurrent Learning using Trace Units in Reinforcement Learning, NeurIPS 2024",
        blocks((DIAGONAL, DIAGONAL), (DIAGONAL, DIAGONAL)), width,
        bind(advance, "rtu", UNIT=unit), bind(linearize, "rtu", UNIT=unit), bind(respond, "rtu", UNIT=unit), start,
        seen=2, timed=True, seconds=seconds, options=TIMES, make=rtu,
        chosen=(("shortest", shortest), ("longest", longest)),
    )  # fmt: skip


RTU = rtu()
