"""The wheel: what a user installs has both packages, what they load at run time, and working entry points."""

from __future__ import annotations

import configparser
import importlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        yield archive


def test_top_level_names(wheel):
    names = {name.split("/")[0] for name in wheel.namelist()}
    assert {n for n in names if not n.endswith(".dist-info")} == {"streamrnn", "streamrnn_connectors"}


def test_every_source_and_asset_is_in_it(wheel):
    packed = set(wheel.namelist())
    for base, package in ((ROOT, "streamrnn"), (ROOT / "connectors", "streamrnn_connectors")):
        for path in (base / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert str(path.relative_to(base)) in packed


def test_entry_points_lead_somewhere(wheel):
    (name,) = (n for n in wheel.namelist() if n.endswith("entry_points.txt"))
    points = configparser.ConfigParser(delimiters=("=",))
    points.read_string(wheel.read(name).decode())
    assert set(points) - {"DEFAULT"} == {"console_scripts", "streamrnn.sources", "streamrnn.sinks"}
    for section in set(points) - {"DEFAULT"}:
        for target in points[section].values():
            module, attribute = target.split(":")
            assert callable(getattr(importlib.import_module(module), attribute))
