"""Maintenance: windows of time in which a stream's alarms are not told, or its rows not learned, or both."""

from __future__ import annotations

import bisect
import contextlib
import datetime
import math
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEK = 7 * 86400.0

BEGINNING, END = -(2**63), 2**63 - 1
"""Earlier and later than any time."""


class Maintenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One window, or one each week. The `[[maintenance]]` tables of a configuration are Maintenances."""

    streams: Annotated[tuple[str, ...], Meta(min_length=1)] = ("*",)
    """Patterns of the names of the streams that it is for."""
    mute: Literal["alarms", "learning", "both"] = "both"
    """What is not done meanwhile: alarms are not told, rows are not learned, or both."""
    # of any type: whether it is a date is checked below, and said in words of our own
    from_: Any = msgspec.field(name="from", default=None)
    """When it begins: a date and time, as 2026-11-28T22:00:00+01:00, with or without quotation marks."""
    until: Any = None
    """When it ends."""
    days: tuple[Day, ...] = DAYS
    """Days of the week on which it begins."""
    at: str = ""
    """Time of the day at which it begins on each of these days, as 02:00."""
    lasts: Annotated[float, Meta(ge=0.0, le=WEEK)] = 0.0
    """Seconds that it then lasts, up to a week."""
    time_zone: str = "UTC"
    """Zone of `at`, and of `from` and `until` where they name none, as Europe/Zurich."""

    def __post_init__(self) -> None:
        zone = _zone(self.time_zone)
        once = self.from_ is not None or self.until is not None
        if once == bool(self.at):
            raise ValueError("got neither or both of from and at, expected from and until, or at and lasts")
        if once:
            if self.lasts or self.days != DAYS:
                raise ValueError("got days or lasts beside from, expected them beside at")
            if not moment(self.from_, zone, "from") < moment(self.until, zone, "until"):
                raise ValueError("until is not after from")
        else:
            _clock(self.at)
            if not self.lasts:
                raise ValueError("got at without lasts, expected more than 0 seconds")
            if not self.days:
                raise ValueError("got no days, expected at least one")

    @property
    def alarms(self) -> bool:
        """Whether alarms are not told."""
        return self.mute != "learning"

    @property
    def learning(self) -> bool:
        """Whether rows are not learned."""
        return self.mute != "alarms"

    def near(self, time: int) -> list[tuple[int, int]]:
        """The windows round a time, all that hold it and the next one after it: start and end (excluded) of each.

        time    nanoseconds since 1970, as the windows'
        """
        zone = _zone(self.time_zone)
        if not self.at:
            return [(moment(self.from_, zone, "from"), moment(self.until, zone, "until"))]
        hour, minute, second = _clock(self.at)
        today = datetime.datetime.fromtimestamp(time // 10**9, zone).date()
        found = []
        for ahead in range(-2 - math.ceil(self.lasts / 86400), 9):
            day = today + datetime.timedelta(days=ahead)
            if DAYS[day.weekday()] in self.days:
                start = _nanoseconds(datetime.datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=zone))
                found.append((start, start + round(self.lasts * 1e9)))
        return found


@dataclass(slots=True, frozen=True)
class Span:
    """A stretch of time in which nothing changes: from `start` up to `end`, excluded, in nanoseconds since 1970."""

    start: int
    end: int
    alarms: bool
    """Alarms are not told."""
    learning: bool
    """Rows are not learned."""


NO_MAINTENANCE = Span(BEGINNING, END, False, False)


class Calendar:
    """The windows of one stream. Windows that overlap add up."""

    def __init__(self, windows: Sequence[Maintenance], stream: str) -> None:
        self.windows = [w for w in windows if any(fnmatchcase(stream, pattern) for pattern in w.streams)]
        self._span = Span(END, BEGINNING, False, False) if self.windows else NO_MAINTENANCE

    def at(self, time: int) -> Span:
        """The span that holds a time, nanoseconds since 1970."""
        if not self._span.start <= time < self._span.end:
            self._span = self._find(time)
        return self._span

    def _find(self, time: int) -> Span:
        edges, alarms, learning = [BEGINNING, END], False, False
        for window in self.windows:
            for start, end in window.near(time):
                edges += [start, end]
                if start <= time < end:
                    alarms, learning = alarms or window.alarms, learning or window.learning
            if window.at:  # what lies beyond was not looked at
                edges += [time - 86400 * 10**9, time + 86400 * 10**9]
        edges.sort()
        place = bisect.bisect_right(edges, time)
        return Span(edges[place - 1], edges[place], alarms, learning)


def moment(value: Any, zone: datetime.tzinfo, key: str) -> int:
    """A date and time as nanoseconds since 1970; `zone` where it names none. Raises ValueError where it is none.

    >>> moment("2026-11-28T22:00:00+01:00", datetime.UTC, "from")
    1795899600000000000
    """
    when = value
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            when = datetime.datetime.fromisoformat(value)
    if not isinstance(when, datetime.datetime):
        got = "nothing" if value is None else repr(value)
        raise ValueError(f"{key} is no date and time (got {got}, expected one as 2026-11-28T22:00:00Z)")
    return _nanoseconds(when if when.tzinfo is not None else when.replace(tzinfo=zone))


def _nanoseconds(when: datetime.datetime) -> int:
    since = when - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return (since.days * 86400 + since.seconds) * 10**9 + since.microseconds * 1000


def _zone(name: str) -> datetime.tzinfo:
    if name == "UTC":
        return datetime.UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"no time zone is called {name!r}, expected a name as Europe/Zurich") from None


def _clock(at: str) -> tuple[int, int, int]:
    try:
        time = datetime.time.fromisoformat(at)
    except ValueError:
        raise ValueError(f"at is no time of the day (got {at!r}, expected one as 02:00)") from None
    if time.tzinfo is not None or time.microsecond:
        raise ValueError(f"at is no time of the day (got {at!r}, expected one as 02:00; the zone is time_zone)")
    return time.hour, time.minute, time.second
