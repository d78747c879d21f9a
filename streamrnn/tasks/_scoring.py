"""The detector's part of a row: how odd is it?

The surprise of each channel is kernels.oddity's, -ln of the share of its past that was as odd. A row's is that of its
oddest channel, less ln C for having looked at C of them. The score that is shown is a spike for each event, no plateau.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.oddity import (
    CALM,
    LEVEL,
    LONG,
    NORM,
    PLAIN_ERROR,
    RANK,
    SEASON,
    SLOT,
    SLOW,
    STATISTICS,
    WEIGHTS,
    apparent,
    oddity,
)  # fmt: skip
from streamrnn.tasks._forecasting import usable
from streamrnn.tasks._layout import BY_CLOCK, INTERVAL, TURN

WARM = 100.0  # observations before anything is called odd
SPIKE, RESTING = 4.8, 100.0  # nats at which a spike begins, and typical intervals of rest after it
DAY, NEARLY = 86_400.0, 0.05  # seconds; a season that differs by less is the day


@kernel
def surprise(
    x: Array, rows: int, gap: float, turn: float, learned: bool, seen: Array, stale: Array, mix: Array,
    odd: Array, memory: Array, profile: Array, stages: Array, long: Array, ranks: Array, whole: Array, reasons: Array,
    weights: Array, nats: Array,
) -> float:  # fmt: skip
    """Surprise of the row in nats, NaN where nothing could be measured; of each channel in `nats`.

    gap      typical intervals since the last row;  turn  phase of the season, negative: none
    learned  False in a maintenance window that mutes learning: the row is judged, and nothing is learned from it
    weights  (WEIGHTS,) scratch
    """
    ring, channels = mix.shape[0], mix.shape[2]
    most, measured = 0.0, False
    for i in range(WEIGHTS):
        weights[i] = odd[i]
    if not learned:
        weights[NORM] = weights[LONG] = weights[RANK] = weights[SLOW] = 0.0
    for c in range(channels):
        nats[c] = 0.0
        if not usable(x[c]):
            continue
        forecast = mix[(rows - 1) % ring, 0, c] if rows > 0 and seen[c] > 0 else math.nan
        reach = math.sqrt(max(1.0 + stale[c], gap))
        nats[c] = oddity(
            x[c], forecast, reach, turn, gap, weights, memory[c], profile[c], stages[c], long[c], ranks[c], whole[c],
            reasons[c],
        )  # fmt: skip
        measured = measured or seen[c] >= WARM
        most = max(most, nats[c])
    return max(most - math.log(float(channels)), 0.0) if measured else math.nan


@kernel
def score_phase(time: int, season: int, turned: bool, pace: Array, memory: Array, profile: Array) -> float:
    """The phase that the score's seasonal part goes by, in [0, 1): of the day, in UTC, unless another season was found.

    Most seasons that people have are days; that one is not heard before it has proved useful (kernels.oddity). What was
    learned of a phase is forgotten when another one takes its place.
    """
    by_clock = season == 0 or abs(season * pace[INTERVAL] - DAY) < NEARLY * DAY
    if (pace[BY_CLOCK] != 0.0) != by_clock or (turned and not by_clock):
        pace[BY_CLOCK] = 1.0 if by_clock else 0.0
        for c in range(profile.shape[0]):
            profile[c] = 0.0
            for i in range(SLOT, PLAIN_ERROR + 1):
                memory[c, i] = 0.0
    if by_clock:
        return (time // 1_000_000 % 86_400_000) / 86_400_000.0
    return float(pace[TURN])


@kernel
def shown(nats: float, gap: float, rest: Array) -> float:
    """What is shown of a row's surprise, in nats: a spike where an event begins, less than SPIKE elsewhere."""
    return apparent(nats, gap, SPIKE, RESTING, rest)


@kernel
def forget_level(c: int, memory: Array, stages: Array, long: Array, ranks: Array) -> None:
    """The first values of channel c were wild: its level begins again."""
    for i in range(memory.shape[1]):
        memory[c, i] = 0.0
    stages[c] = 0.0
    long[c] = 0.0
    for i in range(STATISTICS):
        ranks[c, i] = 0.0


@kernel
def ways(shares: Array, found: Array) -> None:
    """Evidence of the statistics, (STATISTICS,), summed by the way in which they look at the channel: found (4,)."""
    found[:] = 0.0
    for i in range(STATISTICS):
        way = 0
        if i >= CALM:
            way = 3
        elif i >= SEASON:
            way = 2
        elif i >= LEVEL:
            way = 1
        found[way] += shares[i]
