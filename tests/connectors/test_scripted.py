"""The scripted source and the manual clock, on which other tests build."""

from __future__ import annotations

import numpy as np
import pytest

from streamrnn.engine.ports import Batch, Clock, Reject
from streamrnn.errors import Reason
from streamrnn.testing.scripted import ABORT, EOF, AbortError, ManualClock, Pause, ScriptedSource

BATCH = Batch("a", np.array([1]), np.array([[1.0]]), ("value",))
REJECT = Reject(Reason.MALFORMED)


def test_steps_come_one_a_call_and_then_the_end() -> None:
    source = ScriptedSource([BATCH, REJECT, [BATCH, REJECT], []])
    assert [source.next_batch(1.0) for _ in range(6)] == [[BATCH], [REJECT], [BATCH, REJECT], [], None, None]
    source.close()
    assert source.closed


def test_a_pause_takes_time_of_the_clock_alone() -> None:
    clock = ManualClock(monotonic=5.0)
    source = ScriptedSource([Pause(1.0), BATCH], clock)
    assert source.next_batch(0.25) == []
    assert source.next_awake() == 0.75
    assert source.next_batch(0.0) == []
    clock.advance(0.5)
    assert source.next_batch(10.0) == []
    assert clock.monotonic() == 6.0
    assert source.next_awake() == 0.0
    assert source.next_batch(0.0) == [BATCH]


def test_an_abort_breaks_and_a_new_source_goes_on_behind_it() -> None:
    script = [BATCH, ABORT, REJECT, EOF, BATCH]
    source = ScriptedSource(script)
    assert source.next_batch(1.0) == [BATCH]
    with pytest.raises(AbortError):
        source.next_batch(1.0)
    source = ScriptedSource(script, position=source.snapshot()["position"])
    assert [source.next_batch(1.0) for _ in range(3)] == [[REJECT], None, None]
    source = ScriptedSource(script, position=source.snapshot()["position"])
    assert [source.next_batch(1.0) for _ in range(2)] == [[BATCH], None]


def test_the_manual_clock() -> None:
    clock = ManualClock(now=10, monotonic=1.0)
    assert isinstance(clock.now(), int)
    clock.advance(2.5)
    assert (clock.now(), clock.monotonic()) == (2_500_000_010, 3.5)
    clock.set_now(0)
    assert (clock.now(), clock.monotonic()) == (0, 3.5)
    clock.advance(1.0)
    assert (clock.now(), clock.monotonic()) == (10**9, 4.5)
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1.0)
    as_clock: Clock = clock
    assert as_clock.monotonic() == 4.5
