"""Forecaster: learns a stream one row at a time and says what comes next, with a band."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from streamrnn import readouts
from streamrnn._types import Array, Floats, Ints
from streamrnn.errors import InputError, ModelError, StateError
from streamrnn.kernels import event, oddity
from streamrnn.kernels.conformal import LOG_QUANTILE
from streamrnn.learners import audit
from streamrnn.state import Arena, StoredState, read_bytes
from streamrnn.tasks import _layout
from streamrnn.tasks._building import checked, compiled, model_of, part_fields, plan_of
from streamrnn.tasks._clock import zone_changes
from streamrnn.tasks._relatives import choose_first
from streamrnn.tasks._rows import Rows, columns, slots, split
from streamrnn.tasks.affordable import affordable
from streamrnn.tasks.recipe import Recipe

Sample: TypeAlias = float | Sequence[float | None] | Mapping[str, float] | npt.NDArray[Any]
"""One row: a number, one number a channel, or channel name → number. NaN, None or a missing name is a missing value."""

SECOND = 1_000_000_000


class Forecast(NamedTuple):
    """What is said of the next rows: (horizon, channels) each, row h - 1 for h rows ahead."""

    value: Floats
    lower: Floats
    upper: Floats


class Forecaster:
    """Forecasts every channel of a stream for the next 1 … H rows, and learns from each row as it comes.

    channels   how many, or their names
    recipe     every choice there is (streamrnn.Recipe); keyword arguments replace single ones
    A forecast is a convex mix of persistence and an online-trained net: recurrent state, lags, level and bias through a
    recursive least squares readout. Bands are conformal. Values may be of any scale; NaN is missing.

    >>> import math
    >>> model = Forecaster(horizon=3)
    >>> for i in range(400):
    ...     model.learn_one(math.sin(i / 5))
    >>> abs(model.predict_one() - math.sin(400 / 5)) < 0.01
    True
    >>> model.forecast().value.shape
    (3, 1)
    """

    scoring = False

    def __init__(self, channels: int | Sequence[str] = 1, recipe: Recipe | None = None, **choices: Any) -> None:
        names = tuple(str(i) for i in range(channels)) if isinstance(channels, int) else tuple(channels)
        if not names or len(set(names)) != len(names):
            raise ModelError("a stream needs at least one channel, each with its own name", got=channels)
        self.channels = names
        self.recipe, self.variant = checked(recipe or Recipe(), choices), "as configured"
        c = len(names)
        if self.recipe.budget:
            self.variant, self.recipe, _ = affordable(type(self), c, self.recipe)
        r = self.recipe
        self.model = model_of(r, c)
        self.readout = readouts.get(r.readout, r.readout_options)
        self.arena = Arena(plan_of(self.model, self.readout, r, c, self.scoring))
        self._width = columns(c, r.horizon)
        self._places = self._find_places()
        shadow = self.scoring and r.governor == "shadow"
        self._watch = compiled(self.model, self.readout, r.tier == "full", r.units > 0, shadow)
        self._start()

    def __repr__(self) -> str:
        r = self.recipe
        parts = f"{r.units} {r.cell} units, {r.learner}, {r.update}, horizon {r.horizon}"
        return f"<{type(self).__name__} of {len(self.channels)} channels: {parts}; {self.samples} rows seen>"

    # ------------------------------------------------------------ one row at a time

    def learn_one(self, x: Sample, t: float | None = None) -> None:
        """Learn from one row. t: seconds since 1970; None: one second after the last row."""
        self.run(self._time(t), self._row(x))

    def predict_one(self) -> float | Floats:
        """The forecast of the next row: a number for one channel, else (C,). NaN for a channel not seen yet."""
        ahead = self.forecast(1).value[0]
        return float(ahead[0]) if len(self.channels) == 1 else ahead

    def forecast(self, horizon: int | None = None) -> Forecast:
        """What was said after the last row of the next `horizon` rows (all that the recipe has, if None).

        Raises InputError where the recipe has no such horizon.
        """
        h = self.recipe.horizon if horizon is None else horizon
        if not 1 <= h <= self.recipe.horizon:
            raise InputError("no forecast that far ahead", got=h, expected=f"1 to {self.recipe.horizon}",
                             hint=f"Build the model with horizon={h}")  # fmt: skip
        a = self.arena
        r = (self.samples - 1) % (self.recipe.horizon + 1)
        known = a["seen"] > 0
        value = np.where(known, a["mix"][r, :h], math.nan)
        half = a["width"][r, :h]
        return Forecast(value, value - half, value + half)

    def step(self, x: Floats, out: Floats, t: float | None = None) -> None:
        """The array form, for loops: learn from x (C,) and write what is said into out (columns,), without allocating
        anything that grows. `slots` says where in `out` each quantity lies; `new_output()` makes one."""
        if not (isinstance(out, np.ndarray) and out.dtype == np.float64 and out.shape == (self._width,)
                and out.flags.c_contiguous and out.flags.writeable):  # fmt: skip
            expected = f"a contiguous float64 array of {self._width}"
            raise InputError("out cannot be written to", got=_shape(out), expected=expected, hint="See new_output()")
        row = np.ascontiguousarray(x, np.float64)
        if row.shape != (len(self.channels),):
            raise InputError("x does not fit the model", got=_shape(x), expected=f"({len(self.channels)},)")
        self._step(row, out, self._time(t))

    def _step(self, row: Floats, out: Floats, time: Ints) -> None:
        if self.samples and time[0] <= self.last_time:
            raise InputError("times must be strictly increasing", got=int(time[0]), expected=f"> {self.last_time}")
        a = self.arena
        self._watch(a.ints, a.wide, a.real, a.layout.table, self._places, time, row.reshape(1, -1), out.reshape(1, -1))

    @property
    def slots(self) -> dict[str, slice]:
        """Name → place in the output of `step`."""
        return slots(len(self.channels), self.recipe.horizon)

    def new_output(self) -> Floats:
        """An array for `step` to write to."""
        return np.zeros(self._width)

    # ------------------------------------------------------------ many rows

    def run(self, time: Ints, values: Floats) -> Rows:
        """Learn from N rows in order, and say of each what `Rows` has.

        time    (N,) int64 nanoseconds since 1970, strictly increasing, and after the last row's
        values  (N, C) float64
        Raises InputError where shapes or times do not fit; then nothing was learned.
        """
        if not np.issubdtype(np.asarray(time).dtype, np.integer):
            raise InputError("times must be whole nanoseconds since 1970", got=np.asarray(time).dtype, expected="int64",
                             hint="Seconds: (1e9 * seconds).astype(np.int64)")  # fmt: skip
        time = np.ascontiguousarray(time, np.int64)
        values = np.ascontiguousarray(values, np.float64)
        n = len(time)
        if values.shape != (n, len(self.channels)) or time.ndim != 1:
            raise InputError("rows do not fit the model", got=f"time {time.shape}, values {values.shape}",
                             expected=f"time (N,), values (N, {len(self.channels)})")  # fmt: skip
        if n and time[0] < 0:
            raise InputError("times are nanoseconds since 1970", got=int(time[0]), expected="0 or more")
        if n and ((self.samples and time[0] <= self.last_time) or (n > 1 and bool((np.diff(time) <= 0).any()))):
            raise InputError("times must be strictly increasing", hint="Drop duplicates and late rows first")
        out = np.zeros((n, self._width))
        self._note(time, values)
        a = self.arena
        self._watch(a.ints, a.wide, a.real, a.layout.table, self._places, time, values, out)
        rows = split(time, out, len(self.channels), self.recipe.horizon)
        self._learned(rows)
        return rows

    def _note(self, time: Ints, values: Floats) -> None:
        """Rows are about to be learned."""

    def _learned(self, rows: Rows) -> None:
        """They have been."""

    # ------------------------------------------------------------ what is known of the stream

    @property
    def samples(self) -> int:
        """Rows seen."""
        return int(self.arena["clock"][_layout.ROWS])

    @property
    def last_time(self) -> int:
        """Nanoseconds since 1970 of the last row; 0 before the first."""
        return int(self.arena["clock"][_layout.TIME])

    @property
    def interval(self) -> float:
        """Typical seconds between rows; 0 before there are two."""
        return float(self.arena["pace"][_layout.INTERVAL])

    @property
    def guarded(self) -> int:
        """How often a gradient or state that had run away was dropped and the influence begun anew."""
        return int(self.arena["clock"][_layout.GUARDED])

    @property
    def gradient_cosine(self) -> float:
        """The audit's estimate of the cosine between the learner's gradient and the exact one, over the last few
        thousand rows, its mean over the channels; NaN before there is one, and where the recipe has no audit."""
        parts = [_layout.Part(self.arena, c) for c in range(len(self.channels))]
        return float(np.mean([audit.cosine(part["audit.count"], part["audit.sums"]) for part in parts]))

    @property
    def statistics(self) -> dict[str, Floats]:
        """Running sums since the start, a channel each: live views, not copies.

        judged (forecasts compared), absolute_error and squared_error of the one-step forecasts, absolute_change and
        squared_change (those of persistence on the same rows), covered (inside their band), missing, not_finite.
        """
        return dict(zip(_layout.STATISTIC_NAMES, self.arena["statistics"], strict=True))

    @property
    def skill(self) -> Floats:
        """(C,) 1 - mean absolute error one row ahead over that of the best of persistence, seasonal persistence and an
        autoregression that run beside it, since the start; NaN before the first forecast is judged."""
        s = self.statistics
        best = np.minimum(s["absolute_change"], np.minimum(s["absolute_ar_error"], s["absolute_seasonal_error"]))
        ratio: Floats = np.divide(s["absolute_error"], best, out=np.full(len(best), np.nan), where=best > 0.0)
        return 1.0 - ratio

    @property
    def seasons(self) -> list[int]:
        """Lengths of the seasons that the stream is believed to have, in rows, ascending; none in the lean tier."""
        return [int(s) for s in self.arena["season"][: _layout.SEASONS] if s > 0]

    # ------------------------------------------------------------ state

    def snapshot(self) -> Array:
        """All of the model's memory, copied: `restore` continues from it to the same bits."""
        return self.arena.snapshot()

    def restore(self, snapshot: Array) -> None:
        """Continue from a snapshot of a model of the same recipe and channels."""
        self.arena.restore(snapshot)

    def to_bytes(self) -> bytes:
        """The model as versioned, checksummed bytes (streamrnn.state)."""
        owner = {
            "task": type(self).__name__,
            "channels": list(self.channels),
            "recipe": msgspec.to_builtins(self.recipe),
        }
        return self.arena.to_bytes(owner)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The model that `to_bytes` wrote. Raises StateError where the bytes are damaged or of another kind."""
        stored = read_bytes(data)
        channels, recipe = _described(stored, cls)
        model = cls(channels, recipe)
        model.arena.load(stored)
        model._set_clock()  # as they are known now
        begin = model.model.representation.start
        if begin is not None:  # tables by which kernels find their way are not taken over
            for c in range(len(channels)):
                begin(_layout.Part(model.arena, c), recipe.seed + c)
        return model

    # ------------------------------------------------------------ inside

    def _find_places(self) -> Ints:
        net = self.model
        names = [field.name for field in part_fields(net, self.readout, self.recipe, len(self.channels))]
        places = np.zeros(14, np.int64)
        parts = {
            _layout.LEARNER: net.fields["learner"], _layout.UPDATE: net.fields["update"],
            _layout.PROBE: net.fields["audit"],
        }  # fmt: skip
        for place, fields in parts.items():
            places[place] = names.index(fields[0].name)
        places[_layout.READOUT] = next(i for i, name in enumerate(names) if name.startswith("readout."))
        places[_layout.TAPS], places[_layout.TOP] = self.recipe.lags, (net.layers - 1) * net.k
        own = [names.index(f.name) for f in net.fields["learner"] if f.section == "real"]
        places[_layout.FORGET_FIRST], places[_layout.FORGET_LAST] = own[0], own[-1]
        places[_layout.STRIDE] = len(names)
        full = self.recipe.tier == "full"
        places[_layout.HEARD] = _layout.heard(len(self.channels), full)
        places[_layout.RELATED] = self.arena["relatives"].shape[1]
        places[_layout.GATES] = _layout.gates(len(self.channels), full)
        places[_layout.SEEK] = _layout.OWN + len(names) * len(self.channels)
        places[_layout.TWIN] = len(self.arena.layout.fields) - 3
        return places

    def _start(self) -> None:
        r, a = self.recipe, self.arena
        chosen = choose_first(a["relatives"], a["listened"])
        for c in range(len(self.channels)):
            part = _layout.Part(a, c)
            self.model.start(part, r.seed + c)
            state = self.model.seen if r.units else 0
            self.readout.start(
                part, _layout.prior(part["features"].shape[1], state, r.lags, int(self._places[_layout.HEARD]))
            )
            part["ar.variance"][:] = _layout.prior(r.lags + 1, 0, r.lags, 0)
            part["wide.variance"][:] = 1.0
            if not chosen:
                part["wide.variance"][-_layout.EACH * len(a["relatives"][c]) :] = 0.0
        self._set_clock()
        a["gate"][:] = 1.0
        for total in a["whole"]:
            oddity.start(total)
        if self.scoring:
            a["rest"][oddity.SINCE] = 1e9
        a["clock"][_layout.RAN_AWAY] = -1_000_000  # never
        hyper = a["hyper"]
        hyper[_layout.RATE] = r.learning_rate or self.model.update.usual
        hyper[_layout.MISS], hyper[_layout.HALF_LIFE] = 1.0 - r.level, r.half_life
        hyper[_layout.HOLD], hyper[_layout.SCORING], hyper[_layout.ALARMS_A_WEEK] = (
            r.hold,
            self.scoring,
            r.alarms_per_week,
        )
        hyper[_layout.GOVERNOR] = ("learn", "gate", "freeze", "shadow").index(r.governor)
        hyper[_layout.REFUSE], hyper[_layout.MEDIAN] = r.refuse_at_most, r.aim == "median"
        limits = a["limits"]
        limits[:, event.LEAST], limits[:, event.RELATIVE] = r.least_deviation, r.least_relative_deviation
        limits[:, event.DIRECTION] = {"both": 0, "up": 1, "down": -1}[r.direction]
        if r.lowest is not None or r.highest is not None:
            limits[:, event.LOWEST] = -math.inf if r.lowest is None else r.lowest
            limits[:, event.HIGHEST] = math.inf if r.highest is None else r.highest
        hyper[_layout.CLIP_ERROR] = r.clip_error or math.inf
        hyper[_layout.CLIP_GRADIENT], hyper[_layout.SECONDS] = r.clip_gradient, self.model.cell.seconds
        a["error"][:] = 1.0
        a["regret"][:, :, 0] = 1.0  # in the beginning there is persistence
        # a Gaussian's half-width in mean absolute errors, until the stream has said what its own is
        normal = statistics.NormalDist()
        a["band"][..., LOG_QUANTILE] = math.log(normal.inv_cdf(0.5 + 0.5 * r.level) / math.sqrt(2.0 / math.pi))

    def _set_clock(self) -> None:
        """Put the rules of the recipe's time zone where the loop finds them."""
        if self.recipe.clock:
            self.arena["zone"][:] = zone_changes(self.recipe.clock)

    def _time(self, t: float | None) -> Ints:
        if t is None:
            return np.array([self.last_time + SECOND], np.int64)
        if not (math.isfinite(t) and 0.0 <= t < 9.2e9):
            raise InputError("a time must be seconds since 1970", got=t, expected="0 … 9.2e9")
        return np.array([round(t * SECOND)], np.int64)

    def _row(self, x: Sample) -> Floats:
        if isinstance(x, Mapping):
            unknown = sorted(set(x) - set(self.channels))
            if unknown:
                raise InputError("no such channel", got=unknown, expected=list(self.channels))
            x = [x.get(name, math.nan) for name in self.channels]
        if isinstance(x, Sequence) and not isinstance(x, str | bytes):
            x = [math.nan if v is None else v for v in x]
        row = np.asarray(x)
        if row.dtype.kind not in "fiu":
            raise InputError("a row holds numbers", got=repr(x)[:100], expected="one number a channel")
        row = row.astype(np.float64).reshape(1, -1)
        if row.shape[1] != len(self.channels):
            raise InputError("a row has one number a channel", got=row.shape[1], expected=len(self.channels))
        return row


class _Owner(msgspec.Struct, forbid_unknown_fields=True):
    """What stored bytes say of their model."""

    task: str
    channels: list[str]
    recipe: Recipe


def _described(stored: StoredState, kind: type[Forecaster]) -> tuple[list[str], Recipe]:
    """Channels and recipe of stored bytes; their block is known to have the size that a model of these needs."""
    try:
        owner = msgspec.convert(stored.owner, _Owner)
        model = model_of(owner.recipe, max(len(owner.channels), 1))
        readout = readouts.get(owner.recipe.readout, owner.recipe.readout_options)
        plan = plan_of(model, readout, owner.recipe, max(len(owner.channels), 1), kind.scoring)
    except (msgspec.ValidationError, ModelError) as problem:
        raise StateError(f"stored state does not describe a model: {problem}") from None
    if owner.task != kind.__name__:
        raise StateError("stored state is of another kind of model", got=owner.task, expected=kind.__name__)
    if not owner.channels or plan.nbytes != stored.block.nbytes:
        raise StateError("stored state has another size than its model", got=stored.block.nbytes, expected=plan.nbytes)
    return owner.channels, owner.recipe


def _shape(value: Any) -> str:
    return f"{type(value).__name__} of shape {np.shape(value)}"
