import threading
import time

import pytest

from streamrnn.engine.merge import MergedSource, merge
from streamrnn.errors import ConnectorError, InputError


def until_end(source, seconds=10.0):
    items, deadline = [], time.monotonic() + seconds
    while (answer := source.next_batch(0.05)) is not None:
        items += answer
        assert time.monotonic() < deadline
    return items


def test_a_single_source_is_used_directly(given):
    source = given()
    assert merge({"only": source}) is source


def test_no_source_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        merge({})


def test_everything_of_each_arrives_in_order(given, batch):
    sources = {n: given(*[[batch(n, [i], [i])] for i in range(200)]) for n in ("a", "b", "c")}
    merged = merge(sources)
    items = until_end(merged)
    for name in sources:
        assert [b.values[0, 0] for b in items if b.stream == name] == list(range(200))
    assert merged.snapshot() == {n: {"given": 200} for n in sources}
    merged.close()
    assert all(s.closed for s in sources.values())


def test_a_slow_reader_holds_the_sources_back(given, batch):
    fast = given(*[[batch("a", [i], [i])] for i in range(1000)])
    merged = MergedSource({"fast": fast, "other": given()})
    deadline = time.monotonic() + 5.0
    while fast.given < 60 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert 60 <= fast.given < 100
    merged.close()
    merged.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("source")]


@pytest.mark.parametrize(("error", "kind", "text"), [
    (InputError("broken row", where="file.csv:7"), InputError, "file.csv:7: broken row"),
    (OSError("pulled the plug"), ConnectorError, "source bad: the source failed .*pulled the plug"),
])  # fmt: skip
def test_an_error_of_one_source_ends_all_after_what_came_before(given, batch, error, kind, text):
    merged = MergedSource({"bad": given([batch("a", [1], [1.0])], error), "other": given()})
    while not (items := merged.next_batch(1.0)):
        pass
    assert [item.stream for item in items] == ["a"]
    with pytest.raises(kind, match=text):
        until_end(merged)
    merged.close()


def test_waiting_in_vain_ends_in_time(given):
    class Waiting:
        def next_batch(self, timeout):
            time.sleep(min(timeout, 0.01))
            return ()

        def next_awake(self):
            return 0.0

        def snapshot(self):
            return {}

        def close(self):
            pass

    merged = MergedSource({"a": Waiting(), "b": Waiting()})
    began = time.monotonic()
    assert merged.next_batch(0.05) == ()
    assert time.monotonic() - began < 2.0
    merged.close()
