"""FileSource: samples from a CSV file or from standard input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
from msgspec import Meta
from streamrnn_connectors.files.cells import iso_times, number, numbers
from streamrnn_connectors.files.layout import Layout, find_layout
from streamrnn_connectors.files.records import RecordReader, Records

from streamrnn.engine.ports import Batch, Floats, Ints, Reject
from streamrnn.errors import InputError, Reason
from streamrnn.wire import LAST_NUMBER, NAME_LENGTH

ROWS_PER_BATCH = 4096


class FileSourceOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `[[sources]]` table with `connector = "files"`."""

    path: Annotated[str, Meta(min_length=1)]
    """The CSV file; - is standard input."""
    stream: Annotated[str, Meta(max_length=NAME_LENGTH)] = ""
    """Name of the stream; empty: the file's name without its ending, or stdin."""
    time: str = ""
    """Name of the time column. Empty: the first that holds ISO 8601, or seconds since 1970 and is named t, time,
    timestamp or date."""
    columns: tuple[str, ...] = ()
    """Names of the value columns, each a channel. Empty: all that hold numbers."""
    interval: Annotated[float, Meta(ge=0.0, le=1e9)] = 0.0
    """Seconds between rows, for a file without times: the first row is at 0. 0: the file has a time column."""
    on_error: Literal["stop", "skip"] = "stop"
    """What a broken row does: stop ends the run with a message that names it, skip counts it and goes on."""

    def __post_init__(self) -> None:
        if self.interval and self.time:
            raise ValueError("got both time and interval, expected one of them")


@dataclass(slots=True)
class FileBatch(Batch):
    """Rows of a file, with their text."""

    rows: Ints = field(kw_only=True)
    """(count,) row numbers, counting from 0 after the header; blank lines do not count."""
    raw: list[tuple[str, ...]] = field(kw_only=True)
    """Of each row the text of the time, then that of each value."""


@dataclass(slots=True, frozen=True)
class FileReject(Reject):
    """A broken row of a file, with its text."""

    row: int = field(kw_only=True)
    """Row number, counting as in FileBatch."""
    raw: tuple[str, ...] = field(kw_only=True)
    """The text of the time, then that of each value; "" for cells that are not there."""


@dataclass(slots=True, frozen=True)
class _Fault:
    """Why a row is no sample."""

    reason: Reason
    what: str
    got: str
    expected: str


class FileSource:
    """Samples from a CSV file, as fast as they are asked for. Raises ConnectorError where it cannot be opened.

    next_batch raises InputError at a broken row, unless `on_error` is skip, and at a file that is no CSV with a header.
    """

    Options: ClassVar[type[msgspec.Struct]] = FileSourceOptions

    def __init__(self, options: FileSourceOptions) -> None:
        self._options = options
        self._reader = RecordReader(options.path)
        self._stream = options.stream or ("stdin" if options.path == "-" else PurePath(options.path).stem)
        self._header: tuple[str, ...] | None = None
        self._layout: Layout | None = None
        self._row = 0
        self._interval = round(options.interval * 1e9)

    @property
    def share(self) -> float | None:
        """How much of the file has been read, 0 … 1; None where its size is unknown, as for a pipe."""
        return self._reader.share

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the time column and of the value columns, as in `FileBatch.raw`; empty before the first batch."""
        if self._layout is None:
            return ()
        time = "time" if self._layout.time is None else self._layout.header[self._layout.time]
        return (time, *self._layout.channels)

    def next_batch(self, timeout: float) -> Sequence[Batch | Reject] | None:
        """See `Source`. The rows of one call are consecutive, and at most 4096."""
        records = self._reader.read(ROWS_PER_BATCH, timeout)
        if records is None:
            if self._header is None:
                raise InputError("the file is empty", where=self._reader.name, expected="CSV with a header")
            return None
        if self._interval * (self._row + len(records.rows)) > LAST_NUMBER:
            raise InputError(
                "rows go on beyond 2262", where=self._reader.name, got=f"interval = {self._options.interval}"
            )
        if self._header is None:
            records = self._take_header(records)
        if not any(records.rows):
            return []
        if self._layout is None:
            options = self._options
            self._layout = find_layout(
                self._reader.name, self._header or (), records.rows, options.time, options.columns, not options.interval
            )
        return list(self._batches(records, self._layout))

    def next_awake(self) -> float:
        """0: a row may come at any time."""
        return 0.0

    def snapshot(self) -> dict[str, Any]:
        """How many rows have been handed over."""
        return {"rows": self._row}

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def _take_header(self, records: Records) -> Records:
        for index, row in enumerate(records.rows):
            if row:
                self._header = tuple(row)
                return Records(records.rows[index + 1 :], records.line_of(index + 1))
        return Records([], records.line)

    def _batches(self, records: Records, layout: Layout) -> Iterator[Batch | Reject]:
        rows = [row for row in records.rows if row]
        try:
            yield self._batch(rows, layout)
            return
        except ValueError:
            pass  # some row is broken: look at each
        start = 0
        for index, row in enumerate(rows):
            fault = _fault(row, layout)
            if fault is None:
                continue
            line = _line_of(records, index)
            if self._options.on_error == "stop":
                raise InputError(
                    fault.what,
                    where=f"{self._reader.name}, line {line}",
                    got=fault.got,
                    expected=fault.expected,
                    hint="Mend the row, or pass over such rows with on_error = 'skip' (--on-error skip)",
                )
            if start < index:
                yield self._batch(rows[start:index], layout)
            detail = f"{self._reader.name}, line {line}: {fault.what} (got {fault.got}, expected {fault.expected})"
            padded = row + [""] * len(layout.header)
            (raw,) = self._texts([[cell] for cell in padded], layout)
            yield FileReject(fault.reason, self._stream, detail, row=self._row, raw=raw)
            self._row += 1
            start = index + 1
        if start < len(rows):
            yield self._batch(rows[start:], layout)

    def _batch(self, rows: list[list[str]], layout: Layout) -> FileBatch:
        """One batch. Raises ValueError where a row is broken."""
        columns = list(zip(*rows, strict=True))
        if len(columns) != len(layout.header):
            raise ValueError("rows of another length than the header")
        values: Floats = np.column_stack([numbers(columns[column]) for column in layout.values])
        numbered = np.arange(self._row, self._row + len(rows))
        time = numbered * self._interval if layout.time is None else layout.parse_times(columns[layout.time])
        batch = FileBatch(
            self._stream, time, values, layout.channels, self._row, rows=numbered, raw=self._texts(columns, layout)
        )
        self._row += len(rows)
        return batch

    def _texts(self, columns: Sequence[Sequence[str]], layout: Layout) -> list[tuple[str, ...]]:
        if layout.time is None:
            count = len(columns[0])
            times: Sequence[str] = [f"{(self._row + i) * self._interval / 1e9:.15g}" for i in range(count)]
        else:
            times = columns[layout.time]
        return list(zip(times, *(columns[column] for column in layout.values), strict=True))


def _fault(row: list[str], layout: Layout) -> _Fault | None:
    """What is wrong with a row; None: nothing."""
    if len(row) != len(layout.header):
        return _Fault(
            Reason.WRONG_CHANNELS, "row of another length", f"{len(row)} cells", f"{len(layout.header)} cells"
        )
    if layout.time is not None:
        try:
            layout.parse_times([row[layout.time]])
        except ValueError:
            kind = "ISO 8601" if layout.parse_times is iso_times else "seconds since 1970"
            what = f"no time in column {layout.header[layout.time]!r}"
            return _Fault(Reason.BAD_TIME, what, repr(row[layout.time]), f"{kind}, from 1970 to 2262")
    for column in layout.values:
        try:
            number(row[column])
        except ValueError:
            what = f"no number in column {layout.header[column]!r}"
            return _Fault(Reason.NOT_A_NUMBER, what, repr(row[column]), "a number, or nothing where it is missing")
    return None


def _line_of(records: Records, index: int) -> int:
    """Line number of the row that is the `index`-th not counting blank lines."""
    filled = [place for place, row in enumerate(records.rows) if row]
    return records.line_of(filled[index])
