"""Every connector that comes along: the public check suite, its README, its sample."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import tomllib
import types
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest
import streamrnn_connectors
from streamrnn_connectors.files import FileSource, FileSourceOptions
from streamrnn_connectors.host import HostSource, HostSourceOptions
from streamrnn_connectors.zeromq import Sender, ZeromqSink, ZeromqSinkOptions, ZeromqSource, ZeromqSourceOptions

from streamrnn.engine.ports import Batch, Source
from streamrnn.engine.registry import load_sink, load_source, sink_names, source_names
from streamrnn.testing.connectors import SINK_CHECKS, SOURCE_CHECKS, SinkCase, SourceCase
from streamrnn.testing.scripted import ScriptedSource

HOME = Path(next(iter(streamrnn_connectors.__path__)))
ANY_PORT = "tcp://127.0.0.1:*"
TIME = np.array([1, 2, 3, 4], dtype=np.int64) * 10**9
VALUES = np.array([[1.0, 2.0], [3.0, np.nan], [5.0, 6.0], [7.0, 8.0]])
PUMP = Batch("pump-3", TIME, VALUES, ("pressure", "flow"), 0)


def own(batch: Batch) -> Batch:
    return Batch(batch.stream, batch.time.copy(), batch.values.copy(), batch.channels, batch.sequence)


def scripted(_: Path) -> SourceCase:
    return SourceCase(lambda: ScriptedSource([own(PUMP)]), expected=[PUMP])


def zeromq(_: Path) -> SourceCase:
    def feed(source: Source) -> None:
        assert isinstance(source, ZeromqSource)
        with Sender(source.endpoint) as sender:
            sender.send_block(PUMP.stream, PUMP.time[:3], PUMP.values[:3], channels=PUMP.channels)
            sender.send_block(PUMP.stream, PUMP.time[3:], PUMP.values[3:])

    return SourceCase(lambda: ZeromqSource(ZeromqSourceOptions(bind=ANY_PORT)), feed, [PUMP])


def host(_: Path) -> SourceCase:
    return SourceCase(lambda: HostSource(HostSourceOptions(every=0.02)))


def files(folder: Path) -> SourceCase:
    path = folder / "pump-3.csv"
    path.write_text("t,pressure,flow\n1,1,2\n2,3,\n3,5,6\n4,7,8\n")
    return SourceCase(lambda: FileSource(FileSourceOptions(path=str(path))), expected=[PUMP])


SOURCES: dict[str, Callable[[Path], SourceCase]] = {
    "scripted": scripted,
    "zeromq": zeromq,
    "host": host,
    "files": files,
}
SINKS = {
    "zeromq, nobody subscribed": lambda: ZeromqSink(ZeromqSinkOptions(bind=ANY_PORT)),
    "zeromq, nobody pulls": lambda: ZeromqSink(ZeromqSinkOptions(socket="push", bind=ANY_PORT, encoding="messagepack")),
}


@pytest.mark.parametrize("check", SOURCE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", SOURCES)
def test_source(name: str, check: Callable[[SourceCase], None], tmp_path: Path) -> None:
    check(SOURCES[name](tmp_path))


@pytest.mark.parametrize("check", SINK_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", SINKS)
def test_sink(name: str, check: Callable[[SinkCase], None]) -> None:
    check(SinkCase(SINKS[name]))


def test_every_installed_connector_is_checked_here() -> None:
    assert set(source_names()) <= set(SOURCES)
    assert {name.split(",")[0] for name in SINKS} == set(sink_names())


def test_the_examples_in_docstrings_hold() -> None:
    tried = 0
    for found in pkgutil.walk_packages([str(HOME)], "streamrnn_connectors."):
        results = doctest.testmod(importlib.import_module(found.name))
        assert results.failed == 0, found.name
        tried += results.attempted
    assert tried > 0


CONNECTORS = [("sources", name) for name in source_names()] + [("sinks", name) for name in sink_names()]


def options_of(kind: str, name: str) -> type[msgspec.Struct]:
    return (load_source if kind == "sources" else load_sink)(name).Options


@pytest.mark.parametrize(("kind", "name"), CONNECTORS)
def test_the_sample_is_a_configuration(kind: str, name: str) -> None:
    tables = tomllib.loads((HOME / name / "sample.toml").read_text())[kind]
    assert tables
    for table in tables:
        assert table.pop("connector") == name
        msgspec.convert(table, options_of(kind, name))


def struct_within(annotation: object) -> type[msgspec.Struct] | None:
    """The struct that a field holds, alone or in a tuple."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, msgspec.Struct) else None
    return next(filter(None, map(struct_within, get_args(annotation))), None)


@pytest.mark.parametrize(("kind", "name"), CONNECTORS)
def test_the_readme_has_every_option_with_its_default(kind: str, name: str) -> None:
    readme = (HOME / name / "README.md").read_text()
    section = readme[readme.index("Sink options" if kind == "sinks" else "ptions") :]
    for field in msgspec.structs.fields(options_of(kind, name)):
        row = re.search(rf"^\| `{field.name}` \| (.*?) \|", section, re.MULTILINE)
        assert row, f"{name}/README.md has no row for {field.name}"
        if field.default not in (msgspec.NODEFAULT, "", ()) or isinstance(field.default, bool):
            default = msgspec.json.encode(field.default).decode().replace('","', '", "')
            assert row[1] == f"`{default}`", field.name
        inner = struct_within(field.type)
        for inner_field in msgspec.structs.fields(inner) if inner else ():
            assert f"`{inner_field.name}`" in readme
