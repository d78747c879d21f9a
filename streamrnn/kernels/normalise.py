"""Running level and scale of a channel: Welford's averages while young, exponentially weighted after.

All of it is equivariant: x → a x + b (a > 0) maps the level with it and leaves every scaled number as it was.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.scalar import clip

BOUND = 30.0  # running scales that one value counts as at the most, once 8 have been seen


@kernel
def level_observe(x: float, w: float, young: bool, spread: float, moments: Array) -> None:
    """Mean and variance after x.

    w        weight of this value: 1/t makes the plain mean and variance of t values
    young    True: no clipping yet, there is no scale to clip by
    spread   least scale to clip by, in units of x
    moments  (2,) mean, variance; updated
    """
    d = x - moments[0]
    if not young:
        d = clip(d, BOUND * max(math.sqrt(moments[1]), spread))
    moments[0] += w * d
    moments[1] = (1.0 - w) * (moments[1] + w * d * d)


@kernel
def change_observe(change: float, w: float, young: bool, mean_square: float) -> float:
    """Mean square of the changes after one more; same w and young as `level_observe`."""
    d = abs(change)
    if not young and mean_square > 0.0:
        d = min(d, BOUND * math.sqrt(mean_square))
    return mean_square + w * (d * d - mean_square)


@kernel
def change_scale(mean_square: float, variance: float) -> float:
    """The unit in which changes are counted; 0 while nothing has changed yet.

    The small share of the level's spread keeps a rarely moving channel from counting a ripple as enormous.
    """
    return math.sqrt(mean_square) + 1e-3 * math.sqrt(variance) if mean_square > 0.0 else 0.0
