"""Fields of a watching model: their order here is the row numbers that the kernels of this folder use."""

from __future__ import annotations

import numpy as np

from streamrnn._types import Floats
from streamrnn.state import Field

# rows of the layout table
(
    CLOCK, SEEN, STALE, VALID,
    HYPER, PACE, RATES, FIRST, START, KNOWN, LAST, MOMENTS, CHANGE, SHORT, LAGS, BASE, SCALE, MODEL, MIX, WIDTH,
    REGRET, ERROR, MIXERROR, SIGMA, QUANTILE, JUDGED, STATISTICS, SCORED, RESIDUAL, STAGES, LONG, TAILS, SURPRISE,
    FEATURES, WEIGHTS,
    OWN,
) = range(36)  # fmt: skip

# entries of the field "clock"
ROWS, TIME, ALARM, SINCE, LOUD, ALARMS, GUARDED, RAN_AWAY = range(8)
# entries of the field "hyper"
RATE, MISS, HALF_LIFE, THRESHOLD, HOLD, SCORING, CLIP_ERROR, CLIP_GRADIENT, SECONDS = range(9)
# entries of the field "pace"
INTERVAL, PEAK, GAP, FATIGUE, BAR, DT = range(6)
# entries of the array "places" that goes with the arena
LEARNER, UPDATE, READOUT, PROBE, TAPS, TOP, FORGET_FROM, FORGET_TO = range(8)
# entries of the field "rates"; the last ones are the level statistics'
AGE, KEEP, NORM, QUICK, SLOW, CALM, LEVEL0 = range(7)
# rows of the field "statistics"
STATISTIC_NAMES = (
    "judged", "absolute_error", "absolute_change", "squared_error", "squared_change",
    "covered", "missing", "not_finite",
)  # fmt: skip

LEVELS = 5
YOUNG = 8
"""Values that are taken as they come; then the start is looked over, and later ones are clipped."""
WINDOWS = (5.0, 8.5, 15.0, 27.5, 50.0)
"""Half-lives of the level statistics, in typical intervals (or in 1/1386 of a half-life given in seconds)."""

VARIANCE0 = 0.1
"""What the readout's weights are thought to vary by at first: the inverse of the ridge penalty of RLS on all but the
older lags."""

MOST_LAG_FEATURES = 128


def lags_for(channels: int, lags: int) -> int:
    """Lags of each channel: as asked, but at most 128 lag features in all, since the readout costs their square."""
    return min(lags, max(MOST_LAG_FEATURES // channels, 1))


def prior(c: int, n: int, lags: int) -> Floats:
    """(F,) variances that the readout's weights start from; those of lag i are 1/i of the others'.

    The older a value, the less it should count until the data say otherwise (Litterman, Forecasting with Bayesian
    Vector Autoregressions, 1986, §2). On 43 series it took 0.3 % off the error, most on the short ones.
    """
    variance = np.full(n + c * (lags + 2) + 1, VARIANCE0)
    variance[n : n + c * lags] /= np.repeat(np.arange(1, lags + 1), c)
    return variance


def own_fields(c: int, n: int, lags: int, h: int, scoring: bool) -> list[Field]:
    """Fields for c channels, n numbers of state, lags a channel, horizons 1 … h, ordered as the row numbers above."""
    ring, f = h + 1, n + c * (lags + 2) + 1
    d = c if scoring else 0
    fields = [
        Field("clock", "ints", (8,)),  # rows seen, time, alarm and guard counters
        Field("seen", "ints", (c,)),  # observed values
        Field("stale", "ints", (c,)),  # rows since the last value; 0: the last row had one
        Field("valid", "ints", (ring, c)),  # 1 where a row's forecasts may be learned from
        Field("hyper", "wide", (9,)),  # choices of the recipe
        Field("pace", "wide", (6,)),  # typical interval (s), peak and bar of the event, the last step's length, fatigue
        Field("rates", "wide", (LEVEL0 + LEVELS,)),  # weights that belong to the last elapsed time
        Field("first", "wide", (c,)),  # first value: levels are kept relative to it
        Field("start", "wide", (YOUNG, c)),  # the first values
        Field("known", "wide", (c,)),  # last value
        Field("last", "wide", (c,)),  # the same, or its forecast where it is missing now
        Field("moments", "wide", (c, 2)),  # running mean and variance
        Field("change", "wide", (c,)),  # running mean square of the changes
        Field("short", "wide", (c,)),  # mean of the last few values
        Field("lags", "wide", (max(lags, 1), c)),  # ring of changes
        Field("base", "wide", (ring, c)),  # value from which a row's forecasts start
        Field("scale", "wide", (ring, c)),  # unit of change that they are scaled by
        Field("model", "wide", (ring, h, c)),  # the net's forecasts
        Field("mix", "wide", (ring, h, c)),  # the forecasts issued
        Field("width", "wide", (ring, h, c)),  # half-widths of the bands issued
        Field("regret", "wide", (h, c, 2, 2)),  # records of persistence and the net
        Field("error", "wide", (h, c)),  # mean absolute error of the heads, scaled
        Field("mixerror", "wide", (h, c)),  # mean absolute error of the forecasts, scaled and clipped
        Field("sigma", "wide", (h, c)),  # mean absolute error of the forecasts, scaled
        Field("quantile", "wide", (h, c)),  # half-width of the band in units of sigma
        Field("judged", "wide", (h, c)),  # forecasts compared with what came
        Field("statistics", "wide", (len(STATISTIC_NAMES), c)),
        Field("scored", "wide", (d,)),  # residuals seen by the score
        Field("residual", "wide", (d,)),  # running mean absolute error, for the score
        Field("stages", "wide", (d, LEVELS, 2)),  # twice smoothed levels
        Field("long", "wide", (d, LEVELS, 2)),  # their long mean and variance
        Field("tails", "wide", (d, 1 + LEVELS, 4)),
        Field("surprise", "wide", (c,)),  # of the last row, nats
        Field("features", "real", (ring, f)),
        Field("weights", "real", (h, c, f)),
    ]
    assert len(fields) == OWN
    return fields
