"""Table `robustness`: what it costs to choose each number ten times as large or as small as its default.

Taken are all numbers of Recipe that are not what the user asks for (horizon, level, seed). A number that is 0 by
default means "as suits the stream"; where what suits is known (AUTOMATIC), that is multiplied.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import msgspec
import numpy as np

from benchmarks.accuracy import alarms, data, forecasts, one_step
from benchmarks.accuracy.table import Options, Table, number
from benchmarks.peers import Peer, own
from streamrnn import Recipe, updates
from streamrnn.errors import ModelError

FACTORS = (0.1, 10.0)
COSTLY = {"units": (0.25, 4.0), "layers": (2.0,)}
"""Factors of what makes a row slower by the square and more: ten times as many would take days."""
ASKED_FOR = ("horizon", "level", "seed")
AUTOMATIC: dict[str, Callable[[data.Series], float]] = {
    "half_life": lambda series: 1386.0 * series.interval,
    "hold": lambda series: 20.0 * series.interval,
    "learning_rate": lambda series: updates.get(Recipe().update).usual,
}
STEPS = 24
SERIES = "ETTh2"


@dataclass(frozen=True, slots=True)
class Change:
    """One number times a factor, as far as it is allowed; nothing where `field` is empty."""

    field: str = ""
    factor: float = 1.0

    def recipe(self, series: data.Series) -> Recipe:
        """The recipe for one series. Raises ModelError where the number is not allowed."""
        if not self.field:
            return Recipe()
        default = getattr(Recipe(), self.field)
        value = (default or AUTOMATIC[self.field](series)) * self.factor
        lowest, highest = limits(self.field)
        if isinstance(default, int):
            value, lowest = round(value), max(lowest, 1)
        value = min(max(value, lowest), highest)
        try:
            return msgspec.convert(msgspec.to_builtins(Recipe()) | {self.field: value}, Recipe)
        except msgspec.ValidationError as problem:
            raise ModelError(str(problem)) from None


def limits(name: str) -> tuple[float, float]:
    """The smallest and the largest value that Recipe allows."""
    kind = msgspec.inspect.type_info(Recipe)
    assert isinstance(kind, msgspec.inspect.StructType)
    number = next(field.type for field in kind.fields if field.name == name)
    assert isinstance(number, msgspec.inspect.IntType | msgspec.inspect.FloatType)
    lowest, highest = (default if limit is None else limit
                       for limit, default in ((number.ge, -math.inf), (number.le, math.inf)))  # fmt: skip
    return lowest, highest


def numbers() -> list[str]:
    """The fields of Recipe that are tried."""
    found = []
    for field in msgspec.structs.fields(Recipe):
        default = getattr(Recipe(), field.name)
        numeric = isinstance(default, int | float) and not isinstance(default, bool)
        if numeric and field.name not in ASKED_FOR and (default or field.name in AUTOMATIC):
            found.append(field.name)
    return found


def losses(change: Change, ett: list[data.Series], nab: list[data.Series], options: Options) -> dict[str, float]:
    """MSE on ETTh2, NMAE on the real NAB series after 15 %, and the standard NAB score of all of them."""
    found = {"mse": np.nan, "nmae": np.nan, "score": np.nan}
    last = forecasts.LAST_OF_PART if options.fast else forecasts.LAST
    for series in ett:
        peer = Peer("streamrnn", "", partial(own.forecast, recipe=change.recipe(series)))
        found["mse"] = forecasts.measure(series, peer, last)[f"H={STEPS}"]
    if nab:
        said = [alarms.by_streamrnn(series, change.recipe(series)) for series in nab]
        ratios = []
        for series, answer in zip(nab, said, strict=True):
            if series.real:
                y = series.values[:, 0]
                first = max(int(one_step.LEARNED * len(y)), 1)
                ratios.append(one_step.nmae(y, np.append(answer.expected[1:], np.nan), first))
        found["nmae"] = one_step.geometric(np.array(ratios))
        labels = data.windows(options.data)
        if all(alarms.key(series) in labels for series in nab):
            found["score"] = alarms.numenta(nab, said, labels)["standard"]
    return found


def build(options: Options) -> Iterator[Table]:
    """The default, then each change."""
    ett = [series for series in data.ett(options.data) if series.name == SERIES]
    nab = data.nab(options.data)
    judged = (f"MSE {SERIES} H={STEPS}", "NMAE real NAB", "NAB standard")
    head = ["number", "default", "times", *(cell for name in judged for cell in (name, "change"))]
    table = Table("Robustness: one number at a time, ten times as large or as small", "", head)
    plain = losses(Change(), ett, nab, options)
    table.add("as it is", "", "", number(plain["mse"]), "", number(plain["nmae"]), "", number(plain["score"], 1))
    table.figures["default"] = plain
    for field in numbers():
        default = getattr(Recipe(), field)
        for factor in COSTLY.get(field, FACTORS):
            options.say(f"{table.title}: {field} × {factor:g}")
            try:
                found = losses(Change(field, factor), ett, nab, options)
            except ModelError as problem:
                table.add(field, f"{default:g}", f"{factor:g}", f"refused: {problem}")
                continue
            mse, nmae = (f"{100 * (found[k] / plain[k] - 1):+.1f} %" for k in ("mse", "nmae"))
            tried = getattr(Change(field, factor).recipe(ett[0] if ett else nab[0]), field)
            shown, times = (f"{default:g}", tried / default) if default else ("automatic", factor)
            table.add(field, shown, f"{times:g}", number(found["mse"]), mse, number(found["nmae"]), nmae,
                      number(found["score"], 1), f"{found['score'] - plain['score']:+.1f}")  # fmt: skip
            table.figures[f"{field} × {factor:g}"] = found
    yield table
