"""Merge: several sources as one, each read by a thread of its own, joined by one bounded queue."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

from streamrnn.engine.ports import Batch, Reject, Source
from streamrnn.errors import ConnectorError, StreamrnnError

QUEUE = 64
"""Answers of sources that wait for the engine at the most; a source whose answer finds no room waits."""
TURN = 0.2
"""Seconds that a thread waits at the most before it looks at the stop event."""


@dataclass(slots=True, frozen=True)
class _Answer:
    """What one call of `next_batch` gave: items, the end (None), or the error that ended the source."""

    name: str
    items: Sequence[Batch | Reject] | None
    snapshot: dict[str, Any]
    error: StreamrnnError | None = None


def merge(sources: Mapping[str, Source]) -> Source:
    """One source for all of them; a single one is given back as it is. Raises ValueError where there is none."""
    if not sources:
        raise ValueError("merge needs at least one source")
    if len(sources) == 1:
        return next(iter(sources.values()))
    return MergedSource(sources)


class MergedSource:
    """Several sources, by name. The order within each is kept; it ends when all have ended.

    A source that raises ends the whole: `next_batch` raises its error, once what came before has been handed over.
    """

    Options: ClassVar[type[msgspec.Struct]] = msgspec.Struct

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._queue: queue.Queue[_Answer] = queue.Queue(QUEUE)
        self._stop = threading.Event()
        self._open = len(sources)
        self._snapshots = {name: source.snapshot() for name, source in sources.items()}
        self._threads = [
            threading.Thread(target=self._read, args=item, name=f"source {item[0]}", daemon=True)
            for item in sources.items()
        ]
        for thread in self._threads:
            thread.start()

    def next_batch(self, timeout: float) -> Sequence[Batch | Reject] | None:
        """What the sources have brought, waiting up to `timeout` seconds for the first of it. None: all have ended."""
        deadline = time.monotonic() + timeout
        while self._open:
            try:
                answer = self._queue.get(timeout=max(deadline - time.monotonic(), 0.0))
            except queue.Empty:
                return ()
            if answer.error is not None:
                raise answer.error
            self._snapshots[answer.name] = answer.snapshot
            if answer.items is not None:
                return answer.items
            self._open -= 1
        return None

    def next_awake(self) -> float:
        """0: what arrives wakes the caller."""
        return 0.0

    def snapshot(self) -> dict[str, Any]:
        """Where each source stood when it gave what was last handed over, by name."""
        return dict(self._snapshots)

    def close(self) -> None:
        """Stop the threads; each closes its source."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read(self, name: str, source: Source) -> None:
        try:
            while not self._stop.is_set():
                items = source.next_batch(TURN)
                if items is None or items:
                    self._hand_over(_Answer(name, items, source.snapshot()))
                else:
                    self._stop.wait(min(source.next_awake(), TURN))
                if items is None:
                    return
        except StreamrnnError as problem:
            self._hand_over(_Answer(name, None, {}, problem))
        except Exception as problem:
            error = ConnectorError("the source failed", where=f"source {name}", got=repr(problem))
            error.__cause__ = problem
            self._hand_over(_Answer(name, None, {}, error))
        finally:
            source.close()

    def _hand_over(self, answer: _Answer) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(answer, timeout=TURN)
                break
