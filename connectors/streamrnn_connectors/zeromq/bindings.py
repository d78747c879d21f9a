"""What the ids of frames stand for, and which channel names a stream has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from streamrnn.engine.ports import Reject
from streamrnn.errors import Reason
from streamrnn.wire import Hello, Sample, default_channels, stream_id

MOST_CHARACTERS = 16 * 2**20
"""Most characters in all names of the tables."""


@dataclass(slots=True, frozen=True)
class Binding:
    """A stream's names."""

    stream: str
    channels: tuple[str, ...]


class Bindings:
    """The table of ids and names; bounded, since anyone may say hello.

    fixed   bindings that no hello changes
    limit   most ids, and most names of streams that come as text
    """

    def __init__(self, fixed: Iterable[tuple[int, Binding]], limit: int) -> None:
        self._by_id: dict[int, Binding] = dict(fixed)
        self._fixed = frozenset(self._by_id)
        self._text: dict[str, tuple[str, ...]] = {}
        self._limit = limit
        self._characters = 0

    def find(self, identity: int) -> Binding | None:
        """What the id stands for; None before its hello."""
        return self._by_id.get(identity)

    def name(self, identity: int | None) -> str:
        """The name to report an id under, bound or not."""
        if identity is None:
            return ""
        binding = self._by_id.get(identity)
        return binding.stream if binding is not None else f"#{identity:016x}"

    def bind(self, hello: Hello) -> Reject | None:
        """Take a hello. A name once bound to an id keeps it; its channels may be renamed, unless they are fixed."""
        old = self._by_id.get(hello.id)
        new = Binding(hello.stream, hello.channels)
        if old == new:
            return None
        if old is not None and (old.stream != hello.stream or hello.id in self._fixed):
            detail = f"hello binds id {hello.id} to {new}, but it stands for {old} and keeps it"
            return Reject(Reason.UNKNOWN_STREAM, hello.stream, detail)
        if old is None and len(self._by_id) >= self._limit:
            detail = f"hello refused: stream_limit = {self._limit} ids are bound"
            return Reject(Reason.TOO_MANY_STREAMS, hello.stream, detail)
        if not self._has_room(new.stream, new.channels):
            return Reject(Reason.TOO_MANY_STREAMS, hello.stream, "hello refused: the table of names is full")
        self._by_id[hello.id] = new
        return None

    def _has_room(self, stream: str, channels: tuple[str, ...]) -> bool:
        """Whether these names may be kept; if so they are counted. What they replace is not taken off again."""
        size = len(stream) + sum(map(len, channels))
        if self._characters + size > MOST_CHARACTERS:
            return False
        self._characters += size
        return True

    def channels(self, sample: Sample) -> tuple[str, ...]:
        """Channel names of a sample that came as text: its own, else those it came with before, else numbered ones."""
        count = len(sample.values)
        known = self._text.get(sample.stream)
        if sample.channels is None:
            return known if known is not None and len(known) == count else default_channels(count)
        if known != sample.channels and (known is not None or len(self._text) < self._limit):
            if not self._has_room(sample.stream, sample.channels):
                return sample.channels
            self._text[sample.stream] = sample.channels
        return sample.channels


def fixed_binding(name: str, channels: tuple[str, ...], identity: int | None) -> tuple[int, Binding]:
    """A binding from the configuration; without an id the customary one of its name."""
    return (stream_id(name) if identity is None else identity), Binding(name, channels)
