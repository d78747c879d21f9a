import http.client
import json
import logging
import socket
import time

import pytest
from prometheus_client import CollectorRegistry, Gauge

from streamrnn.daemon import web


@pytest.fixture
def health():
    return {"turning": True}


@pytest.fixture
def server(health):
    registry = CollectorRegistry()
    Gauge("streamrnn_streams", "Streams.", registry=registry).set(3)
    made = web.WebServer("127.0.0.1", 0, registry, lambda: (health["turning"], {"samples": 7}))
    yield made
    made.close()


def address(server):
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    return host, int(port)


def ask(server, path, method="GET", **headers):
    connection = http.client.HTTPConnection(*address(server), timeout=5.0)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def raw(server):
    return socket.create_connection(address(server), timeout=5.0)


def closed_within(connection, seconds, drip=b""):
    """Whether the other end closes, while `drip` is sent every 20 ms."""
    deadline = time.monotonic() + seconds
    connection.settimeout(0.02)
    while time.monotonic() < deadline:
        try:
            if drip:
                connection.sendall(drip)
            if connection.recv(4096) == b"":
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


def test_metrics_in_prometheus_text(server):
    status, headers, body = ask(server, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b"streamrnn_streams 3.0\n" in body


def test_metrics_in_openmetrics_where_asked(server):
    _, headers, body = ask(server, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")


def test_health(server, health):
    status, headers, body = ask(server, "/healthz")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(body) == {"status": "ok", "samples": 7}
    health["turning"] = False
    status, _, body = ask(server, "/healthz")
    assert (status, json.loads(body)["status"]) == (503, "stalled")


def test_index_links_both(server):
    status, _, body = ask(server, "/?a=b")
    assert status == 200
    assert b'href="/metrics"' in body
    assert b'href="/healthz"' in body


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/"])
def test_head_is_get_without_a_body(server, path):
    status, headers, body = ask(server, path, "HEAD")
    length = len(ask(server, path)[2])
    assert (status, body, headers["Content-Length"]) == (200, b"", str(length))


@pytest.mark.parametrize("path", ["/nothing", "/metrics/", "/../../etc/passwd", "//etc/passwd", "/%2e%2e/etc/passwd"])
def test_anything_else_is_not_found(server, path):
    assert ask(server, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_other_methods_are_not_allowed(server, method):
    status, headers, _ = ask(server, "/metrics", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_nonsense_is_a_bad_request(server):
    with raw(server) as connection:
        connection.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert b" 400 " in connection.recv(4096).splitlines()[0] or closed_within(connection, 2.0)
    assert ask(server, "/")[0] == 200


@pytest.mark.parametrize("start", [b"", b"GET /metrics HTTP/1.1\r\n"])
def test_a_head_that_trickles_in_is_cut_off(server, monkeypatch, start):
    monkeypatch.setattr(web, "DEADLINE", 0.3)
    with raw(server) as connection:
        connection.sendall(start)
        began = time.monotonic()
        assert closed_within(connection, 5.0, drip=b"X" if start else b"")
        assert 0.2 < time.monotonic() - began < 2.0


def test_one_connection_too_many_is_closed_at_once(monkeypatch):
    monkeypatch.setattr(web, "CONNECTIONS", 3)
    server = web.WebServer("127.0.0.1", 0, CollectorRegistry(), lambda: (True, {}))
    held = [raw(server) for _ in range(3)]
    with raw(server) as extra:
        assert closed_within(extra, 2.0)
    assert not closed_within(held[0], 0.1)
    for connection in held:
        connection.close()
    deadline = time.monotonic() + 5.0
    status = None
    while status != 200 and time.monotonic() < deadline:
        try:
            status = ask(server, "/")[0]
        except (ConnectionError, http.client.HTTPException):
            continue
    assert status == 200
    server.close()


def test_a_failing_collector_is_logged_and_the_server_lives(caplog):
    class Failing:
        def collect(self):
            raise RuntimeError("no numbers")
            yield

        def describe(self):
            return []

    registry = CollectorRegistry()
    registry.register(Failing())
    server = web.WebServer("127.0.0.1", 0, registry, lambda: (True, {}))
    with caplog.at_level(logging.ERROR, "streamrnn.web"), pytest.raises(http.client.HTTPException):
        ask(server, "/metrics")
    assert ask(server, "/")[0] == 200
    assert "no numbers" in caplog.text
    server.close()


def test_an_address_in_use_is_an_oserror(server):
    with pytest.raises(OSError, match="in use"):
        web.WebServer(*address(server), CollectorRegistry(), lambda: (True, {}))
