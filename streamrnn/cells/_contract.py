"""What a recurrent cell is to the rest: two kernels and a few traits. `streamrnn.testing` checks each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from streamrnn._types import Array

ZERO, DIAGONAL, DENSE = 0, 1, 2
Structure: TypeAlias = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Cell:
    """A recurrent cell whose parameters are unit-local: those of unit i move only unit i's states at once.

    name        as in a configuration
    equation    one step, in the glossary's symbols
    source      where it is from
    states      k, state vectors of n; s[0] is the output
    structure   (k, k) of ZERO, DIAGONAL, DENSE: the block of J that says how state vector b moves state vector a
    width       (n, m) → q, parameters of one unit
    advance     kernel (theta, x, s, s1): writes the next state
    linearize   kernel (theta, x, s, s1, J, D): writes the non-zero blocks of J, and D
    init        (n, m, generator) → theta (n, q) to start from
    """

    name: str
    equation: str
    source: str
    states: int
    structure: Structure
    width: Callable[[int, int], int]
    advance: Callable[..., None]
    linearize: Callable[..., None]
    init: Callable[[int, int, np.random.Generator], Array]

    @property
    def diagonal(self) -> bool:
        """True where unit i's states depend on no other unit's: exact RTRL then costs no more than the forward pass."""
        return all(block != DENSE for row in self.structure for block in row)


def advance(theta: Array, x: Array, s: Array, s1: Array) -> None:
    """Stand-in for a cell's `advance`; `bind` puts the cell's own here."""
    raise TypeError("a stand-in was called: specialise the template with streamrnn._bind.bind first")


def linearize(theta: Array, x: Array, s: Array, s1: Array, J: Array, D: Array) -> None:
    """Stand-in for a cell's `linearize`."""
    raise TypeError("a stand-in was called: specialise the template with streamrnn._bind.bind first")
