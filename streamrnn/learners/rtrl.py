"""Real-time recurrent learning: P ← J P + D, grad = Pᵀ e. Exact for frozen weights.

Cost: dense blocks of J take n³ q multiply-adds each; k n² q numbers kept. Where the cell's structure allows, the same
gradient is kept smaller: traces (diagonal blocks), sums (uniform blocks), a pattern (units that hear few others).
Source: Williams & Zipser, A Learning Algorithm for Continually Running Fully Recurrent Neural Networks (1989), §2.
"""

from __future__ import annotations

from streamrnn.cells import DIAGONAL, UNIFORM, Cell
from streamrnn.learners._contract import Carry, Learner, always
from streamrnn.learners.dense import dense
from streamrnn.learners.snap import hears, linked
from streamrnn.learners.stacked import joint
from streamrnn.learners.sums import sums
from streamrnn.learners.traces import traces


def smallest(cell: Cell, n: int, m: int) -> Carry:
    """The influence in the smallest form that is still all of it."""
    if cell.only(m, DIAGONAL):
        return traces(cell, n, m)
    if cell.only(m, UNIFORM):
        return sums(cell, n, m)
    if not hears(cell, n, m).all():
        return linked(cell, n, m)
    return dense(cell, n, m)


RTRL = Learner(
    "rtrl", "P <- J P + D, grad = P' e",
    "n^3 q a step and n^2 q numbers kept (dense cell); n q and n q (diagonal cell, or one output fed back)",
    "Williams & Zipser, Neural Computation 1 (1989), section 2",
    smallest, always, stack=joint, stack_exact=True,
)  # fmt: skip
