"""Connectors by name: whatever an installed distribution declares under `streamrnn.sources` or `streamrnn.sinks`.

A stranger's connector needs no word in this project. Its own pyproject.toml says

    [project.entry-points."streamrnn.sources"]
    modbus = "streamrnn_modbus:ModbusSource"

and `connector = "modbus"` works in a configuration.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

import msgspec

from streamrnn.engine.ports import Sink, Source
from streamrnn.errors import ConnectorError

SOURCES = "streamrnn.sources"
SINKS = "streamrnn.sinks"

_SOURCE_VERBS = ("next_batch", "next_awake", "snapshot", "close")
_SINK_VERBS = ("write", "dropped", "flush", "close")


def source_names() -> list[str]:
    """Names of the installed sources, sorted."""
    return sorted(entry_points(group=SOURCES).names)


def sink_names() -> list[str]:
    """Names of the installed sinks, sorted."""
    return sorted(entry_points(group=SINKS).names)


def load_source(name: str) -> type[Source]:
    """The source class that is installed under `name`.

    Raises ConnectorError if there is none, if two distributions claim the name, if its code or a library that it needs
    cannot be imported, or if what is found lacks a verb of `Source`.
    """
    return cast(type[Source], _load(name, SOURCES, _SOURCE_VERBS))


def load_sink(name: str) -> type[Sink]:
    """The sink class that is installed under `name`. Raises ConnectorError as `load_source` does."""
    return cast(type[Sink], _load(name, SINKS, _SINK_VERBS))


def _load(name: str, group: str, verbs: tuple[str, ...]) -> Any:
    kind = group.removeprefix("streamrnn.").removesuffix("s")
    entry = _find(name, group, kind)
    try:
        connector = entry.load()
    except Exception as error:  # a stranger's module may fail in any way
        raise ConnectorError(
            f"the {kind} {name!r} cannot be loaded",
            where=f"{_origin(entry)}: {entry.value}",
            got=f"{type(error).__name__}: {error}",
            hint="Install what it needs, or mend it" if isinstance(error, ImportError) else None,
        ) from error
    missing = [verb for verb in verbs if not hasattr(connector, verb)]
    options = getattr(connector, "Options", None)
    if missing or not (isinstance(options, type) and issubclass(options, msgspec.Struct)):
        raise ConnectorError(
            f"the {kind} {name!r} does not keep to the contract",
            where=f"{_origin(entry)}: {entry.value}",
            got=f"no {', '.join(missing)}" if missing else f"Options = {options!r}",
            expected=f"{', '.join(verbs)} and Options, a msgspec.Struct",
            hint=f"streamrnn.testing.connectors.check_{kind} tells more",
        )
    return connector


def _find(name: str, group: str, kind: str) -> EntryPoint:
    installed = entry_points(group=group)
    found = {(entry.value, _origin(entry)): entry for entry in installed if entry.name == name}
    if not found:
        raise ConnectorError(
            f"no {kind} of this name is installed",
            got=repr(name),
            expected=", ".join(sorted(installed.names)) or f"none at all is installed, not even streamrnn's {kind}s",
            hint="A connector is found once the distribution that holds it is installed (pip install …)",
        )
    if len(found) > 1:
        raise ConnectorError(
            f"the {kind} name {name!r} is claimed more than once",
            got="; ".join(sorted(f"{value} of {origin}" for value, origin in found)),
            expected="one distribution",
            hint="Uninstall all but one",
        )
    return next(iter(found.values()))


def _origin(entry: EntryPoint) -> str:
    """The distribution that declares it."""
    return entry.dist.name if entry.dist is not None else "unknown distribution"
