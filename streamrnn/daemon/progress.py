"""A progress bar on a terminal: share done, rows, rows a second, time left. Silent where nobody watches."""

from __future__ import annotations

import shutil
import time
from types import TracebackType
from typing import Self, TextIO

PERIOD = 0.1
"""Seconds between two redraws."""


class Progress:
    """A line that redraws itself. A context manager: the line is gone when the block ends."""

    def __init__(self, stream: TextIO, label: str, enabled: bool = True) -> None:
        """Draws on `stream` if that is a terminal and `enabled` holds."""
        self._stream, self._label = stream, label
        self._active = enabled and stream.isatty()
        self._start = self._drawn = time.monotonic()

    def update(self, rows: int, share: float | None) -> None:
        """`rows` done so far; `share` of the whole in [0, 1], None where the whole is unknown."""
        now = time.monotonic()
        if not self._active or now - self._drawn < PERIOD:
            return
        self._drawn = now
        width = shutil.get_terminal_size().columns - 1
        line = progress_line(self._label, rows, share, now - self._start)
        self._stream.write(f"\r{line[:width]:<{width}}")
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._active:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def progress_line(label: str, rows: int, share: float | None, seconds: float) -> str:
    """What the bar says.

    >>> progress_line("pump.csv", 50_000, 0.25, 2.0)
    'pump.csv  25% [#####---------------]  50,000 rows  25,000 rows/s  0:06 left'
    """
    rate = f"{rows:,} rows  {rows / max(seconds, 1e-9):,.0f} rows/s"
    if not share:
        return f"{label}  {rate}"
    done = min(round(20 * share), 20)
    left = round(seconds / share - seconds)
    return f"{label} {share:4.0%} [{'#' * done:-<20}]  {rate}  {left // 60}:{left % 60:02d} left"
