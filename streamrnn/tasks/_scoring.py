"""The detector's part of a row: how odd is it?

Each channel has six statistics, one of the residual and five of the level over windows of rising length; each is
measured against its own history (kernels.tail) and their surprises in nats are added. A row's surprise is that of its
oddest channel, less ln C for having looked at C of them.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.normalise import BOUND
from streamrnn.kernels.scalar import clip
from streamrnn.kernels.tail import tail_surprise
from streamrnn.tasks._forecasting import usable
from streamrnn.tasks._layout import LEVEL0, LEVELS, NORM, SLOW

WARM = 100.0  # observations before anything is called odd
LARGEST_STATISTIC = 1e300
LEAST_RESIDUAL = 0.05  # usual changes: a smaller mean error counts as this, or near-exact forecasts make ripples odd
RESIDUAL_FLOOR = 3.0  # mean absolute errors
LEVEL_FLOOR = 2.5  # standard deviations: what is nearer to the long mean is not odd, however still the channel was


@kernel
def surprise(
    x: Array, rows: int, gap: float, rates: Array, seen: Array, stale: Array, scale: Array, mix: Array,
    first: Array, last: Array, moments: Array, scored: Array, residual: Array, stages: Array, long: Array,
    tails: Array, nats: Array,
) -> float:  # fmt: skip
    """Surprise of the row in nats, and of each channel in `nats`. Statistics learn from the row after it is scored.

    A residual counts for less by the root of the rows (`stale`) or typical intervals (`gap`) since the last value: so
    much further may a value have moved. What the statistics learn from is clipped, so that one wild value does not
    blind them. The first departure from a line that has been flat since the start surprises each statistic by as much
    as something that has not happened in n rows: ln(n + 2).
    """
    ring, channels = scale.shape
    most = 0.0
    r = (rows - 1) % ring
    for c in range(channels):
        nats[c] = 0.0
        if not usable(x[c]):
            continue
        count = float(seen[c])
        if rows > 0 and seen[c] > 0 and scale[r, c] > 0.0:
            miss = abs(mix[r, 0, c] - x[c]) / (scale[r, c] * math.sqrt(max(1.0 + stale[c], gap)))
            z = miss / max(residual[c], LEAST_RESIDUAL) if scored[c] >= 20.0 else 0.0
            if scored[c] >= 20.0:
                miss = min(miss, BOUND * max(residual[c], LEAST_RESIDUAL))
            residual[c] += max(rates[NORM], 1.0 / (scored[c] + 1.0)) * (miss - residual[c])
            nats[c] += tail_surprise(min(z, LARGEST_STATISTIC), scored[c], WARM, RESIDUAL_FLOOR, tails[c, 0])
            scored[c] += 1.0
        elif count >= WARM and x[c] != last[c]:
            nats[c] += (1 + LEVELS) * math.log(count + 2.0)
        v = 0.0
        if seen[c] > 0:
            v = x[c] - moments[c, 0]
            if seen[c] >= 8:
                v = clip(v, BOUND * max(math.sqrt(moments[c, 1]), scale[r, c]))
            v += moments[c, 0] - first[c]
        b = max(rates[SLOW], 1.0 / (count + 1.0))
        for j in range(LEVELS):
            w = max(rates[LEVEL0 + j], 1.0 / (count + 1.0))
            stages[c, j, 0] += w * (v - stages[c, j, 0])
            stages[c, j, 1] += w * (stages[c, j, 0] - stages[c, j, 1])
            d = stages[c, j, 1] - long[c, j, 0]
            z = abs(d) / math.sqrt(long[c, j, 1]) if long[c, j, 1] > 0.0 else 0.0
            if seen[c] >= 8 and long[c, j, 1] > 0.0:
                d = clip(d, BOUND * math.sqrt(long[c, j, 1]))
            long[c, j, 0] += b * d
            long[c, j, 1] = (1.0 - b) * (long[c, j, 1] + b * d * d)
            nats[c] += tail_surprise(min(z, LARGEST_STATISTIC), count, WARM, LEVEL_FLOOR, tails[c, 1 + j])
        most = max(most, nats[c])
    return max(most - math.log(float(channels)), 0.0)
