"""ZeromqSink over real sockets: the documented messages, and never a wait."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import msgspec
import numpy as np
import pytest
import zmq
from streamrnn_connectors.zeromq import ZeromqSink, ZeromqSinkOptions

from streamrnn.engine.ports import Alarm, Part, Way
from streamrnn.testing.results import make_result, sample_results

ANY_PORT = "tcp://127.0.0.1:*"
ALARM = Alarm(
    stream="pump-3",
    time=1_690_000_000_250_000_000,
    phase="started",
    score=0.9,
    channel="flow",
    value=float("nan"),
    expected=1.0,
    lower=0.5,
    upper=1.5,
    since=1_690_000_000_000_000_000,
    cause="range",
    why=(Part("pressure", 0.25, float("nan")), Part("flow", 0.75, 1.0)),
    ways=(Way("level", 0.75), Way("residual", 0.25)),
)


@pytest.fixture
def opened() -> Iterator[Callable[..., ZeromqSink]]:
    sinks: list[ZeromqSink] = []

    def opened(**options: object) -> ZeromqSink:
        sinks.append(ZeromqSink(msgspec.convert(options, ZeromqSinkOptions)))
        return sinks[-1]

    yield opened
    for sink in sinks:
        sink.close()


@pytest.fixture
def pull(plain) -> zmq.Socket:
    socket = plain(zmq.PULL)
    socket.rcvtimeo = 10_000
    socket.bind(ANY_PORT)
    return socket


def test_the_messages_are_the_documented_ones(opened, pull) -> None:
    sink = opened(socket="push", connect=pull.last_endpoint.decode())
    result = make_result("pump-3", rows=2, horizons=2, channels=("pressure", "flow"))
    result.values[0, 0] = np.nan
    result.alarms.append(ALARM)
    sink.write([result])
    raw = [pull.recv() for _ in range(4)]
    assert raw[0].startswith(b'{"kind":"score","stream":"pump-3","seq":0,')
    assert raw[2].startswith(b'{"kind":"forecast","stream":"pump-3","seq":0,')
    assert raw[3].startswith(b'{"kind":"alarm","stream":"pump-3","seq":0,')
    first, second, forecast, alarm = (json.loads(message) for message in raw)
    assert first == {
        "kind": "score",
        "stream": "pump-3",
        "seq": 0,
        "t": 1690000000.0,
        "t_ns": 1690000000000000000,
        "score": 0.0,
        "warming": False,
        "channels": ["pressure", "flow"],
        "value": [None, 1 / 3],
        "expected": [0.25, 1 / 3 + 0.25],
        "lower": [-1.0, 1 / 3 - 1.0],
        "upper": [1.5, 1 / 3 + 1.5],
        "share": [0.5, 0.5],
        "level": 0.9,
    }
    assert (second["seq"], second["t_ns"], second["score"]) == (1, 1690000000250000000, 0.99)
    assert forecast == {
        "kind": "forecast",
        "stream": "pump-3",
        "seq": 0,
        "t": 1690000000.25,
        "t_ns": 1690000000250000000,
        "interval": 0.25,
        "level": 0.9,
        "channels": ["pressure", "flow"],
        "expected": result.forecast[-1].tolist(),
        "lower": result.forecast_lower[-1].tolist(),
        "upper": result.forecast_upper[-1].tolist(),
    }
    assert alarm == {
        "kind": "alarm",
        "stream": "pump-3",
        "seq": 0,
        "t": 1690000000.25,
        "t_ns": 1690000000250000000,
        "since": 1690000000.0,
        "since_ns": 1690000000000000000,
        "phase": "started",
        "cause": "range",
        "channel": "flow",
        "score": 0.9,
        "value": None,
        "expected": 1.0,
        "lower": 0.5,
        "upper": 1.5,
        "why": [
            {"channel": "pressure", "share": 0.25, "expected": None},
            {"channel": "flow", "share": 0.75, "expected": 1.0},
        ],
        "ways": {"level": 0.75, "residual": 0.25},
    }


def test_a_condition_has_no_score_and_no_rows(opened, pull) -> None:
    sink = opened(socket="push", connect=pull.last_endpoint.decode())
    result = make_result("pump-3", rows=0, horizons=2, channels=("pressure", "flow"))
    nan = float("nan")
    result.alarms.append(Alarm("pump-3", 10**18, "started", nan, "", 3.5, 1.0, nan, 3.1, 10**18, "silent"))
    sink.write([result])
    message = json.loads(pull.recv())
    assert (message["kind"], message["cause"], message["phase"]) == ("alarm", "silent", "started")
    assert (message["channel"], message["score"], message["value"], message["why"]) == ("", None, 3.5, [])


def test_messagepack_says_the_same_as_json(opened, pull) -> None:
    endpoint = pull.last_endpoint.decode()
    decoders = {"json": msgspec.json.decode, "messagepack": msgspec.msgpack.decode}
    said = []
    for encoding, decode in decoders.items():
        sink = opened(socket="push", connect=endpoint, encoding=encoding)
        sink.write(sample_results())
        sink.close()
        said.append([decode(pull.recv()) for _ in range(4 + 2 + 1 + 0 + 1 + 1 + 4 + 2)])
    assert said[0] == said[1]


@pytest.mark.parametrize("kind", ["forecast", "score", "alarm"])
def test_only_the_wanted_kinds_are_sent(opened, pull, kind) -> None:
    sink = opened(socket="push", connect=pull.last_endpoint.decode(), send=[kind])
    sink.write(sample_results())
    sink.close()
    assert json.loads(pull.recv())["kind"] == kind
    while pull.poll(200):
        assert json.loads(pull.recv())["kind"] == kind


def test_a_subscriber_chooses_by_the_first_characters(opened, plain) -> None:
    sink = opened(bind=ANY_PORT)
    sub = plain(zmq.SUB)
    sub.subscribe('{"kind":"alarm","stream":"pump-3"')
    sub.connect(sink.endpoint)
    deadline = time.monotonic() + 10.0
    while not sub.poll(20):
        assert time.monotonic() < deadline
        sink.write(sample_results())
    message = json.loads(sub.recv())
    assert (message["kind"], message["stream"]) == ("alarm", "pump-3")
    assert sink.dropped == 0


def test_with_nobody_there_messages_are_dropped_and_counted(opened) -> None:
    sink = opened(socket="push", bind=ANY_PORT, send=["score"])
    sink.write([make_result("pump-3", rows=1000, horizons=1, channels=("a",))])
    assert sink.dropped == 1000


def test_what_was_dropped_shows_as_a_gap_in_seq(opened, pull) -> None:
    sink = opened(socket="push", bind=ANY_PORT, send=["score"])
    result = make_result("pump-3", rows=1, horizons=1, channels=("a",))
    sink.write([result] * 7)
    pull.connect(sink.endpoint)
    deadline = time.monotonic() + 10.0
    while not pull.poll(5):
        assert time.monotonic() < deadline
        sink.write([result])
    assert json.loads(pull.recv())["seq"] == sink.dropped


@pytest.mark.parametrize(
    "options",
    [{}, {"bind": "tcp://*:1"}, {"bind": ANY_PORT, "send": []}, {"bind": ANY_PORT, "send": ["all"]}],
    ids=str,
)
def test_options_that_make_no_sense_are_refused(options) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(options, ZeromqSinkOptions)
