"""LSTM whose gates see the memory, each unit its own ("peepholes"); s[0] = h (the output), s[1] = c (the memory).

    i = σ(W_i h + V_i x + b_i + p_i ∘ c)      f = σ(W_f h + V_f x + b_f + p_f ∘ c)      g = tanh(W_g h + V_g x + b_g)
    c1 = f ∘ c + i ∘ g      o = σ(W_o h + V_o x + b_o + p_o ∘ c1)      h1 = o ∘ tanh(c1)

theta[u] = [W_i V_i b_i | W_f V_f b_f | W_g V_g b_g | W_o V_o b_o | p_i p_f p_o], q = 4 (n + m + 1) + 3.
Source: Gers, Schraudolph & Schmidhuber, Learning Precise Timing with LSTM Recurrent Networks (JMLR 2002).
"""

from __future__ import annotations

import numpy as np

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells._contract import DENSE, DIAGONAL, Cell, blocks
from streamrnn.cells.lstm import drive
from streamrnn.kernels.scalar import sigmoid, tanh


def width(n: int, m: int) -> int:
    return 4 * (n + m + 1) + 3


@kernel
def gates(row: Array, x: Array, s: Array, u: int) -> tuple[float, float, float, float, float]:
    """i, f, g, c1 and o of unit u, whose parameters are `row`."""
    w = s.shape[1] + x.shape[0] + 1
    c = s[1, u]
    i = sigmoid(drive(row, 0, x, s) + row[4 * w] * c)
    f = sigmoid(drive(row, w, x, s) + row[4 * w + 1] * c)
    g = tanh(drive(row, 2 * w, x, s))
    c1 = f * c + i * g
    return i, f, g, c1, sigmoid(drive(row, 3 * w, x, s) + row[4 * w + 2] * c1)


@kernel
def slopes(row: Array, x: Array, s: Array, u: int) -> tuple[float, float, float, float, float, float]:
    """∂c1/∂a of i, f and g, dc1/dc, ∂h1/∂a_o and dh1/dc1, where a gate is σ(a) and g tanh(a)."""
    w = s.shape[1] + x.shape[0] + 1
    i, f, g, c1, o = gates(row, x, s, u)
    t = tanh(c1)
    ci = g * i * (1.0 - i)
    cf = s[1, u] * f * (1.0 - f)
    ho = t * o * (1.0 - o)
    cc = f + ci * row[4 * w] + cf * row[4 * w + 1]
    return ci, cf, i * (1.0 - g * g), cc, ho, o * (1.0 - t * t) + ho * row[4 * w + 2]


@kernel
def advance(theta: Array, x: Array, dt: float, s: Array, s1: Array) -> None:
    for u in range(s.shape[1]):
        _i, _f, _g, c1, o = gates(theta[u], x, s, u)
        s1[1, u] = c1
        s1[0, u] = o * tanh(c1)


@kernel
def linearize(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array, D: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    w = n + m + 1
    for u in range(n):
        ci, cf, cg, cc, ho, hc = slopes(theta[u], x, s, u)
        for j in range(n):
            c = ci * theta[u, j] + cf * theta[u, w + j] + cg * theta[u, 2 * w + j]
            J[n + u, j] = c
            J[u, j] = hc * c + ho * theta[u, 3 * w + j]
        J[n + u, n + u] = cc
        J[u, n + u] = hc * cc
        for j in range(w):
            z = s[0, j] if j < n else (x[j - n] if j < n + m else 1.0)
            D[1, u, j] = ci * z
            D[1, u, w + j] = cf * z
            D[1, u, 2 * w + j] = cg * z
            D[1, u, 3 * w + j] = 0.0
            D[0, u, 3 * w + j] = ho * z
        D[1, u, 4 * w] = ci * s[1, u]
        D[1, u, 4 * w + 1] = cf * s[1, u]
        D[1, u, 4 * w + 2] = 0.0
        D[0, u, 4 * w + 2] = ho * s1[1, u]
        for p in range(3 * w):
            D[0, u, p] = hc * D[1, u, p]
        for p in range(4 * w, 4 * w + 2):
            D[0, u, p] = hc * D[1, u, p]


@kernel
def respond(theta: Array, x: Array, dt: float, s: Array, s1: Array, B: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    w = n + m + 1
    for u in range(n):
        ci, cf, cg, _cc, ho, hc = slopes(theta[u], x, s, u)
        for j in range(n, n + m):
            c = ci * theta[u, j] + cf * theta[u, w + j] + cg * theta[u, 2 * w + j]
            B[n + u, j - n] = c
            B[u, j - n] = hc * c + ho * theta[u, 3 * w + j]


def init(n: int, m: int, generator: np.random.Generator) -> Array:
    w = n + m + 1
    theta = generator.normal(size=(n, width(n, m))) / np.sqrt(w)
    theta[:, 2 * w - 1] += 1.0  # forget bias: remember at first
    theta[:, 4 * w :] = 0.0  # peepholes closed: a memory that opens its own gates grows without end
    return theta


LSTM_PEEPHOLE = Cell(
    "lstm_peephole", "c1 = f * c + i * g,  h1 = o * tanh(c1);  i and f see c, o sees c1",
    "Gers, Schraudolph & Schmidhuber, Learning Precise Timing with LSTM Recurrent Networks, JMLR 3 (2002)",
    blocks((DENSE, DIAGONAL), (DENSE, DIAGONAL)), width, advance, linearize, respond, init,
)  # fmt: skip
