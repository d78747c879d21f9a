"""The wire: what is encoded comes back to the bit, and whatever else comes in ends in a WireError."""

from __future__ import annotations

import json
import math
import re
import struct
import tracemalloc
from pathlib import Path

import hypothesis.extra.numpy as arrays
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrnn import wire
from streamrnn.errors import InputError, Reason, WireError

TIME = np.array([1_690_000_000_250_000_000, 1_690_000_001_250_000_000], dtype=np.int64)
VALUES = np.array([[1.5, math.nan], [-0.0, 4.0]])
FRAME = wire.encode_frame(7, 40, TIME, VALUES)
HELLO = {"hello": 1, "id": 7, "stream": "pump-3", "channels": ["pressure", "flow"], "units": ["bar", ""]}

names = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=20)


@st.composite
def frames(draw: st.DrawFn) -> tuple[int, int, np.ndarray, np.ndarray]:
    count, channels = draw(st.integers(1, 40)), draw(st.integers(1, 6))
    time = draw(arrays.arrays(np.int64, count, elements=st.integers(0, 2**63 - 1)))
    dtype = draw(st.sampled_from([np.float64, np.float32]))
    values = draw(arrays.arrays(dtype, (count, channels), elements=arrays.from_dtype(np.dtype(dtype))))
    return draw(st.integers(0, 2**64 - 1)), draw(st.integers(0, 2**63 - count)), time, values


def reason_of(message: bytes) -> Reason:
    with pytest.raises(WireError) as caught:
        wire.decode(message)
    return caught.value.reason


def json_sample(**fields: object) -> bytes:
    return json.dumps({"stream": "pump-3", "v": 1.0} | fields).encode()


# --- frames ----------------------------------------------------------------------------------------------------------


@given(frames())
def test_a_frame_comes_back_to_the_bit(sent: tuple[int, int, np.ndarray, np.ndarray]) -> None:
    identity, sequence, time, values = sent
    message = wire.encode_frame(identity, sequence, time, values)
    for buffer in (message, bytearray(message), memoryview(message)):
        frame = wire.decode(buffer)
        assert isinstance(frame, wire.Frame)
        assert (frame.id, frame.sequence) == (identity, sequence)
        np.testing.assert_array_equal(frame.time, time)
        assert frame.values.dtype == np.float64
        np.testing.assert_array_equal(frame.values, values.astype(np.float64))
    assert wire.frame_stream_id(message) == identity


def test_the_layout_is_the_documented_one() -> None:
    expected = (
        b"SRN1"
        + bytes([1, 0, 0, 0])
        + struct.pack("<IIQQ", 2, 2, 7, 40)
        + struct.pack("<2q", *TIME)
        + struct.pack("<4d", 1.5, math.nan, -0.0, 4.0)
    )
    assert expected == FRAME
    single = wire.encode_frame(7, 40, TIME, VALUES.astype(np.float32))
    assert single[6] == 1
    assert single[48:] == struct.pack("<4f", 1.5, math.nan, -0.0, 4.0)


def test_a_float64_frame_is_not_copied() -> None:
    buffer = bytearray(FRAME)
    frame = wire.decode_frame(buffer)
    buffer[48:56] = struct.pack("<d", 9.0)
    assert frame.values[0, 0] == 9.0


def test_arrays_that_are_not_contiguous_are_sent_in_order() -> None:
    values = np.arange(12.0).reshape(2, 6)[:, ::3]
    np.testing.assert_array_equal(wire.decode_frame(wire.encode_frame(1, 0, TIME[::-1], values)).values, values)


@pytest.mark.parametrize(
    ("place", "byte", "reason"),
    [
        (3, 0x32, Reason.MALFORMED),
        (4, 2, Reason.MALFORMED),
        (5, 1, Reason.MALFORMED),
        (6, 2, Reason.MALFORMED),
        (7, 1, Reason.MALFORMED),
        (8, 3, Reason.TRUNCATED),
        (8, 0, Reason.MALFORMED),
        (12, 3, Reason.TRUNCATED),
        (12, 0, Reason.MALFORMED),
        (31, 0x80, Reason.MALFORMED),
        (39, 0x80, Reason.BAD_TIME),
    ],
)
def test_one_wrong_byte_is_named(place: int, byte: int, reason: Reason) -> None:
    message = bytearray(FRAME)
    message[place] = byte
    assert reason_of(bytes(message)) is reason


def test_any_other_length_is_truncated() -> None:
    for length in (*range(1, len(FRAME)), len(FRAME) + 1):
        assert reason_of((FRAME + b"\0")[:length]) is Reason.TRUNCATED


def test_a_header_that_promises_billions_costs_no_memory() -> None:
    greedy = wire.HEADER.pack(b"SRN1", 1, 0, 0, 0, 2**32 - 1, 2**32 - 1, 7, 0)
    lists = b"\x82\xa6stream\xa1a\xa1v\xdd\xff\xff\xff\xff"
    tracemalloc.start()
    try:
        assert reason_of(greedy) is Reason.TRUNCATED
        assert reason_of(lists) is Reason.MALFORMED
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("identity", "sequence", "time", "values"),
    [
        (2**64, 0, TIME, VALUES),
        (-1, 0, TIME, VALUES),
        (0, -1, TIME, VALUES),
        (0, 2**63 - 1, TIME, VALUES),
        (0, 0, TIME[:1], VALUES),
        (0, 0, TIME.astype(np.float64), VALUES),
        (0, 0, TIME[:0], VALUES[:0]),
        (0, 0, TIME, VALUES[:, :0]),
        (0, 0, TIME, VALUES[:, 0]),
        (0, 0, -TIME, VALUES),
    ],
)
def test_what_could_not_be_read_is_not_encoded(
    identity: int, sequence: int, time: np.ndarray, values: np.ndarray
) -> None:
    with pytest.raises(InputError):
        wire.encode_frame(identity, sequence, time, values)


def test_the_id_is_read_from_a_damaged_frame_too() -> None:
    assert wire.frame_stream_id(FRAME[:32]) == 7
    assert wire.frame_stream_id(FRAME[:31]) is None
    assert wire.frame_stream_id(b"{" + FRAME) is None


# --- hellos ----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**64 - 1), names, st.lists(names, min_size=1, max_size=5, unique=True), st.booleans())
def test_a_hello_comes_back(identity: int, stream: str, channels: list[str], with_units: bool) -> None:
    units = tuple("°C" if index % 2 else "" for index in range(len(channels))) if with_units else ()
    hello = wire.Hello(identity, stream, tuple(channels), units)
    assert wire.decode(wire.encode_hello(hello)) == hello


def test_a_hello_may_be_json() -> None:
    assert wire.decode(json.dumps(HELLO).encode()) == wire.Hello(7, "pump-3", ("pressure", "flow"), ("bar", ""))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hello": 2}, Reason.MALFORMED),
        ({"hello": True}, Reason.MALFORMED),
        ({"id": -1}, Reason.MALFORMED),
        ({"id": 1.0}, Reason.MALFORMED),
        ({"id": "7"}, Reason.MALFORMED),
        ({"stream": ""}, Reason.MALFORMED),
        ({"stream": "a\nb"}, Reason.MALFORMED),
        ({"stream": "\x1b[31m"}, Reason.MALFORMED),
        ({"stream": "a" * 256}, Reason.MALFORMED),
        ({"channels": []}, Reason.MALFORMED),
        ({"channels": "ab"}, Reason.MALFORMED),
        ({"channels": ["a", "a"]}, Reason.MALFORMED),
        ({"channels": ["a", 1]}, Reason.MALFORMED),
        ({"units": ["bar"]}, Reason.WRONG_CHANNELS),
        ({"units": ["bar", 1]}, Reason.MALFORMED),
        ({"chanels": ["a", "b"]}, Reason.MALFORMED),
    ],
)
def test_a_wrong_hello_is_refused_by_reader_and_writer(change: dict[str, object], reason: Reason) -> None:
    assert reason_of(msgspec.msgpack.encode(HELLO | change)) is reason


def test_a_hello_that_nobody_would_accept_is_not_encoded() -> None:
    with pytest.raises(InputError, match="printable"):
        wire.encode_hello(wire.Hello(1, "line\nbreak", ("a",)))


# --- text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encode", [msgspec.json.encode, msgspec.msgpack.encode], ids=["json", "msgpack"])
def test_a_sample_as_text(encode: type) -> None:
    fields = {"stream": "pump-3", "t": 1690000000.25, "v": [1.2, None, 3], "channels": ["a", "b", "c"], "seq": 9}
    sample = wire.decode(encode(fields))
    assert isinstance(sample, wire.Sample)
    assert (sample.stream, sample.time, sample.channels, sample.sequence) == ("pump-3", TIME[0], ("a", "b", "c"), 9)
    np.testing.assert_array_equal(sample.values, [1.2, math.nan, 3.0])


def test_what_a_sample_may_leave_out() -> None:
    sample = wire.decode(b'{"stream": "pump-3", "v": 1}')
    assert isinstance(sample, wire.Sample)
    assert (sample.time, sample.channels, sample.sequence, sample.values.tolist()) == (None, None, None, [1.0])


def test_numbers_beyond_float64_are_infinite() -> None:
    sample = wire.decode(b'{"stream": "a", "v": [1' + b"0" * 400 + b", -1" + b"0" * 400 + b"]}")
    assert isinstance(sample, wire.Sample)
    assert sample.values.tolist() == [math.inf, -math.inf]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", Reason.MALFORMED),
        (b"GET / HTTP/1.1", Reason.MALFORMED),
        (b"[1, 2]", Reason.MALFORMED),
        (b"{", Reason.MALFORMED),
        (b"{}", Reason.MALFORMED),
        (b'{"stream": "a", "v": NaN}', Reason.MALFORMED),
        (b'{"stream": "\xff", "v": 1}', Reason.MALFORMED),
        (b'{"stream": ' + b"[" * 100_000, Reason.MALFORMED),
        (b"\x81\xa6stream" + b"\x91" * 100_000, Reason.MALFORMED),
        (b"\x81\xa6stream\xa1a\0", Reason.MALFORMED),
        (b"\x82\xa6stream\xa1a\x81\x01\x02\x01", Reason.MALFORMED),
        (b'{"stream": "a"}', Reason.MALFORMED),
        (b'{"v": 1}', Reason.MALFORMED),
        (b'{"stream": 5, "v": 1}', Reason.MALFORMED),
        (json_sample(time=5), Reason.MALFORMED),
        (json_sample(seq=-1), Reason.MALFORMED),
        (json_sample(seq=None), Reason.MALFORMED),
        (json_sample(seq=2**63), Reason.MALFORMED),
        (json_sample(channels=None), Reason.MALFORMED),
        (json_sample(channels=["a", "b"]), Reason.WRONG_CHANNELS),
        (json_sample(v=[]), Reason.WRONG_CHANNELS),
        (json_sample(v="12.5"), Reason.NOT_A_NUMBER),
        (json_sample(v=[1, True]), Reason.NOT_A_NUMBER),
        (json_sample(v=[[1]]), Reason.NOT_A_NUMBER),
        (json_sample(v={}), Reason.NOT_A_NUMBER),
        (b"\x82\xa6stream\xa1a\xa1v\xd6\xff\0\0\0\0", Reason.NOT_A_NUMBER),
        (json_sample(t="2024-01-01T00:00:00Z"), Reason.BAD_TIME),
        (json_sample(t=None), Reason.BAD_TIME),
        (json_sample(t=True), Reason.BAD_TIME),
        (json_sample(t=-1), Reason.BAD_TIME),
        (json_sample(t=1e300), Reason.BAD_TIME),
        (json_sample(t=1_690_000_000_000_000_000), Reason.BAD_TIME),
        (json_sample(t=10**400), Reason.BAD_TIME),
        (msgspec.msgpack.encode({"stream": "a", "v": 1, "t": math.nan}), Reason.BAD_TIME),
        (msgspec.msgpack.encode({"stream": "a", "v": 1, "t": math.inf}), Reason.BAD_TIME),
    ],
)
def test_bad_text_has_its_reason(message: bytes, reason: Reason) -> None:
    assert reason_of(message) is reason


def test_an_error_says_whose_and_what() -> None:
    with pytest.raises(WireError) as caught:
        wire.decode(json_sample(v=["12.5"]))
    assert caught.value.stream == "pump-3"
    assert str(caught.value) == "pump-3: a value (got '12.5', expected a number, or null where it is missing)"


@given(st.integers(0, 2**63 - 1).map(lambda ns: ns // 1000 * 1000))
def test_seconds_with_six_decimals_are_exact_to_the_microsecond(ns: int) -> None:
    seconds = ns / 1e9
    assert abs(wire.seconds_to_ns(seconds) - ns) <= max(np.spacing(seconds) * 1e9, 0.0)
    written = f"{ns // 10**9 % 2**32}.{ns // 1000 % 10**6:06}"
    assert wire.seconds_to_ns(float(written)) == int(written.replace(".", "")) * 1000


# --- anything at all -------------------------------------------------------------------------------------------------

VALID = (
    FRAME,
    wire.encode_hello(wire.Hello(7, "pump-3", ("pressure", "flow"), ("bar", ""))),
    json.dumps(HELLO).encode(),
    json_sample(t=1690000000.25, channels=["a"], seq=3),
    msgspec.msgpack.encode({"stream": "pump-3", "t": 1690000000.25, "v": [1.2, None, 3]}),
)


def survives(message: bytes) -> None:
    outcome: object
    try:
        outcome = wire.decode(message)
    except WireError as error:
        outcome = error
        assert len(str(outcome)) < 2000
    assert isinstance(outcome, wire.Frame | wire.Hello | wire.Sample | WireError)


@given(st.sampled_from([b"", b"SRN1", b"{", b"\x81", b"\x82\xa6stream\xa1a\xa1v", b"\xdf"]), st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_wire_errors(start: bytes, rest: bytes) -> None:
    survives(start + rest)


@given(st.sampled_from(VALID), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8))
def test_mutated_messages_raise_nothing_but_wire_errors(message: bytes, changes: list[tuple[int, int]]) -> None:
    mutant = bytearray(message)
    for place, byte in changes:
        mutant[place % len(mutant)] = byte
    survives(bytes(mutant))


@given(
    st.dictionaries(
        st.sampled_from(["stream", "t", "v", "channels", "seq", "hello", "id", "units"]) | st.text(max_size=3),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        ),
    )
)
def test_maps_of_anything_raise_nothing_but_wire_errors(fields: dict[str, object]) -> None:
    survives(msgspec.msgpack.encode(fields))


# --- the document ----------------------------------------------------------------------------------------------------


def test_the_examples_of_the_specification_are_true() -> None:
    text = (Path(__file__).parent.parent / "docs" / "wire.md").read_text()
    (digits,) = re.findall(r"^(53524e31 [0-9a-f ]+)$", text, re.MULTILINE)
    frame = wire.decode(bytes.fromhex(digits))
    assert isinstance(frame, wire.Frame)
    assert (frame.id, frame.sequence, frame.time.tolist(), frame.values.tolist()) == (7, 0, [1], [[1.0]])
    assert f"`pump-3` is `{wire.stream_id('pump-3'):#x}`" in text
    (line,) = re.findall(r"^(\{.*\})$", text, re.MULTILINE)
    assert isinstance(wire.decode(line.encode()), wire.Sample)
    for reason in ("malformed", "truncated", "oversize", "unknown_stream", "too_many_streams", "wrong_channels"):
        assert f"| `{Reason(reason)}` |" in text
    assert str(wire.NAME_LENGTH) in text
