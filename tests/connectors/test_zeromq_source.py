"""ZeromqSource over real sockets: everything that may come, and what becomes of it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator

import msgspec
import numpy as np
import pytest
import zmq
from streamrnn_connectors.zeromq import ZeromqSource, ZeromqSourceOptions
from streamrnn_connectors.zeromq import source as source_module
from streamrnn_connectors.zeromq.assembly import Assembly

from streamrnn.engine.ports import Batch, Reject
from streamrnn.errors import ConnectorError, Reason
from streamrnn.wire import Hello, encode_frame, encode_hello, stream_id

ANY_PORT = "tcp://127.0.0.1:*"
HELLO = Hello(7, "pump-3", ("pressure", "flow"), ("bar", "m³/h"))


def frame(identity: int, sequence: int, rows: int, channels: int = 2) -> bytes:
    time = np.arange(sequence, sequence + rows, dtype=np.int64) * 10**9
    return encode_frame(identity, sequence, time, np.arange(rows * channels, dtype=float).reshape(rows, channels))


@pytest.fixture
def opened() -> Iterator[Callable[..., ZeromqSource]]:
    sources: list[ZeromqSource] = []

    def opened(**options: object) -> ZeromqSource:
        sources.append(ZeromqSource(msgspec.convert({"bind": ANY_PORT} | options, ZeromqSourceOptions)))
        return sources[-1]

    yield opened
    for source in sources:
        source.close()


@pytest.fixture
def source(opened) -> ZeromqSource:
    return opened()


@pytest.fixture
def push(source: ZeromqSource, plain) -> zmq.Socket:
    socket = plain(zmq.PUSH)
    socket.connect(source.endpoint)
    return socket


def rejected(items: list[Batch | Reject]) -> list[tuple[Reason, str, int]]:
    return [(item.reason, item.stream, item.count) for item in items if isinstance(item, Reject)]


def test_the_endpoint_has_the_real_port(source: ZeromqSource) -> None:
    assert source.endpoint.startswith("tcp://127.0.0.1:")
    assert int(source.endpoint.rpartition(":")[2]) > 0


def test_frames_of_one_stream_come_as_sent(source, push, drain) -> None:
    push.send(encode_hello(HELLO))
    for sequence in range(0, 50, 5):
        push.send(frame(7, sequence, 5))
    items = drain(source, 50)
    assert all(isinstance(item, Batch) for item in items)
    assert {(item.stream, item.channels) for item in items} == {("pump-3", ("pressure", "flow"))}
    assert items[0].sequence == 0
    np.testing.assert_array_equal(np.concatenate([item.time for item in items]), np.arange(50) * 10**9)
    assert items[0].values[:5].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]


def test_samples_that_follow_each_other_are_joined_and_copied() -> None:
    assembly = Assembly()
    time, values = np.array([1, 2]), np.array([[1.0], [2.0]])
    reject = Reject(Reason.MALFORMED)
    for sequence in (0, 2):
        assembly.add("a", time, values, ("x",), sequence)
        assembly.add("b", time, values, ("x",), None)
        assembly.reject(reject)
    assembly.add("a", time, values, ("x",), 5)
    assembly.add("a", time, values, ("y",), 7)
    first, second, *rejects, third, fourth = assembly.result()
    assert [(i.stream, i.sequence, len(i.time)) for i in (first, second)] == [("a", 0, 4), ("b", None, 4)]
    assert [(i.stream, i.sequence, i.channels) for i in (third, fourth)] == [("a", 5, ("x",)), ("a", 7, ("y",))]
    assert rejects == [reject, reject]
    time[0] = values[0] = 99
    assert first.time.tolist() == [1, 2, 1, 2]
    assert fourth.values.tolist() == [[1.0], [2.0]]


def test_interleaved_streams_are_told_apart_and_keep_their_order(source, push, drain) -> None:
    for stream in ("a", "b"):
        push.send(encode_hello(Hello(stream_id(stream), stream, ("x", "y"))))
    for sequence in range(20):
        for stream in ("a", "b"):
            push.send(frame(stream_id(stream), sequence, 1))
    items = drain(source, 40)
    for stream in ("a", "b"):
        batches = [item for item in items if item.stream == stream]
        numbers = [batch.sequence + row for batch in batches for row in range(len(batch.time))]
        assert numbers == list(range(20))
        assert [t for batch in batches for t in batch.time.tolist()] == [n * 10**9 for n in numbers]


def test_a_gap_in_the_numbers_begins_a_new_batch(source, push, drain) -> None:
    push.send(encode_hello(HELLO))
    push.send(frame(7, 0, 3))
    push.send(frame(7, 5, 2))
    batches = drain(source, 5)
    assert [(batch.sequence, len(batch.time)) for batch in batches] == [(0, 3), (5, 2)]


def test_json_and_messagepack_share_the_socket_with_frames(source, push, drain) -> None:
    fields = {"stream": "pump-4", "t": 1690000000.25, "v": [1.5, None], "channels": ["a", "b"], "seq": 4}
    push.send(encode_hello(HELLO))
    push.send(frame(7, 0, 1))
    push.send(json.dumps(fields).encode())
    push.send(msgspec.msgpack.encode({"stream": "pump-4", "t": 1690000001, "v": [2, 3], "seq": 5}))
    items = drain(source, 3)
    text = [item for item in items if item.stream == "pump-4"]
    assert {item.channels for item in text} == {("a", "b")}, "names given once are kept"
    np.testing.assert_array_equal(np.concatenate([item.values for item in text]), [[1.5, math.nan], [2, 3]])
    assert np.concatenate([item.time for item in text]).tolist() == [1690000000250000000, 1690000001000000000]
    assert text[0].sequence == 4


def test_a_sample_without_a_time_gets_that_of_its_arrival(source, push, drain) -> None:
    before = time.time_ns()
    for _ in range(50):
        push.send(b'{"stream": "a", "v": 1}')
    times = np.concatenate([batch.time for batch in drain(source, 50)])
    assert before <= times[0]
    assert times[-1] <= time.time_ns()


def test_arrivals_go_forward_where_the_clock_does_not(source, push, drain, monkeypatch) -> None:
    clock = iter(range(1000, 900, -1))
    monkeypatch.setattr(source_module.time, "time_ns", lambda: next(clock))
    for _ in range(5):
        push.send(b'{"stream": "a", "v": 1}')
    times = np.concatenate([batch.time for batch in drain(source, 5)])
    assert times.tolist() == [1000, 1001, 1002, 1003, 1004]


def test_names_are_made_up_where_none_are_given(source, push, drain) -> None:
    push.send(b'{"stream": "one", "v": 1}')
    push.send(b'{"stream": "two", "v": [1, 2]}')
    assert {batch.stream: batch.channels for batch in drain(source, 2)} == {"one": ("value",), "two": ("ch0", "ch1")}


def test_a_frame_before_its_hello_is_refused_with_its_samples_counted(source, push, drain) -> None:
    push.send(frame(7, 0, 5))
    push.send(encode_hello(HELLO))
    push.send(frame(7, 5, 5))
    items = drain(source, 10)
    assert rejected(items) == [(Reason.UNKNOWN_STREAM, "#0000000000000007", 5)]
    assert [item.stream for item in items if isinstance(item, Batch)] == ["pump-3"]


def test_one_id_keeps_its_first_name(source, push, drain) -> None:
    push.send(encode_hello(HELLO))
    push.send(encode_hello(Hello(7, "pump-9", ("pressure", "flow"))))
    push.send(frame(7, 0, 1))
    items = drain(source, 2)
    assert rejected(items) == [(Reason.UNKNOWN_STREAM, "pump-9", 1)]
    (detail,) = [item.detail for item in items if isinstance(item, Reject)]
    assert "pump-3" in detail
    assert "pump-9" in detail
    assert [item.stream for item in items if isinstance(item, Batch)] == ["pump-3"]


def test_a_stream_may_rename_its_channels(source, push, drain) -> None:
    push.send(encode_hello(HELLO))
    push.send(encode_hello(Hello(7, "pump-3", ("p", "q"))))
    push.send(frame(7, 0, 1))
    assert [batch.channels for batch in drain(source, 1)] == [("p", "q")]


def test_streams_may_be_bound_in_the_configuration(opened, plain, drain) -> None:
    fixed = [{"id": 7, "name": "fixed", "channels": ["x", "y"]}, {"name": "by name", "channels": ["z"]}]
    source = opened(streams=fixed)
    push = plain(zmq.PUSH)
    push.connect(source.endpoint)
    push.send(encode_hello(Hello(7, "fixed", ("renamed", "y"))))
    push.send(frame(7, 0, 1))
    push.send(frame(stream_id("by name"), 0, 1, channels=1))
    items = drain(source, 3)
    assert rejected(items) == [(Reason.UNKNOWN_STREAM, "fixed", 1)]
    batches = {item.stream: item.channels for item in items if isinstance(item, Batch)}
    assert batches == {"fixed": ("x", "y"), "by name": ("z",)}


def test_hellos_fill_no_more_than_their_limit(opened, plain, drain) -> None:
    source = opened(stream_limit=2)
    push = plain(zmq.PUSH)
    push.connect(source.endpoint)
    for identity in range(4):
        push.send(encode_hello(Hello(identity, f"s{identity}", ("x",))))
    push.send(encode_hello(Hello(1, "s1", ("renamed",))))
    items = drain(source, 2)
    assert rejected(items) == [(Reason.TOO_MANY_STREAMS, "s2", 1), (Reason.TOO_MANY_STREAMS, "s3", 1)]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(b"", (Reason.MALFORMED, "", 1), id="empty"),
        pytest.param(b"hello", (Reason.MALFORMED, "", 1), id="text"),
        pytest.param(frame(7, 0, 3)[:-1], (Reason.TRUNCATED, "pump-3", 1), id="short"),
        pytest.param(frame(8, 0, 3)[:-1], (Reason.TRUNCATED, "#0000000000000008", 1), id="short_unknown"),
        pytest.param(frame(7, 0, 3, channels=1), (Reason.WRONG_CHANNELS, "pump-3", 3), id="channels"),
        pytest.param(b'{"stream": "a", "v": "text"}', (Reason.NOT_A_NUMBER, "a", 1), id="not_a_number"),
        pytest.param(b'{"stream": "a", "v": 1, "t": "now"}', (Reason.BAD_TIME, "a", 1), id="time"),
        pytest.param(b'{"stream": "a", "v": [1, 2], "channels": ["x"]}', (Reason.WRONG_CHANNELS, "a", 1), id="names"),
        pytest.param([b"topic", frame(7, 0, 3)], (Reason.MALFORMED, "", 1), id="parts"),
        pytest.param([frame(7, 0, 3), *[b"part"] * 5000], (Reason.MALFORMED, "pump-3", 1), id="many_parts"),
        pytest.param(b"{" + b"x" * 2**20, (Reason.OVERSIZE, "", 1), id="oversize"),
        pytest.param(frame(7, 0, 50_000), (Reason.OVERSIZE, "pump-3", 1), id="oversize_frame"),
    ],
)
def test_bad_input_is_named_and_harms_nothing_else(source, push, drain, message, expected) -> None:
    push.send(encode_hello(HELLO))
    push.send(frame(7, 0, 1))
    push.send_multipart(message if isinstance(message, list) else [message])
    push.send(frame(7, 1, 1))
    items = drain(source, 2 + expected[2])
    assert rejected(items) == [expected]
    assert sum(len(item.time) for item in items if isinstance(item, Batch)) == 2
    assert all(len(item.detail) < 1000 for item in items if isinstance(item, Reject))


def test_a_message_of_100_mb_is_counted(source, push, drain) -> None:
    push.send(bytes(100 * 10**6), copy=False)
    push.send(b'{"stream": "a", "v": 1}')
    items = drain(source, 2)
    assert rejected(items) == [(Reason.OVERSIZE, "", 1)]


def test_a_still_longer_message_is_never_held_in_memory(opened, plain, monkeypatch) -> None:
    monkeypatch.setattr(source_module, "LARGEST_RECEIVED", 2000)
    source = opened(max_message_bytes=1000)
    push = plain(zmq.PUSH)
    push.connect(source.endpoint)
    push.send(bytes(1500))
    push.send(bytes(2001))
    items: list[Batch | Reject] = []
    deadline = time.monotonic() + 10.0
    while not any(isinstance(item, Batch) for item in items):
        assert time.monotonic() < deadline
        push.send(b'{"stream": "a", "v": 1}')
        items.extend(source.next_batch(0.02))
    assert rejected(items) == [(Reason.OVERSIZE, "", 1)]


def test_one_call_takes_a_bounded_number_of_messages(source, push, drain, monkeypatch) -> None:
    monkeypatch.setattr(source_module, "MESSAGES_PER_CALL", 10)
    for index in range(35):
        push.send(b'{"stream": "a", "v": %d}' % index)
    batches = drain(source, 35)
    assert max(len(batch.time) for batch in batches) <= 10
    assert [v for batch in batches for v in batch.values[:, 0].tolist()] == list(range(35))


def test_one_call_takes_a_bounded_number_of_bytes(source, push, drain, monkeypatch) -> None:
    monkeypatch.setattr(source_module, "BYTES_PER_CALL", 1000)
    push.send(encode_hello(HELLO))
    for sequence in range(0, 200, 20):
        push.send(frame(7, sequence, 20))
    assert max(len(batch.time) for batch in drain(source, 200)) <= 60


def test_a_subscriber_hears_what_it_subscribed_to(opened, plain, drain) -> None:
    pub = plain(zmq.PUB)
    pub.bind(ANY_PORT)
    endpoint = pub.last_endpoint.decode()
    source = opened(socket="sub", bind="", connect=endpoint, subscribe='{"stream": "pump')
    deadline = time.monotonic() + 10.0
    came: list[Batch | Reject] = []
    while not came and time.monotonic() < deadline:
        pub.send(b'{"stream": "fan-1", "v": 1}')
        pub.send(b'{"stream": "pump-1", "v": 1}')
        came.extend(source.next_batch(0.05))
    assert {item.stream for item in came} == {"pump-1"}


def test_waiting_ends_with_the_first_message(source, push) -> None:
    assert source.next_batch(0.0) == []
    push.send(b'{"stream": "a", "v": 1}')
    start = time.monotonic()
    assert len(source.next_batch(30.0)) == 1
    assert time.monotonic() - start < 10.0


def test_inproc_and_ipc(opened, drain, tmp_path, plain) -> None:
    source = opened(bind="inproc://test_inproc_and_ipc")
    with zmq.Context.instance().socket(zmq.PUSH) as push:
        push.linger = 0
        push.connect(source.endpoint)
        push.send(b'{"stream": "a", "v": 1}')
        assert drain(source, 1)[0].stream == "a"
    source = opened(bind=f"ipc://{tmp_path}/socket")
    push = plain(zmq.PUSH)
    push.connect(source.endpoint)
    push.send(b'{"stream": "a", "v": 1}')
    assert drain(source, 1)[0].stream == "a"


# --- opening ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bind": ANY_PORT, "connect": "tcp://127.0.0.1:5600"},
        {"bind": "127.0.0.1:5600"},
        {"bind": "tcp://127.0.0.1"},
        {"bind": "tcp://127.0.0.1:99999"},
        {"connect": ANY_PORT},
        {"bind": "udp://127.0.0.1:5600"},
        {"bind": "tcp://*:5600"},
        {"bind": "tcp://0.0.0.0:5600"},
        {"bind": "tcp://192.168.1.5:5600"},
        {"bind": "tcp://eth0:5600"},
        {"bind": "tcp://[::]:5600"},
        {"bind": ANY_PORT, "subscribe": "a"},
        {"bind": ANY_PORT, "socket": "push"},
        {"bind": ANY_PORT, "max_message_bytes": 0},
        {"bind": ANY_PORT, "unknown": 1},
        {"bind": ANY_PORT, "streams": [{"name": "a", "channels": ["x"]}] * 2},
        {"bind": ANY_PORT, "streams": [{"name": "a", "channels": []}]},
        {"bind": ANY_PORT, "streams": [{"name": "a", "channels": ["x"], "id": -1}]},
    ],
    ids=str,
)
def test_options_that_make_no_sense_are_refused_before_anything_is_opened(options) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(options, ZeromqSourceOptions)


@pytest.mark.parametrize("bind", ["tcp://127.0.0.2:1", "tcp://lo:1", "tcp://[::1]:1", "ipc:///tmp/x", "inproc://x"])
def test_local_endpoints_need_no_leave(bind: str) -> None:
    assert ZeromqSourceOptions(bind=bind).bind == bind


def test_a_public_bind_takes_an_explicit_word() -> None:
    with pytest.raises(msgspec.ValidationError, match="insecure = true"):
        msgspec.convert({"bind": "tcp://0.0.0.0:5600"}, ZeromqSourceOptions)
    assert msgspec.convert({"bind": "tcp://0.0.0.0:5600", "insecure": True}, ZeromqSourceOptions).insecure


def test_a_port_in_use_is_reported(source: ZeromqSource) -> None:
    with pytest.raises(ConnectorError, match=source.endpoint):
        ZeromqSource(ZeromqSourceOptions(bind=source.endpoint))
