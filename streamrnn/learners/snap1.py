"""SnAp-1: RTRL that keeps only the influence of a unit's parameters on that unit. Biased, no variance.

Source: Menick et al., A Practical Sparse Approximation for Real Time Recurrent Learning (ICLR 2021), §3.
"""

from __future__ import annotations

from streamrnn.cells import Cell
from streamrnn.learners._contract import Carry, Learner
from streamrnn.learners.traces import TRACES


def carry_for(cell: Cell) -> Carry:
    return TRACES


SNAP1 = Learner(
    "snap1", "E[i] <- J[i, i] E[i] + D[i], grad[i] = e[i] E[i]",
    "about that of the forward pass; n q numbers kept",
    "Menick et al., A Practical Sparse Approximation for Real Time Recurrent Learning, ICLR 2021, section 3",
    False, True, carry_for,
)  # fmt: skip
