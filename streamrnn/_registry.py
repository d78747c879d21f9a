"""Finds a named part (cell, learner, update) among our own modules, then among installed plug-ins."""

from __future__ import annotations

import difflib
import importlib
from importlib.metadata import entry_points
from typing import Any

from streamrnn.errors import ModelError


def find(kind: str, name: str, own: dict[str, str]) -> Any:
    """The part called `name`.

    kind    "cell", "learner" or "update": for messages, and streamrnn.<kind>s is the entry-point group of plug-ins
    own     name → "module:attribute"

    Raises ModelError naming what there is.
    """
    path = own.get(name)
    if path is None:
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
    module, attribute = path.split(":")
    return getattr(importlib.import_module(module), attribute)
