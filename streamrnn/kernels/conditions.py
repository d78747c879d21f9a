"""Conditions of the data itself: values that fail to come, a silent stream, a stuck value, another sampling interval.

Each is calibrated by the stream: what it does by nature is no condition.

    MISSING   a channel has had no value for 3 of its usual waits and 15 of their mean deviations; or rows without a
              value have become more frequent
    FLAT      a channel that moves has not moved for 3 of its usual waits and 15 deviations, and for longer than half
              as long again as the third longest wait of late
    SILENT    nothing has come for 3 expected intervals, and 15 mean deviations of the times at which something comes;
              this by the clock of this machine, all else by the rows' own times
    RATE      the interval between rows is more than 1.5 times longer, or shorter, than expected: for two rows that are
              late, three that are early, or as often as a change of frequency shows

A wait is counted in rows, so that a gap in the stream is not held against a channel; of rows that come faster than
expected each counts as its part of an interval. That a sum of waits with deviation d exceeds its mean by 15 d happens
once in a million waits if waits are exponential or geometric. How often something happens is watched by a cumulative
sum of log likelihood ratios (Page, Continuous Inspection Schemes, Biometrika 1954, §2): from its usual share q to
(1 + q) / 2. A bar of h nats is reached by chance once in more than exp(h) rows where q is known.

State of a stream with C channels, zero at the start; condition 0 is RATE, 1 + c MISSING of channel c, 1 + C + c FLAT:

    clock   (CLOCK,)         int64    entries below
    begun   (1 + 2 C,)       int64    time (ns) since which it would hold
    holds   (1 + 2 C,)       int64    1 while it holds
    since   (1 + 2 C,)       int64    time (ns) since which it holds, 0 while it does not
    told    (1 + 2 C,)       int64    1 where somebody was told that it holds
    pace    (PACE,)          float64  entries below
    first   (FIRST,)         float64  the first gaps, seconds
    jumps   (2 + C, JUMP)    float64  late rows, early rows, rows without a value of each channel
    waits   (2 C, WAIT)      float64  for a value of each channel, for a move of each channel
    last    (C,)             float64  last value
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array

MISSING, FLAT, RATE = range(3)
# entries of clock: rows seen, time of the last (ns), rows since the interval was last as expected
ROWS, TIME, RUN = range(3)
CLOCK = 3
# entries of pace: the expected interval in seconds, 0 before there is one; intervals by which rows are behind
EXPECTED, OWED = range(2)
PACE = 2
FIRST = 8
"""Gaps whose median is the first expected interval."""
# entries of a jump: rows seen, share of those in question, the share before the sum began to grow, the sum in nats
SEEN, SHARE, BEFORE, LEVEL = range(4)
JUMP = 4
# rows of jumps before the channels'
LATE, EARLY = range(2)
# entries of a wait: waits seen, their mean and mean deviation, the wait so far, the three longest of late, and the
# time (s) up to which these have faded
COUNT, MEAN, DEVIATION, NOW, LONGEST, SECOND, THIRD, FADED = range(8)
WAIT = 8
# columns of what `conditions_run` writes down: row, condition, whether it holds (1) or no longer (0), since when (ns)
ROW, WHICH, HOLDS, SINCE = range(4)
CHANGE = 4

FACTOR = 1.5  # intervals this many times longer or shorter are others
LARGEST = 1e150  # beyond it a value is none, as for the model
LEAST = 30.0  # rows or waits to be seen before anything is called unusual
USUAL = 2.75  # usual waits that are none too long: the third row without a value counts, whatever the jitter
DEVIATIONS = 15.0  # e^-15 is 3e-7
LONGER = 1.5  # times the third longest wait
WEEK, WEEKS_ROWS = 7.0 * 86400.0, 2000.0  # half-life of the longest waits: a week, and so many intervals at the least
PATIENCE = 1.0 / 256.0  # least weight of one wait
MEMORY = 1.0 / 4096.0  # least weight of one row in a share
RAREST = 1e-3  # shares below it are not believed: so three rows in succession reach the bar
BAR, LATE_BAR = 13.8, 12.0  # nats; of late rows two are enough: they take three expected intervals
RARE, FREQUENT_BAR = 0.01, 20.0  # where the share is larger, its estimate is what errs: a higher bar
DRIFT = 1.0 / 64.0  # weight of a gap in the expected interval
SILENCE = 3.0  # expected intervals
SHORTEST_SILENCE, FIRST_SILENCE = 1.0, 5.0  # seconds, once and before the rhythm of arrivals is settled
SETTLED = 8  # arrivals
RHYTHM = 1.0 / 64.0  # least weight of one arrival
ADOPT_ROWS, ADOPT_SECONDS = 50, 3600.0  # after which a new interval is the expected one, whichever is first


@kernel
def jump_observe(inside: bool, bar: float, learn: bool, jump: Array) -> bool:
    """Take in whether a row is one of those whose share is watched; whether they have become more frequent."""
    if jump[LEVEL] == 0.0 or jump[LEVEL] >= bar:
        jump[BEFORE] = jump[SHARE]
    usual = max(jump[BEFORE], RAREST)
    if usual > RARE:
        bar = FREQUENT_BAR
    if inside:
        jump[LEVEL] = min(jump[LEVEL] + math.log((0.5 + 0.5 * usual) / usual), bar)
    else:
        jump[LEVEL] = max(jump[LEVEL] - math.log(2.0), 0.0)
    if learn:
        jump[SEEN] += 1.0
        jump[SHARE] += max(1.0 / jump[SEEN], MEMORY) * ((1.0 if inside else 0.0) - jump[SHARE])
    if jump[SEEN] < LEAST:
        jump[LEVEL] = 0.0
    return bool(jump[LEVEL] >= bar)


@kernel
def wait_limit(wait: Array) -> float:
    """The wait beyond which one is too long, for all that its mean and deviation say."""
    return USUAL * wait[MEAN] + DEVIATIONS * wait[DEVIATION]


@kernel
def fading(now: float, interval: float, wait: Array) -> float:
    """What is left of the longest waits, second `now`, where rows are `interval` seconds apart."""
    return 2.0 ** (-max(now - wait[FADED], 0.0) / max(WEEK, WEEKS_ROWS * interval))


@kernel
def wait_end(now: float, interval: float, learn: bool, wait: Array) -> None:
    """What was waited for has come, at second `now`; rows are `interval` seconds apart."""
    length = wait[NOW]
    wait[NOW] = 0.0
    if not learn:
        return
    if length > USUAL:
        left = fading(now, interval, wait)
        wait[FADED] = now
        for i in range(LONGEST, THIRD + 1):
            wait[i] *= left
        longer = length
        for i in range(LONGEST, THIRD + 1):
            if longer > wait[i]:
                wait[i], longer = longer, wait[i]
    if wait[COUNT] >= LEAST:
        length = min(length, wait_limit(wait))
    wait[COUNT] += 1.0
    w = max(1.0 / wait[COUNT], PATIENCE)
    wait[MEAN] += w * (length - wait[MEAN])
    wait[DEVIATION] += w * (abs(length - wait[MEAN]) - wait[DEVIATION])


@kernel
def median(x: Array) -> float:
    """Median of the FIRST numbers of x."""
    low = high = 0.0
    for i in range(FIRST):
        rank = 0
        for j in range(FIRST):
            rank += x[j] < x[i] or (x[j] == x[i] and j < i)
        if rank == FIRST // 2 - 1:
            low = x[i]
        elif rank == FIRST // 2:
            high = x[i]
    return 0.5 * (low + high)


@kernel
def observed_interval(now: int, clock: Array, begun: Array) -> float:
    """Mean seconds between rows since the interval was last as expected; 0: it is so now."""
    return (now - begun[0]) / 1e9 / clock[RUN] if clock[RUN] > 0 else 0.0


@kernel
def rate_observe(
    now: int, gap: float, learn: bool, clock: Array, pace: Array, first: Array, jumps: Array, begun: Array, holds: Array
) -> None:
    """Take the gap before a row into the expected interval, and see whether it is another one.

    gap  seconds
    A row that makes up for a late one (several were held up on the way) is not early.
    """
    if pace[EXPECTED] == 0.0:
        first[clock[ROWS] - 1] = gap
        if clock[ROWS] == FIRST:
            pace[EXPECTED] = median(first)
        begun[0] = now
        return
    late, early = gap > FACTOR * pace[EXPECTED], gap * FACTOR < pace[EXPECTED]
    behind = pace[OWED] > 0.0
    pace[OWED] = max(pace[OWED] + gap / pace[EXPECTED] - 1.0, 0.0) if late or early else 0.0
    calm = jumps[LATE, LEVEL] + jumps[EARLY, LEVEL] == 0.0
    learning = learn and holds[0] == 0
    more_late = jump_observe(late, LATE_BAR, learning, jumps[LATE])
    more_early = jump_observe(early and not behind, BAR, learning, jumps[EARLY])
    if calm and holds[0] == 0:
        begun[0], clock[RUN] = now - int(gap * 1e9), 0
    clock[RUN] += 1
    if not late and not early and learn:
        pace[EXPECTED] += DRIFT * (gap - pace[EXPECTED])
    if more_late or more_early:
        holds[0] = 1
    if jumps[LATE, LEVEL] + jumps[EARLY, LEVEL] == 0.0:
        holds[0], clock[RUN] = 0, 0
    elif holds[0] != 0 and (clock[RUN] >= ADOPT_ROWS or (now - begun[0]) / 1e9 >= ADOPT_SECONDS):
        pace[EXPECTED], pace[OWED] = observed_interval(now, clock, begun), 0.0
        for k in range(JUMP):  # what is usual has yet to be seen
            jumps[LATE, k] = jumps[EARLY, k] = 0.0
        holds[0], clock[RUN] = 0, 0


@kernel
def conditions_observe(
    now: int, x: Array, learn: bool, clock: Array, pace: Array, first: Array, jumps: Array, waits: Array, last: Array,
    begun: Array, holds: Array,
) -> None:  # fmt: skip
    """Take a row in: afterwards `holds` says which conditions hold, and `begun` since when.

    now    nanoseconds
    x      (C,) values; NaN: missing
    learn  False in maintenance: what comes is not taken for usual
    """
    channels = x.shape[0]
    age = 0.0  # of the row, in expected intervals, one at the most
    if clock[ROWS] > 0:
        gap = (now - clock[TIME]) / 1e9
        rate_observe(now, gap, learn, clock, pace, first, jumps, begun, holds)
        if pace[EXPECTED] > 0.0:
            age = 1.0 if gap * FACTOR > pace[EXPECTED] else gap / pace[EXPECTED]
    clock[ROWS] += 1
    clock[TIME] = now
    for c in range(channels):
        value, move, often = waits[c], waits[channels + c], jumps[2 + c]
        missing, flat = 1 + c, 1 + channels + c
        absent = not abs(x[c]) <= LARGEST
        if value[COUNT] == 0.0:  # until it is known better there is a value each interval
            if not absent:
                value[COUNT], value[MEAN], last[c], begun[flat] = 1.0, 1.0, x[c], now
            continue
        if age == 0.0:
            if not absent:
                last[c] = x[c]
            continue
        if absent and often[LEVEL] == 0.0 and value[NOW] == 0.0:
            begun[missing] = now
        value[NOW] += age
        more = jump_observe(absent, BAR, learn, often)
        if value[COUNT] >= LEAST and (more or (absent and value[NOW] >= wait_limit(value))):
            holds[missing] = 1
        if absent:
            continue
        wait_end(now / 1e9, pace[EXPECTED], learn, value)
        if often[LEVEL] == 0.0:
            holds[missing] = 0
        move[NOW] += age
        if x[c] != last[c]:
            wait_end(now / 1e9, pace[EXPECTED], learn, move)
            begun[flat], holds[flat] = now, 0
        elif (
            move[COUNT] >= LEAST
            and move[NOW] >= wait_limit(move)
            and move[NOW] >= LONGER * fading(now / 1e9, pace[EXPECTED], move) * move[THIRD]
        ):
            holds[flat] = 1
        last[c] = x[c]


@kernel
def write_down(row: int, which: int, holds: int, since: int, change: Array) -> None:
    """One change."""
    change[ROW], change[WHICH], change[HOLDS], change[SINCE] = row, which, holds, since


@kernel
def figures_of(
    which: int, expected: float, now: int, clock: Array, pace: Array, waits: Array, last: Array, begun: Array,
    figures: Array,
) -> None:  # fmt: skip
    """The two figures that go with a change of condition `which`; expected: the interval before the row, seconds."""
    channels = last.shape[0]
    if which == 0:
        observed = observed_interval(now, clock, begun)
        figures[0], figures[1] = observed if observed > 0.0 else pace[EXPECTED], expected
    else:
        figures[0], figures[1] = last[(which - 1) % channels], waits[which - 1, NOW]


@kernel
def conditions_run(
    start: int, time: Array, values: Array, learn: bool, muted: bool, clock: Array, pace: Array, first: Array,
    jumps: Array, waits: Array, last: Array, begun: Array, holds: Array, since: Array, told: Array,
    changes: Array, figures: Array, found: Array,
) -> int:  # fmt: skip
    """Take rows in from row `start` on, and write down what is to be told; the row to go on with, N when all are done.

    time values  (N,) nanoseconds and (N, C)
    muted        starts are not told; where a condition holds still when the mute ends it is told then
    changes      (K, CHANGE) of each, K >= 1 + 2 C
    figures      (K, 2) RATE: observed and expected seconds between rows; FLAT: the value, rows since it came;
                 MISSING: last value, rows without one
    found        (1,) how many there are
    """
    count = holds.shape[0]
    found[0] = 0
    for row in range(start, time.shape[0]):
        if found[0] + count > changes.shape[0]:
            return row
        expected = pace[EXPECTED]
        conditions_observe(time[row], values[row], learn, clock, pace, first, jumps, waits, last, begun, holds)
        for k in range(count):
            if holds[k] != 0 and since[k] == 0:
                since[k] = begun[k]
            if holds[k] != told[k] and not (holds[k] != 0 and muted):
                told[k] = holds[k]
                i = found[0]
                found[0] += 1
                write_down(row, k, holds[k], since[k], changes[i])
                figures_of(k, expected, time[row], clock, pace, waits, last, begun, figures[i])
            if holds[k] == 0:
                since[k] = 0
    return int(time.shape[0])


@kernel
def silence_limit(asked: float, interval: float, arrivals: int, rhythm: float, unrest: float) -> float:
    """Seconds without anything of a stream after which it is silent.

    asked     by the user; 0: by what the stream does
    interval  seconds between rows by their own times, 0: not known
    arrivals  times that something came: rows or blocks of them; rhythm and unrest: mean seconds between these times by
              this machine's clock, and their mean deviation
    """
    if asked > 0.0:
        return asked
    if arrivals < SETTLED:
        return max(SILENCE * interval, FIRST_SILENCE)
    usual = max(interval, rhythm)
    return max(SILENCE * usual + DEVIATIONS * unrest, SHORTEST_SILENCE if usual > 0.0 else FIRST_SILENCE)


@kernel
def arrival_observe(
    i: int, now: float, excuse: float, asked: float, interval: Array, arrivals: Array, rhythm: Array, unrest: Array,
    heard: Array,
) -> None:  # fmt: skip
    """Something of stream i has come at second `now`, `excuse` seconds of which could not be heard in any case.

    A stream that was silent has no other rhythm for that: its gap counts as the longest that is no silence.
    """
    if arrivals[i] > 0:
        gap = max(now - heard[i] - excuse, 0.0)
        if arrivals[i] >= SETTLED:
            gap = min(gap, silence_limit(asked, interval[i], arrivals[i], rhythm[i], unrest[i]))
        w = max(1.0 / arrivals[i], RHYTHM)
        rhythm[i] += w * (gap - rhythm[i])
        unrest[i] += w * (abs(gap - rhythm[i]) - unrest[i])
    arrivals[i] += 1
    heard[i] = now


@kernel
def silent_streams(
    now: float, excuse: float, asked: float, interval: Array, arrivals: Array, rhythm: Array, unrest: Array,
    heard: Array, silent: Array,
) -> None:  # fmt: skip
    """Which streams are silent at second `now`: 1 or 0 into silent, (streams,)."""
    for i in range(silent.shape[0]):
        limit = silence_limit(asked, interval[i], arrivals[i], rhythm[i], unrest[i])
        silent[i] = 1 if now - heard[i] - excuse > limit else 0
