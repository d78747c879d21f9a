"""The past, from files and from Prometheus: a scripted one, and a real one."""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import logging
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from streamrnn_connectors.zeromq import Sender

from streamrnn.daemon import backfill as module
from streamrnn.daemon import range_api
from streamrnn.daemon.backfill import Plan, Relay, backfill
from streamrnn.daemon.config import load, parse
from streamrnn.daemon.range_api import series_names
from streamrnn.engine.fleet import Admission, Known
from streamrnn.engine.loop import Engine
from streamrnn.engine.ports import Batch
from streamrnn.errors import ConfigError, ConnectorError, Reason
from streamrnn.tasks.recipe import Recipe
from streamrnn.testing.scripted import EOF, ManualClock, ScriptedSource

ROOT = Path(__file__).parents[2]
SECOND = 10**9
START = 1_700_000_000
PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
real = pytest.mark.skipif(
    (PROMETHEUS is None or PROMTOOL is None) and "CI" not in os.environ, reason="Debian's prometheus is not installed"
)


class Kept:
    """A sink that keeps everything."""

    def __init__(self):
        self.results, self.dropped = [], 0

    def write(self, results):
        self.results += results

    def flush(self):
        pass

    def close(self):
        pass


class Warmed:
    """An engine with a plan from the given `[backfill]` table, and what its sink got."""

    def __init__(self, table, *, clock=None, parts=None, **admission):
        config = parse({"backfill": table}, "a.toml", for_daemon=False)
        self.plan = config.backfill if parts is None else Plan(tuple(parts), config.backfill.required)
        self.relay, self.kept, self.stop = Relay(), Kept(), threading.Event()
        admitted = Admission(**admission)
        self.engine = Engine(self.relay, {"kept": self.kept}, Recipe(), admission=admitted, clock=clock)

    def backfill(self):
        return backfill(self.plan, self.engine, self.relay, self.stop)

    def live(self, *batches):
        self.relay.source = ScriptedSource([*batches, EOF])
        self.engine.run(self.stop)

    def bytes(self, stream):
        return self.engine.fleet[stream].model.to_bytes()


def wave(n, seed=0):
    t = START + 60 * np.arange(n)
    x = np.stack([10 + np.sin(t / 700), np.cos(t / 500)], axis=1)
    return t, x + 0.05 * np.random.default_rng(seed).standard_normal(x.shape)


def csv(path, t, x, names=("a", "b")):
    rows = [
        ",".join([str(s), *("" if math.isnan(v) else repr(float(v)) for v in row)]) for s, row in zip(t, x, strict=True)
    ]
    path.write_text("\n".join([",".join(["time", *names]), *rows]) + "\n")
    return str(path)


def batch(name, t, x, names=("a", "b"), sequence=None):
    return Batch(name, np.asarray(t, np.int64) * SECOND, np.asarray(x, float), names, sequence)


# ---------------------------------------------------------------- files


def test_the_model_is_the_one_that_saw_the_same_rows_live(tmp_path):
    t, x = wave(700)
    x[200, 0], x[300:310, 1] = np.nan, 40.0
    keep = (t < t[400]) | (t >= t[440])  # a gap
    warmed = Warmed({"files": [csv(tmp_path / "pump.csv", t[:600][keep[:600]], x[:600][keep[:600]])]})
    assert warmed.backfill() == 560
    live = Warmed({})
    live.live(*(batch("pump", t[i : i + 1], x[i : i + 1]) for i in np.flatnonzero(keep[:600])))
    assert warmed.bytes("pump") == live.bytes("pump")
    for engine in (warmed, live):
        engine.live(batch("pump", t[600:], x[600:], sequence=0))
    assert warmed.bytes("pump") == live.bytes("pump")
    (after,) = warmed.kept.results
    np.testing.assert_array_equal(after.score, live.kept.results[-1].score)
    np.testing.assert_array_equal(after.forecast, live.kept.results[-1].forecast)
    assert not after.warming.any()


@pytest.mark.parametrize(("rows", "warming"), [(99, True), (100, False)])
def test_after_100_rows_it_is_warm(tmp_path, rows, warming, caplog):
    t, x = wave(rows)
    warmed = Warmed({"files": [csv(tmp_path / "pump.csv", t, x)]})
    with caplog.at_level(logging.INFO, "streamrnn.backfill"):
        warmed.backfill()
    assert warmed.engine.fleet["pump"].model.warming is warming
    assert ("still warming up" in caplog.text) is warming
    warmed.live(batch("pump", t[-1:] + 60, x[-1:]))
    assert warmed.kept.results[0].warming.tolist() == [warming]


def test_nobody_hears_of_old_alarms(tmp_path, caplog):
    t, x = wave(900)
    x[500:505, 0] += 40.0
    x[800:, 0] += 40.0
    warmed = Warmed({"files": [csv(tmp_path / "pump.csv", t[:805], x[:805])]})
    with caplog.at_level(logging.INFO, "streamrnn"):
        warmed.backfill()
    model = warmed.engine.fleet["pump"].model
    assert (model.alarms, model.alarm) == (2, True)  # else the test tells nothing
    assert not [r for r in caplog.records if r.event in ("alarm", "cleared")]
    assert "an alarm is on" in caplog.text
    assert warmed.kept.results == []
    assert int(warmed.engine.fleet.counters.alarms.sum()) == 0
    x[700] = x[699]
    with caplog.at_level(logging.INFO, "streamrnn"):
        warmed.live(batch("pump", t[:100] + (t[805] - t[0]), x[600:700]))
        later = t[-100:] + 10_000
        warmed.live(batch("pump", later, np.concatenate([x[600:699], x[600:601] + 500.0])))
    assert [r.event for r in caplog.records if r.event in ("alarm", "cleared")] == ["cleared", "alarm"]
    assert int(warmed.engine.fleet.counters.alarms.sum()) == 1


def test_live_samples_that_are_older_are_late(tmp_path):
    t, x = wave(200)
    warmed = Warmed({"files": [csv(tmp_path / "pump.csv", t, x)]})
    warmed.backfill()
    warmed.live(batch("pump", [t[50] + 1, t[-1] + 1], x[:2], sequence=7))
    counters = warmed.engine.fleet.counters
    assert warmed.engine.rejected()[Reason.LATE] == 1
    assert (int(counters.samples[0]), int(counters.gaps[0]), int(counters.restarts[0])) == (201, 0, 0)


def test_files_are_tables_of_the_connector_too(tmp_path):
    t, x = wave(150)
    path = csv(tmp_path / "odd name.csv", t, x, ("a", "b"))
    with open(path, "a") as out:
        out.write(f"{t[-1]},1,2\n{t[0]},1,2\n{t[-1] + 60},x,2\n{t[-1] + 120},1,2\n")
    warmed = Warmed({"files": [{"path": path, "stream": "pump", "columns": ["b"], "on_error": "skip"}]})
    assert warmed.backfill() == 152  # the columns decide: a's text is not read
    rejected = warmed.engine.rejected()
    assert (rejected[Reason.DUPLICATE], rejected[Reason.LATE], rejected[Reason.NOT_A_NUMBER]) == (1, 1, 0)
    assert warmed.engine.fleet["pump"].channels == ("b",)
    both = Warmed({"files": [{"path": path, "on_error": "skip", "columns": ["a", "b"]}]})
    assert both.backfill() == 151
    assert both.engine.rejected()[Reason.NOT_A_NUMBER] == 1


def test_channels_go_by_name(tmp_path):
    t, x = wave(120)
    path = csv(tmp_path / "pump.csv", t, x)
    warmed = Warmed({"files": [path]}, known=(Known(name="pump", channels=("b", "a")),))
    warmed.backfill()
    np.testing.assert_array_equal(warmed.engine.fleet["pump"].latest[0], x[-1, ::-1])
    wrong = Warmed({"files": [path]}, known=(Known(name="pump", channels=("b", "c")),))
    with pytest.raises(ConnectorError, match=r"files\[0\]: its channels are not .*got a, b, expected b, c"):
        wrong.backfill()


def test_streams_are_not_silent_while_the_past_is_learned(caplog):
    clock = ManualClock(now=START * SECOND, monotonic=100.0)

    class Slow:
        key, label = "backfill.slow", "slow"

        def read(self, engine):
            for second in range(5):
                clock.advance(11.0)
                yield [batch("pump", [second], [[1.0]], ("a",))], second / 5
                yield (), None

    warmed = Warmed({}, clock=clock, parts=[Slow()], known=(Known(name="other", channels=("x",)),))
    with caplog.at_level(logging.INFO, "streamrnn"):
        assert warmed.backfill() == 5
    assert warmed.engine.fleet.silent(clock.monotonic()) == []
    assert not [r for r in caplog.records if r.event == "silent"]
    assert "backfill: slow, 2 samples so far" in caplog.text


def test_a_terminal_shows_a_bar(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setattr("streamrnn.daemon.progress.PERIOD", 0.0)
    t, x = wave(100)
    Warmed({"files": [csv(tmp_path / "pump.csv", t, x)]}).backfill()
    assert "100%" in terminal.getvalue()
    assert "100 rows" in terminal.getvalue()


def test_a_manager_that_waits_is_asked_to_wait_on(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(module, "notify", told.append)
    Warmed({"files": [csv(tmp_path / "pump.csv", *wave(3))]}).backfill()
    assert told == ["EXTEND_TIMEOUT_USEC=60000000"]


BROKEN = {
    "missing": (None, r"cannot open the file \(got .*No such file"),
    "empty": ("", "the file is empty"),
    "no rows": ("time,a\n", "no sample of it could be used .got no rows at all"),
    "no number": ("time,a\n1,1\n2,x\n", r"line 3: no number in column 'a' .got 'x'"),
    "not admitted": ("time,a\n1,1\n2,2\n", "no sample of it could be used .got 2 unknown_stream"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_cannot_be_had(tmp_path, case, caplog):
    text, told = BROKEN[case]
    path = tmp_path / "bad.csv"
    if text is not None:
        path.write_text(text)
    good = csv(tmp_path / "good.csv", *wave(100))
    admit = ("good",) if case == "not admitted" else ("*",)
    with pytest.raises(ConnectorError, match=told) as caught:
        Warmed({"files": [str(path), good]}, admit=admit).backfill()
    assert str(caught.value).startswith("a.toml: backfill.files[0]: ")
    assert "required = false" in str(caught.value)
    lenient = Warmed({"files": [str(path), good], "required": False}, admit=admit)
    assert lenient.backfill() == 100
    (line,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING" and r.name == "streamrnn.backfill"]
    assert line.startswith("not backfilled: a.toml: backfill.files[0]: ")
    assert "required" not in line


# ---------------------------------------------------------------- configuration

URL = "http://127.0.0.1:9090"
WRONG = {
    "prometheus without queries": ({"prometheus": URL}, "backfill: prometheus without queries"),
    "queries without prometheus": ({"queries": {"a": "up"}}, "backfill: queries without prometheus"),
    "ftp": ({"prometheus": "ftp://u:secret@h", "queries": {"a": "up"}}, "backfill.prometheus: no address"),
    "no scheme": ({"prometheus": "localhost:9090", "queries": {"a": "up"}}, "backfill.prometheus: no address"),
    "no host": ({"prometheus": "http://", "queries": {"a": "up"}}, "backfill.prometheus: no address"),
    "bad port": ({"prometheus": "http://u:secret@h:x", "queries": {"a": "up"}}, "backfill.prometheus: no address"),
    "slash": ({"prometheus": "http://u:sec/ret@h", "queries": {"a": "up"}}, "backfill.prometheus: no address"),
    "query in it": ({"prometheus": URL + "?a=b", "queries": {"a": "up"}}, "backfill.prometheus: no address"),
    "space": ({"prometheus": URL + "/a b", "queries": {"a": "up"}}, "backfill.prometheus: no address"),
    "list": ({"prometheus": ["http://u:secret@h"]}, 'backfill.prometheus: wrong value (got ["http://h"]'),
    "span text": ({"span": "7x"}, 'backfill.span: no span of time (got "7x"'),
    "span zero": ({"span": 0}, "backfill.span: no span of time (got 0"),
    "span forever": ({"span": 1e99}, "backfill.span: no span of time (got 1e+99"),
    "span kind": ({"span": True}, "backfill.span: wrong value (got true, expected float | str"),
    "step": ({"step": 0}, "backfill.step: wrong value (got 0, expected float, 0.001 or more"),
    "step above span": ({"span": 10, "step": 60}, "backfill.queries.a: no step fits into the span"),
    "too much": (
        {"span": "1y", "step": 1},
        "backfill.queries.a: more than can be held (got span / step x channels = 315",
    ),
    "no text": ({"queries": {"a": 3}}, "backfill.queries.a: no query (got 3, expected PromQL text)"),
    "blank": ({"queries": {"a": " "}}, 'backfill.queries.a: no query (got " "'),
    "no channel": ({"queries": {"a": {}}}, "backfill.queries.a: no query (got an empty table"),
    "channel": ({"queries": {"a": {"x": ["up"]}}}, 'backfill.queries.a.x: no query (got ["up"]'),
    "stream name": ({"queries": {"": "up"}}, "backfill.queries.: no name of a stream"),
    "channel name": ({"queries": {"a": {"x\n": "up"}}}, "no name (expected 1 to 255 printable"),
    "file key": ({"files": [{"path": "a.csv", "strem": "a"}]}, "backfill.files[0].strem: unknown key"),
    "file without path": (
        {"files": ["b.csv", {"stream": "a"}]},
        "backfill.files[1]: Object missing required field 'path'",
    ),
    "file kind": ({"files": [3]}, "backfill.files[0]: wrong value (got 3, expected "),
    "key": ({"file": ["a.csv"]}, "backfill.file: unknown key"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_table_is_told_by_key(case):
    table, told = WRONG[case]
    if told.startswith(("backfill.span", "backfill.step", "backfill.queries", "no name")):
        table = {"prometheus": URL, "queries": {"a": "up"}} | table
    with pytest.raises(ConfigError) as caught:
        parse({"backfill": table}, "a.toml", for_daemon=False)
    assert str(caught.value).startswith("a.toml: ")
    assert told in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "ret@" not in str(caught.value)


def test_the_sample_is_good():
    parts = load(ROOT / "deploy" / "backfill.toml").backfill.parts
    assert [part.label for part in parts] == ["pump-3.csv", f"host.load from {URL}", f"host.cpu from {URL}"]


@pytest.mark.parametrize(
    ("span", "seconds"), [("7d", 604800), ("1h30m", 5400), (90, 90), (0.5, 0.5), ("1w", 604800), ("1500ms", 1.5)]
)
def test_spans_of_time(span, seconds):
    table = {"prometheus": URL, "queries": {"a": "up"}, "span": span, "step": 0.5}
    (part,) = parse({"backfill": table}, "a.toml", for_daemon=False).backfill.parts
    assert part.span == 1000 * seconds


# ---------------------------------------------------------------- a scripted Prometheus


class Scripted:
    """An HTTP server. `answer(path, fields)` says the answer: (status, headers, body), or what its handler does."""

    def __init__(self, answer):
        self.asked, self.headers = [], []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                parts = urlsplit(self.path)
                fields = {key: value for key, (value,) in parse_qs(parts.query).items()}
                outer.asked.append((parts.path, fields))
                outer.headers.append(dict(self.headers))
                said = answer(parts.path, fields)
                if callable(said):
                    said(self)
                    return
                status, headers, body = said
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads, block_on_close = True, False

            def handle_error(self, request, client_address):
                pass  # a client that has gone away

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def scripted():
    with contextlib.ExitStack() as stack:

        def make(answer):
            server = Scripted(answer)
            stack.callback(server.close)
            return server

        yield make


def matrix(*series, **more):
    data = {"resultType": "matrix", "result": [{"metric": m, "values": v} for m, v in series]}
    return 200, {"Content-Type": "application/json"}, json.dumps({"status": "success", "data": data} | more).encode()


def sine(fields):
    """A point a step, as text; no point where a minute ends with 7."""
    first, last, step = (round(float(fields[key])) for key in ("start", "end", "step"))
    return [[t, repr(math.sin(t / 1000))] for t in range(first, last + 1, step) if t // 60 % 10 != 7]


def prometheus(url, queries='up{job="a"}', **table):
    return {"prometheus": url, "queries": {"pump": queries}, "span": "2h", **table}


def clock_at(seconds):
    return ManualClock(now=round(seconds * SECOND))


def rows_of(warmed):
    """What the plan's parts bring, without an engine that learns it."""
    items = [item for part in warmed.plan.parts for items, _ in part.read(warmed.engine) for item in items]
    return np.concatenate([i.time for i in items]), np.concatenate([i.values for i in items]), items[0].channels


def test_what_is_asked_and_what_becomes_of_it(scripted, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server = scripted(lambda path, fields: matrix(({"job": "a"}, sine(fields))))
    now = START + 59.9
    warmed = Warmed(prometheus(server.url), clock=clock_at(now))
    times, values, channels = rows_of(warmed)
    end = int(now // 60) * 60
    grid = np.arange(end - 7200, end + 1, 60)
    expected = grid[grid // 60 % 10 != 7]  # where there is no point there is no row
    np.testing.assert_array_equal(times, expected * SECOND)
    np.testing.assert_array_equal(values[:, 0], [math.sin(t / 1000) for t in expected.tolist()])
    assert channels == ("value",)
    ((path, fields),) = server.asked
    assert path == "/api/v1/query_range"
    assert fields == {"query": 'up{job="a"}', "start": f"{end - 7200}.000", "end": f"{end}.000", "step": "60.000"}
    assert warmed.backfill() == len(expected)


@pytest.mark.parametrize("points", [7, 121, 11_000])
def test_no_answer_has_more_points_than_the_api_gives(scripted, monkeypatch, points):
    monkeypatch.setattr(range_api, "POINTS", points)
    server = scripted(lambda path, fields: matrix(({"job": "a"}, sine(fields))))
    times, values, _ = rows_of(Warmed(prometheus(server.url), clock=clock_at(START)))
    asked = [(float(f["end"]) - float(f["start"])) / float(f["step"]) + 1 for _, f in server.asked]
    assert sum(asked) == 121
    assert len(asked) == math.ceil(121 / points)
    assert max(asked) <= points
    one = scripted(lambda path, fields: matrix(({"job": "a"}, sine(fields))))
    monkeypatch.setattr(range_api, "POINTS", 11_000)
    once = rows_of(Warmed(prometheus(one.url), clock=clock_at(START)))
    np.testing.assert_array_equal(times, once[0])
    np.testing.assert_array_equal(values, once[1])


def test_series_are_channels_by_the_labels_that_tell_them_apart(scripted):
    def answer(path, fields):
        points = sine(fields)
        a = ({"job": "n", "mode": "user", "cpu": "0"}, points[::2])
        return matrix(a, ({"job": "n", "mode": "idle", "cpu": "0"}, points[1:]))

    times, values, channels = rows_of(Warmed(prometheus(scripted(answer).url), clock=clock_at(START)))
    assert channels == ("idle", "user")
    assert np.isnan(values[0]).tolist() == [True, False]
    assert np.isnan(values[1]).tolist() == [False, True]
    assert np.isnan(values[2]).tolist() == [False, False]
    np.testing.assert_array_equal(values[2], 2 * [math.sin(times[2] / SECOND / 1000)])


def test_series_of_a_later_answer_are_channels_of_all_rows(scripted, monkeypatch):
    monkeypatch.setattr(range_api, "POINTS", 61)

    def answer(path, fields):
        series = [({"mode": "b"}, sine(fields))]
        return matrix(*series, *([({"mode": "a"}, sine(fields))] if float(fields["end"]) > START - 1800 else []))

    _, values, channels = rows_of(Warmed(prometheus(scripted(answer).url), clock=clock_at(START)))
    assert channels == ("a", "b")
    assert np.isnan(values[:40, 0]).all()
    assert not np.isnan(values[-40:]).any()


def test_a_table_names_the_channels(scripted):
    def answer(path, fields):
        sign = "-" if fields["query"] == "down" else ""
        return matrix(({"job": "n"}, [[t, sign + "1"] for t, _ in sine(fields)]))

    server = scripted(answer)
    warmed = Warmed(prometheus(server.url, {"b": "down", "a": "up"}), clock=clock_at(START))
    _, values, channels = rows_of(warmed)
    assert channels == ("b", "a")
    assert values[0].tolist() == [-1.0, 1.0]
    known = (Known(name="pump", channels=("a", "b")),)
    warmed = Warmed(prometheus(server.url, {"b": "down", "a": "up"}), clock=clock_at(START), known=known)
    warmed.backfill()
    assert warmed.engine.fleet["pump"].latest[0].tolist() == [1.0, -1.0]


def test_names_of_series():
    assert series_names([{"a": "1"}, {"b": "2"}]) == ["1,-", "-,2"]
    assert series_names([{"__name__": "x", "a": "1"}, {"__name__": "y", "a": "1"}]) == ["x", "y"]


def test_what_is_no_finite_number_is_masked(scripted):
    special = {3: "NaN", 4: "+Inf", 5: "-Inf"}

    def answer(path, fields):
        return matrix(({}, [[t, special.get(i, v)] for i, (t, v) in enumerate(sine(fields))]))

    warmed = Warmed(prometheus(scripted(answer).url), clock=clock_at(START))
    rows = warmed.backfill()
    assert rows > 100
    statistics = warmed.engine.fleet["pump"].model.statistics
    assert warmed.engine.rejected()[Reason.NOT_FINITE] == 2
    assert statistics["missing"].tolist() == [1.0]


def test_it_is_bit_for_bit_what_came_live(scripted):
    server = scripted(lambda path, fields: matrix(({}, sine(fields))))
    warmed = Warmed(prometheus(server.url, step=1.0), clock=clock_at(START))
    times, values, channels = rows_of(warmed)
    assert warmed.backfill() == len(times) > range_api.ROWS  # several batches
    live = Warmed({}, clock=clock_at(START))
    live.live(*(Batch("pump", times[i : i + 97], values[i : i + 97], channels) for i in range(0, len(times), 97)))
    assert warmed.bytes("pump") == live.bytes("pump")


def test_a_password_is_sent_and_never_told(scripted, caplog):
    server = scripted(lambda path, fields: (503, {}, b"busy"))
    url = server.url.replace("//", "//me:s%40cret@") + "/sub/"
    warmed = Warmed(prometheus(url), clock=clock_at(START))
    assert "cret" not in repr(warmed.plan)
    with caplog.at_level(logging.DEBUG, "streamrnn"), pytest.raises(ConnectorError) as caught:
        warmed.backfill()
    assert server.headers[0]["Authorization"] == "Basic bWU6c0BjcmV0"  # me:s@cret
    assert server.asked[0][0] == "/sub/api/v1/query_range"
    assert f"{server.url}/sub: answers with an error (got 503: 'Service Unavailable')" in str(caught.value)
    assert "cret" not in caplog.text + str(caught.value)


def test_warnings_of_the_server_are_passed_on(scripted, caplog):
    server = scripted(lambda path, fields: matrix(({}, sine(fields)), warnings=["only half of it"]))
    Warmed(prometheus(server.url), clock=clock_at(START)).backfill()
    assert "warns: only half of it" in caplog.text


def dawdle(handler):
    """Headers, and then a byte now and then."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(100):
        handler.wfile.write(b" ")
        time.sleep(0.1)


def of_times(*moments):
    return lambda path, fields: matrix(({}, [[float(fields["start"]) + m, "1"] for m in moments]))


def text(status, body, **headers):
    return lambda path, fields: (status, headers, body)


def result(body):
    return text(200, b'{"status":"success","data":' + body + b"}")


FAULTS = {
    "not found": (text(404, b"<html>"), "answers with an error (got 404: 'Not Found')"),
    "bad query": (
        text(400, b'{"status":"error","error":"parse error \\n x"}'),
        r"refuses the query (got 400: 'parse error \n x')",
    ),
    "elsewhere": (
        text(302, b"", Location="http://u:secret@example.org/x"),
        "redirects are not followed (got 302 to 'http://example.org'",
    ),
    "other path": (text(301, b"", Location="/graph"), "redirects are not followed (got 301 to 'another path'"),
    "no JSON": (text(200, b"<html>hello"), "this is no answer of the range API (got JSON is malformed"),
    "no text": (text(200, b"\xff\xfe"), "this is no answer of the range API"),
    "cut off": (
        text(200, matrix(({}, [[1, "1"]]))[2][:-20]),
        "this is no answer of the range API (got Input data was truncated",
    ),
    "announced longer": (
        text(200, b'{"status":', **{"Content-Length": "1000"}),
        "this is no answer of the range API (got Input data",
    ),
    "deep": (text(200, b"[" * 100_000), "this is no answer of the range API"),
    "failed with 200": (text(200, b'{"status":"error","error":"x"}'), "this is no answer of the range API"),
    "no data": (text(200, b'{"status":"success"}'), "missing required field `data`"),
    "vector": (
        result(b'{"resultType":"vector","result":[]}'),
        "this is no answer of the range API (got Invalid enum value 'vector'",
    ),
    "number as value": (
        result(b'{"resultType":"matrix","result":[{"metric":{},"values":[[1,2]]}]}'),
        "got Expected `str`, got `int`",
    ),
    "histograms": (
        result(b'{"resultType":"matrix","result":[{"metric":{},"histograms":[[1,{}]]}]}'),
        "a series holds histograms",
    ),
    "no series": (
        result(b'{"resultType":"matrix","result":[]}'),
        "the query has no series (expected one or more within backfill.span)",
    ),
    "no points": (
        result(b'{"resultType":"matrix","result":[{"metric":{}}]}'),
        "no sample of it could be used (got no rows at all",
    ),
    "times before": (of_times(-60, 0), "the times of a series are not those that were asked for"),
    "times after": (of_times(0, 7260), "the times of a series are not those that were asked for"),
    "times twice": (of_times(0, 0), "the times of a series are not those that were asked for"),
    "times back": (of_times(60, 0), "the times of a series are not those that were asked for"),
    "times beyond all": (of_times(0, 1e300), "the times of a series are not those that were asked for"),
    "text": (lambda path, fields: matrix(({}, [[float(fields["start"]), "many"]])), "a value is no number"),
    "underscore": (lambda path, fields: matrix(({}, [[float(fields["start"]), "1_0"]])), "a value is no number"),
    "one name": (
        lambda path, fields: matrix(({"a": "x", "b": "y,z"}, sine(fields)), ({"a": "x,y", "b": "z"}, sine(fields))),
        "labels make no names of channels",
    ),
    "odd name": (
        lambda path, fields: matrix(({"a": "x"}, sine(fields)), ({"a": "x\n"}, sine(fields))),
        "labels make no names of channels",
    ),
    "too many": (
        lambda path, fields: matrix(*(({"a": str(i)}, sine(fields)) for i in range(65))),
        "more series or values than can be used (got 65 series",
    ),
    "too long": (text(200, b" " * 2_000_001), "the answer is too long (got more than 2000000 bytes)"),
    "dawdles": (lambda path, fields: dawdle, "no answer in time (expected one within backfill.timeout = 0.5 s)"),
    "silent": (lambda path, fields: lambda handler: time.sleep(2.0), "no answer in time"),
    "no HTTP": (
        lambda path, fields: lambda handler: handler.wfile.write(b"SSH-2.0-x\r\n"),
        "this is no HTTP (got BadStatusLine",
    ),
    "hangs up": (lambda path, fields: lambda handler: None, "closed connection without response"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_told_with_key_and_address(scripted, monkeypatch, case):
    answer, told = FAULTS[case]
    monkeypatch.setattr(range_api, "ANSWER_BYTES", 2_000_000)
    server = scripted(answer)
    warmed = Warmed(prometheus(server.url, timeout=0.5), clock=clock_at(START))
    began = time.monotonic()
    with pytest.raises(ConnectorError) as caught:
        warmed.backfill()
    assert time.monotonic() - began < 5.0
    assert str(caught.value).startswith("a.toml: backfill.queries.pump: ")
    assert told in str(caught.value)
    assert "secret" not in str(caught.value)
    assert len(warmed.engine.fleet) == 0  # nothing has been learned of it
    assert len(server.asked) == 1


def test_two_series_for_one_channel(scripted):
    server = scripted(lambda path, fields: matrix(({"a": "x"}, sine(fields)), ({"a": "y"}, sine(fields))))
    with pytest.raises(
        ConnectorError, match=r"queries.pump: channel 'flow': the query has more than one series .got 2"
    ):
        Warmed(prometheus(server.url, {"flow": "up"}), clock=clock_at(START)).backfill()


@pytest.mark.parametrize(
    ("url", "told"), [("http://127.0.0.1:{}", "Connection refused"), ("http://nowhere.invalid", "cannot be reached")]
)
def test_nobody_there(url, told):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ConnectorError, match=told):
        Warmed(prometheus(url.format(port))).backfill()


def test_no_secure_connection(scripted):
    server = scripted(lambda path, fields: matrix())
    with pytest.raises(ConnectorError, match="no secure connection"):
        Warmed(prometheus(server.url.replace("http:", "https:"))).backfill()
    assert server.asked == []


def test_more_values_than_can_be_held(scripted, monkeypatch):
    monkeypatch.setattr(range_api, "MOST_VALUES", 200)
    server = scripted(lambda path, fields: matrix(({"a": "x"}, sine(fields)), ({"a": "y"}, sine(fields))))
    with pytest.raises(ConnectorError, match=r"got 2 series, 21\d values"):
        Warmed(prometheus(server.url)).backfill()


def test_without_being_required_the_others_are_learned(scripted, caplog):
    def answer(path, fields):
        return matrix(({}, sine(fields))) if fields["query"] == "good" else (500, {}, b"")

    table = {"prometheus": scripted(answer).url, "queries": {"bad": "bad", "pump": "good"}, "required": False}
    warmed = Warmed(table, clock=clock_at(START))
    assert warmed.backfill() > 100
    assert [stream.name for stream in warmed.engine.fleet] == ["pump"]
    assert "not backfilled: a.toml: backfill.queries.bad: " in caplog.text


def test_a_stop_is_seen_while_it_waits(scripted):
    server = scripted(lambda path, fields: lambda handler: time.sleep(10.0))
    warmed = Warmed(prometheus(server.url))
    before = set(threading.enumerate())
    threading.Timer(0.3, warmed.stop.set).start()
    began = time.monotonic()
    assert warmed.backfill() == 0
    assert time.monotonic() - began < 2.0
    deadline = time.monotonic() + 5.0
    while left := [t for t in threading.enumerate() if t not in before and t.name == "backfill"]:
        assert time.monotonic() < deadline, left
        time.sleep(0.01)


def test_a_stop_ends_it_after_the_rows_at_hand():
    class Long:
        key, label = "backfill.long", "long"

        def read(self, engine):
            for second in range(1000):
                if second == 2:
                    warmed.stop.set()
                yield [batch("pump", [second], [[1.0]], ("a",))], second / 1000

    warmed = Warmed({}, parts=[Long()])
    assert warmed.backfill() == 3


# ---------------------------------------------------------------- a real Prometheus


@pytest.fixture(scope="module")
def real_prometheus(tmp_path_factory):
    """A server that holds 12,000 samples, one each 15 s, of two series; and when the last of them was."""
    assert None not in (PROMETHEUS, PROMTOOL), "prometheus is missing in CI: .ci/run installs it"
    folder = tmp_path_factory.mktemp("prometheus")
    last = int(time.time()) // 15 * 15 - 15
    lines = ["# TYPE depth gauge"]
    for place in ("north", "south"):
        for i in range(12_000):
            t = last - 15 * (11_999 - i)
            lines.append(f'depth{{place="{place}"}} {depth(t, place)!r} {t}')
    lines.append("# EOF\n")
    (folder / "past.om").write_text("\n".join(lines))
    command = [PROMTOOL, "tsdb", "create-blocks-from", "openmetrics", "--quiet", folder / "past.om", folder / "data"]
    subprocess.run(command, check=True, capture_output=True)
    (folder / "prometheus.yml").write_text("{}\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    options = {"config.file": folder / "prometheus.yml", "storage.tsdb.path": folder / "data",
               "storage.tsdb.retention.time": "10y", "web.listen-address": address}  # fmt: skip
    with open(folder / "log", "w") as log:
        server = subprocess.Popen([PROMETHEUS, *(f"--{k}={v}" for k, v in options.items())], stderr=log, stdout=log)
    try:
        deadline = time.monotonic() + 60.0
        while True:
            with contextlib.suppress(OSError), socket.create_connection(address.split(":")):
                if b" 200 " in ready(address):
                    break
            assert server.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
        yield f"http://{address}", last
    finally:
        server.terminate()
        server.wait()


def ready(address):
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=10.0) as out:
        out.sendall(b"GET /-/ready HTTP/1.0\r\n\r\n")
        return out.recv(100)


NOISE = np.random.default_rng(5).uniform(-0.2, 0.2, 4096).tolist()


def depth(t, place):
    return round(math.sin(t / 900) + NOISE[t // 15 % 4096] + (5.0 if place == "south" else 0.0), 6)


@real
def test_a_real_one_gives_what_it_was_fed(real_prometheus):
    url, last = real_prometheus
    table = {"prometheus": url, "queries": {"lake": "depth"}, "span": 12_500 * 15, "step": 15.0}
    warmed = Warmed(table)
    times, values, channels = rows_of(warmed)
    assert channels == ("north", "south")
    fed = times <= last * SECOND
    assert len(times) > fed.sum()  # afterwards it repeats the last value, for five minutes
    np.testing.assert_array_equal(values[~fed], np.broadcast_to(values[fed][-1], values[~fed].shape))
    assert fed.sum() == 12_000 > range_api.POINTS
    np.testing.assert_array_equal(times[fed], (last - 15 * np.arange(12_000)[::-1]) * SECOND)
    expected = [[depth(t, place) for place in channels] for t in (times[fed] // SECOND).tolist()]
    np.testing.assert_array_equal(values[fed], expected)
    assert warmed.backfill() >= 12_000
    assert not warmed.engine.fleet["lake"].model.warming


@real
def test_a_real_one_says_what_is_wrong_with_a_query(real_prometheus):
    url, _ = real_prometheus
    with pytest.raises(ConnectorError, match=r"refuses the query .got 400: '.*parse error"):
        Warmed(prometheus(url, "depth{")).backfill()
    with pytest.raises(ConnectorError, match="the query has no series"):
        Warmed(prometheus(url, "width")).backfill()


def metrics(daemon, url):
    families = text_string_to_metric_families(daemon.get("/metrics", url)[1])
    return {(s.name, *s.labels.values()): s.value for f in families for s in f.samples}


SOURCE = '[[sources]]\nconnector = "zeromq"\nbind = "tcp://127.0.0.1:*"\n'


@real
def test_the_daemon_starts_warm(real_prometheus, run_daemon, tmp_path):
    url, last = real_prometheus
    path = csv(tmp_path / "pump.csv", *wave(300))
    daemon = run_daemon(
        f'[backfill]\nfiles = ["{path}"]\nprometheus = "{url}"\nspan = "12h"\nstep = 15\n'
        "[backfill.queries.lake]\n"
        "deep = 'last_over_time(depth{place=\"south\"}[15s])'\nflat = 'last_over_time(depth{place=\"north\"}[15s])'\n"
        f'[metrics]\nstreams = ["*"]\n{SOURCE}'
    )
    endpoint = daemon.wait_for("source")["endpoint"]
    told = [entry for entry in daemon.log if entry["event"] == "backfill" and "samples" in entry]
    assert [(entry["stream"], entry["state"]) for entry in told] == [("pump", "warm"), ("lake", "warm")]
    web = daemon.wait_for("listening")["http"]
    before = metrics(daemon, web)
    backfilled = before["streamrnn_backfilled_samples_total",]
    assert backfilled == before["streamrnn_samples_total",] == sum(entry["samples"] for entry in told) > 3000
    with Sender(endpoint, linger=10.0) as sender:
        sender.send("lake", time.time_ns(), [500.0, depth(last, "north")], channels=("deep", "flat"))
        sender.send("lake", last - 3600.0, [5.0, 0.0], channels=("deep", "flat"))
    alarm = daemon.wait_for("alarm")  # of the very first live sample, and of none before
    assert (alarm["stream"], alarm["channel"], alarm["value"]) == ("lake", "deep", 500.0)
    deadline = time.monotonic() + 60.0
    while (now := metrics(daemon, web))["streamrnn_input_rejected_total", "late"] != 1:
        assert time.monotonic() < deadline
    now = metrics(daemon, web)
    assert now["streamrnn_samples_total",] == backfilled + 1
    assert now["streamrnn_backfilled_samples_total",] == backfilled
    assert now["streamrnn_stream_score", "lake"] > 0.5
    assert now["streamrnn_alarms_total",] == 1
    assert [entry for entry in daemon.log if entry["event"] == "alarm"] == [alarm]
    assert daemon.end() == 0


# ---------------------------------------------------------------- the daemon


def test_the_daemon_does_not_start_without_what_is_required(run_daemon, tmp_path):
    daemon = run_daemon(f'[backfill]\nfiles = ["{tmp_path}/none.csv"]\n{SOURCE}')
    assert daemon.finish() == 1
    (line,) = daemon.errors().splitlines()
    assert line.startswith(f"streamrnn: {tmp_path}/daemon.toml: backfill.files[0]: {tmp_path}/none.csv: cannot open")
    assert not [entry for entry in daemon.log if entry["event"] == "source"]


def test_the_daemon_starts_without_what_is_not(run_daemon, tmp_path):
    daemon = run_daemon(f'[backfill]\nfiles = ["{tmp_path}/none.csv"]\nrequired = false\n{SOURCE}')
    daemon.wait_for("backfill", level="warning")
    url = daemon.wait_for("listening")["http"]
    assert metrics(daemon, url)["streamrnn_backfilled_samples_total",] == 0
    assert daemon.end() == 0


def test_the_daemon_is_alive_while_it_waits_for_the_past_and_can_be_stopped(start, scripted, tmp_path):
    asked = threading.Event()
    server = scripted(lambda path, fields: lambda handler: asked.set() or time.sleep(20.0))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "a.toml").write_text(
        f'[http]\nport = {port}\n[log]\nformat = "json"\n'
        f'[backfill]\nprometheus = "{server.url}"\nqueries = {{ pump = "up" }}\n{SOURCE}'
    )
    daemon = start("-m", "streamrnn.daemon", "run", tmp_path / "a.toml")
    daemon.wait_for("backfill")
    assert asked.wait(30.0)
    url = f"http://127.0.0.1:{port}"
    assert daemon.get("/healthz", url)[0] == 200
    assert daemon.get("/metrics", url) == (200, "")
    began = time.monotonic()
    assert daemon.end(signal.SIGTERM) == 0
    assert time.monotonic() - began < 10.0
    assert daemon.log[-1]["message"] == "told to stop during the backfill, after 0 samples"
