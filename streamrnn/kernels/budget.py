"""How surprising a row must be for an alarm, where the user says how many alarms a week are to be borne.

Surprise comes in nats: -ln p of a p-value that is right within a factor of a few, of rows that hang together. So the
bar is -ln(alarms a row) at first, and is then learned. An alarm is rare, hence a ladder of five bars: one row in 50
exceeds the lowest, the highest is the alarm's, and the rates of those between are in equal ratios. Each bar is the one
below it, the slope of the tail, and a correction of its own:

    b[0] = base                         base += g s (exceeded - 1/50)           each row
    b[j] = b[j-1] + s ln f + c[j]       c[j] += g s (begun - rate[j] dt)        j = 1 … 4; begun: 1 where an event does
    s    = mean excess over the base    rate[j] = rate[0] / f^j

What the low rungs learn in hours carries the high ones along, and what is wrong with an extrapolation is put right by
the rung that it leads to, as its events come. It is quantile tracking all the way (kernels.conformal), with its
promise: the alarms of a time are those of the budget plus what c[4] has moved over g s, whatever the surprises are.

What an event teaches is bounded. While an alarm lasts only the count of alarms is learned, for ten holds and a day at
least; each rung counts an event once; and of rows above the base only so many count.

One alarm in three holds (of 20 rows, by default) is about the most that can be had, and less where surprises hang
together for long. A budget is met once some of its alarms were due: before, the rate is as right as the p-values are.

`budget_bar` gives the bar before a row is judged, `budget_learn` takes the row in, `budget_tail` says how fast the tail
falls beyond the bar. State: `ladder`, (LADDER,) float64, zero at the start. Many streams together: kernels.discovery.

Sources: Angelopoulos, Candès & Tibshirani, Conformal PID Control for Time Series Prediction (NeurIPS 2023), §2.1, for
tracking and its bound; Robbins & Monro 1951 for the falling gain.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array

WEEK = 604800.0  # seconds
DAY = 86400.0

RUNGS = 4  # above the base
# entries of a ladder: base (nats), slope (nats an e-fold), rows, those above the base, how many more of them count,
# ln f, 1/f, interval (s), budget, seconds that the alarm has lasted
BASE, SLOPE, SEEN, OVER, PURSE, STEP, FACTOR, PACE, RATE, LASTED = range(10)
# then one number for each rung above the base, the alarm's last
CORRECTION = 10  # nats
OPEN = CORRECTION + RUNGS  # seconds that the rung's event still lasts if nothing more comes; 0: none
DUE = OPEN + RUNGS  # events that were due so far
LADDER = DUE + RUNGS

SHARE = 0.02  # of the rows exceed the base
BASE_PRIOR = 5.0  # exceedances that the start of the base is worth
BASE_GAIN = 0.06  # least gain of the base: it follows a change in some 800 rows, but not faster than in a day
SLOPE_PRIOR = 20.0  # exceedances
SLOPE_GAIN = 0.005  # least gain of the slope, as for the base, and not faster than in a week
LEAST_SLOPE = 0.2
SLOPE_CLIP = 8.0  # slopes that one excess counts as
PURSE_SIZE = 20.0  # exceedances that may come at once and still be learned from
PURSE_RATE = 3.0  # times the usual rate, those that may come for long
RUNG_PRIOR = 3.0  # events that the start of a correction is worth
ALARM_GAIN = 0.3  # least gain of the alarm's own rung
RUNG_GAIN = 0.15  # and of those between
LEAST_BAR = 1.0  # nats
HOLDS = 3.0  # the bar of quiet is what noise exceeds once in so many holds
PATIENCE = 10.0  # holds, and a day at least: so long nothing is learned from an event


@kernel
def gain_of(n: float, prior: float, least: float) -> float:
    """max(1/(n + prior), least), without the division where it is not needed."""
    return least if (n + prior) * least >= 1.0 else 1.0 / (n + prior)


@kernel
def top_of(ladder: Array) -> float:
    """The alarm's bar before it is brought to LEAST_BAR at least."""
    bar = ladder[BASE] + RUNGS * ladder[SLOPE] * ladder[STEP]
    for j in range(RUNGS):
        bar += ladder[CORRECTION + j]
    return bar


@kernel
def budget_bar(alarms: float, interval: float, ladder: Array) -> float:
    """The surprise in nats at which the next row raises an alarm.

    alarms    budget, a week
    interval  typical seconds between rows
    ladder    (LADDER,) set up here where it is new, or where budget or interval have changed
    """
    if ladder[SLOPE] == 0.0:
        ladder[BASE] = -math.log(SHARE)
        ladder[SLOPE] = 1.0
        ladder[PURSE] = PURSE_SIZE
    if ladder[PACE] != interval or ladder[RATE] != alarms:
        ladder[PACE], ladder[RATE] = interval, alarms
        ladder[STEP] = math.log(SHARE / max(alarms * interval / WEEK, 1e-300)) / RUNGS
        ladder[FACTOR] = math.exp(-ladder[STEP])
    return max(top_of(ladder), LEAST_BAR)


@kernel
def budget_quiet(hold: float, ladder: Array) -> float:
    """The surprise below which an event is on its way out: what noise exceeds once in three holds.

    hold    seconds that it has to stay below; ladder: after `budget_bar`
    """
    return ladder[BASE] + ladder[SLOPE] * max(math.log(HOLDS * hold / ladder[PACE] * SHARE), 0.0)


@kernel
def budget_tail(ladder: Array) -> float:
    """Nats in which the tail beyond the alarm's bar falls e-fold: as between the ladder's rungs, whose corrections have
    been learned, and no faster than right above the base. Peaks of events over a high bar exceed it as single rows do
    (Leadbetter, On a basis for 'peaks over threshold' modeling, Statistics & Probability Letters 12, 1991), so an event
    that peaks at the bar + q tails would be one in e^q of those that noise begins.

    ladder    after `budget_bar`
    """
    if not ladder[STEP] > 0.0:
        return ladder[SLOPE]
    return max(ladder[SLOPE], (top_of(ladder) - ladder[BASE]) / (RUNGS * ladder[STEP]))


@kernel
def budget_learn(nats: float, gap: float, hold: float, ladder: Array) -> None:
    """Learn from the surprise of a row that was judged by `budget_bar`. Not to be called while learning is muted.

    nats    surprise; NaN: none, and nothing changes
    gap     seconds since the last row, of which two intervals count
    hold    seconds of quiet that end an event
    ladder  (LADDER,) updated
    """
    if not nats >= 0.0:
        return
    interval, slope, step, factor = ladder[PACE], ladder[SLOPE], ladder[STEP], ladder[FACTOR]
    dt = min(gap, 2.0 * interval)
    due = SHARE * dt / interval
    top = RUNGS - 1

    # the alarm's rung: by the clock, whether an event lasts or not
    bar = top_of(ladder)
    gain = slope * gain_of(ladder[DUE + top], RUNG_PRIOR, ALARM_GAIN)
    rare = due * factor * factor * factor * factor
    ladder[DUE + top] += rare
    if bar > LEAST_BAR:  # at the floor nothing is gained by lowering it
        ladder[CORRECTION + top] -= gain * rare
    begun = False
    if ladder[OPEN + top] > 0.0:
        ladder[LASTED] += dt
        ladder[OPEN + top] = hold if nats >= budget_quiet(hold, ladder) else max(ladder[OPEN + top] - dt, 0.0)
        if ladder[LASTED] < max(PATIENCE * hold, DAY):
            return
    elif nats >= max(bar, LEAST_BAR):
        begun = True
        ladder[OPEN + top], ladder[LASTED] = hold, 0.0
        ladder[CORRECTION + top] += gain

    # the rungs between: by the time in which they had no event
    bar = ladder[BASE]
    rare = due
    for j in range(top):
        bar += slope * step + ladder[CORRECTION + j]
        rare *= factor
        loud = nats >= bar
        if ladder[OPEN + j] > 0.0:
            ladder[OPEN + j] = hold if loud else max(ladder[OPEN + j] - dt, 0.0)
        else:
            gain = slope * gain_of(ladder[DUE + j], RUNG_PRIOR, RUNG_GAIN)
            ladder[DUE + j] += rare
            ladder[CORRECTION + j] += gain * ((1.0 if loud else 0.0) - rare)
            if loud:
                ladder[OPEN + j] = hold
        if begun:  # when the alarm is over, so are they
            ladder[OPEN + j] = 0.0

    # base and slope
    ladder[SEEN] += 1.0
    excess = nats - ladder[BASE]
    gain = slope * gain_of(SHARE * ladder[SEEN], BASE_PRIOR, min(BASE_GAIN, interval / (SHARE * DAY)))
    ladder[BASE] -= gain * SHARE
    ladder[PURSE] = min(ladder[PURSE] + PURSE_RATE * SHARE, PURSE_SIZE)
    if excess > 0.0 and ladder[PURSE] >= 1.0:
        ladder[PURSE] -= 1.0
        ladder[BASE] += gain
        if begun or ladder[OPEN + top] <= 0.0:
            ladder[OVER] += 1.0
            gain = gain_of(ladder[OVER], SLOPE_PRIOR, min(SLOPE_GAIN, interval / (SHARE * WEEK)))
            ladder[SLOPE] = max(slope + gain * (min(excess, SLOPE_CLIP * slope) - slope), LEAST_SLOPE)
