"""Alarms: from a model's rows to `Alarm` values, and from those to a line of text."""

from __future__ import annotations

import datetime
import math

import numpy as np

from streamrnn.engine.fleet import Rows
from streamrnn.engine.ports import Alarm, Batch


def alarms_of(batch: Batch, channels: tuple[str, ...], rows: Rows, culprit: int) -> tuple[list[Alarm], int]:
    """The changes of alarm among the rows of a batch, in order, and the channel that raised the last of them.

    culprit     index of the channel that raised the stream's last alarm before: an alarm is cleared under the name
                that it was raised under, whichever channel has the largest share by then
    """
    alarms = []
    for row in np.flatnonzero(rows.event):
        raised = bool(rows.event[row] > 0)
        if raised:
            culprit = int(rows.event_channel[row])
        alarm = Alarm(
            stream=batch.stream,
            time=int(batch.time[row]),
            raised=raised,
            score=float(rows.event_score[row]),
            channel=channels[culprit],
            value=float(batch.values[row, culprit]),
            expected=float(rows.expected[row, culprit]),
            lower=float(rows.lower[row, culprit]),
            upper=float(rows.upper[row, culprit]),
            since=int(rows.event_since[row]),
        )
        alarms.append(alarm)
    return alarms, culprit


def describe(alarm: Alarm) -> str:
    """One line: what came and what was expected, or how long the event took."""
    where = f"{alarm.stream} {alarm.channel}"
    if alarm.raised:
        band = f"{figure(alarm.lower)} … {figure(alarm.upper)}"
        expected = f"expected {figure(alarm.expected)} ({band})"
        # inside its band and odd all the same: the forecast has followed the stream to where it rarely is
        odd = ", its level is unusual" if alarm.lower <= alarm.value <= alarm.upper else ""
        return f"ALARM {where}: {figure(alarm.value)}, {expected}{odd}, score {alarm.score:.2f}"
    return f"cleared {where}: after {(alarm.time - alarm.since) / 1e9:.1f} s, highest score {alarm.score:.2f}"


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
