"""FileSource: what it makes of CSV files, good and bad."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamrnn_connectors.files import FileBatch, FileReject, FileSource, FileSourceOptions
from streamrnn_connectors.files.cells import epoch_times, iso_time, iso_times, numbers
from streamrnn_connectors.files.records import RECORD_BYTES

from streamrnn.engine.ports import Batch, Reject
from streamrnn.errors import ConnectorError, InputError, Reason

S = 10**9


@pytest.fixture
def read(tmp_path: Path) -> Iterator[Callable[..., list[Batch | Reject]]]:
    """read(text, **options): everything in a file of that text."""
    sources: list[FileSource] = []

    def read(text: str | bytes, **options: object) -> list[Batch | Reject]:
        path = tmp_path / "pump-3.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        sources.append(FileSource(msgspec.convert({"path": str(path)} | options, FileSourceOptions)))
        return rest(sources[-1])

    yield read
    for source in sources:
        source.close()


def rest(source: FileSource) -> list[Batch | Reject]:
    items: list[Batch | Reject] = []
    while (came := source.next_batch(1.0)) is not None:
        items.extend(came)
    return items


def test_a_plain_file(read) -> None:
    (batch,) = read("timestamp,pressure,flow\n1970-01-01 00:00:01,1.5,2\n1970-01-01 00:00:02,,-3e2\n")
    assert isinstance(batch, FileBatch)
    assert (batch.stream, batch.channels, batch.sequence) == ("pump-3", ("pressure", "flow"), 0)
    assert batch.time.tolist() == [S, 2 * S]
    np.testing.assert_array_equal(batch.values, [[1.5, 2.0], [math.nan, -300.0]])
    assert batch.rows.tolist() == [0, 1]
    assert batch.raw == [("1970-01-01 00:00:01", "1.5", "2"), ("1970-01-01 00:00:02", "", "-3e2")]


@pytest.mark.parametrize(
    ("header", "cells", "expected"),
    [
        ("when,v", "2014-02-14 14:27:00,1", 1392388020 * S),
        ("when,v", "2014-02-14T14:27:00.25Z,1", 1392388020 * S + S // 4),
        ("when,v", "2014-02-14T14:27+01:00,1", 1392384420 * S),
        ("when,v", "2014-02-14,1", 1392336000 * S),
        ("v,when", "1,2014-02-14 14:27:00.123456789", 1392388020 * S + 123456789),
        ("time,v", "1690000000.123456789,1", 1690000000123456789),
        ("T,v", "5,1", 5 * S),
        ("v,Timestamp", "1,1.69e9", 1690000000 * S),
        ("a,date,v", "text,7,1", 7 * S),
        ('"time","v"', '"5","1"', 5 * S),
        (" time , v ", " 5 , 1 ", 5 * S),
    ],
)
def test_the_time_column_is_found(read, header, cells, expected) -> None:
    (batch,) = read(f"{header}\n{cells}\n")
    assert batch.time.tolist() == [expected]
    assert (batch.channels, batch.values.tolist()) == (("v",), [[1.0]])


def test_columns_may_be_chosen(read) -> None:
    text = "a,b,c,d\n1,5,x,10\n2,6,y,11\n"
    (batch,) = read(text, time="b", columns=["d", "a"], stream="named")
    assert (batch.stream, batch.channels) == ("named", ("d", "a"))
    assert batch.time.tolist() == [5 * S, 6 * S]
    assert batch.values.tolist() == [[10, 1], [11, 2]]
    assert batch.raw == [("5", "10", "1"), ("6", "11", "2")]


def test_columns_of_text_and_without_a_name_are_left_out_and_late_ones_are_not(read) -> None:
    (batch,) = read(",t,label,v,late\n0,1,x,1,\n1,2,y,2,\n2,3,,3,7\n")
    assert batch.channels == ("v", "late")
    np.testing.assert_array_equal(batch.values[:, 1], [math.nan, math.nan, 7.0])


def test_without_times_rows_come_at_an_interval(read) -> None:
    (batch,) = read("v\n1\n2\n3\n", interval=0.1)
    assert batch.time.tolist() == [0, S // 10, S // 5]
    assert batch.raw == [("0", "1"), ("0.1", "2"), ("0.2", "3")]


def test_times_that_go_backwards_are_passed_on(read) -> None:
    (batch,) = read("t,v\n5,1\n3,2\n5,3\n")
    assert batch.time.tolist() == [5 * S, 3 * S, 5 * S]


def test_what_counts_as_a_number(read) -> None:
    (batch,) = read("t,v\n1,nan\n2, \n3,inf\n4, 1.5 \n5,1E3\n")
    np.testing.assert_array_equal(batch.values[:, 0], [math.nan, math.nan, math.inf, 1.5, 1000.0])


def test_byte_order_mark_crlf_blank_lines_and_no_last_line_end(read) -> None:
    first, second = read("\ufeff\r\nt,v\r\n1,1\r\n\r\n2,2\r\n3,3")
    assert first.values[:, 0].tolist() == [1.0, 2.0]
    assert second.values[:, 0].tolist() == [3.0]
    assert second.rows.tolist() == [2]


def test_quoted_cells_may_hold_commas_quotes_and_line_ends(read) -> None:
    items = read('t,"a, ""b""",note\n1,1,"two\nlines"\n2,2,"x"\n')
    assert np.concatenate([batch.values[:, 0] for batch in items]).tolist() == [1.0, 2.0]
    assert items[0].channels == ('a, "b"',)


def test_a_file_is_read_the_same_however_it_is_cut(read, monkeypatch) -> None:
    text = "t,v,note\n" + "".join(f'{i},{i / 7},"{i}, ""é""\n"\n' for i in range(300))
    whole = read(text)
    monkeypatch.setattr("streamrnn_connectors.files.records.BLOCK_BYTES", 7)
    pieces = read(text)
    assert len(pieces) > len(whole) == 1
    for name in ("time", "values", "rows"):
        joined = np.concatenate([getattr(piece, name) for piece in pieces])
        np.testing.assert_array_equal(joined, getattr(whole[0], name))
    assert [row for piece in pieces for row in piece.raw] == whole[0].raw


def test_a_long_file_comes_in_bounded_batches_with_numbers_that_go_on(read) -> None:
    items = read("t,v\n" + "".join(f"{i},{i}\n" for i in range(20_000)))
    assert max(len(batch.time) for batch in items) <= 4096
    assert [batch.sequence for batch in items] == [int(batch.rows[0]) for batch in items]
    assert np.concatenate([batch.rows for batch in items]).tolist() == list(range(20_000))


# --- broken files ----------------------------------------------------------------------------------------------------

BROKEN = [
    ("t,v\n1,1\n", "2,abc", 3, "no number in column 'v'", "'abc'", Reason.NOT_A_NUMBER),
    ("t,v\n1,1\n", "2,1_000", 3, "no number in column 'v'", "'1_000'", Reason.NOT_A_NUMBER),
    ("t,v\n1,1\n", "2", 3, "another length", "1 cells", Reason.WRONG_CHANNELS),
    ("t,v\n1,1\n", "2,2,2", 3, "another length", "3 cells", Reason.WRONG_CHANNELS),
    ("t,v\n1,1\n\n\n", "x,2", 5, "no time in column 't'", "'x'", Reason.BAD_TIME),
    ("t,v\n1,1\n", ",2", 3, "no time in column 't'", "''", Reason.BAD_TIME),
    ("t,v\n1,1\n", "-1,2", 3, "no time in column 't'", "'-1'", Reason.BAD_TIME),
    ("t,v\n1,1\n", "1690000000000,2", 3, "no time in column 't'", "'1690000000000'", Reason.BAD_TIME),
    ("d,v\n2014-01-01,1\n", "2014-02-30,2", 3, "no time in column 'd'", "'2014-02-30'", Reason.BAD_TIME),
    ("d,v\n2014-01-01,1\n", "2300-01-01,2", 3, "no time in column 'd'", "'2300-01-01'", Reason.BAD_TIME),
    ("d,v\n2014-01-01,1\n", "now,2", 3, "no time in column 'd'", "'now'", Reason.BAD_TIME),
    ('v,t\n"1\n",1\n', "abc,2", 4, "no number in column 'v'", "'abc'", Reason.NOT_A_NUMBER),
]
"""Sound lines, a broken one, its number, what is said of it."""


@pytest.mark.parametrize(("sound", "broken", "line", "what", "got", "reason"), BROKEN)
def test_a_broken_row_is_named(read, sound, broken, line, what, got, reason) -> None:
    with pytest.raises(InputError) as caught:
        read(f"{sound}{broken}\n")
    for part in (f"pump-3.csv, line {line}: ", what, f"got {got}", "expected"):
        assert part in str(caught.value)


def test_lines_are_counted_on_from_batch_to_batch(read) -> None:
    rows = 5000
    with pytest.raises(InputError, match=f"line {2 * rows + 2}: "):
        read("t,v,n\n" + '1,1,"two\nlines"\n' * rows + "2,bad,x\n")


@pytest.mark.parametrize(("sound", "broken", "line", "what", "got", "reason"), BROKEN)
def test_a_broken_row_may_be_skipped(read, sound, broken, line, what, got, reason) -> None:
    header, row = sound.split("\n", 1)
    before, reject, after = read(f"{header}\n{row}{broken}\n{row}", on_error="skip")
    assert isinstance(reject, FileReject)
    assert (reject.reason, reject.stream, reject.row) == (reason, "pump-3", 1)
    assert f"line {line}: " in reject.detail
    assert len(reject.raw) == 2
    assert (before.rows.tolist(), after.rows.tolist(), after.sequence) == ([0], [2], 2)


def test_every_row_of_a_long_file_is_accounted_for(read) -> None:
    lines = ["t,v", *(f"{i},{'bad' if i % 1000 == 500 else i}" for i in range(10_000))]
    items = read("\n".join(lines), on_error="skip")
    rejects = [item for item in items if isinstance(item, Reject)]
    assert [reject.row for reject in rejects] == list(range(500, 10_000, 1000))
    assert [reject.raw for reject in rejects[:2]] == [("500", "bad"), ("1500", "bad")]
    rows = [row for item in items for row in ([item.row] if isinstance(item, FileReject) else item.rows.tolist())]
    assert rows == list(range(10_000))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "empty"),
        ("\n\n", {}, "empty"),
        ("1,2\n3,4\n", {}, "no column names"),
        ("a,b\n1,2\n", {}, "no time column.*a = 1, b = 2.*interval"),
        ("t,b\n1,x\n", {}, "no column holds numbers"),
        ("t,b\n1,2\n", {"time": "when"}, "no column of the name 'when'.*t, b"),
        ("t,b\nx,2\n", {"time": "t"}, "column 't'.*does not begin with a time.*'x'"),
        ("t,b\n1,2\n", {"columns": ["c"]}, "no column of the name 'c'"),
        ("t,b\n1,2\n", {"columns": ["b", "b"]}, "named twice"),
        ("t,b\n1,2\n", {"columns": ["t"]}, "named twice"),
        ("t,b,b\n1,2,3\n", {}, "named twice"),
        ("t,b,b\n1,2,3\n", {"columns": ["b"]}, "more than one column of the name 'b'"),
        (b"t,v\n1,1\n2,\xff\n", {}, "line 3: not UTF-8.*0xff"),
        ("t,v\n1,1\n".encode("utf-16"), {}, "not UTF-8"),
        ('t,v\n1,1\n2,"' + "x" * RECORD_BYTES, {}, "line 3: a record does not end"),
        ("t,v\n1," + "9" * 200_000 + "\n", {}, "not CSV.*field limit"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_a_file_that_cannot_be_read_says_why(read, text, options, message) -> None:
    with pytest.raises(InputError) as caught:
        read(text, **options)
    assert re.search(message, str(caught.value)), str(caught.value)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ConnectorError, match=r"nowhere\.csv.*No such file"):
        FileSource(FileSourceOptions(path="nowhere.csv"))


def test_a_folder_is_no_file(tmp_path) -> None:
    source = FileSource(FileSourceOptions(path=str(tmp_path)))
    try:
        with pytest.raises(ConnectorError, match="directory"):
            source.next_batch(1.0)
    finally:
        source.close()


def test_time_and_interval_exclude_each_other() -> None:
    with pytest.raises(msgspec.ValidationError, match="time and interval"):
        msgspec.convert({"path": "a", "time": "t", "interval": 1}, FileSourceOptions)


# --- pipes and progress ----------------------------------------------------------------------------------------------


def test_a_pipe_is_read_as_it_comes(tmp_path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    source = FileSource(FileSourceOptions(path=str(path)))
    start = time.monotonic()
    assert source.next_batch(0.05) == [], "nobody has opened its other end"
    end = os.open(path, os.O_WRONLY)
    try:
        assert source.next_batch(0.05) == []
        assert time.monotonic() - start < 5.0
        os.write(end, b"t,v\n1,1\n2,")
        came: list[Batch | Reject] = []
        while not came:
            came.extend(source.next_batch(1.0))
        assert came[0].values.tolist() == [[1.0]]
        assert source.next_batch(0.05) == [], "half a row is no row"
        os.write(end, b"2\n")
        assert source.next_batch(5.0)[0].values.tolist() == [[2.0]]
        assert source.share is None
    finally:
        os.close(end)
    assert source.next_batch(5.0) is None
    source.close()


def test_standard_input() -> None:
    program = (
        "from streamrnn_connectors.files import FileSource, FileSourceOptions\n"
        "source = FileSource(FileSourceOptions(path='-'))\n"
        "while (came := source.next_batch(5.0)) is not None:\n"
        "    for batch in came: print(batch.stream, batch.values.tolist())\n"
        "source.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input="t,v\n1,1\n2,2\n",
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("stdin [[1.0], [2.0]]\n", "")


def test_progress_and_names(tmp_path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("when,v\n" + "2014-02-14 14:27:00,1\n" * 30_000)
    source = FileSource(FileSourceOptions(path=str(path)))
    try:
        assert (source.share, source.names) == (0.0, ())
        source.next_batch(1.0)
        assert 0.0 < source.share < 1.0
        assert source.names == ("when", "v")
        assert source.snapshot() == {"rows": 4095}
        rest(source)
        assert source.share == 1.0
    finally:
        source.close()


# --- cells -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 9_223_372_035 * S), min_size=1, max_size=5), st.sampled_from([0, 60, -330]))
def test_iso_times_are_exact(times: list[int], minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    texts = []
    for ns in times:
        moment = datetime.fromtimestamp(ns // S, zone)
        fraction = f"{ns % S:09}".rstrip("0")
        offset = moment.strftime("%z") if minutes else ""
        texts.append(moment.strftime("%Y-%m-%d %H:%M:%S") + (f".{fraction}" if fraction else "") + offset)
    assert iso_times(texts).tolist() == [iso_time(text) for text in texts] == times


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=5))
def test_epoch_times_are_exact(times: list[int]) -> None:
    assert epoch_times([f"{ns // S}.{ns % S:09}" for ns in times]).tolist() == times


@given(st.lists(st.floats(), min_size=1, max_size=5))
def test_numbers_are_those_that_python_reads(values: list[float]) -> None:
    np.testing.assert_array_equal(numbers([repr(value) for value in values]), values)


@given(st.text(max_size=20))
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    for parse in (iso_times, epoch_times):
        try:
            parsed = parse([text])
        except ValueError:
            continue
        assert 0 <= parsed[0] < 2**63
