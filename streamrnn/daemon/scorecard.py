"""Scorecard: what a finished run is judged by. Running sums over results, and the figures made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamrnn.engine.ports import CONDITIONS, Alarm, Floats, Ints, Result

GAP = 3.0
"""Typical intervals without a row from which that is a gap."""
GAPS = 1000
"""Longest steps between rows that are remembered."""
LARGEST = 1e150
"""Values beyond it are masked, as the model does (Reason.NOT_FINITE)."""


@dataclass(slots=True)
class Event:
    """One event, or one condition, from its start to its end."""

    raised: Alarm
    ongoing: Alarm | None = None
    """Told once it has lasted an hour."""
    cleared: Alarm | None = None
    """None while it lasts."""

    @property
    def score(self) -> float:
        """Highest anomaly score known of the event."""
        return max(alarm.score for alarm in (self.raised, self.ongoing, self.cleared) if alarm is not None)

    def until(self, last: int) -> int:
        """Nanoseconds since 1970 at which it ended, or `last`, the end of all rows, where it did not."""
        return self.cleared.time if self.cleared else last


@dataclass(slots=True, frozen=True)
class ChannelFigures:
    """How well one channel was forecast one row ahead. Ratios are NaN where there is nothing to divide by."""

    name: str
    judged: int
    """Rows whose value and forecast are both known; all figures are over these."""
    mae: float
    """Mean absolute error, in the channel's unit."""
    rmse: float
    """Root mean squared error."""
    persistence_mae: float
    """Mean absolute error of the channel's last known value as a forecast."""
    persistence_rmse: float
    coverage: float
    """Share of values inside the band."""
    width: float
    """Mean width of the band, in the channel's unit."""

    @property
    def nmae(self) -> float:
        """MAE divided by that of persistence: below 1 is better than persistence."""
        return ratio(self.mae, self.persistence_mae)

    @property
    def nmse(self) -> float:
        """Mean squared error divided by that of persistence."""
        return ratio(self.rmse**2, self.persistence_rmse**2)


class Scorecard:
    """Takes results in order; memory is bounded but for events and conditions."""

    def __init__(self, channels: tuple[str, ...]) -> None:
        count = len(channels)
        self.channels = channels
        self.rows = 0
        self.first = self.last = 0
        """Nanoseconds since 1970 of the first and the last row."""
        self.level = self.interval = 0.0
        self.missing = 0
        """Values that were missing or masked."""
        self.warming = 0
        """Rows before which some channel had been seen too little to be called odd; they are the first ones."""
        self.warm: int | None = None
        """Nanoseconds since 1970 of the first row after them; None before it."""
        self._steps: Ints = np.empty(0, np.int64)
        self.events: list[Event] = []
        self.conditions: list[Event] = []
        """Of the data: missing values, a stuck value, another sampling interval."""
        self._open: dict[tuple[str, str], Event] = {}
        self._known: Floats = np.full(count, np.nan)
        self._judged = np.zeros(count, np.int64)
        self._absolute, self._squared = np.zeros(count), np.zeros(count)
        self._change, self._squared_change = np.zeros(count), np.zeros(count)
        self._covered, self._width = np.zeros(count), np.zeros(count)

    def add(self, result: Result) -> None:
        """Take the next result."""
        if not len(result.time):
            return
        if not self.rows:
            self.first = self.last = int(result.time[0])
        steps = np.concatenate([self._steps, np.diff(result.time, prepend=self.last)])
        self._steps = np.partition(steps, len(steps) - GAPS)[-GAPS:] if len(steps) > GAPS else steps
        self.rows += len(result.time)
        self.last = int(result.time[-1])
        self.level, self.interval = result.level, result.interval
        usable = np.abs(result.values) <= LARGEST
        values = np.where(usable, result.values, np.nan)
        self.missing += int(np.count_nonzero(~usable))
        before = self._last_known(values)
        judged = usable & np.isfinite(result.expected) & np.isfinite(before)
        error = np.where(judged, values - result.expected, 0.0)
        change = np.where(judged, values - before, 0.0)
        inside = judged & (values >= result.lower) & (values <= result.upper)
        self._judged += judged.sum(0)
        self._absolute += np.abs(error).sum(0)
        self._squared += (error**2).sum(0)
        self._change += np.abs(change).sum(0)
        self._squared_change += (change**2).sum(0)
        self._covered += inside.sum(0)
        self._width += np.where(judged, result.upper - result.lower, 0.0).sum(0)
        self.warming += int(np.count_nonzero(result.warming))
        if self.warm is None and not result.warming.all():
            self.warm = int(result.time[np.argmin(result.warming)])
        for alarm in result.alarms:
            self._note(alarm)

    def _note(self, alarm: Alarm) -> None:
        condition = alarm.cause in CONDITIONS
        key = (alarm.cause, alarm.channel) if condition else ("", "")
        if alarm.phase == "started":
            self._open[key] = Event(alarm)
            (self.conditions if condition else self.events).append(self._open[key])
        elif alarm.phase == "ongoing" and key in self._open:
            self._open[key].ongoing = alarm
        elif alarm.phase == "resolved" and key in self._open:
            self._open.pop(key).cleared = alarm

    def gaps(self) -> Floats:
        """Seconds of the steps between rows that were longer than three typical intervals, the GAPS longest."""
        steps = self._steps / 1e9
        return np.sort(steps[steps > GAP * self.interval]) if self.interval else np.empty(0)

    def figures(self) -> list[ChannelFigures]:
        """One entry a channel."""
        count = [int(judged) for judged in self._judged]
        columns = zip(
            self.channels,
            count,
            self._absolute,
            self._squared,
            self._change,
            self._squared_change,
            self._covered,
            self._width,
            strict=True,
        )
        return [
            ChannelFigures(
                name=name,
                judged=judged,
                mae=ratio(absolute, judged),
                rmse=math.sqrt(ratio(squared, judged)),
                persistence_mae=ratio(change, judged),
                persistence_rmse=math.sqrt(ratio(squared_change, judged)),
                coverage=ratio(covered, judged),
                width=ratio(width, judged),
            )
            for name, judged, absolute, squared, change, squared_change, covered, width in columns
        ]

    def _last_known(self, values: Floats) -> Floats:
        """(N, C) each channel's last known value before each row; remembers the one after the last row."""
        known = np.concatenate([self._known[None], values])
        place = np.where(np.isnan(known), 0, np.arange(len(known))[:, None])
        filled = np.take_along_axis(known, np.maximum.accumulate(place, axis=0), axis=0)
        self._known = filled[-1]
        return filled[:-1]


def ratio(part: float, whole: float) -> float:
    """`part / whole`, NaN where `whole` is 0.

    >>> ratio(1.0, 4.0), ratio(1.0, 0.0)
    (0.25, nan)
    """
    return float(part / whole) if whole else math.nan


def geometric_mean(ratios: Sequence[float]) -> float:
    """Over the finite, positive ones; NaN where there are none.

    >>> round(geometric_mean([0.5, 2.0, float("nan")]), 6)
    1.0
    """
    logs = [math.log(value) for value in ratios if math.isfinite(value) and value > 0.0]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan
