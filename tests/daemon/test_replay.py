"""`replay` end to end: real files, the real engine and model, and the files that other tools read."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from streamrnn.daemon.cli import main
from streamrnn.daemon.replay import Outputs, replay
from streamrnn.daemon.summary import as_json, as_text
from streamrnn.engine.fleet import stream_seed
from streamrnn.errors import ConfigError, ConnectorError, InputError, Reason
from streamrnn.tasks.detect import Detector
from streamrnn.tasks.recipe import Recipe

RECIPE = Recipe(horizon=4)
ROWS = 6_000
"""More than one batch of the source."""
MINUTE = 60 * 10**9


def line(row: int, level: float) -> str:
    """One row a minute: time, level, a counter that wraps, a remark."""
    when = f"2024-01-{1 + row // 1440:02d} {row // 60 % 24:02d}:{row % 60:02d}:00"
    return f"{when},{float(level)!r},{row % 7}.50,note {row}\n"


def write_series(path: Path, rows: int = ROWS) -> list[str]:
    """A day's wave with noise, a jump at row 4000, a column of text, and a row each that is late and repeated."""
    noise = np.random.default_rng(5).normal(size=ROWS)
    levels = [10 * math.sin(2 * math.pi * i / 1440) + noise[i] + (40 if 4000 <= i < 4100 else 0) for i in range(ROWS)]
    lines = [line(row, level) for row, level in enumerate(levels)]
    lines[2_000] = line(1_500, 1.0)
    lines[5_000] = line(4_999, 2.0)
    path.write_text("when,level,count,remark\n" + "".join(lines[:rows]))
    return lines[:rows]


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("series") / "pump.csv"
    write_series(path)
    return path


def outputs_in(folder: Path) -> Outputs:
    return Outputs(folder / "scores.csv", folder / "predictions.npz", folder / "report.html")


def read_rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def test_outputs_have_a_row_for_each_input_row(series: Path, tmp_path: Path) -> None:
    outcome = replay(str(series), RECIPE, outputs=outputs_in(tmp_path))
    assert (outcome.rows, outcome.refused) == (ROWS, 2)
    assert outcome.rejected == {Reason.LATE: 1, Reason.DUPLICATE: 1}
    scores = read_rows(tmp_path / "scores.csv")
    assert scores[0] == ["when", "level", "count", "anomaly_score"]
    assert [row[:3] for row in scores[1:]] == [row[:3] for row in read_rows(series)[1:]]
    score = np.array([float(row[3]) for row in scores[1:]])
    assert np.all((score >= 0) & (score < 1))
    assert score[2_000] == score[5_000] == 0.0
    assert score[4_000] > 0.5
    stored = arrays(tmp_path / "predictions.npz")
    np.testing.assert_array_equal(stored["row"], np.arange(ROWS))
    np.testing.assert_array_equal(stored["horizon"], [1, 2, 3, 4])
    assert stored["channel"].tolist() == ["level", "count"]
    assert np.isfinite(stored["prediction"]).all()
    np.testing.assert_array_equal(stored["prediction"][2_000], stored["prediction"][1_999])
    assert [(event.raised.time, event.raised.channel) for event in outcome.scorecard.events].count(
        (1_704_067_200 * 10**9 + 4_000 * MINUTE, "level")
    ) == 1


def test_outputs_are_what_the_model_says(series: Path, tmp_path: Path) -> None:
    # the model does not count what was said after a row that it refused to learn; so let it learn all
    recipe = msgspec.structs.replace(RECIPE, governor="learn")
    outcome = replay(str(series), recipe, outputs=outputs_in(tmp_path), stream="replay")
    table = read_rows(series)[1:]
    used = [row for row in range(ROWS) if row not in (2_000, 5_000)]
    values = np.array([[float(cell) for cell in table[row][1:3]] for row in used])
    model = Detector(("level", "count"), recipe, seed=stream_seed(recipe.seed, "replay"))
    rows = model.run(1_704_067_200 * 10**9 + MINUTE * np.array(used), values)
    stored = arrays(tmp_path / "predictions.npz")
    for name, want in (("prediction", rows.forecast), ("lower", rows.forecast_lower), ("upper", rows.forecast_upper)):
        np.testing.assert_array_equal(stored[name][used], want)
    figures, sums = outcome.scorecard.figures(), model.statistics
    # the model does not count its very first forecast, of which it has no scale yet
    np.testing.assert_allclose([f.judged for f in figures], sums["judged"], atol=1)
    np.testing.assert_allclose([f.mae for f in figures], sums["absolute_error"] / sums["judged"], rtol=1e-2)
    np.testing.assert_allclose([f.nmae for f in figures], sums["absolute_error"] / sums["absolute_change"], rtol=1e-2)
    np.testing.assert_allclose([f.nmse for f in figures], sums["squared_error"] / sums["squared_change"], rtol=1e-2)
    np.testing.assert_allclose([f.coverage for f in figures], sums["covered"] / sums["judged"], rtol=1e-2)


@pytest.mark.parametrize("length", [50, 4_096, 4_500])
def test_a_beginning_gives_the_same_bits_under_another_name(series: Path, tmp_path: Path, length: int) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    whole.mkdir()
    part.mkdir()
    beginning = tmp_path / "elsewhere.csv"
    write_series(beginning, length)
    replay(str(series), RECIPE, outputs=outputs_in(whole))
    replay(str(beginning), RECIPE, outputs=outputs_in(part))
    assert (whole / "scores.csv").read_bytes().startswith((part / "scores.csv").read_bytes())
    long, short = arrays(whole / "predictions.npz"), arrays(part / "predictions.npz")
    for name in ("prediction", "lower", "upper"):
        assert short[name].tobytes() == long[name][:length].tobytes()


def test_other_block_borders_give_the_same_bits(series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    for rows_per_batch in (4096, 97):
        monkeypatch.setattr("streamrnn_connectors.files.source.ROWS_PER_BATCH", rows_per_batch)
        replay(str(series), RECIPE, outputs=Outputs(tmp_path / "scores.csv", tmp_path / "predictions.npz"))
        kept.append([(tmp_path / name).read_bytes() for name in ("scores.csv", "predictions.npz")])
    assert kept[0] == kept[1]


def test_the_same_run_twice_gives_the_same_bytes(series: Path, tmp_path: Path) -> None:
    kept = []
    for _ in range(2):
        replay(str(series), RECIPE, outputs=Outputs(tmp_path / "scores.csv", tmp_path / "predictions.npz"))
        kept.append([(tmp_path / name).read_bytes() for name in ("scores.csv", "predictions.npz")])
    assert kept[0] == kept[1]


def test_missing_values_are_kept_as_they_are_and_forecast_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "holes.csv"
    path.write_text("t,a,b\n" + "".join(f"{i},{'' if i % 5 else i},{i if i > 20 else ''}\n" for i in range(200)))
    outcome = replay(str(path), RECIPE, outputs=outputs_in(tmp_path))
    assert outcome.scorecard.missing == 160 + 21
    assert [row[1:3] for row in read_rows(tmp_path / "scores.csv")] == [row[1:] for row in read_rows(path)]
    prediction = arrays(tmp_path / "predictions.npz")["prediction"]
    np.testing.assert_array_equal(np.isnan(prediction).any((1, 2)), np.arange(200) < 21)


def test_a_broken_row_names_its_line_and_leaves_no_file(series: Path, tmp_path: Path) -> None:
    lines = series.read_text().splitlines(keepends=True)
    path = tmp_path / "broken.csv"
    path.write_text("".join([*lines[:4_300], "2024-01-03 23:39:30,high,1.0,x\n", *lines[4_300:]]))
    with pytest.raises(InputError, match=r"line 4301.*level.*high"):
        replay(str(path), RECIPE, outputs=outputs_in(tmp_path))
    assert list(tmp_path.iterdir()) == [path]


def test_broken_rows_can_be_passed_over(series: Path, tmp_path: Path) -> None:
    lines = series.read_text().splitlines(keepends=True)
    path = tmp_path / "broken.csv"
    path.write_text("".join([*lines[:10], "2024-01-01 00:08:30,high,1.0,x\n", *lines[10:50]]))
    outcome = replay(str(path), RECIPE, outputs=outputs_in(tmp_path), on_error="skip")
    assert outcome.rejected == {Reason.NOT_A_NUMBER: 1}
    scores = read_rows(tmp_path / "scores.csv")
    assert scores[10] == ["2024-01-01 00:08:30", "high", "1.0", "0.0"]
    assert len(scores) == 1 + 50
    stored = arrays(tmp_path / "predictions.npz")["prediction"]
    np.testing.assert_array_equal(stored[9], stored[8])


@pytest.mark.parametrize("text", ["", "t,a\n"])
def test_a_file_without_rows_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "empty.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"is empty|no rows"):
        replay(str(path), RECIPE)


def test_an_output_never_takes_the_place_of_the_input(series: Path) -> None:
    before = series.read_bytes()
    with pytest.raises(ConfigError, match="is the input as well"):
        replay(str(series), RECIPE, outputs=Outputs(scores=series))
    with pytest.raises(ConfigError, match=r"--report.*is --scores as well"):
        replay(str(series), RECIPE, outputs=Outputs(scores=Path("same"), report=Path("./same")))
    assert series.read_bytes() == before


def test_a_full_disk_is_an_error_and_leaves_no_file(
    series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object, result: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("streamrnn.daemon.picture.Picture.add", full)
    with pytest.raises(OSError, match="No space left"):
        replay(str(series), RECIPE, outputs=outputs_in(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_summary_says_the_same_as_text_and_as_json(series: Path) -> None:
    outcome = replay(str(series), Recipe())
    text, document = as_text(outcome), json.loads(as_json(outcome))
    assert "rejected: 1 late, 1 duplicate; values missing: 0" in text
    assert f"alarms: {len(document['alarms'])}" in text
    assert document["rejected"] == {"late": 1, "duplicate": 1}
    assert (document["rows"], document["rows_used"]) == (ROWS, ROWS - 2)
    assert document["interval"] == pytest.approx(60.0, rel=1e-3)
    level = document["channels"]["level"]
    assert f"{level['nmae']:.3f}" in text
    assert f"{level['coverage']:.1%}" in text
    assert level["nmae"] == pytest.approx(level["mae"] / level["persistence_mae"])


def test_the_command_prints_and_writes(series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = tmp_path / "scores.csv"
    arguments = ["replay", str(series), "--horizon", "2", "--columns", "count", "--scores", str(scores), "--json"]
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert list(json.loads(said.out)["channels"]) == ["count"]
    assert said.err == ""
    assert read_rows(scores)[0] == ["when", "count", "anomaly_score"]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--horizon", "0"], "--horizon: no such horizon (got 0, expected 1 to 1024)"),
        (["--columns", "flow"], "no column of the name 'flow'"),
        (["--scores", "nowhere/s.csv"], "--scores nowhere/s.csv: cannot write here (got No such file or directory"),
        (["--interval", "-1"], "wrong option"),
    ],
)
def test_a_wrong_option_is_one_line(
    series: Path, extra: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(series), *extra]) == 1
    said = capsys.readouterr()
    assert message in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)


def test_a_missing_file_is_a_connector_error(tmp_path: Path) -> None:
    with pytest.raises(ConnectorError, match=r"gone\.csv"):
        replay(str(tmp_path / "gone.csv"), RECIPE)


def test_standard_input_gives_what_the_file_gives(series: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "streamrnn.daemon",
        "replay",
        "-",
        "--horizon",
        "4",
        "--scores",
        "piped.csv",
        "--quiet",
    ]
    with series.open("rb") as file:
        done = subprocess.run(command, stdin=file, cwd=tmp_path, capture_output=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    replay(str(series), RECIPE, outputs=Outputs(scores=tmp_path / "direct.csv"))
    assert (tmp_path / "piped.csv").read_bytes() == (tmp_path / "direct.csv").read_bytes()
