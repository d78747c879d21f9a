"""AdaGrad: G ← G + grad², theta ← theta - rate grad / (√G + ε), ε = 1e-8.

For streams that stay as they are: a weight's steps shrink as 1/√steps, which averages noise away, and after a change
they do not grow again. Source: Duchi, Hazan & Singer, Adaptive Subgradient Methods for Online Learning and Stochastic
Optimization (JMLR 12, 2011), with a diagonal matrix.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.memory import matrix, vector
from streamrnn.state import Field
from streamrnn.updates._contract import Update

EPSILON = 1e-8


def fields(n: int, q: int, outputs: int) -> tuple[Field, ...]:
    return Field("update.steps", "ints", (1,)), Field("update.G", "real", (n, q))


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array]:
    return vector(ints, table, first), matrix(real, table, first + 1)


@kernel
def apply(rate: float, grad: Array, memory: tuple[Array, ...], theta: Array) -> None:
    steps, G = memory
    steps[0] += 1
    for i in range(theta.shape[0]):
        for p in range(theta.shape[1]):
            g = grad[i, p]
            G[i, p] += g * g
            theta[i, p] -= rate * g / (math.sqrt(G[i, p]) + EPSILON)


ADAGRAD = Update("adagrad", "theta <- theta - rate grad / (sqrt(G) + eps), G = sum of grad^2",
                 "Duchi, Hazan & Singer, JMLR 12 (2011); for streams without drift: its steps die out",
                 fields, views, apply, usual=0.1)  # fmt: skip
