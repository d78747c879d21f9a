"""The wire: bytes of one message to arrays and back. docs/wire.md is the specification for other languages.

Three kinds of message share one socket, and the first byte tells them apart:

    b"S"              frame SRN1: many samples of one stream, raw little-endian numbers behind a 32-byte header
    b"{"              one JSON object: a sample or a hello
    0x80…0x8f de df   one MessagePack map: the same two, binary

A hello binds a stream id, which is all that a frame carries, to the names of the stream and its channels.

Decoding trusts nothing: whatever the bytes are, the outcome is a message or a WireError with the Reason it is counted
under. Sizes are compared with the message's length before any memory is asked for; how long a message may be at all is
for the caller to say, before it decodes.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from reprlib import repr as short
from typing import Any, TypeGuard

import msgspec
import numpy as np
import numpy.typing as npt

from streamrnn.errors import InputError, Reason, WireError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Buffer = bytes | bytearray | memoryview

MAGIC = b"SRN1"
VERSION = 1
HEADER = struct.Struct("<4sBBBBIIQQ")
"""magic, version, flags, dtype, reserved, channels, count, stream id, first sequence number: 32 bytes."""
DTYPES = (np.dtype("<f8"), np.dtype("<f4"))
"""Number format of the values; the header's `dtype` is the index."""
NAME_LENGTH = 255
"""Most characters in a name of a stream, a channel or a unit."""
MOST_NAMES = 1024
"""Most channels that a message may name."""
LAST_NUMBER = 2**63 - 1
"""Highest sequence number and latest time in nanoseconds (2262-04-11): both fit int64."""

_MAP_BYTES = frozenset((*range(0x80, 0x90), 0xDE, 0xDF))
_HELLO_KEYS = frozenset(("hello", "id", "stream", "channels", "units"))
_SAMPLE_KEYS = frozenset(("stream", "t", "v", "channels", "seq"))


@dataclass(slots=True, frozen=True)
class Frame:
    """Consecutive samples of one stream, oldest first."""

    id: int
    """Stream id, 0 … 2⁶⁴ - 1."""
    sequence: int
    """Number of the first sample; the others follow."""
    time: Ints
    """(count,) nanoseconds since 1970-01-01 UTC."""
    values: Floats
    """(count, channels); NaN is a missing value."""


@dataclass(slots=True, frozen=True)
class Hello:
    """What a stream id stands for."""

    id: int
    stream: str
    channels: tuple[str, ...]
    units: tuple[str, ...] = ()
    """One a channel, "" where it has none; or empty altogether."""


@dataclass(slots=True, frozen=True)
class Sample:
    """One sample that came as text: JSON or MessagePack."""

    stream: str
    time: int | None
    """Nanoseconds since 1970-01-01 UTC; None: the time of arrival is to be taken."""
    values: Floats
    """(channels,); NaN is a missing value."""
    channels: tuple[str, ...] | None = None
    sequence: int | None = None


Message = Frame | Hello | Sample


def stream_id(name: str) -> int:
    """The customary 64-bit id of a stream: BLAKE2b-64 of its name in UTF-8, read as a little-endian number.

    Any other choice of ids serves as well: the hello says which name an id stands for.

    >>> hex(stream_id("pump-3"))
    '0xdf7dea2bca709000'
    """
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")


def default_channels(count: int) -> tuple[str, ...]:
    """Channel names where a sample brings none.

    >>> default_channels(1), default_channels(2)
    (('value',), ('ch0', 'ch1'))
    """
    return ("value",) if count == 1 else tuple(f"ch{index}" for index in range(count))


def encode_frame(stream_id: int, sequence: int, time: Ints, values: npt.NDArray[np.floating[Any]]) -> bytes:
    """One frame.

    stream_id   0 … 2⁶⁴ - 1
    sequence    number of the first sample, 0 … 2⁶³ - 1
    time        (count,) nanoseconds since 1970, not negative; count >= 1
    values      (count, channels), NaN is missing; float32 travels as float32, all else as float64; channels >= 1

    Raises InputError where shapes, types or ranges are others.
    """
    if values.ndim != 2 or time.shape != values.shape[:1] or values.size == 0 or time.dtype != np.int64:
        raise InputError(
            "time and values do not make a frame",
            got=f"{time.dtype} {time.shape} and {values.dtype} {values.shape}",
            expected="int64 (count,) and float (count, channels), neither of them 0",
        )
    count, channels = values.shape
    if (
        not 0 <= stream_id < 2**64
        or not 0 <= sequence <= LAST_NUMBER + 1 - count
        or count >= 2**32
        or channels >= 2**32
    ):
        raise InputError(
            "a number of the header is out of range",
            got=f"stream id {stream_id}, sequence {sequence}, {count} x {channels}",
            expected="an id below 2**64, sequence numbers below 2**63, sizes below 2**32",
        )
    if time.min() < 0:
        raise InputError("time before 1970", got=f"{time.min()} ns", expected="nanoseconds since 1970-01-01 UTC")
    kind = 1 if values.dtype == np.float32 else 0
    header = HEADER.pack(MAGIC, VERSION, 0, kind, 0, channels, count, stream_id, sequence)
    return b"".join(
        (header, time.astype("<i8", copy=False).tobytes(), values.astype(DTYPES[kind], copy=False).tobytes())
    )


def decode_frame(message: Buffer) -> Frame:
    """The frame in `message`. Its arrays share the message's memory and are read-only where that is; float32 values
    alone are copied, into float64.

    Raises WireError: malformed (another magic, version, flag or dtype, no samples or channels, a sequence number of
    2⁶³ or more), truncated (any length but the one that the header promises), bad_time (before 1970).
    """
    size = len(message)
    if size < HEADER.size:
        raise WireError(Reason.TRUNCATED, "message ends within the header", got=f"{size} bytes", expected=HEADER.size)
    magic, version, flags, kind, reserved, channels, count, identity, sequence = HEADER.unpack_from(message)
    if magic != MAGIC or version != VERSION or flags or reserved or kind >= len(DTYPES):
        raise WireError(
            Reason.MALFORMED,
            "unknown kind of frame",
            got=f"{magic!r}, version {version}, flags {flags}, dtype {kind}, reserved {reserved}",
            expected=f"{MAGIC!r}, version {VERSION}, flags 0, dtype 0 or 1, reserved 0",
        )
    if not channels or not count or sequence + count > LAST_NUMBER + 1:
        raise WireError(
            Reason.MALFORMED,
            "impossible numbers in the header",
            got=f"{count} samples of {channels} channels from number {sequence}",
            expected="at least one of each, and numbers below 2**63",
        )
    dtype = DTYPES[kind]
    promised = HEADER.size + 8 * count + dtype.itemsize * count * channels
    if size != promised:
        raise WireError(
            Reason.TRUNCATED,
            f"the header promises {count} samples of {channels} channels",
            got=f"{size} bytes",
            expected=f"{promised} bytes",
        )
    time = np.frombuffer(message, "<i8", count, HEADER.size).astype(np.int64, copy=False)
    values = np.frombuffer(message, dtype, count * channels, HEADER.size + 8 * count).astype(np.float64, copy=False)
    if np.minimum.reduce(time) < 0:
        raise WireError(Reason.BAD_TIME, "time before 1970", got=f"{time.min()} ns", expected="0 to 2**63 - 1 ns")
    return Frame(identity, sequence, time, values.reshape(count, channels))


def frame_stream_id(message: Buffer) -> int | None:
    """The stream id in the header of a frame, be the rest of it sound or not; None where there is no such header."""
    if len(message) < HEADER.size or bytes(message[:4]) != MAGIC:
        return None
    identity: int = HEADER.unpack_from(message)[7]
    return identity


def encode_hello(hello: Hello) -> bytes:
    """A hello in MessagePack. Raises InputError where it would be refused by its reader."""
    fields: dict[str, Any] = {"hello": 1, "id": hello.id, "stream": hello.stream, "channels": list(hello.channels)}
    if hello.units:
        fields["units"] = list(hello.units)
    _hello(fields)
    return msgspec.msgpack.encode(fields)


def decode(message: Buffer) -> Message:
    """Whatever `message` is: Frame, Hello or Sample.

    Raises WireError: besides those of `decode_frame`, malformed (no such message), not_a_number (text, a truth value or
    a list where a value should be), bad_time (not a number of seconds from 1970 to 2262), wrong_channels (the numbers
    of values and of names differ).
    """
    first = message[0] if len(message) else None
    if first == 0x53:
        return decode_frame(message)
    fields: Any = None
    try:
        if first == 0x7B:
            fields = msgspec.json.decode(message)
        elif first in _MAP_BYTES:
            fields = msgspec.msgpack.decode(message)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        form = "JSON" if first == 0x7B else "MessagePack"
        raise WireError(Reason.MALFORMED, f"not {form}: {error}") from error
    if not isinstance(fields, dict):
        raise WireError(
            Reason.MALFORMED,
            "unknown kind of message",
            got=f"{bytes(message[:8])!r}",
            expected="a frame SRN1, a JSON object or a MessagePack map",
        )
    return _hello(fields) if "hello" in fields else _sample(fields)


def seconds_to_ns(seconds: float) -> int:
    """Nanoseconds in a number of seconds since 1970: of its shortest decimal form, so that no binary noise appears.

    Raises ValueError where it is not finite or lies outside 1970 … 2262.

    >>> seconds_to_ns(1690000000.1), seconds_to_ns(3)
    (1690000000100000000, 3000000000)
    """
    if isinstance(seconds, int):
        ns = seconds * 10**9
    elif math.isfinite(seconds):
        ns = round(Decimal(repr(float(seconds))).scaleb(9))
    else:
        ns = -1
    if not 0 <= ns <= LAST_NUMBER:
        raise ValueError(f"not a number of seconds from 1970 to 2262: {short(seconds)}")
    return ns


def _hello(fields: dict[Any, Any]) -> Hello:
    stream = _name(fields.get("stream"), "stream", "")
    _no_other_keys(fields, _HELLO_KEYS, stream)
    if not _is_integer(fields["hello"]) or fields["hello"] != 1:
        raise _malformed("version of the hello", stream, fields["hello"], "1")
    identity = fields.get("id")
    if not _is_integer(identity) or not 0 <= identity < 2**64:
        raise _malformed("'id' of the hello", stream, identity, "an integer from 0 to 2**64 - 1")
    channels = _names(fields.get("channels"), stream)
    units = fields.get("units", [])
    if not isinstance(units, list) or not all(unit == "" or _is_name(unit) for unit in units):
        raise _malformed("'units' of the hello", stream, units, "a list of names or ''")
    if units and len(units) != len(channels):
        raise _wrong_channels("units", stream, len(units), len(channels))
    return Hello(identity, stream, channels, tuple(units))


def _sample(fields: dict[Any, Any]) -> Sample:
    stream = _name(fields.get("stream"), "stream", "")
    _no_other_keys(fields, _SAMPLE_KEYS, stream)
    if "v" not in fields:
        raise _malformed("no 'v' in the sample", stream, list(fields), "a number or a list of numbers")
    given = fields["v"]
    values = np.array([_value(value, stream) for value in (given if isinstance(given, list) else [given])])
    channels = _names(fields["channels"], stream) if "channels" in fields else None
    if not len(values) or (channels is not None and len(channels) != len(values)):
        raise _wrong_channels("values", stream, len(values), "1 or more" if channels is None else len(channels))
    sequence = fields.get("seq")
    if "seq" in fields and not (_is_integer(sequence) and 0 <= sequence <= LAST_NUMBER):
        raise _malformed("'seq' of the sample", stream, sequence, "an integer from 0 to 2**63 - 1")
    return Sample(stream, _time(fields["t"], stream) if "t" in fields else None, values, channels, sequence)


def _value(value: object, stream: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, float | int):
        expected = "a number, or null where it is missing"
        raise WireError(Reason.NOT_A_NUMBER, "a value", stream=stream, got=short(value), expected=expected)
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _time(value: object, stream: str) -> int:
    try:
        if isinstance(value, bool) or not isinstance(value, float | int):
            raise ValueError(f"not a number of seconds: {short(value)}")
        return seconds_to_ns(value)
    except ValueError as error:
        raise WireError(Reason.BAD_TIME, f"'t' is {error}", stream=stream) from None


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_name(value: object) -> bool:
    """Names reach logs and metric labels: no control characters, no line breaks, no end of length."""
    return isinstance(value, str) and 0 < len(value) <= NAME_LENGTH and value.isprintable()


def _name(value: object, key: str, stream: str) -> str:
    if not isinstance(value, str) or not _is_name(value):
        raise _malformed(f"{key!r} of the message", stream, value, f"1 to {NAME_LENGTH} printable characters")
    return value


def _names(value: object, stream: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_NAMES:
        raise _malformed("'channels' of the message", stream, value, f"a list of 1 to {MOST_NAMES} names")
    names = tuple(_name(item, "channels", stream) for item in value)
    if len(set(names)) != len(names):
        raise _malformed("'channels' of the message", stream, value, "each name once")
    return names


def _no_other_keys(fields: dict[Any, Any], known: frozenset[str], stream: str) -> None:
    for key in fields:
        if key not in known:
            raise _malformed("unknown key in the message", stream, key, ", ".join(sorted(known)))


def _malformed(what: str, stream: str, got: object, expected: str) -> WireError:
    return WireError(Reason.MALFORMED, what, stream=stream, got=short(got), expected=expected)


def _wrong_channels(what: str, stream: str, got: int, expected: object) -> WireError:
    return WireError(Reason.WRONG_CHANNELS, f"number of {what}", stream=stream, got=got, expected=expected)
