"""Alarms: from a model's rows to `Alarm` values, and from those to a line of text and fields of a log."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from streamrnn._types import Floats
from streamrnn.engine.discoveries import STARTED
from streamrnn.engine.fleet import Rows
from streamrnn.engine.ports import CONDITIONS, Alarm, Batch, Cause, Part, Phase, Way
from streamrnn.tasks._rows import WAYS

CAUSES: tuple[Cause, Cause, Cause] = ("odd", "odd", "range")
"""By the cause of a row."""
LOG_EVENTS = {"started": "alarm", "ongoing": "ongoing", "resolved": "cleared", "held_back": "held_back"}
"""Event of the log by phase; that of a condition is CONDITION."""
CONDITION = "condition"
WORDS = {
    "residual": "far from what was expected",
    "level": "its level is unusual",
    "season": "unusual for the time of the season",
    "calm": "it moves too little",
}
"""By the name of a way."""
LOUD_WAY = 0.25
"""Share of the evidence from which a way is named."""
NAMED = 3
"""Channels whose shares a line names at the most."""


def alarms_of(
    batch: Batch, channels: tuple[str, ...], rows: Rows, told: Sequence[tuple[int, Phase]], culprit: int, why: Floats
) -> tuple[list[Alarm], int]:
    """What is told of the rows of a batch, in order, and the channel with which the last event started.

    told        row and phase of each alarm
    culprit     index of the channel with which the stream's last event started before: it is told under this name to
                its end, whichever channel has the largest share by then
    why         (2, C) share and expected value of each channel at that start; updated
    """
    alarms = []
    for row, phase in told:
        if rows.event[row] == STARTED:
            culprit = int(rows.event_channel[row])
            why[0], why[1] = rows.share[row], rows.expected[row]
        alarm = Alarm(
            stream=batch.stream,
            time=int(batch.time[row]),
            phase=phase,
            score=float(rows.event_score[row]),
            channel=channels[culprit],
            value=float(batch.values[row, culprit]),
            expected=float(rows.expected[row, culprit]),
            lower=float(rows.lower[row, culprit]),
            upper=float(rows.upper[row, culprit]),
            since=int(rows.event_since[row]),
            cause=CAUSES[int(rows.event_cause[row])],
            why=parts_of(channels, why),
            ways=ways_of(rows.event_ways[row]) if rows.event[row] == STARTED else (),
        )
        alarms.append(alarm)
    return alarms, culprit


def parts_of(channels: tuple[str, ...], why: Floats) -> tuple[Part, ...]:
    """Shares and expected values, (2, C), by channel; empty where no start was seen."""
    if np.isnan(why[0]).all():
        return ()
    return tuple(Part(*part) for part in zip(channels, *why.tolist(), strict=True))


def ways_of(evidence: Floats) -> tuple[Way, ...]:
    """Evidence in each of WAYS, (4,), as shares, the largest first; without those that had nothing to say."""
    shares = evidence / max(float(evidence.sum()), 1e-300)
    found = [Way(name, share) for name, share in zip(WAYS, shares.tolist(), strict=True)]
    return tuple(sorted((way for way in found if way.share > 0.0), key=lambda way: -way.share))


def reason(alarm: Alarm) -> str:
    """Why an event started, in words; empty where that is not known.

    >>> ways = (Way("residual", 0.9), Way("level", 0.1))
    >>> reason(Alarm("s", 0, "started", 0.6, "a", 9.0, 2.0, 1.0, 3.0, 0, ways=ways))
    'far from what was expected'
    """
    if alarm.cause == "range":
        return "out of the range of good data"
    named = [WORDS[way.name] for way in alarm.ways if way.share >= LOUD_WAY]
    if not named and alarm.lower <= alarm.value <= alarm.upper:
        # inside its band and odd all the same: the forecast has followed the stream to where it rarely is
        return WORDS["level"]
    return ", ".join(named)


def describe(alarm: Alarm) -> str:
    """One line: what came and what was expected, or how long the event took."""
    where = f"{alarm.stream} {alarm.channel}".rstrip()
    if alarm.cause in CONDITIONS:
        return f"{where}: {_condition(alarm)}"
    if alarm.phase == "resolved":
        return f"cleared {where}: after {span(alarm.time - alarm.since)}, highest score {alarm.score:.2f}"
    band = f"expected {figure(alarm.expected)} ({figure(alarm.lower)} … {figure(alarm.upper)})"
    if alarm.phase == "ongoing":
        long = span(alarm.time - alarm.since)
        return f"ALARM goes on {where}: for {long}; {figure(alarm.value)}, {band}, highest score {alarm.score:.2f}"
    odd = f", {because}" if (because := reason(alarm)) else ""
    begun = f", begun {span(alarm.time - alarm.since)} before" if alarm.time > alarm.since else ""
    word = "held back" if alarm.phase == "held_back" else "ALARM"
    return f"{word} {where}: {figure(alarm.value)}, {band}{odd}, score {alarm.score:.2f}{begun}{_shares(alarm)}"


def _condition(alarm: Alarm) -> str:
    started = alarm.phase == "started"
    long = span(alarm.time - alarm.since)
    if alarm.cause == "missing":
        return f"values are missing, for {long}" if started else f"values come again, after {long}"
    if alarm.cause == "flat":
        return f"has not moved from {figure(alarm.value)} for {long}" if started else f"moves again, after {long}"
    if alarm.cause == "silent":
        usual = f", expected every {figure(alarm.expected)} s" if alarm.expected > 0.0 else ""
        return f"is silent for {long}{usual}" if started else f"is heard again, after {long}"
    every = f"a sample every {figure(alarm.value)} s"
    if started:
        return f"{every}, expected every {figure(alarm.expected)} s"
    return f"{every} is what is expected now, after {long}"


def _shares(alarm: Alarm) -> str:
    loud = sorted((part for part in alarm.why if part.share >= 0.1), key=lambda part: -part.share)[:NAMED]
    if len(alarm.why) < 2 or not loud:
        return ""
    return f" ({', '.join(f'{part.share:.0%} {part.channel}' for part in loud)})"


def log_fields(alarm: Alarm) -> dict[str, Any]:
    """An alarm as fields of a log entry: plain values alone, without a channel's part in it that does not exist."""
    names = ("stream", "time", "phase", "cause", "channel", "value", "expected", "lower", "upper", "score", "since")
    fields: dict[str, Any] = {name: getattr(alarm, name) for name in names}
    if alarm.why:
        fields["share"] = {part.channel: finite(part.share) for part in alarm.why}
        fields["expected_at_start"] = {part.channel: finite(part.expected) for part in alarm.why}
    if alarm.ways:
        fields["ways"] = {way.name: finite(way.share) for way in alarm.ways}
    return fields


def finite(value: float) -> float | None:
    """A number that JSON has, else None."""
    return value if math.isfinite(value) else None


def span(nanoseconds: int) -> str:
    """A length of time in seconds, one digit after the point.

    >>> span(3_200_000_000)
    '3.2 s'
    """
    return f"{nanoseconds / 1e9:.1f} s"


def moment(time: int) -> str:
    """Nanoseconds since 1970 as a date and time in UTC, to the millisecond.

    >>> moment(1690000000_250000000)
    '2023-07-22T04:26:40.250Z'
    """
    whole, rest = divmod(time, 10**9)
    day = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=whole)
    return f"{day.isoformat(timespec='seconds')}.{rest // 10**6:03d}Z"


def figure(value: float) -> str:
    """A number for people, four digits: the large ones with k, M, G or T.

    >>> figure(97.25), figure(1234567.0), figure(0.00012), figure(float("nan"))
    ('97.25', '1.235M', '0.00012', '–')
    """
    if not math.isfinite(value):
        return "–" if math.isnan(value) else f"{value}"
    for least, unit, symbol in ((1e12, 1e12, "T"), (1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= least:
            return f"{value / unit:.4g}{symbol}"
    return f"{value:.4g}"
