"""What a learner is to the rest: what it carries from step to step, and four kernels over the cell's derivatives.

The step of a net is: advance the cell, linearize it into the learner's J and D, propagate. Learners see nothing of a
cell but J, D and its traits, so that each is written, and compiled, once for all cells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streamrnn._options import Option
from streamrnn._types import Array
from streamrnn.cells import DIAGONAL, Cell
from streamrnn.state import Field, Named


@dataclass(frozen=True)
class Carry:
    """One representation of the influence and its recursion, for one cell and its sizes.

    fields     of the arena, in the order in which `open` reads them; names start with "learner."
    open       kernel (ints, real, table, first) → tuple of views; `first` is the row of the first of the fields
    local      kernel (carry) → (J, D), where the step's derivatives are to be written; for a stack (J, B, D)
    propagate  kernel (structure, carry): moves the influence one step on
    credit     kernel (structure, e, carry, grad) → bool: writes ∂loss/∂theta for the loss whose slope on the present
               output is e; False where nothing is to be learned at this step
    work       multiply-adds of a step with credit, without those of the cell: their growth with n is tested
    start      (arena, seed): writes what does not start from 0
    """

    fields: tuple[Field, ...]
    open: Callable[..., tuple[Array, ...]]
    local: Callable[..., tuple[Array, ...]]
    propagate: Callable[..., None]
    credit: Callable[..., bool]
    work: float
    start: Callable[[Named, int], None] | None = None


def for_any(cell: Cell, m: int) -> str | None:
    """Serves every cell."""
    return None


def same(cell: Cell) -> Callable[..., None]:
    """The cell's derivatives as they are."""
    return cell.linearize


@dataclass(frozen=True)
class Learner:
    """How credit flows back in time.

    name        as in a configuration
    recursion   what is carried, in the glossary's symbols
    cost        multiply-adds and numbers kept, a step
    source      where it is from
    carry       (cell, n, m) → the representation that serves it
    exact       (cell, n, m) → whether the gradient is that of the whole past (with frozen weights)
    refuses     (cell, m) → why this cell cannot be served, or None
    stack       (cell, n, m, layers) → the representation for a stack of layers, where there is one
    stack_exact its gradient is exact
    learns      False: the recurrent weights stay as they are
    gathers     gradients of several steps come together: credit has to be asked for at every step, be e zero
    unbiased    the gradient is right on average over seeds, though not exact
    feedback    "weights": errors come back through the readout's weights; "random": through fixed random ones
    derivative  cell → kernel like its linearize: what of the derivatives this learner uses
    options     numbers to choose, and `make`, which builds the learner with them
    chosen      the numbers that it was built with
    """

    name: str
    recursion: str
    cost: str
    source: str
    carry: Callable[[Cell, int, int], Carry]
    exact: Callable[[Cell, int, int], bool]
    refuses: Callable[[Cell, int], str | None] = for_any
    stack: Callable[[Cell, int, int, int], Carry] | None = None
    stack_exact: bool = False
    learns: bool = True
    gathers: bool = False
    unbiased: bool = False
    feedback: str = "weights"
    derivative: Callable[[Cell], Callable[..., None]] = same
    options: tuple[Option, ...] = ()
    make: Callable[..., Learner] | None = None
    chosen: tuple[tuple[str, float], ...] = ()


def always(cell: Cell, n: int, m: int) -> bool:
    """Exact for every cell."""
    return True


def without_recurrence(cell: Cell, n: int, m: int) -> bool:
    """Exact only where nothing recurs, so that there is no past to follow."""
    return cell.only(m)


def on_diagonal(cell: Cell, n: int, m: int) -> bool:
    """Exact where units remember only themselves."""
    return cell.only(m, DIAGONAL)
