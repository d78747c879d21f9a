"""Which lengths are to be tested: the peaks of the autocorrelation."""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.season import layout as at
from streamrnn.kernels.season.layout import PEAKS, TRIED, unit_of

SMALLEST = 6  # shortest season, in values of its level
LOWEST, CONTRAST = 0.05, 0.1  # of a peak
NEAR = 0.7  # a second season is no longer and no shorter than another by this factor
NEARLY = 0.7  # the shortest peak is taken that is so high, as a share of the highest

COUNT, LAG, MEANS, SUMS, REMOVE, TRYING = at.COUNT, at.LAG, at.MEANS, at.SUMS, at.REMOVE, at.TRYING
PHASE, AT, LEVEL, WINDOW, REMOVED, TRIES, TRY = at.PHASE, at.AT, at.LEVEL, at.WINDOW, at.REMOVED, at.TRIES, at.TRY
PEAKED, CHOOSE, HIGHEST, DEEPEST = at.PEAKED, at.CHOOSE, at.HIGHEST, at.DEEPEST


@kernel
def between(lag: Array, l: float) -> float:
    """r at a lag that is not whole."""
    i = int(l)
    return lag[i] + (l - i) * (lag[i + 1] - lag[i])


@kernel
def contrast(lag: Array, s: float, most: int) -> float:
    """How far the first multiples of s stand out in r against the lags half a season around them."""
    total = 0.0
    for k in range(1, most + 1):
        total += between(lag, k * s) - 0.5 * (between(lag, (k - 0.5) * s) + between(lag, (k + 0.5) * s))
    return total


@kernel
def middle(lag: Array, s: int, reach: int) -> float:
    """The middle of a broad peak of r, weighted by its height above its edges."""
    floor = max(lag[s - reach], lag[s + reach])
    weight = total = 0.0
    for l in range(s - reach, s + reach + 1):
        height = max(lag[l] - floor, 0.0)
        weight += height
        total += height * l
    return total / weight if weight > 0.0 else float(s)


@kernel
def sharpen(lag: Array, lags: int, s: int) -> float:
    """The length near s, in values: that whose first multiples stand out most; then by ever farther peaks.

    A length that is whole as far as can be told is taken as whole.
    """
    reach = max(s // 16, 1)
    most = 8
    while most > 1 and (most + 0.5) * (s + reach + 1) > lags - 2:
        most -= 1
    if (most + 0.5) * (s + reach + 1) > lags - 2:
        return float(int(middle(lag, s, min(s // 8, lags - 1 - s)) + 0.5))
    steps = min(max(most, 2), 4)
    best, length = -math.inf, float(s)
    for i in range(-reach * steps, reach * steps + 1):
        here = contrast(lag, s + i / steps, most)
        if here > best:
            best, length = here, s + i / steps
    before, after = contrast(lag, length - 1.0 / steps, most), contrast(lag, length + 1.0 / steps, most)
    bend = before - 2.0 * best + after
    if bend < 0.0:
        length += min(max(0.5 * (before - after) / bend, -0.5), 0.5) / steps
    far = 2 * most
    while most == 8 and far * length + s < lags - 2:
        at = int(far * length + 0.5)
        peak = at
        for l in range(at - s // 4, at + s // 4 + 1):
            if lag[l] > lag[peak]:
                peak = l
        if lag[peak] < 0.5 * lag[s] or abs(peak - at) == s // 4:
            break
        bend = lag[peak - 1] - 2.0 * lag[peak] + lag[peak + 1]
        length = (peak + (0.5 * (lag[peak - 1] - lag[peak + 1]) / bend if bend < 0.0 else 0.0)) / far
        far *= 2
    whole = int(length + 0.5)
    return float(whole) if abs(length - whole) * (far // 2) <= 1.0 else length


@kernel
def seek(m: tuple[Array, ...], budget: int) -> int:
    """Peaks of r, the highest within a quarter of their lag, are noted in `profile`. Returns the steps it took."""
    count, lag, profile, sums = m[COUNT], m[LAG], m[MEANS], m[SUMS]
    i, steps, lags = count[AT], 0, count[WINDOW] // 3 + 1
    if i == 0:
        sums[HIGHEST], sums[DEEPEST] = 0.0, 2.0
        count[PEAKED] = 0
    end = lags - 1 if lag[0] > 0.0 else 0
    least = max(LOWEST, 3.0 / math.sqrt(count[WINDOW])) * lag[0]
    while i < end and steps < budget:
        steps += 1
        sums[DEEPEST] = min(sums[DEEPEST], lag[i] / lag[0])
        if i >= SMALLEST and lag[i] > least and lag[i] / lag[0] - sums[DEEPEST] > CONTRAST:
            reach = max(i // 4, 2)
            peak = count[PEAKED] < PEAKS
            for k in range(1, reach + 1):
                steps += 1
                if lag[i - k] > lag[i] or (i + k < lags and lag[i + k] > lag[i]):
                    peak = False
                    break
            if peak:
                profile[0, count[PEAKED]] = i
                count[PEAKED] += 1
                sums[HIGHEST] = max(sums[HIGHEST], lag[i])
        i += 1
    count[AT] = i
    if i >= end:
        count[AT], count[PHASE] = 0, CHOOSE
    return steps


@kernel
def known_already(s: float, m: tuple[Array, ...]) -> bool:
    """Whether a length is a part of a season that has been subtracted, or so near to one that it is its sideband."""
    count, remove = m[COUNT], m[REMOVE]
    for i in range(count[REMOVED]):
        ratio = remove[i] / unit_of(count[LEVEL]) / s
        if NEAR < ratio < 1.0 / NEAR or (ratio > 1.0 and abs(ratio - int(ratio + 0.5)) < min(ratio / 16.0, 0.2)):
            return True
    return False


@kernel
def choose(m: tuple[Array, ...]) -> None:
    """Which lengths are to be tested: the shortest peak that is nearly the highest, the highest, and one more."""
    count, lag, profile, tries = m[COUNT], m[LAG], m[MEANS], m[TRYING]
    count[TRIES] = count[TRY] = 0
    least = NEARLY * m[SUMS][HIGHEST]
    for attempt in range(TRIED):
        pick, height = -1, 0.0
        for k in range(count[PEAKED]):
            s = int(profile[0, k])
            if s > 0 and lag[s] > height and (attempt > 0 or (pick < 0 and lag[s] >= least)):
                pick, height = k, lag[s]
        if pick >= 0:
            s = profile[0, pick]
            profile[0, pick] = 0.0
            if not known_already(s, m):
                tries[count[TRIES]] = s
                count[TRIES] += 1
