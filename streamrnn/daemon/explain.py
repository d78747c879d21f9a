"""`streamrnn explain`: the assembled model in words, from what its parts say of themselves."""

from __future__ import annotations

import textwrap

from streamrnn.cells import Cell
from streamrnn.kernels.event import AUTO_HOLD
from streamrnn.learners import Learner
from streamrnn.readouts import Readout
from streamrnn.tasks.detect import Detector
from streamrnn.tasks.recipe import AUTO_HALF_LIFE, Recipe
from streamrnn.updates import Update

WIDTH = 100
MARGIN = 16


def explain(recipe: Recipe) -> str:
    """Paragraphs on each part of a model of this recipe. Raises ModelError where it cannot be built."""
    detector = Detector(1, recipe)
    net = detector.model
    readout = detector.readout
    kind = "exact, the weights held still" if net.exact else "an approximation"
    if net.learner.unbiased:
        kind += ", right on average"
    stack = f"{net.layers} layers of " if net.layers > 1 else ""
    size = f"{stack}{net.n} units of {net.q} parameters, {net.layers * net.k * net.n} numbers of state"
    half_life = f"{recipe.half_life:g} s" if recipe.half_life else f"{AUTO_HALF_LIFE:g} typical intervals"
    hold = f"{recipe.hold:g} s" if recipe.hold else f"{AUTO_HOLD:g} typical intervals"
    inside = [
        ("cell", f"{_titled(net.cell)}: {net.cell.equation}"),
        ("", f"{size}, for each channel. {_time(net.cell)} {net.cell.source}"),
        ("learner", f"{_titled(net.learner)}: {net.learner.recursion}"),
        ("", f"Its gradient for this cell is {kind}." if net.learner.learns else "The recurrent weights never move."),
        ("", f"Cost: {net.learner.cost}. Here some {net.representation.work:,.0f} multiply-adds a row."),
        ("", net.learner.source),
        *([("", "Audited: the cosine to the exact gradient is estimated live.")] if recipe.audit else []),
        *(_update(net.update, recipe) if net.learner.learns else []),
    ]
    state = "the state, its products with levels, " if recipe.units else ""
    paragraphs = [
        *(inside if recipe.units else [("cell", "none (units = 0).")]),
        ("readout", f"{_titled(readout)}: {readout.equation}"),
        ("", f"Features: {state}{recipe.lags} past changes, level, short mean, bias, size of the last change."),
        ("", f"Cost: {readout.cost}. {readout.source}"),
        ("forecast", f"1 … {recipe.horizon} samples ahead, {_experts(recipe)}"),
        (
            "",
            f"Mixed for the smallest {'squared' if recipe.aim == 'mean' else 'absolute'} error, by what each has lost.",
        ),
        *_seasons(recipe),
        ("bands", f"cover {recipe.level:.0%} of the values, by online conformal quantiles."),
        ("forgetting", f"what was learned counts half after {half_life}."),
        ("alarm", f"raised as often as noise alone would {recipe.alarms_per_week:g} times a week;"),
        ("", f"resolved when the surprise has stayed low for {hold}. Odd rows: {recipe.governor}."),
        ("precision", f"{recipe.dtype}; levels, scales and times are float64 in any case."),
        ("memory", f"{detector.snapshot().nbytes:,} bytes for a stream of one channel."),
    ]
    return "\n".join(_paragraph(title, text) for title, text in paragraphs)


def _measure(recipe: Recipe) -> str:
    return "squared" if recipe.aim == "mean" else "absolute"


def _experts(recipe: Recipe) -> str:
    net = "net and readout" if recipe.units else "readout"
    if recipe.tier == "lean":
        return f"by persistence, an autoregression, and {net}."
    return f"by persistence, an autoregression, {net}, what came a season ago, and a wide linear expert."


def _seasons(recipe: Recipe) -> list[tuple[str, str]]:
    if recipe.tier == "lean":
        return []
    clock = f" Hours and weekdays are those of {recipe.clock}." if recipe.clock else ""
    text = f"The wide expert sees lags, means, seasons that are found online, and other channels that help.{clock}"
    return [("", text)]


def _titled(part: Cell | Learner | Update | Readout) -> str:
    chosen = ", ".join(f"{name} {value:g}" for name, value in part.chosen)
    return f"{part.name} ({chosen})" if chosen else part.name


def _time(cell: Cell) -> str:
    if not cell.timed:
        return "It counts samples, whatever the time between them."
    return f"It takes the elapsed time into account, in {'seconds' if cell.seconds else 'typical intervals'}."


def _update(update: Update, recipe: Recipe) -> list[tuple[str, str]]:
    rate = f", rate {recipe.learning_rate or update.usual:g}" if update.rates else ""
    return [("update", f"{_titled(update)}{rate}: {update.equation}"), ("", update.source)]


def _paragraph(title: str, text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=title.ljust(MARGIN), subsequent_indent=" " * MARGIN)
