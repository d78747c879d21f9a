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

from functools import cache

import numpy as np

from streamrnn._bind import bind
from streamrnn._types import Array
from streamrnn.cells._contract import DIAGONAL, Cell, blocks
from streamrnn.cells._modes import drive, held, held_slope, rates, times
from streamrnn.cells._times import TIMES, modes, spread
from streamrnn.kernels.scalar import exp

UNIT = 1.0  # stand-in for the shortest time constant at the start


def width(n: int, m: int) -> int:
    return 3 + 2 * (m + 1)


def advance(theta: Array, x: Array, dt: float, s: Array, s1: Array) -> None:
    for i in range(s.shape[1]):
        rate, turn = rates(theta[i])
        gain = exp(theta[i, 2])
        kr, ki, wr, wi = held(rate, turn, dt / UNIT)
        ur, ui = drive(theta[i], 3, x)
        tr, ti = times(kr, ki, s[0, i], s[1, i])
        ar, ai = times(gain * wr, gain * wi, ur, ui)
        s1[0, i] = tr + ar
        s1[1, i] = ti + ai


def linearize(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array, D: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    h = dt / UNIT
    for i in range(n):
        rate, turn = rates(theta[i])
        gain = exp(theta[i, 2])
        kr, ki, wr, wi = held(rate, turn, h)
        gr, gi = gain * wr, gain * wi
        ur, ui = drive(theta[i], 3, x)
        J[i, 0], J[i, 1] = kr, -ki
        J[n + i, 0], J[n + i, 1] = ki, kr
        tr, ti = times(kr, ki, s[0, i], s[1, i])
        cr, ci = held_slope(rate, turn, h)
        cr, ci = times(gain * cr, gain * ci, ur, ui)
        mr, mi = h * tr + cr, h * ti + ci  # ∂s1/∂μ
        D[0, i, 0], D[1, i, 0] = -rate * mr, -rate * mi
        D[0, i, 1], D[1, i, 1] = -turn * mi, turn * mr
        D[0, i, 2], D[1, i, 2] = times(gr, gi, ur, ui)
        for j in range(m + 1):
            z = x[j] if j < m else 1.0
            D[0, i, 3 + j], D[1, i, 3 + j] = gr * z, gi * z
            D[0, i, 4 + m + j], D[1, i, 4 + m + j] = -gi * z, gr * z


def respond(theta: Array, x: Array, dt: float, s: Array, s1: Array, B: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        rate, turn = rates(theta[i])
        gain = exp(theta[i, 2])
        _kr, _ki, wr, wi = held(rate, turn, dt / UNIT)
        for j in range(m):
            B[i, j], B[n + i, j] = times(gain * wr, gain * wi, theta[i, 3 + j], theta[i, 4 + m + j])


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
