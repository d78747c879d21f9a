"""A window of a stream that is being forgotten: work that the loop does in slices, while the stream's rows wait."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

from streamrnn.engine.fleet import Stream
from streamrnn.engine.ports import Batch


@dataclass(slots=True)
class Forgetting:
    """One order, under way."""

    stream: Stream
    since: int
    until: int
    slices: Iterator[int]
    """Of `Model.forgetting`."""
    rows: int = 0
    """Forgotten so far."""
    waiting: list[Batch] = field(default_factory=list)
    """What has come of the stream meanwhile, oldest first."""
    done: Future[int] = field(default_factory=Future)
    """How many rows were forgotten, at the end; for the thread that gave the order."""
    failed: Exception | None = None

    def step(self) -> bool:
        """Do a slice; False where there was none left, or it failed."""
        try:
            self.rows += next(self.slices)
        except StopIteration:
            return False
        except Exception as problem:
            self.failed = problem
            return False
        return True
