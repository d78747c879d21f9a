"""What runs without a configuration: the daemon watches its own machine, by way of a real socket.

A child process, the host sensor, reads the machine's figures and sends them; the daemon learns from what arrives, as
it would from any other machine's.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

from streamrnn.daemon.config import Config, parse

logger = logging.getLogger("streamrnn.sensor")

FIRST_WAIT = 0.5
"""Seconds before a sensor that died is started again; doubled each time, up to LONGEST_WAIT."""
LONGEST_WAIT = 30.0
HEALTHY = 60.0
"""Seconds of life after which a sensor counts as healthy, and the wait begins at FIRST_WAIT again."""
PATIENCE = 2.0
"""Seconds that a sensor has to end when it is asked to."""


def demo_config() -> Config:
    """A socket on this machine's loopback for the sensor, metrics of each of its streams, a table every 5 s."""
    tables = {
        "streams": {"admit": ["host.*"]},
        "metrics": {"streams": ["host.*"]},
        "log": {"every": 5.0},
        "sources": [{"connector": "zeromq", "socket": "pull", "bind": "tcp://127.0.0.1:*"}],
    }
    return parse(tables, "built-in configuration")


def host_sensor(endpoint: str) -> list[str]:
    """The command of the sensor that sends to `endpoint`, and ends when this process does."""
    command = [sys.executable, "-m", "streamrnn_connectors.host"]
    return [*command, "--connect", endpoint, "--parent", str(os.getpid())]


class Sensor:
    """A child process that is started again, after a wait, when it dies; ended by `close`.

    It has a session of its own: Ctrl-C in the terminal reaches the daemon alone, which ends it.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._stop = threading.Event()
        self._child = self._start()
        self._thread = threading.Thread(target=self._watch, name="sensor", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """Process id of the child that runs now."""
        return self._child.pid

    def close(self) -> None:
        """End the child: ask it, then make it. Safe to call twice."""
        self._stop.set()
        self._thread.join()
        self._child.terminate()
        try:
            self._child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        # What it has to say goes to standard error: standard output is the daemon's log.
        quiet = subprocess.DEVNULL
        return subprocess.Popen(self._command, stdin=quiet, stdout=quiet, start_new_session=True)

    def _watch(self) -> None:
        wait, started = FIRST_WAIT, time.monotonic()
        while not self._stop.wait(0.1):
            code = self._child.poll()
            if code is None:
                continue
            wait = FIRST_WAIT if time.monotonic() - started >= HEALTHY else wait
            logger.warning(
                f"the sensor ended with code {code}; it is started again in {wait:g} s",
                extra={"event": "sensor", "fields": {"code": code, "wait": wait}},
            )
            if self._stop.wait(wait):
                return
            wait = min(2.0 * wait, LONGEST_WAIT)
            self._child, started = self._start(), time.monotonic()
