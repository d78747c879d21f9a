"""Each of our cells written a second time, in matrix form, as the paper has it: what `advance` is held against."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streamrnn._types import Array


def sigmoid(a: Array) -> Array:
    """1 / (1 + e^-a)."""
    return np.asarray(1.0 / (1.0 + np.exp(-a)))


def elman(theta: Array, x: Array, dt: float, s: Array) -> Array:
    n, m = s.shape[1], len(x)
    return np.tanh(theta[:, :n] @ s[0] + theta[:, n : n + m] @ x + theta[:, -1])[None]


def elman_relu(theta: Array, x: Array, dt: float, s: Array) -> Array:
    n, m = s.shape[1], len(x)
    return np.maximum(theta[:, :n] @ s[0] + theta[:, n : n + m] @ x + theta[:, -1], 0.0)[None]


def elman_bank(theta: Array, x: Array, dt: float, s: Array) -> Array:
    n, block = s.shape[1], theta.shape[1] - len(x) - 1
    W = np.zeros((n, n))
    for i in range(n):
        start = i // block * block
        W[i, start : start + block] = theta[i, :block]
    return np.tanh(W @ s[0] + theta[:, block:-1] @ x + theta[:, -1])[None]


def elman_ring(theta: Array, x: Array, dt: float, s: Array) -> Array:
    d = theta.shape[1] - len(x) - 1
    heard = sum(theta[:, j] * np.roll(s[0], j) for j in range(d))
    return np.tanh(heard + theta[:, d:-1] @ x + theta[:, -1])[None]


def gru(theta: Array, x: Array, dt: float, s: Array) -> Array:
    n, w = s.shape[1], s.shape[1] + len(x) + 1
    hx1, x1 = np.concatenate([s[0], x, [1.0]]), np.concatenate([x, [1.0]])
    r, z = sigmoid(theta[:, :w] @ hx1), sigmoid(theta[:, w : 2 * w] @ hx1)
    candidate = theta[:, 2 * w : 2 * w + n] @ s[0] + theta[:, 3 * w]
    c = np.tanh(r * candidate + theta[:, 2 * w + n : 3 * w] @ x1)
    keep = z**dt
    return ((1.0 - keep) * c + keep * s[0])[None]


def lstm(theta: Array, x: Array, dt: float, s: Array) -> Array:
    closed = np.zeros((len(theta), 3))
    return lstm_peephole(np.hstack([theta, closed]), x, dt, s)


def leaky(theta: Array, x: Array, dt: float, s: Array) -> Array:
    n, w = s.shape[1], theta[:, -1]
    a = theta[:, :n] @ s[0] + theta[:, n:-2] @ x + theta[:, -2]
    keep = np.exp(-dt / np.exp(w))
    return np.array([keep * s[0] + (1.0 - keep) * np.tanh(a)])


reservoir = leaky


def lstm_peephole(theta: Array, x: Array, dt: float, s: Array) -> Array:
    n, w = s.shape[1], s.shape[1] + len(x) + 1
    h, c = s
    i, f, g, o = (theta[:, : 4 * w].reshape(n, 4, w) @ np.concatenate([h, x, [1.0]])).T
    peep_i, peep_f, peep_o = theta[:, 4 * w :].T
    forget = sigmoid(f + peep_f * c)
    flow = sigmoid(i + peep_i * c) * np.tanh(g)
    c1 = forget**dt * c + (1.0 - forget**dt) / (1.0 - forget) * flow
    return np.array([sigmoid(o + peep_o * c1) * np.tanh(c1), c1])


def mgu(theta: Array, x: Array, dt: float, s: Array) -> Array:
    n, w = s.shape[1], s.shape[1] + len(x) + 1
    f = sigmoid(theta[:, :w] @ np.concatenate([s[0], x, [1.0]]))
    reset = f * (theta[:, w : w + n] @ s[0] + theta[:, -1])
    c = np.tanh(reset + theta[:, w + n : 2 * w] @ np.concatenate([x, [1.0]]))
    keep = (1.0 - f) ** dt
    return np.array([keep * s[0] + (1.0 - keep) * c])


def second_order(theta: Array, x: Array, dt: float, s: Array) -> Array:
    z = np.outer(np.concatenate([s[0], [1.0]]), np.concatenate([x, [1.0]]))
    return np.array([np.tanh(theta @ z.ravel())])


def jordan(theta: Array, x: Array, dt: float, s: Array) -> Array:
    y = np.tanh(s[1].sum())
    h = np.tanh(theta[:, :-1] @ np.concatenate([[y], x, [1.0]]))
    return np.array([h, theta[:, -1] * h])


def jordan_forced(theta: Array, x: Array, dt: float, s: Array) -> Array:
    return np.array([np.tanh(theta @ np.concatenate([x[-1:], x[:-1], [1.0]]))])


def elstm(theta: Array, x: Array, dt: float, s: Array) -> Array:
    m = len(x)
    f_row, z_row = theta[:, : m + 2], theta[:, m + 2 : 2 * (m + 2)]
    keep = sigmoid(f_row[:, :m] @ x + f_row[:, m] * s[0] + f_row[:, m + 1]) ** dt
    z = np.tanh(z_row[:, :m] @ x + z_row[:, m] * s[0] + z_row[:, m + 1])
    return np.array([keep * s[0] + (1.0 - keep) * z])


def indrnn(theta: Array, x: Array, dt: float, s: Array) -> Array:
    m, bound = len(x), 2.0 ** (1.0 / 1000)
    u = bound * np.tanh(theta[:, 0] / bound)
    return np.array([np.tanh(u * s[0] + theta[:, 1 : m + 1] @ x + theta[:, m + 1])])


def lru(theta: Array, x: Array, dt: float, s: Array) -> Array:
    x1 = np.append(x, 1.0)
    w = len(x1)
    mu = -np.exp(theta[:, 0]) + 1j * np.exp(theta[:, 1])
    V = theta[:, 3 : 3 + w] + 1j * theta[:, 3 + w : 3 + 2 * w]
    gain = np.exp(theta[:, 2]) * (np.exp(mu * dt) - 1.0) / (np.exp(mu) - 1.0)
    new = np.exp(mu * dt) * (s[0] + 1j * s[1]) + gain * (V @ x1)
    return np.array([new.real, new.imag])


def rtu(theta: Array, x: Array, dt: float, s: Array) -> Array:
    x1 = np.append(x, 1.0)
    w = len(x1)
    mu = -np.exp(theta[:, 0]) + 1j * np.exp(theta[:, 1])
    lam = np.exp(mu)
    gain = np.sqrt(1.0 - np.abs(lam) ** 2) * (np.exp(mu * dt) - 1.0) / (lam - 1.0)
    V = theta[:, 2 : 2 + w] + 1j * theta[:, 2 + w : 2 + 2 * w]
    a = np.exp(mu * dt) * (s[0] + 1j * s[1]) + gain * (V @ x1)
    return np.array([np.tanh(a.real), np.tanh(a.imag)])


def mingru(theta: Array, x: Array, dt: float, s: Array) -> Array:
    x1 = np.append(x, 1.0)
    w = len(x1)
    keep = (1.0 - sigmoid(theta[:, :w] @ x1)) ** dt
    return np.array([keep * s[0] + (1.0 - keep) * (theta[:, w : 2 * w] @ x1)])


def iir(theta: Array, x: Array, dt: float, s: Array) -> Array:
    n, m, radius = len(theta), len(x), 2.0 ** (-1.0 / 1000)
    b0, b1, p1, p2 = np.moveaxis(theta[:, : 4 * m].reshape(n, m, 4), 2, 0)
    y, before, x_before = np.moveaxis(s[1 : 1 + 3 * m].reshape(m, 3, n), (1, 2), (0, 1))
    a2 = radius**2 * np.tanh(p2)
    a1 = radius * (1.0 - np.tanh(p2)) * np.tanh(p1)
    new = b0 * x + b1 * x_before + a1 * y + a2 * before
    kept = np.stack([new, y, np.broadcast_to(x, (n, m))])  # (3, n, m)
    return np.concatenate([np.tanh(new.sum(1) + theta[:, 4 * m])[None], kept.transpose(2, 0, 1).reshape(3 * m, n)])


STEPS: dict[str, Callable[[Array, Array, float, Array], Array]] = {
    "elman": elman, "elman_relu": elman_relu, "elman_bank": elman_bank, "elman_ring": elman_ring,
    "indrnn": indrnn, "gru": gru, "lstm": lstm, "leaky": leaky, "reservoir": reservoir,
    "lstm_peephole": lstm_peephole, "mgu": mgu, "second_order": second_order, "jordan": jordan,
    "jordan_forced": jordan_forced, "elstm": elstm, "lru": lru, "rtu": rtu, "mingru": mingru, "iir": iir,
}  # fmt: skip
"""Name → (theta, x, dt, s) → s1."""
