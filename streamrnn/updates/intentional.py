"""Intentional updates: a step takes the part `rate` of an output's error away, and the step size follows from that.

    v = √(mean of H²) + ε        z = Σ H² / v        σ = mean of z
    theta ← theta + rate / max(z, √(σ z), ε) · clipped error · H / v

Means are exponentially weighted, β = 0.999, each output's own, corrected for their start; ε = 1e-8. To first order the
output moves by rate · min(1, √(z/σ)) · error: never more than is asked for. The error is clipped at 20 times its root
mean square (β = 0.9998). A rate of 0.1 suits most streams. Use: as normalised LMS, where gradients vary in size.

Source: Sharifnassab, Elsayed, De Asis, Mahmood & Sutton, Intentional Updates for Streaming Reinforcement Learning
(arXiv 2604.19033, 2026), for given targets. There the step is rate / √(σ z) with σ averaged over the length of the
traces, so that σ = z where there are none, and a gradient near 0 is answered by a boundless step. Here σ has a memory
of its own, which bounds the step, and the maximum keeps a large gradient from overshooting.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.memory import cube, vector
from streamrnn.kernels.scalar import clip
from streamrnn.state import Field
from streamrnn.updates._contract import Update

BETA, BETA_CLIP = 0.999, 0.9998
CLIP = 20.0
EPSILON = 1e-8


def fields(n: int, q: int, outputs: int) -> tuple[Field, ...]:
    return (
        Field("update.steps", "ints", (outputs,)),
        Field("update.error2", "real", (outputs,)),
        Field("update.sigma", "real", (outputs,)),
        Field("update.v2", "real", (outputs, n, q)),
    )


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array, Array, Array]:
    return (
        vector(ints, table, first),
        vector(real, table, first + 1),
        vector(real, table, first + 2),
        cube(real, table, first + 3),
    )


@kernel
def apply(
    rate: float, output: int, first: bool, error: float, H: Array, memory: tuple[Array, ...], theta: Array
) -> None:  # fmt: skip
    steps, error2, sigma, v2 = memory
    steps[output] += 1
    correction = 1.0 / (1.0 - BETA ** steps[output])
    z = 0.0
    for i in range(theta.shape[0]):
        for p in range(theta.shape[1]):
            h2 = H[i, p] * H[i, p]
            v2[output, i, p] = BETA * v2[output, i, p] + (1.0 - BETA) * h2
            z += h2 / (math.sqrt(v2[output, i, p] * correction) + EPSILON)
    sigma[output] = BETA * sigma[output] + (1.0 - BETA) * z
    error2[output] = BETA_CLIP * error2[output] + (1.0 - BETA_CLIP) * error * error
    bound = CLIP * math.sqrt(error2[output] / (1.0 - BETA_CLIP ** steps[output]))
    step = rate * clip(error, bound) / max(z, math.sqrt(sigma[output] * correction * z), EPSILON)
    for i in range(theta.shape[0]):
        for p in range(theta.shape[1]):
            theta[i, p] += step * H[i, p] / (math.sqrt(v2[output, i, p] * correction) + EPSILON)


INTENTIONAL = Update(
    "intentional", "theta <- theta + rate error H / (v max(z, sqrt(sigma z))), z = sum of H^2 / v",
    "Sharifnassab et al., arXiv 2604.19033; the rate is the part of an error that a step takes away",
    fields, views, apply, "innovation", usual=0.1,
)  # fmt: skip
