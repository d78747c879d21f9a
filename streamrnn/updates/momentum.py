"""Gradient descent with momentum (heavy ball): v ← β v + grad, theta ← theta - rate v.

In the long run a step is rate / (1 - β) times the gradient. For long, even slopes; it goes on in the old direction for
about 1 / (1 - β) steps after a change. Source: Polyak, Some Methods of Speeding Up the Convergence of Iteration
Methods (1964).
"""

from __future__ import annotations

from functools import cache

from streamrnn._bind import bind, kernel
from streamrnn._options import Option
from streamrnn._types import Array
from streamrnn.kernels.memory import matrix, vector
from streamrnn.state import Field
from streamrnn.updates._contract import Update

BETA = 0.9  # stand-in for the option


def fields(n: int, q: int, outputs: int) -> tuple[Field, ...]:
    return Field("update.steps", "ints", (1,)), Field("update.v", "real", (n, q))


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array]:
    return vector(ints, table, first), matrix(real, table, first + 1)


def apply(rate: float, grad: Array, memory: tuple[Array, ...], theta: Array) -> None:
    steps, v = memory
    steps[0] += 1
    for i in range(theta.shape[0]):
        for p in range(theta.shape[1]):
            v[i, p] = BETA * v[i, p] + grad[i, p]
            theta[i, p] -= rate * v[i, p]


OPTIONS = (Option("beta", 0.9, 0.0, 0.9999, "what a step keeps of the steps before"),)


@cache
def momentum(beta: float = 0.9) -> Update:
    """Heavy ball that keeps `beta` of its velocity."""
    return Update(
        "momentum", "v <- beta v + grad, theta <- theta - rate v",
        "Polyak 1964; for long, even slopes: lags behind drift", fields, views,
        bind(apply, "momentum", BETA=beta), options=OPTIONS, make=momentum, chosen=(("beta", beta),),
    )  # fmt: skip


MOMENTUM = momentum()
