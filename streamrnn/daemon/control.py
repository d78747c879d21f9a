"""Orders to a running daemon: accept what goes on in a stream as normal, or forget a window of it.

Both ends: what the web server does with a POST request, and the client behind `streamrnn accept` and `forget`. An order
changes what is learned, so a page that a browser on this machine has open must not be able to give one: only POST is
taken, from no other origin, and only under a name of this machine that no stranger can make lead here.
"""

from __future__ import annotations

import contextlib
import datetime
import http.client
import ipaddress
import json
import queue
import socket
from collections.abc import Callable, Mapping
from email.message import Message
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from streamrnn.errors import ConfigError, ConnectorError, InputError

if TYPE_CHECKING:
    from streamrnn.engine.loop import Engine

DEFAULT_URL = "http://127.0.0.1:9757"
PATIENCE = 20.0
"""Seconds that an order waits for the loop."""
LONGEST_ANSWER = 1 << 16

Answer = tuple[HTTPStatus, dict[str, Any]]
Headers = Mapping[str, str] | Message
Control = Callable[[str, str, Headers], Answer]
"""Answers a POST request: path, query and headers → status and a JSON object."""


class RefusedError(Exception):
    """An order that is not carried out."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


def control_of(engine: Engine, host: str) -> Control:
    """Carries out orders; `host` is the address that the server was told to listen on."""
    names = {"localhost", host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}

    def control(path: str, query: str, headers: Headers) -> Answer:
        try:
            check_origin(headers, names)
            stream, order = parse_path(path)
            return HTTPStatus.OK, _carry_out(engine, stream, order, query)
        except RefusedError as refusal:
            return refusal.status, {"error": str(refusal)}

    return control


def check_origin(headers: Headers, names: set[str]) -> None:
    """Raise RefusedError where a request comes from another site's page, or was led here by a name that is not ours."""
    host, name = headers.get("Host") or "", ""
    with contextlib.suppress(ValueError):
        name = urlsplit(f"//{host}").hostname or ""
    if not _is_address(name) and name not in names:
        raise RefusedError(HTTPStatus.FORBIDDEN, "the Host header names another machine")
    origin = headers.get("Origin")
    if origin is not None and origin.lower() != f"http://{host}".lower():
        raise RefusedError(HTTPStatus.FORBIDDEN, "the request comes from a page of another site")
    if headers.get("Sec-Fetch-Site") not in (None, "same-origin", "none"):
        raise RefusedError(HTTPStatus.FORBIDDEN, "the request comes from a page of another site")


def parse_path(path: str) -> tuple[str, str]:
    """Stream and order of `/streams/NAME/ORDER`; NAME is percent-encoded. Raises RefusedError.

    >>> parse_path("/streams/hall%2Fpump%203/accept")
    ('hall/pump 3', 'accept')
    """
    parts = path.split("/")
    if len(parts) != 4 or parts[:2] != ["", "streams"] or not parts[2] or parts[3] not in ("accept", "forget"):
        raise RefusedError(HTTPStatus.NOT_FOUND, "no such path: expected /streams/NAME/accept or /streams/NAME/forget")
    return unquote(parts[2]), parts[3]


def parse_time(text: str) -> int:
    """Nanoseconds since 1970 of seconds since 1970, or of a date and time of RFC 3339 (UTC where it names no zone).
    Raises ValueError.

    >>> parse_time("1690000000.25"), parse_time("2023-07-22T04:26:40Z")
    (1690000000250000000, 1690000000000000000)
    """
    from streamrnn.engine.maintenance import moment
    from streamrnn.wire import seconds_to_ns

    with contextlib.suppress(ValueError):
        return seconds_to_ns(float(text) if "." in text or "e" in text.lower() else int(text))
    with contextlib.suppress(ValueError):
        return moment(text, datetime.UTC, "the time")
    return moment(text.replace(" ", "+"), datetime.UTC, "the time")  # a plus sign that was not encoded is a space


def _carry_out(engine: Engine, stream: str, order: str, query: str) -> dict[str, Any]:
    if stream not in {known.name for known in engine.fleet}:
        raise RefusedError(HTTPStatus.NOT_FOUND, f"no stream is called {stream!r}")
    asked = _parse_query(query, ("since", "until") if order == "forget" else ())
    try:
        if order == "accept":
            if not engine.call(lambda: engine.accept(stream), PATIENCE):
                raise RefusedError(HTTPStatus.CONFLICT, f"{stream}: nothing goes on that could be accepted")
            return {"stream": stream, "done": "accepted"}
        since, until = asked["since"], asked.get("until", engine.clock.now())
        if until < since:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "until is before since")
        rows = engine.call(lambda: engine.forget(stream, since, until), PATIENCE).result()
        return {"stream": stream, "done": "forgotten", "rows": rows, "since": since / 1e9, "until": until / 1e9}
    except InputError as problem:
        raise RefusedError(HTTPStatus.CONFLICT, f"{stream}: {problem}") from problem
    except (queue.Full, TimeoutError) as problem:
        raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "the loop is busy; nothing was done") from problem


def _parse_query(query: str, known: tuple[str, ...]) -> dict[str, int]:
    asked: dict[str, int] = {}
    for key, values in parse_qs(query, keep_blank_values=True, max_num_fields=8).items():
        if key not in known or len(values) != 1:
            wanted = " and ".join(known) or "none"
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"parameters: got {key!r}, expected {wanted}, once each")
        try:
            asked[key] = parse_time(values[0])
        except ValueError as problem:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"{key}: {problem}") from problem
    if "since" in known and "since" not in asked:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "since is missing: seconds since 1970, or 2026-11-28T22:00:00Z")
    return asked


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


# ---------------------------------------------------------------- the client


def order(url: str, stream: str, what: str, **parameters: str) -> dict[str, Any]:
    """Have the daemon at `url` carry out an order, and give back its answer.

    Raises ConfigError where the address is none, ConnectorError where nobody answers there, InputError where the order
    is refused.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ConfigError("no address of a daemon", where="--url", got=url, expected=f"one as {DEFAULT_URL}")
    path = f"{parts.path.rstrip('/')}/streams/{quote(stream, safe='')}/{what}"
    query = urlencode(parameters)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE + 10.0)
    try:
        connection.request("POST", f"{path}?{query}" if query else path)
        response = connection.getresponse()
        answer = json.loads(response.read(LONGEST_ANSWER))
    except (OSError, http.client.HTTPException, ValueError) as problem:
        raise ConnectorError("no daemon answers", where=url, got=str(problem) or type(problem).__name__) from problem
    finally:
        connection.close()
    if response.status != HTTPStatus.OK or not isinstance(answer, dict):
        text = answer.get("error", answer) if isinstance(answer, dict) else answer
        raise InputError(f"the daemon refuses: {text}", where=url)
    return answer
