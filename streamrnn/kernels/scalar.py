"""Scalar functions of kernels. Cells use these and no others: testing.oracles has a complex twin of each."""

from __future__ import annotations

import math

from streamrnn._bind import kernel


@kernel
def tanh(a: float) -> float:
    """tanh a, to the precision of the C library."""
    return math.tanh(a)


@kernel
def sigmoid(a: float) -> float:
    """1 / (1 + e^-a), by tanh: no overflow for any a."""
    return 0.5 * (1.0 + math.tanh(0.5 * a))


@kernel
def relu(a: float) -> float:
    """max(a, 0)."""
    return a if a > 0.0 else 0.0 * a


@kernel
def tanh_slope(y: float) -> float:
    """d tanh(a)/da, given y = tanh(a)."""
    return 1.0 - y * y


@kernel
def relu_slope(y: float) -> float:
    """d relu(a)/da, given y = relu(a); 0 at the kink."""
    return 1.0 if y > 0.0 else 0.0


@kernel
def clip(a: float, bound: float) -> float:
    """a, brought into [-bound, bound]. NaN stays NaN."""
    if a > bound:
        return bound
    if a < -bound:
        return -bound
    return a


@kernel
def power(z: float, dt: float) -> float:
    """z^dt for 0 ≤ z ≤ 1: what a gate that keeps z of the state in one step keeps in dt steps."""
    if dt == 1.0:
        return z
    return z**dt


@kernel
def held(a: float, dt: float) -> float:
    """(1 - f^dt) / (1 - f) for f = σ(a): what an input of 1 a step adds up to in dt steps of a memory that keeps f.

    Tends to dt where f tends to 1; f itself would round to 1 there.
    """
    if dt == 1.0:
        return 1.0
    if a > 36.0:
        return dt
    if a < -36.0:
        return 1.0 - sigmoid(a) ** dt
    decay = math.log1p(math.exp(-a))
    return math.expm1(-dt * decay) / math.expm1(-decay)


@kernel
def expm1(a: float) -> float:
    """e^a - 1, without cancellation near 0."""
    return math.expm1(a)


@kernel
def exp(a: float) -> float:
    """e^a for a up to 600, then e^600 = 4e260: finite, and so is a product with any number up to 1e47."""
    if a > 600.0:
        return math.exp(600.0)
    return math.exp(1.0 * a)  # in float64, whatever a is
