"""From a recipe to what runs: the checked recipe, the model of its parts, the plan of the arena, the compiled loop."""

from __future__ import annotations

import difflib
import math
from typing import Any

import msgspec

from streamrnn import cells, learners, updates
from streamrnn._bind import bind
from streamrnn._misfit import misfit
from streamrnn.errors import ModelError
from streamrnn.learners import Learner
from streamrnn.model import Model
from streamrnn.readouts import Readout
from streamrnn.state import SECTIONS, Field, Layout
from streamrnn.tasks import _channel, _improving, _layout
from streamrnn.tasks._clock import zone_of
from streamrnn.tasks._shadow import shadowed
from streamrnn.tasks._watch import watch
from streamrnn.tasks.recipe import OF_THE_NET, Recipe
from streamrnn.updates import Update

LARGEST_MODEL = 8 << 30
"""Bytes that the memory of one stream's model may take."""


def checked(recipe: Recipe, choices: dict[str, Any]) -> Recipe:
    """The recipe with these choices. Raises ModelError naming the one that does not fit."""
    unknown = [name for name in choices if name not in Recipe.__struct_fields__]
    if unknown:
        near = difflib.get_close_matches(unknown[0], Recipe.__struct_fields__, 1)
        raise ModelError(f"a recipe has no {unknown[0]!r}", expected="a field of streamrnn.Recipe",
                         hint=f"Did you mean {near[0]!r}?" if near else None)  # fmt: skip
    given = msgspec.to_builtins(recipe) | choices
    try:
        return msgspec.convert(given, Recipe)
    except msgspec.ValidationError as problem:
        wrong = misfit(problem, given, Recipe)
        raise ModelError(wrong.what, where=wrong.path.lstrip("."), got=wrong.found, expected=wrong.expected) from None


def model_of(recipe: Recipe, channels: int) -> Model:
    """The net of each channel. Raises ModelError where its parts do not fit, or a choice would do nothing."""
    r = recipe
    update, learner = updates.get(r.update, r.update_options), learners.get(r.learner, r.learner_options)
    _refuse_range(r)
    _refuse_idle(r, update, learner)
    if r.clip_gradient and update.follows != "gradient":
        raise ModelError(f"the update {update.name} does not follow a gradient that could be clipped",
                         got=f"clip_gradient = {r.clip_gradient:g}", expected="clip_gradient = 0")  # fmt: skip
    return Model(cells.get(r.cell, r.cell_options), learner, update, max(r.units, 1),
                 _layout.net_inputs(channels, r.tier == "full"), r.layers, 1, r.audit)  # fmt: skip


def _refuse_range(recipe: Recipe) -> None:
    """Raises ModelError where the range of good data holds no number."""
    low = -math.inf if recipe.lowest is None else recipe.lowest
    high = math.inf if recipe.highest is None else recipe.highest
    for name, bound in (("lowest", low), ("highest", high)):
        if math.isnan(bound):
            raise ModelError("the range of good data needs an end", got=f"{name} = nan", expected="a number")
    if not low < high:
        raise ModelError("the range of good data is empty", got=f"lowest = {low:g}",
                         expected=f"less than highest = {high:g}")  # fmt: skip


def _refuse_idle(recipe: Recipe, update: Update, learner: Learner) -> None:
    """Raises ModelError where a choice would do nothing."""
    default = Recipe()
    if recipe.clock:
        zone_of(recipe.clock)
        if recipe.tier != "full":
            raise ModelError("the lean tier has no expert that could look at a clock", where="clock", got=recipe.clock,
                             expected='no clock, or tier = "full"')  # fmt: skip
    if not recipe.units:
        for name in OF_THE_NET:
            if getattr(recipe, name) != getattr(default, name):
                raise ModelError(f"a model without a net (units = 0) has no use for {name}",
                                 got=f"{name} = {getattr(recipe, name)}", expected=f"no {name}",
                                 hint=f"Leave out {name}, or choose units = 1 or more")  # fmt: skip
    if not learner.learns:
        for name in ("update", "update_options", "learning_rate", "clip_gradient"):
            if getattr(recipe, name) != getattr(default, name):
                raise ModelError(f"the learner {learner.name} moves no recurrent weights: {name} has no part in it",
                                 got=f"{name} = {getattr(recipe, name)}", expected=f"no {name}")  # fmt: skip
    if recipe.learning_rate and not update.rates:
        raise ModelError(f"the update {update.name} has no rate", got=f"learning_rate = {recipe.learning_rate:g}",
                         expected="learning_rate = 0")  # fmt: skip
    if learner.stack is not None and recipe.layers == 1 and recipe.learner_options:
        raise ModelError(f"the options of the learner {learner.name} are for stacks of layers",
                         got="layers = 1", expected="layers = 2 or more, or no learner_options")  # fmt: skip


def part_fields(model: Model, readout: Readout, recipe: Recipe, channels: int) -> list[Field]:
    """The fields of each of so many channels."""
    state = model.seen if recipe.units else 0
    own = _layout.channel_fields(
        channels, state, recipe.lags, recipe.horizon, recipe.tier == "full", bool(recipe.clock)
    )
    said = readout.fields(own[0].shape[1], recipe.horizon, 1, recipe.horizon + 1)
    return [*own, *(field for part in model.fields.values() for field in part), *said]


def plan_of(model: Model, readout: Readout, recipe: Recipe, channels: int, scoring: bool) -> Layout:
    """Where everything that the model remembers lies. Raises ModelError where that is too much."""
    full = recipe.tier == "full"
    shared = _layout.shared_fields(channels, recipe.lags, recipe.horizon, scoring, full, bool(recipe.clock))
    own = part_fields(model, readout, recipe, channels)
    fields = [*shared, *(f for c in range(channels) for f in _layout.of_channel(own, c))]
    fields += _layout.season_fields(channels, full)
    plan = Layout(fields, recipe.dtype)
    if scoring and recipe.governor == "shadow":
        fields += [Field(f"twin.{name}", name, (plan.sizes[name],)) for name in SECTIONS]
        plan = Layout(fields, recipe.dtype)
    if plan.nbytes > LARGEST_MODEL:
        got = f"units = {recipe.units}, layers = {recipe.layers}, learner {recipe.learner}, {channels} channels"
        raise ModelError(f"a model of {plan.nbytes / 2**30:,.1f} GiB is too large", got=got,
                         expected=f"{LARGEST_MODEL / 2**30:g} GiB at the most",
                         hint="Fewer units, or a learner that keeps less: docs/learners.md")  # fmt: skip
    return plan


_watchers: dict[tuple[Any, ...], Any] = {}


def compiled(model: Model, readout: Readout, full: bool, recurrent: bool, shadow: bool) -> Any:
    """The loop for these parts; one for all models whose parts have the same kernels."""
    parts = model.parts
    bound: dict[str, Any] = {"credit": parts["credit"], f"apply_{model.update.follows}": parts["apply"]}
    template = _improving.by_innovation
    if model.update.follows == "gradient":
        template, bound["GATHERS"] = _improving.by_gradient, int(model.learner.gathers)
    openers = {name: parts[name] for name in ("open_carry", "open_probe")}
    key = (
        model.forward,
        readout.correct,
        full,
        recurrent,
        shadow,
        *bound.values(),
        parts["open_memory"],
        *openers.values(),
    )
    if key not in _watchers:
        owner = f"{model.cell.name}_{model.learner.name}_{model.update.name}_{readout.name}"
        tier: dict[str, Any] = {"FULL": int(full), "RECURRENT": int(recurrent)}
        learn = bind(
            _channel.learn_channel, owner, improve=bind(template, owner, **bound), correct=readout.correct,
            open_readout=readout.open, open_memory=parts["open_memory"], **openers, **tier,
        )  # fmt: skip
        say = bind(
            _channel.say_channel, owner, forward=model.forward, prepare=readout.prepare, open_readout=readout.open,
            **openers, **tier,
        )  # fmt: skip
        loop = bind(watch, owner, learn_channel=learn, say_channel=say, FULL=int(full))
        _watchers[key] = bind(shadowed, owner, watch=loop) if shadow else loop
    return _watchers[key]
