"""The log: lines for people, or one JSON object a line, on standard output.

A record may carry `event` (a short fixed name) and `fields` (a dict of plain values) as extras; the text line is the
message alone, the JSON object holds them all.
"""

from __future__ import annotations

import datetime
import json
import logging
import math
import sys
from typing import Any, Literal


def set_up(form: Literal["text", "json"], level: str) -> None:
    """Let all of streamrnn log to standard output, from `level` ("debug" … "error") on."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.raiseExceptions = False  # a reader of the log that goes away is no reason to write tracebacks about it
    logger = logging.getLogger("streamrnn")
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


class TextFormatter(logging.Formatter):
    """`12:00:05 WARNING text`, local time. What cannot be printed is escaped: names come from strangers."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback where there is one."""
        clock = datetime.datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        line = f"{clock} {record.levelname:7} {printable(record.getMessage())}"
        return line if record.exc_info is None else f"{line}\n{self.formatException(record.exc_info)}"


class JsonFormatter(logging.Formatter):
    """One object a line: ts (ISO 8601, UTC), level, event, message, then the record's own fields.

    A number that JSON does not have (NaN, ±inf) is null.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The object as text."""
        moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        entry: dict[str, Any] = {
            "ts": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", record.name.rpartition(".")[2]),
            "message": record.getMessage(),
        }
        for name, value in getattr(record, "fields", {}).items():
            entry[name] = None if isinstance(value, float) and not math.isfinite(value) else value
        if record.exc_info is not None:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def printable(text: str) -> str:
    """`text` with every character that would move a cursor or start a line escaped.

    >>> printable("pump\\x1b[2J 3 °C")
    'pump\\\\x1b[2J 3 °C'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
