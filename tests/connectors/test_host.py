"""The host connector: its pace, its figures, and the sensor process that publishes them."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Iterator

import psutil
import pytest
from streamrnn_connectors.host import HostSource, HostSourceOptions
from streamrnn_connectors.host.readings import UNITS, Readings
from streamrnn_connectors.host.schedule import Schedule
from streamrnn_connectors.zeromq import ZeromqSource, ZeromqSourceOptions

from streamrnn.engine.ports import Batch

Times = namedtuple("Times", "user idle iowait guest", defaults=[0.0])
Bytes = namedtuple("Bytes", "read_bytes write_bytes")
Card = namedtuple("Card", "bytes_recv bytes_sent")


def test_the_pace_neither_drifts_nor_makes_up() -> None:
    schedule, now = Schedule(0.2, 100.0), 100.0
    moments = []
    for late in (0.0, 0.03, 0.0, 0.15, 0.0, 0.0):
        now += schedule.left(now) + late
        moments.append(round(now - late, 9))
        schedule.done(now)
    assert moments == [100.2, 100.4, 100.6, 100.8, 101.0, 101.2]
    now += 60.0  # asleep
    assert schedule.left(now) == 0.0
    schedule.done(now)
    assert 0.0 < schedule.left(now) < 0.2001


def test_the_source_keeps_its_pace() -> None:
    source = HostSource(HostSourceOptions(every=0.05))
    start = time.monotonic()
    assert source.next_batch(0.0) == []
    assert 0.0 < source.next_awake() <= 0.05
    rounds = [source.next_batch(5.0) for _ in range(4)]
    assert time.monotonic() - start >= 0.2
    assert all(round_ for round_ in rounds)
    assert source.next_batch(0.0) == []


def test_the_figures_of_this_machine_make_sense() -> None:
    source = HostSource(HostSourceOptions(every=0.05))
    batches = {batch.stream: batch for batch in source.next_batch(5.0)}
    assert set(batches) <= set(UNITS)
    assert {"host.cpu", "host.load", "host.memory"} <= set(batches)
    for batch in batches.values():
        assert batch.values.shape == (1, len(UNITS[batch.stream])) == (1, len(batch.channels))
        assert abs(batch.time[0] - time.time_ns()) < 60 * 10**9
        assert not (batch.values < 0.0).any()
    assert batches["host.memory"].values[0, 0] <= 100.0


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What psutil says of a machine that the test makes up; change it between looks."""
    said: dict[str, object] = {
        "cpu_times": Times(100.0, 900.0, 0.0),
        "disk_io_counters": Bytes(1000, 2000),
        "net_io_counters": {"lo": Card(10**9, 10**9), "eth0": Card(0, 0), "wlan0": Card(0, 0)},
        "getloadavg": (1.5, 0.0, 0.0),
    }

    def says(name: str):
        def say(**_: object) -> object:
            if isinstance(said[name], Exception):
                raise said[name]
            return said[name]

        return say

    for name in said:
        monkeypatch.setattr(psutil, name, says(name))
    return said


def look(readings: Readings) -> dict[str, tuple[float, ...]]:
    return {reading.stream: reading.values for reading in readings.read()}


def test_shares_and_rates_are_those_since_the_last_look(machine) -> None:
    now = 0.0
    readings = Readings(clock=lambda: now)
    now = 2.0
    machine["cpu_times"] = Times(101.0, 902.0, 1.0)
    machine["disk_io_counters"] = Bytes(1000, 2200)
    machine["net_io_counters"] = {"lo": Card(2 * 10**9, 0), "eth0": Card(100, 20), "wlan0": Card(20, 0)}
    seen = look(readings)
    del seen["host.memory"]
    assert seen == {
        "host.cpu": (25.0, 25.0),
        "host.load": (1.5,),
        "host.disk": (0.0, 100.0),
        "host.network": (60.0, 10.0),
    }


def test_a_guest_is_not_counted_twice(machine) -> None:
    readings = Readings()
    machine["cpu_times"] = Times(101.0, 901.0, 0.0, guest=1.0)  # the guest's second is one of user's
    assert look(readings)["host.cpu"][0] == 50.0


def test_a_counter_that_begins_anew_gives_a_missing_value(machine) -> None:
    readings = Readings()
    machine["disk_io_counters"] = Bytes(5, 3000)
    read, write = look(readings)["host.disk"]
    assert math.isnan(read)
    assert write > 0.0


def test_a_clock_that_stands_still_gives_missing_values(machine) -> None:
    seen = look(Readings(clock=lambda: 1.0))
    assert all(math.isnan(value) for name in ("host.cpu", "host.disk") for value in seen[name])


def test_what_cannot_be_read_is_left_out_and_may_come_back(machine) -> None:
    disk = machine["disk_io_counters"]
    machine["disk_io_counters"] = None
    machine["net_io_counters"] = {"lo": Card(1, 1)}
    machine["getloadavg"] = OSError("no such thing here")
    readings = Readings()
    assert set(look(readings)) == {"host.cpu", "host.memory"}
    machine["disk_io_counters"] = disk
    assert math.isnan(look(readings)["host.disk"][0])
    assert look(readings)["host.disk"] == (0.0, 0.0)


# --- the sensor process ----------------------------------------------------------------------------------------------


@pytest.fixture
def receiver() -> Iterator[ZeromqSource]:
    source = ZeromqSource(ZeromqSourceOptions(bind="tcp://127.0.0.1:*"))
    yield source
    source.close()


def sensor(endpoint: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "streamrnn_connectors.host", "--connect", endpoint, "--every", "0.05", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_the_sensor_publishes_until_it_is_told_to_end(receiver, drain, number) -> None:
    process = sensor(receiver.endpoint)
    try:
        items = drain(receiver, 20)
        assert {item.stream for item in items} <= set(UNITS)
        assert all(isinstance(item, Batch) for item in items)
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)
        assert (process.returncode, errors) == (0, "")
    finally:
        process.kill()
        process.communicate()


def test_the_sensor_ends_with_its_parent(receiver, drain) -> None:
    parent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = sensor(receiver.endpoint, "--parent", str(parent.pid))
    try:
        drain(receiver, 5)
        assert process.poll() is None
        parent.kill()  # not waited for yet: a zombie
        assert process.wait(10) == 0
    finally:
        for started in (parent, process):
            started.kill()
            started.communicate()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [(["--every", "0"], "every|float"), (["--parent", str(2**22 + 1)], ""), (["--connect", "nonsense"], "nonsense")],
    ids=["every", "parent gone", "endpoint"],
)
def test_the_sensor_does_not_run_in_vain(receiver, arguments, complaint) -> None:
    process = sensor(receiver.endpoint, *arguments)
    try:
        _, errors = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == (1 if complaint else 0)
    assert any(word in errors for word in complaint.split("|"))
    assert "Traceback" not in errors
