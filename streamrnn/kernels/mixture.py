"""Convex mixing of forecasts with bounded regret.

ML-Poly of Gaillard, Stoltz & van Erven, A second-order bound with excess losses (COLT 2014), §3, with discounted
sums: an expert weighs what the mixture would have gained by following it alone.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array

CURVATURE = 0.01  # c


@kernel
def mixture_learn(error: float, distance: float, keep: float, record: Array) -> None:
    """Book one outcome for one expert.

    error       forecast of the mixture - truth, scaled
    distance    forecast of the mixture - forecast of the expert, same scale; error x distance is the regret's slope
    keep        discount of older outcomes
    record      (2,) the expert's discounted regret and sum of squared regrets, updated
    """
    r = error * distance - CURVATURE * distance * distance
    record[0] = keep * record[0] + r
    record[1] = keep * record[1] + r * r


@kernel
def mixture_weight(doubt: float, record: Array) -> float:
    """Weight of one expert, up to a factor common to all: positive part of its regret over the sum of its squares.

    doubt   standard errors of the regret that must be exceeded first: an expert that is seldom the best costs more by
            the noise of its weight than it brings. Its regret is bounded by so many roots of the sum of squares more
    """
    return max(record[0] - doubt * math.sqrt(record[1]), 0.0) / (record[1] + 1e-12)
