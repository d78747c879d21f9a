"""Stochastic gradient descent: theta ← theta - rate grad. For checks and for gradients of known size."""

from __future__ import annotations

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.memory import vector
from streamrnn.state import Field
from streamrnn.updates._contract import Update


def fields(n: int, q: int, outputs: int) -> tuple[Field, ...]:
    return (Field("update.steps", "ints", (1,)),)


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array]:
    return (vector(ints, table, first),)


@kernel
def apply(rate: float, grad: Array, memory: tuple[Array, ...], theta: Array) -> None:
    memory[0][0] += 1
    for i in range(theta.shape[0]):
        for p in range(theta.shape[1]):
            theta[i, p] -= rate * grad[i, p]


SGD = Update("sgd", "theta <- theta - rate grad", "Robbins & Monro 1951; the rate must suit the gradient's size",
             fields, views, apply, usual=1e-2)  # fmt: skip
