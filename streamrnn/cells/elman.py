"""Elman cell: s1 = φ(W s + V x + b), φ = tanh or relu.

theta[i] = [W_i (n) | V_i (m) | b_i], q = n + m + 1.
Source: Elman, Finding Structure in Time (Cognitive Science 1990), §2; relu start: Le, Jaitly & Hinton (2015).
"""

from __future__ import annotations

import numpy as np

from streamrnn._bind import bind
from streamrnn._types import Array
from streamrnn.cells._contract import DENSE, Cell
from streamrnn.kernels.scalar import relu, relu_slope, tanh, tanh_slope


def width(n: int, m: int) -> int:
    return n + m + 1


def phi(a: float) -> float:
    """Stand-in for the activation."""
    raise TypeError("unbound")


def slope(y: float) -> float:
    """Stand-in for φ' as a function of φ."""
    raise TypeError("unbound")


def advance(theta: Array, x: Array, s: Array, s1: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        a = theta[i, n + m]
        for j in range(n):
            a += theta[i, j] * s[0, j]
        for j in range(m):
            a += theta[i, n + j] * x[j]
        s1[0, i] = phi(a)


def linearize(theta: Array, x: Array, s: Array, s1: Array, J: Array, D: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    for i in range(n):
        g = slope(s1[0, i])
        for j in range(n):
            J[i, j] = g * theta[i, j]
            D[0, i, j] = g * s[0, j]
        for j in range(m):
            D[0, i, n + j] = g * x[j]
        D[0, i, n + m] = g


def init(n: int, m: int, generator: np.random.Generator) -> Array:
    q = width(n, m)
    return generator.normal(size=(n, q)) / np.sqrt(q)


def init_relu(n: int, m: int, generator: np.random.Generator) -> Array:
    theta = init(n, m, generator)
    theta[:, :n] = 0.5 * np.eye(n)  # a fading identity: relu with a random matrix grows without bound or dies
    return theta


SOURCE = "Elman, Finding Structure in Time, Cognitive Science 14 (1990), section 2"
ELMAN = Cell(
    "elman", "s1 = tanh(W s + V x + b)", SOURCE, 1, ((DENSE,),), width,
    bind(advance, "elman", phi=tanh), bind(linearize, "elman", slope=tanh_slope), init,
)  # fmt: skip
ELMAN_RELU = Cell(
    "elman_relu", "s1 = max(0, W s + V x + b)", SOURCE, 1, ((DENSE,),), width,
    bind(advance, "elman_relu", phi=relu), bind(linearize, "elman_relu", slope=relu_slope), init_relu,
)  # fmt: skip
