"""What runs without a configuration: the daemon, and the sensor that it starts."""

from __future__ import annotations

import os
import signal
import sys
import time

import psutil
import pytest

from streamrnn.daemon import demo
from streamrnn.daemon.demo import Sensor

FAKE = """
import sys, time
import numpy as np
from streamrnn_connectors.zeromq import Sender
t = 1_700_000_000 * 10**9 + np.arange(600) * 200_000_000
busy = 4.0 + np.random.default_rng(5).normal(0.0, 0.8, 600)
busy[500:] = 97.0 + np.random.default_rng(1).random(100)
sender = Sender(sys.argv[1])
for row in range(600):
    sender.send("host.cpu", int(t[row]), [busy[row], 0.0], channels=("busy", "iowait"))
time.sleep(600)
"""

RUN = """
import dataclasses, sys
from streamrnn.daemon.config import Http, Log
from streamrnn.daemon.demo import demo_config, host_sensor
from streamrnn.daemon.logs import set_up
from streamrnn.daemon.service import serve
config = dataclasses.replace(demo_config(), http=Http(port=0), log=Log(format="json", every=0.5))
set_up("json", "info")
fake = sys.argv[1:]
sys.exit(serve(config, sensor=(lambda endpoint: [sys.executable, *fake, endpoint]) if fake else host_sensor))
"""


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def children_of(daemon):
    return psutil.Process(daemon.process.pid).children()


def test_a_busy_processor_is_flagged_within_two_seconds(start, tmp_path):
    (tmp_path / "fake.py").write_text(FAKE)
    daemon = start("-c", RUN, tmp_path / "fake.py")
    url = daemon.wait_for("listening")["http"]
    jump = 1_700_000_000 * 10**9 + 500 * 200_000_000
    alarm = daemon.wait_for("alarm", 60.0)
    assert 0 <= alarm["time"] - jump <= 2 * 10**9
    assert (alarm["stream"], alarm["channel"]) == ("host.cpu", "busy")
    assert alarm["value"] > 90.0
    assert alarm["lower"] < alarm["expected"] < alarm["upper"] < 20.0
    assert alarm["message"].startswith("ALARM host.cpu busy: 97")
    status = daemon.wait_for("status", 10.0, stream="host.cpu")
    assert status["message"].split()[:2] == ["host.cpu", "busy"]
    assert 'streamrnn_stream_samples_total{stream="host.cpu"}' in daemon.get("/metrics", url)[1]
    (sensor,) = children_of(daemon)
    assert daemon.end(signal.SIGINT) == 0
    assert not sensor.is_running()


def test_the_machine_itself_is_watched(start):
    daemon = start("-c", RUN)
    daemon.wait_for("listening")
    for stream in ("host.cpu", "host.memory"):
        daemon.wait_for("status", 30.0, stream=stream)
    (sensor,) = children_of(daemon)
    assert os.getsid(sensor.pid) == sensor.pid  # Ctrl-C in the terminal does not reach it
    sensor.kill()
    assert daemon.wait_for("sensor", 10.0)["code"] == -signal.SIGKILL
    daemon.wait_for("restart", 30.0)  # the new one counts from 0, and is heard
    (again,) = children_of(daemon)
    assert again.pid != sensor.pid
    assert daemon.end(signal.SIGINT) == 0
    assert not again.is_running()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(demo, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(demo, "PATIENCE", 0.3)


def test_a_sensor_that_dies_is_started_again_and_waits_longer_each_time(quick, caplog):
    sensor = Sensor([sys.executable, "-c", "raise SystemExit(3)"])
    wait_until(lambda: len(caplog.records) >= 3)
    sensor.close()
    assert [(r.fields["code"], r.fields["wait"]) for r in caplog.records[:3]] == [(3, 0.05), (3, 0.1), (3, 0.2)]


def test_a_sensor_that_will_not_end_is_made_to(quick, tmp_path):
    ready = tmp_path / "ready"
    code = "import pathlib, signal, sys, time; signal.signal(15, signal.SIG_IGN); pathlib.Path(sys.argv[1]).touch()"
    sensor = Sensor([sys.executable, "-c", f"{code}; time.sleep(60)", str(ready)])
    wait_until(ready.exists)
    sensor.close()
    sensor.close()
    assert not psutil.pid_exists(sensor.pid)
