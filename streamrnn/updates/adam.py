"""Adam: RMSprop with momentum, β1 = 0.9, β2 = 0.999, ε = 1e-8. Its momentum smooths noise and lags behind drift.

Source: Kingma & Ba, Adam (ICLR 2015), algorithm 1.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.memory import matrix, vector
from streamrnn.state import Field
from streamrnn.updates._contract import Update

BETA1, BETA2 = 0.9, 0.999
EPSILON = 1e-8


def fields(n: int, q: int, outputs: int) -> tuple[Field, ...]:
    return (
        Field("update.steps", "ints", (1,)),
        Field("update.momentum", "real", (n, q)),
        Field("update.v", "real", (n, q)),
    )


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array, Array]:
    return vector(ints, table, first), matrix(real, table, first + 1), matrix(real, table, first + 2)


@kernel
def apply(rate: float, grad: Array, memory: tuple[Array, ...], theta: Array) -> None:
    steps, momentum, v = memory
    steps[0] += 1
    correct1 = 1.0 / (1.0 - BETA1 ** steps[0])
    correct2 = 1.0 / (1.0 - BETA2 ** steps[0])
    for i in range(theta.shape[0]):
        for p in range(theta.shape[1]):
            g = grad[i, p]
            momentum[i, p] = BETA1 * momentum[i, p] + (1.0 - BETA1) * g
            v[i, p] = BETA2 * v[i, p] + (1.0 - BETA2) * g * g
            theta[i, p] -= rate * (momentum[i, p] * correct1) / (math.sqrt(v[i, p] * correct2) + EPSILON)


ADAM = Update("adam", "theta <- theta - rate m / (sqrt(v) + eps), beta 0.9 and 0.999",
              "Kingma & Ba, ICLR 2015, algorithm 1; smooths noise, lags behind drift",
              fields, views, apply)  # fmt: skip
