"""A schedule: moments at a fixed distance, which lateness does not shift."""

from __future__ import annotations


class Schedule:
    """Due at start + every, start + 2·every, …

    every   seconds, above 0
    start   seconds, on the clock that `left` and `done` are given too

    >>> schedule = Schedule(every=0.5, start=10.0)
    >>> schedule.left(10.25)
    0.25
    >>> schedule.done(11.25)  # late: 10.5 is done with and 11.0 is passed over
    >>> schedule.left(11.25)
    0.25
    """

    def __init__(self, every: float, start: float) -> None:
        self._every, self._start, self._next = every, start, 1

    def left(self, now: float) -> float:
        """Seconds until the next moment, 0 if it has come."""
        return max(self._start + self._next * self._every - now, 0.0)

    def done(self, now: float) -> None:
        """The moment that had come is done with; those that have passed meanwhile are not made up for."""
        passed = int((now - self._start) / self._every + 1e-6)  # rounding must not make one moment come twice
        self._next = max(self._next, passed) + 1
