"""The benchmark of accuracy: peers against plain references and without leaks, rules of scoring, the command."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from benchmarks.accuracy import __main__ as command
from benchmarks.accuracy import alarms, bands, data, forecasts, nab_rules, one_step, robustness, vus
from benchmarks.peers import MISSING, Peer, Task, autoregressive, naive, own, peers

SECOND = 1_000_000_000


def task(values, horizon=3, first=0, season=7):
    values = np.asarray(values, np.float64)
    return Task(np.arange(1, len(values) + 1) * 60 * SECOND, values, season, horizon, first)


def test_ar_rls_is_least_squares_by_recursion():
    """Against the textbook recursion, with a P of its own for each head, in the time of that head's rows."""
    setting = autoregressive.Setting(4, 0.98, 2.0, 2.5)
    y = np.random.default_rng(1).normal(size=120).cumsum()
    horizon, size, deviations = 3, 5, []
    weights, covariance = np.zeros((horizon, size)), np.stack([np.eye(size) / 2.0] * horizon)
    miss, expected, phi, scale = np.zeros(horizon), np.zeros((120, horizon)), np.zeros((120, size)), np.zeros(120)
    for t in range(120):
        scale[t] = abs(np.diff(y[: t + 1])).mean() if t else 0.0
        for h in range(1, min(horizon, t) + 1):
            s, p, x = scale[t - h], covariance[h - 1], phi[t - h]
            if s > 0.0:
                error = (y[t] - y[t - h]) / s - weights[h - 1] @ x
                limit = 2.5 * miss[h - 1] if miss[h - 1] else math.inf
                miss[h - 1] += (abs(error) - miss[h - 1]) / (t - h + 1)
                gain = p @ x / (0.98 + x @ p @ x)
                weights[h - 1] += gain * np.clip(error, -limit, limit)
                covariance[h - 1] = (p - np.outer(gain, x @ p)) / 0.98
                deviations.append(abs(error) > limit)
        if t:
            past = [(y[max(t - i, 0)] - y[t]) / scale[t] for i in range(1, 4)]
            phi[t] = [1.0, (y[t] - y[: t + 1].mean()) / scale[t], *past]
        expected[t] = y[t] + scale[t] * (weights @ phi[t])
    assert any(deviations)
    np.testing.assert_allclose(autoregressive.channel(y, setting, horizon, 0), expected, rtol=1e-9)


def test_seasonal_naive_takes_the_last_known_value_of_that_time_of_day():
    values = np.arange(30.0)[:, None]
    said = naive.seasonal(task(values, horizon=16, first=20, season=7)).forecast[:, :, 0]
    assert said[0, [0, 6, 7, 13, 14]].tolist() == [14.0, 20.0, 14.0, 20.0, 14.0]
    early = naive.seasonal(task(values, horizon=2, first=0, season=7)).forecast[:, :, 0]
    assert early[3].tolist() == [3.0, 3.0]


@pytest.mark.parametrize("peer", peers(), ids=lambda peer: peer.name)
def test_a_forecast_knows_nothing_of_what_comes_later(peer: Peer):
    if not peer.installed:
        pytest.skip(f"{peer.package} is {MISSING}")
    generator = np.random.default_rng(2)
    values = np.sin(np.arange(80.0) / 3.0)[:, None] + generator.normal(size=(80, 2))
    changed = values.copy()
    changed[50:] += generator.normal(size=(30, 2))
    before, after = (peer.forecast(task(v, first=30)).forecast for v in (values, changed))
    assert before.shape == (50, 3, 2)
    np.testing.assert_array_equal(before[:20], after[:20])
    assert (before[20:] != after[20:]).any()
    np.testing.assert_array_equal(before[10:], peer.forecast(task(values, first=40)).forecast)


def test_errors_are_the_protocols():
    generator = np.random.default_rng(3)
    truth, said = generator.normal(size=(60, 2)), generator.normal(size=(50, 24, 2))
    for steps, mse in forecasts.errors(truth, said, 10).items():
        squares = [
            (said[t - 10, h - 1, c] - truth[t + h, c]) ** 2
            for t in range(10, 60 - steps)
            for h in range(1, steps + 1)
            for c in range(2)
        ]
        assert mse == pytest.approx(np.mean(squares), rel=1e-12)
    assert set(forecasts.errors(truth, said, 10)) == {1, 24}
    said[5] = np.nan
    assert forecasts.errors(truth, said, 10) == {1: math.inf, 24: math.inf}


def test_nmae_is_relative_to_persistence():
    y = np.array([0.0, 2.0, 3.0, 7.0])
    assert one_step.nmae(y, y) == 1.0
    assert one_step.nmae(y, np.array([2.0, 3.0, 7.0, 0.0])) == 0.0
    assert one_step.nmae(y, np.array([2.0, np.nan, 5.0, 0.0])) == pytest.approx((0 + 1 + 2) / 7)
    assert one_step.nmae(y, np.array([0.0, 2.0, 5.0, 0.0]), first=3) == pytest.approx(2 / 4)
    assert math.isnan(one_step.nmae(np.ones(4), np.ones(4)))


def numenta(files: list[nab_rules.Judged], false: float, missed: float) -> float:
    """The rules threshold by threshold, window by window."""
    windows = sum(len(set(file.window[file.window >= 0].tolist())) for file in files)
    best = -missed * windows
    for threshold in {score for file in files for score in file.score.tolist()}:
        total = 0.0
        for file in files:
            detected = file.score >= threshold
            total += false * file.worth[detected & (file.window < 0)].sum()
            for number in set(file.window[file.window >= 0].tolist()):
                total += file.worth[detected & (file.window == number)].max(initial=-missed)
        best = max(best, total)
    return 100.0 * (best + missed * windows) / ((1.0 + missed) * windows)


@pytest.mark.parametrize("profile", nab_rules.PROFILES)
def test_the_best_threshold_is_found(profile: str):
    generator = np.random.default_rng(4)
    files = []
    for windows in ([(5, 14), (60, 79)], [], [(40, 49), (50, 54)], [(2, 8)]):
        score = np.round(generator.random(100), 1)  # ties
        for first, last in windows:
            score[generator.integers(first, last + 1)] += 0.3 * generator.random()
        files.append(nab_rules.judged("a", score, windows, 10))
    assert nab_rules.best(files, profile) == pytest.approx(numenta(files, *nab_rules.PROFILES[profile]), abs=1e-9)
    assert nab_rules.best(files, profile) > 1.0
    assert math.isnan(nab_rules.best(files[1:2], profile))


def test_worth_of_a_detection():
    worth = nab_rules.judged("a", np.zeros(60), [(10, 19)], 0).worth
    assert worth[9] == -1.0
    assert worth[10] == pytest.approx(1.0)
    assert worth[19] == pytest.approx((2 / (1 + math.exp(-0.5)) - 1) / (2 / (1 + math.exp(-5)) - 1))
    assert worth[20] == pytest.approx(2 / (1 + math.exp(5 / 9)) - 1)
    assert worth[46] == pytest.approx(-1.0, abs=1e-5)
    assert worth[47] == -1.0
    assert (np.diff(worth[10:47]) < 0.0).all()


def volume(labels, score, longest):
    """VUS-PR threshold by threshold, as the paper has it."""
    ordered, areas = np.sort(score)[::-1], []
    for width in range(longest + 1):
        half, soft, runs = width // 2, labels.astype(float), []
        for first, last in vus.segments(labels):
            for row in range(len(labels)):
                distance = max(first - row, row - last, 0)
                if 0 < distance <= half:
                    soft[row] += math.sqrt(1.0 - distance / width)
            if runs and runs[-1][1] >= first - half:  # next to each other is not yet one
                first = runs.pop()[0] + half
            runs.append((first - half, last + half))
        soft = np.minimum(soft, 1.0)
        area = before = 0.0
        for rank in np.linspace(0, len(score) - 1, 250).astype(int):
            said = score >= ordered[rank]
            hit = (soft * said).sum()
            share = (labels.sum() + np.where(labels, 1.0, soft * said).sum()) / 2.0
            recall = min(hit / share, 1.0) * np.mean([said[a : b + 1].any() for a, b in runs])
            area, before = area + (recall - before) * hit / said.sum(), recall
        areas.append(area)
    return np.mean(areas)


def test_volume_under_the_surface():
    generator = np.random.default_rng(5)
    labels = np.zeros(150, np.bool_)
    labels[20:24] = labels[70:73] = labels[79:82] = True
    score = np.round(generator.random(150) + 0.1 * labels, 2)
    for longest in (0, 13):
        assert vus.vus_pr(labels, score, longest) == pytest.approx(volume(labels, score, longest), rel=1e-12)
    assert vus.vus_pr(labels, labels.astype(float), 0) == 1.0


def test_period_is_the_highest_peak_of_the_autocorrelation():
    generator = np.random.default_rng(6)
    assert vus.period(np.sin(2 * np.pi * np.arange(2000) / 24) + 0.1 * generator.normal(size=2000)) == 24
    assert vus.period(np.arange(500.0)) == 125
    assert vus.period(np.ones(500)) == 125


def test_band_of_persistence_is_made_of_known_errors():
    y = np.random.default_rng(7).normal(size=700).cumsum()
    for ahead in (1, 5):
        half = bands.persistence(y, ahead, 0.9)
        errors = np.abs(y[ahead:] - y[:-ahead])
        for t in (18 + ahead, 19 + ahead, 100, 498 + ahead, 499 + ahead, 500 + ahead, 699):
            known = errors[: t - ahead + 1][-500:]
            expected = np.quantile(known, 0.9) if len(known) >= 20 else math.nan
            np.testing.assert_allclose(half[t], expected, rtol=1e-12)
    covered = np.ones(900)
    covered[300:350] = 0.0
    assert bands.rolling(covered) == (0.9, 1.0)
    assert bands.rolling(covered[:350]) == pytest.approx((300 / 350, 300 / 350))


def write(folder, rows):
    file = folder / "nab" / "realSmall" / "one.csv"
    file.parent.mkdir(parents=True)
    generator = np.random.default_rng(8)
    stamps = [f"2020-01-{1 + i // 24:02}T{i % 24:02}:00:00" for i in range(rows)]
    stamps[30] = stamps[29]
    file.write_text("timestamp,value\n" + "".join(f"{s},{generator.normal():.3f}\n" for s in stamps))
    window = [stamps[200], stamps[219]]
    (folder / "nab" / "windows.json").write_text(json.dumps({"realSmall/one.csv": [window]}))
    return file


def test_rows_that_come_twice_are_left_out(tmp_path):
    series = data.read(write(tmp_path, 240))
    assert len(series.stamps) == 240
    assert len(series.time) == 239
    assert 30 not in series.kept
    assert series.season == 24
    assert series.interval == 3600.0
    assert series.real
    assert data.windows(tmp_path) == {"realSmall/one.csv": [(200, 219)]}


def test_events_are_counted_after_probation(tmp_path):
    series = data.read(write(tmp_path, 240))
    raised = np.zeros(240, np.bool_)
    raised[[10, 50, 60, 205, 210]] = True
    said = alarms.Said(np.zeros(240), raised, 1.0, np.empty(0))
    counted = alarms.events([series], [said], {"realSmall/one.csv": [(0, 20), (100, 110), (200, 219)]})
    assert (counted.windows, counted.found, counted.false) == (2, 1, 2)
    assert counted.weeks == pytest.approx((240 - 36 - 11 - 20) / 168)


def test_the_command_says_what_it_lacks_and_writes_json(tmp_path, capsys, monkeypatch):
    assert command.main([str(tmp_path)]) == 0
    assert "skipped" in capsys.readouterr().err
    write(tmp_path, 240)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    out = tmp_path / "out.json"
    arguments = [str(tmp_path), "--only", "steps", "alarms", "--peers", "persistence", "river HoltWinters", "streamrnn"]
    assert command.main([*arguments, "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    assert f"| river HoltWinters | {MISSING} |" in printed
    tables = json.loads(out.read_text())["tables"]
    assert tables["steps"][0]["figures"]["persistence"]["one"]["nmae"] == 1.0
    assert tables["steps"][0]["figures"]["streamrnn"]["one"]["nmae"] < 1.5
    assert tables["alarms"][0]["figures"]["streamrnn"]["windows"] == 1


def test_one_number_is_changed_at_a_time(tmp_path):
    series = data.read(write(tmp_path, 240))
    fields = robustness.numbers()
    assert {"units", "lags", "half_life"} <= set(fields)
    assert not {"seed", "horizon", "level", "audit", "cell"} & set(fields)
    assert robustness.Change("lags", 0.1).recipe(series).lags == 2
    assert robustness.Change("lags", 10.0).recipe(series).lags == 128  # the most there may be
    assert robustness.Change("half_life", 10.0).recipe(series).half_life == 10.0 * 1386.0 * 3600.0
    assert robustness.Change().recipe(series) == own.Recipe()
