"""Linear experts: direct heads for every horizon of one channel, by recursive least squares over features of their own.

The gain of a row depends on its features alone: it is computed when the row is seen, and kept until the last of the
row's targets has come. Source and form as readouts.rls, whose heads sit on the net.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.memory import matrix, vector
from streamrnn.kernels.normalise import BOUND
from streamrnn.kernels.scalar import clip
from streamrnn.kernels.ud import dot, ud_drop, ud_gain
from streamrnn.tasks._layout import ASKED, COVARIANCE, GAIN, HEADS, VARIANCE


@kernel
def head_error(target: float, f: Array, w: Array) -> float:
    """target - wᵀ f."""
    return target - dot(w, f, f.shape[0])


@kernel
def linear_unsaid(x: float, r: int, c: int, count: int, base: Array, scale: Array, first: int, real: Array,
                  table: Array) -> float:  # fmt: skip
    """What the first `count` features of the row in slot r had left unsaid of x, the value of channel c one row later;
    in the channel's unit of change."""
    features, weights = matrix(real, table, first + ASKED), matrix(real, table, first + HEADS)
    target = clip((x - base[r, c]) / scale[r, c], BOUND)
    return clip(target - dot(weights[0], features[r], count), BOUND)


@kernel
def linear_gained(
    x: float, rows: int, c: int, count: int, width: int, keep: float, valid: Array, base: Array, scale: Array,
    first: int, real: Array, table: Array, gained: Array,
) -> None:  # fmt: skip
    """Book what groups of features bring: how much larger the squared errors would be without what they add.

    count   features before the groups, of which each has `width`
    keep    discount of older rows
    gained  (G + 1, 6) of each group: Σ (e + wᵀ f)² - e² with its own w and f, at the first, middle and last horizon,
            and the sums of these squared; last Σ e²; updated
    """
    features, weights = matrix(real, table, first + ASKED), matrix(real, table, first + HEADS)
    ring, horizon, groups = features.shape[0], weights.shape[0], gained.shape[0] - 1
    for j in range(3):
        k = j * (horizon - 1) // 2
        r = (rows - 1 - k) % ring
        if rows < k + 1 or valid[r, c] == 0:
            continue
        f, w = features[r], weights[k]
        e = head_error(clip((x - base[r, c]) / scale[r, c], BOUND * math.sqrt(k + 1.0)), f, w)
        mean = gained[groups, j] * (1.0 - keep)
        if rows > 1.0 / (1.0 - keep):
            e = clip(e, 3.0 * math.sqrt(mean))
        gained[groups, j] = keep * gained[groups, j] + e * e
        for g in range(groups):
            o, part = count + g * width, 0.0
            for i in range(o, o + width):
                part += w[i] * f[i]
            brought = part * (part + 2.0 * e)
            gained[g, j] = keep * gained[g, j] + brought
            gained[g, 3 + j] = keep * gained[g, 3 + j] + brought * brought


@kernel
def linear_learn(
    x: float, share: float, rows: int, c: int, first: int, most: float, error: Array, valid: Array, base: Array,
    scale: Array, real: Array, table: Array,
) -> None:  # fmt: skip
    """Every head learns from the target that has come now, on the row that it was asked from.

    x      value of channel c; usable
    share  of the correction that is made
    first  row of the expert's first field in the table
    most   times error[k, c], its size, that one error of a head counts as; 0: as it is
    """
    features, gain = matrix(real, table, first + ASKED), matrix(real, table, first + GAIN)
    weights = matrix(real, table, first + HEADS)
    ring, horizon = features.shape[0], weights.shape[0]
    for k in range(min(horizon, rows)):
        r = (rows - 1 - k) % ring
        if valid[r, c] == 0:
            continue
        target = clip((x - base[r, c]) / scale[r, c], BOUND * math.sqrt(k + 1.0))
        f, K, w = features[r], gain[r], weights[k]
        miss = head_error(target, f, w)
        step = share * (clip(miss, most * error[k, c]) if most > 0.0 else miss)
        for i in range(w.shape[0]):
            w[i] += step * K[i]


@kernel
def linear_gain(slot: int, start: int, keep: float, cap: float, first: int, real: Array, table: Array) -> None:
    """Gain of the row in `slot`; features before `start` are 0, and cost nothing."""
    features, gain = matrix(real, table, first + ASKED), matrix(real, table, first + GAIN)
    U, d = matrix(real, table, first + COVARIANCE), vector(real, table, first + VARIANCE)
    ud_gain(start, features[slot], keep, cap, U, d, gain[slot])


@kernel
def linear_reset(count: int, variance: float, first: int, real: Array, table: Array) -> None:
    """Forget all about the first `count` features: their weights are 0 and as uncertain as in the beginning, and what
    is known of the others stays. Exact, for row i of U reaches only the columns from i on."""
    gain, weights = matrix(real, table, first + GAIN), matrix(real, table, first + HEADS)
    U, d = matrix(real, table, first + COVARIANCE), vector(real, table, first + VARIANCE)
    for i in range(count):
        d[i] = variance
        for j in range(U.shape[0]):
            U[j, i] = 0.0
        for k in range(weights.shape[0]):
            weights[k, i] = 0.0
        for r in range(gain.shape[0]):
            gain[r, i] = 0.0


@kernel
def linear_drop(begin: int, end: int, slot: int, first: int, real: Array, table: Array) -> None:
    """Put the features `begin` … `end` - 1 out of use: all heads become what they would be without them.

    slot  whose gain is free to be overwritten
    """
    features, gain = matrix(real, table, first + ASKED), matrix(real, table, first + GAIN)
    U, d = matrix(real, table, first + COVARIANCE), vector(real, table, first + VARIANCE)
    weights = matrix(real, table, first + HEADS)
    K = gain[slot]
    for i in range(begin, end):
        ud_drop(i, U, d, K)
        for k in range(weights.shape[0]):
            w = weights[k, i]
            for m in range(weights.shape[1]):
                weights[k, m] -= K[m] * w
            weights[k, i] = 0.0
        for r in range(gain.shape[0]):
            features[r, i], gain[r, i] = 0.0, 0.0


@kernel
def linear_admit(begin: int, end: int, variance: float, first: int, real: Array, table: Array) -> None:
    """Take features that were out of use into use: nothing is known of their weights but their variance."""
    vector(real, table, first + VARIANCE)[begin:end] = variance


@kernel
def linear_say(
    slot: int, expert: int, c: int, base: float, scale: float, first: int, real: Array, table: Array, experts: Array
) -> None:
    """The expert's forecasts from the row in `slot`, in units of the channel."""
    features, weights = matrix(real, table, first + ASKED), matrix(real, table, first + HEADS)
    f = features[slot]
    for k in range(weights.shape[0]):
        change = clip(dot(weights[k], f, f.shape[0]), BOUND * math.sqrt(k + 1.0))
        experts[slot, expert, k, c] = base + change * scale
