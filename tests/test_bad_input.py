"""A model that cannot be built is refused when it is made, in words that name the key, what was got and what fits.

Every case is tried on a Detector, and as a configuration file that `streamrnn check` reads.
"""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

import msgspec
import pytest

from streamrnn import Detector, Recipe, cells
from streamrnn.daemon import cli
from streamrnn.errors import ModelError


class Case(NamedTuple):
    """choices of the model; the key at fault, below `model`; words of the message, of which a tuple are any."""

    choices: dict[str, Any]
    key: str
    words: tuple[str | tuple[str, ...], ...]


def option(of: str, key: str, got: str, expected: str, **choices: Any) -> Case:
    """A wrong option `key`, of what is called `of`."""
    kind = of.partition(" ")[0]
    return Case(choices, f"{kind}_options.{key}", (f"'{key}'", of, f"got {got}", f"expected {expected}"))


BANK = {"cell": "elman_bank"}
LEAKY = {"cell": "leaky"}
TBPTT = {"learner": "tbptt"}
DEKF = {"update": "dekf"}
CASES = {
    # sizes
    "units -1": Case({"units": -1}, "units", ("-1", ("expected int, 0 to 4096", "`int` >= 0"))),
    "units 4097": Case({"units": 4097}, "units", ("4097", ("expected int, 0 to 4096", "`int` <= 4096"))),
    "units 1.5": Case({"units": 1.5}, "units", ("1.5", ("expected int, 0 to 4096", "`int`"))),
    "layers 0": Case({"layers": 0}, "layers", ("0", ("expected int, 1 to 64", "`int` >= 1"))),
    "layers 65": Case({"layers": 65}, "layers", ("65", ("expected int, 1 to 64", "`int` <= 64"))),
    "half a block": Case(BANK | {"units": 12}, "units", ("elman_bank", "got units = 12", "expected a multiple of 8")),
    "half a block of 3": Case(
        BANK | {"units": 7, "cell_options": {"block": 3}}, "units", ("got units = 7", "expected a multiple of 3")
    ),
    # options of a cell
    "block 0": option("cell elman_bank", "block", "0", "a whole number, 1 to 256", **BANK, cell_options={"block": 0}),
    "block 2.5": option(
        "cell elman_bank", "block", "2.5", "a whole number, 1 to 256", **BANK, cell_options={"block": 2.5}
    ),
    "block x": Case(BANK | {"cell_options": {"block": "x"}}, "cell_options.block", ("block", "x", "float")),
    "block true": Case(BANK | {"cell_options": {"block": True}}, "cell_options.block", ("block", "float")),
    "options 3": Case({"cell_options": 3}, "cell_options", ("cell_options", "3", "object")),
    "shortest -1": option("cell leaky", "shortest", "-1", "0 to 1e+09", **LEAKY, cell_options={"shortest": -1}),
    "shortest nan": option("cell leaky", "shortest", "nan", "0 to 1e+09", **LEAKY, cell_options={"shortest": math.nan}),
    "longest inf": option(
        "cell leaky", "longest", "inf", "0 to 1e+09", **LEAKY, cell_options={"shortest": 1, "longest": math.inf}
    ),
    "longest < shortest": option(
        "cell leaky", "longest", "2", "5 to 1e+09", **LEAKY, cell_options={"shortest": 5, "longest": 2}
    ),
    "shortest alone": option("cell lru", "longest", "0", "more than 0", cell="lru", cell_options={"shortest": 5}),
    "longest alone": option("cell rtu", "shortest", "0", "more than 0", cell="rtu", cell_options={"longest": 5}),
    "density 2": option("cell reservoir", "density", "2", "0 to 1", cell="reservoir", cell_options={"density": 2}),
    # options of a learner, an update, a readout
    "window 0": option("learner tbptt", "window", "0", "a whole number, 1 to 4096", **TBPTT,
                       learner_options={"window": 0}),
    "stride > window": option("learner tbptt", "stride", "5", "1 to 4", **TBPTT,
                              learner_options={"window": 4, "stride": 5}),
    "order 0": option("learner snap", "order", "0", "a whole number, 1 to 64", learner="snap",
                      learner_options={"order": 0}),
    "p0 nan": option("update dekf", "p0", "nan", "1e-06 to 1000", **DEKF, update_options={"p0": math.nan}),
    "beta 1": option("update momentum", "beta", "1", "0 to 0.9999", update="momentum", update_options={"beta": 1}),
    "tau 0": option("readout autostep", "tau", "0", "1 to 1e+09", readout="autostep", readout_options={"tau": 0}),
    # names that there are not
    "no such cell": Case({"cell": "elmann"}, "cell", ("no cell", "'elmann'", "Did you mean 'elman'?", "gru")),
    "no such learner": Case({"learner": "rttl"}, "learner", ("no learner", "'rttl'", "Did you mean 'rtrl'?", "snap1")),
    "no such update": Case({"update": "admm"}, "update", ("no update", "'admm'", "Did you mean 'adam'?", "dekf")),
    "no such readout": Case({"readout": "rsl"}, "readout", ("no readout", "'rsl'", "Did you mean 'rls'?", "idbd")),
    "no such option": Case(
        TBPTT | {"learner_options": {"wndow": 3}}, "learner_options.wndow",
        ("learner tbptt has no option 'wndow'", "expected one of window, stride", "Did you mean 'window'?"),
    ),
    "no options at all": Case(
        {"learner_options": {"window": 3}}, "learner_options.window",
        ("learner rtrl has no option 'window'", "expected no options"),
    ),
    # parts that do not fit each other
    "kf_rtrl on gru": Case(
        {"cell": "gru", "learner": "kf_rtrl"}, "",
        ("learner kf_rtrl cannot serve the cell gru", "one of the learners rtrl, hybrid, snap1", "tbptt"),
    ),
    "snap1 of two layers": Case(
        {"learner": "snap1", "layers": 2}, "",
        ("learner snap1 cannot serve the cell elman", "2 layers", "one of the learners rtrl, crbp"),
    ),
    "an audit of nothing": Case(
        {"learner": "frozen", "audit": True}, "", ("audit", "learner frozen", "a learner that learns")
    ),
    "clipping for dekf": Case(
        DEKF | {"clip_gradient": 5.0}, "clip_gradient",
        ("update dekf does not follow a gradient", "got clip_gradient = 5", "expected clip_gradient = 0"),
    ),
    "strides for dekf": Case(
        DEKF | TBPTT | {"learner_options": {"stride": 2}}, "",
        ("update dekf", "tbptt", "stride", "2", "expected stride", "follows the gradient"),
    ),
    "strides for obgd": Case(
        TBPTT | {"update": "obgd", "learner_options": {"stride": 2}}, "", ("update obgd", "expected stride")
    ),
    "an audit of gathered gradients": Case(
        TBPTT | {"learner_options": {"stride": 2}, "audit": True}, "audit",
        ("cannot be audited", "got audit = true, learner tbptt with window 32, stride 2", "stride 1"),
    ),
    "innovations through random weights": Case(
        DEKF | {"learner": "rflo"}, "", ("update dekf needs the slope", "learner rflo", "follows the gradient")
    ),
    # choices that would do nothing
    "a rate for dekf": Case(
        DEKF | {"learning_rate": 0.5}, "learning_rate", ("update dekf has no rate", "learning_rate = 0.5")
    ),
    "an update for frozen": Case(
        {"learner": "frozen", "update": "momentum"}, "update",
        ("learner frozen", "update = momentum", "expected no update"),
    ),
    "a rate for frozen": Case(
        {"learner": "frozen", "learning_rate": 0.7}, "learning_rate", ("learner frozen", "learning_rate = 0.7")
    ),
    "a learner without a net": Case(
        {"units": 0, "learner": "uoro"}, "learner",
        ("without a net (units = 0)", "learner = uoro", "expected no learner", "units = 1 or more"),
    ),
    "an update without a net": Case(
        {"units": 0, "update": "momentum"}, "update", ("without a net (units = 0)", "update = momentum")
    ),
    "a cell without a net": Case({"units": 0, "cell": "gru"}, "cell", ("without a net (units = 0)", "cell = gru")),
    "layers without a net": Case({"units": 0, "layers": 2}, "layers", ("without a net (units = 0)", "layers = 2")),
    "an audit without a net": Case({"units": 0, "audit": True}, "audit", ("without a net (units = 0)", "audit = True")),
    "a window between layers of one": Case(
        {"learner": "crbp", "learner_options": {"window": 9}}, "", ("learner crbp", "layers = 1", "2 or more")
    ),
    # sizes that only together are too large
    "4096 dense units": Case(
        {"units": 4096}, "units", ("GiB is too large", "units = 4096, layers = 1, learner rtrl", "8 GiB at the most")
    ),
    "one filter of all weights": Case(
        DEKF | {"units": 512, "update_options": {"group": 1}}, "units", ("GiB is too large", "units = 512")
    ),
    # rates and other numbers
    "rate -1": Case({"learning_rate": -1}, "learning_rate", ("-1", ("expected float, 0 to 1", "`float` >= 0"))),
    "rate 2": Case({"learning_rate": 2}, "learning_rate", ("2", ("expected float, 0 to 1", "`float` <= 1"))),
    "rate fast": Case({"learning_rate": "fast"}, "learning_rate", ("fast", ("expected float, 0 to 1", "`float`"))),
    "rate nan": Case(
        {"learning_rate": math.nan}, "learning_rate", (("nan", "NaN"), ("expected float, 0 to 1", "`float`"))
    ),
    "level 1": Case(
        {"level": 1}, "level", ("1", ("expected float, more than 0 and less than 1", "`float` < 1"))
    ),
    "lags 129": Case({"lags": 129}, "lags", ("129", ("expected int, 0 to 128", "`int` <= 128"))),
    "tier rich": Case({"tier": "rich"}, "tier", ("rich",)),
    "budget -1": Case({"budget": -1.0}, "budget", ("-1", ("expected float, 0 to 1000000", "`float` >= 0"))),
    "no alarms at all": Case(
        {"alarms_per_week": 0.0}, "alarms_per_week", ("0", ("expected float, more than 0", "`float` > 0"))
    ),
    "governor never": Case({"governor": "never"}, "governor", ("never",)),
    "direction sideways": Case({"direction": "sideways"}, "direction", ("sideways",)),
    "a deviation below 0": Case(
        {"least_deviation": -1.0}, "least_deviation", ("-1", ("expected float, 0 or more", "`float` >= 0"))
    ),
    "a refusal below 0": Case(
        {"refuse_at_most": -1.0}, "refuse_at_most", ("-1", ("expected float, 0 to 1000000000000", "`float` >= 0"))
    ),
    "a range of nothing": Case(
        {"lowest": 5.0, "highest": 3.0}, "lowest", ("lowest = 5", "less than highest = 3")
    ),
    "a range from nan": Case({"lowest": math.nan}, "lowest", ("lowest = nan", "a number")),
    "a range to nan": Case({"highest": math.nan}, "highest", ("highest = nan", "a number")),
    "half-life nan": Case(
        {"half_life": math.nan}, "half_life", (("nan", "NaN"), ("expected float, 0 to", "`float`"))
    ),
}  # fmt: skip
EVERY = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def toml(value: Any) -> str:
    """A value as TOML has it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + " }"
    return f"{value}" if isinstance(value, float) else json.dumps(value)


def missing(case: Case, told: str) -> list[str | tuple[str, ...]]:
    """What a message should say and does not."""
    return [w for w in case.words if not any(word in told for word in ((w,) if isinstance(w, str) else w))]


@EVERY
def test_a_detector_refuses_and_says_why(case):
    with pytest.raises(ModelError) as caught:
        Detector(**case.choices)
    assert not missing(case, str(caught.value)), str(caught.value)
    assert case.key.rpartition(".")[2] in str(caught.value)


@EVERY
def test_a_recipe_is_refused_as_its_choices_are(case):
    with pytest.raises(ModelError):
        Detector(recipe=msgspec.structs.replace(Recipe(), **case.choices))


@EVERY
def test_check_names_file_and_key(case, tmp_path, capsys):
    path = tmp_path / "bad.toml"
    table = "\n".join(f"{key} = {toml(value)}" for key, value in case.choices.items())
    path.write_text(f'[model]\n{table}\n[[sources]]\nconnector = "zeromq"\nbind = "tcp://127.0.0.1:*"\n')
    assert cli.main(["check", str(path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    where = f"streamrnn: {path}: model" + (f".{case.key}: " if case.key else "")
    assert captured.err.startswith(where), captured.err
    assert not missing(case, captured.err), captured.err


@pytest.mark.parametrize("value", ["x", None, True, [1]])
def test_an_option_that_is_no_number_is_told_with_its_range(value):
    with pytest.raises(
        ModelError, match=r"option 'block' of cell elman_bank is not a number .*a whole number, 1 to 256"
    ):
        cells.get("elman_bank", {"block": value})
