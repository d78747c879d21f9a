"""Detector: a forecaster that also says how odd each row was, and raises an alarm once per event."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from streamrnn._types import Array, Floats, Ints
from streamrnn.errors import InputError
from streamrnn.kernels import event, governor
from streamrnn.tasks import _layout
from streamrnn.tasks._rows import Rows
from streamrnn.tasks._scoring import WARM
from streamrnn.tasks.forecast import Forecaster, Sample
from streamrnn.tasks.history import History
from streamrnn.tasks.recipe import Recipe

SLICE = 64
"""Rows that are learned again at once where a window is forgotten."""


class Detector(Forecaster):
    """Scores every row before learning from it.

    The score is in [0, 1): above 0.5 where an event begins, surprise / (surprise + 4.8), less 0.2 nats for each event
    that there were lately beyond a few; it never saturates, so that the odder of two odd rows can always be told. Other
    rows stay below 0.5, the odder the nearer, and it dies away after an event (kernels.oddity.apparent). An alarm is
    raised at the surprise that noise alone reaches as many times a week as the recipe allows. What is odd is not
    learned as normal before its time (`governor`). x → a x + b (a > 0) changes no score. For the first 100 values of a
    channel (`warming`) nothing is called odd.

    >>> model = Detector(seed=1)
    >>> for i in range(600):
    ...     model.learn_one(20 + i % 5)
    >>> model.score_one(20.0) < 0.3, model.score_one(60.0) > 0.5     # 20 is next in the pattern
    (True, True)
    """

    scoring = True

    def __init__(self, channels: int | Sequence[str] = 1, recipe: Recipe | None = None, **choices: Any) -> None:
        super().__init__(channels, recipe, **choices)
        self._history, self._hushed = History(), 0

    def step(self, x: Floats, out: Floats, t: float | None = None) -> None:
        """As a Forecaster's. Rows that come this way cannot be forgotten afterwards: nothing is copied."""
        self._history.clear()
        super().step(x, out, t)

    def restore(self, snapshot: Array) -> None:
        """Continue from a snapshot of a model of the same recipe and channels."""
        self._history.clear()
        super().restore(snapshot)

    def score_one(self, x: Sample, t: float | None = None) -> float:
        """The score that this row would get now. Changes nothing: follow it with `learn_one` to learn from the row."""
        before, out = self.snapshot(), self.new_output()
        self._step(self._row(x)[0], out, self._time(t))
        self.arena.restore(before)
        return float(out[self.slots["score"]][0])

    @property
    def warming(self) -> bool:
        """True while some channel has been seen too little to be called odd."""
        return bool((self.arena["seen"] < WARM).any())

    @property
    def alarm(self) -> bool:
        """True while an event lasts."""
        return bool(self.arena["marks"][event.PHASE] == event.ONGOING)

    @property
    def alarms(self) -> int:
        """Events begun so far."""
        return int(self.arena["marks"][event.STARTS])

    @property
    def refusing(self) -> bool:
        """True while an event lasts that is not learned as normal."""
        return bool(self.arena["held"][governor.HERE_ROWS] > 0.0)

    def accept(self) -> None:
        """What goes on now is normal: with the next row it is learned, quickly."""
        self.arena["clock"][_layout.ACCEPT] = 1

    def forget(self, since: int, until: int) -> int:
        """Forget the rows from `since` to `until` (nanoseconds since 1970, both included), as if nothing had been seen
        then: the model from before them learns again all that came after. How many rows were forgotten.

        Raises InputError where what was before is not kept any more: an hour or two, and a day after an event.
        """
        return sum(self.forgetting(since, until))

    def forgetting(self, since: int, until: int) -> Iterator[int]:
        """The same in slices of SLICE rows, one each time that the iterator is asked: how many of them were forgotten.

        Refused at the call, as `forget` is. Until the iterator has ended the model is one of the past, and takes no
        other rows and orders. What was muted or accepted then is so again; what is muted now is so in the end.
        """
        if not self.recipe.undo:
            raise InputError("nothing is kept that could be gone back to", got="undo = false", expected="undo = true")
        block, kept = self._history.before(since)
        clock = self.arena["clock"]
        orders = clock[_layout.MUTE], clock[_layout.ACCEPT]
        self.arena.restore(block)

        def learn() -> Iterator[int]:
            for time, values, muted, accepted in kept:
                clock[_layout.MUTE], clock[_layout.ACCEPT] = muted, accepted
                gone = (time >= since) & (time <= until)
                values[gone] = math.nan
                for i in range(0, len(time), SLICE):
                    self.run(time[i : i + SLICE], values[i : i + SLICE])
                    yield int(gone[i : i + SLICE].sum())
            clock[_layout.MUTE], clock[_layout.ACCEPT] = orders

        return learn()

    def _note(self, time: Ints, values: Floats) -> None:
        if self.recipe.undo and len(time):
            marks, clock = self.arena["marks"], self.arena["clock"]
            self._hushed = int(marks[event.HUSHED])
            last = self.last_time if self.samples else -1  # a stream may begin at 0
            self._history.note(
                self.arena.block, last, bool(marks[event.PHASE] != 0), time, values,
                int(clock[_layout.MUTE]), int(clock[_layout.ACCEPT]),
            )  # fmt: skip

    def _learned(self, rows: Rows) -> None:
        if not self.recipe.undo or not len(rows.time):
            return
        marks = self.arena["marks"]
        if marks[event.PHASE] != 0 or marks[event.HUSHED] != self._hushed or rows.event_cause.any():
            self._history.happened(int(rows.time[-1]))

    def mute(self, *, alarms: bool = False, learning: bool = False) -> None:
        """Maintenance: from the next row on, events are not told and rows not learned, as said here."""
        self.arena["clock"][_layout.MUTE] = alarms * _layout.MUTE_ALARMS | learning * _layout.MUTE_LEARNING
