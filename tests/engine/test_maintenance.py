"""Maintenance windows: which times they hold, across days, weeks and changes of the clock."""

import datetime

import msgspec
import numpy as np
import pytest

from streamrnn.engine.maintenance import BEGINNING, END, Calendar, Maintenance


def window(**keys):
    return msgspec.convert(keys, Maintenance)


def ns(text):
    return round(datetime.datetime.fromisoformat(text).timestamp()) * 10**9


def once(start, end, **keys):
    return window(**{"from": start}, until=end, **keys)


def test_a_stream_without_windows_has_one_span():
    span = Calendar([once("2026-01-01T00:00Z", "2026-01-02T00:00Z", streams=["b*"])], "a").at(ns("2026-01-01T12:00Z"))
    assert (span.start, span.end, span.alarms, span.learning) == (BEGINNING, END, False, False)


@pytest.mark.parametrize(("mute", "alarms", "learning"), [
    ("alarms", True, False), ("learning", False, True), ("both", True, True)
])  # fmt: skip
def test_a_window_holds_its_start_and_not_its_end(mute, alarms, learning):
    calendar = Calendar([once("2026-01-01T00:00Z", "2026-01-02T00:00Z", mute=mute)], "a")
    start, end = ns("2026-01-01T00:00Z"), ns("2026-01-02T00:00Z")
    for time, inside in ((start - 1, False), (start, True), (end - 1, True), (end, False)):
        span = calendar.at(time)
        assert (span.alarms, span.learning) == (alarms and inside, learning and inside)
        assert span.start <= time < span.end
    assert (calendar.at(start).start, calendar.at(start).end) == (start, end)


def test_a_date_without_a_zone_is_of_the_time_zone():
    assert once("2026-07-01T12:00", "2026-07-01T13:00", time_zone="Europe/Zurich").near(0) == [
        (ns("2026-07-01T10:00Z"), ns("2026-07-01T11:00Z"))
    ]


def test_windows_that_overlap_add_up():
    calendar = Calendar([
        once("2026-01-01T00:00Z", "2026-01-01T03:00Z", mute="alarms"),
        once("2026-01-01T01:00Z", "2026-01-01T02:00Z", mute="learning"),
    ], "a")  # fmt: skip
    found, time = [], ns("2025-12-31T23:00Z")
    while time < ns("2026-01-01T04:00Z"):
        span = calendar.at(time)
        found.append((span.alarms, span.learning))
        time = span.end
    assert found == [(False, False), (True, False), (True, True), (True, False), (False, False)]


WEEKLY = [
    {"days": ["sat", "sun"], "at": "02:00", "lasts": 7200.0},
    {"at": "23:30", "lasts": 3600.0, "time_zone": "Europe/Zurich"},
    {"days": ["mon"], "at": "00:00:30", "lasts": 7 * 86400.0, "time_zone": "America/New_York"},
    {"days": ["sun"], "at": "02:30", "lasts": 5400.0, "time_zone": "Europe/Zurich"},
    {"days": ["wed"], "at": "12:00", "lasts": 3 * 86400.0, "time_zone": "Asia/Kolkata"},
]


@pytest.mark.parametrize("keys", WEEKLY, ids=lambda keys: keys["at"])
def test_weekly_windows_are_those_of_the_wall_clock(keys):
    """Each minute of eight weeks round a change to summer time, against every window of the year written down."""
    zone = datetime.UTC
    if "time_zone" in keys:
        import zoneinfo

        zone = zoneinfo.ZoneInfo(keys["time_zone"])
    hour, minute, *rest = map(int, keys["at"].split(":"))
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    spans = []
    for day in range(200):
        date = datetime.date(2026, 1, 1) + datetime.timedelta(days=day)
        if names[date.weekday()] in keys.get("days", names):
            start = datetime.datetime.combine(date, datetime.time(hour, minute, *rest), zone).timestamp()
            spans.append((start, start + keys["lasts"]))
    times = np.arange(ns("2026-03-01T00:00Z"), ns("2026-04-26T00:00Z"), 60 * 10**9)
    seconds = times / 1e9
    expected = np.zeros(len(times), bool)
    for start, end in spans:
        expected |= (start <= seconds) & (seconds < end)
    calendar = Calendar([window(**keys)], "a")
    found = np.array([calendar.at(int(time)).alarms for time in times])
    np.testing.assert_array_equal(found, expected)
    assert found.any()
    assert found.all() == (keys["lasts"] == 7 * 86400.0)


def test_an_hour_that_does_not_exist_and_one_that_comes_twice():
    spring = window(days=["sun"], at="02:30", lasts=600.0, time_zone="Europe/Zurich")
    assert (ns("2026-03-29T03:30+02:00"), ns("2026-03-29T03:40+02:00")) in spring.near(ns("2026-03-29T00:00Z"))
    assert (ns("2026-10-25T02:30+02:00"), ns("2026-10-25T02:40+02:00")) in spring.near(ns("2026-10-25T00:00Z"))


@pytest.mark.parametrize("keys", [
    {},
    {"at": "02:00"},
    {"lasts": 60.0},
    {"at": "02:00", "lasts": 60.0, "days": []},
    {"at": "25:00", "lasts": 60.0},
    {"at": "02:00+01:00", "lasts": 60.0},
    {"at": "02:00", "lasts": 604801.0},
    {"at": "02:00", "lasts": 60.0, "time_zone": "../etc/passwd"},
    {"at": "02:00", "lasts": 60.0, "from": "2026-01-01T00:00Z", "until": "2026-01-02T00:00Z"},
    {"from": "2026-01-01T00:00Z"},
    {"until": "2026-01-01T00:00Z"},
    {"from": "2026-01-02T00:00Z", "until": "2026-01-01T00:00Z"},
    {"from": "2026-01-01T00:00Z", "until": "2026-01-02T00:00Z", "lasts": 60.0},
    {"from": "yesterday", "until": "2026-01-02T00:00Z"},
    {"at": "02:00", "lasts": 60.0, "streams": []},
    {"at": "02:00", "lasts": 60.0, "days": ["Sunday"]},
], ids=str)  # fmt: skip
def test_tables_that_make_no_sense_are_refused(keys):
    with pytest.raises(msgspec.ValidationError):
        window(**keys)
