"""Clock features: local time through changes of the clocks, the features, what they bring, and what is refused."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime

import numpy as np
import pytest

from streamrnn import Forecaster, Recipe
from streamrnn.errors import ModelError
from streamrnn.tasks import _clock, _layout
from streamrnn.tasks._clock import is_day, local_time, read_clock, zone_changes
from streamrnn.tasks.affordable import variants

HOUR = 3600 * 10**9
SPRING = int(datetime(2023, 3, 26, 1, tzinfo=UTC).timestamp())
"""When summer time began in Berlin."""


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca"]
)
def test_local_time_is_that_of_the_zone(zone):
    table, info = zone_changes(zone), zoneinfo.ZoneInfo(zone)
    changes = table[1:, 0][table[1:, 0] < 2**40]
    some = np.random.default_rng(0).integers(0, int(datetime(2099, 12, 31, tzinfo=UTC).timestamp()), 2000)
    for s in np.concatenate([some, changes, changes - 1]).tolist():
        offset = datetime.fromtimestamp(s, info).utcoffset().total_seconds()
        assert local_time(s * 10**9 + 999_999_999, table) == s + offset, s
    assert (len(changes) == 0) == (zone in ("UTC", "Asia/Kolkata"))


def test_every_zone_has_room():
    """Those with the most changes: twice a year, and four times where the clocks are set back for Ramadan."""
    for zone in ("Asia/Hebron", "Asia/Gaza", "Africa/El_Aaiun", "Europe/London"):
        assert zone_changes(zone)[-1, 0] == _clock.NEVER, zone


def test_features_are_those_of_the_formulas():
    f = np.zeros(_layout.HOUR_FEATURES + _layout.WEEK_FEATURES)
    for hours in range(200):
        local = SPRING + hours * 3600 + 1234
        there = datetime.fromtimestamp(local, UTC)
        day = (there.hour + (there.minute + there.second / 60) / 60) / 24
        assert read_clock(local, f) == pytest.approx(day)
        waves = [g(2 * np.pi * k * day) for k in range(1, 5) for g in (np.sin, np.cos)]
        days = [g(2 * np.pi * k * there.weekday() / 7) for k in range(1, 4) for g in (np.sin, np.cos)]
        week = np.outer(days, [1.0, *waves[:6]]).ravel()
        np.testing.assert_allclose(f, 0.3 * np.array([*waves, *week]), atol=1e-9)


def test_with_a_constant_the_weekdays_functions_say_anything_of_seven_days():
    f, days = np.zeros(_layout.HOUR_FEATURES + _layout.WEEK_FEATURES), []
    for day in range(7):
        read_clock(day * 86400, f)
        days.append([1.0, *f[_layout.HOUR_FEATURES :: _layout.WEEK_HARMONICS]])
    assert np.linalg.cond(np.array(days)) < 5.0


def test_a_season_is_the_day_within_a_thirty_second():
    pace = np.zeros(_layout.DAILY + 1)
    days = [(3600, 24), (3650, 24), (900, 96), (900, 97)]
    for interval, season in [*days, (3720, 24), (900, 100), (3600, 168), (3600, 0)]:
        pace[_layout.INTERVAL] = interval
        assert is_day(season, pace) == ((interval, season) in days)


@pytest.mark.parametrize(("zone", "near"), [("Europe/Berlim", "Europe/Berlin"), ("berlin", "Europe/Berlin"),
                                            ("utc ", "UTC"), ("asia/shanghai", "Asia/Shanghai")])  # fmt: skip
def test_an_unknown_zone_is_refused_with_the_nearest_name(zone, near):
    if zone == "asia/shanghai" and _exists(zone):
        pytest.skip("a file system that does not tell upper from lower case")
    with pytest.raises(ModelError, match=near) as problem:
        Forecaster(clock=zone)
    assert zone in str(problem.value)


def _exists(zone):
    try:
        return zoneinfo.ZoneInfo(zone) is not None
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False


@pytest.mark.parametrize("zone", ["../../etc/passwd", "/etc/localtime", "Europe", "x" * 300, "a\0b"])
def test_what_is_no_name_of_a_zone_is_refused(zone):
    with pytest.raises(ModelError, match="no such time zone"):
        Forecaster(clock=zone)


def test_a_system_without_zones_is_told_what_to_install(monkeypatch):
    def none(_name):
        raise zoneinfo.ZoneInfoNotFoundError

    monkeypatch.setattr(_clock.zoneinfo, "ZoneInfo", none)
    monkeypatch.setattr(_clock.zoneinfo, "available_timezones", set)
    with pytest.raises(ModelError, match="pip install tzdata"):
        _clock.zone_of("Europe/Berlin")


def test_the_lean_tier_has_no_place_for_a_clock():
    with pytest.raises(ModelError, match="lean tier"):
        Forecaster(clock="UTC", tier="lean")
    for variant in variants(Recipe(clock="UTC"))[1:]:
        assert variant.changes["clock"] == "", "a budget may choose it all the same"


def test_without_a_clock_nothing_is_kept_for_one():
    plain, clocked = (Forecaster(channels=2, clock=zone) for zone in ("", "UTC"))
    assert plain.arena["zone"].size == plain.arena["local"].size == 0
    more = clocked.arena["wide.features"].shape[1] - plain.arena["wide.features"].shape[1]
    assert more == clocked.arena["local"].size == _layout.HOUR_FEATURES + _layout.WEEK_FEATURES


def building(weeks, seed=0):
    """Load of an office by the hour from January on, Berlin time: people from 8 to 18 on five days of the week but for
    holidays; (N,) times, (N, 1) values."""
    rng, zone = np.random.default_rng(seed), zoneinfo.ZoneInfo("Europe/Berlin")
    rows = weeks * 168
    s = int(datetime(2023, 1, 2, tzinfo=UTC).timestamp()) + 3600 * np.arange(rows)
    there = [datetime.fromtimestamp(int(t), zone) for t in s]
    hour, weekday, day = np.array([(t.hour, t.weekday(), t.toordinal()) for t in there]).T
    holiday = rng.random(day.max() - day.min() + 1) < 0.03
    people = 1 / (1 + np.exp(-2.0 * (hour - 7.5))) / (1 + np.exp(1.5 * (hour - 17.5)))
    weather = np.zeros(rows)
    for i in range(1, rows):
        weather[i] = 0.97 * weather[i - 1] + 1.2 * rng.normal()
    x = 40 + 60 * people * (weekday < 5) * ~holiday[day - day.min()] + weather + rng.normal(size=rows)
    return s * 10**9, x[:, None]


def squared_error(model, time, x, first, ahead):
    said = model.run(time, x).forecast[first:-ahead, ahead - 1]
    return float(np.mean((said - x[first + ahead :]) ** 2))


def test_a_building_is_forecast_far_better_by_its_clock():
    """A day ahead, from the fifth week on: the season alone takes every Saturday for another Friday."""
    time, x = building(14)
    plain, clocked = (
        squared_error(Forecaster(horizon=24, clock=zone), time, x, 4 * 168, 24) for zone in ("", "Europe/Berlin")
    )
    print("squared errors a day ahead:", plain, clocked)
    assert clocked < 0.7 * plain


def test_the_phase_of_the_day_goes_with_the_clocks():
    """It is one hour further on the morning after summer time has begun; UTC's is not."""
    time, x = building(14)
    before = int(np.searchsorted(time, SPRING * 10**9)) - 24
    for zone, turned in (("Europe/Berlin", 1.0), ("UTC", 0.0)):
        model, phases = Forecaster(clock=zone), []
        for first, last in ((0, before + 1), (before + 1, before + 49)):
            model.run(time[first:last], x[first:last])
            phases.append(model.arena["pace"][_layout.TURN] * 24)
        assert model.arena["pace"][_layout.DAILY] == 1.0
        assert (phases[1] - phases[0]) % 24 == pytest.approx(turned, abs=1e-6)
        hours = slice(_layout.SEASONAL, _layout.SEASONAL + _layout.HOUR_FEATURES)
        assert not model.arena["wide.weights"][:, hours].any(), "the hour is in the season's phase already"
        assert not model.arena["wide.variance"][hours].any()


def test_a_stored_model_goes_on_to_the_same_bits():
    time, x = building(6)
    model = Forecaster(horizon=2, clock="Europe/Berlin")
    model.run(time[:700], x[:700])
    stored, snapshot = model.to_bytes(), model.snapshot()
    said = model.run(time[700:], x[700:]).forecast
    again = Forecaster.from_bytes(stored)
    assert again.recipe.clock == "Europe/Berlin"
    np.testing.assert_array_equal(again.run(time[700:], x[700:]).forecast, said)
    model.restore(snapshot)
    np.testing.assert_array_equal(model.run(time[700:], x[700:]).forecast, said)


def test_a_restored_model_goes_by_the_rules_of_today():
    """Zones change their laws; a stored model is not to keep those that it was built by."""
    model = Forecaster(clock="Europe/Berlin")
    model.arena["zone"][:, 1] = 0
    again = Forecaster.from_bytes(model.to_bytes())
    np.testing.assert_array_equal(again.arena["zone"], zone_changes("Europe/Berlin"))
