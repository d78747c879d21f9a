"""The arena: layout, snapshots, and bytes that never load silently wrong."""

from __future__ import annotations

import numpy as np
import pytest

from streamrnn import Detector, Forecaster
from streamrnn.errors import StateError
from streamrnn.state import Arena, Field, Layout, read_bytes

FIELDS = [
    Field("a", "ints", (3,)), Field("b", "wide", (2, 2)), Field("c", "real", (5,)), Field("d", "real", (2, 3, 1)),
    Field("none", "wide", (0, 4)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_views_cover_the_block_and_do_not_overlap(dtype):
    arena = Arena(Layout(FIELDS, dtype))
    for number, field in enumerate(FIELDS, 1):
        assert arena[field.name].shape == field.shape
        arena[field.name][...] = number
    for number, field in enumerate(FIELDS, 1):
        assert (arena[field.name] == number).all()
    assert arena.block.nbytes == arena.layout.nbytes
    assert arena["c"].dtype == dtype


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_long_fields_start_on_cache_lines(dtype):
    fields = [Field("i", "ints", (3,)), Field("w", "wide", (2,)), Field("short", "real", (3,)),
              Field("long", "real", (2, 33)), Field("next", "real", (5,)), Field("last", "real", (16,))]  # fmt: skip
    arena = Arena(Layout(fields, dtype))
    assert [arena[name].ctypes.data % 64 for name in ("short", "long", "last")] == [0, 0, 0]
    assert arena.block.nbytes % 64 == 0, "so that the next of many blocks starts on one, too"
    before = arena["next"].ctypes.data - arena["long"].ctypes.data
    assert before == arena["long"].nbytes, "a short one follows at once"


def test_snapshot_and_restore():
    arena = Arena(Layout(FIELDS, "float64"))
    arena["b"][:] = 7.0
    kept = arena.snapshot()
    arena["b"][:] = 8.0
    arena.restore(kept)
    assert (arena["b"] == 7.0).all()
    with pytest.raises(StateError, match="another model"):
        arena.restore(kept[:-1])


def test_bytes_round_trip_and_name_their_owner():
    arena = Arena(Layout(FIELDS, "float32"))
    arena["c"][:] = np.arange(5)
    stored = read_bytes(arena.to_bytes({"who": "test"}))
    assert stored.owner == {"who": "test"}
    other = Arena(Layout(FIELDS, "float32"))
    other.load(stored)
    np.testing.assert_array_equal(other.block, arena.block)
    with pytest.raises(StateError, match="other sizes"):
        Arena(Layout(FIELDS[:-1], "float32")).load(stored)


def test_every_flipped_bit_and_every_truncation_is_noticed():
    data = Arena(Layout(FIELDS, "float64")).to_bytes({"who": "test"})
    for at in range(len(data)):
        for bit in (0, 7):
            damaged = bytearray(data)
            damaged[at] ^= 1 << bit
            with pytest.raises(StateError):
                read_bytes(bytes(damaged))
        with pytest.raises(StateError):
            read_bytes(data[:at])
    with pytest.raises(StateError):
        read_bytes(data + b"\0")


def rows(n, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    x = np.sin(np.arange(n) / 7)[:, None] + 0.2 * rng.normal(size=(n, channels))
    x[rng.random(x.shape) < 0.05] = np.nan
    return (1 + np.arange(n)) * 250_000_000, x


@pytest.mark.parametrize(
    "recipe",
    [
        {},
        {"dtype": "float32"},
        {"learner": "tbptt", "learner_options": {"window": 5}},
        {"cell": "lstm", "update": "adam"},
    ],
)
def test_a_model_continues_to_the_same_bits(recipe):
    t, x = rows(500)
    whole = Detector(channels=2, horizon=3, **recipe)
    first = Detector(channels=2, horizon=3, **recipe)
    expected = whole.run(t, x)
    first.run(t[:200], x[:200])
    kept, stored = first.snapshot(), first.to_bytes()
    first.run(t[200:300], x[200:300] + 5)  # goes astray ...
    first.restore(kept)  # ... and comes back
    for model in (first, Detector.from_bytes(stored)):
        got = model.run(t[200:], x[200:])
        np.testing.assert_array_equal(got.forecast, expected.forecast[200:])
        np.testing.assert_array_equal(got.surprise, expected.surprise[200:])
        np.testing.assert_array_equal(model.arena.block, whole.arena.block)


def test_bytes_of_another_kind_are_refused():
    with pytest.raises(StateError, match="another kind"):
        Detector.from_bytes(Forecaster().to_bytes())


def rewritten(owner, data):
    """The same bytes with another description of their owner, checksums and all."""
    stored = read_bytes(data)
    arena = Arena(Layout([Field(n, s, tuple(d)) for n, s, d in stored.layout["fields"]], stored.layout["dtype"]))
    arena.load(stored)
    return arena.to_bytes(owner)


@pytest.mark.parametrize(
    "change",
    [
        {"channels": []},
        {"channels": ["a", "b"]},
        {"channels": 5},
        {"recipe": {"units": 9999}},
        {"recipe": {"horizon": 1024}},
        {"recipe": {"cell": "nonsense"}},
        {"task": "Forecaster"},
        {"more": 1},
    ],
)
def test_whole_bytes_that_describe_another_model_are_refused(change):
    data = Detector().to_bytes()
    with pytest.raises(StateError):
        Detector.from_bytes(rewritten(read_bytes(data).owner | change, data))
    with pytest.raises(StateError):
        Detector.from_bytes(rewritten([1, 2], data))
