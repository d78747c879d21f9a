"""The engine: takes batches from a source, has each stream's model judge and learn them, hands results to sinks.

The order of things for one sample is that of the model (`streamrnn.tasks.detect`); the engine decides which samples
reach it. Nothing of a refused sample reaches any model, and no sample reaches the model of another stream.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import TypeVar

import numpy as np

from streamrnn.engine.alarms import CONDITION, LOG_EVENTS, alarms_of, describe, log_fields, moment, parts_of
from streamrnn.engine.bounded_log import BoundedLog
from streamrnn.engine.clock import SystemClock
from streamrnn.engine.discoveries import Discoveries, Discovery
from streamrnn.engine.fleet import Admission, Fleet, Model, ModelFactory, Stream, in_order
from streamrnn.engine.forgetting import Forgetting
from streamrnn.engine.maintenance import Maintenance
from streamrnn.engine.order import NEVER, check_clock, check_shape, sift
from streamrnn.engine.ports import CONDITIONS, Alarm, Batch, Clock, Phase, Reject, Result, Sink, Source
from streamrnn.engine.tally import Tally
from streamrnn.errors import ConnectorError, InputError, Reason, StreamrnnError, WireError
from streamrnn.tasks.detect import Detector
from streamrnn.tasks.recipe import Recipe

logger = logging.getLogger("streamrnn.engine")
T = TypeVar("T")

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
HOUSEKEEPING = 0.25
"""Seconds between two looks at silent streams and held-back log lines."""
WISHES = 16
"""Calls from other threads that wait at the most."""
SILENT = CONDITIONS.index("silent")
MUTE_ALARMS, MUTE_LEARNING = 1, 2


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
    windows     maintenance: what is muted, when, and of which streams
    alarms      which events are told of all streams together

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
        windows: Sequence[Maintenance] = (),
        alarms: Discovery | None = None,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.fleet = Fleet(recipe, admission or Admission(), build, self.clock.monotonic(), windows)
        self.discoveries = Discoveries(alarms or Discovery(), recipe.alarms_per_week, self.fleet.admission.limit)
        self.sinks = dict(sinks)
        self.sink_errors = dict.fromkeys(self.sinks, 0)
        self.tally = Tally()
        self.turned = self.clock.monotonic()
        """Monotonic seconds at which the loop last turned."""
        self._source = source
        self._log = BoundedLog(logger, self.clock)
        self._silent: dict[str, int] = {}
        self._forgetting: dict[str, Forgetting] = {}
        self._waiting: list[Batch] = []
        self._wishes: queue.Queue[Callable[[], None]] = queue.Queue(WISHES)
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
                    self._settle()
                    return
                if arrived == 0 and not self._forgetting and not self._waiting:
                    stop.wait(min(self._source.next_awake(), TURN))
            while not self._overdue() and self.turn(0.0):
                pass
            self._settle()
        finally:
            for work in self._forgetting.values():
                work.done.set_exception(InputError("the loop has ended", where=work.stream.name))
            self.flush()

    def call(self, wish: Callable[[], T], timeout: float) -> T:
        """For other threads: what `wish()` returns or raises, done by the thread of the loop between two parts of its
        work. Raises queue.Full where too many are waiting, TimeoutError where it was not begun in time."""
        answer: Future[T] = Future()

        def fulfil() -> None:
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(wish())
                except Exception as problem:
                    answer.set_exception(problem)

        self._wishes.put_nowait(fulfil)
        try:
            return answer.result(timeout)
        except TimeoutError:
            if answer.cancel():
                raise
            return answer.result()  # it is being done: what comes of it is to be told

    def accept(self, name: str) -> bool:
        """What goes on in a stream is normal: it is learned from its next row on. Whether anything goes on that is not
        learned, or an event; else nothing is done. For the thread of the loop (`call`). Raises KeyError, and InputError
        while a window of the stream is being forgotten."""
        stream = self.fleet[name]
        self._refuse_while_forgetting(name)
        lasts = stream.model.alarm or stream.model.refusing
        if lasts:
            stream.model.accept()
            fields = {"stream": name}
            logger.info(f"{name}: accepted as normal", extra={"event": "accepted", "fields": fields})
        return lasts

    def forget(self, name: str, since: int, until: int) -> Future[int]:
        """As if nothing had come of a stream from `since` to `until`, nanoseconds since 1970, both included. How many
        rows were forgotten, once that is done: the loop does it between the rows of other streams, and those of the
        stream wait. For the thread of the loop (`call`).

        An event that is gone by that is told to be resolved. Raises KeyError, and InputError where what was before is
        not kept any more.
        """
        stream = self.fleet[name]
        if not since <= until:
            raise InputError("the window ends before it begins", got=f"{moment(since)} to {moment(until)}")
        self._refuse_while_forgetting(name)
        work = Forgetting(stream, since, until, stream.model.forgetting(since, until))
        self._forgetting[name] = work
        return work.done

    def _refuse_while_forgetting(self, name: str) -> None:
        if name in self._forgetting:
            raise InputError("a window of this stream is being forgotten", where=name, hint="Ask again when it is done")

    def _go_back(self) -> None:
        """A slice of the windows that are to be forgotten, then the rows that had to wait for it."""
        for name, work in list(self._forgetting.items()):
            began = self.clock.monotonic()
            while work.step():
                if self.clock.monotonic() - began >= SLICE_SECONDS:
                    return
            del self._forgetting[name]
            self._forgot(work)
            self._waiting += work.waiting

    def _must_wait(self, item: Batch) -> bool:
        """Put rows aside where their stream is not ready, or others of it wait already."""
        work = self._forgetting.get(item.stream)
        if work is None and not any(other.stream == item.stream for other in self._waiting):
            return False
        (self._waiting if work is None else work.waiting).append(item)
        return True

    def _forgot(self, work: Forgetting) -> None:
        if work.failed is not None:
            work.done.set_exception(work.failed)
            return
        stream, name = work.stream, work.stream.name
        counters, i = self.fleet.counters, stream.index
        self._mute(stream, int(counters.muted[i]))
        text = f"{name}: forgot {work.rows} rows, {moment(work.since)} to {moment(work.until)}"
        logger.info(text, extra={"event": "forgot", "fields": {"stream": name, "rows": work.rows}})
        if counters.active[i] and not stream.model.alarm:
            c, newest = int(counters.culprit[i]), int(counters.time[i])
            value, expected, lower, upper = stream.latest[:, c].tolist()
            why = parts_of(stream.channels, stream.conditions.arena["why"])
            alarm = Alarm(
                stream=name,
                time=newest,
                phase="resolved",
                score=math.nan,
                channel=stream.channels[c],
                value=value,
                expected=expected,
                lower=lower,
                upper=upper,
                since=int(counters.since[i]),
                why=why,
            )
            self._tell([alarm])
            self._publish([self._without_rows(stream, [alarm])])
        if not stream.model.alarm:
            self.discoveries.drop(i)
        self._note_event(stream)
        work.done.set_result(work.rows)

    def turn(self, timeout: float) -> int | None:
        """Take what the source has, waiting up to `timeout` seconds for it. How much it was; None at its end."""
        self._fulfil()
        arrived = self._ask(0.0 if self._forgetting or self._waiting else timeout)
        self.turned = began = self.clock.monotonic()
        self._go_back()
        self._work(arrived or ())
        self.fleet.worked(began, self.clock.monotonic())
        self._housekeep()
        return None if arrived is None else len(arrived)

    def _work(self, arrived: Sequence[Batch | Reject]) -> None:
        """Use what has come, what had to wait for it first, and publish the results."""
        waited, self._waiting = self._waiting, []
        results: list[Result] = []
        rows = 0
        for found in (*(self._use(item, self.fleet[item.stream]) for item in waited), *map(self._take, arrived)):
            for result in found:
                results.append(result)
                rows += len(result.time)
                if rows >= PUBLISH_ROWS or self._overdue():
                    self._publish(results)
                    results, rows = [], 0
                self.turned = self.clock.monotonic()
                self._fulfil()
                self._go_back()
        if results:
            self._publish(results)

    def _settle(self) -> None:
        """What is to be forgotten, and the rows that wait for it, at the end of the source or after a stop."""
        while (self._forgetting or self._waiting) and not self._overdue():
            self._go_back()
            self._work(())

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

    def _fulfil(self) -> None:
        """Do what other threads have asked for, each once it was asked before this call."""
        for _ in range(self._wishes.qsize()):
            self._wishes.get_nowait()()

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
        self.fleet.hear(stream, now)
        yield from self._use(item, stream)

    def _use(self, item: Batch, stream: Stream) -> Iterator[Result]:
        """The results of a batch that was taken in, for which the stream is known."""
        if self._must_wait(item):
            return
        batch = self._sift(in_order(item, stream.channels), stream)
        start, count = 0, FIRST_ROWS
        while start < len(batch.time):
            if start and self._must_wait(Batch(batch.stream, batch.time[start:], batch.values[start:], batch.channels)):
                return
            if self._overdue():
                self._log.warn("stopped", stream.name, f"{stream.name}: left unread", len(batch.time) - start)
                return
            stop = start + count
            if stream.calendar.windows:
                stop = min(stop, self._maintain(stream, batch, start))
            part = slice(start, stop)
            began = self.clock.monotonic()
            result = self._learn(Batch(batch.stream, batch.time[part], batch.values[part], batch.channels), stream)
            seconds = self.clock.monotonic() - began
            yield result
            start = stop
            affordable = int(count * SLICE_SECONDS / max(seconds, 1e-6))
            count = max(1, min(affordable, 2 * count, SLICE_BYTES // (24 * max(result.forecast[0].size, 1))))

    def _maintain(self, stream: Stream, batch: Batch, start: int) -> int:
        """Mute what is muted at row `start` of a batch; the row up to which that stays so."""
        span = stream.calendar.at(int(batch.time[start]))
        muted = span.alarms * MUTE_ALARMS | span.learning * MUTE_LEARNING
        if muted != self.fleet.counters.muted[stream.index]:
            self._mute(stream, muted)
        return int(np.searchsorted(batch.time, span.end))

    def _mute(self, stream: Stream, muted: int) -> None:
        stream.model.mute(alarms=bool(muted & MUTE_ALARMS), learning=bool(muted & MUTE_LEARNING))
        before = int(self.fleet.counters.muted[stream.index])
        self.fleet.counters.muted[stream.index] = muted
        if muted != before:
            what = ("nothing is", "alarms are", "learning is", "alarms and learning are")[muted]
            fields = {
                "stream": stream.name,
                "alarms": bool(muted & MUTE_ALARMS),
                "learning": bool(muted & MUTE_LEARNING),
            }
            text = f"{stream.name}: {what} muted"
            logger.info(text, extra={"event": "maintenance", "fields": fields})

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
        conditions, muted = stream.conditions, int(counters.muted[i])
        why = conditions.arena["why"]
        before = int(counters.time[i])
        gaps = np.diff(batch.time, prepend=batch.time[0] if before == NEVER else before)
        heard = max(len(self.fleet) - len(self._silent), 1)
        told = self.discoveries.judge(i, gaps, rows.event, rows.event_excess, rows.event_cause, heard)
        alarms, counters.culprit[i] = alarms_of(batch, stream.channels, rows, told, int(counters.culprit[i]), why)
        for alarm in alarms:
            if alarm.phase == "started":
                counters.alarms[i] += 1
                counters.since[i] = alarm.since
            elif alarm.phase == "held_back":
                counters.held_back[i] += 1
        found = conditions.run(
            batch.time,
            values,
            rows.expected,
            rows.lower,
            rows.upper,
            muted=bool(muted & MUTE_ALARMS),
            learn=not muted & MUTE_LEARNING,
        )
        if found:
            alarms = sorted(alarms + found, key=lambda alarm: alarm.time)
            for cause, channels in conditions.told().items():
                counters.conditions[i, CONDITIONS.index(cause)] = channels
        for place, row in enumerate((values, rows.expected, rows.lower, rows.upper)):
            stream.latest[place] = row[-1]
        counters.samples[i] += count
        counters.time[i] = batch.time[-1]
        counters.score[i] = rows.score[-1]
        counters.interval[i] = conditions.interval or model.interval
        self._note_event(stream)
        newest = int(batch.time[-1])
        self.tally.newest = newest if self.tally.newest is None else max(self.tally.newest, newest)
        self._tell(alarms)
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

    def _note_event(self, stream: Stream) -> None:
        counters, i = self.fleet.counters, stream.index
        counters.holding[i] = self.discoveries.holding(i)
        counters.active[i] = stream.model.alarm and not counters.holding[i]

    def _tell(self, alarms: Sequence[Alarm]) -> None:
        """Log alarms, and count the conditions among them."""
        for alarm in alarms:
            condition = alarm.cause in CONDITIONS
            if condition and alarm.phase == "started":
                self.fleet.counters.condition_starts[CONDITIONS.index(alarm.cause)] += 1
            level = logging.INFO if alarm.phase in ("resolved", "held_back") else logging.WARNING
            event = CONDITION if condition else LOG_EVENTS[alarm.phase]
            logger.log(level, describe(alarm), extra={"event": event, "fields": log_fields(alarm)})

    def _without_rows(self, stream: Stream, alarms: list[Alarm]) -> Result:
        """A result that has alarms alone."""
        none, channels, horizon = np.zeros(0), len(stream.channels), self.fleet.recipe.horizon
        table, ahead = np.zeros((0, channels)), np.zeros((0, horizon, channels))
        return Result(
            stream=stream.name,
            channels=stream.channels,
            time=np.zeros(0, np.int64),
            values=table,
            expected=table,
            lower=table,
            upper=table,
            score=none,
            share=table,
            forecast=ahead,
            forecast_lower=ahead,
            forecast_upper=ahead,
            level=self.fleet.recipe.level,
            interval=stream.model.interval,
            warming=np.zeros(0, np.bool_),
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
        self._look_for_silence(now)

    def _look_for_silence(self, now: float) -> None:
        """Tell of the streams that are silent now, and of those that are so no longer."""
        silent = self.fleet.silent(now)
        if not silent and not self._silent:
            return
        wall = self.clock.now()
        names = {stream.name for stream in silent}
        heard = [self.fleet[name] for name in self._silent if name not in names]
        fresh = [s for s in silent if s.name not in self._silent and not s.calendar.at(wall).alarms]
        told: dict[Phase, list[Alarm]] = {"started": [], "resolved": []}
        for stream in sorted(fresh, key=lambda s: s.name):
            quiet = self.fleet.quiet(stream, now)
            self._silent[stream.name] = wall - round(quiet * 1e9)
            told["started"].append(self._silence(stream, "started", wall, quiet))
        for stream in sorted(heard, key=lambda s: s.name):
            told["resolved"].append(self._silence(stream, "resolved", wall, max(self.fleet.quiet(stream, now), 0.0)))
            del self._silent[stream.name]
        for phase, alarms in told.items():
            self._tell(alarms[:NAMED])
            if len(alarms) > NAMED:
                more, started = len(alarms) - NAMED, phase == "started"
                if started:
                    self.fleet.counters.condition_starts[SILENT] += more
                state = "silent" if started else "heard again"
                fields = {"cause": "silent", "phase": phase, "more": more}
                level = logging.WARNING if started else logging.INFO
                logger.log(level, f"… and {more} more: {state}", extra={"event": CONDITION, "fields": fields})
            if alarms:
                self._publish([self._without_rows(self.fleet[alarm.stream], [alarm]) for alarm in alarms])

    def _silence(self, stream: Stream, phase: Phase, wall: int, quiet: float) -> Alarm:
        counters, i = self.fleet.counters, stream.index
        counters.conditions[i, SILENT] = phase == "started"
        return Alarm(
            stream=stream.name,
            time=wall,
            phase=phase,
            score=math.nan,
            channel="",
            value=quiet,
            expected=float(counters.interval[i]),
            lower=math.nan,
            upper=self.fleet.patience(stream),
            since=self._silent[stream.name],
            cause="silent",
        )
