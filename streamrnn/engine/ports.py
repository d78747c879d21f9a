"""The contracts between the engine and the outside: Source, Sink, Clock, and what passes through them.

A connector is a class with an `Options` type (a frozen msgspec.Struct with forbid_unknown_fields=True: the keys of its
table in the configuration) that is built as `Connector(options)`. The engine finds it by name through the entry-point
groups `streamrnn.sources` and `streamrnn.sinks` and asks for nothing but the verbs below. The check suites that every
connector passes are in `streamrnn.testing.connectors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import msgspec
import numpy as np
import numpy.typing as npt

from streamrnn.errors import Reason

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(slots=True)
class Batch:
    """Consecutive samples of one stream, oldest first."""

    stream: str
    time: Ints
    """(count,) nanoseconds since 1970-01-01 UTC."""
    values: Floats
    """(count, channels); NaN is a missing value."""
    channels: tuple[str, ...]
    """Channel names, one a column of `values`."""
    sequence: int | None = None
    """The first sample's number in its stream, counting from 0; the others follow. None where the source has none."""


@dataclass(slots=True, frozen=True)
class Reject:
    """Input that the source could not turn into samples: counted by reason, logged at a bounded rate."""

    reason: Reason
    stream: str = ""
    """Whose it claims to be, as far as could be read."""
    detail: str = ""
    count: int = 1


Phase = Literal["started", "ongoing", "resolved", "held_back"]
Cause = Literal["odd", "range", "missing", "silent", "flat", "rate"]
CONDITIONS: tuple[Cause, ...] = ("missing", "silent", "flat", "rate")
"""Causes that are not of values that came, but of the data itself."""


@dataclass(slots=True, frozen=True)
class Part:
    """One channel's part in the start of an event."""

    channel: str
    share: float
    """Of the score, 0 … 1."""
    expected: float
    """What was expected of it."""


@dataclass(slots=True, frozen=True)
class Way:
    """One way in which a value was odd."""

    name: str
    """residual: far from what was expected; level: an unusual level; season: unusual for the time of the season;
    calm: it moved too little."""
    share: float
    """Of all evidence against the channel, 0 … 1."""


@dataclass(slots=True, frozen=True)
class Alarm:
    """A change of one stream's event: told once when it starts, once when it has lasted an hour, once when it is over.

    One that is held back when it starts (`[alarms]`) is recorded as that, once. If it becomes odd enough later it is
    told as started, with the time of its first sample as `since`; if not, nothing more is said of it.

    A condition of the data is an event as well, of one cause and channel; it starts and is resolved.
    """

    stream: str
    time: int
    """Nanoseconds since 1970 of the sample that changed it; of silence, of this machine's clock."""
    phase: Phase
    score: float
    """Anomaly score in [0, 1) of that sample; of an event that goes on or is resolved the highest so far. NaN for a
    condition."""
    channel: str
    """The channel that it started with; empty for silence and rate, which are of the stream."""
    value: float
    """Of the channel now. Rate: seconds between samples; silence: seconds without one; missing: NaN."""
    expected: float
    """In its place. Rate and silence: the expected seconds between samples."""
    lower: float
    """Lower end of what would not be told."""
    upper: float
    since: int
    """Nanoseconds since 1970 of the event's first sample."""
    cause: Cause = "odd"
    """odd: what came was not expected; range: it was out of the range of good data; missing: no values of a channel;
    silent: nothing of the stream; flat: a value that does not move; rate: another sampling interval."""
    why: tuple[Part, ...] = ()
    """Each channel's part when the event started; empty for a condition."""
    ways: tuple[Way, ...] = ()
    """In which ways the channel was odd when the event started, the strongest first; empty but for such a start."""


@dataclass(slots=True)
class Result:
    """What the engine says of one batch; rows are the batch's samples, in order. N rows, H horizons, C channels."""

    stream: str
    channels: tuple[str, ...]
    time: Ints
    """(N,) nanoseconds since 1970."""
    values: Floats
    """(N, C) as received; NaN is missing."""
    expected: Floats
    """(N, C) the forecast of each row that was made one row before; NaN where there was none."""
    lower: Floats
    """(N, C) lower end of the band around `expected`."""
    upper: Floats
    score: Floats
    """(N,) anomaly score in [0, 1)."""
    share: Floats
    """(N, C) each channel's part of the score; rows sum to 1, or to 0 where the score is 0."""
    forecast: Floats
    """(N, H, C) issued after each row for 1 … H rows ahead; NaN where a channel has not been seen yet."""
    forecast_lower: Floats
    forecast_upper: Floats
    level: float
    """Nominal coverage of the bands."""
    interval: float
    """The stream's typical interval in seconds, 0 before there are two samples."""
    warming: Bools
    """(N,) True where the detector had seen too little before the row to score it."""
    alarms: list[Alarm] = field(default_factory=list)


@runtime_checkable
class Source(Protocol):
    """Where samples come from. All four verbs are called from one thread."""

    Options: ClassVar[type[msgspec.Struct]]

    def next_batch(self, timeout: float) -> Sequence[Batch | Reject] | None:
        """What has arrived, oldest first; waits up to `timeout` seconds for the first of it. Empty: nothing came.
        None: the source has ended for good."""

    def next_awake(self) -> float:
        """Seconds from now before which asking again is pointless; 0 for 'any time'."""

    def snapshot(self) -> dict[str, Any]:
        """Where the source stands, as plain JSON values: enough to resume from, empty where it cannot resume."""

    def close(self) -> None:
        """Let go of everything. Safe to call twice."""


@runtime_checkable
class Sink(Protocol):
    """Where results go. A sink never makes the learner wait: what it cannot take at once it drops and counts."""

    Options: ClassVar[type[msgspec.Struct]]

    def write(self, results: Sequence[Result]) -> None:
        """Take results."""

    @property
    def dropped(self) -> int:
        """Results or messages dropped so far, because the reader was too slow or absent."""

    def flush(self) -> None:
        """Hand over what is still held, waiting a second at the most."""

    def close(self) -> None:
        """Let go of everything. Safe to call twice."""


class Clock(Protocol):
    """Time as the engine sees it; tests drive a manual one."""

    def now(self) -> int:
        """Wall clock, nanoseconds since 1970 UTC: only to stamp samples that come without a time."""

    def monotonic(self) -> float:
        """Seconds that never run backwards: for all scheduling."""
