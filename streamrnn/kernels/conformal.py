"""Intervals that keep their promise, by online conformal control: the half-width of a band follows its own misses.

Half-width of the band for h rows ahead, in the unit its errors are counted in:

    half = sigma_h · exp(L_h + φᵀa_h + p_h log(brisk / sigma_1) + κ_h clip(D_h + E_h - mean E_h, ±MOST_DEBT))

    sigma_h  running mean absolute error           L_h  slowly tracked log quantile of |error| / sigma_h
    brisk    the same of one row ahead, over tens of rows: unrest that has just begun
    D_h      debt: misses less those allowed, forgetting. Too many of late widen the band, too few narrow it
    E_h      what the forecasts still on their way will add to it, judged by the newest forecasts of the same rows;
             its running mean is taken off: h of them multiply any bias of that judgement by h
    φᵀa_h    slopes of L along features of the target's phase in the season, if there is one

A forecast h rows ahead is judged h rows later. A gain that is safe without delay makes the width swing when the news
are h rows old; so κ, p and the step of L fall as 1 / (1 + h / NEAR), which bounds gain times delay for any h, and E
answers a burst of misses while it happens, not after h rows.

Sources: quantile tracking and error integration are Angelopoulos, Candès & Tibshirani, Conformal PID Control for Time
Series Prediction (NeurIPS 2023), §2.1–2.2; a debt that moves the level is Gibbs & Candès, Adaptive Conformal Inference
Under Distribution Shift (NeurIPS 2021), §2. E and the gain that falls with the delay are ours, measured by
benchmarks.bands. Step, gains and memories were chosen on ETTh2 and half of the synthetic streams there.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.scalar import clip

# entries of a band's row; the slopes along the phase features follow
LOG_QUANTILE, DEBT, SPREAD, EXPECTED, SLOPES = range(5)

STEP = 0.006  # of the log quantile, a miss
SLOPE_STEP = 0.005  # of the slopes
GAIN = 0.14  # κ: of the log half-width, a miss in debt
NEAR = 24.0  # rows ahead at which steps and gains are halved
KEEP_DEBT = 0.998  # what a row leaves of older debt: the window that coverage is wanted in is 500 rows
MOST_DEBT = 20.0  # beyond it debt is forgiven: paying back a burst of 48 misses in full would take 480 rows
BRISK_SHARE = 0.5  # p: how far the width follows the unrest of the last tens of rows
MOST_UNREST = 20.0  # times the usual error that the short mean counts as, and its inverse
LEAST_QUANTILE = math.log(0.3)  # a stream that stands still misses nothing; when it wakes, bands must be there
MOST_QUANTILE = math.log(1e6)
MOST_SLOPE = 0.7
POINTS = 4  # rows on their way that E is estimated from


@kernel
def quantile_track(q: float, missed: bool, miss_rate: float, step: float) -> float:
    """The next quantile estimate, q + step (missed - miss_rate).

    For scores in [0, b] and q started in [0, b], after T outcomes, whatever they are,
    |misses / T - miss_rate| ≤ (b + step) / (step T): a bound, not an average.
    """
    return q + step * ((1.0 if missed else 0.0) - miss_rate)


@kernel
def near(h: int) -> float:
    """1 / (1 + h / NEAR): the share of a step or gain that is left h rows ahead."""
    return 1.0 / (1.0 + h / NEAR)


@kernel
def band_learn(h: int, size: float, missed: bool, miss_rate: float, w: float, phase: Array, band: Array) -> None:
    """Book the outcome of one forecast, when its truth has come; where no truth comes, nothing is booked.

    h        rows that it was ahead, 1 … H
    size     |error| in the unit of the row that it was made from, finite, clipped by the caller
    missed   whether the truth lay outside the band that was issued
    w        weight of this error in the running mean: 1/t for the first ones
    phase    (F,) phase features of the row that has come, each within ±1; F may be 0
    band     (4 + F,) log quantile, debt, mean absolute error, mean of E, slopes; updated

    Misses are bounded, whatever the errors. Let sigma and brisk stand still, F = 0, s = STEP near(h), κ = GAIN near(h),
    and L the log quantile at the start. For scores size / sigma in [0, b], after T outcomes,

        misses - miss_rate T ≤ (max(log b + κ MOST_DEBT - L, 0) + s h) / s

    for no band is missed once L has reached log b + κ MOST_DEBT, and at most h outcomes are on their way then. From
    below the same holds for scores of at least a, with max(L - log a + κ MOST_DEBT, 0) as the first term. (Both while
    L is inside its bounds, LEAST_QUANTILE and MOST_QUANTILE.)
    """
    step = STEP * near(h)
    band[LOG_QUANTILE] = quantile_track(band[LOG_QUANTILE], missed, miss_rate, step)
    band[LOG_QUANTILE] = min(max(band[LOG_QUANTILE], LEAST_QUANTILE), MOST_QUANTILE)
    band[DEBT] = clip(quantile_track(KEEP_DEBT * band[DEBT], missed, miss_rate, 1.0), MOST_DEBT)
    band[SPREAD] += w * (size - band[SPREAD])
    for i in range(phase.shape[0]):
        slope = quantile_track(band[SLOPES + i], missed, miss_rate, SLOPE_STEP * phase[i])
        band[SLOPES + i] = clip(slope, MOST_SLOPE)


@kernel
def band_basis(h: int, unrest: float, phase: Array, band: Array) -> float:
    """The half-width without the debt, in units of the row it is issued from; ≥ 0.

    unrest   log(brisk / sigma_1), see `band_unrest`
    phase    (F,) phase features of the row h ahead
    """
    a = band[LOG_QUANTILE] + BRISK_SHARE * near(h) * unrest
    for i in range(phase.shape[0]):
        a += phase[i] * band[SLOPES + i]
    return math.exp(a) * band[SPREAD]


@kernel
def band_unrest(brisk: float, usual: float) -> float:
    """How much larger the errors of the last tens of rows were than is usual: log(brisk / usual), bounded.

    brisk    mean absolute error one row ahead over tens of rows (a half-life of 27.5 was measured)
    usual    the same over the long memory of the bands: SPREAD of one row ahead
    """
    if usual <= 0.0:
        return 0.0
    return math.log(min(max(brisk / usual, 1.0 / MOST_UNREST), MOST_UNREST))


@kernel
def beyond(u: float) -> float:
    """About how likely a Laplace variable of scale 1 exceeds u, of either sign; the exponential's series is cut after
    the cube: heavier far out, and cheaper. Without a branch, which would be guessed wrong half of the time."""
    v = min(abs(u), 1e6)
    nearer = 0.5 - 0.5 / (1.0 + v * (1.0 + v * (0.5 + v * (1.0 / 6.0))))
    return 0.5 - math.copysign(nearer, u)


@kernel
def band_expected(
    h: int, c: int, rows: int, miss_rate: float, tail: float, valid: Array, forecast: Array, width: Array
) -> float:  # fmt: skip
    """E: misses less those allowed that the h - 1 forecasts still on their way will bring, as the newest ones see it.

    What was said h rows ahead of a row, and what the newest row says of it, differ by what has come to be known in
    between. A miss is as likely as a Laplace error of the newest forecast that reaches an end of the old band. At most
    POINTS of the h - 1 rows are looked at, evenly spread.

    rows      rows before the newest one; the newest one has place rows % R in the rings
    tail      -log miss_rate: half-widths in scales of the Laplace density
    valid     (R, C)     0 where nothing is learned from what was issued there
    forecast  (R, H, C)  forecasts issued
    width     (R, H, C)  half-widths issued; at the newest row, for fewer than h rows ahead, those of `band_basis`
    """
    ring = forecast.shape[0]
    r = rows % ring
    stride = max((h + POINTS - 2) // POINTS, 1)
    i = stride // 2 + 1
    total, count = 0.0, 0
    while i < h:
        back = h - i
        if back <= rows:
            o = r - back if back <= r else r - back + ring
            count += 1
            half = width[r, i - 1, c]
            if valid[o, c] != 0 and half > 0.0:
                moved = forecast[o, h - 1, c] - forecast[r, i - 1, c]
                unit = tail / half
                chance = beyond((width[o, h - 1, c] + moved) * unit) + beyond((width[o, h - 1, c] - moved) * unit)
                total += chance - miss_rate
        i += stride
    return total * (h - 1) / count if count > 0 else 0.0


@kernel
def bands_issue(
    rows: int, c: int, miss_rate: float, scale: float, unrest: float, phase: Array, valid: Array, forecast: Array,
    band: Array, width: Array,
) -> None:  # fmt: skip
    """Half-widths of channel c for 1 … H rows ahead, in the channel's own unit; ≥ 0 and finite.

    rows      rows before the newest one; the newest one has place rows % R in the rings
    scale     the unit that sizes are counted in now
    unrest    `band_unrest` of the channel
    phase     (H, F)         phase features of the rows ahead
    valid     (R, C)         0 where nothing is learned from what was issued there
    forecast  (R, H, C)      forecasts, the newest row's as well
    band      (H, C, 4 + F)  rows of `band_learn`; the mean of E is updated
    width     (R, H, C)      half-widths; the newest row's are written
    Looks at up to POINTS older forecasts a horizon.
    """
    r = rows % forecast.shape[0]
    horizon = forecast.shape[1]
    tail = -math.log(miss_rate)
    for k in range(horizon):
        width[r, k, c] = band_basis(k + 1, unrest, phase[k], band[k, c]) * scale
    for k in range(horizon - 1, -1, -1):  # from the farthest down: E needs the nearer ones as they are without debt
        expected = band_expected(k + 1, c, rows, miss_rate, tail, valid, forecast, width)
        owed = band[k, c, DEBT] + expected - band[k, c, EXPECTED]
        band[k, c, EXPECTED] += (1.0 - KEEP_DEBT) * (expected - band[k, c, EXPECTED])
        width[r, k, c] *= math.exp(GAIN * near(k + 1) * clip(owed, MOST_DEBT))
