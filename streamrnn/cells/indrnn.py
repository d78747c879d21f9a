"""Independently recurrent cell: s1 = tanh(u ∘ s + V x + b), |u| < 2^(1/memory). Each unit remembers only itself.

Over `memory` steps a unit can at most double what it holds. The source clips u to this range after each update. Here
u = c tanh(w / c) with c = 2^(1/memory): the bound then belongs to the equation, whatever moves w, and the slope of the
loss in w is nowhere cut off, so that a weight at the bound finds its way back.

The cell counts steps: elapsed time does not matter to it.

theta[i] = [w_i | V_i (m) | b_i], q = m + 2.
Source: Li et al., Independently Recurrent Neural Network (CVPR 2018), equation 2; tanh in place of relu; bound: §4.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from streamrnn._bind import bind, kernel
from streamrnn._options import Option
from streamrnn._types import Array
from streamrnn.cells._contract import DIAGONAL, Cell, blocks
from streamrnn.kernels.scalar import tanh, tanh_slope

BOUND = 1.0  # stand-in for c


def width(n: int, m: int) -> int:
    return m + 2


def advance(theta: Array, x: Array, dt: float, s: Array, s1: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        a = BOUND * tanh(theta[i, 0] / BOUND) * s[0, i] + theta[i, m + 1]
        for j in range(m):
            a += theta[i, 1 + j] * x[j]
        s1[0, i] = tanh(a)


def linearize(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array, D: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        g = tanh_slope(s1[0, i])
        u = tanh(theta[i, 0] / BOUND)
        J[i, 0] = g * BOUND * u
        D[0, i, 0] = g * s[0, i] * tanh_slope(u)
        for j in range(m):
            D[0, i, 1 + j] = g * x[j]
        D[0, i, m + 1] = g


@kernel
def respond(theta: Array, x: Array, dt: float, s: Array, s1: Array, B: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        g = tanh_slope(s1[0, i])
        for j in range(m):
            B[i, j] = g * theta[i, 1 + j]


@cache
def indrnn(memory: float = 1000) -> Cell:
    """Units that at most double over `memory` steps."""
    bound = float(2.0 ** (1.0 / memory))

    def start(n: int, m: int, generator: np.random.Generator) -> Array:
        theta = generator.normal(size=(n, m + 2)) / np.sqrt(m + 1)
        u = 1.0 - 2.0 ** -np.linspace(1.0, 6.0, n)  # memories from 2 to 64 steps
        theta[:, 0] = bound * np.arctanh(u / bound)
        return theta

    owner = f"indrnn_{memory:.0f}"
    return Cell(
        "indrnn", "s1 = tanh(u * s + V x + b),  u = c tanh(w / c),  c = 2^(1/memory)",
        "Li et al., Independently Recurrent Neural Network, CVPR 2018, equation 2 and section 4",
        blocks((DIAGONAL,)), width, bind(advance, owner, BOUND=bound), bind(linearize, owner, BOUND=bound), respond,
        start, options=(Option("memory", 1000, 1, 1e9, "steps over which a unit may at most double"),), make=indrnn,
        chosen=(("memory", memory),),
    )  # fmt: skip


INDRNN = indrnn()
