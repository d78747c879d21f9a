"""Words: times, numbers and events as people read them, for the summary and the report."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from streamrnn.engine.alarms import figure
from streamrnn.engine.ports import Alarm


def duration(seconds: float) -> str:
    """A time span for people, in its two largest units.

    >>> duration(0.25), duration(90), duration(86400), duration(1e6)
    ('0.25 s', '1 min 30 s', '1 d', '11 d 13 h')
    """
    if seconds < 60:
        return f"{seconds:.3g} s"
    left = round(seconds)
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        amount, left = divmod(left, size)
        if amount or parts:
            parts.append(f"{amount} {unit}" if amount else "")
    return " ".join(part for part in parts[:2] if part)


def hours(seconds: float) -> str:
    """A season's length: in hours, and from two days on in days as well.

    >>> hours(86400), hours(604800), hours(90)
    ('24 h', '168 h (7 d)', '0.025 h (1 min 30 s)')
    """
    text = f"{seconds / 3600:.3g} h"
    if seconds < 3600:
        return f"{text} ({duration(seconds)})"
    return text if seconds < 2 * 86400 else f"{text} ({seconds / 86400:.3g} d)"


def moment(time: int) -> str:
    """Nanoseconds since 1970 as UTC text, to the second, or to the millisecond where there is a fraction.

    >>> moment(1_500_000_000_000_000_000), moment(1_500_000_000_250_000_000)
    ('2017-07-14 02:40:00', '2017-07-14 02:40:00.250')
    """
    seconds, rest = divmod(time, 10**9)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{text}.{rest // 10**6:03d}" if rest >= 10**6 else text


def count(number: int, noun: str, several: str = "") -> str:
    """A number and what it counts.

    >>> count(0, "event"), count(1, "event"), count(1200, "row"), count(2, "has", "have")
    ('0 events', '1 event', '1,200 rows', '2 have')
    """
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"


def times(number: int) -> str:
    """How often.

    >>> times(1), times(1200)
    ('once', '1,200 times')
    """
    return "once" if number == 1 else f"{number:,} times"


def share(part: float) -> str:
    """A part of a whole, one digit after the point; a dash where it is not known.

    >>> share(0.8994), share(float("nan"))
    ('89.9%', '–')
    """
    return "–" if math.isnan(part) else f"{part:.1%}"


def against(skill: float) -> str:
    """Errors compared with others': 1 - ratio in words.

    >>> against(0.131), against(-0.02), against(0.0003)
    ('13.1% smaller than', '2.0% larger than', 'as large as')
    """
    if abs(skill) < 0.0005:
        return "as large as"
    return f"{abs(skill):.1%} {'smaller' if skill > 0.0 else 'larger'} than"


def alarm_figures(alarm: Alarm) -> tuple[str, str, str]:
    """Value, forecast and band of an alarm, with the digits that tell them apart.

    >>> alarm_figures(Alarm("s", 0, "started", 0.6, "a", 1000025.0, 1000000.0, 999998.4, 1000001.6, 0))
    ('1,000,025.00', '1,000,000.00', '999,998.40 … 1,000,001.60')
    """
    width = alarm.upper - alarm.lower
    if not math.isfinite(width) or width <= 0.0:
        return figure(alarm.value), figure(alarm.expected), f"{figure(alarm.lower)} … {figure(alarm.upper)}"
    decimals = min(max(0, 2 - math.floor(math.log10(width))), 12)
    value, expected, lower, upper = (
        f"{number:,.{decimals}f}" if abs(number) < 1e12 else figure(number)
        for number in (alarm.value, alarm.expected, alarm.lower, alarm.upper)
    )
    return value, expected, f"{lower} … {upper}"


def condition(alarm: Alarm) -> str:
    """What a condition of the data was, while it held.

    >>> condition(Alarm("s", 0, "started", 0.0, "", 5.0, 1.0, 0.0, 2.0, 0, cause="rate"))
    'a sample every 5 s, expected every 1 s'
    """
    if alarm.cause == "missing":
        return "values were missing"
    if alarm.cause == "flat":
        return f"did not move from {figure(alarm.value)}"
    if alarm.cause == "silent":
        return "was silent"
    return f"a sample every {duration(alarm.value)}, expected every {duration(alarm.expected)}"
