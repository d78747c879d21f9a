"""Conditions of one stream's data, as alarms: values that fail to come, a stuck value, another sampling interval.

The engine watches for them and not the model, for they must be seen whatever the model is, and its memory need not
know of them. What they remember lies in one arena, as a model's does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from streamrnn._types import Array, Floats, Ints
from streamrnn.engine.ports import Alarm, Cause
from streamrnn.kernels import conditions as kernel
from streamrnn.state import Arena, Field, Layout

ROOM = 64
"""Changes that one call of the kernel may write down, at the least."""


def layout(channels: int) -> Layout:
    """What is remembered of a stream of so many channels; the meanings stand in streamrnn.kernels.conditions."""
    conditions = 1 + 2 * channels
    fields = [
        Field("clock", "ints", (kernel.CLOCK,)),
        Field("begun", "ints", (conditions,)),
        Field("holds", "ints", (conditions,)),
        Field("since", "ints", (conditions,)),
        Field("told", "ints", (conditions,)),
        Field("pace", "wide", (kernel.PACE,)),
        Field("first", "wide", (kernel.FIRST,)),
        Field("jumps", "wide", (2 + channels, kernel.JUMP)),
        Field("waits", "wide", (2 * channels, kernel.WAIT)),
        Field("last", "wide", (channels,)),
        Field("why", "wide", (2, channels)),  # each channel's share and expected value when the last event started
    ]
    return Layout(fields, "float64")


class Conditions:
    """The conditions of one stream."""

    def __init__(self, stream: str, channels: tuple[str, ...]) -> None:
        self.arena = Arena(layout(len(channels)))
        self.arena["why"][:] = math.nan
        self._stream, self._channels = stream, channels
        a = self.arena
        names = ("clock", "pace", "first", "jumps", "waits", "last", "begun", "holds", "since", "told")
        self._state: list[Any] = [a[name] for name in names]
        self._run: Callable[..., int] = kernel.conditions_run
        room = max(ROOM, 1 + 2 * len(channels))
        self._changes: Ints = np.zeros((room, kernel.CHANGE), np.int64)
        self._figures: Floats = np.zeros((room, 2))
        self._found: Ints = np.zeros(1, np.int64)

    @property
    def interval(self) -> float:
        """Seconds in which the next row may be expected, 0 before that is known; while the sampling interval is another
        than before, the longer of both."""
        a = self.arena
        expected = float(a["pace"][kernel.EXPECTED])
        if not a["holds"][0]:
            return expected
        return max(expected, float(kernel.observed_interval(int(a["clock"][kernel.TIME]), a["clock"], a["begun"])))

    def told(self) -> dict[Cause, int]:
        """How many channels have each condition, of those that were told: one at the most of rate."""
        told, c = self.arena["told"], len(self._channels)
        return {"missing": int(told[1 : 1 + c].sum()), "flat": int(told[1 + c :].sum()), "rate": int(told[0])}

    def run(
        self, time: Ints, values: Floats, expected: Floats, lower: Floats, upper: Floats, *, muted: bool, learn: bool
    ) -> list[Alarm]:
        """Take rows in, and say what began to hold, or holds no longer.

        time                            (N,) nanoseconds
        values expected lower upper     (N, C)
        muted                           True: what begins is not told now, but later where it lasts
        learn                           False: what comes is not taken for usual
        """
        alarms: list[Alarm] = []
        start = 0
        while start < len(time):
            start = self._run(
                start, time, values, learn, muted, *self._state, self._changes, self._figures, self._found
            )
            for change, figures in zip(self._changes[: self._found[0]], self._figures, strict=False):
                alarms.append(self._alarm(change, figures, time, expected, lower, upper))
        return alarms

    def _alarm(self, change: Ints, figures: Array, time: Ints, expected: Floats, lower: Floats, upper: Floats) -> Alarm:
        row, which, holds, since = (int(number) for number in change)
        first, second = (float(number) for number in figures)
        count = len(self._channels)
        cause: Cause = "rate"
        if which == 0:
            channel = ""
            value, wanted, low, high = first, second, second / kernel.FACTOR, second * kernel.FACTOR
        else:
            cause = "missing" if which <= count else "flat"
            c = (which - 1) % count
            channel = self._channels[c]
            value = math.nan if cause == "missing" else first
            wanted, low, high = float(expected[row, c]), float(lower[row, c]), float(upper[row, c])
        return Alarm(
            stream=self._stream,
            time=int(time[row]),
            phase="started" if holds else "resolved",
            score=math.nan,
            channel=channel,
            value=value,
            expected=wanted,
            lower=low,
            upper=high,
            since=since,
            cause=cause,
        )
