"""Leaky Elman cell, whose units have time constants of their own: s1 = λ ∘ s + (1 - λ) ∘ tanh(W s + V x + b).

    λ_i = exp(-dt / τ_i)      τ_i = exp(w_i), learned like any other weight

With units spread from fast to slow this is the multiple-timescale net. Where W = 0 and the input holds still, the step
is exact: two steps of dt are one of 2 dt.

theta[i] = [W_i (n) | V_i (m) | b_i | w_i], q = n + m + 2.
Source: Jaeger, Lukoševičius, Popovici & Siewert, Optimization and Applications of Echo State Networks with
Leaky-Integrator Neurons (Neural Networks 2007); Yamashita & Tani, Emergence of Functional Hierarchy in a Multiple
Timescale Neural Network Model (PLoS Computational Biology 2008).
"""

from __future__ import annotations

from functools import cache

import numpy as np

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells._contract import DENSE, Cell, blocks
from streamrnn.cells._times import TIMES, log_uniform, spread
from streamrnn.kernels.scalar import exp, expm1, tanh, tanh_slope


def width(n: int, m: int) -> int:
    return n + m + 2


@kernel
def target(row: Array, x: Array, s: Array) -> float:
    """What the unit with parameters `row` moves towards."""
    n, m = s.shape[1], x.shape[0]
    a = row[n + m]
    for j in range(n):
        a += row[j] * s[0, j]
    for j in range(m):
        a += row[n + j] * x[j]
    return tanh(a)


@kernel
def advance(theta: Array, x: Array, dt: float, s: Array, s1: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        u = dt * exp(-theta[i, n + m + 1])
        s1[0, i] = exp(-u) * s[0, i] - expm1(-u) * target(theta[i], x, s)


@kernel
def linearize(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array, D: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        u = dt * exp(-theta[i, n + m + 1])
        keep = exp(-u)
        c = target(theta[i], x, s)
        g = -expm1(-u) * tanh_slope(c)
        for j in range(n):
            J[i, j] = g * theta[i, j]
            D[0, i, j] = g * s[0, j]
        J[i, i] += keep
        for j in range(m):
            D[0, i, n + j] = g * x[j]
        D[0, i, n + m] = g
        D[0, i, n + m + 1] = (s[0, i] - c) * keep * u  # dλ/dw = λ dt/τ


@kernel
def respond(theta: Array, x: Array, dt: float, s: Array, s1: Array, B: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        g = -expm1(-dt * exp(-theta[i, n + m + 1])) * tanh_slope(target(theta[i], x, s))
        for j in range(m):
            B[i, j] = g * theta[i, n + j]


@kernel
def leak(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        J[i, i] += exp(-dt * exp(-theta[i, n + m + 1]))


@cache
def leaky(shortest: float = 0.0, longest: float = 0.0) -> Cell:
    """Units whose time constants start spread between the two. Raises ModelError where they are no range."""
    least, most, seconds = spread("cell leaky", shortest, longest)

    def start(n: int, m: int, generator: np.random.Generator) -> Array:
        theta = generator.normal(size=(n, width(n, m))) / np.sqrt(n + m + 1)
        theta[:, -1] = np.log(log_uniform(least, most, n))
        return theta

    return Cell(
        "leaky", "s1 = k * s + (1 - k) * tanh(W s + V x + b), k = exp(-dt / tau)",
        "Jaeger et al., Neural Networks 20 (2007); Yamashita & Tani, PLoS Computational Biology 4 (2008)",
        blocks((DENSE,)), width, advance, linearize, respond, start, timed=True, seconds=seconds, leak=leak,
        options=TIMES, make=leaky, chosen=(("shortest", shortest), ("longest", longest)),
    )  # fmt: skip


LEAKY = leaky()
