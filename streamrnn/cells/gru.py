"""GRU in the reset-after form, in which the parameters of unit i move only unit i.

    r = σ(W_r s + V_r x + b_r)      z = σ(W_z s + V_z x + b_z)
    c = tanh(r ∘ (W_c s + d_c) + V_c x + b_c)           s1 = (1 - z^dt) ∘ c + z^dt ∘ s

z is what a unit keeps in one step, z^dt what it keeps in dt steps; with dt = 1 this is the usual GRU.

theta[i] = [W_r V_r b_r | W_z V_z b_z | W_c V_c b_c | d_c], q = 3 (n + m + 1) + 1.
Source: Cho et al. (EMNLP 2014), §2.3, with the reset gate after the product.
"""

from __future__ import annotations

import numpy as np

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells._contract import DENSE, Cell, blocks
from streamrnn.kernels.memory import place
from streamrnn.kernels.scalar import power, sigmoid, tanh


def width(n: int, m: int) -> int:
    return 3 * (n + m + 1) + 1


@kernel(reassociate=True)
def gates(row: Array, x: Array, s: Array) -> tuple[float, float, float, float]:
    """r, z, W_c s + d_c and c of the unit with parameters `row`."""
    n, m = s.shape[1], x.shape[0]
    w = n + m + 1
    ar, az, ac, v = row[w - 1], row[2 * w - 1], row[3 * w - 1], row[3 * w]
    for j in range(n):
        ar += row[j] * s[0, j]
        az += row[place(w + j)] * s[0, j]
        v += row[place(2 * w + j)] * s[0, j]
    for j in range(m):
        ar += row[place(n + j)] * x[j]
        az += row[place(w + n + j)] * x[j]
        ac += row[place(2 * w + n + j)] * x[j]
    r = sigmoid(ar)
    return r, sigmoid(az), v, tanh(r * v + ac)


@kernel
def advance(theta: Array, x: Array, dt: float, s: Array, s1: Array) -> None:
    for i in range(s.shape[1]):
        _r, z, _v, c = gates(theta[i], x, s)
        keep = power(z, dt)
        s1[0, i] = (1.0 - keep) * c + keep * s[0, i]


@kernel
def slopes(row: Array, x: Array, dt: float, s: Array, i: int) -> tuple[float, float, float, float, float]:
    """z^dt, ∂s1/∂a_r, ∂s1/∂a_z, ∂s1/∂a_c and r times the latter, where a gate is σ(a) and c tanh(a_c)."""
    r, z, v, c = gates(row, x, s)
    keep = power(z, dt)
    gc = (1.0 - keep) * (1.0 - c * c)
    return keep, gc * v * r * (1.0 - r), (s[0, i] - c) * dt * keep * (1.0 - z), gc, gc * r


@kernel
def linearize(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array, D: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    w = n + m + 1
    for i in range(n):
        keep, gr, gz, gc, gv = slopes(theta[i], x, dt, s, i)
        for j in range(n):
            J[i, j] = gr * theta[i, j] + gz * theta[i, place(w + j)] + gv * theta[i, place(2 * w + j)]
            D[0, i, j] = gr * s[0, j]
            D[0, i, place(w + j)] = gz * s[0, j]
            D[0, i, place(2 * w + j)] = gv * s[0, j]
        J[i, i] += keep
        for j in range(m):
            D[0, i, n + j] = gr * x[j]
            D[0, i, w + n + j] = gz * x[j]
            D[0, i, 2 * w + n + j] = gc * x[j]
        D[0, i, w - 1] = gr
        D[0, i, 2 * w - 1] = gz
        D[0, i, 3 * w - 1] = gc
        D[0, i, 3 * w] = gv


@kernel
def respond(theta: Array, x: Array, dt: float, s: Array, s1: Array, B: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    w = n + m + 1
    for i in range(n):
        _keep, gr, gz, gc, _gv = slopes(theta[i], x, dt, s, i)
        for j in range(m):
            B[i, j] = gr * theta[i, n + j] + gz * theta[i, w + n + j] + gc * theta[i, 2 * w + n + j]


@kernel
def leak(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array) -> None:
    for i in range(s.shape[1]):
        _r, z, _v, _c = gates(theta[i], x, s)
        J[i, i] += power(z, dt)


def init(n: int, m: int, generator: np.random.Generator) -> Array:
    return generator.normal(size=(n, width(n, m))) / np.sqrt(n + m + 1)


GRU = Cell(
    "gru", "s1 = (1 - z^dt) * tanh(r * (Wc s + dc) + Vc x + bc) + z^dt * s",
    "Cho et al., Learning Phrase Representations, EMNLP 2014, section 2.3, with the reset after the product",
    blocks((DENSE,)), width, advance, linearize, respond, init, timed=True, leak=leak,
)  # fmt: skip
