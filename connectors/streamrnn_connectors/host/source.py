"""HostSource: figures of the machine that it runs on, at a steady pace."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from msgspec import Meta
from streamrnn_connectors.host.readings import Readings
from streamrnn_connectors.host.schedule import Schedule

from streamrnn.engine.ports import Batch, Reject


class HostSourceOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `[[sources]]` table with `connector = "host"`."""

    every: Annotated[float, Meta(ge=0.01, le=86400.0)] = 0.2
    """Seconds between samples."""


class HostSource:
    """Streams host.cpu, host.load, host.memory, host.disk and host.network; see README.md for their channels.

    A part of the machine that cannot be read is left out.
    """

    Options: ClassVar[type[msgspec.Struct]] = HostSourceOptions

    def __init__(self, options: HostSourceOptions) -> None:
        self._readings = Readings()
        self._schedule = Schedule(options.every, time.monotonic())

    def next_batch(self, timeout: float) -> Sequence[Batch | Reject] | None:
        """See `Source`. One sample of each stream, once it is due."""
        left = self._schedule.left(time.monotonic())
        time.sleep(min(left, timeout))
        if left > timeout:
            return []
        self._schedule.done(time.monotonic())
        stamp = time.time_ns()
        return [
            Batch(reading.stream, np.array([stamp]), np.array([reading.values]), reading.channels)
            for reading in self._readings.read()
        ]

    def next_awake(self) -> float:
        """Seconds until the next sample is due."""
        return self._schedule.left(time.monotonic())

    def snapshot(self) -> dict[str, Any]:
        """Empty: the past cannot be measured again."""
        return {}

    def close(self) -> None:
        """Nothing to let go of."""
