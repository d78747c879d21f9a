"""The passes over a window, channel by channel: up to r, or up to the lines that the proof compares.

A pass is done in slices: elements `first` … `last` - 1 of it; `over` tells that they are its last ones, and that the
next pass is to be entered.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.season import layout as at
from streamrnn.kernels.season.fourier import beginning, butterflies, fold, transform
from streamrnn.kernels.season.layout import unit_of
from streamrnn.kernels.season.proof import harmonics, neighbours, off_line
from streamrnn.kernels.season.windows import (
    CLIP,
    CLIPPINGS,
    CONSTANT,
    average,
    centre,
    cut,
    gather,
    level_out,
    spread,
    subtract,
    survey,
    take,
)

REST = 0.02  # what seasons leave is searched for more where it is more than this share of a channel's energy

TIMES, RING, COUNT, WORK, LAG, MEANS, SUMS = at.TIMES, at.RING, at.COUNT, at.WORK, at.LAG, at.MEANS, at.SUMS
REMOVE, TESTS, POWERS, LINES, EVER, CASES = at.REMOVE, at.TESTS, at.POWERS, at.LINES, at.EVER, at.CASES
PHASE, AT, STAGE, LEVEL, CHANNEL, BASE, WINDOW = at.PHASE, at.AT, at.STAGE, at.LEVEL, at.CHANNEL, at.BASE, at.WINDOW
SIZE, FILLED, PROVING, REMOVED, REMOVING, CASE = at.SIZE, at.FILLED, at.PROVING, at.REMOVED, at.REMOVING, at.CASE
NEIGHBOUR, HARMONIC, PASS = at.NEIGHBOUR, at.HARMONIC, at.PASS
TAKE, LINE, SCALE, CUT, CENTRE, PROFILE, SUBTRACT = (
    at.TAKE, at.LINE, at.SCALE, at.CUT, at.CENTRE, at.PROFILE, at.SUBTRACT,
)  # fmt: skip
PAD, FORWARD, POWER, INVERSE, GATHER = at.PAD, at.FORWARD, at.POWER, at.INVERSE, at.GATHER
SEEK, FOLD, SUM, JUDGE = at.SEEK, at.FOLD, at.SUM, at.JUDGE
N_, T, Y, TT, TY, MEAN, SLOPE = at.N_, at.T, at.Y, at.TT, at.TY, at.MEAN, at.SLOPE
ABS, BOUND, LARGEST = at.ABS, at.BOUND, at.LARGEST
ENERGY, ENERGY2, TOTAL, RE, IM, RE2, IM2 = at.ENERGY, at.ENERGY2, at.TOTAL, at.RE, at.IM, at.RE2, at.IM2


@kernel
def turn(m: tuple[Array, ...]) -> None:
    """Go on to the next channel; where two wait to be transformed, or none is left, to what comes then."""
    count = m[COUNT]
    if count[CHANNEL] < m[RING].shape[2] and count[FILLED] < 2:
        count[PHASE] = TAKE
    elif count[PROVING] == 1:
        count[PHASE] = JUDGE
    elif count[FILLED] > 0:
        count[PHASE] = PAD
    else:
        count[PHASE] = SEEK


@kernel
def refold(m: tuple[Array, ...]) -> None:
    """Go on to the next neighbours of a tested season's lines, to the next test, or to the next channel."""
    count, profile, cases = m[COUNT], m[MEANS], m[TESTS]
    count[NEIGHBOUR] += 1
    while count[CASE] < CASES and count[NEIGHBOUR] > neighbours(int(cases[count[CASE], 1])):
        count[CASE] += 1
        count[NEIGHBOUR] = 0
    if count[CASE] == CASES:
        turn(m)
        return
    for p in range(int(cases[count[CASE], 0]) + 3):
        profile[0, p] = profile[1, p] = 0.0
    count[PHASE] = FOLD


@kernel
def unseason(m: tuple[Array, ...]) -> None:
    """Go on to the next season that is to be subtracted; after the last one, to what the channel is wanted for.

    Two channels at a time are transformed, as real and imaginary part. The proof takes them singly.
    """
    count, profile, sums = m[COUNT], m[MEANS], m[SUMS]
    count[REMOVING] += 1
    if count[REMOVING] < count[REMOVED]:
        for p in range(profile.shape[1]):
            profile[0, p] = profile[1, p] = 0.0
        count[PHASE] = PROFILE
    elif not sums[ENERGY + count[FILLED]] > REST * sums[TOTAL]:
        turn(m)
    elif count[PROVING] == 1:
        count[CASE], count[NEIGHBOUR] = 0, -1
        refold(m)
    else:
        count[FILLED] += 1
        turn(m)


@kernel
def prepare(m: tuple[Array, ...], first: int, last: int, over: bool) -> None:
    """A channel is taken from the ring, freed of its line, clipped and centred."""
    count, sums = m[COUNT], m[SUMS]
    n, phase = count[WINDOW], count[PHASE]
    d = m[WORK][count[FILLED], first:last]
    t = first - 0.5 * (n - 1)
    if phase == TAKE:
        series = m[RING][count[LEVEL], :, count[CHANNEL]]
        if first == 0:
            count[BASE] = m[TIMES][EVER, count[LEVEL]] - n
            sums[N_] = sums[LARGEST] = sums[T] = sums[Y] = sums[TT] = sums[TY] = 0.0
            survey(series, count[BASE], n, m[MEANS], sums)
        take(series, count[BASE] + first, t, d, sums)
        if over:
            count[CHANNEL] += 1
            if 2.0 * sums[N_] < n:
                turn(m)
                return
            mean_t, mean = sums[T] / sums[N_], sums[Y] / sums[N_]
            sums[SLOPE] = (sums[TY] - mean_t * sums[Y]) / (sums[TT] - mean_t * sums[T])
            sums[MEAN] = mean - sums[SLOPE] * mean_t
            sums[ABS] = 0.0
            count[PHASE] = LINE
    elif phase == LINE:
        sums[ABS] += level_out(t, d, sums[MEAN], sums[SLOPE])
        if over:
            sums[BOUND] = CLIP * sums[ABS] / sums[N_]
            if not sums[BOUND] > CLIP * CONSTANT * sums[LARGEST]:
                turn(m)
                return
            count[PASS], sums[ABS] = 0, 0.0
            count[PHASE] = SCALE
    elif phase == SCALE:
        sums[ABS] += spread(d, sums[BOUND])
        if over:
            sums[BOUND] = CLIP * sums[ABS] / sums[N_]
            count[PASS] += 1
            sums[ABS] = sums[MEAN] = 0.0
            count[PHASE] = SCALE if count[PASS] < CLIPPINGS else CUT
    elif phase == CUT:
        sums[MEAN] += cut(d, sums[BOUND])
        if over:
            sums[MEAN] /= sums[N_]
            sums[ENERGY + count[FILLED]] = 0.0
            count[PHASE] = CENTRE
    else:  # CENTRE
        sums[ENERGY + count[FILLED]] += centre(d, sums[MEAN])
        if over:
            sums[TOTAL] = sums[ENERGY + count[FILLED]]
            count[REMOVING] = -1
            unseason(m)


@kernel
def explain(m: tuple[Array, ...], first: int, last: int, over: bool) -> None:
    """The mean of each phase of a season is gathered, and then subtracted."""
    count, profile, sums = m[COUNT], m[MEANS], m[SUMS]
    s = m[REMOVE][count[REMOVING]] / unit_of(count[LEVEL])
    d = m[WORK][count[FILLED]]
    if count[PHASE] == PROFILE:
        gather(d, first, last, s, profile)
        if over:
            average(s, profile)
            sums[ENERGY + count[FILLED]] = 0.0
            count[PHASE] = SUBTRACT
    else:
        sums[ENERGY + count[FILLED]] += subtract(d, first, last, s, profile)
        if over:
            unseason(m)


@kernel
def correlate(m: tuple[Array, ...], first: int, last: int, over: bool) -> None:
    """r of the one or two channels in `work` as one complex z: the real part of Σ_t z[t + l] z*[t]."""
    count, lag, sums = m[COUNT], m[LAG], m[SUMS]
    n, size, phase = count[WINDOW], count[SIZE], count[PHASE]
    re, im = m[WORK][0], m[WORK][1]
    if phase == PAD:
        a = 1.0 / math.sqrt(sums[ENERGY])
        b = 1.0 / math.sqrt(sums[ENERGY2]) if count[FILLED] == 2 else 0.0
        for t in range(first, last):
            re[t] = re[t] * a if t < n else 0.0
            im[t] = im[t] * b if t < n and count[FILLED] == 2 else 0.0
        if over:
            count[STAGE], count[PHASE] = 0, FORWARD
    elif phase == POWER:
        for t in range(first, last):
            re[t], im[t] = re[t] * re[t] + im[t] * im[t], 0.0
        if over:
            count[STAGE], count[PHASE] = 0, INVERSE
    elif phase == GATHER:
        for i in range(first, last):
            lag[i] += re[i] / size * n / (n - i)
        if over:
            count[FILLED] = 0
            turn(m)
    else:
        butterflies(size, count[STAGE], first, last, phase == INVERSE, re, im)
        if over:
            count[STAGE] += 1
            if 1 << count[STAGE] == size:
                count[PHASE] = POWER if phase == FORWARD else GATHER


@kernel
def compare(m: tuple[Array, ...], first: int, last: int, over: bool) -> None:
    """The Fourier coefficients at a tested season's harmonics, or at those beside them, add to the test's power."""
    count, work, profile, sums = m[COUNT], m[WORK], m[MEANS], m[SUMS]
    s, whole, q = m[TESTS][count[CASE], 0], int(m[TESTS][count[CASE], 1]), count[NEIGHBOUR]
    if count[PHASE] == FOLD:
        fold(work[0], count[WINDOW] - beginning(whole, s), s, whole, q, first, last, profile)
        if over:
            count[HARMONIC], count[PHASE] = 1, SUM
        return
    if first == 0:
        sums[RE] = sums[IM] = sums[RE2] = sums[IM2] = 0.0
    j = count[HARMONIC]
    transform(profile, s, whole, q, j, first, last, sums)
    if over:
        here, line = m[POWERS][count[CASE], j - 1], m[LINES][j - 1]
        size = (sums[RE] * sums[RE] + sums[IM] * sums[IM]) / sums[ENERGY]
        if q == 0:
            here[0] += size
            line[0], line[1] = sums[RE], sums[IM]
        else:
            here[1] += size + (sums[RE2] * sums[RE2] + sums[IM2] * sums[IM2]) / sums[ENERGY]
        if q == 1:
            here[2] += (line[0] * line[0] + line[1] * line[1]) / sums[ENERGY] * off_line(line, sums)
        count[HARMONIC] += 1
        if count[HARMONIC] > harmonics(s):
            refold(m)
