"""Frozen: the recurrent weights stay as they start; the readout alone learns (an echo state network).

Cost: nothing beyond the forward pass, nothing kept.
Source: Jaeger, The "Echo State" Approach to Analysing and Training Recurrent Neural Networks (GMD Report 148, 2001).
"""

from __future__ import annotations

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells import Cell
from streamrnn.learners._blocks import first_two, open_two
from streamrnn.learners._contract import Carry, Learner
from streamrnn.learners.immediate import propagate
from streamrnn.state import Field


@kernel
def credit(structure: Array, e: Array, carry: tuple[Array, ...], grad: Array) -> bool:
    for i in range(grad.shape[0]):
        for p in range(grad.shape[1]):
            grad[i, p] = 0.0
    return False


def nothing(cell: Cell, n: int, m: int) -> Carry:
    """The carry for this cell: no derivatives, which are never asked for."""
    fields = (Field("learner.J", "real", (1, 1)), Field("learner.D", "real", (1, 1, 1)))
    return Carry(fields, open_two, first_two, propagate, credit, 0.0)


def never(cell: Cell, n: int, m: int) -> bool:
    """There is no gradient."""
    return False


FROZEN = Learner(
    "frozen", "grad = 0", "that of the forward pass; nothing kept",
    "Jaeger, The Echo State Approach to Analysing and Training Recurrent Neural Networks, GMD Report 148 (2001)",
    nothing, never, learns=False,
)  # fmt: skip
