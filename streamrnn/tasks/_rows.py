"""Rows: what a model says of each row that it was given, as named views of one array."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamrnn._types import Array, Bools, Floats, Ints

WAYS = ("residual", "level", "season", "calm")
"""In which a value can be odd, as kernels.oddity looks at it: missed by the forecast, an unusual level, unusual for the
time of the season, moved too little."""
HEAD = 10 + len(WAYS)
"""Columns before the per-channel ones: score, surprise, event, its score, channel and age in seconds, warming, learning
code, cause of the event, its excess; evidence in each of WAYS where an event starts."""


def columns(channels: int, horizon: int) -> int:
    """Numbers that one row takes: 14 + 4 C + 3 H C."""
    return HEAD + 4 * channels + 3 * horizon * channels


def slots(channels: int, horizon: int) -> dict[str, slice]:
    """Where each quantity lies in a row of `step`'s output."""
    c, hc = channels, channels * horizon
    names = {"score": 1, "surprise": 1, "event": 1, "event_score": 1, "event_channel": 1, "event_age": 1, "warming": 1,
             "learning": 1, "event_cause": 1, "event_excess": 1, "event_ways": len(WAYS),
             "expected": c, "lower": c, "upper": c, "share": c,
             "forecast": hc, "forecast_lower": hc, "forecast_upper": hc}  # fmt: skip
    found, at = {}, 0
    for name, size in names.items():
        found[name] = slice(at, at + size)
        at += size
    return found


LEARNING = ("learning", "gated", "frozen", "accepted", "barred")
"""What is made of a row: learned in full, in part or not at all, the end of a refusal, or barred by maintenance."""


@dataclass(slots=True)
class Rows:
    """N rows, C channels, H horizons. NaN where nothing can be said yet."""

    time: Ints
    """(N,) nanoseconds since 1970."""
    expected: Floats
    """(N, C) one-step forecast made before the row was known."""
    lower: Floats
    """(N, C) band around `expected`."""
    upper: Floats
    score: Floats
    """(N,) anomaly score in [0, 1): surprise / (surprise + bar), see Detector."""
    surprise: Floats
    """(N,) nats: minus the log of how likely a row as odd as this one is."""
    share: Floats
    """(N, C) each channel's part; rows sum to 1, or to 0 where nothing is odd."""
    forecast: Floats
    """(N, H, C) issued after the row, for 1 … H rows ahead."""
    forecast_lower: Floats
    forecast_upper: Floats
    event: Ints
    """(N,) +1 where an event starts, 2 where it is told to be ongoing, -1 where it is resolved, else 0."""
    event_score: Floats
    """(N,) highest score of the event so far, by the bar at its start."""
    event_channel: Ints
    """(N,) index of the channel that the event started with."""
    event_since: Ints
    """(N,) nanoseconds since 1970 of the event's first row; 0 where no event lasts."""
    warming: Bools
    """(N,) True where some channel had been seen too little before the row to be called odd."""
    learning: Ints
    """(N,) what was made of the row: one of LEARNING."""
    event_cause: Ints
    """(N,) 1: what came was odd, 2: it was out of the range of good data; 0 where no event lasts."""
    event_excess: Floats
    """(N,) while an event lasts that was told, its last row included: -ln of the share of the events begun by noise
    that peak as high as this one has so far (kernels.budget: budget_tail); else 0."""
    event_ways: Floats
    """(N, 4) where an event starts, how much each of WAYS had to say of the channel it starts with, in nats; else 0."""


def split(time: Ints, out: Array, channels: int, horizon: int) -> Rows:
    """Name the columns of `out` (N, columns); all but the events' integers are views."""
    n = len(out)
    at = slots(channels, horizon)

    def ahead(name: str) -> Floats:
        return out[:, at[name]].reshape(n, horizon, channels)

    event = out[:, 2].astype(np.int64)
    since = np.where(out[:, 8] != 0.0, time - np.rint(out[:, 5] * 1e9).astype(np.int64), 0)
    return Rows(
        time, out[:, at["expected"]], out[:, at["lower"]], out[:, at["upper"]], out[:, 0], out[:, 1],
        out[:, at["share"]], ahead("forecast"), ahead("forecast_lower"), ahead("forecast_upper"),
        event, out[:, 3], out[:, 4].astype(np.int64), since, out[:, 6] != 0.0,
        out[:, 7].astype(np.int64), out[:, 8].astype(np.int64), out[:, 9], out[:, at["event_ways"]],
    )  # fmt: skip
