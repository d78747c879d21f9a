"""Forecasters that streamrnn is measured beside, all asked in the same way.

A peer is given a `Task` and returns an `Answer`: after each row from `first` on, forecasts for 1 … H rows ahead, made
from that row and those before it alone. Peers are univariate and treat each channel as a stream of its own; streamrnn
is given all channels at once. `season` is the number of rows in a day: peers are told it, streamrnn is not.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from streamrnn._types import Floats, Ints

MISSING = "not installed (pip install 'streamrnn[benchmark]')"


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be forecast."""

    time: Ints
    """(N,) nanoseconds since 1970, strictly increasing."""
    values: Floats
    """(N, C)."""
    season: int
    """Rows in a day, at least 2."""
    horizon: int
    first: int
    """First row after which forecasts are wanted; all rows before it are learned from."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a peer says, and what it took."""

    forecast: Floats
    """(N - first, H, C) issued after rows first … N - 1, for 1 … H rows ahead; may hold what is not finite."""
    microseconds: float
    """A row of all channels: learning from it and forecasting after it, without compiling."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One forecaster."""

    name: str
    about: str
    """Its settings, in a line."""
    forecast: Callable[[Task], Answer]
    package: str = ""
    """What has to be importable; empty: nothing beyond streamrnn."""
    slow: bool = False
    """Asked on the short part of the series alone."""

    @property
    def installed(self) -> bool:
        """Whether its package is there."""
        return not self.package or importlib.util.find_spec(self.package) is not None


def peers() -> list[Peer]:
    """All of them, simple ones first and streamrnn last."""
    from benchmarks.peers import autoregressive, deep_river, naive, own, river

    return [*naive.PEERS, *autoregressive.PEERS, *river.PEERS, *deep_river.PEERS, *own.PEERS]
