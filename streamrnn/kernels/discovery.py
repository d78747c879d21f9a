"""Which events of many streams are told, so that of those that are told only a bounded share is false.

Each stream keeps an alarm budget of its own (kernels.budget), but what many streams begin by chance adds up. So each
event is a test. Its p-value is exp(-excess): the share of the events begun by noise that peak as high as it has so far.
At its start it is given a level, and it is told as soon as its p-value is at most that; one that never gets there is
held back. At any time, with D the levels given, R the events told, both forgotten by keep = exp(-stream-time / memory),

    D ≤ max(floor, alpha max(R, 1)),        level = min(1, left min(1, SPEND / tests)),  left = that bound - D

so the expected number of false ones among those that are remembered as told is at most `floor`, or the share `alpha` of
all, whichever is more, where p-values of noise are no smaller than uniform and an event's level depends on other events
only. It can be told hours after its start, when D has forgotten a little of its level: hours of a week. Where nothing
is ever told D settles at SPEND / (1 + SPEND) of its bound: the level does not die.

State: `wealth`, (WEALTH,) float64, zero at the start.

Sources: Ramdas, Yang, Wainwright & Jordan, Online control of the false discovery rate with decaying memory (NeurIPS
2017), §4, for levels from an estimated proportion that is forgotten; Zrnic, Ramdas & Jordan, Asynchronous Online
Testing of Multiple Hypotheses (JMLR 22, 2021), §3, for tests that are open while others begin.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array

# entries of a wealth: levels given, and events told, as remembered
SPENT, FOUND = range(2)
WEALTH = 2
SPEND = 3.0  # as many tests as are expected in a memory are given so many times what is left


@kernel
def discovery_age(memories: float, wealth: Array) -> None:
    """So many memories have gone by: their e-th part is left."""
    keep = math.exp(-memories)
    wealth[SPENT] *= keep
    wealth[FOUND] *= keep


@kernel
def discovery_begin(alpha: float, floor: float, tests: float, wealth: Array) -> float:
    """An event begins: the excess (nats) from which it is told, -ln of its level, which is booked.

    alpha   share of false ones that is borne
    floor   false ones in a memory that are borne in any case
    tests   events that noise alone begins in a memory
    """
    left = max(floor, alpha * max(wealth[FOUND], 1.0)) - wealth[SPENT]
    level = min(1.0, max(left, 0.0) * min(1.0, SPEND / max(tests, 1e-300)))
    wealth[SPENT] += level
    return -math.log(max(level, 1e-300))


@kernel
def discovery_found(wealth: Array) -> None:
    """The event is told."""
    wealth[FOUND] += 1.0
