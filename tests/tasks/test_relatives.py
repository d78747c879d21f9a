"""Which other channels a channel looks at: relevance, letting in and going, and what it is worth to whole models."""

from __future__ import annotations

import numpy as np
import pytest

from streamrnn import Forecaster
from streamrnn.kernels.normalise import BOUND
from streamrnn.tasks import _layout
from streamrnn.tasks._relatives import (
    ENTER,
    EVERY,
    FIRST_LOOK,
    MUCH,
    SETTLED,
    brings_nothing,
    choose_first,
    choose_relatives,
    relevance,
    time_to_choose,
)  # fmt: skip

SIZE = 4096


class Stream:
    """The past of C channels in rings, and what was left unsaid of one of them."""

    def __init__(self, x, residue, most=2, listened=1):
        rows, c = x.shape
        self.rows, self.last = x, rows - 1
        self.past, self.total = np.zeros((c, SIZE)), np.zeros((c, SIZE))
        self.past[:, np.arange(rows) % SIZE] = x.T
        self.total[:, np.arange(rows) % SIZE] = np.cumsum(x, 0).T
        self.residue = np.zeros((c, _layout.HEARD_BACK))
        self.residue[:, np.arange(rows)[-_layout.HEARD_BACK :] % _layout.HEARD_BACK] = residue[-_layout.HEARD_BACK :].T
        self.scale, self.worth, self.gained = np.ones(c), np.zeros(c), np.ones((most + 1, 6))
        self.relatives, self.listened = np.full((c, most), -1), np.full((c, listened), -1)

    def relevance(self, c, d, season=0):
        return relevance(self.last, c, d, season, self.scale[d], self.past, self.total, self.residue)

    def choose(self, c, rows=None):
        return choose_relatives(
            self.last if rows is None else rows, c, 1, 0, self.scale, self.past, self.total, self.residue, self.worth,
            self.gained, self.relatives, self.listened,
        )  # fmt: skip


def following(rows=3000, channels=6, seed=0):
    """Walks, and errors of channel 0 that go with the last change of 3, the one before of 4, and the level of 5."""
    rng = np.random.default_rng(seed)
    d = rng.normal(size=(rows, channels))
    x = np.cumsum(d, 0)
    e = rng.normal(size=(rows, channels))
    e[1:, 0] += 0.4 * d[:-1, 3]
    e[2:, 0] += 0.3 * d[:-2, 4]
    mean = np.array([x[max(0, t - 16) : t, 5].mean() if t else 0.0 for t in range(rows)])
    e[1:, 0] += 0.2 * (mean[1:] - x[:-1, 5])
    return x, e


@pytest.mark.parametrize("rows", [1, 17, 18, 19, 500, 3000, 3900])
@pytest.mark.parametrize("season", [0, 24])
def test_relevance_is_the_largest_robust_statistic(rows, season):
    """Squares of t-statistics whose variance is that of the products themselves, in plain NumPy."""
    x, e = following(rows)
    e[rows // 2] = 0.0  # a missing value
    stream = Stream(x, e)
    stream.scale[5] = 0.1  # its features reach their bound
    for d in (3, 4, 5):
        found = [0.0]
        t = np.arange(max(rows - _layout.HEARD_BACK, 18, season + 1 if season else 0), rows)
        if len(t):
            features = [x[t - 1, d] - x[t - 2, d], x[t - 2, d] - x[t - 3, d]]
            features.append(np.array([x[i - 16 : i, d].mean() for i in t]) - x[t - 1, d])
            if season:
                features.append(x[t - season, d] - x[t - 1, d])
            for z in features:
                product = np.clip(z / stream.scale[d], -BOUND, BOUND) * e[t, 0]
                found.append(product.sum() ** 2 / max((product**2).sum(), 1e-300))
        assert stream.relevance(0, d, season) == pytest.approx(max(found), rel=1e-9)


def test_of_channels_that_say_nothing_hardly_one_is_let_in():
    """Heavy tails and changing variance included: 600 pairs."""
    rng, high = np.random.default_rng(0), 0
    for seed in range(20):
        spread = np.exp(2 * np.sin(np.arange(2100) / 150))[:, None]
        x = np.cumsum(rng.standard_t(3, (2100, 6)) * spread, 0)
        stream = Stream(x, rng.standard_t(3, (2100, 6)) * np.roll(spread, seed))
        found = np.array([stream.relevance(c, d) for c in range(6) for d in range(6) if c != d])
        high += (found > ENTER).sum()
        assert np.median(found) < 4.0
    assert high <= 2


def test_the_most_relevant_are_let_in_and_those_that_say_nothing_are_not():
    x, e = following()
    stream = Stream(x, e, most=4)
    assert stream.choose(0) == 0b10111, "no more than are relevant, and the net hears the first"
    assert sorted(stream.relatives[0].tolist()) == [-1, 3, 4, 5]
    best = stream.relatives[0].tolist()
    assert stream.worth[best[0]] > stream.worth[best[1]] > stream.worth[best[2]] > ENTER
    assert not stream.gained[:3].any(), "what they bring is booked anew"
    assert stream.gained[3:].all()
    assert (stream.relatives[1:] == -1).all()
    assert stream.choose(0) == 0, "nothing changes without a reason"


def test_where_they_are_many_the_net_hears_the_most_relevant():
    x, e = following()
    stream = Stream(x, e, most=3, listened=2)
    assert stream.choose(0) == 0b11111
    assert stream.listened[0].tolist() == stream.relatives[0, :2].tolist()
    stream.listened[0] = 1, stream.relatives[0, 2]
    assert stream.choose(0) == 0b01000, "one that is no relative gives way to the best that is not heard"
    assert stream.listened[0].tolist() == [stream.relatives[0, 0], stream.relatives[0, 2]]


def test_one_that_says_much_more_takes_a_place_and_another_does_not():
    x, e = following()
    stream = Stream(x, e, most=1)
    worth = {d: stream.relevance(0, d) for d in (3, 4, 5)}
    low, high = min(worth, key=worth.get), max(worth, key=worth.get)
    assert worth[high] > MUCH * worth[low]
    stream.relatives[0, 0] = low
    assert stream.choose(0) & 1
    assert stream.relatives[0, 0] == high
    assert stream.choose(0) & 1 == 0
    assert stream.relatives[0, 0] == high
    between = next(d for d in worth if d not in (low, high))
    assert MUCH * worth[between] > worth[high] > worth[between]
    stream.relatives[0, 0] = between
    assert stream.choose(0) & 1 == 0, "it is not twice as relevant"


def test_one_that_has_brought_nothing_is_let_go_but_not_early():
    """Nor is it let in again at once, however relevant it looks."""
    x, e = following()
    stream = Stream(x, e, most=4)
    stream.relatives[0] = 3, 1, -1, -1
    stream.gained[:] = 1.0
    stream.gained[:2, :3] = -5.0
    early = stream.relatives.copy()
    stream.choose(0, SETTLED - 1)
    assert early[0, 0] in stream.relatives[0]
    assert early[0, 1] in stream.relatives[0]
    stream.relatives[0], stream.gained[:2, :3] = early[0], -5.0
    changed = stream.choose(0, SETTLED)
    assert changed & 0b11 == 0b11
    assert not {1, 3} & set(stream.relatives[0].tolist())


@pytest.mark.parametrize(
    ("gained", "horizon", "nothing"),
    [
        ([-1, -1, -1, 4, 4, 4], 1, True),
        ([-1, -1, -1, 200, 4, 4], 1, False),  # within the noise
        ([-1, 1, -1, 4, 4, 4], 9, False),  # it helps at one horizon
        ([-1, -1, -1, 4, 4, 4], 48, False),  # errors 48 rows ahead hang together
        ([-1, -3, -5, 4, 4, 4], 48, True),
        ([0, 0, 0, 0, 0, 0], 5, True),  # a flat channel
    ],
)
def test_it_brings_nothing_where_no_horizon_is_the_better_for_it(gained, horizon, nothing):
    assert brings_nothing(horizon, np.array(gained, float)) == nothing


def test_a_channel_chooses_again_and_again_each_in_a_row_of_its_own():
    for channels, most, first in ((5, 4, EVERY), (20, 8, FIRST_LOOK)):
        times = {c: [r for r in range(3 * EVERY) if time_to_choose(r, c, channels, most)] for c in range(channels)}
        assert times[0][0] == first
        for c, rows in times.items():
            assert rows == [r + c for r in times[0]][: len(rows)]
        assert np.diff(times[0][-2:]) == EVERY


def test_at_first_there_are_all_where_they_are_few():
    few, many = np.zeros((3, 2), int), np.zeros((12, 8), int)
    heard = np.zeros((3, 2), int), np.zeros((12, 3), int)
    assert choose_first(few, heard[0])
    assert few.tolist() == heard[0].tolist() == [[1, 2], [0, 2], [0, 1]]
    assert not choose_first(many, heard[1])
    assert (many == -1).all()
    assert (heard[1] == -1).all()


def autoregressions(rows, channels, seed):
    rng = np.random.default_rng(seed)
    x, n = np.zeros((rows, channels)), rng.normal(size=(rows, channels))
    for t in range(1, rows):
        x[t] = 0.8 * x[t - 1] + n[t]
    return x, n


def seconds(rows):
    return (1 + np.arange(rows)) * 10**9


def test_channels_that_have_nothing_to_do_with_each_other_let_go_of_each_other():
    """And the features of those that were let go have no weight and cost nothing."""
    x, n = autoregressions(9000, 5, 0)
    x[1:, 1] += 0.5 * n[:-1, 0]
    model = Forecaster(channels=5)
    model.run(seconds(9000), x)
    chosen = model.arena["relatives"]
    print("relatives:", chosen.tolist())
    assert (chosen >= 0).sum() <= 14, "of 20"
    assert 0 in chosen[1], "the one that it follows stays"
    for c in range(5):
        part = _layout.Part(model.arena, c)
        used = np.repeat(chosen[c] >= 0, _layout.EACH)
        assert ((part["wide.variance"][-len(used) :] > 0) == used).all()
        assert not part["wide.weights"][:, -len(used) :][:, ~used].any()
        assert not part["wide.features"][:, -len(used) :][:, ~used].any()


def test_whom_a_channel_follows_is_found_again_when_that_changes():
    """One of twelve follows another; from row 4000 on somebody else, who is let in within 2000 rows. That the one
    before brings nothing any more shows once what it has brought is outweighed: half of it counts after 2840 rows."""
    x, n = autoregressions(10_000, 12, 1)
    x[1:4000, 11] += n[: 4000 - 1, 2]
    x[4000:, 11] += n[3999:-1, 7]
    model, chosen, error = Forecaster(channels=12, units=0), [], []
    for first, last in ((0, 4000), (4000, 6000), (6000, 10_000)):
        said = model.run(seconds(10_000)[first:last], x[first:last]).expected[:, 11]
        chosen.append(set(model.arena["relatives"][11].tolist()))
        missed, noise = (said - x[first:last, 11])[-1400:], n[first:last, 11][-1400:]
        error.append(np.mean(missed**2) / np.mean(noise**2))
    print("chosen:", chosen, "errors over what nobody could know:", error)
    assert 2 in chosen[0]
    assert 7 in chosen[1]
    assert 7 in chosen[2]
    assert 2 not in chosen[2]
    assert error[2] < 1.1 * error[0]
