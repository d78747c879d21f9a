"""Elman cell: s1 = φ(W s + V x + b), φ = tanh or relu; dense, as a bank of dense blocks, or as a ring.

theta[i] = [W_i (d) | V_i (m) | b_i], q = d + m + 1: unit i hears d units, and W_ij is the weight of the j-th of them.

    elman         d = n, all units
    elman_bank    d = block, the units of i's own block: n = B · block, B nets side by side
    elman_ring    d = hears, the units i, i-1, … i-d+1 (mod n): sparse, yet every unit reaches every other in time

Source: Elman, Finding Structure in Time (Cognitive Science 1990), §2; relu start: Le, Jaitly & Hinton (2015). A bank of
blocks generalises the columns of Javed et al. (2023, arXiv 2302.05326), which are blocks of 1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from streamrnn._bind import bind, kernel
from streamrnn._options import Option
from streamrnn._types import Array, Bools
from streamrnn.cells._contract import DENSE, Cell, blocks
from streamrnn.kernels.scalar import relu, relu_slope, tanh, tanh_slope

HEARS = 1 << 30  # stand-in for the most units that one hears


def phi(a: float) -> float:
    """Stand-in for the activation."""
    raise TypeError("unbound")


def slope(y: float) -> float:
    """Stand-in for φ' as a function of φ."""
    raise TypeError("unbound")


def heard(i: int, j: int, d: int, n: int) -> int:
    """Stand-in for the j-th unit that unit i hears, of d."""
    raise TypeError("unbound")


def recall(row: Array, s: Array, i: int, d: int) -> float:
    """Stand-in for what unit i hears of s: Σ_j row[j] s[0, the j-th unit that it hears]."""
    raise TypeError("unbound")


def recall_some(row: Array, s: Array, i: int, d: int) -> float:
    a = 0.0
    for j in range(d):
        a += row[j] * s[0, heard(i, j, d, s.shape[1])]
    return a


@kernel(reassociate=True)
def recall_all(row: Array, s: Array, i: int, d: int) -> float:
    a = 0.0
    for j in range(d):
        a += row[j] * s[0, j]
    return a


@kernel
def of_all(i: int, j: int, d: int, n: int) -> int:
    return j


@kernel
def of_block(i: int, j: int, d: int, n: int) -> int:
    return i // d * d + j


@kernel
def of_ring(i: int, j: int, d: int, n: int) -> int:
    return (i - j + n) % n


def advance(theta: Array, x: Array, dt: float, s: Array, s1: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    d = min(n, HEARS)
    for i in range(n):
        a = theta[i, d + m] + recall(theta[i], s, i, d)
        for j in range(m):
            a += theta[i, d + j] * x[j]
        s1[0, i] = phi(a)


def linearize(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array, D: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    d = min(n, HEARS)
    for i in range(n):
        g = slope(s1[0, i])
        for j in range(d):
            h = heard(i, j, d, n)
            J[i, h] = g * theta[i, j]
            D[0, i, j] = g * s[0, h]
        for j in range(m):
            D[0, i, d + j] = g * x[j]
        D[0, i, d + m] = g


def respond(theta: Array, x: Array, dt: float, s: Array, s1: Array, B: Array) -> None:
    n, m = s.shape[1], x.shape[0]
    d = min(n, HEARS)
    for i in range(n):
        g = slope(s1[0, i])
        for j in range(m):
            B[i, j] = g * theta[i, d + j]


SOURCE = "Elman, Finding Structure in Time, Cognitive Science 14 (1990), section 2"


def width(n: int, m: int) -> int:
    return n + m + 1


def init(n: int, m: int, generator: np.random.Generator) -> Array:
    q = width(n, m)
    return generator.normal(size=(n, q)) / np.sqrt(q)


def init_relu(n: int, m: int, generator: np.random.Generator) -> Array:
    theta = init(n, m, generator)
    theta[:, :n] = 0.5 * np.eye(n)  # a fading identity: relu with a random matrix grows without bound or dies
    return theta


ELMAN = Cell(
    "elman", "s1 = tanh(W s + V x + b)", SOURCE, blocks((DENSE,)), width,
    bind(advance, "elman", phi=tanh, recall=recall_all),
    bind(linearize, "elman", slope=tanh_slope, heard=of_all),
    bind(respond, "elman", slope=tanh_slope), init, shared=True,
)  # fmt: skip
ELMAN_RELU = Cell(
    "elman_relu", "s1 = max(0, W s + V x + b)", SOURCE, blocks((DENSE,)), width,
    bind(advance, "elman_relu", phi=relu, recall=recall_all),
    bind(linearize, "elman_relu", slope=relu_slope, heard=of_all),
    bind(respond, "elman_relu", slope=relu_slope), init_relu, shared=True,
)  # fmt: skip


def _partly(
    name: str, equation: str, d: int, which: Callable[..., int], links: Callable[[int], Bools], **more: Any
) -> Cell:
    """A cell whose units hear at most d others each."""

    def width(n: int, m: int) -> int:
        return min(n, d) + m + 1

    def start(n: int, m: int, generator: np.random.Generator) -> Array:
        q = width(n, m)
        return generator.normal(size=(n, q)) / np.sqrt(q)

    owner = f"{name}_{d}"
    return Cell(
        name, equation, SOURCE, blocks((DENSE,)), width,
        bind(advance, owner, phi=tanh, recall=bind(recall_some, owner, heard=which), HEARS=d),
        bind(linearize, owner, slope=tanh_slope, heard=which, HEARS=d),
        bind(respond, owner, slope=tanh_slope, HEARS=d), start, links=links, **more,
    )  # fmt: skip


@cache
def bank(block: int = 8) -> Cell:
    """Blocks of `block` units that hear only each other; n must be a multiple of it, or no more than one block."""

    def links(n: int) -> Bools:
        return np.kron(np.eye(-(-n // block), dtype=bool), np.ones((min(n, block),) * 2, bool))

    return _partly(
        "elman_bank", "s1 = tanh(W s + V x + b), W block-diagonal", block, of_block, links, multiple=block,
        options=(Option("block", 8, 1, 256, "units of a block"),), make=bank, chosen=(("block", block),),
    )  # fmt: skip


@cache
def ring(hears: int = 2) -> Cell:
    """Unit i hears itself and the hears - 1 units before it."""

    def links(n: int) -> Bools:
        heard_by = np.zeros((n, n), bool)
        for j in range(min(n, hears)):
            heard_by[np.arange(n), (np.arange(n) - j) % n] = True
        return heard_by

    return _partly(
        "elman_ring", "s1 = tanh(W s + V x + b), W banded around a ring", hears, of_ring, links, make=ring,
        options=(Option("hears", 2, 1, 256, "units that one unit hears, itself among them"),),
        chosen=(("hears", hears),),
    )  # fmt: skip


ELMAN_BANK = bank()
ELMAN_RING = ring()
