"""Damped rotations in the plane, taken as complex numbers: what lru and rtu share.

    μ = -e^ν + i e^ω      λ = e^μ      λ^h = e^(μ h)      w = (λ^h - 1) / (λ - 1)

w is what a held input adds in h units when it adds 1 in one: 1 + λ + … + λ^(h-1) for whole h, and exactly 1 for h = 1.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.scalar import exp, expm1

LEAST = 1e-150  # of e^ν: λ never rounds to 1, and |λ - 1|² is more than 0


@kernel
def times(a: float, b: float, c: float, d: float) -> tuple[float, float]:
    """(a + i b) (c + i d)."""
    return a * c - b * d, a * d + b * c


@kernel
def over(a: float, b: float, c: float, d: float) -> tuple[float, float]:
    """(a + i b) / (c + i d)."""
    size = c * c + d * d
    return (a * c + b * d) / size, (b * c - a * d) / size


@kernel
def rates(row: Array) -> tuple[float, float]:
    """e^ν and e^ω of the unit whose parameters begin with ν and ω."""
    return exp(row[0]) + LEAST, exp(row[1])


@kernel
def powers(rate: float, turn: float, h: float) -> tuple[float, float, float, float]:
    """λ^h, and λ^h - 1 without cancellation near 0."""
    e, c, d, half = exp(-rate * h), math.cos(turn * h), math.sin(turn * h), math.sin(0.5 * turn * h)
    return e * c, e * d, expm1(-rate * h) * c - 2.0 * half * half, e * d


@kernel
def held(rate: float, turn: float, h: float) -> tuple[float, float, float, float]:
    """λ^h and w."""
    kr, ki, pr, pi = powers(rate, turn, h)
    _kr, _ki, lr, li = powers(rate, turn, 1.0)
    wr, wi = over(pr, pi, lr, li)
    return kr, ki, wr, wi


@kernel
def held_slope(rate: float, turn: float, h: float) -> tuple[float, float]:
    """dw/dμ; exactly 0 for h = 1."""
    kr, ki, pr, pi = powers(rate, turn, h)
    fr, fi, lr, li = powers(rate, turn, 1.0)
    ar, ai = times(kr, ki, lr, li)
    br, bi = times(pr, pi, fr, fi)
    cr, ci = over(h * ar - br, h * ai - bi, lr, li)  # (h λ^h (λ - 1) - (λ^h - 1) λ) / (λ - 1)²
    return over(cr, ci, lr, li)


@kernel
def drive(row: Array, o: int, x: Array) -> tuple[float, float]:
    """V x + b of the unit with parameters `row`, in which [V_re b_re | V_im b_im] starts at row[o]."""
    m = x.shape[0]
    ur, ui = row[o + m], row[o + 2 * m + 1]
    for j in range(m):
        ur += row[o + j] * x[j]
        ui += row[o + m + 1 + j] * x[j]
    return ur, ui
