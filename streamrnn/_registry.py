"""Finds a named part (cell, learner, update, readout) among our own modules, then among installed plug-ins."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from streamrnn._options import choose
from streamrnn.errors import ModelError


def find(kind: str, name: str, own: dict[str, str], options: Mapping[str, float] | None = None) -> Any:
    """The part called `name`, built with these options; those not given have their defaults.

    kind    "cell", "learner", "update" or "readout": for messages, and streamrnn.<kind>s is the entry-point group of
            plug-ins
    own     name → "module:attribute"

    Raises ModelError naming what there is, or the option, its value and its range.
    """
    part = _load(kind, name, own)
    chosen = choose(f"{kind} {name}", part.options, options or {})
    return part if part.make is None else part.make(**chosen)


def _load(kind: str, name: str, own: dict[str, str]) -> Any:
    path = own.get(name)
    if path is not None:
        module, attribute = path.split(":")
        return getattr(importlib.import_module(module), attribute)
    for point in entry_points(group=f"streamrnn.{kind}s"):
        if point.name == name:
            return point.load()
    known = sorted({*own, *(p.name for p in entry_points(group=f"streamrnn.{kind}s"))})
    near = difflib.get_close_matches(name, known, 1)
    raise ModelError(
        f"no {kind} of this name",
        got=repr(name),
        expected="one of " + ", ".join(known),
        hint=f"Did you mean {near[0]!r}?" if near else None,
    )
