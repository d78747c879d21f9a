"""LSTM with forget gate, without and with peepholes; s[0] = h (the output), s[1] = c (the memory).

    i = σ(W_i h + V_i x + b_i + p_i ∘ c)      f = σ(W_f h + V_f x + b_f + p_f ∘ c)      g = tanh(W_g h + V_g x + b_g)
    c1 = f^dt ∘ c + (1 - f^dt) / (1 - f) ∘ i ∘ g
    o = σ(W_o h + V_o x + b_o + p_o ∘ c1)      h1 = o ∘ tanh(c1)

f is what the memory keeps in one step, f^dt what it keeps in dt steps; what flows in meanwhile is summed as it decays
(f^(dt-1) + … + f + 1 for whole dt). With dt = 1 this is the usual c1 = f ∘ c + i ∘ g.

    lstm             p = 0       theta[u] = [W_i V_i b_i | W_f V_f b_f | W_g V_g b_g | W_o V_o b_o], q = 4 (n + m + 1)
    lstm_peephole    gates see the memory, each unit its own: theta[u] = [the same | p_i p_f p_o], q = 4 (n + m + 1) + 3

Source: Gers, Schmidhuber & Cummins, Learning to Forget (Neural Computation 2000), §2-3; peepholes: Gers, Schraudolph &
Schmidhuber, Learning Precise Timing with LSTM Recurrent Networks (JMLR 2002). Elapsed time is ours.
"""

from __future__ import annotations

import numpy as np

from streamrnn._bind import bind, kernel
from streamrnn._types import Array
from streamrnn.cells._contract import DENSE, DIAGONAL, Cell, blocks
from streamrnn.kernels.memory import place
from streamrnn.kernels.scalar import held, power, sigmoid, tanh

PEEPHOLES = 3  # stand-in for how many there are: 0 or 3


@kernel(reassociate=True)
def drive(row: Array, o: int, x: Array, s: Array) -> float:
    """Pre-activation of the gate whose weights start at row[o]."""
    n, m = s.shape[1], x.shape[0]
    a = row[o + n + m]
    for j in range(n):
        a += row[place(o + j)] * s[0, j]
    for j in range(m):
        a += row[place(o + n + j)] * x[j]
    return a


@kernel
def closed(row: Array, at: int) -> float:
    return 0.0


@kernel
def opened(row: Array, at: int) -> float:
    return row[at]


def peephole(row: Array, at: int) -> float:
    """Stand-in for the weight of a peephole."""
    raise TypeError("unbound")


def gates(
    row: Array, x: Array, dt: float, s: Array, u: int
) -> tuple[float, float, float, float, float, float, float]:  # fmt: skip
    """i, f, g, f^dt, (1 - f^dt) / (1 - f), c1 and o of unit u, whose parameters are `row`."""
    w = s.shape[1] + x.shape[0] + 1
    c = s[1, u]
    i = sigmoid(drive(row, 0, x, s) + peephole(row, 4 * w) * c)
    a = drive(row, w, x, s) + peephole(row, 4 * w + 1) * c
    f, g = sigmoid(a), tanh(drive(row, 2 * w, x, s))
    keep, gain = power(f, dt), held(a, dt)
    c1 = keep * c + gain * i * g
    return i, f, g, keep, gain, c1, sigmoid(drive(row, 3 * w, x, s) + peephole(row, 4 * w + 2) * c1)


def slopes(
    row: Array, x: Array, dt: float, s: Array, u: int
) -> tuple[float, float, float, float, float, float]:  # fmt: skip
    """∂c1/∂a of i, f and g, dc1/dc, ∂h1/∂a_o and dh1/dc1, where a gate is σ(a) and g tanh(a)."""
    w = s.shape[1] + x.shape[0] + 1
    i, f, g, keep, gain, c1, o = gates(row, x, dt, s, u)
    t = tanh(c1)
    ci = gain * g * i * (1.0 - i)
    cf = s[1, u] * dt * keep * (1.0 - f) + i * g * (f * gain - dt * keep)
    ho = t * o * (1.0 - o)
    cc = keep + ci * peephole(row, 4 * w) + cf * peephole(row, 4 * w + 1)
    return ci, cf, gain * i * (1.0 - g * g), cc, ho, o * (1.0 - t * t) + ho * peephole(row, 4 * w + 2)


def advance(theta: Array, x: Array, dt: float, s: Array, s1: Array) -> None:
    for u in range(s.shape[1]):
        _i, _f, _g, _keep, _gain, c1, o = gates(theta[u], x, dt, s, u)
        s1[1, u] = c1
        s1[0, u] = o * tanh(c1)


def linearize(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array, D: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    w = n + m + 1
    for u in range(n):
        ci, cf, cg, cc, ho, hc = slopes(theta[u], x, dt, s, u)
        for j in range(n):
            c = ci * theta[u, j] + cf * theta[u, place(w + j)] + cg * theta[u, place(2 * w + j)]
            J[n + u, j] = c
            J[u, j] = hc * c + ho * theta[u, place(3 * w + j)]
        J[n + u, n + u] = cc
        J[u, n + u] = hc * cc
        for part in range(3):  # the state's weights, the input's, the bias
            first, end = (0, n) if part == 0 else (n, n + m) if part == 1 else (n + m, w)
            for j in range(first, end):
                z = s[0, j] if part == 0 else x[j - n] if part == 1 else 1.0
                D[1, u, place(j)] = ci * z
                D[1, u, place(w + j)] = cf * z
                D[1, u, place(2 * w + j)] = cg * z
                D[1, u, place(3 * w + j)] = 0.0
                D[0, u, place(j)] = hc * ci * z
                D[0, u, place(w + j)] = hc * cf * z
                D[0, u, place(2 * w + j)] = hc * cg * z
                D[0, u, place(3 * w + j)] = ho * z
        if PEEPHOLES > 0:
            D[1, u, 4 * w] = ci * s[1, u]
            D[1, u, 4 * w + 1] = cf * s[1, u]
            D[1, u, 4 * w + 2] = 0.0
            D[0, u, 4 * w] = hc * D[1, u, 4 * w]
            D[0, u, 4 * w + 1] = hc * D[1, u, 4 * w + 1]
            D[0, u, 4 * w + 2] = ho * s1[1, u]


def respond(theta: Array, x: Array, dt: float, s: Array, s1: Array, B: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    w = n + m + 1
    for u in range(n):
        ci, cf, cg, _cc, ho, hc = slopes(theta[u], x, dt, s, u)
        for j in range(n, n + m):
            c = ci * theta[u, j] + cf * theta[u, w + j] + cg * theta[u, 2 * w + j]
            B[n + u, j - n] = c
            B[u, j - n] = hc * c + ho * theta[u, 3 * w + j]


def _cell(name: str, peepholes: int, equation: str, source: str) -> Cell:
    def width(n: int, m: int) -> int:
        return 4 * (n + m + 1) + peepholes

    def init(n: int, m: int, generator: np.random.Generator) -> Array:
        w = n + m + 1
        theta = np.zeros((n, width(n, m)))  # peepholes closed: a memory that opens its own gates grows without end
        theta[:, : 4 * w] = generator.normal(size=(n, 4 * w)) / np.sqrt(w)
        theta[:, 2 * w - 1] += 1.0  # forget bias: remember at first
        return theta

    parts = {"peephole": opened if peepholes else closed}
    parts["gates"] = bind(gates, name, **parts)
    of_gates = {"slopes": bind(slopes, name, **parts)}
    return Cell(
        name, equation, source, blocks((DENSE, DIAGONAL), (DENSE, DIAGONAL)), width,
        bind(advance, name, gates=parts["gates"]), bind(linearize, name, PEEPHOLES=peepholes, **of_gates),
        bind(respond, name, **of_gates), init, timed=True,
    )  # fmt: skip


LSTM = _cell(
    "lstm", 0, "c1 = f^dt * c + (1 - f^dt) / (1 - f) * i * g,  h1 = o * tanh(c1)",
    "Gers, Schmidhuber & Cummins, Learning to Forget, Neural Computation 12 (2000), sections 2-3",
)  # fmt: skip
LSTM_PEEPHOLE = _cell(
    "lstm_peephole", 3, "c1 = f^dt * c + (1 - f^dt) / (1 - f) * i * g,  h1 = o * tanh(c1);  i and f see c, o sees c1",
    "Gers, Schraudolph & Schmidhuber, Learning Precise Timing with LSTM Recurrent Networks, JMLR 3 (2002)",
)  # fmt: skip
