"""What a readout is to the rest: linear heads for every horizon and channel over the same features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streamrnn._options import Option
from streamrnn._types import Array, Floats
from streamrnn.state import Field, Named


@dataclass(frozen=True)
class Readout:
    """What is said of the state: head (h, c) says w[h, c]ᵀ f of the features f (F,).

    A row's features are known when it is seen; the target of head h comes h rows later. Both moments have a kernel.

    name      as in a configuration
    equation  how a head learns
    source    where it is from, and when to use it
    cost      multiply-adds and numbers kept, a row
    fields    (F, H, C, slots) → fields of the arena, in the order in which `open` reads them; names start with
              "readout.". Rows lie in a ring of `slots`, H + 1.
    open      kernel (ints, real, table, first) → tuple of views
    prepare   kernel (slot, f, keep, memory): row `slot` of the ring has been seen; keep is what older evidence is worth
    correct   kernel (slot, h, c, error, f, memory, w): head (h, c) learns from its clipped error on row `slot`, whose
              features were f; moves w (F,)
    start     (arena, prior (F,)): writes what does not start from 0; prior is the variance that each weight starts from
    options   numbers to choose, and `make`, which builds the readout with them
    chosen    the numbers that it was built with
    """

    name: str
    equation: str
    source: str
    cost: str
    fields: Callable[[int, int, int, int], tuple[Field, ...]]
    open: Callable[..., tuple[Array, ...]]
    prepare: Callable[..., None]
    correct: Callable[..., None]
    start: Callable[[Named, Floats], None]
    options: tuple[Option, ...] = ()
    make: Callable[..., Readout] | None = None
    chosen: tuple[tuple[str, float], ...] = ()
