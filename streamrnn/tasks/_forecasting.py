"""The forecaster's part of a row, stage by stage: pace, judge, learn, observe, describe, issue.

Arrays are those of `_layout`; r is a row's place in the rings of H + 1 rows. What is done for one channel after the
other, its net and its linear experts, is in `_channel`.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.conformal import SPREAD, band_learn, band_unrest, bands_issue
from streamrnn.kernels.mixture import mixture_learn, mixture_weight
from streamrnn.kernels.normalise import BOUND, change_observe, change_scale, level_observe
from streamrnn.kernels.oddity import weigh_row
from streamrnn.kernels.scalar import clip
from streamrnn.tasks._layout import (
    AGE,
    AR_EXPERT,
    AVERAGES,
    BRISK_RATE,
    DT,
    GAP,
    INTERVAL,
    KEEP,
    LONG_KEEP,
    MEAN0,
    MIX_KEEP,
    NORM,
    QUICK,
    SEASONAL_EXPERT,
    YOUNG,
)  # fmt: skip
from streamrnn.tasks._wide import ago, keep_past
from streamrnn.tasks.recipe import AUTO_HALF_LIFE

BRISK_HALF_LIFE = 27.5  # of the short mean error
START_CLIP = 100.0  # median distances from the median
MIX_CLIP = 3.0  # root mean square errors that one error counts as when the mixture learns
FAR, FARTHER = 3.0, 8.0  # see `farthest`
INPUT_CLIP = 5.0  # scales that one input counts as
BASELINE_DOUBT = 4.0  # of the experts that are there for comparison
SHORT_HALF_LIFE = 4.0
MIX_HASTE, PATIENCE = 4.0, 5.0  # the mixture forgets so much faster, the net's readout and the wide expert more slowly
LARGEST = 1e150  # beyond it squares overflow: such a value is treated as not finite
MOST_AGE = 1e6
MOST_GAP = 1e4  # typical intervals: after a longer pause a value may be off by 100 times the usual error
MOST_AUTO_AGE = 2.0  # typical intervals: nothing is forgotten in a gap, for nothing has contradicted it
M0, M1, M2, M3, M4 = AVERAGES


@kernel
def pace(elapsed: float, rows: int, half_life: float, seconds: bool, pace: Array, rates: Array, odd: Array) -> None:
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
        rates[MIX_KEEP] = 2.0 ** (-MIX_HASTE * age / AUTO_HALF_LIFE)
        rates[LONG_KEEP] = 2.0 ** (-age / (PATIENCE * AUTO_HALF_LIFE))
        rates[MEAN0] = 1.0 - 2.0 ** (-age / M0)
        rates[MEAN0 + 1] = 1.0 - 2.0 ** (-age / M1)
        rates[MEAN0 + 2] = 1.0 - 2.0 ** (-age / M2)
        rates[MEAN0 + 3] = 1.0 - 2.0 ** (-age / M3)
        rates[MEAN0 + 4] = 1.0 - 2.0 ** (-age / M4)
        rates[BRISK_RATE] = 1.0 - 2.0 ** (-age / BRISK_HALF_LIFE)
        weigh_row(age, odd)


@kernel
def usable(x: float) -> bool:
    """Whether a value may be used at all: finite, and small enough to be squared."""
    return abs(x) <= LARGEST


@kernel
def farthest(k: int, judged: float, reach: float) -> float:
    """How far from its base a forecast k + 1 rows ahead may be, scaled: (3 + 8/(k + 1)) root mean square changes.

    A linear expert whose features hardly moved for long, as those of a stuck sensor, can say anything once they do, and
    at long horizons it is not seen for as many rows. Sums of many changes are nearer to normal than single ones.
    """
    return (FAR + FARTHER / (k + 1.0)) * math.sqrt(reach) if judged > 20.0 else BOUND * math.sqrt(k + 1.0)


@kernel
def judge(
    x: Array, rows: int, miss_rate: float, median: bool, rates: Array, gate: Array, valid: Array, base: Array,
    scale: Array, experts: Array, mix: Array, width: Array, regret: Array, mixerror: Array, reach: Array, band: Array,
    brisk: Array, ahead: Array, judged: Array, known: Array, statistics: Array,
) -> None:  # fmt: skip
    """Compare x with every forecast that was made for this row: bands and statistics learn from it, and the
    mixture where the gate is open.

    median  the mixture is to come near the median, not the mean: errors count for little more than their sign
    """
    ring, horizon, channels = mix.shape
    count = experts.shape[1]
    for k in range(min(horizon, rows)):
        r = (rows - 1 - k) % ring
        bound = BOUND * math.sqrt(k + 1.0)
        for c in range(channels):
            if valid[r, c] == 0 or not usable(x[c]):
                continue
            s = scale[r, c]
            miss = abs(mix[r, k, c] - x[c])
            if k == 0:
                change = abs(x[c] - known[c])
                statistics[0, c] += 1.0
                statistics[1, c] += miss
                statistics[2, c] += change
                statistics[3, c] += miss * miss
                statistics[4, c] += change * change
                statistics[5, c] += 0.0 if miss > width[r, k, c] else 1.0
                statistics[8, c] += abs(experts[r, AR_EXPERT, k, c] - x[c])
                seasonal = experts[r, SEASONAL_EXPERT, k, c] if count > SEASONAL_EXPERT else base[r, c]
                statistics[9, c] += abs(seasonal - x[c])
            e = (mix[r, k, c] - x[c]) / s
            w = max(rates[NORM], 1.0 / (judged[k, c] + 1.0))
            size = min(abs(e), bound)
            if k == 0:
                brisk[c] += max(rates[BRISK_RATE], 1.0 / (judged[k, c] + 1.0)) * (size - brisk[c])
            band_learn(k + 1, size, miss > width[r, k, c], miss_rate, w, ahead[0], band[k, c])
            if gate[c] == 0.0:  # bands follow all that came, whom to believe only what is learned
                continue
            e = clip(e, bound)
            if median:
                size = min(size, MIX_CLIP * mixerror[k, c]) if judged[k, c] > 20.0 else size
                e = clip(e, mixerror[k, c]) if judged[k, c] > 20.0 else e
                mixerror[k, c] += w * (size - mixerror[k, c])
            else:
                e = clip(e, MIX_CLIP * math.sqrt(mixerror[k, c])) if judged[k, c] > 20.0 else e
                mixerror[k, c] += w * (e * e - mixerror[k, c])
            far = clip((x[c] - base[r, c]) / s, min(bound, farthest(k, judged[k, c], reach[k, c])))
            reach[k, c] += w * (far * far - reach[k, c])
            mixture_learn(e, clip((mix[r, k, c] - base[r, c]) / s, bound), rates[MIX_KEEP], regret[k, c, 0])
            for i in range(count):
                apart = clip((mix[r, k, c] - experts[r, i, k, c]) / s, bound)
                mixture_learn(e, apart, rates[MIX_KEEP], regret[k, c, i + 1])
            judged[k, c] += 1.0


@kernel
def observe(
    x: Array, rows: int, boost: float, rates: Array, gate: Array, seen: Array, stale: Array, first: Array, start: Array,
    known: Array, last: Array, moments: Array, change: Array, short: Array, past: Array, total: Array, means: Array,
    mix: Array, statistics: Array,
) -> None:  # fmt: skip
    """Take x into level, scale, means and past. For a missing value its forecast stands in, unlearned.

    boost  least weight of level and scale, once a new level was accepted
    """
    ring = mix.shape[0]
    for c in range(x.shape[0]):
        v = x[c]
        observed = usable(v)
        if not observed:
            statistics[6 if math.isnan(v) else 7, c] += 1.0
            if seen[c] == 0:
                keep_past(rows, c, 0.0, rates, past, total, means)
                continue
            v = mix[(rows - 1) % ring, 0, c]
        if seen[c] == 0:
            first[c], known[c], last[c], short[c], moments[c, 0] = v, v, v, v, v
        if observed:
            young = seen[c] < YOUNG
            if young:
                start[seen[c], c] = v
            w = gate[c] * max(rates[NORM], boost, 1.0 / (seen[c] + 1.0))
            if seen[c] > 0:  # a change over several rows counts as one of the size it has in one
                d = (v - known[c]) / math.sqrt(1.0 + stale[c])
                change[c] = change_observe(d, gate[c] * max(rates[NORM], boost, 1.0 / seen[c]), young, change[c])
            level_observe(v, w, young, math.sqrt(change[c]), moments[c])
            seen[c] += 1
            known[c] = v
        short[c] += rates[QUICK] * (v - short[c])
        last[c] = v
        stale[c] = 0 if observed else stale[c] + 1
        kept = v - first[c]
        if seen[c] > YOUNG:  # a wild value shall not stand in the rings for thousands of rows
            level = moments[c, 0] - first[c]
            kept = level + clip(kept - level, BOUND * max(math.sqrt(moments[c, 1]), math.sqrt(change[c])))
        keep_past(rows, c, kept, rates, past, total, means)


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
def settle(
    start: Array, c: int, rows: int, rates: Array, first: Array, moments: Array, change: Array, short: Array,
    past: Array, total: Array, means: Array,
) -> bool:  # fmt: skip
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
    for i in range(past.shape[1]):
        past[c, i] = 0.0
    for i in range(total.shape[1]):
        total[c, i] = 0.0
    keep_past(0, c, 0.0, rates, past, total, means)
    keep_past(rows, c, before - centre, rates, past, total, means)
    return True


@kernel
def describe(
    rows: int, gate: Array, seen: Array, stale: Array, last: Array, moments: Array, change: Array, base: Array,
    scale: Array, valid: Array,
) -> None:  # fmt: skip
    """Base, unit and validity of the forecasts that will be issued from this row.

    Nothing is to be learned from what is asked from a row without any value, or one that was refused. Where another
    channel has one it is: else channels that report in turn would never learn what comes next.
    """
    r = rows % base.shape[0]
    some = False
    for c in range(last.shape[0]):
        some = some or (seen[c] > 0 and stale[c] == 0)
    for c in range(last.shape[0]):
        s = change_scale(change[c], moments[c, 1])
        base[r, c], scale[r, c] = last[c], s
        valid[r, c] = 1 if some and s > 0.0 and seen[c] > 0 and gate[c] > 0.0 else 0


@kernel
def level_of(c: int, last: Array, moments: Array) -> float:
    """Standardised level of channel c."""
    spread = math.sqrt(moments[c, 1])
    return clip((last[c] - moments[c, 0]) / spread, INPUT_CLIP) if spread > 0.0 else 0.0


@kernel
def inputs(
    rows: int, c: int, heard: int, last: Array, missed: Array, moments: Array, scale: Array, past: Array,
    relatives: Array, phase: Array, x: Array,
) -> None:  # fmt: skip
    """Inputs of a channel's net (`_layout.net_inputs`), each within ±5.

    heard  how many of its relatives the channel hears;  scale  (C,)
    """
    x[0] = level_of(c, last, moments)
    x[1] = clip(-ago(past, rows, c, 1) / scale[c], INPUT_CLIP) if scale[c] > 0.0 else 0.0
    x[2] = abs(x[1])
    x[3] = clip(missed[c], INPUT_CLIP)
    for i in range(heard):
        d = relatives[c, i]
        known = d >= 0 and scale[d] > 0.0
        x[4 + 2 * i] = level_of(d, last, moments) if known else 0.0
        x[5 + 2 * i] = clip(-ago(past, rows, d, 1) / scale[d], INPUT_CLIP) if known else 0.0
    at = 4 + 2 * heard
    for i in range(at, x.shape[0]):
        x[i] = phase[i - at]


@kernel
def seasonal_say(rows: int, c: int, expert: int, season: int, last: float, past: Array, experts: Array) -> None:
    """Seasonal persistence: what came so many seasons before that it is known; persistence without a season."""
    horizon = experts.shape[2]
    for k in range(horizon):
        back = 0 if season == 0 else season * (k // season + 1) - 1 - k
        experts[rows % experts.shape[0], expert, k, c] = last + ago(past, rows, c, back)


@kernel
def issue(
    rows: int, warm: int, miss_rate: float, seen: Array, valid: Array, base: Array, scale: Array, regret: Array,
    judged: Array, reach: Array, band: Array, brisk: Array, ahead: Array, experts: Array, mix: Array, width: Array,
    forecast: Array, lower: Array, upper: Array,
) -> None:  # fmt: skip
    """Forecasts and bands for the next H rows, kept in the rings and written out ((H C,) each).

    Each is a convex mix of the experts, that is the least bad of them where all have lost against the mix; while fewer
    than `warm` rows are known, persistence.
    """
    ring, horizon, channels = mix.shape
    r, count = rows % ring, experts.shape[1]
    for k in range(horizon):
        for c in range(channels):
            total, away = mixture_weight(0.0, regret[k, c, 0]), 0.0
            most, best, least = farthest(k, judged[k, c], reach[k, c]) * scale[r, c], regret[k, c, 0, 0], 0.0
            for i in range(count):
                change = experts[r, i, k, c] - base[r, c]
                if not abs(change) <= most:
                    change = clip(change, most)
                    experts[r, i, k, c] = base[r, c] + change
                doubt = BASELINE_DOUBT if i in (AR_EXPERT, SEASONAL_EXPERT) else 0.0
                w = mixture_weight(doubt, regret[k, c, i + 1])
                total += w
                away += w * change
                if regret[k, c, i + 1, 0] > best:
                    best, least = regret[k, c, i + 1, 0], change
            if total <= 0.0:
                total, away = 1.0, least
            y = base[r, c] + (away / total if rows >= warm else 0.0)
            mix[r, k, c] = y
    for c in range(channels):
        bands_issue(
            rows, c, miss_rate, scale[r, c], band_unrest(brisk[c], band[0, c, SPREAD]), ahead, valid, mix, band, width
        )  # fmt: skip
        for k in range(horizon):
            o, y, half = k * channels + c, mix[r, k, c], width[r, k, c]
            if seen[c] == 0:
                forecast[o], lower[o], upper[o] = math.nan, math.nan, math.nan
            else:
                forecast[o], lower[o], upper[o] = y, y - half, y + half
