"""How odd is a value: sixteen statistics, each ranked against its own past, added, and the sum ranked once more.

The statistics look at a channel in four ways. The residual: did the forecast miss? The level: is the mean of the last
rows, over five spans, far from the long mean? The season: the same of what is left after the usual value at this time
of the season has been taken off. The calm: has it moved too little, over the same five spans? A stuck gauge has no
large residual and a good level; a plateau that is due and does not come has neither.

Each statistic becomes a surprise in nats, -ln of the share of the past that was as large (`rank`). Surprises of less
than a few nats count for little (`evidence`), since most of sixteen statistics are slightly odd at any time. The sum is
of dependent numbers and so no -ln p itself: `calibrate` turns it into one, from a prior that holds for noise of many
kinds and is corrected slowly by the channel's own past. What was learned within an event is left out there, or the
series that have most to tell would be called dull.

`spike` makes one value of an event out of the many odd rows that it has, `apparent` what is shown of all rows.

All memories are weights of a row, so that a caller can turn half-lives in seconds into them. Everything is O(1) a row.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.scalar import clip

SPANS = 5
SHORT = (2.25, 3.8, 6.75, 12.4, 22.5)
"""Half-lives of each of the two stages of a level, in typical intervals."""
# statistics
RESIDUAL, LEVEL, SEASON, CALM, STATISTICS = 0, 1, 6, 11, 16
WAYS = 3  # of looking at a mean over a span: level, season, calm

# entries of `weights`
NORM, LONG, RANK, CHANGE, SLOW, SPAN0 = range(6)
WEIGHTS = SPAN0 + SPANS
MEMORIES = (1e-3, 3e-4, 5e-3, 0.13, 3e-5)
"""Weights of a row that the measured figures belong to, where a row comes each typical interval: of the residual's
scale and the season's usefulness; of the long mean; of the ranks; of the recent change; of the calibration."""

W_NORM, W_LONG, W_RANK, W_CHANGE, W_SLOW = MEMORIES
H0, H1, H2, H3, H4 = SHORT

# entries of `memory`
(
    FIRST, LAST, COUNT, SCORED, MISS, MEAN, MOVES, MOVED,
    SLOT, SLOT_SUM, SLOT_ROWS, SLOT_AWAY, SLOT_JUDGED, SEASONED, AWAY, LEFT, PLAIN, LEFT_ERROR, PLAIN_ERROR,
    MEMORY,
) = range(20)  # fmt: skip
SLOTS = 48  # of a season
# columns of `profile`
USUAL, SPREAD, VISITS, PROFILE = 0, 1, 2, 3
# entries of a rank
QUANTILES, DISTANCE, EXCESS, EXCEEDED, RANKED, RANKS = 4, 4, 5, 6, 7, 8
# entries of `total`
BAR, BEYOND, LEARNED, PASSED, QUIET, TOTAL = range(6)
# entries of `rest`
SINCE, HIGHEST, CROWD, MURMUR, REST = range(5)

WARM = 100.0  # observations before anything is called odd
FEW = 20.0  # residuals before one is judged
BOUND = 30.0  # scales that one value counts as, at the most, when learned from
LARGEST = 1e300
SHARES_0, SHARES_1, SHARES_2, SHARES_3 = 0.5, 0.2, 0.05, 0.01  # of the past beyond each tracked quantile
NATS_0, NATS_1, NATS_2, NATS_3 = 0.6931471805599453, 1.6094379124341003, 2.995732273553991, 4.605170185988091  # -ln
GAIN = 3.0  # quantile step = GAIN x weight x distance
EXCESS_WEIGHT = 0.03  # of an exceedance, in the mean excess
EXCESS_CLIP = 3.0  # mean excesses that one exceedance counts as when learned from
CERTAINTY = 20.0  # exceedances beyond which a tail counts as known
DOUBT = 3.5  # nats: what a statistic says below it counts for little
LEAST_MISS = 0.05  # mean changes: a smaller mean error counts as this
LEAST = 0.5  # usual misses, or deviations: much less is not odd, or a channel that has become still makes ripples odd
STILL = 1e-3  # share of the usual change below which a channel is no calmer for moving less
SEASON_SHARE, CALM_SHARE = 0.3, 0.3  # of a season's and a calm's evidence in the sum
SEASON_WEIGHT = 0.15  # of a season in the profile
SEASON_CLIP = 4.0  # spreads of a slot that one season counts as
SEASONS = 4.0  # seasons of a slot before it is heard
USEFUL = 0.5  # heard where it leaves less than this of the error of the long mean
SMOOTH = 0.12  # weight of a row in the errors that are compared for that
EVEN = 0.3  # of the mean spread: the least spread of a slot
PRIOR_BAR, PRIOR_BEYOND = 9.0, 3.3  # nats: the .99 quantile of the sum, and the mean excess over it, at first
PRIOR_ROWS = 30_000.0  # rows that the prior counts as
TARGET = 0.01  # share of rows beyond the bar
LEARNED_TARGET = 0.008  # of those learned from: events are left out of them, with more than their share
LOUD = 8.5  # nats: an event from here on
PAUSE = 100.0  # typical intervals after it that the calibration does not learn from
TOTAL_CLIP = 4.0

REST_BREAK = 5.0  # nats above the event's highest that are an event of their own
REST_LOUD = 0.7  # of the threshold: an event goes on
REST_AFTER = 0.7  # of the rest: what is left of it at least after a row as loud as that
CROWD_RESTS = 80.0  # half-life of a spike in the count of spikes, in rests
CROWD_FREE, CROWD_NATS = 2.0, 0.2  # so many count for nothing; each one beyond raises the threshold by so much
MURMUR_RESTS = 0.125  # half-life, in rests, of the smoothed surprise


@kernel
def at_least(weight: float, n: float) -> float:
    """The weight of a row after n others: 1/(n + 1), as in a plain mean, until that falls to `weight`; 0 for 0."""
    if weight == 0.0:
        return 0.0
    return weight if weight * (n + 1.0) >= 1.0 else 1.0 / (n + 1.0)


@kernel
def rank(z: float, weight: float, state: Array) -> float:
    """Surprise of z in nats, -ln of the share of its past that was as large. Learns from z afterwards.

    Between the tracked quantiles .5, .8, .95 and .99 it is linear in z. Beyond the last one, u, the tail is exponential
    with mean excess β; averaged over what is not known about β after c exceedances, that is a Lomax tail,
    P(excess > y) = (1 + y / (c β))^-c: cautious while few are known, and it never saturates. 0 while warming.

    z       statistic ≥ 0, finite
    weight  of this row, least
    state   (8,) four quantiles, mean distance from the last, mean excess, exceedances, rows; updated
    """
    n = state[RANKED]
    if n == 0.0:
        for i in range(QUANTILES):
            state[i] = z
    top = state[QUANTILES - 1]
    excess = z - top
    nats = 0.0
    if n >= WARM:
        if excess > 0.0:
            if state[EXCESS] > 0.0:
                c = min(state[EXCEEDED], CERTAINTY)
                nats = NATS_3 + c * math.log1p(excess / (c * state[EXCESS]))
        elif z <= state[0]:
            nats = NATS_0 * z / state[0] if state[0] > 0.0 else 0.0
        else:
            below, above, nats0, nats1 = state[2], top, NATS_2, NATS_3
            if z <= state[1]:
                below, above, nats0, nats1 = state[0], state[1], NATS_0, NATS_1
            elif z <= state[2]:
                below, above, nats0, nats1 = state[1], state[2], NATS_1, NATS_2
            nats = nats0 + (nats1 - nats0) * (z - below) / (above - below)
    if weight == 0.0:
        return nats
    w = at_least(weight, n)
    away = min(abs(excess), BOUND * state[DISTANCE]) if n >= WARM else abs(excess)
    state[DISTANCE] += w * (away - state[DISTANCE])
    step = GAIN * w * state[DISTANCE]
    state[0] = max(0.0, state[0] + step * ((1.0 if z > state[0] else 0.0) - SHARES_0))
    state[1] = max(state[0], state[1] + step * ((1.0 if z > state[1] else 0.0) - SHARES_1))
    state[2] = max(state[1], state[2] + step * ((1.0 if z > state[2] else 0.0) - SHARES_2))
    state[3] = max(state[2], state[3] + step * ((1.0 if excess > 0.0 else 0.0) - SHARES_3))
    if excess > 0.0:
        learned = min(excess, EXCESS_CLIP * state[EXCESS]) if state[EXCEEDED] >= 5.0 else excess
        state[EXCESS] += at_least(EXCESS_WEIGHT, state[EXCEEDED]) * (learned - state[EXCESS])
        state[EXCEEDED] += 1.0
    state[RANKED] = n + 1.0
    return nats


@kernel
def evidence(nats: float) -> float:
    """√(s² + k²) - k with k = 3.5: about s²/7 for a small surprise s, s - k for a large one; rises strictly."""
    return nats * nats / (math.sqrt(nats * nats + DOUBT * DOUBT) + DOUBT)


@kernel
def heed(z: float) -> float:
    """z² / (z² + 1/4): how far a statistic in its usual units is worth listening to, however rare it is."""
    return 1.0 if abs(z) > 1e8 else z * z / (z * z + LEAST * LEAST)


@kernel
def level(v: float, weight: float, long_weight: float, n: float, stages: Array, long: Array) -> float:
    """Deviation of the mean of the last rows from its own long mean, in its own long deviations; 0 at first.

    v            value, relative to a fixed number
    weight       of this row in each of the two stages of the short mean, least
    long_weight  of this row in the long moments, least
    n            values before this one
    stages       (2,) running mean, and the running mean of that; updated
    long         (2,) mean and variance of the latter; updated
    """
    w = at_least(weight, n)
    stages[0] += w * (v - stages[0])
    stages[1] += w * (stages[0] - stages[1])
    d = stages[1] - long[0]
    z = 0.0
    if long[1] > 0.0:
        z = clip(d / math.sqrt(long[1]), LARGEST)
        if n >= 8.0:
            d = clip(d, BOUND * math.sqrt(long[1]))
    w = at_least(long_weight, n)
    long[0] += w * d
    long[1] = (1.0 - w) * (long[1] + w * d * d)
    return z


@kernel
def season_left(x: float, phase: float, weight: float, memory: Array, profile: Array) -> float:
    """What is left of x, in spreads of its slot, after the usual value at this phase; NaN where the slot is new.

    The usual value is interpolated between slots. A slot learns when the phase leaves it, from the mean of its rows,
    clipped at four spreads: one odd day does not become usual. memory[LEFT_ERROR] and [PLAIN_ERROR] say how useful the
    season is: the mean errors of the usual value and of the long mean, both of smoothed values.

    x        value
    phase    part of the season that has gone by, in [0, 1)
    weight   of this row in the errors, least
    memory   (MEMORY,) updated
    profile  (48, 3) usual value, spread, visits of each slot; updated
    """
    place = phase * SLOTS
    slot = int(place) % SLOTS
    last = int(memory[SLOT])
    if slot != last:
        if memory[SLOT_ROWS] > 0.0:
            profile[last, VISITS] += 1.0
            visits = profile[last, VISITS]
            d = memory[SLOT_SUM] / memory[SLOT_ROWS] - profile[last, USUAL]
            most = SEASON_CLIP * max(profile[last, SPREAD], EVEN * memory[AWAY])
            if visits > 2.0:
                d = clip(d, most)
            profile[last, USUAL] += max(SEASON_WEIGHT, 1.0 / visits) * d
            if memory[SLOT_JUDGED] > 0.0:
                away = memory[SLOT_AWAY] / memory[SLOT_JUDGED]
                if visits > 3.0:
                    away = min(away, most)
                w = max(SEASON_WEIGHT, 1.0 / max(visits - 1.0, 1.0))
                profile[last, SPREAD] += w * (away - profile[last, SPREAD])
        memory[SLOT] = slot
        memory[SLOT_SUM] = memory[SLOT_ROWS] = memory[SLOT_AWAY] = memory[SLOT_JUDGED] = 0.0
    if weight > 0.0:
        memory[SLOT_SUM] += x
        memory[SLOT_ROWS] += 1.0
    if profile[slot, VISITS] < 1.0:
        return math.nan
    part = place - math.floor(place) - 0.5
    beside = (slot + 1) % SLOTS if part >= 0.0 else (slot - 1) % SLOTS
    usual, spread = profile[slot, USUAL], profile[slot, SPREAD]
    if profile[beside, VISITS] > 0.0:
        usual += abs(part) * (profile[beside, USUAL] - usual)
        spread = max(spread, profile[beside, SPREAD])
    left = x - usual
    if weight > 0.0:
        memory[SLOT_AWAY] += abs(left)
        memory[SLOT_JUDGED] += 1.0
        memory[SEASONED] += 1.0
    n = memory[SEASONED]
    w = max(weight, 1.0 / n) if weight > 0.0 else 0.0
    away = min(abs(left), 10.0 * memory[AWAY]) if n > 50.0 else abs(left)
    memory[AWAY] += w * (away - memory[AWAY])
    memory[LEFT] += SMOOTH * (left - memory[LEFT])
    memory[PLAIN] += SMOOTH * (x - memory[MEAN] - memory[PLAIN])
    error, plain = abs(memory[LEFT]), abs(memory[PLAIN])
    if n > 50.0:
        error, plain = min(error, 10.0 * memory[LEFT_ERROR]), min(plain, 10.0 * memory[PLAIN_ERROR])
    memory[LEFT_ERROR] += w * (error - memory[LEFT_ERROR])
    memory[PLAIN_ERROR] += w * (plain - memory[PLAIN_ERROR])
    if profile[slot, VISITS] < 2.0:
        return math.nan
    spread = max(spread, EVEN * memory[AWAY])
    return left / spread if spread > 0.0 else 0.0


@kernel
def calibrate(evidence: float, elapsed: float, weight: float, total: Array) -> float:
    """Surprise in nats of a sum of evidence: -ln of the share of rows with as much. Learns from it afterwards.

    Below the bar b (the quantile that a hundredth of the rows pass) it is ln 100 (sum / b)^(3/4), which suits noise of
    many kinds, and beyond it a Lomax tail as in `rank`. Rows up to 100 typical intervals after one of 8.5 nats are not
    learned from.

    evidence  sum, ≥ 0
    elapsed   typical intervals since the last row
    weight    of this row, least
    total     (5,) bar, mean excess, rows and exceedances learned from, intervals since the last loud row; updated
    """
    excess = evidence - total[BAR]
    part = math.sqrt(evidence / total[BAR])
    nats = NATS_3 * part * math.sqrt(part)
    if excess > 0.0:
        nats = NATS_3 + CERTAINTY * math.log1p(excess / (CERTAINTY * total[BEYOND]))
    total[QUIET] += elapsed
    if total[QUIET] <= PAUSE or weight == 0.0:
        return nats
    if nats > LOUD:
        total[QUIET] = 0.0
    total[LEARNED] += 1.0
    w = max(weight, 1.0 / (total[LEARNED] + PRIOR_ROWS))
    beyond = 1.0 if excess > 0.0 else 0.0
    total[BAR] = max(total[BAR] + w * total[BEYOND] / (GAIN * TARGET) * (beyond - LEARNED_TARGET), 0.1 * PRIOR_BAR)
    if excess > 0.0:
        total[PASSED] += 1.0
        w = max(weight / TARGET, 1.0 / (total[PASSED] + TARGET * PRIOR_ROWS))
        total[BEYOND] += w * (min(excess, TOTAL_CLIP * total[BEYOND]) - total[BEYOND])
    return nats


@kernel
def oddity(
    x: float, forecast: float, reach: float, phase: float, elapsed: float, weights: Array,
    memory: Array, profile: Array, stages: Array, long: Array, ranks: Array, total: Array, shares: Array,
) -> float:  # fmt: skip
    """Surprise of x in nats, ≥ 0; rows with as much or more are a share e^-nats of all. Learns from x afterwards.

    A missing value (NaN) is no surprise and leaves everything as it was. A channel that has never changed surprises
    when it does, by ln(n + 2) in the residual and in each level: as much as something that has not happened in n rows.
    x → a x + b, a > 0, with the forecast alike, changes nothing.

    x         value
    forecast  of x, made before it; NaN: none
    reach     how much farther than in one typical interval x may have moved since the last value, ≥ 1: √(rows missed)
    phase     part of the season that has gone by, in [0, 1); negative: no season is known
    elapsed   typical intervals since the last row
    weights   (WEIGHTS,) of this row: NORM, LONG, RANK, CHANGE, SLOW, and SPAN0 … of the spans. A row that is to be
              judged and not learned has 0 in NORM, LONG, RANK and SLOW
    memory    (MEMORY,) updated
    profile   (48, 3) of the season; updated
    stages    (3, 5, 2) of level, season, calm; updated
    long      (3, 5, 2) of the same; updated
    ranks     (16, 8) updated
    total     (5,) calibration, started by `start`; updated
    shares    (16,) evidence of each statistic in this row; written
    """
    for i in range(STATISTICS):
        shares[i] = 0.0
    if math.isnan(x):
        return 0.0
    n = memory[COUNT]
    if n == 0.0:
        memory[FIRST] = memory[LAST] = memory[MEAN] = x
    change = abs(x - memory[LAST])
    never_moved = memory[MOVES] == 0.0 and change > 0.0 and n >= WARM

    if not math.isnan(forecast):
        miss = abs(x - forecast) / reach
        usual = max(memory[MISS], LEAST_MISS * memory[MOVES])
        if memory[SCORED] >= FEW and usual > 0.0:
            z = min(miss / usual, LARGEST)
            shares[RESIDUAL] = heed(z) * evidence(rank(z, weights[RANK], ranks[RESIDUAL]))
            miss = min(miss, BOUND * usual)
        memory[MISS] += at_least(weights[NORM], memory[SCORED]) * (miss - memory[MISS])
        memory[SCORED] += 1.0

    # the long mean and change move on after the season is judged by the mean: each is of the rows before
    left = math.nan
    if phase >= 0.0:
        left = season_left(x, phase, weights[NORM], memory, profile)
    w = at_least(weights[LONG], n)
    learned = min(change, BOUND * memory[MOVES]) if n >= 8.0 and memory[MOVES] > 0.0 else change
    memory[MOVES] += w * (learned - memory[MOVES])
    memory[MOVED] += at_least(weights[CHANGE], n) * (learned - memory[MOVED])
    memory[MEAN] += at_least(weights[NORM], n) * (x - memory[MEAN])

    heard = False
    if not math.isnan(left):
        slot = int(phase * SLOTS) % SLOTS
        heard = profile[slot, VISITS] >= SEASONS and memory[LEFT_ERROR] < USEFUL * memory[PLAIN_ERROR]
    calm = 0.0
    if memory[MOVES] > 0.0:
        calm = math.log(memory[MOVED] / memory[MOVES] + STILL)
    v = x - memory[FIRST]
    for j in range(SPANS):
        z = level(v, weights[SPAN0 + j], weights[LONG], n, stages[0, j], long[0, j])
        shares[LEVEL + j] = heed(z) * evidence(rank(abs(z), weights[RANK], ranks[LEVEL + j]))
        if not math.isnan(left):
            z = level(left, weights[SPAN0 + j], weights[LONG], ranks[SEASON + j, RANKED], stages[1, j], long[1, j])
            share = SEASON_SHARE * heed(z) * evidence(rank(abs(z), weights[RANK], ranks[SEASON + j]))
            shares[SEASON + j] = share if heard else 0.0
        z = level(calm, weights[SPAN0 + j], weights[LONG], n, stages[2, j], long[2, j])
        shares[CALM + j] = CALM_SHARE * evidence(rank(max(-z, 0.0), weights[RANK], ranks[CALM + j]))
    if never_moved:
        for i in range(RESIDUAL, SEASON):
            shares[i] = math.log(n + 2.0)
    memory[LAST] = x
    memory[COUNT] = n + 1.0
    found = 0.0
    for i in range(STATISTICS):
        found += shares[i]
    if n < WARM:
        return 0.0
    return calibrate(found, elapsed, weights[SLOW], total)


@kernel
def weigh_row(age: float, weights: Array) -> None:
    """Weights of a row that comes `age` typical intervals after the last one: 1 - (1 - w)^age of MEMORIES and SHORT."""
    weights[NORM] = 1.0 - (1.0 - W_NORM) ** age
    weights[LONG] = 1.0 - (1.0 - W_LONG) ** age
    weights[RANK] = 1.0 - (1.0 - W_RANK) ** age
    weights[CHANGE] = 1.0 - (1.0 - W_CHANGE) ** age
    weights[SLOW] = 1.0 - (1.0 - W_SLOW) ** age
    weights[SPAN0] = 1.0 - 2.0 ** (-age / H0)
    weights[SPAN0 + 1] = 1.0 - 2.0 ** (-age / H1)
    weights[SPAN0 + 2] = 1.0 - 2.0 ** (-age / H2)
    weights[SPAN0 + 3] = 1.0 - 2.0 ** (-age / H3)
    weights[SPAN0 + 4] = 1.0 - 2.0 ** (-age / H4)


@kernel
def start(total: Array) -> None:
    """Put the prior into a calibration."""
    total[BAR], total[BEYOND], total[LEARNED], total[PASSED], total[QUIET] = PRIOR_BAR, PRIOR_BEYOND, 0.0, 0.0, 1e9


@kernel
def spike(nats: float, elapsed: float, threshold: float, length: float, rest: Array) -> float:
    """Height in nats of the spike where an event begins, else 0: a spike for each event, no plateau.

    After a spike comes a rest, in which only a row 5 nats above the event's highest spike is one of its own. While rows
    are still louder than .7 of the threshold, at least .7 of the rest is left.

    In a channel that has many events each one says less: of spikes a count n is kept that halves in 80 rests, and the
    threshold is 0.2 max(n - 2, 0) nats higher, the spike as much lower. So it is above `threshold` in any case.

    nats       surprise of the row
    elapsed    since the last row, in the unit of `length`
    threshold  nats
    length     of the rest
    rest       (REST,) time since the last spike, its surprise, count of spikes; updated. Start with a time beyond any
               length
    """
    rest[SINCE] += elapsed
    rest[CROWD] *= 2.0 ** (-elapsed / (CROWD_RESTS * length))
    raised = CROWD_NATS * max(rest[CROWD] - CROWD_FREE, 0.0)
    if nats > threshold + raised and (rest[SINCE] > length or nats > rest[HIGHEST] + REST_BREAK):
        rest[SINCE], rest[HIGHEST] = 0.0, nats
        rest[CROWD] += 1.0
        return nats - raised
    if rest[SINCE] <= length and nats > REST_LOUD * (threshold + raised):
        rest[SINCE] = min(rest[SINCE], (1.0 - REST_AFTER) * length)
    return 0.0


@kernel
def apparent(nats: float, elapsed: float, threshold: float, length: float, rest: Array) -> float:
    """What is shown of a surprise, in nats: the spike where an event begins, and less than the threshold elsewhere.

    Elsewhere it is θ u / (u + θ), with u the row's surprise or the smoothed one (half-life an eighth of a rest),
    whichever is larger: it stays up while an event lasts, and dies away after it. Arguments as of `spike`.
    """
    rest[MURMUR] += (1.0 - 2.0 ** (-elapsed / (MURMUR_RESTS * length))) * (nats - rest[MURMUR])
    height = spike(nats, elapsed, threshold, length, rest)
    if height > 0.0:
        return height
    u = max(nats, rest[MURMUR])
    return threshold * u / (u + threshold)
