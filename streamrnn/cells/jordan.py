"""Jordan cells: the past comes back through one output alone.

    jordan           y = tanh(Σ_j c_j)      h1 = tanh(u y + V x + b)      c1 = o ∘ h1      s[0] = h, s[1] = c
    jordan_forced    h1 = tanh(u x_last + V x_rest + b)                                    s[0] = h

In `jordan` y is an output of the cell's own, learned with weights o of its own and fed back a step later. It is not the
forecast: that is made by the readout, which sees h and never comes back into the cell. c, a unit's share in y, is
carried in place of y so that unit i's parameters move only unit i. One number holds all that is known of the past, so
that exact gradients cost no more than the parameters (see learners.sums).

`jordan_forced` is what remains under teacher forcing: y is replaced by what the output should have been, and here the
last input stands in that place. Nothing recurs, and the cell has no memory at all: h1 follows from x alone.

theta[i] = [u_i | V_i (m) | b_i | o_i], q = m + 3; forced [u_i | V_i (m - 1) | b_i], q = m + 1.
Source: Jordan, Serial Order: A Parallel Distributed Processing Approach (ICS report 8604, 1986), with one output and
without decay of the context; teacher forcing: Williams & Zipser, Neural Computation 1 (1989).
"""

from __future__ import annotations

import numpy as np

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells._contract import UNIFORM, ZERO, Cell, blocks
from streamrnn.kernels.scalar import tanh, tanh_slope


@kernel
def output(s: Array) -> float:
    """y."""
    total = s[1, 0]
    for j in range(1, s.shape[1]):
        total += s[1, j]
    return tanh(total)


@kernel
def advance(theta: Array, x: Array, dt: float, s: Array, s1: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    y = output(s)
    for i in range(n):
        a = theta[i, 0] * y + theta[i, m + 1]
        for j in range(m):
            a += theta[i, 1 + j] * x[j]
        s1[0, i] = tanh(a)
        s1[1, i] = theta[i, m + 2] * s1[0, i]


@kernel
def linearize(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array, D: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    y = output(s)
    for i in range(n):
        g, o = tanh_slope(s1[0, i]), theta[i, m + 2]
        J[i, 1] = g * theta[i, 0] * tanh_slope(y)
        J[n + i, 1] = o * J[i, 1]
        D[0, i, 0] = g * y
        for j in range(m):
            D[0, i, 1 + j] = g * x[j]
        D[0, i, m + 1] = g
        D[0, i, m + 2] = 0.0
        for p in range(m + 2):
            D[1, i, p] = o * D[0, i, p]
        D[1, i, m + 2] = s1[0, i]


@kernel
def respond(theta: Array, x: Array, dt: float, s: Array, s1: Array, B: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        g = tanh_slope(s1[0, i])
        for j in range(m):
            B[i, j] = g * theta[i, 1 + j]
            B[n + i, j] = theta[i, m + 2] * B[i, j]


def width(n: int, m: int) -> int:
    return m + 3


def init(n: int, m: int, generator: np.random.Generator) -> Array:
    theta = generator.normal(size=(n, width(n, m))) / np.sqrt(m + 2)
    theta[:, -1] *= np.sqrt((m + 2) / n)
    return theta


@kernel
def advance_forced(theta: Array, x: Array, dt: float, s: Array, s1: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        a = theta[i, 0] * x[m - 1] + theta[i, m]
        for j in range(m - 1):
            a += theta[i, 1 + j] * x[j]
        s1[0, i] = tanh(a)


@kernel
def linearize_forced(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array, D: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        g = tanh_slope(s1[0, i])
        D[0, i, 0] = g * x[m - 1]
        for j in range(m - 1):
            D[0, i, 1 + j] = g * x[j]
        D[0, i, m] = g


@kernel
def respond_forced(theta: Array, x: Array, dt: float, s: Array, s1: Array, B: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        g = tanh_slope(s1[0, i])
        for j in range(m - 1):
            B[i, j] = g * theta[i, 1 + j]
        B[i, m - 1] = g * theta[i, 0]


def width_forced(n: int, m: int) -> int:
    return m + 1


def init_forced(n: int, m: int, generator: np.random.Generator) -> Array:
    return generator.normal(size=(n, width_forced(n, m))) / np.sqrt(m + 1)


SOURCE = "Jordan, Serial Order: A Parallel Distributed Processing Approach, ICS report 8604 (1986)"
JORDAN = Cell(
    "jordan", "h1 = tanh(u y + V x + b), y = tanh(sum of c), c1 = o * h1", SOURCE,
    blocks((ZERO, UNIFORM), (ZERO, UNIFORM)), width, advance, linearize, respond, init,
)  # fmt: skip
JORDAN_FORCED = Cell(
    "jordan_forced", "h1 = tanh(u y + V x + b), y the last input, V for the others", SOURCE,
    blocks((ZERO,)), width_forced, advance_forced, linearize_forced, respond_forced, init_forced,
)  # fmt: skip
