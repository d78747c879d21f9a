"""Records of a CSV file or pipe: read in blocks, never waiting longer than asked, never holding more than a block."""

from __future__ import annotations

import csv
import io
import os
import select
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from streamrnn.errors import ConnectorError, InputError

BLOCK_BYTES = 2**18
"""Bytes asked of the operating system at once."""
RECORD_BYTES = 2**20
"""Longest record; a longer one is a quote that nobody closed, or no CSV at all."""


@dataclass(slots=True, frozen=True)
class Records:
    """Consecutive records: lists of cells. A blank line is an empty list."""

    rows: list[list[str]]
    line: int
    """Line number of the first, counting from 1."""

    def line_of(self, index: int) -> int:
        """Line number on which record `index` begins; a quoted cell may span lines."""
        return self.line + sum(_lines(row) for row in islice(self.rows, index))


class RecordReader:
    """Reads records from `path`, "-" for standard input. Raises ConnectorError where it cannot be opened.

    The text is UTF-8 with or without a byte order mark; cells are separated by commas, may stand in double quotes, and
    may span lines within them (RFC 4180). A record is held back until its line has ended.
    """

    def __init__(self, path: str) -> None:
        self.name = "standard input" if path == "-" else path
        try:
            # a pipe that nobody writes to yet must not hold up its opening
            self._file = os.dup(sys.stdin.fileno()) if path == "-" else os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except (OSError, ValueError, AttributeError) as error:
            raise ConnectorError("cannot open the file", where=self.name, got=error) from error
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLIN)
        self._size = os.fstat(self._file).st_size
        self._taken = 0
        self._held = b""
        self._at_start, self._at_end, self._closed = True, False, False
        self._line = 1
        self._parsed: Iterator[list[str]] = iter(())

    @property
    def share(self) -> float | None:
        """How much of the file has been read, 0 … 1; None where its size is unknown, as for a pipe."""
        return min(self._taken / self._size, 1.0) if self._size else None

    def read(self, limit: int, timeout: float) -> Records | None:
        """Up to `limit` records, waiting up to `timeout` seconds for them. None: there are no more.

        Raises InputError, naming the line, where the file is not UTF-8 or not CSV, ConnectorError where it cannot be
        read.
        """
        rows = self._parse(limit)
        while not rows:
            if self._at_end:
                return None
            if not self._poll.poll(timeout * 1000):
                break
            complete = self._fill()
            if complete:
                self._parsed = csv.reader(io.StringIO(self._decode(complete), newline=""))
                rows = self._parse(limit)
            timeout = 0.0
        records = Records(rows, self._line)
        self._line += sum(map(_lines, rows))
        return records

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        if not self._closed:
            os.close(self._file)
        self._closed = True

    def _parse(self, limit: int) -> list[list[str]]:
        try:
            return list(islice(self._parsed, limit))
        except csv.Error as error:
            raise InputError("not CSV", where=f"{self.name}, after line {self._line - 1}", got=error) from error

    def _fill(self) -> bytes:
        """Read one block; what it completes, as whole records."""
        try:
            block = os.read(self._file, BLOCK_BYTES)
        except OSError as error:
            raise ConnectorError("cannot read the file", where=self.name, got=error) from error
        self._taken += len(block)
        text = self._held + block
        if not block:
            self._at_end = True
            self._held = b""
            return text
        end = _end_of_records(text)
        if end == 0 and len(text) > RECORD_BYTES:
            raise InputError(
                "a record does not end",
                where=f"{self.name}, line {self._line}",
                got=f"more than {RECORD_BYTES} bytes",
                expected="a line of CSV",
                hint="A double quote that is never closed does this, and so does a file that is no text",
            )
        self._held = text[end:]
        return text[:end]

    def _decode(self, text: bytes) -> str:
        try:
            decoded = text.decode("utf-8-sig" if self._at_start else "utf-8")
        except UnicodeDecodeError as error:
            line = self._line + text.count(b"\n", 0, error.start)
            raise InputError(
                "not UTF-8",
                where=f"{self.name}, line {line}",
                got=f"byte 0x{text[error.start]:02x}",
                expected="UTF-8 text",
            ) from error
        self._at_start = False
        return decoded


def _end_of_records(text: bytes) -> int:
    """Where the last whole record of `text` ends: after a line end that no open double quote precedes."""
    end = text.rfind(b"\n") + 1
    quotes = text.count(b'"', 0, end)
    while quotes % 2:
        start = text.rfind(b"\n", 0, end - 1) + 1
        quotes -= text.count(b'"', start, end)
        end = start
    return end


def _lines(row: list[str]) -> int:
    """Lines that a record takes."""
    return 1 + sum(cell.count("\n") for cell in row)
