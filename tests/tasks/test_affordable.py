"""A time budget: the richest variant that keeps to it is taken."""

from __future__ import annotations

import logging

import msgspec
import numpy as np
import pytest

from streamrnn import Detector, Forecaster, Recipe
from streamrnn.errors import ModelError
from streamrnn.tasks import affordable
from streamrnn.tasks.affordable import variants

COSTS = {"as configured": 40.0, "lean": 20.0, "lean, first-order": 10.0, "lean, immediate": 5.0, "linear": 1.0}
"""Microseconds that the variants are made to take."""


@pytest.fixture
def told(monkeypatch):
    """What was measured, in order; each variant takes what COSTS says."""
    measured = []

    def took(model):
        r = model.recipe
        if r.tier == "full":
            name = "as configured"
        elif r.units == 0:
            name = "linear"
        elif r.learner == "immediate":
            name = "lean, immediate"
        else:
            name = "lean" if r.update == "dekf" else "lean, first-order"
        measured.append(name)
        return COSTS[name]

    monkeypatch.setattr(affordable, "microseconds", took)
    monkeypatch.setattr(affordable, "_found", {})
    return measured


@pytest.mark.parametrize(
    ("budget", "variant"),
    [
        (1000.0, "as configured"),
        (40.0, "as configured"),
        (39.9, "lean"),
        (19.0, "lean, first-order"),
        (5.0, "lean, immediate"),
        (1.5, "linear"),
    ],
)
def test_the_richest_that_fits_is_taken(told, caplog, budget, variant):
    with caplog.at_level(logging.INFO, "streamrnn.budget"):
        model = Forecaster(budget=budget)
    assert model.variant == variant
    names = list(COSTS)
    assert told == names[: names.index(variant) + 1], "richest first, and no more than are needed"
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert record.fields == {"variant": variant, "microseconds": COSTS[variant]}


def test_where_none_fits_the_leanest_is_taken_and_that_is_said(told, caplog):
    with caplog.at_level(logging.INFO, "streamrnn.budget"):
        model = Forecaster(budget=0.5)
    assert model.variant == "linear"
    assert told == list(COSTS)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "nothing leaner is left" in record.message
    assert record.fields["microseconds"] == 1.0


def test_models_alike_are_measured_once(told):
    for seed in range(3):
        assert Forecaster(budget=15.0, seed=seed).variant == "lean, first-order"
    assert len(told) == 3
    Forecaster(budget=15.0, horizon=2)
    assert len(told) == 6
    Forecaster(channels=2, budget=15.0)
    assert len(told) == 9
    Detector(budget=15.0)
    assert len(told) == 12


def test_what_was_chosen_is_stored_and_comes_back_without_being_measured_again(told):
    model = Detector(channels=("a", "b"), budget=15.0, horizon=2, seed=3)
    assert model.recipe.budget == 0.0
    assert (model.recipe.tier, model.recipe.update, model.recipe.seed) == ("lean", "rmsprop", 3)
    rng = np.random.default_rng(0)
    t, x = (1 + np.arange(60)) * 10**9, rng.normal(size=(60, 2))
    model.run(t[:30], x[:30])
    count = len(told)
    again = Detector.from_bytes(model.to_bytes())
    assert again.recipe == model.recipe
    assert again.channels == ("a", "b")
    np.testing.assert_array_equal(again.run(t[30:], x[30:]).forecast, model.run(t[30:], x[30:]).forecast)
    assert len(told) == count


def test_without_a_budget_nothing_is_measured(told):
    model = Forecaster()
    assert model.variant == "as configured"
    assert told == []


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"tier": "lean"},
        {"units": 0},
        {"learner": "frozen", "update": "dekf"},
        {"cell": "lstm", "learner": "tbptt", "learner_options": {"window": 8}, "audit": True},
        {"layers": 2, "learner": "crbp", "learner_options": {"window": 4}},
        {"update_options": {"p0": 0.01}, "readout": "idbd"},
        {"update": "sgd", "learning_rate": 0.1, "clip_gradient": 1.0},
        {"cell": "elman_bank", "units": 16},
    ],
    ids=str,
)
def test_every_variant_of_a_recipe_can_be_built(choices):
    """The first takes most memory, the last takes least."""
    recipe = msgspec.structs.replace(Recipe(), **choices)
    found = variants(recipe)
    assert found[0].changes == {}
    assert found[-1].name == "linear"
    assert len({variant.name for variant in found}) == len(found)
    sizes = []
    for variant in found:
        model = Forecaster(channels=2, recipe=msgspec.structs.replace(recipe, **variant.changes))
        sizes.append(model.arena.layout.nbytes)
    assert sizes[0] == max(sizes)
    assert sizes[-1] == min(sizes)


def test_the_time_of_a_row_is_that_of_a_row():
    """Measured on a lean model: more than nothing, and no more than what the whole loop takes row by row."""
    took = affordable.microseconds(Forecaster(tier="lean", units=0))
    assert 0.05 < took < 1000.0
    with pytest.raises(ModelError, match="budget"):
        Forecaster(budget=-1.0)
