"""A log that a flood cannot fill: at most one line per key and period, which says how many it stands for."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from streamrnn.engine.ports import Clock

PERIOD = 10.0
"""Seconds between two lines of one key."""
KEYS = 256
"""Keys told apart at once; what comes under any further one is counted under a key of its own."""


@dataclass(slots=True)
class _Entry:
    logged: float
    event: str
    text: str
    fields: dict[str, object]
    held: int = 0


class BoundedLog:
    """Warnings at a bounded rate. A key is (event, name); the event is one of ours, the name may be a stranger's."""

    def __init__(self, logger: logging.Logger, clock: Clock) -> None:
        self._logger, self._clock = logger, clock
        self._entries: dict[tuple[str, str], _Entry] = {}

    def warn(self, event: str, name: str, text: str, count: int = 1, **fields: object) -> None:
        """Log `text` at once, or hold it back where the key had its line within the period."""
        now = self._clock.monotonic()
        key = (event, name)
        if key not in self._entries and len(self._entries) >= KEYS:
            self.flush()
            if len(self._entries) >= KEYS:
                key, fields = (event, "…"), {**fields, "others": True}
        entry = self._entries.get(key)
        if entry is None:
            self._entries[key] = _Entry(now, event, text, fields)
            self._write(event, text, count, fields)
        else:
            entry.held += count
            entry.text, entry.fields = text, fields
            if now - entry.logged >= PERIOD:
                self._release(entry, now)

    def flush(self, everything: bool = False) -> None:
        """Log what has been held back for a period (or all of it), and forget keys that have been quiet for one."""
        now = self._clock.monotonic()
        for key, entry in list(self._entries.items()):
            if everything or now - entry.logged >= PERIOD:
                if entry.held:
                    self._release(entry, now)
                else:
                    del self._entries[key]

    def _release(self, entry: _Entry, now: float) -> None:
        self._write(entry.event, entry.text, entry.held, entry.fields)
        entry.held, entry.logged = 0, now

    def _write(self, event: str, text: str, count: int, fields: dict[str, object]) -> None:
        line = text if count == 1 else f"{text} ({count} of this kind)"
        self._logger.warning(line, extra={"event": event, "fields": {**fields, "count": count}})
