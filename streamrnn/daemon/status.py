"""The status table: per stream what it sees, what it expected, and whether that is odd."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import numpy as np

from streamrnn.engine.alarms import figure
from streamrnn.engine.fleet import Stream
from streamrnn.engine.loop import Engine

logger = logging.getLogger("streamrnn.status")

LINES = 20
"""Streams in one table at the most."""


class Status:
    """A thread that logs the table every so many seconds until closed; none where `every` is 0."""

    def __init__(self, engine: Engine, every: float) -> None:
        self._engine, self._every, self._stop = engine, every, threading.Event()
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)
        if every > 0.0:
            self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            for text, fields in status_lines(self._engine):
                logger.info(text, extra={"event": "status", "fields": fields})


def status_lines(engine: Engine) -> Iterator[tuple[str, dict[str, object]]]:
    """The table, line by line, with the same as fields."""
    streams = list(engine.fleet)
    counters = engine.fleet.counters
    if not streams:
        yield "no stream has been heard yet", {"streams": 0}
        return
    silent = {stream.name for stream in engine.fleet.silent(engine.clock.monotonic())}
    # The streams that need attention come first where not all fit.
    streams.sort(
        key=lambda s: (not counters.active[s.index], s.name not in silent, not counters.holding[s.index], s.index)
    )
    shown = sorted(streams[:LINES], key=lambda s: s.index)
    rows = [_row(engine, stream, stream.name in silent) for stream in shown]
    widths = [max(len(row[0][column]) for row in rows) for column in range(len(rows[0][0]))]
    for cells, fields in rows:
        numbers = [cell.rjust(width) for cell, width in zip(cells[1:-1], widths[1:-1], strict=True)]
        yield "  ".join([cells[0].ljust(widths[0]), *numbers, cells[-1]]), fields
    if len(streams) > LINES:
        yield f"and {len(streams) - LINES} streams more", {"streams": len(streams)}


def _row(engine: Engine, stream: Stream, silent: bool) -> tuple[list[str], dict[str, object]]:
    counters, i = engine.fleet.counters, stream.index
    score, active = float(counters.score[i]), bool(counters.active[i])
    holding = bool(counters.holding[i])
    shown = int(counters.culprit[i]) if active or holding else _farthest_out(stream)
    value, expected, lower, upper = stream.latest[:, shown].tolist()
    channel = stream.channels[shown]
    if silent:
        state = f"silent for {engine.clock.monotonic() - counters.heard[i]:.0f} s"
    elif active:
        state = "ALARM"
    elif holding:
        state = "held back"
    else:
        state = "warming up" if stream.model.warming else "ok"
    cells = [
        f"{stream.name} {channel}",
        figure(value),
        "expected",
        figure(expected),
        f"({figure(lower)} … {figure(upper)})",
        f"score {score:.2f}",
        state,
    ]
    fields: dict[str, object] = {
        "stream": stream.name,
        "channel": channel,
        "value": value,
        "expected": expected,
        "lower": lower,
        "upper": upper,
        "score": score,
        "state": state,
    }
    return cells, fields


def _farthest_out(stream: Stream) -> int:
    """The channel that lies farthest out of its band, in band widths; the first where none is out."""
    value, expected, lower, upper = stream.latest
    with np.errstate(over="ignore"):  # a band without width: infinitely far out
        outside = np.maximum(lower - value, value - upper) / np.maximum(upper - lower, np.finfo(float).tiny)
    outside = np.where(np.isfinite(expected) & (outside > 0.0), outside, 0.0)
    return int(np.argmax(outside))
