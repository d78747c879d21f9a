"""Readings: what psutil counts, as figures that mean something by themselves."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil

UNITS = {
    "host.cpu": ("%", "%"),
    "host.load": ("",),
    "host.memory": ("%",),
    "host.disk": ("B/s", "B/s"),
    "host.network": ("B/s", "B/s"),
}
"""Units of each stream's channels."""


@dataclass(slots=True, frozen=True)
class Reading:
    """One look at one part of the machine."""

    stream: str
    channels: tuple[str, ...]
    values: tuple[float, ...]
    """One a channel; NaN where the machine does not say."""


class Readings:
    """Looks at the machine. A rate is that since the last look; the first look is taken at construction.

    clock   seconds that never run backwards
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._time = clock()
        self._processor = _processor_times()
        self._disk = _disk_bytes()
        self._network = _network_bytes()

    def read(self) -> Iterator[Reading]:
        """Every part of the machine that can be read now; one that cannot is left out."""
        now = self._clock()
        elapsed, self._time = now - self._time, now
        before, self._processor = self._processor, _processor_times()
        yield Reading("host.cpu", ("busy", "iowait"), _processor_shares(before, self._processor))
        if (load := _counter(psutil.getloadavg)) is not None:
            yield Reading("host.load", ("load1",), (load[0],))
        if (memory := _counter(psutil.virtual_memory)) is not None:
            yield Reading("host.memory", ("used",), (memory.percent,))
        old, self._disk = self._disk, _disk_bytes()
        if self._disk is not None:
            yield Reading("host.disk", ("read", "write"), _rates(old, self._disk, elapsed))
        old, self._network = self._network, _network_bytes()
        if self._network is not None:
            yield Reading("host.network", ("rx", "tx"), _rates(old, self._network, elapsed))


@dataclass(slots=True, frozen=True)
class _ProcessorTimes:
    """Seconds since the machine started, of all processors together."""

    total: float
    idle: float
    iowait: float
    """NaN where the system does not tell it apart from idle time."""


def _processor_times() -> _ProcessorTimes:
    times = psutil.cpu_times()
    # Linux counts the time of guests within user and nice too
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return _ProcessorTimes(sum(times) - guests, times.idle, getattr(times, "iowait", math.nan))


def _processor_shares(before: _ProcessorTimes, after: _ProcessorTimes) -> tuple[float, float]:
    """Percent busy and percent waiting for a disk; NaN where no time has passed on the machine's own clock."""
    total = after.total - before.total
    if total <= 0.0:
        return math.nan, math.nan
    # idle and iowait are known to step back by a little
    idle = max(after.idle - before.idle, 0.0)
    iowait = max(after.iowait - before.iowait, 0.0) if math.isfinite(after.iowait) else math.nan
    unused = idle + (iowait if math.isfinite(iowait) else 0.0)
    # the machine counts in hundredths of a second: what lies beyond three digits is noise of the subtraction
    return round(min(max(100.0 * (1.0 - unused / total), 0.0), 100.0), 3), round(min(100.0 * iowait / total, 100.0), 3)


def _disk_bytes() -> tuple[int, int] | None:
    counters = _counter(psutil.disk_io_counters)
    return None if counters is None else (counters.read_bytes, counters.write_bytes)


def _network_bytes() -> tuple[int, int] | None:
    by_name = _counter(lambda: psutil.net_io_counters(pernic=True))
    cards = [card for name, card in (by_name or {}).items() if not _is_loopback(name)]
    return (sum(card.bytes_recv for card in cards), sum(card.bytes_sent for card in cards)) if cards else None


def _is_loopback(name: str) -> bool:
    """lo on Linux, lo0 on BSD and macOS."""
    return name.startswith("lo") and (name[2:].isdigit() or name == "lo")


def _rates(before: tuple[int, int] | None, after: tuple[int, int], seconds: float) -> tuple[float, ...]:
    """Per second; NaN where there was no earlier count or it has begun anew."""
    if before is None or seconds <= 0.0:
        return (math.nan, math.nan)
    return tuple((b - a) / seconds if b >= a else math.nan for a, b in zip(before, after, strict=True))


def _counter(read: Callable[[], Any]) -> Any:
    """What `read` gives; None where this machine, or this container, does not have it."""
    try:
        return read()
    except (OSError, RuntimeError, NotImplementedError, AttributeError, psutil.Error):
        return None
