"""`streamrnn plan`: what a configuration will cost, before it is started: memory, time a row, metric series."""

from __future__ import annotations

from streamrnn.engine.fleet import Admission
from streamrnn.tasks.affordable import affordable, microseconds
from streamrnn.tasks.detect import Detector
from streamrnn.tasks.recipe import Recipe

COPIES = 3
"""A model and its two snapshots, where windows can be forgotten."""


def plan(recipe: Recipe, admission: Admission, channels: int, streams: int) -> str:
    """A table for so many streams of so many channels; known streams of the configuration count by their own channels.

    The time is measured here, by running the model that the budget allows on noise, as the daemon does when it starts.
    Raises ModelError where the model cannot be built.
    """
    kinds: dict[int, int] = {}
    for known in admission.known:
        kinds[len(known.channels)] = kinds.get(len(known.channels), 0) + 1
    if streams > 0 or not kinds:
        kinds[channels] = kinds.get(channels, 0) + max(streams, 1)
    lines = [f"{'streams':>8} {'channels':>9}  {'variant':<18} {'µs a row':>9} {'rows/s, one core':>17} {'memory':>10}"]
    total = 0
    for c, count in sorted(kinds.items()):
        if recipe.budget:
            variant, chosen, took = affordable(Detector, c, recipe)
            nbytes = Detector(c, chosen).arena.layout.nbytes
        else:
            model = Detector(c, recipe)
            variant, nbytes, took = model.variant, model.arena.layout.nbytes, microseconds(model)
        nbytes *= COPIES if recipe.undo else 1
        total += nbytes * count
        lines.append(
            f"{count:>8,} {c:>9,}  {variant:<18} {took:>9.1f} {1e6 / took:>17,.0f} {_size(nbytes * count):>10}"
        )
    undo = ", with two snapshots of each (undo)" if recipe.undo else ""
    lines += ["", f"memory of all models: {_size(total)}{undo}"]
    return "\n".join(lines)


def _size(nbytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if nbytes < 1000:
            return f"{nbytes:,.0f} {unit}" if unit == "B" else f"{nbytes:,.1f} {unit}"
        nbytes /= 1000
    return f"{nbytes:,.2f} GB"
