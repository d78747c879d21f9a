"""Model: a cell, a learner and an update put together, compiled for each other; Network: one such net, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from streamrnn import cells, learners, updates
from streamrnn._bind import bind
from streamrnn._types import Array, Floats
from streamrnn.cells import Cell
from streamrnn.errors import ModelError
from streamrnn.learners import Carry, Learner
from streamrnn.state import Arena, Field, Layout
from streamrnn.updates import Update

NET_FIELDS = ("net.structure", "net.theta", "net.s", "net.s1", "net.x", "net.e", "net.grad")


@dataclass(frozen=True)
class Model:
    """What a recurrent net is made of, and its sizes.

    n units, m inputs, `window` steps that truncated BPTT looks back. `carry` overrides the learner's own choice of how
    it keeps the influence of this cell; tests use it to run the dense form on a diagonal cell.
    Raises ModelError where a size is out of range.
    """

    cell: Cell
    learner: Learner
    update: Update
    n: int
    m: int
    window: int = 32
    carry: Carry | None = None

    def __post_init__(self) -> None:
        for name, value in (("units", self.n), ("inputs", self.m), ("window", self.window)):
            if value < 1:
                raise ModelError(f"a net cannot have this many {name}", got=value, expected="at least 1")

    @classmethod
    def named(cls, cell: str, learner: str, update: str, n: int, m: int, window: int = 32) -> Model:
        """The same, from the names that a configuration has. Raises ModelError listing what there is."""
        return cls(cells.get(cell), learners.get(learner), updates.get(update), n, m, window)

    @property
    def q(self) -> int:
        """Parameters of one unit."""
        return self.cell.width(self.n, self.m)

    @cached_property
    def representation(self) -> Carry:
        """How the influence is kept."""
        return self.carry or self.learner.carry(self.cell)

    def fields(self) -> list[Field]:
        """Fields of the arena: the net's own (in the order of NET_FIELDS), then the learner's, then the update's."""
        k, n, m, q = self.cell.states, self.n, self.m, self.q
        own: dict[str, tuple[Any, tuple[int, ...]]] = {
            "net.structure": ("ints", (k, k)),
            "net.theta": ("real", (n, q)),
            "net.s": ("real", (k, n)),
            "net.s1": ("real", (k, n)),
            "net.x": ("real", (m,)),
            "net.e": ("real", (n,)),
            "net.grad": ("real", (n, q)),
        }
        return [
            *(Field(name, *own[name]) for name in NET_FIELDS),
            *self.representation.fields(k, n, q, self.window),
            *self.update.fields(n, q),
        ]

    def start(self, arena: Arena, seed: tuple[int, ...]) -> None:
        """Write the initial weights and the cell's structure into a zeroed arena."""
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))
        arena["net.structure"][:] = self.cell.structure
        arena["net.theta"][:] = self.cell.init(self.n, self.m, generator)

    def kernels(self) -> dict[str, Callable[..., Any]]:
        """Compiled for this cell: open_carry, forward, credit, open_memory, apply."""
        carry = self.representation
        owner = self.cell.name
        return {
            "open_carry": carry.open,
            "forward": bind(carry.forward, owner, advance=self.cell.advance, linearize=self.cell.linearize),
            "credit": carry.credit,
            "open_memory": self.update.open,
            "apply": self.update.apply,
        }


class Network:
    """A net that is stepped by hand: for losses of one's own, and for checks against oracles.

    >>> import numpy as np
    >>> net = Network(Model.named("elman", "rtrl", "sgd", n=4, m=1), seed=1)
    >>> for x in (0.1, -0.2, 0.3):
    ...     net.advance(np.array([x]))
    >>> grad = net.credit(np.ones(4))     # of the loss  sum(s), back through all three steps
    >>> grad.shape
    (4, 6)
    >>> net.apply(rate=0.01)              # theta <- theta - 0.01 grad
    """

    def __init__(self, model: Model, *, seed: int = 0, dtype: str = "float64") -> None:
        fields = model.fields()
        self.model = model
        self.arena = Arena(Layout(fields, dtype))
        model.start(self.arena, (seed,))
        table = self.arena.layout.table
        first = len(NET_FIELDS)
        after = len(fields) - len(model.update.fields(model.n, model.q))
        kernels = model.kernels()
        self._forward, self._credit, self._apply = kernels["forward"], kernels["credit"], kernels["apply"]
        self._carry = kernels["open_carry"](self.arena.ints, self.arena.real, table, first)
        self._memory = kernels["open_memory"](self.arena.ints, self.arena.real, table, after)

    @property
    def theta(self) -> Array:
        """(n, q) weights; writable."""
        return self.arena["net.theta"]

    @property
    def state(self) -> Array:
        """(k, n) states; [0] is the output."""
        return self.arena["net.s"]

    def advance(self, x: Floats) -> None:
        """One step with input x (m,): moves the state and what the learner carries."""
        a = self.arena
        a["net.x"][:] = x
        self._forward(a["net.theta"], a["net.x"], a["net.s"], a["net.s1"], a["net.structure"], self._carry)

    def credit(self, e: Floats) -> Array:
        """∂loss/∂theta (n, q), given e = ∂loss/∂s[0] (n,) at the present state."""
        self.arena["net.e"][:] = e
        self._credit(self.arena["net.e"], self._carry, self.arena["net.grad"])
        return self.arena["net.grad"].copy()

    def apply(self, rate: float) -> None:
        """Move the weights along the last gradient."""
        self._apply(rate, self.arena["net.grad"], self._memory, self.theta)
