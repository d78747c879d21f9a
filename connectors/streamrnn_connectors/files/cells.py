"""Cells: the text of one column to numbers or times, a whole column at once, or one cell with an exact error."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import numpy as np

from streamrnn.engine.ports import Floats, Ints
from streamrnn.wire import LAST_NUMBER

ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?\s*(Z|z|[+-]\d\d:?\d\d)?", re.ASCII
)
"""Date, then optionally hours and minutes, seconds, their fraction, and the offset from UTC."""

TimeParser = Callable[[Sequence[str]], Ints]
"""Nanoseconds since 1970 of a column of text; raises ValueError where a cell has no time."""


def number(text: str) -> float:
    """The number in a cell; NaN, a missing value, if it is empty. Raises ValueError if it holds something else.

    >>> number(" 1.5 "), number("")
    (1.5, nan)
    """
    if "_" in text:  # float() takes 1_000
        raise ValueError(f"not a number: {text!r}")
    text = text.strip()
    return float(text) if text else math.nan


def numbers(column: Sequence[str]) -> Floats:
    """As `number`, for a whole column."""
    if "_" in "".join(column):
        raise ValueError("not a number")
    try:
        return np.array([float(cell) if cell else math.nan for cell in column])
    except ValueError:
        return np.array([number(cell) for cell in column])


def iso_time(text: str) -> int:
    """Nanoseconds since 1970 of an ISO 8601 date and time; UTC where no offset is given. Raises ValueError.

    >>> iso_time("2023-07-22T04:26:40.25Z") == iso_time("2023-07-22 06:26:40.25+02:00") == 1690000000250000000
    True
    """
    match = ISO.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not an ISO 8601 time: {text!r}")
    day, minute, second, fraction, offset = match.groups()
    whole = f"{day}T{minute or '00:00'}:{second or '00'}"
    zone = "+00:00" if offset is None or offset in "Zz" else offset
    moment = datetime.fromisoformat(whole + zone)
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // _SECOND
    return _in_range(seconds * 10**9 + int((fraction or "").ljust(9, "0")), text)


def iso_times(column: Sequence[str]) -> Ints:
    """As `iso_time`, for a whole column."""
    # NumPy's own reader is ten times as fast, but takes "now", and wraps beyond 2262 without a word: it is shown
    # nothing but text that sorts within its range, and has no offset from UTC
    text = "".join(column)
    offset = "Z" in text or "z" in text or "+" in text or text.count("-") != 2 * len(column)
    if not offset and min(column) >= "1970-01-01" and max(column) < "2262":
        try:
            return np.array(column, dtype="datetime64[ns]").view(np.int64)
        except ValueError:
            pass
    return np.array([iso_time(cell) for cell in column], np.int64)


def epoch_time(text: str) -> int:
    """Nanoseconds since 1970 of a number of seconds, exact to the last digit. Raises ValueError.

    >>> epoch_time("1690000000.25"), epoch_time("1.5e9")
    (1690000000250000000, 1500000000000000000)
    """
    whole, _, fraction = text.partition(".")
    if whole.isdecimal() and len(fraction) <= 9 and (fraction.isdecimal() or not fraction):
        return _in_range(int(whole) * 10**9 + int(fraction.ljust(9, "0")), text)
    try:
        seconds = Decimal(text.strip())
        if "_" in text or not seconds.is_finite() or seconds.adjusted() > 20:
            raise ValueError(f"not a number of seconds since 1970: {text!r}")
        return _in_range(round(seconds.scaleb(9)), text)
    except InvalidOperation:
        raise ValueError(f"not a number of seconds since 1970: {text!r}") from None


def epoch_times(column: Sequence[str]) -> Ints:
    """As `epoch_time`, for a whole column."""
    return np.array([epoch_time(cell) for cell in column], np.int64)


def _in_range(ns: int, text: str) -> int:
    if not 0 <= ns <= LAST_NUMBER:
        raise ValueError(f"not within 1970 … 2262: {text!r}")
    return ns


_SECOND = datetime(1970, 1, 1, 0, 0, 1) - datetime(1970, 1, 1)
