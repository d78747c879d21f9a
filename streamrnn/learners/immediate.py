"""Immediate derivatives: grad[i] = Σ_a e[a, i] D[a, i]; no credit through time at all. The ablation for every other.

Equal to truncated BPTT with a window of 1. Cost: that of the forward pass.
"""

from __future__ import annotations

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells import Cell
from streamrnn.learners._blocks import first_two, local_fields, open_two, own
from streamrnn.learners._contract import Carry, Learner, without_recurrence


@kernel
def propagate(structure: Array, carry: tuple[Array, ...]) -> None:
    """Nothing is carried."""


@kernel
def credit(structure: Array, e: Array, carry: tuple[Array, ...], grad: Array) -> bool:
    own(e, carry[1], grad)
    return True


def immediate(cell: Cell, n: int, m: int) -> Carry:
    """The carry for this cell."""
    k, q = cell.states(m), cell.width(n, m)
    fields = local_fields(cell, n, m)
    return Carry(fields, open_two, first_two, propagate, credit, float(k * n * q))


IMMEDIATE = Learner(
    "immediate", "grad[i] = e[i] D[i]", "that of the forward pass; nothing kept",
    "the zeroth-order term of Williams & Zipser, Neural Computation 1 (1989)",
    immediate, without_recurrence,
)  # fmt: skip
