"""Events, not rows: one start and one end, however long a condition lasts.

    calm ── odd, admitted, not muted ──> on ── below quiet for `hold` seconds ──> calm
      └──── odd, admitted, muted ─────> muted ── the mute ends ──> on
                                          └───── below quiet for `hold` seconds ──> calm, never told

A row is odd where its surprise reaches the bar or its value is out of the range that the user gave; it stays loud until
its surprise is below quiet and its value in range. Filters (`admitted`) hold back starts only: what has begun ends by
itself. An event that began before a mute is told to its end.

State of a stream: `marks`, (MARKS,) int64, and `facts`, (FACTS,) float64, both zero at the start. Limits of a channel:
(LIMITS,) float64; all zero admits everything.
"""

from __future__ import annotations

from streamrnn._bind import kernel
from streamrnn._types import Array

# what a row says of its event
NONE, STARTED, ONGOING, RESOLVED, MUTED = range(5)
# why a channel is heard, and why an event began
HELD_BACK, ODD, OUT_OF_RANGE = range(3)
# entries of a channel's limits
LEAST, RELATIVE, DIRECTION, LOWEST, HIGHEST = range(5)
LIMITS = 5
# entries of marks: phase (NONE, ONGOING or MUTED), time of the first row (ns), time of the start that was told (ns),
# channel and cause of the start, starts so far, mutes so far
PHASE, ONSET, TOLD, CHANNEL, CAUSE, STARTS, HUSHED = range(7)
MARKS = 7
# entries of facts: highest surprise, bar of the start, value and expected then, seconds without a loud row, seconds
# since the onset, nats in which the tail fell e-fold at the onset (the caller's)
PEAK, BAR, VALUE, EXPECTED, CALM, AGE, TAIL = range(7)
FACTS = 7

AUTO_HOLD = 20.0  # typical intervals
LONGEST_GAP = 2.0  # typical intervals that one row may count as


@kernel
def hold_of(hold: float, interval: float) -> float:
    """Seconds below quiet that end an event: as chosen, or 20 typical intervals where that is 0."""
    return hold if hold > 0.0 else AUTO_HOLD * interval


@kernel
def admitted(x: float, expected: float, limits: Array) -> int:
    """Whether a channel may begin an event: OUT_OF_RANGE, ODD (if its surprise is), or HELD_BACK.

    x         value; NaN is held back
    expected  what was forecast; NaN: not known, and then no filter but the range applies
    limits    LEAST       smallest |x - expected| that counts, in units of x
              RELATIVE    the same as a part of |expected|: .1 is 10 %. Where 0 is expected every deviation is enough.
                          The surprise is relative to the usual scale already
              DIRECTION   +1: only values above what was expected, -1: only below, 0: both
              LOWEST HIGHEST   range of good data, in force where LOWEST < HIGHEST (either may be infinite). A value
                          outside is an event whatever its surprise, and whatever the other filters say
    """
    if x != x:
        return HELD_BACK
    if limits[LOWEST] < limits[HIGHEST] and (x < limits[LOWEST] or x > limits[HIGHEST]):
        return OUT_OF_RANGE
    if expected != expected:
        return ODD
    away = x - expected
    if abs(away) < max(limits[LEAST], limits[RELATIVE] * abs(expected)) or away * limits[DIRECTION] < 0.0:
        return HELD_BACK
    return ODD


@kernel
def loudest(x: Array, expected: Array, nats: Array, limits: Array) -> int:
    """The channel that may begin an event: one out of range, else the oddest that is admitted; -1: none.

    An admitted channel need not be odd: what is to reach the bar is its own surprise, less ln C for having looked at C
    channels, and not that of a channel which is held back.

    x expected nats  (C,)    value, forecast and surprise of each channel
    limits           (C, LIMITS)
    """
    best, cause, most = -1, HELD_BACK, 0.0
    for c in range(x.shape[0]):
        why = admitted(x[c], expected[c], limits[c])
        odd = nats[c] if nats[c] > 0.0 else 0.0  # a channel that warms up has no surprise yet
        if why > cause or (why == cause and why != HELD_BACK and odd > most):
            best, cause, most = c, why, odd
    return best


@kernel
def event_step(
    nats: float, channel: int, cause: int, x: float, expected: float, bar: float, quiet: float, hold: float,
    now: int, gap: float, interval: float, muted: bool, marks: Array, facts: Array,
) -> int:  # fmt: skip
    """Take a row in; NONE, STARTED, ONGOING, RESOLVED or MUTED (it lasts, and nobody is told).

    nats         surprise of the row, of all channels; NaN where nothing was measured: the event is left as it is
    channel      that may begin an event (`loudest`), and its cause (`admitted`), value and expected; cause HELD_BACK:
                 none may. nats is that of this channel where filters differ between channels
    bar quiet    nats: it begins at bar; a row below quiet is calm. `budget_learn` holds both while an event lasts
    hold         seconds of calm that end it (`hold_of`)
    now          nanoseconds;  gap  seconds since the last row, of which two intervals count;  interval  typical seconds
    muted        True in a maintenance window that mutes alarms
    marks facts  state, updated
    """
    phase = marks[PHASE]
    known = nats == nats
    outside = cause == OUT_OF_RANGE
    if not known and not outside:
        return phase
    elapsed = min(gap, LONGEST_GAP * interval)
    if phase == NONE:
        if not outside and (cause != ODD or not nats >= bar):
            return NONE
        marks[ONSET], marks[CHANNEL], marks[CAUSE] = now, channel, cause
        facts[PEAK] = nats if known else 0.0
        facts[BAR], facts[VALUE], facts[EXPECTED] = bar, x, expected
        facts[CALM] = facts[AGE] = 0.0
    else:
        if known:
            facts[PEAK] = max(facts[PEAK], nats)
        facts[AGE] += elapsed
        if outside or nats >= quiet:
            facts[CALM] = 0.0
        else:
            facts[CALM] += elapsed
            if facts[CALM] >= hold:
                marks[PHASE] = NONE
                return RESOLVED if phase == ONGOING else NONE
        if phase == ONGOING:
            return ONGOING
    if muted:
        if phase == NONE:
            marks[HUSHED] += 1
        marks[PHASE] = MUTED
        return MUTED
    if phase == MUTED and facts[CALM] > 0.0:
        return MUTED  # on its way out: told only if it is loud again
    marks[PHASE], marks[TOLD] = ONGOING, now
    marks[STARTS] += 1
    return STARTED
