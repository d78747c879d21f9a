"""What every connector must do: `check_source` and `check_sink`, for your own as for those that come along.

    def test_my_source_keeps_to_the_contract():
        check_source(lambda: ModbusSource(ModbusOptions(host="127.0.0.1", port=server.port)))

Each is a list of small checks, SOURCE_CHECKS and SINK_CHECKS, which a test may also run one by one under their names.
A check that fails raises AssertionError and says what it has seen.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import msgspec
import numpy as np

from streamrnn.engine.ports import Batch, Reject, Result, Sink, Source
from streamrnn.testing.results import sample_results


def nothing(source: Source) -> None:
    """The feed of a source to which samples come by themselves."""


@dataclass(slots=True, frozen=True)
class SourceCase:
    """A source under test."""

    make: Callable[[], Source]
    """Opens it."""
    feed: Callable[[Source], None] = nothing
    """Makes samples come to it, once it is open."""
    expected: Sequence[Batch] | None = None
    """The samples that then come, in whatever portions; None where that cannot be known."""
    patience: float = 10.0
    """Seconds to wait for them."""


@dataclass(slots=True, frozen=True)
class SinkCase:
    """A sink under test."""

    make: Callable[[], Sink]
    """Opens it."""


def check_source(
    make: Callable[[], Source],
    *,
    feed: Callable[[Source], None] = nothing,
    expected: Sequence[Batch] | None = None,
    patience: float = 10.0,
) -> None:
    """Run all of SOURCE_CHECKS; the arguments are the fields of SourceCase."""
    case = SourceCase(make, feed, expected, patience)
    for check in SOURCE_CHECKS:
        check(case)


def check_sink(make: Callable[[], Sink]) -> None:
    """Run all of SINK_CHECKS on the sink that `make` opens. Nobody needs to read what it writes."""
    case = SinkCase(make)
    for check in SINK_CHECKS:
        check(case)


# --- sources ---------------------------------------------------------------------------------------------------------


def source_options_are_strict(case: SourceCase) -> None:
    """Options is an immutable struct that refuses unknown keys."""
    source = case.make()
    source.close()
    _options_are_strict(type(source))


def source_batches_are_well_formed(case: SourceCase) -> None:
    """Shapes, types and names are those of `Batch`, and the arrays may be written to."""
    came = _gather(case)
    _require(bool(came), f"nothing came within {case.patience} s")
    for batch in came:
        _is_well_formed(batch)


def source_gives_the_expected_samples(case: SourceCase) -> None:
    """Names, times, values and numbers of each stream are the expected ones, in their order."""
    if case.expected is None:
        return
    came = _samples(_gather(case))
    for stream, samples in _samples(case.expected).items():
        _require(stream in came, f"no samples of {stream!r} came; there were {sorted(came)}")
        _require(repr(came[stream]) == repr(samples), f"{stream!r}: got {came[stream]}, expected {samples}")


def source_lets_go_of_its_batches(case: SourceCase) -> None:
    """A batch that was handed over does not change afterwards."""
    kept: list[tuple[Batch, Batch]] = []
    _gather(case, lambda batch: kept.append((batch, copy.deepcopy(batch))))
    for batch, before in kept:
        same = np.array_equal(batch.time, before.time) and np.array_equal(batch.values, before.values, equal_nan=True)
        _require(same, f"a batch of {batch.stream!r} changed after it was handed over: its arrays are shared")


def source_waits_no_longer_than_asked(case: SourceCase) -> None:
    """next_batch returns in time, and next_awake gives a number of seconds."""
    source = case.make()
    try:
        for timeout in (0.0, 0.0, 0.1, 0.1):
            start = time.monotonic()
            source.next_batch(timeout)
            took = time.monotonic() - start
            _require(took < timeout + 1.0, f"next_batch({timeout}) took {took:.1f} s")
            awake = source.next_awake()
            _require(0.0 <= awake < math.inf, f"next_awake() is {awake}, expected seconds from 0")
    finally:
        source.close()


def source_snapshots_are_plain(case: SourceCase) -> None:
    """snapshot() gives plain JSON values at any time, and taking one changes nothing."""
    source = case.make()
    try:
        for _ in range(2):
            first, second = source.snapshot(), source.snapshot()
            _require(json.loads(json.dumps(first)) == first, f"snapshot() is not plain JSON: {first!r}")
            _require(first == second, f"two snapshots in a row differ: {first!r} and {second!r}")
            source.next_batch(0.0)
    finally:
        source.close()


def source_end_is_final(case: SourceCase) -> None:
    """Once next_batch has given None, it gives nothing else."""
    source = case.make()
    try:
        deadline = time.monotonic() + 1.0
        while (came := source.next_batch(0.05)) is not None and time.monotonic() < deadline:
            continue
        for _ in range(3 if came is None else 0):
            _require(source.next_batch(0.0) is None, "samples after next_batch had given None")
    finally:
        source.close()


def source_closes_twice(case: SourceCase) -> None:
    """close() may be repeated, used or not."""
    for calls in (0, 1):
        source = case.make()
        for _ in range(calls):
            source.next_batch(0.0)
        source.close()
        source.close()


SOURCE_CHECKS: tuple[Callable[[SourceCase], None], ...] = (
    source_options_are_strict,
    source_batches_are_well_formed,
    source_gives_the_expected_samples,
    source_lets_go_of_its_batches,
    source_waits_no_longer_than_asked,
    source_snapshots_are_plain,
    source_end_is_final,
    source_closes_twice,
)
"""Every check of a source."""


# --- sinks -----------------------------------------------------------------------------------------------------------


def sink_options_are_strict(case: SinkCase) -> None:
    """Options is an immutable struct that refuses unknown keys."""
    sink = case.make()
    sink.close()
    _options_are_strict(type(sink))


def sink_takes_any_result(case: SinkCase) -> None:
    """Missing values, no rows, no horizons, many channels, alarms and names in any script are all taken."""
    sink = case.make()
    try:
        sink.write([])
        for result in sample_results():
            sink.write([result])
        sink.write(sample_results())
        sink.flush()
    finally:
        sink.close()


def sink_leaves_results_alone(case: SinkCase) -> None:
    """A result is the same after it was written: other sinks get it too."""
    results, before = sample_results(), sample_results()
    sink = case.make()
    try:
        sink.write(results)
        sink.flush()
    finally:
        sink.close()
    for result, old in zip(results, before, strict=True):
        for name in (field.name for field in fields(Result)):
            a, b = getattr(result, name), getattr(old, name)
            same = np.array_equal(a, b, equal_nan=True) if isinstance(a, np.ndarray) else repr(a) == repr(b)
            _require(same, f"write() changed {name} of a result")


def sink_never_waits(case: SinkCase) -> None:
    """With nobody reading, write() still returns at once, flush() within a second, and close() soon."""
    sink = case.make()
    results = sample_results()
    worst, dropped = 0.0, sink.dropped
    try:
        for _ in range(500):
            start = time.monotonic()
            sink.write(results)
            worst = max(worst, time.monotonic() - start)
            _require(sink.dropped >= dropped >= 0, f"dropped went from {dropped} to {sink.dropped}")
            dropped = sink.dropped
        _require(worst < 0.5, f"write() took {worst:.1f} s")
        start = time.monotonic()
        sink.flush()
        took = time.monotonic() - start
        _require(took < 2.0, f"flush() took {took:.1f} s, expected 1 s at the most")
    finally:
        start = time.monotonic()
        sink.close()
    took = time.monotonic() - start
    _require(took < 5.0, f"close() took {took:.1f} s")


def sink_closes_twice(case: SinkCase) -> None:
    """close() may be repeated, used or not."""
    for results in ([], sample_results()):
        sink = case.make()
        sink.write(results)
        sink.close()
        sink.close()


SINK_CHECKS: tuple[Callable[[SinkCase], None], ...] = (
    sink_options_are_strict,
    sink_takes_any_result,
    sink_leaves_results_alone,
    sink_never_waits,
    sink_closes_twice,
)
"""Every check of a sink."""


# --- helpers ---------------------------------------------------------------------------------------------------------


def _gather(case: SourceCase, seen: Callable[[Batch], None] = lambda batch: None) -> list[Batch]:
    """What comes: all that is expected, or else the first few batches."""
    wanted = None if case.expected is None else sum(len(batch.time) for batch in case.expected)
    batches: list[Batch] = []
    source = case.make()
    try:
        case.feed(source)
        deadline = time.monotonic() + case.patience
        while time.monotonic() < deadline and not _enough(batches, wanted):
            came = source.next_batch(0.1)
            if came is None:
                break
            for item in came:
                _require(isinstance(item, Batch | Reject), f"next_batch gave {item!r}, expected a Batch or a Reject")
                if isinstance(item, Batch):
                    seen(item)
                    batches.append(item)
    finally:
        source.close()
    return batches


def _enough(batches: Sequence[Batch], wanted: int | None) -> bool:
    return len(batches) >= 3 if wanted is None else sum(len(batch.time) for batch in batches) >= wanted


def _samples(batches: Sequence[Batch]) -> dict[str, list[tuple[int | None, int, dict[str, float]]]]:
    """Of each stream its samples, one by one: number, time, values by channel."""
    samples: dict[str, list[tuple[int | None, int, dict[str, float]]]] = {}
    for batch in batches:
        for row, (moment, values) in enumerate(zip(batch.time.tolist(), batch.values.tolist(), strict=True)):
            number = None if batch.sequence is None else batch.sequence + row
            named = dict(zip(batch.channels, values, strict=True))
            samples.setdefault(batch.stream, []).append((number, moment, named))
    return samples


def _is_well_formed(batch: Batch) -> None:
    of = f"a batch of {batch.stream!r}"
    _require(isinstance(batch.stream, str) and batch.stream != "", f"{of}: expected a name")
    _require(
        isinstance(batch.channels, tuple) and len(set(batch.channels)) == len(batch.channels) > 0,
        f"{of}: channels are {batch.channels!r}, expected a tuple of different names",
    )
    count = len(batch.time)
    _require(
        batch.time.dtype == np.int64 and batch.time.shape == (count,),
        f"{of}: time is {batch.time.dtype} {batch.time.shape}, expected int64 (count,)",
    )
    shape = (count, len(batch.channels))
    _require(
        batch.values.dtype == np.float64 and batch.values.shape == shape,
        f"{of}: values are {batch.values.dtype} {batch.values.shape}, expected float64 {shape}",
    )
    for array in (batch.time, batch.values):
        _require(array.flags.writeable and array.flags.c_contiguous, f"{of}: expected arrays of its own, in C order")
    _require(bool(np.all(batch.time >= 0)), f"{of}: a time before 1970")
    _require(
        batch.sequence is None or batch.sequence >= 0,
        f"{of}: sequence is {batch.sequence}, expected None or a number from 0",
    )


def _options_are_strict(connector: type) -> None:
    options = getattr(connector, "Options", None)
    if not (isinstance(options, type) and issubclass(options, msgspec.Struct)):
        raise AssertionError(f"{connector.__name__}.Options is {options!r}, expected a msgspec.Struct")
    config = options.__struct_config__
    _require(
        config.frozen and config.forbid_unknown_fields,
        f"{connector.__name__}.Options is lax, expected frozen=True, forbid_unknown_fields=True",
    )


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise AssertionError(otherwise)
