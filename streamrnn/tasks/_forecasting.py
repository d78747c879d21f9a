"""The forecaster's part of a row, stage by stage: pace, judge, learn, observe, describe, issue.

Arrays are those of `_layout`; r is a row's place in the rings of H + 1 rows.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.conformal import quantile_track
from streamrnn.kernels.mixture import mixture_learn, mixture_weight
from streamrnn.kernels.normalise import BOUND, change_observe, change_scale, level_observe
from streamrnn.kernels.scalar import clip
from streamrnn.kernels.ud import dot
from streamrnn.tasks._layout import (
    AGE,
    CALM,
    DT,
    GAP,
    INTERVAL,
    KEEP,
    LEVEL0,
    NORM,
    QUICK,
    SLOW,
    WINDOWS,
    YOUNG,
)  # fmt: skip
from streamrnn.tasks.recipe import AUTO_HALF_LIFE

QUANTILE_STEP = 0.05  # of the band's half-width, in mean absolute errors, a forecast
START_CLIP = 100.0  # median distances from the median
MIX_CLIP = 1.0  # the same when the mixture learns: it goes by the usual error, not by the rare large one
INPUT_CLIP = 5.0  # scales that one input counts as
SHORT_HALF_LIFE = 4.0
LONG_HALF_LIFE = 2310.0
CALM_HALF_LIFE = 20_000.0  # of the bar that alarms have raised
LARGEST = 1e150  # beyond it squares overflow: such a value is treated as not finite
MOST_AGE = 1e6
MOST_GAP = 1e4  # typical intervals: after a longer pause a value may be off by 100 times the usual error
MOST_AUTO_AGE = 2.0  # typical intervals: nothing is forgotten in a gap, for nothing has contradicted it
W0, W1, W2, W3, W4 = WINDOWS


@kernel
def pace(elapsed: float, rows: int, half_life: float, seconds: bool, pace: Array, rates: Array) -> None:
    """Typical interval of the stream, and the weights that go with the time since the last row.

    elapsed    seconds since the last row, > 0; rows before this one
    half_life  seconds, or 0 for AUTO_HALF_LIFE typical intervals
    seconds    whether the cell's time constants are seconds, or typical intervals
    """
    if rows == 1:
        pace[INTERVAL] = elapsed
    elif rows > 1:
        w = max(1.0 / 256.0, 1.0 / rows)
        if elapsed * 16.0 < pace[INTERVAL]:  # a clock that was set, not a jitter: come down in hundreds of rows
            w = max(w, 1.0 / 16.0)
        pace[INTERVAL] += w * (min(elapsed, 4.0 * pace[INTERVAL]) - pace[INTERVAL])
    age = 1.0
    pace[GAP], pace[DT] = 1.0, 1.0
    if rows > 0:
        pace[DT] = elapsed if seconds else elapsed / pace[INTERVAL]
        pace[GAP] = min(max(elapsed / pace[INTERVAL], 1.0), MOST_GAP)
        unit = half_life / AUTO_HALF_LIFE if half_life > 0.0 else pace[INTERVAL]
        age = min(elapsed / unit, MOST_AGE if half_life > 0.0 else MOST_AUTO_AGE)
    if age != rates[AGE]:
        rates[AGE] = age
        rates[KEEP] = 2.0 ** (-age / AUTO_HALF_LIFE)
        rates[NORM] = 1.0 - 2.0 ** (-2.0 * age / AUTO_HALF_LIFE)
        rates[QUICK] = 1.0 - 2.0 ** (-age / SHORT_HALF_LIFE)
        rates[CALM] = 2.0 ** (-age / CALM_HALF_LIFE)
        rates[SLOW] = 1.0 - 2.0 ** (-age / LONG_HALF_LIFE)
        rates[LEVEL0] = 1.0 - 2.0 ** (-age / W0)
        rates[LEVEL0 + 1] = 1.0 - 2.0 ** (-age / W1)
        rates[LEVEL0 + 2] = 1.0 - 2.0 ** (-age / W2)
        rates[LEVEL0 + 3] = 1.0 - 2.0 ** (-age / W3)
        rates[LEVEL0 + 4] = 1.0 - 2.0 ** (-age / W4)


@kernel
def usable(x: float) -> bool:
    """Whether a value may be used at all: finite, and small enough to be squared."""
    return abs(x) <= LARGEST


@kernel
def judge(
    x: Array, rows: int, miss_rate: float, rates: Array, valid: Array, base: Array, scale: Array, model: Array,
    mix: Array, width: Array, regret: Array, mixerror: Array, sigma: Array, quantile: Array, judged: Array,
    known: Array, statistics: Array,
) -> None:  # fmt: skip
    """Compare x with every forecast that was made for this row: bands, mixture and statistics learn from it."""
    ring, horizon, channels = mix.shape
    for k in range(min(horizon, rows)):
        r = (rows - 1 - k) % ring
        bound = BOUND * math.sqrt(k + 1.0)
        for c in range(channels):
            if valid[r, c] == 0 or not usable(x[c]):
                continue
            s = scale[r, c]
            miss = abs(mix[r, k, c] - x[c])
            e = (mix[r, k, c] - x[c]) / s
            w = max(rates[NORM], 1.0 / (judged[k, c] + 1.0))
            # below 0 everything counts as a miss, or an exact forecast would wind the quantile down without end
            missed = quantile[k, c] < 0.0 or miss > width[r, k, c]
            quantile[k, c] = quantile_track(quantile[k, c], missed, miss_rate, QUANTILE_STEP)
            sigma[k, c] += w * (min(abs(e), bound) - sigma[k, c])
            if judged[k, c] > 20.0:
                e = clip(e, MIX_CLIP * mixerror[k, c])
            e = clip(e, bound)
            mixerror[k, c] += w * (abs(e) - mixerror[k, c])
            mixture_learn(e, clip((mix[r, k, c] - base[r, c]) / s, bound), rates[KEEP], regret[k, c, 0])
            mixture_learn(e, clip((mix[r, k, c] - model[r, k, c]) / s, bound), rates[KEEP], regret[k, c, 1])
            judged[k, c] += 1.0
            if k == 0:
                change = abs(x[c] - known[c])
                statistics[0, c] += 1.0
                statistics[1, c] += miss
                statistics[2, c] += change
                statistics[3, c] += miss * miss
                statistics[4, c] += change * change
                statistics[5, c] += 0.0 if miss > width[r, k, c] else 1.0


@kernel
def head_error(target: float, f: Array, w: Array) -> float:
    """target - wᵀ f."""
    return target - dot(w, f, f.shape[0])


def correct(slot: int, h: int, c: int, error: float, f: Array, memory: tuple[Array, ...], w: Array) -> None:
    """Stand-in for the readout's `correct`."""
    raise TypeError("unbound")


def learn(
    x: Array, rows: int, error_clip: float, rates: Array, valid: Array, base: Array, scale: Array, features: Array,
    memory: tuple[Array, ...], weights: Array, error: Array, judged: Array,
) -> None:  # fmt: skip
    """Every head learns from the target that has come now, on the row that it was asked from."""
    ring, channels = valid.shape
    horizon = weights.shape[0]
    for k in range(min(horizon, rows)):
        r = (rows - 1 - k) % ring
        bound = BOUND * math.sqrt(k + 1.0)
        for c in range(channels):
            if valid[r, c] == 0 or not usable(x[c]):
                continue
            miss = head_error(clip((x[c] - base[r, c]) / scale[r, c], bound), features[r], weights[k, c])
            miss = clip(miss, error_clip * error[k, c])
            correct(r, k, c, miss, features[r], memory, weights[k, c])
            w = max(rates[NORM], 1.0 / (judged[k, c] + 1.0))
            error[k, c] += w * (abs(miss) - error[k, c])


@kernel
def observe(
    x: Array, rows: int, rates: Array, seen: Array, stale: Array, first: Array, start: Array, known: Array, last: Array,
    moments: Array, change: Array, short: Array, lags: Array, mix: Array, statistics: Array,
) -> None:  # fmt: skip
    """Take x into level, scale, short mean and lags. For a missing value its forecast stands in, unlearned."""
    ring = mix.shape[0]
    head = rows % lags.shape[0]
    for c in range(x.shape[0]):
        v = x[c]
        observed = usable(v)
        if not observed:
            statistics[6 if math.isnan(v) else 7, c] += 1.0
            if seen[c] == 0:
                lags[head, c] = 0.0
                continue
            v = mix[(rows - 1) % ring, 0, c]
        if seen[c] == 0:
            first[c], known[c], last[c], short[c], moments[c, 0] = v, v, v, v, v
        lags[head, c] = v - last[c]
        if observed:
            young = seen[c] < YOUNG
            if young:
                start[seen[c], c] = v
            w = max(rates[NORM], 1.0 / (seen[c] + 1.0))
            if seen[c] > 0:  # a change over several rows counts as one of the size it has in one
                d = (v - known[c]) / math.sqrt(1.0 + stale[c])
                change[c] = change_observe(d, max(rates[NORM], 1.0 / seen[c]), young, change[c])
            level_observe(v, w, young, math.sqrt(change[c]), moments[c])
            seen[c] += 1
            known[c] = v
        short[c] += rates[QUICK] * (v - short[c])
        last[c] = v
        stale[c] = 0 if observed else stale[c] + 1


@kernel
def median_of_start(start: Array, c: int, centre: float, spread: bool) -> float:
    """Median of the YOUNG first values of channel c, or (spread) of their distances from `centre`."""
    low = high = 0.0
    for i in range(YOUNG):
        a = abs(start[i, c] - centre) if spread else start[i, c]
        rank = 0
        for j in range(YOUNG):
            b = abs(start[j, c] - centre) if spread else start[j, c]
            rank += b < a or (b == a and j < i)
        if rank == YOUNG // 2 - 1:
            low = a
        elif rank == YOUNG // 2:
            high = a
    return 0.5 * low + 0.5 * high


@kernel
def settle(start: Array, c: int, first: Array, moments: Array, change: Array, short: Array, lags: Array) -> bool:
    """Look over the first values of channel c; where one is wild, begin again from what they are without it.

    A sensor's first value is often none: a sentinel such as -9999 or the largest float would set level and scale for
    thousands of rows. Wild is farther from the median than START_CLIP median distances; where most of the values are
    equal only a first value that stands alone is. True: begun again.
    """
    centre = median_of_start(start, c, 0.0, False)
    bound = START_CLIP * median_of_start(start, c, centre, True)
    wild = alone = 0
    for i in range(YOUNG):
        wild += abs(start[i, c] - centre) > bound
        alone += start[i, c] != centre
    if wild == 0 or (bound == 0.0 and not (alone == 1 and start[0, c] != centre)):
        return False
    first[c], short[c] = centre, centre
    moments[c, 0], moments[c, 1], change[c] = centre, 0.0, 0.0
    before = centre
    for i in range(YOUNG):
        v = centre + clip(start[i, c] - centre, bound)
        level_observe(v, 1.0 / (i + 1.0), True, 0.0, moments[c])
        if i > 0:
            change[c] = change_observe(v - before, 1.0 / i, True, change[c])
        before = v
    for i in range(lags.shape[0]):
        lags[i, c] = 0.0
    return True


@kernel
def describe(
    rows: int, seen: Array, stale: Array, last: Array, moments: Array, change: Array, short: Array, lags: Array,
    taps: int, state: Array, x: Array, base: Array, scale: Array, valid: Array, f: Array,
) -> bool:  # fmt: skip
    """Features after this row: [state | lags | level | short mean | 1]; and the net's next input is read off them.

    taps  lags in use (0 … L); x (2 C,) input of the net: level and last change of each channel
    False where the row had no value at all: nothing is to be learned from what is asked from it.
    """
    n, channels, ring = state.shape[0], last.shape[0], base.shape[0]
    r, size = rows % ring, lags.shape[0]
    level = n + taps * channels
    for i in range(n):
        f[i] = state[i]
    some = False
    for c in range(channels):
        some = some or (seen[c] > 0 and stale[c] == 0)
    for c in range(channels):
        s = change_scale(change[c], moments[c, 1])
        base[r, c], scale[r, c] = last[c], s
        valid[r, c] = 1 if s > 0.0 and some else 0
        inverse = 1.0 / s if s > 0.0 else 0.0
        for i in range(taps):
            f[n + i * channels + c] = clip(lags[(rows - i) % size, c] * inverse, INPUT_CLIP)
        f[level + c] = x[c]
        f[level + channels + c] = clip((short[c] - last[c]) * inverse, INPUT_CLIP)
    f[level + 2 * channels] = 1.0
    return some


@kernel
def inputs(rows: int, last: Array, moments: Array, change: Array, lags: Array, x: Array) -> None:
    """Input of the net (2 C,): standardised level, scaled change."""
    channels, size = last.shape[0], lags.shape[0]
    for c in range(channels):
        s = change_scale(change[c], moments[c, 1])
        spread = math.sqrt(moments[c, 1])
        x[c] = clip((last[c] - moments[c, 0]) / spread, INPUT_CLIP) if spread > 0.0 else 0.0
        x[channels + c] = clip(lags[rows % size, c] / s, INPUT_CLIP) if s > 0.0 else 0.0


@kernel
def issue(
    rows: int, warm: int, seen: Array, base: Array, scale: Array, features: Array, weights: Array, regret: Array,
    sigma: Array, quantile: Array, model: Array, mix: Array, width: Array, forecast: Array, lower: Array, upper: Array,
) -> None:  # fmt: skip
    """Forecasts and bands for the next H rows, kept in the rings and written out ((H C,) each).

    Each is a convex mix of persistence and the net's head; while fewer than `warm` rows are known, persistence.
    """
    ring, horizon, channels = mix.shape
    r = rows % ring
    f = features[r]
    for k in range(horizon):
        bound = BOUND * math.sqrt(k + 1.0)
        for c in range(channels):
            change = clip(dot(weights[k, c], f, f.shape[0]), bound)
            a, b = mixture_weight(regret[k, c, 0]), mixture_weight(regret[k, c, 1])
            share = b / (a + b) if rows >= warm and a + b > 0.0 else 0.0
            y = base[r, c] + share * change * scale[r, c]
            half = max(quantile[k, c], 0.0) * sigma[k, c] * scale[r, c]
            model[r, k, c], mix[r, k, c], width[r, k, c] = base[r, c] + change * scale[r, c], y, half
            o = k * channels + c
            if seen[c] == 0:
                forecast[o], lower[o], upper[o] = math.nan, math.nan, math.nan
            else:
                forecast[o], lower[o], upper[o] = y, y - half, y + half
