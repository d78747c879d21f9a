"""Once a row: it is taken in, and the analyses that are under way go on a little."""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.season import layout as at
from streamrnn.kernels.season.adoption import shortest
from streamrnn.kernels.season.analysis import FEW, OVERHEAD, STEPS, begin, step
from streamrnn.kernels.season.layout import DECIMATION, SHORT

FIRST = 48  # values in the first analysis

TALLY, TIMES, RING, BLOCK, FORCE, COUNT, PHASE = at.TALLY, at.TIMES, at.RING, at.BLOCK, at.FORCE, at.COUNT, at.PHASE
TURN, EVER, YOUNG, DUE, LENGTH, IDLE = at.TURN, at.EVER, at.YOUNG, at.DUE, at.LENGTH, at.IDLE


@kernel
def push(x: Array, m: tuple[Array, ...]) -> None:
    """Take a row into the rings: level i + 1 gets the means over 16 values of level i, of those that are there."""
    due, ring, block = m[TIMES], m[RING], m[BLOCK]
    levels, size, channels = ring.shape
    for level in range(levels):
        for c in range(channels):
            if level == 0:
                v = x[c] if math.isfinite(x[c]) else math.nan
            else:
                lower = block[level - 1]
                v = lower[0, c] / lower[1, c] if lower[1, c] > 0.0 else math.nan
                lower[0, c] = lower[1, c] = 0.0
            ring[level, due[EVER, level] % size, c] = v
            if math.isfinite(v):
                block[level, 0, c] += v
                block[level, 1, c] += 1.0
        due[EVER, level] += 1
        due[YOUNG, level] = min(due[YOUNG, level] + 1, size)
        if due[EVER, level] % DECIMATION:
            break


@kernel
def start(m: tuple[Array, ...]) -> None:
    """Begin the next analysis of a whole window that is due, if there is one; the levels take turns."""
    due, ring, tally = m[TIMES], m[RING], m[TALLY]
    for _ in range(ring.shape[0]):
        level = tally[TURN]
        tally[TURN] = (level + 1) % ring.shape[0]
        window = due[YOUNG, level]
        if window >= FIRST and due[EVER, level] >= due[DUE, level]:
            due[DUE, level] = due[EVER, level] + window // 4
            begin(level, 0, window, m)
            return


@kernel
def start_short(m: tuple[Array, ...]) -> None:
    """Begin the next analysis of a short window, if there is a season to watch."""
    due, ring, force = m[TIMES], m[RING], m[FORCE]
    watched, last = shortest(m), due.shape[1] - 1
    if watched >= 0 and due[EVER, 0] >= due[DUE, last]:
        window = max(int(FEW * force[watched, LENGTH]) + 2, FIRST)
        if 2 * window <= due[YOUNG, 0] and window <= ring.shape[1] // SHORT:
            due[DUE, last] = due[EVER, 0] + window // 4
            begin(0, 1, window, m)


@kernel
def observe(x: Array, memory: tuple[tuple[Array, ...], tuple[Array, ...]]) -> int:
    """Take a row x (channels,), NaN where a value is missing, and do a slice of the analyses that are under way.

    `memory` is what `views` returns. The field "season.rows" (3,) has the seasons in force in rows, ascending, 0 where
    there is none; entry CHANGES of "season.tally" counts how often that has changed. Returns the steps taken, without
    those of taking the row in.
    """
    whole, short = memory
    push(x, whole)
    if whole[COUNT][PHASE] == IDLE:
        start(whole)
    if short[COUNT][PHASE] == IDLE:
        start_short(short)
    steps = 0
    allowed = STEPS if whole[COUNT][PHASE] == IDLE else STEPS // 2
    while short[COUNT][PHASE] != IDLE and steps < allowed:
        steps += OVERHEAD + step(short, allowed - steps)
    while whole[COUNT][PHASE] != IDLE and steps < STEPS:
        steps += OVERHEAD + step(whole, STEPS - steps)
    return steps
