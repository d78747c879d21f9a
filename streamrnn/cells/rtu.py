"""Recurrent trace unit: a damped rotation of s[0] + i s[1] = s complex, each of its two parts through tanh.

    μ = -e^ν + i e^ω      λ = e^μ      λ^h = e^(μ h)      h = dt in units of the shortest time constant
    a = λ^h ∘ s + g ∘ (V x + b)        g = γ (λ^h - 1) / (λ - 1)      γ = √(1 - |λ|²)
    s1[0] = tanh(Re a)      s1[1] = tanh(Im a)

With h = 1 this is the unit of the source: g = γ, by which white input gives a state of about the same size however long
a unit remembers. g is what a held input adds in h units when it adds γ in one, as in `lru`: where the state is small,
so that tanh leaves it as it is, n steps at constant input are one of n dt. A large state is squashed once a step,
however short, and so depends on how often the stream was sampled.

|λ| < 1 for any ν: no learning step makes a unit unstable. As ω is a logarithm, ∂e^ω/∂ω = e^ω: the factor that public
code leaves out.

theta[i] = [ν ω | V_re (m) b_re | V_im (m) b_im], q = 2 + 2 (m + 1).
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
from streamrnn.cells._modes import drive, held, held_slope, rates, times
from streamrnn.cells._times import TIMES, modes, spread
from streamrnn.kernels.scalar import exp, expm1, tanh, tanh_slope

UNIT = 1.0  # stand-in for the shortest time constant at the start


def width(n: int, m: int) -> int:
    return 2 + 2 * (m + 1)


@kernel
def scale(rate: float) -> float:
    """γ."""
    return math.sqrt(-expm1(-2.0 * rate))


def advance(theta: Array, x: Array, dt: float, s: Array, s1: Array) -> None:
    for i in range(s.shape[1]):
        rate, turn = rates(theta[i])
        gain = scale(rate)
        kr, ki, wr, wi = held(rate, turn, dt / UNIT)
        ur, ui = drive(theta[i], 2, x)
        tr, ti = times(kr, ki, s[0, i], s[1, i])
        ar, ai = times(gain * wr, gain * wi, ur, ui)
        s1[0, i] = tanh(tr + ar)
        s1[1, i] = tanh(ti + ai)


def linearize(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array, D: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    h = dt / UNIT
    for i in range(n):
        rate, turn = rates(theta[i])
        gain = scale(rate)
        kr, ki, wr, wi = held(rate, turn, h)
        gr, gi = gain * wr, gain * wi
        ur, ui = drive(theta[i], 2, x)
        g0, g1 = tanh_slope(s1[0, i]), tanh_slope(s1[1, i])
        J[i, 0], J[i, 1] = g0 * kr, -g0 * ki
        J[n + i, 0], J[n + i, 1] = g1 * ki, g1 * kr
        tr, ti = times(kr, ki, s[0, i], s[1, i])
        cr, ci = held_slope(rate, turn, h)
        cr, ci = times(gain * cr, gain * ci, ur, ui)
        mr, mi = h * tr + cr, h * ti + ci  # ∂a/∂μ
        fade = rate * exp(-2.0 * rate) / gain  # dγ/dν
        fr, fi = times(fade * wr, fade * wi, ur, ui)
        D[0, i, 0], D[1, i, 0] = g0 * (fr - rate * mr), g1 * (fi - rate * mi)
        D[0, i, 1], D[1, i, 1] = -g0 * turn * mi, g1 * turn * mr
        for j in range(m + 1):
            z = x[j] if j < m else 1.0
            D[0, i, 2 + j], D[1, i, 2 + j] = g0 * gr * z, g1 * gi * z
            D[0, i, 3 + m + j], D[1, i, 3 + m + j] = -g0 * gi * z, g1 * gr * z


def respond(theta: Array, x: Array, dt: float, s: Array, s1: Array, B: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        rate, turn = rates(theta[i])
        gain = scale(rate)
        _kr, _ki, wr, wi = held(rate, turn, dt / UNIT)
        g0, g1 = tanh_slope(s1[0, i]), tanh_slope(s1[1, i])
        for j in range(m):
            br, bi = times(gain * wr, gain * wi, theta[i, 2 + j], theta[i, 3 + m + j])
            B[i, j], B[n + i, j] = g0 * br, g1 * bi


@cache
def rtu(shortest: float = 0.0, longest: float = 0.0) -> Cell:
    """Units that start with time constants from `shortest` to `longest` seconds, or 1 to 64 typical intervals."""
    unit, most, seconds = spread("cell rtu", shortest, longest)

    def start(n: int, m: int, generator: np.random.Generator) -> Array:
        theta = generator.normal(size=(n, width(n, m))) / np.sqrt(m + 1)
        theta[:, :2] = modes(most / unit, n, generator)
        return theta

    return Cell(
        "rtu", "s1 = tanh(l^h * s + g (l^h - 1) / (l - 1) * (V x + b)),  l = exp(-e^nu + i e^omega), complex, tanh of "
        "each part,  g = sqrt(1 - |l|^2)",
        "Elelimy et al., Real-Time Recurrent Learning using Trace Units in Reinforcement Learning, NeurIPS 2024",
        blocks((DIAGONAL, DIAGONAL), (DIAGONAL, DIAGONAL)), width,
        bind(advance, "rtu", UNIT=unit), bind(linearize, "rtu", UNIT=unit), bind(respond, "rtu", UNIT=unit), start,
        seen=2, timed=True, seconds=seconds, options=TIMES, make=rtu,
        chosen=(("shortest", shortest), ("longest", longest)),
    )  # fmt: skip


RTU = rtu()
