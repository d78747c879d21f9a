"""The fleet: which streams there are, the model of each, and their counters."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Protocol

import msgspec
import numpy as np
from msgspec import Meta

from streamrnn._types import Bools, Floats, Ints
from streamrnn.engine.order import NEVER
from streamrnn.errors import Reason, WireError
from streamrnn.tasks.recipe import Recipe

AUTO_SILENCE = 10.0
"""Typical intervals without a sample after which a stream is silent, where the configuration leaves it open."""
SHORTEST_SILENCE = 5.0
"""Seconds: below this no stream is called silent on the strength of its typical interval."""


class Rows(Protocol):
    """What a model says of N rows of C channels, H horizons ahead; the meanings are those of `Result`."""

    @property
    def expected(self) -> Floats: ...
    @property
    def lower(self) -> Floats: ...
    @property
    def upper(self) -> Floats: ...
    @property
    def score(self) -> Floats: ...
    @property
    def share(self) -> Floats: ...
    @property
    def forecast(self) -> Floats: ...
    @property
    def forecast_lower(self) -> Floats: ...
    @property
    def forecast_upper(self) -> Floats: ...
    @property
    def event(self) -> Ints:
        """(N,) 1 where an event begins, -1 where it has ended, else 0."""

    @property
    def event_score(self) -> Floats: ...
    @property
    def event_channel(self) -> Ints: ...
    @property
    def event_since(self) -> Ints: ...
    @property
    def warming(self) -> Bools: ...


class Model(Protocol):
    """What the engine asks of the model of one stream."""

    @property
    def interval(self) -> float: ...
    @property
    def warming(self) -> bool: ...
    @property
    def alarm(self) -> bool: ...
    @property
    def gradient_cosine(self) -> float:
        """The gradient audit's estimate; NaN without one."""

    @property
    def statistics(self) -> dict[str, Floats]:
        """Running sums since the start, (C,) each: judged, absolute_error, absolute_change, covered, missing, …"""

    def run(self, time: Ints, values: Floats) -> Rows:
        """Judge and learn N rows: time (N,) nanoseconds, strictly increasing over all calls; values (N, C)."""


ModelFactory = Callable[[tuple[str, ...], Recipe], Model]
"""Builds the model of one stream from its channel names and its recipe."""


class Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stream that is expected: it is there from the start, and counts as silent until it speaks."""

    name: Annotated[str, Meta(min_length=1, max_length=255)]
    """Name of the stream."""
    channels: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Names of its channels, in the order of its values."""

    def __post_init__(self) -> None:
        if len(set(self.channels)) != len(self.channels):
            raise ValueError(f"two channels of {self.name!r} have one name, expected distinct names")


class Admission(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which streams are taken in. The `[streams]` table of a configuration is an Admission."""

    admit: tuple[str, ...] = ("*",)
    """Shell patterns (`*`, `?`, `[abc]`) of stream names that are taken in; those under `known` always are."""
    limit: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000
    """Most streams at once; input of any further one is refused."""
    channel_limit: Annotated[int, Meta(ge=1, le=1024)] = 64
    """Most channels of one stream: a model's cost grows with the square of it."""
    silent_after: Annotated[float, Meta(ge=0.0)] = 0.0
    """Seconds without a sample after which a stream is silent; 0: ten typical intervals of it, 5 s at the least."""
    most_ahead: Annotated[float, Meta(ge=0.0)] = 86400.0
    """Seconds that a sample may be ahead of this machine's clock: one from further on would make all later ones late;
    0: no limit."""
    known: tuple[Known, ...] = ()
    """Streams that are expected."""

    def __post_init__(self) -> None:
        names = {known.name for known in self.known}
        if len(names) != len(self.known):
            raise ValueError("two known streams have one name, expected distinct names")
        if len(names) > self.limit:
            raise ValueError(f"{len(names)} streams are known, expected at most limit = {self.limit}")


@dataclass(slots=True, frozen=True)
class Stream:
    """One stream: its place in the counters, its model, and the last row that was judged."""

    index: int
    name: str
    channels: tuple[str, ...]
    model: Model
    latest: Floats
    """(4, C) value, expected, lower, upper of the newest row; NaN before the first."""


class Counters:
    """Numbers of each stream, one array a quantity, entry i that of the fleet's i-th stream.

    One thread writes, any thread reads: each entry is one machine word, and the arrays never move, since the number of
    streams is bounded. Untouched pages cost no memory.
    """

    def __init__(self, limit: int) -> None:
        self.samples: Ints = np.zeros(limit, np.int64)
        """Accepted samples."""
        self.time: Ints = np.full(limit, NEVER, np.int64)
        """Nanoseconds since 1970 of the newest accepted sample; NEVER before the first."""
        self.sequence: Ints = np.full(limit, -1, np.int64)
        """Highest number seen; -1 before the first."""
        self.gaps: Floats = np.zeros(limit)
        """Numbers that were skipped; a float, for a stranger may skip any number of them."""
        self.restarts: Ints = np.zeros(limit, np.int64)
        """Times that the sender began to count anew."""
        self.heard: Floats = np.zeros(limit)
        """Monotonic seconds at which the stream was last heard, or taken in."""
        self.score: Floats = np.zeros(limit)
        """Anomaly score of the newest sample."""
        self.alarms: Ints = np.zeros(limit, np.int64)
        """Alarms raised."""
        self.active: Ints = np.zeros(limit, np.int64)
        """1 while an alarm is on."""
        self.culprit: Ints = np.zeros(limit, np.int64)
        """Index of the channel that raised the last alarm."""
        self.interval: Floats = np.zeros(limit)
        """Typical seconds between samples; 0 before there are two."""


class Fleet:
    """All streams, by name, in the order in which they came.

    recipe      what each model is made of; each stream has its own seed
    admission   which streams are taken in
    build       builds a model
    now         monotonic seconds at the start: from then on the known streams are expected

    Raises ModelError where a known stream's model cannot be built.
    """

    def __init__(self, recipe: Recipe, admission: Admission, build: ModelFactory, now: float) -> None:
        self.recipe, self.admission, self._build = recipe, admission, build
        self.counters = Counters(admission.limit)
        self._streams: dict[str, Stream] = {}
        for known in admission.known:
            self._add(known.name, known.channels, now)

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[Stream]:
        """The streams as they are now; safe while another thread adds one."""
        return iter(list(self._streams.values()))

    def __getitem__(self, name: str) -> Stream:
        return self._streams[name]

    def admit(self, name: str, channels: tuple[str, ...], now: float) -> Stream:
        """The stream of that name, taken in if it is new. Raises WireError with the reason where it is refused."""
        stream = self._streams.get(name)
        if stream is not None:
            if len(channels) != len(stream.channels):
                raise WireError(
                    Reason.WRONG_CHANNELS,
                    "wrong number of channels",
                    stream=name,
                    got=len(channels),
                    expected=len(stream.channels),
                )
            return stream
        if not any(fnmatchcase(name, pattern) for pattern in self.admission.admit):
            raise WireError(Reason.UNKNOWN_STREAM, "streams.admit has no pattern for this name", stream=name)
        if len(self) >= self.admission.limit:
            raise WireError(
                Reason.TOO_MANY_STREAMS, "streams.limit is reached", stream=name, expected=self.admission.limit
            )
        if not 1 <= len(channels) <= self.admission.channel_limit:
            raise WireError(
                Reason.WRONG_CHANNELS,
                "number of channels outside streams.channel_limit",
                stream=name,
                got=len(channels),
                expected=f"1 to {self.admission.channel_limit}",
            )
        if len(set(channels)) != len(channels):
            raise WireError(Reason.WRONG_CHANNELS, "two channels have one name", stream=name, got=channels)
        return self._add(name, channels, now)

    def silent(self, now: float) -> list[Stream]:
        """Streams from which nothing has come for too long at monotonic second `now`."""
        count = len(self)
        allowed: Floats | float = self.admission.silent_after
        if allowed == 0.0:
            allowed = np.maximum(AUTO_SILENCE * self.counters.interval[:count], SHORTEST_SILENCE)
        quiet = now - self.counters.heard[:count] > allowed
        return [stream for stream, is_quiet in zip(self, quiet, strict=False) if is_quiet]

    def total(self, statistic: str) -> float:
        """A running sum of the models (see `Model.statistics`), over all streams and channels."""
        return float(sum(stream.model.statistics[statistic].sum() for stream in self))

    def _add(self, name: str, channels: tuple[str, ...], now: float) -> Stream:
        recipe = msgspec.structs.replace(self.recipe, seed=stream_seed(self.recipe.seed, name))
        stream = Stream(len(self), name, channels, self._build(channels, recipe), np.full((4, len(channels)), np.nan))
        self.counters.heard[stream.index] = now
        self._streams[name] = stream
        return stream


def stream_seed(seed: int, name: str) -> int:
    """The seed of one stream, 0 … 2³¹ - 1: streams differ, and the same run gives the same weights.

    >>> stream_seed(0, "pump-3") == stream_seed(0, "pump-3"), stream_seed(0, "pump-3") == stream_seed(0, "pump-4")
    (True, False)
    """
    mixed = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=4).digest()
    return int.from_bytes(mixed, "little") >> 1
