"""The page of a run: complete, self-contained, safe with any text, and drawn by a real browser without an error."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from streamrnn.daemon import tables
from streamrnn.daemon.findings import Findings
from streamrnn.daemon.picture import Picture
from streamrnn.daemon.replay import Outputs, replay
from streamrnn.daemon.report import Report, page
from streamrnn.daemon.scorecard import Scorecard
from streamrnn.daemon.summary import Outcome, as_json
from streamrnn.engine.fleet import stream_seed
from streamrnn.engine.ports import Alarm, Cause, Part, Phase, Result, Way
from streamrnn.errors import Reason
from streamrnn.tasks.detect import Detector
from streamrnn.tasks.recipe import Recipe

NASTY = "</script><b>\"'&${x}"
HOUR = 3_600_000_000_000


def pressure(rows: int) -> np.ndarray:
    """A day's wave of ±10 about a million, 25 above it for nine rows, missing for twenty."""
    values = 1e6 + 10 * np.sin(2 * np.pi * np.arange(rows) / 24) + np.random.default_rng(0).normal(size=rows)
    values[rows // 2 : rows // 2 + 9] += 25.0
    values[100:120] = np.nan
    return values


def made_up(rows: int = 600, channels: tuple[str, ...] = ("pressure", NASTY)) -> Report:
    """A run of an hourly pattern with a gap, two events of which the second is still on, and a condition."""
    time = 1_500_000_000_000_000_000 + HOUR * np.arange(rows)
    daily = 1e6 + 10 * np.sin(2 * np.pi * np.arange(rows) / 24)
    expected = np.repeat(daily[:, None], len(channels), axis=1)
    expected[:30] = np.nan
    values = np.repeat(pressure(rows)[:, None], len(channels), axis=1)
    score = np.linspace(0.0, 0.4, rows)
    score[rows // 2] = 0.93

    def alarm(row: int, phase: Phase, since: int, cause: Cause = "odd", channel: str = channels[0]) -> Alarm:
        band = (float(daily[row]), float(daily[row]) - 1.6, float(daily[row]) + 1.6)
        began = phase == "started" and cause == "odd"
        return Alarm(
            "s", int(time[row]), phase, 0.93, channel, float(values[row, 0]), *band, int(time[since]), cause,
            why=(Part(channels[0], 0.75, 1e6), Part(channels[-1], 0.25, 1e6)) if began else (),
            ways=(Way("residual", 0.6), Way("season", 0.3), Way("level", 0.1)) if began else (),
        )  # fmt: skip

    result = Result(
        stream="s",
        channels=channels,
        time=time,
        values=values,
        expected=expected,
        lower=expected - 1.6,
        upper=expected + 1.6,
        score=score,
        share=np.zeros_like(values),
        forecast=np.zeros((rows, 1, len(channels))),
        forecast_lower=np.zeros((rows, 1, len(channels))),
        forecast_upper=np.zeros((rows, 1, len(channels))),
        level=0.9,
        interval=3600.0,
        warming=np.arange(rows) < 30,
        alarms=[
            alarm(103, "started", 100, "missing", channels[-1]),
            alarm(120, "resolved", 100, "missing", channels[-1]),
            alarm(rows // 2, "started", rows // 2),
            alarm(rows // 2 + 1, "ongoing", rows // 2),
            alarm(rows // 2 + 9, "resolved", rows // 2),
            alarm(rows - 5, "started", rows - 6),
        ],
    )
    scorecard, picture = Scorecard(channels), Picture(channels)
    scorecard.add(result)
    picture.add(result)
    count = len(channels)
    findings = Findings(
        (0.2, -0.05)[:count], ("an autoregression", "the last value")[:count], (86400.0,), "as configured"
    )
    outcome = Outcome("pump <1>.csv", rows + 3, scorecard, {Reason.LATE: 3}, 0.5, findings)
    return Report("pump <1>.csv", outcome, picture, "elman, rtrl", 1.0)


def without_rows() -> Report:
    return Report("empty.csv", Outcome("empty.csv", 0, Scorecard(("a",)), {}, 0.0), Picture(("a",)), "elman", 1.0)


class Outline(HTMLParser):
    """Tags, references and the embedded data of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.text: list[str] = []
        self.data = ""
        self._in_data = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._in_data = ("id", "data") in attrs
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data += data
        self.text.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_data = False


def test_text_of_the_input_stays_text() -> None:
    outline = Outline(page(made_up()))
    assert "b" not in outline.tags
    assert outline.tags.count("script") == 3
    assert NASTY in outline.text
    assert "pump <1>.csv" in outline.text


def test_the_page_refers_to_nothing_outside() -> None:
    outline = Outline(page(made_up()))
    assert outline.references == ["#events"]
    assert "url(" not in page(made_up())
    assert "default-src 'none'" in page(made_up()).replace("&#x27;", "'")


def test_the_story_tells_what_was_seen() -> None:
    text = page(made_up())
    assert "2 events in 24 d 23 h, 1 of them ongoing." in text
    for sentence in (
        "600 rows of 2 channels in 24 d 23 h, one every 1 h. 3 rows were not used (3 late).",
        "The model was warming for the first 30 rows (1 d 6 h)",
        "1 ongoing at the end. The oddest began 2017-07-26 14:40:00 UTC, score 0.93. The budget for false alarms is 1",
        "In force at the end: 24 h.",
        "40 values were missing or masked; values were missing for long once (20 h in all).",
    ):
        assert sentence in text
    # 1 - √(0.8 · 1.05) = 8.3 %
    assert text.count("8.3% smaller than those of the best simple forecast") == 2
    assert f"smaller on 1 of 2 channels, from -5.0% ({escape(NASTY)}) to +20.0% (pressure) in skill." in text


def test_an_event_tells_since_when_how_odd_why_and_who_carried_it() -> None:
    row = rows_of(page(made_up()), "events")[0]
    assert row[0] == "1 2017-07-26 14:40:00"
    assert row[1:3] == ["9 h resolved", "0.93"]
    assert row[3] == f"pressure {pressure(600)[300]:,.2f}"
    assert row[5] == "far from what was expected, unusual for the time of the season"
    assert row[6] == f"75% pressure 25% {NASTY}"
    assert rows_of(page(made_up()), "events")[1][1] == "5 h ongoing"
    assert rows_of(page(made_up()), "conditions") == [
        ["2017-07-18 06:40:00", "20 h", "missing", NASTY, "values were missing"]
    ]


def rows_of(text: str, kind: str) -> list[list[str]]:
    """Cells of the table of a kind, as text."""
    found = re.search(rf'<div class="table[^"]* {kind}".*?</table>', text, re.DOTALL)
    if found is None:
        return []
    body = found.group().split("<tbody")[1]
    cells = [re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL) for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL)]
    return [[" ".join(unescape(re.sub(r"<[^>]*>", " ", cell)).split()) for cell in row] for row in cells]


def test_what_is_not_listed_is_still_in_the_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LISTED", 1)
    report = made_up()
    late = report.outcome.scorecard.events[1].raised
    report.outcome.scorecard.events[1].raised = replace(late, score=0.95)
    text = page(report)
    assert [row[0][:1] for row in rows_of(text, "events")] == ["2"], "the oddest is listed, by its number"
    assert "The 1 oddest of 2 are listed" in text
    assert len(json.loads(Outline(text).data)["events"]) == 2


def test_numbers_of_the_plot_keep_small_movements_of_large_values() -> None:
    data = json.loads(Outline(page(made_up())).data)
    (start, end, ongoing, resolved, place), second = data["events"]
    assert (end - start, ongoing - start, resolved, place) == (9 * 3600, 3600, 1.0, 0)
    assert second[2:] == [None, 0.0, 0]
    channel = data["channels"][0]
    stored = np.frombuffer(base64.b64decode(channel["value"]), "<f4").astype(float) + channel["offset"]
    np.testing.assert_allclose(stored, pressure(600), rtol=0, atol=1e-5)


def test_a_long_run_gives_a_small_page_that_says_what_it_shows() -> None:
    report = made_up(300_000)
    text = page(report)
    assert len(text.encode()) < SMALL
    size = report.picture.rows_per_bucket
    assert f"smallest and the largest value of each {size} rows" in text
    assert "smallest and the largest value" not in page(made_up())
    data = json.loads(Outline(text).data)
    time = np.frombuffer(base64.b64decode(data["time"]), "<f8")
    assert [event[0] for event in data["events"]] == [1.5e9 + 3600 * 150_000, 1.5e9 + 3600 * 299_994]
    near = time[np.abs(time - data["events"][0][0]) < 100 * 3600]
    np.testing.assert_array_equal(np.diff(near), 3600.0, "every row is there around an event")
    assert size > 1


def test_a_page_without_rows_is_a_page() -> None:
    assert "There was no row to judge." in page(without_rows())


ROWS = 2000
COLUMN = "<img src=x onerror=alert(1)>"
SMALL = 2_400_000
"""Bytes that no page of some ten channels passes, however long the run."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, str, Detector, np.ndarray]:
    """A file with two channels, a jump in the second, a gap and a stuck value: outcome, page, and the same by hand."""
    folder = tmp_path_factory.mktemp("replayed")
    random = np.random.default_rng(3)
    values = 20 + 5 * np.sin(2 * np.pi * np.arange(ROWS) / 48)[:, None] + random.normal(size=(ROWS, 2))
    values[1500:1540, 1] += 30.0
    values[900:960, 0] = values[899, 0]
    time = 1_700_000_000 + 600 * np.arange(ROWS)
    time[1200:] += 86400
    lines = [f"{t},{float(a)!r},{float(b)!r}\n" for t, (a, b) in zip(time.tolist(), values, strict=True)]
    path = folder / "pump.csv"
    path.write_text(f"time,flow,{COLUMN}\n{''.join(lines)}")
    outcome = replay(str(path), Recipe(), outputs=Outputs(report=folder / "pump.html"))
    model = Detector(("flow", COLUMN), Recipe(), seed=stream_seed(0, "replay"))
    rows = model.run(1_000_000_000 * time, values)
    start = int(np.flatnonzero(rows.time == outcome.scorecard.events[-1].raised.since)[0])
    return outcome, (folder / "pump.html").read_text(), model, rows.share[start]


def test_the_page_has_the_events_that_the_replay_found(run: tuple[Outcome, str, Detector, np.ndarray]) -> None:
    outcome, text, model, _ = run
    found = json.loads(as_json(outcome))
    assert len(found["alarms"]) == model.alarms >= 1
    assert 1_700_000_000 + 600 * 1500 + 86400 in [alarm["since"] for alarm in found["alarms"]]
    listed = rows_of(text, "events")
    assert [row[0] for row in listed] == [
        f"{i + 1} {datetime.fromtimestamp(alarm['since'], UTC):%Y-%m-%d %H:%M:%S}"
        for i, alarm in enumerate(found["alarms"])
    ]
    drawn_events = json.loads(Outline(text).data)["events"]
    assert [event[0] for event in drawn_events] == [alarm["since"] for alarm in found["alarms"]]
    assert [row[2] for row in rows_of(text, "conditions")] == [entry["cause"] for entry in found["conditions"]]
    assert "flat" in [entry["cause"] for entry in found["conditions"]]
    assert "once no row came for more than 3 intervals, at the longest for 1 d" in text


def test_skill_and_shares_are_the_models_own(run: tuple[Outcome, str, Detector, np.ndarray]) -> None:
    outcome, text, model, share = run
    skill = [row[1] for row in rows_of(text, "forecasts")]
    assert skill == [f"{value:+.1%}" for value in model.skill]
    found = json.loads(as_json(outcome))
    assert [channel["skill"] for channel in found["channels"].values()] == model.skill.tolist()
    assert found["seasons"] == [season * model.interval for season in model.seasons]
    carried = rows_of(text, "events")[-1][6]
    assert carried.startswith(f"{share[1]:.0%} {COLUMN}")
    assert outcome.scorecard.events[-1].raised.ways[0].name == "residual"
    assert "far from what was expected" in rows_of(text, "events")[-1][5]


def test_a_hundred_thousand_rows_give_a_small_page(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    values = np.random.default_rng(1).normal(size=100_000)
    path.write_text("time,x\n" + "".join(f"{i},{x!r}\n" for i, x in enumerate(values.tolist())))
    replay(str(path), Recipe(tier="lean"), outputs=Outputs(report=tmp_path / "long.html"))
    assert 1_000_000 < (tmp_path / "long.html").stat().st_size < SMALL


def browser() -> str:
    """Path of chromium. Skips where it is not installed, but fails on a CI machine, where it must be."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        message = "chromium is not installed: the page is not drawn"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def drawn(text: str, folder: Path, *, quiet: bool = True) -> str:
    """A page's DOM after its scripts have run; `quiet`: nothing may stand in the console, else something must."""
    path = folder / "report.html"
    path.write_text(text, encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    flags += [
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        f"--user-data-dir={folder / 'profile'}",
    ]
    flags += ["--enable-logging=stderr", "--v=0"]
    command = [browser(), *flags, "--virtual-time-budget=3000", "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    said = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    assert (not said) == quiet, said
    return done.stdout


@pytest.mark.parametrize("rows", [600, 0])
def test_a_browser_draws_the_page(tmp_path: Path, rows: int) -> None:
    report = made_up() if rows else without_rows()
    dom = drawn(page(report), tmp_path)
    opening = re.search(r"<html[^>]*>", dom)
    assert opening is not None
    assert "data-error" not in opening.group()
    assert f'data-drawn="{3 if rows else 0}"' in opening.group()
    assert dom.count("<canvas") == (3 if rows else 0)


@pytest.mark.parametrize(
    ("action", "event", "shown"),
    [
        ("document.querySelector('[data-do=in]').click()", "", "2017-07-20 08:25:00 to 2017-08-01 19:55:00"),
        (
            "document.querySelector('[data-event=\"0\"]').click()",
            "Event 1 of 2: ",
            "2017-07-24 02:40:00 to 2017-07-29 11:40:00",
        ),
        ("press('n'); press('0'); press('n')", "Event 2 of 2: ", "2017-08-02 20:40:00 to 2017-08-08 01:40:00"),
        ("press('+'); press('ArrowLeft'); press('-')", "", "2017-07-14 02:40:00 to 2017-08-08 01:40:00"),
    ],
)
def test_buttons_and_keys_move_all_plots(tmp_path: Path, action: str, event: str, shown: str) -> None:
    press = """
        const plot = document.querySelector(".plot");
        const press = (key) => plot.dispatchEvent(new KeyboardEvent("keydown", { key }));
    """
    tell = """;
        const when = (seconds) => new Date(seconds * 1e3).toISOString().replace("T", " ").slice(0, 19);
        const spans = plots.map((plot) => `${when(plot.scales.x.min)} to ${when(plot.scales.x.max)}`);
        document.documentElement.dataset.spans = spans.join("|");
    """
    text = re.sub(r"<meta http-equiv=.Content-Security-Policy[^>]*>", "", page(made_up()))
    text = text.replace("const plots = [];", "const plots = (window.plots = []);")
    dom = drawn(text.replace("</body>", f"<script>{press}{action}{tell}</script></body>"), tmp_path)
    opening = dom[: dom.index("<head>")]
    assert "data-error" not in opening
    assert f'data-spans="{"|".join([shown] * 3)}"' in opening
    assert f'aria-live="polite">{event}{shown} UTC</output>' in dom


def test_the_page_lets_no_other_script_run(tmp_path: Path) -> None:
    text = page(made_up()).replace("</body>", "<script>document.documentElement.dataset.stranger = 1</script></body>")
    assert "data-stranger" not in drawn(text, tmp_path, quiet=False).split("<head>")[0]


def test_a_browser_draws_the_page_of_a_replay(run: tuple[Outcome, str, Detector, np.ndarray], tmp_path: Path) -> None:
    dom = drawn(run[1], tmp_path)
    assert 'data-drawn="3"' in dom[: dom.index("<head>")]
    assert "data-error" not in dom[: dom.index("<head>")]
    assert "<img" not in dom
