"""Second-order cell: s1_i = tanh(Σ_jl θ_i[j, l] (s, 1)_j (x, 1)_l). Inputs multiply states: x chooses the transition.

For one x this is an Elman net with the weights Σ_l θ_i[j, l] (x, 1)_l, so that it can follow automata that a
first-order net of the same size cannot.

theta[i] = θ_i row by row, (n + 1) rows of (m + 1): entry (j, l) at j (m + 1) + l; q = (n + 1) (m + 1).
Source: Giles et al., Learning and Extracting Finite State Automata with Second-Order Recurrent Neural Networks (Neural
Computation 1992), §2, with tanh, first-order weights and a bias.
"""

from __future__ import annotations

import numpy as np

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells._contract import DENSE, Cell, blocks
from streamrnn.kernels.scalar import tanh, tanh_slope


def width(n: int, m: int) -> int:
    return (n + 1) * (m + 1)


@kernel
def weight(row: Array, j: int, x: Array) -> float:
    """What (s, 1)_j is multiplied by while the input is x."""
    m = x.shape[0]
    w = row[j * (m + 1) + m]
    for l in range(m):
        w += row[j * (m + 1) + l] * x[l]
    return w


@kernel
def advance(theta: Array, x: Array, dt: float, s: Array, s1: Array) -> None:
    n = s.shape[1]
    for i in range(n):
        a = weight(theta[i], n, x)
        for j in range(n):
            a += weight(theta[i], j, x) * s[0, j]
        s1[0, i] = tanh(a)


@kernel
def linearize(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array, D: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        g = tanh_slope(s1[0, i])
        for j in range(n):
            J[i, j] = g * weight(theta[i], j, x)
        for j in range(n + 1):
            z = g * s[0, j] if j < n else g
            for l in range(m):
                D[0, i, j * (m + 1) + l] = z * x[l]
            D[0, i, j * (m + 1) + m] = z


@kernel
def respond(theta: Array, x: Array, dt: float, s: Array, s1: Array, B: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        g = tanh_slope(s1[0, i])
        for l in range(m):
            a = theta[i, n * (m + 1) + l]
            for j in range(n):
                a += theta[i, j * (m + 1) + l] * s[0, j]
            B[i, l] = g * a


def init(n: int, m: int, generator: np.random.Generator) -> Array:
    theta = generator.normal(size=(n, n + 1, m + 1)) / np.sqrt(n + m + 1)
    theta[:, :n, :m] /= 3.0 * np.sqrt(
        m
    )  # with all inputs of size 3 the products add as much as the first-order weights
    theta[:, :n] /= np.sqrt(2.0)  # and the two together stay within a spectral radius of about 1
    return theta.reshape(n, -1)


SECOND_ORDER = Cell(
    "second_order", "s1[i] = tanh(sum theta[i, j, l] (s, 1)[j] (x, 1)[l])",
    "Giles et al., Learning and Extracting Finite State Automata, Neural Computation 4 (1992), section 2",
    blocks((DENSE,)), width, advance, linearize, respond, init, shared=True,
)  # fmt: skip
