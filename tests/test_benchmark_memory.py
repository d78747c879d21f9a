"""The benchmark of memory: streams as described, errors of a net that remembers, that guesses, and of a tiny one."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from benchmarks.memory import __main__ as memory
from benchmarks.memory import copying, patterning
from benchmarks.memory.picture import draw
from benchmarks.memory.table import table
from benchmarks.memory.training import Pair, begin, largest, run
from streamrnn import learners


def test_copying_asks_for_the_symbol_of_the_trial():
    delay, steps = 5, 7_000
    xs, targets = copying.stream(delay, steps, seed=3)
    assert (xs.sum(axis=1) == 1.0).all()
    trials = xs.reshape(-1, delay + 2, copying.INPUTS)
    assert (trials[:, 0, : copying.SYMBOLS].sum(axis=1) == 1.0).all()
    assert (trials[:, 1:-1, copying.BLANK] == 1.0).all()
    assert (trials[:, -1, copying.CUE] == 1.0).all()
    due = targets.reshape(-1, delay + 2)
    assert np.isnan(due[:, :-1]).all()
    assert (due[:, -1] == trials[:, 0].argmax(axis=1)).all()
    guesses = np.where(np.isnan(targets), 0.0, targets != 4)
    assert copying.error(guesses, targets) == pytest.approx(copying.CHANCE, abs=0.03)
    assert copying.error(np.zeros(steps), targets) == 0.0


def test_copying_judges_by_cross_entropy():
    y, slope = np.array([0.5, 2.0, -1.0]), np.zeros(3)
    assert copying.judge(y, 1.0, slope) == 0.0
    np.testing.assert_allclose(slope, np.exp(y) / np.exp(y).sum() - [0.0, 1.0, 0.0], rtol=1e-12)
    assert copying.judge(y, 2.0, slope) == 1.0


@pytest.mark.parametrize("delay", [1, 6])
def test_patterning_is_solved_by_what_remembers_and_half_by_what_only_tells_the_time(delay):
    steps = 60_000
    xs, targets = patterning.stream(delay, steps, seed=3)
    begin = np.flatnonzero(xs[:, :6].any(axis=1))
    assert (xs[begin, :6].sum(axis=1) == 3.0).all()
    gaps = np.diff(begin)
    assert gaps.min() == delay + 1
    assert gaps.max() == 2 * delay
    assert (targets[:-1] == xs[1:, patterning.STIMULUS]).all()
    assert xs[:, 6 : patterning.STIMULUS].mean() == pytest.approx(patterning.SHARE, abs=0.005)

    patterns = [tuple(np.flatnonzero(row)) for row in xs[begin, :6]]
    last = begin + delay - 1 < steps
    followed = dict(zip(patterns, targets[(begin + delay - 1)[last]], strict=False))
    assert sorted(followed) == sorted(patterning.PATTERNS)
    assert sum(followed.values()) == 10.0
    oracle, clock = np.zeros(steps), np.zeros(steps)
    for at, pattern in zip(begin[last], patterns, strict=False):
        oracle[at + delay - 1], clock[at + delay - 1] = followed[pattern], 0.5
    assert patterning.error((oracle - targets) ** 2, targets) == 0.0
    density = 1.0 / (1.5 * delay + 0.5) / 2.0
    knows_when = 0.25 * 2.0 * density / (density * (1.0 - density))
    assert patterning.error((clock - targets) ** 2, targets) == pytest.approx(knows_when, abs=0.02)
    assert patterning.error((targets.mean() - targets) ** 2, targets) == pytest.approx(patterning.CHANCE)


def test_every_learner_is_compared_or_said_to_be_the_same_as_one():
    compared = {pair.learner for pair in memory.pairs()}
    assert compared == set(learners.OWN) - {"crbp"}
    for cell in memory.SUIT:
        assert {"rtrl", "immediate"} <= {pair.learner for pair in memory.pairs() if pair.cell == cell}
    assert set(memory.SHOWN) <= {pair.name for pair in memory.pairs()}


def test_a_tiny_net_copies_over_four_steps_and_immediate_does_not():
    error, course = run(Pair("lru", "rtrl"), 8, copying, 4, 20_000, seed=0, rate=1e-2)
    assert error <= copying.SOLVED
    assert course[0] > 0.1
    error, _ = run(Pair("lru", "immediate"), 2, copying, 4, 20_000, seed=0, rate=1e-2)
    assert error > 0.1


def test_repeats_to_the_bit_and_learns_online():
    xs, targets = copying.stream(4, 4_000, 0)
    once = begin(Pair("lru", "rtrl"), 8, copying, 5)(1e-2, xs, targets)
    again = begin(Pair("lru", "rtrl"), 8, copying, 5)(1e-2, xs, targets)
    assert (once == again).all()
    with_other_end = np.where(np.arange(4_000) < 2_000, targets, 0.0 * targets)
    other = begin(Pair("lru", "rtrl"), 8, copying, 5)(1e-2, xs, with_other_end)
    assert (once[:2_000] == other[:2_000]).all(), "an error was judged with what came later"


def test_a_size_fits_the_budget_or_is_the_least():
    n, taken = largest(Pair("lru", "rtrl"), 1e-3)
    assert n == 2
    assert taken > 1e-3


def test_results_are_kept_taken_up_and_drawn(tmp_path, capsys, monkeypatch):
    quick = {"steps": 6_000, "delays": (2, 4), "rates": (1e-2,), "seeds": (0,)}
    monkeypatch.setattr(memory, "QUICK", quick)
    monkeypatch.setattr(memory, "BUDGET", 1.5)
    monkeypatch.setattr(memory, "SHOWN", ("lru immediate",))
    file = tmp_path / "memory.json"
    asked = ["--quick", "--task", "copying", "--cells", "lru", "--json", str(file)]
    memory.main([*asked, "--learners", "immediate"])
    first = json.loads(file.read_text())
    assert list(first["copying"]) == ["lru immediate"]
    assert len(first["courses"]["copying"]["lru immediate"]) == 25
    memory.main([*asked, "--learners", "immediate", "frozen"])
    second = json.loads(file.read_text())
    assert second["copying"]["lru immediate"] == first["copying"]["lru immediate"]
    assert second["sizes"]["lru immediate"] == first["sizes"]["lru immediate"]
    assert list(second["copying"]) == ["lru immediate", "lru frozen"]
    assert "| lru |" in table(second)
    assert draw(second, memory.COURSES) == (tmp_path / "memory.svg").read_text()
    assert "nan" not in draw(second, memory.COURSES)
    monkeypatch.setattr(memory, "BUDGET", 2.0)
    with pytest.raises(SystemExit, match="other conditions"):
        memory.main(asked)
    assert "longest" in capsys.readouterr().out


def test_not_finite_is_null():
    assert memory.finite(math.nan) is None
    assert memory.finite(0.123456) == 0.1235
