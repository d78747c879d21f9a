"""The clock of a time zone: features of the local hour and weekday, and the zone's rules as a table for the loop.

Weekdays are taken through their discrete Fourier series, so that no day is the one that others are compared with: six
functions of the weekday, which with a constant say anything that differs from day to day. Each comes alone and times
the first harmonics of the hour. A direct head needs no features of its target's time: a fixed number of rows ahead, it
is a function of the time at the origin.
"""

from __future__ import annotations

import difflib
import functools
import math
import zoneinfo
from datetime import UTC, datetime

import numpy as np

from streamrnn._bind import kernel
from streamrnn._types import Array, Ints
from streamrnn.errors import ModelError
from streamrnn.tasks._layout import DAY_HARMONICS, HOUR_FEATURES, INTERVAL, WEEK_HARMONICS, WEEKDAYS, ZONE_CHANGES

DAY = 86_400
EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0
AS_LONG_AS_A_DAY = 32  # a season that differs from the day by less than this part is the day
CLOCK_SCALE = 0.3
NEVER = 2**62


@kernel
def local_time(time: int, zone: Array) -> int:
    """Seconds since 1970 on the zone's clocks at `time`, nanoseconds since 1970 in UTC.

    zone  (Z, 2) from when (UTC seconds) which offset to UTC (s) is in force, ascending
    """
    s = time // 1_000_000_000
    low, high = 0, zone.shape[0]
    while high - low > 1:
        middle = (low + high) // 2
        if zone[middle, 0] <= s:
            low = middle
        else:
            high = middle
    return int(s + zone[low, 1])


@kernel
def read_clock(local: int, f: Array) -> float:
    """The clock's features at a local time into f; returns the part of the day that has gone by.

    f  harmonics of the hour | of each function of the weekday: itself, and its products with the hour's first harmonics

    The weekday's functions are sines and cosines of 2π k weekday / 7, k = 1 … 3.
    """
    hour = (local % DAY) / DAY
    weekday = (local // DAY + EPOCH_WEEKDAY) % WEEKDAYS
    for k in range(HOUR_FEATURES // 2):
        a = 2.0 * math.pi * (k + 1) * hour
        f[2 * k], f[2 * k + 1] = CLOCK_SCALE * math.sin(a), CLOCK_SCALE * math.cos(a)
    o = HOUR_FEATURES
    for k in range(WEEKDAYS - 1):
        a = 2.0 * math.pi * (k // 2 + 1) * weekday / WEEKDAYS
        day = math.sin(a) if k % 2 == 0 else math.cos(a)
        f[o] = CLOCK_SCALE * day
        for i in range(2 * DAY_HARMONICS):
            f[o + 1 + i] = day * f[i]
        o += WEEK_HARMONICS
    return hour


@kernel
def is_day(season: int, pace: Array) -> bool:
    """Whether a season of so many rows is the day."""
    return bool(AS_LONG_AS_A_DAY * abs(season * pace[INTERVAL] - DAY) < DAY)


def zone_of(name: str) -> zoneinfo.ZoneInfo:
    """The time zone of this IANA name. Raises ModelError where there is none."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
    if not known:
        raise ModelError("no time zones are known here", where="clock", got=repr(name), expected="an IANA time zone",
                         hint="This system has no zone data: pip install tzdata")  # fmt: skip
    folded = {zone.casefold(): zone for zone in sorted(known)}
    near = difflib.get_close_matches(name.casefold(), folded, 1, 0.6)
    near = near or [zone for zone in folded if zone.rpartition("/")[2] == name.casefold()]
    raise ModelError("no such time zone", where="clock", got=repr(name), expected="an IANA name such as Europe/Berlin",
                     hint=f"Did you mean {folded[near[0]]!r}?" if near else None)  # fmt: skip


@functools.lru_cache(maxsize=16)
def zone_changes(name: str) -> Ints:
    """(ZONE_CHANGES, 2) the zone's offsets from 1970 to 2100 as `local_time` takes them, filled up behind the last.

    Found by looking once a day and bisecting: zones keep an offset for weeks at the least.
    """
    zone = zone_of(name)

    def offset(s: int) -> int:
        found = datetime.fromtimestamp(s, zone).utcoffset()
        assert found is not None, "a time in a zone has an offset"
        return round(found.total_seconds())

    end = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())
    found = [(-NEVER, offset(0))]
    for after in range(DAY, end, DAY):
        if offset(after) == found[-1][1]:
            continue
        low, high = after - DAY, after
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if offset(middle) != found[-1][1] else (middle, high)
        found.append((high, offset(high)))
    table = np.full((ZONE_CHANGES, 2), NEVER, np.int64)
    table[:, 1] = found[-1][1]
    kept = found[:ZONE_CHANGES]
    table[: len(kept)] = kept
    return table
