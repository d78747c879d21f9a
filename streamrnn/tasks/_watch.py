"""The way of a sample, as one compiled loop: score → decide → judge → learn → observe → advance → issue.

The order is fixed: the forecast that a row is judged by was made before it was known; it is scored, and decided how
much of it is learned, before anything learns from it; the weights move; state and influence advance with the new
weights; the next forecast is issued.
"""

from __future__ import annotations

import math

from streamrnn._types import Array
from streamrnn.kernels.conformal import SLOPES
from streamrnn.kernels.memory import cube, matrix, tesseract, vector
from streamrnn.kernels.season import CHANGES, TALLY
from streamrnn.kernels.season import observe as look
from streamrnn.kernels.season import views as open_seasons
from streamrnn.tasks import _layout as at
from streamrnn.tasks._clock import is_day, local_time, read_clock
from streamrnn.tasks._deciding import decide
from streamrnn.tasks._forecasting import describe, issue, judge, observe, pace, settle, usable
from streamrnn.tasks._rows import HEAD
from streamrnn.tasks._scoring import SPIKE, WARM, forget_level, score_phase, shown, surprise, ways
from streamrnn.tasks._wide import follow_season, turn_ahead, turn_phase

FULL = 0  # stand-in for whether seasons are looked for

CLOCK, SEEN, STALE, VALID, SEASON, RELATIVES = at.CLOCK, at.SEEN, at.STALE, at.VALID, at.SEASON, at.RELATIVES
HYPER, PACE, RATES, FIRST, START, KNOWN, LAST = at.HYPER, at.PACE, at.RATES, at.FIRST, at.START, at.KNOWN, at.LAST
MOMENTS, CHANGE, SHORT, PAST, TOTAL, MEANS = at.MOMENTS, at.CHANGE, at.SHORT, at.PAST, at.TOTAL, at.MEANS
PHASE, GATE, BASE, SCALE, EXPERTS, MIX = at.PHASE, at.GATE, at.BASE, at.SCALE, at.EXPERTS, at.MIX
WIDTH, REGRET, ERROR, MIXERROR, BAND = at.WIDTH, at.REGRET, at.ERROR, at.MIXERROR, at.BAND
LISTENED, ZONE, LOCAL, DAILY, RESIDUE, WORTH, GAINED = (
    at.LISTENED, at.ZONE, at.LOCAL, at.DAILY, at.RESIDUE, at.WORTH, at.GAINED,
)  # fmt: skip
BRISK, AHEAD, JUDGED, STATISTICS, SURPRISE, OWN = at.BRISK, at.AHEAD, at.JUDGED, at.STATISTICS, at.SURPRISE, at.OWN
ODD, MEMORY, PROFILE, STAGES, LONG, RANKS = at.ODD, at.MEMORY, at.PROFILE, at.STAGES, at.LONG, at.RANKS
WHOLE, REASONS, REST, SPARE = at.WHOLE, at.REASONS, at.REST, at.SPARE
ROWS, TIME, YOUNG, SEASONS, GAP, BOOST = at.ROWS, at.TIME, at.YOUNG, at.SEASONS, at.GAP, at.BOOST
LIMITS, LADDER, FACTS, HELD, USUAL = at.LIMITS, at.LADDER, at.FACTS, at.HELD, at.USUAL
MARKS, BLOCKS_HELD, VERDICT, REACH = at.MARKS, at.BLOCKS_HELD, at.VERDICT, at.REACH
MISS, HALF_LIFE, SCORING, SECONDS, MEDIAN = at.MISS, at.HALF_LIFE, at.SCORING, at.SECONDS, at.MEDIAN
TAPS, STRIDE, SEEK, TURN, TURNED = at.TAPS, at.STRIDE, at.SEEK, at.TURN, at.TURNED
MUTE, MUTE_LEARNING, MISSED = at.MUTE, at.MUTE_LEARNING, at.MISSED


def learn_channel(
    c: int, first: int, rows: int, x: float, seen: bool, share: float, places: Array, clock: Array, hyper: Array,
    rates: Array, valid: Array, base: Array, scale: Array, error: Array, judged: Array, missed: Array, residue: Array,
    gained: Array, ints: Array, real: Array, table: Array,
) -> None:  # fmt: skip
    """Stand-in for `_channel.learn_channel`, bound to a model."""
    raise TypeError("unbound")


def say_channel(
    c: int, first: int, rows: int, places: Array, clock: Array, pace: Array, rates: Array, season: Array,
    turned: bool, valid: Array, last: Array, missed: Array, moments: Array, short: Array, past: Array, total: Array,
    means: Array, phase: Array, local: Array, residue: Array, worth: Array, gained: Array, relatives: Array,
    listened: Array, base: Array, scale: Array, experts: Array, ints: Array, real: Array, table: Array,
) -> None:  # fmt: skip
    """Stand-in for `_channel.say_channel`, bound to a model."""
    raise TypeError("unbound")


def watch(
    ints: Array, wide: Array, real: Array, table: Array, places: Array, time: Array, values: Array, out: Array
) -> None:
    """Run rows through a model.

    ints wide real  sections of the arena      table  (fields, 5) its layout
    places  (14,)    see tasks._layout: rows of a channel's parts after its first, lags in use, row of s with the
                    output, rows that a channel takes
    time    (N,)    nanoseconds, strictly increasing and after the last row's
    values  (N, C)  NaN is missing
    out     (N, HEAD + 4 C + 3 H C)  see tasks._rows
    """
    clock, seen, stale = vector(ints, table, CLOCK), vector(ints, table, SEEN), vector(ints, table, STALE)
    valid, season, relatives = matrix(ints, table, VALID), vector(ints, table, SEASON), matrix(ints, table, RELATIVES)
    hyper, pacing, rates = vector(wide, table, HYPER), vector(wide, table, PACE), vector(wide, table, RATES)
    first, last, moments = vector(wide, table, FIRST), vector(wide, table, LAST), matrix(wide, table, MOMENTS)
    change, short, past = vector(wide, table, CHANGE), vector(wide, table, SHORT), matrix(wide, table, PAST)
    sums, means, phase = matrix(wide, table, TOTAL), matrix(wide, table, MEANS), vector(wide, table, PHASE)
    listened, zone, local = matrix(ints, table, LISTENED), matrix(ints, table, ZONE), vector(wide, table, LOCAL)
    residue, worth, gained = matrix(wide, table, RESIDUE), vector(wide, table, WORTH), cube(wide, table, GAINED)
    gate, base, scale = vector(wide, table, GATE), matrix(wide, table, BASE), matrix(wide, table, SCALE)
    experts, mix, width = tesseract(wide, table, EXPERTS), cube(wide, table, MIX), cube(wide, table, WIDTH)
    regret, error = tesseract(wide, table, REGRET), matrix(wide, table, ERROR)
    mixerror, band, brisk = matrix(wide, table, MIXERROR), cube(wide, table, BAND), vector(wide, table, BRISK)
    nearby, judged = matrix(wide, table, AHEAD), matrix(wide, table, JUDGED)
    statistics, nats = matrix(wide, table, STATISTICS), vector(wide, table, SURPRISE)
    start, known, missed = matrix(wide, table, START), vector(wide, table, KNOWN), vector(wide, table, MISSED)
    odd, memory, profile = vector(wide, table, ODD), matrix(wide, table, MEMORY), cube(wide, table, PROFILE)
    stages, long = tesseract(wide, table, STAGES), tesseract(wide, table, LONG)
    ranks, whole, reasons = cube(wide, table, RANKS), matrix(wide, table, WHOLE), matrix(wide, table, REASONS)
    rest, weights = vector(wide, table, REST), vector(wide, table, SPARE)
    limits, ladder, facts = matrix(wide, table, LIMITS), vector(wide, table, LADDER), vector(wide, table, FACTS)
    held, usual, blocks = vector(wide, table, HELD), matrix(wide, table, USUAL), cube(wide, table, BLOCKS_HELD)
    marks, verdict, reach = vector(ints, table, MARKS), vector(wide, table, VERDICT), matrix(wide, table, REACH)
    sought = open_seasons(ints, wide, table, places[SEEK])
    ring, horizon, channels = mix.shape
    taps, ahead = places[TAPS], HEAD + 4 * channels
    for i in range(time.shape[0]):
        x, row = values[i], out[i]
        rows = clock[ROWS]
        pace((time[i] - clock[TIME]) * 1e-9, rows, hyper[HALF_LIFE], hyper[SECONDS] != 0.0, pacing, rates, odd)
        before = (rows - 1) % ring
        for c in range(channels):
            half = width[before, 0, c]
            row[HEAD + c] = mix[before, 0, c] if rows > 0 and seen[c] > 0 else math.nan
            row[HEAD + channels + c] = row[HEAD + c] - half
            row[HEAD + 2 * channels + c] = row[HEAD + c] + half
            row[HEAD + 3 * channels + c] = 0.0

        row[:HEAD] = 0.0
        scores = hyper[SCORING] != 0.0
        if scores:
            phased = score_phase(time[i], season[0], pacing[TURNED] != 0.0, pacing, memory, profile)
            total = surprise(
                x, rows, pacing[GAP], phased, clock[MUTE] & MUTE_LEARNING == 0, seen, stale, mix,
                odd, memory, profile, stages, long, ranks, whole, reasons, weights, nats,
            )  # fmt: skip
            parts = 0.0
            for c in range(channels):
                parts += nats[c]
                if seen[c] < WARM:
                    row[6] = 1.0
            if total == total:
                visible = shown(total, pacing[GAP], rest)
                row[0], row[1] = visible / (visible + SPIKE), total
            if parts > 0.0:
                for c in range(channels):
                    row[HEAD + 3 * channels + c] = nats[c] / parts
            decide(
                x, row[HEAD : HEAD + channels], total, time[i], hyper, clock, pacing, rates,
                nats, limits, ladder, marks, facts, held, usual, blocks, verdict, gate, row,
            )  # fmt: skip
            if row[2] == 1.0:
                ways(reasons[int(row[4])], row[10:HEAD])
        judge(
            x, rows, hyper[MISS], hyper[MEDIAN] != 0.0, rates, gate, valid, base, scale, experts, mix, width, regret,
            mixerror, reach, band, brisk, nearby, judged, known, statistics,
        )  # fmt: skip
        for c in range(channels):
            learn_channel(
                c, OWN + c * places[STRIDE], rows, x[c], usable(x[c]), gate[c], places, clock, hyper, rates, valid,
                base, scale, error, judged, missed, residue, gained, ints, real, table,
            )  # fmt: skip
        observe(
            x, rows, pacing[BOOST], rates, gate, seen, stale, first, start, known, last, moments, change, short, past,
            sums, means, mix, statistics,
        )  # fmt: skip
        for c in range(channels):
            if seen[c] == YOUNG and stale[c] == 0 and settle(
                start, c, rows, rates, first, moments, change, short, past, sums, means
            ) and scores:  # fmt: skip
                forget_level(c, memory, stages, long, ranks)

        describe(rows, gate, seen, stale, last, moments, change, base, scale, valid)
        turned = False
        if FULL == 1:
            # for what is refused its forecast stands in, as in the past: a day of gaps would hide a young season
            for c in range(channels):
                row[ahead + c] = x[c] if gate[c] > 0.0 or not usable(x[c]) else row[HEAD + c]
            look(row[ahead : ahead + channels], sought)
            turned = follow_season(sought[0][0], sought[0][TALLY][CHANGES], season, pacing)
            if turned:
                band[:, :, SLOPES:] = 0.0
            if zone.shape[0] > 0:
                hour = read_clock(local_time(time[i], zone), local)
                if turned:
                    pacing[DAILY] = 1.0 if is_day(season[0], pacing) else 0.0
                if pacing[DAILY] != 0.0:
                    pacing[TURN] = hour
            turn_phase(pacing[TURN], season[0], phase)
            turn_ahead(phase, season[0], nearby)
        pacing[TURNED] = 1.0 if turned else 0.0
        for c in range(channels):
            say_channel(
                c, OWN + c * places[STRIDE], rows, places, clock, pacing, rates, season, turned, valid, last, missed,
                moments, short, past, sums, means, phase, local, residue, worth, gained, relatives,
                listened, base, scale, experts, ints, real, table,
            )  # fmt: skip
        issue(
            rows, 2 * taps, hyper[MISS], seen, valid, base, scale, regret, judged, reach, band, brisk, nearby, experts,
            mix, width,
            row[ahead : ahead + horizon * channels],
            row[ahead + horizon * channels : ahead + 2 * horizon * channels],
            row[ahead + 2 * horizon * channels : ahead + 3 * horizon * channels],
        )  # fmt: skip
        clock[ROWS] = rows + 1
        clock[TIME] = time[i]
