"""The way of a sample, as one compiled loop: judge → score → learn → observe → advance → issue.

The order is fixed: the forecast that a row is judged by was made before it was known; it is scored before anything
learns from it; the weights move; state and influence advance with the new weights; the next forecast is issued.
"""

from __future__ import annotations

import math

from streamrnn._types import Array
from streamrnn.kernels.memory import cube, matrix, tesseract, vector
from streamrnn.learners.audit import forget
from streamrnn.tasks import _layout as at
from streamrnn.tasks._forecasting import describe, inputs, issue, judge, observe, pace, settle
from streamrnn.tasks._improving import all_within, ran_away
from streamrnn.tasks._rows import HEAD
from streamrnn.tasks._scoring import WARM, alarm, surprise

LARGEST_STATE = 1e3

CLOCK, SEEN, STALE, VALID = at.CLOCK, at.SEEN, at.STALE, at.VALID
KNOWN, START, SCORED, GAP, YOUNG = at.KNOWN, at.START, at.SCORED, at.GAP, at.YOUNG
FATIGUE, BAR, CALM = at.FATIGUE, at.BAR, at.CALM
HYPER, PACE, RATES, FIRST, LAST, MOMENTS = at.HYPER, at.PACE, at.RATES, at.FIRST, at.LAST, at.MOMENTS
CHANGE, SHORT, LAGS, BASE, SCALE, MODEL, MIX = at.CHANGE, at.SHORT, at.LAGS, at.BASE, at.SCALE, at.MODEL, at.MIX
WIDTH, REGRET, ERROR, MIXERROR, SIGMA = at.WIDTH, at.REGRET, at.ERROR, at.MIXERROR, at.SIGMA
QUANTILE, JUDGED, STATISTICS, RESIDUAL, STAGES = at.QUANTILE, at.JUDGED, at.STATISTICS, at.RESIDUAL, at.STAGES
LONG, TAILS, SURPRISE, FEATURES, WEIGHTS, OWN = at.LONG, at.TAILS, at.SURPRISE, at.FEATURES, at.WEIGHTS, at.OWN
ROWS, TIME, SINCE = at.ROWS, at.TIME, at.SINCE
PEAK, KEEP, DT = at.PEAK, at.KEEP, at.DT
MISS, HALF_LIFE, THRESHOLD, SCORING = at.MISS, at.HALF_LIFE, at.THRESHOLD, at.SCORING
CLIP_ERROR, SECONDS = at.CLIP_ERROR, at.SECONDS
LEARNER, UPDATE, READOUT, PROBE, TAPS, TOP = at.LEARNER, at.UPDATE, at.READOUT, at.PROBE, at.TAPS, at.TOP
FORGET_FROM, FORGET_TO = at.FORGET_FROM, at.FORGET_TO


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
    x: Array, rows: int, hyper: Array, valid: Array, base: Array, scale: Array, features: Array, weights: Array,
    feedback: Array, error: Array, structure: Array, e: Array, carry: tuple[Array, ...], memory: tuple[Array, ...],
    probe: tuple[Array, ...], grad: Array, theta: Array,
) -> bool:  # fmt: skip
    """Stand-in for a template of `_improving`."""
    raise TypeError("unbound")


def learn(
    x: Array, rows: int, error_clip: float, rates: Array, valid: Array, base: Array, scale: Array, features: Array,
    memory: tuple[Array, ...], weights: Array, error: Array, judged: Array,
) -> None:  # fmt: skip
    """Stand-in for `_forecasting.learn`, bound to a readout."""
    raise TypeError("unbound")


def prepare(slot: int, f: Array, keep: float, memory: tuple[Array, ...]) -> None:
    """Stand-in for the readout's `prepare`."""
    raise TypeError("unbound")


def watch(
    ints: Array, wide: Array, real: Array, table: Array, places: Array, time: Array, values: Array, out: Array
) -> None:
    """Run rows through a model.

    ints wide real  sections of the arena      table  (fields, 5) its layout
    places  (8,)    see tasks._layout: first fields of the parts, lags in use, row of s with the output, and
                    what of `real` is the learner's
    time    (N,)    nanoseconds, strictly increasing and after the last row's
    values  (N, C)  NaN is missing
    out     (N, 7 + 4 C + 3 H C)  see tasks._rows
    """
    clock, seen, stale = vector(ints, table, CLOCK), vector(ints, table, SEEN), vector(ints, table, STALE)
    valid, structure = matrix(ints, table, VALID), matrix(ints, table, OWN)
    hyper, pacing, rates = vector(wide, table, HYPER), vector(wide, table, PACE), vector(wide, table, RATES)
    first, last, moments = vector(wide, table, FIRST), vector(wide, table, LAST), matrix(wide, table, MOMENTS)
    change, short, lags = vector(wide, table, CHANGE), vector(wide, table, SHORT), matrix(wide, table, LAGS)
    base, scale, model = matrix(wide, table, BASE), matrix(wide, table, SCALE), cube(wide, table, MODEL)
    mix, width, regret = cube(wide, table, MIX), cube(wide, table, WIDTH), tesseract(wide, table, REGRET)
    error, mixerror, sigma = matrix(wide, table, ERROR), matrix(wide, table, MIXERROR), matrix(wide, table, SIGMA)
    quantile, judged = matrix(wide, table, QUANTILE), matrix(wide, table, JUDGED)
    statistics, nats = matrix(wide, table, STATISTICS), vector(wide, table, SURPRISE)
    start = matrix(wide, table, START)
    known, scored = vector(wide, table, KNOWN), vector(wide, table, SCORED)
    residual, stages = vector(wide, table, RESIDUAL), cube(wide, table, STAGES)
    long, tails = cube(wide, table, LONG), cube(wide, table, TAILS)
    features, weights = matrix(real, table, FEATURES), cube(real, table, WEIGHTS)
    theta, s, s1 = matrix(real, table, OWN + 1), matrix(real, table, OWN + 2), matrix(real, table, OWN + 3)
    x_net, e, grad = vector(real, table, OWN + 4), vector(real, table, OWN + 5), matrix(real, table, OWN + 6)
    feedback = matrix(real, table, OWN + 7)
    carry = open_carry(ints, real, table, places[LEARNER])
    memory = open_memory(ints, real, table, places[UPDATE])
    readout = open_readout(ints, real, table, places[READOUT])
    probe = open_probe(ints, real, table, places[PROBE])
    output = s.reshape(s.size)[places[TOP] * s.shape[1] : places[TOP] * s.shape[1] + e.shape[0]]
    ring, horizon, channels = mix.shape
    taps = places[TAPS]
    ahead = HEAD + 4 * channels
    for i in range(time.shape[0]):
        x, row = values[i], out[i]
        rows = clock[ROWS]
        pace((time[i] - clock[TIME]) * 1e-9, rows, hyper[HALF_LIFE], hyper[SECONDS] != 0.0, pacing, rates)
        before = (rows - 1) % ring
        for c in range(channels):
            half = width[before, 0, c]
            row[HEAD + c] = mix[before, 0, c] if rows > 0 and seen[c] > 0 else math.nan
            row[HEAD + channels + c] = row[HEAD + c] - half
            row[HEAD + 2 * channels + c] = row[HEAD + c] + half
            row[HEAD + 3 * channels + c] = 0.0
        judge(
            x, rows, hyper[MISS], rates, valid, base, scale, model, mix, width, regret, mixerror, sigma, quantile,
            judged, known, statistics,
        )  # fmt: skip

        row[:HEAD] = 0.0
        scores = hyper[SCORING] != 0.0
        if scores:
            total = surprise(
                x, rows, pacing[GAP], rates, seen, stale, scale, mix, first, last, moments, scored, residual, stages,
                long, tails, nats,
            )  # fmt: skip
            pacing[FATIGUE] *= rates[CALM]
            bar = hyper[THRESHOLD] + pacing[FATIGUE]
            row[0] = total / (total + bar)
            event = alarm(total, time[i], hyper, clock, pacing)
            row[1] = total
            parts = 0.0
            for c in range(channels):
                parts += nats[c]
                if seen[c] < WARM:
                    row[6] = 1.0
            if parts > 0.0:
                oddest = 0
                for c in range(channels):
                    row[HEAD + 3 * channels + c] = nats[c] / parts
                    if nats[c] > nats[oddest]:
                        oddest = c
                row[4] = oddest
            if event != 0:
                row[2] = event
                row[3] = pacing[PEAK] / (pacing[PEAK] + pacing[BAR])
                row[5] = (time[i] - clock[SINCE]) * 1e-9

        if not improve(
            x, rows, hyper, valid, base, scale, features, weights, feedback, error, structure, e, carry, memory, probe,
            grad, theta,
        ):  # fmt: skip
            # the influence has grown out of bounds: forget it and begin anew
            real[places[FORGET_FROM] : places[FORGET_TO]] = 0.0
            forget(probe)
            ran_away(rows, clock, theta)
        learn(x, rows, hyper[CLIP_ERROR], rates, valid, base, scale, features, readout, weights, error, judged)
        observe(x, rows, rates, seen, stale, first, start, known, last, moments, change, short, lags, mix, statistics)
        for c in range(channels):
            if seen[c] == YOUNG and stale[c] == 0 and settle(start, c, first, moments, change, short, lags) and scores:
                stages[c] = 0.0
                long[c] = 0.0

        inputs(rows, last, moments, change, lags, x_net)
        forward(theta, x_net, pacing[DT], s, s1, structure, carry, probe)
        if not all_within(s, LARGEST_STATE):  # a cell without bounds ran away
            s[:] = 0.0
            real[places[FORGET_FROM] : places[FORGET_TO]] = 0.0
            forget(probe)
            ran_away(rows, clock, theta)
        now = rows % ring
        if describe(
            rows, seen, stale, last, moments, change, short, lags, taps, output, x_net, base, scale, valid,
            features[now],
        ):  # fmt: skip
            prepare(now, features[now], rates[KEEP], readout)
        issue(
            rows, 2 * taps, seen, base, scale, features, weights, regret, sigma, quantile, model, mix, width,
            row[ahead : ahead + horizon * channels],
            row[ahead + horizon * channels : ahead + 2 * horizon * channels],
            row[ahead + 2 * horizon * channels : ahead + 3 * horizon * channels],
        )  # fmt: skip
        clock[ROWS] = rows + 1
        clock[TIME] = time[i]
