"""Layout: which columns of a file hold the time and the values, told from its header and its first rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamrnn_connectors.files.cells import TimeParser, epoch_time, epoch_times, iso_time, iso_times, number

from streamrnn.errors import InputError

TIME_NAMES = ("t", "time", "timestamp", "date")
"""Names that make a column of numbers one of seconds since 1970."""


@dataclass(slots=True, frozen=True)
class Layout:
    """Where things are."""

    header: tuple[str, ...]
    time: int | None
    """Column of the time; None where rows come at a fixed interval."""
    parse_times: TimeParser
    """Reads that column."""
    values: tuple[int, ...]
    """Columns of the values."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the value columns."""
        return tuple(self.header[column] for column in self.values)


def find_layout(
    where: str, header: Sequence[str], rows: Sequence[Sequence[str]], time: str, columns: Sequence[str], timed: bool
) -> Layout:
    """The layout of a file.

    where      the file's name, for messages
    header     its first row
    rows       the rows after it, as far as they have come; the first cell of a column that is not empty decides
    time       name of the time column, "" to look for one
    columns    names of the value columns, empty for all that hold numbers
    timed      False: there is no time column to look for

    Raises InputError where no such columns are there.
    """
    header = tuple(name.strip() for name in header)
    if not any(header) or all(_is_number(name) or _is_iso(name) for name in header):
        raise InputError(
            "the first line holds no column names", where=f"{where}, line 1", got=_listed(header), expected="a header"
        )
    first = [_first_cell(rows, column) for column in range(len(header))]
    time_column = _time_column(where, header, first, time) if timed else None
    parse = iso_times if time_column is not None and _is_iso(first[time_column]) else epoch_times
    if columns:
        values = tuple(_named(where, header, name) for name in columns)
    else:
        candidates = (c for c in range(len(header)) if c != time_column and header[c])
        values = tuple(c for c in candidates if first[c] == "" or _is_number(first[c]))
    if not values:
        raise InputError("no column holds numbers", where=where, got=_listed(header), expected="a column of numbers")
    names = [header[column] for column in values]
    if len(set(names)) != len(names) or time_column in values:
        raise InputError(
            "one column is named twice", where=f"{where}, line 1", got=_listed(names), expected="each name once"
        )
    return Layout(header, time_column, parse, values)


def _time_column(where: str, header: Sequence[str], first: Sequence[str], name: str) -> int:
    if name:
        column = _named(where, header, name)
        if first[column] and not _is_iso(first[column]) and not _is_epoch(first[column]):
            raise InputError(
                "the time column does not begin with a time",
                where=f"{where}, column {name!r}",
                got=repr(first[column]),
                expected="ISO 8601, or seconds since 1970",
            )
        return column
    for column, cell in enumerate(first):
        if _is_iso(cell) or (header[column].lower() in TIME_NAMES and _is_epoch(cell)):
            return column
    raise InputError(
        "no time column",
        where=where,
        got=", ".join(f"{name} = {cell}" for name, cell in zip(header, first, strict=True)),
        expected=f"ISO 8601 in some column, or seconds since 1970 in one named {', '.join(TIME_NAMES)}",
        hint="Name the column with time (--time), or give the seconds between rows with interval (--interval)",
    )


def _named(where: str, header: Sequence[str], name: str) -> int:
    if header.count(name) != 1:
        found = "no column" if name not in header else "more than one column"
        raise InputError(f"{found} of the name {name!r}", where=f"{where}, line 1", expected=_listed(header))
    return header.index(name)


def _first_cell(rows: Sequence[Sequence[str]], column: int) -> str:
    return next((row[column].strip() for row in rows if len(row) > column and row[column].strip()), "")


def _is_number(text: str) -> bool:
    return _parses(number, text)


def _is_iso(text: str) -> bool:
    return _parses(iso_time, text)


def _is_epoch(text: str) -> bool:
    return _parses(epoch_time, text)


def _parses(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return text != ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name or "(no name)" for name in names)
