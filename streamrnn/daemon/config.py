"""The configuration file: TOML in, a checked `Config` out. docs/configuration.md has the tables of all keys."""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NoReturn, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta

from streamrnn import cells, learners, readouts, updates
from streamrnn._misfit import misfit
from streamrnn._options import Option, choose
from streamrnn.daemon.backfill import Backfill, FilePart, Part, Plan, query_parts
from streamrnn.engine.discoveries import Discovery
from streamrnn.engine.fleet import Admission
from streamrnn.engine.loop import detector
from streamrnn.engine.maintenance import Maintenance
from streamrnn.engine.metrics import Exposure
from streamrnn.engine.ports import Sink, Source
from streamrnn.engine.registry import load_sink, load_source
from streamrnn.errors import ConfigError, ConnectorError, ModelError
from streamrnn.tasks.recipe import Recipe

C = TypeVar("C", Source, Sink)
_PARTS: dict[str, Callable[..., Any]] = {
    "cell": cells.get, "learner": learners.get, "update": updates.get, "readout": readouts.get,
}  # fmt: skip


class Http(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where `/metrics` and `/healthz` are served, and orders are taken. The `[http]` table."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 9757
    """Port to listen on; 0: any free one, which the log names."""
    insecure: bool = False
    """Must be true for a host that other machines reach: there is neither password nor encryption."""
    control: bool | None = None
    """Whether `accept` and `forget` are taken; none: only where no other machine reaches the host."""


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is logged, to standard output. The `[log]` table."""

    format: Literal["text", "json"] = "text"
    """Lines for people, or one JSON object a line."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged: debug, info, warning, error."""
    every: Annotated[float, Meta(ge=0.0)] = 60.0
    """Seconds between two status tables; 0: none."""


class Tables(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file as it stands."""

    model: Recipe = Recipe()
    """What each stream's model is made of."""
    streams: Admission = Admission()
    """Which streams are taken in."""
    alarms: Discovery = Discovery()
    """Which events are told of all streams together."""
    http: Http = Http()
    """Where metrics and health are served."""
    metrics: Exposure = Exposure()
    """Which streams have metrics of their own."""
    log: Log = Log()
    """What is logged."""
    backfill: Backfill = Backfill()
    """What is learned before the first live sample."""
    maintenance: tuple[Maintenance, ...] = ()
    """When which streams' alarms or learning are muted."""
    sources: tuple[dict[str, Any], ...] = ()
    """Where samples come from: `connector` and the keys of that connector."""
    sinks: tuple[dict[str, Any], ...] = ()
    """Where results go: `connector` and the keys of that connector."""


@dataclass(frozen=True, slots=True)
class Connection(Generic[C]):
    """A connector that is to be opened."""

    name: str
    """The connector's name; with -2, -3 … where it is used again."""
    connector: type[C]
    options: msgspec.Struct

    def open(self) -> C:
        """Build it. Raises ConnectorError where it cannot be opened."""
        build: Callable[[msgspec.Struct], C] = self.connector
        return build(self.options)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that a daemon is told."""

    model: Recipe
    streams: Admission
    alarms: Discovery
    http: Http
    metrics: Exposure
    log: Log
    backfill: Plan
    maintenance: tuple[Maintenance, ...]
    sources: tuple[Connection[Source], ...]
    sinks: tuple[Connection[Sink], ...]


def load(path: Path, *, for_daemon: bool = True) -> Config:
    """Read and check a file; for_daemon=False: one without sources will do, for commands that open none.

    Raises ConfigError naming file, key path, what was found and what was expected.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ConfigError("cannot be read", where=str(path), got=problem.strerror) from problem
    except UnicodeDecodeError as problem:
        raise ConfigError("is not UTF-8 text", where=str(path), got=f"byte {problem.start}") from problem
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError("is not TOML", where=str(path), got=problem) from problem
    return parse(tables, str(path), for_daemon=for_daemon)


def parse(tables: Mapping[str, Any], file: str, *, for_daemon: bool = True) -> Config:
    """Check tables as `tomllib` gives them; `file` stands in messages. Raises ConfigError."""
    checked = _convert(tables, Tables, file, "")
    loopback = is_loopback(checked.http.host)
    if not loopback and not checked.http.insecure:
        raise ConfigError(
            "this address is open to other machines",
            where=f"{file}: http.host",
            got=checked.http.host,
            expected="127.0.0.1, ::1 or localhost",
            hint="Where that is meant, set http.insecure = true: there is neither password nor encryption",
        )
    if for_daemon and not checked.sources:
        raise ConfigError(
            "has no source of samples", where=f"{file}: sources", expected="at least one [[sources]] table"
        )
    _check_model(checked.model, f"{file}: model")
    return Config(
        model=checked.model,
        streams=checked.streams,
        alarms=checked.alarms,
        http=msgspec.structs.replace(
            checked.http, control=loopback if checked.http.control is None else checked.http.control
        ),
        metrics=checked.metrics,
        log=checked.log,
        backfill=Plan(tuple(_past(checked.backfill, file)), checked.backfill.required),
        maintenance=checked.maintenance,
        sources=tuple(_connections(checked.sources, load_source, file, "sources")),
        sinks=tuple(_connections(checked.sinks, load_sink, file, "sinks")),
    )


def _check_model(recipe: Recipe, where: str) -> None:
    """Raise ConfigError with the key at fault, where no model can be built."""
    for kind, get in _PARTS.items():
        name, given = getattr(recipe, kind), getattr(recipe, f"{kind}_options")
        try:
            part = get(name)
        except ModelError as problem:
            _refuse(problem, f"{where}.{kind}")
        try:
            get(name, given)
        except ModelError as problem:
            _refuse(problem, f"{where}.{kind}_options{_at_fault(problem, part.options, given)}")
    try:
        detector(("a",), recipe)
    except ModelError as problem:  # of two keys that do not fit each other, or of the one that `got` names
        key = str(problem.got).partition(" = ")[0]
        _refuse(problem, f"{where}.{key}" if key in recipe.__struct_fields__ else where)


def _refuse(problem: ModelError, where: str) -> NoReturn:
    raise ConfigError(
        problem.what, where=where, got=problem.got, expected=problem.expected, hint=problem.hint
    ) from problem


def _at_fault(problem: ModelError, options: Sequence[Option], given: Mapping[str, float]) -> str:
    """`.name` of the option that is wrong by itself, else of the one that the message names."""
    for name, value in given.items():
        try:
            choose("", options, {name: value})
        except ModelError:
            return f".{name}"
    return next((f".{option.name}" for option in options if repr(option.name) in problem.what), "")


def _connections(
    tables: Sequence[dict[str, Any]], find: Callable[[str], type[C]], file: str, key: str
) -> Iterator[Connection[C]]:
    used: dict[str, int] = {}
    for place, table in enumerate(tables):
        path = f"{key}[{place}]"
        name = table.get("connector")
        if not isinstance(name, str):
            raise ConfigError(
                "the connector's name", where=f"{file}: {path}.connector", got=_show(name), expected="a text"
            )
        try:
            connector = find(name)
        except ConnectorError as problem:
            raise ConfigError(str(problem), where=f"{file}: {path}.connector") from problem
        own = {k: v for k, v in table.items() if k != "connector"}
        options = _convert(own, connector.Options, file, path)
        used[name] = used.get(name, 0) + 1
        yield Connection(name if used[name] == 1 else f"{name}-{used[name]}", connector, options)


def _past(table: Backfill, file: str) -> Iterator[Part]:
    for place, entry in enumerate(table.files):
        path = f"backfill.files[{place}]"
        own = {"path": entry} if isinstance(entry, str) else entry
        try:
            connector = load_source("files")
        except ConnectorError as problem:
            raise ConfigError(str(problem), where=f"{file}: {path}") from problem
        options = _convert(own, connector.Options, file, path)
        yield FilePart(f"{file}: {path}", connector, options, str(own["path"]))
    yield from query_parts(table, f"{file}: backfill")


T = TypeVar("T", bound=msgspec.Struct)


def _convert(table: Mapping[str, Any], kind: type[T], file: str, path: str) -> T:
    _check_keys(table, kind, file, path)
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as problem:
        wrong = misfit(problem, table, kind)
        full = (path + wrong.path).lstrip(".")
        raise ConfigError(
            "wrong value" if wrong.expected else wrong.what,
            where=f"{file}: {full}" if full else file,
            got=None if isinstance(wrong.found, Mapping) else _show(wrong.found),
            expected=wrong.expected,
        ) from problem


def _check_keys(value: Any, kind: Any, file: str, path: str) -> None:
    """Raise ConfigError at the first key that its table does not have, with the nearest one that it has."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(value, Mapping):
        fields = {field.encode_name: field.name for field in msgspec.structs.fields(kind)}
        hints = get_type_hints(kind)
        for key, inner in value.items():
            full = f"{path}.{key}".lstrip(".")
            if key not in fields:
                near = difflib.get_close_matches(key, fields, n=1)
                raise ConfigError(
                    "unknown key",
                    where=f"{file}: {full}",
                    expected=f"one of {', '.join(sorted(fields))}" if fields else "no key at all",
                    hint=f"Did you mean {near[0]!r}?" if near else None,
                )
            _check_keys(inner, hints[fields[key]], file, full)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            for element in get_args(kind)[:1]:
                _check_keys(inner, element, file, f"{path}[{place}]")


def _show(value: Any) -> str:
    """A value as TOML would have it, near enough; of an address without its password."""
    return "nothing" if value is None else re.sub(r"//[^\s\"]*@", "//", json.dumps(value, default=str))


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
