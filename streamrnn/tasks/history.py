"""What is kept so that a window can be forgotten afterwards: two snapshots, and the rows and orders since the older."""

from __future__ import annotations

from typing import NamedTuple

from streamrnn._types import Array, Floats, Ints
from streamrnn.errors import InputError

SPAN = 3600 * 10**9
"""Nanoseconds between snapshots, at the least."""
LEAST_ROWS = 100
"""Rows between snapshots, at the least."""
AFTER = 24 * SPAN
"""Nanoseconds after an event for which what was before it is kept."""
MOST = 1 << 20
"""Numbers that the rows may take."""


class Kept(NamedTuple):
    """Rows, and what was in force from the first of them on."""

    time: Ints
    values: Floats
    muted: int
    """Entry MUTE of the model's clock."""
    accepted: int
    """Entry ACCEPT."""


class History:
    """Of one model: when it was how, and what came since."""

    def __init__(self) -> None:
        self._snapshots: list[tuple[int, Array]] = []
        self._rows: list[Kept] = []
        self._numbers = self._fresh = 0  # numbers that the rows take; rows since the newest snapshot
        self._last_event = -AFTER

    def clear(self) -> None:
        """Keep nothing."""
        self._snapshots, self._rows, self._numbers, self._fresh = [], [], 0, 0

    def note(
        self, block: Array, last_time: int, event: bool, time: Ints, values: Floats, muted: int = 0, accepted: int = 0
    ) -> None:
        """Rows are about to be learned by a model whose memory is `block`, its last row at last_time.

        event   whether an event lasts
        muted accepted    as in Kept
        """
        if event:
            self._last_event = last_time
        if self._numbers > MOST:  # an event that never ends: there is no way back any more
            self.clear()
        settled = last_time - self._last_event >= AFTER and self._fresh >= LEAST_ROWS
        if not self._snapshots or (settled and last_time - self._snapshots[-1][0] >= SPAN):
            self._snapshots, self._fresh = [*self._snapshots[-1:], (last_time, block.copy())], 0
            oldest = self._snapshots[0][0]
            self._rows = [rows for rows in self._rows if rows.time[-1] > oldest]
            self._numbers = sum(rows.time.size + rows.values.size for rows in self._rows)
        self._rows.append(Kept(time.copy(), values.copy(), muted, accepted))
        self._numbers += time.size + values.size
        self._fresh += time.size

    def happened(self, last_time: int) -> None:
        """An event lasted at some row of those that were learned since the last note, up to last_time."""
        self._last_event = last_time

    def before(self, since: int) -> tuple[Array, list[Kept]]:
        """The newest snapshot from before `since`, and all rows that came after it: what is kept ends there.

        Raises InputError where that is too long ago.
        """
        known = [kept for kept in self._snapshots if kept[0] < since]
        if not known:
            expected = f"after {self._snapshots[0][0]}" if self._snapshots else "rows that were learned by run"
            raise InputError("what was before that time is not kept any more", got=since, expected=expected)
        then, block = known[-1]
        rows = [kept for kept in self._rows if kept.time[-1] > then]
        self.clear()
        return block, rows
