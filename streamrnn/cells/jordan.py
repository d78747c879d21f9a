"""Jordan cell: the past comes back through one output alone; s[0] = h (the output), s[1] = c (its share in y).

    y = tanh(Σ_j c_j)      h1 = tanh(u y + V x + b)      c1 = o ∘ h1

    jordan           y is what the net itself put out a step before, tanh(Σ_j o_j h_j)
    jordan_forced    y is the last of the inputs: what the output should have been ("teacher forcing"). Nothing recurs,
                     and V meets the inputs before it only

c is carried in place of y so that unit i's parameters move only unit i. One number holds all that is known of the past,
so that exact gradients cost no more than the parameters (see learners.sums).

theta[i] = [u_i | V_i (m; forced m - 1) | b_i | o_i], q = m + 3; forced m + 2.
Source: Jordan, Serial Order: A Parallel Distributed Processing Approach (ICS report 8604, 1986), with one output and
without decay of the context; teacher forcing: Williams & Zipser, Neural Computation 1 (1989).
"""

from __future__ import annotations

import numpy as np

from streamrnn._bind import bind, kernel
from streamrnn._types import Array
from streamrnn.cells._contract import UNIFORM, ZERO, Cell, blocks
from streamrnn.kernels.scalar import tanh, tanh_slope

FORCED = 0  # stand-in for how many of the inputs take the place of y


def context(x: Array, s: Array) -> float:
    """Stand-in for y."""
    raise TypeError("unbound")


@kernel
def of_output(x: Array, s: Array) -> float:
    total = s[1, 0]
    for j in range(1, s.shape[1]):
        total += s[1, j]
    return tanh(total)


@kernel
def of_input(x: Array, s: Array) -> float:
    return x[x.shape[0] - 1]


def advance(theta: Array, x: Array, dt: float, s: Array, s1: Array) -> None:
    n, v = s.shape[1], x.shape[0] - FORCED
    y = context(x, s)
    for i in range(n):
        a = theta[i, 0] * y + theta[i, v + 1]
        for j in range(v):
            a += theta[i, 1 + j] * x[j]
        s1[0, i] = tanh(a)
        s1[1, i] = theta[i, v + 2] * s1[0, i]


def linearize(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array, D: Array) -> None:
    n, v = s.shape[1], x.shape[0] - FORCED
    y = context(x, s)
    for i in range(n):
        g, o = tanh_slope(s1[0, i]), theta[i, v + 2]
        if FORCED == 0:
            J[i, n] = g * theta[i, 0] * tanh_slope(y)
            J[n + i, n] = o * J[i, n]
        D[0, i, 0] = g * y
        for j in range(v):
            D[0, i, 1 + j] = g * x[j]
        D[0, i, v + 1] = g
        D[0, i, v + 2] = 0.0
        for p in range(v + 2):
            D[1, i, p] = o * D[0, i, p]
        D[1, i, v + 2] = s1[0, i]


def respond(theta: Array, x: Array, dt: float, s: Array, s1: Array, B: Array) -> None:
    n, v = s.shape[1], x.shape[0] - FORCED
    for i in range(n):
        g, o = tanh_slope(s1[0, i]), theta[i, v + 2]
        for j in range(v):
            B[i, j] = g * theta[i, 1 + j]
        for j in range(v, v + FORCED):
            B[i, j] = g * theta[i, 0]
        for j in range(v + FORCED):
            B[n + i, j] = o * B[i, j]


SOURCE = "Jordan, Serial Order: A Parallel Distributed Processing Approach, ICS report 8604 (1986)"


def width(n: int, m: int) -> int:
    return m + 3


def width_forced(n: int, m: int) -> int:
    return m + 2


def init(n: int, m: int, generator: np.random.Generator) -> Array:
    theta = generator.normal(size=(n, width(n, m))) / np.sqrt(m + 2)
    theta[:, -1] *= np.sqrt((m + 2) / n)
    return theta


def init_forced(n: int, m: int, generator: np.random.Generator) -> Array:
    return init(n, m - 1, generator)


JORDAN = Cell(
    "jordan", "h1 = tanh(u y + V x + b), y = tanh(sum of c), c1 = o * h1", SOURCE,
    blocks((ZERO, UNIFORM), (ZERO, UNIFORM)), width,
    bind(advance, "jordan", context=of_output, FORCED=0),
    bind(linearize, "jordan", context=of_output, FORCED=0),
    bind(respond, "jordan", FORCED=0), init,
)  # fmt: skip
JORDAN_FORCED = Cell(
    "jordan_forced", "h1 = tanh(u y + V x + b), y the last input, c1 = o * h1", SOURCE,
    blocks((ZERO, ZERO), (ZERO, ZERO)), width_forced,
    bind(advance, "jordan_forced", context=of_input, FORCED=1),
    bind(linearize, "jordan_forced", context=of_input, FORCED=1),
    bind(respond, "jordan_forced", FORCED=1), init_forced,
)  # fmt: skip
