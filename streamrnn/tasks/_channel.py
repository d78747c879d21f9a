"""One channel's part of a row: its net, the readout on it and its linear experts learn, and say what comes next.

    learn_channel    the target has come: the net's weights move, then all heads
    say_channel      the net advances, features are described, gains made ready, forecasts made

Templates over the parts of a model. first: row of the channel's first field in the layout table.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.memory import matrix, vector
from streamrnn.kernels.normalise import BOUND
from streamrnn.kernels.scalar import clip
from streamrnn.kernels.ud import dot
from streamrnn.learners.audit import forget
from streamrnn.tasks import _layout as at
from streamrnn.tasks._forecasting import INPUT_CLIP, inputs, seasonal_say
from streamrnn.tasks._improving import all_within, ran_away
from streamrnn.tasks._linear import (
    head_error,
    linear_admit,
    linear_drop,
    linear_gain,
    linear_gained,
    linear_learn,
    linear_reset,
    linear_say,
    linear_unsaid,
)  # fmt: skip
from streamrnn.tasks._relatives import choose_relatives, time_to_choose
from streamrnn.tasks._wide import wide_describe

LARGEST_STATE = 1e3
AR_CAP = 1.0
WIDE_VARIANCE, WIDE_CAP = 1.0, 10.0
WIDE_CLIP = 8.0  # mean absolute errors of the net's heads that one error of the wide expert counts as
NEW_VARIANCE = 0.03  # of the weights of a channel that is let in later
GAINED_KEEP = 1.0 - 1.0 / 4096.0  # of what a relative has brought, a row
FULL = 0  # stand-in for whether there is a wide expert
RECURRENT = 1  # stand-in for whether there is a net

AR, WIDE, FEATURES, WEIGHTS, NET, ASKED = at.AR, at.WIDE, at.FEATURES, at.WEIGHTS, at.NET, at.ASKED
AR_EXPERT, NET_EXPERT, SEASONAL_EXPERT, WIDE_EXPERT = (
    at.AR_EXPERT, at.NET_EXPERT, at.SEASONAL_EXPERT, at.WIDE_EXPERT,
)  # fmt: skip
LEARNER, UPDATE, READOUT, PROBE, TAPS, TOP = at.LEARNER, at.UPDATE, at.READOUT, at.PROBE, at.TAPS, at.TOP
FORGET_FIRST, FORGET_LAST, HEARD, GATES, RELATED = (
    at.FORGET_FIRST, at.FORGET_LAST, at.HEARD, at.GATES, at.RELATED,
)  # fmt: skip
CLIP_ERROR, KEEP, NORM, LONG_KEEP, DT = at.CLIP_ERROR, at.KEEP, at.NORM, at.LONG_KEEP, at.DT
SEASONAL, BLOCKS, HOUR_FEATURES, EACH, DAILY = at.SEASONAL, at.BLOCKS, at.HOUR_FEATURES, at.EACH, at.DAILY


def open_carry(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, ...]:
    """Stand-in for the learner's views."""
    raise TypeError("unbound")


def open_memory(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, ...]:
    """Stand-in for the update's views."""
    raise TypeError("unbound")


def open_readout(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, ...]:
    """Stand-in for the readout's views."""
    raise TypeError("unbound")


def open_probe(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, ...]:
    """Stand-in for the views of the gradient audit."""
    raise TypeError("unbound")


def forward(
    theta: Array, x: Array, dt: float, s: Array, s1: Array, structure: Array, carry: tuple[Array, ...],
    probe: tuple[Array, ...],
) -> None:  # fmt: skip
    """Stand-in for the net's step."""
    raise TypeError("unbound")


def improve(
    miss: float, some: bool, places: Array, hyper: Array, f: Array, weights: Array, feedback: Array,
    structure: Array, e: Array, carry: tuple[Array, ...], memory: tuple[Array, ...], probe: tuple[Array, ...],
    grad: Array, theta: Array,
) -> bool:  # fmt: skip
    """Stand-in for a template of `_improving`."""
    raise TypeError("unbound")


def prepare(slot: int, f: Array, keep: float, memory: tuple[Array, ...]) -> None:
    """Stand-in for the readout's `prepare`."""
    raise TypeError("unbound")


def correct(slot: int, h: int, c: int, error: float, f: Array, memory: tuple[Array, ...], w: Array) -> None:
    """Stand-in for the readout's `correct`."""
    raise TypeError("unbound")


@kernel
def clear_influence(first: int, places: Array, real: Array, table: Array) -> None:
    """Forget all that the learner carries."""
    last = table[first + places[FORGET_LAST]]
    start, end = table[first + places[FORGET_FIRST], 0], last[0] + last[1] * last[2] * last[3] * last[4]
    for i in range(start, end):
        real[i] = 0.0


@kernel
def choose(
    rows: int, slot: int, c: int, first: int, places: Array, season: int, scale: Array, past: Array, total: Array,
    residue: Array, worth: Array, gained: Array, relatives: Array, listened: Array, real: Array, table: Array,
) -> None:  # fmt: skip
    """Where it is time to, choose the relatives of channel c, and put those that went out of use."""
    channels, most = relatives.shape
    if most == 0 or not time_to_choose(rows, c, channels, most):
        return
    weights, heard = matrix(real, table, first + WEIGHTS), places[HEARD]
    changed = choose_relatives(
        rows, c, weights.shape[0], season, scale, past, total, residue, worth, gained[c], relatives, listened
    )  # fmt: skip
    o = table[first + WIDE + ASKED, 2] - EACH * most
    for i in range(most):
        if changed >> i & 1:
            begin, end = o + EACH * i, o + EACH * (i + 1)
            linear_drop(begin, end, slot, first + WIDE, real, table)
            if relatives[c, i] >= 0:
                linear_admit(begin, end, NEW_VARIANCE, first + WIDE, real, table)
    n = weights.shape[1] - places[TAPS] - 4 - 2 * heard
    # where they change they are too many for gates but the channel's own
    other = n // 2 + places[TAPS] + 4
    for i in range(heard):
        if changed >> (most + i) & 1:
            weights[:, other + 2 * i : other + 2 * i + 2] = 0.0


def learn_channel(
    c: int, first: int, rows: int, x: float, seen: bool, share: float, places: Array, clock: Array, hyper: Array,
    rates: Array, valid: Array, base: Array, scale: Array, error: Array, judged: Array, missed: Array, residue: Array,
    gained: Array, ints: Array, real: Array, table: Array,
) -> None:  # fmt: skip
    """Learn from the value x of channel c, where it was `seen`; share of it that is learned, 0 … 1."""
    ring = valid.shape[0]
    features, weights = matrix(real, table, first + FEATURES), matrix(real, table, first + WEIGHTS)
    if RECURRENT == 1 and rows > 0:
        theta, probe = matrix(real, table, first + NET + 1), open_probe(ints, real, table, first + places[PROBE])
        r = (rows - 1) % ring
        some, miss = seen and share > 0.0 and valid[r, c] != 0, 0.0
        if some:
            miss = head_error(clip((x - base[r, c]) / scale[r, c], BOUND), features[r], weights[0])
            miss = share * clip(miss, hyper[CLIP_ERROR] * error[0, c])
        if not improve(
            miss, some, places, hyper, features[r], weights, matrix(real, table, first + NET + 7),
            matrix(ints, table, first + NET), vector(real, table, first + NET + 5),
            open_carry(ints, real, table, first + places[LEARNER]),
            open_memory(ints, real, table, first + places[UPDATE]), probe, matrix(real, table, first + NET + 6), theta,
        ):  # fmt: skip
            # the influence has grown out of bounds: forget it and begin anew
            clear_influence(first, places, real, table)
            forget(probe)
            ran_away(rows, clock, theta)
    if FULL == 1 and residue.shape[1] > 0:
        r = (rows - 1) % ring
        wide, unsaid = first + WIDE, 0.0
        if seen and share > 0.0 and rows > 0 and valid[r, c] != 0:
            own = table[wide + ASKED, 2] - EACH * places[RELATED]
            unsaid = linear_unsaid(x, r, c, own, base, scale, wide, real, table)
            linear_gained(x, rows, c, own, EACH, GAINED_KEEP, valid, base, scale, wide, real, table, gained[c])
        residue[c, rows % residue.shape[1]] = unsaid
    if not seen:
        return
    memory = open_readout(ints, real, table, first + places[READOUT])
    for k in range(min(weights.shape[0], rows)):
        r = (rows - 1 - k) % ring
        if valid[r, c] == 0:
            continue
        target = clip((x - base[r, c]) / scale[r, c], BOUND * math.sqrt(k + 1.0))
        if k == 0:
            missed[c] = head_error(target, features[r], weights[0])
        miss = clip(head_error(target, features[r], weights[k]), hyper[CLIP_ERROR] * error[k, c])
        correct(r, k, 0, share * miss, features[r], memory, weights[k])
        w = max(rates[NORM], 1.0 / (judged[k, c] + 1.0))
        error[k, c] += share * w * (abs(miss) - error[k, c])
    linear_learn(x, share, rows, c, first + AR, 0.0, error, valid, base, scale, real, table)
    if FULL == 1:
        linear_learn(x, share, rows, c, first + WIDE, WIDE_CLIP, error, valid, base, scale, real, table)


def say_channel(
    c: int, first: int, rows: int, places: Array, clock: Array, pace: Array, rates: Array, season: Array,
    turned: bool, valid: Array, last: Array, missed: Array, moments: Array, short: Array, past: Array, total: Array,
    means: Array, phase: Array, local: Array, residue: Array, worth: Array, gained: Array, relatives: Array,
    listened: Array, base: Array, scale: Array, experts: Array, ints: Array, real: Array, table: Array,
) -> None:  # fmt: skip
    """Advance the net of channel c and make every expert's forecasts.

    turned   whether the season is another since the last row
    """
    ring, size = valid.shape[0], past.shape[1]
    r, taps, unit = rows % ring, places[TAPS], scale[rows % ring, c]
    inverse = 1.0 / unit if unit > 0.0 else 0.0
    learnable = valid[r, c] != 0
    state, x, heard = real[:0], vector(real, table, first + NET + 4), places[HEARD]
    if FULL == 1:
        choose(rows, r, c, first, places, season[0], scale[r], past, total, residue, worth, gained, relatives, listened,
               real, table)  # fmt: skip
    inputs(rows, c, heard, last, missed, moments, scale[r], past, listened, phase, x)
    if RECURRENT == 1:
        theta, s = matrix(real, table, first + NET + 1), matrix(real, table, first + NET + 2)
        probe = open_probe(ints, real, table, first + places[PROBE])
        forward(
            theta, x, pace[DT], s, matrix(real, table, first + NET + 3), matrix(ints, table, first + NET),
            open_carry(ints, real, table, first + places[LEARNER]), probe,
        )  # fmt: skip
        if not all_within(s, LARGEST_STATE):  # a cell without bounds ran away
            s[:] = 0.0
            clear_influence(first, places, real, table)
            forget(probe)
            ran_away(rows, clock, theta)
        seen = vector(real, table, first + NET + 5).shape[0]
        state = s.reshape(s.size)[places[TOP] * s.shape[1] : places[TOP] * s.shape[1] + seen]
    n = state.shape[0]
    f, lagged = matrix(real, table, first + FEATURES)[r], matrix(real, table, first + AR + ASKED)[r]
    for i in range(n):
        f[i] = state[i]
    for i in range(taps):
        known = i + 1 < min(size, rows + 1)
        change = past[c, (rows - i) % size] - past[c, (rows - i - 1) % size] if known else 0.0
        f[n + i] = clip(change * inverse, INPUT_CLIP)
        lagged[i] = clip(change * inverse, BOUND)
    f[n + taps] = x[0]
    f[n + taps + 1] = clip((short[c] - last[c]) * inverse, INPUT_CLIP)
    f[n + taps + 2], lagged[taps] = 1.0, 1.0
    other = n + taps + 4
    f[other - 1] = x[2]
    for i in range(2 * heard):
        f[other + i] = x[4 + i]
    for g in range(places[GATES] if n > 0 else 0):
        gate = x[0] if g == 0 else x[2 + 2 * g]
        for i in range(n):
            f[other + 2 * heard + g * n + i] = state[i] * gate
    weights = matrix(real, table, first + WEIGHTS)
    if learnable:
        prepare(r, f, rates[LONG_KEEP], open_readout(ints, real, table, first + places[READOUT]))
        linear_gain(r, 0, rates[KEEP], AR_CAP, first + AR, real, table)
    for k in range(weights.shape[0]):
        ahead = clip(dot(weights[k], f, f.shape[0]), BOUND * math.sqrt(k + 1.0))
        experts[r, NET_EXPERT, k, c] = base[r, c] + ahead * unit
    linear_say(r, AR_EXPERT, c, base[r, c], unit, first + AR, real, table, experts)
    if FULL == 1:
        daily, hours = pace[DAILY] != 0.0, min(HOUR_FEATURES, local.shape[0])
        if turned:
            linear_reset(SEASONAL + hours + BLOCKS, WIDE_VARIANCE, first + WIDE, real, table)
            if daily:
                linear_admit(SEASONAL, SEASONAL + hours, 0.0, first + WIDE, real, table)
        idle = wide_describe(
            rows, c, taps, season[0], max(season[1], season[2]), scale[r], phase, past, total, means, daily, local,
            relatives, state, matrix(real, table, first + WIDE + ASKED)[r],
        )  # fmt: skip
        if learnable:
            linear_gain(r, idle, rates[LONG_KEEP], WIDE_CAP, first + WIDE, real, table)
        seasonal_say(rows, c, SEASONAL_EXPERT, season[0], base[r, c], past, experts)
        linear_say(r, WIDE_EXPERT, c, base[r, c], unit, first + WIDE, real, table, experts)
