"""From surprise to a decision: is it an event, and how much of the row is learned?

The bar keeps the alarm budget (kernels.budget), an event is told once (kernels.event), and what is odd is not learned
as normal before its time (kernels.governor).
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.budget import WEEK, budget_bar, budget_learn, budget_quiet, budget_tail
from streamrnn.kernels.event import (
    AGE,
    BAR,
    CAUSE,
    CHANNEL,
    HELD_BACK,
    NONE,
    ONGOING,
    PEAK,
    PHASE,
    RESOLVED,
    STARTED,
    TAIL,
    admitted,
    event_step,
    hold_of,
    loudest,
)  # fmt: skip
from streamrnn.kernels.governor import (
    FROZEN,
    HERE_ROWS,
    abnormal,
    blocks_clear,
    blocks_observe,
    govern,
    refusal_of,
    ripe,
    settled,
    usual_observe,
)  # fmt: skip
from streamrnn.tasks._forecasting import usable
from streamrnn.tasks._layout import (
    ACCEPT,
    ALARMS_A_WEEK,
    BOOST,
    GAP,
    GOVERNOR,
    HOLD,
    INTERVAL,
    MUTE,
    MUTE_ALARMS,
    MUTE_LEARNING,
    NORM,
    REFUSE,
    TOLD_ONGOING,
)  # fmt: skip
from streamrnn.tasks._scoring import SPIKE

SLACK = 5.0  # nats that the bar may be below what the p-values alone say: a factor of 150
# as long as an event lasts it is not learned, and its later rows look odder than they are: on white noise, AR(1), a
# sine with noise and lognormal values its peak exceeds the bar by q tails in less than e^(-q/2) of the events, to q = 8
PEAKS = 2.0
LASTING = 3600.0  # seconds after which an event is told to be ongoing, once


@kernel
def decide(
    x: Array, expected: Array, total: float, now: int, hyper: Array, clock: Array, pace: Array, rates: Array,
    nats: Array, limits: Array, ladder: Array, marks: Array, facts: Array, held: Array, usual: Array, blocks: Array,
    verdict: Array, gate: Array, row: Array,
) -> None:  # fmt: skip
    """Judge a row: event and learning codes into row (its first columns), shares to be learned into gate (C,).

    total  surprise of the row, of all channels; NaN where nothing was measured
    nats   (C,) of each channel
    row    score, surprise, event (+1 started, 2 ongoing, -1 resolved), its score, channel, age in seconds, warming,
           learning code of kernels.governor, cause of the event, its excess (tasks._rows)
    """
    channels, interval = x.shape[0], pace[INTERVAL]
    gap, hold = pace[GAP] * interval, hold_of(hyper[HOLD], pace[INTERVAL])
    muted, barred = clock[MUTE] & MUTE_ALARMS != 0, clock[MUTE] & MUTE_LEARNING != 0
    bar = quiet = math.inf
    if interval > 0.0:
        # surprise is -ln p within a factor of a few: where little happens the ladder has nothing to learn from, and a
        # bar far below the nominal one would tell ripples
        nominal = -math.log(hyper[ALARMS_A_WEEK] * interval / WEEK)
        bar = max(budget_bar(hyper[ALARMS_A_WEEK], interval, ladder), nominal - SLACK)
        quiet = budget_quiet(hold, ladder)
    c = loudest(x, expected, nats, limits)
    cause = admitted(x[c], expected[c], limits[c]) if c >= 0 else HELD_BACK
    at, own = max(c, 0), total
    if c >= 0 and total == total:  # of the channel that would be named, less ln C for having looked at C of them
        own = max(nats[c] - math.log(float(channels)), 0.0)
    if held[HERE_ROWS] > 0.0:  # refused, and still abnormal: the event goes on, however used to it the score has become
        for i in range(channels):
            if usable(x[i]) and own < quiet and abnormal(usual[i], blocks[i]):
                own = quiet
    before = marks[PHASE]
    code = event_step(own, c, cause, x[at], expected[at], bar, quiet, hold, now, gap, interval, muted, marks, facts)
    if before == NONE and marks[PHASE] != NONE:
        facts[TAIL] = budget_tail(ladder)
    if interval > 0.0 and not barred and not muted:  # what happens in maintenance spends no budget
        budget_learn(total, gap, hold, ladder)
    if code == STARTED:
        clock[TOLD_ONGOING] = 0
        row[2] = 1.0
    elif code == RESOLVED:
        row[2] = -1.0
    elif code == ONGOING and clock[TOLD_ONGOING] == 0 and facts[AGE] >= LASTING:
        clock[TOLD_ONGOING] = 1
        row[2] = 2.0
    if marks[PHASE] == ONGOING or code == RESOLVED:
        row[3] = facts[PEAK] / (facts[PEAK] + SPIKE)
        row[4], row[5], row[8] = marks[CHANNEL], facts[AGE], marks[CAUSE]
        if facts[TAIL] > 0.0:
            row[9] = max((facts[PEAK] - facts[BAR]) / (PEAKS * facts[TAIL]), 0.0)

    on, steady = marks[PHASE] != 0, False
    if on and ripe(held):
        asked = 0
        steady = True
        for i in range(channels):
            if usable(x[i]):
                asked += 1
                steady = steady and settled(usual[i], blocks[i])
        steady = steady and asked > 0
    said = govern(
        int(hyper[GOVERNOR]), total, on, steady, clock[ACCEPT] != 0, barred, refusal_of(hyper[REFUSE], interval), gap,
        interval, held, verdict,
    )  # fmt: skip
    clock[ACCEPT] = 0
    pace[BOOST] = verdict[1]
    row[7] = said
    for i in range(channels):
        gate[i] = verdict[0]
        if said == FROZEN and held[HERE_ROWS] == 1.0:
            blocks_clear(blocks[i])
        if usable(x[i]):
            usual_observe(x[i], rates[NORM], verdict[0], verdict[1], usual[i])
            if said == FROZEN:
                blocks_observe(x[i], blocks[i])
