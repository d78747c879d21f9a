"""Copying: a symbol, L blanks, a cue; at the cue the net must say the symbol. One symbol of ten a trial, no pauses.

Nothing but the delay is difficult: the ten symbols have a channel each, blank and cue one more. Only the answer is
judged, and only it is learned from, by cross entropy. Source: Hochreiter & Schmidhuber, Long Short-Term Memory (Neural
Computation 1997), in the form of Arjovsky, Shah & Bengio, Unitary Evolution Recurrent Neural Networks (ICML 2016),
with one symbol in place of a sequence.
"""

from __future__ import annotations

import math

import numpy as np

from streamrnn._bind import kernel
from streamrnn._types import Array, Floats

SYMBOLS = 10
BLANK, CUE, INPUTS = SYMBOLS, SYMBOLS + 1, SYMBOLS + 2
OUTPUTS = SYMBOLS
CHANCE = 1.0 - 1.0 / SYMBOLS  # share of wrong answers of a guess
SOLVED = 0.01  # share of wrong answers in the last fifth of the pass, at most


def stream(delay: int, steps: int, seed: int) -> tuple[Floats, Floats]:
    """(xs (steps, INPUTS), targets (steps,)): NaN where no answer is due."""
    rng = np.random.default_rng((seed, delay))
    length = delay + 2
    at = np.arange(steps) % length
    symbols = rng.integers(0, SYMBOLS, size=steps // length + 1)[np.arange(steps) // length]
    xs = np.zeros((steps, INPUTS))
    xs[np.arange(steps), np.where(at == 0, symbols, np.where(at == length - 1, CUE, BLANK))] = 1.0
    return xs, np.where(at == length - 1, symbols, np.nan)


@kernel
def judge(y: Array, target: float, slope: Array) -> float:
    """Cross entropy: its slope on the outputs y. Gives 1 where the likeliest symbol is wrong, else 0."""
    best = 0
    for o in range(y.shape[0]):
        if y[o] > y[best]:
            best = o
    total = 0.0
    for o in range(y.shape[0]):
        slope[o] = math.exp(y[o] - y[best])
        total += slope[o]
    for o in range(y.shape[0]):
        slope[o] /= total
    slope[int(target)] -= 1.0
    return 0.0 if best == int(target) else 1.0


def error(losses: Floats, targets: Floats) -> float:
    """Share of wrong answers."""
    judged = losses[~np.isnan(targets)]
    return float(judged.mean()) if judged.size else math.nan
