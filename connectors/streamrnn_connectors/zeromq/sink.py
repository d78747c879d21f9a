"""ZeromqSink: forecasts, scores and alarms on a PUSH or PUB socket, one JSON object or MessagePack map a message."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import zmq
from msgspec import Meta
from streamrnn_connectors.zeromq.link import Link, check_endpoint

from streamrnn.engine.ports import Alarm, Floats, Result

LINGER = 1.0
"""Seconds that close() waits for messages under way."""


class ZeromqSinkOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `[[sinks]]` table with `connector = "zeromq"`."""

    socket: Literal["pub", "push"] = "pub"
    """pub: to every subscriber that is there. push: each message reaches one receiver, and is held while none is."""
    bind: str = ""
    """Endpoint to listen on, as tcp://127.0.0.1:5601; port * takes any free one. Exactly one of bind and connect."""
    connect: str = ""
    """Endpoint of a receiver that listens."""
    send: tuple[Literal["forecast", "score", "alarm"], ...] = ("forecast", "score", "alarm")
    """Kinds of message to send."""
    encoding: Literal["json", "messagepack"] = "json"
    """How messages are written."""
    high_water_mark: Annotated[int, Meta(ge=1, le=10_000_000)] = 10_000
    """Messages held for each receiver; further ones are dropped."""
    insecure: bool = False
    """Allow a bind that other machines can reach. Nothing is encrypted or authenticated."""

    def __post_init__(self) -> None:
        check_endpoint(self.bind, self.connect, self.insecure)
        if not self.send:
            raise ValueError("got an empty send, expected at least one of forecast, score, alarm")


class ZeromqSink:
    """Results as messages; see README.md for their form. Raises ConnectorError where it cannot be opened."""

    Options: ClassVar[type[msgspec.Struct]] = ZeromqSinkOptions

    def __init__(self, options: ZeromqSinkOptions) -> None:
        self._link = Link(
            options.socket,
            bind=options.bind,
            connect=options.connect,
            high_water_mark=options.high_water_mark,
            linger=LINGER,
            insecure=options.insecure,
        )
        self._kinds = frozenset(options.send)
        self._encode: Callable[[Any], bytes] = (
            msgspec.json.Encoder().encode if options.encoding == "json" else msgspec.msgpack.Encoder().encode
        )
        self._sent: Counter[tuple[str, str]] = Counter()
        self._dropped = 0

    @property
    def endpoint(self) -> str:
        """Where the socket is: with the real port where `*` was asked for."""
        return self._link.endpoint

    @property
    def dropped(self) -> int:
        """Messages that found the socket full, or nobody to take them (push). What pub drops for a slow subscriber
        only that subscriber sees: as a gap in `seq`."""
        return self._dropped

    def write(self, results: Sequence[Result]) -> None:
        """Send the messages of `results`, without ever waiting."""
        for result in results:
            for kind, fields in self._messages(result):
                key = (kind, result.stream)
                head = {"kind": kind, "stream": result.stream, "seq": self._sent[key]}
                self._sent[key] += 1
                try:
                    self._link.socket.send(self._encode(head | fields), zmq.NOBLOCK)
                except zmq.Again:
                    self._dropped += 1

    def flush(self) -> None:
        """Nothing to do: what write() has taken is libzmq's already, which sends it in its own thread."""

    def close(self) -> None:
        """Close, waiting a second at the most for messages under way."""
        self._link.close()

    def _messages(self, result: Result) -> Iterator[tuple[str, dict[str, Any]]]:
        if "score" in self._kinds:
            for row in range(len(result.time)):
                yield "score", score_fields(result, row)
        if "forecast" in self._kinds and len(result.time) and result.forecast.shape[1]:
            yield "forecast", forecast_fields(result)
        if "alarm" in self._kinds:
            for alarm in result.alarms:
                yield "alarm", alarm_fields(alarm)


def score_fields(result: Result, row: int) -> dict[str, Any]:
    """One row, judged: lists have one entry a channel."""
    return _time("t", int(result.time[row])) | {
        "score": float(result.score[row]),
        "warming": bool(result.warming[row]),
        "channels": result.channels,
        "value": _numbers(result.values[row]),
        "expected": _numbers(result.expected[row]),
        "lower": _numbers(result.lower[row]),
        "upper": _numbers(result.upper[row]),
        "share": _numbers(result.share[row]),
        "level": result.level,
    }


def forecast_fields(result: Result) -> dict[str, Any]:
    """The forecast after the newest row: lists have one entry a horizon, each a list of one entry a channel."""
    return _time("t", int(result.time[-1])) | {
        "interval": result.interval,
        "level": result.level,
        "channels": result.channels,
        "expected": [_numbers(row) for row in result.forecast[-1]],
        "lower": [_numbers(row) for row in result.forecast_lower[-1]],
        "upper": [_numbers(row) for row in result.forecast_upper[-1]],
    }


def alarm_fields(alarm: Alarm) -> dict[str, Any]:
    """One change of an event or condition."""
    numbers = {name: _number(getattr(alarm, name)) for name in ("score", "value", "expected", "lower", "upper")}
    times = _time("t", alarm.time) | _time("since", alarm.since)
    why = [
        {"channel": part.channel, "share": _number(part.share), "expected": _number(part.expected)}
        for part in alarm.why
    ]
    ways = {way.name: _number(way.share) for way in alarm.ways}
    kind = {"phase": alarm.phase, "cause": alarm.cause, "channel": alarm.channel}
    return times | kind | numbers | {"why": why, "ways": ways}


def _time(name: str, ns: int) -> dict[str, Any]:
    return {name: ns / 10**9, f"{name}_ns": ns}  # a quotient of integers is rounded once, not twice


def _numbers(row: Floats) -> list[float | None]:
    return [_number(value) for value in row.tolist()]


def _number(value: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if math.isfinite(value) else None
