"""Which other channels a channel looks at: those that say something of what its own past leaves unsaid.

What is left unsaid is the error one row ahead of the wide expert without its features of other channels. It is set
against those features of every channel, over the last HEARD_BACK rows, again and again: a channel that says nothing is
let go, and its features cost nothing any more; one that says something takes a free place, or that of one that says
much less. A channel starts with all the others where they are few, else with none.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array, Ints
from streamrnn.kernels.normalise import BOUND
from streamrnn.kernels.scalar import clip

EVERY = 1024  # rows between two choices
FIRST_LOOK = 512  # rows after which the first is made of many channels, each a row later than the one before
ENTER = 20.0  # relevance that lets a channel in
SETTLED = 4096  # rows before which no channel is let go: long horizons are learned slowly
WORSE = 0.3  # standard errors
MUCH = 2.0  # times the relevance of another takes its place
MEAN_OF = 16  # values


def choose_first(relatives: Ints, listened: Ints) -> bool:
    """Before anything is known: (C, R) and (C, N) all others where they are few, the first of them; else none.

    Returns whether all are there.
    """
    channels, most = relatives.shape
    relatives[:], listened[:] = -1, -1
    few = channels - 1 <= most
    for c in range(channels if few else 0):
        relatives[c] = [d for d in range(channels) if d != c]
        listened[c] = relatives[c, : listened.shape[1]]
    return bool(few)


@kernel
def time_to_choose(rows: int, c: int, channels: int, most: int) -> bool:
    """Whether channel c chooses its relatives after this row."""
    since = rows - c
    return (since >= EVERY and since % EVERY == 0) or (since == FIRST_LOOK and channels - 1 > most)


@kernel
def relevance(rows: int, c: int, d: int, season: int, unit: float, past: Array, total: Array, residue: Array) -> float:
    """How surely channel d says something of what is left unsaid of channel c: the largest of

        (Σ e z)² / Σ e² z²

    over the last rows, e the residue of c, z a feature of d one row before: its last two changes, its value a season
    before that row, its mean less its value. Squares of standard normals where d says nothing, of any variance
    (White, A heteroskedasticity-consistent covariance matrix estimator, Econometrica 1980).

    unit  of change of channel d, > 0
    """
    size, kept = past.shape[1], residue.shape[1]
    s0 = s1 = s2 = s3 = 0.0
    q0 = q1 = q2 = q3 = 1e-300
    before = 0 < season < size - kept
    for t in range(max(rows - kept + 1, MEAN_OF + 2, season + 1 if before else 0), rows + 1):
        e = residue[c, t % kept]
        if e == 0.0:
            continue
        here = past[d, (t - 1) % size]
        z0 = clip((here - past[d, (t - 2) % size]) / unit, BOUND) * e
        z1 = clip((past[d, (t - 2) % size] - past[d, (t - 3) % size]) / unit, BOUND) * e
        mean = (total[d, (t - 1) % size] - total[d, (t - 1 - MEAN_OF) % size]) / MEAN_OF
        z2 = clip((mean - here) / unit, BOUND) * e
        z3 = clip((past[d, (t - season) % size] - here) / unit, BOUND) * e if before else 0.0
        s0, s1, s2, s3 = s0 + z0, s1 + z1, s2 + z2, s3 + z3
        q0, q1, q2, q3 = q0 + z0 * z0, q1 + z1 * z1, q2 + z2 * z2, q3 + z3 * z3
    return max(max(s0 * s0 / q0, s1 * s1 / q1), max(s2 * s2 / q2, s3 * s3 / q3))


@kernel
def brings_nothing(horizon: int, gained: Array) -> bool:
    """Whether forecasts were rather the worse for a relative at the first, middle and last horizon, each by some part
    of a standard error. Errors k rows ahead hang together over k rows, which makes it √k times as large.

    gained  (6,) of the relative (`_linear.linear_gained`)
    """
    for j in range(3):
        ahead = j * (horizon - 1) // 2 + 1
        if gained[j] > -WORSE * math.sqrt(ahead * gained[3 + j]):
            return False
    return True


@kernel
def place_of(d: int, c: int, chosen: Array) -> int:
    """Where channel d stands in row c of `chosen`; -1: nowhere."""
    for i in range(chosen.shape[1]):
        if chosen[c, i] == d:
            return i
    return -1


@kernel
def choose_relatives(
    rows: int, c: int, horizon: int, season: int, scale: Array, past: Array, total: Array, residue: Array, worth: Array,
    gained: Array, relatives: Array, listened: Array,
) -> int:  # fmt: skip
    """Let channels go and in; returns the places that have changed, a bit each.

    scale      (C,)
    worth      (C,) out: relevance of each channel
    relatives  (C, R) row c updated; -1: a free place
    listened   (C, N) row c updated where there are more others than R: one that the net hears gives way to a relative
               once it is none itself
    """
    channels, most = relatives.shape
    changed = 0
    for d in range(channels):
        worth[d] = 0.0
        if d != c and scale[d] > 0.0:
            worth[d] = relevance(rows, c, d, season, scale[d], past, total, residue)
    for i in range(most):
        if relatives[c, i] >= 0 and rows >= SETTLED and brings_nothing(horizon, gained[i]):
            worth[relatives[c, i]], relatives[c, i] = 0.0, -1
            changed |= 1 << i
    for _ in range(most):
        best, place, least = -1, -1, 0.0
        for d in range(channels):
            better = worth[d] > ENTER and (best < 0 or worth[d] > worth[best])
            if better and place_of(d, c, relatives) < 0:
                best = d
        if best < 0:
            break
        for i in range(most - 1, -1, -1):
            w = worth[relatives[c, i]] if relatives[c, i] >= 0 else -1.0
            if place < 0 or w <= least:
                place, least = i, w
        if worth[best] < MUCH * least:
            break
        relatives[c, place] = best
        changed |= 1 << place
    if channels - 1 > most:
        for i in range(listened.shape[1]):
            if listened[c, i] >= 0 and place_of(listened[c, i], c, relatives) >= 0:
                continue
            best = -1
            for j in range(most):
                d = relatives[c, j]
                if d >= 0 and place_of(d, c, listened) < 0 and (best < 0 or worth[d] > worth[best]):
                    best = d
            if best >= 0:
                listened[c, i] = best
                changed |= 1 << (most + i)
    for i in range(most):
        if changed >> i & 1:
            gained[i] = 0.0
    return changed
