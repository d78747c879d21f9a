"""Model: a cell, a learner and an update put together, compiled for each other; Network: one such net, step by step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from streamrnn import cells, learners, updates
from streamrnn._bind import bind
from streamrnn._types import Array, Floats
from streamrnn.cells import Cell
from streamrnn.errors import InputError, ModelError
from streamrnn.learners import Carry, Learner, audit
from streamrnn.learners import step as steps
from streamrnn.learners.stacked import sizes
from streamrnn.state import Arena, Field, Layout, Named
from streamrnn.updates import Update

NET_FIELDS = (
    "net.structure", "net.theta", "net.s", "net.s1", "net.x", "net.e", "net.grad", "net.feedback",
)  # fmt: skip
UNITS, INPUTS, LAYERS = 4096, 65536, 64
Options: TypeAlias = Mapping[str, float] | None


@dataclass(frozen=True)
class Model:
    """What a recurrent net is made of, and its sizes.

    n units a layer, m inputs; layer l > 1 takes the output of the layer below as its input. outputs: numbers that are
    said of the state, where the update asks for each one's error. audited: carry the probe of the gradient audit.
    Raises ModelError where a size is out of range or the parts do not fit each other.
    """

    cell: Cell
    learner: Learner
    update: Update
    n: int
    m: int
    layers: int = 1
    outputs: int = 1
    audited: bool = False

    def __post_init__(self) -> None:
        limits = (
            ("units", self.n, UNITS), ("inputs", self.m, INPUTS), ("layers", self.layers, LAYERS),
            ("outputs", self.outputs, INPUTS),
        )  # fmt: skip
        for name, value, most in limits:
            if not 1 <= value <= most:
                raise ModelError(f"a net cannot have this many {name}", got=value, expected=f"1 to {most}")
        if self.n > self.cell.multiple and self.n % self.cell.multiple:
            raise ModelError(f"the units of a net of {self.cell.name} come in blocks", got=f"units = {self.n}",
                             expected=f"a multiple of {self.cell.multiple}")  # fmt: skip
        _check_pair(self.cell, self.learner, self.m, self.layers)
        if self.audited and self.learner.gathers:
            raise ModelError("gradients of several steps that come together cannot be audited",
                             got=f"audit = true, {_titled(self.learner)}",
                             expected="audit = false, or stride 1")  # fmt: skip
        if self.audited and not self.learner.learns:
            raise ModelError(f"there is no gradient to audit with the learner {self.learner.name}", got="audit = true",
                             expected="audit = false, or a learner that learns")  # fmt: skip
        if self.update.follows == "innovation" and self.learner.feedback == "random":
            raise ModelError(f"the update {self.update.name} needs the slope of the output itself",
                             got=f"learner {self.learner.name}, whose errors come back through random weights",
                             expected="another learner, or an update that follows the gradient")  # fmt: skip
        if self.update.follows == "innovation" and self.learner.gathers:
            raise ModelError(f"the update {self.update.name} needs a slope at every step", got=_titled(self.learner),
                             expected="stride 1, or an update that follows the gradient")  # fmt: skip

    @classmethod
    def named(
        cls, cell: str, learner: str, update: str, n: int, m: int, *, cell_options: Options = None,
        learner_options: Options = None, update_options: Options = None, **more: Any,
    ) -> Model:  # fmt: skip
        """The same, from the names and options that a configuration has.

        more    layers, outputs, audited
        Raises ModelError listing what there is.
        """
        parts = cells.get(cell, cell_options), learners.get(learner, learner_options)
        return cls(*parts, updates.get(update, update_options), n, m, **more)

    @cached_property
    def sizes(self) -> tuple[int, int, int]:
        """k, q and the outputs of a layer; of the layer that has most, where layers differ."""
        if self.layers > 1:
            return sizes(self.cell, self.n, self.m)
        return self.cell.states(self.m), self.cell.width(self.n, self.m), self.cell.seen * self.n

    @property
    def k(self) -> int:
        """State vectors of a layer."""
        return self.sizes[0]

    @property
    def q(self) -> int:
        """Parameters of one unit."""
        return self.sizes[1]

    @property
    def seen(self) -> int:
        """Numbers of the state that a readout sees: the output of the top layer."""
        return self.sizes[2]

    @property
    def exact(self) -> bool:
        """Whether the gradient is that of the whole past (with frozen weights), or an approximation."""
        if self.layers > 1:
            return self.learner.stack_exact
        return self.learner.exact(self.cell, self.n, self.m)

    @cached_property
    def representation(self) -> Carry:
        """How the influence is kept."""
        if self.layers > 1:
            assert self.learner.stack is not None
            return self.learner.stack(self.cell, self.n, self.m, self.layers)
        return self.learner.carry(self.cell, self.n, self.m)

    @cached_property
    def fields(self) -> dict[str, tuple[Field, ...]]:
        """Fields of the arena by owner: the net's own (in the order of NET_FIELDS), the learner's, the update's and the
        audit's. Each owner's kernels are given the row of its first field."""
        (k, q, seen), n, m, layers = self.sizes, self.n, self.m, self.layers
        own: dict[str, tuple[Any, tuple[int, ...]]] = {
            "net.structure": ("ints", (layers * k, k)),
            "net.theta": ("real", (layers * n, q)),
            "net.s": ("real", (layers * k, n)),
            "net.s1": ("real", (layers * k, n)),
            "net.x": ("real", (m,)),
            "net.e": ("real", (seen,)),
            "net.grad": ("real", (layers * n, q)),
            "net.feedback": ("real", (self.outputs if self.learner.feedback == "random" else 0, seen)),
        }
        columns = next(field.shape[-1] for field in self.representation.fields if field.name == "learner.J")
        return {
            "net": tuple(Field(name, *own[name]) for name in NET_FIELDS),
            "learner": self.representation.fields,
            "update": self.update.fields(layers * n, q, self.outputs),
            "audit": audit.fields(n if self.audited else 0, k, q, layers, columns, seen),
        }

    def start(self, arena: Named, seed: int) -> None:
        """Write the initial weights, the cell's structure and what else does not start from 0 into a zeroed arena."""
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed,))))
        for layer in range(self.layers):
            inputs = self.m if layer == 0 else self.seen
            k, q = self.cell.states(inputs), self.cell.width(self.n, inputs)
            arena["net.structure"][layer * self.k : layer * self.k + k, :k] = self.cell.structure(inputs)
            weights = self.cell.init(self.n, inputs, generator)
            arena["net.theta"][layer * self.n : (layer + 1) * self.n, :q] = weights
        feedback = arena["net.feedback"]
        feedback[:] = generator.normal(size=feedback.shape) / np.sqrt(self.seen)
        if self.representation.start is not None:
            self.representation.start(arena, seed)
        if self.update.start is not None:
            self.update.start(arena)
        arena["audit.count"][audit.SEED] = seed ^ audit.DOMAIN

    @cached_property
    def parts(self) -> dict[str, Callable[..., Any]]:
        """Compiled for this cell, or for none: derive, local, propagate, follow, credit, apply, and three openers."""
        cell, carry = self.cell, self.representation
        derivative = self.learner.derivative(cell)
        if self.layers > 1:
            bound = {"advance": cell.advance, "linearize": derivative, "respond": cell.respond}
            derive, follow = bind(steps.stacked_layers, cell.name, **bound), audit.follow_stack
        else:
            derive = bind(steps.one_layer, cell.name, advance=cell.advance, linearize=derivative)
            follow = audit.follow_layer
        return {
            "derive": derive, "local": carry.local, "propagate": carry.propagate, "follow": follow,
            "credit": carry.credit, "apply": self.update.apply,
            "open_carry": carry.open, "open_memory": self.update.open, "open_probe": audit.views,
        }  # fmt: skip

    @cached_property
    def forward(self) -> Callable[..., None]:
        """The whole step as one compiled function: (theta, x, dt, s, s1, structure, carry, probe)."""
        parts, owner = self.parts, self.cell.name
        if not self.learner.learns:
            return bind(steps.still_step, owner, advance=self.cell.advance)
        bound = {name: parts[name] for name in ("derive", "local", "propagate")}
        if self.audited:
            return bind(steps.audited_step, owner, follow=parts["follow"], **bound)
        return bind(steps.step, owner, **bound)


def _titled(learner: Learner) -> str:
    chosen = ", ".join(f"{name} {value:g}" for name, value in learner.chosen)
    return f"learner {learner.name} with {chosen}" if chosen else f"learner {learner.name}"


def _check_pair(cell: Cell, learner: Learner, m: int, layers: int) -> None:
    """Raises ModelError, naming both and what fits, where this learner cannot serve this cell."""
    why = _refusal(cell, learner, m, layers)
    if why is None:
        return
    known: Mapping[str, Any] = {name: learners.get(name) for name in learners.OWN}
    fits = [name for name, other in known.items() if _refusal(cell, other, m, layers) is None]
    raise ModelError(f"the learner {learner.name} cannot serve the cell {cell.name}: {why}",
                     got=f"cell {cell.name}, learner {learner.name}, {layers} layer{'s' if layers > 1 else ''}",
                     expected="for this cell one of the learners " + ", ".join(fits))  # fmt: skip


def _refusal(cell: Cell, learner: Learner, m: int, layers: int) -> str | None:
    if layers > 1 and learner.stack is None:
        return "it has no form for a stack of layers"
    return learner.refuses(cell, m)


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
        self.model = model
        places: dict[str, int] = {}
        fields: list[Field] = []
        for owner, own in model.fields.items():
            places[owner] = len(fields)
            fields += own
        self.arena = Arena(Layout(fields, dtype))
        model.start(self.arena, seed)
        self._parts = model.parts
        views = (self.arena.ints, self.arena.real, self.arena.layout.table)
        self.carry = self._parts["open_carry"](*views, places["learner"])
        self.memory = self._parts["open_memory"](*views, places["update"])
        self.probe = self._parts["open_probe"](*views, places["audit"])

    @property
    def theta(self) -> Array:
        """(layers n, q) weights; writable."""
        return self.arena["net.theta"]

    @property
    def state(self) -> Array:
        """(layers k, n) states: a live view. Set it to 0 where a new episode begins."""
        return self.arena["net.s"]

    @property
    def output(self) -> Array:
        """(seen,) the output of the top layer: a live view, which moves with the net."""
        top = (self.model.layers - 1) * self.model.k
        return self.state[top : top + self.model.cell.seen].reshape(-1)

    @property
    def gradient_cosine(self) -> float:
        """The audit's estimate of the cosine between the gradients of `credit` and the exact ones; NaN without one."""
        return audit.cosine(self.arena["audit.count"], self.arena["audit.sums"])

    def advance(self, x: Floats, dt: float = 1.0) -> None:
        """One step with input x (m,), `dt` > 0 after the last: moves the state and what the learner carries.

        Raises InputError where dt is not a positive number.
        """
        if not 0.0 < dt < math.inf:
            raise InputError("a step has a length", got=dt, expected="more than 0, finite")
        a, do = self.arena, self._parts
        a["net.x"][:] = x
        s, s1, structure = a["net.s"], a["net.s1"], a["net.structure"]
        if not self.model.learner.learns:
            self.model.cell.advance(a["net.theta"], a["net.x"], dt, s, s1)
        else:
            places = do["local"](self.carry)
            do["derive"](a["net.theta"], a["net.x"], dt, s, s1, places)
            if self.model.audited:
                do["follow"](structure, places, self.probe)
            do["propagate"](structure, self.carry)
        s[:] = s1

    def credit(self, e: Floats) -> Array:
        """∂loss/∂theta (layers n, q), given e = ∂loss/∂output (seen,) at the present state; 0 where none is due."""
        grad = self.arena["net.grad"]
        self.arena["net.e"][:] = e
        if not self._parts["credit"](self.arena["net.structure"], self.arena["net.e"], self.carry, grad):
            grad[:] = 0.0
        if self.model.audited:
            audit.compare(self.arena["net.e"], grad, self.probe)
        return grad.copy()

    def apply(self, rate: float) -> None:
        """Move the weights along the last gradient. Raises ModelError where the update follows the innovation."""
        self._follows("gradient", "correct")
        self._parts["apply"](rate, self.arena["net.grad"], self.memory, self.theta)

    def correct(self, error: float, rate: float = 1.0, output: int = 0, *, first: bool = True) -> None:
        """Move the weights by the error (target - y) of an output, whose slope `credit` gave last: credit(∂y/∂output).

        Of several outputs each has its error taken before any is corrected; `first` is True for the first of them.
        Raises ModelError where the update follows the gradient, InputError where there is no such output.
        """
        self._follows("innovation", "apply")
        if not 0 <= output < self.model.outputs:
            raise InputError("the model has no such output", got=output, expected=f"0 to {self.model.outputs - 1}")
        self._parts["apply"](rate, output, first, error, self.arena["net.grad"], self.memory, self.theta)

    def _follows(self, what: str, other: str) -> None:
        if self.model.update.follows != what:
            raise ModelError(f"the update {self.model.update.name} follows the {self.model.update.follows}",
                             expected=f"an update that follows the {what}", hint=f"Call {other}()")  # fmt: skip
