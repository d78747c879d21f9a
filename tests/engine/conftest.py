"""Stand-ins for what surrounds the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import msgspec
import numpy as np
import pytest

from streamrnn.engine.loop import Engine
from streamrnn.engine.ports import Batch, Reject, Result
from streamrnn.tasks.recipe import Recipe
from streamrnn.testing.scripted import ManualClock


class Given:
    """A source that gives one list of items a call, then ends; an exception in the place of a list is raised."""

    Options: ClassVar[type[msgspec.Struct]] = msgspec.Struct

    def __init__(self, *answers: Sequence[Batch | Reject] | Exception) -> None:
        self._answers = list(answers)
        self.given, self.closed = 0, 0

    def next_batch(self, timeout: float) -> Sequence[Batch | Reject] | None:
        if not self._answers:
            return None
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        self.given += 1
        return answer

    def next_awake(self) -> float:
        return 0.0

    def snapshot(self) -> dict[str, Any]:
        return {"given": self.given}

    def close(self) -> None:
        self.closed += 1


class Kept:
    """A sink that keeps everything."""

    Options: ClassVar[type[msgspec.Struct]] = msgspec.Struct

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.dropped, self.flushed = 0, 0

    def write(self, results: Sequence[Result]) -> None:
        self.results += results

    def flush(self) -> None:
        self.flushed += 1

    def close(self) -> None:
        pass


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(now=1000 * 10**9, monotonic=1000.0)


@pytest.fixture
def given() -> type[Given]:
    return Given


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def batch() -> Callable[..., Batch]:
    """Makes a batch: name, times in seconds, values (N,) or (N, C)."""

    def make(stream: str, seconds: Any, values: Any, sequence: int | None = None) -> Batch:
        time = np.rint(np.atleast_1d(np.asarray(seconds, float)) * 1e9).astype(np.int64)
        table = np.asarray(values, float).reshape(len(time), -1)
        return Batch(stream, time, table, tuple(f"c{i}" for i in range(table.shape[1])), sequence)

    return make


@pytest.fixture
def engine(clock: ManualClock, kept: Kept) -> Callable[..., Engine]:
    """Makes an engine over the given answers of its source, with the sink `kept` and the standing clock."""

    def make(*answers: Any, recipe: Recipe | None = None, **options: Any) -> Engine:
        return Engine(Given(*answers), {"kept": kept}, recipe or Recipe(), clock=clock, **options)

    return make
