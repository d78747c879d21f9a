"""The public check suite finds the faults that it is there for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
import numpy as np
import pytest

from streamrnn.engine.ports import Batch, Reject, Result
from streamrnn.testing import connectors as suite
from streamrnn.testing.connectors import check_sink, check_source
from streamrnn.testing.scripted import ScriptedSource


class Lax(msgspec.Struct):
    """Neither frozen nor strict."""


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As it should be."""


def batch(**changes: Any) -> Batch:
    sound = {"stream": "a", "time": np.array([1, 2]), "values": np.array([[1.0], [2.0]]), "channels": ("value",)}
    return Batch(**(sound | changes))


def read_only() -> np.ndarray:
    return np.frombuffer(np.array([1, 2]).tobytes(), np.int64)


class SoundSource:
    """Keeps to the contract; the classes below break it in one way each."""

    Options: ClassVar[type[msgspec.Struct]] = Strict

    def __init__(self) -> None:
        self.given = 0
        self.closed = False

    def next_batch(self, timeout: float) -> Sequence[Batch | Reject] | None:
        self.given += 1
        return [batch()] if self.given <= 2 else None

    def next_awake(self) -> float:
        return 0.0

    def snapshot(self) -> dict[str, Any]:
        return {"given": self.given}

    def close(self) -> None:
        self.closed = True


class LaxSource(SoundSource):
    Options: ClassVar[type[msgspec.Struct]] = Lax


class SharingSource(SoundSource):
    shared = np.array([1, 2])

    def next_batch(self, timeout: float) -> Sequence[Batch | Reject] | None:
        came = super().next_batch(timeout)
        self.shared += 10
        return None if came is None else [batch(time=self.shared)]


class SlowSource(SoundSource):
    def next_batch(self, timeout: float) -> Sequence[Batch | Reject] | None:
        time.sleep(1.01)
        return super().next_batch(timeout)


class RestlessSource(SoundSource):
    def next_awake(self) -> float:
        return float("nan")


class OpaqueSource(SoundSource):
    def snapshot(self) -> dict[str, Any]:
        return {"given": (1, 2)}


class ForgetfulSource(SoundSource):
    def snapshot(self) -> dict[str, Any]:
        self.given += 1
        return super().snapshot()


class UndeadSource(SoundSource):
    def next_batch(self, timeout: float) -> Sequence[Batch | Reject] | None:
        self.given %= 4
        return super().next_batch(timeout)


class OnceClosedSource(SoundSource):
    def close(self) -> None:
        if self.closed:
            raise RuntimeError("closed already")
        super().close()


def test_sound_connectors_pass() -> None:
    check_source(SoundSource, expected=[batch(), batch()])
    check_sink(SoundSink)


@pytest.mark.parametrize(
    ("source", "check", "complaint"),
    [
        (LaxSource, suite.source_options_are_strict, "lax"),
        (SharingSource, suite.source_lets_go_of_its_batches, "changed after it was handed over"),
        (SlowSource, suite.source_waits_no_longer_than_asked, "took"),
        (RestlessSource, suite.source_waits_no_longer_than_asked, "next_awake"),
        (OpaqueSource, suite.source_snapshots_are_plain, "not plain JSON"),
        (ForgetfulSource, suite.source_snapshots_are_plain, "two snapshots"),
        (UndeadSource, suite.source_end_is_final, "after next_batch had given None"),
        (OnceClosedSource, suite.source_closes_twice, "closed already"),
    ],
)
def test_a_source_that_breaks_the_contract_fails(source, check, complaint) -> None:
    assert check in suite.SOURCE_CHECKS
    with pytest.raises((AssertionError, RuntimeError), match=complaint):
        check(suite.SourceCase(source))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"stream": ""}, "expected a name"),
        ({"channels": ["value"]}, "channels"),
        ({"channels": ("a", "b")}, "values are"),
        ({"channels": ()}, "channels"),
        ({"time": np.array([1.0, 2.0])}, "time is float64"),
        ({"time": np.array([1, -2])}, "before 1970"),
        ({"time": read_only()}, "arrays of its own"),
        ({"values": np.array([1.0, 2.0])}, "values are"),
        ({"values": np.array([[1], [2]])}, "values are int64"),
        ({"values": np.ones((2, 2))[:, :1]}, "arrays of its own"),
        ({"sequence": -1}, "sequence"),
    ],
    ids=str,
)
def test_a_malformed_batch_fails(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_source(lambda: ScriptedSource([batch(**changes)]))


@pytest.mark.parametrize(
    "expected",
    [
        [batch(), batch(), batch()],
        [batch(stream="b"), batch()],
        [batch(values=np.array([[1.0], [3.0]])), batch()],
        [batch(channels=("x",)), batch()],
        [batch(sequence=0), batch(sequence=2)],
    ],
    ids=["too few", "name", "value", "channel", "number"],
)
def test_samples_other_than_expected_fail(expected: list[Batch]) -> None:
    with pytest.raises(AssertionError, match=r"came|expected"):
        check_source(SoundSource, expected=expected)


def test_a_silent_source_fails() -> None:
    with pytest.raises(AssertionError, match="nothing came"):
        check_source(lambda: ScriptedSource([]), patience=0.1)


class SoundSink:
    """Keeps to the contract; the classes below break it in one way each."""

    Options: ClassVar[type[msgspec.Struct]] = Strict
    dropped = 0

    def write(self, results: Sequence[Result]) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


class LaxSink(SoundSink):
    Options: ClassVar[type[msgspec.Struct]] = Lax


class ChangingSink(SoundSink):
    def write(self, results: Sequence[Result]) -> None:
        for result in results:
            result.values[:] = 0.0


class WaitingSink(SoundSink):
    def write(self, results: Sequence[Result]) -> None:
        time.sleep(0.6 if len(results) > 1 and not self.dropped else 0.0)
        self.dropped = 1


class SlowFlushSink(SoundSink):
    def flush(self) -> None:
        time.sleep(2.1)


class ForgettingSink(SoundSink):
    def write(self, results: Sequence[Result]) -> None:
        self.dropped = 5 - self.dropped


class OnceClosedSink(SoundSink):
    closed = False

    def close(self) -> None:
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True


class FinickySink(SoundSink):
    def write(self, results: Sequence[Result]) -> None:
        for result in results:
            result.time[-1]


@pytest.mark.parametrize(
    ("sink", "check", "complaint"),
    [
        (LaxSink, suite.sink_options_are_strict, "lax"),
        (ChangingSink, suite.sink_leaves_results_alone, "changed values"),
        (WaitingSink, suite.sink_never_waits, "took"),
        (SlowFlushSink, suite.sink_never_waits, "flush"),
        (ForgettingSink, suite.sink_never_waits, "dropped went"),
        (FinickySink, suite.sink_takes_any_result, "out of bounds"),
        (OnceClosedSink, suite.sink_closes_twice, "closed already"),
    ],
)
def test_a_sink_that_breaks_the_contract_fails(sink, check, complaint) -> None:
    assert check in suite.SINK_CHECKS
    with pytest.raises((AssertionError, IndexError, RuntimeError), match=complaint):
        check(suite.SinkCase(sink))
