"""LSTM with forget gate; s[0] = h (the output), s[1] = c (the memory).

    i, f, o = σ(W_. h + V_. x + b_.)      g = tanh(W_g h + V_g x + b_g)
    c1 = f ∘ c + i ∘ g                    h1 = o ∘ tanh(c1)

theta[u] = [W_i V_i b_i | W_f V_f b_f | W_g V_g b_g | W_o V_o b_o], q = 4 (n + m + 1).
Source: Gers, Schmidhuber & Cummins, Learning to Forget (Neural Computation 2000), §2-3.
"""

from __future__ import annotations

import numpy as np

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells._contract import DENSE, DIAGONAL, Cell, blocks
from streamrnn.kernels.scalar import sigmoid, tanh


def width(n: int, m: int) -> int:
    return 4 * (n + m + 1)


@kernel
def drive(row: Array, o: int, x: Array, s: Array) -> float:
    """Pre-activation of the gate whose weights start at row[o]."""
    n, m = s.shape[1], x.shape[0]
    a = row[o + n + m]
    for j in range(n):
        a += row[o + j] * s[0, j]
    for j in range(m):
        a += row[o + n + j] * x[j]
    return a


@kernel
def gates(row: Array, x: Array, s: Array) -> tuple[float, float, float, float]:
    """i, f, g and o of the unit with parameters `row`."""
    w = s.shape[1] + x.shape[0] + 1
    i, f = sigmoid(drive(row, 0, x, s)), sigmoid(drive(row, w, x, s))
    return i, f, tanh(drive(row, 2 * w, x, s)), sigmoid(drive(row, 3 * w, x, s))


@kernel
def advance(theta: Array, x: Array, dt: float, s: Array, s1: Array) -> None:
    for u in range(s.shape[1]):
        i, f, g, o = gates(theta[u], x, s)
        s1[1, u] = f * s[1, u] + i * g
        s1[0, u] = o * tanh(s1[1, u])


@kernel
def linearize(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array, D: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    w = n + m + 1
    for u in range(n):
        i, f, g, o = gates(theta[u], x, s)
        t = tanh(s1[1, u])
        hc = o * (1.0 - t * t)  # dh1/dc1
        ho = t * o * (1.0 - o)  # dh1/da_o
        ci = g * i * (1.0 - i)  # dc1/da of each gate
        cf = s[1, u] * f * (1.0 - f)
        cg = i * (1.0 - g * g)
        for j in range(n):
            c = ci * theta[u, j] + cf * theta[u, w + j] + cg * theta[u, 2 * w + j]
            J[n + u, j] = c
            J[u, j] = hc * c + ho * theta[u, 3 * w + j]
        J[n + u, n + u] = f
        J[u, n + u] = hc * f
        for j in range(w):
            z = s[0, j] if j < n else (x[j - n] if j < n + m else 1.0)
            D[1, u, j] = ci * z
            D[1, u, w + j] = cf * z
            D[1, u, 2 * w + j] = cg * z
            D[1, u, 3 * w + j] = 0.0
            D[0, u, j] = hc * ci * z
            D[0, u, w + j] = hc * cf * z
            D[0, u, 2 * w + j] = hc * cg * z
            D[0, u, 3 * w + j] = ho * z


@kernel
def respond(theta: Array, x: Array, dt: float, s: Array, s1: Array, B: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    w = n + m + 1
    for u in range(n):
        i, f, g, o = gates(theta[u], x, s)
        t = tanh(s1[1, u])
        hc = o * (1.0 - t * t)
        ho = t * o * (1.0 - o)
        ci = g * i * (1.0 - i)
        cf = s[1, u] * f * (1.0 - f)
        cg = i * (1.0 - g * g)
        for j in range(n, n + m):
            c = ci * theta[u, j] + cf * theta[u, w + j] + cg * theta[u, 2 * w + j]
            B[n + u, j - n] = c
            B[u, j - n] = hc * c + ho * theta[u, 3 * w + j]


def init(n: int, m: int, generator: np.random.Generator) -> Array:
    w = n + m + 1
    theta = generator.normal(size=(n, 4 * w)) / np.sqrt(w)
    theta[:, 2 * w - 1] += 1.0  # forget bias: remember at first
    return theta


LSTM = Cell(
    "lstm", "c1 = f * c + i * g,  h1 = o * tanh(c1)",
    "Gers, Schmidhuber & Cummins, Learning to Forget, Neural Computation 12 (2000), sections 2-3",
    blocks((DENSE, DIAGONAL), (DENSE, DIAGONAL)), width, advance, linearize, respond, init,
)  # fmt: skip
