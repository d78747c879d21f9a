"""Linear recurrent unit: damped rotations in the plane, s[0] + i s[1] = s complex.

    μ = -e^ν + i e^ω      λ = e^μ      λ^h = e^(μ h)      h = dt in units of the shortest time constant
    s1 = λ^h ∘ s + g ∘ (V x + b)      g = γ (λ^h - 1) / (λ - 1)      V, b complex, γ real

g is what a held input adds in h units when it adds γ in one, so that at constant input n steps are exactly one of n dt;
with h = 1 it is γ, the cell of the sources. γ = e^c starts at √(1 - |λ|²), by which white input gives a state of
variance one, and is learned from there. |λ| < 1 for any ν: no learning step makes a unit unstable. Units start at a
quarter turn in one unit of time or less; near a full turn, where λ comes round to 1, g is large for h other than 1.

theta[i] = [ν ω c | V_re (m) b_re | V_im (m) b_im], q = 3 + 2 (m + 1).
All derivatives are those of the two real components: ∂s1/∂V_im = i ∂s1/∂V_re, and no conjugates are left to go astray.
Source: Orvieto et al., Resurrecting Recurrent Neural Networks for Long Sequences (ICML 2023); online: Zucchet et al.,
Online Learning of Long-Range Dependencies (NeurIPS 2023). Elapsed time is ours.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from streamrnn._bind import bind, kernel
from streamrnn._types import Array
from streamrnn.cells._contract import DIAGONAL, Cell, blocks
from streamrnn.cells._times import TIMES, modes, spread
from streamrnn.kernels.scalar import expm1

UNIT = 1.0  # stand-in for the shortest time constant at the start


def width(n: int, m: int) -> int:
    return 3 + 2 * (m + 1)


@kernel
def less_one(re: float, im: float) -> tuple[float, float]:
    """e^(re + i im) - 1, without cancellation near 0."""
    e, half = expm1(re), math.sin(0.5 * im)
    return e * math.cos(im) - 2.0 * half * half, (1.0 + e) * math.sin(im)


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
def held(row: Array, h: float) -> tuple[float, float, float, float]:
    """λ^h - 1 and g of the unit with parameters `row`."""
    rate, turn = math.exp(row[0]), math.exp(row[1])
    pr, pi = less_one(-rate * h, turn * h)
    lr, li = less_one(-rate, turn)
    wr, wi = over(pr, pi, lr, li)
    gain = math.exp(row[2])
    return pr, pi, gain * wr, gain * wi


@kernel
def drive(row: Array, x: Array) -> tuple[float, float]:
    """V x + b of the unit with parameters `row`."""
    m = x.shape[0]
    ur, ui = row[3 + m], row[4 + 2 * m]
    for j in range(m):
        ur += row[3 + j] * x[j]
        ui += row[4 + m + j] * x[j]
    return ur, ui


def advance(theta: Array, x: Array, dt: float, s: Array, s1: Array) -> None:
    for i in range(s.shape[1]):
        pr, pi, gr, gi = held(theta[i], dt / UNIT)
        ur, ui = drive(theta[i], x)
        kr, ki = times(1.0 + pr, pi, s[0, i], s[1, i])
        ar, ai = times(gr, gi, ur, ui)
        s1[0, i] = kr + ar
        s1[1, i] = ki + ai


def linearize(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array, D: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    h = dt / UNIT
    for i in range(n):
        rate, turn, gain = math.exp(theta[i, 0]), math.exp(theta[i, 1]), math.exp(theta[i, 2])
        pr, pi, gr, gi = held(theta[i], h)
        lr, li = less_one(-rate, turn)
        ur, ui = drive(theta[i], x)
        J[i, i] = 1.0 + pr
        J[i, n + i] = -pi
        J[n + i, i] = pi
        J[n + i, n + i] = 1.0 + pr
        kr, ki = times(1.0 + pr, pi, s[0, i], s[1, i])
        ar, ai = times(gr, gi, ur, ui)
        qr, qi = times(pr, pi, lr, li)
        # with p = λ^h - 1 and l = λ - 1: ∂(p / l)/∂μ = (h l - p + (h - 1) p l) / l², 0 at h = 1
        cr, ci = over(h * lr - pr + (h - 1.0) * qr, h * li - pi + (h - 1.0) * qi, lr, li)
        cr, ci = over(cr, ci, lr, li)
        cr, ci = times(gain * cr, gain * ci, ur, ui)
        mr, mi = h * kr + cr, h * ki + ci  # ∂s1/∂μ
        D[0, i, 0], D[1, i, 0] = -rate * mr, -rate * mi
        D[0, i, 1], D[1, i, 1] = -turn * mi, turn * mr
        D[0, i, 2], D[1, i, 2] = ar, ai
        for j in range(m + 1):
            z = x[j] if j < m else 1.0
            D[0, i, 3 + j], D[1, i, 3 + j] = gr * z, gi * z
            D[0, i, 4 + m + j], D[1, i, 4 + m + j] = -gi * z, gr * z


def respond(theta: Array, x: Array, dt: float, s: Array, s1: Array, B: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        _pr, _pi, gr, gi = held(theta[i], dt / UNIT)
        for j in range(m):
            B[i, j], B[n + i, j] = times(gr, gi, theta[i, 3 + j], theta[i, 4 + m + j])


@cache
def lru(shortest: float = 0.0, longest: float = 0.0) -> Cell:
    """Units that start with time constants from `shortest` to `longest` seconds, or 1 to 64 typical intervals."""
    unit, most, seconds = spread("cell lru", shortest, longest)

    def start(n: int, m: int, generator: np.random.Generator) -> Array:
        theta = generator.normal(size=(n, width(n, m))) / np.sqrt(2.0 * (m + 1))
        theta[:, :2] = modes(most / unit, n, generator)
        theta[:, 2] = 0.5 * np.log(-np.expm1(-2.0 * np.exp(theta[:, 0])))
        return theta

    return Cell(
        "lru", "s1 = l^h * s + c (l^h - 1) / (l - 1) * (V x + b),  l = exp(-e^nu + i e^omega), complex",
        "Orvieto et al., Resurrecting Recurrent Neural Networks for Long Sequences, ICML 2023; "
        "Zucchet et al., Online Learning of Long-Range Dependencies, NeurIPS 2023",
        blocks((DIAGONAL, DIAGONAL), (DIAGONAL, DIAGONAL)), width,
        bind(advance, "lru", UNIT=unit), bind(linearize, "lru", UNIT=unit), bind(respond, "lru", UNIT=unit), start,
        seen=2, timed=True, seconds=seconds, options=TIMES, make=lru,
        chosen=(("shortest", shortest), ("longest", longest)),
    )  # fmt: skip


LRU = lru()
