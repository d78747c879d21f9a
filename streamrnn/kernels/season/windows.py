"""One channel's window: tamed, freed of its line, clipped, centred; then its seasons are subtracted. In slices."""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.season.layout import BOUND, LARGEST, MIDDLE, N_, TT, TY, T, Y

CLIP, CLIPPINGS = 5.0, 2  # mean absolute deviations; passes that estimate them
DRAWN, WILD = 31, 30.0  # values whose median and median distance say what is too wild to be looked at
CONSTANT = 1e-14  # a deviation that is so small a share of the values is rounding


@kernel
def place(drawn: Array, count: int, v: float) -> None:
    """Insert v into the first `count` entries, which are in ascending order."""
    i = count
    while i > 0 and drawn[i - 1] > v:
        drawn[i] = drawn[i - 1]
        i -= 1
    drawn[i] = v


@kernel
def survey(series: Array, start: int, n: int, room: Array, sums: Array) -> None:
    """sums[MIDDLE], sums[BOUND]: a median, and how far from it a value may be; drawn from all over the window.

    series  (size,) a channel's ring; the window begins at entry `start`
    """
    drawn, away = room[0], room[1]
    count = 0
    for k in range(DRAWN):
        v = series[(start + ((k + 1) * 2654435761 % 4294967296 * n >> 32)) % series.shape[0]]
        if v == v:
            place(drawn, count, v)
            count += 1
    sums[MIDDLE], sums[BOUND] = 0.0, math.inf
    if count > 0:
        sums[MIDDLE] = drawn[count // 2]
        for k in range(count):
            place(away, k, abs(drawn[k] - sums[MIDDLE]))
        if away[count // 2] > 0.0:
            sums[BOUND] = WILD * away[count // 2]


@kernel
def take(series: Array, start: int, t: float, d: Array, sums: Array) -> None:
    """d: distances from the median of the values from entry `start` on, kept within the bound. Sums for the line.

    t    of the first value, from the middle of the window
    """
    at, middle, bound = start % series.shape[0], sums[MIDDLE], sums[BOUND]
    seen, largest, st, sy, tt, ty = sums[N_], sums[LARGEST], sums[T], sums[Y], sums[TT], sums[TY]
    for i in range(d.shape[0]):
        v = series[at] - middle
        if v == v:
            v = min(max(v, -bound), bound)
            seen += 1.0
            largest = max(largest, abs(middle + v))
            st += t
            sy += v
            tt += t * t
            ty += t * v
        d[i] = v
        t += 1.0
        at += 1
        if at == series.shape[0]:
            at = 0
    sums[N_], sums[LARGEST], sums[T], sums[Y], sums[TT], sums[TY] = seen, largest, st, sy, tt, ty


@kernel
def level_out(t: float, d: Array, mean: float, slope: float) -> float:
    """Distances from the line mean + slope t, d[0] being that of t. Returns the sum of their sizes."""
    total = 0.0
    for i in range(d.shape[0]):
        v = d[i]
        if v == v:
            v -= mean + slope * (t + i)
            d[i] = v
            total += abs(v)
    return total


@kernel(reassociate=True)
def spread(d: Array, bound: float) -> float:
    """Σ min(|d|, bound) over what is there."""
    total = 0.0
    for t in range(d.shape[0]):
        v = abs(d[t])
        total += (bound if v > bound else v) if v == v else 0.0
    return total


@kernel
def cut(d: Array, bound: float) -> float:
    """Clip at ± bound; returns the sum."""
    total = 0.0
    for t in range(d.shape[0]):
        v = d[t]
        if v == v:
            v = min(max(v, -bound), bound)
            d[t] = v
            total += v
    return total


@kernel
def centre(d: Array, mean: float) -> float:
    """Subtract the mean; what is missing becomes 0. Returns the energy."""
    total = 0.0
    for t in range(d.shape[0]):
        v = d[t]
        v = v - mean if v == v else 0.0
        d[t] = v
        total += v * v
    return total


@kernel
def parts_of(s: float) -> int:
    """Points of a season's profile: its values where these are whole; never fewer than 32 where they are not."""
    whole = int(s + 0.5)
    return whole if s >= 32.0 or (whole > 0 and abs(s - whole) < 1e-6) else 32


@kernel
def turns_of(t: int, s: float, parts: int) -> float:
    """Where in its season value t lies, 0 ≤ … < parts."""
    turns = t / s
    return (turns - math.floor(turns)) * parts


@kernel
def gather(d: Array, first: int, last: int, s: float, profile: Array) -> None:
    """profile[0, p] += values first … last - 1 that are nearest to point p of their season, profile[1, p] += 1."""
    parts = parts_of(s)
    for t in range(first, last):
        p = int(turns_of(t, s, parts) + 0.5)
        if p >= parts:
            p = 0
        profile[0, p] += d[t]
        profile[1, p] += 1.0


@kernel
def average(s: float, profile: Array) -> None:
    """From sums to means, where there are values."""
    for p in range(parts_of(s)):
        if profile[1, p] > 0.0:
            profile[0, p] /= profile[1, p]


@kernel
def subtract(d: Array, first: int, last: int, s: float, profile: Array) -> float:
    """Values first … last - 1 less their season's profile, linear between its points. Returns their energy."""
    parts = parts_of(s)
    energy = 0.0
    for t in range(first, last):
        u = turns_of(t, s, parts)
        p = min(int(u), parts - 1)
        q = p + 1 if p + 1 < parts else 0
        a, b, share = profile[0, p], profile[0, q], u - p
        if profile[1, p] == 0.0 or profile[1, q] == 0.0:  # few phases occur: the nearest point is this one's own
            share = 0.0 if share < 0.5 else 1.0
        v = d[t] - (a + share * (b - a))
        d[t] = v
        energy += v * v
    return energy
