"""The fleet: which streams there are, the model of each, and their counters."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any, Protocol

import msgspec
import numpy as np
from msgspec import Meta

from streamrnn._types import Bools, Floats, Ints
from streamrnn.engine.conditions import Conditions
from streamrnn.engine.maintenance import Calendar, Maintenance
from streamrnn.engine.order import NEVER
from streamrnn.engine.ports import CONDITIONS, Batch
from streamrnn.errors import Reason, WireError
from streamrnn.kernels.conditions import arrival_observe, silence_limit, silent_streams
from streamrnn.tasks.recipe import Recipe
from streamrnn.wire import default_channels


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
        """(N,) 1 where an event starts, 2 where it is told to go on, -1 where it is resolved, else 0."""

    @property
    def event_score(self) -> Floats: ...
    @property
    def event_channel(self) -> Ints: ...
    @property
    def event_since(self) -> Ints: ...
    @property
    def event_cause(self) -> Ints:
        """(N,) 1: what came was odd; 2: it was out of range; these four of each row of an event that is not muted."""

    @property
    def event_excess(self) -> Floats:
        """(N,) -ln of the share of the events begun by noise that peak as high as the one that lasts has so far."""

    @property
    def event_ways(self) -> Floats:
        """(N, 4) evidence where an event starts, see `Alarm.ways`."""

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
    def refusing(self) -> bool:
        """True while an event lasts that is not learned as normal."""

    @property
    def variant(self) -> str:
        """What of its recipe the model has, where a time budget was given."""

    @property
    def skill(self) -> Floats:
        """(C,) 1 - mean absolute error over that of the best baseline; NaN before the first forecast is judged."""

    @property
    def gradient_cosine(self) -> float:
        """The gradient audit's estimate; NaN without one."""

    @property
    def statistics(self) -> dict[str, Floats]:
        """Running sums since the start, (C,) each: judged, absolute_error, absolute_change, covered, missing, …"""

    def run(self, time: Ints, values: Floats) -> Rows:
        """Judge and learn N rows: time (N,) nanoseconds, strictly increasing over all calls; values (N, C)."""

    def accept(self) -> None:
        """What goes on now is normal: learn it."""

    def forgetting(self, since: int, until: int) -> Iterator[int]:
        """As if nothing had been seen from `since` to `until` (nanoseconds, both included), once the iterator has
        ended: each step learns some rows again, and says how many of them were forgotten. No other rows come meanwhile.
        Raises InputError at the call where that is not possible any more."""

    def mute(self, *, alarms: bool, learning: bool) -> None:
        """Maintenance: from the next row on events are not told, and rows not learned, where True."""


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
    """Seconds without a sample after which a stream is silent; 0: three of its expected intervals, and 15 mean
    deviations of its arrivals from their rhythm; 1 s at the least, and 5 s before eight have come."""
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
    """One stream: its place in the counters, its model, the last row that was judged, its conditions and windows."""

    index: int
    name: str
    channels: tuple[str, ...]
    model: Model
    latest: Floats
    """(4, C) value, expected, lower, upper of the newest row; NaN before the first."""
    conditions: Conditions
    calendar: Calendar
    """Its maintenance windows."""


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
        """Events told to have started."""
        self.held_back: Ints = np.zeros(limit, np.int64)
        """Events that were held back at their start, whether told later or not."""
        self.active: Ints = np.zeros(limit, np.int64)
        """1 while an event lasts that was told."""
        self.holding: Ints = np.zeros(limit, np.int64)
        """1 while one lasts that is held back."""
        self.culprit: Ints = np.zeros(limit, np.int64)
        """Index of the channel with which the last event started."""
        self.since: Ints = np.zeros(limit, np.int64)
        """Nanoseconds since 1970 of that event's first row."""
        self.interval: Floats = np.zeros(limit)
        """Seconds in which the next sample may be expected, by the samples' own times; 0 before there are two."""
        self.arrivals: Ints = np.zeros(limit, np.int64)
        """Times that something came."""
        self.rhythm: Floats = np.zeros(limit)
        """Mean monotonic seconds between these times: a sender of blocks comes less often than its samples."""
        self.unrest: Floats = np.zeros(limit)
        """Their mean deviation from it."""
        self.muted: Ints = np.zeros(limit, np.int64)
        """What maintenance mutes: 1 alarms, 2 learning, 3 both."""
        self.conditions: Ints = np.zeros((limit, len(CONDITIONS)), np.int64)
        """How many channels have each condition that was told, in the order of CONDITIONS; silence and rate: 0 or 1."""
        self.condition_starts: Ints = np.zeros(len(CONDITIONS), np.int64)
        """Conditions that were told, of all streams."""


class Fleet:
    """All streams, by name, in the order in which they came.

    recipe      what each model is made of; each stream has its own seed
    admission   which streams are taken in
    build       builds a model
    now         monotonic seconds at the start: from then on the known streams are expected
    windows     maintenance

    Raises ModelError where a known stream's model cannot be built.
    """

    def __init__(
        self,
        recipe: Recipe,
        admission: Admission,
        build: ModelFactory,
        now: float,
        windows: Sequence[Maintenance] = (),
    ) -> None:
        self.recipe, self.admission, self._build, self._windows = recipe, admission, build, windows
        self._excuse, self._excused = 0.0, now
        c = self.counters = Counters(admission.limit)
        self._arrivals: list[Any] = [admission.silent_after, c.interval, c.arrivals, c.rhythm, c.unrest, c.heard]
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
            if not _alike(channels, stream.channels):
                raise WireError(
                    Reason.WRONG_CHANNELS,
                    "other channels than the stream was taken in with: other data needs a stream of another name, "
                    "and a channel that was renamed a restart of the daemon",
                    stream=name,
                    got=", ".join(channels),
                    expected=", ".join(stream.channels),
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

    def worked(self, began: float, ended: float) -> None:
        """The loop was at work and could hear nothing: that much is no silence, for as long again afterwards."""
        if ended - began >= self._excuse or ended > self._excused:
            self._excuse, self._excused = ended - began, 2.0 * ended - began

    def hear(self, stream: Stream, now: float) -> None:
        """Something of the stream has come at monotonic second `now`."""
        arrival_observe(stream.index, now, self._unheard(now), *self._arrivals)

    def silent(self, now: float) -> list[Stream]:
        """Streams from which nothing has come for too long at monotonic second `now`."""
        found: Ints = np.zeros(len(self), np.int64)
        given = [*self._arrivals, found]
        silent_streams(now, self._unheard(now), *given)
        streams = list(self) if found.any() else []
        return [streams[i] for i in np.flatnonzero(found)]

    def quiet(self, stream: Stream, now: float) -> float:
        """Seconds without anything of the stream, at monotonic second `now`."""
        return float(now - self.counters.heard[stream.index] - self._unheard(now))

    def patience(self, stream: Stream) -> float:
        """Seconds without anything of the stream after which it is silent."""
        c, i = self.counters, stream.index
        asked = self.admission.silent_after
        return float(silence_limit(asked, c.interval[i], c.arrivals[i], c.rhythm[i], c.unrest[i]))

    def _unheard(self, now: float) -> float:
        return self._excuse if now <= self._excused else 0.0

    def total(self, statistic: str) -> float:
        """A running sum of the models (see `Model.statistics`), over all streams and channels."""
        return float(sum(stream.model.statistics[statistic].sum() for stream in self))

    def _add(self, name: str, channels: tuple[str, ...], now: float) -> Stream:
        recipe = msgspec.structs.replace(self.recipe, seed=stream_seed(self.recipe.seed, name))
        stream = Stream(
            index=len(self),
            name=name,
            channels=channels,
            model=self._build(channels, recipe),
            latest=np.full((4, len(channels)), np.nan),
            conditions=Conditions(name, channels),
            calendar=Calendar(self._windows, name),
        )
        self.counters.heard[stream.index] = now
        self._streams[name] = stream
        return stream


def _alike(channels: tuple[str, ...], known: tuple[str, ...]) -> bool:
    """Whether channels may be those of a stream: the same names in any order, or none given on one side."""
    unnamed = default_channels(len(known))
    return channels == known or unnamed in (channels, known) or sorted(channels) == sorted(known)


def in_order(batch: Batch, channels: tuple[str, ...]) -> Batch:
    """An admitted batch with its values in the stream's order, by the names of its channels where it has them."""
    if batch.channels == channels or sorted(batch.channels) != sorted(channels):
        return batch
    columns = [batch.channels.index(channel) for channel in channels]
    return Batch(batch.stream, batch.time, batch.values[:, columns], channels, batch.sequence)


def stream_seed(seed: int, name: str) -> int:
    """The seed of one stream, 0 … 2³¹ - 1: streams differ, and the same run gives the same weights.

    >>> stream_seed(0, "pump-3") == stream_seed(0, "pump-3"), stream_seed(0, "pump-3") == stream_seed(0, "pump-4")
    (True, False)
    """
    mixed = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=4).digest()
    return int.from_bytes(mixed, "little") >> 1
