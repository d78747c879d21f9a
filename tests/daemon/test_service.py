"""The daemon as a real process: sockets, signals, exit codes."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import Counter

import msgspec
import numpy as np
import pytest
import zmq
from prometheus_client.parser import text_string_to_metric_families
from streamrnn_connectors.zeromq import Sender

from streamrnn.daemon import cli

SOURCE = '[[sources]]\nconnector = "zeromq"\nbind = "tcp://127.0.0.1:*"\n'


def metrics(daemon, url):
    status, text = daemon.get("/metrics", url)
    assert status == 200
    return {(s.name, *s.labels.values()): s.value for f in text_string_to_metric_families(text) for s in f.samples}


def wait_until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, condition()
        time.sleep(0.05)
    return found


class Receiver:
    """A PULL socket that parses the results it gets."""

    def __init__(self):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.PULL)
        self.socket.rcvhwm = 100_000
        port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        self.endpoint = f"tcp://127.0.0.1:{port}"
        self.messages = []

    def receive(self, count, seconds=60.0):
        deadline = time.monotonic() + seconds
        while len(self.messages) < count and time.monotonic() < deadline:
            if self.socket.poll(100):
                self.messages.append(msgspec.json.decode(self.socket.recv()))
        return self.messages

    def close(self):
        self.socket.close(0)
        self.context.term()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


def test_ten_thousand_samples_sent_ten_thousand_counted(run_daemon, receiver):
    sink = (
        f'[[sinks]]\nconnector = "zeromq"\nsocket = "push"\nconnect = "{receiver.endpoint}"\n'
        'send = ["score", "alarm"]\nhigh_water_mark = 100000\n[metrics]\nstreams = ["pump-*"]\n'
    )
    daemon = run_daemon(SOURCE + sink)
    endpoint = daemon.wait_for("source")["endpoint"]
    url = daemon.wait_for("listening")["http"]
    t = 1_700_000_000 * 10**9 + np.arange(2500) * 10**9
    x = np.stack([np.sin(np.arange(2500) / 9), np.cos(np.arange(2500) / 5)], axis=1)
    x += 0.05 * np.random.default_rng(3).standard_normal(x.shape)
    x[2000:2010, 1] += 30.0
    with Sender(endpoint, linger=10.0) as sender:
        for row in range(1500):
            sender.send("pump-1", int(t[row]), x[row], channels=("pressure", "flow"))
        sender.send_block("pump-1", t[1500:], x[1500:])
        for name in ("pump-2", "pump-3", "valve"):
            sender.send_block(name, t, x, channels=("pressure", "flow"))
    received = receiver.receive(10_000 + 8)
    found = wait_until(lambda: (m := metrics(daemon, url))["streamrnn_samples_total",] == 10_000 and m)
    assert Counter((m["kind"], m["stream"]) for m in received if m["kind"] == "score") == {
        ("score", name): 2500 for name in ("pump-1", "pump-2", "pump-3", "valve")
    }
    alarms = [m for m in received if m["kind"] == "alarm" and m["phase"] == "started" and m["cause"] == "odd"]
    assert {m["stream"] for m in alarms} == {"pump-1", "pump-2", "pump-3", "valve"}
    assert all(m["channel"] == "flow" and m["t_ns"] == t[2000] for m in alarms)
    assert found["streamrnn_stream_samples_total", "pump-1"] == 2500
    assert found["streamrnn_value", "flow", "pump-1"] == x[-1, 1]
    assert found["streamrnn_alarms_total",] == len(alarms)
    assert found["streamrnn_sink_dropped_total", "zeromq"] == 0
    assert not any(v for key, v in found.items() if key[0] == "streamrnn_input_rejected_total")
    status, body = daemon.get("/healthz", url)
    assert (status, msgspec.json.decode(body)["samples"]) == (200, 10_000)
    assert daemon.end() == 0
    assert daemon.log[-1]["event"] == "stopped"
    assert daemon.log[-1]["samples"] == 10_000


def test_events_conditions_and_orders_of_a_real_daemon(run_daemon, receiver, capsys):
    sink = f'[[sinks]]\nconnector = "zeromq"\nsocket = "push"\nconnect = "{receiver.endpoint}"\nsend = ["alarm"]\n'
    window = '[[maintenance]]\nstreams = ["hushed"]\nmute = "alarms"\nfrom = 2020-01-01T00:00:00Z\n'
    daemon = run_daemon(SOURCE + sink + window + "until = 2100-01-01T00:00:00Z\n")
    endpoint = daemon.wait_for("source")["endpoint"]
    url = daemon.wait_for("listening")["http"]
    t = 1_700_000_000 * 10**9 + np.arange(700) * 10**9
    x = np.sin(np.arange(700) / 9)[:, None] + 0.05 * np.random.default_rng(3).standard_normal((700, 1))
    x[600:] += 10.0
    x[300:305] = x[300]
    with Sender(endpoint, linger=10.0) as sender:
        for name in ("pump 1", "hushed"):
            sender.send_block(name, t, x, channels=("flow",))
        flat = daemon.wait_for("condition", cause="flat", phase="started")
        assert (flat["stream"], flat["channel"], flat["time"]) == ("pump 1", "flow", int(t[303]))
        started = daemon.wait_for("alarm", stream="pump 1", time=int(t[600]))
        assert (started["cause"], started["phase"], started["share"]) == ("odd", "started", {"flow": 1.0})
        wait_until(lambda: metrics(daemon, url)["streamrnn_samples_total",] == 1400)
        assert metrics(daemon, url)["streamrnn_streams_refusing",] == 2
        assert cli.main(["accept", "pump 1", "--url", url]) == 0
        daemon.wait_for("accepted", stream="pump 1")
        since, until = (str(int(when) // 10**9) for when in (t[600], t[-1]))
        assert cli.main(["forget", "hushed", "--since", since, "--until", until, "--url", url]) == 0
        assert capsys.readouterr().out == "pump 1: accepted as normal\nhushed: forgot 100 rows\n"
        silent = daemon.wait_for("condition", cause="silent", stream="pump 1")
        assert (silent["phase"], silent["expected"]) == ("started", 1.0)
    told = [(m["stream"], m["cause"], m["phase"]) for m in receiver.receive(4)]
    assert told == [
        ("pump 1", "flat", "started"), ("pump 1", "flat", "resolved"), ("pump 1", "odd", "started"),
        ("pump 1", "silent", "started"),
    ]  # fmt: skip
    found = metrics(daemon, url)
    assert found["streamrnn_conditions_total", "flat"] == 1
    assert found["streamrnn_conditions_active", "silent"] == 1
    assert found["streamrnn_streams_muted",] == 1
    assert daemon.end() == 0
    assert not [entry for entry in daemon.log if entry.get("stream") == "hushed" and entry["event"] == "condition"]


def test_bad_input_over_the_socket_is_counted_by_reason(run_daemon):
    daemon = run_daemon(SOURCE + 'max_message_bytes = 1000\n[streams]\nadmit = ["good", "bad*"]\nlimit = 2\n')
    endpoint = daemon.wait_for("source")["endpoint"]
    url = daemon.wait_for("listening")["http"]
    messages = {
        "malformed": b"\x00nonsense",
        "truncated": b"SRN1" + bytes([1, 0, 0, 0]) + b"\xff\xff\xff\x7f" * 2 + bytes(16),
        "oversize": b'{"stream": "bad", "v": 1}' + b" " * 1000,
        "unknown_stream": b'{"stream": "stranger", "v": 1}',
        "wrong_channels": b'{"stream": "good", "v": [1, 2, 3]}',
        "not_a_number": b'{"stream": "bad", "v": "text"}',
        "not_finite": b'{"stream": "bad", "v": 1e300}',
        "late": b'{"stream": "good", "t": 1.0, "v": 1}',
        "duplicate": b'{"stream": "good", "t": 5.0, "v": 1}',
        "bad_time": b'{"stream": "good", "t": 1e30, "v": 1}',
        "too_many_streams": b'{"stream": "bad-too", "v": 1}',
    }
    start = [b'{"stream": "good", "t": 5.0, "v": 1}', b'{"stream": "bad", "v": 1}']
    context = zmq.Context()
    out = context.socket(zmq.PUSH)
    out.connect(endpoint)
    for message in [*start, *messages.values()]:
        out.send(message)
    reasons = dict.fromkeys(messages, 1)

    def counted():
        rejected = {k[1]: v for k, v in metrics(daemon, url).items() if k[0] == "streamrnn_input_rejected_total"}
        return rejected if sum(rejected.values()) >= len(messages) else None

    assert wait_until(counted) == reasons
    for _ in range(1000):
        out.send(messages["malformed"])
    out.close()
    context.term()
    wait_until(lambda: metrics(daemon, url)["streamrnn_input_rejected_total", "malformed"] == 1001)
    assert daemon.end() == 0
    lines = [entry for entry in daemon.log if entry["event"] == "rejected malformed"]
    assert len(lines) <= 3
    assert sum(entry["count"] for entry in lines) == 1001


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_manager_is_told_and_signals_end_it_well(run_daemon, tmp_path, number):
    name = f"@streamrnn-test-{os.getpid()}-{number}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:])
        manager.settimeout(180.0)
        daemon = run_daemon(SOURCE, environment={**os.environ, "NOTIFY_SOCKET": name})
        assert manager.recv(100) == b"READY=1"
        assert daemon.end(number) == 0
        assert manager.recv(100) == b"STOPPING=1"
    assert daemon.log[-1]["message"].startswith("told to stop")


ENDLESS = """
import sys
from streamrnn.daemon.config import parse
from streamrnn.daemon.logs import set_up
from streamrnn.daemon.service import serve
from streamrnn.engine import loop
from streamrnn_connectors.host.source import HostSource
loop.DRAIN = 600.0
HostSource.next_batch = lambda self, timeout: [loop.Reject(loop.Reason.MALFORMED)]
set_up("json", "info")
sys.exit(serve(parse({"http": {"port": 0}, "sources": [{"connector": "host"}]}, "test")))
"""


def test_the_second_signal_ends_it_at_once(start):
    name = f"@streamrnn-test-{os.getpid()}-second"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:])
        manager.settimeout(180.0)
        daemon = start("-c", ENDLESS, environment={**os.environ, "NOTIFY_SOCKET": name})
        assert manager.recv(100) == b"READY=1"
        daemon.process.send_signal(signal.SIGINT)
        assert manager.recv(100) == b"STOPPING=1"
        assert daemon.end(signal.SIGINT) == -signal.SIGINT


def test_what_was_sent_before_the_stop_is_counted(run_daemon):
    daemon = run_daemon(SOURCE)
    endpoint = daemon.wait_for("source")["endpoint"]
    daemon.wait_for("listening")
    with Sender(endpoint, linger=10.0) as sender:
        for second in range(500):
            sender.send("a", second * 10**9, 1.0)
    assert daemon.end() == 0
    assert daemon.log[-1]["samples"] == 500


def files_source(path):
    return f'[[sources]]\nconnector = "files"\npath = "{path}"\n'


def test_it_ends_well_when_its_files_have_ended(run_daemon, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("time,v\n" + "".join(f"{i},{i % 7}\n" for i in range(100)))
    daemon = run_daemon(files_source(tmp_path / "a.csv") + files_source(tmp_path / "b.csv"))
    assert daemon.finish() == 0
    assert daemon.log[-1]["message"] == "all sources have ended; 200 samples of 2 streams"


@pytest.mark.parametrize("more", ["", SOURCE], ids=["alone", "beside another"])
def test_a_broken_file_ends_it_with_code_1_and_is_named(run_daemon, tmp_path, more):
    (tmp_path / "a.csv").write_text("time,v\n1,1\n2,2\n3,x\n")
    daemon = run_daemon(files_source(tmp_path / "a.csv") + more)
    assert daemon.finish() == 1
    assert daemon.log[-1]["event"] == "failed"
    assert daemon.log[-1]["level"] == "error"
    assert "a.csv" in daemon.log[-1]["message"]
    assert "4" in daemon.log[-1]["message"]


def test_a_port_in_use_is_one_clear_line(start, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        path = tmp_path / "a.toml"
        path.write_text(f"{SOURCE}[http]\nport = {taken.getsockname()[1]}\n[log]\nformat = 'json'\n")
        daemon = start("-m", "streamrnn.daemon", "run", path)
        assert daemon.finish() == 1
    error = daemon.errors()
    assert error.startswith("streamrnn: http: cannot listen here")
    assert "Use --port" in error
    assert len(error.splitlines()) == 1


def test_no_thread_is_left(monkeypatch, tmp_path):
    from streamrnn.daemon import service
    from streamrnn.daemon.config import parse

    monkeypatch.setattr(service.gc, "freeze", lambda: None)
    (tmp_path / "a.csv").write_text("time,v\n1,1\n2,2\n")
    tables = {"http": {"port": 0}, "sources": 2 * [{"connector": "files", "path": str(tmp_path / "a.csv")}]}
    before = set(threading.enumerate())
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert service.serve(parse(tables, "test")) == 0
    assert set(threading.enumerate()) == before
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_start_ends_it_well(run_daemon, tmp_path, number):
    """While it compiles, with an empty cache: what has begun is finished, and nothing is opened."""
    daemon = run_daemon(SOURCE, environment=os.environ | {"STREAMRNN_CACHE_DIR": str(tmp_path / "cache")})
    daemon.wait_for("starting")
    daemon.wait_for("compile")
    assert daemon.end(number) == 0
    assert [entry["event"] for entry in daemon.log if entry["event"] in ("listening", "stopped")] == ["stopped"]
