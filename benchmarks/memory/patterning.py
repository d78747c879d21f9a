"""Trace patterning: which of twenty patterns came decides whether a stimulus follows it, L steps later.

A pattern is three of six channels on, for one step. Ten of the twenty patterns, drawn with the seed, are followed by
the unconditioned stimulus L steps later; nothing marks that step. Then comes a pause of 1 to L steps. Four distractors
are each on in one step of twenty. At each step the net says the stimulus of the next one; the error is the mean square
as a share of that of the mean. Knowing when but not whether gives 0.5. After Rafiee et al., From Eye-blinks to
State Construction (Adaptive Behavior 2022), trace patterning; there delays vary and a discounted sum is predicted.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from streamrnn._bind import kernel
from streamrnn._types import Array, Floats

PATTERNS = tuple(combinations(range(6), 3))
DISTRACTORS, SHARE = 4, 0.05
STIMULUS, INPUTS = 6 + DISTRACTORS, 7 + DISTRACTORS
OUTPUTS = 1
CHANCE = 1.0
SOLVED = 0.25  # half of what a net gets that knows when, but not whether


def stream(delay: int, steps: int, seed: int) -> tuple[Floats, Floats]:
    """(xs (steps, INPUTS), targets (steps,)): the stimulus of the next step."""
    rng = np.random.default_rng((seed, delay))
    active = rng.permutation(len(PATTERNS)) < len(PATTERNS) // 2
    trials = steps // delay + 2
    begin = np.cumsum(delay + rng.integers(1, delay + 1, size=trials)) - delay
    which = rng.integers(0, len(PATTERNS), size=trials)
    xs = np.zeros((begin[-1] + delay + 1, INPUTS))
    for channel in range(3):
        xs[begin, np.array(PATTERNS)[which, channel]] = 1.0
    xs[begin + delay, STIMULUS] = active[which]
    xs[:steps, 6:STIMULUS] = rng.random((steps, DISTRACTORS)) < SHARE
    return xs[:steps].copy(), xs[1 : steps + 1, STIMULUS].copy()


@kernel
def judge(y: Array, target: float, slope: Array) -> float:
    """Half of the squared error: its slope on y. Gives the squared error."""
    slope[0] = y[0] - target
    return float(slope[0] * slope[0])


def error(losses: Floats, targets: Floats) -> float:
    """Mean square over that of the mean."""
    return float(losses.mean() / targets.var())
