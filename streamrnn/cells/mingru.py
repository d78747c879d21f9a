"""Minimal GRU: gate and candidate hear the input alone, so that units remember by a plain weighted mean.

    z = σ(V_z x + b_z)      h = V_h x + b_h
    s1 = (1 - z)^dt ∘ s + (1 - (1 - z)^dt) ∘ h

1 - z is what a unit keeps in one step, (1 - z)^dt what it keeps in dt steps; with dt = 1 this is the cell of the
source. At constant input n steps of dt are exactly one of n dt.

theta[i] = [V_z (m) b_z | V_h (m) b_h], q = 2 (m + 1).
Source: Feng et al., Were RNNs All We Needed? (2024, arXiv 2410.01201), the minGRU; start of b_z: Tallec & Ollivier
(ICLR 2018).
"""

from __future__ import annotations

import numpy as np

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells._contract import DIAGONAL, Cell, blocks
from streamrnn.cells._times import log_uniform
from streamrnn.kernels.scalar import power, sigmoid


def width(n: int, m: int) -> int:
    return 2 * (m + 1)


@kernel
def gates(row: Array, x: Array) -> tuple[float, float]:
    """1 - z and h of the unit with parameters `row`."""
    m = x.shape[0]
    w = m + 1
    az, h = row[w - 1], row[2 * w - 1]
    for j in range(m):
        az += row[j] * x[j]
        h += row[w + j] * x[j]
    return sigmoid(-1.0 * az), h


@kernel
def advance(theta: Array, x: Array, dt: float, s: Array, s1: Array) -> None:
    for i in range(s.shape[1]):
        old, h = gates(theta[i], x)
        keep = power(old, dt)
        s1[0, i] = keep * s[0, i] + (1.0 - keep) * h


@kernel
def slopes(row: Array, x: Array, dt: float, own: float) -> tuple[float, float, float]:
    """(1 - z)^dt, ∂s1/∂a_z where z = σ(a_z), and ∂s1/∂h."""
    old, h = gates(row, x)
    keep = power(old, dt)
    return keep, (h - own) * dt * keep * (1.0 - old), 1.0 - keep


@kernel
def linearize(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array, D: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    w = m + 1
    for i in range(n):
        keep, gz, gh = slopes(theta[i], x, dt, s[0, i])
        J[i, 0] = keep
        for j in range(m):
            D[0, i, j] = gz * x[j]
            D[0, i, w + j] = gh * x[j]
        D[0, i, m] = gz
        D[0, i, w + m] = gh


@kernel
def respond(theta: Array, x: Array, dt: float, s: Array, s1: Array, B: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        _keep, gz, gh = slopes(theta[i], x, dt, s[0, i])
        for j in range(m):
            B[i, j] = gz * theta[i, j] + gh * theta[i, m + 1 + j]


def init(n: int, m: int, generator: np.random.Generator) -> Array:
    theta = generator.normal(size=(n, width(n, m))) / np.sqrt(m + 1)
    theta[:, m] = -np.log(log_uniform(2.0, 64.0, n) - 1.0)  # z = 1/τ at rest: memories from 2 to 64 intervals
    return theta


MINGRU = Cell(
    "mingru", "s1 = (1 - z)^dt * s + (1 - (1 - z)^dt) * (Vh x + bh),  z = sigmoid(Vz x + bz)",
    "Feng et al., Were RNNs All We Needed?, 2024, arXiv 2410.01201",
    blocks((DIAGONAL,)), width, advance, linearize, respond, init, timed=True,
)  # fmt: skip
