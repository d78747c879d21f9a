"""A daemon as a real process, and what it says."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

START = 180.0
"""Seconds for a daemon to start: its kernels may have to be compiled first, on a busy machine."""


class Daemon:
    """A daemon process that logs JSON to its standard output."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.log: list[dict[str, Any]] = []
        self._errors: list[str] = []
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read_log, self._read_errors)]
        for reader in self._readers:
            reader.start()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self._errors += self.process.stderr

    def _read_log(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(json.loads(line))
        self._lines.put(None)

    def wait_for(self, event: str, timeout: float = START, **fields: Any) -> dict[str, Any]:
        """The first entry, from now on, of that event and with those fields."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0.0:
            try:
                entry = self._lines.get(timeout=left)
            except queue.Empty:
                break
            if entry is None:
                raise AssertionError(f"the daemon ended before {event!r}: {self.log} {self.errors()}")
            self.log.append(entry)
            if entry["event"] == event and fields.items() <= entry.items():
                return entry
        raise AssertionError(f"no {event!r} in {timeout} s: {self.log}")

    def errors(self) -> str:
        """What it wrote to standard error, once it has ended."""
        self._readers[1].join(30.0)
        return "".join(self._errors)

    def get(self, path: str, url: str) -> tuple[int, str]:
        """Status and body of a GET request."""
        connection = HTTPConnection(urlsplit(url).netloc, timeout=10.0)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.finish()

    def finish(self) -> int:
        """Wait for the end; the exit code."""
        code = self.process.wait(START)
        self._readers[0].join(30.0)
        while not self._lines.empty():
            if (entry := self._lines.get()) is not None:
                self.log.append(entry)
        return code

    def clear(self) -> None:
        """Make sure that nothing is left of it, nor of its children."""
        if self.process.poll() is None:
            children = psutil.Process(self.process.pid).children(recursive=True)
            for process in (self.process, *children):
                process.kill()
        self.process.wait()
        for reader, pipe in zip(self._readers, (self.process.stdout, self.process.stderr), strict=True):
            reader.join()
            assert pipe is not None
            pipe.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Daemon]]:
    """Starts a daemon from command line words after `python`."""
    running: list[Daemon] = []

    def make(*words: str | Path, environment: dict[str, str] | None = None) -> Daemon:
        running.append(Daemon([sys.executable, *map(str, words)], environment))
        return running[-1]

    yield make
    for daemon in running:
        daemon.clear()


@pytest.fixture
def run_daemon(start: Callable[..., Daemon], tmp_path: Path) -> Callable[..., Daemon]:
    """Starts `streamrnn run` with a configuration, given as TOML; it logs JSON and serves on a free port."""

    def make(toml: str, environment: dict[str, str] | None = None) -> Daemon:
        path = tmp_path / "daemon.toml"
        path.write_text(f'[http]\nport = 0\n[log]\nformat = "json"\nevery = 0.0\n{toml}')
        return start("-m", "streamrnn.daemon", "run", path, environment=environment)

    return make
