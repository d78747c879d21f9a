"""What a learner is to the rest: what it carries from step to step, and two templates over a cell's kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from streamrnn._types import Array
from streamrnn.cells import Cell
from streamrnn.state import Field

Fields: TypeAlias = Callable[[int, int, int, int], list[Field]]


@dataclass(frozen=True)
class Carry:
    """One representation of the influence and its recursion.

    fields   (k, n, q, window) → fields of the arena, in the order in which `open` reads them
    open     kernel (ints, real, table, first) → tuple of views; `first` is the row of the first of the fields
    forward  template (theta, x, s, s1, structure, carry): moves state and influence one step on
    credit   kernel (e, carry, grad): writes ∂loss/∂theta for the loss whose slope on the present s[0] is e
    """

    fields: Fields
    open: Callable[..., tuple[Array, ...]]
    forward: Callable[..., None]
    credit: Callable[..., None]


@dataclass(frozen=True)
class Learner:
    """How credit flows back in time.

    name        as in a configuration
    recursion   what is carried, in the glossary's symbols
    cost        multiply-adds and numbers kept, a step
    source      where it is from
    exact       the gradient is that of the whole past, for every cell
    exact_on_diagonal   the same, for cells whose units remember only themselves
    carry       cell → the representation that serves it
    """

    name: str
    recursion: str
    cost: str
    source: str
    exact: bool
    exact_on_diagonal: bool
    carry: Callable[[Cell], Carry]

    def is_exact(self, cell: Cell) -> bool:
        """Whether the gradient for this cell is the exact one (with frozen weights), or an approximation."""
        return self.exact or (self.exact_on_diagonal and cell.diagonal)
