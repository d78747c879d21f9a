"""Picture: what a plot shows of a run, collected while it lasts in memory that does not grow with it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from streamrnn.daemon.scorecard import Event
from streamrnn.daemon.thinning import Envelope, Thinning
from streamrnn.engine.ports import Floats, Result

ROOM = 2_000_000
"""Bytes that the points may take on the page."""
CHANNELS = 48
"""Channels that are plotted, the first ones; the tables have all."""
SERIES: tuple[tuple[str, Envelope], ...] = (
    ("value", "both"),
    ("expected", "both"),
    ("lower", "lowest"),
    ("upper", "highest"),
)
"""Series of a channel, and what a bucket keeps of each."""


class Picture:
    """Takes results in order; thinned so that its points fit into ROOM bytes of base64."""

    def __init__(self, channels: tuple[str, ...]) -> None:
        self.channels = channels[:CHANNELS]
        envelopes: list[Envelope] = ["highest"]
        envelopes += [envelope for _, envelope in SERIES for _ in self.channels]
        point = (8 + 4 * len(envelopes)) * 4 / 3
        self._thinning = Thinning(envelopes, int(ROOM / point))

    @property
    def rows_per_bucket(self) -> int:
        """Rows that share two points; 1 where every row is drawn."""
        return self._thinning.rows_per_bucket

    def add(self, result: Result) -> None:
        """Take the next result."""
        count = len(self.channels)
        shown = (result.values, result.expected, result.lower, result.upper)
        rows = np.concatenate([result.score[:, None], *(part[:, :count] for part in shown)], axis=1)
        self._thinning.add(result.time, rows)

    def data(self, events: Sequence[Event], interval: float) -> dict[str, Any]:
        """What report.js draws, as JSON values: times in seconds since 1970, arrays as little-endian base64.

        A channel's numbers are single-precision distances from its `offset`, so that a small movement of a large value
        stays visible. No text of the input is among them.
        """
        time, points = self._thinning.points()
        seconds = time / 1e9
        count = len(self.channels)
        places = {name: place for place, name in enumerate(self.channels)}
        channels = []
        for place in range(count):
            columns = {name: points[:, 1 + i * count + place] for i, (name, _) in enumerate(SERIES)}
            offset = _middle(columns["value"])
            channels.append({"offset": offset} | {name: _single(column - offset) for name, column in columns.items()})
        end = float(seconds[-1]) if len(seconds) else 0.0
        return {
            "interval": interval,
            "time": _base64(seconds.astype("<f8")),
            "score": _single(points[:, 0]),
            "channels": channels,
            "alarms": [
                {
                    "from": event.raised.since / 1e9,
                    "to": event.cleared.time / 1e9 if event.cleared else end,
                    "channel": places.get(event.raised.channel, -1),
                }
                for event in events
            ],
        }


def _middle(column: Floats) -> float:
    known = column[np.isfinite(column)]
    return float(np.median(known)) if len(known) else 0.0


def _single(column: Floats) -> str:
    with np.errstate(over="ignore"):  # what single precision cannot hold is not drawn
        return _base64(column.astype("<f4"))


def _base64(array: np.typing.NDArray[np.floating[Any]]) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")
