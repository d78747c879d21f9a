"""`streamrnn explain`: the assembled model in words, from what its parts say of themselves."""

from __future__ import annotations

import textwrap

from streamrnn.readouts import RLS
from streamrnn.tasks._scoring import AUTO_HOLD
from streamrnn.tasks.detect import Detector
from streamrnn.tasks.recipe import AUTO_HALF_LIFE, Recipe

WIDTH = 100
MARGIN = 16


def explain(recipe: Recipe) -> str:
    """Paragraphs on each part of a model of this recipe. Raises ModelError where it cannot be built."""
    detector = Detector(1, recipe)
    net = detector.model
    exact = net.learner.is_exact(net.cell)
    kind = "exact" if exact else "an approximation"
    size = f"{net.n} units of {net.q} parameters, {net.cell.states * net.n} numbers of state"
    half_life = f"{recipe.half_life:g} s" if recipe.half_life else f"{AUTO_HALF_LIFE:g} typical intervals"
    hold = f"{recipe.hold:g} s" if recipe.hold else f"{AUTO_HOLD:g} typical intervals"
    paragraphs = [
        ("cell", f"{net.cell.name}: {net.cell.equation}"),
        ("", f"{size}. {net.cell.source}"),
        ("learner", f"{net.learner.name}: {net.learner.recursion}"),
        ("", f"Its gradient for this cell is {kind}{', the weights held still' if exact else ''}."),
        ("", f"Cost: {net.learner.cost}. {net.learner.source}"),
        ("update", f"{net.update.name}, rate {recipe.learning_rate:g}: {net.update.equation}"),
        ("", net.update.source),
        ("readout", f"{RLS.name}: {RLS.equation}"),
        ("", f"Features: the state, {detector.lags} past changes of each channel, level, bias. {RLS.source}"),
        ("forecast", f"1 … {recipe.horizon} samples ahead: persistence and the net, mixed by what each has missed by."),
        ("bands", f"cover {recipe.level:.0%} of the values, by online conformal quantiles."),
        ("forgetting", f"what was learned counts half after {half_life}."),
        ("alarm", f"raised at a surprise of {recipe.threshold:g} nats, which is the score 0.5;"),
        ("", f"ended when the surprise has stayed below half of that for {hold}."),
        ("precision", f"{recipe.dtype}; levels, scales and times are float64 in any case."),
        ("memory", f"{detector.snapshot().nbytes:,} bytes for a stream of one channel."),
    ]
    return "\n".join(_paragraph(title, text) for title, text in paragraphs)


def _paragraph(title: str, text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=title.ljust(MARGIN), subsequent_indent=" " * MARGIN)
