"""Fields of a watching model: their order here is the row numbers that the kernels of this folder use.

First what all channels share, then the fields of each channel, one channel after the other: field k of channel c is
row OWN + c × stride + k. Of the first channel they have their plain names, of channel c "name@c".
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from streamrnn._types import Array, Floats
from streamrnn.kernels import budget, conformal, event, governor, oddity, season
from streamrnn.state import Arena, Field

# rows of the layout table that all channels share
(
    CLOCK, SEEN, STALE, VALID, SEASON, RELATIVES, LISTENED, ZONE, MARKS,
    HYPER, PACE, RATES, FIRST, START, KNOWN, LAST, MISSED, MOMENTS, CHANGE, SHORT, PAST, TOTAL, MEANS, PHASE,
    LOCAL, RESIDUE, WORTH, GAINED, GATE,
    BASE, SCALE,
    EXPERTS, MIX, WIDTH, REGRET, ERROR, MIXERROR, BAND, BRISK, AHEAD, JUDGED, STATISTICS, ODD, MEMORY, PROFILE,
    STAGES, LONG, RANKS, WHOLE, REASONS, REST, SPARE, SURPRISE, LIMITS, LADDER, FACTS, HELD, USUAL,
    BLOCKS_HELD, VERDICT, REACH,
    OWN,
) = range(62)  # fmt: skip
# rows of a channel's own fields, after its first
FEATURES, WEIGHTS, AR, WIDE, NET = 0, 1, 2, 7, 12
# of a linear expert, after its first
ASKED, GAIN, COVARIANCE, VARIANCE, HEADS = range(5)

# entries of the field "clock"
ROWS, TIME, GUARDED, RAN_AWAY, MUTE, ACCEPT, TOLD_ONGOING, SHADOWING = range(8)
# entries of the field "hyper"
(
    RATE, MISS, HALF_LIFE, HOLD, SCORING, CLIP_ERROR, CLIP_GRADIENT, SECONDS, ALARMS_A_WEEK, GOVERNOR, REFUSE, MEDIAN,
) = range(12)  # fmt: skip
# bits of the clock's entry MUTE
MUTE_ALARMS, MUTE_LEARNING = 1, 2
# entries of the field "pace"
INTERVAL, GAP, DT, BOOST, TURN, BY_CLOCK, TURNED, DAILY = range(8)
# entries of the array "places" that goes with the arena: rows are relative to the channel's first
LEARNER, UPDATE, READOUT, PROBE, TAPS, TOP, FORGET_FIRST, FORGET_LAST, STRIDE, TWIN, SEEK, HEARD, GATES, RELATED = (
    range(14)
)
# entries of the field "rates"; the last ones are the means'
AGE, KEEP, NORM, QUICK, BRISK_RATE, MIX_KEEP, LONG_KEEP, MEAN0 = range(8)
# rows of the field "statistics"
STATISTIC_NAMES = (
    "judged", "absolute_error", "absolute_change", "squared_error", "squared_change",
    "covered", "missing", "not_finite", "absolute_ar_error", "absolute_seasonal_error",
)  # fmt: skip
# rows of the field "experts", one less than their number in "regret": persistence needs no row
AR_EXPERT, NET_EXPERT, SEASONAL_EXPERT, WIDE_EXPERT = range(4)

YOUNG = 8
"""Values that are taken as they come; then the start is looked over, and later ones are clipped."""
SEASONS = 3
"""Seasons in force at once, at the most."""
SOUGHT_IN, SOUGHT_LEVELS = 4096, 2
"""Values in which seasons are looked for, and levels of coarser ones: up to 21,845 rows are found."""
NEAR_SEASON = 32
"""A season that changes by less than this part is the same one, measured better."""
HARMONICS = 8
"""Sines and cosines of the season's phase."""
BAND_HARMONICS = 2
"""The same for the bands."""
AVERAGES = (4.0, 16.0, 64.0, 256.0, 1024.0)
"""Half-lives of the running means that the wide expert sees, in typical intervals."""

VARIANCE0 = 0.1
"""What the readout's weights are thought to vary by at first: the inverse of the ridge penalty of RLS on all but the
older lags."""
PAST_FULL, PAST_LEAN = 8192, 256
"""Rows of values that are kept: seasons of up to a seventh of it have their week, and of up to half of it two taps."""
MOST_RELATIVES, MOST_HEARD = 8, 3
"""Other channels that one channel's wide expert looks at, and that its net and readout hear."""
BLOCKS = 20
"""Means of blocks of rows between the last lags and a season ago."""
TAPS_OF_SEASON, MIXED = 8, 5
"""Past values round a season ago; and features that are multiplied with the season's harmonics."""

SEASONAL = TAPS_OF_SEASON + 2 * HARMONICS * (1 + MIXED)
"""Features of the wide expert that are there only while a season is in force; they come first."""
WEEKDAYS, DAY_HARMONICS = 7, 3
WEEK_HARMONICS = 1 + 2 * DAY_HARMONICS
"""Features of each function of the weekday: alone, and times the first harmonics of the hour."""
HOUR_FEATURES, WEEK_FEATURES = 8, (WEEKDAYS - 1) * WEEK_HARMONICS
"""Features of the clock: sines and cosines of the hour, there while no season is the day; and those of the week."""
ZONE_CHANGES = 384
"""Changes of a time zone's offset that are known ahead; the most that a zone has until 2100 is about 300."""
EACH = 4
"""Features of the wide expert that look at one other channel."""
HEARD_BACK = 2048
"""Rows of its own errors by which a channel chooses others."""


def heard(channels: int, full: bool) -> int:
    """Other channels that a channel's net and readout hear."""
    return min(channels - 1, MOST_HEARD) if full else 0


def gates(channels: int, full: bool) -> int:
    """Levels that multiply the state in the readout: the channel's own, and those of the others where they are few."""
    return 1 + (heard(channels, full) if channels <= MOST_HEARD + 1 else 0)


def net_inputs(channels: int, full: bool) -> int:
    """Inputs of a channel's net: level, last change, its size, last error of the forecast; level and change of each
    channel that it hears; and the season's phase where seasons are looked for."""
    return 4 + 2 * heard(channels, full) + (2 if full else 0)


def readout_features(channels: int, state: int, lags: int, full: bool) -> int:
    """Features of the readout: state | lags | level | short mean | 1 | size of the last change | level and change of
    each channel that is heard | state × level of each gate."""
    return state + lags + 4 + 2 * heard(channels, full) + state * gates(channels, full)


def relatives(channels: int) -> int:
    """Other channels that a channel can look at."""
    return min(channels - 1, MOST_RELATIVES)


def clock_features(clocked: bool) -> int:
    """Features of the clock, hours first."""
    return HOUR_FEATURES + WEEK_FEATURES if clocked else 0


def wide_features(channels: int, lags: int, state: int, clocked: bool) -> int:
    """Features of the wide expert, in this order: seasonal ones | hours | blocks | week | lags | means | state | 1 |
    relatives."""
    here = BLOCKS + lags + len(AVERAGES) + state + 1
    return SEASONAL + clock_features(clocked) + here + EACH * relatives(channels)


def prior(f: int, n: int, lags: int, heard: int) -> Floats:
    """(F,) variances that the readout's weights start from; those of lag i are 1/i of the others', those of products
    and of the last change's size a tenth, those of other channels a hundredth.

    The older a value, the less it should count until the data say otherwise, and other series less than its own
    (Litterman, Forecasting with Bayesian Vector Autoregressions, 1986, §2).
    """
    variance = np.full(f, VARIANCE0)
    variance[n : n + lags] /= np.arange(1, lags + 1)
    other = n + lags + 4
    variance[other - 1 :] /= 10.0
    variance[other : other + 2 * heard] /= 10.0
    return variance


def shared_fields(c: int, lags: int, h: int, scoring: bool, full: bool, clocked: bool) -> list[Field]:
    """Fields for c channels and horizons 1 … h, ordered as the row numbers above."""
    ring, d = h + 1, c if scoring else 0
    turns = 2 * BAND_HARMONICS if full else 0
    past, experts = PAST_FULL if full else PAST_LEAN, 5 if full else 3
    fields = [
        Field("clock", "ints", (8,)),  # rows seen, time, guard counters, what the user says
        Field("seen", "ints", (c,)),  # observed values
        Field("stale", "ints", (c,)),  # rows since the last value; 0: the last row had one
        Field("valid", "ints", (ring, c)),  # 1 where a row's forecasts may be learned from
        Field("season", "ints", (SEASONS + 1,)),  # lengths in rows, 0: none; number of the last change
        Field("relatives", "ints", (c, relatives(c) if full else 0)),  # other channels that each looks at
        Field("listened", "ints", (c, heard(c, full))),  # those of them that its net hears
        Field("zone", "ints", (ZONE_CHANGES if clocked else 0, 2)),  # offsets of the local time, and since when
        Field("marks", "ints", (event.MARKS,)),  # of the event
        Field("hyper", "wide", (12,)),  # choices of the recipe
        Field("pace", "wide", (8,)),  # typical interval (s), last step, least weight of level and scale, season's phase
        Field("rates", "wide", (MEAN0 + len(AVERAGES),)),  # weights that belong to the last elapsed time
        Field("first", "wide", (c,)),  # first value: levels are kept relative to it
        Field("start", "wide", (YOUNG, c)),  # the first values
        Field("known", "wide", (c,)),  # last value
        Field("last", "wide", (c,)),  # the same, or its forecast where it is missing now
        Field("missed", "wide", (c,)),  # last error of the net's one-step head, scaled
        Field("moments", "wide", (c, 2)),  # running mean and variance
        Field("change", "wide", (c,)),  # running mean square of the changes
        Field("short", "wide", (c,)),  # mean of the last few values
        Field("past", "wide", (c, past)),  # ring of values, less the first
        Field("total", "wide", (c, past if full else 1)),  # ring of their running sum
        Field("means", "wide", (c, len(AVERAGES))),  # running means of values, less the first
        Field("phase", "wide", (2 * HARMONICS,)),  # sines and cosines of the season's phase
        Field("local", "wide", (clock_features(clocked),)),  # features of the clock
        Field("residue", "wide", (c, HEARD_BACK if full and c > 1 else 0)),  # ring of what its own past left unsaid
        Field("worth", "wide", (c,)),  # relevance to a channel that chooses
        Field("gained", "wide", (c, relatives(c) + 1 if full and c > 1 else 0, 6)),  # what each relative has brought
        Field("gate", "wide", (c,)),  # share of a row that is learned
        Field("base", "wide", (ring, c)),  # value from which a row's forecasts start
        Field("scale", "wide", (ring, c)),  # unit of change that they are scaled by
        Field("experts", "wide", (ring, experts - 1, h, c)),  # each expert's forecasts, but for persistence's
        Field("mix", "wide", (ring, h, c)),  # the forecasts issued
        Field("width", "wide", (ring, h, c)),  # half-widths of the bands issued
        Field("regret", "wide", (h, c, experts, 2)),  # records of persistence and the other experts
        Field("error", "wide", (h, c)),  # mean absolute error of the net's heads, scaled and clipped
        Field("mixerror", "wide", (h, c)),  # mean squared (or absolute) error of the forecasts, scaled and clipped
        Field("band", "wide", (h, c, conformal.SLOPES + turns)),  # of kernels.conformal
        Field("brisk", "wide", (c,)),  # mean absolute error one row ahead over tens of rows, scaled
        Field("ahead", "wide", (h, turns)),  # sines and cosines of the phase of the rows ahead
        Field("judged", "wide", (h, c)),  # forecasts compared with what came
        Field("statistics", "wide", (len(STATISTIC_NAMES), c)),
        Field("odd", "wide", (oddity.WEIGHTS,)),  # weights of a row in the score's memories
        Field("memory", "wide", (d, oddity.MEMORY)),  # these to "reasons": of kernels.oddity
        Field("profile", "wide", (d, oddity.SLOTS, oddity.PROFILE)),
        Field("stages", "wide", (d, oddity.WAYS, oddity.SPANS, 2)),
        Field("long", "wide", (d, oddity.WAYS, oddity.SPANS, 2)),
        Field("ranks", "wide", (d, oddity.STATISTICS, oddity.RANKS)),
        Field("whole", "wide", (d, oddity.TOTAL)),
        Field("reasons", "wide", (d, oddity.STATISTICS)),
        Field("rest", "wide", (oddity.REST if scoring else 0,)),  # after a spike
        Field("spare", "wide", (oddity.WEIGHTS,)),
        Field("surprise", "wide", (c,)),  # of the last row, nats
        Field("limits", "wide", (d, event.LIMITS)),  # what may be an event
        Field("ladder", "wide", (budget.LADDER,)),  # the alarm budget's bars
        Field("facts", "wide", (event.FACTS,)),  # of the event
        Field("held", "wide", (governor.HELD,)),  # of the refusal to learn
        Field("usual", "wide", (d, governor.USUAL)),
        Field("blocks", "wide", (d, governor.BLOCKS, governor.PARTS)),  # of what was refused
        Field("verdict", "wide", (2,)),
        Field("reach", "wide", (h, c)),  # mean squared change up to each target, scaled and clipped
    ]
    assert len(fields) == OWN
    return fields


def season_fields(channels: int, full: bool) -> list[Field]:
    """What the search for seasons remembers; next to nothing where there is none."""
    ring, levels = (SOUGHT_IN, SOUGHT_LEVELS) if full else (64, 1)
    return [Field(*field) for field in season.fields(channels if full else 1, ring, levels)]


def _linear(name: str, ring: int, h: int, f: int) -> list[Field]:
    """Fields of a linear expert with f features, 0 where it has no part."""
    return [
        Field(f"{name}.features", "real", (ring, f)),
        Field(f"{name}.gain", "real", (ring, f)),
        Field(f"{name}.covariance", "real", (f, f)),  # U of P = U diag(d) U'
        Field(f"{name}.variance", "real", (f,)),  # d
        Field(f"{name}.weights", "real", (h, f)),
    ]


def channel_fields(c: int, state: int, lags: int, h: int, full: bool, clocked: bool) -> list[Field]:
    """Fields of one of c channels, before those of its net and readout; state: numbers of the net that are seen."""
    ring = h + 1
    fields = [
        Field("features", "real", (ring, readout_features(c, state, lags, full))),
        Field("weights", "real", (h, readout_features(c, state, lags, full))),
        *_linear("ar", ring, h, lags + 1),
        *_linear("wide", ring, h, wide_features(c, lags, state, clocked) if full else 0),
    ]
    assert len(fields) == NET
    return fields


def of_channel(fields: Iterable[Field], c: int) -> list[Field]:
    """The fields as those of channel c."""
    return [field._replace(name=f"{field.name}@{c}") if c else field for field in fields]


class Part:
    """An arena as channel c sees it: its own fields by their plain names."""

    def __init__(self, arena: Arena, c: int) -> None:
        self._arena, self._suffix = arena, f"@{c}" if c else ""

    def __getitem__(self, name: str) -> Array:
        return self._arena[name + self._suffix]
