"""Events: one start and one end however long a condition lasts, filters that hold back starts only, mutes that hold
back the telling. A second writing of the machine works on whole series; stories say what each rule is for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrnn.kernels.event import (
    AGE,
    BAR,
    CAUSE,
    CHANNEL,
    DIRECTION,
    EXPECTED,
    FACTS,
    HELD_BACK,
    HIGHEST,
    HUSHED,
    LEAST,
    LIMITS,
    LOWEST,
    MARKS,
    MUTED,
    NONE,
    ODD,
    ONGOING,
    ONSET,
    OUT_OF_RANGE,
    PEAK,
    RELATIVE,
    RESOLVED,
    STARTED,
    STARTS,
    TOLD,
    VALUE,
    admitted,
    event_step,
    hold_of,
    loudest,
)

SECOND = 1_000_000_000


class Stream:
    """Rows every 10 s, bar 8, quiet 4, hold 30 s."""

    def __init__(self, hold=30.0, interval=10.0):
        self.marks, self.facts = np.zeros(MARKS, np.int64), np.zeros(FACTS)
        self.hold, self.interval, self.now = hold, interval, 0

    def row(self, nats, cause=ODD, muted=False, gap=10.0, x=5.0, channel=2):
        self.now += int(gap * SECOND)
        return event_step(
            nats, channel, cause, x, 1.0, 8.0, 4.0, self.hold, self.now, gap, self.interval, muted, self.marks,
            self.facts,
        )  # fmt: skip

    def rows(self, nats, **more):
        return [self.row(n, **more) for n in nats]


def test_a_condition_is_told_once_and_ended_once():
    s = Stream()
    assert s.rows([1, 7.9, 8, 20, 3, 4, 3, 3]) == [NONE, NONE, STARTED, *[ONGOING] * 5]
    assert s.rows([3, 3, 9]) == [RESOLVED, NONE, STARTED]
    assert s.marks[STARTS] == 2


def test_what_is_kept_of_an_event():
    s = Stream()
    s.rows([1, 9, 12, 5], x=7.0)
    assert (s.marks[ONSET], s.marks[TOLD], s.marks[CHANNEL], s.marks[CAUSE]) == (20 * SECOND, 20 * SECOND, 2, ODD)
    assert s.facts[[PEAK, BAR, VALUE, EXPECTED, AGE]].tolist() == [12.0, 8.0, 7.0, 1.0, 20.0]
    s.rows([1, 1, 1])
    assert s.facts[PEAK] == 12.0  # still to be read on the row that ends it


def test_rows_without_a_surprise_change_nothing():
    s = Stream()
    assert s.rows([math.nan, 9, *[math.nan] * 50, 1, 1, math.nan, 1]) == [
        NONE, STARTED, *[ONGOING] * 53, RESOLVED
    ]  # fmt: skip
    assert s.facts[AGE] == 30.0


def test_a_gap_counts_as_two_intervals():
    s = Stream()
    assert s.rows([9, 1]) == [STARTED, ONGOING]
    assert s.row(1, gap=1e6) == RESOLVED  # 10 + 20 s
    assert s.row(9) == STARTED
    assert s.row(1, gap=1e6) == ONGOING


def test_what_is_held_back_does_not_begin_but_what_has_begun_goes_on():
    s = Stream()
    assert s.rows([20, 30], cause=HELD_BACK) == [NONE, NONE]
    assert s.row(9) == STARTED
    assert s.rows([20] * 5, cause=HELD_BACK) == [ONGOING] * 5


def test_out_of_range_is_an_event_whatever_the_surprise():
    s = Stream()
    assert s.row(0.0, cause=OUT_OF_RANGE) == STARTED
    assert s.marks[CAUSE] == OUT_OF_RANGE
    assert s.row(math.nan, cause=OUT_OF_RANGE) == ONGOING
    assert s.rows([0.0] * 9, cause=OUT_OF_RANGE) == [ONGOING] * 9
    assert s.rows([0.0] * 3) == [ONGOING, ONGOING, RESOLVED]
    t = Stream()
    assert t.row(math.nan, cause=OUT_OF_RANGE) == STARTED
    assert t.facts[PEAK] == 0.0


def test_a_muted_event_is_followed_and_told_when_the_mute_ends():
    s = Stream()
    assert s.rows([1, 9, 9, 9], muted=True) == [NONE, MUTED, MUTED, MUTED]
    assert (s.marks[STARTS], s.marks[HUSHED]) == (0, 1)
    assert s.rows([9, 9]) == [STARTED, ONGOING]
    assert (s.marks[ONSET], s.marks[TOLD], s.facts[AGE]) == (20 * SECOND, 50 * SECOND, 40.0)


def test_a_muted_event_that_ends_is_never_told():
    s = Stream()
    assert s.rows([9, 9], muted=True) == [MUTED, MUTED]
    assert s.rows([1, 1, 1, 1]) == [MUTED, MUTED, NONE, NONE]  # on its way out when the mute ended
    assert s.marks[STARTS] == 0
    assert s.rows([9, 1, 1, 1], muted=True) == [MUTED, MUTED, MUTED, NONE]
    assert s.rows([9], muted=True) == [MUTED]
    assert s.rows([1, 5]) == [MUTED, STARTED]  # but loud again


def test_an_event_that_began_before_a_mute_is_told_to_its_end():
    s = Stream()
    assert s.row(9) == STARTED
    assert s.rows([9, 1, 1, 1], muted=True) == [ONGOING, ONGOING, ONGOING, RESOLVED]


# ---------------------------------------------------------------- a second writing, of whole series


def events_of(nats, cause, muted, bar, quiet, hold, interval):
    """(first row, row told or None, last row or None) of each event, by looking ahead from each onset."""
    n, at, found = len(nats), 0, []
    known = [i for i in range(n) if not (math.isnan(nats[i]) and cause[i] != OUT_OF_RANGE)]
    loud = {i: cause[i] == OUT_OF_RANGE or nats[i] >= quiet for i in known}
    begins = {i: cause[i] == OUT_OF_RANGE or (cause[i] == ODD and nats[i] >= bar) for i in known}
    rows = hold / interval
    while at < len(known):
        if not begins[known[at]]:
            at += 1
            continue
        end = at + 1
        while end < len(known) and not (
            end - rows >= at and not any(loud[i] for i in known[end - math.ceil(rows) + 1 : end + 1])
        ):
            end += 1
        during = known[at:end]
        told = next((i for k, i in enumerate(during) if not muted[i] and (k == 0 or loud[i])), None)
        found.append((known[at], told, known[end] if end < len(known) else None))
        at = end + 1
    return found


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_the_machine_agrees_with_the_second_writing(seed, rows):
    rng = np.random.default_rng(seed)
    n = 120
    nats = rng.exponential(3.0, n)
    nats[rng.random(n) < 0.1] = math.nan
    cause = rng.choice([HELD_BACK, ODD, ODD, ODD, OUT_OF_RANGE], n, p=[0.1, 0.3, 0.3, 0.28, 0.02])
    muted = np.repeat(rng.random(n // 10) < 0.4, 10)
    s = Stream(hold=10.0 * rows)
    codes = [s.row(nats[i], int(cause[i]), bool(muted[i])) for i in range(n)]
    events = events_of(nats, cause, muted, 8.0, 4.0, 10.0 * rows, 10.0)
    assert [i for i, c in enumerate(codes) if c == STARTED] == [told for _, told, _ in events if told is not None]
    assert [i for i, c in enumerate(codes) if c == RESOLVED] == [
        last for _, told, last in events if told is not None and last is not None
    ]
    assert s.marks[STARTS] == codes.count(STARTED)


@given(st.integers(0, 2**32 - 1))
def test_starts_and_ends_alternate(seed):
    rng = np.random.default_rng(seed)
    s = Stream(hold=float(rng.integers(1, 100)))
    codes = [
        s.row(
            float(rng.choice([rng.exponential(4.0), math.nan, math.inf])),
            int(rng.integers(0, 3)),
            bool(rng.random() < 0.3),
            float(rng.exponential(10.0)),
        )
        for _ in range(200)
    ]
    told = [c for c in codes if c in (STARTED, RESOLVED)]
    assert told[::2] == [STARTED] * len(told[::2])
    assert told[1::2] == [RESOLVED] * len(told[1::2])


# ---------------------------------------------------------------- filters


def limits(**given):
    out = np.zeros(LIMITS)
    for name, value in given.items():
        out[{"least": LEAST, "relative": RELATIVE, "direction": DIRECTION, "lo": LOWEST, "hi": HIGHEST}[name]] = value
    return out


@pytest.mark.parametrize(
    ("x", "expected", "given_limits", "says"),
    [
        (5.0, 4.0, {}, ODD),
        (math.nan, 4.0, {}, HELD_BACK),
        (5.0, math.nan, {"least": 100.0}, ODD),
        (5.0, 4.0, {"least": 1.0}, ODD),
        (5.0, 4.0, {"least": 1.1}, HELD_BACK),
        (-5.0, -4.0, {"least": 1.1}, HELD_BACK),
        (110.0, 100.0, {"relative": 0.1}, ODD),
        (-109.0, -100.0, {"relative": 0.1}, HELD_BACK),
        (0.001, 0.0, {"relative": 0.5}, ODD),
        (0.001, 0.0, {"relative": 0.5, "least": 0.01}, HELD_BACK),
        (5.0, 4.0, {"direction": 1.0}, ODD),
        (3.0, 4.0, {"direction": 1.0}, HELD_BACK),
        (3.0, 4.0, {"direction": -1.0}, ODD),
        (5.0, 4.0, {"direction": -1.0}, HELD_BACK),
        (10.0, 10.0, {"lo": 0.0, "hi": 10.0, "least": 1e9}, HELD_BACK),
        (10.1, 10.1, {"lo": 0.0, "hi": 10.0, "least": 1e9, "direction": -1.0}, OUT_OF_RANGE),
        (-0.1, math.nan, {"lo": 0.0, "hi": math.inf}, OUT_OF_RANGE),
        (1e300, 0.0, {"lo": 0.0, "hi": math.inf}, ODD),
        (math.inf, 0.0, {"lo": -math.inf, "hi": 1.0}, OUT_OF_RANGE),
    ],
)
def test_filters(x, expected, given_limits, says):
    assert admitted(x, expected, limits(**given_limits)) == says


def test_the_loudest_channel_that_may_begin_an_event():
    x, expected = np.array([5.0, 9.0, math.nan, 2.0]), np.array([4.0, 4.0, 4.0, 1.0])
    nats = np.array([3.0, 9.0, 50.0, 4.0])
    all_admitted = np.zeros((4, LIMITS))
    assert loudest(x, expected, np.array([math.nan, math.nan, 50.0, 4.0]), all_admitted) == 3
    assert loudest(x, expected, np.full(4, math.nan), all_admitted) == 0
    assert loudest(x, expected, nats, all_admitted) == 1
    filtered = all_admitted.copy()
    filtered[1, LEAST] = 100.0
    assert loudest(x, expected, nats, filtered) == 3
    filtered[0, [LOWEST, HIGHEST]] = 0.0, 4.5
    assert loudest(x, expected, nats, filtered) == 0
    filtered[0, HIGHEST] = 6.0
    filtered[[0, 3], DIRECTION] = -1.0
    assert loudest(x, expected, nats, filtered) == -1


def test_the_hold_is_in_seconds():
    assert hold_of(0.0, 300.0) == 6000.0
    assert hold_of(45.0, 300.0) == 45.0
