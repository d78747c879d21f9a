"""What the searches share: parameters and their perturbed copies, an update that climbs the estimate, and the state.

    theta_i = theta + σ ε_i,  theta_(N+i) = theta - σ ε_i,  ε_i ~ N(0, I),  i = 0 … N-1

ε is a function of (seed, generation, pair, parameter): it is drawn again where it is needed and never stored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Self

import msgspec
import numpy as np
import numpy.typing as npt

from streamrnn import updates
from streamrnn._bind import kernel
from streamrnn._options import Option, choose
from streamrnn._types import Array, Floats
from streamrnn.errors import InputError, ModelError, StateError
from streamrnn.kernels.noise import normal
from streamrnn.state import Arena, Field, Layout, StoredState, read_bytes
from streamrnn.updates import Update

LARGEST = 1e150
"""Of a reward: the difference of two, times a perturbation, stays finite."""

NUMBERS = (
    Option("sigma", 0.1, 1e-12, 1e12, "Standard deviation of the perturbations"),
    Option("pairs", 1, 1, 1 << 24, "Each pair is two evaluations a generation"),
    Option("rate", 0.0, 0.0, 1e12, "Step of the update"),
    Option("seed", 0, 0, 1 << 62, "Equal seeds give equal perturbations"),
)


@kernel
def draw(seed: int, generation: int, noise: Array) -> None:
    """ε of a generation: (pairs, parameters)."""
    size = noise.shape[1]
    for i in range(noise.shape[0]):
        for p in range(size):
            noise[i, p] = normal(seed, generation, i * size + p)


@kernel
def weigh(weights: Array, directions: Array, scale: float, gradient: Array) -> None:
    """gradient = scale · Σ_i weights_i directions_i."""
    for p in range(gradient.shape[0]):
        total = 0.0
        for i in range(weights.shape[0]):
            total += weights[i] * directions[i, p]
        gradient[p] = scale * total


class Population:
    """Perturbed parameters of a search, and its state. The searches differ in `tell`."""

    def __init__(self, theta0: npt.ArrayLike, sigma: float, pairs: int, rate: float, update: str = "adam",
                 options: Mapping[str, float] | None = None, seed: int = 0) -> None:  # fmt: skip
        start = _parameters(theta0)
        numbers = {"sigma": sigma, "pairs": pairs, "rate": rate, "seed": seed}
        chosen = choose(type(self).__name__, NUMBERS, numbers)
        self.shape, self.sigma, self.rate = start.shape, chosen["sigma"], chosen["rate"]
        self.pairs, self.seed = int(chosen["pairs"]), int(chosen["seed"])
        self.update = _climbing(update, options)
        self.arena = Arena(self._plan(self.shape, self.pairs, self.update))
        first = sum(not field.name.startswith("update.") for field in self.arena.layout.fields)
        self._memory = self.update.open(self.arena.ints, self.arena.real, self.arena.layout.table, first)
        if self.update.start is not None:
            self.update.start(self.arena)
        self.theta[...] = start

    def __repr__(self) -> str:
        sizes = f"{self.pairs} pairs, {self.theta.size} parameters"
        return f"<{type(self).__name__} of {sizes}; {self.generation} generations told>"

    @property
    def theta(self) -> Floats:
        """The parameters found so far, of theta0's shape: a live view."""
        return self.arena["search.theta"].reshape(self.shape)

    @property
    def gradient(self) -> Floats:
        """The last estimate of ∂reward/∂theta, of theta0's shape: a live view."""
        return self.arena["search.gradient"].reshape(self.shape)

    @property
    def generation(self) -> int:
        """How often `tell` has moved theta."""
        return int(self.arena["search.generation"][0])

    def ask(self) -> Floats:
        """The parameters to try: (2 pairs, *theta's shape). Rows i and pairs + i are perturbed by ε_i and -ε_i.

        The same until `tell` has been called.
        """
        step = self.sigma * self._noise()
        theta = self.theta.ravel()
        return np.concatenate((theta + step, theta - step)).reshape(2 * self.pairs, *self.shape)

    # ------------------------------------------------------------ state

    def snapshot(self) -> Array:
        """All of the search's memory, copied: `restore` continues from it to the same bits."""
        return self.arena.snapshot()

    def restore(self, snapshot: Array) -> None:
        """Continue from a snapshot of a search of the same shape and kind."""
        self.arena.restore(snapshot)

    def to_bytes(self) -> bytes:
        """The search as versioned, checksummed bytes (streamrnn.state)."""
        return self.arena.to_bytes(msgspec.to_builtins(self._described()))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The search that `to_bytes` wrote. Raises StateError where the bytes are damaged or of another kind."""
        stored = read_bytes(data)
        owner = _described(stored, cls)
        search = cls._built(owner)
        search.arena.load(stored)
        return search

    # ------------------------------------------------------------ inside

    @classmethod
    def _own_fields(cls, pairs: int, size: int) -> tuple[Field, ...]:
        """Fields of this kind of search alone."""
        return ()

    @classmethod
    def _plan(cls, shape: tuple[int, ...], pairs: int, update: Update) -> Layout:
        n = shape[0] if len(shape) > 1 else 1
        q = math.prod(shape) // n
        common = (Field("search.generation", "ints", (1,)), Field("search.theta", "real", (n, q)),
                  Field("search.gradient", "real", (n, q)))  # fmt: skip
        return Layout((*common, *cls._own_fields(pairs, n * q), *update.fields(n, q, 1)), "float64")

    def _described(self) -> Owner:
        return Owner(type(self).__name__, list(self.shape), self.sigma, self.pairs, self.rate, self.update.name,
                     dict(self.update.chosen), self.seed)  # fmt: skip

    @classmethod
    def _built(cls, owner: Owner) -> Self:
        return cls(np.zeros(owner.shape), owner.sigma, owner.pairs, owner.rate, owner.update, owner.options, owner.seed)

    def _noise(self) -> Floats:
        noise = np.empty((self.pairs, self.theta.size))
        draw(self.seed, self.generation, noise)
        return noise

    def _told(self, reward: npt.ArrayLike) -> Floats:
        """The reward of each candidate, checked."""
        try:
            told = np.asarray(reward, np.float64)
        except (TypeError, ValueError):
            raise InputError("rewards are numbers", got=repr(reward)[:100], expected=f"({2 * self.pairs},)") from None
        if told.shape != (2 * self.pairs,):
            raise InputError("one reward a candidate", got=told.shape, expected=(2 * self.pairs,))
        wrong = np.flatnonzero(~(np.abs(told) <= LARGEST))
        if len(wrong):
            raise InputError(f"the reward of candidate {wrong[0]} cannot be used", got=told[wrong[0]],
                             expected=f"a number within ±{LARGEST:g}",
                             hint="Give a candidate that fails a low reward of its own")  # fmt: skip
        return told

    def _climb(self, weights: Floats, directions: Floats) -> None:
        """Estimate the gradient from perturbations and their weights, and let the update follow it upwards."""
        a = self.arena
        gradient = a["search.gradient"]
        weigh(weights, directions, 1.0 / (2.0 * self.pairs * self.sigma), gradient.reshape(-1))
        self.update.apply(self.rate, -gradient, self._memory, a["search.theta"])
        a["search.generation"][0] += 1


class Owner(msgspec.Struct, forbid_unknown_fields=True):
    """What stored bytes say of their search."""

    task: str
    shape: list[int]
    sigma: float
    pairs: int
    rate: float
    update: str
    options: dict[str, float]
    seed: int
    rank: bool = False


def _described(stored: StoredState, kind: type[Population]) -> Owner:
    """The description in stored bytes; their block is known to have the size that such a search needs."""
    try:
        owner = msgspec.convert(stored.owner, Owner)
        if min(owner.shape, default=1) < 1 or math.prod(owner.shape) > stored.block.size:
            raise ModelError("no such parameters", got=owner.shape)
        choose(kind.__name__, NUMBERS,
               {"sigma": owner.sigma, "pairs": owner.pairs, "rate": owner.rate, "seed": owner.seed})  # fmt: skip
        plan = kind._plan(tuple(owner.shape), owner.pairs, _climbing(owner.update, owner.options))
    except (msgspec.ValidationError, ModelError, OverflowError, ValueError) as problem:
        raise StateError(f"stored state does not describe a search: {problem}") from None
    if owner.task != kind.__name__:
        raise StateError("stored state is of another kind", got=owner.task, expected=kind.__name__)
    if plan.nbytes != stored.block.nbytes:
        raise StateError("stored state has another size than its search", got=stored.block.nbytes, expected=plan.nbytes)
    return owner


def _parameters(theta0: npt.ArrayLike) -> Floats:
    try:
        start = np.array(theta0, np.float64)
    except (TypeError, ValueError):
        raise ModelError("theta0 holds numbers", got=repr(theta0)[:100], expected="an array of numbers") from None
    if start.size == 0:
        raise ModelError("theta0 is empty", got=start.shape, expected="one number or more")
    wrong = np.argwhere(~np.isfinite(start))
    if len(wrong):
        place = tuple(int(i) for i in wrong[0])
        raise ModelError(f"theta0{list(place)} is not finite", got=start[place], expected="a finite number")
    return start


def _climbing(name: str, options: Mapping[str, float] | None) -> Update:
    update = updates.get(name, options)
    if update.follows != "gradient":
        raise ModelError("a search needs an update that follows a gradient",
                         got=f"{name}, for {update.follows}s", expected="adam, rmsprop, sgd, …")  # fmt: skip
    return update
