"""The compiled loop against the same model written a second time in plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from streamrnn import Detector, Forecaster, Recipe
from streamrnn.kernels import season
from streamrnn.tasks import _layout
from streamrnn.testing.reference import ReferenceForecaster

ROWS = 400
RTOL, ATOL = 1e-8, 1e-9


def series(channels, seed, rows=ROWS):
    """Waves with noise and a drift; a new level, missing values, rows without any, a pause, times that jitter."""
    rng = np.random.default_rng(seed)
    t = np.arange(rows)[:, None]
    x = np.sin(t / (5 + np.arange(channels))) + 0.3 * rng.normal(size=(rows, channels)) + 0.01 * t
    x[250:, 0] += 4.0
    x[rng.random(x.shape) < 0.08] = np.nan
    x[120:123] = np.nan
    x[:40, 1:2] = np.nan  # the second channel comes later
    time = np.cumsum(np.where(np.arange(rows) == 300, 7.5, 1.0) + 0.01 * rng.random(rows))
    return np.round(time * 1e9).astype(np.int64), x


def pair(kind, channels, recipe):
    """The compiled model, and the reference with its initial weights."""
    model = kind(channels, recipe)
    thetas = [_layout.Part(model.arena, c)["net.theta"][: recipe.units] for c in range(channels)]
    return model, ReferenceForecaster(recipe, thetas)


def put(model, *seasons):
    """Have these seasons found."""
    model.arena["season.rows"][:] = *seasons, *[0] * (3 - len(seasons))
    model.arena["season.tally"][season.CHANGES] += 1


def both(model, reference, time, x, found=None):
    """Run the rows through both and hold the forecasts against each other; the seasons in force, row by row.

    found   row → seasons that are found before it, besides those that are there
    """
    seasons = []
    for i in range(len(x)):
        if found and i in found:
            put(model, *found[i])
        rows = model.run(time[i : i + 1], x[i : i + 1])
        lengths = model.arena["season"][: _layout.SEASONS]
        seasons.append((int(lengths[0]), int(lengths.max())))
        said = reference.step(time[i] / 1e9, x[i], seasons[-1], model.arena["gate"], model.arena["pace"][_layout.BOOST])
        np.testing.assert_allclose(rows.forecast[0], said, rtol=RTOL, atol=ATOL, err_msg=f"row {i}")
    return seasons


def agree(model, reference):
    """What has been learned is the same."""
    for c, a in enumerate(reference.channels):
        part = _layout.Part(model.arena, c)
        if model.recipe.units:
            np.testing.assert_allclose(part["net.theta"], a.theta, rtol=RTOL, atol=ATOL)
            np.testing.assert_allclose(part["net.s"][0], a.s, rtol=RTOL, atol=ATOL)
        names = {"net": "weights", "ar": "ar.weights", "wide": "wide.weights"}
        for name, expert in a.experts.items():
            np.testing.assert_allclose(part[names[name]], expert.heads, rtol=1e-7, atol=ATOL)
        records = np.array(list(a.regret.values())).transpose(2, 0, 1)
        order = ["stay", "ar", "net", "seasonal", "wide"]
        by_row = [list(a.regret).index(name) for name in order if name in a.regret]
        np.testing.assert_allclose(model.arena["regret"][:, c], records[:, by_row], rtol=1e-7, atol=ATOL)


@pytest.mark.parametrize(
    ("channels", "choices", "found"),
    [
        (1, {"tier": "lean", "update": "rmsprop"}, {}),
        (2, {"tier": "lean", "horizon": 3}, {}),
        (1, {}, {0: (24,)}),
        (2, {"horizon": 3}, {}),
        # a length that is measured better, a longer one beside it, another, none
        (3, {"horizon": 5, "lags": 4, "units": 5}, {100: (40,), 104: (41,), 106: (41, 90), 200: (30,), 210: ()}),
        (2, {"horizon": 9, "units": 0, "lags": 2}, {0: (7,)}),
        (5, {"units": 3, "lags": 2}, {}),  # three of four others are heard
    ],
)
def test_forecasts_are_those_of_the_reference(channels, choices, found):
    model, reference = pair(Forecaster, channels, Recipe(seed=3, **choices))
    seasons = both(model, reference, *series(channels, seed=channels), found)
    agree(model, reference)
    for row, lengths in found.items():
        assert seasons[row] == (lengths[0], max(lengths)) if lengths else (0, 0)
    if 104 in found:
        assert [seasons[row - 1][0] for row in list(found)[1:]] == [40, 41, 0, 30], (
            "each of these was in force till then"
        )


def test_seasons_that_are_found_are_used_as_the_reference_does():
    """A pattern of 13 rows gives way to one of 30."""
    rng = np.random.default_rng(0)
    patterns = [np.cumsum(rng.normal(size=(length, 2)), 0) for length in (13, 30)]
    x = np.concatenate([np.resize(2 * (p - p.mean(0)) / p.std(0), (450, 2)) for p in patterns])
    x += 0.3 * rng.normal(size=x.shape)
    model, reference = pair(Forecaster, 2, Recipe(seed=3, horizon=3))
    seasons = both(model, reference, (1 + np.arange(900)) * 10**9, x)
    agree(model, reference)
    print("seasons:", [(i, s) for i, s in enumerate(seasons) if i == 0 or s != seasons[i - 1]])
    assert {0, 13, 30} <= {s for s, _ in seasons}


def test_the_experts_for_comparison_count_once_they_are_much_the_best():
    """By more than four standard errors of their regret; this one is put in by hand."""
    model, reference = pair(Forecaster, 1, Recipe(seed=3, units=0, lags=2, horizon=2))
    time, x = series(1, seed=1)
    a, heard = reference.channels[0], 0
    for i in range(ROWS):
        if i in (150, 200):
            order = _layout.AR_EXPERT if i == 150 else _layout.SEASONAL_EXPERT
            model.arena["regret"][:, 0, order + 1] = 80.0, 300.0
            a.regret["ar" if i == 150 else "seasonal"][:] = [[80.0], [300.0]]
        both(model, reference, time[i : i + 1], x[i : i + 1], {0: (30,)} if i in (0, 199) else None)
        heard += sum(a.regret[name][0, 0] > 4.0 * np.sqrt(a.regret[name][1, 0]) for name in ("ar", "seasonal"))
    agree(model, reference)
    assert heard > 20


def relatives(model):
    """Other channels that each looks at, as the reference writes them."""
    return [[int(d) if d >= 0 else None for d in row] for row in model.arena["relatives"]]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kathmandu"])
def test_a_clock_is_read_as_the_reference_reads_it(zone):
    """Hourly through the beginning of summer time: without a season, with that of a day, another, and a day again."""
    rows = 400
    model, reference = pair(Forecaster, 2, Recipe(seed=3, horizon=3, clock=zone))
    _, x = series(2, seed=7, rows=rows)
    time = (1_679_600_000 + 3600 * np.arange(rows)) * 10**9
    daily = []
    for first, last, found in ((0, 70, ()), (70, 76, (24,)), (76, 220, ()), (220, 230, (40,)), (230, 330, (25, 168)),
                                (330, 336, (24, 168)), (336, rows, ())):  # fmt: skip
        both(model, reference, time[first:last], x[first:last], {0: found})
        daily.append(bool(reference.daily))
    agree(model, reference)
    assert daily == [False, True, False, False, False, True, False]


def test_channels_that_bring_nothing_are_let_go_as_the_reference_does():
    """Of four, one of which another follows; the first choice that lets any go is after 4096 rows."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4110, 4))
    x[1:, 1] += 0.5 * x[:-1, 3]
    model, reference = pair(Forecaster, 4, Recipe(units=0, lags=2, horizon=2))
    time = (1 + np.arange(len(x))) * 10**9
    both(model, reference, time, x)
    agree(model, reference)
    chosen = relatives(model)
    print("relatives:", chosen)
    assert chosen == [a.relatives for a in reference.channels]
    assert sum(d is None for row in chosen for d in row) >= 2
    assert 3 in chosen[1]


def test_of_many_channels_each_looks_at_its_relatives():
    """More than eight others: they are chosen after 512 rows, one channel a row, and again after 1024."""
    rng = np.random.default_rng(0)
    rows, channels = 1040, 10
    walks = np.cumsum(rng.normal(size=(rows + 1, 3)), 0)
    x = np.stack([walks[c % 2 : rows + c % 2, c % 3] for c in range(channels)], 1)
    x += 0.5 * rng.normal(size=x.shape)
    model, reference = pair(Forecaster, channels, Recipe(units=0, lags=3, horizon=2))
    both(model, reference, (1 + np.arange(rows)) * 10**9, x, {0: (12,)})
    agree(model, reference)
    chosen = relatives(model)
    print("relatives:", chosen)
    assert chosen == [a.relatives for a in reference.channels]
    assert len({frozenset(row) for row in chosen}) >= 4, "they differ from channel to channel"
    heard = [[int(d) if d >= 0 else None for d in row] for row in model.arena["listened"]]
    assert heard == [a.heard for a in reference.channels]
    assert any(d is not None for row in heard for d in row)


def test_a_detector_learns_the_shares_that_its_governor_says():
    """An event that is refused, then accepted: gates and boost are the Detector's, what they do is the reference's."""
    model, reference = pair(Detector, 2, Recipe(seed=3, horizon=2, undo=False, highest=20.0))
    time, x = series(2, seed=5, rows=700)
    x[450:, 0] += 25.0
    first, gates = 560, []
    both(model, reference, time[:450], x[:450])
    for i in range(450, 700):
        if i == first:
            model.accept()
        both(model, reference, time[i : i + 1], x[i : i + 1])
        gates.append((model.arena["gate"][0], model.arena["pace"][_layout.BOOST]))
    agree(model, reference)
    gate, boost = np.array(gates).T
    assert (gate[: first - 450] == 0.0).all()
    assert gate[first - 450] == 1.0
    assert boost[first - 450] == 0.5
    assert (np.diff(boost[first - 450 : first - 400]) < 0.0).all()


def test_the_net_learns_what_a_linear_model_cannot():
    """The Hénon map: a frozen net of the same size, with the same readout, is left at least five times farther off."""
    x = np.zeros(12_000)
    x[1] = 0.1
    for i in range(2, len(x)):
        x[i] = 1.0 - 1.4 * x[i - 1] ** 2 + 0.3 * x[i - 2]
    time = (1 + np.arange(len(x))) * 10**9
    errors = []
    for choices in ({}, {"learner": "frozen"}):
        rows = Forecaster(lags=2, seed=1, **choices).run(time, x[:, None])
        errors.append(np.mean((rows.expected[6000:, 0] - x[6000:]) ** 2))
    print("mean squared errors:", errors)
    assert errors[0] < 0.2 * errors[1]
