"""Connectors by name, a stranger's among them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from streamrnn_connectors.files import FileSource
from streamrnn_connectors.host import HostSource
from streamrnn_connectors.zeromq import ZeromqSink, ZeromqSource

from streamrnn.engine.registry import load_sink, load_source, sink_names, source_names
from streamrnn.errors import ConnectorError

STRANGER = '''
from typing import Any, ClassVar
import msgspec
import numpy as np
from streamrnn.engine.ports import Batch


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    count: int = 3


class Counter:
    """Counts, and has ended."""
    Options: ClassVar[type[msgspec.Struct]] = Options

    def __init__(self, options):
        self.left = options.count

    def next_batch(self, timeout):
        if not self.left:
            return None
        self.left -= 1
        return [Batch("count", np.array([self.left]), np.array([[1.0]]), ("value",))]

    def next_awake(self):
        return 0.0

    def snapshot(self):
        return {}

    def close(self):
        pass


class Printer:
    Options: ClassVar[type[msgspec.Struct]] = Options
    dropped = 0

    def __init__(self, options): pass
    def write(self, results): pass
    def flush(self): pass
    def close(self): pass


class Verbless:
    Options: ClassVar[type[msgspec.Struct]] = Options
    def next_batch(self, timeout): return None


class Optionless(Printer):
    Options = None
'''

ENTRY_POINTS = """
[streamrnn.sources]
counter = stranger:Counter
verbless = stranger:Verbless
absent = stranger:Absent
needy = needy:Needy

[streamrnn.sinks]
printer = stranger:Printer
optionless = stranger:Optionless
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder as pip leaves it behind: a module, and what its distribution says of itself."""
    (tmp_path / "stranger.py").write_text(STRANGER)
    (tmp_path / "needy.py").write_text("import a_library_that_is_not_there\n")
    install(tmp_path, "streamrnn-stranger", ENTRY_POINTS)
    return tmp_path


def install(site: Path, distribution: str, entry_points: str) -> None:
    info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)


def run(site: Path, code: str) -> str:
    """What `code` prints in a process that finds the stranger's distribution."""
    program = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "from streamrnn.engine.registry import load_sink, load_source, sink_names, source_names\n"
        "from streamrnn.errors import ConnectorError\n"
    )
    command = [sys.executable, "-W", "error", "-c", program + code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def failure(site: Path, call: str) -> str:
    return run(site, f"try: {call}\nexcept ConnectorError as error: print(error)\n")


def test_the_connectors_that_come_along() -> None:
    assert {"files", "host", "zeromq"} <= set(source_names())
    assert (load_source("files"), load_source("host")) == (FileSource, HostSource)
    assert (load_source("zeromq"), load_sink("zeromq")) == (ZeromqSource, ZeromqSink)
    assert "zeromq" in sink_names()


def test_a_strangers_connectors_are_found_and_keep_to_the_contract(site: Path) -> None:
    said = run(
        site,
        "from streamrnn.testing.connectors import check_sink, check_source\n"
        "Counter, Printer = load_source('counter'), load_sink('printer')\n"
        "check_source(lambda: Counter(Counter.Options(count=2)))\n"
        "check_sink(lambda: Printer(Printer.Options()))\n"
        "print(Counter.__module__, {'counter', 'files'} <= set(source_names()), 'printer' in sink_names())\n",
    )
    assert said == "stranger True True\n"


@pytest.mark.parametrize(("load", "kind"), [(load_source, "source"), (load_sink, "sink")])
def test_an_unknown_name_lists_those_that_are_installed(load, kind) -> None:
    with pytest.raises(ConnectorError) as caught:
        load("modbus")
    assert f"no {kind} of this name is installed" in str(caught.value)
    assert "'modbus'" in str(caught.value)
    assert "zeromq" in str(caught.value)


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        ("load_source('needy')", ["'needy' cannot be loaded", "streamrnn-stranger", "a_library_that_is_not_there"]),
        ("load_source('absent')", ["'absent' cannot be loaded", "stranger:Absent"]),
        ("load_source('verbless')", ["does not keep to the contract", "no next_awake, snapshot, close"]),
        ("load_sink('optionless')", ["does not keep to the contract", "Options = None"]),
    ],
)
def test_a_broken_connector_is_named(site: Path, call: str, parts: list[str]) -> None:
    said = failure(site, call)
    assert all(part in said for part in parts), said


def test_a_name_that_two_distributions_claim_is_refused(site: Path) -> None:
    install(site, "another-stranger", "[streamrnn.sources]\ncounter = stranger:Verbless\n")
    said = failure(site, "load_source('counter')")
    assert "claimed more than once" in said
    assert "another-stranger" in said
    assert "streamrnn-stranger" in said
