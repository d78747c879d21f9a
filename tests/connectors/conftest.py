"""What the tests of the connectors share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import zmq

from streamrnn.engine.ports import Batch, Reject, Source

Drain = Callable[[Source, int], list[Batch | Reject]]
Plain = Callable[[int], "zmq.Socket[bytes]"]


@pytest.fixture
def drain() -> Drain:
    """drain(source, n): what comes, until it holds n samples and rejects (counted by their count), or 10 s are over."""

    def drain(source: Source, wanted: int) -> list[Batch | Reject]:
        items: list[Batch | Reject] = []
        deadline = time.monotonic() + 10.0
        while (count := sum(i.count if isinstance(i, Reject) else len(i.time) for i in items)) < wanted:
            assert time.monotonic() < deadline, f"got {count} of {wanted}: {items}"
            came = source.next_batch(0.1)
            assert came is not None, f"the source ended after {count} of {wanted}"
            items.extend(came)
        return items

    return drain


@pytest.fixture
def plain() -> Iterator[Plain]:
    """plain(zmq.PUSH): a socket that knows nothing of streamrnn; closed after the test."""
    context = zmq.Context()
    sockets: list[zmq.Socket[bytes]] = []

    def plain(kind: int) -> zmq.Socket[bytes]:
        sockets.append(context.socket(kind))
        return sockets[-1]

    yield plain
    for socket in sockets:
        socket.close(0)
    context.term()
