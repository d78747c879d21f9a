"""Close-ups: every row around the start of each event, kept while a long series is thinned, and put in its place.

Which rows are kept depends on their place alone, never on how they were handed over.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamrnn.engine.ports import Bools, Floats, Ints

BEFORE, AFTER = 200, 300
"""Rows that are kept before the first row of an event, and from there on."""


class Closeups:
    """Rows of a number of series, at most `room` of them, the first ones."""

    def __init__(self, series: int, room: int) -> None:
        self._room = room
        self._open = 0
        """Rows that are still to come of the last close-up."""
        self._late_time: Ints = np.empty(0, np.int64)
        self._late: Floats = np.empty((0, series))
        self._late_kept: Bools = np.empty(0, np.bool_)
        """The last BEFORE rows, and which of them are kept already."""
        self._time: list[Ints] = [self._late_time]
        self._rows: list[Floats] = [self._late]

    def add(self, time: Ints, rows: Floats, starts: Sequence[int]) -> None:
        """Take rows: `time` (N,) rising nanoseconds, `rows` (N, series); `starts`: times of first rows of events that
        are told of in them."""
        behind = len(self._late_time)
        time, rows = np.concatenate([self._late_time, time]), np.concatenate([self._late, rows])
        kept = np.concatenate([self._late_kept, np.zeros(len(time) - behind, np.bool_)])
        wanted = np.zeros(len(time), np.bool_)
        wanted[behind : behind + self._open] = True
        open_rows = self._open - (len(time) - behind)
        for at in np.searchsorted(time, np.array(starts, np.int64)).tolist():
            wanted[max(at - BEFORE, 0) : at + AFTER] = True
            open_rows = max(open_rows, at + AFTER - len(time))
        self._open = max(open_rows, 0)
        take = np.flatnonzero(wanted & ~kept)[: self._room]
        self._room -= len(take)
        kept[take] = True
        self._time.append(time[take])
        self._rows.append(rows[take])
        late = slice(max(len(time) - BEFORE, 0), None)
        self._late_time, self._late, self._late_kept = time[late].copy(), rows[late].copy(), kept[late].copy()

    def into(self, time: Ints, points: Floats, size: int) -> tuple[Ints, Floats]:
        """Thinned points, two a bucket of `size` rows, with its rows in place of each bucket of which all were kept.

        time    (P,) of the points, rising;  points  (P, series)
        """
        near, rows = np.concatenate(self._time), np.concatenate(self._rows)
        if not len(time):
            return time, points
        bucket = np.searchsorted(time[::2], near, side="right") - 1
        whole = np.bincount(bucket, minlength=(len(time) + 1) // 2) == size
        keep, inside = np.repeat(~whole, 2)[: len(time)], whole[bucket]
        times = np.concatenate([time[keep], near[inside]])
        order = np.argsort(times, kind="stable")
        return times[order], np.concatenate([points[keep], rows[inside]])[order]
