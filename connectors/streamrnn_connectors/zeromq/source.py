"""ZeromqSource: frames, hellos, JSON and MessagePack on one PULL or SUB socket."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
import zmq
from msgspec import Meta
from streamrnn_connectors.zeromq.assembly import Assembly
from streamrnn_connectors.zeromq.bindings import Bindings, fixed_binding
from streamrnn_connectors.zeromq.link import Link, check_endpoint

from streamrnn.engine.ports import Batch, Reject
from streamrnn.errors import Reason, WireError
from streamrnn.wire import NAME_LENGTH, Frame, Hello, Sample, decode, frame_stream_id

MESSAGES_PER_CALL = 4096
"""Most message parts that one call takes: the engine gets its turn however fast they come."""
BYTES_PER_CALL = 8 * 2**20
"""No further message is taken in a call once it has taken so many bytes."""
LARGEST_RECEIVED = 112 * 2**20
"""Beyond this, or `max_message_bytes` where that is more, libzmq drops the peer instead of allocating: such a message
is never seen here, hence not counted."""

Name = Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH)]


class BoundStream(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stream whose sender says no hello."""

    name: Name
    """Name of the stream."""
    channels: Annotated[tuple[Name, ...], Meta(min_length=1)]
    """Names of its channels, in the order of its values."""
    id: int | None = None
    """The stream id in its frames; without it BLAKE2b-64 of the name (see docs/wire.md)."""

    def __post_init__(self) -> None:
        if self.id is not None and not 0 <= self.id < 2**64:
            raise ValueError(f"got id {self.id}, expected 0 to 2**64 - 1")


class ZeromqSourceOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `[[sources]]` table with `connector = "zeromq"`."""

    socket: Literal["pull", "sub"] = "pull"
    """pull: senders push, each message reaches one receiver. sub: a publisher's messages, to whoever subscribes."""
    bind: str = ""
    """Endpoint to listen on, as tcp://127.0.0.1:5600; port * takes any free one. Exactly one of bind and connect."""
    connect: str = ""
    """Endpoint of a sender or publisher that listens."""
    subscribe: str = ""
    """First characters of the messages that a sub socket wants; empty: all. Not for pull."""
    max_message_bytes: Annotated[int, Meta(ge=64, le=2**31 - 1)] = 2**20
    """Longer messages are counted as oversize and not looked at."""
    high_water_mark: Annotated[int, Meta(ge=1, le=10_000_000)] = 10_000
    """Messages held for each peer while the engine is busy. Then push waits, and pub drops."""
    streams: tuple[BoundStream, ...] = ()
    """Streams whose senders say no hello."""
    stream_limit: Annotated[int, Meta(ge=1, le=10_000_000)] = 10_000
    """Most stream ids that hellos may bind."""
    insecure: bool = False
    """Allow a bind that other machines can reach. Nothing is encrypted or authenticated."""

    def __post_init__(self) -> None:
        check_endpoint(self.bind, self.connect, self.insecure)
        if self.subscribe and self.socket != "sub":
            raise ValueError("got subscribe with socket = 'pull', expected it with socket = 'sub' only")
        bound = [fixed_binding(stream.name, stream.channels, stream.id) for stream in self.streams]
        if len(dict(bound)) != len(bound):
            raise ValueError("got one id more than once in streams, expected each once")


class ZeromqSource:
    """Samples from a ZeroMQ socket. Raises ConnectorError where it cannot be opened.

    A batch joins what came of a stream within one call. Memory is bounded by high_water_mark messages a peer.
    """

    Options: ClassVar[type[msgspec.Struct]] = ZeromqSourceOptions

    def __init__(self, options: ZeromqSourceOptions) -> None:
        self._link = Link(
            options.socket,
            bind=options.bind,
            connect=options.connect,
            high_water_mark=options.high_water_mark,
            largest=max(options.max_message_bytes, LARGEST_RECEIVED),
            insecure=options.insecure,
        )
        self._socket = self._link.socket
        if options.socket == "sub":
            self._socket.subscribe(options.subscribe)
        self._largest = options.max_message_bytes
        fixed = (fixed_binding(stream.name, stream.channels, stream.id) for stream in options.streams)
        self._bindings = Bindings(fixed, options.stream_limit)
        self._within_message = False
        self._arrival = 0

    @property
    def endpoint(self) -> str:
        """Where the socket is: with the real port where `*` was asked for."""
        return self._link.endpoint

    def next_batch(self, timeout: float) -> Sequence[Batch | Reject] | None:
        """See `Source`. Never None: more may always come."""
        assembly = Assembly()
        taken = 0
        for index in range(MESSAGES_PER_CALL):
            part = self._receive(timeout if index == 0 else 0.0)
            if part is None:
                break
            taken += len(part)
            self._take(part, assembly)
            if taken >= BYTES_PER_CALL:
                break
        return assembly.result()

    def next_awake(self) -> float:
        """0: a message may come at any time."""
        return 0.0

    def snapshot(self) -> dict[str, Any]:
        """Empty: what ZeroMQ has delivered it cannot deliver again."""
        return {}

    def close(self) -> None:
        """Close the socket; what it still holds is lost."""
        self._link.close()

    def _receive(self, timeout: float) -> zmq.Frame | None:
        try:
            return self._socket.recv(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            if timeout <= 0.0 or not self._socket.poll(math.ceil(timeout * 1000)):
                return None
        try:
            return self._socket.recv(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return None

    def _take(self, part: zmq.Frame, assembly: Assembly) -> None:
        first, self._within_message = not self._within_message, part.more
        if not first:
            return
        message = part.buffer
        try:
            if part.more:
                raise WireError(Reason.MALFORMED, "message of several parts", expected="one part")
            if len(part) > self._largest:
                raise WireError(
                    Reason.OVERSIZE, "message too long", got=f"{len(part)} bytes", expected=f"max {self._largest}"
                )
            self._use(decode(message), assembly)
        except WireError as error:
            stream = error.stream or self._bindings.name(frame_stream_id(message))
            assembly.reject(Reject(error.reason, stream, str(error).removeprefix(f"{error.stream}: ")))

    def _use(self, message: Frame | Hello | Sample, assembly: Assembly) -> None:
        if isinstance(message, Frame):
            self._use_frame(message, assembly)
        elif isinstance(message, Sample):
            stamp = self._now() if message.time is None else message.time
            channels = self._bindings.channels(message)
            assembly.add(
                message.stream, np.array([stamp], np.int64), message.values[np.newaxis], channels, message.sequence
            )
        elif (reject := self._bindings.bind(message)) is not None:
            assembly.reject(reject)

    def _use_frame(self, frame: Frame, assembly: Assembly) -> None:
        count, width = frame.values.shape
        binding = self._bindings.find(frame.id)
        if binding is None:
            detail = "no hello has bound this id yet"
            assembly.reject(Reject(Reason.UNKNOWN_STREAM, self._bindings.name(frame.id), detail, count))
        elif len(binding.channels) != width:
            detail = f"frame of {width} channels, expected {len(binding.channels)}: {', '.join(binding.channels)}"
            assembly.reject(Reject(Reason.WRONG_CHANNELS, binding.stream, detail, count))
        else:
            assembly.add(binding.stream, frame.time, frame.values, binding.channels, frame.sequence)

    def _now(self) -> int:
        """Time of arrival: later with each sample, even where the wall clock steps back or two come at once."""
        self._arrival = max(time.time_ns(), self._arrival + 1)
        return self._arrival
