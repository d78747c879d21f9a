"""The richest model that a time budget allows, found by running each candidate on this machine."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from streamrnn.tasks.recipe import OF_THE_NET, Recipe

if TYPE_CHECKING:
    from streamrnn.tasks.forecast import Forecaster

logger = logging.getLogger("streamrnn.budget")

ROWS, RUNS = 128, 7


class Variant(NamedTuple):
    """One way to spend time: its name, and what it changes in a recipe."""

    name: str
    changes: dict[str, Any]


def variants(recipe: Recipe) -> list[Variant]:
    """What can be left out of the recipe, the richest first, by what each brings (docs/accuracy.md)."""
    lean = {"tier": "lean", "clock": ""}
    bare = {**lean, "update": "rmsprop", "update_options": {}, "learning_rate": 0.0}
    plain = {**bare, "learner": "immediate", "learner_options": {}, "layers": 1, "audit": False}
    no_net = {**lean, "units": 0} | {name: getattr(Recipe(), name) for name in OF_THE_NET}
    found = [Variant("as configured", {})]
    if recipe.tier == "full":
        found.append(Variant("lean", lean))
    if recipe.units and recipe.learner != "frozen":
        found.append(Variant("lean, first-order", bare))
        found.append(Variant("lean, immediate", plain))
    found.append(Variant("linear", no_net))
    return found


class Affordable(NamedTuple):
    """What was found for a budget."""

    variant: str
    recipe: Recipe
    microseconds: float
    """Time of a row here, all channels."""


def microseconds(model: Forecaster) -> float:
    """Time of a row of this model here, µs: in the fastest of RUNS blocks of ROWS rows of noise. Spoils the model."""
    generator = np.random.default_rng(0)
    c, taken = len(model.channels), []
    for run in range(RUNS + 2):
        t = (1 + run * ROWS + np.arange(ROWS)) * 1_000_000_000
        x = generator.normal(size=(ROWS, c))
        began = time.perf_counter_ns()
        model.run(t, x)
        taken.append((time.perf_counter_ns() - began) / ROWS)
    return min(taken[2:]) / 1e3


def affordable(kind: type[Forecaster], channels: int, recipe: Recipe) -> Affordable:
    """The richest variant of `recipe` whose rows take no more than its budget; the leanest where none does.

    Measured once in a process for models alike. What is measured is compiled first, which takes seconds.
    """
    key = (kind, channels, msgspec.json.encode(msgspec.structs.replace(recipe, seed=0)))
    if key not in _found:
        _found[key] = _choose(kind, channels, recipe)
    chosen, took = _found[key]
    return Affordable(chosen.name, msgspec.structs.replace(recipe, budget=0.0, **chosen.changes), took)


_found: dict[tuple[Any, ...], tuple[Variant, float]] = {}


def _choose(kind: type[Forecaster], channels: int, recipe: Recipe) -> tuple[Variant, float]:
    budget, variant, took = recipe.budget, Variant("", {}), 0.0
    for variant in variants(recipe):
        took = microseconds(kind(channels, msgspec.structs.replace(recipe, budget=0.0, **variant.changes)))
        if took <= budget:
            break
    text = f"{channels} channels: {variant.name}, {took:.1f} µs a row of a budget of {budget:g}"
    facts = {"event": "budget", "fields": {"variant": variant.name, "microseconds": round(took, 2)}}
    if took <= budget:
        logger.info(text, extra=facts)
    else:
        logger.warning(f"{text}; nothing leaner is left", extra=facts)
    return variant, took
