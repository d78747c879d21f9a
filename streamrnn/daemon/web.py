"""The web server: `/metrics`, `/healthz`, an index, and orders (`control`), each request in a thread of its own.

Nothing is read from disk. A request's whole head must have arrived within a deadline, however it trickles in; the
number of connections is bounded, and one too many is closed at once.
"""

from __future__ import annotations

import http.server
import io
import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from streamrnn.daemon.control import Control

logger = logging.getLogger("streamrnn.web")

DEADLINE = 5.0
"""Seconds for a request's head to arrive, and again for the answer to be taken."""
CONNECTIONS = 64
"""Connections at once."""

ORDERS = "/streams/"
"""How paths of orders begin."""

INDEX = b"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>streamrnn</title></head>
<body><h1>streamrnn</h1>
<ul><li><a href="/metrics">metrics</a> for Prometheus</li><li><a href="/healthz">health</a> of the loop</li></ul>
</body></html>
"""

LONGEST_BODY = 1 << 16
"""Bytes of a request's body that are read, and not used."""

Health = Callable[[], tuple[bool, Mapping[str, Any]]]
"""Whether the loop turns, and what to say of it as JSON."""


class WebServer:
    """Serves until closed. `url` is where, also after port 0.

    control   takes orders by POST to `/streams/…`; None: they are refused

    Raises OSError where the address cannot be bound.
    """

    def __init__(
        self, host: str, port: int, registry: CollectorRegistry, health: Health, control: Control | None = None
    ) -> None:
        self._server = _Server(host, port, registry, health, control)
        address, bound = self._server.server_address[:2]
        shown = f"[{address!s}]" if ":" in str(address) else str(address)
        self.url = f"http://{shown}:{bound}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="web", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening. Answers under way are not waited for."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, host: str, port: int, registry: CollectorRegistry, health: Health, control: Control | None
    ) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        self.registry, self.health, self.control = registry, health, control
        self._room = threading.BoundedSemaphore(CONNECTIONS)
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if isinstance(problem := sys.exc_info()[1], OSError):
            logger.debug("a connection broke off: %s", problem)
        else:
            logger.error("a request could not be answered", exc_info=True)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    server_version = "streamrnn"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(_BeforeDeadline(self.connection, time.monotonic() + DEADLINE))

    def do_GET(self) -> None:
        """Answer one of three paths; a query string is ignored."""
        self.connection.settimeout(DEADLINE)
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._answer(HTTPStatus.OK, content_type, encode(self.server.registry))
        elif path == "/healthz":
            turning, facts = self.server.health()
            status = HTTPStatus.OK if turning else HTTPStatus.SERVICE_UNAVAILABLE
            body = json.dumps({"status": "ok" if turning else "stalled", **facts}).encode()
            self._answer(status, "application/json", body)
        elif path == "/":
            self._answer(HTTPStatus.OK, "text/html; charset=utf-8", INDEX)
        elif path.startswith(ORDERS):
            self._answer(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"POST only\n", Allow="POST")
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def do_HEAD(self) -> None:
        """The same without a body."""
        self.do_GET()

    def do_POST(self) -> None:
        """Carry out an order; its answer is a JSON object."""
        self.connection.settimeout(DEADLINE)
        path, _, query = self.path.partition("?")
        if not path.startswith(ORDERS):
            self.send_error(HTTPStatus.NOT_IMPLEMENTED)
            return
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or len(length) > 6 or int(length) > LONGEST_BODY:
            status, answer = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": "an order has no body"}
        elif self.server.control is None:
            status, answer = HTTPStatus.FORBIDDEN, {"error": "orders are not taken here: see http.control"}
        else:
            self.rfile.read(int(length))  # else closing would break the connection off before the answer is read
            status, answer = self.server.control(path, query, self.headers)
        self._answer(status, "application/json", json.dumps(answer).encode())

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """As the standard library does; a method that no path here has is not allowed."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._answer(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"GET and HEAD only\n", Allow="GET, HEAD")
        else:
            super().send_error(code, message, explain)

    def log_message(self, *args: Any) -> None:
        logger.debug("%s %s", self.address_string(), args[0] % args[1:])

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _BeforeDeadline(io.RawIOBase):
    """A socket to read from until a moment of monotonic time; afterwards reading raises TimeoutError."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._deadline - time.monotonic()
        if left <= 0.0:
            raise TimeoutError("the request's head did not arrive in time")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)
