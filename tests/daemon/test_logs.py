import json
import logging
import sys

import pytest

from streamrnn.daemon.logs import JsonFormatter, TextFormatter, set_up


def record(text, level=logging.INFO, exc_info=None, **extra):
    made = logging.LogRecord("streamrnn.engine", level, __file__, 1, text, (), exc_info)
    made.__dict__.update(extra)
    return made


def test_a_line_for_people():
    line = TextFormatter().format(record("pump-3 is silent", logging.WARNING))
    assert line[8:] == " WARNING pump-3 is silent"


def test_a_stranger_cannot_forge_lines_or_move_the_cursor():
    line = TextFormatter().format(record("a\n12:00:00 ERROR forged \x1b[2J \u202e é"))
    assert "\n" not in line
    assert line.endswith(r"a\n12:00:00 ERROR forged \x1b[2J \u202e é")


def test_an_object_a_line():
    extra = {"event": "alarm", "fields": {"stream": "a\nb", "value": 1.5, "expected": float("nan")}}
    text = JsonFormatter().format(record("ALARM", logging.WARNING, **extra))
    assert "\n" not in text
    entry = json.loads(text)
    assert entry.pop("ts").endswith("+00:00")
    assert entry == {
        "level": "warning", "event": "alarm", "message": "ALARM", "stream": "a\nb", "value": 1.5, "expected": None,
    }  # fmt: skip


def test_an_event_is_named_after_its_logger_where_it_has_no_name():
    assert json.loads(JsonFormatter().format(record("x")))["event"] == "engine"


def test_a_traceback_is_kept():
    try:
        raise ValueError("reason")
    except ValueError:
        made = record("failed", exc_info=sys.exc_info())
    assert "ValueError: reason" in TextFormatter().format(made)
    assert "ValueError: reason" in json.loads(JsonFormatter().format(made))["traceback"]


@pytest.fixture
def logger():
    logger = logging.getLogger("streamrnn")
    before = logger.handlers, logger.level, logger.propagate
    yield logger
    logger.handlers, logger.level, logger.propagate = before


def test_set_up_writes_to_standard_output_from_the_level_on(logger, capsys):
    set_up("json", "warning")
    set_up("json", "warning")  # again: no line comes twice
    logging.getLogger("streamrnn.engine").info("quiet")
    logging.getLogger("streamrnn.engine").warning("loud")
    assert [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()] == ["loud"]
