"""Thinning: keep the look of an endless series in a bounded number of points.

Rows are grouped in buckets of equal size. A bucket becomes two points that hold each series' smallest and largest
value, in the order in which they came, so that no spike is lost. When the room is used up, neighbouring buckets are
merged and all later ones are twice as large. Which rows share a bucket depends on their place alone, never on how they
were handed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from streamrnn.engine.ports import Floats, Ints

Envelope = Literal["both", "lowest", "highest"]
"""What a bucket keeps of a series: its smallest and largest value, or one of them twice (the ends of a band)."""


class Thinning:
    """Series over time, thinned while they arrive."""

    def __init__(self, envelopes: Sequence[Envelope], limit: int) -> None:
        """`envelopes`: one a series. `limit`: points kept at the most, rounded down to a multiple of 4."""
        if limit < 4:
            raise ValueError(f"limit: got {limit}, expected at least 4 points")
        self._envelopes = tuple(envelopes)
        self._time: Ints = np.empty(limit // 4 * 4, np.int64)
        self._points: Floats = np.empty((len(self._time), len(envelopes)))
        self._used = 0
        self._rows = 1
        self._rest_time: Ints = np.empty(0, np.int64)
        self._rest: Floats = np.empty((0, len(envelopes)))

    @property
    def rows_per_bucket(self) -> int:
        """Rows that share two points; 1 while nothing has been thinned."""
        return self._rows

    def add(self, time: Ints, rows: Floats) -> None:
        """Take rows: `time` (N,) rising nanoseconds, `rows` (N, series), NaN where there is no value."""
        time, rows = np.concatenate([self._rest_time, time]), np.concatenate([self._rest, rows])
        start = 0
        while len(time) - start >= self._rows:
            if self._used == len(self._time):
                self._merge()
                continue
            room = self._buckets_free() * self._rows
            stop = start + min(room, (len(time) - start) // self._rows * self._rows)
            self._append(time[start:stop], rows[start:stop], self._rows)
            start = stop
        self._rest_time, self._rest = time[start:].copy(), rows[start:].copy()

    def points(self) -> tuple[Ints, Floats]:
        """Times (points,), rising nanoseconds since 1970, and series (points, series), NaN where a bucket is empty."""
        time, points = self._time[: self._used], self._points[: self._used]
        rest = len(self._rest_time)
        if rest < 2:
            return np.concatenate([time, self._rest_time]), np.concatenate([points, self._rest])
        rest_time, rest_points = extremes(self._rest_time, self._rest, rest, self._envelopes)
        return np.concatenate([time, rest_time]), np.concatenate([points, rest_points])

    def _buckets_free(self) -> int:
        return (len(self._time) - self._used) // min(self._rows, 2)

    def _append(self, time: Ints, rows: Floats, size: int) -> None:
        if size > 1:
            time, rows = extremes(time, rows, size, self._envelopes)
        self._time[self._used : self._used + len(time)] = time
        self._points[self._used : self._used + len(time)] = rows
        self._used += len(time)

    def _merge(self) -> None:
        """Turn each four points into two: at first four rows into a bucket, then two buckets into one."""
        time, points = self._time.copy(), self._points.copy()
        self._used = 0
        self._append(time, points, 4)
        self._rows = 4 if self._rows == 1 else 2 * self._rows


def extremes(time: Ints, rows: Floats, size: int, envelopes: Sequence[Envelope]) -> tuple[Ints, Floats]:
    """Two points for each `size` >= 2 rows: times of the first and last, smallest and largest of each series."""
    grouped = rows.reshape(-1, size, len(envelopes))
    times = time.reshape(-1, size)[:, [0, -1]].reshape(-1)
    lowest, highest = np.fmin.reduce(grouped, axis=1), np.fmax.reduce(grouped, axis=1)
    falling = np.where(np.isnan(grouped), -np.inf, grouped).argmax(1) < np.where(
        np.isnan(grouped), np.inf, grouped
    ).argmin(1)
    both = np.array([envelope == "both" for envelope in envelopes])
    single = np.where(np.array([envelope == "lowest" for envelope in envelopes]), lowest, highest)
    first = np.where(both, np.where(falling, highest, lowest), single)
    last = np.where(both, np.where(falling, lowest, highest), single)
    return times, np.stack([first, last], axis=1).reshape(-1, len(envelopes))
