"""Independently recurrent cell: s1 = tanh(w ∘ s + V x + b). Each unit remembers only itself.

theta[i] = [w_i | V_i (m) | b_i], q = m + 2.
Source: Li et al., Independently Recurrent Neural Network (CVPR 2018), equation 2; tanh in place of relu.
"""

from __future__ import annotations

import numpy as np

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells._contract import DIAGONAL, Cell
from streamrnn.kernels.scalar import tanh, tanh_slope


def width(n: int, m: int) -> int:
    return m + 2


@kernel
def advance(theta: Array, x: Array, s: Array, s1: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        a = theta[i, 0] * s[0, i] + theta[i, m + 1]
        for j in range(m):
            a += theta[i, 1 + j] * x[j]
        s1[0, i] = tanh(a)


@kernel
def linearize(theta: Array, x: Array, s: Array, s1: Array, J: Array, D: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        g = tanh_slope(s1[0, i])
        J[i, i] = g * theta[i, 0]
        D[0, i, 0] = g * s[0, i]
        for j in range(m):
            D[0, i, 1 + j] = g * x[j]
        D[0, i, m + 1] = g


def init(n: int, m: int, generator: np.random.Generator) -> Array:
    theta = generator.normal(size=(n, m + 2)) / np.sqrt(m + 1)
    theta[:, 0] = 1.0 - 2.0 ** -np.linspace(1.0, 6.0, n)  # memories from 2 to 64 steps
    return theta


INDRNN = Cell(
    "indrnn", "s1 = tanh(w * s + V x + b)", "Li et al., Independently Recurrent Neural Network, CVPR 2018, equation 2",
    1, ((DIAGONAL,),), width, advance, linearize, init,
)  # fmt: skip
