"""Sender: samples from a Python program into a ZeromqSource."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

import numpy as np
import zmq
from streamrnn_connectors.zeromq.link import Link

from streamrnn.engine.ports import Floats, Ints
from streamrnn.errors import ConnectorError, InputError
from streamrnn.wire import Hello, default_channels, encode_frame, encode_hello, seconds_to_ns, stream_id

FRAME_BYTES = 2**16
"""Longer blocks travel as several frames, each well below a receiver's `max_message_bytes`."""


@dataclass(slots=True)
class _Outgoing:
    """What the sender keeps of a stream."""

    id: int
    channels: tuple[str, ...]
    hello: bytes
    hello_due: float = 0.0
    sequence: int = 0


class Sender:
    """Sends samples as frames, and says hello for each stream: first of all, and again and again, so that a receiver
    that restarts or joins late learns the names. Sequence numbers count from 0 in each Sender; a sample that could not
    be sent takes its number with it, so that the receiver can count what it has missed. For use by one thread.

    endpoint          tcp://HOST:PORT, ipc://PATH or inproc://NAME
    socket            push: each message reaches one receiver; pub: every subscriber that is there
    bind              listen at the endpoint instead of connecting to it
    timeout           seconds that a send waits while high_water_mark messages are under way: None for as long as it
                      takes, 0 to drop at once. (pub never waits: it drops for the subscriber that is slow.)
    hello_every       seconds after which a stream's next sample is preceded by its hello again
    high_water_mark   messages held for each receiver
    linger            seconds that close() waits for messages that are still under way
    insecure          allow a bind that other machines can reach

    Raises ConnectorError where the endpoint is not allowed or cannot be opened.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        socket: Literal["push", "pub"] = "push",
        bind: bool = False,
        timeout: float | None = None,
        hello_every: float = 2.0,
        high_water_mark: int = 1000,
        linger: float = 1.0,
        insecure: bool = False,
    ) -> None:
        self._link = Link(
            socket,
            bind=endpoint if bind else "",
            connect="" if bind else endpoint,
            high_water_mark=high_water_mark,
            linger=linger,
            insecure=insecure,
        )
        self._link.socket.sndtimeo = -1 if timeout is None else round(timeout * 1000)
        self._hello_every = hello_every
        self._streams: dict[str, _Outgoing] = {}
        self.dropped = 0
        """Samples that could not be handed over in time."""

    @property
    def endpoint(self) -> str:
        """Where the socket is: with the real port where `*` was asked for."""
        return self._link.endpoint

    def send(
        self,
        stream: str,
        time: float,
        values: float | Sequence[float],
        *,
        channels: Sequence[str] = (),
        units: Sequence[str] = (),
    ) -> bool:
        """Send one sample.

        time       since 1970 UTC: a float is seconds, as time.time() gives, an int is nanoseconds, as time.time_ns()
        values     one number a channel; NaN is a missing value
        channels   their names: needed with the first sample of a stream only; without them value, or ch0, ch1, …
        units      their units; counts with the first sample of a stream only

        False: it was dropped. Raises InputError where the number of values or the channels differ from the first time,
        ConnectorError once closed.
        """
        row = np.atleast_1d(np.asarray(values, np.float64))
        return self.send_block(
            stream, np.array([_nanoseconds(stream, time)], np.int64), row[np.newaxis], channels=channels, units=units
        )

    def send_block(
        self,
        stream: str,
        time: Ints,
        values: Floats,
        *,
        channels: Sequence[str] = (),
        units: Sequence[str] = (),
    ) -> bool:
        """Send consecutive samples: time (count,) nanoseconds since 1970 UTC, values (count, channels).

        False: some or all were dropped. Else as `send`.
        """
        if self._link.socket.closed:
            raise ConnectorError("the sender is closed", where=self.endpoint)
        if not np.issubdtype(np.asarray(time).dtype, np.integer):
            raise InputError("times of a block are whole nanoseconds since 1970", where=stream, got=time.dtype)
        outgoing = self._outgoing(stream, values, tuple(channels), tuple(units))
        rows = max(1, FRAME_BYTES // (8 + 8 * len(outgoing.channels)))
        complete = True
        for start in range(0, len(time), rows):
            part = slice(start, start + rows)
            frame = encode_frame(outgoing.id, outgoing.sequence, time[part], values[part])
            count = len(time[part])
            outgoing.sequence += count
            if not self._say_hello(outgoing) or not self._hand_over(frame):
                self.dropped += count
                complete = False
        return complete

    def close(self) -> None:
        """Close, waiting for messages under way for `linger` seconds at the most. Safe to call twice."""
        self._link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _outgoing(self, stream: str, values: Floats, channels: tuple[str, ...], units: tuple[str, ...]) -> _Outgoing:
        width = values.shape[1] if values.ndim == 2 else 0
        outgoing = self._streams.get(stream)
        if outgoing is None:
            names = channels or default_channels(width)
            identity = stream_id(stream)
            hello = encode_hello(Hello(identity, stream, names, units))
            outgoing = _Outgoing(identity, names, hello)
        if len(outgoing.channels) != width or (channels and channels != outgoing.channels):
            raise InputError(
                "values or channels differ from those of the stream",
                where=stream,
                got=f"values of shape {values.shape}" + (f", channels {channels}" if channels else ""),
                expected=f"(count, {len(outgoing.channels)}) of channels {outgoing.channels}",
            )
        return self._streams.setdefault(stream, outgoing)

    def _say_hello(self, outgoing: _Outgoing) -> bool:
        now = clock.monotonic()
        if now < outgoing.hello_due:
            return True
        if not self._hand_over(outgoing.hello):
            return False
        outgoing.hello_due = now + self._hello_every
        return True

    def _hand_over(self, message: bytes) -> bool:
        try:
            self._link.socket.send(message)
        except zmq.Again:
            return False
        return True


def _nanoseconds(stream: str, time: float) -> int:
    """An int as it is, a float as seconds."""
    if isinstance(time, int | np.integer):
        return int(time)
    try:
        return seconds_to_ns(float(time))
    except ValueError as problem:
        raise InputError(
            "a time is seconds (float) or nanoseconds (int) since 1970", where=stream, got=time
        ) from problem
