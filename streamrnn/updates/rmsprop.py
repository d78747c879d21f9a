"""RMSprop: v ← β v + (1 - β) grad², theta ← theta - rate grad / (√(v / (1 - β^t)) + ε), β = 0.999, ε = 1e-8.

The default for streams: a weight's step does not depend on the size of its gradient, and there is no momentum to lag
behind a change. Source: Tieleman & Hinton (2012), lecture 6.5; bias correction as in Adam.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.memory import matrix, vector
from streamrnn.state import Field
from streamrnn.updates._contract import Update

BETA = 0.999
EPSILON = 1e-8


def fields(n: int, q: int, outputs: int) -> tuple[Field, ...]:
    return Field("update.steps", "ints", (1,)), Field("update.v", "real", (n, q))


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array]:
    return vector(ints, table, first), matrix(real, table, first + 1)


@kernel
def apply(rate: float, grad: Array, memory: tuple[Array, ...], theta: Array) -> None:
    steps, v = memory
    steps[0] += 1
    correction = 1.0 / (1.0 - BETA ** steps[0])
    for i in range(theta.shape[0]):
        for p in range(theta.shape[1]):
            g = grad[i, p]
            v[i, p] = BETA * v[i, p] + (1.0 - BETA) * g * g
            theta[i, p] -= rate * g / (math.sqrt(v[i, p] * correction) + EPSILON)


RMSPROP = Update("rmsprop", "theta <- theta - rate grad / (sqrt(v) + eps), v = EW mean of grad^2, beta 0.999",
                 "Tieleman & Hinton 2012, lecture 6.5; the default: no momentum to lag behind a change",
                 fields, views, apply)  # fmt: skip
