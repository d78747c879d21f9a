"""The past of a stream by the range API of a Prometheus, as rows."""

from __future__ import annotations

import base64
import contextlib
import http.client
import logging
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal
from urllib.parse import SplitResult, unquote, urlencode, urlsplit

import msgspec
import numpy as np

from streamrnn._types import Floats, Ints
from streamrnn.engine.loop import Engine
from streamrnn.engine.ports import Batch
from streamrnn.errors import ConfigError, ConnectorError
from streamrnn.wire import NAME_LENGTH, default_channels

logger = logging.getLogger("streamrnn.backfill")

WAIT = 0.2
"""Seconds that the engine is held up at the most by what is not there yet: how soon a stop is seen."""
ROWS = 4096
"""Most rows in a batch."""
POINTS = 11_000
"""Most points of a series that Prometheus gives in one answer."""
ANSWER_BYTES = 64 * 2**20
"""Longest answer that is read."""
MOST_VALUES = 10_000_000
"""Most values of one stream: they are held in memory, 24 bytes each, until the last answer has come."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Prometheus is. `shown` is for people: it has no password."""

    shown: str
    secure: bool
    host: str
    port: int | None
    path: str
    authorization: str

    def __repr__(self) -> str:
        return f"Address({self.shown})"


@dataclass(frozen=True, slots=True)
class QueryPart:
    """The queries of one stream."""

    key: str
    stream: str
    address: Address
    queries: Mapping[str, str]
    """By channel; under "" where `named` is false: the one query whose series are the channels."""
    named: bool
    span: int
    """Milliseconds."""
    step: int
    timeout: float

    @property
    def label(self) -> str:
        """Stream and address."""
        return f"{self.stream} from {self.address.shown}"

    def read(self, engine: Engine) -> Generator[tuple[Sequence[Batch], float | None], None, None]:
        """See `backfill.Part`. All answers are awaited before the first row: only they tell which series there are."""
        # on multiples of the step, as dashboards do: servers that round the times of a query leave these alone
        end = engine.clock.now() // 10**6 // self.step * self.step
        start = max(end - self.span // self.step * self.step, 0)
        columns: dict[str, _Column] = {}
        for channel, query in self.queries.items():
            found: dict[tuple[tuple[str, str], ...], _Column] = {}
            for first in range(start, end + 1, POINTS * self.step):
                last = min(first + (POINTS - 1) * self.step, end)
                answer = yield from self._ask(query, first, last)
                for series in answer.data.result:
                    column = found.setdefault(tuple(sorted(series.metric.items())), _Column())
                    column.add(series, first, last, self.address.shown)
                held = sum(c.count for c in (*found.values(), *columns.values()))
                if held > MOST_VALUES or len(found) > engine.fleet.admission.channel_limit:
                    raise ConnectorError(
                        "the answer has more series or values than can be used",
                        got=f"{len(found)} series, {held} values",
                        expected=f"at most streams.channel_limit = {engine.fleet.admission.channel_limit} series, "
                        f"{MOST_VALUES} values",
                        hint="Aggregate in the query, make step larger or span shorter",
                    )
            columns.update(self._named(channel, found))
        times, table = _join(list(columns.values()))
        for row in range(0, len(times), ROWS):
            part = slice(row, row + ROWS)
            yield [Batch(self.stream, times[part], table[part], tuple(columns))], min((row + ROWS) / len(times), 1.0)

    def _named(self, channel: str, found: Mapping[tuple[tuple[str, str], ...], _Column]) -> dict[str, _Column]:
        """The series of one query, by channel."""
        if not found or (self.named and len(found) > 1):
            raise ConnectorError(
                "the query has no series" if not found else "the query has more than one series",
                where=f"channel {channel!r}" if self.named else None,
                got=None if not found else len(found),
                expected="one" if self.named else "one or more within backfill.span",
                hint="Try it in Prometheus's own page" if not found else "Aggregate in the query, with sum or avg",
            )
        names = [channel] if self.named else series_names([dict(labels) for labels in found])
        if len(set(names)) != len(names) or not all(map(is_name, names)):
            raise ConnectorError(
                "the series' labels make no names of channels",
                got=", ".join(map(repr, names[:10])),
                expected=f"distinct names of 1 to {NAME_LENGTH} printable characters",
                hint="Give a table of channel = query in place of one query",
            )
        return dict(sorted(zip(names, found.values(), strict=True)))

    def _ask(self, query: str, first: int, last: int) -> Generator[tuple[Sequence[Batch], float | None], None, _Answer]:
        """One answer; yields nothing while it has not come."""
        asked = {"query": query, "start": _seconds(first), "end": _seconds(last), "step": _seconds(self.step)}
        request = _Request(self.address, f"/api/v1/query_range?{urlencode(asked)}", self.timeout)
        with contextlib.closing(request):
            while (body := request.body(WAIT)) is None:
                yield (), None
        try:
            answer = msgspec.json.decode(body, type=_Answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
            raise ConnectorError(
                "this is no answer of the range API",
                where=self.address.shown,
                got=str(problem)[:200],
                expected="JSON with status, data.resultType = matrix, and series of floats",
                hint="Is this the address of a Prometheus, and of its root?",
            ) from problem
        for warning in answer.warnings[:3]:
            logger.warning(
                "%s", f"{self.key}: {self.address.shown} warns: {warning[:200]}", extra={"event": "backfill"}
            )
        return answer


class _Series(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]] = []
    histograms: list[Any] = []


class _Data(msgspec.Struct, rename="camel"):
    result_type: Literal["matrix"]
    result: list[_Series]


class _Answer(msgspec.Struct):
    status: Literal["success"]
    data: _Data
    warnings: list[str] = []


class _Failure(msgspec.Struct):
    error: str


class _Column:
    """The points of one series, as they come in."""

    def __init__(self) -> None:
        self.times: list[Ints] = []
        self.values: list[Floats] = []
        self.count = 0

    def add(self, series: _Series, first: int, last: int, where: str) -> None:
        """Take what one answer has of it; `first` to `last` is what was asked for, in milliseconds."""
        if series.histograms:
            raise ConnectorError(
                "a series holds histograms", where=where, expected="floats", hint="Use histogram_quantile or rate"
            )
        if not series.values:
            return
        moments, texts = zip(*series.values, strict=True)
        times = np.rint(1000.0 * np.array(moments))
        if times[0] < first or times[-1] > last or np.any(np.diff(times) <= 0.0):
            raise ConnectorError(
                "the times of a series are not those that were asked for",
                where=where,
                got=f"{min(moments)} … {max(moments)}",
                expected=f"{_seconds(first)} … {_seconds(last)}, rising",
            )
        try:
            values = np.array([_value(text) for text in texts])
        except ValueError as problem:
            raise ConnectorError("a value is no number", where=where, got=str(problem)[:100]) from problem
        self.times.append(times.astype(np.int64))
        self.values.append(values)
        self.count += len(times)


def _join(columns: Sequence[_Column]) -> tuple[Ints, Floats]:
    """All series over all moments at which one of them has a point: nanoseconds (N,), values (N, C); NaN: none."""
    empty = np.empty(0, np.int64)
    times: Ints = np.unique(np.concatenate([empty, *(part for column in columns for part in column.times)]))
    table: Floats = np.full((len(times), len(columns)), np.nan)
    for place, column in enumerate(columns):
        for part, values in zip(column.times, column.values, strict=True):
            table[np.searchsorted(times, part), place] = values
    return times * 10**6, table


def series_names(series: Sequence[Mapping[str, str]]) -> list[str]:
    """Names for series by their labels: the values of those that tell them apart; a series alone is `value`.

    >>> series_names([{"job": "node", "mode": "idle", "cpu": "0"}, {"job": "node", "mode": "user", "cpu": "0"}])
    ['idle', 'user']
    >>> series_names([{"job": "node"}])
    ['value']
    """
    if len(series) == 1:
        return list(default_channels(1))
    labels = sorted(set().union(*series))
    telling = [label for label in labels if len({one.get(label) for one in series}) > 1]
    return [",".join(one.get(label) or "-" for label in telling) for one in series]


def _value(text: str) -> float:
    if "_" in text:  # float() takes 1_000
        raise ValueError(f"could not convert string to float: {text!r}")
    return float(text)


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds // 1000}.{milliseconds % 1000:03d}"


def is_name(text: str) -> bool:
    return 0 < len(text) <= NAME_LENGTH and text.isprintable()


def read_address(url: str, where: str) -> Address:
    """Raises ConfigError, without showing a password that the text may hold."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = SplitResult("", "", "", "", ""), None
    if not (
        parts.scheme in ("http", "https")
        and parts.hostname
        and not (parts.query or parts.fragment)
        and url.isascii()
        and re.fullmatch(r"[!-~]+", url)
    ):
        raise ConfigError(
            "no address of a Prometheus", where=where, expected="http://HOST:PORT or https://HOST:PORT, perhaps a path"
        )
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
    return Address(shown, parts.scheme == "https", parts.hostname, port, parts.path.rstrip("/"), authorization)


class _Request:
    """One GET, in a thread of its own: neither a name server nor a server that dawdles can hold up who waits for it.

    Redirects are not followed, nor are proxies used that the environment names.
    """

    def __init__(self, address: Address, target: str, timeout: float) -> None:
        self._address, self._target, self._timeout = address, target, timeout
        self._deadline = time.monotonic() + timeout
        self._socket: socket.socket | None = None
        self._outcome: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="backfill", daemon=True).start()

    def body(self, wait: float) -> bytes | None:
        """The body; None where it has not come within `wait` seconds. Raises ConnectorError."""
        left = self._deadline - time.monotonic()
        try:
            outcome = self._outcome.get(timeout=max(min(wait, left), 0.0))
        except queue.Empty:
            if left > wait:
                return None
            outcome = TimeoutError()
        if isinstance(outcome, bytes):
            return outcome
        if isinstance(outcome, ConnectorError):
            raise outcome
        where = self._address.shown
        if isinstance(outcome, TimeoutError):
            raise ConnectorError(
                "no answer in time",
                where=where,
                expected=f"one within backfill.timeout = {self._timeout:g} s",
                hint="Make timeout or step larger, or the query simpler",
            ) from outcome
        if isinstance(outcome, ssl.SSLError):
            raise ConnectorError("no secure connection", where=where, got=outcome) from outcome
        if isinstance(outcome, OSError):
            reason = outcome.strerror or outcome
            raise ConnectorError("cannot be reached", where=where, got=reason) from outcome
        raise ConnectorError("this is no HTTP", where=where, got=repr(outcome)[:200]) from outcome

    def close(self) -> None:
        """Break it off where it is still under way."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        try:
            self._outcome.put(self._get())
        except Exception as problem:
            self._outcome.put(problem)

    def _get(self) -> bytes:
        address = self._address
        if address.secure:
            context = ssl.create_default_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                address.host, address.port, timeout=self._timeout, context=context
            )
        else:
            connection = http.client.HTTPConnection(address.host, address.port, timeout=self._timeout)
        headers = {"Accept": "application/json", "User-Agent": f"streamrnn/{version('streamrnn')}"}
        if address.authorization:
            headers["Authorization"] = address.authorization
        with contextlib.closing(connection):
            connection.connect()
            self._socket = connection.sock
            connection.request("GET", address.path + self._target, headers=headers)
            with connection.getresponse() as response:
                body = response.read(ANSWER_BYTES + 1)
                self._check(response, body)
                return body

    def _check(self, response: http.client.HTTPResponse, body: bytes) -> None:
        where = self._address.shown
        if 300 <= response.status < 400:
            target = urlsplit(response.headers.get("Location", ""))
            shown = f"{target.scheme}://{target.hostname or '?'}" if target.scheme else "another path"
            raise ConnectorError(
                "sends us elsewhere, and redirects are not followed",
                where=where,
                got=f"{response.status} to {shown[:200]!r}",
                expected="an answer",
                hint="Put the address that answers itself into backfill.prometheus",
            )
        if response.status != 200:
            raise ConnectorError(
                "refuses the query" if response.status in (400, 422) else "answers with an error",
                where=where,
                got=f"{response.status}: {_told(body, response.reason)!r}",
            )
        if len(body) > ANSWER_BYTES:
            raise ConnectorError(
                "the answer is too long",
                where=where,
                got=f"more than {ANSWER_BYTES} bytes",
                hint="Ask for fewer series",
            )


def _told(body: bytes, reason: str) -> str:
    """What an error says of itself."""
    try:
        return msgspec.json.decode(body, type=_Failure).error[:300]
    except msgspec.DecodeError:
        return reason[:100]
