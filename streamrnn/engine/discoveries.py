"""Which events are told of all that the streams begin (kernels.discovery): the `[alarms]` table and its bookkeeping."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from streamrnn._types import Floats, Ints
from streamrnn.engine.ports import Phase
from streamrnn.kernels.discovery import WEALTH, discovery_age, discovery_begin, discovery_found

WEEK = 604800 * 10**9
STREAMS = 7.0
"""Streams whose budgets together are borne, unless a number is given: one false event a day at one a week each."""
STARTED, ONGOING, RESOLVED, RANGE = 1, 2, -1, 2
CALM, HELD, TOLD = range(3)


class Discovery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which events are told of all streams together. The `[alarms]` table of a configuration is a Discovery."""

    false_share: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.1
    """Share of the told events that may be false; 1: every event is told."""
    per_week: Annotated[float, Meta(ge=0.0, le=1e6)] = 0.0
    """False events a week, of all streams, that are borne in any case; 0: seven times `model.alarms_per_week`."""


EVERYTHING = Discovery(false_share=1.0)
"""Nothing is held back."""


class Discoveries:
    """Decides for each event of a fleet whether it is told.

    choice          the user's
    a_week          events that noise begins in one stream in a week
    limit           most streams
    """

    def __init__(self, choice: Discovery, a_week: float, limit: int) -> None:
        self.choice, self._a_week = choice, a_week
        self.wealth: Floats = np.zeros(WEALTH)
        self._floor = choice.per_week or STREAMS * a_week
        self._elapsed = 0  # nanoseconds of streams since the wealth was aged
        self._state: Ints = np.zeros(limit, np.int64)
        self._bar: Floats = np.zeros(limit)
        discovery_age(0.0, self.wealth)  # compiled before there is an event to wait for it
        discovery_begin(0.0, 0.0, 1.0, self.wealth)
        discovery_found(np.zeros(WEALTH))

    def judge(
        self, index: int, gaps: Ints, event: Ints, excess: Floats, cause: Ints, streams: int
    ) -> list[tuple[int, Phase]]:
        """What is told of rows of one stream: (row, phase), in order.

        index                 of the stream
        gaps                  (N,) nanoseconds since the row before; 0 where there is none
        event excess cause    (N,) of `Rows`
        streams               that are heard
        """
        if self.choice.false_share >= 1.0:
            return [(int(row), PHASES[int(event[row])]) for row in np.flatnonzero(event)]
        told: list[tuple[int, Phase]] = []
        aged = 0
        marks = event != 0
        if self._state[index] == HELD or (event == STARTED).any():
            marks = marks | (excess > 0.0)
        for row in np.flatnonzero(marks):
            code, state = int(event[row]), int(self._state[index])
            if code == STARTED:
                self._elapsed += int(gaps[aged : row + 1].sum())
                aged = int(row) + 1
                state = TOLD if cause[row] == RANGE else self._begin(index, streams)
                if state == HELD and excess[row] < self._bar[index]:
                    told.append((int(row), "held_back"))
            if state == HELD and code != RESOLVED and excess[row] >= self._bar[index]:
                discovery_found(self.wealth)
                state, code = TOLD, STARTED
            if state == TOLD and code:
                told.append((int(row), PHASES[code]))
            self._state[index] = CALM if code == RESOLVED else state
        self._elapsed += int(gaps[aged:].sum())
        return told

    def holding(self, index: int) -> bool:
        """Whether an event of the stream lasts that is held back."""
        return bool(self._state[index] == HELD)

    def drop(self, index: int) -> None:
        """The stream's event is gone without an end."""
        self._state[index] = CALM

    def _begin(self, index: int, streams: int) -> int:
        discovery_age(self._elapsed / (WEEK * streams), self.wealth)
        self._elapsed = 0
        self._bar[index] = discovery_begin(self.choice.false_share, self._floor, self._a_week * streams, self.wealth)
        return HELD


PHASES: dict[int, Phase] = {STARTED: "started", ONGOING: "ongoing", RESOLVED: "resolved"}
"""By the code of a row."""
