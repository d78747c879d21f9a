"""The engine: takes batches from a source, has each stream's model judge and learn them, hands results to sinks.

The order of things for one sample is that of the model (`streamrnn.tasks.detect`); the engine decides which samples
reach it. Nothing of a refused sample reaches any model, and no sample reaches the model of another stream.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import numpy as np

from streamrnn.engine.alarms import alarms_of, describe, moment
from streamrnn.engine.bounded_log import BoundedLog
from streamrnn.engine.clock import SystemClock
from streamrnn.engine.fleet import Admission, Fleet, Model, ModelFactory, Stream
from streamrnn.engine.order import check_clock, check_shape, sift
from streamrnn.engine.ports import Batch, Clock, Reject, Result, Sink, Source
from streamrnn.engine.tally import Tally
from streamrnn.errors import ConnectorError, Reason, StreamrnnError, WireError
from streamrnn.tasks.detect import Detector
from streamrnn.tasks.recipe import Recipe

logger = logging.getLogger("streamrnn.engine")

TURN = 0.2
"""Seconds that one turn of the loop waits for input at the most: how soon a stop is seen."""
DRAIN = 2.0
"""Seconds that may be spent, after a stop, on what has arrived before."""
NAMED = 10
"""Most streams that one look names as silent, or as heard again."""
FIRST_ROWS = 256
"""Rows of a batch that the model is given at first; then so many as SLICE_SECONDS and SLICE_BYTES allow, since a
compiled loop cannot be interrupted: signals, /healthz and sinks wait for its end."""
SLICE_SECONDS = 0.05
SLICE_BYTES = 4 * 2**20
PUBLISH_ROWS = 4096
"""Rows of results that are gathered before the sinks get them."""
HOUSEKEEPING = 1.0
"""Seconds between two looks at silent streams and held-back log lines."""


def detector(channels: tuple[str, ...], recipe: Recipe) -> Model:
    """The model that streams get unless told otherwise."""
    return Detector(channels=channels, recipe=recipe)


class Engine:
    """One source, any number of sinks, one model a stream.

    source      where samples come from; the caller closes it
    sinks       by the name that logs and metrics give them; the caller closes them
    recipe      what each stream's model is made of
    admission   which streams are taken in
    build       builds a model

    Raises ModelError where the model of an expected stream cannot be built.
    """

    def __init__(
        self,
        source: Source,
        sinks: Mapping[str, Sink],
        recipe: Recipe,
        *,
        admission: Admission | None = None,
        clock: Clock | None = None,
        build: ModelFactory = detector,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.fleet = Fleet(recipe, admission or Admission(), build, self.clock.monotonic())
        self.sinks = dict(sinks)
        self.sink_errors = dict.fromkeys(self.sinks, 0)
        self.tally = Tally()
        self.turned = self.clock.monotonic()
        """Monotonic seconds at which the loop last turned."""
        self._source = source
        self._log = BoundedLog(logger, self.clock)
        self._silent: set[str] = set()
        self._stop: threading.Event | None = None
        self._deadline: float | None = None
        self._housekept = self.turned

    def run(self, stop: threading.Event) -> None:
        """Turn until the source ends or `stop` is set; then use what has arrived, and flush the sinks.

        Raises what the source raises, after flushing: a StreamrnnError as it is, anything else as a ConnectorError.
        """
        self._stop = stop
        try:
            while not stop.is_set():
                arrived = self.turn(TURN)
                if arrived is None:
                    return
                if arrived == 0:
                    stop.wait(min(self._source.next_awake(), TURN))
            while not self._overdue() and self.turn(0.0):
                pass
        finally:
            self.flush()

    def turn(self, timeout: float) -> int | None:
        """Take what the source has, waiting up to `timeout` seconds for it. How much it was; None at its end."""
        arrived = self._ask(timeout)
        self.turned = self.clock.monotonic()
        results: list[Result] = []
        rows = 0
        for item in arrived or ():
            for result in self._take(item):
                results.append(result)
                rows += len(result.time)
                if rows >= PUBLISH_ROWS or self._overdue():
                    self._publish(results)
                    results, rows = [], 0
                self.turned = self.clock.monotonic()
        if results:
            self._publish(results)
        self._housekeep()
        return None if arrived is None else len(arrived)

    def flush(self) -> None:
        """Hand over what sinks and log still hold."""
        for name, sink in self.sinks.items():
            try:
                sink.flush()
            except Exception as problem:
                self._sink_failed(name, problem)
        self._log.flush(everything=True)

    def rejected(self) -> dict[Reason, int]:
        """Refused samples and messages, and masked values, since the start."""
        counts = {reason: int(count) for reason, count in zip(Reason, self.tally.rejected, strict=True)}
        counts[Reason.NOT_FINITE] += int(self.fleet.total("not_finite"))
        return counts

    def _ask(self, timeout: float) -> Sequence[Batch | Reject] | None:
        try:
            return self._source.next_batch(timeout)
        except StreamrnnError:
            raise
        except Exception as problem:
            raise ConnectorError("the source failed", where=type(self._source).__name__, got=repr(problem)) from problem

    def _take(self, item: Batch | Reject) -> Iterator[Result]:
        """The results of one batch: several where it is long, none where nothing of it was used."""
        if isinstance(item, Reject):
            self._reject(item.reason, item.stream, item.detail, item.count)
            return
        if len(item.time) == 0:
            return
        now = self.clock.monotonic()
        try:
            check_shape(item)
            check_clock(item, self.clock.now(), self.fleet.admission.most_ahead)
            stream = self.fleet.admit(item.stream, item.channels, now)
        except WireError as refusal:
            detail = str(refusal).removeprefix(f"{item.stream}: ")
            self._reject(refusal.reason, item.stream, detail, len(item.time))
            return
        self.fleet.counters.heard[stream.index] = now
        batch = self._sift(item, stream)
        start, count = 0, FIRST_ROWS
        while start < len(batch.time):
            if self._overdue():
                self._log.warn("stopped", stream.name, f"{stream.name}: left unread", len(batch.time) - start)
                return
            part = slice(start, start + count)
            began = self.clock.monotonic()
            result = self._learn(Batch(batch.stream, batch.time[part], batch.values[part], batch.channels), stream)
            seconds = self.clock.monotonic() - began
            yield result
            start += count
            affordable = int(count * SLICE_SECONDS / max(seconds, 1e-6))
            count = max(1, min(affordable, 2 * count, SLICE_BYTES // (24 * max(result.forecast[0].size, 1))))

    def _overdue(self) -> bool:
        """Whether a stop was asked for DRAIN seconds ago: what has arrived and is not learned yet is then left."""
        if self._deadline is None and self._stop is not None and self._stop.is_set():
            self._deadline = self.clock.monotonic() + DRAIN
        return self._deadline is not None and self.clock.monotonic() > self._deadline

    def _sift(self, item: Batch, stream: Stream) -> Batch:
        counters, i = self.fleet.counters, stream.index
        sifted = sift(item, int(counters.time[i]), int(counters.sequence[i]))
        counters.sequence[i] = sifted.sequence
        if sifted.gap:
            counters.gaps[i] += sifted.gap
            self._log.warn("gap", stream.name, f"{stream.name}: samples were lost on the way", sifted.gap)
        if sifted.restarted:
            counters.restarts[i] += 1
            self._log.warn("restart", stream.name, f"{stream.name}: the sender counts its samples anew")
        if sifted.late:
            oldest, newest = int(item.time.min()), int(counters.time[i])
            detail = f"earlier than the stream's newest sample (got {moment(oldest)}, newest {moment(newest)})"
            self._reject(Reason.LATE, stream.name, detail, sifted.late)
        if sifted.duplicate:
            self._reject(Reason.DUPLICATE, stream.name, "seen before", sifted.duplicate)
        return sifted.batch

    def _learn(self, batch: Batch, stream: Stream) -> Result:
        counters, i, model = self.fleet.counters, stream.index, stream.model
        values = np.ascontiguousarray(batch.values, np.float64)
        count = len(batch.time)
        began = self.clock.monotonic()
        rows = model.run(np.ascontiguousarray(batch.time, np.int64), values)
        self.tally.step(self.clock.monotonic() - began, count)
        alarms, counters.culprit[i] = alarms_of(batch, stream.channels, rows, int(counters.culprit[i]))
        for place, row in enumerate((values, rows.expected, rows.lower, rows.upper)):
            stream.latest[place] = row[-1]
        counters.samples[i] += count
        counters.time[i] = batch.time[-1]
        counters.score[i] = rows.score[-1]
        counters.interval[i] = model.interval
        counters.active[i] = model.alarm
        newest = int(batch.time[-1])
        self.tally.newest = newest if self.tally.newest is None else max(self.tally.newest, newest)
        counters.alarms[i] += sum(alarm.raised for alarm in alarms)
        for alarm in alarms:
            level = logging.WARNING if alarm.raised else logging.INFO
            event = "alarm" if alarm.raised else "cleared"
            logger.log(level, describe(alarm), extra={"event": event, "fields": asdict(alarm)})
        return Result(
            stream=stream.name,
            channels=stream.channels,
            time=batch.time,
            values=values,
            expected=rows.expected,
            lower=rows.lower,
            upper=rows.upper,
            score=rows.score,
            share=rows.share,
            forecast=rows.forecast,
            forecast_lower=rows.forecast_lower,
            forecast_upper=rows.forecast_upper,
            level=self.fleet.recipe.level,
            interval=model.interval,
            warming=rows.warming,
            alarms=alarms,
        )

    def _publish(self, results: list[Result]) -> None:
        for name, sink in self.sinks.items():
            try:
                sink.write(results)
            except Exception as problem:
                self._sink_failed(name, problem)

    def _sink_failed(self, name: str, problem: Exception) -> None:
        self.sink_errors[name] += 1
        self._log.warn("sink", name, f"sink {name} failed: {problem!r}", sink=name)

    def _reject(self, reason: Reason, stream: str, detail: str, count: int) -> None:
        self.tally.reject(reason, count)
        text = ": ".join(part for part in (stream or "unknown stream", reason, detail[:200]) if part)
        self._log.warn(f"rejected {reason}", stream, text, count, reason=str(reason), stream=stream)

    def _housekeep(self) -> None:
        now = self.clock.monotonic()
        if now - self._housekept < HOUSEKEEPING:
            return
        self._housekept = now
        self._log.flush()
        silent = {stream.name for stream in self.fleet.silent(now)}
        for event, names in (("silent", silent - self._silent), ("heard", self._silent - silent)):
            state = "is silent" if event == "silent" else "is heard again"
            level = logging.WARNING if event == "silent" else logging.INFO
            for name in sorted(names)[:NAMED]:
                logger.log(level, f"{name} {state}", extra={"event": event, "fields": {"stream": name}})
            if len(names) > NAMED:
                more = len(names) - NAMED
                logger.log(level, f"… and {more} more: {state}", extra={"event": event, "fields": {"more": more}})
        self._silent = silent
