"""What an update is to the rest: the memory it needs and one kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streamrnn._options import Option
from streamrnn._types import Array
from streamrnn.state import Field, Named


@dataclass(frozen=True)
class Update:
    """How what a learner says moves the weights.

    name      as in a configuration
    equation  one step
    source    where it is from, and when to use it
    fields    (n, q, outputs) → fields of the arena, in the order in which `open` reads them; names start with "update."
    open      kernel (ints, real, table, first) → tuple of views
    apply     follows "gradient":   kernel (rate, grad, memory, theta), grad = ∂loss/∂theta (n, q)
              follows "innovation": kernel (rate, output, first, error, H, memory, theta), once for each output that has
              a target: H = ∂y[output]/∂theta (n, q), error = target - y[output], all of a row with the weights before
              its first one; first: it is that one
    follows   "gradient": of a loss over all outputs; "innovation": each output's own error and slope
    usual     the rate that suits most streams
    rates     False: `rate` has no part in it
    start     arena: writes what does not start from 0
    options   numbers to choose, and `make`, which builds the update with them
    chosen    the numbers that it was built with
    """

    name: str
    equation: str
    source: str
    fields: Callable[[int, int, int], tuple[Field, ...]]
    open: Callable[..., tuple[Array, ...]]
    apply: Callable[..., None]
    follows: str = "gradient"
    usual: float = 1e-3
    rates: bool = True
    start: Callable[[Named], None] | None = None
    options: tuple[Option, ...] = ()
    make: Callable[..., Update] | None = None
    chosen: tuple[tuple[str, float], ...] = ()
