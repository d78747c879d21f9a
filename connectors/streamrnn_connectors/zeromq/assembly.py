"""Assembly: samples of one stream that follow each other become one batch, so that the model is called once for all."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from streamrnn.engine.ports import Batch, Floats, Ints, Reject


@dataclass(slots=True)
class _Run:
    """Samples of one stream, names and numbers of which go on without a break."""

    stream: str
    channels: tuple[str, ...]
    sequence: int | None
    count: int = 0
    time: list[Ints] = field(default_factory=list)
    values: list[Floats] = field(default_factory=list)

    def continues(self, channels: tuple[str, ...], sequence: int | None) -> bool:
        following = None if self.sequence is None else self.sequence + self.count
        return self.channels == channels and following == sequence

    def batch(self) -> Batch:
        # concatenate copies: no batch holds on to a message's memory
        return Batch(self.stream, np.concatenate(self.time), np.concatenate(self.values), self.channels, self.sequence)


class Assembly:
    """What one call of `next_batch` gathers. Streams may be interleaved; the order within each is kept."""

    def __init__(self) -> None:
        self._items: list[_Run | Reject] = []
        self._open: dict[str, _Run] = {}

    def add(self, stream: str, time: Ints, values: Floats, channels: tuple[str, ...], sequence: int | None) -> None:
        """Samples: time (count,), values (count, channels)."""
        run = self._open.get(stream)
        if run is None or not run.continues(channels, sequence):
            run = self._open[stream] = _Run(stream, channels, sequence)
            self._items.append(run)
        run.time.append(time)
        run.values.append(values)
        run.count += len(time)

    def reject(self, reject: Reject) -> None:
        """Input that gave no samples."""
        self._items.append(reject)

    def result(self) -> list[Batch | Reject]:
        """Everything, in the order in which each began."""
        return [item if isinstance(item, Reject) else item.batch() for item in self._items]
