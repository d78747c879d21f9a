"""How much of a row is learned: a fault that stays must not become normal, and a real new level must in the end.

Four modes. LEARN takes every row in full. GATE weighs a row by its surprise. FREEZE and SHADOW gate as well, and learn
nothing while an event lasts; with SHADOW the caller lets a copy learn on, from the first row that says FROZEN: it takes
the copy over where a row says ACCEPTED, and drops it where the event has ended without.

A refusal is bounded. It ends when the user accepts; else not within an hour and MIN_ROWS rows of its start, or of
becoming half as odd again as it was; then as soon as every channel is steady (`settled`); and at `most` seconds
whatever the rows look like. From then on all rows are learned until the event ends, and for some tens of rows level and
scale may be learned as those of a new stream (`govern`: boost).

A channel is steady where, in the second half of the refusal so far, the two halves have the same mean, by the channel's
usual noise or by their own, whichever is smaller; their spreads are alike; and it moves as it used to (a stuck sensor
does not). Where its level is a new one, it must also be certain that a trend through all of the refusal explains no
more than a part of the way from the old level to the new: a ramp is not accepted early. The windows grow with the
refusal.

State of a stream: `held`, (HELD,) float64; of a channel: `usual`, (USUAL,) float64, and `blocks`, (BLOCKS, PARTS); all
zero at the start.

Sources: Huber, Robust Estimation of a Location Parameter (1964), §3, for the weight; the variance of a mean of
neighbouring values by their first autocorrelation, Bartlett 1946.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.scalar import clip

# modes
LEARN, GATE, FREEZE, SHADOW = range(4)
# what a row says
LEARNING, GATED, FROZEN, ACCEPTED, BARRED = range(5)
# entries of held: seconds refused so far, with events that came shortly before; seconds and rows of this event since
# it last became much odder, and its highest surprise; 1 while what was accepted lasts; rows since the acceptance (0:
# none); acceptances so far, rows refused in all
REFUSED, HERE, HERE_ROWS, HIGHEST, TAKEN, SINCE, ACCEPTANCES, UNLEARNED = range(8)
HELD = 8
# entries of usual: values seen, mean, variance, mean square of the changes, share of rows that change, last value
COUNT, MEAN, VARIANCE, CHANGE, MOVING, LAST = range(6)
USUAL = 6
# parts of a block: rows, mean, sum of squared deviations, sum of squared changes
ROWS, LEVEL, SCATTER, MOVED = range(4)
PARTS = 4
# the last row of blocks holds no rows but: rows that a block takes, blocks that are full, last value
BLOCKS = 17
LENGTH, FULL, BEFORE = range(3)

KNEE = 5.0  # nats; p = .0067
HOUR = 3600.0
DAY = 86400.0
MIN_ROWS = 20.0
AUTO_ROWS = 48.0  # a refusal lasts a day or so many typical intervals, whichever is longer
ODDER = 1.5  # times the highest surprise so far
LONGEST_GAP = 2.0  # typical intervals that one row may count as
CLIP = 5.0  # standard deviations that a value counts as in what is usual
FIRST_BLOCK = 2.0  # rows
AGREE = 2.0  # standard errors by which two halves may differ
ALIKE = 4.0  # ratio of variances of two halves, where they are long
CHANCE = 2.5  # and standard errors of its logarithm, √(4 / (n - 1)), where they are short
STILL = 0.05  # of the usual mean square change: what moves less is stuck
EXPECTED_MOVES = 5.0  # changes that must have been due before a channel can be called stuck
ROUNDING = 1e-24  # of a square: what sums of large values may be off by
UNDER_WAY = 0.3  # of the distance from the old level, which a trend may explain at the most
SURE = 1.64  # standard errors that are added to the trend
BOOST_ROWS = 100.0
AWAY = 3.0  # usual standard deviations


@kernel
def usual_observe(x: float, rate: float, weight: float, boost: float, usual: Array) -> None:
    """Learn what is usual of a channel: mean, variance, and how much and how often it moves.

    x       value, not NaN
    rate    weight of a row in the long memory; 1/t while younger
    weight  of this row, and least weight (`govern`); 0 leaves all but the last value as it was
    usual   (USUAL,) updated
    """
    n = usual[COUNT]
    if n == 0.0:
        usual[MEAN] = x
    elif weight > 0.0:
        w = weight * max(rate, boost, 1.0 / (n + 1.0))
        d, step = x - usual[MEAN], x - usual[LAST]
        if n >= MIN_ROWS and boost == 0.0 and usual[CHANGE] > 0.0:
            d = clip(d, CLIP * math.sqrt(usual[VARIANCE]))
            step = clip(step, CLIP * math.sqrt(usual[CHANGE]))
        usual[MEAN] += w * d
        usual[VARIANCE] = (1.0 - w) * (usual[VARIANCE] + w * d * d)
        usual[CHANGE] += w * (step * step - usual[CHANGE])
        usual[MOVING] += w * ((1.0 if x != usual[LAST] else 0.0) - usual[MOVING])
    usual[COUNT] = n + weight
    usual[LAST] = x


@kernel
def blocks_clear(blocks: Array) -> None:
    """Forget a refusal."""
    for b in range(BLOCKS):
        for k in range(PARTS):
            blocks[b, k] = 0.0


@kernel
def merge(blocks: Array, a: int, b: int, into: int) -> None:
    """Write the block of blocks a and b together; into ≤ a < b."""
    n = blocks[a, ROWS] + blocks[b, ROWS]
    away = blocks[b, LEVEL] - blocks[a, LEVEL]
    share = blocks[b, ROWS] / n
    scatter = blocks[a, SCATTER] + blocks[b, SCATTER] + away * away * blocks[a, ROWS] * share
    moved = blocks[a, MOVED] + blocks[b, MOVED]
    level = blocks[a, LEVEL] + share * away
    blocks[into, ROWS], blocks[into, LEVEL], blocks[into, SCATTER], blocks[into, MOVED] = n, level, scatter, moved


@kernel
def blocks_observe(x: float, blocks: Array) -> None:
    """Add a value to the refusal's blocks. Where all 16 are full, neighbours become one and a block takes twice as many
    rows: the refusal is covered from its first row at any length."""
    head = BLOCKS - 1
    if blocks[head, LENGTH] == 0.0:
        blocks[head, LENGTH], blocks[head, BEFORE] = FIRST_BLOCK, x
    at = int(blocks[head, FULL])
    n = blocks[at, ROWS] + 1.0
    d = x - blocks[at, LEVEL]
    step = x - blocks[head, BEFORE]
    blocks[at, ROWS] = n
    blocks[at, LEVEL] += d / n
    blocks[at, SCATTER] += d * (x - blocks[at, LEVEL])
    blocks[at, MOVED] += step * step
    blocks[head, BEFORE] = x
    if n < blocks[head, LENGTH]:
        return
    if at + 1 < head:
        blocks[head, FULL] = at + 1.0
        return
    for b in range(head // 2):
        merge(blocks, 2 * b, 2 * b + 1, b)
    for b in range(head // 2, head):
        for k in range(PARTS):
            blocks[b, k] = 0.0
    blocks[head, LENGTH] *= 2.0
    blocks[head, FULL] = head // 2


@kernel
def error_of_mean(variance: float, change: float, n: float) -> float:
    """Variance of the mean of n neighbouring values: V/n (1 + r)/(1 - r), at most V, with r = 1 - change / (2 V)."""
    if variance <= 0.0:
        return 0.0
    r = max(min(1.0 - 0.5 * change / variance, 1.0), -1.0)
    return variance * min((1.0 + r) / max((1.0 - r) * n, 1e-300), 1.0)


@kernel
def pooled(blocks: Array, first: int, last: int) -> tuple[float, float, float, float]:
    """Rows, mean, variance and mean square change of blocks first … last - 1 together."""
    n, mean, scatter, moved = 0.0, 0.0, 0.0, 0.0
    for b in range(first, last):
        m = blocks[b, ROWS]
        away = blocks[b, LEVEL] - mean
        scatter += blocks[b, SCATTER] + away * away * n * m / (n + m)
        mean += away * m / (n + m)
        moved += blocks[b, MOVED]
        n += m
    return n, mean, scatter / n, moved / n


@kernel
def settled(usual: Array, blocks: Array) -> bool:
    """Whether a channel is steady (see above). One without four full blocks is not. Changes nothing."""
    full = int(blocks[BLOCKS - 1, FULL])
    quarter = full // 4
    if quarter < 1:
        return False
    n, mean0, variance0, change0 = pooled(blocks, full - 2 * quarter, full - quarter)
    n, mean1, variance1, change1 = pooled(blocks, full - quarter, full)
    variance, change, level = 0.5 * (variance0 + variance1), 0.5 * (change0 + change1), 0.5 * (mean0 + mean1)
    rounding = ROUNDING * level * level
    if change < STILL * usual[CHANGE] and usual[MOVING] * 2.0 * n >= EXPECTED_MOVES:
        return False
    ratio = max(ALIKE, math.exp(CHANCE * math.sqrt(4.0 / max(n - 1.0, 1.0))))
    if max(variance0, variance1) > ratio * min(variance0, variance1) + rounding:
        return False
    error = error_of_mean(variance, change, n)
    if usual[VARIANCE] > 0.0:
        error = min(error, error_of_mean(usual[VARIANCE], usual[CHANGE], n))
    if abs(mean1 - mean0) > AGREE * math.sqrt(2.0 * error + rounding):
        return False
    away = abs(level - usual[MEAN])
    if away <= math.sqrt(usual[VARIANCE]):
        return True
    # how far a trend through all of the refusal would have come, and how far it could have within the noise
    n, mean0, variance0, change0 = pooled(blocks, full % 2, full // 2 + full % 2)
    n, mean1, variance1, change1 = pooled(blocks, full // 2 + full % 2, full)
    error = error_of_mean(0.5 * (variance0 + variance1), 0.5 * (change0 + change1), n)
    if usual[VARIANCE] > 0.0:
        error = min(error, error_of_mean(usual[VARIANCE], usual[CHANGE], n))
    return 2.0 * (abs(mean1 - mean0) + SURE * math.sqrt(2.0 * error)) <= UNDER_WAY * away + math.sqrt(rounding)


@kernel
def abnormal(usual: Array, blocks: Array) -> bool:
    """Whether the later half of what was refused is still another thing than what was usual: farther off than AWAY
    deviations, stuck, or ALIKE times as variable. The surprise of a lasting fault wears off; this does not."""
    full = int(blocks[BLOCKS - 1, FULL])
    if full < 2 or usual[VARIANCE] <= 0.0:
        return False
    n, level, variance, change = pooled(blocks, full // 2, full)
    if abs(level - usual[MEAN]) > AWAY * math.sqrt(usual[VARIANCE]):
        return True
    if change < STILL * usual[CHANGE] and usual[MOVING] * n >= EXPECTED_MOVES:
        return True
    return variance > ALIKE * usual[VARIANCE] and n >= MIN_ROWS


@kernel
def refusal_of(most: float, interval: float) -> float:
    """Seconds that learning is refused at the most: as chosen, or a day and 48 typical intervals where that is 0."""
    return most if most > 0.0 else max(DAY, AUTO_ROWS * interval)


@kernel
def gate(nats: float, knee: float) -> float:
    """Weight of a row by its surprise: 1 up to the knee, then √(knee / nats).

    The surprise of a normal residual is about z²/2, so this is Huber's weight, z(knee) / z: no row moves a mean by more
    than one at the knee does.
    """
    return 1.0 if not nats > knee else math.sqrt(knee / nats)


@kernel
def ripe(held: Array) -> bool:
    """Whether the event has lasted an hour and MIN_ROWS rows, so that `settled` is worth asking."""
    return held[HERE] >= HOUR and held[HERE_ROWS] >= MIN_ROWS


@kernel
def govern(
    mode: int, nats: float, on: bool, steady: bool, accept: bool, barred: bool, most: float, gap: float,
    interval: float, held: Array, out: Array,
) -> int:  # fmt: skip
    """How much of a row is learned.

    mode      LEARN, GATE, FREEZE or SHADOW
    nats      surprise; NaN where there is none
    on        an event lasts, this row's included, told or muted
    steady    all channels are `settled`; asked for only where `ripe`, and not believed on a row without a surprise
    accept    the user says: this is normal now
    barred    learning is muted (maintenance): weight 0 whatever the mode
    most      seconds that may be refused (`refusal_of`)
    gap       seconds since the last row, of which two intervals count;  interval  typical seconds
    held      (HELD,) updated
    out       (2,) weight of the row in [0, 1]; least weight of level and scale, 0 where there is none: rates become
              max(rate, boost), which is 1/(k + 1) in row k after an acceptance, as if the stream began there
    Returns LEARNING, GATED (weight below 1), FROZEN (0), ACCEPTED (the refusal ends with this row, which is learned) or
    BARRED. The caller adds FROZEN rows to the blocks of each channel, after `blocks_clear` where held[HERE_ROWS] is 1.
    """
    elapsed = min(gap, LONGEST_GAP * interval)
    out[0], out[1] = 1.0, 0.0
    if held[SINCE] > 0.0:
        held[SINCE] += 1.0
        if held[SINCE] > BOOST_ROWS:
            held[SINCE] = 0.0
    if barred:
        out[0] = 0.0
        return BARRED
    taken = False
    if not on:
        # an event that comes again within the time it lasted goes on with its refusal
        held[REFUSED] = max(held[REFUSED] - elapsed, 0.0)
        held[HERE] = held[HERE_ROWS] = held[HIGHEST] = held[TAKEN] = 0.0
    elif mode >= FREEZE and held[TAKEN] == 0.0:
        if held[HERE_ROWS] > 0.0:
            held[HERE] += elapsed
            held[REFUSED] += elapsed
        if nats > ODDER * held[HIGHEST]:  # another fault on top, or one that grows: its first hour begins
            held[HERE] = held[HERE_ROWS] = 0.0
        if nats > held[HIGHEST]:
            held[HIGHEST] = nats
        held[HERE_ROWS] += 1.0
        taken = held[REFUSED] >= most or (ripe(held) and steady and nats == nats)
    if taken or (accept and (on or held[REFUSED] > 0.0)):
        held[REFUSED] = held[HERE] = held[HERE_ROWS] = held[HIGHEST] = 0.0
        held[TAKEN] = 1.0 if on else 0.0
        held[SINCE] = 1.0
        held[ACCEPTANCES] += 1.0
        out[1] = 0.5
        return ACCEPTED
    if held[SINCE] > 0.0:
        out[1] = 1.0 / (held[SINCE] + 1.0)
    if held[HERE_ROWS] > 0.0:
        held[UNLEARNED] += 1.0
        out[0] = 0.0
        return FROZEN
    if mode == LEARN or held[TAKEN] != 0.0:
        return LEARNING
    out[0] = gate(nats, KNEE)
    return GATED if out[0] < 1.0 else LEARNING
