"""e-prop and RFLO: SnAp-1 without the recurrent weights. Traces pass only through what a unit keeps by itself.

    E[a, i] ← Σ_b L[(a, i), (b, i)] E[b, i] + D[a, i]            grad[i] = Σ_a e[a, i] E[a, i]

L is J where blocks are diagonal (the memory of an LSTM). Of a dense block it is the cell's leak alone (that of a leaky
unit, the carry of a GRU), without the unit's weight on itself; of a uniform block nothing. Both learners are variants
of SnAp-1, and cost as much: e-prop takes errors through the readout's weights, RFLO through fixed random ones. For a
cell of dense blocks without a leak (elman) both are immediate derivatives; for a cell of diagonal blocks alone the
traces are exact.
Cost: k² n q multiply-adds, k n q numbers.
Source: Bellec et al., A Solution to the Learning Dilemma for Recurrent Networks of Spiking Neurons (Nature
Communications 2020), equations 3-5 and 14; Murray, Local Online Learning in Recurrent Networks with Random Feedback
(eLife 2019), equations 3-6.
"""

from __future__ import annotations

from collections.abc import Callable

from streamrnn._bind import bind, kernel
from streamrnn._types import Array
from streamrnn.cells import DENSE, DIAGONAL, Cell
from streamrnn.cells._contract import linearize
from streamrnn.learners._blocks import columns, first_two
from streamrnn.learners._contract import Carry, Learner, on_diagonal
from streamrnn.learners.traces import credit, views
from streamrnn.state import Field


def leak(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array) -> None:
    """Stand-in for a cell's `leak`."""
    raise TypeError("unbound")


def derive(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array, D: Array) -> None:
    """Here J is (2 k n, k w): above the cell's own J, below what leaks through the diagonals of its dense blocks."""
    linearize(theta, x, dt, s, s1, J, D)
    n, size = s.shape[1], J.shape[0] // 2
    if J.shape[1] < size:
        return  # no dense block
    leaks = J[size:]
    for r in range(size):
        for c in range(r % n, size, n):
            leaks[r, c] = 0.0
    leak(theta, x, dt, s, s1, leaks)


@kernel
def propagate(structure: Array, carry: tuple[Array, ...]) -> None:
    J, D, E, E1 = carry
    k, n, q = D.shape
    w = J.shape[1] // k
    for i in range(n):
        for a in range(k):
            for p in range(q):
                E1[a, p] = D[a, i, p]
            for b in range(k):
                if structure[a, b] == DIAGONAL or structure[a, b] == DENSE:
                    above = 0 if structure[a, b] == DIAGONAL else k * n
                    own = J[above + a * n + i, b * w + i % w]
                    for p in range(q):
                        E1[a, p] += own * E[b, i, p]
        for a in range(k):
            for p in range(q):
                E[a, i, p] = E1[a, p]


def leaking(cell: Cell, n: int, m: int) -> Carry:
    """The carry for this cell."""
    k, q = cell.states(m), cell.width(n, m)
    fields = (
        Field("learner.J", "real", (2 * k * n, columns(cell, n, m))),
        Field("learner.D", "real", (k, n, q)),
        Field("learner.E", "real", (k, n, q)),
        Field("learner.E1", "real", (k, q)),
    )
    return Carry(fields, views, first_two, propagate, credit, float(k * k * n * q))


def apart(cell: Cell) -> Callable[..., None]:
    """The cell's derivatives, its leak apart."""
    return bind(derive, f"{cell.name}_leak", linearize=cell.linearize, leak=cell.leak)


EPROP = Learner(
    "eprop", "E[i] <- leak[i] E[i] + D[i], grad[i] = e[i] E[i]",
    "about that of the forward pass; n q numbers kept",
    "Bellec et al., Nature Communications 11 (2020), equations 3-5 and 14",
    leaking, on_diagonal, derivative=apart,
)  # fmt: skip
RFLO = Learner(
    "rflo", "E[i] <- leak[i] E[i] + D[i], grad[i] = (R error)[i] E[i], R random and fixed",
    "about that of the forward pass; n q numbers kept",
    "Murray, Local Online Learning in Recurrent Networks with Random Feedback, eLife 8 (2019), equations 3-6",
    leaking, on_diagonal, feedback="random", derivative=apart,
)  # fmt: skip
