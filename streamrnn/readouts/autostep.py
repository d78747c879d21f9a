"""Autostep: IDBD whose step sizes are learned at a rate that does not depend on the size of targets and features.

    v_i ← max(|g_i|, v_i + α_i f_i² (|g_i| - v_i) / tau),  g_i = error f_i h_i        α_i ← α_i exp(meta g_i / v_i)
    α ← α / max(Σ α_i f_i², 1)        w_i ← w_i + α_i error f_i        h_i ← h_i (1 - α_i f_i²) + α_i error f_i

h is how w has lately been moved: where a step agrees with those before, α grows; features that only add noise lose
theirs. v is a slowly falling maximum, so that α changes by a factor of e^meta at most; Σ α f² ≤ 1, so that no step goes
past its target. Use: many features (above 200, say), where the covariance of `rls` is too dear; nothing to tune.

Each head (h, c) has α, h and v of its own. The α of a head sum to `initial` at the start, in proportion to the prior
variances, and what falls below 1e-6 is put back there, so that none dies for good: these two are ours.
Cost: 12 H C F a row, 3 H C F numbers.
Source: Mahmood, Sutton, Degris & Pilarski, Tuning-free Step-size Adaptation (ICASSP 2012), table 1.
"""

from __future__ import annotations

import math
from functools import cache

from streamrnn._bind import bind, kernel
from streamrnn._options import Option
from streamrnn._types import Array, Floats
from streamrnn.kernels.memory import cube
from streamrnn.readouts._contract import Readout
from streamrnn.state import Field, Named

META, TAU = 0.01, 1e4  # stand-ins for the options
LEAST = 1e-6


def fields(f: int, h: int, c: int, slots: int) -> tuple[Field, ...]:
    return tuple(Field(f"readout.{name}", "real", (h, c, f)) for name in ("alpha", "trace", "size"))


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array, Array]:
    return cube(real, table, first), cube(real, table, first + 1), cube(real, table, first + 2)


@kernel
def prepare(slot: int, f: Array, keep: float, memory: tuple[Array, ...]) -> None:
    """Nothing is to be known of a row before its targets."""


def correct(slot: int, h: int, c: int, error: float, f: Array, memory: tuple[Array, ...], w: Array) -> None:
    alpha, trace, v = memory[0][h, c], memory[1][h, c], memory[2][h, c]
    total = 0.0
    for i in range(w.shape[0]):
        g, f2 = error * f[i] * trace[i], f[i] * f[i]
        v[i] = max(abs(g), v[i] + alpha[i] * f2 * (abs(g) - v[i]) / TAU)
        if v[i] > 0.0:
            alpha[i] = max(alpha[i] * math.exp(META * g / v[i]), LEAST)
        total += alpha[i] * f2
    shrink = 1.0 / max(total, 1.0)
    for i in range(w.shape[0]):
        alpha[i] *= shrink
        step = alpha[i] * error * f[i]
        w[i] += step
        trace[i] = trace[i] * (1.0 - alpha[i] * f[i] * f[i]) + step


OPTIONS = (
    Option("meta", 0.01, 0.0, 1.0, "rate at which step sizes are learned"),
    Option("tau", 1e4, 1.0, 1e9, "steps of full size in which the maximum v falls by 1/e"),
    Option("initial", 0.1, 1e-6, 1.0, "sum of a head's step sizes at the start"),
)


@cache
def autostep(meta: float = 0.01, tau: float = 1e4, initial: float = 0.1) -> Readout:
    """Autostep with this rate for the step sizes, memory of their maxima, and sum to start from."""

    def start(arena: Named, prior: Floats) -> None:
        arena["readout.alpha"][:] = initial * prior / prior.sum()

    return Readout(
        "autostep", "w_i <- w_i + a_i error f_i, a_i <- a_i exp(meta g_i / v_i), g_i = error f_i h_i, sum a f^2 <= 1",
        "Mahmood et al., Tuning-free Step-size Adaptation, ICASSP 2012, table 1; for many features, nothing to tune",
        "12 H C F a row; 3 H C F numbers",
        fields, views, prepare, bind(correct, "autostep", META=meta, TAU=tau), start,
        options=OPTIONS, make=autostep, chosen=(("meta", meta), ("tau", tau), ("initial", initial)),
    )  # fmt: skip


AUTOSTEP = autostep()
