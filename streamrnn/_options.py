"""Options of parts: numbers that a cell, a learner or an update lets its user choose, with their ranges."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import NamedTuple

from streamrnn.errors import ModelError


class Option(NamedTuple):
    """One number to choose.

    A default that is an int asks for whole numbers. `least` and `most` belong to the range.
    """

    name: str
    default: float
    least: float
    most: float
    meaning: str


def choose(owner: str, options: Sequence[Option], given: Mapping[str, float]) -> dict[str, float]:
    """Every option of `owner` with the value given for it, else its default.

    Raises ModelError naming the option, the value and the range, or the options that there are.
    """
    names = [option.name for option in options]
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            raise ModelError(
                f"{owner} has no option {name!r}",
                got=repr(name),
                expected="one of " + ", ".join(names) if names else "no options",
                hint=f"Did you mean {near[0]!r}?" if near else None,
            )
    return {option.name: _checked(owner, option, given.get(option.name, option.default)) for option in options}


def _checked(owner: str, option: Option, value: float) -> float:
    whole = isinstance(option.default, int)
    expected = f"{'a whole number, ' if whole else ''}{option.least:g} to {option.most:g}"
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not option.least <= value <= option.most or (whole and value != int(value)):
        what = "is out of range" if number else "is not a number"
        raise ModelError(f"option {option.name!r} of {owner} {what}", got=plain(value), expected=expected,
                         hint=option.meaning)  # fmt: skip
    return int(value) if whole else float(value)


def plain(value: object) -> str:
    """A number as one writes it: 3 for 3.0, which is what a table of options holds; anything else by its repr."""
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else repr(value)
