"""Alarms: from a model's rows to `Alarm` values, and from those to a line of text."""

from __future__ import annotations

import math

import numpy as np

from streamrnn.engine.fleet import Rows
from streamrnn.engine.ports import Alarm, Batch


def alarms_of(batch: Batch, channels: tuple[str, ...], rows: Rows) -> list[Alarm]:
    """The changes of alarm among the rows of a batch, in order."""
    return [
        Alarm(
            stream=batch.stream,
            time=int(batch.time[row]),
            raised=bool(rows.event[row] > 0),
            score=float(rows.event_score[row]),
            channel=channels[channel],
            value=float(batch.values[row, channel]),
            expected=float(rows.expected[row, channel]),
            lower=float(rows.lower[row, channel]),
            upper=float(rows.upper[row, channel]),
            since=int(rows.event_since[row]),
        )
        for row in np.flatnonzero(rows.event)
        for channel in (int(rows.event_channel[row]),)
    ]


def describe(alarm: Alarm) -> str:
    """One line: what came and what was expected, or how long the event took."""
    where = f"{alarm.stream} {alarm.channel}"
    if alarm.raised:
        band = f"{figure(alarm.lower)} … {figure(alarm.upper)}"
        expected = f"expected {figure(alarm.expected)} ({band})"
        return f"ALARM {where}: {figure(alarm.value)}, {expected}, score {alarm.score:.2f}"
    return f"cleared {where}: after {(alarm.time - alarm.since) / 1e9:.1f} s, highest score {alarm.score:.2f}"


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
