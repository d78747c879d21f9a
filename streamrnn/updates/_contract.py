"""What an update is to the rest: the memory it needs and one kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streamrnn._types import Array
from streamrnn.state import Field


@dataclass(frozen=True)
class Update:
    """How a gradient moves weights.

    name      as in a configuration
    equation  one step
    source    where it is from, and when to use it
    fields    (n, q) → fields of the arena, in the order in which `open` reads them
    open      kernel (ints, real, table, first) → tuple of views
    apply     kernel (rate, grad, memory, theta): moves theta
    """

    name: str
    equation: str
    source: str
    fields: Callable[[int, int], list[Field]]
    open: Callable[..., tuple[Array, ...]]
    apply: Callable[..., None]
