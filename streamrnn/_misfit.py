"""What to say of a value that does not fit its field: for configurations and recipes."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from streamrnn._options import plain

_STEP = re.compile(r"\.([^.\[]+)|\[([\d.]+)\]")
"""One step of msgspec's paths: `.key`, `[3]`, or `[...]` for some key of a table."""


class Misfit(NamedTuple):
    """What is wrong with a value.

    path      of its key, `.model.units` or `.streams[3].name`
    what      msgspec's own words
    found     what stands there, or None
    expected  type and range, where that is what is wrong
    """

    path: str
    what: str
    found: Any
    expected: str | None


def misfit(problem: msgspec.ValidationError, value: Any, kind: Any) -> Misfit:
    """What `msgspec.convert(value, kind)` has complained of."""
    what, _, steps = str(problem).partition(" - at `$")
    path, found, wanted = _follow(value, kind, steps.rstrip("`"))
    return Misfit(path, what.replace("`", "'"), found, _expectation(what, wanted))


def _follow(value: Any, kind: Any, steps: str) -> tuple[str, Any, Any]:
    """The path with keys in place of `[...]`, what stands there, and the type that it should have."""
    path = ""
    for key, place in _STEP.findall(steps):
        base = _bare(kind)
        if place == "...":
            kind = get_args(base)[-1]
            key = next((k for k, inner in value.items() if not _fits(inner, kind)), "...")
        elif key:
            kind = get_type_hints(base, include_extras=True)[key]
        else:
            kind = get_args(base)[0]
        path += f".{key}" if key else f"[{place}]"
        try:
            value = value[key] if key else value[int(place)]
        except (KeyError, IndexError, TypeError):
            value = None
    return path, value, kind


def _bare(kind: Any) -> Any:
    """A type without its Annotated."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _expectation(what: str, kind: Any) -> str | None:
    """Type and range; None where msgspec's message is of another form."""
    if what.startswith("Expected "):
        name = what.removeprefix("Expected ").replace("`", "").partition(", got ")[0]
        limits = "".join(_limits(meta) for meta in get_args(kind)[1:] if isinstance(meta, Meta))
        return f"{name.partition(' ')[0]}, {limits}" if limits else name
    if what.startswith("Invalid enum value"):
        return f"one of {', '.join(map(json.dumps, get_args(_bare(kind))))}"
    return None


def _limits(meta: Meta) -> str:
    """`0 to 1`, `0 or more`, `more than 0 and less than 1`; nothing for what is no number."""
    if meta.ge is not None and meta.le is not None:
        return f"{plain(meta.ge)} to {plain(meta.le)}"
    limits = {"{} or more": meta.ge, "more than {}": meta.gt, "{} or less": meta.le, "less than {}": meta.lt}
    return " and ".join(words.format(plain(limit)) for words, limit in limits.items() if limit is not None)
