"""What a recurrent cell is to the rest: three kernels and a few traits. `streamrnn.testing` checks each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from streamrnn._bind import kernel
from streamrnn._options import Option
from streamrnn._types import Array, Bools

ZERO, DIAGONAL, DENSE, UNIFORM = 0, 1, 2, 3
Structure: TypeAlias = tuple[tuple[int, ...], ...]


def blocks(*rows: tuple[int, ...]) -> Callable[[int], Structure]:
    """A structure that is the same for any number of inputs."""
    return lambda m: rows


def all_linked(n: int) -> Bools:
    """Every unit hears every unit."""
    return np.ones((n, n), bool)


@kernel
def no_leak(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array) -> None:
    """A unit without a way of its own through time, other than the diagonal blocks."""


@dataclass(frozen=True)
class Cell:
    """A recurrent cell whose parameters are unit-local: those of unit i move only unit i's states at once.

    name        as in a configuration
    equation    one step, in the glossary's symbols
    source      where it is from
    structure   m → (k, k) of ZERO, DIAGONAL, DENSE, UNIFORM: the block of J by which state vector b moves state vector
                a. UNIFORM: only the sum of s[b] counts, so that all columns of the block are alike
    width       (n, m) → q, parameters of one unit
    advance     kernel (theta, x, dt, s, s1): writes the next state
    linearize   kernel (theta, x, dt, s, s1, J, D): writes the non-zero blocks of J and all of D (k, n, q). With a dense
                block anywhere J is (k n, k n), and of a diagonal block the diagonal is written, of a uniform one the
                first column. With none J is (k n, k), one column a block: J[a n + i, b] is what block (a, b) has in
                unit i's row, on the diagonal or everywhere
    respond     kernel (theta, x, dt, s, s1, B): writes B (k n, m) = ∂s1/∂x, by which a layer above reaches this one's x
    init        (n, m, generator) → theta (n, q) to start from

    seen        how many of the state vectors, from s[0] on, are the output
    timed       dt counts; a cell that is not timed counts steps
    seconds     dt is in seconds; else in typical intervals of the stream
    links       n → (n, n): links[i, j] where a dense block lets unit j move unit i at once
    leak        kernel (theta, x, dt, s, s1, J): adds to the diagonals of dense blocks of J what does not pass through
                recurrent weights (the leak of a leaky unit, the carry of a gate)
    multiple    n must be a multiple of this, or less
    shared      D[a, i] is the same row for every unit i, up to a factor: what a Kronecker factorisation needs
    options     numbers to choose, and `make`, which builds the cell with them
    chosen      the numbers that it was built with
    """

    name: str
    equation: str
    source: str
    structure: Callable[[int], Structure]
    width: Callable[[int, int], int]
    advance: Callable[..., None]
    linearize: Callable[..., None]
    respond: Callable[..., None]
    init: Callable[[int, int, np.random.Generator], Array]
    seen: int = 1
    timed: bool = False
    seconds: bool = False
    links: Callable[[int], Bools] = all_linked
    leak: Callable[..., None] = no_leak
    multiple: int = 1
    shared: bool = False
    options: tuple[Option, ...] = ()
    make: Callable[..., Cell] | None = None
    chosen: tuple[tuple[str, float], ...] = ()

    def states(self, m: int) -> int:
        """k, state vectors of n."""
        return len(self.structure(m))

    def only(self, m: int, *kinds: int) -> bool:
        """True where J has blocks of these kinds alone, and of ZERO."""
        return all(block in (ZERO, *kinds) for row in self.structure(m) for block in row)


def advance(theta: Array, x: Array, dt: float, s: Array, s1: Array) -> None:
    """Stand-in for a cell's `advance`; `bind` puts the cell's own here."""
    raise TypeError("a stand-in was called: specialise the template with streamrnn._bind.bind first")


def linearize(theta: Array, x: Array, dt: float, s: Array, s1: Array, J: Array, D: Array) -> None:
    """Stand-in for a cell's `linearize`."""
    raise TypeError("a stand-in was called: specialise the template with streamrnn._bind.bind first")


def respond(theta: Array, x: Array, dt: float, s: Array, s1: Array, B: Array) -> None:
    """Stand-in for a cell's `respond`."""
    raise TypeError("a stand-in was called: specialise the template with streamrnn._bind.bind first")
