"""Minimal gated unit in the reset-after form, in which the parameters of unit i move only unit i: one gate does all.

    f = σ(W_f s + V_f x + b_f)      c = tanh(f ∘ (W_c s + d_c) + V_c x + b_c)
    s1 = k ∘ s + (1 - k) ∘ c        k = (1 - f)^dt

With dt = 1 this is s1 = (1 - f) ∘ s + f ∘ c: a GRU whose reset gate is one minus its update gate.

theta[i] = [W_f V_f b_f | W_c V_c b_c | d_c], q = 2 (n + m + 1) + 1.
Source: Zhou, Wu, Zhang & Zhou, Minimal Gated Unit for Recurrent Neural Networks (International Journal of Automation
and Computing 2016), §3, with the gate after the product.
"""

from __future__ import annotations

import numpy as np

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells._contract import DENSE, Cell, blocks
from streamrnn.kernels.scalar import power, sigmoid, tanh


def width(n: int, m: int) -> int:
    return 2 * (n + m + 1) + 1


@kernel
def gates(row: Array, x: Array, s: Array) -> tuple[float, float, float]:
    """f, W_c s + d_c and c of the unit with parameters `row`."""
    n, m = s.shape[1], x.shape[0]
    w = n + m + 1
    af, ac, v = row[w - 1], row[2 * w - 1], row[2 * w]
    for j in range(n):
        af += row[j] * s[0, j]
        v += row[w + j] * s[0, j]
    for j in range(m):
        af += row[n + j] * x[j]
        ac += row[w + n + j] * x[j]
    f = sigmoid(af)
    return f, v, tanh(f * v + ac)


@kernel
def advance(theta: Array, x: Array, dt: float, s: Array, s1: Array) -> None:
    for i in range(s.shape[1]):
        f, _v, c = gates(theta[i], x, s)
        keep = power(1.0 - f, dt)
        s1[0, i] = keep * s[0, i] + (1.0 - keep) * c


@kernel
def slopes(row: Array, x: Array, dt: float, s: Array, i: int) -> tuple[float, float, float, float]:
    """k, ∂s1/∂a_f, ∂s1/∂(f (W_c s + d_c) + V_c x + b_c), and f times the latter."""
    f, v, c = gates(row, x, s)
    keep = power(1.0 - f, dt)
    gc = (1.0 - keep) * (1.0 - c * c)
    return keep, (c - s[0, i]) * dt * keep * f + gc * v * f * (1.0 - f), gc, gc * f  # dk/da_f = -dt k f


@kernel
def linearize(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array, D: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    w = n + m + 1
    for i in range(n):
        keep, gf, gc, gv = slopes(theta[i], x, dt, s, i)
        for j in range(n):
            J[i, j] = gf * theta[i, j] + gv * theta[i, w + j]
            D[0, i, j] = gf * s[0, j]
            D[0, i, w + j] = gv * s[0, j]
        J[i, i] += keep
        for j in range(m):
            D[0, i, n + j] = gf * x[j]
            D[0, i, w + n + j] = gc * x[j]
        D[0, i, w - 1] = gf
        D[0, i, 2 * w - 1] = gc
        D[0, i, 2 * w] = gv


@kernel
def respond(theta: Array, x: Array, dt: float, s: Array, s1: Array, B: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    w = n + m + 1
    for i in range(n):
        _keep, gf, gc, _gv = slopes(theta[i], x, dt, s, i)
        for j in range(m):
            B[i, j] = gf * theta[i, n + j] + gc * theta[i, w + n + j]


@kernel
def leak(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array) -> None:
    for i in range(s.shape[1]):
        f, _v, _c = gates(theta[i], x, s)
        J[i, i] += power(1.0 - f, dt)


def init(n: int, m: int, generator: np.random.Generator) -> Array:
    return generator.normal(size=(n, width(n, m))) / np.sqrt(n + m + 1)


MGU = Cell(
    "mgu", "s1 = k * s + (1 - k) * tanh(f * (Wc s + dc) + Vc x + bc), k = (1 - f)^dt",
    "Zhou et al., Minimal Gated Unit, International Journal of Automation and Computing 13 (2016), section 3, "
    "with the gate after the product",
    blocks((DENSE,)), width, advance, linearize, respond, init, timed=True, leak=leak,
)  # fmt: skip
