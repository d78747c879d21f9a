"""Sender to ZeromqSource over real sockets."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest
import zmq
from streamrnn_connectors.zeromq import Sender, ZeromqSource, ZeromqSourceOptions

from streamrnn.engine.ports import Batch, Reject
from streamrnn.errors import ConnectorError, InputError
from streamrnn.wire import Frame, Hello, decode

ANY_PORT = "tcp://127.0.0.1:*"


@pytest.fixture
def source() -> Iterator[ZeromqSource]:
    source = ZeromqSource(ZeromqSourceOptions(bind=ANY_PORT))
    yield source
    source.close()


def test_samples_arrive_with_their_names_times_and_numbers(source, drain) -> None:
    with Sender(source.endpoint) as sender:
        assert sender.send("pump-3", 10, [1.5, math.nan], channels=["pressure", "flow"], units=["bar", ""])
        assert sender.send("pump-3", 20, [2.5, 3.5])
        assert sender.send_block("pump-3", np.array([30, 40]), np.array([[4.0, 5.0], [6.0, 7.0]]))
        assert sender.send("fan", 10, 7)
        items = drain(source, 5)
    pump = [item for item in items if item.stream == "pump-3"]
    assert {batch.channels for batch in pump} == {("pressure", "flow")}
    assert pump[0].sequence == 0
    assert np.concatenate([batch.time for batch in pump]).tolist() == [10, 20, 30, 40]
    np.testing.assert_array_equal(
        np.concatenate([b.values for b in pump]), [[1.5, math.nan], [2.5, 3.5], [4, 5], [6, 7]]
    )
    assert [(b.channels, b.values.tolist()) for b in items if b.stream == "fan"] == [(("value",), [[7.0]])]


def test_a_long_block_travels_in_frames_that_every_receiver_takes(source, drain) -> None:
    count = 100_000
    values = np.random.default_rng(0).normal(size=(count, 3))
    with Sender(source.endpoint) as sender:
        assert sender.send_block("pump-3", np.arange(count), values)
        items = drain(source, count)
    assert not any(isinstance(item, Reject) for item in items)
    np.testing.assert_array_equal(np.concatenate([batch.values for batch in items]), values)
    following = 0
    for batch in items:
        assert batch.sequence == following
        following += len(batch.time)


def test_a_receiver_that_restarts_learns_the_names_again(source, drain) -> None:
    endpoint = source.endpoint
    with Sender(endpoint, hello_every=0.05) as sender:
        sender.send("pump-3", 1, 1.0)
        drain(source, 1)
        source.close()
        second = ZeromqSource(ZeromqSourceOptions(bind=endpoint))
        try:
            moment, deadline = 2, time.monotonic() + 10.0
            came: list[Batch | Reject] = []
            while not any(isinstance(item, Batch) for item in came):
                assert time.monotonic() < deadline, came
                sender.send("pump-3", moment, 1.0)
                moment += 1
                came.extend(second.next_batch(0.02))
        finally:
            second.close()
    assert {item.stream for item in came if isinstance(item, Batch)} == {"pump-3"}


def test_a_late_subscriber_learns_the_names(drain) -> None:
    with Sender(ANY_PORT, socket="pub", bind=True, hello_every=0.05) as sender:
        sender.send("pump-3", 1, 1.0)
        source = ZeromqSource(ZeromqSourceOptions(socket="sub", connect=sender.endpoint))
        try:
            moment, deadline = 2, time.monotonic() + 10.0
            came: list[Batch | Reject] = []
            while not any(isinstance(item, Batch) for item in came):
                assert time.monotonic() < deadline, came
                sender.send("pump-3", moment, 1.0)
                moment += 1
                came.extend(source.next_batch(0.02))
        finally:
            source.close()


def test_the_hello_comes_first_and_not_with_each_sample(plain) -> None:
    pull = plain(zmq.PULL)
    pull.bind(ANY_PORT)
    pull.rcvtimeo = 10_000
    with Sender(pull.last_endpoint.decode(), hello_every=3600.0) as sender:
        for moment in range(3):
            sender.send("pump-3", moment, 1.0)
        messages = [decode(pull.recv()) for _ in range(4)]
    assert [type(message) for message in messages] == [Hello, Frame, Frame, Frame]
    assert [message.sequence for message in messages[1:]] == [0, 1, 2]


def test_without_room_samples_are_dropped_counted_and_their_numbers_missing(plain, drain) -> None:
    with Sender(ANY_PORT, bind=True, timeout=0.0) as sender:
        for moment in range(5):
            assert not sender.send("pump-3", moment, 1.0)
        assert sender.dropped == 5
        source = ZeromqSource(ZeromqSourceOptions(connect=sender.endpoint))
        try:
            deadline = time.monotonic() + 10.0
            while not sender.send("pump-3", 5, 1.0):
                assert time.monotonic() < deadline
            (batch,) = drain(source, 1)
        finally:
            source.close()
        assert batch.sequence == sender.dropped


def test_a_bounded_wait_ends() -> None:
    with Sender(ANY_PORT, bind=True, timeout=0.05) as sender:
        start = time.monotonic()
        assert not sender.send("pump-3", 1, 1.0)
        assert 0.04 < time.monotonic() - start < 5.0


@pytest.mark.parametrize(
    ("values", "channels"), [([1.0], ()), ([1.0, 2.0, 3.0], ()), ([[1.0, 2.0]], ()), ([1.0, 2.0], ("a", "x"))]
)
def test_a_stream_keeps_its_channels(source, values, channels) -> None:
    with Sender(source.endpoint) as sender:
        sender.send("pump-3", 1, [1.0, 2.0], channels=("a", "b"))
        with pytest.raises(InputError, match="pump-3"):
            sender.send("pump-3", 2, values, channels=channels)


@pytest.mark.parametrize("stream", ["", "line\nbreak", "x" * 256])
def test_a_name_that_no_receiver_takes_is_refused_at_once(source, stream) -> None:
    with Sender(source.endpoint) as sender, pytest.raises(InputError):
        sender.send(stream, 1, 1.0)


def test_a_closed_sender_says_so(source) -> None:
    sender = Sender(source.endpoint)
    sender.close()
    sender.close()
    with pytest.raises(ConnectorError, match="closed"):
        sender.send("pump-3", 1, 1.0)


@pytest.mark.parametrize("endpoint", ["tcp://*:5600", "nonsense", ""])
def test_an_endpoint_that_is_not_allowed_is_refused(endpoint) -> None:
    with pytest.raises(ConnectorError):
        Sender(endpoint, bind=True)


def test_a_program_that_ends_at_once_has_still_sent_everything(source, drain) -> None:
    program = (
        "import sys; from streamrnn_connectors.zeromq import Sender\n"
        "with Sender(sys.argv[1]) as sender:\n"
        "    for moment in range(500): sender.send('pump-3', moment, 1.0)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, source.endpoint])
    try:
        items = drain(source, 500)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
    assert np.concatenate([batch.time for batch in items]).tolist() == list(range(500))


def test_a_float_is_seconds_and_an_int_nanoseconds(source, drain) -> None:
    with Sender(source.endpoint) as sender:
        sender.send("a", 1690000000.25, 1.0)
        sender.send("a", 1690000000_750000000, 2.0)
        times = np.concatenate([batch.time for batch in drain(source, 2)])
        assert times.tolist() == [1690000000_250000000, 1690000000_750000000]
        with pytest.raises(InputError, match="seconds"):
            sender.send("a", math.nan, 3.0)
        with pytest.raises(InputError, match="whole nanoseconds"):
            sender.send_block("a", np.array([1690000001.0]), np.array([[3.0]]))
