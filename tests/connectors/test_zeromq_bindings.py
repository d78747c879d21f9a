"""The table of names that hellos fill."""

from __future__ import annotations

from streamrnn_connectors.zeromq.bindings import Bindings

from streamrnn.errors import Reason
from streamrnn.wire import Hello


def test_names_of_strangers_fill_a_bounded_table_only() -> None:
    table = Bindings((), 10_000)
    names = tuple(f"{i:0250d}" for i in range(1024))
    refused = [table.bind(Hello(i, f"s{i}", names, ())) for i in range(100)]
    kept = sum(answer is None for answer in refused)
    assert 0 < kept * 256_000 <= 17 * 2**20
    assert refused[-1] is not None
    assert refused[-1].reason is Reason.TOO_MANY_STREAMS
