"""A pole balanced from reward alone, by a net that sees no velocities and so has to remember.

    python examples/cartpole.py [--persistent] [--memoryless] [--cell elman] [--seed 0] [--generations N]

The net sees where the cart stands and how the pole leans, pushes left or right, and is told nothing but how long the
pole stood. Ends with the held-out result: in how many of 100 fresh starts it balances for 500 steps; exit code 0 from
95 on. --memoryless forgets the state before each step: the control that shows that memory is needed. --persistent moves
the parameters after segments of episodes (persistent evolution strategies), in place of whole episodes.

Physics: Barto, Sutton & Anderson, Neuronlike Adaptive Elements That Can Solve Difficult Learning Control Problems (IEEE
Trans. SMC 13, 1983), appendix, without its friction, as in Gymnasium's CartPole-v1, whose starts and limit of 500 steps
are used too.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from streamrnn import cells
from streamrnn._bind import bind, kernel
from streamrnn._types import Array, Floats
from streamrnn.cells._contract import advance
from streamrnn.kernels.noise import uniform
from streamrnn.search import AntitheticES, PersistentES

GRAVITY, CART, POLE, HALF = 9.8, 1.0, 0.1, 0.5
"""m/s², kg, kg, and metres from the hinge to the middle of the pole."""
FORCE, TAU = 10.0, 0.02
"""Newtons to either side, and seconds of a step."""
TRACK, LEAN = 2.4, math.radians(12.0)
"""Metres and radians from the middle beyond which the episode has failed."""
LIMIT, START = 500, 0.05
"""Steps of an episode, and the most that position, angle and velocities start with."""

UNITS, INPUTS = 8, 2
SIGMA, PAIRS = 0.1, 32
EPISODES, RATE = 4, 0.05
"""Episodes in which each candidate is tried, the same for all of a generation, and step of Adam."""
SEGMENT, RATE_PERSISTENT = 50, 0.01
"""Steps of a segment, a divisor of LIMIT, and step of Adam with --persistent."""
CHECK_EVERY, CHECKED = 5, 100
"""Generations between checks, and starts of a check; the search ends where all are balanced."""
HELD_OUT, ENOUGH = 100, 95
TRAINING, CHECKING, FRESH = 1 << 40, 1 << 41, 1 << 42
"""Added to the seed for starts: none of them are drawn twice, nor with the perturbations of the search."""


@kernel
def accelerations(angle: float, spin: float, force: float) -> tuple[float, float]:
    """Of the cart, m/s², and of the pole, rad/s²."""
    total = CART + POLE
    push = (force + POLE * HALF * spin * spin * math.sin(angle)) / total
    inertia = HALF * (4.0 / 3.0 - POLE * math.cos(angle) ** 2 / total)
    turn = (GRAVITY * math.sin(angle) - math.cos(angle) * push) / inertia
    return push - POLE * HALF * turn * math.cos(angle) / total, turn


@kernel
def fallen(body: Array) -> bool:
    """body: position, velocity, angle, angular velocity."""
    return bool(abs(body[0]) > TRACK or abs(body[2]) > LEAN)


def live(theta: Array, steps: int, memory: bool, body: Array, s: Array, s1: Array, x: Array) -> int:
    """Go on from `body` and state `s` until the pole falls, `steps` at the most. Returns the steps that it stood.

    theta   (n, q + 1): a row is a unit's parameters and its weight in the decision
    """
    if fallen(body):
        return 0
    n, q = s.shape[1], theta.shape[1] - 1
    for t in range(steps):
        x[0], x[1] = body[0] / TRACK, body[2] / LEAN
        if not memory:
            s[:] = 0.0
        advance(theta, x, 1.0, s, s1)
        s[:] = s1
        out = 0.0
        for i in range(n):
            out += theta[i, q] * s[0, i]
        force = FORCE if out > 0.0 else -FORCE
        shove, turn = accelerations(body[2], body[3], force)
        body[0] += TAU * body[1]
        body[1] += TAU * shove
        body[2] += TAU * body[3]
        body[3] += TAU * turn
        if fallen(body):
            return t + 1
    return steps


@kernel
def scatter(seed: int, generation: int, bodies: Array) -> None:
    """Bodies (episodes, 4) to start from, each number uniform in ±START."""
    for e in range(bodies.shape[0]):
        for j in range(4):
            bodies[e, j] = START * (2.0 * uniform(seed, generation, 4 * e + j) - 1.0)


class World:
    """Cart-poles and the net that drives them."""

    def __init__(self, cell: str, memory: bool, seed: int) -> None:
        self.cell, self.memory, self.seed = cells.get(cell), memory, seed
        self._live = bind(live, cell, advance=self.cell.advance)
        self._s1, self._x = np.zeros((self.cell.states(INPUTS), UNITS)), np.zeros(INPUTS)

    def parameters(self) -> Floats:
        """Where the search starts: the cell's own start, and a decision that weighs nothing."""
        theta = self.cell.init(UNITS, INPUTS, np.random.default_rng(self.seed))
        return np.hstack((theta, np.zeros((UNITS, 1))))

    def states(self, count: int) -> Floats:
        """Empty states of `count` nets."""
        return np.zeros((count, *self._s1.shape))

    def starts(self, purpose: int, generation: int, count: int) -> Floats:
        """Bodies (count, 4) to start from."""
        bodies = np.empty((count, 4))
        scatter(purpose + self.seed, generation, bodies)
        return bodies

    def live(self, theta: Floats, body: Floats, s: Floats, steps: int) -> int:
        """Go on with one body, at most `steps`."""
        return int(self._live(theta, steps, self.memory, body, s, self._s1, self._x))

    def stood(self, theta: Floats, starts: Floats) -> Floats:
        """How long the pole stood, in an episode from each of the starts."""
        states = self.states(len(starts))
        return np.array([self.live(theta, b, s, LIMIT) for b, s in zip(starts.copy(), states, strict=True)], float)


def by_episodes(world: World) -> Iterator[AntitheticES]:
    """Antithetic evolution strategies: each candidate is tried in whole episodes."""
    es = AntitheticES(world.parameters(), SIGMA, PAIRS, RATE, seed=world.seed)
    while True:
        starts = world.starts(TRAINING, es.generation, EPISODES)
        es.tell([world.stood(theta, starts).mean() for theta in es.ask()])
        yield es


def by_segments(world: World) -> Iterator[PersistentES]:
    """Persistent evolution strategies: a pair of particles starts anew when both have fallen, or at the limit."""
    es = PersistentES(world.parameters(), SIGMA, PAIRS, RATE_PERSISTENT, seed=world.seed)
    bodies, s, age = np.zeros((2 * PAIRS, 4)), world.states(2 * PAIRS), np.zeros(2 * PAIRS, int)
    anew = np.ones(2 * PAIRS, bool)
    while True:
        bodies[anew] = np.tile(world.starts(TRAINING, es.generation, PAIRS), (2, 1))[anew]
        s[anew], age[anew] = 0.0, 0
        reward = [world.live(*particle, SEGMENT) for particle in zip(es.ask(), bodies, s, strict=True)]
        age += SEGMENT
        ended = np.array([fallen(body) for body in bodies]) | (age == LIMIT)
        anew = np.tile(ended[:PAIRS] & ended[PAIRS:], 2)
        es.tell(reward, anew)
        yield es


def main(arguments: Sequence[str] | None = None) -> int:
    """Search, show the progress, and try what was found in fresh starts."""
    parser = argparse.ArgumentParser(description="A pole balanced from reward alone.")
    parser.add_argument("--persistent", action="store_true", help="learn from segments of episodes")
    parser.add_argument("--memoryless", action="store_true", help="forget the state before each step")
    parser.add_argument("--cell", default="gru", help="a cell of streamrnn.cells")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--generations", type=int, default=300, help="at the most")
    choice = parser.parse_args(arguments)
    world = World(choice.cell, not choice.memoryless, choice.seed)
    search = by_segments(world) if choice.persistent else by_episodes(world)
    theta, began = world.parameters(), time.monotonic()
    for es in islice(search, choice.generations):
        theta = es.theta
        if es.generation % CHECK_EVERY:
            continue
        steps = world.stood(theta, world.starts(CHECKING, es.generation, CHECKED))
        print(f"generation {es.generation:4}   steps: best {steps.max():3.0f}, mean {steps.mean():5.1f}, "
              f"worst {steps.min():3.0f}   {time.monotonic() - began:5.1f} s")  # fmt: skip
        if steps.min() == LIMIT:
            break
    steps = world.stood(theta, world.starts(FRESH, 0, HELD_OUT))
    balanced = int((steps == LIMIT).sum())
    found = f"mean {steps.mean():.1f}, worst {steps.min():.0f}"
    print(f"held out: balanced {LIMIT} steps in {balanced} of {HELD_OUT}; {found}")
    return 0 if balanced >= ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main())
