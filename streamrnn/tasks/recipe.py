"""Recipe: every choice that makes a model, as one immutable value. The `[model]` table of a configuration is a Recipe.

Times are in seconds. 0 for a half-life means: so many of the stream's typical intervals as the field says, so that one
default serves a stream at 5 Hz and one at one sample an hour.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

AUTO_HALF_LIFE = 1386.0
"""Typical intervals in the default half-life: 2^(-1/1386) = 0.9995 a sample."""


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a model is made of. Defaults are the ones measured in docs/accuracy.md."""

    tier: Literal["full", "lean"] = "full"
    """full: the wide expert with seasons and other channels beside the net; lean: the net alone."""
    budget: Annotated[float, Meta(ge=0.0, le=1e6)] = 0.0
    """Microseconds that a row may take, all channels: the richest variant that keeps to it here is chosen, by running
    it; 0: the recipe as it is."""
    clock: str = ""
    """IANA time zone, such as Europe/Berlin or UTC, whose hours and weekdays the stream is thought to go by: the wide
    expert sees them, through every change of the clocks; empty: none."""
    cell: str = "elman"
    """Recurrent cell; docs/cells.md has the table."""
    cell_options: dict[str, float] = field(default_factory=dict)
    """Numbers that this cell lets one choose, by name."""
    units: Annotated[int, Meta(ge=0, le=4096)] = 8
    """Recurrent units of a layer, for each channel; 0: no net."""
    layers: Annotated[int, Meta(ge=1, le=64)] = 1
    """Layers of such units, each fed by the one below; the readout sees the top one."""
    learner: str = "rtrl"
    """How credit flows back in time; docs/learners.md has the table."""
    learner_options: dict[str, float] = field(default_factory=dict)
    """Numbers that this learner lets one choose, by name."""
    update: str = "dekf"
    """How the cell's weights move; docs/learners.md has the table."""
    update_options: dict[str, float] = field(default_factory=dict)
    """Numbers that this update lets one choose, by name."""
    clip_error: Annotated[float, Meta(ge=0.0, le=1e6)] = 3.0
    """Mean absolute errors that one error counts as when weights move; 0: as it is."""
    clip_gradient: Annotated[float, Meta(ge=0.0, le=1e15)] = 0.0
    """Longest gradient that `update` follows; 0: any."""
    readout: str = "rls"
    """How the heads learn what to say of the state: rls, autostep, idbd."""
    readout_options: dict[str, float] = field(default_factory=dict)
    """Numbers that this readout lets one choose, by name."""
    audit: bool = False
    """Estimate the cosine between the learner's gradient and the exact one, live: `streamrnn_gradient_cosine_ratio`."""
    learning_rate: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0
    """Step size of `update`; 0: the one that is usual for it. The readout has its own."""
    lags: Annotated[int, Meta(ge=0, le=128)] = 16
    """Past changes of each channel that reach the readout directly; 128 of all channels together at the most."""
    horizon: Annotated[int, Meta(ge=1, le=1024)] = 1
    """Forecasts are made for 1 … horizon samples ahead."""
    aim: Literal["mean", "median"] = "mean"
    """What the experts are mixed for: the smallest squared error, or the smallest absolute one. They differ where a
    stream stays still for long, then jumps."""
    level: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.9
    """Nominal coverage of the bands."""
    half_life: Annotated[float, Meta(ge=0.0, le=1e12)] = 0.0
    """Seconds after which what was learned counts half; 0: 1386 typical intervals of the stream."""
    alarms_per_week: Annotated[float, Meta(gt=0.0, le=1e5)] = 1.0
    """False alarms that are to be borne: the bar of surprise is set so that noise alone raises so many."""
    hold: Annotated[float, Meta(ge=0.0, le=1e12)] = 0.0
    """Seconds that the surprise must stay low before an event is resolved; 0: 20 typical intervals."""
    least_deviation: Annotated[float, Meta(ge=0.0)] = 0.0
    """Smallest distance from what was expected that starts an event, in units of the value."""
    least_relative_deviation: Annotated[float, Meta(ge=0.0)] = 0.0
    """The same as a part of what was expected: 0.1 is 10 %."""
    direction: Literal["both", "up", "down"] = "both"
    """Which deviations start an event: values above what was expected, below it, or both."""
    lowest: float | None = None
    """Values below it are an event whatever their surprise."""
    highest: float | None = None
    """Values above it are an event whatever their surprise."""
    governor: Literal["learn", "gate", "freeze", "shadow"] = "freeze"
    """What is learned of odd rows. learn: all; gate: the odder, the less; freeze: also nothing while an event lasts,
    until it is accepted as the new normal; shadow: so too, but a copy learns on, and takes over once it is accepted."""
    refuse_at_most: Annotated[float, Meta(ge=0.0, le=1e12)] = 0.0
    """Seconds that an event is refused as the new normal at the most; 0: a day, and 48 typical intervals at the least.
    It is never accepted within the first hour."""
    undo: bool = True
    """Keep what it takes to forget a window afterwards: two copies of the model's memory, and the rows since the older
    one, an hour or two; after an event for a day."""
    dtype: Literal["float64", "float32"] = "float64"
    """Precision of cell, influence and readout. Levels, scales and times are float64 in any case."""
    seed: Annotated[int, Meta(ge=0, le=2**62)] = 0
    """Seed of the initial weights."""


OF_THE_NET = (
    "cell", "cell_options", "layers", "learner", "learner_options", "update", "update_options", "learning_rate",
    "clip_gradient", "audit",
)  # fmt: skip
"""Fields that say how the net is made and how it learns: without one they mean nothing."""
