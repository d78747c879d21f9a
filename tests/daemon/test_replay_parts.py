"""What replay is made of, held against plain definitions: thinning, scorecard, output files, progress line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from streamrnn.daemon.outputs import Answer, predictions_file, scores_file
from streamrnn.daemon.progress import Progress
from streamrnn.daemon.scorecard import Scorecard
from streamrnn.daemon.summary import Outcome, as_json, as_text
from streamrnn.daemon.thinning import Envelope, Thinning
from streamrnn.engine.ports import Alarm, Cause, Floats, Phase, Result
from streamrnn.errors import ConfigError

ENVELOPES: list[Envelope] = ["both", "lowest", "highest"]


def result(values: Floats, expected: Floats, *, start: int = 0, half: float = 1.0, horizon: int = 1) -> Result:
    """A result made by hand: bands of ±`half`, forecasts that say which row issued them."""
    rows, channels = values.shape
    time = np.arange(start, start + rows) * 10**9
    forecast = np.broadcast_to(np.arange(start, start + rows)[:, None, None], (rows, horizon, channels)).astype(float)
    return Result(
        stream="s",
        channels=tuple("abc"[:channels]),
        time=time,
        values=values,
        expected=expected,
        lower=expected - half,
        upper=expected + half,
        score=np.linspace(0.0, 0.9, rows),
        share=np.zeros_like(values),
        forecast=forecast,
        forecast_lower=forecast - 1.0,
        forecast_upper=forecast + 1.0,
        level=0.9,
        interval=1.0,
        warming=np.zeros(rows, np.bool_),
    )


def thinned(rows: Floats, blocks: list[int], limit: int) -> tuple[np.ndarray, np.ndarray, int]:
    thinning = Thinning(ENVELOPES, limit)
    start = 0
    while start < len(rows):
        stop = start + blocks[start % len(blocks)]
        thinning.add(np.arange(start, min(stop, len(rows))), rows[start:stop])
        start = stop
    return *thinning.points(), thinning.rows_per_bucket


@pytest.mark.parametrize("count", [0, 1, 39, 40, 41, 160, 1003, 4096])
def test_thinned_points_hold_the_extremes_of_their_buckets(count: int) -> None:
    rows = np.random.default_rng(count).normal(size=(count, 3))
    time, points, size = thinned(rows, [17], limit=40)
    assert len(time) <= 42
    assert np.all(np.diff(time) > 0)
    if size == 1:
        np.testing.assert_array_equal(points, rows)
        return
    pairs = points[: count // size * 2].reshape(-1, 2, 3)
    buckets = rows[: count // size * size].reshape(-1, size, 3)
    np.testing.assert_array_equal(pairs[:, :, 0].min(1), buckets[:, :, 0].min(1))
    np.testing.assert_array_equal(pairs[:, :, 0].max(1), buckets[:, :, 0].max(1))
    rises = buckets[:, :, 0].argmin(1) < buckets[:, :, 0].argmax(1)
    np.testing.assert_array_equal(pairs[:, 0, 0] < pairs[:, 1, 0], rises)
    np.testing.assert_array_equal(pairs[:, :, 1], np.repeat(buckets[:, :, 1].min(1)[:, None], 2, 1))
    np.testing.assert_array_equal(pairs[:, :, 2], np.repeat(buckets[:, :, 2].max(1)[:, None], 2, 1))


def test_thinning_does_not_depend_on_the_blocks() -> None:
    rows = np.random.default_rng(1).normal(size=(2_000, 3))
    rows[300:500] = np.nan
    for got, want in zip(thinned(rows, [1], 64), thinned(rows, [1999, 7, 400], 64), strict=True):
        np.testing.assert_array_equal(got, want)


def test_missing_values_stay_missing_when_thinned() -> None:
    rows = np.full((400, 3), np.nan)
    rows[0] = 5.0
    _, points, _ = thinned(rows, [400], limit=8)
    assert np.nanmax(points) == 5.0
    assert np.isnan(points[2:]).all()


@pytest.mark.parametrize("split", [1, 3, 50])
def test_figures_are_those_of_the_definitions(split: int) -> None:
    random = np.random.default_rng(3)
    values, expected = random.normal(size=(50, 2)), random.normal(size=(50, 2))
    values[10:14, 0] = np.nan
    values[20, 1] = np.inf
    expected[:5] = np.nan
    card = Scorecard(("a", "b"))
    for start in range(0, 50, split):
        stop = start + split
        card.add(result(values[start:stop], expected[start:stop], start=start))
    for channel, figures in enumerate(card.figures()):
        known = None
        error, change, inside = [], [], []
        for value, forecast in zip(values[:, channel], expected[:, channel], strict=True):
            if not np.isfinite(value):
                continue
            if known is not None and np.isfinite(forecast):
                error.append(value - forecast)
                change.append(value - known)
                inside.append(abs(value - forecast) <= 1.0)
            known = value
        assert figures.judged == len(error)
        assert figures.mae == pytest.approx(np.mean(np.abs(error)))
        assert figures.nmae == pytest.approx(np.sum(np.abs(error)) / np.sum(np.abs(change)))
        assert figures.nmse == pytest.approx(np.sum(np.square(error)) / np.sum(np.square(change)))
        assert figures.coverage == pytest.approx(np.mean(inside))
        assert figures.width == pytest.approx(2.0)
    assert (card.rows, card.missing, card.first, card.last) == (50, 5, 0, 49 * 10**9)


def test_a_flat_line_has_no_ratio() -> None:
    card = Scorecard(("a",))
    card.add(result(np.ones((9, 1)), np.ones((9, 1))))
    assert np.isnan(card.figures()[0].nmae)


def test_an_event_ends_with_its_clearing() -> None:
    card = Scorecard(("a",))
    raised = Alarm("s", 5, "started", 0.6, "a", 9.0, 1.0, 0.0, 2.0, since=4)
    ongoing = Alarm("s", 7, "ongoing", 0.7, "a", 9.0, 1.0, 0.0, 2.0, since=4)
    cleared = Alarm("s", 9, "resolved", 0.8, "a", 1.0, 1.0, 0.0, 2.0, since=4)
    first, second = result(np.ones((3, 1)), np.ones((3, 1))), result(np.ones((3, 1)), np.ones((3, 1)), start=3)
    first.alarms, second.alarms = [raised, ongoing], [cleared]
    card.add(first)
    assert card.events[0].cleared is None
    card.add(second)
    assert (card.events[0].cleared, card.events[0].score) == (cleared, 0.8)
    assert len(card.events) == 1


def test_conditions_are_kept_apart_from_events_and_from_each_other() -> None:
    card = Scorecard(("a", "b"))

    def condition(time: int, phase: Phase, cause: Cause, channel: str) -> Alarm:
        return Alarm("s", time, phase, np.nan, channel, 5.0, 1.0, 0.0, 2.0, since=time - 1, cause=cause)

    both = result(np.ones((3, 2)), np.ones((3, 2)))
    both.alarms = [
        condition(5, "started", "flat", "a"), condition(6, "started", "flat", "b"), condition(7, "started", "rate", ""),
        condition(8, "resolved", "flat", "b"), condition(9, "resolved", "missing", "a"),
    ]  # fmt: skip
    card.add(both)
    ends = [event.cleared.time if event.cleared else None for event in card.conditions]
    assert (card.events, ends) == ([], [None, 8, None])
    outcome = Outcome("f.csv", 3, card, {}, 1.0)
    lines = as_text(outcome).splitlines()
    assert lines[-4] == "conditions of the data: 3"
    assert lines[-3].split("  ")[2].startswith("flat a 5, ")
    assert "rate 5 s for 1 s" in lines[-1]
    listed = json.loads(as_json(outcome))["conditions"]
    assert [(entry["cause"], entry["channel"]) for entry in listed] == [("flat", "a"), ("flat", "b"), ("rate", "")]
    assert listed[1]["until"] == 8e-9


def answers() -> list[Answer]:
    """Seven input rows: 0 is refused, 1 and 3 are used, 2 is refused, 4 and 5 are refused, 6 is used."""
    first = result(np.ones((2, 1)), np.ones((2, 1)), start=10, horizon=2)
    last = result(np.ones((1, 1)), np.ones((1, 1)), start=20, horizon=2)
    return [
        Answer([("0", "a"), ("1", "b"), ("2", ""), ("3", "1e3")], np.array([1, 3]), first),
        Answer([("4", "x"), ("5", "y")], np.empty(0, np.int64), None),
        Answer([("6", 'q"')], np.array([0]), last),
    ]


def test_scores_have_one_row_for_each_input_row_in_its_own_text(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    with scores_file(path, ["when", "x, y"]) as write:
        for answer in answers():
            write(answer)
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["when", "x, y", "anomaly_score"]
    assert [row[0] for row in rows[1:]] == ["0", "1", "2", "3", "4", "5", "6"]
    assert [row[1] for row in rows[1:]] == ["a", "b", "", "1e3", "x", "y", 'q"']
    assert [float(row[2]) for row in rows[1:]] == [0.0, 0.0, 0.0, 0.9, 0.0, 0.0, 0.0]


def test_predictions_repeat_the_standing_forecast_where_a_row_was_refused(tmp_path: Path) -> None:
    path = tmp_path / "predictions.npz"
    for _ in range(2):
        before = path.read_bytes() if path.exists() else None
        with predictions_file(path, ["a"], horizon=2) as write:
            for answer in answers():
                write(answer)
    assert path.read_bytes() == before
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    assert list(arrays) == ["row", "horizon", "channel", "prediction", "lower", "upper", "level"]
    np.testing.assert_array_equal(arrays["row"], np.arange(7))
    np.testing.assert_array_equal(arrays["horizon"], [1, 2])
    assert arrays["channel"].tolist() == ["a"]
    assert arrays["prediction"].shape == arrays["lower"].shape == arrays["upper"].shape == (7, 2, 1)
    np.testing.assert_array_equal(arrays["prediction"][:, 1, 0], [np.nan, 10, 10, 11, 11, 11, 20])
    np.testing.assert_array_equal(
        arrays["upper"] - arrays["prediction"], np.where(np.isnan(arrays["upper"]), np.nan, 1)
    )
    assert float(arrays["level"]) == 0.9


@pytest.mark.parametrize("end", ["raise", "leave"])
def test_a_file_appears_whole_or_not_at_all(tmp_path: Path, end: str) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("older")

    def fill() -> None:
        with scores_file(path, ["t"]) as write:
            write(Answer([("0",)], np.empty(0, np.int64), None))
            assert path.read_text() == "older"
            if end == "raise":
                raise RuntimeError("power cut")

    if end == "raise":
        with pytest.raises(RuntimeError, match="power cut"):
            fill()
        assert path.read_text() == "older"
    else:
        fill()
        assert path.read_text() == "t,anomaly_score\n0,0.0\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "scores.csv"
    with (
        pytest.raises(ConfigError, match=r"--scores .*nowhere.*expected a folder that exists"),
        scores_file(path, ["t"]),
    ):
        pass


def test_a_score_column_in_the_input_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"a column anomaly_score already.*--columns"),
        scores_file(tmp_path / "s.csv", ["t", "anomaly_score"]),
    ):
        pass


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_drawn_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamrnn.daemon.progress.PERIOD", 0.0)
    for stream, drawn in ((Terminal(), True), (io.StringIO(), False)):
        with Progress(stream, "pump.csv") as progress:
            progress.update(1_000, 0.5)
        assert ("50%" in stream.getvalue()) is drawn
        assert stream.getvalue().endswith("\x1b[K") is drawn
