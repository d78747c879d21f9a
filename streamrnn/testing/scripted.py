"""A source that plays a script, and a clock that stands still until it is told to move.

>>> import numpy as np
>>> from streamrnn.engine.ports import Batch
>>> batch = Batch("pump-3", np.array([0]), np.array([[1.5]]), ("pressure",))
>>> source = ScriptedSource([batch, Pause(2.0), batch, EOF])
>>> [len(source.next_batch(timeout=1.0)) for _ in range(4)], source.next_batch(timeout=1.0)
([1, 0, 0, 1], None)
>>> source.clock.monotonic()
2.0
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Final

import msgspec

from streamrnn.engine.ports import Batch, Reject


class ManualClock:
    """Time that moves only when told to.

    now         wall clock at the start, nanoseconds since 1970 UTC
    monotonic   seconds at the start
    """

    def __init__(self, now: int = 0, monotonic: float = 0.0) -> None:
        self._start, self._now, self._monotonic = monotonic, now, monotonic

    def now(self) -> int:
        """Nanoseconds since 1970 UTC."""
        return self._now + round((self._monotonic - self._start) * 1e9)

    def monotonic(self) -> float:
        """Seconds."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let `seconds` >= 0 pass on both clocks. Raises ValueError on a negative number."""
        if seconds < 0.0:
            raise ValueError(f"a clock does not run backwards: got {seconds} s; use set_now to move the wall clock")
        self._monotonic += seconds

    def set_now(self, now: int) -> None:
        """Set the wall clock, forwards or backwards, as an administrator or NTP would; monotonic time is untouched."""
        self._start, self._now = self._monotonic, now


class Cue(Enum):
    """What a script holds besides samples."""

    EOF = "eof"
    ABORT = "abort"


EOF: Final = Cue.EOF
"""The source ends here for good, whatever follows; a script's end is one too."""
ABORT: Final = Cue.ABORT
"""The source breaks here: `next_batch` raises AbortError."""


@dataclass(slots=True, frozen=True)
class Pause:
    """Nothing comes for so many seconds of the source's clock."""

    seconds: float


class AbortError(Exception):
    """The script has reached ABORT; not a StreamrnnError, so that nobody expects it."""


Step = Batch | Reject | Sequence[Batch | Reject] | Pause | Cue


class ScriptedOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A script is not configuration: there are no keys."""


class ScriptedSource:
    """Plays a script: one step a call; a sequence of batches and rejects is one step.

    script      what comes, in order
    clock       time for pauses. Waiting moves this clock and takes no real time: next_batch(timeout) in a pause lets
                `timeout` seconds pass, or what is left of the pause if that is less
    position    the step to begin with: `snapshot()["position"]` of an earlier source resumes after its last step, also
                after one that was EOF or ABORT
    """

    Options: ClassVar[type[msgspec.Struct]] = ScriptedOptions

    def __init__(self, script: Sequence[Step], clock: ManualClock | None = None, position: int = 0) -> None:
        self.clock = clock if clock is not None else ManualClock()
        self.closed = False
        """True once close() was called."""
        self._script, self._position, self._ended = tuple(script), position, False
        self._resume_at = self.clock.monotonic()

    def next_batch(self, timeout: float) -> Sequence[Batch | Reject] | None:
        if self._ended:
            return None
        if left := self.next_awake():
            self.clock.advance(min(timeout, left))
            return []
        if self._position == len(self._script):
            self._ended = True
            return None
        step = self._script[self._position]
        self._position += 1
        if step is EOF:
            self._ended = True
            return None
        if step is ABORT:
            raise AbortError(f"step {self._position - 1} of the script is ABORT")
        if isinstance(step, Pause):
            self._resume_at = self.clock.monotonic() + step.seconds
            self.clock.advance(min(timeout, step.seconds))
            return []
        if isinstance(step, Batch | Reject):
            return [step]
        assert not isinstance(step, Cue)
        return list(step)

    def next_awake(self) -> float:
        return max(0.0, self._resume_at - self.clock.monotonic())

    def snapshot(self) -> dict[str, Any]:
        return {"position": self._position}

    def close(self) -> None:
        self.closed = True
