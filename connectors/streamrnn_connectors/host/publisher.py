"""Publishing: what a HostSource gives, on to a Sender."""

from __future__ import annotations

import threading

import psutil
from streamrnn_connectors.host.readings import UNITS
from streamrnn_connectors.host.source import HostSource
from streamrnn_connectors.zeromq import Sender

from streamrnn.engine.ports import Batch

LONGEST_WAIT = 0.25
"""Seconds after which the stop event and the parent are looked at again."""


def publish(source: HostSource, sender: Sender, stop: threading.Event, parent: psutil.Process | None) -> None:
    """Send the samples of `source` until `stop` is set, or `parent` is gone."""
    while not stop.is_set() and (parent is None or is_alive(parent)):
        for batch in source.next_batch(LONGEST_WAIT) or ():
            if isinstance(batch, Batch):
                units = UNITS[batch.stream]
                sender.send_block(batch.stream, batch.time, batch.values, channels=batch.channels, units=units)


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs: a process that has ended but was not waited for does not, nor one with its number."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
