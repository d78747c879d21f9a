"""The wide expert: a linear forecaster that sees a season back, the other channels, and the net.

Features of a channel, all relative to its last value and in its unit of change, in this order:

    season     values round one and two seasons ago, and a longer season or seven of them ago; harmonics of the
               season's phase, and their products with
               the most recent features: a linear model whose coefficients go with the time of the day
    hours      harmonics of the local hour where the recipe has a clock, unless the season is the day
    blocks     means of 20 blocks of rows, from the last lags to a season ago
    week       functions of the local weekday, and their products with the first harmonics of the hour
    lags       past values
    means      running means of five half-lives
    state      of the channel's net
    1          scaled down, so that it starts as small
    relatives  of up to 8 other channels: their last two changes, their value a season ago, their mean

What hangs on the season comes first, so that it can be forgotten when the season changes (`linear_reset`) and skipped
while there is none; what is often out of use comes last, where it costs the most. The
set was measured one by one (docs/accuracy.md).
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.normalise import BOUND
from streamrnn.kernels.scalar import clip
from streamrnn.tasks._layout import (
    BLOCKS,
    EACH,
    HARMONICS,
    HOUR_FEATURES,
    MEAN0,
    MIXED,
    NEAR_SEASON,
    SEASONAL,
    SEASONS,
    TAPS_OF_SEASON,
    TURN,
)  # fmt: skip

WEEK = 7  # seasons of a day
PHASE_SCALE = 0.3
ONE = 0.1


@kernel
def keep_past(
    rows: int, c: int, value: float, rates: Array, past: Array, total: Array, means: Array
) -> None:  # fmt: skip
    """Take a value (less the channel's first) into the rings and means of channel c."""
    size = past.shape[1]
    at = rows % size
    past[c, at] = value
    for j in range(means.shape[1]):
        means[c, j] = value if rows == 0 else means[c, j] + rates[MEAN0 + j] * (value - means[c, j])
    if total.shape[1] < size:
        return
    total[c, at] = value if rows == 0 else total[c, (rows - 1) % size] + value
    if at == size - 1:  # begin the sum anew, before it outgrows its precision
        before = total[c, 0]
        for i in range(size):
            total[c, i] -= before


@kernel
def follow_season(found: Array, changes: int, season: Array, pace: Array) -> bool:
    """Take over the seasons that were found, and let the phase go on by one row; True where the season is another one.

    found    (SEASONS,) in force, ascending, 0: none; changes: how often that has changed
    season   (SEASONS + 1,) the same as the model uses them; updated
    pace     [TURN] part of the season that has gone by, in [0, 1); it goes on where a length is only measured better
    """
    before, turned = season[0], False
    if season[SEASONS] != changes:
        for i in range(SEASONS):
            season[i] = found[i]
        season[SEASONS] = changes
        turned = before == 0 or season[0] == 0 or NEAR_SEASON * abs(season[0] - before) > before
    pace[TURN] = (pace[TURN] + 1.0 / season[0]) % 1.0 if season[0] > 0 else 0.0
    return turned


@kernel
def turn_phase(turn: float, season: int, phase: Array) -> None:
    """Sines and cosines of the season's phase at this row; 0 without a season."""
    for k in range(HARMONICS):
        a = 2.0 * math.pi * (k + 1) * turn
        phase[2 * k] = math.sin(a) if season > 0 else 0.0
        phase[2 * k + 1] = math.cos(a) if season > 0 else 0.0


@kernel
def turn_ahead(phase: Array, season: int, ahead: Array) -> None:
    """Sines and cosines of the phase of the next rows, the first few harmonics, from those of this row."""
    for j in range(ahead.shape[1] // 2):
        sine, cosine = phase[2 * j], phase[2 * j + 1]
        a = 2.0 * math.pi * (j + 1) / season if season > 0 else 0.0
        s1, c1 = math.sin(a), math.cos(a)
        for k in range(ahead.shape[0]):
            sine, cosine = sine * c1 + cosine * s1, cosine * c1 - sine * s1
            ahead[k, 2 * j], ahead[k, 2 * j + 1] = sine, cosine


@kernel
def ago(past: Array, rows: int, c: int, lag: int) -> float:
    """Value of channel c `lag` rows ago less its last one; 0 where that is not known any more, or not yet."""
    size = past.shape[1]
    if not 0 < lag < min(size, rows + 1):
        return 0.0
    return float(past[c, (rows - lag) % size] - past[c, rows % size])


@kernel
def mean_ago(past: Array, total: Array, rows: int, c: int, nearest: int, farthest: int) -> float:
    """Mean of the values `nearest` … `farthest` rows ago less the last one; 0 where that is not known."""
    size = past.shape[1]
    if not farthest + 1 < min(size, rows + 1) or farthest < nearest:
        return 0.0
    whole = total[c, (rows - nearest) % size] - total[c, (rows - farthest - 1) % size]
    return float(whole / (farthest - nearest + 1) - past[c, rows % size])


@kernel
def wide_describe(
    rows: int, c: int, lags: int, season: int, longer: int, scale: Array, phase: Array, past: Array, total: Array,
    means: Array, daily: bool, local: Array, relatives: Array, state: Array, f: Array,
) -> int:  # fmt: skip
    """Features of channel c after this row into f; returns how many of the first are 0 for want of a season.

    scale   (C,) unit of change of each channel
    longer  the longest season in force: its taps stand beside those of the shortest, which else has a week of seven
    daily   whether the season is the clock's day
    local   the clock's features (`_clock.read_clock`); none without one
    """
    s = scale[c]
    inverse = 1.0 / s if s > 0.0 else 0.0
    here = past[c, rows % past.shape[1]]
    hours = min(HOUR_FEATURES, local.shape[0])
    o_blocks = SEASONAL + hours
    o_lags = o_blocks + BLOCKS + local.shape[0] - hours
    o_means = o_lags + lags
    o_state = o_means + means.shape[1]
    o_relatives = o_state + state.shape[0] + 1
    for i in range(hours):
        f[SEASONAL + i] = 0.0 if daily else local[i]
    for i in range(hours, local.shape[0]):
        f[o_blocks + BLOCKS + i - hours] = local[i]
    span = season if season > lags + BLOCKS else lags + 4 * BLOCKS
    for i in range(BLOCKS):
        nearest, farthest = lags + 1 + i * (span - lags) // BLOCKS, lags + (i + 1) * (span - lags) // BLOCKS
        f[o_blocks + i] = clip(mean_ago(past, total, rows, c, nearest, farthest) * inverse, BOUND)
    for i in range(lags):
        f[o_lags + i] = clip(ago(past, rows, c, i + 1) * inverse, BOUND)
    for i in range(means.shape[1]):
        f[o_means + i] = clip((means[c, i] - here) * inverse, BOUND)
    for i in range(relatives.shape[1]):
        d, o = relatives[c, i], o_relatives + EACH * i
        other = scale[d] if d >= 0 else 0.0
        if not other > 0.0:
            for j in range(EACH):
                f[o + j] = 0.0
            continue
        f[o] = clip(ago(past, rows, d, 1) / other, BOUND)
        f[o + 1] = clip(ago(past, rows, d, 2) / other, BOUND)
        f[o + 2] = clip(ago(past, rows, d, season - 1) / other, BOUND)
        f[o + 3] = clip((means[d, 1] - past[d, rows % past.shape[1]]) / other, BOUND)
    for i in range(state.shape[0]):
        f[o_state + i] = state[i]
    f[o_state + state.shape[0]] = ONE
    if season == 0:
        for i in range(SEASONAL):
            f[i] = 0.0
        return SEASONAL
    far = longer if longer > 2 * season else WEEK * season
    for i in range(4):
        f[i] = clip(ago(past, rows, c, season - 2 + i) * inverse, BOUND)
    for i in range(2):
        f[4 + i] = clip(ago(past, rows, c, 2 * season - 1 + i) * inverse, BOUND)
        f[6 + i] = clip(ago(past, rows, c, far - 1 + i) * inverse, BOUND)
    o = TAPS_OF_SEASON + 2 * HARMONICS
    for k in range(2 * HARMONICS):
        f[TAPS_OF_SEASON + k] = PHASE_SCALE * phase[k]
        p = o + k * MIXED
        for i in range(2):
            f[p + i] = phase[k] * (f[o_lags + i] if i < lags else 0.0)
        f[p + 2] = phase[k] * f[1]
        f[p + 3] = phase[k] * f[2]
        f[p + 4] = phase[k] * f[o_means + 2]
    return 0
