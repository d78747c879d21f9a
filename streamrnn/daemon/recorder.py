"""Recorder: puts together the rows of a file and what the engine says of them, and passes both on.

The engine refuses late and repeated rows, and the source broken ones; the files that replay writes have a row for each.
So the recorder stands at both ends: it notes what the engine takes from the source, and hears the results as a sink.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

import msgspec
import numpy as np

from streamrnn.daemon.outputs import Answer
from streamrnn.engine.ports import Batch, Ints, Reject, Result, Source

NONE_USED: Ints = np.empty(0, np.int64)


class NoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Neither end is found by configuration."""


class TextSource(Source, Protocol):
    """A source whose batches and rejects keep their text, as the connector `files` does: `raw`, one tuple a row."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the cells of `raw`: the time, then each value; empty before the first batch."""

    @property
    def share(self) -> float | None:
        """How much has been read, 0 … 1; None where that is unknown."""


class Recorder:
    """A sink that pairs results with the input they belong to.

    answered   called with each answer, in the order of the input; together they hold each input row once
    stop       set when `answered` fails: the engine guards itself against its sinks, so `finish` raises it
    """

    Options: ClassVar[type[msgspec.Struct]] = NoOptions

    def __init__(self, answered: Callable[[Answer], None], stop: threading.Event) -> None:
        self._answered, self._stop = answered, stop
        self._open: list[Batch | Reject] = []
        self._answered_rows = 0
        """How many rows of the first open item have been answered: a long one has several results."""
        self._failure: Exception | None = None

    def note(self, items: Sequence[Batch | Reject]) -> None:
        """What the engine has just been given."""
        self._open.extend(items)

    def write(self, results: Sequence[Result]) -> None:
        """Take the results of what was noted."""
        if self._failure is not None:
            return
        try:
            for result in results:
                if not len(result.time):  # silence: a file has none
                    continue
                while (used := rows_used(self._open[0], self._answered_rows, result)) is None:
                    self._refused()
                start = self._answered_rows
                self._answered_rows += int(used[-1]) + 1
                text = text_of(self._open[0])
                self._answered(Answer(text[start : self._answered_rows], used, result))
                if self._answered_rows == len(text):
                    self._next()
        except Exception as failure:
            self._failure = failure
            self._stop.set()

    @property
    def dropped(self) -> int:
        """Nothing ever is."""
        return 0

    def flush(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Nothing is open."""

    def finish(self) -> None:
        """Answer what no result came for. Raises what `answered` has raised."""
        if self._failure is not None:
            raise self._failure
        while self._open:
            self._refused()

    def _refused(self) -> None:
        self._answered(Answer(text_of(self._open[0])[self._answered_rows :], NONE_USED, None))
        self._next()

    def _next(self) -> None:
        del self._open[0]
        self._answered_rows = 0


class Tap:
    """A source that tells a recorder what it hands over.

    source   where the rows come from
    first    what was taken from it already
    """

    Options: ClassVar[type[msgspec.Struct]] = NoOptions

    def __init__(self, source: Source, first: Sequence[Batch | Reject], recorder: Recorder) -> None:
        self._source, self._recorder = source, recorder
        self._first: Sequence[Batch | Reject] | None = first

    def next_batch(self, timeout: float) -> Sequence[Batch | Reject] | None:
        """See `Source`."""
        items = self._first if self._first is not None else self._source.next_batch(timeout)
        self._first = None
        if items is not None:
            self._recorder.note(items)
        return items

    def next_awake(self) -> float:
        """See `Source`."""
        return self._source.next_awake()

    def snapshot(self) -> dict[str, Any]:
        """See `Source`."""
        return self._source.snapshot()

    def close(self) -> None:
        """See `Source`."""
        self._source.close()


def rows_used(item: Batch | Reject, start: int, result: Result) -> Ints | None:
    """Which rows of `item`, counted from `start`, the result's rows are; None where it is not a result of these.

    The engine uses a row when its time is later than all before it: times of results never come twice, and the first
    row of a time is the one that was used.
    """
    if isinstance(item, Reject):
        return None
    left = item.time[start:]
    if np.array_equal(left[: len(result.time)], result.time):
        return np.arange(len(result.time))
    times, first = np.unique(left, return_index=True)
    place = np.minimum(np.searchsorted(times, result.time), len(times) - 1)
    return first[place] if np.array_equal(times[place], result.time) else None


def text_of(item: Batch | Reject) -> Sequence[tuple[str, ...]]:
    """The cells of each row of a batch or reject of a TextSource."""
    source_item: Any = item
    return [source_item.raw] if isinstance(item, Reject) else list(source_item.raw)
