"""Element-wise LSTM: gates hear the input and the unit's own state alone.

    f = σ(V_f x + w_f ∘ s + b_f)      z = tanh(V_z x + w_z ∘ s + b_z)
    s1 = f^dt ∘ s + (1 - f^dt) ∘ z

f is what a unit keeps in one step, f^dt what it keeps in dt steps; with dt = 1 this is the cell of the source.

theta[i] = [V_f (m) | w_f b_f | V_z (m) | w_z b_z], q = 2 (m + 2).
Source: Irie, Gopalakrishnan & Schmidhuber, Exploring the Promise and Limits of Real-Time Recurrent Learning (ICLR 2024,
arXiv 2305.19044), the eLSTM; start of b_f: Tallec & Ollivier (ICLR 2018).
"""

from __future__ import annotations

import numpy as np

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells._contract import DIAGONAL, Cell, blocks
from streamrnn.cells._times import log_uniform
from streamrnn.kernels.scalar import power, sigmoid, tanh


def width(n: int, m: int) -> int:
    return 2 * (m + 2)


@kernel
def gates(row: Array, x: Array, own: float) -> tuple[float, float]:
    """f and z of the unit with parameters `row` and state `own`."""
    m = x.shape[0]
    w = m + 2
    af = row[m] * own + row[m + 1]
    az = row[w + m] * own + row[w + m + 1]
    for j in range(m):
        af += row[j] * x[j]
        az += row[w + j] * x[j]
    return sigmoid(af), tanh(az)


@kernel
def advance(theta: Array, x: Array, dt: float, s: Array, s1: Array) -> None:
    for i in range(s.shape[1]):
        f, z = gates(theta[i], x, s[0, i])
        keep = power(f, dt)
        s1[0, i] = keep * s[0, i] + (1.0 - keep) * z


@kernel
def slopes(row: Array, x: Array, dt: float, own: float) -> tuple[float, float, float]:
    """f^dt, ∂s1/∂a_f and ∂s1/∂a_z, where f = σ(a_f) and z = tanh(a_z)."""
    f, z = gates(row, x, own)
    keep = power(f, dt)
    return keep, (own - z) * dt * keep * (1.0 - f), (1.0 - keep) * (1.0 - z * z)


@kernel
def linearize(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array, D: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    w = m + 2
    for i in range(n):
        keep, gf, gz = slopes(theta[i], x, dt, s[0, i])
        J[i, 0] = keep + gf * theta[i, m] + gz * theta[i, w + m]
        for j in range(m):
            D[0, i, j] = gf * x[j]
            D[0, i, w + j] = gz * x[j]
        D[0, i, m] = gf * s[0, i]
        D[0, i, m + 1] = gf
        D[0, i, w + m] = gz * s[0, i]
        D[0, i, w + m + 1] = gz


@kernel
def respond(theta: Array, x: Array, dt: float, s: Array, s1: Array, B: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    w = m + 2
    for i in range(n):
        _keep, gf, gz = slopes(theta[i], x, dt, s[0, i])
        for j in range(m):
            B[i, j] = gf * theta[i, j] + gz * theta[i, w + j]


def init(n: int, m: int, generator: np.random.Generator) -> Array:
    theta = generator.normal(size=(n, width(n, m))) / np.sqrt(m + 2)
    theta[:, m + 1] = np.log(log_uniform(2.0, 64.0, n) - 1.0)  # f = 1 - 1/τ at rest: memories from 2 to 64 intervals
    return theta


ELSTM = Cell(
    "elstm", "s1 = f^dt * s + (1 - f^dt) * z,  f = sigmoid(Vf x + wf * s + bf),  z = tanh(Vz x + wz * s + bz)",
    "Irie, Gopalakrishnan & Schmidhuber, Exploring the Promise and Limits of Real-Time Recurrent Learning, ICLR 2024",
    blocks((DIAGONAL,)), width, advance, linearize, respond, init, timed=True,
)  # fmt: skip
