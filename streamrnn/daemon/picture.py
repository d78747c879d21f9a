"""Picture: what a plot shows of a run, collected while it lasts in memory that does not grow with it."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from streamrnn.daemon.closeup import Closeups
from streamrnn.daemon.scorecard import Event, Scorecard
from streamrnn.daemon.thinning import Envelope, Thinning
from streamrnn.engine.ports import CONDITIONS, Floats, Result

ROOM = 2_000_000
"""Bytes that the points may take on the page."""
NEAR = 0.25
"""Part of it that is for close-ups of events."""
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
        self._thinning = Thinning(envelopes, int((1.0 - NEAR) * ROOM / point))
        self._closeups = Closeups(len(envelopes), int(NEAR * ROOM / point))

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
        starts = [a.since for a in result.alarms if a.phase == "started" and a.cause not in CONDITIONS]
        self._closeups.add(result.time, rows, starts)

    def data(self, card: Scorecard) -> dict[str, Any]:
        """What report.js draws, as JSON values: times in seconds since 1970, arrays as little-endian base64.

        A channel's numbers are single-precision distances from its `offset`, so that a small movement of a large value
        stays visible. Every event is there, however much the rows are thinned. No text of the input is among them.
        """
        time, points = self._thinning.points()
        if self.rows_per_bucket > 1:
            time, points = self._closeups.into(time, points, self.rows_per_bucket)
        seconds = time / 1e9
        count = len(self.channels)
        places = {name: place for place, name in enumerate(self.channels)}
        channels = []
        for place in range(count):
            columns = {name: points[:, 1 + i * count + place] for i, (name, _) in enumerate(SERIES)}
            offset = _middle(columns["value"])
            channels.append({"offset": offset} | {name: _single(column - offset) for name, column in columns.items()})
        return {
            "interval": card.interval,
            "rows": self.rows_per_bucket,
            "time": _base64(seconds.astype("<f8")),
            "score": _single(points[:, 0]),
            "channels": channels,
            "warm": (card.last if card.warm is None else card.warm) / 1e9 if card.warming else None,
            "events": [_span(event, card.last, places) for event in card.events],
            "conditions": [_span(event, card.last, places) for event in card.conditions],
        }


def _span(event: Event, last: int, places: dict[str, int]) -> list[float | None]:
    """From, to, when it was told to be ongoing, whether it is resolved, and the plot of its channel, -1: none."""
    told = event.ongoing.time / 1e9 if event.ongoing else None
    resolved = 1.0 if event.cleared else 0.0
    return [event.raised.since / 1e9, event.until(last) / 1e9, told, resolved, places.get(event.raised.channel, -1)]


def _middle(column: Floats) -> float:
    known = column[np.isfinite(column)]
    return float(np.median(known)) if len(known) else 0.0


def _single(column: Floats) -> str:
    with np.errstate(over="ignore"):  # what single precision cannot hold is not drawn
        return _base64(column.astype("<f4"))


def _base64(array: np.typing.NDArray[np.floating[Any]]) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")
