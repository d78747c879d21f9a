"""What the documents say of cells, learners, updates and readouts is what there is; links lead somewhere."""

from __future__ import annotations

import ast
import importlib
import operator
import re
import sys
from pathlib import Path

import pytest

from streamrnn import Detector, cells, learners, readouts, updates
from streamrnn.errors import ModelError
from streamrnn.learners import Learner

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("connectors/**/*.md")])
REGISTRIES = {"cell": cells, "learner": learners, "update": updates, "readout": readouts}
PLACES = {"cell": "cells.md", "learner": "learners.md", "update": "learners.md", "readout": "learners.md"}
KINDS = {0: "none", 1: "diagonal", 2: "dense", 3: "uniform"}
N, M = 8, 2
"""Sizes at which formulas and exactness are tried: more units than `elman_ring` hears."""


def tables(name):
    """Each table of a document: a list of rows, heading → cell; without the marks of code."""
    found, rows, heads = [], [], None
    for line in [*(ROOT / "docs" / name).read_text().splitlines(), ""]:
        if not line.startswith("|"):
            if heads is not None:
                found.append(rows)
            rows, heads = [], None
            continue
        values = [v.strip().replace("\\|", "|").strip("`") for v in re.split(r"(?<!\\)\|", line.strip("|"))]
        if heads is None:
            heads = values
        elif not set(line) <= set("|-: "):
            rows.append(dict(zip(heads, values, strict=True)))
    return found


def parts(kind):
    """The one table of a document with a row a part."""
    named = {"cell": "one step", "learner": "what is carried", "update": "one step", "readout": "how a head learns"}
    (rows,) = [t for t in tables(PLACES[kind]) if kind in t[0] and named[kind] in t[0]]
    return {row[kind]: row for row in rows}


def plain(text):
    return " ".join(text.split())


def value(formula, **sizes):
    """What a formula such as `2(n + m) + 1` comes to."""
    text = re.sub(r"(\d|\))\s*(?=\(|[a-z])", r"\1*", formula)
    operators = {ast.Add: operator.add, ast.Mult: operator.mul}

    def of(node):
        if isinstance(node, ast.BinOp):
            return operators[type(node.op)](of(node.left), of(node.right))
        return sizes[node.id] if isinstance(node, ast.Name) else node.value

    return of(ast.parse(text, mode="eval").body)


# ---------------------------------------------------------------- tables of parts


@pytest.mark.parametrize("kind", REGISTRIES)
def test_the_table_has_each_part_there_is_and_no_other(kind):
    assert list(parts(kind)) == list(REGISTRIES[kind].OWN)


@pytest.mark.parametrize("kind", REGISTRIES)
def test_the_table_of_options_is_complete(kind):
    (rows,) = [t for t in tables(PLACES[kind]) if kind in t[0] and "option" in t[0]]
    expected = [
        {
            kind: name,
            "option": option.name,
            "default": f"{option.default:g}",
            "range": ("whole, " if isinstance(option.default, int) else "") + f"{option.least:g} to {option.most:g}",
            "meaning": option.meaning,
        }
        for name in REGISTRIES[kind].OWN
        for option in REGISTRIES[kind].get(name).options
    ]
    assert rows == expected


@pytest.mark.parametrize("name", cells.OWN)
def test_a_cell_is_as_described(name):
    cell, row = cells.get(name), parts("cell")[name]
    assert row["one step"] == plain(cell.equation)
    assert row["source"] == cell.source
    assert row["time"] == ("elapsed" if cell.timed else "steps")
    kinds = {block for line in cell.structure(M) for block in line} - {0} or {0}
    assert set(row["J"].split(", ")) == {KINDS[kind] for kind in kinds}
    for n, m in ((N, M), (2 * N, 5)):
        assert value(row["k"], n=n, m=m) == cell.states(m)
        assert value(row["q"], n=n, m=m, **dict(cell.chosen)) == cell.width(n, m)


@pytest.mark.parametrize("name", learners.OWN)
def test_a_learner_is_as_described(name):
    learner, row = learners.get(name), parts("learner")[name]
    assert row["what is carried"] == plain(learner.recursion)
    assert row["cost"] == learner.cost
    assert row["source"] == learner.source
    assert row["stacks"] == ("yes" if learner.stack else "no")
    assert (row["exact for"] == "right on average") is learner.unbiased
    assert (row["exact for"] == "no gradient") is not learner.learns
    if learner.learns and not learner.unbiased:
        assert exact_cells(learner) == claimed(row["exact for"])


def exact_cells(learner: Learner):
    return {name for name in cells.OWN if learner.exact(cells.get(name), N, M)}


def claimed(words):
    """The cells that words of the column "exact for" mean."""
    if words in cells.OWN:
        return {words}
    alone = {name for name in cells.OWN if cells.get(name).only(M, cells.DIAGONAL)}
    text = (ROOT / "docs" / "learners.md").read_text()
    told = re.search(r"^- \*no unit hears another\*: (.*?);", text, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`(\w+)`", told[1])) == alone
    every = set(cells.OWN)
    return {"every cell": every, "no unit hears another": alone, "all but `elman_ring": every - {"elman_ring"}}[words]


@pytest.mark.parametrize("name", updates.OWN)
def test_an_update_is_as_described(name):
    update, row = updates.get(name), parts("update")[name]
    assert row["follows"] == update.follows
    assert row["one step"] == plain(update.equation)
    assert row["usual rate"] == (f"{update.usual:g}" if update.rates else "none")
    assert row["source, and when to use it"] == update.source


@pytest.mark.parametrize("name", readouts.OWN)
def test_a_readout_is_as_described(name):
    readout, row = readouts.get(name), parts("readout")[name]
    assert row["how a head learns"] == plain(readout.equation)
    assert row["cost"] == readout.cost
    assert row["source, and when to use it"] == readout.source


def test_pairs_that_do_not_exist_are_told():
    text = (ROOT / "docs" / "learners.md").read_text()
    with pytest.raises(ModelError) as caught:
        Detector(cell="gru", learner="kf_rtrl")
    assert f"streamrnn: config.toml: model: {caught.value}" in plain(text)
    served = {name for name in cells.OWN if learners.get("kf_rtrl").refuses(cells.get(name), M) is None}
    told = re.search(r"^- `kf_rtrl` needs .*?: (.*?), no others", text, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", told[1])) == served
    refusing = [name for name in learners.OWN if name != "kf_rtrl" for cell in cells.OWN
                if learners.get(name).refuses(cells.get(cell), M)]  # fmt: skip
    assert refusing == []
    told = re.search(r"^- `layers` above 1: (.*?) only", text, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", told[1])) == {name for name in learners.OWN if learners.get(name).stack}
    told = re.search(r"^- Updates that follow the innovation \((.*?)\)", text, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", told[1])) == {n for n in updates.OWN if updates.get(n).follows == "innovation"}


def test_the_cell_of_ones_own_runs_as_it_stands(tmp_path, monkeypatch):
    """The code of docs/cells.md, as a module."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "cells.md").read_text(), re.DOTALL)
    path = tmp_path / "cell_of_ones_own.py"
    path.write_text("\n".join(blocks))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cell_of_ones_own", raising=False)
    assert importlib.import_module("cell_of_ones_own").MINE.name == "mine"


# ---------------------------------------------------------------- links


def anchors(path):
    """The anchors of a document's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    made = []
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", heading).lower()).replace(" ", "-")
        made.append(words)
    return made


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), f"{path.name} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{path.name} links to {link}; {target.name} has {anchors(target)}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_that_are_named_exist(path):
    for name in set(re.findall(r"\bdocs/[\w.]+\.(?:md|png)", path.read_text())):
        assert (ROOT / name).exists(), f"{path.name} names {name}"
