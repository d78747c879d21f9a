"""Backfill: what the streams did before the start, learned before the first live sample is taken.

The past comes from CSV files, read as the connector `files` reads them, or from the range API of a Prometheus. Its rows
go through the engine like live ones; but no sink hears of them, and alarms that they raise are neither logged nor
counted: they are old news.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Any, ClassVar, Protocol, cast

import msgspec
from msgspec import Meta

from streamrnn.daemon.notify import notify
from streamrnn.daemon.progress import Progress
from streamrnn.daemon.range_api import MOST_VALUES, WAIT, QueryPart, is_name, read_address
from streamrnn.daemon.recorder import TextSource
from streamrnn.engine.alarms import CONDITION, LOG_EVENTS, moment
from streamrnn.engine.loop import Engine
from streamrnn.engine.ports import Batch, Reject, Source
from streamrnn.errors import ConfigError, ConnectorError, StreamrnnError
from streamrnn.wire import NAME_LENGTH

logger = logging.getLogger("streamrnn.backfill")

TOLD = 10.0
"""Seconds between two lines about progress, where no terminal shows it."""
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}

Items = Sequence[Batch | Reject]


class Backfill(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the past comes from. The `[backfill]` table."""

    files: tuple[str | dict[str, Any], ...] = ()
    """CSV files: paths, or tables with the keys of the source `files`."""
    prometheus: str = ""
    """Address of a Prometheus."""
    queries: dict[str, Any] = {}
    """By name of the stream: a query whose series are its channels, or a table of channel = query."""
    span: float | str = "7d"
    """How far back the queries go, up to now: seconds, or a text such as 7d or 1h30m."""
    step: Annotated[float, Meta(ge=0.001)] = 60.0
    """Seconds between two rows of the queries."""
    timeout: Annotated[float, Meta(gt=0.0, le=3600.0)] = 30.0
    """Seconds that one answer may take."""
    required: bool = True
    """Whether the daemon ends where the past cannot be had; false: it warns and starts."""


class Part(Protocol):
    """One file, or the queries of one stream."""

    @property
    def key(self) -> str:
        """Where it stands: file and key path."""

    @property
    def label(self) -> str:
        """What it is called in the log."""

    def read(self, engine: Engine) -> Generator[tuple[Items, float | None], None, None]:
        """Its rows, oldest first, with the share of it that they complete, None where that is unknown. Never takes
        longer than WAIT: where nothing has come by then, no rows."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be learned before the start, in this order."""

    parts: tuple[Part, ...] = ()
    required: bool = True


class Relay:
    """A source that asks another one, which is exchanged when the past has been learned."""

    Options: ClassVar[type[msgspec.Struct]] = msgspec.Struct

    def __init__(self) -> None:
        self.source: Source | None = None

    def next_batch(self, timeout: float) -> Items | None:
        """What the other one gives; its end where there is none."""
        try:
            return None if self.source is None else self.source.next_batch(timeout)
        except StreamrnnError:
            raise
        except Exception as problem:
            name = type(self.source).__name__
            raise ConnectorError("the source failed", where=name, got=repr(problem)) from problem

    def next_awake(self) -> float:
        """When the other one is to be asked again."""
        return 0.0 if self.source is None else self.source.next_awake()

    def snapshot(self) -> dict[str, Any]:
        """Where the other one stands."""
        return {} if self.source is None else self.source.snapshot()

    def close(self) -> None:
        """Close the other one."""
        if self.source is not None:
            self.source.close()


def backfill(plan: Plan, engine: Engine, relay: Relay, stop: threading.Event) -> int:
    """Have the engine learn the past, from parts one after the other; ends early when `stop` is set.

    engine  has not run yet; its source is `relay`, which is left without one

    How many samples it has learned. Raises ConnectorError naming the key where a part cannot be had and the plan
    requires it; what has been learned of it by then stays learned.
    """
    past = _Past(plan, engine, stop)
    relay.source = past
    sinks, engine.sinks = engine.sinks, {}
    hushed = logging.getLogger("streamrnn.engine")
    hushed.addFilter(_is_news)
    try:
        engine.run(stop)
    finally:
        hushed.removeFilter(_is_news)
        engine.sinks = sinks
        relay.source = None
        past.close()
    engine.fleet.counters.alarms[:] = 0
    engine.fleet.counters.held_back[:] = 0
    engine.fleet.counters.condition_starts[:] = 0
    return past.learned()


def _is_news(record: logging.LogRecord) -> bool:
    return getattr(record, "event", "") not in (CONDITION, *LOG_EVENTS.values())


class _Past:
    """The rows of all parts, as a source."""

    Options: ClassVar[type[msgspec.Struct]] = msgspec.Struct

    def __init__(self, plan: Plan, engine: Engine, stop: threading.Event) -> None:
        self._plan, self._engine, self._stop = plan, engine, stop
        self._before = 0
        self._before = self.learned()
        self._items = self._read_all()
        self._told = engine.clock.monotonic()

    def learned(self) -> int:
        """Samples learned so far."""
        return int(self._engine.fleet.counters.samples.sum()) - self._before

    def next_batch(self, timeout: float) -> Items | None:
        """See `Source`; ends when told to stop."""
        if self._stop.is_set():
            return None
        items = next(self._items, None)
        fleet = self._engine.fleet
        # nothing live can be heard yet: no stream is silent because of that
        fleet.counters.heard[: len(fleet)] = self._engine.clock.monotonic()
        return items

    def next_awake(self) -> float:
        """0: `next_batch` waits by itself."""
        return 0.0

    def snapshot(self) -> dict[str, Any]:
        """Empty: it begins anew at every start."""
        return {}

    def close(self) -> None:
        """Let go of what is open."""
        self._items.close()

    def _read_all(self) -> Generator[Items, None, None]:
        _extend_start()
        for part in self._plan.parts:
            try:
                yield from self._read(part)
            except StreamrnnError as problem:
                told = _of_part(problem, part, self._plan.required)
                if self._plan.required:
                    raise told from problem
                fields = {"event": "backfill", "fields": {"part": part.label}}
                logger.warning("%s", f"not backfilled: {told}", extra=fields)

    def _read(self, part: Part) -> Generator[Items, None, None]:
        before, refused, stream = self.learned(), self._engine.rejected(), ""
        _log(f"backfill: reading {part.label}", part=part.label)
        with (
            Progress(sys.stderr, f"backfill {part.label}") as bar,
            contextlib.closing(part.read(self._engine)) as rows,
        ):
            for items, share in rows:
                yield [self._ready(item) for item in items]
                stream = next((item.stream for item in items if isinstance(item, Batch)), stream)
                bar.update(self.learned() - before, share)
                self._tell(part, self.learned() - before, share)
        samples = self.learned() - before
        if not samples:
            now = self._engine.rejected()
            counts = [f"{now[reason] - refused[reason]} {reason}" for reason in now if now[reason] > refused[reason]]
            raise ConnectorError(
                "no sample of it could be used", got=", ".join(counts) or "no rows at all", expected="at least one"
            )
        self._report(part, stream, samples)

    def _ready(self, item: Batch | Reject) -> Batch | Reject:
        """A batch in the order of its stream's channels, and without numbers: live ones begin anew."""
        if isinstance(item, Reject):
            return item
        try:
            channels = self._engine.fleet[item.stream].channels
        except KeyError:
            channels = item.channels
        if sorted(channels) != sorted(item.channels):
            raise ConnectorError(
                f"its channels are not those of stream {item.stream!r}",
                got=", ".join(item.channels),
                expected=", ".join(channels),
            )
        columns = [item.channels.index(channel) for channel in channels]
        return Batch(item.stream, item.time, item.values[:, columns], channels)

    def _tell(self, part: Part, samples: int, share: float | None) -> None:
        now = self._engine.clock.monotonic()
        if now - self._told < TOLD:
            return
        self._told = now
        _extend_start()
        if not sys.stderr.isatty():
            done = "" if share is None else f", {share:.0%}"
            _log(f"backfill: {part.label}, {samples:,} samples so far{done}", part=part.label, samples=samples)

    def _report(self, part: Part, name: str, samples: int) -> None:
        stream = self._engine.fleet[name]
        newest = moment(int(self._engine.fleet.counters.time[stream.index]))
        state = "an alarm is on" if stream.model.alarm else "still warming up" if stream.model.warming else "warm"
        text = f"backfill: {samples:,} samples of {name} from {part.label}, the newest of {newest}; {state}"
        _log(text, part=part.label, stream=name, samples=samples, newest=newest, state=state)


def _of_part(problem: StreamrnnError, part: Part, required: bool) -> ConnectorError:
    """The same with the key of the part, and a way out."""
    hint = problem.hint
    if required:
        way_out = "backfill.required = false lets the daemon start without it"
        hint = f"{hint}. Or: {way_out}" if hint else f"Mend it; {way_out}"
    where = f"{part.key}: {problem.where}" if problem.where else part.key
    return ConnectorError(problem.what, where=where, got=problem.got, expected=problem.expected, hint=hint)


def _extend_start() -> None:
    """Ask a service manager that waits for READY=1 to wait on."""
    notify(f"EXTEND_TIMEOUT_USEC={int(6 * TOLD * 1e6)}")


def _log(text: str, **fields: object) -> None:
    logger.info("%s", text, extra={"event": "backfill", "fields": fields})


# ---------------------------------------------------------------- files


@dataclass(frozen=True, slots=True)
class FilePart:
    """One CSV file."""

    key: str
    connector: type[Source]
    options: msgspec.Struct
    path: str

    @property
    def label(self) -> str:
        """The file's name."""
        return PurePath(self.path).name

    def read(self, engine: Engine) -> Generator[tuple[Items, float | None], None, None]:
        """See `Part`."""
        build = cast(Callable[[msgspec.Struct], TextSource], self.connector)
        with contextlib.closing(build(self.options)) as source:
            while (items := source.next_batch(WAIT)) is not None:
                yield items, source.share


# ---------------------------------------------------------------- Prometheus


def query_parts(table: Backfill, where: str) -> Iterator[Part]:
    """What the keys for Prometheus ask for, checked. Raises ConfigError; `where` is the table's file and key path."""
    if bool(table.prometheus) != bool(table.queries):
        there, lacking = ("prometheus", "queries") if table.prometheus else ("queries", "prometheus")
        raise ConfigError(f"{there} without {lacking}", where=where, expected="both or neither")
    if not table.queries:
        return
    address = read_address(table.prometheus, f"{where}.prometheus")
    span, step = _milliseconds(table.span, f"{where}.span"), round(1000 * table.step)
    for stream, queries in table.queries.items():
        key = f"{where}.queries.{stream}"
        if not is_name(stream):
            raise ConfigError("no name of a stream", where=key, expected=f"1 to {NAME_LENGTH} printable characters")
        asked = queries if isinstance(queries, dict) else {"": queries}
        for channel, query in asked.items():
            place = f"{key}.{channel}" if isinstance(queries, dict) else key
            if not isinstance(query, str) or not query.strip():
                raise ConfigError("no query", where=place, got=json.dumps(query, default=str), expected="PromQL text")
            if isinstance(queries, dict) and not is_name(channel):
                raise ConfigError("no name", where=place, expected=f"1 to {NAME_LENGTH} printable characters")
        values = (span // step + 1) * len(asked)
        if not asked or values > MOST_VALUES or span < step:
            raise ConfigError(
                "no query" if not asked else "no step fits into the span" if span < step else "more than can be held",
                where=key,
                got=f"span / step x channels = {values}" if asked else "an empty table",
                expected=f"at most {MOST_VALUES}" if values > MOST_VALUES else None,
                hint="Make step larger or span shorter" if values > MOST_VALUES else None,
            )
        named = isinstance(queries, dict)
        yield QueryPart(key, stream, address, asked, named, span, step, table.timeout)


def _milliseconds(span: float | str, where: str) -> int:
    """A span of time; raises ConfigError."""
    seconds = span if not isinstance(span, str) else 0.0
    if isinstance(span, str) and re.fullmatch(r"(\d+(ms|[smhdwy]))+", span, re.ASCII):
        seconds = sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdwy])", span))
    if not 0.0 < seconds <= 100 * _UNITS["y"]:
        raise ConfigError(
            "no span of time",
            where=where,
            got=json.dumps(span),
            expected="seconds, or a text such as 7d or 1h30m, 100 years at the most",
        )
    return round(1000 * seconds)
