"""Orders over HTTP: who may give them, what they answer, and the command line that gives them."""

import http.client
import json
import threading

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from streamrnn.daemon import cli, control
from streamrnn.daemon.web import WebServer
from streamrnn.engine.loop import Engine
from streamrnn.engine.ports import Batch
from streamrnn.errors import ConnectorError, InputError
from streamrnn.tasks.recipe import Recipe
from streamrnn.testing.scripted import ManualClock, ScriptedSource

NAME = "hall 1/pump ü"
PATH = "/streams/hall%201%2Fpump%20%C3%BC"


@pytest.fixture(scope="module")
def engine():
    """An engine that turns in a thread; the level of its one stream has jumped, and lasts."""
    t = 1_700_000_000 + np.arange(600)
    x = 10 + np.sin(np.arange(600) / 7) + 0.1 * np.random.default_rng(0).standard_normal(600)
    x[550:] += 5.0
    batch = Batch(NAME, t * 10**9, x[:, None], ("level",))
    clock = ManualClock(now=1_700_001_000 * 10**9, monotonic=100.0)
    recipe = Recipe(alarms_per_week=1000.0)  # a row a second: one a week would need more rows to show
    made = Engine(ScriptedSource([[batch]]), {}, recipe, clock=clock)
    made.turn(0.0)
    stop = threading.Event()

    def work():
        while not stop.wait(0.005):
            made.turn(0.0)

    thread = threading.Thread(target=work)
    thread.start()
    yield made
    stop.set()
    thread.join()


@pytest.fixture
def server(engine):
    orders = control.control_of(engine, "127.0.0.1")
    made = WebServer("127.0.0.1", 0, CollectorRegistry(), lambda: (True, {}), orders)
    yield made
    made.close()


def ask(url, path, method="POST", body=None, **headers):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30.0)
    try:
        connection.request(method, path, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null"), dict(answer.getheaders())
    finally:
        connection.close()


def test_accept_and_forget_are_done_by_the_loop_and_answered(engine, server):
    model = engine.fleet[NAME].model
    assert (model.alarm, model.refusing) == (True, True)
    assert ask(server.url, f"{PATH}/accept", body=b"x" * 1000)[:2] == (200, {"stream": NAME, "done": "accepted"})
    since = 1_700_000_550
    status, answer, headers = ask(server.url, f"{PATH}/forget?since={since}&until=2023-11-14T22:24:00Z")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert answer == {"stream": NAME, "done": "forgotten", "rows": 50, "since": since, "until": 1_700_000_640.0}
    assert model.alarm is False
    status, answer, _ = ask(server.url, f"{PATH}/accept")
    assert (status, answer) == (409, {"error": f"{NAME}: nothing goes on that could be accepted"})
    status, answer, _ = ask(server.url, f"{PATH}/forget?since=1000")
    assert status == 409
    assert "not kept any more" in answer["error"]


@pytest.mark.parametrize(("path", "status", "text"), [
    ("/streams/valve/accept", 404, "no stream is called 'valve'"),
    ("/streams//accept", 404, "no such path"),
    (f"{PATH}/drop", 404, "no such path"),
    (f"{PATH}/accept/now", 404, "no such path"),
    (f"{PATH}/accept?since=3", 400, "got 'since', expected none"),
    (f"{PATH}/forget", 400, "since is missing"),
    (f"{PATH}/forget?since=", 400, "since: the time is no date and time"),
    (f"{PATH}/forget?since=nan", 400, "since: the time is no date and time"),
    (f"{PATH}/forget?since=1e30", 400, "since: the time is no date and time"),
    (f"{PATH}/forget?since=5&since=6", 400, "once each"),
    (f"{PATH}/forget?since=6&until=5", 400, "until is before since"),
    (f"{PATH}/forget?since=5&all=1", 400, "got 'all', expected since and until"),
])  # fmt: skip
def test_orders_that_make_no_sense(server, path, status, text):
    found, answer, _ = ask(server.url, path)
    assert (found, text in answer["error"]) == (status, True), answer


@pytest.mark.parametrize("headers", [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Host": "evil.example"},
    {"Host": "127.0.0.1.evil.example:9757"},
    {"Host": "[::1"},
    {"Host": ""},
], ids=str)  # fmt: skip
def test_another_sites_page_is_refused(engine, server, headers):
    before = engine.fleet[NAME].model.to_bytes()
    assert ask(server.url, f"{PATH}/forget?since=0", **headers)[0] == 403
    assert engine.fleet[NAME].model.to_bytes() == before


def test_a_page_of_our_own_and_names_of_this_machine_are_not(server):
    port = server.url.rpartition(":")[2]
    for headers in (
        {"Origin": server.url, "Sec_Fetch_Site": "same-origin"},
        {"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}"},
        {"Host": f"[::1]:{port}"},
        {"Host": "192.168.7.7"},
    ):
        assert ask(server.url, "/streams/valve/accept", **headers)[0] == 404, headers


def test_only_post_gives_orders(server):
    status, _, headers = ask_raw(server.url, f"{PATH}/accept", "GET")
    assert (status, headers["Allow"]) == (405, "POST")
    assert ask_raw(server.url, "/metrics", "POST")[2]["Allow"] == "GET, HEAD"


def ask_raw(url, path, method):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30.0)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


def test_a_long_body_is_refused(server):
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30.0)
    connection.putrequest("POST", f"{PATH}/accept")
    connection.putheader("Content-Length", "100000")
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_where_orders_are_not_taken_they_are_forbidden():
    server = WebServer("127.0.0.1", 0, CollectorRegistry(), lambda: (True, {}))
    assert ask(server.url, f"{PATH}/accept")[:2] == (403, {"error": "orders are not taken here: see http.control"})
    server.close()


def test_a_busy_loop_is_told(engine, monkeypatch):
    monkeypatch.setattr(control, "PATIENCE", 0.05)
    stuck = Engine(ScriptedSource([]), {}, Recipe(), clock=ManualClock())
    stuck.fleet.admit(NAME, ("a",), 0.0)
    orders = control.control_of(stuck, "127.0.0.1")
    status, answer = orders(f"{PATH}/accept", "", {"Host": "127.0.0.1"})
    assert (status, answer) == (503, {"error": "the loop is busy; nothing was done"})


# ---------------------------------------------------------------- the command line


def test_the_commands_give_orders_and_say_what_was_done(server, capsys):
    assert cli.main(["forget", NAME, "--since", "1700000599", "--until", "2023-11-14T22:24:00+00:00",
                     "--url", server.url]) == 0  # fmt: skip
    assert capsys.readouterr().out == f"{NAME}: forgot 1 rows\n"
    assert cli.main(["accept", "valve", "--url", server.url]) == 1
    assert "the daemon refuses: no stream is called 'valve'" in capsys.readouterr().err


def test_the_commands_find_the_daemon_by_its_configuration(server, tmp_path, capsys):
    path = tmp_path / "a.toml"
    text = '[http]\nport = {}\n[[sources]]\nconnector = "zeromq"\nbind = "tcp://127.0.0.1:*"\n'
    path.write_text(text.format(server.url.rpartition(":")[2]))
    assert cli.main(["accept", "valve", "--config", str(path)]) == 1
    assert "no stream is called 'valve'" in capsys.readouterr().err
    path.write_text(text.format(0))
    assert cli.main(["accept", "valve", "--config", str(path)]) == 1
    assert "http.port" in capsys.readouterr().err


def test_nobody_there_is_one_line(capsys):
    assert cli.main(["accept", "a", "--url", "http://127.0.0.1:1"]) == 1
    assert "no daemon answers" in capsys.readouterr().err
    assert cli.main(["accept", "a", "--url", "ftp://127.0.0.1"]) == 1
    assert "no address of a daemon" in capsys.readouterr().err


def test_an_answer_that_is_none_of_ours(server):
    with pytest.raises(ConnectorError, match="no daemon answers"):
        control.order(f"{server.url}/healthz", "a", "accept")
    with pytest.raises(InputError, match="expected since and until"):
        control.order(server.url, NAME, "forget", since="1", all="1")
