"""Overshooting-bounded gradient descent: the step shrinks where it could carry an output past its target.

    M = κ rate max(|error|, 1) ‖H‖₁        theta ← theta + rate / max(M, 1) · error H

A step moves the output by rate ‖H‖₂² / max(M, 1) times its error, which is less than the error where no entry of H
exceeds κ max(|error|, 1); a linear output then cannot overshoot, whatever the rate. Rates of 0.1 and 1 are usual, and
above some size the rate has no effect. For streams on which no rate is known to be safe. Outputs follow one another.

Source: Elsayed, Vasan & Mahmood, Streaming Deep Reinforcement Learning Finally Works (arXiv 2410.14606, 2024); here for
given targets: no traces, γ λ = 0.
"""

from __future__ import annotations

from functools import cache

from streamrnn._bind import bind, kernel
from streamrnn._options import Option
from streamrnn._types import Array
from streamrnn.kernels.memory import vector
from streamrnn.state import Field
from streamrnn.updates._contract import Update

KAPPA = 2.0  # stand-in for the option


def fields(n: int, q: int, outputs: int) -> tuple[Field, ...]:
    return (Field("update.steps", "ints", (1,)),)


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array]:
    return (vector(ints, table, first),)


def apply(
    rate: float, output: int, first: bool, error: float, H: Array, memory: tuple[Array, ...], theta: Array
) -> None:  # fmt: skip
    memory[0][0] += 1
    size = 0.0
    for i in range(theta.shape[0]):
        for p in range(theta.shape[1]):
            size += abs(H[i, p])
    step = rate / max(KAPPA * rate * max(abs(error), 1.0) * size, 1.0)
    for i in range(theta.shape[0]):
        for p in range(theta.shape[1]):
            theta[i, p] += step * error * H[i, p]


OPTIONS = (Option("kappa", 2.0, 1.0, 100.0, "how far below the bound on overshooting a step stays"),)


@cache
def obgd(kappa: float = 2.0) -> Update:
    """ObGD whose steps stay `kappa` times below the bound."""
    return Update(
        "obgd", "theta <- theta + rate / max(M, 1) error H, M = kappa rate max(|error|, 1) |H|_1",
        "Elsayed, Vasan & Mahmood, arXiv 2410.14606; where no rate is known to be safe", fields, views,
        bind(apply, "obgd", KAPPA=kappa), "innovation", usual=1.0, options=OPTIONS, make=obgd,
        chosen=(("kappa", kappa),),
    )  # fmt: skip


OBGD = obgd()
