"""Surprise of a statistic against its own history: -log of its tail probability, by a running exponential tail.

The tail beyond a tracked quantile u is taken as exponential with mean excess beta; averaging over what is not known
about beta after c exceedances gives a Lomax tail, P(excess > y) = (1 + y / (c beta))^-c. It is cautious while few
exceedances are known, grows without bound as y does, and so never saturates.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array

QUANTILE = 0.99
RATE = 0.005  # of the quantile and its spread, an observation
GAIN = 3.0  # quantile step = GAIN x rate x spread
EXCESS_RATE = 0.03  # of the mean excess, an exceedance
EXCESS_CLIP = 3.0  # mean excesses that one exceedance counts as when learning
SPREAD_CLIP = 30.0  # spreads that one distance counts as
CERTAINTY = 20.0  # exceedances beyond which the tail counts as known


@kernel
def tail_surprise(z: float, seen: float, warm: float, floor: float, tail: Array) -> float:
    """Surprise of z in nats, ≥ 0; 0 below the quantile and while warming. Learns from z afterwards.

    z       statistic ≥ 0, finite
    seen    observations before this one
    warm    observations before anything is said
    floor   below it z is no surprise, however rare
    tail    (4,) quantile, its spread, mean excess, exceedances; updated
    """
    if seen == 0.0:
        tail[0] = z
    excess = z - tail[0]
    surprise = 0.0
    if excess > 0.0 and z > floor and seen >= warm and tail[2] > 0.0:
        c = min(tail[3], CERTAINTY)
        surprise = -math.log(1.0 - QUANTILE) + c * math.log1p(excess / (c * tail[2]))
    w = max(RATE, 1.0 / (seen + 1.0))
    away = min(abs(excess), SPREAD_CLIP * tail[1]) if seen >= warm else abs(excess)
    tail[1] += w * (away - tail[1])
    tail[0] += GAIN * w * tail[1] * ((1.0 if excess > 0.0 else 0.0) - (1.0 - QUANTILE))
    if excess > 0.0:
        tail[3] += 1.0
        learned = min(excess, EXCESS_CLIP * tail[2]) if tail[3] > 5.0 else excess
        tail[2] += max(EXCESS_RATE, 1.0 / tail[3]) * (learned - tail[2])
    return surprise
