"""Recursive least squares: direct heads for every horizon and channel that share one covariance.

The gain K of a row depends on its features alone, so it is computed once when the row is seen and kept until the last
of its targets has come; head (h, c) then takes W ← W + K (target - W f), h rows later, with the very gain that it would
have had without the delay. With keep = 1 and no target missing, each head is the ridge regression on the rows whose
targets are known.
Cost: 1.5 F² for the covariance, 2 H C F for the heads. Source: Haykin, Adaptive Filter Theory, ch. 10; kernels.ud.
"""

from __future__ import annotations

from streamrnn._bind import kernel
from streamrnn._types import Array, Floats
from streamrnn.kernels.memory import matrix, vector
from streamrnn.kernels.ud import ud_gain
from streamrnn.readouts._contract import Readout
from streamrnn.state import Field, Named

CAP = 1.0  # of a covariance entry: ten times what it starts from, or a feature that stays still winds it up


def fields(f: int, h: int, c: int, slots: int) -> tuple[Field, ...]:
    return (
        Field("readout.gain", "real", (slots, f)),
        Field("readout.covariance", "real", (f, f)),  # U of P = U diag(d) U'
        Field("readout.variance", "real", (f,)),  # d
    )


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array, Array]:
    return matrix(real, table, first), matrix(real, table, first + 1), vector(real, table, first + 2)


@kernel
def prepare(slot: int, f: Array, keep: float, memory: tuple[Array, ...]) -> None:
    gain, U, d = memory
    ud_gain(0, f, keep, CAP, U, d, gain[slot])


@kernel
def correct(slot: int, h: int, c: int, error: float, f: Array, memory: tuple[Array, ...], w: Array) -> None:
    K = memory[0][slot]
    for i in range(w.shape[0]):
        w[i] += K[i] * error


def start(arena: Named, prior: Floats) -> None:
    arena["readout.variance"][:] = prior


RLS = Readout(
    "rls", "W <- W + K (target - W f), K = P f / (keep + f' P f), P = U diag(d) U'",
    "Haykin, Adaptive Filter Theory, chapter 10; Bierman 1977, section V.3; the default: no rate to choose",
    "1.5 F^2 + 2 H C F a row; F^2 numbers",
    fields, views, prepare, correct, start,
)  # fmt: skip
